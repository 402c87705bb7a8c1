package move

import (
	"context"
	"fmt"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/problem"
)

// What becomes of nodes once they are empty.

// cannot says why the nodes' group cannot be scaled or deleted by this move, and
// what can be done instead.
func (o Options) cannot() (why, fix string) {
	if !o.Only.all() {
		return "only some pods are moved, so the nodes are not empty", "leave --workload, --namespace and --pod-selector out"
	}
	if len(o.From) != 1 {
		return "there are several sets", "move one group at a time"
	}
	switch s := o.From[0]; s.Kind {
	case ASG:
		return "", ""
	case Group:
		return "the group is a stack's", "change or remove it in drover.yaml, then drover up: that moves what runs there as well"
	case NodeGroup:
		return "a managed group is scaled and deleted by EKS", fmt.Sprintf("move with --then keep, then aws eks update-nodegroup-config --nodegroup-name %[1]s --scaling-config minSize=0,desiredSize=0, or aws eks delete-nodegroup --nodegroup-name %[1]s", s.Name)
	case NodePool:
		return "the nodes of a NodePool are ended by Karpenter", "move with --then keep: Karpenter ends empty nodes; then kubectl delete nodepool " + s.Name
	case Nodes, Node:
	}
	return "these nodes are no group that could be scaled or deleted", "name the group: asg/NAME"
}

// empty ends the instances of the group by name, and lets it act on its own
// again, with nothing to keep.
func (j *job) empty(ctx context.Context, watch engine.Watch) error {
	err := j.mover(j.Events).Retire(ctx, engine.Retirement{
		Host: engine.Host{Name: j.From[0].Name}, Breach: watch.Breach,
		Wait: func(what string) { j.Events.Emit(event.Progress{Step: 2, Waiting: what}) },
	})
	if err != nil {
		return err
	}
	return j.mover(j.Events).LetGo(ctx, j.From[0].Name)
}

// delete does that, and deletes the group. What it was made of (launch template,
// roles) may be another's, too, and stays.
func (j *job) delete(ctx context.Context, watch engine.Watch) error {
	if err := j.empty(ctx, watch); err != nil {
		return err
	}
	if err := j.undo.DeleteGroup(ctx, j.From[0].Name); err != nil {
		return &problem.Error{Kind: problem.Outside, Op: "delete " + names(j.From), Err: err, Fix: "it is empty: run the same command again, or delete it where it was made"}
	}
	return nil
}
