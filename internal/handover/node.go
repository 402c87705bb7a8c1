package handover

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// NodeState is where a node that leaves stands.
//
//	open ─▶ closed ─▶ emptying ─▶ draining ─▶ empty
//	                      └──▶ kept
//
// Closed: cordoned, and its wave has not come; load balancers may let go of it
// already (early). Emptying: its pods leave, and beside that load balancers let go
// of it, as soon as they can do without it. Draining: no pod is left, and somebody
// may still send through the node. Empty: it can be ended. Kept: all that is left on
// it is parked; it goes on serving. What comes back to a node makes it emptying again.
type NodeState string

// The states of a node.
const (
	NodeOpen     NodeState = "open"
	NodeClosed   NodeState = "closed"
	NodeEmptying NodeState = "emptying"
	NodeDraining NodeState = "draining"
	NodeEmpty    NodeState = "empty"
	NodeKept     NodeState = "kept"
)

// settled: the move has nothing more to do for it.
func (s NodeState) settled() bool { return s == NodeEmpty || s == NodeKept }

const (
	// drainMargin is what a load balancer may take beyond its own draining
	// time: the service controller retries after 5 s to 300 s.
	drainMargin = 2 * time.Minute

	// tellEvery is how often a long wait says for how much longer.
	tellEvery = 10 * time.Second

	// unaskedTime is how long a node stays after it was excluded, if a load
	// balancer sends through it that nobody here can ask: 300 s, by default, of
	// deregistration delay, and 2 min for what follows its API later. So long it
	// may also take to send through a new one.
	unaskedTime = 7 * time.Minute
)

// NodeCase is everything that the decision about one node rests on.
type NodeCase struct {
	Move    string
	Name    string
	View    *View
	Node    *Node // nil: it is gone
	Open    bool  // its wave has come
	Early   bool  // it has not, and load balancers may let go of it already
	Pods    []*Pod
	Dead    bool                  // its kubelet is silent for good
	Parked  func(*Pod) bool       // the pod's workload is parked
	Local   func(*Pod) bool       // a load balancer reaches the pod through this very node only
	Targets map[string]Target     // the node in load balancers, by their names
	Own     []string              // what its Auto Scaling group registers it with, as calls name it
	Drains  func(string) Balancer // a load balancer by its name
	Lagging func() []string       // load balancers that may send through a node when they list it no more
	Unheard string                // why none has answered since the run began; empty: they have
	Silent  string                // why they do not answer now; empty: they do
	Hold    string                // why load balancers cannot do without it yet; empty: they can
	Unasked []string              // load balancers that may send through it and that nobody can ask
	Settle  time.Duration         // the user's least settle time
	Soak    time.Duration         // how long it stays once it is empty

	UnaskedTime time.Duration // how long Unasked are given; 0: unaskedTime
}

// NodeDecision is what to do for one node now.
type NodeDecision struct {
	Record  NodeRecord
	Actions []Action
	Again   time.Time
}

// NextNode decides one turn for one node, as NextWorkload does for a workload.
func NextNode(c NodeCase, r NodeRecord) NodeDecision {
	n := &station{NodeCase: c, now: c.View.Now}
	n.d.Record = r
	n.r = &n.d.Record
	n.r.Released = maps.Clone(r.Released)
	if c.Open || c.Early {
		n.r.Left = r.Left.follow(c.Targets, n.now)
		if n.unremembered() {
			n.r.Left = n.r.Left.suspect(c.Lagging(), n.now)
		}
	}
	n.next()
	return n.d
}

// unremembered: an earlier run took the node out of its load balancers, and no
// record tells of which.
func (n *station) unremembered() bool {
	if n.Node == nil || !n.Node.excluded() || n.Unheard != "" || n.r.asked || !n.r.Excluded.IsZero() || len(n.r.Left) > 0 {
		return false
	}
	b, marked := n.Node.before()
	return marked && b.Exclude == nil
}

