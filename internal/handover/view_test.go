package handover

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

// concerned are the workloads and nodes that have changed since that was last asked.
func concerned(v *View) string {
	c := v.Take()
	return fmt.Sprint(slices.Sorted(maps.Keys(c.Workloads)), slices.Sorted(maps.Keys(c.Nodes)), len(c.PodLog), len(c.NodeLog))
}

// A change concerns the workloads and nodes that are decided about by it: those that it
// leaves as well as those that it comes to.
func TestWhomAChangeConcerns(t *testing.T) {
	v := NewView()
	web := func(change func(*Pod)) *Pod {
		p := &Pod{Ref: Ref{"apps", "web-1", "1"}, Node: "a", Workload: "deployment/apps/web", Address: "10.0.0.1", Paths: []Path{{Service: "web"}, {Service: "other/far"}}, Budgets: []string{"pdb"}}
		change(p)
		return p
	}
	for _, row := range []struct {
		what   string
		change func()
		want   string
	}{
		{"a pod comes", func() { v.PutPod(web(func(*Pod) {})) }, "[deployment/apps/web] [a] 1 0"},
		{"it goes to another node", func() { v.PutPod(web(func(p *Pod) { p.Node = "b" })) }, "[deployment/apps/web] [a b] 1 0"},
		{"it is let go of", func() { v.PutPod(web(func(p *Pod) { p.Workload = "" })) }, "[deployment/apps/web pod/apps/web-1] [a b] 1 0"},
		{"… and its mark tells whose it was", func() {
			v.PutPod(web(func(p *Pod) { p.Workload, p.Released = "", encode(Release{Workload: "deployment/apps/web"}) }))
		}, "[deployment/apps/web pod/apps/web-1] [a] 1 0"},
		{"it has no node yet", func() { v.PutPod(web(func(p *Pod) { p.Node = "" })) }, "[deployment/apps/web] [a] 1 0"},
		{"a pod of its node comes", func() {
			v.PutPod(&Pod{Ref: Ref{"apps", "edge", "2"}, Node: "b", Workload: "daemonset/apps/edge", Daemon: true})
		}, "[] [b] 1 0"},
		{"its Service comes", func() { v.PutService(&Service{Namespace: "apps", Name: "web"}) }, "[deployment/apps/web] [] 0 0"},
		{"one of another namespace", func() { v.PutService(&Service{Namespace: "other", Name: "far"}) }, "[deployment/apps/web] [] 0 0"},
		{"one of others", func() { v.PutService(&Service{Namespace: "apps", Name: "x"}) }, "[] [] 0 0"},
		{"its Service goes", func() { v.DropService("apps/web") }, "[deployment/apps/web] [] 0 0"},
		{"its budget comes", func() { v.PutBudget(&Budget{Namespace: "apps", Name: "pdb"}) }, "[deployment/apps/web] [] 0 0"},
		{"its budget goes", func() { v.DropBudget("apps/pdb") }, "[deployment/apps/web] [] 0 0"},
		{"its workload comes", func() { v.PutWorkload(&Workload{Kind: "Deployment", API: "apps/v1", Namespace: "apps", Name: "web"}) }, "[deployment/apps/web] [] 0 0"},
		{"its workload goes", func() { v.DropWorkload("deployment/apps/web") }, "[deployment/apps/web] [] 0 0"},
		{"it leaves its Services", func() { v.PutPod(web(func(p *Pod) { p.Paths = nil })) }, "[deployment/apps/web] [a] 1 0"},
		{"they change", func() { v.PutService(&Service{Namespace: "apps", Name: "web"}) }, "[] [] 0 0"},
		{"it goes", func() { v.DropPod("1") }, "[deployment/apps/web] [a] 1 0"},
		{"one that nobody knows goes", func() { v.DropPod("9") }, "[] [] 0 0"},
		{"its budget comes again", func() { v.PutBudget(&Budget{Namespace: "apps", Name: "pdb"}) }, "[] [] 0 0"},
		{"a node comes", func() { v.PutNode(&Node{Name: "a", Instance: "i-1"}) }, "[] [a] 0 1"},
		{"it changes", func() { v.PutNode(&Node{Name: "a", Instance: "i-1", Ready: true}) }, "[] [a] 0 1"},
		{"it goes", func() { v.DropNode("a") }, "[] [a] 0 1"},
		{"one that nobody knows goes", func() { v.DropNode("z") }, "[] [] 0 0"},
	} {
		row.change()
		if got := concerned(v); got != row.want {
			t.Errorf("%s: %s, want %s", row.what, got, row.want)
		}
	}
	if n := len(v.Pods) + len(v.on) + len(v.of); n != 3 || len(v.Workloads)+len(v.Nodes)+len(v.byInstance)+len(v.byAddress)+len(v.behind)+len(v.under) > 0 {
		t.Errorf("something is left of what has gone: %+v", v)
	}
}

