package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/value"
)

// Plan says what must happen to make what exists what is wanted. It changes
// nothing; of the outside world it only looks at what the state knows, asks the
// Mover what a hand-over would meet, and emits its findings.
//
// What decides about a resource that exists:
//   - Its Generation differs: it is replaced, with its whole component.
//   - Its properties differ, once references to what is known are resolved: it
//     is updated, or replaced if the provider says so. Outputs of a resource that
//     is made anew are not known and count as different; names are known.
//   - It refers to an output of a resource that is updated, and the output is
//     not steady (an identifier never changes; the latest version of a launch
//     template does): an update is planned, which does nothing if the value
//     turns out to be the same.
//   - Its connection leads to something that is made anew: it is replaced.
//   - It was deleted outside of Drover: it is made anew, with its component.
//   - A run was cut off while it was created or updated: that is finished.
func (e *Engine) Plan(ctx context.Context, g *graph.Graph, s *state.Snapshot) (plan.Plan, error) {
	if err := s.Named(g.Project, g.Stack); err != nil {
		return plan.Plan{}, err
	}
	if err := e.checkOutputs(g).Err(); err != nil {
		return plan.Plan{}, err
	}
	s, renames, err := renamed(g, s)
	if err != nil {
		return plan.Plan{}, err
	}
	seen, err := e.look(ctx, s, false)
	if err != nil {
		return plan.Plan{}, err
	}
	seen.unless(g.Frozen)
	p, err := e.judge(g, s, seen, renames)
	if err != nil {
		return plan.Plan{}, fmt.Errorf("plan: %w", err)
	}
	if err := p.checkUpdates(); err != nil {
		return plan.Plan{}, err
	}
	if p.back = g.Back; p.back {
		if err := p.wayOpen(); err != nil {
			return plan.Plan{}, err
		}
	}
	return e.steps(ctx, p)
}

// PlanDestroy says how to delete everything, in reverse order of need.
func (e *Engine) PlanDestroy(ctx context.Context, s *state.Snapshot) (plan.Plan, error) {
	return e.PlanDestroyOf(ctx, &graph.Graph{Stack: s.Stack, Project: s.Project}, s)
}

// PlanDestroyOf says how to delete everything but what a narrowed graph has frozen.
func (e *Engine) PlanDestroyOf(ctx context.Context, g *graph.Graph, s *state.Snapshot) (plan.Plan, error) {
	seen, err := e.look(ctx, s, e.ForgetUnreachable)
	if err != nil {
		return plan.Plan{}, err
	}
	if err := e.strays(ctx, g, s, seen); err != nil {
		return plan.Plan{}, err
	}
	seen.unless(g.Frozen)
	p, err := e.judge(g, s, seen, nil)
	if err != nil {
		return plan.Plan{}, fmt.Errorf("plan: %w", err)
	}
	p.destroy = true
	return e.steps(ctx, p)
}

// fate is what becomes of a wanted resource.
type fate int

const (
	keep fate = iota
	create
	update
	replace
)

// made reports that an object is made which does not exist yet.
func (f fate) made() bool { return f == create || f == replace }

// item is one wanted resource and what was decided about it.
type item struct {
	graph.Resource
	urn  plan.URN
	unit *unit
	have *state.Resource // the generation that stays, or is replaced; nil: there is none
	lost bool            // what the state has was deleted outside of Drover
	was  plan.URN        // what it was called; empty: it is called as before

	fate  fate
	gen   int
	name  string
	known plan.Props // inputs as far as they are known now
	conn  any        // the same of its connection
	why   string
	same  bool // it is called otherwise, and nothing else changes
	stale bool // its create was begun, with inputs that an update could not change
}

// unit is what shares one generation: the parts of a component that has a
// Generation, or one resource.
type unit struct {
	items  []*item
	target int    // the generation that its parts must have
	next   int    // the one to take if target cannot be kept
	why    string // of taking next though the Generation is the same
}

