package handover

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// View is a cluster as far as a move looks at it, indexed by what a move asks
// for. Package kube/cluster keeps one up to date from its watches, object by
// object; a test fills one by hand. Whoever holds a view may read it until it is
// brought up to date again. Values are replaced, never changed in place.
type View struct {
	Now       time.Time // by the API server's clock
	Nodes     map[string]*Node
	Pods      map[string]*Pod // by UID
	Workloads map[string]*Workload
	Services  map[string]*Service // by namespace/name
	Budgets   map[string]*Budget  // PodDisruptionBudgets, by namespace/name
	Evictors  map[string]*Evictor // what runs deschedulers, by key

	on         index // node -> its pods
	of         index // workload -> its pods, those too that it was made to let go of
	behind     index // service -> pods that it selects, or still lists
	under      index // budget -> pods that it selects
	byInstance map[string]*Node
	byAddress  map[string]*Pod
	senders    directory // load balancers that can be asked
	changes    Changes
}

// Changes are what happened to a view since it was last asked.
type Changes struct {
	Workloads map[string]bool // that changed, or pods of theirs did
	Nodes     map[string]bool // the same for nodes
	PodLog    []Change[Pod]   // in the order of their coming
	NodeLog   []Change[Node]
}

// Change is one object's: Before is nil if it is new, Now if it is gone.
type Change[T any] struct{ Before, Now *T }

// index maps a key to pods by UID.
type index map[string]map[string]*Pod

func (x index) put(key string, p *Pod) {
	if key == "" {
		return
	}
	if x[key] == nil {
		x[key] = map[string]*Pod{}
	}
	x[key][p.UID] = p
}

func (x index) drop(key, uid string) {
	delete(x[key], uid)
	if len(x[key]) == 0 {
		delete(x, key)
	}
}

// list is a key's pods in the order of their names.
func (x index) list(key string) []*Pod {
	pods := make([]*Pod, 0, len(x[key]))
	for _, p := range x[key] {
		pods = append(pods, p)
	}
	slices.SortFunc(pods, func(a, b *Pod) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name), strings.Compare(a.UID, b.UID))
	})
	return pods
}

// NewView makes an empty view.
func NewView() *View {
	return &View{
		Nodes: map[string]*Node{}, Pods: map[string]*Pod{}, Workloads: map[string]*Workload{},
		Services: map[string]*Service{}, Budgets: map[string]*Budget{}, Evictors: map[string]*Evictor{},
		on: index{}, of: index{}, behind: index{}, under: index{}, byInstance: map[string]*Node{}, byAddress: map[string]*Pod{},
		changes: Changes{Workloads: map[string]bool{}, Nodes: map[string]bool{}},
	}
}

// PutPod stores a pod and notes whom its change concerns.
func (v *View) PutPod(p *Pod) {
	before := v.forget(p.UID)
	v.changes.PodLog = append(v.changes.PodLog, Change[Pod]{before, p})
	v.Pods[p.UID] = p
	v.on.put(p.Node, p)
	v.of.put(p.owner(), p)
	if p.Address != "" && !p.Finished {
		v.byAddress[p.Address] = p
	}
	for _, path := range p.Paths {
		v.behind.put(p.serviceKey(path.Service), p)
	}
	for _, b := range p.Budgets {
		v.under.put(p.Namespace+"/"+b, p)
	}
	v.touch(p)
}

// DropPod forgets a pod; one that is not there is no matter.
func (v *View) DropPod(uid string) {
	if p := v.forget(uid); p != nil {
		v.changes.PodLog = append(v.changes.PodLog, Change[Pod]{p, nil})
	}
}

// forget takes a pod out of every index.
func (v *View) forget(uid string) *Pod {
	p, ok := v.Pods[uid]
	if !ok {
		return nil
	}
	delete(v.Pods, uid)
	v.on.drop(p.Node, uid)
	v.of.drop(p.owner(), uid)
	if v.byAddress[p.Address] == p {
		delete(v.byAddress, p.Address)
	}
	for _, path := range p.Paths {
		v.behind.drop(p.serviceKey(path.Service), uid)
	}
	for _, b := range p.Budgets {
		v.under.drop(p.Namespace+"/"+b, uid)
	}
	v.touch(p)
	return p
}

