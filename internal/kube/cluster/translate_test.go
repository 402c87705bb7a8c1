package cluster

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/droverhq/drover/internal/handover"
)

var yes = true

func objectMeta(name string, labels map[string]string, owners ...metav1.OwnerReference) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "apps", Name: name, UID: types.UID(name), Labels: labels, OwnerReferences: owners}
}

func ownedBy(api, kind, name string) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: api, Kind: kind, Name: name, UID: types.UID(name), Controller: &yes}
}

func equal(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

// fixture is Deployment web with one Ready pod behind Service web and a budget.
type fixture struct {
	pod     *corev1.Pod
	set     *appsv1.ReplicaSet
	deploy  *appsv1.Deployment
	service *corev1.Service
	budget  *policyv1.PodDisruptionBudget
	slice   *discoveryv1.EndpointSlice
	more    []any
}

func newFixture() *fixture {
	f := &fixture{
		pod:     &corev1.Pod{ObjectMeta: objectMeta("pod", equal("app", "web", "tier", "front", "pod-template-hash", "abc"), ownedBy("apps/v1", "ReplicaSet", "set"))},
		set:     &appsv1.ReplicaSet{ObjectMeta: objectMeta("set", nil, ownedBy("apps/v1", "Deployment", "web"))},
		deploy:  &appsv1.Deployment{ObjectMeta: objectMeta("web", nil)},
		service: &corev1.Service{ObjectMeta: objectMeta("web", nil), Spec: corev1.ServiceSpec{Selector: equal("app", "web")}},
		budget:  &policyv1.PodDisruptionBudget{ObjectMeta: objectMeta("web", nil)},
		slice:   &discoveryv1.EndpointSlice{ObjectMeta: objectMeta("web-x", equal(discoveryv1.LabelServiceName, "web", discoveryv1.LabelManagedBy, keepers[0]))},
	}
	f.pod.Spec.NodeName = "old"
	f.pod.Status.PodIPs = []corev1.PodIP{{IP: "10.0.0.1"}}
	f.pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	f.set.Spec.Selector = &metav1.LabelSelector{MatchLabels: equal("app", "web", "pod-template-hash", "abc")}
	f.budget.Spec.Selector = &metav1.LabelSelector{MatchLabels: equal("tier", "front")}
	f.slice.Endpoints = []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}, TargetRef: &corev1.ObjectReference{Kind: "Pod", UID: "pod"}}}
	return f
}

func (f *fixture) view() *handover.View {
	objects := map[at]any{}
	for _, o := range append([]any{f.pod, f.set, f.deploy, f.service, f.budget, f.slice}, f.more...) {
		objects[at{kindAt(o), keyOf(o)}] = o
	}
	return scratch(objects).view
}

func (f *fixture) look() *handover.Pod { return f.view().Pods["pod"] }

// A pod was told to end its grace period ago, which need not be that of its spec.
func TestEnding(t *testing.T) {
	f, ends, given := newFixture(), metav1.NewTime(time.Unix(1000, 0)), int64(300)
	f.pod.DeletionTimestamp, f.pod.DeletionGracePeriodSeconds = &ends, &given
	if p := f.look(); !p.Deleting || !p.GoneBy.Equal(ends.Time) || !p.Told.Equal(time.Unix(700, 0)) {
		t.Errorf("told at %s to be gone by %s", p.Told, p.GoneBy)
	}
}

// A budget that the pod's own controller keeps is told from a person's.
func TestBudgetOfAnOperator(t *testing.T) {
	f := newFixture()
	if b := f.view().Budgets["apps/web"]; b == nil || b.Owner != "" {
		t.Errorf("a person's: %+v", b)
	}
	f.budget.OwnerReferences = []metav1.OwnerReference{{APIVersion: "postgresql.cnpg.io/v1", Kind: "Cluster", Name: "db", UID: "db"}}
	if b := f.view().Budgets["apps/web"]; b == nil || b.Owner != "db" {
		t.Errorf("the operator's: %+v", b)
	}
}

// A grace period that the user names is the time that all pods get.
func TestGraceOfTheUser(t *testing.T) {
	w, d := newWorld(func(string, topOwner) {}), 2*time.Second
	w.grace = &d
	if p := w.pod(newFixture().pod); p.Grace != d {
		t.Errorf("%s", p.Grace)
	}
}

// By its node ports a Service is found that others' target groups send to.
func TestNodePortsOfAService(t *testing.T) {
	f := newFixture()
	f.service.Spec.Ports = []corev1.ServicePort{{Port: 80, NodePort: 30080}, {Port: 443}, {Port: 8443, NodePort: 30443}}
	if s := f.view().Services["apps/web"]; s == nil || !slices.Equal(s.NodePorts, []int{30080, 30443}) {
		t.Errorf("%+v", s)
	}
}

