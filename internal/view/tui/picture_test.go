package tui

import (
	"os"
	"testing"

	"github.com/droverhq/drover/internal/story"
	"github.com/droverhq/drover/internal/view/jsonl"
	"github.com/droverhq/drover/internal/view/viewtest"
)

// The README shows the live view in the middle of a move: of the demo's, which
// testdata/up.jsonl records, when the second wave of nodes has left.
func TestReadmePicture(t *testing.T) {
	const moment = 100 // number of the event
	file, err := os.Open("testdata/up.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	events, err := jsonl.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	var s story.Story
	for _, e := range events[:moment] {
		s.Add(e)
	}
	now := events[moment-1].At
	viewtest.Picture(t, "move", frame{&s, colours, now, width, height, 0}.draw())
}
