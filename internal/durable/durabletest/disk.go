// Package durabletest has a disk that fails when a test wants it to.
package durabletest

import (
	"io/fs"
	"sync"
	"syscall"

	"github.com/droverhq/drover/internal/durable"
)

// Disk is the real disk, except that from its FailAt-th changing call on
// (1, 2, …; 0: never) every call fails with Err until it is healed. A write
// that fails first writes a half of its data, as a disk that is full does. It
// does not really sync: no test can take the power away, and it takes its time.
type Disk struct {
	FailAt int
	Once   bool // only that one call fails
	Err    error

	// Room is how many bytes may still be written before the disk is full
	// (ENOSPC); 0: it never is.
	Room int

	mu    sync.Mutex
	calls int
}

// Calls is how many changing calls there were.
func (d *Disk) Calls() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
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
func (d *Disk) SyncDir(string) error {
	if d.fails() {
		return d.Err
	}
	return nil
}

type file struct {
	durable.File
	disk *Disk
}

func (f *file) Write(data []byte) (int, error) {
	fits, err := f.disk.fit(len(data))
	if err == nil && f.disk.fails() {
		fits, err = len(data)/2, f.disk.Err
	}
	if err == nil {
		return f.File.Write(data)
	}
	n, _ := f.File.Write(data[:fits])
	return n, err
}

// fit takes room for a write, and tells how much of it there is.
func (d *Disk) fit(size int) (fits int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.Room == 0:
		return size, nil
	case size < d.Room:
		d.Room -= size
		return size, nil
	}
	fits, d.Room = d.Room-1, 1
	return fits, syscall.ENOSPC
}

// Heal makes room and lets calls succeed again.
func (d *Disk) Heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.FailAt, d.Room = 0, 0
}

func (f *file) Sync() error {
	if f.disk.fails() {
		return f.disk.Err
	}
	return nil
}