// How a pod leaves its ReplicaSet and its Services is decided by who selects
// it by what; networks must select it as before, budgets should.
func TestHandleAndDoors(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*fixture)
		handle string
		doors  []string
	}{
		{"usual", func(*fixture) {}, "pod-template-hash", []string{"app"}},
		{"Service selects the hash", func(f *fixture) { f.service.Spec.Selector["pod-template-hash"] = "abc" }, "", []string{"app"}},
		{"Service selects only the hash", func(f *fixture) { f.service.Spec.Selector = equal("pod-template-hash", "abc") }, "app", []string{"pod-template-hash"}},
		{"budget selects by one of the Service's labels", func(f *fixture) {
			f.budget.Spec.Selector.MatchLabels = equal("app", "web")
			f.service.Spec.Selector["tier"] = "front"
		}, "pod-template-hash", []string{"tier"}},
		{"budget selects by the Service's only label", func(f *fixture) { f.budget.Spec.Selector.MatchLabels = equal("app", "web") }, "pod-template-hash", []string{"app"}},
		{"NetworkPolicy selects by the Service's only label", func(f *fixture) {
			f.more = append(f.more, &networkingv1.NetworkPolicy{ObjectMeta: objectMeta("web", nil), Spec: networkingv1.NetworkPolicySpec{PodSelector: metav1.LabelSelector{MatchLabels: equal("app", "web")}}})
		}, "pod-template-hash", nil},
		{"NetworkPolicy names it as a peer", func(f *fixture) {
			peer := networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{MatchLabels: equal("app", "web")}}
			f.more = append(f.more, &networkingv1.NetworkPolicy{ObjectMeta: objectMeta("db", nil), Spec: networkingv1.NetworkPolicySpec{
				PodSelector: metav1.LabelSelector{MatchLabels: equal("app", "db")}, Ingress: []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{peer}}},
			}})
		}, "pod-template-hash", nil},
		{"another controller would adopt it", func(f *fixture) {
			other := &appsv1.ReplicaSet{ObjectMeta: objectMeta("other", nil)}
			other.Spec.Selector = &metav1.LabelSelector{MatchLabels: equal("app", "web")}
			f.more = append(f.more, other)
		}, "", []string{"app"}},
		{"Recreate", func(f *fixture) { f.deploy.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType }, "", []string{"app"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture()
			c.change(f)
			p := f.look()
			if p.Handle != c.handle || !slices.Equal(p.Doors, c.doors) || (p.NoDoor == "") != (c.doors != nil) {
				t.Errorf("handle %q, doors %q, no door %q; want %q, %q", p.Handle, p.Doors, p.NoDoor, c.handle, c.doors)
			}
		})
	}
}

// A ReplicaSet stands for whatever owns it; what can hold a released pod must
// have a scale that the disruption controller can read.
func TestOwners(t *testing.T) {
	f := newFixture()
	w := f.view().Workloads["deployment/apps/web"]
	if w.Nature != handover.Replicated || w.Holder == nil || w.Holder.UID != "web" || f.look().Workload != w.Key() {
		t.Errorf("deployment: %+v", w)
	}
	zero, one := intstr.FromInt32(0), intstr.FromInt32(1)
	f.deploy.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{MaxSurge: &zero, MaxUnavailable: &one}
	if w = f.view().Workloads["deployment/apps/web"]; w.Surge != 0 {
		t.Errorf("maxSurge 0 became %d", w.Surge)
	}
	f.deploy.Spec.Strategy.RollingUpdate, f.deploy.Spec.Replicas = nil, new(int32(0))
	if w = f.view().Workloads["deployment/apps/web"]; w.Wants != 0 || w.Surge != 1 {
		t.Errorf("one that was scaled to none this moment may make %d in addition", w.Surge)
	}
	f.set.OwnerReferences = []metav1.OwnerReference{ownedBy("argoproj.io/v1alpha1", "Rollout", "web")}
	if w = f.view().Workloads["rollout.argoproj.io/apps/web"]; w.Nature != handover.Replicated || w.Holder != nil || w.Counted || w.Wants != 1 {
		t.Errorf("rollout, not asked yet: %+v", w)
	}
	f.more = nil
	objects := map[at]any{{kindAnswer, "rollout.argoproj.io/apps/web"}: &answer{uid: "web", wants: 3, counted: true, scalable: true}}
	for _, o := range []any{f.pod, f.set} {
		objects[at{kindAt(o), keyOf(o)}] = o
	}
	if w = scratch(objects).view.Workloads["rollout.argoproj.io/apps/web"]; w.Holder == nil || !w.Counted || w.Wants != 3 {
		t.Errorf("rollout, asked: %+v", w)
	}
	f.pod.OwnerReferences = []metav1.OwnerReference{ownedBy("postgresql.cnpg.io/v1", "Cluster", "db")}
	if w = f.view().Workloads["cluster.postgresql.cnpg.io/apps/db"]; w.Nature != handover.Operated || w.Counted || w.Wants != 1 {
		t.Errorf("operated: %+v", w)
	}
	f.set.OwnerReferences, f.pod.OwnerReferences = nil, []metav1.OwnerReference{ownedBy("apps/v1", "ReplicaSet", "set")}
	if w = f.view().Workloads["replicaset/apps/set"]; w.Nature != handover.Replicated || w.Holder != nil {
		t.Errorf("ReplicaSet without an owner: %+v", w)
	}
}

