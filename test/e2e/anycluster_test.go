//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/problem"
)

// stranger is somebody with nothing but a kubeconfig: an empty folder, and no
// project.
type stranger struct {
	t   *testing.T
	dir string
	env []string
}

func newStranger(t *testing.T) *stranger {
	s := &stranger{t: t, dir: t.TempDir(), env: os.Environ()}
	config, err := os.ReadFile(os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.dir, "kubeconfig")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env, "KUBECONFIG="+path)
	return s
}

// withoutAWS takes the credentials away.
func (s *stranger) withoutAWS() *stranger {
	s.env = slices.DeleteFunc(s.env, func(v string) bool { return strings.HasPrefix(v, "AWS_") })
	s.env = append(s.env, "AWS_EC2_METADATA_DISABLED=true")
	return s
}

func (s *stranger) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(bin(), "drover"), args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}

// run runs drover; it must end with the code.
func (s *stranger) run(code int, args ...string) string {
	s.t.Helper()
	cmd := s.command(args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		s.t.Fatalf("drover %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, out)
	}
	return string(out)
}

// nodesOf are the nodes on which pods of a workload run, by what check says.
func (s *stranger) nodesOf(workload string) []string {
	s.t.Helper()
	out, err := s.command("check", "--json").Output() // its exit code tells of blockers
	if len(out) == 0 {
		s.t.Fatal(err)
	}
	var answer struct {
		Moves []struct {
			Nodes []string
			Pods  []struct{ Workload, How string }
		}
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	var nodes []string
	for _, m := range answer.Moves {
		for _, p := range m.Pods {
			if p.Workload == workload && p.How != "stays" && !slices.Contains(nodes, m.Nodes[0]) {
				nodes = append(nodes, m.Nodes[0])
			}
		}
	}
	return nodes
}

// Nodes are emptied under load by people who have a kubeconfig and nothing else:
// drained, killed in the middle and continued from another folder, refused to a
// second one, and without AWS. No request fails and nothing is left over.
// Kills the mutations that let two move one node, and that begin anew what a dead
// run had released.
func TestNodesOfAnyCluster(t *testing.T) {
	p := newProject(t)
	p.run("up", "--yes")
	p.awaitAnswer()
	s := newStranger(t)
	nodes := s.nodesOf("deployment/apps/echoserver")
	if len(nodes) < 2 {
		t.Fatalf("the echoserver runs on %v", nodes)
	}
	kubectls := []string{"--ignore-daemonsets", "--delete-emptydir-data"}
	p.underLoad(func() {
		s.run(int(problem.Refused), "drain", nodes[0], "--disable-eviction")

		first := s.command(append([]string{"drain", nodes[0]}, kubectls...)...)
		if err := first.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		s.run(int(problem.Locked), "migrate", "--from", "node/"+nodes[0], "--yes")
		_ = first.Process.Kill()
		_ = first.Wait()
		other := newStranger(t)
		t.Log(other.run(0, append([]string{"drain", nodes[0]}, kubectls...)...))
		if out := other.run(0, "moves", "ls"); !strings.Contains(out, "kept") {
			t.Errorf("nobody keeps the node in mind:\n%s", out)
		}
		other.run(0, "moves", "return", "node/"+nodes[0], "--yes")

		poor := newStranger(t).withoutAWS()
		out := poor.run(0, "migrate", "--from", "node/"+nodes[1], "--yes", "--balancer-settle", "20s")
		if !strings.Contains(out, "AWS is not asked") {
			t.Errorf("it does not say what it cannot know:\n%s", out)
		}
		poor.run(0, "moves", "return", "--yes")
	})
	if marks := nodeMarks(t); marks != "" {
		t.Errorf("left on nodes:\n%s", marks)
	}
	if out := s.run(0, "moves", "ls"); !strings.Contains(out, "has no moves") {
		t.Errorf("left in the cluster:\n%s", out)
	}
}
