// Package state remembers what exists. A stack is a checkpoint and a journal:
// the engine writes down every provider call before it is sent and after it
// returned, so that a run that was killed at any instant can be finished by the
// next one, with no orphan and no duplicate. At the end of a run the journal is
// folded into a new checkpoint.
//
// It stands below the engine and knows nothing of providers. State lives in a
// folder of this machine or in any gocloud.dev/blob bucket:
//
//	stacks/<stack>/state/     checkpoints and journals (journal.go)
//	stacks/<stack>/history/   one file a run (history.go)
//	stacks/<stack>/lock/      who works on it (lock.go)
//	stacks/<stack>/backup/    the state before somebody rewrote it by hand (rewrite.go)
//
// Checkpoints and journals carry checksums. Secrets are stored sealed, with a key
// that stands in the checkpoint and is itself encrypted.
//
// The chapters: store.go (stacks), lock.go (who may write), session.go (what a run
// writes), entry.go and ledger.go (what an entry is, and does), snapshot.go (all that
// is known), lifecycle.go (where a resource is in its life), order.go, values.go
// (secrets and what is not known yet), identity.go (where a stack lives), way.go (what a
// change may go back to), rewrite.go (repairs by hand), journal.go (which files
// count), record.go (bytes), place.go and bucket.go (files), boot_*.go and process_*.go
// (whether the holder of a lock still lives).
package state

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/droverhq/drover/internal/durable"
	"github.com/droverhq/drover/internal/seal"
	"github.com/droverhq/drover/problem"
)

// Store holds the state of any number of stacks.
type Store struct {
	place place
	url   string

	// Ring has the keys of stacks that have secrets.
	Ring *seal.Ring
}

// Open opens a store by its URL: file:///folder (made with the first stack),
// s3://bucket/path?region=..., gs://bucket/path, azblob://container/path, or
// mem:// for tests.
func Open(ctx context.Context, storeURL string) (*Store, error) {
	u, err := url.Parse(storeURL)
	if err != nil {
		return nil, notAURL(storeURL, err)
	}
	switch {
	case u.Scheme == "file" && (u.Host != "" || !path.IsAbs(u.Path)):
		return nil, notAURL(storeURL, errors.New("it names no folder by its full path"))
	case u.Scheme == "file":
		return OpenFolder(filepath.FromSlash(u.Path), durable.OS), nil
	}
	b, err := openBucket(ctx, u)
	if err != nil {
		return nil, notAURL(storeURL, err)
	}
	return &Store{place: b, url: storeURL, Ring: new(seal.Ring)}, nil
}

// OpenFolder opens a store on a disk of one's own: tests let it fail.
func OpenFolder(dir string, disk durable.Disk) *Store {
	return &Store{place: &folder{dir: dir, disk: disk}, url: dir, Ring: new(seal.Ring)}
}

func notAURL(storeURL string, err error) error {
	var known *problem.Error
	if errors.As(err, &known) {
		return err
	}
	return &problem.Error{Kind: problem.Usage, Op: "open state " + storeURL, Err: err,
		Fix: "use file:///folder, s3://bucket/path?region=us-west-2, gs://bucket/path or azblob://container/path (docs/state.md)"}
}

// SamePlace reports that two URLs of stores mean the same place.
func SamePlace(a, b string) bool { return canonical(a) == canonical(b) }

func canonical(storeURL string) string {
	u, err := url.Parse(storeURL)
	if err != nil {
		return storeURL
	}
	u.Path, u.RawPath = path.Clean("/"+u.Path), ""
	u.RawQuery = u.Query().Encode() // sorted
	return u.String()
}

// Close releases the bucket.
func (s *Store) Close() error { return s.place.close() }

// where is how a person finds a file of the store.
func (s *Store) where(key string) string {
	if f, ok := s.place.(*folder); ok {
		return f.path(key)
	}
	return strings.TrimSuffix(s.url, "/") + "/" + key
}

// stackName is what fits into a key, a URN and a tag.
var stackName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// CheckName refuses what cannot be the name of a stack.
func CheckName(stack string) error {
	if stackName.MatchString(stack) {
		return nil
	}
	return &problem.Error{Kind: problem.Usage, Op: "name a stack", Err: fmt.Errorf("%q is no name for a stack", stack),
		Fix: "use letters, digits, '.', '_' and '-', at most 100, and begin with a letter or a digit"}
}

// Init makes an empty stack with a random ID.
func (s *Store) Init(ctx context.Context, stack, project string) error {
	return s.lay(ctx, &Snapshot{Stack: stack, Project: project, ID: randomID()})
}

// lay writes the first checkpoint of a stack.
func (s *Store) lay(ctx context.Context, snap *Snapshot) error {
	if err := CheckName(snap.Stack); err != nil {
		return err
	}
	keys, err := s.place.list(ctx, statePrefix(snap.Stack))
	if err != nil {
		return fmt.Errorf("init stack %s: %w", snap.Stack, err)
	}
	text, err := encodeCheckpoint(snap)
	if err != nil {
		return err
	}
	if len(parseKeys(keys)) == 0 {
		err = s.place.create(ctx, checkpointKey(snap.Stack, 0, snap.Serial), text)
	}
	if len(parseKeys(keys)) > 0 || errors.Is(err, os.ErrExist) {
		return &problem.Error{Kind: problem.Usage, Op: "init stack " + snap.Stack, Err: errors.New("it exists"),
			Fix: "choose another name, or use it as it is"}
	}
	return err
}

