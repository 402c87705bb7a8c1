package handover

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/problem"
)

// Phase is where a move stands.
//
//	inspect ─▶ ready ─▶ shift ─▶ soak ─▶ done
//	   │         │        │        │
//	   │         └────────┴────────┴──▶ stop ─▶ stopped
//	   └──▶ stopped (refused)
//
// Up to ready nothing is closed. In shift the nodes are closed and each
// workload and node goes its own way, wave after wave of nodes; what comes back
// in soak leads back to shift. Stop puts everything back that the move changed,
// and what was moved stays moved: all of it serves. A stopped move that is
// asked for again starts at inspect and finds less to do. Done deletes nothing:
// that is the plan's next step.
type Phase = event.Phase

// The phases.
const (
	Inspect = event.PhaseInspect
	Ready   = event.PhaseReady
	Shift   = event.PhaseShift
	Soak    = event.PhaseSoak
	Done    = event.PhaseDone
	Stop    = event.PhaseStop
	Stopped = event.PhaseStopped
)

// reversible phases can be stopped. This is the rule's only home.
func reversible(p Phase) bool { return p == Ready || p == Shift || p == Soak }

const (
	// soakTime is how long the nodes must have stayed empty to be done, if the
	// user did not ask for more.
	soakTime = 5 * time.Second

	// canarySoak is how long the first wave must have been through before the
	// others begin; waveTime is between those.
	canarySoak = 5 * time.Second
	waveTime   = 3 * time.Second

	// canaryPatience is how long the first wave waits for a pod that ends; one
	// with a long grace period holds up nobody else.
	canaryPatience = 30 * time.Second

	// deadAfter is how long a kubelet must have been silent for its node to count
	// as dead: Kubernetes' own patience before it evicts from it.
	deadAfter = 5 * time.Minute

	// sureAfter is how long nothing may be left to put back until a stop
	// believes it: the last writes may still be on their way through the watches.
	sureAfter = 3 * time.Second
)

// Options are what a user may set of a move.
type Options struct {
	Soak   time.Duration // how long the emptied nodes are kept; the least is soakTime
	Settle time.Duration // how long those who sent to a pod are given at the least
}

// Observed is everything a turn rests on.
type Observed struct {
	View      *View
	Breach    string  // why the guard says that traffic suffers; empty: it does not
	From      Group   // the Auto Scaling group that is handed over; zero: it is gone, or there is none
	To        []Group // those that stay, or are new
	Balancers []Balancer
	Asked     time.Time // when AWS answered
	Refused   map[string]Refused
	Stale     string  // why AWS does not answer: what it said is old; empty: it answers
	Stopping  *Reason // the caller wants the move to stop: it was interrupted, or nothing answers any more
}

// Move is a move under way: its record, and what follows from it and the view.
// Turn is its only entrance. A Move can be made anew from the record at any time.
type Move struct {
	Record  *Record
	Options Options

	o       Observed
	view    *View
	actions []Action
	facts   []event.Fact
	targets map[string]map[string]Target // instance -> load balancer -> what it is there
	lbs     map[string]Balancer
	hosts   map[string]string // DNS name in lower case -> load balancer
	asked   time.Time
	lack    map[string]string // by load balancer: what it lacks of the nodes that stay; of this turn
	foreign []foreign         // load balancers that nobody can ask; of this turn
	off     *bool             // sentinels stand where they should; of this turn

	dueWorkloads map[string]time.Time
	dueNodes     map[string]time.Time
	unsettled    map[string]bool // workloads that are not moved or parked
	crowded      map[string]bool // workloads of which a replacement finds no room
	tempted      map[string]bool // workloads whose pods may start on nodes that leave
	under        map[string]int  // workload -> pods beside and out
	clean        mark
	heard        time.Time // when AWS answered last
	unclean      time.Time // what it said by then may be older than what was done
	asks         mark      // what is asked for in vain
	stalled      bool      // … for longer than it makes sense
	begun        bool
	hastened     bool
	version      int // changes when something of the record does that must not be lost
}

// foreign is a load balancer that no provider here knows.
type foreign struct {
	service *Service
	host    string
}

// NewMove goes on with a record.
func NewMove(r *Record, o Options) *Move {
	return &Move{
		Record: r, Options: o, dueWorkloads: map[string]time.Time{}, dueNodes: map[string]time.Time{},
		unsettled: map[string]bool{}, crowded: map[string]bool{}, tempted: map[string]bool{}, under: map[string]int{},
	}
}

