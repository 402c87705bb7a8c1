package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// rehearsals is how many updates are tried at a time.
const rehearsals = 8

// rehearse tries every update that can be tried, so that what would be refused
// is told before anything is made for it.
func (b *builder) rehearse(ctx context.Context) {
	refused := make([]error, len(b.makes))
	var tries errgroup.Group
	tries.SetLimit(rehearsals)
	for i, n := range b.makes {
		if n.Op == plan.Update {
			tries.Go(func() error {
				refused[i] = b.try(ctx, b.byURN[n.URN])
				return nil
			})
		}
	}
	_ = tries.Wait()
	for i, err := range refused {
		var p *problem.Error
		if errors.As(err, &p) {
			n := b.makes[i]
			n.Refused, n.Remedy = p.Err.Error(), p.Fix
			b.engine.Events.Emit(event.Finding{Severity: event.Blocker, Object: what(n.Step), Effect: "would be refused: " + n.Refused, Fix: n.Remedy})
		}
	}
}

// try asks the provider of one resource. What is not known yet cannot be tried.
func (b *builder) try(ctx context.Context, it *item) error {
	if it == nil || it.have == nil || value.HasUnknown(it.known) || value.Locked(it.known) {
		return nil
	}
	provider, err := b.engine.Providers(it.Type)
	if err != nil {
		return nil
	}
	rehearser, can := provider.(Rehearser)
	if !can {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	return rehearser.Rehearse(ctx, Request{Type: it.Type, Name: it.name, ID: it.have.ID, Want: it.known,
		Conn: it.have.Conn.Resolved, Tags: ownerTags(b.old, *it.have)})
}

// refuseRefused lets no plan begin of which a step is known to fail.
func (a *apply) refuseRefused() error {
	var refused *problem.Error
	for _, s := range a.plan.Steps {
		switch why := what(s) + ": " + s.Refused; {
		case s.Refused == "":
		case refused == nil:
			refused = &problem.Error{Kind: problem.Refused, Op: "update", Err: errors.New(why), Fix: s.Remedy}
		default:
			refused.Notes = append(refused.Notes, strings.TrimSuffix(fmt.Sprintf("%s; %s", why, s.Remedy), "; "))
		}
	}
	if refused == nil {
		return nil
	}
	return refused
}
