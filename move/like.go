package move

import (
	"context"
	"errors"
	"fmt"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/aws"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// A move whose new group does not stand yet: it is made first, as a copy of the one
// that is emptied. The copy's name follows from what is asked for, so the same call
// finds what an earlier one has made.

// Like says what the new group has other than the one that is emptied. What is
// empty is as there.
type Like struct {
	Name         string // of the new group; empty: the old one's with a suffix
	InstanceType string
	Version      string // of Kubernetes, where AWS publishes the image
	AMI          string // an image (ami-…), or of a managed group a type of images of EKS (AL2023_ARM_64_STANDARD)
	Capacity     string // 4, or MIN:DESIRED:MAX
}

// copyist makes groups like others.
type copyist interface {
	PlanCopy(ctx context.Context, of handover.Ending, with aws.Changes) (*aws.Copy, error)
	Make(ctx context.Context, c *aws.Copy, wait func(string)) (group string, err error)
}

// unlikely says why no group can be made like the one that is emptied.
func (o Options) unlikely() (why, fix string) {
	switch {
	case o.CreateLike == nil:
		return "", ""
	case len(o.From) != 1 || o.From[0].Kind != ASG && o.From[0].Kind != NodeGroup:
		return "only one group can be copied", "name it: --from nodegroup/NAME or asg/NAME"
	case len(o.To) > 0:
		return "the pods go to the copy", "leave --to out, or --create-like"
	case o.Leave > 0:
		return "a group that only shrinks has no successor", "leave it out"
	}
	if _, err := o.CreateLike.changes(); err != nil {
		return err.Error(), "write --capacity as 4, or as 2:4:8"
	}
	return "", ""
}

func (l Like) changes() (aws.Changes, error) {
	c := aws.Changes{Name: l.Name, InstanceType: l.InstanceType, Version: l.Version, AMI: l.AMI}
	var err error
	if l.Capacity != "" {
		c.Size, err = aws.ParseBounds(l.Capacity)
	}
	return c, err
}

// like plans the copy, and counts on its nodes that have yet to come. What an
// earlier run has brought so far that only the end is left needs none.
func (j *job) like(ctx context.Context) error {
	if j.CreateLike == nil || j.ends {
		return nil
	}
	refused := &problem.Error{Kind: problem.Refused, Op: "make a group like " + names(j.From)}
	switch {
	case j.copies == nil:
		refused.Err, refused.Fix = errors.New("AWS has to be asked: "+j.why), "set AWS_PROFILE and AWS_REGION"
		return refused
	case j.From[0].Kind == NodeGroup && j.from.whole == "":
		refused.Err, refused.Fix = errors.New("not all instances of the group are nodes of this cluster"), "wait until all nodes have joined (aws eks describe-nodegroup)"
		return refused
	}
	of, err := j.doomed(ctx)
	if err != nil {
		return err
	}
	with, err := j.CreateLike.changes()
	if err != nil {
		return err
	}
	if j.copy, err = j.copies.PlanCopy(ctx, *of, with); err != nil {
		return err
	}
	missing := j.copy.Nodes
	if j.copy.Made {
		missing -= j.joined(ctx)
	}
	if missing > 0 {
		j.Fresh = append(j.Fresh, freshOf(j.copy, missing))
	}
	return nil
}

// freshOf are nodes of a copy that are yet to come.
func freshOf(c *aws.Copy, nodes int) Fresh { return Fresh{Nodes: nodes, InstanceType: c.Type} }

// set is the copy, as a set of nodes.
func (j *job) set() Set {
	if j.copy.Managed {
		return Set{NodeGroup, j.copy.Name}
	}
	return Set{ASG, j.copy.Name}
}

// joined is how many nodes of the copy are Ready.
func (j *job) joined(ctx context.Context) int {
	f, err := j.resolve(ctx, []Set{j.set()})
	if err != nil {
		return 0
	}
	v, err := j.cluster.View()
	if err != nil {
		return 0
	}
	n := 0
	for _, name := range f.nodes {
		if v.Nodes[name] != nil && v.Nodes[name].Ready {
			n++
		}
	}
	return n
}

// makeIt makes the copy, waits until its nodes are Ready, and moves to them.
func (j *job) makeIt(ctx context.Context) error {
	wait := func(what string) { j.Events.Emit(event.Progress{Step: 1, Waiting: what}) }
	group, err := j.copies.Make(ctx, j.copy, wait)
	if err != nil {
		return err
	}
	if err := j.mover(j.Events).Ready(ctx, engine.Host{Name: group}, wait); err != nil {
		return err
	}
	j.To, j.Fresh = []Set{j.set()}, nil
	if j.to, err = j.resolve(ctx, j.To); err != nil {
		return fmt.Errorf("find the nodes of %s: %w", j.set(), err)
	}
	return nil
}

// making is the step of it in the plan.
func (j *job) making() []plan.Step {
	if j.copy == nil {
		return nil
	}
	why := fmt.Sprintf("like %s, %s", names(j.From), problem.Count(j.copy.Nodes, "node"))
	if j.copy.Made {
		why = "made by an earlier run: wait for its nodes"
	}
	urn := plan.NewURN("", "", string(j.set().Kind), j.copy.Name)
	return []plan.Step{{ID: 1, Op: plan.Create, URN: urn, Gen: 1, Name: urn.Name(), Why: why}}
}

// id is that of a step of the move itself, which comes after the making.
func (j *job) id(n int) int { return n + len(j.making()) }
