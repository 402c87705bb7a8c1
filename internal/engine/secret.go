package engine

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// How secrets keep hidden while a plan is made and carried out. What the user
// marked is marked in the graph already. What is secret by its type is marked
// here before anything is compared; what a provider gives back is marked before
// it is stored; and what others write about it (an error that quotes the value)
// passes a veil on its way to events, history and the caller.

// Secretive is what a Provider adds that knows types with properties that are
// secret, whoever writes them. A path is a/b/*/c.
type Secretive interface {
	Secrets(typ string) (paths []string)
}

// concealed is the graph with all that is secret by type marked as such.
func (e *Engine) concealed(g *graph.Graph) (*graph.Graph, error) {
	c := *g
	c.Resources = make([]graph.Resource, len(g.Resources))
	byType := make(map[string][]string)
	for i, r := range g.Resources {
		paths, known := byType[r.Type]
		if !known {
			var err error
			if paths, err = e.secrets(r.Type); err != nil {
				return nil, err
			}
			byType[r.Type] = paths
		}
		r.Props = value.HideAt(r.Props, paths)
		c.Resources[i] = r
	}
	return &c, nil
}

func (e *Engine) secrets(typ string) ([]string, error) {
	provider, err := e.Providers(typ)
	if err != nil {
		return nil, err
	}
	if knows, ok := provider.(Secretive); ok {
		return knows.Secrets(typ), nil
	}
	return nil, nil
}

// outputs are what a provider gave, with all that is secret in it marked.
func (e *Engine) outputs(typ string, given, inputs plan.Props) plan.Props {
	paths, err := e.secrets(typ)
	if err != nil {
		paths = nil // an unknown type has no provider that could have answered
	}
	return value.Taint(value.HideAt(given, paths), inputs)
}

// veiled is a sink that takes secrets out of what others wrote.
type veiled struct {
	event.Sink
	veil *value.Veil
}

// Emit passes the fact on.
func (v veiled) Emit(f event.Fact) {
	switch fact := f.(type) {
	case event.Progress:
		fact.Waiting = v.veil.Text(fact.Waiting)
		f = fact
	case event.StepFinished:
		fact.Error = v.veil.Text(fact.Error)
		f = fact
	case event.Finding:
		fact.Effect, fact.Fix = v.veil.Text(fact.Effect), v.veil.Text(fact.Fix)
		f = fact
	}
	v.Sink.Emit(f)
}

// unveiled is an error without secrets. Its kinds, places and remedies stay.
func unveiled(err error, veil *value.Veil) error {
	if err == nil || veil.Text(err.Error()) == err.Error() && !notesLeak(err, veil) {
		return err
	}
	var list problem.List
	var one *problem.Error
	switch {
	case errors.As(err, &list):
		out := make(problem.List, len(list))
		for i, p := range list {
			out[i] = unveiledProblem(p, veil)
		}
		return out
	case errors.As(err, &one):
		return unveiledProblem(one, veil)
	}
	return errors.New(veil.Text(err.Error()))
}

func notesLeak(err error, veil *value.Veil) bool {
	var p *problem.Error
	if !errors.As(err, &p) {
		return false
	}
	for _, text := range append([]string{p.Fix}, p.Notes...) {
		if veil.Text(text) != text {
			return true
		}
	}
	return false
}

func unveiledProblem(p *problem.Error, veil *value.Veil) *problem.Error {
	c := *p
	c.Op, c.Fix = veil.Text(p.Op), veil.Text(p.Fix)
	if p.Err != nil {
		c.Err = errors.New(veil.Text(p.Err.Error()))
	}
	c.Notes = nil
	for _, n := range p.Notes {
		c.Notes = append(c.Notes, veil.Text(n))
	}
	return &c
}

// awsParameters are those that AWS itself publishes, for everybody to read.
const awsParameters = "/aws/service/"

// StoresSecrets reports that carrying out the plan will store a secret. The
// user's own parameters are looked up to find out.
func (e *Engine) StoresSecrets(ctx context.Context, p plan.Plan, g *graph.Graph) (bool, error) {
	trees := make([]any, 0, len(p.Steps)+len(g.Outputs))
	for _, s := range p.Steps {
		paths, err := e.secrets(s.URN.Type())
		if err != nil {
			return false, err
		}
		if s.Op == plan.Create && slices.Contains(paths, "data") {
			return true, nil // somebody else may fill it
		}
		trees = append(trees, s.Want)
	}
	for _, o := range g.Outputs {
		trees = append(trees, o.Value)
	}
	if value.HasSecret(trees) {
		return true, nil
	}
	for _, ref := range value.Refs(trees) {
		if ref.Lookup == "" || strings.HasPrefix(ref.Lookup, awsParameters) || strings.HasPrefix(ref.Lookup, value.AddonPrefix) {
			continue
		}
		v, err := e.Lookup(ctx, ref.Lookup)
		if err != nil || value.HasSecret(v) {
			return err == nil, err
		}
	}
	return false, nil
}
