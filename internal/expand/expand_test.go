package expand_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/droverhq/drover/examples"
	"github.com/droverhq/drover/internal/expand"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/value"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var oregon = expand.Env{Region: "us-west-2", Zones: []string{"us-west-2a", "us-west-2b", "us-west-2c"}}

// example is the graph of examples/migrate-nodegroups.
func example(t *testing.T) *graph.Graph {
	t.Helper()
	project, err := fs.Sub(examples.FS, "migrate-nodegroups")
	if err != nil {
		t.Fatal(err)
	}
	return load(t, project, oregon)
}

func load(t *testing.T, project fs.FS, env expand.Env) *graph.Graph {
	t.Helper()
	s, problems := spec.Load(project, "dev")
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	g, problems := expand.Graph(s, env)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return g
}

// The golden file is the whole graph of the example, as a reader would check
// it: every property, every dependency that no reference expresses.
func TestExample(t *testing.T) { golden(t, "testdata/migrate-nodegroups.txt", describe(example(t))) }

// So is that of a cluster which has whatever the stack file can say of one.
func TestEveryKey(t *testing.T) {
	text, err := os.ReadFile("testdata/every-key.yaml")
	if err != nil {
		t.Fatal(err)
	}
	env := oregon
	env.Network = &spec.Network{VPC: "vpc-0123456789abcdef0", CIDR: "10.42.0.0/16", Public: []string{"subnet-0a", "subnet-0b"}, Private: []string{"subnet-1a", "subnet-1b"}}
	env.Where = map[string]graph.Where{"edge": {Region: "us-east-1", Account: "111122223333"}}
	golden(t, "testdata/every-key.txt", describe(load(t, fstest.MapFS{spec.File: {Data: text}}, env)))
}

func golden(t *testing.T, golden, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the graph changed (-update rewrites %s):\n%s", golden, firstDifference(string(want), got))
	}
}

// describe writes a graph as text.
func describe(g *graph.Graph) string {
	var b strings.Builder
	for _, r := range g.Resources {
		fmt.Fprintf(&b, "%s\n", r.Key)
		fmt.Fprintf(&b, "  component: %s   at: %s\n", r.Component, r.At)
		if !r.Where.IsZero() {
			fmt.Fprintf(&b, "  in: %s\n", r.Where.Place())
		}
		if r.NameProperty != "" {
			fmt.Fprintf(&b, "  named by: %s   base: %s\n", r.NameProperty, r.BaseName)
		}
		line(&b, "generation", r.Generation)
		line(&b, "conn", r.Conn)
		if r.Hosts != nil {
			fmt.Fprintf(&b, "  hosts: %d nodes\n", r.Hosts.Nodes)
		}
		for _, k := range r.After {
			fmt.Fprintf(&b, "  after: %s\n", k)
		}
		for _, k := range slices.Sorted(maps.Keys(r.Props)) {
			line(&b, k, r.Props[k])
		}
	}
	for _, o := range g.Outputs {
		fmt.Fprintf(&b, "output %s:\n    %s\n", o.Name, indent(fmt.Sprint(o.Value)))
	}
	for _, guard := range g.Guards {
		fmt.Fprintf(&b, "guard %+v\n", guard)
	}
	return b.String()
}

// line writes a property: short ones as JSON, user data as the text it is.
func line(b *strings.Builder, name string, v any) {
	if m, ok := v.(map[string]any); ok && len(m) == 0 {
		return
	}
	if data, ok := value.Get(v, "UserData.Fn::Base64"); ok {
		v = maps.Clone(v.(map[string]any))
		v.(map[string]any)["UserData"] = "below"
		defer fmt.Fprintf(b, "    %s\n", indent(fmt.Sprint(data)))
	}
	text, err := json.Marshal(v)
	if err != nil {
		text = []byte(err.Error())
	}
	fmt.Fprintf(b, "  %s: %s\n", name, text)
}

func indent(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n    ") }

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\n want %s\n have %s", i+1, w[i], g[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}
