package cluster

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/droverhq/drover/internal/handover"
)

// targetLabels restricts a Service's load balancer to some nodes: "k=v,k2=v2".
const targetLabels = "service.beta.kubernetes.io/aws-load-balancer-target-node-labels"

func seeService(w *world, key string, _, now *corev1.Service) {
	var selectors []*selector
	if now != nil && now.Spec.Type != corev1.ServiceTypeExternalName {
		selectors = byMap("Service "+key, now.Name, now.Namespace, now.Spec.Selector)
	}
	w.reselect(w.services, key, selectors)
	w.marks.services[key] = true
}

// service translates one Service, if it is there and can have endpoints. One
// without a selector can: somebody else keeps them.
func (w *world) service(key string) (*handover.Service, bool) {
	s, ok := w.seen[kindService][key].(*corev1.Service)
	if !ok || s.Spec.Type == corev1.ServiceTypeExternalName {
		return nil, false
	}
	out := &handover.Service{
		Namespace: s.Namespace, Name: s.Name,
		Balanced:   s.Spec.Type == corev1.ServiceTypeLoadBalancer,
		Headless:   s.Spec.ClusterIP == corev1.ClusterIPNone,
		NodeLabels: nodeLabels(s),
	}
	out.Local = s.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal &&
		(out.Balanced || s.Spec.Type == corev1.ServiceTypeNodePort)
	out.NodeLocal = s.Spec.InternalTrafficPolicy != nil && *s.Spec.InternalTrafficPolicy == corev1.ServiceInternalTrafficPolicyLocal
	for _, p := range s.Spec.Ports {
		if p.NodePort != 0 {
			out.NodePorts = append(out.NodePorts, int(p.NodePort))
		}
	}
	for _, in := range s.Status.LoadBalancer.Ingress {
		for _, host := range []string{in.Hostname, in.IP} {
			if host != "" {
				out.Hosts = append(out.Hosts, host)
			}
		}
	}
	out.ToPods = toPods(s, out)
	if names, enough := published(s); s.Spec.Type == corev1.ServiceTypeNodePort && len(names) > 0 {
		out.Balanced, out.Hosts = true, names // clients balance among addresses of nodes
	} else if out.Headless {
		out.Published = enough
	}
	out.Routes = w.routes.of(key)
	for _, b := range w.bindings.of(key) {
		if _, arn, _ := strings.Cut(b, " "); !slices.Contains(out.TargetGroups, arn) {
			out.TargetGroups = append(out.TargetGroups, arn)
		}
	}
	slices.Sort(out.TargetGroups)
	return out, true
}

// What tells the controllers of load balancers to register pods: the AWS Load Balancer
// Controller, and in clusters of before its version 2.2 the type of the load balancer.
const (
	targetType   = "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type"
	balancerType = "service.beta.kubernetes.io/aws-load-balancer-type"
)

// toPods: the Service's load balancers send to its pods. Without ports of nodes there
// is nothing else that they could send to.
func toPods(s *corev1.Service, out *handover.Service) bool {
	if !out.Balanced {
		return false
	}
	return s.Annotations[targetType] == "ip" || s.Annotations[balancerType] == "nlb-ip" || len(out.NodePorts) == 0
}

// How external-dns is told to publish a Service, and for how long its records hold.
const (
	dnsPrefix      = "external-dns.alpha.kubernetes.io/"
	recordTTL      = 5 * time.Minute // where no annotation says otherwise, on Route 53
	recordInterval = time.Minute     // between two looks of external-dns
)

