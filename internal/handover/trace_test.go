package handover_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/handover/world"
)

var update = flag.Bool("update", false, "write the golden traces anew")

// A trace is what a reader should be able to follow: what was seen to happen, in
// its order. Its diff is reviewed like code.
func TestTraces(t *testing.T) {
	stateful := &world.App{Name: "db", Kind: "StatefulSet", Replicas: 3, Ready: 5 * time.Second}
	gone := &world.App{Name: "gone", Replicas: 1, Surge: 1, NewNeverReady: true, Ready: 2 * time.Second}
	nginx := func(replicas int) *world.App {
		return &world.App{Name: "nginx", Replicas: replicas, Surge: 1, Budget: 1, Ready: 2 * time.Second}
	}
	local := &world.App{Name: "edge", Replicas: 2, Surge: 1, Local: true, Ready: 2 * time.Second}
	for _, c := range []struct {
		name  string
		nodes int
		apps  []*world.App
		scene func(*play)
	}{
		{"surge", 2, apps(nginx(2)), func(*play) {}},
		{"single-replica", 1, apps(nginx(1)), func(*play) {}},
		{"statefulset", 2, apps(stateful), func(*play) {}},
		{"shrink", 2, apps(nginx(2)), func(p *play) { p.keep = 1 }},
		{"breach", 2, apps(nginx(4)), func(p *play) { time.AfterFunc(6*time.Second+100*time.Millisecond, func() { p.suffer("GET /: 502") }) }},
		{"parked", 1, apps(nginx(1), gone), func(*play) {}},
		{"local-traffic", 1, apps(local), func(*play) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &play{t: t}
			synctest.Test(t, func(t *testing.T) {
				p.World = world.NewWorld(1, 0, c.nodes, c.apps...)
				p.Settle(41 * time.Second)
				ctx, cancel := context.WithCancel(context.Background())
				var running sync.WaitGroup
				running.Go(func() { p.Run(ctx) })
				defer running.Wait()
				defer cancel()
				c.scene(p)
				p.story = append(p.story, fmt.Sprintf("end: %v", p.move()))
			})
			slices.Sort(p.balanced)
			compare(t, c.name, strings.Join(slices.Concat(p.story, p.balanced), "\n")+"\n")
		})
	}
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "traces", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// The file tells one run in its order; of what happens side by side, chance
	// decides what is seen first.
	if !slices.Equal(lines(got), lines(string(want))) {
		t.Errorf("%s differs (go test ./internal/handover -update writes it anew):\n%s", file, got)
	}
}

func lines(text string) []string {
	all := strings.Split(text, "\n")
	slices.Sort(all)
	return all
}

// tellStory writes a fact into the story. Facts of the same moment come in the
// order of their words, for nobody can tell which was first.
func (p *play) tellStory(f event.Fact) {
	line := seen(f)
	if _, is := f.(event.TargetChanged); is {
		p.balanced = append(p.balanced, line) // asked once a second: when, among what the watches show, is chance
		return
	}
	if line == "" {
		return
	}
	now := time.Now()
	if !now.Equal(p.moment) {
		p.moment, p.same = now, len(p.story)
	}
	p.story = append(p.story, line)
	slices.Sort(p.story[p.same:])
}

// seen is a fact in one line.
func seen(f event.Fact) string {
	switch f := f.(type) {
	case event.PhaseChanged:
		return "phase " + string(f.From) + " -> " + string(f.To)
	case event.WorkloadChanged:
		line := fmt.Sprintf("%s %s -> %s", f.Workload, f.From, f.To)
		if f.Why != "" {
			line += ": " + f.Why
		}
		return line
	case event.NodeChanged:
		return "node " + f.Node + " " + string(f.Change)
	case event.PodMoved:
		if f.Change == event.PodReplaced {
			return "pod " + f.Pod + " serves on a node that stays" // which one is the scheduler's choice
		}
		return "pod " + f.Pod + " on " + f.Node + " " + string(f.Change)
	case event.TargetChanged:
		return "load balancer " + f.Balancer + ": " + f.Instance + " " + string(f.State)
	}
	return ""
}
