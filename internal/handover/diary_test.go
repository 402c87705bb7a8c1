package handover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// counter counts what it is told.
type counter int

func (c *counter) Emit(event.Fact) { *c++ }

// A record keeps the last events that somebody would read later, in their order, those of
// the run before first.
func TestWhatADiaryKeeps(t *testing.T) {
	var told counter
	d := &diary{to: &told}
	for _, f := range []event.Fact{event.Progress{}, event.LoadWindow{}, event.Finding{Severity: note}} {
		d.Emit(f)
		if last, news := d.take(); len(last) > 0 || news {
			t.Errorf("%T is kept", f)
		}
	}
	for _, f := range []event.Fact{event.Finding{Severity: warning}, event.NodeChanged{Node: "a"}} {
		d.Emit(f)
		if _, news := d.take(); !news {
			t.Errorf("%T is no news", f)
		}
	}
	if last, news := d.take(); len(last) != 2 || news || told != 5 {
		t.Errorf("keeps %v, news %t, told %d", last, news, told)
	}
	d.resume([]event.Event{event.New(7, noon, event.NodeChanged{Node: "before"})})
	for i := range lastEvents {
		d.Emit(event.NodeChanged{Node: fmt.Sprint(i)})
		last, _ := d.take()
		if !slices.IsSortedFunc(last, func(a, b event.Event) int { return int(a.Seq) - int(b.Seq) }) || i == 0 && (len(last) != 4 || last[0].Seq != 1 || last[3].Seq != 4 || last[0].Fact.(event.NodeChanged).Node != "before") {
			t.Fatalf("%v", last)
		}
	}
	if last, _ := d.take(); len(last) != lastEvents || last[0].Fact.(event.NodeChanged).Node != "0" {
		t.Errorf("keeps %d, the first is %v", len(last), last[0])
	}
}

// What is waited for is kept with the time since when, however it counts on; that of the
// move itself is told first, and else what has been waited for the longest.
func TestWhatIsWaitedForTheLongest(t *testing.T) {
	m := moving()
	turn := func(after time.Duration, news bool, foremost string, waits map[string][]string) {
		t.Helper()
		m.view.Now, m.waits, m.waited = noon.Add(after), waits, false
		all := m.awaited()
		m.waitFor(all)
		first := ""
		if len(all) > 0 {
			first = m.foremost(all)[0]
		}
		if m.waited != news || first != foremost || len(m.Record.Waits) != len(all) {
			t.Errorf("after %s: news %t, first %q: %v", after, m.waited, first, m.Record.Waits)
		}
	}
	turn(0, false, "", nil)
	turn(time.Second, true, "z: 10s left", map[string][]string{"z": {"z: 10s left"}})
	turn(2*time.Second, true, "z: 9s left", map[string][]string{"a": {"a: 3 of 5 nodes"}, "z": {"z: 9s left"}})
	if w := m.Record.Waits[0]; w.For != "z: 9s left" || !w.Since.Equal(noon.Add(time.Second)) {
		t.Errorf("%v", m.Record.Waits)
	}
	turn(3*time.Second, false, "z: 8s left", map[string][]string{"a": {"a: 4 of 5 nodes"}, "z": {"z: 8s left"}})
	turn(4*time.Second, true, "paused", map[string][]string{"": {"paused"}, "a": {"a: 4 of 5 nodes"}, "z": {"z: 7s left"}})
	turn(5*time.Second, true, "a: 5 of 5 nodes", map[string][]string{"a": {"a: 5 of 5 nodes"}})
	many := map[string][]string{}
	for i := range 2 * mostWaits {
		many[fmt.Sprint(i)] = []string{"w" + strings.Repeat("x", i)}
	}
	m.waits = many
	if m.waitFor(m.awaited()); len(m.Record.Waits) != mostWaits {
		t.Errorf("names %d", len(m.Record.Waits))
	}
}

// What somebody asks of a move from elsewhere is heeded, and told to be his.
func TestWishesAreHeeded(t *testing.T) {
	for what, c := range map[Verb]struct{ pause, abort bool }{PauseIt: {pause: true}, AbortIt: {abort: true}, ReturnIt: {}, "": {}} {
		r := newRun(nil, nil, moveOf("old"))
		r.lock = &keeper{wish: Wish{What: what, By: "bob", At: noon}}
		var o Observed
		r.heedWish(&o)
		if strings.Contains(o.Pause, "bob") != c.pause || (o.Abort != nil) != c.abort || c.abort && (!strings.Contains(o.Abort.Why, "bob") || o.Abort.Kind != problem.Interrupted) {
			t.Errorf("%q: pause %q, abort %+v", what, o.Pause, o.Abort)
		}
		if r.lock = nil; r.taken() != nil || !r.mine() {
			t.Error("a move whose lock is another's to keep goes on")
		}
		r.heedWish(&o)
	}
}

// Nothing is done unless the lock is held for sure and the record tells of it; that is an
// outage, as any other call that fails.
func TestNothingIsDoneWithoutLockAndRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			renewed time.Duration // ago
			failed  error
			unsaved bool
			says    string
		}{
			"all is well":              {},
			"a renewal failed":         {renewed: lockFor - 1, failed: errors.New("away")},
			"it ran out":               {renewed: lockFor, failed: errors.New("away"), says: "away"},
			"this process stood still": {renewed: lockFor, says: errNotRenewed.Error()},
			"the record is not saved":  {unsaved: true, says: "could not be saved"},
		} {
			r := newRun(nil, nil, moveOf("old"))
			r.lock, r.unsaved = &keeper{renewed: time.Now().Add(-c.renewed), failed: c.failed}, c.unsaved
			mine, why := r.mine(), ""
			if r.lastErr != nil {
				why = r.lastErr.Error()
			}
			if mine != (c.says == "") || !strings.Contains(why, c.says) || r.failing.IsZero() != mine {
				t.Errorf("%s: %t, %q, failing since %s", name, mine, why, r.failing)
			}
		}
	})
}

