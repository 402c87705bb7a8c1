package cli

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/view"
	"github.com/droverhq/drover/internal/view/jsonl"
	"github.com/droverhq/drover/internal/view/tui"
	"github.com/droverhq/drover/plan"
)

// reader follows the events of a run.
type reader interface {
	Read(event.Event)
	Close() error
}

// screen shows one run: as JSON lines, live on a terminal, or as plain lines.
// The JSON readers see every event; the live view opens once the plan is
// approved, so that it does not write over the question.
type screen struct {
	env      Env
	json     bool
	log      *event.Log
	readers  []reader        // that see every event as it comes
	views    []reader        // that the curtain hid
	curtain  view.Curtain    // holds events until the live view is there
	findings []event.Finding // before that: shown with the plan
	started  bool
}

// newScreen begins a run; a log that is named gets every event.
func newScreen(env Env, json bool, log string) (*screen, error) {
	s := &screen{env: env, json: json}
	if log != "" {
		file, err := openLog(log)
		if err != nil {
			return nil, err
		}
		s.readers = append(s.readers, file)
	}
	if json {
		s.readers = append(s.readers, jsonl.New(env.Stdout))
	}
	s.log = event.NewLog(time.Now, s.read)
	return s, nil
}

func (s *screen) read(e event.Event) {
	if f, ok := e.Fact.(event.Finding); ok && !s.started {
		s.findings = append(s.findings, f)
	} else {
		s.curtain.Read(e)
	}
	for _, r := range s.readers {
		r.Read(e)
	}
}

// plan shows what is about to happen; with --json the event "planned" does.
func (s *screen) plan(p plan.Plan, write func(io.Writer, plan.Plan) error) error {
	if s.json {
		return nil
	}
	if err := s.planned(p, write); err != nil {
		return err
	}
	_, err := fmt.Fprintln(s.env.Stdout) // room for the question
	return err
}

// planned writes a plan, long or short, and what was noticed about it.
func (s *screen) planned(p plan.Plan, write func(io.Writer, plan.Plan) error) error {
	if err := write(s.env.Stdout, p); err != nil {
		return err
	}
	return printFindings(s.env.Stdout, s.noticed())
}

// noticed is what was noticed, the gravest first.
func (s *screen) noticed() []event.Finding { return event.GravestFirst(s.findings) }

// printFindings writes object, consequence and remedy of each.
func printFindings(w io.Writer, findings []event.Finding) error {
	for _, f := range findings {
		if _, err := fmt.Fprintf(w, "%s: %s: %s\n", f.Severity, f.Object, f.Effect); err != nil {
			return err
		}
		if f.Fix == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "  fix: %s\n", f.Fix); err != nil {
			return err
		}
	}
	return nil
}

// start opens the view that a person follows.
func (s *screen) start() {
	s.started = true
	if s.json {
		return
	}
	live := tui.Open(s.env.Stdout, s.env.TTY, s.env.Getenv)
	if painted, ok := live.(*tui.View); ok {
		s.env.terminal.taken(painted.Kill)
	}
	s.curtain.Raise(live.Read)
	s.views = append(s.views, live)
}

const nothingToDo = "Nothing to do: the stack is as declared."

// nothing is what there is to say about an empty plan, and what was noticed.
func (s *screen) nothing() error {
	if s.json {
		return nil
	}
	if _, err := fmt.Fprintln(s.env.Stdout, nothingToDo); err != nil {
		return err
	}
	return printFindings(s.env.Stdout, s.noticed())
}

// close ends the readers, and adds what went wrong with them to err.
func (s *screen) close(err error) error {
	for _, r := range append(s.readers, s.views...) {
		err = errors.Join(err, r.Close())
	}
	return err
}
