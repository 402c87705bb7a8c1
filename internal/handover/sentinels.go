package handover

import (
	"maps"
	"slices"
	"strings"
)

// Sentinels keep pods that tolerate every taint off the nodes that leave.

// guarded: sentinels stand on every node that leaves.
func (m *Move) guarded() bool {
	if m.off == nil {
		m.off = new(m.Record.Guarded && !slices.ContainsFunc(m.Record.leaving(), m.unguarded))
	}
	return *m.off
}

func (m *Move) unguarded(node string) bool {
	return m.view.Nodes[node] != nil && !slices.ContainsFunc(m.view.On(node), func(p *Pod) bool { return p.Sentinel })
}

// keepOff puts sentinels on the nodes that leave, where pods would start on
// them all the same.
func (m *Move) keepOff() {
	if len(m.tempted) == 0 || m.guarded() {
		return
	}
	if !m.Record.Guarded {
		m.Record.Guarded = true
		m.version++
	}
	repels := m.repelled()
	for _, name := range m.Record.leaving() {
		if m.unguarded(name) {
			m.act(Sentinel{Node: name, Repels: repels})
		}
	}
}

// repelled are the pods that sentinels keep off: all that leave and tolerate
// the taint of a cordoned node.
func (m *Move) repelled() []Repelled {
	seen := map[string]bool{}
	var all []Repelled
	for _, name := range m.Record.leaving() {
		for _, p := range m.view.On(name) {
			if p.stays() || !p.Tolerates || !m.concerns(p) || seen[p.owner()] {
				continue
			}
			seen[p.owner()] = true
			if labels := m.common(p); len(labels) > 0 {
				all = append(all, Repelled{Namespace: p.Namespace, Labels: labels})
			}
		}
	}
	return all
}

// common are the labels that all pods of the pod's workload carry, but for those
// that belong to one revision, one pod, or the place where it runs.
func (m *Move) common(p *Pod) map[string]string {
	labels := maps.Clone(p.Labels)
	for key := range labels {
		switch {
		case key == hashLabel, key == "controller-revision-hash", strings.HasPrefix(key, "topology.kubernetes.io/"),
			strings.HasPrefix(key, "statefulset.kubernetes.io/"), strings.HasPrefix(key, "apps.kubernetes.io/"):
			delete(labels, key)
		}
	}
	for _, q := range m.view.Of(p.owner()) {
		maps.DeleteFunc(labels, func(key, value string) bool { return q.Labels[key] != value && q.Released == "" })
	}
	return labels
}
