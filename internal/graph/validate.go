package graph

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// Validate reports every mistake that can be seen in the graph alone: keys
// used twice, references that lead nowhere, and a cycle.
func Validate(g *Graph) problem.List {
	v := validator{index: g.index()}
	v.duplicates(g)
	for _, r := range g.Resources {
		v.resource(r)
	}
	for _, o := range g.Outputs {
		v.tree(o.Value, "outputs."+o.Name, o.At)
	}
	for _, guard := range g.Guards {
		v.tree(guard.Target.Tree(), "guard", guard.At)
	}
	v.cycle(g)
	return v.problems
}

type validator struct {
	index    map[Key]Resource
	problems problem.List
}

func (v *validator) add(at problem.Place, op string, err error, fix string) {
	v.problems = append(v.problems, &problem.Error{Kind: problem.Usage, At: at, Op: op, Err: err, Fix: fix})
}

func (v *validator) duplicates(g *Graph) {
	seen := make(map[Key]problem.Place, len(g.Resources))
	for _, r := range g.Resources {
		first, twice := seen[r.Key]
		if !twice {
			seen[r.Key] = r.At
			continue
		}
		v.add(r.At, r.String(), fmt.Errorf("is declared twice, first at %s", first),
			"remove one of the two, or give it another name")
	}
}

func (v *validator) resource(r Resource) {
	seen := make(map[Key]bool)
	r.EachRef(func(ref value.Ref) {
		if !seen[ref.Key] {
			seen[ref.Key] = true
			v.reference(ref, r.String(), r.At)
		}
	})
	for _, k := range r.After {
		v.defined(k, r.String(), r.At)
	}
}

// tree checks the references in a tree.
func (v *validator) tree(tree any, op string, at problem.Place) {
	for _, ref := range value.Refs(tree) {
		v.reference(ref, op, at)
	}
}

func (v *validator) reference(ref value.Ref, op string, at problem.Place) {
	if ref.Lookup == "" {
		v.defined(ref.Key, op, at)
	}
}

func (v *validator) defined(k Key, op string, at problem.Place) {
	if _, ok := v.index[k]; ok {
		return
	}
	v.add(at, op, fmt.Errorf("refers to %s, which the stack does not have", k), v.remedy(k))
}

// remedy names the resources of the same type, which is where a slip of the
// pen is most likely to be found.
func (v *validator) remedy(k Key) string {
	var names []string
	for other := range v.index {
		if other.Type == k.Type {
			names = append(names, other.Name)
		}
	}
	if len(names) == 0 {
		return fmt.Sprintf("declare it, or remove the reference; the stack has no %s", k.Type)
	}
	slices.Sort(names)
	return fmt.Sprintf("declare it, or refer to one that exists: %s", strings.Join(names, ", "))
}

func (v *validator) cycle(g *Graph) {
	cycle := g.cycle()
	if cycle == nil {
		return
	}
	v.add(v.index[cycle[0]].At, cycle[0].String(), errors.New("depends on itself: "+arrows(cycle)),
		"remove one of these references")
}
