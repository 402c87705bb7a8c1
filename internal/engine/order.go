package engine

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/value"
)

// node is a step before it has a number.
type node struct {
	plan.Step
	needs []edge
	known map[*node]bool // what needs lead to
	rank  int            // of steps that could run, the lowest comes first
	key   graph.Key
	conn  bool            // a Kubernetes object
	goes  *state.Resource // Delete and HandOver: what
}

// edge says what must have succeeded before a step, and why.
type edge struct {
	to  *node
	why string
}

func (n *node) need(why string, others ...*node) {
	for _, o := range others {
		if n == nil || o == nil || o == n || n.known[o] {
			continue
		}
		if n.known == nil {
			n.known = make(map[*node]bool)
		}
		n.known[o] = true
		n.needs = append(n.needs, edge{o, why})
	}
}

// reaches reports that n comes after other.
func (n *node) reaches(other *node) bool {
	seen := make(map[*node]bool)
	var visit func(*node) bool
	visit = func(n *node) bool {
		if n == other {
			return true
		}
		if seen[n] {
			return false
		}
		seen[n] = true
		return slices.ContainsFunc(n.needs, func(e edge) bool { return visit(e.to) })
	}
	return visit(n)
}

// steps orders what was decided. The edges are made here and in replace.go, in
// this order, and none is ever taken back:
//   - creates and updates follow what they refer to;
//   - what cannot stand twice goes right before its replacement comes;
//   - what goes, goes before what it needed;
//   - workloads are handed over once everything else stands, and what goes has
//     gone from the cluster;
//   - all other deletes wait for all that is made, and for every hand-over, so that
//     a failure on the way never costs anything that served, and can be taken back.
func (e *Engine) steps(ctx context.Context, j *judgement) (plan.Plan, error) {
	b := &builder{judgement: j, made: make(map[plan.URN]*node),
		deleteOf: make(map[state.Need]*node), first: make(map[*node]bool), room: make(map[*node][]*node)}
	b.makeAll()
	b.openFirst()
	b.deleteAll()
	if err := b.orderReplaced(); err != nil {
		return plan.Plan{}, err
	}
	if err := b.checkFrozen(); err != nil {
		return plan.Plan{}, err
	}
	for _, d := range b.deletes {
		if err := b.retain(d); err != nil {
			return plan.Plan{}, err
		}
	}
	b.deleteInReverse()
	b.narrowGaps()
	b.handOverAll()
	b.deleteLast()
	b.protect()
	b.advise()
	b.rehearse(ctx)
	if err := b.inspectAll(ctx); err != nil {
		return plan.Plan{}, err
	}
	steps, err := number(b.nodes())
	if err != nil {
		return plan.Plan{}, err
	}
	p := plan.Plan{Stack: j.old.Stack, Project: j.old.Project, Serial: j.old.Serial, Destroy: j.destroy, Returns: j.back, Steps: steps, Renames: j.renames}
	if err := p.Verify(); err != nil {
		return plan.Plan{}, fmt.Errorf("refuse an unsafe plan: %w", err)
	}
	return p, nil
}

type builder struct {
	*judgement
	makes     []*node
	made      map[plan.URN]*node // the create or update of a resource
	handOvers []*node
	deletes   []*node              // in the order of the state
	deleteOf  map[state.Need]*node // the delete of a generation
	first     map[*node]bool       // deletes that come before what is made
	room      map[*node][]*node    // by delete: what takes the name that it sets free
}

func (b *builder) nodes() []*node { return slices.Concat(b.makes, b.handOvers, b.deletes) }

// makeAll adds creates and updates, in the order of the graph.
func (b *builder) makeAll() {
	for _, it := range b.items {
		if it.fate == keep {
			continue
		}
		n := &node{key: it.Key, conn: it.inCluster(), rank: len(b.makes)}
		n.Step = plan.Step{Op: plan.Update, URN: it.urn, Gen: it.gen, Name: it.name, Component: it.Component,
			Suffix: sharedSuffix(it.name, it.Generation),
			Want:   declared(it.Resource, it.name), Why: it.why, Hosts: it.Hosts != nil}
		if it.fate.made() {
			n.Op = plan.Create
		}
		if b.engine.Diff {
			n.Changes = b.changes(it)
		}
		for _, k := range it.Needs() {
			if to := b.byKey[k]; to != nil {
				n.need("refers to it, or is declared after it", b.made[to.urn])
			}
		}
		b.makes = append(b.makes, n)
		b.made[it.urn] = n
		if shrinks(it) {
			n.need("its nodes are emptied before they are taken away", b.addHandOver(it.have, it.Hosts.Nodes))
		}
	}
}

