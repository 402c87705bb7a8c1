//go:build torture

// Package torture moves workloads that are hard to move, each in a sandbox of
// its own and under steady traffic: once by Drover, once by the way of the
// tutorials (cordon, drain, delete). What became of the traffic, and what was
// left behind, is written to results/ and from there to docs/torture.md.
//
//	scenarios_test.go  what is tried: data, with a folder of manifests each
//	run_test.go        one run: sandbox, stack, traffic, move, disturbance, account
//	ways_test.go       the ways to move
//	kinds_test.go      every kind of load balancer beside each other
//	moments_test.go    when a disturbance comes, and what it does
//	stack_test.go      a sandbox with a stack in it
//	traffic_test.go    the load and its account
//	leftovers_test.go  what a move must not leave behind
//	report_test.go     docs/torture.md
package torture

import (
	"context"
	"os"
	"testing"
)

// bin is the folder of the binaries under test.
func bin() string { return os.Getenv("DROVER_BIN") }

// kubectl is the client of the tutorial's way.
func kubectl() string {
	if path := os.Getenv("KUBECTL"); path != "" {
		return path
	}
	return "kubectl"
}

// TestTorture runs every scenario by both ways. Only Drover is held to what it
// promises; the other way's figures stand beside it. -run 'Torture/^NAME$' runs
// one, -run 'Torture/^NAME$/drover' one of its ways.
func TestTorture(t *testing.T) {
	if bin() == "" {
		t.Fatal("DROVER_BIN is not set: run `make torture`")
	}
	for _, s := range scenarios {
		t.Run(s.Name, func(t *testing.T) {
			for _, way := range s.ways() {
				t.Run(way.name, func(t *testing.T) {
					r := torture(t, s, way)
					save(t, r)
					if way.name == byDrover.name {
						for _, broken := range s.judge(r) {
							t.Error(broken)
						}
					}
				})
			}
		})
	}
	report(t)
}

// background is the context of what must be done however a run ends.
func background(t *testing.T) context.Context { return context.WithoutCancel(t.Context()) }
