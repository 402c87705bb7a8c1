package html

import (
	"iter"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/load"
	"github.com/droverhq/drover/internal/verdict"
	"github.com/droverhq/drover/plan"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// sample is a move of 20 s under 10 requests/s, one of which fails.
func sample(t *testing.T, title string) verdict.Verdict {
	t.Helper()
	records := func(yield func(load.Record, error) bool) {
		for i := range 200 {
			r := load.Record{Start: noon.Add(time.Duration(i) * 100 * time.Millisecond), Latency: time.Duration(i+1) * time.Millisecond, Status: 200}
			if i == 75 {
				r.Status, r.Cause = 0, load.Reset
			}
			if !yield(r, nil) {
				return
			}
		}
	}
	var events []event.Event
	now := noon
	log := event.NewLog(func() time.Time { return now }, func(e event.Event) { events = append(events, e) })
	at := func(second int, f event.Fact) {
		now = noon.Add(time.Duration(second) * time.Second)
		log.Emit(f)
	}
	at(2, event.RunStarted{Command: "up"})
	at(3, event.StepStarted{Step: 1, Op: plan.HandOver, URN: "urn:drover:dev:p:AWS::AutoScaling::AutoScalingGroup:web", Name: "web-2f9a6d1", Component: "nodegroup/web"})
	at(3, event.PhaseChanged{Step: 1, Group: "web-2f9a6d1", To: "shift"})
	at(3, event.WorkloadChanged{Workload: "deployment/apps/web", From: event.WorkloadWaiting, To: event.WorkloadSurging})
	at(4, event.WorkloadChanged{Workload: "deployment/apps/old", From: event.WorkloadWaiting, To: event.WorkloadParked, Why: "its image is gone"})
	at(4, event.NodeChanged{Node: "ip-10-0-0-1.ec2.internal", Change: "cordoned"})
	at(5, event.PodMoved{Namespace: "apps", Pod: "<b>nginx", Node: "ip-10-0-0-1.ec2.internal", Change: "evicted"})
	at(9, event.TargetChanged{Balancer: "lb", Instance: "i-1", State: "out"})
	at(12, event.StepFinished{Step: 1})
	at(13, event.RunFinished{})
	v, err := verdict.Build(verdict.Input{Title: title, Events: events, Loads: []verdict.Load{
		{Name: "steady, 10/s", Records: iter.Seq2[load.Record, error](records)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func write(t *testing.T, v verdict.Verdict) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The page tells the verdict, names what was moved, and treats names as text.
func TestPage(t *testing.T) {
	page := write(t, sample(t, `<script>alert("x")</script>`))
	for _, want := range []string{
		"<b>1</b> of 200 requests failed", "hand over web-2f9a6d1: shift", ">reset<", "ip-10-0-0-1<", "&lt;b&gt;nginx", "&lt;script&gt;",
		"<b>deployment/apps/old</b>: its image is gone", `class="part stays"`, `class="part leaving"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	if n := strings.Count(page, "<circle"); n != 1 {
		t.Errorf("%d marks of failures, want 1", n)
	}
}

// The page needs nothing but itself.
func TestSelfContained(t *testing.T) {
	page := write(t, sample(t, "move"))
	if hit := regexp.MustCompile(`https?://|<script|<link|<img|src=|@import|url\(`).FindString(page); hit != "" {
		t.Errorf("%q would fetch or run something", hit)
	}
}

// Everything that is drawn lies within the picture, and nothing is undefined.
func TestWithinPicture(t *testing.T) {
	v := sample(t, "move")
	page := write(t, v)
	p := draw(v)
	if strings.Contains(page, "NaN") || strings.Contains(page, "Inf") {
		t.Error("a coordinate is not a number")
	}
	for _, m := range regexp.MustCompile(` (c?[xy])="([-0-9.]+)"`).FindAllStringSubmatch(page, -1) {
		value, err := strconv.ParseFloat(m[2], 64)
		limit := float64(p.Width)
		if strings.HasSuffix(m[1], "y") {
			limit = float64(p.Height)
		}
		if err != nil || value < 0 || value > limit {
			t.Errorf("%s is outside of %v", m[0], limit)
		}
	}
}

// A verdict without a single request has no picture, but a page.
func TestEmpty(t *testing.T) {
	v, err := verdict.Build(verdict.Input{})
	if err != nil {
		t.Fatal(err)
	}
	if page := write(t, v); !strings.Contains(page, "nothing was proved") || strings.Contains(page, "<svg") {
		t.Error("want the reason and no picture")
	}
}
