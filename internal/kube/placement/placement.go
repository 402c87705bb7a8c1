// Package placement answers where copies of pods would go once nodes are closed,
// by the rules that kube-scheduler filters nodes with in its default profile
// (1.35, 1.36). It takes API objects and makes no call; package kube/cluster
// hands it what its watches hold, before a move begins.
//
// It is a rehearsal of the move: pod by pod, a copy is put where every rule lets
// it, and only then the pod itself goes, as a move does it. Counts that the rules
// ask for are kept as pods come and go, by topology domain, so that no question
// looks at all pods.
//
// Scores are left out: which of several nodes is taken is the scheduler's choice.
// Rules that only a driver can answer (device claims) and pods of other schedulers
// are answered by Unknown.
package placement

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
)

// Unknown is the node of a copy that something other than the default scheduler's
// filters decides about; Why says what.
const Unknown = "?"

// Objects are what a cluster holds. Nothing of it is changed.
type Objects struct {
	Nodes       []*corev1.Node
	Pods        []*corev1.Pod
	Namespaces  []*corev1.Namespace
	Claims      []*corev1.PersistentVolumeClaim
	Volumes     []*corev1.PersistentVolume
	Classes     []*storagev1.StorageClass
	CSINodes    []*storagev1.CSINode
	Attachments []*storagev1.VolumeAttachment
}

// Move is one pod to make a copy of.
type Move struct {
	Pod *corev1.Pod
	// As is the pod that comes in its place, if its controller makes it by another
	// template; nil: one like Pod.
	As *corev1.Pod
	// Fixed is the node that its template names, past the scheduler.
	Fixed string
	// Gap: the pod goes before its copy comes: a StatefulSet's, or one whose volume
	// cannot be held twice.
	Gap bool
}

func (m Move) successor() *corev1.Pod {
	if m.As != nil {
		return m.As
	}
	return m.Pod
}

// Answer is where a copy would go.
type Answer struct {
	Pod      *corev1.Pod
	Node     string // empty: nowhere; Unknown
	Why      string // if it is nowhere or Unknown
	Fix      string // what would help
	Preempts string // namespace/name: it goes to Node only by ending this pod
	Alone    bool   // it is nowhere, but would have a place if nothing else moved
	Lasting  bool   // it is nowhere for want of room, or to be apart from others: nodes with other labels or taints would not help
}

// Place moves the pods from the nodes that are leaving, node by node in their
// order and the largest first, and answers for each in the order of moves. Copies
// never go to a leaving node, whatever they tolerate.
func Place(o Objects, leaving []string, moves []Move) []Answer {
	w := newWorld(o, leaving, moves)
	all := w.jobs(moves, leaving)
	best := w.attempt(all, spreadOut, true)
	if best.missing(w, all) {
		best = w.pack(all, best)
	}
	answers := make([]Answer, len(moves))
	for i, j := range all {
		answers[j.at] = best[i]
	}
	return answers
}

// job is a move with all that the rules ask of its copy.
type job struct {
	at   int // index among the moves
	move Move
	from *tenant // the pod where it runs; nil: nowhere
	copy *tenant
	need *class
	disk *storage
	size float64 // the largest share of an average node that it asks for
	rank int     // of its node among those that leave

	asked, alone bool // it has a place of its own while nothing else moves
}

// strategy is the order in which nodes are offered.
type strategy int

const (
	spreadOut strategy = iota // go on behind the node that was taken last, as the scheduler's scores tend to
	firstFit                  // fill nodes one by one
)

// result holds answers in the order of the jobs.
type result []Answer

func (r result) count() int {
	n := 0
	for _, a := range r {
		if a.Node == "" || a.Preempts != "" {
			n++
		}
	}
	return n
}

// missing: some copy that is nowhere would have a place of its own.
func (r result) missing(w *world, all []*job) bool {
	found := false
	for i := range r {
		if r[i].Node == "" || r[i].Preempts != "" {
			r[i].Alone = w.alone(all[i])
			found = found || r[i].Alone
		}
	}
	return found
}

// jobs are the moves in the order in which they are carried out.
func (w *world) jobs(moves []Move, leaving []string) []*job {
	rank := map[string]int{}
	for i, n := range leaving {
		rank[n] = i
	}
	all := make([]*job, len(moves))
	for i, m := range moves {
		r, known := rank[m.Pod.Spec.NodeName]
		if !known {
			r = len(leaving)
		}
		all[i] = &job{at: i, move: m, rank: r, from: w.placed[m.Pod.UID], need: w.class(m.successor(), m.Fixed), disk: w.storage(m.successor())}
		all[i].copy = w.copyOf(m.successor(), all[i].disk)
		all[i].size = w.share(all[i].copy)
	}
	slices.SortStableFunc(all, func(a, b *job) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(b.size, a.size))
	})
	return all
}

