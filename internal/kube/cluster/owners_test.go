package cluster

import (
	"os"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/handover"
	model "github.com/droverhq/drover/internal/handover/world"
)

// fleets is the row of a kind that only this test knows: a CRD defines it, it owns its
// pods itself, makes another one for each that leaves it, and takes back one that is
// given back.
func fleets() *ownerKind {
	return &ownerKind{
		api: "example.com/v1", kind: "Fleet", optional: crd("example.com", "v1", "fleets"), forOwner: true,
		selects: func(o metav1.Object, owner string) []*selector {
			return byLabels(owner, o.GetName(), o.GetNamespace(), fleetSpec(o).Selector)
		},
		template: func(o metav1.Object) *corev1.PodTemplateSpec { return &fleetSpec(o).Template },
		workload: func(o metav1.Object) *handover.Workload {
			spec := fleetSpec(o)
			w := newWorkload(o, handover.Replicated, spec.Replicas, spec.MinReadySeconds)
			w.Surge = 1
			return w
		},
	}
}

// fleetSpec: its fields are named as a Deployment's.
func fleetSpec(o metav1.Object) *appsv1.DeploymentSpec {
	var as appsv1.Deployment
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.(*custom).Object, &as); err != nil {
		return &appsv1.DeploymentSpec{}
	}
	return &as.Spec
}

// teach adds a row for as long as the test lasts.
func teach(t *testing.T, k *ownerKind) {
	rows, all := ownerKinds, kinds
	k.place = len(kinds)
	ownerKinds, kinds = append(slices.Clone(rows), k), append(slices.Clone(all), k.watched())
	t.Cleanup(func() { ownerKinds, kinds = rows, all })
}

// A row is all that it takes to have pods of another kind moved surge-first: without
// it they are its operator's matter. A row is of a group's kind, in whatever version
// a pod names its owner. This is the example of docs/extending.md.
func TestAnotherKindIsARow(t *testing.T) {
	fleet := &custom{Object: map[string]any{
		"apiVersion": "example.com/v2", "kind": "Fleet",
		"metadata": map[string]any{"namespace": "apps", "name": "fleet", "uid": "fleet", "annotations": map[string]any{handover.AcceptGapAnnotation: "true"}},
		"spec": map[string]any{
			"replicas": int64(3), "minReadySeconds": int64(5), "selector": map[string]any{"matchLabels": map[string]any{"app": "web", "set": "web"}},
			"template": map[string]any{"spec": map[string]any{"nodeName": "old"}},
		},
	}}
	f := newFixture()
	f.pod.Labels = equal("app", "web", "set", "web")
	f.pod.OwnerReferences = []metav1.OwnerReference{ownedBy("example.com/v2", "Fleet", "fleet")}
	const key = "fleet.example.com/apps/fleet"

	if w, p := f.view().Workloads[key], f.look(); w.Nature != handover.Operated || p.Handle != "" {
		t.Errorf("without a row: %+v, handle %q", w, p.Handle)
	}
	teach(t, fleets())
	f.more = append(f.more, fleet)
	w, p := f.view().Workloads[key], f.look()
	if w.Nature != handover.Replicated || w.Wants != 3 || !w.Counted || w.MinReady.Seconds() != 5 || w.Kind != "Fleet" {
		t.Errorf("with a row: %+v", w)
	}
	if p.Workload != key || p.Handle != "set" || !p.AcceptGap {
		t.Errorf("its pod: of %s, handle %q, accepts a gap: %v", p.Workload, p.Handle, p.AcceptGap)
	}
	if k := kindOf(handover.Owner{API: "example.org/v1", Kind: "Fleet"}); k != nil {
		t.Errorf("another group's Fleet has the row of %s", k.api)
	}
}

// What makes pods of a template is placed by the nodeGroup of a stack file, too. What
// else must know of such a kind is asked by kube.TestEveryKindThatMakesPods.
func TestEveryTemplateHasAPodPath(t *testing.T) {
	for _, k := range ownerKinds {
		if path, ok := graph.PodPath(groupOf(k.api), k.kind); k.template != nil && (!ok || len(path) == 0) {
			t.Errorf("%s %s makes pods, and graph.PodPath does not know where its template is", k.api, k.kind)
		}
	}
}

// The model of hand-overs has each kind that has a row, with the nature that the row
// gives it: internal/handover/kinds_test.go moves one of each.
func TestTheModelHasEveryKindOfWorkload(t *testing.T) {
	for _, k := range ownerKinds {
		if k.workload == nil {
			continue
		}
		w := k.workload(parsed(t, "apiVersion: "+k.api+"\nkind: "+k.kind).(metav1.Object))
		if makes, known := model.Kinds[model.KindName(k.api, k.kind)]; !known || makes.Nature != w.Nature || makes.Ordinals != w.Ordinals {
			t.Errorf("%s: the model says %+v, the row %s, with ordinals: %v", model.KindName(k.api, k.kind), makes, w.Nature, w.Ordinals)
		}
	}
}

