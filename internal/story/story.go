// Package story is a run as told so far: the stream of events folded into what
// a screen shows. It stands between package event and its readers; the text and
// terminal views and the verdict all read the same Story, so that they cannot
// disagree. It does no I/O and reads no clock.
package story

import (
	"regexp"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/plan"
)

// Story is the run so far. A second run in the same log, and a run that turns
// back, begins with fresh lines and moves; what is known of nodes, pods and targets stays.
type Story struct {
	Run       event.RunStarted
	Started   time.Time // of the run, put off by its wait for an answer; of the first event if the log begins later; zero: none yet
	Lines     []Line    // the plan as the user read it
	Returns   bool      // it takes a change back
	Moves     []Move    // one for each hand-over, in order
	Workloads []Subject // how far each is in its move, in order of their first mention
	Nodes     []Subject // what was done to nodes
	Pods      []Subject
	Targets   []Subject
	Findings  []event.Finding
	Traffic   []Traffic // one for each source
	Breach    *event.GuardBreached
	Turned    *event.TurnedBack  // the change is being taken back; nil: it is not
	Finished  *event.RunFinished // nil: it goes on
}

// Line is one folded line of the plan.
type Line struct {
	Op      plan.Op
	Name    string // nodegroup/web-7c1e04b
	Why     string
	Steps   []int
	State   State
	Started time.Time
	Ended   time.Time
	Done    int       // steps that succeeded
	Waiting string    // what the line waits for now
	Since   time.Time // when that began, however its clock has moved
	Error   string

	waits map[int]wait // by step
}

type wait struct {
	what  string
	since time.Time
}

// State is how far a line is.
type State string

// The states of a line.
const (
	Waiting State = "waiting" // for other lines
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
)

// Move is one hand-over.
type Move struct {
	Step  int
	Group string
	Phase event.Phase
	Since time.Time     // when the phase began
	Seen  []event.Phase // phases so far, in order
}

// Subject is a workload, a node, a pod or a load balancer's target, and what
// happened to it.
type Subject struct {
	Name    string // workload; node; namespace/pod; instance
	On      string // of a pod its node, of a target its load balancer
	Changes []Change
}

// Change is one thing that happened.
type Change struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"` // as in the event: cordoned, evicted, InService …
	Detail string    `json:"detail,omitempty"`
}

// Now is the latest change.
func (s Subject) Now() Change { return s.Changes[len(s.Changes)-1] }

// Traffic is what one source saw.
type Traffic struct {
	Source             string
	Requests, Failures int
	Recent             []event.LoadWindow // the last minute, oldest first
}

// recentWindows is how many windows of a second Traffic keeps.
const recentWindows = 60

// fold makes the lines of a plan as the user read it.
func fold(p plan.Plan) []Line {
	var lines []Line
	for _, l := range plan.Lines(p) {
		lines = append(lines, Line{Op: l.Op, Name: l.What, Why: l.Why, Steps: l.Steps, State: Waiting})
	}
	return lines
}

// Add tells the next event.
func (s *Story) Add(e event.Event) {
	if s.Started.IsZero() {
		s.Started = e.At
	}
	switch f := e.Fact.(type) {
	case event.RunStarted:
		s.Run, s.Started, s.Finished = f, e.At, nil
		s.Lines, s.Moves, s.Breach, s.Turned = nil, nil, nil, nil
	case event.TurnedBack:
		s.Turned, s.Lines, s.Moves = &f, nil, nil
	case event.Planned:
		s.Lines, s.Returns = fold(f.Plan), f.Plan.Returns
		s.Started = s.Started.Add(f.Waited)
	case event.StepStarted:
		s.stepStarted(e.At, f)
	case event.Progress:
		s.progress(e.At, f)
	case event.StepFinished:
		s.stepFinished(e.At, f)
	case event.Finding:
		s.Findings = append(s.Findings, f)
	case event.PhaseChanged:
		s.phaseChanged(e.At, f)
	case event.WorkloadChanged:
		s.Workloads = tell(s.Workloads, f.Workload, "", Change{At: e.At, What: string(f.To), Detail: f.Why})
	case event.NodeChanged:
		s.Nodes = tell(s.Nodes, f.Node, "", Change{At: e.At, What: string(f.Change)})
	case event.PodMoved:
		s.Pods = tell(s.Pods, f.Namespace+"/"+f.Pod, f.Node, Change{At: e.At, What: string(f.Change), Detail: f.Detail})
	case event.TargetChanged:
		s.Targets = tell(s.Targets, f.Instance, f.Balancer, Change{At: e.At, What: string(f.State)})
	case event.LoadWindow:
		s.window(f)
	case event.GuardBreached:
		s.Breach = &f
	case event.RunFinished:
		s.Finished = &f
	}
}

