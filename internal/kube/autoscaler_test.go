package kube

import (
	"encoding/json"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/droverhq/drover/plan"
)

// The number of pods is left to the autoscaler that has set it. Without one
// somebody else did, and that is a conflict to be told, as is any other field.
func TestReplicasAreLeftToTheAutoscaler(t *testing.T) {
	deployment := target{gvk: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, resource: "deployments", namespace: "apps", name: "web"}
	autoscaler := func(kind, name string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
			"metadata": map[string]any{"namespace": "apps", "name": "hpa"},
			"spec":     map[string]any{"scaleTargetRef": map[string]any{"apiVersion": "apps/v1", "kind": kind, "name": name}},
		}}
	}
	for _, tt := range []struct {
		about      string
		autoscaler *unstructured.Unstructured
		held       []string
		sent       []bool // whether each patch names the replicas
		refused    bool
	}{
		{"an autoscaler scales it", autoscaler("Deployment", "web"), []string{".spec.replicas"}, []bool{true, false}, false},
		{"one scales another object", autoscaler("StatefulSet", "web"), []string{".spec.replicas"}, []bool{true}, true},
		{"more than that was changed", autoscaler("Deployment", "web"), []string{".spec.replicas", ".spec.paused"}, []bool{true}, true},
		{"nothing was changed", autoscaler("Deployment", "web"), nil, []bool{true}, false},
	} {
		dyn := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
			map[schema.GroupVersionResource]string{autoscalers: "HorizontalPodAutoscalerList"}, tt.autoscaler)
		var sent []bool
		dyn.PrependReactor("patch", "deployments", func(action clienttesting.Action) (bool, runtime.Object, error) {
			var body map[string]any
			if err := json.Unmarshal(action.(clienttesting.PatchAction).GetPatch(), &body); err != nil {
				t.Fatal(err)
			}
			_, named, _ := unstructured.NestedFieldNoCopy(body, "spec", "replicas")
			sent = append(sent, named)
			var causes []metav1.StatusCause
			for _, field := range tt.held {
				if named || field != ".spec.replicas" {
					causes = append(causes, metav1.StatusCause{Type: metav1.CauseTypeFieldManagerConflict, Field: field, Message: `conflict with "kube-controller-manager" with subresource "scale"`})
				}
			}
			if len(causes) > 0 {
				return true, nil, apierrors.NewApplyConflict(causes, "Apply failed")
			}
			return true, &unstructured.Unstructured{Object: body}, nil
		})
		c := &client{dynamic: dyn}
		want := plan.Props{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web"},
			"spec": map[string]any{"replicas": float64(3), "paused": false}}
		_, err := c.apply(t.Context(), deployment, want, application{})
		if (err != nil) != tt.refused {
			t.Errorf("%s: %v", tt.about, err)
		}
		if len(sent) != len(tt.sent) || sent[len(sent)-1] != tt.sent[len(sent)-1] {
			t.Errorf("%s: sent %v, want %v", tt.about, sent, tt.sent)
		}
		if _, kept := want["spec"].(map[string]any)["replicas"]; !kept {
			t.Errorf("%s: what is wanted was changed", tt.about)
		}
	}
}

// What the file says others may set is given up to them; any other conflict stays one.
func TestIgnoredFieldsAreLeftToOthers(t *testing.T) {
	conflict := func(fields ...string) error {
		var causes []metav1.StatusCause
		for _, f := range fields {
			causes = append(causes, metav1.StatusCause{Type: metav1.CauseTypeFieldManagerConflict, Field: f, Message: `conflict with "x"`})
		}
		return apierrors.NewApplyConflict(causes, "Apply failed")
	}
	ignore := []string{"spec.replicas", "spec.template.spec.containers", "data.a"}
	for _, tt := range []struct {
		held []string
		want int
	}{
		{[]string{".spec.replicas"}, 1},
		{[]string{".spec.replicas", `.spec.template.spec.containers[name="a"].image`}, 2},
		{[]string{".spec.replicas", ".spec.paused"}, 0},
		{[]string{".data.ab"}, 0},
	} {
		if got := heldByOthers(conflict(tt.held...), ignore); len(got) != tt.want {
			t.Errorf("%v: %v", tt.held, got)
		}
	}
	want := plan.Props{"spec": plan.Props{"replicas": 3, "paused": true}, "data": plan.Props{"a": "b"}}
	left := without(want, "spec.replicas", "spec.template.spec", "data.a")
	if len(left["spec"].(plan.Props)) != 1 || len(left["data"].(plan.Props)) != 0 || len(want["spec"].(plan.Props)) != 2 {
		t.Errorf("left %v of %v", left, want)
	}
}
