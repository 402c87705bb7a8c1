package engine

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// A person names what may be deleted in any of the ways in which Drover names it, and
// an empty name allows nothing.
func TestDeleteIsAllowedByItsNames(t *testing.T) {
	s := plan.Step{URN: plan.NewURN("dev", "shop", "AWS::S3::Bucket", "assets"), Name: "assets-1"}
	part := s
	part.Component = "nodegroup/web"
	for name, want := range map[string][2]bool{ // alone, part of a component
		"AWS::S3::Bucket/assets": {true, true}, "assets": {true, true}, "assets-1": {true, true}, string(s.URN): {true, true},
		"nodegroup/web": {false, true}, "": {false, false}, "AWS::S3::Bucket": {false, false},
	} {
		e := &Engine{AllowDelete: []string{"other", name}}
		if got := [2]bool{e.allows(s), e.allows(part)}; got != want {
			t.Errorf("%q allows %v, want %v", name, got, want)
		}
	}
}

// What is gone already, or is only forgotten, loses nothing, and is not protected.
func TestNothingIsProtectedThatIsNotDeleted(t *testing.T) {
	bucket := func(change func(*node)) *node {
		n := &node{goes: &state.Resource{Type: "AWS::S3::Bucket"}}
		n.Why = "because"
		change(n)
		return n
	}
	for about, c := range map[string]struct {
		d         *node
		protected bool
	}{
		"it goes":       {bucket(func(*node) {}), true},
		"it is gone":    {bucket(func(n *node) { n.Gone = true }), false},
		"it stays":      {bucket(func(n *node) { n.Stays = true }), false},
		"it is no loss": {bucket(func(n *node) { n.goes.Type = "AWS::IAM::Role" }), false},
	} {
		b := &builder{judgement: &judgement{engine: &Engine{Events: event.Discard}, old: new(state.Snapshot)}, deletes: []*node{c.d}}
		b.protect()
		if got := c.d.Protected != ""; got != c.protected || (c.d.Why == "because; loses its objects") != c.protected {
			t.Errorf("%s: protected %q, why %q", about, c.d.Protected, c.d.Why)
		}
	}
}

// The volumes of what is reclaimed by deleting are data, whoever calls it so.
func TestReclaimedVolumesAreData(t *testing.T) {
	for policy, lost := range map[string]bool{"Delete": true, "Recycle": true, "Retain": false} {
		r := &state.Resource{Type: "v1/PersistentVolume", Inputs: plan.Props{"spec": plan.Props{"persistentVolumeReclaimPolicy": policy}}}
		if got := takesAlong(r, new(state.Snapshot)); (got != "") != lost {
			t.Errorf("%s: %q", policy, got)
		}
	}
}

// A diff goes to the leaves, also of what comes or goes as a whole, and shows no secret.
func TestDiffGoesToTheLeaves(t *testing.T) {
	hidden := value.Hide("s3cret")
	for _, c := range []struct {
		before, after plan.Props
		want          []plan.Change
	}{
		{plan.Props{"a": 1.0, "b": "x"}, plan.Props{"a": 2.0, "b": "x"}, []plan.Change{{Path: "a", Before: 1.0, After: 2.0}}},
		{nil, plan.Props{"m": plan.Props{"k": "v", "n": plan.Props{"o": true}}}, []plan.Change{{Path: "m.k", After: "v"}, {Path: "m.n.o", After: true}}},
		{plan.Props{"m": plan.Props{"k": "v"}}, plan.Props{}, []plan.Change{{Path: "m.k", Before: "v"}}},
		{plan.Props{"m": plan.Props{"k": "v"}}, plan.Props{"m": "text"}, []plan.Change{{Path: "m", Before: plan.Props{"k": "v"}, After: "text"}}},
		{plan.Props{"l": []any{"a", hidden}}, plan.Props{"l": []any{"a"}}, []plan.Change{{Path: "l", Before: value.Hidden, After: value.Hidden}}},
		{plan.Props{"p": "open"}, plan.Props{"p": hidden}, []plan.Change{{Path: "p", Before: value.Hidden, After: value.Hidden}}},
		{plan.Props{"p": hidden}, plan.Props{}, []plan.Change{{Path: "p", Before: value.Hidden}}},
		{plan.Props{}, plan.Props{"p": []any{hidden, plan.Props{"k": hidden}}}, []plan.Change{{Path: "p", After: []any{value.Hidden, plan.Props{"k": value.Hidden}}}}},
	} {
		j := &judgement{engine: &Engine{Providers: func(string) (Provider, error) { return nil, nil }}}
		it := &item{fate: update, known: c.after}
		if c.before != nil {
			it.have = &state.Resource{Inputs: c.before}
		}
		if got := j.changes(it); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v -> %v: %#v, want %#v", c.before, c.after, got, c.want)
		}
	}
}

