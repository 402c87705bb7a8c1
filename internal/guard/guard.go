// Package guard probes the traffic while the engine moves workloads, and says
// when the move must stop. Probes go out at a steady rate and their latency
// counts from when they were due (package load), so that a stall of the target
// cannot hide itself. It implements the engine's Guard.
//
// Before anything is changed, Start sends a trial probe of each guard: one
// that cannot resolve the name, or gets no expected answer while nothing is
// being moved, has nothing to judge a move by. That is the guard's own
// inability and an error; a failure after Start is suffering traffic.
package guard

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/load"
	"github.com/droverhq/drover/problem"
)

// Guard starts probes.
type Guard struct{}

var _ engine.Guard = Guard{}

const (
	// trials and trialPause let a name that was made a moment ago appear.
	trials     = 3
	trialPause = time.Second

	// probeTimeout is when a probe without an answer has failed. A user is gone
	// by then; load's 20 s would tell of an outage 20 s late.
	probeTimeout = 5 * time.Second

	// freshEvery makes every second probe open a connection of its own: old
	// connections tell whether draining works, new ones whether routing does.
	freshEvery = 2

	defaultRate = 50 // probes/s, if the guard names none; as the stack file's
)

// Start tries each guard once and then lets it probe until the Watch is
// stopped or ctx ends.
func (Guard) Start(ctx context.Context, guards []graph.Guard, events event.Sink) (engine.Watch, error) {
	watchers := make([]*watcher, len(guards))
	for i, g := range guards {
		w, err := newWatcher(g, source(i, len(guards)), events)
		if err == nil {
			err = w.try(ctx)
		}
		if err != nil {
			return nil, err
		}
		watchers[i] = w
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &shift{watchers: watchers, end: cancel}
	for _, w := range watchers {
		s.running.Go(func() { w.probe(ctx) })
	}
	return s, nil
}

// source is what a guard's events are called.
func source(i, of int) string {
	if of == 1 {
		return "guard"
	}
	return fmt.Sprintf("guard %d", i+1)
}

// shift is the watch over one plan.
type shift struct {
	watchers []*watcher
	end      context.CancelFunc
	running  sync.WaitGroup
}

// Breach is the first guard's that was breached.
func (s *shift) Breach() (reason string, yes bool) {
	for _, w := range s.watchers {
		if reason := w.breached(); reason != "" {
			return reason, true
		}
	}
	return "", false
}

// Stop sends no more probes and waits for those under way.
func (s *shift) Stop() {
	s.end()
	s.running.Wait()
}

// watcher is one guard.
type watcher struct {
	guard   graph.Guard
	options load.Options
	limit   time.Duration // of p99; 0: not watched
	events  event.Sink

	mu     sync.Mutex
	failed int
	recent *recent
	reason string // why it is breached; empty: it is not
}

func newWatcher(g graph.Guard, source string, events event.Sink) (*watcher, error) {
	w := &watcher{guard: g, events: events, recent: newRecent()}
	w.options = load.Options{
		URL: g.URL, Host: g.Host, Rate: g.Rate, Timeout: probeTimeout, FreshEvery: freshEvery, Source: source,
	}
	if w.options.Rate <= 0 {
		w.options.Rate = defaultRate
	}
	var err error
	if g.P99 != "" {
		if w.limit, err = time.ParseDuration(g.P99); err != nil {
			return nil, w.problem(problem.Usage, err, `write it as in p99: 500ms`)
		}
	}
	if g.Expect != "" {
		if w.options.ExpectBody, err = regexp.Compile(g.Expect); err != nil {
			return nil, w.problem(problem.Usage, err, "see https://pkg.go.dev/regexp/syntax")
		}
	}
	w.options.Observe = w.observe
	return w, nil
}

func (w *watcher) problem(kind problem.Kind, err error, fix string) error {
	return &problem.Error{Kind: kind, At: w.guard.At, Op: "guard " + w.guard.URL, Err: err, Fix: fix}
}

// try sends single probes until one is answered as expected.
func (w *watcher) try(ctx context.Context) error {
	var cause load.Cause
	one := w.options
	one.Rate, one.Requests, one.Connections, one.Observe = 0, 1, 1, nil
	for n := range trials {
		if n > 0 && !pause(ctx, trialPause) {
			return ctx.Err()
		}
		r, err := load.Run(ctx, one, event.Discard)
		if err != nil {
			return err
		}
		if r.Sent == 0 {
			return ctx.Err()
		}
		if r.Failed == 0 {
			return nil
		}
		cause = r.Failures[0].Cause
	}
	return w.unable(cause)
}

// unable says what to do about a guard that fails before the move begins.
func (w *watcher) unable(cause load.Cause) error {
	if cause == load.DNS || cause == load.ConnectTimeout || cause == load.ConnectFailed {
		return w.problem(problem.Outside, fmt.Errorf("%s: its target cannot be reached from here, so it cannot watch the move", cause),
			"run drover where the URL can be reached; for the sandbox: drover sandbox exec -- drover up")
	}
	return w.problem(problem.Refused, fmt.Errorf("%s, before anything was moved", cause),
		"make the application answer as the guard expects (status 200, and its expect pattern), or correct the guard in the stack file")
}

// probe runs until ctx ends. Its result is in the events and the breach.
func (w *watcher) probe(ctx context.Context) {
	_, err := load.Run(ctx, w.options, sink(w.window))
	if err != nil {
		w.breach(fmt.Sprintf("the guard itself failed: %v", err))
	}
}

// sink lets a watcher hear its own windows.
type sink func(event.LoadWindow)

func (s sink) Emit(f event.Fact) {
	if w, ok := f.(event.LoadWindow); ok {
		s(w)
	}
}

// observe judges each probe as it ends.
func (w *watcher) observe(r load.Record) {
	w.mu.Lock()
	w.recent.add(r.Latency)
	if r.Cause != "" {
		w.failed++
	}
	failed := w.failed
	w.mu.Unlock()
	if r.Cause != "" && failed > w.guard.MaxErrors {
		w.breach(fmt.Sprintf("%d failed %s (%d allowed), the last at %s: %s",
			failed, plural(failed, "request", "requests"), w.guard.MaxErrors, r.Start.UTC().Format("15:04:05.000Z"), r.Cause))
	}
}

// window passes a second on, and judges the latency of the recent ones.
func (w *watcher) window(f event.LoadWindow) {
	w.events.Emit(f)
	w.mu.Lock()
	p99, enough := w.recent.turn()
	w.mu.Unlock()
	if w.limit > 0 && enough && p99 > w.limit {
		w.breach(fmt.Sprintf("p99 of the last %d s is %s, over %s", window, p99.Round(time.Millisecond), w.limit))
	}
}

// breach keeps the first reason and tells it once.
func (w *watcher) breach(reason string) {
	w.mu.Lock()
	first := w.reason == ""
	if first {
		w.reason = reason
	}
	w.mu.Unlock()
	if first {
		w.events.Emit(event.GuardBreached{URL: w.guard.URL, Reason: reason})
	}
}

func (w *watcher) breached() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reason
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// pause is false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
