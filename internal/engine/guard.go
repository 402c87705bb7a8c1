package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// guard is the watch over traffic of one run: from before the first step that
// moves workloads to after the last.
type guard struct {
	watch   Watch // nil: it does not watch yet
	stopped bool  // its verdict stays
	moving  int   // steps that move workloads and have not ended
}

// countMoving is 0 for a plan without a hand-over: nothing is watched.
func countMoving(a *apply, steps []plan.Step) int {
	isHandOver := func(s plan.Step) bool { return s.Op == plan.HandOver }
	if a.Guard == nil || len(a.graph.Guards) == 0 || !slices.ContainsFunc(steps, isHandOver) {
		return 0
	}
	n := 0
	for _, s := range steps {
		if a.moves(s) {
			n++
		}
	}
	return n
}

// moves reports that pods change their place in this step.
func (a *apply) moves(s plan.Step) bool {
	switch s.Op {
	case plan.HandOver:
		return true
	case plan.Update:
		return s.Hosts || len(a.wanted[s.URN].Conn) > 0
	case plan.Delete:
		return s.WhenEmpty
	case plan.Create:
	}
	return false
}

// watch starts the guard before the first step that moves workloads, and after
// that lets nothing start once traffic suffers. An address that does not exist
// yet is waited for, until the hand-over.
func (a *apply) watch(ctx context.Context, s plan.Step) error {
	if a.guard.moving == 0 {
		return nil
	}
	if a.guard.watch != nil {
		return a.guard.verdict()
	}
	if !a.moves(s) {
		return nil
	}
	guards, err := a.guards(ctx)
	if err != nil {
		if s.Op != plan.HandOver {
			return nil
		}
		return fmt.Errorf("start the guard: %w", err)
	}
	if a.guard.watch, err = a.Guard.Start(ctx, guards, a.Events); err != nil {
		a.guard.watch = nil
		return fmt.Errorf("start the guard: %w", err)
	}
	return nil
}

func (a *apply) guards(ctx context.Context) ([]graph.Guard, error) {
	guards := slices.Clone(a.graph.Guards)
	for i, g := range guards {
		target := []any{g.Target.URL, g.Target.Host}
		resolved, err := value.Resolve(target, a.lookUp(ctx, new(state.Resource)))
		if err != nil {
			return nil, err
		}
		if value.HasSecret(resolved) {
			return nil, &problem.Error{Kind: problem.Usage, At: g.At, Op: "guard",
				Err: errors.New("its URL or its host is secret, and both are shown"), Fix: "probe a URL that may be shown"}
		}
		target = resolved.([]any)
		guards[i].URL, _ = target[0].(string)
		guards[i].Host, _ = target[1].(string)
	}
	return guards, nil
}

// moved ends the watch after the last step that moves workloads.
func (g *guard) moved(a *apply, s plan.Step) {
	if g.moving > 0 && a.moves(s) {
		if g.moving--; g.moving == 0 {
			g.stop()
		}
	}
}

func (g *guard) stop() {
	if g.watch != nil && !g.stopped {
		g.stopped = true
		g.watch.Stop()
	}
}

// breach is asked by the Mover all along a hand-over.
func (g *guard) breach() (reason string, yes bool) {
	if g.watch == nil {
		return "", false
	}
	return g.watch.Breach()
}

func (g *guard) verdict() error {
	reason, yes := g.breach()
	if !yes {
		return nil
	}
	return &problem.Error{Kind: problem.Guarded, Op: "guard", Err: errors.New(reason),
		Fix: "nothing was deleted that still serves; find out why requests fail, then run the same command again"}
}
