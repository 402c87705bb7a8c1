package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/droverhq/drover/internal/handover"
)

// server is an API server that gives prepared answers: by method and path, each
// in its turn, the last one for ever.
type server struct {
	mu      sync.Mutex
	answers map[string][]any // an object, or a *StatusError
	got     []string         // method, path and body of each request
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	key := r.Method + " " + r.URL.Path
	s.got = append(s.got, key+" "+string(body))
	var answer any = apierrors.NewNotFound(corev1.Resource("pods"), "x")
	if list := s.answers[key]; len(list) > 0 {
		answer = list[0]
		if len(list) > 1 {
			s.answers[key] = list[1:]
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if status, is := answer.(*apierrors.StatusError); is {
		w.WriteHeader(int(status.ErrStatus.Code))
		answer = status.ErrStatus
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// bodies are those of the requests to that method and path.
func (s *server) bodies(key string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []string
	for _, line := range s.got {
		if body, is := strings.CutPrefix(line, key+" "); is {
			found = append(found, body)
		}
	}
	return found
}

// before is a Cluster in front of a server, which has seen these objects.
func before(t *testing.T, s *server, seen ...runtime.Object) *Cluster {
	t.Helper()
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	client, err := kubernetes.NewForConfig(&rest.Config{Host: web.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{client: client, factory: informers.NewSharedInformerFactory(client, 0), clock: newClock(), world: newWorld(nil)}
	for _, o := range seen {
		store := c.factory.Core().V1().Pods().Informer().GetStore()
		if _, is := o.(*policyv1.PodDisruptionBudget); is {
			store = c.factory.Policy().V1().PodDisruptionBudgets().Informer().GetStore()
		}
		if err := store.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

const (
	podPath = "/api/v1/namespaces/apps/pods/web"
	evict   = "POST " + podPath + "/eviction"
)

var ref = handover.Ref{Namespace: "apps", Name: "web", UID: "1"}

func webPod(uid string, owners ...metav1.OwnerReference) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: objectMeta("web", equal("app", "web"), owners...)}
	p.UID = types.UID(uid)
	p.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	return p
}

func budgetOf(name string) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{ObjectMeta: objectMeta(name, nil), Spec: policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: equal("app", "web")}}}
}

func said(code int32, reason metav1.StatusReason, message string, details *metav1.StatusDetails) *apierrors.StatusError {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message, Details: details,
	}}
}

// spent is what the Eviction API answers when a budget has nothing to spend.
func spent() *apierrors.StatusError {
	return said(429, metav1.StatusReasonTooManyRequests, "Cannot evict pod as it would violate the pod's disruption budget.", &metav1.StatusDetails{
		Causes: []metav1.StatusCause{{Type: policyv1.DisruptionBudgetCause, Message: "The disruption budget web needs 2 healthy pods and has 2 currently"}},
	})
}

// Whoever refuses an eviction is told apart from an API server that does not
// answer, and a budget or a busy webhook from a no for good.
func TestEvictionsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		answer  any
		live    any // who has the name by then
		budgets []string
		want    *handover.Refusal // nil: done
		outage  bool
	}{
		"done":                       {answer: metav1.Status{Status: metav1.StatusSuccess}},
		"gone":                       {answer: apierrors.NewNotFound(corev1.Resource("pods"), "web")},
		"a budget":                   {answer: spent(), budgets: []string{"web"}, want: &handover.Refusal{Budget: "web", Passing: true, Why: "PodDisruptionBudget web: The disruption budget web needs 2"}},
		"a budget that was not seen": {answer: spent(), want: &handover.Refusal{Budget: "its own", Passing: true, Why: "needs 2 healthy pods"}},
		"a budget, by 403": {
			answer: said(403, metav1.StatusReasonForbidden, "no", spent().ErrStatus.Details), budgets: []string{"web"},
			want: &handover.Refusal{Budget: "web", Passing: true, Why: "needs 2"},
		},
		"a busy webhook": {
			answer: said(429, "", `admission webhook "drain.example.com" denied the request: the machine is moved`, nil),
			want:   &handover.Refusal{Passing: true, Why: "the machine is moved"},
		},
		"a policy": {
			answer: said(403, metav1.StatusReasonForbidden, `admission webhook "p.example.com" denied the request: keep it`, nil),
			want:   &handover.Refusal{Why: "keep it"},
		},
		"two budgets": {
			answer: said(500, metav1.StatusReasonInternalError, "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.", nil), budgets: []string{"a", "b"},
			want: &handover.Refusal{Budget: "a b", Passing: true, Why: "two PodDisruptionBudgets: a, b"},
		},
		"a webhook that is down": {
			answer: said(500, metav1.StatusReasonInternalError, `Internal error occurred: failed calling webhook "p.example.com": no endpoints`, nil),
			want:   &handover.Refusal{Passing: true, Why: "no endpoints"},
		},
		"another pod of the name": {answer: said(409, metav1.StatusReasonConflict, "Precondition failed: UID", nil), live: webPod("2")},
		"a write in between":      {answer: said(409, metav1.StatusReasonConflict, "the object has been modified", nil), live: webPod("1"), want: &handover.Refusal{Passing: true, Why: "modified"}},
		"too much to do":          {answer: said(429, metav1.StatusReasonTooManyRequests, "too many requests", &metav1.StatusDetails{RetryAfterSeconds: 1}), outage: true},
		"not let in":              {answer: said(401, metav1.StatusReasonUnauthorized, "Unauthorized", nil), outage: true},
		"broken":                  {answer: said(500, metav1.StatusReasonInternalError, "etcdserver: leader changed", nil), outage: true},
	} {
		t.Run(name, func(t *testing.T) {
			seen := []runtime.Object{webPod("1")}
			for _, b := range tt.budgets {
				seen = append(seen, budgetOf(b))
			}
			s := &server{answers: map[string][]any{evict: {tt.answer}, "GET " + podPath: {tt.live}}}
			err := before(t, s, seen...).Evict(t.Context(), ref)
			if sent := s.bodies(evict); len(sent) != 1 || !strings.Contains(sent[0], `"preconditions":{"uid":"1"}`) {
				t.Errorf("sent %q", sent)
			}
			var r *handover.Refusal
			switch {
			case tt.outage:
				if err == nil || errors.As(err, &r) {
					t.Errorf("%v", err)
				}
			case tt.want == nil:
				if err != nil {
					t.Error(err)
				}
			case !errors.As(err, &r) || r.Budget != tt.want.Budget || r.Passing != tt.want.Passing || !strings.Contains(r.Why, tt.want.Why):
				t.Errorf("%#v %v", r, err)
			}
		})
	}
}

