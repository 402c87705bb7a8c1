package handover

import (
	"fmt"
	"slices"
	"time"
)

// warm is what load balancers say, but that a target counts as one that is not in
// service yet while its group's slow start gives it less than its share: it has
// taken over only when it takes its whole share. Targets that are in service when
// a run first looks count as they are, since nobody knows since when.
func (m *Move) warm(said []Balancer) []Balancer {
	first := m.askedAt.IsZero()
	warm := slices.Clone(said)
	for i, b := range said {
		if b.SlowStart == 0 {
			continue
		}
		before, since := m.served[b.Name], map[string]time.Time{}
		warm[i].Targets = slices.Clone(b.Targets)
		for j, t := range b.Targets {
			at, known := before[t.id()]
			switch {
			case t.State != InService:
				continue
			case !known && !first:
				at = m.view.Now
			}
			since[t.id()] = at
			if rest := b.SlowStart - m.view.Now.Sub(at); !at.IsZero() && rest > 0 {
				warm[i].Targets[j].State = OutOfService
				warm[i].Targets[j].Why = fmt.Sprintf("its group's slow start of %s is not over", b.SlowStart)
			}
		}
		if m.served == nil {
			m.served = map[string]map[string]time.Time{}
		}
		m.served[b.Name] = since
	}
	return warm
}
