package placement

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// explain says why a copy has no place, and what would give it one.
func (w *world) explain(j *job, a *Answer) {
	if j.disk.never != "" {
		a.Why, a.Fix = fmt.Sprintf("0/%d nodes are available: %s", len(w.nodes), j.disk.never), "see what the claim waits for: kubectl -n "+j.move.Pod.Namespace+" describe pvc"
		return
	}
	all := w.histogram(j)
	a.Why, a.Fix, a.Lasting = sentence(len(w.nodes), all), w.remedy(j, all), lasting(all)
}

// lasting: what turns the copy away on some node is want of room, or other pods,
// and no rule about the node itself: more nodes of the same size would not help.
func lasting(all map[string]int) bool {
	volumes := turned(all, reasonVolumeNode, reasonVolumeZone, reasonVolumeBind, reasonVolumeGone, reasonVolumeUsed, reasonVolumeLimit)
	return turned(all, reasonSpread, reasonApart, reasonRepelled) || turned(all, reasonRoom) && !volumes
}

// turned: one of the reasons turned a node away. Some go on with a name.
func turned(all map[string]int, reasons ...string) bool {
	for why := range all {
		if slices.ContainsFunc(reasons, func(reason string) bool { return strings.HasPrefix(why, reason) }) {
			return true
		}
	}
	return false
}

// remedy is for the last rule that turns nodes away: the nodes that it turned away
// fit by every rule before it.
func (w *world) remedy(j *job, all map[string]int) string {
	has := func(reason string) bool { return turned(all, reason) }
	switch {
	case has(reasonTogether):
		return "the pods that it must run near are elsewhere: make a node that stays join their " + topologies(j.need.gather.topologies) + ", or prefer that affinity instead of requiring it"
	case has(reasonApart):
		return apartFix(j.need.apart)
	case has(reasonRepelled):
		return w.repelledFix(j)
	case has(reasonSpread):
		return w.spreadFix(j)
	case has(reasonVolumeZone), has(reasonVolumeNode):
		return w.volumeFix(j)
	case has(reasonVolumeBind):
		return "add a node in a zone where the volume's StorageClass (allowedTopologies) may make it"
	case has(reasonVolumeUsed):
		return "its ReadWriteOncePod claim lets no second pod start: it must end before its copy comes"
	case has(reasonVolumeGone):
		return "restore the PersistentVolume that the claim is bound to"
	case has(reasonVolumeLimit):
		return "one node more, or larger ones: each attaches only so many volumes"
	case has(reasonRoom), has(reasonTooMany):
		return w.roomFix(j)
	case has(reasonPorts):
		return "one node more: " + portList(j.copy.ports) + " is taken on every node that it may use"
	case has(reasonAffinity):
		return "give nodes that stay the labels it selects: " + selects(j.move.successor())
	case has("node(s) had untolerated taint"):
		return "let it tolerate the taint, or make nodes without: " + strings.Join(tainted(all), ", ")
	case has(reasonName):
		return "its template names node " + j.move.Fixed + ": let the scheduler choose"
	}
	return "open nodes that stay (kubectl uncordon), or add some"
}

func topologies(all []*topology) string {
	var keys []string
	for _, t := range all {
		keys = append(keys, t.key)
	}
	slices.Sort(keys)
	return strings.Join(slices.Compact(keys), ", ")
}

func portList(all []port) string {
	var names []string
	for _, p := range all {
		names = append(names, p.String())
	}
	return "host port " + strings.Join(names, ", ")
}

func tainted(all map[string]int) []string {
	var found []string
	for _, why := range slices.Sorted(maps.Keys(all)) {
		if at := strings.IndexByte(why, '{'); at > 0 {
			found = append(found, why[at:])
		}
	}
	return found
}

