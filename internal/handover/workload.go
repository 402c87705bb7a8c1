package handover

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/droverhq/drover/event"
)

// WorkloadState is where a workload of which pods leave stands.
//
//	waiting ─▶ surging | in order | after its Job | by its operator | gap ─▶ moved
//	   └──────────────────────┴─────────────────────────────────────────▶ parked
//
// Waiting: none of its pods is under way. The states in the middle say how its
// pods leave now; a workload goes from one to another, and back to waiting, as its
// pods do. Moved: nothing of it is left; a pod that comes back makes it wait again.
// Parked is final for this move: what was begun is given back or brought to its
// end, whichever loses nothing, and its pods stay where they are.
type WorkloadState = event.WorkloadState

// The states of a workload.
const (
	WorkloadWaiting    = event.WorkloadWaiting
	WorkloadSurging    = event.WorkloadSurging
	WorkloadInOrder    = event.WorkloadInOrder
	WorkloadAfterJob   = event.WorkloadAfterJob
	WorkloadByOperator = event.WorkloadByOperator
	WorkloadGap        = event.WorkloadGap
	WorkloadMoved      = event.WorkloadMoved
	WorkloadParked     = event.WorkloadParked
)

// settled: the move has nothing more to do for a workload.
func settled(s WorkloadState) bool { return s == WorkloadMoved || s == WorkloadParked }

// Limits of time for a workload. Reaching one parks it (herd.limit, herd.startLimit);
// none skips anything. TestLimitsAreDocumented compares them with docs/hand-over.md.
const (
	// patience is how long nothing of a workload may move. EKS gives a managed
	// group's node the same 15 min to drain during an update (EKS user guide,
	// managed-node-update-behavior).
	patience = 15 * time.Minute

	// jobPatience is how long a Job's pod is waited for.
	jobPatience = time.Hour

	// brokenAfter is how long a pod must not have been Ready to be ended
	// without a replacement: one that is just starting may serve any moment.
	brokenAfter = time.Minute

	// unproven is how long a new pod must be Ready to count if nobody says when it
	// answers: it is Ready as soon as its processes run, also between two crashes
	// (CrashLoopBackOff is reached after 10 s). Servers that start slowly take some 20 s.
	unproven = 30 * time.Second

	// evictRetry is the pause before asking again for a pod whose eviction was
	// refused: kubectl's (kubectl/pkg/drain/drain.go, evictPods).
	evictRetry = 5 * time.Second

	// overdue is what a pod may take beyond its grace period.
	overdue = 2 * time.Minute

	// backLimit is how long a move that stops tries to bring the pods under way
	// to their end before it gives them back as they are.
	backLimit = time.Minute

	// expiry is how long a released pod may go without word from its move. A run
	// that finds it later gives it back. It is renewed when half of it is over.
	expiry = 20 * time.Minute

	// tries is how many more replacements than a workload has pods may start on
	// nodes that leave, before it is parked.
	tries = 3
)

// Case is everything that the decision about one workload rests on.
type Case struct {
	Move     string // the group that is handed over
	Key      string
	View     *View
	Workload *Workload // nil: it was deleted
	Pods     []*Pod    // all of it, those too that it was made to let go of

	Leaves        func(node string) bool                                  // pods must leave the node
	In            func(*Pod) bool                                         // … if they are among those that the move concerns; nil: all are
	Anothers      func(*Pod) bool                                         // released by another move that is under way; nil: none is
	Open          func(node string) bool                                  // … and may do so now: its wave has come
	Ahead         func(node string) bool                                  // … or may get its replacement, as its wave comes next
	Next          func(node string) bool                                  // its wave comes next: until then nothing is taken away there
	Before        func(a, b string) int                                   // the order in which nodes are emptied
	Dead          func(node string) bool                                  // its kubelet is silent for good: what ends there is gone
	Ended         func(node string) bool                                  // its instance has ended: its pods serve nobody, whatever Kubernetes says yet
	Through       func(node string, s *Service) bool                      // requests to a Local Service reach pods through the node
	Sender        func(node string, s *Service) (string, bool)            // a load balancer that sends to the node for the sake of its pods
	Healthy       func(*Pod, *Service) bool                               // target groups that hold pods' addresses for the Service send to the pod
	Needed        func(*Pod) string                                       // why a target group cannot do without the pod yet; empty: it can
	Unheard       func(*Pod) string                                       // why nobody knows what its target groups do now; empty: they answer
	WouldComeBack func(p *Pod, service string) string                     // why clients that the pod sends away would come back through a node that leaves; empty: they would not
	Shared        func(p *Pod, service string) bool                       // pods of other workloads stand behind the Service, or did
	Sharers       func(p *Pod, service string) (serve bool, short string) // pods of other workloads serve it; one of those that does so with fewer than it did, and is to again
	Clients       func(*Pod) string                                       // a pod that has yet to leave the pod's node, and may be served by it alone; empty: there is none
	Targets       func(*Pod) map[string]Target                            // the pod's address in target groups, by their names
	Holders       func(*Pod) []string                                     // target groups that may hold, or have held, the pod's address
	Balancer      func(name string) Balancer
	Guarded       bool      // sentinels stand on all nodes that leave
	Closed        time.Time // since when all nodes that leave are closed

	Room       int                // pods that it may have made in addition now
	Refused    map[string]Refused // by UID of the pod
	Settle     time.Duration      // the user's least settle time
	StopsSince time.Time          // the move stops since then: everything under way goes back, or to its end; zero: it does not
}

