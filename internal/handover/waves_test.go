package handover

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

// tour is a move in its first wave: of the nodes that leave, old-1 is the canary, old-2
// and old-3 come next, old-4 after them; node new stays. On each of them runs one pod of
// Deployment apps/web, web-1 on old-1 and so on, all behind Service web. The pod of the
// canary has gone. A row changes what is different.
type tour struct {
	*Move
	web *WorkloadRecord
}

func newTour() *tour {
	m := NewMove(newRecord("old", 0, noon), Options{})
	m.view, m.o.Ended, m.targets = NewView(), map[string]bool{}, map[string]map[string]Target{}
	m.view.Now, m.o.View = noon, m.view
	m.Record.Phase, m.Record.WaveAt = Shift, noon.Add(-time.Hour)
	t := &tour{Move: m, web: m.recordOf("deployment/apps/web")}
	t.web.State = WorkloadSurging
	m.view.PutService(&Service{Namespace: "apps", Name: "web"})
	m.view.PutWorkload(&Workload{Kind: "Deployment", API: "apps/v1", Namespace: "apps", Name: "web", Nature: Replicated, Wants: 5, Counted: true, Surge: 1,
		Holder: &Owner{Kind: "Deployment", Name: "web"}})
	for i, name := range []string{"old-1", "old-2", "old-3", "old-4"} {
		state := NodeClosed
		if i == 0 {
			state = NodeEmptying
		}
		m.Record.Nodes[name] = &NodeRecord{Wave: wave(i), State: state}
		t.node(name, nil)
		t.pod(fmt.Sprintf("web-%d", i+1), name, nil)
	}
	t.node("new", nil)
	t.pod("web-5", "new", nil)
	m.view.DropPod("web-1")
	m.view.Take()
	clear(m.dueNodes)
	return t
}

func (t *tour) node(name string, change func(*Node)) {
	n := &Node{Name: name, Instance: "i-" + name, Group: "old", Ready: true, Initialized: true}
	if change != nil {
		change(n)
	}
	t.view.PutNode(n)
}

func (t *tour) pod(name, node string, change func(*Pod)) {
	p := &Pod{Ref: Ref{"apps", name, name}, Node: node, Workload: "deployment/apps/web", Owner: &Owner{Kind: "ReplicaSet", Name: "web-abc"}, Doors: []string{"app"}, Probe: true,
		Ready: true, ReadySince: noon.Add(-time.Hour), Paths: []Path{{Service: "web", Selected: true, Listed: true, Ready: true}}}
	if change != nil {
		change(p)
	}
	t.view.PutPod(p)
}

// begun is a pod that was let go of, on that node, and taken out of its Services a while
// ago; 0: it is in them yet.
func (t *tour) begun(name, node string, out time.Duration) {
	r := Release{Group: "old", Workload: "deployment/apps/web", At: noon.Add(-time.Hour), Out: out > 0, OutAt: noon.Add(-out)}
	t.pod(name, node, func(p *Pod) { p.Released = encode(r) })
	if t.web.Released == nil {
		t.web.Released = map[string]PodRecord{}
	}
	t.web.Released[name] = PodRecord{Release: r}
}

// onlyOthers has the move concern none of the pods.
func (t *tour) onlyOthers() { t.Options.Scope.In = func(*Pod, time.Time) bool { return false } }

