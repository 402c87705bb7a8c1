package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/droverhq/drover/problem"
)

// Checkpoints and logs of a stack stand in one folder. Their names say which
// run wrote them (its epoch) and where they begin, and so which of them count:
//
//	<epoch>-<serial>.checkpoint   all that was known after entry <serial>
//	<epoch>-<seq>.journal         entry <seq> and those after it
//
// No file but a log that grows is ever changed. Every lock begins a new epoch,
// and what is written in an earlier one after a later one began does not count:
//   - A checkpoint counts unless a later epoch has a log that begins at or
//     before its serial. The one with the greatest name that counts is read.
//   - Of a log those entries count that come before the first one of any log
//     with a greater name.
//
// Who writes looks afterwards whether its lock still stands, and only then
// believes that what it wrote counts. Who takes a lock away does that first and
// reads then. So one of the two sees the other, without a clock and without an
// atomic exchange, which no object store offers through all APIs.

// part is what the name of a file says.
type part struct {
	key   string
	epoch uint64
	at    uint64 // serial of a checkpoint, first entry of a log
	log   bool
}

func checkpointKey(stack string, epoch, serial uint64) string {
	return fmt.Sprintf("%s%012d-%012d.checkpoint", statePrefix(stack), epoch, serial)
}

func logKey(stack string, epoch, seq uint64) string {
	return fmt.Sprintf("%s%012d-%012d.journal", statePrefix(stack), epoch, seq)
}

// parseKeys understands names, in their order. Others are none of our business.
func parseKeys(keys []string) []part {
	var files []part
	for _, k := range keys {
		f := part{key: k}
		name, kind, _ := strings.Cut(path.Base(k), ".")
		if n, _ := fmt.Sscanf(name, "%012d-%012d", &f.epoch, &f.at); n != 2 || kind != "checkpoint" && kind != "journal" {
			continue
		}
		f.log = kind == "journal"
		files = append(files, f)
	}
	return files
}

// newestCheckpoint is the one to read; nil: there is none.
func newestCheckpoint(files []part) *part {
	for i := len(files) - 1; i >= 0; i-- {
		c := &files[i]
		overtaken := slices.ContainsFunc(files, func(f part) bool { return f.log && f.epoch > c.epoch && f.at <= c.at })
		if !c.log && !overtaken {
			return c
		}
	}
	return nil
}

// logsAfter are the logs that may hold entries after a checkpoint, with the
// first entry that does not count any more.
func logsAfter(files []part, c part) (logs []part, limits []uint64) {
	limit := uint64(math.MaxUint64)
	for _, f := range slices.Backward(files) {
		if !f.log || f.epoch < c.epoch {
			continue
		}
		logs, limits = append(logs, f), append(limits, limit)
		limit = min(limit, f.at)
	}
	slices.Reverse(logs)
	slices.Reverse(limits)
	return logs, limits
}

// loaded is a stack as its files tell it.
type loaded struct {
	*ledger
	files []part
	saved uint64 // the serial of the checkpoint
	note  string // what was cut off; empty: nothing
}

// maxEpoch is the last one that wrote anything.
func (l *loaded) maxEpoch() uint64 {
	epoch := uint64(0)
	for _, f := range l.files {
		epoch = max(epoch, f.epoch)
	}
	return epoch
}

// attempts is how often a reader begins anew because files went away under its
// hands, which happens once at the end of each run.
const attempts = 100

