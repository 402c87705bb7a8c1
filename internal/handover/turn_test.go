package handover

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/problem"
)

// What the move as a whole decides, beside its workloads and nodes: when nodes are
// closed, what is looked at and when, who may try while there is no room, when it stops.

// newReady is a tour that is about to close its nodes; node new is there to take pods.
func newReady() *tour {
	t := newTour()
	t.Record.Phase = Ready
	for _, r := range t.Record.Nodes {
		r.State = NodeOpen
	}
	return t
}

// close makes all nodes that leave ones that were closed for the move.
func (t *tour) close() {
	for name := range t.Record.Nodes {
		t.node(name, func(n *Node) { n.Cordoned, n.Before = true, "{}" })
	}
}

// turn decides once.
func (t *tour) turn(decide func()) string {
	t.actions = nil
	clear(t.waits)
	decide()
	var done []string
	for _, a := range t.actions {
		done = append(done, a.String())
	}
	return strings.Join(append(done, t.waits[""]...), "; ")
}

func TestNoPodMovesBeforeAllIsReady(t *testing.T) {
	const cordons = "cordon node old-1; cordon node old-2; cordon node old-3; cordon node old-4"
	for _, row := range []struct {
		situation string
		scene     func(*tour)
		want      string
		phase     Phase
	}{
		{"all nodes are closed at once", func(*tour) {}, cordons, Ready},
		{"… again, if somebody opens one", func(m *tour) { m.close(); m.node("old-3", nil) }, "cordon node old-3", Ready},
		{"the group is held still before that", func(m *tour) { m.o.From = Group{Name: "old", Min: 4} }, "hold group old, suspend [AZRebalance AlarmNotification InstanceRefresh ReplaceUnhealthy ScheduledActions], min 0", Ready},
		{"the move pauses", func(m *tour) { m.pausing, m.o.Pause = true, "ops wants it" }, "ops wants it", Ready},
		{"no node can take pods", func(m *tour) { m.view.DropNode("new") }, "no node outside old is Ready", Ready},
		{"another move comes first: its nodes are closed and nothing more", func(m *tour) { m.close(); m.o.First = "the move of other first" }, "the move of other first", Ready},
		{"all is ready", (*tour).close, "", Shift},
	} {
		t.Run(row.situation, func(t *testing.T) {
			m := newReady()
			row.scene(m)
			if got := m.turn(m.ready); got != row.want || m.Record.Phase != row.phase {
				t.Errorf("%s: %q, want %s: %q", m.Record.Phase, got, row.phase, row.want)
			}
		})
	}
}

// When the first pods may move, everything is looked at that the first wave concerns,
// and the time of what starts on closed nodes counts from then.
func TestWhatIsDueWhenTheFirstPodMayMove(t *testing.T) {
	m := newReady()
	m.close()
	m.pod("db-1", "old-1", func(p *Pod) { p.Workload = "statefulset/apps/db" })
	m.recordOf("job/apps/elsewhere")
	for _, r := range m.Record.Nodes {
		r.State = NodeClosed // for a while
	}
	m.Record.Wave, m.Record.Closed = 3, time.Time{}
	m.turn(m.ready)
	if m.Record.Wave != 0 || !m.Record.WaveAt.Equal(noon) || !m.Record.Closed.Equal(noon) {
		t.Errorf("%+v", m.Record)
	}
	workloads, nodes := map[string]bool{}, map[string]bool{}
	m.due(workloads, nodes)
	if want := []string{"new", "old-1", "old-2", "old-3", "old-4"}; !slices.Equal(slices.Sorted(maps.Keys(nodes)), want) {
		t.Errorf("nodes %v", nodes)
	}
	if want := []string{"deployment/apps/web", "job/apps/elsewhere", "statefulset/apps/db"}; !slices.Equal(slices.Sorted(maps.Keys(workloads)), want) {
		t.Errorf("workloads %v", workloads)
	}
}

