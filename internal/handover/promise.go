package handover

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// How a pod moves.
type How string

// The ways to move, from the best to none.
const (
	SurgeFirst How = "surge-first" // its replacement serves before it is told to go
	InOrder    How = "in order"    // one at a time, the next when all others serve
	ByOperator How = "by operator" // the same, and its controller may do it itself once it is asked to go
	AfterJob   How = "after job"   // it ends by itself
	Gap        How = "gap"         // nothing serves for a while, as the user accepted
	Never      How = "never"       // it cannot be moved
)

// way is what goes by how a pod moves, besides its first step (workload.go, leave).
type way struct {
	state     WorkloadState // of its workload, while pods of it leave so
	budgets   bool          // those over it have a say, as its eviction is asked for; of one that cannot move they are told as well
	endsFirst bool          // it is ended before its replacement is there
	consent   bool          // … and may leave a Service with nobody, which its user has to accept
}

// ways has a row for every How: one that lacks it would be evicted without consent to
// a gap, and told of in no state. What is tried before anything changes goes by the
// workload's nature (check.go, rehearsals): how a pod moves follows from it.
var ways = map[How]way{
	SurgeFirst: {state: WorkloadSurging, budgets: true},
	InOrder:    {state: WorkloadInOrder, budgets: true, endsFirst: true, consent: true},
	ByOperator: {state: WorkloadByOperator, budgets: true, endsFirst: true, consent: true},
	AfterJob:   {state: WorkloadAfterJob},
	Gap:        {state: WorkloadGap, budgets: true, endsFirst: true},
	Never:      {state: WorkloadParked, budgets: true},
}

// promise is how one pod may move, and why not better.
type promise struct {
	how     How
	why     string // it is not surge-first
	fix     string // what would help
	byOwner bool   // surge-first: released by its controller reference, else by its label Handle
	direct  bool   // surge-first: ended without being taken out of its Services, which its preStop hook covers
}

// verbs are the calls that a refusal for good is remembered of.
const (
	verbCreate  = "create"
	verbHold    = "hold"
	verbRelease = "release"
	verbTakeOut = "take out"
	verbEvict   = "evict"
	verbKeepOff = "keep off" // a sentinel for it on a node that leaves
)

// promised says how a pod may move. Denied are the calls about its workload
// that were refused for good; settle is how long those who send to it may go on;
// shared, that pods of other workloads stand behind the Service as well.
func promised(p *Pod, w *Workload, denied map[string]string, settle time.Duration, shared func(p *Pod, service string) bool) promise {
	switch {
	case p.DoNotDisrupt != "" && (w == nil || w.Nature != Runs):
		return promise{how: Never, why: "its annotation " + p.DoNotDisrupt + " forbids to disrupt it",
			fix: "remove the annotation, or end the pod yourself"}
	case p.Workload == "" && p.Released == "":
		return bare(p)
	case w == nil:
		return promise{how: InOrder, why: "its controller is gone"}
	case w.Nature == Runs:
		return job(p, w)
	case p.Fixed != "":
		return promise{how: Never, why: "its template names node " + p.Fixed + " (spec.nodeName): a replacement would return to it",
			fix: "use a nodeSelector instead of nodeName"}
	}
	if slice := p.byHand(); slice != "" {
		return promise{how: Never, why: "EndpointSlice " + slice + " lists its address and no controller keeps it: requests would go on to a pod that is gone",
			fix: "delete the EndpointSlice, or give its Service a selector"}
	}
	if p.Shares != "" {
		return promise{how: Never, why: p.Shares + ": neither can start elsewhere before the other one is gone",
			fix: "run one pod of them, or give each a volume of its own (a StatefulSet), or one that several nodes can attach (ReadWriteMany)"}
	}
	if why := denied[verbCreate]; why != "" {
		return promise{how: Never, why: "another pod like it could not be made: " + why, fix: cureCreate(p, why)}
	}
	if why := denied[verbEvict]; why != "" {
		return promise{how: Never, why: "it may not be evicted: " + why, fix: cure(why)}
	}
	if why := denied[verbKeepOff]; why != "" && p.Tolerates {
		return promise{how: Never, why: "it tolerates every taint, and no pod may be made that keeps it off the nodes that leave: " + why,
			fix: "take the toleration out, or let Drover make pods in kube-system (drover rbac prints the Role), then run the same command again"}
	}
	return withGap(p, w, byNature(p, w, denied, settle), shared)
}

func byNature(p *Pod, w *Workload, denied map[string]string, settle time.Duration) promise {
	switch w.Nature {
	case Replicated:
		return replicated(p, w, denied, settle)
	case Ordered:
		return promise{how: InOrder, why: cmp.Or(w.InTurn, "each of its pods goes before the next one comes")}
	case Operated, Runs:
	}
	return promise{how: ByOperator, why: "only its controller (" + w.Kind + ") knows how to replace it"}
}

