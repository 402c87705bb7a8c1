package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/tools/cache"

	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/kube/placement"
)

// Place answers where copies of the pods would go if the nodes took no pods any
// more; those that are placed anew go to nodes that are yet to come. What the watches do not hold is listed once.
func (c *Cluster) Place(ctx context.Context, leaving []string, pods, anew []handover.Ref, fresh []handover.Size) ([]handover.Placement, error) {
	o, err := c.schedulable(ctx)
	if err != nil {
		return nil, err
	}
	o.Nodes = append(slices.Clone(o.Nodes), freshNodes(o.Nodes, leaving, fresh)...)
	wanted := map[string]bool{}
	for _, r := range pods {
		wanted[r.UID] = true
	}
	placed := map[string]bool{}
	for _, r := range anew {
		placed[r.UID] = true
	}
	var moves []placement.Move
	for _, p := range o.Pods {
		switch uid := string(p.UID); {
		case wanted[uid]:
			moves = append(moves, placement.Move{Pod: p, As: c.successor(p), Fixed: c.fixed(p), Gap: c.gap(p)})
		case placed[uid]:
			moves = append(moves, placement.Move{Pod: p, As: onFresh(p), Gap: c.gap(p)})
		}
	}
	var found []handover.Placement
	for _, a := range placement.Place(o, leaving, moves) {
		found = append(found, answered(a))
	}
	return found, nil
}

// freshLabel is on nodes that are yet to come, and on no real one.
const freshLabel = "drover.dev/fresh"

// freshNodes are nodes that are yet to come: like those that leave, open, and
// with the room of their instances.
func freshNodes(nodes []*corev1.Node, leaving []string, wanted []handover.Size) []*corev1.Node {
	var like []*corev1.Node
	for _, node := range nodes {
		if slices.Contains(leaving, node.Name) {
			like = append(like, node)
		}
	}
	if len(like) == 0 {
		return nil
	}
	var fresh []*corev1.Node
	for i, want := range wanted {
		node := like[i%len(like)].DeepCopy()
		node.Name = fmt.Sprintf("new-%d", i+1)
		node.Labels[corev1.LabelHostname] = node.Name
		delete(node.Labels, groupLabel)
		node.Labels[freshLabel] = "true"
		if want.Arch != "" {
			node.Labels[handover.ArchLabel] = want.Arch
		}
		node.Spec.Unschedulable = false
		for name := range node.Status.Allocatable {
			node.Status.Allocatable[name] = room(name, want)
		}
		fresh = append(fresh, node)
	}
	return fresh
}

// room is what a node that is yet to come has of a resource, at the most.
func room(name corev1.ResourceName, n handover.Size) resource.Quantity {
	switch {
	case name == corev1.ResourceCPU && n.CPU > 0:
		return *resource.NewQuantity(int64(n.CPU), resource.DecimalSI)
	case name == corev1.ResourceMemory && n.Memory > 0:
		return *resource.NewQuantity(n.Memory, resource.BinarySI)
	case n.CPU > 0 && lacks(n, name):
		return resource.Quantity{}
	}
	return ample
}

// lacks: the resource is of a sort of devices that the type has none of.
func lacks(n handover.Size, name corev1.ResourceName) bool {
	return slices.ContainsFunc(handover.Devices, func(device string) bool {
		return strings.HasPrefix(string(name), device) && !slices.Contains(strings.Fields(n.Devices), device)
	})
}

// ample is more of anything than the pods of a group ask for.
var ample = resource.MustParse("1P")

// onFresh is the pod as the plan places it anew: on nodes that are yet to come.
func onFresh(p *corev1.Pod) *corev1.Pod {
	q := p.DeepCopy()
	delete(q.Spec.NodeSelector, groupLabel)
	if q.Spec.NodeSelector == nil {
		q.Spec.NodeSelector = map[string]string{}
	}
	q.Spec.NodeSelector[freshLabel] = "true"
	return q
}

