package handover

import (
	"context"
	"maps"
	"time"
)

// Moves beside this one. A pod that another move has released is that one's to
// see to, as long as it is under way; what a dead one left is taken over.

// anothers: the pod was released by another move that is, or may be, under way.
func (m *Move) anothers(p *Pod) bool {
	r, released := p.release()
	if !released || r.Group == m.Record.Group {
		return false
	}
	alive, known := m.o.Others[r.Group]
	m.met[r.Group] = true
	return alive || !known && !m.took(p)
}

// took: this move took the pod over before, and remembers it.
func (m *Move) took(p *Pod) bool {
	w := m.Record.Workloads[p.owner()]
	if w == nil {
		return false
	}
	_, is := w.Released[p.UID]
	return is
}

// heedOthers makes all workloads due when another move has begun or ended.
func (m *Move) heedOthers() {
	if maps.Equal(m.others, m.o.Others) {
		return
	}
	m.others = m.o.Others
	for name := range m.Record.Nodes {
		m.wakePods(name)
	}
	for key := range m.Record.Workloads {
		m.dueWorkloads[key] = time.Time{}
	}
}

// others tells of the moves whose pods were met whether they are under way. They
// are asked for again as often as a lock is renewed.
func (r *run) others(ctx context.Context) map[string]bool {
	if len(r.core.met) == 0 || len(r.core.met) == len(r.known) && time.Since(r.asked) < renewEvery {
		return r.known
	}
	locks, err := r.cluster.Locks(ctx)
	if err != nil {
		return r.known // as unknown, they are left alone
	}
	now := map[string]bool{}
	for group := range r.core.met {
		now[group] = locks[group].Live(r.core.view.Now)
	}
	r.known, r.asked = now, time.Now()
	return now
}
