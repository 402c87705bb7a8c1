package handover

import (
	"context"
	"fmt"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/problem"
)

// The end of nodes that an errand has emptied. The record of its move outlives the
// move until they have ended, so that whoever asks for the same again goes on with
// that, though no node is left to tell what was meant.

// Ending is what ends once the nodes of an errand are empty.
type Ending struct {
	Group     string `json:"group"`               // the Auto Scaling group of their instances
	Cluster   string `json:"cluster,omitempty"`   // the cluster of EKS whose managed group …
	Nodegroup string `json:"nodegroup,omitempty"` // … that one is behind; empty: nobody's
}

// End does what becomes of the nodes, under the lock of their move, and forgets
// the move.
func (m *Mover) End(ctx context.Context, mv engine.Move, do func(context.Context) error) error {
	cluster, err := m.open(context.WithoutCancel(ctx), mv.From)
	if err != nil {
		return err
	}
	defer cluster.Close()
	r := newRun(m, cluster, mv)
	if r.lock, err = keep(ctx, cluster, mv.From.Name, Me(), r.say); err != nil {
		return err
	}
	defer r.lock.release(ctx)
	if err := do(ctx); err != nil {
		return err
	}
	r.forget(ctx)
	return nil
}

// ends leaves the record behind as that of a move whose nodes are about to end.
// Without it nothing is ended: a run that is killed then could not be gone on with.
func (r *run) ends(ctx context.Context) error {
	r.core.Record.Waits = nil
	var err error
	for range 5 {
		if err = r.cluster.SaveRecord(context.WithoutCancel(ctx), r.move.From.Name, []byte(encode(r.core.Record))); err == nil {
			return nil
		}
		if !pause(ctx, reread) {
			break
		}
	}
	return &problem.Error{Kind: problem.Outside, Op: "hand over " + r.move.From.Name, Err: fmt.Errorf("all has moved, and that could not be written down: %w", err),
		Fix: "no node was ended. See that the cluster answers, then run the same command again"}
}
