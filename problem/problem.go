// Package problem says what went wrong and what to do about it. Errors inside
// the program are plain; where cause and cure are both known, they become an
// Error, whose Kind decides the exit code.
//
// It imports nothing but the standard library.
package problem

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Place is where in the user's files something is written.
type Place struct {
	File string
	Line int // 1, 2, …; 0 if unknown
}

// String is file:line, as editors take it.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Error is an error with a remedy.
type Error struct {
	Kind  Kind
	At    Place  // where the user wrote it, if it stands in a file
	Op    string // what was being done: "evict pod shop/web-7d9f"
	Err   error  // why it failed
	Fix   string // what the user can do; empty: what the kind says
	Notes []string
}

// Error is what went wrong and where, without the remedy.
func (e *Error) Error() string {
	var b strings.Builder
	if e.At.File != "" {
		fmt.Fprintf(&b, "%s: ", e.At)
	}
	if e.Op != "" {
		b.WriteString(e.Op)
	}
	if e.Err != nil {
		if e.Op != "" {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// List is several mistakes found at once, in the order of the file.
type List []*Error

// Error is all of them, a line each.
func (l List) Error() string {
	lines := make([]string, len(l))
	for i, e := range l {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Err is the list as an error sorted by place, nil if it is empty.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	slices.SortStableFunc(l, func(a, b *Error) int {
		if c := strings.Compare(a.At.File, b.At.File); c != 0 {
			return c
		}
		return a.At.Line - b.At.Line
	})
	return l
}

// Unwrap lets errors.Is look at every mistake.
func (l List) Unwrap() []error {
	all := make([]error, len(l))
	for i, e := range l {
		all[i] = e
	}
	return all
}

// Exit is the exit code for err: 0 for nil.
func Exit(err error) int {
	var list List
	var one *Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &list):
		return int(list[0].Kind)
	case errors.As(err, &one):
		return int(one.Kind)
	}
	return int(Internal)
}

// Parts takes apart what errors.Join and List hold together: each part is an
// error with its own remedy.
func Parts(err error) []error {
	var parts []error
	switch held := err.(type) { //nolint:errorlint // only this very error, not one inside of it
	case nil:
	case interface{ Unwrap() []error }:
		if !joined(err, held.Unwrap()) {
			return []error{err}
		}
		for _, e := range held.Unwrap() {
			parts = append(parts, Parts(e)...)
		}
	default:
		return []error{err}
	}
	return parts
}

// joined tells errors.Join from fmt.Errorf with several %w, whose words would
// be lost.
func joined(err error, parts []error) bool {
	lines := make([]string, len(parts))
	for i, e := range parts {
		lines[i] = e.Error()
	}
	return err.Error() == strings.Join(lines, "\n")
}

// Print writes err for a person: each mistake on a line, its remedy below.
func Print(w io.Writer, err error) {
	for _, part := range Parts(err) {
		var one *Error
		errors.As(part, &one)
		printOne(w, part, one)
	}
}

func printOne(w io.Writer, err error, e *Error) {
	_, _ = fmt.Fprintf(w, "error: %s\n", err)
	if e == nil {
		e = &Error{Kind: Internal}
	}
	for _, n := range e.Notes {
		_, _ = fmt.Fprintf(w, "  note: %s\n", n)
	}
	_, _ = fmt.Fprintf(w, "  fix: %s\n", cmp.Or(e.Fix, e.Kind.remedy()))
}
