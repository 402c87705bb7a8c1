package project

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// stackOf makes a project with an empty stack.
func stackOf(t *testing.T) *Project {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, spec.File), []byte("name: shop\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Init(t.Context(), "dev"); err != nil {
		t.Fatal(err)
	}
	return p
}

// The time a person takes to answer is not the run's.
func TestAnswerIsNotCounted(t *testing.T) {
	p := stackOf(t)
	synctest.Test(t, func(t *testing.T) {
		var facts []event.Fact
		log := event.NewLog(time.Now, func(e event.Event) { facts = append(facts, e.Fact) })
		approve := func(plan.Plan) error { time.Sleep(10 * time.Minute); return nil }
		err := p.change(t.Context(), "up", "dev", log, approve, func(_ *state.Session, ask Approve) error {
			if err := ask(plan.Plan{}); err != nil {
				return err
			}
			time.Sleep(2 * time.Second)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		planned, finished := facts[1].(event.Planned), facts[2].(event.RunFinished)
		if planned.Waited != 10*time.Minute || finished.Took != 2*time.Second {
			t.Errorf("waited %s, took %s", planned.Waited, finished.Took)
		}
	})
}

// A panic in the middle of a run is an error, and does not keep the lock.
func TestPanicFreesTheLock(t *testing.T) {
	p := stackOf(t)
	var last event.Fact
	log := event.NewLog(time.Now, func(e event.Event) { last = e.Fact })
	err := p.change(t.Context(), "up", "dev", log, nil, func(*state.Session, Approve) error { panic("broken") })
	var caught *problem.Panic
	if !errors.As(err, &caught) || problem.Exit(err) != int(problem.Crashed) {
		t.Errorf("%v", err)
	}
	if f, ok := last.(event.RunFinished); !ok || f.Error != "panic: broken" {
		t.Errorf("%+v", last)
	}
	if holder, err := p.Holder(t.Context()); err == nil {
		t.Errorf("the lock is still there: %s", holder)
	}
}
