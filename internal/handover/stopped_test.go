package handover

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// halt is a move of group old-group that stops: its node old is closed, its group is
// held still, and nothing of a pod is left to put back. A row changes what is different.
type halt struct {
	m      *Move
	o      Observed
	node   Node
	renews bool // what is renewed is seen to be
}

func newHalt() *halt {
	tags := hold{Processes: []string{"AZRebalance"}, Min: 2}.tags()
	h := &halt{
		o: Observed{View: NewView(), Asked: noon, From: Group{Name: "old-group", Desired: 3, Min: 0, Suspended: []string{"AZRebalance"}, Tags: tags}},
		m: NewMove(&Record{
			Group: "old-group", Phase: Stop, Since: noon.Add(time.Second - backLimit), Nodes: map[string]*NodeRecord{"old": {}},
			Holds: map[string]hold{"old-group": {Processes: []string{"AZRebalance"}, Min: 2}}, Workloads: map[string]*WorkloadRecord{},
		}, Options{}),
		node: Node{Name: "old", Group: "old-group", Instance: "i-1", Ready: true, Cordoned: true, Exclude: new("true"), Before: encode(before{})},
	}
	h.m.unclean = noon.Add(-time.Second)
	return h
}

// back is a move that has put everything back, and has seen so for long enough.
func (h *halt) back() {
	h.node.Cordoned, h.node.Exclude, h.node.Before = false, nil, ""
	h.o.From.Min, h.o.From.Suspended, h.o.From.Tags = 2, nil, nil
	h.m.clean = mark{"clean", noon.Add(-sureAfter)}
}

// registered has the node's group register it with target group tg.
func (h *halt) registered() {
	h.back()
	h.m.Record.Nodes["old"].Before.Registered = []string{"arn"}
	h.o.From.Judged, h.o.From.Attached = true, []string{"arn"}
	h.o.Balancers = []Balancer{{Name: "tg", Group: "arn", Targets: []Target{{Instance: "i-1", State: InService}}}}
}

func (h *halt) daemon(r Release) *Pod {
	r.Workload = "daemonset/apps/edge"
	return &Pod{Ref: Ref{"apps", "edge-1", "edge-1"}, Node: "old", Workload: r.Workload, Daemon: true, Ready: true, Released: encode(r)}
}

// turn is what the move does, and where it stands then.
func (h *halt) turn() string {
	h.o.View.Now = noon
	if h.node.Name != "" {
		h.o.View.PutNode(&h.node)
	}
	return fmt.Sprintf("%s; %s", lines(h.m.Turn(h.o)), h.m.Record.Phase)
}

