// Package state remembers what exists. A stack is a checkpoint and a journal:
// the engine writes down every provider call before it is sent and after it
// returned, so that a run that was killed at any instant can be finished by the
// next one, with no orphan and no duplicate. At the end of a run the journal is
// folded into a new checkpoint.
//
// It stands below the engine and knows nothing of providers. State lives in
// any gocloud.dev/blob bucket:
//
//	stacks/<stack>/checkpoint.json
//	stacks/<stack>/journal/<seq>.json    entries after the checkpoint
//	stacks/<stack>/history/<n>.json      one file a run
//	stacks/<stack>/lock.json             who works on it
//
// Every file but the lock carries a checksum of its content. Secrets are stored
// sealed, with a key that stands in the checkpoint and is itself encrypted.
package state

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob" // file:///folder
	_ "gocloud.dev/blob/memblob"  // mem://
	_ "gocloud.dev/blob/s3blob"   // s3://bucket
	"gocloud.dev/gcerrors"
	"golang.org/x/sync/errgroup"

	"github.com/droverhq/drover/internal/seal"
	"github.com/droverhq/drover/problem"
)

// Store holds the state of any number of stacks.
type Store struct {
	bucket *blob.Bucket
	url    string
	dir    string // of a local folder; empty for any other bucket

	// Ring has the keys of stacks that have secrets.
	Ring *seal.Ring
}

// Open opens a bucket by its URL: file:///folder (made if it is missing),
// s3://bucket?region=..., or mem:// for tests.
func Open(ctx context.Context, bucketURL string) (*Store, error) {
	u, err := url.Parse(bucketURL)
	if err != nil {
		return nil, notAURL(bucketURL, err)
	}
	s := &Store{url: bucketURL, Ring: new(seal.Ring)}
	if u.Scheme == "file" {
		s.dir = u.Path
		q := u.Query()
		q.Set("metadata", "skip")       // no sidecar files
		q.Set("create_dir", "true")     //
		q.Set("no_tmp_dir", "true")     // a rename from another file system would fail
		q.Set("dir_file_mode", "0o700") // inputs of resources are nobody else's business
		u.RawQuery = q.Encode()
	}
	if s.bucket, err = blob.OpenBucket(ctx, u.String()); err != nil {
		return nil, notAURL(bucketURL, err)
	}
	return s, nil
}

func notAURL(bucketURL string, err error) error {
	return &problem.Error{Kind: problem.Usage, Op: "open state " + bucketURL, Err: err,
		Fix: "use file:///folder or s3://bucket?region=us-west-2, and check that you may write there"}
}

// Close releases the bucket.
func (s *Store) Close() error { return s.bucket.Close() }

// stackName is what fits into a key, a URN and a tag.
var stackName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// Init makes an empty stack with a random ID.
func (s *Store) Init(ctx context.Context, stack, project string) error {
	if !stackName.MatchString(stack) {
		return &problem.Error{Kind: problem.Usage, Op: "init stack", Err: fmt.Errorf("%q is no name for a stack", stack),
			Fix: "use letters, digits, '.', '_' and '-', at most 100, and begin with a letter or a digit"}
	}
	exists, err := s.bucket.Exists(ctx, checkpointKey(stack))
	if err != nil {
		return fmt.Errorf("init stack %s: %w", stack, err)
	}
	snap := Snapshot{Stack: stack, Project: project, ID: randomID()}
	if !exists {
		err = s.write(ctx, checkpointKey(stack), snap, &blob.WriterOptions{IfNotExist: true})
	}
	if exists || gcerrors.Code(err) == gcerrors.FailedPrecondition {
		return &problem.Error{Kind: problem.Usage, Op: "init stack " + stack, Err: errors.New("it exists"),
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
	var list []Summary
	it := s.bucket.List(&blob.ListOptions{Prefix: "stacks/", Delimiter: "/"})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("list stacks: %w", err)
		}
		stack := path.Base(o.Key)
		if ok, err := s.bucket.Exists(ctx, checkpointKey(stack)); err != nil {
			return nil, fmt.Errorf("list stacks: %w", err)
		} else if !ok {
			continue // an empty folder
		}
		one, err := s.summary(ctx, stack)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b Summary) int { return strings.Compare(a.Stack, b.Stack) })
	return list, nil
}

func (s *Store) summary(ctx context.Context, stack string) (Summary, error) {
	snap, err := s.Read(ctx, stack)
	if err != nil {
		return Summary{}, err
	}
	sum := Summary{Stack: stack, Project: snap.Project, Resources: len(snap.Resources)}
	runs, err := s.keys(ctx, historyPrefix(stack))
	if err != nil {
		return Summary{}, err
	}
	if len(runs) > 0 {
		sum.LastRun = new(Run)
		if err := s.read(ctx, runs[len(runs)-1], sum.LastRun); err != nil {
			return Summary{}, fmt.Errorf("read history of stack %s: %w", stack, err)
		}
	}
	if lock, err := s.holder(ctx, stack); err == nil {
		sum.Locked = &lock
	}
	return sum, nil
}

