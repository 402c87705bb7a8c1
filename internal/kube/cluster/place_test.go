package cluster

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"

	"github.com/droverhq/drover/internal/handover"
)

// A member that waits to be ended (OnDelete) comes back by the new template, and
// is placed by it; one below the partition comes back by its own.
func TestMemberIsPlacedByTheTemplateThatItComesBackBy(t *testing.T) {
	node := func(name, group string) *corev1.Node {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{groupLabel: group, corev1.LabelHostname: name}}}
		n.Status.Allocatable = corev1.ResourceList{corev1.ResourcePods: ample, corev1.ResourceCPU: ample, corev1.ResourceMemory: ample}
		return n
	}
	yes, partition := true, int32(2)
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", UID: "set"}}
	set.Spec.Template.Spec.NodeSelector = map[string]string{groupLabel: "web-2"}
	set.Status.UpdateRevision = "db-2"
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: "db-1", UID: "pod", Labels: map[string]string{appsv1.StatefulSetRevisionLabel: "db-1"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "db", UID: "set", Controller: &yes}},
	}}
	pod.Spec.NodeName, pod.Spec.NodeSelector = "old", map[string]string{groupLabel: "web-1"}
	place := func(strategy appsv1.StatefulSetUpdateStrategy) string {
		t.Helper()
		set.Spec.UpdateStrategy = strategy
		client := fake.NewClientset(node("old", "web-1"), node("new", "web-2"), pod.DeepCopy(), set.DeepCopy())
		c := placer(t, client)
		where, err := c.Place(t.Context(), []string{"old"}, []handover.Ref{{Namespace: "shop", Name: "db-1", UID: "pod"}}, nil, nil)
		if err != nil || len(where) != 1 {
			t.Fatalf("%v: %+v", err, where)
		}
		return where[0].Node
	}
	if got := place(appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType}); got != "new" {
		t.Errorf("OnDelete: placed on %q", got)
	}
	below := appsv1.StatefulSetUpdateStrategy{RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{Partition: &partition}}
	if got := place(below); got != "" {
		t.Errorf("below the partition: placed on %q", got)
	}
}

// What finds no room even on all that new instances have is told before they are made.
func TestPodsArePlacedOnNodesThatAreYetToCome(t *testing.T) {
	old := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "old", Labels: map[string]string{groupLabel: "web-1", corev1.LabelHostname: "old"}}}
	old.Spec.Unschedulable = true
	old.Status.Allocatable = corev1.ResourceList{corev1.ResourcePods: ample, corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("8Gi")}
	client := fake.NewClientset(old)
	var refs []handover.Ref
	for _, name := range []string{"a", "b", "c"} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name)}}
		pod.Spec.NodeName = "old"
		pod.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("1500m"), corev1.ResourceMemory: resource.MustParse("1Gi")}}}}
		if err := client.Tracker().Add(pod); err != nil {
			t.Fatal(err)
		}
		refs = append(refs, handover.Ref{Namespace: "shop", Name: name, UID: name})
	}
	c := placer(t, client)
	small := handover.Size{CPU: 2, Memory: 4 << 30}
	for _, tt := range []struct {
		about string
		fresh []handover.Size
		want  int // pods that find a node
	}{
		{"no node comes", nil, 0},
		{"one pod fits on each", []handover.Size{small, small}, 2},
		{"a larger one takes two", []handover.Size{{CPU: 4, Memory: 16 << 30}, small}, 3},
		{"memory counts too", []handover.Size{{CPU: 64, Memory: 1 << 30}}, 1},
		{"what is not known has ample room", []handover.Size{{}}, 3},
	} {
		where, err := c.Place(t.Context(), []string{"old"}, refs, nil, tt.fresh)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, w := range where {
			if w.Node != "" {
				found++
			} else if len(tt.fresh) > 0 && !strings.Contains(w.Why, "Insufficient") {
				t.Errorf("%s: %s", tt.about, w.Why)
			}
		}
		if found != tt.want {
			t.Errorf("%s: %d pods find a node, want %d", tt.about, found, tt.want)
		}
	}
}

// Nodes that are yet to come are of their own instances' architecture.
func TestNodesToComeHaveTheirOwnArchitecture(t *testing.T) {
	old := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "old", Labels: map[string]string{corev1.LabelHostname: "old", corev1.LabelArchStable: "amd64"}}}
	old.Status.Allocatable = corev1.ResourceList{corev1.ResourcePods: ample}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "web"}}
	pod.Spec.NodeName, pod.Spec.NodeSelector = "old", map[string]string{corev1.LabelArchStable: "amd64"}
	c := placer(t, fake.NewClientset(old, pod))
	for arch, want := range map[string]string{"": "new-1", "amd64": "new-1", "arm64": ""} {
		where, err := c.Place(t.Context(), []string{"old"}, []handover.Ref{{Namespace: "shop", Name: "web", UID: "web"}}, nil, []handover.Size{{Arch: arch}})
		if err != nil || len(where) != 1 || where[0].Node != want {
			t.Errorf("%q: %v, %v", arch, where, err)
		}
	}
}

