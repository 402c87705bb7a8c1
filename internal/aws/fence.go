package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/problem"
)

// The fence of an Auto Scaling group: nobody's delete or scale-in ends an instance
// of it on which pods may serve. A termination hook whose default result is ABANDON
// holds each instance that is about to end; the group retains what is abandoned; and
// it cannot be deleted by force, which would ask no hook. Drover completes its own
// hook for instances that it has emptied.

const (
	fenceHook = "drover-fence"

	// fenceHolds is how long, in seconds, the hook holds an instance until it is
	// retained. AWS takes 30 at the least; Drover answers within one or two, and who
	// asked for the end need not wait for long to see that it does not come.
	fenceHolds = 60

	terminating = "autoscaling:EC2_INSTANCE_TERMINATING"
)

// unfenced is what a group was like before: the value of its tag.
type unfenced struct {
	Abandon    astypes.RetentionAction    `json:"abandon,omitempty"`
	Protection astypes.DeletionProtection `json:"protection,omitempty"`
}

// Protect puts the fence round a group. What it was like before is written down on
// it first, so that a call that is cut short may be repeated.
func (s *Scaling) Protect(ctx context.Context, group string) error {
	g, err := s.find(ctx, group)
	if err != nil {
		return err
	}
	if m, is := managedOf(asGroup(g).Tags); is {
		return &problem.Error{Kind: problem.Refused, Op: "protect " + group, Err: fmt.Errorf("it belongs to %s: EKS has its own termination hook there and completes it, and supports no other settings of the group than its own", m),
			Fix: "deny eks:DeleteNodegroup and eks:UpdateNodegroupConfig by IAM to who must not, and move what runs there by drover migrate"}
	}
	if _, fenced := asGroup(g).Tags[handover.FenceTag]; !fenced {
		if err := s.Tag(ctx, group, map[string]string{handover.FenceTag: before(g)}); err != nil {
			return err
		}
	}
	if _, err := s.groups.PutLifecycleHook(ctx, &autoscaling.PutLifecycleHookInput{AutoScalingGroupName: &group, LifecycleHookName: aws.String(fenceHook),
		LifecycleTransition: aws.String(terminating), DefaultResult: aws.String("ABANDON"), HeartbeatTimeout: aws.Int32(fenceHolds)}); err != nil {
		return about(err, "put a termination hook on Auto Scaling group %s", group)
	}
	protection := astypes.DeletionProtectionPreventForceDeletion
	if g.DeletionProtection == astypes.DeletionProtectionPreventAllDeletion {
		protection = g.DeletionProtection
	}
	return s.setFence(ctx, group, astypes.RetentionActionRetain, protection)
}

// before tells of a group what Unprotect puts back.
func before(g astypes.AutoScalingGroup) string {
	u := unfenced{Abandon: astypes.RetentionActionTerminate, Protection: astypes.DeletionProtectionNone}
	if p := g.InstanceLifecyclePolicy; p != nil && p.RetentionTriggers != nil && p.RetentionTriggers.TerminateHookAbandon != "" {
		u.Abandon = p.RetentionTriggers.TerminateHookAbandon
	}
	if g.DeletionProtection != "" {
		u.Protection = g.DeletionProtection
	}
	data, _ := json.Marshal(u) // strings
	return string(data)
}

// Unprotect takes the fence away and puts back what was there. An instance that the
// hook holds would end at once: that is refused. Instances that are retained stay so,
// and are returned.
func (s *Scaling) Unprotect(ctx context.Context, group string) (retained []string, err error) {
	g, err := s.find(ctx, group)
	if err != nil {
		return nil, err
	}
	text, fenced := asGroup(g).Tags[handover.FenceTag]
	if !fenced {
		return nil, &problem.Error{Kind: problem.Refused, Op: "unprotect " + group, Err: errors.New("it carries no fence of Drover's"), Fix: "drover protect asg/" + group + " puts one round it"}
	}
	for _, i := range g.Instances {
		switch string(i.LifecycleState) {
		case handover.TerminatingWait:
			return nil, &problem.Error{Kind: problem.Refused, Op: "unprotect " + group, Err: fmt.Errorf("instance %s is held by the fence, and would end at once", aws.ToString(i.InstanceId)),
				Fix: fmt.Sprintf("wait until it is retained (%d s), move what runs there by drover migrate --from node/NAME, and run the same command again", fenceHolds)}
		case handover.Retained:
			retained = append(retained, aws.ToString(i.InstanceId))
		}
	}
	u := unfenced{Abandon: astypes.RetentionActionTerminate, Protection: astypes.DeletionProtectionNone}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &u); err != nil {
			return nil, fmt.Errorf("read the tag %s of Auto Scaling group %s: %w", handover.FenceTag, group, err)
		}
	}
	if err := s.setFence(ctx, group, u.Abandon, u.Protection); err != nil {
		return nil, err
	}
	_, err = s.groups.DeleteLifecycleHook(ctx, &autoscaling.DeleteLifecycleHookInput{AutoScalingGroupName: &group, LifecycleHookName: aws.String(fenceHook)})
	if err != nil && !says(err, "No Lifecycle Hook found") {
		return nil, about(err, "delete the termination hook of Auto Scaling group %s", group)
	}
	return retained, s.Untag(ctx, group, []string{handover.FenceTag})
}

func (s *Scaling) setFence(ctx context.Context, group string, abandon astypes.RetentionAction, protection astypes.DeletionProtection) error {
	_, err := s.groups.UpdateAutoScalingGroup(ctx, &autoscaling.UpdateAutoScalingGroupInput{AutoScalingGroupName: &group, DeletionProtection: protection,
		InstanceLifecyclePolicy: &astypes.InstanceLifecyclePolicy{RetentionTriggers: &astypes.RetentionTriggers{TerminateHookAbandon: abandon}}})
	return about(err, "set what Auto Scaling group %s retains, and its deletion protection", group)
}

// Release completes the fence's hook for instances that it holds. One that it does
// not hold, or no longer, is no error.
func (s *Scaling) Release(ctx context.Context, group string, instances []string) error {
	for _, id := range instances {
		_, err := s.groups.CompleteLifecycleAction(ctx, &autoscaling.CompleteLifecycleActionInput{AutoScalingGroupName: &group, LifecycleHookName: aws.String(fenceHook),
			InstanceId: &id, LifecycleActionResult: aws.String("CONTINUE")})
		if err != nil && !says(err, "No active Lifecycle Action") {
			return about(err, "let instance %s of Auto Scaling group %s end", id, group)
		}
	}
	return nil
}

// endRetained asks again for the end of instances that an abandoned hook has kept.
// They no longer count, and AWS refuses to lower the desired capacity for them.
func (s *Scaling) endRetained(ctx context.Context, g handover.Group, instances []string) error {
	for _, i := range g.Instances {
		if i.Lifecycle != handover.Retained || !slices.Contains(instances, i.ID) {
			continue
		}
		_, err := s.groups.TerminateInstanceInAutoScalingGroup(ctx, &autoscaling.TerminateInstanceInAutoScalingGroupInput{InstanceId: &i.ID, ShouldDecrementDesiredCapacity: aws.Bool(false)})
		if err != nil {
			return about(err, "end instance %s, which Auto Scaling group %s retains", i.ID, g.Name)
		}
	}
	return nil
}
