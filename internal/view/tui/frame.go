package tui

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/story"
	"github.com/droverhq/drover/internal/view"
	"github.com/droverhq/drover/plan"
)

// style is the looks; bubbletea leaves out what the terminal does not have.
type style struct {
	strong, dim, good, bad, now look
}

// look is how a piece of text is drawn.
type look ansi.Style

// Render draws text so.
func (l look) Render(text string) string { return ansi.Style(l).Styled(text) }

// colours are the terminal's own green, red and cyan: nobody is asked whether
// its background is light or dark.
var colours = style{
	strong: look(ansi.NewStyle(ansi.AttrBold)),
	dim:    look(ansi.NewStyle(ansi.AttrFaint)),
	good:   look(ansi.NewStyle(ansi.AttrGreenForegroundColor)),
	bad:    look(ansi.NewStyle(ansi.AttrRedForegroundColor)),
	now:    look(ansi.NewStyle(ansi.AttrBold, ansi.AttrCyanForegroundColor)),
}

// frame is one picture of a story. Drawing it is a pure function.
type frame struct {
	story         *story.Story
	style         style
	now           time.Time
	width, height int
	count         int // frames so far; turns the spinner
}

const (
	nodeRows   = 10 // nodes shown one by one; more are summed up
	parkedRows = 5  // parked workloads shown one by one; more are counted
	spark      = 30 // seconds of the traffic's small plots
)

func (f frame) draw() string {
	if f.story.Started.IsZero() && len(f.story.Lines) == 0 {
		return ""
	}
	lines := f.lines(false)
	if f.height > 0 && len(lines)+f.footer() > f.height-1 {
		lines = f.lines(true)
	}
	foot := append(f.traffic(), f.ending()...)
	if room := max(f.height-4, 0); f.height > 0 && len(foot) > room { // the head and a hint of the plan stay
		foot = foot[len(foot)-room:]
	}
	if room := f.height - 1 - len(foot) - 1; f.height > 0 && len(lines) > room {
		lines = append(lines[:max(room-1, 1)], f.style.dim.Render("  …"))
	}
	all := append(append([]string{f.head()}, lines...), foot...)
	for i := range all {
		all[i] = ansi.Truncate(all[i], max(f.width, 20), "…")
	}
	return strings.Join(all, "\n") + "\n"
}

func (f frame) footer() int { return 1 + len(f.traffic()) + len(f.ending()) }

func (f frame) head() string {
	run := f.story.Run
	took := f.now.Sub(f.story.Started)
	if f.story.Finished != nil {
		took = f.story.Finished.Took
	}
	return f.style.strong.Render(view.Title(run)) + f.style.dim.Render("  "+view.Took(took))
}

// lines are the plan's; short sums up those that are done.
func (f frame) lines(short bool) []string {
	width, done := 0, 0
	for _, l := range f.story.Lines {
		width = max(width, len(l.Name))
		if l.State == story.Done {
			done++
		}
	}
	var rows []string
	if short && done > 0 {
		rows = append(rows, f.style.good.Render("✓")+f.style.dim.Render(fmt.Sprintf(" %d of %d lines done", done, len(f.story.Lines))))
	}
	for i := range f.story.Lines {
		l := &f.story.Lines[i]
		if short && l.State == story.Done {
			continue
		}
		rows = append(rows, f.line(l, width))
		if m := f.story.Move(l.Steps[0]); l.Op == plan.HandOver && m != nil {
			rows = append(rows, f.move(m, l.State, short)...)
		}
	}
	return rows
}

func (f frame) line(l *story.Line, width int) string {
	name := fmt.Sprintf("%-9s %-*s", l.Op, width, l.Name)
	switch l.State {
	case story.Running:
		row := f.spinner() + " " + name + "  " + view.Took(f.now.Sub(l.Started))
		if len(l.Steps) > 1 {
			row += f.style.dim.Render(fmt.Sprintf("  %d/%d", l.Done, len(l.Steps)))
		}
		if wait := f.now.Sub(l.Since); l.Waiting != "" && wait >= time.Second {
			row += "  " + l.Waiting + f.style.dim.Render(" ("+view.Took(wait)+")")
		}
		return row
	case story.Done:
		return f.style.good.Render("✓") + " " + name + "  " + f.style.dim.Render(view.Took(l.Ended.Sub(l.Started)))
	case story.Failed:
		return f.style.bad.Render("✗ " + name + "  " + l.Error)
	case story.Waiting:
	}
	return f.style.dim.Render("· " + name)
}

func (f frame) spinner() string {
	turns := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
	return f.style.now.Render(string(turns[f.count%len(turns)]))
}

// move is the phase strip of a hand-over and, while it runs, its nodes and targets.
func (f frame) move(m *story.Move, state story.State, short bool) []string {
	rows := []string{"    " + f.strip(m)}
	if state != story.Running {
		return rows
	}
	if len(f.story.Workloads) > 0 {
		rows = append(rows, "    "+f.style.dim.Render("workloads ")+counts(story.Count(f.story.Workloads)))
	}
	rows = append(rows, f.nodes(short)...)
	if len(f.story.Targets) > 0 {
		rows = append(rows, "    "+f.style.dim.Render("targets   ")+counts(story.Count(f.story.Targets)))
	}
	return rows
}

