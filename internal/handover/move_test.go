package handover_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/problem"
)

// play is one move in a world, within a synctest bubble.
type play struct {
	*world.World
	t        *testing.T
	soak     time.Duration
	hasten   bool // end the soak at once
	keep     int
	memo     []byte
	breach   string
	facts    []event.Fact
	at       []time.Time // when each came
	mu       sync.Mutex
	took     time.Duration
	story    []string // for a golden trace
	moment   time.Time
	balanced []string // load balancers' part of it
	same     int      // where the facts of this moment begin
}

// Emit keeps the facts.
func (p *play) Emit(f event.Fact) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.facts, p.at = append(p.facts, f), append(p.at, time.Now())
	p.tellStory(f)
}

// in plays a scene in a bubble: a world that has settled, and time that passes.
func in(t *testing.T, nodes int, apps []*world.App, scene func(p *play)) {
	t.Helper()
	inSkewed(t, 0, nodes, apps, scene)
}

func inSkewed(t *testing.T, skew time.Duration, nodes int, apps []*world.App, scene func(p *play)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := world.NewWorld(1, skew, nodes, apps...)
		w.Settle(41 * time.Second)
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { w.Run(ctx) })
		defer func() {
			cancel()
			running.Wait()
			if b := w.Broken(); len(b) > 0 {
				t.Errorf("%d times what must never be, first: %s", len(b), strings.Join(b[:min(3, len(b))], "; "))
			}
		}()
		scene(&play{World: w, t: t})
	})
}

// move hands the old group over, and returns how that ended.
func (p *play) move() error { return p.moveIn(context.Background()) }

func (p *play) moveIn(ctx context.Context) error {
	p.With((*world.Hand).Forgive)
	began := time.Now()
	defer func() { p.took = time.Since(began) }()
	endless := time.AfterFunc(8*time.Hour, func() {
		p.t.Errorf("it does not end\n%s", p.tail())
		p.With((*world.Hand).Blind)
	})
	defer endless.Stop()
	return p.by(p.World, p.World).HandOver(ctx, p.step(func(memo json.RawMessage) error { p.memo = memo; return nil }))
}

func (p *play) suffer(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.breach = why
}

// done wants the move to end well, and nothing of the apps to be left.
func (p *play) done(err error, apps ...string) {
	p.t.Helper()
	if err != nil {
		p.t.Errorf("after %s: %v\n%s", p.took, err, p.tail())
	}
	p.With(func(h *world.Hand) {
		for _, app := range apps {
			if left := h.On(world.Old, app); len(left) > 0 {
				p.t.Errorf("%s: left on old nodes: %v", app, left)
			}
		}
	})
}

// parked wants the move to end with the app parked for that reason, all else
// moved, and everything open again.
func (p *play) parked(err error, app, why string) {
	p.t.Helper()
	p.ended(err, problem.Parked, app, why)
	p.With(func(h *world.Hand) {
		if left := h.On(world.Old, other().Name); len(left) > 0 {
			p.t.Errorf("what had nothing to do with it has not moved: %v", left)
		}
	})
}

// ended wants a kind of error that names all of the words, and everything open.
func (p *play) ended(err error, kind problem.Kind, words ...string) {
	p.t.Helper()
	var told *problem.Error
	if !errors.As(err, &told) || told.Kind != kind {
		p.t.Fatalf("after %s: want kind %d, got %v\n%s", p.took, kind, err, p.tail())
	}
	text := err.Error() + " " + strings.Join(told.Notes, " ") + " " + told.Fix
	for _, word := range words {
		if !strings.Contains(text, word) {
			p.t.Errorf("the error does not name %q: %s", word, text)
		}
	}
	p.open()
}

// open wants nothing to be left closed, held or marked.
func (p *play) open() {
	p.t.Helper()
	p.With(func(h *world.Hand) {
		if left := h.Left(); len(left) > 0 {
			p.t.Errorf("left behind: %v", left)
		}
	})
}

const tailLines = 20

