package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// guarded is the tutorial with a guard that asks for that when it is breached, and an output.
func guarded(n nodes, answer graph.OnBreach) *graph.Graph {
	g := tutorial("web", standard, n)
	g.Guards = []graph.Guard{{OnBreach: answer}}
	g.Outputs = []graph.Output{{Name: "group", Value: graph.Key{Type: group, Name: "web"}.To("Id")}}
	return g
}

// stand is all that the state and the cloud have of a stack, without what only
// grows: times, and how often an object was changed.
func (w *world) stand() string {
	s, err := w.store.Read(context.Background(), stackName)
	if err != nil {
		w.t.Fatal(err)
	}
	var lines []string
	for _, r := range s.Resources {
		lines = append(lines, text([]any{r.URN, r.Gen, r.ID, r.Name, r.Inputs, r.Generation, r.Needs, r.Hosts, r.Conn, r.Condemned, r.Settling, r.Leaving, r.Gone}))
	}
	for _, o := range w.cloud.objects {
		lines = append(lines, fmt.Sprint(o.id, o.name, o.inputs, o.size, o.emptied, o.retired))
	}
	slices.Sort(lines)
	return strings.Join(append(lines, text(s.Pending), text(s.Way), text(s.Outputs)), "\n")
}

// back is `drover return`, or an up that goes on with a return.
func (w *world) back(f *faults, change func(*engine.Engine)) (plan.Plan, error) {
	w.t.Helper()
	ctx := context.Background()
	w.cloud.faults, w.cloud.desired = f, map[plan.URN]graph.Resource{}
	s := w.lock()
	e := w.cloud.engine(event.Discard)
	change(e)
	g, err := e.Former(s.Snapshot(), nil)
	if err != nil {
		return plan.Plan{}, err
	}
	p, err := e.Plan(ctx, g, s.Snapshot())
	if err != nil {
		return p, err
	}
	err = e.Apply(ctx, p, g, journal{s, w.cloud})
	if len(w.cloud.breaches) > 0 {
		w.t.Fatalf("%s\nplan:\n%s\nresult: %v", strings.Join(w.cloud.breaches, "\n"), detail(p), err)
	}
	return p, err
}

func unchanged(*engine.Engine) {}

// told keeps what happened.
type told struct{ facts []event.Fact }

func (t *told) Emit(f event.Fact) { t.facts = append(t.facts, f) }

// Wherever the guard is breached before anything is deleted, the change is taken
// back in the same run: the state and the cloud are as they were, and a preview
// shows the change again.
func TestBreachTakesTheChangeBack(t *testing.T) {
	for _, at := range []string{"rolling update", "hand-over", "after the hand-over"} {
		t.Run(at, func(t *testing.T) {
			w, guard := newWorld(t), &watcher{answer: graph.Return}
			w.mustRun(guarded(before, graph.Return))
			was := w.stand()
			events := new(told)
			first, err := w.up(context.Background(), guarded(after, graph.Return), func(e *engine.Engine) {
				e.Guard, e.Mover, e.Events = guard, &suffering{Mover: e.Mover, guard: guard, at: at}, events
				if at == "rolling update" {
					w.intercept(func(op plan.Op, r engine.Request) error {
						if op == plan.Update && r.Type == workload && guard.starts() == 1 {
							guard.suffer()
						}
						return nil
					})(e)
				}
			})
			if kind(err) != problem.Returned || !strings.Contains(err.Error(), "1 request failed") {
				t.Fatalf("%v", err)
			}
			if now := w.stand(); now != was {
				t.Errorf("not as before:\n%s\nwas:\n%s", now, was)
			}
			if i := slices.IndexFunc(events.facts, func(f event.Fact) bool { _, is := f.(event.TurnedBack); return is }); i < 0 || events.facts[i+1].(event.Planned).Plan.Returns == false {
				t.Error("nobody was told")
			}
			again, err := w.up(context.Background(), guarded(after, graph.Return), unchanged)
			if err != nil || detail(again) != detail(first) {
				t.Errorf("%v: the change reads otherwise now:\n%s\nfirst:\n%s", err, detail(again), detail(first))
			}
		})
	}
}

