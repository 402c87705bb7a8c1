package cluster

import (
	"regexp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Calico selects by expressions: role == 'db' && (has(tier) || zone in {'a', 'b'}).

// calicoTerms are those of an expression that ask for a label: has(key); key == 'value'
// and !=; key in {'a'} and not in; key contains 'x', starts with and ends with.
var calicoTerms = regexp.MustCompile(`has\(\s*(?P<has>[\w./-]+)\s*\)` +
	`|(?P<equal>[\w./-]+)\s*[!=]=\s*(?P<value>'[^']*'|"[^"]*")` +
	`|(?P<in>[\w./-]+)\s+(?:not\s+)?in\s*\{(?P<values>[^}]*)\}` +
	`|(?P<like>[\w./-]+)\s+(?:contains|starts\s+with|ends\s+with)\b`)

// calicoSelectors are the pods that a policy is for, and those that its rules name as
// peers, of whatever namespace.
func calicoSelectors(object string, u *custom) []*selector {
	all := calicoSelector(object, u, u.GetNamespace(), text(u, "spec", "selector"))
	for _, direction := range []string{"ingress", "egress"} {
		for _, rule := range list(u, "spec", direction) {
			for _, end := range []string{"source", "destination"} {
				all = append(all, calicoSelector(object, u, "", text(rule, end, "selector"))...)
				all = append(all, calicoSelector(object, u, "", text(rule, end, "notSelector"))...)
			}
		}
	}
	return all
}

// calicoSelector has one selector for each term, whatever joins them: a pod that loses a
// label is treated differently only if some term has another answer then, be it yes or
// no. It has if the pod carries what the term asks for.
func calicoSelector(object string, u *custom, namespace, expression string) []*selector {
	var all []*selector
	for _, found := range calicoTerms.FindAllStringSubmatch(expression, -1) {
		term := func(name string) string { return found[calicoTerms.SubexpIndex(name)] }
		asks := metav1.LabelSelectorRequirement{Operator: metav1.LabelSelectorOpExists}
		for _, kind := range []string{"has", "equal", "in", "like"} {
			asks.Key += term(kind) // one of them is not empty
		}
		if values := unquoted(term("value") + term("values")); len(values) > 0 {
			asks.Operator, asks.Values = metav1.LabelSelectorOpIn, values
		}
		all = append(all, byLabels(object, u.GetName(), namespace, &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{asks}})...)
	}
	return all
}

func unquoted(values string) []string {
	var all []string
	for value := range strings.SplitSeq(values, ",") {
		if value = strings.TrimSpace(value); len(value) > 1 {
			all = append(all, value[1:len(value)-1])
		}
	}
	return all
}
