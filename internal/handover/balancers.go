package handover

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// What load balancers have to do with a move: through which nodes requests come,
// whether they can do without one, and which of them nobody can ask.

// silentBalancer is a load balancer that nobody here can ask: of another cloud, or of no
// provider at all.
type silentBalancer struct {
	service *Service
	name    string // its host, or a target group's ARN
}

// attached are what the Auto Scaling group of the node registers it with.
func (m *Move) attached(n *Node) []string {
	for _, g := range append([]Group{m.o.From}, m.o.Beside...) {
		if slices.ContainsFunc(g.Instances, func(i Instance) bool { return i.ID == n.Instance }) {
			return g.Attached
		}
	}
	return nil
}

// hear takes in what AWS says, which is mostly what it said before.
func (m *Move) hear(o Observed) {
	same := m.begun && o.Stale == m.stale && slices.EqualFunc(m.lastSaid, o.Balancers, func(a, b Balancer) bool {
		return a.alike(b) && slices.Equal(a.Targets, b.Targets)
	})
	if !same {
		m.tellTargets(o.Balancers)
		m.sortTargets()
	}
	m.lastSaid, m.askedAt, m.stale = o.Balancers, o.Asked, o.Stale
}

// sortTargets makes the load balancers' answers easy to ask. Due are the nodes
// of which they say something new; all nodes, if what they say of the nodes that
// stay is new, or of themselves: on that rests whether any node can be spared.
func (m *Move) sortTargets() {
	before, lbs := m.targets, m.lbs
	m.targets, m.lbs = map[string]map[string]Target{}, map[string]Balancer{}
	for _, b := range m.o.Balancers {
		m.lbs[b.Name] = b
		for _, t := range b.Targets {
			if m.targets[t.id()] == nil {
				m.targets[t.id()] = map[string]Target{}
			}
			m.targets[t.id()][b.Name] = t
		}
	}
	m.view.hear(m.o.Balancers)
	m.senders = m.view.senders
	news := m.news(before)
	all := m.o.Stale != m.stale || !maps.EqualFunc(lbs, m.lbs, Balancer.alike)
	for id := range news {
		all = all || m.isStayer(id)
	}
	for name := range m.Record.Nodes {
		if n := m.view.Nodes[name]; n != nil && (all || news[n.Instance]) {
			m.targetsChanged(n)
		}
	}
	m.addressesChanged(news)
}

// news are the targets of which load balancers say something else than before.
func (m *Move) news(before map[string]map[string]Target) map[string]bool {
	ids := map[string]bool{}
	for _, said := range []map[string]map[string]Target{before, m.targets} {
		for id := range said {
			if !maps.Equal(before[id], m.targets[id]) {
				ids[id] = true
			}
		}
	}
	return ids
}

// isStayer: the target is no pod's address, and no node that leaves.
func (m *Move) isStayer(target string) bool {
	n := m.view.byInstance[target]
	return (n == nil || !m.leaves(n.Name)) && m.view.byAddress[target] == nil
}

// addressesChanged makes the workloads due of whose pods target groups say
// something new.
func (m *Move) addressesChanged(news map[string]bool) {
	for id := range news {
		p := m.view.byAddress[id]
		if p == nil {
			continue
		}
		m.dueWorkloads[p.owner()] = time.Time{}
		if m.leaves(p.Node) {
			m.remember(id)
		}
	}
}

// alike: nothing but their targets may differ.
func (b Balancer) alike(o Balancer) bool {
	b.Targets, o.Targets = nil, nil
	return reflect.DeepEqual(b, o)
}

// targetsChanged makes the node due, and the workloads that load balancers reach
// through it alone.
func (m *Move) targetsChanged(n *Node) {
	m.dueNodes[n.Name] = time.Time{}
	m.remember(n.Instance)
	for _, p := range m.view.on[n.Name] {
		if !p.stays() && m.local(p) {
			m.dueWorkloads[p.owner()] = time.Time{}
		}
	}
}

// remember keeps the names of the load balancers that send to a target which
// leaves, so that they can be asked when they no longer list it.
func (m *Move) remember(target string) {
	for name := range m.targets[target] {
		if !slices.Contains(m.Record.Balancers, name) {
			m.version++
			m.Record.Balancers = append(m.Record.Balancers, name)
			slices.Sort(m.Record.Balancers)
		}
	}
}

