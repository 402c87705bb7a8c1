package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/plan"
)

// soaking keeps what it is told of hand-overs, and is interrupted in each while broken.
type soaking struct {
	engine.Mover
	broken bool
	moves  []engine.Move
	asked  []engine.Host // what inspections were about
}

func (m *soaking) Inspect(ctx context.Context, from engine.Host, keep int, replaced []graph.Key) (engine.Inspection, error) {
	m.asked = append(m.asked, from)
	return m.Mover.Inspect(ctx, from, keep, replaced)
}

func (m *soaking) HandOver(ctx context.Context, mv engine.Move) error {
	m.moves = append(m.moves, mv)
	if m.broken {
		return errors.Join(mv.Save([]byte(`{"phase":"soak"}`)), errors.New("interrupted"))
	}
	return m.Mover.HandOver(ctx, mv)
}

func patient(g *graph.Graph, soak time.Duration) *graph.Graph {
	for _, r := range g.Resources {
		if r.Hosts != nil {
			r.Hosts.Soak, r.Hosts.Settle = soak, time.Minute
		}
	}
	return g
}

// What the stack file says now counts; of a group that is no longer in it, what
// it said last.
func TestSoakIsAsTheStackFileSays(t *testing.T) {
	w := newWorld(t)
	w.mustRun(tutorial("web", standard, before))
	w.mustRun(patient(tutorial("web", standard, before), time.Hour)) // no step, and yet it is learned
	mover := &soaking{broken: true}
	by := func(e *engine.Engine) { mover.Mover = e.Mover; e.Mover, e.Continue = mover, len(mover.moves) == 1 }
	if _, err := w.up(context.Background(), patient(tutorial("web", standard, after), 4*time.Hour), by); err == nil {
		t.Fatal("interrupted, and no error")
	}
	mover.broken = false
	if _, err := w.up(context.Background(), patient(tutorial("web", standard, after), 5*time.Hour), by); err != nil {
		t.Fatal(err)
	}
	if _, err := w.up(context.Background(), tutorial("web", after), by); err != nil {
		t.Fatal(err)
	}
	for i, want := range []engine.Move{
		{From: engine.Host{Soak: 4 * time.Hour, Settle: time.Minute}, Memo: []byte(`{"phase":"ready"}`)}, // begun for a rollout
		{From: engine.Host{Soak: 5 * time.Hour, Settle: time.Minute}, EndSoak: true, Memo: []byte(`{"phase":"soak"}`)},
		{From: engine.Host{Soak: 5 * time.Hour, Settle: time.Minute}}, // standard, which is not in the file any more
	} {
		got := mover.moves[i]
		if got.From.Soak != want.From.Soak || got.From.Settle != want.From.Settle || got.EndSoak != want.EndSoak || string(got.Memo) != string(want.Memo) {
			t.Errorf("hand-over %d of %s: soak %s, settle %s, hasten %v, memo %s", i, got.From.Name, got.From.Soak, got.From.Settle, got.EndSoak, got.Memo)
		}
	}
}

// A preview meets what the run will: whether some pods can move at all rests on how long
// those who send to them are given, by the stack file as it is now.
func TestInspectionsAreOfTheStackFileAsItIs(t *testing.T) {
	w := newWorld(t)
	w.mustRun(tutorial("web", standard, before))
	mover := new(soaking)
	by := func(e *engine.Engine) { mover.Mover = e.Mover; e.Mover = mover }
	if _, err := w.up(context.Background(), patient(tutorial("web", standard, after), time.Hour), by); err != nil {
		t.Fatal(err)
	}
	if len(mover.asked) < 2 {
		t.Fatalf("asked %d times: of the plan, and of the run", len(mover.asked))
	}
	for i, h := range mover.asked {
		if h.Settle != time.Minute || h.Soak != time.Hour {
			t.Errorf("inspection %d of %s: soak %s, settle %s", i, h.Name, h.Soak, h.Settle)
		}
	}
}

