package handover

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/event"
)

// ErrNotFound is what Scaling.Group returns once the group is gone.
var ErrNotFound = errors.New("not found")

// ErrBarred is what a call returns, wrapped, that the caller's identity has no
// right to: whoever asks again is told the same.
var ErrBarred = errors.New("no right to it")

// Barred is an ErrBarred in the words of who refused.
func Barred(err error) error { return barred{err} }

type barred struct{ error }

func (b barred) Is(target error) bool { return target == ErrBarred }
func (b barred) Unwrap() error        { return b.error }

// RightsFix is the remedy of a right that the caller lacks in the cluster.
const RightsFix = "have an administrator run drover rbac --user NAME | kubectl apply -f - (NAME as kubectl auth whoami says it; " +
	"drover rbac migrate prints what migrate alone needs, and so on), or on EKS give you an access entry with AmazonEKSClusterAdminPolicy"

// Scaling is the part of Auto Scaling and EC2 that a move needs. Every call
// may be repeated.
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
	// Terminate ends instances by name, at most Batch of them, and lowers the
	// desired capacity by as many. One that is gone, or going, is no error; one that
	// is retained ends, too.
	Terminate(ctx context.Context, group string, instances []string) error
	// Release lets instances end that the fence of their group holds. One that it
	// does not hold is no error.
	Release(ctx context.Context, group string, instances []string) error
	// Sizes tells what instance types have. One that AWS does not know is left out.
	Sizes(ctx context.Context, types []string) (map[string]Size, error)
	// Tag sets tags on the group itself (not on its instances); Untag removes
	// them, and a tag that is not there is no error.
	Tag(ctx context.Context, group string, tags map[string]string) error
	Untag(ctx context.Context, group string, keys []string) error
}

// Batch is how many instances one call may end.
const Batch = 100

// Size is what an instance type has. A node offers less of it.
type Size struct {
	CPU     int    // cores
	Memory  int64  // bytes
	Arch    string // of its nodes' ArchLabel; empty: not known
	Devices string // those of Devices that it has, with blanks between
}

// Devices begin the names of resources that only nodes of some instance types have.
var Devices = []string{"nvidia.com/", "amd.com/", "habana.ai/", "aws.amazon.com/neuron", "vpc.amazonaws.com/efa", "vpc.amazonaws.com/pod-eni"}

// Group is an Auto Scaling group.
type Group struct {
	Name         string
	Min, Desired int
	Instances    []Instance
	Suspended    []string // names of suspended processes
	Tags         map[string]string
	Attached     []string // what it registers its instances with itself: ARNs of target groups, names of Classic load balancers
	Judged       bool     // it ends instances that those do not find healthy
}

// Instance is one machine of an Auto Scaling group.
type Instance struct {
	ID        string // i-0123456789abcdef0
	Lifecycle string // Auto Scaling's word: Pending, InService, Terminating, …
}

// TerminatingWait is the state of an instance that is held by a lifecycle hook.
const TerminatingWait = "Terminating:Wait"

// Retained is the state of an instance whose end was abandoned: it runs on, beside
// its group, until it is ended by name.
const Retained = "Terminating:Retained"

// ends: it no longer counts, whatever Terminating waits for.
func (i Instance) ends() bool { return strings.HasPrefix(i.Lifecycle, "Terminat") }

// Left: the instance is in the group no more, or about to end.
func (g Group) Left(instance string) bool {
	return instance != "" && !slices.ContainsFunc(g.Instances, func(i Instance) bool { return i.ID == instance && !i.ends() })
}

// Balancers tells which load balancers send traffic through instances, or to
// pods themselves.
type Balancers interface {
	// Balancers returns every load balancer that has to do with what it is asked
	// about. A known balancer that was deleted is left out. Of all others that it
	// could ask it returns the name and the host alone: a Service whose balancer is
	// not among them is served by one that nobody here can ask.
	Balancers(ctx context.Context, q Inquiry) ([]Balancer, error)
	// Deregister takes an instance out of a target group, by its ARN, or of a Classic
	// load balancer, by its name, with the port that Auto Scaling registers it with;
	// Register puts it in. A target that is out, or in, and an instance, a group or a
	// load balancer that is gone, is no error.
	Deregister(ctx context.Context, from, instance string) error
	Register(ctx context.Context, with, instance string) error
}

// Inquiry is what load balancers are asked about.
type Inquiry struct {
	Instances []string // the nodes that leave
	Addresses []string // the pods on them: a target group may hold those
	Hosts     []string // DNS names that the cluster's Services have
	Groups    []string // target groups that something in the cluster names: see Balancer.Group

	// Known are names that earlier answers held. Those balancers must be asked
	// about each instance by its ID: one that is being drained may be listed no
	// longer, but still has connections.
	Known []string
	// All asks every balancer of the region anew, those too of which an earlier
	// answer said that they hold nothing of this. It costs a call for each.
	All bool
}

