package handover

import (
	"testing"
	"time"
)

// What would become of each pod is told as the move would do it.
func TestFates(t *testing.T) {
	for name, c := range map[string]struct {
		change func(q *Question, p *Pod, w *Workload)
		want   Fate
	}{
		"surge-first": {func(q *Question, _ *Pod, _ *Workload) {
			q.Placements = map[string]Placement{"1": {Node: "new"}}
		}, Fate{How: SurgeFirst, To: "new"}},
		"nowhere": {func(q *Question, _ *Pod, _ *Workload) {
			q.Placements = map[string]Placement{"1": {Why: "0 of 1 nodes fit"}}
		}, Fate{How: SurgeFirst, Nowhere: "0 of 1 nodes fit"}},
		"one after the other": {func(_ *Question, p *Pod, w *Workload) {
			w.Nature, w.InTurn, p.EmptyDir = Ordered, "its ordinals", true
		}, Fate{How: InOrder, Why: "its ordinals", EmptyDir: true}},
		"a DaemonSet's":     {func(_ *Question, p *Pod, _ *Workload) { p.Daemon = true }, Fate{Why: "a DaemonSet's: it belongs to its node", Daemon: true}},
		"a static pod":      {func(_ *Question, p *Pod, _ *Workload) { p.Mirror = true }, Fate{Why: "static: it belongs to its node"}},
		"a finished pod":    {func(_ *Question, p *Pod, _ *Workload) { p.Finished = true }, Fate{Why: "it has finished"}},
		"not of the errand": {func(q *Question, _ *Pod, _ *Workload) { q.Scope.In = func(*Pod, time.Time) bool { return false } }, Fate{Why: "it is not among those that are to move"}},
		"a bare pod":        {func(_ *Question, p *Pod, _ *Workload) { p.Workload, p.Expendable = "", true }, Fate{How: Gap, Why: "nothing controls it: it ends for good, as its annotation allows", Bare: true}},
		"a static bare pod": {func(_ *Question, p *Pod, _ *Workload) { p.Workload, p.Mirror = "", true }, Fate{Why: "static: it belongs to its node"}},
		"beside its follower": {func(_ *Question, p *Pod, _ *Workload) {
			p.Workload, p.Released = "", encode(Release{Group: "web", Workload: "deployment/apps/web"})
		}, Fate{How: SurgeFirst}},
	} {
		q := asked(c.change)
		p := q.View.Pods["1"]
		c.want.Pod, c.want.Node, c.want.Workload = p.Ref, "old", p.owner()
		if all := inspect(q).fates(); len(all) != 1 || all[0] != c.want {
			t.Errorf("%s: %+v, want %+v", name, all, c.want)
		}
	}
}

// Sentinels are the move's own.
func TestSentinelsHaveNoFate(t *testing.T) {
	i := inspect(asked(func(_ *Question, p *Pod, _ *Workload) { p.Sentinel = true }))
	if all := i.fates(); len(all) > 0 {
		t.Errorf("%+v", all)
	}
}

// more has so many pods of the workload leave.
func more(pods int) func(*Question, *Pod, *Workload) {
	return func(q *Question, p *Pod, _ *Workload) {
		for n := range pods - 1 {
			other := *p
			other.Ref = Ref{"apps", "more", "more" + string(rune('a'+n))}
			q.View.PutPod(&other)
		}
	}
}

