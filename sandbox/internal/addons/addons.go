// Package addons makes what a new EKS cluster has before anybody deploys
// anything: CoreDNS, and what the driver for volumes (package ebs) is known by.
// The supervisor calls it once for each cluster; what people
// change or delete afterwards stays so. EKS's add-ons API (package aws/eks) makes
// CoreDNS where it is not, and takes it away.
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

// Cluster is where add-ons are made.
type Cluster struct{ Kubeconfig string }

// InstallAll makes what a new cluster has, as far as it is not there.
func (c Cluster) InstallAll(ctx context.Context) error {
	return c.install(ctx, slices.Concat(volumes, coreDNS))
}

// Install makes the objects of an add-on that are not there.
func (c Cluster) Install(ctx context.Context, addon string) error {
	if addon != "coredns" {
		return fmt.Errorf("install add-ons: there are no manifests of %s", addon)
	}
	return c.install(ctx, coreDNS)
}

// Remove deletes the objects of an add-on.
func (c Cluster) Remove(ctx context.Context, addon string) error {
	if addon != "coredns" {
		return fmt.Errorf("remove add-ons: there are no manifests of %s", addon)
	}
	return c.each(coreDNS, func(r dynamic.ResourceInterface, o *unstructured.Unstructured) error {
		err := r.Delete(ctx, o.GetName(), metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("remove add-ons: delete %s %s: %w", o.GetKind(), o.GetName(), err)
		}
		return nil
	})
}

func (c Cluster) install(ctx context.Context, manifests []byte) error {
	return c.each(manifests, func(r dynamic.ResourceInterface, o *unstructured.Unstructured) error {
		_, err := r.Create(ctx, o, metav1.CreateOptions{FieldManager: "eks"})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("install add-ons: create %s %s: %w", o.GetKind(), o.GetName(), err)
		}
		return nil
	})
}

// each does something about every object.
func (c Cluster) each(manifests []byte, do func(dynamic.ResourceInterface, *unstructured.Unstructured) error) error {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return fmt.Errorf("connect for add-ons: %w", err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connect for add-ons: %w", err)
	}
	objects, err := read(manifests)
	if err != nil {
		return fmt.Errorf("read add-ons: %w", err)
	}
	for _, o := range objects {
		kind := o.GroupVersionKind()
		if err := do(client.Resource(kind.GroupVersion().WithResource(resources[kind.Kind])).Namespace(o.GetNamespace()), o); err != nil {
			return err
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
