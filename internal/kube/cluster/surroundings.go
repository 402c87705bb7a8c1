package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/droverhq/drover/internal/handover"
)

// Surroundings tells what else has a say in a move: webhooks, autoscalers,
// schedulers, registries. Pods, nodes and EndpointSlices are as the watches
// have them; the rest is listed now. What may not be listed is left out, and named.
func (c *Cluster) Surroundings(ctx context.Context) (handover.Surroundings, error) {
	s := surroundings{}
	var err error
	if s.pods, err = c.factory.Core().V1().Pods().Lister().List(labels.Everything()); err != nil {
		return handover.Surroundings{}, err
	}
	if s.nodes, err = c.factory.Core().V1().Nodes().Lister().List(labels.Everything()); err != nil {
		return handover.Surroundings{}, err
	}
	if s.slices, err = c.factory.Discovery().V1().EndpointSlices().Lister().List(labels.Everything()); err != nil {
		return handover.Surroundings{}, err
	}
	if s.later, err = c.later(s.nodes); err != nil {
		return handover.Surroundings{}, err
	}
	slices.SortFunc(s.pods, func(a, b *corev1.Pod) int { return strings.Compare(podName(a), podName(b)) })
	keyless, err1 := c.keyless(ctx, s.pods)
	err = errors.Join(s.list(ctx, c), err1)
	return handover.Surroundings{
		Webhooks: s.webhooks(), NodeEnders: s.nodeEnders(), Schedulers: s.schedulers(), Unpulled: s.unpulled(), Keyless: keyless, ExecProbes: s.execProbes(), Later: s.later, Forbidden: append(s.forbidden, c.unlisted()...),
	}, err
}

// surroundings are the objects that tell of them.
type surroundings struct {
	pods       []*corev1.Pod
	nodes      []*corev1.Node
	slices     []*discoveryv1.EndpointSlice
	later      []handover.Later
	namespaces map[string]labels.Set // nil: may not be listed
	hooks      []hook
	leases     []coordinationv1.Lease
	named      map[string]bool // schedulers beside the default one; nil: leases may not be listed
	forbidden  []string        // resources that may not be listed
}

// hook is one webhook of either kind of configuration.
type hook struct {
	name, config      string
	service           *admissionv1.ServiceReference
	ignores           bool
	rules             []admissionv1.RuleWithOperations
	namespaces, picks *metav1.LabelSelector
	conditions        bool
}

func (s *surroundings) list(ctx context.Context, c *Cluster) error {
	all := metav1.ListOptions{}
	validating, err1 := c.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().List(ctx, all)
	if err1 == nil {
		s.validate(validating.Items)
	}
	mutating, err2 := c.client.AdmissionregistrationV1().MutatingWebhookConfigurations().List(ctx, all)
	if err2 == nil {
		s.mutate(mutating.Items)
	}
	namespaces, err3 := c.client.CoreV1().Namespaces().List(ctx, all)
	if err3 == nil {
		s.namespaces = map[string]labels.Set{}
		for _, n := range namespaces.Items {
			s.namespaces[n.Name] = n.Labels
		}
	}
	return errors.Join(
		s.allowed("validatingwebhookconfigurations", err1), s.allowed("mutatingwebhookconfigurations", err2),
		s.allowed("namespaces", err3), s.listLeases(ctx, c),
	)
}

// listLeases looks for those of schedulers, if any are named. Those of nodes,
// one each, are none.
func (s *surroundings) listLeases(ctx context.Context, c *Cluster) error {
	named := map[string]bool{}
	for _, p := range s.pods {
		if name := p.Spec.SchedulerName; name != "" && name != corev1.DefaultSchedulerName && !finished(p) {
			named[name] = true
		}
	}
	if len(named) == 0 {
		return nil
	}
	leases, err := c.client.CoordinationV1().Leases("").List(ctx, metav1.ListOptions{FieldSelector: "metadata.namespace!=" + corev1.NamespaceNodeLease})
	if err == nil {
		s.leases, s.named = leases.Items, named
	}
	return s.allowed("leases", err)
}

// allowed takes a list that may not be read, or is not served, for one that has
// nothing in it. That it may not be read is kept.
func (s *surroundings) allowed(resource string, err error) error {
	switch {
	case apierrors.IsForbidden(err):
		s.forbidden = append(s.forbidden, resource)
		return nil
	case apierrors.IsNotFound(err):
		return nil
	}
	return err
}

