package cluster

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
)

// A rollout that its controller does not carry on by itself is none: a move that
// waited for its end would wait for ever.
func TestRolloutOfAStatefulSet(t *testing.T) {
	replicas := int32(3)
	onDelete := appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType}
	partition := func(n int32) appsv1.StatefulSetUpdateStrategy {
		return appsv1.StatefulSetUpdateStrategy{RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{Partition: &n}}
	}
	for _, c := range []struct {
		about    string
		strategy appsv1.StatefulSetUpdateStrategy
		updated  int32
		want     string
	}{
		{"two pods are old", partition(0), 1, "1 of 3 pods are new"},
		{"all are new", partition(0), 3, ""},
		{"the one above the partition is old", partition(2), 0, "0 of 1 pods are new"},
		{"the one above the partition is new", partition(2), 1, ""},
		{"the partition covers all", partition(5), 0, ""},
		{"OnDelete waits for somebody", onDelete, 0, ""},
	} {
		set := &appsv1.StatefulSet{
			Spec: appsv1.StatefulSetSpec{Replicas: &replicas, UpdateStrategy: c.strategy},
			Status: appsv1.StatefulSetStatus{Replicas: 3, UpdatedReplicas: c.updated,
				CurrentRevision: "db-1", UpdateRevision: "db-2"},
		}
		if got := statefulSet(set).Rolling; got != c.want {
			t.Errorf("%s: rolling is %q, want %q", c.about, got, c.want)
		}
	}
}