// local: a Service that sends through the pod's own node only selects it.
func (m *Move) local(p *Pod) bool {
	return m.view.serviceOf(p, func(s *Service) bool { return s.Local }) != nil
}

// reached: requests to a Service with local traffic reach pods through the
// node: a load balancer that belongs to it has the node in service. Where none
// can be asked, every node counts.
func (m *Move) reached(node string, s *Service) bool {
	n, known := m.view.Nodes[node], false
	if r := m.Record.Nodes[node]; n == nil || m.Record.Phase != Stop && (n.excluded() || r != nil && r.asked) {
		return false
	}
	for _, lb := range m.sendersTo(s) {
		if m.lbs[lb].ByAddress {
			continue
		}
		known = true
		if t, in := m.targets[n.Instance][lb]; in && t.State == InService {
			return true
		}
	}
	return !known
}

// sendersTo names the load balancers that belong to a Service, or send to its node
// ports, as far as they can be asked.
func (m *Move) sendersTo(s *Service) []string {
	var names []string
	for _, b := range m.senders.of(s) {
		names = append(names, b.Name)
	}
	return names
}

// healthy: every target group that the Service's pods are registered with by
// their addresses sends to the pod. Of one that has not answered yet nobody knows.
func (m *Move) healthy(p *Pod, s *Service) bool {
	if m.o.Stale != "" && len(m.senders.unaskedToPods(s)) > 0 {
		return false
	}
	for _, b := range m.senders.of(s) {
		if t := m.targets[p.Address][b.Name]; b.ByAddress && m.senders.belongsTo(b, s) && t.State != InService && t.State != Unused {
			return false
		}
	}
	return true
}

// unheard says why nobody knows what target groups of the pod's Services do now, or,
// with local traffic, has heard of through which nodes requests come. Who serves is
// not known then either, so nothing of it may begin.
func (m *Move) unheard(p *Pod) string {
	services := m.view.servicesOf(p)
	switch {
	case len(m.holders(p)) > 0, slices.ContainsFunc(services, func(s *Service) bool { return len(s.TargetGroups) > 0 || len(m.senders.unasked(s)) > 0 }):
		return m.o.silence()
	case slices.ContainsFunc(services, func(s *Service) bool { return s.Local }):
		return m.neverHeard()
	}
	return ""
}

// holders are the target groups that may hold the pod's address.
func (m *Move) holders(p *Pod) []string {
	var names []string
	for _, s := range m.view.servicesOf(p) {
		for _, b := range m.senders.of(s) {
			if b.ByAddress && m.senders.belongsTo(b, s) {
				names = append(names, b.Name)
			}
		}
	}
	return names
}

// needed says which target group could not do without the pod: it would have no
// other in its zone, and clients go on to use that zone's address.
func (m *Move) needed(p *Pod) string {
	in := m.targets[p.Address]
	if why := m.unheard(p); why != "" {
		return why
	}
	for _, lb := range slices.Sorted(maps.Keys(in)) {
		if in[lb].State != InService {
			continue
		}
		if why := m.emptied(m.lbs[lb], m.view.Nodes[p.Node]); why != "" {
			return why
		}
	}
	return ""
}

const (
	// comeBack is how long pods that could go are kept, at the most, until load
	// balancers have let go of the nodes that leave: of an NLB new targets are in
	// service after one to three minutes, of others after a few health checks, and a
	// node with local traffic leaves when its last pod's replacement serves. What lags
	// behind that is given its time once more. Nodes that one pod has waited for in
	// vain no other waits for.
	comeBack = 10 * time.Minute

	// goodbyes is what a pod that is told to end has to say goodbye, before a load
	// balancer cuts what clients keep to it.
	goodbyes = 10 * time.Second
)

// goingNodes is how far a load balancer is with the nodes that leave.
type goingNodes struct {
	in    []string      // those that it has yet to let go of
	lags  string        // one that it has let go of, and may open connections through …
	still time.Duration // … for so long
	cuts  time.Time     // when it cuts what clients keep through the first of those that it drains; zero: it never does
}

