package handover_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/problem"
)

// gone wants the old nodes to be taken away, and nobody to have noticed.
func (p *play) gone() {
	p.t.Helper()
	if err := p.retire(); err != nil {
		p.t.Fatalf("retire: %v\n%s", err, p.tail())
	}
	p.With(func(h *world.Hand) {
		if left := h.Nodes(world.Old); len(left) != p.keep {
			p.t.Errorf("left: %v", left)
		}
	})
}

func TestDaemonSetBehindAServiceIsTakenOutBeforeItsNodesEnd(t *testing.T) {
	edge := func() *world.App { return &world.App{Name: "edge", Kind: "DaemonSet"} }
	in(t, 2, apps(edge(), web(3)), func(p *play) {
		p.done(p.move(), "web")
		p.gone()
	})
	in(t, 2, apps(edge(), web(3)), func(p *play) { // and given back
		p.memo = nil
		go func() { time.Sleep(time.Minute); p.suffer("GET /: 502") }()
		p.soak = 5 * time.Minute
		p.ended(p.move(), problem.Guarded)
		time.Sleep(30 * time.Second)
		p.With(func(h *world.Hand) {
			if h.Taken("edge") > 0 || h.Ready("edge") != 4 {
				p.t.Errorf("%d Ready, %d out\n%s", h.Ready("edge"), h.Taken("edge"), p)
			}
		})
	})
}

func TestBarePodRefusesAndGoesWithConsent(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "debug", Kind: "Pod", Replicas: 1, NoService: true}), func(p *play) {
		p.ended(p.move(), problem.Refused, "gone for good", handover.ExpendableAnnotation)
	})
	in(t, 2, apps(&world.App{Name: "debug", Kind: "Pod", Replicas: 1, NoService: true, Expendable: true}, web(2)), func(p *play) {
		p.done(p.move(), "debug", "web")
	})
}

func TestLoadBalancerThatNobodyCanAskIsGivenItsTime(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 3, Surge: 1, Host: "k8s-nlb-1.elb.example.com"}), func(p *play) {
		p.done(p.move(), "web")
		if p.took < 7*time.Minute {
			p.t.Errorf("done after %s: connections through the old nodes may live for 5 min", p.took)
		}
		p.told("k8s-nlb-1.elb.example.com cannot be asked")
		p.gone()
	})
}

// It may take as long to send through new nodes: the first old one leaves it after that,
// on the way back as well, where the old nodes have been known for long, but were kept
// out of it in between.
func TestLoadBalancerThatNobodyCanAskHasTheNodesThatStay(t *testing.T) {
	all := apps(&world.App{Name: "web", Replicas: 3, Surge: 1, Host: "lb.example.com"})
	in(t, 2, all, func(p *play) {
		p.soak = 2 * time.Hour
		y := p.breachedIn(event.PhaseSoak, 10*time.Minute)
		y.asBefore(y.walk(), all...)
	})
}

// One of each kind moves, and none of them below what it was promised: the world says
// what must never happen to it.
func TestEveryKindOfWorkloadMoves(t *testing.T) {
	t.Parallel()
	for kind, makes := range world.Kinds {
		t.Run(kind, func(t *testing.T) {
			app := &world.App{Name: "app", Kind: kind, Replicas: 3, Surge: 1, PreStop: 10 * time.Second}
			if makes.Nature == handover.Runs {
				app.NoService, app.Work = true, 5*time.Minute
			}
			in(t, 2, apps(app), func(p *play) { p.done(p.move(), "app") })
		})
	}
}

func TestReplicaSetsWithoutAnOwnerMoveByTheirLabel(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Kind: "ReplicaSet", Replicas: 3, Surge: 1}), func(p *play) { p.done(p.move(), "web") })
}

