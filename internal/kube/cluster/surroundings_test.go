package cluster

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/droverhq/drover/internal/fieldtest"
	"github.com/droverhq/drover/internal/handover"
)

// opened is a Cluster in front of a fake API server that holds the objects. Of the kinds
// that CRDs define it serves those that some of the objects are of.
func opened(t *testing.T, objects ...runtime.Object) (*Cluster, *fake.Clientset) {
	t.Helper()
	var own, foreign []runtime.Object
	lists, served := map[schema.GroupVersionResource]string{}, []*metav1.APIResourceList{}
	for _, o := range objects {
		u, is := o.(*custom)
		if !is {
			own = append(own, o)
			continue
		}
		r := kinds[kindAt(u)].optional
		foreign, lists[r] = append(foreign, u), u.GetKind()+"List"
		served = append(served, &metav1.APIResourceList{GroupVersion: r.GroupVersion().String(), APIResources: []metav1.APIResource{{Name: r.Resource, Kind: u.GetKind()}}})
	}
	client := fake.NewClientset(own...)
	client.Resources = served
	ctx, cancel := context.WithCancel(t.Context())
	c := newCluster(client, dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists, foreign...), newClock(), ctx.Done(), cancel)
	t.Cleanup(c.Close)
	if err := c.fill(ctx, ctx); err != nil {
		t.Fatal(err)
	}
	return c, client
}

func aroundOf(t *testing.T, objects ...runtime.Object) handover.Surroundings {
	t.Helper()
	c, _ := opened(t, objects...)
	s, err := c.Surroundings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func running(namespace, name, image string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(namespace + "-" + name), Labels: map[string]string{"app": name}}}
	p.Spec.Containers = []corev1.Container{{Name: "c", Image: image}}
	p.Status.Phase = corev1.PodRunning
	return p
}

// A webhook counts if a call about the pod fails without its answer.
func TestWebhooksAroundAPod(t *testing.T) {
	for name, tt := range map[string]struct {
		change  func(*admissionv1.ValidatingWebhook)
		want    bool
		perhaps bool
	}{
		"creation of pods": {func(*admissionv1.ValidatingWebhook) {}, true, false},
		"evictions":        {func(w *admissionv1.ValidatingWebhook) { w.Rules[0].Resources = []string{"pods/eviction"} }, true, false},
		"everything":       {func(w *admissionv1.ValidatingWebhook) { w.Rules[0].Resources = []string{"*/*"} }, true, false},
		"deployments":      {func(w *admissionv1.ValidatingWebhook) { w.Rules[0].Resources = []string{"deployments"} }, false, false},
		"deletion": {func(w *admissionv1.ValidatingWebhook) {
			w.Rules[0].Operations = []admissionv1.OperationType{admissionv1.Delete}
		}, false, false},
		"it may fail":            {func(w *admissionv1.ValidatingWebhook) { w.FailurePolicy = ptr(admissionv1.Ignore) }, false, false},
		"at a URL":               {func(w *admissionv1.ValidatingWebhook) { w.ClientConfig.Service = nil }, false, false},
		"this namespace":         {func(w *admissionv1.ValidatingWebhook) { w.NamespaceSelector = picking("team", "a") }, true, false},
		"another namespace":      {func(w *admissionv1.ValidatingWebhook) { w.NamespaceSelector = picking("team", "b") }, false, false},
		"other pods":             {func(w *admissionv1.ValidatingWebhook) { w.ObjectSelector = picking("app", "other") }, false, false},
		"with further condition": {func(w *admissionv1.ValidatingWebhook) { w.MatchConditions = []admissionv1.MatchCondition{{Name: "x"}} }, true, true},
		"evictions, by labels": {func(w *admissionv1.ValidatingWebhook) {
			w.Rules[0].Resources, w.ObjectSelector = []string{"pods/eviction"}, picking("app", "web") // an Eviction has none
		}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := admissionv1.ValidatingWebhook{
				Name: "pods.example.com", ClientConfig: admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{Namespace: "sys", Name: "hook"}},
				Rules: []admissionv1.RuleWithOperations{{
					Operations: []admissionv1.OperationType{admissionv1.Create},
					Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
				}},
			}
			tt.change(&w)
			s := aroundOf(t, running("apps", "web", "web:1"),
				&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "apps", Labels: map[string]string{"team": "a"}}},
				&admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "policy"}, Webhooks: []admissionv1.ValidatingWebhook{w}})
			if got := len(s.Webhooks) == 1 && s.Webhooks[0].Pods["apps-web"]; got != tt.want {
				t.Fatalf("%+v", s.Webhooks)
			}
			if tt.want && (len(s.Webhooks[0].Ready) > 0 || s.Webhooks[0].Perhaps != tt.perhaps || s.Webhooks[0].Service != "sys/hook") {
				t.Errorf("%+v", s.Webhooks[0])
			}
		})
	}
}

