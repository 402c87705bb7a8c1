package placement

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/component-helpers/storage/ephemeral"
	storagevolume "k8s.io/component-helpers/storage/volume"
)

const (
	reasonVolumeNode  = "node(s) didn't match PersistentVolume's node affinity"
	reasonVolumeZone  = "node(s) had no available volume zone"
	reasonVolumeBind  = "node(s) didn't find available persistent volumes to bind"
	reasonVolumeGone  = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
	reasonVolumeUsed  = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
	reasonVolumeLimit = "node(s) exceed max volume count"

	unboundImmediate = "pod has unbound immediate PersistentVolumeClaims"
	noProvisioner    = "kubernetes.io/no-provisioner"
	selectedNode     = "volume.kubernetes.io/selected-node"
	ebsDriver        = "ebs.csi.aws.com" // takes the place of the in-tree plugin
)

// disk is a volume that counts against what a driver can attach to one node.
type disk struct {
	driver string
	handle string
}

// attach counts a disk once however many pods of the node use it.
func (n *node) attach(d disk, by int) {
	before := n.disks[d]
	n.disks[d] = before + by
	switch {
	case before == 0:
		n.drivers[d.driver]++
	case before+by == 0:
		n.drivers[d.driver]--
		delete(n.disks, d)
	}
}

// disks is storage as the scheduler looks at it.
type disks struct {
	claims   map[string]*corev1.PersistentVolumeClaim
	volumes  map[string]*corev1.PersistentVolume
	classes  map[string]*storagev1.StorageClass
	limits   map[string]map[string]int // node -> driver -> volumes
	attached map[string][]disk         // by node
	users    map[string]int            // of claims that one pod may use
	free     map[string][]*corev1.PersistentVolume
	tested   map[string]*reach
}

// reach is where a volume or a class of volumes can be used, by node.
type reach struct{ reasons []string }

func newDisks(o Objects) disks {
	d := disks{
		claims: map[string]*corev1.PersistentVolumeClaim{}, volumes: map[string]*corev1.PersistentVolume{},
		classes: map[string]*storagev1.StorageClass{}, limits: map[string]map[string]int{}, attached: map[string][]disk{},
		users: map[string]int{}, free: map[string][]*corev1.PersistentVolume{}, tested: map[string]*reach{},
	}
	for _, c := range o.Claims {
		d.claims[c.Namespace+"/"+c.Name] = c
	}
	for _, v := range o.Volumes {
		d.volumes[v.Name] = v
		if v.Spec.ClaimRef == nil && v.Status.Phase == corev1.VolumeAvailable {
			d.free[v.Spec.StorageClassName] = append(d.free[v.Spec.StorageClassName], v)
		}
	}
	for _, c := range o.Classes {
		d.classes[c.Name] = c
	}
	for _, n := range o.CSINodes {
		d.limits[n.Name] = map[string]int{}
		for _, driver := range n.Spec.Drivers {
			if driver.Allocatable != nil && driver.Allocatable.Count != nil {
				d.limits[n.Name][driver.Name] = int(*driver.Allocatable.Count)
			}
		}
	}
	for _, a := range o.Attachments {
		if a.Spec.Source.PersistentVolumeName == nil {
			continue
		}
		if v := d.volumes[*a.Spec.Source.PersistentVolumeName]; v != nil {
			if found, ok := diskOf(v); ok {
				d.attached[a.Spec.NodeName] = append(d.attached[a.Spec.NodeName], found)
			}
		}
	}
	return d
}

func diskOf(v *corev1.PersistentVolume) (disk, bool) {
	switch {
	case v.Spec.CSI != nil:
		return disk{v.Spec.CSI.Driver, v.Spec.CSI.VolumeHandle}, true
	case v.Spec.AWSElasticBlockStore != nil:
		id := v.Spec.AWSElasticBlockStore.VolumeID
		return disk{ebsDriver, id[strings.LastIndexByte(id, '/')+1:]}, true
	}
	return disk{}, false
}

// claimName is the claim behind a volume of a pod, empty if there is none.
func claimName(p *corev1.Pod, v *corev1.Volume) string {
	switch {
	case v.PersistentVolumeClaim != nil:
		return v.PersistentVolumeClaim.ClaimName
	case v.Ephemeral != nil:
		return ephemeral.VolumeClaimName(p, v)
	}
	return ""
}

