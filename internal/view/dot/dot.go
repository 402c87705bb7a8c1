// Package dot writes what a stack has as a graph: in the DOT language, which
// Graphviz and many others draw, or drawn by itself as SVG. It reads what the library tells of the state;
// the command "stack graph" prints it.
package dot

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Node is one thing, and what it needs.
type Node struct {
	ID    string // that no other has
	Label string // lines of text
	Group string // what it is a part of: nodegroup/web; empty: it stands alone
	Dim   bool   // it goes, or is not known to stand
	Needs []Need
}

// Need is an edge. A weak one says no more than which comes first.
type Need struct {
	ID   string
	Weak bool
}

// Write writes the nodes in their order, those of a group in a frame. Edges
// lead from what needs to what is needed.
func Write(w io.Writer, name string, nodes []Node) error {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n  rankdir=LR\n  node [shape=box, style=rounded, fontname=\"Helvetica\"]\n", quoted(name))
	var done []string
	for _, n := range nodes {
		switch {
		case n.Group == "":
			n.write(&b, "  ")
		case !slices.Contains(done, n.Group):
			done = append(done, n.Group)
			frame(&b, n.Group, nodes)
		}
	}
	for _, n := range nodes {
		n.edges(&b)
	}
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func frame(b *strings.Builder, group string, nodes []Node) {
	fmt.Fprintf(b, "  subgraph %s {\n    label=%s\n", quoted("cluster "+group), quoted(group))
	for _, n := range nodes {
		if n.Group == group {
			n.write(b, "    ")
		}
	}
	b.WriteString("  }\n")
}

func (n Node) write(b *strings.Builder, indent string) {
	dim := ""
	if n.Dim {
		dim = ", style=\"rounded,dashed\""
	}
	fmt.Fprintf(b, "%s%s [label=%s%s]\n", indent, quoted(n.ID), quoted(n.Label), dim)
}

func (n Node) edges(b *strings.Builder) {
	for _, need := range n.Needs {
		style := ""
		if need.Weak {
			style = " [style=dotted]"
		}
		fmt.Fprintf(b, "  %s -> %s%s\n", quoted(n.ID), quoted(need.ID), style)
	}
}

// quoted is text as DOT takes it.
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text) + `"`
}
