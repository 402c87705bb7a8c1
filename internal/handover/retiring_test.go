package handover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// Which instances end, what is asked before, and what is waited for: nothing that ends
// comes back.

func TestWhichInstancesEnd(t *testing.T) {
	in := func(ids ...string) (all []Instance) {
		for _, id := range ids {
			id, ends := strings.CutSuffix(id, " ends")
			all = append(all, Instance{ID: id, Lifecycle: map[bool]string{true: "Terminating:Wait", false: "InService"}[ends]})
		}
		return all
	}
	node := func(id, before string) Node {
		return Node{Name: id, Instance: id, Group: "web", Before: before, Ready: true}
	}
	for _, row := range []struct {
		situation string
		group     []Instance
		nodes     []Node
		keep      int
		ids       []string
		gone      []string // nodes; nil: the same
	}{
		{"all of a group that goes", in("a", "b"), []Node{node("b", "{}"), node("a", "")}, 0, []string{"a", "b"}, nil},
		{"… also those that never joined", in("a", "b"), []Node{node("a", "")}, 0, []string{"a", "b"}, []string{"a"}},
		{"… and nodes that say of no instance", in("a"), []Node{node("a", ""), {Name: "bare", Group: "web"}}, 0, []string{"a"}, []string{"a", "bare"}},
		{"none of another group", in("a"), []Node{node("a", ""), {Name: "z", Instance: "z", Group: "db"}}, 0, []string{"a"}, nil},
		{"those that were emptied", in("a", "b", "c"), []Node{node("a", "{}"), node("b", ""), node("c", "{}")}, 1, []string{"a", "c"}, nil},
		{"… as many as are too many", in("a", "b", "c"), []Node{node("a", "{}"), node("b", "{}"), node("c", "{}")}, 2, []string{"a"}, nil},
		{"… those first on which no pod is", in("full", "z"), []Node{node("full", "{}"), node("z", "{}")}, 1, []string{"z"}, nil},
		{"none that was not emptied", in("a", "b"), []Node{node("a", ""), node("b", "")}, 1, nil, nil},
		{"none if there are as many as are kept", in("a", "b"), []Node{node("a", "{}"), node("b", "{}")}, 2, nil, nil},
		{"those that never joined, until as many are left as are kept", in("a", "b", "c"), []Node{node("a", "{}")}, 1, []string{"a", "b"}, []string{"a"}},
		{"… not if some node may be one of them", in("a", "b"), []Node{{Name: "bare", Group: "web"}}, 1, nil, nil},
		{"one that has left the group goes anyway", in("a"), []Node{node("a", ""), node("b", "{}")}, 1, []string{"b"}, nil},
		{"one that ends does not count", in("a", "b ends"), []Node{node("a", "{}"), node("b", "{}")}, 1, []string{"b"}, nil},
		{"… whether it joined or not", in("a", "b ends"), []Node{node("a", "{}")}, 1, []string{"b"}, []string{}},
	} {
		t.Run(row.situation, func(t *testing.T) {
			v := NewView()
			for _, n := range row.nodes {
				v.PutNode(&n)
			}
			v.PutPod(&Pod{Ref: Ref{"apps", "web-1", "web-1"}, Node: "full", Workload: "deployment/apps/web"})
			if row.gone == nil {
				row.gone = row.ids
			}
			ids, nodes := retiring(Group{Name: "web", Instances: row.group}, v, "web", row.keep)
			if !slices.Equal(ids, row.ids) || !slices.Equal(nodes, row.gone) {
				t.Errorf("instances %v end, and nodes %v", ids, nodes)
			}
		})
	}
}

// fleet is a group, and what is asked of it.
type fleet struct {
	Scaling
	group  Group
	err    error
	blind  error // of States
	states map[string]string
	calls  []string
	look   func() // comes before each look at the group; nil: nothing
	fails  int    // the call that fails, from 1 on; 0: none
}

