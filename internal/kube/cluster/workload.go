package cluster

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/droverhq/drover/internal/handover"
)

// defaultDeadline is a Deployment's patience if its author did not say, and
// that of anything else.
const defaultDeadline = 600 * time.Second

// own notes a change of an object that may stand above pods, with the pods that it
// would take for its own.
func (w *world) own(k *ownerKind, key string, before, now metav1.Object) {
	if before != nil {
		delete(w.owners, before.GetUID())
		if owner := metav1.GetControllerOf(before); owner != nil {
			w.owned.drop(string(owner.UID), "owner/"+string(before.GetUID()))
		}
		w.asWorkload(k, before, nil)
	}
	if now != nil {
		w.owners[now.GetUID()] = above{k, now}
		if owner := metav1.GetControllerOf(now); owner != nil {
			w.owned.put(string(owner.UID), "owner/"+string(now.GetUID()))
		}
		w.asWorkload(k, now, now)
	}
	w.adopt(k, key, now)
	if k.everywhere {
		w.spread(k, before, now)
	}
	if k.see != nil {
		k.see(w, key, before, now)
	}
	if before != nil && now != nil && before.GetUID() == now.GetUID() && (above{k, before}).same(above{k, now}) {
		return
	}
	for _, o := range []metav1.Object{before, now} {
		if o != nil {
			w.markOf(o.GetUID(), chainDepth)
		}
	}
}

// asWorkload keeps an object among the workloads, by its own key: whether it is one
// is known once somebody asks.
func (w *world) asWorkload(k *ownerKind, o, now metav1.Object) {
	key := handover.WorkloadKey(k.api, k.kind, o.GetNamespace(), o.GetName())
	w.marks.workload(key)
	delete(w.tops, key)
	if now != nil {
		w.tops[key] = above{k, now}
	}
}

// spread notes on which nodes a controller wants a pod.
func (w *world) spread(k *ownerKind, before, now metav1.Object) {
	var d *daemon
	o := before
	if now != nil {
		o, d = now, newDaemon(above{k, now})
	}
	w.seeDaemon(handover.WorkloadKey(k.api, k.kind, o.GetNamespace(), o.GetName()), d)
}

// adopt notes which pods a controller would take for its own; nil: it is gone.
func (w *world) adopt(k *ownerKind, key string, now metav1.Object) {
	if k.selects == nil {
		return
	}
	var chosen []*selector
	if now != nil {
		chosen = k.selects(now, k.adopter(key))
	}
	w.reselect(w.adopters, k.adopter(key), chosen)
}

// top is the workload that a pod counts to: its controller, or what that stands
// for, or the one that its label names.
func (w *world) top(p *corev1.Pod) topOwner {
	owner := metav1.GetControllerOf(p)
	if owner == nil || owner.Kind == "Node" {
		return topOwner{}
	}
	if set, is := leaderWorkers(p, owner); is {
		return newTopOwner(p.Namespace, set, false)
	}
	if above, known := w.owners[owner.UID]; known && above.forOwner {
		if next := metav1.GetControllerOf(above); next != nil {
			return newTopOwner(p.Namespace, ownerOf(next), above.releases())
		}
	}
	return newTopOwner(p.Namespace, ownerOf(owner), false)
}

func ownerOf(r *metav1.OwnerReference) handover.Owner {
	return handover.Owner{API: r.APIVersion, Kind: r.Kind, Name: r.Name, UID: string(r.UID)}
}

func newTopOwner(namespace string, o handover.Owner, byReplicaSets bool) topOwner {
	return topOwner{key: handover.WorkloadKey(o.API, o.Kind, namespace, o.Name), namespace: namespace, owner: o, byReplicaSets: byReplicaSets}
}

// seeReplicaSet follows for whom it makes pods.
func seeReplicaSet(w *world, _ string, before, now *appsv1.ReplicaSet) {
	var above topOwner
	if now != nil {
		if owner := metav1.GetControllerOf(now); owner != nil {
			above = newTopOwner(now.Namespace, ownerOf(owner), true)
		}
	}
	w.stand(before, now, above)
	if now != nil && before != nil && replicas(before.Spec.Replicas) != replicas(now.Spec.Replicas) {
		w.inquire(above.key)
	}
}