// Balancer is a load balancer as it is now: of a Classic one itself, of the
// others one of their target groups.
type Balancer struct {
	Name      string        // as AWS names it: a1b2c3…, or a1b2c3…/k8s-apps-web-0a1b2c3d4e; no other has it
	Host      string        // its DNS name, by which the Service that owns it is found
	Group     string        // one set of targets of one Service, by a name that the cluster's objects give, too (several balancers, each of a route, may have the same): of AWS's target groups the ARN; empty: it has none, as a Classic one
	ByAddress bool          // its targets are pods, by their addresses; it has a Group then, by which their Services are found
	Port      int           // of its targets, where those are nodes: a Service may have it as a node port; 0: not known
	Zonal     bool          // each zone has an address of its own that sends to targets of that zone only
	Draining  time.Duration // how long it lists a target as Draining, at the most, while open connections live on; 0: draining is off
	Keeps     bool          // open connections live on after that, too, until the target ends: connection termination is off
	Lag       time.Duration // how long it may open connections to a target after it lists it as Draining, as Unused, or no more
	SlowStart time.Duration // how long a target that has become healthy gets less than its share; 0: it gets that at once
	Health    time.Duration // what its health checks take, at the least, to find a new target healthy; 0: not known
	Reuses    bool          // it sends requests of many clients on connections that it keeps to its targets
	Targets   []Target      // all that it sends traffic to, or drains
}

// Target is an instance, or a pod, in a load balancer. One that is deregistered
// and drained has no Target.
type Target struct {
	Instance string // i-0123456789abcdef0; empty: it is an address
	Address  string // 10.0.1.17
	State    TargetState
	Why      string // the balancer's own words: "Instance has failed at least 2 health checks"
}

// id is what Auto Scaling and calls name it by.
func (b Balancer) id() string { return cmp.Or(b.Group, b.Name) }

// id is what a target is found by.
func (t Target) id() string { return cmp.Or(t.Instance, t.Address) }

// TargetState is what a load balancer thinks of a target.
type TargetState = event.TargetState

// The states of every kind of load balancer, in one set of words.
const (
	InService    = event.TargetInService
	OutOfService = event.TargetOutOfService // registered, and not, or not yet, healthy
	Draining     = event.TargetDraining     // deregistered, open connections live on
	Unused       = event.TargetUnused       // registered, and nothing is ever sent to it: no listener, or a zone that is not enabled
)

// registered: requests may come, now or once it is healthy.
func (t Target) registered() bool { return t.State == InService || t.State == OutOfService }

// Cluster is the part of Kubernetes that a move needs. Reads come from
// watches, so they cost nothing; writes may be repeated. A *Refusal as error
// means that this one object must not be changed so; any other error means that
// nobody knows. What the caller has no right to at all, of what moves keep in the
// cluster, is an ErrBarred.
type Cluster interface {
	// View is brought up to date with what the watches have seen by now. It
	// belongs to the caller until the next call.
	View() (*View, error)
	// Changed receives after something in the view changed. It has room for
	// one signal, so none is lost and none piles up.
	Changed() <-chan struct{}

	// Place answers, by the scheduler's own rules and for all pods together, where
	// copies of the pods would go if the nodes took no pods any more. Fresh are
	// nodes that will have come by then: like those that leave, but each with all
	// that its instance has, so that what finds no room there finds none for sure;
	// the zero Size is ample room. Anew are pods that the plan itself places on
	// those, whatever node group they name now.
	Place(ctx context.Context, leaving []string, pods, anew []Ref, fresh []Size) ([]Placement, error)
	// Rehearse sends one call as a dry run; nil: it would be carried out.
	Rehearse(ctx context.Context, r Rehearsal) error
	// Surroundings tells what else has a say in a move. It lists, so it is asked
	// once, in an inspection. What it may not read it leaves out.
	Surroundings(ctx context.Context) (Surroundings, error)

	PatchNode(ctx context.Context, node string, p Patch) error
	// PatchEvictor changes what runs a descheduler; one that is gone is no error.
	PatchEvictor(ctx context.Context, e Evictor, p Patch) error
	// PatchPod and Evict act on that very pod: if another one has taken its
	// name, or it is gone, they do nothing.
	PatchPod(ctx context.Context, pod Ref, p Patch) error
	Evict(ctx context.Context, pod Ref) error
	// TouchBudget makes the controller count a disruption budget anew: it does
	// not by itself when a pod stops being selected.
	TouchBudget(ctx context.Context, namespace, name string) error
	// Guard puts a sentinel on a node: a pod that never runs, and keeps by
	// anti-affinity every pod off the node that carries the labels. Unguard
	// takes it away.
	Guard(ctx context.Context, node string, repels []Repelled) error
	Unguard(ctx context.Context, node string) error
	// DeleteNode removes the Node object; one that is gone is no error.
	DeleteNode(ctx context.Context, node string) error

	// SaveRecord keeps a move's record in the cluster; nil removes it. Records
	// lists all by group.
	SaveRecord(ctx context.Context, group string, record []byte) error
	Records(ctx context.Context) (map[string][]byte, error)

	// Lock takes the lock of a move for a while, or renews it. A *Held error: it is
	// another's, who has not let it run out. Unlock gives it back, if it is the
	// holder's. Locks lists all by move; Ask puts a wish to whoever holds one.
	Lock(ctx context.Context, move, holder string, d time.Duration) (Lock, error)
	Unlock(ctx context.Context, move, holder string) error
	Locks(ctx context.Context) (map[string]Lock, error)
	Ask(ctx context.Context, move string, w Wish) error

	// Close ends the watches and waits for them.
	Close()
}