// load reads a stack, which must stand under its own name.
func (s *Store) load(ctx context.Context, stack string) (*loaded, error) {
	l, err := s.loadAny(ctx, stack)
	if err == nil {
		err = s.belongs(ctx, stack, &l.head)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// loadAny reads a stack. A compaction in between only lets it begin anew.
func (s *Store) loadAny(ctx context.Context, stack string) (*loaded, error) {
	var err error
	for range attempts {
		before, listErr := s.place.list(ctx, statePrefix(stack))
		if listErr != nil {
			return nil, fmt.Errorf("read stack %s: %w", stack, listErr)
		}
		files := parseKeys(before)
		var l *loaded
		l, err = s.loadFiles(ctx, stack, files)
		after, listErr := s.place.list(ctx, statePrefix(stack))
		if listErr != nil {
			return nil, fmt.Errorf("read stack %s: %w", stack, listErr)
		}
		if err == nil && unmoved(files, parseKeys(after)) || slices.Equal(before, after) {
			return l, err
		}
	}
	return nil, errors.Join(fmt.Errorf("read stack %s: its files changed all the time", stack), err)
}

// unmoved reports that nothing went away and no checkpoint came while a stack was read.
func unmoved(before, after []part) bool {
	for _, f := range before {
		if !slices.Contains(after, f) {
			return false
		}
	}
	return !slices.ContainsFunc(after, func(f part) bool { return !f.log && !slices.Contains(before, f) })
}

func (s *Store) loadFiles(ctx context.Context, stack string, files []part) (*loaded, error) {
	newest := newestCheckpoint(files)
	if newest == nil {
		return nil, s.noCheckpoint(ctx, stack, files)
	}
	logs, limits := logsAfter(files, *newest)
	texts := make([][]byte, len(logs)+1)
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallelCalls)
	for i, f := range append(slices.Clone(logs), *newest) {
		group.Go(func() (err error) {
			defer problem.Recover(&err)
			texts[i], err = s.place.read(groupCtx, f.key)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("read stack %s: %w", stack, err)
	}
	snap, err := decodeCheckpoint(texts[len(logs)])
	if err != nil {
		return nil, damaged(newest.key, err)
	}
	l := &loaded{ledger: newLedger(snap), files: files, saved: snap.Serial}
	for i, f := range logs {
		if err := l.replay(f, texts[i], limits[i]); err != nil {
			return nil, damaged(f.key, err)
		}
	}
	if l.head.Serial == snap.Serial {
		return l, nil // decodeCheckpoint has verified it
	}
	return l, l.snapshot().Verify()
}

// replay adds the entries of a log that count and are not in the checkpoint.
func (l *loaded) replay(f part, text []byte, limit uint64) error {
	if f.at >= limit || limit <= l.head.Serial+1 {
		return nil // nothing in it counts, or nothing is new
	}
	c, err := decodeLog(text)
	if err != nil {
		return err
	}
	if c.Format != "" && c.ID != l.head.ID {
		return errors.New("it is the journal of another stack")
	}
	for _, e := range c.entries {
		if e.Seq <= l.head.Serial || e.Seq >= limit {
			continue
		}
		if err := l.apply(e); err != nil {
			return err
		}
	}
	switch last := limit == math.MaxUint64; {
	case last && c.torn:
		l.note = "the last entry of the journal was torn, as by a power loss, and is cut off; what it would have told is found out again"
	case !last && l.head.Serial+1 < limit:
		return fmt.Errorf("entries %d to %d of the journal are missing", l.head.Serial+1, limit-1)
	}
	return nil
}

func (s *Store) noCheckpoint(ctx context.Context, stack string, files []part) error {
	if len(files) > 0 {
		return damaged(files[0].key, errors.New("the checkpoint that it goes on from is missing"))
	}
	old, err := s.place.read(ctx, stackPrefix(stack)+"checkpoint.json")
	if err == nil {
		_, err := decodeCheckpoint(old)
		return damaged(stackPrefix(stack)+"checkpoint.json", err)
	}
	return &problem.Error{Kind: problem.Usage, Op: "read stack " + stack, Err: fs.ErrNotExist,
		Fix: fmt.Sprintf("drover stack init %s, or see drover stack ls", stack)}
}

// belongs refuses a stack under a name that is not its own: two that think
// they own the same objects would delete them from under each other.
func (s *Store) belongs(ctx context.Context, stack string, snap *Snapshot) error {
	if snap.Stack == stack {
		return nil
	}
	there, err := s.exists(ctx, snap.Stack)
	if err != nil {
		return err
	}
	if !there {
		return &problem.Error{Kind: problem.Refused, Op: "read stack " + stack,
			Err: fmt.Errorf("what is stored under this name is stack %s: a rename was cut off, or files were moved by hand", snap.Stack),
			Fix: fmt.Sprintf("drover stack rename %s %s ends it", stack, snap.Stack)}
	}
	return &problem.Error{Kind: problem.Refused, Op: "read stack " + stack,
		Err: fmt.Errorf("what is stored under this name is a copy of stack %s", snap.Stack),
		Fix: fmt.Sprintf("remove %s and make a stack of its own: drover stack init %s; to give a stack another name: drover stack rename %s NAME",
			s.where(stackPrefix(stack)), stack, snap.Stack)}
}

func (s *Store) exists(ctx context.Context, stack string) (bool, error) {
	keys, err := s.place.list(ctx, statePrefix(stack))
	return newestCheckpoint(parseKeys(keys)) != nil, err
}

// damaged says what to do about a file that cannot be believed. What has a
// remedy already keeps it.
func damaged(key string, err error) error {
	var known *problem.Error
	if errors.As(err, &known) {
		return &problem.Error{Kind: known.Kind, Op: "read " + key, Err: known.Err, Fix: known.Fix}
	}
	return &problem.Error{Kind: problem.Internal, Op: "read " + key, Err: fmt.Errorf("the file is damaged: %w", err),
		Fix: "put back the file as it was, from a backup or an earlier version in the bucket (docs/state.md tells what else helps)"}
}

// writer adds entries to the journal of a run. Entries that come at once are
// written together, with one fsync or one object.
type writer struct {
	place place
	stack string
	id    string
	epoch uint64
	ours  func(context.Context) error // nil: the lock still stands

	queue sync.Mutex // guards wait and last
	wait  [][]byte   // encoded, not on the disk yet
	last  uint64     // the entry that was queued last

	disk    sync.Mutex // one batch at a time
	durable uint64     // the last entry that is safe
	log     log        // nil: the next batch begins one
	lost    error      // the lock is gone: for ever
}

// push queues an entry.
func (w *writer) push(seq uint64, text []byte) {
	w.queue.Lock()
	defer w.queue.Unlock()
	w.wait, w.last = append(w.wait, text), seq
}

// commit returns once an entry is safe, or can never be. A batch that failed
// stays queued and is tried again with the next one.
func (w *writer) commit(ctx context.Context, seq uint64) error {
	w.disk.Lock()
	defer w.disk.Unlock()
	if w.lost != nil || w.durable >= seq {
		return w.lost
	}
	w.queue.Lock()
	batch, last := w.wait, w.last
	w.queue.Unlock()
	if err := w.write(ctx, batch); err != nil {
		return fmt.Errorf("write journal of stack %s: %w", w.stack, err)
	}
	if w.lost = w.ours(ctx); w.lost != nil {
		return w.lost
	}
	w.durable = last
	w.queue.Lock()
	defer w.queue.Unlock()
	w.wait = w.wait[len(batch):]
	return nil
}

func (w *writer) write(ctx context.Context, batch [][]byte) error {
	text := encodeBatch(batch)
	if w.log != nil {
		err := w.log.add(text)
		if err != nil {
			err = errors.Join(err, w.cut())
		}
		return err
	}
	first, err := summed(banner{Format: logFormat, Version: formatVersion, ID: w.id, Epoch: w.epoch, After: w.durable})
	if err != nil {
		return err
	}
	w.log, err = w.place.begin(ctx, logKey(w.stack, w.epoch, w.durable+1), append(first, text...))
	return err
}

// close ends the log that is written; the next batch begins another.
func (w *writer) close() error {
	w.disk.Lock()
	defer w.disk.Unlock()
	return w.cut()
}

func (w *writer) cut() error {
	if w.log == nil {
		return nil
	}
	err := w.log.close()
	w.log = nil
	return err
}

// writeCheckpoint writes one that is not there yet and reads it back.
func (s *Store) writeCheckpoint(ctx context.Context, key string, snap *Snapshot) error {
	if err := snap.Verify(); err != nil {
		return fmt.Errorf("refuse to write a damaged state: %w", err)
	}
	text, err := encodeCheckpoint(snap)
	if err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	if err := s.place.replace(ctx, key, text); err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	back, err := s.place.read(ctx, key)
	if err != nil {
		return fmt.Errorf("read back %s: %w", key, err)
	}
	if !bytes.Equal(back, text) {
		return &problem.Error{Kind: problem.Outside, Op: "read back " + key, Err: errors.New("it is not what was written"),
			Fix: "nothing is lost, the journal is kept: look after the disk or the bucket, then run the same command again"}
	}
	return nil
}

// forget removes what came before a checkpoint.
func (s *Store) forget(ctx context.Context, stack string, c part) error {
	keys, err := s.place.list(ctx, statePrefix(stack))
	if err != nil {
		return err
	}
	var old []string
	for _, f := range parseKeys(keys) {
		if f.epoch < c.epoch || f.epoch == c.epoch && (f.at < c.at || f.log && f.at <= c.at) {
			old = append(old, f.key)
		}
	}
	return s.remove(ctx, old)
}