// Refused is the last refusal of one eviction, and since when it is refused.
type Refused struct {
	At, Since time.Time
	Refusal
}

// Decision is what to do for one workload now.
type Decision struct {
	Record     WorkloadRecord
	Actions    []Action
	Surged     int       // pods made in addition
	Unreplaced bool      // a pod that it was made to let go of serves on, as no other one does in its place yet
	Crowded    bool      // a replacement finds no room
	InLine     bool      // it may make none in addition, for the sake of others' that find no room
	Tempted    bool      // a pod may start on nodes that leave: sentinels are needed
	Again      time.Time // decide again then, if nothing changed; zero: no need
}

// NextWorkload decides one turn for one workload. It does no I/O and reads no
// clock. Its actions may be lost, repeated, or carried out twice: whatever is
// still needed is asked for again.
func NextWorkload(c Case, r WorkloadRecord) Decision {
	h := newHerd(c, r)
	if !c.StopsSince.IsZero() || r.State == WorkloadParked {
		h.restore()
	} else {
		h.move()
	}
	return h.d
}

// herd is one workload's pods, sorted out.
type herd struct {
	Case
	now time.Time
	w   Workload // zero: it was deleted; it wants no pods
	r   *WorkloadRecord
	d   Decision

	fresh  []*Pod // on nodes that leave, nothing done yet; in the order in which they go
	beside []*Pod // released, still in their Services
	others []*Pod // the same, by another move
	out    []*Pod // taken out of their Services
	back   []*Pod // given back
	ending []*Pod // told to end, on nodes that leave
	owned  int    // in the workload, wherever they run, and not ending

	serving map[string]int // pods that serve, by path of traffic
	own     map[string]int // … and are in the workload
	waits   []string
}

func newHerd(c Case, r WorkloadRecord) *herd {
	h := &herd{Case: c, now: c.View.Now, serving: map[string]int{}, own: map[string]int{}}
	h.d.Record = r
	h.r = &h.d.Record
	h.r.Floors, h.r.Denied, h.r.Released, h.r.CameBack = maps.Clone(r.Floors), maps.Clone(r.Denied), maps.Clone(r.Released), maps.Clone(r.CameBack)
	h.r.asked, h.r.letGo = maps.Clone(r.asked), maps.Clone(r.letGo)
	maps.DeleteFunc(h.r.letGo, func(_ string, at time.Time) bool { return h.now.Sub(at) >= askAgain })
	if c.Workload != nil {
		h.w = *c.Workload
		h.Workload = &h.w
		if !h.w.Counted { // pods that are missing are wanted all the same
			h.w.Wants = max(h.w.Wants, r.Wants)
			h.r.Wants = h.w.Wants
		}
	}
	maps.DeleteFunc(h.r.asked, func(uid string, at time.Time) bool { r, no := c.Refused[uid]; return no && !r.At.Before(at) })
	for _, p := range c.Pods {
		h.sort(p)
	}
	slices.SortStableFunc(h.fresh, func(a, b *Pod) int {
		return cmp.Or(falseFirst(!h.broken(a), !h.broken(b)), c.Before(a.Node, b.Node), cmp.Compare(h.Workload.ordinal(b), h.Workload.ordinal(a)))
	})
	h.raiseFloors()
	h.follow()
	h.notePathsToNowhere()
	return h
}

