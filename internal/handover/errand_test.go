package handover

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/droverhq/drover/event"
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
		same := func(name string) bool { return strings.EqualFold(name, f.Name) } // JobWait as jobWait
		if kept := reflect.ValueOf(e.run(nil, nil)).Elem().FieldByNameFunc(same); !kept.IsValid() || kept.IsZero() {
			t.Errorf("Errand.run does not hand on %s", f.Name)
		}
	}
	without := map[string]string{
		"Awaited": "it follows from where the move goes", "Shelter": "it follows from the rollouts that a plan makes",
	}
	var e Errand
	for f := range reflect.TypeFor[Errand]().Fields() {
		if !f.Anonymous && f.Name != "Scope" {
			fieldtest.Fill(t, f.Name, reflect.ValueOf(&e).Elem().FieldByIndex(f.Index))
		}
	}
	e.Scope.Nodes = []string{"x"}
	e.Move = engine.Move{From: engine.Host{Soak: 7, Settle: 7}}
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
		"Scope":    "functions of a case ask it: Move.leaves, Move.concerns",
		"Shelter":  "the move asks for it: Move.shelter",
		"Awaited":  "the move asks for it, before there is a case",
		"SoakEnds": "the move's own words say it: Move.soaks",
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

// What the engine's Move says of how a hand-over is to go reaches the core's Options,
// each field and each of the host, or there is a reason here.
func TestAMoveReachesTheCore(t *testing.T) {
	without := map[string]string{
		"Step": "it marks events", "To": "its groups are observed; Awaited are those of the host's own URN", "Keep": "Move.Begin takes it",
		"Back": "run.begin asks it", "Owed": "as Back", "Memo": "as Back", "Save": "the run writes", "Breach": "it is observed", "Events": "the run tells",
		"From.URN": "a part of it", "From.Name": "the record has it", "From.Conn": "Mover.open takes it", "From.Fresh": "TestWhatIsYetToComeReachesTheQuestion",
	}
	asked := func(name string, of reflect.Value, mv *engine.Move) {
		mv.From.Soak = max(mv.From.Soak, 1) // which EndSoak ends
		before := reflect.ValueOf((&run{move: *mv}).options())
		if without[name] == "" {
			fieldtest.Fill(t, name, of)
		}
		if reached := !reflect.DeepEqual(before.Interface(), (&run{move: *mv}).options()); reached == (without[name] != "") {
			t.Errorf("run.options makes something of Move.%s: %v, and is said not to: %q", name, reached, without[name])
		}
		delete(without, name)
	}
	for f := range reflect.TypeFor[engine.Move]().Fields() {
		if f.Name == "From" {
			for h := range f.Type.Fields() {
				var mv engine.Move
				asked("From."+h.Name, reflect.ValueOf(&mv.From).Elem().FieldByIndex(h.Index), &mv)
			}
			continue
		}
		var mv engine.Move
		asked(f.Name, reflect.ValueOf(&mv).Elem().FieldByIndex(f.Index), &mv)
	}
	for name := range without {
		t.Errorf("a Move has no %s", name)
	}
}

// placing keeps what a cluster is asked to place, and where.
type placing struct {
	Cluster
	fresh []Size
}

func (c *placing) Place(_ context.Context, _ []string, _, _ []Ref, fresh []Size) ([]Placement, error) {
	c.fresh = fresh
	return nil, nil
}

func (*placing) Rehearse(context.Context, Rehearsal) error { return nil }

func (*placing) Surroundings(context.Context) (Surroundings, error) { return Surroundings{}, nil }

// Of nodes that are yet to come, each field has a part in what is asked.
func TestWhatIsYetToComeReachesTheQuestion(t *testing.T) {
	asked := func(f engine.Fresh) any {
		c, v := &placing{}, NewView()
		v.PutNode(&Node{Name: "old", Ready: true})
		r := newRun(New(Nothing{}, Nothing{}, nil, event.Discard), c, engine.Move{Events: event.Discard})
		r.scope.Nodes = []string{"old"}
		q := r.question(t.Context(), Observed{View: v}, nil, []engine.Fresh{f})
		return struct {
			coming bool
			types  []string
			nodes  int
		}{q.Coming, q.Types, len(c.fresh)}
	}
	for f := range reflect.TypeFor[engine.Fresh]().Fields() {
		var fresh engine.Fresh
		fieldtest.Fill(t, f.Name, reflect.ValueOf(&fresh).Elem().FieldByIndex(f.Index))
		if reflect.DeepEqual(asked(fresh), asked(engine.Fresh{})) {
			t.Errorf("nothing is asked otherwise for engine.Fresh.%s", f.Name)
		}
	}
}
