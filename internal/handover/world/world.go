// Package world is a cluster as a model: controllers, a scheduler, EndpointSlices
// and the proxies that lag behind them, disruption budgets, Auto Scaling groups
// and load balancers, as far as a hand-over has to do with them. It stands
// behind the interfaces that package handover asks for (Cluster, Scaling,
// Balancers), lets time pass, and knows what must never happen: Broken lists
// what did.
//
// Time is time.Now, so that a test in a testing/synctest bubble lets hours pass
// in milliseconds. New sets a world up and Run lets it live until the context ends.
package world

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/droverhq/drover/internal/handover"
)

// The groups of every world: Old is handed over, New takes its pods.
const (
	Old = "web-2f9a6d1"
	New = "web-7c1e04b"
)

// tick is how finely time passes.
const tick = 500 * time.Millisecond

// usualLag is how far proxies are behind EndpointSlices, if a test does not say.
const usualLag = 2 * time.Second

const zoneLabel = "topology.kubernetes.io/zone"

// App is one workload with a Service of its own and perhaps a budget, in
// namespace apps. Its pods carry the labels app and, if they are a ReplicaSet's,
// pod-template-hash.
type App struct {
	Name      string
	Kind      string // Deployment, ReplicaSet, ReplicationController, StatefulSet, DaemonSet, Job, Rollout, Pod, Cluster …; empty: Deployment
	Replicas  int
	Surge     int           // of its strategy
	Ready     time.Duration // how long a pod takes to become Ready; 0: 1 to 4 s
	Grace     time.Duration // how long a pod takes to end; 0: 3 s
	PreStop   time.Duration // it goes on serving for so long after it was told to end
	Budget    int           // minAvailable; 0: no budget
	Budgets   int           // further budgets of the same kind
	NoService bool
	NodeLocal bool          // internalTrafficPolicy Local
	Local     bool          // externalTrafficPolicy Local behind a load balancer of its own
	Ingress   time.Duration // an ingress controller sends to its pods, so far behind
	Balancer  string        // NLB, ALB …: a load balancer of its own, of that kind
	ByAddress bool          // … that sends to its pods themselves
	Unbound   bool          // … and is found by its host alone: no binding names its target group
	Gated     bool          // … and its pods are Ready only when it does
	Attached  bool          // … whose targets the Auto Scaling groups register themselves; no controller knows it

	Listens       time.Duration // its pods have no probe, and answer only so long after they are Ready
	Crashes       time.Duration // … and pods made after the set-up end so long after that, time and again
	NewNeverReady bool          // pods made after the set-up never become Ready
	Large         bool          // … and no node has room for them
	Leader        bool          // only the oldest pod is Ready
	Tolerates     bool          // its pods may start on cordoned nodes
	SelectsHash   bool          // its Service selects by pod-template-hash
	Rolling       bool          // its rollout never completes
	Paused        bool
	Behind        string        // the app whose Service selects its pods, too; it has none of its own
	Each          bool          // each of its pods has a further Service of its own, by its name
	Group         int           // so many of its pods by their number end together, and start together; 0: each for itself
	Keep          bool          // annotated karpenter.sh/do-not-disrupt
	AcceptGap     bool          // annotated drover.dev/accept-gap
	Work          time.Duration // a Job's: how long its pods run
	Expendable    bool          // annotated drover.dev/expendable
	OnDelete      bool          // its update strategy is OnDelete
	Placed        bool          // its template names the old group, and after RollOut the new one
	BrokenBudget  bool          // its budget cannot be computed
	Host          string        // a load balancer that nobody can ask sends to its Service
	Parallel      bool          // a StatefulSet that makes its pods in any order
	Late          time.Duration // its controller makes the next pod of that name only so long after the last one is gone
	Denies        []string      // calls that a policy refuses: labels, owner, evict, create
	DeniesLate    []string      // the same, and no dry run shows it
	Yields        time.Duration // its operator keeps a budget that allows nothing, and moves a pod itself so long after its node was closed; 0: it does not
	Busy          time.Duration // a webhook answers 429 to evictions for so long, and then ends the pod itself

	apart     bool           // its Service selects none of its pods any more
	rollout   *rollout       // under way, or over; nil: its template was never changed
	start     map[string]int // serving pods by path when the world was set up
	ready     int            // pods that were Ready then
	returned  bool           // pods of it were given back to its ReplicaSet
	evictable time.Time
	missed    map[string]time.Time // names of pods that are gone, and since when
	scaled    bool                 // by hand: its controller ends pods as it likes
}

func (a *App) key() string { return strings.ToLower(a.kind()) + "/apps/" + a.Name }

// kind is its KindName.
func (a *App) kind() string {
	if a.Kind == "" {
		return "Deployment"
	}
	return a.Kind
}

func (a *App) nature() handover.Nature { return a.makes().Nature }

// makes is how the app's controller makes its pods. One of a kind that is not in Kinds is
// an operator's: its pods have names, and it has no scale.
func (a *App) makes() Kind {
	if k, known := Kinds[a.kind()]; known {
		return k
	}
	return Kind{Nature: handover.Operated}
}

// inTurn: its controller makes a pod only once all that come before it are Ready.
func (a *App) inTurn() bool { return a.kind() == "StatefulSet" && !a.Parallel }

func (a *App) daemon() bool { return a.kind() == "DaemonSet" }
func (a *App) bare() bool   { return a.kind() == "Pod" }

