package guard

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/droverhq/drover/internal/load"
	"github.com/droverhq/drover/problem"
)

const (
	// windowLeast and windowMost bound the window in which failures and latency
	// are looked at: long enough that one slow answer in a quiet second is not a
	// trend, short enough to stop in time. At low rates it is as long as enough
	// probes take.
	windowLeast = 10 * time.Second
	windowMost  = time.Minute

	// enough probes make a p99: with fewer a single one decides.
	enough = 100

	// trendSeconds is in how many different seconds of the window answers must
	// be slow: a stall of a second or less touches two. It may be a lost packet.
	trendSeconds = 3

	// unnoticed is what a multiple of the baseline's p99 is at least: twenty
	// times one millisecond hurts nobody.
	unnoticed = 100 * time.Millisecond

	// cutsEach and cutShare bound how many of a window's requests may be cut on
	// kept connections: a proxy that reloads once a second hangs up once a second.
	cutsEach = 3
	cutShare = 0.05

	// unjudgeable is the share of probes that fail before the move from which
	// on nothing can be said about the move.
	unjudgeable = 0.1
)

// limits are what one guard allows.
type limits struct {
	total, inWindow int           // failures
	window          time.Duration // whole seconds
	p99             time.Duration // 0: not watched, or relative
	times           float64       // multiple of the baseline's p99; 0: not relative
}

// windowFor is the window of a guard with that many probes a second.
func windowFor(rate float64) time.Duration {
	seconds := time.Duration(math.Ceil(enough/rate)) * time.Second
	return min(max(windowLeast, seconds), windowMost)
}

// judge decides for one guard. It does no I/O and reads no clock. Answers
// before settle are the baseline, those after it are judged.
type judge struct {
	limits
	before  baseline
	settled bool
	begin   time.Time // when it was settled
	slow    time.Duration

	requests, failed int
	recent           ring
	cuts             ring
}

func newJudge(l limits) *judge {
	return &judge{limits: l, before: baseline{latency: load.NewLatencies()}}
}

// settle ends the baseline. What is returned is a breach: traffic so bad that
// no move can be judged by it.
func (j *judge) settle(at time.Time) (breach string) {
	b := j.before
	b.p50, b.p99, b.at = b.latency.Percentile(50), b.latency.Percentile(99), at
	j.resume(at, b)
	if j.before.ratio() > unjudgeable {
		return fmt.Sprintf("%d of %s failed before anything was moved, the last with: %s",
			j.before.failed, problem.Count(j.before.requests, "request"), j.before.cause)
	}
	return ""
}

// resume judges from now on, by that baseline.
func (j *judge) resume(at time.Time, before baseline) {
	j.before, j.settled, j.begin = before, true, at
	j.recent, j.cuts = newRing(int(j.window/time.Second)), newRing(int(j.window/time.Second))
	j.slow = j.p99
	if j.times > 0 {
		j.slow = max(unnoticed, time.Duration(j.times*float64(before.p99)))
	}
}

// add takes one answer, which ended at that time.
func (j *judge) add(at time.Time, r load.Record) (breach string) {
	if !j.settled {
		j.before.add(r)
		return ""
	}
	j.recent.add(int(at.Sub(j.begin)/time.Second), r.Latency, r.Cause != "", j.slow > 0 && r.Latency > j.slow)
	j.requests++
	if r.Retried {
		j.cuts.add(int(at.Sub(j.begin)/time.Second), r.Latency, true, false)
		if reason := j.cutBreach(); reason != "" {
			return reason
		}
	}
	if r.Cause == "" {
		return j.slowBreach()
	}
	j.failed++
	return j.failureBreach(r)
}

// failureBreach looks at the whole move first: that limit is the lasting one.
func (j *judge) failureBreach(last load.Record) string {
	as := fmt.Sprintf("the last at %s: %s", last.Start.UTC().Format("15:04:05.000Z"), last.Cause)
	usual := j.before.usual(j.requests)
	if j.failed > j.total+usual {
		return fmt.Sprintf("%s (%s), %s", problem.Count(j.failed, "failed request"), allowed(j.total, usual), as)
	}
	usual = j.before.usual(j.recent.requests)
	if j.recent.failed > j.inWindow+usual {
		return fmt.Sprintf("%s in the last %s (%s), %s",
			problem.Count(j.recent.failed, "failed request"), seconds(j.window), allowed(j.inWindow, usual), as)
	}
	return ""
}

