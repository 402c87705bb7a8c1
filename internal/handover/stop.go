package handover

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// putBack undoes what the move changed: the nodes take pods and traffic again,
// the groups act on their own again, no sentinel stands and no pod stays
// released. What was moved stays moved. Nothing here ends a pod that serves and
// is needed, and nothing waits for AWS but what AWS has to do.
func (m *Move) putBack(workloads map[string]bool) {
	nodes := map[string]bool{}
	m.due(workloads, nodes)
	clean := m.reopen()
	clean = m.stirNodes(func(string) bool { return true }) && clean
	if clean || m.cannotReopen() { // once its nodes are open, if they can be
		clean = m.wakeEvictors() && clean
	}
	m.decideWorkloads(workloads)
	for _, r := range m.Record.Workloads {
		clean = clean && len(r.Released) == 0
	}
	groups := slices.Concat(m.o.To, m.o.Beside, []Group{m.o.From})
	clean = m.letGo(groups) && m.allSeen(groups) && clean
	if !clean {
		if len(m.actions) > 0 {
			m.unclean = m.answeredAt
		}
		m.clean = mark{}
		m.stalled = m.fruitless()
		return
	}
	if m.clean.stuck(m.view.Now, "clean", sureAfter) {
		m.to(Stopped)
	}
}

// cannotReopen: nodes have been asked for in vain for long enough, and lately by calls
// that reached somebody.
func (m *Move) cannotReopen() bool {
	return m.view.Now.Sub(m.Record.Since) >= backLimit && m.view.Now.Sub(m.lapsed) >= reopenTime
}

// lapse notes that nothing, as far as is known, came of what the turn asked for.
func (m *Move) lapse() { m.lapsed = m.view.Now }

// reopenTime is how long nodes that can be opened may take to be seen open.
const reopenTime = 10 * time.Second

// fruitless: for long enough the move has asked for nothing that it had not asked for
// just before. Not every turn asks for the same, since a node is decided about more often
// than a workload. Whoever sends to pods under way has his time beside that.
func (m *Move) fruitless() bool {
	if m.asks == nil {
		m.asks, m.newAsk = map[string]time.Time{}, m.view.Now
	}
	for _, a := range m.actions {
		if at, known := m.asks[a.String()]; !known || m.view.Now.Sub(at) >= lull {
			m.newAsk = m.view.Now
		}
		m.asks[a.String()] = m.view.Now
	}
	return m.view.Now.Sub(m.newAsk) >= patience+m.lettingGo()
}

// reopen opens the nodes again, gives their DaemonSets' pods back and takes
// the sentinels away; it is true once all is seen to be so.
func (m *Move) reopen() bool {
	clean := true
	for _, name := range m.Record.leaving() {
		n := m.view.Nodes[name]
		if n == nil {
			continue
		}
		b := m.Record.Nodes[name].Before
		if !n.like(b) || m.out(n, b) {
			clean = false
			m.act(n.putBack(b))
		}
		for _, p := range m.view.On(name) {
			switch r, released := p.release(); {
			case p.Sentinel:
				clean = false
				m.act(Unguard{Node: name})
			case released && p.daemon() && !r.Back:
				clean = false
				m.act(giveBack(p, r, m.view.Now))
			case released && p.daemon():
				clean = false
				m.act(forget(p, r))
			}
		}
	}
	return clean
}

// before is what the node's own record says that it was like.
func (n *Node) before() (b before, ok bool) {
	return noted[before](n.Before)
}

// like: the node is as it was before, and carries no mark.
func (n *Node) like(b before) bool { return n.Before == "" && n.opened(b) }

// opened: pods and traffic come to the node again as they did before.
func (n *Node) opened(b before) bool {
	return !n.Leaving && n.Cordoned == b.Unschedulable && n.excluded() == (&Node{Exclude: b.Exclude}).excluded()
}

// out: what the node's Auto Scaling group registered it with does not hold it now.
func (m *Move) out(n *Node, b before) bool {
	if m.hasEnded(n.Name) {
		return false
	}
	return slices.ContainsFunc(n.joins(b), func(id string) bool {
		for _, lb := range m.lbs {
			if t, in := m.targets[n.Instance][lb.Name]; lb.id() == id {
				return !in || t.State == Draining
			}
		}
		return false
	})
}

// joins are what the node is to be registered with again: by a record, and by its
// own mark, of which either may be older.
func (n *Node) joins(b before) []string {
	own, _ := n.before()
	return union(b.Registered, own.Registered)
}

// putBack is the next step in giving a node back what it had before. It is opened
// first, which needs no AWS, and loses its mark once it is registered again.
func (n *Node) putBack(b before) ChangeNode {
	a := ChangeNode{Node: n.Name, What: "put back", Instance: n.Instance, Register: n.joins(b), Patch: n.backTo(b)}
	if len(a.Register) > 0 && n.Before != "" && !n.opened(b) {
		a.What, a.Register = "open", nil
		delete(a.Patch.Annotations, BeforeAnnotation)
	}
	return a
}

func (n *Node) backTo(b before) Patch {
	p := Patch{
		Labels:        map[string]*string{excludeLabel: b.Exclude},
		Annotations:   map[string]*string{BeforeAnnotation: nil},
		Unschedulable: &b.Unschedulable,
	}
	if n.Leaving {
		p.Leaving = new(false)
	}
	return p
}