// What was to be made anew without a need is not made anew once more to take that back.
func TestReplacementOnRequestIsTakenBack(t *testing.T) {
	w, guard := newWorld(t), &watcher{answer: graph.Return}
	w.mustRun(guarded(before, graph.Return))
	was := w.stand()
	_, err := w.up(context.Background(), guarded(before, graph.Return), func(e *engine.Engine) {
		e.Replace = []string{"nodegroup/web"}
		e.Guard, e.Mover = guard, &suffering{Mover: e.Mover, guard: guard, at: "hand-over"}
	})
	if kind(err) != problem.Returned {
		t.Fatalf("%v", err)
	}
	if now := w.stand(); now != was {
		t.Errorf("not as before:\n%s\nwas:\n%s", now, was)
	}
}

// suffering is breached at a hand-over of the old group, or right after it.
type suffering struct {
	engine.Mover
	guard *watcher
	at    string
	moves []engine.Move
}

func (m *suffering) HandOver(ctx context.Context, mv engine.Move) error {
	m.moves = append(m.moves, mv)
	if m.at == "" || mv.Back {
		return m.Mover.HandOver(ctx, mv)
	}
	if m.at == "hand-over" {
		m.guard.suffer()
		return errors.Join(mv.Save([]byte(`{"phase":"stopped"}`)),
			&problem.Error{Kind: problem.Guarded, Op: "hand over", Err: errors.New("1 request failed"), Fix: "-"})
	}
	err := m.Mover.HandOver(ctx, mv)
	m.guard.suffer()
	return err
}

// The way back in the plan's words: nodes first, then what was placed anew, then
// what has moved.
func TestWayBackReadsWell(t *testing.T) {
	w, guard := newWorld(t), &watcher{}
	w.mustRun(tutorial("web", standard, before))
	mover := &suffering{guard: guard, at: "hand-over"}
	if _, err := w.up(context.Background(), guarded(after, graph.Stop), func(e *engine.Engine) { mover.Mover = e.Mover; e.Guard, e.Mover = guard, mover }); kind(err) != problem.Guarded {
		t.Fatal(err)
	}
	mover.at = ""
	p, err := w.back(new(faults), func(e *engine.Engine) { mover.Mover = e.Mover; e.Mover = mover })
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	_ = plan.Text(&b, p)
	want := `1 update    nodegroup/web-1   stays after all; its nodes take pods and traffic again
2 update    deployment/nginx        now placed on web-1                     needs [1]
3 hand over nodegroup/web-2   nothing runs there                            needs [1 2]
4 delete    nodegroup/web-2   only when empty                               needs [3]
`
	leaves := p.Steps[slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.Op == plan.HandOver })]
	got := strings.NewReplacer(p.Steps[0].Name, "web-1", leaves.Name, "web-2").Replace(b.String())
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	last := mover.moves[len(mover.moves)-1]
	if !last.Back || !last.EndSoak || len(last.Owed) != 1 || len(last.To) != 2 {
		t.Errorf("the way back is asked for as %+v", last)
	}
}

// A change that is taken back in the file, after its hand-over began, uses the
// old group again. Nothing is made.
func TestChangeTakenBackInTheFileUsesTheOldGroup(t *testing.T) {
	for _, at := range []string{"hand-over", "after the hand-over"} {
		w, guard := newWorld(t), &watcher{}
		w.mustRun(tutorial("web", standard, before))
		was := w.stand()
		if _, err := w.up(context.Background(), guarded(after, graph.Stop), func(e *engine.Engine) {
			e.Guard, e.Mover = guard, &suffering{Mover: e.Mover, guard: guard, at: at}
		}); kind(err) != problem.Guarded {
			t.Fatal(err)
		}
		p := w.mustRun(tutorial("web", standard, before))
		if p.Counts()[plan.Create] > 0 || p.Returns {
			t.Errorf("the plan:\n%s", detail(p))
		}
		if now := w.stand(); now != was {
			t.Errorf("not as before:\n%s\nwas:\n%s", now, was)
		}
	}
}