func (s *surroundings) validate(all []admissionv1.ValidatingWebhookConfiguration) {
	for _, config := range all {
		for _, w := range config.Webhooks {
			s.hooks = append(s.hooks, hook{
				name: w.Name, config: "validatingwebhookconfiguration/" + config.Name, service: w.ClientConfig.Service,
				ignores: w.FailurePolicy != nil && *w.FailurePolicy == admissionv1.Ignore,
				rules:   w.Rules, namespaces: w.NamespaceSelector, picks: w.ObjectSelector, conditions: len(w.MatchConditions) > 0,
			})
		}
	}
}

func (s *surroundings) mutate(all []admissionv1.MutatingWebhookConfiguration) {
	for _, config := range all {
		for _, w := range config.Webhooks {
			s.hooks = append(s.hooks, hook{
				name: w.Name, config: "mutatingwebhookconfiguration/" + config.Name, service: w.ClientConfig.Service,
				ignores: w.FailurePolicy != nil && *w.FailurePolicy == admissionv1.Ignore,
				rules:   w.Rules, namespaces: w.NamespaceSelector, picks: w.ObjectSelector, conditions: len(w.MatchConditions) > 0,
			})
		}
	}
}

// webhooks are those without which calls about pods fail. One at a URL may be
// anywhere: the rehearsals ask it.
func (s *surroundings) webhooks() []handover.Webhook {
	var all []handover.Webhook
	for _, a := range s.hooks {
		if a.ignores || a.service == nil {
			continue
		}
		pods := s.about(a)
		if len(pods) == 0 {
			continue
		}
		w := handover.Webhook{
			Name: fmt.Sprintf("webhook %s (%s)", a.name, a.config), Service: a.service.Namespace + "/" + a.service.Name,
			Ready: s.behind(a.service), Pods: pods, Perhaps: a.conditions || s.namespaces == nil,
		}
		w.Cure = fmt.Sprintf("kubectl -n %s get pods,endpointslices; if it is not used any more: kubectl delete %s", a.service.Namespace, strings.Replace(a.config, "/", " ", 1))
		all = append(all, w)
	}
	return all
}

// about are the pods that a webhook is asked about when another like it is made,
// it is changed, or evicted. An Eviction carries no labels.
func (s *surroundings) about(a hook) map[string]bool {
	pods := a.listens("pods", admissionv1.Create) || a.listens("pods", admissionv1.Update)
	evictions := a.listens("pods/eviction", admissionv1.Create)
	namespaces, err1 := metav1.LabelSelectorAsSelector(everythingOr(a.namespaces))
	picks, err2 := metav1.LabelSelectorAsSelector(everythingOr(a.picks))
	if !pods && !evictions || err1 != nil || err2 != nil {
		return nil
	}
	found := map[string]bool{}
	for _, p := range s.pods {
		if s.namespaces != nil && !namespaces.Matches(s.namespaces[p.Namespace]) {
			continue
		}
		if pods && picks.Matches(labels.Set(p.Labels)) || evictions && picks.Matches(labels.Set{}) {
			found[string(p.UID)] = true
		}
	}
	return found
}

// everythingOr is a selector that selects everything where there is none.
func everythingOr(s *metav1.LabelSelector) *metav1.LabelSelector {
	if s == nil {
		return &metav1.LabelSelector{}
	}
	return s
}

// listens: one of its rules is of that resource of the core group.
func (a hook) listens(resource string, op admissionv1.OperationType) bool {
	name, sub, _ := strings.Cut(resource, "/")
	names := []string{resource, "*/*", name + "/*"}
	if sub == "" {
		names = append(names, "*")
	} else {
		names = append(names, "*/"+sub)
	}
	return slices.ContainsFunc(a.rules, func(r admissionv1.RuleWithOperations) bool {
		return has(r.APIGroups, "") && has(r.APIVersions, "v1") && has(r.Operations, op) &&
			slices.ContainsFunc(r.Resources, func(have string) bool { return slices.Contains(names, have) }) &&
			(r.Scope == nil || *r.Scope != admissionv1.ClusterScope)
	})
}

// has: the list has it, or everything.
func has[T ~string](list []T, want T) bool {
	return slices.Contains(list, want) || slices.Contains(list, "*")
}