// stand notes whom a ReplicaSet stands for.
func (w *world) stand(before, now *appsv1.ReplicaSet, above topOwner) {
	if before != nil && (now == nil || before.UID != now.UID) {
		w.count("owner/"+string(before.UID), topOwner{})
	}
	if now != nil {
		w.count("owner/"+string(now.UID), above)
	}
}

// workload translates one workload, if it is there: it is watched, or something
// counts to it.
func (w *world) workload(key string) (*handover.Workload, bool) {
	out, ok := w.known(key)
	if !ok {
		c, is := w.topOwner(key)
		if !is {
			return nil, false
		}
		out = w.unknown(key, c)
	}
	return out, true
}

// known translates a workload that is watched. A ReplicaSet of a Deployment is none,
// and a DaemonSet is none, whose pods belong to their nodes. A Job is one, its CronJob
// is not.
func (w *world) known(key string) (*handover.Workload, bool) {
	o, is := w.tops[key]
	if !is || o.workload == nil {
		return nil, false
	}
	return o.translated(), !o.forOwner || metav1.GetControllerOf(o) == nil
}

// topOwner is what the first that counts to a workload says of it.
func (w *world) topOwner(key string) (topOwner, bool) {
	var best topOwner
	found := false
	for who := range w.counted[key] {
		c := w.countsTo[who]
		if handover.Daemonic(c.owner.Kind) {
			continue
		}
		if !found || compareTopOwners(c, best) < 0 {
			best, found = c, true
		}
	}
	return best, found
}

// compareTopOwners puts what ReplicaSets say first.
func compareTopOwners(a, b topOwner) int {
	if a.byReplicaSets != b.byReplicaSets {
		if a.byReplicaSets {
			return -1
		}
		return 1
	}
	return cmp.Or(strings.Compare(a.owner.API, b.owner.API), strings.Compare(a.owner.UID, b.owner.UID))
}

// stranger is a workload that must be asked about: its kind is not watched.
func (w *world) stranger(key string) (topOwner, bool) {
	if _, known := w.known(key); known {
		return topOwner{}, false
	}
	c, ok := w.topOwner(key)
	return c, ok && kindOf(c.owner) == nil
}

// unknown translates a workload by what its pods and ReplicaSets say, and by
// what was answered about it.
func (w *world) unknown(key string, c topOwner) *handover.Workload {
	out := &handover.Workload{
		Kind: c.owner.Kind, API: c.owner.API, Namespace: c.namespace, Name: c.owner.Name, UID: c.owner.UID,
		Nature: handover.Operated, StartsWithin: defaultDeadline, Wants: w.countPods(key),
	}
	switch k := kindOf(c.owner); {
	case c.byReplicaSets || k != nil && k.releases():
		out.Nature, out.Surge = handover.Replicated, 1
		out.Rolling = w.rolling(key)
	case w.ends(key) && !slices.Contains(endless, groupOf(c.owner.API)):
		out.Nature = handover.Runs
	}
	a := w.answers[key]
	if a == nil || a.uid != c.owner.UID {
		return out
	}
	if a.unscaled {
		out.Rolling = "" // it has several ReplicaSets for as long as it lasts, as an Argo Experiment
	}
	if a.counted {
		out.Wants, out.Counted = a.wants, true
	}
	if c.byReplicaSets && a.scalable {
		out.Holder = &handover.Owner{API: c.owner.API, Kind: c.owner.Kind, Name: c.owner.Name, UID: c.owner.UID}
	}
	out.Paused, out.MinReady, out.StartsWithin = a.paused, a.minReady, cmp.Or(a.deadline, out.StartsWithin)
	if c.byReplicaSets && a.surge != nil {
		out.Surge = scaled(a.surge, max(1, out.Wants))
	}
	return out
}

// endless are the groups of kinds whose pods serve for as long as they are let,
// though no container of theirs is started again.
var endless = []string{"kubevirt.io", "ray.io"}