// replacing is a provider that cannot change properties in place.
type replacing struct {
	Provider
	props []string
}

func (p replacing) Replaces(string, plan.Props, plan.Props) []string { return p.props }

// A change that takes a new object is marked: the property itself, what is in it, and
// what it is in; and only where one is made.
func TestDiffMarksWhatTakesANewObject(t *testing.T) {
	before := plan.Props{"spec": plan.Props{"key": "a", "keys": "a"}, "plain": "a", "own": plan.Props{"b": "a"}}
	after := plan.Props{"spec": plan.Props{"key": "b", "keys": "b"}, "plain": "b", "own": plan.Props{"b": "b"}}
	for _, c := range []struct {
		fate   fate
		props  []string // that the provider cannot change
		asked  []string // that the user wants no change of in place
		forces []string
	}{
		{replace, []string{"plain"}, nil, []string{"plain"}},
		{replace, []string{"/spec/key"}, nil, []string{"spec.key"}},
		{replace, []string{"spec"}, nil, []string{"spec.key", "spec.keys"}},
		{replace, []string{"own/b/deeper"}, nil, []string{"own.b"}},
		{replace, nil, []string{"own.b", "spec.other"}, []string{"own.b"}},
		{update, []string{"plain"}, []string{"own.b"}, nil},
	} {
		j := &judgement{engine: &Engine{Providers: func(string) (Provider, error) { return replacing{props: c.props}, nil }}}
		it := &item{Resource: graph.Resource{Options: graph.Options{ReplaceOnChanges: c.asked}}, fate: c.fate, known: after, have: &state.Resource{Inputs: before}}
		var forces []string
		for _, change := range j.changes(it) {
			if change.Forces {
				forces = append(forces, change.Path)
			}
		}
		if !slices.Equal(forces, c.forces) {
			t.Errorf("%+v: %q", c, forces)
		}
	}
}

// Steps in which pods change their place are watched: hand-overs, updates of what
// is in the cluster, and of groups, but on the way back, and deletes of groups.
func TestStepsThatMoveAreWatched(t *testing.T) {
	a := &apply{Engine: new(Engine), graph: new(graph.Graph), wanted: map[plan.URN]graph.Resource{"object": {Conn: plan.Props{"cluster": "one"}}, "role": {}}}
	for _, c := range []struct {
		about       string
		s           plan.Step
		there, back bool
	}{
		{"a hand-over", plan.Step{Op: plan.HandOver}, true, true},
		{"an update in the cluster", plan.Step{Op: plan.Update, URN: "object"}, true, true},
		{"an update of a group", plan.Step{Op: plan.Update, URN: "group", Hosts: true}, true, false},
		{"another update", plan.Step{Op: plan.Update, URN: "role"}, false, false},
		{"a create in the cluster", plan.Step{Op: plan.Create, URN: "object"}, false, false},
		{"a delete of an emptied group", plan.Step{Op: plan.Delete, WhenEmpty: true}, true, true},
		{"another delete", plan.Step{Op: plan.Delete, URN: "object"}, false, false},
	} {
		for returns, want := range map[bool]bool{false: c.there, true: c.back} {
			if a.plan.Returns = returns; a.moves(c.s) != want {
				t.Errorf("%s, on the way back %v: %v", c.about, returns, !want)
			}
		}
	}
	steps := []plan.Step{{Op: plan.Update, URN: "object"}, {Op: plan.Update, URN: "role"}, {Op: plan.HandOver}}
	for _, c := range []struct {
		guards []graph.Guard
		watch  Guard
		steps  []plan.Step
		moving int
	}{
		{nil, unasked{}, steps, 0}, {[]graph.Guard{{}}, nil, steps, 0}, {[]graph.Guard{{}}, unasked{}, steps[:2], 0}, {[]graph.Guard{{}}, unasked{}, steps, 2},
	} {
		a.graph.Guards, a.Guard = c.guards, c.watch
		if n := countMoving(a, c.steps); n != c.moving {
			t.Errorf("%d guards, %v, %d steps: %d to watch, want %d", len(c.guards), c.watch, len(c.steps), n, c.moving)
		}
	}
}

type unasked struct{ Guard }

