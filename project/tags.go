package project

import (
	"strings"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/plan"
)

// tagger knows how objects of a type are tagged.
type tagger interface {
	Tagged(typ string, props plan.Props, tags map[string]string) plan.Props
}

// defaultTags puts the stack file's tags on every AWS object that can have some,
// where the plan compares and shows them as it does those of the file.
func defaultTags(g *graph.Graph, tags map[string]string, by tagger) {
	if len(tags) == 0 {
		return
	}
	for i := range g.Resources {
		if r := &g.Resources[i]; strings.Contains(r.Type, "::") {
			r.Props = by.Tagged(r.Type, r.Props, tags)
		}
	}
}
