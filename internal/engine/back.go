package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// The way back. Before the first step of a plan that hands something over the
// state keeps what stands (state.Way). To take the change back is to make a plan
// to that, with the very generations that stood, and to carry it out as any
// other: hosts that were closed are opened, workloads that were placed anew are
// placed where they were, what has moved is handed over from the new host to the
// old one, and what the change made is deleted. So the way back has no rules of
// its own, and goes on after a crash as every plan does.
//
// It is open until something goes that no run can bring back: the first delete
// after the last hand-over. Of what went before only what nothing refers to is
// made anew, such as a Kubernetes object that the change removed.

// ErrFresh is what a Mover wraps if the hosts that were to take the pods failed.
var ErrFresh = errors.New("the nodes that were to take the pods failed")

// steady are properties that no call takes back, and who says so.
var steady = map[string]struct{ prop, who string }{
	"AWS::EKS::Cluster":   {"Version", "EKS"},
	"AWS::RDS::DBCluster": {"EngineVersion", "RDS"}, "AWS::RDS::DBInstance": {"EngineVersion", "RDS"},
}

// Former is what stood before the change under way, to be planned and applied
// as what is wanted; that takes the change back, watched by these guards.
func (e *Engine) Former(s *state.Snapshot, guards []graph.Guard) (*graph.Graph, error) {
	if s.Way == nil {
		return nil, &problem.Error{Kind: problem.Refused, Op: "take the change back", Err: errors.New("none is under way that could be taken back"),
			Fix: "a change can be taken back from its first step until the delete of what it empties begins. After that, change drover.yaml back and run drover up"}
	}
	g := &graph.Graph{Stack: s.Stack, Project: s.Project, Guards: guards, Back: true}
	for _, r := range s.Way.Former {
		g.Resources = append(g.Resources, e.former(g, s, r))
	}
	for name, v := range s.Way.Outputs {
		g.Outputs = append(g.Outputs, graph.Output{Name: name, Value: v})
	}
	return g, nil
}

// former is one resource as it stood; those before it are in the graph.
func (e *Engine) former(g *graph.Graph, s *state.Snapshot, r state.Resource) graph.Resource {
	f := graph.Resource{Key: graph.Key{Type: r.Type, Name: r.URN.Name()}, Component: r.Component, Props: e.unsteady(s, r),
		Generation: r.Generation, Gen: r.Gen, Conn: r.Conn.Declared, Where: r.Where, Protect: r.Protected,
		Options: graph.Options{Retain: r.Retained, Delete: r.DeleteWithin}}
	if r.Hosts != nil {
		f.Hosts = &graph.Hosts{Nodes: r.Hosts.Nodes, Conn: r.Hosts.Conn.Declared, Soak: r.Hosts.Soak, Settle: r.Hosts.Settle}
	}
	if r.NameProperty != "" { // made anew, it is another generation, and called so
		f.NameProperty, f.BaseName = r.NameProperty, baseName(r.Name)
	}
	for _, n := range r.Needs {
		k := graph.Key{Type: n.URN.Type(), Name: n.URN.Name()}
		switch before := slices.ContainsFunc(g.Resources, func(o graph.Resource) bool { return o.Key == k }); {
		case !before:
		case n.Gen > 0:
			f.From = append(f.From, k)
		default:
			f.After = append(f.After, k)
		}
	}
	return f
}

// unsteady are the properties as they stood, but for what cannot be taken back.
func (e *Engine) unsteady(s *state.Snapshot, r state.Resource) plan.Props {
	stays := steady[r.Type]
	now, _ := s.Find(r.URN, r.Gen)
	v := now.Inputs[stays.prop]
	if v == nil || state.Equal(v, r.Inputs[stays.prop]) {
		return r.Inputs
	}
	e.Events.Emit(event.Finding{Severity: event.Note, Object: what(plan.Step{URN: r.URN, Name: r.Name}),
		Effect: fmt.Sprintf("its %s stays %s: %s takes none back", stays.prop, text(v), stays.who)})
	props := maps.Clone(r.Inputs)
	props[stays.prop] = v
	return props
}

