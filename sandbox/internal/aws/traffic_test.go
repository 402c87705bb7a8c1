package aws

import (
	"slices"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing"
	elbv2 "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

var web = awssdk.String("web") // the group of a stack's nodes

// attached tells the state of each attachment of the group.
func (s *stack) attached() map[string]string {
	s.t.Helper()
	out, err := s.asg.DescribeTrafficSources(s.t.Context(), &autoscaling.DescribeTrafficSourcesInput{AutoScalingGroupName: web})
	if err != nil {
		s.t.Fatal(err)
	}
	states := map[string]string{}
	for _, t := range out.TrafficSources {
		states[*t.Identifier] = *t.State
	}
	return states
}

// lifecycle of each instance of the group.
func (s *stack) lifecycle() map[string]string {
	s.t.Helper()
	found := map[string]string{}
	for _, i := range s.group("web").Instances {
		found[*i.InstanceId] = string(i.LifecycleState)
	}
	return found
}

func (s *stack) state(id string) ec2types.InstanceStateName {
	s.t.Helper()
	out, err := s.ec2.DescribeInstances(s.t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		s.t.Fatal(err)
	}
	return out.Reservations[0].Instances[0].State.Name
}

func (s *stack) size(n int32) {
	s.t.Helper()
	if _, err := s.asg.SetDesiredCapacity(s.t.Context(), &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: web, DesiredCapacity: &n}); err != nil {
		s.t.Fatal(err)
	}
}

// empty deregisters what the test's beginning has registered.
func (n *nlb) empty() {
	n.t.Helper()
	for _, id := range n.ids {
		_, err := n.api.DeregisterTargets(n.t.Context(), &elbv2.DeregisterTargetsInput{TargetGroupArn: n.group, Targets: []types.TargetDescription{{Id: &id}}})
		n.must(err)
	}
	n.until("the target group is empty", func() bool { return len(n.states()) == 0 })
}

// A group registers its instances with the target groups that it is attached to, those
// that it has and those that it launches, and one that ends stays until it is drained.
func TestGroupsRegisterWithTargetGroups(t *testing.T) {
	n := newNLB(t, "2")
	n.empty()
	ctx := t.Context()
	attach := &autoscaling.AttachLoadBalancerTargetGroupsInput{AutoScalingGroupName: web, TargetGroupARNs: []string{*n.group}}
	_, err := n.asg.AttachLoadBalancerTargetGroups(ctx, attach)
	n.must(err)
	_, err = n.asg.AttachLoadBalancerTargetGroups(ctx, attach) // again
	n.must(err)
	n.healthy(n.ids...)
	if got := n.attached(); got[*n.group] != "InService" || len(got) != 1 {
		t.Errorf("attachments: %v", got)
	}
	groups, err := n.asg.DescribeLoadBalancerTargetGroups(ctx, &autoscaling.DescribeLoadBalancerTargetGroupsInput{AutoScalingGroupName: web})
	n.must(err)
	if len(groups.LoadBalancerTargetGroups) != 1 || *groups.LoadBalancerTargetGroups[0].State != "InService" {
		t.Errorf("%+v", groups.LoadBalancerTargetGroups)
	}
	g := n.stack.group("web")
	if !slices.Equal(g.TargetGroupARNs, []string{*n.group}) || len(g.TrafficSources) != 1 || *g.TrafficSources[0].Type != "elbv2" || len(g.LoadBalancerNames) != 0 {
		t.Errorf("%v %+v %v", g.TargetGroupARNs, g.TrafficSources, g.LoadBalancerNames)
	}
	n.size(3)
	n.until("the new one is registered, too", func() bool { return len(n.states()) == 3 })
	_, err = n.asg.TerminateInstanceInAutoScalingGroup(ctx, &autoscaling.TerminateInstanceInAutoScalingGroupInput{InstanceId: &n.ids[0], ShouldDecrementDesiredCapacity: awssdk.Bool(true)})
	n.must(err)
	n.until("it drains", func() bool { return n.states()[n.ids[0]] == "draining Target.DeregistrationInProgress" })
	if life, state := n.lifecycle()[n.ids[0]], n.state(n.ids[0]); life != "Terminating" || state != "running" {
		t.Errorf("while it drains it is %s, %s", life, state)
	}
	n.until("it has ended", func() bool { return n.state(n.ids[0]) == "terminated" && len(n.states()) == 2 })
	_, err = n.asg.DetachLoadBalancerTargetGroups(ctx, &autoscaling.DetachLoadBalancerTargetGroupsInput{AutoScalingGroupName: web, TargetGroupARNs: []string{*n.group}})
	n.must(err)
	if got := n.attached()[*n.group]; got != "Removing" {
		t.Errorf("detached: %q", got)
	}
	n.until("both have left", func() bool { return len(n.states()) == 0 && len(n.attached()) == 0 })
	if life := n.lifecycle()[n.ids[1]]; life != "InService" {
		t.Errorf("the instance is %s", life)
	}
}