// tail is the end of the story, for a failed test.
func (p *play) tail() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var lines []string
	for _, f := range p.facts {
		lines = append(lines, fmt.Sprintf("%T %+v", f, f))
	}
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n") + "\n" + p.String()
}

// changes counts what happened to pods of web.
func (p *play) changes(change event.PodChange) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, f := range p.facts {
		if m, is := f.(event.PodMoved); is && m.Change == change && strings.HasPrefix(m.Pod, "web-") {
			n++
		}
	}
	return n
}

func web(replicas int) *world.App {
	return &world.App{Name: "web", Replicas: replicas, Surge: 1, Budget: 1}
}

func other() *world.App { return &world.App{Name: "zeta", Replicas: 2, Surge: 1, Budget: 1} }

func apps(list ...*world.App) []*world.App { return list }

func TestDeploymentMovesSurgeFirst(t *testing.T) {
	in(t, 2, apps(web(4)), func(p *play) {
		p.done(p.move(), "web")
		if n := p.changes(event.PodEvicted); n < 1 || n > 4 {
			p.t.Errorf("%d evictions of 4 pods", n)
		}
	})
}

func TestOneReplicaWithABudgetThatAllowsNothingServesThroughout(t *testing.T) {
	in(t, 1, apps(&world.App{Name: "web", Replicas: 1, Surge: 1, Budget: 1}), func(p *play) { p.done(p.move(), "web") })
}

func TestBudgetOfAllReplicasIsNotInTheWay(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 3, Surge: 1, Budget: 3}), func(p *play) { p.done(p.move(), "web") })
}

// One leaves a budget with its Service; of two that select by another label it
// must leave that label behind as well.
func TestPodsUnderTwoBudgetsMoveOnceTheyAreReplaced(t *testing.T) {
	for further := 1; further <= 2; further++ {
		in(t, 2, apps(&world.App{Name: "web", Replicas: 3, Surge: 1, Budget: 2, Budgets: further}), func(p *play) { p.done(p.move(), "web") })
	}
}

func TestServiceThatSelectsTheHashIsServedThroughout(t *testing.T) {
	in(t, 1, apps(&world.App{Name: "web", Kind: "Rollout", Replicas: 1, Surge: 1, SelectsHash: true}), func(p *play) { p.done(p.move(), "web") })
}

func TestPolicyThatForbidsChangingTheControllerIsGotRoundByTheLabel(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 2, Surge: 1, Denies: []string{"owner"}}), func(p *play) { p.done(p.move(), "web") })
}

func TestPolicyThatForbidsLabelChangesRefusesBeforehandOrParks(t *testing.T) {
	strict := &world.App{Name: "strict", Replicas: 2, Surge: 1, Denies: []string{"labels"}}
	in(t, 2, apps(strict, web(6)), func(p *play) {
		p.parked(p.move(), "deployment/apps/strict", "policy no-labels")
		p.With(func(h *world.Hand) {
			if left := h.On(world.Old, "strict"); len(left) != 2 {
				p.t.Errorf("strict was touched: %v left", left)
			}
		})
	})
}

func TestPolicyIsNoObstacleWherePreStopCoversTheEnd(t *testing.T) {
	strict := &world.App{Name: "strict", Replicas: 2, Surge: 1, PreStop: 10 * time.Second, Denies: []string{"labels"}}
	in(t, 2, apps(strict), func(p *play) { p.done(p.move(), "strict") })
}

func TestImageThatIsGoneParksOneWorkloadAmongMany(t *testing.T) {
	t.Parallel()
	var all []*world.App
	for i := range 20 {
		all = append(all, &world.App{Name: fmt.Sprintf("app%02d", i), Replicas: 2, Surge: 1})
	}
	all[7].NewNeverReady = true
	in(t, 3, all, func(p *play) {
		p.ended(p.move(), problem.Parked, "deployment/apps/app07", "does not serve after 10m0s", "ImagePullBackOff")
		p.With(func(h *world.Hand) {
			for _, a := range all {
				if left := h.On(world.Old, a.Name); len(left) > 0 && a != all[7] {
					p.t.Errorf("%s was held up: %v", a.Name, left)
				}
			}
		})
	})
}

