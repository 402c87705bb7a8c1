package placement

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	schedule "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

// class is what the rules ask of a pod, but for its volumes. Pods of one revision
// share one.
type class struct {
	static      *static
	constraints []constraint
	gather      *gathering // its required affinity; nil: none
	first       bool       // all its affinity speaks of itself: it may be the first of its kind
	apart       []*term    // its required anti-affinity
	failed      failure
}

// constraint is one rule of topology spread as a pod carries it.
type constraint struct {
	*spread
	rule       corev1.TopologySpreadConstraint
	minDomains int
	self       int // 1: it counts itself
}

// static is what no other pod has a say in: the answer of each node to a pod's
// selectors, affinity and tolerations.
type static struct {
	reasons []string // by node; empty: the node may be taken
	open    []int
	next    int
}

// choices are the nodes that the class may use at all; rules, what else it asks for.
func (c *class) choices(*world) int { return len(c.static.open) }
func (c *class) rules() int {
	n := len(c.constraints) + len(c.apart)
	if c.gather != nil {
		n += len(c.gather.scopes)
	}
	return n
}

// class finds the class of a pod's copies.
func (w *world) class(p *corev1.Pod, fixed string) *class {
	key := identity(p.Namespace, w.ruling(p), p.Spec.NodeSelector, p.Spec.Affinity, p.Spec.Tolerations,
		p.Spec.TopologySpreadConstraints, fixed, amounts(p), portsKey(p), p.Spec.Priority, p.Spec.PreemptionPolicy)
	if known := w.classes[key]; known != nil {
		return known
	}
	c := &class{static: w.static(p, fixed), apart: w.repulsions(p)}
	c.gather, c.first = w.attraction(p)
	for _, rule := range p.Spec.TopologySpreadConstraints {
		if rule.WhenUnsatisfiable == corev1.DoNotSchedule {
			c.constraints = append(c.constraints, w.constraint(p, rule))
		}
	}
	w.classes[key] = c
	return c
}

// ruling are the labels of a pod by which rules of its own could tell it from its
// siblings: all, but those that number a StatefulSet's pods where it has no such rules.
func (w *world) ruling(p *corev1.Pod) map[string]string {
	if p.Spec.Affinity == nil && len(p.Spec.TopologySpreadConstraints) == 0 {
		return nil // what others ask of it is asked of its kind
	}
	return p.Labels
}

func amounts(p *corev1.Pod) []string {
	var all []string
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		for _, name := range slices.Sorted(maps.Keys(c.Resources.Requests)) {
			q := c.Resources.Requests[name]
			all = append(all, string(name)+"="+q.String())
		}
		all = append(all, ";")
	}
	for name, q := range p.Spec.Overhead {
		all = append(all, string(name)+"+"+q.String())
	}
	if p.Spec.Resources != nil {
		for name, q := range p.Spec.Resources.Requests {
			all = append(all, string(name)+"~"+q.String())
		}
	}
	slices.Sort(all)
	return all
}

func portsKey(p *corev1.Pod) []string {
	var all []string
	for _, q := range portsOf(p) {
		all = append(all, q.String())
	}
	return all
}

func (p port) String() string {
	if p.ip == anyIP {
		return fmt.Sprintf("%d/%s", p.number, p.protocol)
	}
	return fmt.Sprintf("%s:%d/%s", p.ip, p.number, p.protocol)
}

const (
	reasonUnschedulable = "node(s) were unschedulable"
	reasonName          = "node(s) didn't match the requested node name"
	reasonAffinity      = "node(s) didn't match Pod's node affinity/selector"
)

// static asks each node, in the order of the scheduler's filters.
func (w *world) static(p *corev1.Pod, fixed string) *static {
	key := identity(p.Spec.NodeSelector, nodeAffinity(p), p.Spec.Tolerations, fixed)
	if known := w.statics[key]; known != nil {
		return known
	}
	s := &static{reasons: make([]string, len(w.nodes))}
	affinity := nodeaffinity.GetRequiredNodeAffinity(p)
	for i, n := range w.nodes {
		s.reasons[i] = w.turnsAway(n.object, p, fixed, affinity)
		if s.reasons[i] == "" {
			s.open = append(s.open, i)
		}
	}
	w.statics[key] = s
	return s
}