// A move that cannot begin is given up when the same was lacking for long; what was
// there in between, or was not asked for, begins its time anew.
func TestWhenAMoveThatCannotBeginStops(t *testing.T) {
	lacks := func(m *tour) { m.view.DropNode("new") }
	has := func(m *tour) { m.node("new", nil) }
	opened := func(m *tour) { m.node("old-2", nil) }
	closed := func(m *tour) { m.close(); m.o.First = "another" }
	pauses := func(m *tour) { m.o.Pause = "ops"; m.pause() }
	goesOn := func(m *tour) { m.o.Pause = ""; m.pause() }
	for _, row := range []struct {
		situation            string
		first, between, then func(*tour)
		why                  string // it stops; empty: it goes on
	}{
		{"no node takes pods", lacks, nil, nil, "still not ready after 15m0s: no node outside old is Ready"},
		{"… and one did in between", lacks, func(m *tour) { has(m); closed(m) }, lacks, ""},
		{"… and the move paused", lacks, pauses, func(m *tour) { goesOn(m); lacks(m) }, ""},
		{"its nodes cannot be closed", func(*tour) {}, nil, nil, "node/old-1: it could not be cordoned for 15m0s"},
		{"its group cannot be held still", func(m *tour) { m.close(); m.o.From = Group{Name: "old", Min: 4} }, nil, nil, "its nodes could not be closed, or its groups not be held still, within 15m0s"},
		{"they were closed in between, and wait for another move", opened, closed, opened, ""},
		{"they were opened again while the move paused", opened, func(m *tour) { m.close(); pauses(m) }, func(m *tour) { goesOn(m); opened(m) }, ""},
	} {
		t.Run(row.situation, func(t *testing.T) {
			m := newReady()
			for i, scene := range []func(*tour){row.first, row.between, row.then} {
				m.view.Now = noon.Add([]time.Duration{0, time.Second, patience}[i])
				if scene != nil {
					scene(m)
				}
				if m.turn(m.ready); i < 2 && m.Record.Phase != Ready {
					t.Fatalf("%s: %+v", m.Record.Phase, m.Record.Reason)
				}
			}
			r := m.Record.Reason
			switch {
			case row.why == "" && r != nil:
				t.Errorf("it stops: %s", r.Why)
			case row.why != "" && (r == nil || m.Record.Phase != Stop || r.Why != row.why || r.Kind != problem.Outside):
				t.Errorf("%s: %+v", m.Record.Phase, r)
			}
		})
	}
	m := newReady()
	for _, after := range []time.Duration{0, patience - time.Second} {
		m.view.Now = noon.Add(after)
		lacks(m)
		if m.turn(m.ready); m.Record.Phase != Ready {
			t.Errorf("it stops after %s", after)
		}
	}
}

// A move whose pods have nowhere to go any more stops, so that the old nodes take them:
// soon if the group is gone, late if its nodes may come back.
func TestWhenPodsHaveNowhereToGo(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(*tour)
		limit     time.Duration // 0: it goes on
	}{
		{"the new group has a node", func(*tour) {}, 0},
		{"it is deleted", func(m *tour) { m.o.To = nil }, sureAfter},
		{"it has no node that is Ready", func(m *tour) { m.view.DropNode("new") }, deadAfter},
		{"… and wants none", func(m *tour) { m.view.DropNode("new"); m.o.To[0].Desired = 0 }, 0},
		{"… as AWS said when it last answered", func(m *tour) { m.view.DropNode("new"); m.o.Stale = "throttled" }, 0},
		{"another group is deleted", func(m *tour) { m.Options.Awaited = nil; m.o.To = nil }, 0},
	} {
		t.Run(row.situation, func(t *testing.T) {
			m := newTour()
			m.Options.Awaited, m.o.To = []string{"new"}, []Group{{Name: "new", Desired: 1}}
			m.node("new", func(n *Node) { n.Group = "new" })
			row.scene(m)
			for _, after := range []time.Duration{0, sureAfter - time.Second, sureAfter, deadAfter - time.Second, deadAfter, time.Hour} {
				m.view.Now = noon.Add(after)
				lost := m.lost()
				if want := row.limit > 0 && after >= row.limit; lost != want || (m.Record.Phase == Stop) != want {
					t.Fatalf("after %s: %t, %s", after, lost, m.Record.Phase)
				}
				if lost {
					break
				}
			}
		})
	}
	m := newTour()
	m.Options.Awaited = []string{"new"}
	m.lost()
	m.o.To = []Group{{Name: "new"}}
	m.lost()
	m.o.To, m.view.Now = nil, noon.Add(time.Hour)
	if m.lost() {
		t.Error("it was there in between")
	}
}