// Properties whose changes are ignored stay as they are, wherever they are, and no other.
func TestIgnoredPathsStay(t *testing.T) {
	unknown := value.NotYet(graph.Key{Type: "T", Name: "x"}.To("y"))
	for _, c := range []struct {
		path           string
		now, was, want plan.Props
	}{
		{"a", plan.Props{"a": 1.0, "b": 1.0}, plan.Props{"a": 2.0, "b": 2.0}, plan.Props{"a": 2.0, "b": 1.0}},
		{"a", plan.Props{"b": 1.0}, plan.Props{"a": 2.0}, plan.Props{"a": 2.0, "b": 1.0}},
		{"a", plan.Props{"a": 1.0}, plan.Props{}, plan.Props{}},
		{"a.b", plan.Props{"a": plan.Props{"b": 1.0, "c": 1.0}}, plan.Props{"a": plan.Props{"b": 2.0, "c": 2.0}}, plan.Props{"a": plan.Props{"b": 2.0, "c": 1.0}}},
		{"a.b", plan.Props{}, plan.Props{"a": plan.Props{"b": 2.0, "c": 2.0}}, plan.Props{"a": plan.Props{"b": 2.0}}},
		{"a.b", plan.Props{"a": plan.Props{"b": 1.0}}, plan.Props{}, plan.Props{}},
		{"a.b", plan.Props{"x": 1.0}, plan.Props{"x": 2.0}, plan.Props{"x": 1.0}},
		{"a.b", plan.Props{"a": "text"}, plan.Props{"a": plan.Props{"b": 2.0}}, plan.Props{"a": "text"}},
		{"a.b", plan.Props{"a": unknown}, plan.Props{"a": plan.Props{"b": 2.0}}, plan.Props{"a": unknown}},
		{"example.com/a.b", plan.Props{"example.com/a.b": 1.0}, plan.Props{"example.com/a.b": 2.0}, plan.Props{"example.com/a.b": 2.0}},
		{"m.example.com/a.b", plan.Props{"m": plan.Props{"example.com/a": plan.Props{"b": 1.0}}}, plan.Props{"m": plan.Props{"example.com/a": plan.Props{"b": 2.0}}}, plan.Props{"m": plan.Props{"example.com/a": plan.Props{"b": 2.0}}}},
		{"a.b", plan.Props{"a.b": 1.0}, plan.Props{}, plan.Props{}},
		{"a.b", plan.Props{}, plan.Props{"a.b": 2.0}, plan.Props{"a.b": 2.0}},
		{"a.b.c", plan.Props{"a.b": plan.Props{"c": 1.0}}, plan.Props{"a.b": plan.Props{"c": 2.0}}, plan.Props{"a.b": plan.Props{"c": 2.0}}},
		{"l.1", plan.Props{"l": []any{"a", "b"}}, plan.Props{"l": []any{"x", "y"}}, plan.Props{"l": []any{"a", "y"}}},
		{"l.0.k", plan.Props{"l": []any{plan.Props{"k": 1.0, "o": 1.0}}}, plan.Props{"l": []any{plan.Props{"k": 2.0, "o": 2.0}}}, plan.Props{"l": []any{plan.Props{"k": 2.0, "o": 1.0}}}},
		{"l.1", plan.Props{"l": []any{"a", "b"}}, plan.Props{"l": []any{"x"}}, plan.Props{"l": []any{"a", "b"}}},
		{"l.1", plan.Props{"l": []any{"a"}}, plan.Props{"l": []any{"x", "y"}}, plan.Props{"l": []any{"a"}}},
		{"l.-1", plan.Props{"l": []any{"a"}}, plan.Props{"l": []any{"x"}}, plan.Props{"l": []any{"a"}}},
		{"l.k", plan.Props{"l": []any{"a"}}, plan.Props{"l": []any{"x"}}, plan.Props{"l": []any{"a"}}},
	} {
		now := state.Resource{Inputs: c.now}
		if got := kept(c.now, c.was, []string{c.path}); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s of %v, which was %v: %v, want %v", c.path, c.now, c.was, got, c.want)
		}
		if !reflect.DeepEqual(now.Inputs, c.now) {
			t.Errorf("%s: what the file says was changed", c.path)
		}
	}
}

