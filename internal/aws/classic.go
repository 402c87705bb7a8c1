package aws

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing/types"

	"github.com/droverhq/drover/internal/handover"
)

// classic are Classic load balancers, which Kubernetes makes for a Service by
// default. A region holds 20 of them unless the quota was raised.
type classic struct{ api *elasticloadbalancing.Client }

func (c classic) Balancers(ctx context.Context, q handover.Inquiry) ([]handover.Balancer, error) {
	var out []handover.Balancer
	pages := elasticloadbalancing.NewDescribeLoadBalancersPaginator(c.api, &elasticloadbalancing.DescribeLoadBalancersInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the Classic load balancers: %w", err)
		}
		for _, lb := range page.LoadBalancerDescriptions {
			if !concerns(lb, q) {
				out = append(out, handover.Balancer{Name: aws.ToString(lb.LoadBalancerName), Host: aws.ToString(lb.DNSName)})
				continue
			}
			b, err := c.read(ctx, lb, q.Instances)
			if isCode(err, "LoadBalancerNotFound") {
				continue // it was deleted between the two calls
			}
			if err != nil {
				return nil, fmt.Errorf("read Classic load balancer %s: %w", aws.ToString(lb.LoadBalancerName), err)
			}
			out = append(out, b)
		}
	}
	return out, nil
}

func concerns(lb elbtypes.LoadBalancerDescription, q handover.Inquiry) bool {
	return slices.Contains(q.Known, aws.ToString(lb.LoadBalancerName)) ||
		slices.ContainsFunc(lb.Instances, func(i elbtypes.Instance) bool {
			return slices.Contains(q.Instances, aws.ToString(i.InstanceId))
		})
}

func (c classic) read(ctx context.Context, lb elbtypes.LoadBalancerDescription, asked []string) (handover.Balancer, error) {
	attributes, err := c.api.DescribeLoadBalancerAttributes(ctx,
		&elasticloadbalancing.DescribeLoadBalancerAttributesInput{LoadBalancerName: lb.LoadBalancerName})
	if err != nil {
		return handover.Balancer{}, err
	}
	b := ofClassic(lb, attributes.LoadBalancerAttributes)
	states, err := c.health(ctx, lb.LoadBalancerName, nil)
	if err != nil {
		return b, err
	}
	others, err := c.unlisted(ctx, lb.LoadBalancerName, without(asked, states))
	if err != nil {
		return b, err
	}
	states = append(states, others...)
	for _, s := range states {
		if t, in := target(s); in {
			b.Targets = append(b.Targets, t)
		}
	}
	return b, nil
}

// ofClassic is one as a hand-over sees it, without its targets: it sends nothing to what
// it has let go of, and all its addresses send to all.
func ofClassic(lb elbtypes.LoadBalancerDescription, has *elbtypes.LoadBalancerAttributes) handover.Balancer {
	b := handover.Balancer{Name: aws.ToString(lb.LoadBalancerName), Host: aws.ToString(lb.DNSName), Draining: draining(has)}
	if h := lb.HealthCheck; h != nil {
		b.Health = healthTime(h.Interval, h.HealthyThreshold)
	}
	return b
}

// unlisted asks about instances by ID: one that is drained is not among the
// registered. An instance that the balancer does not know spoils a question
// about several, so then each is asked about alone.
func (c classic) unlisted(ctx context.Context, name *string, ids []string) ([]elbtypes.InstanceState, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	states, err := c.health(ctx, name, ids)
	if !isCode(err, "InvalidInstance") {
		return states, err
	}
	for _, id := range ids {
		one, err := c.health(ctx, name, []string{id})
		if err != nil && !isCode(err, "InvalidInstance") {
			return nil, err
		}
		states = append(states, one...)
	}
	return states, nil
}

func without(ids []string, states []elbtypes.InstanceState) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		return slices.ContainsFunc(states, func(s elbtypes.InstanceState) bool { return aws.ToString(s.InstanceId) == id })
	})
}

func (c classic) health(ctx context.Context, name *string, ids []string) ([]elbtypes.InstanceState, error) {
	in := &elasticloadbalancing.DescribeInstanceHealthInput{LoadBalancerName: name}
	for _, id := range ids {
		in.Instances = append(in.Instances, elbtypes.Instance{InstanceId: aws.String(id)})
	}
	out, err := c.api.DescribeInstanceHealth(ctx, in)
	if err != nil {
		return nil, err
	}
	return out.InstanceStates, nil
}

// deregister and register take an instance out, and put it in again.
func (c classic) deregister(ctx context.Context, name, instance string) error {
	_, err := c.api.DeregisterInstancesFromLoadBalancer(ctx, &elasticloadbalancing.DeregisterInstancesFromLoadBalancerInput{
		LoadBalancerName: &name, Instances: []elbtypes.Instance{{InstanceId: &instance}}})
	return c.changed(err, "deregister instance %s from Classic load balancer %s", instance, name)
}

func (c classic) register(ctx context.Context, name, instance string) error {
	_, err := c.api.RegisterInstancesWithLoadBalancer(ctx, &elasticloadbalancing.RegisterInstancesWithLoadBalancerInput{
		LoadBalancerName: &name, Instances: []elbtypes.Instance{{InstanceId: &instance}}})
	return c.changed(err, "register instance %s with Classic load balancer %s", instance, name)
}

// changed: an instance, or a load balancer, that is gone is no error.
func (c classic) changed(err error, format string, args ...any) error {
	if isCode(err, "InvalidInstance", "LoadBalancerNotFound") {
		return nil
	}
	return about(err, format, args...)
}

func draining(a *elbtypes.LoadBalancerAttributes) time.Duration {
	if a == nil || a.ConnectionDraining == nil || !a.ConnectionDraining.Enabled {
		return 0
	}
	seconds := int32(300) // AWS's own default once draining is on
	if a.ConnectionDraining.Timeout != nil {
		seconds = *a.ConnectionDraining.Timeout
	}
	return time.Duration(seconds) * time.Second
}

// target reads a Classic balancer's words. While an instance drains, its state
// still says InService, and only the description tells.
func target(s elbtypes.InstanceState) (t handover.Target, in bool) {
	t = handover.Target{Instance: aws.ToString(s.InstanceId), State: handover.OutOfService, Why: aws.ToString(s.Description)}
	words := strings.ToLower(t.Why)
	switch {
	case strings.Contains(words, "not currently registered"), strings.Contains(words, "terminated state"):
		return t, false
	case strings.Contains(words, "deregistration currently in progress"):
		t.State = handover.Draining
	case aws.ToString(s.State) == "InService":
		t.State = handover.InService
	}
	if t.Why == "N/A" {
		t.Why = ""
	}
	return t, true
}
