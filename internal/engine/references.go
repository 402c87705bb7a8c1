package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// Outputter is what a Provider adds that knows what objects of a type have at
// the top. None is a type of which it does not know that.
type Outputter interface {
	Outputs(typ string) []string
}

// checkOutputs reports references to outputs that no object of the type can
// have: a run would find that out at its end, with everything made.
func (e *Engine) checkOutputs(g *graph.Graph) problem.List {
	c := outputChecker{engine: e, known: make(map[string][]string), seen: make(map[string]bool)}
	for _, r := range g.Resources {
		c.paths(r)
		r.EachRef(func(ref value.Ref) { c.check(ref, r.String(), r.At) })
	}
	for _, o := range g.Outputs {
		c.tree(o.Value, "outputs."+o.Name, o.At)
	}
	for _, guard := range g.Guards {
		c.tree(guard.Target.Tree(), "guard", guard.At)
	}
	return c.problems
}

type outputChecker struct {
	engine   *Engine
	known    map[string][]string // by type
	seen     map[string]bool     // each mistake is told once
	problems problem.List
}

func (c *outputChecker) tree(tree any, op string, at problem.Place) {
	value.EachRef(tree, func(ref value.Ref) { c.check(ref, op, at) })
}

func (c *outputChecker) check(ref value.Ref, op string, at problem.Place) {
	if ref.Lookup != "" || ref.Path == graph.NamePath {
		return
	}
	names := c.outputs(ref.Key.Type)
	name, _, _ := strings.Cut(ref.Path, ".")
	if len(names) == 0 || slices.Contains(names, name) {
		return
	}
	once := op + " " + ref.String()
	if c.seen[once] {
		return
	}
	c.seen[once] = true
	c.problems = append(c.problems, &problem.Error{Kind: problem.Usage, At: at, Op: op,
		Err: fmt.Errorf("%s has no output %q", ref.Key, name), Fix: "refer to one that it has: " + strings.Join(names, ", ")})
}

// paths reports properties whose changes the user judges, and which no object
// of the type has.
func (c *outputChecker) paths(r graph.Resource) {
	for _, path := range slices.Concat(r.Options.IgnoreChanges, r.Options.ReplaceOnChanges) {
		names := c.outputs(r.Type)
		name, _, _ := strings.Cut(path, ".")
		if len(names) > 0 && !slices.Contains(names, name) {
			c.problems = append(c.problems, &problem.Error{Kind: problem.Usage, At: r.At, Op: r.String(),
				Err: fmt.Errorf("%q, whose changes the file judges, is no property of its type", path), Fix: "name one that it has: " + strings.Join(names, ", ")})
		}
	}
}

func (c *outputChecker) outputs(typ string) []string {
	names, ok := c.known[typ]
	if ok {
		return names
	}
	if provider, err := c.engine.Providers(typ); err == nil { // a type that nobody knows is told elsewhere
		if knows, ok := provider.(Outputter); ok {
			names = knows.Outputs(typ)
		}
	}
	c.known[typ] = names
	return names
}