func TestBrokenReplicaHoldsNothingUp(t *testing.T) {
	for i := range 4 {
		t.Run(fmt.Sprint("pod ", i), func(t *testing.T) {
			in(t, 2, apps(web(4), other()), func(p *play) {
				p.With(func(h *world.Hand) { h.Break("web", i) })
				time.Sleep(2 * time.Minute)
				p.done(p.move(), "web", "zeta")
			})
		})
	}
}

func TestPodsWithoutAProbeCountOnceTheyHadTimeToListen(t *testing.T) {
	for _, kind := range []string{"Deployment", "StatefulSet"} {
		for replicas := 1; replicas <= 3; replicas++ {
			in(t, 2, apps(&world.App{Name: "web", Kind: kind, Replicas: replicas, Surge: 1, Listens: 20 * time.Second, AcceptGap: kind == "StatefulSet" && replicas == 1}), func(p *play) { p.done(p.move(), "web") })
		}
	}
}

func TestPodsWithoutAProbeThatCrashTimeAndAgainTakeNobodysPlace(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 2, Surge: 1, Crashes: 15 * time.Second}, other()), func(p *play) {
		p.parked(p.move(), "deployment/apps/web", "does not serve after 10m0s")
		p.With(func(h *world.Hand) {
			if left := h.On(world.Old, "web"); len(left) != 2 {
				p.t.Errorf("of 2 pods that serve %v are left", left)
			}
		})
	})
}

func TestActivePassiveIsParkedAndMovesWithConsent(t *testing.T) {
	ha := func(accept bool) *world.App {
		return &world.App{Name: "ha", Replicas: 2, Surge: 1, Leader: true, AcceptGap: accept}
	}
	in(t, 2, apps(ha(false), other()), func(p *play) {
		time.Sleep(2 * time.Minute)
		p.parked(p.move(), "deployment/apps/ha", handover.AcceptGapAnnotation)
	})
	in(t, 2, apps(ha(true), other()), func(p *play) {
		time.Sleep(2 * time.Minute)
		p.done(p.move(), "ha", "zeta")
	})
}

func TestOldNodeThatDiesDoesNotStopTheMove(t *testing.T) {
	in(t, 3, apps(web(6)), func(p *play) {
		go func() {
			time.Sleep(10 * time.Second)
			p.With(func(h *world.Hand) { h.Kill(h.Nodes(world.Old)[1]) })
		}()
		err := p.move()
		if err != nil {
			p.t.Errorf("after %s: %v\n%s", p.took, err, p.tail())
		}
	})
}

// For 40 s its node is Ready, and for those who send to its pods they serve.
func TestPodsWhoseInstanceHasEndedLeaveTheirServicesAtOnce(t *testing.T) {
	for _, after := range []time.Duration{2 * time.Second, 10 * time.Second, 20 * time.Second} {
		for which := range 3 {
			for _, app := range []*world.App{web(6), {Name: "web", Replicas: 3, Surge: 1, Budget: 3}, {Name: "web", Replicas: 6, Surge: 1, Balancer: world.NLB, Local: true}} {
				in(t, 3, apps(app), func(p *play) {
					go func() {
						time.Sleep(after)
						p.With(func(h *world.Hand) { h.Lose(h.Nodes(world.Old)[which]) })
					}()
					p.done(p.move(), "web")
					if err := p.retired(0, ""); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

func TestPodsWhoseInstanceOnlyLeftItsGroupServeUntilOthersDo(t *testing.T) {
	in(t, 3, apps(web(6)), func(p *play) {
		go func() {
			time.Sleep(2 * time.Second)
			p.With(func(h *world.Hand) { h.Detach(h.Nodes(world.Old)[2]) })
		}()
		p.done(p.move(), "web")
	})
}

func TestPodThatHangsInTerminatingIsNamedAndDoesNotHoldUpOthers(t *testing.T) {
	in(t, 2, apps(web(3), other()), func(p *play) {
		p.With(func(h *world.Hand) { h.Stick("web", 0); h.End("web", 0) })
		time.Sleep(30 * time.Second)
		p.parked(p.move(), "deployment/apps/web", "example.com/deregister")
	})
	in(t, 2, apps(web(3), other()), func(p *play) {
		p.With(func(h *world.Hand) { h.Stick("web", 0) })
		p.parked(p.move(), "deployment/apps/web", "example.com/deregister")
	})
	in(t, 2, apps(web(3)), func(p *play) {
		p.With(func(h *world.Hand) { h.Stick("web", 0) })
		go func() { time.Sleep(4 * time.Minute); p.With((*world.Hand).Free) }()
		p.done(p.move(), "web")
	})
}

func TestRolloutThatNeverCompletesParksItsWorkloadOnly(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 3, Surge: 1, Rolling: true}, other()), func(p *play) {
		p.parked(p.move(), "deployment/apps/web", "rollout")
	})
}

func TestPausedDeploymentMoves(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 3, Surge: 1, Paused: true}), func(p *play) { p.done(p.move(), "web") })
}

