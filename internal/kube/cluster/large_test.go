package cluster

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	objects "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/droverhq/drover/internal/handover"
)

// large is a cluster as far as the API server tells of it.
type large struct {
	all   map[at]any
	nodes int
}

func (l *large) put(o any) { l.all[at{kindAt(o), keyOf(o)}] = o }

// big is a cluster of so many nodes in three zones, with ten pods each, ten to a
// workload. Of five workloads one is a StatefulSet whose pods have a volume of
// their own, in their zone, and one has no two pods on a node. Each has a Service,
// an EndpointSlice and a budget; 50 are in a namespace.
func big(nodes int) map[at]any { return bigger(nodes, 0).all }

// bigger has further nodes that are empty, in group new; as many of the others
// are in group old.
func bigger(nodes, fresh int) *large {
	l := &large{all: map[at]any{}, nodes: nodes}
	for i := range nodes + fresh {
		group := "other"
		switch {
		case i < fresh:
			group = "old"
		case i >= nodes:
			group = "new"
		}
		l.put(l.node(i, group))
	}
	for i := range nodes {
		l.workload(i)
	}
	return l
}

func zone(node int) string { return "us-west-2" + string(rune('a'+node%3)) }

func (l *large) node(i int, group string) *corev1.Node {
	name := fmt.Sprint("node-", i)
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Labels: map[string]string{
		groupLabel: group, corev1.LabelHostname: name, corev1.LabelTopologyZone: zone(i),
	}}}
	n.Spec.ProviderID = "aws:///" + zone(i) + "/i-" + name
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("16"), corev1.ResourceMemory: resource.MustParse("64Gi"), corev1.ResourcePods: resource.MustParse("110")}
	return n
}

// workload makes the i-th one with all that belongs to it.
func (l *large) workload(i int) {
	ns, name := fmt.Sprint("ns-", i/50), fmt.Sprint("web-", i)
	meta := func(kind string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: ns, Name: name, UID: types.UID(kind + name)}
	}
	labels := map[string]string{"app": name, "team": "a", "app.kubernetes.io/part-of": "shop"}
	owner := l.controller(i, meta, labels)
	l.put(&corev1.Service{ObjectMeta: meta("s"), Spec: corev1.ServiceSpec{Selector: map[string]string{"app": name}}})
	one := intstr.FromInt32(1)
	l.put(&policyv1.PodDisruptionBudget{ObjectMeta: meta("b"), Spec: policyv1.PodDisruptionBudgetSpec{MaxUnavailable: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}}})
	slice := &discoveryv1.EndpointSlice{ObjectMeta: meta("e")}
	slice.Labels = map[string]string{discoveryv1.LabelServiceName: name, discoveryv1.LabelManagedBy: keepers[0]}
	for j := range 10 {
		p := l.pod(i, j, ns, name, labels, owner)
		l.put(p)
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{p.Status.PodIP}, TargetRef: &corev1.ObjectReference{Kind: "Pod", UID: p.UID}})
	}
	l.put(slice)
}

// controller is what owns the workload's pods.
func (l *large) controller(i int, meta func(string) metav1.ObjectMeta, labels map[string]string) metav1.OwnerReference {
	ten := int32(10)
	name := meta("").Name
	if i%5 == 0 {
		l.put(&appsv1.StatefulSet{ObjectMeta: meta("t"), Spec: appsv1.StatefulSetSpec{Replicas: &ten, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}}})
		return metav1.OwnerReference{APIVersion: "apps/v1", Kind: "StatefulSet", Name: name, UID: types.UID("t" + name), Controller: &yes}
	}
	labels["pod-template-hash"] = fmt.Sprintf("%08x", i)
	l.put(&appsv1.Deployment{ObjectMeta: meta("d"), Spec: appsv1.DeploymentSpec{Replicas: &ten}})
	r := &appsv1.ReplicaSet{ObjectMeta: meta("r"), Spec: appsv1.ReplicaSetSpec{Replicas: &ten, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name, "pod-template-hash": labels["pod-template-hash"]}}}}
	r.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: name, UID: types.UID("d" + name), Controller: &yes}}
	l.put(r)
	return metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: name, UID: types.UID("r" + name), Controller: &yes}
}

