package supervisor

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"
)

// A component that ends is started again after minPause, doubled each time up
// to maxPause. One that ran for settled starts over with minPause.
const (
	minPause = 200 * time.Millisecond
	maxPause = 5 * time.Second
	settled  = 20 * time.Second
)

// stopGrace is how long a component may take between SIGTERM and SIGKILL.
const stopGrace = 3 * time.Second

// component is a process that runs until it is stopped, and again whenever it ends.
type component struct {
	name   string
	log    string                             // file that takes its output
	start  func(out *os.File) (*child, error) // starts the process once
	ending func()                             // called before the process is told to end for good; may be nil
	grace  time.Duration                      // between SIGTERM and SIGKILL; 0: SIGKILL at once
	lease  time.Duration                      // stood still for longer, it does not go on but is started anew; 0: it goes on

	reaper *reaper
	cancel context.CancelFunc
	done   chan struct{} // closed once it is stopped

	mu    sync.Mutex
	state State
	gate  *gate
}

// gate is what a component passes to be started. Whoever holds it shuts the
// gate; the next one is open.
type gate struct {
	shut chan struct{} // closed: end the process
	gone chan struct{} // closed: it has ended
	open chan struct{} // closed: start it again
}

// State is what a component is doing.
type State struct {
	State    string    `json:"state"` // starting, running, waiting (to be started again), held (by a fault), stopped
	PID      int       `json:"pid,omitempty"`
	Since    time.Time `json:"since"`
	Restarts int       `json:"restarts"`
	Ended    string    `json:"ended,omitempty"` // how it ended the last time
}

// The states of a component.
const (
	starting = "starting"
	running  = "running"
	waiting  = "waiting"
	held     = "held"
	stopped  = "stopped"
)

// run keeps the component running until stop.
func (c *component) run() {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel, c.done = cancel, make(chan struct{})
	c.set(starting, 0, "")
	go func() {
		defer close(c.done)
		c.keep(ctx)
		c.set(stopped, 0, "")
	}()
}

// stop ends the component and returns when it is gone.
func (c *component) stop() {
	c.cancel()
	<-c.done
}

// hold ends the process and returns when it is gone. It is started again once
// release is called.
func (c *component) hold() {
	g := c.passage()
	close(g.shut)
	select {
	case <-g.gone:
	case <-c.done:
	}
}

// release undoes hold.
func (c *component) release() {
	c.mu.Lock()
	g := c.gate
	c.gate = nil
	c.mu.Unlock()
	close(g.open)
}

func (c *component) passage() *gate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gate == nil {
		c.gate = &gate{make(chan struct{}), make(chan struct{}), make(chan struct{})}
	}
	return c.gate
}

func (c *component) keep(ctx context.Context) {
	pause := minPause
	for ctx.Err() == nil {
		begin := time.Now()
		g := c.passage()
		how := c.once(ctx, g)
		if ctx.Err() != nil {
			return
		}
		if closed(g.shut) {
			c.set(held, 0, how)
			if !closed(g.gone) { // a component may be stopped and run again while it is held
				close(g.gone)
			}
			select {
			case <-ctx.Done():
			case <-g.open:
			}
			continue
		}
		if time.Since(begin) >= settled {
			pause = minPause
		}
		slog.Warn("component ended", "component", c.name, "how", how, "again in", pause)
		c.set(waiting, 0, how)
		select {
		case <-ctx.Done():
		case <-g.shut:
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// once runs the component until it ends, and says how it did.
func (c *component) once(ctx context.Context, g *gate) string {
	if closed(g.shut) {
		return ""
	}
	out, err := os.OpenFile(c.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err.Error()
	}
	child, err := c.start(out)
	_ = out.Close() // the child has its own
	if err != nil {
		return err.Error()
	}
	c.set(running, child.pid, "")
	select {
	case <-child.done:
	case <-ctx.Done():
		c.end(child)
	case <-g.shut:
		c.end(child)
	}
	return child.how()
}

func (c *component) end(child *child) {
	if c.ending != nil {
		c.ending()
	}
	if c.grace > 0 {
		c.reaper.signal(child, syscall.SIGTERM)
		select {
		case <-child.done:
			return
		case <-time.After(c.grace):
		}
	}
	c.reaper.signal(child, syscall.SIGKILL)
	<-child.done
}

func (c *component) set(state string, pid int, ended string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == waiting {
		c.state.Restarts++
		c.state.Ended = ended
	}
	c.state.State, c.state.PID, c.state.Since = state, pid, time.Now().UTC()
}

func (c *component) now() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}
