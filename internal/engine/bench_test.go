package engine_test

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
)

// instant is a provider that has every object as soon as it is asked for: what
// a run costs is what the engine and the state cost.
type instant struct{}

func (instant) Create(_ context.Context, r engine.Request) (engine.Created, error) {
	return engine.Created{Object: object1(r), Certainty: engine.Made}, nil
}

func (instant) Read(_ context.Context, r engine.Request) (engine.Object, error) {
	return object1(r), nil
}

func (instant) Update(_ context.Context, r engine.Request) (engine.Object, error) {
	return object1(r), nil
}

func (instant) Delete(context.Context, engine.Request) error { return nil }

func (instant) Replaces(string, plan.Props, plan.Props) []string { return nil }

func object1(r engine.Request) engine.Object {
	return engine.Object{ID: "id-of-" + r.Name, Outputs: plan.Props{"Id": "id-of-" + r.Name, "Arn": "arn:aws:iam::123456789012:role/" + r.Name}}
}

// many is a stack of n resources, each referring to one before it.
func many(n, value int) *graph.Graph {
	g := &graph.Graph{Stack: stackName, Project: projectName}
	for i := range n {
		r := graph.Resource{Key: graph.Key{Type: role, Name: fmt.Sprint("r", i)}, NameProperty: "name", Component: fmt.Sprint("c", i/20),
			Props: plan.Props{"value": float64(value), "list": []any{"a", "b", map[string]any{"c": float64(i)}}}}
		if i > 0 {
			r.Props["on"] = graph.Key{Type: role, Name: fmt.Sprint("r", i/2)}.To("Id")
		}
		g.Resources = append(g.Resources, r)
	}
	return g
}

// stored is a stack whose state is on a real disk.
type onDisk struct {
	b      testing.TB
	folder string
	store  *state.Store
}

func newOnDisk(b testing.TB) *onDisk {
	folder := b.TempDir()
	store, err := state.Open(b.Context(), "file://"+filepath.ToSlash(folder))
	if err == nil {
		err = store.Init(b.Context(), stackName, projectName)
	}
	if err != nil {
		b.Fatal(err)
	}
	return &onDisk{b, folder, store}
}

// up is one command, from lock to unlock.
func (d *onDisk) up(g *graph.Graph) plan.Plan {
	ctx := d.b.Context()
	s, err := d.store.Lock(ctx, stackName, "up")
	if err != nil {
		d.b.Fatal(err)
	}
	e := &engine.Engine{Providers: func(string) (engine.Provider, error) { return instant{}, nil }, Events: event.Discard}
	p, err := e.Plan(ctx, g, s.Snapshot())
	if err == nil {
		err = e.Apply(ctx, p, g, s)
	}
	if err == nil {
		err = s.Unlock(ctx)
	}
	if err != nil {
		d.b.Fatal(err)
	}
	return p
}

// size is how many bytes the state takes.
func (d *onDisk) size() (bytes int64) {
	err := filepath.WalkDir(filepath.Join(d.folder, "stacks", stackName, "state"), func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		bytes += info.Size()
		return err
	})
	if err != nil {
		d.b.Fatal(err)
	}
	return bytes
}

// cpu is what this process has used of the processors.
func cpu(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkCreate makes a whole stack: CPU seconds of one run, and bytes of
// state for each resource. Twice the resources take twice the time.
func BenchmarkCreate(b *testing.B) {
	for _, n := range []int{1000, 2000, 5000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var used time.Duration
			var size int64
			for b.Loop() {
				d := newOnDisk(b)
				g := many(n, 1)
				before := cpu(b)
				p := d.up(g)
				used += cpu(b) - before
				if size = d.size(); len(p.Steps) != n {
					b.Fatal(len(p.Steps))
				}
			}
			b.ReportMetric(used.Seconds()/float64(b.N), "cpu-s/run")
			b.ReportMetric(float64(size)/float64(n), "B/resource")
		})
	}
}

// BenchmarkChange is what comes after the first run: nothing to do, or a
// change of every resource.
func BenchmarkChange(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		for name, steps := range map[string]int{"nothing": 0, "everything": n} {
			b.Run(fmt.Sprint(name, "/", n), func(b *testing.B) {
				d := newOnDisk(b)
				d.up(many(n, 0))
				var used time.Duration
				for i := 0; b.Loop(); i++ {
					g := many(n, (i+1)*min(steps, 1))
					before := cpu(b)
					p := d.up(g)
					used += cpu(b) - before
					if len(p.Steps) != steps {
						b.Fatal(len(p.Steps))
					}
				}
				b.ReportMetric(used.Seconds()/float64(b.N), "cpu-s/run")
			})
		}
	}
}
