package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/durable/durabletest"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// world is a stack and the cloud that it lives in.
type world struct {
	t     rapid.TB
	cloud *cloud
	store *state.Store
	disk  *durabletest.Disk // that the state is on; nil: it is in memory

	stack, project, id string
	where              site // that the next command goes to

	last   map[string]int // what was drawn for its graph
	wanted *graph.Graph   // by the last run, with what its zones take

	forget bool // destroy --forget-unreachable
}

const stackName, projectName = "dev", "shop"

func newWorld(t rapid.TB) *world { return newWorldIn(t, newCloud(), stackName, projectName, "") }

// newWorldIn makes a stack whose state is in a folder, or in memory.
func newWorldIn(t rapid.TB, c *cloud, stack, project, folder string) *world {
	ctx := context.Background()
	w := &world{t: t, cloud: c, stack: stack, project: project, where: home}
	var err error
	if folder == "" {
		w.store, err = state.Open(ctx, "mem://")
	} else {
		w.disk = new(durabletest.Disk)
		w.store = state.OpenFolder(folder, w.disk)
	}
	if err == nil {
		err = w.store.Init(ctx, stack, project)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.store.Read(ctx, stack)
	if err != nil {
		t.Fatal(err)
	}
	w.id, c.acting = s.ID, s.ID
	return w
}

// lock takes the stack over from the run before. The killed process of a test
// is this one, so its lock looks alive.
func (w *world) lock() *state.Session {
	s, err := w.take(new(faults))
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) take(f *faults) (*state.Session, error) {
	ctx := context.Background()
	if err := w.store.Break(ctx, w.stack); err != nil {
		w.t.Fatal(err)
	}
	if w.disk != nil && f.disk != nil {
		f.disk(w.disk)
	}
	return w.store.Lock(ctx, w.stack, "up")
}

// run is one command in a new process, as the last one left things. A nil
// graph destroys. It tells the plan that was made.
func (w *world) run(g *graph.Graph, f *faults) (plan.Plan, error) {
	w.cloud.goTo(w.where)
	w.cloud.acting, w.cloud.lost = w.id, map[string]bool{}
	w.cloud.faults, w.cloud.destroy, w.cloud.desired = f, g == nil, map[plan.URN]graph.Resource{}
	p, err := w.command(g, f)
	if w.disk != nil {
		w.disk.Heal()
	}
	w.t.Logf("%s in %s: %+v\n%s= %v", w.id[:7], w.where, *f, shown(p), err)
	if len(w.cloud.breaches) > 0 {
		w.t.Fatalf("%s\nplan:\n%s\nresult: %v", strings.Join(w.cloud.breaches, "\n"), detail(p), err)
	}
	return p, err
}

// command does what the library does for up and destroy.
func (w *world) command(g *graph.Graph, f *faults) (plan.Plan, error) {
	ctx := context.Background()
	s, err := w.take(f)
	if err != nil {
		return plan.Plan{}, err
	}
	at, err := s.Snapshot().Locate(w.where.region, w.where.account)
	if err != nil {
		return plan.Plan{}, err
	}
	e := w.cloud.engine(event.Discard)
	e.ForgetUnreachable = w.forget
	var p plan.Plan
	if g == nil {
		w.wanted = &graph.Graph{Stack: w.stack, Project: s.Snapshot().Project}
		p, err = e.PlanDestroy(ctx, s.Snapshot())
	} else {
		if at.Zones, err = at.Span(nil); at.Zones == nil {
			at.Zones = w.cloud.zones
		}
		if err := errors.Join(err, s.Pin(ctx, at)); err != nil {
			return plan.Plan{}, err
		}
		w.wanted = spanning(g, at.Zones)
		for _, r := range w.wanted.Resources {
			w.cloud.desired[plan.NewURN(g.Stack, g.Project, r.Type, r.Name)] = r
		}
		p, err = e.Plan(ctx, w.wanted, s.Snapshot())
	}
	if err != nil {
		return plan.Plan{}, fmt.Errorf("%w\nstate: %s", err, text(s.Snapshot()))
	}
	w.gaps(p)
	return p, e.Apply(ctx, p, w.wanted, journal{s, w.cloud})
}

// gaps notes what the plan says that it deletes first: something of which two
// cannot stand, and what is in its way.
func (w *world) gaps(p plan.Plan) {
	w.cloud.gaps = map[string]bool{}
	reason := false
	for _, s := range p.Steps {
		if s.DeleteFirst {
			w.cloud.gaps[string(s.URN)] = true
			reason = reason || strings.Contains(s.Why, "two cannot stand at once") || strings.HasSuffix(s.Why, " takes its name") || strings.HasSuffix(s.Why, "(deleteBeforeReplace)")
		}
	}
	if len(w.cloud.gaps) > 0 && !reason {
		w.t.Fatalf("deletes first, without a reason:\n%s", detail(p))
	}
}

// spanning is a graph whose cluster, if it has one, gets a subnet in every zone.
func spanning(g *graph.Graph, zones []string) *graph.Graph {
	i := slices.IndexFunc(g.Resources, func(r graph.Resource) bool { return r.Type == cluster && r.Component == "network" })
	if i < 0 {
		return g
	}
	var subnets []graph.Resource
	var ids []any
	for n, zone := range zones {
		r := res(subnet, "zone-"+zone, plan.Props{"fixedZone": zone, "fixedBlock": float64(n)})
		r.Component = "network"
		subnets, ids = append(subnets, r), append(ids, r.To("Id"))
	}
	spans := *g
	spans.Resources = slices.Clone(g.Resources)
	spans.Resources[i].Props = plan.Props{"subnets": ids}
	spans.Resources = slices.Insert(spans.Resources, 0, subnets...)
	return &spans
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
	if p.Destroy != (g == nil) {
		w.t.Fatalf("a plan to destroy: %v", p.Destroy)
	}
	w.check(w.wanted)
	again, err := w.run(g, new(faults))
	if err != nil || len(again.Steps) > 0 {
		w.t.Fatalf("%v: a second run still wants to\n%s", err, detail(again))
	}
	return p
}

// check compares the objects with what is wanted: each once, with the inputs
// that the graph asks for, and nothing else.
func (w *world) check(g *graph.Graph) {
	byURN := map[string]*object{}
	for _, o := range w.cloud.owned(w.id) {
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
	own  string         // begins the names that only one stack can have
	last map[string]int // by place: what was drawn there in the graph before
	now  map[string]int
}

func (w *world) drawGraph(t *rapid.T) *graph.Graph {
	d := &drawn{t: t, last: w.last, now: map[string]int{}, own: w.id[:7], g: graph.Graph{Stack: w.stack, Project: w.project}}
	w.last = d.now
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
	if d.pick("cluster", 3) == 1 {
		r := res(cluster, "zonal", plan.Props{})
		r.NameProperty, r.Component = "name", "network"
		add(r)
	}
	places := slices.Clone(d.g.Resources)
	if r, ok := d.plain(graph.Key{Type: template, Name: "loose"}, earlier); ok {
		r.NameProperty = "name"
		add(r)
	}
	for i := range 2 {
		for _, r := range d.nodeGroup(fmt.Sprint("web", i), earlier) {
			add(r)
		}
	}
	for i := range 3 {
		if r, ok := d.plain(graph.Key{Type: role, Name: fmt.Sprint("own", i)}, earlier); ok {
			d.name(&r)
			add(r)
		}
	}
	for i := range 2 {
		if r, ok := d.plain(graph.Key{Type: link, Name: fmt.Sprint("link", i)}, earlier); ok {
			r.Props["slot"] = fmt.Sprint(d.own, i)
			add(r)
		}
	}
	if r, ok := d.plain(graph.Key{Type: lead, Name: "lead"}, earlier); ok {
		r.Props["subnet"] = d.own
		add(r)
	}
	for i := range 2 {
		r, ok := d.plain(graph.Key{Type: workload, Name: fmt.Sprint("apps/app", i)}, earlier)
		r.Conn = plan.Props{"cluster": "of " + d.own}
		if n := d.pick("conn "+r.Name, 4); n > 0 && n <= len(places) {
			r.Conn = plan.Props{"cluster": places[n-1].To("Id")}
		}
		if ok {
			add(r)
		}
	}
	return &d.g
}

// name gives a resource one of a few names that nothing else in the graph has:
// the user's own, or one that Drover chooses.
func (d *drawn) name(r *graph.Resource) {
	name := fmt.Sprint(d.own, " ", d.pick("name of "+r.Name, 4))
	taken := slices.ContainsFunc(d.g.Resources, func(o graph.Resource) bool { return o.Props[ownName] == name })
	if taken || strings.HasSuffix(name, "0") {
		r.NameProperty = "name"
		return
	}
	r.Props[ownName] = name
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
// autoscaler resizes a group, AWS forgets requests. IDs are drawn, so that a
// case can be repeated.
func (w *world) byHand(t *rapid.T) {
	w.cloud.goTo(w.where)
	own := w.cloud.owned(w.id)
	for _, id := range slices.Sorted(maps.Keys(own)) {
		o := w.cloud.objects[id]
		if o == nil {
			continue // it was in a cluster that is gone
		}
		if o.typ == group && rapid.IntRange(0, 3).Draw(t, "resize "+id) == 0 {
			o.size = rapid.IntRange(0, 9).Draw(t, "size of "+id)
		}
		if rapid.IntRange(0, 11).Draw(t, "delete "+id) == 0 {
			w.cloud.lose(o)
		}
	}
	if rapid.IntRange(0, 5).Draw(t, "days pass") == 0 {
		clear(w.cloud.tokens)
	}
}

// drawFaults draws what goes wrong in a run: in one call or in several, with
// the process, the credentials, the disk, or an object that somebody deletes
// meanwhile.
func (w *world) drawFaults(t *rapid.T) *faults {
	f := &faults{at: rapid.IntRange(1, 80).Draw(t, "point"),
		kind: rapid.SampledFrom(append([]string{"throttled", "by hand"}, faultKinds...)).Draw(t, "fault")}
	switch f.kind {
	case "expired":
		f.more = 1000 // they do not become valid again
	case "throttled":
		f.more = rapid.IntRange(0, 9).Draw(t, "more")
	case "by hand":
		victim := rapid.IntRange(0, 30).Draw(t, "victim")
		f.hand = func() { w.loseNth(victim) }
	}
	if w.disk != nil && rapid.Bool().Draw(t, "bad disk") {
		f.disk = drawDisk(t)
	}
	return f
}

func (w *world) loseNth(n int) {
	ids := slices.Sorted(maps.Keys(w.cloud.owned(w.id)))
	if len(ids) > 0 {
		if o := w.cloud.objects[ids[n%len(ids)]]; o != nil {
			w.cloud.lose(o)
		}
	}
}

// drawDisk draws a disk that fills, or fails once.
func drawDisk(t *rapid.T) func(*durabletest.Disk) {
	if rapid.Bool().Draw(t, "full") {
		room := rapid.IntRange(1, 60_000).Draw(t, "room")
		return func(d *durabletest.Disk) { d.Room = room }
	}
	call := rapid.IntRange(1, 60).Draw(t, "disk call")
	return func(d *durabletest.Disk) { d.FailAt, d.Once, d.Err = d.Calls()+call, true, syscall.EIO }
}

// misled is a command that goes to the wrong place, or is given another
// project's file: it is refused, and changes nothing.
func (w *world) misled(t *rapid.T, g *graph.Graph) {
	before, s := w.print(), w.read()
	if s.Empty() {
		return
	}
	right := w.where
	switch rapid.SampledFrom([]string{"region", "account", "project"}).Draw(t, "misled by") {
	case "region":
		w.where.region = "us-east-1"
	case "account":
		w.where.account = "222"
	case "project":
		other := *g
		other.Project = "renamed"
		g = &other
	}
	_, err := w.run(g, new(faults))
	w.where = right
	if kind(err) != problem.Refused || w.print() != before {
		t.Fatalf("misled, and not refused, or not without an effect: %v", err)
	}
}

func (w *world) read() *state.Snapshot {
	s, err := w.store.Read(context.Background(), w.stack)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// print is all that the stack has outside.
func (w *world) print() string {
	var b strings.Builder
	own := w.cloud.owned(w.id)
	for _, id := range slices.Sorted(maps.Keys(own)) {
		fmt.Fprintf(&b, "%+v\n", *own[id])
	}
	return b.String()
}

// edit changes the file, and runs up until that is done, or is left undone.
func (w *world) edit(t *rapid.T) {
	if w.read().Empty() {
		w.where = site{rapid.SampledFrom([]string{"111", "333"}).Draw(t, "account"), home.region}
	}
	g := w.drawGraph(t)
	done := false
	for range rapid.IntRange(0, 3).Draw(t, "faulty runs") {
		w.meanwhile(t, g)
		_, err := w.run(g, w.drawFaults(t))
		done = err == nil
	}
	if !done && rapid.Bool().Draw(t, "unfinished") {
		return
	}
	w.meanwhile(t, g)
	w.mustRun(g)
}

// meanwhile is what happens between two runs.
func (w *world) meanwhile(t *rapid.T, g *graph.Graph) {
	w.cloud.zones = rapid.SampledFrom([][]string{{"a", "b", "c"}, {"a", "c"}, {"b", "c", "d"}}).Draw(t, "zones today")
	switch rapid.IntRange(0, 5).Draw(t, "meanwhile") {
	case 0, 1:
		w.byHand(t)
	case 2:
		w.misled(t, g)
	}
}

// end destroys the stack.
func (w *world) end(t *rapid.T) {
	for range rapid.IntRange(0, 3).Draw(t, "faulty destroys") {
		_, _ = w.run(nil, w.drawFaults(t))
	}
	w.mustRun(nil)
}

// Whatever is edited, and wherever a run is killed or a call fails, before or
// after its effect: running again until it succeeds leaves exactly what is
// wanted, and on the way nothing is deleted before its replacement stands, nor
// a group before it was handed over. A later edit may come before the earlier
// one is finished. Stacks of the same and of other names live in the same
// account, and nothing that is done to one touches another.
func TestCrashAnywhere(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		worlds := drawWorlds(t, folder)
		for range rapid.IntRange(1, 5).Draw(t, "edits") {
			undisturbed(t, worlds, func(w *world) { w.edit(t) })
		}
		for len(worlds) > 0 {
			gone := undisturbed(t, worlds, func(w *world) { w.end(t) })
			worlds = slices.DeleteFunc(worlds, func(w *world) bool { return w == gone })
		}
	})
}

// drawWorlds draws one stack, or several in one cloud; two of the same name
// have their states in different places, as those of two developers.
func drawWorlds(t *rapid.T, folder string) []*world {
	c := newCloud()
	c.parallel = rapid.SampledFrom([]int{1, 1, 4}).Draw(t, "parallel")
	var worlds []*world
	names := [][2]string{{stackName, projectName}, {stackName, projectName}, {"prod", projectName}, {stackName, "office"}}
	for i := range rapid.SampledFrom([]int{1, 1, 2, 3}).Draw(t, "stacks") {
		name, dir := names[(i+rapid.IntRange(0, 3).Draw(t, "name"))%len(names)], ""
		if rapid.IntRange(0, 2).Draw(t, "on disk") == 0 {
			dir, _ = os.MkdirTemp(folder, "") // an empty name: in memory
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
		}
		worlds = append(worlds, newWorldIn(t, c, name[0], name[1], dir))
	}
	return worlds
}

// undisturbed does something to one of the stacks, and nothing of another changes.
func undisturbed(t *rapid.T, worlds []*world, do func(*world)) *world {
	w := rapid.SampledFrom(worlds).Draw(t, "stack")
	prints := map[*world]string{}
	for _, o := range worlds {
		prints[o] = o.print()
	}
	do(w)
	for _, o := range worlds {
		if o != w && o.print() != prints[o] {
			t.Fatalf("objects of stack %s (%s) changed", o.stack, o.id)
		}
	}
	return w
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

// What an update has set whose end nobody knows is taken back when it is not
// wanted any more, however often the updates after it are killed.
func TestWhatAnUnknownUpdateHasSetIsTakenBack(t *testing.T) {
	graphOf := func(props plan.Props) *graph.Graph {
		g := &graph.Graph{Stack: stackName, Project: "shop"}
		g.Resources = append(g.Resources, res(role, "own", props))
		return g
	}
	was, begun := plan.Props{"fixedA": 1.0}, plan.Props{"fixedA": 1.0, "value": 2.0}
	for at, through := 1, false; !through; at++ {
		w := newWorld(t)
		w.mustRun(graphOf(was))
		for kill := 1; !w.holds(`"value":2`); kill++ {
			_, _ = w.run(graphOf(begun), &faults{at: kill, kind: "crash after"})
		}
		_, err := w.run(graphOf(was), &faults{at: at, kind: "crash before"})
		through = err == nil
		w.mustRun(graphOf(was))
	}
}

// holds reports that an object of this stack has the inputs.
func (w *world) holds(inputs string) bool {
	for _, o := range w.cloud.owned(w.id) {
		if strings.Contains(o.inputs, inputs) {
			return true
		}
	}
	return false
}
