package plan

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Line is one printed line of a plan. It stands for the steps that do the same
// to parts of the same component: a node group is one line, not five.
type Line struct {
	ID    int    `json:"id"` // 1, 2, 3 …
	Op    Op     `json:"op"`
	What  string `json:"what"` // "nodegroup/web-7c1e04b", "deployment/nginx"
	Why   string `json:"why,omitempty"`
	Needs []int  `json:"needs,omitempty"` // IDs of lines
	Steps []int  `json:"steps"`           // IDs of the steps that it stands for
}

// Lines folds a plan for a reader. Needs point at earlier lines only: where
// folding would make two lines wait for each other, a component takes two.
func Lines(p Plan) []Line { return lines(p.Steps) }

func lines(steps []Step) []Line {
	folds := fold(steps)
	lines := make([]Line, len(folds))
	for i, f := range folds {
		lines[i] = Line{ID: i + 1, Op: f.steps[0].Op, What: f.what(), Why: f.why(), Needs: f.lines(folds)}
		if len(f.steps) > 1 && lines[i].Why == "" {
			lines[i].What += fmt.Sprintf(" (%d resources)", len(f.steps))
		}
		for _, s := range f.steps {
			lines[i].Steps = append(lines[i].Steps, s.ID)
		}
	}
	return lines
}

// Columns of the text. The column of needs stays where it is as long as every
// reason to the left of one fits.
const (
	gap       = 3  // blanks between columns
	whyColumn = 46 // least width of the reasons, if there are any
)

// Text writes a plan as a table:
//
//	1 create    nodegroup/web-7c1e04b   version 1.35 -> 1.36
//	2 update    deployment/nginx        now placed on web-7c1e04b                     needs [1]
func Text(w io.Writer, p Plan) error { return write(w, Lines(p)) }

// Detail writes a plan with one line a step, each resource in its own words.
func Detail(w io.Writer, p Plan) error {
	steps := slices.Clone(p.Steps)
	for i := range steps {
		steps[i].Component = ""
	}
	return write(w, lines(steps))
}

// Table writes lines as Text does.
func Table(w io.Writer, lines []Line) error { return write(w, lines) }

func write(w io.Writer, lines []Line) error {
	if len(lines) == 0 {
		_, err := fmt.Fprintln(w, "nothing to change")
		return err
	}
	idWidth, whatWidth, whyWidth := len(strconv.Itoa(len(lines))), 0, 0
	for _, l := range lines {
		whatWidth = max(whatWidth, len(l.What)+gap)
		if l.Why != "" {
			whyWidth = max(whyWidth, whyColumn)
		}
		if len(l.Needs) > 0 && l.Why != "" {
			whyWidth = max(whyWidth, len(l.Why)+gap)
		}
	}
	var b strings.Builder
	for _, l := range lines {
		needs := ""
		if len(l.Needs) > 0 {
			needs = "needs " + fmt.Sprint(l.Needs)
		}
		row := fmt.Sprintf("%*d %-9s %-*s%-*s%s", idWidth, l.ID, l.Op, whatWidth, l.What, whyWidth, l.Why, needs)
		b.WriteString(strings.TrimRight(row, " "))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// folded is the steps behind one line, in the order of the plan.
type folded struct {
	steps []Step
	needs map[*folded]bool
}

// fold groups the steps by what they do to which generation of a component,
// and orders the groups so that each comes after those it needs.
func fold(steps []Step) []*folded {
	var all []*folded
	open := make(map[string]*folded) // by key: the line that may take one more step
	of := make(map[int]*folded)      // by step ID
	for _, s := range steps {
		f := open[key(s)]
		if f == nil || f.waitsFor(s, of) {
			f = &folded{needs: make(map[*folded]bool)}
			all = append(all, f)
			open[key(s)] = f
		}
		f.steps = append(f.steps, s)
		of[s.ID] = f
		for _, n := range s.Needs {
			if of[n] != f {
				f.needs[of[n]] = true
			}
		}
	}
	return inOrder(all)
}

// key is the same for steps that share a line. A step without a component has its own.
func key(s Step) string {
	if s.Component == "" {
		return strconv.Itoa(s.ID)
	}
	return fmt.Sprintf("%s %s %s", s.Op, s.Component, s.Suffix)
}

// waitsFor reports whether taking s into f would make f wait for itself.
func (f *folded) waitsFor(s Step, of map[int]*folded) bool {
	seen := make(map[*folded]bool)
	var reaches func(*folded) bool
	reaches = func(g *folded) bool {
		if g == f {
			return true
		}
		if seen[g] {
			return false
		}
		seen[g] = true
		for n := range g.needs {
			if reaches(n) {
				return true
			}
		}
		return false
	}
	for _, n := range s.Needs {
		if of[n] != f && reaches(of[n]) {
			return true
		}
	}
	return false
}

// inOrder keeps the order of the first steps as far as needs allow.
func inOrder(all []*folded) []*folded {
	ordered := make([]*folded, 0, len(all))
	placed := make(map[*folded]bool, len(all))
	var place func(*folded)
	place = func(f *folded) {
		if placed[f] {
			return
		}
		placed[f] = true
		for _, g := range all {
			if f.needs[g] {
				place(g)
			}
		}
		ordered = append(ordered, f)
	}
	for _, f := range all {
		place(f)
	}
	return ordered
}

func (f *folded) lines(all []*folded) []int {
	var ids []int
	for i, g := range all {
		if f.needs[g] {
			ids = append(ids, i+1)
		}
	}
	return ids
}

// what names the object in the user's words: the component, with the suffix of
// its generation if it has one, or the resource if it is alone.
func (f *folded) what() string {
	s := f.steps[0]
	if s.Suffix != "" && s.Component != "" {
		return s.Component + "-" + s.Suffix
	}
	if len(f.steps) > 1 || s.Component == word(s.URN) {
		return s.Component
	}
	name := strings.ReplaceAll(s.Name, "%3A", ":") // as package graph writes the colon of a Kubernetes name
	return word(s.URN) + "/" + name[strings.LastIndexByte(name, '/')+1:]
}

// maxWhy is how long a line's reason may get before it is cut.
const maxWhy = 100

// why joins the reasons of the steps, each once.
func (f *folded) why() string {
	var whys []string
	for _, s := range f.steps {
		if s.Why != "" && !slices.Contains(whys, s.Why) {
			whys = append(whys, s.Why)
		}
	}
	joined := strings.Join(whys, "; ")
	if len(whys) > 1 && len(joined) > maxWhy {
		return fmt.Sprintf("%s; and %d more", whys[0], len(whys)-1)
	}
	return joined
}

// word is the last part of the type as a person says it: deployment, vpc.
func word(u URN) string {
	t := u.Type()
	return strings.ToLower(t[strings.LastIndexAny(t, ":/")+1:])
}
