package placement_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/droverhq/drover/internal/kube/placement"
)

func node(name, zone string, change ...func(*corev1.Node)) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
		corev1.LabelHostname: name, corev1.LabelTopologyZone: zone,
	}}}
	n.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("8Gi"), corev1.ResourcePods: resource.MustParse("20"),
	}
	for _, c := range change {
		c(n)
	}
	return n
}

func allocatable(name corev1.ResourceName, amount string) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Status.Allocatable[name] = resource.MustParse(amount) }
}

func tainted(t corev1.Taint) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Spec.Taints = append(n.Spec.Taints, t) }
}

func cordoned(n *corev1.Node) {
	n.Spec.Unschedulable = true
	n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule})
}

func labeled(k, v string) func(*corev1.Node) { return func(n *corev1.Node) { n.Labels[k] = v } }

// pod is of the app that its name begins with: web-1 is of web.
func pod(name, on string, change ...func(*corev1.Pod)) *corev1.Pod {
	app, _, _ := strings.Cut(name, "-")
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name), Labels: map[string]string{"app": app}}}
	p.Spec.NodeName = on
	p.Spec.Containers = []corev1.Container{{Name: "main"}}
	for _, c := range change {
		c(p)
	}
	return p
}

func asks(name corev1.ResourceName, amount string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		r := &p.Spec.Containers[0].Resources
		if r.Requests == nil {
			r.Requests = corev1.ResourceList{}
		}
		r.Requests[name] = resource.MustParse(amount)
	}
}

func app(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
}

func spreadBy(key, of string, change ...func(*corev1.TopologySpreadConstraint)) func(*corev1.Pod) {
	c := corev1.TopologySpreadConstraint{MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: app(of)}
	for _, f := range change {
		f(&c)
	}
	return func(p *corev1.Pod) {
		p.Spec.TopologySpreadConstraints = append(p.Spec.TopologySpreadConstraints, c)
	}
}

func honor(c *corev1.TopologySpreadConstraint) {
	h := corev1.NodeInclusionPolicyHonor
	c.NodeTaintsPolicy = &h
}

func apartBy(key, from string, change ...func(*corev1.PodAffinityTerm)) func(*corev1.Pod) {
	t := corev1.PodAffinityTerm{TopologyKey: key, LabelSelector: app(from)}
	for _, f := range change {
		f(&t)
	}
	return func(p *corev1.Pod) {
		affinity(p).PodAntiAffinity = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{t}}
	}
}

func nearBy(key, to string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		affinity(p).PodAffinity = &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{TopologyKey: key, LabelSelector: app(to)}}}
	}
}

func affinity(p *corev1.Pod) *corev1.Affinity {
	if p.Spec.Affinity == nil {
		p.Spec.Affinity = &corev1.Affinity{}
	}
	return p.Spec.Affinity
}

func tolerates(ts ...corev1.Toleration) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.Tolerations = append(p.Spec.Tolerations, ts...) }
}

var everything = tolerates(corev1.Toleration{Operator: corev1.TolerationOpExists})

func hostPort(number int32, ip string, protocol corev1.Protocol) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		c := &p.Spec.Containers[0]
		c.Ports = append(c.Ports, corev1.ContainerPort{HostPort: number, HostIP: ip, Protocol: protocol, ContainerPort: number})
	}
}

func claims(name string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name},
		}})
	}
}

func important(priority int32) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.Priority = &priority }
}

func claim(name, volume string, modes ...corev1.PersistentVolumeAccessMode) *corev1.PersistentVolumeClaim {
	class := "gp3"
	c := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	c.Spec = corev1.PersistentVolumeClaimSpec{VolumeName: volume, StorageClassName: &class, AccessModes: modes}
	return c
}

func volume(name string, change func(*corev1.PersistentVolume)) *corev1.PersistentVolume {
	v := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}}}
	v.Spec.CSI = &corev1.CSIPersistentVolumeSource{Driver: "ebs.csi.aws.com", VolumeHandle: "vol-" + name}
	if change != nil {
		change(v)
	}
	return v
}

