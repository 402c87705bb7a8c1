package handover

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/problem"
)

// A lock holds until its time has run out without a word of its holder.
func TestLocksRunOut(t *testing.T) {
	l := Lock{Holder: "alice@laptop/4711-9f3a61c2", Renewed: noon, For: lockFor}
	if !l.Live(noon) || !l.Live(noon.Add(lockFor-1)) || l.Live(noon.Add(lockFor)) || (Lock{Renewed: noon, For: lockFor}).Live(noon) {
		t.Error("it holds for another time than it says, or is nobody's")
	}
	for holder, who := range map[string]string{l.Holder: "alice@laptop", "me": "me", "": "somebody", "/": "somebody", "a/b/c": "a/b"} {
		if got := (Lock{Holder: holder}).Who(); got != who {
			t.Errorf("%q is %q, want %q", holder, got, who)
		}
	}
	if me, again := Me(), Me(); me == again || (Lock{Holder: me}).Who() != Person() {
		t.Errorf("%s and %s", me, again)
	}
}

// lockbox has one lock, which answers as a test says, and keeps the records of moves.
type lockbox struct {
	Cluster
	began time.Time

	mu       sync.Mutex
	answer   func(ctx context.Context, move string) error
	at       []time.Duration // when it was asked for locks, since it began
	unlocked []string        // moves whose lock was given back
	locks    map[string]Lock
	records  map[string][]byte
	fails    map[string]error // calls that do
	closed   bool
}

func newLockbox(answer func(ctx context.Context, move string) error) *lockbox {
	return &lockbox{answer: answer, began: time.Now(), locks: map[string]Lock{}, records: map[string][]byte{}, fails: map[string]error{}}
}

// with looks at it, or changes it, while a lock may be renewed.
func (b *lockbox) with(do func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	do()
}

// says makes every lock answer so from now on.
func (b *lockbox) says(err error) {
	b.with(func() { b.answer = func(context.Context, string) error { return err } })
}

func (b *lockbox) Lock(ctx context.Context, move, holder string, _ time.Duration) (Lock, error) {
	b.mu.Lock()
	b.at = append(b.at, time.Since(b.began))
	answer := b.answer
	b.mu.Unlock()
	return Lock{Holder: holder, Wish: Wish{What: PauseIt}}, answer(ctx, move)
}

func (b *lockbox) Unlock(_ context.Context, move, _ string) error {
	b.with(func() { b.unlocked = append(b.unlocked, move) })
	return nil
}

func (b *lockbox) Locks(context.Context) (locks map[string]Lock, err error) {
	b.with(func() { locks, err = b.locks, b.fails["locks"] })
	return locks, err
}

func (b *lockbox) Records(context.Context) (records map[string][]byte, err error) {
	b.with(func() { records, err = maps.Clone(b.records), b.fails["records"] })
	return records, err
}

func (b *lockbox) SaveRecord(_ context.Context, group string, record []byte) (err error) {
	b.with(func() {
		if err = b.fails["save"]; err == nil {
			b.records[group] = record
		}
	})
	return err
}

func (b *lockbox) View() (_ *View, err error) {
	b.with(func() { err = b.fails["view"] })
	return NewView(), err
}

func (b *lockbox) Close() { b.closed = true }

func free(context.Context, string) error { return nil }

func heldBy(who string, renewed time.Time) error {
	return &Held{Lock{Holder: who + "/1-0", Renewed: renewed, For: lockFor}}
}

