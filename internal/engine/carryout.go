package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// journalError is a failure to write down what happens. Nothing may happen after it.
type journalError struct{ err error }

func (e *journalError) Error() string { return "write state: " + e.err.Error() }
func (e *journalError) Unwrap() error { return e.err }

// step carries one step out. Provider calls are let finish when the run is
// stopped: what was sent cannot be taken back, and its answer is wanted.
func (a *apply) step(ctx context.Context, s plan.Step) error {
	limit := a.limit(s)
	within, done := limited(ctx, limit)
	defer done()
	err := a.call(within, s)
	if err != nil && ctx.Err() == nil && within.Err() != nil {
		return overdue(s, limit, err)
	}
	return err
}

func (a *apply) call(ctx context.Context, s plan.Step) error {
	switch s.Op {
	case plan.Create:
		return a.create(ctx, s)
	case plan.Update:
		return a.update(ctx, s)
	case plan.HandOver:
		return a.handOver(ctx, s)
	case plan.Delete:
		return a.delete(ctx, s)
	}
	return fmt.Errorf("unknown operation %q", s.Op)
}

func (a *apply) create(ctx context.Context, s plan.Step) error {
	want, err := a.want(ctx, s, state.Resource{})
	if err != nil {
		return err
	}
	in, cut := a.journal.Intent(plan.Create, s.URN, s.Gen)
	if cut && !state.Equal(in.Resource.Inputs, want.Inputs) {
		_, exists, err := a.adopt(ctx, s, in, false)
		if err != nil {
			return err
		}
		if exists {
			return a.update(ctx, s)
		}
	}
	if in, err = a.journal.Begin(ctx, state.Intent{Op: plan.Create, URN: s.URN, Gen: s.Gen, Resource: &want}); err != nil {
		return &journalError{err}
	}
	made, _, err := a.make(ctx, s, in, want)
	if err != nil || made.Hosts == nil {
		return err
	}
	return a.awaitNodes(ctx, s, made)
}

// make sends a create that was begun and stores what came of it. An object
// that workloads run on counts as settling until its nodes are ready.
func (a *apply) make(ctx context.Context, s plan.Step, in state.Intent, want state.Resource) (state.Resource, Certainty, error) {
	provider, err := a.Providers(want.Type)
	if err != nil {
		return want, Unknown, err
	}
	req := a.request(s, want)
	req.Token, req.Want, req.Known = in.Token, want.Inputs, known(want, a.objects(want.Type))
	if in.At.Before(a.began) {
		req.Begun = in.At
	}
	ctx, done := unhurried(ctx)
	defer done()
	if req.Size, err = a.predecessorSize(ctx, s, provider, want); err != nil {
		return want, Unknown, err
	}
	got, callErr := provider.Create(ctx, req)
	if got.Certainty >= Unready && req.Knows(got.ID) {
		got.Certainty, callErr = Unknown, fmt.Errorf("its provider took over %s, which the state has already: %w", got.ID, cmp.Or(callErr, errTaken))
	}
	made := want
	switch got.Certainty {
	case Made, Unready:
		made.ID, made.Outputs = got.ID, a.outputs(want.Type, got.Outputs, want.Inputs)
		made.Settling = got.Certainty == Unready || made.Hosts != nil
		err = a.journal.Done(ctx, in, &made)
	case NotMade:
		err = a.journal.Failed(ctx, in, true)
	case Unknown: // its intent stays as it is
		callErr = unsure(s, cmp.Or(callErr, errNoReason))
	}
	if err != nil {
		return made, Unknown, errors.Join(callErr, &journalError{err})
	}
	return made, got.Certainty, callErr
}

var (
	errTaken    = errors.New("one object cannot be two resources")
	errNoReason = errors.New("its provider does not know, and does not say why")
)

