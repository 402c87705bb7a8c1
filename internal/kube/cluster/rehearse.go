package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/droverhq/drover/internal/handover"
)

// dryRun lets the API server do all of a call but the writing.
var dryRun = []string{metav1.DryRunAll}

// Rehearse sends one call as a dry run; nil: it would be carried out. A pod or node
// that is gone has nothing to rehearse.
func (c *Cluster) Rehearse(ctx context.Context, r handover.Rehearsal) error {
	if r.Node != "" {
		return c.rehearseNode(ctx, r.Node, *r.Patch)
	}
	live, err := c.client.CoreV1().Pods(r.Pod.Namespace).Get(ctx, r.Pod.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && string(live.UID) != r.Pod.UID {
		return nil
	}
	if err != nil {
		return refused(err)
	}
	switch {
	case r.Create:
		return c.rehearseCreate(ctx, live)
	case r.Evict:
		return c.rehearseEvict(ctx, live)
	case r.Patch != nil:
		return c.rehearsePatch(ctx, live, *r.Patch)
	}
	return errors.New("a rehearsal without a call")
}

// rehearseCreate asks admission (quota, limits, pod security, policies, webhooks),
// and then for all that the kubelet would look for. Quota is checked in a dry run;
// only its use is not written down.
func (c *Cluster) rehearseCreate(ctx context.Context, live *corev1.Pod) error {
	p := c.sibling(live)
	made, err := c.client.CoreV1().Pods(p.Namespace).Create(ctx, p, metav1.CreateOptions{DryRun: dryRun, FieldManager: manager})
	if untried(err) {
		made, err = p, nil
	}
	if err != nil {
		return refused(err)
	}
	return c.missing(ctx, made)
}

// sibling is the pod that the controller of live would make next.
func (c *Cluster) sibling(live *corev1.Pod) *corev1.Pod {
	p := &corev1.Pod{}
	if t := c.template(live); t != nil {
		p.Labels, p.Annotations, p.Finalizers, p.Spec = t.Labels, t.Annotations, t.Finalizers, t.Spec
	} else {
		p.Labels, p.Annotations, p.Spec = live.Labels, live.Annotations, stripped(live.Spec)
	}
	p = p.DeepCopy()
	p.Namespace, p.GenerateName = live.Namespace, live.Name+"-"
	if owner := metav1.GetControllerOf(live); owner != nil {
		p.OwnerReferences = []metav1.OwnerReference{*owner}
		p.GenerateName = owner.Name + "-"
	}
	if len(p.GenerateName) > 58 { // the API server adds 5 and allows 63 in labels
		p.GenerateName = p.GenerateName[:57] + "-"
	}
	return p
}

// template is that by which a pod's controller makes the next one; nil if it is of a
// kind that is not watched, or that has none.
func (c *Cluster) template(p *corev1.Pod) *corev1.PodTemplateSpec {
	owner, known := c.owner(p)
	if !known {
		return nil
	}
	return owner.next(p)
}

// mounted adds to a template the claims of its own that the pod has.
func mounted(t *corev1.PodTemplateSpec, p *corev1.Pod) *corev1.PodTemplateSpec {
	t = t.DeepCopy()
	for _, v := range p.Spec.Volumes {
		if v.PersistentVolumeClaim != nil && !slices.ContainsFunc(t.Spec.Volumes, func(o corev1.Volume) bool { return o.Name == v.Name }) {
			t.Spec.Volumes = append(t.Spec.Volumes, v)
		}
	}
	return t
}

// stripped is a pod's spec without what the API server and the scheduler put into it.
func stripped(spec corev1.PodSpec) corev1.PodSpec {
	s := *spec.DeepCopy()
	s.NodeName = ""
	s.Priority, s.PreemptionPolicy = nil, nil
	injected := func(name string) bool { return strings.HasPrefix(name, "kube-api-access-") }
	s.Volumes = slices.DeleteFunc(s.Volumes, func(v corev1.Volume) bool { return injected(v.Name) })
	for _, list := range [][]corev1.Container{s.InitContainers, s.Containers} {
		for i := range list {
			list[i].VolumeMounts = slices.DeleteFunc(list[i].VolumeMounts, func(m corev1.VolumeMount) bool { return injected(m.Name) })
		}
	}
	s.EphemeralContainers = nil
	return s
}

// rehearseEvict asks the Eviction API for a dry run.
func (c *Cluster) rehearseEvict(ctx context.Context, live *corev1.Pod) error {
	err := c.client.PolicyV1().RESTClient().Post().
		AbsPath("/api/v1").Namespace(live.Namespace).Resource("pods").Name(live.Name).SubResource("eviction").
		MaxRetries(0).
		VersionedParams(&metav1.CreateOptions{DryRun: dryRun}, scheme.ParameterCodec).
		Body(&policyv1.Eviction{
			ObjectMeta:    metav1.ObjectMeta{Name: live.Name, Namespace: live.Namespace},
			DeleteOptions: &metav1.DeleteOptions{DryRun: dryRun, Preconditions: &metav1.Preconditions{UID: &live.UID}},
		}).
		Do(ctx).Error()
	if apierrors.IsNotFound(err) {
		return nil
	}
	return rehearsed(err, c.budgets(handover.Ref{Namespace: live.Namespace, Name: live.Name, UID: string(live.UID)})...)
}

// rehearseNode sends what PatchNode would.
func (c *Cluster) rehearseNode(ctx context.Context, node string, p handover.Patch) error {
	data, err := json.Marshal(map[string]any{"metadata": metadata(p), "spec": cordon(p)})
	if err != nil {
		return err
	}
	_, err = c.client.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, data, metav1.PatchOptions{FieldManager: manager, DryRun: dryRun})
	return rehearsed(ignoreNotFound(err))
}

