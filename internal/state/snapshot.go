package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/seal"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/value"
)

// Snapshot is what is known about a stack at one moment. It is never changed
// once it is handed out.
type Snapshot struct {
	Stack   string `json:"stack"`
	Project string `json:"project"`
	ID      string `json:"id"`     // random, made by Init; physical names and tokens derive from it
	Serial  uint64 `json:"serial"` // number of the last journal entry in it

	Identity Identity `json:"identity,omitzero"`

	Resources []Resource     `json:"resources"`         // each after those it needs
	Pending   []Intent       `json:"pending,omitempty"` // begun, end unknown
	Outputs   map[string]any `json:"outputs,omitempty"` // as the last complete run resolved them

	Way *Way `json:"way,omitempty"` // back from the change under way; nil: there is none

	// Wrapped is the key under which its secrets are sealed; nil: it has none.
	Wrapped *seal.Wrapped `json:"wrapped,omitempty"`

	at map[Need]int // places in Resources; nil: look at all of them
}

// Resource is one generation of a resource that exists; Stage tells where it is
// in its life, and how the flags follow from that. Its values are never changed
// in place.
type Resource struct {
	URN       plan.URN `json:"urn"`
	Gen       int      `json:"gen"`
	Type      string   `json:"type"`
	Name      string   `json:"name"` // physical
	Component string   `json:"component,omitempty"`

	NameProperty string `json:"nameProperty,omitempty"` // that holds the physical name; empty: the user or the provider chose it

	Generation plan.Props  `json:"generation,omitempty"` // what forces a replacement of the whole component
	ID         string      `json:"objectID,omitempty"`   // what the provider calls it
	Inputs     plan.Props  `json:"inputs,omitempty"`     // as last applied
	Outputs    plan.Props  `json:"outputs,omitempty"`
	Conn       Conn        `json:"conn,omitzero"`
	Hosts      *Hosts      `json:"hosts,omitempty"`
	Where      graph.Where `json:"where,omitzero"` // an AWS object's place, if that is not the stack's
	Needs      []Need      `json:"needs,omitempty"`

	// Lookups keeps what ${ssm:...} gave, so that an update does not silently take a newer value.
	Lookups plan.Props `json:"lookups,omitempty"`

	Protected bool `json:"protected,omitempty"` // the user must name it before it is deleted
	Condemned bool `json:"condemned,omitempty"` // replaced, or its delete has begun: it waits to be deleted
	Settling  bool `json:"settling,omitempty"`  // it exists, but was not seen ready yet
	Leaving   bool `json:"leaving,omitempty"`   // a hand-over of all of it has begun: its nodes may be cordoned
	Gone      bool `json:"gone,omitempty"`      // deleted before its replacement came, and still referenced
	Retained  bool `json:"retained,omitempty"`  // it is left where it is when nobody wants it any more

	DeleteWithin time.Duration `json:"deleteWithin,omitempty"` // nanoseconds that its delete may take; 0: as long as it goes on

	Created time.Time `json:"created"`
	Updated time.Time `json:"updated,omitzero"`
}

// Conn says how an object is reached.
type Conn struct {
	Declared plan.Props `json:"declared,omitempty"`
	Resolved plan.Props `json:"resolved,omitempty"`
}

// IsZero reports that the object is reached without a connection of its own.
func (c Conn) IsZero() bool { return len(c.Declared) == 0 && len(c.Resolved) == 0 }

// Hosts is set on a resource that workloads run on.
type Hosts struct {
	Nodes int  `json:"nodes"`
	Conn  Conn `json:"conn,omitzero"` // the cluster its nodes join

	Soak   time.Duration `json:"soak,omitempty"`   // nanoseconds, as in graph.Hosts
	Settle time.Duration `json:"settle,omitempty"` // nanoseconds, as in graph.Hosts
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

	// Doubt names the inputs that may or may not have been applied: by this call,
	// and by those before it whose end is unknown. Earlier is what those were to
	// apply, of which only type and inputs are kept.
	Doubt   []string   `json:"doubt,omitempty"`
	Earlier []Resource `json:"earlier,omitempty"`
}

// With is the snapshot with other things known of some of its resources.
func (s *Snapshot) With(known map[Need]Resource) *Snapshot {
	if len(known) == 0 {
		return s
	}
	out := *s
	out.Resources = slices.Clone(s.Resources)
	for i, r := range out.Resources {
		if now, ok := known[Need{r.URN, r.Gen}]; ok {
			out.Resources[i] = now
		}
	}
	return &out
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
	if s.at != nil {
		if i, ok := s.at[Need{urn, gen}]; ok {
			return i
		}
		return -1
	}
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

// superseded are the inputs that calls may have applied whose place in is about
// to take.
func superseded(before, in Intent) []Resource {
	known := func(r Resource) bool { return Equal(r.Inputs, before.Resource.Inputs) }
	if before.Resource == nil || known(*in.Resource) || slices.ContainsFunc(before.Earlier, known) {
		return before.Earlier
	}
	r := Resource{URN: in.URN, Gen: in.Gen, Type: before.Resource.Type, Inputs: before.Resource.Inputs}
	return append(slices.Clone(before.Earlier), r)
}

// same reports that nothing new is known in o. When it was stored does not count.
func (r Resource) same(o Resource) bool {
	return r.URN == o.URN && r.Gen == o.Gen && r.Type == o.Type && r.Name == o.Name && r.Component == o.Component && r.ID == o.ID && r.Where == o.Where &&
		r.Protected == o.Protected && r.Condemned == o.Condemned && r.Settling == o.Settling && r.Leaving == o.Leaving && r.Gone == o.Gone &&
		r.Retained == o.Retained && r.DeleteWithin == o.DeleteWithin &&
		slices.Equal(r.Needs, o.Needs) && Equal(r.Lookups, o.Lookups) && r.Conn.same(o.Conn) && r.Hosts.same(o.Hosts) &&
		Equal(r.Generation, o.Generation) && Equal(r.Inputs, o.Inputs) && Equal(r.Outputs, o.Outputs)
}

func (c Conn) same(o Conn) bool {
	return Equal(c.Declared, o.Declared) && Equal(c.Resolved, o.Resolved)
}

func (h *Hosts) same(o *Hosts) bool {
	if h == nil || o == nil {
		return h == o
	}
	return h.Nodes == o.Nodes && h.Soak == o.Soak && h.Settle == o.Settle && h.Conn.same(o.Conn)
}

// Equal compares values: 3 equals 3.0, and nothing equals an empty object.
func Equal(a, b any) bool { return value.Equal(a, b) }
