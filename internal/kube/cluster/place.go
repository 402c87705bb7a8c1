package cluster

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	schedule "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"

	"github.com/droverhq/drover/internal/handover"
)

// groupLabel tells which node group a node belongs to.
const groupLabel = "drover.dev/nodegroup"

// places asks the scheduler's hard rules, for each pod and node: node selector,
// required node affinity, taints, and where its volumes can be attached. A
// cordon is no matter of the pod's, so its taint is passed over.
func (o objects) places(pods []handover.Ref) map[string][]string {
	found := map[string][]string{}
	for _, p := range o.pods {
		if !slices.ContainsFunc(pods, func(r handover.Ref) bool { return r.UID == string(p.UID) }) {
			continue
		}
		for _, n := range o.nodes {
			if selects(p, n) && tolerates(p.Spec.Tolerations, n) && o.reaches(p, n) {
				found[string(p.UID)] = append(found[string(p.UID)], n.Name)
			}
		}
		slices.Sort(found[string(p.UID)])
	}
	return found
}

func selects(p *corev1.Pod, n *corev1.Node) bool {
	ok, err := nodeaffinity.GetRequiredNodeAffinity(p).Match(n)
	return ok && err == nil
}

// tolerates: no taint keeps a pod with these tolerations off the node.
func tolerates(tolerations []corev1.Toleration, n *corev1.Node) bool {
	_, untolerated := schedule.FindMatchingUntoleratedTaint(klog.Background(), n.Spec.Taints, tolerations, func(t *corev1.Taint) bool {
		return t.Effect != corev1.TaintEffectPreferNoSchedule && t.Key != corev1.TaintNodeUnschedulable
	}, false)
	return !untolerated
}

// reaches: every volume of the pod can be attached to the node.
func (o objects) reaches(p *corev1.Pod, n *corev1.Node) bool {
	for _, volume := range o.bound(p) {
		if volume.Spec.NodeAffinity == nil || volume.Spec.NodeAffinity.Required == nil {
			continue
		}
		selector, err := nodeaffinity.NewNodeSelector(volume.Spec.NodeAffinity.Required)
		if err != nil || !selector.Match(n) {
			return false
		}
	}
	return true
}

// bound are the persistent volumes of a pod.
func (o objects) bound(p *corev1.Pod) []*corev1.PersistentVolume {
	var found []*corev1.PersistentVolume
	for _, c := range o.claims {
		if c.Namespace != p.Namespace || !slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool { return claim(p, v) == c.Name }) {
			continue
		}
		for _, v := range o.volumes {
			if v.Name == c.Spec.VolumeName {
				found = append(found, v)
			}
		}
	}
	return found
}

// claim names the claim behind a volume of the pod, empty if there is none.
func claim(p *corev1.Pod, v corev1.Volume) string {
	switch {
	case v.PersistentVolumeClaim != nil:
		return v.PersistentVolumeClaim.ClaimName
	case v.Ephemeral != nil:
		return p.Name + "-" + v.Name
	}
	return ""
}

// pin is the node group that the pod's own selectors name.
func pin(p *corev1.Pod) string {
	if group := p.Spec.NodeSelector[groupLabel]; group != "" {
		return group
	}
	a := p.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return ""
	}
	terms := a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	if len(terms) != 1 {
		return "" // one of several will do
	}
	for _, e := range terms[0].MatchExpressions {
		if e.Key == groupLabel && e.Operator == corev1.NodeSelectorOpIn && len(e.Values) == 1 {
			return e.Values[0]
		}
	}
	return ""
}

// apart are the UIDs of pods with which a copy of p may not share a node, by
// required anti-affinity of either side.
func apart(p *corev1.Pod, others []*corev1.Pod) []string {
	var uids []string
	for _, q := range others {
		if repels(p, q) || repels(q, p) {
			uids = append(uids, string(q.UID))
		}
	}
	slices.Sort(uids)
	return uids
}

// repels: p's anti-affinity keeps it off a node on which q runs.
func repels(p, q *corev1.Pod) bool {
	if p.Spec.Affinity == nil || p.Spec.Affinity.PodAntiAffinity == nil {
		return false
	}
	for _, term := range p.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
		if term.TopologyKey != corev1.LabelHostname {
			continue // zones and the like are the scheduler's; a node is what a move is about
		}
		near := slices.Contains(term.Namespaces, q.Namespace) || term.NamespaceSelector != nil && everything(term.NamespaceSelector) ||
			len(term.Namespaces) == 0 && term.NamespaceSelector == nil && p.Namespace == q.Namespace
		selector, err := metav1.LabelSelectorAsSelector(term.LabelSelector)
		if near && err == nil && selector.Matches(labels.Set(q.Labels)) {
			return true
		}
	}
	return false
}

func everything(s *metav1.LabelSelector) bool {
	return len(s.MatchLabels) == 0 && len(s.MatchExpressions) == 0
}

// daemonsMissing names the DaemonSets that belong on the node and have no
// Ready pod there.
func (o objects) daemonsMissing(n *corev1.Node, on []*corev1.Pod) []string {
	var missing []string
	for _, d := range o.daemonSets {
		if !belongs(d.Spec.Template.Spec, n) {
			continue
		}
		ready := slices.ContainsFunc(on, func(p *corev1.Pod) bool {
			owner := metav1.GetControllerOf(p)
			is, _ := readiness(p)
			return owner != nil && owner.UID == d.UID && is && p.DeletionTimestamp == nil
		})
		if !ready {
			missing = append(missing, "daemonset/"+d.Namespace+"/"+d.Name)
		}
	}
	slices.Sort(missing)
	return missing
}

// belongs: the DaemonSet controller wants a pod of that template on the node.
// It tolerates for its pods whatever a node's condition adds.
func belongs(spec corev1.PodSpec, n *corev1.Node) bool {
	all := slices.DeleteFunc(slices.Clone(n.Spec.Taints), func(t corev1.Taint) bool { return strings.HasPrefix(t.Key, "node.kubernetes.io/") })
	bare := &corev1.Node{ObjectMeta: n.ObjectMeta, Spec: corev1.NodeSpec{Taints: all}}
	return selects(&corev1.Pod{Spec: spec}, n) && tolerates(spec.Tolerations, bare)
}
