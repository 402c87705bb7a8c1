package load

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A percentile is an answer that was given, at the rank that its name says,
// and never above the longest.
func TestPercentile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.SliceOfN(rapid.IntRange(1, 5000), 1, 1100).Draw(t, "milliseconds")
		percent := rapid.SampledFrom(percentiles).Draw(t, "percent")
		l := NewLatencies()
		for _, n := range ms {
			l.Add(time.Duration(n) * time.Millisecond)
		}
		slices.Sort(ms)
		rank := (int(math.Round(percent*10))*len(ms) + 999) / 1000
		want := float64(ms[rank-1])
		got := float64(l.Percentile(percent)) / float64(time.Millisecond)
		if math.Abs(got-want) > want/1000 || l.Percentile(percent) > l.Max() {
			t.Fatalf("p%v of %v is %v, want %v", percent, ms, got, want)
		}
	})
}