// clock is a duration in a text: 12s, 1m05s, 0.3 s.
var clock = regexp.MustCompile(`\b(\d+(\.\d+)?\s?(ms|s|m|h))+\b`)

// Untimed is what a text says beside its clock: a wait that only counts on is
// the same wait.
func Untimed(text string) string { return clock.ReplaceAllString(text, "") }

// Line is the line that holds a step; nil if the plan does not know it.
func (s *Story) Line(step int) *Line {
	for i := range s.Lines {
		for _, id := range s.Lines[i].Steps {
			if id == step {
				return &s.Lines[i]
			}
		}
	}
	return nil
}

func (s *Story) stepStarted(at time.Time, f event.StepStarted) {
	l := s.Line(f.Step)
	if l == nil { // a log without its plan: show the step as a line of its own
		step := plan.Step{ID: f.Step, Op: f.Op, URN: f.URN, Name: f.Name, Component: f.Component}
		s.Lines = append(s.Lines, fold(plan.Plan{Steps: []plan.Step{step}})...)
		l = &s.Lines[len(s.Lines)-1]
	}
	if l.State == Waiting {
		l.State, l.Started = Running, at
	}
}

func (s *Story) progress(at time.Time, f event.Progress) {
	l := s.Line(f.Step)
	if l == nil {
		return
	}
	if l.waits == nil {
		l.waits = map[int]wait{}
	}
	since := at
	if w, ok := l.waits[f.Step]; ok && Untimed(w.what) == Untimed(f.Waiting) {
		since = w.since
	}
	l.waits[f.Step] = wait{f.Waiting, since}
	l.Waiting, l.Since = f.Waiting, since
}

func (s *Story) stepFinished(at time.Time, f event.StepFinished) {
	l := s.Line(f.Step)
	if l == nil {
		return
	}
	delete(l.waits, f.Step)
	l.Waiting = ""
	for _, id := range l.Steps { // what the line's other steps still wait for
		if w, ok := l.waits[id]; ok {
			l.Waiting, l.Since = w.what, w.since
		}
	}
	switch {
	case f.Error != "":
		l.State, l.Ended, l.Error = Failed, at, f.Error
	default:
		l.Done++
		if l.Done == len(l.Steps) && l.State != Failed {
			l.State, l.Ended = Done, at
		}
	}
}

func (s *Story) phaseChanged(at time.Time, f event.PhaseChanged) {
	for i := range s.Moves {
		m := &s.Moves[i]
		if m.Step == f.Step && m.Group == f.Group {
			m.Phase, m.Since, m.Seen = f.To, at, append(m.Seen, f.To)
			return
		}
	}
	s.Moves = append(s.Moves, Move{Step: f.Step, Group: f.Group, Phase: f.To, Since: at, Seen: []event.Phase{f.To}})
}

// Move is the hand-over of a step; nil if it has not begun.
func (s *Story) Move(step int) *Move {
	for i := range s.Moves {
		if s.Moves[i].Step == step {
			return &s.Moves[i]
		}
	}
	return nil
}

func (s *Story) window(w event.LoadWindow) {
	for i := range s.Traffic {
		if s.Traffic[i].Source == w.Source {
			s.Traffic[i].add(w)
			return
		}
	}
	s.Traffic = append(s.Traffic, Traffic{Source: w.Source})
	s.Traffic[len(s.Traffic)-1].add(w)
}

func (t *Traffic) add(w event.LoadWindow) {
	t.Requests += w.Requests
	t.Failures += w.Failures
	t.Recent = append(t.Recent, w)
	if len(t.Recent) > recentWindows {
		t.Recent = t.Recent[1:]
	}
}

// tell adds a change to its subject, which it makes on first mention.
func tell(subjects []Subject, name, on string, c Change) []Subject {
	for i := range subjects {
		if subjects[i].Name == name && (on == "" || subjects[i].On == on) {
			subjects[i].Changes = append(subjects[i].Changes, c)
			return subjects
		}
	}
	return append(subjects, Subject{Name: name, On: on, Changes: []Change{c}})
}

// Parked are the workloads that stay where they are; the latest change of each
// says why.
func (s *Story) Parked() []Subject {
	var parked []Subject
	for _, w := range s.Workloads {
		if w.Now().What == string(event.WorkloadParked) {
			parked = append(parked, w)
		}
	}
	return parked
}

// Count is how many subjects are in each state now.
func Count(subjects []Subject) map[string]int {
	counts := map[string]int{}
	for _, s := range subjects {
		counts[s.Now().What]++
	}
	return counts
}
