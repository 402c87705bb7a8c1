package lbcontroller

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// albPrefix is that of all annotations of Ingresses, and of their Services.
const albPrefix = "alb.ingress.kubernetes.io/"

// groupOf is the item that an Ingress belongs to: its group, or itself.
func groupOf(i *networkingv1.Ingress) item {
	if name := i.Annotations[albPrefix+"group.name"]; name != "" {
		return item{ofIngress, "", name}
	}
	return item{ofIngress, i.Namespace, i.Name}
}

func finalizerOf(it item) string {
	switch {
	case it.kind == ofService:
		return "service.k8s.aws/resources"
	case it.namespace == "":
		return "group.ingress.k8s.aws/" + it.name
	}
	return "ingress.k8s.aws/resources"
}

// all lists the Ingresses of a namespace, or of all, in the order of their groups.
func (c *controller) all(namespace string) []*networkingv1.Ingress {
	list, _ := c.ingresses.Ingresses(namespace).List(labels.Everything()) // a cache cannot fail
	slices.SortFunc(list, func(a, b *networkingv1.Ingress) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name))
	})
	return list
}

func order(i *networkingv1.Ingress) int {
	n, _ := strconv.Atoi(i.Annotations[albPrefix+"group.order"])
	return n
}

// ours: the Ingress names the controller's class.
func (c *controller) ours(i *networkingv1.Ingress) bool {
	if class := i.Spec.IngressClassName; class != nil {
		return *class == c.class
	}
	return i.Annotations["kubernetes.io/ingress.class"] == c.class
}

