package aws

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/droverhq/drover/internal/handover"
)

// Habits tells what makes a group larger or smaller, or replaces its instances,
// without anybody asking. What could not be read is an error beside the rest.
func (s *Scaling) Habits(ctx context.Context, group string) (handover.Habits, error) {
	var h handover.Habits
	g, err := s.find(ctx, group)
	if err != nil {
		return h, err
	}
	for _, i := range g.Instances {
		if string(i.LifecycleState) == handover.Retained {
			h.Retained = append(h.Retained, aws.ToString(i.InstanceId))
		}
	}
	name := aws.ToString(g.AutoScalingGroupName)
	err = errors.Join(s.policies(ctx, name, &h), s.schedules(ctx, name, &h), s.warmPool(ctx, name, &h), s.refreshes(ctx, name, &h))
	return h, err
}

func (s *Scaling) policies(ctx context.Context, group string, h *handover.Habits) error {
	out, err := s.groups.DescribePolicies(ctx, &autoscaling.DescribePoliciesInput{AutoScalingGroupName: &group})
	if err != nil {
		return fmt.Errorf("read the scaling policies of %s: %w", group, err)
	}
	for _, p := range out.ScalingPolicies {
		if aws.ToBool(p.Enabled) || p.Enabled == nil {
			h.Policies = append(h.Policies, aws.ToString(p.PolicyName))
		}
	}
	return nil
}

func (s *Scaling) schedules(ctx context.Context, group string, h *handover.Habits) error {
	out, err := s.groups.DescribeScheduledActions(ctx, &autoscaling.DescribeScheduledActionsInput{AutoScalingGroupName: &group})
	if err != nil {
		return fmt.Errorf("read the scheduled actions of %s: %w", group, err)
	}
	for _, a := range out.ScheduledUpdateGroupActions {
		h.Schedules = append(h.Schedules, aws.ToString(a.ScheduledActionName))
	}
	return nil
}

func (s *Scaling) warmPool(ctx context.Context, group string, h *handover.Habits) error {
	out, err := s.groups.DescribeWarmPool(ctx, &autoscaling.DescribeWarmPoolInput{AutoScalingGroupName: &group})
	if err != nil {
		return fmt.Errorf("read the warm pool of %s: %w", group, err)
	}
	h.WarmPool = out.WarmPoolConfiguration != nil
	return nil
}

func (s *Scaling) refreshes(ctx context.Context, group string, h *handover.Habits) error {
	out, err := s.groups.DescribeInstanceRefreshes(ctx, &autoscaling.DescribeInstanceRefreshesInput{AutoScalingGroupName: &group})
	if err != nil {
		return fmt.Errorf("read the instance refreshes of %s: %w", group, err)
	}
	for _, r := range out.InstanceRefreshes {
		switch r.Status {
		case astypes.InstanceRefreshStatusPending, astypes.InstanceRefreshStatusInProgress, astypes.InstanceRefreshStatusBaking, astypes.InstanceRefreshStatusRollbackInProgress:
			h.Refresh = string(r.Status)
		default: // it is over, or about to be
		}
	}
	return nil
}