// While replacements find no room, all others may try one at a time.
func TestWhoMayTryWhileThereIsNoRoom(t *testing.T) {
	for _, row := range []struct {
		situation           string
		crowded, unreplaced []string
		want                int
	}{
		{"there is room", nil, []string{"a", "b"}, 5},
		{"another finds none", []string{"a"}, []string{"a"}, 1},
		{"it tries itself", []string{"a"}, []string{"a", "web"}, 0},
		{"it finds none itself", []string{"web"}, []string{"web"}, 0},
		{"another one tries", []string{"a"}, []string{"a", "b"}, 0},
	} {
		m := newTour()
		for _, key := range row.crowded {
			m.crowded[key] = true
		}
		for _, key := range row.unreplaced {
			m.unreplaced[key] = true
		}
		m.view.DropPod("web-9")
		m.pod("web-6", "new", nil)
		if got := m.room("web"); got != row.want {
			t.Errorf("%s: room for %d", row.situation, got)
		}
	}
}

// Those in line have their turn when one that found no room has found it, or is given
// up, or one that tried is through.
func TestWhoIsInLineHasItsTurn(t *testing.T) {
	for _, row := range []struct {
		situation string
		d         Decision
		due       bool
	}{
		{"it still finds none", Decision{Record: WorkloadRecord{State: WorkloadSurging}, Crowded: true, Unreplaced: true}, false},
		{"it has found it", Decision{Record: WorkloadRecord{State: WorkloadSurging}, Unreplaced: true}, true},
		{"its replacements serve", Decision{Record: WorkloadRecord{State: WorkloadSurging}, Crowded: true}, true},
		{"it is given up", Decision{Record: WorkloadRecord{State: WorkloadParked}, Crowded: true, Unreplaced: true}, true},
	} {
		m := newTour()
		m.crowded["a"], m.unreplaced["a"], m.inLine["b"] = true, true, true
		m.note("a", row.d)
		if _, due := m.dueWorkloads["b"]; due != row.due {
			t.Errorf("%s: the next one is due: %t", row.situation, due)
		}
	}
}

// What a decision leaves behind is looked at again: in its own time, or soon, if
// something was asked for that may get lost. A move is through when nothing is unsettled.
func TestWhenAWorkloadIsLookedAtAgain(t *testing.T) {
	act := []Action{Wait{For: "x"}, Evict{}}
	wait := []Action{Wait{For: "x"}}
	for _, row := range []struct {
		situation string
		d         Decision
		due       time.Duration // 0: when it changes
		settled   bool
	}{
		{"it waits for something that is seen", Decision{Record: WorkloadRecord{State: WorkloadWaiting}, Actions: wait}, 0, false},
		{"it waits for its time", Decision{Record: WorkloadRecord{State: WorkloadWaiting}, Actions: wait, Again: noon.Add(time.Hour)}, time.Hour, false},
		{"it asks for something", Decision{Record: WorkloadRecord{State: WorkloadSurging}, Actions: act}, askAgain, false},
		{"… and its time comes later", Decision{Record: WorkloadRecord{State: WorkloadSurging}, Actions: act, Again: noon.Add(time.Hour)}, askAgain, false},
		{"… and its time comes sooner", Decision{Record: WorkloadRecord{State: WorkloadSurging}, Actions: act, Again: noon.Add(time.Second)}, time.Second, false},
		{"it has moved", Decision{Record: WorkloadRecord{State: WorkloadMoved}}, 0, true},
		{"it is parked", Decision{Record: WorkloadRecord{State: WorkloadParked}}, 0, true},
		{"… with pods under way", Decision{Record: WorkloadRecord{State: WorkloadParked, Released: map[string]PodRecord{"web-1": {}}}}, 0, false},
	} {
		t.Run(row.situation, func(t *testing.T) {
			m := newTour()
			m.unsettled["web"], m.dueWorkloads["web"] = true, noon.Add(time.Minute)
			m.note("web", row.d)
			at, due := m.dueWorkloads["web"]
			if due != (row.due > 0) || due && at.Sub(noon) != row.due {
				t.Errorf("due after %s: %t", at.Sub(noon), due)
			}
			if m.unsettled["web"] == row.settled {
				t.Errorf("settled: %t", !m.unsettled["web"])
			}
		})
	}
}

