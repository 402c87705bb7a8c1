package handover

import (
	"maps"

	"github.com/droverhq/drover/event"
)

// What is reported is what was seen, whoever did it; so nothing is reported
// twice after a crash, or because an action was asked for twice.

func (m *Move) emit(f event.Fact) { m.facts = append(m.facts, f) }

// Facts are what was seen since it was last asked.
func (m *Move) Facts() []event.Fact {
	told := m.facts
	m.facts = nil
	return told
}

// tell reports what happened to the nodes that leave and to their pods. The
// first look only sets the scene.
func (m *Move) tell(c Changes) {
	if !m.begun {
		return
	}
	for _, n := range c.NodeLog {
		m.tellNode(n.Before, n.Now)
	}
	for _, p := range c.PodLog {
		m.tellPod(p.Before, p.Now)
	}
}

func (m *Move) tellNode(was, is *Node) {
	if was == nil || !m.leaves(was.Name) {
		return
	}
	say := func(change event.NodeChange) { m.emit(event.NodeChanged{Node: was.Name, Change: change}) }
	switch {
	case is == nil:
		say(event.NodeRemoved)
		return
	case is.Cordoned && !was.Cordoned:
		say(event.NodeCordoned)
	case !is.Cordoned && was.Cordoned:
		say(event.NodeUncordoned)
	}
	switch {
	case is.excluded() && !was.excluded():
		say(event.NodeExcluded)
	case !is.excluded() && was.excluded():
		say(event.NodeIncluded)
	}
}

func (m *Move) tellPod(was, is *Pod) {
	say := func(p *Pod, change event.PodChange, detail string) {
		m.emit(event.PodMoved{Namespace: p.Namespace, Pod: p.Name, Node: p.Node, Change: change, Detail: detail})
	}
	switch {
	case was != nil && is == nil:
		if m.leaves(was.Node) && !was.stays() {
			say(was, event.PodGone, "")
		}
	case is == nil || is.stays() && is.Released == "" || is.Sentinel:
	case m.leaves(is.Node) && was != nil:
		for _, change := range stations(was, is) {
			say(is, change, "")
		}
	case !m.leaves(is.Node) && is.serving() && (was == nil || !was.serving()) && m.Record.Workloads[is.Workload] != nil:
		say(is, event.PodReplaced, "serves in place of a pod of "+is.Workload)
	}
}

// serving: Ready, and listed wherever it is selected.
func (p *Pod) serving() bool {
	for _, x := range p.Paths {
		if x.Selected && !x.Ready {
			return false
		}
	}
	return p.Ready && !p.Deleting
}

// stations are those that a pod on a node that leaves has passed since.
func stations(was, is *Pod) []event.PodChange {
	before, _ := was.release()
	now, _ := is.release()
	var passed []event.PodChange
	add := func(yes bool, change event.PodChange) {
		if yes {
			passed = append(passed, change)
		}
	}
	add(was.Released == "" && is.Released != "" && !now.Out, event.PodReleased)
	add(now.Out && !before.Out, event.PodOut)
	add(now.Back && !before.Back, event.PodGivenBack)
	ends := is.Deleting && !was.Deleting
	add(ends && is.Evicted, event.PodEvicted)
	add(ends && !is.Evicted, event.PodEnding)
	return passed
}

// leftAlike: target groups have let go of it since the same time. That cannot be
// seen again: they list it no more.
func leftAlike(a, b PodRecord) bool { return maps.Equal(a.Left, b.Left) }

// tellWorkload reports a workload's new state.
func (m *Move) tellWorkload(key string, was, is WorkloadRecord) {
	if was.State != is.State {
		m.version++
		m.emit(event.WorkloadChanged{Workload: key, From: was.State, To: is.State, Why: is.Why})
	}
	if was.Wants != is.Wants || !maps.Equal(was.Floors, is.Floors) || !maps.Equal(was.Denied, is.Denied) ||
		!maps.EqualFunc(was.Released, is.Released, leftAlike) {
		m.version++
	}
}

// tellTargets reports what changed in the load balancers since they were last asked.
func (m *Move) tellTargets(now []Balancer) {
	if !m.begun {
		return
	}
	was := map[[2]string]TargetState{}
	for instance, in := range m.targets {
		for lb, t := range in {
			was[[2]string{lb, instance}] = t.State
		}
	}
	for _, b := range now {
		for _, t := range b.Targets {
			key := [2]string{b.Name, t.id()}
			if was[key] != t.State {
				m.emit(event.TargetChanged{Balancer: b.Name, Instance: t.id(), State: t.State})
			}
			delete(was, key)
		}
	}
	for key := range was {
		m.emit(event.TargetChanged{Balancer: key[0], Instance: key[1], State: event.TargetOut})
	}
}
