package expand

import (
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/plan"
)

// before lists what an object needs although no reference says so: created
// after it, and deleted before it.
func (e *expander) before(o spec.Object, body plan.Props) []graph.Key {
	b := needs{declared: e.declared, self: o, has: make(map[graph.Key]bool)}
	b.add("v1/Namespace", "", o.Namespace)
	switch o.Group() + "/" + o.Kind() {
	case "rbac.authorization.k8s.io/RoleBinding", "rbac.authorization.k8s.io/ClusterRoleBinding":
		b.binding(body)
	case "networking.k8s.io/Ingress":
		b.add("networking.k8s.io/v1/IngressClass", "", str(dig(body, "spec"), "ingressClassName"))
		if graph.ALBIngress(dig(o.Body, "metadata", "annotations")) { // as a Service of type LoadBalancer
			b.keys = append(b.keys, e.routed...)
			b.keys = append(b.keys, e.groups()...)
		}
	case "apps/StatefulSet":
		b.add("v1/Service", o.Namespace, str(dig(body, "spec"), "serviceName"))
	case "/Service":
		if str(dig(body, "spec"), "type") == "LoadBalancer" {
			// Its load balancer lives in the subnets, unknown to the graph, and
			// must be gone before they can go. It is made when the nodes have
			// joined: the cloud's controller registers the nodes that it read
			// when it began, and looks again only when a node changes, so that
			// one that joins meanwhile may stay out for good.
			b.keys = append(b.keys, e.routed...)
			b.keys = append(b.keys, e.groups()...)
		}
	case "autoscaling/HorizontalPodAutoscaler":
		target := dig(body, "spec", "scaleTargetRef")
		b.add(str(target, "apiVersion")+"/"+str(target, "kind"), o.Namespace, str(target, "name"))
	}
	pods := podSpec(o, body)
	if pods != nil {
		b.pods(pods)
	}
	if pods != nil || o.Custom() {
		// Pods go before their nodes do; so does what a controller among
		// them may have to clean up.
		b.definition()
		b.keys = append(b.keys, e.groups()...)
	}
	return b.keys
}

// groups are the keys of all node groups.
func (e *expander) groups() []graph.Key {
	keys := make([]graph.Key, 0, len(e.spec.NodeGroups))
	for _, g := range e.spec.NodeGroups {
		keys = append(keys, g.Key())
	}
	return keys
}

// declared is what the stack has of Kubernetes, found by what others call it.
type declared struct {
	keys        map[graph.Key]bool
	bindings    map[graph.Key][]spec.Object // of a service account
	definitions map[string][]spec.Object    // of group/Kind
	rules       map[graph.Key][]plan.Props  // of a role
}

func declare(objects []spec.Object) declared {
	d := declared{keys: make(map[graph.Key]bool, len(objects)),
		bindings: make(map[graph.Key][]spec.Object), definitions: make(map[string][]spec.Object), rules: make(map[graph.Key][]plan.Props)}
	for _, o := range objects {
		d.keys[o.Key()] = true
		switch o.Group() + "/" + o.Kind() {
		case "rbac.authorization.k8s.io/RoleBinding", "rbac.authorization.k8s.io/ClusterRoleBinding":
			for _, account := range accounts(o.Body) {
				d.bindings[account.Key()] = append(d.bindings[account.Key()], o)
			}
		case "rbac.authorization.k8s.io/Role", "rbac.authorization.k8s.io/ClusterRole":
			d.rules[o.Key()] = list(o.Body, "rules")
		case "apiextensions.k8s.io/CustomResourceDefinition":
			made := dig(o.Body, "spec")
			of := str(made, "group") + "/" + str(dig(made, "names"), "kind")
			d.definitions[of] = append(d.definitions[of], o)
		}
	}
	return d
}

// needs collects what stands in the stack of what an object names.
type needs struct {
	declared
	self spec.Object
	keys []graph.Key
	has  map[graph.Key]bool // those in keys
}

