package docs

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	quotedRow = regexp.MustCompile("(?m)^\\| (`.*?) \\|")
	quote     = regexp.MustCompile("`([^`]+)`")
)

// What docs/troubleshooting.md says that you see is what the code says.
func TestQuotesAreInTheCode(t *testing.T) {
	source := program(t)
	rows := quotedRow.FindAllStringSubmatch(read(t, "troubleshooting.md"), -1)
	if len(rows) < 30 || len(source) < 1<<20 {
		t.Fatalf("%d rows are compared with %d bytes of code: this test no longer finds them", len(rows), len(source))
	}
	for _, row := range rows {
		for _, q := range quote.FindAllStringSubmatch(row[1], -1) {
			if len(q[1]) < 8 {
				t.Errorf("%q says too little to be compared", q[1])
			}
			for _, part := range strings.Split(q[1], "…") {
				if part = strings.Trim(part, " :"); !strings.Contains(source, part) {
					t.Errorf("no code says %q", part)
				}
			}
		}
	}
}

// program is the text of all files of the program, one after the other.
func program(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "sandbox" || d.Name() == "test" || d.Name() == "tools" || d.Name() == ".git"):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			all.WriteString(read(t, path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
