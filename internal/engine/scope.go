package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// A plan may be about a part of the stack. The graph says so: what it is not
// about is in it as it stands, whatever the file says, and frozen. So planner
// and run have no rules of their own for it, but two: what is frozen is not
// judged, and nothing that it refers to goes.

// Scope names what a change is about. What is named may be called as in the
// file (nodeGroups.web), in a plan (nodegroup/web), by type and name, or by URN.
type Scope struct {
	Only   []string // nothing but these, and what they need; empty: everything
	Except []string // everything but these, and what cannot be without them
}

func (s Scope) isAll() bool { return len(s.Only)+len(s.Except) == 0 }

// Narrow makes of what is wanted what is wanted of the scope alone. To destroy,
// g is empty.
func (e *Engine) Narrow(g *graph.Graph, s *state.Snapshot, scope Scope) (*graph.Graph, error) {
	if scope.isAll() {
		return g, nil
	}
	now, _, err := renamed(g, s)
	if err != nil {
		return nil, err
	}
	n := newNarrowing(g, now)
	if err := n.choose(scope); err != nil {
		return nil, err
	}
	return n.narrowed(e), nil
}

// narrowing chooses what stays as it stands.
type narrowing struct {
	graph  *graph.Graph
	state  *state.Snapshot
	wanted map[graph.Key]graph.Resource
	stands map[graph.Key]state.Resource // in use, nothing about them is open
	order  []graph.Key                  // all of both: of the graph first, then of the state
	need   map[graph.Key][]graph.Key    // what each needs: as it is wanted or, if it is not, as it stands
	users  map[graph.Key][]graph.Key    // the other way round
	parts  map[string][]graph.Key       // of components that share a generation
	in     map[graph.Key]bool           // what the change is about
}

func newNarrowing(g *graph.Graph, s *state.Snapshot) *narrowing {
	n := &narrowing{graph: g, state: s, wanted: make(map[graph.Key]graph.Resource), stands: make(map[graph.Key]state.Resource), in: make(map[graph.Key]bool),
		need: make(map[graph.Key][]graph.Key), users: make(map[graph.Key][]graph.Key), parts: make(map[string][]graph.Key)}
	for _, r := range g.Resources {
		n.wanted[r.Key] = r
		n.order = append(n.order, r.Key)
	}
	known := make(map[graph.Key]bool)
	see := func(r state.Resource) {
		k := keyOf(r.URN)
		if _, wanted := n.wanted[k]; !wanted && !known[k] {
			n.order = append(n.order, k)
		}
		known[k] = true
	}
	for _, r := range s.Resources {
		if see(r); !r.Condemned && !r.Gone && !r.Leaving {
			n.stands[keyOf(r.URN)] = r
		}
	}
	for _, in := range s.Pending {
		if in.Resource != nil {
			see(*in.Resource)
		}
		delete(n.stands, keyOf(in.URN))
	}
	n.relate()
	return n
}

// relate finds who needs whom, and what goes together.
func (n *narrowing) relate() {
	for _, r := range n.graph.Resources {
		n.need[r.Key] = r.Needs()
	}
	for _, r := range n.state.Resources {
		if k := keyOf(r.URN); !n.isWanted(k) {
			for _, need := range r.Needs {
				n.need[k] = append(n.need[k], keyOf(need.URN))
			}
		}
	}
	for _, k := range n.order {
		for _, o := range n.need[k] {
			n.users[o] = append(n.users[o], k)
		}
		if c := n.component(k); c != "" && n.shares(k) {
			n.parts[c] = append(n.parts[c], k)
		}
	}
}

func keyOf(urn plan.URN) graph.Key { return graph.Key{Type: urn.Type(), Name: urn.Name()} }

// choose fills in: what the change is about.
func (n *narrowing) choose(scope Scope) error {
	only, err := n.find(scope.Only)
	if err != nil {
		return err
	}
	except, err := n.find(scope.Except)
	if err != nil {
		return err
	}
	for _, k := range n.order {
		n.in[k] = len(scope.Only) == 0
	}
	for _, k := range only {
		n.include(k)
	}
	for _, k := range except {
		n.exclude(k)
	}
	for n.closed() {
	}
	return nil
}

// include takes in what is named: with what it needs, if it is wanted; with what
// goes before it, if it is not.
func (n *narrowing) include(k graph.Key) {
	if n.in[k] {
		return
	}
	n.in[k] = true
	for _, o := range n.mates(k) {
		n.include(o)
	}
	if n.isWanted(k) {
		for _, o := range n.need[k] {
			n.include(o)
		}
		return
	}
	for _, o := range n.users[k] {
		if !n.isWanted(o) {
			n.include(o)
		}
	}
}

// exclude leaves out what is named, with what it needs if all that goes.
func (n *narrowing) exclude(k graph.Key) {
	if !n.in[k] {
		return
	}
	n.in[k] = false
	for _, o := range n.mates(k) {
		n.exclude(o)
	}
	for _, o := range n.need[k] {
		if !n.isWanted(o) {
			n.exclude(o)
		}
	}
}

// closed leaves out what needs something that is left out and does not stand,
// and tells whether there was any.
func (n *narrowing) closed() (changed bool) {
	for _, k := range n.order {
		if !n.in[k] || !n.isWanted(k) {
			continue
		}
		for _, need := range n.need[k] {
			if _, stands := n.stands[need]; !n.in[need] && !stands && n.in[k] {
				n.exclude(k)
				changed = true
			}
		}
	}
	return changed
}

