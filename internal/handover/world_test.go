package handover

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
)

// world is a cluster, its Auto Scaling groups and one Classic load balancer as
// a model: ReplicaSets, the scheduler, EndpointSlices with proxies that lag
// behind them, disruption budgets, draining. It is what the hand-over acts on
// through its interfaces, and it knows what must never happen.
type world struct {
	began time.Time
	now   time.Time
	live  bool
	nodes []*simNode
	pods  []*simPod
	apps  []*app
	from  Group
	to    Group
	rng   *rand.Rand

	// What the load balancer does with an instance: until when it is not yet
	// InService, or until when it drains.
	targets  map[string]*simTarget
	draining time.Duration
	ended    map[string]bool // terminated instances

	wanted  []map[string][]string // by step: what EndpointSlices should hold
	late    int                   // steps that EndpointSlices are behind
	proxies []map[string][]string // by step, newest last: what every proxy sends a Service's requests to
	stale   int                   // snapshots may be this many steps old
	seen    []Snapshot            // newest last
	shown   int                   // index of the last one given out
	gone    bool                  // the group that is handed over was deleted
	down    atomic.Bool           // the API server cannot be reached
	faults  bool                  // calls fail, before or after they took effect
	broken  []string              // what must never happen, and did
	serial  int
}

type simNode struct{ Node }

type simPod struct {
	Pod
	app   *app
	owned bool
	start time.Time // becomes Ready
}

type simTarget struct {
	since time.Time // InService
	until time.Time // drained; zero: registered
}

// app is a workload with a Service and perhaps a disruption budget. Its pods
// carry the labels app and, for Deployments, pod-template-hash.
type app struct {
	Workload
	before int    // replicas when the world was set up
	budget int    // minAvailable; 0: none
	bad    bool   // new pods never become Ready
	lure   string // the node where its new pods land, if that is open
	spent  bool   // its disruption budget allows nothing
}

// lag is how many steps proxies are behind EndpointSlices: with steps of 500 ms, 2 s.
const lag = 4

var epoch = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// setUp is how long a world has run when a test gets it.
const setUp = 41 * time.Second

// newWorld has old nodes with every pod on them, and as many new ones.
func newWorld(seed uint64, nodes int, apps ...*app) *world {
	return worldAt(epoch, seed, nodes, apps...)
}

// liveWorld steps by itself whenever it is looked at, as time passes.
func liveWorld(nodes int, apps ...*app) *world {
	w := worldAt(time.Now().Add(-setUp), 1, nodes, apps...)
	w.live = true
	return w
}

func worldAt(began time.Time, seed uint64, nodes int, apps ...*app) *world {
	w := &world{
		began: began, now: began, apps: apps, rng: rand.New(rand.NewPCG(seed, 1)), targets: map[string]*simTarget{}, ended: map[string]bool{},
		draining: 20 * time.Second,
		from:     Group{Name: "web-2f9a6d1", Min: nodes, Max: 10, Desired: nodes, Tags: map[string]string{}},
		to:       Group{Name: "web-7c1e04b", Min: nodes, Max: 10, Desired: nodes, Tags: map[string]string{}},
	}
	for _, g := range []*Group{&w.from, &w.to} {
		for i := range nodes {
			n := &simNode{Node{
				Name: fmt.Sprintf("%s-%d", g.Name[:5], i), Group: g.Name, Instance: fmt.Sprintf("i-%s%d", g.Name[4:], i),
				Created: began.Add(-time.Hour), Ready: true, Initialized: true, CPU: 8000, Memory: 32 << 30, MaxPods: 50,
			}}
			w.nodes = append(w.nodes, n)
			g.Instances = append(g.Instances, Instance{ID: n.Instance, Lifecycle: "InService"})
			w.targets[n.Instance] = &simTarget{}
		}
	}
	w.cordonGroup(w.to.Name, true)
	for range 40 {
		w.step(time.Second)
	}
	w.cordonGroup(w.to.Name, false)
	w.step(time.Second)
	return w
}

