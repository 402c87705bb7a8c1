package handover

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/droverhq/drover/event"
)

// Findings about what load balancers do by rules of their own, which nobody can
// ask them not to.

// attached: the Auto Scaling group registers its instances itself, and takes them
// out when they end. No label takes such a node out before.
func attached(i *inspection) []event.Finding {
	var found []event.Finding
	for _, g := range append([]Group{i.From}, i.Beside...) {
		for _, b := range i.Balancers {
			if !slices.Contains(g.Attached, cmp.Or(b.Group, b.Name)) || !i.sends(b) {
				continue
			}
			found = append(found, event.Finding{
				Severity: blocker, Object: "load balancer " + b.Name,
				Effect: fmt.Sprintf("Auto Scaling group %s is attached to it and keeps its instances registered until they end: it would send through nodes to their last moment", g.Name),
				Fix:    "let a controller register the nodes (a Service, or a TargetGroupBinding of the AWS Load Balancer Controller), then detach the group: aws autoscaling detach-traffic-sources",
			})
		}
	}
	return found
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
		case b.sendsLocally(s):
			local = true
		case b.sendsFor(s):
			return false
		}
	}
	return local
}

// outlived: connections that are open for longer than a load balancer drains are
// cut by it.
func outlived(i *inspection) []event.Finding {
	var found []event.Finding
	for _, b := range i.Balancers {
		if b.Draining == 0 || !i.sends(b) {
			continue
		}
		to := "through an old node that are still open %s after the node left it"
		if b.ByAddress {
			to = "to an old pod that are still open %s after the pod left it"
		}
		found = append(found, event.Finding{
			Severity: note, Object: "load balancer " + b.Name,
			Effect: "connections " + fmt.Sprintf(to, b.Draining) + " are cut: WebSockets, long answers",
			Fix:    "let servers and clients end connections earlier, or set a longer draining time (deregistration delay)",
		})
	}
	return found
}
