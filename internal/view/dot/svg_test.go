package dot_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/droverhq/drover/internal/view/dot"
)

// A picture is XML, whatever things are called, has every node and edge, and what is
// needed stands to the right of what needs it.
func TestSVG(t *testing.T) {
	var b strings.Builder
	err := dot.SVG(&b, "shop & <dev>", []dot.Node{
		{ID: "vpc", Label: "VPC\nnetwork", Group: "network"},
		{ID: "subnet", Label: "Subnet\n<a&b>", Dim: true, Needs: []dot.Need{{ID: "vpc"}, {ID: "nowhere"}}},
		{ID: "group", Label: "Group", Needs: []dot.Need{{ID: "subnet"}, {ID: "vpc", Weak: true}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	var x []string
	for d := xml.NewDecoder(strings.NewReader(b.String())); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		if e, is := token.(xml.StartElement); is {
			if counts[e.Name.Local]++; e.Name.Local == "rect" && e.Attr[0].Name.Local == "x" {
				x = append(x, e.Attr[0].Value)
			}
		}
	}
	if counts["path"] != 3 || counts["g"] != 3 || strings.Join(x, " ") != "380 200 20" {
		t.Errorf("%v %v\n%s", counts, x, b.String())
	}
}

// Nothing at all is a picture, too.
func TestSVGOfNothing(t *testing.T) {
	var b strings.Builder
	if err := dot.SVG(&b, "x", nil); err != nil || !strings.HasSuffix(b.String(), "</svg>\n") {
		t.Error(err, b.String())
	}
}