// of are a pod's disks, and its claims that no other pod may use.
func (d *disks) of(p *corev1.Pod) (all []disk, sole []string) {
	for i := range p.Spec.Volumes {
		name := claimName(p, &p.Spec.Volumes[i])
		c := d.claims[p.Namespace+"/"+name]
		if name == "" || c == nil {
			continue
		}
		if slices.Contains(c.Spec.AccessModes, corev1.ReadWriteOncePod) {
			sole = append(sole, p.Namespace+"/"+name)
		}
		if found, ok := d.behind(c); ok {
			all = append(all, found)
		}
	}
	return all, sole
}

// behind is the disk of a claim, or the one that its class would make.
func (d *disks) behind(c *corev1.PersistentVolumeClaim) (disk, bool) {
	if v := d.volumes[c.Spec.VolumeName]; v != nil {
		return diskOf(v)
	}
	if class := d.classes[storagevolume.GetPersistentVolumeClaimClass(c)]; class != nil {
		return disk{driverOf(class), c.Namespace + "/" + c.Name}, true
	}
	return disk{}, false
}

func driverOf(c *storagev1.StorageClass) string {
	if c.Provisioner == "kubernetes.io/aws-ebs" {
		return ebsDriver
	}
	return c.Provisioner
}

// storage is what a copy's volumes ask for.
type storage struct {
	never   string // no node will do, in the scheduler's words
	disks   []disk
	sole    []string
	reaches []*reach
	claims  []*corev1.PersistentVolumeClaim
}

// plain: nothing tells it from another pod of its class.
func (s *storage) plain() bool { return len(s.disks) == 0 && len(s.sole) == 0 && len(s.reaches) == 0 }

// storage reads the volumes of a pod as its copy would have them: the same claims,
// but new ones where a claim is the pod's own.
func (w *world) storage(p *corev1.Pod) *storage {
	s := &storage{}
	for i := range p.Spec.Volumes {
		v := &p.Spec.Volumes[i]
		switch {
		case v.Ephemeral != nil && v.Ephemeral.VolumeClaimTemplate != nil:
			c := &corev1.PersistentVolumeClaim{Spec: v.Ephemeral.VolumeClaimTemplate.Spec}
			c.Namespace, c.Name = p.Namespace, "copy of "+claimName(p, v)
			c.Spec.VolumeName = ""
			if class := v.Ephemeral.VolumeClaimTemplate.Spec.StorageClassName; class == nil {
				c.Spec.StorageClassName = w.disks.usual()
			}
			w.use(s, c, true)
		case v.PersistentVolumeClaim != nil:
			c := w.disks.claims[p.Namespace+"/"+v.PersistentVolumeClaim.ClaimName]
			if c == nil {
				s.never = `persistentvolumeclaim "` + v.PersistentVolumeClaim.ClaimName + `" not found`
				continue
			}
			if c.DeletionTimestamp != nil {
				s.never = `persistentvolumeclaim "` + c.Name + `" is being deleted`
			}
			w.use(s, c, false)
		}
	}
	return s
}

// usual is the default StorageClass.
func (d *disks) usual() *string {
	for _, c := range d.classes {
		if c.Annotations["storageclass.kubernetes.io/is-default-class"] == "true" {
			return &c.Name
		}
	}
	return nil
}

func (w *world) use(s *storage, c *corev1.PersistentVolumeClaim, fresh bool) {
	s.claims = append(s.claims, c)
	if slices.Contains(c.Spec.AccessModes, corev1.ReadWriteOncePod) && !fresh {
		s.sole = append(s.sole, c.Namespace+"/"+c.Name)
	}
	if d, ok := w.disks.behind(c); ok {
		s.disks = append(s.disks, d)
	}
	if c.Spec.VolumeName != "" {
		s.reaches = append(s.reaches, w.reachOf(w.whereabouts(c.Spec.VolumeName), w.bound(c.Spec.VolumeName)))
		return
	}
	class := w.disks.classes[storagevolume.GetPersistentVolumeClaimClass(c)]
	if class == nil || class.VolumeBindingMode == nil || *class.VolumeBindingMode != storagev1.VolumeBindingWaitForFirstConsumer {
		if !fresh {
			s.never = unboundImmediate
		}
		return
	}
	if class.Provisioner == noProvisioner {
		s.reaches = append(s.reaches, w.reachOf("", w.available(class, c)))
		return
	}
	s.reaches = append(s.reaches, w.reachOf("class "+class.Name, provisioned(class)))
	if on := c.Annotations[selectedNode]; on != "" {
		s.reaches = append(s.reaches, w.reachOf("", func(n *corev1.Node) string {
			if n.Name != on {
				return reasonVolumeBind
			}
			return ""
		}))
	}
}

