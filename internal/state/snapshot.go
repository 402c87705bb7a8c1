package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/droverhq/drover/internal/seal"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/value"
)

// Snapshot is what is known about a stack at one moment. It is never changed
// once it is handed out: every journal entry makes a new one.
type Snapshot struct {
	Stack   string `json:"stack"`
	Project string `json:"project"`
	ID      string `json:"id"`     // random, made by Init; physical names and tokens derive from it
	Serial  uint64 `json:"serial"` // number of the last journal entry in it

	Resources []Resource     `json:"resources"`         // each after those it needs
	Pending   []Intent       `json:"pending,omitempty"` // begun, end unknown
	Outputs   map[string]any `json:"outputs,omitempty"` // as the last complete run resolved them

	// Wrapped is the key under which its secrets are sealed; nil: it has none.
	Wrapped *seal.Wrapped `json:"wrapped,omitempty"`
}

// Resource is one object that exists. Its values are never changed in place.
type Resource struct {
	URN       plan.URN `json:"urn"`
	Gen       int      `json:"gen"`
	Type      string   `json:"type"`
	Name      string   `json:"name"` // physical
	Component string   `json:"component,omitempty"`

	Generation plan.Props `json:"generation,omitempty"` // what forces a replacement of the whole component
	ID         string     `json:"objectID,omitempty"`   // what the provider calls it
	Inputs     plan.Props `json:"inputs,omitempty"`     // as last applied
	Outputs    plan.Props `json:"outputs,omitempty"`
	Conn       Conn       `json:"conn,omitzero"`
	Hosts      *Hosts     `json:"hosts,omitempty"`
	Needs      []Need     `json:"needs,omitempty"`

	// Lookups keeps what ${ssm:...} gave, so that an update does not silently take a newer value.
	Lookups plan.Props `json:"lookups,omitempty"`

	Protected bool `json:"protected,omitempty"` // the user must name it before it is deleted
	Condemned bool `json:"condemned,omitempty"` // replaced, or its delete has begun: it waits to be deleted
	Settling  bool `json:"settling,omitempty"`  // it exists, but was not seen ready yet
	Leaving   bool `json:"leaving,omitempty"`   // a hand-over of all of it has begun: its nodes may be cordoned
	Gone      bool `json:"gone,omitempty"`      // deleted before its replacement came, and still referenced

	Created time.Time `json:"created"`
	Updated time.Time `json:"updated,omitzero"`
}

// Conn says how an object is reached.
type Conn struct {
	Declared plan.Props `json:"declared,omitempty"`
	Resolved plan.Props `json:"resolved,omitempty"`
}

// Hosts is set on a resource that workloads run on.
type Hosts struct {
	Nodes int  `json:"nodes"`
	Conn  Conn `json:"conn"` // the cluster its nodes join
}

// Need is a dependency. A reference needs one generation of a resource, and
// that generation stays until nothing refers to it. Gen 0 is order only.
type Need struct {
	URN plan.URN `json:"urn"`
	Gen int      `json:"gen,omitempty"`
}

// Intent is a call that was begun and whose end is not known.
type Intent struct {
	Op       plan.Op         `json:"op"`
	URN      plan.URN        `json:"urn"`
	Gen      int             `json:"gen"`
	Token    string          `json:"token"`
	At       time.Time       `json:"at"`
	Resource *Resource       `json:"resource,omitempty"` // Create and Update: as it shall be
	Memo     json.RawMessage `json:"memo,omitempty"`     // HandOver: what cannot be observed again
	Failed   bool            `json:"failed,omitempty"`   // the call came back with an error
	First    bool            `json:"first,omitempty"`    // Delete before the replacement stands
	All      bool            `json:"all,omitempty"`      // HandOver of all nodes, because the resource goes

	// Doubt names the inputs that may or may not have been applied.
	Doubt []string `json:"doubt,omitempty"`
}

// Live is the generation of a resource that is in use.
func (s *Snapshot) Live(urn plan.URN) (Resource, bool) {
	for _, r := range s.Resources {
		if r.URN == urn && !r.Condemned {
			return r, true
		}
	}
	return Resource{}, false
}

// Find is one generation of a resource, condemned or not.
func (s *Snapshot) Find(urn plan.URN, gen int) (Resource, bool) {
	if i := s.index(urn, gen); i >= 0 {
		return s.Resources[i], true
	}
	return Resource{}, false
}

func (s *Snapshot) index(urn plan.URN, gen int) int {
	return slices.IndexFunc(s.Resources, func(r Resource) bool { return r.URN == urn && r.Gen == gen })
}

