package guard

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/droverhq/drover/internal/load"
)

// began is when the judge of a test is settled.
var began = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// answers feeds a judge: one probe each tick, at the rate of its window.
type answers struct {
	*judge
	at     time.Time
	every  time.Duration
	breach string
	when   time.Time
}

// settled is a judge whose baseline had 1,000 probes of 1 ms, of which some failed.
func settled(l limits, rate int, failed int) *answers {
	if l.window == 0 {
		l.window = windowFor(float64(rate))
	}
	a := &answers{judge: newJudge(l), at: began, every: time.Second / time.Duration(rate)}
	for n := range 1000 {
		r := load.Record{Latency: time.Millisecond}
		if n < failed {
			r.Cause = load.Reset
		}
		a.add(a.at, r)
	}
	a.breach = a.settle(began)
	return a
}

func (a *answers) probe(latency time.Duration, cause load.Cause) {
	breach := a.add(a.at, load.Record{Start: a.at.Add(-latency), Latency: latency, Cause: cause})
	if a.breach == "" && breach != "" {
		a.breach, a.when = breach, a.at
	}
	a.at = a.at.Add(a.every)
}

// hiccups draws which of n probes fail: never more than the limits allow.
func hiccups(t *rapid.T, n int, l limits, perWindow int) map[int]bool {
	failing, last := map[int]bool{}, []int{}
	for at := 0; len(failing) < l.total; {
		at += rapid.IntRange(1, 2*perWindow).Draw(t, "gap")
		if k := len(last) - l.inWindow; k >= 0 {
			at = max(at, last[k]+perWindow) // the window before it is over
		}
		if at >= n {
			break
		}
		failing[at] = true
		last = append(last, at)
	}
	return failing
}

// No failures below the limits are a breach, however they lie, and the first
// one beyond them is, at once. Kills the mutations that count a window that is
// over, or forget one that is not.
func TestOnlyTrendsBreach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := limits{inWindow: rapid.IntRange(1, 5).Draw(t, "in window")}
		l.total = l.inWindow + rapid.IntRange(0, 10).Draw(t, "more in all")
		rate := rapid.SampledFrom([]int{2, 10, 50, 200}).Draw(t, "rate")
		perWindow := int(windowFor(float64(rate))/time.Second) * rate
		n := rapid.IntRange(perWindow, 5*perWindow).Draw(t, "probes")

		a := settled(l, rate, 0)
		failing := hiccups(t, n, l, perWindow)
		for i := range n {
			if failing[i] {
				a.probe(time.Millisecond, load.Timeout)
			} else {
				a.probe(time.Millisecond, "")
			}
		}
		if a.breach != "" {
			t.Fatalf("%d hiccups: %s", len(failing), a.breach)
		}
		for range l.inWindow {
			a.probe(time.Millisecond, load.Timeout)
		}
		last := a.at
		a.probe(time.Millisecond, load.Timeout)
		if a.breach == "" || a.when.After(last) {
			t.Fatalf("%d failures one after the other: %q at %s", l.inWindow+1, a.breach, a.when)
		}
	})
}

// A stall of up to a second is a hiccup, whatever its latencies; answers that
// are slow for a tenth of the time or more are a trend.
func TestOnlyTrendsAreSlow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.SampledFrom([]int{20, 50, 200}).Draw(t, "rate")
		l := limits{p99: 50 * time.Millisecond}
		if rapid.Bool().Draw(t, "relative") {
			l = limits{times: 3}
		}
		a := settled(l, rate, 0)
		quiet, stall := rapid.IntRange(0, 30*rate).Draw(t, "quiet"), rapid.IntRange(1, rate).Draw(t, "stall")
		for i := range quiet + stall + 20*rate {
			latency := time.Millisecond
			if i >= quiet && i < quiet+stall {
				latency = time.Duration(rapid.IntRange(1, 4000).Draw(t, "ms")) * time.Millisecond
			}
			a.probe(latency, "")
		}
		if a.breach != "" {
			t.Fatalf("a stall of %d probes at %d/s: %s", stall, rate, a.breach)
		}
		every := rapid.IntRange(2, 10).Draw(t, "slow is one of")
		for i := range 11 * rate {
			latency := time.Millisecond
			if i%every == 0 {
				latency = 200 * time.Millisecond
			}
			a.probe(latency, "")
		}
		if !strings.Contains(a.breach, "p99 of the last 10 s is 200ms, over ") || !strings.Contains(a.breach, "(before the move: 1ms)") {
			t.Fatalf("one of %d is slow: %q", every, a.breach)
		}
	})
}

// What failed before the move fails in it: as much is no breach, three times as much is.
func TestBaselineIsAllowed(t *testing.T) {
	for _, c := range []struct {
		failed int // of 1,000 before the move
		every  int // one of so many fails during it
		breach string
	}{
		{failed: 10, every: 100},
		{failed: 10, every: 10, breach: "beside the"},
		{failed: 1, every: 100, breach: "(5 allowed)"}, // a single failure is a hiccup
		{failed: 101, every: 1000, breach: "101 of 1000 requests failed before anything was moved, the last with: reset"},
	} {
		a := settled(limits{total: 5, inWindow: 5}, 50, c.failed)
		for i := range 20_000 {
			cause := load.Cause("")
			if i%c.every == c.every-1 {
				cause = load.Timeout
			}
			a.probe(time.Millisecond, cause)
		}
		if c.breach == "" && a.breach != "" || !strings.Contains(a.breach, c.breach) {
			t.Errorf("%d of 1000 before, 1 of %d after: %q, want %q", c.failed, c.every, a.breach, c.breach)
		}
	}
}

// Too few probes have no p99.
func TestFewProbesHaveNoP99(t *testing.T) {
	a := settled(limits{p99: time.Nanosecond, window: windowLeast}, 9, 0)
	for range 1000 {
		a.probe(time.Second, "")
	}
	if a.breach != "" {
		t.Error(a.breach)
	}
}

func TestWindowFor(t *testing.T) {
	for rate, want := range map[float64]time.Duration{200: 10 * time.Second, 10: 10 * time.Second, 3: 34 * time.Second, 0.5: time.Minute} {
		if got := windowFor(rate); got != want {
			t.Errorf("%v/s: %s, want %s", rate, got, want)
		}
	}
}

// BenchmarkJudge is what one probe costs the guard beside sending it.
func BenchmarkJudge(b *testing.B) {
	a := settled(limits{total: 1 << 40, inWindow: 1 << 40, p99: time.Second}, 200, 0)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		a.probe(time.Duration(n%50)*time.Millisecond, "")
	}
}