// World is a cluster under way.
type World struct {
	// Skew is how far the API server's clock is ahead of the runner's. Stale is
	// how many ticks a view may be old. Faults is one in how many calls fails,
	// before or after it took effect; 0: none.
	Skew   time.Duration
	Stale  int
	Faults int

	// Room is how many pods a node takes besides those of DaemonSets; 0: any. Grow
	// is after how long without room an autoscaler adds a node; 0: never.
	Room int
	Grow time.Duration

	// Idle is after how long an autoscaler ends a node without pods, whatever group
	// it is of, unless it is told to let it be; 0: never.
	Idle time.Duration

	// Deschedules is how often a descheduler looks for pods on cordoned nodes, unless
	// it is turned off; 0: there is none. Timed: a CronJob runs it.
	Deschedules time.Duration
	Timed       bool

	// Lag is how far proxies are behind EndpointSlices.
	Lag time.Duration

	// Closed are node patches that a policy refuses: cordon, exclude, taint; and
	// register, which load balancers do not answer.
	Closed []string
	Told   bool // dry runs say so, too

	mu       sync.Mutex
	seed     uint64
	rng      *rand.Rand
	drawn    map[string]int // how often a number was drawn, by what it was for
	diary    []string
	changing map[string]int // changes that are under way, by what they change
	began    time.Time
	attached map[string]time.Time // apps whose load balancer had no group for a while, and since when it has one
	nodes    map[string]*node
	pods     map[string]*pod
	apps     []*App
	groups   map[string]*handover.Group
	targets  map[string]map[string]*target // load balancer -> instance, or a pod's address
	zones    map[string]map[string]bool    // load balancer -> zones that had targets in service
	out      map[string]map[string]bool    // load balancer -> instances that were taken out by hand
	Draining time.Duration                 // how long load balancers drain
	Fence    bool                          // a hook of Drover's own holds an instance that ends, until it is released
	Hook     time.Duration                 // how long a lifecycle hook holds an instance that ends
	held     map[string]time.Time          // instances that it holds, until when
	awsDown  bool
	apiDown  bool
	watchOff bool            // for good: whoever watches must end
	ill      map[string]bool // names of pods that are never Ready, however often they are made
	records  map[string][]byte
	locks    map[string]handover.Lock
	history  []map[string][]string // by tick: what EndpointSlices hold, Service -> pods
	view     *handover.View
	shown    []map[string]*handover.Pod // the pods of the last ticks, for views that are old
	seen     int                        // which of them the last view showed
	mins     map[string]int             // MinSize by group, at first
	launched map[string]int             // instances that a group ever launched
	inOrder  []*pod                     // the pods, sorted; nil: they are others by now
	serial   int
	given    int // addresses
	checking bool
	broken   []string
	moved    int // evictions
	grown    time.Time
	evictor  *handover.Evictor // what runs the descheduler; nil: nobody has looked for it
	looked   time.Time         // when the descheduler did
	changed  chan struct{}
}

type node struct {
	handover.Node
	deadSince  time.Time
	ended      bool // its instance is terminated
	idleSince  time.Time
	tended     bool // somebody keeps autoscalers off it
	excludedAt time.Time
	admitted   time.Time // since when load balancers may take it up
	closedAt   time.Time // when it was cordoned
}

type pod struct {
	handover.Pod
	app    *App
	ready  time.Time           // becomes Ready
	stuck  bool                // a finalizer keeps it
	repels []handover.Repelled // a sentinel's
	broken bool                // it never becomes Ready again
	up     bool                // its containers are Ready; a readiness gate may not be met
}

type target struct {
	since time.Time // in service
	until time.Time // drained; zero: registered
	sends time.Time // connections come until then, though it was deregistered
}

// Balanced is the load balancer of every world; one with local traffic is named after its app.
const Balanced = "lb"

// NewWorld has old nodes with every pod on them, and as many new ones. It must be
// run by Run; Settle lets it stand for a while first.
func NewWorld(seed uint64, skew time.Duration, nodes int, apps ...*App) *World {
	w := &World{
		Skew: skew, Lag: usualLag, seed: seed, drawn: map[string]int{}, changing: map[string]int{}, rng: rand.New(rand.NewPCG(seed, 1)), began: time.Now(), attached: map[string]time.Time{}, nodes: map[string]*node{}, pods: map[string]*pod{}, held: map[string]time.Time{}, ill: map[string]bool{}, apps: apps,
		groups: map[string]*handover.Group{}, targets: map[string]map[string]*target{Balanced: {}}, out: map[string]map[string]bool{}, Draining: 20 * time.Second,
		records: map[string][]byte{}, locks: map[string]handover.Lock{}, view: handover.NewView(), changed: make(chan struct{}, 1), mins: map[string]int{Old: nodes, New: nodes}, launched: map[string]int{},
	}
	for _, name := range []string{Old, New} {
		w.groups[name] = &handover.Group{Name: name, Min: nodes, Tags: map[string]string{}}
		for range nodes {
			n := w.launch(name)
			if n.Cordoned = name == New; name == Old {
				n.ReadySince, n.admitted = w.began.Add(-time.Hour), w.began.Add(-time.Hour)
			}
			w.targets[Balanced][n.Instance] = &target{}
		}
	}
	for _, a := range apps {
		if a.own() {
			w.targets[a.Name] = map[string]*target{}
		}
		for _, g := range w.groups {
			if a.Attached {
				g.Attached, g.Judged = append(g.Attached, "arn:"+a.Name), true
			}
		}
	}
	return w
}

// launch adds a node to a group.
func (w *World) launch(group string) *node {
	g := w.groups[group]
	i := w.launched[group]
	w.launched[group]++
	n := &node{Node: handover.Node{
		Name: fmt.Sprintf("%s-%02d", group[:5], i), Group: group, Instance: fmt.Sprintf("i-%s%02d", group[4:], i), Created: w.began.Add(-time.Hour),
		Ready: true, ReadySince: w.now(), Initialized: true,
	}}
	n.admitted = n.ReadySince
	w.nodes[n.Name] = n
	g.Desired++
	g.Instances = append(g.Instances, handover.Instance{ID: n.Instance, Lifecycle: "InService"})
	return n
}

