// Package durable writes files that must outlive a full disk and a power
// loss. A file is never overwritten in place: the new text is written beside
// it, reaches the disk, and only then takes the name, so that at every moment
// either the old text or the new one is there, whole.
//
// It stands at the bottom: the state, the config of a stack and the reports
// are written through it. Write and Create are for whole files; a file that
// grows (a journal) is written through a Disk.
package durable

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// Disk is the part of a file system that durable writing needs. OS is the real one.
type Disk interface {
	Open(name string, flag int, perm fs.FileMode) (File, error)
	Rename(from, to string) error
	Link(from, to string) error // fails with fs.ErrExist if to is there
	Remove(name string) error
	SyncDir(name string) error // makes names in the folder outlive a power loss
}

// File is an open file of a Disk.
type File interface {
	Write(data []byte) (int, error)
	Sync() error
	Close() error
}

// OS is the disk of this machine.
var OS Disk = osDisk{}

// Write makes data the whole content of a file, which keeps its permissions
// (perm is for a new one) and stays a symbolic link's target if it is one. If
// it fails, the file is as it was.
func Write(name string, data []byte, perm fs.FileMode) error {
	return Replace(OS, name, data, perm)
}

// Replace is Write on any disk.
func Replace(d Disk, name string, data []byte, perm fs.FileMode) error {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	if info, err := os.Stat(name); err == nil {
		perm = info.Mode().Perm()
	}
	return publish(d, name, data, perm, d.Rename)
}

// Create writes a file that is not there yet. If it is, it stays as it is and
// the error is fs.ErrExist; of several that come at once, one succeeds.
func Create(d Disk, name string, data []byte, perm fs.FileMode) error {
	return publish(d, name, data, perm, func(temp, name string) error { return claim(d, temp, name) })
}

// claim gives a file a name that is free. Where the file system has no links
// the name is taken by an empty file first.
func claim(d Disk, temp, name string) error {
	err := d.Link(temp, name)
	if err == nil {
		return d.Remove(temp)
	}
	if !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EPERM) {
		return err
	}
	f, err := d.Open(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), d.Rename(temp, name))
}

// publish writes a temporary file and lets it take the name.
func publish(d Disk, name string, data []byte, perm fs.FileMode, take func(temp, name string) error) error {
	temp := filepath.Join(filepath.Dir(name), tempPrefix+filepath.Base(name)+"-"+random())
	if err := fill(d, temp, data, perm); err != nil {
		_ = d.Remove(temp) // it may never have been made
		return explain(name, err)
	}
	if err := take(temp, name); err != nil {
		_ = d.Remove(temp)
		return explain(name, err)
	}
	return explain(name, d.SyncDir(filepath.Dir(name)))
}

func fill(d Disk, name string, data []byte, perm fs.FileMode) error {
	f, err := d.Open(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// tempPrefix begins the names of temporary files.
const tempPrefix = ".drover-new-"

// Temporary reports that a name in a folder is that of a file which was being
// written; one that is left was cut off by a crash.
func Temporary(name string) bool { return strings.HasPrefix(filepath.Base(name), tempPrefix) }

func random() string {
	b := make([]byte, 6)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

type osDisk struct{}

func (osDisk) Open(name string, flag int, perm fs.FileMode) (File, error) {
	return os.OpenFile(name, flag, perm)
}
func (osDisk) Rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) Link(from, to string) error   { return os.Link(from, to) }
func (osDisk) Remove(name string) error     { return os.Remove(name) }

func (osDisk) SyncDir(name string) error {
	if runtime.GOOS == "windows" {
		return nil // has no such call; its renames are journaled
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
