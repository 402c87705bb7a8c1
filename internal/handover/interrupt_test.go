package handover_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/droverhq/drover/internal/handover/world"
)

// Interrupted while a replacement that cannot start is waited for: its pod goes
// back, also one that no Service sends to, and the command ends.
func TestInterruptWhileAReplacementCannotStart(t *testing.T) {
	for _, noService := range []bool{true, false} {
		in(t, 2, apps(&world.App{Name: "gone", Replicas: 1, Surge: 1, NewNeverReady: true, NoService: noService}, web(2)), func(p *play) {
			ctx, cancel := context.WithCancel(context.Background())
			go func() { time.Sleep(3 * time.Minute); cancel() }()
			if err := p.moveIn(ctx); !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v", err)
			}
			if p.took > 5*time.Minute {
				t.Errorf("it ended after %s", p.took)
			}
			p.open()
		})
	}
}
