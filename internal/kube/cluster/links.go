package cluster

import (
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
)

// set is a set of keys.
type set map[string]bool

// links is a relation, read from one side: which pods run on a node.
type links map[string]set

func (l links) put(from, to string) {
	if from == "" {
		return
	}
	if l[from] == nil {
		l[from] = set{}
	}
	l[from][to] = true
}

func (l links) drop(from, to string) {
	delete(l[from], to)
	if len(l[from]) == 0 {
		delete(l, from)
	}
}

// of are the keys that belong to one, in order.
func (l links) of(from string) []string { return slices.Sorted(maps.Keys(l[from])) }

// pair is a label and its value; empty: every object.
type pair struct{ key, value string }

// selector is one way in which an object selects pods.
type selector struct {
	object    string // kind and name, as people read it: NetworkPolicy apps/web
	name      string // of the object alone
	namespace string // of the pods; empty: any
	match     labels.Selector

	// atMost matches at least what match would, whatever labels a pod lost: a
	// requirement that a label be absent, or not have a value, is left out.
	atMost labels.Selector
	// pairs: whatever match selects carries one of them. None: it cannot be told.
	pairs []pair
}

// byMap makes a selector as Services have it: nothing written selects nothing.
func byMap(object, name, namespace string, equal map[string]string) []*selector {
	if len(equal) == 0 {
		return nil
	}
	return []*selector{newSelector(object, name, namespace, labels.SelectorFromSet(equal))}
}

// byLabels makes a selector as budgets and policies have it: nothing written
// selects everything, and no selector at all selects nothing.
func byLabels(object, name, namespace string, s *metav1.LabelSelector) []*selector {
	match, err := metav1.LabelSelectorAsSelector(s)
	if s == nil || err != nil {
		return nil
	}
	return []*selector{newSelector(object, name, namespace, match)}
}

func newSelector(object, name, namespace string, match labels.Selector) *selector {
	s := &selector{object: object, name: name, namespace: namespace, match: match, atMost: labels.Everything()}
	requirements, _ := match.Requirements()
	for _, r := range requirements {
		switch r.Operator() {
		case selection.NotIn, selection.NotEquals, selection.DoesNotExist:
			continue
		case selection.In, selection.Equals, selection.DoubleEquals:
			if values := r.ValuesUnsorted(); s.pairs == nil || len(values) <= len(s.pairs) {
				s.pairs = s.pairs[:0:0]
				for _, v := range values {
					s.pairs = append(s.pairs, pair{r.Key(), v})
				}
			}
		default: // the label exists, or is a number
		}
		s.atMost = s.atMost.Add(r)
	}
	return s
}

// keys are the labels that it selects by.
func (s *selector) keys() []string {
	requirements, _ := s.match.Requirements()
	var found []string
	for _, r := range requirements {
		if !slices.Contains(found, r.Key()) {
			found = append(found, r.Key())
		}
	}
	return found
}

// only: it selects this very pod, as long as nobody changes labels: it asks for its
// name, or its place among those like it.
func (s *selector) only(p *corev1.Pod) bool {
	requirements, _ := s.match.Requirements()
	return slices.ContainsFunc(requirements, func(r labels.Requirement) bool {
		is := r.Operator() == selection.Equals || r.Operator() == selection.DoubleEquals || r.Operator() == selection.In && r.Values().Len() == 1
		return is && (r.Values().Has(p.Name) || r.Key() == appsv1.PodIndexLabel)
	})
}

// finder finds the selectors that select a pod, by its labels.
type finder struct {
	of    map[string][]*selector // by the key of the object that has them
	under map[bucket]map[*selector]bool
}

type bucket struct {
	namespace string
	pair
}

func newFinder() *finder {
	return &finder{of: map[string][]*selector{}, under: map[bucket]map[*selector]bool{}}
}

// put replaces the selectors of an object.
func (f *finder) put(object string, selectors []*selector) {
	for _, s := range f.of[object] {
		for _, b := range s.buckets() {
			delete(f.under[b], s)
			if len(f.under[b]) == 0 {
				delete(f.under, b)
			}
		}
	}
	delete(f.of, object)
	if len(selectors) == 0 {
		return
	}
	f.of[object] = selectors
	for _, s := range selectors {
		for _, b := range s.buckets() {
			if f.under[b] == nil {
				f.under[b] = map[*selector]bool{}
			}
			f.under[b][s] = true
		}
	}
}

func (s *selector) buckets() []bucket {
	if len(s.pairs) == 0 {
		return []bucket{{namespace: s.namespace}}
	}
	all := make([]bucket, len(s.pairs))
	for i, p := range s.pairs {
		all[i] = bucket{s.namespace, p}
	}
	return all
}

// near are the selectors that match pods with such labels, or would if some of
// them were gone; in the order of their names.
func (f *finder) near(namespace string, l map[string]string) []*selector {
	var found []*selector
	look := func(b bucket) {
		for s := range f.under[b] {
			if s.atMost.Matches(labels.Set(l)) {
				found = append(found, s)
			}
		}
	}
	for _, ns := range []string{namespace, ""} {
		look(bucket{namespace: ns})
		for k, v := range l {
			look(bucket{ns, pair{k, v}})
		}
	}
	slices.SortFunc(found, compare)
	return found
}

// pods finds pods by their labels.
type pods struct {
	labelled map[pair]map[string]map[types.UID]bool // by namespace
	in       map[string]map[types.UID]bool          // by namespace
	labels   map[types.UID]map[string]string
}

func newPods() *pods {
	return &pods{labelled: map[pair]map[string]map[types.UID]bool{}, in: map[string]map[types.UID]bool{}, labels: map[types.UID]map[string]string{}}
}

func (p *pods) put(namespace string, uid types.UID, l map[string]string) {
	p.labels[uid] = l
	add(p.in, namespace, uid)
	for k, v := range l {
		at := pair{k, v}
		if p.labelled[at] == nil {
			p.labelled[at] = map[string]map[types.UID]bool{}
		}
		add(p.labelled[at], namespace, uid)
	}
}

func (p *pods) drop(namespace string, uid types.UID) {
	remove(p.in, namespace, uid)
	for k, v := range p.labels[uid] {
		at := pair{k, v}
		remove(p.labelled[at], namespace, uid)
		if len(p.labelled[at]) == 0 {
			delete(p.labelled, at)
		}
	}
	delete(p.labels, uid)
}

func add(m map[string]map[types.UID]bool, key string, uid types.UID) {
	if m[key] == nil {
		m[key] = map[types.UID]bool{}
	}
	m[key][uid] = true
}

func remove(m map[string]map[types.UID]bool, key string, uid types.UID) {
	delete(m[key], uid)
	if len(m[key]) == 0 {
		delete(m, key)
	}
}

// near calls f for each pod that the selector matches, or would if the pod lost
// labels.
func (p *pods) near(s *selector, f func(types.UID)) {
	try := func(in map[string]map[types.UID]bool) {
		check := func(uids map[types.UID]bool) {
			for uid := range uids {
				if s.atMost.Matches(labels.Set(p.labels[uid])) {
					f(uid)
				}
			}
		}
		if s.namespace != "" {
			check(in[s.namespace])
			return
		}
		for _, uids := range in {
			check(uids)
		}
	}
	if len(s.pairs) == 0 {
		try(p.in)
		return
	}
	for _, at := range s.pairs {
		try(p.labelled[at])
	}
}
