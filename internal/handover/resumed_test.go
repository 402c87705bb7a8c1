package handover_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/handover/world"
)

// What a run takes over from one before it, and from whoever asks for it.

// remembered is what the record of the play's move holds.
func (p *play) remembered(memo []byte) *handover.Record {
	p.t.Helper()
	rec, err := handover.ReadRecord(memo)
	if err != nil {
		p.t.Fatal(err)
	}
	return rec
}

// recorded is the same of what the cluster keeps of the errand for the old nodes.
func (p *play) recorded() *handover.Record {
	p.t.Helper()
	all, err := p.Records(context.Background())
	if err != nil {
		p.t.Fatal(err)
	}
	return p.remembered(all["nodes/old"])
}

// An errand whose nodes are to end is done once they are empty, and its record says what
// ends: they are not kept.
func TestAnErrandRemembersWhatEnds(t *testing.T) {
	in(t, 2, apps(web(2)), func(p *play) {
		e := p.errand("nodes/old", p.old()...)
		e.Ending = &handover.Ending{Group: world.Old}
		if err := p.send(context.Background(), e); err != nil {
			p.t.Fatal(err)
		}
		if rec := p.recorded(); rec.Phase != handover.Done || rec.Kept || rec.Ending == nil || rec.Ending.Group != world.Old {
			p.t.Errorf("%+v", rec)
		}
	})
}

// A run that goes on tells on: what the one before it told is in the record still.
func TestTheLogGoesOn(t *testing.T) {
	in(t, 2, apps(web(2)), func(p *play) {
		e := p.errand("nodes/old", p.old()...)
		e.From.Soak = time.Hour
		ctx, interrupt := context.WithTimeout(context.Background(), 5*time.Minute)
		defer interrupt()
		if err := p.send(ctx, e); err == nil {
			p.t.Fatal("it was to be interrupted in its soak")
		}
		before := p.recorded().Log
		if err := p.send(context.Background(), e); err != nil {
			p.t.Fatal(err)
		}
		after := p.recorded().Log
		if len(before) == 0 || len(after) <= len(before) {
			p.t.Fatalf("%d events before, %d after", len(before), len(after))
		}
		for i, e := range before {
			if after[i].Seq != uint64(i+1) || !after[i].At.Equal(e.At) {
				p.t.Errorf("event %d: %+v, was %+v", i, after[i], e)
			}
		}
	})
}

// A move that begins anew owes a workload what the one before it did that parked it: a pod
// that is missing since is no reason to let another one go.
func TestALaterMoveOwesWhatWasParked(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 3, Surge: 1, DeniesLate: []string{"evict"}}, other()), func(p *play) {
		p.parked(p.move(), "web", "no-evict")
		owed := p.remembered(p.memo).Workloads["deployment/apps/web"].Floors
		p.With(func(h *world.Hand) { h.Forgive(); h.Break("web", 0) })
		time.Sleep(10 * time.Minute)
		p.With((*world.Hand).Forgive)
		if err, ended := p.killedIn(3 * time.Second); ended {
			p.t.Fatal(err)
		}
		now := p.remembered(p.memo).Workloads["deployment/apps/web"].Floors
		for path, n := range owed {
			if now[path] < n {
				p.t.Errorf("by %q it owes %d, and owed %d", path, now[path], n)
			}
		}
		if len(owed) == 0 {
			p.t.Error("nothing was owed")
		}
		time.Sleep(10 * time.Minute)
		_, _ = p.restore(nil)
	})
}