// ends: the pods of a workload work until they are done, as a pipeline's or a
// workflow's do. What one has done would be lost with it.
func (w *world) ends(key string) bool {
	n := 0
	for p := range w.running(key) {
		if !untilDone(p) {
			return false
		}
		n++
	}
	return n > 0
}

// countPods counts the pods of a workload that run.
func (w *world) countPods(key string) int {
	n := 0
	for range w.running(key) {
		n++
	}
	return n
}

// running are the pods of a workload that have not finished.
func (w *world) running(key string) iter.Seq[*corev1.Pod] {
	return func(yield func(*corev1.Pod) bool) {
		for who := range w.counted[key] {
			uid, is := strings.CutPrefix(who, "pod/")
			if p := w.pods[types.UID(uid)]; is && p != nil && !finished(p) && !yield(p) {
				return
			}
		}
	}
}

// rolling: more than one of its ReplicaSets is to have pods.
func (w *world) rolling(key string) string {
	n := 0
	for who := range w.counted[key] {
		if uid, is := strings.CutPrefix(who, "owner/"); is {
			if r, is := w.owners[types.UID(uid)].Object.(*appsv1.ReplicaSet); is && replicas(r.Spec.Replicas) > 0 {
				n++
			}
		}
	}
	if n < 2 {
		return ""
	}
	return fmt.Sprintf("%d ReplicaSets have pods", n)
}

func deployment(d *appsv1.Deployment) *handover.Workload {
	w := newWorkload(d, handover.Replicated, d.Spec.Replicas, d.Spec.MinReadySeconds)
	w.Holder = &handover.Owner{Name: w.Name, UID: w.UID}
	w.Paused = d.Spec.Paused
	if s := d.Spec.ProgressDeadlineSeconds; s != nil && *s != math.MaxInt32 { // that is none
		w.StartsWithin = time.Duration(*s) * time.Second
	}
	w.Surge = surge(d, w.Wants)
	switch s := d.Status; {
	case s.ObservedGeneration < d.Generation:
		w.Rolling = "its controller has not seen its last change yet"
	case s.UpdatedReplicas < s.Replicas:
		w.Rolling = fmt.Sprintf("%d of %d pods are new", s.UpdatedReplicas, s.Replicas)
	}
	for _, c := range d.Status.Conditions {
		switch {
		case c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue:
			w.Trouble = c.Message
		case c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse && c.Reason == "ProgressDeadlineExceeded":
			w.Stalled = true
		}
	}
	return w
}

// surge is how many pods a rollout may make in addition: of one that wants none now,
// as if it wanted one, for those of its pods that are there. What is not written is a
// quarter, which is what the API server fills in.
func surge(d *appsv1.Deployment, wants int) int {
	if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return 0
	}
	more := intstr.FromString("25%")
	if r := d.Spec.Strategy.RollingUpdate; r != nil && r.MaxSurge != nil {
		more = *r.MaxSurge
	}
	return scaled(&more, max(1, wants))
}

// scaled is a number, or a part of all, rounded up as controllers do for what
// they may make in addition; what cannot be read is none.
func scaled(n *intstr.IntOrString, all int) int {
	v, err := intstr.GetScaledValueFromIntOrPercent(n, all, true)
	if err != nil {
		return 0
	}
	return max(0, v)
}

func replicaSet(r *appsv1.ReplicaSet) *handover.Workload {
	w := newWorkload(r, handover.Replicated, r.Spec.Replicas, r.Spec.MinReadySeconds)
	w.Surge = 1
	for _, c := range r.Status.Conditions {
		if c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue {
			w.Trouble = c.Message
		}
	}
	return w
}

func replicationController(r *corev1.ReplicationController) *handover.Workload {
	w := newWorkload(r, handover.Replicated, r.Spec.Replicas, r.Spec.MinReadySeconds)
	w.Surge = 1
	for _, c := range r.Status.Conditions {
		if c.Type == corev1.ReplicationControllerReplicaFailure && c.Status == corev1.ConditionTrue {
			w.Trouble = c.Message
		}
	}
	return w
}

