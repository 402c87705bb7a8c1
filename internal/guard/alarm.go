package guard

import (
	"errors"
	"sync"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/problem"
)

// alarm keeps one guard's first breach and tells it once.
type alarm struct {
	guard  graph.Guard
	events event.Sink

	mu     sync.Mutex
	reason string // empty: not breached
}

// identity tells the guard from others.
func (a *alarm) identity() string { return identity(a.guard) }

func (a *alarm) breach(reason string) {
	a.mu.Lock()
	first := a.reason == ""
	if first {
		a.reason = reason
	}
	a.mu.Unlock()
	switch {
	case !first:
	case a.guard.OnBreach == graph.Ignore:
		a.tell(event.Warning, reason+ignored)
	default:
		a.events.Emit(event.GuardBreached{URL: a.guard.Name(), Reason: reason, OnBreach: string(a.guard.OnBreach)})
	}
}

func (a *alarm) alarmed() (reason string, answer graph.OnBreach) { //nolint:unparam // the guard asks by its interface watcher
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.reason, a.guard.OnBreach
}

func (a *alarm) tell(severity event.Severity, effect string) {
	a.events.Emit(event.Finding{Severity: severity, Object: "guard " + a.guard.Name(), Effect: effect})
}

func (a *alarm) problem(kind problem.Kind, err error, fix string) error {
	return &problem.Error{Kind: kind, At: a.guard.At, Op: "guard " + a.guard.Name(), Err: err, Fix: fix}
}

// asProblem keeps an error that has a remedy as it is.
func asProblem(err error) *problem.Error {
	var p *problem.Error
	if errors.As(err, &p) {
		return p
	}
	return &problem.Error{Kind: problem.Outside, Op: "try the guard", Err: err, Fix: "run the same command again"}
}

// ignored ends what is told of a guard that stops nothing.
const ignored = "; the move goes on, as its guard says onBreach: ignore"

// wayOn ends the remedy of a guard that fails before anything is moved: a move
// that stopped while traffic was down must not be a dead end.
const wayOn = "to go on all the same, and without a guard: drover up --guard off"