// Pods of which each has a Service of its own are refused, or move one by one where
// that may be without one for a while. None waits for what cannot come.
func TestPodsWithServicesOfTheirOwn(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "kafka", Kind: "StatefulSet", Replicas: 3, Each: true, PreStop: 10 * time.Second}), func(p *play) {
		p.ended(p.move(), problem.Refused, "nothing would serve Service kafka-0", handover.AcceptGapAnnotation)
	})
	in(t, 2, apps(&world.App{Name: "kafka", Kind: "StatefulSet", Replicas: 3, Each: true, AcceptGap: true, PreStop: 10 * time.Second}), func(p *play) {
		p.done(p.move(), "kafka")
	})
}

// Sets of one pod each behind one Service, as some operators of databases make them: no
// gap is asked for, as the others serve it, and they go one after the other, whatever
// gap each of them might have.
func TestSetsOfOnePodBehindOneServiceGoOneAtATime(t *testing.T) {
	for _, gap := range []bool{false, true} {
		set := func(name, behind string) *world.App {
			return &world.App{Name: name, Behind: behind, Kind: "StatefulSet", Replicas: 1, PreStop: 10 * time.Second, Ready: 20 * time.Second, AcceptGap: gap && behind != ""}
		}
		in(t, 2, apps(set("a", ""), set("b", "a"), set("c", "a")), func(p *play) { p.done(p.move(), "a", "b", "c") })
	}
}

// Pods that end and start by groups, as a LeaderWorkerSet's: one group at a time is away,
// whichever of its pods is asked to go. A lone group goes with consent alone.
func TestGroupsOfPodsGoOneAtATime(t *testing.T) {
	model := func(groups int) *world.App {
		return &world.App{Name: "llm", Kind: "LeaderWorkerSet.leaderworkerset.x-k8s.io", Replicas: 3 * groups, Group: 3, Ready: time.Minute, PreStop: 10 * time.Second}
	}
	in(t, 3, apps(model(3), web(2)), func(p *play) {
		p.done(p.move(), "llm", "web")
		p.gone()
	})
	in(t, 3, apps(model(1)), func(p *play) {
		p.ended(p.move(), problem.Refused, "nothing would serve Service llm", "a second group", handover.AcceptGapAnnotation)
	})
	consented := model(1)
	consented.AcceptGap = true
	in(t, 3, apps(consented), func(p *play) { p.done(p.move(), "llm") })
}

// While one of those that know each other is broken none of the others is ended: two of
// three may be a majority, one is none, and a StatefulSet would make no other pod for
// one that comes after the broken one.
func TestNoMemberIsEndedWhileAnotherIsBroken(t *testing.T) {
	for _, kind := range []string{"StatefulSet", "Cluster"} {
		for _, sick := range []string{"db-0", "db-1", "db-2"} {
			db := func() *world.App {
				return &world.App{Name: "db", Kind: kind, Replicas: 3, PreStop: 10 * time.Second}
			}
			broken := func(p *play, ready int) {
				p.With(func(h *world.Hand) { h.Sicken(sick) })
				time.Sleep(2 * time.Minute)
				go func() {
					time.Sleep(10 * time.Minute)
					p.With(func(h *world.Hand) {
						if n := h.Ready("db"); n < ready {
							p.t.Errorf("%s %s: %d are Ready", kind, sick, n)
						}
					})
				}()
			}
			in(t, 3, apps(db(), other()), func(p *play) {
				broken(p, 2)
				err := p.move()
				p.parked(err, "db", "pod "+sick+" is not Ready")
				p.ended(err, problem.Parked, "repair it first")
				p.told("lacks a pod")
			})
			in(t, 3, apps(db(), other()), func(p *play) { // it is repaired meanwhile
				broken(p, 2)
				time.AfterFunc(11*time.Minute, func() { p.With(func(h *world.Hand) { h.Heal(sick) }) })
				p.done(p.move(), "db")
			})
		}
	}
	sicken := func(p *play) {
		p.With(func(h *world.Hand) { h.Sicken("db-2") })
		time.Sleep(2 * time.Minute)
	}
	in(t, 3, apps(&world.App{Name: "db", Kind: "StatefulSet", Replicas: 3, AcceptGap: true}, other()), func(p *play) {
		sicken(p)
		p.done(p.move(), "db")
	})
}

