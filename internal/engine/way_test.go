package engine

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/droverhq/drover/internal/fieldtest"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// The way back is barred where it would need something that is gone. What nothing
// refers to is made anew.
func TestWayIsOpenWhileWhatItNeedsStands(t *testing.T) {
	plain := graph.Resource{Key: graph.Key{Type: "T", Name: "a"}, Gen: 1}
	hosts, part := plain, plain
	hosts.Hosts, part.Generation = new(graph.Hosts), plan.Props{"version": "1"}
	user := &item{Resource: graph.Resource{Key: graph.Key{Type: "T", Name: "user"}, From: []graph.Key{plain.Key}}, have: new(state.Resource)}
	for _, c := range []struct {
		about string
		r     graph.Resource
		fate  fate
		gen   int
		id    string
		used  bool
		open  bool
	}{
		{"a host stands", hosts, update, 1, "id", false, true},
		{"a host is another generation", hosts, update, 2, "id", false, false},
		{"a host is made anew", hosts, create, 1, "id", false, false},
		{"a part of a node group is made anew", part, replace, 1, "id", false, false},
		{"what another's values come from is made anew", plain, create, 1, "id", true, false},
		{"what another's values come from has another ID", plain, keep, 1, "other", true, false},
		{"what another's values come from stands", plain, keep, 1, "id", true, true},
		{"what nothing needs is made anew", plain, create, 1, "id", false, true},
		{"what nothing needs has another ID", plain, update, 1, "other", false, true},
	} {
		it := &item{Resource: c.r, urn: "a", fate: c.fate, gen: c.gen, have: &state.Resource{URN: "a", Gen: c.gen, ID: c.id}}
		former := []state.Resource{{URN: "a", Gen: 9, ID: "older"}, {URN: "a", Gen: 1, ID: "id"}, {URN: "b", Gen: 1, ID: "another"}}
		j := &judgement{old: &state.Snapshot{Way: &state.Way{Former: former}}, items: []*item{it}}
		if c.used {
			j.items = append(j.items, user)
		}
		if err := j.wayOpen(); (err == nil) != c.open {
			t.Errorf("%s: %v", c.about, err)
		}
	}
}

// What a hand-over promised that is taken back holds on the way back: of those whose
// nodes take the pods, and of no other.
func TestOwedIsWhatTheHandOversPromised(t *testing.T) {
	memo := func(of string) []byte { return fmt.Appendf(nil, "%q", of) }
	snapshot := &state.Snapshot{
		Resources: []state.Resource{{URN: "old", Gen: 1, Name: "old-1"}, {URN: "went", Gen: 1, Name: "went-1"}},
		Pending: []state.Intent{
			{Op: plan.HandOver, URN: "old", Gen: 1, Memo: memo("old")},
			{Op: plan.HandOver, URN: "went", Gen: 1, Memo: memo("went")},
			{Op: plan.HandOver, URN: "old", Gen: 1},
			{Op: plan.Update, URN: "old", Gen: 1, Memo: memo("update")},
			{Op: plan.HandOver, URN: "unknown", Gen: 1, Memo: memo("unknown")},
		}}
	for returns, want := range map[bool][]string{true: {`"old"`}, false: nil} {
		a := &apply{journal: journalOf{snapshot: snapshot}, plan: plan.Plan{Returns: returns}}
		var owed []string
		for _, m := range a.owed([]Host{{Name: "old-1"}, {Name: "new-1"}, {}}) {
			owed = append(owed, string(m))
		}
		if !slices.Equal(owed, want) {
			t.Errorf("on the way back %v: owed %q, want %q", returns, owed, want)
		}
	}
}

// The remedy and the kind of a failure outlive what is said about it: of a create whose
// end is unknown, and of a change that was taken back.
func TestRemediesStay(t *testing.T) {
	cause := &problem.Error{Kind: problem.Refused, Op: "create", Err: errors.New("no"), Fix: "ask for more", Notes: []string{"one"}}
	step := plan.Step{URN: "urn:drover:dev:shop:T:x", Name: "x"}
	for about, got := range map[string]error{
		"unsure":                 unsure(step, cause),
		"not taken back":         turned(errors.New("breach"), cause),
		"not taken back, listed": turned(errors.New("breach"), problem.List{cause, {Kind: problem.Outside, Err: errors.New("more")}}),
	} {
		var p *problem.Error
		if !errors.As(got, &p) || p.Kind != cause.Kind || p.Fix != cause.Fix || len(p.Notes) != 2 || p.Notes[0] != "one" || !errors.Is(got, cause.Err) {
			t.Errorf("%s: %+v", about, got)
		}
	}
	if len(cause.Notes) != 1 {
		t.Errorf("the cause has %q", cause.Notes)
	}
	for about, got := range map[string]error{"unsure": unsure(step, errors.New("reset")), "not taken back": turned(cause, errors.New("reset"))} {
		var p *problem.Error
		if !errors.As(got, &p) || p.Kind != problem.Outside || p.Fix == "" {
			t.Errorf("%s: %+v", about, got)
		}
	}
}

