package handover_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/problem"
)

// way is the way back of a move: as the engine has it, step by step.
type way struct {
	*play
	memo  []byte       // of the hand-over of the new group
	again atomic.Value // why the guard stops the way back, too
}

// reopen opens the old group, by a process that may be mortal.
func (y *way) reopen(cluster handover.Cluster, scaling handover.Scaling, alive func() bool) error {
	defer y.endless()()
	return y.by(cluster, scaling).Reopen(context.Background(), engine.Move{
		Step: 1, From: engine.Host{Name: world.Old}, Memo: y.play.memo, Events: y.play,
		Save: func(memo json.RawMessage) error { return y.save(&y.play.memo, memo, alive) },
	})
}

func (y *way) save(to *[]byte, memo json.RawMessage, alive func() bool) error {
	if !alive() {
		return errKilled
	}
	*to = memo
	return nil
}

// endless fails a way that does not end, and ends it.
func (y *way) endless() (done func() bool) {
	return time.AfterFunc(8*time.Hour, func() {
		y.t.Errorf("it does not end\n%s\n%s", y.tail(), y.memo)
		y.With((*world.Hand).Blind)
	}).Stop
}

// handOver hands the new group over to the old one.
func (y *way) handOver(cluster handover.Cluster, scaling handover.Scaling, alive func() bool) error {
	defer y.endless()()
	return y.by(cluster, scaling).HandOver(context.Background(), engine.Move{
		Step: 2, From: engine.Host{Name: world.New}, To: []engine.Host{{Name: world.Old}}, Memo: y.memo, Events: y.play,
		Back: true, Owed: []json.RawMessage{y.play.memo}, EndSoak: true,
		Save:   func(memo json.RawMessage) error { return y.save(&y.memo, memo, alive) },
		Breach: func() (string, bool) { why, _ := y.again.Load().(string); return why, why != "" },
	})
}

// unshelter opens the new group again, which an earlier run had begun to hand over.
func (y *way) unshelter() error {
	return y.by(y.World, y.World).Reopen(context.Background(), engine.Move{
		Step: 2, From: engine.Host{Name: world.New}, Memo: y.memo, Events: y.play,
		Save: func(memo json.RawMessage) error { return y.save(&y.memo, memo, always) },
	})
}

func always() bool { return true }

// walk goes the whole way in one process, to the end of the new nodes.
func (y *way) walk() error {
	if err := y.reopen(y.World, y.World, always); err != nil {
		return err
	}
	if err := y.handOver(y.World, y.World, always); err != nil {
		return err
	}
	return y.retireNew()
}

func (y *way) retireNew() error {
	return y.by(y.World, y.World).Retire(context.Background(), engine.Retirement{
		Host: engine.Host{Name: world.New}, Wait: func(string) {}, Breach: func() (string, bool) { return "", false },
	})
}

// killed goes it in a process that is killed after so many calls; true: it was
// through before that.
func (y *way) killed(calls int) bool {
	m := &mortal{World: y.World}
	m.left.Store(int64(calls))
	alive := func() bool { return !m.dead() }
	err := y.reopen(m, m, alive)
	if err == nil {
		err = y.handOver(m, m, alive)
	}
	return err == nil && alive()
}

// killedIn goes it in a process that is killed after a while.
func (y *way) killedIn(d time.Duration) {
	m := &mortal{World: y.World}
	m.left.Store(1 << 30)
	defer time.AfterFunc(d, func() { m.left.Store(-1) }).Stop()
	alive := func() bool { return !m.dead() }
	if err := y.reopen(m, m, alive); err == nil {
		_ = y.handOver(m, m, alive)
	}
}

