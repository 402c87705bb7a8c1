package event

// The vocabulary of the facts. Every word that an event may carry is one of
// these constants, and docs/events.md lists the same ones; a reader of a log
// may meet words of a later version and shows them as they are.

// Severity is how bad a finding is.
type Severity string

// The severities, the worst first.
const (
	Blocker Severity = "blocker" // the move would never end, or lose something for good: it does not start
	Warning Severity = "warning" // requests or data may be lost
	Note    Severity = "note"    // good to know; the move takes care of it
)

// Phase is how far a hand-over as a whole is.
type Phase string

// The phases in their order; a hand-over that has to stop leaves it for
// PhaseStop and PhaseStopped.
const (
	PhaseInspect Phase = "inspect"
	PhaseReady   Phase = "ready"
	PhaseShift   Phase = "shift"
	PhaseSoak    Phase = "soak"
	PhaseDone    Phase = "done"
	PhaseStop    Phase = "stop"
	PhaseStopped Phase = "stopped"
)

// Way is the phases that a hand-over goes through if all goes well.
func Way() []Phase {
	return []Phase{PhaseInspect, PhaseReady, PhaseShift, PhaseSoak, PhaseDone}
}

// WorkloadState is how far one workload of a hand-over is, and how it moves.
type WorkloadState string

// The states of a workload. It waits, moves in one of five ways, and ends as
// moved or parked.
const (
	WorkloadWaiting    WorkloadState = "waiting"         // its turn has not come
	WorkloadSurging    WorkloadState = "surging"         // a new pod serves before an old one goes
	WorkloadInOrder    WorkloadState = "in order"        // one pod at a time, as a StatefulSet wants it
	WorkloadAfterJob   WorkloadState = "after its Job"   // its pods run to their end
	WorkloadByOperator WorkloadState = "by its operator" // what controls the pods moves them itself
	WorkloadGap        WorkloadState = "gap"             // an old pod goes first: the gap was accepted
	WorkloadMoved      WorkloadState = "moved"
	WorkloadParked     WorkloadState = "parked" // it stays where it is, for the reason told
)

// NodeChange is what was seen to happen to a node.
type NodeChange string

// The changes of a node.
const (
	NodeCordoned   NodeChange = "cordoned"
	NodeUncordoned NodeChange = "uncordoned"
	NodeExcluded   NodeChange = "excluded from load balancers"
	NodeIncluded   NodeChange = "back in load balancers"
	NodeRemoved    NodeChange = "removed"
)

// PodChange is what was seen to happen to a pod.
type PodChange string

// The changes of a pod. All but PodReplaced are of a pod on a node that is left.
const (
	PodReleased  PodChange = "released" // it serves on, outside its ReplicaSet
	PodOut       PodChange = "out of its Services"
	PodGivenBack PodChange = "given back"
	PodEvicted   PodChange = "evicted"
	PodEnding    PodChange = "ending" // its controller ends it: a rollout, a scale-down
	PodGone      PodChange = "gone"
	PodReplaced  PodChange = "replaced" // a new pod on another node serves in its place
)

// TargetState is how a load balancer treats an instance.
type TargetState string

// The states of a target.
const (
	TargetInService    TargetState = "InService"
	TargetOutOfService TargetState = "OutOfService"
	TargetDraining     TargetState = "draining"
	TargetUnused       TargetState = "unused" // registered where nothing is sent to it
	TargetOut          TargetState = "out"
)
