package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/value"
)

// world is a stack and the cloud that it lives in.
type world struct {
	t     rapid.TB
	cloud *cloud
	store *state.Store

	forget bool // destroy --forget-unreachable
}

const stackName, projectName = "dev", "shop"

func newWorld(t rapid.TB) *world {
	store, err := state.Open(context.Background(), "mem://")
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Init(context.Background(), stackName, projectName); err != nil {
		t.Fatal(err)
	}
	return &world{t: t, cloud: newCloud(), store: store}
}

// lock takes the stack over from the run before. The killed process of a test
// is this one, so its lock looks alive.
func (w *world) lock() *state.Session {
	ctx := context.Background()
	if err := w.store.Break(ctx, stackName); err != nil {
		w.t.Fatal(err)
	}
	s, err := w.store.Lock(ctx, stackName, "up")
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// run is one command in a new process, as the last one left things. A nil
// graph destroys. It tells the plan that was made.
func (w *world) run(g *graph.Graph, f *faults) (plan.Plan, error) {
	ctx := context.Background()
	w.cloud.faults, w.cloud.destroy, w.cloud.desired = f, g == nil, map[plan.URN]graph.Resource{}
	s := w.lock()
	e := w.cloud.engine(event.Discard)
	e.ForgetUnreachable = w.forget
	var p plan.Plan
	var err error
	if g == nil {
		g = &graph.Graph{Stack: stackName, Project: projectName}
		p, err = e.PlanDestroy(ctx, s.Snapshot())
	} else {
		for _, r := range g.Resources {
			w.cloud.desired[plan.NewURN(g.Stack, g.Project, r.Type, r.Name)] = r
		}
		p, err = e.Plan(ctx, g, s.Snapshot())
	}
	if err != nil {
		w.t.Fatalf("%v\nstate: %s", err, text(s.Snapshot()))
	}
	err = e.Apply(ctx, p, g, journal{s, w.cloud})
	w.t.Logf("%+v\n%s= %v", *f, shown(p), err)
	if len(w.cloud.breaches) > 0 {
		w.t.Fatalf("%s\nplan:\n%s\nresult: %v", strings.Join(w.cloud.breaches, "\n"), detail(p), err)
	}
	return p, err
}

// shown is a plan that costs nothing unless it is printed: in a case that failed.
type shown plan.Plan

func (p shown) String() string { return detail(plan.Plan(p)) }

func detail(p plan.Plan) string {
	var b strings.Builder
	_ = plan.Detail(&b, p)
	return b.String()
}

// mustRun runs without faults; it must succeed, leave exactly what is wanted,
// and leave nothing to do.
func (w *world) mustRun(g *graph.Graph) plan.Plan {
	p, err := w.run(g, new(faults))
	if err != nil {
		w.t.Fatalf("%v\nplan:\n%s", err, detail(p))
	}
	w.check(g)
	again, err := w.run(g, new(faults))
	if err != nil || len(again.Steps) > 0 {
		w.t.Fatalf("%v: a second run still wants to\n%s", err, detail(again))
	}
	return p
}

// check compares the objects with what is wanted: each once, with the inputs
// that the graph asks for, and nothing else.
func (w *world) check(g *graph.Graph) {
	if g == nil {
		g = &graph.Graph{}
	}
	byURN := map[string]*object{}
	for _, o := range w.cloud.objects {
		if o.foreign {
			continue
		}
		if byURN[o.urn] != nil {
			w.t.Fatalf("%s is there twice: %+v and %+v", o.urn, byURN[o.urn], o)
		}
		if o.emptied || o.retired {
			w.t.Fatalf("%s stays in use though it was handed over", o.name)
		}
		byURN[o.urn] = o
	}
	if len(byURN) != len(g.Resources) {
		w.t.Fatalf("%d objects for %d resources: an orphan costs money", len(byURN), len(g.Resources))
	}
	of := func(k graph.Key) *object { return byURN[string(plan.NewURN(g.Stack, g.Project, k.Type, k.Name))] }
	for _, r := range g.Resources {
		o := of(r.Key)
		if o == nil {
			w.t.Fatalf("%s was not made", r.Key)
		}
		now := func(ref value.Ref) (any, error) {
			if ref.Path == graph.NamePath {
				return of(ref.Key).name, nil
			}
			return w.cloud.output(of(ref.Key)).Outputs[ref.Path], nil
		}
		want, err := value.Resolve(r.Props, now)
		conn, connErr := value.Resolve(r.Conn, now)
		in, _ := conn.(map[string]any)
		if err := errors.Join(err, connErr); err != nil {
			w.t.Fatal(err)
		}
		props, _ := want.(map[string]any)
		if r.NameProperty != "" {
			props[r.NameProperty] = o.name
		}
		if o.inputs != text(props) {
			w.t.Fatalf("%s has inputs %s, want %s", r.Key, o.inputs, text(props))
		}
		if o.conn != where(in) {
			w.t.Fatalf("%s is in %s, want %s", r.Key, o.conn, where(in))
		}
	}
}

// drawn is a graph to draw from: a fixed set of places, each filled or not, so
// that graphs that are drawn one after the other are edits of each other.
type drawn struct {
	t    *rapid.T
	g    graph.Graph
	last map[string]int // by place: what was drawn there in the graph before
	now  map[string]int
}

func drawGraph(t *rapid.T, last map[string]int) (*graph.Graph, map[string]int) {
	d := &drawn{t: t, last: last, now: map[string]int{}, g: graph.Graph{Stack: stackName, Project: projectName}}
	var earlier []graph.Key
	add := func(r graph.Resource) {
		d.g.Resources = append(d.g.Resources, r)
		earlier = append(earlier, r.Key)
	}
	for i := range 2 {
		if r, ok := d.plain(graph.Key{Type: network, Name: fmt.Sprint("net", i)}, earlier); ok {
			add(r)
		}
	}
	if r, ok := d.plain(graph.Key{Type: template, Name: "loose"}, earlier); ok {
		r.NameProperty = "name"
		add(r)
	}
	for i := range 2 {
		for _, r := range d.nodeGroup(fmt.Sprint("web", i), earlier) {
			add(r)
		}
	}
	if r, ok := d.plain(graph.Key{Type: role, Name: "own"}, earlier); ok {
		r.Props[ownName] = "the user's"
		add(r)
	}
	for i := range 2 {
		if r, ok := d.plain(graph.Key{Type: link, Name: fmt.Sprint("link", i)}, earlier); ok {
			r.Props["slot"] = float64(i)
			add(r)
		}
	}
	for i := range 2 {
		r, ok := d.plain(graph.Key{Type: workload, Name: fmt.Sprint("apps/app", i)}, earlier)
		if r.Conn = (plan.Props{"cluster": "fixed"}); ok {
			if len(d.g.Resources) > 0 && d.g.Resources[0].Type == network && d.pick("conn "+r.Name, 2) == 1 {
				r.Conn = plan.Props{"cluster": d.g.Resources[0].To("Id")}
			}
			add(r)
		}
	}
	return &d.g, d.now
}

// pick draws 0..n-1 for a place, mostly what it was before.
func (d *drawn) pick(place string, n int) int {
	v, had := d.last[place]
	if !had || rapid.IntRange(0, 3).Draw(d.t, "change "+place) == 0 {
		v = rapid.IntRange(0, n-1).Draw(d.t, place)
	}
	d.now[place] = v
	return v
}

func (d *drawn) plain(k graph.Key, earlier []graph.Key) (graph.Resource, bool) {
	place := k.String()
	r := graph.Resource{Key: k, Component: "all", Props: plan.Props{"fixedA": float64(d.pick(place+" fixed", 2))}}
	if v := d.pick(place+" value", 3); v > 0 {
		r.Props["value"] = float64(v)
	}
	for _, to := range earlier {
		switch d.pick(place+" to "+to.String(), 12) {
		case 1:
			r.Props["ref-"+to.Name] = to.To("Id")
		case 2:
			r.Props["ref-"+to.Name] = value.Text("text ", to.To("version"))
		case 3:
			r.Props["fixed-"+to.Name] = to.To(graph.NamePath)
		case 4:
			r.After = append(r.After, to)
		}
	}
	return r, d.pick(place, 3) > 0
}

func (d *drawn) nodeGroup(name string, earlier []graph.Key) []graph.Resource {
	if d.pick(name, 3) == 0 {
		return nil
	}
	part := func(typ string, props plan.Props) graph.Resource {
		return graph.Resource{Key: graph.Key{Type: typ, Name: name}, Component: "nodegroup/" + name, Props: props,
			NameProperty: "name", Generation: plan.Props{"instanceType": float64(d.pick(name+" type", 3))}}
	}
	r := part(role, plan.Props{"value": float64(d.pick(name+" role", 2))})
	t := part(template, plan.Props{"role": r.To(graph.NamePath), "label": graph.Key{Type: template, Name: name}.To(graph.NamePath)})
	if len(earlier) > 0 {
		to := earlier[d.pick(name+" net", 2)%len(earlier)]
		t.Props["fixed-net"] = to.To("Id")
	}
	nodes := 1 + d.pick(name+" nodes", 3)
	g := part(group, plan.Props{"nodes": float64(nodes), "template": t.To("Id"), "version": t.To("version")})
	g.Hosts = &graph.Hosts{Nodes: nodes, Conn: plan.Props{"cluster": "one"}}
	return []graph.Resource{r, t, g}
}

// byHand is what others do between two runs: somebody deletes an object, an
// autoscaler resizes a group. IDs are drawn, so that a case can be repeated.
func (w *world) byHand(t *rapid.T) {
	for _, id := range slices.Sorted(maps.Keys(w.cloud.objects)) {
		o := w.cloud.objects[id]
		if o == nil || o.foreign {
			continue // it was in a cluster that is gone, or is not ours
		}
		if o.typ == group && rapid.IntRange(0, 3).Draw(t, "resize "+id) == 0 {
			o.size = rapid.IntRange(0, 9).Draw(t, "size of "+id)
		}
		if rapid.IntRange(0, 11).Draw(t, "delete "+id) == 0 {
			w.cloud.lose(o)
		}
	}
}

// neighbour puts objects of another stack of the same name into the account,
// as two developers have who each call theirs "dev": nothing may touch them.
func (w *world) neighbour() {
	for i, typ := range []string{network, template, role, group} {
		for j, name := range []string{"net0", "loose", "web0", "web1"} {
			id := fmt.Sprintf("id-9%d%d", i, j)
			urn := string(plan.NewURN(stackName, projectName, typ, name))
			w.cloud.objects[id] = &object{id: id, typ: typ, name: name + "-0000000", urn: urn, inputs: "{}", version: 1,
				kept: -1, foreign: true, tags: text(map[string]string{"drover:urn": urn, "drover:stack-id": "another", "drover:generation": "1"})}
		}
	}
}

func drawFaults(t *rapid.T) *faults {
	return &faults{at: rapid.IntRange(1, 40).Draw(t, "point"), kind: rapid.SampledFrom(faultKinds).Draw(t, "fault")}
}

// Whatever is edited, and wherever a run is killed or a call fails, before or
// after its effect: running again until it succeeds leaves exactly what is
// wanted, and on the way nothing is deleted before its replacement stands, nor
// a group before it was handed over. A later edit may come before the earlier
// one is finished.
func TestCrashAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		if rapid.Bool().Draw(t, "neighbour") {
			w.neighbour()
		}
		w.cloud.parallel = rapid.SampledFrom([]int{1, 1, 4}).Draw(t, "parallel")
		var last map[string]int
		for range rapid.IntRange(1, 4).Draw(t, "edits") {
			var g *graph.Graph
			g, last = drawGraph(t, last)
			done := false
			if rapid.IntRange(0, 2).Draw(t, "by hand") == 0 {
				w.byHand(t)
			}
			for range rapid.IntRange(0, 3).Draw(t, "faulty runs") {
				_, err := w.run(g, drawFaults(t))
				done = err == nil
			}
			if !done && rapid.Bool().Draw(t, "unfinished") {
				continue
			}
			w.mustRun(g)
		}
		for range rapid.IntRange(0, 3).Draw(t, "faulty destroys") {
			_, _ = w.run(nil, drawFaults(t))
		}
		w.mustRun(nil)
	})
}

// The faults do strike: a test that injects nothing proves nothing.
func TestFaultsStrike(t *testing.T) {
	for _, kind := range faultKinds {
		w := newWorld(t)
		g := &graph.Graph{Stack: stackName, Project: projectName, Resources: []graph.Resource{
			{Key: graph.Key{Type: network, Name: "net"}, Props: plan.Props{"a": "b"}}}}
		f := &faults{at: 3, kind: kind} // 1: the run starts, 2: the create begins, 3: it is sent
		_, err := w.run(g, f)
		if err == nil || strings.HasPrefix(kind, "crash") != errors.Is(err, errDead) {
			t.Errorf("%s: %v", kind, err)
		}
		w.mustRun(g)
	}
}

var _ engine.Journal = journal{}
