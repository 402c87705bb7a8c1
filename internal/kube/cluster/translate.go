package cluster

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/component-helpers/resource"

	"github.com/droverhq/drover/internal/handover"
)

// targetLabels restricts a Service's load balancer to some nodes: "k=v,k2=v2".
const targetLabels = "service.beta.kubernetes.io/aws-load-balancer-target-node-labels"

// defaultDeadline is a Deployment's patience if its author did not say, and
// that of anything else.
const defaultDeadline = 600 * time.Second

// objects is everything that a snapshot is made from. They belong to the
// watches and are only read.
type objects struct {
	nodes        []*corev1.Node
	pods         []*corev1.Pod
	services     []*corev1.Service
	volumes      []*corev1.PersistentVolume
	claims       []*corev1.PersistentVolumeClaim
	deployments  []*appsv1.Deployment
	replicaSets  []*appsv1.ReplicaSet
	statefulSets []*appsv1.StatefulSet
	daemonSets   []*appsv1.DaemonSet
	slices       []*discoveryv1.EndpointSlice
	budgets      []*policyv1.PodDisruptionBudget
	attachments  []*storagev1.VolumeAttachment
}

// indexed is objects with the ways between them.
type indexed struct {
	objects
	sets       map[types.UID]*appsv1.ReplicaSet
	deployed   map[types.UID]*appsv1.Deployment
	listed     map[types.UID]map[string]bool // pod -> Services whose slices hold it -> as one that serves
	servicesIn map[string][]*corev1.Service  // by namespace
	budgetsIn  map[string][]*policyv1.PodDisruptionBudget
	on         map[string][]*corev1.Pod // by node
	repellent  []*corev1.Pod            // those with required anti-affinity
	volumesOn  map[string][]string      // attached, by node
}

func (o objects) index() indexed {
	x := indexed{
		objects: o, sets: map[types.UID]*appsv1.ReplicaSet{}, deployed: map[types.UID]*appsv1.Deployment{},
		listed: map[types.UID]map[string]bool{}, servicesIn: map[string][]*corev1.Service{},
		budgetsIn: map[string][]*policyv1.PodDisruptionBudget{}, on: map[string][]*corev1.Pod{}, volumesOn: map[string][]string{},
	}
	for _, r := range o.replicaSets {
		x.sets[r.UID] = r
	}
	for _, d := range o.deployments {
		x.deployed[d.UID] = d
	}
	for _, s := range o.services {
		x.servicesIn[s.Namespace] = append(x.servicesIn[s.Namespace], s)
	}
	for _, b := range o.budgets {
		x.budgetsIn[b.Namespace] = append(x.budgetsIn[b.Namespace], b)
	}
	for _, p := range o.pods {
		x.on[p.Spec.NodeName] = append(x.on[p.Spec.NodeName], p)
		if a := p.Spec.Affinity; a != nil && a.PodAntiAffinity != nil && len(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution) > 0 {
			x.repellent = append(x.repellent, p)
		}
	}
	for _, a := range o.attachments {
		name := a.Name
		if a.Spec.Source.PersistentVolumeName != nil {
			name = *a.Spec.Source.PersistentVolumeName
		}
		x.volumesOn[a.Spec.NodeName] = append(x.volumesOn[a.Spec.NodeName], name)
	}
	for _, s := range o.slices {
		for _, e := range s.Endpoints {
			if e.TargetRef == nil || e.TargetRef.Kind != "Pod" {
				continue
			}
			in := x.listed[e.TargetRef.UID]
			if in == nil {
				in = map[string]bool{}
				x.listed[e.TargetRef.UID] = in
			}
			service := s.Labels[discoveryv1.LabelServiceName]
			in[service] = in[service] || e.Conditions.Ready == nil || *e.Conditions.Ready
		}
	}
	return x
}