// A load balancer's target leads to its node: by its instance, or by the pod that has
// its address now.
func TestNodesOfTargets(t *testing.T) {
	v := NewView()
	v.PutNode(&Node{Name: "a", Instance: "i-1"})
	v.PutNode(&Node{Name: "b"})
	v.PutPod(&Pod{Ref: Ref{"apps", "web-1", "1"}, Node: "b", Address: "10.0.0.1"})
	v.PutPod(&Pod{Ref: Ref{"apps", "job-1", "2"}, Node: "a", Address: "10.0.0.2", Finished: true})
	at := func(target Target) string {
		if n := v.nodeOf(target); n != nil {
			return n.Name
		}
		return ""
	}
	for target, want := range map[Target]string{
		{Instance: "i-1"}: "a", {Instance: "i-2"}: "", {Instance: "i-1", Address: "10.0.0.1"}: "a",
		{Address: "10.0.0.1"}: "b", {Address: "10.0.0.2"}: "", {Address: "10.0.0.9"}: "",
	} {
		if got := at(target); got != want {
			t.Errorf("%+v: %q, want %q", target, got, want)
		}
	}
	v.PutPod(&Pod{Ref: Ref{"apps", "web-3", "3"}, Node: "a", Address: "10.0.0.1"}) // the address was given anew
	v.DropPod("1")
	if got := at(Target{Address: "10.0.0.1"}); got != "a" {
		t.Errorf("the address leads to %q", got)
	}
	v.DropNode("a")
	if got := at(Target{Instance: "i-1"}); got != "" {
		t.Errorf("the instance leads to %q", got)
	}
}

// A node is kept out of load balancers by any value of the label but one that reads as
// false, as the service controller has it.
func TestWhatExcludesANode(t *testing.T) {
	for value, want := range map[string]bool{"": true, "true": true, "1": true, "yes": true, "false": false, "0": false, "F": false} {
		if got := (&Node{Exclude: &value}).excluded(); got != want {
			t.Errorf("%q: %t", value, got)
		}
	}
	if (&Node{}).excluded() {
		t.Error("no label")
	}
}

// Load balancers may send through a node that is an instance, or none of AWS; pods may
// start on one that is whole and open.
func TestWhatANodeIsGoodFor(t *testing.T) {
	for n, want := range map[*Node]bool{{Instance: "i-1", Cloud: "aws"}: true, {Cloud: "aws"}: false, {Cloud: "gce"}: true, {}: true} {
		if got := n.registers(); got != want {
			t.Errorf("%+v: registers %t", n, got)
		}
	}
	for n, want := range map[*Node]bool{
		{Ready: true, Initialized: true}: true, {Initialized: true}: false, {Ready: true}: false,
		{Ready: true, Initialized: true, Cordoned: true}: false, {Ready: true, Initialized: true, Leaving: true}: false,
	} {
		if got := n.usable(); got != want {
			t.Errorf("%+v: usable %t", n, got)
		}
	}
}

// What a move leaves alone: what belongs to its node, and what no longer runs unless a
// finalizer keeps it.
func TestWhatStaysOnItsNode(t *testing.T) {
	edge, web := encode(Release{Workload: "daemonset.apps.kruise.io/apps/edge"}), encode(Release{Workload: "deployment/apps/web"})
	for what, row := range map[string]struct {
		p     Pod
		stays bool
	}{
		"any pod":                        {Pod{}, false},
		"a static one":                   {Pod{Mirror: true}, true},
		"a sentinel":                     {Pod{Sentinel: true}, true},
		"a DaemonSet's":                  {Pod{Daemon: true}, true},
		"one that a DaemonSet let go of": {Pod{Released: edge}, true},
		"one that others let go of":      {Pod{Released: web}, false},
		"one that is through":            {Pod{Finished: true}, true},
		"… and was told to end":          {Pod{Finished: true, Deleting: true}, true},
		"… and a finalizer keeps it":     {Pod{Finished: true, Deleting: true, Finalizers: []string{"x"}}, false},
		"… which nobody told to end":     {Pod{Finished: true, Finalizers: []string{"x"}}, true},
	} {
		if got := row.p.stays(); got != row.stays {
			t.Errorf("%s: stays %t", what, got)
		}
	}
}

