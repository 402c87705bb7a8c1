package move

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/problem"
)

var errKilled = errors.New("killed")

// mortal is a cluster as a process sees it that is killed after a while.
type mortal struct {
	handover.Cluster
	dead *atomic.Bool
}

func (m mortal) View() (*handover.View, error) {
	if m.dead.Load() {
		return nil, errKilled
	}
	return m.Cluster.View()
}

func (m mortal) PatchNode(ctx context.Context, node string, p handover.Patch) error {
	if m.dead.Load() {
		return errKilled
	}
	return m.Cluster.PatchNode(ctx, node, p)
}

func (m mortal) PatchEvictor(ctx context.Context, e handover.Evictor, p handover.Patch) error {
	if m.dead.Load() {
		return errKilled
	}
	return m.Cluster.PatchEvictor(ctx, e, p)
}

func (m mortal) PatchPod(ctx context.Context, pod handover.Ref, p handover.Patch) error {
	if m.dead.Load() {
		return errKilled
	}
	return m.Cluster.PatchPod(ctx, pod, p)
}

func (m mortal) Evict(ctx context.Context, pod handover.Ref) error {
	if m.dead.Load() {
		return errKilled
	}
	return m.Cluster.Evict(ctx, pod)
}

func (m mortal) SaveRecord(ctx context.Context, group string, record []byte) error {
	if m.dead.Load() {
		return errKilled
	}
	return m.Cluster.SaveRecord(ctx, group, record)
}

// killedIn is a session of a process that is killed after a while.
func (r region) killedIn(d time.Duration) *session {
	s, dead := r.session(), new(atomic.Bool)
	s.cluster = mortal{s.cluster, dead}
	time.AfterFunc(d, func() { dead.Store(true) })
	return s
}

// only is the one move that the cluster has, if it is no way back.
func (r region) only(t *testing.T) Move {
	t.Helper()
	all, err := list(context.Background(), r, func() time.Time { return time.Now().Add(r.Skew) })
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if returns(m.order) == "" {
			return m
		}
	}
	t.Fatalf("no move among %+v", all)
	return Move{}
}

// back takes the only move back.
func (r region) back(t *testing.T, s *session, change func(*Options)) error {
	t.Helper()
	m := r.only(t)
	o, err := Taken(Access{}, m)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&o)
	}
	return giveBack(context.Background(), s, m, o)
}

// asBefore wants all pods on the old nodes, and nothing closed or remembered.
func (r region) asBefore(t *testing.T, apps []*world.App) {
	t.Helper()
	if left := r.left(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	r.With(func(h *world.Hand) {
		for _, a := range apps {
			if n := len(h.On(world.New, a.Name)); n > 0 {
				t.Errorf("%d pods of %s are not back", n, a.Name)
			}
		}
	})
}

// moved moves everything off the old nodes, and keeps these.
func (r region) moved(t *testing.T, to ...Set) {
	t.Helper()
	if err := run(context.Background(), r.session(), Options{From: []Set{{ASG, world.Old}}, To: to}); err != nil {
		t.Fatal(err)
	}
}

// What has moved goes back to the old nodes, once these serve again, and then all
// is as it was before.
func TestReturnMovesBack(t *testing.T) {
	for name, to := range map[string][]Set{"to a group": {{ASG, world.New}}, "wherever": nil} {
		t.Run(name, func(t *testing.T) {
			apps := web()
			in(t, 3, apps, func(r region) {
				r.moved(t, to...)
				if m := r.only(t); m.State != Kept {
					t.Fatalf("%+v", m)
				}
				var shown Report
				err := r.back(t, r.session(), func(o *Options) { o.Show = func(r Report) error { shown = r; return nil } })
				if err != nil {
					t.Fatal(err)
				}
				if len(shown.Pods) != 5 || len(shown.Nodes) == 0 {
					t.Errorf("shown: %+v", shown)
				}
				r.asBefore(t, apps)
			})
		})
	}
}

// Only to look changes nothing.
func TestReturnAsks(t *testing.T) {
	in(t, 2, web(), func(r region) {
		r.moved(t)
		before, no := r.left(), errors.New("no")
		if err := r.back(t, r.session(), func(o *Options) { o.Approve = func(Report) error { return no } }); !errors.Is(err, no) {
			t.Error(err)
		}
		if now := r.left(); strings.Join(now, "\n") != strings.Join(before, "\n") {
			t.Errorf("before %v\nnow %v", before, now)
		}
	})
}

// Killed at any moment, the same command goes on, and comes to the same end.
func TestReturnGoesOnAfterAKill(t *testing.T) {
	for after := time.Second; after < 100*time.Second; after += 9 * time.Second {
		t.Run(after.String(), func(t *testing.T) {
			apps := web()
			in(t, 2, apps, func(r region) {
				r.moved(t)
				if err := r.back(t, r.killedIn(after), nil); err == nil {
					r.asBefore(t, apps)
					return
				}
				time.Sleep(30 * time.Second) // its lock runs out
				if err := r.back(t, r.session(), nil); err != nil {
					t.Fatal(err)
				}
				r.asBefore(t, apps)
			})
		})
	}
}

// Pods that were there before the move, and those of others, stay where they are.
func TestReturnLeavesOthersAlone(t *testing.T) {
	apps := append(web(), &world.App{Name: "late", Replicas: 2, Surge: 1})
	in(t, 2, apps, func(r region) {
		if err := run(context.Background(), r.session(), Options{From: []Set{{ASG, world.Old}}, Only: Only{Workloads: []string{"web", "one"}}}); err != nil {
			t.Fatal(err)
		}
		on := func() (n int) { r.With(func(h *world.Hand) { n = len(h.On(world.Old, "late")) }); return n }
		before := on()
		if err := r.back(t, r.session(), nil); err != nil {
			t.Fatal(err)
		}
		if now := on(); now != before {
			t.Errorf("of a workload that never moved %d pods are on the old nodes, and %d were", now, before)
		}
		r.asBefore(t, web())
	})
}

// A plan's move, one that somebody works on, and a way back itself are not taken
// back like that.
func TestWhatIsNotTakenBack(t *testing.T) {
	for words, m := range map[string]Move{
		"drover return":                 {Name: "web-1", Stack: true},
		"drover moves abort":            {Name: "asg/a", By: "alice@laptop"},
		"drover moves return asg/a":     {Name: "asg/a/return", order: []byte(`{"returns":"asg/a"}`)},
		"drover moves return node/ip-1": {Name: "node/ip-1/return", order: []byte(`{"returns":"node/ip-1"}`)},
	} {
		_, err := Taken(Access{}, m)
		var told *problem.Error
		if !errors.As(err, &told) || !strings.Contains(told.Fix, words) {
			t.Errorf("%+v: %v", m, err)
		}
	}
}