// snapshot sorts everything, so that decisions do not depend on the order of a store.
func (o objects) snapshot() handover.Snapshot {
	x := o.index()
	var s handover.Snapshot
	for _, n := range o.nodes {
		s.Nodes = append(s.Nodes, x.node(n))
	}
	workloads := map[string]handover.Workload{}
	for _, p := range o.pods {
		pod, w := x.pod(p)
		s.Pods = append(s.Pods, pod)
		if pod.Workload != "" {
			workloads[pod.Workload] = w
		}
	}
	for _, d := range o.deployments { // one whose last pods are all released has no pod that names it
		w := deployment(d)
		workloads[w.Key()] = w
	}
	for _, r := range o.replicaSets {
		if metav1.GetControllerOf(r) == nil {
			w := replicaSet(r)
			workloads[w.Key()] = w
		}
	}
	for _, v := range o.services {
		if v.Spec.Type == corev1.ServiceTypeLoadBalancer {
			s.Services = append(s.Services, x.balanced(v))
		}
	}
	for _, b := range o.budgets {
		s.Budgets = append(s.Budgets, budget(b))
	}
	s.Workloads = slices.Collect(maps.Values(workloads))
	slices.SortFunc(s.Nodes, func(a, b handover.Node) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Workloads, func(a, b handover.Workload) int { return strings.Compare(a.Key(), b.Key()) })
	slices.SortFunc(s.Pods, func(a, b handover.Pod) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	slices.SortFunc(s.Services, func(a, b handover.Service) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	slices.SortFunc(s.Budgets, func(a, b handover.Budget) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return s
}

func (x indexed) node(n *corev1.Node) handover.Node {
	out := handover.Node{
		Name:        n.Name,
		Group:       n.Labels[groupLabel],
		Version:     n.Status.NodeInfo.KubeletVersion,
		Created:     n.CreationTimestamp.Time,
		Initialized: initialized(n),
		Cordoned:    n.Spec.Unschedulable,
		Before:      n.Annotations[handover.BeforeAnnotation],
		Daemons:     x.daemonsMissing(n, x.on[n.Name]),
		Volumes:     x.volumesOn[n.Name],
		CPU:         n.Status.Allocatable.Cpu().MilliValue(),
		Memory:      n.Status.Allocatable.Memory().Value(),
		MaxPods:     int(n.Status.Allocatable.Pods().Value()),
	}
	if id := n.Spec.ProviderID[strings.LastIndexByte(n.Spec.ProviderID, '/')+1:]; strings.HasPrefix(id, "i-") {
		out.Instance = id
	}
	if value, ok := n.Labels[corev1.LabelNodeExcludeBalancers]; ok {
		out.Exclude = &value
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			out.Ready = c.Status == corev1.ConditionTrue
		}
	}
	return out
}

// initialized: no taint is left with which a node starts and which a
// controller, kubelet or driver removes when its part is done.
func initialized(n *corev1.Node) bool {
	return !slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool {
		switch t.Key {
		case "node.cloudprovider.kubernetes.io/uninitialized", corev1.TaintNodeNotReady,
			corev1.TaintNodeUnreachable, corev1.TaintNodeNetworkUnavailable:
			return true
		}
		return strings.HasSuffix(t.Key, "/agent-not-ready") // CSI drivers and CNIs
	})
}

func (x indexed) pod(p *corev1.Pod) (handover.Pod, handover.Workload) {
	w, owned := x.workload(p)
	out := handover.Pod{
		Ref:        handover.Ref{Namespace: p.Namespace, Name: p.Name, UID: string(p.UID)},
		Node:       p.Spec.NodeName,
		Labels:     p.Labels,
		Released:   p.Annotations[handover.ReleasedAnnotation],
		Expendable: p.Annotations[handover.ExpendableAnnotation] == "true",
		Finished:   p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed,
		Deleting:   p.DeletionTimestamp != nil,
		Trouble:    trouble(p),
		Group:      pin(p),
	}
	_, out.Mirror = p.Annotations[corev1.MirrorPodAnnotationKey]
	if owner := metav1.GetControllerOf(p); owner != nil {
		out.Daemon = owner.Kind == "DaemonSet"
		out.Mirror = out.Mirror || owner.Kind == "Node"
	}
	if owned {
		out.Workload = w.Key()
	}
	if cost, ok := p.Annotations[handover.CostAnnotation]; ok {
		out.Cost = &cost
	}
	if out.Deleting {
		out.GoneBy = p.DeletionTimestamp.Time
		out.Evicted = evicted(p)
	}
	out.Ready, out.ReadySince = readiness(p)
	lifecycle(p, &out)
	x.network(p, &out)
	out.Alone = x.alone(p)
	if owned && out.Alone == "" {
		out.Handle = x.handle(p)
	}
	requests := resource.PodRequests(p, resource.PodResourcesOptions{})
	out.CPU, out.Memory = requests.Cpu().MilliValue(), requests.Memory().Value()
	if len(x.repellent) > 0 {
		out.Apart = x.apart(p)
	}
	return out, w
}

// apart looks at all pods for one that repels others itself, else only at those.
func (x indexed) apart(p *corev1.Pod) []string {
	if slices.Contains(x.repellent, p) {
		return apart(p, x.pods)
	}
	return apart(p, x.repellent)
}

// evicted: the Eviction API leaves this condition on the pods it ends.
func evicted(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue && c.Reason == "EvictionByEvictionAPI"
	})
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
	out.Probe = true
	for _, c := range p.Spec.Containers {
		if len(c.Ports) > 0 && c.ReadinessProbe == nil {
			out.Probe = false
		}
		if c.Lifecycle == nil || c.Lifecycle.PreStop == nil {
			continue
		}
		out.PreStop = true
		out.PreStopTime = max(out.PreStopTime, sleeps(c.Lifecycle.PreStop))
	}
	for _, v := range p.Spec.Volumes {
		if v.EmptyDir != nil && v.EmptyDir.Medium != corev1.StorageMediumMemory {
			out.EmptyDir = true
		}
	}
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

