package cluster

import (
	"errors"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/droverhq/drover/internal/handover"
)

var yes = true

func object(name string, labels map[string]string, owners ...metav1.OwnerReference) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "apps", Name: name, UID: types.UID(name), Labels: labels, OwnerReferences: owners}
}

func owner(kind, name string) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: "apps/v1", Kind: kind, Name: name, UID: types.UID(name), Controller: &yes}
}

// fixture is Deployment web with one Ready pod behind Service web and a budget.
func fixture() objects {
	labels := map[string]string{"app": "web", "tier": "front", "pod-template-hash": "abc"}
	pod := &corev1.Pod{ObjectMeta: object("web-abc-1", labels, owner("ReplicaSet", "web-abc"))}
	pod.Spec.NodeName = "old"
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	set := &appsv1.ReplicaSet{ObjectMeta: object("web-abc", nil, owner("Deployment", "web"))}
	set.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web", "pod-template-hash": "abc"}}
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: object("web", nil)}
	budget.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "front"}}
	slice := &discoveryv1.EndpointSlice{ObjectMeta: object("web-x", map[string]string{discoveryv1.LabelServiceName: "web"})}
	slice.Endpoints = []discoveryv1.Endpoint{{TargetRef: &corev1.ObjectReference{Kind: "Pod", UID: "web-abc-1"}}}
	return objects{
		nodes:       []*corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "old", Labels: map[string]string{groupLabel: "web-1"}}}},
		pods:        []*corev1.Pod{pod},
		services:    []*corev1.Service{{ObjectMeta: object("web", nil), Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "web"}}}},
		deployments: []*appsv1.Deployment{{ObjectMeta: object("web", nil)}},
		replicaSets: []*appsv1.ReplicaSet{set},
		budgets:     []*policyv1.PodDisruptionBudget{budget},
		slices:      []*discoveryv1.EndpointSlice{slice},
	}
}

// How a pod leaves its ReplicaSet and its Services is decided by who selects
// it by what: never by a label that would take it out of a Service too early,
// and if it can be, with its budget still watching.
func TestHandleAndDoors(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*objects)
		handle string
		doors  []string
	}{
		{"usual", func(*objects) {}, "pod-template-hash", []string{"app"}},
		{"Service selects the hash", func(o *objects) { o.services[0].Spec.Selector["pod-template-hash"] = "abc" }, "", []string{"app"}},
		{"Service selects only the hash", func(o *objects) {
			o.services[0].Spec.Selector = map[string]string{"pod-template-hash": "abc"}
		}, "app", []string{"pod-template-hash"}},
		{"budget selects by the Service's label too", func(o *objects) {
			o.budgets[0].Spec.Selector.MatchLabels = map[string]string{"app": "web"}
			o.services[0].Spec.Selector["tier"] = "front"
		}, "pod-template-hash", []string{"tier"}},
		{"two Services, one door", func(o *objects) {
			second := o.services[0].DeepCopy()
			second.Name, second.Spec.Selector = "web2", map[string]string{"app": "web", "tier": "front"}
			o.services = append(o.services, second)
		}, "pod-template-hash", []string{"app"}},
		{"ReplicaSet without Deployment, all labels in use", func(o *objects) {
			o.deployments, o.replicaSets[0].OwnerReferences = nil, nil
			o.replicaSets[0].Spec.Selector.MatchLabels = map[string]string{"app": "web"}
		}, "", []string{"app"}},
		{"Recreate", func(o *objects) { o.deployments[0].Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType }, "", []string{"app"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := fixture()
			c.change(&o)
			p := o.snapshot().Pods[0]
			if p.Handle != c.handle || !slices.Equal(p.Doors, c.doors) {
				t.Errorf("handle %q, doors %q; want %q, %q", p.Handle, p.Doors, c.handle, c.doors)
			}
		})
	}
}

// A pod serves only when it is Ready and every Service that selects it lists it.
func TestServing(t *testing.T) {
	o := fixture()
	if p := o.snapshot().Pods[0]; !p.Serving || p.Workload != "deployment/apps/web" || !slices.Equal(p.Listed, []string{"web"}) {
		t.Errorf("got %+v", p)
	}
	o.slices = nil
	if o.snapshot().Pods[0].Serving {
		t.Error("serves without an endpoint")
	}
	delete(o.pods[0].Labels, "app")
	if p := o.snapshot().Pods[0]; !p.Serving || len(p.Services) != 0 {
		t.Errorf("without a Service, Ready is serving: %+v", p)
	}
}

// A rollout under way is not settled, nor is one that nobody has looked at yet.
func TestSettled(t *testing.T) {
	d := &appsv1.Deployment{ObjectMeta: object("web", nil)}
	d.Generation, d.Status.ObservedGeneration = 2, 2
	d.Status.Replicas, d.Status.UpdatedReplicas = 3, 3
	if !deployment(d).Settled {
		t.Error("complete, and not settled")
	}
	d.Status.UpdatedReplicas = 2
	if deployment(d).Settled {
		t.Error("old pods left, and settled")
	}
	d.Status.UpdatedReplicas, d.Status.ObservedGeneration = 3, 1
	if deployment(d).Settled {
		t.Error("not observed, and settled")
	}
}