func (f *fleet) called(format string, args ...any) error {
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	if len(f.calls) == f.fails {
		return errors.New("denied")
	}
	return nil
}

func (f *fleet) Group(context.Context, string) (Group, error) {
	if f.look != nil {
		f.look()
	}
	return f.group, f.err
}
func (f *fleet) States(context.Context, []string) (map[string]string, error) {
	return f.states, f.blind
}
func (f *fleet) Terminate(_ context.Context, _ string, ids []string) error {
	return f.called("terminate %d, first %s", len(ids), ids[0])
}
func (f *fleet) Release(_ context.Context, _ string, ids []string) error {
	return f.called("release %v", ids)
}
func (f *fleet) Resume(_ context.Context, _ string, processes []string) error {
	return f.called("resume %v", processes)
}
func (f *fleet) SetMin(_ context.Context, _ string, n int) error { return f.called("min %d", n) }
func (f *fleet) Untag(_ context.Context, _ string, keys []string) error {
	return f.called("untag %d", len(keys))
}

// The guard is asked before each call, which ends no more than one may, and nothing that
// has left its group.
func TestInstancesEndInBatches(t *testing.T) {
	f := &fleet{group: Group{Name: "web"}}
	ids := []string{"gone"}
	for i := range Batch + 1 {
		id := fmt.Sprintf("i-%03d", i)
		ids = append(ids, id)
		f.group.Instances = append(f.group.Instances, Instance{ID: id})
	}
	asked := 0
	r := engine.Retirement{Host: engine.Host{Name: "web"}, Breach: func() (string, bool) { asked++; return "GET /: 502", asked > 2 }}
	m := &Mover{scaling: f}
	if err := m.terminate(t.Context(), r, f.group, ids); err != nil || asked != 2 || !slices.Equal(f.calls, []string{"terminate 100, first i-000", "terminate 1, first i-100"}) {
		t.Errorf("%v, asked %d times: %v", err, asked, f.calls)
	}
	asked, f.calls = 1, nil
	if err := m.terminate(t.Context(), r, f.group, ids); err == nil || len(f.calls) != 1 {
		t.Errorf("%v: %v", err, f.calls)
	}
}

// Only Drover's own fence is answered, and only for what it ends.
func TestWhatPassesTheFence(t *testing.T) {
	f := &fleet{}
	g := Group{Name: "web", Instances: []Instance{
		{"held", TerminatingWait}, {"kept", Retained}, {"serves", "InService"}, {"of another end", TerminatingWait}, {"kept by another", Retained},
	}}
	m, ids := &Mover{scaling: f}, []string{"held", "kept", "serves"}
	if err := m.pass(t.Context(), g, ids); err != nil || len(f.calls) > 0 {
		t.Errorf("the hook is somebody else's: %v, %v", err, f.calls)
	}
	g.Tags = map[string]string{FenceTag: ""}
	if err := m.pass(t.Context(), g, ids); err != nil || !slices.Equal(f.calls, []string{"release [held]", "terminate 1, first kept"}) {
		t.Errorf("%v, %v", err, f.calls)
	}
	f.calls, g.Instances = nil, g.Instances[2:]
	if err := m.pass(t.Context(), g, ids); err != nil || len(f.calls) > 0 {
		t.Errorf("%v, %v", err, f.calls)
	}
}

func TestWhichInstancesStand(t *testing.T) {
	g := Group{Instances: []Instance{{"held", TerminatingWait}, {"ends", "Terminating"}, {"in", ""}}}
	states := map[string]string{"held": "running", "ends": "shutting-down", "stops": "stopping", "over": "terminated"}
	left, held := notEnded(g, []string{"held", "ends", "stops", "over", "unknown"}, states)
	if want := []string{"held running Terminating:Wait", "ends shutting-down Terminating", "stops stopping"}; !slices.Equal(left, want) || held != 1 {
		t.Errorf("%q, %d held", left, held)
	}
}

