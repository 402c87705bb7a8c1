package verdict

import (
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/load"
	"github.com/droverhq/drover/plan"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func second(s float64) time.Time { return noon.Add(time.Duration(s * float64(time.Second))) }

func stream(records []load.Record) iter.Seq2[load.Record, error] {
	return func(yield func(load.Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// log stamps facts with the given seconds.
func log(facts ...any) []event.Event {
	var events []event.Event
	for i := 0; i < len(facts); i += 2 {
		at := second(facts[i].(float64))
		event.NewLog(func() time.Time { return at }, func(e event.Event) { events = append(events, e) }).Emit(facts[i+1].(event.Fact))
	}
	return events
}

func move() []event.Event {
	asg := plan.NewURN("dev", "p", "AWS::AutoScaling::AutoScalingGroup", "web")
	step := func(id int, op plan.Op, gen int, name string) plan.Step {
		return plan.Step{ID: id, Op: op, URN: asg, Gen: gen, Name: name, Component: "nodegroup/web", Suffix: name[len("web-"):]}
	}
	pl := plan.Plan{Steps: []plan.Step{
		step(1, plan.Create, 2, "web-7c1e04b"),
		{ID: 2, Op: plan.Update, URN: plan.NewURN("dev", "p", "apps/v1/Deployment", "apps/nginx"), Name: "nginx"},
		step(3, plan.HandOver, 1, "web-2f9a6d1"),
		step(4, plan.Delete, 1, "web-2f9a6d1"),
	}}
	return log(
		1.0, event.RunStarted{Command: "up"},
		2.0, event.Planned{Plan: pl},
		2.0, event.StepStarted{Step: 1},
		3.0, event.StepStarted{Step: 2}, // beside step 1
		4.0, event.StepFinished{Step: 2},
		6.0, event.StepFinished{Step: 1},
		6.0, event.StepStarted{Step: 3},
		6.0, event.PhaseChanged{Step: 3, Group: "web-2f9a6d1", To: "inspect"},
		7.0, event.PhaseChanged{Step: 3, Group: "web-2f9a6d1", From: "inspect", To: "shift"},
		8.0, event.NodeChanged{Node: "n1", Change: "cordoned"},
		9.0, event.StepFinished{Step: 3},
		9.0, event.StepStarted{Step: 4},
		10.0, event.StepFinished{Step: 4},
		10.0, event.RunFinished{},
	)
}

// Side by side, the step that began last names the phase; a hand-over beats
// all; what follows the last run is "after".
func TestPhases(t *testing.T) {
	v, err := Build(Input{Events: move(), Loads: []Load{{Name: "steady", Records: stream([]load.Record{
		{Start: second(0), Status: 200}, {Start: second(12), Status: 200},
	})}}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range v.Bands {
		got = append(got, b.From.Format("05")+" "+b.Name)
	}
	want := []string{
		"00 before", "02 create nodegroup/web-7c1e04b", "03 update deployment/nginx", "04 create nodegroup/web-7c1e04b",
		"06 hand over web-2f9a6d1: inspect", "07 hand over web-2f9a6d1: shift", "09 delete nodegroup/web-2f9a6d1", "10 after",
	}
	if !slices.Equal(got, want) {
		t.Errorf("bands:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !v.OK || len(v.Story.Nodes) != 1 || v.Phases[1].Took != 3*time.Second {
		t.Errorf("ok %v, reasons %v, nodes %v, phase 1 %v", v.OK, v.Reasons, v.Story.Nodes, v.Phases[1])
	}
}

// Whatever the records and whenever the events: every request is in exactly
// one phase and one second, and all sums agree.
func TestSumsAgree(t *testing.T) {
	records := rapid.SliceOf(rapid.Custom(func(t *rapid.T) load.Record {
		r := load.Record{
			Start:   noon.Add(time.Duration(rapid.IntRange(0, 26).Draw(t, "start")) * 500 * time.Millisecond),
			Latency: time.Duration(rapid.Int64Range(0, int64(2*time.Second)).Draw(t, "latency")),
			Status:  rapid.SampledFrom([]int{0, 200, 502}).Draw(t, "status"),
		}
		r.Cause = map[int]load.Cause{0: load.Reset, 502: "status 502"}[r.Status]
		return r
	}))
	events := move()
	rapid.Check(t, func(t *rapid.T) {
		some := events[:rapid.IntRange(0, len(events)).Draw(t, "events")]
		in := Input{Events: some}
		sent, failed := 0, 0
		for _, name := range []string{"closed", "steady"} {
			r := records.Draw(t, name)
			in.Loads = append(in.Loads, Load{Name: name, Records: stream(r)})
			sent += len(r)
			failed += len(slices.DeleteFunc(slices.Clone(r), func(r load.Record) bool { return r.Cause == "" }))
		}
		v, err := Build(in)
		if err != nil {
			t.Fatal(err)
		}
		check := func(what string, s Stats) (requests, failures int) {
			statuses, causes := s.NoStatus, 0
			for _, n := range s.Statuses {
				statuses += n
			}
			for _, n := range s.Causes {
				causes += n
			}
			if statuses != s.Requests || s.OK+s.Failed != s.Requests || causes != s.Failed {
				t.Fatalf("%s does not add up: %+v", what, s)
			}
			return s.Requests, s.Failed
		}
		if n, f := check("total", v.Total); n != sent || f != failed {
			t.Fatalf("total %d, %d failed; sent %d, %d failed", n, f, sent, failed)
		}
		inPhases, failedInPhases, inLoads, inSeconds := 0, 0, 0, 0
		for _, p := range v.Phases {
			n, f := check(p.Name, p.Total)
			inPhases += n
			failedInPhases += f
		}
		for _, l := range v.Loads {
			for _, s := range l.Phases {
				n, _ := check(l.Name, s)
				inLoads += n
			}
			for _, s := range l.Timeline {
				inSeconds += s.Requests
			}
		}
		if inPhases != sent || failedInPhases != failed || inLoads != sent || inSeconds != sent || len(v.Failures) != failed {
			t.Fatalf("sent %d, failed %d: phases %d, %d; loads %d; seconds %d; listed %d",
				sent, failed, inPhases, failedInPhases, inLoads, inSeconds, len(v.Failures))
		}
		for i, b := range v.Bands { // no gap, no overlap
			if i > 0 && !b.From.Equal(v.Bands[i-1].To) || !b.From.Before(b.To) {
				t.Fatalf("bands %v", v.Bands)
			}
		}
	})
}

// A verdict is only good if traffic flowed, none of it failed, and the run held.
func TestReasons(t *testing.T) {
	good := []load.Record{{Start: second(0), Status: 200}}
	bad := []load.Record{{Start: second(0), Cause: load.Refused}}
	for _, c := range []struct {
		records []load.Record
		events  []event.Event
		want    string
	}{
		{good, nil, ""},
		{nil, nil, "no request was sent"},
		{bad, nil, `requests failed: 1 in "before"`},
		{good, log(1.0, event.RunStarted{Command: "up"}, 2.0, event.RunFinished{Error: "boom"}), "up failed: boom"},
		{good, log(1.0, event.GuardBreached{Reason: "3 failures"}), "the guard stopped the move: 3 failures"},
		{good, log(-9.0, event.RunStarted{Command: "up"}, -8.0, event.RunFinished{Error: "boom"}), ""}, // before the load
	} {
		v, err := Build(Input{Loads: []Load{{Name: "l", Records: stream(c.records)}}, Events: c.events})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(v.Reasons, "; "); !strings.HasPrefix(got, c.want) || v.OK != (c.want == "") {
			t.Errorf("ok %v, reasons %q, want %q", v.OK, got, c.want)
		}
	}
}
