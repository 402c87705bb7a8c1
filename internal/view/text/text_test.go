package text

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/story"
	"github.com/droverhq/drover/internal/verdict"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// A run as a log file shows it: waits of more than a second are named, on
// change and every 10 s, and nothing else repeats.
func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		v := New(&out, Style{Plain: true})
		log := event.NewLog(time.Now, v.Read)
		group := func(id int, typ string) plan.Step {
			return plan.Step{
				ID: id, Op: plan.Create, URN: plan.NewURN("dev", "shop", typ, "web"), Gen: 2,
				Name: "web-7c1e04b", Component: "nodegroup/web", Suffix: "7c1e04b", Why: "version",
			}
		}
		say := func(after time.Duration, facts ...event.Fact) {
			time.Sleep(after)
			for _, f := range facts {
				log.Emit(f)
			}
		}
		say(0, event.RunStarted{Command: "up", Project: "shop", Stack: "dev"},
			event.Planned{Plan: plan.Plan{Steps: []plan.Step{group(1, "AWS::IAM::Role"), group(2, "AWS::AutoScaling::AutoScalingGroup")}}},
			event.StepStarted{Step: 1})
		say(300*time.Millisecond, event.StepFinished{Step: 1}, event.StepStarted{Step: 2}, event.Progress{Step: 2, Waiting: "0 of 5 nodes Ready"})
		say(13*time.Second, event.Progress{Step: 2, Waiting: "4 of 5 nodes Ready"})
		say(2*time.Second, event.StepFinished{Step: 2})
		say(0, event.PhaseChanged{Step: 3, Group: "web-2f9a6d1", To: "shift"},
			event.WorkloadChanged{Workload: "deployment/apps/nginx", From: event.WorkloadWaiting, To: event.WorkloadSurging},
			event.WorkloadChanged{Workload: "deployment/apps/old", From: event.WorkloadWaiting, To: event.WorkloadParked, Why: "its image is gone"},
			event.NodeChanged{Node: "n1", Change: "cordoned"},
			event.PodMoved{Namespace: "apps", Pod: "nginx-1", Node: "n1", Change: "evicted", Detail: "1 left"},
			event.TargetChanged{Balancer: "lb", Instance: "i-1", State: "out"},
			event.Finding{Severity: "warning", Object: "deployment/apps/nginx", Effect: "one replica", Fix: "scale it"},
			event.LoadWindow{Source: "guard", Requests: 200, P99: 5 * time.Millisecond},
			event.LoadWindow{Source: "guard", Requests: 200, Failures: 2, P99: 9 * time.Millisecond},
			event.GuardBreached{URL: "http://lb/", Reason: "2 failures"},
			event.RunFinished{Took: 15 * time.Second, Error: "stopped"})
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		want := `   0.0s up shop/dev
   0.0s > create nodegroup/web-7c1e04b
   2.0s   create nodegroup/web-7c1e04b: 0 of 5 nodes Ready (1.7s)
  12.0s   create nodegroup/web-7c1e04b: 0 of 5 nodes Ready (11.7s)
  15.0s   create nodegroup/web-7c1e04b: 4 of 5 nodes Ready (1.7s)
  15.3s ok create nodegroup/web-7c1e04b  15.3s
  15.3s > hand over web-2f9a6d1: shift
  15.3s   deployment/apps/nginx surging
  15.3s   deployment/apps/old parked its image is gone
  15.3s   node n1 cordoned
  15.3s   pod apps/nginx-1 evicted (n1) 1 left
  15.3s   target i-1 out at lb
  15.3s   warning deployment/apps/nginx: one replica
  15.3s     fix: scale it
  15.3s   guard: 400 requests, 2 failed, p99 up to 9.0ms
  15.3s FAILED guard: 2 failures (http://lb/)
  15.3s FAILED parked deployment/apps/old: its image is gone
  15.3s FAILED up failed after 15.0s: stopped
`
		if got := out.String(); got != want {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	})
}

