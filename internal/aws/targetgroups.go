package aws

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"golang.org/x/sync/errgroup"

	"github.com/droverhq/drover/internal/handover"
)

const (
	// networkLag is for how long a Network Load Balancer opens connections to a
	// target after it was deregistered, whatever its state and its deregistration
	// delay: two minutes, time and again (aws/containers-roadmap#470,
	// kubernetes-sigs/aws-load-balancer-controller#2366), and one for what nobody
	// has measured. Nobody has measured a Gateway Load Balancer, which shifts flows
	// in the same way: it is given the same time.
	networkLag = 3 * time.Minute

	// applicationLag is for how long an Application Load Balancer sends requests to a
	// target after it was deregistered: 5 s were not enough in a trial, 25 s were
	// (kubernetes-sigs/aws-load-balancer-controller#1064).
	applicationLag = 30 * time.Second

	// listEvery is how old the list of load balancers and target groups may be,
	// settingsEvery how old their attributes.
	listEvery     = 10 * time.Second
	settingsEvery = 5 * time.Minute

	// perLook is how many target groups are asked in one look that were asked
	// before: with 500 of them an answer is 50 looks old at the most. abreast is
	// how many calls are under way at once.
	perLook = 10
	abreast = 8
)

// grouped are Application, Network and Gateway Load Balancers: what sends to
// targets there is a target group. No call finds the groups of an instance, so
// every group of the region is asked once, and from then on those alone that
// hold, or held, something of what is asked about, or that the cluster names.
type grouped struct {
	api *elasticloadbalancingv2.Client

	mu     sync.Mutex // held for a whole look: a second one waits, and finds fresh answers
	listed time.Time
	lbs    map[string]*balancer    // by ARN
	groups map[string]*targetGroup // by ARN
}

// balancer is a load balancer with the settings that a move needs.
type balancer struct {
	types.LoadBalancer
	read      time.Time // its attributes; zero: never
	crossZone bool
}

// targetGroup is a target group, what it said last, and its settings.
type targetGroup struct {
	types.TargetGroup
	asked    time.Time // zero: never
	gone     bool      // it was deleted since it was listed
	concerns bool      // it holds, or held, something of what was asked about
	targets  []handover.Target

	read      time.Time // its attributes; zero: never
	draining  time.Duration
	keeps     bool // connections, after it has drained
	slowStart time.Duration
	crossZone string // true, false or use_load_balancer_configuration
}

func newGrouped(api *elasticloadbalancingv2.Client) *grouped {
	return &grouped{api: api, lbs: map[string]*balancer{}, groups: map[string]*targetGroup{}}
}

func (g *grouped) Balancers(ctx context.Context, q handover.Inquiry) ([]handover.Balancer, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if q.All || time.Since(g.listed) >= listEvery {
		if err := g.list(ctx); err != nil {
			return nil, err
		}
	}
	if err := g.ask(ctx, q); err != nil {
		return nil, err
	}
	if err := g.settings(ctx); err != nil {
		return nil, err
	}
	return g.answer(), nil
}

// list brings the load balancers and target groups up to date.
func (g *grouped) list(ctx context.Context) error {
	lbs, groups := map[string]*balancer{}, map[string]*targetGroup{}
	pages := elasticloadbalancingv2.NewDescribeLoadBalancersPaginator(g.api, &elasticloadbalancingv2.DescribeLoadBalancersInput{PageSize: aws.Int32(400)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list the load balancers: %w", err)
		}
		for _, lb := range page.LoadBalancers {
			arn := aws.ToString(lb.LoadBalancerArn)
			lbs[arn] = &balancer{}
			if known := g.lbs[arn]; known != nil {
				lbs[arn] = known
			}
			lbs[arn].LoadBalancer = lb
		}
	}
	more := elasticloadbalancingv2.NewDescribeTargetGroupsPaginator(g.api, &elasticloadbalancingv2.DescribeTargetGroupsInput{PageSize: aws.Int32(400)})
	for more.HasMorePages() {
		page, err := more.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list the target groups: %w", err)
		}
		for _, tg := range page.TargetGroups {
			if holdsOf(tg.TargetType) == others {
				continue // no instance and no pod is ever in there
			}
			arn := aws.ToString(tg.TargetGroupArn)
			groups[arn] = &targetGroup{}
			if known := g.groups[arn]; known != nil {
				groups[arn] = known
			}
			groups[arn].TargetGroup = tg
		}
	}
	g.lbs, g.groups, g.listed = lbs, groups, time.Now()
	return nil
}

