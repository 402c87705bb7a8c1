package graph_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

func key(typ, name string) graph.Key { return graph.Key{Type: typ, Name: name} }

// Whatever the graph: in Sorted every resource stands once and after what it
// needs; or there is a cycle, and then Validate says so too.
func TestSorted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGraph(t)
		sorted, err := g.Sorted()
		problems := graph.Validate(g)
		if err != nil {
			if len(problems) == 0 || !strings.Contains(problems.Error(), "depends on itself") {
				t.Fatalf("Sorted: %v, Validate: %v", err, problems)
			}
			return
		}
		if len(problems) > 0 {
			t.Fatalf("Sorted is content, Validate is not: %v", problems)
		}
		if len(sorted) != len(g.Resources) {
			t.Fatalf("%d sorted, %d in the graph", len(sorted), len(g.Resources))
		}
		seen := make(map[graph.Key]bool)
		for _, r := range sorted {
			for _, need := range r.Needs() {
				if !seen[need] {
					t.Fatalf("%s stands before %s, which it needs", r.Key, need)
				}
			}
			seen[r.Key] = true
		}
	})
}

func drawGraph(t *rapid.T) *graph.Graph {
	names := []string{"a", "b", "c", "d", "e"}
	g := &graph.Graph{}
	for i, name := range names {
		r := graph.Resource{Key: key("AWS::A::B", name), Props: map[string]any{"own": key("AWS::A::B", name).To(graph.NamePath)}}
		for j, other := range names {
			// An edge against the order of names is rare, so that most graphs have no cycle.
			if j == i || rapid.IntRange(0, 9).Draw(t, "edge") >= map[bool]int{true: 4, false: 1}[j < i] {
				continue
			}
			ref := key("AWS::A::B", other)
			switch rapid.IntRange(0, 3).Draw(t, "where") {
			case 0:
				r.Props[other] = value.Text("in ", ref.To("P"))
			case 1:
				r.Conn = map[string]any{"endpoint": ref.To("P")}
			case 2:
				r.Hosts = &graph.Hosts{Conn: map[string]any{"endpoint": ref.To("P")}}
			case 3:
				r.After = append(r.After, ref)
			}
		}
		g.Resources = append(g.Resources, r)
	}
	g.Resources = rapid.Permutation(g.Resources).Draw(t, "order")
	return g
}

// Without needs the order is the graph's: plans must not change from run to run.
func TestSortedIsStable(t *testing.T) {
	g := &graph.Graph{Resources: []graph.Resource{
		{Key: key("AWS::A::B", "z"), After: []graph.Key{key("AWS::A::B", "m")}},
		{Key: key("AWS::A::B", "y")}, {Key: key("AWS::A::B", "m")}, {Key: key("AWS::A::B", "a")},
	}}
	sorted, err := g.Sorted()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range sorted {
		names = append(names, r.Name)
	}
	if got := strings.Join(names, " "); got != "m z y a" {
		t.Errorf("have %s, want m z y a", got)
	}
}

func TestValidate(t *testing.T) {
	at := func(line int) problem.Place { return problem.Place{File: "drover.yaml", Line: line} }
	g := &graph.Graph{
		Resources: []graph.Resource{
			{Key: key("AWS::EC2::VPC", "main"), At: at(1)},
			{Key: key("AWS::EC2::VPC", "main"), At: at(2)},
			{Key: key("AWS::EC2::Subnet", "a"), At: at(3), Props: map[string]any{"VpcId": key("AWS::EC2::VPC", "mian").To("VpcId")}},
			{Key: key("AWS::A::B", "x"), At: at(4), After: []graph.Key{key("AWS::A::B", "y")}},
			{Key: key("AWS::A::B", "y"), At: at(5), Props: map[string]any{"P": key("AWS::A::B", "x").To("P")}},
			{Key: key("AWS::A::B", "self"), At: at(6), Props: map[string]any{"N": key("AWS::A::B", "self").To("@name")}},
		},
		Outputs: []graph.Output{{Name: "id", Value: key("v1/Service", "apps/nginx").To("metadata.uid"), At: at(8)}},
		Guards:  []graph.Guard{{Target: graph.Target{URL: value.Text("http://", key("AWS::A::B", "z").To("P"))}, At: at(7)}},
	}
	want := `error: drover.yaml:2: AWS::EC2::VPC/main: is declared twice, first at drover.yaml:1
  fix: remove one of the two, or give it another name
error: drover.yaml:3: AWS::EC2::Subnet/a: refers to AWS::EC2::VPC/mian, which the stack does not have
  fix: declare it, or refer to one that exists: main
error: drover.yaml:4: AWS::A::B/x: depends on itself: AWS::A::B/x -> AWS::A::B/y -> AWS::A::B/x
  fix: remove one of these references
error: drover.yaml:7: guard: refers to AWS::A::B/z, which the stack does not have
  fix: declare it, or refer to one that exists: self, x, y
error: drover.yaml:8: outputs.id: refers to v1/Service/apps/nginx, which the stack does not have
  fix: declare it, or remove the reference; the stack has no v1/Service
`
	var got strings.Builder
	problem.Print(&got, graph.Validate(g).Err())
	if got.String() != want {
		t.Errorf("have\n%swant\n%s", got.String(), want)
	}
}

// A guard's headers and body may be secret; what is shown may not.
func TestGuardSecrets(t *testing.T) {
	get := func(value.Ref) (any, error) { return value.Hide("token"), nil }
	secret := key("AWS::A::B", "z").To("P")
	g, err := graph.Guard{Target: graph.Target{
		URL: "http://example.com/", Body: value.Text("a=", secret), Headers: map[string]any{"Authorization": value.Text("Bearer ", secret), "X": "y"},
	}}.Resolve(get)
	if err != nil || g.URL != "http://example.com/" || g.Body != "a=token" || g.Headers["Authorization"] != "Bearer token" || g.Headers["X"] != "y" {
		t.Errorf("%v %+v", err, g)
	}
	for _, target := range []graph.Target{{URL: value.Text("http://", secret)}, {URL: "http://example.com/", Host: secret}, {URL: "http://example.com/", Query: secret}} {
		if _, err := (graph.Guard{Target: target}).Resolve(get); problem.Exit(err) != int(problem.Usage) {
			t.Errorf("%+v: %v", target, err)
		}
	}
}
