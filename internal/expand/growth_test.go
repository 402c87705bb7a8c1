package expand_test

import (
	"runtime"
	"testing"

	"github.com/droverhq/drover/internal/expand"
	"github.com/droverhq/drover/internal/spec"
)

// Four times the objects take about four times the work, from files to graph.
func TestWorkGrowsWithTheObjects(t *testing.T) {
	const few, times = 400, 4
	work := func(n int) float64 {
		files := project(n)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s, problems := spec.Load(files, "dev")
		if problems != nil {
			t.Fatal(problems)
		}
		if _, problems = expand.Graph(s, oregon); problems != nil {
			t.Fatal(problems)
		}
		runtime.ReadMemStats(&after)
		return float64(after.TotalAlloc - before.TotalAlloc)
	}
	work(few) // what is set up once
	if ratio := work(few*times) / work(few); ratio > 1.5*times {
		t.Errorf("%.1f times the work for %d times the objects", ratio, times)
	} else {
		t.Logf("%.2f", ratio)
	}
}