// Where several groups go at once, none moves to another that goes, too.
func TestGroupsMoveToThoseThatStay(t *testing.T) {
	w, mover := newWorld(t), &suffering{}
	w.mustRun(tutorial("web", standard, before, nodes{"next", "m7i.large", "1.36", 2}))
	if _, err := w.up(context.Background(), tutorial("standard", standard), func(e *engine.Engine) { mover.Mover = e.Mover; e.Mover = mover }); err != nil {
		t.Fatal(err)
	}
	for _, m := range mover.moves {
		if len(m.To) != 1 || m.To[0].URN.Name() != "standard" {
			t.Errorf("%s moves to %v, want standard alone", m.From.Name, m.To)
		}
	}
	if len(mover.moves) != 2 {
		t.Errorf("%d moves, want one of each group", len(mover.moves))
	}
}

// Workloads of all kinds come back to nodes only once those take pods again, also those that
// do not say on which they run.
func TestNodesOpenBeforeAnythingIsPlacedOnThem(t *testing.T) {
	w, guard := newWorld(t), &watcher{}
	with := func(g *graph.Graph, image string) *graph.Graph {
		other := g.Resources[len(g.Resources)-1]
		other.Name, other.Props = "apps/other", plan.Props{"image": image}
		g.Resources = append(g.Resources, other)
		return g
	}
	w.mustRun(with(tutorial("web", standard, before), "a:1"))
	if _, err := w.up(context.Background(), with(guarded(after, graph.Stop), "a:2"), func(e *engine.Engine) {
		e.Guard, e.Mover = guard, &suffering{Mover: e.Mover, guard: guard, at: "hand-over"}
	}); kind(err) != problem.Guarded {
		t.Fatal(err)
	}
	p := w.mustRun(with(tutorial("web", standard, before), "a:1"))
	opens, placed := place(p, plan.Update, group, "web"), place(p, plan.Update, workload, "apps/other")
	if opens == 0 || placed == 0 || !slices.Equal(p.Steps[placed-1].Needs, []int{opens}) {
		t.Errorf("the other one does not wait for its nodes:\n%s", detail(p))
	}
}

// New nodes that never come are taken back, if a guard asks for that.
func TestFailedGroupIsTakenBack(t *testing.T) {
	for answer, want := range map[graph.OnBreach]problem.Kind{graph.Return: problem.Returned, graph.Stop: problem.Outside} {
		w := newWorld(t)
		w.mustRun(guarded(before, answer))
		was := w.stand()
		_, err := w.up(context.Background(), guarded(after, answer), func(e *engine.Engine) { e.Mover = unready{e.Mover} })
		if kind(err) != want || !strings.Contains(err.Error(), "0 of 5 nodes Ready") {
			t.Errorf("%q: %v", answer, err)
		}
		if now := w.stand(); answer == graph.Return && now != was {
			t.Errorf("not as before:\n%s\nwas:\n%s", now, was)
		}
	}
}

// Once something is deleted that no run brings back there is no way back: a
// breach stops.
func TestWayIsClosedByTheFirstDelete(t *testing.T) {
	w, guard := newWorld(t), &watcher{answer: graph.Return}
	w.mustRun(guarded(before, graph.Return))
	_, err := w.up(context.Background(), guarded(after, graph.Return), func(e *engine.Engine) { e.Guard, e.Mover = guard, breaching{e.Mover, guard} })
	if kind(err) != problem.Guarded {
		t.Errorf("%v", err)
	}
	if _, err := w.back(new(faults), unchanged); kind(err) != problem.Refused {
		t.Errorf("%v", err)
	}
}

// A breach on the way back stops it, and the next run goes on with it.
func TestBreachOnTheWayBackDoesNotTurnItRound(t *testing.T) {
	w, guard := newWorld(t), &watcher{answer: graph.Return}
	w.mustRun(guarded(before, graph.Return))
	was := w.stand()
	_, err := w.up(context.Background(), guarded(after, graph.Return), func(e *engine.Engine) {
		e.Guard, e.Mover = guard, &suffering{Mover: e.Mover, guard: guard, at: "hand-over"}
		w.intercept(func(op plan.Op, r engine.Request) error {
			if op == plan.Update && r.Type == workload && guard.starts() == 2 {
				guard.suffer()
			}
			return nil
		})(e)
	})
	if kind(err) != problem.Guarded || !strings.Contains(err.Error(), "take the change back") {
		t.Fatalf("%v", err)
	}
	s, err := w.store.Read(context.Background(), stackName)
	if err != nil || s.Way == nil || !s.Way.Returns {
		t.Fatalf("%v: the state does not say that it returns: %v", err, s.Way)
	}
	if _, err := w.back(new(faults), unchanged); err != nil {
		t.Fatal(err)
	}
	if now := w.stand(); now != was {
		t.Errorf("not as before:\n%s\nwas:\n%s", now, was)
	}
}

