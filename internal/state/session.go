package state

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/droverhq/drover/internal/seal"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// Session is one command's work on a locked stack. Its methods may be called
// from several goroutines; each returns once its entry is in the bucket.
type Session struct {
	Note string // tells of a lock that was taken over; empty otherwise

	store *Store
	lock  Lock

	mu   sync.Mutex // one journal entry at a time, in order
	snap *Snapshot
	run  *Run

	wrapped *seal.Wrapped // the key of a stack that has sealed nothing yet
}

// Snapshot is the state as of now.
func (s *Session) Snapshot() *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.snap
}

// Begin writes down that a call is about to be sent, and gives its token. A
// call that was cut off keeps its token, and a create keeps it until it is
// certain that it made nothing; an update or a delete that came back with an
// error is a new call, with a new token.
func (s *Session) Begin(ctx context.Context, in Intent) (Intent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, pending := s.snap.Intent(in.Op, in.URN, in.Gen)
	if pending && repeats(before, in) {
		return before, nil
	}
	seq := s.snap.Serial + 1
	in.Token = token(s.snap.ID, in, seq)
	in.At = time.Now().UTC()
	in.Memo = before.Memo
	if r, ok := s.snap.Find(in.URN, in.Gen); ok && in.Op == plan.Update {
		in.Doubt = doubt(r.Inputs, in.Resource.Inputs, before.Doubt)
	}
	return in, s.write(ctx, entry{What: begin, Intent: &in})
}

// repeats reports that a pending intent is the same call as the one about to be sent.
func repeats(before, in Intent) bool {
	if before.Failed && in.Op != plan.Create {
		return false
	}
	if in.Resource == nil || before.Resource == nil {
		return before.First == in.First && before.All == in.All
	}
	return Equal(before.Resource.Inputs, in.Resource.Inputs)
}

// token is the same whenever the same intent is journaled under the same number.
// 32 hex digits: within every AWS service's limits for client tokens.
func token(stackID string, in Intent, seq uint64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%d|%s|%d", stackID, in.URN, in.Gen, in.Op, seq))
	return hex.EncodeToString(sum[:16])
}

// Done writes down that the call succeeded, with the resource as it now is
// (nil after a delete or a hand-over).
func (s *Session) Done(ctx context.Context, in Intent, r *Resource) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(ctx, entry{What: done, Intent: ref(in), Result: s.stamped(r)})
}

// Failed writes down that the call came back with an error. notMade says that
// it certainly had no effect; otherwise its intent stays pending.
func (s *Session) Failed(ctx context.Context, in Intent, notMade bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now, ok := s.snap.Intent(in.Op, in.URN, in.Gen); ok {
		in = now // with the memo that was stored meanwhile
	}
	return s.write(ctx, entry{What: failed, Intent: &in, NotMade: notMade})
}

// Learn stores what became known of a resource without changing it.
func (s *Session) Learn(ctx context.Context, r Resource) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now, ok := s.snap.Find(r.URN, r.Gen); ok && Equal(now, r) {
		return nil
	}
	return s.write(ctx, entry{What: note, Result: &r})
}

// Memo stores what a hand-over that was begun cannot observe again.
func (s *Session) Memo(ctx context.Context, in Intent, m json.RawMessage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	in.Memo = m
	return s.write(ctx, entry{What: memo, Intent: &in})
}

// SetOutputs stores the outputs of the stack.
func (s *Session) SetOutputs(ctx context.Context, values map[string]any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if Equal(s.snap.Outputs, values) {
		return nil
	}
	return s.write(ctx, entry{What: outputs, Outputs: values})
}

// write checks what the entry leads to, stores it, and only then believes it.
// A run that is being stopped still writes down what it did.
func (s *Session) write(ctx context.Context, e entry) error {
	e.Seq = s.snap.Serial + 1
	e.At = time.Now().UTC()
	if err := s.sealed(ctx, &e); err != nil {
		return fmt.Errorf("seal secrets: %w", err)
	}
	next, err := s.snap.with(e)
	if err != nil {
		return fmt.Errorf("refuse to write a journal entry that would damage the state: %w", err)
	}
	key := journalKey(s.snap.Stack, e.Seq)
	err = s.store.write(context.WithoutCancel(ctx), key, e, &blob.WriterOptions{IfNotExist: true})
	if gcerrors.Code(err) == gcerrors.FailedPrecondition {
		return s.lost()
	}
	if err != nil {
		return err
	}
	s.snap = next
	return nil
}