// network reads what sends requests to a pod, and what protects it.
func (x indexed) network(p *corev1.Pod, out *handover.Pod) {
	listed := x.listed[p.UID]
	out.Listed = slices.Sorted(maps.Keys(listed))
	out.Serving = out.Ready
	services := x.selecting(p)
	for _, s := range services {
		out.Services = append(out.Services, s.Name)
		out.Serving = out.Serving && listed[s.Name]
	}
	slices.Sort(out.Services)
	protected := map[string]bool{}
	for _, b := range x.protecting(p) {
		out.Budgets = append(out.Budgets, b.Name)
		for _, key := range keys(b.Spec.Selector) {
			protected[key] = true
		}
	}
	slices.Sort(out.Budgets)
	out.Doors = doors(services, protected)
}

func (x indexed) selecting(p *corev1.Pod) []*corev1.Service {
	return slices.DeleteFunc(slices.Clone(x.servicesIn[p.Namespace]), func(s *corev1.Service) bool {
		return len(s.Spec.Selector) == 0 || s.Spec.Type == corev1.ServiceTypeExternalName ||
			!labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(p.Labels))
	})
}

func (x indexed) protecting(p *corev1.Pod) []*policyv1.PodDisruptionBudget {
	return slices.DeleteFunc(slices.Clone(x.budgetsIn[p.Namespace]), func(b *policyv1.PodDisruptionBudget) bool {
		selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		return err != nil || !selector.Matches(labels.Set(p.Labels))
	})
}

