package spec

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// docs/stack-file.md has a row for every key that the reader of a section
// takes, and for no other. Keys of what lies deeper (capacity: {desired: 3})
// stand in the text of its row.
func TestKeysAreDocumented(t *testing.T) {
	read := keysByReader(t)
	page, err := os.ReadFile("../../docs/stack-file.md")
	if err != nil {
		t.Fatal(err)
	}
	cluster := slices.DeleteFunc(slices.Clone(read["cluster"][0]), func(k string) bool { return k == "network" })
	for _, k := range read["cluster"][1] {
		cluster = append(cluster, "network."+k)
	}
	for section, want := range map[string][]string{
		"cluster":    cluster,
		"Add-ons":    read["addon"][0],
		"nodeGroups": read["nodeGroup"][0],
		"workloads":  read["workloads"][0],
		"guard":      slices.Concat(probeKeys, read["guards"][0]),
		"resources":  read["resource"][0],
		"options":    allOptions,
		"providers":  read["provider"][0],
	} {
		text := sectionOf(string(page), section)
		if got := firstCells(text); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("docs/stack-file.md, %s, has rows for\n%q\nthe code reads\n%q", section, got, want)
		}
	}
	for _, key := range read["sections"][0] {
		if !strings.Contains(sectionOf(string(page), "All keys"), "\n    "+key+":") {
			t.Errorf("docs/stack-file.md, All keys, lacks %s", key)
		}
	}
	for reader, section := range map[string]string{"capacity": "nodeGroups", "query": "guard", "maxErrors": "guard", "chartKeys": "workloads"} {
		for _, key := range read[reader][0] {
			if !regexp.MustCompile(`\b` + key + `\b`).MatchString(sectionOf(string(page), section)) {
				t.Errorf("docs/stack-file.md, %s, lacks %s of %s", section, key, reader)
			}
		}
	}
}

// keysByReader are the keys that each function takes, one list for each of its
// calls of object.
func keysByReader(t *testing.T) map[string][][]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][][]string{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			f, is := d.(*ast.FuncDecl)
			if !is || strings.HasSuffix(file, "_test.go") {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if keys, is := keysRead(n); is {
					found[f.Name.Name] = append(found[f.Name.Name], keys)
				}
				return true
			})
		}
	}
	return found
}

// keysRead are the texts given to a call of object, but for the first, which is
// an example.
func keysRead(n ast.Node) ([]string, bool) {
	call, is := n.(*ast.CallExpr)
	if !is || len(call.Args) < 2 {
		return nil, false
	}
	if f, is := call.Fun.(*ast.SelectorExpr); !is || f.Sel.Name != "object" {
		return nil, false
	}
	var keys []string
	for _, a := range call.Args[1:] {
		ast.Inspect(a, func(n ast.Node) bool {
			if text, is := n.(*ast.BasicLit); is {
				if key, err := strconv.Unquote(text.Value); err == nil {
					keys = append(keys, key)
				}
			}
			return true
		})
	}
	return keys, true
}

// tabled are the headings below which others have tables of their own.
var tabled = map[string]bool{"cluster": true, "Add-ons": true}

// sectionOf is the text below a heading, to the next of its level or above.
func sectionOf(page, heading string) string {
	_, text, _ := strings.Cut(page, "# "+heading+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	if heading == "All keys" {
		return text
	}
	text, _, _ = strings.Cut(text, "\n### ")
	if tabled[heading] {
		text, _, _ = strings.Cut(text, "\n#### ")
	}
	return text
}

var keyRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")

func firstCells(text string) []string {
	var keys []string
	for _, m := range keyRow.FindAllStringSubmatch(text, -1) {
		keys = append(keys, m[1])
	}
	slices.Sort(keys)
	return keys
}
