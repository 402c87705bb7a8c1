package placement

import (
	"encoding/json"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/resource"
	schedule "k8s.io/component-helpers/scheduling/corev1"
)

// world is a cluster to move pods about in.
type world struct {
	nodes   []*node
	byName  map[string]int
	leaving map[string]bool
	placed  map[types.UID]*tenant
	disks   disks

	resources  map[corev1.ResourceName]int // numbers them
	average    []float64                   // what a node has of each
	namespaces map[string]labels.Set
	topologies map[string]*topology
	keys       map[string]bool // labels that any rule names

	terms     map[string]*term
	gathers   map[string]*gathering
	spreads   map[string]*spread
	audiences map[string]*audience
	statics   map[string]*static
	classes   map[string]*class
	kinds     map[string]*kind

	ofTerms   catalog[*term]
	ofGathers catalog[*gathering]
	ofSpreads catalog[*spread]

	version int    // rises with every change
	log     []step // since begin, to be undone
}

// step is one change.
type step struct {
	tenant *tenant
	node   int // that it was put on
	put    bool
}

// node is a node with what its pods use.
type node struct {
	at      int
	object  *corev1.Node // a leaving node is closed here
	total   []int64      // allocatable, by number of the resource; thousandths of cores
	used    []int64
	maxPods int
	pods    []*tenant
	ports   map[port]int
	disks   map[disk]int
	drivers map[string]int // volumes by driver
	limits  map[string]int
}

// tenant is a pod that is somewhere, or a copy that could be.
type tenant struct {
	pod    *corev1.Pod
	kind   *kind
	needs  []need
	ports  []port
	disks  []disk
	sole   []string // claims that one pod in the cluster may use
	holds  []*term  // its required anti-affinity
	ends   bool
	node   int
	seated bool
}

// need is an amount of a resource.
type need struct {
	resource int
	amount   int64
}

// port is one port of a node.
type port struct {
	ip       string
	protocol corev1.Protocol
	number   int32
}

func newWorld(o Objects, leaving []string, moves []Move) *world {
	w := &world{
		byName: map[string]int{}, leaving: map[string]bool{}, placed: map[types.UID]*tenant{},
		resources: map[corev1.ResourceName]int{}, namespaces: map[string]labels.Set{},
		topologies: map[string]*topology{}, keys: map[string]bool{},
		terms: map[string]*term{}, gathers: map[string]*gathering{}, spreads: map[string]*spread{},
		audiences: map[string]*audience{}, statics: map[string]*static{}, classes: map[string]*class{}, kinds: map[string]*kind{},
	}
	for _, n := range leaving {
		w.leaving[n] = true
	}
	for _, n := range o.Namespaces {
		w.namespaces[n.Name] = n.Labels
	}
	w.disks = newDisks(o)
	w.addNodes(o)
	holds := w.learn(o.Pods, moves)
	for _, p := range o.Pods {
		w.settle(p, holds[p.UID])
	}
	w.log = nil
	return w
}

func (w *world) addNodes(o Objects) {
	for _, object := range o.Nodes {
		if w.leaving[object.Name] {
			object = closed(object)
		}
		n := &node{at: len(w.nodes), object: object, ports: map[port]int{}, disks: map[disk]int{}, drivers: map[string]int{}, limits: w.disks.limits[object.Name]}
		for name, q := range object.Status.Allocatable {
			switch name {
			case corev1.ResourcePods:
				n.maxPods = int(q.Value())
			case corev1.ResourceCPU:
				n.total = set(n.total, w.resource(name), q.MilliValue())
			default:
				n.total = set(n.total, w.resource(name), q.Value())
			}
		}
		w.byName[object.Name] = n.at
		w.nodes = append(w.nodes, n)
	}
	w.average = make([]float64, len(w.resources))
	for _, n := range w.nodes {
		for r, v := range n.total {
			w.average[r] += float64(v) / float64(len(w.nodes))
		}
		for _, d := range w.disks.attached[n.object.Name] {
			n.attach(d, 1)
		}
	}
}

// closed is a node as a move leaves it: it takes no pods.
func closed(n *corev1.Node) *corev1.Node {
	n = n.DeepCopy()
	if !n.Spec.Unschedulable {
		n.Spec.Unschedulable = true
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule})
	}
	return n
}

func (w *world) resource(name corev1.ResourceName) int {
	at, known := w.resources[name]
	if !known {
		at = len(w.resources)
		w.resources[name] = at
	}
	return at
}

func set(v []int64, at int, to int64) []int64 {
	for len(v) <= at {
		v = append(v, 0)
	}
	v[at] = to
	return v
}

func (w *world) topology(key string) *topology {
	if w.topologies[key] == nil {
		w.topologies[key] = newTopology(key, w.nodes)
	}
	return w.topologies[key]
}

// learn reads the rules of every pod before any pod is counted.
func (w *world) learn(pods []*corev1.Pod, moves []Move) map[types.UID][]*term {
	holds := map[types.UID][]*term{}
	for _, p := range pods {
		if terms := w.repulsions(p); len(terms) > 0 {
			holds[p.UID] = terms
		}
	}
	for _, m := range moves {
		w.class(m.Pod, m.Fixed)
	}
	return holds
}