// wouldComeBack says by which load balancer, and which node that leaves, clients of
// the Service would come back that the pod sends away now. What they keep there is
// cut when the load balancer has drained the node, or when its instance ends, and
// nobody says goodbye then. A load balancer that is about to cut connections anyway
// is not waited for: the pod had better say goodbye before.
func (m *Move) wouldComeBack(p *Pod, service string) string {
	s := m.view.Services[service]
	if s == nil || s.Local || m.Record.Phase == Stop {
		return ""
	}
	r, _ := p.release()
	waited := m.view.Now.Sub(m.beganToLeave(p))
	for _, lb := range m.sendersTo(s) {
		if _, known := m.going[lb]; !known {
			m.going[lb] = m.goingNodes(lb)
		}
		if r.Out && waited >= comeBack {
			m.giveUpOn(lb)
		}
		switch g := m.going[lb]; {
		case !g.cuts.IsZero() && !m.view.Now.Add(p.PreStopTime+goodbyes).Before(g.cuts):
		case len(g.in) > 0 && waited < comeBack:
			return fmt.Sprintf("load balancer %s and node %s", lb, g.in[0])
		case g.still > 0 && waited < comeBack+m.lbs[lb].Lag:
			return fmt.Sprintf("load balancer %s and node %s, through which it may open connections for %s more", lb, g.lags, g.still.Round(time.Second))
		}
	}
	return ""
}

// beganToLeave is when the pod was taken out of its Services, or, of one that ends in
// them, when its node's wave came.
func (m *Move) beganToLeave(p *Pod) time.Time {
	if r, _ := p.release(); r.Out {
		return r.OutAt
	}
	if n := m.Record.Nodes[p.Node]; n != nil {
		return n.Since
	}
	return time.Time{}
}

// giveUpOn has no pod wait any more for the nodes that the load balancer has yet to
// let go of now.
func (m *Move) giveUpOn(lb string) {
	for _, node := range m.going[lb].in {
		m.vain[lb+"/"+node] = true
	}
}

// goingNodes looks at the nodes that leave, as far as their wave has come or load
// balancers let go of them before it.
func (m *Move) goingNodes(lb string) (g goingNodes) {
	b := m.lbs[lb]
	if b.ByAddress {
		return g
	}
	for _, name := range m.Record.leaving() {
		n, r := m.view.Nodes[name], m.Record.Nodes[name]
		if n == nil || r.State == NodeOpen || r.State.settled() || r.serving || m.hasEnded(name) {
			continue
		}
		t := m.targets[n.Instance][lb]
		left := r.Left.follow(m.targets[n.Instance], m.view.Now) // nodes have their turn after workloads
		if t.State == InService && !m.vain[lb+"/"+name] && (m.open(name) || r.asked || n.excluded() || m.leavesEarly(name)) {
			g.in = append(g.in, name)
		}
		if rest := left.rest(lb, b.Lag, m.view.Now); rest > g.still {
			g.lags, g.still = name, rest
		}
		if cut := left[lb].Add(b.Draining); t.State == Draining && !b.Keeps && (g.cuts.IsZero() || cut.Before(g.cuts)) {
			g.cuts = cut
		}
	}
	return g
}

// clients names a pod that has yet to leave the pod's node, for which the move is
// there to wait: neither it nor its like are parked, and no Service with
// internalTrafficPolicy Local sends to it, which would have to wait as well.
func (m *Move) clients(p *Pod) string {
	if m.Record.Phase == Stop {
		return ""
	}
	for _, q := range m.view.On(p.Node) {
		w := m.Record.Workloads[q.owner()]
		if q.owner() == p.owner() || q.stays() || q.Deleting || !m.concerns(q) || m.view.serviceOf(q, (*Service).nodeLocal) != nil || w == nil || settled(w.State) {
			continue
		}
		return q.String()
	}
	return ""
}

