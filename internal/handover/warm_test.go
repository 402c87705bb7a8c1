package handover

import (
	"testing"
	"time"
)

// A target of a group with slow start takes over when that is through, not when
// its health checks are. One that served when the run began serves.
func TestTargetTakesOverWhenItsSlowStartIsThrough(t *testing.T) {
	m := NewMove(newRecord("old-group", 0, noon), Options{})
	look := func(after time.Duration, targets ...Target) map[string]TargetState {
		v := NewView()
		v.Now = noon.Add(after)
		b := Balancer{Name: "lb/tg", ByAddress: true, SlowStart: 30 * time.Second, Targets: targets}
		m.Turn(Observed{View: v, Balancers: []Balancer{b}, Asked: v.Now})
		states := map[string]TargetState{}
		for _, said := range m.o.Balancers {
			for _, t := range said.Targets {
				states[t.Address] = t.State
			}
		}
		return states
	}
	old, fresh, failing := Target{Address: "old", State: InService}, Target{Address: "new", State: InService}, Target{Address: "new", State: OutOfService}
	for _, row := range []struct {
		after   time.Duration
		targets []Target
		want    TargetState
	}{
		{0, []Target{old}, ""},
		{10 * time.Second, []Target{old, failing}, OutOfService},
		{20 * time.Second, []Target{old, fresh}, OutOfService},
		{49 * time.Second, []Target{old, fresh}, OutOfService},
		{50 * time.Second, []Target{old, fresh}, InService},
		{60 * time.Second, []Target{old, failing}, OutOfService},
		{61 * time.Second, []Target{old, fresh}, OutOfService}, // it begins anew
		{91 * time.Second, []Target{old, fresh}, InService},
	} {
		states := look(row.after, row.targets...)
		if states["old"] != InService || states["new"] != row.want {
			t.Errorf("after %s: %v, want new to be %q", row.after, states, row.want)
		}
	}
}
