package cluster

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	schedule "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/handover"
)

// groupLabel tells which node group a node belongs to.
const groupLabel = graph.GroupLabel

// keeps are the annotations by which somebody forbids to disrupt a pod, and the
// value with which they do.
var keeps = []struct{ annotation, value string }{
	{handover.DoNotDisruptAnnotation, "true"},
	{"cluster-autoscaler.kubernetes.io/safe-to-evict", "false"},
	{"drover.dev/keep", "true"},
}

func (w *world) pod(p *corev1.Pod) *handover.Pod {
	out := &handover.Pod{
		Ref:       handover.Ref{Namespace: p.Namespace, Name: p.Name, UID: string(p.UID)},
		Node:      p.Spec.NodeName,
		Workload:  w.top(p).key,
		Labels:    p.Labels,
		Released:  p.Annotations[handover.ReleasedAnnotation],
		Daemon:    daemonic(p),
		Finished:  finished(p),
		Created:   p.CreationTimestamp.Time,
		Deleting:  p.DeletionTimestamp != nil,
		Evictor:   w.evictorOf(p),
		Scheduler: p.Spec.SchedulerName,
		Group:     asks(p, groupLabel),
		Pins:      pins(p),
	}
	if !p.Spec.HostNetwork {
		out.Address = p.Status.PodIP
	}
	if out.Scheduler == corev1.DefaultSchedulerName {
		out.Scheduler = ""
	}
	owner := metav1.GetControllerOf(p)
	if owner != nil {
		o := ownerOf(owner)
		out.Owner = &o
	}
	_, out.Mirror = p.Annotations[corev1.MirrorPodAnnotationKey]
	out.Mirror = out.Mirror || owner != nil && owner.Kind == "Node"
	if _, out.Sentinel = p.Labels[handover.SentinelLabel]; out.Sentinel {
		out.Repels = p.Annotations[repelsAnnotation]
	}
	if cost, ok := p.Annotations[handover.CostAnnotation]; ok {
		out.Cost = &cost
	}
	if out.Deleting {
		out.GoneBy, out.Told, out.Evicted = p.DeletionTimestamp.Time, p.DeletionTimestamp.Time, evicted(p)
		if given := p.DeletionGracePeriodSeconds; given != nil {
			out.Told = out.GoneBy.Add(-time.Duration(*given) * time.Second)
		}
	}
	out.Zoned = zoned(p)
	state(p, out)
	lifecycle(p, out)
	if w.grace != nil {
		out.Grace = *w.grace
	}
	w.inherit(p, out)
	out.Alone, out.Shares, out.HostPath = alone(p, w), w.shares(p), writesTo(p, w)
	w.network(p, out)
	return out
}

// zoned: the scheduler must not put the pod beside others like it while a zone has
// none. What it only prefers may turn out otherwise.
func zoned(p *corev1.Pod) bool {
	spread := slices.ContainsFunc(p.Spec.TopologySpreadConstraints, func(c corev1.TopologySpreadConstraint) bool {
		return c.TopologyKey == corev1.LabelTopologyZone && c.WhenUnsatisfiable == corev1.DoNotSchedule && c.MaxSkew == 1
	})
	a := p.Spec.Affinity
	return spread || a != nil && a.PodAntiAffinity != nil &&
		slices.ContainsFunc(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, func(t corev1.PodAffinityTerm) bool {
			return t.TopologyKey == corev1.LabelTopologyZone
		})
}

func finished(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// evicted: the Eviction API leaves this condition on the pods it ends.
func evicted(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue && c.Reason == "EvictionByEvictionAPI"
	})
}

// state reads whether a pod is Ready, and why not.
func state(p *corev1.Pod, out *handover.Pod) {
	out.Ready, out.ReadySince = readiness(p)
	out.Trouble = trouble(p)
	out.Crowded = strings.HasPrefix(out.Trouble, corev1.PodReasonUnschedulable) &&
		(strings.Contains(out.Trouble, "Insufficient ") || strings.Contains(out.Trouble, "Too many pods"))
	for _, gate := range p.Spec.ReadinessGates {
		if !slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == gate.ConditionType && c.Status == corev1.ConditionTrue
		}) {
			out.Gates = append(out.Gates, string(gate.ConditionType))
		}
	}
}

func readiness(p *corev1.Pod) (bool, time.Time) {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue, c.LastTransitionTime.Time
		}
	}
	return false, p.CreationTimestamp.Time
}

