package handover_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/problem"
)

// placed are workloads that name their group, each behind another kind of sender.
func placed() map[string]*world.App {
	return map[string]*world.App{
		"proxies":          {Replicas: 3},
		"one replica":      {Replicas: 1, Budget: 1},
		"ingress":          {Replicas: 3, Ingress: 3 * time.Second},
		"local":            {Replicas: 3, Local: true},
		"nlb, local":       {Replicas: 3, Local: true, Balancer: world.NLB},
		"nlb, pods":        {Replicas: 3, Balancer: world.NLB, ByAddress: true, Gated: true},
		"nlb, pods, plain": {Replicas: 3, Balancer: world.NLB, ByAddress: true},
		"alb, pods":        {Replicas: 3, Balancer: world.ALB, ByAddress: true, Gated: true},
		"alb, pods, plain": {Replicas: 3, Balancer: world.ALB, ByAddress: true},
		"tolerates all":    {Replicas: 3, Tolerates: true},
	}
}

func placedApp(a *world.App) *world.App {
	a.Name, a.Surge, a.Placed = "web", 1, true
	return a
}

var rollsOut = engine.Sheltering{
	Rollouts: []graph.Key{{Type: "apps/v1/Deployment", Name: "apps/web"}},
	Replaced: []graph.Key{{Type: "apps/v1/Deployment", Name: "apps/web"}},
}

// shelter is what the engine asks for before it changes the template.
func (p *play) shelter(cluster handover.Cluster, scaling handover.Scaling) error {
	return p.by(cluster, scaling).Shelter(context.Background(), p.step(func(memo json.RawMessage) error { p.memo = memo; return nil }), rollsOut)
}

// rollOut changes the template, and waits until that is through.
func (p *play) rollOut() {
	p.t.Helper()
	p.With(func(h *world.Hand) { h.RollOut("web") })
	p.rolledOut()
}

// rolledOut waits for the end of a rollout that has begun.
func (p *play) rolledOut() {
	p.t.Helper()
	for range 2 * 60 * 60 {
		time.Sleep(500 * time.Millisecond)
		through := false
		p.With(func(h *world.Hand) { through = h.RolledOut("web") })
		if through {
			return
		}
	}
	p.t.Fatalf("the rollout does not end\n%s", p.tail())
}

// goOn is the hand-over after the rollout.
func (p *play) goOn() error {
	endless := time.AfterFunc(2*time.Hour, func() {
		p.t.Errorf("it does not end\n%s", p.tail())
		p.With((*world.Hand).Blind)
	})
	defer endless.Stop()
	return p.by(p.World, p.World).HandOver(context.Background(), p.step(func(memo json.RawMessage) error { p.memo = memo; return nil }))
}

// A rollout between the two parts of a hand-over loses nothing, whoever sends.
func TestRolloutAsksWhoSends(t *testing.T) {
	for name, app := range placed() {
		t.Run(name, func(t *testing.T) {
			in(t, 3, apps(placedApp(app), other()), func(p *play) {
				time.Sleep(5 * time.Minute) // so that load balancers have begun
				p.With((*world.Hand).Forgive)
				if err := p.shelter(p.World, p.World); err != nil {
					t.Fatal(err)
				}
				p.rollOut()
				p.done(p.goOn(), "web", other().Name)
			})
		})
	}
}

// Without that the model shows what a rollout alone does: it ends pods that are sent to.
func TestRolloutAloneAsksNobody(t *testing.T) {
	for name, app := range placed() {
		if app.Replicas == 1 && !app.Local && app.Balancer == "" && app.Ingress == 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			in(t, 3, apps(placedApp(app)), func(p *play) {
				time.Sleep(5 * time.Minute)
				p.With((*world.Hand).Forgive)
				p.rollOut()
				time.Sleep(5 * time.Minute)
				if len(p.Broken()) == 0 {
					t.Error("nothing was lost: the model is too kind")
				}
				p.With((*world.Hand).Forgive)
			})
		})
	}
}

// The phases of a move are told when it goes on, and not twice; all else at once.
func TestShelterTellsNoPhases(t *testing.T) {
	in(t, 2, apps(placedApp(&world.App{Replicas: 2})), func(p *play) {
		if err := p.shelter(p.World, p.World); err != nil {
			t.Fatal(err)
		}
		for _, f := range p.facts {
			if c, is := f.(event.PhaseChanged); is {
				t.Errorf("told: %+v", c)
			}
		}
		if p.changes(event.PodReleased) == 0 {
			t.Error("not told which pods were let go")
		}
		p.rollOut()
		p.done(p.goOn(), "web")
	})
}

