package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/droverhq/drover/problem"
)

// Chart is a chart of Helm, and what it is rendered with.
type Chart struct {
	Source     string         // folder or .tgz, relative to the project folder; or oci://…
	Version    string         // of a chart in a registry
	Release    string         // by which the chart calls its objects
	Namespace  string         // of those objects that name none
	Kubernetes string         // version of the cluster: 1.36
	ValueFiles []string       // over the chart's own, in their order
	Values     map[string]any // over all of these
}

// InRegistry tells that the chart lies in a registry, and not in the project folder.
func (c Chart) InRegistry() bool { return strings.HasPrefix(c.Source, registry) }

const registry = "oci://"

// Helm renders charts with the program helm: its library would make Drover twice as
// large (docs/adr). It asks no cluster, so that lookup finds nothing, and it runs no
// hooks; what these are is for the caller to tell from the objects.
type Helm struct {
	Dir string // the project folder
	Run func(ctx context.Context, dir string, stdin []byte, args ...string) (stdout, stderr []byte, err error)
}

// NewHelm is Helm for a project folder.
func NewHelm(dir string) Helm { return Helm{Dir: dir, Run: runHelm} }

// Render is what a chart comes to, its crds folder first. It is rendered twice: one
// that comes out differently each time would be another one at every run.
func (h Helm) Render(ctx context.Context, c Chart) ([]byte, error) {
	first, err := h.template(ctx, c)
	if err != nil {
		return nil, err
	}
	second, err := h.template(ctx, c)
	if err != nil {
		return nil, err
	}
	if at := firstDifference(first, second); at != "" {
		return nil, &problem.Error{Kind: problem.Usage, Err: fmt.Errorf("it comes out differently each time, first in %s: it makes up passwords, keys or certificates, so that every run would change it", at),
			Fix: "give it the value that it makes up, as the chart's own pages tell: values: {…}"}
	}
	return first, nil
}

func (h Helm) template(ctx context.Context, c Chart) ([]byte, error) {
	values, err := yaml.Marshal(c.Values)
	if err != nil {
		return nil, err
	}
	args := []string{"template", c.Release, c.Source, "--namespace", c.Namespace, "--kube-version", c.Kubernetes, "--include-crds"}
	if !c.InRegistry() {
		args[2] = "./" + filepath.ToSlash(c.Source)
	}
	if c.Version != "" {
		args = append(args, "--version", c.Version)
	}
	for _, file := range c.ValueFiles {
		args = append(args, "--values", "./"+file)
	}
	out, told, err := h.Run(ctx, h.Dir, values, append(args, "--values", "-")...)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, &problem.Error{Kind: problem.Usage, Err: errors.New("there is no program helm in the PATH, which renders charts"),
			Fix: "install it (helm.sh/docs/intro/install), or render the chart yourself: helm template RELEASE CHART > FILE, and name the file in manifests"}
	case err != nil:
		return nil, &problem.Error{Kind: problem.Usage, Err: errors.New(lastWords(told, err)),
			Fix: "see what helm says of it: helm " + strings.Join(args, " ")}
	}
	return out, nil
}

// runHelm runs the program. Its values come on standard input: they are on no disk.
func runHelm(ctx context.Context, dir string, stdin []byte, args ...string) (stdout, stderr []byte, err error) {
	program, err := exec.LookPath("helm")
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	var out, told bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = dir, bytes.NewReader(stdin), &out, &told, os.Environ()
	err = cmd.Run()
	return out.Bytes(), told.Bytes(), err
}

// lastWords are helm's own about what is wrong, without the word Error.
func lastWords(told []byte, err error) string {
	lines := strings.Split(strings.TrimSpace(string(told)), "\n")
	if last := strings.TrimPrefix(lines[len(lines)-1], "Error: "); last != "" {
		return last
	}
	return "helm: " + err.Error()
}

var sourceLine = regexp.MustCompile(`(?m)^# Source: (.+)$`)

// firstDifference names the template that two renderings differ in; empty: in none.
func firstDifference(a, b []byte) string {
	if bytes.Equal(a, b) {
		return ""
	}
	docsA, docsB := bytes.Split(a, []byte("\n---\n")), bytes.Split(b, []byte("\n---\n"))
	for i := range min(len(docsA), len(docsB)) {
		if m := sourceLine.FindSubmatch(docsA[i]); m != nil && !bytes.Equal(docsA[i], docsB[i]) {
			return string(m[1])
		}
	}
	return "the order of its objects"
}
