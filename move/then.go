package move

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/aws"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/handover"
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

// goOn finds what an earlier run of the same move has left, if the sets alone do not
// tell any more: nodes that have ended carry no label, and a group may be gone. Why
// they do not is returned if there is nothing to go on with.
func (j *job) goOn(ctx context.Context, why error) error {
	var p *problem.Error
	if j.Then == Keep || j.Leave > 0 || j.fleet == nil || why != nil && (!errors.As(why, &p) || p.Kind != problem.Usage) {
		return why
	}
	records, err := j.cluster.Records(ctx)
	if err != nil {
		return errors.Join(why, unread(err))
	}
	rec, err := handover.ReadRecord(records[j.written()])
	if err != nil || rec.Ending == nil {
		return why
	}
	v, err := j.cluster.View()
	if err != nil {
		return err
	}
	if strange, err := j.strangers(ctx, v, rec.Ending.Group); strange || err != nil {
		return errors.Join(why, err)
	}
	for name := range rec.Nodes {
		if n := v.Nodes[name]; n != nil && n.Before != "" && !slices.Contains(j.from.nodes, name) {
			j.from.nodes = append(j.from.nodes, name)
		}
	}
	slices.Sort(j.from.nodes)
	j.from.whole, j.ending = rec.Ending.Group, rec.Ending
	j.ends = rec.Phase == handover.Done && len(j.from.nodes) == 0
	return nil
}

// strangers: the group has instances that are no nodes of this cluster.
func (j *job) strangers(ctx context.Context, v *handover.View, group string) (bool, error) {
	g, err := j.fleet.Group(ctx, group)
	if errors.Is(err, handover.ErrNotFound) {
		return false, nil
	}
	nodes := map[string]bool{}
	for _, n := range v.Nodes {
		nodes[n.Instance] = true
	}
	return slices.ContainsFunc(g.Instances, func(i handover.Instance) bool { return !nodes[i.ID] && !g.Left(i.ID) }), err
}

// written is what the record of the move is called, before its nodes are known.
func (j *job) written() string {
	if len(j.From) == 1 && j.From[0].Kind == ASG {
		return j.From[0].Name
	}
	return names(j.From)
}

// doomed is what ends once the nodes are empty.
func (j *job) doomed(ctx context.Context) (*handover.Ending, error) {
	e := &handover.Ending{Group: j.From[0].Name}
	if j.From[0].Kind == NodeGroup {
		e.Group = j.from.whole
	}
	g, err := j.fleet.Group(ctx, e.Group)
	if err != nil && !errors.Is(err, handover.ErrNotFound) {
		return nil, err
	}
	e.Cluster, e.Nodegroup = aws.ManagedBy(g)
	return e, nil
}

// retire ends the instances of the group by name.
func (j *job) retire(ctx context.Context, breach func() (string, bool)) error {
	return j.mover(j.Events).Retire(ctx, engine.Retirement{
		Host: engine.Host{Name: j.ending.Group}, Keep: j.Leave, Breach: breach,
		Wait: func(what string) { j.Events.Emit(event.Progress{Step: j.id(2), Waiting: what}) },
	})
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
func (j *job) empty(ctx context.Context, breach func() (string, bool)) error {
	if err := j.retire(ctx, breach); err != nil {
		return err
	}
	return j.mover(j.Events).LetGo(ctx, j.ending.Group)
}

// delete ends them, and deletes the group, which is held still to its end: a managed
// one by EKS, with all that EKS made for it. What somebody else made (launch template,
// roles) stays.
func (j *job) delete(ctx context.Context, breach func() (string, bool)) error {
	if err := j.retire(ctx, breach); err != nil {
		return err
	}
	if err := j.undo.DeleteGroup(ctx, *j.ending); err != nil {
		return &problem.Error{Kind: problem.Outside, Op: "delete " + names(j.From), Err: err, Fix: "it is empty: run the same command again, or delete it where it was made"}
	}
	return nil
}
