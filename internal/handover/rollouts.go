package handover

import (
	"fmt"

	"github.com/droverhq/drover/event"
)

// Findings about what the plan places anew before the move begins, and Kubernetes
// rolls out by rules of its own, which know no load balancer.

// rollsUnasked: a rolling update of the plan ends pods of which a load balancer has
// to let go first. Those that are sheltered wait for its word.
func rollsUnasked(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, w *Workload) bool {
			return !i.leftToMove(p) && !w.OnDelete && !i.sheltered(p) && i.needsWord(p) != ""
		},
		func(p *Pod, w *Workload) event.Finding {
			f := event.Finding{
				Severity: warning, Effect: "the plan places it anew by a rolling update, which asks no load balancer: " + i.needsWord(p),
				Fix: "let its manifest select nodes by labels of both groups instead of a nodeGroup: the hand-over then moves it, and asks",
			}
			if w.Ordinals { // a StatefulSet, of whatever group
				f.Fix = fmt.Sprintf(`let the hand-over move its pods one by one, and ask: kubectl -n %s patch %s %s --type merge -p '{"spec":{"updateStrategy":{"type":"OnDelete","rollingUpdate":null}}}', and updateStrategy: {type: OnDelete} in its manifest`, w.Namespace, w.resource(), w.Name)
			}
			return f
		})
}

// sheltered: the move lets go of the pod before the rollout could end it.
func (i *inspection) sheltered(p *Pod) bool {
	pr := i.promised(p)
	return p.Group == i.Group && pr.how == SurgeFirst && pr.byOwner
}

// needsWord says what goes wrong if the pod ends before load balancers have let go
// of it; empty: nothing that its preStop hook does not cover.
func (i *inspection) needsWord(p *Pod) string {
	for _, s := range i.v.servicesOf(p) {
		for _, b := range i.v.senders.of(s) {
			switch {
			case b.ByAddress && i.v.senders.belongsTo(b, s):
				return fmt.Sprintf("a pod ends while load balancer %s, which drains for %s, may still send to it", b.Name, b.Draining)
			case !b.ByAddress && s.Local:
				return fmt.Sprintf("load balancer %s goes on to send to a node when the pod on it has ended, until its health checks fail (externalTrafficPolicy: Local)", b.Name)
			}
		}
	}
	return ""
}

// daemonsReplaced: a DaemonSet that is to run elsewhere loses all its pods at once,
// whatever its update strategy says: that is for nodes that it keeps.
func daemonsReplaced(i *inspection) []event.Finding {
	var found []event.Finding
	seen := map[string]bool{}
	for _, name := range i.Leaving {
		for _, p := range i.v.On(name) {
			if !p.daemon() || p.Group != i.Group || !i.Replaced[p.owner()] || !p.selected() || !p.Ready || p.AcceptGap || seen[p.owner()] {
				continue
			}
			seen[p.owner()] = true
			found = append(found, event.Finding{
				Severity: blocker, Object: p.owner(),
				Effect: fmt.Sprintf("the plan places it anew, and Kubernetes then ends its pods on nodes of %s all at once: nothing would serve Service %s until others do", i.Group, p.service()),
				Fix:    fmt.Sprintf("let its manifest select nodes by labels of both groups instead of a nodeGroup: each new node gets its pod before old ones leave; or accept the gap: annotation %s=true", AcceptGapAnnotation),
			})
		}
	}
	return found
}
