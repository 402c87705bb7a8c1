package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/util/retry"

	"github.com/droverhq/drover/internal/handover"
)

// touchedAnnotation is when a disruption budget was last touched.
const touchedAnnotation = "drover.dev/touched"

// PatchNode changes a node in one write. A node that is gone needs none. Taints
// are one list that many write, so a patch that changes ours holds only for the
// node as it was read, and is made anew when that has changed.
func (c *Cluster) PatchNode(ctx context.Context, node string, p handover.Patch) error {
	return refused(retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		body, spec := metadata(p), cordon(p)
		if p.Leaving != nil {
			live, err := c.client.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
			if err != nil {
				return ignoreNotFound(err)
			}
			if taints, differ := taint(live.Spec.Taints, *p.Leaving, c.clock.Now()); differ {
				spec["taints"] = taints
				body["resourceVersion"] = live.ResourceVersion
			}
		}
		patch := map[string]any{"metadata": body}
		if len(spec) > 0 {
			patch["spec"] = spec
		}
		data, err := json.Marshal(patch)
		if err != nil {
			return err
		}
		_, err = c.client.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, data, metav1.PatchOptions{FieldManager: manager})
		return ignoreNotFound(err)
	}))
}

// cordon is what a patch says of a node's spec, but for taints.
func cordon(p handover.Patch) map[string]any {
	spec := map[string]any{}
	if p.Unschedulable != nil {
		spec["unschedulable"] = *p.Unschedulable
	}
	return spec
}

// taint adds or removes the leaving taint, and nothing else; differ is false if
// there is nothing to do.
func taint(taints []corev1.Taint, leaving bool, now time.Time) (changed []corev1.Taint, differ bool) {
	ours := func(t corev1.Taint) bool { return t.Key == handover.LeavingTaint }
	if slices.ContainsFunc(taints, ours) == leaving {
		return taints, false
	}
	changed = slices.DeleteFunc(slices.Clone(taints), ours)
	if leaving {
		changed = append(changed, corev1.Taint{Key: handover.LeavingTaint, Effect: corev1.TaintEffectNoSchedule, TimeAdded: &metav1.Time{Time: now}})
	}
	return changed, true
}

// PatchPod changes that very pod in one write; the UID in the patch is the
// precondition, as ReplicaSets use it to release a pod. A patch that changes its
// controller or labels holds only for the pod as it was read, and is made anew
// when that has changed.
func (c *Cluster) PatchPod(ctx context.Context, pod handover.Ref, p handover.Patch) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error { return c.patchPod(ctx, pod, p) })
	if err != nil && c.another(ctx, pod) {
		return nil
	}
	return refused(err)
}

func (c *Cluster) patchPod(ctx context.Context, pod handover.Ref, p handover.Patch) error {
	var owners []metav1.OwnerReference
	version := ""
	if p.Owner != nil || len(p.Labels) > 0 {
		live, err := c.client.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
		if err != nil {
			return ignoreNotFound(err)
		}
		if string(live.UID) != pod.UID {
			return nil
		}
		enough, err := p.Spare.Enough(func(r handover.Ref) (bool, error) { return c.ready(ctx, r) })
		if err != nil {
			return err
		}
		if !enough {
			return &handover.Refusal{Why: "its replacement serves by now", Passing: true}
		}
		if key, yes := p.Outrun(live.Labels); yes {
			return &handover.Refusal{Why: fmt.Sprintf("its label %s has changed", key), Passing: true}
		}
		owners, version = live.OwnerReferences, live.ResourceVersion
	}
	data, err := podPatch(pod.UID, version, owners, p)
	if err != nil {
		return err
	}
	_, err = c.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, data, metav1.PatchOptions{FieldManager: manager})
	return ignoreNotFound(err)
}

// ready asks the API server itself; a pod that has gone, or ends, is nobody's spare.
func (c *Cluster) ready(ctx context.Context, pod handover.Ref) (bool, error) {
	live, err := c.client.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
	if err != nil {
		return true, ignoreNotFound(err)
	}
	is, _ := readiness(live)
	return is || string(live.UID) != pod.UID || live.DeletionTimestamp != nil, nil
}

