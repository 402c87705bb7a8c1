package text

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/droverhq/drover/internal/verdict"
	"github.com/droverhq/drover/internal/view"
)

const (
	listedFailures = 20 // the JSON and the HTML have more
	sparkWidth     = 80 // columns of the timeline
)

// Verdict writes the judgement of a move for a person.
func Verdict(w io.Writer, v verdict.Verdict, style Style) error {
	var b strings.Builder
	headline(&b, v, style)
	for _, l := range v.Loads {
		loadTable(&b, v, l)
	}
	timeline(&b, v, style)
	failures(&b, v)
	_, err := io.WriteString(w, b.String())
	return err
}

func headline(b *strings.Builder, v verdict.Verdict, s Style) {
	text := fmt.Sprintf("%s of %s requests failed", view.Count(v.Total.Failed), view.Count(v.Total.Requests))
	if v.OK {
		b.WriteString(s.good(s.check()+" ") + s.bold(text))
	} else {
		b.WriteString(s.bad(s.cross() + " " + text))
	}
	fmt.Fprintf(b, " in %s (%s)\n", view.Took(v.To.Sub(v.From)), view.Rate(v.Total.Rate))
	for _, reason := range v.Reasons {
		b.WriteString("  " + s.bad(reason) + "\n")
	}
	for _, w := range v.Story.Parked() {
		b.WriteString("  " + s.bad("parked "+w.Name) + ": " + w.Now().Detail + "\n")
	}
}

// columns are the statistics of a row, right-aligned by the tabwriter.
const columns = "took\trequests\trate\tfailed\tp50\tp90\tp99\tp99.9\tmax\t"

func row(took time.Duration, s verdict.Stats) string {
	cells := []string{view.Took(took), view.Count(s.Requests), view.Rate(s.Rate), view.Count(s.Failed)}
	for _, l := range []time.Duration{s.P50, s.P90, s.P99, s.P999, s.Max} {
		if s.Requests == 0 {
			cells = append(cells, "-")
			continue
		}
		cells = append(cells, view.Latency(l))
	}
	return strings.Join(cells, "\t") + "\t"
}

// loadTable is one load by phase. Loads are not mixed: a closed loop's latency
// says nothing about a steady load's.
func loadTable(b *strings.Builder, v verdict.Verdict, l verdict.LoadStats) {
	var names, rows []string
	for i, p := range v.Phases {
		names = append(names, fmt.Sprintf("%c %s", mark(i), p.Name))
		rows = append(rows, row(p.Took, l.Phases[i]))
	}
	table(b, l.Name, append(names, "  all"), append(rows, row(v.To.Sub(v.From), l.Total)))
}

// table puts left-aligned names before right-aligned columns.
func table(b *strings.Builder, head string, names, rows []string) {
	width := len(head)
	for _, n := range names {
		width = max(width, len([]rune(n)))
	}
	var right strings.Builder
	t := tabwriter.NewWriter(&right, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, columns) // a Builder takes everything
	for _, r := range rows {
		_, _ = fmt.Fprintln(t, r)
	}
	_ = t.Flush()
	lines := strings.Split(strings.TrimRight(right.String(), "\n"), "\n")
	b.WriteString("\n")
	for i, name := range append([]string{head}, names...) {
		fmt.Fprintf(b, "  %s%s%s\n", name, strings.Repeat(" ", width-len([]rune(name))), lines[i])
	}
}

// timeline draws rate, p99 and failures of all loads over time, and where each
// phase began.
func timeline(b *strings.Builder, v verdict.Verdict, s Style) {
	if len(v.Loads) == 0 || len(v.Loads[0].Timeline) == 0 {
		return
	}
	seconds := len(v.Loads[0].Timeline)
	per := (seconds + sparkWidth - 1) / sparkWidth
	width := (seconds + per - 1) / per
	rate, slow, failed := make([]float64, width), make([]float64, width), make([]int, width)
	for _, l := range v.Loads {
		for i, second := range l.Timeline {
			rate[i/per] += float64(second.Requests)
			slow[i/per] = max(slow[i/per], float64(second.P99))
			failed[i/per] += second.Failures
		}
	}
	levels := view.Blocks
	if s.Plain {
		levels = view.ASCII
	}
	fmt.Fprintf(b, "\n  Timeline, a column is %d s\n", per)
	fmt.Fprintf(b, "  rate    |%s| up to %s\n", view.Spark(rate, 1, levels), view.Rate(slices.Max(rate)/float64(per)))
	fmt.Fprintf(b, "  p99     |%s| up to %s\n", view.Spark(slow, 1, levels), view.Latency(time.Duration(slices.Max(slow))))
	fmt.Fprintf(b, "  failed  |%s|\n", crosses(failed, s))
	fmt.Fprintf(b, "  phase   |%s|\n", phaseMarks(v, per, width))
}

func crosses(failed []int, s Style) string {
	row := []rune(strings.Repeat(" ", len(failed)))
	for i, n := range failed {
		if n > 0 {
			row[i] = []rune(s.pick("✗", "x"))[0]
		}
	}
	return string(row)
}

// phaseMarks is the phase of each column's first moment.
func phaseMarks(v verdict.Verdict, per, width int) string {
	row := make([]rune, width)
	begin := v.From.Truncate(time.Second)
	for i := range row {
		at := begin.Add(time.Duration(i*per) * time.Second)
		row[i] = mark(0)
		for _, band := range v.Bands {
			if !at.Before(band.From) {
				row[i] = mark(slices.IndexFunc(v.Phases, func(p verdict.Phase) bool { return p.Name == band.Name }))
			}
		}
	}
	return string(row)
}

// mark names the i-th phase with one letter, in the tables and the timeline.
func mark(i int) rune {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return rune(letters[i%len(letters)])
}

func failures(b *strings.Builder, v verdict.Verdict) {
	if v.Total.Failed == 0 {
		return
	}
	b.WriteString("\n  Failures by cause and phase\n")
	for _, cause := range slices.Sorted(maps.Keys(v.Total.Causes)) {
		fmt.Fprintf(b, "  %8s  %s\n", view.Count(v.Total.Causes[cause]), cause)
		for _, p := range v.Phases {
			if n := p.Total.Causes[cause]; n > 0 {
				fmt.Fprintf(b, "  %12s  %s\n", view.Count(n), p.Name)
			}
		}
	}
	shown := min(len(v.Failures), listedFailures)
	fmt.Fprintf(b, "\n  The first %d of %s failures\n", shown, view.Count(v.Total.Failed))
	for _, f := range v.Failures[:shown] {
		fmt.Fprintf(b, "  %s  %-24s  after %-7s  %s, %s\n", f.At.Format("15:04:05.000"), f.Cause, view.Latency(f.Latency), f.Phase, f.Load)
	}
}