func (l *large) pod(i, j int, ns, workload string, labels map[string]string, owner metav1.OwnerReference) *corev1.Pod {
	name := fmt.Sprint(workload, "-", j)
	on := (i*10 + j) % l.nodes
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, UID: types.UID("p" + name), Labels: maps.Clone(labels), OwnerReferences: []metav1.OwnerReference{owner}}}
	p.Spec.NodeName, p.Spec.SchedulerName = fmt.Sprint("node-", on), corev1.DefaultSchedulerName
	p.Spec.Containers = []corev1.Container{{Name: "web", Image: "web:1", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("512Mi"),
	}}}}
	p.Status.PodIP = fmt.Sprintf("10.%d.%d.%d", i>>8, i&255, j)
	p.Status.PodIPs = []corev1.PodIP{{IP: p.Status.PodIP}}
	p.Status.Phase = corev1.PodRunning
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	switch i % 5 {
	case 0:
		l.volume(p, zone(on))
	case 1:
		p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": workload}},
		}}}}
	}
	return p
}

// volume gives the pod one of its own, which only nodes of the zone can attach.
func (l *large) volume(p *corev1.Pod, zone string) {
	name := "data-" + p.Name
	once := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	l.put(&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: name}, Spec: corev1.PersistentVolumeClaimSpec{AccessModes: once, VolumeName: "pv-" + name}, Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound}})
	l.put(&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv-" + name}, Spec: corev1.PersistentVolumeSpec{
		AccessModes: once, ClaimRef: &corev1.ObjectReference{Namespace: p.Namespace, Name: name},
		NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}}},
		}}}},
	}})
	p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name}}}}
}

// Fill is linear in the cluster's size, one event does not depend on it.
func BenchmarkFill(b *testing.B) {
	for _, nodes := range []int{1000, 5000} {
		objects := big(nodes)
		b.Run(fmt.Sprint(nodes, "nodes"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				scratch(objects)
			}
		})
	}
}

func BenchmarkEvent(b *testing.B) {
	for _, nodes := range []int{1000, 5000} {
		objects := big(nodes)
		w := scratch(objects)
		var where at
		for where = range objects {
			if kinds[where.kind].name == "Pod" {
				break
			}
		}
		b.Run(fmt.Sprint(nodes, "nodes"), func(b *testing.B) {
			b.ReportAllocs()
			now := time.Unix(0, 0)
			for b.Loop() {
				p := objects[where].(*corev1.Pod).DeepCopy()
				now = now.Add(time.Second)
				p.Status.Conditions[0].LastTransitionTime = metav1.Time{Time: now}
				w.see(where.kind, where.key, p)
				w.bring()
				w.view.Take()
			}
		})
	}
}

// watching is a Cluster whose watches are filled from a fake API server that
// holds the objects, and what it takes of memory.
func (l *large) watching(t testing.TB) (c *Cluster, client *fake.Clientset, heap uint64) {
	t.Helper()
	var all []objects.Object
	for _, o := range l.all {
		all = append(all, o.(objects.Object))
	}
	all = append(all, &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "gp3"}})
	client = fake.NewSimpleClientset(all...) // its successor keeps managed fields, and 150,000 objects take it minutes
	before := inUse()
	ctx, cancel := context.WithCancel(context.Background())
	c = newCluster(client, dynamicfake.NewSimpleDynamicClient(objects.NewScheme()), newClock(), ctx.Done(), cancel)
	t.Cleanup(c.Close)
	if err := c.fill(ctx, ctx); err != nil {
		t.Fatal(err)
	}
	return c, client, inUse() - before
}

func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// observed is what a move of group old would rest on: its nodes, half of its
// parts, and nothing that AWS has yet to do.
func observed(t testing.TB, c *Cluster) handover.Observed {
	t.Helper()
	v, err := c.View()
	if err != nil {
		t.Fatal(err)
	}
	group := func(name string) handover.Group {
		g := handover.Group{Name: name, Tags: map[string]string{"drover.dev/suspended": "", "drover.dev/min": "0"},
			Suspended: []string{"AZRebalance", "AlarmNotification", "InstanceRefresh", "ReplaceUnhealthy", "ScheduledActions"}}
		for _, n := range v.Nodes {
			if n.Group == name {
				g.Instances = append(g.Instances, handover.Instance{ID: n.Instance, Lifecycle: "InService"})
				g.Desired++
			}
		}
		return g
	}
	return handover.Observed{View: v, From: group("old"), To: []handover.Group{group("new")}, Asked: time.Now()}
}