func TestSleeps(t *testing.T) {
	for want, h := range map[time.Duration]*corev1.LifecycleHandler{
		20 * time.Second: {Sleep: &corev1.SleepAction{Seconds: 20}},
		15 * time.Second: {Exec: &corev1.ExecAction{Command: []string{"sh", "-c", "/bin/sleep 15"}}},
		7 * time.Second:  {Exec: &corev1.ExecAction{Command: []string{"sleep", "7s"}}},
		0:                {Exec: &corev1.ExecAction{Command: []string{"nginx", "-s", "quit"}}},
	} {
		if got := sleeps(h); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A copy of the pod may go where selectors, taints and volumes let it.
func TestPlaces(t *testing.T) {
	o := fixture()
	o.nodes = append(o.nodes,
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "new", Labels: map[string]string{"disk": "ssd", "zone": "a"}}},
		&corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: "tainted", Labels: map[string]string{"disk": "ssd", "zone": "b"}},
			Spec:       corev1.NodeSpec{Taints: []corev1.Taint{{Key: "nginx", Value: "true", Effect: corev1.TaintEffectNoSchedule}}},
		})
	pod := o.pods[0]
	at := func(want ...string) {
		t.Helper()
		if got := o.places([]handover.Ref{{UID: string(pod.UID)}})[string(pod.UID)]; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	at("new", "old")
	pod.Spec.NodeSelector = map[string]string{"disk": "ssd"}
	at("new")
	pod.Spec.Tolerations = []corev1.Toleration{{Key: "nginx", Operator: corev1.TolerationOpExists}}
	at("new", "tainted")
	pod.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
	o.claims = []*corev1.PersistentVolumeClaim{{ObjectMeta: object("data", nil), Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "pv"}}}
	o.volumes = []*corev1.PersistentVolume{{ObjectMeta: metav1.ObjectMeta{Name: "pv"}, Spec: corev1.PersistentVolumeSpec{
		NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "zone", Operator: corev1.NodeSelectorOpIn, Values: []string{"b"}}},
		}}}},
	}}}
	at("tainted")
	if p := o.snapshot().Pods[0]; p.Alone == "" || p.Handle != "" {
		t.Errorf("a volume for one node, and a second pod beside it: %+v", p)
	}
}

// Anti-affinity by host name holds in both directions.
func TestApart(t *testing.T) {
	o := fixture()
	other := &corev1.Pod{ObjectMeta: object("other", map[string]string{"app": "other"})}
	other.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
		}},
	}}
	o.pods = append(o.pods, other)
	for _, p := range o.snapshot().Pods {
		want := map[string][]string{"other": {"web-abc-1"}, "web-abc-1": {"other"}}[p.Name]
		if !slices.Equal(p.Apart, want) {
			t.Errorf("%s: apart from %q, want %q", p.Name, p.Apart, want)
		}
	}
}

// A DaemonSet that belongs on a node must have a Ready pod there; one that its
// selector keeps off need not.
func TestDaemons(t *testing.T) {
	o := fixture()
	o.daemonSets = []*appsv1.DaemonSet{{ObjectMeta: object("kube-proxy", nil)}, {ObjectMeta: object("gpu", nil)}}
	o.daemonSets[1].Spec.Template.Spec.NodeSelector = map[string]string{"gpu": "yes"}
	if got := o.snapshot().Nodes[0].Daemons; !slices.Equal(got, []string{"daemonset/apps/kube-proxy"}) {
		t.Errorf("missing %q", got)
	}
	ready := o.pods[0].DeepCopy()
	ready.Name, ready.OwnerReferences = "kube-proxy-1", []metav1.OwnerReference{owner("DaemonSet", "kube-proxy")}
	o.pods = append(o.pods, ready)
	if got := o.snapshot().Nodes[0].Daemons; len(got) != 0 {
		t.Errorf("missing %q", got)
	}
}

// Only a disruption budget's 429 is a refusal; an overloaded API server's is not.
func TestRefusal(t *testing.T) {
	budget := apierrors.NewTooManyRequests("Cannot evict pod", 0)
	budget.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: policyv1.DisruptionBudgetCause, Message: "The disruption budget web needs 2 healthy pods and has 2 currently"}}
	two := &apierrors.StatusError{ErrStatus: metav1.Status{Code: 500, Message: "This pod has more than one PodDisruptionBudget"}}
	for _, c := range []struct {
		err     error
		budgets []string
		want    bool
	}{
		{budget, []string{"web"}, true},
		{two, []string{"a", "b"}, true},
		{two, []string{"a"}, false},
		{apierrors.NewTooManyRequests("slow down", 1), []string{"web"}, false},
		{errors.New("connection refused"), nil, false},
	} {
		r := refusal(c.err, c.budgets)
		if (r != nil) != c.want || r != nil && r.Budget == "" {
			t.Errorf("%v: got %+v", c.err, r)
		}
	}
}
