package folder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLocate(t *testing.T) {
	for _, c := range []struct {
		name, flag string
		env        map[string]string
		want       string // "" if it is refused
	}{
		{"flag wins", "/flag", map[string]string{"DROVER_SANDBOX_DIR": "/env", "HOME": "/home/a"}, "/flag"},
		{"then the variable", "", map[string]string{"DROVER_SANDBOX_DIR": "/env", "HOME": "/home/a"}, "/env"},
		{"then the state folder", "", map[string]string{"XDG_STATE_HOME": "/state", "HOME": "/home/a"}, "/state/drover/sandbox"},
		{"then the home folder", "", map[string]string{"HOME": "/home/a"}, "/home/a/.local/state/drover/sandbox"},
		{"nothing to go by", "", nil, ""},
		{"too long for a socket", "/" + strings.Repeat("x", 100), nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Locate(c.flag, func(name string) string { return c.env[name] })
			if string(got) != c.want || (err == nil) != (c.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

// The longest folder that Locate takes has room for every socket in it.
func TestSocketsFit(t *testing.T) {
	dir, err := Locate("/"+strings.Repeat("x", maxPath-1), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, socket := range []string{dir.Socket(), dir.Plane(0).EtcdSocket(), dir.Plane(9).EtcdSocket()} {
		if len(socket) > 107 {
			t.Errorf("%d bytes: %s", len(socket), socket)
		}
	}
}

// A file that cannot be replaced stays as it was, and no half of a new one lies about.
func TestWriteJSONLeavesNothingHalf(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.json")
	if err := WriteJSON(path, 1); err != nil {
		t.Fatal(err)
	}
	if err := WriteJSON(path, func() {}); err == nil {
		t.Error("a function was written as JSON")
	}
	target := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(target, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteJSON(target, 2); err == nil {
		t.Error("a file replaced a folder")
	}
	var v int
	if err := ReadJSON(path, &v); err != nil || v != 1 {
		t.Errorf("read %d, %v; want 1", v, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v; want a.json and folder", entries, err)
	}
}

// Overlay file systems leave folders that nobody may enter.
func TestRemoveAllOpensClosedFolders(t *testing.T) {
	top := filepath.Join(t.TempDir(), "top")
	closed := filepath.Join(top, "closed")
	if err := os.MkdirAll(filepath.Join(closed, "inner"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	if err := RemoveAll(top); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(top); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

// A start takes a folder that is empty, a sandbox's, or was left by a start
// that was cut short. Anything else is the user's: purging would remove it.
func TestClaimRefusesOthersFolders(t *testing.T) {
	for _, c := range []struct {
		name string
		has  []string
		ok   bool
	}{
		{"empty", nil, true},
		{"a sandbox", []string{"sandbox.json", "lock", "etcd"}, true},
		{"cut short", []string{"lock", ".new-1"}, true},
		{"a user's", []string{"lock", "thesis.txt"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range c.has {
				if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := Folder(dir).Claim(); (err == nil) != c.ok {
				t.Errorf("%v, want ok %v", err, c.ok)
			}
		})
	}
	if dir := Folder(filepath.Join(t.TempDir(), "a", "b")); dir.Claim() != nil || dir.Create() != nil {
		t.Error("a folder that is not there yet is refused")
	}
}