// A pod that others serve for behind its Services has company there.
func TestWhoStandsBehindAService(t *testing.T) {
	v := NewView()
	put := func(name, workload string, paths ...Path) *Pod {
		p := &Pod{Ref: Ref{"apps", name, name}, Workload: workload, Paths: paths}
		v.PutPod(p)
		return p
	}
	one := put("a-1", "deployment/apps/a", Path{Service: "web", Ready: true}, Path{Service: "own", Listed: true})
	put("a-2", "deployment/apps/a", Path{Service: "web"}, Path{Service: "own", Ready: true})
	put("b-1", "deployment/apps/b", Path{Service: "web", Ready: true}, Path{Service: "other/far"})
	v.PutService(&Service{Namespace: "apps", Name: "web"})
	v.PutService(&Service{Namespace: "apps", Name: "own"})
	if !v.shared(one, "web") || v.shared(one, "own") {
		t.Error("web is shared with b, own is not")
	}
	for service, want := range map[string]int{"apps/web": 2, "apps/own": 1, "other/far": 0, "apps/none": 0} {
		if got := v.servers(service); got != want {
			t.Errorf("%d serve %s, want %d", got, service, want)
		}
	}
	if !slices.Equal(one.listed(), []string{"own"}) {
		t.Errorf("listed by %v", one.listed())
	}
	out := *one
	out.Paths, out.Released = one.Paths[1:], encode(Release{Workload: "deployment/apps/a", Services: []string{"web", "gone", "own"}})
	var names []string
	for _, s := range v.servicesOf(&out) {
		names = append(names, s.Name)
	}
	if !slices.Equal(names, []string{"own", "web"}) {
		t.Errorf("behind %v", names)
	}
}

// Nobody waits on new nodes for a DaemonSet that is Ready on none of the old ones and
// lacks pods there.
func TestDaemonSetsThatAil(t *testing.T) {
	old := func(node string) bool { return node != "new" }
	for what, row := range map[string]struct {
		scene func(v *View)
		ails  bool
	}{
		"it lacks a pod":               {func(*View) {}, true},
		"… and has one that is Ready":  {func(v *View) { v.PutPod(&Pod{Ref: Ref{UID: "1"}, Node: "b", Workload: "ds", Ready: true}) }, false},
		"… and has one that is not":    {func(v *View) { v.PutPod(&Pod{Ref: Ref{UID: "1"}, Node: "b", Workload: "ds"}) }, true},
		"… and has one on a new node":  {func(v *View) { v.PutPod(&Pod{Ref: Ref{UID: "1"}, Node: "new", Workload: "ds", Ready: true}) }, true},
		"… on a node that is not well": {func(v *View) { v.PutNode(&Node{Name: "a", Daemons: []string{"ds"}}) }, false},
		"… on new nodes alone": {func(v *View) {
			v.PutNode(&Node{Name: "a", Ready: true})
			v.PutNode(&Node{Name: "new", Ready: true, Daemons: []string{"ds"}})
		}, false},
	} {
		v := NewView()
		v.PutNode(&Node{Name: "a", Ready: true, Daemons: []string{"ds"}})
		row.scene(v)
		if got := v.ails("ds", old); got != row.ails {
			t.Errorf("%s: ails %t", what, got)
		}
	}
}