// A rehearsal that a webhook cannot take part in says nothing.
func TestRehearsalThatCannotBeTried(t *testing.T) {
	no := said(400, metav1.StatusReasonBadRequest, `admission webhook "p.example.com" does not support dry run`, nil)
	s := &server{answers: map[string][]any{
		"GET " + podPath: {webPod("1")}, "PATCH " + podPath: {no}, evict: {no}, "POST /api/v1/namespaces/apps/pods": {no},
	}}
	c := before(t, s)
	gone := (*string)(nil)
	for name, r := range map[string]handover.Rehearsal{
		"create": {Pod: ref, Create: true}, "evict": {Pod: ref, Evict: true}, "patch": {Pod: ref, Patch: &handover.Patch{Labels: map[string]*string{"app": gone}}},
	} {
		if err := c.Rehearse(t.Context(), r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var refusal *handover.Refusal
	if err := refused(no); !errors.As(err, &refusal) {
		t.Errorf("the call itself: %v", err)
	}
}

// A rehearsal sends the very patch that would be sent.
func TestRehearsedPatchIsThePatch(t *testing.T) {
	live := webPod("1", ownedBy("apps/v1", "ReplicaSet", "set"))
	s := &server{answers: map[string][]any{"GET " + podPath: {live}, "PATCH " + podPath: {live}}}
	c := before(t, s)
	mark := "x"
	for _, p := range []handover.Patch{
		{Owner: &handover.Owner{API: "apps/v1", Kind: "Deployment", Name: "web", UID: "web"}, Annotations: map[string]*string{handover.ReleasedAnnotation: &mark}},
		{Labels: map[string]*string{"app": nil}},
	} {
		s.got = nil
		if err := errors.Join(c.Rehearse(t.Context(), handover.Rehearsal{Pod: ref, Patch: &p}), c.PatchPod(t.Context(), ref, p)); err != nil {
			t.Fatal(err)
		}
		if sent := s.bodies("PATCH " + podPath); len(sent) != 2 || sent[0] != sent[1] {
			t.Errorf("%q", sent)
		}
	}
}

// … of a node, too.
func TestRehearsedPatchOfANodeIsThePatch(t *testing.T) {
	const path = "/api/v1/nodes/old"
	s := &server{answers: map[string][]any{"PATCH " + path: {&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "old"}}}}}
	c := before(t, s)
	shut, mark := true, "x"
	p := handover.Patch{Unschedulable: &shut, Annotations: map[string]*string{handover.BeforeAnnotation: &mark}}
	if err := errors.Join(c.Rehearse(t.Context(), handover.Rehearsal{Node: "old", Patch: &p}), c.PatchNode(t.Context(), "old", p)); err != nil {
		t.Fatal(err)
	}
	if sent := s.bodies("PATCH " + path); len(sent) != 2 || sent[0] != sent[1] {
		t.Errorf("%q", sent)
	}
}

