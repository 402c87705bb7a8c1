package lbcontroller

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/yaml"
)

// newController is a controller whose caches hold the objects.
func newController(t *testing.T, objects ...any) *controller {
	t.Helper()
	index := func() cache.Indexer {
		return cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	}
	ingresses, services, slices, pods, bound := index(), index(), index(), index(), index()
	for _, o := range objects {
		var err error
		switch o := o.(type) {
		case *networkingv1.Ingress:
			err = ingresses.Add(o)
		case *corev1.Service:
			err = services.Add(o)
		case *discoveryv1.EndpointSlice:
			err = slices.Add(o)
		case *corev1.Pod:
			err = pods.Add(o)
		case *unstructured.Unstructured:
			err = bound.Add(o)
		default:
			err = fmt.Errorf("%T", o)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return &controller{options: options{cluster: "c", class: "alb", gates: true}, log: slog.New(slog.DiscardHandler),
		ingresses: networkinglisters.NewIngressLister(ingresses), services: corelisters.NewServiceLister(services),
		slices: discoverylisters.NewEndpointSliceLister(slices), pods: corelisters.NewPodLister(pods),
		bound: cache.NewGenericLister(bound, bindingResource.GroupResource())}
}

func decode[T any](t *testing.T, text string) *T {
	t.Helper()
	var o T
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return &o
}

const service = `{metadata: {name: web, namespace: apps, uid: s}, spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http, nodePort: 30080}]}}`

func ingress(t *testing.T, annotations, spec string) *networkingv1.Ingress {
	return decode[networkingv1.Ingress](t, `{metadata: {name: web, namespace: apps, uid: i, annotations: `+annotations+`}, spec: `+spec+`}`)
}

// show writes a stack in few words.
func show(s stack) string {
	var b strings.Builder
	for _, l := range s.balancer.listeners {
		fmt.Fprintf(&b, "%s %d", l.protocol, l.port)
		for _, r := range append(l.rules, rule{action: l.otherwise}) {
			b.WriteString(" |")
			for _, c := range r.conditions {
				if c.HostHeaderConfig != nil {
					fmt.Fprintf(&b, " %s", strings.Join(c.HostHeaderConfig.Values, ","))
				}
				if c.PathPatternConfig != nil {
					fmt.Fprintf(&b, " %s", strings.Join(c.PathPatternConfig.Values, ","))
				}
			}
			b.WriteString(" -> " + showAction(r.action))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func showAction(a action) string {
	switch {
	case a.fixed != nil:
		return *a.fixed.StatusCode
	case a.redirect != nil:
		return "redirect " + *a.redirect.Port
	}
	var parts []string
	for _, s := range a.forward {
		name := s.arn
		if s.group != nil {
			name = fmt.Sprintf("%s:%s:%d", s.group.service, s.group.kind, s.group.port)
		}
		parts = append(parts, fmt.Sprintf("%s*%d", name, s.weight))
	}
	return strings.Join(parts, "+")
}

func TestIngressBecomesStack(t *testing.T) {
	const paths = `{ingressClassName: alb, rules: [{host: a.example.com, http: {paths: [
		{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}},
		{path: /long, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}},
		{path: /one, pathType: Exact, backend: {service: {name: gone, port: {number: 80}}}},
		{path: "/x*", pathType: ImplementationSpecific, backend: {service: {name: act, port: {name: use-annotation}}}}]}}]}`
	act := `alb.ingress.kubernetes.io/actions.act: '{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"web","servicePort":"80","weight":3},{"targetGroupARN":"arn:x","weight":1}]}}'`
	for name, c := range map[string]struct{ annotations, spec, want string }{
		"paths": {`{alb.ingress.kubernetes.io/target-type: ip, ` + act + `}`, paths,
			"HTTP 80 | a.example.com /one -> 503 | a.example.com /long,/long/* -> web:ip:1*1 | a.example.com /* -> web:ip:1*1 | a.example.com /x* -> web:ip:1*3+arn:x*1 | -> 404\n"},
		"default backend": {`{}`, `{ingressClassName: alb, defaultBackend: {service: {name: web, port: {number: 80}}}}`, "HTTP 80 | -> web:instance:30080*1\n"},
		"tls": {`{alb.ingress.kubernetes.io/listen-ports: '[{"HTTP": 80}, {"HTTPS": 443}]', alb.ingress.kubernetes.io/certificate-arn: arn:c, alb.ingress.kubernetes.io/ssl-redirect: "443"}`,
			`{ingressClassName: alb, defaultBackend: {service: {name: web, port: {number: 80}}}}`, "HTTP 80 | -> redirect 443\nHTTPS 443 | -> web:instance:30080*1\n"},
	} {
		i := ingress(t, c.annotations, c.spec)
		con := newController(t, i, decode[corev1.Service](t, service))
		s, err := con.groupStack(groupOf(i), []*networkingv1.Ingress{i})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := show(s); got != c.want {
			t.Errorf("%s: got\n%swant\n%s", name, got, c.want)
		}
		if n := s.balancer.name; len(n) > 32 || !strings.HasPrefix(n, "k8s-apps-web-") {
			t.Errorf("%s: name %s", name, n)
		}
	}
}

// Ingresses of one group share a load balancer, in the order that they say.
func TestGroup(t *testing.T) {
	member := func(name, order, path string) *networkingv1.Ingress {
		return decode[networkingv1.Ingress](t, fmt.Sprintf(`{metadata: {name: %s, namespace: apps, annotations: {alb.ingress.kubernetes.io/group.name: shared,
			alb.ingress.kubernetes.io/group.order: "%s"}}, spec: {ingressClassName: alb, rules: [{http: {paths: [{path: %s, pathType: Exact,
			backend: {service: {name: web, port: {number: 80}}}}]}}]}}`, name, order, path))
	}
	a, b := member("a", "2", "/a"), member("b", "1", "/b")
	con := newController(t, a, b, decode[corev1.Service](t, service))
	s, err := con.groupStack(groupOf(a), con.all("apps"))
	if err != nil {
		t.Fatal(err)
	}
	if got := show(s); got != "HTTP 80 | /b -> web:instance:30080*1 | /a -> web:instance:30080*1 | -> 404\n" {
		t.Error(got)
	}
	if s.id() != "shared" || finalizerOf(s.item) != "group.ingress.k8s.aws/shared" {
		t.Errorf("%s %s", s.id(), finalizerOf(s.item))
	}
}

func TestServiceBecomesStack(t *testing.T) {
	for annotations, want := range map[string]string{
		`{service.beta.kubernetes.io/aws-load-balancer-type: nlb-ip}`:                                                                                                                                      "TCP 80 | -> web:ip:1*1\n",
		`{service.beta.kubernetes.io/aws-load-balancer-type: external}`:                                                                                                                                    "TCP 80 | -> web:instance:30080*1\n",
		`{service.beta.kubernetes.io/aws-load-balancer-type: external, service.beta.kubernetes.io/aws-load-balancer-ssl-cert: arn:c}`:                                                                      "TLS 80 | -> web:instance:30080*1\n",
		`{service.beta.kubernetes.io/aws-load-balancer-type: external, service.beta.kubernetes.io/aws-load-balancer-ssl-cert: arn:c, service.beta.kubernetes.io/aws-load-balancer-ssl-ports: https}`:       "TCP 80 | -> web:instance:30080*1\n",
		`{service.beta.kubernetes.io/aws-load-balancer-type: external, service.beta.kubernetes.io/aws-load-balancer-ssl-cert: arn:c, service.beta.kubernetes.io/aws-load-balancer-ssl-ports: "443, http"}`: "TLS 80 | -> web:instance:30080*1\n",
		`{service.beta.kubernetes.io/aws-load-balancer-type: nlb}`:                                                                                                                                         "",
		`{}`: "",
	} {
		svc := decode[corev1.Service](t, service)
		svc.Spec.Type = corev1.ServiceTypeLoadBalancer
		if err := yaml.Unmarshal([]byte(annotations), &svc.Annotations); err != nil {
			t.Fatal(err)
		}
		s, err := newController(t).serviceStack(item{ofService, "apps", "web"}, svc)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if s.balancer != nil {
			got = show(s)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", annotations, got, want)
		}
	}
}

func TestMistakesInAnnotations(t *testing.T) {
	for _, annotations := range []string{
		`{alb.ingress.kubernetes.io/scheme: public}`, `{alb.ingress.kubernetes.io/target-type: pod}`, `{alb.ingress.kubernetes.io/listen-ports: "80"}`,
		`{alb.ingress.kubernetes.io/healthcheck-interval-seconds: soon}`, `{alb.ingress.kubernetes.io/target-group-attributes: slow}`,
	} {
		i := ingress(t, annotations, `{ingressClassName: alb, defaultBackend: {service: {name: web, port: {number: 80}}}}`)
		if _, err := newController(t, i, decode[corev1.Service](t, service)).groupStack(groupOf(i), []*networkingv1.Ingress{i}); err == nil {
			t.Errorf("%s: nothing is wrong with it", annotations)
		}
	}
}

const bound = `{apiVersion: elbv2.k8s.aws/v1beta1, kind: TargetGroupBinding, metadata: {name: tg, namespace: apps},
	spec: {targetGroupARN: arn, targetType: ip, serviceRef: {name: web, port: 80}}}`

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var u unstructured.Unstructured
	if err := u.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	return &u
}

// A pod is registered when it is ready, or when nothing but its own gate holds it up;
// one that ends is not.
func TestEnds(t *testing.T) {
	gate := corev1.PodReadinessGate{ConditionType: gatePrefix + "tg"}
	pod := func(name string, ready, containers, gated, ending bool) (*corev1.Pod, discoveryv1.Endpoint) {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "apps", UID: "u"}}
		p.UID += "-" + p.UID
		if containers {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.ContainersReady, Status: corev1.ConditionTrue}}
		}
		if gated {
			p.Spec.ReadinessGates = []corev1.PodReadinessGate{gate}
		}
		if ending {
			p.DeletionTimestamp = &metav1.Time{}
		}
		return p, discoveryv1.Endpoint{Addresses: []string{name}, Conditions: discoveryv1.EndpointConditions{Ready: &ready},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: name, UID: p.UID}}
	}
	name, port := "http", int32(8080)
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: "web-1", Namespace: "apps", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port}}}
	objects := []any{slice, decode[corev1.Service](t, service)}
	for _, c := range []struct {
		name                             string
		ready, containers, gated, ending bool
	}{{"ready", true, true, true, false}, {"waits", false, true, true, false}, {"starts", false, false, true, false},
		{"ungated", false, true, false, false}, {"ends", false, true, true, true}} {
		p, e := pod(c.name, c.ready, c.containers, c.gated, c.ending)
		slice.Endpoints = append(slice.Endpoints, e)
		objects = append(objects, p)
	}
	got, err := newController(t, objects...).ends(readBinding(object(t, bound)))
	if err != nil || len(got) != 2 || got[end{"ready", 8080}] == nil || got[end{"waits", 8080}] == nil {
		t.Errorf("%v %v", got, err)
	}
}