// wayOpen refuses to take back what would need something that is gone: values
// are written out as they stood, and what is made anew has others.
func (j *judgement) wayOpen() error {
	for _, it := range j.items {
		needed := it.Hosts != nil || len(it.Generation) > 0 || slices.ContainsFunc(j.items, func(o *item) bool { return slices.Contains(o.From, it.Key) })
		if needed && (it.gen != it.Gen || it.fate.made() || j.another(it)) {
			return &problem.Error{Kind: problem.Refused, Op: "take the change back", Err: fmt.Errorf("%s, which stood before it, is gone", it.Key),
				Fix: "nothing was changed, and what serves goes on. Change drover.yaml back and run drover up --forward: it makes anew what is missing"}
		}
	}
	return nil
}

// another: it has not the ID that it had before the change, as AWS gives a new
// one to an association that is switched.
func (j *judgement) another(it *item) bool {
	return slices.ContainsFunc(j.old.Way.Former, func(r state.Resource) bool {
		return r.URN == it.urn && r.Gen == it.gen && r.ID != it.have.ID
	})
}

// setOut keeps the way back of a change that is about to begin, and whether it
// is taken.
func (a *apply) setOut(ctx context.Context) error {
	w := a.journal.Way()
	switch {
	case w == nil && slices.ContainsFunc(a.plan.Steps, isHandOver):
		w = a.stack.Before()
	case w == nil || w.Returns == a.plan.Returns:
		return nil
	}
	turned := *w
	turned.Returns = a.plan.Returns
	return a.journal.SetWay(ctx, &turned)
}

// closeWay ends the way back when something is about to go for good.
func (a *apply) closeWay(ctx context.Context, s plan.Step, r state.Resource) error {
	if a.plan.Returns || s.DeleteFirst || inCluster(&r) || a.journal.Way() == nil {
		return nil
	}
	return a.journal.SetWay(ctx, nil)
}

// arrive ends a change that is through: there is no way back from it, and
// nothing left of hand-overs that were taken back. One that moves what this run
// leaves out is not through.
func (a *apply) arrive(ctx context.Context) error {
	through := true
	for _, in := range a.journal.Snapshot().Pending {
		switch {
		case in.Op != plan.HandOver:
		case a.graph.Frozen[keyOf(in.URN)]:
			through = false
		default:
			if err := a.done(ctx, in, nil); err != nil {
				return err
			}
		}
	}
	if !through {
		return nil
	}
	if err := a.journal.SetWay(ctx, nil); err != nil {
		return &journalError{err}
	}
	return nil
}

// closed reports that a hand-over may have closed nodes of the resource.
func closed(r state.Resource, j interface {
	Intent(op plan.Op, urn plan.URN, gen int) (state.Intent, bool)
}) bool {
	_, begun := j.Intent(plan.HandOver, r.URN, r.Gen)
	return r.Leaving || begun
}

// reopen lets the nodes of a host that stays after all take pods and traffic again.
func (a *apply) reopen(ctx context.Context, s plan.Step, r state.Resource) error {
	if r.Hosts == nil || !closed(r, a.journal) || slices.ContainsFunc(a.plan.Steps, func(h plan.Step) bool {
		return h.Op == plan.HandOver && h.URN == s.URN && h.Gen == s.Gen // it opens those that it keeps
	}) {
		return nil
	}
	in, err := a.journal.Begin(ctx, state.Intent{Op: plan.HandOver, URN: r.URN, Gen: r.Gen, All: r.Leaving})
	if err != nil {
		return &journalError{err}
	}
	if err := a.Mover.Reopen(ctx, a.move(ctx, s, r, in)); err != nil {
		return fmt.Errorf("open its nodes: %w", err)
	}
	r.Leaving = false
	return a.learn(ctx, r)
}

// owed are the records of the hand-overs that a hand-over takes back: what they
// promised holds on the way back, too.
func (a *apply) owed(to []Host) []json.RawMessage {
	var memos []json.RawMessage
	if !a.plan.Returns {
		return nil
	}
	for _, in := range a.journal.Snapshot().Pending {
		if in.Op == plan.HandOver && len(in.Memo) > 0 && slices.ContainsFunc(to, func(h Host) bool {
			r, ok := a.journal.Find(in.URN, in.Gen)
			return ok && r.Name == h.Name
		}) {
			memos = append(memos, in.Memo)
		}
	}
	return memos
}

