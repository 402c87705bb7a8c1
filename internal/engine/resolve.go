package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// Resolve ends what no run can find out: a person tells what came of a call
// whose end is unknown. id is what exists; empty: nothing does.
//
// What is told to exist counts as not seen ready, so the next run looks at it,
// and deletes it if nobody wants it.
func (e *Engine) Resolve(ctx context.Context, urn plan.URN, id string, j Journal) error {
	var open []state.Intent
	for _, in := range j.Snapshot().Pending {
		if in.URN == urn {
			open = append(open, in)
		}
	}
	if len(open) == 0 {
		return nothingOpen(urn, j.Snapshot())
	}
	if err := j.Start(ctx, nil); err != nil {
		return err
	}
	var err error
	if id == "" {
		err = absent(ctx, open, j)
	} else {
		err = e.exists(ctx, open, id, j)
	}
	return errors.Join(err, j.Finish(ctx, err))
}

func nothingOpen(urn plan.URN, s *state.Snapshot) error {
	fix := "nothing of this stack is unknown: run the command that you came from again"
	if len(s.Pending) > 0 {
		var urns []string
		for _, in := range s.Pending {
			urns = append(urns, string(in.URN))
		}
		fix = "name one whose end is unknown: " + strings.Join(urns, ", ")
	}
	return &problem.Error{Kind: problem.Usage, Op: "resolve " + string(urn), Err: errors.New("no call about it has an unknown end"), Fix: fix}
}

// absent forgets what does not exist: creates that made nothing, deletes that
// are done.
func absent(ctx context.Context, open []state.Intent, j Journal) error {
	for _, in := range open {
		var err error
		if in.Op == plan.Create {
			err = j.Failed(ctx, in, true)
		} else if _, there := j.Snapshot().Find(in.URN, in.Gen); there {
			in.Op = plan.Delete
			err = j.Done(ctx, in, nil)
		}
		if err != nil {
			return &journalError{err}
		}
	}
	return nil
}

// exists stores the object that a create made, if it can be read.
func (e *Engine) exists(ctx context.Context, open []state.Intent, id string, j Journal) error {
	in := open[len(open)-1]
	if in.Op != plan.Create {
		return &problem.Error{Kind: problem.Usage, Op: "resolve " + string(in.URN),
			Err: fmt.Errorf("a %s of it is open, and it is known to exist", in.Op), Fix: "give --absent if it does not exist any more"}
	}
	made := *in.Resource
	provider, err := e.Providers(made.Type)
	if err != nil {
		return err
	}
	obj, err := provider.Read(ctx, Request{Type: made.Type, Name: made.Name, ID: id, Conn: made.Conn.Resolved, Where: made.Where,
		Tags: ownerTags(j.Snapshot(), made)})
	if errors.Is(err, ErrNotFound) {
		return &problem.Error{Kind: problem.Usage, Op: "resolve " + string(in.URN), Err: fmt.Errorf("there is no %s %s", made.Type, id),
			Fix: "give the identifier as Cloud Control has it (aws cloudcontrol list-resources), or --absent if nothing exists"}
	}
	if err != nil {
		return err
	}
	for _, r := range j.Snapshot().Resources {
		if r.ID == obj.ID && r.Type == made.Type && r.Where.Place() == made.Where.Place() && !r.Gone {
			return &problem.Error{Kind: problem.Usage, Op: "resolve " + string(in.URN),
				Err: fmt.Errorf("%s is %s, generation %d, already", obj.ID, r.URN, r.Gen), Fix: "give --absent if no other object exists"}
		}
	}
	made.ID, made.Outputs, made.Settling = obj.ID, e.outputs(made.Type, obj.Outputs, made.Inputs), true
	if err := j.Done(ctx, in, &made); err != nil {
		return &journalError{err}
	}
	return nil
}
