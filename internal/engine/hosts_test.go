package engine

import (
	"reflect"
	"testing"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/fieldtest"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/value"
)

// What the stack file says of a node group is remembered, goes into its hand-over, and
// is there on the way back: each field under the same name, or there is a reason here.
func TestHostsAreHandedOn(t *testing.T) {
	const unmade = "it is asked of nodes that are yet to be made, by the graph: Fresh"
	except := map[string]map[string]string{ // by place and field
		"what is remembered": {"Type": unmade},
		"the hand-over":      {"Type": unmade, "Nodes": "what the group has is asked when it is handed over"},
		"what stood before":  {"Type": unmade},
	}
	for f := range reflect.TypeFor[graph.Hosts]().Fields() {
		said := new(graph.Hosts)
		fieldtest.Fill(t, f.Name, reflect.ValueOf(said).Elem().FieldByIndex(f.Index))
		stands, err := (&apply{veil: new(value.Veil)}).described(t.Context(), graph.Resource{Hosts: said}, state.Resource{})
		if err != nil {
			t.Fatal(f.Name, err)
		}
		for place, has := range map[string]any{
			"what is remembered": *stands.Hosts,
			"the hand-over":      host(stands),
			"what stood before":  *new(Engine).former(new(graph.Graph), new(state.Snapshot), stands).Hosts,
		} {
			field := reflect.ValueOf(has).FieldByName(f.Name)
			if kept, why := field.IsValid() && !field.IsZero(), except[place][f.Name]; kept == (why != "") {
				t.Errorf("%s has %s of the graph: %v, and is said not to have it: %q", place, f.Name, kept, why)
			}
		}
	}
}

// What the file says of a resource, and a later run without that file needs, is in the
// state: each field, or there is a reason here.
func TestWhatTheFileSaysIsRemembered(t *testing.T) {
	const now = "it is asked of the file when it counts"
	without := map[string]string{
		"Key": "its type is; its name is in the URN", "BaseName": "it is in the name",
		"Rolls": now, "After": "Needs", "From": "Needs", "Gen": "the step has it", "At": now, "Hosts": "TestHostsAreHandedOn", "Options": "below",
		"Options.Aliases": now, "Options.IgnoreChanges": now, "Options.ReplaceOnChanges": now, "Options.DeleteFirst": now, "Options.Create": now, "Options.Update": now,
	}
	stored := func(r graph.Resource) state.Resource {
		got, err := (&apply{veil: new(value.Veil)}).described(t.Context(), r, state.Resource{})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	ask := func(prefix string, r *graph.Resource, v reflect.Value) {
		for f := range v.Type().Fields() {
			was := stored(*r)
			field := v.FieldByIndex(f.Index)
			if why := without[prefix+f.Name]; why != "" {
				continue
			}
			fieldtest.Fill(t, f.Name, field)
			if reflect.DeepEqual(was, stored(*r)) {
				t.Errorf("%s%s is not remembered", prefix, f.Name)
			}
		}
	}
	r := new(graph.Resource)
	ask("", r, reflect.ValueOf(r).Elem())
	ask("Options.", r, reflect.ValueOf(&r.Options).Elem())
}

// What a run is told by the engine's fields and a hand-over goes by is in the Move, which
// HandOver, Shelter and Reopen are all given: each field of the Engine, or there is a
// reason here.
func TestTheEnginesChoicesReachTheMove(t *testing.T) {
	const plans = "the plan goes by it"
	without := map[string]string{
		"Providers": "of resources", "Lookup": "as Providers", "Mover": "it is asked", "Guard": "a run begins it: Move.Breach", "Parallel": "of steps",
		"Park": "of what a plan refuses: a hand-over parks what cannot move by itself", "AllowDelete": plans, "Replace": plans, "Diff": plans, "NoRead": plans, "ForgetUnreachable": plans,
	}
	move := func(e Engine) Move {
		mv := (&apply{Engine: &e, journal: journalOf{snapshot: new(state.Snapshot)}}).move(t.Context(), plan.Step{}, state.Resource{Hosts: new(state.Hosts)}, state.Intent{})
		mv.Save, mv.Breach = nil, nil // functions cannot be compared
		return mv
	}
	for f := range reflect.TypeFor[Engine]().Fields() {
		var e Engine
		v := reflect.ValueOf(&e).Elem().FieldByIndex(f.Index)
		switch {
		case f.Name == "Events":
			e.Events = event.Discard
		case f.Type.Kind() != reflect.Func && f.Type.Kind() != reflect.Interface:
			fieldtest.Fill(t, f.Name, v)
		}
		if reaches := !reflect.DeepEqual(move(e), move(Engine{})); reaches == (without[f.Name] != "") {
			t.Errorf("Engine.%s reaches the Move: %v, and is said not to: %q", f.Name, reaches, without[f.Name])
		}
	}
}

// Each field of the Move is given by the run.
func TestEveryFieldOfAMoveIsGiven(t *testing.T) {
	snapshot := &state.Snapshot{
		Resources: []state.Resource{{URN: "new", Name: "new", Hosts: new(state.Hosts)}},
		Pending:   []state.Intent{{Op: plan.HandOver, URN: "new", Memo: []byte(`{}`)}},
	}
	a := &apply{Engine: &Engine{Events: event.Discard, Continue: true}, journal: journalOf{snapshot: snapshot}, plan: plan.Plan{Returns: true}}
	mv := a.move(t.Context(), plan.Step{ID: 7, Keep: 7}, state.Resource{URN: "old", Name: "old", Hosts: new(state.Hosts)}, state.Intent{Memo: []byte(`{}`)})
	for f := range reflect.TypeFor[Move]().Fields() {
		if reflect.ValueOf(mv).FieldByIndex(f.Index).IsZero() {
			t.Errorf("nobody gives Move.%s", f.Name)
		}
	}
}

// journalOf is a journal of which nothing is asked but what is known.
type journalOf struct {
	Journal
	snapshot *state.Snapshot
}

func (k journalOf) Snapshot() *state.Snapshot { return k.snapshot }

func (k journalOf) Find(urn plan.URN, gen int) (state.Resource, bool) {
	return k.snapshot.Find(urn, gen)
}

// Of nodes that are yet to be made, a host is told every field.
func TestEveryFieldOfFreshIsFilled(t *testing.T) {
	var h Host
	h.await(state.Resource{URN: "web", Hosts: new(state.Hosts)}, "web", 2, &graph.Hosts{Nodes: 2, Type: "t3.large"}, new(state.Snapshot))
	if empty := fieldtest.Empty(h.Fresh); len(h.Fresh) != 1 || len(empty) > 0 {
		t.Errorf("%+v: nobody fills %q", h.Fresh, empty)
	}
}