func nodeAffinity(p *corev1.Pod) *corev1.NodeSelector {
	if p.Spec.Affinity == nil || p.Spec.Affinity.NodeAffinity == nil {
		return nil
	}
	return p.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
}

func (w *world) turnsAway(n *corev1.Node, p *corev1.Pod, fixed string, affinity nodeaffinity.RequiredNodeAffinity) string {
	cordon := corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}
	if w.leaving[n.Name] || n.Spec.Unschedulable && !schedule.TolerationsTolerateTaint(klog.Background(), p.Spec.Tolerations, &cordon, false) {
		return reasonUnschedulable
	}
	if fixed != "" && fixed != n.Name {
		return reasonName
	}
	if taint, bad := untolerated(n, p); bad {
		return "node(s) had untolerated taint {" + taint.Key + ": " + taint.Value + "}"
	}
	if ok, err := affinity.Match(n); !ok || err != nil {
		return reasonAffinity
	}
	return ""
}

func untolerated(n *corev1.Node, p *corev1.Pod) (corev1.Taint, bool) {
	return schedule.FindMatchingUntoleratedTaint(klog.Background(), n.Spec.Taints, p.Spec.Tolerations, func(t *corev1.Taint) bool {
		return t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute
	}, false)
}

// repulsions are the terms of a pod's required anti-affinity.
func (w *world) repulsions(p *corev1.Pod) []*term {
	a := p.Spec.Affinity
	if a == nil || a.PodAntiAffinity == nil {
		return nil
	}
	var all []*term
	for _, t := range a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
		all = append(all, w.term(w.scope(p, t), t.TopologyKey))
	}
	return all
}

func (w *world) term(s scope, key string) *term {
	id := s.key() + "\x00" + key
	if w.terms[id] == nil {
		t := &term{scope: s, topology: w.topology(key), targets: map[int]int{}, holders: map[int]int{}}
		w.terms[id] = t
		w.ofTerms.add(s.hint(), t)
		w.mention(s.selector)
	}
	return w.terms[id]
}

// attraction is a pod's required affinity.
func (w *world) attraction(p *corev1.Pod) (g *gathering, first bool) {
	a := p.Spec.Affinity
	if a == nil || a.PodAffinity == nil || len(a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution) == 0 {
		return nil, false
	}
	g = &gathering{}
	id := ""
	for _, t := range a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
		s := w.scope(p, t)
		g.scopes = append(g.scopes, s)
		g.topologies = append(g.topologies, w.topology(t.TopologyKey))
		g.counts = append(g.counts, map[int]int{})
		id += s.key() + "\x00" + t.TopologyKey + "\x00\x00"
	}
	if known := w.gathers[id]; known != nil {
		g = known
	} else {
		w.gathers[id] = g
		w.ofGathers.add(g.scopes[0].hint(), g)
		for _, s := range g.scopes {
			w.mention(s.selector)
		}
	}
	covers := g.covers(p.Namespace, p.Labels)
	return g, covers
}

// scope is whom a term of a pod speaks of. Namespaces that a selector names are
// those that carry the labels now.
func (w *world) scope(p *corev1.Pod, t corev1.PodAffinityTerm) scope {
	s := scope{namespaces: map[string]bool{}, selector: selectorOf(t.LabelSelector, t.MatchLabelKeys, t.MismatchLabelKeys, p.Labels)}
	for _, n := range t.Namespaces {
		s.namespaces[n] = true
	}
	if t.NamespaceSelector == nil {
		if len(t.Namespaces) == 0 {
			s.namespaces[p.Namespace] = true
		}
		return s
	}
	selector, err := metav1.LabelSelectorAsSelector(t.NamespaceSelector)
	if err != nil {
		return s
	}
	s.everywhere = selector.Empty()
	for name, set := range w.namespaces {
		if selector.Matches(set) {
			s.namespaces[name] = true
		}
	}
	return s
}

