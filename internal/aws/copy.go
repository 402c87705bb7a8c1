package aws

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/smithy-go"

	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/sleep"
	"github.com/droverhq/drover/problem"
)

// A new node group as a copy of another one: a managed group by EKS, any other by
// Auto Scaling, each with a launch template of its own if the other one has one, so
// that the end of the old group's template harms nobody. Names are made of the old
// group's and of what changes, and what is made carries a tag: the same call goes on
// with what an earlier one has made.

// Changes are what a copy has other than its original. The zero value of each is: as
// the original has it.
type Changes struct {
	Name         string // of the new group; empty: the old one's with a suffix
	InstanceType string
	Version      string // of Kubernetes
	AMI          string // an image (ami-…), or a type of images of EKS (AL2023_ARM_64_STANDARD)
	Size         *Bounds
}

// image: another image is asked for itself, not a type of images.
func (c Changes) image() bool { return strings.HasPrefix(c.AMI, "ami-") }

// Bounds are how many nodes a group has.
type Bounds struct{ Min, Desired, Max int }

// Copy is a group that is to be made, or was.
type Copy struct {
	Name    string
	Managed bool   // by EKS
	Type    string // of its instances; empty: several, or not known
	Nodes   int
	Made    bool     // it stands
	Lines   []string // what it is like, and what is not copied

	original handover.Ending
	changes  Changes
	template *ec2types.RequestLaunchTemplateData // that it gets; nil: EKS makes one
	group    *autoscaling.CreateAutoScalingGroupInput
	managed  *eks.CreateNodegroupInput
}

// copyTag says of what a group or a launch template is a copy.
const copyTag = "drover.dev/copy-of"

// PlanCopy looks at a group and tells of what a copy of it would be. It changes nothing.
func (s *Scaling) PlanCopy(ctx context.Context, of handover.Ending, with Changes) (*Copy, error) {
	g, err := s.find(ctx, of.Group)
	if err != nil {
		return nil, err
	}
	c := &Copy{original: of, changes: with, Name: with.Name, Managed: of.Nodegroup != ""}
	if c.Name == "" {
		c.Name = c.named(cmp.Or(of.Nodegroup, of.Group))
	}
	if c.Managed {
		err = s.planManaged(ctx, c)
	} else {
		err = s.planGroup(ctx, c, g)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// suffix is how many hexadecimal digits tell one copy from another; longest is the
// longest name that EKS takes.
const (
	suffix  = 6
	longest = 63
)

// named makes a name of the original's and of what changes.
func (c *Copy) named(of string) string {
	data, _ := json.Marshal(struct {
		Of string
		Changes
	}{of, c.changes})
	tail := fmt.Sprintf("-%x", sha256.Sum256(data))[:1+suffix]
	return of[:min(len(of), longest-len(tail))] + tail
}

func (c *Copy) say(format string, args ...any) {
	c.Lines = append(c.Lines, fmt.Sprintf(format, args...))
}

func (c *Copy) refuse(why, fix string) error {
	return &problem.Error{Kind: problem.Refused, Op: "make a group like " + cmp.Or(c.original.Nodegroup, c.original.Group), Err: errors.New(why), Fix: fix}
}

// planManaged makes the request for a managed group.
func (s *Scaling) planManaged(ctx context.Context, c *Copy) error {
	out, err := s.eks.DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: &c.original.Cluster, NodegroupName: &c.original.Nodegroup})
	if err != nil {
		return fmt.Errorf("read managed node group %s: %w", c.original.Nodegroup, err)
	}
	n, with := out.Nodegroup, c.changes
	in := &eks.CreateNodegroupInput{ClusterName: &c.original.Cluster, NodegroupName: &c.Name, NodeRole: n.NodeRole, Subnets: n.Subnets, AmiType: n.AmiType,
		CapacityType: n.CapacityType, DiskSize: n.DiskSize, InstanceTypes: n.InstanceTypes, Labels: n.Labels, Taints: n.Taints, RemoteAccess: n.RemoteAccess,
		NodeRepairConfig: n.NodeRepairConfig, UpdateConfig: n.UpdateConfig, ScalingConfig: n.ScalingConfig, Version: n.Version, ReleaseVersion: n.ReleaseVersion,
		ClientRequestToken: aws.String(c.Name), Tags: copiedTags(n.Tags, c.original.Nodegroup)}
	c.managed = in
	if err := s.planTemplate(ctx, c, n); err != nil {
		return err
	}
	if with.AMI != "" && !with.image() {
		in.AmiType, in.ReleaseVersion = ekstypes.AMITypes(with.AMI), nil
	}
	if with.Version != "" {
		in.Version, in.ReleaseVersion = &with.Version, nil
	}
	if in.AmiType == ekstypes.AMITypesCustom || with.image() {
		if with.Version != "" {
			return c.refuse("its image is its owner's, and decides on the version", "give the image of that version: --ami ami-…, without --version")
		}
		in.AmiType, in.Version, in.ReleaseVersion = "", nil, nil // as the image says
	}
	if with.InstanceType != "" && (c.template == nil || c.template.InstanceType == "") {
		in.InstanceTypes = []string{with.InstanceType}
	}
	if c.template != nil {
		in.DiskSize, in.RemoteAccess = nil, nil // the template has them
	}
	if b := with.Size; b != nil {
		in.ScalingConfig = &ekstypes.NodegroupScalingConfig{MinSize: aws.Int32(int32(b.Min)), DesiredSize: aws.Int32(int32(b.Desired)), MaxSize: aws.Int32(int32(b.Max))}
	}
	types := in.InstanceTypes
	if len(types) == 0 && c.template != nil {
		types = []string{string(c.template.InstanceType)}
	}
	c.sized(types, int(aws.ToInt32(in.ScalingConfig.DesiredSize)))
	c.say("managed node group %s: %s, %s, Kubernetes %s, %d nodes", c.Name, strings.Join(types, " "), cmp.Or(string(in.AmiType), "the image of its launch template"), cmp.Or(aws.ToString(in.Version), "as its image says"), c.Nodes)
	return s.standsManaged(ctx, c)
}

