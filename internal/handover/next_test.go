package handover

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawWorld makes a world with one to three workloads.
func drawWorld(t *rapid.T) *world {
	var apps []*app
	for i := range rapid.IntRange(1, 3).Draw(t, "apps") {
		replicas := rapid.IntRange(1, 5).Draw(t, "replicas")
		budget := rapid.IntRange(0, replicas).Draw(t, "budget")
		a := deploymentApp(string(rune('a'+i)), replicas, budget)
		a.Surge = rapid.IntRange(1, 3).Draw(t, "surge")
		a.MinReady = time.Duration(rapid.IntRange(0, 5).Draw(t, "minReady")) * time.Second
		if rapid.IntRange(0, 4).Draw(t, "stateful") == 0 {
			a = statefulApp(a.Name, replicas, max(0, min(budget, replicas-1)))
		}
		apps = append(apps, a)
	}
	w := newWorld(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, 4).Draw(t, "nodes"), apps...)
	w.late = rapid.IntRange(0, 6).Draw(t, "late")
	for range w.late {
		w.step(500 * time.Millisecond)
	}
	w.stale = rapid.IntRange(0, 3).Draw(t, "stale")
	return w
}

// trouble makes one thing go wrong between two turns.
func (p *player) trouble(t *rapid.T) {
	switch rapid.IntRange(0, 12).Draw(t, "trouble") {
	case 0: // the process is killed and started again
		p.start()
	case 1: // somebody opens an old node
		p.nodes[p.rng.IntN(len(p.nodes))].Cordoned = false
	case 2: // somebody puts an old node back into the load balancers
		p.nodes[p.rng.IntN(len(p.nodes))].Exclude = nil
	}
}

// safe fails the test if anything happened that must never happen.
func (p *player) safe(t interface {
	Helper()
	Fatalf(string, ...any)
}) {
	t.Helper()
	if len(p.broken) > 0 {
		t.Fatalf("in %s: %s", p.state.Phase, p.broken[0])
	}
}

// Whatever fails on the way: no Service ever has fewer pods to send to than
// before, no pod ends while a proxy sends to it, and once calls work again the
// hand-over ends with nothing left on the old nodes and nothing sent to them.
func TestMovesWithoutLoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawWorld(t).player(0)
		p.faults = true
		for range rapid.IntRange(0, 80).Draw(t, "turns") {
			p.trouble(t)
			p.turn(500 * time.Millisecond)
			p.safe(t)
		}
		p.faults = false
		p.play(time.Hour, 500*time.Millisecond)
		p.safe(t)
		if p.state.Phase != Done {
			t.Fatalf("ended in %s: %+v", p.state.Phase, p.state.Reason)
		}
		p.isEmpty(t)
	})
}

func (p *player) isEmpty(t interface {
	Helper()
	Fatalf(string, ...any)
}) {
	t.Helper()
	for _, pod := range p.pods {
		if n, _ := p.look().node(pod.Node); n.Group == p.from.Name {
			t.Fatalf("done, and pod %s is on %s", pod.Name, pod.Node)
		}
	}
	for _, i := range p.from.Instances {
		if p.targets[i.ID] != nil {
			t.Fatalf("done, and instance %s is a target", i.ID)
		}
	}
}

// A breach at any moment, and any failure before it: everything that was
// changed is put back, and no Service notices.
func TestStopsWithoutTrace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		p := w.player(0)
		p.faults = rapid.Bool().Draw(t, "faults")
		for range rapid.OneOf(rapid.IntRange(0, 10), rapid.IntRange(0, 120)).Draw(t, "turns") {
			p.turn(500 * time.Millisecond)
		}
		if p.state.Phase == Done {
			return
		}
		p.faults, p.breach = false, "GET /echoserver: 502"
		p.play(10*time.Minute, 500*time.Millisecond)
		if p.state.Phase != Stopped {
			t.Fatalf("ended in %s", p.state.Phase)
		}
		for range 20 {
			p.step(time.Second)
		}
		p.traceless(t)
		p.safe(t)
	})
}

func (p *player) traceless(t interface {
	Helper()
	Fatalf(string, ...any)
}) {
	t.Helper()
	for _, n := range p.nodes {
		if n.Cordoned || n.Exclude != nil || n.Before != "" {
			t.Fatalf("node %s was left as %+v", n.Name, n.Node)
		}
	}
	for _, pod := range p.pods {
		if pod.Released != "" || pod.Cost != nil || pod.Workload == "" {
			t.Fatalf("pod %s was left as %+v", pod.Name, pod.Pod)
		}
	}
	if g := p.from; len(g.Suspended) > 0 || len(g.Tags) > 0 || g.Min != g.Desired {
		t.Fatalf("group was left as %+v", g)
	}
}

// Stop does not believe a first look that shows nothing to put back: the last
// writes of the phase before may still be on their way through the watches.
func TestStopLooksTwice(t *testing.T) {
	o := Observed{At: epoch}
	s, _ := Next(State{Group: "web", Phase: Stop, Since: epoch}, o)
	if s.Phase != Stop {
		t.Fatalf("stopped at the first look")
	}
	o.At = epoch.Add(sureAfter)
	if s, _ = Next(s, o); s.Phase != Stopped {
		t.Fatalf("still in %s", s.Phase)
	}
}

// What was decided once is decided again: a run can be replayed from its log.
func TestNextIsPure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawWorld(t).player(0)
		for range rapid.IntRange(0, 60).Draw(t, "turns") {
			p.turn(500 * time.Millisecond)
		}
		o, err := p.run.observe(t.Context(), p.state)
		if err != nil {
			t.Fatal(err)
		}
		before := encode(p.state)
		s1, a1 := Next(p.state, o)
		s2, a2 := Next(p.state, o)
		if encode(p.state) != before || encode(s1) != encode(s2) || encode(a1) != encode(a2) {
			t.Fatalf("two answers: %v and %v", a1, a2)
		}
	})
}
