package html

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/droverhq/drover/internal/verdict"
	"github.com/droverhq/drover/internal/view"
)

// The picture's measures, in SVG units (pixels at full width). All parts share
// one time axis, so that the eye finds what happened when latency rose.
const (
	left      = 168 // room for the names of lanes and axes
	plotWidth = 896
	right     = 16
	stripTop  = 8
	strip     = 36 // height of the two rows that name runs of phases, and the phases of a hand-over
	plotTop   = stripTop + strip + 24
	rateTall  = 150
	lateTall  = 150
	gap       = 44 // between plots; holds a title
	laneTall  = 17
	charWidth = 6.3 // of the 11 px labels, on average
)

// px prints with one digit after the point.
type px float64

func (p px) String() string { return fmt.Sprintf("%.1f", float64(p)) }

// picture is one SVG image.
type picture struct {
	Width, Height px
	Left, Right   px // of the time axis
	Bottom        px // of all that is drawn along it
	Bands         []band
	Brackets      []band // what the bands belong to, above them
	Ticks         []mark // of time
	Plots         []plot
	Columns       []column
	Groups        []group
}

// band is a phase: a tint behind everything, and a name on top if it fits.
type band struct {
	X, Width         px
	Class, Name, Tip string
}

type mark struct {
	At   px
	Text string
}

// plot is a panel with a vertical axis and lines.
type plot struct {
	Title         string
	Top, Bottom   px
	Grid          []mark
	Series        []series
	Failures      []failureMark
	FailuresShown bool
}

type series struct{ Class, Path, Name string }

type failureMark struct {
	X, Y, R px
	Tip     string
}

// column is one second, for the pointer to rest on.
type column struct {
	X, Width px
	Tip      string
}

// group is lanes of one kind.
type group struct {
	Title string
	TextY px
	Lanes []lane
}

type lane struct {
	Name, Full string
	Y, TextY   px
	Parts      []part
}

// part is a stretch of one state.
type part struct {
	X, Width         px
	Class, Text, Tip string
}

// axis maps time to x.
type axis struct {
	from time.Time
	span time.Duration
}

func (a axis) x(t time.Time) px {
	share := float64(t.Sub(a.from)) / float64(a.span)
	return px(left + plotWidth*min(max(share, 0), 1))
}

func draw(v verdict.Verdict) picture {
	p := picture{Width: left + plotWidth + right, Left: left, Right: left + plotWidth}
	if v.To.Sub(v.From) <= 0 {
		return p
	}
	a := axis{v.From, v.To.Sub(v.From)}
	p.Bands, p.Brackets = bands(v, a)
	rate := ratePlot(v, a, plotTop)
	late := latencyPlot(v, a, rate.Bottom+gap)
	p.Plots = []plot{rate, late}
	p.Columns = columns(v, a)
	y := late.Bottom + gap - 14
	for _, k := range kinds(v.Story) {
		if len(k.lanes) > 0 {
			var drawn group
			drawn, y = lanes(k, a, v.To, y)
			p.Groups = append(p.Groups, drawn)
		}
	}
	p.Bottom = y - 6
	p.Ticks = timeTicks(a)
	p.Height = p.Bottom + 26
	return p
}

// bands are the phases; the phases of one hand-over share a bracket.
func bands(v verdict.Verdict, a axis) (all, brackets []band) {
	whole := "" // what the last bracket is called in full
	for i, b := range v.Bands {
		x, width := a.x(b.From), a.x(b.To)-a.x(b.From)
		class, name, phase := kind(b.Name)
		tip := fmt.Sprintf("%s: %s, from %s", b.Name, view.Took(b.To.Sub(b.From)), offset(b.From.Sub(a.from)))
		tint := class
		if i%2 == 1 {
			tint += " odd"
		}
		all = append(all, band{x, width, tint, fit(phase, width-6), tip})
		if name == whole {
			brackets[len(brackets)-1].Width += width
			continue
		}
		whole = name
		brackets = append(brackets, band{x, width, class, name, name})
	}
	for i := range brackets {
		brackets[i].Name = fit(brackets[i].Name, brackets[i].Width-6)
	}
	return all, brackets
}

// kind takes the name of a band apart: a phase of a hand-over, a step of the
// plan, or the calm around them.
func kind(name string) (class, bracket, phase string) {
	if move, phase, ok := strings.Cut(name, ": "); ok {
		return "phase", move, phase
	}
	if strings.Contains(name, "/") {
		return "step", name, ""
	}
	return "calm", name, ""
}

// fit shortens a label to the width it has; too short to be read is nothing.
func fit(text string, width px) string {
	room := int(float64(width) / charWidth)
	runes := []rune(text)
	switch {
	case len(runes) <= room:
		return text
	case room < 5:
		return ""
	}
	return string(runes[:room-1]) + "…"
}

// ratePlot draws requests per second of each load, and failures as red dots.
func ratePlot(v verdict.Verdict, a axis, top px) plot {
	p := plot{Title: "Requests per second", Top: top, Bottom: top + rateTall}
	highest := 1.0
	for _, l := range v.Loads {
		for _, s := range l.Timeline {
			highest = max(highest, float64(s.Requests))
		}
	}
	step := niceStep(highest / 4)
	highest = math.Ceil(highest/step) * step
	y := func(value float64) px { return p.Bottom - px(value/highest*rateTall) }
	for value := 0.0; value <= highest; value += step {
		p.Grid = append(p.Grid, mark{y(value), view.Count(int(value))})
	}
	for i, l := range v.Loads {
		p.Series = append(p.Series, series{seriesClass(i), path(l.Timeline, v, a, func(s verdict.Second) px { return y(float64(s.Requests)) }), l.Name})
	}
	p.Failures = failureMarks(v, a, p.Bottom)
	p.FailuresShown = len(p.Failures) > 0
	return p
}

