//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// diagnose logs what a failed test left behind, before its stack is destroyed:
// a failure must be explained by the run that met it.
func diagnose(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	t.Log(clusterState(ctx))
	for _, component := range []string{"ccm", "aws", "controlplane"} {
		t.Logf("the end of %s's log:\n%s", component, logTail(ctx, component, 60))
	}
}

// clusterState lists nodes, pods, Services with their endpoints, and warnings.
func clusterState(ctx context.Context) string {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err.Error()
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	all := metav1.ListOptions{}
	nodes, err := client.CoreV1().Nodes().List(ctx, all)
	if err != nil {
		return err.Error()
	}
	for _, n := range nodes.Items {
		fmt.Fprintf(&b, "node %s unschedulable=%v taints=%v %v %v\n", n.Name, n.Spec.Unschedulable, n.Spec.Taints, n.Labels, conditions(n.Status.Conditions))
	}
	pods, err := client.CoreV1().Pods("").List(ctx, all)
	if err != nil {
		return b.String() + err.Error()
	}
	for _, p := range pods.Items {
		fmt.Fprintf(&b, "pod %s/%s on %s at %s: %s %v\n", p.Namespace, p.Name, p.Spec.NodeName, p.Status.PodIP, p.Status.Phase, podConditions(p.Status.Conditions))
	}
	slices, err := client.DiscoveryV1().EndpointSlices("").List(ctx, all)
	if err != nil {
		return b.String() + err.Error()
	}
	for _, s := range slices.Items {
		fmt.Fprintf(&b, "endpoints %s/%s:", s.Namespace, s.Name)
		for _, e := range s.Endpoints {
			fmt.Fprintf(&b, " %v ready=%v", e.Addresses, e.Conditions.Ready == nil || *e.Conditions.Ready)
		}
		b.WriteByte('\n')
	}
	events, err := client.CoreV1().Events("").List(ctx, metav1.ListOptions{FieldSelector: "type=Warning"})
	if err != nil {
		return b.String() + err.Error()
	}
	for _, e := range events.Items {
		fmt.Fprintf(&b, "%s x%d %s %s/%s: %s: %s\n", e.LastTimestamp.Format(time.TimeOnly), e.Count, e.InvolvedObject.Kind, e.InvolvedObject.Namespace, e.InvolvedObject.Name, e.Reason, e.Message)
	}
	return b.String()
}

func conditions(all []corev1.NodeCondition) (words []string) {
	for _, c := range all {
		words = append(words, fmt.Sprintf("%s=%s", c.Type, c.Status))
	}
	return words
}

func podConditions(all []corev1.PodCondition) (words []string) {
	for _, c := range all {
		words = append(words, fmt.Sprintf("%s=%s", c.Type, c.Status))
	}
	return words
}

// logTail is the end of a sandbox component's log.
func logTail(ctx context.Context, component string, lines int) string {
	out, err := exec.CommandContext(ctx, filepath.Join(bin(), "drover-sandbox"), "logs", component).CombinedOutput()
	all := strings.Split(strings.TrimSpace(string(out)), "\n")
	tail := strings.Join(all[max(0, len(all)-lines):], "\n")
	if err != nil {
		return fmt.Sprintf("%v\n%s", err, tail)
	}
	return tail
}
