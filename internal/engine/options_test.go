package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// with gives a resource options.
func with(r graph.Resource, change func(*graph.Options)) graph.Resource {
	change(&r.Options)
	return r
}

// must runs without faults, and a second time finds nothing to do.
func (w *world) must(g *graph.Graph) plan.Plan {
	w.t.Helper()
	p, err := w.run(g, new(faults))
	if err != nil {
		w.t.Fatal(err)
	}
	if again, err := w.run(g, new(faults)); err != nil || len(again.Steps) > 0 {
		w.t.Fatalf("%v: a second run still wants to\n%s", err, detail(again))
	}
	return p
}

// Something that is called otherwise stays the object that it is, under any
// fault; what refers to it does not change, and its old name is free for another.
func TestAliasKeepsTheObject(t *testing.T) {
	w := newWorld(t)
	net, tmpl := res(network, "net", plan.Props{}), graph.Key{Type: template, Name: "jobs"}
	jobs := graph.Resource{Key: tmpl, NameProperty: "name", Props: plan.Props{"of": net.To("Id")}}
	w.must(one(net, jobs, res(role, "user", plan.Props{"uses": tmpl.To("Id"), "in": tmpl.To("version")})))
	id, _ := w.read().Live(plan.NewURN(stackName, projectName, template, "jobs"))

	tasks := with(jobs, func(o *graph.Options) { o.Aliases = []graph.Key{tmpl} })
	tasks.Name = "tasks"
	user := res(role, "user", plan.Props{"uses": tasks.To("Id"), "in": tasks.To("version")})
	p := w.must(one(net, tasks, user))
	if len(p.Steps) != 1 || p.Steps[0].Op != plan.Update || p.Steps[0].Why != "was called jobs" || p.Steps[0].Name != id.Name {
		t.Fatalf("it is not just called otherwise:\n%s", detail(p))
	}
	now, _ := w.read().Live(plan.NewURN(stackName, projectName, template, "tasks"))
	if now.ID != id.ID {
		t.Errorf("it is %s, and was %s", now.ID, id.ID)
	}
	another := jobs
	another.Props = plan.Props{"of": net.To("Id"), "other": true}
	p = w.must(one(net, tasks, user, another))
	if len(p.Steps) != 1 || p.Steps[0].Op != plan.Create || p.Steps[0].Name == id.Name {
		t.Errorf("another of the old name:\n%s", detail(p))
	}
}

// A node group is renamed with all its parts: nothing is handed over, also if
// the run that does it is killed at any point.
func TestRenamedNodeGroupMovesNothing(t *testing.T) {
	renamedTo := func(name string) *graph.Graph {
		now := before
		now.name = name
		g := tutorial(name, standard, now)
		for i, r := range g.Resources {
			if r.Component == "nodegroup/"+name {
				g.Resources[i].Options.Aliases = []graph.Key{{Type: r.Type, Name: "web"}}
			}
		}
		return g
	}
	for at := range 12 {
		w := newWorld(t)
		w.must(tutorial("web", standard, before))
		made := w.cloud.made
		if at > 0 {
			_, _ = w.run(renamedTo("shop"), &faults{at: at, kind: "crash after"})
		}
		p, err := w.run(renamedTo("shop"), new(faults))
		if err != nil {
			t.Fatal(err)
		}
		if at == 0 {
			golden(t, "rename-group", p)
		}
		if again, err := w.run(renamedTo("shop"), new(faults)); err != nil || len(again.Steps) > 0 || w.cloud.made != made {
			t.Fatalf("kill at %d: %v, %d made, %d before\n%s", at, err, w.cloud.made, made, detail(again))
		}
	}
}

// The API server serves an object under every version of its group: another
// apiVersion in the manifest is an update of that object, never another one
// whose deletion takes it along.
func TestAnotherVersionIsTheSameObject(t *testing.T) {
	w := newWorld(t)
	object := func(typ, version string) graph.Resource {
		r := res(typ, "apps/web", plan.Props{"apiVersion": version})
		r.Conn = plan.Props{"cluster": "c"}
		return r
	}
	old := object("policy/v1beta1/PodDisruptionBudget", "policy/v1beta1")
	w.must(one(old))
	live, _ := w.read().Live(plan.NewURN(stackName, projectName, old.Type, old.Name))
	now := object("policy/v1/PodDisruptionBudget", "policy/v1")
	p := w.must(one(now))
	if len(p.Steps) != 1 || p.Steps[0].Op != plan.Update || p.Steps[0].Why != "was called policy/v1beta1/PodDisruptionBudget, apiVersion policy/v1beta1 -> policy/v1" {
		t.Fatalf("not an update alone:\n%s", detail(p))
	}
	if r, ok := w.read().Live(plan.NewURN(stackName, projectName, now.Type, now.Name)); !ok || r.ID != live.ID || r.Type != now.Type {
		t.Errorf("it is %+v, and was %s", r, live.ID)
	}
	if p := w.must(one()); len(p.Steps) != 1 {
		t.Errorf("it is deleted more than once:\n%s", detail(p))
	}
}

// What the file says otherwise of ignored properties is not applied; on a new
// object it is.
func TestIgnoredChanges(t *testing.T) {
	w := newWorld(t)
	thing := func(size float64, image, fixed string) *graph.Graph {
		return one(with(graph.Resource{Key: graph.Key{Type: role, Name: "a"}, NameProperty: "name", Props: plan.Props{"size": size, "spec": plan.Props{"image": image, "keep": "x"}, "fixed": fixed}},
			func(o *graph.Options) { o.IgnoreChanges = []string{"size", "spec.image", "spec.absent"} }))
	}
	inputs := func() plan.Props {
		r, _ := w.read().Live(plan.NewURN(stackName, projectName, role, "a"))
		return r.Inputs
	}
	w.must(thing(1, "a:1", "x"))
	if p := w.must(thing(2, "a:2", "x")); len(p.Steps) > 0 {
		t.Errorf("ignored, and yet:\n%s", detail(p))
	}
	if got, _ := value.Get(inputs(), "spec.image"); got != "a:1" {
		t.Errorf("spec.image is %v", got)
	}
	w.must(thing(2, "a:2", "y"))
	if got, _ := value.Get(inputs(), "spec.image"); got != "a:2" || inputs()["size"] != float64(2) {
		t.Errorf("the new object has %v", inputs())
	}
}

