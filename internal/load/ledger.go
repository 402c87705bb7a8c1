package load

import (
	"bufio"
	"io"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/droverhq/drover/event"
)

// keptFailures bounds the failures that a Result lists; all are counted, and
// all are in the record.
const keptFailures = 1000

// ledger writes down every finished request once. One lock is enough: an entry
// costs 0.1 µs, a request 10 (BenchmarkEnter, BenchmarkClient).
type ledger struct {
	source  string
	observe func(Record)
	late    atomic.Int64

	mu       sync.Mutex
	sums     Result // counts only
	latency  *Latencies
	total    time.Duration
	window   window
	out      *bufio.Writer // nil: no record is kept
	line     []byte
	writeErr error
}

// window is the traffic of one second, by when requests ended.
type window struct {
	from               time.Time
	requests, failures int
	latency            *Latencies
}

func newLedger(o Options, now time.Time) *ledger {
	b := &ledger{
		source:  o.Source,
		observe: o.Observe,
		latency: NewLatencies(),
		window:  window{from: now, latency: NewLatencies()},
		sums:    Result{Statuses: map[int]int{}, Causes: map[Cause]int{}},
	}
	if o.Record != nil {
		b.out = bufio.NewWriterSize(o.Record, 64<<10)
		_, b.writeErr = io.WriteString(b.out, recordHeader)
	}
	return b
}

// enter is the only place where a request is counted.
func (b *ledger) enter(start time.Time, latency time.Duration, a answer) {
	r := Record{Start: start, Latency: latency, Status: a.status, Bytes: a.bytes, Source: b.source, Cause: a.cause, Retried: a.retried}
	b.mu.Lock()
	defer b.mu.Unlock()

	s := &b.sums
	s.Sent++
	s.Bytes += a.bytes
	if a.retried {
		s.Retried++
	}
	if a.status == 0 {
		s.NoStatus++
	} else {
		s.Statuses[a.status]++
	}
	if a.cause == "" {
		s.OK++
	} else {
		s.Failed++
		s.Causes[a.cause]++
		if len(s.Failures) < keptFailures {
			s.Failures = append(s.Failures, r)
		}
	}

	if s.Sent == 1 || latency < s.Fastest {
		s.Fastest = latency
	}
	b.total += latency
	b.latency.Add(latency)
	b.window.add(r)
	b.write(r)
	if b.observe != nil {
		b.observe(r)
	}
}

func (w *window) add(r Record) {
	w.requests++
	if r.Cause != "" {
		w.failures++
	}
	w.latency.Add(r.Latency)
}

func (b *ledger) write(r Record) {
	if b.out == nil || b.writeErr != nil {
		return
	}
	b.line = r.append(b.line[:0])
	_, b.writeErr = b.out.Write(b.line)
}

// everySecond emits the windows and flushes the record until the returned
// function is called, which does both a last time.
func (b *ledger) everySecond(events event.Sink) (stop func()) {
	done := make(chan struct{})
	var clock sync.WaitGroup
	clock.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				events.Emit(b.turn(now))
			case <-done:
				if last := b.turn(time.Now()); last.Requests > 0 {
					events.Emit(last)
				}
				return
			}
		}
	})
	return func() {
		close(done)
		clock.Wait()
	}
}

// turn closes the window, begins the next one and flushes the record.
func (b *ledger) turn(now time.Time) event.LoadWindow {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := &b.window
	fact := event.LoadWindow{
		Source:   b.source,
		From:     w.from.UTC(),
		Requests: w.requests,
		Failures: w.failures,
		P50:      w.latency.Percentile(50),
		P99:      w.latency.Percentile(99),
		Max:      w.latency.Max(),
	}
	w.latency.Reset()
	*w = window{from: now, latency: w.latency}
	if b.out != nil && b.writeErr == nil {
		b.writeErr = b.out.Flush()
	}
	return fact
}

func (b *ledger) recordErr() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.writeErr
}

func (b *ledger) result(o Options, took time.Duration) Result {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.sums
	r.Statuses, r.Causes = maps.Clone(r.Statuses), maps.Clone(r.Causes)
	r.Source, r.URL, r.Took = b.source, o.URL, took
	r.Late = int(b.late.Load())
	r.Rate = float64(r.Sent) / took.Seconds()
	if r.Sent == 0 {
		return r
	}
	r.Slowest = b.latency.Max()
	r.Average = b.total / time.Duration(r.Sent)
	for _, p := range percentiles {
		r.Percentiles = append(r.Percentiles, Percentile{p, b.latency.Percentile(p)})
	}
	r.Histogram = histogram(b.latency, r.Fastest, r.Slowest)
	return r
}
