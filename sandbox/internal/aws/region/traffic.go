package region

import (
	"slices"
	"strings"
	"time"
)

// What an Auto Scaling group registers its instances with. Package autoscaling
// brings it about: it compares what a group is attached to with what each of its
// instances has been registered with.

// Types of traffic sources.
const (
	ClassicSource = "elb"   // identified by the load balancer's name
	TargetSource  = "elbv2" // identified by the target group's ARN
)

// TrafficSource is a target group or a Classic Load Balancer that a group is attached to.
type TrafficSource struct {
	Identifier string
	Type       string `json:",omitempty"` // elb, elbv2; empty: by the identifier
}

// Kind is the source's type. Only target groups may leave it out.
func (t TrafficSource) Kind() string {
	if t.Type == "" && strings.HasPrefix(t.Identifier, "arn:") {
		return TargetSource
	}
	return t.Type
}

// Sources are what the group is attached to, whichever property says so, each once.
func (g *Group) Sources() []TrafficSource {
	var all []TrafficSource
	add := func(t TrafficSource) {
		if !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	for _, arn := range g.TargetGroupARNs {
		add(TrafficSource{arn, TargetSource})
	}
	for _, name := range g.LoadBalancerNames {
		add(TrafficSource{name, ClassicSource})
	}
	for _, t := range g.TrafficSources {
		add(TrafficSource{t.Identifier, t.Kind()})
	}
	return all
}

// Attach adds a source that CheckSource has let pass.
func (g *Group) Attach(t TrafficSource) {
	switch {
	case slices.Contains(g.Sources(), t):
	case t.Type == ClassicSource:
		g.LoadBalancerNames = append(g.LoadBalancerNames, t.Identifier)
	default:
		g.TargetGroupARNs = append(g.TargetGroupARNs, t.Identifier)
	}
}

// Detach takes a source out.
func (g *Group) Detach(t TrafficSource) {
	is := func(id string) bool { return id == t.Identifier }
	if t.Type == ClassicSource {
		g.LoadBalancerNames = slices.DeleteFunc(g.LoadBalancerNames, is)
	} else {
		g.TargetGroupARNs = slices.DeleteFunc(g.TargetGroupARNs, is)
	}
	g.TrafficSources = slices.DeleteFunc(g.TrafficSources, func(o TrafficSource) bool { return is(o.Identifier) && o.Kind() == t.Type })
}

// CheckSource refuses a source that instances of the group could not be registered with.
func (s *State) CheckSource(g *Group, t TrafficSource) error {
	invalid := func(format string, args ...any) error { return Errorf(Invalid, "ValidationError", format, args...) }
	vpc := ""
	switch t.Kind() {
	case ClassicSource:
		lb, ok := s.LoadBalancers[t.Identifier]
		if !ok {
			return invalid("Provided Load Balancers may not be valid. Please ensure they exist and try again.")
		}
		vpc = lb.VpcID
	case TargetSource:
		tg, ok := s.TargetGroups[t.Identifier]
		if !ok {
			return invalid("Provided Target Groups may not be valid. Please ensure they exist and try again.")
		}
		if tg.Type != "instance" {
			return invalid("Provided Target Groups may not be valid: the targets of %s are of type %s, not instance", tg.ARN, tg.Type)
		}
		vpc = tg.VpcID
	default:
		return invalid("Provided Traffic Source type '%s' is not valid. Valid types of the sandbox: elb, elbv2", t.Type)
	}
	if sub := s.Subnets[g.Subnets[0]]; sub != nil && sub.VpcID != vpc {
		return invalid("%s is in VPC %s, the Auto Scaling group in %s", t.Identifier, vpc, sub.VpcID)
	}
	return nil
}

// CheckSources checks those that the group was not attached to before.
func (s *State) CheckSources(g *Group, before []TrafficSource) error {
	for _, t := range g.Sources() {
		if slices.Contains(before, t) {
			continue
		}
		if err := s.CheckSource(g, t); err != nil {
			return err
		}
	}
	return nil
}

// Unjoined are the sources that an instance in service has yet to be registered with.
func (g *Group) Unjoined(i *Instance) []TrafficSource {
	if i.Lifecycle != "InService" || g.IsSuspended("AddToLoadBalancer") {
		return nil
	}
	return slices.DeleteFunc(g.Sources(), func(t TrafficSource) bool { return slices.Contains(i.Joined, t) || slices.Contains(i.Apart, t) })
}

// Parting are the sources that an instance is to be taken out of: all of them if its
// group is about to end it, else those that the group was detached from. What somebody
// else has switched off stays, and fails its checks.
func (g *Group) Parting(i *Instance) []TrafficSource {
	stay := g.Sources()
	if i.Undrained() {
		stay = nil
	}
	return slices.DeleteFunc(slices.Clone(i.Joined), func(t TrafficSource) bool { return slices.Contains(stay, t) })
}

// Join registers an instance with a source. Now is the time that load balancers live by.
func (s *State) Join(i *Instance, t TrafficSource, now time.Time) {
	if lb := s.LoadBalancers[t.Identifier]; t.Type == ClassicSource && lb != nil {
		lb.Register(i.ID, now)
	}
	if g := s.TargetGroups[t.Identifier]; t.Type == TargetSource && g != nil {
		g.Register(i.ID, g.Port, now)
	}
	i.Joined = append(i.Joined, t)
}

// Part takes an instance out of a source, and forgets that it was in once it is
// drained. What is asked again changes nothing.
func (s *State) Part(i *Instance, t TrafficSource, now time.Time) {
	if s.Drained(i, t, now) {
		i.Joined = slices.DeleteFunc(i.Joined, func(o TrafficSource) bool { return o == t })
		return
	}
	if t.Type == ClassicSource {
		s.LoadBalancers[t.Identifier].Deregister(i.ID, now)
	} else {
		s.TargetGroups[t.Identifier].Deregister(i.ID, 0, now)
	}
}

// Drained: a source does not know the instance (any more).
func (s *State) Drained(i *Instance, t TrafficSource, now time.Time) bool {
	if t.Type == ClassicSource {
		lb := s.LoadBalancers[t.Identifier]
		return lb == nil || lb.Find(i.ID) == nil
	}
	g := s.TargetGroups[t.Identifier]
	return g == nil || !slices.ContainsFunc(g.Targets, func(o GroupTarget) bool { return o.ID == i.ID && !o.Left(now) })
}

// Parted: a source that exists does not send to the instance, or has been told to end.
func (s *State) Parted(i *Instance, t TrafficSource) bool {
	if t.Type == ClassicSource {
		r := s.LoadBalancers[t.Identifier].Find(i.ID)
		return r == nil || !r.Leaving.IsZero()
	}
	return !slices.ContainsFunc(s.TargetGroups[t.Identifier].Targets, func(o GroupTarget) bool { return o.ID == i.ID && o.Leaving.IsZero() })
}

// Has tells whether a source exists (still).
func (s *State) Has(t TrafficSource) bool {
	return s.LoadBalancers[t.Identifier] != nil || s.TargetGroups[t.Identifier] != nil
}
