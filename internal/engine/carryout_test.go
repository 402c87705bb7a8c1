package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// A provider is told which creates an earlier run may have made already, so that it
// looks for them, and of the others that they are new.
func TestCreatesOfAnEarlierRunAreToldApart(t *testing.T) {
	w := newWorld(t)
	g := one(res(network, "a", plan.Props{}), res(network, "b", plan.Props{}))
	if _, err := w.up(t.Context(), g, w.intercept(func(_ plan.Op, r engine.Request) error {
		if !r.Begun.IsZero() {
			t.Errorf("%s is new, and begun %v", r.Name, r.Begun)
		}
		if r.Name == "a" {
			return errLost
		}
		return nil
	})); err == nil {
		t.Fatal("an answer was lost, and no error")
	}
	g.Resources = append(g.Resources, res(network, "c", plan.Props{}))
	if _, err := w.up(t.Context(), g, w.intercept(func(_ plan.Op, r engine.Request) error {
		if r.Begun.IsZero() != (r.Name == "c") {
			t.Errorf("%s was begun %v", r.Name, r.Begun)
		}
		return nil
	})); err != nil {
		t.Fatal(err)
	}
}

// What a run may have made, and wants no more, goes; wanted otherwise, it is changed. If
// that fails the run has failed, and if it turns out not to be there it is made.
func TestWhatMayHaveBeenMadeIsFound(t *testing.T) {
	thing := func(size float64) *graph.Graph { return one(res(network, "a", plan.Props{"size": size})) }
	cut := func(kind string) *world {
		w := newWorld(t)
		if _, err := w.run(thing(1), &faults{at: 3, kind: kind}); err == nil {
			t.Fatal("the fault did not strike")
		}
		return w
	}
	cut("lost after").mustRun(one())
	cut("lost after").mustRun(thing(2))

	w := cut("lost after")
	if _, err := w.up(t.Context(), thing(2), w.intercept(failing(plan.Update, network, errLimit))); !errors.Is(err, errLimit) {
		t.Errorf("what was made could not be changed, and %v", err)
	}
	w.mustRun(thing(2))

	w = cut("lost before")
	if _, err := w.up(t.Context(), thing(2), w.intercept(func(op plan.Op, r engine.Request) error {
		if op == plan.Create && r.Want["size"] == 1.0 {
			return errLimit // nothing was made, for certain
		}
		return nil
	})); err != nil {
		t.Errorf("it is not there, and was not made: %v", err)
	}
	w.mustRun(thing(2))
}

// What was not made, for certain, is not made as it was once the file says otherwise.
func TestWhatWasRefusedIsNotAskedForAgain(t *testing.T) {
	w := newWorld(t)
	thing := func(size float64) *graph.Graph { return one(res(network, "a", plan.Props{"size": size})) }
	if _, err := w.up(t.Context(), thing(1), w.intercept(failing(plan.Create, network, errLimit))); !errors.Is(err, errLimit) {
		t.Fatal(err)
	}
	if _, err := w.up(t.Context(), thing(2), w.intercept(func(_ plan.Op, r engine.Request) error {
		if r.Want["size"] != 2.0 || !r.Begun.IsZero() {
			t.Errorf("asked for %v, begun %v", r.Want, r.Begun)
		}
		return nil
	})); err != nil {
		t.Error(err)
	}
}

// grabbing takes over an object that is there.
type grabbing struct {
	*cloud
	id        string
	certainty engine.Certainty
}

func (p grabbing) Create(context.Context, engine.Request) (engine.Created, error) {
	return engine.Created{Object: engine.Object{ID: p.id}, Certainty: p.certainty}, nil
}

// No object becomes two resources, whatever a provider says that it has made.
func TestNoObjectIsTwoResources(t *testing.T) {
	for _, certainty := range []engine.Certainty{engine.Made, engine.Unready} {
		w := newWorld(t)
		a, b := res(role, "a", plan.Props{}), res(role, "b", plan.Props{})
		w.mustRun(one(a))
		_, err := w.up(t.Context(), one(a, b), func(e *engine.Engine) {
			e.Providers = func(string) (engine.Provider, error) { return grabbing{w.cloud, "id-001", certainty}, nil }
		})
		if err == nil || !strings.Contains(err.Error(), "took over id-001") || len(w.read().Resources) != 1 {
			t.Errorf("%v: %v", err, w.read().Resources)
		}
		w.mustRun(one(a, b))
	}
}