// asBefore wants all of the apps on the old nodes, and these open.
func (y *way) asBefore(err error, apps ...*world.App) {
	y.t.Helper()
	if err != nil {
		y.t.Errorf("%v\n%s", err, y.tail())
	}
	y.With(func(h *world.Hand) {
		for _, a := range apps {
			if n := len(h.On(world.Old, a.Name)); n != a.Replicas {
				y.t.Errorf("%s: %d of %d pods are back", a.Name, n, a.Replicas)
			}
		}
		if n := len(h.Nodes(world.New)); n > 0 {
			y.t.Errorf("%d new nodes are left", n)
		}
		for _, left := range h.Left() {
			if !strings.HasPrefix(left, "group "+world.New) {
				y.t.Errorf("left behind: %s", left)
			}
		}
	})
}

// breachedIn has the move stopped so long after it entered a phase.
func (p *play) breachedIn(phase event.Phase, after time.Duration) *way {
	p.t.Helper()
	go func() {
		p.reaches(phase)
		time.Sleep(after)
		p.suffer("GET /: 502")
	}()
	p.ended(p.move(), problem.Guarded, "502")
	return &way{play: p}
}

func kinds() []*world.App {
	return apps(web(4), &world.App{Name: "one", Replicas: 1, Surge: 1, Budget: 1}, &world.App{Name: "local", Replicas: 2, Surge: 1, Local: true},
		&world.App{Name: "set", Kind: "StatefulSet", Replicas: 3, PreStop: 10 * time.Second}, &world.App{Name: "slow", Replicas: 2, Surge: 1, Ready: 20 * time.Second})
}

// In whatever phase the guard is breached: on the way back nothing is lost, and
// in the end all is where it was, and the new nodes are gone.
func TestMoveReturnsFromEveryPhase(t *testing.T) {
	t.Parallel()
	for _, at := range []struct {
		phase event.Phase
		after []time.Duration
	}{
		{event.PhaseReady, []time.Duration{0}},
		{event.PhaseShift, []time.Duration{0, 2 * time.Second, 10 * time.Second, 25 * time.Second, time.Minute}},
		{event.PhaseSoak, []time.Duration{0, 10 * time.Minute}},
	} {
		for _, after := range at.after {
			t.Run(fmt.Sprintf("%s %s", at.phase, after), func(t *testing.T) {
				all := kinds()
				in(t, 3, all, func(p *play) {
					p.soak = 2 * time.Hour
					y := p.breachedIn(at.phase, after)
					y.asBefore(y.walk(), all...)
				})
			})
		}
	}
}

// Killed at any call of the way back, it goes on and comes to the same end.
func TestReturnSurvivesAKillAtEveryCall(t *testing.T) {
	t.Parallel()
	for calls, through := 0, false; !through; calls++ {
		t.Run(fmt.Sprint(calls), func(t *testing.T) {
			all := apps(web(2), &world.App{Name: "set", Kind: "StatefulSet", Replicas: 1, PreStop: 10 * time.Second, AcceptGap: true})
			in(t, 2, all, func(p *play) {
				y := p.breachedIn(event.PhaseSoak, 0)
				through = y.killed(calls)
				y.asBefore(y.walk(), all...)
			})
		})
	}
}

// The user takes a change back that soaks: its run was interrupted, and put nothing back.
func TestSoakIsTakenBack(t *testing.T) {
	all := apps(web(4))
	in(t, 2, all, func(p *play) {
		p.soak = 4 * time.Hour
		p.pausedInSoak(10 * time.Minute)
		y := &way{play: p}
		y.asBefore(y.walk(), all...)
	})
}

// A hand-over that is over has left no record: the marks on the nodes are enough.
func TestFinishedMoveIsTakenBackByItsMarks(t *testing.T) {
	all := apps(web(4))
	in(t, 2, all, func(p *play) {
		p.done(p.move(), "web")
		p.memo = nil
		y := &way{play: p}
		y.asBefore(y.walk(), all...)
	})
}

// The guard is asked on the way back, too. It does not turn round again: it
// stops, everything serves, and it goes on when it is asked for again.
func TestBreachOnTheWayBackStopsIt(t *testing.T) {
	all := apps(web(4))
	in(t, 3, all, func(p *play) {
		y := p.breachedIn(event.PhaseSoak, 0)
		var turned atomic.Bool
		go func() { time.Sleep(40 * time.Second); y.again.Store("GET /: 503"); turned.Store(true) }()
		err := y.walk()
		p.ended(err, problem.Guarded, "503", "nothing turns round again", "the way back goes on")
		if !turned.Load() {
			p.t.Error("over before the breach")
		}
		y.again.Store("")
		y.asBefore(y.walk(), all...)
	})
}

