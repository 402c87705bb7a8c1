package handover_test

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/problem"
)

// everyBalancer is an app behind each kind of load balancer, with nodes and with pods
// as targets, and with nodes that serve through pods of their own only.
func everyBalancer() map[string]world.App {
	all := map[string]world.App{}
	for _, kind := range world.BalancerKinds {
		name := cmp.Or(kind.Name, "classic")
		all[name+" instance cluster"] = world.App{Balancer: kind.Name}
		all[name+" instance local"] = world.App{Balancer: kind.Name, Local: true}
		if kind.Pods {
			all[name+" ip"] = world.App{Balancer: kind.Name, ByAddress: true}
			all[name+" ip, gated"] = world.App{Balancer: kind.Name, ByAddress: true, Gated: true}
		}
		if kind.Pods && kind.Hosted {
			all[name+" ip, by its host"] = world.App{Balancer: kind.Name, ByAddress: true, Unbound: true}
		}
	}
	return all
}

// Whoever sends, the world says who was sent to an end.
func TestEveryKindOfLoadBalancerLetsGoBeforeAnythingEnds(t *testing.T) {
	t.Parallel()
	for name, app := range everyBalancer() {
		t.Run(name, func(t *testing.T) {
			app.Name, app.Replicas, app.Surge = "web", 3, 1
			in(t, 2, apps(&app), func(p *play) {
				time.Sleep(3 * time.Minute) // an NLB takes its time to begin
				p.done(p.move(), "web")
				if lag := world.KindOfBalancer(app.Balancer).Lag; p.took < lag {
					p.t.Errorf("done after %s: it may send on for %s", p.took, lag)
				}
				p.gone()
			})
		})
	}
}

// A pod that ends says goodbye to the connections that clients keep. They come
// back at once: not through a node that leaves, where the load balancer would cut
// them a minute later.
func TestLoadBalancersLetGoOfNodesBeforePodsSayGoodbye(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 4, Surge: 1, Balancer: world.NLB}), func(p *play) {
		time.Sleep(3 * time.Minute)
		p.With(func(h *world.Hand) { h.Exclude(h.Nodes(world.New)[0], true) })
		time.Sleep(5 * time.Minute)
		p.With(func(h *world.Hand) { h.Exclude(h.Nodes(world.New)[0], false) }) // in service after its first health checks
		p.done(p.move(), "web")
		draining := slices.IndexFunc(p.facts, func(f event.Fact) bool {
			c, is := f.(event.TargetChanged)
			return is && c.State == event.TargetDraining
		})
		evicted := slices.IndexFunc(p.facts, func(f event.Fact) bool {
			c, is := f.(event.PodMoved)
			return is && c.Change == event.PodEvicted
		})
		if draining < 0 || evicted < draining {
			t.Errorf("the first target drains at %d, the first pod is evicted at %d", draining, evicted)
		}
	})
}

// What clients keep through a node is cut when the load balancer has drained it, or
// when its instance ends, and the pod behind it knows nothing of that. So no pod
// sends its clients away while any node that leaves, of whatever wave, takes new
// connections: some load balancers do when they have long let go of it.
func TestNobodyIsSentAwayToNodesThatLeave(t *testing.T) {
	for _, app := range []world.App{
		{Surge: 2, Balancer: world.NLB}, {Surge: 2, Balancer: world.ALB},
		{Kind: "StatefulSet", Balancer: world.NLB}, {Kind: "StatefulSet", Balancer: world.ALB},
	} {
		kind := app.Balancer
		app.Name, app.Replicas = "shop", 6
		all := apps(&app)
		if kind == world.NLB { // a node that serves through its own pods alone leaves after all others
			all = append(all, &world.App{Name: "edge", Replicas: 3, Surge: 1, Local: true})
		}
		in(t, 3, all, func(p *play) {
			p.Draining = 5 * time.Minute
			time.Sleep(3 * time.Minute)
			p.done(p.move(), "shop")
			out, first := map[string]time.Time{}, time.Time{} // since when targets drain; when the first pod is told to end
			for i, f := range p.facts {
				switch c := f.(type) {
				case event.TargetChanged:
					if c.State == event.TargetDraining && strings.Contains(c.Balancer, "shop") {
						out[c.Instance] = p.at[i]
					}
				case event.PodMoved:
					if c.Change == event.PodEvicted && strings.HasPrefix(c.Pod, "shop") && first.IsZero() {
						first = p.at[i]
					}
				}
			}
			if len(out) != 3 {
				t.Errorf("%q: %d of 3 nodes were let go of", kind, len(out))
			}
			for target, since := range out {
				if after := first.Sub(since); after < world.KindOfBalancer(kind).Sends {
					t.Errorf("%q: a pod is told to end %s after %s was let go of", kind, after, target)
				}
			}
		})
	}
}