// sort puts a pod where it belongs.
func (h *herd) sort(p *Pod) {
	r, released := p.release()
	switch {
	case p.stays():
		return
	case p.Deleting:
		if h.Leaves(p.Node) && !h.Dead(p.Node) {
			h.ending = append(h.ending, p)
		}
		return
	case released && h.Anothers != nil && h.Anothers(p):
		if r.Out && !r.Back {
			return
		}
		if !r.Back {
			h.others = append(h.others, p)
		}
	case released && r.Out && !r.Back:
		h.out = append(h.out, p)
		return
	case released && !r.Back:
		h.beside = append(h.beside, p)
	default:
		h.owned++
		if released {
			h.back = append(h.back, p)
		} else if h.Leaves(p.Node) && (h.In == nil || h.In(p)) {
			h.fresh = append(h.fresh, p)
		}
	}
	if h.asked(p) {
		return
	}
	for _, path := range h.paths(p) {
		if rest := h.proof(p, path); p.Ready && rest > 0 {
			h.again(rest)
		}
		if !h.serves(p, path) {
			continue
		}
		h.serving[path]++
		if !released {
			h.own[path]++
		}
	}
}

// paths are the ways by which requests reach a pod now, by Service; a pod
// without a Service has one that is called "".
func (h *herd) paths(p *Pod) []string {
	var names []string
	for _, x := range p.Paths {
		if x.Selected {
			names = append(names, x.Service)
		}
	}
	if len(names) == 0 {
		return []string{""}
	}
	return names
}

// serves: requests by that path reach the pod.
func (h *herd) serves(p *Pod, path string) bool {
	if !p.Ready || h.proof(p, path) > 0 || h.Ended(p.Node) {
		return false
	}
	for _, x := range p.Paths {
		if !x.Selected || x.Service != path {
			continue
		}
		s := h.View.Services[p.serviceKey(path)]
		return x.Ready && (s == nil || (!s.Local || h.Through(p.Node, s)) && h.Healthy(p, s))
	}
	return path == ""
}

// proof is how much longer a pod that is Ready must be so to count by a path. What
// leaves has served for long enough.
func (h *herd) proof(p *Pod, path string) time.Duration {
	least := h.w.MinReady
	if path != "" && !h.Leaves(p.Node) {
		least = h.w.proof(p)
	}
	return least - h.now.Sub(p.ReadySince)
}

// proof is how long one of its pods that requests are sent to must be Ready to count.
func (w *Workload) proof(p *Pod) time.Duration {
	if p.Probe {
		return w.MinReady
	}
	return cmp.Or(w.MinReady, unproven) // who sets minReadySeconds has thought of it
}

// raiseFloors keeps for each path the most of its own pods that were seen
// serving, as far as the workload wants them: that many it can have. What was
// owed when a pod was released is owed by whoever takes that pod over.
func (h *herd) raiseFloors() {
	for path, n := range h.own {
		h.raiseFloor(path, min(n, h.w.Wants))
	}
	for _, p := range slices.Concat(h.beside, h.out) {
		r, _ := p.release()
		for path, n := range r.Floors {
			h.raiseFloor(path, n)
		}
	}
}

func (h *herd) raiseFloor(path string, n int) {
	if n <= h.r.Floors[path] {
		return
	}
	if h.r.Floors == nil {
		h.r.Floors = map[string]int{}
	}
	h.r.Floors[path] = n
}

// notePathsToNowhere notes which paths lead to none of the pods any more: their Service is gone,
// or selects others. Whoever labels pods (a leader election) may take its time.
func (h *herd) notePathsToNowhere() {
	before := h.r.nowhere
	h.r.nowhere = nil
	for path := range h.r.Floors {
		if h.serving[path] > 0 || slices.ContainsFunc(h.Pods, func(p *Pod) bool { return slices.Contains(h.pathsOrFormer(p), path) }) {
			continue
		}
		if h.r.nowhere == nil {
			h.r.nowhere = map[string]time.Time{}
		}
		since := cmp.Or(before[path], h.now)
		h.r.nowhere[path] = since
		if rest := brokenAfter - h.now.Sub(since); rest > 0 {
			h.again(rest)
		}
	}
}