// judgement is what was decided about every resource of a stack.
type judgement struct {
	engine  *Engine
	old     *state.Snapshot
	seen    sightings
	destroy bool
	back    bool // it takes a change back
	renames []plan.Rename
	frozen  map[graph.Key]bool // what the plan is not about
	items   []*item            // each after what it needs
	byKey   map[graph.Key]*item
	byURN   map[plan.URN]*item
	found   map[plan.URN][]generation
}

func (e *Engine) judge(g *graph.Graph, s *state.Snapshot, seen sightings, renames []plan.Rename) (*judgement, error) {
	g, err := e.concealed(g)
	if err != nil {
		return nil, err
	}
	sorted, err := g.Sorted()
	if err != nil {
		return nil, err
	}
	j := &judgement{engine: e, old: s, seen: seen, renames: renames, frozen: g.Frozen,
		byKey: make(map[graph.Key]*item, len(sorted)), byURN: make(map[plan.URN]*item, len(sorted))}
	for _, r := range sorted {
		it := &item{Resource: r, urn: plan.NewURN(g.Stack, g.Project, r.Type, r.Name)}
		j.items = append(j.items, it)
		j.byKey[r.Key], j.byURN[it.urn] = it, it
	}
	for _, r := range renames {
		j.byURN[r.To].was = r.From
	}
	if err := j.checkReplaced(); err != nil {
		return nil, err
	}
	j.group()
	err = j.decide()
	return j, err
}

// group finds the units and the generation that each must have.
func (j *judgement) group() {
	var units []*unit
	byComponent := make(map[string]*unit)
	for _, it := range j.items {
		shared := it.Component != "" && len(it.Generation) > 0
		u := byComponent[it.Component]
		if u == nil || !shared {
			u = new(unit)
			units = append(units, u)
		}
		if shared {
			byComponent[it.Component] = u
		}
		it.unit = u
		u.items = append(u.items, it)
	}
	j.found = generations(j.old, j.seen)
	for _, u := range units {
		if u.settle(j.found); j.asked(u) {
			u.why, u.target, u.next = "asked for (--replace)", u.next, u.next+1
		}
		j.avoid(u)
		j.aim(u)
	}
}

// avoid skips generations whose names others still have, who were called as
// this unit is now.
func (j *judgement) avoid(u *unit) {
	for j.taken(u) {
		u.target, u.next = u.next, u.next+1
	}
}

func (j *judgement) taken(u *unit) bool {
	return slices.ContainsFunc(u.items, func(it *item) bool {
		if it.NameProperty == "" || slices.ContainsFunc(j.found[it.urn], func(g generation) bool { return g.Gen == u.target }) {
			return false
		}
		name := physicalName(j.old.ID, it.Resource, it.urn, u.target)
		return slices.ContainsFunc(j.old.Resources, func(r state.Resource) bool { return r.Type == it.Type && r.Name == name && r.URN != it.urn })
	})
}

// aim finds what there is for the generation that the unit must have.
func (j *judgement) aim(u *unit) {
	for _, it := range u.items {
		it.have = inUse(j.found[it.urn], u.target)
		it.lost = it.have != nil && j.seen.gone(*it.have)
	}
}

// generation is one of a resource's, as the state has it: an object, or the
// intent to make one.
type generation struct {
	state.Resource
	stage  state.Stage
	exists bool // the state has an object of it, not just an intent
}

func generations(s *state.Snapshot, seen sightings) map[plan.URN][]generation {
	found := make(map[plan.URN][]generation)
	for _, r := range s.Resources {
		found[r.URN] = append(found[r.URN], generation{r, seen.stage(s, r), true})
	}
	for _, in := range s.Pending {
		if in.Op != plan.Create {
			continue
		}
		g := generation{*in.Resource, state.Begun, false}
		if seen.gone(g.Resource) { // its cluster is gone
			g.stage = state.Leaving
		}
		found[in.URN] = append(found[in.URN], g)
	}
	return found
}

// usable reports that it stands, and may be what the stack uses.
func (g generation) usable() bool { return g.stage.Usable() }

