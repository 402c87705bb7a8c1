package region

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// LaunchTemplateRef says which version of which template a group launches.
type LaunchTemplateRef struct {
	LaunchTemplateID   string `json:"LaunchTemplateId,omitempty"`
	LaunchTemplateName string `json:",omitempty"`
	Version            string
}

// Group is AWS::AutoScaling::AutoScalingGroup.
type Group struct {
	Name                   string `json:"AutoScalingGroupName"`
	ARN                    string `json:"AutoScalingGroupARN"`
	MinSize                Num
	MaxSize                Num
	DesiredCapacity        *Num `json:",omitempty"` // never nil once created
	LaunchTemplate         LaunchTemplateRef
	Mixed                  *MixedPolicy `json:"MixedInstancesPolicy,omitempty"` // in place of LaunchTemplate
	Subnets                []string     `json:"VPCZoneIdentifier"`
	AvailabilityZones      []string     `json:",omitempty"`
	Cooldown               Num          // seconds
	HealthCheckType        string
	HealthCheckGracePeriod int
	TerminationPolicies    []string
	ProtectNew             bool             `json:"NewInstancesProtectedFromScaleIn"`
	DeletionProtection     string           `json:",omitempty"` // none, prevent-force-deletion, prevent-all-deletion
	LifecyclePolicy        *LifecyclePolicy `json:"InstanceLifecyclePolicy,omitempty"`
	TargetGroupARNs        []string         `json:",omitempty"` // with the two below: see Sources
	LoadBalancerNames      []string         `json:",omitempty"`
	TrafficSources         []TrafficSource  `json:",omitempty"`
	Tags                   Tags             `json:",omitempty"`
	Rest                   Rest             `json:",omitempty"`

	Created    time.Time
	Deleting   bool       // it goes once it is empty
	Forced     bool       `json:",omitempty"`                               // … and no hook is asked
	Spot       bool       `json:",omitempty"`                               // of a managed node group
	Hooks      []Hook     `json:"LifecycleHookSpecificationList,omitempty"` // at most one for each transition counts
	Suspended  []string   `json:",omitempty"`                               // processes: Launch, Terminate, …
	Activities []Activity `json:",omitempty"`                               // newest first
	RetryAt    time.Time  `json:",omitzero"`                                // no launch before: the last one failed
}

// MixedPolicy is how a group chooses what it launches.
type MixedPolicy struct {
	Template struct {
		Specification LaunchTemplateRef `json:"LaunchTemplateSpecification"`
		Overrides     []MixedOverride   `json:",omitempty"`
	} `json:"LaunchTemplate"`
	Distribution MixedDistribution `json:"InstancesDistribution"`
}

// MixedOverride is an instance type that the group may launch.
type MixedOverride struct {
	InstanceType string
}

// MixedDistribution is how much of a group is on-demand. Strategies have no effect:
// instance types are launched in turn.
type MixedDistribution struct {
	Base         int    `json:"OnDemandBaseCapacity"`
	Percent      *int   `json:"OnDemandPercentageAboveBaseCapacity,omitempty"` // nil: 100
	Strategy     string `json:"OnDemandAllocationStrategy,omitempty"`
	SpotStrategy string `json:"SpotAllocationStrategy,omitempty"`
	SpotPools    int    `json:"SpotInstancePools,omitempty"`
	MaxPrice     string `json:"SpotMaxPrice,omitempty"`
}

// Launches is the template that the group launches from.
func (g *Group) Launches() LaunchTemplateRef {
	if g.Mixed != nil {
		return g.Mixed.Template.Specification
	}
	return g.LaunchTemplate
}

// next is the type, and the market, of the group's next instance beside those that
// it has; an empty type is the template's.
func (m *MixedPolicy) next(members []*Instance) (typ string, spot bool) {
	if m == nil {
		return "", false
	}
	demanded := 0
	for _, i := range members {
		if i.Counts() && !i.Spot {
			demanded++
		}
	}
	if list := m.Template.Overrides; len(list) > 0 {
		typ = list[len(members)%len(list)].InstanceType
	}
	percent := 100
	if m.Distribution.Percent != nil {
		percent = *m.Distribution.Percent
	}
	above := len(members) + 1 - m.Distribution.Base
	want := m.Distribution.Base + (max(above, 0)*percent+99)/100
	return typ, demanded >= want
}