// What is due is decided about when its time has come, once.
func TestWhatIsDueIsLookedAtOnce(t *testing.T) {
	m := newTour()
	m.dueWorkloads = map[string]time.Time{"now": noon, "later": noon.Add(time.Millisecond)}
	m.dueNodes = map[string]time.Time{"now": noon, "at once": {}, "later": noon.Add(time.Millisecond)}
	workloads, nodes := map[string]bool{"seen": true}, map[string]bool{}
	m.due(workloads, nodes)
	if !maps.Equal(workloads, map[string]bool{"seen": true, "now": true}) || !maps.Equal(nodes, map[string]bool{"now": true, "at once": true}) {
		t.Errorf("%v, %v", workloads, nodes)
	}
	if len(m.dueWorkloads) != 1 || len(m.dueNodes) != 1 {
		t.Errorf("left are %v, %v", m.dueWorkloads, m.dueNodes)
	}
}

// Only what the move concerns has a record: workloads of which pods leave, and those with
// pods that were let go of, wherever these are.
func TestWhichWorkloadsAMoveDecidesAbout(t *testing.T) {
	released := func(group string) func(*Pod) {
		return func(p *Pod) {
			p.Workload, p.Released = "deployment/apps/api", encode(Release{Group: group, Workload: "deployment/apps/api", Until: noon.Add(time.Hour), At: noon})
		}
	}
	of := func(p *Pod) { p.Workload = "deployment/apps/api" }
	for _, row := range []struct {
		situation string
		scene     func(*tour)
		is        bool
	}{
		{"one of its pods leaves", func(m *tour) { m.pod("api-1", "old-3", of) }, true},
		{"none does", func(m *tour) { m.pod("api-1", "new", of) }, false},
		{"its pod has run to its end", func(m *tour) { m.pod("api-1", "old-3", func(p *Pod) { of(p); p.Finished = true }) }, false},
		{"its pod is none of the move's", func(m *tour) { m.pod("api-1", "old-3", of); m.onlyOthers() }, false},
		{"its pod was let go of, and stays", func(m *tour) { m.pod("api-1", "new", released("old")) }, true},
		{"… by another move that is under way", func(m *tour) { m.pod("api-1", "new", released("other")); m.o.Others = map[string]bool{"other": true} }, false},
		{"… by one that is dead", func(m *tour) { m.pod("api-1", "new", released("other")); m.o.Others = map[string]bool{"other": false} }, true},
		{"it has a record", func(m *tour) { m.recordOf("deployment/apps/api") }, true},
	} {
		t.Run(row.situation, func(t *testing.T) {
			m := newTour()
			m.o.View.PutWorkload(&Workload{Kind: "Deployment", API: "apps/v1", Namespace: "apps", Name: "api", Nature: Replicated, Wants: 1, Counted: true, Surge: 1})
			row.scene(m)
			m.workload("deployment/apps/api")
			if got := m.Record.Workloads["deployment/apps/api"] != nil; got != row.is {
				t.Errorf("it has a record: %t", got)
			}
		})
	}
	m := newTour()
	m.workload("deployment/apps/web")
	if got := slices.Sorted(maps.Keys(m.dueNodes)); !slices.Equal(got, []string{"old-2", "old-3", "old-4"}) {
		t.Errorf("due are the nodes %v", got)
	}
}

// A later move keeps what an earlier one knew: what nodes and groups were like before it,
// and what it owed to what it parked.
func TestWhatAMoveTakesOver(t *testing.T) {
	m := newTour()
	m.node("old-1", func(n *Node) { n.Cordoned = true })
	m.view.DropNode("old-3")
	m.view.PutNode(&Node{Name: "another's", Cordoned: true})
	m.Record.Holds["new"] = hold{Min: 1}
	was := before{Exclude: new("true")}
	m.inherit(&Record{
		Nodes: map[string]*NodeRecord{"old-1": {Before: was}, "old-2": {Before: was}, "old-3": {Before: was}, "another's": {Before: was}, "unknown": {Before: was}},
		Workloads: map[string]*WorkloadRecord{
			"parked": {State: WorkloadParked, Floors: map[string]int{"web": 2}}, "moved": {State: WorkloadMoved, Floors: map[string]int{"web": 2}}, "owed nothing": {State: WorkloadParked},
		},
		Holds: map[string]hold{"new": {Min: 7}, "old": {Min: 3}},
	})
	if m.Record.Nodes["old-1"].Before.Exclude == nil || m.Record.Nodes["old-2"].Before.Exclude != nil {
		t.Error("closed by the earlier move is old-1 alone")
	}
	if m.Record.Nodes["old-3"].Before.Exclude != nil || m.Record.Nodes["another's"] != nil {
		t.Error("it takes over nodes that have gone, or do not leave")
	}
	if m.Record.Workloads["parked"].Floors["web"] != 2 || m.Record.Workloads["moved"] != nil || m.Record.Workloads["owed nothing"] != nil {
		t.Errorf("%v", m.Record.Workloads)
	}
	if m.Record.Holds["new"].Min != 1 || m.Record.Holds["old"].Min != 3 {
		t.Errorf("%v", m.Record.Holds)
	}
}

