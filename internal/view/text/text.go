// Package text writes a run as plain lines, one fact each, for logs, pipes and
// people without a live terminal. It reads events and nothing else.
package text

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/story"
	"github.com/droverhq/drover/internal/view"
	"github.com/droverhq/drover/problem"
)

// View writes lines as events come. Read is the reader for event.NewLog.
type View struct {
	queue *view.Queue
	end   chan struct{}
	done  sync.WaitGroup

	// Owned by the goroutine until done.
	out     io.Writer
	style   Style
	story   story.Story
	said    map[int]waiting  // by line: the last waiting line
	traffic map[string]quiet // by source
	err     error
}

// waiting is what was last said about a line that waits.
type waiting struct {
	what  string // without its clock
	at    time.Time
	pause time.Duration // until it is said again
}

// quiet is the traffic since it was last reported.
type quiet struct {
	at                 time.Time
	requests, failures int
	worst              time.Duration // p99 of a second
}

const (
	patience = time.Second      // a wait shorter than this is not worth a line
	reminder = 10 * time.Second // how often healthy traffic, and an unchanged wait at first, gets a line
	seldom   = time.Minute      // how often a long wait does: the pause doubles up to this
)

// New starts writing to out.
func New(out io.Writer, style Style) *View {
	v := &View{
		queue: view.NewQueue(), end: make(chan struct{}),
		out: out, style: style, said: map[int]waiting{}, traffic: map[string]quiet{},
	}
	v.done.Go(v.run)
	return v
}

// Read takes an event and never waits.
func (v *View) Read(e event.Event) { v.queue.Put(e) }

// Close writes what is left and reports the first error.
func (v *View) Close() error {
	close(v.end)
	v.done.Wait()
	return v.err
}

func (v *View) run() {
	defer problem.Recover(&v.err) // a screen that breaks must not end the run
	tick := time.NewTicker(patience)
	defer tick.Stop()
	for {
		select {
		case <-v.queue.Wake():
			v.tell()
		case now := <-tick.C:
			v.tell()
			v.remind(now)
		case <-v.end:
			v.tell()
			return
		}
	}
}

func (v *View) tell() {
	for _, e := range v.queue.Take() {
		v.story.Add(e)
		v.fact(e)
	}
}

// fact writes the line of one event; facts that are told later, together, have none.
func (v *View) fact(e event.Event) {
	s := v.style
	switch f := e.Fact.(type) {
	case event.RunStarted:
		clear(v.said)
		v.line(e.At, s.bold(view.Title(f)))
	case event.TurnedBack:
		clear(v.said)
		v.line(e.At, s.bad(s.cross()+" the change is taken back: "+f.Why))
	case event.Planned:
		v.wayBack(e.At)
	case event.StepStarted:
		if l := v.story.Line(f.Step); l.Started.Equal(e.At) && l.Done == 0 {
			v.line(e.At, s.start()+" "+title(l))
		}
	case event.StepFinished:
		v.stepFinished(e.At, f)
	case event.Finding:
		v.finding(e.At, f)
	case event.PhaseChanged:
		v.line(e.At, s.start()+" hand over "+f.Group+": "+s.bold(string(f.To)))
	case event.WorkloadChanged:
		v.workload(e.At, f)
	case event.NodeChanged:
		v.line(e.At, "  node "+f.Node+" "+string(f.Change))
	case event.PodMoved:
		v.line(e.At, join("  pod "+f.Namespace+"/"+f.Pod+" "+string(f.Change), brackets(f.Node), s.dim(f.Detail)))
	case event.TargetChanged:
		v.line(e.At, "  target "+f.Instance+" "+string(f.State)+" at "+f.Balancer)
	case event.LoadWindow:
		v.window(e.At, f)
	case event.GuardBreached:
		v.line(e.At, s.bad(s.cross()+" guard: "+f.Reason)+" ("+f.URL+")")
	case event.RunFinished:
		v.runFinished(e.At, f)
	}
}

// wayBack lists what is about to happen if nobody has been shown it.
func (v *View) wayBack(at time.Time) {
	if v.story.Turned == nil {
		return
	}
	for i := range v.story.Lines {
		l := &v.story.Lines[i]
		v.line(at, join("  "+title(l), v.style.dim(l.Why)))
	}
}