func statefulSet(s *appsv1.StatefulSet) *handover.Workload {
	w := newWorkload(s, handover.Ordered, s.Spec.Replicas, s.Spec.MinReadySeconds)
	w.Ordinals, w.InTurn = true, "each pod of a StatefulSet has a name of its own"
	w.OnDelete = s.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType
	if r := s.Spec.UpdateStrategy.RollingUpdate; r != nil {
		w.Partition = int(value(r.Partition))
	}
	first := 0
	if s.Spec.Ordinals != nil {
		first = int(s.Spec.Ordinals.Start)
	}
	switch st := s.Status; {
	case st.ObservedGeneration < s.Generation:
		w.Rolling = "its controller has not seen its last change yet"
	case st.CurrentRevision != st.UpdateRevision && int(st.UpdatedReplicas) < updates(w, first, int(st.Replicas)):
		w.Rolling = fmt.Sprintf("%d of %d pods are new", st.UpdatedReplicas, updates(w, first, int(st.Replicas)))
	}
	return w
}

// statefulSetRenews: with OnDelete its pods wait to be ended, else for their turn;
// those below the partition keep the old template.
func statefulSetRenews(o metav1.Object, p *corev1.Pod) bool {
	s := o.(*appsv1.StatefulSet)
	if s.Status.UpdateRevision == "" || p.Labels[appsv1.StatefulSetRevisionLabel] == s.Status.UpdateRevision {
		return false
	}
	rolling := s.Spec.UpdateStrategy.RollingUpdate
	return rolling == nil || rolling.Partition == nil || handover.Ordinal(p.Name) >= int(*rolling.Partition)
}

// updates is how many of a StatefulSet's pods, counted from the first one's number,
// its controller updates by itself: those below the partition keep the old template,
// and with OnDelete all do until somebody ends them.
func updates(w *handover.Workload, first, pods int) int {
	if w.OnDelete {
		return 0
	}
	return max(0, pods-max(0, w.Partition-first))
}

func job(j *batchv1.Job) *handover.Workload {
	w := newWorkload(j, handover.Runs, j.Spec.Parallelism, 0)
	w.FailsIfEnded = failsIfEnded(j)
	return w
}

// failsIfEnded: the Job, or an index of it, fails for good when one pod of it is ended.
func failsIfEnded(j *batchv1.Job) bool {
	if policy := j.Spec.PodFailurePolicy; policy != nil {
		for _, rule := range policy.Rules {
			disruption := slices.ContainsFunc(rule.OnPodConditions, func(c batchv1.PodFailurePolicyOnPodConditionsPattern) bool {
				return c.Type == corev1.DisruptionTarget && c.Status != corev1.ConditionFalse
			})
			if !disruption {
				continue
			}
			if rule.Action != batchv1.PodFailurePolicyActionCount {
				return rule.Action != batchv1.PodFailurePolicyActionIgnore
			}
			break
		}
	}
	if limit := j.Spec.BackoffLimitPerIndex; limit != nil {
		return *limit == 0
	}
	limit := int32(6) // the API server's default
	if j.Spec.BackoffLimit != nil {
		limit = *j.Spec.BackoffLimit
	}
	return limit == 0 || j.Spec.Template.Spec.RestartPolicy == corev1.RestartPolicyNever && j.Status.Failed >= limit
}

func newWorkload(o metav1.Object, nature handover.Nature, wants *int32, minReady int32) *handover.Workload {
	return &handover.Workload{
		Namespace: o.GetNamespace(), Name: o.GetName(), UID: string(o.GetUID()), Nature: nature,
		Wants: replicas(wants), Counted: true, MinReady: time.Duration(minReady) * time.Second, StartsWithin: defaultDeadline,
	}
}

// replicas is 1 where none is written.
func replicas(n *int32) int {
	if n == nil {
		return 1
	}
	return int(*n)
}

func value(n *int32) int32 {
	if n == nil {
		return 0
	}
	return *n
}
