package launch

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/droverhq/drover/sandbox/internal/folder"
	"github.com/droverhq/drover/sandbox/internal/idmap"
)

// A sandbox with subordinate IDs is root inside, with all capabilities, and can be any user that
// its map has, also where another program writes the map; what it reads from its input is what was sent.
func TestManyUsers(t *testing.T) {
	i, err := subordinate(os.Environ())
	if err != nil {
		t.Skip("no subordinate IDs: ", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	const script = `read -r line && test "$line" = go && id -u >&2 && grep CapEff /proc/self/status >&2 && : > "$0" && chown 1000:2000 "$0" && stat -c %u:%g "$0" >&2; exit 1`
	cmd := exec.Command("/bin/sh", "-c", script, file)
	var said strings.Builder
	cmd.Stderr = &said
	stdin, err := i.start(t.Context(), cmd, namespaces)
	if err != nil {
		t.Skip("refused here: ", err)
	}
	if _, err := stdin.Write([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	lines := strings.Fields(said.String())
	if len(lines) != 4 || lines[0] != "0" || !strings.HasSuffix(lines[2], "ffffffff") || lines[3] != "1000:2000" {
		t.Errorf("it says %q", said.String())
	}
	if err := i.run(t.Context(), exec.Command("rm", file), 0); err != nil {
		t.Errorf("its files cannot be removed: %v", err)
	}
}

// Purging removes what belongs to other users of a sandbox, also for one who is not root.
func TestPurgeRemovesOthersFiles(t *testing.T) {
	i, err := subordinate(os.Environ())
	if err != nil {
		t.Skip("no subordinate IDs: ", err)
	}
	dir := folder.Folder(filepath.Join(t.TempDir(), "box"))
	if err := dir.Claim(); err != nil {
		t.Fatal(err)
	}
	if err := dir.Create(); err != nil {
		t.Fatal(err)
	}
	if err := dir.WriteInfo(folder.Info{IDs: i.ids, UserNS: true}); err != nil {
		t.Fatal(err)
	}
	const script = `mkdir -p "$0/a/b" "$1/c" && touch "$0/a/b/f" "$1/c/f" && chmod 700 "$0/a" "$1/c" && chown -R 1000:2000 "$0/a" "$1/c"`
	if err := i.run(t.Context(), exec.Command("/bin/sh", "-ec", script, dir.Volume("vol-1"), dir.Machine("i-1")), 0); err != nil {
		t.Skip("refused here: ", err)
	}
	if err := Purge(t.Context(), dir, os.Environ()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(string(dir)); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

// A folder whose files belong to subordinate IDs is started with these alone; one of a single user with any.
func TestFolderGoesWithItsIDs(t *testing.T) {
	ids := func(first int64) idmap.IDs {
		m := idmap.Map{{Outside: 1000, Count: 1}, {Inside: 1, Outside: first, Count: 65535}}
		return idmap.IDs{Users: m, Groups: m}
	}
	one := idmap.IDs{Users: ids(1).Users[:1], Groups: ids(1).Groups[:1]}
	for _, tc := range []struct {
		had, has idmap.IDs
		ok       bool
	}{
		{idmap.IDs{}, ids(100000), true}, {one, ids(100000), true}, {one, one, true}, {ids(100000), ids(100000), true},
		{ids(100000), ids(200000), false}, {ids(100000), one, false},
	} {
		if err := (isolation{ids: tc.has}).owns("/x", folder.Info{IDs: tc.had}); (err == nil) != tc.ok {
			t.Errorf("had %v, has %v: %v", tc.had, tc.has, err)
		}
	}
}
