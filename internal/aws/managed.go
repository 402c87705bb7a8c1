package aws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/sleep"
	"github.com/droverhq/drover/problem"
)

// Managed node groups of EKS, natively. The Auto Scaling group behind one may be
// looked at, tagged, kept from acting on its own, and told to end an instance by
// name, as the Cluster Autoscaler does; its sizes and its end are EKS's, which
// takes a group that others resize for broken.

// Tags by which EKS marks the Auto Scaling groups of its managed groups.
const (
	managedName    = "eks:nodegroup-name"
	managedCluster = "eks:cluster-name"
)

// managed names a managed node group.
type managed struct{ cluster, name string }

func (m managed) String() string { return "managed node group " + m.name + " of cluster " + m.cluster }

// managedOf tells of an Auto Scaling group which managed group it belongs to.
func managedOf(tags map[string]string) (managed, bool) {
	m := managed{tags[managedCluster], tags[managedName]}
	return m, m.cluster != "" && m.name != ""
}

// find reads the Auto Scaling group that is called so, or that is behind the
// managed group that is called so.
func (s *Scaling) find(ctx context.Context, name string) (astypes.AutoScalingGroup, error) {
	s.mu.Lock()
	known, ok := s.behind[name]
	s.mu.Unlock()
	if !ok {
		known = name
	}
	found, err := s.describe(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{known}})
	if err == nil && len(found) == 0 && !ok {
		found, err = s.describe(ctx, &autoscaling.DescribeAutoScalingGroupsInput{
			Filters: []astypes.Filter{{Name: aws.String("tag:" + managedName), Values: []string{name}}}})
	}
	switch {
	case err != nil:
		return astypes.AutoScalingGroup{}, fmt.Errorf("read Auto Scaling group %s: %w", name, err)
	case len(found) == 0:
		return astypes.AutoScalingGroup{}, fmt.Errorf("read Auto Scaling group %s: %w", name, handover.ErrNotFound)
	case len(found) > 1:
		return astypes.AutoScalingGroup{}, &problem.Error{Kind: problem.Usage, Op: "find the Auto Scaling group of " + name,
			Err: fmt.Errorf("%d managed node groups of this region are called so", len(found)),
			Fix: "name the Auto Scaling group itself: asg/" + aws.ToString(found[0].AutoScalingGroupName)}
	}
	s.mu.Lock()
	s.behind[name] = aws.ToString(found[0].AutoScalingGroupName)
	s.mu.Unlock()
	return found[0], nil
}

func (s *Scaling) describe(ctx context.Context, in *autoscaling.DescribeAutoScalingGroupsInput) ([]astypes.AutoScalingGroup, error) {
	out, err := s.groups.DescribeAutoScalingGroups(ctx, in)
	if err != nil {
		return nil, err
	}
	return out.AutoScalingGroups, nil
}

// called is the Auto Scaling group's own name.
func (s *Scaling) called(ctx context.Context, name string) (string, error) {
	s.mu.Lock()
	known, ok := s.behind[name]
	s.mu.Unlock()
	if ok {
		return known, nil
	}
	g, err := s.find(ctx, name)
	return aws.ToString(g.AutoScalingGroupName), err
}

// How long EKS may take for a change of a group that moves no pods, and how often
// it is asked. It takes seconds; a delete of an empty group takes minutes.
const (
	managedPatience = 15 * time.Minute
	managedLook     = 2 * time.Second
)

