// Package handover empties a node group: it moves every pod to the nodes that
// stay, makes the load balancers let go of the old nodes, evicts what is left,
// and watches that nothing comes back. The engine calls it between the create
// of a new group and the delete of the old one.
//
// Next is its core: a pure function from what is remembered (State) and what
// is seen (Observed) to what to do (Action). Mover runs it: it observes through
// watches, saves the State, carries the actions out and reports facts. The
// phases are drawn at Phase; the surge-first move of a pod is told at shift, in
// shift.go; what is checked beforehand stands in the list of checks in inspect.go.
//
// What it needs from the outside is Scaling, Balancers and Cluster, in
// outside.go. Packages aws and kube/cluster provide them.
package handover
