package handover

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// acted are the actions that a part of a move asked for, in words.
func (m *Move) acted() string {
	var lines []string
	for _, a := range m.actions {
		lines = append(lines, a.String())
		if hold, is := a.(Hold); is {
			lines = append(lines, fmt.Sprintf("record %q, min %s", hold.Tags[suspendedTag], hold.Tags[minTag]))
		}
	}
	return strings.Join(lines, "; ")
}

// moving is a move at noon that shifts pods off node old, of group old.
func moving() *Move {
	m := NewMove(newRecord("old", 0, noon), Options{})
	m.Record.Phase, m.begun, m.view = Shift, true, NewView()
	m.Record.Nodes["old"] = &NodeRecord{State: NodeEmptying}
	m.view.Now = noon
	m.view.PutNode(&Node{Name: "old", Group: "old", Instance: "i-old", Ready: true, Initialized: true, Cordoned: true, Before: "{}"})
	m.o = Observed{View: m.view, From: Group{Name: "old"}}
	return m
}

// What a group would do on its own against a move it is kept from, and what it was like
// is written on it first, once: what an earlier move left is not taken for its own ways.
func TestGroupsAreHeldStill(t *testing.T) {
	all := strings.Join(held, " ")
	for name, c := range map[string]struct {
		change func(m *Move)
		want   string
	}{
		"it runs all": {func(m *Move) { m.o.From.Min = 3 },
			"hold group old, suspend [" + all + `], min 0; record "` + all + `", min 3`},
		"it may shrink": {func(*Move) {}, "hold group old, suspend [" + all + `], min -1; record "` + all + `", min 0`},
		"some nodes stay": {func(m *Move) { m.o.From.Min, m.Record.Keep = 3, 2 },
			"hold group old, suspend [" + all + `], min 2; record "` + all + `", min 3`},
		"some are off by somebody's will": {func(m *Move) { m.o.From.Suspended = held[1:] },
			"hold group old, suspend [" + all + `], min -1; record "AZRebalance", min 0`},
		"all are off by somebody's will": {func(m *Move) { m.o.From.Suspended = held }, "hold group old, suspend [" + all + `], min -1; record "", min 0`},
		"it is still":                    {func(m *Move) { m.o.From.Suspended, m.o.From.Tags = held, hold{Min: 3}.tags() }, ""},
		"somebody raised its least size": {func(m *Move) {
			m.o.From.Suspended, m.o.From.Min, m.o.From.Tags = held, 2, hold{Min: 3}.tags()
			m.Record.Holds["old"] = hold{Min: 3}
		}, "hold group old, suspend [" + all + `], min 0; record "", min 3`},
		"an earlier move held it, and its record is lost": {func(m *Move) {
			m.o.From.Suspended, m.o.From.Tags = held[:2], hold{Processes: held[:2], Min: 3}.tags()
		}, "hold group old, suspend [" + all + `], min -1; record "` + all + `", min 3`},
		"its mark is lost": {func(m *Move) { m.o.From.Suspended, m.Record.Holds["old"] = held, hold{Processes: held[:2], Min: 3} },
			"hold group old, suspend [" + all + `], min -1; record "` + strings.Join(held[:2], " ") + `", min 3`},
		"its least size is no number on it": {func(m *Move) {
			m.o.From.Min, m.o.From.Tags = 4, map[string]string{suspendedTag: "AlarmNotification", minTag: "x"}
		},
			"hold group old, suspend [" + all + `], min 0; record "AlarmNotification ` + strings.Join(slices.DeleteFunc(slices.Clone(held), func(p string) bool { return p == "AlarmNotification" }), " ") + `", min 4`},
		"a group that takes pods": {func(m *Move) { m.o.From.Name, m.o.To = "", []Group{{Name: "new", Min: 2}} },
			`hold group new, suspend [AZRebalance InstanceRefresh], min -1; record "AZRebalance InstanceRefresh", min 2`},
		"one that takes what it gives": {func(m *Move) { m.o.From.Suspended, m.o.From.Tags, m.o.To = held, hold{}.tags(), []Group{{Name: "old"}} }, ""},
		"groups beside": {func(m *Move) { m.o.From.Name, m.o.Beside = "", []Group{{Name: "b", Min: 2}, {Name: "c", Min: 1}} },
			"hold group b, suspend [" + all + `], min -1; record "` + all + `", min 2; hold group c, suspend [` + all + `], min -1; record "` + all + `", min 1`},
		"there is none": {func(m *Move) { m.o.From.Name = "" }, ""},
		"it judges its nodes by load balancers": {func(m *Move) { m.o.From = Group{Name: "old", Suspended: held, Judged: true, Attached: []string{"arn"}} },
			"hold group old, suspend [HealthCheck " + all + `], min -1; record "HealthCheck", min 0`},
		"… of which it has none": {func(m *Move) { m.o.From = Group{Name: "old", Suspended: held, Judged: true, Tags: hold{}.tags()} }, ""},
		"… or which it does not": {func(m *Move) {
			m.o.From = Group{Name: "old", Suspended: held, Attached: []string{"arn"}, Tags: hold{}.tags()}
		}, ""},
		"a group was attached after it was held": {func(m *Move) {
			m.o.From = Group{Name: "old", Suspended: held, Judged: true, Attached: []string{"arn"}, Tags: hold{Processes: held[:1]}.tags()}
			m.Record.Holds["old"] = hold{Processes: held[:1]}
		}, "hold group old, suspend [HealthCheck " + all + `], min -1; record "AZRebalance HealthCheck", min 0`},
		"it soaks, and all is through: it is let go": {func(m *Move) { m.Record.Phase, m.Record.Nodes = Soak, nil }, ""},
		"it soaks, and something came back": {func(m *Move) { m.Record.Phase = Soak },
			"hold group old, suspend [" + all + `], min -1; record "` + all + `", min 0`},
	} {
		m := moving()
		c.change(m)
		known := maps.Clone(m.Record.Holds)
		still, got := m.holdGroups(), m.acted()
		if got != c.want || still != (c.want == "") {
			t.Errorf("%s: still %t\nwant %s\ngot  %s", name, still, c.want, got)
		}
		for range 2 { // the second time nothing is news
			if news := m.version > 0; news == reflect.DeepEqual(known, m.Record.Holds) {
				t.Errorf("%s: %v, then %v: saved %t", name, known, m.Record.Holds, news)
			}
			known, m.version = maps.Clone(m.Record.Holds), 0
			m.holdGroups()
		}
	}
}