// unsure adds to an error after which nothing is certain how a person who
// knows can end that.
func unsure(s plan.Step, err error) error {
	p := &problem.Error{Kind: problem.Outside, Op: "find out what was made of " + what(s), Err: err,
		Fix: "run the same command again: it looks for what was made"}
	var cause *problem.Error
	if errors.As(err, &cause) {
		p.Kind, p.Fix, p.Notes = cause.Kind, cause.Fix, slices.Clone(cause.Notes)
	}
	p.Notes = append(p.Notes, fmt.Sprintf("if that never ends, and you know what exists: drover state resolve '%s' --made ID, or --absent", s.URN))
	return p
}

// known tells which objects of a resource's type are another generation's, or
// another resource's: objects are those that the state has under an identifier.
func known(r state.Resource, objects func(id string) []state.Resource) func(id string) bool {
	other := func(o state.Resource) bool {
		return !o.Gone && (o.URN != r.URN || o.Gen != r.Gen) && state.Equal(o.Conn.Resolved, r.Conn.Resolved) && o.Where.Place() == r.Where.Place()
	}
	return func(id string) bool { return id != "" && slices.ContainsFunc(objects(id), other) }
}

// sole reports that what has a resource's place is this generation: it is the
// one in use, or there is no other, and no create of another one is open.
func sole(r state.Resource, s *state.Snapshot) bool {
	other := func(o state.Resource) bool { return o.URN == r.URN && o.Gen != r.Gen && !o.Gone }
	open := func(in state.Intent) bool { return in.Op == plan.Create && in.URN == r.URN && in.Gen != r.Gen }
	return !slices.ContainsFunc(s.Pending, open) && (!r.Condemned || !slices.ContainsFunc(s.Resources, other))
}

func (a *apply) objects(typ string) func(id string) []state.Resource {
	return func(id string) []state.Resource { return a.journal.Objects(typ, id) }
}

// awaitNodes is repeated by the next run if this one is cut off: the resource stays settling.
func (a *apply) awaitNodes(ctx context.Context, s plan.Step, made state.Resource) error {
	if err := a.Mover.Ready(ctx, host(made), a.wait(s)); err != nil {
		return fmt.Errorf("wait for nodes: %w", err)
	}
	made.Settling = false
	if err := a.journal.Learn(ctx, made); err != nil {
		return &journalError{err}
	}
	return nil
}

// adopt finds out what came of a create whose end is unknown, by repeating it
// as it was. An object that nobody wants any more is condemned at once.
func (a *apply) adopt(ctx context.Context, s plan.Step, in state.Intent, condemn bool) (state.Resource, bool, error) {
	was := *in.Resource
	was.Condemned = condemn
	made, certainty, err := a.make(ctx, s, in, was)
	switch certainty {
	case Made, Unready:
		return made, true, nil // also if it is not ready: it is known now
	case NotMade:
		return made, false, nil
	case Unknown:
	}
	return made, false, fmt.Errorf("find out what an earlier run made: %w", err)
}

func (a *apply) update(ctx context.Context, s plan.Step) error {
	have, ok := a.journal.Find(s.URN, s.Gen)
	if !ok {
		return fmt.Errorf("%s, generation %d, is not in the state", s.URN, s.Gen)
	}
	if err := a.reopen(ctx, s, have); err != nil {
		return err
	}
	want, err := a.want(ctx, s, have)
	if err != nil {
		return err
	}
	cut, pending := a.journal.Intent(plan.Update, s.URN, s.Gen)
	if state.Equal(have.Inputs, want.Inputs) && !pending && !have.Settling {
		return a.learn(ctx, want)
	}
	provider, err := a.Providers(want.Type)
	if err != nil {
		return err
	}
	if why := anew(provider, want.Type, a.wanted[s.URN].Options, have.Inputs, want.Inputs); why != "" {
		return &problem.Error{Kind: problem.Outside, Err: fmt.Errorf("it turned out to change in a way that takes a new object: %s", why), Fix: "run the same command again: the next plan replaces it"}
	}
	if err := a.shelter(ctx, s, have, want); err != nil {
		return err
	}
	in, err := a.begun(ctx, state.Intent{Op: plan.Update, URN: s.URN, Gen: s.Gen, Resource: &want}, func(in state.Intent) error {
		return a.change(ctx, s, provider, in, have, &want, applied(have, cut, want))
	})
	if err != nil {
		return err
	}
	return a.done(ctx, in, &want)
}

