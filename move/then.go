package move

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
	case ASG, NodeGroup:
		return "", ""
	case Group:
		return "the group is a stack's", "change or remove it in drover.yaml, then drover up: that moves what runs there as well"
	case NodePool:
		return "the nodes of a NodePool are ended by Karpenter", "move with --then keep: Karpenter ends empty nodes; then kubectl delete nodepool " + s.Name
	case Nodes, Node:
	}
	return "these nodes are no group that could be scaled or deleted", "name the group: asg/NAME"
}

// retirable says why AWS cannot be told to scale or delete the group that nodes
// came to: its name alone may be that of another cluster's managed group.
func (j *job) retirable() error {
	if j.Then == Keep || j.From[0].Kind != NodeGroup {
		return nil
	}
	refused := &problem.Error{Kind: problem.Refused, Op: "--then " + string(j.Then), Fix: "move with --then keep"}
	v, err := j.cluster.View()
	switch {
	case err != nil:
		return err
	case j.fleet == nil:
		refused.Err, refused.Fix = errors.New("AWS has to be asked: "+j.why), "set AWS_PROFILE and AWS_REGION"
	case j.from.whole == "":
		refused.Err = errors.New("not all instances of the group are nodes of this cluster, or they are of several Auto Scaling groups")
		refused.Fix = "wait until all nodes have joined (aws eks describe-nodegroup), or move with --then keep"
	case slices.ContainsFunc(j.from.nodes, func(name string) bool { n := v.Nodes[name]; return n != nil && n.Labels[stackLabel] != "" }):
		refused.Err = errors.New("the group is a stack's")
		refused.Fix = "change or remove it in drover.yaml, then drover up: that moves what runs there as well"
	default:
		return nil
	}
	return refused
}

// emptied is the Auto Scaling group whose instances end.
func (j *job) emptied() string {
	if j.From[0].Kind == NodeGroup {
		return j.from.whole
	}
	return j.From[0].Name
}

// unshrinkable says why a move cannot leave some nodes of its group.
func (o Options) unshrinkable() string {
	switch {
	case o.Leave == 0:
		return ""
	case o.Leave < 0:
		return fmt.Sprintf("%d nodes cannot stay", o.Leave)
	case len(o.From) != 1 || o.From[0].Kind != ASG && o.From[0].Kind != NodeGroup:
		return "only one group can shrink"
	case o.Then != Empty:
		return "nodes that are kept make no group smaller"
	}
	return ""
}

// empty ends the instances of the group by name, all but those that stay, and
// lets it act on its own again.
func (j *job) empty(ctx context.Context, watch engine.Watch) error {
	err := j.mover(j.Events).Retire(ctx, engine.Retirement{
		Host: engine.Host{Name: j.emptied()}, Keep: j.Leave, Breach: watch.Breach,
		Wait: func(what string) { j.Events.Emit(event.Progress{Step: 2, Waiting: what}) },
	})
	if err != nil {
		return err
	}
	return j.mover(j.Events).LetGo(ctx, j.emptied())
}

// delete does that, and deletes the group: a managed one by EKS, with all that EKS
// made for it. What somebody else made (launch template, roles) stays.
func (j *job) delete(ctx context.Context, watch engine.Watch) error {
	if err := j.empty(ctx, watch); err != nil {
		return err
	}
	if err := j.undo.DeleteGroup(ctx, j.emptied()); err != nil {
		return &problem.Error{Kind: problem.Outside, Op: "delete " + names(j.From), Err: err, Fix: "it is empty: run the same command again, or delete it where it was made"}
	}
	return nil
}