// touch notes a change of a pod. One that stays concerns its node only.
func (v *View) touch(p *Pod) {
	if !p.stays() {
		v.changes.Workloads[p.owner()] = true
	}
	if p.Node != "" {
		v.changes.Nodes[p.Node] = true
	}
}

// PutNode stores a node.
func (v *View) PutNode(n *Node) {
	v.logNode(v.Nodes[n.Name], n)
	v.Nodes[n.Name] = n
	if n.Instance != "" {
		v.byInstance[n.Instance] = n
	}
}

// DropNode forgets a node.
func (v *View) DropNode(name string) {
	n := v.Nodes[name]
	if n == nil {
		return
	}
	v.logNode(n, nil)
	delete(v.Nodes, name)
	if v.byInstance[n.Instance] == n {
		delete(v.byInstance, n.Instance)
	}
}

// nodeOf is the node that a load balancer's target is, or runs on; nil: nobody knows.
func (v *View) nodeOf(t Target) *Node {
	if t.Instance != "" {
		return v.byInstance[t.Instance]
	}
	if p := v.byAddress[t.Address]; p != nil {
		return v.Nodes[p.Node]
	}
	return nil
}

func (v *View) logNode(before, now *Node) {
	v.changes.NodeLog = append(v.changes.NodeLog, Change[Node]{before, now})
	for _, n := range []*Node{before, now} {
		if n != nil {
			v.changes.Nodes[n.Name] = true
		}
	}
}

// PutWorkload stores a workload.
func (v *View) PutWorkload(w *Workload) {
	v.Workloads[w.Key()] = w
	v.changes.Workloads[w.Key()] = true
}

// DropWorkload forgets a workload.
func (v *View) DropWorkload(key string) {
	delete(v.Workloads, key)
	v.changes.Workloads[key] = true
}

// PutService stores a Service; its pods' workloads are concerned.
func (v *View) PutService(s *Service) {
	v.Services[s.Key()] = s
	v.concern(v.behind[s.Key()])
}

// DropService forgets a Service.
func (v *View) DropService(key string) {
	delete(v.Services, key)
	v.concern(v.behind[key])
}

// PutBudget stores a disruption budget; its pods' workloads are concerned.
func (v *View) PutBudget(b *Budget) {
	v.Budgets[b.Key()] = b
	v.concern(v.under[b.Key()])
}

// DropBudget forgets a disruption budget.
func (v *View) DropBudget(key string) {
	delete(v.Budgets, key)
	v.concern(v.under[key])
}

// PutEvictor stores what runs a descheduler, and DropEvictor forgets it: each turn
// looks at all of them.
func (v *View) PutEvictor(e *Evictor)  { v.Evictors[e.Key()] = e }
func (v *View) DropEvictor(key string) { delete(v.Evictors, key) }

func (v *View) concern(pods map[string]*Pod) {
	for _, p := range pods {
		v.touch(p)
	}
}

// Take returns what changed since it was last called.
func (v *View) Take() Changes {
	taken := v.changes
	v.changes = Changes{Workloads: map[string]bool{}, Nodes: map[string]bool{}}
	return taken
}

// On are the pods on a node, Of those of a workload; in the order of their names.
func (v *View) On(node string) []*Pod     { return v.on.list(node) }
func (v *View) Of(workload string) []*Pod { return v.of.list(workload) }

// Node is one node.
type Node struct {
	Name        string
	Instance    string // i-0123456789abcdef0, from its provider ID
	Cloud       string // who runs its machine, by its provider ID: aws, gce, kind …; empty: it does not say
	Group       string // its label drover.dev/nodegroup
	Version     string // of its kubelet: v1.35.6
	Created     time.Time
	Labels      map[string]string
	Ready       bool
	ReadySince  time.Time // since when it is, or is not, Ready
	Initialized bool      // no taint left that says a controller has yet to set it up
	Cordoned    bool
	Leaving     bool              // carries the taint drover.dev/leaving
	Exclude     *string           // value of the label that keeps it out of load balancers; nil: no such label
	Before      string            // annotation drover.dev/before: what a move must put back
	Calmed      string            // annotation drover.dev/calmed: a Calmed
	Calm        map[string]string // those of Calming that it carries
	Daemons     []string          // DaemonSets whose pod belongs there and is not Ready
	Volumes     []string          // volumes attached to it
}

