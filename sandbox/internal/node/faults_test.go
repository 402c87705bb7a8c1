package node

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/droverhq/drover/sandbox/internal/folder"
	"github.com/droverhq/drover/sandbox/internal/machine"
)

// An image is pulled unless somebody says that it may not be, and the disk has room.
func TestImagesThatMayBePulled(t *testing.T) {
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("image") == "gone:1" {
			http.Error(w, "not found", http.StatusNotFound)
		}
	}))
	c := Config{Dir: folder.Folder(t.TempDir()), Machine: machine.Machine{ID: "i-0123456789abcdef0"}, AWS: registry.URL}
	if err := c.pullable(t.Context(), "nginx:1"); err != nil {
		t.Error(err)
	}
	if err := c.pullable(t.Context(), "gone:1"); err == nil || !strings.Contains(err.Error(), `"gone:1": not found`) {
		t.Errorf("missing: %v", err)
	}
	registry.Close()
	if err := c.pullable(t.Context(), "gone:1"); err != nil {
		t.Errorf("nobody is there to say so: %v", err)
	}
	disk := func() uint64 {
		info, err := hardware{c.Machine, c.full}.RootFsInfo()
		if err != nil {
			t.Fatal(err)
		}
		return info.Available
	}
	if disk() != diskSize {
		t.Error("the disk has no room")
	}
	if err := errors.Join(os.MkdirAll(c.file(""), 0o755), os.WriteFile(c.Dir.DiskFull(c.Machine.ID), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := c.pullable(t.Context(), "nginx:1"); !errors.Is(err, unix.ENOSPC) || disk() != 0 {
		t.Errorf("full: %v, %d bytes are left", err, disk())
	}
}
