package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// A create that never tells anything is a dead end for up and destroy; a
// person who knows what exists ends it, either way.
func TestUnknownCreateIsResolvedByAPerson(t *testing.T) {
	urn := plan.NewURN(stackName, projectName, "AWS::Bad::Thing", "x")
	for name, made := range map[string]bool{"it was made": true, "it was not": false} {
		w := newWorld(t)
		bad := w.intercept(func(op plan.Op, r engine.Request) error {
			if op == plan.Create && strings.HasPrefix(r.Type, "AWS::Bad") {
				return errors.New("InternalFailure: null")
			}
			return nil
		})
		g := one(res("AWS::Bad::Thing", "x", plan.Props{"a": "typo"}))
		if _, err := w.up(context.Background(), g, bad); err == nil {
			t.Fatal("it was to fail")
		}
		var p *problem.Error
		_, err := w.up(context.Background(), one(), bad)
		if !errors.As(err, &p) || !strings.Contains(strings.Join(p.Notes, "\n"), "drover state resolve '"+string(urn)+"'") {
			t.Fatalf("%s: %v says nothing of the way out", name, err)
		}
		id := ""
		if made {
			id = "id-777"
			w.cloud.objects[id] = &object{id: id, typ: "AWS::Bad::Thing", name: "x", urn: string(urn), inputs: `{"a":"typo"}`, kept: -1}
		}
		if err := w.cloud.engine(event.Discard).Resolve(t.Context(), urn, id, w.lock()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if open := w.read().Pending; len(open) > 0 {
			t.Errorf("%s, and %d calls have an unknown end", name, len(open))
		}
		w.mustRun(one()) // with nothing wanted, nothing is left
	}
}

// Only what is unknown can be resolved, and only by what exists.
func TestResolveRefuses(t *testing.T) {
	w := newWorld(t)
	w.mustRun(one(res(network, "net", plan.Props{})))
	urn := plan.NewURN(stackName, projectName, network, "net")
	if err := w.cloud.engine(event.Discard).Resolve(t.Context(), urn, "", w.lock()); kind(err) != problem.Usage {
		t.Errorf("nothing is unknown: %v", err)
	}
	g := one(res(network, "net", plan.Props{}), res(network, "two", plan.Props{}))
	if _, err := w.run(g, &faults{at: 4, kind: "crash before"}); err == nil || len(w.read().Pending) != 1 {
		t.Fatalf("%v: the fault did not strike between what is written and the call", err)
	}
	w.cloud.faults = new(faults)
	two := plan.NewURN(stackName, projectName, network, "two")
	for _, id := range []string{"id-999", "id-001"} { // one that is not there, one that is another resource
		if err := w.cloud.engine(event.Discard).Resolve(t.Context(), two, id, w.lock()); kind(err) != problem.Usage {
			t.Errorf("%s: %v", id, err)
		}
	}
	var told *problem.Error
	e := w.cloud.engine(event.Discard)
	if err := e.Resolve(t.Context(), urn, "", w.lock()); !errors.As(err, &told) || !strings.HasSuffix(told.Fix, ": "+string(two)) {
		t.Errorf("what is unknown is not named: %v", err)
	}
	e.Providers = func(string) (engine.Provider, error) { return untagged{w.cloud}, nil }
	if err := e.Resolve(t.Context(), two, "id-001", w.lock()); kind(err) != problem.Usage || !strings.Contains(err.Error(), "id-001 is "+string(urn)+", generation 1, already") {
		t.Errorf("one object would be two resources: %v", err)
	}
	e.Providers = func(string) (engine.Provider, error) { return nil, errLost }
	if err := e.Resolve(t.Context(), two, "id-001", w.lock()); !errors.Is(err, errLost) {
		t.Errorf("nobody can read it: %v", err)
	}
	w.mustRun(g)
}

// untagged reads objects whose owner nothing tells.
type untagged struct{ *cloud }

func (p untagged) Read(ctx context.Context, r engine.Request) (engine.Object, error) {
	r.Tags = nil
	return p.cloud.Read(ctx, r)
}

// drifting tells other outputs than the fake has.
type drifting struct {
	*cloud
	outputs plan.Props
}

func (d drifting) Read(ctx context.Context, r engine.Request) (engine.Object, error) {
	obj, err := d.cloud.Read(ctx, r)
	if err != nil {
		return obj, err
	}
	for k, v := range d.outputs {
		obj.Outputs[k] = v
	}
	return obj, err
}

// Drift is told property by property; what a service adds is none. Taken over,
// the next plan sets it back, and a file that says the same leaves it.
func TestRefreshTellsDriftAndTakesItOver(t *testing.T) {
	w := newWorld(t)
	g := func(size float64) *graph.Graph {
		return one(res(role, "x", plan.Props{"size": size, "list": []any{"a", "b"}, "map": map[string]any{"k": "v"}}))
	}
	w.mustRun(g(1))
	live := plan.Props{"size": 3.0, "list": []any{"b", "a"}, "map": map[string]any{"k": "v", "default": true}, "added": "by AWS"}
	s := w.lock()
	e := w.cloud.engine(event.Discard)
	e.Providers = func(string) (engine.Provider, error) { return drifting{w.cloud, live}, nil }
	drifts, err := e.Refresh(t.Context(), s.Snapshot())
	if err != nil || len(drifts) != 1 || len(drifts[0].Changes) != 1 ||
		drifts[0].Changes[0] != (engine.DriftChange{Path: "size", State: 1.0, Live: 3.0}) {
		t.Fatalf("%v: %+v", err, drifts)
	}
	if err := e.TakeOver(t.Context(), drifts, s); err != nil {
		t.Fatal(err)
	}
	for size, steps := range map[float64]int{1: 1, 3: 0} {
		p, err := e.Plan(t.Context(), g(size), s.Snapshot())
		if err != nil || len(p.Steps) != steps {
			t.Errorf("size %v: %v\n%s", size, err, detail(p))
		}
	}
	w.cloud.lose(w.cloud.named(role, "x"))
	if drifts, err = e.Refresh(t.Context(), s.Snapshot()); err != nil || len(drifts) != 1 || !drifts[0].Gone {
		t.Errorf("%v: %+v", err, drifts)
	}
}

// declaring is a provider that can say what a file would have to say.
type declaring struct {
	*cloud
	owner map[string]string
	asked engine.Request
}

func (d *declaring) Declared(_ context.Context, r engine.Request) (engine.Declaration, error) {
	if d.asked = r; d.objects[r.ID] == nil {
		return engine.Declaration{}, engine.ErrNotFound
	}
	return engine.Declaration{Object: d.output(d.objects[r.ID]), Props: plan.Props{"size": 1.0}, Owner: d.owner}, nil
}

// What is taken into a stack is protected at first. What is not there, what the stack
// has already, and what another stack has is refused.
func TestImport(t *testing.T) {
	w := newWorld(t)
	w.mustRun(one(res(role, "mine", plan.Props{})))
	w.cloud.objects["id-777"] = &object{id: "id-777", typ: role, name: "theirs", version: 1, kept: -1, inputs: `{"size":1}`}
	of := func(stack, project string) map[string]string {
		return map[string]string{"drover:stack": stack, "drover:project": project}
	}
	in := res(role, "new", plan.Props{})
	in.Conn = plan.Props{"cluster": graph.Key{Type: cluster, Name: "none"}.To(graph.NamePath)}
	for _, c := range []struct {
		about string
		r     graph.Resource
		id    string
		owner map[string]string
		want  problem.Kind
	}{
		{"it is nobody's", res(role, "new", nil), "id-777", nil, 0},
		{"it was this stack's", res(role, "new", nil), "id-777", of(stackName, projectName), 0},
		{"it is another stack's", res(role, "new", nil), "id-777", of("prod", projectName), problem.Refused},
		{"it is another project's", res(role, "new", nil), "id-777", of(stackName, "office"), problem.Refused},
		{"the stack has it", res(role, "new", nil), "id-001", nil, problem.Refused},
		{"another type has such an ID", res(network, "new", nil), "id-001", nil, 0},
		{"it is not there", res(role, "new", nil), "id-999", nil, problem.Usage},
		{"the name is taken", res(role, "mine", nil), "id-777", nil, problem.Usage},
		{"there is no cluster", in, "id-777", nil, problem.Usage},
	} {
		e := w.cloud.engine(event.Discard)
		e.Providers = func(string) (engine.Provider, error) { return &declaring{cloud: w.cloud, owner: c.owner}, nil }
		d, found, err := e.Find(t.Context(), c.r, c.id, w.read())
		if got := kind(err); got != c.want || (err == nil) != (c.want == 0) {
			t.Errorf("%s: %v", c.about, err)
		}
		if err == nil && (found.ID != c.id || !found.Protected || found.Gen != 1 || d.Props["size"] != 1.0 || found.Inputs["size"] != 1.0) {
			t.Errorf("%s: %+v", c.about, found)
		}
	}
	e := w.cloud.engine(event.Discard)
	if _, _, err := e.Find(t.Context(), res(role, "new", nil), "id-777", w.read()); kind(err) != problem.Usage {
		t.Errorf("a type of which nobody can say that: %v", err)
	}
	e.Providers = func(string) (engine.Provider, error) { return &declaring{cloud: w.cloud}, nil }
	_, found, err := e.Find(t.Context(), res(role, "new", plan.Props{}), "id-777", w.read())
	if err := errors.Join(err, e.Import(t.Context(), found, w.lock())); err != nil {
		t.Fatal(err)
	}
	if p, err := w.up(t.Context(), one(res(role, "mine", plan.Props{}), with(res(role, "new", plan.Props{"size": 1.0}), func(*graph.Options) {})), unchanged); err != nil || p.Counts()[plan.Create] > 0 {
		t.Errorf("%v: it is not taken for what the file declares:\n%s", err, detail(p))
	}
}

// Only an object whose create is open is taken for it, and a delete is not told to
// have made something.
func TestResolveOfADelete(t *testing.T) {
	w := newWorld(t)
	w.mustRun(one(res(role, "x", plan.Props{})))
	urn := plan.NewURN(stackName, projectName, role, "x")
	if _, err := w.up(t.Context(), one(), w.intercept(failing(plan.Delete, role, errLost))); err == nil {
		t.Fatal("it was to fail")
	}
	e := w.cloud.engine(event.Discard)
	if err := e.Resolve(t.Context(), urn, "id-001", w.lock()); kind(err) != problem.Usage || !strings.Contains(err.Error(), "a delete of it is open") {
		t.Errorf("%v", err)
	}
	delete(w.cloud.objects, "id-001")
	if err := e.Resolve(t.Context(), urn, "", w.lock()); err != nil || len(w.read().Resources)+len(w.read().Pending) > 0 {
		t.Errorf("%v: %+v", err, w.read())
	}
}
