package state

import (
	"encoding/json"
	"slices"

	"github.com/droverhq/drover/plan"
)

// Way is the way back of a change under way: what stood before it. It is kept
// from before the first step of a plan that hands something over until that
// change is through, or nothing of it can be taken back any more.
type Way struct {
	Former  []Resource `json:"former"`            // each after those it needs; without outputs, and what its connection came to
	Outputs plan.Props `json:"outputs,omitempty"` // of the stack
	Returns bool       `json:"returns,omitempty"` // the change is being taken back

	// Baseline is what traffic was like before the change, as its guard keeps it.
	Baseline json.RawMessage `json:"baseline,omitempty"`
}

// Before is the way back to this very snapshot.
func (s *Snapshot) Before() *Way {
	w := &Way{Outputs: s.Outputs}
	for _, r := range s.Resources {
		if r.Condemned || r.Gone {
			continue
		}
		r.Outputs, r.Conn.Resolved = nil, nil
		if r.Hosts != nil {
			hosts := *r.Hosts
			hosts.Conn.Resolved = nil
			r.Hosts = &hosts
		}
		w.Former = append(w.Former, r)
	}
	return w
}

// trees are all that it holds of values.
func (w *Way) trees() []any {
	if w == nil {
		return nil
	}
	trees := []any{w.Outputs}
	for i := range w.Former {
		trees = append(trees, w.Former[i].trees()...)
	}
	return trees
}

// under is the same way of a stack or project of another name.
func (w *Way) under(stack, project string) *Way {
	if w == nil {
		return nil
	}
	out := *w
	out.Former = renamed(w.Former, stack, project)
	return &out
}

// renamed are the same resources of a stack or project of another name.
func renamed(resources []Resource, stack, project string) []Resource {
	out := slices.Clone(resources)
	for i := range out {
		r := &out[i]
		r.URN = r.URN.In(stack, project)
		r.Needs = slices.Clone(r.Needs)
		for j := range r.Needs {
			r.Needs[j].URN = r.Needs[j].URN.In(stack, project)
		}
	}
	return out
}
