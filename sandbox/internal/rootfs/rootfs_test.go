package rootfs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A command is found by the container's own PATH, in its order, and only if it
// can be executed. What Enter does with mounts is tested with the runtime, in package cri.
func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"a/tool": 0o644, "b/tool": 0o755, "c/tool": 0o755, "a/data": 0o644} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"HOME=/", "PATH=" + strings.Join([]string{dir + "/a", dir + "/b", dir + "/c"}, ":")}
	for _, tc := range []struct {
		command string
		env     []string
		want    string // empty: an error
	}{
		{"tool", env, dir + "/b/tool"},
		{dir + "/c/tool", env, dir + "/c/tool"},
		{dir + "/a/tool", env, ""},
		{dir + "/a", env, ""},
		{"data", env, ""},
		{"tool", []string{"HOME=/"}, ""},
	} {
		got, err := LookPath(tc.command, tc.env)
		if err == nil && got != tc.want || err != nil && tc.want != "" {
			t.Errorf("%s with %v: %q, %v; want %q", tc.command, tc.env, got, err, tc.want)
		}
	}
}
