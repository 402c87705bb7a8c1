package verdict

import (
	"errors"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/load"
	"github.com/droverhq/drover/plan"
)

// hundred are requests of 1 to 100 ms, the slowest first, a few milliseconds after
// each other; the one of 7 ms was reset.
func hundred() []load.Record {
	var records []load.Record
	for i := range 100 {
		r := load.Record{Start: second(float64(i) / 200), Latency: time.Duration(100-i) * time.Millisecond, Status: 200}
		if r.Latency == 7*time.Millisecond {
			r.Status, r.Cause = 0, load.Reset
		}
		records = append(records, r)
	}
	return records
}

// The figures of a set of requests are those of its latencies, whatever their order:
// in all, of its phase, and second by second. Kills: a sum that is left out, a rank
// that is off by one, a rate of no time.
func TestFigures(t *testing.T) {
	v, err := Build(Input{Loads: []Load{{Name: "steady", Records: stream(hundred())}}})
	if err != nil {
		t.Fatal(err)
	}
	near := func(got, want time.Duration) bool {
		return math.Abs(float64(got-want)) <= float64(want)/1000+float64(time.Millisecond)
	}
	for what, s := range map[string]Stats{"all": v.Total, "the load": v.Loads[0].Total, "the phase": v.Phases[0].Total, "the load's phase": v.Loads[0].Phases[0]} {
		if s.Requests != 100 || s.OK != 99 || s.Failed != 1 || s.NoStatus != 1 || s.Statuses[200] != 99 || len(s.Statuses) != 1 || s.Causes[load.Reset] != 1 {
			t.Errorf("%s: %+v", what, s)
		}
		for percent, at := range map[int][2]time.Duration{50: {s.P50, 50}, 90: {s.P90, 90}, 99: {s.P99, 99}, 100: {s.Max, 100}} {
			if !near(at[0], at[1]*time.Millisecond) {
				t.Errorf("%s: %d %% within %s", what, percent, at[0])
			}
		}
		if took := v.To.Sub(v.From); took <= 0 || math.Abs(s.Rate-100/took.Seconds()) > 1 {
			t.Errorf("%s: %f a second in %s", what, s.Rate, took)
		}
	}
	want := Second{Requests: 100, Failures: 1, P50: 50 * time.Millisecond, P99: 99 * time.Millisecond, Max: 100 * time.Millisecond}
	if got := v.Loads[0].Timeline[0]; got != want {
		t.Errorf("the first second: %+v", got)
	}
}

// Of no requests there are no figures, and of one that took no time no rate.
func TestFiguresOfNothing(t *testing.T) {
	if s := newTally().stats(time.Second); s.Rate != 0 || s.Max != 0 || s.P50 != 0 {
		t.Errorf("of nothing: %+v", s)
	}
	one := newTally()
	one.enter(load.Record{Start: noon, Status: 200})
	if s := one.stats(0); s.Rate != 0 || s.Requests != 1 {
		t.Errorf("in no time: %+v", s)
	}
}

// The first thousand failures of all loads are kept, by time.
func TestFailuresAreSortedAndCut(t *testing.T) {
	failing := func(offset float64) iter.Seq2[load.Record, error] {
		var records []load.Record
		for i := range 600 {
			records = append(records, load.Record{Start: second(float64(i) + offset), Cause: load.Refused})
		}
		return stream(records)
	}
	v, err := Build(Input{Loads: []Load{{Name: "a", Records: failing(0)}, {Name: "b", Records: failing(0.5)}}})
	if err != nil {
		t.Fatal(err)
	}
	byTime := slices.IsSortedFunc(v.Failures, func(a, b Failure) int { return a.At.Compare(b.At) })
	if len(v.Failures) != keptFailures || !byTime || v.Failures[1].Load != "b" || !v.Failures[0].At.Equal(noon) || v.Total.Failed != 1200 {
		t.Errorf("%d failures, sorted %v, %+v", len(v.Failures), byTime, v.Failures[:2])
	}
}

// A phase without a failure is not named among those that lost requests.
func TestWhereNamesWhatFailed(t *testing.T) {
	v, err := Build(Input{Events: move(), Loads: []Load{{Name: "l", Records: stream([]load.Record{
		{Start: second(0), Status: 200}, {Start: second(8.5), Cause: load.Refused}, {Start: second(12), Status: 200},
	})}}})
	if err != nil {
		t.Fatal(err)
	}
	if want := `requests failed: 1 in "hand over web-2f9a6d1: shift"`; len(v.Reasons) != 1 || v.Reasons[0] != want {
		t.Errorf("%q", v.Reasons)
	}
}

