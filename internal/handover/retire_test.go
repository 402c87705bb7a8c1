package handover

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/problem"
)

// Once its group is gone, a hand-over still knows the nodes that carry its
// name; a node without any label is nobody's.
func TestGoneGroupOwnsNoForeignNode(t *testing.T) {
	for _, phase := range []Phase{Inspect, Ready, Shift, ReleaseNodes, EvictRest, Soak, Stop} {
		o := Observed{At: epoch}
		o.Cluster.Nodes = []Node{
			{Name: "foreign", Instance: "i-9", Ready: true, Before: "{}"},
			{Name: "leftover", Instance: "i-1", Group: "web", Ready: true, Before: "{}"},
		}
		s := State{Group: "web", Phase: phase, Since: epoch}
		if got := members(o, s); len(got) != 1 || got[0].Name != "leftover" {
			t.Errorf("%s: members %+v", phase, got)
		}
		_, actions := Next(s, o)
		for _, a := range actions {
			if c, ok := a.(ChangeNode); ok && c.Node != "leftover" {
				t.Errorf("%s: %s", phase, a)
			}
		}
	}
}

func TestRetireAfterGroupIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{world: liveWorld(1)}
		leftover, foreign := d.nodes[0], d.nodes[1]
		d.gone, d.ended[leftover.Instance], d.targets = true, true, map[string]*simTarget{}
		foreign.Group = ""
		d.step(time.Second) // it is seen
		if err := d.mover().Retire(t.Context(), retirement(d.host(), 0, func(string) {})); err != nil {
			t.Fatal(err)
		}
		if len(d.nodes) != 1 || d.nodes[0] != foreign || foreign.Cordoned {
			t.Errorf("left: %+v", d.look().Nodes)
		}
	})
}

// A shrink to 2 closed three nodes and was cut short. The one to 4 that is
// asked for now ends one of them and opens the others, though calls fail.
func TestSmallerShrinkOpensTheRest(t *testing.T) {
	w := newWorld(1, 5, deploymentApp("nginx", 5, 4))
	for _, n := range w.nodes[:3] {
		n.Before, n.Cordoned, n.Exclude = encode(before{}), true, ptr("true")
	}
	p := w.player(4)
	p.faults = true
	p.play(time.Hour, 500*time.Millisecond)
	p.faults = false
	p.safe(t)
	if p.state.Phase != Done || len(p.state.Nodes) != 1 {
		t.Fatalf("ended in %s with %v: %+v", p.state.Phase, p.state.Nodes, p.state.Reason)
	}
	for _, n := range w.nodes {
		if goes := n.Name == p.state.Nodes[0]; (n.Before != "") != goes || n.Cordoned != goes || n.excluded() != goes {
			t.Errorf("goes: %t, %+v", goes, n.Node)
		}
	}
}

func TestRetireNeverGoesBelowKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{world: liveWorld(5)}
		for _, n := range d.nodes[:3] { // by an earlier shrink to 2
			err := d.PatchNode(context.Background(), n.Name, Patch{
				Labels:      map[string]*string{excludeLabel: ptr("true")},
				Annotations: map[string]*string{BeforeAnnotation: ptr(encode(before{}))},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute) // until they are drained
		if err := d.mover().Retire(t.Context(), retirement(d.host(), 4, func(string) {})); err != nil {
			t.Fatal(err)
		}
		if d.from.Desired != 4 || len(d.from.Instances) != 4 || len(d.ended) != 1 {
			t.Errorf("left: %+v", d.from)
		}
	})
}

// Traffic suffers while nodes are taken away: no further instance ends.
func TestRetireAsksTheGuardBeforeEachInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{world: liveWorld(3, deploymentApp("nginx", 3, 2))}
		if err := d.handOver(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		r := retirement(d.host(), 0, func(string) {})
		r.Breach = func() (string, bool) { return "1 request failed", len(d.ended) > 0 }
		if err := d.mover().Retire(t.Context(), r); kind(err) != problem.Guarded {
			t.Errorf("%v", err)
		}
		if len(d.ended) != 1 {
			t.Errorf("%d instances ended, want the one before the breach", len(d.ended))
		}
	})
}