// openFirst lets workloads come back to nodes only once those take pods.
func (b *builder) openFirst() {
	for _, host := range b.makes {
		if it := b.byURN[host.URN]; it.Hosts == nil || it.fate.made() || !closed(*it.have, b.old) {
			continue
		}
		for _, n := range b.makes {
			if n.conn && !host.reaches(n) {
				n.need("nodes that were closed take pods first", host)
			}
		}
	}
}

// inCluster reports that a wanted resource is a Kubernetes object.
func (it *item) inCluster() bool { return len(it.Conn) > 0 }

func shrinks(it *item) bool {
	return it.fate == update && it.Hosts != nil && it.have.Hosts != nil && it.Hosts.Nodes < it.have.Hosts.Nodes
}

func (b *builder) addHandOver(r *state.Resource, keep int) *node {
	h := &node{goes: r}
	h.Step = plan.Step{Op: plan.HandOver, URN: r.URN, Gen: r.Gen, Name: r.Name, Component: r.Component,
		Suffix: sharedSuffix(r.Name, r.Generation), Hosts: true, Keep: keep}
	b.handOvers = append(b.handOvers, h)
	return h
}

// deleteAll adds the deletes of all that exists, or may exist, and is not wanted.
func (b *builder) deleteAll() {
	unwanted := b.unwanted()
	for i := range unwanted {
		r := &unwanted[i]
		d := &node{goes: r, conn: inCluster(r), rank: -i, key: graph.Key{Type: r.Type, Name: r.URN.Name()}}
		d.Step = plan.Step{Op: plan.Delete, URN: r.URN, Gen: r.Gen, Name: r.Name, Component: r.Component,
			Suffix: sharedSuffix(r.Name, r.Generation)}
		if _, cut := b.old.Intent(plan.Create, r.URN, r.Gen); cut {
			d.Why = "begun by a run that was cut off"
		}
		if b.seen.gone(*r) {
			d.Gone, d.Why = true, "it is gone already"
		}
		b.deletes = append(b.deletes, d)
		b.deleteOf[state.Need{URN: r.URN, Gen: r.Gen}] = d
	}
	for _, d := range b.deletes {
		if d.goes.Hosts != nil && !d.Gone && !b.abandoned(d.goes) {
			d.Hosts, d.WhenEmpty, d.Why = true, true, "only when empty"
		}
	}
}

// inCluster reports that a resource of the state is a Kubernetes object.
func inCluster(r *state.Resource) bool { return len(r.Conn.Declared) > 0 }

// unwanted is in the order of the state, and after it what may have been made.
func (b *builder) unwanted() []state.Resource {
	var rs []state.Resource
	for _, r := range b.old.Resources {
		if it := b.byURN[r.URN]; !r.Gone && !b.frozen[keyOf(r.URN)] && (it == nil || it.gen != r.Gen) {
			rs = append(rs, r)
		}
	}
	for _, in := range b.old.Pending {
		if it := b.byURN[in.URN]; in.Op == plan.Create && !b.frozen[keyOf(in.URN)] && (it == nil || it.gen != in.Gen) {
			rs = append(rs, *in.Resource)
		}
	}
	return rs
}

// deleteInReverse lets what goes go before what it needed. What cannot stand
// twice goes even before what only names it.
func (b *builder) deleteInReverse() {
	for i, d := range b.deletes {
		for _, o := range b.deletes[:i] { // what stands before: order-only needs may have lost their order
			if b.first[o] && (!b.first[d] || !refersTo(d.goes, o.goes)) {
				continue
			}
			if dependsOn(d.goes, o.goes) {
				o.need("what needed it goes first", d)
			}
		}
		b.hostsLast(d)
	}
}

// hostsLast lets workloads go before the nodes that they run on, where both
// go; except what the nodes themselves need.
func (b *builder) hostsLast(host *node) {
	if host.goes.Hosts == nil || host.WhenEmpty {
		return
	}
	needed := b.neededBy(host.goes)
	for _, d := range b.deletes {
		if d.conn && !needed[state.Need{URN: d.URN, Gen: d.Gen}] {
			host.need("workloads go before their nodes", d)
		}
	}
}

// dependsOn reports that r needs o, in this generation or any.
func dependsOn(r, o *state.Resource) bool {
	return slices.ContainsFunc(r.Needs, func(n state.Need) bool {
		return n.URN == o.URN && (n.Gen == 0 || n.Gen == o.Gen)
	})
}

