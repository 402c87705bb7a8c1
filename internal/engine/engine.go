// Package engine compares what is wanted with what exists and carries the
// difference out: graph and state become a plan, a plan becomes provider calls.
//
// It stands between the graph and the providers. The providers and what moves
// workloads are declared here (Provider, Mover, Guard) and implemented
// elsewhere; the state is written through Journal, so that a run that is killed
// at any instant can be finished by the next one.
//
// Replacement is create, hand over, delete. A new generation gets a name of its
// own and stands before anything of the old one goes; a resource that workloads
// run on is emptied in between.
package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
)

// Engine makes plans and carries them out.
type Engine struct {
	Providers func(typ string) (Provider, error)
	Lookup    Lookup
	Mover     Mover
	Guard     Guard // nil: nothing watches
	Events    event.Sink
	Parallel  int // steps at once; 0 is DefaultParallel

	// Park lets a run begin though some of what runs on a host cannot be moved:
	// that stays where it is, and everything else moves.
	Park              bool
	Continue          bool     // end the soak of emptied hosts at once
	AllowDelete       []string // what may be deleted although it is protected or holds data, see allows
	Replace           []string // what is made anew though nothing has changed, see Scope
	Diff              bool     // the plan tells every property that changes
	NoRead            bool     // plan by the state alone, without a look at what exists
	ForgetUnreachable bool     // PlanDestroy: what is in a cluster that does not answer counts as gone
}

// DefaultParallel is Pulumi's and Terraform's order of magnitude: enough to
// hide latency, too few to be throttled by AWS.
const DefaultParallel = 10

// Journal is the state of a locked stack. *state.Session is the real one.
type Journal interface {
	Snapshot() *state.Snapshot // all that is known; for one thing ask:
	Find(urn plan.URN, gen int) (state.Resource, bool)
	Live(urn plan.URN) (state.Resource, bool)
	Intent(op plan.Op, urn plan.URN, gen int) (state.Intent, bool)
	Objects(typ, id string) []state.Resource // that are one object outside

	Start(ctx context.Context, steps map[plan.Op]int) error
	Finish(ctx context.Context, result error) error

	// Begin is called before a provider is, and Done or Failed after.
	Begin(ctx context.Context, in state.Intent) (state.Intent, error)
	Done(ctx context.Context, in state.Intent, r *state.Resource) error
	Failed(ctx context.Context, in state.Intent, notMade bool) error

	Memo(ctx context.Context, in state.Intent, memo json.RawMessage) error
	Learn(ctx context.Context, r state.Resource) error
	Rename(ctx context.Context, renames []plan.Rename) error
	Way() *state.Way // back from the change under way; nil: there is none
	SetWay(ctx context.Context, w *state.Way) error
	SetOutputs(ctx context.Context, values map[string]any) error
}

var _ Journal = (*state.Session)(nil)

// suffixLength is how many hex digits tell one generation's name from another's
// and one stack's from another's: 268 million, for a handful of each.
const suffixLength = 7

// suffix is random between stacks and generations, yet the same in a preview,
// in the run that follows it, and after a crash.
func suffix(stackID, unit string, gen int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%d", stackID, unit, gen))
	return hex.EncodeToString(sum[:])[:suffixLength]
}

// physicalName is what a generation of a resource is called outside.
func physicalName(stackID string, r graph.Resource, urn plan.URN, gen int) string {
	base := r.BaseName
	if base == "" {
		base = r.Name
	}
	if r.NameProperty == "" && len(r.Generation) == 0 {
		return base
	}
	unit := r.Component
	if unit == "" {
		unit = string(urn)
	}
	return base + "-" + suffix(stackID, unit, gen)
}

// baseName is a physical name without the generation's suffix.
func baseName(name string) string { return name[:max(0, len(name)-suffixLength-1)] }

// sharedSuffix is the suffix in the name of a component's part, which all its parts share.
func sharedSuffix(name string, generation plan.Props) string {
	if len(generation) == 0 || len(name) < suffixLength {
		return ""
	}
	return name[len(name)-suffixLength:]
}

// declared is a resource's properties with its physical name in place.
func declared(r graph.Resource, name string) plan.Props {
	if r.NameProperty == "" {
		return r.Props
	}
	props := make(plan.Props, len(r.Props)+1)
	for k, v := range r.Props {
		props[k] = v
	}
	props[r.NameProperty] = name
	return props
}
