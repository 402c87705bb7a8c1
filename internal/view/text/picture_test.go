package text

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/droverhq/drover/internal/verdict"
	"github.com/droverhq/drover/internal/view/viewtest"
)

// The README shows the verdict of the demo's move, which testdata/verdict.json
// is.
func TestReadmePicture(t *testing.T) {
	data, err := os.ReadFile("testdata/verdict.json")
	if err != nil {
		t.Fatal(err)
	}
	var v verdict.Verdict
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Verdict(&out, v, Style{}); err != nil {
		t.Fatal(err)
	}
	viewtest.Picture(t, "verdict", out.String())
}
