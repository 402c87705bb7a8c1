package cli

import (
	"sync"
	"time"
)

// terminal remembers how to give the terminal back while a live view has it.
type terminal struct {
	mu   sync.Mutex
	back func() // nil: nobody has it
}

// taken notes how to give it back.
func (t *terminal) taken(back func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.back = back
}

// patience is how long a terminal that takes nothing (Ctrl-S) may hold up the end.
const patience = time.Second

// giveBack may be called again and when nothing was taken.
func (t *terminal) giveBack() {
	t.mu.Lock()
	back := t.back
	t.back = nil
	t.mu.Unlock()
	if back == nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		back()
	}()
	select {
	case <-done:
	case <-time.After(patience):
	}
}
