package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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

// Guards are the guards that will watch a plan, as far as their targets exist
// already: so they can be tried before anything is changed. An address that
// does not resolve yet, or is written out while the plan makes Kubernetes
// objects, may belong to something that is still to be made.
func Guards(p plan.Plan, want *graph.Graph, have *state.Snapshot) []graph.Guard {
	if !slices.ContainsFunc(p.Steps, isHandOver) {
		return nil
	}
	lookUp := func(ref value.Ref) (any, error) {
		if ref.Lookup != "" {
			return nil, fmt.Errorf("%s is looked up when it is needed", ref.Lookup)
		}
		return output(have, plan.NewURN(p.Stack, p.Project, ref.Key.Type, ref.Key.Name), ref)
	}
	var known []graph.Guard
	for _, g := range want.Guards {
		resolved, err := g.Resolve(lookUp)
		if err == nil && (len(value.Refs(g.Target.Tree())) > 0 || !slices.ContainsFunc(p.Steps, makesObject)) {
			known = append(known, resolved)
		}
	}
	return known
}

func isHandOver(s plan.Step) bool { return s.Op == plan.HandOver }

// makesObject: a CloudFormation type holds "::", a Kubernetes one does not.
func makesObject(s plan.Step) bool {
	return s.Op == plan.Create && !strings.Contains(s.URN.Type(), "::")
}

// countMoving is 0 for a plan without a hand-over: nothing is watched.
func countMoving(a *apply, steps []plan.Step) int {
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
		return s.Hosts && !a.plan.Returns || len(a.wanted[s.URN].Conn) > 0
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
	guards, err := a.guards(a.lookUp(ctx, new(state.Resource)))
	switch {
	case err == nil:
		err = a.startGuard(ctx, guards)
	case s.Op != plan.HandOver && !a.plan.Returns:
		return nil
	}
	switch {
	case err == nil:
		return nil
	case a.plan.Returns && ctx.Err() == nil:
		a.unwatched(err.Error())
		return nil
	}
	return fmt.Errorf("start the guard: %w", err)
}

// startGuard lets the guard watch; one that is breached at once has nothing to
// judge a move by.
func (a *apply) startGuard(ctx context.Context, guards []graph.Guard) error {
	way := a.journal.Way()
	var before Baseline
	if way != nil {
		before = way.Baseline
	}
	watch, err := a.Guard.Start(ctx, guards, before, a.Events)
	if err != nil {
		return err
	}
	a.guard.watch = watch
	if err := a.guard.verdict(); err != nil || way == nil {
		return err
	}
	known := *way
	known.Baseline = watch.Baseline()
	if err := a.journal.SetWay(ctx, &known); err != nil {
		return &journalError{err}
	}
	return nil
}

func (a *apply) guards(lookUp func(value.Ref) (any, error)) ([]graph.Guard, error) {
	guards := slices.Clone(a.graph.Guards)
	for i, g := range guards {
		resolved, err := g.Resolve(lookUp)
		if err != nil {
			return nil, err
		}
		guards[i] = resolved
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
