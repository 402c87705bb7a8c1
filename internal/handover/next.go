package handover

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/problem"
)

// Phase is where a hand-over stands.
//
//	            blockers                       a pod appeared, or a target
//	inspect ───────────────▶ stopped     ┌──────────────┬─────────┬─────────┐
//	   │                        ▲        ▼              │         │         │
//	   └──▶ ready ─────────▶ shift ──────────▶ release ─┴▶ evict ─┴▶ soak ──┴▶ done
//	          │                │                  │          │        │
//	          └────────────────┴──────▶ stop ◀────┴──────────┴────────┘
//	             traffic suffers, or     │
//	             nothing moves in time   └──▶ stopped
//
// Up to ready nothing is closed. From shift on the old nodes are cordoned and
// their group is held still; every turn makes sure that this is still so. Stop
// puts everything back that the hand-over changed, and what was moved stays
// moved: all of it serves. A stopped hand-over that is asked for again starts
// at inspect and finds less to do. Done deletes nothing: that is the plan's
// next step.
type Phase string

// The phases.
const (
	Inspect      Phase = "inspect"
	Ready        Phase = "ready"
	Shift        Phase = "shift"
	ReleaseNodes Phase = "release"
	EvictRest    Phase = "evict"
	Soak         Phase = "soak"
	Done         Phase = "done"
	Stop         Phase = "stop"
	Stopped      Phase = "stopped"
)

// reversible phases can be stopped. This is the rule's only home.
func (p Phase) reversible() bool {
	switch p {
	case Ready, Shift, ReleaseNodes, EvictRest, Soak:
		return true
	case Inspect, Done, Stop, Stopped:
	}
	return false
}

// State is what a hand-over must remember because it cannot be observed. It is
// saved as JSON whenever it changes.
type State struct {
	Group     string    `json:"group"` // that is handed over
	Keep      int       `json:"keep,omitempty"`
	Phase     Phase     `json:"phase"`
	Since     time.Time `json:"since"`               // when the phase began
	Nodes     []string  `json:"nodes,omitempty"`     // that leave, once chosen; all of the group if it goes as a whole
	Balancers []string  `json:"balancers,omitempty"` // that were seen sending traffic through them
	// Out tells since when a pod, by UID, has been out of every EndpointSlice.
	Out map[string]time.Time `json:"out,omitempty"`
	// Marks are the watchdogs: what was last seen to move, and when.
	Marks  map[string]Mark `json:"marks,omitempty"`
	Reason *Reason         `json:"reason,omitempty"` // why it stops
}

// Mark is one watchdog.
type Mark struct {
	Seen  string    `json:"seen"`
	Since time.Time `json:"since"`
}

// Reason is why a hand-over stopped, in the words of problem.Error.
type Reason struct {
	Kind problem.Kind `json:"kind"`
	Op   string       `json:"op"`
	Why  string       `json:"why"`
	Fix  string       `json:"fix"`
	// Notes are further findings of the same kind.
	Notes []string `json:"notes,omitempty"`
}

// Observed is everything a decision rests on, read afresh for every turn.
type Observed struct {
	At        time.Time
	Breach    string  // why the guard says that traffic suffers; empty: it does not
	From      Group   // the Auto Scaling group that is handed over
	To        []Group // those that stay, or are new
	Cluster   Snapshot
	Balancers []Balancer
	// Places are the nodes that would take each pod of the old nodes, by UID,
	// by selectors, taints and volumes. Read only while in Ready.
	Places map[string][]string
	// Refused are evictions that were refused lately, by UID.
	Refused map[string]Refused
}

// Refused is the last refusal of one eviction.
type Refused struct {
	At time.Time
	Refusal
}

// Limits of time. All of them stop a hand-over; none skips anything.
const (
	// patience is how long nothing may move at all. EKS gives a managed group's
	// node the same 15 min to drain during an update (EKS user guide,
	// managed-node-update-behavior).
	patience = 15 * time.Minute

	// settle is from a pod's leaving every EndpointSlice until it may go: the
	// proxies of all nodes follow and requests under way end. 3 s was measured
	// with kube-proxy in nftables mode: 0 of 131,430 requests lost, against 18
	// of 38,645 without it. kube-proxy syncs at least once a second under load
	// (--nftables-min-sync-period 1s).
	settle = 3 * time.Second

	// brokenAfter is how long a pod must not have been Ready to be evicted
	// without a replacement: one that is just starting may serve any moment.
	brokenAfter = time.Minute

	// evictRetry is the pause before asking again for a pod whose eviction was
	// refused: kubectl's (kubectl/pkg/drain/drain.go, evictPods).
	evictRetry = 5 * time.Second

	// drainMargin is what a load balancer may take beyond its own draining
	// time: the service controller retries after 5 s to 300 s.
	drainMargin = 2 * time.Minute

	// soakTime is how long the old nodes must have stayed empty to be done.
	soakTime = 5 * time.Second

	// sureAfter is how long nothing may be left to put back until Stop believes
	// it: the last writes may still be on their way through the watches.
	sureAfter = 3 * time.Second

	// backLimit is how long Stop tries to finish the pods under way before it
	// gives them back to their ReplicaSets as they are.
	backLimit = time.Minute
)