// begun journals an intent and makes its call. One that fails may have taken effect all
// the same: the intent stays, for whoever repeats it.
func (a *apply) begun(ctx context.Context, in state.Intent, call func(state.Intent) error) (state.Intent, error) {
	in, err := a.journal.Begin(ctx, in)
	if err != nil {
		return in, &journalError{err}
	}
	if err = call(in); err != nil {
		if writeErr := a.journal.Failed(ctx, in, false); writeErr != nil {
			return in, errors.Join(err, &journalError{writeErr})
		}
	}
	return in, err
}

// done journals what came of a call; nil: nothing is left.
func (a *apply) done(ctx context.Context, in state.Intent, made *state.Resource) error {
	if err := a.journal.Done(ctx, in, made); err != nil {
		return &journalError{err}
	}
	return nil
}

// change sends the update. A group that shrinks gives its nodes up first, by
// name; one that grows, or is not known to be ready, waits for its nodes.
func (a *apply) change(ctx context.Context, s plan.Step, provider Provider, in state.Intent,
	have state.Resource, want *state.Resource, old plan.Props) error {
	ctx, done := unhurried(ctx)
	defer done()
	req := a.request(s, *want)
	shrinks := have.Hosts != nil && want.Hosts != nil && want.Hosts.Nodes < have.Hosts.Nodes
	if shrinks {
		if err := a.retire(ctx, s, have, want.Hosts.Nodes); err != nil {
			return err
		}
	}
	if want.Hosts != nil && !shrinks {
		size, err := a.size(ctx, s, provider, have)
		if err != nil {
			return err
		}
		req.Size = size
	}
	req.Token, req.Old, req.Want, req.Maybe = in.Token, old, want.Inputs, []plan.Props{have.Inputs}
	for _, r := range in.Earlier {
		req.Maybe = append(req.Maybe, r.Inputs)
	}
	obj, err := provider.Update(ctx, req)
	if err != nil {
		return err
	}
	if want.Outputs = a.outputs(want.Type, obj.Outputs, want.Inputs); obj.ID != "" {
		want.ID = obj.ID
	}
	if want.Hosts == nil || shrinks {
		return nil
	}
	if err := a.Mover.Ready(ctx, host(*want), a.wait(s)); err != nil {
		return fmt.Errorf("wait for nodes: %w", err)
	}
	return nil
}

// size is how many nodes a resource has now. Something else may have resized
// it, and none of its nodes may end without a hand-over.
func (a *apply) size(ctx context.Context, s plan.Step, provider Provider, r state.Resource) (int, error) {
	obj, err := provider.Read(ctx, a.request(s, r))
	if err != nil || obj.Size == nil {
		return 0, err
	}
	return *obj.Size, nil
}

// predecessorSize is how many nodes the generations have that a new one
// replaces, unless the file now asks for fewer than it did.
func (a *apply) predecessorSize(ctx context.Context, s plan.Step, provider Provider, r state.Resource) (int, error) {
	most := 0
	if r.Hosts == nil {
		return 0, nil
	}
	if err := a.findPredecessors(ctx, s, r); err != nil {
		return 0, err
	}
	for _, old := range a.journal.Snapshot().Resources {
		if old.URN != r.URN || old.Gen == r.Gen || old.Gone || old.Hosts == nil ||
			old.Hosts.Nodes > r.Hosts.Nodes {
			continue
		}
		size, err := a.size(ctx, s, provider, old)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return 0, fmt.Errorf("read how many nodes %s has: %w", old.Name, err)
		}
		most = max(most, size)
	}
	return most, nil
}