// lookAtGroup brings one Ingress, or a group of them, in step.
func (c *controller) lookAtGroup(ctx context.Context, it item) (time.Duration, error) {
	var members, leaving []*networkingv1.Ingress
	for _, i := range c.all("") {
		switch {
		case groupOf(i) == it && c.ours(i) && i.DeletionTimestamp == nil:
			members = append(members, i)
		case slices.Contains(i.Finalizers, finalizerOf(it)) && (groupOf(i) == it || it.namespace == ""):
			leaving = append(leaving, i)
		}
	}
	if len(members)+len(leaving) == 0 {
		return 0, nil
	}
	s, err := c.groupStack(it, members)
	if err != nil {
		return 0, err
	}
	for _, i := range members {
		if err := c.holdIngress(ctx, i, finalizerOf(it)); err != nil {
			return 0, err
		}
	}
	host, again, err := c.deploy(ctx, s)
	if err != nil || again > 0 {
		return again, err
	}
	for _, i := range leaving {
		if err := c.letIngressGo(ctx, i, finalizerOf(it)); err != nil {
			return 0, err
		}
	}
	for _, i := range members {
		if err := c.tellIngress(ctx, i, host); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

func (c *controller) holdIngress(ctx context.Context, i *networkingv1.Ingress, finalizer string) error {
	if slices.Contains(i.Finalizers, finalizer) {
		return nil
	}
	i = i.DeepCopy()
	i.Finalizers = append(i.Finalizers, finalizer)
	_, err := c.kube.NetworkingV1().Ingresses(i.Namespace).Update(ctx, i, updateOptions)
	return err
}

func (c *controller) letIngressGo(ctx context.Context, i *networkingv1.Ingress, finalizer string) error {
	i = i.DeepCopy()
	i.Finalizers = slices.DeleteFunc(i.Finalizers, func(f string) bool { return f == finalizer })
	_, err := c.kube.NetworkingV1().Ingresses(i.Namespace).Update(ctx, i, updateOptions)
	return ignoreGone(err)
}

func (c *controller) tellIngress(ctx context.Context, i *networkingv1.Ingress, host string) error {
	if at := i.Status.LoadBalancer.Ingress; len(at) == 1 && at[0].Hostname == host {
		return nil
	}
	i, err := c.kube.NetworkingV1().Ingresses(i.Namespace).Get(ctx, i.Name, getOptions)
	if err != nil {
		return ignoreGone(err)
	}
	i.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{Hostname: host}}
	_, err = c.kube.NetworkingV1().Ingresses(i.Namespace).UpdateStatus(ctx, i, updateOptions)
	return err
}

func ignoreGone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// groupStack is what shall be for the members of a group.
func (c *controller) groupStack(it item, members []*networkingv1.Ingress) (stack, error) {
	s := stack{item: it, groups: map[string]*targetGroup{}}
	if len(members) == 0 {
		return s, nil
	}
	all := &annotations{prefix: albPrefix}
	for _, i := range members {
		all.values = append(all.values, i.Annotations)
	}
	scheme := all.scheme("scheme", "internal")
	s.balancer = &loadBalancer{kind: types.LoadBalancerTypeEnumApplication, scheme: scheme, subnets: all.list("subnets"),
		security: all.list("security-groups"), attributes: all.pairs("load-balancer-attributes"),
		name: all.get("load-balancer-name", nameOf(it.namespace, it.name, c.cluster, it, scheme))}
	if all.err != nil {
		return s, all.err
	}
	for _, i := range members {
		if err := c.addIngress(s, i); err != nil {
			return s, fmt.Errorf("ingress %s/%s: %w", i.Namespace, i.Name, err)
		}
	}
	slices.SortFunc(s.balancer.listeners, func(a, b listener) int { return cmp.Compare(a.port, b.port) })
	redirectToTLS(s.balancer, all.get("ssl-redirect", ""))
	return s, nil
}

// redirectToTLS makes the listeners of HTTP send everything to the port.
func redirectToTLS(lb *loadBalancer, port string) {
	if port == "" {
		return
	}
	for k, l := range lb.listeners {
		if l.protocol == types.ProtocolEnumHttp {
			lb.listeners[k].rules = nil
			lb.listeners[k].otherwise = action{redirect: &types.RedirectActionConfig{Protocol: aws.String("HTTPS"), Port: &port,
				StatusCode: types.RedirectActionStatusCodeEnumHttp301}}
		}
	}
}

// addIngress adds the listeners and rules of one Ingress.
func (c *controller) addIngress(s stack, i *networkingv1.Ingress) error {
	own := &annotations{prefix: albPrefix, values: []map[string]string{i.Annotations}}
	ports, err := listenPorts(own)
	if err != nil {
		return err
	}
	var rules []rule
	for _, r := range i.Spec.Rules {
		if r.HTTP == nil {
			continue
		}
		for _, p := range sortedPaths(r.HTTP.Paths) {
			a, err := c.backendAction(s, i, p.Backend)
			if err != nil {
				return err
			}
			rules = append(rules, rule{conditionsOf(r.Host, p), a})
		}
	}
	otherwise := action{fixed: &types.FixedResponseActionConfig{StatusCode: aws.String("404"), ContentType: aws.String("text/plain")}}
	if i.Spec.DefaultBackend != nil {
		if otherwise, err = c.backendAction(s, i, *i.Spec.DefaultBackend); err != nil {
			return err
		}
	}
	for port, protocol := range ports {
		l := s.balancer.listener(port, protocol)
		l.certificates, l.policy = own.list("certificate-arn"), own.get("ssl-policy", "")
		l.rules = append(l.rules, rules...)
		if i.Spec.DefaultBackend != nil || l.otherwise.fixed == nil && l.otherwise.forward == nil {
			l.otherwise = otherwise
		}
	}
	return own.err
}

// listener is the one of that port, made if there is none.
func (lb *loadBalancer) listener(port int32, protocol types.ProtocolEnum) *listener {
	for k := range lb.listeners {
		if lb.listeners[k].port == port {
			return &lb.listeners[k]
		}
	}
	lb.listeners = append(lb.listeners, listener{port: port, protocol: protocol})
	return &lb.listeners[len(lb.listeners)-1]
}

// listenPorts reads [{"HTTP": 80}, {"HTTPS": 443}].
func listenPorts(a *annotations) (map[int32]types.ProtocolEnum, error) {
	otherwise := `[{"HTTP": 80}]`
	if len(a.list("certificate-arn")) > 0 {
		otherwise = `[{"HTTPS": 443}]`
	}
	var entries []map[types.ProtocolEnum]int32
	text := a.get("listen-ports", otherwise)
	if err := json.Unmarshal([]byte(text), &entries); err != nil {
		return nil, fmt.Errorf("annotation listen-ports %q: %w", text, err)
	}
	ports := map[int32]types.ProtocolEnum{}
	for _, entry := range entries {
		for protocol, port := range entry {
			ports[port] = protocol
		}
	}
	return ports, nil
}

// sortedPaths puts exact paths first and then prefixes, the longest first.
func sortedPaths(paths []networkingv1.HTTPIngressPath) []networkingv1.HTTPIngressPath {
	rank := map[networkingv1.PathType]int{networkingv1.PathTypeExact: 0, networkingv1.PathTypePrefix: 1, networkingv1.PathTypeImplementationSpecific: 2}
	sorted := slices.Clone(paths)
	slices.SortStableFunc(sorted, func(a, b networkingv1.HTTPIngressPath) int {
		if by := cmp.Compare(rank[pathType(a)], rank[pathType(b)]); by != 0 || pathType(a) != networkingv1.PathTypePrefix {
			return by
		}
		return cmp.Compare(len(b.Path), len(a.Path))
	})
	return sorted
}

func pathType(p networkingv1.HTTPIngressPath) networkingv1.PathType {
	if p.PathType == nil {
		return networkingv1.PathTypeImplementationSpecific
	}
	return *p.PathType
}

func conditionsOf(host string, p networkingv1.HTTPIngressPath) (conditions []types.RuleCondition) {
	if host != "" {
		conditions = append(conditions, types.RuleCondition{Field: aws.String("host-header"), HostHeaderConfig: &types.HostHeaderConditionConfig{Values: []string{host}}})
	}
	patterns := []string{cmp.Or(p.Path, "/*")}
	if pathType(p) == networkingv1.PathTypePrefix {
		base := strings.TrimSuffix(p.Path, "/")
		patterns = []string{base, base + "/*"}
		if base == "" {
			patterns = []string{"/*"}
		}
	}
	return append(conditions, types.RuleCondition{Field: aws.String("path-pattern"), PathPatternConfig: &types.PathPatternConditionConfig{Values: patterns}})
}

// backendAction is what a backend stands for: a Service, or an action in an annotation.
func (c *controller) backendAction(s stack, i *networkingv1.Ingress, b networkingv1.IngressBackend) (action, error) {
	if b.Service == nil {
		return action{}, fmt.Errorf("a backend without a service")
	}
	if b.Service.Port.Name == "use-annotation" {
		return c.annotatedAction(s, i, b.Service.Name)
	}
	port := intstr.FromInt32(b.Service.Port.Number)
	if b.Service.Port.Name != "" {
		port = intstr.FromString(b.Service.Port.Name)
	}
	return c.serviceAction(s, i, b.Service.Name, port)
}

// serviceAction forwards to a Service; one that is not there answers 503.
func (c *controller) serviceAction(s stack, i *networkingv1.Ingress, name string, port intstr.IntOrString) (action, error) {
	service, err := c.services.Services(i.Namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return action{fixed: &types.FixedResponseActionConfig{StatusCode: aws.String("503"), ContentType: aws.String("text/plain"),
			MessageBody: aws.String("Backend service does not exist")}}, nil
	}
	if err != nil {
		return action{}, err
	}
	g, err := c.ingressGroup(s, i, service, port)
	return action{forward: []share{{group: g, weight: 1}}}, err
}

// ingressGroup is the target group of an Ingress for a port of a Service.
func (c *controller) ingressGroup(s stack, i *networkingv1.Ingress, service *corev1.Service, port intstr.IntOrString) (*targetGroup, error) {
	of, err := portOf(service, port)
	if err != nil {
		return nil, err
	}
	a := &annotations{prefix: albPrefix, values: []map[string]string{service.Annotations, i.Annotations}}
	kind := a.targetType("target-type", "instance")
	protocol := types.ProtocolEnum(a.get("backend-protocol", "HTTP"))
	g := &targetGroup{name: nameOf(service.Namespace, service.Name, c.cluster, s.item, i.UID, service.UID, port.String(), kind, protocol), kind: kind,
		protocol: protocol, port: targetPort(of, kind), namespace: service.Namespace, service: service.Name, servicePort: port,
		attributes: a.pairs("target-group-attributes"), resource: fmt.Sprintf("%s/%s-%s:%s", i.Namespace, i.Name, service.Name, port.String()),
		targetNodesLabels: a.get("target-node-labels", ""),
		check:             a.check(check{protocol: protocol, port: "traffic-port", path: "/", codes: "200", interval: 15, timeout: 5, healthy: 2, unhealthy: 2}, ingressChecks)}
	if kind == types.TargetTypeEnumInstance && of.NodePort == 0 {
		return nil, fmt.Errorf("service %s must be of type NodePort or LoadBalancer for targets of type instance", service.Name)
	}
	if other := s.groups[g.name]; other != nil {
		return other, a.err
	}
	s.groups[g.name] = g
	return g, a.err
}

// annotatedAction reads the action in an annotation actions.NAME.
func (c *controller) annotatedAction(s stack, i *networkingv1.Ingress, name string) (action, error) {
	var said struct {
		Type, TargetGroupARN string
		RedirectConfig       *types.RedirectActionConfig
		FixedResponseConfig  *types.FixedResponseActionConfig
		ForwardConfig        struct {
			TargetGroups []struct {
				TargetGroupARN, ServiceName string
				ServicePort                 intstr.IntOrString
				Weight                      *int32
			}
			TargetGroupStickinessConfig *types.TargetGroupStickinessConfig
		}
	}
	text := i.Annotations[albPrefix+"actions."+name]
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		return action{}, fmt.Errorf("annotation %sactions.%s: %w", albPrefix, name, err)
	}
	a := action{redirect: said.RedirectConfig, fixed: said.FixedResponseConfig, sticky: said.ForwardConfig.TargetGroupStickinessConfig}
	if said.TargetGroupARN != "" {
		a.forward = []share{{arn: said.TargetGroupARN, weight: 1}}
	}
	for _, g := range said.ForwardConfig.TargetGroups {
		of := share{arn: g.TargetGroupARN, weight: 1}
		if g.Weight != nil {
			of.weight = *g.Weight
		}
		if g.ServiceName != "" {
			to, err := c.serviceAction(s, i, g.ServiceName, g.ServicePort)
			if err != nil {
				return action{}, err
			}
			if to.forward == nil {
				return to, nil
			}
			of.group = to.forward[0].group
		}
		a.forward = append(a.forward, of)
	}
	if a.redirect == nil && a.fixed == nil && len(a.forward) == 0 {
		return action{}, fmt.Errorf("annotation %sactions.%s says nothing that can be done", albPrefix, name)
	}
	return a, nil
}

// portOf finds a Service's port by number or name.
func portOf(service *corev1.Service, port intstr.IntOrString) (corev1.ServicePort, error) {
	if port.Type == intstr.String {
		port = intstr.Parse(port.StrVal) // "80" in an annotation
	}
	for _, p := range service.Spec.Ports {
		if port.Type == intstr.String && p.Name == port.StrVal || port.Type == intstr.Int && p.Port == port.IntVal {
			return p, nil
		}
	}
	return corev1.ServicePort{}, fmt.Errorf("service %s/%s has no port %s", service.Namespace, service.Name, port.String())
}

// targetPort is the port that a target group is made with; that of each pod can differ.
func targetPort(p corev1.ServicePort, kind types.TargetTypeEnum) int32 {
	switch {
	case kind == types.TargetTypeEnumInstance:
		return p.NodePort
	case p.TargetPort.Type == intstr.Int && p.TargetPort.IntVal != 0:
		return p.TargetPort.IntVal
	case p.TargetPort.Type == intstr.Int:
		return p.Port
	}
	return 1
}
