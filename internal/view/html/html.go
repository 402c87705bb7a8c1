// Package html draws a verdict as one self-contained page: no scripts, no
// fonts, nothing to fetch, so that it can be mailed, archived and opened years
// later. It is a pure function of the verdict.
package html

import (
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/load"
	"github.com/droverhq/drover/internal/verdict"
	"github.com/droverhq/drover/internal/view"
)

// listedFailures bounds the table; the JSON has more, the record all.
const listedFailures = 100

// Write writes the page.
func Write(w io.Writer, v verdict.Verdict) error { return newPage(v).document().Render(w) }

// page is what is shown.
type page struct {
	verdict.Verdict
	Took    time.Duration
	Picture picture
	Loads   []loadTable
	Causes  []causeRow
	Listed  []verdict.Failure
	Tiles   []tile
}

// tile is one number that a reader should see first.
type tile struct{ Value, Label string }

// loadTable is one load by phase.
type loadTable struct {
	Name  string
	Class string // its colour in the plots
	Rows  []row
}

type row struct {
	Name string
	Took time.Duration
	verdict.Stats
}

// causeRow is one cause of failures and how many each phase has.
type causeRow struct {
	Cause  load.Cause
	Total  int
	Phases string
}

func newPage(v verdict.Verdict) page {
	p := page{
		Verdict: v,
		Took:    v.To.Sub(v.From),
		Picture: draw(v),
		Listed:  v.Failures[:min(len(v.Failures), listedFailures)],
		Tiles:   tiles(v),
	}
	for i, l := range v.Loads {
		t := loadTable{Name: l.Name, Class: seriesClass(i)}
		for j, phase := range v.Phases {
			t.Rows = append(t.Rows, row{phase.Name, phase.Took, l.Phases[j]})
		}
		t.Rows = append(t.Rows, row{"all", p.Took, l.Total})
		p.Loads = append(p.Loads, t)
	}
	for _, cause := range slices.Sorted(maps.Keys(v.Total.Causes)) {
		c := causeRow{Cause: cause, Total: v.Total.Causes[cause]}
		var parts []string
		for _, phase := range v.Phases {
			if n := phase.Total.Causes[cause]; n > 0 {
				parts = append(parts, view.Count(n)+" in "+phase.Name)
			}
		}
		c.Phases = strings.Join(parts, ", ")
		p.Causes = append(p.Causes, c)
	}
	return p
}

func tiles(v verdict.Verdict) []tile {
	all := []tile{
		{view.Count(v.Total.Requests), "requests"},
		{view.Count(v.Total.Failed), "failed"},
		{view.Rate(v.Total.Rate), "rate on average"},
	}
	for _, l := range v.Loads {
		all = append(all, tile{view.Latency(l.Total.P99), "p99, " + l.Name})
	}
	if len(v.Story.Workloads) > 0 {
		moved := 0
		for _, w := range v.Story.Workloads {
			if w.Now().What == string(event.WorkloadMoved) {
				moved++
			}
		}
		all = append(all, tile{view.Count(moved), "workloads moved"})
	}
	if n := len(v.Story.Nodes); n > 0 {
		all = append(all, tile{view.Count(n), "nodes changed"})
	}
	if n := len(v.Story.Pods); n > 0 {
		all = append(all, tile{view.Count(n), "pods moved"})
	}
	return all
}
