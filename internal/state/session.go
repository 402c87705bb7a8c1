package state

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/droverhq/drover/internal/seal"
	"github.com/droverhq/drover/plan"
)

// Session is one command's work on a locked stack. Its methods may be called
// from several goroutines; each returns once its entry is safe.
type Session struct {
	Notes []string // of a lock that was taken over, and of what was cut off

	store *Store
	stack string
	lock  Lock

	mu      sync.RWMutex // guards what follows
	ledger  *ledger
	view    *Snapshot // of the ledger as it is now; nil: not asked for since it changed
	run     *Run
	saved   uint64 // the serial that the newest checkpoint has
	journal *writer

	wrapped *seal.Wrapped // the key of a stack that has sealed nothing yet

	message string      // of the run, for the history
	lines   []plan.Line // of its plan

	readOnly bool // it has no lock
}

// ErrReadOnly is what a session without a lock says instead of writing.
var ErrReadOnly = errors.New("this takes the stack's lock")

// Peek is a session without a lock, for a look whether there is anything to
// do: it writes nothing, and whatever would write is ErrReadOnly. A stack that
// somebody works on, or whose last run was cut off, is ErrReadOnly as a whole.
func (s *Store) Peek(ctx context.Context, stack string) (*Session, error) {
	lock, err := s.lastLock(ctx, stack)
	if err != nil {
		return nil, err
	}
	if lock.held() {
		return nil, ErrReadOnly
	}
	l, err := s.load(ctx, stack)
	if err != nil {
		return nil, err
	}
	if l.note != "" || l.saved != l.head.Serial {
		return nil, ErrReadOnly
	}
	session := newSession(s, stack, lock, l, nil)
	session.readOnly = true
	return session, nil
}

func newSession(s *Store, stack string, lock Lock, l *loaded, took *Lock) *Session {
	session := &Session{store: s, stack: stack, lock: lock, ledger: l.ledger, saved: l.saved}
	session.journal = &writer{place: s.place, stack: stack, id: l.head.ID, epoch: lock.Epoch, durable: l.head.Serial,
		ours: func(ctx context.Context) error { return s.stands(ctx, stack, lock) }}
	if took != nil {
		session.Notes = append(session.Notes, "took over the lock of a run that died: "+took.String())
	}
	if l.note != "" {
		session.Notes = append(session.Notes, l.note)
	}
	return session
}

// Snapshot is the state as of now. It costs a look at all of it: ask Find, Live
// and Intent for one thing.
func (s *Session) Snapshot() *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen()
}

func (s *Session) seen() *Snapshot {
	if s.view == nil {
		s.view = s.ledger.snapshot()
	}
	return s.view
}

// Find is one generation of a resource, condemned or not.
func (s *Session) Find(urn plan.URN, gen int) (Resource, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ledger.find(Need{urn, gen})
}

// Live is the generation of a resource that is in use.
func (s *Session) Live(urn plan.URN) (Resource, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ledger.live(urn)
}

// Intent is the pending call of this kind, if there is one.
func (s *Session) Intent(op plan.Op, urn plan.URN, gen int) (Intent, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ledger.intent(op, Need{urn, gen})
}

// Objects are the resources of a type whose provider calls them so.
func (s *Session) Objects(typ, id string) []Resource {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []Resource
	for _, h := range s.ledger.objects[object{typ, id}] {
		found = append(found, h.Resource)
	}
	return found
}

// Begin writes down that a call is about to be sent, and gives its token. A
// call that was cut off keeps its token, and a create keeps it until it is
// certain that it made nothing; an update or a delete that came back with an
// error is a new call, with a new token.
func (s *Session) Begin(ctx context.Context, in Intent) (Intent, error) {
	err := s.write(ctx, func(l *ledger) *entry {
		n := Need{in.URN, in.Gen}
		before, pending := l.intent(in.Op, n)
		if pending && repeats(before, in) {
			in = before
			return nil
		}
		in.Token = token(l.head.ID, in, l.head.Serial+1)
		in.At = time.Now().UTC()
		in.Memo = before.Memo
		if r, ok := l.find(n); ok && in.Op == plan.Update && in.Resource != nil {
			in.Doubt, in.Earlier = doubt(r.Inputs, in.Resource.Inputs, before.Doubt), superseded(before, in)
		}
		return &entry{What: begin, Intent: &in}
	})
	return in, err
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
	return s.write(ctx, func(*ledger) *entry { return &entry{What: done, Intent: ref(in), Result: stamped(r)} })
}

// Failed writes down that the call came back with an error. notMade says that
// it certainly had no effect; otherwise its intent stays pending.
func (s *Session) Failed(ctx context.Context, in Intent, notMade bool) error {
	return s.write(ctx, func(l *ledger) *entry {
		if now, ok := l.intent(in.Op, Need{in.URN, in.Gen}); ok {
			in = now // with the memo that was stored meanwhile
		}
		return &entry{What: failed, Intent: &in, NotMade: notMade}
	})
}

