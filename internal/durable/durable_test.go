package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/droverhq/drover/internal/durable"
	"github.com/droverhq/drover/internal/durable/durabletest"
	"github.com/droverhq/drover/problem"
)

// Whichever call fails, the old text or the new one is there, whole, nothing is
// left beside it, and the error says what to do.
func TestFailureLeavesTheFileWhole(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EROFS, syscall.EIO} {
		for call := 1; ; call++ {
			name := filepath.Join(t.TempDir(), "drover.dev.yaml")
			if err := os.WriteFile(name, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			err := durable.Replace(&durabletest.Disk{FailAt: call, Err: cause}, name, []byte("new"), 0o644)
			if err == nil {
				break // it needs fewer calls
			}
			text, readErr := os.ReadFile(name)
			if readErr != nil || string(text) != "old" && string(text) != "new" {
				t.Errorf("call %d: %q, %v", call, text, readErr)
			}
			var p *problem.Error
			if !errors.As(err, &p) || p.Fix == "" || !errors.Is(err, cause) {
				t.Errorf("call %d: %v has no remedy", call, err)
			}
			alone(t, name)
		}
	}
}

func alone(t *testing.T, name string) {
	t.Helper()
	files, err := os.ReadDir(filepath.Dir(name))
	if err != nil || len(files) != 1 {
		t.Errorf("left beside the file: %v, %v", files, err)
	}
}

// A file keeps its permissions, and a link stays a link.
func TestWriteKeepsWhatAFileIs(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "real"), filepath.Join(t.TempDir(), "link")
	if err := errors.Join(os.WriteFile(file, []byte("old"), 0o600), os.Symlink(file, link), durable.Write(link, []byte("new"), 0o644)); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info.Mode(), err)
	}
	text, _ := os.ReadFile(file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || string(text) != "new" {
		t.Errorf("%v %q, %v", info.Mode(), text, err)
	}
}

// Of many that make the same file at once, one succeeds, and its text stays.
func TestCreateIsExclusive(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	const takers = 8
	results := make(chan error)
	for range takers {
		go func() { results <- durable.Create(durable.OS, name, []byte("mine"), 0o600) }()
	}
	won := 0
	for range takers {
		switch err := <-results; {
		case err == nil:
			won++
		case !errors.Is(err, fs.ErrExist):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d winners", won)
	}
	alone(t, name)
}