func selects(p *corev1.Pod) string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(p.Spec.NodeSelector)) {
		all = append(all, k+"="+p.Spec.NodeSelector[k])
	}
	if a := nodeAffinity(p); a != nil {
		for _, t := range a.NodeSelectorTerms {
			for _, e := range slices.Concat(t.MatchExpressions, t.MatchFields) {
				all = append(all, strings.TrimSpace(e.Key+" "+string(e.Operator)+" "+strings.Join(e.Values, ",")))
			}
		}
	}
	return strings.Join(all, "; ")
}

// apartFix: by host a node more helps; in a larger domain only a looser rule does.
func apartFix(terms []*term) string {
	for _, t := range terms {
		if t.topology.key != corev1.LabelHostname {
			return fmt.Sprintf("its anti-affinity by %s leaves no domain for a second pod: use %s or prefer it, or add nodes in another domain", t.topology.key, corev1.LabelHostname)
		}
	}
	return "one node more: its anti-affinity by " + corev1.LabelHostname + " lets each node have one such pod"
}

// repelledFix names a pod whose anti-affinity keeps the copy off.
func (w *world) repelledFix(j *job) string {
	for _, t := range j.copy.kind.terms {
		for _, n := range w.nodes {
			for _, p := range n.pods {
				if slices.Contains(p.holds, t) && j.need.static.reasons[n.at] == "" {
					return fmt.Sprintf("the anti-affinity of pod %s/%s by %s keeps it off: one node more, or a looser rule there", p.pod.Namespace, p.pod.Name, t.topology.key)
				}
			}
		}
	}
	return "the anti-affinity of other pods keeps it off: one node more"
}

func (w *world) spreadFix(j *job) string {
	for i, c := range j.need.constraints {
		if n := len(c.looks.domains); n < c.minDomains {
			return fmt.Sprintf("%s: minDomains is %d and there are %d: add nodes in another domain, or lower it", c.describe(), c.minDomains, n)
		}
		if w.cures(j, i) {
			return c.describe() + ": nodeTaintsPolicy: Honor, so that closed nodes no longer count"
		}
	}
	for _, c := range j.need.constraints {
		if low := c.lowest(); len(low) > 0 {
			return c.describe() + ": room on nodes in " + strings.Join(low, ", ") + ", which has the fewest, or a larger maxSkew"
		}
	}
	return "give nodes that stay the labels " + strings.Join(spreadKeys(j.move.Pod), ", ")
}

// lowest are the domains with the fewest pods, at most three.
func (c constraint) lowest() []string {
	var names []string
	for d := range c.looks.domains {
		if c.counts[d] == c.least {
			names = append(names, c.topology.values[d])
		}
	}
	slices.Sort(names)
	return names[:min(len(names), 3)]
}

// cures: with nodeTaintsPolicy Honor in that constraint some node would take the copy.
func (w *world) cures(j *job, at int) bool {
	rule := j.need.constraints[at].rule
	if rule.NodeTaintsPolicy != nil && *rule.NodeTaintsPolicy == corev1.NodeInclusionPolicyHonor {
		return false
	}
	honor := corev1.NodeInclusionPolicyHonor
	rule.NodeTaintsPolicy = &honor
	looks, _ := w.audience(j.move.Pod, rule)
	trial := j.need.constraints[at]
	trial.spread = newSpread(trial.scope, trial.topology, looks)
	for _, n := range w.nodes {
		for _, p := range n.pods {
			if !p.ends && trial.covers(p.kind.namespace, p.kind.labels) {
				trial.count(n.at, 1)
			}
		}
	}
	changed := *j.need
	changed.constraints = slices.Clone(j.need.constraints)
	changed.constraints[at] = trial
	again := *j
	again.need = &changed
	return slices.ContainsFunc(changed.static.open, func(n int) bool { return w.fits(&again, w.nodes[n]) })
}