// failureMarks has a dot for every second with failures; its area grows with them.
func failureMarks(v verdict.Verdict, a axis, y px) []failureMark {
	var marks []failureMark
	for i, at := range seconds(v) {
		failed := 0
		for _, l := range v.Loads {
			failed += l.Timeline[i].Failures
		}
		if failed > 0 {
			r := min(3+math.Sqrt(float64(failed)), 12)
			tip := fmt.Sprintf("%s failed in the second from %s", view.Count(failed), offset(at.Sub(a.from)))
			marks = append(marks, failureMark{a.x(at.Add(time.Second / 2)), y, px(r), tip})
		}
	}
	return marks
}

// latencyPlot draws p50 and p99 of each load on a logarithmic axis.
func latencyPlot(v verdict.Verdict, a axis, top px) plot {
	p := plot{Title: "Latency: p50 (thin) and p99 (bold)", Top: top, Bottom: top + lateTall}
	lowest, highest := time.Duration(math.MaxInt64), time.Duration(0)
	for _, l := range v.Loads {
		for _, s := range l.Timeline {
			if s.Requests > 0 {
				lowest, highest = min(lowest, s.P50), max(highest, s.P99)
			}
		}
	}
	if highest == 0 {
		return p
	}
	bottom := math.Floor(math.Log10(float64(max(lowest, time.Microsecond))))
	roof := max(math.Ceil(math.Log10(float64(max(highest, time.Microsecond)))), bottom+1)
	y := func(d time.Duration) px {
		share := (math.Log10(float64(max(d, 1))) - bottom) / (roof - bottom)
		return p.Bottom - px(min(max(share, 0), 1)*lateTall)
	}
	for exp := bottom; exp <= roof; exp++ {
		d := time.Duration(math.Pow(10, exp))
		p.Grid = append(p.Grid, mark{y(d), round(d)})
	}
	for i, l := range v.Loads {
		p.Series = append(p.Series,
			series{seriesClass(i) + " thin", path(l.Timeline, v, a, func(s verdict.Second) px { return y(s.P50) }), ""},
			series{seriesClass(i), path(l.Timeline, v, a, func(s verdict.Second) px { return y(s.P99) }), ""})
	}
	return p
}

// round writes a power of ten: 1ms, 10ms, 1s.
func round(d time.Duration) string { return strings.Replace(d.String(), "µ", "μ", 1) }

// path joins the whole seconds that have requests; the first and the last are
// rarely whole and would look like a drop.
func path(timeline []verdict.Second, v verdict.Verdict, a axis, y func(verdict.Second) px) string {
	var b strings.Builder
	pen := "M"
	for i, at := range seconds(v) {
		whole := !at.Before(v.From) && !at.Add(time.Second).After(v.To)
		if !whole || timeline[i].Requests == 0 {
			pen = "M"
			continue
		}
		fmt.Fprintf(&b, "%s%s %s", pen, a.x(at.Add(time.Second/2)), y(timeline[i]))
		pen = "L"
	}
	return b.String()
}

// seconds are the beginnings of the timelines' seconds.
func seconds(v verdict.Verdict) []time.Time {
	if len(v.Loads) == 0 {
		return nil
	}
	all := make([]time.Time, len(v.Loads[0].Timeline))
	for i := range all {
		all[i] = v.From.Truncate(time.Second).Add(time.Duration(i) * time.Second)
	}
	return all
}

func columns(v verdict.Verdict, a axis) []column {
	var all []column
	for i, at := range seconds(v) {
		x := a.x(at)
		tip := []string{"second from " + offset(at.Sub(a.from))}
		for _, l := range v.Loads {
			s := l.Timeline[i]
			tip = append(tip, fmt.Sprintf("%s: %s requests, %s failed, p50 %s, p99 %s, max %s", l.Name,
				view.Count(s.Requests), view.Count(s.Failures), view.Latency(s.P50), view.Latency(s.P99), view.Latency(s.Max)))
		}
		all = append(all, column{x, a.x(at.Add(time.Second)) - x, strings.Join(tip, "\n")})
	}
	return all
}

// timeTicks puts five to ten round moments on the axis.
func timeTicks(a axis) []mark {
	var ticks []mark
	steps := []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour,
	}
	step := steps[len(steps)-1]
	for _, s := range steps {
		if a.span/s <= 10 {
			step = s
			break
		}
	}
	for d := time.Duration(0); d <= a.span; d += step {
		ticks = append(ticks, mark{a.x(a.from.Add(d)), offset(d)})
	}
	return ticks
}

// offset writes a time since the first request as minutes and seconds.
func offset(d time.Duration) string {
	d = d.Round(time.Second)
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	return fmt.Sprintf("%s%d:%02d", sign, int(d.Minutes()), int(d.Seconds())%60)
}

// niceStep is 1, 2 or 5 times a power of ten, at least least.
func niceStep(least float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(max(least, 1))))
	for _, factor := range []float64{1, 2, 5} {
		if factor*power >= least {
			return factor * power
		}
	}
	return 10 * power
}

// seriesClass is the colour of the i-th load.
func seriesClass(i int) string { return fmt.Sprintf("load%d", i%4) }
