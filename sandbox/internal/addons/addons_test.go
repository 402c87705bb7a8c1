package addons

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Every object says what the API server will read, without a field that it
// would drop, and the Deployment's pods are those of Service and budget.
func TestManifests(t *testing.T) {
	objects, err := read(slices.Concat(volumes, coreDNS))
	if err != nil {
		t.Fatal(err)
	}
	typed := map[string]any{"ServiceAccount": &corev1.ServiceAccount{}, "ClusterRole": &rbacv1.ClusterRole{},
		"ClusterRoleBinding": &rbacv1.ClusterRoleBinding{}, "ConfigMap": &corev1.ConfigMap{}, "Service": &corev1.Service{},
		"PodDisruptionBudget": &policyv1.PodDisruptionBudget{}, "Deployment": &appsv1.Deployment{},
		"CSIDriver": &storagev1.CSIDriver{}, "StorageClass": &storagev1.StorageClass{}}
	for _, o := range objects {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, typed[o.GetKind()], true); err != nil {
			t.Errorf("%s: %v", o.GetKind(), err)
		}
	}
	if len(objects) != len(typed) {
		t.Errorf("%d objects", len(objects))
	}
	pods := typed["Deployment"].(*appsv1.Deployment).Spec.Template.Labels
	for _, selector := range []map[string]string{typed["Service"].(*corev1.Service).Spec.Selector,
		typed["PodDisruptionBudget"].(*policyv1.PodDisruptionBudget).Spec.Selector.MatchLabels} {
		for key, value := range selector {
			if pods[key] != value {
				t.Errorf("%s=%s selects no pod with %v", key, value, pods)
			}
		}
	}
}
