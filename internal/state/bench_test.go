package state_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
)

// cpu is what this process has used of the processors.
func cpu(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkLoadAndSave reads a stack of 10,000 resources from a disk, changes
// one, and writes it: CPU seconds, what the loaded state keeps of memory, and
// all that the process has ever had from the system.
func BenchmarkLoadAndSave(b *testing.B) {
	const n = 10_000
	store, err := state.Open(b.Context(), "file://"+filepath.ToSlash(b.TempDir()))
	if err == nil {
		err = store.Init(b.Context(), "dev", "shop")
	}
	if err == nil {
		_, err = store.Rewrite(b.Context(), "dev", "state import", func(s *state.Snapshot) (*state.Snapshot, error) {
			full := *s
			for i := range n {
				full.Resources = append(full.Resources, typical(i))
			}
			return &full, nil
		})
	}
	if err != nil {
		b.Fatal(err)
	}
	var loads, saves, kept float64
	for i := 0; b.Loop(); i++ {
		before, start := memory(), cpu(b)
		snap, err := store.Read(b.Context(), "dev")
		if err != nil || len(snap.Resources) != n {
			b.Fatal(err)
		}
		loads += (cpu(b) - start).Seconds()
		kept = memory() - before
		runtime.KeepAlive(snap)

		s, err := store.Lock(b.Context(), "dev", "up")
		if err != nil {
			b.Fatal(err)
		}
		start = cpu(b)
		changed := typical(0)
		changed.Inputs = plan.Props{"value": float64(i)}
		if err = s.Start(b.Context(), nil); err == nil {
			err = s.Learn(b.Context(), changed)
		}
		if err == nil {
			err = s.Finish(b.Context(), nil)
		}
		saves += (cpu(b) - start).Seconds()
		if err == nil {
			err = s.Unlock(b.Context())
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(loads/float64(b.N), "cpu-s/load")
	b.ReportMetric(saves/float64(b.N), "cpu-s/save")
	b.ReportMetric(kept/1e6, "MB-kept")
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys)/1e6, "MB-process")
}

// typical is a resource such as a stack has many of.
func typical(i int) state.Resource {
	r := state.Resource{URN: urn(fmt.Sprint("r", i)), Gen: 1, Type: "T", Name: fmt.Sprintf("r%d-0123456", i), Component: fmt.Sprint("c", i/20),
		ID:      fmt.Sprintf("id-of-r%d-0123456", i),
		Inputs:  plan.Props{"value": 1.0, "list": []any{"a", "b", map[string]any{"c": float64(i)}}, "on": fmt.Sprintf("id-of-r%d-0123456", i/2)},
		Outputs: plan.Props{"Id": fmt.Sprintf("id-of-r%d-0123456", i), "Arn": fmt.Sprintf("arn:aws:iam::123456789012:role/r%d-0123456", i)}}
	if i > 0 {
		r.Needs = []state.Need{{URN: urn(fmt.Sprint("r", i/2)), Gen: 1}}
	}
	return r
}

// memory is how much of the heap is in use.
func memory() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