// Nothing is taken away on other nodes before the canary is through, and has been for
// a while. What takes long to end, or waits for load balancers, holds nobody up.
func TestTheSecondWaveWaitsForTheCanary(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(*tour)
		opens     bool
	}{
		{"nothing is left on it", func(*tour) {}, true},
		{"it has not been so for long", func(m *tour) { m.Record.WaveAt = noon.Add(time.Millisecond - canaryProof) }, false},
		{"… for long enough", func(m *tour) { m.Record.WaveAt = noon.Add(-canaryProof) }, true},
		{"the move pauses", func(m *tour) { m.pausing = true }, false},
		{"it is not closed any more", func(m *tour) { m.Record.Nodes["old-1"].State = NodeOpen }, false},
		{"it has yet to begin", func(m *tour) { m.Record.Nodes["old-1"].State = NodeClosed }, false},
		{"its pod is beside its replacement", func(m *tour) { m.begun("web-1", "old-1", 0) }, false},
		{"its pod was taken out just now", func(m *tour) { m.begun("web-1", "old-1", canaryPatience-time.Second) }, false},
		{"its pod has been out for long", func(m *tour) { m.begun("web-1", "old-1", canaryPatience) }, true},
		{"its pod is being let go of", func(m *tour) { m.pod("web-1", "old-1", nil) }, false},
		{"its pod waits for something else", func(m *tour) { m.pod("web-1", "old-1", nil); m.web.State = WorkloadWaiting }, true},
		{"its pod is of a workload that nobody has decided about", func(m *tour) {
			m.pod("db-1", "old-1", func(p *Pod) { p.Workload = "statefulset/apps/db" })
		}, false},
		{"its pod belongs to it", func(m *tour) { m.pod("proxy", "old-1", func(p *Pod) { p.Daemon = true }) }, true},
		{"its pod is none of the move's", func(m *tour) { m.begun("web-1", "old-1", 0); m.onlyOthers() }, true},
		{"its pod ends", func(m *tour) {
			m.web.State = WorkloadWaiting
			m.pod("web-1", "old-1", func(p *Pod) { p.Deleting, p.Told = true, noon.Add(time.Second-canaryPatience) })
		}, false},
		{"its pod takes long to end", func(m *tour) {
			m.web.State = WorkloadWaiting
			m.pod("web-1", "old-1", func(p *Pod) { p.Deleting, p.Told = true, noon.Add(-canaryPatience) })
		}, true},
		{"pods of the second wave are beside their replacements", func(m *tour) {
			m.pod("web-1", "old-1", func(p *Pod) { p.Deleting, p.Told = true, noon.Add(-time.Hour) })
			m.begun("web-2", "old-2", 0)
		}, true},
		{"… and one of the canary as well", func(m *tour) {
			m.begun("web-1", "old-1", 0)
			m.begun("web-2", "old-2", 0)
		}, false},
		{"a pod that it was made to let go of is seen no more", func(m *tour) {
			m.begun("web-1", "old-1", 0)
			m.pod("web-6", "old-1", func(p *Pod) { p.Deleting, p.Told = true, noon.Add(-time.Hour) })
			m.view.DropPod("web-1")
		}, false},
	} {
		t.Run(row.situation, func(t *testing.T) {
			m := newTour()
			row.scene(m)
			m.advance()
			if opens := m.Record.Wave == 1; opens != row.opens {
				t.Errorf("the second wave opens: %t", opens)
			}
			if _, due := m.dueNodes["old-2"]; due != row.opens {
				t.Errorf("its nodes are due: %t", due)
			}
		})
	}
}

// The canary's time begins anew as long as something of it is under way, and the move
// looks again in time, later waves come one after the other, and then there are none.
func TestWavesComeInTheirTime(t *testing.T) {
	m := newTour()
	m.begun("web-1", "old-1", 0)
	m.advance()
	if !m.Record.WaveAt.Equal(noon) {
		t.Errorf("the canary is busy, and counts as through since %s", m.Record.WaveAt)
	}
	m.view.DropPod("web-1")
	m.canaryReplaced = noon.Add(-time.Hour)
	m.advance()
	if at := m.dueNodes["old-1"]; !at.Equal(noon.Add(canaryProof)) || m.Record.Wave != 0 {
		t.Errorf("in wave %d it looks again at %s", m.Record.Wave, at)
	}
	m.dueNodes["old-1"] = time.Time{}
	if m.advance(); !m.dueNodes["old-1"].IsZero() {
		t.Error("what is due at once has to wait for that")
	}
	for wait, want := range map[time.Duration]int{waveTime - time.Millisecond: 1, waveTime: 2} {
		m.Record.Wave, m.Record.WaveAt = 1, noon.Add(-wait)
		if m.advance(); m.Record.Wave != want {
			t.Errorf("%s after the second wave began it is wave %d", wait, m.Record.Wave)
		}
	}
	m.Record.Wave, m.Record.WaveAt = 2, noon.Add(-time.Hour)
	if m.advance(); m.Record.Wave != 2 {
		t.Errorf("wave %d, of which no node is", m.Record.Wave)
	}
	m = newTour()
	version := m.version
	if m.advance(); !m.Record.WaveAt.Equal(noon) || m.version == version {
		t.Errorf("the second wave began at %s, and that is not kept", m.Record.WaveAt)
	}
	if _, due := m.dueWorkloads["deployment/apps/web"]; !due {
		t.Error("what runs there is not looked at")
	}
}

