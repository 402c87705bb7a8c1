package ebs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/droverhq/drover/sandbox/internal/folder"
)

// What the provisioners and attachers of Kubernetes' own CSI sidecars write.
const (
	provisionerKey    = "volume.kubernetes.io/storage-provisioner"
	selectedNodeKey   = "volume.kubernetes.io/selected-node"
	provisionedByKey  = "pv.kubernetes.io/provisioned-by"
	provisionerHolds  = "external-provisioner.volume.kubernetes.io/finalizer"
	attacherHolds     = "external-attacher/ebs-csi-aws-com"
	createdForClaim   = "kubernetes.io/created-for/pvc/name"
	createdForSpace   = "kubernetes.io/created-for/pvc/namespace"
	volumeNameTag     = "CSIVolumeName"
	defaultFileSystem = "ext4"
)

// again is the pause before what failed is tried again.
const again = time.Second

// Volumes is what the controller asks of EC2.
type Volumes interface {
	CreateVolume(context.Context, *ec2.CreateVolumeInput, ...func(*ec2.Options)) (*ec2.CreateVolumeOutput, error)
	AttachVolume(context.Context, *ec2.AttachVolumeInput, ...func(*ec2.Options)) (*ec2.AttachVolumeOutput, error)
	DetachVolume(context.Context, *ec2.DetachVolumeInput, ...func(*ec2.Options)) (*ec2.DetachVolumeOutput, error)
	DeleteVolume(context.Context, *ec2.DeleteVolumeInput, ...func(*ec2.Options)) (*ec2.DeleteVolumeOutput, error)
	DescribeVolumes(context.Context, *ec2.DescribeVolumesInput, ...func(*ec2.Options)) (*ec2.DescribeVolumesOutput, error)
}

// Controller makes volumes for claims and attaches them: the external
// provisioner and the external attacher in one. On every change it compares
// what is with what shall be.
type Controller struct {
	kube    kubernetes.Interface
	volumes Volumes
	dir     folder.Folder
	log     *slog.Logger

	claims      corelisters.PersistentVolumeClaimLister
	persistent  corelisters.PersistentVolumeLister
	nodes       corelisters.NodeLister
	classes     storagelisters.StorageClassLister
	attachments storagelisters.VolumeAttachmentLister
	informers   informers.SharedInformerFactory
	changed     chan struct{}
}

// Config is what the controller needs to know.
type Config struct {
	Dir        folder.Folder // volumes are here
	Kubeconfig string
	Region     string
	Endpoint   string // of AWS
}

// Run is the controller of a cluster that exists.
func Run(ctx context.Context, c Config) error {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return fmt.Errorf("volumes: %w", err)
	}
	config.QPS, config.Burst = 100, 200
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("volumes: %w", err)
	}
	volumes := ec2.New(ec2.Options{Region: c.Region, BaseEndpoint: &c.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(folder.AccessKeyID, folder.SecretAccessKey, "")})
	controller, err := NewController(kube, volumes, c.Dir, slog.Default())
	if err != nil {
		return fmt.Errorf("volumes: %w", err)
	}
	return controller.Run(ctx)
}

