// Package clock is AWS's time in the sandbox: this machine's, moved forward to
// order. Clients live by the machine's clock, so a time that one has written
// down counts as the time that AWS had at that moment: what was signed before
// the clock was moved is old after it, and what is signed now is fresh.
package clock

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"
)

// Clock tells AWS's time.
type Clock struct {
	path    string
	machine func() time.Time

	mu    sync.Mutex
	jumps []jump // the oldest first
}

// jump is one order to move forward.
type jump struct {
	At time.Time     `json:"at"` // by the machine's clock, in whole seconds as signatures have them
	By time.Duration `json:"by"` // in nanoseconds
}

// Open goes on with the jumps that are kept in a file: AWS's time never goes back.
func Open(path string, machine func() time.Time) (*Clock, error) {
	c := &Clock{path: path, machine: machine}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &c.jumps)
	}
	if err != nil {
		return nil, fmt.Errorf("read AWS's time from %s: %w", path, err)
	}
	return c, nil
}

// Now is AWS's time.
func (c *Clock) Now() time.Time { return c.At(c.machine()) }

// At is the time that AWS had when the machine's clock showed t.
func (c *Clock) At(t time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, j := range c.jumps {
		if !t.Before(j.At) {
			t = t.Add(j.By)
		}
	}
	return t
}

// Ahead is how far AWS's time is before the machine's.
func (c *Clock) Ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	var sum time.Duration
	for _, j := range c.jumps {
		sum += j.By
	}
	return sum
}

// Forward moves AWS's time.
func (c *Clock) Forward(by time.Duration) error {
	if by <= 0 {
		return errors.New("AWS's time moves forward only")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	jumps := append(slices.Clone(c.jumps), jump{At: c.machine().Truncate(time.Second), By: by})
	data, err := json.Marshal(jumps)
	if err == nil {
		err = os.WriteFile(c.path+".new", data, 0o600)
	}
	if err == nil {
		err = os.Rename(c.path+".new", c.path)
	}
	if err != nil {
		return fmt.Errorf("keep AWS's time: %w", err)
	}
	c.jumps = jumps
	return nil
}