// Turn decides one turn: only about what changed since the last one, and what
// has become due. Its actions may be lost, repeated, or carried out twice.
func (m *Move) Turn(o Observed) []Action {
	m.o, m.view, m.actions = o, o.View, nil
	if o.Stale == "" {
		m.heard = o.Asked
	}
	m.lack, m.foreign, m.off = map[string]string{}, m.strangers(), nil
	changes := o.View.Take()
	m.tell(changes)
	workloads, nodes := changes.Workloads, changes.Nodes
	if !m.begun || o.Asked != m.asked {
		m.tellTargets(o.Balancers)
		m.sortTargets()
	}
	if !m.begun {
		m.rejoin(workloads, nodes)
	}
	switch {
	case !reversible(m.Record.Phase):
	case o.Breach != "":
		m.stop(Reason{
			Kind: problem.Guarded, Op: "hand over " + m.Record.Group, Why: o.Breach,
			Fix: "nothing is lost: the nodes of " + m.Record.Group + " take pods and traffic again. Find out what made requests fail, then run the same command again: it continues",
		})
	case o.Stopping != nil:
		m.stop(*o.Stopping)
	}
	switch m.Record.Phase {
	case Inspect, Done, Stopped:
	case Ready:
		m.ready()
	case Shift, Soak:
		m.shift(workloads, nodes)
	case Stop:
		m.putBack(workloads)
	}
	return m.actions
}

// rejoin makes everything due that the record knows, once.
func (m *Move) rejoin(workloads, nodes map[string]bool) {
	m.begun = true
	for key, w := range m.Record.Workloads {
		workloads[key] = true
		m.unsettled[key] = !settled(w.State)
		if !m.unsettled[key] {
			delete(m.unsettled, key)
		}
	}
	for name := range m.Record.Nodes {
		nodes[name] = true
		for _, p := range m.view.On(name) {
			if !p.stays() {
				workloads[p.owner()] = true
			}
		}
	}
}

// sortTargets makes the load balancers' answers easy to ask.
func (m *Move) sortTargets() {
	m.asked = m.o.Asked
	m.targets, m.lbs, m.hosts = map[string]map[string]Target{}, map[string]Balancer{}, map[string]string{}
	for _, b := range m.o.Balancers {
		m.lbs[b.Name] = b
		if b.Host != "" {
			m.hosts[strings.ToLower(b.Host)] = b.Name
		}
		for _, t := range b.Targets {
			if m.targets[t.Instance] == nil {
				m.targets[t.Instance] = map[string]Target{}
			}
			m.targets[t.Instance][b.Name] = t
		}
	}
	for name := range m.Record.Nodes {
		m.dueNodes[name] = time.Time{}
		m.remember(name)
		for _, p := range m.view.on[name] {
			if !p.stays() && m.local(p) {
				m.dueWorkloads[p.owner()] = time.Time{}
			}
		}
	}
}

// local: a Service that sends through the pod's own node only selects it.
func (m *Move) local(p *Pod) bool {
	return slices.ContainsFunc(p.Paths, func(x Path) bool {
		s := m.view.Services[p.Namespace+"/"+x.Service]
		return s != nil && s.Local
	})
}

// remember keeps the names of the load balancers that send through a node, so
// that they can be asked when they no longer list it.
func (m *Move) remember(node string) {
	n := m.view.Nodes[node]
	if n == nil {
		return
	}
	for name := range m.targets[n.Instance] {
		if !slices.Contains(m.Record.Balancers, name) {
			m.version++
			m.Record.Balancers = append(m.Record.Balancers, name)
			slices.Sort(m.Record.Balancers)
		}
	}
}

func (m *Move) act(a Action) { m.actions = append(m.actions, a) }

func (m *Move) wait(format string, args ...any) { m.act(Wait{For: fmt.Sprintf(format, args...)}) }

// to enters a phase.
func (m *Move) to(p Phase) {
	m.emit(event.PhaseChanged{Group: m.Record.Group, From: m.Record.Phase, To: p})
	m.Record.Phase, m.Record.Since, m.clean = p, m.view.Now, mark{}
	m.version++
}

// stop turns back; the first reason counts.
func (m *Move) stop(r Reason) {
	m.Record.Reason, m.actions, m.unclean = &r, nil, m.heard
	m.to(Stop)
	for key := range m.Record.Workloads {
		m.dueWorkloads[key] = time.Time{}
	}
}