// pack looks for an order in which more of the copies find a place.
func (w *world) pack(all []*job, best result) result {
	largest := func(a, b *job) int { return cmp.Compare(b.size, a.size) }
	choosiest := func(a, b *job) int {
		return cmp.Or(cmp.Compare(a.need.choices(w), b.need.choices(w)), cmp.Compare(b.need.rules(), a.need.rules()), largest(a, b))
	}
	for _, by := range []func(a, b *job) int{nil, largest, choosiest} {
		order := slices.Clone(all)
		if by != nil {
			slices.SortStableFunc(order, by)
		}
		if w.attempt(order, firstFit, false).count() >= best.count() {
			continue
		}
		best = sorted(all, order, w.attempt(order, firstFit, true))
		if !best.missing(w, all) {
			break
		}
	}
	return best
}

// sorted puts answers in the order of all.
func sorted(all, order []*job, got result) result {
	at := map[*job]Answer{}
	for i, j := range order {
		at[j] = got[i]
	}
	r := make(result, len(all))
	for i, j := range all {
		r[i] = at[j]
	}
	return r
}

// attempt moves all, and puts everything back where it was. Reasons cost a look at
// every node, so they are given only if asked for.
func (w *world) attempt(order []*job, s strategy, tell bool) result {
	w.begin()
	defer w.rollback()
	r := make(result, len(order))
	for i, j := range order {
		r[i] = w.try(j, s, tell)
	}
	return r
}

// alone: the copy has a place while nothing else moves.
func (w *world) alone(j *job) bool {
	if !j.asked {
		w.begin()
		a := w.try(j, firstFit, false)
		w.rollback()
		j.asked, j.alone = true, a.Node != ""
	}
	return j.alone
}

// try moves one pod. One whose copy is nowhere stays.
func (w *world) try(j *job, s strategy, tell bool) Answer {
	a := Answer{Pod: j.move.Pod}
	if why := undecidable(j.move.successor()); why != "" {
		a.Node, a.Why = Unknown, why
		return a
	}
	if f := j.need.failed; f.holds(w, j) && (!tell || f.answer.Why != "") {
		a = f.answer
		a.Pod = j.move.Pod
		return a
	}
	gone := j.move.Gap && j.from != nil
	if gone {
		w.remove(j.from)
	}
	if n := w.search(j, s); n != nil {
		a.Node = n.object.Name
		w.put(j.copy, n.at)
		if !gone && j.from != nil {
			w.remove(j.from)
		}
		return a
	}
	if tell {
		w.explain(j, &a)
		if victim, n := w.preempt(j); n != nil {
			a.Node, a.Preempts = n.object.Name, victim
		}
	}
	if gone {
		w.put(j.from, w.byName[j.move.Pod.Spec.NodeName])
	} else if j.disk.plain() {
		j.need.failed = failure{version: w.version, kind: j.copy.kind, answer: a}
	}
	return a
}

// failure is the last answer to a pod of a class that no node would take. It holds
// for the next one while nothing has changed.
type failure struct {
	version int
	kind    *kind
	answer  Answer
}

func (f failure) holds(w *world, j *job) bool {
	return f.kind == j.copy.kind && f.version == w.version && !j.move.Gap && j.disk.plain()
}

// undecidable says who but the default scheduler's filters decides about a pod.
func undecidable(p *corev1.Pod) string {
	switch {
	case p.Spec.SchedulerName != "" && p.Spec.SchedulerName != corev1.DefaultSchedulerName:
		return "another scheduler decides: " + p.Spec.SchedulerName
	case len(p.Spec.ResourceClaims) > 0:
		names := make([]string, 0, len(p.Spec.ResourceClaims))
		for _, c := range p.Spec.ResourceClaims {
			names = append(names, c.Name)
		}
		return "the driver of its device claims decides: " + strings.Join(names, ", ")
	}
	return ""
}

// search offers the nodes that the class may use at all, in the strategy's order.
func (w *world) search(j *job, s strategy) *node {
	if j.disk.never != "" {
		return nil
	}
	list := j.need.static
	return w.scan(list.open, &list.next, s, func(n *node) bool { return w.fits(j, n) })
}

func (w *world) scan(open []int, next *int, s strategy, fits func(*node) bool) *node {
	start := 0
	if s == spreadOut {
		start = *next
	}
	for i := range open {
		at := start + i
		if at >= len(open) {
			at -= len(open)
		}
		n := w.nodes[open[at]]
		if fits(n) {
			*next = at + 1
			if *next == len(open) {
				*next = 0
			}
			return n
		}
	}
	return nil
}