// Spread puts the nodes of each group into as many zones, one after the other.
func (w *World) Spread(zones int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, g := range w.groups {
		for i, in := range g.Instances {
			for _, n := range w.nodes {
				if n.Instance == in.ID {
					n.Labels = map[string]string{zoneLabel: "us-west-2" + string(rune('a'+i%zones))}
				}
			}
		}
	}
}

// Settle lets the world stand for a while, opens the new nodes, and from then on
// looks out for what must never happen.
func (w *World) Settle(d time.Duration) {
	for range int(d / tick) {
		time.Sleep(tick)
		w.step()
	}
	w.mu.Lock()
	for _, n := range w.nodes {
		n.Cordoned = false
	}
	w.compare()
	w.checking = true
	w.mu.Unlock()
}

// compare takes the world as it is now for the one that must not get worse.
func (w *World) compare() {
	for _, a := range w.apps {
		a.start, a.ready = w.serving(a), w.readyPods(a)
	}
	w.zones = map[string]map[string]bool{}
	for _, a := range w.apps {
		if a.kindOfBalancer().Zonal {
			w.zones[a.Name] = w.zonesOf(a)
		}
	}
}

// zonesOf are those in which the app's load balancer has a target in service.
func (w *World) zonesOf(a *App) map[string]bool {
	in := map[string]bool{}
	for id := range w.targets[a.Name] {
		if zone := w.zoneOf(id); zone != "" && w.healthy(a.Name, id) {
			in[zone] = true
		}
	}
	return in
}

func (w *World) zoneOf(id string) string {
	for _, n := range w.nodes {
		if n.Instance == id {
			return n.Labels[zoneLabel]
		}
	}
	for _, p := range w.pods {
		if n := w.nodes[p.Node]; p.Address == id && n != nil {
			return n.Labels[zoneLabel]
		}
	}
	return ""
}

func (w *World) readyPods(a *App) int {
	n := 0
	for _, p := range w.pods {
		if p.app == a && p.Ready && !p.Deleting {
			n++
		}
	}
	return n
}

// Run lets time pass until ctx ends.
func (w *World) Run(ctx context.Context) {
	time.Sleep(7 * time.Millisecond)
	for ctx.Err() == nil {
		time.Sleep(tick + w.offbeat())
		w.step()
	}
}

// offbeat is how much later than the last one a tick comes: so little that it
// changes nothing, and so odd that no turn of a mover, which may have been woken
// by a tick, falls together with another.
func (w *World) offbeat() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Duration(1 + w.draw("tick", "")%1000)
}

// Broken is what must never happen, and did.
func (w *World) Broken() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.broken)
}

// With changes the world by hand.
func (w *World) With(change func(*Hand)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&Hand{w})
}

func (w *World) now() time.Time { return time.Now().Add(w.Skew) }

// step is one tick: every controller does its part once.
func (w *World) step() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bury()
	w.notice()
	for _, a := range w.apps {
		w.replicate(a)
	}
	for _, p := range w.sorted() {
		w.live(p)
	}
	w.grow()
	w.shrink()
	w.deschedule()
	w.endpoints()
	w.balance()
	w.judge()
	w.snap()
	w.check()
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// sorted is all pods in one order, for a world that goes the same way twice.
func (w *World) sorted() []*pod {
	if w.inOrder == nil {
		w.inOrder = slices.SortedFunc(maps.Values(w.pods), func(a, b *pod) int { return strings.Compare(a.UID, b.UID) })
	}
	return w.inOrder
}

func (w *World) put(p *pod) { w.pods[p.UID], w.inOrder = p, nil }

func (w *World) remove(uid string) {
	delete(w.pods, uid)
	w.inOrder = nil
}

// bury removes pods whose time is over, unless their kubelet is silent.
func (w *World) bury() {
	for uid, p := range w.pods {
		n := w.nodes[p.Node]
		switch {
		case p.Node != "" && n == nil:
			w.remove(uid) // the pod garbage collector
		case p.stuck || n != nil && !n.deadSince.IsZero():
		case p.Deleting && !w.now().Before(p.Told.Add(w.takes(p))):
			w.remove(uid)
		}
	}
}

// notice is the node controller: after 40 s it knows that a kubelet is silent, and
// then asks whether the instance is there yet.
func (w *World) notice() {
	for _, n := range w.nodes {
		if n.Ready && !n.deadSince.IsZero() && w.now().Sub(n.deadSince) >= 40*time.Second {
			n.Ready, n.ReadySince = false, w.now()
		}
		if n.ended && !n.Ready && w.now().Sub(n.ReadySince) >= 5*time.Second {
			delete(w.nodes, n.Name) // the cloud's node controller
		}
	}
}

func (w *World) takes(p *pod) time.Duration {
	if p.app.Grace > 0 {
		return p.app.Grace + p.app.PreStop
	}
	return 3*time.Second + p.app.PreStop
}

// replicate is the controller of an app.
func (w *World) replicate(a *App) {
	switch {
	case a.daemon():
		w.daemons(a)
		return
	case (a.bare() || a.nature() == handover.Runs) && w.checking:
		return // its pods were made once
	}
	var mine, names []*pod
	for _, p := range w.sorted() {
		if p.app != a || p.Finished {
			continue
		}
		names = append(names, p)
		w.claim(p)
		if !p.Deleting && p.Workload != "" && !w.elsewhere(p) {
			mine = append(mine, p)
		}
	}
	if a.Group > 0 {
		w.regroup(a, names)
		return
	}
	if a.makes().Ordinals || a.nature() == handover.Operated && !a.bare() {
		w.yield(a, mine)
		w.number(a, names)
		return
	}
	if a.bare() {
		mine = names
	}
	if a.rollout != nil {
		w.roll(a, mine)
		return
	}
	w.scale(a, hashes[0], mine, a.Replicas)
}