// Begin chooses the nodes that leave and gives each its wave: 1, 2, 4 … nodes.
func (m *Move) Begin(o Observed) {
	m.o, m.view = o, o.View
	for i, n := range chosen(o, m.Record.Group, m.Record.Keep) {
		m.Record.Nodes[n.Name] = &NodeRecord{Before: beforeOf(n), Wave: wave(i), State: NodeOpen, Since: m.view.Now}
	}
}

// wave is the wave of the i-th node: 0 for the first, 1 for the next two, 2 for four.
func wave(i int) int {
	w := 0
	for i++; i > 1; i /= 2 {
		w++
	}
	return w
}

// beforeOf is what a node was like before: as it is recorded, or as it is.
func beforeOf(n *Node) before {
	if b, ok := n.before(); ok {
		return b
	}
	return before{Unschedulable: n.Cordoned, Exclude: n.Exclude}
}

// chosen are the nodes that leave, in their order: all of the group, or as many
// as there are beyond keep. Instances that never became nodes are found by Retire.
func chosen(o Observed, group string, keep int) []*Node {
	var nodes []*Node
	for _, n := range o.View.Nodes {
		if belongs(n, group, o.From) {
			nodes = append(nodes, n)
		}
	}
	slices.SortFunc(nodes, leavesFirst(o.From, movable(o.View)))
	if keep > 0 {
		nodes = nodes[:max(0, len(nodes)-keep)]
	}
	return nodes
}

// belongs: by instance, or by label once the instance has left its group, or
// the group is gone. Then g is zero, and only its name is known.
func belongs(n *Node, group string, g Group) bool {
	return group != "" && n.Group == group || n.Instance != "" && slices.ContainsFunc(g.Instances, func(i Instance) bool { return i.ID == n.Instance })
}

// movable counts the pods on a node that a move concerns.
func movable(v *View) func(node string) int {
	return func(node string) int {
		pods := 0
		for _, p := range v.on[node] {
			if !p.stays() {
				pods++
			}
		}
		return pods
	}
}

// leavesFirst is the order in which nodes of a group leave: those whose instance
// has left it, then those that were chosen before, then broken ones, then those
// with the fewest pods, then the oldest.
func leavesFirst(g Group, pods func(string) int) func(a, b *Node) int {
	return func(a, b *Node) int {
		return cmp.Or(
			falseFirst(!g.left(a.Instance), !g.left(b.Instance)),
			falseFirst(a.Before == "", b.Before == ""),
			falseFirst(a.Ready, b.Ready),
			cmp.Compare(pods(a.Name), pods(b.Name)),
			a.Created.Compare(b.Created),
			strings.Compare(a.Name, b.Name))
	}
}

// leaves: the node is one of those that leave.
func (m *Move) leaves(node string) bool { return m.Record.Nodes[node] != nil }

// open: the node's wave has come.
func (m *Move) open(node string) bool {
	r := m.Record.Nodes[node]
	return r != nil && r.Wave <= m.Record.Wave && r.State != NodeOpen
}

func (m *Move) dead(node string) bool {
	n := m.view.Nodes[node]
	return n == nil || !n.Ready && m.view.Now.Sub(n.ReadySince) >= deadAfter
}

// ready waits until the nodes that stay can take pods, and then, only then,
// closes the others and holds the groups still.
func (m *Move) ready() {
	if missing := m.nodesMissing(); len(missing) > 0 {
		m.wait("%s", list(missing))
		if m.clean.stuck(m.view.Now, missing[0], patience) {
			m.stop(Reason{
				Kind: problem.Outside, Op: "hand over " + m.Record.Group,
				Why: fmt.Sprintf("still not ready after %s: %s", patience, list(missing)),
				Fix: "nothing was moved yet. Make the nodes that shall take the pods healthy, then run the same command again",
			})
		}
		return
	}
	if m.holdGroups() && m.closeNodes() {
		m.to(Shift)
		m.Record.Wave, m.Record.WaveAt, m.Record.Closed = 0, m.view.Now, m.view.Now
		m.wake(0)
		return
	}
	m.cannotClose()
}