// Nothing leaves a node before its wave has come and it is closed, and all workloads
// leave nodes in one order: two that share nodes never wait for each other's.
func TestWhichNodesAreOpen(t *testing.T) {
	m := newTour()
	m.Record.Nodes["a"] = &NodeRecord{Wave: 2, State: NodeClosed}
	names := []string{"a", "old-4", "old-3", "old-2", "old-1", "stays"}
	slices.SortFunc(names, m.byWave)
	if want := []string{"stays", "old-1", "old-2", "old-3", "a", "old-4"}; !slices.Equal(names, want) {
		t.Errorf("they are emptied in the order %v", names)
	}
	m.Record.Wave = 1
	m.Record.Nodes["old-3"].State = NodeOpen
	open := slices.DeleteFunc(names, func(name string) bool { return !m.open(name) })
	if !slices.Equal(open, []string{"old-1", "old-2"}) {
		t.Errorf("open are %v", open)
	}
	if m.pausing = true; m.open("old-1") {
		t.Error("it is open in a pause")
	}
}

// What a node was like before is what stands on it of an earlier move, or what it is like.
func TestWhatANodeWasLikeBefore(t *testing.T) {
	for _, n := range []*Node{{Before: `{"unschedulable":true,"exclude":"x"}`}, {Cordoned: true, Exclude: new("x")}} {
		if b := beforeOf(n); !b.Unschedulable || b.Exclude == nil || *b.Exclude != "x" {
			t.Errorf("%+v: %+v", n, b)
		}
	}
	if b := beforeOf(&Node{Cordoned: true, Before: "{}"}); b.Unschedulable {
		t.Error("the earlier move closed it")
	}
}

// A Service is shared if pods of another workload stand behind it, or are owed to it.
func TestWhatIsOwedToServices(t *testing.T) {
	m := newTour()
	web, key := m.view.Pods["web-2"], "deployment/apps/web"
	m.noteFloors(key, WorkloadRecord{Floors: map[string]int{"web": 1, "": 2, "front": 0}})
	m.noteFloors("deployment/apps/gone", WorkloadRecord{Floors: map[string]int{"web": 1}})
	if len(m.owed) != 1 || !maps.Equal(m.owed["apps/web"], map[string]bool{key: true}) {
		t.Errorf("owed are %v", m.owed)
	}
	if m.shared(web, "web") {
		t.Error("it is shared with itself")
	}
	m.view.PutWorkload(&Workload{Kind: "Deployment", API: "apps/v1", Namespace: "apps", Name: "api"})
	m.noteFloors("deployment/apps/api", WorkloadRecord{Floors: map[string]int{"web": 1}})
	if !m.shared(web, "web") || m.shared(web, "front") {
		t.Errorf("owed are %v", m.owed)
	}
	m.owed = nil
	m.pod("api-1", "new", func(p *Pod) { p.Workload = "deployment/apps/api" })
	if !m.shared(web, "web") {
		t.Error("a pod of another workload stands behind it")
	}
}