// station is one node under way.
type station struct {
	NodeCase
	now time.Time
	r   *NodeRecord
	d   NodeDecision
}

func (n *station) act(a Action) { n.d.Actions = append(n.d.Actions, a) }

func (n *station) wait(format string, args ...any) { n.act(Wait{For: fmt.Sprintf(format, args...)}) }

func (n *station) again(d time.Duration) {
	if at := n.now.Add(max(d, time.Millisecond)); n.d.Again.IsZero() || at.Before(n.d.Again) {
		n.d.Again = at
	}
}

func (n *station) to(s NodeState) {
	if n.r.State != s {
		n.r.State, n.r.Since = s, n.now
		n.r.mark = mark{}
	}
}

// next tells the story of a node in its order.
func (n *station) next() {
	switch {
	case n.Node == nil:
		n.to(NodeEmpty)
		return
	case !n.cordon():
		n.to(NodeOpen)
		return
	case !n.Open:
		n.to(NodeClosed)
		n.early()
		return
	}
	left, kept := n.left()
	n.r.serving = kept > 0 && !n.blocks()
	switch excluded := n.r.serving || n.leaveBalancers(); {
	case left > 0:
		n.to(NodeEmptying)
	case kept > 0:
		n.to(NodeKept)
	case !excluded, !n.takeDaemonsOut(), !n.drained(), !n.detached():
		n.to(NodeDraining)
	default:
		n.to(NodeEmpty)
	}
}

// cordon cordons the node, and is true once it is: again, should somebody open it.
func (n *station) cordon() bool {
	if n.Node.Cordoned && n.Node.Before != "" {
		return true
	}
	n.act(ChangeNode{Node: n.Name, What: "cordon", Patch: Patch{
		Annotations:   map[string]*string{BeforeAnnotation: new(encode(n.r.Before))},
		Unschedulable: new(true),
	}})
	n.stuck("cordon", fmt.Sprintf("it could not be cordoned for %s", patience))
	return false
}

// early takes a node out of load balancers whose pods have yet to leave: those that
// pods of other nodes send away are not to come back through it. If it may not go
// yet it goes with its wave, and counts as stuck only then.
func (n *station) early() {
	if n.Early {
		n.leaveBalancers()
		n.r.Why, n.r.mark = "", mark{}
	}
}

// left counts the pods that have to leave yet, and those that are parked. What
// ends on a node whose kubelet is silent ends with the node.
func (n *station) left() (left, kept int) {
	for _, p := range n.Pods {
		switch {
		case p.stays(), n.Dead && p.Deleting:
		case n.Parked(p):
			kept++
		default:
			left++
		}
	}
	return left, kept
}

// blocks: pods that have to leave can do so only when load balancers have let go
// of the node, and no pod that stays needs them.
func (n *station) blocks() bool {
	leave, stay := 0, 0
	for _, p := range n.Pods {
		switch {
		case p.stays() || p.Deleting || !n.Local(p):
		case n.Parked(p):
			stay++
		default:
			leave++
		}
	}
	return leave > 0 && stay == 0
}

// leaveBalancers takes the node out of load balancers, once they can do without it,
// and is true once it has been told to leave all of them.
func (n *station) leaveBalancers() bool {
	if n.Node.excluded() {
		if n.r.Excluded.IsZero() {
			n.r.Excluded = n.now
		}
		return n.deregister()
	}
	n.r.Excluded = time.Time{}
	if n.held() {
		return false
	}
	n.exclude()
	return false
}

// held: load balancers cannot do without it yet.
func (n *station) held() bool {
	if n.Hold == "" {
		return false
	}
	n.wait("%s", n.Hold)
	n.again(reread) // it rests on other nodes, their groups and pods
	if left, _ := n.left(); left > 0 {
		return true // they may be what the others wait for; patience with them is their workloads'
	}
	n.stuck("hold", fmt.Sprintf("its load balancers cannot do without it: %s", n.Hold))
	return true
}

