package autoscaling

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// Load balancers that a group registers its instances with, once they are in service,
// and takes them out of again before they end.

// Health tells how an instance is behind a target group or a Classic Load Balancer:
// whether it is in service there, and whether it has been checked at all.
type Health func(st *region.State, t region.TrafficSource, i *region.Instance) (inService, checked bool)

// sourcesAtOnce is how many sources one request may name.
const sourcesAtOnce = 10

// States of an attachment. One that is Removed is not shown any more.
const (
	adding    = "Adding"    // instances are being registered
	added     = "Added"     // all of them are
	inService = "InService" // … and one has passed its checks
	removing  = "Removing"  // instances are being deregistered, and drain
)

type sourceRef struct {
	Identifier string
	Type       string
}

// targetGroups are those that a request names.
func targetGroups(f wire.Form) []region.TrafficSource {
	return typed(f.List("TargetGroupARNs"), region.TargetSource)
}

// classics are the Classic Load Balancers that a request names.
func classics(f wire.Form) []region.TrafficSource {
	return typed(f.List("LoadBalancerNames"), region.ClassicSource)
}

func typed(ids []string, kind string) (list []region.TrafficSource) {
	for _, id := range ids {
		list = append(list, region.TrafficSource{Identifier: id, Type: kind})
	}
	return list
}

// sources are those that a request names, of any type.
func sources(f wire.Form) (list []region.TrafficSource) {
	for _, each := range f.Each("TrafficSources") {
		t := region.TrafficSource{Identifier: each.Get("Identifier"), Type: each.Get("Type")}
		list = append(list, region.TrafficSource{Identifier: t.Identifier, Type: t.Kind()})
	}
	return list
}

// attachSources attaches the group to sources, and detachSources lets it go of some;
// the Scaler does what follows.
func (s *Service) attachSources(of func(wire.Form) []region.TrafficSource) wire.Action {
	return s.changeSources(of, func(st *region.State, g *region.Group, t region.TrafficSource) error {
		if err := st.CheckSource(g, t); err != nil {
			return err
		}
		g.Attach(t)
		return nil
	})
}

func (s *Service) detachSources(of func(wire.Form) []region.TrafficSource) wire.Action {
	return s.changeSources(of, func(_ *region.State, g *region.Group, t region.TrafficSource) error {
		if !slices.Contains(g.Sources(), t) {
			return invalid("Trying to remove %s that are not part of the group: %s",
				map[string]string{region.TargetSource: "Target Groups", region.ClassicSource: "Load Balancers"}[t.Type], t.Identifier)
		}
		g.Detach(t)
		return nil
	})
}

