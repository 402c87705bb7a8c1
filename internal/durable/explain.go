package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/droverhq/drover/problem"
)

// explain says what a person can do about a file that could not be written.
// Nil, and that a file is there already, are handed on.
func explain(name string, err error) error {
	fix := remedy(filepath.Dir(name), err)
	switch {
	case err == nil || errors.Is(err, fs.ErrExist):
		return err
	case fix == "":
		return fmt.Errorf("write %s: %w", name, err)
	}
	return &problem.Error{Kind: problem.Outside, Op: "write " + name, Err: err, Fix: fix}
}

// Explain is the error of an own write to a file, with its remedy.
func Explain(name string, err error) error { return explain(name, err) }

func remedy(dir string, err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "make room on the disk that holds " + dir + " and run the same command again; the file is as it was"
	case errors.Is(err, syscall.EROFS):
		return "make the file system that holds " + dir + " writable and run the same command again"
	case errors.Is(err, fs.ErrPermission):
		return "give yourself the right to write in " + dir + " (ls -ld shows whose it is) and run the same command again"
	case errors.Is(err, syscall.ENOTDIR):
		return "a part of " + dir + " is a file and must be a folder: move that file away"
	case errors.Is(err, syscall.EIO):
		return "the disk that holds " + dir + " fails: look at the system's log, and save what is on it"
	}
	return ""
}