// The controller of a pod is replaced; its other owners, labels and annotations stay.
func TestPatchPodChangesItsOwner(t *testing.T) {
	other := metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "other", UID: "other"}
	p := webPod("1", ownedBy("apps/v1", "ReplicaSet", "set"), other)
	c, client := opened(t, p)
	mark := "x"
	for _, step := range []struct {
		patch handover.Patch
		owner string
	}{
		{handover.Patch{Owner: &handover.Owner{API: "apps/v1", Kind: "Deployment", Name: "web", UID: "d"}, Annotations: map[string]*string{"a": &mark}}, "d"},
		{handover.Patch{Owner: &handover.Owner{API: "apps/v1", Kind: "Deployment", Name: "web", UID: "d"}, Annotations: map[string]*string{"a": nil}}, "d"},
		{handover.Patch{Owner: &handover.Owner{API: "apps/v1", Kind: "ReplicaSet", Name: "set", UID: "set"}}, "set"},
	} {
		if err := c.PatchPod(t.Context(), ref, step.patch); err != nil {
			t.Fatal(err)
		}
		now, err := client.CoreV1().Pods("apps").Get(t.Context(), "web", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		owner, have := metav1.GetControllerOf(now), ""
		if owner != nil {
			have = string(owner.UID)
		}
		kept := slices.ContainsFunc(now.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == "other" })
		if have != step.owner || !kept || now.Labels["app"] != "web" {
			t.Errorf("want controller %q: %+v", step.owner, now.ObjectMeta)
		}
		if step.patch.Annotations != nil && (step.patch.Annotations["a"] != nil) != (now.Annotations["a"] == mark) {
			t.Errorf("%+v", now.Annotations)
		}
	}
}

