package world

import (
	"slices"
	"time"

	"github.com/droverhq/drover/internal/handover"
)

// BalancerKind is what a kind of load balancer does, whatever it says, and what package
// aws says of it.
type BalancerKind struct {
	Name   string        // AWS's word for it, as in App.Balancer; empty: Classic
	Starts time.Duration // it takes so long to send to a new target
	Sends  time.Duration // it opens connections to one that was deregistered for so long
	Lag    time.Duration // it is said to do so: longer, or a target may end too early
	Zonal  bool          // each zone has an address that sends to its own targets, unless somebody changes that
	Pods   bool          // its targets may be pods
	Reuses bool          // it sends many clients' requests on connections that it keeps
	Groups bool          // it sends to target groups, and each is told by itself
	Keeps  bool          // what clients keep lives on when it has drained a target, until that ends
	Hosted bool          // a Service of type LoadBalancer makes it, and has its host; else a binding names its groups
}

// The kinds that an app may have of its own, besides a Classic one.
const (
	NLB  = "network"
	ALB  = "application"
	GWLB = "gateway"
)

// BalancerKinds are all that package aws knows: a test there asks each of its families
// for a row, and compares. Where the numbers come from stands with its constants.
var BalancerKinds = []BalancerKind{
	{Starts: 2 * time.Second, Hosted: true},
	{Name: NLB, Starts: 90 * time.Second, Sends: 2 * time.Minute, Lag: 3 * time.Minute, Zonal: true, Pods: true, Groups: true, Keeps: true, Hosted: true},
	{Name: ALB, Starts: 2 * time.Second, Sends: 20 * time.Second, Lag: 30 * time.Second, Pods: true, Groups: true, Reuses: true},
	{Name: GWLB, Starts: 90 * time.Second, Sends: 2 * time.Minute, Lag: 3 * time.Minute, Zonal: true, Pods: true, Groups: true},
}

// KindOfBalancer finds a kind by AWS's word.
func KindOfBalancer(name string) BalancerKind {
	i := slices.IndexFunc(BalancerKinds, func(k BalancerKind) bool { return k.Name == name })
	if i < 0 {
		panic("no kind of load balancer is called " + name)
	}
	return BalancerKinds[i]
}

// own: it has a load balancer of its own.
func (a *App) own() bool { return a.Local || a.Balancer != "" }

// kindOfBalancer is that of the app's own load balancer.
func (a *App) kindOfBalancer() BalancerKind { return KindOfBalancer(a.Balancer) }

// bound: a TargetGroupBinding names the app's target group.
func (a *App) bound() bool {
	k := a.kindOfBalancer()
	return k.Groups && (a.ByAddress && !a.Unbound || !k.Hosted)
}

// says is what the app's load balancer tells of itself, without its targets. The
// one that every world has is nobody's: its app is the zero one.
func (a *App) says(name string, draining time.Duration) handover.Balancer {
	k := a.kindOfBalancer()
	b := handover.Balancer{Name: name, Host: name + ".elb", Draining: draining, Zonal: k.Zonal, Lag: k.Lag, Reuses: k.Reuses, Keeps: k.Keeps, ByAddress: a.ByAddress}
	if k.Groups {
		b.Group = "arn:" + name
	}
	return b
}
