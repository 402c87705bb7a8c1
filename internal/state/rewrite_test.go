package state_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/droverhq/drover/internal/durable/durabletest"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// Whichever call of the disk fails during a rename: there are never two stacks
// that can be used, the same call ends it, and nothing is lost.
func TestRenameCutOffAnywhere(t *testing.T) {
	for call := 1; ; call++ {
		disk := &durabletest.Disk{Err: syscall.ENOSPC}
		store := state.OpenFolder(t.TempDir(), disk)
		if err := store.Init(ctx, "dev", "shop"); err != nil {
			t.Fatal(err)
		}
		s := lock(t, store)
		create(t, s, resource("vpc", 1))
		create(t, s, resource("subnet", 1, state.Need{URN: urn("vpc"), Gen: 1}))
		if err := errors.Join(s.Start(ctx, nil), s.Finish(ctx, nil), s.Unlock(ctx)); err != nil {
			t.Fatal(err)
		}
		disk.FailAt = disk.Calls() + call
		err := store.Rename(ctx, "dev", "prod")
		whole := disk.Calls() < disk.FailAt
		disk.Heal()
		_, errOld := store.Read(ctx, "dev")
		now, errNew := store.Read(ctx, "prod")
		if errOld == nil && errNew == nil {
			t.Fatalf("call %d failed (%v): both own the same objects", call, err)
		}
		if errNew != nil || errOld != nil && kind(errOld) == problem.Refused {
			if err := errors.Join(store.Break(ctx, "dev"), store.Rename(ctx, "dev", "prod")); err != nil {
				t.Fatalf("call %d failed: the same rename again: %v", call, err)
			}
			if now, err = store.Read(ctx, "prod"); err != nil {
				t.Fatal(err)
			}
		}
		subnet, there := now.Find(plan.NewURN("prod", "shop", "T", "subnet"), 1)
		if !there || subnet.ID != "id-subnet" || subnet.Needs[0].URN != plan.NewURN("prod", "shop", "T", "vpc") {
			t.Fatalf("call %d failed: %+v", call, now.Resources)
		}
		if runs, err := store.History(ctx, "prod"); err != nil || len(runs) == 0 {
			t.Fatalf("call %d failed: history %v, %v", call, runs, err)
		}
		if whole {
			return
		}
	}
}

// A rename to a name that is taken, and to its own, leaves both as they are.
func TestRenameOverwritesNothing(t *testing.T) {
	store, s := newStack(t, "file://"+t.TempDir())
	create(t, s, resource("vpc", 1))
	if err := errors.Join(s.Unlock(ctx), store.Init(ctx, "prod", "shop")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"prod", "dev", "no/name"} {
		if err := store.Rename(ctx, "dev", name); kind(err) != problem.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
	if snap, err := store.Read(ctx, "dev"); err != nil || len(snap.Resources) != 1 {
		t.Errorf("%v, %v", snap, err)
	}
	if snap, err := store.Read(ctx, "prod"); err != nil || !snap.Empty() {
		t.Errorf("%v, %v", snap, err)
	}
}