// The same of Classic load balancers, by their own calls and by those of all sources.
func TestGroupsRegisterWithClassicBalancers(t *testing.T) {
	s, instances, _ := balanced(t)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.elb.DeregisterInstancesFromLoadBalancer(ctx, &elb.DeregisterInstancesFromLoadBalancerInput{LoadBalancerName: lbName, Instances: instances})
	must(err)
	registered := func() int {
		out, err := s.elb.DescribeInstanceHealth(ctx, &elb.DescribeInstanceHealthInput{LoadBalancerName: lbName})
		must(err)
		return len(out.InstanceStates)
	}
	s.until("nobody is registered", func() bool { return registered() == 0 })
	_, err = s.asg.AttachLoadBalancers(ctx, &autoscaling.AttachLoadBalancersInput{AutoScalingGroupName: web, LoadBalancerNames: []string{*lbName}})
	must(err)
	s.until("in service", func() bool { return s.attached()[*lbName] == "InService" })
	out, err := s.asg.DescribeLoadBalancers(ctx, &autoscaling.DescribeLoadBalancersInput{AutoScalingGroupName: web})
	must(err)
	if len(out.LoadBalancers) != 1 || *out.LoadBalancers[0].LoadBalancerName != *lbName || registered() != 2 {
		t.Errorf("%+v, %d are registered", out.LoadBalancers, registered())
	}
	_, err = s.asg.DetachLoadBalancers(ctx, &autoscaling.DetachLoadBalancersInput{AutoScalingGroupName: web, LoadBalancerNames: []string{*lbName}})
	must(err)
	s.until("they are out", func() bool { return registered() == 0 && len(s.attached()) == 0 })
	source := []astypes.TrafficSourceIdentifier{{Identifier: lbName, Type: awssdk.String("elb")}}
	_, err = s.asg.AttachTrafficSources(ctx, &autoscaling.AttachTrafficSourcesInput{AutoScalingGroupName: web, TrafficSources: source})
	must(err)
	s.until("they are in again", func() bool { return registered() == 2 })
	_, err = s.asg.DetachTrafficSources(ctx, &autoscaling.DetachTrafficSourcesInput{AutoScalingGroupName: web, TrafficSources: source})
	must(err)
	s.until("they are out again", func() bool { return registered() == 0 })
}

