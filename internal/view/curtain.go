package view

import (
	"sync"

	"github.com/droverhq/drover/event"
)

// Curtain keeps events until there is a view for them: a person must have read
// and approved the plan before a screen paints over it. Read is the reader for
// event.NewLog.
type Curtain struct {
	mu   sync.Mutex
	kept []event.Event
	read func(event.Event) // nil: it is down
}

// Read passes an event on, or keeps it.
func (c *Curtain) Read(e event.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.read == nil {
		c.kept = append(c.kept, e)
		return
	}
	c.read(e)
}

// Raise hands over what was kept, and from now on everything.
func (c *Curtain) Raise(read func(event.Event)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.kept {
		read(e)
	}
	c.kept, c.read = nil, read
}
