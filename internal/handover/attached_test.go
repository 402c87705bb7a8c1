package handover_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/problem"
)

// behind is web behind a load balancer that the Auto Scaling groups register their
// instances with themselves, and that ends those which it does not know.
func behind(kind string, local bool) *world.App {
	return &world.App{Name: "web", Replicas: 3, Surge: 1, Balancer: kind, Local: local, Attached: true}
}

// attached plays a scene with every sort of such a load balancer.
func attached(t *testing.T, scene func(p *play, all []*world.App)) {
	t.Parallel()
	for _, kind := range []string{world.NLB, world.ALB} {
		for _, local := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s local %t", kind, local), func(t *testing.T) {
				all := apps(behind(kind, local))
				in(t, 2, all, func(p *play) {
					time.Sleep(3 * time.Minute)
					scene(p, all)
				})
			})
		}
	}
}

func TestNodesLeaveWhatTheirGroupRegisteredThemWith(t *testing.T) {
	attached(t, func(p *play, _ []*world.App) {
		p.done(p.move(), "web")
		p.gone()
	})
}

// Registering a node again needs AWS; opening it does not, and does not wait for it.
func TestNodesAreOpenedBeforeTheyCanBeRegisteredAgain(t *testing.T) {
	in(t, 2, apps(behind(world.NLB, false)), func(p *play) {
		time.Sleep(3 * time.Minute)
		go func() {
			for !p.excluded() {
				time.Sleep(time.Second)
			}
			time.Sleep(10 * time.Second)
			p.sufferWithoutAWS()
		}()
		p.ended(p.move(), problem.Guarded, "502")
	})
}

// Nothing leaves the old nodes before the new ones are healthy there.
func TestTargetsOfAGroupThatIsAttachedLateAreWaitedFor(t *testing.T) {
	in(t, 2, apps(behind(world.NLB, false)), func(p *play) {
		p.With(func(h *world.Hand) { h.Attach(world.New, "web", false) })
		time.Sleep(5 * time.Minute)
		p.With(func(h *world.Hand) { h.Attach(world.New, "web", true) })
		p.done(p.move(), "web")
		p.gone()
	})
}

// Whoever attaches groups in the middle of a move has their nodes registered there at
// once, those that were excluded too: they leave as the others do, once new ones are
// healthy. Attached to the old group alone, they are kept.
func TestGroupsAreAttachedInTheMiddle(t *testing.T) {
	for name, both := range map[string]bool{"both": true, "the old one alone": false} {
		t.Run(name, func(t *testing.T) {
			in(t, 2, apps(behind(world.NLB, false)), func(p *play) {
				attach := func(is, both bool) {
					p.With(func(h *world.Hand) {
						h.Attach(world.Old, "web", is)
						h.Attach(world.New, "web", is && both)
					})
				}
				attach(false, false)
				time.Sleep(30 * time.Second)
				go func() {
					for !p.excluded() {
						time.Sleep(time.Second)
					}
					attach(true, both)
				}()
				err := p.move()
				if both {
					p.done(err, "web")
					p.gone()
					return
				}
				p.ended(err, problem.Parked, "no node outside")
			})
		})
	}
}

// excluded: some node is out of load balancers by its label.
func (p *play) excluded() (some bool) {
	p.With(func(h *world.Hand) {
		some = slices.ContainsFunc(h.Left(), func(line string) bool { return strings.Contains(line, "is excluded") })
	})
	return some
}

func TestLoadBalancerOfTheOldGroupAloneIsRefused(t *testing.T) {
	in(t, 2, apps(behind(world.ALB, false)), func(p *play) {
		p.With(func(h *world.Hand) { h.Attach(world.New, "web", false) })
		time.Sleep(3 * time.Minute)
		p.ended(p.move(), problem.Refused, "web-2f9a6d1", "attach-traffic-sources", "arn:web")
	})
}

// Whenever traffic suffers, the nodes are registered again, before their group may
// judge them by that.
func TestNodesAreRegisteredAgainWhereAMoveStops(t *testing.T) {
	for phase, after := range map[event.Phase]time.Duration{event.PhaseShift: 25 * time.Second, event.PhaseSoak: 0} {
		t.Run(string(phase), func(t *testing.T) {
			attached(t, func(p *play, all []*world.App) {
				y := p.breachedIn(phase, after)
				p.open()
				y.asBefore(y.walk(), all...)
			})
		})
	}
}