// A run that shrank a group was killed, and the change is taken back: nothing is
// handed over, and its nodes are opened again.
func TestShrinkThatIsTakenBackIsOpened(t *testing.T) {
	at := func(n int) *graph.Graph {
		g := one(res(group, "web", plan.Props{"nodes": float64(n)}))
		g.Resources[0].Hosts = &graph.Hosts{Nodes: n, Conn: plan.Props{"cluster": "one"}}
		return g
	}
	w := shrunk(t, at(4), at(2))
	opened := &opening{broken: true}
	open := func(e *engine.Engine) { opened.Mover, e.Mover = e.Mover, opened }
	if _, err := w.up(context.Background(), at(4), open); err == nil || !strings.Contains(err.Error(), "open its nodes: no answer") {
		t.Errorf("they could not be opened, and %v", err)
	}
	opened.broken, opened.hosts = false, nil
	p, err := w.up(context.Background(), at(4), open)
	if err != nil || p.Counts()[plan.HandOver] > 0 || len(opened.hosts) != 1 {
		t.Errorf("%v, opened %v:\n%s", err, opened.hosts, detail(p))
	}
	w.mustRun(at(4))
}

// A run that shrank a group was killed, and the next one goes on: it opens nothing that
// is to go.
func TestShrinkThatGoesOnOpensNothing(t *testing.T) {
	at := func(n int) *graph.Graph {
		g := one(res(group, "web", plan.Props{"nodes": float64(n)}))
		g.Resources[0].Hosts = &graph.Hosts{Nodes: n, Conn: plan.Props{"cluster": "one"}}
		return g
	}
	w, opened := shrunk(t, at(4), at(2)), &opening{}
	if _, err := w.up(context.Background(), at(2), func(e *engine.Engine) { opened.Mover, e.Mover = e.Mover, opened }); err != nil || len(opened.hosts) > 0 {
		t.Errorf("%v, opened %v", err, opened.hosts)
	}
}

// What becomes of another group meanwhile keeps no nodes closed.
func TestShrinkThatIsTakenBackIsOpenedWhileAnotherGroupGoes(t *testing.T) {
	hosts := func(name string, n int) graph.Resource {
		r := res(group, name, plan.Props{"nodes": float64(n)})
		r.Hosts = &graph.Hosts{Nodes: n, Conn: plan.Props{"cluster": "one"}}
		return r
	}
	w, opened := shrunk(t, one(hosts("web", 4), hosts("other", 1)), one(hosts("web", 2), hosts("other", 1))), &opening{}
	p, err := w.up(t.Context(), one(hosts("web", 4)), func(e *engine.Engine) { opened.Mover, e.Mover = e.Mover, opened })
	if err != nil || p.Counts()[plan.HandOver] != 1 || !slices.Equal(opened.hosts, []string{"web"}) {
		t.Errorf("%v, opened %v:\n%s", err, opened.hosts, detail(p))
	}
}

// A group that was about to go, and is to stay with fewer nodes, is not opened as a
// whole: its hand-over opens those that it keeps.
func TestGroupThatStaysSmallerIsNotOpened(t *testing.T) {
	w, opened, fewer := killedInItsHandOver(t), &opening{}, before
	fewer.capacity = 2
	p, err := w.up(t.Context(), tutorial("web", standard, fewer), func(e *engine.Engine) { opened.Mover, e.Mover = e.Mover, opened })
	kept := slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Op == plan.HandOver && s.Keep == 2 })
	if err != nil || !kept || len(opened.hosts) > 0 {
		t.Errorf("%v, opened %v:\n%s", err, opened.hosts, detail(p))
	}
}

// opening keeps which hosts are opened.
type opening struct {
	engine.Mover
	hosts  []string
	broken bool // it opens none
}

func (m *opening) Reopen(ctx context.Context, r engine.Move) error {
	m.hosts = append(m.hosts, r.From.Name)
	if m.broken {
		return errors.New("no answer")
	}
	return m.Mover.Reopen(ctx, r)
}
