package handover

import (
	"fmt"
	"maps"
	"slices"

	"github.com/droverhq/drover/event"
)

// ArchLabel is on every node: amd64, arm64.
const ArchLabel = "kubernetes.io/arch"

// otherArchitecture: the workload has run on nodes of one architecture alone, and those
// that take its pods are of another. Whether its images are built for that, a registry
// alone knows.
func otherArchitecture(i *inspection) []event.Finding {
	to := i.archesOf()
	return i.each(
		func(p *Pod, _ *Workload) bool {
			if from := i.v.archOf(p); len(to) == 0 || from == "" || slices.Contains(to, from) || i.promised(p).how == AfterJob {
				return false
			}
			return !slices.ContainsFunc(i.v.Of(p.owner()), func(q *Pod) bool { return q.Ready && slices.Contains(to, i.v.archOf(q)) })
		},
		func(p *Pod, _ *Workload) event.Finding {
			from := i.v.archOf(p)
			return event.Finding{
				Severity: warning, Effect: fmt.Sprintf("it has run on %s alone, and the nodes that take its pods are %s: an image that is not built for that does not start", from, list(to)),
				Fix: fmt.Sprintf("see that its images are built for %s, or let it select nodes with %s: %s", list(to), ArchLabel, from),
			}
		})
}

// archesOf are the architectures of the nodes that pods go to, as far as all are known:
// of the groups that take them, or, where none does, of all that stay.
func (i *inspection) archesOf() []string {
	found := map[string]bool{}
	for _, arch := range i.Arches {
		found[arch] = true
	}
	for _, n := range i.takers() {
		found[n.Labels[ArchLabel]] = true
	}
	if found[""] {
		return nil
	}
	return slices.Sorted(maps.Keys(found))
}

// takers are the nodes that take the pods, as far as they are there: those of the groups
// that do, or, where none is named or yet to be made, all that stay.
func (i *inspection) takers() []*Node {
	var all []*Node
	for _, g := range i.To {
		for _, in := range g.Instances {
			if n := i.v.byInstance[in.ID]; n != nil {
				all = append(all, n)
			}
		}
	}
	for name, n := range i.v.Nodes {
		if len(i.To) == 0 && !i.Coming && !i.leaving[name] {
			all = append(all, n)
		}
	}
	return all
}

// archOf is the architecture of the pod's node; empty: it is not known.
func (v *View) archOf(p *Pod) string {
	if n := v.Nodes[p.Node]; n != nil {
		return n.Labels[ArchLabel]
	}
	return ""
}