func (s *Service) changeSources(of func(wire.Form) []region.TrafficSource, change func(*region.State, *region.Group, region.TrafficSource) error) wire.Action {
	return func(_ *http.Request, f wire.Form) (any, error) {
		return s.withGroup(f, func(st *region.State, g *region.Group) error {
			f.Ignore("SkipZonalShiftValidation") // there are no zonal shifts
			list := of(f)
			if len(list) == 0 || len(list) > sourcesAtOnce {
				return invalid("The request must name 1 to %d load balancers, target groups or traffic sources", sourcesAtOnce)
			}
			for _, t := range list {
				if err := change(st, g, t); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// attachment is a source and how far the group has come with it.
type attachment struct {
	region.TrafficSource
	State string
}

// attachments of the group that the request names: of one type, or of all.
func (s *Service) attachments(f wire.Form, kind string) (list []attachment, err error) {
	err = s.store.Read(func(st *region.State) error {
		g, err := st.Group(f.Get("AutoScalingGroupName"))
		if err != nil {
			return err
		}
		members := st.Members(g.Name)
		all := g.Sources()
		for _, i := range members {
			for _, t := range i.Joined {
				if !slices.Contains(all, t) {
					all = append(all, t)
				}
			}
		}
		for _, t := range all {
			if kind == "" || kind == t.Type {
				list = append(list, attachment{t, s.stateOf(st, g, members, t)})
			}
		}
		return nil
	})
	return list, err
}

func (s *Service) stateOf(st *region.State, g *region.Group, members []*region.Instance, t region.TrafficSource) string {
	if !slices.Contains(g.Sources(), t) {
		return removing
	}
	state := added
	for _, i := range members {
		if slices.Contains(g.Unjoined(i), t) {
			return adding
		}
		if serves, _ := s.health(st, t, i); serves && i.Lifecycle == "InService" && slices.Contains(i.Joined, t) {
			state = inService
		}
	}
	return state
}

func (s *Service) describeTargetGroups(_ *http.Request, f wire.Form) (any, error) {
	type item struct {
		ARN   string `xml:"LoadBalancerTargetGroupARN"`
		State string
	}
	var out struct {
		Groups []item `xml:"LoadBalancerTargetGroups>member"`
		Next   string `xml:"NextToken,omitempty"`
	}
	list, err := s.attachments(f, region.TargetSource)
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		out.Groups = append(out.Groups, item{a.Identifier, a.State})
	}
	out.Groups, out.Next, err = page(f, out.Groups)
	return out, cmp.Or(err, f.AllRead())
}

func (s *Service) describeBalancers(_ *http.Request, f wire.Form) (any, error) {
	type item struct {
		Name  string `xml:"LoadBalancerName"`
		State string
	}
	var out struct {
		Balancers []item `xml:"LoadBalancers>member"`
		Next      string `xml:"NextToken,omitempty"`
	}
	list, err := s.attachments(f, region.ClassicSource)
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		out.Balancers = append(out.Balancers, item{a.Identifier, a.State})
	}
	out.Balancers, out.Next, err = page(f, out.Balancers)
	return out, cmp.Or(err, f.AllRead())
}

func (s *Service) describeSources(_ *http.Request, f wire.Form) (any, error) {
	type item struct {
		Identifier string
		State      string
		Source     string `xml:"TrafficSource"` // the identifier's former name
		Type       string
	}
	var out struct {
		Sources []item `xml:"TrafficSources>member"`
		Next    string `xml:"NextToken,omitempty"`
	}
	kind := f.Get("TrafficSourceType")
	if !slices.Contains([]string{"", region.ClassicSource, region.TargetSource, "vpc-lattice"}, kind) {
		return nil, invalid("Provided Traffic Source type '%s' is not valid", kind)
	}
	list, err := s.attachments(f, kind)
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		out.Sources = append(out.Sources, item{a.Identifier, a.State, a.Identifier, a.Type})
	}
	out.Sources, out.Next, err = page(f, out.Sources)
	return out, cmp.Or(err, f.AllRead())
}

// crosses tells whether an instance has to be registered, or taken out, or may go.
func (s *Scaler) crosses(st *region.State, g *region.Group, i *region.Instance) bool {
	for _, t := range g.Parting(i) {
		if st.Drained(i, t, s.here()) || !st.Parted(i, t) {
			return true
		}
	}
	return len(g.Unjoined(i)) > 0 || i.Undrained() && (g.Forced || len(i.Joined) == 0)
}

// traffic registers instances that are in service, takes out those that shall end or
// whose group was detached, and lets go of those that nobody has any more.
func (s *Scaler) traffic(st *region.State, g *region.Group, now time.Time) {
	here := region.Stamp(s.here())
	for _, i := range st.Members(g.Name) {
		for _, t := range g.Unjoined(i) {
			st.Join(i, t, here)
		}
		for _, t := range g.Parting(i) {
			st.Part(i, t, here)
		}
		if i.Undrained() && (g.Forced || len(i.Joined) == 0) {
			st.LetGo(g, i, now)
		}
		i.Unhealthy = i.Unhealthy || s.ails(st, g, i)
	}
}

// ails: the group goes by what its load balancers say of an instance, and one of them
// finds it unfit, or has lost it by somebody else's doing.
func (s *Scaler) ails(st *region.State, g *region.Group, i *region.Instance) bool {
	grace := time.Duration(g.HealthCheckGracePeriod) * time.Second
	if !strings.Contains(g.HealthCheckType, "ELB") || g.IsSuspended("HealthCheck") || i.Unhealthy || i.Lifecycle != "InService" ||
		s.now().Before(i.Served.Add(grace)) {
		return false
	}
	return slices.ContainsFunc(g.Sources(), func(t region.TrafficSource) bool {
		if !slices.Contains(i.Joined, t) || !st.Has(t) {
			return false
		}
		serves, checked := s.health(st, t, i)
		return st.Parted(i, t) || checked && !serves
	})
}