// number makes the pods whose names nobody has. A StatefulSet makes none while one
// that comes before it is not Ready (podManagementPolicy OrderedReady).
func (w *World) number(a *App, there []*pod) {
	for i := range a.Replicas {
		name := fmt.Sprintf("%s-%d", a.Name, i)
		at := slices.IndexFunc(there, func(p *pod) bool { return p.Name == name })
		if at < 0 && w.noticed(a, name) {
			w.spawn(a, name)
		}
		if a.inTurn() && w.checking && (at < 0 || !there[at].Ready || there[at].Deleting) {
			return
		}
	}
}

// regroup makes groups of pods whose pods are all gone, and ends what is left of one
// whose pod ended.
func (w *World) regroup(a *App, there []*pod) {
	for first := 0; first < a.Replicas; first += a.Group {
		var names []string
		for i := range a.Group {
			names = append(names, fmt.Sprintf("%s-%d", a.Name, first+i))
		}
		group := slices.DeleteFunc(slices.Clone(there), func(p *pod) bool { return !slices.Contains(names, p.Name) })
		switch ends := slices.ContainsFunc(group, func(p *pod) bool { return p.Deleting }); {
		case len(group) == 0:
			for _, name := range names {
				w.spawn(a, name)
			}
		case ends || len(group) < a.Group:
			for _, p := range group {
				w.tell(p)
			}
		}
	}
}

// yield is an operator that moves its pods off closed nodes by itself, each once
// all are there.
func (w *World) yield(a *App, mine []*pod) {
	if a.Yields == 0 || len(mine) < a.Replicas || slices.ContainsFunc(mine, func(p *pod) bool { return !p.Ready }) {
		return
	}
	for _, p := range mine {
		if n := w.nodes[p.Node]; n != nil && n.Cordoned && w.now().Sub(n.closedAt) >= a.Yields {
			w.tell(p)
			return
		}
	}
}

// scale is a ReplicaSet, or a CloneSet: it makes pods that are missing and ends those that are too many.
func (w *World) scale(a *App, hash string, mine []*pod, replicas int) {
	for range replicas - len(mine) {
		w.serial++
		w.spawn(a, fmt.Sprintf("%s-%d", a.Name, w.serial)).of(hash)
	}
	slices.SortStableFunc(mine, func(p, q *pod) int {
		return cmp.Or(rank(p)-rank(q), q.ReadySince.Compare(p.ReadySince))
	})
	for _, p := range mine[:max(0, len(mine)-replicas)] {
		w.tell(p)
	}
}

// noticed: the app's controller has seen by now that the pod is gone.
func (w *World) noticed(a *App, name string) bool {
	since, known := a.missed[name]
	switch {
	case !w.checking:
		return true
	case !known:
		if a.missed == nil {
			a.missed = map[string]time.Time{}
		}
		a.missed[name] = w.now()
		return a.Late == 0
	case w.now().Sub(since) < a.Late:
		return false
	}
	delete(a.missed, name)
	return true
}

// daemons has one pod of a DaemonSet on each node that is not tainted. One whose
// label was taken away is no longer its own; one that got it back is adopted.
func (w *World) daemons(a *App) {
	on := map[string]bool{}
	for _, p := range w.sorted() {
		if p.app != a || p.Deleting {
			continue
		}
		if p.Labels["app"] != a.Name {
			p.Workload, p.Owner, p.Daemon = "", nil, false
			continue
		}
		p.Workload, p.Daemon = a.key(), true
		p.Owner = &handover.Owner{API: "apps/v1", Kind: "DaemonSet", Name: a.Name, UID: a.Name}
		if on[p.Node] {
			w.tell(p)
		}
		on[p.Node] = true
	}
	for _, name := range slices.Sorted(maps.Keys(w.nodes)) {
		if !on[name] && !w.nodes[name].Leaving {
			w.serial++
			p := w.spawn(a, fmt.Sprintf("%s-%d", a.Name, w.serial))
			p.Node, p.ready = name, w.now().Add(2*time.Second)
		}
	}
}

// rank is a ReplicaSet's: what goes first is not scheduled, not Ready, cheap, young.
func rank(p *pod) int {
	r := 0
	if p.Node != "" {
		r += 1000
	}
	if p.Ready {
		r += 500
	}
	if p.Cost != nil {
		cost, err := strconv.Atoi(*p.Cost)
		if err != nil {
			panic(err)
		}
		r += 100 * cmp.Compare(cost, 0)
	}
	return r
}

// elsewhere: another object controls the pod, so its ReplicaSet passes it over.
func (w *World) elsewhere(p *pod) bool {
	return p.Owner != nil && p.Owner.Kind != "ReplicaSet" && p.app.nature() == handover.Replicated && p.app.kind() != "ReplicationController"
}

// claim adopts pods that fit and lets go of those that do not.
func (w *World) claim(p *pod) {
	a := p.app
	switch {
	case a.bare():
		return
	case a.nature() != handover.Replicated:
		p.Workload = a.key()
		return
	}
	fits := p.Labels["app"] == a.Name && (!a.hashed() || slices.Contains(hashes, p.Labels["pod-template-hash"]))
	switch {
	case w.elsewhere(p):
		p.Workload = a.key()
	case fits:
		p.Workload, p.Owner = a.key(), set(a, p.Labels["pod-template-hash"])
	default:
		p.Workload, p.Owner = "", nil
	}
}

