package handover

import (
	"slices"
	"strconv"
	"strings"
)

// held are the processes with which an Auto Scaling group would act against a
// move: launch or end instances that nobody moved. Terminate and Launch stay,
// because Terminate would also stop our own terminations. A group that takes
// pods is kept from ending instances that were just filled.
// What a load balancer does not know it does not find healthy: a group that ends
// such instances must not judge those that were taken out, and an instance that it
// has judged once stays judged (HealthCheck).
var (
	held      = []string{"AZRebalance", "AlarmNotification", "InstanceRefresh", "ReplaceUnhealthy", "ScheduledActions"}
	heldTaker = []string{"AZRebalance", "InstanceRefresh"}
)

// held are the processes that are held of a group whose nodes leave.
func (g Group) held() []string {
	if g.Judged && len(g.Attached) > 0 {
		return append([]string{"HealthCheck"}, held...)
	}
	return held
}

// hold records what a group was like before.
type hold struct {
	Processes []string `json:"processes"` // suspended by us
	Min       int      `json:"min"`       // former MinSize
}

// with records processes as well that run and are to be held: a group may be attached,
// and a process resumed, after the move has begun.
func (h hold) with(running []string) hold {
	known := h.Processes
	h.Processes = slices.Clone(known)
	for _, p := range running {
		if !slices.Contains(known, p) {
			h.Processes = append(h.Processes, p)
		}
	}
	return h
}

func (h hold) tags() map[string]string {
	return map[string]string{suspendedTag: strings.Join(h.Processes, " "), minTag: strconv.Itoa(h.Min)}
}

// hold reads the record on the group; ok is false if it carries none.
func (g Group) hold() (h hold, ok bool) {
	text, ok := g.Tags[suspendedTag]
	if !ok {
		return hold{}, false
	}
	n, err := strconv.Atoi(g.Tags[minTag])
	if err != nil {
		n = g.Min
	}
	return hold{Processes: strings.Fields(text), Min: n}, true
}

// Held is the least size that a group had before a move began to hold it still.
func (g Group) Held() (least int, held bool) {
	h, held := g.hold()
	return h.Min, held
}

// still: the group carries its record, runs none of the processes, and may
// shrink to keep.
func (g Group) still(processes []string, keep int) bool {
	_, recorded := g.hold()
	return recorded && g.Min <= keep && len(g.running(processes)) == 0
}

// running are those of the processes that are not suspended.
func (g Group) running(processes []string) []string {
	return slices.DeleteFunc(slices.Clone(processes), func(p string) bool { return slices.Contains(g.Suspended, p) })
}

// holdGroups keeps the groups from acting on their own; it is true once they
// are seen to be still.
func (m *Move) holdGroups() bool {
	if m.Record.Phase == Soak && m.through() {
		return true // they are let go one by one
	}
	still := m.hold(m.o.From, m.o.From.held(), m.Record.Keep)
	for _, g := range m.o.Beside {
		still = m.hold(g, g.held(), g.Min) && still
	}
	for _, g := range m.o.To {
		if g.Name != m.o.From.Name {
			still = m.hold(g, heldTaker, g.Min) && still
		}
	}
	return still
}

func (m *Move) hold(g Group, processes []string, keep int) bool {
	if g.Name == "" || g.still(processes, keep) {
		return true
	}
	h, recorded := g.hold()
	remembered, ok := m.Record.Holds[g.Name]
	switch {
	case ok:
		h = remembered
	case !recorded:
		h = hold{Min: g.Min}
	}
	if wider := h.with(g.running(processes)); !ok || len(wider.Processes) > len(h.Processes) {
		h = wider
		m.Record.Holds[g.Name] = h
		m.version++
	}
	a := Hold{Group: g.Name, Tags: h.tags(), Processes: processes, Min: -1}
	if g.Min > keep {
		a.Min = keep
	}
	m.act(a)
	return false
}

// letGo lets groups act on their own again; true: they do. One that would end
// instances which were taken out is let go once they are in again.
func (m *Move) letGo(groups []Group) bool {
	free := true
	for _, g := range groups {
		h, held := m.Record.Holds[g.Name]
		onGroup, marked := g.hold()
		switch {
		case g.Name == "" || !held && !marked:
			continue
		case g.Judged && m.awaits(g):
			free = false
			continue
		case !held:
			h = onGroup // an earlier move's
		case !marked && len(g.running(h.Processes)) == len(h.Processes) && g.Min >= min(h.Min, g.Desired):
			continue
		}
		free = false
		m.act(Resume{Group: g.Name, Processes: h.Processes, Min: min(h.Min, g.Desired)})
	}
	return free
}

// awaits: a node of the group is out of what the group registered it with.
func (m *Move) awaits(g Group) bool {
	for name, r := range m.Record.Nodes {
		if n := m.view.Nodes[name]; n != nil && belongs(n, g.Name, g) && (len(n.joins(before{})) > 0 || m.out(n, r.Before)) {
			return true
		}
	}
	return false
}

// allSeen: AWS has told of every group that is held, after the last call that
// might have changed one. While it does not answer, a group that is held and not
// among those it told of may still be held.
func (m *Move) allSeen(groups []Group) bool {
	switch {
	case len(m.Record.Holds) == 0:
		return true
	case !m.answeredAt.After(m.unclean):
		return false
	case m.o.Stale == "":
		return true
	}
	for name := range m.Record.Holds {
		if !slices.ContainsFunc(groups, func(g Group) bool { return g.Name == name }) {
			return false
		}
	}
	return true
}
