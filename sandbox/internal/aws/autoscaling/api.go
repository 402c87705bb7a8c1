// Package autoscaling is the Auto Scaling API, and what acts on its groups:
// reconcile.go launches and terminates instances until a group has as many as
// it wants, in as many zones as it may.
package autoscaling

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// Namespace is the XML namespace of answers.
const Namespace = "http://autoscaling.amazonaws.com/doc/2011-01-01/"

// Service answers Auto Scaling requests.
type Service struct {
	store  *region.Store
	health Health
	now    func() time.Time
}

// New makes the service.
func New(store *region.Store, health Health, now func() time.Time) *Service {
	return &Service{store: store, health: health, now: now}
}

// Actions lists what is implemented, with what a request must say.
func (s *Service) Actions() map[string]wire.Action {
	return map[string]wire.Action{
		"CreateAutoScalingGroup":              wire.Must(s.createGroup, "AutoScalingGroupName", "MaxSize", "MinSize"),
		"DescribeAutoScalingGroups":           s.describeGroups,
		"DescribeAutoScalingInstances":        s.describeInstances,
		"DescribeScalingActivities":           s.describeActivities,
		"DescribeTags":                        s.describeTags,
		"CreateOrUpdateTags":                  wire.Must(s.createTags, "Tags"),
		"DeleteTags":                          wire.Must(s.deleteTags, "Tags"),
		"SetDesiredCapacity":                  wire.Must(s.setDesired, "AutoScalingGroupName", "DesiredCapacity"),
		"UpdateAutoScalingGroup":              wire.Must(s.updateGroup, "AutoScalingGroupName"),
		"DeleteAutoScalingGroup":              wire.Must(s.deleteGroup, "AutoScalingGroupName"),
		"TerminateInstanceInAutoScalingGroup": wire.Must(s.terminate, "ShouldDecrementDesiredCapacity"),
		"SetInstanceProtection":               wire.Must(s.protect, "AutoScalingGroupName", "InstanceIds", "ProtectedFromScaleIn"),
		"SetInstanceHealth":                   wire.Must(s.setHealth, "InstanceId", "HealthStatus"),
		"SuspendProcesses":                    wire.Must(s.suspend, "AutoScalingGroupName"),
		"ResumeProcesses":                     wire.Must(s.resume, "AutoScalingGroupName"),
		"DescribePolicies":                    s.emptyList("PolicyNames", "PolicyTypes"),
		"DescribeScheduledActions":            s.between(s.emptyList("ScheduledActionNames")),
		"DescribeWarmPool":                    wire.Must(s.emptyList(), "AutoScalingGroupName"),
		"DescribeInstanceRefreshes":           wire.Must(s.emptyList("InstanceRefreshIds"), "AutoScalingGroupName"),
		"DescribeLifecycleHooks":              wire.Must(s.describeHooks, "AutoScalingGroupName"),
		"PutLifecycleHook":                    wire.Must(s.putHook, "AutoScalingGroupName", "LifecycleHookName"),
		"DeleteLifecycleHook":                 wire.Must(s.deleteHook, "AutoScalingGroupName", "LifecycleHookName"),
		"CompleteLifecycleAction":             wire.Must(s.completeAction, "AutoScalingGroupName", "LifecycleHookName", "LifecycleActionResult"),
		"RecordLifecycleActionHeartbeat":      wire.Must(s.heartbeat, "AutoScalingGroupName", "LifecycleHookName"),
		"AttachLoadBalancerTargetGroups":      wire.Must(s.attachSources(targetGroups), "AutoScalingGroupName", "TargetGroupARNs"),
		"DetachLoadBalancerTargetGroups":      wire.Must(s.detachSources(targetGroups), "AutoScalingGroupName", "TargetGroupARNs"),
		"DescribeLoadBalancerTargetGroups":    wire.Must(s.describeTargetGroups, "AutoScalingGroupName"),
		"AttachLoadBalancers":                 wire.Must(s.attachSources(classics), "AutoScalingGroupName", "LoadBalancerNames"),
		"DetachLoadBalancers":                 wire.Must(s.detachSources(classics), "AutoScalingGroupName", "LoadBalancerNames"),
		"DescribeLoadBalancers":               wire.Must(s.describeBalancers, "AutoScalingGroupName"),
		"AttachTrafficSources":                wire.Must(s.attachSources(sources), "AutoScalingGroupName", "TrafficSources"),
		"DetachTrafficSources":                wire.Must(s.detachSources(sources), "AutoScalingGroupName", "TrafficSources"),
		"DescribeTrafficSources":              wire.Must(s.describeSources, "AutoScalingGroupName"),
	}
}