// trouble is the first reason that Kubernetes gives for a pod's not being Ready.
func trouble(p *corev1.Pod) string {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Reason + ": " + c.Message
		}
	}
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		switch {
		case s.State.Waiting != nil && s.State.Waiting.Reason != "":
			return strings.TrimSuffix(s.State.Waiting.Reason+": "+s.State.Waiting.Message, ": ")
		case s.State.Running != nil && !s.Ready && s.RestartCount > 0:
			return "container " + s.Name + " restarted " + strconv.Itoa(int(s.RestartCount)) + " times and is not Ready"
		}
	}
	return ""
}

// lifecycle reads how a pod starts and ends.
func lifecycle(p *corev1.Pod, out *handover.Pod) {
	out.Grace = corev1.DefaultTerminationGracePeriodSeconds * time.Second
	if s := p.Spec.TerminationGracePeriodSeconds; s != nil {
		out.Grace = time.Duration(*s) * time.Second
	}
	out.Probe = probed(p.Spec.Containers)
	hooks(p.Spec.Containers, out)
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			if port.HostPort > 0 {
				out.HostPorts = append(out.HostPorts, int(port.HostPort))
			}
		}
	}
	for _, v := range p.Spec.Volumes {
		if v.EmptyDir != nil && v.EmptyDir.Medium != corev1.StorageMediumMemory {
			out.EmptyDir = true
		}
	}
	for _, f := range p.Finalizers {
		if f != metav1.FinalizerDeleteDependents && f != metav1.FinalizerOrphanDependents { // these end by themselves
			out.Finalizers = append(out.Finalizers, f)
		}
	}
	cordon := corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}
	out.Tolerates = schedule.TolerationsTolerateTaint(klog.Background(), p.Spec.Tolerations, &cordon, false)
}

// probed: a pod is Ready only once each container that serves has answered. A startup
// probe says so, too. Of containers that name no ports one may be the one that serves.
func probed(all []corev1.Container) bool {
	answers := func(c corev1.Container) bool { return c.ReadinessProbe != nil || c.StartupProbe != nil }
	mute := func(c corev1.Container) bool { return !answers(c) }
	if serving := ofPorts(all); len(serving) > 0 {
		return !slices.ContainsFunc(serving, mute)
	}
	return slices.ContainsFunc(all, answers)
}

// ofPorts are the containers that name a port.
func ofPorts(all []corev1.Container) []corev1.Container {
	return slices.DeleteFunc(slices.Clone(all), func(c corev1.Container) bool { return len(c.Ports) == 0 })
}

// hooks reads what keeps a pod serving once it is told to end: the hook of a
// container that serves nobody, such as one that ships logs, does not. Sidecars
// among the init containers outlive all others.
func hooks(all []corev1.Container, out *handover.Pod) {
	serving := ofPorts(all)
	if len(serving) == 0 {
		serving = all // none says which
	}
	out.PreStop = !slices.ContainsFunc(serving, func(c corev1.Container) bool { return c.Lifecycle == nil || c.Lifecycle.PreStop == nil })
	out.PreStopTime, out.LongestHook = shortest(serving), 0
	for _, c := range all {
		out.LongestHook = max(out.LongestHook, sleep(c))
	}
}

func shortest(all []corev1.Container) time.Duration {
	least := time.Duration(math.MaxInt64)
	for _, c := range all {
		least = min(least, sleep(c))
	}
	return least
}

func sleep(c corev1.Container) time.Duration {
	if c.Lifecycle == nil || c.Lifecycle.PreStop == nil {
		return 0
	}
	return sleeps(c.Lifecycle.PreStop)
}

