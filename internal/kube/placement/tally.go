package placement

import (
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// scope is whom a rule speaks of: pods of some namespaces with some labels.
type scope struct {
	everywhere bool
	namespaces map[string]bool
	selector   labels.Selector
}

func (s scope) covers(namespace string, set labels.Set) bool {
	return (s.everywhere || s.namespaces[namespace]) && s.selector.Matches(set)
}

func (s scope) key() string {
	if s.everywhere {
		return "*\x00" + s.selector.String()
	}
	return strings.Join(slices.Sorted(maps.Keys(s.namespaces)), ",") + "\x00" + s.selector.String()
}

// hint is a label that every covered pod carries, empty if there is no such label.
func (s scope) hint() string {
	requirements, _ := s.selector.Requirements()
	for _, r := range requirements {
		if (r.Operator() == selection.Equals || r.Operator() == selection.DoubleEquals || r.Operator() == selection.In) && r.Values().Len() == 1 {
			return r.Key() + "\x00" + r.Values().UnsortedList()[0]
		}
	}
	return ""
}

// topology numbers the values of one label of nodes.
type topology struct {
	key    string
	of     []int // by node; -1: it has no such label
	values []string
}

func newTopology(key string, nodes []*node) *topology {
	t := &topology{key: key, of: make([]int, len(nodes))}
	seen := map[string]int{}
	for i, n := range nodes {
		v, ok := n.object.Labels[key]
		if !ok {
			t.of[i] = -1
			continue
		}
		at, known := seen[v]
		if !known {
			at = len(t.values)
			seen[v] = at
			t.values = append(t.values, v)
		}
		t.of[i] = at
	}
	return t
}

// term is one rule of inter-pod (anti-)affinity. It counts by domain the pods that
// it speaks of, and the pods that carry it as required anti-affinity.
type term struct {
	scope
	topology *topology
	targets  map[int]int
	holders  map[int]int
}

func (t *term) target(node, by int) { bump(t.targets, t.topology.of[node], by) }
func (t *term) hold(node, by int)   { bump(t.holders, t.topology.of[node], by) }

func bump(counts map[int]int, domain, by int) {
	if domain < 0 {
		return
	}
	if counts[domain] += by; counts[domain] == 0 {
		delete(counts, domain)
	}
}

// gathering is all required affinity of a pod together: a pod counts, in the domain
// of each term, if every term speaks of it.
type gathering struct {
	scopes     []scope
	topologies []*topology
	counts     []map[int]int // by term
}

func (g *gathering) covers(namespace string, set labels.Set) bool {
	return !slices.ContainsFunc(g.scopes, func(s scope) bool { return !s.covers(namespace, set) })
}

func (g *gathering) count(node, by int) {
	for i, t := range g.topologies {
		bump(g.counts[i], t.of[node], by)
	}
}

// none: no pod counts anywhere.
func (g *gathering) none() bool {
	return !slices.ContainsFunc(g.counts, func(c map[int]int) bool { return len(c) > 0 })
}

// spread is one constraint of topology spread on the nodes that it looks at. It
// keeps how many domains have how many pods, so that the smallest is at hand.
type spread struct {
	scope
	topology *topology
	looks    *audience
	counts   map[int]int
	having   map[int]int // pods in a domain -> domains
	least    int
}

// audience are the nodes that a constraint looks at.
type audience struct {
	nodes   []bool
	domains map[int]bool
}

func newSpread(s scope, t *topology, a *audience) *spread {
	return &spread{scope: s, topology: t, looks: a, counts: map[int]int{}, having: map[int]int{0: len(a.domains)}}
}

func (s *spread) count(node, by int) {
	if !s.looks.nodes[node] || s.selector.Empty() { // the scheduler counts nobody by an empty selector
		return
	}
	d := s.topology.of[node]
	before := s.counts[d]
	after := before + by
	bump(s.counts, d, by)
	if s.having[before]--; s.having[before] == 0 {
		delete(s.having, before)
	}
	s.having[after]++
	if after < s.least {
		s.least = after
	}
	for len(s.having) > 0 && s.having[s.least] == 0 {
		s.least++
	}
}

// minimum is what the scheduler compares with: 0 while there are fewer domains
// than the constraint wants.
func (s *spread) minimum(minDomains int) int {
	if len(s.looks.domains) < minDomains || len(s.looks.domains) == 0 {
		return 0
	}
	return s.least
}

// kind is what rules see of a pod that is there: its namespace and those of its
// labels that any rule names. Pods of one kind count the same everywhere.
type kind struct {
	namespace string
	labels    labels.Set
	terms     []*term
	gathers   []*gathering
	spreads   []*spread
}

func (k *kind) count(node, by int, ends bool) {
	for _, t := range k.terms {
		t.target(node, by)
	}
	for _, g := range k.gathers {
		g.count(node, by)
	}
	if ends {
		return // a pod that ends is no longer spread
	}
	for _, s := range k.spreads {
		s.count(node, by)
	}
}

// catalog finds the rules that speak of a pod by a label that each of them asks for.
type catalog[T any] struct {
	by   map[string][]T
	rest []T
}

func (c *catalog[T]) add(hint string, rule T) {
	if hint == "" {
		c.rest = append(c.rest, rule)
		return
	}
	if c.by == nil {
		c.by = map[string][]T{}
	}
	c.by[hint] = append(c.by[hint], rule)
}

// candidates are the rules that may speak of a pod with the labels.
func (c *catalog[T]) candidates(set labels.Set) []T {
	found := slices.Clone(c.rest)
	for k, v := range set {
		found = append(found, c.by[k+"\x00"+v]...)
	}
	return found
}

// selectorOf reads a selector and adds what matchLabelKeys take from the pod's own labels.
func selectorOf(s *metav1.LabelSelector, same, differ []string, own map[string]string) labels.Selector {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return labels.Nothing() // the API server takes no such pod
	}
	if s == nil {
		return selector
	}
	for _, k := range same {
		selector = demand(selector, k, selection.In, own)
	}
	for _, k := range differ {
		selector = demand(selector, k, selection.NotIn, own)
	}
	return selector
}

func demand(s labels.Selector, key string, op selection.Operator, own map[string]string) labels.Selector {
	value, ok := own[key]
	if !ok {
		return s
	}
	r, err := labels.NewRequirement(key, op, []string{value})
	if err != nil {
		return s
	}
	return s.Add(*r)
}
