// Package handover empties a node group: it moves every pod to the nodes that
// stay, makes the load balancers let go of the old nodes, and watches that
// nothing comes back. The engine calls it between the create of a new group and
// the delete of the old one.
//
// # The flow
//
// Mover is the entrance. The engine calls HandOver (run.go) for a step of its plan, and
// Shelter (shelter.go) before a rollout of its own. Package move, for a move without a
// plan, calls Foresee (foresee.go), which tells what would become of each pod, then Run
// (scope.go) with an Errand, and End (finish.go) once the nodes are empty; or Open
// (back.go) for the way back. HandOver and Run take turns alike: a turn brings the View up to
// date, asks AWS, lets Move.Turn decide, saves the Record if it changed, reports
// facts, and carries the actions out, side by side. Turn is pure: it does no I/O
// and reads no clock. It is the sum of small machines, which are pure as well:
//
//	NextWorkload  workload.go   one workload: surge.go tells surge-first, order.go one at a time
//	NextNode      node.go       one node
//	Move.Turn     move.go       the phases; waves.go, balancers.go, groups.go, sentinels.go, ending.go
//	putBack       stop.go       the way to Stopped; Restore and Expired for what dead moves left
//
// Actions may be lost, repeated, or carried out twice: whatever is still needed
// is asked for again. What was done is told when it is seen (facts.go), whoever
// did it. A turn decides only about what changed and what has become due.
//
// Inspect (inspect.go, check.go; rollouts.go of what the plan rolls out itself) says beforehand what a move would meet; promise.go says how
// each pod may move, for the inspection and for the move alike. Retire takes the
// emptied nodes away, Ready waits for new ones, and Rescue (restore.go) gives
// back by hand what dead runs left, from the cluster alone.
//
// What it needs from the outside is Scaling, Balancers and Cluster, in
// outside.go. Packages aws and kube/cluster provide them, and package world, a
// model with time of its own, for the tests.
//
// # Words
//
//	leaving    a node that is to be emptied, and what runs there
//	wave       nodes that begin together: 1, 2, 4 …; the first is the canary
//	early      of a node whose wave has yet to come: load balancers let go of it, as they have of the canary
//	path       a way by which requests reach a workload's pods: a Service, or "" if it has none
//	serves     Ready for long enough, listed in the path's EndpointSlices, and its node reached
//	floor      how many pods must serve by a path at all times
//	promise    how a pod may move, and why not better
//	release    make its ReplicaSet let go of a pod, which serves on
//	beside     released, and still in its Services
//	out        taken out of its Services, on its way to its eviction
//	settle     how long those who sent to a pod may still do so
//	door       a label without which no Service selects the pod
//	handle     a label without which its ReplicaSet does not
//	veil       a label without which at most one disruption budget does
//	back       given back to its ReplicaSet, which has a pod too many for a moment
//	parked     given up for this move: it serves on where it is, all else goes on
//	held       an Auto Scaling group that does not act on its own
//	sentinel   a pod that never runs, and keeps others off its node
//	record     what cannot be observed, kept in the engine's journal and in the cluster
//	mark       what a move left on an object, so that anybody can give it back; in
//	           the code also a watchdog's memory of what it last saw move
package handover