// findPredecessors finds out which earlier generations a run has made that was
// cut off: they have nodes, too.
func (a *apply) findPredecessors(ctx context.Context, s plan.Step, r state.Resource) error {
	for _, in := range a.journal.Snapshot().Pending {
		if in.Op != plan.Create || in.URN != r.URN || in.Gen >= r.Gen {
			continue
		}
		earlier := s
		earlier.Gen, earlier.Name = in.Gen, in.Resource.Name
		if _, _, err := a.adopt(ctx, earlier, in, true); err != nil {
			return err
		}
	}
	return nil
}

// applied is what a provider may count on to be in place. Properties that an
// update with an unknown end has touched are left out, so that they are sent
// again; those that are not wanted any more are left in, so that they are removed.
func applied(have state.Resource, cut state.Intent, want state.Resource) plan.Props {
	old := maps.Clone(have.Inputs)
	for _, k := range cut.Doubt {
		if _, wanted := want.Inputs[k]; wanted {
			delete(old, k)
		}
	}
	return old
}

func (a *apply) learn(ctx context.Context, r state.Resource) error {
	if err := a.journal.Learn(ctx, r); err != nil {
		return &journalError{err}
	}
	return nil
}

// find is the resource to hand over or to delete. What a run may have made
// before it was cut off is looked for.
func (a *apply) find(ctx context.Context, s plan.Step) (state.Resource, bool, error) {
	if r, ok := a.journal.Find(s.URN, s.Gen); ok {
		return r, !r.Gone, nil
	}
	if in, ok := a.journal.Intent(plan.Create, s.URN, s.Gen); ok && s.Gone {
		return state.Resource{}, false, a.forget(ctx, in)
	} else if ok {
		return a.adopt(ctx, s, in, true)
	}
	return state.Resource{}, false, nil
}

// forget drops the intent of a create in a cluster that is gone.
func (a *apply) forget(ctx context.Context, in state.Intent) error {
	if err := a.journal.Failed(ctx, in, true); err != nil {
		return &journalError{err}
	}
	return nil
}

func (a *apply) handOver(ctx context.Context, s plan.Step) error {
	r, ok, err := a.find(ctx, s)
	if err != nil || !ok {
		return err
	}
	a.shelters.goesOn(s)
	in, err := a.handing(ctx, s, r, func(m Move) error { return a.Mover.HandOver(ctx, m) })
	if err != nil {
		return err
	}
	return a.done(ctx, in, nil)
}

// handing begins the hand-over of a host, or goes on with it, by one call of the
// Mover, and keeps that it has begun.
func (a *apply) handing(ctx context.Context, s plan.Step, r state.Resource, call func(Move) error) (state.Intent, error) {
	all := a.doomed()[state.Need{URN: s.URN, Gen: s.Gen}]
	return a.begun(ctx, state.Intent{Op: plan.HandOver, URN: s.URN, Gen: s.Gen, All: all}, func(in state.Intent) error {
		return call(a.move(ctx, s, r, in))
	})
}

// move is the move of a host for every call of the Mover that begins one, goes on with
// it or takes it back.
func (a *apply) move(ctx context.Context, s plan.Step, r state.Resource, in state.Intent) Move {
	to := a.others(r)
	return Move{
		Step: s.ID, From: host(r).patient(a.wanted[r.URN].Hosts), To: to, Keep: s.Keep, EndSoak: a.Continue || a.plan.Returns, Memo: in.Memo,
		Back: a.plan.Returns, Owed: a.owed(to),
		Save:   func(memo json.RawMessage) error { return a.journal.Memo(ctx, in, memo) },
		Breach: a.guard.breach, Events: a.Events,
	}
}

// doomed is what the plan deletes.
func (a *apply) doomed() map[state.Need]bool {
	doomed := make(map[state.Need]bool)
	for _, s := range a.plan.Steps {
		if s.Op == plan.Delete {
			doomed[state.Need{URN: s.URN, Gen: s.Gen}] = true
		}
	}
	return doomed
}

