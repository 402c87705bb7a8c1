// Package event says what happened. Every command emits one stream of events;
// the terminal view, the JSON log and the HTML report only read it.
//
// It imports nothing but the standard library, and packages plan and problem for
// their words.
package event

import (
	"time"

	"github.com/droverhq/drover/plan"
)

// Event is one fact about a run. It holds values only, never a pointer to
// something that may still change, so every reader may keep it.
type Event struct {
	Seq  uint64    `json:"seq"` // 1, 2, 3 …; a gap means an event was lost
	At   time.Time `json:"at"`  // UTC
	Kind string    `json:"kind"`
	Fact Fact      `json:"fact"`
}

// Fact is one of the types below.
type Fact interface{ kind() string }

// Sink takes facts. Emit never blocks on a slow reader and may be called from
// several goroutines. Log is the usual one.
type Sink interface{ Emit(Fact) }

// The facts. JSON names are part of the documented format (docs/events.md).
type (
	// RunStarted is the first fact of a run.
	RunStarted struct {
		Command string `json:"command"` // "up", "destroy", …
		Stack   string `json:"stack"`
		Project string `json:"project"`
	}
	// Planned carries the plan that is about to be carried out.
	Planned struct {
		Plan   plan.Plan     `json:"plan"`
		Waited time.Duration `json:"waited"` // for the answer to the question; no part of the run's time
	}
	// StepStarted and StepFinished frame every step; Progress says in between
	// what it is waiting for.
	StepStarted struct {
		Step      int      `json:"step"`
		Op        plan.Op  `json:"op"`
		URN       plan.URN `json:"urn"`
		Name      string   `json:"name"`
		Component string   `json:"component,omitempty"`
	}
	Progress struct {
		Step    int    `json:"step"`
		Waiting string `json:"waiting"` // "3 of 5 nodes Ready"
	}
	StepFinished struct {
		Step  int           `json:"step"`
		Took  time.Duration `json:"took"`
		Error string        `json:"error,omitempty"` // empty: it succeeded
	}
	// Finding is something that inspect noticed about a move.
	Finding struct {
		Severity Severity `json:"severity"`
		Object   string   `json:"object"` // deployment/apps/nginx
		Effect   string   `json:"effect"` // what would happen
		Fix      string   `json:"fix,omitempty"`
	}
	// PhaseChanged: a hand-over as a whole entered a phase.
	PhaseChanged struct {
		Step  int    `json:"step"`
		Group string `json:"group"` // web-2f9a6d1
		From  Phase  `json:"from"`
		To    Phase  `json:"to"`
	}
	// WorkloadChanged: one workload of a hand-over entered a state.
	WorkloadChanged struct {
		Workload string        `json:"workload"` // deployment/apps/nginx
		From     WorkloadState `json:"from"`
		To       WorkloadState `json:"to"`
		Why      string        `json:"why,omitempty"` // why it is parked, or moves the way it does
	}
	// NodeChanged: a node that is left was seen to have changed.
	NodeChanged struct {
		Node   string     `json:"node"`
		Change NodeChange `json:"change"`
	}
	// PodMoved: a pod on a node that is left, or its successor, was seen to have changed.
	PodMoved struct {
		Namespace string    `json:"namespace"`
		Pod       string    `json:"pod"`
		Node      string    `json:"node"`
		Change    PodChange `json:"change"`
		Detail    string    `json:"detail,omitempty"`
	}
	// TargetChanged: a load balancer's view of an instance, or of a pod's address, changed.
	TargetChanged struct {
		Balancer string      `json:"balancer"`
		Instance string      `json:"instance"` // or an address
		State    TargetState `json:"state"`
	}
	// LoadWindow is one second of traffic seen by a guard or a load test.
	LoadWindow struct {
		Source   string        `json:"source"` // "guard", "closed", "steady"
		From     time.Time     `json:"from"`
		Requests int           `json:"requests"`
		Failures int           `json:"failures"`
		P50      time.Duration `json:"p50"`
		P99      time.Duration `json:"p99"`
		Max      time.Duration `json:"max"`
	}
	// GuardBreached: traffic suffered; the move stops.
	GuardBreached struct {
		URL      string `json:"url"` // or the query
		Reason   string `json:"reason"`
		OnBreach string `json:"onBreach,omitempty"` // "return": what was moved goes back; empty: it stays where it is
	}
	// TurnedBack: the run takes its change back from here on; the plan for that
	// follows, with steps that count from 1 again.
	TurnedBack struct {
		Why string `json:"why"`
	}
	// RunFinished is the last fact of a run.
	RunFinished struct {
		Took  time.Duration `json:"took"`
		Error string        `json:"error,omitempty"`
	}
)

func (RunStarted) kind() string      { return "run-started" }
func (Planned) kind() string         { return "planned" }
func (StepStarted) kind() string     { return "step-started" }
func (Progress) kind() string        { return "progress" }
func (StepFinished) kind() string    { return "step-finished" }
func (Finding) kind() string         { return "finding" }
func (PhaseChanged) kind() string    { return "phase-changed" }
func (WorkloadChanged) kind() string { return "workload-changed" }
func (NodeChanged) kind() string     { return "node-changed" }
func (PodMoved) kind() string        { return "pod-moved" }
func (TargetChanged) kind() string   { return "target-changed" }
func (LoadWindow) kind() string      { return "load-window" }
func (GuardBreached) kind() string   { return "guard-breached" }
func (TurnedBack) kind() string      { return "turned-back" }
func (RunFinished) kind() string     { return "run-finished" }