// doors are labels without which none of the services selects the pod: as few
// as may be, and such that its disruption budgets still see it, if they can be
// found: then the budget is asked about the pod's end, as it should be.
func doors(services []*corev1.Service, protected map[string]bool) []string {
	var chosen []string
	open := services
	for len(open) > 0 {
		covers := map[string]int{}
		for _, s := range open {
			for key := range s.Spec.Selector {
				covers[key]++
			}
		}
		best := slices.MinFunc(slices.Sorted(maps.Keys(covers)), func(a, b string) int {
			return cmp.Or(order(protected[a], protected[b]), cmp.Compare(covers[b], covers[a]), strings.Compare(a, b))
		})
		chosen = append(chosen, best)
		open = slices.DeleteFunc(slices.Clone(open), func(s *corev1.Service) bool { _, has := s.Spec.Selector[best]; return has })
	}
	slices.Sort(chosen)
	return chosen
}

// order puts false before true.
func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func keys(s *metav1.LabelSelector) []string {
	if s == nil {
		return nil
	}
	found := slices.Collect(maps.Keys(s.MatchLabels))
	for _, e := range s.MatchExpressions {
		found = append(found, e.Key)
	}
	return found
}

// handle finds the label by which the pod can leave its ReplicaSet while
// Services and budgets still see it; a Deployment's own is the first choice.
func (x indexed) handle(p *corev1.Pod) string {
	owner := metav1.GetControllerOf(p)
	set := x.sets[owner.UID]
	if set == nil || set.Spec.Selector == nil {
		return ""
	}
	used := map[string]bool{}
	for _, s := range x.selecting(p) {
		for key := range s.Spec.Selector {
			used[key] = true
		}
	}
	for _, b := range x.protecting(p) {
		for _, key := range keys(b.Spec.Selector) {
			used[key] = true
		}
	}
	free := slices.DeleteFunc(slices.Sorted(maps.Keys(set.Spec.Selector.MatchLabels)), func(key string) bool {
		_, has := p.Labels[key]
		return used[key] || !has
	})
	switch {
	case len(free) == 0:
		return ""
	case slices.Contains(free, appsv1.DefaultDeploymentUniqueLabelKey):
		return appsv1.DefaultDeploymentUniqueLabelKey
	}
	return free[0]
}

// alone is why no second pod may run beside this one, empty if it may.
func (x indexed) alone(p *corev1.Pod) string {
	owner := metav1.GetControllerOf(p)
	if owner == nil || owner.Kind != "ReplicaSet" {
		return ""
	}
	if d := x.deploymentOf(x.sets[owner.UID]); d != nil && d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return "its Deployment's strategy is Recreate"
	}
	for _, v := range x.bound(p) {
		if !slices.Contains(v.Spec.AccessModes, corev1.ReadWriteMany) && !slices.Contains(v.Spec.AccessModes, corev1.ReadOnlyMany) {
			return "its volume " + v.Name + " can be attached to one node only"
		}
	}
	return ""
}

func (x indexed) deploymentOf(r *appsv1.ReplicaSet) *appsv1.Deployment {
	if r == nil {
		return nil
	}
	owner := metav1.GetControllerOf(r)
	if owner == nil {
		return nil
	}
	return x.deployed[owner.UID]
}

// workload is what controls the pod in the end.
func (x indexed) workload(p *corev1.Pod) (handover.Workload, bool) {
	owner := metav1.GetControllerOf(p)
	if owner == nil {
		return handover.Workload{}, false
	}
	if set := x.sets[owner.UID]; owner.Kind == "ReplicaSet" && set != nil {
		if d := x.deploymentOf(set); d != nil {
			return deployment(d), true
		}
		return replicaSet(set), true
	}
	for _, s := range x.statefulSets {
		if s.UID == owner.UID {
			return statefulSet(s), true
		}
	}
	return handover.Workload{
		Kind: owner.Kind, API: owner.APIVersion, Namespace: p.Namespace, Name: owner.Name,
		Surge: 1, Deadline: defaultDeadline, Settled: true,
	}, true
}