// podPatch is the strategic merge patch of a pod that has these owners.
func podPatch(uid, version string, owners []metav1.OwnerReference, p handover.Patch) ([]byte, error) {
	body := metadata(p)
	body["uid"] = uid
	if version != "" {
		body["resourceVersion"] = version
	}
	if p.Owner != nil {
		body["ownerReferences"] = reown(owners, *p.Owner)
	}
	return json.Marshal(map[string]any{"metadata": body})
}

// reown makes the part of a strategic merge patch that replaces a pod's
// controller, and leaves its other owners alone: the list is merged by UID.
func reown(owners []metav1.OwnerReference, now handover.Owner) []any {
	var patch []any
	for _, o := range owners {
		if o.Controller != nil && *o.Controller && string(o.UID) != now.UID {
			patch = append(patch, map[string]any{"$patch": "delete", "uid": o.UID})
		}
	}
	return append(patch, map[string]any{
		"apiVersion": now.API, "kind": now.Kind, "name": now.Name, "uid": now.UID, "controller": true, "blockOwnerDeletion": false,
	})
}

// another: the name belongs to another pod by now, or to none.
func (c *Cluster) another(ctx context.Context, pod handover.Ref) bool {
	live, err := c.client.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
	return apierrors.IsNotFound(err) || err == nil && string(live.UID) != pod.UID
}

// metadata writes the labels and annotations of a patch, in which null removes.
func metadata(p handover.Patch) map[string]any {
	m := map[string]any{}
	if len(p.Labels) > 0 {
		m["labels"] = p.Labels
	}
	if len(p.Annotations) > 0 {
		m["annotations"] = p.Annotations
	}
	return m
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// Evict asks the Eviction API. The pod keeps its own grace period, unless the user
// named another one. Refusals are answered at once: by default client-go would
// try again for minutes.
func (c *Cluster) Evict(ctx context.Context, pod handover.Ref) error {
	uid := types.UID(pod.UID)
	err := c.client.PolicyV1().RESTClient().Post().
		AbsPath("/api/v1").Namespace(pod.Namespace).Resource("pods").Name(pod.Name).SubResource("eviction").
		MaxRetries(0).
		VersionedParams(&metav1.CreateOptions{}, scheme.ParameterCodec).
		Body(&policyv1.Eviction{
			ObjectMeta:    metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace},
			DeleteOptions: &metav1.DeleteOptions{GracePeriodSeconds: c.world.graceSeconds(), Preconditions: &metav1.Preconditions{UID: &uid}},
		}).
		Do(ctx).Error()
	switch {
	case err == nil, apierrors.IsNotFound(err):
		return nil
	case apierrors.IsConflict(err) && c.another(ctx, pod):
		return nil
	}
	return refused(err, c.budgets(pod)...)
}

// budgets names the disruption budgets that select the pod.
func (c *Cluster) budgets(pod handover.Ref) []string {
	live, err := c.factory.Core().V1().Pods().Lister().Pods(pod.Namespace).Get(pod.Name)
	if err != nil {
		return nil
	}
	budgets, err := c.factory.Policy().V1().PodDisruptionBudgets().Lister().GetPodPodDisruptionBudgets(live)
	if err != nil {
		return nil // none
	}
	var names []string
	for _, b := range budgets {
		names = append(names, b.Name)
	}
	slices.Sort(names)
	return names
}

// TouchBudget changes an annotation of a disruption budget: any change makes its
// controller count anew.
func (c *Cluster) TouchBudget(ctx context.Context, namespace, name string) error {
	at := c.clock.Now().UTC().Format(time.RFC3339Nano)
	data, err := json.Marshal(map[string]any{"metadata": metadata(handover.Patch{Annotations: map[string]*string{touchedAnnotation: &at}})})
	if err != nil {
		return err
	}
	_, err = c.client.PolicyV1().PodDisruptionBudgets(namespace).Patch(ctx, name, types.MergePatchType, data, metav1.PatchOptions{FieldManager: manager})
	return refused(ignoreNotFound(err))
}

// DeleteNode removes a Node object.
func (c *Cluster) DeleteNode(ctx context.Context, node string) error {
	return refused(ignoreNotFound(c.client.CoreV1().Nodes().Delete(ctx, node, metav1.DeleteOptions{})))
}
