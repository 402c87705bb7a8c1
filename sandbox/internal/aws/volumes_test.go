package aws

import (
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// A volume is in one zone and at one instance, and in nobody's way once its
// instance has ended. Kills: an attachment across zones, two of them, a volume
// deleted while attached, one that stays with an instance that is gone.
func TestVolumes(t *testing.T) {
	s := newStack(t)
	s.nodeGroup(2)
	var instances []types.Instance
	s.until("two instances run", func() bool {
		out, err := s.ec2.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{Filters: []types.Filter{
			{Name: awssdk.String("instance-state-name"), Values: []string{"running"}}}})
		if err != nil {
			t.Fatal(err)
		}
		instances = nil
		for _, r := range out.Reservations {
			instances = append(instances, r.Instances...)
		}
		return len(instances) >= 2
	})
	here, there := instances[0], instances[1]
	create := func(token string) string {
		out, err := s.ec2.CreateVolume(t.Context(), &ec2.CreateVolumeInput{AvailabilityZone: here.Placement.AvailabilityZone,
			Size: awssdk.Int32(4), VolumeType: types.VolumeTypeGp3, ClientToken: &token})
		if err != nil {
			t.Fatal(err)
		}
		return *out.VolumeId
	}
	id := create("a")
	if again := create("a"); again != id {
		t.Errorf("one token made %s and %s", id, again)
	}
	attach := func(instance types.Instance, device string) error {
		_, err := s.ec2.AttachVolume(t.Context(), &ec2.AttachVolumeInput{VolumeId: &id, InstanceId: instance.InstanceId, Device: &device})
		return err
	}
	if *here.Placement.AvailabilityZone != *there.Placement.AvailabilityZone {
		wantCode(t, attach(there, "/dev/xvdaa"), "InvalidVolume.ZoneMismatch")
	}
	if err := attach(here, "/dev/xvdaa"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, attach(here, "/dev/xvdab"), "VolumeInUse")
	if _, err := s.ec2.DetachVolume(t.Context(), &ec2.DetachVolumeInput{VolumeId: &id, InstanceId: here.InstanceId}); err != nil {
		t.Fatal(err)
	}
	s.until("the volume can be attached again", func() bool { return attach(here, "/dev/xvdab") == nil })
	_, err := s.ec2.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: &id})
	wantCode(t, err, "VolumeInUse")
	if _, err := s.ec2.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{*here.InstanceId}}); err != nil {
		t.Fatal(err)
	}
	s.until("the volume is free", func() bool {
		out, err := s.ec2.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{Filters: []types.Filter{
			{Name: awssdk.String("status"), Values: []string{"available"}}}})
		return err == nil && len(out.Volumes) == 1 && *out.Volumes[0].VolumeId == id
	})
	if _, err := s.ec2.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: &id}); err != nil {
		t.Fatal(err)
	}
	_, err = s.ec2.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{id}})
	wantCode(t, err, "InvalidVolume.NotFound")
}
