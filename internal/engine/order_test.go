package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/plan"
)

// one is a graph of these resources.
func one(rs ...graph.Resource) *graph.Graph {
	return &graph.Graph{Stack: stackName, Project: projectName, Resources: rs}
}

func res(typ, name string, props plan.Props, after ...graph.Key) graph.Resource {
	return graph.Resource{Key: graph.Key{Type: typ, Name: name}, Props: props, After: after}
}

// place is where a step stands in a plan; 0: nowhere.
func place(p plan.Plan, op plan.Op, typ, name string) int {
	i := slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.Op == op && s.URN.Type() == typ && s.URN.Name() == name })
	return i + 1
}

// Something renamed in the file is another thing: the old one serves until the
// new one stands, and goes on to serve if the new one fails.
func TestNothingIsDeletedWhenSomethingElseCannotBeMade(t *testing.T) {
	for _, typ := range []string{role, network, workload, "v1/Service"} {
		w := newWorld(t)
		w.mustRun(one(res(typ, "old", plan.Props{"kind": "x"})))
		_, err := w.up(context.Background(), one(res(typ, "new", plan.Props{"kind": "x"})), w.intercept(
			func(op plan.Op, r engine.Request) error {
				if op == plan.Create {
					return errors.New("InternalFailure: null")
				}
				return nil
			}))
		if err == nil || len(w.cloud.objects) != 1 {
			t.Errorf("%s: %v, %d objects: the old one is to stand", typ, err, len(w.cloud.objects))
		}
	}
}

// What has a name of the user's choosing cannot stand twice. The plan says so,
// deletes it right before the new one comes, and ends with the new one.
func TestFixedNameIsReplacedInTheOpen(t *testing.T) {
	w := newWorld(t)
	g := func(path string) *graph.Graph {
		return one(res(role, "app", plan.Props{ownName: "app", "fixedPath": path}), res(network, path, plan.Props{}))
	}
	w.mustRun(g("/a/"))
	p := w.mustRun(g("/b/"))
	gone, made := place(p, plan.Delete, role, "app"), place(p, plan.Create, role, "app")
	if gone == 0 || made < gone || !p.Steps[gone-1].DeleteFirst || p.Steps[gone-1].Why != "goes first: two cannot stand at once" {
		t.Errorf("the gap is not told:\n%s", detail(p))
	}
	if other := place(p, plan.Delete, network, "/a/"); other < place(p, plan.Create, network, "/b/") {
		t.Errorf("what can wait does not:\n%s", detail(p))
	}
}

// The gap is small: all that the replacement needs stands before the delete.
func TestDeleteFirstWaitsForWhatItsReplacementNeeds(t *testing.T) {
	w := newWorld(t)
	table, route := graph.Key{Type: role, Name: "table"}, graph.Key{Type: role, Name: "route"}
	w.mustRun(one(res(link, "a", plan.Props{"slot": 1.0, "fixedTable": "old"})))
	p := w.mustRun(one(
		res(table.Type, table.Name, plan.Props{}),
		res(route.Type, route.Name, plan.Props{"table": table.To("Id")}),
		res(link, "a", plan.Props{"slot": 1.0, "fixedTable": table.To("Id")}, route)))
	if place(p, plan.Delete, link, "a") != place(p, plan.Create, role, "route")+1 || place(p, plan.Create, link, "a") != 4 {
		t.Errorf("the slot is empty longer than it must be:\n%s", detail(p))
	}
	if gone := p.Steps[place(p, plan.Delete, link, "a")-1]; !slices.Equal(gone.Needs, []int{place(p, plan.Create, role, "route")}) {
		t.Errorf("the slot is emptied while what takes it is still waited for:\n%s", detail(p))
	}
}

// What is only ordered after something is not made anew with it, and an order more or less
// is no change.
func TestOrderAloneChangesNothing(t *testing.T) {
	w := newWorld(t)
	net := func(v float64) graph.Resource { return res(network, "net", plan.Props{"fixedCidr": v}) }
	w.mustRun(one(net(1), res(role, "user", plan.Props{})))
	if p := w.mustRun(one(net(1), res(role, "user", plan.Props{}, net(1).Key))); len(p.Steps) > 0 {
		t.Errorf("an order more:\n%s", detail(p))
	}
	if p := w.mustRun(one(net(2), res(role, "user", plan.Props{}, net(2).Key))); len(p.Steps) != 2 {
		t.Errorf("what is ordered after it has not changed:\n%s", detail(p))
	}
}

