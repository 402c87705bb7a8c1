package project

import (
	"context"
	"errors"
	"os"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/aws"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// Drift is how one object differs from what was last applied.
type Drift = engine.Drift

// ErrShownOnly ends a Refresh that was only to show.
var ErrShownOnly = errors.New("only shown")

// Refresh tells what others have changed, and takes it over into the state if
// accept agrees. It changes nothing outside.
func (p *Project) Refresh(ctx context.Context, events event.Sink, accept func([]Drift) error) error {
	return p.repair(ctx, "refresh", events, func(e *engine.Engine, s *state.Session) error {
		if err := s.Snapshot().Unseal(ctx, p.store.Ring); err != nil {
			return err
		}
		drifts, err := e.Refresh(ctx, s.Snapshot())
		if err != nil {
			return err
		}
		if err := accept(drifts); errors.Is(err, ErrShownOnly) {
			return nil
		} else if err != nil || len(drifts) == 0 {
			return err
		}
		return e.TakeOver(ctx, drifts, s)
	})
}

// Resolve tells what came of a call whose end nobody could find out: id is
// what exists, empty if nothing does; then nobody outside is asked, and no key.
func (p *Project) Resolve(ctx context.Context, urn plan.URN, id string) error {
	if id == "" {
		return p.locked(ctx, "state resolve", func(s *state.Session) error { return new(engine.Engine).Resolve(ctx, urn, "", s) })
	}
	return p.repair(ctx, "state resolve", event.Discard, func(e *engine.Engine, s *state.Session) error {
		if err := s.Snapshot().UnsealPending(ctx, p.store.Ring); err != nil {
			return err
		}
		return e.Resolve(ctx, urn, id, s)
	})
}

// repair works on the locked state, with a look at what exists.
func (p *Project) repair(ctx context.Context, command string, events event.Sink, work func(*engine.Engine, *state.Session) error) error {
	stack, err := p.selected()
	if err != nil {
		return err
	}
	config, problems := spec.ReadConfig(os.DirFS(p.dir), stack)
	if err := problems.Err(); err != nil {
		return err
	}
	return p.locked(ctx, command, func(s *state.Session) error {
		cloud, err := aws.Load(ctx, config.Region())
		if err != nil {
			return err
		}
		if _, err := locate(ctx, cloud, s.Snapshot(), events); err != nil {
			return err
		}
		return work(p.engine(cloud, events), s)
	})
}

// locked works on the locked state.
func (p *Project) locked(ctx context.Context, command string, work func(*state.Session) error) (err error) {
	stack, err := p.selected()
	if err != nil {
		return err
	}
	session, err := p.store.Lock(ctx, stack, command)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Unlock(context.WithoutCancel(ctx))) }()
	defer problem.Recover(&err) // before the above: a panic must not keep the lock
	return work(session)
}