// A move that stops looks at every workload at once, and what it was about to do is not
// done any more.
func TestAMoveThatStopsBeginsNothing(t *testing.T) {
	m := newTour()
	m.Record.Paused, m.actions, m.answeredAt, m.waits["web"] = true, []Action{Evict{}}, noon, []string{"x"}
	version := m.version
	m.stop(Reason{Why: "first"})
	if m.version == version || len(m.waits) > 0 {
		t.Errorf("it is not kept that it stops, or it waits for %v", m.waits)
	}
	if m.Record.Phase != Stop || m.Record.Paused || len(m.actions) > 0 || m.Record.Reason.Why != "first" || !m.unclean.Equal(noon) {
		t.Errorf("%+v, %v", m.Record, m.actions)
	}
	if at, due := m.dueWorkloads["deployment/apps/web"]; !due || !at.IsZero() {
		t.Errorf("due are %v", m.dueWorkloads)
	}
}

// A turn of a node that was closed just now, or whose record changes, is not the last
// one; its record is saved.
func TestWhatATurnOfANodeLeavesBehind(t *testing.T) {
	m := newReady()
	m.pod("web-1", "old-1", nil)
	version := m.version
	if m.Move.node("old-1"); m.version != version || !m.dueNodes["old-1"].Equal(noon.Add(askAgain)) {
		t.Errorf("it is asked for: due %v", m.dueNodes)
	}
	m.close()
	clear(m.dueWorkloads)
	if !m.Move.node("old-1") || m.version == version {
		t.Error("it is closed, and that is not kept")
	}
	if at, due := m.dueNodes["old-1"]; !due || !at.IsZero() {
		t.Errorf("due %v", m.dueNodes)
	}
	if len(m.dueWorkloads) != 1 {
		t.Errorf("due %v", m.dueWorkloads)
	}
	version = m.version
	clear(m.dueWorkloads)
	if m.Move.node("old-1"); m.version != version || len(m.dueNodes)+len(m.dueWorkloads) > 0 {
		t.Errorf("nothing of it has changed: due %v, %v", m.dueNodes, m.dueWorkloads)
	}
}

// What a decision says of a workload is known until the next one.
func TestWhatADecisionTells(t *testing.T) {
	m := newTour()
	told := func() []bool { return []bool{m.tempted["web"], m.inLine["web"], m.crowded["web"], m.unreplaced["web"]} }
	m.note("web", Decision{Tempted: true, InLine: true, Crowded: true, Unreplaced: true, Actions: []Action{Evict{}, Wait{For: "x"}}})
	if slices.Contains(told(), false) || len(m.actions) != 1 || !slices.Equal(m.waits["web"], []string{"x"}) {
		t.Errorf("%v, %v, %v", told(), m.actions, m.waits)
	}
	m.note("deployment/apps/web", Decision{Record: WorkloadRecord{Floors: map[string]int{"web": 2}}})
	if !m.owed["apps/web"]["deployment/apps/web"] {
		t.Errorf("owed are %v", m.owed)
	}
	m.note("web", Decision{})
	if slices.Contains(told(), true) || len(m.waits["web"]) > 0 {
		t.Errorf("%v, %v", told(), m.waits)
	}
}