func (s *Session) lost() error {
	return &problem.Error{Kind: problem.Locked, Op: "write state of stack " + s.snap.Stack,
		Err: errors.New("somebody else took the lock and works on it"),
		Fix: "let them finish, then run the same command again"}
}

// ref names an intent without repeating what it holds.
func ref(in Intent) *Intent { return &Intent{Op: in.Op, URN: in.URN, Gen: in.Gen, First: in.First} }

func (s *Session) stamped(r *Resource) *Resource {
	if r == nil {
		return nil
	}
	c := *r
	if c.Updated = time.Now().UTC(); c.Created.IsZero() {
		c.Created = c.Updated
	}
	return &c
}

// Run is one entry of a stack's history.
type Run struct {
	N        int             `json:"n"` // 1, 2, …
	Command  string          `json:"command"`
	User     string          `json:"user"`
	Host     string          `json:"host"`
	Started  time.Time       `json:"started"`
	Finished time.Time       `json:"finished,omitzero"` // zero: it still runs, or it was killed
	Steps    map[plan.Op]int `json:"steps"`
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

// Start begins a run: an entry in the history.
func (s *Session) Start(ctx context.Context, steps map[plan.Op]int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	runs, err := s.store.keys(ctx, historyPrefix(s.snap.Stack))
	if err != nil {
		return err
	}
	s.run = &Run{N: nextRun(runs), Command: s.lock.Command, User: s.lock.User, Host: s.lock.Host,
		Started: time.Now().UTC(), Steps: steps, Result: Running}
	return s.store.write(ctx, historyKey(s.snap.Stack, s.run.N), s.run, nil)
}

func nextRun(keys []string) int {
	n := 0
	if len(keys) > 0 {
		last := keys[len(keys)-1]
		_, _ = fmt.Sscanf(last[len(last)-len("000000.json"):], "%d", &n) // keys are ours
	}
	return n + 1
}

// Finish ends the run: the journal becomes a checkpoint, the history its result.
func (s *Session) Finish(ctx context.Context, result error) error {
	ctx = context.WithoutCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	compactErr := s.compact(ctx)
	s.run.Finished = time.Now().UTC()
	s.run.Result = Succeeded
	if result != nil {
		s.run.Result, s.run.Error = Failed, result.Error()
	}
	return errors.Join(compactErr, s.store.write(ctx, historyKey(s.snap.Stack, s.run.N), s.run, nil))
}

// compact writes the checkpoint first, so that a crash in between only leaves
// entries that the next replay skips and the next compaction removes.
func (s *Session) compact(ctx context.Context) error {
	if holder, err := s.store.holder(ctx, s.snap.Stack); err != nil || holder.ID != s.lock.ID {
		return errors.Join(err, s.lost())
	}
	keys, err := s.store.keys(ctx, journalPrefix(s.snap.Stack))
	if err != nil || len(keys) == 0 {
		return err
	}
	if err := s.store.write(ctx, checkpointKey(s.snap.Stack), s.snap, nil); err != nil {
		return err
	}
	last := journalKey(s.snap.Stack, s.snap.Serial)
	return s.store.remove(ctx, slices.DeleteFunc(keys, func(k string) bool { return k > last }))
}

// Unlock ends the session.
func (s *Session) Unlock(ctx context.Context) error {
	return s.store.release(context.WithoutCancel(ctx), s.snap.Stack, s.lock)
}

// History is the runs of a stack, newest first.
func (s *Store) History(ctx context.Context, stack string) ([]Run, error) {
	keys, err := s.keys(ctx, historyPrefix(stack))
	if err != nil {
		return nil, err
	}
	slices.Reverse(keys)
	runs := make([]Run, len(keys))
	for i, k := range keys {
		if err := s.read(ctx, k, &runs[i]); err != nil {
			return nil, fmt.Errorf("read history of stack %s: %w", stack, err)
		}
	}
	return runs, nil
}