// sender is a load balancer that sends through the node for the Service.
func (m *Move) sender(node string, s *Service) (string, bool) {
	n, r := m.view.Nodes[node], m.Record.Nodes[node]
	if n == nil {
		return "", false
	}
	for _, host := range m.senders.unaskedThroughNodes(s) {
		if !n.excluded() {
			return host, true // nobody can be asked: as long as the node is not excluded
		}
		if r != nil && (r.Excluded.IsZero() || m.view.Now.Sub(r.Excluded) < m.Options.unaskedTime()) {
			return host, true
		}
	}
	for _, lb := range m.sendersTo(s) {
		if t, in := m.targets[n.Instance][lb]; in && t.State != Unused {
			return lb, true
		}
		if r != nil && r.Left.rest(lb, m.lbs[lb].Lag, m.view.Now) > 0 {
			return lb, true
		}
	}
	return "", false
}

// allUnasked are the load balancers of Services that nobody can ask.
func (m *Move) allUnasked() []silentBalancer {
	var all []silentBalancer
	for _, s := range m.view.Services {
		for _, name := range m.senders.unaskedThroughNodes(s) {
			all = append(all, silentBalancer{s, name})
		}
	}
	slices.SortFunc(all, func(a, b silentBalancer) int { return strings.Compare(a.name, b.name) })
	return all
}

// sendsThrough: it may send through the node.
func (u silentBalancer) sendsThrough(n *Node) bool { return n.registers() && u.service.admits(n) }

// unaskedOf are the names of those that may send through the node.
func (m *Move) unaskedOf(n *Node) []string {
	var names []string
	for _, u := range m.unasked {
		if u.sendsThrough(n) {
			names = append(names, u.name)
		}
	}
	return names
}

// unaskedShort says which load balancer that nobody can ask may not send through the
// nodes that stay yet: it may take as long to take one up as to let one go. It has to
// have had that time with as many as leave, or with all that stay.
func (m *Move) unaskedShort(n *Node) string {
	for _, u := range m.unasked {
		if !u.sendsThrough(n) || u.service.ToPods || u.service.Local && !m.serves(n, u.service) {
			continue
		}
		if _, known := m.lack[u.name]; !known {
			m.lack[u.name] = m.unaskedLacks(u)
		}
		if m.lack[u.name] != "" {
			return m.lack[u.name]
		}
	}
	return ""
}

// unaskedLacks says what such a load balancer lacks of the nodes that stay.
func (m *Move) unaskedLacks(u silentBalancer) string {
	stay := m.stayers(u)
	want, had := max(1, min(len(stay), len(m.Record.leaving()))), 0
	for _, n := range stay {
		if m.view.Now.Sub(m.joined(n)) >= m.Options.unaskedTime() {
			had++
		}
	}
	if had >= want {
		return ""
	}
	return fmt.Sprintf("load balancer %s cannot be asked: %d of %d nodes outside %s have been there for %s, which it may take to send through them", u.name, had, want, m.Record.Group, m.Options.unaskedTime())
}

// stayers are the nodes through which it may go on to send: with local traffic those
// with pods of its Service, if there are any yet.
func (m *Move) stayers(u silentBalancer) []*Node {
	var all, local []*Node
	for name, n := range m.view.Nodes {
		if m.leaves(name) || !n.Ready || !n.Initialized || n.excluded() || !u.sendsThrough(n) {
			continue
		}
		all = append(all, n)
		if u.service.Local && m.serves(n, u.service) {
			local = append(local, n)
		}
	}
	if len(local) > 0 {
		return local
	}
	return all
}

// joined is since when load balancers may take the node up. A move that takes another
// back has opened it itself.
func (m *Move) joined(n *Node) time.Time {
	if m.Record.Back && m.Record.Since.After(n.ReadySince) {
		return m.Record.Since
	}
	return n.ReadySince
}

// cannotSpare says which load balancer could not do without the node yet.
func (m *Move) cannotSpare(n *Node) string {
	if why := m.o.silence(); why != "" {
		return why
	}
	for _, name := range slices.Sorted(maps.Keys(m.targets[n.Instance])) {
		if m.targets[n.Instance][name].State == Unused {
			continue
		}
		// Nothing is sent through it, or others are in service while its pod goes. Who
		// answers for a Service without pods of its own (Cilium's gateways) is not known.
		if s := m.uses(m.lbs[name]); s != nil && s.Local && m.view.served(s) && (!m.serves(n, s) || m.inTurn(n, s, m.lbs[name])) {
			continue
		}
		if _, known := m.lack[name]; !known {
			m.lack[name] = m.notInService(m.lbs[name])
		}
		if why := cmp.Or(m.lack[name], m.emptied(m.lbs[name], n)); why != "" {
			return why
		}
	}
	return cmp.Or(m.unaskedShort(n), m.localShort(n))
}

