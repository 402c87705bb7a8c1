package dot

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// How a picture is laid out, in pixels.
const (
	boxHeight = 44
	rowGap    = 14
	columnGap = 90
	margin    = 20
	letter    = 7  // a letter's width at 12 px, a wide guess
	leastBox  = 90 // the width of a box with a short name
)

// SVG draws the nodes without any other program: what is needed by nothing stands
// at the left, and what needs nothing at the right. Edges lead from what needs to
// what is needed; weak ones are dotted.
func SVG(w io.Writer, name string, nodes []Node) error {
	p := layOut(nodes)
	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\">\n", p.width, p.height)
	fmt.Fprintf(&b, "<title>%s</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n", escaped(name))
	for _, n := range nodes {
		for _, need := range n.Needs {
			if to, ok := p.boxes[need.ID]; ok {
				p.boxes[n.ID].edge(&b, to, need.Weak)
			}
		}
	}
	for _, n := range nodes {
		p.boxes[n.ID].draw(&b, n)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// box is where a node stands.
type box struct{ x, y, width int }

type picture struct {
	boxes         map[string]box
	width, height int
}

func layOut(nodes []Node) picture {
	columns := columnsOf(nodes)
	p := picture{boxes: make(map[string]box, len(nodes)), height: 2 * margin}
	x := margin
	for _, column := range columns {
		width := leastBox
		for _, n := range column {
			width = max(width, n.textWidth())
		}
		for row, n := range column {
			p.boxes[n.ID] = box{x, margin + row*(boxHeight+rowGap), width}
		}
		x += width + columnGap
		p.height = max(p.height, 2*margin+len(column)*(boxHeight+rowGap)-rowGap)
	}
	p.width = max(x-columnGap, margin) + margin
	return p
}

func (n Node) textWidth() int {
	longest := utf8.RuneCountInString(n.Group)
	for line := range strings.Lines(n.Label) {
		longest = max(longest, utf8.RuneCountInString(line))
	}
	return longest*letter + 2*rowGap
}

// columnsOf puts every node left of all that it needs, and beside its neighbours.
func columnsOf(nodes []Node) [][]Node {
	depth := make(map[string]int, len(nodes))
	deepest := 0
	for _, n := range nodes { // each stands after what it needs
		for _, need := range n.Needs {
			if d, before := depth[need.ID]; before {
				depth[n.ID] = max(depth[n.ID], d+1)
			}
		}
		depth[n.ID] += 0 // it is there from now on
		deepest = max(deepest, depth[n.ID])
	}
	columns := make([][]Node, min(deepest+1, len(nodes)))
	for _, n := range nodes {
		i := deepest - depth[n.ID]
		columns[i] = append(columns[i], n)
	}
	row := make(map[string]float64, len(nodes))
	for i := len(columns) - 1; i >= 0; i-- {
		slices.SortStableFunc(columns[i], func(a, b Node) int { return cmp.Compare(a.level(row), b.level(row)) })
		for at, n := range columns[i] {
			row[n.ID] = float64(at)
		}
	}
	return columns
}

// level is the middle of what a node needs.
func (n Node) level(row map[string]float64) float64 {
	sum, count := 0.0, 0.0
	for _, need := range n.Needs {
		if at, placed := row[need.ID]; placed {
			sum, count = sum+at, count+1
		}
	}
	return sum / max(count, 1)
}

func (b box) edge(w *strings.Builder, to box, weak bool) {
	dash := ""
	if weak {
		dash = ` stroke-dasharray="2 3"`
	}
	x1, y1, x2, y2 := b.x+b.width, b.y+boxHeight/2, to.x, to.y+boxHeight/2
	bend := columnGap / 2
	fmt.Fprintf(w, "<path d=\"M%d %d C%d %d %d %d %d %d\" fill=\"none\" stroke=\"#888\"%s/>\n", x1, y1, x1+bend, y1, x2-bend, y2, x2, y2, dash)
	fmt.Fprintf(w, "<circle cx=\"%d\" cy=\"%d\" r=\"3\" fill=\"#888\"/>\n", x2, y2)
}

func (b box) draw(w *strings.Builder, n Node) {
	dash := ""
	if n.Dim {
		dash = ` stroke-dasharray="5 3"`
	}
	fmt.Fprintf(w, "<g><title>%s</title><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\" fill=\"#f6f8fa\" stroke=\"#333\"%s/>", escaped(cmp.Or(n.Group, n.ID)), b.x, b.y, b.width, boxHeight, dash)
	for i, line := range strings.Split(n.Label, "\n") {
		fmt.Fprintf(w, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>", b.x+b.width/2, b.y+18+16*i, escaped(line))
	}
	w.WriteString("</g>\n")
}

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}