// The way back owes what the move promised, also if a pod is missing when it begins.
func TestTheWayBackOwesWhatWasPromised(t *testing.T) {
	in(t, 2, apps(web(4)), func(p *play) {
		y := p.breachedIn(event.PhaseSoak, 0)
		if err := y.reopen(y.World, y.World, always); err != nil {
			p.t.Fatal(err)
		}
		promised := p.remembered(p.memo).Workloads["deployment/apps/web"].Floors
		p.With(func(h *world.Hand) { h.Forgive(); h.Break("web", 0) })
		time.Sleep(time.Minute)
		p.With((*world.Hand).Forgive)
		began := time.Now()
		_ = y.handOver(y.World, y.World, func() bool { return time.Since(began) < time.Second })
		now := p.remembered(y.memo).Workloads["deployment/apps/web"]
		for path, n := range promised {
			if now.Floors[path] < n {
				p.t.Errorf("by %q it owes %d, and promised was %d", path, now.Floors[path], n)
			}
		}
		if len(promised) == 0 {
			p.t.Error("nothing was promised")
		}
	})
}

// What is told of a phase names the step of the plan, and a wait is told once as long as
// it is the same.
func TestWhatIsToldNamesItsStep(t *testing.T) {
	in(t, 2, apps(web(3)), func(p *play) {
		p.done(p.move(), "web")
		phases, waits := map[event.Phase]bool{}, 0
		var last string
		p.heard(func(f event.Fact) bool {
			switch f := f.(type) {
			case event.PhaseChanged:
				phases[f.To] = true
				if f.Step != 1 || f.Group != world.Old {
					p.t.Errorf("%+v", f)
				}
			case event.Progress:
				waits++
				if f.Step != 1 || f.Waiting == "" || f.Waiting == last {
					p.t.Errorf("%+v, after %q", f, last)
				}
				last = f.Waiting
			}
			return false
		})
		for _, phase := range []event.Phase{event.PhaseInspect, event.PhaseReady, event.PhaseShift, event.PhaseSoak, event.PhaseDone} {
			if !phases[phase] {
				p.t.Errorf("it does not tell of %s", phase)
			}
		}
		if waits == 0 {
			p.t.Error("it does not say what it waits for")
		}
	})
}

// Whoever looks at a move from outside sees what it waits for.
func TestARecordSaysWhatIsWaitedFor(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 2, Surge: 1, Ready: 2 * time.Minute}), func(p *play) {
		time.Sleep(5 * time.Minute) // until all are Ready
		sent := make(chan error)
		go func() { sent <- p.send(context.Background(), p.errand("nodes/old", p.old()...)) }()
		p.await(func(f event.Fact) bool { m, is := f.(event.PodMoved); return is && m.Change == event.PodReleased })
		time.Sleep(time.Minute)
		if waits := p.recorded().Waits; !slices.ContainsFunc(waits, func(w handover.Waiting) bool {
			return strings.Contains(w.For, "serves on until its replacement does")
		}) {
			p.t.Errorf("%+v", waits)
		}
		if err := <-sent; err != nil {
			p.t.Fatal(err)
		}
	})
}

// A move over nodes of which a killed one has let pods go takes these over at once, and
// until it knows that they are nobody's lets no more go than the workload's strategy allows.
func TestWhatAKilledMoveLetGoOfIsTakenOver(t *testing.T) {
	for calls := 10; calls < 60; calls += 5 {
		in(t, 2, apps(web(4)), func(p *play) {
			m := &mortal{World: p.World}
			m.left.Store(int64(calls))
			if err := p.by(m, m).Run(context.Background(), p.errand("nodes/a", p.old()...)); err == nil {
				p.t.Fatalf("%d calls were enough", calls)
			}
			time.Sleep(3 * time.Minute)
			began := time.Now()
			if err := p.send(context.Background(), p.errand("nodes/b", p.old()...)); err != nil {
				p.t.Fatal(err)
			}
			if took := time.Since(began); took > 2*time.Minute {
				p.t.Errorf("after %d calls: %s", calls, took)
			}
			for _, node := range p.old() {
				if n := p.podsOn("web", node); n > 0 {
					p.t.Errorf("after %d calls: %d pods are left on %s", calls, n, node)
				}
			}
		})
	}
}