// What the first move promised is owed on the way back: pods that broke on the
// new nodes do not lower it.
func TestReturnKeepsThePromiseOfTheMove(t *testing.T) {
	all := apps(web(4))
	in(t, 2, all, func(p *play) {
		y := p.breachedIn(event.PhaseSoak, 0)
		p.With(func(h *world.Hand) { h.Break("web", 0); h.Break("web", 1) })
		time.Sleep(5 * time.Second)
		p.With((*world.Hand).Forgive)
		y.asBefore(y.walk(), all...)
		rec, err := handover.ReadRecord(y.memo)
		if err != nil || rec.Workloads["deployment/apps/web"].Floors["web"] != 4 {
			p.t.Errorf("%v: floors %v", err, rec.Workloads["deployment/apps/web"].Floors)
		}
	})
}

// Nodes that take the pods and are lost for good stop the move within minutes:
// the old ones take the pods again.
func TestMoveStopsWhenTheNewGroupIsLost(t *testing.T) {
	for name, lose := range map[string]func(h *world.Hand){
		"was deleted": func(h *world.Hand) { h.DeleteGroup(world.New) },
		"no node that takes pods": func(h *world.Hand) {
			for _, n := range h.Nodes(world.New) {
				h.Kill(n)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, 3, apps(web(4)), func(p *play) {
				p.soak = 4 * time.Hour
				go func() { p.soaking(); time.Sleep(time.Minute); p.With(lose) }()
				err := p.move()
				p.ended(err, problem.Outside, name)
				if !errors.Is(err, engine.ErrFresh) || p.took > 20*time.Minute {
					p.t.Errorf("after %s: %v", p.took, err)
				}
			})
		})
	}
}

// A group that was opened again serves as before when that is said: its load balancer
// sends through its nodes, which takes an NLB a while.
func TestReopenedNodesAreInServiceWhenThatIsSaid(t *testing.T) {
	all := apps(&world.App{Name: "web", Replicas: 4, Surge: 1, Balancer: world.NLB})
	in(t, 2, all, func(p *play) {
		time.Sleep(3 * time.Minute)
		p.soak = 2 * time.Hour
		y := p.breachedIn(event.PhaseSoak, 0)
		if p.inService() == 2 {
			p.t.Fatal("its nodes never left the load balancer")
		}
		if err := y.reopen(y.World, y.World, always); err != nil || p.inService() != 2 {
			p.t.Errorf("%v: %d of 2 nodes are in service", err, p.inService())
		}
	})
	in(t, 2, all, func(p *play) {
		time.Sleep(3 * time.Minute)
		node := p.old()[0]
		e := p.errand("node/"+node, node)
		if err := p.send(context.Background(), e); err != nil {
			p.t.Fatal(err)
		}
		for _, takenBack := range []bool{true, false} {
			if err := p.by(p.World, p.World).Open(context.Background(), e, takenBack); err != nil || p.inService() != 2 {
				p.t.Errorf("%v: %d of 2 nodes are in service", err, p.inService())
			}
			if left := p.leftBut(); takenBack && !slices.Equal(left, []string{"record of node/" + node}) || !takenBack && len(left) > 0 {
				p.t.Errorf("taken back %t: left behind: %v", takenBack, left)
			}
		}
	})
}

// inService counts the old nodes through which the load balancer of an app sends.
func (p *play) inService() int {
	v, err := p.View()
	if err != nil {
		p.t.Fatal(err)
	}
	ids := []string{}
	for _, name := range p.old() {
		ids = append(ids, v.Nodes[name].Instance)
	}
	all, err := p.Balancers(context.Background(), handover.Inquiry{Instances: ids})
	if err != nil {
		p.t.Fatal(err)
	}
	n := 0
	for _, b := range all {
		for _, target := range b.Targets {
			if b.Zonal && target.State == event.TargetInService && slices.Contains(ids, target.Instance) {
				n++
			}
		}
	}
	return n
}

