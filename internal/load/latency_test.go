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

// What several sets have, one that they are put into has; an emptied one has nothing.
func TestMergeAndReset(t *testing.T) {
	one, other := NewLatencies(), NewLatencies()
	one.Add(time.Millisecond)
	other.Add(9 * time.Millisecond)
	other.Add(9 * time.Millisecond)
	one.Merge(other)
	if p, m := one.Percentile(50), one.Max(); p.Round(time.Millisecond) != 9*time.Millisecond || m != 9*time.Millisecond {
		t.Errorf("together: p50 %s, max %s", p, m)
	}
	other.Add(2 * longest)
	other.Merge(one)
	if m := other.Max(); m != 2*longest {
		t.Errorf("the longest of both is %s", m)
	}
	one.Reset()
	if p, m := one.Percentile(50), one.Max(); p != 0 || m != 0 {
		t.Errorf("emptied: p50 %s, max %s", p, m)
	}
	one.Add(20 * time.Millisecond)
	if p := one.Percentile(10); p.Round(time.Millisecond) != 20*time.Millisecond {
		t.Errorf("after that: p10 %s", p)
	}
}
