package state_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/droverhq/drover/internal/durable/durabletest"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/problem"
)

// files are those of the stack's state, by what their names say.
func files(t testing.TB, dir, kind string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "stacks/dev/state/*."+kind))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// text is a snapshot to compare.
func text(s *state.Snapshot) string {
	data, err := json.Marshal(s)
	return fmt.Sprint(string(data), err)
}

// Any change of a byte of any file is noticed, with the file's name and a
// remedy; only at the very end of the journal it looks like a torn entry.
func TestDamageIsNoticed(t *testing.T) {
	dir := t.TempDir()
	store, s := newStack(t, "file://"+dir)
	create(t, s, resource("vpc", 1))
	all := append(files(t, dir, "journal"), files(t, dir, "checkpoint")...)
	if len(all) != 2 {
		t.Fatal(all)
	}
	rapid.Check(t, func(t *rapid.T) {
		file := rapid.SampledFrom(all).Draw(t, "file")
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.WriteFile(file, whole, 0o600) }()
		broken := append([]byte(nil), whole...)
		i := rapid.IntRange(0, len(broken)-1).Draw(t, "at")
		broken[i] ^= byte(rapid.IntRange(1, 255).Draw(t, "xor"))
		if err := os.WriteFile(file, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		snap, err := store.Read(ctx, "dev")
		last := strings.LastIndex(strings.TrimSuffix(string(whole), "\n"), "\n")
		atEnd := strings.HasSuffix(file, "journal") && i >= last
		if err == nil && !atEnd && text(snap) != text(s.Snapshot()) {
			t.Fatalf("byte %d of %s: read %+v", i, file, snap)
		}
		if err != nil && (kind(err) == 0 || !strings.Contains(err.Error(), filepath.Base(file))) {
			t.Fatalf("byte %d of %s: %v has no remedy", i, file, err)
		}
	})
}

