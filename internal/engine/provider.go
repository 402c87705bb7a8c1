package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/plan"
)

// ErrNotFound is what Read returns once the object is gone.
var ErrNotFound = errors.New("not found")

// ErrCredentials is what a Provider wraps if the caller's credentials are
// refused or have expired: no other call would fare better.
var ErrCredentials = errors.New("the credentials are not accepted")

// Certainty is what is known after a create. The zero value is the safe one:
// what is not known for certain is looked for again.
type Certainty int

// What a create can come to.
const (
	Unknown Certainty = iota // the object may exist or not: the same call is repeated until that is known
	NotMade                  // nothing exists, for certain: the next attempt is a new one, with a new token and perhaps other inputs
	Unready                  // it exists and its ID is known, but it was not seen ready
	Made                     // it exists and is ready
)

// Call is the part of an operation that failed. Only the call that makes an
// object can tell that it was not made; the others know nothing of that.
type Call string

// The calls of a create.
const (
	Prepare Call = "prepare" // before anything is sent: schemas, connections, what stands there already
	Send    Call = "create"  // the call that makes the object, and what its handler says in the end
	Poll    Call = "poll"    // asking how it goes
	Look    Call = "look"    // searching for what an earlier attempt made
	Settle  Call = "settle"  // waiting for an object that exists, and reading it
)

// Created is what came of a create.
type Created struct {
	Object              // its ID is set if it exists
	Certainty Certainty // Made if and only if there is no error
	Call      Call      // which call failed
}

// Request is one call about one object.
type Request struct {
	Type  string
	Name  string            // physical name
	ID    string            // what Create returned; empty for Create
	Token string            // idempotency token: the same for every repetition of this call
	Old   plan.Props        // inputs as last applied; of Update without those that a cut-off one left open; nil for Create
	Maybe []plan.Props      // Update: inputs of all that may have been applied, since some were cut off: what they have and is not wanted goes
	Want  plan.Props        // inputs wanted, references resolved; nil for Read and Delete
	Conn  plan.Props        // resolved graph.Resource.Conn
	Where graph.Where       // the object's place
	Tags  map[string]string // owner tags, see ownerTags: an object is this request's only if it has all of them
	Size  int               // Create and Update: as many nodes at least, though Want says less: those that it has, or its predecessor
	Begun time.Time         // Create: when an earlier run began it, whose end is unknown; zero: this is the first attempt
	Wait  func(string)      // says what the call is waiting for: "Auto Scaling group: 2 of 3 instances in service"

	Ignore   []string      // Update: paths of properties that others may set: spec.replicas
	Patience time.Duration // how long the object may show no progress; 0: as long as its provider thinks

	// Sole tells, of an object that stands, that what has its place is it, under
	// whatever identifier, and not another generation of its resource.
	Sole func() bool

	// Known tells for Create which IDs the state has already for something else.
	Known func(id string) bool
}

// Knows reports that the state has the object already, for something else: it
// is never taken over.
func (r Request) Knows(id string) bool { return r.Known != nil && r.Known(id) }

// Alone reports that what has the object's place can be no other generation's.
func (r Request) Alone() bool { return r.Sole != nil && r.Sole() }

// Object is what a provider knows of one object.
type Object struct {
	ID      string
	Outputs plan.Props // the object as it is, for references
	Size    *int       // nodes that it wants now, if workloads run on it; nil: it is none, or does not tell
}

// Provider manages the objects of a family of types. The engine calls it
// again after a crash, so every method may be repeated. Calls return when the
// object is really ready, or really gone.
type Provider interface {
	// Create makes the object. Two calls with one token make one object.
	Create(ctx context.Context, r Request) (Created, error)
	// Read returns ErrNotFound once the object is gone.
	Read(ctx context.Context, r Request) (Object, error)
	Update(ctx context.Context, r Request) (Object, error)
	// Delete of an object that is gone, or going, succeeds.
	Delete(ctx context.Context, r Request) error
	// Replaces lists the properties whose change from old to want cannot be
	// made in place ("CidrBlock"); none: Update will do.
	Replaces(typ string, old, want plan.Props) []string
}

// DeleteFirster is what a Provider adds that has objects of which two cannot
// stand at once.
type DeleteFirster interface {
	// DeleteFirst tells that of an object and the one that replaces it: old are
	// the inputs of the one that stands, want of the one that comes.
	DeleteFirst(typ string, old, want plan.Props) bool
	// Claims are what an object has that no other of its type can have at the
	// same time: a name that stands in its properties.
	Claims(typ string, props plan.Props) []string
}

// Rehearser is what a Provider adds that can try an update without carrying it
// out. An error says why it would be refused; nil also stands for "nobody knows".
type Rehearser interface {
	Rehearse(ctx context.Context, r Request) error
}

// Steadier is what a Provider adds that knows outputs which no update in place
// changes. Without it only identifiers are steady; see Engine.Plan.
type Steadier interface {
	Steady(typ, output string) bool
}

// Switcher is what a Provider adds that has objects which get another identifier
// when they are updated. It finds them under the one that they had before, too:
// by Request.Old.
type Switcher interface {
	Switches(typ string) bool
}