func leaving(v *handover.View) (names []string, pods []handover.Ref) {
	for _, n := range v.Nodes {
		if n.Group == "old" {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, p := range v.On(name) {
			pods = append(pods, p.Ref)
		}
	}
	return names, pods
}

// processor is the time that the processor has worked for this process: what a
// benchmark takes by the clock says little on a machine that others use as well.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkInspect is what a preview asks of a cluster of which a tenth of the
// nodes leave: where all pods would go, and what would be in the way.
func BenchmarkInspect(b *testing.B) {
	for _, nodes := range []int{1250, 5000} {
		b.Run(fmt.Sprint(nodes, "nodes"), func(b *testing.B) {
			c, _, heap := bigger(nodes, nodes/10).watching(b)
			o := observed(b, c)
			names, pods := leaving(o.View)
			began := processor(b)
			for b.Loop() {
				where, err := c.Place(context.Background(), names, pods, nil, nil)
				if err != nil || len(where) != len(pods) {
					b.Fatal(len(where), err)
				}
				placed := map[string]handover.Placement{}
				for _, w := range where {
					placed[w.Pod.UID] = w
				}
				handover.Findings(handover.Question{Observed: o, Group: "old", Leaving: names, Placements: placed})
			}
			b.ReportMetric(float64(heap)/1e6, "MB-heap")
			worked := processor(b) - began
			b.ReportMetric(worked.Seconds()/float64(b.N), "cpu-s/op")
			b.ReportMetric(worked.Seconds()/float64(b.N)/float64(len(pods))*1e6, "cpu-us/pod")
		})
	}
}

// BenchmarkTurn is a turn of a move under way, in which one pod has changed.
func BenchmarkTurn(b *testing.B) {
	for _, nodes := range []int{1250, 5000} {
		b.Run(fmt.Sprint(nodes, "nodes"), func(b *testing.B) {
			l := bigger(nodes, nodes/10)
			c, _, _ := l.watching(b)
			m, o := moving(b, c)
			where := at{kindAt(&corev1.Pod{}), "ns-0/web-1-0"}
			now := time.Unix(0, 0)
			m.Turn(o) // the first one of a phase looks at all that leaves
			began := processor(b)
			for b.Loop() {
				now = now.Add(time.Second)
				l.change(b, c, where, now)
				v, err := c.View()
				if err != nil {
					b.Fatal(err)
				}
				o.View = v
				m.Turn(o)
			}
			b.ReportMetric((processor(b)-began).Seconds()*1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// moving is a move of group old that has closed its nodes, as far as one sees.
func moving(t testing.TB, c *Cluster) (*handover.Move, handover.Observed) {
	t.Helper()
	r, err := handover.ReadRecord([]byte(`{"group":"old","phase":"ready"}`))
	if err != nil {
		t.Fatal(err)
	}
	o := observed(t, c)
	m := handover.NewMove(r, handover.Options{})
	m.Begin(o)
	for turn := 0; r.Phase != handover.Shift; turn++ {
		if turn > 5 {
			t.Fatalf("still in %s", r.Phase)
		}
		for _, a := range m.Turn(o) {
			if change, is := a.(handover.ChangeNode); is {
				n := *o.View.Nodes[change.Node]
				n.Cordoned, n.Before = true, *change.Patch.Annotations[handover.BeforeAnnotation]
				o.View.PutNode(&n)
			}
		}
	}
	return m, o
}

// change lets the pod become Ready at another time, as its watch would tell.
func (l *large) change(t testing.TB, c *Cluster, where at, now time.Time) {
	t.Helper()
	p := l.all[where].(*corev1.Pod).DeepCopy()
	p.Status.Conditions[0].LastTransitionTime = metav1.Time{Time: now}
	if err := c.stores[where.kind].Update(p); err != nil {
		t.Fatal(err)
	}
	c.queue.add(where)
}

// Once the watches are filled, neither turns nor inspections list anything.
func TestNothingIsListedInTheSteadyState(t *testing.T) {
	l := bigger(20, 2)
	c, client, _ := l.watching(t)
	m, o := moving(t, c)
	names, pods := leaving(o.View)
	if _, err := c.Place(t.Context(), names, pods, nil, nil); err != nil {
		t.Fatal(err)
	}
	client.ClearActions()
	for i := range 20 {
		l.change(t, c, at{kindAt(&corev1.Pod{}), "ns-0/web-1-0"}, time.Unix(int64(i), 0))
		v, err := c.View()
		if err != nil {
			t.Fatal(err)
		}
		o.View, o.Asked = v, o.Asked.Add(time.Second)
		m.Turn(o)
		if where, err := c.Place(t.Context(), names, pods, nil, nil); err != nil || len(where) != len(pods) {
			t.Fatal(len(where), err)
		}
	}
	for _, a := range client.Actions() {
		t.Errorf("%s %s", a.GetVerb(), a.GetResource().Resource)
	}
}
