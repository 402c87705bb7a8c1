package engine_test

import (
	"fmt"
	"testing"

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
