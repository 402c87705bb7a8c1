package aws

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"github.com/droverhq/drover/internal/handover"
)

// Scaling reads and steers Auto Scaling groups for a hand-over, by the
// services' own APIs: Cloud Control knows neither a group's instances nor its
// suspended processes, and cannot end an instance by name.
type Scaling struct {
	groups    *autoscaling.Client
	instances *ec2.Client
	eks       *eks.Client
	ssm       *ssm.Client

	mu     sync.Mutex
	behind map[string]string // names of groups -> of Auto Scaling groups
}

var _ handover.Scaling = (*Scaling)(nil)

// barred is err as a hand-over takes what the caller has no right to.
func barred(err error) error { return handover.Barred(err) }

// Scaling is the hand-over's view of the account's Auto Scaling groups.
func (c *Cloud) Scaling() *Scaling {
	return &Scaling{groups: c.scaling, instances: c.ec2, eks: c.eks, ssm: c.ssm, behind: map[string]string{}}
}

// Group reads one group, by its own name or by that of the managed node group that
// it belongs to; it is then called as it was asked for.
func (s *Scaling) Group(ctx context.Context, name string) (handover.Group, error) {
	found, err := s.find(ctx, name)
	if err != nil {
		return handover.Group{}, err
	}
	g := asGroup(found)
	g.Name = name
	return g, nil
}

func asGroup(g astypes.AutoScalingGroup) handover.Group {
	out := handover.Group{
		Name:    aws.ToString(g.AutoScalingGroupName),
		Min:     int(aws.ToInt32(g.MinSize)),
		Desired: int(aws.ToInt32(g.DesiredCapacity)),
		Tags:    asTags(g.Tags, func(t astypes.TagDescription) (key, value *string) { return t.Key, t.Value }),
	}
	for _, i := range g.Instances {
		out.Instances = append(out.Instances, handover.Instance{
			ID: aws.ToString(i.InstanceId), Lifecycle: string(i.LifecycleState)})
	}
	for _, p := range g.SuspendedProcesses {
		out.Suspended = append(out.Suspended, aws.ToString(p.ProcessName))
	}
	out.Attached = attached(g)
	out.Judged = slices.Contains(strings.Split(aws.ToString(g.HealthCheckType), ","), "ELB")
	return out
}

// attached are what the group registers its instances with, by whichever of its calls it
// was attached.
func attached(g astypes.AutoScalingGroup) []string {
	all := slices.Concat(g.TargetGroupARNs, g.LoadBalancerNames)
	for _, s := range g.TrafficSources {
		known := slices.Contains([]string{"elbv2", "elb"}, aws.ToString(s.Type))
		if name := aws.ToString(s.Identifier); known && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// manyTypes is how many instance types one call may name.
const manyTypes = 100

// Sizes asks by filter, since asking by name fails for all if one does not exist.
func (s *Scaling) Sizes(ctx context.Context, types []string) (map[string]handover.Size, error) {
	sizes := map[string]handover.Size{}
	for some := range slices.Chunk(types, manyTypes) {
		pages := ec2.NewDescribeInstanceTypesPaginator(s.instances, &ec2.DescribeInstanceTypesInput{
			Filters: []ec2types.Filter{{Name: aws.String("instance-type"), Values: some}}})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, fmt.Errorf("read instance types: %w", err)
			}
			for _, t := range page.InstanceTypes {
				sizes[string(t.InstanceType)] = size(t)
			}
		}
	}
	return sizes, nil
}

func size(t ec2types.InstanceTypeInfo) handover.Size {
	var s handover.Size
	if t.VCpuInfo != nil {
		s.CPU = int(aws.ToInt32(t.VCpuInfo.DefaultVCpus))
	}
	if t.MemoryInfo != nil {
		s.Memory = aws.ToInt64(t.MemoryInfo.SizeInMiB) << 20
	}
	if t.ProcessorInfo != nil {
		s.Arch = arch(t.ProcessorInfo.SupportedArchitectures)
	}
	s.Devices = strings.Join(slices.DeleteFunc(slices.Clone(handover.Devices), func(d string) bool { return !offers(t, d) }), " ")
	return s
}