// TestSeveralReplicaSets: two with pods are a rollout to be waited for, unless their owner
// said that it has no /scale: an Argo Experiment has several for as long as it lasts.
func TestSeveralReplicaSets(t *testing.T) {
	one, key := int32(1), "experiment.argoproj.io/apps/web"
	view := func(a *answer) *handover.Workload {
		f := newFixture()
		f.set.OwnerReferences = []metav1.OwnerReference{ownedBy("argoproj.io/v1alpha1", "Experiment", "web")}
		f.set.Spec.Replicas = &one
		second := f.set.DeepCopy()
		second.Name, second.UID = "canary", "canary"
		objects := map[at]any{}
		for _, o := range []any{f.pod, f.set, second} {
			objects[at{kindAt(o), keyOf(o)}] = o
		}
		if a != nil {
			objects[at{kindAnswer, key}] = a
		}
		return scratch(objects).view.Workloads[key]
	}
	for name, c := range map[string]struct {
		answer *answer
		waits  bool
	}{
		"nothing is known yet":    {nil, true},
		"it may not be read":      {&answer{uid: "web"}, true},
		"it has a /scale":         {&answer{uid: "web", scalable: true}, true},
		"another of its name has": {&answer{uid: "another", unscaled: true}, true},
		"it has no /scale":        {&answer{uid: "web", unscaled: true}, false},
	} {
		if w := view(c.answer); (w.Rolling != "") != c.waits || w.Nature != handover.Replicated {
			t.Errorf("%s: %+v", name, w)
		}
	}
}

func TestOnce(t *testing.T) {
	none := int32(0)
	fail := &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{{
		Action: batchv1.PodFailurePolicyActionFailJob, OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}},
	}}}
	ignore := fail.DeepCopy()
	ignore.Rules[0].Action = batchv1.PodFailurePolicyActionIgnore
	for name, c := range map[string]struct {
		spec batchv1.JobSpec
		want bool
	}{
		"default": {batchv1.JobSpec{}, false}, "no retries": {batchv1.JobSpec{BackoffLimit: &none}, true},
		"policy fails": {batchv1.JobSpec{PodFailurePolicy: fail}, true}, "policy ignores": {batchv1.JobSpec{BackoffLimit: &none, PodFailurePolicy: ignore}, false},
	} {
		if got := failsIfEnded(&batchv1.Job{Spec: c.spec}); got != c.want {
			t.Errorf("%s: once is %v", name, got)
		}
	}
}

// An address that no controller keeps stays in its slice when the pod is gone.
func TestByHand(t *testing.T) {
	f := newFixture()
	if p := f.look(); len(p.Paths) != 1 || !p.Paths[0].Ready || !p.Paths[0].Selected || p.Paths[0].ByHand != "" {
		t.Errorf("kept by a controller: %+v", p.Paths)
	}
	f.slice.Endpoints[0].TargetRef, f.service.Spec.Selector = nil, nil
	if p := f.look(); len(p.Paths) != 1 || p.Paths[0].Selected || p.Paths[0].ByHand != "web-x" {
		t.Errorf("by hand: %+v", p.Paths)
	}
}

func TestVeils(t *testing.T) {
	f := newFixture()
	second := &policyv1.PodDisruptionBudget{ObjectMeta: objectMeta("web2", nil)}
	second.Spec.Selector = &metav1.LabelSelector{MatchLabels: equal("app", "web")}
	f.more = append(f.more, second)
	if p := f.look(); !slices.Equal(p.Budgets, []string{"web", "web2"}) || len(p.Veils) != 1 {
		t.Errorf("budgets %q, veils %q", p.Budgets, p.Veils)
	}
}

func TestGatesAndConsent(t *testing.T) {
	f := newFixture()
	f.pod.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "target-health"}}
	f.pod.Finalizers = []string{metav1.FinalizerDeleteDependents, "example.com/hold"}
	f.pod.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	f.deploy.Annotations = equal("drover.dev/keep", "true", handover.AcceptGapAnnotation, "true")
	p := f.look()
	if !slices.Equal(p.Gates, []string{"target-health"}) || !slices.Equal(p.Finalizers, []string{"example.com/hold"}) ||
		!p.Tolerates || p.DoNotDisrupt != "drover.dev/keep" || !p.AcceptGap || p.Expendable {
		t.Errorf("got %+v", p)
	}
}

