package handover

import (
	"github.com/droverhq/drover/event"
)

// changes are the facts between two observations. What is reported is what was
// seen, whoever did it; so nothing is reported twice after a crash, or because
// an action was asked for twice.
func changes(before, now Observed, s State) []event.Fact {
	if before.At.IsZero() {
		return nil // the first look only sets the scene
	}
	old := map[string]bool{}
	for _, n := range append(members(before, s), members(now, s)...) {
		old[n.Name] = true
	}
	facts := nodeChanges(before.Cluster, now.Cluster, old)
	facts = append(facts, podChanges(before.Cluster, now.Cluster, old)...)
	return append(facts, targetChanges(before.Balancers, now.Balancers)...)
}

func nodeChanges(before, now Snapshot, old map[string]bool) []event.Fact {
	var facts []event.Fact
	say := func(n Node, change event.NodeChange) {
		facts = append(facts, event.NodeChanged{Node: n.Name, Change: change})
	}
	for _, n := range now.Nodes {
		was, known := before.node(n.Name)
		if !known || !old[n.Name] {
			continue
		}
		switch {
		case n.Cordoned && !was.Cordoned:
			say(n, event.NodeCordoned)
		case !n.Cordoned && was.Cordoned:
			say(n, event.NodeUncordoned)
		}
		switch {
		case n.excluded() && !was.excluded():
			say(n, event.NodeExcluded)
		case !n.excluded() && was.excluded():
			say(n, event.NodeIncluded)
		}
	}
	for _, n := range before.Nodes {
		if _, there := now.node(n.Name); !there && old[n.Name] {
			say(n, event.NodeRemoved)
		}
	}
	return facts
}

func podChanges(before, now Snapshot, old map[string]bool) []event.Fact {
	was, moving := map[string]Pod{}, map[string]bool{}
	for _, p := range before.Pods {
		was[p.UID] = p
		if old[p.Node] && !p.stays() {
			moving[p.owner()] = true
		}
	}
	var facts []event.Fact
	say := func(p Pod, change event.PodChange, detail string) {
		facts = append(facts, event.PodMoved{Namespace: p.Namespace, Pod: p.Name, Node: p.Node, Change: change, Detail: detail})
	}
	there := map[string]bool{}
	for _, p := range now.Pods {
		there[p.UID] = !p.Finished
		b, known := was[p.UID]
		switch {
		case p.Daemon || p.Mirror:
		case old[p.Node] && known:
			for _, change := range endings(b, p) {
				say(p, change, "")
			}
		case !old[p.Node] && p.Serving && !b.Serving && p.Workload != "" && moving[p.Workload]:
			say(p, event.PodReplaced, "serves in place of a pod of "+p.Workload)
		}
	}
	for _, p := range before.Pods {
		if old[p.Node] && !p.stays() && !there[p.UID] {
			say(p, event.PodGone, "")
		}
	}
	return facts
}

// endings are the stations that a pod on an old node has passed since.
func endings(before, now Pod) []event.PodChange {
	was, _ := before.release()
	is, _ := now.release()
	var passed []event.PodChange
	add := func(is bool, change event.PodChange) {
		if is {
			passed = append(passed, change)
		}
	}
	add(before.Released == "" && now.Released != "", event.PodReleased)
	add(is.Out && !was.Out, event.PodOut)
	add(is.Back && !was.Back, event.PodGivenBack)
	ends := now.Deleting && !before.Deleting
	add(ends && now.Evicted, event.PodEvicted)
	add(ends && !now.Evicted, event.PodEnding) // by its controller: a rollout, a scale-down
	return passed
}

func targetChanges(before, now []Balancer) []event.Fact {
	was := map[[2]string]TargetState{}
	for _, b := range before {
		for _, g := range b.Targets {
			was[[2]string{b.Name, g.Instance}] = g.State
		}
	}
	var facts []event.Fact
	for _, b := range now {
		for _, g := range b.Targets {
			key := [2]string{b.Name, g.Instance}
			if was[key] != g.State {
				facts = append(facts, event.TargetChanged{Balancer: b.Name, Instance: g.Instance, State: event.TargetState(g.State)})
			}
			delete(was, key)
		}
	}
	for _, b := range before {
		for _, g := range b.Targets {
			if _, left := was[[2]string{b.Name, g.Instance}]; left {
				facts = append(facts, event.TargetChanged{Balancer: b.Name, Instance: g.Instance, State: event.TargetOut})
			}
		}
	}
	return facts
}
