package graph_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/problem"
)

func key(typ, name string) graph.Key { return graph.Key{Type: typ, Name: name} }

// A reference is read in one way only, although types, names and paths may
// all hold slashes, dots or colons.
func TestParseRef(t *testing.T) {
	for text, want := range map[string]graph.Ref{
		"AWS::EC2::VPC/main:VpcId":                             {Key: key("AWS::EC2::VPC", "main"), Path: "VpcId"},
		"AWS::IAM::Role/web:@name":                             {Key: key("AWS::IAM::Role", "web"), Path: "@name"},
		"v1/Namespace/apps:metadata.uid":                       {Key: key("v1/Namespace", "apps"), Path: "metadata.uid"},
		"v1/Service/apps/nginx:spec.ports.0.port":              {Key: key("v1/Service", "apps/nginx"), Path: "spec.ports.0.port"},
		"apps/v1/Deployment/apps/Web:x":                        {Key: key("apps/v1/Deployment", "apps/Web"), Path: "x"},
		"a.b.io/v1beta1/Kind/n:data.tls.crt:x":                 {Key: key("a.b.io/v1beta1/Kind", "n"), Path: "data.tls.crt:x"},
		"rbac.authorization.k8s.io/v1/ClusterRole/s%3Ax:@name": {Key: key("rbac.authorization.k8s.io/v1/ClusterRole", "s%3Ax"), Path: "@name"},
		"ssm:/aws/service/eks/1.36:2":                          {Lookup: "/aws/service/eks/1.36:2"},
	} {
		got, err := graph.ParseRef(text)
		if err != nil || got != want {
			t.Errorf("%s: have %+v, %v", text, got, err)
		}
		if got.String() != "${"+text+"}" {
			t.Errorf("%s is written back as %s", text, got)
		}
	}
	for _, text := range []string{"", "HOME", "cluster.endpoint", "AWS::EC2::VPC/main", "AWS::EC2::VPC/:VpcId", "AWS::EC2::VPC",
		"Service/apps:x", "a/b/c/Kind/n:x", "v1/service/apps/nginx:x", "ssm:name", "v1/Service/a:"} {
		if ref, err := graph.ParseRef(text); err == nil {
			t.Errorf("%q is taken for %+v", text, ref)
		}
	}
}

func TestResolve(t *testing.T) {
	outputs := map[string]any{
		"AWS::A::B/x": map[string]any{"List": []any{"a", 2.0}, "N": 3.0, "Yes": true, "S": "${not.a.ref}"},
	}
	get := func(r graph.Ref) (any, error) {
		if r.Lookup != "" {
			return "ami-1", nil
		}
		v, ok := graph.Get(outputs[r.Key.String()], r.Path)
		if !ok {
			return nil, fmt.Errorf("%s is not known", r)
		}
		return v, nil
	}
	for _, c := range []struct{ in, want any }{
		{"${AWS::A::B/x:List}", []any{"a", 2.0}},
		{"${AWS::A::B/x:N}", 3.0},
		{"n=${AWS::A::B/x:N} ${AWS::A::B/x:Yes}", "n=3 true"},
		{"${AWS::A::B/x:S} $${HOME} ${open", "${not.a.ref} ${HOME} ${open"},
		{"${ssm:/a}", "ami-1"},
		{map[string]any{"UserData": map[string]any{"Fn::Base64": "n=${AWS::A::B/x:N}"}}, map[string]any{"UserData": "bj0z"}},
		{[]any{nil, 1.5, map[string]any{"${k": "v"}}, []any{nil, 1.5, map[string]any{"${k": "v"}}},
	} {
		if got, err := graph.Resolve(c.in, get); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v:\n have %#v, %v\n want %#v", c.in, got, err, c.want)
		}
	}
	for in, want := range map[string]string{
		"in ${AWS::A::B/x:List}": "[]interface {} cannot stand within text",
		"${AWS::A::B/y:N}":       "is not known",
		"${HOME}":                "no type",
	} {
		_, err := graph.Resolve(map[string]any{"P": []any{in}}, get)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "P: [0]: ") {
			t.Errorf("%s: have %v, want P: [0]: ...%s", in, err, want)
		}
	}
	got, err := graph.Resolve("${AWS::A::B/x:List}", get)
	if err != nil {
		t.Fatal(err)
	}
	got.([]any)[0] = "changed"
	if list, _ := graph.Get(outputs["AWS::A::B/x"], "List.0"); list != "a" {
		t.Error("the resolved value is not a copy: a change reached the outputs")
	}
}