// neverHeard says why no load balancer has answered since the run began. What
// they said later than that is old at the most.
func (m *Move) neverHeard() string {
	if !m.answeredAt.IsZero() {
		return ""
	}
	return m.o.silence()
}

// lagging are the load balancers that may go on to send through a node when they
// list it no more.
func (m *Move) lagging() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(m.lbs)), func(lb string) bool { return m.lbs[lb].ByAddress || m.lbs[lb].Lag == 0 })
}

// inTurn: what the load balancer reaches through the node alone ends before its
// successor starts, so that none can be in service before. Another node has to be,
// unless a gap is accepted; how many pods must be, localShort says.
func (m *Move) inTurn(n *Node, s *Service, b Balancer) bool {
	is := false
	for _, p := range m.view.on[n.Name] {
		if !p.isOf(s) {
			continue
		}
		how := m.promised(p).how
		if is = !p.stays() && p.Released == "" && (how == Gap || ways[how].consent && m.otherTarget(n, b)); !is {
			return false
		}
	}
	return is
}

// otherTarget: the load balancer sends through another node than this one, in the same
// zone if it keeps them apart.
func (m *Move) otherTarget(n *Node, b Balancer) bool {
	return slices.ContainsFunc(b.Targets, func(t Target) bool {
		on := m.view.nodeOf(t)
		if on == nil || on.Name == n.Name || t.State != InService || on.excluded() || b.Zonal && on.zone() != n.zone() {
			return false
		}
		r := m.Record.Nodes[on.Name]
		return r == nil || !r.asked
	})
}

// serves: a pod that the Service selects is on the node.
func (m *Move) serves(n *Node, s *Service) bool {
	for _, p := range m.view.on[n.Name] {
		if p.isOf(s) {
			return true
		}
	}
	return false
}

// isOf: the Service selects the pod, or an EndpointSlice of it lists it still.
func (p *Pod) isOf(s *Service) bool {
	return slices.ContainsFunc(p.Paths, func(x Path) bool { return p.serviceKey(x.Service) == s.Key() && (x.Selected || x.Listed) })
}

// owns is the Service that a load balancer belongs to, nil if there is none.
func (m *Move) owns(b Balancer) *Service {
	for _, s := range m.view.Services {
		if m.senders.belongsTo(b, s) {
			return s
		}
	}
	return nil
}

// uses is the Service that a load balancer sends to: the one that it belongs to, or
// else one with a node port that others made it send to; nil if there is none.
func (m *Move) uses(b Balancer) *Service {
	if s := m.owns(b); s != nil {
		return s
	}
	for _, s := range m.view.Services {
		if m.senders.reaches(b, s) {
			return s
		}
	}
	return nil
}

// notInService says what a load balancer has not in service yet of the nodes that stay.
func (m *Move) notInService(b Balancer) string {
	in, unused, said := map[string]bool{}, map[string]bool{}, map[string]string{}
	going := map[string]bool{}
	for name := range m.Record.Nodes {
		if n := m.view.Nodes[name]; n != nil {
			going[n.Instance] = true
		}
	}
	for _, t := range b.Targets {
		if !going[t.Instance] {
			in[t.Instance] = t.State == InService
			unused[t.Instance] = t.State == Unused
			said[t.Instance] = t.Why
		}
	}
	s := m.owns(b)
	if m.idle(b, m.uses(b)) {
		return ""
	}
	if !slices.Contains(slices.Collect(maps.Values(in)), true) {
		return fmt.Sprintf("load balancer %s: no node outside %s is InService", b.Name, m.Record.Group)
	}
	if used := m.uses(b); used != nil && used.Local {
		return "" // one healthy node outside, and enough pods: see localShort
	}
	want, have, why := 0, 0, ""
	for _, g := range m.o.To {
		for _, i := range g.Instances {
			n := m.view.byInstance[i.ID]
			if going[i.ID] || unused[i.ID] || n == nil || !n.usable() || n.excluded() || !isToJoin(g, b, n, s) {
				continue
			}
			want++
			switch {
			case in[i.ID]:
				have++
			case why == "" && said[i.ID] != "":
				why = fmt.Sprintf(" (node %s: %s)", n.Name, said[i.ID])
			}
		}
	}
	if s == nil {
		want = min(want, serving(b, going)) // what is behind it may be on some nodes only
	}
	if have < want {
		return fmt.Sprintf("load balancer %s: %d of %d new nodes InService%s", b.Name, have, want, why)
	}
	return ""
}

