package cluster

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/droverhq/drover/internal/handover"
)

// world is every object that was seen, with the ways between them, and the view
// that is made of them. Objects come one by one (see); each marks what depends
// on it, before and now; bring translates exactly what is marked. Nothing is
// looked for by going through all objects, so an event costs as much as what it
// changes. It belongs to whoever calls View; there is no lock.
type world struct {
	view *handover.View

	endsBare bool           // pods that nothing controls may be ended for good
	grace    *time.Duration // that evicted pods get; nil: each its own

	seen  []map[string]any // by place of the kind in kinds, by namespace/name; as last seen
	marks marks

	pods     map[types.UID]*corev1.Pod
	labelled *pods
	on       links // node -> UIDs of pods
	at       links // address -> UIDs of pods
	using    links // claim -> UIDs of pods
	holding  links // volume -> claims

	owners   map[types.UID]above          // what may stand in a pod's chain of owners
	owned    links                        // UID of an owner -> what it controls: "pod/UID" and "owner/UID"
	tops     map[string]above             // workloads that are watched, by key
	countsTo map[string]topOwner          // the workload that something counts to, by "pod/UID" and "owner/UID"
	counted  links                        // workload -> what counts to it, as the same keys
	answers  map[string]*answer           // about workloads that are not watched, by key
	ask      func(key string, w topOwner) // has a workload that is not watched looked at
	inquired set                          // workloads to ask about

	services *finder
	budgets  *finder
	policies *finder // of networks and meshes: what they no longer select is cut off
	watchers *finder // of metrics: what they no longer select is only not measured
	adopters *finder // controllers that take pods that nothing controls

	listing    links                          // UID or address of a pod -> EndpointSlices
	endpoints  map[string]map[string]endpoint // EndpointSlice -> what it says of pods
	routes     links                          // service -> Ingresses and routes
	bindings   links                          // service -> target groups, as "name arn"
	daemons    map[string]*daemon             // by the controller's key as a workload
	attached   links                          // node -> VolumeAttachments, as "name volume"
	attachedTo links                          // volume -> nodes
}

// topOwner is the workload that a pod or a ReplicaSet counts to, as its references tell it, or its label.
type topOwner struct {
	key           string // of the workload
	namespace     string
	owner         handover.Owner
	byReplicaSets bool // its pods are made by ReplicaSets of it
}

// marks are what must be translated anew.
type marks struct {
	pods                               map[types.UID]bool
	nodes, workloads, services, budget set
}

func newMarks() marks {
	return marks{pods: map[types.UID]bool{}, nodes: set{}, workloads: set{}, services: set{}, budget: set{}}
}

// graceSeconds is grace as the Eviction API takes it.
func (w *world) graceSeconds() *int64 {
	if w.grace == nil {
		return nil
	}
	seconds := int64(*w.grace / time.Second)
	return &seconds
}

func newWorld(ask func(key string, w topOwner)) *world {
	w := &world{
		view: handover.NewView(), marks: newMarks(), ask: ask, inquired: set{},
		pods: map[types.UID]*corev1.Pod{}, labelled: newPods(), on: links{}, at: links{}, using: links{}, holding: links{},
		owners: map[types.UID]above{}, owned: links{}, tops: map[string]above{},
		countsTo: map[string]topOwner{}, counted: links{}, answers: map[string]*answer{},
		services: newFinder(), budgets: newFinder(), policies: newFinder(), watchers: newFinder(), adopters: newFinder(),
		listing: links{}, endpoints: map[string]map[string]endpoint{}, routes: links{}, bindings: links{}, daemons: map[string]*daemon{}, attached: links{}, attachedTo: links{},
	}
	w.seen = make([]map[string]any, len(kinds))
	for i := range w.seen {
		w.seen[i] = map[string]any{}
	}
	return w
}

// see takes an object as it is now; nil: it is gone.
func (w *world) see(k int, key string, now any) {
	before := w.seen[k][key]
	if now == nil {
		delete(w.seen[k], key)
	} else {
		w.seen[k][key] = now
	}
	if before != nil || now != nil {
		kinds[k].changed(w, key, before, now)
	}
}

// bring brings the view up to date. Pods come first, since they tell which
// workloads there are.
func (w *world) bring() {
	m := w.marks
	w.marks = newMarks()
	for uid := range m.pods {
		w.bringPod(uid)
	}
	maps.Copy(m.workloads, w.marks.workloads)
	maps.Copy(m.nodes, w.marks.nodes)
	w.marks = newMarks()
	for key := range m.workloads {
		now, ok := w.workload(key)
		bring(key, now, ok, w.view.Workloads, w.view.PutWorkload, w.view.DropWorkload)
		e, is := w.evictor(key)
		bring(key, e, is, w.view.Evictors, w.view.PutEvictor, w.view.DropEvictor)
	}
	for name := range m.nodes {
		n, ok := w.node(name)
		bring(name, n, ok, w.view.Nodes, w.view.PutNode, w.view.DropNode)
	}
	for key := range m.services {
		s, ok := w.service(key)
		bring(key, s, ok, w.view.Services, w.view.PutService, w.view.DropService)
	}
	for key := range m.budget {
		b, ok := w.budget(key)
		bring(key, b, ok, w.view.Budgets, w.view.PutBudget, w.view.DropBudget)
	}
	for key := range w.inquired {
		if c, ok := w.stranger(key); ok {
			w.ask(key, c)
		}
	}
	w.inquired = set{}
}

// bring stores one object, if it is not what the view holds already: whatever is
// put wakes those whom it concerns.
func bring[T any](key string, now *T, ok bool, held map[string]*T, put func(*T), drop func(string)) {
	before, was := held[key]
	switch {
	case ok && (!was || !reflect.DeepEqual(before, now)):
		put(now)
	case !ok && was:
		drop(key)
	}
}

