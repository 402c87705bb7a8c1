package lbcontroller

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// nlbPrefix is that of all annotations of Services.
const nlbPrefix = "service.beta.kubernetes.io/aws-load-balancer-"

var (
	getOptions    = metav1.GetOptions{}
	updateOptions = metav1.UpdateOptions{}
)

// wanted: the Service asks this controller for a Network Load Balancer.
func wanted(s *corev1.Service) bool {
	if s.Spec.Type != corev1.ServiceTypeLoadBalancer || s.DeletionTimestamp != nil {
		return false
	}
	if class := s.Spec.LoadBalancerClass; class != nil {
		return *class == "service.k8s.aws/nlb"
	}
	kind := s.Annotations[nlbPrefix+"type"]
	return kind == "external" || kind == "nlb-ip"
}

// lookAtService brings one Service in step.
func (c *controller) lookAtService(ctx context.Context, it item) (time.Duration, error) {
	service, err := c.services.Services(it.namespace).Get(it.name)
	if apierrors.IsNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	held := slices.Contains(service.Finalizers, finalizerOf(it))
	if !wanted(service) && !held {
		return 0, nil
	}
	s, err := c.serviceStack(it, service)
	if err != nil {
		return 0, err
	}
	if wanted(service) && !held {
		service = service.DeepCopy()
		service.Finalizers = append(service.Finalizers, finalizerOf(it))
		if service, err = c.kube.CoreV1().Services(it.namespace).Update(ctx, service, updateOptions); err != nil {
			return 0, err
		}
	}
	host, again, err := c.deploy(ctx, s)
	if err != nil || again > 0 {
		return again, err
	}
	return 0, c.tellService(ctx, service, host, finalizerOf(it))
}

// tellService writes the load balancer's name into the status, or, without one, lets
// the Service go.
func (c *controller) tellService(ctx context.Context, service *corev1.Service, host, finalizer string) error {
	api := c.kube.CoreV1().Services(service.Namespace)
	service = service.DeepCopy()
	if host == "" {
		service.Finalizers = slices.DeleteFunc(service.Finalizers, func(f string) bool { return f == finalizer })
		_, err := api.Update(ctx, service, updateOptions)
		return ignoreGone(err)
	}
	if at := service.Status.LoadBalancer.Ingress; len(at) == 1 && at[0].Hostname == host {
		return nil
	}
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{Hostname: host}}
	_, err := api.UpdateStatus(ctx, service, updateOptions)
	return err
}

// serviceStack is what shall be for a Service: a listener and a target group a port.
func (c *controller) serviceStack(it item, service *corev1.Service) (stack, error) {
	s := stack{item: it, groups: map[string]*targetGroup{}}
	if !wanted(service) {
		return s, nil
	}
	a := &annotations{prefix: nlbPrefix, values: []map[string]string{service.Annotations}}
	otherwise := "instance"
	if a.get("type", "") == "nlb-ip" {
		otherwise = "ip"
	}
	kind, scheme := a.targetType("nlb-target-type", otherwise), a.scheme("scheme", "internal")
	s.balancer = &loadBalancer{kind: types.LoadBalancerTypeEnumNetwork, scheme: scheme, subnets: a.list("subnets"), security: a.list("security-groups"),
		attributes: a.pairs("attributes"), name: a.get("name", nameOf(it.namespace, it.name, c.cluster, it, scheme))}
	tls := frontOf(a)
	for _, p := range service.Spec.Ports {
		port := intstr.FromInt32(p.Port)
		g := &targetGroup{name: nameOf(it.namespace, it.name, c.cluster, it, service.UID, port.String(), kind), kind: kind, protocol: types.ProtocolEnumTcp,
			port: targetPort(p, kind), namespace: it.namespace, service: it.name, servicePort: port, attributes: a.pairs("target-group-attributes"),
			resource: fmt.Sprintf("%s:%d", s.id(), p.Port), targetNodesLabels: a.get("target-node-labels", ""), check: a.check(serviceCheck(service, kind), serviceChecks)}
		if kind == types.TargetTypeEnumInstance && p.NodePort == 0 {
			return s, fmt.Errorf("service %s/%s has no node port for targets of type instance", it.namespace, it.name)
		}
		l := listener{port: p.Port, protocol: types.ProtocolEnumTcp, otherwise: action{forward: []share{{group: g, weight: 1}}}}
		if tls.at(p) {
			l.protocol, l.certificates, l.policy, l.alpn = types.ProtocolEnumTls, tls.certificates, tls.policy, tls.alpn
			if tls.behind { // a group never changes how it speaks: this is another one
				g.protocol = types.ProtocolEnumTls
				g.name = nameOf(it.namespace, it.name, c.cluster, it, service.UID, port.String(), kind, g.protocol)
			}
		}
		s.groups[g.name] = g
		s.balancer.listeners = append(s.balancer.listeners, l)
	}
	return s, a.err
}

// front is what the annotations of a Service say of TLS.
type front struct {
	certificates, ports []string // the ports by number or name; none: all
	policy, alpn        string
	behind              bool // targets are spoken to by TLS
}

func frontOf(a *annotations) front {
	protocol := a.get("backend-protocol", "tcp")
	if protocol != "tcp" && protocol != "ssl" {
		a.fail("backend-protocol", "%q is neither tcp nor ssl", protocol)
	}
	return front{certificates: a.list("ssl-cert"), ports: a.list("ssl-ports"), policy: a.get("ssl-negotiation-policy", ""), alpn: a.get("alpn-policy", ""), behind: protocol == "ssl"}
}

// at tells whether TLS ends at the listener of a port.
func (f front) at(p corev1.ServicePort) bool {
	named := func(port string) bool { return port == "*" || port == p.Name || port == fmt.Sprint(p.Port) }
	return len(f.certificates) > 0 && (len(f.ports) == 0 || slices.ContainsFunc(f.ports, named))
}

// serviceCheck is how targets are probed unless annotations say more: nodes of a
// Service with externalTrafficPolicy Local by its health check port.
func serviceCheck(service *corev1.Service, kind types.TargetTypeEnum) check {
	c := check{protocol: types.ProtocolEnumTcp, port: "traffic-port", interval: 10, timeout: 10, healthy: 3, unhealthy: 3}
	if kind == types.TargetTypeEnumInstance && service.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal {
		c = check{protocol: types.ProtocolEnumHttp, port: fmt.Sprint(service.Spec.HealthCheckNodePort), path: "/healthz", codes: "200-399",
			interval: 10, timeout: 6, healthy: 2, unhealthy: 2}
	}
	return c
}