type templateItem struct {
	ID      string `xml:"LaunchTemplateId"`
	Name    string `xml:"LaunchTemplateName"`
	Version string
}

type tagItem struct {
	Key       string
	Value     string
	Propagate bool   `xml:"PropagateAtLaunch"`
	Resource  string `xml:"ResourceId"`
	Type      string `xml:"ResourceType"`
}

type instanceItem struct {
	ID        string        `xml:"InstanceId"`
	Group     string        `xml:"AutoScalingGroupName,omitempty"`
	Zone      string        `xml:"AvailabilityZone"`
	Lifecycle string        `xml:"LifecycleState"`
	Health    string        `xml:"HealthStatus"`
	Protected bool          `xml:"ProtectedFromScaleIn"`
	Type      string        `xml:"InstanceType"`
	Template  *templateItem `xml:"LaunchTemplate"`
}

type suspended struct {
	Name   string `xml:"ProcessName"`
	Reason string `xml:"SuspensionReason"`
}

type policyItem struct {
	Abandon string `xml:"RetentionTriggers>TerminateHookAbandon"`
}

type groupItem struct {
	Name       string         `xml:"AutoScalingGroupName"`
	ARN        string         `xml:"AutoScalingGroupARN"`
	Template   *templateItem  `xml:"LaunchTemplate"`
	Mixed      *mixedItem     `xml:"MixedInstancesPolicy"`
	Min        int            `xml:"MinSize"`
	Max        int            `xml:"MaxSize"`
	Desired    int            `xml:"DesiredCapacity"`
	Cooldown   int            `xml:"DefaultCooldown"`
	Zones      []string       `xml:"AvailabilityZones>member"`
	HealthType string         `xml:"HealthCheckType"`
	Grace      int            `xml:"HealthCheckGracePeriod"`
	Balancers  []string       `xml:"LoadBalancerNames>member"`
	Targets    []string       `xml:"TargetGroupARNs>member"`
	Sources    []sourceRef    `xml:"TrafficSources>member"`
	Instances  []instanceItem `xml:"Instances>member"`
	Created    string         `xml:"CreatedTime"`
	Suspended  []suspended    `xml:"SuspendedProcesses>member"`
	Subnets    string         `xml:"VPCZoneIdentifier"`
	Status     string         `xml:",omitempty"`
	Tags       []tagItem      `xml:"Tags>member"`
	Policies   []string       `xml:"TerminationPolicies>member"`
	ProtectNew bool           `xml:"NewInstancesProtectedFromScaleIn"`
	LinkedRole string         `xml:"ServiceLinkedRoleARN"`
	Protection string         `xml:"DeletionProtection"`
	Policy     *policyItem    `xml:"InstanceLifecyclePolicy"`
}

// mixedItem is how a group chooses what it launches.
type mixedItem struct {
	Template     templateItem      `xml:"LaunchTemplate>LaunchTemplateSpecification"`
	Overrides    []overrideItem    `xml:"LaunchTemplate>Overrides>member"`
	Distribution *distributionItem `xml:"InstancesDistribution"`
}

type overrideItem struct {
	Type string `xml:"InstanceType"`
}

type distributionItem struct {
	Strategy     string `xml:"OnDemandAllocationStrategy"`
	Base         int    `xml:"OnDemandBaseCapacity"`
	Percent      int    `xml:"OnDemandPercentageAboveBaseCapacity"`
	SpotStrategy string `xml:"SpotAllocationStrategy"`
}

func showMixed(m *region.MixedPolicy, template templateItem) *mixedItem {
	d := m.Distribution
	item := &mixedItem{Template: template, Distribution: &distributionItem{Strategy: cmp.Or(d.Strategy, "prioritized"), Base: d.Base, Percent: 100,
		SpotStrategy: cmp.Or(d.SpotStrategy, "lowest-price")}}
	if d.Percent != nil {
		item.Distribution.Percent = *d.Percent
	}
	for _, o := range m.Template.Overrides {
		item.Overrides = append(item.Overrides, overrideItem{o.InstanceType})
	}
	return item
}