// behind are the UIDs of the pods that a Service sends to now; an address, if it
// is no pod's.
func (s *surroundings) behind(service *admissionv1.ServiceReference) []string {
	var ready []string
	for _, slice := range s.slices {
		if slice.Namespace != service.Namespace || slice.Labels[discoveryv1.LabelServiceName] != service.Name {
			continue
		}
		for _, e := range slice.Endpoints {
			switch {
			case e.Conditions.Ready != nil && !*e.Conditions.Ready:
			case e.TargetRef != nil:
				ready = append(ready, string(e.TargetRef.UID))
			default:
				ready = append(ready, e.Addresses...)
			}
		}
	}
	slices.Sort(ready)
	return slices.Compact(ready) // a Service of two IP families has two slices
}

// Who ends nodes, by what shows that it is there.
const (
	autoscalerImage = "cluster-autoscaler"
	karpenterLabel  = "karpenter.sh/nodepool"
)

func (s *surroundings) nodeEnders() []handover.NodeEnder {
	var all []handover.NodeEnder
	scaler := handover.NodeEnder{Name: "Cluster Autoscaler", Nodes: map[string]bool{}}
	if at := slices.IndexFunc(s.pods, runs(autoscalerImage)); at >= 0 {
		scaler.Where = "pod " + podName(s.pods[at])
	}
	karpenter := handover.NodeEnder{Name: "Karpenter", Nodes: map[string]bool{}}
	for _, n := range s.nodes {
		switch pool := n.Labels[karpenterLabel]; {
		case pool != "":
			karpenter.Nodes[n.Name], karpenter.Where = true, "NodePool "+pool
		case scaler.Where != "":
			scaler.Nodes[n.Name] = true
		}
	}
	for _, a := range []handover.NodeEnder{scaler, karpenter} {
		if len(a.Nodes) > 0 {
			all = append(all, a)
		}
	}
	return all
}

// runs: a pod that works, of an image of that name.
func runs(image string) func(*corev1.Pod) bool {
	return func(p *corev1.Pod) bool {
		return p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil && contains(p.Spec.Containers, image)
	}
}

func contains(containers []corev1.Container, image string) bool {
	return slices.ContainsFunc(containers, func(c corev1.Container) bool { return strings.HasPrefix(path.Base(c.Image), image) })
}

// schedulers looks for a sign of each that is named: a lease, or a pod that runs
// and carries the name in its own, in a label, or among its arguments.
func (s *surroundings) schedulers() map[string]handover.Scheduler {
	if s.named == nil {
		return nil
	}
	found := map[string]handover.Scheduler{}
	for name := range s.named {
		found[name] = handover.Scheduler{Seen: s.sign(name), Perhaps: s.likely()}
	}
	return found
}

func (s *surroundings) sign(name string) string {
	for _, l := range s.leases {
		holder := l.Spec.HolderIdentity
		if strings.Contains(l.Name, name) || holder != nil && strings.Contains(*holder, name) {
			return "lease " + l.Namespace + "/" + l.Name
		}
	}
	for _, p := range s.pods {
		if p.Status.Phase == corev1.PodRunning && p.Spec.SchedulerName != name && carries(p, name) {
			return "pod " + podName(p)
		}
	}
	return ""
}

func carries(p *corev1.Pod, name string) bool {
	if strings.Contains(p.Name, name) {
		return true
	}
	for _, value := range p.Labels {
		if value == name {
			return true
		}
	}
	return slices.ContainsFunc(p.Spec.Containers, func(c corev1.Container) bool {
		return slices.ContainsFunc(slices.Concat(c.Command, c.Args), func(arg string) bool { return strings.Contains(arg, name) })
	})
}

// likely is a pod that may be a scheduler whose names stand in a file.
func (s *surroundings) likely() string {
	for _, p := range s.pods {
		scheduler := func(c corev1.Container) bool { return strings.Contains(path.Base(c.Image), "scheduler") }
		if p.Status.Phase == corev1.PodRunning && slices.ContainsFunc(p.Spec.Containers, scheduler) {
			return "pod " + podName(p)
		}
	}
	return ""
}

// unpulled are the pods with an image that some pod cannot pull now. Rights to
// pull are a namespace's own; an image that is gone is gone for all.
func (s *surroundings) unpulled() map[string]string {
	here, everywhere := map[[2]string]string{}, map[string]string{} // by namespace and image, by image
	for _, p := range s.pods {
		for image, why := range pulls(p) {
			line := fmt.Sprintf("%s (pod %s: %s)", image, podName(p), why)
			here[[2]string{p.Namespace, image}] = line
			if strings.Contains(why, "not found") || strings.Contains(why, "manifest unknown") {
				everywhere[image] = line
			}
		}
	}
	found := map[string]string{}
	for _, p := range s.pods {
		for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
			if why := cmp.Or(here[[2]string{p.Namespace, c.Image}], everywhere[c.Image]); why != "" {
				found[string(p.UID)] = why
			}
		}
	}
	return found
}