// excluded follows the service controller: any value but one that reads as false.
func (n *Node) excluded() bool {
	if n.Exclude == nil {
		return false
	}
	no, err := strconv.ParseBool(*n.Exclude)
	return err != nil || no
}

// registers: load balancers may send through the node itself. On AWS that takes
// an instance, which Fargate's nodes are not.
func (n *Node) registers() bool { return n.Instance != "" || n.Cloud != "aws" }

// zone is its availability zone; empty: nobody knows.
func (n *Node) zone() string { return n.Labels["topology.kubernetes.io/zone"] }

// usable: pods may start there.
func (n *Node) usable() bool { return n.Ready && n.Initialized && !n.Cordoned && !n.Leaving }

// Pod is one pod.
type Pod struct {
	Ref
	Node         string
	Address      string // of its own; empty: it has none yet, or uses its node's
	Workload     string // key of its Workload; empty: nothing controls it
	Owner        *Owner // its controller as metadata tells: the ReplicaSet, StatefulSet …
	Labels       map[string]string
	Released     string    // annotation drover.dev/released: a Release
	Cost         *string   // annotation controller.kubernetes.io/pod-deletion-cost
	DoNotDisrupt string    // the annotation by which somebody forbids to disrupt it: "karpenter.sh/do-not-disrupt"
	KeptUntil    time.Time // until when such an annotation forbids it; zero: none names a time
	Expendable   bool      // annotation drover.dev/expendable=true, on it or its workload: it may be lost
	AcceptGap    bool      // annotation drover.dev/accept-gap=true, on it or its workload: it may be missing for a while
	Sentinel     bool      // label drover.dev/sentinel: a move put it there to keep others off
	Repels       string    // a sentinel's: whom
	Daemon       bool      // controlled by a DaemonSet
	Mirror       bool      // a static pod of its node
	Finished     bool      // succeeded or failed
	Created      time.Time
	Ready        bool
	ReadySince   time.Time // since when it is, or is not, Ready
	Deleting     bool
	Evicted      bool          // Deleting, and the Eviction API did it
	Told         time.Time     // when its end was asked for; set while Deleting
	GoneBy       time.Time     // when its grace period ends, be it its own or what it was given then; set while Deleting
	Finalizers   []string      // that keep it once it has ended
	Grace        time.Duration // termination grace period
	PreStop      bool          // every container that serves has a preStop hook
	PreStopTime  time.Duration // how long all of these sleep at the least; 0 if unknown
	LongestHook  time.Duration // how long the longest preStop hook of any container sleeps; 0 if unknown
	Probe        bool          // Ready means that it answers: what serves in it has a readiness or startup probe
	EmptyDir     bool          // holds data that ends with it, other than in memory
	HostPath     string        // directory of its node that it can write to, and that does not move with it; empty: none
	HostPorts    []int         // ports of its node on which it listens itself
	Trouble      string        // why it is not Ready: "Unschedulable: 0/5 nodes are available: …"
	Crowded      bool          // Unschedulable for want of CPU, memory, pods or another resource
	Tolerates    bool          // it may start on a cordoned node
	Fixed        string        // spec.nodeName of its template, if that names a node
	Evictor      string        // it is a descheduler's: the key of what runs it in the end, an Evictor or not; empty: it is none
	Scheduler    string        // schedulerName, if it is not the default one
	Gates        []string      // readiness gates that are not met
	Zoned        bool          // a rule of its own keeps those like it from sharing a zone while another has none

	// Handle is a label that its ReplicaSet selects by and nothing else that Drover
	// sees does (Service, budget, policy): without it the pod leaves the ReplicaSet
	// and keeps serving. Empty: there is none.
	Handle string
	// Alone is why no second pod may run beside it: its Deployment's strategy is
	// Recreate, or a volume that only one node can attach.
	Alone string
	// Shares is what only one node can have that another pod of its node uses, too:
	// neither can move before the other one. Empty: nothing.
	Shares string
	// Paths are the ways by which requests reach it.
	Paths []Path
	// Doors are labels of it without which no Service selects it, chosen so that
	// budgets and policies still do. NoDoor says why there is no such choice.
	Doors  []string
	NoDoor string
	// Veils are labels without which at most one of its budgets selects it.
	Veils   []string
	Budgets []string // PodDisruptionBudgets that select it

	Group string            // the node group that its own selectors name, if they do
	Pins  map[string]string // values of labels that its own selectors name and that only some nodes ever have: of a group, one node, a type
}