func answered(a placement.Answer) handover.Placement {
	p := handover.Placement{
		Pod:  handover.Ref{Namespace: a.Pod.Namespace, Name: a.Pod.Name, UID: string(a.Pod.UID)},
		Node: a.Node, Why: a.Why, Fix: a.Fix, Preempts: a.Preempts, Lasting: a.Lasting,
	}
	if a.Alone {
		p.Why += "; it would have a place if nothing else moved"
	}
	return p
}

// schedulable is what the scheduler looks at. What nothing else here needs is
// watched from the first question on.
func (c *Cluster) schedulable(ctx context.Context) (placement.Objects, error) {
	core, storage, all := c.factory.Core().V1(), c.factory.Storage().V1(), labels.Everything()
	if !c.watchAlso(ctx, core.Namespaces().Informer(), storage.StorageClasses().Informer(), storage.CSINodes().Informer()) {
		return placement.Objects{}, errUnseen
	}
	var o placement.Objects
	var errs [8]error
	o.Nodes, errs[0] = core.Nodes().Lister().List(all)
	o.Pods, errs[1] = core.Pods().Lister().List(all)
	o.Claims, errs[2] = core.PersistentVolumeClaims().Lister().List(all)
	o.Volumes, errs[3] = core.PersistentVolumes().Lister().List(all)
	o.Attachments, errs[4] = storage.VolumeAttachments().Lister().List(all)
	o.Namespaces, errs[5] = core.Namespaces().Lister().List(all)
	o.Classes, errs[6] = storage.StorageClasses().Lister().List(all)
	o.CSINodes, errs[7] = storage.CSINodes().Lister().List(all)
	inOrder(o.Nodes)
	inOrder(o.Pods)
	return o, errors.Join(errs[:]...)
}

// inOrder lets the same question have the same answer: watches keep what they
// see in no order.
func inOrder[T metav1.Object](all []T) {
	slices.SortFunc(all, func(a, b T) int {
		return cmp.Or(strings.Compare(a.GetNamespace(), b.GetNamespace()), strings.Compare(a.GetName(), b.GetName()))
	})
}

// errUnseen: what may not be read, or not in time, is not placed.
var errUnseen = errors.New("no answer about namespaces, storage classes or CSI nodes")

// watchAlso starts further watches, and waits for them. It may be called again.
func (c *Cluster) watchAlso(ctx context.Context, also ...cache.SharedIndexInformer) bool {
	for _, informer := range also {
		_ = c.heed(informer) // fails if it has started, and then it is heeded
	}
	c.factory.Start(c.stop)
	return c.synced(ctx, optionalTime, also) && c.lacks(also...) == nil
}

// successor is the pod that p's controller makes in its place, if that is by another
// template. Nil: one like p.
func (c *Cluster) successor(p *corev1.Pod) *corev1.Pod {
	owner, known := c.owner(p)
	if !known {
		return nil
	}
	return owner.successor(p)
}

// fixed is the node that the template of a pod's controller names.
func (c *Cluster) fixed(p *corev1.Pod) string {
	if t := c.template(p); t != nil {
		return t.Spec.NodeName
	}
	return ""
}

// gap: the pod goes before its copy comes.
func (c *Cluster) gap(p *corev1.Pod) bool {
	owner, known := c.owner(p)
	return known && owner.keepsNames() || alone(p, c) != ""
}

func (c *Cluster) volumeClaim(key string) *corev1.PersistentVolumeClaim {
	claim, _, _ := c.stores[kindClaim].GetByKey(key)
	found, _ := claim.(*corev1.PersistentVolumeClaim)
	return found
}

func (c *Cluster) volume(name string) *corev1.PersistentVolume {
	volume, _, _ := c.stores[kindVolume].GetByKey(name)
	found, _ := volume.(*corev1.PersistentVolume)
	return found
}