// Whoever asked that a pod be left alone is heard, in whose words ever; the
// opposite of it is no such wish.
func TestWishesToBeLeftAlone(t *testing.T) {
	for _, c := range []struct{ annotation, value, keep string }{
		{"karpenter.sh/do-not-disrupt", "true", "karpenter.sh/do-not-disrupt"},
		{"cluster-autoscaler.kubernetes.io/safe-to-evict", "false", "cluster-autoscaler.kubernetes.io/safe-to-evict"},
		{"cluster-autoscaler.kubernetes.io/safe-to-evict", "true", ""},
		{"drover.dev/keep", "true", "drover.dev/keep"},
		{"drover.dev/keep", "false", ""},
	} {
		f := newFixture()
		f.pod.Annotations = equal(c.annotation, c.value)
		if got := f.look().DoNotDisrupt; got != c.keep {
			t.Errorf("%s=%s: kept by %q, want %q", c.annotation, c.value, got, c.keep)
		}
	}
}

// What keeps a pod serving as it ends is the hooks of the containers that serve.
func TestHooksOfWhoServes(t *testing.T) {
	container := func(port int32, sleep int64) corev1.Container {
		c := corev1.Container{}
		if port > 0 {
			c.Ports = []corev1.ContainerPort{{ContainerPort: port}}
		}
		if sleep > 0 {
			c.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: sleep}}}
		}
		return c
	}
	for name, c := range map[string]struct {
		containers []corev1.Container
		hook       bool
		sleeps     time.Duration
		longest    time.Duration
	}{
		"one":                         {[]corev1.Container{container(80, 10)}, true, 10 * time.Second, 10 * time.Second},
		"none has ports":              {[]corev1.Container{container(0, 10), container(0, 20)}, true, 10 * time.Second, 20 * time.Second},
		"only who ships logs":         {[]corev1.Container{container(80, 0), container(0, 30)}, false, 0, 30 * time.Second},
		"a proxy ends before it":      {[]corev1.Container{container(80, 30), container(15090, 5)}, true, 5 * time.Second, 30 * time.Second},
		"who serves, not who watches": {[]corev1.Container{container(80, 10), container(0, 0)}, true, 10 * time.Second, 10 * time.Second},
	} {
		var out handover.Pod
		hooks(c.containers, &out)
		if out.PreStop != c.hook || out.PreStopTime != c.sleeps || out.LongestHook != c.longest {
			t.Errorf("%s: hook %v, %s, longest %s", name, out.PreStop, out.PreStopTime, out.LongestHook)
		}
	}
}

// Ready says that a pod answers if what serves in it was asked.
func TestProbesOfWhoServes(t *testing.T) {
	ports := []corev1.ContainerPort{{ContainerPort: 80}}
	mute, ready, starts := corev1.Container{Ports: ports}, corev1.Container{Ports: ports, ReadinessProbe: &corev1.Probe{}}, corev1.Container{Ports: ports, StartupProbe: &corev1.Probe{}}
	logs, unnamed := corev1.Container{}, corev1.Container{ReadinessProbe: &corev1.Probe{}}
	for name, c := range map[string]struct {
		containers []corev1.Container
		probed     bool
	}{
		"a readiness probe":                 {[]corev1.Container{ready}, true},
		"a startup probe":                   {[]corev1.Container{starts}, true},
		"none":                              {[]corev1.Container{mute}, false},
		"one of two that serve":             {[]corev1.Container{ready, mute}, false},
		"beside one that ships logs":        {[]corev1.Container{ready, logs}, true},
		"only who ships logs has one":       {[]corev1.Container{mute, unnamed}, false},
		"none has ports, nor a probe":       {[]corev1.Container{logs}, false},
		"none has ports, and one has probe": {[]corev1.Container{logs, unnamed}, true},
	} {
		if got := probed(c.containers); got != c.probed {
			t.Errorf("%s: %v, want %v", name, got, c.probed)
		}
	}
}

func TestSleeps(t *testing.T) {
	for want, h := range map[time.Duration]*corev1.LifecycleHandler{
		20 * time.Second: {Sleep: &corev1.SleepAction{Seconds: 20}},
		15 * time.Second: {Exec: &corev1.ExecAction{Command: []string{"sh", "-c", "/bin/sleep 15"}}},
		0:                {Exec: &corev1.ExecAction{Command: []string{"nginx", "-s", "quit"}}},
	} {
		if got := sleeps(h); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A no about one object is a refusal; what every call meets is an outage.
func TestRefused(t *testing.T) {
	budget := apierrors.NewTooManyRequests("Cannot evict pod", 10)
	budget.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: policyv1.DisruptionBudgetCause, Message: "needs 2 healthy pods"}}
	status := func(code int32, message string) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Code: code, Message: message}}
	}
	for _, c := range []struct {
		err              error
		refusal, passing bool
	}{
		{budget, true, true},
		{status(500, "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."), true, true},
		{status(500, `admission webhook "drain" denied the request`), true, true},
		{status(500, "etcdserver: request timed out"), false, false},
		{status(429, "Eviction triggered evacuation of VMI"), true, true},
		{apierrors.NewTooManyRequests("slow down", 1), false, false},
		{status(403, `admission webhook "policy" denied the request`), true, false},
		{status(422, "invalid"), true, false},
		{status(401, "Unauthorized"), false, false},
		{status(503, "unavailable"), false, false},
		{errors.New("connection refused"), false, false},
	} {
		var r *handover.Refusal
		if is := errors.As(refused(c.err, "web"), &r); is != c.refusal || is && r.Passing != c.passing {
			t.Errorf("%v: got %+v", c.err, r)
		}
	}
}

