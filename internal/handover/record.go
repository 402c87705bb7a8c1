package handover

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/problem"
)

// The marks that a move leaves on objects while it works. Each is written in
// the same atomic write as the change it records, or before it, so that a crash
// never leaves a change without its record. The move's Record holds a copy.
const (
	// excludeLabel takes a node out of every load balancer that the AWS cloud
	// controller or the AWS Load Balancer Controller keeps; the only lever that
	// does (cordons, taints and NotReady do not).
	excludeLabel = "node.kubernetes.io/exclude-from-external-load-balancers"

	// LeavingTaint keeps new DaemonSet pods off a node whose old ones were taken
	// out of their Services. Effect NoSchedule.
	LeavingTaint = "drover.dev/leaving"

	BeforeAnnotation     = "drover.dev/before"     // on nodes: what they were like before
	ReleasedAnnotation   = "drover.dev/released"   // on pods: a Release
	ExpendableAnnotation = "drover.dev/expendable" // by the user, "true": the pod may be ended for good
	AcceptGapAnnotation  = "drover.dev/accept-gap" // by the user, "true": nothing need serve while the pod moves
	SentinelLabel        = "drover.dev/sentinel"   // on sentinels: the node's name

	// DoNotDisruptAnnotation is Karpenter's: "true" on nodes and pods, or on pods a time
	// from their start on ("30m").
	DoNotDisruptAnnotation = "karpenter.sh/do-not-disrupt"

	// CostAnnotation ranks a ReplicaSet's pods for deletion, lowest first.
	CostAnnotation = "controller.kubernetes.io/pod-deletion-cost"
	highestCost    = "2147483647" // int32: deleted last
	lowestCost     = "-2147483648"

	// FenceTag is on Auto Scaling groups with a fence: what they were like before,
	// as JSON; empty: they had it from the first.
	FenceTag = "drover.dev/fence"

	suspendedTag = "drover.dev/suspended" // on Auto Scaling groups: processes that ran before, joined by spaces
	minTag       = "drover.dev/min"       // on Auto Scaling groups: MinSize before
)

// Record is all that a move must remember because it cannot be observed. It is
// kept twice: where the caller saves it (the engine's journal) and in the cluster.
type Record struct {
	Group     string                       `json:"group"` // that is handed over
	Keep      int                          `json:"keep,omitempty"`
	Back      bool                         `json:"back,omitempty"` // it takes an earlier move back
	Phase     Phase                        `json:"phase"`
	Since     time.Time                    `json:"since"`            // when the phase began
	Beat      time.Time                    `json:"beat,omitzero"`    // when the copy in the cluster was last renewed
	Wave      int                          `json:"wave,omitempty"`   // nodes of this wave and of earlier ones may move
	WaveAt    time.Time                    `json:"waveAt,omitzero"`  // since when the next wave is waited for: this one began, or nothing of the canary was under way any more
	Nodes     map[string]*NodeRecord       `json:"nodes,omitempty"`  // that leave
	Holds     map[string]hold              `json:"holds,omitempty"`  // groups held still, and what they were like before
	Calmed    map[string]map[string]string `json:"calmed,omitempty"` // nodes that autoscalers are kept off, and which of Calming they had before
	Rested    map[string]map[string]string `json:"rested,omitempty"` // by key: what runs deschedulers and is off, and what it was like before
	Workloads map[string]*WorkloadRecord   `json:"workloads,omitempty"`
	Balancers []string                     `json:"balancers,omitempty"` // that were seen sending traffic through the nodes
	Guarded   bool                         `json:"guarded,omitempty"`   // sentinels may stand on the nodes
	Repels    []Repelled                   `json:"repels,omitempty"`    // what they keep off
	Closed    time.Time                    `json:"closed,omitzero"`     // since when all nodes are closed
	Reason    *Reason                      `json:"reason,omitempty"`    // why it stops
	Paused    bool                         `json:"paused,omitempty"`    // interrupted while its empty nodes soaked: no run is at work on it

	Entered string `json:"entered,omitempty"` // the holder of the lock under which it moves pods

	// For those who look at it from elsewhere.
	Kept     bool            `json:"kept,omitempty"`     // it is done, and its nodes stay: empty and closed, until somebody takes them back
	Opened   bool            `json:"opened,omitempty"`   // … which they are: its nodes are open again, and what it moved goes back
	Ending   *Ending         `json:"ending,omitempty"`   // what ends once its nodes are empty: then the record stays until it has
	Order    json.RawMessage `json:"order,omitempty"`    // see Errand.Order
	Baseline json.RawMessage `json:"baseline,omitempty"` // see Errand.Baseline
	Waits    []Waiting       `json:"waits,omitempty"`    // what it waits for, the longest first
	Log      []event.Event   `json:"log,omitempty"`      // its last events
}

// Waiting is one thing that a move waits for, and since when.
type Waiting struct {
	For   string    `json:"for"`
	Since time.Time `json:"since"`
}

// Reason is why a move, or a part of it, stopped, in the words of problem.Error.
type Reason struct {
	Kind  problem.Kind `json:"kind"`
	Op    string       `json:"op"`
	Why   string       `json:"why"`
	Fix   string       `json:"fix"`
	Notes []string     `json:"notes,omitempty"` // further findings of the same kind
	Fresh bool         `json:"fresh,omitempty"` // the nodes that were to take the pods failed
}