func TestMaxSurgeZeroNeverRunsOneMore(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 3, PreStop: 8 * time.Second}), func(p *play) { p.done(p.move(), "web") })
	in(t, 2, apps(&world.App{Name: "web", Replicas: 1}), func(p *play) {
		p.ended(p.move(), problem.Refused, "deployment/apps/web", "maxSurge 0", handover.AcceptGapAnnotation)
	})
	in(t, 2, apps(&world.App{Name: "web", Replicas: 1, AcceptGap: true}), func(p *play) { p.done(p.move(), "web") })
}

func TestStatefulSetLosesOneMemberAtATime(t *testing.T) {
	db := &world.App{Name: "db", Kind: "StatefulSet", Replicas: 3, Ready: 30 * time.Second}
	in(t, 3, apps(db), func(p *play) {
		time.Sleep(time.Minute)
		p.done(p.move(), "db")
	})
}

func TestPodsOfUnknownControllersGoOneAtATime(t *testing.T) {
	pg := &world.App{Name: "pg", Kind: "Cluster", Replicas: 3, Ready: 30 * time.Second, PreStop: 8 * time.Second}
	in(t, 1, apps(pg), func(p *play) {
		time.Sleep(time.Minute)
		fewest := 3
		go func() {
			for range 2000 {
				time.Sleep(time.Second)
				p.With(func(h *world.Hand) { fewest = min(fewest, h.Ready("pg")) })
			}
		}()
		p.done(p.move(), "pg")
		p.With(func(*world.Hand) {
			if fewest < 2 {
				p.t.Errorf("%d of 3 Ready at the worst", fewest)
			}
		})
		time.Sleep(2000 * time.Second)
	})
}

// What an operator wants that has no scale is how many pods there are: fewer
// while one is missing. The floor must not follow that down.
func TestOperatorThatIsSlowLosesOneMemberAtATime(t *testing.T) {
	pg := &world.App{Name: "pg", Kind: "Cluster", Replicas: 3, Late: 40 * time.Second, PreStop: 8 * time.Second}
	in(t, 1, apps(pg), func(p *play) { p.done(p.move(), "pg") })
}

func TestEvictionWebhookThatMovesThePodItselfIsWaitedFor(t *testing.T) {
	vm := &world.App{Name: "vm", Kind: "VirtualMachineInstance", Replicas: 2, Busy: 90 * time.Second, PreStop: 8 * time.Second}
	in(t, 2, apps(vm), func(p *play) { p.done(p.move(), "vm") })
}