// Two answers bound the offset better than one, and the clock never goes back.
func TestClock(t *testing.T) {
	ours := time.Unix(1000, 0)
	c := &clock{now: func() time.Time { return ours }}
	c.learn(time.Unix(1060, 0), ours, ours) // 60 to 61 s ahead
	ours = time.Unix(1000, 0).Add(500 * time.Millisecond)
	c.learn(time.Unix(1061, 0), ours, ours) // 60.5 to 61.5 s ahead
	before := c.Now()
	if off := before.Sub(ours); off != 60*time.Second+750*time.Millisecond {
		t.Errorf("ahead by %s", off)
	}
	c.learn(time.Unix(1030, 0), ours, ours) // it was set back
	if c.Now().Before(before) {
		t.Error("went back")
	}
}

// Only the controller is replaced, and only our taint.
func TestReownAndTaint(t *testing.T) {
	owners := []metav1.OwnerReference{ownedBy("apps/v1", "ReplicaSet", "set"), {Kind: "ConfigMap", UID: "other"}}
	if got := reown(owners, handover.Owner{UID: "web"}); len(got) != 2 {
		t.Errorf("got %v", got)
	}
	theirs := []corev1.Taint{{Key: "gpu"}}
	with, _ := taint(theirs, true, time.Now())
	without, differ := taint(with, false, time.Now())
	if len(with) != 2 || !differ || !slices.Equal(without, theirs) {
		t.Errorf("with %v, without %v", with, without)
	}
}

func TestRecordName(t *testing.T) {
	if recordName("web-1") != "drover-move-web-1" || recordName("Web 1") == recordName("web-1") {
		t.Error(recordName("Web 1"))
	}
	data, err := pack([]byte("{}"))
	if got, err2 := unpack(data); err != nil || err2 != nil || string(got) != "{}" {
		t.Error(string(got), err, err2)
	}
}

// Whatever in the cluster names a Service keeps a list of its pods: an Ingress, and
// each kind of route that is watched. How far its proxies may be behind is known of each.
func TestRoutesToServices(t *testing.T) {
	f, want := newFixture(), []string{}
	for _, k := range kinds {
		if k.routes == nil {
			continue
		}
		f.more, want = append(f.more, routeTo(t, k, objectMeta("by", nil), "web")), append(want, k.route()+"/apps/by")
		if !slices.Contains(handover.RouteKinds(), k.route()) {
			t.Errorf("no row of bounds (internal/handover/settle.go) has %q among its routes: nobody waits for its proxies", k.route())
		}
	}
	slices.Sort(want)
	if got := f.view().Services["apps/web"].Routes; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if len(want) != len(handover.RouteKinds()) {
		t.Errorf("%d kinds route, and the rows of bounds have %q", len(want), handover.RouteKinds())
	}
}

// routeSpecs is, of each kind that routes, the spec of an object that routes to one
// Service of its own namespace: %s. What is drawn in property tests is made of it, too.
var routeSpecs = map[string]string{
	"ingress":   "rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: %q, port: {number: 80}}}}]}}]",
	"httproute": gatewayRoute, "grpcroute": gatewayRoute, "tlsroute": gatewayRoute, "tcproute": gatewayRoute, "udproute": gatewayRoute,
}

const gatewayRoute = "rules: [{backendRefs: [{name: %q}, {kind: Bucket, name: files}]}]"

// routeTo is an object of the kind that routes to the Service.
func routeTo(t failing, k kind, m metav1.ObjectMeta, service string) any {
	spec, known := routeSpecs[k.route()]
	if !known {
		t.Fatalf("routeSpecs has no object of kind %s", k.route())
	}
	api := "networking.k8s.io/v1"
	if k.optional.Group != "" {
		api = k.optional.GroupVersion().String()
	}
	o := parsed(t, "apiVersion: "+api+"\nkind: "+k.name+"\nspec: {"+fmt.Sprintf(spec, service)+"}")
	dub(o.(metav1.Object), m)
	return o
}

// dub gives an object its name, and what else of the metadata counts.
func dub(o metav1.Object, m metav1.ObjectMeta) {
	o.SetNamespace(m.Namespace)
	o.SetName(m.Name)
	o.SetUID(m.UID)
	o.SetLabels(m.Labels)
	o.SetAnnotations(m.Annotations)
	o.SetOwnerReferences(m.OwnerReferences)
}