// That nodes could not be opened again, or do not serve, is an error of its own.
func TestNodesThatDoNotOpenAgainAreAnError(t *testing.T) {
	for name, c := range map[string]struct {
		scene func(*way)
		kind  problem.Kind
		words []string
	}{
		"nobody may change them": {func(y *way) { y.With(func(*world.Hand) { y.Closed = []string{"open"} }) }, problem.Outside, []string{"no-open"}},
		"they are broken": {func(y *way) {
			y.With(func(h *world.Hand) {
				for _, node := range h.Nodes(world.Old) {
					h.Kill(node)
				}
			})
			time.Sleep(2 * time.Minute)
		}, problem.Outside, []string{"serve again", "after 15m0s", "is not Ready"}},
		"another version began it":  {func(y *way) { y.play.memo = []byte("[]") }, problem.Refused, []string{"another version"}},
		"somebody is at work on it": {func(y *way) { y.seize(world.Old, time.Minute) }, problem.Locked, []string{"bob@desk is at work"}},
		"somebody takes it over": {func(y *way) {
			y.With(func(*world.Hand) { y.Closed = []string{"open"} })
			time.AfterFunc(12*time.Second, func() { y.seize(world.Old, time.Second) }) // between two words of its holder
		}, problem.Locked, []string{"bob@desk is at work"}},
		"nothing answers": {func(y *way) { y.With((*world.Hand).Blind) }, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, 2, apps(web(2)), func(p *play) {
				p.soak = 2 * time.Hour
				p.pausedInSoak(time.Minute)
				y := &way{play: p}
				c.scene(y)
				err := y.reopen(y.World, y.World, always)
				var told *problem.Error
				if err == nil || c.kind != 0 && (!errors.As(err, &told) || told.Kind != c.kind) {
					p.t.Fatalf("%v", err)
				}
				for _, word := range c.words {
					if text := err.Error() + fmt.Sprint(told.Notes, told.Fix); !strings.Contains(text, word) {
						p.t.Errorf("%q is not in %s", word, text)
					}
				}
				time.Sleep(time.Minute) // whoever seized it is through
				p.With(func(h *world.Hand) { h.See(); h.Forgive() })
			})
		})
	}
	for name, scene := range map[string]func(*way){
		"nothing answers": func(y *way) { y.With((*world.Hand).Blind) }, "somebody is at work on them": func(y *way) { y.seize("nodes/old", time.Minute) },
		"they are broken": func(y *way) {
			if err := y.send(context.Background(), y.errand("nodes/old", y.old()...)); err != nil {
				y.t.Error(err)
			}
			y.With(func(h *world.Hand) { h.Kill(h.Nodes(world.Old)[0]); h.Kill(h.Nodes(world.Old)[1]) })
			time.Sleep(2 * time.Minute)
		},
	} {
		in(t, 2, apps(web(2)), func(p *play) {
			scene(&way{play: p})
			if err := p.by(p.World, p.World).Open(context.Background(), p.errand("nodes/old", p.old()...), false); err == nil {
				p.t.Errorf("%s, and the nodes of an errand are said to be open", name)
			}
			time.Sleep(time.Minute)
			p.With(func(h *world.Hand) { h.See(); h.Forgive() })
		})
	}
}

// seize has somebody else work on a move for a while.
func (y *way) seize(move string, d time.Duration) {
	locks, _ := y.Locks(context.Background())
	if err := y.Unlock(context.Background(), move, locks[move].Holder); err != nil {
		y.t.Error(err)
	}
	work := func() {
		if _, err := y.Lock(context.Background(), move, "bob@desk/1-0", time.Hour); err != nil {
			y.t.Error(err)
		}
	}
	work()
	go func() {
		for began := time.Now(); time.Since(began) < d; work() {
			time.Sleep(time.Second)
		}
	}()
}