// exclude asks controllers to take the node out, and records what no controller
// takes it out of.
func (n *station) exclude() {
	n.r.asked = true
	n.r.Before.Registered = union(n.r.Before.Registered, n.registered())
	n.act(ChangeNode{Node: n.Name, What: "exclude", Patch: Patch{
		Labels:      map[string]*string{excludeLabel: new("true")},
		Annotations: map[string]*string{BeforeAnnotation: new(encode(n.r.Before))},
	}})
	n.stuck("exclude", fmt.Sprintf("it could not be taken out of its load balancers for %s", patience))
}

// registered are those of what its group registered the node with that hold it.
func (n *station) registered() []string {
	var in []string
	for name, t := range n.Targets {
		if id := n.Drains(name).id(); slices.Contains(n.Own, id) && t.registered() {
			in = append(in, id)
		}
	}
	slices.Sort(in)
	return in
}

// deregister takes the node out of what its group registered it with, and is true
// once it is: no label does that, and the group does it only when it ends the instance.
func (n *station) deregister() bool {
	in := n.registered()
	if len(in) == 0 {
		return true
	}
	if n.held() {
		return false
	}
	if b, _ := n.Node.before(); len(union(b.Registered, in)) > len(b.Registered) {
		n.exclude()
		return false
	}
	n.r.Before.Registered = union(n.r.Before.Registered, in)
	n.act(Deregister{Node: n.Name, Instance: n.Node.Instance, From: in})
	n.stuck("deregister", fmt.Sprintf("it could not be taken out of what its Auto Scaling group registered it with for %s", patience))
	return false
}

// union is what is in either, sorted.
func union(a, b []string) []string {
	both := slices.Sorted(slices.Values(slices.Concat(a, b)))
	return slices.Compact(both)
}

// stuck gives up on a node that waits for the same for too long. One that waits for
// something else by now was not stuck.
func (n *station) stuck(seen, why string) {
	if n.r.mark.seen != seen {
		n.r.Why = ""
	}
	if n.r.mark.stuck(n.now, seen, patience) {
		n.r.Why = why
		return
	}
	n.again(patience - n.now.Sub(n.r.mark.since))
}

// takeDaemonsOut takes DaemonSets' pods out of the Services that send to them: an
// endpoint on a node that ends stays listed for 40 s and more. Until the node
// goes a taint keeps their controllers from making others there. One that cannot
// be taken out serves to the end; that was found and told beforehand.
func (n *station) takeDaemonsOut() bool {
	out := true
	for _, p := range n.Pods {
		if !p.daemon() || p.Deleting || n.Dead {
			continue
		}
		r, released := p.release()
		switch {
		case p.selected() && p.Ready && len(p.Doors) > 0:
			out = false
			n.daemonOut(p, r)
		case released && r.Out:
			out = n.quiet(p, r) && out
			n.renew(p)
		}
	}
	if !out {
		n.stuck("daemons", fmt.Sprintf("pods of DaemonSets on it could not be taken out of their Services for %s", patience))
	}
	return out
}

// renew tells that the move is alive, so that nobody gives the pod back.
func (n *station) renew(p *Pod) {
	if a, due := renewal(p, expiry+n.Soak, n.now); due {
		n.act(a)
	}
}

func (n *station) daemonOut(p *Pod, r Release) {
	if !n.Node.Leaving {
		n.act(ChangeNode{Node: n.Name, What: "mark leaving", Patch: Patch{Leaving: new(true)}})
		return
	}
	r.Group, r.Workload, r.At, r.Until = n.Move, p.Workload, n.now, n.now.Add(expiry+n.Soak)
	r.Owner, r.Out, r.OutAt, r.Settle = p.Owner, true, n.now, n.View.settle(p, n.Settle)
	if r.Labels == nil {
		r.Labels = map[string]string{}
	}
	gone := map[string]*string{}
	for _, key := range p.Doors {
		r.Labels[key], gone[key] = p.Labels[key], nil
	}
	n.act(ChangePod{Pod: p.Ref, Workload: p.Workload, What: verbTakeOut, Patch: Patch{
		Labels: gone, Annotations: map[string]*string{ReleasedAnnotation: new(encode(r))},
	}})
}