func picking(key, value string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{key: value}}
}

func ptr[T any](v T) *T { return &v }

// Who answers for a webhook are the ready endpoints of its Service.
func TestWebhookAnswers(t *testing.T) {
	rules := []admissionv1.RuleWithOperations{{
		Operations: []admissionv1.OperationType{"*"}, Rule: admissionv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"*"}},
	}}
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "sys", Name: "hook-x", Labels: map[string]string{discoveryv1.LabelServiceName: "hook"}}}
	for uid, ready := range map[types.UID]bool{"a": true, "b": false} {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Conditions: discoveryv1.EndpointConditions{Ready: &ready}, TargetRef: &corev1.ObjectReference{UID: uid}})
	}
	s := aroundOf(t, running("apps", "web", "web:1"), slice, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "apps"}},
		&admissionv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "inject"}, Webhooks: []admissionv1.MutatingWebhook{{
			Name: "i.example.com", Rules: rules, ClientConfig: admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{Namespace: "sys", Name: "hook"}},
		}}})
	if len(s.Webhooks) != 1 || len(s.Webhooks[0].Ready) != 1 || s.Webhooks[0].Ready[0] != "a" || !strings.Contains(s.Webhooks[0].Cure, "mutatingwebhookconfiguration inject") {
		t.Errorf("%+v", s.Webhooks)
	}
}

func TestAutoscalersAround(t *testing.T) {
	node := func(name string, labels map[string]string) *corev1.Node {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Labels: labels}}
	}
	nodes := []runtime.Object{
		node("plain", nil), node("pool", map[string]string{karpenterLabel: "default"}),
	}
	s := aroundOf(t, append(nodes, running("kube-system", "ca", "registry.k8s.io/autoscaling/cluster-autoscaler:v1.35.0"))...)
	if len(s.NodeEnders) != 2 {
		t.Fatalf("%+v", s.NodeEnders)
	}
	ca, karpenter := s.NodeEnders[0], s.NodeEnders[1]
	if len(ca.Nodes) != 1 || !ca.Nodes["plain"] || ca.Where != "pod kube-system/ca" || len(karpenter.Nodes) != 1 || !karpenter.Nodes["pool"] {
		t.Errorf("%+v", s.NodeEnders)
	}
	if s := aroundOf(t, node("plain", nil)); len(s.NodeEnders) > 0 {
		t.Errorf("out of nothing: %+v", s.NodeEnders)
	}
}

func TestSchedulersAround(t *testing.T) {
	web := func() *corev1.Pod { p := running("apps", "web", "web:1"); p.Spec.SchedulerName = "volcano"; return p }
	by := func(change func(*corev1.Pod)) *corev1.Pod {
		p := running("sys", "x", "x:1")
		change(p)
		return p
	}
	for name, tt := range map[string]struct {
		also runtime.Object
		want handover.Scheduler
	}{
		"nobody":       {by(func(*corev1.Pod) {}), handover.Scheduler{}},
		"a lease":      {&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "sys", Name: "volcano"}}, handover.Scheduler{Seen: "lease sys/volcano"}},
		"a pod's name": {running("sys", "volcano-scheduler-1", "x:1"), handover.Scheduler{Seen: "pod sys/volcano-scheduler-1"}},
		"an argument":  {by(func(p *corev1.Pod) { p.Spec.Containers[0].Args = []string{"--scheduler-name=volcano"} }), handover.Scheduler{Seen: "pod sys/x"}},
		"its own pods": {by(func(p *corev1.Pod) { p.Name, p.Spec.SchedulerName = "volcano-job", "volcano" }), handover.Scheduler{}},
		"perhaps":      {running("sys", "second", "r.example/kube-scheduler:v1.35.0"), handover.Scheduler{Perhaps: "pod sys/second"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, asked := aroundOf(t, web(), tt.also).Schedulers["volcano"]; !asked || got != tt.want {
				t.Errorf("%+v", got)
			}
		})
	}
	if s := aroundOf(t, running("apps", "web", "web:1")); len(s.Schedulers) > 0 {
		t.Errorf("%+v", s.Schedulers)
	}
}

