package cluster

import (
	"context"
	"encoding/json"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/droverhq/drover/internal/handover"
)

// deschedulerImage is how images of deschedulers begin, in whatever registry.
const deschedulerImage = "descheduler"

// evictor translates what runs a descheduler, if that is what is kept under the key.
func (w *world) evictor(key string) (*handover.Evictor, bool) {
	o, is := w.tops[key]
	if !is || o.evictor == nil {
		return nil, false
	}
	e := o.evictor(o.Object)
	if e == nil {
		return nil, false
	}
	e.Kind, e.API, e.Namespace, e.Name = o.kind, o.api, o.GetNamespace(), o.GetName()
	e.Calmed = o.GetAnnotations()[handover.CalmAnnotation]
	if owner := metav1.GetControllerOf(o); owner != nil {
		e.Keeper = handover.WorkloadKey(owner.APIVersion, owner.Kind, e.Namespace, owner.Name)
	}
	return e, true
}

// rested is a Deployment of a descheduler.
func rested(d *appsv1.Deployment) *handover.Evictor {
	if !contains(d.Spec.Template.Spec.Containers, deschedulerImage) {
		return nil
	}
	return &handover.Evictor{Replicas: replicas(d.Spec.Replicas)}
}

// suspended is a CronJob of one.
func suspended(c *batchv1.CronJob) *handover.Evictor {
	if !contains(c.Spec.JobTemplate.Spec.Template.Spec.Containers, deschedulerImage) {
		return nil
	}
	return &handover.Evictor{Suspended: c.Spec.Suspend != nil && *c.Spec.Suspend}
}

// evictorOf is the key of what runs a descheduler's pod in the end: what is above all
// that is above it. Empty: it is not a descheduler's.
func (w *world) evictorOf(p *corev1.Pod) string {
	if !contains(p.Spec.Containers, deschedulerImage) {
		return ""
	}
	key := "pod/" + podName(p)
	owner := metav1.GetControllerOf(p)
	for range chainDepth {
		if owner == nil {
			break
		}
		key = handover.WorkloadKey(owner.APIVersion, owner.Kind, p.Namespace, owner.Name)
		above, known := w.owners[owner.UID]
		if !known || above.evictor != nil && above.evictor(above.Object) != nil {
			break
		}
		owner = metav1.GetControllerOf(above)
	}
	return key
}

// PatchEvictor changes what runs a descheduler in one write. One that is gone needs
// none.
func (c *Cluster) PatchEvictor(ctx context.Context, e handover.Evictor, p handover.Patch) error {
	spec := map[string]any{}
	if p.Replicas != nil {
		spec["replicas"] = *p.Replicas
	}
	if p.Suspended != nil {
		spec["suspend"] = *p.Suspended
	}
	data, err := json.Marshal(map[string]any{"metadata": metadata(p), "spec": spec})
	if err != nil {
		return err
	}
	options := metav1.PatchOptions{FieldManager: manager}
	if e.Kind == "CronJob" {
		_, err = c.client.BatchV1().CronJobs(e.Namespace).Patch(ctx, e.Name, types.MergePatchType, data, options)
	} else {
		_, err = c.client.AppsV1().Deployments(e.Namespace).Patch(ctx, e.Name, types.MergePatchType, data, options)
	}
	return refused(ignoreNotFound(err))
}