// hashed: its ReplicaSet selects by pod-template-hash too.
func (a *App) hashed() bool {
	return a.nature() == handover.Replicated && a.kind() != "ReplicationController"
}

// set is the controller of an app's pods of a template.
func set(a *App, hash string) *handover.Owner {
	switch a.kind() {
	case "ReplicationController":
		return &handover.Owner{API: "v1", Kind: a.kind(), Name: a.Name, UID: a.Name}
	case "ReplicaSet":
		return &handover.Owner{API: "apps/v1", Kind: a.kind(), Name: a.Name, UID: a.Name}
	}
	return &handover.Owner{API: "apps/v1", Kind: "ReplicaSet", Name: a.Name + "-" + hash, UID: a.Name + "-" + hash}
}

func (w *World) spawn(a *App, name string) *pod {
	w.serial++
	p := &pod{app: a, Pod: handover.Pod{
		Ref:      handover.Ref{Namespace: "apps", Name: name, UID: fmt.Sprintf("uid-%04d", w.serial)},
		Workload: a.key(), Labels: map[string]string{"app": a.Name}, Created: w.now(), ReadySince: w.now(), Grace: max(30*time.Second, a.Grace),
		Probe: a.Listens+a.Crashes == 0, Tolerates: a.Tolerates, AcceptGap: a.AcceptGap, PreStop: a.PreStop > 0, PreStopTime: a.PreStop, LongestHook: a.PreStop,
	}}
	if a.Budgets > 0 {
		p.Labels["tier"] = "front"
	}
	if a.Keep {
		p.DoNotDisrupt = "karpenter.sh/do-not-disrupt"
	}
	p.Expendable, p.Daemon = a.Expendable, a.daemon()
	if a.bare() {
		p.Workload = ""
	}
	switch {
	case a.nature() == handover.Replicated:
		p.Owner = set(a, hashes[0])
	case a.Yields > 0:
		p.Owner = &handover.Owner{API: "example.com/v1", Kind: a.kind(), Name: a.Name, UID: a.Name}
	}
	if a.hashed() {
		p.of(hashes[0])
		if !a.SelectsHash {
			p.Handle = "pod-template-hash"
		}
	}
	w.put(p)
	return p
}

// tell is a pod's SIGTERM.
func (w *World) tell(p *pod) {
	if !p.Deleting {
		p.Deleting, p.Told = true, w.now()
		p.GoneBy = w.now().Add(max(30*time.Second, p.app.Grace))
	}
}

// live schedules a pod and lets it become Ready.
func (w *World) live(p *pod) {
	if p.Node == "" && !w.schedule(p) {
		return
	}
	if n := w.nodes[p.Node]; n == nil || !n.deadSince.IsZero() {
		if n != nil && p.Ready && !n.Ready {
			p.Ready, p.ReadySince = false, w.now()
		}
		return
	}
	bad := p.broken || w.ill[p.Name] || p.app.NewNeverReady && w.later(p) ||
		p.app.Leader && !w.leads(p)
	if p.app.Work > 0 && !p.Finished && w.now().Sub(p.Created) > p.app.Work {
		p.Finished, p.Ready = true, false
	}
	if p.app.Crashes > 0 && w.later(p) && p.Ready && w.now().Sub(p.ReadySince) >= p.app.Crashes {
		p.Ready, p.ReadySince, p.ready, p.Trouble = false, w.now(), w.now().Add(20*time.Second), "CrashLoopBackOff: back-off restarting failed container"
	}
	p.up = !bad && !w.now().Before(p.ready)
	switch {
	case p.Deleting || p.Finished:
	case bad && p.Ready:
		p.Ready, p.ReadySince = false, w.now()
	case bad && p.app.NewNeverReady:
		p.Trouble = "ImagePullBackOff: Back-off pulling image"
	case p.app.Gated && !w.healthy(p.app.Name, p.Address):
		p.Gates = []string{"target-health.elbv2.k8s.aws/" + p.app.Name}
	case !bad && !p.Ready && !w.now().Before(p.ready):
		p.Gates = nil
		p.Ready, p.ReadySince = true, w.now()
	}
}

// answers: the pod is Ready, and what runs in it listens.
func (w *World) answers(p *pod) bool { return p.Ready && w.now().Sub(p.ReadySince) >= p.app.Listens }

// leads: it is the oldest pod of its app that is not ending.
func (w *World) leads(p *pod) bool {
	for _, q := range w.sorted() {
		if q.app == p.app && !q.Deleting && q.Node != "" {
			return q == p
		}
	}
	return false
}

func (w *World) schedule(p *pod) bool {
	var open []string
	full := 0
	for _, n := range w.nodes {
		switch {
		case p.Group != "" && p.Group != n.Group:
		case !n.Ready || !n.deadSince.IsZero() || n.Cordoned && !p.Tolerates || w.repelled(p, n.Name):
		case w.Room > 0 && w.holds(n.Name) >= w.Room, p.app.Large && w.later(p):
			full++
		default:
			open = append(open, n.Name)
		}
	}
	if len(open) == 0 {
		p.Trouble, p.Crowded = "Unschedulable: 0 nodes are available", full > 0
		if full > 0 {
			p.Trouble += fmt.Sprintf(": %d Insufficient cpu", full)
		}
		return false
	}
	open = w.spreading(p, open)
	p.Node, p.Trouble, p.Crowded = open[w.rng.IntN(len(open))], "", false
	w.given++
	p.Address = fmt.Sprintf("10.0.%d.%d", w.given/256, w.given%256)
	takes := p.app.Ready
	if takes == 0 {
		takes = time.Duration(1+w.rng.IntN(4)) * time.Second
	}
	p.ready = w.now().Add(takes)
	return true
}

