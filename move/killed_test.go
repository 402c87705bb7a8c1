package move

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/problem"
)

// counted is a cluster and its account as a process sees them that is killed after
// so many calls that change something: what it asks for after that never arrives.
type counted struct {
	region
	handover.Cluster
	left *atomic.Int64
}

func (m counted) spend() error {
	if m.left.Add(-1) < 0 {
		return errKilled
	}
	return nil
}

// View is of the managed group web: its nodes carry the label of EKS.
func (m counted) View() (*handover.View, error) {
	if m.left.Load() < 0 {
		return nil, errKilled
	}
	v, err := m.Cluster.View()
	if err != nil {
		return v, err
	}
	for _, n := range v.Nodes {
		if n.Group == world.Old {
			if n.Labels == nil {
				n.Labels = map[string]string{}
			}
			n.Labels[managedLabel] = "web"
		}
	}
	return v, nil
}

func (m counted) Changed() <-chan struct{} { return m.Cluster.Changed() }

func (m counted) Close() {}

func (m counted) PatchNode(ctx context.Context, node string, p handover.Patch) error {
	return errors.Join(m.spend(), m.alive(func() error { return m.Cluster.PatchNode(ctx, node, p) }))
}

func (m counted) PatchEvictor(ctx context.Context, e handover.Evictor, p handover.Patch) error {
	return errors.Join(m.spend(), m.alive(func() error { return m.Cluster.PatchEvictor(ctx, e, p) }))
}

func (m counted) PatchPod(ctx context.Context, pod handover.Ref, p handover.Patch) error {
	return errors.Join(m.spend(), m.alive(func() error { return m.Cluster.PatchPod(ctx, pod, p) }))
}

func (m counted) Evict(ctx context.Context, pod handover.Ref) error {
	return errors.Join(m.spend(), m.alive(func() error { return m.Cluster.Evict(ctx, pod) }))
}

func (m counted) DeleteNode(ctx context.Context, node string) error {
	return errors.Join(m.spend(), m.alive(func() error { return m.Cluster.DeleteNode(ctx, node) }))
}

func (m counted) SaveRecord(ctx context.Context, group string, record []byte) error {
	return errors.Join(m.spend(), m.alive(func() error { return m.Cluster.SaveRecord(ctx, group, record) }))
}

func (m counted) Lock(ctx context.Context, move, holder string, d time.Duration) (handover.Lock, error) {
	if m.left.Load() < 0 {
		return handover.Lock{}, errKilled
	}
	return m.Cluster.Lock(ctx, move, holder, d)
}

func (m counted) Unlock(ctx context.Context, move, holder string) error {
	return m.alive(func() error { return m.Cluster.Unlock(ctx, move, holder) })
}

// alive carries out what a living process asks for.
func (m counted) alive(do func() error) error {
	if m.left.Load() < 0 {
		return errKilled
	}
	return do()
}

// countedAWS is the part of the counted's view that AWS answers.
type countedAWS struct {
	region
	counted counted
}

func (a countedAWS) Terminate(ctx context.Context, group string, ids []string) error {
	return errors.Join(a.counted.spend(), a.counted.alive(func() error { return a.region.Terminate(ctx, group, ids) }))
}

func (a countedAWS) SetMin(ctx context.Context, group string, n int) error {
	return errors.Join(a.counted.spend(), a.counted.alive(func() error { return a.region.SetMin(ctx, group, n) }))
}

func (a countedAWS) Suspend(ctx context.Context, group string, p []string) error {
	return errors.Join(a.counted.spend(), a.counted.alive(func() error { return a.region.Suspend(ctx, group, p) }))
}

func (a countedAWS) Resume(ctx context.Context, group string, p []string) error {
	return errors.Join(a.counted.spend(), a.counted.alive(func() error { return a.region.Resume(ctx, group, p) }))
}

func (a countedAWS) Tag(ctx context.Context, group string, t map[string]string) error {
	return errors.Join(a.counted.spend(), a.counted.alive(func() error { return a.region.Tag(ctx, group, t) }))
}

func (a countedAWS) Untag(ctx context.Context, group string, keys []string) error {
	return errors.Join(a.counted.spend(), a.counted.alive(func() error { return a.region.Untag(ctx, group, keys) }))
}

func (a countedAWS) DeleteGroup(ctx context.Context, e handover.Ending) error {
	return errors.Join(a.counted.spend(), a.counted.alive(func() error { return a.region.DeleteGroup(ctx, e) }))
}

// process is a session that is killed after so many calls.
func (r region) process(calls int64) *session {
	left := &atomic.Int64{}
	left.Store(calls)
	m := counted{region: r, Cluster: r.Another(), left: left}
	a := countedAWS{r, m}
	return &session{cluster: m, scaling: a, balancers: r, fleet: a, undo: a}
}

// A move whose group is to be emptied or deleted, killed at any call, is brought to
// its end by the same command from elsewhere: also when no node is left to say what
// was meant, or the group itself is gone.
func TestKilledBeforeTheEnd(t *testing.T) {
	const patient = 1 << 40
	for _, o := range []Options{
		{From: []Set{{ASG, world.Old}}, Then: Empty}, {From: []Set{{ASG, world.Old}}, Then: Delete}, {From: []Set{{NodeGroup, "web"}}, Then: Delete},
	} {
		for calls, through := int64(1), false; !through && !t.Failed(); calls++ {
			t.Run(fmt.Sprintf("%s %s after %d calls", o.From[0], o.Then, calls), func(t *testing.T) {
				in(t, 2, web()[:1], func(r region) {
					if through = run(context.Background(), r.process(calls), o) == nil; through {
						return
					}
					if err := run(context.Background(), r.process(patient), o); err != nil {
						t.Fatalf("%s", problemText(err))
					}
					r.gone(t, o.Then)
				})
			})
		}
	}
}

// gone: nothing is left of the move.
func (r region) gone(t *testing.T, then Then) {
	t.Helper()
	g, err := r.Group(context.Background(), world.Old)
	switch {
	case then == Delete && !errors.Is(err, handover.ErrNotFound):
		t.Errorf("the group is there still: %v, %+v", err, g)
	case then == Empty && (err != nil || len(g.Instances)+len(g.Suspended)+len(g.Tags) > 0):
		t.Errorf("the group is not empty, or not let go: %v, %+v", err, g)
	}
	for _, line := range r.left() {
		if !strings.HasPrefix(line, "group "+world.Old+": min 0") { // an empty group keeps none
			t.Errorf("left: %s", line)
		}
	}
	if records, _ := r.Records(context.Background()); len(records) > 0 {
		t.Errorf("%d records are left", len(records))
	}
}

// Somebody who has made a group of the same name since is not taken at his word for
// the one before: its nodes are looked at as any others.
func TestNothingIsLeftToEndOfAnotherGroup(t *testing.T) {
	in(t, 2, web(), func(r region) {
		o := Options{From: []Set{{NodeGroup, "other"}}, Then: Delete}
		rec := handover.Record{Group: "nodegroup/other", Phase: handover.Done, Ending: &handover.Ending{Group: world.Old}}
		if err := r.SaveRecord(context.Background(), rec.Group, encode(rec)); err != nil {
			t.Fatal(err)
		}
		var shown Report
		o.Show = func(report Report) error { shown = report; return nil }
		err := run(context.Background(), r.process(1<<40), o)
		var p *problem.Error
		if !errors.As(err, &p) {
			t.Errorf("%v %+v", err, shown)
		}
		if g, err := r.Group(context.Background(), world.Old); err != nil || len(g.Instances) != 2 {
			t.Errorf("its instances were ended: %v %+v", err, g)
		}
	})
}
