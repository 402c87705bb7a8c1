package state

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/droverhq/drover/internal/state/buckettest"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// eachBucket runs a test against every kind of object store, over HTTP and
// through the cloud's own client.
func eachBucket(t *testing.T, test func(t *testing.T, server *buckettest.Server, again func() *Store)) {
	for _, kind := range buckettest.Kinds {
		t.Run(kind, func(t *testing.T) {
			server := serve(t, kind)
			test(t, server, func() *Store { return openIn(t, server, kind, buckettest.Name+"/team/shop") })
		})
	}
}

func serve(t *testing.T, kind string) *buckettest.Server {
	t.Helper()
	server := buckettest.New(kind)
	t.Cleanup(server.Close)
	for k, v := range server.Env {
		t.Setenv(k, v)
	}
	return server
}

func openIn(t *testing.T, server *buckettest.Server, kind, where string) *Store {
	t.Helper()
	store, err := Open(ctx, fmt.Sprintf("%s://%s?%s", kind, where, server.Query))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// A stack lives in each kind of object store from its first day to its last,
// and every list of it has several pages.
func TestStackInAnObjectStore(t *testing.T) {
	eachBucket(t, func(t *testing.T, server *buckettest.Server, again func() *Store) {
		store := again()
		if err := store.Init(ctx, "dev", "shop"); err != nil {
			t.Fatal(err)
		}
		if err := again().Init(ctx, "dev", "shop"); kindOf(err) != problem.Usage {
			t.Errorf("a second init: %v", err)
		}
		for run := range 5 {
			s := mustLock(t, store)
			if _, err := again().Lock(ctx, "dev", "up"); kindOf(err) != problem.Locked {
				t.Errorf("a second lock: %v", err)
			}
			steps := map[plan.Op]int{plan.Create: 2}
			if err := errors.Join(s.Start(ctx, steps), made(s, fmt.Sprint("a", run)), made(s, fmt.Sprint("b", run))); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(s.Finish(ctx, nil), s.Unlock(ctx)); err != nil {
				t.Fatal(err)
			}
		}
		snap, err := again().Read(ctx, "dev")
		runs, errRuns := again().History(ctx, "dev")
		if err := errors.Join(err, errRuns); err != nil || len(snap.Resources) != 10 || len(runs) != 5 {
			t.Fatalf("%v, %+v, %+v", err, snap, runs)
		}
		for _, k := range server.Keys() {
			if !strings.HasPrefix(k, "team/shop/stacks/dev/") {
				t.Errorf("%s lies outside of the path", k)
			}
		}
		if err := store.Remove(ctx, "dev", true, func(*Snapshot) error { return nil }); err != nil || len(server.Keys()) > 0 {
			t.Errorf("%v, left: %q", err, server.Keys())
		}
	})
}

// Of many that come at once one gets the lock, and all others are told who has it.
func TestOneOfManyGetsTheLock(t *testing.T) {
	eachBucket(t, func(t *testing.T, _ *buckettest.Server, again func() *Store) {
		if err := again().Init(ctx, "dev", "shop"); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			store := again()
			all.Go(func() { _, errs[i] = store.Lock(ctx, "dev", "up") })
		}
		all.Wait()
		got := 0
		for _, err := range errs {
			switch {
			case err == nil:
				got++
			case kindOf(err) != problem.Locked:
				t.Error(err)
			}
		}
		if got != 1 {
			t.Errorf("%d have the lock", got)
		}
	})
}

// The answer to each write and delete is lost once, after it took effect: it is
// sent again, and what it meets is what it did itself.
func TestLostAnswersOfABucket(t *testing.T) {
	eachBucket(t, func(t *testing.T, server *buckettest.Server, again func() *Store) {
		server.Behave(buckettest.Behaviour{LoseAnswers: true})
		store := again()
		if err := store.Init(ctx, "dev", "shop"); err != nil {
			t.Fatal(err)
		}
		s := mustLock(t, store)
		if err := errors.Join(s.Start(ctx, nil), made(s, "a"), s.Finish(ctx, nil), s.Unlock(ctx)); err != nil {
			t.Fatal(err)
		}
		mustLock(t, again())
	})
}