// showTemplate names a template by both its names.
func showTemplate(st *region.State, ref region.LaunchTemplateRef) templateItem {
	item := templateItem{ref.LaunchTemplateID, ref.LaunchTemplateName, ref.Version}
	if t, _, err := st.TemplateVersion(ref); err == nil {
		item.ID, item.Name = t.LaunchTemplateID, t.LaunchTemplateName
	}
	return item
}

func showInstance(i *region.Instance, withGroup bool) instanceItem {
	item := instanceItem{ID: i.ID, Zone: i.Zone, Lifecycle: i.Lifecycle, Health: "Healthy", Protected: i.Protected,
		Type:     i.Type,
		Template: &templateItem{i.TemplateID, i.TemplateName, strconv.Itoa(i.TemplateVersion)}}
	if i.Unhealthy || !i.Alive() {
		item.Health = "Unhealthy"
	}
	if withGroup {
		item.Group = i.Group
		item.Health = strings.ToUpper(item.Health)
	}
	return item
}

func showTags(g *region.Group) []tagItem {
	items := make([]tagItem, len(g.Tags))
	for k, t := range g.Tags {
		items[k] = tagItem{t.Key, t.Value, t.Propagate != nil && *t.Propagate, g.Name, "auto-scaling-group"}
	}
	return items
}

func showGroup(st *region.State, g *region.Group) groupItem {
	item := groupItem{Name: g.Name, ARN: g.ARN, Min: int(g.MinSize), Max: int(g.MaxSize),
		Desired:  int(*g.DesiredCapacity),
		Cooldown: int(g.Cooldown), Zones: g.AvailabilityZones, HealthType: g.HealthCheckType,
		Grace:   g.HealthCheckGracePeriod,
		Created: wire.Stamp(g.Created), Subnets: strings.Join(g.Subnets, ","), Tags: showTags(g),
		Policies:   g.TerminationPolicies,
		ProtectNew: g.ProtectNew,
		Protection: cmp.Or(g.DeletionProtection, region.Unprotected),
		LinkedRole: "arn:aws:iam::" + region.Account + ":role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"}
	template := showTemplate(st, g.Launches())
	if item.Template = &template; g.Mixed != nil {
		item.Template, item.Mixed = nil, showMixed(g.Mixed, template)
	}
	for _, i := range st.Members(g.Name) {
		item.Instances = append(item.Instances, showInstance(i, false))
	}
	for _, t := range g.Sources() {
		item.Sources = append(item.Sources, sourceRef(t))
		if t.Type == region.ClassicSource {
			item.Balancers = append(item.Balancers, t.Identifier)
		} else {
			item.Targets = append(item.Targets, t.Identifier)
		}
	}
	for _, p := range g.Suspended {
		item.Suspended = append(item.Suspended, suspended{p, "User suspended"})
	}
	if g.LifecyclePolicy != nil {
		item.Policy = &policyItem{g.LifecyclePolicy.RetentionTriggers.TerminateHookAbandon}
	}
	if g.Forced {
		item.Status = "Delete in progress"
	}
	return item
}

// pages are those of most Describe calls of this API.
var pages = wire.Paging{Least: 1, Most: 100, Default: 50, BadSize: "ValidationError", BadToken: "InvalidNextToken"}

func page[T any](f wire.Form, list []T) ([]T, string, error) {
	return wire.Page(pages, list, f.Get("NextToken"), f.Get("MaxRecords"))
}

func (s *Service) describeGroups(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Groups []groupItem `xml:"AutoScalingGroups>member"`
		Next   string      `xml:"NextToken,omitempty"`
	}
	names := f.List("AutoScalingGroupNames")
	if err := checkFilters(f, "tag-key", "tag-value"); err != nil {
		return nil, err
	}
	s.store.View(func(st *region.State) {
		for _, g := range region.Sorted(st.Groups) {
			if (len(names) == 0 || slices.Contains(names, g.Name)) && tagged(f, g) {
				out.Groups = append(out.Groups, showGroup(st, g))
			}
		}
	})
	var err error
	out.Groups, out.Next, err = page(f, out.Groups)
	return out, err
}