// Drift is what others changed of what Drover sets. Services add defaults, items come in
// any order, numbers may be told as text, and of tags there may be more.
func TestDriftIsWhatOthersChanged(t *testing.T) {
	tag := func(k, v string) any { return plan.Props{"Key": k, "Value": v} }
	size := func(n int) *int { return &n }
	for _, c := range []struct {
		about         string
		applied, live any
		size          *int
		drifts        bool
	}{
		{"the same", "a", "a", nil, false},
		{"another", "a", "b", nil, true},
		{"a number as text", 3.0, "3", nil, false},
		{"a default more", plan.Props{"a": 1.0}, plan.Props{"a": 1.0, "b": 1.0}, nil, false},
		{"another in it", plan.Props{"a": plan.Props{"b": 1.0}}, plan.Props{"a": plan.Props{"b": 2.0}}, nil, true},
		{"never told", plan.Props{"a": 1.0}, plan.Props{}, nil, false},
		{"another kind of thing", plan.Props{"a": 1.0}, "text", nil, true},
		{"another kind of list", []any{"a"}, "a", nil, true},
		{"another order", []any{"a", "b"}, []any{"b", "a"}, nil, false},
		{"an item less", []any{"a", "b"}, []any{"a"}, nil, true},
		{"an item more", []any{"a"}, []any{"a", "b"}, nil, true},
		{"another item", []any{"a", "b"}, []any{"a", "c"}, nil, true},
		{"emptied", []any{"a"}, []any{}, nil, true},
		{"a tag more", []any{tag("a", "1")}, []any{tag("a", "1"), tag("aws:b", "2")}, nil, false},
		{"another tag", []any{tag("a", "1")}, []any{tag("a", "2"), tag("aws:b", "2")}, nil, true},
		{"no tags", []any{plan.Props{"Key": "a"}}, []any{plan.Props{"Key": "a"}, plan.Props{"Key": "b"}}, nil, true},
		{"an autoscaler's size", 3.0, 5.0, size(5), false},
		{"another size", 3.0, 5.0, size(4), true},
		{"a secret", value.Hide("a"), "b", nil, false},
		{"what became secret", "a", value.Hide("b"), nil, false},
	} {
		r := state.Resource{URN: "a", Inputs: plan.Props{"p": c.applied, "unread": true}}
		d := drift(r, sighting{size: c.size}, plan.Props{"p": c.live, "more": true})
		if got := len(d.Changes) > 0; got != c.drifts || d.Gone || (reflect.DeepEqual(d.live.Inputs, r.Inputs)) != !c.drifts {
			t.Errorf("%s: %+v", c.about, d)
		}
	}
	if d := drift(state.Resource{}, sighting{gone: true}, nil); !d.Gone {
		t.Error("it is gone, and that is no drift")
	}
}

// What is named is meant: by type and name, as in the file, as in a plan, by URN.
func TestNamesOfResources(t *testing.T) {
	urn := plan.NewURN("dev", "shop", "AWS::SQS::Queue", "queue")
	k := keyOf(urn)
	for _, c := range []struct {
		name, component string
		key             graph.Key
		want            bool
	}{
		{"", "", k, false}, {"queue", "", k, true}, {"AWS::SQS::Queue/queue", "", k, true}, {string(urn), "", k, true}, {"queue-1", "", k, true}, {"que", "", k, false},
		{"nodegroup/web", "nodegroup/web", k, true}, {"nodeGroups.web", "nodegroup/web", k, true}, {"nodeGroups.web", "nodegroup/next", k, false}, {"nodeGroups.queue", "", k, false},
		{"workloads.nginx", "workload/nginx", k, true}, {"workloads.nginx", "nodegroup/nginx", k, false},
		{"resources.queue", "", k, true}, {"resources.queue", "network", k, false}, {"resources.other", "", k, false},
		{"resources.web", "", graph.Key{Type: "v1/Service", Name: "apps/web"}, true}, {"resources.eb", "", graph.Key{Type: "v1/Service", Name: "apps/web"}, false},
	} {
		if got := called(c.name, c.key, c.component, "queue-1", urn); got != c.want {
			t.Errorf("%q means %s of %q: %v", c.name, c.key, c.component, got)
		}
	}
}

// A reason shows no secret, nor a value that would not fit.
func TestReasonsShowWhatFits(t *testing.T) {
	hidden := value.Hide("s3cret")
	long := strings.Repeat("x", maxValue+1)
	for _, c := range []struct {
		before, after any
		want          string
	}{
		{nil, hidden, "a [secret] added"},
		{"x", hidden, "a [secret] -> [secret]"},
		{long, "x", "a -> x"},
		{"x", long, "a changes"},
		{"x", "y\nz", "a changes"},
		{"x", long[1:], "a x -> " + long[1:]},
		{plan.Props{"k": "v"}, "x", "a -> x"},
		{"x", value.NotYet(graph.Key{Type: "T", Name: "x"}.To("y")), "a changes"},
	} {
		before, after := plan.Props{}, plan.Props{}
		if before["a"] = c.before; c.before == nil {
			delete(before, "a")
		}
		after["a"] = c.after
		if got := propsWhy(before, after); got != c.want {
			t.Errorf("%v -> %v: %q, want %q", c.before, c.after, got, c.want)
		}
	}
}

