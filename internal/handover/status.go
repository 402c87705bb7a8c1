package handover

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/event"
)

// Status is a move as its record and its lock tell.
type Status struct {
	Move    string
	Phase   Phase
	Since   time.Time // when the phase began
	By      string    // who works on it; empty: nobody
	Wish    Wish      // what he is asked for
	Kept    bool      // it is done, and its nodes are kept closed
	Opened  bool      // … no more: what it moved goes back
	Ends    bool      // it is done, and its nodes are to end
	Paused  bool      // interrupted while its nodes soaked; the same command goes on
	Heard   time.Time // the last sign of life of its run: Record.Beat
	Nodes   map[NodeState]int
	Moves   map[WorkloadState]int
	Parked  map[string]string // workloads that stay, and why
	Waits   []Waiting
	Log     []event.Event
	Order   json.RawMessage
	Leaving []string // nodes
}

// Statuses are those of all moves, by name. A record that cannot be read is left out.
func Statuses(records map[string][]byte, locks map[string]Lock, now time.Time) []Status {
	var all []Status
	for _, name := range slices.SortedFunc(maps.Keys(records), strings.Compare) {
		if r, err := ReadRecord(records[name]); err == nil {
			all = append(all, r.status(name, locks[name], now))
		}
	}
	return all
}

func (r *Record) status(name string, l Lock, now time.Time) Status {
	s := Status{
		Move: name, Phase: r.Phase, Since: r.Since, Kept: r.Kept, Ends: r.Ending != nil && r.Phase == Done, Opened: r.Opened, Paused: r.Paused, Heard: r.Beat, Waits: r.Waits, Log: r.Log, Order: r.Order, Leaving: r.leaving(),
		Nodes: map[NodeState]int{}, Moves: map[WorkloadState]int{}, Parked: map[string]string{},
	}
	if l.Live(now) {
		s.By, s.Wish = l.Who(), l.Wish
	}
	for _, n := range r.Nodes {
		s.Nodes[n.State]++
	}
	for key, w := range r.Workloads {
		s.Moves[w.State]++
		if w.State == WorkloadParked {
			s.Parked[key] = w.Why
		}
	}
	return s
}
