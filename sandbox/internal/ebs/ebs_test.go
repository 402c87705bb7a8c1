package ebs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/droverhq/drover/sandbox/internal/folder"
)

// cloud is EC2 as far as volumes go. The first answer of each call is lost.
type cloud struct {
	mu      sync.Mutex
	volumes map[string]*types.Volume
	tokens  map[string]string
	lost    map[string]bool
}

func (c *cloud) begin(call string) (done func(), lose error) {
	c.mu.Lock()
	if !c.lost[call] {
		c.lost[call] = true
		lose = errors.New("the answer was lost")
	}
	return c.mu.Unlock, lose
}

func gone() error { return &smithy.GenericAPIError{Code: "InvalidVolume.NotFound"} }

func (c *cloud) CreateVolume(_ context.Context, in *ec2.CreateVolumeInput, _ ...func(*ec2.Options)) (*ec2.CreateVolumeOutput, error) {
	done, err := c.begin("create")
	defer done()
	id, ok := c.tokens[*in.ClientToken]
	if !ok {
		id = fmt.Sprintf("vol-%d", len(c.tokens)+1)
		c.tokens[*in.ClientToken] = id
		c.volumes[id] = &types.Volume{VolumeId: &id, AvailabilityZone: in.AvailabilityZone, Size: in.Size}
	}
	return &ec2.CreateVolumeOutput{VolumeId: &id, Size: in.Size}, err
}

func (c *cloud) AttachVolume(_ context.Context, in *ec2.AttachVolumeInput, _ ...func(*ec2.Options)) (*ec2.AttachVolumeOutput, error) {
	done, err := c.begin("attach")
	defer done()
	v, ok := c.volumes[*in.VolumeId]
	if !ok {
		return nil, gone()
	}
	if len(v.Attachments) > 0 {
		return nil, &smithy.GenericAPIError{Code: "VolumeInUse"}
	}
	v.Attachments = []types.VolumeAttachment{{InstanceId: in.InstanceId, Device: in.Device}}
	return &ec2.AttachVolumeOutput{}, err
}

func (c *cloud) DetachVolume(_ context.Context, in *ec2.DetachVolumeInput, _ ...func(*ec2.Options)) (*ec2.DetachVolumeOutput, error) {
	done, err := c.begin("detach")
	defer done()
	c.volumes[*in.VolumeId].Attachments = nil
	return &ec2.DetachVolumeOutput{}, err
}

func (c *cloud) DeleteVolume(_ context.Context, in *ec2.DeleteVolumeInput, _ ...func(*ec2.Options)) (*ec2.DeleteVolumeOutput, error) {
	done, err := c.begin("delete")
	defer done()
	if _, ok := c.volumes[*in.VolumeId]; !ok {
		return nil, gone()
	}
	delete(c.volumes, *in.VolumeId)
	return &ec2.DeleteVolumeOutput{}, err
}

func (c *cloud) DescribeVolumes(_ context.Context, in *ec2.DescribeVolumesInput, _ ...func(*ec2.Options)) (*ec2.DescribeVolumesOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := &ec2.DescribeVolumesOutput{}
	for _, v := range c.volumes {
		if len(in.VolumeIds) == 0 || in.VolumeIds[0] == *v.VolumeId {
			out.Volumes = append(out.Volumes, *v)
		}
	}
	if len(in.VolumeIds) > 0 && len(out.Volumes) == 0 {
		return nil, gone()
	}
	return out, nil
}

func (c *cloud) at(id string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.volumes[id]; v != nil && len(v.Attachments) > 0 {
		return *v.Attachments[0].InstanceId
	}
	return ""
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not so: " + what)
		}
	}
}

func node(name, zone, instance string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelTopologyZone: zone}},
		Spec: corev1.NodeSpec{ProviderID: "aws:///" + zone + "/" + instance}}
}