// NewController makes a Controller.
func NewController(kube kubernetes.Interface, volumes Volumes, dir folder.Folder, log *slog.Logger) (*Controller, error) {
	f := informers.NewSharedInformerFactory(kube, 0)
	core, storage := f.Core().V1(), f.Storage().V1()
	c := &Controller{kube: kube, volumes: volumes, dir: dir, log: log, claims: core.PersistentVolumeClaims().Lister(),
		persistent: core.PersistentVolumes().Lister(), nodes: core.Nodes().Lister(), classes: storage.StorageClasses().Lister(),
		attachments: storage.VolumeAttachments().Lister(), informers: f, changed: make(chan struct{}, 1)}
	tell := cache.ResourceEventHandlerFuncs{AddFunc: func(any) { c.wake() }, UpdateFunc: func(any, any) { c.wake() },
		DeleteFunc: func(any) { c.wake() }}
	for _, i := range []cache.SharedIndexInformer{core.PersistentVolumeClaims().Informer(), core.PersistentVolumes().Informer(),
		storage.VolumeAttachments().Informer()} {
		if _, err := i.AddEventHandler(tell); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *Controller) wake() {
	select {
	case c.changed <- struct{}{}:
	default: // it has not looked since the last change and will see both
	}
}

// Run acts until ctx ends.
func (c *Controller) Run(ctx context.Context) error {
	c.informers.Start(ctx.Done())
	c.informers.WaitForCacheSync(ctx.Done())
	for {
		var pause <-chan time.Time
		if err := c.turn(ctx); err != nil {
			c.log.Warn("volumes", "err", err)
			pause = time.After(again)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.changed:
		case <-pause:
		}
	}
}

// turn brings everything one step on. What fails for one does not hold up the others.
func (c *Controller) turn(ctx context.Context) error {
	claims, err := c.claims.List(labels.Everything())
	volumes, err2 := c.persistent.List(labels.Everything())
	attachments, err3 := c.attachments.List(labels.Everything())
	errs := []error{err, err2, err3}
	for _, claim := range claims {
		errs = append(errs, wrap("provide "+claim.Namespace+"/"+claim.Name, c.provide(ctx, claim)))
	}
	for _, v := range volumes {
		errs = append(errs, wrap("reclaim "+v.Name, c.reclaim(ctx, v)))
	}
	for _, a := range attachments {
		errs = append(errs, wrap("attach "+a.Name, c.attach(ctx, a)))
	}
	return errors.Join(errs...)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// provide makes the volume that a claim waits for, in the zone of the node that
// the scheduler has chosen for its pod. The claim's UID is the client token, so
// that a repeated call makes no second one.
func (c *Controller) provide(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	name := "pvc-" + string(claim.UID)
	if claim.Annotations[provisionerKey] != Name || claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil {
		return nil
	}
	if _, err := c.persistent.Get(name); err == nil {
		return nil // made already, and about to be bound
	}
	class, err := c.classes.Get(awssdk.ToString(claim.Spec.StorageClassName))
	if err != nil {
		return err
	}
	zone, err := c.zoneFor(claim, class)
	if zone == "" || err != nil {
		return err
	}
	size := gibibytes(claim.Spec.Resources.Requests[corev1.ResourceStorage])
	tag := func(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }
	made, err := c.volumes.CreateVolume(ctx, &ec2.CreateVolumeInput{AvailabilityZone: &zone, Size: &size, ClientToken: awssdk.String(string(claim.UID)),
		VolumeType: types.VolumeType(orElse(class.Parameters["type"], "gp3")),
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeVolume, Tags: []types.Tag{tag(volumeNameTag, name),
			tag(createdForClaim, claim.Name), tag(createdForSpace, claim.Namespace)}}}})
	if err != nil {
		return err
	}
	_, err = c.kube.CoreV1().PersistentVolumes().Create(ctx, volumeFor(claim, class, name, zone, made), metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// zoneFor is where a claim's volume has to be; empty: nobody has decided yet.
func (c *Controller) zoneFor(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass) (string, error) {
	if name := claim.Annotations[selectedNodeKey]; name != "" {
		node, err := c.nodes.Get(name)
		if err != nil {
			return "", err
		}
		return node.Labels[corev1.LabelTopologyZone], nil
	}
	if class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer {
		return "", nil
	}
	nodes, err := c.nodes.List(labels.Everything())
	if err != nil || len(nodes) == 0 {
		return "", err
	}
	slices.SortFunc(nodes, func(a, b *corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	return nodes[0].Labels[corev1.LabelTopologyZone], nil
}

// volumeFor is the PersistentVolume that a claim gets.
func volumeFor(
	claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass, name, zone string, made *ec2.CreateVolumeOutput,
) *corev1.PersistentVolume {
	policy := corev1.PersistentVolumeReclaimDelete
	if class.ReclaimPolicy != nil {
		policy = *class.ReclaimPolicy
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{provisionedByKey: Name}, Finalizers: []string{provisionerHolds}},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:    corev1.ResourceList{corev1.ResourceStorage: *resource.NewQuantity(int64(awssdk.ToInt32(made.Size))<<30, resource.BinarySI)},
			AccessModes: claim.Spec.AccessModes, VolumeMode: claim.Spec.VolumeMode, StorageClassName: class.Name,
			PersistentVolumeReclaimPolicy: policy, MountOptions: class.MountOptions,
			ClaimRef: &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name,
				UID: claim.UID, ResourceVersion: claim.ResourceVersion},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}}}}}}},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: Name,
				VolumeHandle: awssdk.ToString(made.VolumeId), FSType: orElse(class.Parameters["csi.storage.k8s.io/fstype"], defaultFileSystem)}},
		},
	}
}

