package state

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// Power is lost while the last entry is written: wherever the file ends then,
// the stack can be read and worked on, and has all that came before.
func TestTornLastEntryIsCutOff(t *testing.T) {
	whole := places(t)["folder"]
	s := mustLock(t, whole)
	if err := made(s, "before"); err != nil {
		t.Fatal(err)
	}
	before := len(contents(t, whole, ".journal"))
	if err := made(s, "last"); err != nil {
		t.Fatal(err)
	}
	log, checkpoint := contents(t, whole, ".journal"), contents(t, whole, ".checkpoint")
	for cut := range len(log) + 1 {
		store, err := Open(ctx, "mem://")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(store.place.create(ctx, checkpointKey("dev", 0, 0), []byte(checkpoint)),
			store.place.create(ctx, logKey("dev", 1, 1), []byte(log[:cut]))); err != nil {
			t.Fatal(err)
		}
		if snap, err := store.Read(ctx, "dev"); err != nil || cut >= before && len(snap.Resources) == 0 {
			t.Fatalf("cut at byte %d of %d: %v, %+v", cut, len(log), err, snap)
		}
		goOn(t, store, cut, cut > 0 && log[cut-1] != '\n')
	}
}

// contents is the file of the stack's state with this ending.
func contents(t *testing.T, store *Store, ending string) string {
	t.Helper()
	keys, err := store.place.list(ctx, statePrefix("dev"))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if strings.HasSuffix(k, ending) {
			data, err := store.place.read(ctx, k)
			if err != nil {
				t.Fatal(err)
			}
			return string(data)
		}
	}
	return ""
}

// goOn is the next command.
func goOn(t *testing.T, store *Store, cut int, torn bool) {
	t.Helper()
	s := mustLock(t, store)
	if told := strings.Contains(strings.Join(s.Notes, " "), "torn"); told != torn {
		t.Fatalf("cut at byte %d: notes %q", cut, s.Notes)
	}
	if err := made(s, "later"); err != nil {
		t.Fatalf("cut at byte %d: %v", cut, err)
	}
	want := asText(t, s.Snapshot())
	if read, err := store.Read(ctx, "dev"); err != nil || asText(t, read) != want {
		t.Fatalf("cut at byte %d: %v\nread %+v\nwant %s", cut, err, read, want)
	}
	if err := errors.Join(s.Start(ctx, nil), s.Finish(ctx, nil), s.Unlock(ctx)); err != nil {
		t.Fatalf("cut at byte %d: %v", cut, err)
	}
	if read, err := store.Read(ctx, "dev"); err != nil || asText(t, read) != want {
		t.Fatalf("cut at byte %d, compacted: %v", cut, err)
	}
}

func asText(t *testing.T, s *Snapshot) string {
	t.Helper()
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