// A guard that cannot be started, because traffic is down, does not keep anybody
// from the way back.
func TestWayBackGoesOnWithoutAGuardThatCannotJudge(t *testing.T) {
	w, guard := newWorld(t), &watcher{answer: graph.Return, once: true}
	w.mustRun(guarded(before, graph.Return))
	events := new(told)
	_, err := w.up(context.Background(), guarded(after, graph.Return), func(e *engine.Engine) {
		e.Guard, e.Mover, e.Events = guard, &suffering{Mover: e.Mover, guard: guard, at: "hand-over"}, events
	})
	if warned := events.unjudged(); kind(err) != problem.Returned || warned != 1 {
		t.Errorf("%v, warned %d times", err, warned)
	}
}

// unjudged is how often it was told that no guard can judge the way back.
func (t *told) unjudged() (n int) {
	for _, f := range t.facts {
		if f, is := f.(event.Finding); is && strings.Contains(f.Effect, "cannot judge the way back") {
			n++
		}
	}
	return n
}

// Nor does one that suffers from the start, which ends with that.
func TestWayBackGoesOnWithoutAGuardThatSuffersAtOnce(t *testing.T) {
	w, guard := newWorld(t), &watcher{answer: graph.Return}
	w.mustRun(guarded(before, graph.Return))
	events := new(told)
	_, err := w.up(context.Background(), guarded(after, graph.Return), func(e *engine.Engine) {
		e.Guard, e.Mover, e.Events = &doomed{watcher: guard}, &suffering{Mover: e.Mover, guard: guard, at: "hand-over"}, events
	})
	if warned := events.unjudged(); kind(err) != problem.Returned || warned != 1 || guard.stops != 2 {
		t.Errorf("%v, warned %d times, %d guards were stopped", err, warned, guard.stops)
	}
}

// doomed suffers as soon as it starts for the second time.
type doomed struct{ *watcher }

func (d *doomed) Start(ctx context.Context, guards []graph.Guard, before engine.Baseline, events event.Sink) (engine.Watch, error) {
	again := d.starts() > 0
	w, err := d.watcher.Start(ctx, guards, before, events)
	if again {
		d.suffer()
	}
	return w, err
}

// What nothing takes back stays as it is, and is told; the rest is taken back.
func TestVersionOfAClusterIsNotTakenBack(t *testing.T) {
	versioned := func(version any, n nodes) *graph.Graph {
		g := guarded(n, graph.Stop)
		for _, r := range g.Resources {
			if r.Type == cluster {
				if r.Props["tag"] = fmt.Sprint("for ", version); version != nil {
					r.Props["Version"] = version
				}
			}
		}
		return g
	}
	for _, c := range []struct {
		was, wanted any
		stays       string
		told        bool
	}{{"1.35", "1.36", "1.36", true}, {"1.35", "1.35", "1.35", false}, {"1.35", nil, "1.35", false}} {
		w := newWorld(t)
		w.mustRun(versioned(c.was, before))
		guard, events := &watcher{}, new(told)
		if _, err := w.up(context.Background(), versioned(c.wanted, after), func(e *engine.Engine) {
			e.Guard, e.Mover = guard, &suffering{Mover: e.Mover, guard: guard, at: "hand-over"}
		}); kind(err) != problem.Guarded {
			t.Fatal(err)
		}
		if _, err := w.back(new(faults), func(e *engine.Engine) { e.Events = events }); err != nil {
			t.Fatal(err)
		}
		for _, r := range w.read().Resources {
			if r.Type == cluster && (r.Inputs["Version"] != c.stays || r.Inputs["tag"] != "for 1.35") {
				t.Errorf("%v -> %v: taken back to %v", c.was, c.wanted, r.Inputs)
			}
		}
		if told := slices.ContainsFunc(events.facts, func(f event.Fact) bool {
			n, is := f.(event.Finding)
			return is && strings.Contains(n.Effect, "its Version stays")
		}); told != c.told {
			t.Errorf("%v -> %v: told %v: %v", c.was, c.wanted, told, events.facts)
		}
	}
}

