// Package enginetest holds what every engine.Provider must keep, so that the
// engine may call it again after a crash. The end-to-end tests run it against
// the sandbox, object by object; a provider's own tests do not.
package enginetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/plan"
)

// Subject is an object that a provider is examined with.
type Subject struct {
	Request engine.Request // Type, Name, Want, Conn and Tags
	Changed plan.Props     // Want after an update in place; nil: there is none
}

// unanswered is how long a call may take before its answer is thrown away:
// long enough to be sent, too short to end.
const unanswered = 50 * time.Millisecond

// Conform makes, changes and deletes the subject, each call more than once.
func Conform(t *testing.T, p engine.Provider, s Subject) {
	t.Helper()
	ctx := t.Context()
	r := s.Request
	r.Token = "conform-" + time.Now().UTC().Format("20060102150405.000000000")
	r.Wait = func(text string) { t.Logf("%s: %s", r.Type, text) }

	first := create(t, p, r)
	if again := create(t, p, r); again.ID != first.ID {
		t.Fatalf("a create that was repeated made %s beside %s", again.ID, first.ID)
	}
	r.ID, r.Token, r.Old = first.ID, r.Token+"-update", r.Want
	unchanged(t, p, r)
	if s.Changed != nil {
		r.Want = s.Changed
		change(t, p, r)
	}
	r.Want, r.Old = nil, nil
	cut(ctx, func(ctx context.Context) { _ = p.Delete(ctx, r) })
	for range 2 {
		if err := p.Delete(ctx, r); err != nil {
			t.Fatalf("delete: %v", err)
		}
	}
	if _, err := p.Read(ctx, r); !errors.Is(err, engine.ErrNotFound) {
		t.Fatalf("read after delete: %v, want ErrNotFound", err)
	}
}

// create loses the first answer, as a crash would.
func create(t *testing.T, p engine.Provider, r engine.Request) engine.Object {
	t.Helper()
	cut(t.Context(), func(ctx context.Context) { _, _ = p.Create(ctx, r) })
	obj, err := p.Create(t.Context(), r)
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	if obj.ID == "" || len(obj.Outputs) == 0 {
		t.Fatalf("create returned ID %q and %d outputs", obj.ID, len(obj.Outputs))
	}
	return obj
}

func unchanged(t *testing.T, p engine.Provider, r engine.Request) {
	t.Helper()
	if fields := p.Replaces(r.Type, r.Old, r.Want); len(fields) > 0 {
		t.Fatalf("the same properties want a replacement: %v", fields)
	}
	read, err := p.Read(t.Context(), r)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if read.ID != r.ID {
		t.Fatalf("read returned ID %s for %s", read.ID, r.ID)
	}
}

func change(t *testing.T, p engine.Provider, r engine.Request) {
	t.Helper()
	if fields := p.Replaces(r.Type, r.Old, r.Want); len(fields) > 0 {
		t.Fatalf("a change in place wants a replacement: %v", fields)
	}
	cut(t.Context(), func(ctx context.Context) { _, _ = p.Update(ctx, r) })
	for range 2 {
		obj, err := p.Update(t.Context(), r)
		if err != nil {
			t.Fatalf("update: %v", err)
		}
		if obj.ID != r.ID {
			t.Fatalf("update in place made %s of %s", obj.ID, r.ID)
		}
	}
}

// cut sends a call and hears no answer.
func cut(ctx context.Context, call func(context.Context)) {
	ctx, cancel := context.WithTimeout(ctx, unanswered)
	defer cancel()
	call(ctx)
}
