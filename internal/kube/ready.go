package kube

import (
	"cmp"
	"fmt"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/droverhq/drover/internal/graph"
)

// verdict is what an object's own status says of it.
type verdict struct {
	state   state
	waiting string // what it waits for, or why it failed
}

type state int

const (
	waiting state = iota
	ready
	broken // it has given up; only a change, or luck, will help
)

// assess judges by kstatus, which knows observedGeneration and the built-in
// workloads, and is stricter where others reference what is not there yet.
func assess(u *unstructured.Unstructured) verdict {
	switch groupKind(u) {
	case "Service", "Ingress.networking.k8s.io":
		if isBalancer(u) {
			return assessBalancer(u)
		}
	case "Namespace":
		if phase := field(u, "status", "phase"); phase != "Active" {
			return verdict{waiting, "the namespace is " + cmp.Or(phase, "new")}
		}
		return verdict{state: ready}
	case "PersistentVolumeClaim":
		// Pending is as ready as it gets: most classes bind only when a pod comes.
		if field(u, "status", "phase") == "Lost" {
			return verdict{broken, "its volume is lost"}
		}
		return verdict{state: ready}
	case "Job.batch":
		return assessJob(u)
	case "ReplicationController", "CloneSet.apps.kruise.io":
		return assessPods(u) // kstatus knows neither: it would take one for ready that has no pod
	case "Deployment.apps", "StatefulSet.apps", "DaemonSet.apps":
		if paused(u) || onDelete(u) {
			return assessPods(u) // kstatus would wait for pods that nobody makes, or for none at all
		}
	}
	return assessByStatus(u)
}

func assessByStatus(u *unstructured.Unstructured) verdict {
	result, err := status.Compute(u)
	if err != nil {
		return verdict{waiting, err.Error()}
	}
	switch result.Status {
	case status.CurrentStatus:
		return verdict{state: ready}
	case status.FailedStatus:
		return verdict{broken, result.Message}
	default:
		if text, ok := podCount(u); ok {
			return verdict{waiting, text}
		}
		return verdict{waiting, result.Message}
	}
}

// isBalancer: the object is a load balancer's, whose address is to be waited for. Of
// Ingresses those count that the AWS Load Balancer Controller makes one for.
func isBalancer(u *unstructured.Unstructured) bool {
	switch groupKind(u) {
	case "Service":
		return field(u, "spec", "type") == "LoadBalancer"
	case "Ingress.networking.k8s.io":
		return graph.ALBIngress(u.GetAnnotations())
	}
	return false
}

// assessBalancer waits for the address, which others refer to.
func assessBalancer(u *unstructured.Unstructured) verdict {
	ingress, _, _ := unstructured.NestedSlice(u.Object, "status", "loadBalancer", "ingress")
	for _, item := range ingress {
		if at, ok := item.(map[string]any); ok && (at["hostname"] != nil || at["ip"] != nil) {
			return verdict{state: ready}
		}
	}
	return verdict{waiting, "no load balancer address yet"}
}

// assessJob waits for the end: what depends on a Job depends on its work.
func assessJob(u *unstructured.Unstructured) verdict {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, item := range conditions {
		c, _ := item.(map[string]any)
		switch {
		case c["status"] != "True":
		case c["type"] == "Complete":
			return verdict{state: ready}
		case c["type"] == "Failed":
			return verdict{broken, fmt.Sprintf("the job failed: %v", c["message"])}
		}
	}
	if suspended, _, _ := unstructured.NestedBool(u.Object, "spec", "suspend"); suspended {
		return verdict{state: ready}
	}
	return verdict{waiting, fmt.Sprintf("%d of %d pods completed",
		number(u, 0, "status", "succeeded"), number(u, 1, "spec", "completions"))}
}

// assessPods waits until the controller has seen the object, and has as many pods
// that are available as it wants, of the revision that it wants, and no more. Of one
// that is paused nothing comes by itself.
func assessPods(u *unstructured.Unstructured) verdict {
	if number(u, 0, "status", "observedGeneration") < u.GetGeneration() {
		return verdict{waiting, "its controller has not seen this change yet"}
	}
	if paused(u) {
		return verdict{state: ready}
	}
	want := number(u, 1, "spec", "replicas")
	available, all := number(u, 0, "status", "availableReplicas"), number(u, 0, "status", "replicas")
	if groupKind(u) == "DaemonSet.apps" {
		want = number(u, 0, "status", "desiredNumberScheduled")
		available, all = number(u, 0, "status", "numberAvailable"), want
	}
	if available < want || all > want || revised(u) < revises(u, want) {
		text, _ := podCount(u)
		return verdict{waiting, text}
	}
	return verdict{state: ready}
}

// paused: its controller rolls nothing out until somebody says so.
func paused(u *unstructured.Unstructured) bool {
	whole, _, _ := unstructured.NestedBool(u.Object, "spec", "paused")
	update, _, _ := unstructured.NestedBool(u.Object, "spec", "updateStrategy", "paused") // a CloneSet's
	return whole || update
}

// onDelete: its pods stay as they are until somebody ends them.
func onDelete(u *unstructured.Unstructured) bool {
	return field(u, "spec", "updateStrategy", "type") == "OnDelete"
}

// revised is how many pods are of the new revision.
func revised(u *unstructured.Unstructured) int64 { return number(u, 0, "status", "updatedReplicas") }

// revises is how many shall be. A CloneSet tells that itself: its partition leaves
// some as they are. A ReplicationController leaves all, and so does OnDelete.
func revises(u *unstructured.Unstructured, want int64) int64 {
	switch {
	case groupKind(u) == "ReplicationController", onDelete(u):
		return 0
	case groupKind(u) == "CloneSet.apps.kruise.io":
		return number(u, want, "status", "expectedUpdatedReplicas")
	}
	return want
}

// podCount tells how far a workload is.
func podCount(u *unstructured.Unstructured) (string, bool) {
	want := number(u, 1, "spec", "replicas")
	switch groupKind(u) {
	case "Deployment.apps", "CloneSet.apps.kruise.io":
		if updated, wanted := revised(u), revises(u, want); updated < wanted {
			return fmt.Sprintf("%d of %d pods are of the new revision", updated, wanted), true
		}
		if extra := number(u, 0, "status", "replicas") - want; extra > 0 {
			return fmt.Sprintf("%d pods of the old revision left", extra), true
		}
		return fmt.Sprintf("%d of %d pods available", number(u, 0, "status", "availableReplicas"), want), true
	case "ReplicaSet.apps", "ReplicationController":
		return fmt.Sprintf("%d of %d pods available", number(u, 0, "status", "availableReplicas"), want), true
	case "StatefulSet.apps":
		return fmt.Sprintf("%d of %d pods ready", number(u, 0, "status", "readyReplicas"), want), true
	case "DaemonSet.apps":
		return fmt.Sprintf("%d of %d pods available",
			number(u, 0, "status", "numberAvailable"), number(u, 0, "status", "desiredNumberScheduled")), true
	}
	return "", false
}

// groupKind is the kind and its group, as kubectl takes them: Job.batch, and Service of
// the core. Another group's Job has rules of its own.
func groupKind(u *unstructured.Unstructured) string { return u.GroupVersionKind().GroupKind().String() }

func field(u *unstructured.Unstructured, path ...string) string {
	text, _, _ := unstructured.NestedString(u.Object, path...)
	return text
}

func number(u *unstructured.Unstructured, missing int64, path ...string) int64 {
	n, found, err := unstructured.NestedInt64(u.Object, path...)
	if err != nil || !found {
		return missing
	}
	return n
}
