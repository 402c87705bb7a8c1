package cluster

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"pgregory.net/rapid"

	"github.com/droverhq/drover/internal/handover"
)

// kindAt is the place in kinds of an object's kind.
func kindAt(o any) int {
	name, group := reflect.TypeOf(o).Elem().Name(), ""
	if u, is := o.(*custom); is {
		name, group = u.GetKind(), u.GroupVersionKind().Group
	}
	if i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name && k.optional.Group == group }); i >= 0 {
		return i
	}
	return slices.IndexFunc(kinds, func(k kind) bool { return k.name == name }) // some tests name no group
}

func keyOf(o any) string {
	key, err := cache.MetaNamespaceKeyFunc(o)
	if err != nil {
		panic(err)
	}
	return key
}

// at is a world's place for an object.
type at = change

// scratch is a world of these objects, in the order in which a map gives them.
func scratch(objects map[at]any) *world {
	w := newWorld(func(string, topOwner) {})
	for where, o := range objects {
		w.see(where.kind, where.key, o)
	}
	w.bring()
	return w
}

// The view that is kept event by event is the view that would be made of the
// same objects from nothing, whatever happened in whatever order. This kills
// every dependency that is not followed, before or now.
func TestIncrementalEqualsScratch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(func(string, topOwner) {})
		objects := map[at]any{}
		for i := range rapid.IntRange(1, 120).Draw(t, "events") {
			where, o := draw(t, i)
			if _, there := objects[where]; there && rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
				o = nil
			}
			if o == nil {
				delete(objects, where)
			} else {
				objects[where] = o
			}
			w.see(where.kind, where.key, o)
			if rapid.Bool().Draw(t, "look") {
				w.bring()
			}
		}
		w.bring()
		if diff := differs(w.view, scratch(objects).view); diff != "" {
			t.Fatal(diff)
		}
	})
}

// differs tells the first difference between two views.
func differs(a, b *handover.View) string {
	return cmp.Or(differ("pod", a.Pods, b.Pods), differ("workload", a.Workloads, b.Workloads), differ("node", a.Nodes, b.Nodes),
		differ("service", a.Services, b.Services), differ("budget", a.Budgets, b.Budgets))
}

func differ[T any](what string, a, b map[string]*T) string {
	for key := range maps.Keys(a) {
		if b[key] == nil {
			return fmt.Sprintf("%s %s should be gone", what, key)
		}
		if !reflect.DeepEqual(a[key], b[key]) {
			x, _ := json.Marshal(a[key])
			y, _ := json.Marshal(b[key])
			return fmt.Sprintf("%s %s:\n incremental %s\n scratch     %s", what, key, x, y)
		}
	}
	for key := range b {
		if a[key] == nil {
			return fmt.Sprintf("%s %s is missing", what, key)
		}
	}
	return ""
}

func pick[T any](t *rapid.T, of ...T) T { return rapid.SampledFrom(of).Draw(t, "pick") }

func drawLabels(t *rapid.T) map[string]string {
	l := map[string]string{}
	for _, k := range []string{"app", "tier", "pod-template-hash"} {
		if v := pick(t, "", "x", "y", "x"); v != "" {
			l[k] = v
		}
	}
	return l
}

func drawSelector(t *rapid.T) *metav1.LabelSelector {
	s := &metav1.LabelSelector{MatchLabels: drawLabels(t)}
	switch pick(t, 0, 0, 1, 2, 3) {
	case 1:
		s.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "tier", Operator: metav1.LabelSelectorOpDoesNotExist}}
	case 2:
		s.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: []string{"x", "z"}}}
	case 3:
		return nil
	}
	return s
}

// uidOf begins the UIDs of a kind's objects; those of another group's are its own.
func uidOf(group, kind string) string {
	if strings.Contains(group, ".") {
		return kind + "." + group
	}
	return kind
}

// drawOwner draws a controller of one of the kinds, by a UID that such an object may have.
func drawOwner(t *rapid.T, of ...handover.Owner) []metav1.OwnerReference {
	o := pick(t, append(of, handover.Owner{})...)
	if o.Kind == "" {
		return nil
	}
	name := pick(t, "0", "1")
	return []metav1.OwnerReference{{
		APIVersion: o.API, Kind: o.Kind, Name: name,
		UID: types.UID(uidOf(groupOf(o.API), o.Kind) + "-" + pick(t, "a", "b") + "-" + name + "-" + pick(t, "1", "1", "2")), Controller: &yes,
	}}
}

// rowed are the owners that pods and other owners may name: all that have a row.
func rowed(more ...handover.Owner) []handover.Owner {
	for _, k := range ownerKinds {
		more = append(more, handover.Owner{API: k.api, Kind: k.kind})
	}
	return more
}

