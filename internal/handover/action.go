package handover

import "fmt"

// Action is one thing to do. All may be repeated without harm; String is one
// line of a trace.
type Action interface{ fmt.Stringer }

// What a turn may ask for.
type (
	// Hold keeps a group from acting on its own; first it records in Tags what
	// to put back.
	Hold struct {
		Group     string
		Tags      map[string]string
		Processes []string
		Min       int // MinSize to set; -1 leaves it
	}
	// Resume puts a group back as its record says.
	Resume struct {
		Group     string
		Processes []string
		Min       int // -1 leaves it
	}
	// ChangeNode changes a node; its record is part of the patch.
	ChangeNode struct {
		Node     string
		What     string // cordon, exclude, mark leaving, put back
		Instance string
		Register []string // before that its instance is registered with these again
		Patch    Patch
	}
	// ChangeEvictor turns what runs a descheduler off, or on again; its record is part
	// of the patch.
	ChangeEvictor struct {
		Evictor Evictor
		What    string // keep from evicting, let evict again
		Patch   Patch
	}
	// Deregister takes a node out of what its Auto Scaling group registered it with.
	Deregister struct {
		Node, Instance string
		From           []string
	}
	// ChangePod changes a pod; its record is part of the patch.
	ChangePod struct {
		Pod      Ref
		Workload string
		What     string // hold, release, take out, give back, forget, renew
		Patch    Patch
	}
	// Evict asks the Eviction API.
	Evict struct {
		Pod      Ref
		Workload string
	}
	// Recount makes the controller of a disruption budget look again.
	Recount struct {
		Namespace, Budget string
	}
	// Sentinel puts a sentinel on a node; Unguard takes it away.
	Sentinel struct {
		Node   string
		Repels []Repelled
	}
	Unguard struct {
		Node string
	}
	// Wait says what a part of the move is waiting for.
	Wait struct {
		For string
	}
)

func (a Hold) String() string {
	return fmt.Sprintf("hold group %s, suspend %v, min %d", a.Group, a.Processes, a.Min)
}
func (a Resume) String() string {
	return fmt.Sprintf("resume group %s %v, min %d", a.Group, a.Processes, a.Min)
}
func (a ChangeNode) String() string    { return a.What + " node " + a.Node }
func (a ChangeEvictor) String() string { return a.What + " " + a.Evictor.Key() }
func (a Deregister) String() string {
	return fmt.Sprintf("deregister node %s from %v", a.Node, a.From)
}
func (a ChangePod) String() string { return a.What + " pod " + a.Pod.String() }
func (a Evict) String() string     { return "evict pod " + a.Pod.String() }
func (a Recount) String() string {
	return "recount poddisruptionbudget " + a.Namespace + "/" + a.Budget
}
func (a Sentinel) String() string { return "put sentinel on node " + a.Node }
func (a Unguard) String() string  { return "take sentinel from node " + a.Node }
func (a Wait) String() string     { return "wait: " + a.For }