// A pod that was told to end long before the move and has not keeps its node: that is
// told beforehand, and all else moves.
func TestPodThatHasNotEndedLongBeforeIsTold(t *testing.T) {
	in(t, 2, apps(web(3), other()), func(p *play) {
		p.With(func(h *world.Hand) { h.Stick("web", 0); h.End("web", 0) })
		time.Sleep(10 * time.Minute)
		p.parked(p.move(), "web", "finalizer example.com/deregister keeps it")
		p.told("was to have ended by")
		p.With(func(h *world.Hand) {
			if left := h.On(world.Old, "web"); len(left) > 0 {
				p.t.Errorf("left: %v", left)
			}
		})
	})
}

// What tolerates everything and comes to nodes that leave when sentinels stand there
// already is kept off, too, from its next pods on.
func TestWhatToleratesEverythingAndComesLaterIsKeptOff(t *testing.T) {
	all := apps(&world.App{Name: "first", Replicas: 6, Surge: 1, Tolerates: true}, &world.App{Name: "web", Surge: 2, Tolerates: true},
		&world.App{Name: "build", Kind: "Job", Replicas: 1, Work: 20 * time.Minute, NoService: true})
	in(t, 3, all, func(p *play) {
		came := 0
		time.AfterFunc(5*time.Minute, func() {
			p.With(func(h *world.Hand) { h.Scale("web", 12) })
			time.Sleep(2 * time.Second)
			p.With(func(h *world.Hand) { came = len(h.On(world.Old, "web")) })
		})
		p.done(p.move(), "first", "web")
		if n := p.changes(event.PodEvicted); came == 0 || n != came {
			p.t.Errorf("%d evictions of %d pods that came", n, came)
		}
	})
}

func TestReplicationControllerMovesInOrderAndCovered(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Kind: "ReplicationController", Replicas: 3, Surge: 1, PreStop: 10 * time.Second}), func(p *play) { p.done(p.move(), "web") })
}

func TestOnDeleteStatefulSetIsTold(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "db", Kind: "StatefulSet", Replicas: 3, OnDelete: true}), func(p *play) {
		p.done(p.move(), "db")
		p.told("OnDelete")
	})
}

// told wants a finding with the word.
func (p *play) told(word string) {
	p.t.Helper()
	for _, f := range p.facts {
		if found, is := f.(event.Finding); is && contains(found.Effect+found.Fix, word) {
			return
		}
	}
	p.t.Errorf("no finding tells of %q", word)
}

func TestBudgetThatCannotBeComputedRefuses(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 3, Surge: 1, Budget: 1, BrokenBudget: true}), func(p *play) {
		p.ended(p.move(), problem.Refused, "cannot be computed")
	})
}

func TestUnmetBudgetIsMetByAReplacement(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 3, Surge: 1, Budget: 3}), func(p *play) {
		p.With(func(h *world.Hand) { h.Break("web", 1) })
		time.Sleep(2 * time.Minute)
		p.done(p.move(), "web")
		p.told("is not met")
	})
}

func TestShrinkMovesAsManyNodesAsAreTooMany(t *testing.T) {
	in(t, 3, apps(web(6), &world.App{Name: "db", Kind: "StatefulSet", Replicas: 3}), func(p *play) {
		p.keep = 1
		p.With(func(h *world.Hand) {
			for _, name := range h.Nodes(world.New) {
				h.Remove(name)
			}
		})
		time.Sleep(5 * time.Second)
		p.done(p.move())
		p.gone()
		p.With(func(h *world.Hand) {
			g := h.Group(world.Old)
			if g.Desired != 1 || g.Min != 1 || len(g.Suspended) > 0 || len(g.Tags) > 0 {
				p.t.Errorf("the group was left as %+v", g)
			}
		})
	})
}

