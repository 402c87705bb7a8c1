package state

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/droverhq/drover/plan"
)

// ledger is a stack's state as it changes, entry by entry. An entry costs what
// it touches, not what the stack holds: everything is found by index, and what
// an entry could break is checked, not all that there is. Live runs and the
// replay after a crash both go through apply, so they cannot differ.
type ledger struct {
	head Snapshot // without resources and intents

	resources map[Need]*held         // by generation
	family    map[plan.URN][]*held   // the generations of a resource
	objects   map[object][]*held     // by what the provider calls them
	pending   map[call]*intended     // begun, end unknown
	calls     map[Need]map[call]bool // the calls that are pending for a generation
	users     map[Need]int           // how many resources and intents refer to a generation
	placed    int                    // numbers given out
}

// object is one thing outside.
type object struct{ typ, id string }

// held is a resource and its place among the others.
type held struct {
	Resource
	at int
}

// intended is an intent and its place among the others.
type intended struct {
	Intent
	at int
}

// call names an intent: there is one of a kind for each generation.
type call struct {
	op plan.Op
	of Need
}

func callOf(in *Intent) call { return call{in.Op, Need{in.URN, in.Gen}} }

func newLedger(s *Snapshot) *ledger {
	l := &ledger{head: *s, resources: make(map[Need]*held, len(s.Resources)), family: make(map[plan.URN][]*held, len(s.Resources)),
		objects: make(map[object][]*held, len(s.Resources)), pending: make(map[call]*intended), calls: make(map[Need]map[call]bool), users: make(map[Need]int, len(s.Resources))}
	l.head.Resources, l.head.Pending, l.head.at = nil, nil, nil
	for _, r := range s.Resources {
		l.insert(r)
	}
	for _, in := range s.Pending {
		l.setPending(in)
	}
	return l
}

func (l *ledger) find(n Need) (Resource, bool) {
	h, ok := l.resources[n]
	if !ok {
		return Resource{}, false
	}
	return h.Resource, true
}

func (l *ledger) live(urn plan.URN) (Resource, bool) {
	for _, h := range l.family[urn] {
		if !h.Condemned {
			return h.Resource, true
		}
	}
	return Resource{}, false
}

func (l *ledger) intent(op plan.Op, n Need) (Intent, bool) {
	p, ok := l.pending[call{op, n}]
	if !ok {
		return Intent{}, false
	}
	return p.Intent, true
}

// apply takes one entry in, or refuses it and stays as it is.
func (l *ledger) apply(e entry) error {
	if err := l.check(e); err != nil {
		return fmt.Errorf("journal entry %d: %w", e.Seq, err)
	}
	l.head.Serial = e.Seq
	if e.Wrapped != nil {
		l.head.Wrapped = e.Wrapped
	}
	switch e.What {
	case begin:
		l.begin(*e.Intent)
	case done:
		l.done(e)
	case failed:
		l.failed(*e.Intent, e.NotMade)
	case note:
		l.put(*e.Result)
	case memo:
		l.setPending(*e.Intent)
	case outputs:
		l.head.Outputs = plan.Props(e.Outputs)
	case pin:
		l.head.Identity = *e.Identity
	case way:
		l.head.Way = e.Way
	case rename:
		l.rename(e.Renames)
	}
	return nil
}

// rename calls resources otherwise. It is rare, so that the ledger is made anew.
func (l *ledger) rename(renames []plan.Rename) {
	after, _ := l.snapshot().Renamed(renames) // as check has seen
	*l = *newLedger(after)
}

// check refuses an entry after which Verify would fail.
func (l *ledger) check(e entry) error {
	if e.Seq != l.head.Serial+1 {
		return fmt.Errorf("it follows entry %d", l.head.Serial)
	}
	switch e.What {
	case begin, memo:
		return l.checkIntent(e.Intent)
	case failed:
		if e.Intent != nil && e.NotMade {
			return nil
		}
		return l.checkIntent(e.Intent)
	case done:
		return l.checkDone(e)
	case note:
		return l.checkNote(e.Result)
	case outputs, way:
		return nil
	case pin:
		if e.Identity == nil {
			return errors.New("it pins nothing")
		}
		return nil
	case rename:
		_, err := l.snapshot().Renamed(e.Renames)
		return err
	}
	return fmt.Errorf("unknown kind %q", e.What)
}

