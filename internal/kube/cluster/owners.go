package cluster

import (
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/droverhq/drover/internal/handover"
)

// ownerKind is a kind of object that makes pods, or stands above one that does. Its
// row in ownerKinds is all that this package knows of the kind; what has no row is
// asked about instead (asker).
type ownerKind struct {
	api, kind string
	watch     func(factory) informer
	optional  schema.GroupVersionResource // in place of watch, if a CRD defines it: see kind
	place     int                         // in kinds

	// forOwner: its pods count to its owner, if it has one, and move as the owner's row
	// says; without an owner it is the workload itself. An owner without a row moves
	// surge-first if this kind has selects, else by its operator. With selects it also
	// lets go of a pod that loses its labels, and takes it back, as a ReplicaSet does.
	forOwner bool
	// inherits: the next pod gets the name, or the volumes, of the one before, which no
	// two can have. So one goes before the next comes. Nil: it does not.
	inherits func(o metav1.Object) bool

	selects  func(o metav1.Object, owner string) []*selector // which pods it would take for its own; nil: none
	template func(o metav1.Object) *corev1.PodTemplateSpec   // what it makes pods of; nil: it makes none, or its objects do not say of what: the next pod is like the one that goes
	alone    func(o metav1.Object) string                    // why no two of its pods may run beside each other; nil: they may
	workload func(o metav1.Object) *handover.Workload        // as a move sees it, without its kind; nil: no matter of a move

	// renews: p was made from an older template, and its replacement will be made from
	// the present one (OnDelete, or p's turn in a rollout has not come). Nil: the
	// replacement is like p, but for what template says.
	renews func(o metav1.Object, p *corev1.Pod) bool

	// everywhere: it wants a pod on each node that its template fits. A node without a
	// Ready one is not whole yet, and no pod moves to it.
	everywhere bool

	// evictor: its pods are a descheduler's, and it can be turned off; nil, or of nil:
	// they are not, or it cannot.
	evictor func(o metav1.Object) *handover.Evictor

	// see does what else a change of one takes; nil: nothing.
	see func(w *world, key string, before, now metav1.Object)
}

// ownerKinds are the rows; kinds fills it.
var ownerKinds []*ownerKind

// newOwnerKinds has a row for each kind. To teach Drover another one, add a row.
func newOwnerKinds() []*ownerKind {
	return []*ownerKind{
		{
			api: "apps/v1", kind: "Deployment", watch: deployments,
			template: of(func(d *appsv1.Deployment) *corev1.PodTemplateSpec { return &d.Spec.Template }),
			alone:    of(recreates), workload: of(deployment), evictor: of(rested),
		}, {
			api: "apps/v1", kind: "ReplicaSet", watch: replicaSets, forOwner: true,
			selects:  labelled(func(r *appsv1.ReplicaSet) *metav1.LabelSelector { return r.Spec.Selector }),
			template: of(func(r *appsv1.ReplicaSet) *corev1.PodTemplateSpec { return &r.Spec.Template }),
			workload: of(replicaSet), see: seen(seeReplicaSet),
		}, {
			api: "v1", kind: "ReplicationController", watch: replicationControllers, forOwner: true,
			selects: func(o metav1.Object, owner string) []*selector {
				return byMap(owner, o.GetName(), o.GetNamespace(), o.(*corev1.ReplicationController).Spec.Selector)
			},
			template: of(func(r *corev1.ReplicationController) *corev1.PodTemplateSpec { return r.Spec.Template }),
			workload: of(replicationController),
		}, {
			api: "apps/v1", kind: "StatefulSet", watch: statefulSets,
			inherits: func(metav1.Object) bool { return true },
			selects:  labelled(func(s *appsv1.StatefulSet) *metav1.LabelSelector { return s.Spec.Selector }),
			template: of(func(s *appsv1.StatefulSet) *corev1.PodTemplateSpec { return &s.Spec.Template }),
			workload: of(statefulSet), renews: statefulSetRenews,
		}, {
			api: "apps/v1", kind: "DaemonSet", watch: daemonSets,
			selects:  labelled(func(d *appsv1.DaemonSet) *metav1.LabelSelector { return d.Spec.Selector }),
			template: of(func(d *appsv1.DaemonSet) *corev1.PodTemplateSpec { return &d.Spec.Template }), everywhere: true,
		}, {
			api: "batch/v1", kind: "Job", watch: jobs,
			template: of(func(j *batchv1.Job) *corev1.PodTemplateSpec { return &j.Spec.Template }),
			workload: of(job),
		}, {
			api: "batch/v1", kind: "CronJob", watch: cronJobs, evictor: of(suspended),
		}, {
			api: "apps.kruise.io/v1alpha1", kind: "CloneSet", optional: crd("apps.kruise.io", "v1alpha1", "clonesets"),
			inherits: func(o metav1.Object) bool { return readCloneSet(o).claims() },
			template: func(o metav1.Object) *corev1.PodTemplateSpec { return &readCloneSet(o).Spec.Template },
			workload: cloneSetWorkload,
		}, {
			api: leaderWorkerAPI, kind: leaderWorkerKind, optional: crd("leaderworkerset.x-k8s.io", "v1", "leaderworkersets"),
			workload: leaderWorkerWorkload, // its StatefulSets make the pods
		},
	}
}

