package load

import (
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies is a set of latencies in constant memory, whatever their number.
type Latencies struct {
	max       time.Duration
	histogram *hdrhistogram.Histogram
}

// longest is the histogram's upper end. Longer latencies count as this in
// percentiles, and as they are in Max.
const longest = 10 * time.Minute

// NewLatencies is an empty set: from 1 µs to longest with an error of at most 0.1 %.
func NewLatencies() *Latencies {
	return &Latencies{histogram: hdrhistogram.New(1, longest.Microseconds(), 3)}
}

// Add puts one latency in.
func (l *Latencies) Add(d time.Duration) {
	l.max = max(l.max, d)
	_ = l.histogram.RecordValue(min(max(d, time.Microsecond), longest).Microseconds()) // in range by construction
}

// Merge puts all of o in.
func (l *Latencies) Merge(o *Latencies) {
	l.max = max(l.max, o.max)
	l.histogram.Merge(o.histogram)
}

// Reset empties the set.
func (l *Latencies) Reset() {
	l.max = 0
	l.histogram.Reset()
}

// Max is the longest, exactly; 0 if there are none.
func (l *Latencies) Max() time.Duration { return l.max }

// Percentile is the latency at rank ceil(percent · n / 100): that many percent
// did not exceed it. 0 if there are none.
func (l *Latencies) Percentile(percent float64) time.Duration {
	n := float64(l.histogram.TotalCount())
	if n == 0 {
		return 0
	}
	// The histogram itself would round to the nearest rank. 1e-9: 99.9 % of 1,000 is 999, and in floating point a bit more.
	rank := math.Ceil(percent/100*n - 1e-9)
	return min(time.Duration(l.histogram.ValueAtPercentile(rank/n*100))*time.Microsecond, l.max)
}

// each calls f for every distinct latency and how often it occurred.
func (l *Latencies) each(f func(d time.Duration, count int)) {
	for _, bar := range l.histogram.Distribution() {
		if bar.Count > 0 {
			f(time.Duration(bar.From)*time.Microsecond, int(bar.Count))
		}
	}
}
