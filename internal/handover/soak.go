package handover

import (
	"strings"
	"time"
)

// A soak keeps the emptied nodes for as long as the user asked: closed, held
// still and out of load balancers, ready to be taken back. Nothing runs there,
// so an interruption puts nothing back: the record stays, and the next run goes
// on with the same clock. A breach does put back, since what traffic lacks may
// be those nodes.

// soakLeft is how long the nodes are yet to be kept. What is parked keeps its
// nodes anyway.
func (m *Move) soakLeft() time.Duration {
	soak := soakTime
	if len(m.parked()) == 0 {
		soak = max(soak, m.Options.Soak)
	}
	return soak - m.view.Now.Sub(m.Record.Since)
}

// keeps: the nodes soak for longer than it takes to be sure that they are
// empty. An interruption then leaves them as they are.
func (m *Move) keeps() bool {
	return m.Record.Phase == Soak && m.Options.Soak > soakTime && len(m.parked()) == 0
}

// soaks: the time is not over yet. The turn may be the last one of this run.
func (m *Move) soaks() bool {
	left := m.soakLeft()
	if left <= 0 {
		return false
	}
	switch {
	case !m.keeps():
		m.wait("%s is empty, watching it for %s", m.Record.Group, soakTime)
	case m.o.Stopping != nil:
		m.Record.Paused = true
		m.version++
	default:
		m.wait("%s is empty: its nodes stay closed for another %s (%s ends that)", m.Record.Group, inMinutes(left), m.Options.SoakEnds)
	}
	return true
}

// inMinutes rounds up to full minutes, so that it does not change every second.
func inMinutes(d time.Duration) string {
	return strings.TrimSuffix((d + time.Minute - 1).Truncate(time.Minute).String(), "0s")
}