func (w *world) bringPod(uid types.UID) {
	p, ok := w.pods[uid]
	if !ok {
		w.view.DropPod(string(uid))
		w.count("pod/"+string(uid), topOwner{})
		return
	}
	w.count("pod/"+string(uid), w.top(p))
	now := w.pod(p)
	if before, was := w.view.Pods[string(uid)]; !was || !reflect.DeepEqual(before, now) {
		w.view.PutPod(now)
	}
}

// count notes what something counts to.
func (w *world) count(who string, now topOwner) {
	before := w.countsTo[who]
	w.marks.workload(before.key)
	w.marks.workload(now.key)
	if before == now {
		return
	}
	if before.key != "" {
		w.counted.drop(before.key, who)
		w.inquire(before.key)
	}
	delete(w.countsTo, who)
	if now.key != "" {
		w.countsTo[who] = now
		w.counted.put(now.key, who)
		w.inquire(now.key)
	}
}

func (w *world) inquire(key string) {
	if key != "" {
		w.inquired[key] = true
	}
}

func (m marks) workload(key string) {
	if key != "" {
		m.workloads[key] = true
	}
}

func (m marks) node(name string) {
	if name != "" {
		m.nodes[name] = true
	}
}

// markOf marks the pods that an owner controls, directly or not.
func (w *world) markOf(owner types.UID, depth int) {
	for child := range w.owned[string(owner)] {
		kind, uid, _ := strings.Cut(child, "/")
		switch {
		case kind == "pod":
			w.marks.pods[types.UID(uid)] = true
		case depth > 0:
			w.markOf(types.UID(uid), depth-1)
		}
	}
}

// chainDepth bounds the walk from a pod to what owns its owners: pod, ReplicaSet,
// Deployment, and two kinds of operator above.
const chainDepth = 4

// reselect replaces the selectors of an object, and marks the pods that it
// selected or selects.
func (w *world) reselect(f *finder, object string, now []*selector) {
	if slices.EqualFunc(f.of[object], now, sameSelector) {
		return
	}
	mark := func(uid types.UID) { w.marks.pods[uid] = true }
	for _, s := range f.of[object] {
		w.labelled.near(s, mark)
	}
	f.put(object, now)
	for _, s := range now {
		w.labelled.near(s, mark)
	}
}

func sameSelector(a, b *selector) bool {
	return a.object == b.object && a.namespace == b.namespace && a.match.String() == b.match.String()
}

func compare(a, b *selector) int {
	return cmp.Or(strings.Compare(a.object, b.object), strings.Compare(a.match.String(), b.match.String()))
}

// relink moves a key from some places to others.
func (l links) relink(to string, before, now []string) {
	for _, from := range before {
		l.drop(from, to)
	}
	for _, from := range now {
		l.put(from, to)
	}
}

func seePod(w *world, _ string, before, now *corev1.Pod) {
	if before != nil {
		w.unlinkPod(before)
	}
	if now == nil {
		return
	}
	w.pods[now.UID] = now
	w.labelled.put(now.Namespace, now.UID, now.Labels)
	w.on.put(now.Spec.NodeName, string(now.UID))
	for _, ip := range now.Status.PodIPs {
		w.at.put(ip.IP, string(now.UID))
	}
	for _, claim := range claimsOf(now) {
		w.using.put(claim, string(now.UID))
		w.markSharing(claim)
	}
	if owner := metav1.GetControllerOf(now); owner != nil {
		w.owned.put(string(owner.UID), "pod/"+string(now.UID))
	}
	w.marks.pods[now.UID] = true
	if daemonic(now) {
		w.marks.node(now.Spec.NodeName)
	}
	if before == nil || (before.DeletionTimestamp == nil) != (now.DeletionTimestamp == nil) {
		w.inquire(w.top(now).key) // a controller's wishes change when its pods come and go
	}
}

func (w *world) unlinkPod(p *corev1.Pod) {
	uid := string(p.UID)
	delete(w.pods, p.UID)
	w.labelled.drop(p.Namespace, p.UID)
	w.on.drop(p.Spec.NodeName, uid)
	for _, ip := range p.Status.PodIPs {
		w.at.drop(ip.IP, uid)
	}
	for _, claim := range claimsOf(p) {
		w.using.drop(claim, uid)
		w.markSharing(claim)
	}
	if owner := metav1.GetControllerOf(p); owner != nil {
		w.owned.drop(string(owner.UID), "pod/"+uid)
	}
	w.marks.pods[p.UID] = true
	if daemonic(p) {
		w.marks.node(p.Spec.NodeName)
	}
}

// daemonic: it belongs to its node, as a DaemonSet's does.
func daemonic(p *corev1.Pod) bool {
	owner := metav1.GetControllerOf(p)
	if owner == nil {
		return false
	}
	k := kindOf(ownerOf(owner))
	return handover.Daemonic(owner.Kind) || k != nil && k.everywhere
}

func seeSlice(w *world, key string, _, now *discoveryv1.EndpointSlice) {
	was, is := w.endpoints[key], listed(now)
	delete(w.endpoints, key)
	if now != nil {
		w.endpoints[key] = is
	}
	for who, e := range was {
		if is[who] != e {
			w.listing.drop(who, key)
			w.markListed(who)
		}
	}
	for who, e := range is {
		if was[who] != e {
			w.listing.put(who, key)
			w.markListed(who)
		}
	}
}

func (w *world) markListed(who string) {
	kind, id, _ := strings.Cut(who, "/")
	if kind == "uid" {
		w.marks.pods[types.UID(id)] = true
		return
	}
	for uid := range w.at[id] {
		w.marks.pods[types.UID(uid)] = true
	}
}
