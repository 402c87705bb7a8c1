package engine_test

import (
	"context"
	"testing"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// narrow runs a part of what is wanted; a nil graph destroys that part.
func (w *world) narrow(g *graph.Graph, scope engine.Scope, change func(*engine.Engine)) (plan.Plan, error) {
	w.t.Helper()
	w.cloud.faults, w.cloud.desired, w.cloud.acting, w.cloud.destroy = new(faults), map[plan.URN]graph.Resource{}, w.id, g == nil
	s := w.lock()
	e := w.cloud.engine(event.Discard)
	change(e)
	make := e.Plan
	if g == nil {
		g, make = &graph.Graph{Stack: stackName, Project: projectName}, e.PlanDestroyOf
	}
	part, err := e.Narrow(g, s.Snapshot(), scope)
	if err != nil {
		return plan.Plan{}, err
	}
	p, err := make(context.Background(), part, s.Snapshot())
	if err != nil {
		return p, err
	}
	return p, e.Apply(context.Background(), p, part, journal{s, w.cloud})
}

func as(*engine.Engine) {}

// Only what is named, and what it needs, is made; the rest is left as it stands,
// however much the file says otherwise, and the next whole run makes up for it.
func TestTarget(t *testing.T) {
	w := newWorld(t)
	w.must(tutorial("web", standard, before))
	larger := standard
	larger.capacity = 4
	p, err := w.narrow(tutorial("web", larger, after), engine.Scope{Only: []string{"nodeGroups.standard"}}, as)
	if err != nil || len(p.Steps) != 1 || p.Steps[0].Op != plan.Update || p.Steps[0].Component != "nodegroup/standard" {
		t.Fatalf("%v:\n%s", err, detail(p))
	}
	web, _ := w.read().Live(plan.NewURN(stackName, projectName, group, "web"))
	if web.Generation["instanceType"] != before.instanceType {
		t.Errorf("what was left out is stored as %v", web.Generation)
	}
	p = w.must(tutorial("web", larger, after))
	if place(p, plan.HandOver, group, "web") == 0 {
		t.Errorf("the rest is not made up for:\n%s", detail(p))
	}
}

// What was deleted by hand and is left out is no part of the plan.
func TestTargetLeavesOutWhatIsGone(t *testing.T) {
	w := newWorld(t)
	a, b := res(role, "a", plan.Props{"size": 1.0}), res(role, "b", plan.Props{})
	w.must(one(a, b))
	w.cloud.lose(w.cloud.named(role, "b"))
	a.Props = plan.Props{"size": 2.0}
	p, err := w.narrow(one(a, b), engine.Scope{Only: []string{"a"}}, as)
	if err != nil || len(p.Steps) != 1 || p.Steps[0].URN.Name() != "a" {
		t.Fatalf("%v:\n%s", err, detail(p))
	}
	p, err = w.narrow(nil, engine.Scope{Only: []string{"a"}}, as)
	if err != nil || len(p.Steps) != 1 || p.Steps[0].URN.Name() != "a" {
		t.Fatalf("%v:\n%s", err, detail(p))
	}
}

// What is left out is not deleted, nor what it needs; a part that it refers to
// does not go from under it.
func TestExclude(t *testing.T) {
	w := newWorld(t)
	net := res(network, "net", plan.Props{})
	user := res(role, "user", plan.Props{"in": net.To("Id")})
	w.must(one(net, user, res(role, "other", plan.Props{})))
	p, err := w.narrow(nil, engine.Scope{Except: []string{"user"}}, as)
	if err != nil || len(p.Steps) != 1 || p.Steps[0].URN.Name() != "other" {
		t.Fatalf("%v:\n%s", err, detail(p))
	}
	p, err = w.narrow(nil, engine.Scope{Only: []string{"AWS::EC2::VPC/net"}}, as)
	if err != nil || len(p.Steps) != 2 {
		t.Fatalf("what stands on it goes before it; %v:\n%s", err, detail(p))
	}
}

// A target that is made anew while something left out refers to it is refused.
func TestTargetThatOthersReferTo(t *testing.T) {
	w := newWorld(t)
	net := func(v string) graph.Resource { return res(network, "net", plan.Props{"fixedCidr": v}) }
	user := res(role, "user", plan.Props{"in": net("").To("Id")})
	w.must(one(net("1"), user))
	_, err := w.narrow(one(net("2"), user), engine.Scope{Only: []string{"net"}}, as)
	if kind(err) != problem.Refused {
		t.Fatalf("%v", err)
	}
	if _, err := w.narrow(one(net("2"), user), engine.Scope{Only: []string{"net", "user"}}, as); err != nil {
		t.Fatal(err)
	}
}

// Something new that needs what is left out and is not there is left out, too.
func TestExcludeLeavesOutWhatCannotBe(t *testing.T) {
	w := newWorld(t)
	net := res(network, "net", plan.Props{})
	g := one(net, res(role, "user", plan.Props{"in": net.To("Id")}), res(role, "other", plan.Props{}))
	p, err := w.narrow(g, engine.Scope{Except: []string{"net"}}, as)
	if err != nil || len(p.Steps) != 1 || p.Steps[0].URN.Name() != "other" {
		t.Fatalf("%v:\n%s", err, detail(p))
	}
	w.must(g)
}

// --replace makes a whole node group anew, with a hand-over, and only once
// though the run that does it is killed and repeated.
func TestReplaceOnDemand(t *testing.T) {
	g := tutorial("web", standard, before)
	anew := func(e *engine.Engine) { e.Replace = []string{"nodegroup/web"} }
	for at := 0; at < 40; at += 3 {
		w := newWorld(t)
		w.must(g)
		made := w.cloud.made
		_, killed := w.narrow(g, engine.Scope{}, func(e *engine.Engine) {
			anew(e)
			w.cloud.faults = &faults{at: at, kind: "crash after"}
		})
		if _, err := w.narrow(g, engine.Scope{}, anew); killed != nil && err != nil {
			t.Fatalf("killed at %d: %v", at, err)
		}
		w.must(g)
		if n := w.cloud.made - made; n != 4 && (killed != nil || n != 8) {
			t.Errorf("killed at %d (%v): %d parts were made", at, killed, n)
		}
	}
	w := newWorld(t)
	w.must(g)
	if _, err := w.narrow(g, engine.Scope{}, func(e *engine.Engine) { e.Replace = []string{"nodegroup/wbe"} }); kind(err) != problem.Usage {
		t.Errorf("nothing is called so: %v", err)
	}
}

// The plan tells every property that it sets, and which one makes an object anew.
func TestDiff(t *testing.T) {
	w := newWorld(t)
	thing := func(size float64, fixed string, spec plan.Props) *graph.Graph {
		return one(graph.Resource{Key: graph.Key{Type: role, Name: "a"}, NameProperty: "name", Props: plan.Props{"size": size, "fixed": fixed, "spec": spec}})
	}
	w.must(thing(1, "x", plan.Props{"a": "b"}))
	p, err := w.narrow(thing(2, "y", plan.Props{"a": "b", "c": plan.Props{"d": true}}), engine.Scope{}, func(e *engine.Engine) { e.Diff = true })
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"size": "~ size: 1 -> 2", "fixed": `! fixed: "x" -> "y"`, "spec.c.d": "+ spec.c.d: true"}
	for _, c := range p.Steps[0].Changes {
		if c.Path != "name" && want[c.Path] != c.String() {
			t.Errorf("%s", c)
		}
		delete(want, c.Path)
	}
	if len(want) > 0 {
		t.Errorf("not told: %v", want)
	}
}

