package handover

import (
	"reflect"
	"strings"
	"testing"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/fieldtest"
)

// What an errand says besides its Move reaches the run that does it, each field under
// its name; and what the core goes by is made of the run, or there is a reason here.
func TestAnErrandReachesTheCore(t *testing.T) {
	for f := range reflect.TypeFor[Errand]().Fields() {
		if f.Anonymous {
			continue
		}
		var e Errand
		said := reflect.ValueOf(&e).Elem().FieldByIndex(f.Index)
		if f.Name == "Scope" {
			said = said.FieldByName("Nodes") // they stand for all of it: In is a function
		}
		fieldtest.Fill(t, f.Name, said)
		if kept := reflect.ValueOf(e.run(nil, nil)).Elem().FieldByName(strings.ToLower(f.Name)); !kept.IsValid() || kept.IsZero() {
			t.Errorf("Errand.run does not hand on %s", f.Name)
		}
	}
	without := map[string]string{
		"Awaited": "it follows from where the move goes", "Shelter": "it follows from the rollouts that a plan makes",
	}
	var e Errand
	e.Scope.Nodes = []string{"x"}
	e.Unasked, e.Move = 7, engine.Move{From: engine.Host{Soak: 7, Settle: 7}}
	options := reflect.ValueOf(e.run(nil, nil).options())
	for f := range options.Type().Fields() {
		if options.FieldByIndex(f.Index).IsZero() == (without[f.Name] == "") {
			t.Errorf("run.options makes %s of nothing that is given, or does, and is said not to: %q", f.Name, without[f.Name])
		}
	}
}

// Each option changes what a workload or a node is decided by, or there is a reason here:
// a field that is left out of the two cases is a flag that does nothing.
func TestOptionsReachTheCases(t *testing.T) {
	without := map[string]string{
		"Scope":   "functions of a case ask it: Move.leaves, Move.concerns",
		"Shelter": "the move asks for it: Move.shelter",
		"Awaited": "the move asks for it, before there is a case",
	}
	cases := func(o Options) []reflect.Value {
		m := NewMove(&Record{Phase: Ready}, o)
		m.view = &View{}
		return []reflect.Value{reflect.ValueOf(m.workloadCase("w", nil)), reflect.ValueOf(m.nodeCase("n"))}
	}
	plain := cases(Options{})
	for f := range reflect.TypeFor[Options]().Fields() {
		if without[f.Name] != "" {
			continue
		}
		var o Options
		fieldtest.Fill(t, f.Name, reflect.ValueOf(&o).Elem().FieldByIndex(f.Index))
		arrives := false
		for i, c := range cases(o) {
			for field := range c.Type().Fields() {
				differs := field.Type.Kind() != reflect.Func && !reflect.DeepEqual(c.FieldByIndex(field.Index).Interface(), plain[i].FieldByIndex(field.Index).Interface())
				arrives = arrives || differs
				if field.Name == f.Name && field.Type == f.Type && !differs {
					t.Errorf("%s has a %s, and the option is not in it", c.Type(), f.Name)
				}
			}
		}
		if !arrives {
			t.Errorf("%s changes no field of Case or NodeCase: give it there, or its reason here", f.Name)
		}
	}
}
