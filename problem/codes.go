package problem

import (
	"fmt"
	"slices"
	"strings"
)

// Kind classifies an error. It is the exit code, which never changes meaning.
type Kind int

// The kinds. Codes tells about each.
const (
	Internal    Kind = 1   // a bug, or an error nobody foresaw
	Usage       Kind = 2   // the command line or a file is wrong; nothing was changed
	Refused     Kind = 3   // a check found a blocker, or the user said no; nothing was changed
	Locked      Kind = 4   // somebody else works on the stack
	Outside     Kind = 5   // AWS, Kubernetes or the machine failed; state is saved, run it again
	Guarded     Kind = 6   // traffic suffered: the move stopped and everything still serves
	Lost        Kind = 7   // requests failed: a load test or a demo did not hold
	Parked      Kind = 8   // all is done but for workloads that could not move, and serve where they are
	Crashed     Kind = 9   // a bug ended the program; state is saved
	Interrupted Kind = 130 // Ctrl-C (128 + SIGINT, as shells have it), SIGTERM, SIGHUP
)

// Code is what the user is told about an exit code.
type Code struct {
	Kind    Kind
	Means   string
	Changed string // was anything changed?
}

// Codes is the one table of exit codes: help prints rows of it, and
// docs/exit-codes.md is compared with it.
var Codes = []Code{
	{0, "it is done", "as reported"},
	{Internal, "an error nobody foresaw: please report it", "state is saved"},
	{Usage, "the command line or a file is wrong; every mistake is listed with its place", "no"},
	{Refused, "a check found a blocker, something is missing on this machine, or you said no", "nothing that serves"},
	{Locked, "somebody else works on the stack", "no"},
	{Outside, "AWS, Kubernetes or this machine failed", "state is saved: run the same command again"},
	{Guarded, "traffic suffered: the guard stopped the move, and everything still serves", "state is saved: run it again when the cause is gone"},
	{Lost, "a load test or the demo lost requests, or the demo left something behind", "as reported"},
	{Parked, "all is done but for what could not move: it is named and serves where it is", "state is saved: run it again when the reasons are gone"},
	{Crashed, "drover itself broke: please report it with the file that it names", "state is saved: run the same command again"},
	{Interrupted, "interrupted (Ctrl-C, SIGTERM or SIGHUP)", "state is saved: run the same command again"},
}

// Table writes the rows of those kinds for a person, in the order of Codes.
func Table(kinds ...Kind) string {
	var b strings.Builder
	for _, c := range Codes {
		if slices.Contains(kinds, c.Kind) {
			fmt.Fprintf(&b, "%4d  %s\n", c.Kind, c.Means)
		}
	}
	return b.String()
}