// tied is the tutorial with an object of the user's own name, of which two cannot
// stand at once, and one that refers to it and so goes first.
func tied(n nodes, fixed float64) *graph.Graph {
	g := guarded(n, graph.Stop)
	own := res(role, "own", plan.Props{ownName: "mine", "fixedA": fixed})
	leaf := res(role, "leaf", plan.Props{"fixed-own": own.To("Id")})
	leaf.NameProperty = "name"
	g.Resources = append(g.Resources, own, leaf)
	return g
}

// What is gone by the time that a change is taken back is made anew once, however
// often the way back is killed.
func TestWhatIsMadeAnewOnTheWayBackIsMadeOnce(t *testing.T) {
	there := func(at int) (*world, *state.Snapshot) {
		w := newWorld(t)
		w.mustRun(tied(before, 0))
		_, _ = w.run(tied(after, 1), &faults{at: at, kind: "crash after"})
		s, err := w.store.Read(context.Background(), stackName)
		if err != nil {
			t.Fatal(err)
		}
		return w, s
	}
	at := 0
	for gone := false; !gone; at++ {
		_, s := there(at + 1)
		gone = slices.ContainsFunc(s.Pending, func(in state.Intent) bool { return in.Op == plan.Delete && in.URN.Name() == "leaf" })
	}
	for kill := 1; ; kill++ {
		w, _ := there(at)
		_, err := w.back(&faults{at: kill, kind: "crash after"}, unchanged)
		if err == nil {
			return
		}
		if _, err := w.back(new(faults), unchanged); err != nil && kind(err) != problem.Refused { // it may have been through
			t.Fatalf("killed at call %d: %v", kill, err)
		}
		if p, err := w.run(tied(before, 0), new(faults)); err != nil || len(p.Steps) > 0 {
			t.Fatalf("killed at call %d: %v: not as before\n%s", kill, err, detail(p))
		}
	}
}

// Killed anywhere on the way back, or on the way there, the next run of it goes
// on, and in the end all is as it was: whatever was changed.
func TestWayBackSurvivesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		was := w.drawGraph(t)
		if _, err := w.run(was, new(faults)); err != nil {
			t.Fatal(err)
		}
		draw := func(label string) *faults {
			return &faults{at: rapid.IntRange(0, 60).Draw(t, label), kind: rapid.SampledFrom([]string{"crash before", "crash after"}).Draw(t, label+" kind")}
		}
		_, err := w.run(w.drawGraph(t), draw("there"))
		if err == nil {
			return
		}
		for range rapid.IntRange(0, 3).Draw(t, "kills") {
			if _, err := w.back(draw("back"), unchanged); kind(err) == problem.Refused {
				return // nothing was handed over, or it is too late
			}
		}
		if _, err := w.back(new(faults), unchanged); err != nil {
			if kind(err) == problem.Refused {
				return
			}
			t.Fatal(err)
		}
		p, err := w.run(was, new(faults))
		if err != nil || p.Counts()[plan.Create]+p.Counts()[plan.HandOver]+p.Counts()[plan.Delete] > 0 {
			t.Fatalf("%v: not as before\n%s", err, detail(p))
		}
		w.check(w.wanted)
	})
}

// A change is taken back at once for two reasons alone: its guard is breached, or the
// nodes that were to take the pods have failed. Credentials that expired help neither way.
func TestOtherFailuresAreNotTakenBack(t *testing.T) {
	for about, fails := range map[string]func(op plan.Op, r engine.Request) error{
		"a rollout":              failing(plan.Update, workload, errLimit),
		"a part of the group":    failing(plan.Create, template, errLimit),
		"credentials of a group": failing(plan.Create, group, errExpired),
	} {
		w := newWorld(t)
		w.mustRun(guarded(before, graph.Return))
		_, err := w.up(context.Background(), guarded(after, graph.Return), func(e *engine.Engine) {
			e.Guard = &watcher{answer: graph.Return}
			w.intercept(fails)(e)
		})
		if kind(err) != problem.Outside || w.read().Way == nil {
			t.Errorf("%s: %v; the way back is %v, want it left to the user", about, err, w.read().Way)
		}
	}
}