// A node that serves through a pod of its own leaves with its wave if that pod gets no
// replacement before: the move of the first node does not wait for it.
func TestNobodyWaitsForNodesThatLeaveAfterTheFirst(t *testing.T) {
	edge := &world.App{Name: "edge", Replicas: 3, Surge: 1, Local: true}
	in(t, 3, apps(edge, &world.App{Name: "shop", Replicas: 6, Surge: 2, Balancer: world.NLB}), func(p *play) {
		time.Sleep(3 * time.Minute)
		if p.done(p.move(), "edge", "shop"); p.took > 9*time.Minute {
			t.Errorf("done after %s", p.took)
		}
	})
}

// Where pods with local traffic take their time one by one, on nodes of several waves,
// none takes the room that another one waits for; and nobody is given up because
// those nodes leave load balancers for longer than he has patience.
func TestSlowLocalTrafficParksNobody(t *testing.T) {
	edge := &world.App{Name: "edge", Replicas: 12, Surge: 1, Local: true, Ready: 40 * time.Second}
	in(t, 12, apps(edge, &world.App{Name: "shop", Replicas: 12, Surge: 1, Balancer: world.NLB}), func(p *play) {
		time.Sleep(3 * time.Minute)
		p.done(p.move(), "edge", "shop")
	})
}

// Pods that end before their successors start move behind local traffic as well: one
// after the other, while other nodes are in service, or with the gap that was accepted.
func TestPodsInOrderMoveBehindLocalTraffic(t *testing.T) {
	for _, kind := range []string{"", world.ALB, world.NLB} {
		for name, app := range map[string]*world.App{
			"six":           {Name: "db", Kind: "StatefulSet", Replicas: 6, PreStop: 5 * time.Second, Local: true, Balancer: kind},
			"one":           {Name: "db", Kind: "StatefulSet", Replicas: 1, PreStop: 5 * time.Second, Local: true, Balancer: kind, AcceptGap: true},
			"an operator's": {Name: "db", Kind: "Cluster", Replicas: 3, PreStop: 10 * time.Second, Local: true, Balancer: kind, Budget: 2},
			"without surge": {Name: "db", Replicas: 3, PreStop: 10 * time.Second, Local: true, Balancer: kind},
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				in(t, 6, apps(app, web(6)), func(p *play) {
					time.Sleep(3 * time.Minute)
					p.done(p.move(), "db", "web")
				})
			})
		}
	}
}

// A load balancer whose new targets never come does not hold pods for ever, nor each of
// them anew.
func TestPodsDoNotWaitForLoadBalancersForEver(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 10, Surge: 1, Balancer: world.NLB}), func(p *play) {
		time.Sleep(3 * time.Minute)
		p.With(func(h *world.Hand) { h.Exclude(h.Nodes(world.New)[0], true); h.Exclude(h.Nodes(world.New)[1], true) })
		_ = p.move()
		if evicted := p.changes(event.PodEvicted); evicted != 10 || p.took > 30*time.Minute {
			t.Errorf("after %s %d of 10 pods were evicted", p.took, evicted)
		}
		p.With((*world.Hand).Forgive)
	})
}