var (
	aReplicaSet = handover.Owner{API: "apps/v1", Kind: "ReplicaSet"}
	aDeployment = handover.Owner{API: "apps/v1", Kind: "Deployment"}
	aRollout    = handover.Owner{API: "argoproj.io/v1alpha1", Kind: "Rollout"} // it has no row
	aCronJob    = handover.Owner{API: "batch/v1", Kind: "CronJob"}
	aNode       = handover.Owner{API: "v1", Kind: "Node"}
)

// often are drawn more often than other kinds: most of what follows hangs on them.
var often = []string{"Pod", "Pod", "ReplicaSet", "EndpointSlice"}

// draw draws an object of any kind that is watched, as it is from now on.
func draw(t *rapid.T, _ int) (at, any) {
	places := []int{}
	for i, k := range kinds {
		places = append(places, i)
		for _, name := range often {
			if k.name == name {
				places = append(places, i)
			}
		}
	}
	place := pick(t, places...)
	k := kinds[place]
	ns, name := pick(t, "a", "b"), pick(t, "0", "1")
	if place == kindAnswer {
		key := "rollout.argoproj.io/" + ns + "/" + name
		scalable := pick(t, true, false)
		a := &answer{uid: uidOf("argoproj.io", "Rollout") + "-" + ns + "-" + name + "-1", wants: pick(t, 1, 2), counted: true, scalable: scalable, unscaled: !scalable, annotations: drawAnnotations(t), fixed: pick(t, "", "0")}
		return at{kindAnswer, key}, a
	}
	o := drawObject(t, k, metav1.ObjectMeta{
		Namespace: ns, Name: name, UID: types.UID(uidOf(k.optional.Group, k.name) + "-" + ns + "-" + name + "-" + pick(t, "1", "1", "2")),
		Labels: drawLabels(t), Annotations: drawAnnotations(t),
	})
	return at{place, keyOf(o)}, o
}

func drawAnnotations(t *rapid.T) map[string]string {
	switch pick(t, 0, 0, 0, 1, 2) {
	case 1:
		return map[string]string{"karpenter.sh/do-not-disrupt": "true"}
	case 2:
		return map[string]string{handover.AcceptGapAnnotation: "true", handover.ExpendableAnnotation: "true"}
	}
	return nil
}

// drawObject has a case for each kind with a type of its own; what CRDs define is drawn
// by what its row in kinds says of it.
func drawObject(t *rapid.T, k kind, m metav1.ObjectMeta) any {
	count := int32(pick(t, 0, 1, 2))
	template := corev1.PodTemplateSpec{Spec: corev1.PodSpec{NodeName: pick(t, "", "", "0")}}
	cluster := m
	cluster.Namespace = ""
	switch {
	case k.routes != nil:
		return routeTo(t, k, m, pick(t, "0", "1"))
	case k.watch == nil:
		return drawForeign(t, k, m)
	}
	switch k.name {
	case "Pod":
		m.OwnerReferences = drawOwner(t, rowed(aReplicaSet, aRollout, aNode)...)
		if set := pick(t, "", "", "0", "1"); set != "" {
			m.Labels[leaderWorkerName] = set
		}
		p := &corev1.Pod{ObjectMeta: m}
		p.Spec.NodeName, p.Spec.HostNetwork = pick(t, "", "0", "1"), pick(t, false, false, true)
		p.Status.Phase = pick(t, corev1.PodRunning, corev1.PodRunning, corev1.PodSucceeded)
		p.Status.PodIPs = []corev1.PodIP{{IP: pick(t, "10.0.0.1", "10.0.0.2")}}
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: pick(t, corev1.ConditionTrue, corev1.ConditionFalse)}}
		p.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{ContainerPort: 80}}}}
		if pick(t, true, false) {
			p.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: pick(t, "0", "1")}}}}
		}
		return p
	case "ReplicaSet":
		m.OwnerReferences = drawOwner(t, aDeployment, aDeployment, aRollout)
		return &appsv1.ReplicaSet{ObjectMeta: m, Spec: appsv1.ReplicaSetSpec{Selector: drawSelector(t), Replicas: &count, Template: template}}
	case "ReplicationController":
		return &corev1.ReplicationController{ObjectMeta: m, Spec: corev1.ReplicationControllerSpec{Selector: drawLabels(t), Replicas: &count, Template: &template}}
	case "Deployment":
		d := &appsv1.Deployment{ObjectMeta: m, Spec: appsv1.DeploymentSpec{Replicas: &count, Template: template}}
		d.Spec.Strategy.Type = pick(t, appsv1.RollingUpdateDeploymentStrategyType, appsv1.RecreateDeploymentStrategyType)
		return d
	case "StatefulSet":
		return &appsv1.StatefulSet{ObjectMeta: m, Spec: appsv1.StatefulSetSpec{Replicas: &count, Selector: drawSelector(t), Template: template}}
	case "DaemonSet":
		template.Spec.NodeSelector = pick(t, nil, map[string]string{"app": "x"})
		return &appsv1.DaemonSet{ObjectMeta: m, Spec: appsv1.DaemonSetSpec{Selector: drawSelector(t), Template: template}}
	case "Job":
		m.OwnerReferences = drawOwner(t, aCronJob)
		return &batchv1.Job{ObjectMeta: m, Spec: batchv1.JobSpec{Parallelism: &count, Template: template}}
	case "CronJob":
		return &batchv1.CronJob{ObjectMeta: m}
	case "Node":
		return &corev1.Node{ObjectMeta: cluster, Spec: corev1.NodeSpec{Unschedulable: pick(t, true, false)}}
	case "Service":
		s := &corev1.Service{ObjectMeta: m, Spec: corev1.ServiceSpec{Selector: drawLabels(t)}}
		s.Spec.Type = pick(t, corev1.ServiceTypeClusterIP, corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeExternalName)
		return s
	case "PodDisruptionBudget":
		return &policyv1.PodDisruptionBudget{ObjectMeta: m, Spec: policyv1.PodDisruptionBudgetSpec{Selector: drawSelector(t)}, Status: policyv1.PodDisruptionBudgetStatus{CurrentHealthy: count}}
	case "EndpointSlice":
		return drawSlice(t, m)
	case "NetworkPolicy":
		p := &networkingv1.NetworkPolicy{ObjectMeta: m}
		if s := drawSelector(t); s != nil {
			p.Spec.PodSelector = *s
		}
		peer := networkingv1.NetworkPolicyPeer{PodSelector: drawSelector(t)}
		if pick(t, true, false) {
			peer.NamespaceSelector = &metav1.LabelSelector{}
		}
		p.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{peer}}}
		return p
	case "PersistentVolume":
		return &corev1.PersistentVolume{ObjectMeta: cluster, Spec: corev1.PersistentVolumeSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{pick(t, corev1.ReadWriteMany, corev1.ReadWriteOnce)},
			ClaimRef:    &corev1.ObjectReference{Namespace: pick(t, "a", "b"), Name: pick(t, "0", "1")},
		}}
	case "PersistentVolumeClaim":
		return &corev1.PersistentVolumeClaim{ObjectMeta: m, Spec: corev1.PersistentVolumeClaimSpec{
			VolumeName: pick(t, "", "0", "1"), AccessModes: []corev1.PersistentVolumeAccessMode{pick(t, corev1.ReadWriteMany, corev1.ReadWriteOnce)},
		}}
	case "VolumeAttachment":
		pv := pick(t, "0", "1")
		return &storagev1.VolumeAttachment{ObjectMeta: cluster, Spec: storagev1.VolumeAttachmentSpec{NodeName: pick(t, "0", "1"), Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &pv}}}
	}
	t.Fatalf("draw nothing yet of kind %s: give it a case", k.name)
	return nil
}