// tagged tells whether a group passes the filters tag-key, tag-value and tag:KEY.
func tagged(f wire.Form, g *region.Group) bool {
	for _, filter := range f.Each("Filters") {
		values := filter.List("Values")
		key, byKey := strings.CutPrefix(filter.Get("Name"), "tag:")
		hit := slices.ContainsFunc(g.Tags, func(t region.Tag) bool {
			switch filter.Get("Name") {
			case "tag-key":
				return slices.Contains(values, t.Key)
			case "tag-value":
				return slices.Contains(values, t.Value)
			}
			return byKey && t.Key == key && slices.Contains(values, t.Value)
		})
		if !hit {
			return false
		}
	}
	return true
}

// checkFilters refuses filters that a call does not have.
func checkFilters(f wire.Form, known ...string) error {
	for _, filter := range f.Each("Filters") {
		name := filter.Get("Name")
		if !slices.Contains(known, name) && (known[0] != "tag-key" || !strings.HasPrefix(name, "tag:")) {
			return invalid("Filter type %s is not correct. Allowed Filter types are: %s", name, strings.Join(known, " "))
		}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return region.Errorf(region.Invalid, "ValidationError", format, args...)
}

// emptyList answers reads of what the sandbox cannot make: policies, schedules, warm
// pools and refreshes. It is as strict as if there were some: about the group that a
// request names, about pages, and about what nobody reads. Filters may be given and
// change nothing: there is nothing to choose from.
func (s *Service) emptyList(filters ...string) wire.Action {
	return func(_ *http.Request, f wire.Form) (any, error) {
		name := f.Get("AutoScalingGroupName")
		f.Ignore(filters...)
		_, _, err := page(f, []string(nil))
		if err == nil {
			err = f.AllRead()
		}
		if err == nil && name != "" {
			err = s.store.Read(func(st *region.State) error {
				_, err := st.Group(name)
				return err
			})
		}
		return struct{}{}, err
	}
}

// between has a read choose by time among what there is.
func (s *Service) between(read wire.Action) wire.Action {
	return func(r *http.Request, f wire.Form) (any, error) {
		f.Time("StartTime")
		f.Time("EndTime")
		return read(r, f)
	}
}

func (s *Service) describeInstances(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Instances []instanceItem `xml:"AutoScalingInstances>member"`
		Next      string         `xml:"NextToken,omitempty"`
	}
	ids := f.List("InstanceIds")
	s.store.View(func(st *region.State) {
		for _, i := range region.Sorted(st.Instances) {
			if i.Group != "" && i.State != region.Terminated && (len(ids) == 0 || slices.Contains(ids, i.ID)) {
				out.Instances = append(out.Instances, showInstance(i, true))
			}
		}
	})
	var err error
	out.Instances, out.Next, err = page(f, out.Instances)
	return out, err
}

// activityItem is a scaling activity in XML.
type activityItem struct {
	ID          string `xml:"ActivityId"`
	Group       string `xml:"AutoScalingGroupName"`
	Description string
	Cause       string
	Start       string `xml:"StartTime"`
	End         string `xml:"EndTime,omitempty"`
	Status      string `xml:"StatusCode"`
	Message     string `xml:"StatusMessage,omitempty"`
	Progress    int
	Details     string
}

func showActivity(g *region.Group, a region.Activity) activityItem {
	item := activityItem{ID: a.ID, Group: g.Name, Description: a.Description, Cause: a.Cause, Start: wire.Stamp(a.Start),
		Status:  a.Status,
		Message: a.Message, Progress: 50, Details: "{}"}
	if !a.End.IsZero() {
		item.End, item.Progress = wire.Stamp(a.End), 100
	}
	return item
}

func (s *Service) describeActivities(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Activities []activityItem `xml:"Activities>member"`
		Next       string         `xml:"NextToken,omitempty"`
	}
	name, ids := f.Get("AutoScalingGroupName"), f.List("ActivityIds")
	s.store.View(func(st *region.State) {
		for _, g := range region.Sorted(st.Groups) {
			for _, a := range g.Activities {
				if (name == "" || name == g.Name) && (len(ids) == 0 || slices.Contains(ids, a.ID)) {
					out.Activities = append(out.Activities, showActivity(g, a))
				}
			}
		}
	})
	var err error
	out.Activities, out.Next, err = page(f, out.Activities)
	return out, err
}

