package handover

import (
	"fmt"
	"strings"

	"github.com/droverhq/drover/event"
)

// Habits are what makes an Auto Scaling group larger or smaller, or replaces its
// instances, without anybody asking.
type Habits struct {
	Policies  []string // scaling policies that are on
	Schedules []string // scheduled actions
	WarmPool  bool
	Refresh   string   // state of an instance refresh that is under way
	Retained  []string // instances that its fence has kept from ending
}

// Findings tell of a group that is emptied what will not happen while it moves, and
// of one that takes the pods what still may: it has to be able to grow.
func (h Habits) Findings(group string, takes bool) []event.Finding {
	var found []event.Finding
	add := func(severity event.Severity, effect, fix string) {
		found = append(found, event.Finding{Severity: severity, Object: "asg/" + group, Effect: effect, Fix: fix})
	}
	held := "it is kept from that while its nodes are emptied, and does it again afterwards"
	for _, acts := range []struct {
		names []string
		what  string
	}{{h.Policies, "scaling policies"}, {h.Schedules, "scheduled actions"}} {
		switch what := fmt.Sprintf("its %s (%s)", acts.what, strings.Join(acts.names, ", ")); {
		case len(acts.names) == 0:
		case takes:
			add(warning, what+" may make it smaller while pods come: that ends nodes without a hand-over", "raise its least size until the move is through, or drover protect asg/"+group)
		default:
			add(note, what+" change its size: "+held, "")
		}
	}
	if h.Refresh != "" {
		add(warning, "an instance refresh is under way ("+h.Refresh+"): it is stopped while nodes move, and replaces nodes without a hand-over before and after", "aws autoscaling cancel-instance-refresh --auto-scaling-group-name "+group)
	}
	if len(h.Retained) > 0 {
		add(warning, "somebody ended instances of it that its fence retains: "+list(h.Retained)+"; they run on beside the group, serve, and cost what they cost",
			"of a stack: set the group's capacity to the nodes that are left, and drover up; else move the whole group, or drover drain its node, then drover unprotect asg/"+group+" and end the instance by name")
	}
	if h.WarmPool && !takes {
		add(note, "it has a warm pool: its instances are no nodes, and end with the group", "")
	}
	return found
}
