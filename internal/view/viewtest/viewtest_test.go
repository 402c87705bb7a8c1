package viewtest

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestRuns(t *testing.T) {
	c := light
	got := runs("a \x1b[1;36mb\x1b[m\x1b[31mc\x1b[0m", c)
	want := []run{{"a ", c.text, ""}, {"b", c.cyan, ` font-weight="bold"`}, {"c", c.red, ""}}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Whatever a line holds, the picture is XML.
func TestDrawIsXML(t *testing.T) {
	read := xml.NewDecoder(strings.NewReader(draw("<a> & \"b\"\n\x1b[32m✓\x1b[m done", dark)))
	for {
		_, err := read.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
