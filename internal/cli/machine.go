package cli

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/droverhq/drover/problem"
)

// explained gives a plain error of this machine its kind and remedy; an error
// that has them stays as it is.
func explained(err error) error {
	var known *problem.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	fix := ""
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		fix = "make room on the disk and run the same command again: what was saved before is whole"
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		fix = "let this user write there, or work elsewhere: -C FOLDER, DROVER_STATE"
	case errors.Is(err, syscall.ENOTDIR):
		fix = "a file stands where a folder should: move it away"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		fix = "allow more open files (ulimit -n) and run the same command again"
	case errors.Is(err, syscall.EIO):
		fix = "look at the disk or the terminal, and run the same command again"
	default:
		return err
	}
	return &problem.Error{Kind: problem.Outside, Err: err, Fix: fix}
}