// The record of a move that is done is gone, unless somebody needs it: to end its nodes, or
// to take back those that stay closed.
func TestWhatIsLeftOfAMoveThatIsDone(t *testing.T) {
	for name, c := range map[string]struct {
		keep, ends bool
		left       func(*Record) bool // nil: nothing
	}{
		"nothing":    {},
		"kept nodes": {keep: true, left: func(r *Record) bool { return r.Kept && r.Ending == nil }},
		"an end":     {ends: true, left: func(r *Record) bool { return !r.Kept && r.Ending.Group == "asg" }},
	} {
		b := newLockbox(free)
		r := newRun(nil, b, moveOf("old"))
		r.core, r.scope.Stay, r.copied = moving(), c.keep, time.Now()
		r.core.Record.Waits = []Waiting{{"w", noon}}
		if c.ends {
			r.core.Record.Ending = &Ending{Group: "asg"}
		}
		b.records["old"] = []byte("{}")
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // it is done all the same
		if err := r.leave(ctx); err != nil {
			t.Error(err)
		}
		data := b.records["old"]
		if rec, _ := ReadRecord(data); (data != nil) != (c.left != nil) || c.left != nil && (!c.left(rec) || len(rec.Waits) > 0) {
			t.Errorf("%s: %s is left", name, data)
		}
	}
}

// Without a record that tells of it nothing is ended: who is killed then could not go on.
func TestNothingEndsUntilItIsWrittenDown(t *testing.T) {
	for name, c := range map[string]struct {
		fails       time.Duration
		interrupted bool
		took        time.Duration
		ends        bool
	}{
		"at once": {ends: true}, "after a while": {fails: 3 * reread, took: 3 * reread, ends: true},
		"never": {fails: time.Hour, took: 5 * reread}, "interrupted": {fails: 3 * reread, interrupted: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newLockbox(free)
			r := newRun(nil, b, moveOf("old"))
			r.core = moving()
			r.core.Record.Ending = &Ending{Group: "asg"}
			if c.fails > 0 {
				b.fails["save"] = errors.New("full")
				time.AfterFunc(c.fails-1, func() { b.with(func() { clear(b.fails) }) })
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.interrupted {
				cancel()
			}
			began := time.Now()
			err := r.leave(ctx)
			if took := time.Since(began); (err == nil) != c.ends || took != c.took {
				t.Errorf("%s: after %s: %v", name, took, err)
			}
			time.Sleep(time.Hour)
		})
	}
}

// What becomes of the nodes is done under the lock of their move, which is forgotten only then.
func TestNodesEndUnderTheLockOfTheirMove(t *testing.T) {
	failure := errors.New("it could not be ended")
	for _, fails := range []error{nil, failure} {
		b := newLockbox(free)
		b.records["old"] = []byte("{}")
		m := New(Nothing{}, Nothing{}, func(context.Context, plan.Props) (Cluster, error) { return b, nil }, event.Discard)
		held := false
		err := m.End(t.Context(), moveOf("old"), func(context.Context) error {
			held = len(b.at) == 1 && len(b.unlocked) == 0
			return fails
		})
		if !errors.Is(err, fails) || !held || (b.records["old"] == nil) != (fails == nil) || !slices.Equal(b.unlocked, []string{"old"}) || !b.closed {
			t.Errorf("%v: under its lock %t, record %s, gave back %v, closed %t", err, held, b.records["old"], b.unlocked, b.closed)
		}
	}
}

// Who cannot have the lock of a move ends none of its nodes.
func TestNoNodeEndsWithoutTheLock(t *testing.T) {
	b := newLockbox(free)
	b.says(Barred(errors.New("no right")))
	m := New(Nothing{}, Nothing{}, func(context.Context, plan.Props) (Cluster, error) { return b, nil }, event.Discard)
	err := m.End(t.Context(), moveOf("old"), func(context.Context) error { t.Error("they end"); return nil })
	if !errors.Is(err, ErrBarred) || !b.closed {
		t.Errorf("%v, closed %t", err, b.closed)
	}
}

// What was told, and what is waited for, is in the record, and once it is, it is no news.
func TestWhatWasToldIsInTheRecord(t *testing.T) {
	r := newRun(nil, nil, moveOf("old"))
	r.core, r.order, r.baseline = moving(), []byte("1"), []byte("2")
	for _, told := range []struct {
		event, wait, news bool
	}{{news: false}, {event: true, news: true}, {}, {wait: true, news: true}, {}} {
		if told.event {
			r.move.Events.Emit(event.NodeChanged{Node: "a"})
		}
		r.core.waited = told.wait
		if news := r.keepTold(); news != told.news {
			t.Errorf("%+v: %t", told, news)
		}
	}
	if rec := r.core.Record; len(rec.Log) != 1 || string(rec.Order) != "1" || string(rec.Baseline) != "2" {
		t.Errorf("%+v", rec)
	}
}

func TestScopeThatARecordKnows(t *testing.T) {
	r := &Record{Nodes: map[string]*NodeRecord{"a": {}, "b": {}}}
	for want, nodes := range map[bool][]string{true: {"a", "b"}, false: {"a", "c"}} {
		if (Scope{Nodes: nodes}).within(r) != want {
			t.Errorf("%v: %t", nodes, !want)
		}
	}
}
