package event

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/droverhq/drover/plan"
)

// docs/events.md lists every kind with every field, and no other.
func TestDocsListKinds(t *testing.T) {
	rows := tableRows(t)
	var listed []string
	for _, kind := range slices.Sorted(maps.Keys(decoders)) {
		fact, err := decoders[kind]([]byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		row, ok := rows["`"+kind+"`"]
		if !ok {
			t.Errorf("docs/events.md does not list %s", kind)
			continue
		}
		listed = append(listed, "`"+kind+"`")
		for _, field := range jsonFields(reflect.TypeOf(fact)) {
			if !slices.Contains(quoted(row), field) {
				t.Errorf("docs/events.md does not list the field %q of %s", field, kind)
			}
		}
	}
	for first := range rows {
		if strings.Contains(first, "-") && strings.HasPrefix(first, "`") && !slices.Contains(listed, first) {
			t.Errorf("docs/events.md lists %s, which is no kind", first)
		}
	}
}

// docs/events.md has a row for each field of a plan, its steps and what is in them,
// and for no other.
func TestDocsListThePlan(t *testing.T) {
	page, err := os.ReadFile("../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "### A plan\n")
	section, _, ended := strings.Cut(section, "\n## ")
	if !found || !ended {
		t.Fatal("docs/events.md has no section about a plan")
	}
	ofPlan, ofStep, _ := strings.Cut(section, "\nA step has:\n")
	for _, c := range []struct {
		text string
		typ  reflect.Type
		deep reflect.Type // of what its rows explain in their text
	}{
		{ofPlan, reflect.TypeFor[plan.Plan](), reflect.TypeFor[plan.Rename]()},
		{ofStep, reflect.TypeFor[plan.Step](), reflect.TypeFor[plan.Change]()},
	} {
		for _, field := range slices.Concat(jsonFields(c.typ), jsonFields(c.deep)) {
			if !slices.Contains(quoted(c.text), field) {
				t.Errorf("docs/events.md does not list the field %q of a %s", field, c.typ.Name())
			}
		}
		for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(c.text, -1) {
			for _, field := range quoted(row[1]) {
				if !slices.Contains(jsonFields(c.typ), field) {
					t.Errorf("docs/events.md lists %q, which a %s does not have", field, c.typ.Name())
				}
			}
		}
	}
}

// docs/events.md lists every word that a fact may carry, and no other.
func TestDocsListWords(t *testing.T) {
	rows := tableRows(t)
	for typ, row := range map[string]string{
		"Severity": "severity", "Phase": "phase", "WorkloadState": "workload",
		"NodeChange": "node", "PodChange": "pod", "TargetState": "target",
	} {
		want := constants(t)[typ]
		got := quoted(rows[row])
		slices.Sort(want)
		slices.Sort(got)
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("docs/events.md, words of a %s:\n got %q\nwant %q", row, got, want)
		}
	}
}

// A fact with the words of a later version is read as it stands.
func TestLaterWords(t *testing.T) {
	var e Event
	line := `{"seq":1,"at":"2026-11-22T12:00:00Z","kind":"workload-changed","fact":{"workload":"w","from":"waiting","to":"teleporting"}}`
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Fatal(err)
	}
	if f := e.Fact.(WorkloadChanged); f.To != "teleporting" || f.From != WorkloadWaiting {
		t.Errorf("read %+v", f)
	}
}

// tableRows are the rows of the page's tables by their first cell.
func tableRows(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, line := range strings.Split(string(page), "\n") {
		if cells := strings.SplitN(line, "|", 3); len(cells) == 3 && cells[0] == "" {
			rows[strings.TrimSpace(cells[1])] = cells[2]
		}
	}
	return rows
}

func quoted(text string) []string {
	var words []string
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
		words = append(words, m[1])
	}
	return words
}

func jsonFields(t reflect.Type) []string {
	var names []string
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// constants are the string constants of words.go by their type.
func constants(t *testing.T) map[string][]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "words.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	words := map[string][]string{}
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			c := spec.(*ast.ValueSpec)
			word, err := strconv.Unquote(c.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			typ := c.Type.(*ast.Ident).Name
			words[typ] = append(words[typ], word)
		}
	}
	return words
}
