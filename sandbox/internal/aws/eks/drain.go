package eks

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// drainer is what EKS does with nodes and their pods.
type drainer struct{ client kubernetes.Interface }

// drain is how a node is drained.
type drain struct {
	past    bool // past disruption budgets: what may not be evicted is deleted
	exclude bool // load balancers are told to leave the node out
}

// drain cordons a node and evicts what runs there; it returns the pods that are
// left. A node that is gone has none.
func (d drainer) drain(ctx context.Context, node *corev1.Node, how drain) (left []string, err error) {
	if node == nil {
		return nil, nil
	}
	if err := d.cordon(ctx, node, true, how.exclude); err != nil {
		return nil, err
	}
	pods, err := d.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node.Name})
	if err != nil {
		return nil, fmt.Errorf("list the pods of %s: %w", node.Name, err)
	}
	for _, p := range pods.Items {
		if p.Spec.NodeName != node.Name || stays(&p) {
			continue
		}
		left = append(left, p.Namespace+"/"+p.Name)
		if p.DeletionTimestamp != nil {
			continue
		}
		if err := d.evict(ctx, &p, how.past); err != nil {
			return left, err
		}
	}
	return left, nil
}

// stays: pods of DaemonSets and of the node itself are left alone, and those that
// have ended do not count.
func stays(p *corev1.Pod) bool {
	owner := metav1.GetControllerOf(p)
	_, mirror := p.Annotations[corev1.MirrorPodAnnotationKey]
	return mirror || owner != nil && owner.Kind == "DaemonSet" ||
		p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

func (d drainer) evict(ctx context.Context, p *corev1.Pod, past bool) error {
	err := d.client.CoreV1().Pods(p.Namespace).EvictV1(ctx, &policyv1.Eviction{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name}})
	if past && apierrors.IsTooManyRequests(err) {
		err = d.client.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{})
	}
	if apierrors.IsNotFound(err) || apierrors.IsTooManyRequests(err) || apierrors.IsForbidden(err) {
		return nil // it is gone, or is asked again in the next turn
	}
	return err
}

// close closes a node for pods and load balancers, or opens it again.
func (d drainer) close(ctx context.Context, node *corev1.Node, closed bool) error {
	if node == nil {
		return nil
	}
	return d.cordon(ctx, node, closed, true)
}

func (d drainer) cordon(ctx context.Context, node *corev1.Node, closed, exclude bool) error {
	patch := object{}
	if node.Spec.Unschedulable != closed {
		patch["spec"] = object{"unschedulable": closed}
	}
	if _, excluded := node.Labels[excludes]; exclude && excluded != closed {
		value := any(nil)
		if closed {
			value = "true"
		}
		patch["metadata"] = object{"labels": object{excludes: value}}
	}
	return d.patch(ctx, node, patch)
}

func (d drainer) patch(ctx context.Context, node *corev1.Node, patch object) error {
	if len(patch) == 0 {
		return nil
	}
	data, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	_, err = d.client.CoreV1().Nodes().Patch(ctx, node.Name, types.MergePatchType, data, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// dress gives a node the group's labels and taints, and takes away what is gone
// from the group: keys of labels, taints as key:effect.
func (d drainer) dress(ctx context.Context, node *corev1.Node, g region.Nodegroup, gone []string) error {
	labels := object{}
	for key, value := range region.NodegroupLabels(&g, "") {
		if have, ok := node.Labels[key]; !ok || have != value {
			labels[key] = value
		}
	}
	for _, key := range gone {
		if _, ok := node.Labels[key]; ok && !strings.Contains(key, ":") {
			labels[key] = nil
		}
	}
	taints := dressed(node.Spec.Taints, g.Taints, gone)
	patch := object{}
	if len(labels) > 0 {
		patch["metadata"] = object{"labels": labels}
	}
	if !slices.EqualFunc(taints, node.Spec.Taints, func(a, b corev1.Taint) bool { return a.MatchTaint(&b) && a.Value == b.Value }) {
		patch["spec"] = object{"taints": taints}
	}
	return d.patch(ctx, node, patch)
}

// dressed are a node's taints with those of its group, and without those that are gone.
func dressed(have []corev1.Taint, want []region.NodegroupTaint, gone []string) []corev1.Taint {
	taints := slices.DeleteFunc(slices.Clone(have), func(t corev1.Taint) bool {
		return slices.Contains(gone, t.Key+":"+string(t.Effect))
	})
	for _, w := range want {
		t := corev1.Taint{Key: w.Key, Value: w.Value, Effect: corev1.TaintEffect(w.KubernetesEffect())}
		k := slices.IndexFunc(taints, func(o corev1.Taint) bool { return o.MatchTaint(&t) })
		if k < 0 {
			taints = append(taints, t)
		} else {
			taints[k].Value = t.Value
		}
	}
	return taints
}

func ready(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}