// cannotClose stops a move that may not close its nodes, or hold its groups still.
func (m *Move) cannotClose() {
	reason := Reason{
		Kind: problem.Outside, Op: "hand over " + m.Record.Group,
		Why: fmt.Sprintf("its nodes could not be closed, or its groups not be held still, within %s", patience),
		Fix: "nothing was moved yet. Let this machine's roles change nodes and Auto Scaling groups, then run the same command again",
	}
	if refused := m.stuckNodes(); len(refused) > 0 {
		reason.Why, reason.Notes = refused[0], refused[1:]
	} else if !m.asks.stuck(m.view.Now, "close", patience) {
		return
	}
	m.stop(reason)
}

// nodesMissing says what the nodes of new groups still lack.
func (m *Move) nodesMissing() []string {
	var missing []string
	for _, g := range m.o.To {
		ready := 0
		for _, n := range m.view.Nodes {
			if !belongs(n, g.Name, g) || m.leaves(n.Name) || !n.usable() {
				continue
			}
			ready++
			if len(n.Daemons) > 0 {
				missing = append(missing, fmt.Sprintf("node %s: %s not Ready", n.Name, list(n.Daemons)))
			}
		}
		if want := g.Desired; g.Name != m.Record.Group && ready < want {
			missing = append(missing, fmt.Sprintf("%s: %d of %d nodes Ready", g.Name, ready, want))
		}
	}
	slices.Sort(missing)
	return missing
}

// holdGroups keeps the groups from acting on their own; it is true once they
// are seen to be still.
func (m *Move) holdGroups() bool {
	if m.Record.Phase == Soak && m.through() {
		return true // they are let go one by one
	}
	still := m.hold(m.o.From, held, m.Record.Keep)
	for _, g := range m.o.To {
		if g.Name != m.Record.Group {
			still = m.hold(g, heldTaker, g.Min) && still
		}
	}
	return still
}

func (m *Move) hold(g Group, processes []string, keep int) bool {
	if g.Name == "" || g.still(processes, keep) {
		return true
	}
	h, recorded := g.hold()
	remembered, ok := m.Record.Holds[g.Name]
	switch {
	case ok:
		h = remembered
	case !recorded:
		h = hold{Processes: g.running(processes), Min: g.Min}
	}
	if !ok {
		m.Record.Holds[g.Name] = h
		m.version++
	}
	a := Hold{Group: g.Name, Tags: h.tags(), Processes: processes, Min: -1}
	if g.Min > keep {
		a.Min = keep
	}
	m.act(a)
	return false
}

// closeNodes cordons all nodes that leave before the first pod moves, so that
// none lands on another of them.
func (m *Move) closeNodes() bool {
	closed := true
	for _, name := range m.Record.leaving() {
		closed = m.node(name) && closed
	}
	return closed
}

// node decides about one node; true: it is closed.
func (m *Move) node(name string) bool {
	d := NextNode(m.nodeCase(name), *m.Record.Nodes[name])
	was := m.Record.Nodes[name]
	if was.State != d.Record.State || was.Excluded != d.Record.Excluded || was.Why != d.Record.Why {
		m.version++
	}
	if was.State == NodeOpen && d.Record.State != NodeOpen {
		m.wakePods(name) // nothing was begun on it while it was open
	}
	*m.Record.Nodes[name] = d.Record
	m.actions = append(m.actions, d.Actions...)
	delete(m.dueNodes, name)
	if at := m.againBy(d.Actions, d.Again); !at.IsZero() {
		m.dueNodes[name] = at
	}
	return d.Record.State != NodeOpen
}

func (m *Move) nodeCase(name string) NodeCase {
	n := m.view.Nodes[name]
	c := NodeCase{
		Move: m.Record.Group, Name: name, View: m.view, Node: n, Pods: m.view.On(name),
		Open:   m.Record.Phase != Ready && m.open(name),
		Dead:   m.dead(name),
		Parked: func(p *Pod) bool { w := m.Record.Workloads[p.owner()]; return w != nil && w.State == WorkloadParked },
		Local:  m.local,
		Drains: func(lb string) Balancer { return m.lbs[lb] },
		Settle: m.Options.Settle,
	}
	if n == nil || !c.Open {
		return c
	}
	c.Targets = m.targets[n.Instance]
	c.Unasked = m.unasked(n)
	if !n.excluded() {
		c.Hold = m.cannotSpare(n)
	}
	return c
}

// shift is a turn in which pods move.
func (m *Move) shift(workloads, nodes map[string]bool) {
	m.holdGroups()
	m.follow(nodes, workloads)
	m.due(workloads, nodes)
	m.decideWorkloads(workloads)
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		if m.leaves(name) {
			m.node(name)
		}
	}
	m.keepOff()
	m.advance()
	m.end()
}