// A group that stays acts on its own again, with no more to keep than it keeps; one that
// goes, or that nobody held, is left alone.
func TestGroupThatStaysIsLoosened(t *testing.T) {
	for _, row := range []struct {
		situation string
		min       int // before; -1: nobody held it
		keep      int
		err       error
		want      []string
	}{
		{"it keeps less than it had", 3, 2, nil, []string{"resume [AZRebalance]", "min 2", "untag 2"}},
		{"it had less", 1, 2, nil, []string{"resume [AZRebalance]", "min 1", "untag 2"}},
		{"it goes", 3, 0, nil, nil},
		{"nobody held it", -1, 2, nil, nil},
		{"it is gone", 3, 2, ErrNotFound, nil},
	} {
		f := &fleet{group: Group{Name: "web", Min: 0, Desired: 9}, err: row.err}
		if row.min >= 0 {
			f.group.Tags = hold{Processes: []string{"AZRebalance"}, Min: row.min}.tags()
		}
		if err := (&Mover{scaling: f}).loosen(t.Context(), "web", row.keep); err != nil || !slices.Equal(f.calls, row.want) {
			t.Errorf("%s: %v, %v", row.situation, err, f.calls)
		}
	}
	f := &fleet{err: errors.New("throttled")}
	if err := (&Mover{scaling: f}).loosen(t.Context(), "web", 1); err == nil {
		t.Error("nobody knows whether it is held, and nobody is told")
	}
}

// still is a cluster that does not change.
type still struct {
	Cluster
	view  *View
	err   error // of a look
	fleet *fleet
}

func (s still) View() (*View, error) { return s.view, s.err }

// gates are load balancers, and what they were asked.
type gates struct {
	Nothing
	all   []Balancer
	err   error
	asked Inquiry
}

func (g *gates) Balancers(_ context.Context, q Inquiry) ([]Balancer, error) {
	g.asked = q
	return g.all, g.err
}