func drawSlice(t *rapid.T, m metav1.ObjectMeta) any {
	m.Labels = map[string]string{discoveryv1.LabelServiceName: pick(t, "0", "1"), discoveryv1.LabelManagedBy: pick(t, keepers[0], keepers[0], "me")}
	s := &discoveryv1.EndpointSlice{ObjectMeta: m}
	port := int32(pick(t, 80, 81))
	s.Ports = []discoveryv1.EndpointPort{{Port: &port}}
	for range pick(t, 0, 1, 2) {
		e := discoveryv1.Endpoint{Addresses: []string{pick(t, "10.0.0.1", "10.0.0.2")}}
		ready := pick(t, true, false)
		e.Conditions.Ready = &ready
		if pick(t, true, true, false) {
			e.TargetRef = &corev1.ObjectReference{Kind: "Pod", UID: types.UID("Pod-" + m.Namespace + "-" + pick(t, "0", "1") + "-1")}
		}
		s.Endpoints = append(s.Endpoints, e)
	}
	return s
}

// drawForeign draws an object of a kind that a CRD defines: its fields are those that any
// of them may have.
func drawForeign(t *rapid.T, k kind, m metav1.ObjectMeta) *custom {
	l := map[string]any{}
	for k, v := range drawLabels(t) {
		l[k] = v
	}
	spec := map[string]any{
		"selector": map[string]any{"matchLabels": l}, "endpointSelector": map[string]any{"matchLabels": l},
		"serviceRef": map[string]any{"name": pick(t, "0", "1")}, "targetGroupARN": "arn:" + pick(t, "0", "1"),
		"replicas": int64(pick(t, 0, 1, 2)), "leaderWorkerTemplate": map[string]any{"size": int64(pick(t, 1, 2))}, "template": map[string]any{"spec": map[string]any{"nodeName": pick(t, "", "", "0")}},
	}
	if pick(t, true, false) {
		spec["volumeClaimTemplates"] = []any{map[string]any{}}
	}
	m.OwnerReferences = drawOwner(t, rowed()...)
	u := &custom{Object: map[string]any{"apiVersion": k.optional.GroupVersion().String(), "kind": k.name, "spec": spec}}
	dub(u, m)
	return u
}