func (n *narrowing) isWanted(k graph.Key) bool {
	_, ok := n.wanted[k]
	return ok
}

// mates are the parts of one component that share a generation, and so go together.
func (n *narrowing) mates(k graph.Key) []graph.Key {
	if !n.shares(k) {
		return nil
	}
	return n.parts[n.component(k)]
}

func (n *narrowing) shares(k graph.Key) bool {
	if r, ok := n.wanted[k]; ok {
		return len(r.Generation) > 0
	}
	i := n.latest(k)
	return i >= 0 && len(n.state.Resources[i].Generation) > 0
}

func (n *narrowing) component(k graph.Key) string {
	if r, ok := n.wanted[k]; ok {
		return r.Component
	}
	if i := n.latest(k); i >= 0 {
		return n.state.Resources[i].Component
	}
	return ""
}

func (n *narrowing) latest(k graph.Key) int {
	return slices.IndexFunc(n.state.Resources, func(r state.Resource) bool { return keyOf(r.URN) == k })
}

// find are the resources that are named; a name of nothing is a mistake.
func (n *narrowing) find(names []string) ([]graph.Key, error) {
	var found []graph.Key
	for _, name := range names {
		before := len(found)
		for _, k := range n.order {
			if n.called(k, name) {
				found = append(found, k)
			}
		}
		if len(found) == before {
			return nil, unnamed(name)
		}
	}
	return found, nil
}

func unnamed(name string) error {
	return &problem.Error{Kind: problem.Usage, Op: "choose " + name, Err: fmt.Errorf("nothing of the stack is called %q", name),
		Fix: "call it as in the file (nodeGroups.web, resources.queue), as in a plan (nodegroup/web), by type and name, or by URN (drover state ls)"}
}

func (n *narrowing) called(k graph.Key, name string) bool {
	physical := ""
	if r, ok := n.stands[k]; ok {
		physical = r.Name
	}
	return called(name, k, n.component(k), physical, plan.NewURN(n.state.Stack, n.state.Project, k.Type, k.Name))
}

// called reports that a person means this resource by the name.
func called(name string, k graph.Key, component, physical string, urn plan.URN) bool {
	if name == "" {
		return false
	}
	section, rest, _ := strings.Cut(name, ".")
	switch section {
	case "nodeGroups":
		return component == "nodegroup/"+rest
	case "workloads":
		return component == "workload/"+rest
	case "resources":
		return component == "" && (k.Name == rest || strings.HasSuffix(k.Name, "/"+rest))
	}
	return slices.Contains([]string{k.String(), k.Name, component, physical, string(urn)}, name)
}

// narrowed is the graph: of the scope as it is wanted, of the rest as it stands.
func (n *narrowing) narrowed(e *Engine) *graph.Graph {
	out := *n.graph
	out.Resources, out.Frozen = nil, make(map[graph.Key]bool)
	for _, r := range n.state.Resources { // each after those it needs, as former wants them
		k := keyOf(r.URN)
		if live, stands := n.stands[k]; stands && !n.in[k] && live.Gen == r.Gen {
			f := e.former(&out, n.state, r)
			f.Options.Aliases, f.At = n.wanted[k].Options.Aliases, n.wanted[k].At
			out.Resources = append(out.Resources, f)
		}
	}
	for _, k := range n.order {
		r, wanted := n.wanted[k]
		if wanted && n.in[k] {
			out.Resources = append(out.Resources, r)
		}
		out.Frozen[k] = !n.in[k]
	}
	return &out
}

// unless drops what was seen of what is frozen: it counts as the state has it.
func (s sightings) unless(frozen map[graph.Key]bool) {
	for n := range s {
		if frozen[keyOf(n.URN)] {
			delete(s, n)
		}
	}
}

// checkFrozen refuses to take away what something that stays refers to.
func (b *builder) checkFrozen() error {
	if len(b.frozen) == 0 {
		return nil
	}
	doomed := make(map[state.Need]bool)
	for _, d := range b.deletes {
		doomed[state.Need{URN: d.URN, Gen: d.Gen}] = true
	}
	for _, d := range b.deletes {
		for _, r := range b.old.Resources {
			if !r.Gone && b.frozen[keyOf(r.URN)] && !doomed[state.Need{URN: r.URN, Gen: r.Gen}] && refersTo(&r, d.goes) {
				return &problem.Error{Kind: problem.Refused, Op: "plan a part of the stack",
					Err: fmt.Errorf("%s would be deleted, and %s, which is left out, refers to it", what(d.Step), r.URN),
					Fix: "take that in, too: --target " + keyOf(r.URN).String()}
			}
		}
	}
	return nil
}

// asked reports that a unit is to be made anew though nothing has changed. One
// whose replacement is under way is not made anew twice.
func (j *judgement) asked(u *unit) bool {
	older := false
	named := slices.ContainsFunc(u.items, func(it *item) bool {
		for _, g := range j.found[it.urn] {
			older = older || g.Gen < u.target && g.exists
		}
		return slices.ContainsFunc(j.engine.Replace, func(name string) bool {
			return called(name, it.Key, it.Component, "", it.urn)
		})
	})
	return named && !older && u.stands(j.found, u.target)
}

// checkReplaced reports names of --replace that mean nothing in the stack.
func (j *judgement) checkReplaced() error {
	for _, name := range j.engine.Replace {
		if !slices.ContainsFunc(j.items, func(it *item) bool { return called(name, it.Key, it.Component, "", it.urn) }) {
			return unnamed(name)
		}
	}
	return nil
}