func (f frame) strip(m *story.Move) string {
	names := event.Way()
	if !slices.Contains(names, m.Phase) { // stop, stopped: the way it went
		names = m.Seen
	}
	at := slices.Index(names, m.Phase)
	var parts []string
	for i, phase := range names {
		name := string(phase)
		switch {
		case i < at, phase == event.PhaseDone && i == at:
			parts = append(parts, f.style.good.Render(name))
		case i == at:
			parts = append(parts, f.style.now.Render("▸"+name)+f.style.dim.Render(" "+view.Took(f.now.Sub(m.Since))))
		default:
			parts = append(parts, f.style.dim.Render(name))
		}
	}
	return strings.Join(parts, f.style.dim.Render(" → "))
}

// nodes are those of which something was told, each with its pods; short sums
// them up.
func (f frame) nodes(short bool) []string {
	pods := map[string][]story.Subject{} // by node
	for _, p := range f.story.Pods {
		pods[p.On] = append(pods[p.On], p)
	}
	names := slices.Sorted(maps.Keys(pods))
	last := map[string]string{}
	for _, n := range f.story.Nodes {
		if !slices.Contains(names, n.Name) {
			names = append(names, n.Name)
		}
		last[n.Name] = n.Now().What
	}
	if short || len(names) > nodeRows {
		return []string{
			"    " + f.style.dim.Render("nodes     ") + counts(story.Count(f.story.Nodes)),
			"    " + f.style.dim.Render("pods      ") + counts(story.Count(f.story.Pods)),
		}
	}
	width := 0
	for _, n := range names {
		width = max(width, len(host(n)))
	}
	var rows []string
	for _, n := range names {
		parts := []string{fmt.Sprintf("%-*s", width, host(n))}
		if last[n] != "" {
			parts = append(parts, last[n])
		}
		if len(pods[n]) > 0 {
			parts = append(parts, "pods: "+counts(story.Count(pods[n])))
		}
		rows = append(rows, "    "+f.style.dim.Render("node      ")+strings.Join(parts, "  "))
	}
	return rows
}

// host is a node's name without its domain.
func host(node string) string {
	name, _, _ := strings.Cut(node, ".")
	return name
}

// counts writes {"gone": 2, "released": 1} as "2 gone · 1 released".
func counts(of map[string]int) string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%d %s", of[what], what))
	}
	return strings.Join(parts, " · ")
}

func (f frame) traffic() []string {
	var rows []string
	for _, t := range f.story.Traffic {
		recent := t.Recent[max(len(t.Recent)-spark, 0):]
		p99s := make([]float64, len(recent))
		for i, w := range recent {
			p99s[i] = float64(w.P99)
		}
		now := recent[len(recent)-1]
		failed := f.style.good.Render("0 failed")
		if t.Failures > 0 {
			failed = f.style.bad.Render(view.Count(t.Failures) + " failed")
		}
		rows = append(rows, fmt.Sprintf("%-8s %s of %s  %s  p99 %-7s %s",
			t.Source, failed, view.Count(t.Requests), view.Rate(float64(now.Requests)), view.Latency(now.P99),
			f.style.dim.Render(view.Spark(p99s, 0, view.Blocks))))
	}
	return rows
}

// parked names the workloads that stay where they are, and why.
func (f frame) parked() []string {
	var rows []string
	parked := f.story.Parked()
	for _, w := range parked[:min(len(parked), parkedRows)] {
		rows = append(rows, f.style.bad.Render("✗ parked "+w.Name)+": "+w.Now().Detail)
	}
	if more := len(parked) - parkedRows; more > 0 {
		rows = append(rows, f.style.bad.Render(fmt.Sprintf("✗ and %d more parked", more)))
	}
	return rows
}

func (f frame) ending() []string {
	var rows []string
	for _, n := range f.story.Findings {
		if n.Severity == event.Blocker {
			rows = append(rows, f.style.bad.Render("✗ "+n.Object+": "+n.Effect))
		}
	}
	rows = append(rows, f.parked()...)
	if b := f.story.Breach; b != nil {
		rows = append(rows, f.style.bad.Render("✗ guard: "+b.Reason))
	}
	if t := f.story.Turned; t != nil {
		rows = append(rows, f.style.bad.Render("✗ the change is taken back: "+t.Why))
	}
	switch end := f.story.Finished; {
	case end == nil:
	case end.Error != "":
		rows = append(rows, f.style.bad.Render("✗ "+f.story.Run.Command+" failed after "+view.Took(end.Took)))
	default:
		rows = append(rows, f.style.good.Render("✓")+" "+f.story.Run.Command+" done in "+view.Took(end.Took))
	}
	return rows
}
