package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/droverhq/drover/problem"
)

// Lock says who works on a stack.
type Lock struct {
	ID      string    `json:"id"` // random
	User    string    `json:"user"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"`

	Host    string `json:"host"`
	Machine string `json:"machine,omitempty"` // tells hosts of the same name apart
	Boot    string `json:"boot,omitempty"`    // changes when the machine starts
	Space   string `json:"space,omitempty"`   // process IDs mean something within it
	PID     int    `json:"pid"`
	Started string `json:"started,omitempty"` // when the process started: its ID may be used again
}

func (l Lock) String() string {
	return fmt.Sprintf("%s on %s (process %d) runs %q since %s",
		l.User, l.Host, l.PID, l.Command, l.Since.Local().Format("2006-01-02 15:04:05"))
}

// dead is true only if the holder has ended for sure: it was a process of this machine.
func (l Lock) dead() bool {
	me := newLock("")
	switch {
	case l.Host != me.Host || l.Machine != me.Machine:
		return false
	case l.Boot != me.Boot:
		return true
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
		Host: host, Machine: fileText("/etc/machine-id"), Boot: fileText("/proc/sys/kernel/random/boot_id"),
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
// over; Session.Note tells of it. Somebody else's is a problem of kind Locked.
func (s *Store) Lock(ctx context.Context, stack, command string) (*Session, error) {
	if _, err := s.Read(ctx, stack); err != nil {
		return nil, err // no lock file for a stack that does not exist
	}
	lock := newLock(command)
	took, err := s.acquire(ctx, stack, lock)
	if err != nil {
		return nil, err
	}
	snap, err := s.Read(ctx, stack) // afresh: it may have changed before the lock was ours
	if err != nil {
		return nil, errors.Join(err, s.release(ctx, stack, lock))
	}
	session := &Session{store: s, lock: lock, snap: snap}
	if took != nil {
		session.Note = "took over the lock of a run that died: " + took.String()
	}
	return session, nil
}

// acquire writes the lock file, and tells whose lock it took over, if any.
func (s *Store) acquire(ctx context.Context, stack string, lock Lock) (took *Lock, err error) {
	free, err := s.alone()
	if err != nil {
		return nil, fmt.Errorf("lock stack %s: %w", stack, err)
	}
	defer free()
	data, err := json.MarshalIndent(lock, "", " ")
	if err != nil {
		return nil, fmt.Errorf("lock stack %s: %w", stack, err)
	}
	for range 3 { // the holder may leave, or a dead one's lock be removed, between two calls
		err = s.bucket.WriteAll(ctx, lockKey(stack), data, &blob.WriterOptions{IfNotExist: true})
		if gcerrors.Code(err) != gcerrors.FailedPrecondition {
			break
		}
		holder, readErr := s.holder(ctx, stack)
		if gcerrors.Code(readErr) == gcerrors.NotFound {
			continue
		}
		if readErr != nil {
			return nil, readErr
		}
		if !holder.dead() {
			return nil, locked(stack, holder)
		}
		if err := s.remove(ctx, []string{lockKey(stack)}); err != nil {
			return nil, fmt.Errorf("lock stack %s: %w", stack, err)
		}
		took = &holder
	}
	if err != nil {
		return nil, fmt.Errorf("lock stack %s: %w", stack, err)
	}
	return took, nil
}

func locked(stack string, holder Lock) error {
	return &problem.Error{Kind: problem.Locked, Op: "lock stack " + stack, Err: errors.New(holder.String()),
		Fix: fmt.Sprintf("wait until it is done; only if it is not running any more: drover cancel --stack %s", stack)}
}

// alone keeps other processes of this host from taking a lock at the same time:
// a folder has no atomic "write if it is not there", and no bucket an atomic
// "replace if it is still the dead one's".
func (s *Store) alone() (free func(), err error) {
	name := filepath.Join(s.dir, ".lock")
	if s.dir == "" {
		name = filepath.Join(os.TempDir(), fmt.Sprintf("drover-%d-%.12s.lock", os.Getuid(), checksum([]byte(s.url))))
	}
	return lockFile(name)
}

// holder reads who holds the lock. A lock file that cannot be read is held by somebody unknown.
func (s *Store) holder(ctx context.Context, stack string) (Lock, error) {
	data, err := s.bucket.ReadAll(ctx, lockKey(stack))
	if err != nil {
		return Lock{}, fmt.Errorf("read lock of stack %s: %w", stack, err)
	}
	var l Lock
	if err := json.Unmarshal(data, &l); err != nil {
		return Lock{User: "somebody", Host: "an unknown host", Command: "?"}, nil
	}
	return l, nil
}

// release gives the lock back if it is still ours.
func (s *Store) release(ctx context.Context, stack string, lock Lock) error {
	holder, err := s.holder(ctx, stack)
	if gcerrors.Code(err) == gcerrors.NotFound || (err == nil && holder.ID != lock.ID) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.remove(ctx, []string{lockKey(stack)})
}

// Holder is who holds the stack's lock; it is an error if nobody does.
func (s *Store) Holder(ctx context.Context, stack string) (Lock, error) {
	l, err := s.holder(ctx, stack)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return l, &problem.Error{Kind: problem.Usage, Op: "look at the lock of stack " + stack, Err: errors.New("nobody holds it"),
			Fix: "there is nothing to cancel; drover stack ls lists the stacks"}
	}
	return l, err
}

// Break removes a lock, whoever holds it. Only a person can know that this is safe.
func (s *Store) Break(ctx context.Context, stack string) error {
	if err := s.remove(ctx, []string{lockKey(stack)}); err != nil {
		return fmt.Errorf("break lock of stack %s: %w", stack, err)
	}
	return nil
}
