//go:build engine

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

// kubernetes stands in for the provider pulumi-kubernetes: it applies objects by
// server-side apply, and waits for Deployments and load balancers, as that does.
type kubernetes struct {
	stand
	client dynamic.Interface // nil: the cluster is not known yet
	mapper *restmapper.DeferredDiscoveryRESTMapper
}

// serveKubernetes serves it for a test, and returns what makes Pulumi take it.
func serveKubernetes(t *testing.T) (variable string) {
	t.Helper()
	port := serve(t, func(s *grpc.Server) { pulumirpc.RegisterResourceProviderServer(s, &kubernetes{}) })
	return fmt.Sprintf("kubernetes:%d", port)
}

// Configure is given a kubeconfig.
func (k *kubernetes) Configure(_ context.Context, r *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	args, err := properties(r.GetArgs())
	if err != nil {
		return nil, err
	}
	text := args["kubeconfig"]
	if !text.IsString() {
		return &pulumirpc.ConfigureResponse{}, nil
	}
	config, err := clientcmd.RESTConfigFromKubeConfig([]byte(text.StringValue()))
	if err != nil {
		return nil, err
	}
	known, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	k.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(known))
	k.client, err = dynamic.NewForConfig(config)
	return &pulumirpc.ConfigureResponse{}, err
}

// of is where objects like one are.
func (k *kubernetes) of(o *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := o.GroupVersionKind()
	m, err := k.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, err
	}
	if o.GetNamespace() == "" {
		return k.client.Resource(m.Resource), nil
	}
	return k.client.Resource(m.Resource).Namespace(o.GetNamespace()), nil
}

// Create applies an object.
func (k *kubernetes) Create(ctx context.Context, r *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	o, state, err := k.apply(ctx, r.GetProperties())
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CreateResponse{Id: o.GetNamespace() + "/" + o.GetName(), Properties: state}, nil
}

// Update applies it anew.
func (k *kubernetes) Update(ctx context.Context, r *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	_, state, err := k.apply(ctx, r.GetNews())
	return &pulumirpc.UpdateResponse{Properties: state}, err
}

func (k *kubernetes) apply(ctx context.Context, of *structpb.Struct) (*unstructured.Unstructured, *structpb.Struct, error) {
	inputs, err := properties(of)
	if err != nil {
		return nil, nil, err
	}
	text, err := json.Marshal(inputs.Mappable())
	if err != nil {
		return nil, nil, err
	}
	o := &unstructured.Unstructured{}
	if err := o.UnmarshalJSON(text); err != nil {
		return nil, nil, err
	}
	client, err := k.of(o)
	if err != nil {
		return nil, nil, err
	}
	force := true
	if _, err := client.Patch(ctx, o.GetName(), types.ApplyPatchType, text, metav1.PatchOptions{FieldManager: "pulumi", Force: &force}); err != nil {
		return nil, nil, err
	}
	if o, err = settled(ctx, client, o.GetName()); err != nil {
		return nil, nil, err
	}
	status, _, _ := unstructured.NestedMap(o.Object, "status")
	state, err := plugin.MarshalProperties(merged(inputs, resource.PropertyMap{"status": resource.NewPropertyValue(status)}), plugin.MarshalOptions{KeepUnknowns: true})
	return o, state, err
}

// settled is an object once it does what it is for.
func settled(ctx context.Context, client dynamic.ResourceInterface, name string) (*unstructured.Unstructured, error) {
	for {
		o, err := client.Get(ctx, name, metav1.GetOptions{})
		if err != nil || done(o) {
			return o, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// done: a Deployment has its pods, and a Service its load balancer.
func done(o *unstructured.Unstructured) bool {
	number := func(path ...string) int64 { n, _, _ := unstructured.NestedInt64(o.Object, path...); return n }
	kind, _, _ := unstructured.NestedString(o.Object, "spec", "type")
	ingress, _, _ := unstructured.NestedSlice(o.Object, "status", "loadBalancer", "ingress")
	switch {
	case o.GetKind() == "Deployment":
		return number("status", "observedGeneration") == o.GetGeneration() && number("status", "availableReplicas") == number("spec", "replicas")
	case kind == "LoadBalancer":
		return len(ingress) > 0
	}
	return true
}

// Delete deletes an object; one that is gone is deleted.
func (k *kubernetes) Delete(ctx context.Context, r *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	inputs, err := properties(r.GetProperties())
	if err != nil {
		return nil, err
	}
	o := &unstructured.Unstructured{Object: inputs.Mappable()}
	client, err := k.of(o)
	if err != nil {
		return nil, err
	}
	if err := client.Delete(ctx, o.GetName(), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}