// follow makes workloads due whose pods came to a node that leaves, and nodes
// whose workloads changed.
func (m *Move) follow(nodes, workloads map[string]bool) {
	for name := range nodes {
		if !m.leaves(name) {
			continue
		}
		for _, p := range m.view.on[name] {
			if !p.stays() && m.Record.Workloads[p.owner()] == nil {
				workloads[p.owner()] = true
			}
		}
	}
}

// due adds what has become due.
func (m *Move) due(workloads, nodes map[string]bool) {
	for key, at := range m.dueWorkloads {
		if !m.view.Now.Before(at) {
			workloads[key] = true
			delete(m.dueWorkloads, key)
		}
	}
	for name, at := range m.dueNodes {
		if !m.view.Now.Before(at) {
			nodes[name] = true
			delete(m.dueNodes, name)
		}
	}
}

// decideWorkloads decides about each workload that changed, those under way
// first, so that the room that is left is given to what is begun.
func (m *Move) decideWorkloads(workloads map[string]bool) {
	keys := slices.SortedFunc(maps.Keys(workloads), func(a, b string) int {
		return cmp.Or(falseFirst(m.under[a] == 0, m.under[b] == 0), strings.Compare(a, b))
	})
	for _, key := range keys {
		m.workload(key)
	}
}

// workload decides about one workload, if the move concerns it.
func (m *Move) workload(key string) {
	pods := m.view.Of(key)
	r := m.Record.Workloads[key]
	if r == nil {
		if !slices.ContainsFunc(pods, func(p *Pod) bool { return m.leaves(p.Node) && !p.stays() || p.Released != "" }) {
			return
		}
		r = &WorkloadRecord{State: WorkloadWaiting, Since: m.view.Now}
		m.Record.Workloads[key] = r
	}
	d := NextWorkload(m.workloadCase(key, pods), *r)
	m.tellWorkload(key, *r, d.Record)
	*r = d.Record
	m.note(key, d)
	for _, p := range pods { // a node's turn depends on its workloads
		if m.leaves(p.Node) {
			m.dueNodes[p.Node] = time.Time{}
		}
	}
}

// note keeps what follows from a decision.
func (m *Move) note(key string, d Decision) {
	m.actions = append(m.actions, d.Actions...)
	set(m.unsettled, key, !settled(d.Record.State) || len(d.Record.Released) > 0)
	set(m.crowded, key, d.Crowded && !settled(d.Record.State))
	set(m.tempted, key, d.Tempted)
	m.under[key] = len(d.Record.Released) + d.Surged
	if m.under[key] == 0 {
		delete(m.under, key)
	}
	delete(m.dueWorkloads, key)
	if at := m.againBy(d.Actions, d.Again); !at.IsZero() {
		m.dueWorkloads[key] = at
	}
}

// askAgain is the pause before what was asked for is asked for again, if
// nothing was seen to come of it: the call may have been lost.
const askAgain = 2 * time.Second

// againBy is when to decide again at the latest.
func (m *Move) againBy(actions []Action, at time.Time) time.Time {
	soon := m.view.Now.Add(askAgain)
	for _, a := range actions {
		if _, waits := a.(Wait); !waits && (at.IsZero() || soon.Before(at)) {
			return soon
		}
	}
	return at
}

func set(of map[string]bool, key string, is bool) {
	if is {
		of[key] = true
	} else {
		delete(of, key)
	}
}

func (m *Move) workloadCase(key string, pods []*Pod) Case {
	c := Case{
		Move: m.Record.Group, Key: key, View: m.view, Workload: m.view.Workloads[key], Pods: pods,
		Leaves: m.leaves, Open: m.open, Dead: m.dead, Before: m.before, Through: m.reached, Sender: m.sender,
		Guarded: m.guarded(), Closed: m.Record.Closed, Room: m.room(key), Refused: m.o.Refused, Settle: m.Options.Settle,
	}
	if m.Record.Phase == Stop {
		c.Back = m.Record.Since
	}
	return c
}

// before is the order in which nodes are emptied, the same for every workload:
// two that share nodes never wait for each other's.
func (m *Move) before(a, b string) int {
	wave := func(node string) int {
		if r := m.Record.Nodes[node]; r != nil {
			return r.Wave
		}
		return -1
	}
	return cmp.Or(cmp.Compare(wave(a), wave(b)), strings.Compare(a, b))
}