// inUse is the generation to keep if it exists, and else the one that is in use.
func inUse(found []generation, target int) *state.Resource {
	var have *state.Resource
	for i, g := range found {
		if g.Gen == target && g.usable() {
			return &found[i].Resource
		}
		if !g.Condemned && g.exists {
			have = &found[i].Resource
		}
	}
	return have
}

// settle finds the generation that the parts must have: one that stands and is
// what is wanted, be it an earlier one that a change taken back has left; or the
// latest, if it was begun for what is wanted; or else a new one. What is asked
// for by its generation gets that one as long as it stands.
func (u *unit) settle(found map[plan.URN][]generation) {
	latest := 0
	for _, it := range u.items {
		for _, g := range found[it.urn] {
			latest = max(latest, g.Gen)
		}
	}
	u.next = latest + 1
	if asked := u.items[0].Gen; asked > 0 && u.stands(found, asked) {
		u.target = asked
		return
	}
	for u.target = latest; u.target > 0; u.target-- {
		if u.stands(found, u.target) {
			break
		}
	}
	begun := u.begun(found, latest)
	switch {
	case u.target == 0 && begun:
		u.target = latest
	case u.target == 0:
		u.target = u.next
		u.next++
	case u.target < latest && begun:
		u.next = latest
	}
}

// stands reports that every part has an object of this generation as wanted.
func (u *unit) stands(found map[plan.URN][]generation, gen int) bool {
	return !slices.ContainsFunc(u.items, func(it *item) bool {
		return !slices.ContainsFunc(found[it.urn], func(g generation) bool {
			return g.Gen == gen && g.usable() && it.isOf(g.Generation)
		})
	})
}

// isOf reports that the item is wanted as of a generation, but for what rolls in place.
func (it *item) isOf(generation plan.Props) bool {
	rolls := func(key string, _ any) bool { return slices.Contains(it.Rolls, key) }
	have, want := maps.Clone(generation), maps.Clone(it.Generation)
	maps.DeleteFunc(have, rolls)
	maps.DeleteFunc(want, rolls)
	return state.Equal(have, want)
}

// begun reports that all that there is of this generation is as wanted.
func (u *unit) begun(found map[plan.URN][]generation, gen int) bool {
	some := false
	for _, it := range u.items {
		for _, g := range found[it.urn] {
			if g.Gen != gen {
				continue
			}
			if g.stage == state.Leaving || g.stage == state.Gone || g.stage == state.Condemned || !it.isOf(g.Generation) {
				return false
			}
			some = true
		}
	}
	return some
}

// decide judges every resource, and again from the start when one part of a
// component turns out to drag the others along.
func (j *judgement) decide() error {
	for {
		dragged, err := j.decideAll()
		if err != nil || !dragged {
			return err
		}
	}
}

func (j *judgement) decideAll() (dragged bool, err error) {
	for _, it := range j.items {
		if err := j.decideOne(it); err != nil {
			return false, fmt.Errorf("%s: %w", it.Key, err)
		}
		for it.overtaken() {
			u := it.unit
			u.why, u.target, u.next = it.why, u.next, u.next+1
			j.aim(u)
			if len(u.items) > 1 {
				return true, nil
			}
			if err := j.decideOne(it); err != nil {
				return false, fmt.Errorf("%s: %w", it.Key, err)
			}
		}
	}
	return false, nil
}

// overtaken reports that the generation which its unit aims at will not do.
func (it *item) overtaken() bool {
	return it.fate == replace && it.have.Gen == it.unit.target || it.stale
}