// New pods of a bound Service get the gate, once; others get nothing.
func TestReview(t *testing.T) {
	con := newController(t, decode[corev1.Service](t, service), object(t, bound))
	review := func(pod string) string {
		raw, err := yaml.YAMLToJSON([]byte(pod))
		if err != nil {
			t.Fatal(err)
		}
		r := con.review(&admissionv1.AdmissionRequest{Namespace: "apps", Operation: admissionv1.Create, Object: runtime.RawExtension{Raw: raw}})
		if !r.Allowed {
			t.Errorf("%s is not allowed", pod)
		}
		return string(r.Patch)
	}
	var patch []struct {
		Path  string
		Value []corev1.PodReadinessGate
	}
	if err := json.Unmarshal([]byte(review(`{metadata: {labels: {app: web}}, spec: {readinessGates: [{conditionType: own}]}}`)), &patch); err != nil {
		t.Fatal(err)
	}
	if g := patch[0].Value; patch[0].Path != "/spec/readinessGates" || len(g) != 2 || g[0].ConditionType != "own" || g[1].ConditionType != "target-health.elbv2.k8s.aws/tg" {
		t.Errorf("%+v", patch)
	}
	for _, pod := range []string{`{metadata: {labels: {app: other}}}`, `{metadata: {labels: {app: web}}, spec: {readinessGates: [{conditionType: target-health.elbv2.k8s.aws/tg}]}}`} {
		if p := review(pod); p != "" {
			t.Errorf("%s: %s", pod, p)
		}
	}
}

// A binding of a stack is known again by its labels.
func TestBindingOfStack(t *testing.T) {
	u := object(t, bound)
	u.SetLabels(map[string]string{"ingress.k8s.aws/stack": "web", "ingress.k8s.aws/stack-namespace": "apps"})
	if b := readBinding(u); b.stack != (item{ofIngress, "apps", "web"}) || b.kind != types.TargetTypeEnumIp || b.port.IntVal != 80 {
		t.Errorf("%+v", b)
	}
}
