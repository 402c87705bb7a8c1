package handover_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/problem"
)

// withDescheduler is in with a descheduler that looks every 20 s: that it never finds a
// pod on a node which a move has closed, the world sees to.
func withDescheduler(t *testing.T, timed bool, scene func(p *play)) {
	in(t, 2, apps(web(4)), func(p *play) {
		p.With(func(*world.Hand) { p.Deschedules, p.Timed = 20*time.Second, timed })
		scene(p)
	})
}

// While nodes are closed no descheduler evicts, whatever runs it; afterwards it is as
// it was.
func TestNoDeschedulerEvictsWhatMoves(t *testing.T) {
	for _, timed := range []bool{false, true} {
		withDescheduler(t, timed, func(p *play) {
			p.soak = time.Minute
			p.done(p.move(), "web")
			p.asItWas()
		})
		withDescheduler(t, timed, func(p *play) {
			time.AfterFunc(20*time.Second, func() { p.suffer("GET /: 502") })
			p.ended(p.move(), problem.Guarded, "502")
			p.asItWas()
		})
	}
}

func (p *play) asItWas() {
	p.t.Helper()
	p.With(func(h *world.Hand) {
		if off := h.Descheduler(); off != "" {
			p.t.Error(off)
		}
	})
}

// Wherever a run dies, a restoration gives the descheduler back.
func TestDeschedulersAreGivenBackAfterDeathAnywhere(t *testing.T) {
	for n := 1; n < 12; n++ {
		withDescheduler(t, n%2 == 0, func(p *play) {
			p.die(n)
			time.Sleep(time.Minute)
			if lines, err := p.restore(nil); err != nil {
				t.Errorf("killed at the %d. record: %v: %v", n, err, lines)
			}
			p.asItWas()
		})
	}
}

// Who dies before anything is told of what it turned off: the mark is enough, and so
// is the record.
func TestDeschedulersAreGivenBackByMarkOrRecord(t *testing.T) {
	for name, lose := range map[string]func(*world.Hand){"the record is lost": (*world.Hand).Forget, "the mark is lost": (*world.Hand).Unmark} {
		withDescheduler(t, false, func(p *play) {
			p.die(6)
			p.With(func(h *world.Hand) {
				if h.Replicas() != 0 {
					t.Error("it was not turned off")
				}
				lose(h)
			})
			time.Sleep(time.Minute)
			if lines, err := p.restore(nil); err != nil || !strings.Contains(fmt.Sprint(lines), "let evict again deployment/kube-system/descheduler") {
				t.Errorf("%s: %v: %v", name, err, lines)
			}
			p.asItWas()
		})
	}
}

// Who turns a descheduler off once a move is through is not contradicted by its way
// back.
func TestDeschedulerThatIsTurnedOffLaterStaysOff(t *testing.T) {
	withDescheduler(t, false, func(p *play) {
		p.done(p.move(), "web")
		p.With(func(h *world.Hand) { h.TurnOn(0) })
		if lines, err := p.restore(func(r *handover.Rescue) { r.Kept = true }); err != nil {
			t.Errorf("%v: %v", err, lines)
		}
		p.With(func(h *world.Hand) {
			if h.Replicas() != 0 {
				t.Error("it was turned on")
			}
		})
	})
}

// Where it may not be turned off, the move goes on as it would without.
func TestDeschedulerThatMayNotBeTurnedOffHoldsNothingUp(t *testing.T) {
	in(t, 2, apps(web(4)), func(p *play) {
		p.With(func(*world.Hand) { p.Deschedules, p.Closed = 1000*time.Hour, []string{"evictor"} })
		p.done(p.move(), "web")
		p.asItWas()
	})
}

// What somebody turns on again in the middle of a move stays on, as he wants it.
func TestDeschedulerThatIsTurnedOnAgainIsNotContradicted(t *testing.T) {
	in(t, 2, apps(web(4)), func(p *play) {
		p.With(func(*world.Hand) { p.Deschedules = 1000 * time.Hour })
		time.AfterFunc(30*time.Second, func() {
			p.With(func(h *world.Hand) {
				if h.Replicas() != 0 {
					t.Error("it was not turned off")
				}
				h.TurnOn(3)
			})
		})
		p.done(p.move(), "web")
		p.With(func(h *world.Hand) {
			if h.Replicas() != 3 {
				t.Errorf("it wants %d pods, and somebody said 3", h.Replicas())
			}
		})
	})
}