func csiNode(name string, limit int32) *storagev1.CSINode {
	return &storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{
		{Name: "ebs.csi.aws.com", Allocatable: &storagev1.VolumeNodeResources{Count: &limit}},
	}}}
}

func inZone(key, zone string) *corev1.NodeSelector {
	return &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
		{Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}},
	}}}}
}

// place moves every pod of node old (and of other nodes given).
func place(o placement.Objects, leaving ...string) []placement.Answer {
	var moves []placement.Move
	for _, n := range leaving {
		for _, p := range o.Pods {
			if p.Spec.NodeName == n {
				moves = append(moves, placement.Move{Pod: p})
			}
		}
	}
	return placement.Place(o, leaving, moves)
}

type nodes = []*corev1.Node
type pods = []*corev1.Pod

func TestPlace(t *testing.T) {
	gpu := corev1.Taint{Key: "gpu", Value: "yes", Effect: corev1.TaintEffectNoSchedule}
	wait := storagev1.VolumeBindingWaitForFirstConsumer
	tests := map[string]struct {
		objects placement.Objects
		node    string // of the first answer
		why     string // part of it
		fix     string
	}{
		"room: cpu is there": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a")}, Pods: pods{pod("web-1", "old", asks("cpu", "4"))}},
			node:    "n1",
		},
		"room: cpu is taken": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a")}, Pods: pods{pod("web-1", "old", asks("cpu", "3")), pod("db-1", "n1", asks("cpu", "1500m"))}},
			why:     "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable", fix: "n1 lacks 500m cpu",
		},
		"room: a pod's overhead counts": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a")}, Pods: pods{pod("web-1", "old", asks("cpu", "4"), func(p *corev1.Pod) {
				p.Spec.Overhead = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}
			})}},
			why: "1 Insufficient cpu", fix: "100m cpu",
		},
		"room: a sidecar counts beside the containers": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a")}, Pods: pods{pod("web-1", "old", asks("cpu", "3"), func(p *corev1.Pod) {
				always := corev1.ContainerRestartPolicyAlways
				p.Spec.InitContainers = []corev1.Container{{Name: "proxy", RestartPolicy: &always, Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}}}}
			})}},
			why: "1 Insufficient cpu", fix: "1 cpu",
		},
		"room: ephemeral storage": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a", allocatable("ephemeral-storage", "1Gi"))}, Pods: pods{pod("web-1", "old", asks("ephemeral-storage", "2Gi"))}},
			why:     "1 Insufficient ephemeral-storage", fix: "1Gi ephemeral-storage",
		},
		"room: extended resources": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a", allocatable("nvidia.com/gpu", "1"))}, Pods: pods{pod("web-1", "old", asks("nvidia.com/gpu", "2"))}},
			why:     "1 Insufficient nvidia.com/gpu", fix: "1 nvidia.com/gpu",
		},
		"room: number of pods": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a", allocatable("pods", "1"))}, Pods: pods{pod("web-1", "old"), pod("db-1", "n1")}},
			why:     "1 Too many pods", fix: "1 pod",
		},
		"room: pods that ended take none": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a", allocatable("pods", "1"))}, Pods: pods{pod("web-1", "old"), pod("db-1", "n1", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded })}},
			node:    "n1",
		},
		"ports: another protocol is no conflict": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a")}, Pods: pods{pod("web-1", "old", hostPort(53, "", corev1.ProtocolTCP)), pod("dns-1", "n1", hostPort(53, "", corev1.ProtocolUDP))}},
			node:    "n1",
		},
		"ports: another address is no conflict": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a")}, Pods: pods{pod("web-1", "old", hostPort(53, "10.0.0.1", "")), pod("dns-1", "n1", hostPort(53, "10.0.0.2", ""))}},
			node:    "n1",
		},
		"ports: every address conflicts with one": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a")}, Pods: pods{pod("web-1", "old", hostPort(80, "", "")), pod("dns-1", "n1", hostPort(80, "10.0.0.2", ""))}},
			why:     "1 node(s) didn't have free ports for the requested pod ports", fix: "host port 80/TCP",
		},
		"selector: no node has the label": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a")}, Pods: pods{pod("web-1", "old", func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": "ssd"} })}},
			why:     "1 node(s) didn't match Pod's node affinity/selector", fix: "disk=ssd",
		},
		"affinity: by the name of a node": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a"), node("n2", "a")}, Pods: pods{pod("web-1", "old", func(p *corev1.Pod) {
				affinity(p).NodeAffinity = &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
					MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{"n2"}}},
				}}}}
			})}},
			node: "n2",
		},
		"taints: one that is not tolerated": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a", tainted(gpu))}, Pods: pods{pod("web-1", "old")}},
			why:     "1 node(s) had untolerated taint {gpu: yes}", fix: "{gpu: yes}",
		},
		"taints: one that is tolerated": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a", tainted(gpu))}, Pods: pods{pod("web-1", "old", tolerates(corev1.Toleration{Key: "gpu", Operator: corev1.TolerationOpExists}))}},
			node:    "n1",
		},
		"taints: a node that is not ready": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a", tainted(corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}))}, Pods: pods{pod("web-1", "old")}},
			why:     "untolerated taint {node.kubernetes.io/not-ready: }",
		},
		"cordon: a cordoned node takes none": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a", cordoned)}, Pods: pods{pod("web-1", "old")}},
			why:     "0/2 nodes are available: 2 node(s) were unschedulable", fix: "uncordon",
		},
		"cordon: a pod that tolerates everything lands on a cordoned node": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a", cordoned)}, Pods: pods{pod("web-1", "old", everything)}},
			node:    "n1",
		},
		"cordon: a leaving node takes none, whatever is tolerated": {
			objects: placement.Objects{Nodes: nodes{node("old", "a")}, Pods: pods{pod("web-1", "old", everything)}},
			why:     "0/1 nodes are available: 1 node(s) were unschedulable",
		},
		"spread: the leaving node still counts": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "b")}, Pods: pods{pod("web-1", "old", spreadBy(corev1.LabelHostname, "web")), pod("web-2", "n1"), pod("web-3", "n1")}},
			why:     "1 node(s) didn't match pod topology spread constraints", fix: "nodeTaintsPolicy: Honor",
		},
		"spread: with nodeTaintsPolicy Honor it does not": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "b")}, Pods: pods{pod("web-1", "old", spreadBy(corev1.LabelHostname, "web", honor)), pod("web-2", "n1"), pod("web-3", "n1")}},
			node:    "n1",
		},
		"spread: the domain with the fewest has no room": {
			objects: placement.Objects{Nodes: nodes{node("old", "c"), node("n1", "a"), node("n2", "b", allocatable("pods", "0"))}, Pods: pods{pod("web-1", "old", spreadBy(corev1.LabelTopologyZone, "web", honor)), pod("web-2", "n1")}},
			why:     "1 Too many pods, 1 node(s) didn't match pod topology spread constraints", fix: "room on nodes in b",
		},
		"spread: minDomains": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a")}, Pods: pods{pod("web-1", "old", spreadBy(corev1.LabelTopologyZone, "web", func(c *corev1.TopologySpreadConstraint) {
				two := int32(2)
				c.MinDomains = &two
			}))}},
			why: "didn't match pod topology spread constraints", fix: "minDomains is 2 and there are 1",
		},
		"spread: a node without the label": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a")}, Pods: pods{pod("web-1", "old", spreadBy("rack", "web"))}},
			why:     "1 node(s) didn't match pod topology spread constraints (missing required label)", fix: "rack",
		},
		"spread: nodes that the pod does not select do not count": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "b", labeled("pool", "x")), node("n2", "c")}, Pods: pods{
				pod("web-1", "old", spreadBy(corev1.LabelTopologyZone, "web"), func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"pool": "x"} }), pod("web-2", "n1"),
			}},
			node: "n1",
		},
		"spread: with nodeAffinityPolicy Ignore they do": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "b", labeled("pool", "x")), node("n2", "c")}, Pods: pods{
				pod("web-1", "old", spreadBy(corev1.LabelTopologyZone, "web", func(c *corev1.TopologySpreadConstraint) {
					ignore := corev1.NodeInclusionPolicyIgnore
					c.NodeAffinityPolicy = &ignore
				}), func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"pool": "x"} }), pod("web-2", "n1"),
			}},
			why: "didn't match pod topology spread constraints",
		},
		"spread: matchLabelKeys count the same revision only": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "b")}, Pods: pods{
				pod("web-1", "old", func(p *corev1.Pod) { p.Labels["rev"] = "2" }, spreadBy(corev1.LabelTopologyZone, "web", honor, func(c *corev1.TopologySpreadConstraint) { c.MatchLabelKeys = []string{"rev"} })),
				pod("web-2", "n1", func(p *corev1.Pod) { p.Labels["rev"] = "1" }),
			}},
			node: "n1",
		},
		"spread: pods of another namespace do not count": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "b"), node("n2", "c", cordoned)}, Pods: pods{pod("web-1", "old", spreadBy(corev1.LabelTopologyZone, "web")), pod("web-2", "n1", func(p *corev1.Pod) { p.Namespace = "other" })}},
			node:    "n1",
		},
		"spread: pods that end do not count": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "b"), node("n2", "c", cordoned)}, Pods: pods{pod("web-1", "old", spreadBy(corev1.LabelTopologyZone, "web")), pod("web-2", "n1", func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} })}},
			node:    "n1",
		},
		"anti-affinity: its own, by host": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "b")}, Pods: pods{pod("web-1", "old", apartBy(corev1.LabelHostname, "web")), pod("web-2", "n1")}},
			why:     "1 node(s) didn't match pod anti-affinity rules", fix: "one node more",
		},
		"anti-affinity: its own, by zone": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a"), node("n2", "b")}, Pods: pods{pod("web-1", "old", apartBy(corev1.LabelTopologyZone, "web")), pod("web-2", "n2")}},
			why:     "2 node(s) didn't match pod anti-affinity rules", fix: "use kubernetes.io/hostname",
		},
		"anti-affinity: of a pod that is there": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "b")}, Pods: pods{pod("web-1", "old"), pod("db-1", "n1", apartBy(corev1.LabelHostname, "web"))}},
			why:     "1 node(s) didn't satisfy existing pods anti-affinity rules", fix: "pod shop/db-1",
		},
		"anti-affinity: another namespace is no matter": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "b")}, Pods: pods{pod("web-1", "old"), pod("db-1", "n1", apartBy(corev1.LabelHostname, "web"), func(p *corev1.Pod) { p.Namespace = "other" })}},
			node:    "n1",
		},
		"anti-affinity: but for one that it names": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "b")}, Pods: pods{pod("web-1", "old"), pod("db-1", "n1", apartBy(corev1.LabelHostname, "web", func(t *corev1.PodAffinityTerm) { t.Namespaces = []string{"shop"} }), func(p *corev1.Pod) { p.Namespace = "other" })}},
			why:     "existing pods anti-affinity",
		},
		"anti-affinity: or selects by label": {
			objects: placement.Objects{
				Namespaces: []*corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"team": "a"}}}},
				Nodes:      nodes{node("old", "a"), node("n1", "b")},
				Pods: pods{pod("web-1", "old"), pod("db-1", "n1", apartBy(corev1.LabelHostname, "web", func(t *corev1.PodAffinityTerm) {
					t.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}
				}), func(p *corev1.Pod) { p.Namespace = "other" })},
			},
			why: "existing pods anti-affinity",
		},
		"anti-affinity: an empty namespace selector means all": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "b")}, Pods: pods{pod("web-1", "old"), pod("db-1", "n1", apartBy(corev1.LabelHostname, "web", func(t *corev1.PodAffinityTerm) {
				t.NamespaceSelector = &metav1.LabelSelector{}
			}), func(p *corev1.Pod) { p.Namespace = "other" })}},
			why: "existing pods anti-affinity",
		},
		"anti-affinity: matchLabelKeys keep the same revision apart only": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "b")}, Pods: pods{
				pod("web-1", "old", func(p *corev1.Pod) { p.Labels["rev"] = "2" }, apartBy(corev1.LabelHostname, "web", func(t *corev1.PodAffinityTerm) { t.MatchLabelKeys = []string{"rev"} })),
				pod("web-2", "n1", func(p *corev1.Pod) { p.Labels["rev"] = "1" }),
			}},
			node: "n1",
		},
		"affinity: near another app": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "b"), node("n2", "c")}, Pods: pods{pod("web-1", "old", nearBy(corev1.LabelTopologyZone, "db")), pod("db-1", "n2")}},
			node:    "n2",
		},
		"affinity: near an app that is nowhere else": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "b")}, Pods: pods{pod("web-1", "old", nearBy(corev1.LabelTopologyZone, "db"))}},
			why:     "1 node(s) didn't match pod affinity rules", fix: "topology.kubernetes.io/zone",
		},
		"affinity: its copy must be near the pod itself": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "b")}, Pods: pods{pod("web-1", "old", nearBy(corev1.LabelTopologyZone, "web"))}},
			why:     "1 node(s) didn't match pod affinity rules",
		},
		"affinity: the first of a series may go anywhere": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "b")}, Pods: pods{pod("web-1", "old", nearBy(corev1.LabelTopologyZone, "web"), func(p *corev1.Pod) { p.Labels["gap"] = "" })}},
			node:    "n1",
		},
		"volume: bound to a zone": {
			objects: placement.Objects{
				Nodes: nodes{node("old", "a"), node("n1", "b")}, Pods: pods{pod("web-1", "old", claims("data"))}, Claims: []*corev1.PersistentVolumeClaim{claim("data", "pv")},
				Volumes: []*corev1.PersistentVolume{volume("pv", func(v *corev1.PersistentVolume) {
					v.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: inZone(corev1.LabelTopologyZone, "a")}
				})},
			},
			why: "1 node(s) didn't match PersistentVolume's node affinity", fix: "topology.kubernetes.io/zone In a",
		},
		"volume: labelled with a zone": {
			objects: placement.Objects{
				Nodes: nodes{node("old", "a"), node("n1", "b")}, Pods: pods{pod("web-1", "old", claims("data"))}, Claims: []*corev1.PersistentVolumeClaim{claim("data", "pv")},
				Volumes: []*corev1.PersistentVolume{volume("pv", func(v *corev1.PersistentVolume) { v.Labels[corev1.LabelFailureDomainBetaZone] = "a" })},
			},
			why: "1 node(s) had no available volume zone", fix: "failure-domain.beta.kubernetes.io/zone=a",
		},
		"volume: labelled with several zones": {
			objects: placement.Objects{
				Nodes: nodes{node("old", "a"), node("n1", "b")}, Pods: pods{pod("web-1", "old", claims("data"))}, Claims: []*corev1.PersistentVolumeClaim{claim("data", "pv")},
				Volumes: []*corev1.PersistentVolume{volume("pv", func(v *corev1.PersistentVolume) { v.Labels[corev1.LabelTopologyZone] = "a__b" })},
			},
			node: "n1",
		},
		"volume: made on first use, where its class allows": {
			objects: placement.Objects{
				Nodes: nodes{node("old", "a"), node("n1", "b"), node("n2", "c")}, Pods: pods{pod("web-1", "old", claims("data"))}, Claims: []*corev1.PersistentVolumeClaim{claim("data", "")},
				Classes: []*storagev1.StorageClass{{ObjectMeta: metav1.ObjectMeta{Name: "gp3"}, Provisioner: "ebs.csi.aws.com", VolumeBindingMode: &wait, AllowedTopologies: []corev1.TopologySelectorTerm{
					{MatchLabelExpressions: []corev1.TopologySelectorLabelRequirement{{Key: corev1.LabelTopologyZone, Values: []string{"c"}}}},
				}}},
			},
			node: "n2",
		},
		"volume: made on first use, nowhere": {
			objects: placement.Objects{
				Nodes: nodes{node("old", "a"), node("n1", "b")}, Pods: pods{pod("web-1", "old", claims("data"))}, Claims: []*corev1.PersistentVolumeClaim{claim("data", "")},
				Classes: []*storagev1.StorageClass{{ObjectMeta: metav1.ObjectMeta{Name: "gp3"}, Provisioner: "ebs.csi.aws.com", VolumeBindingMode: &wait, AllowedTopologies: []corev1.TopologySelectorTerm{
					{MatchLabelExpressions: []corev1.TopologySelectorLabelRequirement{{Key: corev1.LabelTopologyZone, Values: []string{"c"}}}},
				}}},
			},
			why: "1 node(s) didn't find available persistent volumes to bind", fix: "allowedTopologies",
		},
		"volume: ReadWriteOncePod is still in use": {
			objects: placement.Objects{
				Nodes: nodes{node("old", "a"), node("n1", "a")}, Pods: pods{pod("web-1", "old", claims("data"))}, Claims: []*corev1.PersistentVolumeClaim{claim("data", "pv", corev1.ReadWriteOncePod)},
				Volumes: []*corev1.PersistentVolume{volume("pv", nil)},
			},
			why: "ReadWriteOncePod access mode already in-use", fix: "must end before",
		},
		"volume: the node attaches no more": {
			objects: placement.Objects{
				Nodes: nodes{node("old", "a"), node("n1", "a")}, Pods: pods{pod("web-1", "old", claims("data")), pod("db-1", "n1", claims("other"))},
				Claims:  []*corev1.PersistentVolumeClaim{claim("data", "pv"), claim("other", "pv2")},
				Volumes: []*corev1.PersistentVolume{volume("pv", nil), volume("pv2", nil)}, CSINodes: []*storagev1.CSINode{csiNode("n1", 1)},
			},
			why: "1 node(s) exceed max volume count", fix: "volumes",
		},
		"volume: one that the node has already counts once": {
			objects: placement.Objects{
				Nodes: nodes{node("old", "a"), node("n1", "a")}, Pods: pods{pod("web-1", "old", claims("data")), pod("db-1", "n1", claims("data"))},
				Claims:  []*corev1.PersistentVolumeClaim{claim("data", "pv")},
				Volumes: []*corev1.PersistentVolume{volume("pv", nil)}, CSINodes: []*storagev1.CSINode{csiNode("n1", 1)},
			},
			node: "n1",
		},
		"volume: the claim is gone": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a")}, Pods: pods{pod("web-1", "old", claims("data"))}},
			why:     `persistentvolumeclaim "data" not found`, fix: "describe pvc",
		},
		"another scheduler": {
			objects: placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a")}, Pods: pods{pod("web-1", "old", func(p *corev1.Pod) { p.Spec.SchedulerName = "volcano" })}},
			node:    placement.Unknown, why: "another scheduler decides: volcano",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			gap := func() bool {
				for _, p := range tt.objects.Pods {
					if _, ok := p.Labels["gap"]; ok {
						return true
					}
				}
				return false
			}
			a := placement.Place(tt.objects, []string{"old"}, []placement.Move{{Pod: tt.objects.Pods[0], Gap: gap()}})[0]
			if a.Node != tt.node || !strings.Contains(a.Why, tt.why) || !strings.Contains(a.Fix, tt.fix) || tt.why == "" && a.Why != "" {
				t.Errorf("node %q\nwhy %q\nfix %q", a.Node, a.Why, a.Fix)
			}
		})
	}
}