// Replacements of the second wave are made once those of the canary have served alone
// for a while; what has yet to leave its Services there makes it wait, but not what
// stays there for good.
func TestReplacementsOfTheSecondWaveWaitForTheCanarys(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(*tour)
		ahead     bool
	}{
		{"nothing is left on it", func(*tour) {}, true},
		{"it has not been so for long", func(m *tour) { m.canaryReplaced = noon.Add(time.Millisecond - canaryProof) }, false},
		{"this is seen for the first time", func(m *tour) { m.canaryReplaced = time.Time{} }, false},
		{"the move pauses", func(m *tour) { m.pausing = true }, false},
		{"it is not closed any more", func(m *tour) { m.Record.Nodes["old-1"].State = NodeOpen }, false},
		{"it has yet to begin", func(m *tour) { m.Record.Nodes["old-1"].State = NodeClosed }, false},
		{"its pod serves", func(m *tour) { m.pod("web-1", "old-1", nil) }, false},
		{"its pod serves beside its replacement", func(m *tour) { m.begun("web-1", "old-1", 0) }, false},
		{"its pod is out", func(m *tour) { m.begun("web-1", "old-1", time.Second) }, true},
		{"its pod went back", func(m *tour) {
			m.pod("web-1", "old-1", func(p *Pod) { p.Released = encode(Release{Workload: "deployment/apps/web", Out: true, Back: true}) })
		}, false},
		{"its pod ends", func(m *tour) { m.pod("web-1", "old-1", func(p *Pod) { p.Deleting = true }) }, true},
		{"its pod belongs to it", func(m *tour) { m.pod("proxy", "old-1", func(p *Pod) { p.Daemon = true }) }, true},
		{"its pod is none of the move's", func(m *tour) { m.pod("web-1", "old-1", nil); m.onlyOthers() }, true},
		{"its pod's workload is parked", func(m *tour) { m.pod("web-1", "old-1", nil); m.web.State = WorkloadParked }, true},
	} {
		t.Run(row.situation, func(t *testing.T) {
			m := newTour()
			m.canaryReplaced = noon.Add(-canaryProof)
			row.scene(m)
			m.prepare()
			if got := m.ahead("old-2"); got != row.ahead {
				t.Errorf("they are made: %t", got)
			}
			if m.ahead("old-1") || m.ahead("old-4") || m.ahead("new") {
				t.Error("of another wave, too")
			}
		})
	}
	m := newTour()
	m.canaryReplaced, m.Record.WaveAt = noon.Add(-canaryProof), noon
	if m.advance(); !m.canaryProven || m.Record.Wave != 0 {
		t.Errorf("nobody looks, in wave %d", m.Record.Wave)
	}
	if _, due := m.dueWorkloads["deployment/apps/web"]; !due {
		t.Error("its workloads are not looked at")
	}
	m = newTour()
	m.prepare()
	if at := m.dueNodes["old-1"]; !at.Equal(noon.Add(canaryProof)) {
		t.Errorf("it looks again at %s", at)
	}
	m.pod("web-1", "old-1", nil)
	m.prepare()
	m.view.DropPod("web-1")
	if m.view.Now = noon.Add(canaryProof); m.canaryProven {
		t.Error("one serves there again")
	}
	if m.prepare(); m.canaryProven {
		t.Error("its time did not begin anew")
	}
}

// Load balancers let go of all other nodes once they have let go of the canary.
func TestLoadBalancersLetGoOfOthersAfterTheCanary(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(*tour)
		out       bool
	}{
		{"it is out of them", func(*tour) {}, true},
		{"it is not excluded", func(m *tour) { m.node("old-1", nil) }, false},
		{"it is not closed any more", func(m *tour) { m.Record.Nodes["old-1"].State = NodeOpen }, false},
		{"it has yet to begin", func(m *tour) { m.Record.Nodes["old-1"].State = NodeClosed }, false},
		{"one sends to it", func(m *tour) { m.targets["i-old-1"] = map[string]Target{"lb": {State: InService}} }, false},
		{"one may send to it", func(m *tour) { m.targets["i-old-1"] = map[string]Target{"lb": {State: OutOfService}} }, false},
		{"one drains it", func(m *tour) { m.targets["i-old-1"] = map[string]Target{"lb": {State: Draining}} }, true},
		{"it is gone", func(m *tour) { m.node("old-1", nil); m.view.DropNode("old-1") }, true},
		{"its instance has ended", func(m *tour) { m.node("old-1", nil); m.o.Ended["i-old-1"] = true }, true},
		{"a later wave has come", func(m *tour) { m.node("old-1", nil); m.Record.Wave = 1 }, true},
	} {
		t.Run(row.situation, func(t *testing.T) {
			m := newTour()
			m.node("old-1", func(n *Node) { n.Exclude = new("true") })
			row.scene(m)
			m.othersLeaveEarly()
			if m.canaryLetGo != row.out || (m.early("old-4")) != row.out {
				t.Errorf("others leave: %t, %t", m.canaryLetGo, m.early("old-4"))
			}
			_, due := m.dueNodes["old-4"]
			if _, canary := m.dueNodes["old-1"]; due != row.out || canary {
				t.Errorf("due are %v", slices.Collect(maps.Keys(m.dueNodes)))
			}
		})
	}
}