// quiet: nobody who sent to the pod does so any more.
func (n *station) quiet(p *Pod, r Release) bool {
	rec := n.r.Released[p.UID]
	rec.Ref, rec.Release = p.Ref, r
	switch {
	case len(p.listed()) > 0:
		rec.Gone = time.Time{}
	case rec.Gone.IsZero():
		rec.Gone = n.now
	}
	if n.r.Released == nil {
		n.r.Released = map[string]PodRecord{}
	}
	n.r.Released[p.UID] = rec
	if rec.Gone.IsZero() || n.now.Sub(rec.Gone) < r.Settle {
		n.wait("pod %s: out of its Services, its last requests end", p.Ref)
		n.again(r.Settle)
		return false
	}
	return true
}

// drained is true when no load balancer sends traffic through the node, or drains it.
func (n *station) drained() bool {
	n.r.Why = ""
	if n.Unheard != "" {
		n.wait("node %s: %s", n.Name, n.Unheard)
		n.again(reread)
		return false
	}
	for _, name := range slices.Sorted(maps.Keys(n.Targets)) {
		if n.Targets[name].State != Unused {
			n.drains(name)
			return false
		}
	}
	return n.lagged() && n.unaskedHaveHadTime()
}

// drains waits for a load balancer that has the node yet, or drains it, for as long
// as it says that it takes, and a margin.
func (n *station) drains(lb string) {
	b, word, since := n.Drains(lb), "registered", n.excludedFor()
	if n.Targets[lb].State == Draining {
		word, since = "draining", n.now.Sub(n.r.Left[lb]).Round(time.Second)
	}
	n.wait("load balancer %s: node %s still %s (%s of %s)", lb, n.Name, word, since, b.Draining)
	switch limit := b.Draining + drainMargin; {
	case since >= limit && n.Silent != "":
		n.again(reread) // that is what it said before
	case since >= limit:
		n.r.Why = fmt.Sprintf("it is still %s in load balancer %s after %s, which is %s for draining and %s more: see what keeps it registered (another controller)", word, lb, since, b.Draining, drainMargin)
	default:
		n.again(min(limit-since, tellEvery))
	}
}

// lagged: those that have let go of the node do not send through it any more.
func (n *station) lagged() bool {
	for _, name := range slices.Sorted(maps.Keys(n.r.Left)) {
		if rest := n.r.Left.rest(name, n.Drains(name).Lag, n.now); rest > 0 {
			n.wait("load balancer %s: it let go of node %s, and may send through it for %s more", name, n.Name, rest.Round(time.Second))
			n.again(min(rest, tellEvery))
			return false
		}
	}
	return true
}

// unaskedHaveHadTime: load balancers that nobody can ask have had their time.
func (n *station) unaskedHaveHadTime() bool {
	since, limit := n.excludedFor(), cmp.Or(n.UnaskedTime, unaskedTime)
	if len(n.Unasked) == 0 || since >= limit {
		return true
	}
	n.wait("load balancer %s cannot be asked: waiting %s of %s after node %s left it", list(n.Unasked), since, limit, n.Name)
	n.again(limit - since)
	return false
}

func (n *station) excludedFor() time.Duration { return n.now.Sub(n.r.Excluded).Round(time.Second) }

// detached: no volume is attached to the node any more.
func (n *station) detached() bool {
	if len(n.Node.Volumes) == 0 || n.Dead {
		return true
	}
	n.wait("node %s: volume %s still attached", n.Name, list(n.Node.Volumes))
	n.stuck("volumes", fmt.Sprintf("volume %s is still attached to it after %s: see kubectl get volumeattachments", list(n.Node.Volumes), patience))
	return false
}
