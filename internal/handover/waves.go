package handover

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Which nodes leave, and when: they go in waves of 1, 2, 4 … nodes. The first
// one is the canary; what is wrong with a move shows there and costs one node.

const (
	// canaryProof is how long the first wave must have been through before the
	// others begin, and how long its replacements must have served alone before
	// those of the second wave are made; waveTime is between the others.
	canaryProof = 5 * time.Second
	waveTime    = 3 * time.Second

	// canaryPatience is how long the first wave waits for a pod that ends, or is out
	// of its Services; one with a long grace period holds up nobody else.
	canaryPatience = 30 * time.Second

	// deadAfter is how long a kubelet must have been silent for its node to count
	// as dead: Kubernetes' own patience before it evicts from it.
	deadAfter = 5 * time.Minute
)

// Begin chooses the nodes that leave and gives each its wave, in this order: 1, 2, 4 …
// nodes. Those on which nothing is to move come last: as a canary they would show nothing.
func (m *Move) Begin(o Observed) {
	m.o, m.view = o, o.View
	nodes := m.Options.Scope.chosen(o, m.Record.Group, m.Record.Keep)
	spared := surplusFirst(o.From, movable(o.View))
	slices.SortFunc(nodes, func(a, b *Node) int { return cmp.Or(falseFirst(m.idleNode(a), m.idleNode(b)), spared(a, b)) })
	for i, n := range nodes {
		m.Record.Nodes[n.Name] = &NodeRecord{Before: beforeOf(n), Wave: wave(i), State: NodeOpen, Since: m.view.Now}
	}
}

// idleNode: no pod of the node is to move, or to leave its Services.
func (m *Move) idleNode(n *Node) bool {
	return !slices.ContainsFunc(m.view.On(n.Name), func(p *Pod) bool {
		if p.stays() {
			return p.selected()
		}
		return m.concerns(p)
	})
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
	slices.SortFunc(nodes, surplusFirst(o.From, movable(o.View)))
	if keep > 0 {
		nodes = nodes[:max(0, len(nodes)-keep)]
	}
	return nodes
}

// join adds nodes that came to the group since the move began: what it launched
// in place of an instance that ended, or because somebody asked it to. They go
// with the wave that is under way. Nodes that somebody named are those and no more.
func (m *Move) join(changed map[string]bool, heard bool) {
	if m.Options.Scope.Nodes != nil || !reversible(m.Record.Phase) {
		return
	}
	came := m.came(changed, heard)
	if len(came) == 0 {
		return
	}
	for _, n := range chosen(m.o, m.Record.Group, m.Record.Keep) {
		if !m.leaves(n.Name) {
			m.Record.Nodes[n.Name] = &NodeRecord{Before: beforeOf(n), Wave: m.Record.Wave, State: NodeOpen, Since: m.view.Now}
			m.dueNodes[n.Name] = time.Time{}
			m.version++
		}
	}
	for _, name := range came {
		m.stay[name] = !m.leaves(name)
	}
}

