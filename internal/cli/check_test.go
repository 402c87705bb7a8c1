package cli

import (
	"testing"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/move"
)

// What is the same for each node that is looked at is told of the first one, and
// counted at the others.
func TestCheckTellsOnce(t *testing.T) {
	web := event.Finding{Severity: event.Warning, Object: "deployment/apps/web", Effect: "no probe"}
	of := func(node string) move.Report {
		return move.Report{From: node, Findings: []event.Finding{web,
			{Severity: event.Warning, Object: node, Effect: "a descheduler may evict pods"}, {Severity: event.Note, Object: "pod/" + node, Effect: "its own"}}}
	}
	told := map[event.Finding]bool{}
	r := of("node/a")
	if again := untold(&r, told); again != 0 || len(r.Findings) != 3 {
		t.Errorf("%d told before, %+v", again, r.Findings)
	}
	r = of("node/b")
	if again := untold(&r, told); again != 2 || len(r.Findings) != 1 || r.Findings[0].Effect != "its own" {
		t.Errorf("%d told before, %+v", again, r.Findings)
	}
}