// published are the names under which external-dns publishes addresses of a Service's
// pods or nodes, and how long one that has gone may be used.
func published(s *corev1.Service) (names []string, enough time.Duration) {
	for _, key := range []string{"hostname", "internal-hostname"} {
		for _, name := range strings.Split(s.Annotations[dnsPrefix+key], ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return nil, 0
	}
	ttl := recordTTL
	text := s.Annotations[dnsPrefix+"ttl"]
	if seconds, err := strconv.Atoi(text); err == nil {
		ttl = time.Duration(seconds) * time.Second
	} else if d, err := time.ParseDuration(text); err == nil {
		ttl = d
	}
	return names, max(ttl, recordTTL) + recordInterval
}

func nodeLabels(s *corev1.Service) map[string]string {
	var found map[string]string
	for _, part := range strings.Split(s.Annotations[targetLabels], ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || key == "" {
			continue
		}
		if found == nil {
			found = map[string]string{}
		}
		found[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	return found
}

// route notes which Services something sends to.
func (w *world) route(who string, before, now []string) {
	w.routes.relink(who, before, now)
	for _, key := range slices.Concat(before, now) {
		w.marks.services[key] = true
	}
}

func ingressBackends(in *networkingv1.Ingress) []string {
	var found []string
	note := func(b *networkingv1.IngressBackend) {
		if b != nil && b.Service != nil {
			found = append(found, in.Namespace+"/"+b.Service.Name)
		}
	}
	note(in.Spec.DefaultBackend)
	for _, rule := range in.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for _, path := range rule.HTTP.Paths {
			note(&path.Backend)
		}
	}
	return found
}

// routeBackends are those of a route of the Gateway API: all name their Services alike.
func routeBackends(u *custom) []string {
	var found []string
	for _, rule := range list(u, "spec", "rules") {
		for _, ref := range list(rule, "backendRefs") {
			if kind := text(ref, "kind"); kind == "" || kind == "Service" {
				found = append(found, cmp.Or(text(ref, "namespace"), u.GetNamespace())+"/"+text(ref, "name"))
			}
		}
	}
	return found
}

func seeBinding(w *world, key string, before, now *custom) {
	for _, b := range []*custom{before, now} {
		if b == nil {
			continue
		}
		service := b.GetNamespace() + "/" + text(b, "spec", "serviceRef", "name")
		who := b.GetAPIVersion() + "/" + key + " " + text(b, "spec", "targetGroupARN") // two controllers' may have one name
		w.bindings.drop(service, who)
		if b == now {
			w.bindings.put(service, who)
		}
		w.marks.services[service] = true
	}
}

func seeBudget(w *world, key string, _, now *policyv1.PodDisruptionBudget) {
	var selectors []*selector
	if now != nil {
		selectors = byLabels("PodDisruptionBudget "+key, now.Name, now.Namespace, now.Spec.Selector)
	}
	w.reselect(w.budgets, key, selectors)
	w.marks.budget[key] = true
}

// budget translates one disruption budget, if it is there.
func (w *world) budget(key string) (*handover.Budget, bool) {
	b, ok := w.seen[kindBudget][key].(*policyv1.PodDisruptionBudget)
	if !ok {
		return nil, false
	}
	out := &handover.Budget{
		Namespace: b.Namespace, Name: b.Name,
		Expected: int(b.Status.ExpectedPods), Desired: int(b.Status.DesiredHealthy),
		Healthy: int(b.Status.CurrentHealthy),
		Keys:    keysOf(byLabels("", "", b.Namespace, b.Spec.Selector)),
		Seen:    b.Status.ObservedGeneration >= b.Generation,
	}
	if len(b.OwnerReferences) > 0 {
		out.Owner = string(b.OwnerReferences[0].UID)
	}
	if p := b.Spec.UnhealthyPodEvictionPolicy; p != nil {
		out.AlwaysAllow = *p == policyv1.AlwaysAllow
	}
	for _, c := range b.Status.Conditions {
		if c.Type == policyv1.DisruptionAllowedCondition && c.Status == metav1.ConditionFalse && c.Reason == policyv1.SyncFailedReason {
			out.Broken = c.Message
		}
	}
	return out, true
}

// list and text read a field of an object of a kind that only its CRD knows; one
// that is not there, or is something else, is empty.
func list(u *custom, path ...string) []*custom {
	if u == nil {
		return nil
	}
	items, _, _ := unstructured.NestedFieldNoCopy(u.Object, path...)
	raw, _ := items.([]any)
	var found []*custom
	for _, item := range raw {
		if fields, is := item.(map[string]any); is {
			found = append(found, &custom{Object: fields})
		}
	}
	return found
}

func text(u *custom, path ...string) string {
	if u == nil {
		return ""
	}
	s, _, _ := unstructured.NestedString(u.Object, path...)
	return s
}
