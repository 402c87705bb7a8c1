package handover

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/droverhq/drover/event"
)

// misplaced looks for pods whose replacement would find no node, as far as
// the scheduler's hard rules go. It is asked when the nodes that stay are Ready.
//
// A pod that no single node can take blocks the move. That all of them
// together fit is only tried, largest first onto the emptiest node; the
// scheduler may do better, so a failure there warns.
func misplaced(t *turn) []event.Finding {
	room := roomOutside(t)
	left := map[string]bool{}
	none := t.each(
		func(p Pod, _ Workload) bool { return needsPlace(p) && !slices.ContainsFunc(room, t.takes(p)) },
		func(p Pod, _ Workload) event.Finding {
			f := event.Finding{
				Severity: blocker, Effect: fmt.Sprintf("no node outside %s takes its pods: selectors, taints or volume zones keep them off", t.s.Group),
				Fix: "let a node group that stays fit its nodeSelector, affinity and tolerations, in the zone of its volumes",
			}
			if slices.ContainsFunc(t.o.Places[p.UID], func(node string) bool { return !t.leaving[node] }) {
				f.Effect = fmt.Sprintf("no node outside %s has room for one of its pods (%d m CPU, %d MiB)", t.s.Group, p.CPU, p.Memory>>20)
				f.Fix = "make the node groups that stay larger, or their instances"
			}
			return f
		})
	for _, f := range none {
		left[f.Object] = true
	}
	return append(none, crowded(t, room, left)...)
}

// needsPlace: a replacement is yet to be made.
func needsPlace(p Pod) bool { return !p.Deleting && p.Released == "" && p.Workload != "" }

// space is what is left on a node.
type space struct {
	Node
	pods []string // UIDs
}

func (s *space) add(p Pod) {
	s.CPU -= p.CPU
	s.Memory -= p.Memory
	s.pods = append(s.pods, p.UID)
}

// roomOutside is the space on every node that stays and can be used.
func roomOutside(t *turn) []space {
	var room []space
	for _, n := range t.o.Cluster.Nodes {
		if t.leaving[n.Name] || !n.usable() {
			continue
		}
		s := space{Node: n}
		for _, p := range t.o.Cluster.Pods {
			if p.Node == n.Name && !p.Finished {
				s.add(p)
			}
		}
		room = append(room, s)
	}
	return room
}

// takes: the node has room for a copy of the pod, by every rule.
func (t *turn) takes(p Pod) func(space) bool {
	return func(s space) bool {
		return slices.Contains(t.o.Places[p.UID], s.Name) &&
			s.CPU >= p.CPU && s.Memory >= p.Memory && (s.MaxPods == 0 || len(s.pods) < s.MaxPods) &&
			!slices.ContainsFunc(s.pods, func(uid string) bool { return slices.Contains(p.Apart, uid) })
	}
}

// crowded tries to place all pods side by side.
func crowded(t *turn, room []space, skip map[string]bool) []event.Finding {
	pods := slices.SortedStableFunc(slices.Values(t.pods), func(a, b Pod) int {
		return cmp.Or(cmp.Compare(b.CPU, a.CPU), cmp.Compare(b.Memory, a.Memory))
	})
	over := map[string]bool{}
	for _, p := range pods {
		if !needsPlace(p) || skip[p.Workload] {
			continue
		}
		slices.SortStableFunc(room, func(a, b space) int { return cmp.Compare(b.CPU, a.CPU) })
		i := slices.IndexFunc(room, t.takes(p))
		if i < 0 {
			over[p.UID] = true
			continue
		}
		room[i].add(p)
	}
	return t.each(
		func(p Pod, _ Workload) bool { return over[p.UID] },
		func(Pod, Workload) event.Finding {
			return event.Finding{
				Severity: warning, Effect: fmt.Sprintf("the nodes outside %s seem too full for all its pods; the move waits for those that find no place", t.s.Group),
				Fix: "make the node groups that stay larger",
			}
		})
}