// Users find each kind in the two pages that speak of kinds: how it moves, and whether
// nodeGroup places it. One that a CRD defines stands there by the CRD's name, which no
// kind of another group has.
func TestKindsAreDocumented(t *testing.T) {
	for _, page := range []struct {
		name, from, to string
		has            func(*ownerKind) bool
	}{
		{"hand-over.md", "\n## How each kind of workload moves\n", "\n### ", func(k *ownerKind) bool { return k.template != nil || k.workload != nil }},
		{"stack-file.md", "\nWith `nodeGroup`, every pod template", "\n\n", func(k *ownerKind) bool { return k.template != nil }},
	} {
		text, err := os.ReadFile("../../../docs/" + page.name)
		if err != nil {
			t.Fatal(err)
		}
		_, part, found := strings.Cut(string(text), page.from)
		part, _, _ = strings.Cut(part, page.to)
		if !found {
			t.Fatalf("%s has no %q", page.name, page.from)
		}
		for _, k := range ownerKinds {
			name := k.kind
			if k.watch == nil {
				name = "`" + k.optional.GroupResource().String() + "`"
			}
			if page.has(k) && !strings.Contains(part, name) {
				t.Errorf("%s says nothing of a %s %s: %s", page.name, k.api, k.kind, name)
			}
		}
	}
}

// Each function of a row may be missing: an operator's kind may have no template, and
// pods with names and volumes of their own all the same.
func TestRowsMayLackAnything(t *testing.T) {
	p := &corev1.Pod{ObjectMeta: objectMeta("db-0", nil, ownedBy("example.com/v1", "Fleet", "db"))}
	p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-db-0"}}}}
	for has := range 1 << 5 {
		k := &ownerKind{api: "example.com/v1", kind: "Fleet", everywhere: has&16 != 0}
		if has&1 != 0 {
			k.inherits = func(metav1.Object) bool { return true }
		}
		if has&2 != 0 {
			k.template = func(metav1.Object) *corev1.PodTemplateSpec { return &corev1.PodTemplateSpec{} }
		}
		if has&4 != 0 {
			k.renews = func(metav1.Object, *corev1.Pod) bool { return true }
		}
		if has&8 != 0 {
			k.alone = func(metav1.Object) string { return "it is one" }
		}
		a := above{k, &metav1.ObjectMeta{Name: "db", UID: "db"}}
		next, successor := a.next(p), a.successor(p)
		if (next != nil) != (k.template != nil) || (successor != nil) != (k.template != nil && k.renews != nil) {
			t.Errorf("%05b: next %v, successor %v", has, next, successor)
		}
		if next != nil && (len(next.Spec.Volumes) == 1) != (k.inherits != nil) {
			t.Errorf("%05b: the next one gets the volumes %v", has, next.Spec.Volumes)
		}
		if newDaemon(a) == nil || a.fixed() != "" || !a.same(a) {
			t.Errorf("%05b: %+v", has, a)
		}
	}
}

// What makes pods for its owner and lets go of none, since it has no labels that it takes
// pods by, says of its owner no more than that it is there: that one moves as its row says,
// or by its operator. Only what stands as a ReplicaSet does has its owner move surge-first.
func TestWhatStandsForOthers(t *testing.T) {
	for name, c := range map[string]struct {
		change func(k *ownerKind)
		want   handover.Nature
	}{
		"as a ReplicaSet":           {func(*ownerKind) {}, handover.Replicated},
		"it lets go of no pod":      {func(k *ownerKind) { k.selects = nil }, handover.Operated},
		"… and is no workload, too": {func(k *ownerKind) { k.selects, k.workload = nil, nil }, handover.Operated},
		"it stands for nobody":      {func(k *ownerKind) { k.forOwner = false }, handover.Replicated}, // its own row's
	} {
		t.Run(name, func(t *testing.T) {
			k := fleets()
			c.change(k)
			teach(t, k)
			f := newFixture()
			f.pod.OwnerReferences = []metav1.OwnerReference{ownedBy("example.com/v1", "Fleet", "fleet")}
			set := &custom{Object: map[string]any{"apiVersion": "example.com/v1", "kind": "Fleet"}}
			dub(set, objectMeta("fleet", nil, ownedBy("example.com/v1", "Game", "game")))
			f.more = append(f.more, set)
			want := "game.example.com/apps/game"
			if !k.forOwner {
				want = "fleet.example.com/apps/fleet"
			}
			v := f.view()
			if w := v.Workloads[want]; w == nil || w.Nature != c.want || v.Pods["pod"].Workload != want {
				t.Errorf("%s: %+v, the pod counts to %s", want, w, v.Pods["pod"].Workload)
			}
		})
	}
}