// A kind of which the view has nothing is watched all the same: who wants it reads its store.
func TestKindThatOnlyItsStoreHas(t *testing.T) {
	before := kinds
	defer func() { kinds = before }()
	kinds = append(slices.Clone(kinds), kind{name: "Thing", optional: crd("example.com", "v1", "things")})
	f := newFixture()
	f.more = append(f.more, parsed(t, "apiVersion: example.com/v1\nkind: Thing\nmetadata: {namespace: apps, name: web}"))
	if v := f.view(); len(v.Pods) != 1 {
		t.Errorf("%d pods", len(v.Pods))
	}
}

// The target groups of a Service are those that bindings of either controller name.
func TestTargetGroupsOfAService(t *testing.T) {
	for _, api := range []string{"elbv2.k8s.aws/v1beta1", "eks.amazonaws.com/v1"} {
		f := newFixture()
		f.more = append(f.more, parsed(t, "apiVersion: "+api+"\nkind: TargetGroupBinding\nmetadata: {namespace: apps, name: web}\n"+
			"spec: {targetGroupARN: arn:web, serviceRef: {name: web, port: 80}}"))
		if got := f.view().Services["apps/web"].TargetGroups; !slices.Equal(got, []string{"arn:web"}) {
			t.Errorf("%s: %q", api, got)
		}
	}
}

// Pods that work until they are done are waited for, whoever makes them; those of
// kinds that are known to serve without end are not.
func TestPodsThatWorkUntilTheyAreDone(t *testing.T) {
	for _, c := range []struct {
		api, kind string
		restart   corev1.RestartPolicy
		want      handover.Nature
	}{
		{"tekton.dev/v1", "TaskRun", corev1.RestartPolicyNever, handover.Runs},
		{"argoproj.io/v1alpha1", "Workflow", corev1.RestartPolicyOnFailure, handover.Runs},
		{"postgresql.cnpg.io/v1", "Cluster", corev1.RestartPolicyAlways, handover.Operated},
		{"kubevirt.io/v1", "VirtualMachineInstance", corev1.RestartPolicyNever, handover.Operated},
	} {
		f := newFixture()
		f.pod.OwnerReferences = []metav1.OwnerReference{ownedBy(c.api, c.kind, "own")}
		f.pod.Spec.RestartPolicy = c.restart
		v := f.view()
		if w := v.Workloads[v.Pods["pod"].Workload]; w == nil || w.Nature != c.want {
			t.Errorf("%s: %+v", c.kind, w)
		}
	}
}

// A Service that asks for a pod's name, or place, has no other pod to send to.
func TestServiceOfOnePod(t *testing.T) {
	for selects, own := range map[string]bool{"app": false, "statefulset.kubernetes.io/pod-name": true, "strimzi.io/pod-name": true, appsv1.PodIndexLabel: true} {
		f := newFixture()
		f.pod.Labels["statefulset.kubernetes.io/pod-name"], f.pod.Labels["strimzi.io/pod-name"], f.pod.Labels[appsv1.PodIndexLabel] = "pod", "pod", "0"
		f.service.Spec.Selector = equal(selects, f.pod.Labels[selects])
		if p := f.look(); len(p.Paths) != 1 || !p.Paths[0].Selected || p.Paths[0].Own != own {
			t.Errorf("by %s: %+v", selects, p.Paths)
		}
	}
}

// Two pods that use what only one node can have hold each other there.
func TestSharedVolumesAndDevices(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(f *fixture, other *corev1.Pod, claim *corev1.PersistentVolumeClaim)
		shares string
	}{
		{"both on its node", func(*fixture, *corev1.Pod, *corev1.PersistentVolumeClaim) {}, "its volume data can be attached to one node only, and pod other uses it as well"},
		{"another node", func(_ *fixture, other *corev1.Pod, _ *corev1.PersistentVolumeClaim) { other.Spec.NodeName = "new" }, ""},
		{"many nodes may attach it", func(_ *fixture, _ *corev1.Pod, claim *corev1.PersistentVolumeClaim) {
			claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
		}, ""},
		{"the other one works until it is done", func(_ *fixture, other *corev1.Pod, _ *corev1.PersistentVolumeClaim) {
			other.Spec.RestartPolicy = corev1.RestartPolicyNever
		}, ""},
		{"a StatefulSet's", func(f *fixture, _ *corev1.Pod, _ *corev1.PersistentVolumeClaim) {
			f.pod.OwnerReferences = []metav1.OwnerReference{ownedBy("apps/v1", "StatefulSet", "db")}
			f.more = append(f.more, &appsv1.StatefulSet{ObjectMeta: objectMeta("db", nil)})
		}, "its volume data can be attached to one node only, and pod other uses it as well"},
		{"a device", func(f *fixture, other *corev1.Pod, _ *corev1.PersistentVolumeClaim) {
			gpu := "gpu"
			for _, p := range []*corev1.Pod{f.pod, other} {
				p.Spec.Volumes, p.Spec.ResourceClaims = nil, []corev1.PodResourceClaim{{Name: "gpu", ResourceClaimName: &gpu}}
			}
		}, "its ResourceClaim gpu is allocated on one node, and pod other uses it as well"},
	} {
		f := newFixture()
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: objectMeta("data", nil)}
		claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
		f.pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
		other := f.pod.DeepCopy()
		other.Name, other.UID = "other", "other"
		c.change(f, other, claim)
		f.more = append(f.more, other, claim)
		if p := f.look(); p.Shares != c.shares {
			t.Errorf("%s: %q", c.name, p.Shares)
		}
	}
}