// later: the pod was made after the set-up.
func (w *World) later(p *pod) bool { return p.Created.After(w.began.Add(w.Skew).Add(20 * time.Second)) }

// spreading are the nodes in the zones with the fewest pods of the app, as the
// scheduler's own default constraints prefer them.
func (w *World) spreading(p *pod, open []string) []string {
	slices.Sort(open)
	in := map[string]int{}
	for _, q := range w.pods {
		if n := w.nodes[q.Node]; q.app == p.app && n != nil {
			in[n.Labels[zoneLabel]]++
		}
	}
	least := slices.MinFunc(open, func(a, b string) int {
		return cmp.Compare(in[w.nodes[a].Labels[zoneLabel]], in[w.nodes[b].Labels[zoneLabel]])
	})
	return slices.DeleteFunc(open, func(name string) bool {
		return in[w.nodes[name].Labels[zoneLabel]] > in[w.nodes[least].Labels[zoneLabel]]
	})
}

// holds counts the pods on a node that take room.
func (w *World) holds(name string) int {
	n := 0
	for _, p := range w.pods {
		if p.Node == name && !p.Finished && !p.Sentinel && !p.app.daemon() {
			n++
		}
	}
	return n
}

// shrink is the autoscaler, too: it ends nodes on which nothing runs.
func (w *World) shrink() {
	for _, name := range slices.Sorted(maps.Keys(w.nodes)) {
		n := w.nodes[name]
		letBe := slices.ContainsFunc(handover.Calming, func(key string) bool { return n.Calm[key] == "true" })
		switch {
		case w.Idle == 0 || letBe || w.holds(name) > 0:
			n.idleSince = time.Time{}
		case n.idleSince.IsZero():
			n.idleSince = w.now()
		case w.now().Sub(n.idleSince) >= w.Idle:
			w.fail("the autoscaler ended node %s, which a move rests on", name)
			delete(w.nodes, name)
		}
	}
}

// grow is the autoscaler: it adds a node when a pod has found no room for a while.
func (w *World) grow() {
	g := w.groups[New]
	if w.Grow == 0 || g == nil || len(g.Instances) >= 2*w.mins[New] {
		return
	}
	for _, p := range w.sorted() {
		if p.Crowded && !p.Deleting && w.now().Sub(p.Created) >= w.Grow && w.now().Sub(w.grown) >= w.Grow {
			w.grown = w.now()
			w.launch(New)
		}
	}
}

// repelled: a sentinel that keeps the pod off stands on the node.
func (w *World) repelled(p *pod, name string) bool {
	whom := func(r handover.Repelled) bool {
		has := func(key string) bool { return p.Labels[key] == r.Labels[key] }
		return p.Namespace == r.Namespace && !slices.ContainsFunc(slices.Collect(maps.Keys(r.Labels)), func(key string) bool { return !has(key) })
	}
	return slices.ContainsFunc(w.sorted(), func(q *pod) bool { return q.Sentinel && q.Node == name && slices.ContainsFunc(q.repels, whom) })
}

// selects: the app's Service selects the pod.
func (p *pod) selects() bool {
	a := p.app
	return !a.NoService && !a.apart && !p.Sentinel && p.Labels["app"] == a.Name && (!a.SelectsHash || slices.Contains(hashes, p.Labels["pod-template-hash"]))
}

// endpoints is the endpoint controller; the proxies come later.
func (w *World) endpoints() {
	now := map[string][]string{}
	for _, p := range w.sorted() {
		p.Paths, p.Doors, p.Budgets, p.Veils = nil, nil, nil, nil
		if p.selects() && !p.Finished {
			x := handover.Path{Service: cmp.Or(p.app.Behind, p.app.Name), Selected: true}
			if !p.Deleting {
				x.Listed, x.Ready = p.Node != "", p.Ready
			}
			if x.Ready {
				now[x.Service] = append(now[x.Service], p.UID)
			}
			p.Paths, p.Doors = []handover.Path{x}, []string{"app"}
			if p.app.Each {
				x.Service, x.Own = p.Name, true
				p.Paths = append(p.Paths, x)
			}
			if p.app.SelectsHash {
				p.Doors = []string{"pod-template-hash"}
			}
		}
		if p.app.Budget > 0 && p.Labels["app"] != "" {
			p.Budgets = append(p.Budgets, p.app.Name+"-0")
		}
		for i := range p.app.Budgets {
			if p.Labels["tier"] != "" {
				p.Budgets = append(p.Budgets, fmt.Sprintf("%s-%d", p.app.Name, i+1))
				p.Veils = []string{"tier"}
			}
		}
	}
	w.history = append(w.history, now)
}

// sentTo is what consumers of a Service send to now.
func (w *World) sentTo(a *App) []string {
	behind := int((w.Lag + a.Ingress) / tick)
	return w.history[max(0, len(w.history)-1-behind)][a.Name]
}

// balance is the service controller and the load balancers.
func (w *World) balance() {
	for lb, targets := range w.targets {
		a := w.owner(lb)
		if a.ByAddress {
			w.balancePods(a, targets)
			continue
		}
		for _, n := range w.nodes {
			if n.Instance == "" {
				continue
			}
			w.register(a, targets, n.Instance, w.belongsIn(a, n))
			if t := targets[n.Instance]; t != nil && t.until.IsZero() && (a.Local && !w.hasLocal(a, n.Name) || a.apart) {
				t.since = w.now().Add(3 * time.Second) // its health check fails
			}
		}
		for id, t := range targets {
			if t.over(w.now()) || w.instanceGone(id) {
				delete(targets, id)
			}
		}
	}
}