// pulls are the images that a pod cannot pull, and why.
func pulls(p *corev1.Pod) map[string]string {
	if _, sentinel := p.Labels[handover.SentinelLabel]; sentinel {
		return nil // its image is not there on purpose
	}
	images := map[string]string{}
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		images[c.Name] = c.Image
	}
	failed := map[string]string{}
	for _, st := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if w := st.State.Waiting; w != nil && (w.Reason == "ErrImagePull" || w.Reason == "ImagePullBackOff") {
			failed[images[st.Name]] = strings.TrimSuffix(w.Reason+": "+w.Message, ": ")
		}
	}
	return failed
}

// keyless are the pods that name pull secrets of which none is there.
func (c *Cluster) keyless(ctx context.Context, pods []*corev1.Pod) (map[string]string, error) {
	missing, found := map[string]bool{}, map[string]string{}
	for _, p := range pods {
		var lacks []string
		for _, s := range p.Spec.ImagePullSecrets {
			key := p.Namespace + "/" + s.Name
			if _, asked := missing[key]; !asked {
				err := c.look(ctx, p.Namespace, named{"Secret", s.Name})
				if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err) {
					return nil, err
				}
				missing[key] = apierrors.IsNotFound(err)
			}
			if missing[key] {
				lacks = append(lacks, s.Name)
			}
		}
		if len(lacks) > 0 && len(lacks) == len(p.Spec.ImagePullSecrets) {
			found[string(p.UID)] = strings.Join(lacks, ", ")
		}
	}
	return found, nil
}

// execProbes are the pods whose readiness is told by a command.
func (s *surroundings) execProbes() map[string]bool {
	found := map[string]bool{}
	for _, p := range s.pods {
		if slices.ContainsFunc(p.Spec.Containers, func(c corev1.Container) bool { return c.ReadinessProbe != nil && c.ReadinessProbe.Exec != nil }) {
			found[string(p.UID)] = true
		}
	}
	return found
}

func podName(p *corev1.Pod) string { return p.Namespace + "/" + p.Name }

// later are the templates of CronJobs, and of what is scaled to nothing, that select nodes.
func (c *Cluster) later(nodes []*corev1.Node) ([]handover.Later, error) {
	apps, all := c.factory.Apps().V1(), labels.Everything()
	var errs [3]error
	var timed []*batchv1.CronJob
	var free []*appsv1.Deployment
	var sets []*appsv1.StatefulSet
	timed, errs[0] = c.factory.Batch().V1().CronJobs().Lister().List(all)
	free, errs[1] = apps.Deployments().Lister().List(all)
	sets, errs[2] = apps.StatefulSets().Lister().List(all)
	var found []handover.Later
	note := func(api, kind string, o metav1.Object, t corev1.PodTemplateSpec) {
		if t.Spec.NodeSelector == nil && t.Spec.Affinity == nil {
			return // any node will do
		}
		found = append(found, laterOf(handover.WorkloadKey(api, kind, o.GetNamespace(), o.GetName()), t, nodes))
	}
	for _, o := range timed {
		note("batch/v1", "CronJob", o, o.Spec.JobTemplate.Spec.Template)
	}
	for _, o := range free {
		if replicas(o.Spec.Replicas) == 0 {
			note("apps/v1", "Deployment", o, o.Spec.Template)
		}
	}
	for _, o := range sets {
		if replicas(o.Spec.Replicas) == 0 {
			note("apps/v1", "StatefulSet", o, o.Spec.Template)
		}
	}
	slices.SortFunc(found, func(a, b handover.Later) int { return strings.Compare(a.Workload, b.Workload) })
	return found, errors.Join(errs[:]...)
}

// laterOf asks every node whether it would do for pods of the template.
func laterOf(key string, t corev1.PodTemplateSpec, nodes []*corev1.Node) handover.Later {
	p := &corev1.Pod{Spec: t.Spec}
	out := handover.Later{Workload: key, Group: asks(p, groupLabel), Pins: pins(p), Fits: map[string]bool{}}
	d := &daemon{spec: t.Spec, affinity: nodeaffinity.GetRequiredNodeAffinity(p)}
	for _, n := range nodes {
		if d.belongs(n) {
			out.Fits[n.Name] = true
		}
	}
	return out
}