// What a pod can write to a directory of its node stays there when the pod moves.
func TestFilesThatStayOnTheNode(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(v *corev1.Volume, m *corev1.VolumeMount)
		keeps  string
	}{
		{"its own", func(*corev1.Volume, *corev1.VolumeMount) {}, "/data"},
		{"only read", func(_ *corev1.Volume, m *corev1.VolumeMount) { m.ReadOnly = true }, ""},
		{"the node's", func(v *corev1.Volume, _ *corev1.VolumeMount) { v.HostPath.Path = "/var/run/docker" }, ""},
		{"a socket", func(v *corev1.Volume, _ *corev1.VolumeMount) {
			socket := corev1.HostPathSocket
			v.HostPath.Type = &socket
		}, ""},
		{"by a claim", func(v *corev1.Volume, _ *corev1.VolumeMount) {
			v.HostPath, v.PersistentVolumeClaim = nil, &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}
		}, "/mnt/data"},
	} {
		f := newFixture()
		v := corev1.Volume{Name: "v", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/data"}}}
		m := corev1.VolumeMount{Name: "v"}
		c.change(&v, &m)
		f.pod.Spec.Volumes, f.pod.Spec.Containers = []corev1.Volume{v}, []corev1.Container{{VolumeMounts: []corev1.VolumeMount{m}}}
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: objectMeta("data", nil), Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "data"}}
		volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "data"}}
		volume.Spec.HostPath = &corev1.HostPathVolumeSource{Path: "/mnt/data"}
		f.more = append(f.more, claim, volume)
		if p := f.look(); p.HostPath != c.keeps {
			t.Errorf("%s: %q", c.name, p.HostPath)
		}
	}
}

// An annotation that names a time forbids disruption for so long from the pod's start.
func TestDisruptionForbiddenForAWhile(t *testing.T) {
	began := metav1.NewTime(time.Unix(1000, 0))
	for value, until := range map[string]time.Time{"30m": began.Add(30 * time.Minute), "true": {}, "": {}, "soon": {}} {
		f := newFixture()
		f.pod.Status.StartTime = &began
		f.deploy.Spec.Template.Annotations = equal("karpenter.sh/do-not-disrupt", value)
		if p := f.look(); !p.KeptUntil.Equal(until) || (p.DoNotDisrupt != "") != (value == "true") {
			t.Errorf("%q: until %s, kept by %q", value, p.KeptUntil, p.DoNotDisrupt)
		}
	}
}

// A node is set up once the taints are gone with which it starts, whoever removes them.
func TestStartupTaints(t *testing.T) {
	for key, set := range map[string]bool{
		"ebs.csi.aws.com/agent-not-ready": false, "kubeip.com/not-ready": false, corev1.TaintNodeNotReady: false, "karpenter.sh/unregistered": false,
		"startup-taint.cluster-autoscaler.kubernetes.io/gpu": false, "readiness.k8s.io/network": false, "dedicated": true,
	} {
		if got := initialized(&corev1.Node{Spec: corev1.NodeSpec{Taints: []corev1.Taint{{Key: key, Effect: corev1.TaintEffectNoSchedule}}}}); got != set {
			t.Errorf("%s: %t", key, got)
		}
	}
}

// Load balancers send to pods themselves where they are told to, or have no other way.
func TestServicesWhoseLoadBalancersSendToPods(t *testing.T) {
	port := []corev1.ServicePort{{Port: 80, NodePort: 30080}}
	for _, c := range []struct {
		name string
		is   bool
		s    corev1.ServiceSpec
		tags map[string]string
	}{
		{"nodes", false, corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: port}, nil},
		{"told", true, corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: port}, equal("service.beta.kubernetes.io/aws-load-balancer-nlb-target-type", "ip")},
		{"told of nodes", false, corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: port}, equal("service.beta.kubernetes.io/aws-load-balancer-nlb-target-type", "instance")},
		{"told long ago", true, corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: port}, equal("service.beta.kubernetes.io/aws-load-balancer-type", "nlb-ip")},
		{"no node ports", true, corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: []corev1.ServicePort{{Port: 80}}}, nil},
		{"no load balancer", false, corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Ports: []corev1.ServicePort{{Port: 80}}}, nil},
	} {
		f := newFixture()
		f.service.Spec.Type, f.service.Spec.Ports, f.service.Annotations = c.s.Type, c.s.Ports, c.tags
		if s := f.view().Services["apps/web"]; s.ToPods != c.is {
			t.Errorf("%s: %t", c.name, s.ToPods)
		}
	}
}