// room is how many pods the workload may have made in addition. Each workload's
// own maxSurge bounds it; only when a replacement finds no room somewhere, one
// at a time may try.
func (m *Move) room(key string) int {
	if len(m.crowded) == 0 {
		return len(m.view.Pods)
	}
	if len(m.crowded) == 1 && m.crowded[key] || m.under[key] > 0 {
		return 0
	}
	return max(0, 1-len(m.crowded))
}

// reached: requests to a Service with local traffic reach pods through the
// node: a load balancer that belongs to it has the node in service. Where none
// can be asked, every node counts.
func (m *Move) reached(node string, s *Service) bool {
	n, known := m.view.Nodes[node], false
	if r := m.Record.Nodes[node]; n == nil || m.Record.Phase != Stop && (n.excluded() || r != nil && r.asked) {
		return false
	}
	for _, host := range s.Hosts {
		lb, ok := m.hosts[strings.ToLower(host)]
		if !ok {
			continue
		}
		known = true
		if t, in := m.targets[n.Instance][lb]; in && t.State == InService {
			return true
		}
	}
	return !known
}

// sender is a load balancer that sends through the node for the Service.
func (m *Move) sender(node, service string) (string, bool) {
	n, s := m.view.Nodes[node], m.view.Services[service]
	if n == nil || s == nil {
		return "", false
	}
	for _, host := range s.Hosts {
		lb, ok := m.hosts[strings.ToLower(host)]
		if !ok {
			if !n.excluded() {
				return host, true // nobody can be asked: as long as the node is not excluded
			}
			if r := m.Record.Nodes[node]; r != nil && (r.Excluded.IsZero() || m.view.Now.Sub(r.Excluded) < unaskedDrain) {
				return host, true
			}
			continue
		}
		if _, in := m.targets[n.Instance][lb]; in {
			return lb, true
		}
	}
	return "", false
}

// strangers are the load balancers of Services that no provider here knows.
func (m *Move) strangers() []foreign {
	var all []foreign
	for _, s := range m.view.Services {
		if !s.Balanced {
			continue
		}
		for _, host := range s.Hosts {
			if _, known := m.hosts[strings.ToLower(host)]; !known {
				all = append(all, foreign{s, host})
			}
		}
	}
	slices.SortFunc(all, func(a, b foreign) int { return strings.Compare(a.host, b.host) })
	return all
}

// unasked are the load balancers that may send through the node, and that
// nobody can ask.
func (m *Move) unasked(n *Node) []string {
	var hosts []string
	for _, f := range m.foreign {
		if n.Instance != "" && f.service.admits(n) {
			hosts = append(hosts, f.host)
		}
	}
	return hosts
}

// cannotSpare says which load balancer could not do without the node yet.
func (m *Move) cannotSpare(n *Node) string {
	if m.o.Stale != "" {
		return "AWS does not answer: " + m.o.Stale
	}
	for _, name := range slices.Sorted(maps.Keys(m.targets[n.Instance])) {
		if s := m.owns(m.lbs[name]); s != nil && s.Local && !m.serves(n, s) {
			continue // it is registered there, and nothing is sent through it
		}
		if _, known := m.lack[name]; !known {
			m.lack[name] = m.lacks(m.lbs[name])
		}
		if why := m.lack[name]; why != "" {
			return why
		}
	}
	return m.localShort(n)
}

// serves: a pod that the Service selects is on the node.
func (m *Move) serves(n *Node, s *Service) bool {
	for _, p := range m.view.on[n.Name] {
		if p.Namespace == s.Namespace && slices.ContainsFunc(p.Paths, func(x Path) bool { return x.Service == s.Name && (x.Selected || x.Listed) }) {
			return true
		}
	}
	return false
}

// lacks says what a load balancer still lacks of the nodes that stay.
func (m *Move) lacks(b Balancer) string {
	in := map[string]bool{}
	going := map[string]bool{}
	for name := range m.Record.Nodes {
		if n := m.view.Nodes[name]; n != nil && n.Instance != "" {
			going[n.Instance] = true
		}
	}
	for _, t := range b.Targets {
		if t.State == InService && !going[t.Instance] {
			in[t.Instance] = true
		}
	}
	if len(in) == 0 {
		return fmt.Sprintf("load balancer %s: no node outside %s is InService", b.Name, m.Record.Group)
	}
	s := m.owns(b)
	if s == nil || s.Local {
		return "" // one healthy node outside, and for local traffic enough pods: see localShort
	}
	want, have := 0, 0
	for _, g := range m.o.To {
		for _, i := range g.Instances {
			n := m.view.byInstance[i.ID]
			if going[i.ID] || n == nil || !n.usable() || n.excluded() || !s.admits(n) {
				continue
			}
			want++
			if in[i.ID] {
				have++
			}
		}
	}
	if have < want {
		return fmt.Sprintf("load balancer %s: %d of %d new nodes InService", b.Name, have, want)
	}
	return ""
}