// An operator that keeps a budget of its own, which allows nothing, moves its pods
// when their node is closed. One that does not is parked for, and told.
func TestOperatorThatKeepsItsOwnBudgetIsWaitedFor(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "db", Kind: "Cluster", Replicas: 3, Budget: 3, Yields: 30 * time.Second, PreStop: 8 * time.Second}, other()), func(p *play) {
		p.done(p.move(), "db")
	})
	in(t, 2, apps(&world.App{Name: "db", Kind: "Cluster", Replicas: 3, Budget: 3, Yields: 2 * time.Hour}, other()), func(p *play) {
		p.parked(p.move(), "cluster/apps/db", "PodDisruptionBudget db-0")
	})
}

func TestJobIsWaitedFor(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "migrate", Kind: "Job", Replicas: 1, NoService: true, Work: 8 * time.Minute}, other()), func(p *play) {
		p.done(p.move(), "migrate")
		if p.took < 5*time.Minute {
			p.t.Errorf("after %s the Job cannot have ended", p.took)
		}
	})
}

func TestDoNotDisruptIsRespected(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 2, Surge: 1, Keep: true}), func(p *play) {
		p.ended(p.move(), problem.Refused, "deployment/apps/web", "karpenter.sh/do-not-disrupt")
	})
}

func TestPodsThatTolerateEverythingEndOnNewNodes(t *testing.T) {
	in(t, 3, apps(&world.App{Name: "agent", Replicas: 6, Surge: 1, Tolerates: true}, web(6)), func(p *play) {
		p.done(p.move(), "agent", "web")
		p.With(func(h *world.Hand) {
			if n := h.Evictions(); n > 12 {
				p.t.Errorf("%d evictions for 12 pods", n)
			}
		})
	})
}

func TestLocalTrafficMovesNodeByNode(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "nginx", Replicas: 2, Surge: 1, Local: true}), func(p *play) { p.done(p.move(), "nginx") })
	in(t, 1, apps(&world.App{Name: "nginx", Replicas: 6, Surge: 1, Local: true}), func(p *play) { p.done(p.move(), "nginx") })
	in(t, 3, apps(&world.App{Name: "a", Replicas: 4, Surge: 1, Local: true}, &world.App{Name: "b", Replicas: 5, Surge: 1, Local: true}), func(p *play) {
		p.done(p.move(), "a", "b")
	})
}

// Proxies of busy nodes were seen 3.5 s behind, and those of large clusters further.
func TestProxiesThatLagAreGivenTime(t *testing.T) {
	in(t, 2, apps(web(4)), func(p *play) {
		p.With(func(*world.Hand) { p.Lag = 5 * time.Second })
		p.done(p.move(), "web")
	})
}

func TestIngressControllersThatLagAreGivenTime(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 3, Surge: 1, Ingress: 3300 * time.Millisecond}), func(p *play) {
		p.With(func(*world.Hand) { p.Lag = 5 * time.Second })
		p.done(p.move(), "web")
	})
}

func TestAutoscalerChangesReplicasUnderWay(t *testing.T) {
	for _, wants := range [][]int{{6, 3, 5, 2, 7}, {0}, {6, 0, 3}} { // some autoscalers take all, and give some back at once
		in(t, 2, apps(web(4)), func(p *play) {
			var scales sync.WaitGroup
			scales.Go(func() {
				for _, n := range wants {
					time.Sleep(7 * time.Second)
					p.With(func(h *world.Hand) { h.Scale("web", n) })
				}
			})
			p.done(p.move(), "web")
			scales.Wait()
		})
	}
}

// Where nothing of a workload serves a Service any more because somebody made it
// select other pods, nothing is owed by that path, and the workload moves on.
func TestServiceThatSelectsOthersMeanwhileIsOwedNothing(t *testing.T) {
	for _, after := range []time.Duration{4 * time.Second, 15 * time.Second} {
		in(t, 2, apps(web(4), other()), func(p *play) {
			go func() { time.Sleep(after); p.With(func(h *world.Hand) { h.Deselect("web") }) }()
			p.done(p.move(), "web", other().Name)
			if p.took > 5*time.Minute {
				p.t.Errorf("it took %s", p.took)
			}
		})
	}
}

