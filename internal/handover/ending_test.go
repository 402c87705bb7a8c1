package handover

import (
	"testing"
	"time"

	"github.com/droverhq/drover/problem"
)

// A move is done once its nodes have soaked, and all that it holds but what is to end is
// as it was before; what comes back leads back, and what is parked opens the nodes again.
func TestHowAMoveEnds(t *testing.T) {
	was := hold{Processes: heldTaker, Min: 1}
	calmed := func(m *Move, name string) {
		m.view.PutNode(&Node{Name: name, Group: name, Calmed: encode(Calmed{Group: "old"})})
	}
	for name, c := range map[string]struct {
		change func(m *Move)
		phase  Phase
		want   string // what is done
	}{
		"its nodes have soaked": {func(*Move) {}, Done, ""},
		"something is left":     {func(m *Move) { m.Record.Nodes["old"].State, m.Record.Phase = NodeEmptying, Shift }, Shift, ""},
		"something came back":   {func(m *Move) { m.Record.Nodes["old"].State = NodeEmptying }, Shift, ""},
		"all is through":        {func(m *Move) { m.Record.Phase = Shift }, Soak, ""},
		"it soaks":              {func(m *Move) { m.Record.Since = noon.Add(time.Second - soakTime) }, Soak, ""},
		"the group that took the pods is held": {func(m *Move) {
			m.o.To, m.Record.Holds["new"] = []Group{{Name: "new", Desired: 2, Tags: was.tags()}}, was
		}, Soak,
			"resume group new [AZRebalance InstanceRefresh], min 1"},
		"a group beside is held": {func(m *Move) {
			m.o.Beside, m.Record.Holds["b"] = []Group{{Name: "b", Desired: 2, Tags: was.tags()}}, was
		}, Soak,
			"resume group b [AZRebalance InstanceRefresh], min 1"},
		"the group that ends is held": {func(m *Move) { m.o.From.Tags, m.Record.Holds["old"] = was.tags(), was }, Done, ""},
		"… and its nodes are kept": {func(m *Move) {
			m.o.From.Tags, m.Record.Holds["old"], m.Options.Scope.Stay = was.tags(), was, true
		}, Soak, "resume group old [AZRebalance InstanceRefresh], min 0"},
		"… which it would end, as they are out of their load balancers": {func(m *Move) {
			m.o.From.Tags, m.Record.Holds["old"], m.o.From.Judged, m.Options.Scope.Stay = was.tags(), was, true, true
			m.view.Nodes["old"].Before = encode(before{Registered: []string{"arn"}})
		}, Done, ""},
		"… and which judges them by nothing that they are out of": {func(m *Move) {
			m.o.From.Tags, m.Record.Holds["old"], m.o.From.Judged, m.Options.Scope.Stay = was.tags(), was, true, true
		}, Soak, "resume group old [AZRebalance InstanceRefresh], min 0"},
		"a node that stays is kept from its autoscaler":  {func(m *Move) { calmed(m, "new") }, Soak, "give back to autoscalers node new"},
		"a node that leaves is kept from its autoscaler": {func(m *Move) { calmed(m, "old") }, Done, ""},
		"… and is kept":        {func(m *Move) { m.Options.Scope.Stay = true; calmed(m, "old") }, Soak, "give back to autoscalers node old"},
		"a descheduler is off": {func(m *Move) { m.view.PutEvictor(descheduler(false, "old")) }, Soak, "let evict again deployment/sys/d"},
		"a workload is parked": {func(m *Move) {
			m.Record.Workloads["deployment/apps/web"] = &WorkloadRecord{State: WorkloadParked, Why: "no room"}
		}, Stop, ""},
		"a node cannot be emptied": {func(m *Move) { m.Record.Nodes["old"] = &NodeRecord{State: NodeDraining, Why: "a volume"} }, Stop, ""},
	} {
		m := moving()
		m.Record.Phase, m.Record.Since, m.Record.Nodes["old"].State = Soak, noon.Add(-soakTime), NodeEmpty
		c.change(m)
		m.end()
		if got := m.acted(); got != c.want || m.Record.Phase != c.phase {
			t.Errorf("%s: %s, want %s\nwant %s\ngot  %s", name, m.Record.Phase, c.phase, c.want, got)
		}
		if stopped := m.Record.Phase == Stop; stopped != (m.Record.Reason != nil) || stopped && m.Record.Reason.Kind != problem.Parked {
			t.Errorf("%s: %+v", name, m.Record.Reason)
		}
	}
}