// check refuses a policy that makes no sense.
func (m *MixedPolicy) check() error {
	invalid := func(format string, args ...any) error { return Errorf(Invalid, "ValidationError", format, args...) }
	d := m.Distribution
	switch {
	case d.Percent != nil && (*d.Percent < 0 || *d.Percent > 100):
		return invalid("OnDemandPercentageAboveBaseCapacity must be between 0 and 100")
	case d.Base < 0:
		return invalid("OnDemandBaseCapacity must not be negative")
	}
	arch := ""
	for _, o := range m.Template.Overrides {
		t, ok := LookupType(o.InstanceType)
		if !ok {
			return invalid("You must use a valid fully-formed launch template. The instance type %s does not exist", o.InstanceType)
		}
		if arch != "" && t.Arch != arch {
			return invalid("Incompatible architectures: %s is %s", o.InstanceType, t.Arch)
		}
		arch = t.Arch
	}
	return nil
}

// Activity is one scaling activity.
type Activity struct {
	ID          string
	Instance    string
	Description string
	Cause       string
	Status      string // InProgress, Successful, Failed
	Message     string `json:",omitempty"`
	Start       time.Time
	End         time.Time `json:",omitzero"`
}

// keptActivities is how many a group remembers; AWS keeps six weeks.
const keptActivities = 100

// Processes that can be suspended.
var Processes = []string{"Launch", "Terminate", "HealthCheck", "ReplaceUnhealthy", "AZRebalance",
	"AlarmNotification", "ScheduledActions", "AddToLoadBalancer", "InstanceRefresh"}

// CreateGroup makes a group; package autoscaling then brings up its instances.
func (s *State) CreateGroup(g *Group, now time.Time) (string, error) {
	if g.Name == "" {
		g.Name = "asg-" + randomHex(12)
	}
	if _, ok := s.Groups[g.Name]; ok {
		return "", Errorf(Exists, "AlreadyExists", "AutoScalingGroup by this name already exists - A group with the name %s already exists", g.Name)
	}
	g.ARN = s.ARN("autoscaling", fmt.Sprintf("autoScalingGroup:%08x-0000-4000-8000-%012x:autoScalingGroupName/%s",
		hash(g.Name)>>32, now.UnixMicro()&0xffffffffffff, g.Name))
	if g.DesiredCapacity == nil {
		min := g.MinSize
		g.DesiredCapacity = &min
	}
	if g.Cooldown == 0 {
		g.Cooldown = 300
	}
	g.HealthCheckType = cmp.Or(g.HealthCheckType, "EC2")
	if len(g.TerminationPolicies) == 0 {
		g.TerminationPolicies = []string{"Default"}
	}
	g.Created = now
	if err := s.CheckGroup(g); err != nil {
		return "", err
	}
	if err := s.CheckSources(g, nil); err != nil {
		return "", err
	}
	s.Groups[g.Name] = g
	return g.Name, nil
}

// CheckGroup refuses a group that could not work.
func (s *State) CheckGroup(g *Group) error {
	invalid := func(format string, args ...any) error { return Errorf(Invalid, "ValidationError", format, args...) }
	switch desired := *g.DesiredCapacity; {
	case g.MinSize < 0 || g.MinSize > g.MaxSize:
		return invalid("Min bound, %d, must be between 0 and max bound, %d", int(g.MinSize), int(g.MaxSize))
	case desired < g.MinSize || desired > g.MaxSize:
		return invalid("Desired capacity:%d must be between the specified min size:%d and max size:%d",
			int(desired), int(g.MinSize), int(g.MaxSize))
	case g.LaunchTemplate.LaunchTemplateID != "" && g.LaunchTemplate.LaunchTemplateName != "":
		return invalid("Valid requests must contain either launchTemplateId or LaunchTemplateName")
	case !slices.Contains([]string{"", Unprotected, PreventForce, PreventAll}, g.DeletionProtection):
		return invalid("Invalid deletion protection: %s", g.DeletionProtection)
	case g.LifecyclePolicy != nil && !slices.Contains([]string{"", "retain", "terminate"}, g.LifecyclePolicy.RetentionTriggers.TerminateHookAbandon):
		return invalid("Invalid retention action: %s", g.LifecyclePolicy.RetentionTriggers.TerminateHookAbandon)
	case g.Mixed != nil && g.LaunchTemplate != (LaunchTemplateRef{}):
		return invalid("Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.")
	case len(g.Subnets) == 0:
		return invalid("At least one Availability Zone or VPC Subnet is required.")
	}
	if _, _, err := s.TemplateVersion(g.Launches()); err != nil {
		return err
	}
	if g.Mixed != nil {
		if err := g.Mixed.check(); err != nil {
			return err
		}
	}
	hooks := g.Hooks
	g.Hooks = nil
	for _, h := range hooks {
		if err := g.SetHook(h); err != nil {
			return err
		}
	}
	g.AvailabilityZones = nil
	for _, id := range g.Subnets {
		sub, ok := s.Subnets[id]
		if !ok {
			return invalid("The subnet ID '%s' does not exist", id)
		}
		if !slices.Contains(g.AvailabilityZones, sub.AvailabilityZone) {
			g.AvailabilityZones = append(g.AvailabilityZones, sub.AvailabilityZone)
		}
	}
	slices.Sort(g.AvailabilityZones)
	return nil
}

