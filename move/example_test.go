package move_test

import (
	"context"
	"fmt"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/move"
)

// Nodes are named as a person knows them.
func ExampleParseSet() {
	for _, text := range []string{"nodegroup/web", "asg/web-20240101", "node/ip-10-0-1-5"} {
		set, err := move.ParseSet(text)
		fmt.Println(set, err)
	}
	// Output:
	// nodegroup/web <nil>
	// asg/web-20240101 <nil>
	// node/ip-10-0-1-5 <nil>
}

// A move is looked at first, and carried out if nothing blocks it.
func ExampleRun() {
	run := func(ctx context.Context, from move.Set, events event.Sink) error {
		return move.Run(ctx, move.Options{
			From: []move.Set{from}, Then: move.Delete, Events: events,
			Guards: []move.Guard{{URL: "https://shop.example.com/healthz"}},
			Approve: func(r move.Report) error {
				if blockers := r.Blockers(); len(blockers) > 0 {
					return fmt.Errorf("%d findings block it", len(blockers))
				}
				return nil
			},
		})
	}
	_ = run // it needs a cluster
}