// An object is another resource's, or another generation's, if the state has its
// identifier for that, at the same place: it is never taken over.
func TestKnownIsWhatAnotherHas(t *testing.T) {
	one := state.Conn{Resolved: plan.Props{"cluster": "one"}}
	self := state.Resource{URN: "a", Gen: 2, Conn: one}
	has := func(change func(*state.Resource)) state.Resource {
		r := state.Resource{URN: "b", Gen: 1, Conn: one}
		change(&r)
		return r
	}
	for _, c := range []struct {
		about string
		has   []state.Resource
		known bool
	}{
		{"nobody", nil, false},
		{"another resource", []state.Resource{has(func(*state.Resource) {})}, true},
		{"another generation", []state.Resource{has(func(r *state.Resource) { r.URN, r.Gen = "a", 1 })}, true},
		{"another resource of the same number", []state.Resource{has(func(r *state.Resource) { r.Gen = 2 })}, true},
		{"itself", []state.Resource{self}, false},
		{"one that is gone", []state.Resource{has(func(r *state.Resource) { r.Gone = true })}, false},
		{"one in another cluster", []state.Resource{has(func(r *state.Resource) { r.Conn = state.Conn{} })}, false},
		{"one in another region", []state.Resource{has(func(r *state.Resource) { r.Where = graph.Where{Region: "eu-west-1"} })}, false},
		{"itself and another", []state.Resource{self, has(func(*state.Resource) {})}, true},
	} {
		of := known(self, func(string) []state.Resource { return c.has })
		if of("id") != c.known || of("") {
			t.Errorf("%s has it: %v, want %v", c.about, of("id"), c.known)
		}
	}
}

// What has a resource's place is this generation, if no other one stands or may have
// been made: then, and only then, is it updated or deleted under another identifier.
func TestSoleIsWhatNoOtherGenerationCanBe(t *testing.T) {
	begun := func(op plan.Op, urn plan.URN, gen int) []state.Intent {
		return []state.Intent{{Op: op, URN: urn, Gen: gen}}
	}
	stands := func(urn plan.URN, gen int, gone bool) []state.Resource {
		return []state.Resource{{URN: "a", Gen: 1}, {URN: urn, Gen: gen, Gone: gone}}
	}
	for _, c := range []struct {
		about     string
		condemned bool
		s         state.Snapshot
		sole      bool
	}{
		{"in use", false, state.Snapshot{Resources: stands("a", 2, false)}, true},
		{"condemned, alone", true, state.Snapshot{Resources: stands("b", 2, false)}, true},
		{"condemned, another stands", true, state.Snapshot{Resources: stands("a", 2, false)}, false},
		{"condemned, another is gone", true, state.Snapshot{Resources: stands("a", 2, true)}, true},
		{"another may have been made", false, state.Snapshot{Pending: begun(plan.Create, "a", 2)}, false},
		{"its own create is open", false, state.Snapshot{Pending: begun(plan.Create, "a", 1)}, true},
		{"another resource's create is open", false, state.Snapshot{Pending: begun(plan.Create, "b", 2)}, true},
		{"another's delete is open", false, state.Snapshot{Pending: begun(plan.Delete, "a", 2)}, true},
	} {
		if got := sole(state.Resource{URN: "a", Gen: 1, Condemned: c.condemned}, &c.s); got != c.sole {
			t.Errorf("%s: %v, want %v", c.about, got, c.sole)
		}
	}
}

// What stood before a change is wanted with all that the state has of it: each field of a
// wanted resource is there, or there is a reason here.
func TestFormerHasAllThatStood(t *testing.T) {
	const judges = "it judges changes, and the way back makes none but what it must"
	without := map[string]string{
		"At.File": "no file says so", "At.Line": "no file says so", "Rolls": "its generation is asked for by number", "Hosts.Type": "TestHostsAreHandedOn says why",
		"Options.Aliases.Type": "nothing is called otherwise by then", "Options.Aliases.Name": "the same", "Options.IgnoreChanges": judges, "Options.ReplaceOnChanges": judges, "Options.DeleteFirst": judges,
		"Options.Create": "a run's own", "Options.Update": "a run's own",
	}
	stood := state.Resource{URN: plan.NewURN("dev", "shop", "T", "x"), Name: "web-7c1e04b", Type: "T"}
	v := reflect.ValueOf(&stood).Elem()
	for f := range v.Type().Fields() {
		if v.FieldByIndex(f.Index).IsZero() && f.Name != "Created" && f.Name != "Updated" {
			fieldtest.Fill(t, f.Name, v.FieldByIndex(f.Index))
		}
	}
	from, after := graph.Resource{Key: graph.Key{Type: "T", Name: "from"}}, graph.Resource{Key: graph.Key{Type: "T", Name: "after"}}
	stood.Needs = []state.Need{
		{URN: plan.NewURN("dev", "shop", "T", "from"), Gen: 1}, {URN: plan.NewURN("dev", "shop", "T", "after")}, {URN: plan.NewURN("dev", "shop", "T", "gone"), Gen: 1}}
	f := new(Engine).former(&graph.Graph{Resources: []graph.Resource{from, after}}, new(state.Snapshot), stood)
	for _, name := range fieldtest.Empty([]graph.Resource{f}) {
		if without[name] == "" {
			t.Errorf("it stood with %s, and is wanted without", name)
		}
	}
	if f.BaseName != "web" || !slices.Equal(f.From, []graph.Key{from.Key}) || !slices.Equal(f.After, []graph.Key{after.Key}) {
		t.Errorf("%+v", f)
	}
}