// What external-dns publishes is used for as long as its records hold: addresses of pods,
// or of nodes, among which nobody can ask clients to choose others.
func TestServicesThatExternalDNSPublishes(t *testing.T) {
	for _, c := range []struct {
		name      string
		change    func(*corev1.Service)
		published time.Duration
		hosts     []string
	}{
		{"no", func(s *corev1.Service) { s.Annotations = nil }, 0, nil},
		{"its pods", func(*corev1.Service) {}, settled, nil},
		{"for long", func(s *corev1.Service) { s.Annotations["external-dns.alpha.kubernetes.io/ttl"] = "3600" }, time.Hour + time.Minute, nil},
		{"its nodes", func(s *corev1.Service) { s.Spec.ClusterIP, s.Spec.Type = "10.1.0.1", corev1.ServiceTypeNodePort }, 0, []string{"a.example.com", "b.example.com"}},
		{"its load balancer", func(s *corev1.Service) { s.Spec.ClusterIP, s.Spec.Type = "10.1.0.1", corev1.ServiceTypeLoadBalancer }, 0, nil},
	} {
		f := newFixture()
		f.service.Annotations = equal("external-dns.alpha.kubernetes.io/hostname", "a.example.com, b.example.com")
		f.service.Spec.ClusterIP = corev1.ClusterIPNone
		c.change(f.service)
		if s := f.view().Services["apps/web"]; s.Published != c.published || !slices.Equal(s.Hosts, c.hosts) {
			t.Errorf("%s: %s, %q", c.name, s.Published, s.Hosts)
		}
	}
}

// settled is how long records hold if nobody says otherwise.
const settled = 6 * time.Minute

// Selectors that no other node ever fits are read from both of their places.
func TestPinsOfAPod(t *testing.T) {
	f := newFixture()
	f.pod.Spec.NodeSelector = equal("eks.amazonaws.com/nodegroup", "web", "pool", "a")
	f.pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
			{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{"old"}}, {Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpIn, Values: []string{"a", "b"}},
		}}},
	}}}
	want := equal("eks.amazonaws.com/nodegroup", "web", corev1.LabelHostname, "old")
	if p := f.look(); !maps.Equal(p.Pins, want) {
		t.Errorf("%v", p.Pins)
	}
}

// A volume of a DaemonSet's pod goes with its node: nobody waits for its detach.
func TestVolumesOfDaemonsStayWithTheirNode(t *testing.T) {
	for kind, waited := range map[string]bool{"DaemonSet": false, "StatefulSet": true} {
		f := newFixture()
		name := "data"
		f.pod.OwnerReferences = []metav1.OwnerReference{ownedBy("apps/v1", kind, "own")}
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: objectMeta("pod-scratch", nil, ownedBy("v1", "Pod", "pod")), Spec: corev1.PersistentVolumeClaimSpec{VolumeName: name}}
		volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}}
		volume.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "apps", Name: "pod-scratch"}
		attachment := &storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: "csi-1"}}
		attachment.Spec.NodeName, attachment.Spec.Source.PersistentVolumeName = "old", &name
		f.more = append(f.more, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "old"}}, claim, volume, attachment)
		if n := f.view().Nodes["old"]; (len(n.Volumes) > 0) != waited {
			t.Errorf("%s: %v", kind, n.Volumes)
		}
	}
}

// An owner has no /scale if it was read and the API server knows of none: who may not
// read it does not know.
func TestWhoHasNoScale(t *testing.T) {
	experiments := schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "experiments"}
	o := handover.Owner{API: "argoproj.io/v1alpha1", Kind: "Experiment", Name: "web", UID: "web"}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(experiments.GroupVersion().WithKind(o.Kind), meta.RESTScopeNamespace)
	for name, c := range map[string]struct {
		refused            error // the read of its /scale
		scalable, unscaled bool
	}{
		"there is one":     {nil, true, false},
		"there is none":    {apierrors.NewNotFound(experiments.GroupResource(), "web"), false, true},
		"it is forbidden":  {apierrors.NewForbidden(experiments.GroupResource(), "web", nil), false, false},
		"it takes no read": {apierrors.NewMethodNotSupported(experiments.GroupResource(), "get"), false, true},
	} {
		experiment := &unstructured.Unstructured{Object: map[string]any{"apiVersion": o.API, "kind": o.Kind, "metadata": map[string]any{"namespace": "apps", "name": "web", "uid": "web"}}}
		d := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{experiments: "ExperimentList"}, experiment)
		d.PrependReactor("get", "experiments/scale", func(k8stesting.Action) (bool, runtime.Object, error) {
			return c.refused != nil, nil, c.refused
		})
		a, err := newAsker(d, mapper, nil).look(t.Context(), newTopOwner("apps", o, true))
		if err != nil || a.scalable != c.scalable || a.unscaled != c.unscaled {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}