// A change of capacity shows once, and a group that something else has enlarged is told
// to stay so, unless the file asks for fewer than it did.
func TestReasonsOfACapacity(t *testing.T) {
	for _, c := range []struct {
		was, is, has int // 0: nobody has seen
		want         string
	}{
		{3, 5, 3, "capacity 3 -> 5"}, {3, 5, 7, "capacity 3 -> 5, stays at the 7 nodes that it has now"}, {3, 5, 5, "capacity 3 -> 5"},
		{5, 3, 7, "capacity 5 -> 3"}, {3, 3, 4, "stays at the 4 nodes that it has now"}, {3, 3, 3, ""}, {3, 5, 0, "capacity 3 -> 5"},
	} {
		have := &state.Resource{URN: "a", Gen: 1, Hosts: &state.Hosts{Nodes: c.was}, Inputs: plan.Props{"Desired": text(float64(c.was)), "Other": "x"}}
		it := &item{Resource: graph.Resource{Hosts: &graph.Hosts{Nodes: c.is}}, have: have, known: plan.Props{"Desired": text(float64(c.is)), "Other": "x"}}
		seen := sightings{}
		if c.has > 0 {
			seen[state.Need{URN: "a", Gen: 1}] = sighting{size: &c.has}
		}
		if got := updateWhy(it, seen); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
		it.Hosts, have.Inputs = nil, it.known
		if got := updateWhy(it, seen); got != "" {
			t.Errorf("no host: %q", got)
		}
	}
}

// What a hand-over would meet, in a line.
func TestReasonOfAHandOver(t *testing.T) {
	for want, in := range map[string]Inspection{
		"nothing runs there": {}, "3 nodes, 0 pods": {Nodes: 3}, "0 nodes, 1 pod": {Pods: 1}, "1 node, 2 pods, 1 load balancer": {Nodes: 1, Pods: 2, Balancers: 1},
		"0 nodes, 0 pods, 2 load balancers": {Balancers: 2},
	} {
		if got := inspectionWhy(in); got != want {
			t.Errorf("%+v: %q, want %q", in, got, want)
		}
	}
}

// Only a Deployment whose pods change rolls out in a way that a hand-over can go before.
func TestRolloutIsOfPods(t *testing.T) {
	pods := func(typ, image string, replicas float64) state.Resource {
		return state.Resource{Type: typ, Inputs: plan.Props{"spec": plan.Props{"replicas": replicas, "template": plan.Props{"image": image}}}}
	}
	const deployment = "apps/v1/Deployment"
	for _, c := range []struct {
		have, want state.Resource
		rolls      bool
	}{
		{pods(deployment, "a:1", 1), pods(deployment, "a:2", 1), true},
		{pods(deployment, "a:1", 1), pods(deployment, "a:1", 2), false},
		{pods("apps/v1/StatefulSet", "a:1", 1), pods("apps/v1/StatefulSet", "a:2", 1), false},
	} {
		if got := rollsOut(c.have, c.want); got != c.rolls {
			t.Errorf("%v -> %v: %v", c.have, c.want, got)
		}
	}
}

// A resource that the state does not know is what an alias of it was called, or a
// Kubernetes object of another version; unless that is still wanted, or not there.
func TestFormerNames(t *testing.T) {
	urn := func(typ, name string) plan.URN { return plan.NewURN("dev", "shop", typ, name) }
	conn := plan.Props{"cluster": "one"}
	inside := func(typ, name string) state.Resource {
		return state.Resource{URN: urn(typ, name), Type: typ, Conn: state.Conn{Declared: conn}}
	}
	role := func(name string, aliases ...string) graph.Resource {
		r := graph.Resource{Key: graph.Key{Type: "AWS::IAM::Role", Name: name}}
		for _, a := range aliases {
			r.Options.Aliases = append(r.Options.Aliases, graph.Key{Type: "AWS::IAM::Role", Name: a})
		}
		return r
	}
	ingress := func(version, name string) graph.Resource {
		return graph.Resource{Key: graph.Key{Type: version + "/Ingress", Name: name}, Conn: conn}
	}
	old := &state.Snapshot{
		Resources: []state.Resource{
			{URN: urn("AWS::IAM::Role", "was"), Type: "AWS::IAM::Role"}, {URN: urn("AWS::IAM::Role", "is"), Type: "AWS::IAM::Role"},
			inside("networking.k8s.io/v1beta1/Ingress", "apps/web"), inside("v1/Service", "apps/web"),
			func() state.Resource {
				r := inside("networking.k8s.io/v1beta1/Ingress", "apps/gone")
				r.Condemned = true
				return r
			}(),
			{URN: urn("custom/v1/Thing", "apps/aws"), Type: "custom/v1/Thing"},
		},
		Pending: []state.Intent{{URN: urn("AWS::IAM::Role", "begun")}},
	}
	for about, c := range map[string]struct {
		wants graph.Resource
		also  []graph.Resource
		want  plan.URN
	}{
		"new":                         {role("new"), nil, ""},
		"known by an alias":           {role("new", "other", "was"), nil, urn("AWS::IAM::Role", "was")},
		"one whose create was begun":  {role("new", "begun"), nil, urn("AWS::IAM::Role", "begun")},
		"an alias that is wanted":     {role("new", "is"), []graph.Resource{role("is")}, ""},
		"another version":             {ingress("networking.k8s.io/v1", "apps/web"), nil, urn("networking.k8s.io/v1beta1/Ingress", "apps/web")},
		"another group":               {ingress("extensions/v1", "apps/web"), nil, ""},
		"another name":                {ingress("networking.k8s.io/v1", "apps/api"), nil, ""},
		"both versions are wanted":    {ingress("networking.k8s.io/v1", "apps/web"), []graph.Resource{ingress("networking.k8s.io/v1beta1", "apps/web")}, ""},
		"one that is deleted already": {ingress("networking.k8s.io/v1", "apps/gone"), nil, ""},
		"one that is in no cluster":   {graph.Resource{Key: graph.Key{Type: "custom/v2/Thing", Name: "apps/aws"}, Conn: conn}, nil, ""},
		"… nor is what is wanted":     {graph.Resource{Key: graph.Key{Type: "networking.k8s.io/v1/Ingress", Name: "apps/web"}}, nil, ""},
	} {
		g := &graph.Graph{Stack: "dev", Project: "shop", Resources: append(c.also, c.wants)}
		if got := namesOf(g, old).former(g, c.wants); got != c.want {
			t.Errorf("%s: %q, want %q", about, got, c.want)
		}
	}
}

