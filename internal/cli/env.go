// Package cli turns a command line into a call of the library, and its result
// into text, JSON and an exit code. A file holds a command, or a group of small ones:
// flags fill options, a run function does the work. It imports neither AWS nor Kubernetes.
package cli

import (
	"context"
	"io"
)

// Env is the outside world as a command may see it. Only main fills it from
// the operating system.
type Env struct {
	Args           []string
	Name           string // how the user calls it: "kubectl drover"; empty: drover
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	TTY            bool            // a person sits at a terminal
	Dir            string          // the working directory
	Self           string          // path of this executable
	Abort          <-chan struct{} // closed: end at once, in no order

	terminal *terminal
}

// color says whether to draw: a terminal, and nobody who asks for plain text
// (no-color.org).
func (e Env) color() bool {
	return e.TTY && e.Getenv("NO_COLOR") == "" && e.Getenv("TERM") != "dumb"
}

// Interruption is why a run was told to end before its time; it is the cause of
// the end of its context, and what the user reads.
type Interruption string

// The interruptions.
const (
	CtrlC      Interruption = "interrupted (Ctrl-C)"
	Terminated Interruption = "told to end (SIGTERM)"
	HungUp     Interruption = "the terminal is gone (SIGHUP)"
)

func (i Interruption) Error() string { return string(i) }

// Is makes an Interruption what code asks for that looks whether its context
// was cancelled: some of the standard library hands on the cause instead.
func (Interruption) Is(target error) bool { return target == context.Canceled }
