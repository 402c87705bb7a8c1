package cluster

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/droverhq/drover/internal/handover"
)

// cloneSets is the row that OpenKruise's CloneSet would have: a kind that a CRD
// defines, which owns its pods itself and makes another one for each that leaves it.
func cloneSets() *ownerKind {
	return &ownerKind{
		api: "apps.kruise.io/v1alpha1", kind: "CloneSet", optional: crd("apps.kruise.io", "v1alpha1", "clonesets"), stands: true,
		selects: func(o metav1.Object, owner string) []*selector {
			return byLabels(owner, o.GetName(), o.GetNamespace(), cloneSetSpec(o).Selector)
		},
		template: func(o metav1.Object) *corev1.PodTemplateSpec { return &cloneSetSpec(o).Template },
		workload: func(o metav1.Object) *handover.Workload {
			spec := cloneSetSpec(o)
			w := newWorkload(o, handover.Replicated, spec.Replicas, spec.MinReadySeconds)
			w.Surge = 1
			return w
		},
	}
}

// cloneSetSpec: its fields are named as a Deployment's.
func cloneSetSpec(o metav1.Object) *appsv1.DeploymentSpec {
	var as appsv1.Deployment
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.(*custom).Object, &as); err != nil {
		return &appsv1.DeploymentSpec{}
	}
	return &as.Spec
}

// teach adds a row for as long as the test lasts.
func teach(t *testing.T, k *ownerKind) {
	rows, all := ownerKinds, kinds
	k.place = len(kinds)
	ownerKinds, kinds = append(slices.Clone(rows), k), append(slices.Clone(all), k.watched())
	t.Cleanup(func() { ownerKinds, kinds = rows, all })
}

// A row is all that it takes to have pods of another kind moved surge-first: without
// it they are its operator's matter. This is the example of docs/extending.md.
func TestAnotherKindIsARow(t *testing.T) {
	set := &custom{Object: map[string]any{
		"apiVersion": "apps.kruise.io/v1alpha1", "kind": "CloneSet",
		"metadata": map[string]any{"namespace": "apps", "name": "clones", "uid": "clones", "annotations": map[string]any{handover.AcceptGapAnnotation: "true"}},
		"spec": map[string]any{
			"replicas": int64(3), "minReadySeconds": int64(5), "selector": map[string]any{"matchLabels": map[string]any{"app": "web", "set": "web"}},
			"template": map[string]any{"spec": map[string]any{"nodeName": "old"}},
		},
	}}
	f := newFixture()
	f.pod.Labels = equal("app", "web", "set", "web")
	f.pod.OwnerReferences = []metav1.OwnerReference{ownedBy("apps.kruise.io/v1alpha1", "CloneSet", "clones")}
	const key = "cloneset.apps.kruise.io/apps/clones"

	if w, p := f.view().Workloads[key], f.look(); w.Nature != handover.Operated || p.Handle != "" {
		t.Errorf("without a row: %+v, handle %q", w, p.Handle)
	}
	teach(t, cloneSets())
	f.more = append(f.more, set)
	w, p := f.view().Workloads[key], f.look()
	if w.Nature != handover.Replicated || w.Wants != 3 || !w.Counted || w.MinReady.Seconds() != 5 || w.API != "apps.kruise.io/v1alpha1" {
		t.Errorf("with a row: %+v", w)
	}
	if p.Workload != key || p.Handle != "set" || !p.AcceptGap {
		t.Errorf("its pod: of %s, handle %q, accepts a gap: %v", p.Workload, p.Handle, p.AcceptGap)
	}
}

// Kinds of one name in different groups are different workloads, each with its pods.
func TestKindsOfOneName(t *testing.T) {
	f := newFixture()
	f.pod.OwnerReferences = []metav1.OwnerReference{ownedBy("apps.kruise.io/v1beta1", "StatefulSet", "db")}
	ours := f.pod.DeepCopy()
	ours.Name, ours.UID, ours.OwnerReferences = "db-0", "db-0", []metav1.OwnerReference{ownedBy("apps/v1", "StatefulSet", "db")}
	f.more = append(f.more, ours, &appsv1.StatefulSet{ObjectMeta: objectMeta("db", nil)})
	v := f.view()
	if w := v.Workloads["statefulset.apps.kruise.io/apps/db"]; w == nil || w.Nature != handover.Operated || w.Wants != 1 {
		t.Errorf("another group's: %+v", w)
	}
	if w := v.Workloads["statefulset/apps/db"]; w == nil || w.Nature != handover.Ordered || !w.Counted {
		t.Errorf("Kubernetes' own: %+v", w)
	}
	if a, b := v.Pods["pod"].Workload, v.Pods["db-0"].Workload; a != "statefulset.apps.kruise.io/apps/db" || b != "statefulset/apps/db" {
		t.Errorf("the pods count to %s and %s", a, b)
	}
}
