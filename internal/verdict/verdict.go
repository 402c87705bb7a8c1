// Package verdict judges a move by its traffic: it joins the records of a load
// test (package load) with the phases in an event log, and says for every
// request in which phase it was sent and what came of it. A Verdict is plain
// data; package view draws it as text and as an HTML page.
//
// Every number comes from the records; the event log only says when each phase
// began. A request belongs to the phase in which it started (for a steady
// load: was due), so every request is in exactly one phase and all sums agree.
package verdict

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/load"
)

// Input is what a verdict is made from.
type Input struct {
	Title  string
	Loads  []Load
	Events []event.Event // of one or more runs, in order of time
}

// Load is one stream of records.
type Load struct {
	Name    string // "closed loop, 100 connections"
	Records iter.Seq2[load.Record, error]
}

// Verdict is the judged move. Its JSON is documented in docs/load.md;
// durations are integer nanoseconds.
type Verdict struct {
	Format   int         `json:"format"` // 1; a reader must refuse what it does not know
	Title    string      `json:"title"`
	OK       bool        `json:"ok"`
	Reasons  []string    `json:"reasons,omitempty"` // why not OK
	From     time.Time   `json:"from"`              // start of the first request
	To       time.Time   `json:"to"`                // just after the end of the last one
	Total    Stats       `json:"total"`
	Loads    []LoadStats `json:"loads"`
	Bands    []Band      `json:"bands"`    // phases in time: they cover From to To without gap or overlap
	Phases   []Phase     `json:"phases"`   // the same by name, each once, in order of first appearance
	Failures []Failure   `json:"failures"` // by time; the first 1,000
	Story    Story       `json:"story"`
}

// Stats is what became of a set of requests. Requests = OK + Failed; Failed =
// the sum of Causes; Requests = the sum of Statuses + NoStatus.
type Stats struct {
	Requests int                `json:"requests"`
	OK       int                `json:"ok"`
	Failed   int                `json:"failed"`
	Rate     float64            `json:"rate"` // requests per second of the phase, or of the load
	Statuses map[int]int        `json:"statuses"`
	NoStatus int                `json:"noStatus"`
	Causes   map[load.Cause]int `json:"causes"`
	P50      time.Duration      `json:"p50"`
	P90      time.Duration      `json:"p90"`
	P99      time.Duration      `json:"p99"`
	P999     time.Duration      `json:"p999"`
	Max      time.Duration      `json:"max"`
}

// LoadStats is one load, whole, by phase and by second.
type LoadStats struct {
	Name     string   `json:"name"`
	Total    Stats    `json:"total"`
	Phases   []Stats  `json:"phases"`   // parallel to Verdict.Phases
	Timeline []Second `json:"timeline"` // from Verdict.From, one after the other
}

// Second is the requests that started in one second.
type Second struct {
	Requests int           `json:"requests"`
	Failures int           `json:"failures"`
	P50      time.Duration `json:"p50"`
	P99      time.Duration `json:"p99"`
	Max      time.Duration `json:"max"`
}

// Phase is one row of the table.
type Phase struct {
	Name  string        `json:"name"` // before, "create nodegroup/web-7c1e04b", "hand over web-2f9a6d1: shift", after …
	Took  time.Duration `json:"took"` // within From to To, all its bands together
	Total Stats         `json:"total"`
}

// Failure is one failed request.
type Failure struct {
	At      time.Time     `json:"at"`
	Load    string        `json:"load"`
	Phase   string        `json:"phase"`
	Latency time.Duration `json:"latency"`
	Status  int           `json:"status,omitempty"`
	Cause   load.Cause    `json:"cause"`
}

const (
	format       = 1
	keptFailures = 1000
)

// Build judges. The error is for records that cannot be read.
func Build(in Input) (Verdict, error) {
	tale := readTale(in.Events)
	v := Verdict{Format: format, Title: in.Title}
	books := make([]*book, len(in.Loads))
	for i, l := range in.Loads {
		books[i] = newBook(l.Name, tale.changes)
		for r, err := range l.Records {
			if err != nil {
				return Verdict{}, fmt.Errorf("load %q: %w", l.Name, err)
			}
			books[i].enter(r)
		}
	}

	v.From, v.To = span(books)
	v.Bands = tale.bands(v.From, v.To)
	names := phaseNames(v.Bands)
	all := newTally()
	perPhase := make([]*tally, len(names))
	for i := range perPhase {
		perPhase[i] = newTally()
	}
	for _, b := range books {
		v.Loads = append(v.Loads, b.stats(names, v.Bands, v.From, v.To))
		all.merge(b.total())
		for i, name := range names {
			perPhase[i].merge(b.phase(name))
		}
		v.Failures = append(v.Failures, b.failures...)
	}
	v.Total = all.stats(v.To.Sub(v.From))
	for i, name := range names {
		took := lasting(v.Bands, name)
		v.Phases = append(v.Phases, Phase{Name: name, Took: took, Total: perPhase[i].stats(took)})
	}

	slices.SortStableFunc(v.Failures, func(a, b Failure) int { return a.At.Compare(b.At) })
	v.Failures = v.Failures[:min(len(v.Failures), keptFailures)]
	v.Story = tale.lanes(v.From, v.To)
	v.Reasons = reasons(v, tale)
	v.OK = len(v.Reasons) == 0
	return v, nil
}

// reasons is everything that speaks against the move.
func reasons(v Verdict, t tale) []string {
	var why []string
	if v.Total.Requests == 0 {
		why = append(why, "no request was sent: nothing was proved")
	}
	if v.Total.Failed > 0 {
		why = append(why, "requests failed: "+where(v.Phases))
	}
	for _, c := range t.complaints {
		if !c.at.Before(v.From) {
			why = append(why, c.name)
		}
	}
	return why
}

// where lists the phases that lost requests.
func where(phases []Phase) string {
	var parts []string
	for _, p := range phases {
		if p.Total.Failed > 0 {
			parts = append(parts, fmt.Sprintf("%d in %q", p.Total.Failed, p.Name))
		}
	}
	return strings.Join(parts, ", ")
}

// span is from the first start to the last end.
func span(books []*book) (from, to time.Time) {
	for _, b := range books {
		if b.first.IsZero() {
			continue
		}
		if from.IsZero() || b.first.Before(from) {
			from = b.first
		}
		if b.last.After(to) {
			to = b.last
		}
	}
	if !to.IsZero() {
		to = to.Add(1) // so that From to To holds every start, even that of a request without length
	}
	return from.UTC(), to.UTC()
}
