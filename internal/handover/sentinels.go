package handover

import (
	"maps"
	"slices"
	"strings"
)

// Repels is what a sentinel says that it keeps off: the same wishes read the same, in
// whatever order they come.
func Repels(all []Repelled) string { return encode(sorted(all)) }

// sorted has each but once.
func sorted(all []Repelled) []Repelled {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b Repelled) int { return strings.Compare(encode(a), encode(b)) })
	return slices.CompactFunc(all, func(a, b Repelled) bool { return encode(a) == encode(b) })
}

// Sentinels keep pods that tolerate every taint off the nodes that leave.

// guarded: sentinels stand on every node that leaves, and keep off all that they are to.
func (m *Move) guarded() bool {
	if m.off == nil {
		m.off = new(m.Record.Guarded && !slices.ContainsFunc(m.Record.leaving(), m.unguarded))
	}
	return *m.off
}

func (m *Move) unguarded(node string) bool {
	want := m.keptOff()
	return m.view.Nodes[node] != nil && !slices.ContainsFunc(m.view.On(node), func(p *Pod) bool { return p.Sentinel && p.Repels == want })
}

// keptOff is what sentinels are to say.
func (m *Move) keptOff() string {
	if m.repels == "" {
		m.repels = Repels(m.Record.Repels)
	}
	return m.repels
}

// keepOff puts sentinels on the nodes that leave, where pods would start on
// them all the same. What comes there later, as a CronJob's next Job, is kept off, too:
// those that stand are replaced by others.
func (m *Move) keepOff() {
	if len(m.tempted) == 0 {
		return
	}
	if m.newlyTempted() {
		m.Record.Guarded, m.Record.Repels = true, sorted(slices.Concat(m.Record.Repels, m.repelled()))
		m.repels, m.off = "", nil
		m.version++
	}
	if m.guarded() {
		return
	}
	for _, name := range m.Record.leaving() {
		if m.unguarded(name) {
			m.act(Sentinel{Node: name, Repels: m.Record.Repels})
		}
	}
}

// newlyTempted: some workload was not yet tempted when it was last worked out whom
// sentinels keep off.
func (m *Move) newlyTempted() bool {
	is := false
	for key := range m.tempted {
		is = is || !m.repelledFor[key]
		m.repelledFor[key] = true
	}
	return is
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
// that belong to one revision, one pod, or the place where it runs; and to one Job, if
// there are others: what its CronJob makes next has those alone.
func (m *Move) common(p *Pod) map[string]string {
	labels := maps.Clone(p.Labels)
	for _, key := range jobLabels {
		if len(labels) > 1 {
			delete(labels, key)
		}
	}
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

// jobLabels are what Kubernetes adds to a Job's pods, under former and present names.
var jobLabels = []string{"batch.kubernetes.io/job-completion-index", "batch.kubernetes.io/controller-uid", "controller-uid", "job-name", "batch.kubernetes.io/job-name"}
