package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/plan"
)

// Whoever lets a provider roll the version in place keeps his nodes when he begins
// to, and when he ends to: only a change while it does not roll makes the group anew.
// What rolled is stored with every part of the group.
func TestRollsAreNoReplacement(t *testing.T) {
	w := newWorld(t)
	group := func(version string, rolls ...string) *graph.Graph {
		g := tutorial("web", nodes{"web", "t3.2xlarge", version, 3})
		for i := range g.Resources {
			if g.Resources[i].Component == "nodegroup/web" {
				g.Resources[i].Rolls = rolls
			}
		}
		return g
	}
	replaced := func(p plan.Plan) bool {
		return slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Op == plan.Create })
	}
	w.mustRun(group("1.35"))
	for _, step := range []struct {
		name     string
		g        *graph.Graph
		replaced bool
		steps    bool
	}{
		{"it rolls from now on", group("1.35", "version"), false, false},
		{"and does", group("1.36", "version"), false, true},
		{"it rolls no more", group("1.36"), false, false},
		{"it is made anew", group("1.37"), true, true},
		{"both at once: it rolls", group("1.38", "version"), false, true},
		{"both at once: it is made anew", group("1.39"), true, true},
	} {
		p := w.mustRun(step.g)
		if replaced(p) != step.replaced || len(p.Steps) > 0 != step.steps {
			var b strings.Builder
			_ = plan.Text(&b, p)
			t.Errorf("%s:\n%s", step.name, b.String())
		}
	}
}