// setManagedMin sets the least size of a managed group.
func (s *Scaling) setManagedMin(ctx context.Context, m managed, n int) error {
	var update *ekstypes.Update
	op := fmt.Sprintf("set the least size of %s to %d", m, n)
	err := s.whenFree(ctx, func() error {
		out, err := s.eks.UpdateNodegroupConfig(ctx, &eks.UpdateNodegroupConfigInput{ClusterName: &m.cluster, NodegroupName: &m.name,
			ScalingConfig: &ekstypes.NodegroupScalingConfig{MinSize: aws.Int32(int32(n))}})
		if err == nil {
			update = out.Update
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return about(updated(ctx, s.eks, m, update, nil), "%s", op)
}

// whenFree repeats a call while another update of the group is under way.
func (s *Scaling) whenFree(ctx context.Context, call func() error) error {
	for until := time.Now().Add(managedPatience); ; {
		err := call()
		var busy *ekstypes.ResourceInUseException
		if !errors.As(err, &busy) || time.Now().After(until) {
			return err
		}
		if err := sleep.For(ctx, managedLook); err != nil {
			return err
		}
	}
}

// updated waits for the end of an update of a managed group.
func updated(ctx context.Context, client *eks.Client, m managed, u *ekstypes.Update, wait func(string)) error {
	for {
		switch u.Status {
		case ekstypes.UpdateStatusSuccessful:
			return nil
		case ekstypes.UpdateStatusFailed, ekstypes.UpdateStatusCancelled:
			return updateFailed(m, u)
		case ekstypes.UpdateStatusInProgress:
		}
		if wait != nil {
			wait("EKS replaces the nodes of " + m.name)
		}
		if err := sleep.For(ctx, managedLook); err != nil {
			return err
		}
		out, err := client.DescribeUpdate(ctx, &eks.DescribeUpdateInput{Name: &m.cluster, NodegroupName: &m.name, UpdateId: u.Id})
		if err != nil {
			return err
		}
		u = out.Update
	}
}

// updateFailed tells why EKS gave an update up. It says which node, never which pod.
func updateFailed(m managed, u *ekstypes.Update) error {
	p := &problem.Error{Kind: problem.Outside, Op: "update " + m.String(), Err: fmt.Errorf("EKS ended it as %s", u.Status),
		Fix: "see aws eks describe-nodegroup, mend what it names, and run the same command again"}
	for k, e := range u.Errors {
		text := fmt.Sprintf("%s: %s", e.ErrorCode, aws.ToString(e.ErrorMessage))
		if len(e.ResourceIds) > 0 {
			text += " (" + strings.Join(e.ResourceIds, ", ") + ")"
		}
		if k == 0 {
			p.Err = errors.New(text)
		} else {
			p.Notes = append(p.Notes, "also "+text)
		}
		if e.ErrorCode == ekstypes.ErrorCodePodEvictionFailure {
			p.Fix = "a disruption budget kept a pod for 15 minutes, and all is as before: remove update: eks, so that Drover moves what runs there, or mend the budget (kubectl get pdb -A)"
		}
	}
	return p
}

// deleteManaged deletes the managed group that has no nodes and is in front of the
// Auto Scaling group, and waits for its end. A group of the same name in front of
// another one was made since: it is left alone. One that is being deleted is not
// asked for again, which EKS refuses.
func (s *Scaling) deleteManaged(ctx context.Context, m managed, group string) error {
	going := false
	for {
		out, err := s.eks.DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: &m.cluster, NodegroupName: &m.name})
		var missing *ekstypes.ResourceNotFoundException
		switch {
		case errors.As(err, &missing):
			return nil
		case err != nil:
			return fmt.Errorf("delete %s: %w", m, err)
		case !inFrontOf(out.Nodegroup, group):
			return nil
		case out.Nodegroup.Status == ekstypes.NodegroupStatusDeleteFailed && going:
			return fmt.Errorf("delete %s: EKS ended it as DELETE_FAILED: %s", m, issuesOf(out.Nodegroup))
		case out.Nodegroup.Status == ekstypes.NodegroupStatusDeleting:
			going = true
		case !going:
			if going, err = true, s.askToDelete(ctx, m); err != nil {
				return fmt.Errorf("delete %s: %w", m, err)
			}
		}
		if err := sleep.For(ctx, managedLook); err != nil {
			return fmt.Errorf("delete %s: %w", m, err)
		}
	}
}

// askToDelete asks EKS once it is free to; one that is gone by then is no error.
func (s *Scaling) askToDelete(ctx context.Context, m managed) error {
	err := s.whenFree(ctx, func() error {
		_, err := s.eks.DeleteNodegroup(ctx, &eks.DeleteNodegroupInput{ClusterName: &m.cluster, NodegroupName: &m.name})
		return err
	})
	var missing *ekstypes.ResourceNotFoundException
	if errors.As(err, &missing) {
		return nil
	}
	return err
}

// inFrontOf: the Auto Scaling group is the managed group's, as far as EKS tells.
func inFrontOf(n *ekstypes.Nodegroup, group string) bool {
	if n.Resources == nil || len(n.Resources.AutoScalingGroups) == 0 {
		return true
	}
	return slices.ContainsFunc(n.Resources.AutoScalingGroups, func(g ekstypes.AutoScalingGroup) bool { return aws.ToString(g.Name) == group })
}

// issuesOf are a managed group's health issues in a line.
func issuesOf(n *ekstypes.Nodegroup) string {
	var texts []string
	if n.Health != nil {
		for _, i := range n.Health.Issues {
			texts = append(texts, fmt.Sprintf("%s: %s", i.Code, aws.ToString(i.Message)))
		}
	}
	return cmp.Or(strings.Join(texts, "; "), "see aws eks describe-nodegroup")
}

// upgrade moves a managed group to another version or release by EKS's own rolling
// update, if that is what the change is: its CloudFormation handler cannot
// (pulumi-aws-native #1747, #2260). A group that has it already is left alone, and
// an update that an earlier run began is waited for.
func (p *Provider) upgrade(ctx context.Context, r engine.Request, old, want map[string]any) (bool, error) {
	if r.Type != "AWS::EKS::Nodegroup" || equal(old["Version"], want["Version"]) && equal(old["ReleaseVersion"], want["ReleaseVersion"]) {
		return false, nil
	}
	cluster, name, _ := strings.Cut(r.ID, "/")
	m := managed{cluster, name}
	text := func(key string) *string {
		value, _ := want[key].(string)
		if value == "" {
			return nil
		}
		return &value
	}
	in := &eks.UpdateNodegroupVersionInput{ClusterName: &cluster, NodegroupName: &name, Version: text("Version"), ReleaseVersion: text("ReleaseVersion")}
	for {
		live, err := p.eks.DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: &cluster, NodegroupName: &name})
		switch {
		case err != nil:
			return true, err
		case live.Nodegroup.Status == ekstypes.NodegroupStatusUpdating:
			if r.Wait != nil {
				r.Wait("EKS is updating " + name)
			}
			if err := sleep.For(ctx, managedLook); err != nil {
				return true, err
			}
			continue
		case has(in.Version, live.Nodegroup.Version) && has(in.ReleaseVersion, live.Nodegroup.ReleaseVersion):
			return true, nil
		}
		out, err := p.eks.UpdateNodegroupVersion(ctx, in)
		if err != nil {
			return true, err
		}
		return true, updated(ctx, p.eks, m, out.Update, r.Wait)
	}
}

// has: what is wanted is so already, or nothing is.
func has(want, live *string) bool { return want == nil || aws.ToString(live) == *want }
