package drover

import (
	"bytes"
	"encoding/json"
	"strings"
)

// WorkloadArgs say which Kubernetes objects a workload has.
type WorkloadArgs struct {
	Manifests []string   // files and folders, relative to the folder of drover.yaml
	Kustomize []string   // folders for Kustomize, relative to it, too
	Chart     *ChartArgs // a chart of Helm; nil: none
	Objects   []any      // whole objects: of k8s.io/api, or anything that JSON writes as one
	NodeGroup *NodeGroup // where its pods go; nil: where the scheduler puts them
	More      Properties // further keys, as docs/stack-file.md has them
	Options   Options
}

// ChartArgs say which chart of Helm, and what it is rendered with.
type ChartArgs struct {
	Source     string     // a folder, a .tgz, or oci://…
	Version    string     // of a chart in a registry
	Release    string     // by which it calls its objects; empty: the workload's name
	Namespace  string     // empty: default
	ValueFiles []string   // relative to the folder of drover.yaml
	Values     Properties // over these
	Hooks      string     // make or leave; needed if the chart has hooks that Helm would run
}

func (a WorkloadArgs) keys() Properties {
	return given(Properties{
		"manifests": a.Manifests, "kustomize": a.Kustomize, "chart": a.Chart.keys(), "objects": objects(a.Objects), "nodeGroup": a.NodeGroup,
	}, a.Options.keys(), a.More)
}

func (a *ChartArgs) keys() Properties {
	if a == nil {
		return nil
	}
	return given(Properties{
		"source": a.Source, "version": a.Version, "release": a.Release, "namespace": a.Namespace,
		"valueFiles": a.ValueFiles, "values": a.Values, "hooks": a.Hooks,
	})
}

// Workload is a set of Kubernetes objects.
type Workload struct{ name string }

// Workload registers Kubernetes objects. In their texts a reference starts with
// a word that Drover knows and a dot, as in "${cluster.name}"; any other "${" is
// the object's own.
func (s *Stack) Workload(name string, args WorkloadArgs) *Workload {
	s.register("workloads", s.prefix+name, args.keys())
	return &Workload{s.prefix + name}
}

func (w *Workload) word() string { return "workloads." + w.name }

// Object is one of the workload's, by the plural of its kind and its name:
// Object("services", "nginx"). Where two share a name, it is "namespace/name".
func (w *Workload) Object(kinds, name string) Object {
	return Object{w.word() + "." + kinds + "." + name}
}

// Object is a Kubernetes object that others refer to.
type Object struct{ ref string }

// Output is a field of the live object: "spec.clusterIP".
func (o Object) Output(path string) Output[string] { return Ref[string](o.ref + "." + path) }

// Hostname is the name of the load balancer of a Service or an Ingress.
func (o Object) Hostname() Output[string] { return o.Output("hostname") }

// IP is the address of the load balancer of a Service or an Ingress.
func (o Object) IP() Output[string] { return o.Output("ip") }

// Name is the object's.
func (o Object) Name() Output[string] { return o.Output("name") }

// Namespace is the object's.
func (o Object) Namespace() Output[string] { return o.Output("namespace") }

// objects are written as Kubernetes wants them.
func objects(all []any) []any {
	out := make([]any, len(all))
	for i, o := range all {
		out[i] = object{o}
	}
	return out
}

// object is a Kubernetes object as one is applied: what typed ones hold though
// nobody has set it (null, an empty status) is left out.
type object struct{ value any }

// MarshalJSON writes the object.
func (o object) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(o.value)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	if m, is := tree.(map[string]any); is && m["kind"] != nil {
		delete(m, "status")
	}
	return json.Marshal(withoutNull(tree))
}

func withoutNull(tree any) any {
	switch tree := tree.(type) {
	case map[string]any:
		for key, value := range tree {
			if value == nil {
				delete(tree, key)
			} else {
				tree[key] = withoutNull(value)
			}
		}
	case []any:
		for i := range tree {
			tree[i] = withoutNull(tree[i])
		}
	}
	return tree
}

// Resource is an object of any AWS or Kubernetes type.
type Resource struct{ name string }

// ResourceArgs say what an object is.
type ResourceArgs struct {
	Type       string     // AWS::SQS::Queue, v1/ConfigMap
	Name       string     // of which its physical name is made; empty: the resource's
	Properties any        // by CloudFormation's names, or a Kubernetes object; [Properties], or anything that JSON writes so
	More       Properties // further keys, as docs/stack-file.md has them
	Options    Options
}

func (a ResourceArgs) keys() Properties {
	properties := a.Properties
	if strings.Contains(a.Type, "/") && properties != nil {
		properties = object{properties}
	}
	return given(Properties{"type": a.Type, "name": a.Name, "properties": properties}, a.Options.keys(), a.More)
}

// Resource registers an object of any type.
func (s *Stack) Resource(name string, args ResourceArgs) *Resource {
	s.register("resources", s.prefix+name, args.keys())
	return &Resource{s.prefix + name}
}

func (r *Resource) word() string { return "resources." + r.name }

// Output is an output of the resource, by CloudFormation's name ("Arn"), or a
// field of the live Kubernetes object. It is text; for another type: [Attr].
func (r *Resource) Output(path string) Output[string] { return Attr[string](r, path) }

// Name is the object's physical name.
func (r *Resource) Name() Output[string] { return r.Output("@name") }

// Attr is an output of a resource that is no text.
//
//	subnets := drover.Attr[[]string](r, "SubnetIds")
func Attr[T any](r *Resource, path string) Output[T] { return Ref[T](r.word() + "." + path) }