// With internalTrafficPolicy Local pods reach those of their own node alone: what
// serves there leaves the node after all that it may serve.
func TestNodeLocalServersLeaveAfterTheirClients(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "cache", Replicas: 3, Surge: 3, NodeLocal: true}, web(12)), func(p *play) {
		cached := map[string]int{} // pods of the cache by node
		p.With(func(h *world.Hand) {
			for _, node := range h.Nodes(world.Old) {
				cached[node] = h.PodsOn("cache", node)
			}
		})
		p.done(p.move(), "cache", "web")
		gone := map[string]bool{} // nodes that the cache has left
		for _, f := range p.facts {
			c, is := f.(event.PodMoved)
			switch {
			case !is || c.Change != event.PodEvicted:
			case strings.HasPrefix(c.Pod, "cache"):
				cached[c.Node]--
				gone[c.Node] = cached[c.Node] == 0
			case gone[c.Node]:
				t.Errorf("pod %s left node %s after the cache", c.Pod, c.Node)
			}
		}
		if len(gone) == 0 {
			t.Error("the cache did not move")
		}
	})
}

// A load balancer whose Service has nothing to send to, because somebody made it
// select others or scaled its pods away, has no node in service: that keeps
// neither a move waiting nor its way back.
func TestLoadBalancerWithNothingToSendToKeepsNobodyWaiting(t *testing.T) {
	for _, kind := range []string{world.ALB, world.NLB} {
		all := apps(&world.App{Name: "idle", Replicas: 2, Surge: 1, Balancer: kind}, web(4))
		in(t, 2, all, func(p *play) {
			p.With(func(h *world.Hand) { h.Deselect("idle") })
			time.Sleep(30 * time.Second)
			began := time.Now()
			y := p.breachedIn(event.PhaseSoak, 0)
			y.asBefore(y.walk(), all...)
			if took := time.Since(began); took > 8*time.Minute {
				p.t.Errorf("%s: there and back took %s", kind, took)
			}
		})
	}
}

// An NLB drops the address of a zone without targets from its DNS name, and
// clients keep it: new nodes in every zone first.
func TestNoZoneOfANetworkLoadBalancerGoesEmpty(t *testing.T) {
	for _, local := range []bool{false, true} {
		in(t, 2, apps(&world.App{Name: "web", Replicas: 4, Surge: 1, Balancer: world.NLB, Local: local}), func(p *play) {
			p.Spread(2)
			p.Room = 3
			time.Sleep(3 * time.Minute)
			p.done(p.move(), "web")
			p.gone()
		})
	}
}

// A new node that somebody keeps out of load balancers leaves its zone to the old one.
func TestZoneWaitsForItsNewNode(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 4, Surge: 1, Balancer: world.NLB}), func(p *play) {
		p.Spread(2)
		var late string
		p.With(func(h *world.Hand) { late = h.Nodes(world.New)[1]; h.Exclude(late, true) })
		time.Sleep(5 * time.Minute)
		time.AfterFunc(5*time.Minute, func() { p.With(func(h *world.Hand) { h.Exclude(late, false) }) })
		p.done(p.move(), "web")
		p.gone()
	})
}

func TestZoneWithoutNewNodesIsRefused(t *testing.T) {
	in(t, 3, apps(&world.App{Name: "web", Replicas: 3, Surge: 1, Balancer: world.NLB}), func(p *play) {
		p.Spread(3)
		p.With(func(h *world.Hand) { h.Shift(world.New, "us-west-2c", "us-west-2b") })
		time.Sleep(3 * time.Minute)
		p.ended(p.move(), problem.Refused, "no node stays in zone us-west-2c", "cross-zone")
	})
}

