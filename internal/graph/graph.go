// Package graph holds the desired resources of a stack: what the stack file
// asks for once its sections are expanded. It stands between the stack file
// (package spec makes a Graph) and the engine (which compares it with the
// state and makes a plan).
//
// References (*value.Expr) lead to outputs of other resources, to their
// physical names (@name), which are known when the plan is made, or to values
// that are looked up when the resource is created. A resource may refer to its
// own @name, and to nothing else of its own.
package graph

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// Key names a resource within a graph.
type Key = value.Key

// NamePath is the path of a reference to a physical name.
const NamePath = value.NamePath

// Resource is one desired object.
type Resource struct {
	Key
	Component string     // what the user declared and this is a part of: "nodegroup/web"
	Props     plan.Props // desired properties; for Kubernetes the whole object

	// NameProperty is the property that holds the physical name ("RoleName").
	// The engine fills it with BaseName-suffix. Empty: the object has no name
	// of its own choosing (a VPC), or Props hold it (a Kubernetes object).
	NameProperty string
	BaseName     string // defaults to Name

	// Generation holds what forces a replacement of the whole component: when
	// it differs from the stored one, the resource is replaced even if its own
	// type could be updated in place. All parts of one component share it, and
	// with it one suffix.
	Generation plan.Props

	// Rolls are keys of Generation that the provider changes in place for now. They
	// are stored like the rest: once they are no longer among these, they count again.
	Rolls []string

	// Conn says how its provider reaches it, references allowed: for
	// Kubernetes objects {"cluster", "endpoint", "ca"}.
	Conn plan.Props

	// Where is an AWS object's place, if that is not the stack's own.
	Where Where

	After []Key // dependencies that no reference expresses

	// Of a resource as it stood before a change: what its values come from, which
	// are written out, and its generation; 0: whichever is as declared.
	From []Key
	Gen  int

	Protect bool // it is deleted, or replaced, only if the user names it
	Options Options

	// Hosts is set on a resource that workloads run on (an Auto Scaling
	// group): it is ready when its nodes are, and handed over before it is
	// deleted or shrunk.
	Hosts *Hosts

	At problem.Place // where the user wrote it
}

// Where is a region of an account, and how it is reached. The zero value is where
// the stack is.
type Where struct {
	Region  string `json:"region"`
	Account string `json:"account,omitempty"` // its number

	// By whom; empty: by whoever runs Drover.
	Profile    string `json:"profile,omitempty"` // of the AWS configuration
	Role       string `json:"role,omitempty"`    // ARN of one that is assumed
	ExternalID string `json:"externalID,omitempty"`
}

// IsZero reports the stack's own place.
func (w Where) IsZero() bool { return w == Where{} }

// Place is a region of an account.
type Place struct{ Region, Account string }

// Place is the same however it is reached.
func (w Where) Place() Place { return Place{w.Region, w.Account} }

// String tells how it is reached.
func (w Where) String() string {
	switch {
	case w.Role != "":
		return "role " + w.Role
	case w.Profile != "":
		return "profile " + w.Profile
	}
	return w.Place().String()
}

// String names the place.
func (p Place) String() string {
	return strings.TrimSuffix(p.Region+" of account "+p.Account, " of account ")
}

// Options are what a person asks of a resource beside its properties.
type Options struct {
	Aliases          []Key    // what it was called before
	IgnoreChanges    []string // paths of properties that stay as they were last applied: spec.replicas
	ReplaceOnChanges []string // paths of properties whose change makes it anew
	DeleteFirst      bool     // it goes before its replacement comes
	Retain           bool     // it is left where it is when nobody wants it any more

	// How long its steps may take; 0: as long as they go on.
	Create, Update, Delete time.Duration
}

// Hosts tells how many workload nodes a resource has.
type Hosts struct {
	Nodes int        // desired capacity
	Type  string     // of its instances: t3.2xlarge; empty: not known
	Conn  plan.Props // the cluster its nodes join; as Resource.Conn

	Soak   time.Duration // how long its emptied nodes stay before they are deleted
	Settle time.Duration // how long those who sent to a pod of its are given at the least
}

// Graph is everything a stack wants.
type Graph struct {
	Stack     string
	Project   string
	Resources []Resource
	Outputs   []Output
	Guards    []Guard
	Back      bool // it stood before a change, which is taken back

	// Frozen is what a change of a part of the stack is not about: it is among the
	// resources as it stands, if it does, and nothing of it is changed.
	Frozen map[Key]bool
}

// Output is a value that the stack shows once everything stands.
type Output struct {
	Name  string
	Value any // references allowed
	At    problem.Place
}

// Guard is a probe, or a query, that must hold while workloads are moved.
type Guard struct {
	Target Target // before its references are resolved; the engine fills in the five below

	URL     string            // of a query: where Prometheus is
	Host    string            // Host header; empty: the URL's
	Headers map[string]string // may be secret
	Body    string            // may be secret
	Query   string            // in PromQL; empty: this guard is a probe

	Method  string        // empty: GET
	Status  []int         // expected; empty: 200
	Expect  string        // regular expression that the body must match; empty: any
	Rate    float64       // requests per second
	Timeout time.Duration // after which a probe has failed; 0: 5 s

	MaxErrors   int      // failures that are tolerated over the whole move
	MaxInWindow int      // and in one window; 0: as many as MaxErrors
	P99         string   // a duration, or a multiple of what it was before the move ("3x"); empty: not watched
	Max, Min    *float64 // of a query: between which every value of the answer must lie; nil: no bound

	OnBreach OnBreach
	At       problem.Place // where the user wrote it
}

// Target is what a guard probes or asks, references allowed.
type Target struct {
	URL, Host, Query, Body any
	Headers                map[string]any
}

// Tree is the target as one tree of values.
func (t Target) Tree() []any { return []any{t.URL, t.Host, t.Query, t.Body, t.Headers} }

// Resolve returns a copy with every reference replaced by what get answers.
// Headers and body may hold secrets; the rest is shown.
func (g Guard) Resolve(get func(value.Ref) (any, error)) (Guard, error) {
	resolved, err := value.Resolve(g.Target.Tree(), get)
	if err != nil {
		return g, err
	}
	tree := resolved.([]any)
	if value.HasSecret(tree[:3]) {
		return g, &problem.Error{Kind: problem.Usage, At: g.At, Op: "guard",
			Err: errors.New("its URL, its host or its query is secret, and all are shown"), Fix: "watch what may be shown; headers and the body may be secret"}
	}
	plain, err := value.Reveal(tree)
	if err != nil {
		return g, fmt.Errorf("guard %v: %w", tree[0], err)
	}
	g.fill(plain.([]any))
	return g, nil
}

func (g *Guard) fill(tree []any) {
	for i, to := range []*string{&g.URL, &g.Host, &g.Query, &g.Body} {
		*to, _ = tree[i].(string)
	}
	headers, _ := tree[4].(map[string]any)
	g.Headers = make(map[string]string, len(headers))
	for name, text := range headers {
		g.Headers[name], _ = text.(string)
	}
}

// Name is what reports call the guard.
func (g Guard) Name() string {
	switch {
	case g.Query != "":
		return g.Query
	case g.Method != "":
		return g.Method + " " + g.URL
	}
	return g.URL
}

// OnBreach is what becomes of a move whose guard is breached.
type OnBreach string

// All answers to a breach.
const (
	Stop   OnBreach = ""       // nothing new is begun; everything keeps serving
	Return OnBreach = "return" // what was moved goes back to where it was
	Ignore OnBreach = "ignore" // it is told, and the move goes on
)
