package state

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/droverhq/drover/internal/durable"
)

// place is where files are kept: a folder of this machine or a bucket. Keys
// have slashes. A file appears whole or not at all, except for a log.
type place interface {
	list(ctx context.Context, prefix string) ([]string, error) // sorted
	read(ctx context.Context, key string) ([]byte, error)      // fs.ErrNotExist: it is not there
	create(ctx context.Context, key string, data []byte) error // fs.ErrExist: it is there already
	replace(ctx context.Context, key string, data []byte) error
	remove(ctx context.Context, key string) error // of a file that is not there succeeds

	// begin writes the first batch of a log, over what an attempt that failed
	// has left. The log is nil where nothing can be added to a file.
	begin(ctx context.Context, key string, batch []byte) (log, error)
	close() error
}

// log is a file that grows. Once a call has failed, what stands at its end is
// not known: the next batch needs a log of its own.
type log interface {
	add(batch []byte) error
	close() error
}

// folder is a place on a disk.
type folder struct {
	dir  string
	disk durable.Disk
}

func (f *folder) path(key string) string { return filepath.Join(f.dir, filepath.FromSlash(key)) }

func (f *folder) list(_ context.Context, prefix string) ([]string, error) {
	var keys []string
	root := f.path(prefix)
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // not yet, or not any more
		}
		if err != nil || entry.IsDir() || durable.Temporary(name) {
			return err
		}
		rest, err := filepath.Rel(f.dir, name)
		keys = append(keys, filepath.ToSlash(rest))
		return err
	})
	slices.Sort(keys)
	return keys, durable.Explain(root, err)
}

func (f *folder) read(_ context.Context, key string) ([]byte, error) { return os.ReadFile(f.path(key)) }

func (f *folder) create(_ context.Context, key string, data []byte) error {
	if err := f.parent(key); err != nil {
		return err
	}
	return durable.Create(f.disk, f.path(key), data, fileMode)
}

func (f *folder) replace(_ context.Context, key string, data []byte) error {
	if err := f.parent(key); err != nil {
		return err
	}
	return durable.Replace(f.disk, f.path(key), data, fileMode)
}

// What stands in the state is nobody else's business.
const (
	fileMode   = 0o600
	folderMode = 0o700
)

// parent makes the folder of a file, and lets its name outlive a power loss.
func (f *folder) parent(key string) error {
	dir := filepath.Dir(f.path(key))
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return durable.Explain(f.path(key), err)
	}
	for ; len(dir) >= len(f.dir); dir = filepath.Dir(dir) {
		if err := f.disk.SyncDir(filepath.Dir(dir)); err != nil {
			return durable.Explain(f.path(key), err)
		}
	}
	return nil
}

func (f *folder) remove(_ context.Context, key string) error {
	err := f.disk.Remove(f.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// sweep removes what a crash left of files that were being written.
func (f *folder) sweep(prefix string) {
	_ = filepath.WalkDir(f.path(prefix), func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && durable.Temporary(name) {
			_ = f.disk.Remove(name)
		}
		return nil
	})
}

func (f *folder) begin(_ context.Context, key string, batch []byte) (log, error) {
	if err := f.parent(key); err != nil {
		return nil, err
	}
	name := f.path(key)
	file, err := f.disk.Open(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return nil, durable.Explain(name, err)
	}
	l := &fileLog{file: file, name: name}
	if err := l.add(batch); err != nil {
		return nil, errors.Join(err, l.close())
	}
	if err := f.disk.SyncDir(filepath.Dir(name)); err != nil {
		return nil, errors.Join(durable.Explain(name, err), l.close())
	}
	return l, nil
}

func (f *folder) close() error { return nil }

type fileLog struct {
	file durable.File
	name string
}

func (l *fileLog) add(batch []byte) error {
	_, err := l.file.Write(batch)
	if err == nil {
		err = l.file.Sync()
	}
	return durable.Explain(l.name, err)
}

func (l *fileLog) close() error { return l.file.Close() }

// children are the folders right below a prefix.
func children(keys []string, prefix string) []string {
	var names []string
	for _, k := range keys {
		name, _, below := strings.Cut(strings.TrimPrefix(k, prefix), "/")
		if below && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