// NodeRecord is one node that leaves.
type NodeRecord struct {
	Before   before    `json:"before"`
	Wave     int       `json:"wave"`
	State    NodeState `json:"state"`
	Since    time.Time `json:"since"`             // when the state began
	Excluded time.Time `json:"excluded,omitzero"` // since when it was seen kept out of load balancers
	Left     Left      `json:"left,omitempty"`    // its load balancers, and since when they have let go of it
	Why      string    `json:"why,omitempty"`     // why it cannot be emptied
	asked    bool      // to leave its load balancers: from then on nothing on it counts as reached through them
	serving  bool      // pods that stay on it keep it in its load balancers
	mark     mark

	// Released are its DaemonSets' pods that were taken out of their Services, by UID.
	Released map[string]PodRecord `json:"released,omitempty"`
}

// over: the move has nothing more to do for the node, or cannot.
func (n *NodeRecord) over() bool { return n.State.settled() || n.Why != "" }

// WorkloadRecord is one workload of which pods leave.
type WorkloadRecord struct {
	State    WorkloadState     `json:"state"`
	Since    time.Time         `json:"since"`           // when the state began
	Wants    int               `json:"wants,omitempty"` // most pods that were seen of one of which nobody tells what it wants
	Floors   map[string]int    `json:"floors,omitempty"`
	Denied   map[string]string `json:"denied,omitempty"` // calls that were refused for good, and why
	CameBack map[string]bool   `json:"back,omitempty"`   // UIDs of replacements that started on nodes that leave
	Why      string            `json:"why,omitempty"`    // why it is parked
	// GaveBack: a pod under way was given back. That its ReplicaSet wants none any more,
	// and ends it, is not what the workload was parked for.
	GaveBack bool   `json:"gaveBack,omitempty"`
	Fix      string `json:"fix,omitempty"`
	mark     mark
	// nowhere are paths that lead to none of its pods, and since when; not kept, as a mark is not.
	nowhere map[string]time.Time
	asked   map[string]time.Time // to leave their Services, or to end, by UID, and when: whatever an old view shows, they count as gone
	letGo   map[string]time.Time // by UID, and when: however old the view is, they count as released for a moment

	// Released are the pods under way, by UID: a copy of what lies on them.
	Released map[string]PodRecord `json:"released,omitempty"`
}

// PodRecord is what a move knows of a pod that it released.
type PodRecord struct {
	Ref
	Release Release   `json:"release"`
	Gone    time.Time `json:"gone,omitzero"`  // since when no EndpointSlice lists it
	Left    Left      `json:"left,omitempty"` // target groups that held its address, and since when they have let go of it
}

// mark is a watchdog: what was last seen to move, and since when. It is not
// kept: after a crash patience begins anew.
type mark struct {
	seen  string
	since time.Time
}

// stuck is true when what is seen has not changed for the limit.
func (m *mark) stuck(now time.Time, seen string, limit time.Duration) bool {
	if m.since.IsZero() || m.seen != seen {
		m.seen, m.since = seen, now
	}
	return now.Sub(m.since) >= limit
}

// before is what a node was like before the move touched it.
type before struct {
	Unschedulable bool     `json:"unschedulable"`
	Exclude       *string  `json:"exclude,omitempty"`
	Registered    []string `json:"registered,omitempty"` // with what its Auto Scaling group registered it, and the move takes it out of
}

// Release records how to give a released pod back.
type Release struct {
	Group    string            `json:"group"`              // whose move it is
	Workload string            `json:"workload"`           // deployment/apps/nginx
	At       time.Time         `json:"at"`                 //
	Until    time.Time         `json:"until"`              // after that any run gives it back
	Rollout  bool              `json:"rollout,omitempty"`  // it was released for one that the plan begins
	Owner    *Owner            `json:"owner,omitempty"`    // its former controller, if that was changed
	Labels   map[string]string `json:"labels,omitempty"`   // taken away
	Cost     *string           `json:"cost,omitempty"`     // former deletion cost
	Floors   map[string]int    `json:"floors,omitempty"`   // what its workload was owed then, by path: whoever takes the pod over owes it
	Out      bool              `json:"out,omitempty"`      // its Services' labels are among those taken
	OutAt    time.Time         `json:"outAt,omitzero"`     // when it was taken out, or given back
	Settle   time.Duration     `json:"settle,omitempty"`   // how long those who sent to it may still do so, nanoseconds
	Services []string          `json:"services,omitempty"` // that it was taken out of
	Back     bool              `json:"back,omitempty"`     // given back; its ReplicaSet has yet to remove the surplus pod
}

// release reads the record of a released pod; ok is false if it is not one.
func (p *Pod) release() (r Release, ok bool) {
	return noted[Release](p.Released)
}

// beside: released, and not given back.
func (p *Pod) beside() bool {
	r, ok := p.release()
	return ok && !r.Back
}

// encode writes plain data as JSON; data of this package's own types cannot fail.
func encode(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%q", err.Error())
	}
	return string(data)
}

// noted reads what a move has written into an annotation; ok is false if it carries
// nothing, or nothing that can be read.
func noted[T any](text string) (what T, ok bool) {
	ok = text != "" && json.Unmarshal([]byte(text), &what) == nil
	return what, ok
}

// newRecord begins a move.
func newRecord(group string, keep int, now time.Time) *Record {
	return &Record{
		Group: group, Keep: keep, Phase: Inspect, Since: now, Nodes: map[string]*NodeRecord{}, Holds: map[string]hold{}, Calmed: map[string]map[string]string{}, Workloads: map[string]*WorkloadRecord{},
	}
}

// ReadRecord reads what was saved; a record of another move is none.
func ReadRecord(data []byte) (*Record, error) {
	r := newRecord("", 0, time.Time{})
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("read the record of a move: %w", err)
	}
	return r, nil
}

// leaving are the names of the nodes that leave, in the order of their waves.
func (r *Record) leaving() []string {
	names := slices.Sorted(maps.Keys(r.Nodes))
	slices.SortStableFunc(names, func(a, b string) int { return r.Nodes[a].Wave - r.Nodes[b].Wave })
	return names
}
