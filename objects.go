package drover

import (
	"context"

	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
)

// Object is one thing that the state of a stack tells of.
type Object struct {
	URN  plan.URN `json:"urn"`
	Gen  int      `json:"gen"`
	Type string   `json:"type"`
	Name string   `json:"name"`         // physical
	ID   string   `json:"id,omitempty"` // what AWS or Kubernetes calls it; empty: not known

	// Note is what is special about it; empty: it stands and is in use.
	Note string `json:"note,omitempty"`
}

// Objects is all that the state of the stack tells of: each after what it
// needs, and last what may have been made by a run that was cut off.
func (p *Project) Objects(ctx context.Context) ([]Object, error) {
	s, err := p.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return objects(s), nil
}

func (p *Project) snapshot(ctx context.Context) (*state.Snapshot, error) {
	stack, err := p.selected()
	if err != nil {
		return nil, err
	}
	return p.store.Read(ctx, stack)
}

func objects(s *state.Snapshot) []Object {
	all := make([]Object, 0, len(s.Resources))
	for _, r := range s.Resources {
		all = append(all, Object{URN: r.URN, Gen: r.Gen, Type: r.Type, Name: r.Name, ID: r.ID, Note: noteOn(s, r)})
	}
	for _, in := range s.Pending {
		if r := in.Resource; in.Op == plan.Create {
			all = append(all, Object{URN: r.URN, Gen: r.Gen, Type: r.Type, Name: r.Name, ID: r.ID, Note: "may have been made"})
		}
	}
	return all
}

func noteOn(s *state.Snapshot, r state.Resource) string {
	for _, op := range []plan.Op{plan.Delete, plan.HandOver, plan.Update} {
		if _, begun := s.Intent(op, r.URN, r.Gen); begun {
			return string(op) + " begun"
		}
	}
	switch {
	case r.Gone:
		return "deleted, still referred to"
	case r.Condemned:
		return "replaced"
	case r.Settling:
		return "not seen ready yet"
	}
	return ""
}