// rehearsePatch sends what PatchPod would.
func (c *Cluster) rehearsePatch(ctx context.Context, live *corev1.Pod, p handover.Patch) error {
	data, err := podPatch(string(live.UID), "", live.OwnerReferences, p)
	if err != nil {
		return err
	}
	_, err = c.client.CoreV1().Pods(live.Namespace).Patch(ctx, live.Name, types.StrategicMergePatchType, data, metav1.PatchOptions{FieldManager: manager, DryRun: dryRun})
	return rehearsed(ignoreNotFound(err))
}

// missing names the first object that a pod could not start without.
func (c *Cluster) missing(ctx context.Context, p *corev1.Pod) error {
	for _, n := range needed(p) {
		err := c.look(ctx, p.Namespace, n)
		switch {
		case apierrors.IsNotFound(err):
			return &handover.Refusal{Why: fmt.Sprintf("%s %q, which its template names, is not there", n.kind, n.name)}
		case apierrors.IsForbidden(err): // it may well be there
		case err != nil:
			return err
		}
	}
	return nil
}

// named is an object that a pod names.
type named struct{ kind, name string }

func (c *Cluster) look(ctx context.Context, namespace string, n named) error {
	var err error
	get := metav1.GetOptions{}
	switch n.kind {
	case "Secret":
		_, err = c.client.CoreV1().Secrets(namespace).Get(ctx, n.name, get)
	case "ConfigMap":
		_, err = c.client.CoreV1().ConfigMaps(namespace).Get(ctx, n.name, get)
	case "PersistentVolumeClaim":
		_, err = c.client.CoreV1().PersistentVolumeClaims(namespace).Get(ctx, n.name, get)
	}
	return err
}

// needed are the objects without which the kubelet does not start a pod. Missing
// ServiceAccounts, RuntimeClasses and PriorityClasses are refused by admission. A
// pull secret that is missing is passed over by the kubelet, and the pull fails only
// if the registry wants one: that is told (keyless), and no reason not to move.
func needed(p *corev1.Pod) []named {
	var all []named
	add := func(kind, name string, optional *bool) {
		if name != "" && (optional == nil || !*optional) {
			all = append(all, named{kind, name})
		}
	}
	for _, v := range p.Spec.Volumes {
		neededBy(v, add)
	}
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		for _, e := range c.EnvFrom {
			if e.SecretRef != nil {
				add("Secret", e.SecretRef.Name, e.SecretRef.Optional)
			}
			if e.ConfigMapRef != nil {
				add("ConfigMap", e.ConfigMapRef.Name, e.ConfigMapRef.Optional)
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				add("Secret", e.ValueFrom.SecretKeyRef.Name, e.ValueFrom.SecretKeyRef.Optional)
			}
			if e.ValueFrom != nil && e.ValueFrom.ConfigMapKeyRef != nil {
				add("ConfigMap", e.ValueFrom.ConfigMapKeyRef.Name, e.ValueFrom.ConfigMapKeyRef.Optional)
			}
		}
	}
	slices.SortFunc(all, func(a, b named) int { return strings.Compare(a.kind+"/"+a.name, b.kind+"/"+b.name) })
	return slices.Compact(all)
}

func neededBy(v corev1.Volume, add func(kind, name string, optional *bool)) {
	switch {
	case v.Secret != nil:
		add("Secret", v.Secret.SecretName, v.Secret.Optional)
	case v.ConfigMap != nil:
		add("ConfigMap", v.ConfigMap.Name, v.ConfigMap.Optional)
	case v.PersistentVolumeClaim != nil:
		add("PersistentVolumeClaim", v.PersistentVolumeClaim.ClaimName, nil)
	case v.Projected != nil:
		for _, s := range v.Projected.Sources {
			if s.Secret != nil {
				add("Secret", s.Secret.Name, s.Secret.Optional)
			}
			if s.ConfigMap != nil {
				add("ConfigMap", s.ConfigMap.Name, s.ConfigMap.Optional)
			}
		}
	}
}