func (s *Service) describeTags(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Tags []tagItem `xml:"Tags>member"`
		Next string    `xml:"NextToken,omitempty"`
	}
	if err := checkFilters(f, "auto-scaling-group", "key", "value", "propagate-at-launch"); err != nil {
		return nil, err
	}
	s.store.View(func(st *region.State) {
		for _, g := range region.Sorted(st.Groups) {
			for _, t := range showTags(g) {
				if tagPasses(f, t) {
					out.Tags = append(out.Tags, t)
				}
			}
		}
	})
	var err error
	out.Tags, out.Next, err = page(f, out.Tags)
	return out, err
}

func tagPasses(f wire.Form, t tagItem) bool {
	for _, filter := range f.Each("Filters") {
		value := map[string]string{"auto-scaling-group": t.Resource, "key": t.Key, "value": t.Value,
			"propagate-at-launch": strconv.FormatBool(t.Propagate)}[filter.Get("Name")]
		if !slices.Contains(filter.List("Values"), value) {
			return false
		}
	}
	return true
}

func (s *Service) createTags(_ *http.Request, f wire.Form) (any, error) {
	return s.eachTag(f, func(g *region.Group, t wire.Form) {
		propagate := t.Bool("PropagateAtLaunch")
		g.Tags.Set(region.Tag{Key: t.Get("Key"), Value: t.Get("Value"), Propagate: &propagate})
	})
}

func (s *Service) deleteTags(_ *http.Request, f wire.Form) (any, error) {
	return s.eachTag(f, func(g *region.Group, t wire.Form) {
		t.Ignore("Value", "PropagateAtLaunch") // the key is enough
		g.Tags.Remove(t.Get("Key"), nil)
	})
}

func (s *Service) eachTag(f wire.Form, change func(*region.Group, wire.Form)) (any, error) {
	return nil, s.store.Update(f.Whole(func(st *region.State) error {
		for _, t := range f.Each("Tags") {
			if kind := t.Get("ResourceType"); kind != "" && kind != "auto-scaling-group" {
				return invalid("ResourceType %s is not valid", kind)
			}
			g, err := st.Group(t.Get("ResourceId"))
			if err != nil {
				return err
			}
			change(g, t)
		}
		return nil
	}))
}

// withGroup changes the group that the request names.
func (s *Service) withGroup(f wire.Form, change func(*region.State, *region.Group) error) (any, error) {
	return nil, s.store.Update(f.Whole(func(st *region.State) error {
		g, err := st.Group(f.Get("AutoScalingGroupName"))
		if err != nil {
			return err
		}
		if g.Forced {
			return region.Errorf(region.Invalid, "ValidationError", "AutoScalingGroup %s is pending delete", g.Name)
		}
		return change(st, g)
	}))
}

func (s *Service) setDesired(_ *http.Request, f wire.Form) (any, error) {
	return s.withGroup(f, func(st *region.State, g *region.Group) error {
		n := f.Int("DesiredCapacity")
		f.Ignore("HonorCooldown") // nothing in the sandbox begins one
		if n == nil {
			return f.AllRead() // it is no number
		}
		return st.SetDesired(g, *n)
	})
}

func (s *Service) deleteGroup(_ *http.Request, f wire.Form) (any, error) {
	return s.withGroup(f, func(st *region.State, g *region.Group) error {
		members, force := st.Members(g.Name), f.Bool("ForceDelete")
		if err := g.MayDelete(force); err != nil {
			return err
		}
		switch {
		case force:
			g.Forced = true
			return st.Drain(g)
		case len(members) == 0:
			delete(st.Groups, g.Name)
			return nil
		case slices.ContainsFunc(members, (*region.Instance).Alive):
			return region.Errorf(region.Dependency, "ResourceInUse",
				"You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.")
		}
		return region.Errorf(region.Busy, "ScalingActivityInProgress",
			"You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.")
	})
}

// terminate ends named instances, decrementing the desired capacity or having
// them replaced. Which answer it gives depends on how they were named.
func (s *Service) terminate(_ *http.Request, f wire.Form) (any, error) {
	ids := f.List("InstanceIds")
	many := len(ids) > 0
	if !many {
		if ids = []string{f.Get("InstanceId")}; ids[0] == "" {
			return nil, wire.Missing("InstanceId")
		}
	}
	decrement := f.Bool("ShouldDecrementDesiredCapacity")
	var items []activityItem
	err := s.store.Update(f.Whole(func(st *region.State) error {
		for _, id := range ids {
			a, err := s.terminateOne(st, id, f.Get("AutoScalingGroupName"), decrement)
			if err != nil {
				return err
			}
			items = append(items, a)
		}
		return nil
	}))
	if err != nil {
		return nil, err
	}
	if many {
		return struct {
			Activities []activityItem `xml:"Activities>member"`
		}{items}, nil
	}
	return struct{ Activity activityItem }{items[0]}, nil
}