// pathsOrFormer are the paths of a pod, or those that it was taken out of.
func (h *herd) pathsOrFormer(p *Pod) []string {
	if r, released := p.release(); released && r.Out && !r.Back {
		return r.Services
	}
	return h.paths(p)
}

// floor is how many pods must serve by a path at all times; none by one that has
// led to none for a while.
func (h *herd) floor(path string) int {
	if since, is := h.r.nowhere[path]; is && h.now.Sub(since) >= brokenAfter {
		return 0
	}
	return min(h.w.Wants, h.r.Floors[path])
}

// short is a path by which fewer pods serve than must; "", false: none.
func (h *herd) short() (string, bool) {
	for _, path := range slices.Sorted(maps.Keys(h.r.Floors)) {
		if h.serving[path] < h.floor(path) {
			return path, true
		}
	}
	return "", false
}

// missed: without the pod fewer would serve, by some path, than must.
func (h *herd) missed(p *Pod) bool {
	return slices.ContainsFunc(h.paths(p), func(path string) bool {
		return h.serves(p, path) && h.serving[path]-1 < h.floor(path)
	})
}

// asked: the pod was asked to leave its Services, or to end.
func (h *herd) asked(p *Pod) bool { _, is := h.r.asked[p.UID]; return is }

// spend counts the pod as one that serves no more.
func (h *herd) spend(p *Pod) {
	if h.asked(p) {
		return
	}
	if h.r.asked == nil {
		h.r.asked = map[string]time.Time{}
	}
	h.r.asked[p.UID] = h.now
	for _, path := range h.paths(p) {
		if h.serves(p, path) {
			h.serving[path]--
		}
	}
}

// follow keeps the record of the pods under way, and forgets those that are gone.
func (h *herd) follow() {
	under := map[string]bool{}
	for _, p := range slices.Concat(h.beside, h.out, h.back) {
		under[p.UID] = true
		rec := h.r.Released[p.UID]
		rec.Ref = p.Ref
		rec.Release, _ = p.release()
		if len(p.listed()) > 0 {
			rec.Gone = time.Time{}
		} else if rec.Gone.IsZero() {
			rec.Gone = h.now
		}
		if rec.Left = rec.Left.follow(h.Targets(p), h.now); rec.Release.Out {
			rec.Left = rec.Left.suspect(h.Holders(p), h.now)
		}
		if h.r.Released == nil {
			h.r.Released = map[string]PodRecord{}
		}
		h.r.Released[p.UID] = rec
	}
	maps.DeleteFunc(h.r.Released, func(uid string, _ PodRecord) bool { return !under[uid] })
	for _, p := range h.fresh {
		under[p.UID] = true
	}
	maps.DeleteFunc(h.r.asked, func(uid string, _ time.Time) bool { return !under[uid] })
}

func (h *herd) act(a Action) { h.d.Actions = append(h.d.Actions, a) }

// wait says what the workload waits for; the first reason counts.
func (h *herd) wait(format string, args ...any) {
	h.waits = append(h.waits, fmt.Sprintf(format, args...))
	h.act(Wait{For: h.waits[len(h.waits)-1]})
}

// again asks for another turn after d, even if nothing changes.
func (h *herd) again(d time.Duration) {
	if at := h.now.Add(max(d, time.Millisecond)); h.d.Again.IsZero() || at.Before(h.d.Again) {
		h.d.Again = at
	}
}

// to enters a state.
func (h *herd) to(s WorkloadState) {
	if h.r.State != s {
		h.r.State, h.r.Since = s, h.now
	}
}

// park gives up on the workload for this move; the first reason counts. Its
// pods under way are dealt with from the next turn on.
func (h *herd) park(why, fix string) {
	if h.r.State == WorkloadParked {
		return
	}
	h.r.Why, h.r.Fix = why, cmp.Or(fix, cure(why))
	h.to(WorkloadParked)
	h.again(0)
}

// move does this turn's part of the way of each pod.
func (h *herd) move() {
	for _, p := range h.back { // of an earlier move, which stopped
		h.forget(p)
	}
	for _, p := range h.out {
		h.finish(p)
	}
	for _, p := range h.beside {
		if h.replace(p); !h.asked(p) {
			h.renew(p)
		}
	}
	h.begin()
	h.watch()
}

