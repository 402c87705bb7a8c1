package engine

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
)

// node is a step before it has a number.
type node struct {
	plan.Step
	needs []*node
	rank  int // of steps that could run, the lowest comes first
	key   graph.Key
	conn  bool            // a Kubernetes object
	goes  *state.Resource // Delete and HandOver: what
}

func (n *node) need(others ...*node) {
	for _, o := range others {
		if o != nil && o != n && !slices.Contains(n.needs, o) {
			n.needs = append(n.needs, o)
		}
	}
}

// steps orders what was decided. The edges are made here and nowhere else:
//   - make: creates and updates follow what they need;
//   - hand over: once all of these stand, and what goes has gone from the cluster;
//   - delete: once the replacement stands, what referred to it refers to
//     something else, and it has been handed over.
func (e *Engine) steps(ctx context.Context, j *judgement) (plan.Plan, error) {
	b := &builder{judgement: j, made: make(map[plan.URN]*node), deletes: make(map[state.Need]*node)}
	b.makeAll()
	b.deleteAll()
	if err := b.replaceAll(); err != nil {
		return plan.Plan{}, err
	}
	b.handOverAll()
	if err := b.inspectAll(ctx); err != nil {
		return plan.Plan{}, err
	}
	steps, err := number(b.nodes())
	if err != nil {
		return plan.Plan{}, err
	}
	p := plan.Plan{Stack: j.old.Stack, Project: j.old.Project, Serial: j.old.Serial, Destroy: j.destroy, Steps: steps}
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
	goes      []*node              // deletes, in the order of the state
	deletes   map[state.Need]*node // the delete of a generation
	replaced  map[*node]bool       // deletes that must come before their replacement
}

func (b *builder) nodes() []*node { return slices.Concat(b.makes, b.handOvers, b.goes) }

// makeAll adds creates and updates, in the order of the graph.
func (b *builder) makeAll() {
	for _, it := range b.items {
		if it.fate == keep {
			continue
		}
		n := &node{key: it.Key, conn: len(it.Conn) > 0, rank: len(b.makes)}
		n.Step = plan.Step{Op: plan.Update, URN: it.urn, Gen: it.gen, Name: it.name, Component: it.Component,
			Suffix: sharedSuffix(it.name, it.Generation),
			Want:   declared(it.Resource, it.name), Why: it.why, Hosts: it.Hosts != nil}
		if it.fate.made() {
			n.Op = plan.Create
		}
		for _, k := range it.Needs() {
			if to := b.byKey[k]; to != nil {
				n.need(b.made[to.urn])
			}
		}
		b.makes = append(b.makes, n)
		b.made[it.urn] = n
		if shrinks(it) {
			n.need(b.addHandOver(it.have, it.Hosts.Nodes))
		}
	}
}

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

// deleteAll adds deletes in reverse order of need, of all that exists, or may
// exist, and is not wanted.
func (b *builder) deleteAll() {
	unwanted := b.unwanted()
	for i := range unwanted {
		r := &unwanted[i]
		d := &node{goes: r, conn: len(r.Conn.Declared) > 0, key: graph.Key{Type: r.Type, Name: r.URN.Name()}}
		d.Step = plan.Step{Op: plan.Delete, URN: r.URN, Gen: r.Gen, Name: r.Name, Component: r.Component,
			Suffix: sharedSuffix(r.Name, r.Generation)}
		if _, cut := b.old.Intent(plan.Create, r.URN, r.Gen); cut {
			d.Why = "begun by a run that was cut off"
		}
		b.goes = append(b.goes, d)
		b.deletes[state.Need{URN: r.URN, Gen: r.Gen}] = d
	}
	for i, d := range b.goes {
		d.rank = -i
		for _, o := range b.goes[:i] { // what stands before: order-only needs may have lost their order
			if dependsOn(d.goes, o.goes) {
				o.need(d)
			}
		}
		b.hostsLast(d)
	}
}

// unwanted is in the order of the state, and after it what may have been made.
func (b *builder) unwanted() []state.Resource {
	var rs []state.Resource
	for _, r := range b.old.Resources {
		if it := b.byURN[r.URN]; !r.Gone && (it == nil || it.gen != r.Gen) {
			rs = append(rs, r)
		}
	}
	for _, in := range b.old.Pending {
		if it := b.byURN[in.URN]; in.Op == plan.Create && (it == nil || it.gen != in.Gen) {
			rs = append(rs, *in.Resource)
		}
	}
	return rs
}