// Between the look and the patch a pod may change, also its controller, or give its
// name to another pod.
func TestPatchPodInARace(t *testing.T) {
	owner := handover.Patch{Owner: &handover.Owner{API: "apps/v1", Kind: "Deployment", Name: "web", UID: "d"}}
	changed := said(409, metav1.StatusReasonConflict, "the object has been modified", nil)
	conflict := said(409, metav1.StatusReasonConflict, "Precondition failed: UID in precondition: 1, UID in object meta: 2", nil)
	denied := said(403, metav1.StatusReasonForbidden, "policy", nil)
	first, second := webPod("1", ownedBy("apps/v1", "ReplicaSet", "a")), webPod("1", ownedBy("apps/v1", "ReplicaSet", "b"))
	for name, tt := range map[string]struct {
		patch        handover.Patch
		looks, sends []any
		refused      bool
		last         string // in the last patch
	}{
		"another controller":  {patch: owner, looks: []any{first, second}, sends: []any{changed, second}, last: `"uid":"b"`},
		"always another":      {patch: owner, looks: []any{first}, sends: []any{changed}, refused: true},
		"gone at the look":    {patch: owner, looks: []any{apierrors.NewNotFound(corev1.Resource("pods"), "web")}},
		"another at the look": {patch: owner, looks: []any{webPod("2")}},
		"gone at the patch":   {sends: []any{apierrors.NewNotFound(corev1.Resource("pods"), "web")}},
		"another by then":     {looks: []any{webPod("2")}, sends: []any{conflict}},
		"a policy":            {looks: []any{first}, sends: []any{denied}, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{answers: map[string][]any{"GET " + podPath: tt.looks, "PATCH " + podPath: tt.sends}}
			err := before(t, s).PatchPod(t.Context(), ref, tt.patch)
			var r *handover.Refusal
			if errors.As(err, &r) != tt.refused || (err != nil) != tt.refused {
				t.Error(err)
			}
			sent := s.bodies("PATCH " + podPath)
			if tt.last != "" && (len(sent) == 0 || !strings.Contains(sent[len(sent)-1], tt.last)) {
				t.Errorf("%q", sent)
			}
		})
	}
}

// A label that others have changed is theirs: it is not taken away as what it was,
// to be given back as that, and none is given back over theirs.
func TestPatchPodLeavesALabelThatOthersChanged(t *testing.T) {
	active := "active"
	for name, tt := range map[string]struct {
		labels map[string]string // by now
		patch  handover.Patch
		left   string
		outrun bool
	}{
		"taken away":           {map[string]string{"role": "active"}, handover.Patch{Labels: map[string]*string{"role": nil}, Was: map[string]string{"role": "active"}}, "", false},
		"another by now":       {map[string]string{"role": "standby"}, handover.Patch{Labels: map[string]*string{"role": nil}, Was: map[string]string{"role": "active"}}, "standby", true},
		"gone by now":          {nil, handover.Patch{Labels: map[string]*string{"role": nil}, Was: map[string]string{"role": "active"}}, "", true},
		"given back":           {nil, handover.Patch{Labels: map[string]*string{"role": &active}}, "active", false},
		"given back once more": {map[string]string{"role": "active"}, handover.Patch{Labels: map[string]*string{"role": &active}}, "active", false},
		"set by others":        {map[string]string{"role": "standby"}, handover.Patch{Labels: map[string]*string{"role": &active}}, "standby", true},
	} {
		t.Run(name, func(t *testing.T) {
			p := webPod("1")
			p.Labels = tt.labels
			c, client := opened(t, p)
			err := c.PatchPod(t.Context(), ref, tt.patch)
			var r *handover.Refusal
			if errors.As(err, &r) != tt.outrun || (err != nil) != tt.outrun || tt.outrun && !r.Passing {
				t.Error(err)
			}
			now, err := client.CoreV1().Pods("apps").Get(t.Context(), "web", metav1.GetOptions{})
			if err != nil || now.Labels["role"] != tt.left {
				t.Errorf("%v, %v", now.Labels, err)
			}
		})
	}
}