// Learn stores what became known of a resource without changing it.
func (s *Session) Learn(ctx context.Context, r Resource) error {
	return s.write(ctx, func(l *ledger) *entry {
		if now, ok := l.find(Need{r.URN, r.Gen}); ok && now.same(r) {
			return nil
		}
		return &entry{What: note, Result: &r}
	})
}

// Memo stores what a hand-over that was begun cannot observe again.
func (s *Session) Memo(ctx context.Context, in Intent, m json.RawMessage) error {
	return s.write(ctx, func(*ledger) *entry {
		in.Memo = m
		return &entry{What: memo, Intent: &in}
	})
}

// SetOutputs stores the outputs of the stack.
func (s *Session) SetOutputs(ctx context.Context, values map[string]any) error {
	return s.write(ctx, func(l *ledger) *entry {
		if Equal(l.head.Outputs, values) {
			return nil
		}
		return &entry{What: outputs, Outputs: values}
	})
}

// Pin stores where the stack lives, before anything is made. Whether a stack
// may live elsewhere than it did is the caller's to judge.
func (s *Session) Pin(ctx context.Context, i Identity) error {
	return s.write(ctx, func(l *ledger) *entry {
		if l.head.Identity.equal(i) {
			return nil
		}
		return &entry{What: pin, Identity: &i}
	})
}

// Rename gives resources other URNs. What they are outside stays.
func (s *Session) Rename(ctx context.Context, renames []plan.Rename) error {
	return s.write(ctx, func(*ledger) *entry {
		if len(renames) == 0 {
			return nil
		}
		return &entry{What: rename, Renames: renames}
	})
}

// Way is the way back of the change under way; nil: there is none.
func (s *Session) Way() *Way {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ledger.head.Way
}

// SetWay stores how the change under way can be taken back; nil: it cannot any more.
func (s *Session) SetWay(ctx context.Context, w *Way) error {
	return s.write(ctx, func(l *ledger) *entry {
		if l.head.Way == nil && w == nil {
			return nil
		}
		return &entry{What: way, Way: w}
	})
}

// write takes in the entry that next makes of the ledger (nil: there is nothing
// to tell), and returns once it is safe. Until then others may build on it:
// their entries come after it in the journal. A run that is being stopped still
// writes down what it did.
func (s *Session) write(ctx context.Context, next func(*ledger) *entry) error {
	seq, err := s.take(ctx, next)
	if err != nil || seq == 0 {
		return err
	}
	return s.journal.commit(context.WithoutCancel(ctx), seq)
}

func (s *Session) take(ctx context.Context, next func(*ledger) *entry) (seq uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := next(s.ledger)
	if e == nil {
		return 0, nil
	}
	if s.readOnly {
		return 0, ErrReadOnly
	}
	e.Seq, e.At = s.ledger.head.Serial+1, time.Now().UTC()
	if err := s.sealed(ctx, e); err != nil {
		return 0, fmt.Errorf("seal secrets: %w", err)
	}
	text, err := encodeEntry(*e)
	if err == nil {
		err = s.ledger.apply(*e)
	}
	if err != nil {
		return 0, fmt.Errorf("refuse to write a journal entry that would damage the state: %w", err)
	}
	s.view = nil
	s.journal.push(e.Seq, text)
	return e.Seq, nil
}

// ref names an intent without repeating what it holds.
func ref(in Intent) *Intent { return &Intent{Op: in.Op, URN: in.URN, Gen: in.Gen, First: in.First} }

func stamped(r *Resource) *Resource {
	if r == nil {
		return nil
	}
	c := *r
	if c.Updated = time.Now().UTC(); c.Created.IsZero() {
		c.Created = c.Updated
	}
	return &c
}

// compact makes a checkpoint of all that is known and, once that is read back
// whole, removes what led to it.
func (s *Session) compact(ctx context.Context) error {
	s.mu.Lock()
	snap := s.seen()
	s.mu.Unlock()
	if snap.Serial == s.saved {
		return nil
	}
	if err := s.journal.close(); err != nil {
		return err
	}
	return s.checkpoint(ctx, snap)
}

func (s *Session) checkpoint(ctx context.Context, snap *Snapshot) error {
	if err := s.store.stands(ctx, s.stack, s.lock); err != nil {
		return err
	}
	c := part{key: checkpointKey(s.stack, s.lock.Epoch, snap.Serial), epoch: s.lock.Epoch, at: snap.Serial}
	if err := s.store.writeCheckpoint(ctx, c.key, snap); err != nil {
		return err
	}
	if err := s.store.stands(ctx, s.stack, s.lock); err != nil {
		return err
	}
	s.saved = snap.Serial
	return s.store.forget(ctx, s.stack, c)
}

// Unlock ends the session.
func (s *Session) Unlock(ctx context.Context) error {
	if s.readOnly {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	return errors.Join(s.journal.close(), s.store.release(ctx, s.stack, s.lock))
}
