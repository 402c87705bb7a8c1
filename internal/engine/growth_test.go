package engine_test

import (
	"runtime"
	"testing"
)

// allocated is how many bytes a call takes from the heap.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Four times the resources take about four times the work, to be made and to be
// found unchanged; what takes the square of them takes sixteen times as much. A
// resource takes 600 bytes of state at most.
func TestWorkGrowsWithTheResources(t *testing.T) {
	const few, times = 400, 4
	work := func(n int) (created, unchanged uint64) {
		d := newOnDisk(t)
		g := many(n, 1)
		created = allocated(func() { d.up(g) })
		unchanged = allocated(func() { d.up(g) })
		if bytes := d.size() / int64(n); bytes > 600 {
			t.Errorf("a resource of %d takes %d bytes of state", n, bytes)
		}
		return created, unchanged
	}
	work(few) // what is set up once
	created, unchanged := work(few)
	createdMany, unchangedMany := work(few * times)
	for about, ratio := range map[string]float64{"create": float64(createdMany) / float64(created), "nothing to do": float64(unchangedMany) / float64(unchanged)} {
		if ratio > 1.5*times {
			t.Errorf("%s: %.1f times the work for %d times the resources", about, ratio, times)
		}
	}
	t.Logf("create %.2f, nothing to do %.2f", float64(createdMany)/float64(created), float64(unchangedMany)/float64(unchanged))
}