func TestImagesThatAreGone(t *testing.T) {
	failing := func(namespace, image, message string) *corev1.Pod {
		p := running(namespace, "new", image)
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "c", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: message}}}}
		return p
	}
	for name, tt := range map[string]struct {
		failing *corev1.Pod
		want    bool
	}{
		"gone":                         {failing("other", "web:1", "web:1: not found"), true},
		"no right in its namespace":    {failing("apps", "web:1", "403 Forbidden"), true},
		"no right in another":          {failing("other", "web:1", "403 Forbidden"), false},
		"another image":                {failing("apps", "web:2", "web:2: not found"), false},
		"a sentinel's, never to be":    {sentinelLike(failing("other", "web:1", "web:1: not found")), false},
		"one that starts for the time": {running("apps", "new", "web:1"), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := aroundOf(t, running("apps", "web", "web:1"), tt.failing).Unpulled["apps-web"]; (got != "") != tt.want {
				t.Errorf("%q", got)
			}
		})
	}
}

// The kubelet passes over pull secrets that are not there: told if none of them is.
func TestPullSecretsThatAreNotThere(t *testing.T) {
	there := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "there"}}
	for names, want := range map[string]string{"": "", "there": "", "gone": "gone", "gone there": "", "gone lost": "gone, lost"} {
		p := running("apps", "web", "web:1")
		for _, name := range strings.Fields(names) {
			p.Spec.ImagePullSecrets = append(p.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: name})
		}
		if got := aroundOf(t, p, there).Keyless["apps-web"]; got != want {
			t.Errorf("%q: %q", names, got)
		}
	}
}

func sentinelLike(p *corev1.Pod) *corev1.Pod {
	p.Labels[handover.SentinelLabel] = "node"
	return p
}

func TestExecProbesAround(t *testing.T) {
	p := running("apps", "web", "web:1")
	p.Spec.Containers[0].ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{}}}
	if s := aroundOf(t, p, running("apps", "other", "x:1")); !s.ExecProbes["apps-web"] || s.ExecProbes["apps-other"] {
		t.Errorf("%+v", s.ExecProbes)
	}
}

func labelledNode(name string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Labels: map[string]string{groupLabel: name, corev1.LabelInstanceTypeStable: "t3.large"}}}
}

// timed is a CronJob whose pods select a group of nodes; empty: none.
func timed(name, group string) *batchv1.CronJob {
	c := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name, UID: types.UID(name)}}
	if group != "" {
		c.Spec.JobTemplate.Spec.Template.Spec.NodeSelector = map[string]string{groupLabel: group, corev1.LabelInstanceTypeStable: "t3.large"}
	}
	return c
}