// What could not be read is told once for AWS and once for each cluster, with the remedy
// of the cause if it has one.
func TestWhatCouldNotBeReadIsTold(t *testing.T) {
	plain, known := errors.New("denied"), &problem.Error{Kind: problem.Outside, Err: errors.New("denied"), Fix: "log in"}
	for about, c := range map[string]struct {
		conn        string
		cause       error
		forget      bool
		object      string
		effect, fix string
	}{
		"AWS":                  {"", plain, false, "aws", "2 resources could not be read and count as the state has them: denied", "IAM identity"},
		"AWS is not forgotten": {"", plain, true, "aws", "could not be read and count", "IAM identity"},
		"a cause with a cure":  {"", known, false, "aws", "could not be read", "log in"},
		"a cluster":            {"one", plain, false, "cluster", "2 resources could not be read and count as the state has them: denied", "API server can be reached"},
		"… with a cure":        {"one", known, false, "cluster", "could not be read", "log in"},
		"… that is forgotten":  {"one", plain, true, "cluster", "2 resources in a cluster that does not answer are forgotten: denied", "API server"},
	} {
		var told []event.Finding
		l := &looker{Engine: &Engine{Events: sinkFunc(func(f event.Fact) { told = append(told, f.(event.Finding)) })}, forget: c.forget, found: sightings{}, silent: map[string]error{}, unread: map[string]int{}}
		l.miss(c.conn, state.Resource{URN: "a"}, c.cause)
		l.miss(c.conn, state.Resource{URN: "b"}, errors.New("a later cause"))
		l.tell()
		if len(told) != 1 || told[0].Severity != event.Warning || told[0].Object != c.object || !strings.Contains(told[0].Effect, c.effect) || !strings.Contains(told[0].Fix, c.fix) {
			t.Errorf("%s: %+v", about, told)
		}
		if gone := l.found.gone(state.Resource{URN: "a"}); gone != (c.forget && c.conn != "") {
			t.Errorf("%s: gone %t", about, gone)
		}
	}
}

// sinkFunc is a sink of one function.
type sinkFunc func(event.Fact)

func (f sinkFunc) Emit(fact event.Fact) { f(fact) }

// One needs another by its URN, of that generation or of any; it refers to one generation
// alone. What it needs, that needs in turn.
func TestWhoNeedsWhom(t *testing.T) {
	vpc := state.Resource{URN: "vpc", Gen: 2}
	for about, c := range map[string]struct {
		need            state.Need
		depends, refers bool
	}{
		"that generation": {state.Need{URN: "vpc", Gen: 2}, true, true},
		"another one":     {state.Need{URN: "vpc", Gen: 1}, false, false},
		"any":             {state.Need{URN: "vpc"}, true, false},
		"something else":  {state.Need{URN: "role", Gen: 2}, false, false},
	} {
		r := state.Resource{Needs: []state.Need{{URN: "x"}, c.need}}
		if got := dependsOn(&r, &vpc); got != c.depends {
			t.Errorf("%s: depends %t", about, got)
		}
		if got := refersTo(&r, &vpc); got != c.refers {
			t.Errorf("%s: refers %t", about, got)
		}
	}
	subnet := state.Resource{URN: "subnet", Gen: 1, Needs: []state.Need{{URN: "vpc", Gen: 2}}}
	group := state.Resource{URN: "group", Gen: 1, Needs: []state.Need{{URN: "subnet"}}}
	role := state.Resource{URN: "role", Gen: 1, Needs: []state.Need{{URN: "group", Gen: 1}}}
	b := &builder{judgement: &judgement{old: &state.Snapshot{Resources: []state.Resource{role, group, subnet, vpc}}}}
	want := map[state.Need]bool{{URN: "subnet", Gen: 1}: true, {URN: "vpc", Gen: 2}: true}
	if got := b.neededBy(&group); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}