// A move that stops puts back what it changed, and ends once all of it has been seen to
// be as it was for a moment.
func TestRulesOfAMoveThatStops(t *testing.T) {
	const resume = "resume group old-group [AZRebalance], min 2"
	for situation, row := range map[string]struct {
		scene func(*halt)
		want  string
	}{
		"its nodes are closed, its group is held": {func(*halt) {}, "put back node old; " + resume + "; stop"},
		"all is as it was":                        {(*halt).back, "; stopped"},
		"… only just":                             {func(h *halt) { h.back(); h.m.clean.since = noon.Add(time.Second - sureAfter) }, "; stop"},
		"the node is gone":                        {func(h *halt) { h.back(); h.node = Node{} }, "; stopped"},
		"the node still carries its mark":         {func(h *halt) { h.back(); h.node.Before = encode(before{}) }, "put back node old; stop"},
		"the node is still cordoned":              {func(h *halt) { h.back(); h.node.Cordoned = true }, "put back node old; stop"},
		"the node was cordoned before":            {func(h *halt) { h.back(); h.node.Cordoned, h.m.Record.Nodes["old"].Before.Unschedulable = true, true }, "; stopped"},
		"the node still carries the taint":        {func(h *halt) { h.back(); h.node.Leaving = true }, "put back node old; stop"},
		"the node is still out of load balancers": {func(h *halt) { h.back(); h.node.Exclude = new("true") }, "put back node old; stop"},
		"a sentinel stands on it": {func(h *halt) {
			h.back()
			h.o.View.PutPod(&Pod{Ref: Ref{"drover", "sentinel", "s"}, Node: "old", Sentinel: true})
		}, "take sentinel from node old; stop"},
		"a DaemonSet's pod is out of its Services":         {func(h *halt) { h.back(); h.o.View.PutPod(h.daemon(Release{Out: true})) }, "give back pod apps/edge-1; stop"},
		"… was given back":                                 {func(h *halt) { h.back(); h.o.View.PutPod(h.daemon(Release{Back: true})) }, "forget pod apps/edge-1; stop"},
		"… is on another node":                             {func(h *halt) { h.back(); p := h.daemon(Release{Out: true}); p.Node = "new"; h.o.View.PutPod(p) }, "; stopped"},
		"a pod is yet to come to its end":                  {(*halt).leaving, "; stop"},
		"its group is held":                                {func(h *halt) { h.back(); h.o.From.Suspended = []string{"AZRebalance"} }, resume + "; stop"},
		"its group may shrink further than before":         {func(h *halt) { h.back(); h.o.From.Min = 1 }, resume + "; stop"},
		"its group carries a mark":                         {func(h *halt) { h.back(); h.o.From.Tags = hold{}.tags() }, resume + "; stop"},
		"a group that took pods is held":                   {func(h *halt) { h.back(); h.other(func(g Group) { h.o.To = []Group{g} }) }, "resume group new-group [InstanceRefresh], min 1; stop"},
		"a group of which some nodes left is held":         {func(h *halt) { h.back(); h.other(func(g Group) { h.o.Beside = []Group{g} }) }, "resume group new-group [InstanceRefresh], min 1; stop"},
		"AWS has not answered since":                       {func(h *halt) { h.back(); h.m.unclean = noon }, "; stop"},
		"AWS does not answer, and had told of the group":   {func(h *halt) { h.back(); h.o.Stale, h.m.answeredAt = "throttled", noon }, "; stopped"},
		"… and had not":                                    {func(h *halt) { h.back(); h.o.Stale, h.m.answeredAt, h.o.From = "throttled", noon, Group{} }, "; stop"},
		"it had held no group, and AWS has never answered": {func(h *halt) { h.back(); clear(h.m.Record.Holds); h.o.From, h.m.unclean = Group{}, noon }, "; stopped"},
		"what registered the node has it":                  {(*halt).registered, "; stopped"},
		"… drains it":                                      {func(h *halt) { h.registered(); h.o.Balancers[0].Targets[0].State = Draining }, "put back node old; stop"},
		"… has it not: its group is held until then":       {func(h *halt) { h.registered(); h.o.Balancers[0].Targets, h.o.From.Min = nil, 1 }, "put back node old; stop"},
		"… has it not, and its instance has ended":         {func(h *halt) { h.registered(); h.o.Balancers[0].Targets, h.o.Ended = nil, map[string]bool{"i-1": true} }, "; stopped"},
		"… is gone":                                        {func(h *halt) { h.registered(); h.o.Balancers = nil }, "; stopped"},
		"a descheduler is off, and a node closed":          {func(h *halt) { h.descheduler() }, "put back node old; " + resume + "; stop"},
		"a descheduler is off, and all nodes open":         {func(h *halt) { h.back(); h.descheduler() }, "let evict again deployment/kube-system/descheduler; stop"},
		"autoscalers are kept off a node that stays": {func(h *halt) {
			h.back()
			h.o.View.PutNode(&Node{Name: "new", Calmed: encode(Calmed{Group: "old-group"})})
		}, "give back to autoscalers node new; stop"},
	} {
		h := newHalt()
		row.scene(h)
		if got := h.turn(); got != row.want {
			t.Errorf("%s:\nwant %s\ngot  %s", situation, row.want, got)
		}
	}
}

func (h *halt) other(put func(Group)) {
	held := hold{Processes: []string{"InstanceRefresh"}, Min: 1}
	h.m.Record.Holds["new-group"] = held
	put(Group{Name: "new-group", Desired: 2, Suspended: held.Processes, Tags: held.tags(), Min: 1})
}

