package state

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/problem"
)

// Lock says who works on a stack.
type Lock struct {
	ID      string    `json:"id"`    // random
	Epoch   uint64    `json:"epoch"` // 1, 2, …: each lock of a stack has a greater one
	User    string    `json:"user"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"`

	Host    string `json:"host"`
	Machine string `json:"machine,omitempty"` // tells hosts of the same name apart
	Boot    string `json:"boot,omitempty"`    // changes when the machine starts
	Space   string `json:"space,omitempty"`   // process IDs mean something within it
	PID     int    `json:"pid"`
	Started string `json:"started,omitempty"` // when the process started: its ID may be used again

	Ended string `json:"ended,omitempty"` // why it is held no more
}

func (l Lock) String() string {
	return fmt.Sprintf("%s on %s (process %d) runs %q since %s",
		l.User, l.Host, l.PID, l.Command, l.Since.Local().Format("2006-01-02 15:04:05"))
}

// dead is true only if the holder has ended for sure: it was a process of this
// very machine. Another boot of what looks like this machine may be a clone of
// it that runs elsewhere, unless nobody else can have written where the lock is.
func (l Lock) dead(alone bool) bool {
	me := newLock("")
	switch {
	case l.Host != me.Host || l.Machine != me.Machine || l.Boot == "" || me.Boot == "":
		return false
	case l.Boot != me.Boot:
		return alone
	case l.Space != me.Space:
		return false
	}
	started, alive := process(l.PID)
	return !alive || started != l.Started
}

func newLock(command string) Lock {
	host, _ := os.Hostname() // a lock without a name is still a lock
	started, _ := process(os.Getpid())
	return Lock{ID: randomID(), User: userName(), Command: command, Since: time.Now().UTC(),
		Host: host, Machine: fileText("/etc/machine-id"), Boot: bootID(),
		Space: linkText("/proc/self/ns/pid"), PID: os.Getpid(), Started: started}
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("user %d", os.Getuid())
}

// fileText and linkText are empty where the file does not exist: on systems other than Linux.
func fileText(name string) string {
	data, _ := os.ReadFile(name)
	return strings.TrimSpace(string(data))
}

func linkText(name string) string {
	text, _ := os.Readlink(name)
	return text
}

// Lock takes the stack for one command. A lock whose holder has died is taken
// over; Session.Notes tell of it. Somebody else's is a problem of kind Locked.
func (s *Store) Lock(ctx context.Context, stack, command string) (*Session, error) {
	return s.lockAs(ctx, stack, command, s.load)
}

func (s *Store) lockAs(ctx context.Context, stack, command string, load func(context.Context, string) (*loaded, error)) (*Session, error) {
	before, err := load(ctx, stack) // no lock for a stack that does not exist
	if err != nil {
		return nil, err
	}
	lock, took, err := s.acquire(ctx, stack, newLock(command), before.maxEpoch())
	if err != nil {
		return nil, err
	}
	if f, ok := s.place.(*folder); ok {
		f.sweep(statePrefix(stack)) // nobody else writes there now
	}
	err = s.forgetLocks(ctx, stack, lock.Epoch)
	var now *loaded
	if err == nil {
		now, err = load(ctx, stack) // afresh: it may have changed before the lock was ours
	}
	if err != nil {
		return nil, errors.Join(err, s.release(context.WithoutCancel(ctx), stack, lock))
	}
	return newSession(s, stack, lock, now, took), nil
}

// acquire makes the lock of the next epoch, which of several that come at once
// only one can. It tells whose lock it took over, if any.
func (s *Store) acquire(ctx context.Context, stack string, lock Lock, wrote uint64) (mine Lock, took *Lock, err error) {
	for range attempts {
		last, err := s.lastLock(ctx, stack)
		if err != nil {
			return lock, nil, err
		}
		if last.held() {
			if !last.dead(s.alone()) {
				return lock, nil, locked(stack, last)
			}
			if err := s.end(ctx, stack, last, "its process died"); err != nil {
				return lock, nil, err
			}
			took = &last
		}
		lock.Epoch = max(last.Epoch, wrote) + 1
		err = s.place.create(context.WithoutCancel(ctx), lockKey(stack, lock.Epoch), lock.text()) // cut off, it might stand, and nobody know
		if err == nil {
			return lock, took, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return lock, nil, fmt.Errorf("lock stack %s: %w", stack, err)
		}
	}
	return lock, nil, fmt.Errorf("lock stack %s: others took and left it %d times", stack, attempts)
}