// constraint reads one rule of topology spread with its defaults.
func (w *world) constraint(p *corev1.Pod, rule corev1.TopologySpreadConstraint) constraint {
	s := scope{
		namespaces: map[string]bool{p.Namespace: true},
		selector:   selectorOf(rule.LabelSelector, rule.MatchLabelKeys, nil, p.Labels),
	}
	looks, seen := w.audience(p, rule)
	id := s.key() + "\x00" + rule.TopologyKey + "\x00" + seen
	if w.spreads[id] == nil {
		w.spreads[id] = newSpread(s, w.topology(rule.TopologyKey), looks)
		w.ofSpreads.add(s.hint(), w.spreads[id])
		w.mention(s.selector)
	}
	c := constraint{spread: w.spreads[id], rule: rule, minDomains: 1}
	if rule.MinDomains != nil {
		c.minDomains = int(*rule.MinDomains)
	}
	if s.selector.Matches(labels.Set(p.Labels)) {
		c.self = 1
	}
	return c
}

// audience are the nodes that a constraint looks at: those with the topology keys of
// all the pod's constraints, and by its policies those that the pod selects and tolerates.
func (w *world) audience(p *corev1.Pod, rule corev1.TopologySpreadConstraint) (*audience, string) {
	keys := spreadKeys(p)
	honorAffinity := rule.NodeAffinityPolicy == nil || *rule.NodeAffinityPolicy == corev1.NodeInclusionPolicyHonor
	honorTaints := rule.NodeTaintsPolicy != nil && *rule.NodeTaintsPolicy == corev1.NodeInclusionPolicyHonor
	parts := []any{rule.TopologyKey, keys}
	if honorAffinity {
		parts = append(parts, "affinity", p.Spec.NodeSelector, nodeAffinity(p))
	}
	if honorTaints {
		parts = append(parts, "taints", p.Spec.Tolerations)
	}
	id := identity(parts...)
	if known := w.audiences[id]; known != nil {
		return known, id
	}
	a := &audience{nodes: make([]bool, len(w.nodes)), domains: map[int]bool{}}
	affinity := nodeaffinity.GetRequiredNodeAffinity(p)
	for i, n := range w.nodes {
		a.nodes[i] = hasKeys(n.object, keys) && (!honorAffinity || matches(affinity, n.object)) && (!honorTaints || tolerable(n.object, p))
		if a.nodes[i] {
			a.domains[w.topology(rule.TopologyKey).of[i]] = true
		}
	}
	w.audiences[id] = a
	return a, id
}

func spreadKeys(p *corev1.Pod) []string {
	var keys []string
	for _, r := range p.Spec.TopologySpreadConstraints {
		if r.WhenUnsatisfiable == corev1.DoNotSchedule {
			keys = append(keys, r.TopologyKey)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func hasKeys(n *corev1.Node, keys []string) bool {
	return !slices.ContainsFunc(keys, func(k string) bool { _, ok := n.Labels[k]; return !ok })
}

func matches(a nodeaffinity.RequiredNodeAffinity, n *corev1.Node) bool {
	ok, _ := a.Match(n) // as the scheduler does here
	return ok
}

func tolerable(n *corev1.Node, p *corev1.Pod) bool {
	_, bad := untolerated(n, p)
	return !bad
}

// mention notes the labels that a rule names.
func (w *world) mention(s labels.Selector) {
	requirements, _ := s.Requirements()
	for _, r := range requirements {
		w.keys[r.Key()] = true
	}
}

// describe names a constraint as its author wrote it.
func (c constraint) describe() string {
	return fmt.Sprintf("topologySpreadConstraint %s (maxSkew %d, %s)", c.rule.TopologyKey, c.rule.MaxSkew, strings.TrimSpace(c.selector.String()))
}