// A node stays in its load balancers as long as something on it is reached through it
// alone and has no replacement, or does not leave at all.
func TestNodesLeaveLoadBalancersEarlyUnlessSomethingNeedsThem(t *testing.T) {
	local := func(m *tour) { m.view.PutService(&Service{Namespace: "apps", Name: "web", Local: true}) }
	for _, row := range []struct {
		situation      string
		scene          func(*tour)
		early, willing bool // of node old-2: now, and as soon as what is on it has replacements
	}{
		{"requests reach its pod through other nodes, too", func(*tour) {}, true, true},
		{"its pod is reached through it alone", local, false, true},
		{"… and was let go of", func(m *tour) { local(m); m.begun("web-2", "old-2", 0) }, true, true},
		{"… and is not replaced first", func(m *tour) { local(m); m.view.Workloads["deployment/apps/web"].Surge = 0 }, false, false},
		{"… and may not be let go of", func(m *tour) { local(m); m.web.Denied = map[string]string{verbHold: "policy"} }, false, false},
		{"… and its wave comes later", func(m *tour) { local(m); m.Record.Nodes["old-2"].Wave = 2 }, false, false},
		{"… and ends", func(m *tour) { local(m); m.pod("web-2", "old-2", func(p *Pod) { p.Deleting = true }) }, true, true},
		{"… and belongs to the node", func(m *tour) { local(m); m.pod("web-2", "old-2", func(p *Pod) { p.Daemon = true }) }, true, true},
		{"its pod is parked", func(m *tour) { m.web.State = WorkloadParked }, false, false},
		{"its pod is none of the move's", func(m *tour) { m.onlyOthers() }, false, false},
		{"its pod is of a workload that nobody has decided about", func(m *tour) { clear(m.Record.Workloads) }, true, true},
		{"its wave has come", func(m *tour) { m.Record.Wave, m.Record.Nodes["old-2"].State = 1, NodeEmptying }, false, false},
		{"it is not closed", func(m *tour) { m.Record.Nodes["old-2"].State = NodeOpen }, false, true},
		{"the move pauses", func(m *tour) { m.pausing = true }, false, true},
		{"the move soaks", func(m *tour) { m.Record.Phase = Soak }, false, true},
		{"load balancers have the canary", func(m *tour) { m.canaryLetGo = false }, false, true},
	} {
		t.Run(row.situation, func(t *testing.T) {
			m := newTour()
			m.canaryLetGo = true
			row.scene(m)
			if got := m.early("old-2"); got != row.early {
				t.Errorf("they may let go of it now: %t", got)
			}
			if m.Record.Wave > 0 {
				return // it goes with its wave
			}
			if got := m.leavesEarly("old-2"); got != row.willing {
				t.Errorf("it leaves them before its wave: %t", got)
			}
		})
	}
}

// A Service that several workloads serve has somebody else who serves it only if that
// pod is not about to go itself, and everybody sends to it; and a workload that owes the
// Service pods, and has them on their way, comes first.
func TestWhoElseServesAService(t *testing.T) {
	const api = "deployment/apps/api"
	other := func(m *tour, change func(*Pod)) {
		m.pod("api-1", "new", func(p *Pod) {
			p.Workload = api
			if change != nil {
				change(p)
			}
		})
	}
	for _, row := range []struct {
		situation string
		scene     func(*tour)
		serve     bool
		short     string
	}{
		{"nobody", func(*tour) {}, false, api},
		{"another workload", func(m *tour) { other(m, nil) }, true, ""},
		{"… which owes more", func(m *tour) { other(m, nil); m.Record.Workloads[api].Floors["web"] = 2 }, true, api},
		{"… and is parked with less", func(m *tour) { m.Record.Workloads[api].State = WorkloadParked }, false, ""},
		{"a pod that ends", func(m *tour) { other(m, func(p *Pod) { p.Deleting = true }) }, false, api},
		{"a pod that is listed as one that does not serve", func(m *tour) { other(m, func(p *Pod) { p.Paths[0].Ready = false }) }, false, api},
		{"a pod that was asked to go", func(m *tour) {
			other(m, nil)
			m.Record.Workloads[api].asked = map[string]time.Time{"api-1": noon}
		}, false, api},
		{"a pod that is new", func(m *tour) { other(m, func(p *Pod) { p.ReadySince = noon.Add(time.Millisecond - settleProxies) }) }, false, api},
		{"a pod that everybody sends to by now", func(m *tour) { other(m, func(p *Pod) { p.ReadySince = noon.Add(-settleProxies) }) }, true, ""},
		{"of two that owe it more the first is named", func(m *tour) {
			m.Record.Workloads["cronjob"] = &WorkloadRecord{Floors: map[string]int{"web": 1}}
			m.owed["apps/web"]["cronjob"] = true
		}, false, "cronjob"},
	} {
		t.Run(row.situation, func(t *testing.T) {
			m := newTour()
			m.Record.Workloads[api] = &WorkloadRecord{Floors: map[string]int{"web": 1}}
			m.owed["apps/web"] = map[string]bool{api: true, "deployment/apps/web": true, "unknown": true}
			m.web.Floors = map[string]int{"web": 9} // its own is no matter of others
			row.scene(m)
			serve, short := m.sharers(m.view.Pods["web-2"], "web")
			if serve != row.serve || short != row.short {
				t.Errorf("others serve it: %t, and %q is short", serve, short)
			}
		})
	}
}