// A run that goes on looks at all that its record and its nodes have, and knows what is
// left to do.
func TestARunThatGoesOnLooksAtEverything(t *testing.T) {
	m := newTour()
	m.pod("db-1", "old-3", func(p *Pod) { p.Workload = "statefulset/apps/db" })
	m.pod("proxy", "old-3", func(p *Pod) { p.Workload, p.Daemon = "daemonset/apps/proxy", true })
	m.recordOf("job/apps/done").State = WorkloadMoved
	m.view.DropNode("old-4")
	workloads, nodes := map[string]bool{}, map[string]bool{}
	m.rejoin(workloads, nodes)
	if want := []string{"deployment/apps/web", "job/apps/done", "statefulset/apps/db"}; !slices.Equal(slices.Sorted(maps.Keys(workloads)), want) {
		t.Errorf("workloads %v", workloads)
	}
	if want := []string{"new", "old-1", "old-2", "old-3", "old-4"}; !slices.Equal(slices.Sorted(maps.Keys(nodes)), want) {
		t.Errorf("nodes %v", nodes)
	}
	if !m.Move.begun || !maps.Equal(m.unsettled, map[string]bool{"deployment/apps/web": true}) {
		t.Errorf("left to do: %v", m.unsettled)
	}
}

// What comes to a node that leaves is looked at, whoever told of the node; the room that
// is left goes to what is begun.
func TestWhatComesToNodesThatLeave(t *testing.T) {
	m := newTour()
	m.pod("db-1", "old-3", func(p *Pod) { p.Workload = "statefulset/apps/db" })
	m.pod("proxy", "old-3", func(p *Pod) { p.Workload, p.Daemon = "daemonset/apps/proxy", true })
	m.pod("api-1", "new", func(p *Pod) { p.Workload = "deployment/apps/api" })
	workloads := map[string]bool{}
	m.follow(map[string]bool{"old-3": true, "new": true}, workloads)
	if !maps.Equal(workloads, map[string]bool{"statefulset/apps/db": true}) {
		t.Errorf("%v", workloads)
	}
	var asked []string
	m.Options.Scope.In = func(p *Pod, _ time.Time) bool { asked = append(asked, p.Subject()); return false }
	m.pod("a-1", "old-3", func(p *Pod) { p.Workload = "a" })
	m.unreplaced["statefulset/apps/db"] = true
	m.decideWorkloads(map[string]bool{"a": true, "statefulset/apps/db": true})
	if !slices.Equal(asked, []string{"statefulset/apps/db", "a"}) {
		t.Errorf("decided about in the order %v", asked)
	}
}

// A node's pods are parked if their workload is, or the move does not concern them; and
// load balancers are asked for a node only once it may leave them.
func TestWhatIsAskedAboutANode(t *testing.T) {
	m := newTour()
	m.targets["i-old-1"] = map[string]Target{"lb": {State: InService}}
	m.o.From.Attached = []string{"lb"}
	m.lbs = map[string]Balancer{"lb": {Name: "lb", Draining: time.Minute}}
	m.lack, m.going = map[string]string{}, map[string]goingNodes{}
	c := m.nodeCase("old-1")
	web := m.view.Pods["web-2"]
	if !c.Open || c.Early || len(c.Targets) != 1 || c.Drains("lb").Draining != time.Minute || c.Parked(web) {
		t.Errorf("%+v", c)
	}
	if m.web.State = WorkloadParked; !c.Parked(web) {
		t.Error("its workload is parked")
	}
	clear(m.Record.Workloads)
	if m.onlyOthers(); !c.Parked(web) {
		t.Error("it is none of the move's")
	}
	if c := m.nodeCase("old-2"); c.Open || len(c.Targets) > 0 {
		t.Errorf("%+v", c)
	}
	m.Record.Phase = Ready
	if c := m.nodeCase("old-1"); c.Open {
		t.Error("nothing leaves before all is ready")
	}
	m.view.DropNode("old-1")
	m.Record.Phase = Shift
	if c := m.nodeCase("old-1"); c.Node != nil || !c.Dead {
		t.Error("it is gone")
	}
}

// Only a move that stops takes its workloads back, and since then.
func TestWhatAWorkloadKnowsOfItsMove(t *testing.T) {
	m := newTour()
	m.targets["10.0.0.1"] = map[string]Target{"tg": {}}
	if c := m.workloadCase("deployment/apps/web", nil); !c.StopsSince.IsZero() || len(c.Targets(&Pod{Address: "10.0.0.1"})) != 1 {
		t.Errorf("%+v", c)
	}
	m.Record.Phase, m.Record.Since = Stop, noon.Add(-time.Second)
	if c := m.workloadCase("deployment/apps/web", nil); !c.StopsSince.Equal(noon.Add(-time.Second)) {
		t.Errorf("%+v", c)
	}
}

