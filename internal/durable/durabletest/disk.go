// Package durabletest has a disk that fails when a test wants it to.
package durabletest

import (
	"io/fs"
	"sync"

	"github.com/droverhq/drover/internal/durable"
)

// Disk is the real disk, except that from its FailAt-th changing call on
// (1, 2, …; 0: never) every call fails with Err until it is healed. A write
// that fails first writes a half of its data, as a disk that is full does.
type Disk struct {
	FailAt int
	Once   bool // only that one call fails
	Err    error

	mu    sync.Mutex
	calls int
}

// Calls is how many changing calls there were.
func (d *Disk) Calls() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

// Fail lets calls fail from the n-th that is made from now on; 0 heals the disk.
func (d *Disk) Fail(n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.FailAt, d.Err = 0, err
	if n > 0 {
		d.FailAt = d.calls + n
	}
}

func (d *Disk) fails() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	return d.FailAt > 0 && (d.calls == d.FailAt || d.calls > d.FailAt && !d.Once)
}

// Open opens a file whose writes and syncs count as calls, too.
func (d *Disk) Open(name string, flag int, perm fs.FileMode) (durable.File, error) {
	if d.fails() {
		return nil, d.Err
	}
	f, err := durable.OS.Open(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &file{File: f, disk: d}, nil
}

// Rename counts.
func (d *Disk) Rename(from, to string) error {
	if d.fails() {
		return d.Err
	}
	return durable.OS.Rename(from, to)
}

// Link counts.
func (d *Disk) Link(from, to string) error {
	if d.fails() {
		return d.Err
	}
	return durable.OS.Link(from, to)
}

// Remove does not count: a full disk lets files go.
func (d *Disk) Remove(name string) error { return durable.OS.Remove(name) }

// SyncDir counts.
func (d *Disk) SyncDir(name string) error {
	if d.fails() {
		return d.Err
	}
	return durable.OS.SyncDir(name)
}

type file struct {
	durable.File
	disk *Disk
}

func (f *file) Write(data []byte) (int, error) {
	if !f.disk.fails() {
		return f.File.Write(data)
	}
	n, _ := f.File.Write(data[:len(data)/2])
	return n, f.disk.Err
}

func (f *file) Sync() error {
	if f.disk.fails() {
		return f.disk.Err
	}
	return f.File.Sync()
}