func (h *halt) descheduler() {
	h.o.View.PutEvictor(&Evictor{Kind: "Deployment", Namespace: "kube-system", Name: "descheduler", Calmed: encode(Calmed{Group: "old-group", Before: map[string]string{replicasBefore: "1"}})})
}

// leaving has a pod under way in whose place another one serves.
func (h *halt) leaving() {
	h.back()
	s := newScene()
	s.out(s.one, 0)
	s.web.Wants = 1
	s.decide()
	h.o.View, h.m.Record.Workloads["deployment/apps/web"] = s.View, &s.r
}

// In a pause nothing is closed and no pod begins; a move that soaks or puts back goes
// on. When it begins, and when it is over, all that is known is looked at anew.
func TestAPauseIsOfWhatBegins(t *testing.T) {
	for phase, pauses := range map[Phase]bool{Inspect: false, Ready: true, Shift: true, Soak: false, Done: false, Stop: false, Stopped: false} {
		m := NewMove(&Record{Phase: phase, Nodes: map[string]*NodeRecord{"old": {}}, Workloads: map[string]*WorkloadRecord{"w": {}}}, Options{})
		m.view = NewView()
		for _, asked := range []string{"", "paused by bob", "paused by bob", ""} {
			was := m.pausing
			clear(m.dueNodes)
			clear(m.dueWorkloads)
			m.o.Pause = asked
			m.pause()
			_, node := m.dueNodes["old"]
			_, workload := m.dueWorkloads["w"]
			if turns := m.pausing != was; m.pausing != (pauses && asked != "") || node != turns || workload != turns {
				t.Errorf("%s, %q: pauses %t, looks at its nodes %t, at its workloads %t", phase, asked, m.pausing, node, workload)
			}
		}
	}
}

// How long emptied nodes are kept, and whether an interruption leaves them closed: as
// long as was asked, at the least for the moment that it takes to be sure, and no longer
// than that where a parked workload keeps a node anyway.
func TestRulesOfASoak(t *testing.T) {
	interrupted := &Reason{Why: "it was interrupted"}
	for situation, row := range map[string]struct {
		phase    Phase
		asked    time.Duration
		since    time.Duration
		parked   bool
		stopping *Reason
		left     time.Duration
		keeps    bool
		soaks    bool
		paused   bool
		waits    string
	}{
		"nobody asked for one":      {Soak, 0, 2 * time.Second, false, nil, soakTime - 2*time.Second, false, true, false, "old is empty, watching it for 5s"},
		"… and it is over":          {Soak, 0, soakTime, false, nil, 0, false, false, false, ""},
		"one that is shorter":       {Soak, soakTime, 0, false, interrupted, soakTime, false, true, false, "old is empty, watching it for 5s"},
		"an hour":                   {Soak, time.Hour, 10*time.Minute + time.Second, false, nil, 50*time.Minute - time.Second, true, true, false, "old is empty: its nodes stay closed for another 50m (drover up ends that)"},
		"… and it is interrupted":   {Soak, time.Hour, 10 * time.Minute, false, interrupted, 50 * time.Minute, true, true, true, ""},
		"… which is over":           {Soak, time.Hour, time.Hour, false, interrupted, 0, true, false, false, ""},
		"… and something is parked": {Soak, time.Hour, 2 * time.Second, true, nil, soakTime - 2*time.Second, false, true, false, "old is empty, watching it for 5s"},
		"… and has yet to come":     {Shift, time.Hour, 0, false, nil, time.Hour, false, true, false, "old is empty, watching it for 5s"},
	} {
		m := NewMove(&Record{Group: "old", Phase: row.phase, Since: noon.Add(-row.since), Workloads: map[string]*WorkloadRecord{}}, Options{Soak: row.asked, SoakEnds: "drover up"})
		m.view, m.o.Stopping = &View{Now: noon}, row.stopping
		if row.parked {
			m.Record.Workloads["w"] = &WorkloadRecord{State: WorkloadParked}
		}
		version := m.version
		left, keeps, soaks := m.soakLeft(), m.keeps(), m.soaks()
		if waits := strings.Join(m.waits[""], ", "); left != row.left || keeps != row.keeps || soaks != row.soaks || m.Record.Paused != row.paused || waits != row.waits {
			t.Errorf("%s: for %s, keeps %t, soaks %t, paused %t, waits %q", situation, left, keeps, soaks, m.Record.Paused, waits)
		}
		if saves := m.version != version; saves != row.paused {
			t.Errorf("%s: it is to be saved: %t", situation, saves)
		}
	}
	for d, want := range map[time.Duration]string{time.Second: "1m", time.Minute: "1m", 61 * time.Second: "2m", 2 * time.Hour: "2h0m"} {
		if got := inMinutes(d); got != want {
			t.Errorf("%s: %s", d, got)
		}
	}
}