// others are the hosts of the same cluster that stay.
func (a *apply) others(from state.Resource) []Host {
	doomed := a.doomed()
	var hosts []Host
	for _, r := range a.journal.Snapshot().Resources {
		self := r.URN == from.URN && r.Gen == from.Gen
		if r.Hosts != nil && !self && !r.Condemned && !doomed[state.Need{URN: r.URN, Gen: r.Gen}] &&
			state.Equal(r.Hosts.Conn.Resolved, from.Hosts.Conn.Resolved) {
			hosts = append(hosts, host(r))
		}
	}
	return hosts
}

func (a *apply) delete(ctx context.Context, s plan.Step) error {
	r, ok, err := a.find(ctx, s)
	if err != nil || !ok {
		return err
	}
	if err := a.closeWay(ctx, s, r); err != nil {
		return &journalError{err}
	}
	in, err := a.begun(ctx, state.Intent{Op: plan.Delete, URN: s.URN, Gen: s.Gen, First: s.DeleteFirst}, func(in state.Intent) error {
		return a.remove(ctx, s, in, r)
	})
	if err != nil {
		return err
	}
	return a.done(ctx, in, nil)
}

func (a *apply) remove(ctx context.Context, s plan.Step, in state.Intent, r state.Resource) error {
	if s.Gone || s.Stays {
		return nil
	}
	ctx, done := unhurried(ctx)
	defer done()
	if s.WhenEmpty {
		if err := a.retire(ctx, s, r, 0); err != nil {
			return err
		}
	}
	provider, err := a.Providers(r.Type)
	if err != nil {
		return err
	}
	req := a.request(s, r)
	req.Token, req.Old = in.Token, r.Inputs
	return provider.Delete(ctx, req)
}

// retire takes nodes away, and lets nothing follow that cannot be undone once
// traffic suffers.
func (a *apply) retire(ctx context.Context, s plan.Step, r state.Resource, keep int) error {
	err := a.Mover.Retire(ctx, Retirement{Host: host(r), Keep: keep, Wait: a.wait(s), Breach: a.guard.breach})
	if err != nil {
		return fmt.Errorf("take nodes away: %w", err)
	}
	return a.guard.verdict()
}

// want is the resource as it shall be after the step, references resolved.
func (a *apply) want(ctx context.Context, s plan.Step, have state.Resource) (state.Resource, error) {
	r, ok := a.wanted[s.URN]
	if !ok {
		return state.Resource{}, fmt.Errorf("%s is not in the graph", s.URN)
	}
	have.URN, have.Gen, have.Name = s.URN, s.Gen, s.Name
	have.Condemned, have.Settling, have.Leaving = false, false, false
	return a.described(ctx, r, have)
}

// described fills in what the graph says of a resource. Its name and
// generation, and what its provider said, stay.
func (a *apply) described(ctx context.Context, r graph.Resource, have state.Resource) (state.Resource, error) {
	want := have
	want.Type, want.Component, want.Generation, want.Protected = r.Type, r.Component, r.Generation, r.Protect
	want.Where, want.Retained, want.DeleteWithin = r.Where, r.Options.Retain, r.Options.Delete
	want.NameProperty = r.NameProperty
	want.Lookups = maps.Clone(have.Lookups)
	get := a.lookUp(ctx, &want)
	inputs, err := value.Resolve(declared(r, want.Name), get)
	if err != nil {
		return want, err
	}
	want.Inputs, _ = inputs.(map[string]any)
	if have.ID != "" {
		want.Inputs = kept(want.Inputs, have.Inputs, r.Options.IgnoreChanges)
	}
	a.veil.Learn(want.Inputs)
	if want.Conn, err = conn(r.Conn, get); err != nil {
		return want, err
	}
	want.Hosts = nil
	if r.Hosts != nil {
		want.Hosts = &state.Hosts{Nodes: r.Hosts.Nodes, Soak: r.Hosts.Soak, Settle: r.Hosts.Settle}
		if want.Hosts.Conn, err = conn(r.Hosts.Conn, get); err != nil {
			return want, err
		}
	}
	want.Needs = needsOf(r, func(k graph.Key) (state.Need, bool) {
		live, ok := a.journal.Live(a.urns[k])
		return state.Need{URN: live.URN, Gen: live.Gen}, ok
	})
	return want, nil
}

