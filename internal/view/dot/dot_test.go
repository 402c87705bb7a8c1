package dot_test

import (
	"strings"
	"testing"

	"github.com/droverhq/drover/internal/view/dot"
)

// Frames hold the parts of a group wherever they stand in the order, and text
// that would end a string does not.
func TestWrite(t *testing.T) {
	var b strings.Builder
	err := dot.Write(&b, "shop/dev", []dot.Node{
		{ID: "vpc", Label: "VPC\nnetwork", Group: "network"},
		{ID: `a"b\`, Label: "Queue"},
		{ID: "subnet", Label: "Subnet", Group: "network", Dim: true, Needs: []dot.Need{{ID: "vpc"}, {ID: `a"b\`, Weak: true}}},
	})
	const want = `digraph "shop/dev" {
  rankdir=LR
  node [shape=box, style=rounded, fontname="Helvetica"]
  subgraph "cluster network" {
    label="network"
    "vpc" [label="VPC\nnetwork"]
    "subnet" [label="Subnet", style="rounded,dashed"]
  }
  "a\"b\\" [label="Queue"]
  "subnet" -> "vpc"
  "subnet" -> "a\"b\\" [style=dotted]
}
`
	if err != nil || b.String() != want {
		t.Errorf("%v\n%s", err, b.String())
	}
}