// Told to end while it takes the lock, whenever that is, a run leaves none behind.
func TestLockThatIsCutOffIsGivenBack(t *testing.T) {
	eachBucket(t, func(t *testing.T, server *buckettest.Server, again func() *Store) {
		store := again()
		if err := store.Init(ctx, "dev", "shop"); err != nil {
			t.Fatal(err)
		}
		for call, cut := 1, true; cut; call++ {
			var cause error
			cut, cause = lockCutOff(t, server, store, call)
			if held, err := store.lastLock(ctx, "dev"); err != nil || held.held() {
				t.Fatalf("cut off at call %d (%v): %v, held by %s", call, cause, err, held)
			}
		}
	})
}

// lockCutOff takes and gives back the lock, and is told to end at a call; cut
// tells that it needed so many.
func lockCutOff(t *testing.T, server *buckettest.Server, store *Store, call int) (cut bool, err error) {
	ending, cancel := context.WithCancel(ctx)
	defer cancel()
	var calls atomic.Int64
	server.Behave(buckettest.Behaviour{Before: func() {
		if calls.Add(1) == int64(call) {
			cancel()
		}
	}})
	s, err := store.Lock(ending, "dev", "up")
	server.Behave(buckettest.Behaviour{})
	if err == nil {
		err = s.Unlock(ending)
	}
	if err != nil && ending.Err() == nil {
		t.Fatal(err)
	}
	return ending.Err() != nil, err
}

// S3 asks for another try when two write one name at the same time.
func TestContestedLock(t *testing.T) {
	server := serve(t, "s3")
	store := openIn(t, server, "s3", buckettest.Name)
	server.Behave(buckettest.Behaviour{Contests: 3})
	if err := store.Init(ctx, "dev", "shop"); err != nil {
		t.Fatal(err)
	}
	server.Behave(buckettest.Behaviour{Contests: 3})
	mustLock(t, store)
}

// A store that writes over what it was told not to write over could give one
// lock to two: it is refused before anything is kept there.
func TestBucketWithoutConditionsIsRefused(t *testing.T) {
	eachBucket(t, func(t *testing.T, server *buckettest.Server, again func() *Store) {
		server.Behave(buckettest.Behaviour{Loose: true})
		if err := again().Init(ctx, "dev", "shop"); kindOf(err) != problem.Refused || len(server.Keys()) > 0 {
			t.Errorf("init: %v, left: %q", err, server.Keys())
		}
		server.Behave(buckettest.Behaviour{})
		if err := again().Init(ctx, "dev", "shop"); err != nil {
			t.Fatal(err)
		}
		server.Behave(buckettest.Behaviour{Loose: true})
		if _, err := again().Lock(ctx, "dev", "up"); kindOf(err) != problem.Refused {
			t.Errorf("lock: %v", err)
		}
		server.Behave(buckettest.Behaviour{})
		mustLock(t, again())
	})
}

// A state of thousands of resources is more than the clients send in one piece.
func TestLargeStateInAnObjectStore(t *testing.T) {
	eachBucket(t, func(t *testing.T, _ *buckettest.Server, again func() *Store) {
		store := again()
		if err := store.Init(ctx, "dev", "shop"); err != nil {
			t.Fatal(err)
		}
		s := mustLock(t, store)
		large := vpc("large")
		large.Outputs = plan.Props{"text": strings.Repeat("0123456789abcdef", 72<<10)} // more than Azure's 1 MB
		in, err := s.Begin(ctx, Intent{Op: plan.Create, URN: large.URN, Gen: 1, Resource: &large})
		if err := errors.Join(err, s.Done(ctx, in, &large), s.Start(ctx, nil), s.Finish(ctx, nil), s.Unlock(ctx)); err != nil {
			t.Fatal(err)
		}
		if err := store.Rename(ctx, "dev", "prod"); err != nil { // makes its checkpoint with a condition
			t.Fatal(err)
		}
		if snap, err := again().Read(ctx, "prod"); err != nil || len(snap.Resources) != 1 {
			t.Errorf("%v, %+v", err, snap)
		}
	})
}

// A bucket that is not there, and a key that may not: the remedy says which.
func TestBucketThatIsNotThere(t *testing.T) {
	for _, kind := range buckettest.Kinds {
		store := openIn(t, serve(t, kind), kind, "nowhere")
		if err := store.Init(ctx, "dev", "shop"); kindOf(err) != problem.Outside || !strings.Contains(remedy(err), "make the bucket") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func remedy(err error) string {
	var p *problem.Error
	if errors.As(err, &p) {
		return p.Fix
	}
	return ""
}
