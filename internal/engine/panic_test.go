package engine_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// A panic in one step ends that step: the others are carried out and written
// down, and the next run finishes.
func TestPanicIsOneStepsFailure(t *testing.T) {
	w := newWorld(t)
	var calls atomic.Int32
	p, err := w.up(context.Background(), tutorial("web", standard, before), w.intercept(
		func(op plan.Op, r engine.Request) error {
			if calls.Add(1) == 2 {
				panic("a bug of ours")
			}
			return nil
		}))
	var caught *problem.Panic
	if !errors.As(err, &caught) || kind(err) != problem.Crashed {
		t.Fatalf("%v", err)
	}
	if n := int(calls.Load()); n < 3 || n >= len(p.Steps) {
		t.Errorf("%d calls for %d steps: what did not need the broken one should have gone on", n, len(p.Steps))
	}
	w.mustRun(tutorial("web", standard, before))
}