// Right before instances end it is asked once more, of all load balancers, whether
// something runs there or is sent there.
func TestWhatKeepsInstancesFromTheirEnd(t *testing.T) {
	web := func() *Pod {
		return &Pod{Ref: Ref{"apps", "web-1", "web-1"}, Node: "a", Workload: "deployment/apps/web", Address: "10.0.0.1"}
	}
	target := func(g *gates, x Target) { g.all = []Balancer{{Name: "lb", Targets: []Target{x}}} }
	for _, row := range []struct {
		situation string
		scene     func(v *View, f *fleet, g *gates)
		why       string
	}{
		{"nothing", func(*View, *fleet, *gates) {}, ""},
		{"a pod", func(v *View, _ *fleet, _ *gates) { v.PutPod(web()) }, "pod apps/web-1 runs on node a"},
		{"a pod that ends", func(v *View, _ *fleet, _ *gates) { p := web(); p.Deleting = true; v.PutPod(p) }, "pod apps/web-1 runs on node a"},
		{"… on a node that has long been silent", func(v *View, _ *fleet, _ *gates) {
			p := web()
			p.Deleting = true
			v.PutPod(p)
			v.PutNode(&Node{Name: "a", Instance: "i-a", ReadySince: noon.Add(-deadAfter)})
		}, ""},
		{"… that has not for long", func(v *View, _ *fleet, _ *gates) {
			p := web()
			p.Deleting = true
			v.PutPod(p)
			v.PutNode(&Node{Name: "a", Instance: "i-a", ReadySince: noon.Add(time.Second - deadAfter)})
		}, "pod apps/web-1 runs on node a"},
		{"… that was for long", func(v *View, _ *fleet, _ *gates) {
			p := web()
			p.Deleting = true
			v.PutPod(p)
			v.PutNode(&Node{Name: "a", Instance: "i-a", Ready: true, ReadySince: noon.Add(-time.Hour)})
		}, "pod apps/web-1 runs on node a"},
		{"… whose instance has ended", func(v *View, f *fleet, _ *gates) {
			p := web()
			p.Deleting = true
			v.PutPod(p)
			f.states = map[string]string{"i-a": "terminated"}
		}, ""},
		{"… that is gone", func(v *View, _ *fleet, _ *gates) {
			p := web()
			p.Deleting = true
			v.PutPod(p)
			v.DropNode("a")
		}, ""},
		{"a pod that nobody told to end, on an instance that has", func(v *View, f *fleet, _ *gates) {
			v.PutPod(web())
			f.states = map[string]string{"i-a": "terminated"}
		}, "pod apps/web-1 runs on node a"},
		{"a DaemonSet's pod", func(v *View, _ *fleet, _ *gates) { p := web(); p.Daemon = true; v.PutPod(p) }, ""},
		{"a pod elsewhere", func(v *View, _ *fleet, _ *gates) { p := web(); p.Node = "b"; v.PutPod(p) }, ""},
		{"a load balancer sends there", func(_ *View, _ *fleet, g *gates) { target(g, Target{Instance: "i-a", State: InService}) }, "i-a is InService in load balancer lb"},
		{"a load balancer drains it", func(_ *View, _ *fleet, g *gates) { target(g, Target{Instance: "i-a", State: Draining}) }, "i-a is draining in load balancer lb"},
		{"a load balancer never sends there", func(_ *View, _ *fleet, g *gates) { target(g, Target{Instance: "i-a", State: Unused}) }, ""},
		{"a load balancer sends elsewhere", func(_ *View, _ *fleet, g *gates) { target(g, Target{Instance: "i-b", State: InService}) }, ""},
		{"a load balancer sends to a pod's address there", func(v *View, _ *fleet, g *gates) {
			p := web()
			p.Daemon = true
			v.PutPod(p)
			target(g, Target{Address: "10.0.0.1", State: InService})
		}, "10.0.0.1 is InService in load balancer lb"},
	} {
		t.Run(row.situation, func(t *testing.T) {
			v, f, g := NewView(), &fleet{}, &gates{}
			v.Now = noon
			v.PutNode(&Node{Name: "a", Instance: "i-a", Ready: true})
			row.scene(v, f, g)
			err := (&Mover{scaling: f, balancers: g}).empty(t.Context(), still{view: v}, "web", []string{"i-a"}, []string{"a"})
			var told *problem.Error
			if (err != nil) != (row.why != "") || err != nil && (!errors.As(err, &told) || told.Kind != problem.Outside || !strings.Contains(err.Error(), row.why)) {
				t.Errorf("%v", err)
			}
			if !g.asked.All || !slices.Equal(g.asked.Instances, []string{"i-a"}) {
				t.Errorf("load balancers were asked %+v", g.asked)
			}
		})
	}
	if err := (&Mover{scaling: &fleet{}, balancers: nil}).empty(t.Context(), still{view: NewView()}, "web", nil, nil); err != nil {
		t.Errorf("there is nothing to ask about: %v", err)
	}
}