// isToJoin: the node of a group is to become a target: by the Service that the load
// balancer belongs to, or by the group itself. Nobody knows that of other nodes.
func isToJoin(g Group, b Balancer, n *Node, owner *Service) bool {
	if owner != nil {
		return owner.admits(n)
	}
	return slices.Contains(g.Attached, b.id())
}

// serving counts the targets in service among those that go.
func serving(b Balancer, going map[string]bool) int {
	n := 0
	for _, t := range b.Targets {
		if going[t.Instance] && t.State == InService {
			n++
		}
	}
	return n
}

// idle: the load balancer sends nothing through any node, and cannot, since no pod
// serves its Service. No node is healthy to it whatever one waits for.
func (m *Move) idle(b Balancer, s *Service) bool {
	return s != nil && !slices.ContainsFunc(b.Targets, func(t Target) bool { return t.State == InService }) && !m.view.served(s)
}

// emptied says that the load balancer would have no target in service in the
// node's zone without those that leave, if it has some now. It would take the
// zone's address out of DNS, but clients keep that for a minute and more.
func (m *Move) emptied(b Balancer, n *Node) string {
	if !b.Zonal || n == nil || n.zone() == "" {
		return ""
	}
	going := false
	for _, t := range b.Targets {
		on := m.view.nodeOf(t)
		switch {
		case on == nil || t.State != InService || on.zone() != n.zone():
		case !m.leaves(on.Name):
			return ""
		default:
			going = true
		}
	}
	if !going {
		return ""
	}
	return fmt.Sprintf("load balancer %s: no target outside %s is InService in zone %s", b.Name, m.Record.Group, n.zone())
}

// Left is since when each load balancer has let go of a target, by name: since
// when it says so. Zero: it has not.
type Left map[string]time.Time

// follow brings it up to date with what load balancers say of the target. Those
// that only say so, and send on for a while, are kept when they list it no more.
func (l Left) follow(targets map[string]Target, now time.Time) Left {
	next := maps.Clone(l)
	if next == nil {
		next = Left{}
	}
	for name, t := range targets {
		switch {
		case t.registered():
			next[name] = time.Time{}
		case next[name].IsZero():
			next[name] = now
		}
	}
	for name, since := range next {
		if _, listed := targets[name]; !listed && since.IsZero() {
			next[name] = now
		}
	}
	return next
}

// suspect adds those that it knows nothing of: they may have let go of the target
// this very moment. So it is where the record of who sent to it is lost.
func (l Left) suspect(names []string, now time.Time) Left {
	for _, name := range names {
		if _, known := l[name]; known {
			continue
		}
		if l = maps.Clone(l); l == nil {
			l = Left{}
		}
		l[name] = now
	}
	return l
}

// rest is how long a load balancer that lags may yet send to what it let go.
func (l Left) rest(name string, lag time.Duration, now time.Time) time.Duration {
	since := l[name]
	if since.IsZero() {
		return 0
	}
	return max(0, lag-now.Sub(since))
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
			s := m.view.Services[p.serviceKey(x.Service)]
			if !x.Selected || s == nil || !s.Local {
				continue
			}
			if h.serves(p, x.Service) && !h.goes(p) {
				return fmt.Sprintf("load balancer of Service %s: pod %s on node %s has yet to begin", x.Service, p.Name, n.Name)
			}
			off, on := h.serving[x.Service], 0
			for _, q := range m.view.Of(p.owner()) {
				if q.Deleting || h.asked(q) || !h.serves(q, x.Service) {
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