// failing refuses calls of one kind.
func failing(op plan.Op, typ string, err error) func(plan.Op, engine.Request) error {
	return func(o plan.Op, r engine.Request) error {
		if o == op && r.Type == typ {
			return err
		}
		return nil
	}
}

// lossy loses the group that it moves, and suffers.
type lossy struct {
	engine.Mover
	w     *world
	guard *watcher
}

func (m lossy) HandOver(ctx context.Context, mv engine.Move) error {
	m.w.cloud.lose(m.w.cloud.named(group, mv.From.Name))
	return (&suffering{Mover: m.Mover, guard: m.guard, at: "hand-over"}).HandOver(ctx, mv)
}

// Where the change cannot be taken back, because what stood before is gone, that is
// told, with what it was to be taken back for.
func TestWayBackThatIsBarredIsTold(t *testing.T) {
	w, guard := newWorld(t), &watcher{answer: graph.Return}
	w.mustRun(guarded(before, graph.Return))
	_, err := w.up(context.Background(), guarded(after, graph.Return), func(e *engine.Engine) {
		e.Guard, e.Mover = guard, lossy{e.Mover, w, guard}
	})
	var p *problem.Error
	if kind(err) != problem.Refused || !errors.As(err, &p) || p.Op != "take the change back" || !strings.Contains(strings.Join(p.Notes, " "), "1 request failed") {
		t.Errorf("%v", err)
	}
}

// What goes before the hand-over, and can be made anew, leaves the way back open:
// an object in the cluster, and what cannot stand beside its replacement.
func TestWayStaysOpenUntilSomethingGoesForGood(t *testing.T) {
	with := func(g *graph.Graph, more ...graph.Resource) *graph.Graph {
		g.Resources = append(g.Resources, more...)
		return g
	}
	extra := res("v1/ConfigMap", "apps/extra", plan.Props{})
	extra.Conn = plan.Props{"cluster": graph.Key{Type: cluster, Name: "shop"}.To(graph.NamePath)}
	for about, c := range map[string]struct{ was, wants *graph.Graph }{
		"an object of the cluster": {with(guarded(before, graph.Stop), extra), guarded(after, graph.Stop)},
		"what goes first":          {with(guarded(before, graph.Stop), res(role, "own", plan.Props{ownName: "mine", "fixedA": 0.0})), with(guarded(after, graph.Stop), res(role, "own", plan.Props{ownName: "mine", "fixedA": 1.0}))},
	} {
		w, guard := newWorld(t), &watcher{}
		w.mustRun(c.was)
		if _, err := w.up(context.Background(), c.wants, func(e *engine.Engine) {
			e.Guard, e.Mover = guard, &suffering{Mover: e.Mover, guard: guard, at: "hand-over"}
		}); kind(err) != problem.Guarded {
			t.Fatal(err)
		}
		if _, err := w.back(new(faults), unchanged); err != nil {
			t.Errorf("%s: %v", about, err)
		}
		if p := w.mustRun(c.was); len(p.Steps) > 0 {
			t.Errorf("%s: not as before\n%s", about, detail(p))
		}
	}
}

// The way back is open to its end: a delete that fails on it does not bar it.
func TestWayBackGoesOnAfterADeleteThatFailed(t *testing.T) {
	w, guard := newWorld(t), &watcher{}
	w.mustRun(guarded(before, graph.Stop))
	was := w.stand()
	if _, err := w.up(context.Background(), guarded(after, graph.Stop), func(e *engine.Engine) {
		e.Guard, e.Mover = guard, &suffering{Mover: e.Mover, guard: guard, at: "hand-over"}
	}); kind(err) != problem.Guarded {
		t.Fatal(err)
	}
	if _, err := w.back(new(faults), w.intercept(failing(plan.Delete, template, errLimit))); kind(err) != problem.Outside {
		t.Fatal(err)
	}
	if _, err := w.back(new(faults), unchanged); err != nil {
		t.Fatal(err)
	}
	if now := w.stand(); now != was {
		t.Errorf("not as before:\n%s\nwas:\n%s", now, was)
	}
}
