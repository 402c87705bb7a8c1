package kube

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/droverhq/drover/plan"
)

// fixed are the fields that the API server refuses to change, by type without
// version. Most end up in validation code (k8s.io/kubernetes pkg/apis/*/validation)
// as apivalidation.ValidateImmutableField.
var fixed = map[string][]string{
	"apps/Deployment":         {"spec.selector"},
	"apps/ReplicaSet":         {"spec.selector"},
	"apps/DaemonSet":          {"spec.selector"},
	"apps/StatefulSet":        {"spec.selector", "spec.serviceName", "spec.podManagementPolicy", "spec.volumeClaimTemplates"},
	"apps.kruise.io/CloneSet": {"spec.selector"}, // its webhook: cloneset_validation.go
	"batch/Job":               {"spec.selector", "spec.template", "spec.completionMode"},
	"Service":                 {"spec.clusterIP", "spec.clusterIPs", "spec.loadBalancerClass"},
	"PersistentVolumeClaim": {"spec.accessModes", "spec.storageClassName", "spec.volumeName", "spec.volumeMode",
		"spec.selector", "spec.dataSource", "spec.dataSourceRef"},
	"PersistentVolume":                      {"spec.csi", "spec.nodeAffinity"},
	"Secret":                                {"type"},
	"Pod":                                   {"spec"},
	"rbac.authorization.k8s.io/RoleBinding": {"roleRef"},
	"rbac.authorization.k8s.io/ClusterRoleBinding":  {"roleRef"},
	"storage.k8s.io/StorageClass":                   {"provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"},
	"networking.k8s.io/IngressClass":                {"spec.controller"},
	"scheduling.k8s.io/PriorityClass":               {"value", "preemptionPolicy"},
	"node.k8s.io/RuntimeClass":                      {"handler"},
	"apiextensions.k8s.io/CustomResourceDefinition": {"spec.scope", "spec.group", "spec.names.kind"},
}

// replaces lists the fixed fields that differ. The object's place (namespace
// and name) is fixed for all.
func replaces(typ string, old, want plan.Props) []string {
	gvk, err := kindOf(typ)
	if err != nil {
		return nil
	}
	paths := slices.Concat([]string{"metadata.name", "metadata.namespace"},
		fixed[strings.TrimPrefix(gvk.Group+"/"+gvk.Kind, "/")])
	if old["immutable"] == true { // a ConfigMap or Secret that said so
		paths = append(paths, "data", "stringData", "binaryData", "immutable")
	}
	if gvk.Group == "" && gvk.Kind == "Pod" {
		old, want = withoutImages(old), withoutImages(want)
	}
	var out []string
	for _, path := range paths {
		if !reflect.DeepEqual(dig(old, path), dig(want, path)) {
			out = append(out, path)
		}
	}
	return out
}

// withoutImages is a pod without the one thing in it that may change.
func withoutImages(pod plan.Props) plan.Props {
	spec, ok := pod["spec"].(map[string]any)
	if !ok {
		return pod
	}
	spec = maps.Clone(spec)
	for _, key := range []string{"containers", "initContainers"} {
		list, ok := spec[key].([]any)
		if !ok {
			continue
		}
		list = slices.Clone(list)
		for i, item := range list {
			if c, ok := item.(map[string]any); ok {
				c = maps.Clone(c)
				delete(c, "image")
				list[i] = c
			}
		}
		spec[key] = list
	}
	return plan.Props{"metadata": pod["metadata"], "spec": spec}
}

func dig(v any, path string) any {
	for _, key := range strings.Split(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}