// begin starts on pods whose time has come, each in its own way. One that serves
// nobody waits for no wave, and comes first: the others may wait for its successor.
func (h *herd) begin() {
	never, how := promise{}, How("")
	if h.comesBack() {
		return
	}
	for _, p := range h.fresh {
		if !p.Ready && !h.broken(p) {
			h.again(brokenAfter - h.now.Sub(p.ReadySince)) // whatever the one before it waits for
		}
	}
	for _, p := range h.fresh {
		open := h.Open(p.Node) || h.broken(p)
		if !open && !h.Ahead(p.Node) {
			continue
		}
		pr := h.promised(p)
		if !open && pr.how != SurgeFirst {
			continue
		}
		if pr.how == Never {
			never = pr
			continue
		}
		if how == "" {
			how = pr.how
		}
		if !h.tempt(p) && !h.leave(p, pr) {
			break // the others wait for this one
		}
	}
	h.state(how, never)
}

// comesBack parks a workload whose replacements start on nodes that leave, time
// and again, whatever is done to keep them off.
func (h *herd) comesBack() bool {
	for _, p := range h.fresh {
		if p.Created.After(h.Closed) {
			if h.r.CameBack == nil {
				h.r.CameBack = map[string]bool{}
			}
			h.r.CameBack[p.UID] = true
		}
	}
	if len(h.r.CameBack) < tries+h.w.Wants {
		return false
	}
	h.park(fmt.Sprintf("%d of its replacements started on nodes that leave: its tolerations match the taint of cordoned nodes", len(h.r.CameBack)),
		"narrow its tolerations (operator: Exists without a key matches every taint)")
	return true
}

// promised says how the pod may move.
func (h *herd) promised(p *Pod) promise {
	return promised(p, h.Workload, h.r.Denied, h.View.settle(p, h.Settle), h.Shared)
}

// leave takes the pod's first step. False: no other pod of the workload may
// begin before it.
func (h *herd) leave(p *Pod, pr promise) bool {
	switch {
	case pr.how == AfterJob:
		h.wait("%s: pod %s runs until its work is done", h.Key, p.Name)
		return true
	case h.now.Before(p.KeptUntil):
		h.wait("pod %s: its annotation %s forbids to disrupt it until %s", p.Ref, DoNotDisruptAnnotation, p.KeptUntil.UTC().Format("15:04:05"))
		h.again(p.KeptUntil.Sub(h.now))
		return true
	case pr.how == Gap && h.Workload == nil:
		h.evict(p)
		return true
	case h.Unheard(p) != "":
		h.wait("%s: %s", h.Key, h.Unheard(p))
		h.again(reread)
		return false
	case h.rolling():
		h.wait("%s: its rollout is not complete: %s", h.Key, h.w.Rolling)
		return false
	case h.broken(p):
		return h.bury(p, pr)
	case pr.how == SurgeFirst:
		return h.surge(p, pr)
	}
	return h.order(p, pr)
}

// rolling: a rollout is under way that will end by itself. One that is paused,
// or has passed its deadline, leaves its ReplicaSets at work, and that is enough.
func (h *herd) rolling() bool { return h.w.Rolling != "" && !h.w.Paused && !h.w.Stalled }

// goes: the pod is under way, or the next one that is. What others of its workload
// leave room for is theirs: their nodes go first, whatever order load balancers are told in.
func (h *herd) goes(p *Pod) bool {
	switch i := slices.Index(h.fresh, p); {
	case i < 0:
		return true
	case h.promised(p).how == SurgeFirst:
		return false
	default:
		return i == 0
	}
}

// broken: the pod serves nobody, and is not about to.
func (h *herd) broken(p *Pod) bool {
	return h.Ended(p.Node) || !p.Ready && h.now.Sub(p.ReadySince) >= brokenAfter
}

// bury ends a broken pod, which nobody misses. If its budget says no, because it
// is not met, a replacement may meet it.
func (h *herd) bury(p *Pod, pr promise) bool {
	if r, refused := h.Refused[p.UID]; refused && pr.how == SurgeFirst && h.now.Sub(r.Since) >= evictRetry {
		return h.surge(p, pr)
	}
	h.evict(p)
	return true
}