// cutBreach looks at requests whose kept connection was closed as they were
// sent. A server may close one at any time, and every client sends an
// idempotent request again: a few are how proxies reload and pods end in order.
// More than cutsEach for each connection that is kept, and than cutShare of all, is
// a target that hangs up on its clients.
func (j *judge) cutBreach() string {
	j.cuts.turn(j.recent.newest)
	if limit := max(cutsEach*held, int(cutShare*float64(j.recent.requests))); j.cuts.failed > limit {
		return fmt.Sprintf("%s cut on kept connections in the last %s (%d allowed)", problem.Count(j.cuts.failed, "request"), seconds(j.window), limit)
	}
	return ""
}

func allowed(limit, usual int) string {
	if usual == 0 {
		return fmt.Sprintf("%d allowed", limit)
	}
	return fmt.Sprintf("%d allowed beside the %d that failed as often before the move", limit, usual)
}

// slowBreach: p99 is over the limit exactly if more than 1 % of the answers are.
func (j *judge) slowBreach() string {
	r := &j.recent
	if j.slow == 0 || r.requests < enough || r.slow <= r.requests/100 || r.slowSeconds() < trendSeconds {
		return ""
	}
	return fmt.Sprintf("p99 of the last %s is %s, over %s (before the move: %s)", seconds(j.window),
		round(r.p99()), round(j.slow), round(j.before.p99))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%d s", int(d.Seconds())) }

// round keeps three digits or so of a latency.
func round(d time.Duration) time.Duration {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d
}

// baseline is what traffic was like before the move.
type baseline struct {
	requests, failed int
	latency          *load.Latencies
	cause            load.Cause // of the last failure

	p50, p99 time.Duration // once it is settled
	at       time.Time     // when it was
}

func (b *baseline) add(r load.Record) {
	b.requests++
	b.latency.Add(r.Latency)
	if r.Cause != "" {
		b.failed++
		b.cause = r.Cause
	}
}

// ratio is the share of requests that fail anyway; a single one is a hiccup,
// and says nothing about the next.
func (b *baseline) ratio() float64 {
	if b.failed <= 1 {
		return 0
	}
	return float64(b.failed) / float64(b.requests)
}

// usual is how many of n requests fail at most if nothing changes: three
// standard deviations above the mean, which one window in a thousand exceeds.
func (b *baseline) usual(n int) int {
	mean := b.ratio() * float64(n)
	return int(math.Ceil(mean + 3*math.Sqrt(mean)))
}

// ring counts the answers of the last seconds.
type ring struct {
	seconds                []second
	newest                 int // number of the newest second
	requests, failed, slow int // sums
}

type second struct {
	requests, failed, slow int
	latencies              []time.Duration
}

func newRing(length int) ring { return ring{seconds: make([]second, length)} }

func (r *ring) add(number int, latency time.Duration, failed, slow bool) {
	r.turn(number)
	s := &r.seconds[r.newest%len(r.seconds)]
	s.latencies = append(s.latencies, latency)
	s.requests++
	r.requests++
	if failed {
		s.failed++
		r.failed++
	}
	if slow {
		s.slow++
		r.slow++
	}
}

// turn forgets what is older than the ring is long. An answer that is entered
// a moment late counts in the newest second.
func (r *ring) turn(to int) {
	for steps := min(to-r.newest, len(r.seconds)); steps > 0; steps-- {
		s := &r.seconds[(to-steps+1)%len(r.seconds)]
		r.requests, r.failed, r.slow = r.requests-s.requests, r.failed-s.failed, r.slow-s.slow
		*s = second{latencies: s.latencies[:0]}
	}
	r.newest = max(r.newest, to)
}

func (r *ring) slowSeconds() int {
	n := 0
	for _, s := range r.seconds {
		if s.slow > 0 {
			n++
		}
	}
	return n
}

// p99 is the latency at rank ceil(0.99 n).
func (r *ring) p99() time.Duration {
	var all []time.Duration
	for _, s := range r.seconds {
		all = append(all, s.latencies...)
	}
	slices.Sort(all)
	return all[len(all)-1-len(all)/100]
}
