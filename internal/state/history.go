package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/droverhq/drover/plan"
)

// Run is one entry of a stack's history.
type Run struct {
	N        int             `json:"n"` // 1, 2, …
	Command  string          `json:"command"`
	User     string          `json:"user"`
	Host     string          `json:"host"`
	Started  time.Time       `json:"started"`
	Finished time.Time       `json:"finished,omitzero"` // zero: it still runs, or it was killed
	Steps    map[plan.Op]int `json:"steps"`
	Message  string          `json:"message,omitempty"` // why, in the words of who ran it
	Plan     []plan.Line     `json:"plan,omitempty"`    // what was to be done
	Result   Result          `json:"result"`
	Error    string          `json:"error,omitempty"`
}

// Result is how a run ended.
type Result string

// A run that was killed stays "running" for ever.
const (
	Running   Result = "running"
	Succeeded Result = "succeeded"
	Failed    Result = "failed"
)

// Describe says of the run that is about to start why it is made, and what it does.
func (s *Session) Describe(message string, lines []plan.Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.message, s.lines = message, lines
}

// Start begins a run: an entry in the history, unless it turns out to change nothing.
func (s *Session) Start(ctx context.Context, steps map[plan.Op]int) error {
	if s.readOnly && len(steps) > 0 {
		return ErrReadOnly
	}
	keys, err := s.store.place.list(ctx, historyPrefix(s.stack))
	if err != nil {
		return fmt.Errorf("read history of stack %s: %w", s.stack, err)
	}
	run := &Run{N: nextRun(keys), Command: s.lock.Command, User: s.lock.User, Host: s.lock.Host,
		Started: time.Now().UTC(), Steps: steps, Result: Running}
	s.mu.Lock()
	run.Message, run.Plan = s.message, s.lines
	s.run = run
	s.mu.Unlock()
	if len(steps) == 0 {
		return nil
	}
	return s.store.writeRun(ctx, s.stack, run)
}

func nextRun(keys []string) int {
	n := 0
	if len(keys) > 0 {
		_, _ = fmt.Sscanf(path.Base(keys[len(keys)-1]), "%d", &n) // keys are ours
	}
	return n + 1
}

// Finish ends the run: the journal becomes a checkpoint, the history its
// result. A run that changed nothing leaves no trace.
func (s *Session) Finish(ctx context.Context, result error) error {
	ctx = context.WithoutCancel(ctx)
	if s.readOnly {
		return nil // nothing was changed
	}
	s.mu.RLock()
	run, changed := *s.run, s.ledger.head.Serial != s.saved
	s.mu.RUnlock()
	compactErr := s.compact(ctx)
	if len(run.Steps) == 0 && !changed && result == nil {
		return compactErr
	}
	run.Finished = time.Now().UTC()
	run.Result = Succeeded
	if result != nil {
		run.Result, run.Error = Failed, result.Error()
	}
	return errors.Join(compactErr, s.store.writeRun(ctx, s.stack, &run))
}

func (s *Store) writeRun(ctx context.Context, stack string, run *Run) error {
	text, err := json.MarshalIndent(run, "", " ")
	if err == nil {
		err = s.place.replace(ctx, historyKey(stack, run.N), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write history of stack %s: %w", stack, err)
	}
	return nil
}

func (s *Store) readRun(ctx context.Context, key string) (run Run, err error) {
	text, err := s.place.read(ctx, key)
	if err != nil {
		return run, fmt.Errorf("read history: %w", err)
	}
	if err := json.Unmarshal(text, &run); err != nil {
		return run, damaged(key, err)
	}
	return run, nil
}

// History is the runs of a stack, newest first.
func (s *Store) History(ctx context.Context, stack string) ([]Run, error) {
	keys, err := s.place.list(ctx, historyPrefix(stack))
	if err != nil {
		return nil, fmt.Errorf("read history of stack %s: %w", stack, err)
	}
	slices.Reverse(keys)
	runs := make([]Run, len(keys))
	for i, k := range keys {
		if runs[i], err = s.readRun(ctx, k); err != nil {
			return nil, err
		}
	}
	return runs, nil
}