// came are the nodes of the group, of those that changed or that AWS just told
// of, that do not leave and were not chosen to stay.
func (m *Move) came(changed map[string]bool, heard bool) (names []string) {
	note := func(n *Node) {
		if n != nil && !m.leaves(n.Name) && !m.stay[n.Name] {
			names = append(names, n.Name)
		}
	}
	for name := range changed {
		if n := m.view.Nodes[name]; n != nil && n.Group == m.Record.Group {
			note(n)
		}
	}
	if heard {
		for _, i := range m.o.From.Instances {
			note(m.view.byInstance[i.ID])
		}
	}
	return names
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

// surplusFirst is the order in which a group that shrinks can spare nodes: those whose
// instance has left it, then those that were chosen before, then broken ones, then those
// with the fewest pods, then the oldest.
func surplusFirst(g Group, pods func(string) int) func(a, b *Node) int {
	return func(a, b *Node) int {
		return cmp.Or(
			falseFirst(!g.Left(a.Instance), !g.Left(b.Instance)),
			falseFirst(a.Before == "", b.Before == ""),
			falseFirst(a.Ready, b.Ready),
			cmp.Compare(pods(a.Name), pods(b.Name)),
			a.Created.Compare(b.Created),
			strings.Compare(a.Name, b.Name))
	}
}

// byWave is the order in which nodes are emptied, the same for every workload:
// two that share nodes never wait for each other's.
func (m *Move) byWave(a, b string) int {
	wave := func(node string) int {
		if r := m.Record.Nodes[node]; r != nil {
			return r.Wave
		}
		return -1
	}
	return cmp.Or(cmp.Compare(wave(a), wave(b)), strings.Compare(a, b))
}

// leaves: the node is one of those that leave.
func (m *Move) leaves(node string) bool { return m.Record.Nodes[node] != nil }

// open: the node's wave has come.
func (m *Move) open(node string) bool {
	r := m.Record.Nodes[node]
	return r != nil && r.Wave <= m.Record.Wave && r.State != NodeOpen && !m.pausing
}

// next: the node is in the second wave, and the canary is not through. Nothing of
// it is taken away before that.
func (m *Move) next(node string) bool {
	r := m.Record.Nodes[node]
	return r != nil && r.Wave == 1 && m.Record.Wave == 0
}

// ahead: pods of such a node may get their replacements beside the canary's end.
func (m *Move) ahead(node string) bool { return m.next(node) && m.canaryProven && !m.pausing }

// othersLeaveEarly has load balancers let go of all other nodes once they have let go of the
// canary: pods say goodbye to what clients keep when none of the nodes that leave
// takes new connections any more, for those would be cut.
func (m *Move) othersLeaveEarly() {
	if m.canaryOut() == m.canaryLetGo {
		return
	}
	m.canaryLetGo = !m.canaryLetGo
	for name, r := range m.Record.Nodes {
		if r.Wave > m.Record.Wave {
			m.dueNodes[name] = time.Time{}
		}
	}
}

// canaryOut: no load balancer has a node of the first wave any more.
func (m *Move) canaryOut() bool {
	if m.Record.Wave > 0 {
		return true
	}
	for name, r := range m.Record.Nodes {
		n := m.view.Nodes[name]
		if r.Wave > 0 || n == nil || m.hasEnded(name) {
			continue
		}
		if r.State == NodeOpen || r.State == NodeClosed || !n.excluded() {
			return false
		}
		for _, t := range m.targets[n.Instance] {
			if t.registered() {
				return false
			}
		}
	}
	return true
}

// early: load balancers may let go of the node now, and its wave has yet to come.
func (m *Move) early(node string) bool {
	r := m.Record.Nodes[node]
	return m.canaryLetGo && m.Record.Phase == Shift && !m.pausing && r.State == NodeClosed && !m.open(node) &&
		!m.needs(node, func(p *Pod) bool { return p.Released != "" })
}

// leavesEarly: load balancers let go of the node before its wave comes, or as soon as
// what serves through it alone has its replacements, which the next wave gets early.
func (m *Move) leavesEarly(node string) bool {
	next := m.Record.Nodes[node].Wave == m.Record.Wave+1
	return !m.needs(node, func(p *Pod) bool { return p.Released != "" || next && m.surges(p) })
}

// needs: some pod needs the node in load balancers: it stays there, or it is reached
// through it alone and is none that may do without.
func (m *Move) needs(node string, spared func(*Pod) bool) bool {
	for _, p := range m.view.on[node] {
		if !p.stays() && !p.Deleting && (m.tiesNode(p) || m.local(p) && !spared(p)) {
			return true
		}
	}
	return false
}

// tiesNode: the pod does not leave, and its node with it stays in load balancers.
func (m *Move) tiesNode(p *Pod) bool {
	w := m.Record.Workloads[p.owner()]
	return !m.concerns(p) || w != nil && w.State == WorkloadParked
}

// surges: the pod's replacement comes first.
func (m *Move) surges(p *Pod) bool { return m.promised(p).how == SurgeFirst }

// promised says how the pod may move.
func (m *Move) promised(p *Pod) promise {
	var denied map[string]string
	if r := m.Record.Workloads[p.owner()]; r != nil {
		denied = r.Denied
	}
	return promised(p, m.view.Workloads[p.owner()], denied, m.view.settle(p, m.Options.Settle), m.shared)
}

// shared: pods of other workloads stand behind the pod's Service, or one that owes it
// pods has them on their way.
func (m *Move) shared(p *Pod, service string) bool {
	for owner := range m.owed[p.serviceKey(service)] {
		if owner != p.owner() {
			return true
		}
	}
	return m.view.shared(p, service)
}

// sharers says whether pods of other workloads serve the pod's Service, and which of
// these does so with fewer than it owes.
func (m *Move) sharers(p *Pod, service string) (serve bool, short string) {
	key, serving := p.serviceKey(service), map[string]int{}
	for _, q := range m.view.behind[key] {
		owner := q.owner()
		r := m.Record.Workloads[owner]
		if owner == p.owner() || q.Deleting || !q.serves(key) || r != nil && !r.asked[q.UID].IsZero() {
			continue
		}
		if m.view.Now.Sub(q.ReadySince) >= m.view.settleUnasked(q, m.Options.Settle) { // else proxies have yet to send to it
			serving[owner]++
		}
	}
	for owner := range m.owed[key] {
		r := m.Record.Workloads[owner]
		if owner != p.owner() && r != nil && r.State != WorkloadParked && serving[owner] < r.Floors[service] && (short == "" || owner < short) {
			short = owner
		}
	}
	return len(serving) > 0, short
}

// noteFloors keeps which Services a workload owes pods that serve.
func (m *Move) noteFloors(key string, r WorkloadRecord) {
	w := m.view.Workloads[key]
	if w == nil {
		return
	}
	for path, n := range r.Floors {
		service := serviceKey(w.Namespace, path)
		if n == 0 || path == "" || m.owed[service][key] {
			continue
		}
		if m.owed[service] == nil {
			m.owed[service] = map[string]bool{}
		}
		m.owed[service][key] = true
	}
}

func (m *Move) dead(node string) bool {
	n := m.view.Nodes[node]
	return n == nil || m.hasEnded(node) || !n.Ready && m.view.Now.Sub(n.ReadySince) >= deadAfter
}

// hasEnded: EC2 has ended the node's instance, or is about to. Kubernetes finds that
// out 45 s later.
func (m *Move) hasEnded(node string) bool {
	n := m.view.Nodes[node]
	return n != nil && m.o.Ended[n.Instance]
}

// hearEnds makes due what runs on nodes whose instance has ended since.
func (m *Move) hearEnds() {
	for id := range m.o.Ended {
		if n := m.view.byInstance[id]; n != nil && !m.ended[id] {
			m.dueNodes[n.Name] = time.Time{}
			m.wakePods(n.Name)
		}
	}
	m.ended = m.o.Ended
}

// advance opens the next wave once the canary is through, and the others after it.
func (m *Move) advance() {
	last := 0
	for _, n := range m.Record.Nodes {
		last = max(last, n.Wave)
	}
	if m.Record.Wave >= last || m.pausing {
		return
	}
	wait := waveTime
	if m.Record.Wave == 0 {
		m.prepare()
		if m.busy() {
			m.Record.WaveAt = m.view.Now
			return
		}
		wait = canaryProof
	}
	since := m.view.Now.Sub(m.Record.WaveAt)
	if since < wait {
		m.lookAt(m.Record.leaving()[0], m.Record.WaveAt.Add(wait))
		return
	}
	m.Record.Wave++
	m.Record.WaveAt = m.view.Now
	m.version++
	m.wake(m.Record.Wave)
}

// prepare has replacements made for the second wave once those of the canary
// have served alone for a while: what is wrong with them has shown by then.
func (m *Move) prepare() {
	if m.canaryServes() {
		m.canaryProven, m.canaryReplaced = false, time.Time{}
		return
	}
	if m.canaryReplaced.IsZero() {
		m.canaryReplaced = m.view.Now
	}
	at := m.canaryReplaced.Add(canaryProof)
	switch {
	case m.view.Now.Before(at):
		m.lookAt(m.Record.leaving()[0], at)
	case !m.canaryProven:
		m.canaryProven = true
		m.wake(1)
	}
}

// canaryServes: some pod of the canary has yet to leave its Services.
func (m *Move) canaryServes() bool {
	for name, r := range m.Record.Nodes {
		if r.Wave > 0 {
			continue
		}
		if r.State == NodeOpen || r.State == NodeClosed {
			return true
		}
		for _, p := range m.view.on[name] {
			w := m.Record.Workloads[p.owner()]
			if p.stays() || p.Deleting || !m.concerns(p) || w != nil && w.State == WorkloadParked {
				continue
			}
			if release, _ := p.release(); !release.Out || release.Back {
				return true
			}
		}
	}
	return false
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
			if p.stays() || !m.concerns(p) {
				continue
			}
			w := m.Record.Workloads[p.owner()]
			if w == nil || m.underWay(w) || p.Deleting && m.view.Now.Before(p.Told.Add(canaryPatience)) {
				return true
			}
		}
	}
	return false
}

// underWay: pods of the workload on open nodes are released. Those of the wave
// that comes next do not count: they wait for this one. Nor do those that have been
// out of their Services for long: they wait for load balancers, some of which let go
// of other nodes first.
func (m *Move) underWay(w *WorkloadRecord) bool {
	if w.State != WorkloadSurging {
		return false
	}
	for uid, rec := range w.Released {
		out := rec.Release.Out && m.view.Now.Sub(rec.Release.OutAt) >= canaryPatience
		if p := m.view.Pods[uid]; !out && (p == nil || !m.next(p.Node)) {
			return true
		}
	}
	return len(w.Released) == 0 // released in this very turn
}
