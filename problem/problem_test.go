package problem

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Two things that went wrong are two errors to a reader, each with its remedy;
// the first decides the exit code.
func TestPrintJoined(t *testing.T) {
	run := &Error{Kind: Guarded, Op: "hand over web", Err: errors.New("traffic suffers"), Fix: "look at the application"}
	log := fmt.Errorf("at the end: %w", &Error{Kind: Outside, Op: "write log", Err: errors.New("disk full"), Fix: "make room"})
	plain := errors.New("and this")
	err := errors.Join(errors.Join(run, log), plain)
	var out bytes.Buffer
	Print(&out, err)
	want := `error: hand over web: traffic suffers
  fix: look at the application
error: at the end: write log: disk full
  fix: make room
error: and this
  fix: report this, please; what was done is saved, and the same command goes on from there
`
	if out.String() != want || Exit(err) != int(Guarded) {
		t.Errorf("exit %d:\n%s", Exit(err), out.String())
	}
}

// The words around several causes stay.
func TestPrintSeveralCauses(t *testing.T) {
	var out bytes.Buffer
	Print(&out, fmt.Errorf("between %w and %w", errors.New("a"), errors.New("b")))
	if !strings.HasPrefix(out.String(), "error: between a and b\n  fix: ") {
		t.Error(out.String())
	}
}

func TestPrintList(t *testing.T) {
	var out bytes.Buffer
	err := List{
		{Kind: Usage, At: Place{"b", 2}, Err: errors.New("wrong"), Fix: "right"},
		{Kind: Usage, At: Place{"a", 1}, Err: errors.New("bad"), Notes: []string{"see"}},
	}.Err()
	Print(&out, err)
	if want := "error: a:1: bad\n  note: see\n  fix: correct what is named and run the command again\nerror: b:2: wrong\n  fix: right\n"; out.String() != want || Exit(err) != int(Usage) {
		t.Errorf("exit %d:\n%s", Exit(err), out.String())
	}
	if List(nil).Err() != nil || Exit(nil) != 0 {
		t.Error("nothing is an error")
	}
}