// A group gets back what was taken from it, no less and no more, once its nodes are
// where it looks for them.
func TestGroupsAreLetGo(t *testing.T) {
	mine := hold{Processes: []string{"AZRebalance", "AlarmNotification"}, Min: 3}
	for name, c := range map[string]struct {
		change func(m *Move, g *Group)
		want   string
	}{
		"it is held": {func(m *Move, g *Group) { m.Record.Holds["g"], g.Tags, g.Suspended = mine, mine.tags(), mine.Processes },
			"resume group g [AZRebalance AlarmNotification], min 3"},
		"it wants less than its least size was": {func(m *Move, g *Group) { m.Record.Holds["g"], g.Tags, g.Desired = mine, mine.tags(), 1 },
			"resume group g [AZRebalance AlarmNotification], min 1"},
		"the record says what it was like, whatever its mark says": {func(m *Move, g *Group) { m.Record.Holds["g"], g.Tags = mine, hold{Min: 1}.tags() },
			"resume group g [AZRebalance AlarmNotification], min 3"},
		"an earlier move held it":                {func(_ *Move, g *Group) { g.Tags = mine.tags() }, "resume group g [AZRebalance AlarmNotification], min 3"},
		"its mark is lost":                       {func(m *Move, g *Group) { m.Record.Holds["g"], g.Suspended, g.Min = mine, mine.Processes, 3 }, "resume group g [AZRebalance AlarmNotification], min 3"},
		"one of all is off yet":                  {func(m *Move, g *Group) { m.Record.Holds["g"], g.Suspended, g.Min = mine, mine.Processes[1:], 3 }, "resume group g [AZRebalance AlarmNotification], min 3"},
		"its least size is not back":             {func(m *Move, g *Group) { m.Record.Holds["g"], g.Min = mine, 2 }, "resume group g [AZRebalance AlarmNotification], min 3"},
		"all is back":                            {func(m *Move, g *Group) { m.Record.Holds["g"], g.Min = mine, 3 }, ""},
		"all is back, as far as its size allows": {func(m *Move, g *Group) { m.Record.Holds["g"], g.Min, g.Desired = mine, 1, 1 }, ""},
		"nobody held it":                         {func(_ *Move, g *Group) { g.Suspended = mine.Processes }, ""},
		"it is gone":                             {func(m *Move, g *Group) { m.Record.Holds[""], *g = mine, Group{} }, ""},
	} {
		m, g := moving(), Group{Name: "g", Desired: 5}
		c.change(m, &g)
		free, got := m.letGo([]Group{g}), m.acted()
		if got != c.want || free != (c.want == "") {
			t.Errorf("%s: free %t\nwant %s\ngot  %s", name, free, c.want, got)
		}
	}
}