// offers: its nodes may have devices of that sort. Types of which EC2 says that they burst
// (t3) are those that take no security groups for pods.
func offers(t ec2types.InstanceTypeInfo, device string) bool {
	made := func(by string) bool {
		return t.GpuInfo != nil && slices.ContainsFunc(t.GpuInfo.Gpus, func(g ec2types.GpuDeviceInfo) bool { return strings.EqualFold(aws.ToString(g.Manufacturer), by) })
	}
	switch device {
	case "nvidia.com/":
		return made("nvidia")
	case "amd.com/":
		return made("amd")
	case "habana.ai/":
		return made("habana")
	case "aws.amazon.com/neuron":
		return t.NeuronInfo != nil || t.InferenceAcceleratorInfo != nil
	case "vpc.amazonaws.com/efa":
		return t.NetworkInfo != nil && aws.ToBool(t.NetworkInfo.EfaSupported)
	}
	return !aws.ToBool(t.BurstablePerformanceSupported)
}

// arch is Kubernetes' word for what the type's nodes are.
func arch(supported []ec2types.ArchitectureType) string {
	switch {
	case slices.Contains(supported, ec2types.ArchitectureTypeX8664):
		return "amd64"
	case slices.Contains(supported, ec2types.ArchitectureTypeArm64):
		return "arm64"
	}
	return ""
}

// manyInstances is how many instances one call asks for: EC2 takes up to 1000
// in a page, and at most 200 values in a filter.
const manyInstances = 200

// States asks by filter, since asking by ID fails for all if one is forgotten.
func (s *Scaling) States(ctx context.Context, instances []string) (map[string]string, error) {
	states := map[string]string{}
	for some := range slices.Chunk(instances, manyInstances) {
		pages := ec2.NewDescribeInstancesPaginator(s.instances, &ec2.DescribeInstancesInput{
			Filters: []ec2types.Filter{{Name: aws.String("instance-id"), Values: some}}})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, fmt.Errorf("read the state of %d instances: %w", len(instances), err)
			}
			addStates(states, page.Reservations)
		}
	}
	return states, nil
}

func addStates(states map[string]string, reservations []ec2types.Reservation) {
	for _, r := range reservations {
		for _, i := range r.Instances {
			if i.State != nil {
				states[aws.ToString(i.InstanceId)] = string(i.State.Name)
			}
		}
	}
}

// mostAsked is how many instances DescribeAutoScalingInstances takes at once.
const mostAsked = 50

// GroupsOf tells of each instance which group it is in; one that is in none is left out.
func (s *Scaling) GroupsOf(ctx context.Context, instances []string) (map[string]string, error) {
	of := map[string]string{}
	for some := range slices.Chunk(instances, mostAsked) {
		out, err := s.groups.DescribeAutoScalingInstances(ctx, &autoscaling.DescribeAutoScalingInstancesInput{InstanceIds: some})
		if err != nil {
			return nil, fmt.Errorf("find the Auto Scaling groups of %d instances: %w", len(instances), err)
		}
		for _, i := range out.AutoScalingInstances {
			of[aws.ToString(i.InstanceId)] = aws.ToString(i.AutoScalingGroupName)
		}
	}
	return of, nil
}

// Suspend keeps the group from acting on its own.
func (s *Scaling) Suspend(ctx context.Context, group string, processes []string) error {
	if len(processes) == 0 {
		return nil // an empty list would mean all
	}
	name, err := s.called(ctx, group)
	if err != nil {
		return err
	}
	_, err = s.groups.SuspendProcesses(ctx,
		&autoscaling.SuspendProcessesInput{AutoScalingGroupName: &name, ScalingProcesses: processes})
	return about(err, "suspend %s of Auto Scaling group %s", strings.Join(processes, ", "), group)
}

// Resume undoes Suspend.
func (s *Scaling) Resume(ctx context.Context, group string, processes []string) error {
	if len(processes) == 0 {
		return nil
	}
	name, err := s.called(ctx, group)
	if err != nil {
		return err
	}
	_, err = s.groups.ResumeProcesses(ctx,
		&autoscaling.ResumeProcessesInput{AutoScalingGroupName: &name, ScalingProcesses: processes})
	return about(err, "resume %s of Auto Scaling group %s", strings.Join(processes, ", "), group)
}