// ask brings the targets up to date of all groups that were never asked, and of
// those that matter, the oldest answers first.
func (g *grouped) ask(ctx context.Context, q handover.Inquiry) error {
	var due, again []*targetGroup
	for arn, tg := range g.groups {
		tg.concerns = tg.concerns || slices.Contains(q.Groups, arn) || slices.Contains(q.Known, tg.name(g.owner(tg))) || g.serves(tg, q.Hosts)
		switch {
		case tg.asked.IsZero() || q.All:
			due = append(due, tg)
		case tg.concerns:
			again = append(again, tg)
		}
	}
	slices.SortFunc(again, func(a, b *targetGroup) int { return a.asked.Compare(b.asked) })
	due = append(due, again[:min(perLook, len(again))]...)
	err := each(ctx, due, func(ctx context.Context, tg *targetGroup) error { return g.health(ctx, tg, q) })
	maps.DeleteFunc(g.groups, func(_ string, tg *targetGroup) bool { return tg.gone })
	return err
}

// serves: one of the hosts is a load balancer that sends to the group.
func (g *grouped) serves(tg *targetGroup, hosts []string) bool {
	lb := g.owner(tg)
	return lb != nil && slices.ContainsFunc(hosts, func(host string) bool { return strings.EqualFold(host, aws.ToString(lb.DNSName)) })
}

// owner is the load balancer that sends to the group; nil: none does.
func (g *grouped) owner(tg *targetGroup) *balancer {
	for _, arn := range tg.LoadBalancerArns {
		if lb := g.lbs[arn]; lb != nil {
			return lb
		}
	}
	return nil
}

// health asks one target group about its targets, those too that it drains.
func (g *grouped) health(ctx context.Context, tg *targetGroup, q handover.Inquiry) error {
	out, err := g.api.DescribeTargetHealth(ctx, &elasticloadbalancingv2.DescribeTargetHealthInput{TargetGroupArn: tg.TargetGroupArn})
	if isCode(err, "TargetGroupNotFound") {
		tg.gone = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the targets of %s: %w", aws.ToString(tg.TargetGroupName), err)
	}
	tg.asked, tg.targets = time.Now(), nil
	for _, d := range out.TargetHealthDescriptions {
		t, in := registered(tg, d)
		if !in {
			continue
		}
		tg.concerns = tg.concerns || slices.Contains(q.Instances, t.Instance) || slices.Contains(q.Addresses, t.Address)
		tg.add(t)
	}
	return nil
}

// holds is what the targets of a group are.
type holds int

const (
	others    holds = iota // load balancers, functions
	instances              // by their IDs
	addresses              // of pods
)

func holdsOf(typ types.TargetTypeEnum) holds {
	switch typ {
	case types.TargetTypeEnumInstance:
		return instances
	case types.TargetTypeEnumIp:
		return addresses
	case types.TargetTypeEnumLambda, types.TargetTypeEnumAlb:
	}
	return others
}

// registered reads a target's health in handover's words.
func registered(tg *targetGroup, d types.TargetHealthDescription) (t handover.Target, in bool) {
	if d.Target == nil || d.TargetHealth == nil {
		return t, false
	}
	t.State, t.Why = handover.OutOfService, aws.ToString(d.TargetHealth.Description)
	switch holdsOf(tg.TargetType) {
	case addresses:
		t.Address = aws.ToString(d.Target.Id)
	case instances:
		t.Instance = aws.ToString(d.Target.Id)
	case others:
		return t, false
	}
	switch d.TargetHealth.State {
	case types.TargetHealthStateEnumHealthy:
		t.State = handover.InService
	case types.TargetHealthStateEnumDraining:
		t.State = handover.Draining
	case types.TargetHealthStateEnumUnused:
		t.State = handover.Unused
		return t, d.TargetHealth.Reason != types.TargetHealthReasonEnumNotRegistered && d.TargetHealth.Reason != types.TargetHealthReasonEnumInvalidState
	case types.TargetHealthStateEnumInitial, types.TargetHealthStateEnumUnhealthy,
		types.TargetHealthStateEnumUnhealthyDraining, types.TargetHealthStateEnumUnavailable:
	}
	return t, true
}