// owns is the Service that a load balancer belongs to, nil if there is none.
func (m *Move) owns(b Balancer) *Service {
	for _, s := range m.view.Services {
		if slices.ContainsFunc(s.Hosts, func(h string) bool { return h != "" && strings.EqualFold(h, b.Host) }) {
			return s
		}
	}
	return nil
}

// localShort says which Service with local traffic would lose more than it may
// if the node left its load balancer: the pods on it would serve no more.
func (m *Move) localShort(n *Node) string {
	for _, p := range m.view.On(n.Name) {
		if p.stays() || p.Deleting || !m.local(p) {
			continue
		}
		r := m.Record.Workloads[p.owner()]
		if r == nil || r.State == WorkloadMoved {
			continue
		}
		h := newHerd(m.workloadCase(p.owner(), m.view.Of(p.owner())), *r)
		for _, x := range p.Paths {
			s := m.view.Services[p.Namespace+"/"+x.Service]
			if !x.Selected || s == nil || !s.Local {
				continue
			}
			off, on := h.serving[x.Service], 0
			for _, q := range m.view.Of(p.owner()) {
				if q.Deleting || !h.serves(q, x.Service) {
					continue
				}
				switch {
				case q.Node == n.Name:
					off--
					on++
				case h.isYoung(q):
					off-- // proxies have yet to send to it, and the node goes at once
				}
			}
			floor := h.floor(x.Service)
			if h.promised(p).how != SurgeFirst && !p.beside() && on <= 1 {
				floor-- // one at a time, and this is the one
			}
			if off < floor {
				return fmt.Sprintf("load balancer of Service %s: %d of %d pods serve beside those on node %s", x.Service, max(0, off), floor, n.Name)
			}
		}
	}
	return ""
}

// guarded: sentinels stand on every node that leaves.
func (m *Move) guarded() bool {
	if m.off == nil {
		m.off = ptr(m.Record.Guarded && !slices.ContainsFunc(m.Record.leaving(), m.unguarded))
	}
	return *m.off
}

func (m *Move) unguarded(node string) bool {
	return m.view.Nodes[node] != nil && !slices.ContainsFunc(m.view.On(node), func(p *Pod) bool { return p.Sentinel })
}

// keepOff puts sentinels on the nodes that leave, where pods would start on
// them all the same.
func (m *Move) keepOff() {
	if len(m.tempted) == 0 || m.guarded() {
		return
	}
	if !m.Record.Guarded {
		m.Record.Guarded = true
		m.version++
	}
	repels := m.repelled()
	for _, name := range m.Record.leaving() {
		if m.unguarded(name) {
			m.act(Sentinel{Node: name, Repels: repels})
		}
	}
}

// repelled are the pods that sentinels keep off: all that leave and tolerate
// the taint of a cordoned node.
func (m *Move) repelled() []Repelled {
	seen := map[string]bool{}
	var all []Repelled
	for _, name := range m.Record.leaving() {
		for _, p := range m.view.On(name) {
			if p.stays() || !p.Tolerates || seen[p.owner()] {
				continue
			}
			seen[p.owner()] = true
			if labels := m.common(p); len(labels) > 0 {
				all = append(all, Repelled{Namespace: p.Namespace, Labels: labels})
			}
		}
	}
	return all
}

// common are the labels that all pods of the pod's workload carry, but for those
// that belong to one revision, one pod, or the place where it runs.
func (m *Move) common(p *Pod) map[string]string {
	labels := maps.Clone(p.Labels)
	for key := range labels {
		switch {
		case key == hashLabel, key == "controller-revision-hash", strings.HasPrefix(key, "topology.kubernetes.io/"),
			strings.HasPrefix(key, "statefulset.kubernetes.io/"), strings.HasPrefix(key, "apps.kubernetes.io/"):
			delete(labels, key)
		}
	}
	for _, q := range m.view.Of(p.owner()) {
		maps.DeleteFunc(labels, func(key, value string) bool { return q.Labels[key] != value && q.Released == "" })
	}
	return labels
}