// Intent is the pending call of this kind, if there is one.
func (s *Snapshot) Intent(op plan.Op, urn plan.URN, gen int) (Intent, bool) {
	for _, in := range s.Pending {
		if in.Op == op && in.URN == urn && in.Gen == gen {
			return in, true
		}
	}
	return Intent{}, false
}

// Empty reports that nothing exists, and nothing may exist.
func (s *Snapshot) Empty() bool { return len(s.Resources) == 0 && len(s.Pending) == 0 }

// Verify refuses a snapshot that no run can have left: a generation twice, two
// of one resource in use, or something that stands before what it needs.
func (s *Snapshot) Verify() error {
	var errs []error
	seen := make(map[Need]bool, len(s.Resources))
	live := make(map[plan.URN]int)
	needs := func(what string, r Resource) {
		for _, n := range r.Needs {
			if n.Gen > 0 && !seen[n] {
				errs = append(errs, fmt.Errorf("%s %s needs %s, generation %d, which does not stand before it",
					what, r.URN, n.URN, n.Gen))
			}
		}
	}
	for _, r := range s.Resources {
		if seen[Need{r.URN, r.Gen}] {
			errs = append(errs, fmt.Errorf("%s, generation %d, is there twice", r.URN, r.Gen))
		}
		if other, ok := live[r.URN]; ok && !r.Condemned {
			errs = append(errs, fmt.Errorf("%s: generations %d and %d are both in use", r.URN, other, r.Gen))
		}
		if !r.Condemned {
			live[r.URN] = r.Gen
		}
		needs("resource", r)
		seen[Need{r.URN, r.Gen}] = true
	}
	for _, in := range s.Pending {
		exists := seen[Need{in.URN, in.Gen}]
		if exists == (in.Op == plan.Create) {
			errs = append(errs, fmt.Errorf("a %s of %s, generation %d, cannot be pending", in.Op, in.URN, in.Gen))
		}
		if in.Op == plan.Create {
			needs("pending create of", *in.Resource)
		}
	}
	return errors.Join(errs...)
}

// entry is one line of the journal.
type entry struct {
	Seq     uint64        `json:"seq"`
	At      time.Time     `json:"at"`
	What    what          `json:"what"`
	Intent  *Intent       `json:"intent,omitempty"`   // begin; done and failed: which one
	Result  *Resource     `json:"resource,omitempty"` // done: as it is; note
	NotMade bool          `json:"notMade,omitempty"`  // failed: for sure without an effect
	Outputs stored        `json:"outputs,omitempty"`
	Wrapped *seal.Wrapped `json:"wrapped,omitempty"` // with the first secret of the stack
}

type what string

const (
	begin   what = "begin"   // a call is about to be sent
	done    what = "done"    // it succeeded
	failed  what = "failed"  // it came back with an error
	note    what = "note"    // something was learnt about a resource without a call
	memo    what = "memo"    // a hand-over stored what it cannot observe
	outputs what = "outputs" // the stack's outputs were resolved
)

// with is the snapshot after one more journal entry. Live runs and the replay
// after a crash both go through it, so they cannot differ.
func (s *Snapshot) with(e entry) (*Snapshot, error) {
	if e.Seq != s.Serial+1 {
		return nil, fmt.Errorf("journal entry %d follows entry %d", e.Seq, s.Serial)
	}
	next := *s
	next.Serial = e.Seq
	if e.Wrapped != nil {
		next.Wrapped = e.Wrapped
	}
	next.Resources = slices.Clone(s.Resources)
	next.Pending = slices.Clone(s.Pending)
	switch e.What {
	case begin:
		next.begin(*e.Intent)
	case done:
		next.done(e)
	case failed:
		next.failed(*e.Intent, e.NotMade)
	case note:
		next.put(*e.Result)
	case memo:
		next.setPending(*e.Intent)
	case outputs:
		next.Outputs = plan.Props(e.Outputs)
	default:
		return nil, fmt.Errorf("journal entry %d: unknown kind %q", e.Seq, e.What)
	}
	next.bury()
	next.sort()
	if err := next.Verify(); err != nil {
		return nil, fmt.Errorf("after journal entry %d: %w", e.Seq, err)
	}
	return &next, nil
}