func (w *world) volumeFix(j *job) string {
	var places []string
	for _, c := range j.disk.claims {
		v := w.disks.volumes[c.Spec.VolumeName]
		if v == nil {
			continue
		}
		for l := range zoneLabels {
			if z := v.Labels[l]; z != "" {
				places = append(places, l+"="+z)
			}
		}
		if a := v.Spec.NodeAffinity; a != nil && a.Required != nil {
			for _, t := range a.Required.NodeSelectorTerms {
				for _, e := range t.MatchExpressions {
					places = append(places, e.Key+" "+string(e.Operator)+" "+strings.Join(e.Values, ","))
				}
			}
		}
	}
	slices.Sort(places)
	return "a node, with room, where its volume is: " + strings.Join(slices.Compact(places), "; ")
}

// roomFix says how much the best of the nodes is short of.
func (w *world) roomFix(j *job) string {
	type gap struct {
		text string
		part float64
	}
	var best *gap
	for _, at := range j.need.static.open {
		n := w.nodes[at]
		g := gap{}
		var parts []string
		if len(n.pods)+1 > n.maxPods {
			parts, g.part = append(parts, "1 pod"), 1/float64(max(n.maxPods, 1))
		}
		for _, q := range j.copy.needs {
			if short := q.amount - n.free(q.resource); short > 0 {
				parts = append(parts, w.amount(q.resource, short))
				g.part = max(g.part, float64(short)/float64(q.amount))
			}
		}
		if len(parts) == 0 {
			continue
		}
		slices.Sort(parts)
		g.text = n.object.Name + " lacks " + strings.Join(parts, " and ")
		if best == nil || cmp.Less(g.part, best.part) {
			best = &g
		}
	}
	if best == nil {
		return "more or larger nodes"
	}
	return "more or larger nodes: " + best.text
}

func (w *world) amount(r int, v int64) string {
	name := w.name(r)
	switch name {
	case corev1.ResourceCPU:
		return resource.NewMilliQuantity(v, resource.DecimalSI).String() + " cpu"
	case corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return resource.NewQuantity(v, resource.BinarySI).String() + " " + string(name)
	default:
		return fmt.Sprintf("%d %s", v, name)
	}
}

// preempt looks for the node on which the fewest and least important pods would
// have to end for the copy. Nothing is changed.
func (w *world) preempt(j *job) (victim string, where *node) {
	mine := j.move.Pod
	if mine.Spec.PreemptionPolicy != nil && *mine.Spec.PreemptionPolicy == corev1.PreemptNever || j.disk.never != "" {
		return "", nil
	}
	var chosen []*tenant
	for _, at := range j.need.static.open {
		n := w.nodes[at]
		v := w.victims(j, n)
		if len(v) > 0 && (where == nil || cheaper(v, chosen)) {
			chosen, where = v, n
		}
	}
	if where == nil {
		return "", nil
	}
	return chosen[0].pod.Namespace + "/" + chosen[0].pod.Name, where
}

// cheaper: the most important victim is less important, then there are fewer.
func cheaper(a, b []*tenant) bool {
	return cmp.Or(cmp.Compare(priority(a[0].pod), priority(b[0].pod)), cmp.Compare(len(a), len(b))) < 0
}

// victims are the pods of a node that must end for the copy, the most important
// first: all of lower priority, but those that can be spared.
func (w *world) victims(j *job, n *node) []*tenant {
	var lower []*tenant
	for _, t := range n.pods {
		if priority(t.pod) < priority(j.move.Pod) {
			lower = append(lower, t)
		}
	}
	if len(lower) == 0 {
		return nil
	}
	slices.SortStableFunc(lower, func(a, b *tenant) int { return cmp.Compare(priority(b.pod), priority(a.pod)) })
	mark := len(w.log)
	defer w.undo(mark)
	for _, t := range lower {
		w.remove(t)
	}
	if !w.fits(j, n) {
		return nil
	}
	var must []*tenant
	for _, t := range lower {
		w.put(t, n.at)
		if !w.fits(j, n) {
			w.remove(t)
			must = append(must, t)
		}
	}
	return must
}
