package cluster

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// seeNetworkPolicy notes the pods that the policy is for, and those that it names
// as peers. Which namespaces a peer's namespaceSelector means is not looked at:
// it may be any, which errs on the side of leaving labels alone.
func seeNetworkPolicy(w *world, key string, _, now *networkingv1.NetworkPolicy) {
	object := "NetworkPolicy " + key
	var all []*selector
	if now != nil {
		all = byLabels(object, now.Name, now.Namespace, &now.Spec.PodSelector)
		var peers []networkingv1.NetworkPolicyPeer
		for _, in := range now.Spec.Ingress {
			peers = append(peers, in.From...)
		}
		for _, out := range now.Spec.Egress {
			peers = append(peers, out.To...)
		}
		for _, p := range peers {
			namespace := now.Namespace
			if p.NamespaceSelector != nil {
				namespace = ""
			}
			all = append(all, byLabels(object, now.Name, namespace, p.PodSelector)...)
		}
	}
	w.reselect(w.policies, object, picky(all))
}

// picky leaves out what selects every pod, whatever its labels.
func picky(all []*selector) []*selector {
	var found []*selector
	for _, s := range all {
		if !s.match.Empty() {
			found = append(found, s)
		}
	}
	return found
}

// policy notes whom an object of a mesh or network selects; watcher does so for
// one that only measures.
func policy(selectors func(object string, u *custom) []*selector) func(*world, string, any, any) {
	return selecting1(func(w *world) *finder { return w.policies }, selectors)
}

func watcher(selectors func(object string, u *custom) []*selector) func(*world, string, any, any) {
	return selecting1(func(w *world) *finder { return w.watchers }, selectors)
}

func selecting1(in func(*world) *finder, selectors func(string, *custom) []*selector) func(*world, string, any, any) {
	return typed(func(w *world, key string, before, now *custom) {
		var all []*selector
		object := ""
		for _, u := range []*custom{before, now} {
			if u != nil {
				object = qualified(u) + " " + key
			}
		}
		if now != nil {
			all = picky(selectors(object, now))
		}
		w.reselect(in(w), object, all)
	})
}

// qualified is the object's kind as kubectl has it where several groups have one of that
// name: NetworkPolicy.crd.projectcalico.org.
func qualified(u *custom) string {
	if group := u.GroupVersionKind().Group; group != "" {
		return u.GetKind() + "." + group
	}
	return u.GetKind()
}

// rootNamespace is Istio's own: what lies there is for every namespace.
const rootNamespace = "istio-system"

func istioSelector(object string, u *custom) []*selector {
	namespace := u.GetNamespace()
	if namespace == rootNamespace {
		namespace = ""
	}
	return byMap(object, u.GetName(), namespace, stringMap(u, "spec", "selector", "matchLabels"))
}

// istioWorkloads are the pods whose proxies the object is for, or that are endpoints of
// the host which it names.
func istioWorkloads(object string, u *custom) []*selector {
	namespace := u.GetNamespace()
	if namespace == rootNamespace {
		namespace = ""
	}
	return byMap(object, u.GetName(), namespace, stringMap(u, "spec", "workloadSelector", "labels"))
}

// istioGateway are the proxies that listen for the Gateway, of whatever namespace: one
// that is selected no longer listens no longer, for connections that it has as well.
func istioGateway(object string, u *custom) []*selector {
	return byMap(object, u.GetName(), "", stringMap(u, "spec", "selector"))
}

// istioProxies are those that Istio makes for a Gateway of Kubernetes' Gateway API. One
// listens as long as it is behind the Gateway's Service, which finds it by such a label.
// Other controllers' proxies listen whatever labels they have.
func istioProxies(object string, u *custom) []*selector {
	var all []*selector
	for _, label := range []string{"gateway.networking.k8s.io/gateway-name", "istio.io/gateway-name"} {
		all = append(all, byLabels(object, u.GetName(), u.GetNamespace(), &metav1.LabelSelector{
			MatchLabels:      map[string]string{label: u.GetName()},
			MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "gateway.istio.io/managed", Operator: metav1.LabelSelectorOpExists}},
		})...)
	}
	return all
}