// What a rollout is about to replace is let go of first, as far as that is sure to lose
// nothing; the rest is left to the rollout.
func TestRulesOfAShelter(t *testing.T) {
	for situation, row := range map[string]struct {
		scene func(*scene)
		want  string
	}{
		"a pod that serves, and names its group":   {func(*scene) {}, "waiting; hold pod apps/web-1"},
		"others of its template may run elsewhere": {func(s *scene) { s.one.Group = "" }, "waiting"},
		"it names another group":                   {func(s *scene) { s.one.Group = "new-group" }, "waiting"},
		"it serves nobody":                         {func(s *scene) { s.unready(s.one, time.Second) }, "waiting"},
		"it moves in order":                        {(*scene).ordered, "waiting"},
		"it can be let go by its label alone":      {func(s *scene) { s.web.Holder = nil }, "waiting"},
		"its replacement might start on a node that leaves: sentinels first": {func(s *scene) { s.one.Tolerates = true },
			"waiting; wait: deployment/apps/web: it tolerates every taint; sentinels are to keep its pods off the nodes that leave"},
		"… which stand":                  {func(s *scene) { s.one.Tolerates, s.c.Guarded = true, true }, "waiting; hold pod apps/web-1"},
		"it was let go":                  {func(s *scene) { s.released(s.one, time.Minute, nil) }, "surging"},
		"… and another one is yet to be": {func(s *scene) { s.released(s.one, time.Minute, nil); s.pod("web-3", "old").Group = "old-group" }, "surging; hold pod apps/web-3"},
	} {
		s := newScene()
		s.one.Group, s.two.Group = "old-group", "new-group"
		row.scene(s)
		s.decide()
		d := ShelterWorkload(s.c, s.r)
		if got := told(d); got != row.want {
			t.Errorf("%s:\nwant %s\ngot  %s", situation, row.want, got)
		}
		for _, a := range d.Actions {
			if change, is := a.(ChangePod); is {
				r, _ := (&Pod{Released: *change.Patch.Annotations[ReleasedAnnotation]}).release()
				if !r.Rollout || !r.Until.Equal(noon.Add(shelterFor)) {
					t.Errorf("%s: it is kept for a rollout: %t, until %s", situation, r.Rollout, r.Until)
				}
			}
		}
	}
}

// The rollout begins once all that is to be let go is seen to be, not when that was
// asked for: the call may have been lost.
func TestShelterIsThroughOnceItIsSeen(t *testing.T) {
	s := newScene()
	s.one.Group = "old-group"
	s.PutNode(&Node{Name: "old"})
	s.decide()
	m := NewMove(&Record{Group: "old-group", Phase: Ready, Nodes: map[string]*NodeRecord{"old": {}}, Workloads: map[string]*WorkloadRecord{}}, Options{Shelter: []string{s.c.Key, "deployment/apps/x"}})
	m.o, m.view = Observed{View: s.View}, s.View
	for range 2 {
		m.actions = nil
		if through := m.shelter(); through || lines(m.actions) != "hold pod apps/web-1" {
			t.Errorf("through %t: %s", through, lines(m.actions))
		}
	}
	s.released(s.one, 0, nil)
	s.PutPod(s.one)
	for range 2 {
		m.actions = nil
		if through := m.shelter(); !through || len(m.actions) > 0 {
			t.Errorf("through %t: %s", through, lines(m.actions))
		}
	}
	if got := m.Record.Workloads[s.c.Key].State; got != WorkloadSurging || len(m.facts) != 1 {
		t.Errorf("it is %s, and told %v", got, m.facts)
	}
	m.Options.Shelter = m.Options.Shelter[:1]
	s.one.Released, s.one.Tolerates = "", true
	s.PutPod(s.one)
	m.actions = nil
	if through := m.shelter(); through || !strings.Contains(lines(m.actions), "put sentinel on node old") {
		t.Errorf("tempted: through %t: %s", through, lines(m.actions))
	}
}

