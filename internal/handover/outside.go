package handover

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// ErrNotFound is what Scaling.Group returns once the group is gone.
var ErrNotFound = errors.New("not found")

// Scaling is the part of Auto Scaling and EC2 that a hand-over needs. Every
// call may be repeated.
type Scaling interface {
	// Group returns ErrNotFound (wrapped or not) if there is no such group.
	Group(ctx context.Context, name string) (Group, error)
	// States returns the EC2 state ("pending", "running", "shutting-down",
	// "terminated", …) of each instance; one that EC2 no longer knows is left out.
	States(ctx context.Context, instances []string) (map[string]string, error)
	// Suspend and Resume take process names (AZRebalance). One that is
	// suspended, or runs, already is no error.
	Suspend(ctx context.Context, group string, processes []string) error
	Resume(ctx context.Context, group string, processes []string) error
	SetMin(ctx context.Context, group string, n int) error
	// Terminate ends one instance by name and lowers the desired capacity by
	// one. An instance that is gone, or going, is no error.
	Terminate(ctx context.Context, group, instance string) error
	// Tag sets tags on the group itself (not on its instances); Untag removes
	// them, and a tag that is not there is no error.
	Tag(ctx context.Context, group string, tags map[string]string) error
	Untag(ctx context.Context, group string, keys []string) error
}

// Group is an Auto Scaling group.
type Group struct {
	Name              string
	Min, Max, Desired int
	Instances         []Instance
	Suspended         []string // names of suspended processes
	Tags              map[string]string
}

// Instance is one machine of an Auto Scaling group.
type Instance struct {
	ID        string // i-0123456789abcdef0
	Lifecycle string // Auto Scaling's word: Pending, InService, Terminating, …
}

// ends: it no longer counts, whatever Terminating waits for.
func (i Instance) ends() bool { return strings.HasPrefix(i.Lifecycle, "Terminat") }

// left: the instance is in the group no more, or about to end.
func (g Group) left(instance string) bool {
	return instance != "" && !slices.ContainsFunc(g.Instances, func(i Instance) bool { return i.ID == instance && !i.ends() })
}

// Balancers tells which load balancers send traffic through instances.
type Balancers interface {
	// Balancers returns every load balancer that any of the instances is
	// registered with, and those of the known names, which an earlier answer
	// held and which must be asked about each instance by its ID: one that is
	// being drained is no longer listed, but still has connections. A known
	// balancer that was deleted is left out.
	Balancers(ctx context.Context, instances, known []string) ([]Balancer, error)
}

// Balancer is a load balancer as it is now.
type Balancer struct {
	Name     string        // as AWS names it: a1b2c3…
	Host     string        // its DNS name, by which the Service that owns it is found
	Draining time.Duration // how long open connections may live on after deregistration; 0: draining is off
	Targets  []Target      // all that it sends traffic to, or drains
}

// Target is an instance in a load balancer. One that is deregistered and
// drained has no Target.
type Target struct {
	Instance string
	State    TargetState
	Why      string // the balancer's own words: "Instance has failed at least 2 health checks"
}

// TargetState is what a load balancer thinks of a target.
type TargetState string

// The states of every kind of load balancer, in one set of words.
const (
	InService    TargetState = "InService"
	OutOfService TargetState = "OutOfService" // registered, and not, or not yet, healthy
	Draining     TargetState = "draining"     // deregistered, open connections live on
)

// Cluster is the part of Kubernetes that a hand-over needs. Reads come from
// watches, so they cost nothing; writes may be repeated.
type Cluster interface {
	// Snapshot is what the watches have seen by now.
	Snapshot() (Snapshot, error)
	// Places are the nodes that would take a copy of each pod, by UID, by
	// selectors, taints and volumes; whether they have room is not asked.
	Places(pods []Ref) (map[string][]string, error)
	// Changed receives after something in the snapshot changed. It has room
	// for one signal, so none is lost and none piles up.
	Changed() <-chan struct{}

	PatchNode(ctx context.Context, node string, p Patch) error
	// PatchPod and Evict act on that very pod: if another one has taken its
	// name, or it is gone, they do nothing.
	PatchPod(ctx context.Context, pod Ref, p Patch) error
	// Evict returns a *Refusal when a PodDisruptionBudget says no.
	Evict(ctx context.Context, pod Ref) error
	// DeleteNode removes the Node object; one that is gone is no error.
	DeleteNode(ctx context.Context, node string) error

	// Close ends the watches and waits for them.
	Close()
}

// Patch changes metadata in one atomic write: nil removes a key.
type Patch struct {
	Labels        map[string]*string
	Annotations   map[string]*string
	Unschedulable *bool // nodes only; nil leaves it as it is
}

// Ref names one pod for its life.
type Ref struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
}

func (r Ref) String() string { return r.Namespace + "/" + r.Name }

// Refusal is the Eviction API's 429: a disruption budget has nothing to spend.
type Refusal struct {
	Budget string // PodDisruptionBudget "nginx"; empty if the API server did not say
	Why    string // its own words
}

func (r *Refusal) Error() string { return r.Why }
