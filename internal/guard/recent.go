package guard

import (
	"slices"
	"time"
)

const (
	// window is how many seconds p99 is taken over: long enough that one slow
	// probe in a quiet second is not a breach, short enough to stop in time.
	window = 10

	// enough probes make a p99: fewer, and a single one decides.
	enoughProbes = 100
)

// recent holds the latencies of the last seconds, a slice for each.
type recent struct {
	seconds [window][]time.Duration
	now     int
}

func newRecent() *recent { return &recent{} }

func (r *recent) add(latency time.Duration) {
	r.seconds[r.now] = append(r.seconds[r.now], latency)
}

// turn judges the window and forgets its oldest second.
func (r *recent) turn() (p99 time.Duration, enough bool) {
	all := slices.Concat(r.seconds[:]...)
	r.now = (r.now + 1) % window
	r.seconds[r.now] = r.seconds[r.now][:0]
	if len(all) < enoughProbes {
		return 0, false
	}
	slices.Sort(all)
	return all[(len(all)*99+99)/100-1], true
}
