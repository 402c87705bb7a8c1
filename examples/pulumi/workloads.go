package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/droverhq/drover/examples"
)

// workloads are the manifests of the tutorial, in order: NGINX on the nodes of web, and
// what it hands requests to on those of standard. The output is the name of the load
// balancer in front of NGINX.
func (c *cluster) workloads(ctx *pulumi.Context, after ...pulumi.Resource) error {
	provider := &pulumi.ProviderResourceState{}
	if err := ctx.RegisterResource("pulumi:providers:kubernetes", "kubernetes", pulumi.Map{"kubeconfig": c.kubeconfig()}, provider); err != nil {
		return err
	}
	for _, part := range []struct{ folder, role string }{{"base", ""}, {"echoserver", "standard"}, {"nginx", "web"}} {
		all, err := manifests(part.folder)
		if err != nil {
			return err
		}
		made, err := apply(ctx, all, part.role, pulumi.Provider(provider), pulumi.DependsOn(after))
		if err != nil {
			return err
		}
		after = append(after, made...)
	}
	return nil
}

// manifests are the objects of a folder of the tutorial.
func manifests(folder string) ([]unstructured.Unstructured, error) {
	files, err := fs.Glob(examples.FS, "migrate-nodegroups/"+folder+"/*.yaml")
	if err != nil {
		return nil, err
	}
	var all []unstructured.Unstructured
	for _, file := range files {
		text, err := fs.ReadFile(examples.FS, file)
		if err != nil {
			return nil, err
		}
		for documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
			var o unstructured.Unstructured
			if err := documents.Decode(&o.Object); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			all = append(all, o)
		}
	}
	return all, nil
}

// apply makes objects of pulumi-kubernetes, Deployments on the nodes of a role. A
// Service with a load balancer tells its name.
func apply(ctx *pulumi.Context, all []unstructured.Unstructured, role string, opts ...pulumi.ResourceOption) ([]pulumi.Resource, error) {
	var made []pulumi.Resource
	for _, o := range all {
		if o.GetKind() == "Deployment" {
			if err := place(o, role); err != nil {
				return nil, err
			}
		}
		version := o.GetAPIVersion()
		if !strings.Contains(version, "/") {
			version = "core/" + version
		}
		r := &served{}
		if err := ctx.RegisterResource("kubernetes:"+version+":"+o.GetKind(), o.GetName(), pulumi.ToMap(o.Object), r, opts...); err != nil {
			return nil, err
		}
		if kind, _, _ := unstructured.NestedString(o.Object, "spec", "type"); kind == "LoadBalancer" {
			ctx.Export("nginxServiceUrl", r.Status.ApplyT(hostname))
		}
		made = append(made, r)
	}
	return made, nil
}

// place puts the pods of a Deployment on the nodes of a role, whose taint they bear.
func place(o unstructured.Unstructured, role string) error {
	pod := []string{"spec", "template", "spec"}
	tolerations := []any{map[string]any{"key": "nginx", "operator": "Exists", "effect": "NoSchedule"}}
	if role == "web" {
		if err := unstructured.SetNestedSlice(o.Object, tolerations, append(pod, "tolerations")...); err != nil {
			return err
		}
	}
	return unstructured.SetNestedStringMap(o.Object, map[string]string{"role": role}, append(pod, "nodeSelector")...)
}

// hostname is the name of a Service's load balancer.
func hostname(status map[string]any) string {
	ingress, _, _ := unstructured.NestedSlice(status, "loadBalancer", "ingress")
	if len(ingress) == 0 {
		return ""
	}
	first, _ := ingress[0].(map[string]any)
	name, _ := first["hostname"].(string)
	return name
}