// Interrupted, it puts back what was begun, and says that it was interrupted.
func TestInterruptedReopeningIsToldAndPutsBack(t *testing.T) {
	in(t, 2, apps(web(2)), func(p *play) {
		p.soak = 2 * time.Hour
		p.pausedInSoak(time.Minute)
		ctx, interrupt := context.WithCancel(context.Background())
		interrupt()
		err := p.by(p.World, p.World).Reopen(ctx, engine.Move{From: engine.Host{Name: world.Old}, Memo: p.memo, Events: p})
		if !errors.Is(err, context.Canceled) {
			p.t.Errorf("%v", err)
		}
		p.open()
	})
	in(t, 2, apps(&world.App{Name: "web", Replicas: 4, Surge: 1, Balancer: world.NLB}), func(p *play) {
		time.Sleep(3 * time.Minute)
		p.soak = 2 * time.Hour
		y := p.breachedIn(event.PhaseSoak, 0)
		ctx, interrupt := context.WithTimeout(context.Background(), 30*time.Second) // its load balancer takes longer
		defer interrupt()
		if err := y.by(y.World, y.World).Reopen(ctx, engine.Move{From: engine.Host{Name: world.Old}, Memo: y.play.memo, Events: p}); !errors.Is(err, context.DeadlineExceeded) {
			p.t.Errorf("%v", err)
		}
		go func() { // what does not answer for a while is asked again
			time.Sleep(20 * time.Second)
			p.With(func(h *world.Hand) { h.Blind() })
			time.Sleep(5 * time.Second)
			p.With(func(h *world.Hand) { h.See(); h.Down(true, false) })
			time.Sleep(5 * time.Second)
			p.With(func(h *world.Hand) { h.Down(false, false) })
		}()
		if err := y.reopen(y.World, y.World, always); err != nil || p.inService() != 2 {
			p.t.Errorf("%v: %d of 2 nodes are in service", err, p.inService())
		}
		p.waited(" is not InService yet")
	})
}

// A group that was to have fewer nodes is opened again by its own record: that tells what
// the move brought, and what each workload is owed.
func TestReductionIsOpenedByItsRecord(t *testing.T) {
	in(t, 3, apps(web(3)), func(p *play) {
		p.keep, p.soak = 1, 2*time.Hour
		if err, ended := p.killedIn(5 * time.Minute); ended {
			p.t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		before := p.remembered(p.memo)
		if before.Closed.IsZero() || len(before.Workloads) == 0 {
			p.t.Fatalf("it was killed before anything had moved: %+v", before)
		}
		y := &way{play: p}
		if err := y.reopen(y.World, y.World, always); err != nil {
			p.t.Fatal(err)
		}
		p.open()
		if after := p.remembered(p.memo); after.Keep != 1 || !after.Closed.Equal(before.Closed) || len(after.Workloads) != len(before.Workloads) {
			p.t.Errorf("%+v", after)
		}
	})
}

// A group that another move holds still is not let go of with the one that is opened.
func TestReopeningLeavesOthersGroupsAlone(t *testing.T) {
	in(t, 2, apps(web(2)), func(p *play) {
		p.soak = 2 * time.Hour
		y := p.breachedIn(event.PhaseSoak, 0)
		y.play.memo = nil
		held := map[string]string{"drover.dev/suspended": "AZRebalance", "drover.dev/min": "2"}
		if err := errors.Join(y.Tag(context.Background(), world.New, held), y.Suspend(context.Background(), world.New, []string{"AZRebalance"})); err != nil {
			p.t.Fatal(err)
		}
		err := y.by(y.World, y.World).Reopen(context.Background(), engine.Move{
			From: engine.Host{Name: world.Old}, To: []engine.Host{{Name: world.New}}, Events: y.play,
		})
		p.With(func(h *world.Hand) {
			if g := h.Group(world.New); err != nil || !slices.Contains(g.Suspended, "AZRebalance") {
				p.t.Errorf("%v: suspended %v", err, g.Suspended)
			}
		})
	})
}
