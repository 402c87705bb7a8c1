package kube

import (
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/problem"
)

// An object may be deleted, or applied over, only if it is the very one that was made, or carries our marks.
func TestOwned(t *testing.T) {
	tags := map[string]string{"drover:stack": "dev", "drover:urn": "urn:1"}
	marked := `{kind: Service, apiVersion: v1, metadata: {uid: UID, annotations: {drover.dev/stack: dev, drover.dev/urn: "urn:1"}}}`
	tests := []struct {
		name, object, id string
		tags             map[string]string
		want             bool
	}{
		{"the one that was made", `{kind: Service, apiVersion: v1, metadata: {uid: u1}}`, "apps/nginx@u1", tags, true},
		{"another one of that name", `{kind: Service, apiVersion: v1, metadata: {uid: u2}}`, "apps/nginx@u1", tags, false},
		{"made anew by a run that was cut off", strings.Replace(marked, "UID", "u2", 1), "apps/nginx@u1", tags, true},
		{"another resource's", strings.Replace(marked, "urn:1", "urn:2", 1), "", tags, false},
		{"nobody's", `{kind: Service, apiVersion: v1, metadata: {uid: u1}}`, "", tags, false},
	}
	for _, tt := range tests {
		if got := owned(live(t, tt.object), engine.Request{ID: tt.id, Tags: tt.tags}); got != tt.want {
			t.Errorf("%s: owned %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestIDs(t *testing.T) {
	for _, where := range []target{{namespace: "apps", name: "nginx"}, {name: "nginx"}} {
		namespace, name, uid := parseID(makeID(where, "u-1"))
		if namespace != where.namespace || name != where.name || uid != "u-1" {
			t.Errorf("%v came back as %s %s %s", where, namespace, name, uid)
		}
	}
}

// The user's own annotations win, and the request's properties stay as they are.
func TestWanted(t *testing.T) {
	r := engine.Request{Tags: map[string]string{"drover:stack": "dev", "drover:urn": "urn:1"}, Want: map[string]any{
		"metadata": map[string]any{"name": "nginx", "annotations": map[string]any{"drover.dev/stack": "mine"}}}}
	gvk := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	got := wanted(r, target{gvk: gvk, namespace: "apps", name: "nginx"})
	for path, want := range map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata.namespace": "apps"} {
		if dig(got, path) != want {
			t.Errorf("%s is %v, want %v", path, dig(got, path), want)
		}
	}
	annotations := dig(got, "metadata.annotations").(map[string]any)
	if annotations["drover.dev/stack"] != "mine" || annotations["drover.dev/urn"] != "urn:1" {
		t.Errorf("annotations %v", annotations)
	}
	if len(r.Want) != 1 || len(dig(r.Want, "metadata.annotations").(map[string]any)) != 1 {
		t.Errorf("the request was changed: %v", r.Want)
	}
}

// A conflict is told with the fields and who holds them, and never forced.
func TestConflictNamesTheOthers(t *testing.T) {
	err := apierrors.NewApplyConflict([]metav1.StatusCause{{Type: metav1.CauseTypeFieldManagerConflict,
		Field: ".spec.replicas", Message: `conflict with "kubectl" with subresource "scale"`}}, "Apply failed")
	where := target{gvk: schema.GroupVersionKind{Kind: "Deployment"}, namespace: "apps", name: "nginx"}
	var p *problem.Error
	got := explainApply("update deployment apps/nginx", where, live(t, "{kind: Deployment, apiVersion: apps/v1}"), err)
	if !errors.As(got, &p) || p.Kind != problem.Refused {
		t.Fatalf("%v is no refusal", got)
	}
	if !strings.Contains(got.Error(), `spec.replicas (conflict with "kubectl"`) || !strings.Contains(p.Fix, "-n apps deployment/nginx") {
		t.Errorf("%s; fix: %s", got, p.Fix)
	}
	if isCertain(got) {
		t.Error("the object stands, so it was made")
	}
}

// The API server calls a misspelt field an internal error; repeating it would
// cost the user two minutes.
func TestMisspeltFieldIsNotRepeated(t *testing.T) {
	err := apierrors.NewInternalError(errors.New("x"))
	err.ErrStatus.Message = "failed to create typed patch object (apps/nginx): .spec.replica: field not declared in schema"
	if patience(err) != 0 {
		t.Error("it would be repeated")
	}
	if got := explainApply("create", target{}, nil, err); !isCertain(got) {
		t.Errorf("%v: it does not say that nothing was made", got)
	}
}