// Records that cannot be read are no verdict, and the load is named.
func TestUnreadableRecords(t *testing.T) {
	broken := func(yield func(load.Record, error) bool) { yield(load.Record{}, errors.New("line 3 is torn")) }
	v, err := Build(Input{Title: "x", Loads: []Load{{Name: "steady", Records: broken}}})
	if err == nil || err.Error() != `load "steady": line 3 is torn` || v.Title != "" {
		t.Errorf("%v, %+v", err, v)
	}
}

// A way back has phases of its own, and is a reason.
func TestTurnedBack(t *testing.T) {
	events := log(1.0, event.RunStarted{Command: "up"}, 5.0, event.TurnedBack{Why: "traffic suffered"})
	v, err := Build(Input{Events: events, Loads: []Load{{Name: "l", Records: stream([]load.Record{{Start: second(0), Status: 200}, {Start: second(9), Status: 200}})}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Reasons) != 1 || v.Reasons[0] != "the change was taken back: traffic suffered" || v.OK {
		t.Errorf("%q", v.Reasons)
	}
}

// Lanes hold what changed while requests were sent, the first and the last moment
// included; who is parked is told by its last change.
func TestLanes(t *testing.T) {
	parked := func(at float64, name string, to event.WorkloadState) []any {
		return []any{at, event.WorkloadChanged{Workload: name, From: event.WorkloadWaiting, To: to, Why: "no room"}}
	}
	facts := slices.Concat([]any{-5.0, event.RunStarted{Command: "up"}}, parked(-1, "early", event.WorkloadParked), parked(0, "first", event.WorkloadParked),
		parked(2, "moves", event.WorkloadMoved), parked(4, "last", event.WorkloadParked), parked(5, "late", event.WorkloadParked))
	v, err := Build(Input{Events: log(facts...), Loads: []Load{{Name: "l", Records: stream([]load.Record{{Start: second(0), Status: 200}, {Start: second(4), Status: 200}})}}})
	if err != nil {
		t.Fatal(err)
	}
	names := func(lanes []Lane) (all []string) {
		for _, l := range lanes {
			all = append(all, l.Name)
		}
		return all
	}
	if got := names(v.Story.Workloads); !slices.Equal(got, []string{"first", "moves", "last"}) {
		t.Errorf("during the load: %q", got)
	}
	if got := names(v.Story.Parked()); !slices.Equal(got, []string{"first", "last"}) {
		t.Errorf("parked: %q", got)
	}
}

// A phase that lasted no time is none; one that goes on through it is one. A way back
// names its phases so. Bands end where the requests end.
func TestPhasesThatAreNone(t *testing.T) {
	step := func(id int, op plan.Op, name string) plan.Step {
		return plan.Step{ID: id, Op: op, URN: plan.NewURN("dev", "p", "v1/Thing", name), Name: name, Component: "nodegroup/" + name}
	}
	pl := plan.Plan{Returns: true, Steps: []plan.Step{step(1, plan.Create, "a"), step(2, plan.Update, "b"), step(3, plan.HandOver, "c")}}
	read := readTale(log(
		1.0, event.RunStarted{Command: "return"},
		1.0, event.Planned{Plan: pl},
		2.0, event.StepStarted{Step: 1},
		3.0, event.StepStarted{Step: 2},
		3.0, event.StepFinished{Step: 2}, // it took no time: step 1 goes on
		5.0, event.StepFinished{Step: 1},
		5.0, event.StepStarted{Step: 3},
		4.5, event.PhaseChanged{Step: 3, Group: "c", To: "shift"}, // a clock that was set back
		8.0, event.StepFinished{Step: 3},
	))
	var got []string
	for _, c := range read.changes {
		got = append(got, c.at.Format("05")+" "+c.name)
	}
	want := []string{"00 before", "02 create thing/a", "05 hand over c, back: shift"}
	if got, want := strings.Join(got[1:], "\n"), strings.Join(want[1:], "\n"); got != want {
		t.Errorf("phases:\n%s\nwant:\n%s", got, want)
	}
	bands := read.bands(second(1), second(7))
	if last := bands[len(bands)-1]; last.To != second(7) || last.From != second(5) || bands[0].From != second(1) {
		t.Errorf("bands: %+v", bands)
	}
	if cut := read.bands(second(1), second(4)); len(cut) != 2 || cut[1].To != second(4) {
		t.Errorf("up to the middle of a phase: %+v", cut)
	}
	if whole := read.bands(second(1), second(5)); len(whole) != 2 || whole[1].To != second(5) {
		t.Errorf("up to where a phase ends: %+v", whole)
	}
}