// unwatched goes on with the way back though no guard can watch it: traffic
// that suffers already is what it is taken for.
func (a *apply) unwatched(why string) {
	a.guard.stop()
	a.guard = guard{}
	a.Events.Emit(event.Finding{Severity: event.Warning, Object: "guard", Effect: "it cannot judge the way back, which goes on without it: " + why})
}

// turnsBack reports that what failed is to be taken back: a guard says so, and
// it, or a new host, has failed.
func (a *apply) turnsBack(ctx context.Context, err error) bool {
	switch {
	case err == nil, ctx.Err() != nil, a.plan.Returns, a.journal.Way() == nil:
		return false
	case a.guard.verdict() != nil:
		return a.guard.watch.OnBreach() == graph.Return
	}
	var unwritten *journalError
	return a.fresh && !errors.As(err, &unwritten) && !errors.Is(err, ErrCredentials) &&
		slices.ContainsFunc(a.graph.Guards, func(g graph.Guard) bool { return g.OnBreach == graph.Return })
}

// fresh reports that a step failed, with err, because of a new host.
func fresh(s plan.Step, err error) bool {
	return s.Op == plan.Create && s.Hosts || errors.Is(err, ErrFresh)
}

// turnBack takes the change back at once, in the same run. Nobody is asked: the
// guard's onBreach is the answer. What cannot move back is parked.
func (a *apply) turnBack(ctx context.Context, cause error) error {
	a.Events.Emit(event.TurnedBack{Why: problem.Reason(ctx, cause)})
	ctx, end := endless(ctx)
	defer end()
	e := a.returning()
	g, err := e.Former(a.journal.Snapshot(), a.graph.Guards)
	if err != nil {
		return turned(cause, err)
	}
	p, err := e.Plan(ctx, g, a.journal.Snapshot())
	if err != nil {
		return turned(cause, err)
	}
	e.Events.Emit(event.Planned{Plan: p})
	back, err := e.begin(ctx, p, g, a.journal)
	if err != nil {
		return turned(cause, err)
	}
	return turned(cause, back.carryOut(ctx))
}

// endless is ctx without its deadline, which is the change's: one that is over, or is
// over soon, would leave in the middle what suffers already. Who interrupts ctx
// interrupts it.
func endless(ctx context.Context) (context.Context, func()) {
	back, end := context.WithCancelCause(context.WithoutCancel(ctx))
	heed := context.AfterFunc(ctx, func() {
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			end(context.Cause(ctx))
		}
	})
	return back, func() { heed(); end(nil) }
}

// returning is the engine for the way back at once, to which no choice applies that
// was made about the change: one that refuses a plan, or asks for more than stood,
// would leave in the middle what suffers already.
func (e *Engine) returning() *Engine {
	back := *e
	back.Park, back.Continue = true, true
	back.Replace = nil
	return &back
}

// turned is how a change ends that was taken back, or was to be.
func turned(cause, err error) error {
	why := first(cause)
	if err == nil {
		return &problem.Error{Kind: problem.Returned, Op: "up", Err: fmt.Errorf("the change was taken back, and everything is as it was before: %w", cause),
			Fix: "find out why, then run the same command again: it makes the change anew", Notes: why.Notes}
	}
	failed := first(err)
	return &problem.Error{Kind: failed.Kind, Op: "take the change back", Err: err, Fix: failed.Fix,
		Notes: append(slices.Clone(failed.Notes), "it is taken back because of this: "+cause.Error())}
}

// first is the first problem of an error.
func first(err error) *problem.Error {
	var list problem.List
	var one *problem.Error
	switch {
	case errors.As(err, &list):
		return list[0]
	case errors.As(err, &one):
		return one
	}
	return &problem.Error{Kind: problem.Outside, Err: err, Fix: "run the same command again: it goes on from there"}
}
