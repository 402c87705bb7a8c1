package handover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/problem"
)

// What a move tells those who look at it from elsewhere, and what they tell it.

const (
	// lastEvents is how many events a record keeps: some hours of a quiet move,
	// the last minutes of a large one. Compressed they take 2 to 4 KB.
	lastEvents = 200
	// mostWaits is how many things that a move waits for a record names.
	mostWaits = 20
)

// diary passes events on and keeps the last ones.
type diary struct {
	to event.Sink

	mu   sync.Mutex
	seq  uint64
	last []event.Event
	news bool
}

// Emit keeps what a person would want to read later; a wait is kept apart.
func (d *diary) Emit(f event.Fact) {
	d.to.Emit(f)
	switch f := f.(type) {
	case event.Progress, event.LoadWindow:
		return
	case event.Finding:
		if f.Severity == note {
			return
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seq++
	d.last = append(d.last, event.New(d.seq, time.Now(), f))
	d.last = d.last[max(0, len(d.last)-lastEvents):]
	d.news = true
}

// take returns what is kept, and whether that is news.
func (d *diary) take() (last []event.Event, news bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	news, d.news = d.news, false
	return slices.Clone(d.last), news
}

// resume goes on with the log of an earlier run.
func (d *diary) resume(earlier []event.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = append(slices.Clone(earlier), d.last...)
	for i := range d.last {
		d.last[i].Seq = uint64(i + 1)
	}
	d.seq = uint64(len(d.last))
}

// keepTold puts what was told into the record; true: it is news.
func (r *run) keepTold() bool {
	last, news := r.log.take()
	r.core.Record.Log, r.core.Record.Order, r.core.Record.Baseline = last, r.order, r.baseline
	waits := r.core.waited
	r.core.waited = false
	return news || waits
}

// clock is a duration or a count in a text: a wait that only counts on is the same.
var clock = regexp.MustCompile(`\b\d[\d.:hms]*\b`)

// awaited is all that the move, its workloads and its nodes wait for.
func (m *Move) awaited() []string {
	all := slices.Clone(m.waits[""])
	for _, key := range slices.Sorted(maps.Keys(m.waits)) {
		if key != "" {
			all = append(all, m.waits[key]...)
		}
	}
	return all
}

// foremost puts in front what has been waited for the longest, unless the move
// itself waits.
func (m *Move) foremost(waits []string) []string {
	if len(m.waits[""]) > 0 || len(m.Record.Waits) == 0 {
		return waits
	}
	i := slices.Index(waits, m.Record.Waits[0].For)
	waits[0], waits[i] = waits[i], waits[0]
	return waits
}

// waitFor keeps what the move waits for, and since when.
func (m *Move) waitFor(waits []string) {
	since := map[string]time.Time{}
	for _, w := range m.Record.Waits {
		since[clock.ReplaceAllString(w.For, "")] = w.Since
	}
	var now []Waiting
	for _, text := range waits[:min(len(waits), mostWaits)] {
		at, known := since[clock.ReplaceAllString(text, "")]
		if !known {
			at, m.waited = m.view.Now, true
		}
		now = append(now, Waiting{text, at})
	}
	m.waited = m.waited || len(now) != len(m.Record.Waits)
	slices.SortStableFunc(now, func(a, b Waiting) int { return cmp.Or(a.Since.Compare(b.Since)) })
	m.Record.Waits = now
}

// heedWish does what somebody asks of the move from elsewhere.
func (r *run) heedWish(o *Observed) {
	if r.lock == nil {
		return
	}
	switch w := r.lock.asked(); w.What {
	case PauseIt:
		o.Pause = fmt.Sprintf("paused by %s since %s (drover moves resume %s)", w.By, w.At.UTC().Format("15:04:05 UTC"), r.move.From.Name)
	case AbortIt:
		o.Abort = &Reason{Kind: problem.Interrupted, Op: "move " + r.move.From.Name, Why: "aborted by " + w.By,
			Fix: "everything that was closed is open again; what was moved stays moved. The same command moves the rest"}
	case ReturnIt, "":
	}
}

// taken is why the move is somebody else's by now.
func (r *run) taken() error {
	if r.lock == nil {
		return nil
	}
	return r.lock.taken()
}

// mine: the lock is ours for sure, and the record tells of what is about to be
// done. Until it is so, nothing is done; that the API server does not answer
// counts as any other call that fails.
func (r *run) mine() bool {
	if r.lock == nil {
		return true
	}
	is, err := r.lock.good()
	switch {
	case !is:
		r.outOfReach(fmt.Errorf("renew the lock of the move: %w", cmp.Or(err, errNotRenewed)))
	case r.unsaved:
		r.outOfReach(errors.New("the record of the move could not be saved in the cluster"))
	}
	return is && !r.unsaved
}

// errNotRenewed: this process stood still for longer than its lock holds.
var errNotRenewed = errors.New("it was not renewed in time")

// leave ends the record of a move that is done: nodes that stay closed are kept
// in mind, so that somebody can take them back.
func (r *run) leave(ctx context.Context) error {
	switch {
	case r.core.Record.Ending != nil:
		return r.ends(ctx)
	case !r.scope.Stay:
		r.forget(ctx)
		return nil
	}
	r.core.Record.Kept, r.core.Record.Waits = true, nil
	r.copied = time.Time{}
	if err := r.save(context.WithoutCancel(ctx), ""); err != nil {
		r.heed(err)
	}
	return nil
}

// within: the record knows every node of the scope, so that it can be gone on with.
func (s Scope) within(r *Record) bool {
	return !slices.ContainsFunc(s.Nodes, func(name string) bool { return r.Nodes[name] == nil })
}
