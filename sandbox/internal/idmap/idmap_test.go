package idmap

import (
	"os"
	"path/filepath"
	"testing"
)

// Which IDs there are, and how a user reads them, follows from the lines of the mapping alone.
func TestMap(t *testing.T) {
	for _, tc := range []struct {
		lines      string
		has, lacks []int64
		many       bool
		want       string
	}{
		{lines: "0 1000 1\n", has: []int64{0}, lacks: []int64{1, 1000, -1}, want: "0"},
		{lines: "         0       1000          1\n         1     100000      65535\n", has: []int64{0, 1, 65535}, lacks: []int64{65536}, many: true, want: "0 to 65535"},
		{lines: "0 1000 1\n1 100000 10\n100 200000 5\n", has: []int64{10, 100, 104}, lacks: []int64{11, 99, 105}, many: true, want: "0 to 10, 100 to 104"},
		{lines: "0 0 4294967295\n", has: []int64{70000}, many: true, want: "0 to 4294967294"},
		{lines: "", lacks: []int64{0}},
	} {
		file := filepath.Join(t.TempDir(), "uid_map")
		if err := os.WriteFile(file, []byte(tc.lines), 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := read(file)
		if err != nil {
			t.Fatal(err)
		}
		if m.String() != tc.want || (IDs{Users: m}).Many() != tc.many {
			t.Errorf("%q is %q, many: %v", tc.lines, m, IDs{Users: m}.Many())
		}
		for _, id := range tc.has {
			if !m.Has(id) {
				t.Errorf("%q has no %d", tc.lines, id)
			}
		}
		for _, id := range tc.lacks {
			if m.Has(id) {
				t.Errorf("%q has %d", tc.lines, id)
			}
		}
	}
}

// A user's lines carry their name or their number. Others', and what is none, are passed over.
func TestSubordinate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "subuid")
	const lines = "# no line\nalice:100000:65536\n\nbob:165536:10\nbob:300000:20\n1002:400000:30\nbobby:500000:65536\nbob:x:65536\nbob:1:-5\n"
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		names []string
		want  Range
	}{
		{[]string{"1000", "alice"}, Range{Outside: 100000, Count: 65536}},
		{[]string{"1001", "bob"}, Range{Outside: 300000, Count: 20}},
		{[]string{"1002", "carol"}, Range{Outside: 400000, Count: 30}},
		{[]string{"1003", "dave"}, Range{}},
	} {
		got, err := subordinate(file, tc.names)
		if got != tc.want || (err == nil) != (tc.want.Count > 0) {
			t.Errorf("%v have %v, %v; want %v", tc.names, got, err, tc.want)
		}
	}
	if _, err := subordinate(file+"x", nil); err == nil {
		t.Error("a file that is not there gives IDs")
	}
}
