package event

import (
	"slices"
	"testing"

	"github.com/droverhq/drover/problem"
)

// One refusal names the first blocker with its remedy, and all others as notes;
// warnings and notes refuse nothing.
func TestRefused(t *testing.T) {
	found := []Finding{
		{Severity: Note, Object: "a", Effect: "is well"}, {Severity: Blocker, Object: "b", Effect: "is alone", Fix: "give it two"},
		{Severity: Warning, Object: "c", Effect: "is slow", Fix: "wait"}, {Severity: Blocker, Object: "d", Effect: "is pinned", Fix: "let go"},
		{Severity: Blocker, Object: "e", Effect: "is odd"},
	}
	err := Refused("move old", found)
	if err == nil || err.Error() != "move old: b: is alone" || err.Fix != "give it two" || err.Kind != problem.Refused ||
		!slices.Equal(err.Notes, []string{"also d: is pinned; fix: let go", "also e: is odd"}) {
		t.Errorf("%+v", err)
	}
	if err := Refused("move old", found[4:]); err.Fix == "" {
		t.Error("without a remedy of its own it has none")
	}
	for n, want := range map[int]string{1: "", 2: "a blocker stands in the way; up would change nothing", 5: "3 blockers stand in the way; up would change nothing"} {
		got := ""
		if err := RefusedAbove(found[:n], "up would change nothing"); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("of %d findings: %q, want %q", n, got, want)
		}
	}
	if err := Refused("move old", found[:1]); err != nil {
		t.Errorf("a note refuses: %v", err)
	}
	var order []string
	for _, f := range GravestFirst(found) {
		order = append(order, f.Object)
	}
	if !slices.Equal(order, []string{"b", "d", "e", "c", "a"}) {
		t.Errorf("told in the order %q", order)
	}
}