// What cannot be put back is not asked for without end: a move that stops is left once
// nothing has come of what it asks for, in whatever turns and order it asks. One that
// waits for a pod's end is not.
func TestWhatIsAskedForInVainEndsAStop(t *testing.T) {
	for situation, row := range map[string]struct {
		scene func(*halt)
		ends  bool
	}{
		"a node cannot be opened": {func(*halt) {}, true},
		"nodes cannot be given back to autoscalers": {func(h *halt) {
			h.back()
			for _, name := range []string{"a", "b", "c"} {
				h.o.View.PutNode(&Node{Name: name, Calmed: encode(Calmed{Group: "old-group"})})
			}
		}, true},
		"a pod cannot be given back, nor its node be opened": {func(h *halt) {
			h.leaving()
			h.node.Cordoned = true
			h.o.View.Workloads["deployment/apps/web"].Wants = 3
		}, true},
		"a pod cannot be given back": {func(h *halt) {
			h.leaving()
			h.o.View.Workloads["deployment/apps/web"].Wants = 3
		}, true},
		"a pod comes to its end slowly": {func(h *halt) {
			h.leaving()
			p := h.o.View.Pods["web-1"]
			r, _ := p.release()
			r.Settle = time.Hour
			p.Released = encode(r)
			h.renews = true
		}, false},
	} {
		h := newHalt()
		row.scene(h)
		h.o.View.PutNode(&h.node)
		for passed := time.Duration(0); passed < patience+2*lull && !h.m.stalled; passed += 250 * time.Millisecond {
			h.o.View.Now = noon.Add(passed)
			h.o.Asked = h.o.View.Now
			for _, a := range h.m.Turn(h.o) {
				if change, is := a.(ChangePod); is && change.What == "renew" && h.renews {
					p := *h.o.View.Pods[change.Pod.UID]
					p.Released = *change.Patch.Annotations[ReleasedAnnotation]
					h.o.View.PutPod(&p)
				}
			}
			if h.m.stalled && passed < patience {
				t.Errorf("%s: it is left after %s", situation, passed)
			}
		}
		if h.m.stalled != row.ends {
			t.Errorf("%s: left %t, and asks for %s", situation, h.m.stalled, lines(h.m.actions))
		}
	}
}

// That all is as it was is believed once it was seen for a moment without a break, and
// AWS has answered since the last call that might have changed it.
func TestAMoveThatStopsIsSureOfIt(t *testing.T) {
	h := newHalt()
	h.back()
	h.m.clean = mark{}
	for _, step := range []struct {
		after  time.Duration
		closed bool // somebody sees the node closed
		hears  bool // AWS answers
		want   Phase
	}{
		{0, false, true, Stop}, {sureAfter - time.Second, true, true, Stop}, {sureAfter, false, false, Stop},
		{time.Minute, false, false, Stop}, {2 * time.Minute, false, true, Stop}, {2*time.Minute + sureAfter, false, true, Stopped},
	} {
		n := h.node
		n.Cordoned = step.closed
		h.o.View.PutNode(&n)
		h.o.View.Now = noon.Add(step.after)
		if step.hears {
			h.o.Asked = h.o.View.Now
		}
		if h.m.Turn(h.o); h.m.Record.Phase != step.want {
			t.Errorf("after %s: %s", step.after, h.m.Record.Phase)
		}
	}
}