// watched is the row among kinds.
func (k *ownerKind) watched() kind {
	return kind{name: k.kind, watch: k.watch, optional: k.optional, see: func(w *world, key string, before, now any) {
		b, _ := before.(metav1.Object)
		n, _ := now.(metav1.Object)
		w.own(k, key, b, n)
	}}
}

// releases: its pods count to its owner, and it makes another pod for one that no longer has its
// labels, and takes back one that has them again.
func (k *ownerKind) releases() bool { return k.forOwner && k.selects != nil }

// adopter is how one of the kind, kept under key, stands among those that take pods.
func (k *ownerKind) adopter(key string) string { return k.api + " " + k.kind + " " + key }

// of lets a row's function have objects of its own type.
func of[T metav1.Object, R any](ask func(T) R) func(metav1.Object) R {
	return func(o metav1.Object) R { return ask(o.(T)) }
}

// seen does so for what a change takes: before or now may be nil.
func seen[T metav1.Object](see func(w *world, key string, before, now T)) func(*world, string, metav1.Object, metav1.Object) {
	return func(w *world, key string, before, now metav1.Object) {
		b, _ := before.(T)
		n, _ := now.(T)
		see(w, key, b, n)
	}
}

// labelled: it takes pods by a label selector.
func labelled[T metav1.Object](by func(T) *metav1.LabelSelector) func(metav1.Object, string) []*selector {
	return func(o metav1.Object, owner string) []*selector {
		return byLabels(owner, o.GetName(), o.GetNamespace(), by(o.(T)))
	}
}

// kindOf is the row of an owner's kind, in whatever version the owner is named; nil:
// there is none, and it is asked.
func kindOf(o handover.Owner) *ownerKind {
	at := slices.IndexFunc(ownerKinds, func(k *ownerKind) bool { return k.kind == o.Kind && groupOf(k.api) == groupOf(o.API) })
	if at < 0 {
		return nil
	}
	return ownerKinds[at]
}

// groupOf is the group of an apiVersion: apps of apps/v1, and "" of v1.
func groupOf(api string) string {
	group, _, named := strings.Cut(api, "/")
	if !named {
		return ""
	}
	return group
}

func recreates(d *appsv1.Deployment) string {
	if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return "its Deployment's strategy is Recreate"
	}
	return ""
}

// above is an object that stands above pods, with what is known of its kind.
type above struct {
	*ownerKind
	metav1.Object
}

// translated is it as a move sees it.
func (a above) translated() *handover.Workload {
	w := a.workload(a.Object)
	w.API, w.Kind = a.api, a.kind
	if w.Holder != nil {
		w.Holder.API, w.Holder.Kind = a.api, a.kind
	}
	return w
}

// pods is the template that it makes pods of; nil: there is none.
func (a above) pods() *corev1.PodTemplateSpec {
	if a.template == nil {
		return nil
	}
	return a.template(a.Object)
}

// next is the template of the pod that comes in p's place; nil: it is like p.
func (a above) next(p *corev1.Pod) *corev1.PodTemplateSpec {
	t := a.pods()
	if t == nil || !a.keepsNames() {
		return t
	}
	return mounted(t, p)
}

// successor is the pod that comes in p's place, if that is by another template than
// p's. Nil: one like p.
func (a above) successor(p *corev1.Pod) *corev1.Pod {
	if a.renews == nil || !a.renews(a.Object, p) {
		return nil
	}
	t := a.next(p)
	if t == nil {
		return nil
	}
	next := p.DeepCopy()
	next.Labels, next.Spec = t.Labels, t.Spec
	next.Spec.Priority, next.Spec.PreemptionPolicy = p.Spec.Priority, p.Spec.PreemptionPolicy
	return next
}

// fixed is the node that the template names.
func (a above) fixed() string {
	if t := a.pods(); t != nil {
		return t.Spec.NodeName
	}
	return ""
}

// keepsNames: see inherits.
func (a above) keepsNames() bool { return a.inherits != nil && a.inherits(a.Object) }

// keepsAlone is why no two pods below it may run beside each other.
func (a above) keepsAlone() string {
	if a.alone == nil {
		return ""
	}
	return a.alone(a.Object)
}

// same: pods take the same from both.
func (a above) same(b above) bool {
	return a.keepsAlone() == b.keepsAlone() && a.fixed() == b.fixed() && maps.Equal(a.GetAnnotations(), b.GetAnnotations()) &&
		apiequality.Semantic.DeepEqual(a.GetOwnerReferences(), b.GetOwnerReferences())
}

// owner is what controls an object, as the watches have it.
func (w *world) owner(o metav1.Object) (above, bool) {
	ref := metav1.GetControllerOf(o)
	if ref == nil {
		return above{}, false
	}
	found, known := w.owners[ref.UID]
	return found, known
}

// owner is the same for those who do not hold the world.
func (c *Cluster) owner(o metav1.Object) (above, bool) {
	ref := metav1.GetControllerOf(o)
	if ref == nil {
		return above{}, false
	}
	k := kindOf(ownerOf(ref))
	if k == nil || c.stores[k.place] == nil {
		return above{}, false
	}
	held, there, err := c.stores[k.place].GetByKey(o.GetNamespace() + "/" + ref.Name)
	if err != nil || !there {
		return above{}, false
	}
	found := above{k, held.(metav1.Object)}
	return found, found.GetUID() == ref.UID
}