// sized tells other sizes than there are, or none.
type sized struct {
	*cloud
	change func(engine.Request, *engine.Object) error
}

func (p sized) Read(ctx context.Context, r engine.Request) (engine.Object, error) {
	obj, err := p.cloud.Read(ctx, r)
	if err == nil && r.Type == group {
		err = p.change(r, &obj)
	}
	return obj, err
}

// Of how many nodes a group has, nothing is guessed: what cannot be read is neither
// replaced nor changed, and a service that tells no size is believed.
func TestGroupWhoseSizeCannotBeReadStays(t *testing.T) {
	larger := before
	larger.capacity = 5
	for _, wants := range []*graph.Graph{tutorial("web", standard, after), tutorial("web", standard, larger)} {
		w := newWorld(t)
		w.mustRun(tutorial("web", standard, before))
		by := func(err error, calls *[]string) func(*engine.Engine) {
			return func(e *engine.Engine) {
				e.Providers = func(string) (engine.Provider, error) {
					return sized{w.cloud, func(_ engine.Request, o *engine.Object) error { o.Size = nil; return err }}, nil
				}
				e.NoRead = true
				e.Mover = counted{e.Mover, calls}
			}
		}
		var calls []string
		if _, err := w.up(t.Context(), wants, by(errors.New("throttled"), &calls)); err == nil || !strings.Contains(err.Error(), "throttled") || len(calls) > 0 {
			t.Errorf("%v, and then %v", err, calls)
		}
		if _, err := w.up(t.Context(), wants, by(nil, &calls)); err != nil {
			t.Errorf("no size is told: %v", err)
		}
	}
}

// A new group is as large as what it replaces, and no other group counts.
func TestOtherGroupsMakeNoneLarger(t *testing.T) {
	w := newWorld(t)
	w.mustRun(tutorial("web", standard, before))
	w.cloud.named(group, "standard").size = 9
	w.mustRun(tutorial("web", standard, after))
	if n := w.cloud.named(group, "web").size; n > after.capacity {
		t.Errorf("%d nodes, want no more than the %d of the file", n, after.capacity)
	}
}

// counted is a mover whose calls are written down.
type counted struct {
	engine.Mover
	calls *[]string
}

func (m counted) Ready(ctx context.Context, h engine.Host, wait func(string)) error {
	*m.calls = append(*m.calls, "ready")
	return m.Mover.Ready(ctx, h, wait)
}

func (m counted) HandOver(ctx context.Context, mv engine.Move) error {
	*m.calls = append(*m.calls, "hand over")
	return m.Mover.HandOver(ctx, mv)
}

func (m counted) Retire(ctx context.Context, r engine.Retirement) error {
	*m.calls = append(*m.calls, "retire")
	return m.Mover.Retire(ctx, r)
}

func (m counted) Reopen(ctx context.Context, mv engine.Move) error {
	*m.calls = append(*m.calls, "reopen")
	return m.Mover.Reopen(ctx, mv)
}

// A group that shrinks gives its nodes up by name before it is changed; one that grows,
// or changes otherwise, gives none up and is waited for.
func TestOnlyAGroupThatShrinksGivesNodesUp(t *testing.T) {
	at := func(n int, tag string) *graph.Graph {
		g := one(res(group, "web", plan.Props{"nodes": float64(n), "tag": tag}))
		g.Resources[0].Hosts = &graph.Hosts{Nodes: n, Conn: plan.Props{"cluster": "one"}}
		return g
	}
	for _, c := range []struct {
		about string
		wants *graph.Graph
		want  []string
	}{
		{"it shrinks", at(2, "a"), []string{"hand over", "retire", "update"}},
		{"it grows", at(5, "a"), []string{"update", "ready"}},
		{"it changes otherwise", at(3, "b"), []string{"update", "ready"}},
	} {
		w := newWorld(t)
		w.mustRun(at(3, "a"))
		var calls []string
		if _, err := w.up(t.Context(), c.wants, func(e *engine.Engine) {
			e.Mover = counted{e.Mover, &calls}
			w.intercept(func(op plan.Op, _ engine.Request) error { calls = append(calls, string(op)); return nil })(e)
		}); err != nil || !slices.Equal(calls, c.want) {
			t.Errorf("%s: %v, %v, want %v", c.about, err, calls, c.want)
		}
	}
}

// stubborn keeps its nodes, or never gets the new ones.
type stubborn struct{ engine.Mover }