// Templates count whose pods are not there, and that select nodes.
func TestPodsThatComeLaterAround(t *testing.T) {
	wants := func(n int32) *appsv1.Deployment {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web", UID: "web"}}
		d.Spec.Replicas, d.Spec.Template.Spec.NodeSelector = &n, map[string]string{groupLabel: "old"}
		return d
	}
	none := int32(0)
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "db", UID: "db"}, Spec: appsv1.StatefulSetSpec{Replicas: &none, Template: wants(0).Spec.Template}}
	tainted := labelledNode("old")
	tainted.Name, tainted.Spec.Taints = "tainted", []corev1.Taint{{Key: "dedicated", Effect: corev1.TaintEffectNoSchedule}}
	for name, c := range map[string]struct {
		objects []runtime.Object
		want    string
	}{
		"a CronJob":                 {[]runtime.Object{timed("report", "old")}, "cronjob/apps/report"},
		"one that selects no nodes": {[]runtime.Object{timed("report", "")}, ""},
		"scaled to nothing":         {[]runtime.Object{wants(0)}, "deployment/apps/web"},
		"… a StatefulSet":           {[]runtime.Object{set}, "statefulset/apps/db"},
		"its pods are there":        {[]runtime.Object{wants(1)}, ""},
	} {
		got := ""
		for _, l := range aroundOf(t, append(c.objects, labelledNode("old"), labelledNode("new"), tainted)...).Later {
			got += l.Workload
			if l.Group != "old" || !maps.Equal(l.Fits, map[string]bool{"old": true}) {
				t.Errorf("%s: %+v", name, l)
			}
		}
		if got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// In a cluster that has everything, every field is filled: one that nobody fills would
// make a check that never finds anything.
func TestEveryFieldOfTheSurroundingsIsFilled(t *testing.T) {
	web := running("apps", "web", "web:1")
	web.Spec.SchedulerName = "volcano"
	web.Spec.Containers[0].ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{}}}
	trains := running("apps", "trains", "trains:1")
	trains.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "gone"}}
	trains.Spec.SchedulerName = "kueue"
	pulling := running("apps", "new", "web:1")
	pulling.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "c", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "web:1: not found"}}}}
	answers := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "sys", Name: "hook-x", Labels: map[string]string{discoveryv1.LabelServiceName: "hook"}},
		Endpoints: []discoveryv1.Endpoint{{TargetRef: &corev1.ObjectReference{UID: "a"}}}}
	hook := &admissionv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "inject"}, Webhooks: []admissionv1.MutatingWebhook{{
		Name: "i.example.com", MatchConditions: []admissionv1.MatchCondition{{Name: "x"}}, ClientConfig: admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{Namespace: "sys", Name: "hook"}},
		Rules: []admissionv1.RuleWithOperations{{
			Operations: []admissionv1.OperationType{"*"}, Rule: admissionv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"*"}},
		}},
	}}}
	s := aroundOf(t, timed("report", "plain"), web, trains, pulling, answers, hook, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "apps"}}, labelledNode("plain"),
		running("kube-system", "ca", "registry.k8s.io/autoscaling/cluster-autoscaler:v1.35.0"),
		&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "sys", Name: "kueue"}}, running("sys", "second", "r.example/kube-scheduler:v1.35.0"))
	if got := fieldtest.Empty([]handover.Surroundings{s}); !slices.Equal(got, []string{"Forbidden"}) { // here all may be listed
		t.Errorf("nobody fills %q", got)
	}
}

// A kind that a CRD defines, and of which the view has nothing, is watched by its line in
// kinds: what tells of the surroundings reads its store, which is there if it is served.
func TestSurroundingsOfWhatCRDsDefine(t *testing.T) {
	before := kinds
	defer func() { kinds = before }()
	kindThing := len(kinds)
	kinds = append(slices.Clone(kinds), kind{name: "Thing", optional: crd("example.com", "v1", "things")})
	if c, _ := opened(t); c.stores[kindThing] != nil {
		t.Error("it is not served, and has a store")
	}
	thing := &custom{Object: map[string]any{"apiVersion": "example.com/v1", "kind": "Thing"}}
	dub(thing, objectMeta("web", nil))
	c, _ := opened(t, thing)
	if got := c.stores[kindThing].ListKeys(); !slices.Equal(got, []string{"apps/web"}) {
		t.Errorf("its store has %q", got)
	}
	if s, err := c.Surroundings(t.Context()); err != nil || len(s.Forbidden) > 0 {
		t.Errorf("%q may not be listed: %v", s.Forbidden, err)
	}
}

// What may not be listed is left out and named; what fails is an error.
func TestSurroundingsThatCannotBeListed(t *testing.T) {
	resource := schema.GroupResource{Resource: "validatingwebhookconfigurations"}
	for name, tt := range map[string]struct {
		answer error
		fails  bool
	}{
		"no right":  {apierrors.NewForbidden(resource, "", errors.New("no")), false},
		"no answer": {errors.New("connection refused"), true},
	} {
		t.Run(name, func(t *testing.T) {
			c, client := opened(t)
			client.PrependReactor("list", resource.Resource, func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, tt.answer })
			s, err := c.Surroundings(t.Context())
			if (err != nil) != tt.fails {
				t.Error(err)
			}
			if !tt.fails && !slices.Equal(s.Forbidden, []string{resource.Resource}) {
				t.Errorf("told as forbidden: %v", s.Forbidden)
			}
		})
	}
}