// What cannot be looked at once more is not known to be empty: nothing ends.
func TestWhatCannotBeSeenIsNotEmpty(t *testing.T) {
	away := errors.New("away")
	for name, c := range map[string]struct {
		f fleet
		s still
		g gates
	}{
		"the cluster":    {s: still{err: away}},
		"its instances":  {f: fleet{blind: away}},
		"load balancers": {g: gates{err: away}},
	} {
		c.s.view = NewView()
		c.s.view.PutNode(&Node{Name: "a", Instance: "i-a", Ready: true})
		err := (&Mover{scaling: &c.f, balancers: &c.g}).empty(t.Context(), c.s, "web", []string{"i-a"}, []string{"a"})
		if !errors.Is(err, away) || !strings.Contains(err.Error(), "look at web once more") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Instances are waited for until they have ended, for as long as that takes if a lifecycle
// hook holds one; what goes on without one for too long is an error that names it.
func TestTheEndOfInstancesIsWaitedFor(t *testing.T) {
	for name, c := range map[string]struct {
		held  bool                  // by a hook
		look  func(f *fleet) func() // comes before each look
		ends  time.Duration         // after that they have ended; 0: never
		takes time.Duration         // at the least
		note  string                // of the error; empty: there is none
		says  string                // what was said last
	}{
		"they end":                {ends: time.Minute, takes: time.Minute, says: "1 of 1 instances terminated"},
		"they do not":             {takes: patience, note: "i-a running Terminating", says: "0 of 1 instances terminated"},
		"a hook holds one":        {held: true, ends: 3 * patience, takes: 3 * patience, says: "1 of 1 instances terminated"},
		"AWS does not answer":     {look: func(f *fleet) func() { return func() { f.err = errors.New("away") } }, takes: patience, note: "away"},
		"… nor tell of instances": {look: func(f *fleet) func() { return func() { f.blind = errors.New("away") } }, takes: patience, note: "away"},
		"the fence cannot be let go of": {held: true, look: func(f *fleet) func() {
			f.group.Tags = map[string]string{FenceTag: ""}
			return func() { f.fails = len(f.calls) + 1 }
		}, takes: patience, note: "denied"},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &fleet{group: Group{Name: "web", Instances: []Instance{{"i-a", "Terminating"}}}, states: map[string]string{"i-a": "running"}}
			if c.held {
				f.group.Instances[0].Lifecycle = TerminatingWait
			}
			if c.look != nil {
				f.look = c.look(f)
			}
			began, said := time.Now(), ""
			wait := func(text string) {
				if said = text; c.ends > 0 && time.Since(began) >= c.ends {
					f.group.Instances, f.states = nil, nil
				}
			}
			err := (&Mover{scaling: f}).terminated(t.Context(), still{view: NewView(), fleet: f}, "web", []string{"i-a"}, wait)
			var told *problem.Error
			switch took := time.Since(began); {
			case took < c.takes || took > c.takes+time.Minute || said != c.says:
				t.Errorf("%s: after %s, said %q", name, took, said)
			case (err == nil) != (c.note == ""):
				t.Errorf("%s: %v", name, err)
			case err != nil && (!errors.As(err, &told) || told.Kind != problem.Outside || !strings.Contains(err.Error()+fmt.Sprint(told.Notes), c.note)):
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

func (s still) Changed() <-chan struct{} { return nil }
func (s still) Close()                   {}
func (s still) PatchNode(_ context.Context, node string, _ Patch) error {
	return s.fleet.called("cordon %s", node)
}
func (s still) DeleteNode(_ context.Context, node string) error {
	return s.fleet.called("remove %s", node)
}

// Emit keeps which nodes were said to be removed.
func (f *fleet) Emit(fact event.Fact) {
	_ = f.called("tell of %s", fact.(event.NodeChanged).Node)
}

// mover is one that sees the view, and asks the fleet.
func (f *fleet) mover(v *View) *Mover {
	return New(f, &gates{}, func(context.Context, plan.Props) (Cluster, error) { return still{view: v, fleet: f}, nil }, f)
}

// emptied is a group of two nodes that a move has emptied; told to end, their instances have.
func emptied() (*fleet, *View) {
	f := &fleet{group: Group{Name: "web", Min: 2, Desired: 2, Instances: []Instance{{ID: "i-a"}, {ID: "i-b"}}}, states: map[string]string{"i-a": "terminated", "i-b": "terminated"}}
	v := NewView()
	for _, name := range []string{"a", "b"} {
		v.PutNode(&Node{Name: name, Instance: "i-" + name, Group: "web", Before: "{}", Ready: true})
	}
	return f, v
}

// A group is emptied in this order: nothing lands there, nothing is launched, the instances
// end, and only then their Node objects go; what stays acts on its own again.
func TestHowNodesAreTakenAway(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(f *fleet)
		keep      int
		breach    int // the guard says so from that time on that it is asked; 0: never
		fails     bool
		want      string
	}{
		{"a group that goes", func(*fleet) {}, 0, 0, false, "cordon a, cordon b, min 0, terminate 2, first i-a, remove a, tell of a, remove b, tell of b"},
		{"… that may be empty", func(f *fleet) { f.group.Min = 0 }, 0, 0, false, "cordon a, cordon b, terminate 2, first i-a, remove a, tell of a, remove b, tell of b"},
		{"one that keeps a node", func(f *fleet) { f.group.Tags = hold{Min: 2}.tags() }, 1, 0, false, "cordon a, min 1, terminate 1, first i-a, remove a, tell of a, min 1, untag 2"},
		{"one that is gone: its nodes are left", func(f *fleet) { f.group, f.err = Group{}, ErrNotFound }, 0, 0, false, "cordon a, cordon b, remove a, tell of a, remove b, tell of b"},
		{"AWS does not answer", func(f *fleet) { f.err = errors.New("throttled") }, 0, 0, true, ""},
		{"traffic suffers before anything ends", func(*fleet) {}, 0, 1, true, "cordon a, cordon b"},
		{"… right before the instances end", func(*fleet) {}, 0, 2, true, "cordon a, cordon b, min 0"},
		{"… once they have", func(*fleet) {}, 0, 3, true, "cordon a, cordon b, min 0, terminate 2, first i-a"},
		{"… between two nodes", func(*fleet) {}, 0, 4, true, "cordon a, cordon b, min 0, terminate 2, first i-a, remove a, tell of a"},
	} {
		t.Run(row.situation, func(t *testing.T) {
			f, v := emptied()
			row.scene(f)
			asked := 0
			err := f.mover(v).Retire(t.Context(), engine.Retirement{Host: engine.Host{Name: "web"}, Keep: row.keep, Wait: func(string) {}, Breach: func() (string, bool) {
				asked++
				return "GET /: 502", row.breach > 0 && asked >= row.breach
			}})
			if got := strings.Join(f.calls, ", "); got != row.want || (err != nil) != row.fails {
				t.Errorf("%v\n%s, want\n%s", err, got, row.want)
			}
		})
	}
}

// Whatever call fails, it is told, and nothing is done that comes after it.
func TestWhatFailsEndsTheTakingAway(t *testing.T) {
	calls := []string{"cordon a", "min 1", "terminate 1, first i-a", "remove a", "tell of a", "min 1", "untag 2"}
	for n, call := range calls {
		if strings.HasPrefix(call, "tell") {
			continue
		}
		f, v := emptied()
		f.fails, f.group.Tags = n+1, hold{Min: 2}.tags()
		err := f.mover(v).Retire(t.Context(), engine.Retirement{Host: engine.Host{Name: "web"}, Keep: 1, Wait: func(string) {}, Breach: func() (string, bool) { return "", false }})
		if err == nil || !strings.Contains(err.Error(), "denied") || !slices.Equal(f.calls, calls[:n+1]) {
			t.Errorf("%s fails: %v, after %v", call, err, f.calls)
		}
	}
}

// New nodes are waited for until as many are Ready, and set up, as the group wants; after
// that it is said of each how far it got.
func TestNewNodesAreWaitedFor(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(f *fleet, v *View)
		later     func(f *fleet, v *View) // a minute later
		note      string                  // of the error; empty: there is none
	}{
		{"all are there", nil, nil, ""},
		{"one is of another group", func(_ *fleet, v *View) {
			v.DropNode("b")
			v.PutNode(&Node{Name: "z", Instance: "i-z", Group: "db", Ready: true, Initialized: true})
		}, nil, "instance i-b is running and never joined"},
		{"one has not joined", func(_ *fleet, v *View) { v.DropNode("b") }, nil, "instance i-b is running and never joined"},
		{"one is not Ready", func(_ *fleet, v *View) { v.PutNode(&Node{Name: "b", Instance: "i-b", Initialized: true}) }, nil, "node b joined and is not Ready"},
		{"one is not set up", func(_ *fleet, v *View) { v.PutNode(&Node{Name: "b", Instance: "i-b", Ready: true}) }, nil, "node b is Ready and still tainted"},
		{"one was not launched", func(f *fleet, _ *View) { f.group.Desired = 3 }, nil, "has yet to launch 1 instances"},
		{"one comes late", func(_ *fleet, v *View) { v.DropNode("b") }, func(_ *fleet, v *View) {
			v.PutNode(&Node{Name: "b", Instance: "i-b", Ready: true, Initialized: true})
		}, ""},
		{"AWS answers late", func(f *fleet, _ *View) { f.err = errors.New("throttled") }, func(f *fleet, _ *View) { f.err = nil }, ""},
	} {
		t.Run(row.situation, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, v := &fleet{group: Group{Name: "web", Desired: 2, Instances: []Instance{{ID: "i-a"}, {ID: "i-b"}}}, states: map[string]string{"i-b": "running"}}, NewView()
				for _, name := range []string{"a", "b"} {
					v.PutNode(&Node{Name: name, Instance: "i-" + name, Ready: true, Initialized: true})
				}
				if row.scene != nil {
					row.scene(f, v)
				}
				began, said := time.Now(), ""
				f.look = func() {
					if row.later != nil && time.Since(began) == time.Minute {
						row.later(f, v)
					}
				}
				err := f.mover(v).Ready(t.Context(), engine.Host{Name: "web"}, func(text string) { said = text })
				var told *problem.Error
				switch took := time.Since(began); {
				case row.note == "" && (err != nil || took > 2*time.Minute || said != "2 of 2 nodes Ready"):
					t.Errorf("after %s: %v, %s", took, err, said)
				case row.note == "":
				case !errors.As(err, &told) || told.Kind != problem.Outside || took != joinTime || len(told.Notes) != 1 || !strings.Contains(told.Notes[0], row.note):
					t.Errorf("after %s: %v, %+v", took, err, told)
				}
			})
		})
	}
}

