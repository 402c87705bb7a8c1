package handover

import (
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
)

// Every check finds its own trouble in an otherwise good pod, and nothing
// else; a good pod meets no finding.
func TestChecks(t *testing.T) {
	for _, c := range []struct {
		name     string
		change   func(*Pod, *Workload, *Observed)
		replaced bool
		want     string // severity and words of the effect; empty: nothing
	}{
		{"good", func(*Pod, *Workload, *Observed) {}, false, ""},
		{"bare", func(p *Pod, _ *Workload, _ *Observed) { p.Workload, p.Handle, p.Services = "", "", nil }, false, "blocker gone for good"},
		{"bare, expendable", func(p *Pod, _ *Workload, _ *Observed) { p.Workload, p.Expendable, p.Services = "", true, nil }, false, "warning ends for good"},
		{"pinned", func(p *Pod, _ *Workload, o *Observed) { p.Group = o.From.Name }, false, "blocker selector"},
		{"pinned, replaced by the plan", func(p *Pod, _ *Workload, o *Observed) { p.Group = o.From.Name }, true, "warning preStop"},
		{"two budgets", func(p *Pod, _ *Workload, _ *Observed) { p.Budgets = []string{"a", "b"} }, false, "blocker two PodDisruptionBudgets: a, b"},
		{"closed budget", func(p *Pod, w *Workload, o *Observed) {
			p.Budgets, o.Cluster.Budgets = []string{"a"}, []Budget{{Namespace: "apps", Name: "a", Never: true}}
		}, false, "note makes room"},
		{"closed budget, no surge", func(p *Pod, w *Workload, o *Observed) {
			w.Kind, p.Workload, p.Handle, p.PreStop, w.Replicas = "StatefulSet", "statefulset/apps/nginx", "", true, 3
			p.Budgets, o.Cluster.Budgets = []string{"a"}, []Budget{{Namespace: "apps", Name: "a", Never: true}}
		}, false, "blocker never allows; note one at a time"},
		{"recreate", func(p *Pod, _ *Workload, _ *Observed) {
			p.Handle, p.Alone, p.PreStop = "", "its Deployment's strategy is Recreate", true
		}, false, "warning Recreate"},
		{"rolling out", func(_ *Pod, w *Workload, _ *Observed) { w.Settled = false }, false, "warning rollout"},
		{"emptyDir", func(p *Pod, _ *Workload, _ *Observed) { p.EmptyDir = true }, false, "warning emptyDir"},
		{"no readiness probe", func(p *Pod, _ *Workload, _ *Observed) { p.Probe = false }, false, "warning readiness"},
		{"preStop too long", func(p *Pod, _ *Workload, _ *Observed) { p.PreStopTime = p.Grace }, false, "warning grace period"},
		{"single", func(_ *Pod, w *Workload, _ *Observed) { w.Replicas = 1 }, false, "note one replica"},
		{"no draining", func(_ *Pod, _ *Workload, o *Observed) { o.Balancers[0].Draining = 0 }, false, "warning draining is off"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := Workload{Kind: "Deployment", API: "apps/v1", Namespace: "apps", Name: "nginx", Replicas: 2, Surge: 1, Settled: true}
			p := Pod{
				Ref: Ref{Namespace: "apps", Name: "nginx-1", UID: "1"}, Node: "old", Workload: w.Key(), Handle: "pod-template-hash",
				Ready: true, Serving: true, Probe: true, Grace: 30 * time.Second, Services: []string{"nginx"},
			}
			o := Observed{
				At: epoch, From: Group{Name: "web", Instances: []Instance{{ID: "i-1"}}},
				Balancers: []Balancer{{Name: "lb", Draining: time.Minute, Targets: []Target{{Instance: "i-1", State: InService}}}},
			}
			c.change(&p, &w, &o)
			o.Cluster.Nodes = []Node{{Name: "old", Instance: "i-1"}}
			o.Cluster.Pods, o.Cluster.Workloads = []Pod{p}, []Workload{w}
			got := findings(newTurn(State{Group: "web"}, o), map[string]bool{w.Key(): c.replaced})
			expect(t, got, c.want)
		})
	}
}

func expect(t *testing.T, got []event.Finding, want string) {
	t.Helper()
	var wanted []string
	if want != "" {
		wanted = strings.Split(want, "; ")
	}
	if len(got) != len(wanted) {
		t.Fatalf("want %q, found %+v", wanted, got)
	}
	for i, f := range got {
		severity, words, _ := strings.Cut(wanted[i], " ")
		if string(f.Severity) != severity || !strings.Contains(f.Effect, words) || f.Severity == blocker && f.Fix == "" {
			t.Errorf("want %q, found %+v", wanted[i], f)
		}
	}
}

// Placement: by rule, by room on one node, by anti-affinity, and all together.
func TestMisplaced(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Observed)
		want   string
	}{
		{"fits", func(*Observed) {}, ""},
		{"no rule admits it", func(o *Observed) { o.Places = map[string][]string{"1": {"old"}, "2": {"old", "new"}} }, "blocker takes its pods"},
		{"larger than any node", func(o *Observed) { o.Cluster.Pods[0].CPU = 9000 }, "blocker has room"},
		{"only together too many", func(o *Observed) { o.Cluster.Pods[0].CPU, o.Cluster.Pods[1].CPU = 5000, 5000 }, "warning too full"},
		{"apart, and one node", func(o *Observed) { o.Cluster.Pods[0].Apart, o.Cluster.Pods[1].Apart = []string{"2"}, []string{"1"} }, "warning too full"},
		{"the new node is not usable", func(o *Observed) { o.Cluster.Nodes[0].Ready = false }, "blocker has room"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := Workload{Kind: "Deployment", Namespace: "apps", Name: "nginx", Settled: true}
			o := Observed{From: Group{Name: "web"}, Places: map[string][]string{"1": {"new", "old"}, "2": {"new", "old"}}}
			o.Cluster.Workloads = []Workload{w}
			o.Cluster.Nodes = []Node{
				{Name: "new", Group: "web-2", Ready: true, Initialized: true, CPU: 8000, Memory: 1 << 30, MaxPods: 10},
				{Name: "old", Group: "web", Ready: true, Initialized: true, CPU: 8000, Memory: 1 << 30, MaxPods: 10},
			}
			for _, uid := range []string{"1", "2"} {
				o.Cluster.Pods = append(o.Cluster.Pods, Pod{Ref: Ref{UID: uid}, Node: "old", Workload: w.Key(), CPU: 100, Memory: 1 << 20})
			}
			c.change(&o)
			expect(t, misplaced(newTurn(State{Group: "web"}, o)), c.want)
		})
	}
}
