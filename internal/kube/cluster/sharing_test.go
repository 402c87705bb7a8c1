package cluster

import (
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// A pod that comes is looked at, and with it those that it shares a volume of one node
// with; thousands may share one that many nodes can have, and are left alone.
func TestWhoIsLookedAtWithAPod(t *testing.T) {
	for mode, want := range map[corev1.PersistentVolumeAccessMode][]types.UID{
		corev1.ReadWriteOnce: {"other", "pod"},
		corev1.ReadWriteMany: {"other"},
	} {
		f := newFixture()
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: objectMeta("data", nil), Spec: corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{mode}}}
		f.pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
		other := f.pod.DeepCopy()
		other.Name, other.UID = "other", "other"
		w := scratch(map[at]any{{kindAt(f.pod), keyOf(f.pod)}: f.pod, {kindAt(claim), keyOf(claim)}: claim})
		w.see(kindAt(other), keyOf(other), other)
		if got := slices.Sorted(maps.Keys(w.marks.pods)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", mode, got, want)
		}
	}
}
