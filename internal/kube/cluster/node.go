package cluster

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	schedule "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"

	"github.com/droverhq/drover/internal/handover"
)

func seeNode(w *world, key string, _, _ *corev1.Node) { w.marks.node(key) }

// node translates one node, if it is there.
func (w *world) node(name string) (*handover.Node, bool) {
	n, ok := w.seen[kindNode][name].(*corev1.Node)
	if !ok {
		return nil, false
	}
	out := &handover.Node{
		Name:        n.Name,
		Group:       n.Labels[groupLabel],
		Version:     n.Status.NodeInfo.KubeletVersion,
		Created:     n.CreationTimestamp.Time,
		Labels:      n.Labels,
		ReadySince:  n.CreationTimestamp.Time,
		Initialized: initialized(n),
		Cordoned:    n.Spec.Unschedulable,
		Leaving:     slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == handover.LeavingTaint }),
		Before:      n.Annotations[handover.BeforeAnnotation],
		Calmed:      n.Annotations[handover.CalmAnnotation],
		Daemons:     w.daemonsMissing(n),
	}
	for _, key := range handover.Calming {
		if value, has := n.Annotations[key]; has {
			if out.Calm == nil {
				out.Calm = map[string]string{}
			}
			out.Calm[key] = value
		}
	}
	if id := n.Spec.ProviderID[strings.LastIndexByte(n.Spec.ProviderID, '/')+1:]; strings.HasPrefix(id, "i-") {
		out.Instance = id
	}
	out.Cloud, _, _ = strings.Cut(n.Spec.ProviderID, ":")
	if value, ok := n.Labels[corev1.LabelNodeExcludeBalancers]; ok {
		out.Exclude = &value
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			out.Ready, out.ReadySince = c.Status == corev1.ConditionTrue, c.LastTransitionTime.Time
		}
	}
	for _, a := range w.attached.of(n.Name) {
		if _, volume, _ := strings.Cut(a, " "); !w.stays(volume, n.Name) {
			out.Volumes = append(out.Volumes, volume)
		}
	}
	slices.Sort(out.Volumes)
	return out, true
}

// initialized: no taint is left with which a node starts and which a
// controller, kubelet or driver removes when its part is done.
func initialized(n *corev1.Node) bool {
	return !slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool {
		switch t.Key {
		case "node.cloudprovider.kubernetes.io/uninitialized", "karpenter.sh/unregistered",
			corev1.TaintNodeUnreachable, corev1.TaintNodeNetworkUnavailable:
			return true
		}
		return strings.HasSuffix(t.Key, "not-ready") || // CSI drivers, CNIs, and Kubernetes' own
			slices.ContainsFunc(startup, func(prefix string) bool { return strings.HasPrefix(t.Key, prefix) })
	})
}

// startup begins the taints that autoscalers know as such, and those of the node
// readiness controller.
var startup = []string{"startup-taint.cluster-autoscaler.kubernetes.io/", "ignore-taint.cluster-autoscaler.kubernetes.io/", "readiness.k8s.io/"}

func seeAttachment(w *world, key string, before, now *storagev1.VolumeAttachment) {
	for _, a := range []*storagev1.VolumeAttachment{before, now} {
		if a == nil {
			continue
		}
		volume := a.Name
		if a.Spec.Source.PersistentVolumeName != nil {
			volume = *a.Spec.Source.PersistentVolumeName
		}
		w.attached.drop(a.Spec.NodeName, key+" "+volume)
		w.attachedTo.drop(volume, a.Spec.NodeName)
		if a == now {
			w.attached.put(a.Spec.NodeName, key+" "+volume)
			w.attachedTo.put(volume, a.Spec.NodeName)
		}
		w.marks.node(a.Spec.NodeName)
	}
}

// stays: a DaemonSet's pod on the node uses the volume; both stay there to its end.
func (w *world) stays(volume, node string) bool {
	v := w.volume(volume)
	if v == nil || v.Spec.ClaimRef == nil {
		return false
	}
	key := v.Spec.ClaimRef.Namespace + "/" + v.Spec.ClaimRef.Name
	users := w.using.of(key)
	if claim := w.volumeClaim(key); claim != nil && claim.Spec.VolumeName == volume {
		if owner := metav1.GetControllerOf(claim); owner != nil { // of an ephemeral volume: its pod
			users = append(users, string(owner.UID))
		}
	}
	return slices.ContainsFunc(users, func(uid string) bool {
		p := w.pods[types.UID(uid)]
		return p != nil && p.Spec.NodeName == node && daemonic(p)
	})
}

// markAttached marks the nodes that a volume is attached to.
func (w *world) markAttached(volume string) {
	for node := range w.attachedTo[volume] {
		w.marks.node(node)
	}
}

// daemon is a controller of a kind that wants a pod on each node, with what decides
// on which made ready.
type daemon struct {
	uid      types.UID
	spec     corev1.PodSpec
	affinity nodeaffinity.RequiredNodeAffinity
}

func newDaemon(a above) *daemon {
	d := &daemon{uid: a.GetUID()}
	if t := a.pods(); t != nil {
		d.spec = t.Spec
	}
	d.affinity = nodeaffinity.GetRequiredNodeAffinity(&corev1.Pod{Spec: d.spec})
	return d
}

// seeDaemon concerns all nodes, but only when the template changes: its status
// follows its pods, which come by themselves. It is kept by its key as a workload.
func (w *world) seeDaemon(key string, now *daemon) {
	before := w.daemons[key]
	delete(w.daemons, key)
	if now != nil {
		w.daemons[key] = now
	}
	if before != nil && now != nil && before.uid == now.uid && apiequality.Semantic.DeepEqual(before.spec, now.spec) {
		return
	}
	for name := range w.seen[kindNode] {
		w.marks.node(name)
	}
}

// daemonsMissing names the DaemonSets, and others that want a pod everywhere, that
// belong on the node and have no Ready pod there.
func (w *world) daemonsMissing(n *corev1.Node) []string {
	ready := map[types.UID]bool{}
	for uid := range w.on[n.Name] {
		p := w.pods[types.UID(uid)]
		if !daemonic(p) || p.DeletionTimestamp != nil {
			continue
		}
		if is, _ := readiness(p); is {
			ready[metav1.GetControllerOf(p).UID] = true
		}
	}
	var missing []string
	for key, d := range w.daemons {
		if !ready[d.uid] && d.belongs(n) {
			missing = append(missing, key)
		}
	}
	slices.Sort(missing)
	return missing
}

// belongs: the controller wants a pod of that template on the node.
// It tolerates for its pods whatever a node's condition adds.
func (d *daemon) belongs(n *corev1.Node) bool {
	if ok, err := d.affinity.Match(n); !ok || err != nil {
		return false
	}
	_, kept := schedule.FindMatchingUntoleratedTaint(klog.Background(), n.Spec.Taints, d.spec.Tolerations, func(t *corev1.Taint) bool {
		return t.Effect != corev1.TaintEffectPreferNoSchedule && t.Key != handover.LeavingTaint && !strings.HasPrefix(t.Key, "node.kubernetes.io/")
	}, false)
	return !kept
}