// Records come back as they were saved, whatever the group is called.
func TestRecords(t *testing.T) {
	c, _ := opened(t)
	groups := []string{"web-2f9a6d1", "Web-2f9a6d1", "web.2f9a6d1", strings.Repeat("x", 255), "äöü"}
	for _, g := range groups {
		for _, text := range []string{"first", "second of " + g + strings.Repeat(" long", 1000)} {
			if err := c.SaveRecord(t.Context(), g, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	all, err := c.Records(t.Context())
	if err != nil || len(all) != len(groups) {
		t.Fatalf("%d records, %v", len(all), err)
	}
	for _, g := range groups {
		if !strings.HasPrefix(string(all[g]), "second of "+g+" long") {
			t.Errorf("%s: %.40s", g, all[g])
		}
		for range 2 { // the second finds it gone
			if err := c.SaveRecord(t.Context(), g, nil); err != nil {
				t.Error(err)
			}
		}
	}
	if all, err := c.Records(t.Context()); err != nil || len(all) > 0 {
		t.Errorf("%v, %v", all, err)
	}
}

func TestTouchBudget(t *testing.T) {
	c, client := opened(t, budgetOf("web"))
	last := ""
	for range 2 {
		if err := c.TouchBudget(t.Context(), "apps", "web"); err != nil {
			t.Fatal(err)
		}
		b, err := client.PolicyV1().PodDisruptionBudgets("apps").Get(t.Context(), "web", metav1.GetOptions{})
		if err != nil || b.Annotations[touchedAnnotation] == last {
			t.Fatalf("%v %v", b.Annotations, err)
		}
		last = b.Annotations[touchedAnnotation]
	}
	if err := c.TouchBudget(t.Context(), "apps", "gone"); err != nil {
		t.Error(err)
	}
}

// A sentinel that no longer stands is put up anew; one on a node that is gone is
// not, and none that is not there is missed.
func TestGuards(t *testing.T) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: strings.Repeat("long.", 20) + "node", UID: "n"}}
	c, client := opened(t, node)
	get := func() (*corev1.Pod, error) {
		return client.CoreV1().Pods(ownNamespace).Get(t.Context(), sentinelPrefix+node.Name, metav1.GetOptions{})
	}
	repels := []handover.Repelled{{Namespace: "apps", Labels: equal("app", "web")}}
	if err := c.Guard(t.Context(), node.Name, repels); err != nil {
		t.Fatal(err)
	}
	p, err := get()
	if err != nil || p.Spec.NodeName != node.Name || len(p.OwnerReferences) != 1 || p.OwnerReferences[0].UID != "n" || len(p.Labels[handover.SentinelLabel]) > longestLabel {
		t.Fatal(p, err)
	}
	p.Status.Phase = corev1.PodFailed
	if _, err := client.CoreV1().Pods(ownNamespace).UpdateStatus(t.Context(), p, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := c.Guard(t.Context(), node.Name, repels); err != nil {
		t.Fatal(err)
	}
	if p, err := get(); err != nil || p.Status.Phase == corev1.PodFailed {
		t.Error(p, err)
	}
	for range 2 {
		if err := c.Unguard(t.Context(), node.Name); err != nil {
			t.Error(err)
		}
	}
	if _, err := get(); !apierrors.IsNotFound(err) {
		t.Error(err)
	}
	if err := c.Guard(t.Context(), "gone", repels); err != nil {
		t.Error(err)
	}
	if all, err := client.CoreV1().Pods(ownNamespace).List(t.Context(), metav1.ListOptions{}); err != nil || len(all.Items) > 0 {
		t.Error(fmt.Sprint(all.Items), err)
	}
}

// A pod is given back only while one that is not Ready is there to be ended in its
// place: as the API server has it, whatever the watches show.
func TestPatchPodNeedsASpare(t *testing.T) {
	owner := &handover.Owner{API: "apps/v1", Kind: "ReplicaSet", Name: "set", UID: "set"}
	spare := func(change func(*corev1.Pod)) *corev1.Pod {
		p := webPod("2")
		p.Name = "spare"
		change(p)
		return p
	}
	says := func(status corev1.ConditionStatus) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}
		}
	}
	for name, c := range map[string]struct {
		spare   *corev1.Pod
		refused bool
	}{
		"not Ready": {spare(says(corev1.ConditionFalse)), false},
		"Ready":     {spare(says(corev1.ConditionTrue)), true},
		"another":   {spare(func(p *corev1.Pod) { p.UID = "3" }), true},
		"ends":      {spare(func(p *corev1.Pod) { p.DeletionTimestamp, p.Finalizers = ptr(metav1.Now()), []string{"x/y"} }), true},
	} {
		cl, _ := opened(t, webPod("1", ownedBy("apps/v1", "ReplicaSet", "old")), c.spare)
		err := cl.PatchPod(t.Context(), ref, handover.Patch{Owner: owner, Spare: &handover.Spare{Pods: []handover.Ref{{Namespace: ref.Namespace, Name: "spare", UID: "2"}}, Least: 1}})
		var refusal *handover.Refusal
		if is := errors.As(err, &refusal) && refusal.Passing; is != c.refused || !is && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
