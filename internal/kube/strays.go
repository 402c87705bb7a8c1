package kube

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/plan"
)

var _ engine.Strayer = (*Provider)(nil)

// Strays are Services and Ingresses that have a load balancer, and volumes,
// of objects that the stack does not know: controllers in the cluster made
// them, and only those can remove them, as long as the cluster stands.
func (p *Provider) Strays(ctx context.Context, conn plan.Props, known []string) ([]engine.Stray, error) {
	c, err := p.client(conn)
	if err != nil {
		return nil, err
	}
	var strays []engine.Stray
	for _, k := range strayKinds {
		list, err := c.dynamic.Resource(k.resource).List(ctx, metav1.ListOptions{})
		if err != nil {
			return strays, fmt.Errorf("list %s: %w", k.resource.Resource, err)
		}
		for _, u := range list.Items {
			t := target{gvk: u.GroupVersionKind(), resource: k.resource.Resource, namespace: u.GetNamespace(), name: u.GetName()}
			if leaves := k.leaves(&u); leaves != "" && !slices.Contains(known, k.typ+"/"+t.namespace+"/"+t.name) {
				strays = append(strays, engine.Stray{Object: t.String(), Owner: k.typ + "/" + t.namespace + "/" + t.name, Leaves: leaves, Blocks: k.blocks, Fix: "kubectl delete " + k.removed(t, &u).kubectl()})
			}
		}
	}
	return strays, nil
}

// removed is what to delete to be rid of the object's load balancer: what it was made for,
// if that is another object, as a Gateway's Service, since it would be made anew.
func (k strayKind) removed(t target, u *unstructured.Unstructured) target {
	owners := u.GetOwnerReferences()
	if !k.blocks || len(owners) == 0 {
		return t
	}
	kind := schema.FromAPIVersionAndKind(owners[0].APIVersion, owners[0].Kind).GroupKind()
	return target{gvk: schema.GroupVersionKind{Kind: kind.String()}, namespace: t.namespace, name: owners[0].Name}
}

// strayKind is a kind whose objects may have something outside of the cluster.
type strayKind struct {
	typ      string
	resource schema.GroupVersionResource
	blocks   bool
	leaves   func(*unstructured.Unstructured) string
}

var strayKinds = []strayKind{
	{"v1/Service", schema.GroupVersionResource{Version: "v1", Resource: "services"}, true, func(u *unstructured.Unstructured) string {
		if field(u, "spec", "type") != "LoadBalancer" {
			return ""
		}
		return "a load balancer, which blocks the network's subnets and goes on to cost money"
	}},
	{"networking.k8s.io/v1/Ingress", schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"}, true,
		func(u *unstructured.Unstructured) string {
			if at, _, _ := unstructured.NestedSlice(u.Object, "status", "loadBalancer", "ingress"); len(at) == 0 {
				return ""
			}
			return "a load balancer, which may block the network's subnets and goes on to cost money"
		}},
	{"v1/PersistentVolumeClaim", schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}, false,
		func(u *unstructured.Unstructured) string {
			if field(u, "status", "phase") != "Bound" {
				return ""
			}
			return "its volume, with its data, which goes on to cost money"
		}},
}
