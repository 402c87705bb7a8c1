package tui

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/story"
	"github.com/droverhq/drover/plan"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// middle is a story in the middle of a hand-over.
func middle() (*story.Story, time.Time) {
	group := func(id int, op plan.Op, gen int, name string) plan.Step {
		return plan.Step{
			ID: id, Op: op, URN: plan.NewURN("dev", "shop", "AWS::AutoScaling::AutoScalingGroup", "web"), Gen: gen,
			Name: name, Component: "nodegroup/web", Suffix: strings.TrimPrefix(name, "web-"),
		}
	}
	var s story.Story
	now := noon
	log := event.NewLog(func() time.Time { return now }, s.Add)
	for _, f := range []event.Fact{
		event.RunStarted{Command: "up", Project: "shop", Stack: "dev"},
		event.Planned{Plan: plan.Plan{Steps: []plan.Step{
			group(1, plan.Create, 2, "web-7c1e04b"), group(2, plan.HandOver, 1, "web-2f9a6d1"), group(3, plan.Delete, 1, "web-2f9a6d1"),
		}}},
		event.StepStarted{Step: 1}, event.StepFinished{Step: 1}, event.StepStarted{Step: 2},
		event.PhaseChanged{Step: 2, Group: "web-2f9a6d1", To: "inspect"}, event.PhaseChanged{Step: 2, Group: "web-2f9a6d1", To: "shift"},
		event.WorkloadChanged{Workload: "deployment/apps/api", From: event.WorkloadSurging, To: event.WorkloadMoved},
		event.WorkloadChanged{Workload: "deployment/apps/web", From: event.WorkloadSurging, To: event.WorkloadParked, Why: "its image is gone"},
		event.NodeChanged{Node: "n1", Change: event.NodeCordoned},
		event.PodMoved{Namespace: "apps", Pod: "a", Node: "n1", Change: "released"},
		event.PodMoved{Namespace: "apps", Pod: "b", Node: "n1", Change: "gone"},
		event.TargetChanged{Balancer: "lb", Instance: "i-1", State: "draining"},
		event.Progress{Step: 2, Waiting: "pod apps/b-new to be Ready"},
		event.LoadWindow{Source: "guard", Requests: 200, P99: 9 * time.Millisecond},
		event.LoadWindow{Source: "guard", Requests: 200, Failures: 1, P99: 4 * time.Millisecond},
	} {
		now = now.Add(time.Second)
		log.Emit(f)
	}
	return &s, now.Add(5 * time.Second)
}

// plainStyle has no colours, as on a terminal without them.
func plainStyle() style { return style{} }

// One frame, as a person sees it.
func TestFrame(t *testing.T) {
	s, now := middle()
	got := frame{s, plainStyle(), now, 100, 0, 0}.draw()
	want := `up shop/dev  20.0s
✓ create    nodegroup/web-7c1e04b  1.0s
⠋ hand over nodegroup/web-2f9a6d1  16.0s  pod apps/b-new to be Ready (7.0s)
    inspect → ready → ▸shift 14.0s → soak → done
    workloads 1 moved · 1 parked
    node      n1  cordoned  pods: 1 gone · 1 released
    targets   1 draining
· delete    nodegroup/web-2f9a6d1
guard    1 failed of 400  200/s  p99 4.0ms   █▄
✗ parked deployment/apps/web: its image is gone
`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// However small the terminal: no line is wider, and the frame is not taller,
// for bubbletea would cut off its top.
func TestFrameFits(t *testing.T) {
	s, now := middle()
	rapid.Check(t, func(t *rapid.T) {
		width, height := rapid.IntRange(20, 200).Draw(t, "width"), rapid.IntRange(5, 30).Draw(t, "height")
		lines := strings.Split(strings.TrimSuffix(frame{s, plainStyle(), now, width, height, 3}.draw(), "\n"), "\n")
		if len(lines) > height-1 {
			t.Fatalf("%d lines on a terminal of %d", len(lines), height)
		}
		for _, l := range lines {
			if ansi.StringWidth(l) > width {
				t.Fatalf("%q is wider than %d", l, width)
			}
		}
	})
}

// blocked is a terminal that takes nothing until it is freed.
type blocked struct{ free chan struct{} }

func (b blocked) Write(p []byte) (int, error) {
	<-b.free
	return len(p), nil
}

// A terminal that is stopped (Ctrl-S) does not hold up the engine.
func TestSlowTerminalDoesNotBlock(t *testing.T) {
	out := blocked{make(chan struct{})}
	v := New(out)
	log := event.NewLog(time.Now, v.Read)
	log.Emit(event.RunStarted{Command: "up"})
	time.Sleep(3 * frameEvery) // a frame is stuck by now
	for range 10_000 {
		log.Emit(event.NodeChanged{Node: "n", Change: "cordoned"})
	}
	close(out.free)
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

// Without a terminal, or where the user wants no colours, there are lines.
func TestOpen(t *testing.T) {
	for _, c := range []struct {
		tty  bool
		env  map[string]string
		live bool
	}{
		{true, nil, true},
		{false, nil, false},
		{true, map[string]string{"TERM": "dumb"}, false},
		{true, map[string]string{"NO_COLOR": "1"}, false},
	} {
		s := Open(io.Discard, c.tty, func(k string) string { return c.env[k] })
		if _, live := s.(*View); live != c.live {
			t.Errorf("%+v: live %v", c, live)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// recorded is a terminal that keeps what is written.
type recorded struct{ writes []string }

func (r *recorded) Write(p []byte) (int, error) {
	r.writes = append(r.writes, string(p))
	return len(p), nil
}

// The view asks the terminal nothing, for nobody would read the answer, and
// leaves the cursor to be seen, for nobody could show it again after a kill -9.
func TestLeavesTheTerminalAlone(t *testing.T) {
	out := &recorded{}
	v := New(out)
	v.Read(event.Event{At: time.Now(), Fact: event.RunStarted{Command: "up", Project: "shop", Stack: "dev"}})
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(out.writes, "")
	if !strings.Contains(all, "up shop/dev") {
		t.Fatalf("nothing was painted: %q", out.writes)
	}
	for _, sequence := range []string{"\x1b]", "\x1b[6n", "$p", "\x1b[c", " q", "\x1b[?2004h", "\x1b[?1049h", "\x1b[>"} {
		if strings.Contains(all, sequence) {
			t.Errorf("%q is in %q", sequence, all)
		}
	}
	for _, w := range out.writes {
		if strings.LastIndex(w, "\x1b[?25l") > strings.LastIndex(w, "\x1b[?25h") {
			t.Errorf("%q leaves the cursor hidden", w)
		}
	}
}