// Owner is a controller.
type Owner struct {
	API  string `json:"apiVersion"`
	Kind string `json:"kind"`
	Name string `json:"name"`
	UID  string `json:"uid"`
}

// Path is one way by which requests reach a pod.
type Path struct {
	Service  string // name of the Service; of one in another namespace, whose EndpointSlices list the pod, namespace and name
	Selected bool   // the Service selects the pod now
	Own      bool   // … and no other one ever: it asks for the pod's name
	Listed   bool   // an EndpointSlice of the Service holds it
	Ready    bool   // … as one that serves
	ByHand   string // the EndpointSlice that lists its address and that no controller keeps: nobody will take it out
}

// stays: it belongs to its node, or no longer runs; a move leaves it alone.
func (p *Pod) stays() bool {
	return p.Mirror || p.Finished && !p.heldBack() || p.Sentinel || p.daemon()
}

// heldBack: it has been told to end, and a finalizer keeps it: its node must not
// end before whoever set the finalizer has done his part.
func (p *Pod) heldBack() bool { return p.Deleting && len(p.Finalizers) > 0 }

// daemon: a DaemonSet's pod, also one that was taken out of its Services, which
// its DaemonSet let go of.
func (p *Pod) daemon() bool {
	kind, _, _ := strings.Cut(p.owner(), "/")
	kind, _, _ = strings.Cut(kind, ".")
	return p.Daemon || p.Released != "" && Daemonic(kind)
}

// Daemonic: pods of such a controller belong to their nodes. That goes by the kind's
// name alone, because DaemonSets of other groups (OpenKruise's) place pods as
// Kubernetes' own do.
func Daemonic(kind string) bool { return strings.EqualFold(kind, "DaemonSet") }

// owner is the workload that a pod belongs, or belonged, to. A pod that nothing
// controls is a workload of its own.
func (p *Pod) owner() string {
	if p.Released != "" {
		if r, ok := p.release(); ok {
			return r.Workload
		}
	}
	if p.Workload == "" {
		return "pod/" + p.Namespace + "/" + p.Name
	}
	return p.Workload
}

// Subject is the key of the workload that it belongs, or belonged, to; of a pod
// that nothing controls "pod/namespace/name".
func (p *Pod) Subject() string { return p.owner() }

// Stays: it belongs to its node, or no longer runs; a move leaves it alone.
func (p *Pod) Stays() bool { return p.stays() }

// selected: some Service selects it now.
func (p *Pod) selected() bool {
	return slices.ContainsFunc(p.Paths, func(x Path) bool { return x.Selected })
}

// listed names the Services that still list it.
func (p *Pod) listed() []string {
	var names []string
	for _, x := range p.Paths {
		if x.Listed {
			names = append(names, x.Service)
		}
	}
	return names
}

// serviceKey is the key of a Service on one of its paths.
func (p *Pod) serviceKey(path string) string { return serviceKey(p.Namespace, path) }

// serviceKey is the same, of pods of a namespace.
func serviceKey(namespace, path string) string {
	if strings.Contains(path, "/") {
		return path
	}
	return namespace + "/" + path
}

// servicesOf are the Services that the pod is behind, and those that it was taken
// out of.
func (v *View) servicesOf(p *Pod) []*Service {
	r, _ := p.release()
	names := slices.Clone(r.Services)
	for _, x := range p.Paths {
		names = append(names, x.Service)
	}
	slices.Sort(names)
	var all []*Service
	for _, name := range slices.Compact(names) {
		if s := v.Services[p.serviceKey(name)]; s != nil {
			all = append(all, s)
		}
	}
	return all
}

