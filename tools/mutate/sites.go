package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
)

// fate is what became of a mutant.
type fate string

const (
	unreached fate = "unreached"
	survived  fate = "survived"
	killed    fate = "killed"
	endless   fate = "endless" // the tests did not end in their time
)

// mutant is one change: text before and after a piece of the source, which asks
// whether the mutant is the chosen one.
type mutant struct {
	id            int
	file          string
	line, column  int
	what          string
	from, to      int // offsets of the piece
	before, after string
	fate          fate
}

// tell prints a mutant that no test noticed.
func (m *mutant) tell() {
	if m.fate == survived || m.fate == unreached {
		fmt.Printf("%-9s  %s\n", m.fate, m)
	}
}

func (m *mutant) String() string {
	return fmt.Sprintf("%s:%d:%d  %s", m.file, m.line, m.column, m.what)
}

// finder collects the mutants of one file.
type finder struct {
	file    string
	set     *token.FileSet
	source  []byte
	next    int
	mutants []*mutant
}

// add notes a mutant around a node. In before and after, # is its number.
func (f *finder) add(n ast.Node, what, before, after string) {
	at := f.set.Position(n.Pos())
	number := fmt.Sprint(f.next)
	f.mutants = append(f.mutants, &mutant{
		id: f.next, file: f.file, line: at.Line, column: at.Column, what: what + ": " + f.short(n),
		from: at.Offset, to: f.set.Position(n.End()).Offset,
		before: strings.ReplaceAll(before, "#", number), after: strings.ReplaceAll(after, "#", number), fate: unreached,
	})
	f.next++
}

func (f *finder) text(n ast.Node) string {
	return string(f.source[f.set.Position(n.Pos()).Offset:f.set.Position(n.End()).Offset])
}

func (f *finder) short(n ast.Node) string {
	text, _, cut := strings.Cut(f.text(n), "\n")
	if cut || len(text) > 70 {
		text = text[:min(len(text), 70)] + " …"
	}
	return text
}

// find walks a file's functions.
func (f *finder) find(file *ast.File) {
	for _, d := range file.Decls {
		if fn, is := d.(*ast.FuncDecl); is && fn.Body != nil && fn.Name.Name != "init" {
			f.function(fn.Type, fn.Body)
		}
	}
}

// function walks a body; returns within belong to its signature.
func (f *finder) function(typ *ast.FuncType, body *ast.BlockStmt) {
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			f.function(n.Type, n.Body)
			return false
		case *ast.IfStmt:
			f.negate(n.Cond)
		case *ast.ForStmt:
			if n.Cond != nil {
				f.negate(n.Cond)
			}
		case *ast.SwitchStmt:
			if n.Tag == nil {
				f.cases(n.Body)
			}
		case *ast.BlockStmt:
			f.statements(n.List)
		case *ast.CaseClause:
			f.statements(n.Body)
		case *ast.BinaryExpr:
			f.binary(n)
		case *ast.CallExpr:
			f.call(n)
		case *ast.ReturnStmt:
			f.returned(typ, n)
		}
		return true
	})
}

// negate turns a condition round; binary does so itself for one that compares for
// equality.
func (f *finder) negate(cond ast.Expr) {
	if b, is := cond.(*ast.BinaryExpr); is && (b.Op == token.EQL || b.Op == token.NEQ) {
		return
	}
	f.add(cond, "turned round", "mutantIs(#) != (", ")")
}

func (f *finder) cases(body *ast.BlockStmt) {
	for _, s := range body.List {
		for _, cond := range s.(*ast.CaseClause).List {
			f.negate(cond)
		}
	}
}

// statements are left out, if nothing is declared by them.
func (f *finder) statements(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt, *ast.IncDecStmt:
			f.add(s, "left out", "if !mutantIs(#) { ", " }")
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE && !blank(s) {
				f.add(s, "left out", "if !mutantIs(#) { ", " }")
			}
		}
	}
}

// blank: it only throws a value away.
func blank(s *ast.AssignStmt) bool {
	for _, l := range s.Lhs {
		if id, is := l.(*ast.Ident); !is || id.Name != "_" {
			return false
		}
	}
	return true
}

func (f *finder) binary(n *ast.BinaryExpr) {
	x, y := f.text(n.X), f.text(n.Y)
	if strings.Contains(x+y, "\n") {
		return
	}
	switch n.Op {
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		f.add(n, "boundary", "((", ") != (mutantIs(#) && ("+x+") == ("+y+")))")
	case token.EQL, token.NEQ:
		f.add(n, "turned round", "(mutantIs(#) != (", "))")
	case token.LAND:
		f.add(n, "or for and", "(mutantIs(#) && ("+x+" || "+y+") || !mutantIs(#) && (", "))")
	case token.LOR:
		f.add(n, "and for or", "(mutantIs(#) && ("+x+") && ("+y+") || !mutantIs(#) && (", "))")
	}
}

// call swaps min and max.
func (f *finder) call(n *ast.CallExpr) {
	name, is := n.Fun.(*ast.Ident)
	if !is || name.Name != "min" && name.Name != "max" || strings.Contains(f.text(n), "\n") {
		return
	}
	other := map[string]string{"min": "max", "max": "min"}[name.Name]
	f.add(n, other+" for "+name.Name, "mutantPick(#, ", ", "+other+f.text(n)[len(name.Name):]+")")
}

// returned makes each result zero that is not so already.
func (f *finder) returned(typ *ast.FuncType, n *ast.ReturnStmt) {
	var types []ast.Expr
	if typ.Results != nil {
		for _, field := range typ.Results.List {
			for range max(1, len(field.Names)) {
				types = append(types, field.Type)
			}
		}
	}
	if len(types) != len(n.Results) {
		return
	}
	for i, r := range n.Results {
		if text := f.text(r); text == "nil" || text == "false" || text == "0" || text == `""` {
			if text == "false" {
				f.add(r, "true for false", "(mutantIs(#) != ", ")")
			}
			continue
		}
		if !empty(r) {
			f.add(r, "zero returned", "mutantZero["+f.text(types[i])+"](#, ", ")")
		}
	}
}

// empty: it is a struct of which nothing is set.
func empty(e ast.Expr) bool {
	lit, is := e.(*ast.CompositeLit)
	if !is || len(lit.Elts) > 0 {
		return false
	}
	switch lit.Type.(type) {
	case *ast.Ident, *ast.SelectorExpr:
		return true
	}
	return false
}