// tempt is true for a pod whose replacement might start on a node that leaves,
// as long as no sentinel keeps it off.
func (h *herd) tempt(p *Pod) bool {
	if !p.Tolerates {
		return false
	}
	h.d.Tempted = true
	if !h.Guarded {
		h.wait("%s: it tolerates every taint; sentinels are to keep its pods off the nodes that leave", h.Key)
		return true
	}
	return false
}

// evict asks for an eviction, unless it was refused a moment ago.
func (h *herd) evict(p *Pod) {
	if r, ok := h.Refused[p.UID]; ok && h.now.Sub(r.At) < evictRetry {
		h.wait("pod %s: %s", p.Ref, r.Why)
		h.again(evictRetry - h.now.Sub(r.At))
		h.renew(p)
		return
	}
	h.spend(p)
	h.act(Evict{Pod: p.Ref, Workload: h.Key})
}

// state says where the workload stands.
func (h *herd) state(how How, never promise) {
	switch {
	case h.r.State == WorkloadParked:
	case len(h.fresh)+len(h.beside)+len(h.out)+len(h.ending)+len(h.back) == 0:
		h.to(WorkloadMoved)
	case len(h.beside)+len(h.out) > 0:
		h.to(WorkloadSurging)
	case how == "" && never.how == Never && len(h.ending) == 0 && !slices.ContainsFunc(h.fresh, h.waiting):
		h.park(never.why, never.fix)
	case how != "" && (how == AfterJob || len(h.ending) > 0):
		h.to(ways[how].state)
	default:
		h.to(WorkloadWaiting)
	}
	for _, p := range h.ending {
		h.tellEnd(p)
	}
}

// waiting: the pod's wave has not come.
func (h *herd) waiting(p *Pod) bool { return !h.Open(p.Node) }

// tellEnd says until when a pod may take to end, and what keeps it after that.
func (h *herd) tellEnd(p *Pod) {
	switch {
	case h.now.Before(p.GoneBy):
		h.wait("pod %s: ends by %s", p.Ref, p.GoneBy.UTC().Format("15:04:05"))
	case len(p.Finalizers) > 0:
		h.wait("pod %s: it has ended, and finalizer %s keeps it", p.Ref, list(p.Finalizers))
	default:
		h.wait("pod %s: should have ended by %s", p.Ref, p.GoneBy.UTC().Format("15:04:05"))
	}
}

// watch parks the workload when nothing of it has moved for too long.
func (h *herd) watch() {
	if settled(h.r.State) || h.resting() {
		h.r.mark = mark{}
		return
	}
	limit := h.limit()
	if slices.ContainsFunc(h.ending, func(p *Pod) bool { return h.now.Before(p.GoneBy.Add(overdue)) }) {
		h.r.mark = mark{}
		h.again(overdue)
		return
	}
	if !h.r.mark.stuck(h.now, h.signature(), limit) {
		h.again(limit - h.now.Sub(h.r.mark.since))
		return
	}
	why := fmt.Sprintf("nothing of it has moved for %s: %s", limit, h.stuckBy())
	h.park(why, h.remedy())
}

// limit is after how long it is parked if nothing of it moves. A released pod's
// replacement has one of its own besides: startLimit.
func (h *herd) limit() time.Duration {
	if h.r.State == WorkloadAfterJob && len(h.ending) == 0 {
		return jobPatience
	}
	return h.patience() + h.draining()
}

// startLimit is after how long it is parked if the replacement of a pod that it was
// made to let go of does not serve.
func (h *herd) startLimit() time.Duration { return cmp.Or(h.w.StartsWithin, patience) }

// patience is how long nothing of it may move: while a released pod's replacement
// starts, and nothing says that it will not, for as long as its author has it.
func (h *herd) patience() time.Duration {
	starts := func(p *Pod) bool { return !p.Ready && !p.Deleting && !p.stays() && p.Node != "" && p.starts() }
	if len(h.beside) > 0 && slices.ContainsFunc(h.Pods, starts) {
		return max(patience, h.w.StartsWithin)
	}
	return patience + h.w.MinReady
}

// starts: what Kubernetes says of a pod that is not Ready is what it says of every
// pod that is made.
func (p *Pod) starts() bool {
	return p.Trouble == "" || strings.HasPrefix(p.Trouble, "ContainerCreating") || strings.HasPrefix(p.Trouble, "PodInitializing")
}