// add keeps one target for each ID: it may be registered with several ports, and
// is only as healthy, and only as far gone, as the port that is least so.
func (tg *targetGroup) add(t handover.Target) {
	worst := []handover.TargetState{handover.OutOfService, handover.InService, handover.Draining, handover.Unused}
	for i, have := range tg.targets {
		if have.Instance != t.Instance || have.Address != t.Address {
			continue
		}
		if slices.Index(worst, t.State) < slices.Index(worst, have.State) {
			tg.targets[i] = t
		}
		return
	}
	tg.targets = append(tg.targets, t)
}

// deregister and register name no port, as Auto Scaling does: the group's own
// counts, and what others registered with another port is theirs.
func (g *grouped) deregister(ctx context.Context, arn, instance string) error {
	_, err := g.api.DeregisterTargets(ctx, &elasticloadbalancingv2.DeregisterTargetsInput{
		TargetGroupArn: &arn, Targets: []types.TargetDescription{{Id: &instance}}})
	return g.changed(err, "deregister instance %s from target group %s", instance, arn)
}

func (g *grouped) register(ctx context.Context, arn, instance string) error {
	_, err := g.api.RegisterTargets(ctx, &elasticloadbalancingv2.RegisterTargetsInput{
		TargetGroupArn: &arn, Targets: []types.TargetDescription{{Id: &instance}}})
	return g.changed(err, "register instance %s with target group %s", instance, arn)
}

// changed: an instance, or a target group, that is gone is no error.
func (g *grouped) changed(err error, format string, args ...any) error {
	if isCode(err, "InvalidTarget", "TargetGroupNotFound") {
		return nil
	}
	return about(err, format, args...)
}

// settings reads the attributes of groups that matter, and of their load balancers.
func (g *grouped) settings(ctx context.Context) error {
	var groups []*targetGroup
	lbs := map[string]*balancer{}
	for _, tg := range g.groups {
		if !tg.concerns {
			continue
		}
		if time.Since(tg.read) >= settingsEvery {
			groups = append(groups, tg)
		}
		if lb := g.owner(tg); lb != nil && lb.Type != types.LoadBalancerTypeEnumApplication && time.Since(lb.read) >= settingsEvery {
			lbs[aws.ToString(lb.LoadBalancerArn)] = lb
		}
	}
	if err := each(ctx, groups, g.readGroup); err != nil {
		return err
	}
	return each(ctx, slices.Collect(maps.Values(lbs)), g.readBalancer)
}

func (g *grouped) readGroup(ctx context.Context, tg *targetGroup) error {
	out, err := g.api.DescribeTargetGroupAttributes(ctx, &elasticloadbalancingv2.DescribeTargetGroupAttributesInput{TargetGroupArn: tg.TargetGroupArn})
	if isCode(err, "TargetGroupNotFound") {
		return nil // the next list misses it
	}
	if err != nil {
		return fmt.Errorf("read the attributes of %s: %w", aws.ToString(tg.TargetGroupName), err)
	}
	tg.draining, tg.keeps, tg.slowStart = 300*time.Second, false, 0 // AWS's defaults
	for _, a := range out.Attributes {
		switch aws.ToString(a.Key) {
		case "deregistration_delay.timeout_seconds":
			seconds, err := strconv.Atoi(aws.ToString(a.Value))
			if err != nil {
				return fmt.Errorf("read the deregistration delay of %s: %w", aws.ToString(tg.TargetGroupName), err)
			}
			tg.draining = time.Duration(seconds) * time.Second
		case "deregistration_delay.connection_termination.enabled": // of Network Load Balancers' groups only
			tg.keeps = aws.ToString(a.Value) == "false"
		case "slow_start.duration_seconds": // of Application Load Balancers' groups only
			seconds, err := strconv.Atoi(aws.ToString(a.Value))
			if err != nil {
				return fmt.Errorf("read the slow start of %s: %w", aws.ToString(tg.TargetGroupName), err)
			}
			tg.slowStart = time.Duration(seconds) * time.Second
		case "load_balancing.cross_zone.enabled":
			tg.crossZone = aws.ToString(a.Value)
		}
	}
	tg.read = time.Now()
	return nil
}