// reclaim deletes the volume behind a PersistentVolume that nobody claims any more.
func (c *Controller) reclaim(ctx context.Context, v *corev1.PersistentVolume) error {
	ours := v.Annotations[provisionedByKey] == Name && v.Spec.CSI != nil
	if !ours || v.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete || v.Status.Phase != corev1.VolumeReleased {
		return c.letGo(ctx, v, ours && v.DeletionTimestamp != nil && v.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimRetain)
	}
	id := v.Spec.CSI.VolumeHandle
	if _, err := c.volumes.DeleteVolume(ctx, &ec2.DeleteVolumeInput{VolumeId: &id}); err != nil && !says(err, "InvalidVolume.NotFound") {
		return err // attached still, which ends by itself
	}
	if err := folder.RemoveAll(c.dir.Volume(id)); err != nil {
		return err
	}
	if err := c.kube.CoreV1().PersistentVolumes().Delete(ctx, v.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return c.letGo(ctx, v, true)
}

// letGo takes our finalizer off a PersistentVolume.
func (c *Controller) letGo(ctx context.Context, v *corev1.PersistentVolume, now bool) error {
	if !now || !slices.Contains(v.Finalizers, provisionerHolds) {
		return nil
	}
	fresh, err := c.kube.CoreV1().PersistentVolumes().Get(ctx, v.Name, metav1.GetOptions{})
	if err == nil {
		fresh.Finalizers = slices.DeleteFunc(fresh.Finalizers, func(f string) bool { return f == provisionerHolds })
		_, err = c.kube.CoreV1().PersistentVolumes().Update(ctx, fresh, metav1.UpdateOptions{})
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// attach gives the volume to its node, or takes it away, as the attach/detach
// controller has ordered.
func (c *Controller) attach(ctx context.Context, a *storagev1.VolumeAttachment) error {
	if a.Spec.Attacher != Name || a.Spec.Source.PersistentVolumeName == nil {
		return nil
	}
	if a.DeletionTimestamp != nil {
		return c.detach(ctx, a)
	}
	if a.Status.Attached {
		return nil
	}
	volume, instance, err := c.ends(a)
	if err != nil {
		return err
	}
	a = a.DeepCopy()
	if !slices.Contains(a.Finalizers, attacherHolds) {
		a.Finalizers = append(a.Finalizers, attacherHolds)
		if a, err = c.kube.StorageV1().VolumeAttachments().Update(ctx, a, metav1.UpdateOptions{}); err != nil {
			return err
		}
	}
	err = c.attached(ctx, volume, instance)
	a.Status.Attached, a.Status.AttachError = err == nil, nil
	if err != nil {
		a.Status.AttachError = &storagev1.VolumeError{Time: metav1.Now(), Message: err.Error()}
	}
	_, statusErr := c.kube.StorageV1().VolumeAttachments().UpdateStatus(ctx, a, metav1.UpdateOptions{})
	return errors.Join(err, statusErr)
}

// attached attaches a volume that is not yet.
func (c *Controller) attached(ctx context.Context, volume, instance string) error {
	at, err := c.attachedTo(ctx, volume)
	if err != nil || at == instance {
		return err
	}
	device, err := c.freeDevice(ctx, instance)
	if err != nil {
		return err
	}
	_, err = c.volumes.AttachVolume(ctx, &ec2.AttachVolumeInput{VolumeId: &volume, InstanceId: &instance, Device: &device})
	return err
}

// detach undoes attach. A volume that is gone, or went with its instance, is detached.
func (c *Controller) detach(ctx context.Context, a *storagev1.VolumeAttachment) error {
	if !slices.Contains(a.Finalizers, attacherHolds) {
		return nil
	}
	if v, err := c.persistent.Get(*a.Spec.Source.PersistentVolumeName); err == nil && v.Spec.CSI != nil {
		node, err := c.nodes.Get(a.Spec.NodeName)
		volume := v.Spec.CSI.VolumeHandle
		at, err2 := c.attachedTo(ctx, volume)
		if err2 != nil && !says(err2, "InvalidVolume.NotFound") {
			return err2
		}
		// The node's object may be gone before its volumes are detached; its instance is then, too, or will be.
		if at != "" && (err != nil || instanceOf(node) == at) {
			if _, err := c.volumes.DetachVolume(ctx, &ec2.DetachVolumeInput{VolumeId: &volume}); err != nil && !says(err, "IncorrectState") {
				return err
			}
		}
	}
	a = a.DeepCopy()
	a.Finalizers = slices.DeleteFunc(a.Finalizers, func(f string) bool { return f == attacherHolds })
	_, err := c.kube.StorageV1().VolumeAttachments().Update(ctx, a, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// ends are the volume and the instance of an attachment.
func (c *Controller) ends(a *storagev1.VolumeAttachment) (volume, instance string, err error) {
	v, err := c.persistent.Get(*a.Spec.Source.PersistentVolumeName)
	if err != nil {
		return "", "", err
	}
	node, err := c.nodes.Get(a.Spec.NodeName)
	if err != nil {
		return "", "", err
	}
	if v.Spec.CSI == nil {
		return "", "", fmt.Errorf("%s is no volume of %s", v.Name, Name)
	}
	return v.Spec.CSI.VolumeHandle, instanceOf(node), nil
}

func instanceOf(node *corev1.Node) string {
	return node.Spec.ProviderID[strings.LastIndexByte(node.Spec.ProviderID, '/')+1:]
}

// attachedTo is the instance that has a volume; empty: none.
func (c *Controller) attachedTo(ctx context.Context, volume string) (string, error) {
	out, err := c.volumes.DescribeVolumes(ctx, &ec2.DescribeVolumesInput{VolumeIds: []string{volume}})
	if err != nil || len(out.Volumes[0].Attachments) == 0 {
		return "", err
	}
	return awssdk.ToString(out.Volumes[0].Attachments[0].InstanceId), nil
}

// freeDevice is the first of /dev/xvdaa to /dev/xvdaz that an instance has not given away.
func (c *Controller) freeDevice(ctx context.Context, instance string) (string, error) {
	out, err := c.volumes.DescribeVolumes(ctx, &ec2.DescribeVolumesInput{Filters: []types.Filter{
		{Name: awssdk.String("attachment.instance-id"), Values: []string{instance}}}})
	if err != nil {
		return "", err
	}
	taken := map[string]bool{}
	for _, v := range out.Volumes {
		for _, a := range v.Attachments {
			taken[awssdk.ToString(a.Device)] = true
		}
	}
	for letter := 'a'; letter <= 'z'; letter++ {
		if name := "/dev/xvda" + string(letter); !taken[name] {
			return name, nil
		}
	}
	return "", errors.New("instance " + instance + " has " + strconv.Itoa(len(taken)) + " volumes, and takes no more")
}

// gibibytes rounds up, as EBS knows whole ones alone.
func gibibytes(q resource.Quantity) int32 { return int32(max(1, (q.Value()+1<<30-1)>>30)) }

func says(err error, code string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == code
}

func orElse(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
