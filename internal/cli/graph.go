package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/internal/view/dot"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/project"
)

func newStackGraph(env Env) *cobra.Command {
	var asJSON bool
	var format string
	cmd := &cobra.Command{
		Use:   "graph",
		Short: "Print what the stack has, and what needs what, as DOT or SVG",
		Long: `Print what the state tells of as a graph: in the DOT language, which Graphviz
draws, or as a picture in SVG. Arrows lead from what needs to what is needed;
dotted ones only say which comes first. What is replaced, or not seen ready yet,
has a dashed frame.`,
		Example: "  drover stack graph --format svg > stack.svg\n  drover stack graph | dot -Tpng > stack.png",
		Args:    cobra.NoArgs,
		RunE: on(env, func(cmd *cobra.Command, p *project.Project, _ []string) error {
			all, err := p.Graph(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(env.Stdout, all)
			}
			if format == "svg" {
				return dot.SVG(env.Stdout, "drover", nodesOf(all))
			}
			return dot.Write(env.Stdout, "drover", nodesOf(all))
		}),
	}
	oneOf(cmd.Flags(), &format, "format", "dot", "`dot`, or svg: drawn without any other program", "dot", "svg")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// nodesOf are the objects as a graph shows them: a need of any generation is
// one of that in use.
func nodesOf(all []project.Linked) []dot.Node {
	live := make(map[plan.URN]string, len(all))
	for _, o := range all {
		if live[o.URN] == "" || o.Note != "replaced" {
			live[o.URN] = nodeID(o.URN, o.Gen)
		}
	}
	nodes := make([]dot.Node, 0, len(all))
	for _, o := range all {
		n := dot.Node{ID: nodeID(o.URN, o.Gen), Label: o.Type[strings.LastIndexAny(o.Type, ":/")+1:] + "\n" + o.Name, Group: o.Component, Dim: o.Note != ""}
		for _, need := range o.Needs {
			to := dot.Need{ID: nodeID(need.URN, need.Gen)}
			if need.Gen == 0 {
				to = dot.Need{ID: live[need.URN], Weak: true}
			}
			if to.ID != "" {
				n.Needs = append(n.Needs, to)
			}
		}
		nodes = append(nodes, n)
	}
	return nodes
}

func nodeID(urn plan.URN, gen int) string {
	return fmt.Sprintf("%s/%s#%d", urn.Type(), urn.Name(), gen)
}
