package engine_test

import (
	"strings"
	"testing"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/plan"
)

// A reason names what the user changed, and sums up what would not fit.
func TestWhy(t *testing.T) {
	spec := func(kv ...any) plan.Props {
		s := map[string]any{}
		for i := 0; i < len(kv); i += 2 {
			s[kv[i].(string)] = kv[i+1]
		}
		return plan.Props{"spec": s}
	}
	long := strings.Repeat("x", 100)
	for _, c := range []struct {
		before, after plan.Props
		want          string
	}{
		{spec("replicas", 3), spec("replicas", 5), "spec.replicas 3 -> 5"},
		{spec("a", "x"), spec("a", "x", "b", true), "spec.b true added"},
		{spec("a", "x", "b", true), spec("a", "x"), "spec.b removed"},
		{spec("a", long), spec("a", long+"y"), "spec.a changes"},
		{spec("l", []any{"x", "y"}), spec("l", []any{"x", "z"}), "spec.l.1 y -> z"},
		{spec("l", []any{"x"}), spec("l", []any{"x", "z"}), "spec.l changes"},
		{spec("a", 1, "b", 1, "c", 1, "d", 1), spec("a", 2, "b", 2, "c", 2, "d", 2), "4 changes in spec"},
		{spec("nodeSelector", map[string]any{"drover.dev/nodegroup": "web-1"}, "replicas", 3),
			spec("nodeSelector", map[string]any{"drover.dev/nodegroup": "web-2"}, "replicas", 4),
			"now placed on web-2, spec.replicas 3 -> 4"},
		{plan.Props{"a.b/c": 1}, plan.Props{"a.b/c": 2}, "a.b/c 1 -> 2"},
	} {
		w := newWorld(t)
		g := func(props plan.Props) *graph.Graph {
			return &graph.Graph{Stack: stackName, Project: projectName, Resources: []graph.Resource{
				{Key: graph.Key{Type: role, Name: "x"}, Props: props}}}
		}
		w.mustRun(g(c.before))
		if p := w.mustRun(g(c.after)); p.Steps[0].Why != c.want {
			t.Errorf("%v -> %v: %q, want %q", c.before, c.after, p.Steps[0].Why, c.want)
		}
	}
}
