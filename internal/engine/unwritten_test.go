package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
)

var errFull = errors.New("no space left on device")

// full is a journal of which one write fails.
type full struct {
	engine.Journal
	at     int // 1: the first
	writes int
}

func (f *full) failed() bool { return f.writes >= f.at }

func (f *full) write(do func() error) error {
	if f.writes++; f.writes == f.at {
		return errFull
	}
	return do()
}

func (f *full) Start(ctx context.Context, steps map[plan.Op]int) error {
	return f.write(func() error { return f.Journal.Start(ctx, steps) })
}

func (f *full) Finish(ctx context.Context, result error) error {
	return f.write(func() error { return f.Journal.Finish(ctx, result) })
}

func (f *full) Begin(ctx context.Context, in state.Intent) (begun state.Intent, err error) {
	err = f.write(func() error { begun, err = f.Journal.Begin(ctx, in); return err })
	return begun, err
}

func (f *full) Done(ctx context.Context, in state.Intent, r *state.Resource) error {
	return f.write(func() error { return f.Journal.Done(ctx, in, r) })
}

func (f *full) Failed(ctx context.Context, in state.Intent, notMade bool) error {
	return f.write(func() error { return f.Journal.Failed(ctx, in, notMade) })
}

func (f *full) Memo(ctx context.Context, in state.Intent, m json.RawMessage) error {
	return f.write(func() error { return f.Journal.Memo(ctx, in, m) })
}

func (f *full) Learn(ctx context.Context, r state.Resource) error {
	return f.write(func() error { return f.Journal.Learn(ctx, r) })
}

func (f *full) Rename(ctx context.Context, renames []plan.Rename) error {
	return f.write(func() error { return f.Journal.Rename(ctx, renames) })
}

func (f *full) SetOutputs(ctx context.Context, values map[string]any) error {
	return f.write(func() error { return f.Journal.SetOutputs(ctx, values) })
}

func (f *full) SetWay(ctx context.Context, w *state.Way) error {
	return f.write(func() error { return f.Journal.SetWay(ctx, w) })
}

// tolled is a mover whose calls are counted.
type tolled struct {
	engine.Mover
	toll func()
}

func (m tolled) Shelter(ctx context.Context, mv engine.Move, s engine.Sheltering) error {
	m.toll()
	return m.Mover.Shelter(ctx, mv, s)
}

func (m tolled) HandOver(ctx context.Context, mv engine.Move) error {
	m.toll()
	return m.Mover.HandOver(ctx, mv)
}

func (m tolled) Ready(ctx context.Context, h engine.Host, wait func(string)) error {
	m.toll()
	return m.Mover.Ready(ctx, h, wait)
}

func (m tolled) Retire(ctx context.Context, r engine.Retirement) error {
	m.toll()
	return m.Mover.Retire(ctx, r)
}

// What cannot be written down ends the run: whichever write of the state fails, the
// error says so, nothing is made, moved or deleted after it, and the next run goes on.
func TestNothingHappensAfterAWriteThatFailed(t *testing.T) {
	for _, change := range []struct {
		about      string
		was, wants *graph.Graph
	}{
		{"a group is replaced", guarded(before, graph.Return), guarded(after, graph.Return)},
		{"a change is taken back in the file", nil, guarded(before, graph.Return)},
	} {
		for at, through := 1, false; !through; at++ {
			var w *world
			if change.was == nil {
				w = killedInItsHandOver(t)
			} else {
				w = newWorld(t)
				w.mustRun(change.was)
			}
			f, after := &full{at: at}, 0
			toll := func() {
				if f.failed() {
					after++
				}
			}
			err := w.apply(change.wants, f, func(e *engine.Engine) {
				e.Guard, e.Mover = &watcher{answer: graph.Return}, tolled{e.Mover, toll}
				w.intercept(func(plan.Op, engine.Request) error { toll(); return nil })(e)
			})
			if through = !f.failed(); through != (err == nil) || !through && !errors.Is(err, errFull) || after > 0 && !through {
				t.Errorf("%s, write %d fails: %v, and %d calls after it", change.about, at, err, after)
			}
			w.mustRun(change.wants)
		}
	}
}

// apply plans and applies by hand, with a journal of the test's own.
func (w *world) apply(g *graph.Graph, f *full, change func(*engine.Engine)) error {
	w.t.Helper()
	w.cloud.faults, w.cloud.desired, w.cloud.acting = new(faults), map[plan.URN]graph.Resource{}, w.id
	s := w.lock()
	f.Journal = s
	e := w.cloud.engine(new(told))
	change(e)
	p, err := e.Plan(context.Background(), g, s.Snapshot())
	if err != nil {
		w.t.Fatal(err)
	}
	return e.Apply(context.Background(), p, g, f)
}