// A wait whose text holds a clock is always news and never still: it is told
// once, and again at growing intervals, with the time since it began.
func TestClockIsNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		v := New(&out, Style{Plain: true})
		log := event.NewLog(time.Now, v.Read)
		log.Emit(event.StepStarted{Step: 1, Op: plan.HandOver, URN: "urn:drover:d:p:T:web", Name: "web-1"})
		for i := range 360 { // 90 s
			log.Emit(event.Progress{Step: 1, Waiting: fmt.Sprintf("pod apps/a to be let go: %.1fs of 90s", float64(i)/4)})
			time.Sleep(time.Second / 4)
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		want := `   0.0s > hand over t/web-1
   1.0s   hand over t/web-1: pod apps/a to be let go: 0.8s of 90s (1.0s)
  11.0s   hand over t/web-1: pod apps/a to be let go: 10.8s of 90s (11.0s)
  31.0s   hand over t/web-1: pod apps/a to be let go: 30.8s of 90s (31.0s)
  1m11s   hand over t/web-1: pod apps/a to be let go: 70.8s of 90s (1m11s)
`
		if got := steady(out.String()); got != steady(want) {
			t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
		}
	})
}

// steady leaves out the tenths of the clock in the text: whether a fact or a
// tick that fall on one moment comes first is open.
func steady(text string) string {
	return regexp.MustCompile(`: [0-9.]+s of`).ReplaceAllString(text, ": _ of")
}

// A wait that is another one all the time is told now and then.
func TestRestlessWaitIsNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		v := New(&out, Style{Plain: true})
		log := event.NewLog(time.Now, v.Read)
		log.Emit(event.StepStarted{Step: 1, Op: plan.HandOver, URN: "urn:drover:d:p:T:web", Name: "web-1"})
		for i := range 70 { // 35 s
			log.Emit(event.Progress{Step: 1, Waiting: fmt.Sprintf("pod apps/a-%d to be Ready", i)})
			time.Sleep(time.Second / 2)
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), "to be Ready"); n != 3 {
			t.Errorf("told %d times in 35 s, want every 10 s:\n%s", n, out.String())
		}
	})
}

// stuck is a terminal that takes nothing until it is freed.
type stuck struct{ free chan struct{} }

func (s stuck) Write(p []byte) (int, error) {
	<-s.free
	return len(p), nil
}

// A terminal that is stopped (Ctrl-S) does not hold up the engine.
func TestSlowTerminalDoesNotBlock(t *testing.T) {
	out := stuck{make(chan struct{})}
	v := New(out, Style{})
	log := event.NewLog(time.Now, v.Read)
	for range 10_000 {
		log.Emit(event.NodeChanged{Node: "n", Change: "cordoned"})
	}
	close(out.free)
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

// broken is a terminal that nobody foresaw.
type broken struct{}

func (broken) Write([]byte) (int, error) { panic("no such terminal") }

// A screen that breaks is an error at the end, not the end of the run.
func TestBrokenScreenDoesNotEndTheRun(t *testing.T) {
	v := New(broken{}, Style{})
	log := event.NewLog(time.Now, v.Read)
	log.Emit(event.RunStarted{Command: "up"})
	log.Emit(event.RunFinished{})
	var caught *problem.Panic
	if err := v.Close(); !errors.As(err, &caught) {
		t.Errorf("%v", err)
	}
}

// Without a terminal there are no escape sequences and nothing but ASCII.
func TestPlainVerdict(t *testing.T) {
	var out bytes.Buffer
	v := verdict.Verdict{
		Total:    verdict.Stats{Requests: 231004, OK: 231004, Rate: 700},
		Phases:   []verdict.Phase{{Name: "before", Took: time.Second, Total: verdict.Stats{Requests: 231004, P50: 5 * time.Millisecond}}},
		Loads:    []verdict.LoadStats{{Name: "closed", Phases: []verdict.Stats{{Requests: 14}}, Timeline: []verdict.Second{{Requests: 9, Failures: 1}, {Requests: 5}}}},
		OK:       true,
		From:     time.Unix(0, 0),
		To:       time.Unix(2, 0),
		Bands:    []verdict.Band{{Name: "before", From: time.Unix(0, 0), To: time.Unix(2, 0)}},
		Failures: nil,
		Story: verdict.Story{Workloads: []verdict.Lane{{
			Name: "deployment/apps/old", Changes: []story.Change{{What: string(event.WorkloadParked), Detail: "its image is gone"}}}}},
	}
	if err := Verdict(&out, v, Style{Plain: true}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "ok 0 of 231,004 requests failed in 2.0s (700/s)") {
		t.Errorf("no headline:\n%s", out.String())
	}
	if !strings.Contains(out.String(), "parked deployment/apps/old: its image is gone") {
		t.Errorf("what is parked is not named:\n%s", out.String())
	}
	for _, r := range out.String() {
		if r > 126 || r < 32 && r != '\n' {
			t.Fatalf("%q in:\n%s", r, out.String())
		}
	}
}