func (j *judgement) decideOne(it *item) error {
	it.gen = it.unit.target
	it.name = physicalName(j.old.ID, it.Resource, it.urn, it.gen)
	it.fate, it.why, it.same, it.stale = create, "", false, false
	if it.have != nil {
		it.fate = replace
		if it.have.Gen == it.gen {
			it.fate, it.name = keep, it.have.Name
		}
	}
	maybe, err := j.resolve(it)
	if err != nil {
		return err
	}
	provider, err := j.engine.Providers(it.Type)
	if err != nil {
		return err
	}
	if it.fate == keep {
		j.compare(it, provider, maybe)
		return nil
	}
	if in, cut := j.old.Intent(plan.Create, it.urn, it.gen); cut {
		it.why = anew(provider, it.Type, it.Options, in.Resource.Inputs, it.known)
		it.stale = it.why != ""
		if why := j.moves(it, *in.Resource); why != "" {
			it.stale, it.why = true, why
		}
	}
	switch {
	case it.fate == replace && !it.stale:
		it.why = it.unit.reason(j.seen)
	case it.fate == create && it.why == "" && !it.Where.IsZero():
		it.why = "in " + it.Where.Place().String()
	}
	return nil
}

// compare decides about a resource of the right generation.
func (j *judgement) compare(it *item, provider Provider, maybe []string) {
	_, cut := j.old.Intent(plan.Update, it.urn, it.gen)
	switch moves := j.moves(it, *it.have); {
	case j.frozen[it.Key]:
	case moves != "":
		it.fate, it.why = replace, moves
	case it.Hosts != nil && closed(*it.have, j.old) && state.Equal(it.have.Inputs, it.known):
		it.fate, it.why = update, "its nodes take pods and traffic again"
	case !state.Equal(it.have.Inputs, it.known):
		it.fate, it.why = update, updateWhy(it, j.seen)
		if why := anew(provider, it.Type, it.Options, it.have.Inputs, it.known); why != "" {
			it.fate, it.why = replace, why
		}
	case !state.Equal(it.have.Generation, it.Generation): // what rolled is stored with every part
		it.fate, it.why = update, strings.Join(changes(it.have.Generation, it.Generation), ", ")
	case len(maybe) > 0:
		it.fate, it.why = update, "if "+strings.Join(maybe, ", ")+" changes"
	case it.have.Condemned:
		it.fate, it.why = update, "stays after all"
	case cut || it.have.Settling:
		it.fate, it.why = update, "finish what was cut off"
	case !slices.Equal(strict(it.have.Needs), strict(j.needs(it))):
		it.fate, it.why = update, "refers to another resource"
	case it.have.Where != it.Where:
		it.fate, it.why = update, "is reached otherwise"
	}
	if it.was != "" && it.fate != replace {
		it.same = it.fate == keep
		it.fate, it.why = update, strings.TrimSuffix("was called "+formerName(it)+", "+it.why, ", ")
	}
}

// formerName is what the user called it, or what its kind was served as.
func formerName(it *item) string {
	if it.was.Type() != it.Type {
		return it.was.Type()
	}
	return it.was.Name()
}

// moves tells why r cannot become what is wanted where that is wanted; empty: it can.
func (j *judgement) moves(it *item, r state.Resource) string {
	from, to := j.place(r.Where), j.place(it.Where)
	switch {
	case r.Where != it.Where && from != to:
		return from.String() + " -> " + to.String()
	case j.elsewhere(it, r):
		return movesWhy
	}
	return ""
}

// place is where an object of AWS is.
func (j *judgement) place(w graph.Where) graph.Place {
	if w.IsZero() {
		return graph.Place{Region: j.old.Identity.Region, Account: j.old.Identity.Account}
	}
	return w.Place()
}

// elsewhere reports that r is, or was to be made, in another place than is
// wanted: what it is reached through is another one, not just another address
// of it. What that is says the generation that r needs, not what else the plan
// does: a run may have been cut off between the two.
func (j *judgement) elsewhere(it *item, r state.Resource) bool {
	same := state.Equal(it.Conn, r.Conn.Declared)
	if !same && !state.Equal(it.conn, r.Conn.Resolved) {
		return true
	}
	return slices.ContainsFunc(value.Refs(it.Conn), func(ref value.Ref) bool {
		to := j.byKey[ref.Key]
		return to != nil && (to.fate.made() || same && !slices.Contains(r.Needs, state.Need{URN: to.urn, Gen: to.gen}))
	})
}

