//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/droverhq/drover/project"
)

// folder is a fresh copy of the example with a stack "dev".
type folder struct {
	t   *testing.T
	dir string
}

func newProject(t *testing.T) *folder {
	p := &folder{t: t, dir: filepath.Join(t.TempDir(), "project")}
	if err := project.New(p.dir); err != nil {
		t.Fatal(err)
	}
	p.run("stack", "init", "dev")
	p.run("config", "set", "aws:region", "us-west-2")
	t.Cleanup(func() {
		if t.Failed() {
			diagnose(t)
		}
		p.run("destroy", "--yes")
		if left := inventory(t); len(left) > 0 {
			t.Errorf("left in AWS after destroy: %v", left)
		}
	})
	return p
}

// edit replaces text in the stack file; it must be there once.
func (p *folder) edit(old, new string) {
	p.t.Helper()
	path := filepath.Join(p.dir, "drover.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	if n := strings.Count(string(text), old); n != 1 {
		p.t.Fatalf("%q stands %d times in %s, want once", old, n, path)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), old, new, 1)), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *folder) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(bin(), "drover"), args...)
	cmd.Dir = p.dir
	return cmd
}

// run runs drover and returns what it printed; it must succeed.
func (p *folder) run(args ...string) string {
	p.t.Helper()
	out, code := p.try(args...)
	if code != 0 {
		p.t.Fatalf("drover %s: exit code %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// try runs drover and returns its output and exit code.
func (p *folder) try(args ...string) (string, int) {
	p.t.Helper()
	cmd := p.command(args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// inventory lists what exists in the sandbox's AWS, by type.
func inventory(t *testing.T) map[string][]string {
	t.Helper()
	resp, err := http.Get(os.Getenv("AWS_ENDPOINT_URL") + "/_sandbox/inventory")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct{ Resources map[string][]string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer.Resources
}