func TestGet(t *testing.T) {
	v := map[string]any{
		"a":   map[string]any{"b": []any{map[string]any{"c": 1.0}}, "b.c": 2.0, "nothing": nil},
		"a.b": map[string]any{"d": 3.0},
	}
	for path, want := range map[string]any{"a.b.0.c": 1.0, "a.b.c": 2.0, "a.b.d": 3.0, "a.nothing": nil, "": v} {
		if got, ok := graph.Get(v, path); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: have %v, %t, want %v", path, got, ok, want)
		}
	}
	for _, path := range []string{"b", "a.b.1", "a.b.-1", "a.b.x", "a.b.0.c.d", "a.", "."} {
		if got, ok := graph.Get(v, path); ok {
			t.Errorf("%q: have %v, want nothing", path, got)
		}
	}
}

var drawText = rapid.StringMatching(`([a-z$ ]|\$\{|\}){0,12}`)

// Text that was escaped comes back as it was, whatever it holds; and resolving
// what holds no reference changes nothing.
func TestEscape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawText.Draw(t, "text")
		got, err := graph.Resolve(graph.Escape(text), func(graph.Ref) (any, error) { return nil, errors.New("a reference") })
		if err != nil || got != text {
			t.Fatalf("%q came back as %q, %v", text, got, err)
		}
	})
}

// Refs finds just the references that Resolve asks for, each once.
func TestRefsAreWhatResolveAsks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawTree(t, 3)
		var asked []graph.Ref
		_, err := graph.Resolve(v, func(r graph.Ref) (any, error) {
			if !slices.Contains(asked, r) {
				asked = append(asked, r)
			}
			return "x", nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if refs := graph.Refs(v); !slices.Equal(refs, asked) {
			t.Fatalf("Refs %v, Resolve asked for %v", refs, asked)
		}
	})
}

func drawTree(t *rapid.T, depth int) any {
	kind := rapid.IntRange(0, 3).Draw(t, "kind")
	switch {
	case depth == 0 || kind == 0:
		text := graph.Escape(drawText.Draw(t, "text"))
		if rapid.Bool().Draw(t, "refers") {
			text = strings.TrimRight(text, "$") + key("AWS::A::B", rapid.StringMatching(`[a-c]`).Draw(t, "name")).To("P")
		}
		return text
	case kind == 1:
		return []any{drawTree(t, depth-1), drawTree(t, depth-1)}
	case kind == 2:
		return map[string]any{"b": drawTree(t, depth-1), "a": drawTree(t, depth-1)}
	}
	return 1.0
}

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
				r.Props[other] = "in " + ref.To("P")
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
			{Key: key("AWS::EC2::Subnet", "a"), At: at(3), Props: map[string]any{"VpcId": "${AWS::EC2::VPC/mian:VpcId}", "X": "${HOME}"}},
			{Key: key("AWS::A::B", "x"), At: at(4), After: []graph.Key{key("AWS::A::B", "y")}},
			{Key: key("AWS::A::B", "y"), At: at(5), Props: map[string]any{"P": "${AWS::A::B/x:P}"}},
			{Key: key("AWS::A::B", "self"), At: at(6), Props: map[string]any{"N": "${AWS::A::B/self:@name}"}},
		},
		Outputs: map[string]string{"id": "${v1/Service/apps/nginx:metadata.uid}"},
		Guards:  []graph.Guard{{URL: "http://${AWS::A::B/z:P}", At: at(7)}},
	}
	want := `error: output id: refers to v1/Service/apps/nginx, which the stack does not have
  fix: declare it, or remove the reference; the stack has no v1/Service
error: drover.yaml:2: AWS::EC2::VPC/main: is declared twice, first at drover.yaml:1
  fix: remove one of the two, or give it another name
error: drover.yaml:3: AWS::EC2::Subnet/a: ${HOME}: no type that AWS (AWS::EC2::VPC) or Kubernetes (apps/v1/Deployment) could have
  fix: refer to another resource as ${Type/Name:path}, or write "$${" for a plain "${"
error: drover.yaml:3: AWS::EC2::Subnet/a: refers to AWS::EC2::VPC/mian, which the stack does not have
  fix: declare it, or refer to one that exists: main
error: drover.yaml:4: AWS::A::B/x: depends on itself: AWS::A::B/x -> AWS::A::B/y -> AWS::A::B/x
  fix: remove one of these references
error: drover.yaml:7: guard: refers to AWS::A::B/z, which the stack does not have
  fix: declare it, or refer to one that exists: self, x, y
`
	var got strings.Builder
	problem.Print(&got, graph.Validate(g).Err())
	if got.String() != want {
		t.Errorf("have\n%swant\n%s", got.String(), want)
	}
}