// A rollout that takes longer than the deadline of the workload parks nothing, and
// nobody gives its pods back meanwhile.
func TestRolloutMayTakeLong(t *testing.T) {
	in(t, 3, apps(placedApp(&world.App{Replicas: 3, Ready: 10 * time.Minute, Balancer: world.NLB, ByAddress: true})), func(p *play) {
		time.Sleep(15 * time.Minute)
		p.With((*world.Hand).Forgive)
		if err := p.shelter(p.World, p.World); err != nil {
			t.Fatal(err)
		}
		p.rollOut()
		p.done(p.goOn(), "web")
	})
}

// What was let go for a rollout that is not followed by the hand-over is given
// back: before it, in the middle of it, and after it.
func TestShelterIsTakenBack(t *testing.T) {
	for name, meanwhile := range map[string]func(*play){
		"before": func(*play) {},
		"middle": func(p *play) {
			p.With(func(h *world.Hand) { h.RollOut("web") })
			time.Sleep(5 * time.Second)
		},
		"after": (*play).rollOut,
	} {
		t.Run(name, func(t *testing.T) {
			in(t, 3, apps(placedApp(&world.App{Replicas: 3, Balancer: world.ALB, ByAddress: true})), func(p *play) {
				p.With((*world.Hand).Forgive)
				if err := p.shelter(p.World, p.World); err != nil {
					t.Fatal(err)
				}
				meanwhile(p)
				err := p.by(p.World, p.World).Reopen(context.Background(), engine.Move{From: engine.Host{Name: world.Old}, Memo: p.memo,
					Save: func(memo json.RawMessage) error { p.memo = memo; return nil }, Events: p})
				if err != nil {
					t.Fatal(err)
				}
				p.open()
				if name == "middle" {
					p.With((*world.Hand).Forgive) // the rollout goes on by itself, as the Deployment's strategy says
				}
			})
		})
	}
}

// A breach before the rollout stops, and puts back what was closed.
func TestBreachBeforeTheRollout(t *testing.T) {
	in(t, 2, apps(placedApp(&world.App{Replicas: 2})), func(p *play) {
		p.With((*world.Hand).Forgive)
		p.suffer("2 failed requests")
		p.ended(p.shelter(p.World, p.World), problem.Guarded, "2 failed requests")
	})
}

// Killed after any call before the rollout, after any call of the hand-over that
// follows, or in the rollout itself, the next run goes on.
func TestShelterIsKilled(t *testing.T) {
	for calls := range 12 {
		in(t, 3, apps(placedApp(&world.App{Replicas: 3, Local: true})), func(p *play) {
			p.With((*world.Hand).Forgive)
			m := &mortal{World: p.World}
			m.left.Store(int64(calls))
			_ = p.by(m, m).Shelter(context.Background(), p.step(func(memo json.RawMessage) error {
				if m.dead() {
					return errKilled
				}
				p.memo = memo
				return nil
			}), rollsOut)
			time.Sleep(time.Minute)
			if err := p.shelter(p.World, p.World); err != nil {
				t.Fatalf("killed after %d calls: %v", calls, err)
			}
			p.With(func(h *world.Hand) { h.RollOut("web") })
			time.Sleep(time.Duration(calls) * time.Second)
			if err := p.shelter(p.World, p.World); err != nil { // killed in the rollout: the step is repeated
				t.Fatal(err)
			}
			p.rolledOut()
			if _, ended := p.killedAfter(calls); !ended {
				time.Sleep(time.Minute)
			}
			p.done(p.goOn(), "web")
		})
	}
}

// A workload of which the old template's pods may run elsewhere, or cannot move
// surge-first, is left to its rollout.
func TestShelterLeavesOthersToTheirRollout(t *testing.T) {
	for name, app := range map[string]*world.App{
		"not of the group": {Name: "web", Replicas: 2, Surge: 1},
		"no surge":         placedApp(&world.App{Replicas: 2}),
		"refused":          placedApp(&world.App{Replicas: 2, Denies: []string{"owner"}}),
	} {
		if name == "no surge" {
			app.Surge = 0
		}
		t.Run(name, func(t *testing.T) {
			in(t, 2, apps(app), func(p *play) {
				if err := p.shelter(p.World, p.World); err != nil {
					t.Fatal(err)
				}
				if n := p.changes(event.PodReleased); n > 0 {
					t.Errorf("%d pods were let go", n)
				}
			})
		})
	}
}
