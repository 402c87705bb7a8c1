// Package addons makes what a new EKS cluster has before anybody deploys
// anything: CoreDNS, and what the driver for volumes (package ebs) is known by.
// The supervisor calls it once for each cluster; what people
// change or delete afterwards stays so.
package addons

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
)

// The manifests, in the order in which they are made.
var (
	//go:embed coredns.yaml
	coreDNS []byte
	//go:embed ebs.yaml
	volumes []byte
)

// resources are the paths of the kinds in the manifests.
var resources = map[string]string{
	"ServiceAccount": "serviceaccounts", "ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings",
	"ConfigMap": "configmaps", "Service": "services", "PodDisruptionBudget": "poddisruptionbudgets", "Deployment": "deployments",
	"CSIDriver": "csidrivers", "StorageClass": "storageclasses",
}

// Install makes the objects that are not there.
func Install(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("install add-ons: %w", err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("install add-ons: %w", err)
	}
	objects, err := read(slices.Concat(volumes, coreDNS))
	if err != nil {
		return fmt.Errorf("install add-ons: %w", err)
	}
	for _, o := range objects {
		kind := o.GroupVersionKind()
		_, err := client.Resource(kind.GroupVersion().WithResource(resources[kind.Kind])).Namespace(o.GetNamespace()).
			Create(ctx, o, metav1.CreateOptions{FieldManager: "eks"})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("install add-ons: create %s %s: %w", kind.Kind, o.GetName(), err)
		}
	}
	return nil
}

func read(text []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
		o := &unstructured.Unstructured{}
		err := decoder.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if _, known := resources[o.GetKind()]; !known {
			return nil, fmt.Errorf("a %s is no kind of resource that is installed", schema.FromAPIVersionAndKind(o.GetAPIVersion(), o.GetKind()))
		}
		objects = append(objects, o)
	}
}