func (c *Copy) sized(types []string, nodes int) {
	c.Nodes = nodes
	if len(types) == 1 {
		c.Type = types[0]
	}
}

// planTemplate reads the launch template that the user gave the managed group.
func (s *Scaling) planTemplate(ctx context.Context, c *Copy, n *ekstypes.Nodegroup) error {
	if n.LaunchTemplate == nil {
		if c.changes.image() {
			return c.refuse("it has no launch template that could name an image", "give a type of images: --ami AL2023_x86_64_STANDARD")
		}
		return nil
	}
	return s.readTemplate(ctx, c, n.LaunchTemplate.Id, aws.ToString(n.LaunchTemplate.Version))
}

// readTemplate makes a template of another one's version, with what changes.
func (s *Scaling) readTemplate(ctx context.Context, c *Copy, id *string, version string) error {
	out, err := s.instances.DescribeLaunchTemplateVersions(ctx, &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: id, Versions: []string{cmp.Or(version, "$Default")}})
	if err == nil && len(out.LaunchTemplateVersions) == 0 {
		err = errors.New("it has no version " + cmp.Or(version, "$Default"))
	}
	if err != nil {
		return fmt.Errorf("read launch template %s: %w", aws.ToString(id), err)
	}
	if c.template, err = asRequest(out.LaunchTemplateVersions[0].LaunchTemplateData); err != nil {
		return err
	}
	if c.changes.image() {
		c.template.ImageId = &c.changes.AMI
	}
	if c.changes.InstanceType != "" && (c.template.InstanceType != "" || !c.Managed) {
		c.template.InstanceType = ec2types.InstanceType(c.changes.InstanceType)
	}
	c.say("launch template %s: a copy of version %s of %s", c.Name, version, aws.ToString(out.LaunchTemplateVersions[0].LaunchTemplateName))
	if aws.ToString(c.template.UserData) != "" && c.changes.AMI != "" {
		c.say("its user data is copied as it is: see that it suits the image")
	}
	return nil
}

