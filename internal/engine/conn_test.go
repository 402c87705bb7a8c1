package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/plan"
)

// inCluster is a Deployment that is reached through conn.
func inCluster(conn plan.Props) graph.Resource {
	r := res(workload, "apps/app", plan.Props{"kind": "Deployment"})
	r.Conn = conn
	return r
}

// A cluster is made anew, and the run is killed at any call: what lives in it
// is made in the new one, and not taken for something that is there already.
func TestObjectsFollowTheirCluster(t *testing.T) {
	key := graph.Key{Type: network, Name: "cluster"}
	g := func(version int) *graph.Graph {
		return one(res(network, "cluster", plan.Props{"fixedVersion": float64(version)}), inCluster(plan.Props{"cluster": key.To("Id")}))
	}
	everyPoint(t, g(1), g(2))
}

// The stack is pointed at another cluster: what a killed run may have made in
// the first one is no part of it.
func TestWhatWasBegunInAnotherClusterGoes(t *testing.T) {
	g := func(cluster string) *graph.Graph { return one(inCluster(plan.Props{"cluster": cluster})) }
	everyPoint(t, one(), g("a"), g("b"))
	everyPoint(t, one(), g("a"), one())
}

// An object that gets another identifier when it is updated is not lost, and
// who refers to that gets the new one.
func TestSwitchedIdentifiersAreFollowed(t *testing.T) {
	key := graph.Key{Type: lead, Name: "a"}
	g := func(table string) *graph.Graph {
		return one(res(lead, "a", plan.Props{"subnet": "x", "table": table}), res(role, "user", plan.Props{"of": key.To("Id")}))
	}
	everyPoint(t, g("old"), g("new"))
	everyPoint(t, g("old"), g("new"), g("old"))
	everyPoint(t, g("old"), g("new"), one())
	w := newWorld(t)
	w.mustRun(g("old"))
	before := w.cloud.named(lead, "a").id
	w.mustRun(g("new"))
	r, _ := w.read().Live(plan.NewURN(stackName, projectName, lead, "a"))
	if now := w.cloud.named(lead, "a").id; now == before || r.ID != now {
		t.Errorf("it was %s, is %s, and the state has %s", before, now, r.ID)
	}
}

// What replaced an object that somebody had deleted is not taken for it.
func TestReplacementIsNotTakenForWhatItReplaced(t *testing.T) {
	g := one(res(lead, "a", plan.Props{"subnet": "x", "table": "old"}))
	for at := 1; at < 12; at++ {
		w := newWorld(t)
		w.mustRun(g)
		w.cloud.lose(w.cloud.named(lead, "a"))
		_, _ = w.run(g, &faults{at: at, kind: "crash before"})
		w.mustRun(g)
	}
}

// everyPoint lets the second last change be cut off at every point, in every
// way, and makes the last one then.
func everyPoint(t *testing.T, edits ...*graph.Graph) {
	t.Helper()
	first, last := edits[0], edits[len(edits)-1]
	for _, kind := range faultKinds {
		for at, struck := 1, true; struck; at++ {
			t.Run(fmt.Sprintf("%s at %d", kind, at), func(t *testing.T) {
				w := newWorld(t)
				w.mustRun(first)
				f := &faults{at: at, kind: kind}
				_, _ = w.run(edits[1], f)
				struck = f.seen >= at
				w.mustRun(last)
				w.mustRun(nil)
			})
		}
	}
}

// An object in another region or account is another object; one that is only reached by
// another way is the same.
func TestAnotherPlaceIsAnotherObject(t *testing.T) {
	in := func(where graph.Where) *graph.Graph {
		r := res(role, "a", plan.Props{"path": "/"})
		r.Where = where
		return one(r)
	}
	for about, c := range map[string]struct {
		now   graph.Where
		anew  bool
		whys  string // of what is made, or changed
		steps int
	}{
		"the same":              {graph.Where{}, false, "", 0},
		"another region":        {graph.Where{Region: "eu-west-1", Account: home.account}, true, "us-west-2 of account 111 -> eu-west-1 of account 111", 2},
		"another account":       {graph.Where{Region: home.region, Account: "222"}, true, "us-west-2 of account 111 -> us-west-2 of account 222", 2},
		"there, by another way": {graph.Where{Region: home.region, Account: home.account, Role: "arn:aws:iam::111:role/x"}, false, "is reached otherwise", 1},
	} {
		w := newWorld(t)
		w.mustRun(in(graph.Where{}))
		p, err := w.cloud.engine(event.Discard).Plan(t.Context(), in(c.now), w.read())
		if err != nil || len(p.Steps) != c.steps {
			t.Fatalf("%s: %v\n%s", about, err, detail(p))
		}
		if c.steps == 0 {
			continue
		}
		if made := p.Steps[0].Op == plan.Create; made != c.anew || !strings.Contains(p.Steps[0].Why, c.whys) {
			t.Errorf("%s:\n%s", about, detail(p))
		}
	}
	w := newWorld(t)
	p, err := w.cloud.engine(event.Discard).Plan(t.Context(), in(graph.Where{Region: "eu-west-1", Account: "222"}), w.read())
	if err != nil || len(p.Steps) != 1 || p.Steps[0].Why != "in eu-west-1 of account 222" {
		t.Errorf("%v\n%s", err, detail(p))
	}
	if p, err = w.cloud.engine(event.Discard).Plan(t.Context(), in(graph.Where{}), w.read()); err != nil || len(p.Steps) != 1 || p.Steps[0].Why != "" {
		t.Errorf("the stack's own place goes without saying: %v\n%s", err, detail(p))
	}
}