// sleeps reads a hook's length where it can be read: the sleep action, and
// commands that end in "sleep N".
func sleeps(h *corev1.LifecycleHandler) time.Duration {
	switch {
	case h.Sleep != nil:
		return time.Duration(h.Sleep.Seconds) * time.Second
	case h.Exec == nil:
		return 0
	}
	words := strings.Fields(strings.Join(h.Exec.Command, " "))
	if len(words) < 2 || !strings.HasSuffix(words[len(words)-2], "sleep") {
		return 0
	}
	seconds, err := strconv.Atoi(strings.TrimSuffix(words[len(words)-1], "s"))
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// inherit reads what the pod, or any object above it, says about its moving.
func (w *world) inherit(p *corev1.Pod, out *handover.Pod) {
	annotated := []map[string]string{p.Annotations}
	var fixed string
	for above := range chain(p, w.owner) {
		annotated = append(annotated, above.GetAnnotations())
		if t := above.pods(); t != nil {
			annotated = append(annotated, t.Annotations)
		}
		fixed = cmp.Or(fixed, above.fixed())
	}
	if top := w.top(p); top.key != "" {
		if a := w.answers[top.key]; a != nil && a.uid == top.owner.UID {
			annotated = append(annotated, a.annotations)
			fixed = cmp.Or(fixed, a.fixed)
		}
	}
	if p.Spec.NodeName != "" {
		out.Fixed = fixed
	}
	out.Expendable = w.endsBare && metav1.GetControllerOf(p) == nil
	for _, a := range annotated {
		out.KeptUntil = later(out.KeptUntil, keptUntil(p, a[handover.DoNotDisruptAnnotation]))
		out.Expendable = out.Expendable || a[handover.ExpendableAnnotation] == "true"
		out.AcceptGap = out.AcceptGap || a[handover.AcceptGapAnnotation] == "true"
		for _, k := range keeps {
			if out.DoNotDisrupt == "" && a[k.annotation] == k.value {
				out.DoNotDisrupt = k.annotation
			}
		}
	}
}

// keptUntil is the end of the time for which an annotation of Karpenter's forbids to
// disrupt a pod from its start on ("30m"); zero: it names none.
func keptUntil(p *corev1.Pod, annotation string) time.Time {
	d, err := time.ParseDuration(annotation)
	if err != nil || p.Status.StartTime == nil {
		return time.Time{}
	}
	return p.Status.StartTime.Add(d)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// chain is what stands above a pod, the nearest first, as far as it is known.
func chain(p *corev1.Pod, owner func(metav1.Object) (above, bool)) iter.Seq[above] {
	return func(yield func(above) bool) {
		var o metav1.Object = p
		for range chainDepth {
			next, known := owner(o)
			if !known || !yield(next) {
				return
			}
			o = next
		}
	}
}

// held is where a pod's owners and volumes are looked for.
type held interface {
	owner(o metav1.Object) (above, bool)
	volumeClaim(key string) *corev1.PersistentVolumeClaim // nil: there is none
	volume(name string) *corev1.PersistentVolume          // nil: there is none
}

func (w *world) volumeClaim(key string) *corev1.PersistentVolumeClaim {
	c, _ := w.seen[kindClaim][key].(*corev1.PersistentVolumeClaim)
	return c
}

func (w *world) volume(name string) *corev1.PersistentVolume {
	v, _ := w.seen[kindVolume][name].(*corev1.PersistentVolume)
	return v
}

// alone is why no second pod may run beside this one, empty if it may. A generic
// ephemeral volume belongs to one pod alone, and the second has its own; so it is
// with all of a pod whose name or volumes the next one gets.
func alone(p *corev1.Pod, in held) string {
	if owner, known := in.owner(p); known && owner.keepsNames() {
		return ""
	}
	for above := range chain(p, in.owner) {
		if why := above.keepsAlone(); why != "" {
			return why
		}
	}
	for _, key := range claimsOf(p) {
		if why := oneNode(key, in); why != "" {
			return why
		}
	}
	return ""
}

// deviceClaim begins the key of a ResourceClaim among those of volume claims.
const deviceClaim = "device "

// oneNode says that what a claim stands for is on one node at a time; empty: it may
// be on several.
func oneNode(key string, in held) string {
	if name, is := strings.CutPrefix(key, deviceClaim); is {
		return "its ResourceClaim " + name[strings.IndexByte(name, '/')+1:] + " is allocated on one node"
	}
	claim := in.volumeClaim(key)
	if claim == nil {
		return ""
	}
	modes, name := claim.Spec.AccessModes, claim.Name
	if volume := in.volume(claim.Spec.VolumeName); volume != nil {
		modes, name = volume.Spec.AccessModes, volume.Name
	}
	if slices.Contains(modes, corev1.ReadWriteMany) || slices.Contains(modes, corev1.ReadOnlyMany) {
		return ""
	}
	return "its volume " + name + " can be attached to one node only"
}

// shares says that another pod on the pod's node uses what only one node can have:
// the one that goes first would wait elsewhere for the other one to go. Empty: none
// does. A pod that works until it is done gives it up by itself.
func (w *world) shares(p *corev1.Pod) string {
	for _, key := range claimsOf(p) {
		why := oneNode(key, w)
		if why == "" || p.Spec.NodeName == "" {
			continue
		}
		for _, uid := range w.using.of(key) {
			q := w.pods[types.UID(uid)]
			if q.UID != p.UID && q.Spec.NodeName == p.Spec.NodeName && q.DeletionTimestamp == nil && !finished(q) && !untilDone(q) {
				return why + ", and pod " + q.Name + " uses it as well"
			}
		}
	}
	return ""
}

// untilDone: the pod works until it is done, and is not started again then.
func untilDone(p *corev1.Pod) bool {
	return p.Spec.RestartPolicy == corev1.RestartPolicyNever || p.Spec.RestartPolicy == corev1.RestartPolicyOnFailure
}

// claimsOf are the claims that a pod names, as namespace/name; those of devices have
// deviceClaim before that.
func claimsOf(p *corev1.Pod) []string {
	var found []string
	for _, v := range p.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			found = append(found, p.Namespace+"/"+v.PersistentVolumeClaim.ClaimName)
		}
	}
	for _, c := range p.Spec.ResourceClaims {
		if c.ResourceClaimName != nil {
			found = append(found, deviceClaim+p.Namespace+"/"+*c.ResourceClaimName)
		}
	}
	return found
}

