package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
)

// A Deployment that the plan places anew rolls out before the hand-over of the
// nodes that its pods leave, and a rollout asks no load balancer. So the hand-over
// begins before it, as far as to let go of those pods (Mover.Shelter). The record
// of that is the hand-over's own; if the plan ends before the hand-over goes on, it
// is taken back. So is what an earlier run had begun when it was cut off, if this
// one does not come to go on with it.

// shelters are the hand-overs that were begun, for a rollout or by a run that was
// cut off, and have not gone on.
type shelters struct {
	mu    sync.Mutex
	begun []plan.Step
}

// note keeps a hand-over that was begun, once: a rollout may go on with one that a run
// before began. The caller holds mu, or is alone.
func (s *shelters) note(h plan.Step) {
	if !slices.ContainsFunc(s.begun, func(o plan.Step) bool { return o.ID == h.ID }) {
		s.begun = append(s.begun, h)
	}
}

// goesOn: the hand-over sees to itself from now on.
func (s *shelters) goesOn(h plan.Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun = slices.DeleteFunc(s.begun, func(o plan.Step) bool { return o.ID == h.ID })
}

// shelter begins the hand-overs of the hosts whose pods the step rolls out.
func (a *apply) shelter(ctx context.Context, s plan.Step, have, want state.Resource) error {
	if !rollsOut(have, want) {
		return nil
	}
	a.shelters.mu.Lock()
	defer a.shelters.mu.Unlock()
	for _, h := range a.plan.Steps {
		if h.Op != plan.HandOver || !slices.Contains(h.Needs, s.ID) {
			continue
		}
		if err := a.handOverEarly(ctx, s, h, graph.Key{Type: have.Type, Name: s.URN.Name()}); err != nil {
			return fmt.Errorf("let go of its pods on %s: %w", h.Name, err)
		}
	}
	return nil
}

// rollsOut: the update changes the pods of a Deployment.
func rollsOut(have, want state.Resource) bool {
	return have.Type == "apps/v1/Deployment" && !state.Equal(template(have.Inputs), template(want.Inputs))
}

func template(props plan.Props) plan.Props {
	spec, _ := props["spec"].(map[string]any)
	t, _ := spec["template"].(map[string]any)
	return t
}

// handOverEarly starts a hand-over for a rollout, which tells of it as its own.
func (a *apply) handOverEarly(ctx context.Context, s, h plan.Step, rollout graph.Key) error {
	r, ok, err := a.find(ctx, h)
	if err != nil || !ok {
		return err
	}
	a.shelters.note(h)
	_, err = a.handing(ctx, h, r, func(m Move) error {
		m.Step = s.ID
		return a.Mover.Shelter(ctx, m, Sheltering{Rollouts: []graph.Key{rollout}, Replaced: a.replacedBefore(h)})
	})
	return err
}

// unshelter opens the hosts again whose hand-over was begun and did not go on: the
// rollout that it was begun for, or something else before it, has failed. A run that
// was interrupted does so, too.
func (a *apply) unshelter(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	for _, h := range a.shelters.begun {
		r, ok, err := a.find(ctx, h)
		if err == nil && ok {
			_, err = a.handing(ctx, h, r, func(m Move) error { return a.Mover.Reopen(ctx, m) })
		}
		if err != nil {
			a.Events.Emit(event.Finding{Severity: event.Warning, Object: what(h), Effect: "its nodes were closed by what did not go on, and could not all be opened again: " + err.Error(), Fix: "run the same command again, or drover restore"})
		}
	}
	a.shelters.begun = nil
}
