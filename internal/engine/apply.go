package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// Apply carries a plan out that was made from this graph and this state. (For
// PlanDestroy, the graph is empty.) Steps run as their needs are met.
//
// When a step fails, or ctx is cancelled, nothing starts that should not; what
// runs is let finish, except that a hand-over stops between two turns; and all
// that happened is saved. Running the same command again goes on from there.
func (e *Engine) Apply(ctx context.Context, p plan.Plan, g *graph.Graph, j Journal) error {
	if err := p.Verify(); err != nil {
		return fmt.Errorf("refuse an unsafe plan: %w", err)
	}
	if err := j.Snapshot().Named(g.Project, g.Stack); err != nil {
		return err
	}
	if now := j.Snapshot().Serial; now != p.Serial {
		return &problem.Error{Kind: problem.Refused, Op: "carry out the plan",
			Err: errors.New("the stack has changed since the plan was made"), Fix: "run the same command again"}
	}
	if err := j.Rename(ctx, p.Renames); err != nil {
		return fmt.Errorf("give resources their new names: %w", err)
	}
	a, err := e.begin(ctx, p, g, j)
	if err != nil {
		return a.refuse(ctx, err)
	}
	if err := j.Start(context.WithoutCancel(ctx), p.Counts()); err != nil {
		return fmt.Errorf("begin the run: %w", err)
	}
	if err = a.carryOut(ctx); a.turnsBack(ctx, err) {
		err = a.turnBack(ctx, err)
	}
	err = unveiled(err, a.veil)
	return errors.Join(err, j.Finish(ctx, err))
}

// begin refuses what must not be begun; nothing is changed by then.
func (e *Engine) begin(ctx context.Context, p plan.Plan, g *graph.Graph, j Journal) (*apply, error) {
	g, err := e.concealed(g)
	if err != nil {
		return nil, err
	}
	a := newApply(e, p, g, j)
	if err := a.refuseProtected(); err != nil {
		return nil, err
	}
	if err := a.refuseRefused(); err != nil {
		return nil, err
	}
	err = a.refuseBlockers(ctx)
	return a, err
}

// refuse ends a run that must not begin, for the reason of err. What one before it
// had closed by the time that it was cut off is opened again: nobody goes on with it.
func (a *apply) refuse(ctx context.Context, err error) error {
	if a == nil || len(a.shelters.begun) == 0 {
		return err
	}
	if err := a.journal.Start(context.WithoutCancel(ctx), a.plan.Counts()); err != nil {
		return fmt.Errorf("begin the run: %w", err)
	}
	a.unshelter(ctx)
	return errors.Join(err, a.journal.Finish(ctx, err))
}

// carryOut takes the steps of the plan.
func (a *apply) carryOut(ctx context.Context) error {
	if err := a.setOut(ctx); err != nil {
		return &journalError{err}
	}
	err := a.run(ctx)
	a.unshelter(ctx)
	if err != nil {
		return err
	}
	return a.settle(ctx)
}

// apply is one run.
type apply struct {
	*Engine
	plan    plan.Plan
	graph   *graph.Graph
	journal Journal
	stack   *state.Snapshot // as the run found it: whose the objects are
	wanted  map[plan.URN]graph.Resource
	urns    map[graph.Key]plan.URN

	followers map[int][]int // by step ID: the steps that need it
	unmet     map[int]int   // by step ID: needs that have not succeeded yet
	ready     []int         // step IDs, lowest first
	guard     guard
	shelters  shelters
	changed   bool // a step has succeeded
	fresh     bool // a step has failed because of a new host
	began     time.Time
	veil      *value.Veil
}

