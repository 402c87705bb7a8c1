package handover_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

var errKilled = errors.New("killed")

// mortal is a world as a process sees it that is killed after so many calls
// that change something: what it asks for after that never leaves the machine.
type mortal struct {
	*world.World
	left atomic.Int64
}

func (m *mortal) spend(what string) error {
	m.Travel("mortal " + what)
	if m.left.Add(-1) < 0 {
		return errKilled
	}
	return nil
}

func (m *mortal) dead() bool { return m.left.Load() < 0 }

func (m *mortal) View() (*handover.View, error) {
	if m.dead() {
		return nil, errKilled
	}
	return m.World.View()
}

func (m *mortal) PatchNode(ctx context.Context, node string, p handover.Patch) error {
	if err := m.spend("node " + node); err != nil {
		return err
	}
	return m.World.PatchNode(ctx, node, p)
}

func (m *mortal) PatchEvictor(ctx context.Context, e handover.Evictor, p handover.Patch) error {
	if err := m.spend("evictor " + e.Key()); err != nil {
		return err
	}
	return m.World.PatchEvictor(ctx, e, p)
}

func (m *mortal) PatchPod(ctx context.Context, pod handover.Ref, p handover.Patch) error {
	if err := m.spend("pod " + pod.Name); err != nil {
		return err
	}
	return m.World.PatchPod(ctx, pod, p)
}

func (m *mortal) Evict(ctx context.Context, pod handover.Ref) error {
	if err := m.spend("eviction " + pod.Name); err != nil {
		return err
	}
	return m.World.Evict(ctx, pod)
}

func (m *mortal) Guard(ctx context.Context, node string, repels []handover.Repelled) error {
	if err := m.spend("guard " + node); err != nil {
		return err
	}
	return m.World.Guard(ctx, node, repels)
}

func (m *mortal) SaveRecord(ctx context.Context, group string, record []byte) error {
	if err := m.spend("record " + group); err != nil {
		return err
	}
	return m.World.SaveRecord(ctx, group, record)
}

func (m *mortal) Suspend(ctx context.Context, group string, processes []string) error {
	if err := m.spend("suspend " + group); err != nil {
		return err
	}
	return m.World.Suspend(ctx, group, processes)
}

func (m *mortal) Deregister(ctx context.Context, from, instance string) error {
	if err := m.spend("deregister " + instance); err != nil {
		return err
	}
	return m.World.Deregister(ctx, from, instance)
}

func (m *mortal) Register(ctx context.Context, with, instance string) error {
	if err := m.spend("register " + instance); err != nil {
		return err
	}
	return m.World.Register(ctx, with, instance)
}

func (m *mortal) Tag(ctx context.Context, group string, tags map[string]string) error {
	if err := m.spend("tag " + group); err != nil {
		return err
	}
	return m.World.Tag(ctx, group, tags)
}

func (m *mortal) Resume(ctx context.Context, group string, processes []string) error {
	if err := m.spend("resume " + group); err != nil {
		return err
	}
	return m.World.Resume(ctx, group, processes)
}

// killedAfter runs the move in a process that is killed after so many calls.
// It is true if the move ended before that, with what it returned.
func (p *play) killedAfter(calls int) (error, bool) {
	return p.mortal(calls, 8*time.Hour)
}

// killedIn runs the move in a process that is killed after a while.
func (p *play) killedIn(d time.Duration) (error, bool) { return p.mortal(1<<30, d) }

func (p *play) mortal(calls int, d time.Duration) (error, bool) {
	m := &mortal{World: p.World}
	m.left.Store(int64(calls))
	defer time.AfterFunc(d, func() { m.left.Store(-1) }).Stop()
	err := p.by(m, m).HandOver(context.Background(), p.step(func(memo json.RawMessage) error {
		if m.dead() {
			return errKilled
		}
		p.memo = memo
		return nil
	}))
	return err, !m.dead()
}

func (p *play) by(cluster handover.Cluster, scaling handover.Scaling) *handover.Mover {
	return handover.New(scaling, scaling.(handover.Balancers), func(ctx context.Context, _ plan.Props) (handover.Cluster, error) {
		return watched{cluster, ctx}, nil
	}, p)
}

// step is what the engine asks for.
func (p *play) step(save func(json.RawMessage) error) engine.Move {
	return engine.Move{
		Step: 1, From: engine.Host{Name: world.Old, Soak: p.soak}, To: p.to(), Keep: p.keep, EndSoak: p.hasten, Memo: p.memo, Save: save, Events: p,
		Breach: func() (string, bool) { p.mu.Lock(); defer p.mu.Unlock(); return p.breach, p.breach != "" },
	}
}

// to are the groups that take the pods: the same one, for a shrink.
func (p *play) to() []engine.Host {
	if p.keep > 0 {
		return []engine.Host{{Name: world.Old}}
	}
	return []engine.Host{{Name: world.New}}
}

// retire takes the nodes away.
func (p *play) retire() error {
	return p.by(p.World, p.World).Retire(context.Background(), engine.Retirement{
		Host: engine.Host{Name: world.Old}, Keep: p.keep, Wait: func(string) {},
		Breach: func() (string, bool) { p.mu.Lock(); defer p.mu.Unlock(); return p.breach, p.breach != "" },
	})
}

// watched is a cluster whose watches end with the context that it was opened with.
type watched struct {
	handover.Cluster
	ctx context.Context
}

func (w watched) View() (*handover.View, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	return w.Cluster.View()
}

