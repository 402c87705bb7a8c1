package plan

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxDiffValue is how many characters of a value a line of a diff shows.
const maxDiffValue = 120

// Diff writes a plan with one line a step and, below it, every property that
// the step sets, as far as the plan tells:
//
//	1 create    role/app-8af2ca3   Path / -> /x
//	    ! Path: "/" -> "/x"
//	    + Description: "app"
//
// What "!" marks cannot be changed in place: it is why the object is made anew.
func Diff(w io.Writer, p Plan) error {
	var table strings.Builder
	if err := Detail(&table, p); err != nil {
		return err
	}
	rows := strings.SplitAfter(table.String(), "\n")
	steps := slices.Clone(p.Steps)
	for i := range steps {
		steps[i].Component = ""
	}
	var b strings.Builder
	for i, l := range lines(steps) {
		b.WriteString(rows[i])
		for _, id := range l.Steps {
			for _, c := range p.Steps[id-1].Changes {
				b.WriteString("    " + c.String() + "\n")
			}
		}
	}
	if len(steps) == 0 {
		b.WriteString(table.String())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// String is the change as plans show it: path old -> new.
func (c Change) String() string {
	before, after := literal(c.Before), literal(c.After)
	switch {
	case c.Before == nil:
		return fmt.Sprintf("%s %s: %s", mark("+", c.Forces), c.Path, after)
	case c.After == nil:
		return fmt.Sprintf("%s %s: %s", mark("-", c.Forces), c.Path, before)
	}
	return fmt.Sprintf("%s %s: %s -> %s", mark("~", c.Forces), c.Path, before, after)
}

func mark(sign string, forces bool) string {
	if forces {
		return "!"
	}
	return sign
}

// literal is a value as JSON, or the beginning of it.
func literal(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	s := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(text))
	if n := utf8.RuneCountInString(s); n > maxDiffValue {
		return string([]rune(s)[:maxDiffValue]) + fmt.Sprintf("… (%d characters)", n)
	}
	return s
}
