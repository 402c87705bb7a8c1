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

// closing phases are those in which nodes are closed: a run that is killed in one
// leaves them so.
func closing(p Phase) bool { return reversible(p) || p == Stop }

const (
	// soakTime is how long the nodes must have stayed empty to be done, if the
	// user did not ask for more.
	soakTime = 5 * time.Second

	// sureAfter is how long nothing may be left to put back until a stop
	// believes it: the last writes may still be on their way through the watches.
	sureAfter = 3 * time.Second
)

// Options are what a user may set of a move.
type Options struct {
	Soak        time.Duration // how long the emptied nodes are kept; the least is soakTime
	Settle      time.Duration // how long those who sent to a pod are given at the least
	UnaskedTime time.Duration // how long a load balancer that nobody can ask is given to let go of a node, or to take one up; 0: unaskedTime
	Scope       Scope

	SoakEnds string // what ends the soak at once, as a user would do it

	// Shelter are workloads that are about to be rolled out: their pods are let go
	// once the nodes are closed, and then the move rests. None: it goes on.
	Shelter []string

	// Awaited are the groups that take this one's place: nothing is closed before
	// they are whole. Other groups may lack what they like, it is none of a move's
	// business; but some node outside must be ready.
	Awaited []string
}

// unaskedTime is how long such a load balancer is given.
func (o Options) unaskedTime() time.Duration { return cmp.Or(o.UnaskedTime, unaskedTime) }

// Observed is everything a turn rests on.
type Observed struct {
	View      *View
	Breach    string          // why the guard says that traffic suffers; empty: it does not
	From      Group           // the Auto Scaling group that is handed over; zero: it is gone, or there is none
	To        []Group         // those that stay, or are new
	Beside    []Group         // those that some of the nodes belong to, if From is none
	Ended     map[string]bool // instances of nodes that EC2 has ended, or is ending, by ID
	Balancers []Balancer
	Asked     time.Time // when AWS answered
	Refused   map[string]Refused
	Stale     string          // why AWS does not answer: what it said is old; empty: it answers
	Stopping  *Reason         // the caller wants the move to stop: it was interrupted, or nothing answers any more
	Abort     *Reason         // somebody wants it to put back what it changed, also while it soaks
	Others    map[string]bool // moves that are said, by pods, to be under way beside this one, and whether they are
	First     string          // another move that has to be through before the first pod moves; empty: none
	Pause     string          // who wants nothing new to begin, and since when; empty: nobody
}

// silence says that AWS does not answer; empty: it does.
func (o Observed) silence() string {
	if o.Stale == "" {
		return ""
	}
	return "AWS does not answer: " + o.Stale
}

// Move is a move under way: its record, and what follows from it and the view.
// Turn takes its steps; stop, from outside of a turn, only ends it. A Move can be made anew from the record at any time.
type Move struct {
	Record  *Record
	Options Options

	o        Observed
	view     *View
	actions  []Action
	facts    []event.Fact
	targets  map[string]map[string]Target // instance -> load balancer -> what it is there
	lbs      map[string]Balancer
	senders  directory // who sends for a Service
	askedAt  time.Time
	ended    map[string]bool                 // of Observed, as it was
	lastSaid []Balancer                      // what load balancers said then
	served   map[string]map[string]time.Time // since when targets are in service, by load balancers with slow start; zero: from the first look on
	stale    string                          // why AWS did not answer, when it was last asked
	lack     map[string]string               // by load balancer: what it lacks of the nodes that stay; of this turn
	going    map[string]goingNodes           // … how far it is with the nodes that leave; of this turn
	vain     map[string]bool                 // load balancer/node: a pod has waited long enough until it let go of the node
	unasked  []silentBalancer                // load balancers that nobody can ask; of this turn
	off      *bool                           // sentinels stand where they should; of this turn

	dueWorkloads   map[string]time.Time
	dueNodes       map[string]time.Time
	waits          map[string][]string        // by workload, and node/NAME: what it waits for; "": what the move does, of this turn
	unsettled      map[string]bool            // workloads that are not moved or parked
	owed           map[string]map[string]bool // by Service: workloads that owe it pods that serve
	crowded        map[string]bool            // workloads of which a replacement finds no room
	inLine         map[string]bool            // … and those that wait until they do, or are given up
	stay           map[string]bool            // nodes of the group that were looked at, and are not among those that leave
	repels         string                     // what sentinels are to say; empty: not worked out yet
	repelledFor    map[string]bool            // workloads that were tempted when that was last worked out
	tempted        map[string]bool            // workloads whose pods may start on nodes that leave
	unreplaced     map[string]bool            // workloads with pods let go of, in whose place no others serve yet
	clean          mark
	quiet          mark                 // deschedulers that were turned off, and are not gone yet
	loud           map[string]bool      // … that may not be turned off
	gone           mark                 // the groups that were to take the pods
	answeredAt     time.Time            // when AWS answered last
	lapsed         time.Time            // when nothing came of a turn, the last time
	unclean        time.Time            // what it said by then may be older than what was done
	unclosed       mark                 // it tries to close its nodes
	asks           map[string]time.Time // what it asked for to put everything back, and when it last did
	newAsk         time.Time            // when that was last something new
	stalled        bool                 // … which is longer ago than it makes sense to go on
	begun          bool
	hastened       bool
	longest        time.Duration // that those who send to pods under way take to let go
	canaryReplaced time.Time     // since when nothing of the canary serves any more
	canaryProven   bool          // … for long enough
	canaryLetGo    bool          // load balancers have let go of the canary
	pausing        bool
	closed         bool            // all is ready for the first pod to move
	rests          bool            // nothing is left to do before the rollouts that it waits for
	others         map[string]bool // of Observed, as it was
	met            map[string]bool // moves whose pods were met
	waited         bool            // what it waits for is news
	version        int             // changes when something of the record does that must not be lost
}

