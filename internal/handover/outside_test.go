package handover

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// An instance counts in its group until that tells that it ends, or tells of it no more.
func TestInstancesThatHaveLeftTheirGroup(t *testing.T) {
	g := Group{Instances: []Instance{{"i-1", "InService"}, {"i-2", "Pending"}, {"i-3", "Terminating"}, {"i-4", TerminatingWait}, {"i-5", Retained}, {"i-6", "Terminated"}}}
	for id, left := range map[string]bool{"i-1": false, "i-2": false, "i-3": true, "i-4": true, "i-5": true, "i-6": true, "i-7": true, "": false} {
		if g.Left(id) != left {
			t.Errorf("%q has left: %t", id, !left)
		}
	}
}

// What AWS registers is sent to, now or once it is healthy, until it is drained.
func TestTargetsThatMayBeSentTo(t *testing.T) {
	for state, is := range map[TargetState]bool{InService: true, OutOfService: true, Draining: false, Unused: false} {
		if (Target{State: state}).registered() != is {
			t.Errorf("%s: %t", state, !is)
		}
	}
}

// A patch that was decided by labels which others have changed since is not carried out.
func TestPatchesThatOthersHaveOutrun(t *testing.T) {
	for name, c := range map[string]struct {
		patch Patch
		live  map[string]string
		key   string // empty: it holds
	}{
		"a label goes":                   {Patch{Labels: map[string]*string{"app": nil}, Was: map[string]string{"app": "web"}}, map[string]string{"app": "web"}, ""},
		"… and is another by now":        {Patch{Labels: map[string]*string{"app": nil}, Was: map[string]string{"app": "web"}}, map[string]string{"app": "idle"}, "app"},
		"… and is gone":                  {Patch{Labels: map[string]*string{"app": nil}, Was: map[string]string{"app": "web"}}, nil, "app"},
		"… and was empty, and is gone":   {Patch{Labels: map[string]*string{"app": nil}, Was: map[string]string{"app": ""}}, nil, "app"},
		"… whatever it was":              {Patch{Labels: map[string]*string{"app": nil}}, map[string]string{"app": "idle"}, ""},
		"a label comes":                  {Patch{Labels: map[string]*string{"app": new("web")}}, nil, ""},
		"… and is there":                 {Patch{Labels: map[string]*string{"app": new("web")}}, map[string]string{"app": "web"}, ""},
		"… and another is":               {Patch{Labels: map[string]*string{"app": new("web")}}, map[string]string{"app": "idle"}, "app"},
		"… in the place of one that was": {Patch{Labels: map[string]*string{"app": new("web")}, Was: map[string]string{"app": "idle"}}, nil, ""},
		"the first of two by name":       {Patch{Labels: map[string]*string{"b": new("1"), "a": new("1")}}, map[string]string{"a": "2", "b": "2"}, "a"},
		"another label is changed":       {Patch{Labels: map[string]*string{"app": nil}, Was: map[string]string{"app": "web"}}, map[string]string{"app": "web", "tier": "x"}, ""},
	} {
		if key, yes := c.patch.Outrun(c.live); key != c.key || yes != (c.key != "") {
			t.Errorf("%s: outrun by %q %t, want %q", name, key, yes, c.key)
		}
	}
}

// A pod is given back only while as many others as were to be ended in its place are not
// Ready yet; what cannot be asked is no answer.
func TestPodsToSpareAreCounted(t *testing.T) {
	ready := map[string]bool{"1": true, "2": false, "3": false}
	ask := func(p Ref) (bool, error) {
		if is, known := ready[p.UID]; known {
			return is, nil
		}
		return false, errors.New("away")
	}
	of := func(least int, uids ...string) *Spare {
		s := &Spare{Least: least}
		for _, uid := range uids {
			s.Pods = append(s.Pods, Ref{UID: uid})
		}
		return s
	}
	for name, c := range map[string]struct {
		spare *Spare
		want  bool
		fails bool
	}{
		"nobody need be": {nil, true, false}, "enough": {of(2, "1", "2", "3"), true, false}, "more": {of(1, "2", "3"), true, false},
		"one became Ready": {of(2, "1", "2"), false, false}, "unknown": {of(1, "2", "9"), false, true},
	} {
		if enough, err := c.spare.Enough(ask); enough != c.want || (err != nil) != c.fails {
			t.Errorf("%s: %t, %v", name, enough, err)
		}
	}
}

func TestWhoHasNoRightIsTold(t *testing.T) {
	cause := errors.New("forbidden")
	if err := Barred(cause); !errors.Is(err, ErrBarred) || !errors.Is(err, cause) || errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// What a group does on its own is told of one that is emptied as what it is kept from,
// and of one that takes pods as what may end them.
func TestHabitsOfGroups(t *testing.T) {
	for name, c := range map[string]struct {
		habits        Habits
		leaves, takes string // what is said, and how grave it is; empty: nothing
	}{
		"none":        {Habits{}, "", ""},
		"policies":    {Habits{Policies: []string{"cpu", "net"}}, "note: scaling policies (cpu, net)", "warning: scaling policies (cpu, net)"},
		"schedules":   {Habits{Schedules: []string{"night"}}, "note: scheduled actions (night)", "warning: scheduled actions (night)"},
		"a refresh":   {Habits{Refresh: "InProgress"}, "warning: instance refresh is under way (InProgress)", "warning: instance refresh is under way (InProgress)"},
		"a warm pool": {Habits{WarmPool: true}, "note: warm pool", ""},
		"retained":    {Habits{Retained: []string{"i-1"}}, "warning: i-1", "warning: i-1"},
	} {
		for _, takes := range []bool{false, true} {
			want := c.leaves
			if takes {
				want = c.takes
			}
			severity, effect, _ := strings.Cut(want, ": ")
			found := c.habits.Findings("g", takes)
			if want == "" && len(found) > 0 || want != "" && (len(found) != 1 || string(found[0].Severity) != severity || !strings.Contains(found[0].Effect, effect) || found[0].Object != "asg/g" || (found[0].Fix == "") != (severity == "note")) {
				t.Errorf("%s, takes pods %t: %+v", name, takes, found)
			}
		}
	}
}

// What a move that ends leaves behind is named, each thing with its reason, and the
// first with its remedy.
func TestWhatAMoveLeavesBehindIsNamed(t *testing.T) {
	m := moving()
	m.Record.Workloads = map[string]*WorkloadRecord{
		"deployment/apps/b": {State: WorkloadParked, Why: "no room", Fix: "add nodes, then run the same command again"},
		"deployment/apps/a": {State: WorkloadMoved, Why: "it was refused once"},
	}
	m.Record.Nodes = map[string]*NodeRecord{
		"old":  {State: NodeDraining, Why: "volume pv-1 is still attached to it"},
		"kept": {State: NodeKept, Why: "it was slow"},
		"idle": {State: NodeDraining},
	}
	want := []string{"deployment/apps/b: no room", "node/old: volume pv-1 is still attached to it"}
	if got := m.parked(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := m.fixOf(want[0]); got != "add nodes" {
		t.Errorf("%q", got)
	}
	if got, cures := m.fixOf(want[1]), cure(want[1]); got != strings.TrimSuffix(cures, ", then run the same command again") {
		t.Errorf("%q", got)
	}
	if m.through() {
		t.Error("a node has yet to be emptied")
	}
	m.Record.Nodes["idle"].State = NodeEmpty
	if !m.through() {
		t.Error("what cannot be emptied is given up")
	}
	if m.unsettled["deployment/apps/c"] = true; m.through() {
		t.Error("a workload is under way")
	}
}