// What is told is what is waited for: not what a node waited for that is long through.
func TestWaitsAreToldAsLongAsTheyLast(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "web", Replicas: 2, Surge: 1, NewNeverReady: true}, other()), func(p *play) {
		told := make(chan string, 1)
		go func() {
			time.Sleep(4 * time.Minute)
			told <- p.waits()
		}()
		p.parked(p.move(), "deployment/apps/web", "does not serve")
		if last := <-told; !contains(last, "deployment/apps/web: ") {
			p.t.Errorf("after 4 min: %q", last)
		}
	})
}

// waits is what the move said last that it waits for.
func (p *play) waits() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := ""
	for _, f := range p.facts {
		if w, is := f.(event.Progress); is {
			last = w.Waiting
		}
	}
	return last
}

func TestClockOfTheClusterDecides(t *testing.T) {
	for _, skew := range []time.Duration{-time.Hour, 61 * time.Second} {
		inSkewed(t, skew, 2, apps(web(4)), func(p *play) { p.done(p.move(), "web") })
	}
}

func TestBreachPutsEverythingBack(t *testing.T) {
	for _, after := range []time.Duration{2 * time.Second, 8 * time.Second, 20 * time.Second, 45 * time.Second} {
		in(t, 3, apps(web(6), &world.App{Name: "db", Kind: "StatefulSet", Replicas: 2}), func(p *play) {
			go func() { time.Sleep(after); p.suffer("GET /: 502") }()
			p.ended(p.move(), problem.Guarded, "502")
		})
	}
}

// sufferWithoutAWS breaches the guard while AWS is away, and wants the nodes open before
// it is back.
func (p *play) sufferWithoutAWS() {
	p.With(func(h *world.Hand) { h.Down(true, false) })
	p.suffer("GET /: 502")
	time.Sleep(20 * time.Second)
	p.With(func(h *world.Hand) {
		for _, name := range h.Nodes(world.Old) {
			if slices.Contains(h.Left(), "node "+name+" is cordoned") {
				p.t.Errorf("node %s is still cordoned 20 s after the breach", name)
			}
		}
		h.Down(false, false)
	})
}

func TestBreachPutsBackAlsoWhileAWSIsAway(t *testing.T) {
	in(t, 3, apps(web(6)), func(p *play) {
		go func() {
			time.Sleep(10 * time.Second)
			p.sufferWithoutAWS()
		}()
		p.ended(p.move(), problem.Guarded, "502")
	})
}

func TestInterruptPutsEverythingBackAndGoesOnLater(t *testing.T) {
	in(t, 3, apps(web(6)), func(p *play) {
		ctx, cancel := context.WithCancel(context.Background())
		go func() { time.Sleep(12 * time.Second); cancel() }()
		if err := p.moveIn(ctx); !errors.Is(err, context.Canceled) {
			p.t.Fatalf("got %v", err)
		}
		p.open()
		p.done(p.move(), "web")
	})
}

func TestOutagesAreWaitedFor(t *testing.T) {
	for _, down := range [][2]bool{{true, false}, {false, true}, {true, true}} {
		in(t, 3, apps(web(6)), func(p *play) {
			go func() {
				time.Sleep(9 * time.Second)
				p.With(func(h *world.Hand) { h.Down(down[0], down[1]) })
				time.Sleep(time.Minute)
				p.With(func(h *world.Hand) { h.Down(false, false) })
			}()
			p.done(p.move(), "web")
		})
	}
}

// What nobody answers for long ends the move, and it is all put back: at once
// what can be, the rest when the other side answers again.
func TestLongOutageEndsTheMoveAndPutsEverythingBack(t *testing.T) {
	for _, down := range [][2]bool{{true, false}, {false, true}, {true, true}} {
		in(t, 3, apps(web(6)), func(p *play) {
			go func() {
				time.Sleep(9 * time.Second)
				p.With(func(h *world.Hand) { h.Down(down[0], down[1]) })
				time.Sleep(7 * time.Minute)
				p.With(func(h *world.Hand) { h.Down(false, false) })
			}()
			p.ended(p.move(), problem.Outside, "for 5m0s")
		})
	}
}