// What a budget, and a Service's load balancers, say of a pod and a node.
func TestBudgetsAndLoadBalancersByTheirFields(t *testing.T) {
	for b, want := range map[*Budget]bool{
		{Seen: true, Expected: 2, Desired: 2}: true, {Seen: true, Expected: 2, Desired: 3}: true, {Seen: true, Expected: 2, Desired: 1}: false,
		{Expected: 2, Desired: 2}: false, {Seen: true}: false,
	} {
		if got := b.never(); got != want {
			t.Errorf("%+v: never %t", b, got)
		}
	}
	owned := &Pod{Owner: &Owner{UID: "1"}}
	for b, want := range map[*Budget]bool{{Owner: "1"}: true, {Owner: "2"}: false, {}: false} {
		if got := b.keptFor(owned); got != want || b.keptFor(&Pod{}) || b.keptFor(&Pod{Owner: &Owner{}}) {
			t.Errorf("%+v: kept for it %t", b, got)
		}
	}
	s := &Service{NodeLabels: map[string]string{"a": "1", "b": ""}}
	for _, row := range []struct {
		labels map[string]string
		admits bool
	}{{map[string]string{"a": "1", "b": "", "c": "3"}, true}, {map[string]string{"a": "1"}, false}, {map[string]string{"a": "2", "b": ""}, false}, {nil, false}} {
		if got := s.admits(&Node{Labels: row.labels}); got != row.admits {
			t.Errorf("%v: admits %t", row.labels, got)
		}
	}
	if !(&Service{}).admits(&Node{}) {
		t.Error("who asks for no labels takes any node")
	}
}

// A kind that is not Kubernetes' own is named with its group.
func TestKeysOfWorkloads(t *testing.T) {
	for api, want := range map[string]string{
		"apps/v1": "statefulset/apps/db", "v1": "statefulset/apps/db", "batch/v1": "statefulset/apps/db", "apps.kruise.io/v1beta1": "statefulset.apps.kruise.io/apps/db",
	} {
		if got := WorkloadKey(api, "StatefulSet", "apps", "db"); got != want {
			t.Errorf("%s: %s, want %s", api, got, want)
		}
	}
}

// Nodes that leave are told in the order of their waves, and chosen, however they were
// named, in that of a group: those first that it can spare.
func TestOrderOfNodesThatLeave(t *testing.T) {
	r := &Record{Nodes: map[string]*NodeRecord{"a": {Wave: 2}, "b": {Wave: 0}, "c": {Wave: 1}, "d": {Wave: 1}}}
	if got := r.leaving(); !slices.Equal(got, []string{"b", "c", "d", "a"}) {
		t.Errorf("%v", got)
	}
	v := NewView()
	v.PutNode(&Node{Name: "old", Ready: true, Created: noon.Add(-time.Hour)})
	v.PutNode(&Node{Name: "new", Ready: true, Created: noon})
	v.PutNode(&Node{Name: "broken", Created: noon})
	v.PutNode(&Node{Name: "other", Group: "g", Ready: true})
	var names []string
	for _, n := range (Scope{Nodes: []string{"new", "gone", "broken", "old"}}).chosen(Observed{View: v}, "g", 1) {
		names = append(names, n.Name)
	}
	if !slices.Equal(names, []string{"broken", "old", "new"}) {
		t.Errorf("%v", names)
	}
	if got := (Scope{}).chosen(Observed{View: v}, "g", 0); len(got) != 1 || got[0].Name != "other" {
		t.Errorf("of the group: %v", got)
	}
}

// What is gone is found by no key any more.
func TestWhatIsDroppedIsForgotten(t *testing.T) {
	v := NewView()
	v.PutNode(&Node{Name: "a"})
	v.PutPod(&Pod{Ref: Ref{"apps", "p", "1"}, Node: "a"})
	v.PutWorkload(&Workload{Kind: "Deployment", Namespace: "apps", Name: "web"})
	v.PutService(&Service{Namespace: "apps", Name: "web"})
	v.PutBudget(&Budget{Namespace: "apps", Name: "spare"})
	v.PutEvictor(&Evictor{Kind: "Deployment", Namespace: "x", Name: "d"})
	v.DropNode("a")
	v.DropPod("1")
	v.DropWorkload("deployment/apps/web")
	v.DropService("apps/web")
	v.DropBudget("apps/spare")
	v.DropEvictor("deployment/x/d")
	if len(v.Nodes)+len(v.Pods)+len(v.Workloads)+len(v.Services)+len(v.Budgets)+len(v.Evictors)+len(v.On("a")) > 0 {
		t.Errorf("%+v", v)
	}
}

// The pods of a key come by name, in every turn.
func TestPodsOfAKeyAreInOrder(t *testing.T) {
	v := NewView()
	for _, r := range []Ref{{"b", "p", "1"}, {"a", "q", "2"}, {"a", "p", "4"}, {"a", "p", "3"}} {
		v.PutPod(&Pod{Ref: r, Node: "n"})
	}
	for range 10 {
		var got string
		for _, p := range v.On("n") {
			got += p.UID
		}
		if got != "3421" {
			t.Fatal(got)
		}
	}
}