// SetMin sets the group's least size. Its desired capacity follows only if it was smaller.
func (s *Scaling) SetMin(ctx context.Context, group string, n int) error {
	g, err := s.Group(ctx, group)
	if err != nil {
		return err
	}
	if m, is := managedOf(g.Tags); is {
		if g.Min == n {
			return nil // each change makes the group busy for a while
		}
		return s.setManagedMin(ctx, m, n)
	}
	_, err = s.groups.UpdateAutoScalingGroup(ctx,
		&autoscaling.UpdateAutoScalingGroupInput{AutoScalingGroupName: &group, MinSize: aws.Int32(int32(n))})
	return about(err, "set the least size of Auto Scaling group %s to %d", group, n)
}

// Terminate first looks which instances are still the group's: one that is going
// already would lower the desired capacity a second time. It looks again should
// one have gone between the two calls.
func (s *Scaling) Terminate(ctx context.Context, group string, instances []string) error {
	const looks = 3
	for n := 1; ; n++ {
		g, err := s.Group(ctx, group)
		if errors.Is(err, handover.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.endRetained(ctx, g, instances); err != nil {
			return err
		}
		there := slices.DeleteFunc(slices.Clone(instances), g.Left)
		if len(there) == 0 {
			return nil
		}
		name, err := s.called(ctx, group)
		if err != nil {
			return err
		}
		_, err = s.groups.TerminateInstanceInAutoScalingGroup(ctx, &autoscaling.TerminateInstanceInAutoScalingGroupInput{
			AutoScalingGroupName: &name, InstanceIds: there, ShouldDecrementDesiredCapacity: aws.Bool(true)})
		if says(err, "not found") && n < looks {
			continue
		}
		return about(err, "terminate instances %s of Auto Scaling group %s", strings.Join(there, ", "), group)
	}
}

// ManagedBy tells by its tags which managed node group of which cluster of EKS an
// Auto Scaling group is behind.
func ManagedBy(g handover.Group) (cluster, nodegroup string) {
	m, _ := managedOf(g.Tags)
	return m.cluster, m.name
}

// DeleteGroup deletes a group that is empty: of a managed node group all of it, by
// EKS. AWS refuses an Auto Scaling group that is not empty; EKS would end what runs,
// so a managed group is looked at once more. One that is gone, or going, is no error;
// of a managed group the Auto Scaling group goes first.
func (s *Scaling) DeleteGroup(ctx context.Context, e handover.Ending) error {
	name, m := e.Group, managed{e.Cluster, e.Nodegroup}
	g, err := s.Group(ctx, name)
	switch gone := errors.Is(err, handover.ErrNotFound); {
	case err != nil && !gone:
		return err
	case e.Nodegroup != "" && len(g.Instances) > 0:
		return fmt.Errorf("delete %s: it has %d instances", m, len(g.Instances))
	case e.Nodegroup != "":
		return s.deleteManaged(ctx, m, name)
	case gone:
		return nil
	}
	_, err = s.groups.DeleteAutoScalingGroup(ctx, &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: &name})
	if says(err, "not found") {
		return nil
	}
	return about(err, "delete Auto Scaling group %s", name)
}

// Tag sets tags on the group itself, not on its instances.
func (s *Scaling) Tag(ctx context.Context, group string, tags map[string]string) error {
	name, err := s.called(ctx, group)
	if err != nil {
		return err
	}
	_, err = s.groups.CreateOrUpdateTags(ctx, &autoscaling.CreateOrUpdateTagsInput{Tags: groupTags(name, tags)})
	return about(err, "tag Auto Scaling group %s", group)
}

// Untag removes tags from the group.
func (s *Scaling) Untag(ctx context.Context, group string, keys []string) error {
	tags := map[string]string{}
	for _, k := range keys {
		tags[k] = ""
	}
	name, err := s.called(ctx, group)
	if err != nil {
		return err
	}
	list := groupTags(name, tags)
	for i := range list {
		list[i].Value = nil // any value will do
	}
	_, err = s.groups.DeleteTags(ctx, &autoscaling.DeleteTagsInput{Tags: list})
	return about(err, "remove tags from Auto Scaling group %s", group)
}

func groupTags(group string, tags map[string]string) []astypes.Tag {
	var out []astypes.Tag
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, astypes.Tag{ResourceId: &group, ResourceType: aws.String("auto-scaling-group"),
			Key: aws.String(k), Value: aws.String(tags[k]), PropagateAtLaunch: aws.Bool(false)})
	}
	return out
}

// about says what an error is about; nil stays nil.
func about(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// says: an API answered with an error whose message holds the text. Auto Scaling
// has one code for many errors.
func says(err error, text string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && strings.Contains(api.ErrorMessage(), text)
}
