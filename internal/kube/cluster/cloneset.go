package cluster

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/droverhq/drover/internal/handover"
)

// cloneSet is what is read of OpenKruise's CloneSet, which owns its pods itself.
// v1alpha1 and v1beta1 have it alike.
type cloneSet struct {
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		Replicas             *int32                         `json:"replicas"`
		Template             corev1.PodTemplateSpec         `json:"template"`
		VolumeClaimTemplates []corev1.PersistentVolumeClaim `json:"volumeClaimTemplates"`
		MinReadySeconds      int32                          `json:"minReadySeconds"`
		UpdateStrategy       struct {
			Partition *intstr.IntOrString `json:"partition"` // pods that stay of the old revision, or a part of all
			Paused    bool                `json:"paused"`
		} `json:"updateStrategy"`
	} `json:"spec"`

	Status struct {
		ObservedGeneration int64              `json:"observedGeneration"`
		Replicas           int32              `json:"replicas"`
		UpdatedReplicas    int32              `json:"updatedReplicas"`
		Conditions         []metav1.Condition `json:"conditions"`
	} `json:"status"`
}

// readCloneSet reads one; what cannot be read is empty.
func readCloneSet(o metav1.Object) *cloneSet {
	var s cloneSet
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.(*custom).Object, &s); err != nil {
		return &cloneSet{}
	}
	return &s
}

// claims: pods have volumes of their own, which the next one gets.
func (s *cloneSet) claims() bool { return len(s.Spec.VolumeClaimTemplates) > 0 }

// cloneSetWorkload is one as a move sees it. It makes a pod at once for each that
// goes, but none may leave it and serve on: it takes no pod back (it looks only at
// pods that name it as their owner), so that one which was let go of, and is given
// back because the move stops, would be nobody's for good; and if it has volume
// claims, the pod that takes its place would be given the same ones.
func cloneSetWorkload(o metav1.Object) *handover.Workload {
	s := readCloneSet(o)
	w := newWorkload(o, handover.Ordered, s.Spec.Replicas, s.Spec.MinReadySeconds)
	w.InTurn = "a CloneSet takes back no pod that it has let go of"
	if s.claims() {
		w.InTurn = "each pod of a CloneSet has volumes of its own"
	}
	w.Paused = s.Spec.UpdateStrategy.Paused
	if p := s.Spec.UpdateStrategy.Partition; p != nil {
		w.Partition = scaled(p, w.Wants)
	}
	switch st := s.Status; {
	case st.ObservedGeneration < o.GetGeneration():
		w.Rolling = "its controller has not seen its last change yet"
	case int(st.UpdatedReplicas) < int(st.Replicas)-w.Partition:
		w.Rolling = fmt.Sprintf("%d of %d pods are new", st.UpdatedReplicas, int(st.Replicas)-w.Partition)
	}
	for _, c := range s.Status.Conditions {
		if c.Type == "FailedScale" && c.Status == metav1.ConditionTrue {
			w.Trouble = c.Message
		}
	}
	return w
}