// A group that judges by its load balancers is held still until its nodes are in them
// again, however long that takes.
func TestGroupIsHeldUntilItsNodesAreRegisteredAgain(t *testing.T) {
	in(t, 2, apps(behind(world.ALB, false)), func(p *play) {
		time.Sleep(time.Minute)
		p.With(func(*world.Hand) { p.Closed = []string{"register"} })
		go func() {
			for len(p.deregistered()) == 0 {
				time.Sleep(time.Second)
			}
			p.suffer("GET /: 502")
			time.Sleep(2 * time.Minute)
			p.With(func(*world.Hand) { p.Closed = nil })
		}()
		p.ended(p.move(), problem.Guarded, "502")
	})
}

// deregistered are the instances that are out of what registered them.
func (p *play) deregistered() (out []string) {
	p.With(func(h *world.Hand) {
		out = slices.DeleteFunc(h.Left(), func(line string) bool { return !strings.Contains(line, "out of load balancer") })
	})
	return out
}

// Killed at any call, a move goes on, and a restoration leaves nothing deregistered.
func TestNodesAreRegisteredAgainAfterDeathAnywhere(t *testing.T) {
	t.Parallel()
	for _, local := range []bool{false, true} {
		for calls := 3; calls < 45; calls += 2 {
			t.Run(fmt.Sprintf("local %t, %d calls", local, calls), func(t *testing.T) {
				in(t, 2, apps(behind(world.ALB, local)), func(p *play) {
					time.Sleep(time.Minute)
					p.With((*world.Hand).Forgive)
					if _, through := p.killedAfter(calls); through {
						return
					}
					time.Sleep(10 * time.Minute)
					if calls%4 == 1 {
						p.done(p.move(), "web")
						p.gone()
						return
					}
					if lines, err := p.restore(nil); err != nil {
						t.Errorf("%v\n%s", err, strings.Join(lines, "\n"))
					}
					p.open()
				})
			})
		}
	}
}

// The mark on the node alone tells what it was registered with: its record is lost,
// and so is the move's.
func TestNodesAreRegisteredAgainByTheirMarksAlone(t *testing.T) {
	in(t, 2, apps(behind(world.ALB, false)), func(p *play) {
		time.Sleep(time.Minute)
		p.With((*world.Hand).Forgive)
		if _, through := p.killedIn(40 * time.Second); through {
			t.Fatal("it is through")
		}
		p.With((*world.Hand).Forget)
		if len(p.deregistered()) == 0 {
			t.Fatal("nothing was deregistered yet")
		}
		noAWS := func(r *handover.Rescue) {
			r.AWS = func(context.Context) (handover.Scaling, handover.Balancers, error) {
				return nil, nil, fmt.Errorf("no credentials")
			}
		}
		if _, err := p.restore(noAWS); err == nil || len(p.deregistered()) == 0 {
			t.Errorf("without AWS: %v", err)
		}
		if lines, err := p.restore(nil); err != nil {
			t.Errorf("%v\n%s", err, strings.Join(lines, "\n"))
		}
		p.open()
	})
}

// A run that goes on after a kill, and to which AWS does not answer yet, does not know
// through which nodes requests come: nothing more leaves its Services.
func TestLocalTrafficWaitsForAWSAfterAKill(t *testing.T) {
	t.Parallel()
	for calls := 12; calls < 30; calls += 3 {
		in(t, 1, apps(&world.App{Name: "web", Replicas: 4, Surge: 3, Balancer: world.ALB, Local: true, Attached: true, Ready: 500 * time.Millisecond}), func(p *play) {
			time.Sleep(3 * time.Minute)
			if _, through := p.killedAfter(calls); through {
				p.t.Fatalf("it is through after %d calls", calls)
			}
			p.With(func(h *world.Hand) { h.Down(true, false) })
			go func() {
				time.Sleep(time.Minute)
				p.With(func(h *world.Hand) { h.Down(false, false) })
			}()
			p.done(p.move(), "web")
		})
	}
}
