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