// Which nodes a group that shrinks can spare: each rule counts only between nodes that
// the ones before it hold for equal.
func TestWhichNodesAGroupCanSpare(t *testing.T) {
	g := Group{Instances: []Instance{{ID: "i-stays", Lifecycle: "InService"}, {ID: "i-ends", Lifecycle: "Terminating:Wait"}}}
	pods := map[string]int{"full": 2, "half": 1}
	rows := []struct {
		rule  string
		spare Node // comes before
		keep  Node
	}{
		{"one whose instance has left the group", Node{Name: "z", Instance: "i-gone", Ready: true}, Node{Name: "a", Instance: "i-stays", Before: "{}"}},
		{"… or is about to", Node{Name: "z", Instance: "i-ends", Ready: true}, Node{Name: "a", Instance: "i-stays", Before: "{}"}},
		{"one that was chosen before", Node{Name: "z", Before: "{}", Ready: true}, Node{Name: "a"}},
		{"a broken one", Node{Name: "full"}, Node{Name: "a", Ready: true}},
		{"the one with fewer pods", Node{Name: "half", Created: noon}, Node{Name: "full"}},
		{"the older one", Node{Name: "z", Created: noon.Add(-time.Second)}, Node{Name: "a", Created: noon}},
		{"the first by name", Node{Name: "a"}, Node{Name: "z"}},
	}
	order := surplusFirst(g, func(node string) int { return pods[node] })
	for _, row := range rows {
		if order(&row.spare, &row.keep) >= 0 || order(&row.keep, &row.spare) <= 0 {
			t.Errorf("%s does not come first", row.rule)
		}
	}
}

