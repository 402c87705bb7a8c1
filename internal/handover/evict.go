package handover

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/droverhq/drover/problem"
)

// evict asks the Eviction API for what could not be moved surge-first: pods of
// StatefulSets (highest ordinal first), Jobs, and whatever else. Disruption
// budgets decide, a pod keeps its own grace period, and a workload loses one
// pod at a time, the next only when all its others are Ready.
func (t *turn) evict() {
	t.remember()
	if !t.close() || t.back() {
		return
	}
	if len(t.pods) == 0 {
		t.to(Soak)
		return
	}
	slices.SortStableFunc(t.pods, func(a, b Pod) int {
		return cmp.Or(strings.Compare(a.Workload, b.Workload), cmp.Compare(ordinal(b), ordinal(a)))
	})
	total, onNode, busy := 0, map[string]int{}, map[string]bool{}
	for _, p := range t.pods {
		if p.Deleting {
			total++
			onNode[p.Node]++
			busy[p.Workload] = p.Workload != ""
			t.wait("pod %s: ends by %s", p.Ref, p.GoneBy.Format("15:04:05"))
		}
	}
	for _, p := range t.pods {
		switch {
		case p.Deleting, busy[p.Workload], total >= evicting, onNode[p.Node] >= perNode:
		case p.Workload == "" && !p.Expendable:
			t.wait("pod %s: nothing would make it again", p.Ref)
		case !t.spare(p):
			busy[p.Workload] = true
		default:
			t.evictPod(p)
			total++
			onNode[p.Node]++
			busy[p.Workload] = p.Workload != ""
		}
	}
	t.watchNodes()
}

// spare: all other pods of its workload are there and Ready, or it is not Ready itself.
func (t *turn) spare(p Pod) bool {
	w, ok := t.o.Cluster.workload(p.Workload)
	if !ok || w.Replicas == 0 || !p.Ready {
		return true
	}
	ready := count(t.all[p.Workload], func(q Pod) bool { return q.Ready && !q.Deleting })
	if ready < w.Replicas {
		t.wait("%s: %d of %d pods Ready", w.Key(), ready, w.Replicas)
	}
	return ready >= w.Replicas
}

// ordinal is a StatefulSet pod's number, 0 for any other.
func ordinal(p Pod) int {
	if !strings.HasPrefix(p.Workload, "statefulset/") {
		return 0
	}
	n, err := strconv.Atoi(p.Name[strings.LastIndexByte(p.Name, '-')+1:])
	if err != nil {
		return 0
	}
	return n
}

// watchNodes stops the hand-over when no pod has left a node for too long.
func (t *turn) watchNodes() {
	for _, n := range t.old {
		var left []Pod
		for _, p := range t.pods {
			if p.Node == n.Name {
				left = append(left, p)
			}
		}
		if len(left) == 0 || ending(left, t.o.At) {
			continue
		}
		if t.stuck("node "+n.Name, t.progress(left)+fmt.Sprint(len(left)), patience) {
			t.stop(t.stuckOn(n, left))
			return
		}
	}
}

// stuckOn names the pod that holds a node up, and the budget that protects it.
func (t *turn) stuckOn(n Node, left []Pod) Reason {
	p := left[0]
	r := Reason{
		Kind: problem.Outside, Op: "evict pod " + p.String(),
		Why: fmt.Sprintf("it is still on node %s after %s: %s", n.Name, patience, list(t.waits())),
		Fix: "see kubectl -n " + p.Namespace + " describe pod " + p.Name + ", then run the same command again",
	}
	for _, q := range left {
		refused, ok := t.o.Refused[q.UID]
		if !ok {
			continue
		}
		r.Op = "evict pod " + q.String()
		r.Why = fmt.Sprintf("it is still on node %s after %s: %s", n.Name, patience, refused.Why)
		r.Fix = fmt.Sprintf("let the budget allow one disruption, by more replicas or less protection: kubectl -n %s get pdb %s, then run the same command again", q.Namespace, refused.Budget)
		break
	}
	return r
}
