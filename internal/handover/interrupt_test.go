package handover_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/problem"
)

// Interrupted while a replacement that cannot start is waited for: its pod goes
// back, also one that no Service sends to, and the command ends.
func TestInterruptWhileAReplacementCannotStart(t *testing.T) {
	for _, noService := range []bool{true, false} {
		in(t, 2, apps(&world.App{Name: "gone", Replicas: 1, Surge: 1, NewNeverReady: true, NoService: noService}, web(2)), func(p *play) {
			ctx, cancel := context.WithCancel(context.Background())
			go func() { time.Sleep(3 * time.Minute); cancel() }()
			if err := p.moveIn(ctx); !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v", err)
			}
			if p.took > 5*time.Minute {
				t.Errorf("it ended after %s", p.took)
			}
			p.open()
		})
	}
}

// A move that was killed, and is interrupted before it has looked whether it can go
// on: what it had closed and held by then is put back.
func TestInterruptBeforeAKilledMoveGoesOn(t *testing.T) {
	for calls := range 12 {
		in(t, 2, apps(web(2)), func(p *play) {
			if _, through := p.killedAfter(calls); through {
				t.Fatal("it was not killed")
			}
			p.With(func(h *world.Hand) { h.Down(true, false) })
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(20*time.Second, cancel)
			time.AfterFunc(40*time.Second, func() { p.With(func(h *world.Hand) { h.Down(false, false) }) })
			if err := p.moveIn(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("killed after %d calls: got %v", calls, err)
			}
			p.open()
		})
	}
}

// The same if by now it meets what it refuses.
func TestRefusalOfAKilledMoveThatWasToGoOn(t *testing.T) {
	for calls := range 8 {
		for again := range 30 { // killed while it puts back as well, it says the same
			alone := &world.App{Name: "alone", Kind: "Pod", Replicas: 1, Expendable: true, NoService: true}
			in(t, 2, apps(alone), func(p *play) {
				if _, through := p.killedAfter(calls); through {
					t.Fatal("it was not killed")
				}
				p.With(func(h *world.Hand) { h.Cherish("alone") })
				time.Sleep(time.Minute) // until it is seen
				if _, through := p.killedAfter(again); !through {
					p.ended(p.move(), problem.Refused, "nothing controls it")
				}
			})
		}
	}
}

// An inspection tells whether a killed move has left its nodes closed, once nobody
// holds its lock any more; one that stopped has opened them.
func TestInspectionKnowsWhatAKilledMoveClosed(t *testing.T) {
	for _, killed := range []bool{true, false} {
		in(t, 2, apps(web(2)), func(p *play) {
			if killed {
				_, _ = p.killedAfter(12)
			} else {
				ctx, cancel := context.WithCancel(context.Background())
				time.AfterFunc(20*time.Second, cancel)
				_ = p.moveIn(ctx)
			}
			time.Sleep(time.Minute)
			seen, err := p.by(p.World, p.World).Inspect(context.Background(), engine.Host{Name: world.Old}, 0, nil)
			if err != nil || seen.Closed != killed {
				t.Errorf("killed %t: closed %t, %v", killed, seen.Closed, err)
			}
		})
	}
}