// How long a move takes is the longest way of its workloads, its waves, what load
// balancers take, and the soak.
func TestTakes(t *testing.T) {
	through := func(b Balancer) func(*Question, *Pod, *Workload) {
		return func(q *Question, _ *Pod, _ *Workload) {
			b.Name, b.Targets = "edge", []Target{{Instance: "i-old", State: InService}}
			q.Balancers = []Balancer{b}
			q.View.PutNode(&Node{Name: "old", Instance: "i-old", Group: "web", Ready: true, Initialized: true})
		}
	}
	nodes := func(n int) func(*Question, *Pod, *Workload) {
		return func(q *Question, _ *Pod, _ *Workload) {
			for range n - 1 {
				name := "old" + string(rune('a'+len(q.Leaving)))
				q.View.PutNode(&Node{Name: name, Group: "web", Ready: true, Initialized: true})
				q.Leaving = append(q.Leaving, name)
			}
		}
	}
	i := inspect(asked(func(*Question, *Pod, *Workload) {}))
	plain, settle := i.takes(), i.v.settle(i.pods[0], i.Settle)
	for name, c := range map[string]struct {
		change func(q *Question, p *Pod, w *Workload)
		more   time.Duration // than the plain one
	}{
		"its like took 30 s to start": {func(_ *Question, p *Pod, _ *Workload) { p.Created, p.ReadySince = noon, noon.Add(30*time.Second) }, 30*time.Second - startGuess},
		"… and does not serve now": {func(_ *Question, p *Pod, _ *Workload) {
			p.Created, p.ReadySince, p.Ready = noon, noon.Add(30*time.Second), false
		}, 0},
		"it was late to serve by a mishap": {func(_ *Question, p *Pod, _ *Workload) { p.Created, p.ReadySince = noon, noon.Add(patience) }, 0},
		"clocks differ":                    {func(_ *Question, p *Pod, _ *Workload) { p.Created, p.ReadySince = noon, noon }, 0},
		"a preStop hook of a minute":       {func(_ *Question, p *Pod, _ *Workload) { p.LongestHook = time.Minute }, time.Minute - endGuess},
		"a second pod, one at a time":      {more(2), startGuess},
		"three pods, two at a time":        {func(q *Question, p *Pod, w *Workload) { w.Surge = 2; more(3)(q, p, w) }, startGuess},
		"a group that takes its address": {func(q *Question, p *Pod, _ *Workload) {
			p.Address = "10.0.0.1"
			q.Balancers = []Balancer{{ByAddress: true, Health: 20 * time.Second, SlowStart: 30 * time.Second, Targets: []Target{{Address: "10.0.0.1"}}}}
		}, 50 * time.Second},
		"… of another pod": {func(q *Question, p *Pod, _ *Workload) {
			p.Address = "10.0.0.1"
			q.Balancers = []Balancer{{ByAddress: true, Health: 20 * time.Second, Targets: []Target{{Address: "10.0.0.2"}}}}
		}, 0},
		"… of nodes": {func(q *Question, p *Pod, _ *Workload) {
			q.Balancers = []Balancer{{Health: 20 * time.Second, Targets: []Target{{Address: p.Address}}}}
		}, 0},
		"a load balancer that drains a minute": {through(Balancer{Health: 20 * time.Second, Draining: time.Minute, Lag: 5 * time.Second}), 20*time.Second + leaveGuess + time.Minute},
		"… that lags more":                     {through(Balancer{Draining: time.Second, Lag: 50 * time.Second}), leaveGuess + 50*time.Second},
		"… through nodes that stay": {func(q *Question, p *Pod, w *Workload) {
			through(Balancer{Draining: time.Minute})(q, p, w)
			q.Balancers[0].Targets[0].Instance = "i-new"
		}, 0},
		"a longer soak":  {func(q *Question, _ *Pod, _ *Workload) { q.Soak = soakTime + time.Minute }, time.Minute},
		"a shorter soak": {func(q *Question, _ *Pod, _ *Workload) { q.Soak = time.Second }, 0},
		"two workloads, the second one quick": {func(q *Question, p *Pod, _ *Workload) {
			p.LongestHook = time.Minute
			q.View.PutPod(&Pod{Ref: Ref{"apps", "zeta", "9"}, Node: "old", Workload: "", Released: ""})
		}, time.Minute - endGuess},
		"a Job's end": {func(_ *Question, _ *Pod, w *Workload) { w.Nature = Runs }, -startGuess - settle},
		"two nodes":   {nodes(2), canaryProof},
		"ten nodes":   {nodes(10), canaryProof + time.Duration(wave(9)-1)*waveTime},
	} {
		if took := inspect(asked(c.change)).takes(); took != plain+c.more {
			t.Errorf("%s: %s, want %s", name, took, plain+c.more)
		}
	}
}

// A workload whose pods go before the next ones come takes the longer, the more they are.
func TestTakesInOrder(t *testing.T) {
	took := func(pods int) time.Duration {
		return inspect(asked(func(q *Question, p *Pod, w *Workload) {
			w.Nature = Ordered
			more(pods)(q, p, w)
		})).takes()
	}
	one := took(2) - took(1)
	if three := took(4) - took(1); one < startGuess+endGuess || three != 3*one {
		t.Errorf("one more: %s, three more: %s", one, three)
	}
}

// A load balancer that nobody can ask takes its time, where it sends through nodes that leave.
func TestBalancersTakeTheirTimeUnasked(t *testing.T) {
	for name, c := range map[string]struct {
		service Service
		takes   time.Duration
	}{
		"one that nobody can ask": {Service{Balanced: true, Hosts: []string{"lb.example.com"}}, 2 * settleTargets},
		"none":                    {Service{Balanced: true}, 0},
		"… of other nodes":        {Service{Balanced: true, Hosts: []string{"lb.example.com"}, NodeLabels: map[string]string{"edge": "yes"}}, 0},
	} {
		i := inspect(asked(served(c.service)))
		i.v.Nodes["new"].Ready = false
		if took := i.balancersTake(); took != c.takes {
			t.Errorf("%s: %s, want %s", name, took, c.takes)
		}
	}
}

// One that nobody can ask is given time to take up a node that stays, less what that
// has had, and then to let go.
func TestUnaskedTakes(t *testing.T) {
	for name, c := range map[string]struct {
		change func(n *Node)
		first  time.Duration // until it has a node that stays
	}{
		"none":                 {func(n *Node) { n.Ready = false }, settleTargets},
		"one for 2 min":        {func(*Node) {}, settleTargets - 2*time.Minute},
		"one for hours":        {func(n *Node) { n.ReadySince = noon.Add(-3 * time.Hour) }, 0},
		"one without instance": {func(n *Node) { n.Cloud = "aws" }, settleTargets},
		"one it does not take": {func(n *Node) { n.Labels = nil }, settleTargets},
	} {
		i := inspect(asked(func(q *Question, _ *Pod, _ *Workload) {
			q.View.Now = noon
			n := &Node{Name: "new", Group: "web-2", Ready: true, Initialized: true, ReadySince: noon.Add(-2 * time.Minute), Labels: map[string]string{"edge": "yes"}}
			c.change(n)
			q.View.PutNode(n)
			q.View.PutNode(&Node{Name: "old", Group: "web", Ready: true, Initialized: true, ReadySince: noon.Add(-3 * time.Hour), Labels: map[string]string{"edge": "yes"}})
		}))
		if took := i.unaskedTakes(&Service{NodeLabels: map[string]string{"edge": "yes"}}); took != c.first+settleTargets {
			t.Errorf("%s: %s, want %s", name, took, c.first+settleTargets)
		}
	}
}