func newApply(e *Engine, p plan.Plan, g *graph.Graph, j Journal) *apply {
	veil := new(value.Veil)
	for _, tree := range j.Snapshot().Values() {
		veil.Learn(tree)
	}
	hidden := *e
	hidden.Events = veiled{e.Events, veil}
	a := &apply{Engine: &hidden, plan: p, graph: g, journal: j, stack: j.Snapshot(), veil: veil, began: time.Now(),
		wanted: make(map[plan.URN]graph.Resource, len(g.Resources)), urns: make(map[graph.Key]plan.URN, len(g.Resources)),
		followers: make(map[int][]int), unmet: make(map[int]int, len(p.Steps))}
	for _, r := range g.Resources {
		urn := plan.NewURN(p.Stack, p.Project, r.Type, r.Name)
		a.wanted[urn], a.urns[r.Key] = r, urn
	}
	for _, s := range p.Steps {
		a.unmet[s.ID] = len(s.Needs)
		for _, n := range s.Needs {
			a.followers[n] = append(a.followers[n], s.ID)
		}
		if len(s.Needs) == 0 {
			a.ready = append(a.ready, s.ID)
		}
	}
	a.guard.moving = countMoving(a, p.Steps)
	return a
}

// refuseBlockers asks once more what the hand-overs will meet, before anything
// changes, and notes which of them a run that was cut off has begun.
func (a *apply) refuseBlockers(ctx context.Context) error {
	var found []event.Finding
	for _, s := range a.plan.Steps {
		r, exists := a.journal.Find(s.URN, s.Gen)
		if s.Op != plan.HandOver || !exists {
			continue
		}
		in, err := a.Mover.Inspect(ctx, a.leaving(r), s.Keep, a.replacedBefore(s))
		if err != nil {
			return fmt.Errorf("inspect %s: %w", s.Name, err)
		}
		if in.Closed {
			a.shelters.note(s)
		}
		found = append(found, in.Findings...)
	}
	if p := event.Refused("move workloads", found); p != nil && !a.Park {
		return p
	}
	return nil
}

// leaving is a host as it will be when its turn comes: with what is made before.
func (a *apply) leaving(r state.Resource) Host {
	h := host(r).patient(a.wanted[r.URN].Hosts)
	for _, s := range a.plan.Steps {
		if want := a.wanted[s.URN]; want.Hosts != nil && (s.Op == plan.Create || s.Op == plan.Update) {
			h.await(r, s.URN, s.Gen, want.Hosts, a.journal.Snapshot())
		}
	}
	return h
}

// replacedBefore is the same as a node's of the plan (order.go), once the plan is all that is left of it.
func (a *apply) replacedBefore(h plan.Step) []graph.Key {
	var keys []graph.Key
	for _, id := range h.Needs {
		s := a.plan.Steps[id-1]
		if r, ok := a.journal.Find(s.URN, s.Gen); ok && s.Op != plan.Create && inCluster(&r) {
			keys = append(keys, graph.Key{Type: r.Type, Name: s.URN.Name()})
		}
	}
	return keys
}

// result is how a step ended.
type result struct {
	step plan.Step
	took time.Duration
	err  error
}

// run starts steps as their needs are met, at most Parallel at once, and
// returns when none runs any more.
func (a *apply) run(ctx context.Context) error {
	defer a.guard.stop()
	parallel := a.Parallel
	if parallel == 0 {
		parallel = DefaultParallel
	}
	var failures problem.List
	results := make(chan result)
	running, stopped := 0, false
	for {
		for !stopped && running < parallel && len(a.ready) > 0 && ctx.Err() == nil {
			s := a.plan.Steps[a.ready[0]-1]
			if err := a.watch(ctx, s); err != nil {
				failures, stopped = append(failures, a.failure(s, err)), true
				break
			}
			a.ready = a.ready[1:]
			running++
			go func() { results <- a.timed(ctx, s) }()
		}
		if running == 0 {
			break
		}
		r := <-results
		running--
		a.guard.moved(a, r.step)
		if r.err != nil {
			failures = append(failures, a.failure(r.step, r.err))
			stopped = stopped || stopsAll(r.err)
			a.fresh = a.fresh || fresh(r.step, r.err)
			continue
		}
		a.changed = true
		a.release(r.step)
	}
	return a.verdict(ctx, failures)
}

// release makes the steps ready that waited for this one last.
func (a *apply) release(s plan.Step) {
	for _, id := range a.followers[s.ID] {
		if a.unmet[id]--; a.unmet[id] == 0 {
			at, _ := slices.BinarySearch(a.ready, id)
			a.ready = slices.Insert(a.ready, at, id)
		}
	}
}