// DaemonSets of one name in different groups are two, and a node must have both.
func TestDaemonSetsOfOneName(t *testing.T) {
	teach(t, &ownerKind{
		api: "apps.kruise.io/v1alpha1", kind: "DaemonSet", optional: crd("apps.kruise.io", "v1alpha1", "daemonsets"), everywhere: true,
		template: func(metav1.Object) *corev1.PodTemplateSpec { return &corev1.PodTemplateSpec{} },
	})
	f := newFixture()
	f.more = append(f.more, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "new"}}, &appsv1.DaemonSet{ObjectMeta: objectMeta("agent", nil)}, &custom{Object: map[string]any{
		"apiVersion": "apps.kruise.io/v1alpha1", "kind": "DaemonSet", "metadata": map[string]any{"namespace": "apps", "name": "agent", "uid": "another"},
	}})
	want := []string{"daemonset.apps.kruise.io/apps/agent", "daemonset/apps/agent"}
	if got := f.view().Nodes["new"].Daemons; !slices.Equal(got, want) {
		t.Errorf("the node lacks %q, want %q", got, want)
	}
	ready := &corev1.Pod{ObjectMeta: objectMeta("agent-x", nil, metav1.OwnerReference{APIVersion: "apps.kruise.io/v1alpha1", Kind: "DaemonSet", Name: "agent", UID: "another", Controller: &yes})}
	ready.Spec.NodeName, ready.Status.Conditions = "new", f.pod.Status.Conditions
	f.more = append(f.more, ready)
	if got := f.view().Nodes["new"].Daemons; !slices.Equal(got, want[1:]) {
		t.Errorf("the node lacks %q, want %q", got, want[1:])
	}
}

// A CloneSet's pods go one after the other, each before the next one comes; those with
// volume claims leave them to the next one.
func TestCloneSet(t *testing.T) {
	set := func(spec, status map[string]any) *custom {
		return &custom{Object: map[string]any{
			"apiVersion": "apps.kruise.io/v1beta1", "kind": "CloneSet", "metadata": map[string]any{"namespace": "apps", "name": "clones", "uid": "clones", "generation": int64(2)},
			"spec": spec, "status": status,
		}}
	}
	done := map[string]any{"observedGeneration": int64(2), "replicas": int64(4), "updatedReplicas": int64(4)}
	for name, tt := range map[string]struct {
		spec, status map[string]any
		check        func(w *handover.Workload, k above) bool
	}{
		"as it is": {map[string]any{"replicas": int64(4), "minReadySeconds": int64(7)}, done, func(w *handover.Workload, k above) bool {
			return w.Nature == handover.Ordered && w.Wants == 4 && w.Counted && w.MinReady.Seconds() == 7 && w.Rolling == "" && !w.Paused && !w.Ordinals && !k.keepsNames() && k.pods() != nil &&
				w.InTurn == "a CloneSet takes back no pod that it has let go of" && w.Key() == "cloneset.apps.kruise.io/apps/clones"
		}},
		"without a number it wants one": {map[string]any{}, done, func(w *handover.Workload, _ above) bool { return w.Wants == 1 }},
		"volume claims": {map[string]any{"volumeClaimTemplates": []any{map[string]any{"metadata": map[string]any{"name": "data"}}}}, done, func(w *handover.Workload, k above) bool {
			return k.keepsNames() && w.InTurn == "each pod of a CloneSet has volumes of its own"
		}},
		"paused": {map[string]any{"updateStrategy": map[string]any{"paused": true}}, done, func(w *handover.Workload, _ above) bool { return w.Paused }},
		"a partition in parts": {
			map[string]any{"replicas": int64(4), "updateStrategy": map[string]any{"partition": "50%"}}, map[string]any{"observedGeneration": int64(2), "replicas": int64(4), "updatedReplicas": int64(2)},
			func(w *handover.Workload, _ above) bool { return w.Partition == 2 && w.Rolling == "" },
		},
		"a rollout": {
			map[string]any{"replicas": int64(4), "updateStrategy": map[string]any{"partition": int64(1)}}, map[string]any{"observedGeneration": int64(2), "replicas": int64(4), "updatedReplicas": int64(2)},
			func(w *handover.Workload, _ above) bool { return w.Rolling == "2 of 3 pods are new" },
		},
		"a change that was not seen": {map[string]any{}, map[string]any{"observedGeneration": int64(1)}, func(w *handover.Workload, _ above) bool {
			return w.Rolling == "its controller has not seen its last change yet"
		}},
		"no pod can be made": {map[string]any{}, map[string]any{"observedGeneration": int64(2), "conditions": []any{map[string]any{"type": "FailedScale", "status": "True", "message": "exceeded quota"}}},
			func(w *handover.Workload, _ above) bool { return w.Trouble == "exceeded quota" }},
	} {
		t.Run(name, func(t *testing.T) {
			a := above{kindOf(handover.Owner{API: "apps.kruise.io/v1beta1", Kind: "CloneSet"}), set(tt.spec, tt.status)}
			if w := a.translated(); !tt.check(w, a) {
				t.Errorf("%+v", w)
			}
		})
	}
}