// served: an EndpointSlice lists a pod of the Service as one that serves.
func (v *View) served(s *Service) bool { return v.servers(s.Key()) > 0 }

// servers counts the pods that serve a Service.
func (v *View) servers(service string) int {
	n := 0
	for _, p := range v.behind[service] {
		if p.serves(service) {
			n++
		}
	}
	return n
}

// serves: an EndpointSlice of the Service lists the pod as one that serves.
func (p *Pod) serves(service string) bool {
	return slices.ContainsFunc(p.Paths, func(x Path) bool { return p.serviceKey(x.Service) == service && x.Ready })
}

// shared: pods of other workloads stand behind the pod's Service.
func (v *View) shared(p *Pod, service string) bool {
	for _, q := range v.behind[p.serviceKey(service)] {
		if q.owner() != p.owner() {
			return true
		}
	}
	return false
}

// ails: a DaemonSet lacks pods on such nodes, and none is Ready there. It has
// trouble of its own, and new nodes need not wait for it.
func (v *View) ails(daemons string, on func(node string) bool) bool {
	if slices.ContainsFunc(v.Of(daemons), func(p *Pod) bool { return p.Ready && on(p.Node) }) {
		return false
	}
	for name, n := range v.Nodes {
		if on(name) && n.Ready && slices.Contains(n.Daemons, daemons) {
			return true
		}
	}
	return false
}

// serviceOf is the first Service on the pod's paths that is so; nil: none is.
func (v *View) serviceOf(p *Pod, is func(*Service) bool) *Service {
	for _, x := range p.Paths {
		if s := v.Services[p.serviceKey(x.Service)]; s != nil && is(s) {
			return s
		}
	}
	return nil
}

func (s *Service) nodeLocal() bool { return s.NodeLocal }

// Nature is how a workload's pods come and go. What each place makes of it:
//
//	                       Replicated        Ordered          Runs          Operated
//	promise.go byNature    surge-first, or   in order         after its     by its
//	                       in order                           work (job)    operator
//	promise.go promised    kept where it is  the same         not so        the same
//	  (Pod.DoNotDisrupt),  by an annotation
//	check.go promised
//	  (Pod.KeptUntil)
//	check.go oneAtATime    a warning, if     a note, if it    –             a warning
//	                       in order          has several
//	check.go rehearsals    make, evict,      make, evict      –             make, evict
//	                       let go, take out
//
// All else goes by the promise that follows (How): the first step of a pod
// (workload.go, leave), its workload's state, its budgets and a gap's consent (promise.go,
// ways; event/words.go), how long it takes (foresee.go, way), the report's lanes
// (view/html/lanes.go). A fifth nature is a column here, and perhaps a seventh How.
//
// It may change while a move runs: each turn asks anew. Only what dry runs refused is of
// the nature that it had when they were made.
type Nature string

// The natures of workloads.
const (
	Replicated Nature = "replicated" // a ReplicaSet's or ReplicationController's: any pod is as good as any other
	Ordered    Nature = "ordered"    // a StatefulSet's or CloneSet's: each goes before its controller makes the next one, at once
	Runs       Nature = "runs"       // a Job's: each ends by itself
	Operated   Nature = "operated"   // of a controller that Drover does not know, or that does more than make a pod anew: it switches roles, say
)

