package drover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/move"
	"github.com/droverhq/drover/problem"
)

// teller writes to Pulumi's log. The log of an inline program of the Automation
// API is closed when hooks before a delete run: then to aside.
type teller struct {
	log   pulumi.Log
	aside io.Writer
}

func (t teller) info(format string, args ...any) { t.say(t.log.Info, format, args...) }

func (t teller) warn(format string, args ...any) { t.say(t.log.Warn, format, args...) }

func (t teller) say(log func(string, *pulumi.LogArgs) error, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if log(text, nil) != nil {
		_, _ = fmt.Fprintln(t.aside, text)
	}
}

// passing is a line that the next one takes the place of. One that cannot be
// logged is not missed.
func (t teller) passing(format string, args ...any) {
	_ = t.log.Info(fmt.Sprintf(format, args...), &pulumi.LogArgs{Ephemeral: true})
}

// report tells what a hand-over would do, and what it would meet. Blockers are
// the error that the caller makes of the first; the others are told here.
func (t teller) report(k key, r move.Report) {
	moving := 0
	for _, p := range r.Pods {
		if p.Moves() {
			moving++
		}
	}
	t.info("hand over %s: nodes %d, pods %d, load balancers %d, about %s", k, len(r.Nodes), moving, r.Balancers, r.Takes)
	for _, f := range r.Findings {
		t.finding(f)
	}
}

func (t teller) finding(f event.Finding) {
	say := t.warn
	if f.Severity == event.Note {
		say = t.info
	}
	fix := ""
	if f.Fix != "" {
		fix = "\n  fix: " + f.Fix
	}
	say("%s: %s: %s%s", f.Severity, f.Object, f.Effect, fix)
}

// waiting tells what a hand-over waits for, once for each time that it changes.
func (t teller) waiting() func(string) {
	last := ""
	return func(what string) {
		if what != last {
			t.passing("waiting: %s", what)
		}
		last = what
	}
}

// events tells of a hand-over's steps, and hands every fact on.
func (t teller) events(also event.Sink) event.Sink {
	waiting := t.waiting()
	return event.NewLog(time.Now, func(e event.Event) {
		t.fact(e.Fact, waiting)
		if also != nil {
			also.Emit(e.Fact)
		}
	})
}

func (t teller) fact(f event.Fact, waiting func(string)) {
	switch f := f.(type) {
	case event.Progress:
		waiting(f.Waiting)
	case event.PhaseChanged:
		t.info("%s: %s", f.Group, f.To)
	case event.WorkloadChanged:
		if f.Why != "" {
			t.info("%s: %s (%s)", f.Workload, f.To, f.Why)
			return
		}
		t.passing("%s: %s", f.Workload, f.To)
	case event.NodeChanged:
		t.info("%s: %s", f.Node, f.Change)
	case event.GuardBreached:
		t.warn("%s: %s", f.URL, f.Reason)
	}
}

// told is an error as Pulumi can show it: as one text, with what can be done.
func told(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		err = &problem.Error{Kind: problem.Interrupted, Err: err}
	}
	var b strings.Builder
	problem.Print(&b, err)
	return errors.New(strings.TrimPrefix(strings.TrimSpace(b.String()), "error: "))
}
