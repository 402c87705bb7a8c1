package move

import (
	"context"
	"errors"
	"fmt"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/problem"
)

// Ready returns once each of the groups (asg/NAME, nodegroup/NAME) has as many
// nodes that are Ready and set up as it wants: a group that was just made cannot
// take pods before. tell hears what it waits for; nil: nobody does.
func Ready(ctx context.Context, a Access, groups []Set, tell func(string)) error {
	s, err := open(ctx, a)
	if err != nil {
		return err
	}
	defer s.close()
	return s.ready(ctx, groups, tell)
}

func (s *session) ready(ctx context.Context, groups []Set, tell func(string)) error {
	if tell == nil {
		tell = func(string) {}
	}
	for _, g := range groups {
		name, err := s.scalingGroup(ctx, g)
		if err != nil {
			return err
		}
		wait := func(what string) { tell(fmt.Sprintf("%s: %s", g, what)) }
		if err := s.mover(event.Discard).Ready(ctx, engine.Host{Name: name}, wait); err != nil {
			return err
		}
	}
	return nil
}

// scalingGroup is the Auto Scaling group of a set. Of a managed group it is known
// by its nodes, which EKS has waited for when it calls the group active.
func (s *session) scalingGroup(ctx context.Context, g Set) (string, error) {
	unknown := func(why, fix string) (string, error) {
		return "", &problem.Error{Kind: problem.Outside, Op: "wait for the nodes of " + g.String(), Err: errors.New(why), Fix: fix}
	}
	switch {
	case g.Kind != ASG && g.Kind != NodeGroup:
		return "", badSet(g.String(), errors.New("how many nodes these are to be is not known"), "name a group: asg/NAME or nodegroup/NAME")
	case s.fleet == nil:
		return unknown("AWS cannot be asked how many it wants: "+s.why, "set AWS_PROFILE and AWS_REGION")
	case g.Kind == ASG:
		return g.Name, nil
	}
	f, err := s.resolve(ctx, []Set{g})
	if err == nil && f.whole == "" {
		return unknown("not all instances of the group are nodes of this cluster", "see aws eks describe-nodegroup for the group's health, then run the same command again")
	}
	return f.whole, err
}