// refersTo reports that a value of r is one of o's: o cannot go before r does.
func refersTo(r, o *state.Resource) bool {
	return slices.Contains(r.Needs, state.Need{URN: o.URN, Gen: o.Gen})
}

func (b *builder) neededBy(r *state.Resource) map[state.Need]bool {
	needed := make(map[state.Need]bool)
	var visit func(state.Resource)
	visit = func(r state.Resource) {
		for _, o := range b.old.Resources {
			if key := (state.Need{URN: o.URN, Gen: o.Gen}); !needed[key] && dependsOn(&r, &o) {
				needed[key] = true
				visit(o)
			}
		}
	}
	visit(*r)
	return needed
}

// abandoned reports that nothing can be handed over: all goes, or the cluster does.
func (b *builder) abandoned(host *state.Resource) bool {
	if b.destroy {
		return true
	}
	for _, ref := range value.Refs(host.Hosts.Conn.Declared) {
		urn := plan.NewURN(b.old.Stack, b.old.Project, ref.Key.Type, ref.Key.Name)
		for _, n := range host.Needs {
			if n.URN == urn && b.deleteOf[n] != nil {
				return true
			}
		}
	}
	return false
}

// handOverAll puts a hand-over before the delete of every resource that
// workloads run on, one after the other, each after all that is made.
func (b *builder) handOverAll() {
	for _, d := range b.deletes {
		if d.WhenEmpty {
			d.need("workloads are handed over first", b.addHandOver(d.goes, 0))
		}
	}
	late := lateNodes(b.nodes())
	for i, h := range b.handOvers {
		h.rank = i
		if i > 0 {
			h.need("one hand-over at a time", b.handOvers[i-1])
		}
		if comes := b.made[h.URN]; comes != nil && comes.Gen != h.Gen {
			h.need("the replacement stands, even if it shrinks first", comes)
		}
		for _, n := range slices.Concat(b.makes, b.deletes) {
			switch {
			case late[n]:
			case n.Op != plan.Delete:
				h.need("all stands before workloads move", n)
			case n.conn:
				h.need("what goes is not moved before", n)
			}
		}
	}
}

// deleteLast lets deletes wait for all that is made, and all that moves: nothing
// is lost because something else fails, and all can be taken back. Two wait for less: what cannot stand twice, and what
// must be gone from a cluster before a hand-over after which something is made.
func (b *builder) deleteLast() {
	late := lateNodes(b.nodes())
	moved := before(b.handOvers)
	all, some := ends(b.makes), ends(slices.DeleteFunc(slices.Clone(b.makes), func(n *node) bool { return late[n] }))
	for _, d := range b.deletes {
		switch {
		case b.first[d]:
		case moved[d] && !late[d]:
			d.need("deletes wait for all that is made", some...)
		default:
			d.need("deletes wait for all that is made", all...)
			d.need("until all has moved the change can be taken back", b.handOvers...)
		}
	}
}