// Who finds a lock taken waits for as long as its holder may be dead, and no longer once
// he is known to live; what fails is tried again for a while.
func TestLocksAreWaitedFor(t *testing.T) {
	away := errors.New("away")
	for name, c := range map[string]struct {
		answer      func(after time.Duration) error
		interrupted bool
		took        time.Duration
		says        string // empty: it is taken
	}{
		"it is free": {answer: func(time.Duration) error { return nil }},
		"its holder is dead": {answer: func(after time.Duration) error {
			if after < 10*time.Second {
				return heldBy("bob", noon)
			}
			return nil
		}, took: 10 * time.Second},
		"its holder lives": {answer: func(after time.Duration) error { return heldBy("bob", noon.Add(after.Truncate(5*time.Second))) },
			took: 5 * time.Second, says: "bob is at work on it"},
		"another one is quicker": {answer: func(after time.Duration) error {
			if after < 3*time.Second {
				return heldBy("bob", noon)
			}
			return heldBy("eve", noon)
		}, took: 3 * time.Second, says: "eve is at work on it"},
		"nobody answers for a while": {answer: func(after time.Duration) error {
			if after < time.Minute {
				return away
			}
			return nil
		}, took: time.Minute},
		"nobody answers":                         {answer: func(time.Duration) error { return away }, took: outage, says: "away"},
		"it is not allowed":                      {answer: func(time.Duration) error { return Barred(away) }, says: "away"},
		"nobody answers, and it was interrupted": {answer: func(time.Duration) error { return away }, interrupted: true, took: 2 * lockFor, says: "context canceled"},
		"it was interrupted, and its holder is dead": {answer: func(after time.Duration) error {
			if after < 10*time.Second {
				return heldBy("bob", noon)
			}
			return nil
		}, interrupted: true, took: 10 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.interrupted {
				cancel()
			}
			began := time.Now()
			b := newLockbox(func(context.Context, string) error { return c.answer(time.Since(began)) })
			k, err := keep(ctx, b, "old", "alice", func(string) {})
			if took := time.Since(began); took != c.took || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: after %s: %v", name, took, err)
			}
			if err == nil {
				k.release(ctx)
			}
		})
	}
}

// A lock is renewed as long as it is kept, more often when that fails. It is good as long as
// it holds for sure, and lost once it is another's: then it is neither renewed nor given back.
func TestLocksAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, away := newLockbox(free), errors.New("away")
		k, err := keep(t.Context(), b, "old", "alice", func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		want := func(good, lost bool, renewals ...time.Duration) {
			t.Helper()
			synctest.Wait()
			b.with(func() {
				if is, _ := k.good(); is != good || (k.taken() != nil) != lost || !slices.Equal(b.at, renewals) {
					t.Errorf("good %t, lost %v, asked at %v", is, k.taken(), b.at)
				}
				b.at = nil
			})
		}
		want(true, false, 0)
		if k.asked().What != PauseIt {
			t.Errorf("asked for %v", k.asked())
		}
		time.Sleep(10 * time.Second)
		want(true, false, 5*time.Second, 10*time.Second)
		b.says(away)
		time.Sleep(7 * time.Second)
		want(true, false, 15*time.Second, 16*time.Second, 17*time.Second)
		time.Sleep(13*time.Second - 1)
		want(true, false, seconds(18, 29)...)
		time.Sleep(time.Nanosecond)
		want(false, false, 30*time.Second)
		if _, why := k.good(); !errors.Is(why, away) {
			t.Errorf("why: %v", why)
		}
		b.says(nil)
		time.Sleep(time.Second)
		want(true, false, 31*time.Second)
		b.says(heldBy("bob", noon))
		time.Sleep(time.Minute)
		want(false, true, 36*time.Second)
		if k.release(t.Context()); len(b.unlocked) > 0 {
			t.Errorf("it gave back what is another's: %v", b.unlocked)
		}
	})
}

func seconds(from, to int) (all []time.Duration) {
	for s := from; s <= to; s++ {
		all = append(all, time.Duration(s)*time.Second)
	}
	return all
}