func deployment(d *appsv1.Deployment) handover.Workload {
	w := handover.Workload{
		Kind: "Deployment", API: "apps/v1", Namespace: d.Namespace, Name: d.Name,
		Replicas: replicas(d.Spec.Replicas), Surge: 1,
		MinReady: time.Duration(d.Spec.MinReadySeconds) * time.Second, Deadline: defaultDeadline,
		Settled: d.Status.ObservedGeneration >= d.Generation && d.Status.UpdatedReplicas == d.Status.Replicas,
	}
	if s := d.Spec.ProgressDeadlineSeconds; s != nil {
		w.Deadline = time.Duration(*s) * time.Second
	}
	if r := d.Spec.Strategy.RollingUpdate; r != nil && r.MaxSurge != nil {
		if n, err := intstr.GetScaledValueFromIntOrPercent(r.MaxSurge, w.Replicas, true); err == nil {
			w.Surge = max(1, n)
		}
	}
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
			w.Trouble = c.Message
		}
	}
	return w
}

func replicaSet(r *appsv1.ReplicaSet) handover.Workload {
	w := handover.Workload{
		Kind: "ReplicaSet", API: "apps/v1", Namespace: r.Namespace, Name: r.Name,
		Replicas: replicas(r.Spec.Replicas), Surge: 1,
		MinReady: time.Duration(r.Spec.MinReadySeconds) * time.Second, Deadline: defaultDeadline,
		Settled: r.Status.ObservedGeneration >= r.Generation,
	}
	for _, c := range r.Status.Conditions {
		if c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue {
			w.Trouble = c.Message
		}
	}
	return w
}

func statefulSet(s *appsv1.StatefulSet) handover.Workload {
	return handover.Workload{
		Kind: "StatefulSet", API: "apps/v1", Namespace: s.Namespace, Name: s.Name,
		Replicas: replicas(s.Spec.Replicas), Surge: 1,
		MinReady: time.Duration(s.Spec.MinReadySeconds) * time.Second, Deadline: defaultDeadline,
		Settled: s.Status.ObservedGeneration >= s.Generation && s.Status.CurrentRevision == s.Status.UpdateRevision,
	}
}

// replicas is 1 where none is written.
func replicas(n *int32) int {
	if n == nil {
		return 1
	}
	return int(*n)
}

// balanced is a Service of type LoadBalancer.
func (x indexed) balanced(s *corev1.Service) handover.Service {
	out := handover.Service{
		Namespace: s.Namespace, Name: s.Name,
		Local: s.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal,
	}
	for _, in := range s.Status.LoadBalancer.Ingress {
		out.Host = cmp.Or(in.Hostname, in.IP)
	}
	selector, err := labels.Parse(s.Annotations[targetLabels])
	if err != nil {
		selector = labels.Everything()
	}
	for _, n := range x.nodes {
		if selector.Matches(labels.Set(n.Labels)) && (!out.Local || x.hasEndpoint(s, n)) {
			out.Nodes = append(out.Nodes, n.Name)
		}
	}
	slices.Sort(out.Nodes)
	return out
}

// hasEndpoint: a pod on the node serves for the Service.
func (x indexed) hasEndpoint(s *corev1.Service, n *corev1.Node) bool {
	return slices.ContainsFunc(x.on[n.Name], func(p *corev1.Pod) bool {
		return p.Namespace == s.Namespace && p.DeletionTimestamp == nil && x.listed[p.UID][s.Name]
	})
}

func budget(b *policyv1.PodDisruptionBudget) handover.Budget {
	known := b.Status.ObservedGeneration >= b.Generation && b.Status.ExpectedPods > 0
	return handover.Budget{
		Namespace: b.Namespace, Name: b.Name,
		Expected: int(b.Status.ExpectedPods), Desired: int(b.Status.DesiredHealthy), Allowed: int(b.Status.DisruptionsAllowed),
		Never: known && b.Status.DesiredHealthy >= b.Status.ExpectedPods,
	}
}
