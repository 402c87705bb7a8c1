package handover

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/graph"
)

// TestEveryHowHasItsWay: a How without a row would be evicted without consent to a gap.
func TestEveryHowHasItsWay(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "promise.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	hows := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, is := n.(*ast.ValueSpec)
		if !is {
			return true
		}
		if of, named := spec.Type.(*ast.Ident); !named || of.Name != "How" {
			return true
		}
		hows++
		how := How(strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`))
		switch w, has := ways[how]; {
		case !has:
			t.Errorf("%s has no row in ways", spec.Names[0])
		case w.state == "" || w.consent && !w.endsFirst || w.endsFirst && !w.budgets:
			t.Errorf("%s: %+v: it has no state, or asks for consent to a gap that it does not make, or ends a pod without an eviction", how, w)
		}
		return true
	})
	if hows < 6 || hows != len(ways) {
		t.Errorf("%d constants of How in promise.go, %d rows in ways", hows, len(ways))
	}
}

// How a pod may move, by what it and its workload are, and by what is denied.
func TestPromised(t *testing.T) {
	denies := func(verbs ...string) map[string]string {
		all := map[string]string{}
		for _, v := range verbs {
			all[v] = "policy"
		}
		return all
	}
	for _, c := range []struct {
		name   string
		change func(*Pod, *Workload)
		denied map[string]string
		want   How
		words  string // of why
	}{
		{"good", func(*Pod, *Workload) {}, nil, SurgeFirst, ""},
		{"owner denied, label left", func(*Pod, *Workload) {}, denies(verbHold), SurgeFirst, ""},
		{"owner and label denied", func(*Pod, *Workload) {}, denies(verbHold, verbRelease), InOrder, "policy"},
		{"owner denied and no label", func(p *Pod, _ *Workload) { p.Handle = "" }, denies(verbHold), InOrder, "no way"},
		{"maxSurge 0", func(_ *Pod, w *Workload) { w.Surge = 0 }, nil, InOrder, "maxSurge 0"},
		{"maxSurge 0, one replica", func(_ *Pod, w *Workload) { w.Surge, w.Wants = 0, 1 }, nil, Never, "nothing would serve"},
		{"maxSurge 0, one replica, accepted", func(p *Pod, w *Workload) { w.Surge, w.Wants, p.AcceptGap = 0, 1, true }, nil, Gap, "maxSurge 0"},
		{"Recreate", func(p *Pod, _ *Workload) { p.Alone = "Recreate" }, nil, InOrder, "Recreate"},
		{"taking out denied", func(*Pod, *Workload) {}, denies(verbTakeOut), Never, "taken out"},
		{"taking out denied, covered", func(p *Pod, _ *Workload) { p.PreStopTime = 10 * time.Second }, denies(verbTakeOut), SurgeFirst, ""},
		{"preStop as long as the grace period covers nothing", func(p *Pod, _ *Workload) { p.PreStopTime = p.Grace }, denies(verbTakeOut), Never, "taken out"},
		{"no door", func(p *Pod, _ *Workload) { p.Doors, p.NoDoor = nil, "a policy selects by app" }, nil, Never, "a policy selects"},
		{"create denied", func(*Pod, *Workload) {}, denies(verbCreate), Never, "could not be made"},
		{"evict denied", func(*Pod, *Workload) {}, denies(verbEvict), Never, "may not be evicted"},
		{"kept", func(p *Pod, _ *Workload) { p.DoNotDisrupt = "karpenter.sh/do-not-disrupt" }, nil, Never, "do-not-disrupt"},
		{"fixed", func(p *Pod, _ *Workload) { p.Fixed = "old" }, nil, Never, "spec.nodeName"},
		{"by hand", func(p *Pod, _ *Workload) { p.Paths[0].ByHand = "manual" }, nil, Never, "EndpointSlice manual"},
		{"a Job's pod that is kept", func(p *Pod, w *Workload) { w.Nature, p.DoNotDisrupt = Runs, "karpenter.sh/do-not-disrupt" }, nil, AfterJob, "would be lost"},
		{"sentinels denied", func(p *Pod, _ *Workload) { p.Tolerates = true }, denies(verbKeepOff), Never, "tolerates every taint"},
		{"… which keep off others", func(*Pod, *Workload) {}, denies(verbKeepOff), SurgeFirst, ""},
		{"… and may stand", func(p *Pod, _ *Workload) { p.Tolerates = true }, nil, SurgeFirst, ""},
		{"owner denied and no label: why", func(p *Pod, _ *Workload) { p.Handle = "" }, denies(verbHold), InOrder, ": policy"},
		{"taking out denied, of no Service", func(p *Pod, _ *Workload) { p.Paths = nil }, denies(verbTakeOut), SurgeFirst, ""},
		{"taking out denied, accepted", func(p *Pod, _ *Workload) { p.AcceptGap = true }, denies(verbTakeOut), SurgeFirst, ""},
		{"taking out denied, covered just so", func(p *Pod, _ *Workload) { p.PreStopTime = settleProxies }, denies(verbTakeOut), SurgeFirst, ""},
		{"taking out denied, almost covered", func(p *Pod, _ *Workload) { p.PreStopTime = settleProxies - 1 }, denies(verbTakeOut), Never, "taken out"},
		{"a door, and a reason against another", func(p *Pod, _ *Workload) { p.NoDoor = "a policy selects by tier" }, nil, SurgeFirst, ""},
		{"a Service that does not select it", func(p *Pod, w *Workload) { w.Nature, w.Wants, p.Paths[0].Selected = Ordered, 1, false }, nil, InOrder, "goes before"},
		{"bare, and released: its controller is gone", func(p *Pod, w *Workload) { p.Workload, p.Released = "", encode(Release{Workload: w.Key()}) }, nil, SurgeFirst, ""},
		{"bare", func(p *Pod, _ *Workload) { p.Workload = "" }, nil, Never, "gone for good"},
		{"bare, expendable and kept", func(p *Pod, _ *Workload) { p.Workload, p.Expendable, p.DoNotDisrupt = "", true, "drover.dev/keep" }, nil, Never, "forbids to disrupt it"},
		{"bare, expendable", func(p *Pod, _ *Workload) { p.Workload, p.Expendable = "", true }, nil, Gap, "ends for good"},
		{"StatefulSet", func(_ *Pod, w *Workload) { w.Nature, w.InTurn = Ordered, "each has a name of its own" }, nil, InOrder, "name of its own"},
		{"StatefulSet of one", func(_ *Pod, w *Workload) { w.Nature, w.Wants = Ordered, 1 }, nil, Never, "nothing would serve"},
		{"StatefulSet of one without a Service", func(p *Pod, w *Workload) { w.Nature, w.Wants, p.Paths = Ordered, 1, nil }, nil, InOrder, "goes before the next one comes"},
		{"StatefulSet of one behind a Service that others serve as well", func(p *Pod, w *Workload) { w.Nature, w.Wants, p.Paths[0].Service = Ordered, 1, "shared" }, nil, InOrder, "goes before the next one comes"},
		{"StatefulSet with a Service for each", func(p *Pod, w *Workload) {
			w.Nature, p.Paths = Ordered, append(p.Paths, Path{Service: "web-1", Selected: true, Own: true})
		}, nil, Never, "nothing would serve Service web-1"},
		{"… accepted", func(p *Pod, w *Workload) {
			w.Nature, p.AcceptGap, p.Paths = Ordered, true, append(p.Paths, Path{Service: "web-1", Selected: true, Own: true})
		}, nil, Gap, "goes before the next one comes"},
		{"… that serves nobody now", func(p *Pod, w *Workload) {
			w.Nature, p.Ready, p.Paths = Ordered, false, append(p.Paths, Path{Service: "web-1", Selected: true, Own: true})
		}, nil, InOrder, ""},
		{"a lone group that goes as one", func(_ *Pod, w *Workload) { w.Nature, w.Wants, w.Together = Ordered, 4, true }, nil, Never, "nothing would serve Service web"},
		{"… of no Service", func(p *Pod, w *Workload) { w.Nature, w.Wants, w.Together, p.Paths = Ordered, 4, true, nil }, nil, Never, "nothing would serve: "},
		{"… of a pod that does not work", func(p *Pod, w *Workload) { w.Nature, w.Wants, w.Together, p.Ready = Ordered, 4, true, false }, nil, Never, "nothing would serve"},
		{"… accepted", func(p *Pod, w *Workload) { w.Nature, w.Wants, w.Together, p.AcceptGap = Ordered, 4, true, true }, nil, Gap, ""},
		{"shares a volume", func(p *Pod, _ *Workload) {
			p.Shares = "its volume data can be attached to one node only, and pod web-2 uses it as well"
		}, nil, Never, "pod web-2 uses it as well"},
		{"operated", func(_ *Pod, w *Workload) { w.Nature = Operated }, nil, ByOperator, "only its controller"},
		{"job", func(_ *Pod, w *Workload) { w.Nature = Runs }, nil, AfterJob, "would be lost"},
		{"job, expendable", func(p *Pod, w *Workload) { w.Nature, p.Expendable = Runs, true }, nil, Gap, "would be lost, as its annotation allows"},
		{"job that fails for good", func(_ *Pod, w *Workload) { w.Kind, w.Nature, w.FailsIfEnded = "Job", Runs, true }, nil, AfterJob, "its Job would fail for good"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &Workload{Kind: "Deployment", Namespace: "apps", Name: "web", Nature: Replicated, Wants: 3, Surge: 1, Holder: &Owner{Kind: "Deployment"}}
			p := &Pod{Ref: Ref{Namespace: "apps", Name: "web-1", UID: "1"}, Workload: w.Key(), Ready: true, Grace: 30 * time.Second,
				Handle: "pod-template-hash", Doors: []string{"app"}, Paths: []Path{{Service: "web", Selected: true, Listed: true, Ready: true}}}
			c.change(p, w)
			got := promised(p, w, c.denied, settleProxies, func(_ *Pod, service string) bool { return service == "shared" })
			if got.how != c.want || !strings.Contains(got.why, c.words) || got.how == Never && got.fix == "" {
				t.Errorf("want %s (%s), got %+v", c.want, c.words, got)
			}
		})
	}
}

// Whoever accepts a gap is told where to say so: a lone pod's workload will do, but not
// what a group of pods that go as one belongs to.
func TestWhereAGapIsAccepted(t *testing.T) {
	const say = "accept the gap: kubectl -n apps annotate pod web-1 drover.dev/accept-gap=true"
	for name, c := range map[string]struct {
		change func(*Pod, *Workload)
		fix    string
	}{
		"one pod":            {func(_ *Pod, w *Workload) { w.Wants = 1 }, say + " (or on its workload), or let a second pod run beside it"},
		"a Service for each": {func(p *Pod, _ *Workload) { p.Paths[0].Own = true }, say + " (or on its workload)"},
		"a lone group":       {func(_ *Pod, w *Workload) { w.Together = true }, say + ", and each other pod of its group, or let a second group run beside it"},
	} {
		i := inspect(asked(func(_ *Question, p *Pod, w *Workload) {
			w.Nature = Ordered
			c.change(p, w)
		}))
		if pr := i.promised(i.pods[0]); pr.how != Never || pr.fix != c.fix {
			t.Errorf("%s: %s, %s", name, pr.how, pr.fix)
		}
	}
}

// The longest of those who send to a pod counts, and the user's own bound.
func TestSettle(t *testing.T) {
	for _, c := range []struct {
		name    string
		service Service
		nodes   int
		least   time.Duration
		want    time.Duration
	}{
		{"proxies", Service{}, 3, 0, settleProxies},
		{"the user's", Service{}, 3, time.Minute, time.Minute},
		{"ingress", Service{Routes: []string{"ingress/apps/web"}}, 3, 0, settleIngress},
		{"a route of the Gateway API", Service{Routes: []string{"grpcroute/apps/web"}}, 3, 0, settleIngress},
		{"headless", Service{Headless: true, Routes: []string{"ingress/apps/web"}}, 3, 0, settleDNS},
		{"target groups", Service{TargetGroups: []string{"arn"}, Headless: true}, 3, 0, settleTargets},
		{"a name that is kept for longer", Service{Headless: true, Published: 20 * time.Minute}, 3, 0, 20 * time.Minute},
		{"a target group that is asked, and drains", Service{TargetGroups: []string{"arn:drains"}}, 3, 0, settleProxies + 3*time.Minute},
		{"… that sends on for longer than it drains", Service{TargetGroups: []string{"arn:lags"}}, 3, 0, settleProxies + 4*time.Minute},
		{"one of nodes", Service{TargetGroups: []string{"arn:nodes"}}, 3, 0, settleProxies},
		{"a large cluster", Service{}, 2500, 0, settleProxies + 2*settleEach},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := NewView()
			c.service.Namespace, c.service.Name = "apps", "web"
			v.PutService(&c.service)
			v.hear([]Balancer{
				{Name: "drains", Group: "arn:drains", ByAddress: true, Draining: 3 * time.Minute, Lag: time.Minute},
				{Name: "lags", Group: "arn:lags", ByAddress: true, Draining: time.Minute, Lag: 4 * time.Minute},
				{Name: "nodes", Group: "arn:nodes", Draining: 5 * time.Minute}, {Name: "elsewhere", Group: "arn:elsewhere", ByAddress: true, Draining: time.Hour},
			})
			for i := range c.nodes {
				v.PutNode(&Node{Name: time.Duration(i).String()})
			}
			p := &Pod{Ref: Ref{Namespace: "apps"}, Paths: []Path{{Service: "web", Selected: true}}}
			elsewhere := &Pod{Ref: Ref{Namespace: "knative-serving"}, Paths: []Path{{Service: "apps/web", Listed: true}}}
			for _, p := range []*Pod{p, elsewhere} {
				if got := v.settle(p, c.least); got != c.want {
					t.Errorf("pod of %s: want %s, got %s", p.Namespace, c.want, got)
				}
			}
		})
	}
	if got := promised(&Pod{Workload: "deployment/apps/web"}, nil, nil, 0, nil); got.how != InOrder || got.why == "" {
		t.Errorf("its controller is gone: %+v", got)
	}
	if got := promised(&Pod{Workload: "deployment/apps/web", DoNotDisrupt: "karpenter.sh/do-not-disrupt"}, nil, nil, 0, nil); got.how != Never {
		t.Errorf("its controller is gone, and it is kept: %+v", got)
	}
	large := NewView()
	for i := range 1000 {
		large.PutNode(&Node{Name: strconv.Itoa(i)})
	}
	if got := large.settle(&Pod{}, 0); got != 0 {
		t.Errorf("nobody sends to it, and it waits %s", got)
	}
	if got := large.settle(&Pod{Paths: []Path{{Service: "gone", Listed: true}}}, 0); got != settleProxies+settleEach {
		t.Errorf("one that is known by its EndpointSlices alone is given %s", got)
	}
}

func TestWavesDouble(t *testing.T) {
	want := []int{0, 1, 1, 2, 2, 2, 2, 3}
	for i, w := range want {
		if wave(i) != w {
			t.Errorf("node %d: wave %d, want %d", i, wave(i), w)
		}
	}
}

// The canary shows whether pods move: the emptiest node of those that have any.
func TestCanaryHasSomethingToMove(t *testing.T) {
	v := NewView()
	for i, pods := range []int{0, 2, 1, 0} {
		name := "node-" + strconv.Itoa(i)
		v.PutNode(&Node{Name: name, Group: "web-1", Ready: true, Initialized: true})
		v.PutPod(&Pod{Ref: Ref{"kube-system", "proxy-" + name, "proxy-" + name}, Node: name, Workload: "daemonset/kube-system/proxy", Daemon: true})
		for j := range pods {
			pod := fmt.Sprint("web-", i, j)
			v.PutPod(&Pod{Ref: Ref{"apps", pod, pod}, Node: name, Workload: "deployment/apps/web"})
		}
	}
	v.PutPod(&Pod{Ref: Ref{"apps", "db-0", "db-0"}, Node: "node-3", Workload: "statefulset/apps/db"}) // which the move leaves alone
	m := NewMove(newRecord("web-1", 0, noon), Options{Scope: Scope{In: func(p *Pod, _ time.Time) bool { return p.Name != "db-0" }}})
	m.Begin(Observed{View: v})
	waves := map[string]int{}
	for name, r := range m.Record.Nodes {
		waves[name] = r.Wave
	}
	if want := map[string]int{"node-2": 0, "node-1": 1, "node-0": 1, "node-3": 2}; !maps.Equal(waves, want) {
		t.Errorf("waves %v, want %v", waves, want)
	}
}

// What a stack places anew is found whatever it is, and in whatever version of its API.
func TestWhatIsPlacedAnewIsFoundByItsKey(t *testing.T) {
	for typ, want := range map[string]string{
		"apps/v1/Deployment": "deployment/apps/x", "apps/v1/DaemonSet": "daemonset/apps/x", "v1/Service": "service/apps/x",
		"apps.kruise.io/v1beta1/CloneSet": (&Workload{API: "apps.kruise.io/v1alpha1", Kind: "CloneSet", Namespace: "apps", Name: "x"}).Key(),
	} {
		if got := placedAnew([]graph.Key{{Type: typ, Name: "apps/x"}}); !got[want] {
			t.Errorf("%s: %v, want %s", typ, got, want)
		}
	}
}

// A Service whose load balancer takes nodes of the old group only is a blocker,
// unless the plan changes the Service before the hand-over. Nodes that are yet to come may
// have its labels.
func TestServiceThatThePlanChangesIsLookedAtOnceItHas(t *testing.T) {
	v := NewView()
	for name, colour := range map[string]string{"old": "blue", "new": "green"} {
		v.Nodes[name] = &Node{Name: name, Labels: map[string]string{"ingress": colour}, Ready: true}
	}
	v.Services["apps/nginx"] = &Service{Namespace: "apps", Name: "nginx", Balanced: true, NodeLabels: map[string]string{"ingress": "blue"}}
	changed := placedAnew([]graph.Key{{Type: "v1/Service", Name: "apps/nginx"}})
	for _, tt := range []struct {
		replaced map[string]bool
		coming   bool
		want     event.Severity
	}{{nil, false, blocker}, {nil, true, warning}, {changed, false, ""}} {
		found := noNodesAdmitted(inspect(Question{Observed: Observed{View: v}, Group: "web-1", Leaving: []string{"old"}, Replaced: tt.replaced, Coming: tt.coming}))
		if len(found) != min(1, len(tt.want)) || tt.want != "" && (found[0].Severity != tt.want || !strings.Contains(found[0].Effect, "target-node-labels (ingress=blue)")) {
			t.Errorf("the plan changes %v, nodes are yet to come: %t: %+v, want %q", tt.replaced, tt.coming, found, tt.want)
		}
	}
}

// A node is idle if nothing of it has to move, nor to leave its Services.
func TestIdleNode(t *testing.T) {
	for name, c := range map[string]struct {
		pod  *Pod
		idle bool
	}{
		"empty":                           {nil, true},
		"a pod":                           {&Pod{}, false},
		"a pod that is not to move":       {&Pod{EmptyDir: true}, true},
		"a DaemonSet's":                   {&Pod{Daemon: true}, true},
		"a DaemonSet's, behind a Service": {&Pod{Daemon: true, Paths: []Path{{Service: "logs", Selected: true}}}, false},
		"one that has finished":           {&Pod{Finished: true}, true},
	} {
		m := &Move{view: NewView(), Options: Options{Scope: Scope{In: func(p *Pod, _ time.Time) bool { return !p.EmptyDir }}}}
		n := &Node{Name: "a"}
		m.view.PutNode(n)
		if c.pod != nil {
			c.pod.Ref, c.pod.Node = Ref{"apps", "p", "1"}, "a"
			m.view.PutPod(c.pod)
		}
		if is := m.idleNode(n); is != c.idle {
			t.Errorf("%s: %t", name, is)
		}
	}
}
