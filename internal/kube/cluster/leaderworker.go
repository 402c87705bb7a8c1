package cluster

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/droverhq/drover/internal/handover"
)

// leaderWorkerSet is what is read of a LeaderWorkerSet, as large models are served by:
// groups of a leader and its workers. The leaders are one StatefulSet's, the workers of
// each leader another one's, and when a pod of a group ends, the whole group is made anew.
// So all of them are one workload, of which one group at a time may be away.
type leaderWorkerSet struct {
	Spec struct {
		Replicas             *int32 `json:"replicas"` // groups
		LeaderWorkerTemplate struct {
			Size          *int32 `json:"size"` // pods of a group
			RestartPolicy string `json:"restartPolicy"`
		} `json:"leaderWorkerTemplate"`
	} `json:"spec"`

	Status struct {
		ObservedGeneration int64              `json:"observedGeneration"`
		Conditions         []metav1.Condition `json:"conditions"`
	} `json:"status"`
}

const (
	leaderWorkerAPI  = "leaderworkerset.x-k8s.io/v1"
	leaderWorkerKind = "LeaderWorkerSet"
	leaderWorkerName = "leaderworkerset.sigs.k8s.io/name" // label of its pods
)

// leaderWorkers is the LeaderWorkerSet whose pod p is. The pod's owners do not tell: a
// worker's StatefulSet belongs to the leader's pod.
func leaderWorkers(p *corev1.Pod, owner *metav1.OwnerReference) (handover.Owner, bool) {
	name := p.Labels[leaderWorkerName]
	return handover.Owner{API: leaderWorkerAPI, Kind: leaderWorkerKind, Name: name}, name != "" && owner.Kind == "StatefulSet"
}

func leaderWorkerWorkload(o metav1.Object) *handover.Workload {
	var s leaderWorkerSet
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.(*custom).Object, &s); err != nil {
		s = leaderWorkerSet{}
	}
	w := newWorkload(o, handover.Ordered, s.Spec.Replicas, 0)
	w.InTurn = "when one of its pods ends, the others of its group end as well"
	w.Together = w.Wants == 1 && s.Spec.LeaderWorkerTemplate.RestartPolicy != "None"
	w.Wants *= replicas(s.Spec.LeaderWorkerTemplate.Size)
	if s.Status.ObservedGeneration < o.GetGeneration() {
		w.Rolling = "its controller has not seen its last change yet"
	}
	for _, c := range s.Status.Conditions {
		if c.Type == "UpdateInProgress" && c.Status == metav1.ConditionTrue {
			w.Rolling = "its groups are updated"
		}
	}
	return w
}
