package cluster

import (
	"net/http"
	"sync"
	"time"
)

// clock is the API server's, as the Date of its answers tells. A Date has whole
// seconds, so each answer bounds by how much that clock is ahead of ours; what
// all answers allow is kept. Answers that contradict (a clock was set, or another
// API server answers) start anew with the last.
type clock struct {
	now func() time.Time // ours

	mu     sync.Mutex
	known  bool
	lo, hi time.Duration // bounds of how far the API server's clock is ahead
	last   time.Time     // what Now said; it never goes back
}

func newClock() *clock { return &clock{now: time.Now} }

// Now is the API server's time; ours, as long as no answer has come.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now().Add(c.lo + (c.hi-c.lo)/2)
	if now.Before(c.last) {
		return c.last
	}
	c.last = now
	return now
}

// learn takes the Date of an answer to a request that was sent and answered then.
func (c *clock) learn(date, sent, answered time.Time) {
	lo, hi := date.Sub(answered), date.Add(time.Second).Sub(sent)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known || lo > c.hi || hi < c.lo {
		c.known, c.lo, c.hi = true, lo, hi
		return
	}
	c.lo, c.hi = max(c.lo, lo), min(c.hi, hi)
}

// wrap learns from every answer that passes.
func (c *clock) wrap(next http.RoundTripper) http.RoundTripper { return &ticking{c, next} }

type ticking struct {
	clock *clock
	next  http.RoundTripper
}

// RoundTrip passes a request on.
func (t *ticking) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := t.clock.now()
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return resp, err
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		t.clock.learn(date, sent, t.clock.now())
	}
	return resp, nil
}
