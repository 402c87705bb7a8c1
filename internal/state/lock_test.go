package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/droverhq/drover/internal/durable/durabletest"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

var ctx = context.Background()

// places are a folder and a bucket with an empty stack in each.
func places(t *testing.T) map[string]*Store {
	t.Helper()
	mem, err := Open(ctx, "mem://")
	if err != nil {
		t.Fatal(err)
	}
	stores := map[string]*Store{"folder": OpenFolder(t.TempDir(), new(durabletest.Disk)), "bucket": mem}
	for _, s := range stores {
		if err := s.Init(ctx, "dev", "shop"); err != nil {
			t.Fatal(err)
		}
	}
	return stores
}

func mustLock(t *testing.T, s *Store) *Session {
	t.Helper()
	session, err := s.Lock(ctx, "dev", "up")
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func kindOf(err error) problem.Kind {
	var p *problem.Error
	if !errors.As(err, &p) || p.Fix == "" {
		return 0
	}
	return p.Kind
}

func vpc(name any) Resource {
	return Resource{URN: plan.NewURN("dev", "shop", "T", fmt.Sprint(name)), Gen: 1, Type: "T", Name: fmt.Sprint(name)}
}

// make writes what a create writes.
func made(s *Session, name any) error {
	r := vpc(name)
	in, err := s.Begin(ctx, Intent{Op: plan.Create, URN: r.URN, Gen: 1, Resource: &r})
	if err != nil {
		return err
	}
	return s.Done(ctx, in, &r)
}

// Only a holder that is dead for sure is passed over. A clone of a machine has
// its name and its ID, and another boot: on storage that both can reach, its
// run may be alive.
func TestLockOfTheDead(t *testing.T) {
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	gone := func(l *Lock) { l.PID = ended.Process.Pid }
	for name, c := range map[string]struct {
		change        func(*Lock)
		alone, shared bool // dead where only this machine writes, and where others do
	}{
		"it runs":                    {func(*Lock) {}, false, false},
		"its process ended":          {gone, true, true},
		"its process ID is reused":   {func(l *Lock) { l.Started = "1" }, true, true},
		"another boot":               {func(l *Lock) { l.Boot, l.PID = "before", 1 }, true, false},
		"a machine without boot IDs": {func(l *Lock) { gone(l); l.Boot = "" }, false, false},
		"another host":               {func(l *Lock) { gone(l); l.Host = "elsewhere" }, false, false},
		"another machine":            {func(l *Lock) { gone(l); l.Machine = "elsewhere" }, false, false},
		"another PID namespace":      {func(l *Lock) { gone(l); l.Space = "pid:[1]" }, false, false},
	} {
		l := newLock("up")
		c.change(&l)
		if l.dead(true) != c.alone || l.dead(false) != c.shared {
			t.Errorf("%s: dead %v where this machine is alone, %v where it is not", name, l.dead(true), l.dead(false))
		}
	}
}

// A lock whose process has died is taken over with a word, any other is not.
func TestLockIsTakenOver(t *testing.T) {
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	for name, store := range places(t) {
		mustLock(t, store)
		if _, err := store.Lock(ctx, "dev", "destroy"); kindOf(err) != problem.Locked || !strings.Contains(err.Error(), `"up"`) {
			t.Fatalf("%s: locked by this process: %v", name, err)
		}
		var l Lock
		data, err := store.place.read(ctx, lockKey("dev", 1))
		if err := errors.Join(err, json.Unmarshal(data, &l)); err != nil {
			t.Fatal(err)
		}
		l.PID = ended.Process.Pid
		if err := store.place.replace(ctx, lockKey("dev", 1), l.text()); err != nil {
			t.Fatal(err)
		}
		next := mustLock(t, store)
		if len(next.Notes) != 1 || !strings.Contains(next.Notes[0], "took over") {
			t.Errorf("%s: notes %q", name, next.Notes)
		}
	}
}

// Of many that come at once, one gets the lock.
func TestLockIsExclusive(t *testing.T) {
	for name, store := range places(t) {
		const takers = 8
		won := make(chan *Session, takers)
		for range takers {
			go func() {
				one, _ := store.Lock(ctx, "dev", "up")
				won <- one
			}()
		}
		winners := 0
		for range takers {
			if <-won != nil {
				winners++
			}
		}
		if winners != 1 {
			t.Errorf("%s: %d winners", name, winners)
		}
	}
}

// A run whose lock was cancelled writes nothing any more, also once the next
// run has ended and its journal is gone.
func TestCancelledRunIsFenced(t *testing.T) {
	for name, store := range places(t) {
		first := mustLock(t, store)
		if err := errors.Join(first.Start(ctx, map[plan.Op]int{plan.Create: 9}), made(first, 1), store.Break(ctx, "dev")); err != nil {
			t.Fatal(err)
		}
		second := mustLock(t, store)
		if err := errors.Join(second.Start(ctx, nil), made(second, 2)); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if err := made(first, 10+i); kindOf(err) != problem.Locked {
				t.Errorf("%s: the first run writes: %v", name, err)
			}
		}
		if err := errors.Join(second.Finish(ctx, nil), second.Unlock(ctx)); err != nil {
			t.Fatal(err)
		}
		for i := range 6 {
			if err := made(first, 20+i); kindOf(err) != problem.Locked {
				t.Errorf("%s: the first run writes after the second ended: %v", name, err)
			}
		}
		if err := first.Finish(ctx, nil); kindOf(err) != problem.Locked {
			t.Errorf("%s: the first run ends: %v", name, err)
		}
		third := mustLock(t, store)
		if err := first.Unlock(ctx); err != nil {
			t.Error(err)
		}
		if _, err := store.Lock(ctx, "dev", "up"); kindOf(err) != problem.Locked {
			t.Errorf("%s: the first run unlocked what another holds: %v", name, err)
		}
		if n := len(third.Snapshot().Resources); n != 2 {
			t.Errorf("%s: %d resources, want the two of before", name, n)
		}
	}
}