// After some failures nothing new may start; what became of a new host is no reason to
// keep it, and traffic that suffers is no failure of the host.
func TestWhatStopsAll(t *testing.T) {
	for about, c := range map[string]struct {
		err   error
		stops bool
	}{
		"a call failed":       {errors.New("denied"), false},
		"a step was refused":  {&problem.Error{Kind: problem.Refused}, false},
		"it is not in order":  {&problem.Error{Kind: problem.Parked, Err: errors.New("x")}, false},
		"nothing is written":  {fmt.Errorf("step: %w", &journalError{errors.New("disk full")}), true},
		"credentials expired": {fmt.Errorf("step: %w", ErrCredentials), true},
		"traffic suffers":     {fmt.Errorf("step: %w", &problem.Error{Kind: problem.Guarded}), true},
	} {
		if got := stopsAll(c.err); got != c.stops {
			t.Errorf("%s: %t", about, got)
		}
	}
	for about, c := range map[string]struct {
		step  plan.Step
		err   error
		fresh bool
	}{
		"a new group":           {plan.Step{Op: plan.Create, Hosts: true}, errors.New("x"), true},
		"a new role":            {plan.Step{Op: plan.Create}, errors.New("x"), false},
		"a group that is there": {plan.Step{Op: plan.Update, Hosts: true}, errors.New("x"), false},
		"its nodes never serve": {plan.Step{Op: plan.HandOver}, fmt.Errorf("x: %w", ErrFresh), true},
	} {
		if got := fresh(c.step, c.err); got != c.fresh {
			t.Errorf("%s: %t", about, got)
		}
	}
}

// Nodes that a plan brings before a group goes are those beyond what stands; what takes
// the group's place has its size, unless fewer are wanted now.
func TestNodesToCome(t *testing.T) {
	web := state.Resource{URN: "web", Gen: 1, Hosts: &state.Hosts{Nodes: 3}}
	old := &state.Snapshot{Resources: []state.Resource{web, {URN: "batch", Gen: 1, Hosts: &state.Hosts{Nodes: 3}}, {URN: "bare", Gen: 1}}}
	for about, c := range map[string]struct {
		urn   plan.URN
		gen   int
		nodes int
		want  []Fresh
	}{
		"what takes its place":             {"web", 2, 5, []Fresh{{Nodes: 5, Type: "c5", Replaces: true}}},
		"… as large as it was":             {"web", 2, 3, []Fresh{{Nodes: 3, Type: "c5", Replaces: true}}},
		"… and is to be smaller":           {"web", 2, 2, []Fresh{{Nodes: 2, Type: "c5"}}},
		"another group":                    {"new", 1, 2, []Fresh{{Nodes: 2, Type: "c5"}}},
		"another one that grows":           {"batch", 1, 5, []Fresh{{Nodes: 2, Type: "c5"}}},
		"another one that stays":           {"batch", 1, 3, nil},
		"another one that shrinks":         {"batch", 1, 1, nil},
		"one whose nodes nobody had known": {"bare", 1, 2, []Fresh{{Nodes: 2, Type: "c5"}}},
	} {
		var h Host
		if h.await(web, c.urn, c.gen, &graph.Hosts{Nodes: c.nodes, Type: "c5"}, old); !reflect.DeepEqual(h.Fresh, c.want) {
			t.Errorf("%s: %+v", about, h.Fresh)
		}
	}
}

