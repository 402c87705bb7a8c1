package lbcontroller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elbv2 "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// soon is the pause before a look at what has not ended yet.
const soon = 500 * time.Millisecond

// deploy makes AWS what the stack says: what is needed from the targets to the
// listeners, and then what is needed no more the other way round. It tells the load
// balancer's name, or when to go on with what has not ended yet.
func (c *controller) deploy(ctx context.Context, s stack) (host string, again time.Duration, err error) {
	have, err := c.cloud.owned(ctx, s)
	if err != nil {
		return "", 0, err
	}
	if have.balancer != nil && (s.balancer == nil || *have.balancer.LoadBalancerName != s.balancer.name) {
		if _, err := c.cloud.elb.DeleteLoadBalancer(ctx, &elbv2.DeleteLoadBalancerInput{LoadBalancerArn: have.balancer.LoadBalancerArn}); err != nil {
			return "", 0, err
		}
		have.balancer = nil
	}
	if s.balancer != nil {
		if host, err = c.build(ctx, s, have); err != nil {
			return "", 0, err
		}
	}
	again, err = c.clear(ctx, s, have)
	return host, again, err
}

// build makes what shall be.
func (c *controller) build(ctx context.Context, s stack, have owned) (host string, err error) {
	vpc, err := c.vpcID(ctx)
	if err != nil {
		return "", err
	}
	subnets, security := slices.Sorted(slices.Values(s.balancer.subnets)), s.balancer.security
	if len(subnets) == 0 {
		if subnets, err = c.cloud.subnets(ctx, vpc, s.balancer.scheme); err != nil {
			return "", err
		}
	}
	if len(security) == 0 {
		own, err := c.cloud.frontend(ctx, s, vpc)
		if err != nil {
			return "", err
		}
		security = []string{own}
	}
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		if err := c.cloud.makeGroup(ctx, s, s.groups[name], have, vpc); err != nil {
			return "", err
		}
	}
	lb, err := c.cloud.makeBalancer(ctx, s, have.balancer, subnets, security)
	if err != nil {
		return "", err
	}
	if err := c.cloud.makeListeners(ctx, s, lb); err != nil {
		return "", err
	}
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		if err := c.bind(ctx, s, s.groups[name]); err != nil {
			return "", err
		}
	}
	return *lb.DNSName, nil
}

// clear takes away the bindings, target groups and the security group that are not
// needed any more: a group once its binding has ended.
func (c *controller) clear(ctx context.Context, s stack, have owned) (time.Duration, error) {
	for _, b := range c.bindingsIn("") {
		if b.stack != s.item || s.groups[b.name] != nil {
			continue
		}
		err := c.bindings.Namespace(b.namespace).Delete(ctx, b.name, metav1.DeleteOptions{})
		if !apierrors.IsNotFound(err) {
			return soon, err
		}
	}
	for name, g := range have.groups {
		if s.groups[name] != nil {
			continue
		}
		if _, err := c.cloud.elb.DeleteTargetGroup(ctx, &elbv2.DeleteTargetGroupInput{TargetGroupArn: g.TargetGroupArn}); err != nil {
			return 0, err
		}
	}
	if s.balancer != nil {
		return 0, nil
	}
	return c.clearSecurity(ctx, s)
}

// clearSecurity deletes the load balancer's own security group, which is in use as
// long as the interfaces of the load balancer are.
func (c *controller) clearSecurity(ctx context.Context, s stack) (time.Duration, error) {
	ids, err := c.cloud.securityOf(ctx, s)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		_, err := c.cloud.ec2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &id})
		if isCode(err, "DependencyViolation") {
			return soon, nil
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// securityOf are the security groups that were made for a stack.
func (c *cloud) securityOf(ctx context.Context, s stack) (ids []string, err error) {
	out, err := c.ec2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{})
	if err != nil {
		return nil, err
	}
	for _, g := range out.SecurityGroups {
		tags := map[string]string{}
		for _, t := range g.Tags {
			tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
		if tags[clusterTag] == c.cluster && tags[s.prefix()+"/stack"] == s.id() {
			ids = append(ids, *g.GroupId)
		}
	}
	return ids, nil
}

// vpcID is the VPC that the nodes are in.
func (c *controller) vpcID(ctx context.Context) (string, error) {
	if c.vpc != "" {
		return c.vpc, nil
	}
	nodes, err := c.nodes.List(labels.Everything())
	if err != nil {
		return "", err
	}
	for _, n := range nodes {
		if id := instanceOf(n.Spec.ProviderID); id != "" {
			return c.cloud.vpcOf(ctx, id)
		}
	}
	return "", errors.New("no node tells which VPC it is in")
}

// instanceOf reads aws:///us-west-2a/i-0123456789abcdef0.
func instanceOf(providerID string) string {
	if !strings.HasPrefix(providerID, "aws://") {
		return ""
	}
	return providerID[strings.LastIndexByte(providerID, '/')+1:]
}

// bind makes the binding of a target group.
func (c *controller) bind(ctx context.Context, s stack, g *targetGroup) error {
	port := any(int64(g.servicePort.IntVal))
	if g.servicePort.Type == intstr.String {
		port = g.servicePort.StrVal
	}
	spec := map[string]any{"targetGroupARN": g.arn, "targetType": string(g.kind), "serviceRef": map[string]any{"name": g.service, "port": port}}
	if g.targetNodesLabels != "" {
		spec["nodeSelector"] = map[string]any{"matchLabels": matchLabels(g.targetNodesLabels)}
	}
	b := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding",
		"metadata": map[string]any{"namespace": g.namespace, "name": g.name, "labels": map[string]any{
			s.prefix() + "/stack": s.name, s.prefix() + "/stack-namespace": s.namespace}}, "spec": spec}}
	_, err := c.bindings.Namespace(g.namespace).Create(ctx, b, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	have, err := c.bindings.Namespace(g.namespace).Get(ctx, g.name, getOptions)
	if err != nil {
		return err
	}
	if fmt.Sprint(have.Object["spec"]) == fmt.Sprint(spec) {
		return nil
	}
	have.Object["spec"] = spec
	_, err = c.bindings.Namespace(g.namespace).Update(ctx, have, updateOptions)
	return err
}

func matchLabels(text string) map[string]any {
	match := map[string]any{}
	for part := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		match[key] = value
	}
	return match
}
