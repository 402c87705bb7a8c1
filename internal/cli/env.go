// Package cli turns a command line into a call of the library, and its result
// into text, JSON and an exit code. One file a command: flags fill Options,
// run does the work. It imports neither AWS nor Kubernetes.
package cli

import (
	"context"
	"errors"
	"io"

	"github.com/droverhq/drover/problem"
)

// Env is the outside world as a command may see it. Only main fills it from
// the operating system.
type Env struct {
	Args           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	TTY            bool   // a person sits at a terminal
	Dir            string // the working directory
	Self           string // path of this executable
}

// color says whether to draw: a terminal, and nobody who asks for plain text
// (no-color.org).
func (e Env) color() bool {
	return e.TTY && e.Getenv("NO_COLOR") == "" && e.Getenv("TERM") != "dumb"
}

// exitCode carries the exit code of a program that a command ran in its stead.
type exitCode int

func (exitCode) Error() string { return "the program ended with an error" }

// Main runs one command line and returns the exit code.
func Main(ctx context.Context, env Env) int {
	root := newRoot(env)
	root.SetArgs(env.Args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	err := root.ExecuteContext(ctx)
	var program exitCode
	if errors.As(err, &program) {
		return int(program)
	}
	if err == nil {
		return 0
	}
	problem.Print(env.Stderr, err)
	code := problem.Exit(err)
	if ctx.Err() != nil && code != int(problem.Lost) { // Ctrl-C is how a load test is ended
		return int(problem.Interrupted)
	}
	return code
}