// Parts of a component with a generation are made anew together, whatever it is that takes
// a new object; parts of one without are made anew one by one.
func TestComponentIsReplacedAsAWhole(t *testing.T) {
	for _, c := range []struct {
		generation plan.Props
		steps      int
	}{{plan.Props{"version": "1"}, 4}, {nil, 2}} {
		w := newWorld(t)
		g := func(path string) *graph.Graph {
			a, b := res(role, "a", plan.Props{"fixedPath": path}), res(template, "b", plan.Props{"size": 1.0})
			for _, r := range []*graph.Resource{&a, &b} {
				r.NameProperty, r.Component, r.Generation = "name", "nodegroup/web", c.generation
			}
			return one(b, a)
		}
		w.mustRun(g("/a/"))
		if p := w.mustRun(g("/b/")); len(p.Steps) != c.steps {
			t.Errorf("generation %v: %d steps, want %d\n%s", c.generation, len(p.Steps), c.steps, detail(p))
		}
	}
}

// What refers to something that must go first goes even before it, in the open.
func TestWhatIsInTheWayGoesFirst(t *testing.T) {
	w := newWorld(t)
	own := graph.Key{Type: role, Name: "app"}
	w.mustRun(one(res(role, "app", plan.Props{ownName: "app", "fixedPath": "/a/"}), res(role, "user", plan.Props{"of": own.To("Id")})))
	p := w.mustRun(one(res(role, "app", plan.Props{ownName: "app", "fixedPath": "/b/"})))
	if place(p, plan.Delete, role, "user") != 1 || place(p, plan.Delete, role, "app") != 2 {
		t.Errorf("AWS would refuse to delete what is in use:\n%s", detail(p))
	}
}

// A name of the user's choosing that moves to another resource, or is swapped
// with one, is free before it is taken: two objects of one name never stand.
func TestNamesMoveBetweenResources(t *testing.T) {
	named := func(key, name string) graph.Resource { return res(role, key, plan.Props{ownName: name}) }
	for _, c := range []struct {
		what          string
		before, after *graph.Graph
		gaps          []string
	}{
		{"renamed key", one(named("a", "x")), one(named("b", "x")), []string{"goes first: Role b takes its name"}},
		{"handed on", one(named("a", "x"), named("b", "y")), one(named("a", "z"), named("b", "x")), []string{"goes first: Role b takes its name"}},
		{"swapped", one(named("a", "x"), named("b", "y")), one(named("a", "y"), named("b", "x")),
			[]string{"goes first: Role a takes its name", "goes first: Role b takes its name"}},
	} {
		t.Run(c.what, func(t *testing.T) { everyPoint(t, c.before, c.after) })
		w := newWorld(t)
		w.mustRun(c.before)
		var told []string
		for _, s := range w.mustRun(c.after).Steps {
			if s.DeleteFirst {
				told = append(told, s.Why)
			}
		}
		if slices.Sort(told); !slices.Equal(told, c.gaps) {
			t.Errorf("%s: the plan tells of %q, want %q", c.what, told, c.gaps)
		}
	}
}

// A thousand of each: the edges of a plan grow with the resources, not with their square.
func TestDeletesWaitWithFewEdges(t *testing.T) {
	w := newWorld(t)
	g := one()
	for i := range 30 {
		r := res(role, fmt.Sprint("a", i), plan.Props{})
		if i > 0 {
			r.Props["on"] = graph.Key{Type: role, Name: fmt.Sprint("a", i-1)}.To("Id")
		}
		g.Resources = append(g.Resources, r)
	}
	w.mustRun(one(res(role, "x", plan.Props{}), res(role, "y", plan.Props{})))
	p := w.mustRun(g)
	for _, s := range p.Steps {
		if s.Op == plan.Delete && !slices.Equal(s.Needs, []int{30}) {
			t.Errorf("%s needs %v; the last create implies the others", s.Name, s.Needs)
		}
	}
}