// A call that hangs does not cost the lock, interrupted or not; and it is given back once no
// call is under way that would take it again.
func TestLocksOutliveACallThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newLockbox(free)
		ctx, cancel := context.WithCancel(t.Context())
		k, err := keep(ctx, b, "old", "alice", func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		cancel() // it is renewed all the same: what was closed is to be put back
		hang := func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
		b.with(func() { b.answer = hang })
		time.Sleep(10500 * time.Millisecond)
		b.says(nil)
		time.Sleep(8 * time.Second)
		if is, why := k.good(); !is || why != nil {
			t.Errorf("after a call that hung: %t, %v", is, why)
		}
		var ended time.Time
		b.with(func() {
			b.answer = func(context.Context, string) error { time.Sleep(2 * time.Second); ended = time.Now(); return nil }
		})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if k.release(ctx); !slices.Equal(b.unlocked, []string{"old"}) || ended.IsZero() {
			t.Errorf("gave back %v, renewed at %s", b.unlocked, ended)
		}
		asked := len(b.at)
		if time.Sleep(time.Minute); len(b.at) != asked {
			t.Error("it is renewed once it is given back")
		}
	})
}

// atTheGate: only the lock under which moves write down what they are about answers so.
func atTheGate(says func() error) func(context.Context, string) error {
	return func(_ context.Context, move string) error {
		if move != registry {
			return nil
		}
		return says()
	}
}

// registering is a run of old that has its lock, about to write down what it moves; beside it
// a move that does so, too: of bob's, who lives, and entered as said.
func registering(t *testing.T, b *lockbox, other *Record) *run {
	t.Helper()
	r := newRun(nil, b, moveOf("old"))
	r.core = moving()
	r.core.view.PutPod(&Pod{Ref: Ref{"apps", "web-1", "1"}, Node: "old", Workload: "deployment/apps/web"})
	r.core.view.PutPod(&Pod{Ref: Ref{"apps", "web-2", "2"}, Node: "theirs", Workload: "deployment/apps/web"})
	r.core.view.PutPod(&Pod{Ref: Ref{"apps", "own", "3"}, Node: "node-own", Daemon: true, Workload: "daemonset/apps/own"})
	if other != nil {
		b.records["other"] = []byte(encode(other))
		b.locks["other"] = Lock{Holder: "bob@desk/1-0", Renewed: noon, For: time.Hour}
	}
	var err error
	if r.lock, err = keep(t.Context(), b, "old", "alice", r.say); err != nil {
		t.Fatal(err)
	}
	return r
}

