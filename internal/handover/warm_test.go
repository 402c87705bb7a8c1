package handover

import (
	"strings"
	"testing"
	"time"
)

// A target of a group with slow start takes over when that is through, not when
// its health checks are. One that served when the run began serves.
func TestTargetTakesOverWhenItsSlowStartIsThrough(t *testing.T) {
	m := NewMove(newRecord("old-group", 0, noon), Options{})
	asked := noon
	look := func(after time.Duration, news bool, targets ...Target) map[string]TargetState {
		v := NewView()
		v.Now = noon.Add(after)
		if news {
			asked = v.Now
		}
		b := Balancer{Name: "lb/tg", ByAddress: true, SlowStart: 30 * time.Second, Targets: targets}
		m.Turn(Observed{View: v, Balancers: []Balancer{b}, Asked: asked})
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
		silent  bool // AWS was not asked again
	}{
		{0, []Target{old}, "", false},
		{10 * time.Second, []Target{old, failing}, OutOfService, false},
		{20 * time.Second, []Target{old, fresh}, OutOfService, false},
		{30 * time.Second, []Target{old, fresh}, OutOfService, true},
		{49 * time.Second, []Target{old, fresh}, OutOfService, false},
		{50 * time.Second, []Target{old, fresh}, InService, false},
		{60 * time.Second, []Target{old, failing}, OutOfService, false},
		{61 * time.Second, []Target{old, fresh}, OutOfService, false}, // it begins anew
		{91 * time.Second, []Target{old, fresh}, InService, false},
	} {
		states := look(row.after, !row.silent, row.targets...)
		if states["old"] != InService || states["new"] != row.want {
			t.Errorf("after %s: %v, want new to be %q", row.after, states, row.want)
		}
	}
}

// What AWS said stays as it was said, since it is looked at until it says something new; a
// target that has not taken over says why, and a group without a slow start has none.
func TestSlowStartLeavesWhatWasSaid(t *testing.T) {
	m := &Move{view: NewView(), askedAt: noon} // it is not the first look
	m.view.Now = noon
	said := []Balancer{{Name: "lb", SlowStart: time.Minute, Targets: []Target{{Instance: "i-a", State: InService}}}, {Name: "other", Targets: []Target{{Instance: "i-a", State: InService}}}}
	for _, want := range []TargetState{OutOfService, InService} {
		warm := m.warm(said)
		if target := warm[0].Targets[0]; target.State != want || want == OutOfService && !strings.Contains(target.Why, "1m0s") {
			t.Errorf("at %s: %+v, want it to be %q", m.view.Now, target, want)
		}
		if said[0].Targets[0].State != InService || warm[1].Targets[0].State != InService {
			t.Errorf("what was said is %+v, and of another one %+v", said[0], warm[1])
		}
		m.view.Now = noon.Add(time.Minute)
	}
}