// advance opens the next wave once the canary is through, and the others after it.
func (m *Move) advance() {
	last := 0
	for _, n := range m.Record.Nodes {
		last = max(last, n.Wave)
	}
	if m.Record.Wave >= last {
		return
	}
	wait := waveTime
	if m.Record.Wave == 0 {
		if m.busy() {
			m.Record.WaveAt = m.view.Now
			return
		}
		wait = canarySoak
	}
	since := m.view.Now.Sub(m.Record.WaveAt)
	if since < wait {
		m.dueNodes[m.Record.leaving()[0]] = m.Record.WaveAt.Add(wait)
		return
	}
	m.Record.Wave++
	m.Record.WaveAt = m.view.Now
	m.version++
	m.wake(m.Record.Wave)
}

// busy: something of the open nodes is under way.
func (m *Move) busy() bool {
	for name, r := range m.Record.Nodes {
		if r.Wave > m.Record.Wave {
			continue
		}
		if r.State == NodeOpen || r.State == NodeClosed {
			return true
		}
		for _, p := range m.view.on[name] {
			if p.stays() {
				continue
			}
			w := m.Record.Workloads[p.owner()]
			toldAt := p.GoneBy.Add(-p.Grace)
			if w == nil || w.State == WorkloadSurging || p.Deleting && m.view.Now.Before(toldAt.Add(canaryPatience)) {
				return true
			}
		}
	}
	return false
}

// wake makes the nodes of a wave due, and the workloads on them.
func (m *Move) wake(wave int) {
	for name, r := range m.Record.Nodes {
		if r.Wave != wave {
			continue
		}
		m.dueNodes[name] = time.Time{}
		m.wakePods(name)
	}
}

func (m *Move) wakePods(node string) {
	for _, p := range m.view.on[node] {
		if !p.stays() {
			m.dueWorkloads[p.owner()] = time.Time{}
		}
	}
}

// end looks whether all is done: then the nodes soak, and then the move is
// done, or, if something is parked, it puts back what it closed.
func (m *Move) end() {
	if !m.through() {
		if m.Record.Phase == Soak {
			m.to(Shift)
		}
		return
	}
	if m.Record.Phase != Soak {
		m.to(Soak)
	}
	soak := max(m.Options.Soak, soakTime)
	if left := m.parked(); len(left) > 0 {
		soak = soakTime
	}
	if quiet := m.view.Now.Sub(m.Record.Since); quiet < soak {
		m.wait("%s is empty, watching it for %s", m.Record.Group, soak)
		return
	}
	left := m.parked()
	if len(left) == 0 {
		if m.letGo(m.o.To) {
			m.to(Done)
		}
		return
	}
	m.stop(Reason{
		Kind: problem.Parked, Op: "hand over " + m.Record.Group,
		Why:   fmt.Sprintf("everything moved but what is parked: %s", left[0]),
		Fix:   "what is left serves on where it is, and its nodes stay. " + m.fixOf(left[0]) + ", then run the same command again: it moves what is left",
		Notes: left[1:],
	})
}

// through: nothing is left to do for any workload or node.
func (m *Move) through() bool {
	if len(m.unsettled) > 0 {
		return false
	}
	for _, n := range m.Record.Nodes {
		if !n.State.settled() && n.Why == "" {
			return false
		}
	}
	return true
}

// parked tells what the move leaves behind, and why.
func (m *Move) parked() []string {
	var left []string
	for _, key := range slices.Sorted(maps.Keys(m.Record.Workloads)) {
		if w := m.Record.Workloads[key]; w.State == WorkloadParked {
			left = append(left, key+": "+w.Why)
		}
	}
	return append(left, m.stuckNodes()...)
}

// stuckNodes are those that cannot be emptied, and why.
func (m *Move) stuckNodes() []string {
	var stuck []string
	for _, name := range m.Record.leaving() {
		if n := m.Record.Nodes[name]; n.Why != "" && !n.State.settled() {
			stuck = append(stuck, "node/"+name+": "+n.Why)
		}
	}
	return stuck
}

// fixOf is the remedy for the first of what is parked.
func (m *Move) fixOf(line string) string {
	key, _, _ := strings.Cut(line, ": ")
	if w := m.Record.Workloads[key]; w != nil && w.Fix != "" {
		return strings.TrimSuffix(w.Fix, ", then run the same command again")
	}
	return "cure that"
}