// One that ends what load balancers do not find healthy acts again only once its nodes
// are in them.
func TestGroupsThatJudgeWaitForTheirNodes(t *testing.T) {
	for name, c := range map[string]struct {
		change func(m *Move, g *Group)
		waits  bool
	}{
		"a node is out": {func(*Move, *Group) {}, true},
		"… by its record alone": {func(m *Move, _ *Group) {
			m.view.Nodes["old"].Before = ""
			m.Record.Nodes["old"].Before.Registered = []string{"arn"}
		}, true},
		"it is in, and its mark is there": {func(m *Move, _ *Group) { m.targets["i-old"]["lb"] = Target{Instance: "i-old", State: InService} }, true},
		"it is in, and its mark is taken": {func(m *Move, _ *Group) {
			m.view.Nodes["old"].Before, m.Record.Nodes["old"].Before.Registered = "", []string{"arn"}
			m.targets["i-old"]["lb"] = Target{Instance: "i-old", State: InService}
		}, false},
		"it is another group's":      {func(_ *Move, g *Group) { g.Name = "other" }, false},
		"it is gone":                 {func(m *Move, _ *Group) { m.view.DropNode("old") }, false},
		"it judges by EC2 alone":     {func(_ *Move, g *Group) { g.Judged = false }, false},
		"it was not taken out of it": {func(m *Move, _ *Group) { m.view.Nodes["old"].Before = "{}" }, false},
	} {
		m, g := moving(), Group{Name: "old", Judged: true, Desired: 5}
		m.view.Nodes["old"].Before = encode(before{Registered: []string{"arn"}})
		m.lbs, m.targets = map[string]Balancer{"lb": {Name: "lb", Group: "arn"}}, map[string]map[string]Target{"i-old": {}}
		c.change(m, &g)
		m.Record.Holds[g.Name] = hold{Min: 5}
		if free, acts := m.letGo([]Group{g}), len(m.actions) > 0; free || acts == c.waits {
			t.Errorf("%s: free %t, let go %t", name, free, acts)
		}
	}
}

// Groups count as free once AWS has told so after the last call that might have changed one.
func TestGroupsAreFreeOnceAWSHasSaidSo(t *testing.T) {
	for name, c := range map[string]struct {
		change func(m *Move)
		want   bool
	}{
		"AWS has told since":                    {func(*Move) {}, true},
		"it has not":                            {func(m *Move) { m.answeredAt = m.unclean }, false},
		"nothing was held":                      {func(m *Move) { m.answeredAt, m.Record.Holds = m.unclean, nil }, true},
		"it is silent, and told of all":         {func(m *Move) { m.o.Stale = "throttled" }, true},
		"it is silent, and did not tell of one": {func(m *Move) { m.o.Stale = "throttled"; m.Record.Holds["b"] = hold{} }, false},
		"one is deleted":                        {func(m *Move) { m.Record.Holds["b"] = hold{} }, true},
	} {
		m := moving()
		m.Record.Holds["a"], m.unclean, m.answeredAt = hold{}, noon, noon.Add(time.Second)
		c.change(m)
		if got := m.allSeen([]Group{{Name: "a"}, {Name: "c"}}); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
