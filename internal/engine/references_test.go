package engine_test

import (
	"context"
	"strings"
	"testing"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// knowing is a provider that knows what its types have, and what is steady.
type knowing struct {
	engine.Provider
	outputs []string
	steady  []string
}

func (p knowing) Outputs(string) []string { return p.outputs }

func (p knowing) Steady(_, output string) bool {
	return strings.Contains(" "+strings.Join(p.steady, " ")+" ", " "+output+" ")
}

// A reference to an output that no such object has is told before anything is
// made, wherever it stands.
func TestBadOutputReferenceIsFoundAtTheStart(t *testing.T) {
	w := newWorld(t)
	vpc := graph.Key{Type: role, Name: "x"}
	at := problem.Place{File: "drover.yaml", Line: 7}
	g := &graph.Graph{Stack: stackName, Project: projectName,
		Resources: []graph.Resource{{Key: vpc}, {Key: graph.Key{Type: role, Name: "y"}, Props: plan.Props{"a": vpc.To("Idd.x")}, At: at}},
		Outputs:   []graph.Output{{Name: "good", Value: vpc.To("Id")}, {Name: "bad", Value: value.Text("a ", vpc.To("Nope"), vpc.To("Nope")), At: at}},
		Guards:    []graph.Guard{{Target: graph.Target{URL: vpc.To("Url")}, At: at}}}
	e := w.cloud.engine(event.Discard)
	e.Providers = func(string) (engine.Provider, error) {
		return knowing{Provider: w.cloud, outputs: []string{"Id", "version"}}, nil
	}
	_, err := e.Plan(context.Background(), g, w.lock().Snapshot())
	want := `drover.yaml:7: Test::Thing::Role/y: Test::Thing::Role/x has no output "Idd"
drover.yaml:7: outputs.bad: Test::Thing::Role/x has no output "Nope"
drover.yaml:7: guard: Test::Thing::Role/x has no output "Url"`
	if got := strings.ReplaceAll(err.Error(), role, "Test::Thing::Role"); got != want || problem.Exit(err) != int(problem.Usage) {
		t.Errorf("have\n%s\nwant\n%s", got, want)
	}
}

// An output whose name ends like an identifier's is none: what refers to a
// hostname is updated when its object is.
func TestHostnameIsNotSteady(t *testing.T) {
	w := newWorld(t)
	balancer, record := graph.Key{Type: role, Name: "balancer"}, graph.Key{Type: role, Name: "record"}
	g := func(size int) *graph.Graph {
		return &graph.Graph{Stack: stackName, Project: projectName, Resources: []graph.Resource{
			{Key: balancer, Props: plan.Props{"size": float64(size), "hostname": "h"}},
			{Key: record, Props: plan.Props{"to": balancer.To("version"), "of": balancer.To("Id")}}}}
	}
	w.mustRun(g(1))
	for steady, want := range map[string]int{"": 2, "version": 1} {
		e := w.cloud.engine(event.Discard)
		e.Providers = func(string) (engine.Provider, error) {
			return knowing{Provider: w.cloud, steady: []string{steady}}, nil
		}
		p, err := e.Plan(context.Background(), g(2), w.lock().Snapshot())
		if err != nil || len(p.Steps) != want {
			t.Errorf("steady %q: %d steps, want %d: %v", steady, len(p.Steps), want, err)
		}
	}
}
