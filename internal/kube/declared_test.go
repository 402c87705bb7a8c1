package kube

import (
	"encoding/json"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// What is left of a live object is what a person would have written.
func TestManifest(t *testing.T) {
	live := map[string]any{}
	if err := json.Unmarshal([]byte(`{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "uid": "1",
		"resourceVersion": "7", "generation": 2, "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"app": "web"},
		"annotations": {"deployment.kubernetes.io/revision": "3", "drover.dev/urn": "urn:x", "team": "web"}},
		"spec": {"replicas": 3}, "status": {"readyReplicas": 3}}`), &live); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(manifest(live))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"annotations":{"team":"web"},"labels":{"app":"web"},"name":"web","namespace":"shop"},"spec":{"replicas":3}}`
	if string(text) != want {
		t.Errorf("have %s\nwant %s", text, want)
	}
	if live["status"] == nil {
		t.Error("the live object was changed")
	}
}

// What a controller makes, and what is secret, is not taken over.
func TestImportable(t *testing.T) {
	u := func(kind string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": "x"}}}
	}
	at := func(u *unstructured.Unstructured) target { return target{gvk: u.GroupVersionKind(), name: "x"} }
	pod := u("Pod")
	_ = unstructured.SetNestedSlice(pod.Object, []any{map[string]any{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "1", "controller": true}}, "metadata", "ownerReferences")
	if importable(at(pod), pod) == nil || importable(at(u("Secret")), u("Secret")) == nil || importable(at(u("ConfigMap")), u("ConfigMap")) != nil {
		t.Error("wrong about what may be imported")
	}
}
