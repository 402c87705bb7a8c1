package handover

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/droverhq/drover/problem"
)

// shift moves pods surge-first: the new one serves before the old one is told
// to go, and neither replicas nor template of the workload are touched.
//
//	in its ReplicaSet ─release▶ beside it ─take out▶ out of its Services ─settle, evict▶ gone
//
// Released, a pod keeps serving while its ReplicaSet makes another in its
// place, which the cordon keeps off the old nodes. It is taken out of its
// Services only when as many others serve as the workload wants, and evicted
// only when every proxy has let go of it.
func (t *turn) shift() {
	t.remember()
	if !t.close() {
		return
	}
	pods := t.surgeable()
	if len(pods) == 0 {
		t.to(ReleaseNodes)
		return
	}
	room := surging - count(pods, func(p Pod) bool { _, released := p.release(); return released && !p.Deleting })
	for _, key := range owners(pods) {
		if t.s.Phase != Shift {
			return // stopped
		}
		t.move(t.herd(key), &room)
	}
	if t.s.Phase == Shift && t.stuck("shift", t.progress(pods), patience) && !ending(pods, t.o.At) {
		t.stop(Reason{
			Kind: problem.Outside, Op: "move the pods of " + t.s.Group,
			Why: fmt.Sprintf("nothing has moved for %s, %d pods are left: %s", patience, len(pods), list(t.waits())),
			Fix: "cure what it waits for, then run the same command again",
		})
	}
}

// surgeable are the pods on old nodes that can be replaced before they go.
func (t *turn) surgeable() []Pod {
	var pods []Pod
	for _, p := range t.pods {
		if _, released := p.release(); released || p.surgeable() {
			pods = append(pods, p)
		}
	}
	return pods
}

// surgeable: there is a way to let it leave its ReplicaSet and keep serving.
func (p Pod) surgeable() bool { return p.Workload != "" && p.Handle != "" }

// owner is the workload that a pod belongs, or belonged, to.
func (p Pod) owner() string {
	if r, ok := p.release(); ok {
		return r.Workload
	}
	return p.Workload
}