// resting: nothing of it is to move now: no pod's wave has come, or it is not its turn,
// nothing is on its way out, and what is beside its replacement waits for the canary.
func (h *herd) resting() bool {
	if len(h.out)+len(h.ending) > 0 {
		return false
	}
	if h.d.InLine && len(h.beside) == 0 {
		return true
	}
	return !slices.ContainsFunc(h.fresh, func(p *Pod) bool { return h.Open(p.Node) }) &&
		!slices.ContainsFunc(h.beside, func(p *Pod) bool { return !h.Next(p.Node) })
}

// draining is the longest that those who send to a pod that was taken out are given,
// and target groups take to drain it, or may send to it after that.
func (h *herd) draining() time.Duration {
	longest := time.Duration(0)
	for _, p := range h.out {
		longest = max(longest, h.settleOf(p))
		for _, name := range h.holding(p) {
			longest = max(longest, h.Balancer(name).Draining, h.Balancer(name).Lag)
		}
	}
	return longest
}

// holding are the target groups that hold the pod, or have let go of it.
func (h *herd) holding(p *Pod) []string {
	return slices.AppendSeq(slices.Collect(maps.Keys(h.Targets(p))), maps.Keys(h.r.Released[p.UID].Left))
}

// signature changes whenever something of the workload moves.
func (h *herd) signature() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %d", len(h.fresh), h.owned)
	for _, set := range [][]*Pod{h.beside, h.out, h.ending} {
		b.WriteByte('|')
		for _, p := range set {
			b.WriteString(p.UID + " ")
		}
	}
	ready := 0
	for _, p := range h.Pods {
		if p.Ready && !p.Deleting {
			ready++
		}
	}
	b.WriteString(strconv.Itoa(ready))
	return b.String()
}

// stuckBy is what it waits for; the turn in which an eviction is tried once more
// waits for nothing, and what the last one met is it then.
func (h *herd) stuckBy() string {
	if len(h.waits) > 0 {
		return list(h.waits)
	}
	for _, p := range slices.Concat(h.out, h.beside, h.fresh) {
		if r, refused := h.Refused[p.UID]; refused {
			return fmt.Sprintf("pod %s: %s", p.Ref, r.Why)
		}
	}
	return "its pods are as they were"
}

// remedy is what would help a workload that is stuck.
func (h *herd) remedy() string {
	for _, p := range slices.Concat(h.out, h.beside, h.fresh, h.ending) {
		if len(p.Finalizers) > 0 && p.Deleting {
			return fmt.Sprintf("see why the controller of finalizer %s does not clear it: kubectl -n %s get pod %s -o yaml", p.Finalizers[0], p.Namespace, p.Name)
		}
		r, refused := h.Refused[p.UID]
		switch b := h.View.Budgets[p.Namespace+"/"+r.Budget]; {
		case !refused || r.Budget == "":
		case b != nil && b.keptFor(p):
			return fmt.Sprintf("see why the operator of its %s does not move pod %s off a closed node, or do it by its own means", strings.ToLower(p.Owner.Kind), p.Ref)
		default:
			return fmt.Sprintf("let the budget allow one disruption, by more replicas, less protection, or unhealthyPodEvictionPolicy: AlwaysAllow: kubectl -n %s get pdb %s", p.Namespace, r.Budget)
		}
	}
	if h.w.missesMember(h.Pods, h.Ended) != "" {
		return h.w.repair()
	}
	if ns := h.w.Namespace; ns != "" {
		return "see kubectl -n " + ns + " describe pods, then run the same command again"
	}
	return ""
}

// ordinal is a pod's number, 0 where pods have none.
func (w *Workload) ordinal(p *Pod) int {
	if w == nil || !w.Ordinals {
		return 0
	}
	return Ordinal(p.Name)
}

// Ordinal is the number at the end of a pod's name; 0 if there is none.
func Ordinal(pod string) int {
	n, err := strconv.Atoi(pod[strings.LastIndexByte(pod, '-')+1:])
	if err != nil {
		return 0
	}
	return n
}

// list shortens a list for one line.
func list(items []string) string {
	if len(items) > 1 {
		return fmt.Sprintf("%s (and %d more)", items[0], len(items)-1)
	}
	return strings.Join(items, "")
}
