// Package guard watches the traffic while the engine moves workloads, and says
// when the move must stop. It implements the engine's Guard.
//
// The story of a guard. Before anything is moved it is tried: one that cannot
// reach its target, or gets no expected answer while nothing is being moved,
// has nothing to judge a move by (Check, Start). Then it watches for a while:
// that is its baseline, what traffic was like before; a run that goes on with a
// move has it from the one before (baseline.go). From then on every answer
// is judged at once, by the failures and the latency of a window and of the
// whole move, against the limits of the stack file and against the baseline
// (judge.go). Probes go out at a steady rate and their latency counts from when
// they were due (package load), so that a stall of the target cannot hide
// itself; a request that is cut on a kept connection is counted. A standstill
// of Drover itself is no failed traffic (clock.go).
//
// There are two kinds of watcher: a prober sends requests (prober.go), an
// inquirer asks Prometheus (inquirer.go). Whatever else knows how traffic fares
// becomes a third.
package guard

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/sleep"
	"github.com/droverhq/drover/problem"
)

// Guard starts watches. The zero value is ready.
type Guard struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error) // nil: TCP
}

var _ engine.Guard = Guard{}

const (
	// baselineLeast and baselineMost bound how long traffic is watched before
	// the first move. In between it ends with enough probes (see enough).
	baselineLeast = 5 * time.Second
	baselineMost  = time.Minute

	// baselineLook is the pause between two looks at whether it is enough.
	baselineLook = time.Second
)

// watcher is one guard of the stack file.
type watcher interface {
	// try asks whether the watcher can judge at all: nothing is moved yet.
	try(ctx context.Context) error
	// run watches until ctx ends.
	run(ctx context.Context)
	// known reports whether the baseline has enough to be compared with.
	known() bool
	// settle ends the baseline: from now on answers are judged.
	settle(took time.Duration)
	// resume has a baseline already: from now on answers are judged by it.
	resume(before kept)
	// kept is the baseline, to be kept; identity is whose it is.
	keep() kept
	identity() string
	alarmed() (reason string, answer graph.OnBreach)
	tell(severity event.Severity, effect string)
}

// Start tries each guard, takes its baseline, unless an earlier run of the same
// move has one, and then lets it watch until the Watch is stopped or ctx ends.
func (g Guard) Start(ctx context.Context, guards []graph.Guard, before engine.Baseline, events event.Sink) (engine.Watch, error) {
	clock := newClock(events)
	watchers, err := g.watchers(guards, clock, events)
	if err != nil {
		return nil, err
	}
	if err := tryAll(ctx, watchers).Err(); err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(ctx)
	s := &shift{watchers: watchers, end: cancel}
	s.running.Go(func() { clock.run(running) })
	for _, w := range watchers {
		s.running.Go(func() { w.run(running) })
	}
	if err := s.baseline(ctx, before); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// Check tries each guard now, while nothing is moved, and reports those that
// could not watch a move, each with its remedy.
func (g Guard) Check(ctx context.Context, guards []graph.Guard) problem.List {
	watchers, err := g.watchers(guards, newClock(event.Discard), event.Discard)
	if err != nil {
		return problem.List{asProblem(err)}
	}
	return tryAll(ctx, watchers)
}

func (g Guard) watchers(guards []graph.Guard, clock *clock, events event.Sink) ([]watcher, error) {
	watchers := make([]watcher, len(guards))
	for i, guard := range guards {
		var err error
		a := &alarm{guard: guard, events: events}
		if guard.Query != "" {
			watchers[i], err = newInquirer(a)
		} else {
			watchers[i], err = newProber(a, source(i, len(guards)), clock, g.dial)
		}
		if err != nil {
			return nil, err
		}
	}
	return watchers, nil
}

// source is what a guard's events are called.
func source(i, of int) string {
	if of == 1 {
		return "guard"
	}
	return fmt.Sprintf("guard %d", i+1)
}

// tryAll tries all of them side by side. One that stops nothing refuses nothing.
func tryAll(ctx context.Context, watchers []watcher) problem.List {
	errs := make([]error, len(watchers))
	var trials sync.WaitGroup
	for i, w := range watchers {
		trials.Go(func() { errs[i] = w.try(ctx) })
	}
	trials.Wait()
	var problems problem.List
	for i, err := range errs {
		if err == nil {
			continue
		}
		p := asProblem(err)
		if _, answer := watchers[i].alarmed(); answer == graph.Ignore && p.Kind != problem.Usage {
			watchers[i].tell(event.Warning, p.Err.Error()+ignored)
			continue
		}
		problems = append(problems, p)
	}
	return problems
}

// shift is the watch over one plan.
type shift struct {
	watchers []watcher
	end      context.CancelFunc
	running  sync.WaitGroup
}

var _ engine.Watch = (*shift)(nil)

// baseline waits until every watcher knows what traffic is like.
func (s *shift) baseline(ctx context.Context, before engine.Baseline) error {
	if all, fresh := keptBy(s.watchers, before, time.Now()); fresh {
		for i, w := range s.watchers {
			w.resume(all[i])
		}
		return nil
	}
	began := time.Now()
	for sleep.For(ctx, baselineLook) == nil {
		took := time.Since(began)
		if took < baselineLeast || took < baselineMost && !s.known() {
			continue
		}
		for _, w := range s.watchers {
			w.settle(took)
		}
		return nil
	}
	return ctx.Err()
}

func (s *shift) known() bool {
	for _, w := range s.watchers {
		if !w.known() {
			return false
		}
	}
	return true
}

// Breach is the first guard's that was breached and does not ignore it.
func (s *shift) Breach() (reason string, yes bool) {
	reason, answer := s.breach()
	return reason, reason != "" && answer != graph.Ignore
}

// OnBreach is what the breached guard asks for: graph.Stop or graph.Return.
func (s *shift) OnBreach() graph.OnBreach {
	_, answer := s.breach()
	return answer
}

func (s *shift) breach() (reason string, answer graph.OnBreach) {
	for _, w := range s.watchers {
		if reason, answer := w.alarmed(); reason != "" && answer != graph.Ignore {
			return reason, answer
		}
	}
	return "", graph.Stop
}

// Stop ends the watch: no more probes are sent, those under way are waited for.
func (s *shift) Stop() {
	s.end()
	s.running.Wait()
}