// reachOf asks every node once; key names what is asked, empty if it is asked once only.
func (w *world) reachOf(key string, ask func(*corev1.Node) string) *reach {
	if known := w.disks.tested[key]; key != "" && known != nil {
		return known
	}
	r := &reach{reasons: make([]string, len(w.nodes))}
	for i, n := range w.nodes {
		r.reasons[i] = ask(n.object)
	}
	if key != "" {
		w.disks.tested[key] = r
	}
	return r
}

// whereabouts is what decides where a volume can be used: most volumes share it
// with all others of their zone.
func (w *world) whereabouts(name string) string {
	v := w.disks.volumes[name]
	if v == nil {
		return "gone"
	}
	zones := map[string]string{}
	for l := range zoneLabels {
		if z, ok := v.Labels[l]; ok {
			zones[l] = z
		}
	}
	return identity("volume", v.Spec.NodeAffinity, zones)
}

// bound asks by the node affinity and the zone labels of a volume.
func (w *world) bound(name string) func(*corev1.Node) string {
	v := w.disks.volumes[name]
	if v == nil {
		return func(*corev1.Node) string { return reasonVolumeGone }
	}
	var required *nodeaffinity.LazyErrorNodeSelector
	if a := v.Spec.NodeAffinity; a != nil && a.Required != nil {
		required = nodeaffinity.NewLazyErrorNodeSelector(a.Required)
	}
	return func(n *corev1.Node) string {
		if required != nil {
			if ok, err := required.Match(n); !ok || err != nil {
				return reasonVolumeNode
			}
		}
		if !inZone(v, n) {
			return reasonVolumeZone
		}
		return ""
	}
}

var zoneLabels = map[string]string{ // beta name -> name
	corev1.LabelFailureDomainBetaZone: corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaRegion: corev1.LabelTopologyRegion,
	corev1.LabelTopologyZone: corev1.LabelTopologyZone, corev1.LabelTopologyRegion: corev1.LabelTopologyRegion,
}

// inZone: the node carries the zone labels of the volume; one without any such
// label takes every volume.
func inZone(v *corev1.PersistentVolume, n *corev1.Node) bool {
	zoned := false
	for l := range zoneLabels {
		_, has := n.Labels[l]
		zoned = zoned || has
	}
	if !zoned {
		return true
	}
	for l, ga := range zoneLabels {
		want, asked := v.Labels[l]
		if !asked {
			continue
		}
		got, has := n.Labels[l]
		if !has {
			got, has = n.Labels[ga]
		}
		if !has || !sets.New(strings.Split(want, "__")...).Has(got) {
			return false
		}
	}
	return true
}

// provisioned asks where a class makes volumes.
func provisioned(c *storagev1.StorageClass) func(*corev1.Node) string {
	return func(n *corev1.Node) string {
		if len(c.AllowedTopologies) == 0 || slices.ContainsFunc(c.AllowedTopologies, func(t corev1.TopologySelectorTerm) bool {
			return !slices.ContainsFunc(t.MatchLabelExpressions, func(r corev1.TopologySelectorLabelRequirement) bool {
				v, ok := n.Labels[r.Key]
				return !ok || !slices.Contains(r.Values, v)
			})
		}) {
			return ""
		}
		return reasonVolumeBind
	}
}

// available asks for a volume that nobody has claimed. Two copies may be promised one.
func (w *world) available(class *storagev1.StorageClass, c *corev1.PersistentVolumeClaim) func(*corev1.Node) string {
	return func(n *corev1.Node) string {
		v, err := storagevolume.FindMatchingVolume(c, w.disks.free[class.Name], n, nil, true, false)
		if v == nil || err != nil {
			return reasonVolumeBind
		}
		return ""
	}
}

// mounts asks a node for all that a copy's volumes need.
func (w *world) mounts(j *job, n *node) string {
	for _, c := range j.disk.sole {
		if w.disks.users[c] > 0 {
			return reasonVolumeUsed
		}
	}
	if n.full(j.disk.disks) {
		return reasonVolumeLimit
	}
	for _, r := range j.disk.reaches {
		if why := r.reasons[n.at]; why != "" {
			return why
		}
	}
	return ""
}

// full: some driver could not attach all the disks.
func (n *node) full(disks []disk) bool {
	if len(n.limits) == 0 {
		return false
	}
	for i, d := range disks {
		limit, limited := n.limits[d.driver]
		if !limited || n.disks[d] > 0 {
			continue
		}
		more := 0
		for k, e := range disks {
			if e.driver == d.driver && n.disks[e] == 0 && slices.Index(disks, e) == k {
				more++
			}
		}
		if slices.Index(disks, d) == i && n.drivers[d.driver]+more > limit {
			return true
		}
	}
	return false
}
