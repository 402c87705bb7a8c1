//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/droverhq/drover/problem"
)

// A guard that is breached stops the move: nothing fails, the old nodes take
// pods and traffic again, and the same command finishes once the guard holds.
// Kills the mutation that leaves nodes cordoned or out of the load balancer.
func TestBreachedGuardStopsTheMove(t *testing.T) {
	p := newProject(t)
	p.run("up", "--yes")
	p.awaitAnswer()

	// No answer takes less than a nanosecond: the guard is breached as soon as it has seen enough.
	p.edit("    maxErrors: 0\n", "    maxErrors: 0\n    p99: 1ns\n")
	p.edit("instanceType: t3.2xlarge", "instanceType: c5.4xlarge")
	p.underLoad(func() {
		out, code := p.try("up", "--yes")
		if code != int(problem.Guarded) {
			t.Errorf("exit code %d, want %d\n%s", code, problem.Guarded, out)
		}
		if marks := nodeMarks(t); marks != "" {
			t.Errorf("left on nodes after the stop:\n%s", marks)
		}
		p.edit("    p99: 1ns\n", "")
		p.run("up", "--yes")
	})
}

// A guard that could not watch the move is told by preview and by up before
// anything is made. While traffic is down that must not be a dead end: the
// refusal names the way on, and that way leads to the end.
// Kills the mutation that tries the guard only when the whole new group stands.
func TestGuardThatCannotWatchIsToldBeforehand(t *testing.T) {
	p := newProject(t)
	p.run("up", "--yes")
	p.awaitAnswer()
	before := fmt.Sprint(inventory(t))

	p.edit("instanceType: t3.2xlarge", "instanceType: c5.4xlarge")
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
	if out := p.run("up", "--yes", "--guard", "off"); !strings.Contains(out, "nothing watches the traffic") {
		t.Errorf("up says nothing about the guard that is off:\n%s", out)
	}
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