// Who waits for the last of some steps waits for all of them, and before a step comes
// all that it needs, and what that needs.
func TestWhatComesBefore(t *testing.T) {
	step := func(needs ...*node) *node {
		n := new(node)
		n.need("", needs...)
		return n
	}
	role := step()
	group, subnet := step(role), step()
	nodes := step(group, subnet)
	alone := step()
	if got := ends([]*node{role, group, subnet, nodes, alone}); !slices.Equal(got, []*node{nodes, alone}) {
		t.Errorf("%d ends", len(got))
	}
	if got := ends([]*node{role, subnet}); !slices.Equal(got, []*node{role, subnet}) {
		t.Errorf("%d ends of two that do not need each other", len(got))
	}
	want := map[*node]bool{role: true, group: true, subnet: true}
	if got := before([]*node{nodes}); !reflect.DeepEqual(got, want) {
		t.Errorf("%d come before, want %d", len(got), len(want))
	}
	object, other, made := step(), step(), step()
	object.conn, object.key, other.key = true, graph.Key{Type: "v1/Service", Name: "web"}, graph.Key{Type: "AWS::IAM::Role", Name: "x"}
	made.conn, made.key, made.Op = true, graph.Key{Type: "v1/Service", Name: "new"}, plan.Create
	if got := step(object, other, made).replacedBefore(); !slices.Equal(got, []graph.Key{object.key}) {
		t.Errorf("placed anew are %v", got)
	}
}

// The state is planned against as others have left it, and each object that they changed is
// told of once; what is gone, every plan sees by itself.
func TestWhatOthersChangedIsTakenOverAndTold(t *testing.T) {
	urn := func(name string) plan.URN { return plan.NewURN("dev", "shop", "AWS::S3::Bucket", name) }
	bucket := func(name, size string) state.Resource {
		return state.Resource{URN: urn(name), Gen: 1, Inputs: plan.Props{"size": size}}
	}
	s := &state.Snapshot{Resources: []state.Resource{bucket("changed", "3"), bucket("gone", "3"), bucket("same", "3")}}
	drifts := []Drift{
		{URN: urn("changed"), Name: "changed-1", Changes: []DriftChange{{"size", "3", "5"}, {"class", "a", "b"}}, live: bucket("changed", "5")},
		{URN: urn("gone"), Name: "gone-1", Gone: true, live: bucket("gone", "")}, {URN: urn("same"), Name: "same-1", live: bucket("same", "3")},
	}
	var sizes []any
	for _, r := range Drifted(s, drifts).Resources {
		sizes = append(sizes, r.Inputs["size"])
	}
	if !slices.Equal(sizes, []any{"5", "3", "3"}) || s.Resources[0].Inputs["size"] != "3" {
		t.Errorf("planned against are %v, and the state has %v", sizes, s.Resources[0].Inputs)
	}
	var told []event.Finding
	Tell(sinkFunc(func(f event.Fact) { told = append(told, f.(event.Finding)) }), drifts)
	if len(told) != 1 || told[0].Severity != event.Note || told[0].Object != "Bucket changed-1" || told[0].Effect != "others have changed it: size 3 -> 5, class a -> b" {
		t.Errorf("%+v", told)
	}
}

// An object that is imported is reached through what stands of its stack, and needs that.
func TestHowAnImportIsReached(t *testing.T) {
	cluster := graph.Key{Type: "AWS::EKS::Cluster", Name: "main"}
	urn := plan.NewURN("dev", "shop", cluster.Type, cluster.Name)
	s := &state.Snapshot{Stack: "dev", Project: "shop", Resources: []state.Resource{
		{URN: urn, Gen: 2, Type: cluster.Type, ID: "main-1", Outputs: plan.Props{"Endpoint": "https://example.com"}},
	}}
	inside := graph.Resource{Key: graph.Key{Type: "v1/Service", Name: "apps/web"}, Conn: plan.Props{"endpoint": cluster.To("Endpoint")}}
	reached, needs, err := reachedBy(inside, s)
	if err != nil || reached.Resolved["endpoint"] != "https://example.com" || !reflect.DeepEqual(reached.Declared, inside.Conn) || !slices.Equal(needs, []state.Need{{URN: urn, Gen: 2}}) {
		t.Errorf("%v: %+v, %v", err, reached, needs)
	}
	if _, _, err := reachedBy(inside, &state.Snapshot{Stack: "dev", Project: "shop"}); err == nil {
		t.Error("its cluster does not stand, and nobody is told")
	}
	reached, needs, err = reachedBy(graph.Resource{Key: graph.Key{Type: "AWS::SQS::Queue", Name: "q"}, After: []graph.Key{cluster}}, s)
	if err != nil || len(reached.Resolved)+len(reached.Declared)+len(needs) > 0 {
		t.Errorf("what is in no cluster: %v: %+v, %v", err, reached, needs)
	}
	e := &Engine{Providers: func(typ string) (Provider, error) {
		if typ == "unknown" {
			return nil, errors.New("no such type")
		}
		return secretive{}, nil
	}}
	for _, typ := range []string{"unknown", "AWS::SQS::Queue"} { // the second one's provider cannot tell
		var told *problem.Error
		if _, err := e.declared(t.Context(), Request{Type: typ}); !errors.As(err, &told) || told.Kind != problem.Usage {
			t.Errorf("%s: %v", typ, err)
		}
	}
}