func (s *Snapshot) begin(in Intent) {
	s.setPending(in)
	i := s.index(in.URN, in.Gen)
	if i < 0 {
		return
	}
	switch in.Op {
	case plan.Delete:
		s.Resources[i].Condemned = true // it may be half gone: nobody may count on it any more
	case plan.Update:
		s.Resources[i].Needs = both(s.Resources[i].Needs, in.Resource.Needs) // it may refer to either
	case plan.HandOver:
		s.Resources[i].Leaving = s.Resources[i].Leaving || in.All
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

func (s *Snapshot) done(e entry) {
	in := *e.Intent
	s.drop(func(p Intent) bool {
		return p.URN == in.URN && p.Gen == in.Gen && (p.Op == in.Op || in.Op == plan.Delete)
	})
	switch in.Op {
	case plan.Create, plan.Update:
		s.put(*e.Result)
	case plan.Delete:
		if i := s.index(in.URN, in.Gen); i >= 0 {
			s.Resources[i].Gone, s.Resources[i].Needs = true, nil
			if !in.First {
				s.Resources = slices.Delete(s.Resources, i, i+1)
			}
		}
	case plan.HandOver: // what it changed is not ours to store
	}
}

func (s *Snapshot) failed(in Intent, notMade bool) {
	s.drop(func(p Intent) bool { return p.Op == in.Op && p.URN == in.URN && p.Gen == in.Gen })
	if !notMade {
		in.Failed = true
		s.Pending = append(s.Pending, in)
	}
}

// put stores a resource. If it is in use, it takes over from the other generations.
func (s *Snapshot) put(r Resource) {
	for i, o := range s.Resources {
		if o.URN == r.URN && !r.Condemned {
			s.Resources[i].Condemned = true
		}
	}
	if i := s.index(r.URN, r.Gen); i >= 0 {
		s.Resources[i] = r
		return
	}
	s.Resources = append(s.Resources, r)
}

func (s *Snapshot) setPending(in Intent) {
	s.drop(func(p Intent) bool { return p.Op == in.Op && p.URN == in.URN && p.Gen == in.Gen })
	s.Pending = append(s.Pending, in)
}

func (s *Snapshot) drop(which func(Intent) bool) { s.Pending = slices.DeleteFunc(s.Pending, which) }

// bury forgets objects that are gone as soon as nothing refers to them.
func (s *Snapshot) bury() {
	referred := make(map[Need]bool)
	for _, r := range s.Resources {
		for _, n := range r.Needs {
			referred[n] = true
		}
	}
	for _, in := range s.Pending {
		if in.Resource != nil {
			for _, n := range in.Resource.Needs {
				referred[n] = true
			}
		}
	}
	s.Resources = slices.DeleteFunc(s.Resources, func(r Resource) bool { return r.Gone && !referred[Need{r.URN, r.Gen}] })
}

// sort puts every resource after what it needs, and otherwise leaves the order
// as it is. Order-only needs that would close a circle with references are not kept.
func (s *Snapshot) sort() {
	sorted := s.sorted(true)
	trial := Snapshot{Resources: sorted}
	if trial.Verify() != nil {
		sorted = s.sorted(false)
	}
	s.Resources = sorted
}

func (s *Snapshot) sorted(orderOnly bool) []Resource {
	at := make(map[Need]int, 2*len(s.Resources))
	for i, r := range s.Resources {
		at[Need{r.URN, r.Gen}] = i
		if !r.Condemned && orderOnly {
			at[Need{URN: r.URN}] = i
		}
	}
	sorted := make([]Resource, 0, len(s.Resources))
	placed := make([]bool, len(s.Resources))
	var place func(int)
	place = func(i int) {
		if placed[i] {
			return
		}
		placed[i] = true
		for _, n := range s.Resources[i].Needs {
			if j, ok := at[n]; ok {
				place(j)
			}
		}
		sorted = append(sorted, s.Resources[i])
	}
	for i := range s.Resources {
		place(i)
	}
	return sorted
}

// doubt names the inputs that differ between what was last applied and what
// begins to be applied, and those that were in doubt already.
func doubt(applied, begun plan.Props, before []string) []string {
	unsure := make(map[string]bool)
	for _, k := range before {
		unsure[k] = true
	}
	for k, v := range begun {
		if old, ok := applied[k]; !ok || !Equal(old, v) {
			unsure[k] = true
		}
	}
	for k := range applied {
		if _, ok := begun[k]; !ok {
			unsure[k] = true
		}
	}
	return slices.Sorted(maps.Keys(unsure))
}

// Equal compares values: 3 equals 3.0, and nothing equals an empty object.
func Equal(a, b any) bool { return value.Equal(a, b) }