// Remove forgets a stack. It refuses while anything of it exists.
func (s *Store) Remove(ctx context.Context, stack string) error {
	session, err := s.Lock(ctx, stack, "stack rm")
	if err != nil {
		return err
	}
	if snap := session.Snapshot(); !snap.Empty() {
		return errors.Join(&problem.Error{Kind: problem.Refused, Op: "remove stack " + stack,
			Err: fmt.Errorf("%d resources of it exist", len(snap.Resources)+len(snap.Pending)),
			Fix: fmt.Sprintf("drover destroy --stack %s, then remove the stack", stack),
		}, session.Unlock(ctx))
	}
	keys, err := s.keys(ctx, "stacks/"+stack+"/")
	if err != nil {
		return err
	}
	keys = slices.DeleteFunc(keys, func(k string) bool { return k == lockKey(stack) })
	if err := s.remove(ctx, keys); err != nil {
		return fmt.Errorf("remove stack %s: %w", stack, err)
	}
	return session.Unlock(ctx)
}

// Read is the state of a stack as it stands, also while somebody works on it.
func (s *Store) Read(ctx context.Context, stack string) (*Snapshot, error) {
	snap := new(Snapshot)
	err := s.read(ctx, checkpointKey(stack), snap)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, &problem.Error{Kind: problem.Usage, Op: "read stack " + stack, Err: errors.New("there is no such stack"),
			Fix: fmt.Sprintf("drover stack init %s, or see drover stack ls", stack)}
	}
	if err != nil {
		return nil, fmt.Errorf("read stack %s: %w", stack, err)
	}
	if err := snap.Verify(); err != nil {
		return nil, damaged(checkpointKey(stack), err)
	}
	return s.replay(ctx, snap)
}

// replay adds the journal entries that came after the checkpoint.
func (s *Store) replay(ctx context.Context, snap *Snapshot) (*Snapshot, error) {
	keys, err := s.keys(ctx, journalPrefix(snap.Stack))
	if err != nil {
		return nil, err
	}
	first := journalKey(snap.Stack, snap.Serial+1)
	keys = slices.DeleteFunc(keys, func(k string) bool { return k < first }) // left by a compaction that was cut short
	entries := make([]entry, len(keys))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallelCalls)
	for i, k := range keys {
		group.Go(func() error { return s.read(groupCtx, k, &entries[i]) })
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("read journal of stack %s: %w", snap.Stack, err)
	}
	for i, e := range entries {
		if snap, err = snap.with(e); err != nil {
			return nil, damaged(keys[i], err)
		}
	}
	return snap, nil
}

// parallelCalls bounds calls of the bucket where many files are read or deleted.
const parallelCalls = 16

// formatVersion is that of the files; a later one is refused, not misread.
const formatVersion = 1

// envelope is what every file holds.
type envelope struct {
	Version int             `json:"version"`
	SHA256  string          `json:"sha256"` // of the body, without blanks
	Body    json.RawMessage `json:"body"`
}

func (s *Store) write(ctx context.Context, key string, body any, opts *blob.WriterOptions) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	file, err := json.MarshalIndent(envelope{Version: formatVersion, SHA256: checksum(raw), Body: raw}, "", " ")
	if err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	if err := s.bucket.WriteAll(ctx, key, file, opts); err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	return nil
}

// read fills body from a file, or says that the file is damaged.
func (s *Store) read(ctx context.Context, key string, body any) error {
	file, err := s.bucket.ReadAll(ctx, key)
	if err != nil {
		return err
	}
	var env envelope
	if err := json.Unmarshal(file, &env); err != nil {
		return damaged(key, err)
	}
	if env.Version > formatVersion {
		return &problem.Error{Kind: problem.Usage, Op: "read " + key, Err: fmt.Errorf("it has format %d", env.Version),
			Fix: "a newer drover wrote it: use that one"}
	}
	var raw bytes.Buffer
	if err := json.Compact(&raw, env.Body); err != nil {
		return damaged(key, err)
	}
	if checksum(raw.Bytes()) != env.SHA256 {
		return damaged(key, errors.New("its content does not match its checksum"))
	}
	if err := json.Unmarshal(raw.Bytes(), body); err != nil {
		return damaged(key, err)
	}
	return nil
}

func damaged(key string, err error) error {
	return &problem.Error{Kind: problem.Internal, Op: "read " + key, Err: fmt.Errorf("the file is damaged: %w", err),
		Fix: "put back the file as it was, from a backup or an earlier version in the bucket; do not edit it by hand"}
}

func checksum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// keys lists the .json files below a prefix, sorted.
func (s *Store) keys(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	it := s.bucket.List(&blob.ListOptions{Prefix: prefix})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			slices.Sort(keys)
			return keys, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", prefix, err)
		}
		if strings.HasSuffix(o.Key, ".json") {
			keys = append(keys, o.Key)
		}
	}
}

func (s *Store) remove(ctx context.Context, keys []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelCalls)
	for _, k := range keys {
		group.Go(func() error {
			if err := s.bucket.Delete(ctx, k); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
				return err
			}
			return nil
		})
	}
	return group.Wait()
}

func checkpointKey(stack string) string { return "stacks/" + stack + "/checkpoint.json" }
func lockKey(stack string) string       { return "stacks/" + stack + "/lock.json" }
func journalPrefix(stack string) string { return "stacks/" + stack + "/journal/" }
func historyPrefix(stack string) string { return "stacks/" + stack + "/history/" }

// Numbers in keys have leading zeros, so that they sort.
func journalKey(stack string, seq uint64) string {
	return fmt.Sprintf("%s%012d.json", journalPrefix(stack), seq)
}

func historyKey(stack string, n int) string {
	return fmt.Sprintf("%s%06d.json", historyPrefix(stack), n)
}

func randomID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	return hex.EncodeToString(id)
}