// What a killed shrink left is opened again, for those who took the change back.
func TestShrinkThatIsKilledAndTakenBackIsRestored(t *testing.T) {
	for calls := 2; calls < 24; calls += 3 {
		in(t, 3, apps(web(6)), func(p *play) {
			p.keep = 1
			p.With((*world.Hand).Forgive)
			if _, through := p.killedAfter(calls); through {
				p.t.Fatalf("through after %d calls", calls)
			}
			time.Sleep(10 * time.Minute)
			if lines, err := p.restore(nil); err != nil {
				p.t.Errorf("after %d calls: %v\n%s", calls, err, strings.Join(lines, "\n"))
			}
			p.open()
		})
	}
}

// No Auto Scaling group acts on its own while a move is at work: the one that
// goes would end nodes that nobody emptied, those that take pods what was just filled.
func TestGroupsDoNotActOnTheirOwn(t *testing.T) {
	in(t, 3, apps(web(6)), func(p *play) {
		moving, over := context.WithCancel(context.Background())
		go func() {
			for pause(moving, 3*time.Second); moving.Err() == nil; pause(moving, time.Second) {
				p.With(func(h *world.Hand) {
					for _, process := range []string{"AZRebalance", "InstanceRefresh"} {
						h.Act(world.Old, process)
						h.Act(world.New, process)
					}
					for _, process := range []string{"AlarmNotification", "ReplaceUnhealthy", "ScheduledActions"} {
						h.Act(world.Old, process)
					}
				})
			}
		}()
		err := p.move()
		over()
		p.done(err, "web")
		p.With(func(h *world.Hand) {
			if g := h.Group(world.New); len(g.Suspended) > 0 {
				p.t.Errorf("the group that took the pods is held after the move: %v", g.Suspended)
			}
		})
	})
}

// What an old group launches while it is handed over, in place of an instance
// that ended or because somebody asked it to, leaves with the others: nothing
// settles there, and nothing of it is in the way when the group goes.
func TestNodesThatJoinTheOldGroupLeaveWithIt(t *testing.T) {
	for _, after := range []time.Duration{500 * time.Millisecond, 4 * time.Second, 20 * time.Second} {
		in(t, 3, apps(web(2)), func(p *play) {
			go func() {
				time.Sleep(after)
				p.With(func(h *world.Hand) {
					for _, name := range h.Nodes(world.Old) {
						if h.PodsOn("web", name) == 0 {
							h.Replace(name)
							return
						}
					}
				})
			}()
			p.done(p.move(), "web")
			p.gone()
			p.With(func(h *world.Hand) {
				if left := h.Nodes(world.Old); len(left) > 0 {
					p.t.Errorf("after %s: nodes are left: %v", after, left)
				}
			})
		})
	}
}

// A group that shrinks is left with as many as it is to keep, though one of those
// that were to leave was replaced meanwhile.
func TestNodesThatJoinAGroupThatShrinksAreTooMany(t *testing.T) {
	in(t, 3, apps(web(2)), func(p *play) {
		p.keep = 2
		go func() {
			time.Sleep(4 * time.Second)
			p.With(func(h *world.Hand) {
				for _, name := range h.Nodes(world.Old) {
					if h.PodsOn("web", name) == 0 {
						h.Replace(name)
						return
					}
				}
			})
		}()
		p.done(p.move())
		p.gone()
		p.With(func(h *world.Hand) {
			if g, nodes := h.Group(world.Old), h.Nodes(world.Old); g.Desired != 2 || len(nodes) != 2 {
				p.t.Errorf("%d are wanted, and %v are there", g.Desired, nodes)
			}
		})
	})
}

func TestTwoLoadBalancersWithLocalTrafficShareTheirNodes(t *testing.T) {
	for nodes := 1; nodes <= 4; nodes++ {
		in(t, nodes, apps(&world.App{Name: "a", Replicas: 3, Surge: 1, Local: true}, &world.App{Name: "b", Replicas: 2, Surge: 2, Local: true}, web(2)), func(p *play) {
			p.done(p.move(), "a", "b", "web")
			p.gone()
		})
	}
}