// Workload is what controls pods: a Deployment, Rollout or the like (standing
// for its ReplicaSets), a ReplicaSet or ReplicationController without one, a
// StatefulSet, a Job, or a kind that Drover knows by its owner reference alone.
type Workload struct {
	Kind         string // Deployment
	API          string // apps/v1
	Namespace    string
	Name         string
	UID          string
	Nature       Nature
	Wants        int           // pods it wants, by its own field or /scale
	Counted      bool          // Wants is known; else it is how many pods there are
	Surge        int           // pods beyond that during a rollout, by its own strategy; 0: never one more
	MinReady     time.Duration // how long a pod must be Ready to count
	StartsWithin time.Duration // how long a replacement may take to become Ready: its progressDeadlineSeconds, 10 min where nobody set it, or its kind has none
	Rolling      string        // a rollout is under way: "2 of 3 pods are new"; empty: none is
	Paused       bool          // its rollouts are paused
	Stalled      bool          // its rollout has passed its deadline
	OnDelete     bool          // a StatefulSet whose pods change only when they are ended
	Partition    int           // so many pods keep the old template; with Ordinals, those below it
	Ordinals     bool          // its pods' names end with a number: the next one in the place of a pod has it as well, and the highest goes first
	InTurn       string        // Ordered: why the next pod cannot come first
	Together     bool          // Ordered: when one of its pods ends, all others do
	Holder       *Owner        // owns its ReplicaSet, and can hold a pod that was released; nil: none
	Trouble      string        // why it cannot make a pod: "exceeded quota: …"
	FailsIfEnded bool          // a Job that fails for good when a pod of it is ended
}

// surges: it may have a pod beyond those that it wants. Only such a one is promised to
// move surge-first (replicated).
func (w *Workload) surges() bool { return w.Surge > 0 }

// Key is how a workload is named everywhere: see WorkloadKey.
func (w *Workload) Key() string { return WorkloadKey(w.API, w.Kind, w.Namespace, w.Name) }

// WorkloadKey is "deployment/apps/nginx". A kind that is not Kubernetes' own has its
// group, too, as kubectl writes it: "statefulset.apps.kruise.io/apps/db" is not the
// StatefulSet of that name.
func WorkloadKey(api, kind, namespace, name string) string {
	kind = strings.ToLower(kind)
	if group, _, _ := strings.Cut(api, "/"); strings.Contains(group, ".") {
		kind += "." + group
	}
	return kind + "/" + namespace + "/" + name
}

// Service is a Service with a selector.
type Service struct {
	Namespace    string
	Name         string
	Balanced     bool              // of type LoadBalancer
	Hosts        []string          // DNS names or addresses of its load balancers
	ToPods       bool              // those send to its pods' addresses, and to no node
	Local        bool              // externalTrafficPolicy Local, with a node port: a node only serves through pods of its own
	NodeLocal    bool              // internalTrafficPolicy Local: pods of a node reach only those of the same node
	Headless     bool              // clients find its pods by DNS
	Published    time.Duration     // how long its pods' addresses may be used from records outside of the cluster once they are gone; 0: there are none
	Routes       []string          // what sends to it in the cluster, as ingress/apps/web: its controller, or a gateway, keeps its own list of pods
	TargetGroups []string          // what its pods or nodes are registered with, each by its Balancer.Group: ARNs, from TargetGroupBindings
	NodePorts    []int             // ports of every node that lead to its pods
	NodeLabels   map[string]string // only nodes with these are registered with its load balancers
}

// Key is namespace/name.
func (s *Service) Key() string { return s.Namespace + "/" + s.Name }

// admits: its load balancers take the node.
func (s *Service) admits(n *Node) bool {
	for k, want := range s.NodeLabels {
		if got, ok := n.Labels[k]; !ok || got != want {
			return false
		}
	}
	return true
}

// Budget is a PodDisruptionBudget.
type Budget struct {
	Namespace   string
	Name        string
	Expected    int      // pods it counts
	Desired     int      // pods that must stay healthy
	Healthy     int      // pods that are
	Keys        []string // labels that it selects by
	Seen        bool     // its status is of its present generation
	Broken      string   // why it cannot be computed, in its controller's own words
	AlwaysAllow bool     // unhealthyPodEvictionPolicy AlwaysAllow
	Owner       string   // UID of what has made it, and keeps it as it is; empty: nothing has
}

// Key is namespace/name.
func (b *Budget) Key() string { return b.Namespace + "/" + b.Name }

// keptFor: the budget and the pod are of one owner. Operators keep such budgets of
// members that they move by themselves once the node is closed, as a database's
// primary or a virtual machine.
func (b *Budget) keptFor(p *Pod) bool {
	return b.Owner != "" && p.Owner != nil && b.Owner == p.Owner.UID
}

// never: it allows no disruption even when every pod is healthy.
func (b *Budget) never() bool { return b.Seen && b.Expected > 0 && b.Desired >= b.Expected }