// Restore gives back what moves have left in the cluster: what it finds on the
// objects, and what the records say of objects whose own mark is lost. A released pod
// whose replacement serves goes the rest of its way, as its move would have had it:
// given back, its ReplicaSet would have one pod too many that serve, and end one at once. Alive
// says which groups a move is at work on now; those are left alone. It is a pure
// function: the actions are carried out by the caller, which asks again until
// there are none.
func Restore(v *View, records map[string]*Record, alive func(group string) bool) []Action {
	var actions []Action
	for _, name := range slices.Sorted(maps.Keys(v.Nodes)) {
		n := v.Nodes[name]
		b, marked := n.before()
		busy := alive(n.Group)
		for _, group := range slices.Sorted(maps.Keys(records)) {
			switch r := records[group].Nodes[name]; {
			case r == nil:
			case alive(group):
				busy = true
			case !marked:
				b, marked = r.Before, !n.like(r.Before)
			}
		}
		if marked && !busy {
			actions = append(actions, n.putBack(b))
		}
		if a, dead := n.stirred(records, alive); dead {
			actions = append(actions, a)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(v.Evictors)) {
		if a, dead := v.Evictors[key].woken(records, alive); dead {
			actions = append(actions, a)
		}
	}
	for _, p := range v.releasedPods() {
		r, ok := p.release()
		switch {
		case p.Sentinel && !alive(v.groupOf(p.Node)):
			actions = append(actions, Unguard{Node: p.Node})
		case !ok || alive(r.Group):
		case p.heldBack():
			actions = append(actions, forget(p, r))
		case p.Deleting:
		default:
			actions = append(actions, v.orphaned(p, r))
		}
	}
	return actions
}

// Expired sees to released pods whose move has not been heard of for too long, as
// Restore does: whatever run of Drover looks at the cluster does so.
func Expired(v *View) []Action {
	var actions []Action
	for _, p := range v.releasedPods() {
		r, ok := p.release()
		if !ok || p.Deleting || v.Now.Before(r.Until) {
			continue
		}
		actions = append(actions, v.orphaned(p, r))
	}
	return actions
}

// orphaned is the next step of a released pod whose move is gone.
func (v *View) orphaned(p *Pod, r Release) Action {
	if a, is := v.onward(p, r); is {
		return a
	}
	return v.homeward(p, r)
}

// onward is the next step of a released pod on the rest of its way. It is false
// where that is not known to lose nothing.
func (v *View) onward(p *Pod, r Release) (Action, bool) {
	if r.Back || p.daemon() || r.Owner == nil || !v.replaced(r) || v.serviceOf(p, func(s *Service) bool { return s.Local }) != nil {
		return nil, false
	}
	settle := max(r.Settle, v.settleUnaskedGroups(p))
	switch {
	case r.Out && p.selected():
		return nil, false
	case r.Out && (len(p.listed()) > 0 || v.Now.Sub(r.OutAt) < settle):
		return Wait{For: fmt.Sprintf("pod %s: out of its Services, its last requests end", p.Ref)}, true
	case r.Out:
		return Evict{Pod: p.Ref, Workload: r.Workload}, true
	case len(p.Doors) == 0:
		return nil, false
	}
	r.Settle = v.settle(p, 0)
	return takeOut(p, r, p.Doors, v.Now), true
}

// replaced: as many pods as the workload wants are its own and serve.
func (v *View) replaced(r Release) bool {
	w := v.Workloads[r.Workload]
	if w == nil {
		return false
	}
	serve := 0
	for _, p := range v.Of(r.Workload) {
		if _, released := p.release(); !released && !p.Deleting && p.Ready && v.Now.Sub(p.ReadySince) >= w.proof(p) && !p.unlisted() {
			serve++
		}
	}
	return serve >= w.Wants
}

// unlisted: some Service selects the pod and does not list it as one that serves.
func (p *Pod) unlisted() bool {
	return slices.ContainsFunc(p.Paths, func(x Path) bool { return x.Selected && !x.Ready })
}

// homeward is the next step of a released pod on its way back.
func (v *View) homeward(p *Pod, r Release) Action {
	if r.Back {
		return v.taken(p, r)
	}
	return v.handBack(p, r)
}

// releasedPods are the pods that carry a move's mark, in the order of their names.
func (v *View) releasedPods() []*Pod {
	var pods []*Pod
	for _, p := range v.Pods {
		if p.Released != "" || p.Sentinel {
			pods = append(pods, p)
		}
	}
	slices.SortFunc(pods, func(a, b *Pod) int { return cmpRef(a.Ref, b.Ref) })
	return pods
}

func (v *View) groupOf(node string) string {
	if n := v.Nodes[node]; n != nil {
		return n.Group
	}
	return ""
}

// lettingGo is the longest that those who send to pods under way take, or have
// taken, to let go.
func (m *Move) lettingGo() time.Duration {
	for _, w := range m.Record.Workloads {
		for _, p := range w.Released {
			m.longest = max(m.longest, p.Release.Settle)
			for name := range p.Left {
				m.longest = max(m.longest, m.lbs[name].Draining+m.lbs[name].Lag)
			}
		}
	}
	return m.longest
}

// hasten shortens the time that pods under way get to come to their end.
func (m *Move) hasten(limit time.Duration) {
	if !m.hastened {
		m.hastened = true
		m.Record.Since = m.Record.Since.Add(limit - backLimit)
	}
}
