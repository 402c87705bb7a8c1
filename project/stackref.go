package project

import (
	"cmp"
	"context"

	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/value"
)

// outputsOf are the outputs of another stack. Their secrets are opened with its
// key, and sealed anew where this one stores them.
func (p *Project) outputsOf(ctx context.Context, stack string, r spec.StackRef) (map[string]any, error) {
	store := p.store
	if r.State != "" {
		var err error
		if store, err = state.Open(ctx, r.State); err != nil {
			return nil, err
		}
	}
	s, err := store.Read(ctx, cmp.Or(r.Stack, stack))
	if err != nil {
		return nil, err
	}
	if !value.Locked(s.Outputs) {
		return s.Outputs, nil
	}
	if err := s.Unseal(ctx, p.store.Ring); err != nil {
		return nil, err
	}
	value.Detach(s.Outputs)
	return s.Outputs, nil
}
