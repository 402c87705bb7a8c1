package verdict

import (
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/story"
)

// Story is what was moved while the traffic flowed.
type Story struct {
	Workloads []Lane          `json:"workloads"`
	Nodes     []Lane          `json:"nodes"`
	Pods      []Lane          `json:"pods"`
	Targets   []Lane          `json:"targets"`
	Findings  []event.Finding `json:"findings"`
}

// Parked are the workloads that stay where they are; the last change of each
// says why.
func (s Story) Parked() []Lane {
	var parked []Lane
	for _, w := range s.Workloads {
		if w.Now().What == string(event.WorkloadParked) {
			parked = append(parked, w)
		}
	}
	return parked
}

// Lane is one object's part in it.
type Lane struct {
	Name    string         `json:"name"`
	On      string         `json:"on,omitempty"` // of a pod its node, of a target its load balancer
	Changes []story.Change `json:"changes"`
}

// Now is the last change; a lane has at least one.
func (l Lane) Now() story.Change { return l.Changes[len(l.Changes)-1] }

// lanes keeps what changed while requests were sent.
func (t *tale) lanes(from, to time.Time) Story {
	during := func(subjects []story.Subject) []Lane {
		var lanes []Lane
		for _, s := range subjects {
			l := Lane{Name: s.Name, On: s.On}
			for _, c := range s.Changes {
				if !c.At.Before(from) && !c.At.After(to) {
					l.Changes = append(l.Changes, c)
				}
			}
			if len(l.Changes) > 0 {
				lanes = append(lanes, l)
			}
		}
		return lanes
	}
	return Story{
		Workloads: during(t.story.Workloads),
		Nodes:     during(t.story.Nodes),
		Pods:      during(t.story.Pods),
		Targets:   during(t.story.Targets),
		Findings:  t.story.Findings,
	}
}