func TestNodesShortOfRoomAreFilledAsFarAsTheyGo(t *testing.T) {
	many := func() []*world.App {
		var all []*world.App
		for i := range 6 {
			all = append(all, &world.App{Name: fmt.Sprintf("app%d", i), Replicas: 2, Surge: 1})
		}
		return all
	}
	in(t, 2, many(), func(p *play) { // 12 pods, and room for 8 on the new nodes
		p.With(func(*world.Hand) { p.Room = 4 })
		p.ended(p.move(), problem.Parked, "Insufficient cpu")
	})
	in(t, 2, many(), func(p *play) {
		p.With(func(*world.Hand) { p.Room, p.Grow = 4, time.Minute })
		p.done(p.move(), "app0", "app1", "app2", "app3", "app4", "app5")
	})
}

// Workloads for whose new pods no node has room are given up beside each other, those of
// the first node before the others' turn, and hold up nobody else who finds room.
func TestWhatFindsNoRoomHoldsUpNobody(t *testing.T) {
	large := func(name string) *world.App { return &world.App{Name: name, Replicas: 2, Surge: 1, Large: true} }
	in(t, 2, apps(large("a"), large("b"), large("c"), web(6)), func(p *play) {
		moved := p.movedAfter("web")
		p.parked(p.move(), "/a", "Insufficient cpu")
		if m := <-moved; m > 12*time.Minute || p.took > 22*time.Minute {
			p.t.Errorf("web has moved after %s, and all took %s", m, p.took)
		}
	})
}

// While replacements of some find no room, others try one after the other, each as soon
// as the one before it is through, and none of those is given up meanwhile.
func TestThoseInLineForRoomFollowEachOther(t *testing.T) {
	all := apps(&world.App{Name: "a", Replicas: 2, Surge: 1, Large: true}, &world.App{Name: "m", Replicas: 2, Surge: 1, Large: true})
	var small []string
	for i := range 6 {
		small = append(small, fmt.Sprintf("web%d", i))
		all = append(all, &world.App{Name: small[i], Replicas: 4, Surge: 1})
	}
	in(t, 1, all, func(p *play) {
		moved := p.movedAfter(small...)
		p.parked(p.move(), "/a", "Insufficient cpu")
		if m := <-moved; m > 6*time.Minute {
			p.t.Errorf("those that find room have moved after %s", m)
		}
	})
}

// Two that serve one node's local traffic leave it together: the one whose replacement
// serves takes nobody's place in that line while it waits for the other.
func TestLocalTrafficInLineForRoomLeavesTogether(t *testing.T) {
	all := apps(&world.App{Name: "a", Replicas: 2, Surge: 1, Large: true})
	for _, name := range []string{"x", "y", "z"} {
		all = append(all, &world.App{Name: name, Replicas: 3, Surge: 1, Local: true})
	}
	in(t, 1, all, func(p *play) {
		moved := p.movedAfter("x", "y", "z")
		p.parked(p.move(), "/a", "Insufficient cpu")
		if m := <-moved; m > 6*time.Minute {
			p.t.Errorf("those that find room have moved after %s", m)
		}
	})
}

// movedAfter receives how long it took until none of the apps had pods on old nodes.
func (p *play) movedAfter(apps ...string) <-chan time.Duration {
	began, moved := time.Now(), make(chan time.Duration, 1)
	go func() {
		for left := true; left; time.Sleep(time.Second) {
			p.With(func(h *world.Hand) {
				left = slices.ContainsFunc(apps, func(name string) bool { return len(h.On(world.Old, name)) > 0 })
			})
		}
		moved <- time.Since(began)
	}()
	return moved
}

