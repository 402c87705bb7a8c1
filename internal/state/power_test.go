package state_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/droverhq/drover/internal/durable/durabletest"
	"github.com/droverhq/drover/internal/state"
)

// The power is lost after any call that was acknowledged: all that it was about
// is there, and the next run goes on.
func TestPowerLossLosesNothingThatWasAcknowledged(t *testing.T) {
	for calls, ended := 0, false; !ended; calls++ {
		disk := durabletest.NewPower()
		store := state.OpenFolder(t.TempDir(), disk)
		if err := store.Init(ctx, "dev", "shop"); err != nil {
			t.Fatal(err)
		}
		var acknowledged []string
		var err error
		if acknowledged, ended, err = begun(store, calls); err != nil {
			t.Fatal(err)
		}
		if err := disk.Lose(); err != nil {
			t.Fatal(err)
		}
		survives(t, store, acknowledged, fmt.Sprintf("power lost after %d calls", calls))
	}
}

// The power is lost at any call of the disk, in the middle of whatever is written.
func TestPowerLossAnywhereLosesNothingThatWasAcknowledged(t *testing.T) {
	for call := 1; ; call++ {
		disk := durabletest.NewPower()
		store := state.OpenFolder(t.TempDir(), disk)
		if err := store.Init(ctx, "dev", "shop"); err != nil {
			t.Fatal(err)
		}
		disk.OffAt = disk.Calls() + call
		acknowledged, err := work(store)
		if disk.Calls() < disk.OffAt {
			if err != nil || call < 20 {
				t.Fatalf("after %d calls: %v", call, err)
			}
			return
		}
		if err := disk.Lose(); err != nil {
			t.Fatal(err)
		}
		survives(t, store, acknowledged, fmt.Sprintf("power lost at call %d", call))
	}
}

// begun is a run that is cut off after so many calls. It tells what it was told
// to be safe, and whether it came to its end.
func begun(store *state.Store, calls int) (acknowledged []string, ended bool, err error) {
	if calls == 0 {
		return nil, false, nil
	}
	s, err := store.Lock(ctx, "dev", "up")
	steps := []func() error{func() error { return s.Start(ctx, nil) }}
	for _, name := range []string{"a", "b", "c"} {
		r := resource(name, 1)
		var in state.Intent
		steps = append(steps,
			func() (err error) {
				in, err = s.Begin(ctx, state.Intent{Op: "create", URN: r.URN, Gen: 1, Resource: &r})
				acknowledged = append(acknowledged, name)
				return err
			},
			func() error { return s.Done(ctx, in, &r) })
	}
	steps = append(steps, func() error { return s.Finish(ctx, nil) }, func() error { return s.Unlock(ctx) })
	for i, step := range steps {
		if i+1 == calls {
			return acknowledged, false, err
		}
		err = errors.Join(err, step())
	}
	return acknowledged, true, err
}

// What must be there after a loss is written so that each part of it matters: a
// disk that keeps names or contents without being asked would prove nothing.
func TestPowerLossTakesWhatWasNotSynced(t *testing.T) {
	disk := durabletest.NewPower()
	store := state.OpenFolder(t.TempDir(), forgetful{disk})
	if err := store.Init(ctx, "dev", "shop"); err != nil {
		t.Fatal(err)
	}
	if err := disk.Lose(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Read(ctx, "dev"); err == nil {
		t.Error("nothing was synced, and it is there")
	}
}

// forgetful says that it has synced folders.
type forgetful struct{ *durabletest.Power }

func (forgetful) SyncDir(string) error { return nil }