// Group finds a group, in the way Auto Scaling says that there is none.
func (s *State) Group(name string) (*Group, error) {
	if g, ok := s.Groups[name]; ok {
		return g, nil
	}
	return nil, Errorf(NotFound, "ValidationError", "AutoScalingGroup name not found - AutoScalingGroup: %s not found",
		name)
}

// Members are the instances of a group that are not terminated yet, oldest first.
func (s *State) Members(group string) []*Instance {
	var list []*Instance
	for _, i := range Sorted(s.Instances) {
		if i.Group == group && i.State != Terminated {
			list = append(list, i)
		}
	}
	slices.SortStableFunc(list, func(a, b *Instance) int { return a.Launched.Compare(b.Launched) })
	return list
}

// SetDesired changes the desired capacity within the group's bounds.
func (s *State) SetDesired(g *Group, n int) error {
	if n < int(g.MinSize) {
		return Errorf(Invalid, "ValidationError", "New SetDesiredCapacity value %d is below min value %d for the AutoScalingGroup.", n, int(g.MinSize))
	}
	if n > int(g.MaxSize) {
		return Errorf(Invalid, "ValidationError", "New SetDesiredCapacity value %d is above max value %d for the AutoScalingGroup.", n, int(g.MaxSize))
	}
	desired := Num(n)
	g.DesiredCapacity = &desired
	return nil
}

// Clamp moves the desired capacity to the bounds when these have moved past it.
func (g *Group) Clamp() {
	desired := min(max(*g.DesiredCapacity, g.MinSize), g.MaxSize)
	g.DesiredCapacity = &desired
}

// Levels of deletion protection.
const (
	Unprotected  = "none"
	PreventForce = "prevent-force-deletion"
	PreventAll   = "prevent-all-deletion"
)

// MayDelete refuses the delete of a group that is protected. One that retains
// instances is not deleted by force, even if it has none.
func (g *Group) MayDelete(force bool) error {
	switch {
	case g.DeletionProtection == PreventAll, force && g.DeletionProtection == PreventForce:
		return Errorf(Invalid, "ValidationError", "You cannot delete AutoScalingGroup %s: its deletion protection is %s", g.Name, g.DeletionProtection)
	case force && g.Retains():
		return Errorf(Invalid, "ValidationError", "You cannot force delete AutoScalingGroup %s: its instance lifecycle policy retains instances", g.Name)
	}
	return nil
}

// Drain begins the end of a group as CloudFormation does: its size becomes 0, and
// its hooks are asked. Package autoscaling removes it once it is empty.
func (s *State) Drain(g *Group) error {
	if err := g.MayDelete(false); err != nil {
		return err
	}
	zero := Num(0)
	g.Deleting, g.MinSize, g.MaxSize, g.DesiredCapacity = true, 0, 0, &zero
	return nil
}

// IsSuspended tells whether a process of the group is suspended.
func (g *Group) IsSuspended(process string) bool { return slices.Contains(g.Suspended, process) }

// Record remembers an activity.
func (g *Group) Record(a Activity) {
	g.Activities = slices.Insert(g.Activities, 0, a)
	if len(g.Activities) > keptActivities {
		g.Activities = g.Activities[:keptActivities]
	}
}

// cancel ends the activity of an instance that stays.
func (g *Group) cancel(instance string, now time.Time) {
	for k := range g.Activities {
		if a := &g.Activities[k]; a.Instance == instance && a.Status == "InProgress" {
			a.Status, a.End = "Cancelled", now
		}
	}
}

// Finish ends the activities in progress of an instance.
func (g *Group) Finish(instance string, now time.Time) {
	for k := range g.Activities {
		if a := &g.Activities[k]; a.Instance == instance && a.Status == "InProgress" {
			a.Status, a.End = "Successful", now
		}
	}
}
