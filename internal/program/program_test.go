package program_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/droverhq/drover/internal/expand"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/program"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/internal/wire"
	"github.com/droverhq/drover/problem"
)

// load reads a project, and runs its program.
func load(t *testing.T, dir string, stderr io.Writer) (*spec.Spec, problem.List) {
	t.Helper()
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return spec.LoadWith(os.DirFS(dir), "dev", spec.Outside{Run: func(folder string, q wire.Question) (wire.Answer, error) {
		return program.Program{Project: dir, Folder: folder, Stderr: stderr}.Ask(t.Context(), q)
	}})
}

// resources is the graph of a project as JSON, but for the places.
func resources(t *testing.T, dir string) string {
	t.Helper()
	s, problems := load(t, dir, io.Discard)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	g, problems := expand.Graph(s, expand.Env{Region: "us-west-2", Zones: []string{"us-west-2a", "us-west-2b", "us-west-2c"}})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	unplaced(g)
	text, err := json.MarshalIndent([]any{g.Resources, g.Outputs, g.Guards}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func unplaced(g *graph.Graph) {
	for i := range g.Resources {
		g.Resources[i].At = problem.Place{}
	}
	for i := range g.Outputs {
		g.Outputs[i].At = problem.Place{}
	}
	for i := range g.Guards {
		g.Guards[i].At = problem.Place{}
	}
}

// The tutorial as a program is the tutorial.
func TestExamplesAreTheSame(t *testing.T) {
	want, got := resources(t, "../../examples/migrate-nodegroups"), resources(t, "../../examples/migrate-nodegroups-go")
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			t.Fatalf("line %d: the file says\n%s\nthe program\n%s", i, w[i], g[i])
		}
	}
	if len(w) != len(g) {
		t.Errorf("the file's graph has %d lines, the program's %d", len(w), len(g))
	}
}

// project is one with a program in a module of its own, and the library as it is here.
func project(t *testing.T, main string) string {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "drover.yaml", "name: shop\nprogram: ./infra\n")
	write(t, dir, "drover.dev.yaml", "config: {web.nodes: 2, password: !secret abc}\n")
	write(t, dir, "go.mod", "module example.com/shop\n\ngo 1.26.0\n\nrequire github.com/droverhq/drover v0.0.0\n\nreplace github.com/droverhq/drover => "+root+"\n")
	write(t, dir, "infra/main.go", main)
	t.Setenv("GOWORK", "off")
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A program of a module of its own needs nothing but the library. Its mistakes are
// told all at once, with file and line; what it prints does not disturb the answer.
func TestMistakes(t *testing.T) {
	dir := project(t, `package main

import (
	"errors"
	"fmt"

	"github.com/droverhq/drover"
)

func main() {
	drover.Run(func(s *drover.Stack) error {
		fmt.Println("hello")
		s.Cluster(drover.ClusterArgs{Version: "1.36"})
		s.NodeGroup("web", drover.NodeGroupArgs{Kind: drover.SelfManaged, InstanceType: "m7i.large"})
		s.NodeGroup("web", drover.NodeGroupArgs{})
		s.Config("nothing")
		s.Config("password")
		s.Output("nodes", drover.Sprintf("%d of %s", drover.Get[int](s, "web.nodes"), drover.Ref[string]("nodeGroups.wep.name")))
		return errors.New("and more")
	})
}
`)
	var said bytes.Buffer
	_, problems := load(t, dir, &said)
	if said.String() != "hello\n" {
		t.Errorf("it said %q", said.String())
	}
	var told strings.Builder
	problem.Print(&told, problems.Err())
	for _, want := range []string{
		"infra/main.go:14: nodeGroups.web.capacity: is missing\n  fix: add capacity: 3",
		"infra/main.go:15: nodeGroups.web: is registered twice, first at ",
		`infra/main.go:16: config.nothing: stack "dev" has no such config` + "\n  fix: drover config set nothing VALUE",
		"infra/main.go:17: config.password: is a secret\n  fix: read it with Secret",
		`infra/main.go:18: outputs.nodes: ${nodeGroups.wep.name}: there is no "wep"`,
		"infra: and more",
	} {
		if !strings.Contains(told.String(), want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Log(told.String())
	}
}

// What the program never sees stays hidden on its way, and is what the file would have had.
func TestSecretsStaySecret(t *testing.T) {
	dir := project(t, `package main

import "github.com/droverhq/drover"

func main() {
	drover.Run(func(s *drover.Stack) error {
		s.Resource("topic", drover.ResourceArgs{Type: "AWS::SNS::Topic", Properties: drover.Properties{
			"DisplayName": s.Secret("password"),
			"Own":         drover.Secret("hunter2-${x}"),
			"Plain":       drover.Plain("${HOME}"),
			"Delay":       5,
		}})
		return nil
	})
}
`)
	s, problems := load(t, dir, io.Discard)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(s.Resources[0].Properties)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"Delay":5,"DisplayName":"[secret]","Own":"[secret]","Plain":"${HOME}"}`; string(text) != want {
		t.Errorf("have %s\nwant %s", text, want)
	}
	if own, err := s.Resources[0].Properties["Own"].(interface{ Reveal() (any, error) }).Reveal(); err != nil || own != "hunter2-${x}" {
		t.Errorf("%v %v", own, err)
	}
}

// Whatever goes wrong with the program as a program says what to do.
func TestNoAnswer(t *testing.T) {
	for name, c := range map[string]struct{ main, want string }{
		"does not compile": {"package main\n\nfunc main() { undefined() }\n", "undefined: undefined"},
		"says nothing":     {"package main\n\nfunc main() {}\n", "call drover.Run in main"},
		"speaks first":     {"package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n", "use os.Stderr"},
		"fails":            {"package main\n\nimport \"os\"\n\nfunc main() { os.Exit(3) }\n", "exit status 3"},
		"panics": {"package main\n\nimport \"github.com/droverhq/drover\"\n\nfunc main() {\n\tdrover.Run(func(*drover.Stack) error {\n\t\tpanic(\"at the disco\")\n\t})\n}\n",
			"infra/main.go:7: panic: at the disco"},
		"is no program": {"package infra\n", "is no main package"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := load(t, project(t, c.main), io.Discard)
			var told strings.Builder
			problem.Print(&told, problems.Err())
			if !strings.Contains(told.String(), c.want) || !strings.Contains(told.String(), "fix: ") {
				t.Errorf("have %s\nwant %s", told.String(), c.want)
			}
		})
	}
}

// A program that hangs is ended with the command that runs it.
func TestInterrupted(t *testing.T) {
	dir := project(t, "package main\n\nfunc main() { select {} }\n")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("told to end"))
	_, err := program.Program{Project: dir, Folder: "infra"}.Ask(ctx, wire.Question{})
	if err == nil || !strings.Contains(err.Error(), "told to end") {
		t.Error(err)
	}
}