// The life of a volume: made once, in the zone of the node that was chosen,
// although the answer was lost; attached to one node, moved to another, and
// deleted with its claim. Kills: a second volume for one claim, a volume in
// another zone, an attachment that outlives its order, a folder that stays.
func TestLifeOfAVolume(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	aws := &cloud{volumes: map[string]*types.Volume{}, tokens: map[string]string{}, lost: map[string]bool{}}
	waits := storagev1.VolumeBindingWaitForFirstConsumer
	kube := fake.NewClientset(node("a", "us-west-2a", "i-a"), node("b", "us-west-2b", "i-b"), node("b2", "us-west-2b", "i-b2"),
		&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "gp3"}, Provisioner: Name, VolumeBindingMode: &waits})
	dir := folder.Folder(t.TempDir())
	c, err := NewController(kube, aws, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() { end(); <-ended })

	claims, pvs, attachments := kube.CoreV1().PersistentVolumeClaims("apps"), kube.CoreV1().PersistentVolumes(), kube.StorageV1().VolumeAttachments()
	claim, err := claims.Create(ctx, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data", Namespace: "apps", UID: "u1",
		Annotations: map[string]string{provisionerKey: Name}},
		Spec: corev1.PersistentVolumeClaimSpec{StorageClassName: awssdk.String("gp3"), Resources: corev1.VolumeResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1500Mi")}}}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	claim.Annotations[selectedNodeKey] = "b"
	if _, err := claims.Update(ctx, claim, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	var v *corev1.PersistentVolume
	until(t, "the volume is there", func() bool { v, err = pvs.Get(ctx, "pvc-u1", metav1.GetOptions{}); return err == nil })
	id := v.Spec.CSI.VolumeHandle
	if made := aws.volumes[id]; len(aws.volumes) != 1 || *made.AvailabilityZone != "us-west-2b" || *made.Size != 2 ||
		v.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values[0] != "us-west-2b" {
		t.Errorf("%d volumes, %+v", len(aws.volumes), made)
	}
	for _, step := range []struct{ node, instance string }{{"b", "i-b"}, {"b2", "i-b2"}} {
		a := &storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: "csi-" + step.node}, Spec: storagev1.VolumeAttachmentSpec{
			Attacher: Name, NodeName: step.node, Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &v.Name}}}
		if _, err := attachments.Create(ctx, a, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		until(t, "it is attached to "+step.node, func() bool {
			a, err = attachments.Get(ctx, a.Name, metav1.GetOptions{})
			return err == nil && a.Status.Attached
		})
		if got := aws.at(id); got != step.instance {
			t.Errorf("attached to %q", got)
		}
		now := metav1.Now()
		a.DeletionTimestamp = &now // the API server sets it, as there is a finalizer
		if _, err := attachments.Update(ctx, a, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		until(t, "it is detached", func() bool {
			a, err := attachments.Get(ctx, a.Name, metav1.GetOptions{})
			return apierrors.IsNotFound(err) || err == nil && len(a.Finalizers) == 0
		})
		if got := aws.at(id); got != "" {
			t.Errorf("attached to %q after its order ended", got)
		}
	}
	if err := os.MkdirAll(dir.Volume(id), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := claims.Delete(ctx, claim.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	v.Status.Phase = corev1.VolumeReleased
	if _, err := pvs.UpdateStatus(ctx, v, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the PersistentVolume is gone", func() bool { _, err := pvs.Get(ctx, v.Name, metav1.GetOptions{}); return apierrors.IsNotFound(err) })
	if _, err := os.Stat(dir.Volume(id)); len(aws.volumes) != 0 || !os.IsNotExist(err) {
		t.Errorf("%d volumes are left, the folder: %v", len(aws.volumes), err)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int32{"1": 1, "1Gi": 1, "1025Mi": 2, "20G": 19, "3Gi": 3} {
		if got := gibibytes(resource.MustParse(text)); got != want {
			t.Errorf("%s is %d GiB, not %d", text, got, want)
		}
	}
	if zone := zoneOf("aws:///us-west-2a/i-0123456789abcdef0"); zone != "us-west-2a" {
		t.Errorf("zone %q", zone)
	}
}
