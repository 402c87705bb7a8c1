//go:build unix

package spec_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/droverhq/drover/internal/spec"
)

// A pipe is not opened: reading it would wait for ever.
func TestPipeAsManifest(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, spec.File), []byte("name: shop\ncluster: {version: \"1.36\"}\nworkloads: {w: {manifests: m.yaml}}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "m.yaml"), 0o644); err != nil {
		t.Skip(err)
	}
	_, problems := spec.Load(os.DirFS(dir), "dev")
	if !strings.Contains(problems.Error(), "m.yaml is a named pipe, not a file") {
		t.Error(problems)
	}
}
