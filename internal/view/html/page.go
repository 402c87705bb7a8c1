package html

import (
	_ "embed"
	"fmt"
	"slices"
	"time"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/verdict"
	"github.com/droverhq/drover/internal/view"
)

//go:embed page.css
var css string

const footer = `Every request is counted once, in the phase in which it started; it either came back with the expected status from the
expected application, or it is listed as failed with its cause. Latency of a steady load counts from when a request was
due, not from when it could be sent. Made by Drover from the load's record and the event log of the move.`

func clock(t time.Time) string { return t.Format("15:04:05.000") }

func (p page) document() g.Node {
	class := "lost"
	if p.OK {
		class = "ok"
	}
	return h.Doctype(h.HTML(h.Lang("en"),
		h.Head(
			h.Meta(h.Charset("utf-8")),
			h.Meta(h.Name("viewport"), h.Content("width=device-width, initial-scale=1")),
			h.Meta(h.Name("color-scheme"), h.Content("light dark")),
			h.TitleEl(g.Textf("%s of %s requests failed – Drover", view.Count(p.Total.Failed), view.Count(p.Total.Requests))),
			h.StyleEl(g.Raw(css)),
		),
		h.Body(h.Main(h.Class(class),
			p.headline(),
			p.parked(),
			h.Section(h.Class("tiles"), g.Map(p.Tiles, func(t tile) g.Node {
				return h.Div(h.Class("tile"), h.B(g.Text(t.Value)), h.Span(g.Text(t.Label)))
			})),
			p.happened(),
			g.Map(p.Loads, loadSection),
			p.failures(),
			p.findings(),
			h.Footer(g.Text(footer)),
		)),
	))
}

func (p page) headline() g.Node {
	badge := "✗ Not held"
	if p.OK {
		badge = "✓ Nothing was lost"
	}
	return h.Header(
		h.Span(h.Class("badge"), g.Text(badge)),
		h.H1(h.B(g.Text(view.Count(p.Total.Failed))), g.Textf(" of %s requests failed", view.Count(p.Total.Requests))),
		g.If(p.Title != "", h.P(g.Text(p.Title))),
		g.If(p.Total.Requests > 0, h.P(h.Class("soft"), g.Textf("%s to %s UTC, %s under load",
			p.From.Format("2 January 2006, 15:04:05"), clock(p.To), view.Took(p.Took)))),
		g.If(len(p.Reasons) > 0, h.Ul(h.Class("reasons"), g.Map(p.Reasons, func(r string) g.Node { return h.Li(g.Text(r)) }))),
	)
}

// parked names what stays where it is, and why.
func (p page) parked() g.Node {
	parked := p.Story.Parked()
	return g.If(len(parked) > 0, h.Section(
		h.H2(g.Text("Parked: what stays where it is")),
		h.Ul(h.Class("parked"), g.Map(parked, func(w verdict.Lane) g.Node {
			return h.Li(h.B(g.Text(w.Name)), g.Text(": "+w.Now().Detail))
		})),
	))
}

func (p page) happened() g.Node {
	return g.If(p.Picture.Height > 0, g.Group{
		h.H2(g.Text("What happened when")),
		p.key(),
		h.Div(h.Class("wide"), p.Picture.svg()),
		h.P(h.Class("soft"), g.Text("Time since the first request, in minutes and seconds. Rest the pointer on the picture for the numbers of a second, a phase or a change.")),
	})
}

// key tells the colours.
func (p page) key() g.Node {
	colour := func(class, name string) g.Node { return h.Span(h.I(h.Class(class)), g.Text(name)) }
	return h.Div(h.Class("key"),
		g.Map(p.Loads, func(l loadTable) g.Node { return colour(l.Class, l.Name) }),
		g.If(p.Total.Failed > 0, colour("failed", "failed requests")),
		g.If(len(p.Picture.Groups) > 0, g.Group{colour(serves, "serves"), colour(leaving, "leaving"), colour(drains, "draining"), colour(over, "gone")}),
		g.If(len(p.Story.Parked()) > 0, colour(stays, "parked")),
	)
}

func loadSection(l loadTable) g.Node {
	return g.Group{
		h.H2(g.Text(l.Name + ", by phase")),
		table([]string{"Phase", "took", "requests", "rate", "failed", "p50", "p90", "p99", "p99.9", "max"}, nil,
			g.Map(l.Rows, loadRow)),
	}
}

func loadRow(r row) g.Node {
	failed := "none"
	if r.Failed > 0 {
		failed = "some"
	}
	latencies := h.Td(h.ColSpan("5"), h.Class("none"), g.Text("no request"))
	if r.Requests > 0 {
		latencies = g.Map([]time.Duration{r.P50, r.P90, r.P99, r.P999, r.Max}, func(d time.Duration) g.Node { return cell(view.Latency(d)) })
	}
	return h.Tr(g.If(r.Name == "all", h.Class("all")),
		cell(r.Name), cell(view.Took(r.Took)), cell(view.Count(r.Requests)), cell(view.Rate(r.Rate)),
		h.Td(h.Class(failed), g.Text(view.Count(r.Failed))), latencies)
}

func (p page) failures() g.Node {
	if len(p.Causes) == 0 {
		return nil
	}
	oneByOne := "One by one:"
	if p.Total.Failed > len(p.Listed) {
		oneByOne = fmt.Sprintf("The first %d of %s, one by one:", len(p.Listed), view.Count(p.Total.Failed))
	}
	return g.Group{
		h.H2(g.Text("Failures")),
		table([]string{"Cause", "requests", "phases"}, []int{2}, g.Map(p.Causes, func(c causeRow) g.Node {
			return h.Tr(cell(string(c.Cause)), cell(view.Count(c.Total)), words(c.Phases))
		})),
		h.P(h.Class("soft"), g.Text(oneByOne)),
		table([]string{"Time (UTC)", "cause", "after", "phase", "load"}, []int{1, 3, 4}, g.Map(p.Listed, func(f verdict.Failure) g.Node {
			return h.Tr(cell(clock(f.At)), words(string(f.Cause)), cell(view.Latency(f.Latency)), words(f.Phase), words(f.Load))
		})),
	}
}

func (p page) findings() g.Node {
	if len(p.Story.Findings) == 0 {
		return nil
	}
	return g.Group{
		h.H2(g.Text("What the inspection found")),
		table([]string{"Severity", "object", "effect", "remedy"}, []int{1, 2, 3}, g.Map(p.Story.Findings, func(f event.Finding) g.Node {
			return h.Tr(cell(string(f.Severity)), words(f.Object), words(f.Effect), words(f.Fix))
		})),
	}
}

// table has its numbers to the right; text names the columns of words.
func table(head []string, text []int, rows g.Node) g.Node {
	var cells g.Group
	for i, name := range head {
		cells = append(cells, h.Th(g.If(slices.Contains(text, i), h.Class("text")), g.Text(name)))
	}
	return h.Div(h.Class("wide"), h.Table(h.THead(h.Tr(cells)), h.TBody(rows)))
}

func cell(text string) g.Node  { return h.Td(g.Text(text)) }
func words(text string) g.Node { return h.Td(h.Class("text"), g.Text(text)) }