// Two moves do not count the same pods as serving: one of them comes first, and who wants
// a node of a living one is refused.
func TestWhichMoveComesFirst(t *testing.T) {
	theirs := func(change func(*Record)) *Record {
		r := newRecord("other", 0, noon)
		r.Phase, r.Entered, r.Nodes["theirs"] = Shift, "bob@desk/1-0", &NodeRecord{}
		change(r)
		return r
	}
	none := func(*Record) {}
	for name, c := range map[string]struct {
		other  *Record
		change func(r *run, b *lockbox)
		first  string
		says   string
	}{
		"nobody else moves":                  {},
		"it has the same node":               {other: theirs(func(r *Record) { r.Nodes["old"] = &NodeRecord{} }), says: "node old is part of the move of other"},
		"it moves the same workload":         {other: theirs(none), first: "bob@desk moves deployment/apps/web first: the move of other"},
		"… and has not entered":              {other: theirs(func(r *Record) { r.Entered = "" })},
		"… and a dead run of it had entered": {other: theirs(func(r *Record) { r.Entered = "bob@desk/1-1" })},
		"… and is dead":                      {other: theirs(none), change: func(_ *run, b *lockbox) { b.locks = nil }},
		"… and cannot be read":               {other: theirs(none), change: func(_ *run, b *lockbox) { b.records["other"] = []byte("{") }},
		"… of which its pod is under way": {other: theirs(func(r *Record) {
			r.Nodes = map[string]*NodeRecord{"x": {}}
			r.Workloads["deployment/apps/web"] = &WorkloadRecord{State: WorkloadMoved, Released: map[string]PodRecord{"1": {}}}
		}), first: "bob@desk moves deployment/apps/web first: the move of other"},
		"… of which it has moved all": {other: theirs(func(r *Record) {
			r.Nodes = map[string]*NodeRecord{"x": {}}
			r.Workloads["deployment/apps/web"] = &WorkloadRecord{State: WorkloadMoved}
		})},
		"… of which it waits for some": {other: theirs(func(r *Record) {
			r.Nodes = map[string]*NodeRecord{"x": {}}
			r.Workloads["deployment/apps/web"] = &WorkloadRecord{State: WorkloadWaiting}
		}), first: "bob@desk moves deployment/apps/web first: the move of other"},
		"it moves another one": {other: theirs(func(r *Record) { r.Nodes = map[string]*NodeRecord{"node-own": {}} })},
		"this one moves other pods of its node": {other: theirs(none), change: func(r *run, _ *lockbox) {
			r.core.Options.Scope.In = func(p *Pod, _ time.Time) bool { return p.Workload != "deployment/apps/web" }
		}},
		"locks cannot be read":   {change: func(_ *run, b *lockbox) { b.fails["locks"] = errors.New("away") }, says: "away"},
		"records cannot be read": {change: func(_ *run, b *lockbox) { b.fails["records"] = errors.New("away") }, says: "away"},
		"others write that down": {change: func(_ *run, b *lockbox) {
			b.answer = atTheGate(func() error { return heldBy("bob", time.Now()) })
		}, first: "others write down what they move"},
		"it may not write that down": {change: func(_ *run, b *lockbox) {
			b.answer = atTheGate(func() error { return Barred(errors.New("no right")) })
		}, says: "no right"},
		"it has the same node, and is dead": {other: theirs(func(r *Record) { r.Nodes["old"] = &NodeRecord{} }), change: func(_ *run, b *lockbox) { b.locks = nil }},
		"an earlier run of its own": {change: func(_ *run, b *lockbox) {
			own := newRecord("old", 0, noon)
			own.Nodes["old"] = &NodeRecord{}
			b.records["old"], b.locks["old"] = []byte(encode(own)), Lock{Holder: "alice", Renewed: noon, For: time.Hour}
		}},
		"it cannot be saved": {change: func(_ *run, b *lockbox) { b.fails["save"] = errors.New("full") }, first: "the record of the move could not be saved", says: "full"},
	} {
		for _, moves := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				b := newLockbox(free)
				r := registering(t, b, c.other)
				defer r.lock.release(t.Context())
				if c.change != nil {
					b.with(func() { c.change(r, b) })
				}
				first, err := r.enter(t.Context(), moves)
				if first != c.first || (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s, moves pods %t: %q, %v", name, moves, first, err)
				}
				may := first == "" && err == nil
				if entered := r.core.Record.Entered == "alice"; entered != (moves && may) {
					t.Errorf("%s, moves pods %t: entered %t", name, moves, entered)
				}
				var kept Record
				_ = json.Unmarshal(b.records["old"], &kept) // none is kept
				if (b.records["old"] != nil) != may && name != "an earlier run of its own" || (kept.Entered == "alice") != (moves && may) {
					t.Errorf("%s, moves pods %t: %s is written down", name, moves, b.records["old"])
				}
				gated := c.first != "others write down what they move" && c.says != "no right"
				if slices.Contains(b.unlocked, registry) != gated {
					t.Errorf("%s: gave back %v", name, b.unlocked)
				}
			})
		}
	}
}