// belongsIn: who registers nodes with the load balancer wants that one in it.
func (w *World) belongsIn(a *App, n *node) bool {
	if !a.Attached {
		return n.Exclude == nil
	}
	g := w.groups[n.Group]
	return g != nil && slices.Contains(g.Attached, "arn:"+a.Name) && !w.out[a.Name][n.Instance]
}

// judge is the health check of Auto Scaling groups that go by load balancers.
func (w *World) judge() {
	for _, name := range slices.Sorted(maps.Keys(w.groups)) {
		g := w.groups[name]
		if !g.Judged || slices.Contains(g.Suspended, "HealthCheck") {
			continue
		}
		for _, i := range g.Instances {
			for _, lb := range slices.Sorted(maps.Keys(w.out)) {
				if w.out[lb][i.ID] {
					w.fail("group %s ends instance %s, which load balancer %s does not know", name, i.ID, lb)
				}
			}
		}
	}
}

// balancePods is the controller that keeps pods' addresses in a target group.
func (w *World) balancePods(a *App, targets map[string]*target) {
	for _, p := range w.pods {
		if p.app == a && p.Address != "" {
			w.register(a, targets, p.Address, p.selects() && !p.Deleting && p.up)
		}
	}
	for id, t := range targets {
		if t.over(w.now()) {
			delete(targets, id)
		}
	}
}

// register puts a target into a load balancer, or takes it out.
func (w *World) register(a *App, targets map[string]*target, id string, in bool) {
	t := targets[id]
	switch {
	case !in && t != nil && t.until.IsZero():
		t.until, t.sends = w.now().Add(w.Draining), w.now().Add(a.kindOfBalancer().Sends)
	case in && (t == nil || t.gone(w.now())):
		targets[id] = &target{since: w.now().Add(a.kindOfBalancer().Starts)}
	case in && !t.until.IsZero():
		t.until, t.sends = time.Time{}, time.Time{}
	}
}

// gone: no load balancer lists it any more. Over: nothing comes any more either.
func (t *target) gone(now time.Time) bool { return !t.until.IsZero() && !now.Before(t.until) }
func (t *target) over(now time.Time) bool { return t.gone(now) && !now.Before(t.sends) }

// owner is the app whose load balancer it is; the one of every world is nobody's.
func (w *World) owner(lb string) *App {
	for _, a := range w.apps {
		if a.Name == lb {
			return a
		}
	}
	return &App{}
}

func (w *World) instanceGone(id string) bool {
	for _, n := range w.nodes {
		if n.Instance == id && !n.ended {
			return false
		}
	}
	return true
}

func (w *World) hasLocal(a *App, node string) bool {
	return slices.ContainsFunc(w.sentTo(a), func(uid string) bool { p := w.pods[uid]; return p != nil && p.Node == node })
}

// serving counts the pods that requests reach now, by path: "service".
func (w *World) serving(a *App) map[string]int {
	n := map[string]int{}
	if a.ByAddress {
		for _, p := range w.pods {
			if p.app == a && p.Ready && !p.Deleting && w.healthy(a.Name, p.Address) {
				n[a.Name]++
			}
		}
		return n
	}
	for _, uid := range w.sentTo(a) {
		p := w.pods[uid]
		if p == nil || !w.answers(p) || p.Deleting && !w.preStopping(p) {
			continue
		}
		if a.Local && !w.inService(a.Name, p.Node) {
			continue
		}
		n[a.Name]++
	}
	return n
}

func (w *World) preStopping(p *pod) bool { return w.now().Before(p.Told.Add(p.app.PreStop)) }

func (w *World) inService(lb, name string) bool {
	n := w.nodes[name]
	if n == nil {
		return false
	}
	return w.healthy(lb, n.Instance)
}

func (w *World) healthy(lb, id string) bool {
	t := w.targets[lb][id]
	return t != nil && t.until.IsZero() && !w.now().Before(t.since)
}

func (w *World) anyHealthy(lb string) bool {
	for id := range w.targets[lb] {
		if w.healthy(lb, id) {
			return true
		}
	}
	return false
}

// check says what must never happen.
func (w *World) check() {
	if !w.checking {
		return
	}
	for _, a := range w.apps {
		if a.daemon() || a.bare() {
			// Of these is looked at when their nodes end.
			continue
		}
		for _, uid := range w.sentTo(a) {
			if p := w.pods[uid]; p != nil && p.Deleting && !w.silent(p) && !w.preStopping(p) && a.nature() == handover.Replicated && p.app.Surge > 0 && !p.broken && a.Crashes == 0 && !a.scaled && !a.AcceptGap && !w.trapped(p) {
				w.fail("pod %s ended while proxies sent to it", p.Name)
			}
		}
		w.checkLost(a)
		w.checkBalancer(a)
		floor := min(w.replicas(a), a.start[a.Name]) - w.lost(a) - w.mayLack(a)
		if n := w.serving(a)[a.Name]; !a.NoService && !a.apart && n < floor && !a.AcceptGap && !a.scaled && (!a.Local || !a.returned) {
			w.fail("%s: %d pods serve, at least %d must", a.Name, n, floor)
		}
		if a.nature() == handover.Ordered || a.nature() == handover.Operated {
			if n, most := w.readyPods(a), min(a.Replicas, a.ready)-w.lost(a); n < most-max(1, a.Group) {
				w.fail("%s: %d pods are Ready, and %d were: it may lose one at a time, or one group", a.Name, n, most)
			}
		}
		w.checkSurge(a)
	}
}

// sharers are the apps whose pods stand behind the app's Service besides its own.
func (w *World) sharers(a *App) []*App {
	return slices.DeleteFunc(slices.Clone(w.apps), func(b *App) bool { return b.Behind != a.Name })
}

