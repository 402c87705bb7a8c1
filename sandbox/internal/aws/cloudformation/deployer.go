package cloudformation

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/cloudcontrol"
	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// Handlers make and remove resources: those of Cloud Control.
type Handlers interface {
	Kind(name string) (cloudcontrol.Kind, bool)
	Begin(st *region.State, op region.Operation) (token string)
}

// Deployer brings stacks to what was asked for. All that it knows is in the state, so
// that a stack goes on after a restart.
type Deployer struct {
	store    *region.Store
	handlers Handlers
	now      func() time.Time
	log      *slog.Logger
}

// NewDeployer makes it.
func NewDeployer(store *region.Store, handlers Handlers, now func() time.Time, log *slog.Logger) *Deployer {
	return &Deployer{store: store, handlers: handlers, now: now, log: log}
}

// Run acts on stacks until ctx ends.
func (d *Deployer) Run(ctx context.Context) {
	for changed := d.store.Watch(); ; {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		for _, id := range d.due() {
			if err := d.store.Update(func(st *region.State) error { return d.turn(st, st.Stacks[id]) }); err != nil {
				d.log.Error("stack", "id", id, "err", err)
			}
		}
	}
}

// due are the stacks for which something has ended, or may begin.
func (d *Deployer) due() (ids []string) {
	d.store.View(func(st *region.State) {
		for id, stack := range st.Stacks {
			flying, ended := 0, 0
			for _, r := range stack.Resources {
				if op := st.Operations[r.Operation]; op != nil && op.Ended() {
					ended++
				} else if op != nil {
					flying++
				}
			}
			if stack.InProgress() && (ended > 0 || flying == 0) {
				ids = append(ids, id)
			}
		}
	})
	return ids
}

// turn takes note of what has ended for a stack, and begins what may.
func (d *Deployer) turn(st *region.State, stack *region.Stack) error {
	t, err := parse(stack.Template)
	if err != nil {
		return err
	}
	s := &scope{template: t, st: st, stack: stack, kind: d.handlers.Kind}
	for _, r := range stack.Resources {
		if op := st.Operations[r.Operation]; op != nil && op.Ended() {
			d.note(stack, r, op)
			delete(st.Operations, r.Operation)
			r.Operation = ""
		}
	}
	if stack.Status == region.CreateInProgress {
		d.create(s)
	} else {
		d.remove(s)
	}
	return nil
}

// note takes down how an operation on a resource has ended.
func (d *Deployer) note(stack *region.Stack, r *region.StackResource, op *region.Operation) {
	succeeded := op.Status == "SUCCESS" || op.Action == "DELETE" && op.ErrorCode == "NotFound"
	reason := ""
	if !succeeded {
		reason = fmt.Sprintf("Resource handler returned message: \"%s\" (RequestToken: %s, HandlerErrorCode: %s)", op.Message, op.Token, op.ErrorCode)
	}
	verdict := map[bool]string{true: "COMPLETE", false: "FAILED"}[succeeded]
	if op.Action == "CREATE" && op.Applied {
		r.PhysicalID = op.Identifier
	}
	stack.ResourceBecomes(r, op.Action+"_"+verdict, reason, d.stamp())
}

func (d *Deployer) stamp() time.Time { return region.Stamp(d.now()) }