// timed frames a step with its events.
func (a *apply) timed(ctx context.Context, s plan.Step) result {
	a.Events.Emit(event.StepStarted{Step: s.ID, Op: s.Op, URN: s.URN, Name: s.Name, Component: s.Component})
	began := time.Now()
	err := a.caught(ctx, s)
	r := result{step: s, took: time.Since(began), err: err}
	finished := event.StepFinished{Step: s.ID, Took: r.took}
	if err != nil {
		finished.Error = problem.Reason(ctx, err)
	}
	a.Events.Emit(finished)
	return r
}

// caught carries a step out. One that panics has failed: the others go on, and
// what they do is written down.
func (a *apply) caught(ctx context.Context, s plan.Step) (err error) {
	defer problem.Recover(&err)
	return a.step(ctx, s)
}

// stopsAll tells the errors after which nothing new may start at all: what
// happens cannot be written down any more, credentials have expired, or traffic
// suffers.
func stopsAll(err error) bool {
	var unwritten *journalError
	var p *problem.Error
	return errors.As(err, &unwritten) || errors.Is(err, ErrCredentials) || errors.As(err, &p) && p.Kind == problem.Guarded
}

// failure names the step; the remedy of its cause stays. What was refused, or is
// wrong in a file, counts as such only while nothing was changed.
func (a *apply) failure(s plan.Step, err error) *problem.Error {
	f := &problem.Error{Kind: problem.Outside, Op: fmt.Sprintf("%s %s", s.Op, what(s)), Err: err,
		Fix: "remove the cause and run the same command again: all that was done is saved, and it goes on from there"}
	var cause *problem.Error
	if errors.As(err, &cause) {
		f.Kind, f.Fix, f.Notes = cause.Kind, cause.Fix, cause.Notes
	}
	if a.changed && (f.Kind == problem.Usage || f.Kind == problem.Refused) {
		f.Kind = problem.Outside
	}
	return f
}

// what names a step's object as the user would: its type is part of the URN.
func what(s plan.Step) string {
	typ := s.URN.Type()
	return typ[strings.LastIndexAny(typ, ":/")+1:] + " " + s.Name
}

func (a *apply) verdict(ctx context.Context, failures problem.List) error {
	switch {
	case len(failures) == 1:
		return failures[0]
	case len(failures) > 1:
		return failures
	case ctx.Err() != nil:
		return &problem.Error{Kind: problem.Outside, Op: "stopped", Err: context.Cause(ctx),
			Fix: "run the same command again: all that was done is saved, and it goes on from there"}
	}
	return a.guard.verdict()
}

// settle ends a run that succeeded: what changed without a step is stored,
// and the outputs of the stack are resolved.
func (a *apply) settle(ctx context.Context) error {
	for _, r := range a.graph.Resources {
		have, ok := a.journal.Live(a.urns[r.Key])
		if !ok || a.graph.Frozen[r.Key] {
			continue
		}
		now, err := a.described(ctx, r, have)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Key, err)
		}
		now.Inputs, now.Lookups = have.Inputs, have.Lookups
		if err := a.journal.Learn(ctx, now); err != nil {
			return &journalError{err}
		}
	}
	values := make(map[string]any, len(a.graph.Outputs))
	for _, o := range a.graph.Outputs {
		v, err := value.Resolve(o.Value, a.lookUp(ctx, new(state.Resource)))
		if err != nil && len(a.graph.Frozen) > 0 {
			if v, ok := a.stack.Outputs[o.Name]; ok {
				values[o.Name] = v
			}
			continue // it is of what was left out
		}
		if err != nil {
			return &problem.Error{Kind: problem.Outside, At: o.At, Op: "resolve output " + o.Name, Err: err,
				Fix: "all resources are up; check the output in the stack file, then run the same command again"}
		}
		values[o.Name] = v
	}
	if err := a.journal.SetOutputs(ctx, values); err != nil {
		return &journalError{err}
	}
	return a.arrive(ctx)
}
