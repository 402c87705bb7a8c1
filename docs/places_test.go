package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	place = regexp.MustCompile("`([\\w./-]+\\.go)(?::([\\w.]+))?`")
	dir   = regexp.MustCompile("`((?:internal|sandbox|cmd|event|plan|project|move|test|pulumi|examples|release|scripts|tools)/[\\w./-]*)`")
	// folder is one in backquotes, or several of one.
	folder = regexp.MustCompile("`([\\w./-]+/)?\\{?([\\w,-]+/?)\\}?`")
	// tried is a test that is named by itself.
	tried = regexp.MustCompile("`(Test[A-Z]\\w*)`")
	aTest = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	// part is a name of a package, as `handover.Mover.HandOver`, or of any, as `Project.Up`.
	part = regexp.MustCompile("`([A-Za-z]+(?:\\.[A-Za-z]+)+)`")
)

// Every place that extending.md and ARCHITECTURE.md name is in the code.
func TestPlacesAreInTheCode(t *testing.T) {
	for page, least := range map[string]int{"extending.md": 50, "../ARCHITECTURE.md": 6} {
		text := read(t, page)
		if n := len(place.FindAllString(text, -1)); n < least {
			t.Errorf("%s names %d places: this test no longer finds them", page, n)
		}
		for _, m := range place.FindAllStringSubmatch(text, -1) {
			if name := m[2]; name != "" && !slices.Contains(declared(t, "../"+m[1]), name) {
				t.Errorf("%s: %s declares no %s", page, m[1], name)
			}
		}
		for _, m := range append(place.FindAllStringSubmatch(text, -1), dir.FindAllStringSubmatch(text, -1)...) {
			if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}

// Every test that they name is there, wherever it stands.
func TestTestsAreInTheCode(t *testing.T) {
	have := tests(t)
	for page, least := range map[string]int{"extending.md": 8, "../ARCHITECTURE.md": 0} {
		named := tried.FindAllStringSubmatch(read(t, page), -1)
		if len(named) < least {
			t.Errorf("%s names %d tests: this test no longer finds them", page, len(named))
		}
		for _, m := range named {
			if !have[m[1]] {
				t.Errorf("%s: there is no %s", page, m[1])
			}
		}
	}
}

// tests are the names of all tests, of every module.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path != ".." && strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range aTest.FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// ARCHITECTURE.md follows a command from call to call, and names every folder that
// holds Go code.
func TestArchitectureIsThatOfTheCode(t *testing.T) {
	text := read(t, "../ARCHITECTURE.md")
	names, folders := ours(t)
	found := part.FindAllStringSubmatch(text, -1)
	if len(found) < 25 {
		t.Errorf("it names %d parts: this test no longer finds them", len(found))
	}
	for _, m := range found {
		if !names[m[1]] && !outside[m[1]] {
			t.Errorf("nothing is called %s", m[1])
		}
	}
	var told []string // `internal/view/{text,tui}` are two
	for _, m := range folder.FindAllStringSubmatch(text, -1) {
		for last := range strings.SplitSeq(m[2], ",") {
			told = append(told, strings.TrimSuffix(m[1]+last, "/"))
		}
	}
	for _, folder := range folders {
		if !slices.ContainsFunc(told, func(t string) bool { return t == folder || t == "examples" && strings.HasPrefix(folder, t) }) {
			t.Errorf("it does not tell of %s", folder)
		}
	}
}

// outside are names that are not of this module.
var outside = map[string]bool{"os.Args": true, "drover.yaml": true, "drover.Protect": true}

// isModule: the folder is a module of its own.
func isModule(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil
}

// ours are the names that the root module declares, as pkg.Name, pkg.Type.Method and
// Type.Method, and its folders with code that is no test's, nor internal to one package.
func ours(t *testing.T) (names map[string]bool, folders []string) {
	names = map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); path != ".." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "dist" || isModule(path)) {
			return filepath.SkipDir
		}
		files, err := filepath.Glob(filepath.Join(path, "*.go"))
		files = slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "_test.go") })
		for _, file := range files {
			for _, name := range declared(t, file) {
				names[filepath.Base(path)+"."+name] = true
				names[name] = true
			}
		}
		if len(files) > 0 && path != ".." {
			folders = append(folders, strings.TrimPrefix(filepath.ToSlash(path), "../"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names, folders
}

// declared are the names of a file's functions, methods (Type.method), types,
// variables and constants.
func declared(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Error(err)
		return nil
	}
	var names []string
	for _, d := range parsed.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			names = append(names, receiver(d)+d.Name.Name)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				names = append(names, namesOf(s)...)
			}
		}
	}
	return names
}

func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	of := f.Recv.List[0].Type
	if star, is := of.(*ast.StarExpr); is {
		of = star.X
	}
	if generic, is := of.(*ast.IndexExpr); is {
		of = generic.X
	}
	if id, is := of.(*ast.Ident); is {
		return id.Name + "."
	}
	return ""
}

func namesOf(s ast.Spec) []string {
	switch s := s.(type) {
	case *ast.TypeSpec:
		return []string{s.Name.Name}
	case *ast.ValueSpec:
		var names []string
		for _, n := range s.Names {
			names = append(names, n.Name)
		}
		return names
	}
	return nil
}