func TestEvictionThatIsDeniedParksItsWorkload(t *testing.T) {
	for _, kind := range []string{"Deployment", "StatefulSet"} {
		in(t, 2, apps(&world.App{Name: "db", Kind: kind, Replicas: 2, Surge: 1, Denies: []string{"evict"}}, web(2)), func(p *play) {
			p.parked(p.move(), "db", "no-evict")
		})
		in(t, 2, apps(&world.App{Name: "db", Kind: kind, Replicas: 4, Surge: 1, DeniesLate: []string{"evict"}}, web(2)), func(p *play) {
			p.parked(p.move(), "db", "no-evict")
			p.With(func(h *world.Hand) {
				if n := h.Ready("db"); n != 4 {
					p.t.Errorf("%d Ready", n)
				}
			})
		})
	}
}

// What a policy says to one call that no dry run showed concerns its workload only.
func TestRefusalThatNoDryRunShowedIsOfOneWorkload(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "strict", Replicas: 2, Surge: 1, DeniesLate: []string{"labels"}}, web(6)), func(p *play) {
		p.parked(p.move(), "strict", "no-labels")
	})
	in(t, 2, apps(&world.App{Name: "strict", Replicas: 2, Surge: 1, DeniesLate: []string{"owner"}}, web(6)), func(p *play) {
		p.done(p.move(), "strict", "web")
	})
}

func TestNodesThatMayNotBeChangedEndTheMoveAndLeaveNothingClosed(t *testing.T) {
	for _, what := range []string{"cordon", "exclude"} {
		t.Run(what, func(t *testing.T) {
			in(t, 2, apps(web(4)), func(p *play) {
				p.With(func(*world.Hand) { p.Closed = []string{what} })
				err := p.move()
				var told *problem.Error
				if !errors.As(err, &told) || !contains(err.Error()+fmt.Sprint(told.Notes), "no-"+what) {
					p.t.Errorf("after %s: %v\n%s", p.took, err, p.tail())
				}
				p.open()
			})
		})
	}
	in(t, 2, apps(web(4), &world.App{Name: "edge", Kind: "DaemonSet"}), func(p *play) {
		p.With(func(*world.Hand) { p.Closed = []string{"taint"} })
		err := p.move()
		var told *problem.Error
		if !errors.As(err, &told) {
			p.t.Errorf("after %s: %v\n%s", p.took, err, p.tail())
		}
		p.open()
	})
}

// … and where a dry run tells of it, before anything is changed.
func TestNodesThatMayNotBeChangedRefuseTheMoveBeforehand(t *testing.T) {
	for _, what := range []string{"cordon", "exclude"} {
		in(t, 2, apps(web(4)), func(p *play) {
			p.With(func(*world.Hand) { p.Closed, p.Told = []string{what}, true })
			p.ended(p.move(), problem.Refused, "may not be closed", "no-"+what)
			p.open()
		})
	}
}

// Nodes that may not be opened again are named, and the move ends all the same.
func TestNodesThatMayNotBeOpenedAgainEndTheMove(t *testing.T) {
	in(t, 2, apps(web(4)), func(p *play) {
		go func() {
			time.Sleep(10 * time.Second)
			p.With(func(*world.Hand) { p.Closed = []string{"open"} })
			p.suffer("GET /: 502")
		}()
		err := p.move()
		var told *problem.Error
		if !errors.As(err, &told) || !contains(fmt.Sprint(told.Notes), "no-open") {
			p.t.Errorf("after %s: %v\n%s", p.took, err, p.tail())
		}
		p.With(func(*world.Hand) { p.Closed = nil })
		p.rescued()
		p.restored()
	})
}

// restored wants nothing in the cluster to be left; groups and records are not
// Restore's.
func (p *play) restored() {
	p.t.Helper()
	p.With(func(h *world.Hand) {
		for _, left := range h.Left() {
			if !contains(left, "group ") && !contains(left, "record of ") {
				p.t.Errorf("%s\n%s", left, p)
			}
		}
	})
}

