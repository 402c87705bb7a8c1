package handover

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// order moves what cannot be replaced before it goes, by the Eviction API: pods
// of StatefulSets (highest ordinal first), of controllers that Drover does not
// know, and those that may not run twice. Disruption budgets decide, a pod keeps
// its own grace period, and a workload loses one pod at a time, the next only
// when all its others serve again. Its controller may also move the pod by
// itself once it is asked to go (KubeVirt does), and answer no until then.
//
// It is false: no other pod of the workload may begin before this one is through.
func (h *herd) order(p *Pod, pr promise) bool {
	if len(h.beside)+len(h.out) > 0 || slices.ContainsFunc(h.Pods, func(q *Pod) bool { return q.Deleting && !h.Dead(q.Node) }) {
		return false
	}
	if h.asked(p) {
		h.evict(p) // the call may have been lost
		return false
	}
	if path, is := h.short(); is && h.serves(p, path) {
		h.wait("%s: %d of %d pods serve%s%s", h.Key, h.serving[path], h.floor(path), by(path), after(h.trouble()))
		return false
	}
	if why := h.w.missesMember(h.Pods, h.Ended); why != "" && p.Ready && !p.AcceptGap {
		h.wait("%s: none of its pods that work is ended while others do not: %s", h.Key, why)
		return true
	}
	if q := h.young(); q != nil {
		h.wait("%s: pod %s is Ready, and not everybody sends to it yet", h.Key, q.Name)
		h.again(time.Second)
		return false
	}
	if !p.Ready && pr.how != Gap {
		h.wait("%s: pod %s is not Ready yet%s", h.Key, p.Name, after(p.Trouble))
		h.again(brokenAfter - h.now.Sub(p.ReadySince))
		return true
	}
	if path, short := h.othersShort(p); short != "" {
		h.wait("%s: pod %s serves Service %s, which %s is to serve again first", h.Key, p.Name, path, short)
		h.again(reread)
		return true
	}
	if path, alone := h.alone(p); alone && pr.how != Gap && !p.AcceptGap {
		h.wait("%s: pod %s alone serves Service %s; its controller is to let another one do so", h.Key, p.Name, path)
		h.again(reread)
		return true
	}
	if lb, last := h.lastOnNode(p); last {
		h.wait("load balancer %s: node %s is in it for the sake of pod %s", lb, p.Node, p.Name)
		h.again(reread)
		return false
	}
	if h.neededOnNode(p) {
		return true
	}
	if !h.comingBack(p) {
		h.evict(p)
	}
	return false
}

// missesMember is why a workload whose pods know each other has fewer that work than it
// wants; empty: it has as many, or any other pod could take the place of one. One
// less of three that vote leaves no majority of two; and a StatefulSet makes no pod
// for one that goes while one that comes before it is not Ready.
func (w *Workload) missesMember(pods []*Pod, gone func(node string) bool) string {
	ready, why := 0, ""
	for _, p := range pods {
		switch {
		case p.Deleting || p.stays():
		case p.Ready && !gone(p.Node):
			ready++
		case why == "":
			why = "pod " + p.Name + " is not Ready" + after(p.Trouble)
		}
	}
	if w.Nature != Ordered && w.Nature != Operated || ready >= w.Wants {
		return ""
	}
	return cmp.Or(why, fmt.Sprintf("%d of %d pods are there", ready, w.Wants))
}

// repair is what helps a workload that lacks a pod.
func (w *Workload) repair() string {
	return fmt.Sprintf("repair it first (kubectl -n %s describe pods), or let one more be missing: annotation %s=true on the workload", w.Namespace, AcceptGapAnnotation)
}

// young is a pod that became Ready so lately that some may not send to it yet:
// until they do, the next one must not go.
func (h *herd) young() *Pod {
	if i := slices.IndexFunc(h.Pods, h.isYoung); i >= 0 {
		return h.Pods[i]
	}
	return nil
}

func (h *herd) isYoung(p *Pod) bool {
	return p.Ready && p.selected() && !p.Deleting && h.now.Sub(p.ReadySince) < h.View.settleUnasked(p, h.Settle)
}

// alone: the pod is the only one that serves a Service.
func (h *herd) alone(p *Pod) (service string, is bool) {
	for _, path := range h.last(p) {
		if others, _ := h.Sharers(p, path); !others {
			return path, true
		}
	}
	return "", false
}

// othersShort: the pod is the last one of its workload that serves a Service, and
// another workload has one that serves it on its way.
func (h *herd) othersShort(p *Pod) (service, workload string) {
	for _, path := range h.last(p) {
		if _, short := h.Sharers(p, path); short != "" {
			return path, short
		}
	}
	return "", ""
}

// last are the Services that no other pod of its workload serves.
func (h *herd) last(p *Pod) []string {
	return slices.DeleteFunc(slices.Clone(h.paths(p)), func(path string) bool { return path == "" || !h.serves(p, path) || h.serving[path] > 1 })
}

// falseFirst orders false before true.
func falseFirst(a, b bool) int {
	number := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	return cmp.Compare(number(a), number(b))
}