// Limits of parallelism.
const (
	surging  = 8  // pods beyond the wanted ones, over all workloads
	evicting = 10 // pods that are ending, over all nodes
	perNode  = 5  // pods that are ending, on one node: as kubelets stop them side by side
)

// Next decides one turn. It does no I/O and reads no clock: the same State and
// Observed always give the same answer. Its actions may be lost, repeated, or
// carried out twice: whatever is still needed is asked for again next turn.
func Next(s State, o Observed) (State, []Action) {
	t := newTurn(s, o)
	if o.Breach != "" && s.Phase.reversible() {
		t.stop(Reason{
			Kind: problem.Guarded,
			Op:   "hand over " + s.Group,
			Why:  o.Breach,
			Fix:  "nothing is lost: the nodes of " + s.Group + " take pods and traffic again. Find out what made requests fail, then run the same command again: it continues",
		})
		return t.s, t.actions
	}
	switch s.Phase {
	case Inspect:
		t.inspect()
	case Ready:
		t.ready()
	case Shift:
		t.shift()
	case ReleaseNodes:
		t.release()
	case EvictRest:
		t.evict()
	case Soak:
		t.soak()
	case Stop:
		t.putBack()
	case Done, Stopped:
	}
	return t.s, t.actions
}

// turn is one call of Next: what is known, sorted out, and what to do.
type turn struct {
	s       State
	o       Observed
	actions []Action
	stopped bool // in this very turn: nothing more is asked for

	old     []Node           // that leave
	leaving map[string]bool  // their names
	going   map[string]bool  // their instances, and those that never became nodes
	pods    []Pod            // on old nodes that a move concerns
	all     map[string][]Pod // every pod of a workload, by its key, released ones too
}

func newTurn(s State, o Observed) *turn {
	s.Out, s.Marks = maps.Clone(s.Out), maps.Clone(s.Marks)
	t := &turn{s: s, o: o, leaving: map[string]bool{}, going: map[string]bool{}, all: map[string][]Pod{}}
	t.old = members(o, s)
	for _, n := range t.old {
		t.leaving[n.Name] = true
		if n.Instance != "" {
			t.going[n.Instance] = true
		}
	}
	if s.Keep == 0 {
		for _, i := range o.From.Instances {
			t.going[i.ID] = true
		}
	}
	for _, p := range o.Cluster.Pods {
		if t.leaving[p.Node] && !p.stays() {
			t.pods = append(t.pods, p)
		}
		key := p.Workload
		if r, ok := p.release(); ok {
			key = r.Workload
		}
		if key != "" && !p.Finished {
			t.all[key] = append(t.all[key], p)
		}
	}
	for uid := range t.s.Out {
		if !slices.ContainsFunc(t.pods, func(p Pod) bool { return p.UID == uid }) {
			delete(t.s.Out, uid)
		}
	}
	return t
}

