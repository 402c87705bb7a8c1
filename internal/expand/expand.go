// Package expand turns a Spec into the graph of resources that it stands for:
// the network, the cluster, the parts of every node group, the objects of the
// workloads. It stands between package spec, which read the files, and the
// engine, which carries the graph out. It asks nobody anything: what depends
// on the region is in Env.
package expand

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// Env is what the files do not say.
type Env struct {
	Region string   // us-west-2
	Zones  []string // the availability zones to spread over, in order: us-west-2a, ...

	Network *spec.Network          // that the cluster shall be in, if it is there already
	Where   map[string]graph.Where // by provider
	Newest  map[string]string      // what the parameters hold today that Newest names
}

// Graph expands a Spec that Load found no problem in.
func Graph(s *spec.Spec, env Env) (*graph.Graph, problem.List) {
	e := expander{
		spec:  s,
		env:   env,
		scope: s.Scope(env.Region, env.Zones).Within(env.Network),
		graph: &graph.Graph{Stack: s.Stack, Project: s.Name},
	}
	e.declared = declare(s.Objects())
	if s.Cluster != nil {
		if !e.network() {
			return nil, e.problems
		}
		e.cluster()
		e.addons()
		e.access()
	}
	for _, g := range s.NodeGroups {
		e.nodeGroup(g)
	}
	e.workloads()
	e.resources()
	e.serve()
	e.outputs()
	e.guards()
	if len(e.problems) == 0 {
		e.problems = graph.Validate(e.graph)
	}
	if len(e.problems) > 0 {
		return nil, e.problems
	}
	return e.graph, nil
}

type expander struct {
	spec     *spec.Spec
	env      Env
	scope    spec.Scope
	graph    *graph.Graph
	problems problem.List
	declared declared

	subnets map[string][]graph.Key // by tier: public, private
	routed  []graph.Key            // what must stand before a subnet reaches the internet
	early   []graph.Key            // add-ons that must stand before nodes come
}

func (e *expander) add(r graph.Resource) { e.graph.Resources = append(e.graph.Resources, r) }

// fail adds what went wrong with what stands at a place.
func (e *expander) fail(at problem.Place, op string, err error, fix string) {
	p := &problem.Error{Kind: problem.Usage, At: at, Op: op, Err: err, Fix: fix}
	var known *problem.Error
	if errors.As(err, &known) {
		p.Err, p.Fix = known.Err, known.Fix
	}
	e.problems = append(e.problems, p)
}

// text translates the references of a value that is no list.
func (e *expander) text(v any, at problem.Place, op string) any {
	t, err := e.scope.Text(v)
	if err != nil {
		e.fail(at, op, err, "correct the reference")
	}
	return t
}

// tree translates the references of properties.
func (e *expander) tree(props any, at problem.Place, op string) plan.Props {
	t, err := e.scope.Tree(props)
	if err != nil {
		e.fail(at, op, err, "correct the reference")
		return nil
	}
	m, _ := t.(plan.Props)
	return m
}

func (e *expander) outputs() {
	for _, o := range e.spec.Outputs {
		e.graph.Outputs = append(e.graph.Outputs,
			graph.Output{Name: o.Name, Value: e.text(o.Value, o.At, "outputs."+o.Name), At: o.At})
	}
}

func (e *expander) guards() {
	for i, g := range e.spec.Guards {
		op := fmt.Sprintf("guard[%d]", i)
		t := &g.Target
		t.URL, t.Host = e.text(t.URL, g.At, op+".url"), e.text(t.Host, g.At, op+".host")
		t.Body, t.Query = e.text(t.Body, g.At, op+".body"), e.text(t.Query, g.At, op+".query")
		t.Headers = maps.Clone(t.Headers)
		for name, text := range t.Headers {
			t.Headers[name] = e.text(text, g.At, op+".headers."+name)
		}
		e.graph.Guards = append(e.graph.Guards, g)
	}
}

// Conn is how the provider of Kubernetes objects reaches the cluster.
func Conn() plan.Props {
	return plan.Props{
		"cluster":  spec.ClusterKey.To(graph.NamePath),
		"endpoint": spec.ClusterKey.To("Endpoint"),
		"ca":       spec.ClusterKey.To("CertificateAuthorityData"),
	}
}

// defaults are tags with those that everything has, of what a resource launches.
func (e *expander) defaults(marks []any) []any {
	for _, key := range slices.Sorted(maps.Keys(e.spec.Tags)) {
		if key != "Name" {
			marks = append(marks, plan.Props{"Key": key, "Value": e.spec.Tags[key]})
		}
	}
	return marks
}

// tags are pairs of key and value in CloudFormation's form.
func tags(pairs ...any) []any {
	list := make([]any, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		list = append(list, plan.Props{"Key": pairs[i], "Value": pairs[i+1]})
	}
	return list
}

// clusterTag is the key of the tag that marks what belongs to a cluster.
func clusterTag() any {
	return value.Text("kubernetes.io/cluster/", spec.ClusterKey.To(graph.NamePath))
}
