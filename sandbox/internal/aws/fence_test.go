package aws

import (
	"slices"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
)

// What AWS lets nobody do with a group that retains instances and is protected:
// delete it by force, end an instance past its hook, or shrink it by a retained one.
func TestFencedGroup(t *testing.T) {
	s := newStack(t)
	s.nodeGroup(2)
	s.until("2 machines run", func() bool { return len(s.fake.machines()) == 2 })
	web := awssdk.String("web")
	if _, err := s.asg.PutLifecycleHook(t.Context(), &autoscaling.PutLifecycleHookInput{AutoScalingGroupName: web, LifecycleHookName: awssdk.String("fence"),
		LifecycleTransition: awssdk.String("autoscaling:EC2_INSTANCE_TERMINATING"), DefaultResult: awssdk.String("ABANDON")}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.asg.UpdateAutoScalingGroup(t.Context(), &autoscaling.UpdateAutoScalingGroupInput{AutoScalingGroupName: web,
		DeletionProtection: astypes.DeletionProtectionPreventForceDeletion,
		InstanceLifecyclePolicy: &astypes.InstanceLifecyclePolicy{RetentionTriggers: &astypes.RetentionTriggers{
			TerminateHookAbandon: astypes.RetentionActionRetain}}}); err != nil {
		t.Fatal(err)
	}
	g := s.group("web")
	if g.DeletionProtection != astypes.DeletionProtectionPreventForceDeletion || g.InstanceLifecyclePolicy.RetentionTriggers.TerminateHookAbandon != astypes.RetentionActionRetain {
		t.Errorf("the group does not show its fence: %+v", g)
	}
	if _, err := s.asg.DeleteAutoScalingGroup(t.Context(), &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: web, ForceDelete: awssdk.Bool(true)}); err == nil {
		t.Fatal("the group was deleted by force")
	}
	if _, err := s.asg.SetDesiredCapacity(t.Context(), &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: web, DesiredCapacity: awssdk.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	in := func(state astypes.LifecycleState) string {
		all := s.group("web").Instances
		if k := slices.IndexFunc(all, func(i astypes.Instance) bool { return i.LifecycleState == state }); k >= 0 {
			return *all[k].InstanceId
		}
		return ""
	}
	complete := func(id, result string) {
		if _, err := s.asg.CompleteLifecycleAction(t.Context(), &autoscaling.CompleteLifecycleActionInput{AutoScalingGroupName: web, LifecycleHookName: awssdk.String("fence"),
			InstanceId: &id, LifecycleActionResult: &result}); err != nil {
			t.Fatal(err)
		}
	}
	s.until("the hook holds one", func() bool { return in(astypes.LifecycleStateTerminatingWait) != "" })
	id := in(astypes.LifecycleStateTerminatingWait)
	beat := &autoscaling.RecordLifecycleActionHeartbeatInput{AutoScalingGroupName: web, LifecycleHookName: awssdk.String("fence"), InstanceId: &id}
	if _, err := s.asg.RecordLifecycleActionHeartbeat(t.Context(), beat); err != nil {
		t.Fatal(err)
	}
	complete(id, "ABANDON")
	if got := in("Terminating:Retained"); got != id || len(s.fake.machines()) != 2 {
		t.Fatalf("retained %q, %d machines", got, len(s.fake.machines()))
	}
	end := func(decrement bool) error {
		_, err := s.asg.TerminateInstanceInAutoScalingGroup(t.Context(), &autoscaling.TerminateInstanceInAutoScalingGroupInput{InstanceId: &id,
			ShouldDecrementDesiredCapacity: &decrement})
		return err
	}
	if end(true) == nil {
		t.Error("a retained instance was ended with decrement")
	}
	if err := end(false); err != nil || in(astypes.LifecycleStateTerminatingWait) != id {
		t.Fatalf("its end does not ask the hook again: %v", err)
	}
	complete(id, "CONTINUE")
	s.until("it ends", func() bool { return len(s.fake.machines()) == 1 })
	if g := s.group("web"); *g.DesiredCapacity != 1 {
		t.Errorf("desired %d", *g.DesiredCapacity)
	}
	hook := &autoscaling.DeleteLifecycleHookInput{AutoScalingGroupName: web, LifecycleHookName: awssdk.String("fence")}
	if _, err := s.asg.DeleteLifecycleHook(t.Context(), hook); err != nil {
		t.Fatal(err)
	}
	_, err := s.asg.DeleteLifecycleHook(t.Context(), hook)
	wantCode(t, err, "ValidationError")
}
