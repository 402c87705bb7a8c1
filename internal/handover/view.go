package handover

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Snapshot is a cluster as far as a hand-over looks at it. Package
// kube/cluster makes it from Kubernetes objects; it is plain data, so that
// everything decided on it can be decided again in a test.
type Snapshot struct {
	Nodes     []Node     // sorted by name
	Pods      []Pod      // sorted by namespace and name
	Workloads []Workload // sorted by key; what controls the pods
	Services  []Service  // those with a load balancer
	Budgets   []Budget   // PodDisruptionBudgets
}

// Node is one node.
type Node struct {
	Name        string
	Instance    string // i-0123456789abcdef0, from its provider ID
	Group       string // its label drover.dev/nodegroup
	Version     string // of its kubelet: v1.35.6
	Created     time.Time
	Ready       bool
	Initialized bool // no taint left that says a controller has yet to set it up
	Cordoned    bool
	Exclude     *string  // value of the label that keeps it out of load balancers; nil: no such label
	Before      string   // annotation drover.dev/before: what a hand-over must put back
	Daemons     []string // DaemonSets whose pod belongs there and is not Ready
	Volumes     []string // volumes attached to it
	CPU         int64    // allocatable, in thousandths of a core
	Memory      int64    // allocatable, in bytes
	MaxPods     int
}

// excluded follows the service controller: any value but one that reads as false.
func (n Node) excluded() bool {
	if n.Exclude == nil {
		return false
	}
	no, err := strconv.ParseBool(*n.Exclude)
	return err != nil || no
}

// usable: pods may start there.
func (n Node) usable() bool { return n.Ready && n.Initialized && !n.Cordoned }

// Pod is one pod.
type Pod struct {
	Ref
	Node        string
	Workload    string // key of its Workload; empty: nothing controls it
	Labels      map[string]string
	Released    string  // annotation drover.dev/released
	Cost        *string // annotation controller.kubernetes.io/pod-deletion-cost
	Expendable  bool    // annotation drover.dev/expendable=true: the user allows that it is lost
	Daemon      bool    // controlled by a DaemonSet
	Mirror      bool    // a static pod of its node
	Finished    bool    // succeeded or failed
	Ready       bool
	ReadySince  time.Time // since when it is, or is not, Ready
	Deleting    bool
	Evicted     bool          // Deleting, and the Eviction API did it
	GoneBy      time.Time     // when its grace period ends; set while Deleting
	Grace       time.Duration // termination grace period
	PreStop     bool          // some container has a preStop hook
	PreStopTime time.Duration // how long its preStop hooks sleep; 0 if unknown
	Probe       bool          // every container with a port has a readiness probe
	EmptyDir    bool          // holds data that ends with it, other than in memory
	Trouble     string        // why it is not Ready: "Unschedulable: 0/5 nodes are available: …"

	// Handle is a label that its ReplicaSet selects by and no Service or disruption
	// budget does: without it the pod leaves the ReplicaSet and keeps serving.
	// Empty: there is none.
	Handle string
	// Alone is why no second pod may run beside it; it has no Handle then.
	Alone string
	// Services select it now. Doors are labels of it without which none of
	// them does. Listed names the Services whose EndpointSlices still hold it.
	Services []string
	Doors    []string
	Listed   []string
	// Serving: Ready, and every Service that selects it sends it requests.
	Serving bool
	Budgets []string // PodDisruptionBudgets that select it

	Group  string // the node group that its own selectors name, if they do
	CPU    int64  // requested, in thousandths of a core
	Memory int64  // requested, in bytes
	// Apart are the UIDs of pods with which a copy of it may not share a node.
	Apart []string
}

// stays: it belongs to its node, or no longer runs; a move leaves it alone.
func (p Pod) stays() bool { return p.Daemon || p.Mirror || p.Finished }

// Workload is what controls pods: a Deployment (standing for its
// ReplicaSets), a ReplicaSet without one, a StatefulSet, a Job …
type Workload struct {
	Kind      string // Deployment
	API       string // apps/v1
	Namespace string
	Name      string
	Replicas  int           // pods it wants
	Surge     int           // pods it may have beyond that during a rollout, at least 1
	MinReady  time.Duration // how long a pod must be Ready to count
	Deadline  time.Duration // its author's patience for one pod to become Ready
	Settled   bool          // no rollout is under way
	Trouble   string        // why it cannot make a pod: "exceeded quota: …"
}

// Key is how a workload is named everywhere: "deployment/apps/nginx".
func (w Workload) Key() string {
	return strings.ToLower(w.Kind) + "/" + w.Namespace + "/" + w.Name
}

// Service is a Service of type LoadBalancer.
type Service struct {
	Namespace string
	Name      string
	Host      string // of its load balancer
	Local     bool   // externalTrafficPolicy Local: a node only serves through pods of its own
	// Nodes are those through which the load balancer may send traffic: for
	// Local those with a pod that serves, else all that its annotations admit.
	Nodes []string
}

// Budget is a PodDisruptionBudget.
type Budget struct {
	Namespace string
	Name      string
	Expected  int  // pods it counts
	Desired   int  // pods that must stay healthy
	Allowed   int  // disruptions it allows now
	Never     bool // it allows none even when every pod is healthy
}

// node finds a node by name.
func (s Snapshot) node(name string) (Node, bool) {
	i, ok := slices.BinarySearchFunc(s.Nodes, name, func(n Node, name string) int { return strings.Compare(n.Name, name) })
	if !ok {
		return Node{}, false
	}
	return s.Nodes[i], true
}

// workload finds a workload by key.
func (s Snapshot) workload(key string) (Workload, bool) {
	i := slices.IndexFunc(s.Workloads, func(w Workload) bool { return w.Key() == key })
	if i < 0 {
		return Workload{}, false
	}
	return s.Workloads[i], true
}