// A run that is killed right when it takes a pod out of its Services, and one that
// stops at once by a view that does not show that yet: the pod gets back what it lost.
func TestPodThatWasJustTakenOutIsGivenBackWhole(t *testing.T) {
	for calls := 2; calls < 40; calls++ {
		in(t, 1, apps(&world.App{Name: "web", Replicas: 3, Surge: 1, Local: true}), func(p *play) {
			p.With(func(h *world.Hand) { p.Stale = 4; h.Forgive() })
			if _, through := p.killedAfter(calls); through {
				return
			}
			p.suffer("GET /: 502")
			p.ended(p.move(), problem.Guarded, "502")
			time.Sleep(2 * time.Minute)
			p.With(func(h *world.Hand) {
				if n := h.Taken("web"); n > 0 {
					p.t.Errorf("after %d calls: no Service selects %d pods that are Ready", calls, n)
				}
			})
		})
	}
}

// forgetful is a world whose records of moves cannot be read for a while.
type forgetful struct {
	*world.World
	until time.Time
}

func (f *forgetful) Records(ctx context.Context) (map[string][]byte, error) {
	if time.Now().Before(f.until) {
		return nil, errors.New("the server is busy")
	}
	return f.World.Records(ctx)
}

// through hands over in a process that has nothing but the cluster.
func (p *play) through(cluster handover.Cluster) error {
	p.memo = nil
	return p.by(cluster, p.World).HandOver(context.Background(), p.step(func(memo json.RawMessage) error { p.memo = memo; return nil }))
}

// record is what stands in the cluster of the move.
func (p *play) record() *handover.Record {
	all, _ := p.Records(context.Background())
	rec, err := handover.ReadRecord(all[world.Old])
	if err != nil {
		p.t.Fatal(err)
	}
	return rec
}

// A move that only the cluster remembers goes on, although its record cannot be
// read at first.
func TestARecordThatDoesNotComeIsAskedForAgain(t *testing.T) {
	in(t, 3, apps(web(4)), func(p *play) {
		_, _ = p.killedIn(25 * time.Second)
		before := p.record()
		if before.Closed.IsZero() {
			t.Fatalf("it was killed in %s", before.Phase)
		}
		if err := p.through(&forgetful{p.World, time.Now().Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
		if after, err := handover.ReadRecord(p.memo); err != nil || !after.Closed.Equal(before.Closed) {
			t.Errorf("it began anew: closed %s, and before that %s: %v", after.Closed, before.Closed, err)
		}
	})
}

// One that never comes, and one that cannot be understood, is no reason to begin
// anew: nothing is touched.
func TestWithoutItsRecordNothingBegins(t *testing.T) {
	in(t, 2, apps(web(3)), func(p *play) {
		err := p.through(&forgetful{p.World, time.Now().Add(time.Hour)})
		if err == nil || !strings.Contains(err.Error(), "the server is busy") {
			t.Error(err)
		}
		p.open()
		if err := p.SaveRecord(context.Background(), world.Old, []byte(`{"phase": {"of": "another version"}}`)); err != nil {
			t.Fatal(err)
		}
		err = p.through(p.World)
		_ = p.SaveRecord(context.Background(), world.Old, nil)
		p.ended(err, problem.Refused, "drover restore", "another version")
	})
}

// Killed while a target group that lists a pod no more may still send to it, and
// gone on with from the cluster alone: who sent to pods is remembered as well.
func TestWhoSendsToPodsIsRemembered(t *testing.T) {
	for _, after := range []time.Duration{25 * time.Second, 2 * time.Minute, 4 * time.Minute} {
		in(t, 2, apps(&world.App{Name: "web", Replicas: 2, Surge: 1, Balancer: world.NLB, ByAddress: true}), func(p *play) {
			time.Sleep(3 * time.Minute)
			if _, through := p.killedIn(after); through {
				return
			}
			if known := p.record().Balancers; !slices.Contains(known, "web") {
				t.Errorf("after %s: %v", after, known)
			}
			if err := p.through(p.World); err != nil {
				t.Error(err)
			}
		})
	}
}

// What cannot be saved is not done: the move ends with that error.
func TestWhatCannotBeSavedIsNotDone(t *testing.T) {
	full := errors.New("no space left on device")
	for n := range 3 {
		in(t, 2, apps(web(2)), func(p *play) {
			saves := 0
			err := p.by(p.World, p.World).HandOver(context.Background(), p.step(func(json.RawMessage) error {
				if saves++; saves > n {
					return full
				}
				return nil
			}))
			if !errors.Is(err, full) {
				t.Errorf("after %d saves: %v", n, err)
			}
			if left := p.leftBut("record of"); n == 0 && len(left) > 0 {
				t.Errorf("done before it was saved: %v", left)
			}
		})
	}
}

// A move that is done leaves no record in the cluster. Asked for again, it looks once more
// whether the nodes are empty.
func TestMoveThatIsDoneLooksOnceMore(t *testing.T) {
	in(t, 2, apps(web(4)), func(p *play) {
		p.done(p.move(), "web")
		p.With(func(h *world.Hand) {
			if left := h.Left(); slices.ContainsFunc(left, func(line string) bool { return strings.Contains(line, "record of") }) {
				t.Errorf("left behind: %v", left)
			}
			h.Uncordon()
			h.Scale("web", 9)
		})
		time.Sleep(30 * time.Second)
		p.With(func(h *world.Hand) {
			if len(h.On(world.Old, "web")) == 0 {
				t.Error("no pod came back: there is nothing to see")
			}
		})
		p.done(p.move(), "web")
	})
}