// asRequest turns what EC2 tells of a template into what it takes for one: the two
// have the same members.
func asRequest(data *ec2types.ResponseLaunchTemplateData) (*ec2types.RequestLaunchTemplateData, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	var out ec2types.RequestLaunchTemplateData
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, err
	}
	out.Operator = nil // whoever operates the original does not operate the copy
	return &out, nil
}

// planGroup makes the request for an Auto Scaling group of its own.
func (s *Scaling) planGroup(ctx context.Context, c *Copy, g astypes.AutoScalingGroup) error {
	with := c.changes
	switch {
	case g.LaunchTemplate == nil:
		return c.refuse("it has a launch configuration or a mixed instances policy, which is not copied", "make the new group where the old one was made, and move with --to asg/NAME")
	case with.Version != "" && with.AMI != "":
		return c.refuse("its image decides on the version", "give --version, or the image: --ami ami-…")
	case with.AMI != "" && !with.image():
		return c.refuse(fmt.Sprintf("%q is no image", with.AMI), "give the image itself: --ami ami-…")
	}
	if err := s.readTemplate(ctx, c, g.LaunchTemplate.LaunchTemplateId, aws.ToString(g.LaunchTemplate.Version)); err != nil {
		return err
	}
	if err := s.tooNew(ctx, c, asGroup(g).Tags); err != nil {
		return err
	}
	if err := s.chooseImage(ctx, c); err != nil {
		return err
	}
	hooks, err := s.hooksOf(ctx, aws.ToString(g.AutoScalingGroupName))
	if err != nil {
		return err
	}
	in := &autoscaling.CreateAutoScalingGroupInput{AutoScalingGroupName: &c.Name, MinSize: g.MinSize, MaxSize: g.MaxSize, DesiredCapacity: g.DesiredCapacity,
		VPCZoneIdentifier: g.VPCZoneIdentifier, TargetGroupARNs: g.TargetGroupARNs, LoadBalancerNames: g.LoadBalancerNames, HealthCheckType: g.HealthCheckType,
		HealthCheckGracePeriod: g.HealthCheckGracePeriod, DefaultCooldown: g.DefaultCooldown, TerminationPolicies: g.TerminationPolicies, PlacementGroup: g.PlacementGroup,
		NewInstancesProtectedFromScaleIn: g.NewInstancesProtectedFromScaleIn, MaxInstanceLifetime: g.MaxInstanceLifetime, CapacityRebalance: g.CapacityRebalance,
		DefaultInstanceWarmup: g.DefaultInstanceWarmup, LifecycleHookSpecificationList: hooks, InstanceMaintenancePolicy: g.InstanceMaintenancePolicy}
	if r, held := asGroup(g).Held(); held { // an earlier run holds it still
		in.MinSize = aws.Int32(int32(r))
	}
	if b := with.Size; b != nil {
		in.MinSize, in.DesiredCapacity, in.MaxSize = aws.Int32(int32(b.Min)), aws.Int32(int32(b.Desired)), aws.Int32(int32(b.Max))
	}
	for _, t := range g.Tags {
		if key := aws.ToString(t.Key); !foreign(key) {
			in.Tags = append(in.Tags, astypes.Tag{Key: t.Key, Value: t.Value, PropagateAtLaunch: t.PropagateAtLaunch, ResourceId: &c.Name, ResourceType: aws.String("auto-scaling-group")})
		}
	}
	in.Tags = append(in.Tags, groupTags(c.Name, map[string]string{copyTag: c.original.Group})...)
	c.group = in
	c.sized([]string{string(c.template.InstanceType)}, int(aws.ToInt32(in.DesiredCapacity)))
	c.say("Auto Scaling group %s: %s, image %s, %d nodes", c.Name, c.Type, aws.ToString(c.template.ImageId), c.Nodes)
	c.say("scaling policies, scheduled actions and a warm pool are not copied")
	return s.standsGroup(ctx, c)
}