// hostsLast lets workloads go before the nodes that they run on, where both
// go; except what the nodes themselves need.
func (b *builder) hostsLast(host *node) {
	if host.goes.Hosts == nil || !b.abandoned(host.goes) {
		return
	}
	needed := b.neededBy(host.goes)
	for _, d := range b.goes {
		if d.conn && !needed[state.Need{URN: d.URN, Gen: d.Gen}] {
			host.need(d)
		}
	}
}

// dependsOn reports that r needs o, in this generation or any.
func dependsOn(r, o *state.Resource) bool {
	return slices.ContainsFunc(r.Needs, func(n state.Need) bool {
		return n.URN == o.URN && (n.Gen == 0 || n.Gen == o.Gen)
	})
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
	for _, ref := range graph.Refs(map[string]any(host.Hosts.Conn.Declared)) {
		urn := plan.NewURN(b.old.Stack, b.old.Project, ref.Key.Type, ref.Key.Name)
		for _, n := range host.Needs {
			if n.URN == urn && b.deletes[n] != nil {
				return true
			}
		}
	}
	return false
}

// replaceAll lets deletes wait for what replaces them and for what no longer
// refers to them, or their replacement for them where two cannot stand at once.
func (b *builder) replaceAll() error {
	b.replaced = make(map[*node]bool)
	for _, d := range b.goes {
		it := b.byURN[d.URN]
		if it == nil || !it.fate.made() {
			continue
		}
		first, err := b.deleteFirst(*d.goes, it)
		if err != nil {
			return err
		}
		b.replaced[d] = first
	}
	stays := b.stays()
	for _, d := range b.goes {
		comes := b.made[d.URN]
		if comes != nil && comes.Op != plan.Create {
			comes = nil
		}
		if b.replaced[d] {
			d.DeleteFirst, d.Why = true, "cannot stand twice"
			comes.need(d)
			continue
		}
		d.need(comes)
		for _, r := range stays {
			if slices.Contains(r.Needs, state.Need{URN: d.URN, Gen: d.Gen}) {
				d.need(b.made[r.URN])
			}
		}
	}
	return nil
}

// stays is what exists, or may exist, and is wanted.
func (b *builder) stays() []*state.Resource {
	var rs []*state.Resource
	for i, r := range b.old.Resources {
		if it := b.byURN[r.URN]; it != nil && it.gen == r.Gen {
			rs = append(rs, &b.old.Resources[i])
		}
	}
	for _, in := range b.old.Pending {
		if it := b.byURN[in.URN]; in.Op == plan.Create && it != nil && it.gen == in.Gen {
			rs = append(rs, in.Resource)
		}
	}
	return rs
}

// handOverAll puts a hand-over before the delete of every resource that
// workloads run on, one after the other, each after all that is made.
func (b *builder) handOverAll() {
	for _, d := range b.goes {
		if d.goes.Hosts != nil && !b.abandoned(d.goes) {
			d.Hosts, d.WhenEmpty, d.Why = true, true, "only when empty"
			d.need(b.addHandOver(d.goes, 0))
		}
	}
	for _, h := range b.handOvers {
		for _, part := range b.goes {
			if h.Component != "" && part.Component == h.Component && part.Gen == h.Gen && !part.DeleteFirst {
				part.need(h)
			}
		}
	}
	b.untie()
	waits := waitsForHandOver(b.nodes())
	for i, h := range b.handOvers {
		h.rank = i
		if i > 0 {
			h.need(b.handOvers[i-1])
		}
		if comes := b.made[h.URN]; comes != nil && comes.Gen != h.Gen {
			h.need(comes) // even if it shrinks first
		}
		for _, n := range slices.Concat(b.makes, b.goes) {
			if !waits[n] && (n.Op != plan.Delete || n.conn) {
				h.need(n)
			}
		}
	}
	for _, d := range b.goes {
		d.forget()
	}
}

// untie lets what cannot stand twice go before something that still refers to
// it, if that something waits for the replacement.
func (b *builder) untie() {
	for _, d := range b.goes {
		if b.replaced[d] {
			comes := b.made[d.URN]
			d.needs = slices.DeleteFunc(d.needs, func(o *node) bool { return o.waitsFor(comes, make(map[*node]bool)) })
		}
	}
}