// ByFamily chooses the provider for a type: CloudFormation types hold "::".
func ByFamily(aws, kubernetes Provider) func(typ string) (Provider, error) {
	return func(typ string) (Provider, error) {
		switch {
		case strings.Contains(typ, "::"):
			return aws, nil
		case strings.Contains(typ, "/"):
			return kubernetes, nil
		}
		return nil, fmt.Errorf("%q is neither a CloudFormation type (AWS::EC2::VPC) nor a Kubernetes one (apps/v1/Deployment)", typ)
	}
}

// Lookup resolves ${ssm:/path}: text, or a secret.
type Lookup func(ctx context.Context, name string) (any, error)

// Host is a resource that workloads run on, as the Mover sees it.
type Host struct {
	URN  plan.URN
	Name string     // physical name of the Auto Scaling group, and of the node group
	Conn plan.Props // the cluster its nodes join

	Soak   time.Duration // how long its emptied nodes are kept; 0: no longer than it takes to be sure
	Settle time.Duration // how long those who sent to a pod are given at the least

	// Fresh are the nodes that the plan makes in its cluster before it goes;
	// none: what stands now must take its pods.
	Fresh []Fresh
}

// Fresh are nodes that are yet to be made.
type Fresh struct {
	Nodes    int
	Type     string // of their instances: t3.2xlarge; empty: not known
	Replaces bool   // they replace the host's own nodes: as many as it has when its turn comes, if that is more than Nodes
}

// Move asks for one hand-over.
type Move struct {
	Step    int
	From    Host
	To      []Host                           // the groups that stay, or are new; pods go where the scheduler puts them
	Keep    int                              // nodes that may stay in From: 0 unless the group only shrinks
	EndSoak bool                             // end the soak at once
	Back    bool                             // it takes an earlier hand-over back
	Owed    []json.RawMessage                // records of those that it takes back: what they promised holds
	Memo    json.RawMessage                  // what Save stored before a crash; nil at first
	Save    func(json.RawMessage) error      // stores what cannot be observed
	Breach  func() (reason string, yes bool) // the guard's verdict so far
	Events  event.Sink
}

// Sheltering says what a plan does to the pods of a host before it is handed over.
type Sheltering struct {
	Rollouts []graph.Key // Kubernetes objects that are about to get another pod template
	Replaced []graph.Key // all whose pods are placed anew, or gone, before the hand-over; see Mover.Inspect
}

// Retirement asks for the nodes of a host that was handed over.
type Retirement struct {
	Host   Host
	Keep   int                              // nodes that stay: 0 unless the group only shrinks
	Wait   func(string)                     // says what it waits for
	Breach func() (reason string, yes bool) // the guard's verdict so far
}

// Inspection is what a move would meet.
type Inspection struct {
	Nodes, Pods, Balancers int
	Findings               []event.Finding // any blocker stops the move before anything changes
	Closed                 bool            // a run that was cut off has closed nodes of the host, and none goes on with it now
}

// Mover empties a Host before the engine deletes or shrinks it. Every method may
// be repeated, also when the host's group is gone already: a run may have been
// killed after it deleted it. Such a host has nothing and is empty.
type Mover interface {
	// Inspect is read-only. It is asked when a plan is made. Replaced are the
	// Kubernetes objects (apps/v1/Deployment apps/nginx) that the plan updates
	// or deletes before the hand-over: their pods are placed anew by then.
	Inspect(ctx context.Context, from Host, keep int, replaced []graph.Key) (Inspection, error)
	// Ready returns when the host's nodes (as many as its group wants) are Ready.
	Ready(ctx context.Context, h Host, wait func(string)) error
	// Shelter does the first part of a hand-over before Kubernetes objects are
	// updated whose pods run on From: from then on no rollout ends a pod there that
	// load balancers send to. HandOver goes on from there, or Reopen takes it back.
	Shelter(ctx context.Context, m Move, s Sheltering) error
	// HandOver returns when nothing of any workload is left on From, and
	// nothing sends traffic through its nodes. Interrupted during the soak it
	// leaves From empty and closed, and the next call goes on with the soak.
	HandOver(ctx context.Context, m Move) error
	// Reopen takes back a host that a move of it has closed, or may have: m is that
	// move, as HandOver would go on with it. It returns when nothing of a hand-over is left on the host, its nodes take
	// pods, and the load balancers that send through them have them in service.
	Reopen(ctx context.Context, m Move) error
	// Retire asks once more that the host is empty, then takes its nodes and
	// instances (all but Keep) away, each by name. A host that is not empty is an
	// error. Breach is asked before every call that cannot be undone.
	Retire(ctx context.Context, r Retirement) error
}

// Guard watches traffic while a plan that moves workloads is carried out.
type Guard interface {
	// Start watches once it knows what traffic was like before the move: by what
	// an earlier run of the same move has kept (nil: none has), or by its own look.
	Start(ctx context.Context, guards []graph.Guard, before Baseline, events event.Sink) (Watch, error)
}

// Baseline is what traffic was like before a move, in the guard's own form (JSON).
type Baseline = json.RawMessage

// Watch is a guard that runs.
type Watch interface {
	// Breach tells why the move must stop. Once breached it stays so.
	Breach() (reason string, yes bool)
	// OnBreach is what the breached guard asks for: graph.Stop or graph.Return.
	OnBreach() graph.OnBreach
	Baseline() Baseline
	Stop()
}