// hooksOf are a group's lifecycle hooks, but for a fence.
func (s *Scaling) hooksOf(ctx context.Context, group string) ([]astypes.LifecycleHookSpecification, error) {
	out, err := s.groups.DescribeLifecycleHooks(ctx, &autoscaling.DescribeLifecycleHooksInput{AutoScalingGroupName: &group})
	if err != nil {
		return nil, fmt.Errorf("read the lifecycle hooks of Auto Scaling group %s: %w", group, err)
	}
	var hooks []astypes.LifecycleHookSpecification
	for _, h := range out.LifecycleHooks {
		if aws.ToString(h.LifecycleHookName) != fenceHook {
			hooks = append(hooks, astypes.LifecycleHookSpecification{LifecycleHookName: h.LifecycleHookName, LifecycleTransition: h.LifecycleTransition, DefaultResult: h.DefaultResult,
				HeartbeatTimeout: h.HeartbeatTimeout, NotificationMetadata: h.NotificationMetadata, NotificationTargetARN: h.NotificationTargetARN, RoleARN: h.RoleARN})
		}
	}
	return hooks, nil
}

// foreign tags are AWS's own, and what Drover keeps of a move.
func foreign(key string) bool {
	return strings.HasPrefix(key, "aws:") || strings.HasPrefix(key, "drover.dev/") || strings.HasPrefix(key, "eks:")
}

func copiedTags(tags map[string]string, of string) map[string]string {
	out := maps.Clone(tags)
	if out == nil {
		out = map[string]string{}
	}
	maps.DeleteFunc(out, func(key, _ string) bool { return foreign(key) })
	out[copyTag] = of
	return out
}

// standsManaged: the copy was made before. A group of its name that is no copy of
// the same is another's.
func (s *Scaling) standsManaged(ctx context.Context, c *Copy) error {
	out, err := s.eks.DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: &c.original.Cluster, NodegroupName: &c.Name})
	var missing *ekstypes.ResourceNotFoundException
	switch {
	case errors.As(err, &missing):
		return nil
	case err != nil:
		return fmt.Errorf("look for managed node group %s: %w", c.Name, err)
	case out.Nodegroup.Tags[copyTag] != c.original.Nodegroup:
		return c.taken()
	}
	c.Made = true
	return nil
}

func (s *Scaling) standsGroup(ctx context.Context, c *Copy) error {
	found, err := s.describe(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{c.Name}})
	switch {
	case err != nil:
		return fmt.Errorf("look for Auto Scaling group %s: %w", c.Name, err)
	case len(found) == 0:
		return nil
	case asGroup(found[0]).Tags[copyTag] != c.original.Group:
		return c.taken()
	}
	c.Made = true
	return nil
}

func (c *Copy) taken() error {
	return c.refuse("there is a group "+c.Name+" that is no copy of it", "give another name: --name")
}

// Make makes the copy, unless it stands, and returns its Auto Scaling group's name
// once AWS has that.
func (s *Scaling) Make(ctx context.Context, c *Copy, wait func(string)) (string, error) {
	var template *string
	var err error
	if !c.Made {
		if template, err = s.makeTemplate(ctx, c); err != nil {
			return "", err
		}
	}
	switch {
	case c.Managed:
		return s.makeManaged(ctx, c, template, wait)
	case c.Made:
		return c.Name, nil
	}
	c.group.LaunchTemplate = &astypes.LaunchTemplateSpecification{LaunchTemplateId: template, Version: aws.String("1")}
	_, err = s.groups.CreateAutoScalingGroup(ctx, c.group)
	var exists *astypes.AlreadyExistsFault
	if errors.As(err, &exists) {
		err = s.standsGroup(ctx, c) // an answer that was lost
	}
	return c.Name, about(err, "make Auto Scaling group %s", c.Name)
}

// madeBefore are EC2's answers to a second request for a template: a newest image may
// have become another one since.
var madeBefore = []string{"InvalidLaunchTemplateName.AlreadyExistsException", "IdempotentParameterMismatch"}

