//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/droverhq/drover/problem"
)

// A guard that could not watch the move is told by preview and by up before
// anything is made; one that is breached stops the move: nothing fails, the old
// nodes take pods and traffic again. Neither is a dead end: without a guard the
// same change goes through, in both groups: on nodes of the second the echoserver
// merely runs, and its pods are moved one by one, the new one Ready before the
// old one goes. Kills the mutations that try the guard only when the whole new
// group stands, that leave nodes cordoned or out of the load balancer, and that
// evict a pod before its Services have let it go.
func TestGuardRefusesStopsAndIsTurnedOff(t *testing.T) {
	p := newProject(t)
	p.run("up", "--yes")
	p.awaitAnswer()
	before := fmt.Sprint(inventory(t))

	p.edit("instanceType: t3.2xlarge", "instanceType: c5.4xlarge")
	p.edit("instanceType: t2.medium", "instanceType: t3.medium")
	p.edit("Hostname: echoserver-", "Hostname: somebody-else-")
	for _, args := range [][]string{{"preview"}, {"up", "--yes"}} {
		out, code := p.try(args...)
		if code != int(problem.Refused) || !strings.Contains(out, "wrong application") || !strings.Contains(out, "drover up --guard off") {
			t.Errorf("%v: exit code %d, want %d and the way on\n%s", args, code, problem.Refused, out)
		}
	}
	if now := fmt.Sprint(inventory(t)); now != before {
		t.Errorf("something was made before the guard was tried:\n%s\nbefore:\n%s", now, before)
	}

	// No answer takes less than a nanosecond: the guard is breached as soon as it has seen enough.
	p.edit("Hostname: somebody-else-", "Hostname: echoserver-")
	p.edit("    maxErrors: 0\n", "    maxErrors: 0\n    p99: 1ns\n")
	p.underLoad(func() {
		out, code := p.try("up", "--yes")
		if code != int(problem.Guarded) {
			t.Errorf("exit code %d, want %d\n%s", code, problem.Guarded, out)
		}
		if marks := nodeMarks(t); marks != "" {
			t.Errorf("left on nodes after the stop:\n%s", marks)
		}
		if out := p.run("up", "--yes", "--guard", "off"); !strings.Contains(out, "nothing watches the traffic") {
			t.Errorf("up says nothing about the guard that is off:\n%s", out)
		}
	})
}

// A guard with onBreach: return takes the whole change back in the same run: the
// nodes of the old group serve again, nothing fails on either way, the new group
// is gone, and a preview shows the change again. What the file said before needs nothing.
// Kills the mutation that leaves the new group standing, or a request behind.
func TestBreachedGuardTakesTheChangeBack(t *testing.T) {
	p := newProject(t)
	p.run("up", "--yes")
	p.awaitAnswer()
	before := fmt.Sprint(inventory(t))

	app := p.suffersInShift()
	p.edit("outputs:\n", "  - {url: "+app.url+", rate: 20/s, maxErrors: 0, onBreach: return}\n\noutputs:\n")
	p.edit("instanceType: t3.2xlarge", "instanceType: c5.4xlarge")
	p.underLoad(func() {
		out, code := p.try("up", "--yes", "--log", app.log)
		if code != int(problem.Returned) || !strings.Contains(out, "everything is as it was before") {
			t.Errorf("exit code %d, want %d\n%s", code, problem.Returned, out)
		}
	})
	if marks := nodeMarks(t); marks != "" {
		t.Errorf("left on nodes:\n%s", marks)
	}
	if now := fmt.Sprint(inventory(t)); now != before {
		t.Errorf("in AWS there is now\n%s\nbefore:\n%s", now, before)
	}
	if out := p.run("preview"); !strings.Contains(out, "create    nodegroup/web-") || !strings.Contains(out, "t3.2xlarge -> c5.4xlarge") {
		t.Errorf("preview does not show the change again:\n%s", out)
	}
	p.edit("instanceType: c5.4xlarge", "instanceType: t3.2xlarge")
	if out := p.run("preview"); !strings.Contains(out, "Nothing to do") {
		t.Errorf("there is something to do where nothing has changed:\n%s", out)
	}
}

// sufferer is an application that fails for a moment once pods move.
type sufferer struct{ url, log string }

// suffersInShift serves one that is well until the event log says that a move
// has begun to shift, fails for two seconds, and is well again.
func (p *folder) suffersInShift() sufferer {
	s := sufferer{log: filepath.Join(p.t.TempDir(), "events.jsonl")}
	var failing atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if failing.Load() {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	p.t.Cleanup(server.Close)
	go func() {
		for p.t.Context().Err() == nil {
			time.Sleep(100 * time.Millisecond)
			if text, err := os.ReadFile(s.log); err == nil && strings.Contains(string(text), `"to":"shift"`) {
				failing.Store(true)
				time.Sleep(2 * time.Second)
				failing.Store(false)
				return
			}
		}
	}()
	s.url = server.URL
	return s
}

// nodeMarks lists the nodes that are cordoned or excluded from load balancers.
func nodeMarks(t *testing.T) string {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := kubernetes.NewForConfigOrDie(config).CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var marks strings.Builder
	for _, n := range nodes.Items {
		if n.Spec.Unschedulable {
			fmt.Fprintf(&marks, "%s is cordoned\n", n.Name)
		}
		if _, excluded := n.Labels[corev1.LabelNodeExcludeBalancers]; excluded {
			fmt.Fprintf(&marks, "%s is excluded from load balancers\n", n.Name)
		}
	}
	return marks.String()
}