// podSelectors are the pods that the object is for, of its own namespace, and those that
// it names further down as peers, of any.
func podSelectors(object string, u *custom) []*selector {
	spec, _, _ := unstructured.NestedMap(u.Object, "spec")
	all := ciliumSelector(object, u, spec["podSelector"], u.GetNamespace())
	for _, raw := range deeper(spec) {
		all = append(all, ciliumSelector(object, u, raw, "")...)
	}
	return all
}

// deeper finds what is called podSelector in parts of something.
func deeper(within any) []any {
	var found []any
	look := func(part any) {
		if fields, is := part.(map[string]any); is && fields["podSelector"] != nil {
			found = append(found, fields["podSelector"])
		}
		found = append(found, deeper(part)...)
	}
	switch within := within.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(within)) {
			look(within[key])
		}
	case []any:
		for _, part := range within {
			look(part)
		}
	}
	return found
}

// istioSubsets are parts of a Service's pods that get traffic of their own.
func istioSubsets(object string, u *custom) []*selector {
	var all []*selector
	for _, subset := range list(u, "spec", "subsets") {
		all = append(all, byMap(object, u.GetName(), hostNamespace(text(u, "spec", "host"), u.GetNamespace()), stringMap(subset, "labels"))...)
	}
	return all
}

// hostNamespace is that of web.apps.svc.cluster.local; a short name is of the
// rule's own.
func hostNamespace(host, own string) string {
	parts := strings.Split(host, ".")
	if len(parts) > 1 {
		return parts[1]
	}
	return own
}

// ciliumSelectors are the endpoints that a policy, or one of its specs, is for,
// and those that it names as peers.
func ciliumSelectors(object string, u *custom) []*selector {
	var all []*selector
	specs := list(u, "specs")
	if spec, ok, _ := unstructured.NestedMap(u.Object, "spec"); ok {
		specs = append(specs, &custom{Object: spec})
	}
	for _, spec := range specs {
		all = append(all, ciliumSelector(object, u, spec.Object["endpointSelector"], u.GetNamespace())...)
		for direction, peers := range map[string][]string{
			"ingress": {"fromEndpoints"}, "ingressDeny": {"fromEndpoints"}, "egress": {"toEndpoints"}, "egressDeny": {"toEndpoints"},
		} {
			for _, rule := range list(spec, direction) {
				for _, peer := range list(rule, peers...) {
					all = append(all, ciliumSelector(object, u, peer.Object, u.GetNamespace())...)
				}
			}
		}
	}
	return all
}

// ciliumNamespace is how Cilium selects by namespace, among the labels of pods.
const ciliumNamespace = "io.kubernetes.pod.namespace"

// ciliumSelector reads a selector whose labels say where they come from
// (k8s:app). Namespaces are among its labels, and such a selector is for any.
func ciliumSelector(object string, u *custom, raw any, namespace string) []*selector {
	data, err := json.Marshal(raw)
	if err != nil || raw == nil {
		return nil
	}
	var s metav1.LabelSelector
	if json.Unmarshal(data, &s) != nil {
		return nil
	}
	kept := &metav1.LabelSelector{MatchLabels: map[string]string{}}
	add := func(key string, keep func(string)) {
		key = strings.TrimPrefix(strings.TrimPrefix(key, "k8s:"), "any:")
		switch {
		case strings.HasPrefix(key, ciliumNamespace), strings.HasPrefix(key, "io.cilium.k8s.namespace"):
			namespace = ""
		case strings.Contains(key, ":"): // reserved:host and the like: no pods
		default:
			keep(key)
		}
	}
	for k, v := range s.MatchLabels {
		add(k, func(key string) { kept.MatchLabels[key] = v })
	}
	for _, e := range s.MatchExpressions {
		add(e.Key, func(key string) {
			e.Key = key
			kept.MatchExpressions = append(kept.MatchExpressions, e)
		})
	}
	return byLabels(object, u.GetName(), namespace, kept)
}

// monitorSelectors are the pods that Prometheus scrapes by themselves.
func monitorSelectors(object string, u *custom) []*selector {
	raw, ok, _ := unstructured.NestedMap(u.Object, "spec", "selector")
	if !ok {
		return nil
	}
	namespace := u.GetNamespace()
	if _, other, _ := unstructured.NestedMap(u.Object, "spec", "namespaceSelector"); other {
		namespace = ""
	}
	return ciliumSelector(object, u, raw, namespace)
}

func stringMap(u *custom, path ...string) map[string]string {
	m, _, _ := unstructured.NestedStringMap(u.Object, path...)
	return m
}
