package handover

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/droverhq/drover/problem"
)

// How a move ends: all is through, it soaks, and it is done, or names what it
// leaves behind.

// end looks whether all is done: then the nodes soak, and then the move is
// done, or, if something is parked, it puts back what it closed.
func (m *Move) end() {
	if !m.through() {
		if m.Record.Phase == Soak {
			m.to(Shift)
		}
		return
	}
	if m.Record.Phase != Soak {
		m.to(Soak)
	}
	if m.soaks() {
		return
	}
	left := m.parked()
	if len(left) == 0 {
		groups := slices.Concat(m.o.To, m.o.Beside)
		if m.Options.Scope.Stay {
			groups = append(groups, m.o.From)
		}
		groups = slices.DeleteFunc(groups, func(g Group) bool { return g.Judged && m.awaits(g) }) // it would end what is kept
		free := m.letGo(groups)
		stay := func(name string) bool { return m.Options.Scope.Stay || !m.leaves(name) }
		awake := m.wakeEvictors()
		if m.stirNodes(stay) && awake && free {
			m.to(Done)
		}
		return
	}
	m.stop(Reason{
		Kind: problem.Parked, Op: "hand over " + m.Record.Group,
		Why:   fmt.Sprintf("everything moved but what is parked: %s", left[0]),
		Fix:   "what is left serves on where it is, and its nodes stay. " + m.fixOf(left[0]) + ", then run the same command again: it moves what is left",
		Notes: left[1:],
	})
}

// through: nothing is left to do for any workload or node.
func (m *Move) through() bool {
	if len(m.unsettled) > 0 {
		return false
	}
	for _, n := range m.Record.Nodes {
		if !n.over() {
			return false
		}
	}
	return true
}

// parked tells what the move leaves behind, and why.
func (m *Move) parked() []string {
	var left []string
	for _, key := range slices.Sorted(maps.Keys(m.Record.Workloads)) {
		if w := m.Record.Workloads[key]; w.State == WorkloadParked {
			left = append(left, key+": "+w.Why)
		}
	}
	return append(left, m.stuckNodes()...)
}

// stuckNodes are those that cannot be emptied, and why.
func (m *Move) stuckNodes() []string {
	var stuck []string
	for _, name := range m.Record.leaving() {
		if n := m.Record.Nodes[name]; n.Why != "" && !n.State.settled() {
			stuck = append(stuck, "node/"+name+": "+n.Why)
		}
	}
	return stuck
}

// fixOf is the remedy for the first of what is parked.
func (m *Move) fixOf(line string) string {
	key, _, _ := strings.Cut(line, ": ")
	if w := m.Record.Workloads[key]; w != nil && w.Fix != "" {
		return strings.TrimSuffix(w.Fix, ", then run the same command again")
	}
	return strings.TrimSuffix(cure(line), ", then run the same command again")
}