func owners(pods []Pod) []string {
	var keys []string
	for _, p := range pods {
		keys = append(keys, p.owner())
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// herd is one workload's pods, sorted out.
type herd struct {
	w        Workload // zero: it was deleted; it wants no pods
	key      string
	fresh    []Pod // on old nodes, nothing done yet
	released []Pod // beside their ReplicaSet, still in their Services
	out      []Pod // taken out of their Services
	owned    []Pod // all that are in the workload, wherever they run, and not ending
	serving  int   // that serve, in the workload or released, wherever they run
}

func (t *turn) herd(key string) herd {
	h := herd{key: key}
	h.w, _ = t.o.Cluster.workload(key)
	for _, p := range t.all[key] {
		if p.Deleting {
			continue
		}
		r, released := p.release()
		switch {
		case released && r.Out:
			h.out = append(h.out, p)
			continue
		case released && !r.Back:
			h.released = append(h.released, p)
		default:
			h.owned = append(h.owned, p)
			if t.leaving[p.Node] {
				h.fresh = append(h.fresh, p)
			}
		}
		if p.Serving && t.o.At.Sub(p.ReadySince) >= h.w.MinReady {
			h.serving++
		}
	}
	return h
}

// surplus is how many pods may stop serving now.
func (h herd) surplus() int { return h.serving - h.w.Replicas }

// move does this turn's part for one workload.
func (t *turn) move(h herd, room *int) {
	for _, p := range h.out {
		t.finish(p)
	}
	surplus := h.surplus()
	for _, p := range h.released {
		if !p.Serving && surplus >= 0 {
			t.takeOut(p) // nobody would miss it
			continue
		}
		if surplus > 0 {
			surplus--
			t.takeOut(p)
			continue
		}
		t.awaitReplacement(h, p)
	}
	under := len(h.released) + len(h.out)
	for _, p := range h.fresh {
		switch {
		case !h.w.Settled:
			t.wait("%s: its rollout is not complete", h.key)
			return
		case !p.Ready && t.o.At.Sub(p.ReadySince) >= brokenAfter:
			t.evictPod(p) // it serves nobody, and is not about to
		case h.surplus() < 0:
			t.wait("%s: %d of %d pods serve", h.key, h.serving, h.w.Replicas)
			return
		case p.Ready && under < h.w.Surge && *room > 0:
			t.letGo(p)
			under++
			*room--
		}
	}
}

// letGo releases a pod from its ReplicaSet. The record and the change are one write.
func (t *turn) letGo(p Pod) {
	r := Release{
		Group: t.s.Group, Workload: p.Workload, At: t.o.At, Cost: p.Cost,
		Labels: map[string]string{p.Handle: p.Labels[p.Handle]},
	}
	if former, ok := p.release(); ok {
		r.Cost = former.Cost // given back a while ago, and not yet forgotten
	}
	t.act(ChangePod{Pod: p.Ref, What: "release", Patch: Patch{
		Labels:      map[string]*string{p.Handle: nil},
		Annotations: map[string]*string{ReleasedAnnotation: ptr(encode(r))},
	}})
}

// awaitReplacement waits for the pod that comes in place of p, as long as the
// workload's author would.
func (t *turn) awaitReplacement(h herd, p Pod) {
	r, _ := p.release()
	why := h.trouble()
	waited := t.o.At.Sub(r.At)
	if waited < h.w.Deadline {
		t.wait("%s: %d of %d pods serve besides %s, which was released %s ago%s",
			h.key, h.serving-len(h.released), h.w.Replicas, p.Name, waited.Round(time.Second), after(": ", why))
		return
	}
	t.stop(Reason{
		Kind: problem.Outside, Op: "move pod " + p.String(),
		Why: fmt.Sprintf("its replacement does not serve after %s%s", h.w.Deadline, after(": ", why)),
		Fix: fmt.Sprintf("nothing is lost, the pod goes back to %s. See kubectl -n %s describe pods for what the new pod needs, then run the same command again", h.key, p.Namespace),
	})
}

// trouble is why the workload has too few pods that serve.
func (h herd) trouble() string {
	if h.w.Trouble != "" {
		return h.w.Trouble
	}
	for _, p := range h.owned {
		if !p.Serving && p.Trouble != "" {
			return fmt.Sprintf("pod %s: %s", p.Name, p.Trouble)
		}
	}
	return ""
}

// after puts text behind a separator, if there is any.
func after(separator, text string) string {
	if text == "" {
		return ""
	}
	return separator + text
}

// takeOut makes every Service let go of a released pod. Where a load balancer
// sends traffic to the pod's node for the sake of this very pod
// (externalTrafficPolicy Local), the node leaves the load balancer first.
func (t *turn) takeOut(p Pod) {
	if b, n, yes := t.lastOnNode(p); yes {
		if t.exclude([]Node{n}) {
			return
		}
		if t.stuck("balancer "+b.Name+" "+n.Name, "", b.Draining+drainMargin) {
			t.stop(Reason{
				Kind: problem.Outside, Op: "release node " + n.Name + " from load balancer " + b.Name,
				Why: fmt.Sprintf("it is still in it after %s", b.Draining+drainMargin),
				Fix: "see what keeps it registered, then run the same command again",
			})
			return
		}
		t.wait("load balancer %s: node %s still in it (%s of %s)", b.Name, n.Name,
			t.waited("balancer "+b.Name+" "+n.Name).Round(time.Second), b.Draining)
		return
	}
	r, _ := p.release()
	r.Labels, r.Out = maps.Clone(r.Labels), true
	gone := map[string]*string{}
	for _, key := range p.Doors {
		r.Labels[key], gone[key] = p.Labels[key], nil
	}
	t.act(ChangePod{Pod: p.Ref, What: "take out", Patch: Patch{
		Labels:      gone,
		Annotations: map[string]*string{ReleasedAnnotation: ptr(encode(r))},
	}})
}

// lastOnNode finds a load balancer that would send requests into nothing if the
// pod left its Services now.
func (t *turn) lastOnNode(p Pod) (Balancer, Node, bool) {
	n, _ := t.o.Cluster.node(p.Node)
	for _, s := range t.o.Cluster.Services {
		if !s.Local || s.Host == "" || s.Namespace != p.Namespace || !slices.Contains(p.Services, s.Name) {
			continue
		}
		for _, b := range t.o.Balancers {
			if b.Host == s.Host && slices.ContainsFunc(b.Targets, func(g Target) bool { return g.Instance == n.Instance }) {
				return b, n, true
			}
		}
	}
	return Balancer{}, Node{}, false
}

// finish ends a pod that was taken out, once everything has let go of it.
func (t *turn) finish(p Pod) {
	switch since, out := t.s.Out[p.UID]; {
	case len(p.Services) > 0:
		t.takeOut(p) // a Service that selects it came, or changed
	case len(p.Listed) > 0:
		delete(t.s.Out, p.UID)
		t.wait("pod %s: EndpointSlices of %s still list it", p.Ref, list(p.Listed))
	case !out:
		if t.s.Out == nil {
			t.s.Out = map[string]time.Time{}
		}
		t.s.Out[p.UID] = t.o.At
	case t.o.At.Sub(since) < settle:
		t.wait("pod %s: out of its Services, its last requests end", p.Ref)
	default:
		t.evictPod(p)
	}
}

// evictPod asks for an eviction, unless it was refused a moment ago.
func (t *turn) evictPod(p Pod) {
	if r, ok := t.o.Refused[p.UID]; ok && t.o.At.Sub(r.At) < evictRetry {
		t.wait("pod %s: %s", p.Ref, r.Why)
		return
	}
	t.act(Evict{Pod: p.Ref})
}

// progress is a text that changes whenever something moves.
func (t *turn) progress(pods []Pod) string {
	states := map[string]int{}
	for _, p := range pods {
		r, released := p.release()
		states[fmt.Sprintf("%t%t%t", released, r.Out, p.Deleting)]++
	}
	return fmt.Sprint(states)
}

// waits are the reasons to wait that this turn gave.
func (t *turn) waits() []string {
	var reasons []string
	for _, a := range t.actions {
		if w, ok := a.(Wait); ok {
			reasons = append(reasons, w.For)
		}
	}
	return reasons
}

// ending: some pod is within its own grace period, which nobody shortens.
func ending(pods []Pod, at time.Time) bool {
	return slices.ContainsFunc(pods, func(p Pod) bool { return p.Deleting && at.Before(p.GoneBy.Add(drainMargin)) })
}