func conn(declared plan.Props, get func(value.Ref) (any, error)) (state.Conn, error) {
	resolved, err := value.Resolve(declared, get)
	if err != nil {
		return state.Conn{}, err
	}
	props, _ := resolved.(map[string]any)
	return state.Conn{Declared: declared, Resolved: props}, nil
}

// lookUp resolves references from what stands now. What is looked up is kept
// with the resource.
func (a *apply) lookUp(ctx context.Context, r *state.Resource) func(value.Ref) (any, error) {
	return func(ref value.Ref) (any, error) {
		if ref.Lookup != "" {
			return a.parameter(ctx, r, ref.Lookup)
		}
		urn := a.urns[ref.Key]
		if urn == r.URN && ref.Path == graph.NamePath {
			return r.Name, nil
		}
		return output(a.journal, urn, ref)
	}
}

// output is what a reference stands for, as far as the state knows.
func output(s interface {
	Live(urn plan.URN) (state.Resource, bool)
}, urn plan.URN, ref value.Ref) (any, error) {
	live, ok := s.Live(urn)
	if !ok {
		return nil, fmt.Errorf("%s does not exist", ref.Key)
	}
	if ref.Path == graph.NamePath {
		return live.Name, nil
	}
	v, ok := value.Get(live.Outputs, ref.Path)
	if !ok {
		return nil, fmt.Errorf("%s has no output %s", ref.Key, ref.Path)
	}
	return v, nil
}

func (a *apply) parameter(ctx context.Context, r *state.Resource, path string) (any, error) {
	if v, ok := r.Lookups[path]; ok {
		return v, nil
	}
	v, err := a.Lookup(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", path, err)
	}
	if r.Lookups == nil {
		r.Lookups = make(plan.Props)
	}
	r.Lookups[path] = v
	a.veil.Learn(v)
	return v, nil
}

// request is what every call about a resource has.
func (a *apply) request(s plan.Step, r state.Resource) Request {
	return Request{Type: r.Type, Name: r.Name, ID: r.ID, Conn: r.Conn.Resolved, Where: r.Where, Wait: a.wait(s),
		Ignore: a.wanted[s.URN].Options.IgnoreChanges, Patience: a.limit(s),
		Tags: ownerTags(a.stack, r), Sole: func() bool { return sole(r, a.journal.Snapshot()) }}
}

// ownerTags say whose an object is. The stack's ID tells it from a stack of the
// same name in another state, the generation from what it replaces.
func ownerTags(s *state.Snapshot, r state.Resource) map[string]string {
	return map[string]string{
		"drover:stack": s.Stack, "drover:project": s.Project, "drover:urn": string(r.URN),
		"drover:stack-id": s.ID, "drover:generation": strconv.Itoa(r.Gen),
	}
}

func (a *apply) wait(s plan.Step) func(string) {
	return func(waiting string) { a.Events.Emit(event.Progress{Step: s.ID, Waiting: waiting}) }
}

// courtesy is how long a call to the outside may go on after the run was
// interrupted: most come back by then, and need not be asked for again. One
// that only waits for something to become ready is cut off, which is safe.
const courtesy = 10 * time.Second

// unhurried is the context of a call that gets the courtesy.
func unhurried(ctx context.Context) (context.Context, context.CancelFunc) {
	call, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-call.Done():
		case <-time.After(courtesy):
			cancel()
		}
	})
	return call, func() { stop(); cancel() }
}