func (n *node) waitsFor(other *node, seen map[*node]bool) bool {
	seen[n] = true
	return slices.ContainsFunc(n.needs, func(o *node) bool {
		return o == other || !seen[o] && o.waitsFor(other, seen)
	})
}

// waitsForHandOver marks the steps that come after some hand-over.
func waitsForHandOver(nodes []*node) map[*node]bool {
	waits, seen := make(map[*node]bool), make(map[*node]bool)
	var visit func(*node) bool
	visit = func(n *node) bool {
		if seen[n] {
			return waits[n]
		}
		seen[n] = true
		for _, o := range n.needs {
			if o.Op == plan.HandOver || visit(o) {
				waits[n] = true
			}
		}
		return waits[n]
	}
	for _, n := range nodes {
		visit(n)
	}
	return waits
}

// forget drops the needs of a delete that its hand-over waits for already.
func (n *node) forget() {
	for _, h := range n.needs {
		if h.Op == plan.HandOver {
			n.needs = slices.DeleteFunc(n.needs, func(o *node) bool { return slices.Contains(h.needs, o) })
			return
		}
	}
}

// inspectAll asks what each hand-over would meet.
func (b *builder) inspectAll(ctx context.Context) error {
	for _, h := range b.handOvers {
		if _, exists := b.old.Find(h.URN, h.Gen); !exists {
			h.Why = "begun by a run that was cut off"
			continue
		}
		in, err := b.engine.Mover.Inspect(ctx, host(*h.goes), h.Keep, h.replacedBefore())
		if err != nil {
			return fmt.Errorf("inspect %s: %w", h.Name, err)
		}
		h.Why = inspectionWhy(in)
		for _, f := range in.Findings {
			b.engine.Events.Emit(f)
		}
	}
	b.warnOfHalfMoves()
	return nil
}

// warnOfHalfMoves tells of a shrink that was begun and then taken back: what
// the hand-over did to the nodes so far is not undone.
func (b *builder) warnOfHalfMoves() {
	for _, in := range b.old.Pending {
		it := b.byURN[in.URN]
		if in.Op != plan.HandOver || it == nil || it.gen != in.Gen ||
			slices.ContainsFunc(b.handOvers, func(h *node) bool { return h.URN == in.URN && h.Gen == in.Gen }) {
			continue
		}
		b.engine.Events.Emit(event.Finding{Severity: event.Warning, Object: it.Component,
			Effect: "it was about to shrink and now stays as it is: some of its nodes may still be cordoned",
			Fix:    "kubectl get nodes -l drover.dev/nodegroup=" + it.name + ", then kubectl uncordon those that are SchedulingDisabled"})
	}
}

// replacedBefore names the Kubernetes objects whose pods are placed anew, or
// gone, before the hand-over begins.
func (n *node) replacedBefore() []graph.Key {
	var keys []graph.Key
	for _, o := range n.needs {
		if o.conn && o.Op != plan.Create {
			keys = append(keys, o.key)
		}
	}
	return keys
}

// host is how the Mover knows a resource that workloads run on.
func host(r state.Resource) Host {
	return Host{URN: r.URN, Name: r.Name, Conn: r.Hosts.Conn.Resolved}
}

// number puts the nodes into an order in which they could run one by one: what
// is made, what is handed over, what is deleted, as far as needs allow.
func number(nodes []*node) ([]plan.Step, error) {
	followers := make(map[*node][]*node, len(nodes))
	unmet := make(map[*node]int, len(nodes))
	var ready queue
	for _, n := range nodes {
		unmet[n] = len(n.needs)
		for _, o := range n.needs {
			followers[o] = append(followers[o], n)
		}
		if len(n.needs) == 0 {
			heap.Push(&ready, n)
		}
	}
	steps := make([]plan.Step, 0, len(nodes))
	for ready.Len() > 0 {
		n := heap.Pop(&ready).(*node)
		n.ID = len(steps) + 1
		for _, o := range n.needs {
			n.Needs = append(n.Needs, o.ID)
		}
		slices.Sort(n.Needs)
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
	return steps, nil
}

func stuck(nodes []*node) error {
	var names []string
	for _, n := range nodes {
		if n.ID == 0 {
			names = append(names, fmt.Sprintf("%s %s", n.Op, n.Name))
		}
	}
	return fmt.Errorf("these steps wait for each other: %s", strings.Join(names, ", "))
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
