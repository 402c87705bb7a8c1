package placement_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/droverhq/drover/internal/kube/placement"
)

// TestOneCopyAsCountedByHand compares the counts that are kept as pods come and go
// with counts made anew for each node.
func TestOneCopyAsCountedByHand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zones := []string{"a", "b", "c"}
		o := placement.Objects{Nodes: nodes{node("old", rapid.SampledFrom(zones).Draw(t, "zone of old"))}}
		for i := range rapid.IntRange(1, 4).Draw(t, "nodes") {
			o.Nodes = append(o.Nodes, node(fmt.Sprint("n", i), rapid.SampledFrom(zones).Draw(t, "zone"), allocatable("pods", fmt.Sprint(rapid.IntRange(0, 4).Draw(t, "room")))))
		}
		rules := map[string]func(*corev1.Pod){"": func(*corev1.Pod) {}}
		for _, key := range []string{corev1.LabelHostname, corev1.LabelTopologyZone} {
			for _, app := range []string{"web", "db"} {
				rules["apart "+key+app] = apartBy(key, app)
				rules["near "+key+app] = nearBy(key, app)
				rules["spread "+key+app] = spreadBy(key, app)
			}
		}
		names := rapid.SampledFrom([]string{"web", "db"})
		rule := rapid.Custom(func(t *rapid.T) func(*corev1.Pod) {
			return rules[rapid.SampledFrom(slices.Sorted(maps.Keys(rules))).Draw(t, "rule")]
		})
		o.Pods = pods{pod(names.Draw(t, "app")+"-0", "old", rule.Draw(t, "rules"), rule.Draw(t, "rules"))}
		for i := range rapid.IntRange(0, 5).Draw(t, "pods") {
			on := rapid.SampledFrom(o.Nodes).Draw(t, "on").Name
			o.Pods = append(o.Pods, pod(fmt.Sprint(names.Draw(t, "app"), "-", i+1), on, rule.Draw(t, "rules")))
		}
		a := placement.Place(o, []string{"old"}, []placement.Move{{Pod: o.Pods[0]}})[0]
		var takes []string
		for _, n := range o.Nodes[1:] {
			if byHand(o, o.Pods[0], n) {
				takes = append(takes, n.Name)
			}
		}
		ok := len(takes) == 0 && a.Node == ""
		for _, n := range takes {
			ok = ok || n == a.Node
		}
		if !ok {
			t.Fatalf("placed on %q (%s), by hand %v", a.Node, a.Why, takes)
		}
	})
}

func byHand(o placement.Objects, p *corev1.Pod, n *corev1.Node) bool {
	on := map[string]*corev1.Node{}
	for _, m := range o.Nodes {
		on[m.Name] = m
	}
	match := func(s map[string]string, q *corev1.Pod) bool { return s["app"] == q.Labels["app"] }
	count := func(s map[string]string, key, value string) (c int) {
		for _, q := range o.Pods {
			if match(s, q) && on[q.Spec.NodeName].Labels[key] == value {
				c++
			}
		}
		return c
	}
	here := 0
	for _, q := range o.Pods {
		if q.Spec.NodeName == n.Name {
			here++
		}
		if q.Spec.Affinity == nil || q.Spec.Affinity.PodAntiAffinity == nil {
			continue
		}
		for _, t := range q.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			if match(t.LabelSelector.MatchLabels, p) && on[q.Spec.NodeName].Labels[t.TopologyKey] == n.Labels[t.TopologyKey] {
				return false
			}
		}
	}
	if q := n.Status.Allocatable[corev1.ResourcePods]; int64(here) >= q.Value() {
		return false
	}
	if a := p.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		for _, t := range a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			if count(t.LabelSelector.MatchLabels, t.TopologyKey, n.Labels[t.TopologyKey]) > 0 {
				return false
			}
		}
	}
	if a := p.Spec.Affinity; a != nil && a.PodAffinity != nil {
		for _, t := range a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			if count(t.LabelSelector.MatchLabels, t.TopologyKey, n.Labels[t.TopologyKey]) == 0 {
				return false // a pod that matches itself is there
			}
		}
	}
	for _, c := range p.Spec.TopologySpreadConstraints {
		least, self := len(o.Pods), 0
		for _, m := range o.Nodes {
			least = min(least, count(c.LabelSelector.MatchLabels, c.TopologyKey, m.Labels[c.TopologyKey]))
		}
		if match(c.LabelSelector.MatchLabels, p) {
			self = 1
		}
		if count(c.LabelSelector.MatchLabels, c.TopologyKey, n.Labels[c.TopologyKey])+self-least > int(c.MaxSkew) {
			return false
		}
	}
	return true
}

func BenchmarkPlace(b *testing.B) {
	for _, size := range []int{1000, 5000} {
		b.Run(fmt.Sprint(size, " nodes"), func(b *testing.B) {
			var o placement.Objects
			var leaving []string
			for i := range size {
				o.Nodes = append(o.Nodes, node(fmt.Sprint("n", i), string(rune('a'+i%3))))
				if i < size/2 {
					leaving = append(leaving, o.Nodes[i].Name)
				}
			}
			for i := range size * 10 {
				name := fmt.Sprintf("app%d-%d", i/10, i)
				p := pod(name, o.Nodes[i%(size/2)].Name, asks("cpu", "100m"))
				if i/10%5 == 0 {
					apartBy(corev1.LabelHostname, fmt.Sprint("app", i/10))(p)
					claims(name)(p)
					o.Claims = append(o.Claims, claim(name, name))
					o.Volumes = append(o.Volumes, volume(name, nil))
				}
				o.Pods = append(o.Pods, p)
			}
			var moves []placement.Move
			for _, p := range o.Pods {
				moves = append(moves, placement.Move{Pod: p})
			}
			for b.Loop() {
				for _, a := range placement.Place(o, leaving, moves) {
					if a.Node == "" {
						b.Fatal(a.Why)
					}
				}
			}
		})
	}
}
