package expand

import (
	"slices"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/plan"
)

// serve lets objects that a controller in the stack serves come after it, and go
// before it: Ingresses, Services of type LoadBalancer, objects of custom kinds. It
// keeps finalizers on them, and without it they would stay for ever, with what it
// has made for them outside. Which it serves tell its rights: it writes their
// status or finalizers.
//
// An object that a controller needs itself stays as it is.
func (e *expander) serve() {
	objects := e.spec.Objects()
	served := e.served()
	for _, o := range objects {
		rules := e.declared.rights(o)
		var led []int
		for i, kind := range served {
			if kind.writtenBy(rules) {
				led = append(led, i)
			}
		}
		if len(led) == 0 {
			continue
		}
		needs := e.reach(o.Key())
		for _, i := range led {
			if r := &e.graph.Resources[i]; r.Key != o.Key() && !needs[r.Key] && !slices.Contains(r.After, o.Key()) {
				r.After = append(r.After, o.Key())
			}
		}
	}
}

// kind is what an authorizer knows of an object.
type kind struct {
	group, resource string
	custom          bool
}

// served are the objects that a controller may serve, by their place in the graph.
func (e *expander) served() map[int]kind {
	found := make(map[int]kind)
	for i, r := range e.graph.Resources {
		switch {
		case r.Type == "networking.k8s.io/v1/Ingress":
			found[i] = kind{group: "networking.k8s.io", resource: "ingresses"}
		case r.Type == "v1/Service" && str(dig(r.Props, "spec"), "type") == "LoadBalancer":
			found[i] = kind{resource: "services"}
		case len(r.Conn) > 0:
			o := spec.Object{Type: r.Type}
			for _, made := range e.declared.definitions[o.Group()+"/"+o.Kind()] {
				found[i] = kind{group: o.Group(), resource: str(dig(made.Body, "spec", "names"), "plural"), custom: true}
			}
		}
	}
	return found
}

// writtenBy reports that somebody with these rights keeps the state of objects of
// the kind. Of custom kinds all do who may change them.
func (k kind) writtenBy(rules []plan.Props) bool {
	resources := []string{k.resource + "/status", k.resource + "/finalizers"}
	if k.custom {
		resources = append(resources, k.resource, "*")
	}
	return slices.ContainsFunc(rules, func(rule plan.Props) bool {
		return slices.Contains(texts(rule, "apiGroups"), k.group) &&
			intersect(texts(rule, "resources"), resources) && intersect(texts(rule, "verbs"), []string{"update", "patch", "*"})
	})
}

// rights are the rules of the roles that a workload's service account is bound to.
func (d declared) rights(o spec.Object) []plan.Props {
	account := str(podSpec(o, o.Body), "serviceAccountName")
	if account == "" {
		return nil
	}
	var rules []plan.Props
	for _, binding := range d.bindings[spec.Object{Type: accountType, Namespace: o.Namespace, Name: account}.Key()] {
		role := dig(binding.Body, "roleRef")
		namespace := binding.Namespace
		if str(role, "kind") == "ClusterRole" {
			namespace = ""
		}
		at := spec.Object{Type: "rbac.authorization.k8s.io/v1/" + str(role, "kind"), Namespace: namespace, Name: str(role, "name")}
		rules = append(rules, d.rules[at.Key()]...)
	}
	return rules
}

// reach is all that a resource needs, by whatever way.
func (e *expander) reach(from graph.Key) map[graph.Key]bool {
	index := make(map[graph.Key]graph.Resource, len(e.graph.Resources))
	for _, r := range e.graph.Resources {
		index[r.Key] = r
	}
	seen := make(map[graph.Key]bool)
	for next := []graph.Key{from}; len(next) > 0; {
		r := index[next[0]]
		next = next[1:]
		for _, k := range r.Needs() {
			if !seen[k] {
				seen[k] = true
				next = append(next, k)
			}
		}
	}
	return seen
}

func intersect(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// texts is a list of texts.
func texts(m plan.Props, key string) []string {
	items, _ := m[key].([]any)
	var found []string
	for _, item := range items {
		if s, ok := item.(string); ok {
			found = append(found, s)
		}
	}
	return found
}