func deploymentApp(name string, replicas, budget int) *app {
	return &app{budget: budget, before: replicas, Workload: Workload{
		Kind: "Deployment", API: "apps/v1", Namespace: "apps", Name: name, Replicas: replicas, Surge: 1,
		Deadline: 10 * time.Minute, Settled: true,
	}}
}

func statefulApp(name string, replicas, budget int) *app {
	a := deploymentApp(name, replicas, budget)
	a.Kind = "StatefulSet"
	return a
}

func (w *world) cordonGroup(group string, yes bool) {
	for _, n := range w.nodes {
		if n.Group == group {
			n.Cordoned = yes
		}
	}
}

// step lets time pass: every controller does its part once.
func (w *world) step(d time.Duration) {
	w.now = w.now.Add(d)
	w.pods = slices.DeleteFunc(w.pods, func(p *simPod) bool { return p.Deleting && !w.now.Before(p.GoneBy) })
	for _, a := range w.apps {
		w.replicate(a)
	}
	for _, p := range w.pods {
		w.run(p)
	}
	w.serve()
	w.balance()
	w.seen = append(w.seen, w.look())
	w.check()
}

// run schedules a pod and lets it become Ready.
func (w *world) run(p *simPod) {
	if p.Node == "" {
		usable := slices.DeleteFunc(slices.Clone(w.nodes), func(n *simNode) bool { return n.Cordoned || !n.Ready })
		if len(usable) == 0 {
			p.Trouble = "Unschedulable: no node is available"
			return
		}
		p.Node, p.Trouble = usable[w.rng.IntN(len(usable))].Name, ""
		if slices.ContainsFunc(usable, func(n *simNode) bool { return n.Name == p.app.lure }) {
			p.Node = p.app.lure
		}
		p.start = w.now.Add(time.Duration(1+w.rng.IntN(4)) * time.Second)
	}
	if p.app.bad && !p.Ready && w.now.After(w.began.Add(setUp)) {
		p.Trouble = "ImagePullBackOff"
		return
	}
	if !p.Ready && !p.Deleting && !w.now.Before(p.start) {
		p.Ready, p.ReadySince = true, w.now
	}
}

// replicate is the ReplicaSet or StatefulSet controller.
func (w *world) replicate(a *app) {
	var mine []*simPod
	for _, p := range w.pods {
		if p.app != a || p.Deleting {
			continue
		}
		fits := a.Kind == "StatefulSet" || p.Labels["app"] == a.Name && p.Labels["pod-template-hash"] == "abc"
		p.owned = fits
		p.Workload = ""
		if fits {
			p.Workload = a.Key()
			mine = append(mine, p)
		}
	}
	for i := len(mine); i < a.Replicas; i++ {
		w.spawn(a)
	}
	slices.SortStableFunc(mine, func(p, q *simPod) int {
		return cmp.Or(falseFirst(p.Node != "", q.Node != ""), falseFirst(p.Ready, q.Ready), cmp.Compare(cost(p), cost(q)), q.ReadySince.Compare(p.ReadySince))
	})
	for _, p := range mine[:max(0, len(mine)-a.Replicas)] {
		w.end(p)
	}
}

func cost(p *simPod) int {
	if p.Cost == nil {
		return 0
	}
	return len(*p.Cost) // only ever highestCost here
}

func (w *world) spawn(a *app) {
	w.serial++
	p := &simPod{app: a, owned: true, Pod: Pod{
		Ref:      Ref{Namespace: a.Namespace, Name: fmt.Sprintf("%s-%d", a.Name, w.serial), UID: fmt.Sprintf("uid-%d", w.serial)},
		Workload: a.Key(), Labels: map[string]string{"app": a.Name}, ReadySince: w.now, Grace: 30 * time.Second, Probe: true, CPU: 100, Memory: 1 << 20,
	}}
	if a.Kind != "StatefulSet" {
		p.Labels["pod-template-hash"] = "abc"
		p.Handle = "pod-template-hash"
	}
	w.pods = append(w.pods, p)
}

