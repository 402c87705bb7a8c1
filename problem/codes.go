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
	Returned    Kind = 10  // the change was taken back; everything is as it was before
	Changes     Kind = 11  // the plan changes something, and was to change nothing
	Interrupted Kind = 130 // Ctrl-C (128 + SIGINT, as shells have it), SIGTERM, SIGHUP
)

// Code is what the user is told about an exit code.
type Code struct {
	Kind    Kind
	Means   string
	Changed string // was anything changed?
	fix     string // what to do if an error does not know better
}

// Codes is the one table of exit codes: help prints rows of it, and
// docs/exit-codes.md is compared with it.
var Codes = []Code{
	{0, "it is done", "as reported", ""},
	{Internal, "an error nobody foresaw: please report it", "state is saved", "report this, please; what was done is saved, and the same command goes on from there"},
	{Usage, "the command line or a file is wrong; every mistake is listed with its place", "no", "correct what is named and run the command again"},
	{Refused, "a check found a blocker, something is missing on this machine, or you said no", "nothing that serves", "resolve what is named and run the command again"},
	{Locked, "somebody else works on the stack", "no", "wait until the other run is over; if it cannot come back: drover cancel"},
	{Outside, "AWS, Kubernetes or this machine failed", "state is saved: run the same command again", "run the same command again: it goes on from there"},
	{Guarded, "traffic suffered: the guard stopped the move, and everything still serves", "state is saved: run it again when the cause is gone", "look at the application, then run the same command again"},
	{Lost, "a load test or the demo lost requests, or the demo left something behind", "as reported", "see the causes above"},
	{Parked, "all is done but for what could not move: it is named and serves where it is", "state is saved: run it again when the reasons are gone", "cure the reasons and run the same command again"},
	{Crashed, "drover itself broke: please report it with the file that it names", "state is saved: run the same command again", "run the same command again, and report this, please"},
	{Returned, "the change was taken back, since a guard or the new nodes failed: everything is as it was before", "no: what was changed is changed back", "find out why, then run the same command again: it makes the change anew"},
	{Changes, "the plan changes something, and --expect-no-changes was given", "no", "see the plan, above: somebody has changed the files, or what exists"},
	{Interrupted, "interrupted (Ctrl-C, SIGTERM or SIGHUP)", "state is saved: run the same command again", "run the same command again"},
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

// remedy is what to do about an error of a kind that brings no advice.
func (k Kind) remedy() string {
	for _, c := range Codes {
		if c.Kind == k {
			return c.fix
		}
	}
	return ""
}
