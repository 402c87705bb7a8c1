package placement

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

const (
	reasonRoom     = "Insufficient" // … cpu
	reasonTooMany  = "Too many pods"
	reasonPorts    = "node(s) didn't have free ports for the requested pod ports"
	reasonSpread   = "node(s) didn't match pod topology spread constraints"
	reasonNoLabel  = reasonSpread + " (missing required label)"
	reasonTogether = "node(s) didn't match pod affinity rules"
	reasonApart    = "node(s) didn't match pod anti-affinity rules"
	reasonRepelled = "node(s) didn't satisfy existing pods anti-affinity rules"
)

// fits asks a node that the class may use all that depends on other pods.
func (w *world) fits(j *job, n *node) bool {
	return n.takesPorts(j.copy) && n.hasRoom(j.copy) && w.mounts(j, n) == "" && spreads(j.need, n) == "" && w.keeps(j, n) == ""
}

// reasons are why a node turns a copy away, in the scheduler's words: those of the
// first filter that does.
func (w *world) reasons(j *job, n *node) []string {
	if why := j.need.static.reasons[n.at]; why != "" {
		return []string{why}
	}
	if !n.takesPorts(j.copy) {
		return []string{reasonPorts}
	}
	if lacks := w.lacks(j.copy, n); len(lacks) > 0 {
		return lacks
	}
	for _, why := range []string{w.mounts(j, n), spreads(j.need, n), w.keeps(j, n)} {
		if why != "" {
			return []string{why}
		}
	}
	return nil
}

func (n *node) takesPorts(t *tenant) bool {
	for _, p := range t.ports {
		if n.ports[p] > 0 || p.ip != anyIP && n.ports[port{anyIP, p.protocol, p.number}] > 0 {
			return false
		}
		if p.ip != anyIP {
			continue
		}
		for q := range n.ports {
			if q.protocol == p.protocol && q.number == p.number {
				return false
			}
		}
	}
	return true
}

func (n *node) hasRoom(t *tenant) bool {
	if len(n.pods)+1 > n.maxPods {
		return false
	}
	for _, q := range t.needs {
		if q.amount > n.free(q.resource) {
			return false
		}
	}
	return true
}

func (n *node) free(resource int) int64 {
	var free int64
	if resource < len(n.total) {
		free = n.total[resource]
	}
	if resource < len(n.used) {
		free -= n.used[resource]
	}
	return free
}

func (w *world) lacks(t *tenant, n *node) []string {
	var all []string
	if len(n.pods)+1 > n.maxPods {
		all = append(all, reasonTooMany)
	}
	for _, q := range t.needs {
		if q.amount > n.free(q.resource) {
			all = append(all, reasonRoom+" "+string(w.name(q.resource)))
		}
	}
	slices.Sort(all)
	return all
}

func (w *world) name(resource int) corev1.ResourceName {
	for name, at := range w.resources {
		if at == resource {
			return name
		}
	}
	panic(fmt.Sprintf("no resource %d", resource))
}

// spreads asks a class's topology spread.
func spreads(c *class, n *node) string {
	for _, s := range c.constraints {
		d := s.topology.of[n.at]
		if d < 0 {
			return reasonNoLabel
		}
		if s.skew(d) > int(s.rule.MaxSkew) {
			return reasonSpread
		}
	}
	return ""
}

// skew is by how much a domain would stand above the smallest with one more pod.
func (c constraint) skew(domain int) int {
	return c.counts[domain] + c.self - c.minimum(c.minDomains)
}

// keeps asks affinity and anti-affinity, the copy's own and that of pods that are there.
func (w *world) keeps(j *job, n *node) string {
	c := j.need
	if c.gather != nil && !c.together(n) {
		return reasonTogether
	}
	for _, t := range c.apart {
		if d := t.topology.of[n.at]; d >= 0 && t.targets[d] > 0 {
			return reasonApart
		}
	}
	for _, t := range j.copy.kind.terms {
		if d := t.topology.of[n.at]; d >= 0 && t.holders[d] > 0 {
			return reasonRepelled
		}
	}
	return ""
}

// together: the node is in the domains of the pods that the class must be near, or
// the class is the first of those that must be near each other.
func (c *class) together(n *node) bool {
	near := true
	for i, t := range c.gather.topologies {
		d := t.of[n.at]
		if d < 0 {
			return false
		}
		near = near && c.gather.counts[i][d] > 0
	}
	return near || c.first && c.gather.none()
}

// histogram counts reasons over all nodes.
func (w *world) histogram(j *job) map[string]int {
	all := map[string]int{}
	for _, n := range w.nodes {
		for _, why := range w.reasons(j, n) {
			all[why]++
		}
	}
	return all
}

// sentence puts reasons as FitError does.
func sentence(nodes int, all map[string]int) string {
	lines := make([]string, 0, len(all))
	for _, why := range slices.Collect(maps.Keys(all)) {
		lines = append(lines, fmt.Sprintf("%d %s", all[why], why))
	}
	slices.Sort(lines)
	s := fmt.Sprintf("0/%d nodes are available", nodes)
	for i, l := range lines {
		if i == 0 {
			s += ": " + l
		} else {
			s += ", " + l
		}
	}
	return s
}
