package load

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/droverhq/drover/internal/sleep"
)

// worker sends requests one after the other: most on one connection that it
// keeps, the fresh ones beside it on connections of their own.
type worker struct{ kept, once *client }

func newWorker(t *target, o Options) worker {
	w := worker{newClient(t, o.Timeout), newClient(t, o.Timeout)}
	w.kept.keptFor = o.KeptFor
	return w
}

func (w worker) do(fresh bool) answer {
	if fresh {
		defer w.once.close()
		return w.once.do(true)
	}
	return w.kept.do(false)
}

func (w worker) close() {
	w.kept.close()
	w.once.close()
}

// closedLoop lets every connection send its next request when the last one is
// answered, until the requests are used up or ctx ends.
func closedLoop(ctx context.Context, o Options, t *target, book *ledger) {
	var taken atomic.Int64
	more := func() bool {
		return ctx.Err() == nil && (o.Requests == 0 || taken.Add(1) <= int64(o.Requests))
	}
	var workers sync.WaitGroup
	for range o.Connections {
		workers.Go(func() {
			w := newWorker(t, o)
			defer w.close()
			begin := time.Now()
			for n := 0; ; n++ {
				if o.PerConn > 0 && !sleepUntil(ctx, due(begin, n, o.PerConn)) || !more() {
					return
				}
				start := time.Now()
				a := w.do(isFresh(n, o.FreshEvery))
				book.enter(start, time.Since(start), a)
			}
		})
	}
	workers.Wait()
}

// maxWorkers bounds the requests of a steady load that can be in flight: at 200
// requests/s, ten seconds without any answer. With all of them waiting, the
// next request is sent when one is free, and counted from when it was due.
const maxWorkers = 2000

// lateAfter is how long after its schedule a request of a steady load must be
// sent to be counted as late: a fifth of the latency that a user notices (500 ms).
const lateAfter = 100 * time.Millisecond

// slot is one request of a steady load.
type slot struct {
	due   time.Time
	fresh bool
}

// steady sends the n-th request at begin + n/rate, whatever became of those
// before it, and takes its latency from then: a stall of the target shows in
// every request that was due during it. It returns how many were due but never
// sent: all workers were waiting when the load ended, or they were due for
// longer than SkipAfter.
func steady(ctx context.Context, o Options, t *target, book *ledger, begin time.Time) (missed int) {
	slots := make(chan slot)
	var workers sync.WaitGroup
	running := 0
	hire := func(first ...slot) {
		running++
		workers.Go(func() {
			w := newWorker(t, o)
			defer w.close()
			send := func(s slot) {
				if time.Since(s.due) > lateAfter {
					book.late.Add(1)
				}
				a := w.do(s.fresh)
				book.enter(s.due, time.Since(s.due), a)
			}
			for _, s := range first {
				send(s)
			}
			for s := range slots {
				send(s)
			}
		})
	}
	for range o.Held {
		hire() // those that wait take slots in turn
	}

	nth := func(n int) slot { return slot{due(begin, n, o.Rate), isFresh(n, o.FreshEvery)} }
	skips := func(s slot) bool { return o.SkipAfter > 0 && time.Since(s.due) > o.SkipAfter }
	n := 0
	for ; o.Requests == 0 || n < o.Requests; n++ {
		s := nth(n)
		if !sleepUntil(ctx, s.due) {
			break
		}
		if skips(s) {
			missed++
		} else if !offer(ctx, slots, s, running < maxWorkers, hire) {
			break
		}
	}
	// On a busy machine the end is noticed late: what was due by then is sent, too.
	for last := dueBy(time.Since(begin), o); n < last; n++ {
		if s := nth(n); skips(s) || !place(slots, s, running < maxWorkers, hire) {
			missed++
		}
	}
	close(slots)
	workers.Wait()
	return missed
}

// offer gives the slot to a worker that is free, or hires one. It is false if
// ctx ended while all were busy.
func offer(ctx context.Context, slots chan<- slot, s slot, mayHire bool, hire func(...slot)) bool {
	if place(slots, s, mayHire, hire) {
		return true
	}
	select {
	case slots <- s:
		return true
	case <-ctx.Done():
		return false
	}
}

// place is offer that does not wait: it is false if all are busy.
func place(slots chan<- slot, s slot, mayHire bool, hire func(...slot)) bool {
	select {
	case slots <- s:
	default:
		if !mayHire {
			return false
		}
		hire(s)
	}
	return true
}

// due is when the n-th request (0, 1, …) is sent: arithmetic on the beginning,
// so that no rounding or oversleeping adds up.
func due(begin time.Time, n int, rate float64) time.Time {
	return begin.Add(time.Duration(float64(n) / rate * float64(time.Second)))
}

// dueBy is how many requests were due before the load had run for d.
func dueBy(d time.Duration, o Options) int {
	n := int(d.Seconds() * o.Rate)
	if o.Requests > 0 {
		n = min(n, o.Requests)
	}
	return n
}

func isFresh(n, every int) bool { return every > 0 && n%every == 0 }

// sleepUntil is false if ctx ended first.
func sleepUntil(ctx context.Context, t time.Time) bool { return sleep.For(ctx, time.Until(t)) == nil }