// The pods of a LeaderWorkerSet are one workload, though several StatefulSets make them:
// it wants all pods of all groups, and a lone group goes as one.
func TestLeaderWorkerSet(t *testing.T) {
	set := func(spec, status map[string]any) *custom {
		return &custom{Object: map[string]any{
			"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "metadata": map[string]any{"namespace": "apps", "name": "llm", "uid": "llm", "generation": int64(2)},
			"spec": spec, "status": status,
		}}
	}
	done := map[string]any{"observedGeneration": int64(2)}
	groups := func(n int64, policy string) map[string]any {
		return map[string]any{"replicas": n, "leaderWorkerTemplate": map[string]any{"size": int64(4), "restartPolicy": policy}}
	}
	for name, tt := range map[string]struct {
		spec, status map[string]any
		wants        int
		together     bool
		rolling      string
	}{
		"groups":                      {groups(2, "RecreateGroupOnPodRestart"), done, 8, false, ""},
		"a lone one":                  {groups(1, ""), done, 4, true, ""},
		"each pod for itself":         {groups(1, "None"), done, 4, false, ""},
		"one of one, without numbers": {map[string]any{}, done, 1, true, ""},
		"an update":                   {groups(2, ""), map[string]any{"observedGeneration": int64(2), "conditions": []any{map[string]any{"type": "UpdateInProgress", "status": "True"}}}, 8, false, "its groups are updated"},
		"a change that was not seen":  {groups(2, ""), map[string]any{"observedGeneration": int64(1)}, 8, false, "its controller has not seen its last change yet"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture()
			f.pod.Labels[leaderWorkerName] = "llm"
			f.pod.OwnerReferences = []metav1.OwnerReference{ownedBy("apps/v1", "StatefulSet", "llm-0")}
			f.more = append(f.more, set(tt.spec, tt.status), &appsv1.StatefulSet{ObjectMeta: objectMeta("llm-0", nil, ownedBy("v1", "Pod", "llm-0"))})
			v := f.view()
			w := v.Workloads["leaderworkerset.leaderworkerset.x-k8s.io/apps/llm"]
			if w == nil || w.Nature != handover.Ordered || !w.Counted || w.Wants != tt.wants || w.Together != tt.together || w.Rolling != tt.rolling {
				t.Errorf("%+v", w)
			}
			if got := v.Pods["pod"].Workload; w == nil || got != w.Key() {
				t.Errorf("the worker counts to %s", got)
			}
		})
	}
}

// Kinds of one name in different groups are different workloads, each with its pods.
func TestKindsOfOneName(t *testing.T) {
	f := newFixture()
	f.pod.OwnerReferences = []metav1.OwnerReference{ownedBy("apps.kruise.io/v1beta1", "StatefulSet", "db")}
	ours := f.pod.DeepCopy()
	ours.Name, ours.UID, ours.OwnerReferences = "db-0", "db-0", []metav1.OwnerReference{ownedBy("apps/v1", "StatefulSet", "db")}
	f.more = append(f.more, ours, &appsv1.StatefulSet{ObjectMeta: objectMeta("db", nil)})
	v := f.view()
	if w := v.Workloads["statefulset.apps.kruise.io/apps/db"]; w == nil || w.Nature != handover.Operated || w.Wants != 1 {
		t.Errorf("another group's: %+v", w)
	}
	if w := v.Workloads["statefulset/apps/db"]; w == nil || w.Nature != handover.Ordered || !w.Counted {
		t.Errorf("Kubernetes' own: %+v", w)
	}
	if a, b := v.Pods["pod"].Workload, v.Pods["db-0"].Workload; a != "statefulset.apps.kruise.io/apps/db" || b != "statefulset/apps/db" {
		t.Errorf("the pods count to %s and %s", a, b)
	}
}