// Who begins waits until he may; one that was interrupted only if he has to put back what
// an earlier run left.
func TestRegisteringIsWaitedFor(t *testing.T) {
	other := newRecord("other", 0, noon)
	other.Phase, other.Entered, other.Nodes["theirs"] = Shift, "bob@desk/1-0", &NodeRecord{}
	taken := newRecord("other", 0, noon)
	taken.Nodes["old"] = &NodeRecord{}
	away := errors.New("away")
	for name, c := range map[string]struct {
		other       *Record
		change      func(r *run, b *lockbox)
		interrupted bool
		took        time.Duration
		says        string
	}{
		"nobody else moves":     {},
		"no pod is to move yet": {change: func(r *run, _ *lockbox) { r.core.Record.Phase = Ready }},
		"another one comes first": {other: other, change: func(_ *run, b *lockbox) {
			time.AfterFunc(9*time.Second, func() { b.with(func() { clear(b.records) }) })
		}, took: 10 * time.Second},
		"another one has its node":                        {other: taken, says: "node old is part of the move of other"},
		"another one comes first, and it was interrupted": {other: other, interrupted: true, says: "bob@desk moves deployment/apps/web first"},
		"… and has to put back":                           {other: other, interrupted: true, change: func(r *run, _ *lockbox) { r.resumed = true }},
		"… as its caller knows":                           {other: other, interrupted: true, change: func(r *run, _ *lockbox) { r.move.Memo = []byte("{}") }},
		"the watches are broken":                          {other: other, change: func(_ *run, b *lockbox) { b.fails["view"] = errors.New("broken") }, took: ahead, says: "broken"},
		"nobody answers for a while": {change: func(_ *run, b *lockbox) {
			b.fails["locks"] = away
			time.AfterFunc(59*time.Second, func() { b.with(func() { clear(b.fails) }) })
		}, took: time.Minute},
		"nobody answers":                         {change: func(_ *run, b *lockbox) { b.fails["locks"] = away }, took: outage, says: "away"},
		"nobody answers, and it was interrupted": {interrupted: true, change: func(_ *run, b *lockbox) { b.fails["locks"] = away }, took: 2 * lockFor, says: "away"},
		"it is not allowed":                      {change: func(_ *run, b *lockbox) { b.fails["locks"] = Barred(away) }, says: "away"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newLockbox(free)
			r := registering(t, b, c.other)
			defer r.lock.release(t.Context())
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.interrupted {
				cancel()
			}
			if c.change != nil {
				b.with(func() { c.change(r, b) })
			}
			began := time.Now()
			err := r.register(ctx)
			if took := time.Since(began).Truncate(time.Second); took > c.took || took < c.took-time.Second || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: after %s: %v", name, took, err)
			}
			if entered := r.core.Record.Entered != ""; entered != (c.says == "" && !r.owes() && r.core.Record.Phase == Shift) {
				t.Errorf("%s: entered %t", name, entered)
			}
			var p *problem.Error
			if refused := errors.As(err, &p) && p.Kind == problem.Locked; refused != (c.other == taken) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// Who owes somebody that what he left is put back tries for as long as that takes.
func TestWhoOwesTriesForLonger(t *testing.T) {
	r := newRun(nil, nil, moveOf("old"))
	if got := r.trying(); got != 2*lockFor {
		t.Errorf("owes nothing: %s", got)
	}
	if r.resumed = true; r.trying() != backLimit+farewell {
		t.Errorf("owes: %s", r.trying())
	}
}

// Before its first pod moves a run looks again, once its nodes are closed: now and then,
// until nobody comes first.
func TestFirstPodWaitsForOtherMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := newRecord("other", 0, noon)
		other.Phase, other.Entered, other.Nodes["theirs"] = Shift, "bob@desk/1-0", &NodeRecord{}
		b := newLockbox(free)
		r := registering(t, b, other)
		defer r.lock.release(t.Context())
		want := func(text string) {
			t.Helper()
			if got := r.comesFirst(t.Context()); got != text {
				t.Errorf("%q, want %q", got, text)
			}
		}
		want("") // it moves pods already
		r.core.Record.Phase = Ready
		want("looking for other moves")
		r.core.closed = true
		want("bob@desk moves deployment/apps/web first: the move of other")
		b.with(func() { clear(b.records) })
		want("bob@desk moves deployment/apps/web first: the move of other") // it looked a moment ago
		time.Sleep(ahead)
		b.with(func() { b.fails["locks"] = errors.New("away") })
		want("trying again: look for other moves: away")
		b.with(func() { clear(b.fails) })
		time.Sleep(ahead)
		want("")
		if r.core.Record.Entered != "alice" {
			t.Error("it is not written down")
		}
		b.with(func() { b.fails["locks"] = errors.New("away") })
		time.Sleep(ahead)
		want("") // it is settled
		r.core.Record.Entered = "carol"
		held := r.lock
		r.lock = nil
		want("") // another sees to that
		r.lock = held
	})
}