// Summary is one line of a list of stacks.
type Summary struct {
	Stack     string `json:"stack"`
	Project   string `json:"project"`
	Resources int    `json:"resources"`
	LastRun   *Run   `json:"lastRun,omitempty"`
	Locked    *Lock  `json:"locked,omitempty"`
}

// List tells of all stacks, sorted by name.
func (s *Store) List(ctx context.Context) ([]Summary, error) {
	keys, err := s.place.list(ctx, "stacks/")
	if err != nil {
		return nil, fmt.Errorf("list stacks: %w", err)
	}
	var list []Summary
	for _, stack := range children(keys, "stacks/") {
		if newestCheckpoint(parseKeys(below(keys, statePrefix(stack)))) == nil {
			continue // a removal that was cut off
		}
		one, err := s.summary(ctx, stack, below(keys, historyPrefix(stack)))
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

func (s *Store) summary(ctx context.Context, stack string, runs []string) (Summary, error) {
	l, err := s.load(ctx, stack)
	if err != nil {
		return Summary{}, err
	}
	sum := Summary{Stack: stack, Project: l.head.Project, Resources: len(l.resources)}
	if len(runs) > 0 {
		run, err := s.readRun(ctx, runs[len(runs)-1])
		if err != nil {
			return Summary{}, err
		}
		sum.LastRun = &run
	}
	lock, err := s.lastLock(ctx, stack)
	if err == nil && lock.held() {
		sum.Locked = &lock
	}
	return sum, err
}

// Remove forgets a stack, if agree has nothing against it. It refuses while
// anything of it exists, unless that is to be left where it is.
func (s *Store) Remove(ctx context.Context, stack string, leave bool, agree func(*Snapshot) error) error {
	session, err := s.Lock(ctx, stack, "stack rm")
	if err != nil {
		return err
	}
	snap := session.Snapshot()
	if snap.Empty() || leave {
		err = agree(snap)
	} else {
		err = &problem.Error{Kind: problem.Refused, Op: "remove stack " + stack,
			Err: fmt.Errorf("%d resources of it exist", len(snap.Resources)+len(snap.Pending)),
			Fix: fmt.Sprintf("drover destroy --stack %s, then remove the stack; --force leaves them where they are and forgets them", stack),
		}
	}
	if err != nil {
		return errors.Join(err, session.Unlock(ctx))
	}
	return s.erase(ctx, stack)
}

// erase removes all files of a stack: the checkpoint after what goes on from
// it, so that at no moment a journal stands alone, and the lock last.
func (s *Store) erase(ctx context.Context, stack string) error {
	keys, err := s.place.list(ctx, stackPrefix(stack))
	if err != nil {
		return fmt.Errorf("remove stack %s: %w", stack, err)
	}
	checkpoints, locks := []string{}, below(keys, lockPrefix(stack))
	var rest []string
	for _, k := range keys {
		switch {
		case strings.HasSuffix(k, ".checkpoint"):
			checkpoints = append(checkpoints, k)
		case !slices.Contains(locks, k):
			rest = append(rest, k)
		}
	}
	for _, part := range [][]string{rest, checkpoints, locks} {
		if err := s.remove(ctx, part); err != nil {
			return fmt.Errorf("remove stack %s: %w", stack, err)
		}
	}
	return nil
}

// Read is the state of a stack as it stands, also while somebody works on it.
func (s *Store) Read(ctx context.Context, stack string) (*Snapshot, error) {
	l, err := s.load(ctx, stack)
	if err != nil {
		return nil, err
	}
	return l.snapshot(), nil
}

// parallelCalls bounds calls of the bucket where many files are read or deleted.
const parallelCalls = 16

func (s *Store) remove(ctx context.Context, keys []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelCalls)
	for _, k := range keys {
		group.Go(func() (err error) {
			defer problem.Recover(&err)
			return s.place.remove(ctx, k)
		})
	}
	return group.Wait()
}

// below are the keys with a prefix.
func below(keys []string, prefix string) []string {
	return slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return !strings.HasPrefix(k, prefix) })
}

func stackPrefix(stack string) string   { return "stacks/" + stack + "/" }
func statePrefix(stack string) string   { return stackPrefix(stack) + "state/" }
func lockPrefix(stack string) string    { return stackPrefix(stack) + "lock/" }
func historyPrefix(stack string) string { return stackPrefix(stack) + "history/" }

// Numbers in keys have leading zeros, so that they sort.
func lockKey(stack string, epoch uint64) string {
	return fmt.Sprintf("%s%012d.json", lockPrefix(stack), epoch)
}
func historyKey(stack string, n int) string {
	return fmt.Sprintf("%s%06d.json", historyPrefix(stack), n)
}

func randomID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	return hex.EncodeToString(id)
}