// resolve fills known and conn. It names the outputs that an update may change.
func (j *judgement) resolve(it *item) (maybe []string, err error) {
	props, err := value.Resolve(declared(it.Resource, it.name), func(ref value.Ref) (any, error) {
		v, steady, err := j.value(it, ref)
		if !steady && it.have != nil {
			maybe = append(maybe, fmt.Sprintf("%s of %s", ref.Path, ref.Key.Name))
		}
		return v, err
	})
	if err != nil {
		return nil, err
	}
	it.known, _ = props.(map[string]any)
	if it.fate == keep {
		it.known = kept(it.known, it.have.Inputs, it.Options.IgnoreChanges)
	}
	it.conn, err = value.Resolve(it.Conn, func(ref value.Ref) (any, error) {
		v, _, err := j.value(it, ref)
		return v, err
	})
	return maybe, err
}

// value is what a reference stands for, as far as it is known now. What is not
// known is a value.Unknown, which no real value equals.
func (j *judgement) value(it *item, ref value.Ref) (v any, steady bool, err error) {
	if ref.Lookup != "" {
		if it.fate == keep {
			if found, ok := it.have.Lookups[ref.Lookup]; ok {
				return found, true, nil
			}
		}
		return value.NotYet(ref.Expr()), true, nil
	}
	to := j.byKey[ref.Key]
	switch {
	case to == nil:
		return nil, false, fmt.Errorf("%s refers to nothing", ref)
	case ref.Path == graph.NamePath:
		return to.name, true, nil
	case to.fate.made():
		return value.NotYet(ref.Expr()), true, nil
	}
	v, ok := value.Get(to.have.Outputs, ref.Path)
	if !ok {
		return value.NotYet(ref.Expr()), true, nil
	}
	return v, to.fate == keep || to.same || j.steady(to, ref.Path, v), nil
}

// steady reports that no update in place changes an output: it is a part of the
// object's identifier, or the provider says so by the facts of the type.
func (j *judgement) steady(to *item, path string, v any) bool {
	provider, err := j.engine.Providers(to.Type)
	if err != nil {
		return false
	}
	if switches, ok := provider.(Switcher); ok && switches.Switches(to.Type) {
		return false
	}
	if text, ok := v.(string); ok && slices.Contains(strings.Split(to.have.ID, "|"), text) {
		return true
	}
	knows, ok := provider.(Steadier)
	return ok && knows.Steady(to.Type, path)
}

// needs is what the resource depends on once the plan is carried out.
func (j *judgement) needs(it *item) []state.Need {
	return needsOf(it.Resource, func(k graph.Key) (state.Need, bool) {
		to := j.byKey[k]
		if to == nil {
			return state.Need{}, false
		}
		return state.Need{URN: to.urn, Gen: to.gen}, true
	})
}

// needsOf lists dependencies: references with the generation that they lead
// to, and After without.
func needsOf(r graph.Resource, find func(graph.Key) (state.Need, bool)) []state.Need {
	referred := make(map[graph.Key]bool)
	r.EachRef(func(ref value.Ref) { referred[ref.Key] = true })
	var needs []state.Need
	for _, k := range r.Needs() {
		n, ok := find(k)
		if !ok {
			continue
		}
		if !referred[k] {
			n.Gen = 0
		}
		needs = append(needs, n)
	}
	return needs
}

// strict leaves the needs that are references, sorted.
func strict(needs []state.Need) []state.Need {
	var refs []state.Need
	for _, n := range needs {
		if n.Gen > 0 {
			refs = append(refs, n)
		}
	}
	slices.SortFunc(refs, func(a, b state.Need) int { return strings.Compare(string(a.URN), string(b.URN)) })
	return refs
}

func pick(props plan.Props, keys []string) plan.Props {
	picked := make(plan.Props, len(keys))
	for _, k := range keys {
		key, _, _ := strings.Cut(strings.TrimPrefix(k, "/"), "/")
		if v, ok := props[key]; ok {
			picked[key] = v
		}
	}
	return picked
}