// end is a pod's SIGTERM: it stops serving at once and is gone a little later.
func (w *world) end(p *simPod) {
	if !p.Deleting {
		p.Deleting, p.GoneBy = true, w.now.Add(3*time.Second)
	}
}

// serve is the endpoint controller, which may be late, and proxies that come after it.
func (w *world) serve() {
	now := map[string][]string{}
	for _, p := range w.pods {
		p.Services, p.Doors, p.Listed = nil, nil, nil
		if p.Labels["app"] != p.app.Name {
			continue
		}
		p.Services, p.Doors = []string{p.app.Name}, []string{"app"}
		if p.Ready && !p.Deleting {
			now[p.app.Name] = append(now[p.app.Name], p.UID)
		}
	}
	w.wanted = append(w.wanted, now)
	slicesNow := w.wanted[max(0, len(w.wanted)-1-w.late)]
	w.proxies = append(w.proxies, slicesNow)
	for _, p := range w.pods {
		if slices.Contains(slicesNow[p.app.Name], p.UID) {
			p.Listed = []string{p.app.Name}
		}
		p.Serving = p.Ready && len(p.Listed) >= len(p.Services)
	}
}

// balance is the service controller and the load balancer.
func (w *world) balance() {
	for _, n := range w.nodes {
		target := w.targets[n.Instance]
		switch {
		case n.excluded() && target != nil && target.until.IsZero():
			target.until = w.now.Add(w.draining)
		case !n.excluded() && target == nil && !w.ended[n.Instance]:
			w.targets[n.Instance] = &simTarget{since: w.now.Add(2 * time.Second)}
		case !n.excluded() && target != nil && !target.until.IsZero():
			target.until = time.Time{}
		}
	}
	for id, target := range w.targets {
		if !target.until.IsZero() && !w.now.Before(target.until) {
			delete(w.targets, id)
		}
	}
}

// check says what must never happen.
func (w *world) check() {
	if w.now.Before(w.began.Add(35 * time.Second)) {
		return // still being set up
	}
	known := w.proxies[max(0, len(w.proxies)-1-lag)]
	for _, a := range w.apps {
		if a.Kind == "StatefulSet" {
			continue
		}
		serving := 0
		for _, p := range w.pods {
			if !slices.Contains(known[a.Name], p.UID) {
				continue
			}
			if p.Deleting {
				w.fail("pod %s ended while proxies sent to it", p.Name)
				continue
			}
			serving++
		}
		if serving < a.before {
			w.fail("%s: %d pods serve, %d did before the move", a.Name, serving, a.before)
		}
	}
}

func (w *world) fail(format string, args ...any) {
	w.broken = append(w.broken, fmt.Sprintf("%s: ", w.now.Sub(w.began))+fmt.Sprintf(format, args...))
}

func (w *world) look() Snapshot {
	var s Snapshot
	for _, n := range w.nodes {
		s.Nodes = append(s.Nodes, n.Node)
	}
	for _, p := range w.pods {
		pod := p.Pod
		pod.Labels = maps.Clone(p.Labels)
		s.Pods = append(s.Pods, pod)
	}
	for _, a := range w.apps {
		s.Workloads = append(s.Workloads, a.Workload)
		if a.budget > 0 {
			s.Budgets = append(s.Budgets, Budget{Namespace: a.Namespace, Name: a.Name, Desired: a.budget, Expected: a.Replicas, Never: a.budget >= a.Replicas})
		}
	}
	slices.SortFunc(s.Nodes, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Pods, func(a, b Pod) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Workloads, func(a, b Workload) int { return strings.Compare(a.Key(), b.Key()) })
	return s
}

// The interfaces of the hand-over.

var errFault = errors.New("connection reset")

// call does something, unless the call is lost; its answer may be lost too.
func (w *world) call(do func()) error {
	if w.faults && w.rng.IntN(10) == 0 {
		return errFault
	}
	do()
	if w.faults && w.rng.IntN(10) == 0 {
		return errFault
	}
	return nil
}