// A file that is missing is noticed, wherever others go on from it.
func TestMissingFileIsNoticed(t *testing.T) {
	dir := t.TempDir()
	store, s := newStack(t, "file://"+dir)
	create(t, s, resource("vpc", 1))
	if err := store.Break(ctx, "dev"); err != nil {
		t.Fatal(err)
	}
	create(t, lock(t, store), resource("subnet", 1))
	for _, file := range append(files(t, dir, "journal")[:1], files(t, dir, "checkpoint")...) {
		whole, err := os.ReadFile(file)
		if err := errors.Join(err, os.Remove(file)); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Read(ctx, "dev"); kind(err) != problem.Internal || !strings.Contains(err.Error(), "missing") && !strings.Contains(err.Error(), "follows") {
			t.Errorf("without %s: %v", filepath.Base(file), err)
		}
		if err := os.WriteFile(file, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Read(ctx, "dev"); err != nil {
		t.Fatal(err)
	}
}

// Newer, older, foreign and copied states are told apart, each with its remedy.
func TestForeignFilesAreToldApart(t *testing.T) {
	for name, c := range map[string]struct {
		from, to string
		words    string
	}{
		"newer":        {`"version":2`, `"version":3`, "newer drover"},
		"zero":         {`"version":2`, `"version":0`, "no version"},
		"negative":     {`"version":2`, `"version":-1`, "no version"},
		"early build":  {"", `{"version":1,"sha256":"x","body":{}}`, "early build"},
		"Terraform":    {"", `{"version":4,"terraform_version":"1.9.0","serial":1,"lineage":"a","resources":[]}`, "Terraform"},
		"Pulumi":       {"", `{"version":3,"deployment":{"resources":[]}}`, "Pulumi"},
		"nothing":      {"", ``, "damaged"},
		"another kind": {`drover state`, `drover journal`, "drover state"},
	} {
		dir := t.TempDir()
		store := open(t, "file://"+dir)
		if err := store.Init(ctx, "dev", "shop"); err != nil {
			t.Fatal(err)
		}
		file := files(t, dir, "checkpoint")[0]
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		changed := c.to
		if c.from != "" {
			changed = strings.Replace(string(whole), c.from, c.to, 1)
		}
		if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = store.Read(ctx, "dev")
		var p *problem.Error
		if !errors.As(err, &p) || p.Fix == "" || !strings.Contains(p.Error()+p.Fix, c.words) {
			t.Errorf("%s: %v, want %q", name, err, c.words)
		}
	}
}

// The folder of one stack copied to make another: both would own the same objects.
func TestCopiedStackIsRefused(t *testing.T) {
	dir := t.TempDir()
	store, s := newStack(t, "file://"+dir)
	create(t, s, resource("vpc", 1))
	if err := os.CopyFS(filepath.Join(dir, "stacks/prod"), os.DirFS(filepath.Join(dir, "stacks/dev"))); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Read(ctx, "prod"); kind(err) != problem.Refused || !strings.Contains(err.Error(), "copy of stack dev") {
		t.Errorf("read: %v", err)
	}
	if _, err := store.Lock(ctx, "prod", "up"); kind(err) != problem.Refused {
		t.Errorf("lock: %v", err)
	}
}

// Whichever call of the disk fails, for once or from then on: the stack can be
// read, all that was acknowledged is in it, and the next run goes on.
func TestFailingDiskLosesNothing(t *testing.T) {
	for _, once := range []bool{true, false} {
		failures := 0
		for call := 1; ; call++ {
			disk := &durabletest.Disk{Err: syscall.ENOSPC, Once: once}
			store := state.OpenFolder(t.TempDir(), disk)
			if err := store.Init(ctx, "dev", "shop"); err != nil {
				t.Fatal(err)
			}
			begun := disk.Calls()
			disk.FailAt = begun + call
			acknowledged, err := work(store)
			if disk.Calls() < disk.FailAt {
				break // it needs fewer calls
			}
			if err != nil {
				failures++
			}
			disk.Heal()
			survives(t, store, acknowledged, fmt.Sprintf("call %d fails (once %v)", call, once))
		}
		if failures < 10 {
			t.Fatalf("only %d calls failed", failures)
		}
	}
}

// A disk that fills, at any byte.
func TestFullDiskLosesNothing(t *testing.T) {
	for room := 1; ; room += 97 {
		disk := new(durabletest.Disk)
		store := state.OpenFolder(t.TempDir(), disk)
		if err := store.Init(ctx, "dev", "shop"); err != nil {
			t.Fatal(err)
		}
		disk.Room = room
		acknowledged, err := work(store)
		disk.Heal()
		survives(t, store, acknowledged, fmt.Sprintf("%d bytes of room", room))
		if err == nil {
			return
		}
		var p *problem.Error
		if !errors.As(err, &p) || !strings.Contains(p.Fix, "make room") {
			t.Errorf("%d bytes of room: %v has no remedy", room, err)
		}
	}
}

// work is a run that makes four resources, deletes one and ends. It goes on
// after failures, as steps that run beside a failed one do, and tells what it
// was told to be safe.
func work(store *state.Store) (acknowledged []string, err error) {
	s, err := store.Lock(ctx, "dev", "up")
	if err != nil {
		return nil, err
	}
	errs := []error{s.Start(ctx, nil)}
	for _, name := range []string{"a", "b", "c", "d"} {
		r := resource(name, 1)
		in, err := s.Begin(ctx, state.Intent{Op: "create", URN: r.URN, Gen: 1, Resource: &r})
		if err == nil {
			acknowledged = append(acknowledged, name)
		}
		errs = append(errs, err, s.Done(ctx, in, &r))
	}
	return acknowledged, errors.Join(append(errs, s.Finish(ctx, nil), s.Unlock(ctx))...)
}

func survives(t *testing.T, store *state.Store, acknowledged []string, when string) {
	t.Helper()
	if err := store.Break(ctx, "dev"); err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	s, err := store.Lock(ctx, "dev", "up")
	if err != nil {
		t.Fatalf("%s: the next run cannot begin: %v", when, err)
	}
	for _, name := range acknowledged {
		_, made := s.Find(urn(name), 1)
		if _, begun := s.Intent("create", urn(name), 1); !made && !begun {
			t.Fatalf("%s: %s is lost", when, name)
		}
	}
	create(t, s, resource("later", 1))
	if err := errors.Join(s.Start(ctx, nil), s.Finish(ctx, nil), s.Unlock(ctx)); err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	if snap, err := store.Read(ctx, "dev"); err != nil || text(snap) != text(s.Snapshot()) {
		t.Fatalf("%s: %v", when, err)
	}
}

// What a crash left of a file that was being written goes with the next lock.
func TestLeftoversAreSwept(t *testing.T) {
	dir := t.TempDir()
	store, s := newStack(t, "file://"+dir)
	if err := s.Unlock(ctx); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(dir, "stacks/dev/state/.drover-new-0123")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Lock(ctx, "dev", "up"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// What stands in the state is nobody else's business: neither its files nor its
// folders can be read by others.
func TestStateIsForItsOwnerAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("permissions are of another kind there")
	}
	dir := t.TempDir()
	_, s := newStack(t, "file://"+dir)
	create(t, s, resource("vpc", 1))
	if err := errors.Join(s.Start(ctx, nil), s.Finish(ctx, nil), s.Unlock(ctx)); err != nil {
		t.Fatal(err)
	}
	seen := 0
	err := filepath.WalkDir(filepath.Join(dir, "stacks"), func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %v", name, info.Mode())
		}
		seen++
		return err
	})
	if err != nil || seen < 6 {
		t.Errorf("%v, saw %d", err, seen)
	}
}
