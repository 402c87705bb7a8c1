package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// Drift is how one object differs from what was last applied.
type Drift struct {
	URN     plan.URN      `json:"urn"`
	Name    string        `json:"name"`
	Gone    bool          `json:"gone,omitempty"`    // it was deleted; the next up makes it again
	Changes []DriftChange `json:"changes,omitempty"` // by path
	live    state.Resource
}

// DriftChange is one property that somebody else has changed.
type DriftChange struct {
	Path  string `json:"path"`
	State any    `json:"state"` // as last applied
	Live  any    `json:"live"`
}

// Refresh reads every object and tells what somebody else has changed of what
// Drover sets. Defaults that a service adds, secrets, and how many nodes a
// group has now (an autoscaler's business) are no drift.
func (e *Engine) Refresh(ctx context.Context, s *state.Snapshot) ([]Drift, error) {
	looking := *e
	looking.NoRead = false
	l := &looker{Engine: &looking, snap: s, found: sightings{}, silent: map[string]error{}, unread: map[string]int{},
		outputs: map[state.Need]plan.Props{}}
	if err := l.all(ctx); err != nil {
		return nil, err
	}
	l.tell()
	var drifts []Drift
	for _, r := range s.Resources {
		need := state.Need{URN: r.URN, Gen: r.Gen}
		seen, looked := l.found[need]
		if !looked || r.Condemned || r.Gone {
			continue
		}
		if d := drift(r, seen, l.outputs[need]); d.Gone || len(d.Changes) > 0 {
			drifts = append(drifts, d)
		}
	}
	return drifts, nil
}

func drift(r state.Resource, seen sighting, live plan.Props) Drift {
	d := Drift{URN: r.URN, Name: r.Name, Gone: seen.gone, live: r}
	if seen.gone {
		return d
	}
	d.live.Outputs, d.live.Inputs = live, maps.Clone(r.Inputs)
	for _, k := range slices.Sorted(maps.Keys(r.Inputs)) {
		now, told := live[k]
		if !told || value.HasSecret(r.Inputs[k]) || value.HasSecret(now) {
			continue // never read back, or nobody's business
		}
		changes := slices.DeleteFunc(drifted(k, r.Inputs[k], now), func(c DriftChange) bool {
			return seen.size != nil && fmt.Sprint(c.Live) == fmt.Sprint(*seen.size)
		})
		if len(changes) > 0 {
			d.Changes = append(d.Changes, changes...)
			d.live.Inputs[k] = now
		}
	}
	return d
}

// drifted compares what was applied with what is there. What is there may have
// more: services add defaults.
func drifted(path string, applied, live any) []DriftChange {
	if before, ok := applied.(map[string]any); ok {
		now, ok := live.(map[string]any)
		if !ok {
			return []DriftChange{{path, applied, live}}
		}
		var all []DriftChange
		for _, k := range slices.Sorted(maps.Keys(before)) {
			if v, told := now[k]; told {
				all = append(all, drifted(path+"."+k, before[k], v)...)
			}
		}
		return all
	}
	if before, ok := applied.([]any); ok {
		now, ok := live.([]any)
		if ok && allCovered(before, now) {
			return nil
		}
		return []DriftChange{{path, applied, live}}
	}
	if fmt.Sprint(applied) == fmt.Sprint(live) { // "3" is 3
		return nil
	}
	return []DriftChange{{path, applied, live}}
}

// allCovered reports that every item that was applied is there, in any order,
// and that no item is too many but those that services add to tags.
func allCovered(applied, live []any) bool {
	for _, want := range applied {
		if !slices.ContainsFunc(live, func(v any) bool { return len(drifted("", want, v)) == 0 }) {
			return false
		}
	}
	return len(live) == len(applied) || len(live) > 0 && isTag(live[0])
}

func isTag(v any) bool {
	m, ok := v.(map[string]any)
	return ok && m["Key"] != nil && m["Value"] != nil
}

// TakeOver stores drift as what was last applied: the next up sets back what
// the file still says otherwise, and leaves what the file now says, too.
func (e *Engine) TakeOver(ctx context.Context, drifts []Drift, j Journal) error {
	if err := j.Start(ctx, nil); err != nil {
		return err
	}
	err := Learn(ctx, drifts, j)
	return errors.Join(err, j.Finish(ctx, err))
}

// Learn stores drift in a run that goes on to something else.
func Learn(ctx context.Context, drifts []Drift, j interface {
	Learn(ctx context.Context, r state.Resource) error
}) error {
	for _, d := range drifts {
		if d.Gone {
			continue // every plan sees that by itself
		}
		if err := j.Learn(ctx, d.live); err != nil {
			return &journalError{err}
		}
	}
	return nil
}

// Checker is what a Provider adds that knows changes which its service refuses,
// so that they are told when the plan is made.
type Checker interface {
	// Check is asked about every change, in place or by a replacement. Its error has a remedy.
	Check(typ, name string, old, want plan.Props) error
}

// checkUpdates asks about every change; all that is refused is told at once.
func (j *judgement) checkUpdates() error {
	var refused problem.List
	for _, it := range j.items {
		if it.fate != update && it.fate != replace {
			continue
		}
		provider, err := j.engine.Providers(it.Type)
		if err != nil {
			return err
		}
		checker, ok := provider.(Checker)
		if !ok {
			continue
		}
		var p *problem.Error
		if err := checker.Check(it.Type, it.name, it.have.Inputs, it.known); errors.As(err, &p) {
			p.At = it.At
			refused = append(refused, p)
		}
	}
	return refused.Err()
}

// Drifted is the state as it would be with what others have changed taken over.
func Drifted(s *state.Snapshot, drifts []Drift) *state.Snapshot {
	live := make(map[state.Need]state.Resource, len(drifts))
	for _, d := range drifts {
		if !d.Gone {
			live[state.Need{URN: d.live.URN, Gen: d.live.Gen}] = d.live
		}
	}
	return s.With(live)
}

// Tell emits what others have changed, a note for each object.
func Tell(events event.Sink, drifts []Drift) {
	for _, d := range drifts {
		var changes []string
		for _, c := range d.Changes {
			changes = append(changes, change{c.Path, c.State, c.Live}.String())
		}
		if len(changes) > 0 {
			events.Emit(event.Finding{Severity: event.Note, Object: what(plan.Step{URN: d.URN, Name: d.Name}),
				Effect: "others have changed it: " + strings.Join(changes, ", ")})
		}
	}
}
