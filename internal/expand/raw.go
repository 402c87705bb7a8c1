package expand

import (
	"strings"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/spec"
)

// resources adds what the file declares in the raw.
func (e *expander) resources() {
	for _, r := range e.spec.Resources {
		if r.Object != nil {
			e.object(*r.Object, "", "", r.Options)
			continue
		}
		raw := graph.Resource{
			Key: r.Key(), NameProperty: r.NameProperty, BaseName: r.BaseName, At: r.At,
			Props: e.tree(r.Properties, r.At, "resources."+r.Name),
		}
		e.chosen(&raw, r.Options)
		e.add(raw)
	}
}

// chosen adds to a resource what the file asks for beside its properties.
func (e *expander) chosen(r *graph.Resource, o spec.Options) {
	r.Protect, r.Where = r.Protect || o.Protect, e.env.Where[o.Provider]
	for _, name := range o.DependsOn {
		r.After = append(r.After, e.named(name)...)
	}
	r.Options = graph.Options{
		IgnoreChanges: o.IgnoreChanges, ReplaceOnChanges: o.ReplaceOnChanges,
		DeleteFirst: o.DeleteBeforeReplace, Retain: o.RetainOnDelete,
		Create: o.Timeouts.Create, Update: o.Timeouts.Update, Delete: o.Timeouts.Delete,
	}
	for _, name := range o.Aliases {
		r.Options.Aliases = append(r.Options.Aliases, graph.Key{Type: r.Type, Name: name})
	}
}

// named is what an entry of dependsOn stands for.
func (e *expander) named(name string) []graph.Key {
	section, rest, _ := strings.Cut(name, ".")
	switch section {
	case "cluster":
		return []graph.Key{spec.ClusterKey}
	case "network":
		return e.routed
	case "nodeGroups":
		return []graph.Key{e.spec.GroupKey(rest)}
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
