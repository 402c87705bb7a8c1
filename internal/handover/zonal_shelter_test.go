package handover_test

import (
	"testing"
	"time"

	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/problem"
)

// zonal are workloads behind a load balancer with an address in each of three
// zones, with pods enough that each zone gets one.
func zonal() map[string]*world.App {
	return map[string]*world.App{
		"nodes":       {Replicas: 6, Balancer: world.NLB},
		"local":       {Replicas: 6, Balancer: world.NLB, Local: true},
		"pods":        {Replicas: 6, Balancer: world.NLB, ByAddress: true},
		"pods, gated": {Replicas: 6, Balancer: world.NLB, ByAddress: true, Gated: true},
	}
}

// sheltered rolls the workload out between the two parts of a hand-over in three zones.
func (p *play) sheltered() error {
	p.Spread(3)
	p.Room = 4
	time.Sleep(5 * time.Minute)
	p.With((*world.Hand).Forgive)
	if err := p.shelter(p.World, p.World); err != nil {
		p.t.Fatal(err)
	}
	p.rollOut()
	return p.goOn()
}

// A rollout between the two parts of the hand-over ends, and no zone goes empty.
func TestRolloutBehindAZonalLoadBalancerEnds(t *testing.T) {
	for name, app := range zonal() {
		t.Run(name, func(t *testing.T) {
			in(t, 3, apps(placedApp(app), other()), func(p *play) { p.done(p.sheltered(), "web", other().Name) })
		})
	}
}

// Three pods and three zones: if the scheduler puts two into one zone, the last node
// of the zone without is waited for, and the move says so when it gives up, whatever
// becomes of the pod that it gives back.
func TestZoneThatGetsNoNewPodEndsTheMove(t *testing.T) {
	in(t, 3, apps(placedApp(&world.App{Replicas: 3, Balancer: world.NLB, Local: true}), other()), func(p *play) {
		p.ended(p.sheltered(), problem.Parked, "is in it for the sake of pod web-")
		p.With((*world.Hand).Forgive) // given back to a template that wants no pods any more
	})
}

// Load balancers of every kind send through the same nodes, and each lets go.
func TestSeveralLoadBalancersOfANodeAllLetGo(t *testing.T) {
	all := apps(
		&world.App{Name: "classic", Replicas: 3, Surge: 1, Local: true},
		&world.App{Name: "net", Replicas: 3, Surge: 1, Balancer: world.NLB},
		&world.App{Name: "netlocal", Replicas: 3, Surge: 1, Balancer: world.NLB, Local: true},
		&world.App{Name: "netpods", Replicas: 3, Surge: 1, Balancer: world.NLB, ByAddress: true},
		&world.App{Name: "app", Replicas: 3, Surge: 1, Balancer: world.ALB},
		&world.App{Name: "applocal", Replicas: 3, Surge: 1, Balancer: world.ALB, Local: true},
		&world.App{Name: "apppods", Replicas: 3, Surge: 1, Balancer: world.ALB, ByAddress: true, Gated: true},
	)
	in(t, 3, all, func(p *play) {
		time.Sleep(3 * time.Minute)
		p.done(p.move(), "classic", "net", "netlocal", "netpods", "app", "applocal", "apppods")
		p.gone()
	})
}

// A Service has two load balancers: its own, and one that nobody can ask.
func TestTwoLoadBalancersOfOneService(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 3, Surge: 1, Balancer: world.NLB, Host: "elsewhere.example.com"}), func(p *play) {
		time.Sleep(3 * time.Minute)
		p.done(p.move(), "web")
		if p.took < 7*time.Minute {
			t.Errorf("done after %s: the one that cannot be asked is given longer", p.took)
		}
		p.gone()
	})
}

// Somebody changes what a load balancer sends to in the middle of a move: from
// nodes to pods, and the other way round. The move takes it as it is from then on.
func TestTargetTypeChangesInTheMiddle(t *testing.T) {
	for name, first := range map[string]bool{"nodes to pods": false, "pods to nodes": true} {
		for _, after := range []time.Duration{5 * time.Second, 40 * time.Second, 2 * time.Minute} {
			t.Run(name+" "+after.String(), func(t *testing.T) {
				in(t, 2, apps(&world.App{Name: "web", Replicas: 3, Surge: 1, Balancer: world.NLB, ByAddress: first}), func(p *play) {
					time.Sleep(3 * time.Minute)
					time.AfterFunc(after, func() { p.With(func(h *world.Hand) { h.Retarget("web"); h.Forgive() }) })
					p.done(p.move(), "web")
					p.With((*world.Hand).Forgive) // what the change itself cut is not the move's
					p.gone()
				})
			})
		}
	}
}
