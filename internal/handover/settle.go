package handover

import (
	"slices"
	"strings"
	"time"
)

// How long those who sent requests to a pod may go on after its last EndpointSlice
// let go of it, and are not asked, or cannot be. Who is asked says so himself: see
// View.takesToDrain.

const (
	settleProxies = 6 * time.Second
	settleIngress = 10 * time.Second
	settleDNS     = 35 * time.Second
	settleRecords = 6 * time.Minute
	settleTargets = 7 * time.Minute

	// settleEach is added for each 1,000 nodes: proxies of large clusters fall behind.
	settleEach = 3 * time.Second
)

// bound is a kind of sender with the time that is enough for it. It may send to pods of
// a Service that sends says; with neither sends nor routes, to those of any.
type bound struct {
	who    string // as docs/hand-over.md has it, under "Who still sends here"
	enough time.Duration
	source string                         // of the number, as there
	routes []string                       // kinds of objects that name the Services it sends to: what Service.Routes begin with
	sends  func(v *View, s *Service) bool // nil: routes tell
	own    func(s *Service) time.Duration // what the Service itself says, if that is longer; nil: it says nothing
}

// bounds are all kinds. A pod that several send to waits for the slowest.
var bounds = []bound{
	{who: "kube-proxy", enough: settleProxies, source: "measured: 2.3 s at most on a machine under heavy load, 0.03 s on a quiet one; with 3 s 0 of 131,430 requests were lost; consumers that were 5 s behind lost some at 3 s"},
	{who: "ingress controllers and gateways (an Ingress or a route of the Gateway API names the Service)", enough: settleIngress,
		source: "ingress-nginx reloads at most every 3.3 s (`sync-rate-limit` 0.3), after it has seen the change",
		routes: []string{"ingress", "httproute", "grpcroute", "tlsroute", "tcproute", "udproute"}},
	{who: "DNS (headless Services)", enough: settleDNS, source: "CoreDNS answers with a TTL of 30 s on EKS, and clients look up anew after that",
		sends: func(_ *View, s *Service) bool { return s.Headless }},
	{who: "external-dns (its annotation on a headless Service)", enough: settleRecords, source: "records hold for 300 s by default, and it looks every minute; for longer if its `ttl` says so",
		sends: func(_ *View, s *Service) bool { return s.Published > 0 }, own: func(s *Service) time.Duration { return s.Published }},
	{who: "target groups and load balancers that AWS does not show", enough: settleTargets, source: "300 s deregistration delay by default, and 2 min for what follows its API late",
		sends: func(v *View, s *Service) bool { return len(v.senders.unaskedToPods(s)) > 0 }},
}

// RouteKinds are the kinds of objects that Service.Routes may begin with: each is in a
// row of bounds. Package kube/cluster asks that it sees no others, for whose proxies
// nobody would wait.
func RouteKinds() []string {
	var all []string
	for _, b := range bounds {
		all = append(all, b.routes...)
	}
	return all
}

// reaches: it may send to pods of the Service; nil: of one that is known by its
// EndpointSlices alone.
func (b bound) reaches(v *View, s *Service) bool {
	switch {
	case b.sends == nil && b.routes == nil:
		return true
	case s == nil:
		return false
	case b.sends != nil && b.sends(v, s):
		return true
	}
	return slices.ContainsFunc(s.Routes, func(r string) bool {
		kind, _, _ := strings.Cut(r, "/")
		return slices.Contains(b.routes, kind)
	})
}

// settle is the longest of the bounds of those who send to the pod, of what those
// take who are asked, and the user's own.
func (v *View) settle(p *Pod, least time.Duration) time.Duration {
	longest := v.settleUnasked(p, least)
	for _, x := range p.Paths {
		if s := v.Services[p.serviceKey(x.Service)]; s != nil {
			longest = max(longest, v.takesToDrain(s))
		}
	}
	return longest
}

// settleUnasked is the same without those who are asked until they have let go.
func (v *View) settleUnasked(p *Pod, least time.Duration) time.Duration {
	var services []string
	for _, x := range p.Paths {
		services = append(services, x.Service)
	}
	return max(v.settleOf(p, services), least)
}

// settleOf is the longest of the bounds of those who may send to the pod for such
// Services, as its paths name them.
func (v *View) settleOf(p *Pod, services []string) time.Duration {
	longest := time.Duration(0)
	for _, name := range services {
		longest = max(longest, v.bound(v.Services[p.serviceKey(name)]))
	}
	if longest > 0 {
		longest += time.Duration(len(v.Nodes)/1000) * settleEach
	}
	return longest
}

// bound is the longest of those who may send to pods of the Service; nil: it is
// known by its EndpointSlices alone.
func (v *View) bound(s *Service) time.Duration {
	longest := time.Duration(0)
	for _, b := range bounds {
		if !b.reaches(v, s) {
			continue
		}
		longest = max(longest, b.enough)
		if b.own != nil {
			longest = max(longest, b.own(s))
		}
	}
	return longest
}

// settleUnaskedGroups is how long target groups that nobody here can ask may go on to send
// to a pod that was taken out, whoever could ask them then.
func (v *View) settleUnaskedGroups(p *Pod) time.Duration {
	if slices.ContainsFunc(v.servicesOf(p), func(s *Service) bool { return len(v.senders.unaskedToPods(s)) > 0 }) {
		return settleTargets
	}
	return 0
}

// takesToDrain is how long those who hold the addresses of the Service's pods, and are
// asked, take to let go of one. Others send to nodes: proxies are their bound.
func (v *View) takesToDrain(s *Service) time.Duration {
	longest := time.Duration(0)
	for _, b := range v.senders.of(s) {
		if b.ByAddress && v.senders.belongsTo(b, s) {
			longest = max(longest, settleProxies+max(b.Draining, b.Lag))
		}
	}
	return longest
}