func (l *ledger) checkIntent(in *Intent) error {
	if in == nil {
		return errors.New("it names no call")
	}
	n := Need{in.URN, in.Gen}
	if _, exists := l.resources[n]; exists == (in.Op == plan.Create) {
		return fmt.Errorf("a %s of %s, generation %d, cannot be pending", in.Op, in.URN, in.Gen)
	}
	switch in.Op {
	case plan.Create:
		if in.Resource == nil {
			return errors.New("it creates nothing")
		}
		return l.stand(*in.Resource)
	case plan.Update:
		if in.Resource == nil {
			return errors.New("it updates nothing")
		}
		return errors.Join(l.stand(*in.Resource), l.checkCircle(n, in.Resource.Needs))
	case plan.HandOver, plan.Delete:
		return nil
	}
	return fmt.Errorf("unknown operation %q", in.Op)
}

func (l *ledger) checkDone(e entry) error {
	if e.Intent == nil {
		return errors.New("it names no call")
	}
	n := Need{e.Intent.URN, e.Intent.Gen}
	switch e.Intent.Op {
	case plan.Create, plan.Update:
		if e.Result == nil || (Need{e.Result.URN, e.Result.Gen}) != n {
			return errors.New("it has no result")
		}
		return l.checkResult(e.Result)
	case plan.Delete:
		if !e.Intent.First && l.users[n] > 0 {
			return fmt.Errorf("%s, generation %d, is deleted and still needed", n.URN, n.Gen)
		}
		return nil
	case plan.HandOver:
		return nil
	}
	return fmt.Errorf("unknown operation %q", e.Intent.Op)
}

func (l *ledger) checkNote(r *Resource) error {
	if err := l.checkResult(r); err != nil {
		return err
	}
	if _, pending := l.intent(plan.Create, Need{r.URN, r.Gen}); pending {
		return fmt.Errorf("%s, generation %d, cannot be known while it is being made", r.URN, r.Gen)
	}
	return nil
}

func (l *ledger) checkResult(r *Resource) error {
	if r == nil {
		return errors.New("it tells of no resource")
	}
	return errors.Join(l.stand(*r), l.checkCircle(Need{r.URN, r.Gen}, r.Needs))
}

// stand refuses references to generations that are not there.
func (l *ledger) stand(r Resource) error {
	for _, n := range r.Needs {
		if n.Gen > 0 && l.resources[n] == nil {
			return fmt.Errorf("%s needs %s, generation %d, which does not stand before it", r.URN, n.URN, n.Gen)
		}
	}
	return nil
}

// checkCircle refuses references that lead back to where they start. Only an
// object that stands can be referred to, and only what it did not need before
// can close a circle.
func (l *ledger) checkCircle(from Need, needs []Need) error {
	was, exists := l.resources[from]
	if !exists {
		return nil
	}
	seen := make(map[Need]bool)
	for _, n := range needs {
		if n.Gen > 0 && !slices.Contains(was.Needs, n) && l.leads(n, from, seen) {
			return fmt.Errorf("%s and %s need each other", from.URN, n.URN)
		}
	}
	return nil
}

func (l *ledger) leads(from, to Need, seen map[Need]bool) bool {
	if from == to {
		return true
	}
	r := l.resources[from]
	if seen[from] || r == nil {
		return false
	}
	seen[from] = true
	return slices.ContainsFunc(r.Needs, func(n Need) bool { return n.Gen > 0 && l.leads(n, to, seen) })
}

func (l *ledger) begin(in Intent) {
	l.setPending(in)
	h, exists := l.resources[Need{in.URN, in.Gen}]
	if !exists {
		return
	}
	switch in.Op {
	case plan.Delete:
		h.Condemned = true // it may be half gone: nobody may count on it any more
	case plan.Update:
		l.refer(h, both(h.Needs, in.Resource.Needs)) // it may refer to either
	case plan.HandOver:
		h.Leaving = h.Leaving || in.All
	case plan.Create: // nothing is stored of it yet
	}
}