// systemPaths are directories of a node that belong to the node.
var systemPaths = []string{"/dev", "/proc", "/sys", "/run", "/var/run", "/etc", "/lib", "/usr", "/boot", "/var/log", "/var/lib/kubelet", "/var/lib/containerd"}

// writesTo is a directory of its node that a pod can write to, by itself or as a
// volume that claims to be anywhere; empty: there is none.
func writesTo(p *corev1.Pod, in held) string {
	for _, v := range p.Spec.Volumes {
		source := v.HostPath
		if v.PersistentVolumeClaim != nil {
			source = hostPath(in, p.Namespace+"/"+v.PersistentVolumeClaim.ClaimName)
		}
		if source != nil && keepsFiles(source) && writes(p, v.Name) {
			return source.Path
		}
	}
	return ""
}

// hostPath is what a claim's volume is of, if that is a directory of whatever node it
// is used on.
func hostPath(in held, claim string) *corev1.HostPathVolumeSource {
	c := in.volumeClaim(claim)
	if c == nil {
		return nil
	}
	if v := in.volume(c.Spec.VolumeName); v != nil && v.Spec.NodeAffinity == nil {
		return v.Spec.HostPath
	}
	return nil
}

func keepsFiles(h *corev1.HostPathVolumeSource) bool {
	switch kind := h.Type; {
	case kind == nil, *kind == corev1.HostPathUnset, *kind == corev1.HostPathDirectory, *kind == corev1.HostPathDirectoryOrCreate:
	default: // a file, a socket, a device
		return false
	}
	return h.Path != "/" && !slices.ContainsFunc(systemPaths, func(s string) bool { return h.Path == s || strings.HasPrefix(h.Path, s+"/") })
}

func writes(p *corev1.Pod, volume string) bool {
	return slices.ContainsFunc(slices.Concat(p.Spec.InitContainers, p.Spec.Containers), func(c corev1.Container) bool {
		return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == volume && !m.ReadOnly })
	})
}

func seeClaim(w *world, key string, before, now *corev1.PersistentVolumeClaim) {
	if before != nil {
		w.holding.drop(before.Spec.VolumeName, key)
		w.markAttached(before.Spec.VolumeName)
	}
	if now != nil {
		w.holding.put(now.Spec.VolumeName, key)
		w.markAttached(now.Spec.VolumeName)
	}
	w.markUsing(key)
}

func seeVolume(w *world, key string, _, _ *corev1.PersistentVolume) {
	for claim := range w.holding[key] {
		w.markUsing(claim)
	}
	w.markAttached(key)
}

// markSharing marks the pods that a pod has to go together with. Those of a volume
// that many nodes can have at once may be thousands, and do not mind one more.
func (w *world) markSharing(claim string) {
	if oneNode(claim, w) != "" {
		w.markUsing(claim)
	}
}

func (w *world) markUsing(claim string) {
	for uid := range w.using[claim] {
		w.marks.pods[types.UID(uid)] = true
	}
}

// ownLabels are of nodes that have others of their kind no more: of a group, of one
// node, of a type of instances.
var ownLabels = []string{"eks.amazonaws.com/nodegroup", "alpha.eksctl.io/nodegroup-name", corev1.LabelHostname, corev1.LabelInstanceTypeStable}

// pins are the values of such labels that the pod's own selectors ask for.
func pins(p *corev1.Pod) map[string]string {
	var found map[string]string
	for _, key := range ownLabels {
		if value := asks(p, key); value != "" {
			if found == nil {
				found = map[string]string{}
			}
			found[key] = value
		}
	}
	return found
}

// asks is the only value of a label of nodes that the pod's own selectors admit; empty:
// others will do.
func asks(p *corev1.Pod, key string) string {
	if value := p.Spec.NodeSelector[key]; value != "" {
		return value
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
		if e.Key == key && e.Operator == corev1.NodeSelectorOpIn && len(e.Values) == 1 {
			return e.Values[0]
		}
	}
	return ""
}