// makeTemplate makes the launch template of the copy; nil: it gets none of its own.
func (s *Scaling) makeTemplate(ctx context.Context, c *Copy) (*string, error) {
	if c.template == nil {
		return nil, nil
	}
	mark := ec2types.TagSpecification{ResourceType: ec2types.ResourceTypeLaunchTemplate, Tags: []ec2types.Tag{{Key: aws.String(copyTag), Value: aws.String(cmp.Or(c.original.Nodegroup, c.original.Group))}}}
	out, err := s.instances.CreateLaunchTemplate(ctx, &ec2.CreateLaunchTemplateInput{LaunchTemplateName: &c.Name, LaunchTemplateData: c.template,
		ClientToken: &c.Name, TagSpecifications: []ec2types.TagSpecification{mark}})
	if err == nil {
		return out.LaunchTemplate.LaunchTemplateId, nil
	}
	var api smithy.APIError
	if !errors.As(err, &api) || !slices.Contains(madeBefore, api.ErrorCode()) {
		return nil, fmt.Errorf("make launch template %s: %w", c.Name, err)
	}
	have, err := s.instances.DescribeLaunchTemplates(ctx, &ec2.DescribeLaunchTemplatesInput{LaunchTemplateNames: []string{c.Name}})
	if err == nil && len(have.LaunchTemplates) != 1 {
		err = errors.New("there was one of that name, and is none")
	}
	if err != nil {
		return nil, fmt.Errorf("read launch template %s: %w", c.Name, err)
	}
	if !slices.ContainsFunc(have.LaunchTemplates[0].Tags, func(t ec2types.Tag) bool { return aws.ToString(t.Key) == copyTag }) {
		return nil, c.refuse("there is a launch template "+c.Name+" that is no copy of its", "give another name: --name")
	}
	return have.LaunchTemplates[0].LaunchTemplateId, nil
}

// makeManaged makes the managed group and waits until EKS has.
func (s *Scaling) makeManaged(ctx context.Context, c *Copy, template *string, wait func(string)) (string, error) {
	if template != nil {
		c.managed.LaunchTemplate = &ekstypes.LaunchTemplateSpecification{Id: template, Version: aws.String("1")}
	}
	if !c.Made {
		if _, err := s.eks.CreateNodegroup(ctx, c.managed); err != nil {
			return "", fmt.Errorf("make managed node group %s: %w", c.Name, err)
		}
	}
	for {
		out, err := s.eks.DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: &c.original.Cluster, NodegroupName: &c.Name})
		if err != nil {
			return "", fmt.Errorf("make managed node group %s: %w", c.Name, err)
		}
		switch n := out.Nodegroup; n.Status {
		case ekstypes.NodegroupStatusCreateFailed:
			return "", &problem.Error{Kind: problem.Outside, Op: "make managed node group " + c.Name, Err: errors.New(issuesOf(n)),
				Fix: "nothing was moved. Delete it (aws eks delete-nodegroup --cluster-name " + c.original.Cluster + " --nodegroup-name " + c.Name + "), mend what it names, and run the same command again"}
		case ekstypes.NodegroupStatusCreating:
			wait("EKS makes " + c.Name)
		default:
			if n.Resources != nil && len(n.Resources.AutoScalingGroups) > 0 {
				return aws.ToString(n.Resources.AutoScalingGroups[0].Name), nil
			}
		}
		if err := sleep.For(ctx, managedLook); err != nil {
			return "", err
		}
	}
}

// ParseBounds reads how many nodes a group has: 4, or 2:4:8 for the least, the
// wanted and the most. Of one number, the least is at most that, and the most at
// least.
func ParseBounds(text string) (*Bounds, error) {
	var n []int
	for part := range strings.SplitSeq(text, ":") {
		k, err := strconv.Atoi(part)
		if err != nil || k < 0 {
			return nil, fmt.Errorf("%q is no number of nodes", part)
		}
		n = append(n, k)
	}
	switch {
	case len(n) == 1:
		return &Bounds{n[0], n[0], n[0]}, nil
	case len(n) == 3 && n[0] <= n[1] && n[1] <= n[2] && n[2] > 0:
		return &Bounds{n[0], n[1], n[2]}, nil
	}
	return nil, errors.New("it is neither one number nor MIN:DESIRED:MAX")
}