// NewMove goes on with a record.
func NewMove(r *Record, o Options) *Move {
	return &Move{
		Record: r, Options: o, dueWorkloads: map[string]time.Time{}, dueNodes: map[string]time.Time{}, waits: map[string][]string{},
		vain: map[string]bool{}, met: map[string]bool{}, unsettled: map[string]bool{}, owed: map[string]map[string]bool{}, crowded: map[string]bool{}, inLine: map[string]bool{}, stay: map[string]bool{}, tempted: map[string]bool{}, repelledFor: map[string]bool{}, unreplaced: map[string]bool{},
	}
}

// Turn decides one turn: only about what changed since the last one, and what
// has become due. Its actions may be lost, repeated, or carried out twice.
func (m *Move) Turn(o Observed) []Action {
	m.o, m.view, m.actions = o, o.View, nil
	delete(m.waits, "")
	if o.Stale == "" {
		m.answeredAt = o.Asked
	}
	m.lack, m.going, m.off = map[string]string{}, map[string]goingNodes{}, nil
	changes := o.View.Take()
	m.tell(changes)
	workloads, nodes := changes.Workloads, changes.Nodes
	news := !m.begun || o.Asked != m.askedAt
	if news {
		m.o.Balancers = m.warm(o.Balancers)
		m.hear(m.o)
		m.hearEnds()
	}
	m.o.Balancers = m.lastSaid
	m.unasked = m.allUnasked()
	if !m.begun {
		m.rejoin(workloads, nodes)
	}
	m.join(nodes, news)
	switch {
	case !reversible(m.Record.Phase):
	case o.Breach != "":
		m.stop(m.breached(o.Breach))
	case o.Abort != nil:
		m.stop(*o.Abort)
	case o.Stopping != nil && !m.keeps():
		m.stop(*o.Stopping)
	}
	m.pause()
	m.heedOthers()
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
	for name := range m.view.Nodes {
		nodes[name] = true
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

func (m *Move) act(a Action) { m.actions = append(m.actions, a) }

// wait says what the move itself waits for.
func (m *Move) wait(format string, args ...any) {
	m.waits[""] = append(m.waits[""], fmt.Sprintf(format, args...))
}

// waiting keeps what a workload or a node waits for until it is decided about
// anew, and returns the other actions.
func (m *Move) waiting(key string, actions []Action) []Action {
	delete(m.waits, key)
	return slices.DeleteFunc(slices.Clone(actions), func(a Action) bool {
		w, is := a.(Wait)
		if is {
			m.waits[key] = append(m.waits[key], w.For)
		}
		return is
	})
}

// to enters a phase.
func (m *Move) to(p Phase) {
	m.emit(event.PhaseChanged{Group: m.Record.Group, From: m.Record.Phase, To: p})
	m.Record.Phase, m.Record.Since, m.clean = p, m.view.Now, mark{}
	m.version++
}

// stop turns back; the first reason counts.
func (m *Move) stop(r Reason) {
	m.Record.Reason, m.Record.Paused, m.actions, m.unclean = &r, false, nil, m.answeredAt
	clear(m.waits)
	m.to(Stop)
	for key := range m.Record.Workloads {
		m.dueWorkloads[key] = time.Time{}
	}
}

// breached is why a move stops whose guard says so. One that takes another back
// stops as well: it does not turn round again.
func (m *Move) breached(why string) Reason {
	r := Reason{
		Kind: problem.Guarded, Op: "hand over " + m.Record.Group, Why: why,
		Fix: "nothing is lost: the nodes of " + m.Record.Group + " take pods and traffic again. Find out what made requests fail, then run the same command again: it continues",
	}
	if m.Record.Back {
		r.Fix = "nothing is lost, and nothing turns round again: the nodes of both groups take pods and traffic. Find out what made requests fail, then run the same command again: the way back goes on"
	}
	return r
}

// ready waits until the nodes that stay can take pods, and then, only then,
// closes the others and holds the groups still.
func (m *Move) ready() {
	if m.pausing {
		m.wait("%s", m.o.Pause)
		return
	}
	if missing := m.nodesMissing(); len(missing) > 0 {
		m.wait("%s", list(missing))
		if m.clean.stuck(m.view.Now, missing[0], patience) {
			m.stop(Reason{
				Kind: problem.Outside, Op: "hand over " + m.Record.Group, Fresh: true,
				Why: fmt.Sprintf("still not ready after %s: %s", patience, list(missing)),
				Fix: "nothing was moved yet. Make the nodes that shall take the pods healthy, then run the same command again",
			})
		}
		return
	}
	m.clean = mark{}
	m.closed = m.holdGroups() && m.evictorsOff() && m.closeNodes()
	if !m.closed {
		m.cannotClose()
		return
	}
	m.unclosed = mark{}
	switch {
	case m.o.First != "":
		m.wait("%s", m.o.First)
	case m.Options.Shelter != nil:
		m.rests = m.shelter()
	default:
		m.beginShift()
	}
}

// beginShift has the first pods move: all is ready.
func (m *Move) beginShift() {
	m.to(Shift)
	m.Record.Wave, m.Record.WaveAt, m.Record.Closed = 0, m.view.Now, m.view.Now
	m.wake(0)
	for name := range m.view.Nodes { // autoscalers are to be kept off
		m.dueNodes[name] = time.Time{}
	}
	for key := range m.Record.Workloads { // some may have nothing on these nodes
		m.dueWorkloads[key] = time.Time{}
	}
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
	} else if !m.unclosed.stuck(m.view.Now, "close", patience) {
		return
	}
	m.stop(reason)
}

// nodesMissing says what is lacking of the nodes that stay, before others close.
func (m *Move) nodesMissing() []string {
	var missing []string
	for _, g := range m.o.To {
		if !slices.Contains(m.Options.Awaited, g.Name) {
			continue
		}
		n, lacks := m.readyNodes(g)
		missing = append(missing, lacks...)
		if n < g.Desired {
			missing = append(missing, fmt.Sprintf("%s: %d of %d nodes Ready", g.Name, n, g.Desired))
		}
	}
	if len(missing) == 0 && !m.otherReady() {
		missing = append(missing, "no node outside "+m.Record.Group+" is Ready")
	}
	slices.Sort(missing)
	return missing
}

// readyNodes counts a group's nodes that can take pods, and says which DaemonSets
// are not Ready there.
func (m *Move) readyNodes(g Group) (ready int, lacks []string) {
	ails := map[string]bool{} // asked once of each DaemonSet, however many nodes lack it
	excused := func(daemons string) bool {
		if _, known := ails[daemons]; !known {
			ails[daemons] = m.view.ails(daemons, m.leaves)
		}
		return ails[daemons]
	}
	for _, n := range m.view.Nodes {
		if !belongs(n, g.Name, g) || m.leaves(n.Name) || !n.usable() {
			continue
		}
		ready++
		if missing := slices.DeleteFunc(slices.Clone(n.Daemons), excused); len(missing) > 0 {
			lacks = append(lacks, fmt.Sprintf("node %s: %s not Ready", n.Name, list(missing)))
		}
	}
	return ready, lacks
}

// lost stops a move whose pods have nowhere to go any more, so that the old
// nodes take them again: the group that was to take them is deleted, or has had
// no node that can for as long as a dead one is waited for.
func (m *Move) lost() bool {
	why, limit := "", deadAfter
	for _, name := range m.Options.Awaited {
		i := slices.IndexFunc(m.o.To, func(g Group) bool { return g.Name == name })
		if i < 0 {
			why, limit = name+" was deleted", sureAfter
			break
		}
		if ready, _ := m.readyNodes(m.o.To[i]); ready == 0 && m.o.To[i].Desired > 0 {
			why = name + " has no node that takes pods"
		}
	}
	switch {
	case why == "" || m.o.Stale != "":
		m.gone = mark{}
		return false
	case !m.gone.stuck(m.view.Now, why, limit):
		return false
	}
	m.stop(Reason{
		Kind: problem.Outside, Op: "hand over " + m.Record.Group, Why: why, Fresh: true,
		Fix: "what runs on " + m.Record.Group + " serves on, and its nodes take pods again. See why the other group failed, then run the same command again",
	})
	return true
}

// otherReady: pods may start on some node that stays, whatever made it.
func (m *Move) otherReady() bool {
	for _, n := range m.view.Nodes {
		if !m.leaves(n.Name) && n.usable() {
			return true
		}
	}
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
	before := was.State
	if before != d.Record.State || was.Excluded != d.Record.Excluded || was.Why != d.Record.Why || !maps.Equal(was.Left, d.Record.Left) || !slices.Equal(was.Before.Registered, d.Record.Before.Registered) {
		m.version++
	}
	if before == NodeOpen && d.Record.State != NodeOpen {
		m.wakePods(name) // nothing was begun on it while it was open
	}
	*m.Record.Nodes[name] = d.Record
	m.actions = append(m.actions, m.waiting("node/"+name, d.Actions)...)
	delete(m.dueNodes, name)
	if at := m.againBy(d.Actions, d.Again); !at.IsZero() {
		m.dueNodes[name] = at
	}
	if before == NodeOpen && d.Record.State != NodeOpen {
		m.dueNodes[name] = time.Time{} // it was decided about as one whose wave has not come
	}
	return d.Record.State != NodeOpen
}

func (m *Move) balancer(name string) Balancer { return m.lbs[name] }

func (m *Move) nodeCase(name string) NodeCase {
	n := m.view.Nodes[name]
	c := NodeCase{
		Move: m.Record.Group, Name: name, View: m.view, Node: n, Pods: m.view.On(name),
		Open: m.Record.Phase != Ready && m.open(name), Early: m.early(name),
		Dead: m.dead(name),
		Parked: func(p *Pod) bool {
			w := m.Record.Workloads[p.owner()]
			return w != nil && w.State == WorkloadParked || !m.concerns(p)
		},
		Local:  m.local,
		Drains: m.balancer,
		Settle: m.Options.Settle, Soak: m.Options.Soak, UnaskedTime: m.Options.unaskedTime(),
	}
	if n == nil || !c.Open && !c.Early {
		return c
	}
	c.Targets, c.Unheard, c.Silent, c.Lagging = m.targets[n.Instance], m.neverHeard(), m.o.silence(), m.lagging
	c.Unasked, c.Own = m.unaskedOf(n), m.attached(n)
	if !n.excluded() || len(c.Own) > 0 {
		c.Hold = m.cannotSpare(n)
	}
	return c
}

// shift is a turn in which pods move.
func (m *Move) shift(workloads, nodes map[string]bool) {
	if m.lost() {
		return
	}
	m.holdGroups()
	if m.pausing {
		m.wait("%s", m.o.Pause)
	}
	m.follow(nodes, workloads)
	m.othersLeaveEarly()
	m.due(workloads, nodes)
	if m.Record.Phase != Soak || !m.through() {
		m.calmNodes(nodes)
		m.restEvictors()
	}
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

// lookAt makes a node due then, unless it is due earlier.
func (m *Move) lookAt(node string, then time.Time) {
	if at, due := m.dueNodes[node]; !due || then.Before(at) {
		m.dueNodes[node] = then
	}
}

// decideWorkloads decides about each workload that changed, those under way
// first, so that the room that is left is given to what is begun.
func (m *Move) decideWorkloads(workloads map[string]bool) {
	keys := slices.SortedFunc(maps.Keys(workloads), func(a, b string) int {
		return cmp.Or(falseFirst(!m.unreplaced[a], !m.unreplaced[b]), strings.Compare(a, b))
	})
	for _, key := range keys {
		m.workload(key)
	}
}

// workload decides about one workload, if the move concerns it.
func (m *Move) workload(key string) {
	pods := m.view.Of(key)
	if m.Record.Workloads[key] == nil && !slices.ContainsFunc(pods, func(p *Pod) bool {
		return m.leaves(p.Node) && !p.stays() && m.concerns(p) || p.Released != "" && !m.anothers(p)
	}) {
		return
	}
	r := m.recordOf(key)
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

// recordOf is a workload's record; one that had none waits for its turn.
func (m *Move) recordOf(key string) *WorkloadRecord {
	r := m.Record.Workloads[key]
	if r == nil {
		r = &WorkloadRecord{State: WorkloadWaiting, Since: m.view.Now}
		m.Record.Workloads[key] = r
	}
	return r
}

// note keeps what follows from a decision.
func (m *Move) note(key string, d Decision) {
	m.actions = append(m.actions, m.waiting(key, d.Actions)...)
	set(m.unsettled, key, !settled(d.Record.State) || len(d.Record.Released) > 0)
	set(m.tempted, key, d.Tempted)
	set(m.inLine, key, d.InLine)
	m.noteFloors(key, d.Record)
	tried := len(m.crowded) + len(m.unreplaced)
	set(m.crowded, key, d.Crowded && !settled(d.Record.State))
	set(m.unreplaced, key, d.Unreplaced)
	if len(m.crowded)+len(m.unreplaced) < tried {
		for other := range m.inLine {
			m.dueWorkloads[other] = time.Time{}
		}
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
		Leaves: m.leaves, In: m.concerns, Anothers: m.anothers, Open: m.open, Ahead: m.ahead, Next: m.next, Dead: m.dead, Ended: m.hasEnded, Before: m.byWave, Through: m.reached, Sender: m.sender,
		Healthy: m.healthy, Needed: m.needed, Unheard: m.unheard, WouldComeBack: m.wouldComeBack, Shared: m.shared, Sharers: m.sharers, Clients: m.clients, Targets: func(p *Pod) map[string]Target { return m.targets[p.Address] }, Holders: m.holders, Balancer: m.balancer,
		Guarded: m.guarded(), Closed: m.Record.Closed, Room: m.room(key), Refused: m.o.Refused, Settle: m.Options.Settle,
	}
	if m.Record.Phase == Stop {
		c.StopsSince = m.Record.Since
	}
	return c
}

// room is how many pods the workload may have made in addition. Each workload's
// own maxSurge bounds it; only while replacements find no room somewhere, of all
// others one at a time may try.
func (m *Move) room(key string) int {
	if len(m.crowded) == 0 {
		return len(m.view.Pods)
	}
	for other := range m.unreplaced {
		if other == key || !m.crowded[other] {
			return 0
		}
	}
	return 1
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

// deny keeps what dry runs said, so that another way is taken from the start.
func (m *Move) deny(denied map[string]map[string]string) {
	for key, verbs := range denied {
		m.recordOf(key).Denied = maps.Clone(verbs)
	}
}

// inherit takes over from an earlier move what objects were like before it, and
// what it owed to the workloads that it parked.
func (m *Move) inherit(earlier *Record) {
	for name, n := range earlier.Nodes {
		if have := m.Record.Nodes[name]; have != nil && m.view.Nodes[name] != nil && m.view.Nodes[name].Cordoned {
			have.Before = n.Before
		}
	}
	for key, w := range earlier.Workloads {
		if w.State == WorkloadParked && len(w.Floors) > 0 {
			m.owe(key, w.Floors)
		}
	}
	for group, h := range earlier.Holds {
		if _, known := m.Record.Holds[group]; !known {
			m.Record.Holds[group] = h
		}
	}
}

// owe keeps what was promised to a workload that an earlier move parked: if a
// pod of it could not be replaced, another must not go in each new move.
func (m *Move) owe(key string, floors map[string]int) {
	m.recordOf(key).Floors = maps.Clone(floors)
	m.version++
}