func (w *world) Snapshot() (Snapshot, error) {
	for w.live && w.now.Before(time.Now()) {
		w.step(500 * time.Millisecond)
	}
	if w.down.Load() {
		return Snapshot{}, errFault
	}
	oldest := max(w.shown, len(w.seen)-1-w.stale)
	w.shown = oldest + w.rng.IntN(len(w.seen)-oldest)
	return w.seen[w.shown], nil
}

func (w *world) Places(pods []Ref) (map[string][]string, error) {
	places := map[string][]string{}
	for _, p := range pods {
		for _, n := range w.nodes {
			places[p.UID] = append(places[p.UID], n.Name)
		}
	}
	return places, nil
}

func (w *world) Changed() <-chan struct{} { return nil }
func (w *world) Close()                   {}

func (w *world) PatchNode(_ context.Context, name string, p Patch) error {
	return w.call(func() {
		for _, n := range w.nodes {
			if n.Name != name {
				continue
			}
			if value, ok := p.Labels[excludeLabel]; ok {
				n.Exclude = value
			}
			if value, ok := p.Annotations[BeforeAnnotation]; ok {
				n.Before = text(value)
			}
			if p.Unschedulable != nil {
				n.Cordoned = *p.Unschedulable
			}
		}
	})
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (w *world) pod(r Ref) *simPod {
	for _, p := range w.pods {
		if p.UID == r.UID {
			return p
		}
	}
	return nil
}

func (w *world) PatchPod(_ context.Context, r Ref, patch Patch) error {
	return w.call(func() {
		p := w.pod(r)
		if p == nil {
			return
		}
		for key, value := range patch.Labels {
			if value == nil {
				delete(p.Labels, key)
			} else {
				p.Labels[key] = *value
			}
		}
		if value, ok := patch.Annotations[ReleasedAnnotation]; ok {
			p.Released = text(value)
		}
		if value, ok := patch.Annotations[CostAnnotation]; ok {
			p.Cost = value
		}
	})
}

func (w *world) Evict(_ context.Context, r Ref) error {
	var refused error
	err := w.call(func() {
		p := w.pod(r)
		if p == nil || p.Deleting {
			return
		}
		if p.app.spent {
			refused = &Refusal{Budget: p.app.Name, Why: "PodDisruptionBudget " + p.app.Name + ": needs more"}
			return
		}
		healthy := 0
		for _, q := range w.pods {
			if q.app == p.app && q.Labels["app"] == p.app.Name && q.Ready && !q.Deleting {
				healthy++
			}
		}
		if p.Labels["app"] == p.app.Name && p.Ready && p.app.budget > 0 && healthy-1 < p.app.budget {
			refused = &Refusal{Budget: p.app.Name, Why: "PodDisruptionBudget " + p.app.Name + " needs " + fmt.Sprint(p.app.budget)}
			return
		}
		w.end(p)
		p.Evicted = true
	})
	return cmp.Or(refused, err)
}

func (w *world) DeleteNode(_ context.Context, name string) error {
	return w.call(func() { w.nodes = slices.DeleteFunc(w.nodes, func(n *simNode) bool { return n.Name == name }) })
}

func (w *world) group(name string) *Group {
	if name == w.to.Name {
		return &w.to
	}
	return &w.from
}

func (w *world) Group(_ context.Context, name string) (g Group, err error) {
	if w.gone && name == w.from.Name {
		return Group{}, ErrNotFound
	}
	g = *w.group(name)
	g.Tags, g.Suspended, g.Instances = maps.Clone(g.Tags), slices.Clone(g.Suspended), slices.Clone(g.Instances)
	return g, w.call(func() {})
}

func (w *world) States(_ context.Context, ids []string) (map[string]string, error) {
	states := map[string]string{}
	for _, id := range ids {
		states[id] = "running"
		if w.ended[id] {
			states[id] = "terminated"
		}
	}
	return states, nil
}

func (w *world) Suspend(_ context.Context, group string, processes []string) error {
	return w.call(func() {
		g := w.group(group)
		g.Suspended = append(g.Suspended, processes...)
		slices.Sort(g.Suspended)
		g.Suspended = slices.Compact(g.Suspended)
	})
}

func (w *world) Resume(_ context.Context, group string, processes []string) error {
	return w.call(func() {
		g := w.group(group)
		g.Suspended = slices.DeleteFunc(g.Suspended, func(p string) bool { return slices.Contains(processes, p) })
	})
}

func (w *world) SetMin(_ context.Context, group string, n int) error {
	return w.call(func() { w.group(group).Min = n })
}

func (w *world) Terminate(_ context.Context, group, id string) error {
	return w.call(func() {
		g := w.group(group)
		if g.Desired-1 < g.Min || w.targets[id] != nil {
			w.fail("instance %s terminated with min %d, desired %d, target %v", id, g.Min, g.Desired, w.targets[id])
		}
		if !w.ended[id] {
			g.Desired--
			w.ended[id] = true
			g.Instances = slices.DeleteFunc(g.Instances, func(i Instance) bool { return i.ID == id })
		}
	})
}

func (w *world) Tag(_ context.Context, group string, tags map[string]string) error {
	return w.call(func() { maps.Copy(w.group(group).Tags, tags) })
}

func (w *world) Untag(_ context.Context, group string, keys []string) error {
	return w.call(func() {
		for _, key := range keys {
			delete(w.group(group).Tags, key)
		}
	})
}

func (w *world) Balancers(_ context.Context, instances, known []string) ([]Balancer, error) {
	b := Balancer{Name: "a1b2c3", Host: "a1b2c3.elb", Draining: w.draining}
	used := slices.Contains(known, b.Name)
	for _, id := range slices.Sorted(maps.Keys(w.targets)) {
		target := w.targets[id]
		used = used || slices.Contains(instances, id)
		switch {
		case !target.until.IsZero():
			b.Targets = append(b.Targets, Target{Instance: id, State: Draining})
		case w.now.Before(target.since):
			b.Targets = append(b.Targets, Target{Instance: id, State: OutOfService})
		default:
			b.Targets = append(b.Targets, Target{Instance: id, State: InService})
		}
	}
	if !used {
		return nil, nil
	}
	return []Balancer{b}, nil
}

// player takes turns in a world, one for each step of time.
type player struct {
	*world
	run    *run
	memo   json.RawMessage
	state  State
	breach string
	facts  []event.Fact
}

func (w *world) player(keep int) *player {
	p := &player{world: w, state: State{Group: w.from.Name, Keep: keep, Phase: Inspect}}
	p.start()
	return p
}

// start is what a process does when it is called, again after a crash.
func (p *player) start() {
	mv := engine.Move{
		From: engine.Host{Name: p.from.Name}, To: []engine.Host{{Name: p.to.Name}}, Keep: p.state.Keep, Memo: p.memo, Events: p,
		Save:   func(m json.RawMessage) error { p.memo = m; return nil },
		Breach: func() (string, bool) { return p.breach, p.breach != "" },
	}
	p.run = &run{Mover: New(p.world, p.world, nil, event.Discard), cluster: p.world, move: mv, now: func() time.Time { return p.now }, refused: map[string]Refused{}}
	if s, err := resume(mv); err == nil && s.Phase != Inspect {
		p.state = s
	}
}

func (p *player) Emit(f event.Fact) { p.facts = append(p.facts, f) }

func (p *player) ctx() context.Context { return context.Background() }

// turn takes one turn; errors are forgiven, as the loop does.
func (p *player) turn(d time.Duration) {
	if p.state.Phase != Done && p.state.Phase != Stopped {
		p.state, _ = p.run.turn(p.ctx(), p.state)
	}
	p.step(d)
}

// play takes turns until the hand-over ends, or for so long.
func (p *player) play(limit time.Duration, d time.Duration) {
	for end := p.now.Add(limit); p.now.Before(end) && p.state.Phase != Done && p.state.Phase != Stopped; {
		p.turn(d)
	}
}
