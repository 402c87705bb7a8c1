// Package view holds what the readers of the event stream share: a queue that
// keeps a slow screen from holding up the engine, and how numbers are written.
// The views themselves are its subpackages: text (plain lines), tui (a live
// terminal), jsonl (a log) and html (the report). They only read events and
// verdicts. Beside them, dot draws what a stack has.
package view

import (
	"sync"

	"github.com/droverhq/drover/event"
)

// Title is what a run is about: "up shop/dev", or "migrate nodegroup/web" if it is
// of no stack.
func Title(r event.RunStarted) string {
	if r.Project == "" {
		return r.Command + " " + r.Stack
	}
	return r.Command + " " + r.Project + "/" + r.Stack
}

// Queue holds events for a reader that may be slow. It never loses one and
// never makes the writer wait; it grows instead.
type Queue struct {
	mu     sync.Mutex
	events []event.Event
	wake   chan struct{}
}

// NewQueue makes an empty Queue.
func NewQueue() *Queue { return &Queue{wake: make(chan struct{}, 1)} }

// Put adds an event.
func (q *Queue) Put(e event.Event) {
	q.mu.Lock()
	q.events = append(q.events, e)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Wake receives after Put.
func (q *Queue) Wake() <-chan struct{} { return q.wake }

// Take empties the queue.
func (q *Queue) Take() []event.Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	events := q.events
	q.events = nil
	return events
}