// That nodes are Ready is never said without a look that saw so.
func TestReadyIsNotSaidUnseen(t *testing.T) {
	away := errors.New("away")
	for name, scene := range map[string]func(f *fleet, s *still, interrupt func()){
		"AWS never answers":         func(f *fleet, _ *still, _ func()) { f.err = away },
		"the cluster never answers": func(f *fleet, s *still, _ func()) { f.look = func() { s.err = away } },
		"it is interrupted":         func(f *fleet, _ *still, interrupt func()) { f.look = interrupt },
		"nor how far they got":      func(f *fleet, _ *still, _ func()) { f.blind = away },
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, interrupt := context.WithCancelCause(t.Context())
			f := &fleet{group: Group{Name: "web", Desired: 1}}
			s := still{view: NewView(), fleet: f}
			scene(f, &s, func() { interrupt(away) })
			m := New(f, &gates{}, func(context.Context, plan.Props) (Cluster, error) { return &s, nil }, f)
			if err := m.Ready(ctx, engine.Host{Name: "web"}, func(string) {}); !errors.Is(err, away) || !strings.Contains(err.Error(), "nodes of web") {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	m := New(&fleet{}, &gates{}, func(context.Context, plan.Props) (Cluster, error) { return nil, away }, &fleet{})
	if err := m.Ready(t.Context(), engine.Host{Name: "web"}, func(string) {}); !errors.Is(err, away) {
		t.Errorf("the cluster cannot be opened: %v", err)
	}
	if err := m.Retire(t.Context(), engine.Retirement{Host: engine.Host{Name: "web"}}); !errors.Is(err, away) {
		t.Errorf("the cluster cannot be opened: %v", err)
	}
}