func (g *grouped) readBalancer(ctx context.Context, lb *balancer) error {
	out, err := g.api.DescribeLoadBalancerAttributes(ctx, &elasticloadbalancingv2.DescribeLoadBalancerAttributesInput{LoadBalancerArn: lb.LoadBalancerArn})
	if isCode(err, "LoadBalancerNotFound") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the attributes of load balancer %s: %w", aws.ToString(lb.LoadBalancerName), err)
	}
	lb.crossZone = false
	for _, a := range out.Attributes {
		if aws.ToString(a.Key) == "load_balancing.cross_zone.enabled" {
			lb.crossZone = aws.ToString(a.Value) == "true"
		}
	}
	lb.read = time.Now()
	return nil
}

// answer is what is known now: each group that matters, and the names of the
// load balancers that are left.
func (g *grouped) answer() []handover.Balancer {
	var all []handover.Balancer
	told := map[string]bool{}
	for _, arn := range slices.Sorted(maps.Keys(g.groups)) {
		if tg := g.groups[arn]; tg.concerns {
			lb := g.owner(tg)
			all = append(all, tg.balancer(lb))
			if lb != nil {
				told[aws.ToString(lb.LoadBalancerArn)] = true
			}
		}
	}
	for _, arn := range slices.Sorted(maps.Keys(g.lbs)) {
		if lb := g.lbs[arn]; !told[arn] {
			all = append(all, handover.Balancer{Name: aws.ToString(lb.LoadBalancerName), Host: aws.ToString(lb.DNSName)})
		}
	}
	return all
}

// name is what a hand-over calls the group; lb is nil if none sends to it.
func (tg *targetGroup) name(lb *balancer) string {
	name := aws.ToString(tg.TargetGroupName)
	if lb == nil {
		return name
	}
	return aws.ToString(lb.LoadBalancerName) + "/" + name
}

// balancer is the group as a hand-over sees it; lb is nil if none sends to it.
func (tg *targetGroup) balancer(lb *balancer) handover.Balancer {
	b := handover.Balancer{
		Name: tg.name(lb), Group: aws.ToString(tg.TargetGroupArn), ByAddress: holdsOf(tg.TargetType) == addresses,
		Draining: tg.draining, Keeps: tg.keeps, SlowStart: tg.slowStart, Health: healthTime(tg.HealthCheckIntervalSeconds, tg.HealthyThresholdCount), Targets: slices.SortedFunc(slices.Values(tg.targets), func(a, b handover.Target) int {
			return cmp.Or(strings.Compare(a.Instance, b.Instance), strings.Compare(a.Address, b.Address))
		}),
	}
	if holdsOf(tg.TargetType) == instances {
		b.Port = int(aws.ToInt32(tg.Port))
	}
	if lb == nil {
		return b
	}
	b.Host = aws.ToString(lb.DNSName)
	switch lb.Type {
	case types.LoadBalancerTypeEnumNetwork, types.LoadBalancerTypeEnumGateway:
		b.Lag = networkLag
		b.Zonal = tg.crossZone == "false" || tg.crossZone != "true" && !lb.crossZone
	case types.LoadBalancerTypeEnumApplication:
		b.Lag, b.Reuses = applicationLag, true
		b.Zonal = tg.crossZone == "false" // the load balancer itself always shares zones
	}
	return b
}

// healthTime is how long so many checks in a row take.
func healthTime(interval, threshold *int32) time.Duration {
	return time.Duration(aws.ToInt32(interval)*aws.ToInt32(threshold)) * time.Second
}

// each does the same for all, some at once, and returns the first error.
func each[T any](ctx context.Context, all []T, do func(context.Context, T) error) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(abreast)
	for _, one := range all {
		work.Go(func() error { return do(ctx, one) })
	}
	return work.Wait()
}