// A GPU, or another device, is only on nodes to come whose type has one.
func TestNodesToComeHaveTheDevicesOfTheirType(t *testing.T) {
	old := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "old", Labels: map[string]string{corev1.LabelHostname: "old"}}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "web"}}
	pod.Spec.NodeName = "old"
	gpu := corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("1")}
	pod.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: gpu, Limits: gpu}}}
	old.Status.Allocatable = corev1.ResourceList{corev1.ResourcePods: ample, "nvidia.com/gpu": resource.MustParse("4")}
	c := placer(t, fake.NewClientset(old, pod))
	for size, want := range map[handover.Size]string{
		{}: "new-1",
		{CPU: 4, Devices: "nvidia.com/ vpc.amazonaws.com/efa"}: "new-1",
		{CPU: 4, Devices: "vpc.amazonaws.com/efa"}:             "",
	} {
		where, err := c.Place(t.Context(), []string{"old"}, []handover.Ref{{Namespace: "shop", Name: "web", UID: "web"}}, nil, []handover.Size{size})
		if err != nil || len(where) != 1 || where[0].Node != want || want == "" && (!where[0].Lasting || !strings.Contains(where[0].Why, "Insufficient nvidia.com/gpu")) {
			t.Errorf("%+v: %+v, %v", size, where, err)
		}
	}
}

// What the plan itself places on the new nodes must find room there as well, and
// there alone, whatever group its pods name now.
func TestPodsThatThePlanPlacesFindRoomOnNewNodesAlone(t *testing.T) {
	node := func(name, group string) *corev1.Node {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{groupLabel: group, corev1.LabelHostname: name}}}
		n.Status.Allocatable = corev1.ResourceList{corev1.ResourcePods: ample, corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("8Gi")}
		return n
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "big", UID: "big"}}
	pod.Spec.NodeName, pod.Spec.NodeSelector = "old", map[string]string{groupLabel: "web-1"}
	pod.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("5")}}}}
	c := placer(t, fake.NewClientset(node("old", "web-1"), node("other", "standard-1"), pod))
	for cores, want := range map[int]string{4: "", 8: "new-1"} {
		where, err := c.Place(t.Context(), []string{"old"}, nil, []handover.Ref{{Namespace: "shop", Name: "big", UID: "big"}}, []handover.Size{{CPU: cores, Memory: 16 << 30}})
		if err != nil || len(where) != 1 {
			t.Fatalf("%v, %v", where, err)
		}
		if where[0].Node != want || want == "" && !strings.Contains(where[0].Why, "Insufficient cpu") {
			t.Errorf("%d cores: placed on %q, want %q: %s", cores, where[0].Node, want, where[0].Why)
		}
	}
}

// placer is a Cluster that knows what Place asks for.
func placer(t *testing.T, client kubernetes.Interface) *Cluster {
	t.Helper()
	c := &Cluster{client: client, factory: informers.NewSharedInformerFactory(client, 0), stores: map[int]cache.Store{}}
	for i, k := range kinds {
		if k.watch != nil {
			c.stores[i] = k.watch(c.factory).GetStore()
		}
	}
	c.factory.Start(t.Context().Done())
	c.factory.WaitForCacheSync(t.Context().Done())
	return c
}

// A pod goes before its copy comes by the same rule that tells a move not to run two
// of it beside each other: of one kind of StatefulSet, whatever else is called so.
func TestGapIsWhatNoSecondPodMayStandBeside(t *testing.T) {
	yes := true
	pod := func(name, api, kind, owner string, claims ...string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name)}}
		if owner != "" {
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: api, Kind: kind, Name: owner, UID: types.UID(owner), Controller: &yes}}
		}
		for _, c := range claims {
			p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: c, VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: c}}})
		}
		return p
	}
	meta := func(name string, owner string) metav1.ObjectMeta {
		m := metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name)}
		if owner != "" {
			m.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: owner, UID: types.UID(owner), Controller: &yes}}
		}
		return m
	}
	recreate := &appsv1.Deployment{ObjectMeta: meta("recreate", "")}
	recreate.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
	claim := func(name, volume string, mode corev1.PersistentVolumeAccessMode) *corev1.PersistentVolumeClaim {
		return &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
			Spec: corev1.PersistentVolumeClaimSpec{VolumeName: volume, AccessModes: []corev1.PersistentVolumeAccessMode{mode}}}
	}
	c := placer(t, fake.NewClientset(recreate, &appsv1.ReplicaSet{ObjectMeta: meta("recreate-1", "recreate")}, &appsv1.ReplicaSet{ObjectMeta: meta("rolling-1", "rolling")},
		&appsv1.Deployment{ObjectMeta: meta("rolling", "")}, &appsv1.StatefulSet{ObjectMeta: meta("db", "")},
		claim("once", "", corev1.ReadWriteOnce), claim("many", "", corev1.ReadWriteMany), claim("bound", "wide", corev1.ReadWriteOnce),
		&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "wide"}, Spec: corev1.PersistentVolumeSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}}}))
	for name, tt := range map[string]struct {
		pod *corev1.Pod
		gap bool
	}{
		"of a StatefulSet":                {pod("a", "apps/v1", "StatefulSet", "db"), true},
		"of another kind of that name":    {pod("b", "apps.kruise.io/v1beta1", "StatefulSet", "db"), false},
		"of a Deployment that recreates":  {pod("c", "apps/v1", "ReplicaSet", "recreate-1"), true},
		"of another Deployment":           {pod("d", "apps/v1", "ReplicaSet", "rolling-1"), false},
		"with a volume of one node":       {pod("e", "apps/v1", "ReplicaSet", "rolling-1", "once"), true},
		"with a volume of many":           {pod("f", "apps/v1", "ReplicaSet", "rolling-1", "many"), false},
		"with a volume that is more open": {pod("g", "apps/v1", "ReplicaSet", "rolling-1", "bound"), false},
	} {
		if got := c.gap(tt.pod); got != tt.gap {
			t.Errorf("%s: %v", name, got)
		}
	}
}