// An outage that does not end while everything is put back is named as what kept
// it from that.
func TestOutageWithoutEndIsNamed(t *testing.T) {
	for _, down := range [][2]bool{{true, false}, {false, true}, {true, true}} {
		in(t, 3, apps(web(6)), func(p *play) {
			go func() {
				time.Sleep(9 * time.Second)
				p.With(func(h *world.Hand) { h.Down(down[0], down[1]) })
			}()
			var told *problem.Error
			if err := p.move(); !errors.As(err, &told) || len(told.Notes) == 0 {
				p.t.Fatalf("got %v", err)
			}
			if note := told.Notes[len(told.Notes)-1]; !strings.HasPrefix(note, "not all could be put back: ") || !strings.Contains(note, "connection reset by peer") {
				p.t.Errorf("%v: %s", down, note)
			}
		})
	}
}

func TestNewNodesThatGoInTheMiddleReopenTheOld(t *testing.T) {
	in(t, 2, apps(web(4)), func(p *play) {
		go func() {
			time.Sleep(25 * time.Second)
			p.With(func(h *world.Hand) {
				for _, name := range h.Nodes(world.New) {
					h.Kill(name)
				}
			})
			time.Sleep(10 * time.Second)
			p.suffer("no answer")
		}()
		err := p.move()
		if err == nil {
			p.t.Fatal("done, onto nodes that are dead")
		}
		p.open()
	})
}

// Marks are made again while a move is at work; when it stops, its own record tells.
func TestRecordsThatSomebodyRemovesAreNotMissed(t *testing.T) {
	for _, later := range []time.Duration{2 * time.Second, 0} {
		in(t, 2, apps(web(4)), func(p *play) {
			go func() {
				time.Sleep(8 * time.Second)
				p.With((*world.Hand).Unmark)
				time.Sleep(later)
				p.suffer("GET /: 502")
			}()
			p.ended(p.move(), problem.Guarded)
		})
	}
}

func TestUncordonedNodesAreClosedAgain(t *testing.T) {
	in(t, 2, apps(web(4)), func(p *play) {
		go func() { time.Sleep(10 * time.Second); p.With((*world.Hand).Uncordon) }()
		p.done(p.move(), "web")
	})
}

func TestGraceOfAnHourHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	in(t, 2, apps(&world.App{Name: "slow", Kind: "StatefulSet", Replicas: 2, Grace: time.Hour, NoService: true}, web(4)), func(p *play) {
		moved := make(chan time.Duration, 1)
		began := time.Now()
		go func() {
			for {
				time.Sleep(time.Second)
				left := 0
				p.With(func(h *world.Hand) { left = len(h.On(world.Old, "web")) })
				if left == 0 {
					moved <- time.Since(began)
					return
				}
			}
		}()
		p.done(p.move(), "slow", "web")
		if d := <-moved; d > 5*time.Minute {
			p.t.Errorf("web moved after %s", d)
		}
	})
}

func TestCallsThatFailBeforeOrAfterTheyTookEffect(t *testing.T) {
	for seed := range 5 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := world.NewWorld(uint64(seed), 0, 3, web(6), &world.App{Name: "db", Kind: "StatefulSet", Replicas: 2}, &world.App{Name: "n", Replicas: 3, Surge: 2, Local: true})
				w.Settle(41 * time.Second)
				w.With(func(*world.Hand) { w.Faults, w.Stale = 10, 4 })
				ctx, cancel := context.WithCancel(context.Background())
				var running sync.WaitGroup
				running.Go(func() { w.Run(ctx) })
				p := &play{World: w, t: t}
				p.done(p.move(), "web", "db", "n")
				cancel()
				running.Wait()
				if b := w.Broken(); len(b) > 0 {
					t.Errorf("%d times what must never be, first: %s", len(b), strings.Join(b[:min(3, len(b))], "; "))
				}
			})
		})
	}
}

func contains(text, word string) bool { return strings.Contains(text, word) }
