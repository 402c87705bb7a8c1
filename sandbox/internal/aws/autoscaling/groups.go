package autoscaling

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// createGroup makes a group; the Scaler then launches its instances.
func (s *Service) createGroup(_ *http.Request, f wire.Form) (any, error) {
	g := &region.Group{Name: f.Get("AutoScalingGroupName")}
	switch {
	case g.Name == "":
		return nil, invalid("AutoScalingGroupName must have 1 to 255 characters")
	case !f.Has("LaunchTemplate.LaunchTemplateId") && !f.Has("LaunchTemplate.LaunchTemplateName"):
		return nil, invalid("Valid requests must contain a LaunchTemplate: the sandbox does not implement another source of instances")
	}
	for _, t := range f.Each("Tags") {
		propagate := t.Bool("PropagateAtLaunch")
		t.Ignore("ResourceId", "ResourceType") // this group's
		g.Tags.Set(region.Tag{Key: t.Get("Key"), Value: t.Get("Value"), Propagate: &propagate})
	}
	for _, h := range f.Each("LifecycleHookSpecificationList") {
		g.Hooks = append(g.Hooks, hook(h))
	}
	g.TargetGroupARNs, g.LoadBalancerNames, g.TrafficSources = f.List("TargetGroupARNs"), f.List("LoadBalancerNames"), sources(f)
	f.Ignore("ServiceLinkedRoleARN", "AvailabilityZones") // zones follow from the subnets
	change(g, f)
	return nil, s.store.Update(f.Whole(func(st *region.State) error {
		_, err := st.CreateGroup(g, region.Stamp(s.now()))
		return err
	}))
}

// updateGroup changes what the request says. A desired capacity that it does
// not say follows the bounds.
func (s *Service) updateGroup(_ *http.Request, f wire.Form) (any, error) {
	return s.withGroup(f, func(st *region.State, g *region.Group) error {
		f.Ignore("AvailabilityZones") // they follow from the subnets
		change(g, f)
		if !f.Has("DesiredCapacity") {
			g.Clamp()
		}
		return st.CheckGroup(g)
	})
}

// change fills in what a request says of a group.
func change(g *region.Group, f wire.Form) {
	if n := f.Int("MinSize"); n != nil {
		g.MinSize = region.Num(*n)
	}
	if n := f.Int("MaxSize"); n != nil {
		g.MaxSize = region.Num(*n)
	}
	if n := f.Int("DesiredCapacity"); n != nil {
		desired := region.Num(*n)
		g.DesiredCapacity = &desired
	}
	if n := f.Int("DefaultCooldown"); n != nil {
		g.Cooldown = region.Num(*n)
	}
	if n := f.Int("HealthCheckGracePeriod"); n != nil {
		g.HealthCheckGracePeriod = *n
	}
	g.DeletionProtection = cmp.Or(f.Get("DeletionProtection"), g.DeletionProtection)
	if action := f.Get("InstanceLifecyclePolicy.RetentionTriggers.TerminateHookAbandon"); action != "" {
		policy := &region.LifecyclePolicy{}
		policy.RetentionTriggers.TerminateHookAbandon = action
		g.LifecyclePolicy = policy
	}
	g.HealthCheckType = cmp.Or(f.Get("HealthCheckType"), g.HealthCheckType)
	if f.Has("NewInstancesProtectedFromScaleIn") {
		g.ProtectNew = f.Bool("NewInstancesProtectedFromScaleIn")
	}
	if subnets := f.Get("VPCZoneIdentifier"); subnets != "" {
		g.Subnets = strings.Split(strings.ReplaceAll(subnets, " ", ""), ",")
	}
	if policies := f.List("TerminationPolicies"); len(policies) > 0 {
		g.TerminationPolicies = policies
	}
	if t := f.Sub("LaunchTemplate"); t.Has("LaunchTemplateId") || t.Has("LaunchTemplateName") {
		g.LaunchTemplate = region.LaunchTemplateRef{LaunchTemplateID: t.Get("LaunchTemplateId"),
			LaunchTemplateName: t.Get("LaunchTemplateName"), Version: t.Get("Version")}
	}
}