// members are the nodes that leave: those chosen, or all of the group.
func members(o Observed, s State) []Node {
	var nodes []Node
	for _, n := range o.Cluster.Nodes {
		if s.Keep == 0 && belongs(n, s.Group, o.From) || slices.Contains(s.Nodes, n.Name) {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// belongs: by instance, or by label once the instance has left its group, or
// the group is gone. Then g is zero, and only its name is known.
func belongs(n Node, group string, g Group) bool {
	return group != "" && n.Group == group || n.Instance != "" && slices.ContainsFunc(g.Instances, func(i Instance) bool { return i.ID == n.Instance })
}

func (t *turn) act(a Action) {
	if !t.stopped {
		t.actions = append(t.actions, a)
	}
}

func (t *turn) wait(format string, args ...any) { t.act(Wait{For: fmt.Sprintf(format, args...)}) }

// to enters a phase.
func (t *turn) to(p Phase) {
	t.s.Phase, t.s.Since, t.s.Marks = p, t.o.At, nil
}

// stop turns back, unless this turn does so already: the first reason counts.
// The next turn begins to put back.
func (t *turn) stop(r Reason) {
	if t.stopped {
		return
	}
	t.s.Reason = &r
	t.actions, t.stopped = nil, true
	t.to(Stop)
}

// stuck is a watchdog: it is true when what is seen has not changed for too long.
func (t *turn) stuck(key, seen string, limit time.Duration) bool {
	if m, ok := t.s.Marks[key]; ok && m.Seen == seen {
		return t.o.At.Sub(m.Since) >= limit
	}
	if t.s.Marks == nil {
		t.s.Marks = map[string]Mark{}
	}
	t.s.Marks[key] = Mark{Seen: seen, Since: t.o.At}
	return false
}

// waited is how long the watchdog has seen the same.
func (t *turn) waited(key string) time.Duration { return t.o.At.Sub(t.s.Marks[key].Since) }

func (t *turn) inspect() {
	t.s.Nodes = t.choose()
	*t = *newTurn(t.s, t.o)
	if t.spareNodes() {
		return
	}
	found := findings(t, nil)
	for _, f := range found {
		t.act(Report{Finding: f})
	}
	if r := refusal(t.s.Group, found); r != nil {
		t.s.Reason = r
		t.to(Stopped)
		return
	}
	t.to(Ready)
}

// spareNodes opens the nodes that an earlier hand-over of the group closed and
// this one does not choose: it keeps more. True: there were some.
func (t *turn) spareNodes() bool {
	if t.s.Keep == 0 {
		return false // all of them leave
	}
	some := false
	for _, n := range t.o.Cluster.Nodes {
		if n.Before != "" && !t.leaving[n.Name] && belongs(n, t.s.Group, t.o.From) {
			some = true
			t.act(reopen(n))
		}
	}
	return some
}

// choose picks the nodes that leave when some may stay. Instances that never
// became nodes are found by Retire.
func (t *turn) choose() []string {
	if t.s.Keep == 0 {
		return nil
	}
	var nodes []Node
	for _, n := range t.o.Cluster.Nodes {
		if belongs(n, t.s.Group, t.o.From) {
			nodes = append(nodes, n)
		}
	}
	slices.SortFunc(nodes, leavesFirst(t.o.From, movable(t.o.Cluster)))
	names := make([]string, 0, len(nodes))
	for _, n := range nodes[:max(0, len(nodes)-t.s.Keep)] {
		names = append(names, n.Name)
	}
	slices.Sort(names)
	return names
}

// movable counts the pods on each node that a move concerns.
func movable(s Snapshot) map[string]int {
	pods := map[string]int{}
	for _, p := range s.Pods {
		if !p.stays() {
			pods[p.Node]++
		}
	}
	return pods
}

// leavesFirst is the order in which nodes of a group leave: those whose instance
// has left it, then those that were chosen before, then broken ones, then those
// with the fewest pods, then the oldest.
func leavesFirst(g Group, pods map[string]int) func(a, b Node) int {
	return func(a, b Node) int {
		return cmp.Or(
			falseFirst(!g.left(a.Instance), !g.left(b.Instance)),
			falseFirst(a.Before == "", b.Before == ""),
			falseFirst(a.Ready, b.Ready),
			cmp.Compare(pods[a.Name], pods[b.Name]),
			a.Created.Compare(b.Created),
			strings.Compare(a.Name, b.Name))
	}
}

func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// ready waits until the nodes that stay can take the load, and then, only
// then, closes the old ones.
func (t *turn) ready() {
	t.remember()
	if missing := append(t.nodesMissing(), t.targetsMissing()...); len(missing) > 0 {
		t.wait("%s", list(missing))
		if t.stuck("ready", missing[0], patience) {
			t.stop(Reason{
				Kind: problem.Outside, Op: "hand over " + t.s.Group,
				Why: fmt.Sprintf("still not ready after %s: %s", patience, list(missing)),
				Fix: "nothing was moved yet. Make the nodes that shall take the pods healthy, then run the same command again",
			})
		}
		return
	}
	if _, begun := t.o.From.hold(); !begun {
		found := misplaced(t)
		for _, f := range found {
			t.act(Report{Finding: f})
		}
		if r := refusal(t.s.Group, found); r != nil {
			t.s.Reason = r
			t.to(Stopped)
			return
		}
	}
	if t.close() {
		t.to(Shift)
	}
}

// nodesMissing says what the nodes that stay still lack.
func (t *turn) nodesMissing() []string {
	var missing []string
	for _, g := range t.o.To {
		ready := 0
		for _, n := range t.o.Cluster.Nodes {
			if !belongs(n, g.Name, g) || t.leaving[n.Name] {
				continue
			}
			switch {
			case !n.usable():
			case len(n.Daemons) > 0:
				missing = append(missing, fmt.Sprintf("node %s: %s not Ready", n.Name, list(n.Daemons)))
				ready++
			default:
				ready++
			}
		}
		if want := g.Desired; g.Name != t.s.Group && ready < want {
			missing = append(missing, fmt.Sprintf("%s: %d of %d nodes Ready", g.Name, ready, want))
		}
	}
	return missing
}

// targetsMissing says which load balancers that use the old nodes could not do
// without them yet.
func (t *turn) targetsMissing() []string {
	var missing []string
	for _, b := range t.o.Balancers {
		if !t.uses(b) {
			continue
		}
		in := map[string]bool{}
		for _, g := range b.Targets {
			if g.State == InService && !t.going[g.Instance] {
				in[g.Instance] = true
			}
		}
		if len(in) == 0 {
			missing = append(missing, fmt.Sprintf("load balancer %s: no node outside %s is InService", b.Name, t.s.Group))
			continue
		}
		want := t.targets(b)
		if have := count(want, func(id string) bool { return in[id] }); have < len(want) {
			missing = append(missing, fmt.Sprintf("load balancer %s: %d of %d new nodes InService", b.Name, have, len(want)))
		}
	}
	return missing
}

// uses: the load balancer still sends traffic through nodes that leave, or drains them.
func (t *turn) uses(b Balancer) bool {
	return slices.ContainsFunc(b.Targets, func(g Target) bool { return t.going[g.Instance] })
}

// targets are the instances that stay and should be InService in the load
// balancer: nodes of the groups that take over, as far as its Service uses them.
func (t *turn) targets(b Balancer) []string {
	i := slices.IndexFunc(t.o.Cluster.Services, func(s Service) bool { return s.Host != "" && strings.EqualFold(s.Host, b.Host) })
	if i < 0 {
		return nil // not a Service's: one healthy target outside the group must do
	}
	var ids []string
	for _, name := range t.o.Cluster.Services[i].Nodes {
		n, ok := t.o.Cluster.node(name)
		if ok && n.usable() && !n.excluded() && !t.leaving[name] &&
			slices.ContainsFunc(t.o.To, func(g Group) bool { return belongs(n, g.Name, g) }) {
			ids = append(ids, n.Instance)
		}
	}
	return ids
}

// remember keeps the names of the load balancers that use the old nodes, so
// that they can be asked when they no longer list them.
func (t *turn) remember() {
	names := slices.Clone(t.s.Balancers)
	for _, b := range t.o.Balancers {
		if t.uses(b) && !slices.Contains(names, b.Name) {
			names = append(names, b.Name)
		}
	}
	slices.Sort(names)
	t.s.Balancers = names
}

// close holds the group still and cordons its nodes, in this order; it is true
// once both are seen to be so. It is called again every turn, so that a node
// that somebody opened, or that came late, is closed again.
func (t *turn) close() bool {
	if g := t.o.From; g.Name != "" && !g.quiet(t.s.Keep) {
		h, recorded := g.hold()
		if !recorded {
			h = hold{Processes: g.running(), Min: g.Min}
		}
		a := Hold{Tags: h.tags(), Processes: held, Min: -1}
		if g.Min > t.s.Keep {
			a.Min = t.s.Keep
		}
		t.act(a)
		return false
	}
	closed := true
	for _, n := range t.old {
		if n.Cordoned && n.Before != "" {
			continue
		}
		closed = false
		yes := true
		t.act(ChangeNode{Node: n.Name, What: "cordon", Patch: Patch{
			Annotations:   map[string]*string{BeforeAnnotation: ptr(recorded(n))},
			Unschedulable: &yes,
		}})
	}
	return closed
}

// recorded is the node's record: the one it has, or one made now.
func recorded(n Node) string {
	if n.Before != "" {
		return n.Before
	}
	return encode(before{Unschedulable: n.Cordoned, Exclude: n.Exclude})
}

// release takes the old nodes out of the load balancers and asks these until
// every one is really out.
func (t *turn) release() {
	t.remember()
	if !t.close() || t.back() {
		return
	}
	if t.exclude(t.old) {
		return
	}
	if !t.drained() {
		return
	}
	t.to(EvictRest)
}

// back returns to an earlier phase if there is work for it again.
func (t *turn) back() bool {
	switch {
	case len(t.surgeable()) > 0:
		t.to(Shift)
	case t.s.Phase != ReleaseNodes && slices.ContainsFunc(t.o.Balancers, t.uses):
		t.to(ReleaseNodes)
	case t.s.Phase == Soak && len(t.pods) > 0:
		t.to(EvictRest)
	default:
		return false
	}
	return true
}

// exclude labels the nodes that are not yet excluded, once the load balancers
// can do without them. True: there was something to do or to wait for.
func (t *turn) exclude(nodes []Node) bool {
	nodes = slices.DeleteFunc(slices.Clone(nodes), Node.excluded)
	if len(nodes) == 0 {
		return false
	}
	if missing := t.targetsMissing(); len(missing) > 0 {
		t.wait("%s", list(missing))
		if t.stuck("targets", missing[0], patience) {
			t.stop(Reason{
				Kind: problem.Outside, Op: "release " + t.s.Group + " from its load balancers",
				Why: fmt.Sprintf("still so after %s: %s", patience, list(missing)),
				Fix: "see why the load balancer finds the new nodes unhealthy (security group, health check), then run the same command again",
			})
		}
		return true
	}
	for _, n := range nodes {
		t.act(ChangeNode{Node: n.Name, What: "exclude", Patch: Patch{
			Labels:      map[string]*string{excludeLabel: ptr("true")},
			Annotations: map[string]*string{BeforeAnnotation: ptr(recorded(n))},
		}})
	}
	return true
}

// drained is true when no load balancer sends traffic through, or drains, an
// old node.
func (t *turn) drained() bool {
	out := true
	for _, b := range t.o.Balancers {
		left, draining := 0, 0
		for _, g := range b.Targets {
			if t.going[g.Instance] {
				left++
				if g.State == Draining {
					draining++
				}
			}
		}
		if left == 0 {
			continue
		}
		out = false
		limit := b.Draining + drainMargin
		late := t.stuck("balancer "+b.Name, "", limit) // however few are left: draining runs side by side
		waited := t.waited("balancer " + b.Name).Round(time.Second)
		switch {
		case late:
			t.stop(Reason{
				Kind: problem.Outside, Op: "release " + t.s.Group + " from load balancer " + b.Name,
				Why: fmt.Sprintf("%d of its nodes are still in it after %s, which is %s for draining and %s more", left, limit, b.Draining, drainMargin),
				Fix: "see what keeps them registered (a controller other than Kubernetes' own, or an Auto Scaling group that is attached to it), deregister them, then run the same command again",
			})
			return false
		case draining > 0:
			t.wait("load balancer %s: %d of %d old nodes still draining (%s of %s)", b.Name, left, len(t.old), waited, b.Draining)
		default:
			t.wait("load balancer %s: %d of %d old nodes still registered (%s)", b.Name, left, len(t.old), waited)
		}
	}
	return out
}

// soak watches the empty nodes for a while.
func (t *turn) soak() {
	t.remember()
	if !t.close() || t.back() {
		return
	}
	for _, n := range t.old {
		if len(n.Volumes) == 0 {
			continue
		}
		t.wait("node %s: volume %s still attached", n.Name, list(n.Volumes))
		if t.stuck("volumes", "", patience) {
			t.stop(Reason{
				Kind: problem.Outside, Op: "hand over " + t.s.Group,
				Why: fmt.Sprintf("volume %s is still attached to node %s after %s", list(n.Volumes), n.Name, patience),
				Fix: "see why the attach-detach controller or the CSI driver does not let go (kubectl get volumeattachments), then run the same command again",
			})
		}
		return
	}
	if quiet := t.o.At.Sub(t.s.Since); quiet < soakTime {
		t.wait("%s is empty, watching it for %s", t.s.Group, soakTime)
		return
	}
	t.to(Done)
}

// list shortens a list for one line.
func list(items []string) string {
	if len(items) > 1 {
		return fmt.Sprintf("%s (and %d more)", items[0], len(items)-1)
	}
	return strings.Join(items, "")
}

func count[T any](items []T, is func(T) bool) int {
	n := 0
	for _, i := range items {
		if is(i) {
			n++
		}
	}
	return n
}

func ptr[T any](v T) *T { return &v }