// A move that is killed at any call goes on where it was.
func TestKilledAtAnyCallItGoesOn(t *testing.T) {
	t.Parallel()
	for calls := 0; ; calls++ {
		through := false
		in(t, 2, apps(web(3), &world.App{Name: "db", Kind: "StatefulSet", Replicas: 2}, &world.App{Name: "n", Replicas: 2, Surge: 1, Local: true}), func(p *play) {
			p.With((*world.Hand).Forgive)
			_, through = p.killedAfter(calls)
			if !through {
				p.done(p.move(), "web", "db", "n")
			}
		})
		if through || t.Failed() {
			return
		}
	}
}

// A move that is killed and never run again is put back by hand. A pod that is
// given back beside a replacement that is about to serve makes its ReplicaSet end
// one of them: here preStop hooks cover that.
func TestKilledForGoodAndRestored(t *testing.T) {
	t.Parallel()
	for calls := 0; ; calls += 3 {
		through := false
		in(t, 2, apps(&world.App{Name: "web", Replicas: 3, Surge: 1, Budget: 1, PreStop: 10 * time.Second}, &world.App{Name: "db", Kind: "StatefulSet", Replicas: 2},
			&world.App{Name: "edge", Kind: "DaemonSet"}, &world.App{Name: "a", Replicas: 2, Surge: 1, Tolerates: true, PreStop: 10 * time.Second}), func(p *play) {
			p.With((*world.Hand).Forgive)
			_, through = p.killedAfter(calls)
			time.Sleep(10 * time.Minute)
			p.rescued()
			p.restored()
		})
		if through || t.Failed() {
			return
		}
	}
}

// Released pods are seen to by whatever run looks at the cluster, once their move
// has not been heard of for too long. No preStop hook covers the end of any.
func TestReleasedPodsOfADeadMoveAreSeenToInTime(t *testing.T) {
	for calls := 8; calls < 20; calls += 2 {
		in(t, 1, apps(&world.App{Name: "web", Replicas: 3, Surge: 2}), func(p *play) {
			p.With((*world.Hand).Forgive)
			_, _ = p.killedAfter(calls) // what the dead run left is what counts
			time.Sleep(30 * time.Minute)
			for range 5 { // any runs that look at the cluster, for whatever
				if err := p.by(p.World, p.World).Ready(context.Background(), engine.Host{Name: world.New}, func(string) {}); err != nil {
					p.t.Fatal(err)
				}
				time.Sleep(time.Minute)
			}
			p.With(func(h *world.Hand) {
				for _, left := range h.Left() {
					if contains(left, "released") {
						p.t.Errorf("after %d calls: %s", calls, left)
					}
				}
				if n := h.Ready("web"); n != 3 {
					p.t.Errorf("%d Ready", n)
				}
			})
		})
	}
}

// restore is what drover restore does to the cluster.
func (p *play) rescued() {
	p.t.Helper()
	for range 300 {
		v, err := p.View()
		if err != nil {
			p.t.Fatal(err)
		}
		records := map[string]*handover.Record{}
		all, _ := p.Records(p.t.Context())
		for group, data := range all {
			if records[group], err = handover.ReadRecord(data); err != nil {
				p.t.Fatal(err)
			}
		}
		actions := handover.Restore(v, records, func(string) bool { return false })
		if len(actions) == 0 {
			time.Sleep(20 * time.Second) // pods that were told to end are gone by then
			return
		}
		p.carry(actions)
		time.Sleep(time.Second)
	}
	p.t.Errorf("there is always something left to restore\n%s", p)
}

func (p *play) carry(actions []handover.Action) {
	for _, a := range actions {
		var err error
		switch a := a.(type) {
		case handover.ChangeNode:
			err = p.PatchNode(p.t.Context(), a.Node, a.Patch)
		case handover.ChangeEvictor:
			err = p.PatchEvictor(p.t.Context(), a.Evictor, a.Patch)
		case handover.ChangePod:
			err = p.PatchPod(p.t.Context(), a.Pod, a.Patch)
		case handover.Evict:
			err = p.Evict(p.t.Context(), a.Pod)
		case handover.Unguard:
			err = p.Unguard(p.t.Context(), a.Node)
		}
		if err != nil {
			p.t.Errorf("%s: %v", a, err)
		}
	}
}