// settle puts a pod where it is, or where the scheduler has reserved room for it.
func (w *world) settle(p *corev1.Pod, holds []*term) {
	name := p.Spec.NodeName
	if name == "" {
		name = p.Status.NominatedNodeName
	}
	at, known := w.byName[name]
	if !known || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
		return
	}
	t := &tenant{
		pod: p, kind: w.kind(p), ports: portsOf(p), holds: holds, ends: p.DeletionTimestamp != nil,
		needs: w.needs(p, resource.PodResourcesOptions{UseStatusResources: true}),
	}
	t.disks, t.sole = w.disks.of(p)
	w.placed[p.UID] = t
	w.put(t, at)
}

// copyOf is a pod that its controller would make beside p.
func (w *world) copyOf(p *corev1.Pod, d *storage) *tenant {
	return &tenant{
		pod: p, kind: w.kind(p), ports: portsOf(p), holds: w.repulsions(p),
		needs: w.needs(p, resource.PodResourcesOptions{}), disks: d.disks, sole: d.sole,
	}
}

func (w *world) needs(p *corev1.Pod, how resource.PodResourcesOptions) []need {
	var all []need
	for name, q := range resource.PodRequests(p, how) {
		amount := q.Value()
		if name == corev1.ResourceCPU {
			amount = q.MilliValue()
		}
		if amount > 0 {
			all = append(all, need{w.resource(name), amount})
		}
	}
	return all
}

func portsOf(p *corev1.Pod) []port {
	var all []port
	add := func(c corev1.Container) {
		for _, cp := range c.Ports {
			if cp.HostPort > 0 {
				all = append(all, port{cmpOr(cp.HostIP, anyIP), corev1.Protocol(cmpOr(string(cp.Protocol), string(corev1.ProtocolTCP))), cp.HostPort})
			}
		}
	}
	for _, c := range p.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			add(c)
		}
	}
	for _, c := range p.Spec.Containers {
		add(c)
	}
	return all
}

const anyIP = "0.0.0.0"

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// kind finds what rules see of a pod.
func (w *world) kind(p *corev1.Pod) *kind {
	seen := labels.Set{}
	var b strings.Builder
	b.WriteString(p.Namespace)
	for k, v := range p.Labels {
		if w.keys[k] {
			seen[k] = v
		}
	}
	b.WriteString("\x00" + seen.String())
	key := b.String()
	if known := w.kinds[key]; known != nil {
		return known
	}
	k := &kind{namespace: p.Namespace, labels: seen}
	for _, t := range w.ofTerms.candidates(seen) {
		if t.covers(k.namespace, seen) {
			k.terms = append(k.terms, t)
		}
	}
	for _, g := range w.ofGathers.candidates(seen) {
		if g.covers(k.namespace, seen) {
			k.gathers = append(k.gathers, g)
		}
	}
	for _, s := range w.ofSpreads.candidates(seen) {
		if s.covers(k.namespace, seen) {
			k.spreads = append(k.spreads, s)
		}
	}
	w.kinds[key] = k
	return k
}

func (w *world) begin() {
	w.log = w.log[:0]
	for _, s := range w.statics {
		s.next = 0
	}
}

// rollback undoes all since begin.
func (w *world) rollback() { w.undo(0) }

// undo takes changes back until the log is as long as it was.
func (w *world) undo(length int) {
	todo := slices.Clone(w.log[length:])
	for _, s := range slices.Backward(todo) {
		if s.put {
			w.remove(s.tenant)
		} else {
			w.put(s.tenant, s.node)
		}
	}
	w.log = w.log[:length]
}

func (w *world) put(t *tenant, at int) {
	w.log = append(w.log, step{t, at, true})
	t.node, t.seated = at, true
	n := w.nodes[at]
	n.pods = append(n.pods, t)
	w.change(t, 1)
}

func (w *world) remove(t *tenant) {
	w.log = append(w.log, step{t, t.node, false})
	n := w.nodes[t.node]
	n.pods = slices.DeleteFunc(n.pods, func(o *tenant) bool { return o == t })
	w.change(t, -1)
	t.seated = false
}

func (w *world) change(t *tenant, by int) {
	w.version++
	n := w.nodes[t.node]
	for _, q := range t.needs {
		n.used = add(n.used, q.resource, q.amount*int64(by))
	}
	for _, p := range t.ports {
		n.ports[p] += by
		if n.ports[p] == 0 {
			delete(n.ports, p)
		}
	}
	for _, d := range t.disks {
		n.attach(d, by)
	}
	for _, c := range t.sole {
		w.disks.users[c] += by
	}
	for _, h := range t.holds {
		h.hold(t.node, by)
	}
	t.kind.count(t.node, by, t.ends)
}

func add(v []int64, at int, by int64) []int64 {
	for len(v) <= at {
		v = append(v, 0)
	}
	v[at] += by
	return v
}

// share is the largest part of an average node that a pod asks for.
func (w *world) share(t *tenant) float64 {
	most := 0.0
	for _, q := range t.needs {
		if q.resource < len(w.average) && w.average[q.resource] > 0 {
			most = max(most, float64(q.amount)/w.average[q.resource])
		}
	}
	return most
}

func priority(p *corev1.Pod) int32 { return schedule.PodPriority(p) }

// identity writes down what makes two pods the same for the scheduler.
func identity(parts ...any) string {
	data, err := json.Marshal(parts)
	if err != nil {
		panic(err) // API objects can always be written
	}
	return string(data)
}