func both(a, b []Need) []Need {
	all := slices.Clone(a)
	for _, n := range b {
		if !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

func (l *ledger) done(e entry) {
	in := *e.Intent
	n := Need{in.URN, in.Gen}
	switch in.Op {
	case plan.Create, plan.Update:
		l.put(*e.Result) // before the intent goes: what it refers to must not be forgotten in between
	case plan.Delete:
		for c := range maps.Clone(l.calls[n]) {
			l.drop(c)
		}
		if h, exists := l.resources[n]; exists {
			h.Gone = true
			l.refer(h, nil)
			l.bury(n)
		}
	case plan.HandOver: // what it changed is not ours to store
	}
	l.drop(callOf(&in))
}

func (l *ledger) failed(in Intent, notMade bool) {
	if notMade {
		l.drop(callOf(&in))
		return
	}
	in.Failed = true
	l.setPending(in)
}

// put stores a resource. If it is in use, it takes over from the other generations.
func (l *ledger) put(r Resource) {
	if !r.Condemned {
		for _, o := range l.family[r.URN] {
			o.Condemned = true
		}
	}
	h, exists := l.resources[Need{r.URN, r.Gen}]
	if !exists {
		l.insert(r)
		return
	}
	before := h.Needs
	l.forgetObject(h)
	h.Resource = r
	h.Needs = before
	l.keepObject(h)
	l.refer(h, r.Needs)
}

func (l *ledger) insert(r Resource) {
	h := &held{Resource: r, at: l.place()}
	h.Needs = nil
	l.resources[Need{r.URN, r.Gen}] = h
	l.family[r.URN] = append(l.family[r.URN], h)
	l.keepObject(h)
	l.refer(h, r.Needs)
}

func (l *ledger) keepObject(h *held) {
	if o := (object{h.Type, h.ID}); h.ID != "" {
		l.objects[o] = append(l.objects[o], h)
	}
}

func (l *ledger) forgetObject(h *held) { without(l.objects, object{h.Type, h.ID}, h) }

// without takes h out of a list of an index.
func without[K comparable](index map[K][]*held, key K, h *held) {
	index[key] = slices.DeleteFunc(index[key], func(o *held) bool { return o == h })
	if len(index[key]) == 0 {
		delete(index, key)
	}
}

func (l *ledger) place() int {
	l.placed++
	return l.placed
}

// refer lets a resource need others than before.
func (l *ledger) refer(h *held, needs []Need) {
	l.count(needs, 1)
	before := h.Needs
	h.Needs = needs
	l.count(before, -1)
}

// count keeps who refers to what, and forgets what is gone as soon as nothing does.
func (l *ledger) count(needs []Need, by int) {
	for _, n := range needs {
		if n.Gen == 0 {
			continue
		}
		if l.users[n] += by; l.users[n] <= 0 {
			delete(l.users, n)
			l.bury(n)
		}
	}
}

// bury forgets an object that is gone, unless something still refers to it.
func (l *ledger) bury(n Need) {
	h, exists := l.resources[n]
	if !exists || !h.Gone || l.users[n] > 0 {
		return
	}
	delete(l.resources, n)
	without(l.family, n.URN, h)
	l.forgetObject(h)
}

func (l *ledger) setPending(in Intent) {
	c := callOf(&in)
	if in.Resource != nil {
		l.count(in.Resource.Needs, 1)
	}
	l.drop(c)
	l.pending[c] = &intended{Intent: in, at: l.place()}
	if l.calls[c.of] == nil {
		l.calls[c.of] = make(map[call]bool)
	}
	l.calls[c.of][c] = true
}

func (l *ledger) drop(c call) {
	p, ok := l.pending[c]
	if !ok {
		return
	}
	delete(l.pending, c)
	if delete(l.calls[c.of], c); len(l.calls[c.of]) == 0 {
		delete(l.calls, c.of)
	}
	if p.Resource != nil {
		l.count(p.Resource.Needs, -1)
	}
}

// snapshot is all of it, as data.
func (l *ledger) snapshot() *Snapshot {
	s := l.head
	all := slices.SortedFunc(maps.Values(l.resources), func(a, b *held) int { return cmp.Compare(a.at, b.at) })
	s.Resources = make([]Resource, len(all))
	for i, h := range all {
		s.Resources[i] = h.Resource
	}
	begun := slices.SortedFunc(maps.Values(l.pending), func(a, b *intended) int { return cmp.Compare(a.at, b.at) })
	s.Pending = make([]Intent, len(begun))
	for i, p := range begun {
		s.Pending[i] = p.Intent
	}
	s.sort()
	return &s
}