// While something else of the object is updated, what is ignored is sent as it is, and
// kept so.
func TestIgnoredChangesOfAnUpdate(t *testing.T) {
	w := newWorld(t)
	thing := func(size float64, image, keep string) *graph.Graph {
		return one(with(res(role, "a", plan.Props{"size": size, "spec": plan.Props{"image": image, "keep": keep}}),
			func(o *graph.Options) { o.IgnoreChanges = []string{"size", "spec.image"} }))
	}
	w.must(thing(1, "a:1", "x"))
	var sent plan.Props
	p, err := w.up(t.Context(), thing(2, "a:2", "y"), w.intercept(func(_ plan.Op, r engine.Request) error { sent = r.Want; return nil }))
	if err != nil || len(p.Steps) != 1 || p.Steps[0].Op != plan.Update {
		t.Fatalf("%v\n%s", err, detail(p))
	}
	r, _ := w.read().Live(plan.NewURN(stackName, projectName, role, "a"))
	want := plan.Props{"size": float64(1), "spec": plan.Props{"image": "a:1", "keep": "y"}}
	if !state.Equal(sent, want) || !state.Equal(r.Inputs, want) {
		t.Errorf("sent %v, kept %v", sent, r.Inputs)
	}
}

// A change at such a path makes the object anew, beside the old one or after it.
func TestReplaceOnChanges(t *testing.T) {
	for _, first := range []bool{false, true} {
		w := newWorld(t)
		thing := func(v string) *graph.Graph {
			return one(with(graph.Resource{Key: graph.Key{Type: role, Name: "a"}, NameProperty: "name", Props: plan.Props{"spec": plan.Props{"key": v, "other": "x"}}}, func(o *graph.Options) {
				o.ReplaceOnChanges, o.DeleteFirst = []string{"spec.key"}, first
			}))
		}
		w.must(thing("1"))
		p := w.must(thing("2"))
		want := []plan.Op{plan.Create, plan.Delete}
		if first {
			want = []plan.Op{plan.Delete, plan.Create}
		}
		if len(p.Steps) != 2 || p.Steps[0].Op != want[0] || p.Steps[1].Op != want[1] {
			t.Fatalf("first %v:\n%s", first, detail(p))
		}
		if why := p.Steps[place(p, plan.Create, role, "a")-1].Why; why != "spec.key 1 -> 2" {
			t.Errorf("why: %s", why)
		}
	}
}

// What is to stay is forgotten and not deleted; only where a new one cannot
// stand beside it the plan is refused.
func TestRetained(t *testing.T) {
	w := newWorld(t)
	keep := func(o *graph.Options) { o.Retain = true }
	w.must(one(with(res(network, "net", plan.Props{}), keep), res(role, "a", plan.Props{})))
	p := w.must(one())
	if len(p.Steps) != 2 || len(w.cloud.objects) != 1 || !p.Steps[place(p, plan.Delete, network, "net")-1].Stays {
		t.Fatalf("%d objects are left:\n%s", len(w.cloud.objects), detail(p))
	}
	w = newWorld(t)
	w.must(one(with(res(link, "l", plan.Props{"fixedSlot": "1"}), keep)))
	_, err := w.run(one(with(res(link, "l", plan.Props{"fixedSlot": "2"}), keep)), new(faults))
	if kind(err) != problem.Refused {
		t.Errorf("it cannot stand beside what comes: %v", err)
	}
}

// slow takes until it is cut off, or an hour.
type slow struct {
	*cloud
	interrupt context.CancelFunc // of the run, while it takes; nil: nobody does
}

func (s slow) Create(ctx context.Context, r engine.Request) (engine.Created, error) {
	if s.interrupt != nil {
		s.interrupt()
	}
	select {
	case <-ctx.Done():
		return engine.Created{Call: engine.Send}, ctx.Err()
	case <-time.After(time.Hour):
		return s.cloud.Create(ctx, r)
	}
}

// A step that takes longer than it may is cut off, and says so; the next run goes on.
// One that the user interrupts is not late, nor is one that may take as long as it does.
func TestTimeouts(t *testing.T) {
	for limit, late := range map[time.Duration]bool{0: false, time.Minute: true, 2 * time.Hour: false} {
		for _, interrupted := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				thing := with(res(role, "a", plan.Props{}), func(o *graph.Options) { o.Create = limit })
				ctx, interrupt := context.WithCancel(t.Context())
				defer interrupt()
				by := slow{cloud: w.cloud}
				if interrupted {
					by.interrupt = interrupt
				}
				_, err := w.up(ctx, one(thing), func(e *engine.Engine) {
					e.Providers = func(string) (engine.Provider, error) { return by, nil }
				})
				var p *problem.Error
				told := errors.As(err, &p) && strings.Contains(err.Error(), "not done within 1m0s (timeouts.create)")
				if told != (late && !interrupted) || (err == nil) != (!late && !interrupted) {
					t.Errorf("limit %s, interrupted %v: %v", limit, interrupted, err)
				}
				thing.Options.Create = 0
				w.mustRun(one(thing))
			})
		}
	}
}
