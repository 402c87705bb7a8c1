package cluster

import (
	"context"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/droverhq/drover/internal/handover"
)

// Watches fill the view, a later change comes by itself, and writes reach the
// objects.
func TestWatchAndWrite(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	f := newFixture()
	node := big(1)[at{kindNode, "node-0"}].(runtime.Object)
	client := fake.NewClientset(f.pod, f.set, f.deploy, f.service, f.budget, f.slice, node)
	watching, stop := context.WithCancel(ctx)
	c := newCluster(client, dynamicfake.NewSimpleDynamicClient(runtime.NewScheme()), newClock(), watching.Done(), stop)
	defer c.Close()
	if err := c.fill(watching, ctx); err != nil {
		t.Fatal(err)
	}
	v, err := c.View()
	if err != nil || v.Pods["pod"] == nil || v.Workloads["deployment/apps/web"] == nil || v.Nodes["node-0"] == nil {
		t.Fatalf("view %+v, %v", v, err)
	}
	leaving, mark := true, "x"
	if err := c.PatchNode(ctx, "node-0", handover.Patch{Leaving: &leaving, Annotations: map[string]*string{handover.BeforeAnnotation: &mark}}); err != nil {
		t.Fatal(err)
	}
	for !v.Nodes["node-0"].Leaving || v.Nodes["node-0"].Before != mark {
		select {
		case <-ctx.Done():
			t.Fatal("the change never came")
		case <-c.Changed():
		}
		if v, err = c.View(); err != nil {
			t.Fatal(err)
		}
	}
	for _, labels := range []map[string]string{equal("app", "web"), equal("app", "other")} { // the second replaces the first
		if err := c.Guard(ctx, "node-0", []handover.Repelled{{Namespace: "apps", Labels: labels}}); err != nil {
			t.Fatal(err)
		}
	}
	p, err := client.CoreV1().Pods(ownNamespace).Get(ctx, sentinelPrefix+"node-0", metav1.GetOptions{})
	if err != nil || p.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].LabelSelector.MatchLabels["app"] != "other" {
		t.Fatal(p, err)
	}
	if err := c.Unguard(ctx, "node-0"); err != nil {
		t.Fatal(err)
	}
}

// A view is dated by the API server's clock, by which all other times in it are.
func TestViewIsDatedByTheServersClock(t *testing.T) {
	c, _ := opened(t)
	ours := time.Now()
	c.clock.learn(ours.Add(time.Hour), ours, ours)
	v, err := c.View()
	if err != nil || v.Now.Sub(ours) < time.Hour-time.Minute {
		t.Errorf("%s, by a clock that is an hour ahead of %s: %v", v.Now, ours, err)
	}
}

// A kind that a CRD defines is watched in the version that is known here, if that is
// served, else in one that is; what is not served, or only in another group, is not.
func TestOptionalKindsInTheVersionThatIsServed(t *testing.T) {
	known := crd("apps.kruise.io", "v1alpha1", "clonesets")
	for name, tt := range map[string]struct {
		served []schema.GroupVersionResource
		want   string
	}{
		"the known one of two": {[]schema.GroupVersionResource{crd(known.Group, "v1beta1", known.Resource), known}, "v1alpha1"},
		"another one":          {[]schema.GroupVersionResource{crd(known.Group, "v1beta1", known.Resource)}, "v1beta1"},
		"not it":               {[]schema.GroupVersionResource{crd(known.Group, "v1beta1", "sidecarsets"), crd("example.com", "v1", known.Resource)}, ""},
		"nothing":              {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset()
			for _, r := range tt.served {
				client.Resources = append(client.Resources, &metav1.APIResourceList{GroupVersion: r.GroupVersion().String(), APIResources: []metav1.APIResource{{Name: r.Resource}}})
			}
			served, err := (&Cluster{client: client}).served()
			if err != nil {
				t.Fatal(err)
			}
			place := kindOf(handover.Owner{API: "apps.kruise.io/v1beta1", Kind: "CloneSet"}).place
			if got := served[place].Version; got != tt.want {
				t.Errorf("watched as %q, want %q", got, tt.want)
			}
		})
	}
}

// A kind that is served and could not be listed is told of: what it selects is not known.
func TestOptionalKindsThatCannotBeListedAreTold(t *testing.T) {
	c, _ := opened(t)
	c.unsure["destinationrules.networking.istio.io"] = func() bool { return false }
	c.unsure["podmonitors.monitoring.coreos.com"] = func() bool { return true }
	s, err := c.Surroundings(t.Context())
	if err != nil || !slices.Equal(s.Forbidden, []string{"destinationrules.networking.istio.io"}) {
		t.Errorf("%v, %v", s.Forbidden, err)
	}
}

// An Argo Rollout that waits at a step for somebody to promote it is paused.
func TestRolloutsThatWaitForSomebody(t *testing.T) {
	for name, conditions := range map[string][]any{"at a step": {map[string]any{"reason": "CanaryPauseStep"}}, "": nil} {
		a := &answer{}
		a.read(&custom{Object: map[string]any{"status": map[string]any{"pauseConditions": conditions}}})
		if a.paused != (name != "") {
			t.Errorf("%s: paused %t", name, a.paused)
		}
	}
}
