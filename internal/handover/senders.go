package handover

import (
	"fmt"
	"slices"

	"github.com/droverhq/drover/event"
)

// Findings about what load balancers do by rules of their own, which nobody can
// ask them not to.

// attached: the Auto Scaling group registers its instances itself. The move takes
// them out, once others are in: those of a group that is attached as well, or what
// anybody has registered. Groups that are yet to come are not judged: it is asked
// again when they are there.
func attached(i *inspection) []event.Finding {
	var found []event.Finding
	for _, g := range append([]Group{i.From}, i.Beside...) {
		for _, b := range i.Balancers {
			if !slices.Contains(g.Attached, b.id()) || !i.sends(b) || i.stays(b) {
				continue
			}
			f := event.Finding{
				Severity: blocker, Object: "load balancer " + b.Name,
				Effect: fmt.Sprintf("Auto Scaling group %s registers its instances with it, and no group that stays does: without the old nodes it would have no target", g.Name),
				Fix:    "attach the group that takes the pods to it as well: " + attach(b),
			}
			if i.Coming {
				f.Severity = warning
				f.Effect = fmt.Sprintf("Auto Scaling group %s registers its instances with it: unless the group that is made does, too, the move is refused once its nodes are there", g.Name)
			}
			found = append(found, f)
		}
	}
	return found
}

// hostPorts: a load balancer sends to a port of nodes on which a pod listens itself.
// No Service says which node it is on, so nobody leaves the load balancer before it.
func hostPorts(i *inspection) []event.Finding {
	straight := func(p *Pod) (Balancer, bool) {
		at := slices.IndexFunc(i.Balancers, func(b Balancer) bool {
			return !b.ByAddress && slices.Contains(p.HostPorts, b.Port) && slices.ContainsFunc(b.Targets, func(t Target) bool {
				n := i.v.nodeOf(t)
				return t.State != Unused && n != nil && n.Name == p.Node
			})
		})
		if at < 0 {
			return Balancer{}, false
		}
		return i.Balancers[at], true
	}
	return i.each(
		func(p *Pod, _ *Workload) bool { _, is := straight(p); return is && !p.AcceptGap && i.leftToMove(p) },
		func(p *Pod, _ *Workload) event.Finding {
			b, _ := straight(p)
			return event.Finding{
				Severity: blocker, Effect: fmt.Sprintf("load balancer %s sends to port %d of nodes, where the pod listens itself (hostPort): it goes on to do so when the pod has left a node", b.Name, b.Port),
				Fix: fmt.Sprintf("let a Service of type NodePort with externalTrafficPolicy Local take that traffic, or accept that requests fail until health checks find the node: annotation %s=true", AcceptGapAnnotation),
			}
		})
}

// stays: the load balancer has, or gets, targets that do not leave.
func (i *inspection) stays(b Balancer) bool {
	if slices.ContainsFunc(i.To, func(g Group) bool { return slices.Contains(g.Attached, b.id()) }) {
		return true
	}
	return slices.ContainsFunc(b.Targets, func(t Target) bool {
		n := i.v.nodeOf(t)
		return t.registered() && (n == nil || !i.leaving[n.Name])
	})
}

// attach is the call that attaches a group to a load balancer.
func attach(b Balancer) string {
	kind := "elbv2"
	if b.Group == "" {
		kind = "elb"
	}
	return fmt.Sprintf("aws autoscaling attach-traffic-sources --auto-scaling-group-name NAME --traffic-sources Identifier=%s,Type=%s", b.id(), kind)
}

// keptByBalancer: a load balancer keeps connections that go through nodes that stay
// to pods that leave. It cannot know when such a pod ends.
func keptByBalancer(i *inspection) []event.Finding {
	var found []event.Finding
	for _, b := range i.Balancers {
		if !b.Reuses || b.ByAddress || !i.sends(b) || i.onlyLocally(b) {
			continue
		}
		found = append(found, event.Finding{
			Severity: warning, Object: "load balancer " + b.Name,
			Effect: "it keeps connections to pods through nodes that stay: a request that it sends on one in the moment in which its pod ends gets a 502, as in any rollout",
			Fix:    "let the pods be its targets (alb.ingress.kubernetes.io/target-type: ip), or externalTrafficPolicy: Local",
		})
	}
	return found
}

// onlyLocally: whatever Services the load balancer belongs to have local traffic.
// Nodes leave it before their pods do then.
func (i *inspection) onlyLocally(b Balancer) bool {
	local := false
	for _, s := range i.v.Services {
		switch {
		case i.v.senders.sendsLocally(b, s):
			local = true
		case i.v.senders.belongsTo(b, s):
			return false
		}
	}
	return local
}

// outlived: connections that are open for longer than a load balancer drains are
// cut by it, or with the instance through which it keeps them.
func outlived(i *inspection) []event.Finding {
	var found []event.Finding
	for _, b := range i.Balancers {
		if which := b.cuts(); which != "" && i.sends(b) {
			found = append(found, event.Finding{
				Severity: note, Object: "load balancer " + b.Name,
				Effect: "connections " + which + " are cut: WebSockets, long answers",
				Fix:    "let servers and clients end connections earlier, or set a longer draining time (deregistration delay)",
			})
		}
	}
	return found
}

// cutsAtOnce: it neither drains a target that is taken out nor keeps its connections.
func (b Balancer) cutsAtOnce() bool { return b.Draining == 0 && !b.Keeps }

// cuts says which connections are cut that a target has open when it is taken out.
func (b Balancer) cuts() string {
	switch {
	case b.Keeps && b.ByAddress, b.cutsAtOnce():
		return "" // a pod that ends says goodbye by itself; without draining all are, see noDraining
	case b.Keeps:
		return fmt.Sprintf("through an old node that are still open when it ends, %s after it left the load balancer at the earliest,", b.Draining)
	case b.ByAddress:
		return fmt.Sprintf("to an old pod that are still open %s after the pod left it", b.Draining)
	}
	return fmt.Sprintf("through an old node that are still open %s after the node left it", b.Draining)
}