// hooked is a place that lets something happen before its n-th call.
type hooked struct {
	place
	mu     sync.Mutex
	n      int
	happen func()
}

func (h *hooked) tick() {
	h.mu.Lock()
	h.n--
	now := h.n == 0
	h.mu.Unlock()
	if now {
		h.happen()
	}
}

func (h *hooked) read(ctx context.Context, key string) ([]byte, error) {
	h.tick()
	return h.place.read(ctx, key)
}

func (h *hooked) replace(ctx context.Context, key string, data []byte) error {
	h.tick()
	return h.place.replace(ctx, key, data)
}

func (h *hooked) remove(ctx context.Context, key string) error {
	h.tick()
	return h.place.remove(ctx, key)
}

func (h *hooked) begin(ctx context.Context, key string, batch []byte) (log, error) {
	h.tick()
	l, err := h.place.begin(ctx, key, batch)
	if l == nil {
		return nil, err
	}
	return &hookedLog{l, h}, err
}

type hookedLog struct {
	log
	h *hooked
}

func (l *hookedLog) add(batch []byte) error {
	l.h.tick()
	return l.log.add(batch)
}

// Wherever in its work a run is cancelled and another one comes, what either
// was told to be safe is kept, and the stack stays readable for a third.
func TestTakeoverAtAnyCallLosesNothing(t *testing.T) {
	for finish := range 2 {
		for n, done := 1, false; !done; n++ {
			for name, store := range places(t) {
				t.Run(fmt.Sprintf("%s/%d/%d", name, finish, n), func(t *testing.T) { done = takeover(t, store, n, finish == 1) })
			}
		}
	}
}

// takeover reports that the first run needed fewer calls.
func takeover(t *testing.T, store *Store, n int, finish bool) bool {
	var safe []any
	keep := func(s *Session, name any) {
		if made(s, name) == nil {
			safe = append(safe, name)
		}
	}
	h := &hooked{place: store.place}
	h.happen = func() {
		if err := store.Break(ctx, "dev"); err != nil {
			t.Fatal(err)
		}
		second := mustLock(t, store)
		keep(second, "second")
		if !finish {
			return
		}
		if err := errors.Join(second.Start(ctx, nil), second.Finish(ctx, nil), second.Unlock(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	first := mustLock(t, &Store{place: h, url: store.url})
	if err := first.Start(ctx, nil); err != nil {
		t.Fatal(err)
	}
	h.n = n
	keep(first, 1)
	keep(first, 2)
	_ = first.compact(ctx)
	keep(first, 3)
	_ = first.Finish(ctx, nil)
	keep(first, 4)
	third := mustLockAnew(t, store)
	for _, name := range safe {
		if _, ok := third.Live(vpc(name).URN); !ok {
			t.Errorf("%v is lost", name)
		}
	}
	keep(third, "third")
	if snap, err := store.Read(ctx, "dev"); err != nil || len(snap.Resources) < len(safe) {
		t.Errorf("%v, %v", snap, err)
	}
	return h.n > 0
}

func mustLockAnew(t *testing.T, s *Store) *Session {
	t.Helper()
	if err := s.Break(ctx, "dev"); err != nil {
		t.Fatal(err)
	}
	return mustLock(t, s)
}

// Readers and lockers never stumble over a run that ends.
func TestReadersSurviveCompaction(t *testing.T) {
	for name, store := range places(t) {
		stop, errs := make(chan struct{}), make(chan error)
		for range 2 {
			go func() {
				for {
					snap, err := store.Read(ctx, "dev")
					if err != nil {
						errs <- err
						return
					}
					_ = snap.Verify()
					select {
					case <-stop:
						errs <- nil
						return
					default:
					}
				}
			}()
		}
		for run := range 30 {
			s := mustLock(t, store)
			err := s.Start(ctx, nil)
			for i := range 5 {
				err = errors.Join(err, made(s, fmt.Sprint(run, "-", i)))
			}
			if err := errors.Join(err, s.Finish(ctx, nil), s.Unlock(ctx)); err != nil {
				t.Fatal(err)
			}
		}
		close(stop)
		for range 2 {
			if err := <-errs; err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// Entries that come at once share one write.
func TestGroupCommit(t *testing.T) {
	for name, store := range places(t) {
		s := mustLock(t, store)
		s.journal.disk.Lock() // as a slow disk does
		const writers = 20
		errs := make(chan error)
		for i := range writers {
			go func() {
				r := vpc(i)
				_, err := s.Begin(ctx, Intent{Op: plan.Create, URN: r.URN, Gen: 1, Resource: &r})
				errs <- err
			}()
		}
		for queued := 0; queued < writers; {
			s.journal.queue.Lock()
			queued = len(s.journal.wait)
			s.journal.queue.Unlock()
		}
		s.journal.disk.Unlock()
		for range writers {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
		l, err := store.load(ctx, "dev")
		if err != nil || len(l.pending) != writers || len(l.files) != 2 {
			t.Errorf("%s: %v: %d pending in %d files", name, err, len(l.pending), len(l.files))
		}
	}
}
