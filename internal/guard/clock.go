package guard

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/load"
	"github.com/droverhq/drover/internal/sleep"
)

const (
	// beatEvery is how often the clock looks whether Drover still runs.
	beatEvery = 250 * time.Millisecond

	// standstillAfter is the gap between two looks that is no longer the
	// slowness of a busy machine. It is well below probeTimeout: a shorter
	// standstill makes no probe time out.
	standstillAfter = 2 * time.Second

	// wakeTime is how long after a standstill failures are its consequence:
	// links come back, and kept connections have died meanwhile.
	wakeTime = 5 * time.Second
)

// clock notices a standstill of Drover itself: the process was stopped (both
// clocks jump), or the machine slept (the wall clock jumps; on Linux and macOS
// the monotonic clock stands still).
type clock struct {
	events event.Sink
	wall   func() time.Time // tests have their own

	mu       sync.Mutex
	last     time.Time // of the last beat
	lastWall time.Time
	awake    time.Time // end of the last standstill; zero: none
}

func newClock(events event.Sink) *clock { return &clock{events: events, wall: time.Now} }

// run beats until ctx ends.
func (c *clock) run(ctx context.Context) {
	c.beat()
	for sleep.For(ctx, beatEvery) == nil {
		c.beat()
	}
}

func (c *clock) beat() {
	if gap := c.gap(); gap > 0 {
		c.events.Emit(event.Finding{Severity: event.Warning, Object: "guard", Effect: fmt.Sprintf(
			"drover stood still for %s (the machine slept, or the process was stopped): probes of that time, and failures in the %s after it, are not counted",
			gap.Round(100*time.Millisecond), seconds(wakeTime))})
	}
}

// gap is the length of a standstill that ends now; 0: there was none.
func (c *clock) gap() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, wall := time.Now(), c.wall().Round(0) // without monotonic reading
	last, lastWall := c.last, c.lastWall
	c.last, c.lastWall = now, wall
	if last.IsZero() {
		return 0
	}
	gap := max(now.Sub(last), wall.Sub(lastWall))
	if gap < standstillAfter {
		return 0
	}
	c.awake = now
	return gap
}

// excuses reports whether an answer says nothing about the traffic. It may be
// the first to notice that a standstill has just ended.
func (c *clock) excuses(r load.Record) bool {
	c.beat()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.awake.IsZero() {
		return false
	}
	return r.Start.Before(c.awake) || r.Cause != "" && r.Start.Before(c.awake.Add(wakeTime))
}