func (s *Service) terminateOne(st *region.State, id, group string, decrement bool) (activityItem, error) {
	i, ok := st.Instances[id]
	if !ok || i.Group == "" || i.State == region.Terminated || group != "" && i.Group != group {
		return activityItem{}, region.Errorf(region.Invalid, "ValidationError",
			"Instance Id not found - No managed instance found for instance ID: %s", id)
	}
	g := st.Groups[i.Group]
	retained := i.Lifecycle == region.Retained
	if retained && decrement {
		return activityItem{}, region.Errorf(region.Invalid, "ValidationError",
			"You cannot decrement the desired capacity when terminating the retained instance %s", id)
	}
	if !i.Counts() && !retained {
		return activityItem{}, region.Errorf(region.Busy, "ScalingActivityInProgress",
			"Instance %s is already being terminated", id)
	}
	if decrement {
		if *g.DesiredCapacity-1 < g.MinSize {
			return activityItem{}, region.Errorf(region.Invalid, "ValidationError",
				"Currently, desiredSize equals minSize (%d). "+
					"Terminating instance without replacement will violate group's min size constraint. "+
					"Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.", int(g.MinSize))
		}
		desired := *g.DesiredCapacity - 1
		g.DesiredCapacity = &desired
	}
	a := st.EndMember(g, i, region.Stamp(s.now()), "an instance was taken out of service in response to a user request")
	return showActivity(g, a), nil
}

// protectAtMost is how many instances one SetInstanceProtection may name.
const protectAtMost = 50

func (s *Service) protect(_ *http.Request, f wire.Form) (any, error) {
	return s.withGroup(f, func(st *region.State, g *region.Group) error {
		ids := f.List("InstanceIds")
		if len(ids) > protectAtMost {
			return region.Errorf(region.Invalid, "ValidationError", "The number of instance ids must not exceed %d", protectAtMost)
		}
		for _, id := range ids {
			i, ok := st.Instances[id]
			if !ok || i.Group != g.Name {
				return region.Errorf(region.Invalid, "ValidationError",
					"The instance %s is not part of Auto Scaling group %s.", id, g.Name)
			}
			if !i.Counts() || i.Lifecycle != "InService" {
				return region.Errorf(region.Invalid, "ValidationError",
					"The instance %s is not in InService or EnteringStandby or Standby.", id)
			}
			i.Protected = f.Bool("ProtectedFromScaleIn")
		}
		return nil
	})
}

func (s *Service) setHealth(_ *http.Request, f wire.Form) (any, error) {
	return nil, s.store.Update(f.Whole(func(st *region.State) error {
		i, ok := st.Instances[f.Get("InstanceId")]
		if !ok || i.Group == "" || !i.Counts() {
			return region.Errorf(region.Invalid, "ValidationError",
				"Instance Id not found - No managed instance found for instance ID: %s", f.Get("InstanceId"))
		}
		f.Ignore("ShouldRespectGracePeriod") // the sandbox gives none
		i.Unhealthy = f.Word("HealthStatus", "Healthy", "Unhealthy") == "Unhealthy"
		return nil
	}))
}

func (s *Service) suspend(_ *http.Request, f wire.Form) (any, error) {
	return s.withGroup(f, func(_ *region.State, g *region.Group) error {
		for _, p := range processes(f) {
			if !slices.Contains(region.Processes, p) {
				return region.Errorf(region.Invalid, "ValidationError", "Invalid process: %s", p)
			}
			if !g.IsSuspended(p) {
				g.Suspended = append(g.Suspended, p)
			}
		}
		return nil
	})
}

func (s *Service) resume(_ *http.Request, f wire.Form) (any, error) {
	return s.withGroup(f, func(_ *region.State, g *region.Group) error {
		list := processes(f)
		g.Suspended = slices.DeleteFunc(g.Suspended, func(p string) bool { return slices.Contains(list, p) })
		return nil
	})
}

// processes are those a request names; none means all.
func processes(f wire.Form) []string {
	if list := f.List("ScalingProcesses"); len(list) > 0 {
		return list
	}
	return region.Processes
}