// withGap asks for consent where a pod that has no other beside it serves
// requests and cannot be replaced before it goes, or takes all others along.
func withGap(p *Pod, w *Workload, pr promise, shared func(p *Pod, service string) bool) promise {
	if !ways[pr.how].consent || !p.Ready && !w.Together {
		return pr
	}
	service, rest := p.behind(func(x Path) bool { return !shared(p, x.Service) }), " (or on its workload), or let a second pod run beside it"
	switch {
	case w.Together:
		rest = ", and each other pod of its group, or let a second group run beside it"
	case w.Wants > 1:
		service, rest = p.ownService(), " (or on its workload)"
	}
	if service == "" && !w.Together {
		return pr
	}
	if p.AcceptGap {
		pr.how = Gap
		return pr
	}
	if service != "" {
		service = " Service " + service
	}
	return promise{how: Never, why: "while it moves nothing would serve" + service + ": " + pr.why,
		fix: fmt.Sprintf("accept the gap: kubectl -n %s annotate pod %s %s=true%s", p.Namespace, p.Name, AcceptGapAnnotation, rest)}
}

// service is a Service that selects the pod.
func (p *Pod) service() string { return p.behind(func(Path) bool { return true }) }

// ownService is a Service that selects the pod, and no other one ever.
func (p *Pod) ownService() string { return p.behind(func(x Path) bool { return x.Own }) }

func (p *Pod) behind(is func(Path) bool) string {
	if i := slices.IndexFunc(p.Paths, func(x Path) bool { return x.Selected && is(x) }); i >= 0 {
		return p.Paths[i].Service
	}
	return ""
}

func bare(p *Pod) promise {
	if p.Expendable {
		return promise{how: Gap, why: "nothing controls it: it ends for good, as its annotation allows"}
	}
	return promise{how: Never, why: "nothing controls it: once evicted it is gone for good",
		fix: fmt.Sprintf("delete it, let a Deployment make it, or allow its end: kubectl -n %s annotate pod %s %s=true", p.Namespace, p.Name, ExpendableAnnotation)}
}

func job(p *Pod, w *Workload) promise {
	lost := "what it did would be lost"
	if w.FailsIfEnded {
		lost += ", and its " + w.Kind + " would fail for good"
	}
	if p.Expendable {
		return promise{how: Gap, why: lost + ", as its annotation allows"}
	}
	return promise{how: AfterJob, why: lost,
		fix: fmt.Sprintf("let it finish, or allow its end: kubectl -n %s annotate pod %s %s=true", p.Namespace, p.Name, ExpendableAnnotation)}
}

// replicated pods move surge-first if there is a way to let them go, a way to
// take them out of their Services, and room for one more by their own strategy.
func replicated(p *Pod, w *Workload, denied map[string]string, settle time.Duration) promise {
	inOrder := promise{how: InOrder}
	switch {
	case p.Alone != "":
		inOrder.why = "no second pod may run beside it: " + p.Alone
		return inOrder
	case !w.surges():
		inOrder.why = "its own strategy allows no pod beyond those wanted (maxSurge 0)"
		return inOrder
	}
	pr := promise{how: SurgeFirst, byOwner: w.Holder != nil && denied[verbHold] == ""}
	if !pr.byOwner && (p.Handle == "" || denied[verbRelease] != "") {
		inOrder.why = "there is no way to let it leave its ReplicaSet and serve on"
		if why := denied[verbRelease]; why != "" {
			inOrder.why += ": " + why
		} else if why := denied[verbHold]; why != "" {
			inOrder.why += ": " + why
		}
		return inOrder
	}
	if !p.selected() {
		return pr
	}
	shut := denied[verbTakeOut]
	if shut == "" && len(p.Doors) == 0 {
		shut = p.NoDoor
	}
	if shut == "" {
		return pr
	}
	pr.direct = true
	if covered(p, settle) || p.AcceptGap {
		return pr
	}
	return promise{how: Never, why: "it cannot be taken out of its Services before it ends: " + shut,
		fix: fmt.Sprintf("a preStop hook that sleeps for %s or more, a Service selector with a label of its own, or accept lost requests: annotation %s=true", settle.Round(time.Second), AcceptGapAnnotation)}
}

// covered: its preStop hook keeps it serving for as long as anybody may send to it.
func covered(p *Pod, settle time.Duration) bool {
	return p.PreStopTime >= settle && p.PreStopTime < p.Grace
}

// byHand names a hand-kept EndpointSlice that lists the pod.
func (p *Pod) byHand() string {
	if i := slices.IndexFunc(p.Paths, func(x Path) bool { return x.ByHand != "" }); i >= 0 {
		return p.Paths[i].ByHand
	}
	return ""
}
