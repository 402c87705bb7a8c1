package verdict

import (
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/story"
	"github.com/droverhq/drover/plan"
)

// Band is a stretch of time that belongs to one phase.
type Band struct {
	Name string    `json:"name"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// The phases around the runs.
const (
	before  = "before"
	between = "between runs"
	after   = "after"
)

// change is something that holds from a moment on.
type change struct {
	at   time.Time
	name string
}

// tale is what the event log tells: when each phase began, and what was moved.
type tale struct {
	changes    []change // in order of time; the first at the zero time
	story      story.Story
	complaints []change // what went wrong, and when
}

func readTale(events []event.Event) tale {
	t := tale{changes: []change{{name: before}}}
	for _, e := range events {
		t.story.Add(e)
		t.note(e)
		if name := t.phase(); name != t.changes[len(t.changes)-1].name {
			t.turn(e.At, name)
		}
	}
	if last := &t.changes[len(t.changes)-1]; last.name == between {
		last.name = after
	}
	return t
}

// turn begins a phase; one that lasted no time at all is forgotten.
func (t *tale) turn(at time.Time, name string) {
	if last := len(t.changes) - 1; !at.After(t.changes[last].at) {
		at = t.changes[last].at
		t.changes = t.changes[:last]
	}
	if last := len(t.changes) - 1; last < 0 || t.changes[last].name != name {
		t.changes = append(t.changes, change{at, name})
	}
}

func (t *tale) note(e event.Event) {
	switch f := e.Fact.(type) {
	case event.GuardBreached:
		t.complaints = append(t.complaints, change{e.At, "the guard stopped the move: " + f.Reason})
	case event.TurnedBack:
		t.complaints = append(t.complaints, change{e.At, "the change was taken back: " + f.Why})
	case event.RunFinished:
		if f.Error != "" {
			t.complaints = append(t.complaints, change{e.At, t.story.Run.Command + " failed: " + f.Error})
		}
	}
}

// phase names what goes on now. Steps run side by side: a hand-over under way
// gives the phase its name, for it touches the traffic; else the line of the
// plan that began last. In the moments between two lines the last one goes on.
func (t *tale) phase() string {
	if t.story.Finished != nil {
		return between
	}
	now := t.changes[len(t.changes)-1].name
	var latest *story.Line
	for i := range t.story.Lines {
		l := &t.story.Lines[i]
		if l.State != story.Running {
			continue
		}
		if l.Op == plan.HandOver {
			return t.handOver(l, t.story.Move(l.Steps[0]))
		}
		if latest == nil || l.Started.After(latest.Started) {
			latest = l
		}
	}
	if latest == nil {
		return now
	}
	return string(latest.Op) + " " + latest.Name
}

// handOver names the phase of a hand-over; its first begins with the step.
func (t *tale) handOver(l *story.Line, m *story.Move) string {
	name := string(plan.HandOver) + " " + l.Name[strings.LastIndexByte(l.Name, '/')+1:]
	phase := event.PhaseInspect
	if m != nil {
		name, phase = string(plan.HandOver)+" "+m.Group, m.Phase
	}
	if t.story.Returns {
		name += ", back"
	}
	return name + ": " + string(phase)
}

// phaseAt is the phase of a moment.
func phaseAt(changes []change, at time.Time) string {
	i, found := slices.BinarySearchFunc(changes, at, func(c change, at time.Time) int { return c.at.Compare(at) })
	if !found {
		i--
	}
	return changes[i].name
}

// bands are the phases between from and to.
func (t *tale) bands(from, to time.Time) []Band {
	if from.IsZero() {
		return nil
	}
	var bands []Band
	for i, c := range t.changes {
		b := Band{Name: c.name, From: c.at, To: to}
		if i+1 < len(t.changes) {
			b.To = t.changes[i+1].at
		}
		if b.From.Before(from) {
			b.From = from
		}
		if b.To.After(to) {
			b.To = to
		}
		if b.From.Before(b.To) {
			bands = append(bands, b)
		}
	}
	return bands
}

// phaseNames lists each phase once.
func phaseNames(bands []Band) []string {
	var names []string
	for _, b := range bands {
		if !slices.Contains(names, b.Name) {
			names = append(names, b.Name)
		}
	}
	return names
}

func lasting(bands []Band, name string) time.Duration {
	var d time.Duration
	for _, b := range bands {
		if b.Name == name {
			d += b.To.Sub(b.From)
		}
	}
	return d
}