// ends are the nodes that no other of them waits for: who waits for them waits
// for all.
func ends(nodes []*node) []*node {
	needed := make(map[*node]bool)
	for _, n := range nodes {
		for _, e := range n.needs {
			needed[e.to] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(nodes), func(n *node) bool { return needed[n] })
}

// before is what must have succeeded before these.
func before(nodes []*node) map[*node]bool {
	found := make(map[*node]bool)
	var visit func(*node)
	visit = func(n *node) {
		for _, e := range n.needs {
			if !found[e.to] {
				found[e.to] = true
				visit(e.to)
			}
		}
	}
	for _, n := range nodes {
		visit(n)
	}
	return found
}

// lateNodes marks the steps that come after some hand-over.
func lateNodes(nodes []*node) map[*node]bool {
	late, seen := make(map[*node]bool), make(map[*node]bool)
	var visit func(*node) bool
	visit = func(n *node) bool {
		if seen[n] {
			return late[n]
		}
		seen[n] = true
		for _, e := range n.needs {
			if visit(e.to) || e.to.Op == plan.HandOver {
				late[n] = true
			}
		}
		return late[n]
	}
	for _, n := range nodes {
		visit(n)
	}
	return late
}

// inspectAll asks what each hand-over would meet.
func (b *builder) inspectAll(ctx context.Context) error {
	for _, h := range b.handOvers {
		if _, exists := b.old.Find(h.URN, h.Gen); !exists {
			h.Why = "begun by a run that was cut off"
			continue
		}
		in, err := b.engine.Mover.Inspect(ctx, b.leaving(*h.goes), h.Keep, h.replacedBefore())
		if err != nil {
			return fmt.Errorf("inspect %s: %w", h.Name, err)
		}
		h.Why = inspectionWhy(in)
		for _, f := range in.Findings {
			b.engine.Events.Emit(f)
		}
	}
	return nil
}

// leaving is a host as it will be when its turn comes: with what is made before.
func (b *builder) leaving(r state.Resource) Host {
	var now *graph.Hosts
	if it := b.byURN[r.URN]; it != nil {
		now = it.Hosts
	}
	h := host(r).patient(now)
	for _, n := range b.makes {
		if it := b.byURN[n.URN]; it != nil && it.Hosts != nil {
			h.await(r, n.URN, n.Gen, it.Hosts, b.old)
		}
	}
	return h
}

// await counts the nodes that a step brings before r goes. Old is what stood
// before it. Who takes the place of r has its live size, unless fewer are asked for.
func (h *Host) await(r state.Resource, urn plan.URN, gen int, want *graph.Hosts, old *state.Snapshot) {
	fresh := Fresh{Nodes: want.Nodes, Type: want.Type, Replaces: urn == r.URN && want.Nodes >= r.Hosts.Nodes}
	if had, stood := old.Find(urn, gen); stood && had.Hosts != nil {
		fresh.Nodes -= had.Hosts.Nodes
	}
	if fresh.Nodes > 0 {
		h.Fresh = append(h.Fresh, fresh)
	}
}

// replacedBefore names the Kubernetes objects whose pods are placed anew, or
// gone, before the hand-over begins.
func (n *node) replacedBefore() []graph.Key {
	var keys []graph.Key
	for _, e := range n.needs {
		if e.to.conn && e.to.Op != plan.Create {
			keys = append(keys, e.to.key)
		}
	}
	return keys
}

// host is how the Mover knows a resource that workloads run on.
func host(r state.Resource) Host {
	return Host{URN: r.URN, Name: r.Name, Conn: r.Hosts.Conn.Resolved, Soak: r.Hosts.Soak, Settle: r.Hosts.Settle}
}

// patient has the times that the stack file names now; those of a group that is no
// longer in it (nil) are in the state.
func (h Host) patient(now *graph.Hosts) Host {
	if now != nil {
		h.Soak, h.Settle = now.Soak, now.Settle
	}
	return h
}

// number puts the nodes into an order in which they could run one by one: what
// is made, what is handed over, what is deleted, as far as needs allow.
func number(nodes []*node) ([]plan.Step, error) {
	followers := make(map[*node][]*node, len(nodes))
	unmet := make(map[*node]int, len(nodes))
	var ready queue
	for _, n := range nodes {
		unmet[n] = len(n.needs)
		for _, e := range n.needs {
			followers[e.to] = append(followers[e.to], n)
		}
		if len(n.needs) == 0 {
			heap.Push(&ready, n)
		}
	}
	steps := make([]plan.Step, 0, len(nodes))
	for ready.Len() > 0 {
		n := heap.Pop(&ready).(*node)
		n.ID = len(steps) + 1
		for _, e := range n.needs {
			n.Needs = append(n.Needs, e.to.ID)
		}
		steps = append(steps, n.Step)
		for _, f := range followers[n] {
			if unmet[f]--; unmet[f] == 0 {
				heap.Push(&ready, f)
			}
		}
	}
	if len(steps) < len(nodes) {
		return nil, stuck(nodes)
	}
	plan.Reduce(steps)
	return steps, nil
}

// stuck names the steps that wait for each other, and why.
func stuck(nodes []*node) error {
	var waits []string
	for _, n := range nodes {
		for _, e := range n.needs {
			if n.ID == 0 && e.to.ID == 0 {
				waits = append(waits, fmt.Sprintf("%s %s for %s %s (%s)", n.Op, n.Name, e.to.Op, e.to.Name, e.why))
			}
		}
	}
	return fmt.Errorf("these steps wait for each other: %s", strings.Join(waits, ", "))
}

// queue is the steps that could run, the one to print first on top.
type queue []*node

func (q queue) Len() int      { return len(q) }
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(*node)) }

func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}

func (q queue) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(phase(q[i].Op), phase(q[j].Op)), cmp.Compare(q[i].rank, q[j].rank)) < 0
}

func phase(op plan.Op) int {
	switch op {
	case plan.HandOver:
		return 1
	case plan.Delete:
		return 2
	case plan.Create, plan.Update:
	}
	return 0
}
