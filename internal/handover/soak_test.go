package handover_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/problem"
)

// soaking returns when the move has begun to soak.
func (p *play) soaking() {
	p.reaches(event.PhaseSoak)
}

// reaches returns when the move is in a phase.
func (p *play) reaches(phase event.Phase) {
	p.await(func(f event.Fact) bool { c, is := f.(event.PhaseChanged); return is && c.To == phase })
}

// await returns when such a thing has been told.
func (p *play) await(is func(event.Fact) bool) {
	for !p.heard(is) {
		time.Sleep(100 * time.Millisecond)
	}
}

func (p *play) heard(is func(event.Fact) bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.facts, is)
}

// closed wants every old node to be closed, and nothing of the apps on it.
func (p *play) closed(apps ...string) {
	p.t.Helper()
	p.With(func(h *world.Hand) {
		for _, name := range h.Nodes(world.Old) {
			for _, state := range []string{"cordoned", "excluded"} {
				if !slices.Contains(h.Left(), "node "+name+" is "+state) {
					p.t.Errorf("node %s is not %s", name, state)
				}
			}
		}
		for _, app := range apps {
			if left := h.On(world.Old, app); len(left) > 0 {
				p.t.Errorf("%s: left on old nodes: %v", app, left)
			}
		}
	})
}

// pausedInSoak has a move interrupted so long after its soak began.
func (p *play) pausedInSoak(after time.Duration) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	go func() { p.soaking(); time.Sleep(after); cancel() }()
	if err := p.moveIn(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "stay closed") {
		p.t.Errorf("got %v", err)
	}
	p.closed("web")
}

func TestSoakKeepsTheEmptyNodesForAsLongAsWasAsked(t *testing.T) {
	t.Parallel()
	in(t, 2, apps(web(4)), func(p *play) {
		p.soak = 4 * time.Hour
		go func() {
			p.soaking()
			time.Sleep(3*time.Hour + 59*time.Minute)
			p.closed("web")
		}()
		p.done(p.move(), "web")
		if p.took < 4*time.Hour {
			p.t.Errorf("over after %s", p.took)
		}
		if !p.heard(func(f event.Fact) bool {
			w, is := f.(event.Progress)
			return is && strings.Contains(w.Waiting, "stay closed for another 2h30m ")
		}) {
			p.t.Error("not told how long it will stay")
		}
	})
}

func TestInterruptInASoakLeavesTheNodesClosedAndTheClockGoesOn(t *testing.T) {
	in(t, 2, apps(web(4)), func(p *play) {
		p.soak = 40 * time.Minute
		p.pausedInSoak(10 * time.Minute)
		time.Sleep(20 * time.Minute)
		evicted := p.changes(event.PodEvicted)
		p.done(p.move(), "web")
		if p.took < 9*time.Minute || p.took > 11*time.Minute {
			p.t.Errorf("the rest of the soak took %s, not 10 min", p.took)
		}
		if now := p.changes(event.PodEvicted); now != evicted {
			p.t.Errorf("%d pods moved again", now-evicted)
		}
	})
}

func TestContinueEndsASoakAtOnce(t *testing.T) {
	in(t, 2, apps(web(4)), func(p *play) {
		p.soak = 4 * time.Hour
		p.pausedInSoak(time.Minute)
		p.hasten = true
		p.done(p.move(), "web")
		if p.took > time.Minute {
			p.t.Errorf("took %s", p.took)
		}
		if err := p.retire(); err != nil {
			p.t.Error(err)
		}
	})
}

func TestDeathInASoakIsFollowedByTheRestOfIt(t *testing.T) {
	in(t, 2, apps(web(4)), func(p *play) {
		p.soak = time.Hour
		go func() { p.soaking(); time.Sleep(10 * time.Minute); p.With((*world.Hand).Blind) }()
		if err := p.move(); err == nil {
			p.t.Fatal("its watches broke, and it is done")
		}
		p.closed("web")
		p.With((*world.Hand).See)
		time.Sleep(20 * time.Minute)
		p.done(p.move(), "web")
		if p.took < 29*time.Minute || p.took > 31*time.Minute {
			p.t.Errorf("the rest of the soak took %s, not 30 min", p.took)
		}
	})
}

// The load balancer can be asked, before a run died and after it: nobody waits
// as for one that cannot.
func TestDeathInASoakMakesNoStrangerOfABalancer(t *testing.T) {
	app := web(4)
	app.Balancer = world.NLB
	in(t, 2, apps(app), func(p *play) {
		p.soak = time.Minute
		go func() { p.soaking(); p.With((*world.Hand).Blind) }()
		if err := p.move(); err == nil {
			p.t.Fatal("its watches broke, and it is done")
		}
		p.With((*world.Hand).See)
		p.done(p.move(), "web")
		if p.took > 2*time.Minute {
			p.t.Errorf("the rest of a soak of a minute took %s", p.took)
		}
		if p.heard(func(f event.Fact) bool {
			w, is := f.(event.Progress)
			return is && strings.Contains(w.Waiting, "cannot be asked")
		}) {
			p.t.Error("it waited for a load balancer as if nobody could ask it")
		}
	})
}

func TestOutageInASoakLeavesTheNodesClosed(t *testing.T) {
	in(t, 2, apps(web(4)), func(p *play) {
		p.soak = time.Hour
		go func() { p.soaking(); time.Sleep(10 * time.Minute); p.With(func(h *world.Hand) { h.Down(true, false) }) }()
		var told *problem.Error
		if err := p.move(); !errors.As(err, &told) || told.Kind != problem.Outside {
			p.t.Fatalf("got %v", err)
		}
		p.closed("web")
		p.With(func(h *world.Hand) { h.Down(false, false) })
		p.done(p.move(), "web")
		if p.took < 44*time.Minute || p.took > 46*time.Minute {
			p.t.Errorf("the rest of the soak took %s, not 45 min", p.took)
		}
	})
}

func TestBreachInASoakOpensTheNodes(t *testing.T) {
	t.Parallel()
	in(t, 2, apps(web(4)), func(p *play) {
		p.soak = 4 * time.Hour
		go func() { p.soaking(); time.Sleep(40 * time.Minute); p.suffer("GET /: 502") }()
		p.ended(p.move(), problem.Guarded, "502")
	})
}

func TestRestoreOpensNodesThatSoakAfterAnInterrupt(t *testing.T) {
	in(t, 2, apps(web(4)), func(p *play) {
		p.soak = 4 * time.Hour
		p.pausedInSoak(time.Minute)
		if lines, err := p.restore(nil); err != nil {
			p.t.Errorf("%v after %v", err, lines)
		}
		p.open()
	})
}

func TestPodThatComesBackInASoakMovesAgain(t *testing.T) {
	t.Parallel()
	in(t, 2, apps(web(4)), func(p *play) {
		p.soak = 20 * time.Minute
		go func() {
			p.soaking()
			time.Sleep(10 * time.Minute)
			p.With(func(h *world.Hand) { h.Uncordon(); h.Scale("web", 9) })
		}()
		p.done(p.move(), "web")
		if p.took < 20*time.Minute {
			p.t.Errorf("over after %s", p.took)
		}
	})
}
