// Package viewtest draws what a terminal shows as an SVG, and holds the
// README's pictures to what the views draw today: their tests draw a recorded
// run, and Picture compares.
package viewtest

import (
	"flag"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Picture compares docs/pictures/NAME-light.svg and -dark.svg with a terminal's
// text; with -update it writes them.
func Picture(t *testing.T, name, text string) {
	t.Helper()
	for suffix, c := range map[string]colours{"light": light, "dark": dark} {
		path := filepath.Join("../../../docs/pictures", name+"-"+suffix+".svg")
		want := draw(text, c)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is not what the view draws now (make update)", path)
		}
	}
}

// colours of a terminal.
type colours struct{ back, edge, text, faint, red, green, cyan string }

var (
	light = colours{"#ffffff", "#d0d7de", "#1f2328", "#6e7781", "#cf222e", "#116329", "#1b7c83"}
	dark  = colours{"#0d1117", "#30363d", "#e6edf3", "#7d8590", "#ff7b72", "#56d364", "#76e3ea"}
)

// Sizes in pixels. A column is as wide as in the usual monospaced fonts; every
// run of text is stretched to its columns, whatever font a browser takes.
const (
	size, column, row, margin = 13, 7.8, 19, 16
)

// draw is the SVG of a text with the escape sequences of ECMA-48, "select
// graphic rendition".
func draw(text string, c colours) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	columns := 0
	for _, l := range lines {
		columns = max(columns, ansi.StringWidth(l))
	}
	width, height := float64(columns)*column+2*margin, len(lines)*row+2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" viewBox="0 0 %.0f %d" `+
		`font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="%d">`+"\n", width, height, width, height, size)
	fmt.Fprintf(&b, `<rect x="0.5" y="0.5" width="%.0f" height="%d" rx="8" fill="%s" stroke="%s"/>`+"\n", width-1, height-1, c.back, c.edge)
	for i, l := range lines {
		at := 0
		for _, r := range runs(l, c) {
			columns := ansi.StringWidth(r.text)
			if strings.TrimSpace(r.text) != "" {
				fmt.Fprintf(&b, `<text x="%.1f" y="%d" textLength="%.1f" lengthAdjust="spacingAndGlyphs" xml:space="preserve" fill="%s"%s>%s</text>`+"\n",
					margin+float64(at)*column, margin+i*row+row*3/4, float64(columns)*column, r.colour, r.weight, html.EscapeString(r.text))
			}
			at += columns
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// run is text of one look.
type run struct{ text, colour, weight string }

// runs takes a line apart at its escape sequences.
func runs(line string, c colours) []run {
	var found []run
	now := run{colour: c.text}
	for i, part := range strings.Split(line, "\x1b[") {
		if i > 0 {
			var codes string
			codes, part, _ = strings.Cut(part, "m")
			for _, code := range strings.Split(codes, ";") {
				now.look(code, c)
			}
		}
		if now.text = part; part != "" {
			found = append(found, now)
		}
	}
	return found
}

// look takes one code of an escape sequence.
func (r *run) look(code string, c colours) {
	switch code {
	case "", "0":
		*r = run{colour: c.text}
	case "1":
		r.weight = ` font-weight="bold"`
	case "2":
		r.colour = c.faint
	case "31":
		r.colour = c.red
	case "32":
		r.colour = c.green
	case "36":
		r.colour = c.cyan
	}
}
