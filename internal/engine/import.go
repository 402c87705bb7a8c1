package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// Declarer is what a Provider adds that can say of an object that stands what a
// stack file would have to say to have it so.
type Declarer interface {
	Declared(ctx context.Context, r Request) (Declaration, error)
}

// Declaration is an object with what was declared of it: without what its
// service made of that, and without what Drover adds.
type Declaration struct {
	Object
	Props plan.Props
	Owner map[string]string // owner tags that it carries, see ownerTags; none: it is nobody's
}

// Find reads an object that the stack did not make, so that it can be taken into
// its state: r says how it is to be called and reached.
func (e *Engine) Find(ctx context.Context, r graph.Resource, id string, s *state.Snapshot) (Declaration, state.Resource, error) {
	urn := plan.NewURN(s.Stack, s.Project, r.Type, r.Name)
	op := "import " + r.Type + " " + id
	if _, known := s.Live(urn); known {
		return Declaration{}, state.Resource{}, &problem.Error{Kind: problem.Usage, Op: op, Err: fmt.Errorf("the stack has %s already", urn), Fix: "give another name"}
	}
	found := state.Resource{URN: urn, Gen: 1, Type: r.Type, Name: r.Name, Where: r.Where, Protected: true, Created: time.Now().UTC()}
	var err error
	if found.Conn, found.Needs, err = reachedBy(r, s); err != nil {
		return Declaration{}, found, &problem.Error{Kind: problem.Usage, Op: op, Err: err, Fix: "run drover up first: the stack has no cluster yet"}
	}
	d, err := e.declared(ctx, Request{Type: r.Type, ID: id, Conn: found.Conn.Resolved, Where: r.Where})
	if errors.Is(err, ErrNotFound) {
		return d, found, &problem.Error{Kind: problem.Usage, Op: op, Err: errors.New("there is no such object"),
			Fix: "give the identifier as Cloud Control has it (aws cloudcontrol list-resources), or namespace/name of a Kubernetes object"}
	}
	if err != nil {
		return d, found, err
	}
	found.ID, found.Inputs, found.Outputs = d.ID, d.Props, e.outputs(r.Type, d.Outputs, d.Props)
	return d, found, owned(op, d, found, s)
}

// owned refuses what somebody has already.
func owned(op string, d Declaration, found state.Resource, s *state.Snapshot) error {
	for _, r := range s.Resources {
		if r.Type == found.Type && r.ID == found.ID && r.Where.Place() == found.Where.Place() && !r.Gone {
			return &problem.Error{Kind: problem.Refused, Op: op, Err: fmt.Errorf("it is %s", r.URN), Fix: "nothing needs to be done"}
		}
	}
	if stack, project := d.Owner["drover:stack"], d.Owner["drover:project"]; stack != "" && (stack != s.Stack || project != s.Project) {
		return &problem.Error{Kind: problem.Refused, Op: op, Err: fmt.Errorf("it belongs to stack %s of project %s, which would delete it with all that it has", stack, project),
			Fix: "let that stack forget it (drover state rm) and remove the tag drover:stack (annotation drover.dev/stack), or refer to its outputs"}
	}
	return nil
}

// reachedBy is how the object is reached, as far as the state knows.
func reachedBy(r graph.Resource, s *state.Snapshot) (state.Conn, []state.Need, error) {
	urnOf := func(k graph.Key) plan.URN { return plan.NewURN(s.Stack, s.Project, k.Type, k.Name) }
	reached, err := conn(r.Conn, func(ref value.Ref) (any, error) { return output(s, urnOf(ref.Key), ref) })
	if err != nil || len(r.Conn) == 0 {
		return state.Conn{}, nil, err
	}
	needs := needsOf(r, func(k graph.Key) (state.Need, bool) {
		live, ok := s.Live(urnOf(k))
		return state.Need{URN: live.URN, Gen: live.Gen}, ok
	})
	return reached, needs, nil
}

func (e *Engine) declared(ctx context.Context, r Request) (Declaration, error) {
	provider, err := e.Providers(r.Type)
	if err != nil {
		return Declaration{}, &problem.Error{Kind: problem.Usage, Err: err, Fix: "write the type as in AWS::SQS::Queue or apps/v1/Deployment"}
	}
	knows, ok := provider.(Declarer)
	if !ok {
		return Declaration{}, &problem.Error{Kind: problem.Usage, Err: fmt.Errorf("objects of type %s cannot be imported", r.Type), Fix: "declare it, and let up make it"}
	}
	return knows.Declared(ctx, r)
}

// Import stores what Find has found.
func (e *Engine) Import(ctx context.Context, found state.Resource, j Journal) error {
	if err := j.Start(ctx, nil); err != nil {
		return err
	}
	err := j.Learn(ctx, found)
	if err != nil {
		err = &journalError{err}
	}
	return errors.Join(err, j.Finish(ctx, err))
}