// A group whose AddToLoadBalancer is suspended leaves those out that it launches then,
// for good; and one that is told to go by its load balancers replaces what they lose.
func TestProcessesOfTraffic(t *testing.T) {
	n := newNLB(t, "0")
	ctx := t.Context()
	patched, err := n.update("AWS::AutoScaling::AutoScalingGroup", "web", props{"op": "add", "path": "/TargetGroupARNs", "value": []string{*n.group}})
	n.must(err)
	if patched.ErrorCode != "" {
		t.Fatalf("%+v", patched)
	}
	if got := n.get("AWS::AutoScaling::AutoScalingGroup", "web")["TargetGroupARNs"].([]any); len(got) != 1 {
		t.Errorf("%v", got)
	}
	n.healthy(n.ids...)
	process := []string{"AddToLoadBalancer"}
	_, err = n.asg.SuspendProcesses(ctx, &autoscaling.SuspendProcessesInput{AutoScalingGroupName: web, ScalingProcesses: process})
	n.must(err)
	n.size(3)
	n.until("the new one is in service", func() bool {
		states := n.lifecycle()
		return len(states) == 3 && !slices.Contains([]string{states[n.ids[0]], states[n.ids[1]]}, "Pending") && n.inService() == 3
	})
	_, err = n.asg.ResumeProcesses(ctx, &autoscaling.ResumeProcessesInput{AutoScalingGroupName: web, ScalingProcesses: process})
	n.must(err)
	if got := n.attached()[*n.group]; len(n.states()) != 2 || got != "InService" {
		t.Errorf("%v, %s", n.states(), got)
	}
	_, err = n.asg.UpdateAutoScalingGroup(ctx, &autoscaling.UpdateAutoScalingGroupInput{AutoScalingGroupName: web, HealthCheckType: awssdk.String("ELB"), HealthCheckGracePeriod: awssdk.Int32(0)})
	n.must(err)
	_, err = n.api.DeregisterTargets(ctx, &elbv2.DeregisterTargetsInput{TargetGroupArn: n.group, Targets: []types.TargetDescription{{Id: &n.ids[1]}}})
	n.must(err)
	n.until("it is replaced", func() bool { return n.state(n.ids[1]) == "terminated" })
	if life := n.lifecycle()[n.ids[0]]; life != "InService" {
		t.Errorf("the healthy one is %s", life)
	}
}

func (s *stack) inService() (count int) {
	for _, state := range s.lifecycle() {
		if state == "InService" {
			count++
		}
	}
	return count
}

// What cannot be attached is refused, at the group's creation, too.
func TestRefusalsOfTraffic(t *testing.T) {
	n := newNLB(t, "0")
	ctx := t.Context()
	byAddress, err := n.api.CreateTargetGroup(ctx, &elbv2.CreateTargetGroupInput{Name: awssdk.String("pods"), VpcId: &n.vpc, Port: awssdk.Int32(80),
		Protocol: types.ProtocolEnumTcp, TargetType: types.TargetTypeEnumIp})
	n.must(err)
	none := *n.group + "0"
	for name, arn := range map[string]string{"no target group": none, "one of addresses": *byAddress.TargetGroups[0].TargetGroupArn, "no ARN": "pods"} {
		_, err := n.asg.AttachTrafficSources(ctx, &autoscaling.AttachTrafficSourcesInput{AutoScalingGroupName: web, TrafficSources: []astypes.TrafficSourceIdentifier{{Identifier: &arn}}})
		if wantCode(t, err, "ValidationError"); len(n.attached()) > 0 {
			t.Errorf("%s is attached", name)
		}
	}
	_, err = n.asg.AttachLoadBalancers(ctx, &autoscaling.AttachLoadBalancersInput{AutoScalingGroupName: web, LoadBalancerNames: []string{"none"}})
	wantCode(t, err, "ValidationError")
	_, err = n.asg.DetachLoadBalancerTargetGroups(ctx, &autoscaling.DetachLoadBalancerTargetGroupsInput{AutoScalingGroupName: web, TargetGroupARNs: []string{*n.group}})
	wantCode(t, err, "ValidationError")
	_, err = n.asg.AttachLoadBalancerTargetGroups(ctx, &autoscaling.AttachLoadBalancerTargetGroupsInput{AutoScalingGroupName: awssdk.String("none"), TargetGroupARNs: []string{*n.group}})
	wantCode(t, err, "ValidationError")
	template := n.stack.group("web").LaunchTemplate
	create := &autoscaling.CreateAutoScalingGroupInput{AutoScalingGroupName: awssdk.String("other"), MinSize: awssdk.Int32(0), MaxSize: awssdk.Int32(1),
		LaunchTemplate: &astypes.LaunchTemplateSpecification{LaunchTemplateId: template.LaunchTemplateId}, VPCZoneIdentifier: &n.public[0], TargetGroupARNs: []string{none}}
	_, err = n.asg.CreateAutoScalingGroup(ctx, create)
	wantCode(t, err, "ValidationError")
	create.TargetGroupARNs = []string{*n.group}
	_, err = n.asg.CreateAutoScalingGroup(ctx, create)
	n.must(err)
}
