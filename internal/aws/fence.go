package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"golang.org/x/sync/errgroup"

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
	return retained, s.putBack(ctx, group, text)
}

// putBack makes a group what its fence's tag says that it was like.
func (s *Scaling) putBack(ctx context.Context, group, text string) error {
	u := unfenced{Abandon: astypes.RetentionActionTerminate, Protection: astypes.DeletionProtectionNone}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &u); err != nil {
			return fmt.Errorf("read the tag %s of Auto Scaling group %s: %w", handover.FenceTag, group, err)
		}
	}
	if err := s.setFence(ctx, group, u.Abandon, u.Protection); err != nil {
		return err
	}
	_, err := s.groups.DeleteLifecycleHook(ctx, &autoscaling.DeleteLifecycleHookInput{AutoScalingGroupName: &group, LifecycleHookName: aws.String(fenceHook)})
	if err != nil && !says(err, "No Lifecycle Hook found") {
		return about(err, "delete the termination hook of Auto Scaling group %s", group)
	}
	return s.Untag(ctx, group, []string{handover.FenceTag})
}

// lower takes the fence of a group away that is about to be deleted with whatever is
// in it: an instance that the hook holds ends with the hook, and one that is retained
// is ended. Without, the delete would wait for them for hours, and fail. A group
// without a fence, or that is gone, is no error.
func (s *Scaling) lower(ctx context.Context, group string) error {
	found, err := s.describe(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{group}})
	if err != nil || len(found) == 0 {
		return about(err, "read Auto Scaling group %s", group)
	}
	g := asGroup(found[0])
	text, fenced := g.Tags[handover.FenceTag]
	if !fenced {
		return nil
	}
	if err := s.endRetained(ctx, g, nil); err != nil { // the hook holds them once more, until it goes
		return err
	}
	return s.putBack(ctx, group, text)
}

func (s *Scaling) setFence(ctx context.Context, group string, abandon astypes.RetentionAction, protection astypes.DeletionProtection) error {
	_, err := s.groups.UpdateAutoScalingGroup(ctx, &autoscaling.UpdateAutoScalingGroupInput{AutoScalingGroupName: &group, DeletionProtection: protection,
		InstanceLifecyclePolicy: &astypes.InstanceLifecyclePolicy{RetentionTriggers: &astypes.RetentionTriggers{TerminateHookAbandon: abandon}}})
	return about(err, "set what Auto Scaling group %s retains, and its deletion protection", group)
}

// releases is how many instances are let go at once: a call takes one of them, and
// Auto Scaling throttles who asks faster than about ten times a second.
const releases = 8

// Release completes the fence's hook for instances that it holds. One that it does
// not hold, or no longer, is no error.
func (s *Scaling) Release(ctx context.Context, group string, instances []string) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(releases)
	for _, id := range instances {
		work.Go(func() error {
			_, err := s.groups.CompleteLifecycleAction(ctx, &autoscaling.CompleteLifecycleActionInput{AutoScalingGroupName: &group, LifecycleHookName: aws.String(fenceHook),
				InstanceId: &id, LifecycleActionResult: aws.String("CONTINUE")})
			if err != nil && !says(err, "No active Lifecycle Action") {
				return about(err, "let instance %s of Auto Scaling group %s end", id, group)
			}
			return nil
		})
	}
	return work.Wait()
}

// endRetained asks again for the end of instances that an abandoned hook has kept.
// They no longer count, and AWS refuses to lower the desired capacity for them. No
// instances are all that it retains.
func (s *Scaling) endRetained(ctx context.Context, g handover.Group, instances []string) error {
	var retained []string
	for _, i := range g.Instances {
		if i.Lifecycle == handover.Retained && (instances == nil || slices.Contains(instances, i.ID)) {
			retained = append(retained, i.ID)
		}
	}
	for some := range slices.Chunk(retained, handover.Batch) {
		_, err := s.groups.TerminateInstanceInAutoScalingGroup(ctx, &autoscaling.TerminateInstanceInAutoScalingGroupInput{
			AutoScalingGroupName: &g.Name, InstanceIds: some, ShouldDecrementDesiredCapacity: aws.Bool(false)})
		if err != nil {
			return about(err, "end instances %s, which Auto Scaling group %s retains", strings.Join(some, ", "), g.Name)
		}
	}
	return nil
}