// add adds an object if the stack has it.
func (b *needs) add(typ, namespace, name string) {
	key := spec.Object{Type: typ, Namespace: namespace, Name: name}.Key()
	if name != "" && b.declared.keys[key] && key != b.self.Key() && !b.has[key] {
		b.has[key] = true
		b.keys = append(b.keys, key)
	}
}

// binding needs its role and its service accounts.
func (b *needs) binding(body plan.Props) {
	role := dig(body, "roleRef")
	namespace := b.self.Namespace
	if str(role, "kind") == "ClusterRole" {
		namespace = ""
	}
	b.add("rbac.authorization.k8s.io/v1/"+str(role, "kind"), namespace, str(role, "name"))
	for _, subject := range accounts(body) {
		b.add(accountType, subject.Namespace, subject.Name)
	}
}

// accounts are the service accounts that a binding is about.
func accounts(body plan.Props) []spec.Object {
	var accounts []spec.Object
	for _, s := range list(body, "subjects") {
		if str(s, "kind") == "ServiceAccount" {
			accounts = append(accounts, spec.Object{Type: accountType, Namespace: str(s, "namespace"), Name: str(s, "name")})
		}
	}
	return accounts
}

const accountType = "v1/ServiceAccount"

// pods need what their spec names, and the rights of their service account.
func (b *needs) pods(pods plan.Props) {
	ns := b.self.Namespace
	account := str(pods, "serviceAccountName")
	b.add(accountType, ns, account)
	if account != "" {
		for _, o := range b.bindings[spec.Object{Type: accountType, Namespace: ns, Name: account}.Key()] {
			b.add(o.Type, o.Namespace, o.Name)
		}
	}
	b.add("scheduling.k8s.io/v1/PriorityClass", "", str(pods, "priorityClassName"))
	b.add("node.k8s.io/v1/RuntimeClass", "", str(pods, "runtimeClassName"))
	for _, s := range list(pods, "imagePullSecrets") {
		b.add("v1/Secret", ns, str(s, "name"))
	}
	for _, v := range list(pods, "volumes") {
		b.source(v)
		for _, s := range list(dig(v, "projected"), "sources") {
			b.source(s)
		}
	}
	for _, c := range append(list(pods, "initContainers"), list(pods, "containers")...) {
		for _, env := range list(c, "envFrom") {
			b.add("v1/ConfigMap", ns, str(dig(env, "configMapRef"), "name"))
			b.add("v1/Secret", ns, str(dig(env, "secretRef"), "name"))
		}
		for _, env := range list(c, "env") {
			b.add("v1/ConfigMap", ns, str(dig(env, "valueFrom", "configMapKeyRef"), "name"))
			b.add("v1/Secret", ns, str(dig(env, "valueFrom", "secretKeyRef"), "name"))
		}
	}
}

// source is where a volume takes its files from.
func (b *needs) source(v plan.Props) {
	ns := b.self.Namespace
	b.add("v1/ConfigMap", ns, str(dig(v, "configMap"), "name"))
	b.add("v1/Secret", ns, str(dig(v, "secret"), "secretName"))
	b.add("v1/Secret", ns, str(dig(v, "secret"), "name")) // within projected
	b.add("v1/PersistentVolumeClaim", ns, str(dig(v, "persistentVolumeClaim"), "claimName"))
}

// definition adds the definition of a custom kind.
func (b *needs) definition() {
	for _, o := range b.definitions[b.self.Group()+"/"+b.self.Kind()] {
		b.add(o.Type, "", o.Name)
	}
}

// dig follows keys through mappings; nil if one is missing.
func dig(m plan.Props, path ...string) plan.Props {
	for _, key := range path {
		m, _ = m[key].(plan.Props)
	}
	return m
}

func str(m plan.Props, key string) string {
	s, _ := m[key].(string)
	return s
}

// list is a list of mappings.
func list(m plan.Props, key string) []plan.Props {
	items, _ := m[key].([]any)
	maps := make([]plan.Props, 0, len(items))
	for _, item := range items {
		if p, ok := item.(plan.Props); ok {
			maps = append(maps, p)
		}
	}
	return maps
}
