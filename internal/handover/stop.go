package handover

import (
	"encoding/json"
	"maps"
	"slices"
)

// putBack undoes what the hand-over changed: the nodes take pods and traffic
// again, the group acts on its own again, and no pod stays released. What was
// moved stays moved. Nothing here ends a pod that serves and is needed.
func (t *turn) putBack() {
	clean := t.closeGaps()
	for _, n := range t.old {
		if n.Before != "" {
			clean = false
			t.act(reopen(n))
		}
	}
	if h, ok := t.o.From.hold(); ok {
		clean = false
		t.act(Resume(h))
	}
	switch {
	case !clean:
		delete(t.s.Marks, "clean")
	case t.stuck("clean", "", sureAfter):
		t.to(Stopped)
	}
}

// reopen gives a node back what it had before.
func reopen(n Node) ChangeNode {
	var b before
	if json.Unmarshal([]byte(n.Before), &b) != nil {
		b = before{} // somebody else wrote it; an open node is the safe reading
	}
	return ChangeNode{Node: n.Name, What: "put back", Patch: Patch{
		Labels:        map[string]*string{excludeLabel: b.Exclude},
		Annotations:   map[string]*string{BeforeAnnotation: nil},
		Unschedulable: &b.Unschedulable,
	}}
}

// closeGaps ends the released state of every pod of this hand-over. One whose
// replacement serves goes the rest of its way, which loses nothing. After
// backLimit any other returns to its ReplicaSet, which then has a pod too many
// and removes the replacement that does not serve: it ranks pods that are not
// Ready first, and after that by deletion cost, which the pod gets for that
// time. Not sooner, because a replacement that becomes Ready just then would be
// ended while proxies send to it. It is true once none is left.
func (t *turn) closeGaps() bool {
	clean := true
	for _, key := range slices.Sorted(maps.Keys(t.all)) {
		h := t.herd(key)
		surplus, took := h.surplus(), t.o.At.Sub(t.s.Since)
		for _, p := range t.all[key] {
			r, released := p.release()
			if !released || r.Group != t.s.Group || p.Deleting {
				continue
			}
			clean = false
			_, _, local := t.lastOnNode(p)
			switch {
			case r.Back:
				t.forget(h, p, r, took >= 2*backLimit)
			case took >= backLimit, local, r.Out && surplus < 0:
				t.giveBack(p, r)
			case r.Out:
				t.finish(p)
			case surplus > 0:
				surplus--
				t.takeOut(p)
			default:
				t.wait("%s: pod %s serves until its replacement does", key, p.Name)
			}
		}
	}
	return clean
}

// giveBack returns a pod to its ReplicaSet and Services.
func (t *turn) giveBack(p Pod, r Release) {
	labels := map[string]*string{}
	for key, value := range r.Labels {
		labels[key] = ptr(value)
	}
	r.Back, r.Out = true, false
	t.act(ChangePod{Pod: p.Ref, What: "give back", Patch: Patch{
		Labels: labels,
		Annotations: map[string]*string{
			ReleasedAnnotation: ptr(encode(r)),
			CostAnnotation:     ptr(highestCost),
		},
	}})
}

// forget removes the last trace from a pod once its ReplicaSet has taken it
// back and has no pod too many.
func (t *turn) forget(h herd, p Pod, r Release, late bool) {
	if !late && (p.Workload != r.Workload || len(h.owned) > h.w.Replicas) {
		t.wait("pod %s: its ReplicaSet takes it back", p.Ref)
		return
	}
	t.act(ChangePod{Pod: p.Ref, What: "forget", Patch: Patch{
		Annotations: map[string]*string{ReleasedAnnotation: nil, CostAnnotation: r.Cost},
	}})
}