// Placement is where a copy of a pod would go.
type Placement struct {
	Pod      Ref
	Node     string // may be one that is yet to come (new-1), which no View has; empty: nowhere
	Why      string // nowhere: by which rule, in the scheduler's words, with how many nodes each
	Fix      string // what would help: nodeTaintsPolicy: Honor
	Preempts string // it goes there only by ending this pod, which has a lower priority
	Lasting  bool   // nowhere, and other selectors, taints or volumes of new nodes would not change that
}

// holds: it is true of the nodes that are there, and of those that are yet to come
// if there are such.
func (p Placement) holds(fresh bool) bool { return !fresh || p.Node != "" || p.Lasting }

// Rehearsal is one call to try, about a pod or a node. Exactly one of the fields after
// those is set; of a node it is Patch.
type Rehearsal struct {
	Pod    Ref
	Node   string
	Create bool   // a pod from the same template
	Evict  bool   // an eviction
	Patch  *Patch // a change of the pod, or node
}

// Repelled are pods of one namespace that carry all of the labels.
type Repelled struct {
	Namespace string
	Labels    map[string]string
}

// Patch changes an object in one atomic write: a nil value removes a key.
type Patch struct {
	Labels        map[string]*string
	Was           map[string]string // pods only: labels that it removes, and their values when that was decided
	Annotations   map[string]*string
	Unschedulable *bool  // nodes only; nil leaves it as it is
	Leaving       *bool  // nodes only: the taint drover.dev/leaving:NoSchedule
	Replicas      *int   // Deployments only
	Suspended     *bool  // CronJobs only
	Owner         *Owner // pods only: becomes its controller; nil leaves it as it is
	Spare         *Spare // pods only: who must be there to be ended in its place; nil: nobody need be
}

// Spare are pods of which so many must not be Ready, when a patch is carried out,
// as were not when it was decided: a ReplicaSet that has a pod too many ends
// those first, and nobody sends to them.
type Spare struct {
	Pods  []Ref
	Least int
}

// Enough reports whether as many are not Ready; ready tells of a pod by a look at
// the cluster itself.
func (s *Spare) Enough(ready func(Ref) (bool, error)) (bool, error) {
	if s == nil {
		return true, nil
	}
	left := 0
	for _, p := range s.Pods {
		is, err := ready(p)
		if err != nil {
			return false, err
		}
		if !is {
			left++
		}
	}
	return left >= s.Least, nil
}

// Outrun names a label of a pod that others have changed since the patch was
// decided, as operators do that say by a label which pod is active: one that it
// removes is another by now, or one that it gives back is there with another value.
func (p Patch) Outrun(live map[string]string) (key string, yes bool) {
	for _, key := range slices.Sorted(maps.Keys(p.Labels)) {
		value, was, given := p.Labels[key], p.Was[key], p.Labels[key] != nil
		have, there := live[key]
		_, asked := p.Was[key]
		if given && there && have != *value || !given && asked && (!there || have != was) {
			return key, true
		}
	}
	return "", false
}

// Ref names one pod for its life.
type Ref struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
}

func (r Ref) String() string { return r.Namespace + "/" + r.Name }

// Refusal is a no to one call about one object: a disruption budget that has
// nothing to spend, a policy or webhook that forbids it, a quota.
type Refusal struct {
	Budget  string // PodDisruptionBudget "nginx"; empty: something else refused
	Why     string // in the words of who refused
	Passing bool   // it may be asked for again: a budget, a webhook that is busy moving the pod itself
}

func (r *Refusal) Error() string { return r.Why }