// shrunk is a stack whose group a killed run was about to shrink, so that some of its
// nodes are closed.
func shrunk(t *testing.T, before, after *graph.Graph) *world {
	t.Helper()
	w := newWorld(t)
	w.mustRun(before)
	killed := &soaking{broken: true}
	if _, err := w.up(context.Background(), after, func(e *engine.Engine) { killed.Mover, e.Mover = e.Mover, killed }); err == nil || len(killed.moves) != 1 {
		t.Fatalf("killed in its hand-over, and %v after %d", err, len(killed.moves))
	}
	return w
}

// What is left out stays in the state as it was: what it needs, and the outputs that it has.
func TestTargetLeavesTheStateOfTheRest(t *testing.T) {
	w := newWorld(t)
	net := res(network, "net", plan.Props{"size": 1.0})
	user := res(role, "user", plan.Props{"in": net.To("Id")})
	g := one(net, user)
	g.Outputs = []graph.Output{{Name: "user", Value: user.To("Id")}, {Name: "net", Value: net.To("version")}}
	w.must(g)
	was := w.read()
	g.Resources[0].Props = plan.Props{"size": 2.0}
	g.Outputs[0].Value = graph.Key{Type: role, Name: "another"}.To("Id")
	g.Resources = append(g.Resources, res(role, "another", plan.Props{}))
	if p, err := w.narrow(g, engine.Scope{Only: []string{"net"}}, as); err != nil || len(p.Steps) != 1 {
		t.Fatalf("%v:\n%s", err, detail(p))
	}
	now := w.read()
	before, _ := was.Live(plan.NewURN(stackName, projectName, role, "user"))
	stands, _ := now.Live(before.URN)
	if text(stands) != text(before) {
		t.Errorf("what was left out is %s, and was %s", text(stands), text(before))
	}
	if now.Outputs["user"] != was.Outputs["user"] || now.Outputs["net"] != 2.0 {
		t.Errorf("outputs %v, and were %v", now.Outputs, was.Outputs)
	}
}

// Of what a change leaves out nothing is forgotten that is under way: nodes that a
// killed run has closed are opened by the next run that is about them, a create whose
// end is unknown is looked for, and the way back stays.
func TestTargetLeavesWhatIsUnderWay(t *testing.T) {
	with := func(web int, size float64) *graph.Graph {
		g := one(res(group, "web", plan.Props{"nodes": float64(web)}), res(role, "a", plan.Props{"size": size}))
		g.Resources[0].Hosts = &graph.Hosts{Nodes: web, Conn: plan.Props{"cluster": "one"}}
		return g
	}
	w := shrunk(t, with(4, 1), with(2, 1))
	if p, err := w.narrow(with(4, 2), engine.Scope{Only: []string{"a"}}, as); err != nil || len(p.Steps) != 1 {
		t.Fatalf("%v:\n%s", err, detail(p))
	}
	if w.read().Way == nil {
		t.Error("the change that is under way cannot be taken back any more")
	}
	opened := &opening{}
	if _, err := w.up(t.Context(), with(4, 2), func(e *engine.Engine) { opened.Mover, e.Mover = e.Mover, opened }); err != nil || len(opened.hosts) != 1 {
		t.Errorf("%v, opened %v", err, opened.hosts)
	}

	w = newWorld(t)
	a, b := res(role, "a", plan.Props{}), res(network, "b", plan.Props{})
	if _, err := w.run(one(b), &faults{at: 3, kind: "lost after"}); err == nil {
		t.Fatal("the fault did not strike")
	}
	if p, err := w.narrow(one(a, b), engine.Scope{Only: []string{"a"}}, as); err != nil || len(p.Steps) != 1 {
		t.Fatalf("%v:\n%s", err, detail(p))
	}
	w.mustRun(one(a, b))
}
