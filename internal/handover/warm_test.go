package handover

import (
	"strings"
	"testing"
	"time"
)

// A target that comes into service has taken over once its slow start is over; what AWS said
// stays as it was said, since it is looked at until it says something new.
func TestSlowStart(t *testing.T) {
	for name, c := range map[string]struct {
		first bool // the run looks for the first time
		slow  time.Duration
		state TargetState
		after time.Duration // that it is looked at once more
		then  []bool        // whether it has taken over, at each look
	}{
		"it comes, and is slow":       {slow: time.Minute, state: InService, after: time.Minute, then: []bool{false, true}},
		"… and not for long enough":   {slow: time.Minute, state: InService, after: 59 * time.Second, then: []bool{false, false}},
		"it was there before":         {first: true, slow: time.Minute, state: InService, after: time.Second, then: []bool{true, true}},
		"it has no slow start":        {state: InService, after: time.Second, then: []bool{true, true}},
		"it is not in service at all": {slow: time.Minute, state: OutOfService, after: time.Hour, then: []bool{false, false}},
	} {
		m := &Move{view: NewView()}
		m.view.Now = noon
		if !c.first {
			m.askedAt = noon
		}
		said := []Balancer{{Name: "lb", SlowStart: c.slow, Targets: []Target{{Instance: "i-a", State: c.state}}}, {Name: "other", Targets: []Target{{Instance: "i-a", State: InService}}}}
		for look, want := range c.then {
			warm := m.warm(said)
			target := warm[0].Targets[0]
			if is := target.State == InService; is != want || c.state == InService && !want && !strings.Contains(target.Why, c.slow.String()) {
				t.Errorf("%s, look %d: %+v", name, look, target)
			}
			if said[0].Targets[0].State != c.state || warm[1].Targets[0].State != InService {
				t.Errorf("%s: what was said is %+v, and of another one %+v", name, said[0], warm[1])
			}
			m.askedAt, m.view.Now = noon, noon.Add(c.after)
		}
	}
}