// Killed in the middle of a long wait, the next run remembers since when a load
// balancer has let go, though it lists the node no more.
func TestLagOfALoadBalancerOutlivesACrash(t *testing.T) {
	in(t, 1, apps(&world.App{Name: "web", Replicas: 2, Surge: 1, Balancer: world.NLB}), func(p *play) {
		time.Sleep(3 * time.Minute)
		if err, ended := p.killedIn(90 * time.Second); ended {
			p.t.Fatalf("it ended before it was killed: %v", err)
		}
		p.done(p.move(), "web")
		p.gone()
	})
}

// The way back begins anew by what the first move recorded, which knows nothing of
// the pods that the way back has under way: whenever it is killed, no pod ends
// while its target group may send to it.
func TestTargetGroupsOfPodsOutliveAKillOnTheWayBack(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{world.NLB, world.ALB} {
		for after := 30 * time.Second; after < 5*time.Minute; after += 40 * time.Second {
			t.Run(kind+" "+after.String(), func(t *testing.T) {
				all := apps(&world.App{Name: "web", Replicas: 2, Surge: 1, Balancer: kind, ByAddress: true})
				in(t, 2, all, func(p *play) {
					time.Sleep(3 * time.Minute)
					y := p.breachedIn(event.PhaseSoak, 0)
					y.killedIn(after)
					y.asBefore(y.walk(), all...)
				})
			})
		}
	}
}

// A workload of which nothing was on the old nodes is not in the first move's
// record. What it was owed when its pod was released is owed all the same.
func TestPodThatIsTakenOverKeepsItsPromise(t *testing.T) {
	for after := 20 * time.Second; after < 80*time.Second; after += 10 * time.Second {
		t.Run(after.String(), func(t *testing.T) {
			all := apps(web(2), &world.App{Name: "slow", Replicas: 2, Surge: 1, Ready: 25 * time.Second})
			in(t, 2, all, func(p *play) {
				y := p.breachedIn(event.PhaseSoak, 0)
				p.forgets("deployment/apps/slow")
				y.killedIn(after)
				y.asBefore(y.walk(), all...)
			})
		})
	}
}

// forgets takes a workload out of the move's record.
func (p *play) forgets(workload string) {
	rec, err := handover.ReadRecord(p.memo)
	if err != nil {
		p.t.Fatal(err)
	}
	delete(rec.Workloads, workload)
	if p.memo, err = json.Marshal(rec); err != nil {
		p.t.Fatal(err)
	}
}

func TestALoadBalancerThatDoesNotAnswerIsWaitedFor(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 3, Surge: 1, Balancer: world.NLB, ByAddress: true}), func(p *play) {
		time.Sleep(3 * time.Minute)
		go func() {
			time.Sleep(20 * time.Second)
			p.With(func(h *world.Hand) { h.Down(true, false) })
			time.Sleep(3 * time.Minute)
			p.With(func(h *world.Hand) { h.Down(false, false) })
		}()
		p.done(p.move(), "web")
		p.gone()
	})
}

// A move behind target groups of pods is interrupted, and AWS is away: nobody
// knows whether a new pod is sent to, so none is ended to make room for an old
// one that is given back.
func TestInterruptWhileAWSIsAwayEndsNoPodThatIsSentTo(t *testing.T) {
	in(t, 1, apps(&world.App{Name: "web", Replicas: 5, Surge: 3, Balancer: world.ALB, ByAddress: true}), func(p *play) {
		time.Sleep(time.Minute)
		ctx, interrupt := context.WithCancel(context.Background())
		go func() {
			time.Sleep(1400 * time.Millisecond)
			p.With(func(h *world.Hand) { h.Down(true, false) })
			time.Sleep(200 * time.Millisecond)
			interrupt()
			time.Sleep(3 * time.Minute)
			p.With(func(h *world.Hand) { h.Down(false, false) })
		}()
		if err := p.moveIn(ctx); err == nil {
			t.Error("it was interrupted, and says that it is done")
		}
		time.Sleep(30 * time.Second)
		p.open()
	})
}