// Each turn hears what is new beside the cluster itself: whose instances have ended, which
// moves are beside it, that it pauses; the first one knows what is left to do.
func TestATurnHearsWhatIsNew(t *testing.T) {
	for _, row := range []struct {
		situation string
		news      func(o *Observed)
		node      string // that is due
		paused    bool
		workload  bool // is due
	}{
		{"nothing", func(*Observed) {}, "", false, false},
		{"an instance has ended", func(o *Observed) { o.Ended, o.Asked = map[string]bool{"i-old-2": true}, noon.Add(time.Second) }, "old-2", false, true},
		{"another move has begun", func(o *Observed) { o.Others = map[string]bool{"other": true} }, "", false, true},
		{"it pauses", func(o *Observed) { o.Pause = "ops" }, "old-1", true, true},
	} {
		t.Run(row.situation, func(t *testing.T) {
			m := newReady()
			m.view.DropNode("new")
			o := Observed{View: m.view, Asked: noon}
			m.Turn(o)
			if !m.Move.begun || !m.unsettled["deployment/apps/web"] {
				t.Error("it does not know what is left to do")
			}
			clear(m.dueNodes)
			clear(m.dueWorkloads)
			row.news(&o)
			m.Turn(o)
			if _, due := m.dueNodes[row.node]; due != (row.node != "") || m.pausing != row.paused {
				t.Errorf("due are %v, it pauses: %t", m.dueNodes, m.pausing)
			}
			if _, due := m.dueWorkloads["deployment/apps/web"]; due != row.workload {
				t.Errorf("due are %v", m.dueWorkloads)
			}
			if len(m.waits[""]) != 1 {
				t.Errorf("it waits for %v", m.waits[""])
			}
		})
	}
}

// The first reason to stop counts, and in which phases there is one: a breach and an abort
// stop a move as long as it can be stopped, an interrupt leaves emptied nodes to soak.
func TestWhatStopsAMove(t *testing.T) {
	breach := func(o *Observed) { o.Breach = "GET /: 502" }
	abort := func(o *Observed) { o.Abort = &Reason{Why: "aborted"} }
	stopping := func(o *Observed) { o.Stopping = &Reason{Why: "interrupted"} }
	for _, row := range []struct {
		situation string
		phase     Phase
		news      []func(*Observed)
		why       string
	}{
		{"nothing", Ready, nil, ""},
		{"a breach", Ready, []func(*Observed){breach, abort, stopping}, "GET /: 502"},
		{"somebody who aborts it", Ready, []func(*Observed){abort, stopping}, "aborted"},
		{"an interrupt", Ready, []func(*Observed){stopping}, "interrupted"},
		{"all of them, before it has begun", Inspect, []func(*Observed){breach, abort, stopping}, ""},
		{"all of them, once it is done", Done, []func(*Observed){breach, abort, stopping}, ""},
	} {
		t.Run(row.situation, func(t *testing.T) {
			m := newReady()
			m.view.DropNode("new")
			m.Record.Phase = row.phase
			o := Observed{View: m.view, Asked: noon}
			for _, n := range row.news {
				n(&o)
			}
			m.Turn(o)
			if r := m.Record.Reason; (r != nil) != (row.why != "") || r != nil && r.Why != row.why {
				t.Errorf("%+v", r)
			}
		})
	}
}

