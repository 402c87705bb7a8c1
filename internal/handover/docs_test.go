package handover

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// TestFindingsAreDocumented holds the table in docs/hand-over.md and the list of
// checks together: a check that is added, renamed or removed, one that gets
// another place in the order, and one that may report another severity.
func TestFindingsAreDocumented(t *testing.T) {
	severities := severitiesByFunction(t)
	var want []string
	for _, c := range checks {
		name, _ := placeOf(c)
		want = append(want, words(name)+" | "+strings.Join(severities[name], ", "))
	}
	if got := documentedFindings(t); !slices.Equal(got, want) {
		t.Errorf("docs/hand-over.md, section Findings, has these rows:\n%s\nthe code has these checks:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The gravest come first: a check stands among those of the worst that it may report.
func TestChecksAreInTheirOrder(t *testing.T) {
	severities := severitiesByFunction(t)
	before, rank := "", 0
	for _, c := range checks {
		name, _ := placeOf(c)
		if len(severities[name]) == 0 {
			t.Errorf("%s names no severity: write blocker, warning or note in the function itself, by which this test and docs/hand-over.md know it", name)
			continue
		}
		now := slices.Index([]string{"blocker", "warning", "note"}, severities[name][0])
		if now < rank {
			t.Errorf("%s stands after %s, which is less grave", name, before)
		}
		before, rank = name, now
	}
}

// words reads the name of a check: cannotMove is "cannot move".
func words(name string) string {
	var b strings.Builder
	for _, r := range name {
		if unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// severitiesByFunction are the severities that a function's body names, the
// gravest first.
func severitiesByFunction(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, is := d.(*ast.FuncDecl); is && f.Recv == nil {
				found[f.Name.Name] = severitiesIn(f)
			}
		}
	}
	return found
}

func severitiesIn(f *ast.FuncDecl) []string {
	named := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if id, is := n.(*ast.Ident); is {
			named[id.Name] = true
		}
		return true
	})
	return slices.DeleteFunc([]string{"blocker", "warning", "note"}, func(s string) bool { return !named[s] })
}

// documentedFindings are the first two columns of the table of findings.
func documentedFindings(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile("../../docs/hand-over.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Findings\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var rows []string
	for line := range strings.Lines(section) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) != 4 || strings.HasPrefix(line, "| check ") {
			continue
		}
		rows = append(rows, strings.TrimPrefix(cells[0], "| ")+" | "+cells[1])
	}
	return rows
}