// replicas counts the pods that are to stand behind the app's Service.
func (w *World) replicas(a *App) int {
	n := a.Replicas
	for _, b := range w.sharers(a) {
		n += b.Replicas
	}
	return n
}

// mayLack is how many of them may be gone at a time: one of the app's own, if those go
// before others come, and one of all that share its Service.
func (w *World) mayLack(a *App) int {
	n := 0
	if a.goesFirst() {
		n += max(1, a.Group)
	}
	if slices.ContainsFunc(w.sharers(a), (*App).goesFirst) {
		n++
	}
	return n
}

// goesFirst: a pod of it goes before its replacement comes.
func (a *App) goesFirst() bool {
	return a.nature() != handover.Replicated || a.Surge == 0 || a.kind() == "ReplicationController"
}

// lossTime is how long requests may be sent to a pod whose instance has ended: a
// budget may refuse its eviction for a while, and proxies follow later.
const lossTime = 10 * time.Second

// checkLost says how long a move that is told of an instance's end may let requests
// run into nothing there.
func (w *World) checkLost(a *App) {
	if a.Surge == 0 || a.nature() != handover.Replicated || w.awsDown || w.apiDown {
		return
	}
	for _, uid := range w.sentTo(a) {
		p := w.pods[uid]
		if p == nil || !w.silent(p) {
			continue
		}
		if n := w.nodes[p.Node]; n.ended && w.now().Sub(n.deadSince) >= lossTime {
			w.fail("requests to pod %s are lost: the instance of its node %s ended %s ago", p.Name, p.Node, w.now().Sub(n.deadSince))
		}
	}
}

// silent: its node is dead, and nothing runs there.
func (w *World) silent(p *pod) bool {
	n := w.nodes[p.Node]
	return n != nil && !n.deadSince.IsZero()
}

// checkSurge says what a workload's strategy allows: no more than maxSurge beyond
// what it wants, and as many again that have left its Service and wait for their end.
func (w *World) checkSurge(a *App) {
	if a.nature() != handover.Replicated || a.scaled {
		return
	}
	inside, left := w.running(a)
	if most := a.most(); inside > most || inside+left > most+a.Surge {
		w.fail("%s: %d pods run and %d more have left its Service; it wants %d, and %d more at the most", a.Name, inside, left, a.Replicas, most-a.Replicas)
	}
}

// trapped: its ReplicaSet ended it, because one that had been released had to go
// back beside a replacement that serves. There is no better way where a policy
// that no dry run showed keeps the released one in its Services, or where a load
// balancer sends to its node for its sake and cannot let go of the node.
func (w *World) trapped(p *pod) bool {
	return !p.Evicted && (slices.Contains(p.app.DeniesLate, "labels") || p.app.Local && p.app.returned)
}

// registers: Auto Scaling groups have registered nodes with the app's load balancer for
// long enough that some are in service.
func (w *World) registers(a *App) bool {
	since := w.began
	if at, late := w.attached[a.Name]; late {
		since = at
	}
	some := false
	for _, g := range w.groups {
		some = some || slices.Contains(g.Attached, "arn:"+a.Name)
	}
	return some && time.Since(since) > 2*time.Minute
}

// checkBalancer says what must never happen to what an app's own load balancer
// sends to.
func (w *World) checkBalancer(a *App) {
	in := w.zonesOf(a)
	gap := a.Local && (a.AcceptGap || a.returned) // its only pod may be away, or its ReplicaSet ended the one that served
	if a.Attached && w.registers(a) && !w.anyHealthy(a.Name) && !w.lostNode() && !gap {
		w.fail("load balancer %s has no target in service", a.Name)
	}
	for zone := range w.zones[a.Name] {
		if !in[zone] {
			w.fail("load balancer %s has no target in zone %s", a.Name, zone)
		}
	}
	for _, p := range w.pods {
		if t := w.targets[a.Name][p.Address]; a.ByAddress && p.app == a && t != nil && !w.now().Before(t.since) && p.Ready && p.Deleting && !w.preStopping(p) && a.Surge > 0 && !p.broken && !a.scaled && !a.AcceptGap && !w.trapped(p) {
			w.fail("pod %s ended while load balancer %s sent to it", p.Name, a.Name)
		}
	}
}

// lostNode: a node died, which nobody foresaw; its targets went with it.
func (w *World) lostNode() bool {
	for _, n := range w.nodes {
		if !n.deadSince.IsZero() {
			return true
		}
	}
	return false
}

// lost counts the pods that a node took with it.
func (w *World) lost(a *App) int {
	n := 0
	for _, p := range w.pods {
		if (p.app == a || p.app.Behind == a.Name) && w.silent(p) {
			n++
		}
	}
	return n
}

// running counts the pods that are not told to end: those that have always been in
// its Service, and those that have left it, though they may be back there: their
// ReplicaSet has yet to end as many.
func (w *World) running(a *App) (inside, left int) {
	for _, p := range w.pods {
		switch {
		case p.app != a || p.Deleting || p.Finished:
		case (a.NoService || p.selects()) && !p.hasLeft():
			inside++
		default:
			left++
		}
	}
	return inside, left
}

// hasLeft: a move took the pod out of its Services, or has given it back.
func (p *pod) hasLeft() bool {
	var r handover.Release
	return json.Unmarshal([]byte(p.Released), &r) == nil && (r.Back || len(r.Services) > 0)
}

func (w *World) fail(format string, args ...any) {
	if len(w.broken) < 20 {
		w.broken = append(w.broken, fmt.Sprintf("%s: ", time.Since(w.began))+fmt.Sprintf(format, args...))
	}
}
