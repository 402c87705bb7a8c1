package expand

import (
	"slices"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/value"
)

// workloads adds the objects of all manifests.
func (e *expander) workloads() {
	for _, w := range e.spec.Workloads {
		for _, o := range w.Objects {
			e.object(o, "workload/"+w.Name, w.NodeGroup, having(w.Options, o.Body))
		}
	}
}

// having are a workload's options for one of its objects: of the paths, those that it has.
func having(o spec.Options, body plan.Props) spec.Options {
	with := func(paths []string) (has []string) {
		for _, path := range paths {
			if _, ok := value.Get(body, path); ok {
				has = append(has, path)
			}
		}
		return has
	}
	o.IgnoreChanges, o.ReplaceOnChanges = with(o.IgnoreChanges), with(o.ReplaceOnChanges)
	return o
}

// object adds one Kubernetes object with what must stand before it.
func (e *expander) object(o spec.Object, component, nodeGroup string, opts spec.Options) {
	body := e.tree(o.Body, o.At, o.Key().String())
	if pods := podSpec(o, body); pods != nil && nodeGroup != "" {
		e.place(pods, nodeGroup)
	}
	r := graph.Resource{
		Key: o.Key(), Component: component, Props: body, Conn: Conn(), At: o.At,
		Protect: str(dig(body, "metadata", "annotations"), spec.ProtectAnnotation) == "true",
	}
	e.chosen(&r, opts)
	r.After = append(r.After, e.before(o, body)...)
	e.add(r)
}

// podSpec is the spec of the pods that an object makes; nil if it makes none.
func podSpec(o spec.Object, body plan.Props) plan.Props {
	path, ok := graph.PodPath(o.Group(), o.Kind())
	if !ok {
		return nil
	}
	return dig(body, path...)
}

// place puts pods on a node group: they select its nodes and tolerate its
// taints. What the manifest says itself stands.
func (e *expander) place(pods plan.Props, group string) {
	selector := dig(pods, "nodeSelector")
	if selector == nil {
		selector = make(plan.Props)
		pods["nodeSelector"] = selector
	}
	if _, own := selector[spec.NodeGroupLabel]; !own {
		selector[spec.NodeGroupLabel] = e.spec.GroupKey(group).To(graph.NamePath)
	}
	i := slices.IndexFunc(e.spec.NodeGroups, func(g spec.NodeGroup) bool { return g.Name == group })
	tolerations, _ := pods["tolerations"].([]any)
	for _, taint := range e.spec.NodeGroups[i].Taints {
		if !slices.ContainsFunc(tolerations, func(t any) bool { return tolerates(t, taint) }) {
			tolerations = append(tolerations, toleration(taint))
		}
	}
	if len(tolerations) > 0 {
		pods["tolerations"] = tolerations
	}
}

func toleration(t spec.Taint) plan.Props {
	return plan.Props{"key": t.Key, "operator": "Equal", "value": t.Value, "effect": t.Effect}
}

// tolerates is the rule of the scheduler: an empty key with Exists tolerates
// every taint, an empty effect every effect.
func tolerates(toleration any, t spec.Taint) bool {
	m, _ := toleration.(plan.Props)
	effect, key, exists := str(m, "effect"), str(m, "key"), str(m, "operator") == "Exists"
	switch {
	case m == nil, effect != "" && effect != t.Effect:
		return false
	case key == "":
		return exists
	}
	return key == t.Key && (exists || str(m, "value") == t.Value)
}