// Want of room and other pods turn a copy away from more nodes of the same size as
// well; a taint, a label or a volume's zone may not be theirs.
func TestWhatLastsOnMoreNodes(t *testing.T) {
	gpu := corev1.Taint{Key: "gpu", Value: "yes", Effect: corev1.TaintEffectNoSchedule}
	tainted := func(n *corev1.Node) { n.Spec.Taints = append(n.Spec.Taints, gpu) }
	for name, c := range map[string]struct {
		node *corev1.Node
		pods pods
		want bool
	}{
		"room":          {node("n1", "a"), pods{pod("web-1", "old", asks("cpu", "5"))}, true},
		"anti-affinity": {node("n1", "a"), pods{pod("web-1", "old", apartBy(corev1.LabelTopologyZone, "db")), pod("db-1", "n1")}, true},
		"a taint":       {node("n1", "a", tainted), pods{pod("web-1", "old")}, false},
		"affinity":      {node("n1", "a"), pods{pod("web-1", "old", nearBy(corev1.LabelTopologyZone, "nobody"))}, false},
		"a place":       {node("n1", "a"), pods{pod("web-1", "old")}, false},
	} {
		o := placement.Objects{Nodes: nodes{node("old", "a"), c.node}, Pods: c.pods}
		if a := place(o, "old")[0]; a.Lasting != c.want {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestFixedNodeIsTheOnlyOne(t *testing.T) {
	o := placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a")}, Pods: pods{pod("web-1", "old")}}
	a := placement.Place(o, []string{"old"}, []placement.Move{{Pod: o.Pods[0], Fixed: "old"}})[0]
	if a.Node != "" || !strings.Contains(a.Why, "didn't match the requested node name") || !strings.Contains(a.Fix, "node old") {
		t.Errorf("%+v", a)
	}
}

func TestCopiesAreThereBeforeTheirPodsGo(t *testing.T) {
	o := placement.Objects{
		Nodes: nodes{node("old1", "a"), node("old2", "b"), node("n1", "a"), node("n2", "b")},
		Pods: pods{
			pod("web-1", "old1", spreadBy(corev1.LabelTopologyZone, "web")), pod("web-2", "old2", spreadBy(corev1.LabelTopologyZone, "web")),
		},
	}
	for _, a := range place(o, "old1", "old2") {
		if a.Node == "" {
			t.Errorf("%s: %s", a.Pod.Name, a.Why)
		}
	}
}

func TestNoRoomForAllTogetherButForEachAlone(t *testing.T) {
	o := placement.Objects{
		Nodes: nodes{node("old", "a"), node("n1", "a")},
		Pods:  pods{pod("web-1", "old", asks("cpu", "3")), pod("web-2", "old", asks("cpu", "3"))},
	}
	got := place(o, "old")
	if got[0].Node != "n1" || got[1].Node != "" || !got[1].Alone || !strings.Contains(got[1].Fix, "n1 lacks 2 cpu") {
		t.Errorf("%+v", got)
	}
}

func TestAnotherOrderFindsRoom(t *testing.T) {
	o := placement.Objects{
		Nodes: nodes{node("old1", "a"), node("old2", "a"), node("n1", "a"), node("n2", "a")},
		Pods: pods{ // one after the other, small ones are spread over both nodes and leave no room for the large one
			pod("s-1", "old1", asks("cpu", "1")), pod("s-2", "old1", asks("cpu", "1")), pod("l-1", "old2", asks("cpu", "4")),
		},
	}
	for _, a := range place(o, "old1", "old2") {
		if a.Node == "" {
			t.Errorf("%s: %s", a.Pod.Name, a.Why)
		}
	}
}

func TestPreemptionIsNoRoom(t *testing.T) {
	never := corev1.PreemptNever
	for name, tt := range map[string]struct {
		mine func(*corev1.Pod)
		want string
	}{
		"a lower priority would end":      {important(10), "shop/low-1"},
		"an equal one would not":          {important(1), ""},
		"unless the pod must not preempt": {func(p *corev1.Pod) { important(10)(p); p.Spec.PreemptionPolicy = &never }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a")}, Pods: pods{
				pod("web-1", "old", asks("cpu", "3"), tt.mine), pod("low-1", "n1", asks("cpu", "2"), important(1)), pod("low-2", "n1", asks("cpu", "1"), important(1)),
			}}
			a := place(o, "old")[0]
			if a.Preempts != tt.want || (a.Node == "n1") != (tt.want != "") || !strings.Contains(a.Why, "Insufficient cpu") {
				t.Errorf("%+v", a)
			}
		})
	}
}

func TestObjectsStayAsTheyAre(t *testing.T) {
	o := placement.Objects{Nodes: nodes{node("old", "a"), node("n1", "a")}, Pods: pods{pod("web-1", "old")}}
	before := fmt.Sprint(o.Nodes[0], o.Nodes[1], o.Pods[0])
	place(o, "old")
	if after := fmt.Sprint(o.Nodes[0], o.Nodes[1], o.Pods[0]); after != before {
		t.Errorf("changed:\n%s\n%s", before, after)
	}
}
