package drover_test

import (
	"bytes"
	"flag"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite api.txt")

// public are the packages that programs of others are built with, by their folders.
var public = []string{".", "event", "move", "plan", "problem", "project", "value"}

// api.txt is what others build on. A line that goes or changes breaks their
// programs: between two releases of one major version, lines only come. Every
// exported name says what it is.
func TestAPI(t *testing.T) {
	var have bytes.Buffer
	for _, folder := range public {
		p := documented(t, folder)
		have.WriteString("package " + p.ImportPath + "\n\n")
		listing{t, &have, p.ImportPath}.all(p)
	}
	if *update {
		if err := os.WriteFile("api.txt", have.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("api.txt")
	if err != nil {
		t.Fatal(err)
	}
	gone, come := missing(want, have.Bytes()), missing(have.Bytes(), want)
	if len(gone) > 0 {
		t.Errorf("these break programs of others (a change that nobody can miss goes into CHANGELOG.md; go test . -update):\n%s", strings.Join(gone, "\n"))
	}
	if len(come) > 0 {
		t.Errorf("these are new: go test . -update\n%s", strings.Join(come, "\n"))
	}
}

// documented is a package as go doc shows it.
func documented(t *testing.T, folder string) *doc.Package {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	p, err := doc.NewFromFiles(fset, files, strings.TrimSuffix("github.com/droverhq/drover/"+folder, "/."))
	if err != nil {
		t.Fatal(err)
	}
	if p.Doc == "" {
		t.Errorf("package %s says not what it is", p.ImportPath)
	}
	return p
}

// listing writes what a package has, without a word about it.
type listing struct {
	t    *testing.T
	to   *bytes.Buffer
	path string
}

func (l listing) all(p *doc.Package) {
	l.values(p.Consts)
	l.values(p.Vars)
	l.funcs(p.Funcs)
	for _, typ := range p.Types {
		l.decl(typ.Name, typ.Doc, typ.Decl)
		l.values(typ.Consts)
		l.values(typ.Vars)
		l.funcs(typ.Funcs)
		l.funcs(typ.Methods)
	}
}

func (l listing) values(groups []*doc.Value) {
	for _, v := range groups {
		l.decl(strings.Join(v.Names, ", "), v.Doc, v.Decl)
	}
}

func (l listing) funcs(all []*doc.Func) {
	for _, f := range all {
		l.decl(f.Name, f.Doc, f.Decl)
	}
}

func (l listing) decl(name, about string, d ast.Decl) {
	if about == "" && !commented(d) {
		l.t.Errorf("%s: %s says not what it is", l.path, name)
	}
	ast.Inspect(d, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			n.Doc, n.Comment = nil, nil
		case *ast.ValueSpec:
			n.Doc, n.Comment = nil, nil
		}
		return true
	})
	if err := printer.Fprint(l.to, token.NewFileSet(), d); err != nil {
		l.t.Fatal(err)
	}
	l.to.WriteString("\n\n")
}

// commented reports that each value of a group has a word of its own.
func commented(d ast.Decl) bool {
	group, is := d.(*ast.GenDecl)
	if !is {
		return false
	}
	for _, s := range group.Specs {
		if v, is := s.(*ast.ValueSpec); !is || v.Doc == nil && v.Comment == nil {
			return false
		}
	}
	return true
}

// missing are the lines of one listing that another lacks, each after the
// declaration that it is part of. An interface is one line: a method more breaks
// those who have it, too.
func missing(from, in []byte) []string {
	have := map[string]bool{}
	for _, line := range lines(in) {
		have[line] = true
	}
	return slices.DeleteFunc(lines(from), func(line string) bool { return have[line] })
}

func lines(listing []byte) []string {
	var all []string
	path := ""
	for d := range strings.SplitSeq(string(listing), "\n\n") {
		head, rest, _ := strings.Cut(d, "\n")
		if strings.HasPrefix(head, "package ") {
			path = strings.TrimPrefix(head, "package ")
		}
		if strings.Contains(head, " interface ") {
			head, rest = head+rest, ""
		}
		all = append(all, path+": "+plain(head))
		for line := range strings.SplitSeq(rest, "\n") {
			all = append(all, path+": "+plain(head)+" "+plain(line))
		}
	}
	return all
}

// plain is a line whatever its columns are aligned to.
func plain(line string) string { return strings.Join(strings.Fields(line), " ") }
