package handover

import (
	"fmt"

	"github.com/droverhq/drover/event"
)

// Action is one thing to do. All may be repeated without harm; String is one
// line of a trace.
type Action interface{ fmt.Stringer }

// What Next may ask for.
type (
	// Hold keeps the group from acting on its own; first it records in Tags
	// what to put back.
	Hold struct {
		Tags      map[string]string
		Processes []string
		Min       int // MinSize to set; -1 leaves it
	}
	// Resume puts the group back as the record says.
	Resume struct {
		Processes []string
		Min       int // -1 leaves it
	}
	// ChangeNode changes a node; its record is part of the patch.
	ChangeNode struct {
		Node  string
		What  string // cordon, exclude, put back
		Patch Patch
	}
	// ChangePod changes a pod; its record is part of the patch.
	ChangePod struct {
		Pod   Ref
		What  string // release, take out, give back, forget
		Patch Patch
	}
	// Evict asks the Eviction API.
	Evict struct {
		Pod Ref
	}
	// Wait says what the hand-over is waiting for.
	Wait struct {
		For string
	}
	// Report passes a finding on.
	Report struct {
		Finding event.Finding
	}
)

func (a Hold) String() string {
	return fmt.Sprintf("hold group, suspend %v, min %d", a.Processes, a.Min)
}
func (a Resume) String() string     { return fmt.Sprintf("resume group %v, min %d", a.Processes, a.Min) }
func (a ChangeNode) String() string { return a.What + " node " + a.Node }
func (a ChangePod) String() string  { return a.What + " pod " + a.Pod.String() }
func (a Evict) String() string      { return "evict pod " + a.Pod.String() }
func (a Wait) String() string       { return "wait: " + a.For }
func (a Report) String() string {
	return string(a.Finding.Severity) + ": " + a.Finding.Object + ": " + a.Finding.Effect
}
