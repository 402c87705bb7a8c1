package project

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/droverhq/drover/internal/durable"
	"github.com/droverhq/drover/internal/durable/durabletest"
	"github.com/droverhq/drover/internal/seal"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/value"
)

// ringOf protects with a passphrase, fast.
func ringOf(passphrase string) *seal.Ring {
	return &seal.Ring{Given: func() (string, error) { return passphrase, nil }, WorkFactor: 4}
}

// on puts all that the project writes on a disk.
func (p *Project) on(disk durable.Disk, ring *seal.Ring) {
	p.disk = disk
	p.store = state.OpenFolder(filepath.Join(p.dir, ownFolder), disk)
	p.store.Ring = ring
}

// withSecrets is a stack whose state and config hold one.
func withSecrets(t *testing.T) *Project {
	t.Helper()
	p := stackOf(t)
	p.on(durable.OS, ringOf("old"))
	if err := p.SetSecret(t.Context(), "token", "planted-aaaa"); err != nil {
		t.Fatal(err)
	}
	s, err := p.store.Lock(t.Context(), "dev", "up")
	if err != nil {
		t.Fatal(err)
	}
	r := state.Resource{URN: plan.NewURN("dev", s.Snapshot().Project, "T", "db"), Gen: 1, Type: "T", Name: "db",
		Inputs: plan.Props{"password": value.Hide("planted-bbbb")}}
	in, err := s.Begin(t.Context(), state.Intent{Op: plan.Create, URN: r.URN, Gen: 1, Resource: &r})
	if err := errors.Join(err, s.Start(t.Context(), nil), s.Done(t.Context(), in, &r), s.Finish(t.Context(), nil), s.Unlock(t.Context())); err != nil {
		t.Fatal(err)
	}
	return p
}

// reads tells whether the passphrase opens both secrets.
func reads(ctx context.Context, p *Project, passphrase string) bool {
	p.on(durable.OS, ringOf(passphrase))
	config, errConfig := p.RevealConfig(ctx)
	p.on(durable.OS, ringOf(passphrase))
	s, errState := p.snapshot(ctx)
	if errors.Join(errConfig, errState) != nil || s.Unseal(ctx, p.store.Ring) != nil {
		return false
	}
	r, _ := s.Live(plan.NewURN("dev", s.Project, "T", "db"))
	inputs, err := value.RevealMap(r.Inputs)
	return err == nil && config["token"] == "planted-aaaa" && inputs["password"] == "planted-bbbb"
}

// Whichever call of the disk is the last one that a change of the passphrase
// gets to, the same change done again ends it, and no secret is lost.
func TestChangeOfPassphraseCutOffAnywhere(t *testing.T) {
	for call := 1; ; call++ {
		p := withSecrets(t)
		disk := &durabletest.Disk{FailAt: call, Err: syscall.EIO}
		p.on(disk, ringOf("old"))
		_, err := p.protectWith(t.Context(), ringOf("new"))
		if disk.Calls() < call {
			if err != nil {
				t.Fatal(err)
			}
			if call < 10 {
				t.Errorf("only %d calls", call)
			}
			break
		}
		if err == nil && !reads(t.Context(), p, "new") {
			t.Fatalf("call %d: it was told to be done", call)
		}
		p.on(durable.OS, ringOf("old"))
		if err := p.store.Break(t.Context(), "dev"); err != nil {
			t.Fatal(err)
		}
		if _, err := p.protectWith(t.Context(), ringOf("new")); err != nil || !reads(t.Context(), p, "new") {
			t.Fatalf("cut off at call %d: %v", call, err)
		}
		if reads(t.Context(), p, "old") {
			t.Fatalf("cut off at call %d: the old passphrase still opens it", call)
		}
	}
}
