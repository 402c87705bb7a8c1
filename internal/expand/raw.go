package expand

import (
	"strings"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/spec"
)

// resources adds what the file declares in the raw.
func (e *expander) resources() {
	for _, r := range e.spec.Resources {
		var after []graph.Key
		for _, name := range r.After {
			after = append(after, e.named(name)...)
		}
		if r.Object != nil {
			e.object(*r.Object, "", "", after)
			last := &e.graph.Resources[len(e.graph.Resources)-1]
			last.Protect = last.Protect || r.Protect
			continue
		}
		e.add(graph.Resource{
			Key: r.Key(), NameProperty: r.NameProperty, BaseName: r.BaseName, After: after, At: r.At, Protect: r.Protect,
			Props: e.tree(r.Properties, r.At, "resources."+r.Name),
		})
	}
}

// named is what an entry of after stands for.
func (e *expander) named(name string) []graph.Key {
	section, rest, _ := strings.Cut(name, ".")
	switch section {
	case "cluster":
		return []graph.Key{spec.ClusterKey}
	case "network":
		return e.routed
	case "nodeGroups":
		return []graph.Key{spec.GroupKey(rest)}
	}
	var keys []graph.Key
	for _, w := range e.spec.Workloads {
		if section == "workloads" && w.Name == rest {
			for _, o := range w.Objects {
				keys = append(keys, o.Key())
			}
		}
	}
	for _, r := range e.spec.Resources {
		if section == "resources" && r.Name == rest {
			keys = append(keys, r.Key())
		}
	}
	return keys
}