// A turn in which pods move keeps groups held and others off the nodes, looks at what came
// to nodes that leave, and has other nodes leave load balancers once the canary has.
func TestATurnInWhichPodsMove(t *testing.T) {
	scene := func() *tour {
		m := newTour()
		m.o.From, m.o.To = Group{Name: "old", Min: 4}, []Group{{Name: "new"}}
		m.node("new", func(n *Node) { n.Group = "new" })
		m.node("old-1", func(n *Node) { n.Exclude, n.Cordoned, n.Before = new("true"), true, "{}" })
		m.view.PutEvictor(&Evictor{Namespace: "kube-system", Name: "descheduler", Replicas: 1})
		m.lack, m.going = map[string]string{}, map[string]goingNodes{}
		return m
	}
	m := scene()
	m.pod("db-1", "old-3", func(p *Pod) { p.Workload = "statefulset/apps/db" })
	nodes := map[string]bool{"old-3": true, "new": true}
	done := m.turn(func() { m.shift(map[string]bool{}, nodes) })
	for _, want := range []string{"hold group old", "keep autoscalers off node new", "kube-system/descheduler"} {
		if !strings.Contains(done, want) {
			t.Errorf("%q is not in %q", want, done)
		}
	}
	if m.Record.Workloads["statefulset/apps/db"] == nil || !m.canaryLetGo {
		t.Errorf("%v, the canary is out: %t", m.Record.Workloads, m.canaryLetGo)
	}
	if m.o.Pause, m.pausing = "ops", true; !strings.Contains(m.turn(func() { m.shift(map[string]bool{}, map[string]bool{}) }), "ops") {
		t.Error("it does not say that it pauses")
	}
	m = scene()
	for _, r := range m.Record.Nodes {
		r.State = NodeEmpty
	}
	m.web.State, m.Record.Phase, m.Record.Wave = WorkloadMoved, Soak, 2
	if done := m.turn(func() { m.shift(map[string]bool{}, map[string]bool{"new": true}) }); strings.Contains(done, "keep autoscalers off") || strings.Contains(done, "turn off") {
		t.Errorf("it is through, and keeps others off: %q", done)
	}
}

// Of a node that has yet to leave load balancers it is asked whether they can do without
// it; of one that has left them only if its group registered it.
func TestLoadBalancersThatCannotDoWithoutANode(t *testing.T) {
	for _, row := range []struct {
		situation string
		scene     func(*tour)
		holds     bool
	}{
		{"it is in them", func(*tour) {}, true},
		{"it was told to leave them", func(m *tour) { m.node("old-1", func(n *Node) { n.Exclude = new("true") }) }, false},
		{"… and its group registered it", func(m *tour) {
			m.node("old-1", func(n *Node) { n.Exclude = new("true") })
			m.o.From = Group{Attached: []string{"web"}, Instances: []Instance{{ID: "i-old-1"}}}
		}, true},
		{"its wave has not come", func(m *tour) { m.Record.Nodes["old-1"].Wave = 1 }, false},
	} {
		t.Run(row.situation, func(t *testing.T) {
			m := newTour()
			m.lack, m.going = map[string]string{}, map[string]goingNodes{}
			m.view.PutService(&Service{Namespace: "apps", Name: "web", Balanced: true, Hosts: []string{"web.elb", "elsewhere"}})
			m.o.To = []Group{{Name: "new", Instances: []Instance{{ID: "i-new"}}}}
			m.o.Balancers = []Balancer{{Name: "web", Host: "web.elb", Targets: []Target{{Instance: "i-old-1", State: InService}, {Instance: "i-new", State: OutOfService}}}}
			m.sortTargets()
			m.unasked = m.allUnasked()
			row.scene(m)
			c := m.nodeCase("old-1")
			if holds := c.Hold != ""; holds != row.holds {
				t.Errorf("they cannot do without it: %q", c.Hold)
			}
			if c.Open != slices.Equal(c.Unasked, []string{"elsewhere"}) {
				t.Errorf("nobody can ask %v", c.Unasked)
			}
		})
	}
}

// What is lacking is said in one order: by the first of it a move knows that it waits for
// the same as before.
func TestWhatIsLackingIsSaidInOneOrder(t *testing.T) {
	m := newReady()
	m.Options.Awaited, m.o.To = []string{"new"}, []Group{{Name: "new", Desired: 9}}
	for _, name := range []string{"f", "e", "d", "c", "b", "a"} {
		m.node(name, func(n *Node) { n.Group, n.Daemons = "new", []string{"proxy"} })
	}
	if missing := m.nodesMissing(); len(missing) != 7 || !slices.IsSorted(missing) {
		t.Errorf("%v", missing)
	}
}

// What dry runs refused is known of workloads from the start.
func TestWhatDryRunsRefusedIsKnown(t *testing.T) {
	m := newTour()
	m.deny(map[string]map[string]string{"deployment/apps/api": {verbHold: "policy"}})
	if got := m.Record.Workloads["deployment/apps/api"]; got == nil || got.Denied[verbHold] != "policy" {
		t.Errorf("%+v", got)
	}
}
