package kube

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// workloads make pods from a template, and tell by spec.selector which.
var workloads = []string{"Deployment.apps", "StatefulSet.apps", "DaemonSet.apps", "ReplicaSet.apps", "ReplicationController", "Job.batch", "CloneSet.apps.kruise.io"}

// reasons looks behind an object's status for what it waits for: its pods,
// what a namespace still holds, or its latest warning. It is a help for
// people, so errors mean no reasons.
func (c *client) reasons(ctx context.Context, t target, u *unstructured.Unstructured) []string {
	kind := t.gvk.GroupKind().String()
	if kind == "Namespace" {
		return contents(u)
	}
	if slices.Contains(workloads, kind) {
		pods, err := c.pods(ctx, t.namespace, u)
		if err != nil {
			return nil
		}
		return append(c.unmade(ctx, t, u, len(pods)), troubles(pods, func(pod *corev1.Pod) string {
			return c.warnings(ctx, pod.Namespace, string(pod.UID))
		})...)
	}
	if warning := c.lastWarning(ctx, t, u); warning != "" {
		return []string{warning}
	}
	return nil
}

// unmade tells why a workload has fewer pods than it wants: the API server takes
// none from its controller, because of a quota, an admission webhook or a policy.
// A Deployment says so itself, for its ReplicaSet; the others' events do.
func (c *client) unmade(ctx context.Context, t target, u *unstructured.Unstructured, pods int) []string {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, item := range conditions {
		if is, _ := item.(map[string]any); is["type"] == "ReplicaFailure" && is["status"] == "True" {
			return []string{fmt.Sprintf("%v: %s", is["reason"], oneLine(fmt.Sprint(is["message"])))}
		}
	}
	want := max(number(u, 1, "spec", "replicas"), number(u, 0, "status", "desiredNumberScheduled"))
	if int64(pods) >= want {
		return nil
	}
	if warning := c.lastWarning(ctx, t, u); strings.HasPrefix(warning, "Failed") {
		return []string{warning}
	}
	return nil
}

// contents is what the namespace controller says of a namespace that goes.
func contents(u *unstructured.Unstructured) []string {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	var out []string
	for _, item := range conditions {
		c, _ := item.(map[string]any)
		if kind, _ := c["type"].(string); c["status"] == "True" && strings.HasPrefix(kind, "Namespace") {
			out = append(out, oneLine(fmt.Sprint(c["message"])))
		}
	}
	return out
}

func (c *client) pods(ctx context.Context, namespace string, u *unstructured.Unstructured) ([]corev1.Pod, error) {
	var selector metav1.LabelSelector
	raw, _, _ := unstructured.NestedMap(u.Object, "spec", "selector")
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, &selector); err != nil {
		return nil, err
	}
	list, err := c.dynamic.Resource(corev1.SchemeGroupVersion.WithResource("pods")).Namespace(namespace).
		List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&selector)})
	if err != nil {
		return nil, err
	}
	pods := make([]corev1.Pod, len(list.Items))
	for i, item := range list.Items {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, &pods[i]); err != nil {
			return nil, err
		}
	}
	return pods, nil
}

// lastWarning is the newest warning event about an object.
func (c *client) lastWarning(ctx context.Context, t target, u *unstructured.Unstructured) string {
	return c.warnings(ctx, t.namespace, string(u.GetUID()))
}

// warnings are about the object with this UID; the newest is told.
func (c *client) warnings(ctx context.Context, namespace, uid string) string {
	list, err := c.dynamic.Resource(corev1.SchemeGroupVersion.WithResource("events")).Namespace(namespace).
		List(ctx, metav1.ListOptions{FieldSelector: "type=Warning,involvedObject.uid=" + uid})
	if err != nil || len(list.Items) == 0 {
		return ""
	}
	newest := slices.MaxFunc(list.Items, func(a, b unstructured.Unstructured) int {
		return strings.Compare(eventTime(&a), eventTime(&b))
	})
	return field(&newest, "reason") + ": " + oneLine(field(&newest, "message"))
}

func eventTime(e *unstructured.Unstructured) string {
	return cmp.Or(field(e, "lastTimestamp"), field(e, "eventTime"), field(e, "metadata", "creationTimestamp"))
}

// mute are the ranks of pods whose own status tells too little: their events tell
// of a probe that fails, or of a volume that cannot be mounted.
const mute = 5

// troubles names the pods that are not ready and why, the worst first. Warned is
// asked for the newest warning about one.
func troubles(pods []corev1.Pod, warned func(*corev1.Pod) string) []string {
	type found struct {
		rank int
		text string
	}
	var all []found
	for _, pod := range pods {
		rank, why := trouble(&pod)
		if rank >= mute && pod.DeletionTimestamp == nil {
			if warning := warned(&pod); warning != "" {
				why += ": " + warning
			}
		}
		if why != "" {
			all = append(all, found{rank, fmt.Sprintf("pod %s %s", pod.Name, why)})
		}
	}
	slices.SortFunc(all, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), strings.Compare(a.text, b.text))
	})
	texts := make([]string, len(all))
	for i, f := range all {
		texts[i] = f.text
	}
	return texts
}

// trouble says why a pod is not ready; the lower the rank, the more it tells.
// A ready pod, or one that ended well, has none.
func trouble(pod *corev1.Pod) (rank int, why string) {
	if pod.DeletionTimestamp != nil {
		return 9, "is terminating on " + pod.Spec.NodeName
	}
	if pod.Status.Phase == corev1.PodSucceeded || condition(pod, corev1.PodReady).Status == corev1.ConditionTrue {
		return 0, ""
	}
	if c := condition(pod, corev1.PodScheduled); c.Status == corev1.ConditionFalse {
		why, _, _ := strings.Cut(oneLine(c.Message), ". ") // preemption, which follows, helps nobody
		return 1, "Pending: " + why
	}
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		switch w, last := s.State.Waiting, s.LastTerminationState.Terminated; {
		case w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing":
			return 0, strings.TrimSuffix(w.Reason+": "+oneLine(w.Message), ": ")
		case last != nil && s.RestartCount > 0:
			return 2, fmt.Sprintf("container %s ended with %d (%s) and was restarted %d times",
				s.Name, last.ExitCode, last.Reason, s.RestartCount)
		case s.State.Terminated != nil && s.State.Terminated.ExitCode != 0:
			return 2, fmt.Sprintf("container %s ended with %d (%s)", s.Name, s.State.Terminated.ExitCode, s.State.Terminated.Reason)
		}
	}
	if pod.Status.Phase == corev1.PodFailed {
		return 1, strings.TrimSuffix("Failed: "+cmp.Or(pod.Status.Reason, oneLine(pod.Status.Message)), ": ")
	}
	if pod.Status.Phase == corev1.PodRunning {
		return 5, "runs, and is not ready yet: " + cmp.Or(oneLine(condition(pod, corev1.PodReady).Message), "its readiness probe has not passed")
	}
	return 6, "is starting"
}

func condition(pod *corev1.Pod, typ corev1.PodConditionType) corev1.PodCondition {
	for _, c := range pod.Status.Conditions {
		if c.Type == typ {
			return c
		}
	}
	return corev1.PodCondition{}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