// What goes: of the marked nodes no more than there are too many, the empty
// ones first; after them instances that never joined; in any case what has left
// the group already; and never an instance without a name.
func TestRetiring(t *testing.T) {
	node := func(name, instance string) Node {
		return Node{Name: name, Instance: instance, Group: "web", Ready: true, Before: "{}"}
	}
	unmarked := func(n Node) Node { n.Before = ""; return n }
	a, b, c := node("a", "i-a"), node("b", "i-b"), node("c", "i-c")
	for _, x := range []struct {
		name      string
		nodes     []Node
		pods      string // names of the nodes with one
		instances string // one that ends has a minus sign
		keep      int
		want      string
	}{
		{"all", []Node{unmarked(a), b, c}, "", "i-a i-b i-c i-d", 0, "a b c | i-a i-b i-c i-d"},
		{"marked", []Node{a, b, unmarked(c)}, "", "i-a i-b i-c", 1, "a b | i-a i-b"},
		{"too many marked", []Node{a, b, c}, "", "i-a i-b i-c", 2, "a | i-a"},
		{"too many marked, the empty one first", []Node{a, b, c}, "a c", "i-a i-b i-c", 2, "b | i-b"},
		{"empty before broken", []Node{{Name: "a", Instance: "i-a", Group: "web", Before: "{}"}, b}, "a", "i-a i-b", 1, "b | i-b"},
		{"never joined", []Node{a, unmarked(b)}, "", "i-a i-b i-d", 1, "a | i-a i-d"},
		{"never joined, no room", []Node{a, unmarked(b)}, "", "i-a i-b i-d", 2, "a | i-a"},
		{"left the group already", []Node{a, b, c}, "", "i-b i-c", 1, "a b | i-a i-b"},
		{"ends already", []Node{a, b, c}, "", "i-a i-b -i-c", 1, "a c | i-a i-c"},
		{"ends already, never joined", []Node{a, b}, "", "i-a i-b -i-d", 1, "a | i-a i-d"},
		{"no provider IDs", []Node{node("a", ""), node("b", ""), c}, "", "i-a i-b i-c", 0, "a b c | i-a i-b i-c"},
		{"no provider ID, perhaps the one that seems not to have joined", []Node{unmarked(node("a", "")), unmarked(c)}, "", "i-a i-c i-d", 2, " | "},
		{"the group is gone", []Node{{Name: "foreign", Instance: "i-9"}, a}, "", "", 0, "a | i-a"},
	} {
		t.Run(x.name, func(t *testing.T) {
			g := Group{Name: "web"}
			for _, id := range strings.Fields(x.instances) {
				i := Instance{ID: strings.TrimPrefix(id, "-"), Lifecycle: "InService"}
				if i.ID != id {
					i.Lifecycle = "Terminating:Wait"
				}
				g.Instances = append(g.Instances, i)
			}
			if len(g.Instances) == 0 {
				g = Group{}
			}
			s := Snapshot{Nodes: x.nodes}
			for _, n := range strings.Fields(x.pods) {
				s.Pods = append(s.Pods, Pod{Node: n})
			}
			ids, nodes := retiring(g, s, "web", x.keep)
			if got := strings.Join(nodes, " ") + " | " + strings.Join(ids, " "); got != x.want {
				t.Errorf("got %q, want %q", got, x.want)
			}
		})
	}
}

// A shrink that was cut short while instances ended does not choose others in
// their place.
func TestChoosesWhatEndsAlready(t *testing.T) {
	o := Observed{From: Group{Name: "web", Instances: []Instance{{ID: "i-a"}, {ID: "i-b"}, {ID: "i-c", Lifecycle: "Terminating:Wait"}}}}
	for _, name := range []string{"a", "b", "c"} {
		o.Cluster.Nodes = append(o.Cluster.Nodes, Node{Name: name, Instance: "i-" + name, Group: "web", Ready: true, Before: "{}"})
	}
	if got := newTurn(State{Group: "web", Keep: 2}, o).choose(); !slices.Equal(got, []string{"c"}) {
		t.Errorf("chose %v", got)
	}
}

// A node without a provider ID is no instance: nobody is asked about "".
func TestNoInstanceWithoutName(t *testing.T) {
	o := Observed{At: epoch, From: Group{Name: "web"}}
	o.Cluster.Nodes = []Node{{Name: "a", Group: "web"}}
	if tt := newTurn(State{Group: "web"}, o); tt.going[""] || len(tt.old) != 1 {
		t.Errorf("going %v, old %v", tt.going, tt.old)
	}
	if ids := instances("web", o.From, o.Cluster); slices.Contains(ids, "") {
		t.Errorf("instances %q", ids)
	}
}

// A turn that stops asks for nothing more: the next one puts back.
func TestStopEndsTheTurn(t *testing.T) {
	w := Workload{Kind: "Deployment", Namespace: "apps", Name: "nginx", Replicas: 3, Surge: 3, Settled: true, Deadline: time.Minute}
	pod := func(uid, node string, serving bool) Pod {
		return Pod{
			Ref: Ref{Namespace: "apps", Name: uid, UID: uid}, Node: node, Workload: w.Key(), Handle: "pod-template-hash",
			Labels: map[string]string{"pod-template-hash": "abc"}, Ready: serving, Serving: serving, ReadySince: epoch,
		}
	}
	late := pod("late", "old", true)
	late.Workload, late.Released = "", encode(Release{Group: "web", Workload: w.Key(), At: epoch})
	later := late
	later.Ref = Ref{Namespace: "apps", Name: "later", UID: "later"}
	g := Group{Name: "web", Suspended: held, Tags: hold{}.tags()}
	o := Observed{At: epoch.Add(2 * time.Minute), From: g}
	o.Cluster.Nodes = []Node{{Name: "new", Group: "web-2", Ready: true}, {Name: "old", Group: "web", Ready: true, Cordoned: true, Before: "{}"}}
	o.Cluster.Workloads = []Workload{w}
	o.Cluster.Pods = []Pod{pod("fresh", "old", true), late, later, pod("new", "new", false)}
	s, actions := Next(State{Group: "web", Phase: Shift, Since: epoch}, o)
	if s.Phase != Stop || len(actions) > 0 || s.Reason.Op != "move pod apps/late" {
		t.Errorf("%s: %v, %+v", s.Phase, actions, s.Reason)
	}
}

// retirement is a call of Retire while nothing watches.
func retirement(h engine.Host, keep int, wait func(string)) engine.Retirement {
	return engine.Retirement{Host: h, Keep: keep, Wait: wait, Breach: func() (string, bool) { return "", false }}
}
