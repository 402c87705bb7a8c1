package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

var (
	place = regexp.MustCompile("`([\\w./-]+\\.go)(?::([\\w.]+))?`")
	dir   = regexp.MustCompile("`((?:internal|sandbox|cmd|event|plan)/[\\w./-]+)`")
)

// Every place that extending.md names is in the code.
func TestPlacesAreInTheCode(t *testing.T) {
	text := read(t, "extending.md")
	if n := len(place.FindAllString(text, -1)); n < 50 {
		t.Errorf("extending.md names %d places: this test no longer finds them", n)
	}
	for _, m := range place.FindAllStringSubmatch(text, -1) {
		if name := m[2]; name != "" && !slices.Contains(declared(t, "../"+m[1]), name) {
			t.Errorf("%s declares no %s", m[1], name)
		}
	}
	for _, m := range append(place.FindAllStringSubmatch(text, -1), dir.FindAllStringSubmatch(text, -1)...) {
		if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
			t.Error(err)
		}
	}
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