func (v *View) stepFinished(at time.Time, f event.StepFinished) {
	l := v.story.Line(f.Step)
	switch {
	case l == nil:
	case f.Error != "":
		v.line(at, v.style.bad(v.style.cross()+" "+title(l)+"  "+view.Took(f.Took)+": "+f.Error))
	case l.State == story.Done:
		v.line(at, v.style.good(v.style.check())+" "+title(l)+"  "+v.style.dim(view.Took(l.Ended.Sub(l.Started))))
	}
}

func (v *View) finding(at time.Time, f event.Finding) {
	word := string(f.Severity)
	if f.Severity == event.Blocker {
		word = v.style.bad(word)
	}
	v.line(at, "  "+word+" "+f.Object+": "+f.Effect)
	if f.Fix != "" {
		v.line(at, "    fix: "+f.Fix)
	}
}

// workload tells how a workload fares; one that is parked stands out.
func (v *View) workload(at time.Time, f event.WorkloadChanged) {
	word := string(f.To)
	if f.To == event.WorkloadParked {
		word = v.style.bad(word)
	}
	v.line(at, join("  "+f.Workload+" "+word, v.style.dim(f.Why)))
}

func (v *View) runFinished(at time.Time, f event.RunFinished) {
	for _, w := range v.story.Parked() {
		v.line(at, v.style.bad(v.style.cross()+" parked "+w.Name)+": "+w.Now().Detail)
	}
	if f.Error != "" {
		v.line(at, v.style.bad(v.style.cross()+" "+v.story.Run.Command+" failed after "+view.Took(f.Took)+": "+f.Error))
		return
	}
	v.line(at, v.style.good(v.style.check())+" "+v.story.Run.Command+" done in "+view.Took(f.Took))
}

// window reports a second with failures at once, and healthy ones together.
func (v *View) window(at time.Time, f event.LoadWindow) {
	q, known := v.traffic[f.Source]
	if !known {
		q.at = at
	}
	q.requests += f.Requests
	q.failures += f.Failures
	q.worst = max(q.worst, f.P99)
	v.traffic[f.Source] = q
	if f.Failures == 0 && at.Sub(q.at) < reminder {
		return
	}
	text := fmt.Sprintf("  %s: %s requests, %s failed, p99 up to %s", f.Source, view.Count(q.requests), view.Count(q.failures), view.Latency(q.worst))
	if q.failures > 0 {
		text = v.style.bad(text)
	}
	v.line(at, text)
	v.traffic[f.Source] = quiet{at: at}
}

// remind says what running lines wait for and since when: when that changed, and
// then at growing intervals. A line whose wait changes all the time is never
// silent for longer than reminder either.
func (v *View) remind(now time.Time) {
	for i := range v.story.Lines {
		l := &v.story.Lines[i]
		if l.State != story.Running || l.Waiting == "" {
			continue
		}
		last, said := v.said[i]
		if !said {
			last.at = l.Started
		}
		what, pause := story.Untimed(l.Waiting), reminder
		switch {
		case what != last.what && now.Sub(l.Since) < patience && now.Sub(last.at) < reminder:
			continue
		case what == last.what && now.Sub(last.at) < last.pause:
			continue
		case what == last.what:
			pause = min(2*last.pause, seldom)
		}
		v.said[i] = waiting{what, now, pause}
		v.line(now, "  "+title(l)+": "+l.Waiting+" "+v.style.dim("("+view.Took(now.Sub(l.Since))+")"))
	}
}

func (v *View) line(at time.Time, text string) {
	if v.err != nil {
		return
	}
	since := view.Took(at.Sub(v.story.Started))
	_, v.err = fmt.Fprintf(v.out, "%s %s\n", v.style.dim(fmt.Sprintf("%7s", since)), text)
}

func title(l *story.Line) string { return string(l.Op) + " " + l.Name }

func brackets(s string) string {
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}

func join(parts ...string) string {
	var some []string
	for _, p := range parts {
		if p != "" {
			some = append(some, p)
		}
	}
	return strings.Join(some, " ")
}