// alone reports that only this machine can write where the state is.
func (s *Store) alone() bool {
	f, ok := s.place.(*folder)
	return ok && local(f.dir)
}

func (l Lock) text() []byte {
	text, _ := json.MarshalIndent(l, "", " ") // strings and numbers
	return append(text, '\n')
}

func (l Lock) held() bool { return l.Epoch > 0 && l.Ended == "" }

func locked(stack string, holder Lock) error {
	return &problem.Error{Kind: problem.Locked, Op: "lock stack " + stack, Err: errors.New(holder.String()),
		Fix: fmt.Sprintf("wait until it is done; only if it is not running any more: drover cancel --stack %s", stack)}
}

// lastLock is the lock of the last epoch, held or not; its Epoch is 0 if there
// was none yet. One that cannot be understood is held by somebody unknown.
func (s *Store) lastLock(ctx context.Context, stack string) (Lock, error) {
	for range attempts {
		keys, err := s.place.list(ctx, lockPrefix(stack))
		if err != nil {
			return Lock{}, fmt.Errorf("read lock of stack %s: %w", stack, err)
		}
		if len(keys) == 0 {
			return Lock{}, nil
		}
		data, err := s.place.read(ctx, keys[len(keys)-1])
		if errors.Is(err, fs.ErrNotExist) {
			continue // a later one came in the meantime
		}
		if err != nil {
			return Lock{}, fmt.Errorf("read lock of stack %s: %w", stack, err)
		}
		return readLock(keys[len(keys)-1], data), nil
	}
	return Lock{}, fmt.Errorf("read lock of stack %s: it changed all the time", stack)
}

func readLock(key string, data []byte) Lock {
	var l Lock
	if err := json.Unmarshal(data, &l); err != nil {
		l = Lock{User: "somebody", Host: "an unknown host", Command: "?"}
	}
	_, _ = fmt.Sscanf(path.Base(key), "%012d.json", &l.Epoch) // the name says it
	return l
}

// end writes down that a lock is held no more. The file stays: it keeps the
// number of the epoch, and tells a run that goes on without its lock.
func (s *Store) end(ctx context.Context, stack string, lock Lock, why string) error {
	lock.Ended = why
	if err := s.place.replace(ctx, lockKey(stack, lock.Epoch), lock.text()); err != nil {
		return fmt.Errorf("end lock of stack %s: %w", stack, err)
	}
	return nil
}

// forgetLocks removes those of earlier epochs; one that is gone is not held.
func (s *Store) forgetLocks(ctx context.Context, stack string, epoch uint64) error {
	keys, err := s.place.list(ctx, lockPrefix(stack))
	if err != nil {
		return err
	}
	return s.remove(ctx, slices.DeleteFunc(keys, func(k string) bool { return k >= lockKey(stack, epoch) }))
}

// stands is nil if a lock is still the holder's, and a problem of kind Locked if
// it was taken away.
func (s *Store) stands(ctx context.Context, stack string, lock Lock) error {
	data, err := s.place.read(ctx, lockKey(stack, lock.Epoch))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read lock of stack %s: %w", stack, err)
	}
	if err == nil && bytes.Equal(data, lock.text()) {
		return nil
	}
	return &problem.Error{Kind: problem.Locked, Op: "write state of stack " + stack,
		Err: errors.New("the lock of this run was taken away, and somebody else may work on the stack"),
		Fix: "let them finish, then run the same command again"}
}

// release gives the lock back if it is still ours.
func (s *Store) release(ctx context.Context, stack string, lock Lock) error {
	err := s.stands(ctx, stack, lock)
	var taken *problem.Error
	if errors.As(err, &taken) && taken.Kind == problem.Locked {
		return nil
	}
	if err != nil {
		return err
	}
	return s.end(ctx, stack, lock, "it was done")
}

// Holder is who holds the stack's lock; it is an error if nobody does.
func (s *Store) Holder(ctx context.Context, stack string) (Lock, error) {
	l, err := s.lastLock(ctx, stack)
	if err == nil && !l.held() {
		return l, &problem.Error{Kind: problem.Usage, Op: "look at the lock of stack " + stack, Err: errors.New("nobody holds it"),
			Fix: "there is nothing to cancel; drover stack ls lists the stacks"}
	}
	return l, err
}

// Break takes the lock away from whoever holds it. Only a person can know that
// this is safe; a run that goes on without it can write nothing any more.
func (s *Store) Break(ctx context.Context, stack string) error {
	l, err := s.lastLock(ctx, stack)
	if err != nil || !l.held() {
		return err
	}
	return s.end(ctx, stack, l, "cancelled by "+userName())
}
