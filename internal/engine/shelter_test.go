package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// diarist writes down what a mover is asked for.
type diarist struct {
	engine.Mover
	calls  []string
	memo   string // of the hand-over, as it goes on
	asked  engine.Sheltering
	reopen error
}

func (d *diarist) Shelter(ctx context.Context, m engine.Move, s engine.Sheltering) error {
	d.calls, d.asked = append(d.calls, "shelter"), s
	return d.Mover.Shelter(ctx, m, s)
}

func (d *diarist) HandOver(ctx context.Context, m engine.Move) error {
	d.calls, d.memo = append(d.calls, "hand over"), string(m.Memo)
	return d.Mover.HandOver(ctx, m)
}

func (d *diarist) Reopen(ctx context.Context, r engine.Move) error {
	d.calls = append(d.calls, "reopen")
	if d.reopen != nil {
		return d.reopen
	}
	return d.Mover.Reopen(ctx, r)
}

// watchedUp changes the tutorial, and writes down the updates of workloads as well.
func (w *world) watchedUp(d *diarist, n nodes, fails error, events event.Sink) error {
	_, err := w.up(context.Background(), tutorial("web", standard, n), func(e *engine.Engine) {
		d.Mover, e.Mover, e.Events = e.Mover, d, events
		w.intercept(func(op plan.Op, r engine.Request) error {
			if op != plan.Update || r.Type != workload {
				return nil
			}
			d.calls = append(d.calls, "update")
			return fails
		})(e)
	})
	return err
}

// Before a Deployment is placed anew its pods are let go; the hand-over goes on
// with what was kept of that.
func TestRolloutIsSheltered(t *testing.T) {
	w, d := newWorld(t), &diarist{}
	w.mustRun(tutorial("web", standard, before))
	if err := w.watchedUp(d, after, nil, event.Discard); err != nil {
		t.Fatal(err)
	}
	if want := []string{"shelter", "update", "hand over"}; !slices.Equal(d.calls, want) || d.memo != `{"phase":"ready"}` {
		t.Errorf("%v, the hand-over goes on with %q", d.calls, d.memo)
	}
	nginx := graph.Key{Type: workload, Name: "apps/nginx"}
	if !slices.Equal(d.asked.Rollouts, []graph.Key{nginx}) || !slices.Contains(d.asked.Replaced, nginx) {
		t.Errorf("%+v", d.asked)
	}
}

// Where the rollout fails the nodes open again, and the next run begins anew.
func TestShelterOfAFailedRolloutIsTakenBack(t *testing.T) {
	w, d := newWorld(t), &diarist{}
	w.mustRun(tutorial("web", standard, before))
	stuck := &problem.Error{Kind: problem.Outside, Op: "update", Err: errors.New("0 of 3 pods available"), Fix: "-"}
	if err := w.watchedUp(d, after, stuck, event.Discard); kind(err) != problem.Outside || !strings.HasSuffix(err.Error(), "0 of 3 pods available") {
		t.Fatal(err)
	}
	if want := []string{"shelter", "update", "reopen"}; !slices.Equal(d.calls, want) {
		t.Errorf("%v", d.calls)
	}
	d.calls = nil
	if err := w.watchedUp(d, after, nil, event.Discard); err != nil {
		t.Fatal(err)
	}
	if want := []string{"shelter", "update", "hand over"}; !slices.Equal(d.calls, want) {
		t.Errorf("%v", d.calls)
	}
}

// Once its hand-over has gone on a host is not opened, whatever fails after that.
func TestHandedOverHostIsNotOpened(t *testing.T) {
	w, d := newWorld(t), &diarist{}
	w.mustRun(tutorial("web", standard, before))
	_, err := w.up(context.Background(), tutorial("web", standard, after), func(e *engine.Engine) {
		d.Mover, e.Mover = e.Mover, d
		w.intercept(failing(plan.Delete, group, errLimit))(e)
	})
	if want := []string{"shelter", "hand over"}; !errors.Is(err, errLimit) || !slices.Equal(d.calls, want) {
		t.Errorf("%v, %v, want %v", err, d.calls, want)
	}
}

// Nodes that cannot be opened again are told of.
func TestShelterThatCannotBeTakenBackIsTold(t *testing.T) {
	w, d, events := newWorld(t), &diarist{reopen: errors.New("no answer")}, new(told)
	w.mustRun(tutorial("web", standard, before))
	_ = w.watchedUp(d, after, errors.New("0 of 3 pods available"), events)
	if !slices.ContainsFunc(events.facts, func(f event.Fact) bool {
		x, is := f.(event.Finding)
		return is && x.Severity == event.Warning && x.Fix == "run the same command again, or drover restore"
	}) {
		t.Error("nobody was told")
	}
}