func (stubborn) Retire(context.Context, engine.Retirement) error { return errors.New("pod/a is left") }

func (stubborn) Ready(context.Context, engine.Host, func(string)) error {
	return errors.New("3 of 5 nodes Ready")
}

// A group that cannot give its nodes up is neither changed nor deleted; one whose new nodes
// do not come is waited for again by the next run.
func TestGroupThatDoesNotResizeFailsTheRun(t *testing.T) {
	for n, why := range map[int]string{0: "take nodes away: pod/a is left", 2: "take nodes away: pod/a is left", 5: "wait for nodes: 3 of 5 nodes Ready"} {
		w := newWorld(t)
		at := func(n int) *graph.Graph {
			if n == 0 {
				return one()
			}
			g := one(res(group, "web", plan.Props{"nodes": float64(n)}))
			g.Resources[0].Hosts = &graph.Hosts{Nodes: n, Conn: plan.Props{"cluster": "one"}}
			return g
		}
		w.mustRun(at(3))
		_, err := w.up(t.Context(), at(n), func(e *engine.Engine) { e.Mover = stubborn{e.Mover} })
		if err == nil || !strings.Contains(err.Error(), why) || w.cloud.named(group, "web") == nil || w.cloud.named(group, "web").size < 3 {
			t.Errorf("to %d: %v, with %+v", n, err, w.cloud.named(group, "web"))
		}
		ready := w.cloud.ready
		if w.mustRun(at(n)); n > 3 && w.cloud.ready == ready {
			t.Error("nobody waited for the new nodes again")
		}
	}
}

// A property turns out, while the run goes, to change in a way that takes a new object:
// nothing is sent, and the next run replaces it.
func TestChangeThatTurnsOutToTakeANewObject(t *testing.T) {
	w := newWorld(t)
	of := graph.Key{Type: template, Name: "of"}
	g := func(size float64) *graph.Graph {
		user := res(role, "user", plan.Props{"fixedVersion": of.To("version")})
		user.NameProperty = "name"
		return one(res(of.Type, of.Name, plan.Props{"size": size}), user)
	}
	w.mustRun(g(1))
	_, err := w.up(t.Context(), g(2), w.intercept(failing(plan.Update, role, errors.New("it was sent"))))
	if kind(err) != problem.Outside || !strings.Contains(err.Error(), "takes a new object") {
		t.Errorf("%v", err)
	}
	if p := w.mustRun(g(2)); place(p, plan.Create, role, "user") == 0 {
		t.Errorf("it is not replaced:\n%s", detail(p))
	}
}

// unsheltered lets go of no pods.
type unsheltered struct{ engine.Mover }

func (unsheltered) Shelter(context.Context, engine.Move, engine.Sheltering) error {
	return errors.New("no answer")
}

// A rollout whose pods cannot be let go does not begin.
func TestRolloutThatCannotBeShelteredDoesNotBegin(t *testing.T) {
	w := newWorld(t)
	w.mustRun(tutorial("web", standard, before))
	_, err := w.up(t.Context(), tutorial("web", standard, after), func(e *engine.Engine) {
		e.Mover, e.Events = unsheltered{e.Mover}, event.Discard
		w.intercept(failing(plan.Update, workload, errors.New("it was sent")))(e)
	})
	if err == nil || !strings.Contains(err.Error(), "let go of its pods on web-") || !strings.HasSuffix(err.Error(), "no answer") {
		t.Errorf("%v", err)
	}
}

// What a run was about to make in a cluster that is gone by now is forgotten: nobody can
// look for it there, and it is made in the new one.
func TestWhatWasBegunInAClusterThatIsGoneIsForgotten(t *testing.T) {
	net := res(network, "net", plan.Props{})
	app := inCluster(plan.Props{"cluster": net.To("Id")})
	for _, wants := range []*graph.Graph{one(), one(net, app)} {
		w := newWorld(t)
		w.mustRun(one(net))
		if _, err := w.up(t.Context(), one(net, app), w.intercept(failing(plan.Create, workload, errLost))); err == nil {
			t.Fatal("an answer was lost, and no error")
		}
		w.cloud.lose(w.cloud.named(network, "net"))
		w.mustRun(wants)
		if s := w.read(); len(s.Pending) > 0 || len(s.Resources) != len(wants.Resources) {
			t.Errorf("%d are wanted: %+v", len(wants.Resources), s)
		}
	}
}
