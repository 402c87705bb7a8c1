package aws

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// An instance that is stopped is off until it is started, with its private address and
// another public one; a reboot leaves it running. Nothing else may be done to its power.
func TestInstancesAreStoppedAndStarted(t *testing.T) {
	s := newStack(t)
	s.nodeGroup(1)
	s.until("it runs", func() bool { return len(s.fake.machines()) == 1 })
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// Left to itself: its group would replace it.
	_, err := s.asg.SuspendProcesses(ctx, &autoscaling.SuspendProcessesInput{AutoScalingGroupName: web, ScalingProcesses: []string{"HealthCheck", "ReplaceUnhealthy"}})
	must(err)
	before := s.fake.machines()[0]
	ids := []string{before.ID}
	_, err = s.ec2.StartInstances(ctx, &ec2.StartInstancesInput{InstanceIds: ids}) // it runs already
	must(err)
	_, err = s.ec2.RebootInstances(ctx, &ec2.RebootInstancesInput{InstanceIds: ids})
	must(err)
	s.until("it was rebooted", func() bool {
		s.fake.mu.Lock()
		defer s.fake.mu.Unlock()
		return slices.Equal(s.fake.rebooted, ids)
	})
	out, err := s.ec2.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: ids})
	must(err)
	if c := out.StoppingInstances[0]; c.CurrentState.Name != "stopping" || *c.CurrentState.Code != 64 || c.PreviousState.Name != "running" {
		t.Errorf("%+v", c)
	}
	s.until("it is off", func() bool { return s.state(ids[0]) == "stopped" && len(s.fake.machines()) == 0 })
	_, err = s.ec2.RebootInstances(ctx, &ec2.RebootInstancesInput{InstanceIds: ids})
	wantCode(t, err, "IncorrectState")
	_, err = s.ec2.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: ids}) // it is off already
	must(err)
	if g := s.group("web"); len(g.Instances) != 1 || *g.Instances[0].HealthStatus != "Unhealthy" {
		t.Errorf("%+v", g.Instances)
	}
	s.restart(speed)
	if got := s.state(ids[0]); got != "stopped" {
		t.Errorf("after a restart of the sandbox it is %s", got)
	}
	_, err = s.ec2.StartInstances(ctx, &ec2.StartInstancesInput{InstanceIds: ids})
	must(err)
	s.until("it runs again", func() bool { return s.state(ids[0]) == "running" && len(s.fake.machines()) == 1 })
	if after := s.fake.machines()[0]; after.PrivateIP != before.PrivateIP || after.PodCIDR != before.PodCIDR || after.NodeName != before.NodeName {
		t.Errorf("%+v, before %+v", after, before)
	}
	_, err = s.ec2.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: []string{"i-0123456789abcdef0"}})
	wantCode(t, err, "InvalidInstanceID.NotFound")
}

// A group replaces an instance that somebody has stopped, and ends it.
func TestGroupsReplaceStoppedInstances(t *testing.T) {
	s := newStack(t)
	s.nodeGroup(1)
	s.until("it runs", func() bool { return len(s.fake.machines()) == 1 })
	old := s.fake.machines()[0].ID
	if _, err := s.ec2.StopInstances(t.Context(), &ec2.StopInstancesInput{InstanceIds: []string{old}}); err != nil {
		t.Fatal(err)
	}
	s.until("another one runs", func() bool {
		now := s.fake.machines()
		return s.state(old) == "terminated" && len(now) == 1 && now[0].ID != old && s.inService() == 1
	})
	_, err := s.ec2.StartInstances(t.Context(), &ec2.StartInstancesInput{InstanceIds: []string{old}})
	wantCode(t, err, "IncorrectInstanceState")
}