// A group that shrinks gives up those beyond what it keeps, and no others.
func TestNodesBeyondThoseThatAGroupKeeps(t *testing.T) {
	v := NewView()
	for i, n := range []Node{{Name: "a", Group: "web"}, {Name: "b", Instance: "i-1"}, {Name: "c", Group: "web", Ready: true}, {Name: "d", Group: "db"}, {Name: "e", Instance: "i-2"}, {Name: "f"}} {
		n.Created = noon.Add(time.Duration(i) * time.Second)
		v.PutNode(&n)
	}
	o := Observed{View: v, From: Group{Name: "web", Instances: []Instance{{ID: "i-1", Lifecycle: "InService"}}}}
	for keep, want := range map[int][]string{0: {"a", "b", "c"}, 1: {"a", "b"}, 2: {"a"}, 3: nil, 9: nil} {
		var got []string
		for _, n := range chosen(o, "web", keep) {
			got = append(got, n.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("it keeps %d, and %v go", keep, got)
		}
	}
	if got := chosen(o, "", 0); len(got) != 1 || got[0].Name != "b" {
		t.Errorf("a group without a name has %d nodes", len(got))
	}
}

// What the group launches while it is emptied leaves as well, with the wave under way;
// nothing else does.
func TestNodesThatComeToTheGroupLeaveToo(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(*tour)
		heard     bool
		joins     bool
	}{
		{"by its label", func(m *tour) { m.node("late", nil) }, false, true},
		{"… of another group", func(m *tour) { m.node("late", func(n *Node) { n.Group = "new" }) }, false, false},
		{"… of none", func(m *tour) { m.node("late", func(n *Node) { n.Group = "" }) }, false, false},
		{"by its instance, of which AWS tells", func(m *tour) {
			m.node("late", func(n *Node) { n.Group = "" })
			m.o.From.Instances = []Instance{{ID: "i-late"}, {ID: "i-unknown"}}
		}, true, true},
		{"… and told before", func(m *tour) {
			m.node("late", func(n *Node) { n.Group = "" })
			m.o.From.Instances = []Instance{{ID: "i-late"}}
		}, false, false},
		{"the group keeps it", func(m *tour) { m.node("late", nil); m.Record.Keep = 9 }, false, false},
		{"the nodes were named", func(m *tour) { m.node("late", nil); m.Options.Scope.Nodes = []string{"old-1"} }, false, false},
		{"the move stops", func(m *tour) { m.node("late", nil); m.Record.Phase = Stop }, false, false},
		{"the move soaks", func(m *tour) { m.node("late", nil); m.Record.Phase = Soak }, false, true},
	} {
		t.Run(row.situation, func(t *testing.T) {
			m := newTour()
			m.node("new", func(n *Node) { n.Group = "new" })
			m.Record.Wave = 1
			m.view.Take()
			row.scene(m)
			version := m.version
			m.join(m.view.Take().Nodes, row.heard)
			r := m.Record.Nodes["late"]
			if (r != nil) != row.joins {
				t.Fatalf("it leaves: %t", r != nil)
			}
			at, due := m.dueNodes["late"]
			if r != nil && (r.Wave != 1 || r.State != NodeOpen || !r.Since.Equal(noon)) || due != row.joins || !at.IsZero() || m.version > version != row.joins {
				t.Errorf("%+v, due at %s: %t", r, at, due)
			}
		})
	}
}

// Whether a node is one of those that a group keeps is not asked each time that it changes.
func TestNodesThatStayAreLookedAtOnce(t *testing.T) {
	m := newTour()
	m.Record.Keep = 5
	all := map[string]bool{"new": true, "old-1": true, "unknown": true}
	if came := m.came(all, false); !slices.Equal(came, []string{"new"}) {
		t.Errorf("new are %v", came)
	}
	m.join(all, false)
	if came := m.came(all, true); came != nil {
		t.Errorf("new are %v once more", came)
	}
}

// A node whose kubelet is silent is given Kubernetes' own time, one whose instance has
// ended none.
func TestWhichNodesAreDead(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(*tour)
		dead      bool
	}{
		{"it is Ready", func(*tour) {}, false},
		{"it was silent for long, and is Ready", func(m *tour) { m.node("old-1", func(n *Node) { n.ReadySince = noon.Add(-time.Hour) }) }, false},
		{"it is silent", func(m *tour) {
			m.node("old-1", func(n *Node) { n.Ready, n.ReadySince = false, noon.Add(time.Second-deadAfter) })
		}, false},
		{"… for long", func(m *tour) { m.node("old-1", func(n *Node) { n.Ready, n.ReadySince = false, noon.Add(-deadAfter) }) }, true},
		{"its instance has ended", func(m *tour) { m.o.Ended["i-old-1"] = true }, true},
		{"another one has", func(m *tour) { m.o.Ended["i-old-2"] = true }, false},
		{"it is gone", func(m *tour) { m.view.DropNode("old-1") }, true},
	} {
		m := newTour()
		row.scene(m)
		if got := m.dead("old-1"); got != row.dead {
			t.Errorf("%s: %t", row.situation, got)
		}
	}
}

// What runs on a node whose instance has ended is looked at at once, once.
func TestEndsOfInstancesAreHeardOnce(t *testing.T) {
	m := newTour()
	m.pod("web-1", "old-1", nil)
	m.o.Ended = map[string]bool{"i-old-1": true, "i-elsewhere": true}
	m.hearEnds()
	if _, due := m.dueNodes["old-1"]; !due || len(m.dueNodes) != 1 || len(m.dueWorkloads) != 1 {
		t.Errorf("due are %v and %v", m.dueNodes, m.dueWorkloads)
	}
	clear(m.dueNodes)
	if m.hearEnds(); len(m.dueNodes) > 0 {
		t.Errorf("due are %v again", m.dueNodes)
	}
}
