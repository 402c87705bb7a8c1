package graph

import (
	"fmt"
	"slices"
	"strings"

	"github.com/droverhq/drover/value"
)

// Needs lists what must stand before the resource: what its properties and
// its connection refer to, and After. Its own physical name is not a need.
func (r Resource) Needs() []Key {
	var needs []Key
	seen := make(map[Key]bool)
	add := func(k Key) {
		if !seen[k] {
			seen[k] = true
			needs = append(needs, k)
		}
	}
	r.EachRef(func(ref value.Ref) {
		if ref.Lookup == "" && (ref.Key != r.Key || ref.Path != NamePath) {
			add(ref.Key)
		}
	})
	for _, k := range r.After {
		add(k)
	}
	return needs
}

// EachRef calls visit for every reference of the resource.
func (r Resource) EachRef(visit func(value.Ref)) {
	for _, k := range r.From {
		visit(value.Ref{Key: k, Path: NamePath})
	}
	value.EachRef(r.Props, visit)
	value.EachRef(r.Conn, visit)
	if r.Hosts != nil {
		value.EachRef(r.Hosts.Conn, visit)
	}
}

// Sorted returns the resources so that each stands after what it needs, and
// otherwise in the order of the graph. Needs outside the graph do not count:
// Validate reports them. A cycle is an error that names its members.
func (g *Graph) Sorted() ([]Resource, error) {
	if cycle := g.cycle(); cycle != nil {
		return nil, fmt.Errorf("depends on itself: %s", arrows(cycle))
	}
	s := sorter{index: g.index(), done: make(map[Key]bool, len(g.Resources))}
	for _, r := range g.Resources {
		s.visit(r)
	}
	return s.out, nil
}

type sorter struct {
	index map[Key]Resource
	done  map[Key]bool
	out   []Resource
}

func (s *sorter) visit(r Resource) {
	if s.done[r.Key] {
		return
	}
	s.done[r.Key] = true
	for _, k := range r.Needs() {
		if need, ok := s.index[k]; ok {
			s.visit(need)
		}
	}
	s.out = append(s.out, r)
}

func (g *Graph) index() map[Key]Resource {
	index := make(map[Key]Resource, len(g.Resources))
	for _, r := range g.Resources {
		if _, twice := index[r.Key]; !twice {
			index[r.Key] = r
		}
	}
	return index
}

// cycle finds one cycle, as the keys on it in the order "needs".
func (g *Graph) cycle() []Key {
	c := cycleFinder{index: g.index(), done: make(map[Key]bool, len(g.Resources)), on: make(map[Key]bool)}
	for _, r := range g.Resources {
		if found := c.visit(r); found != nil {
			return found
		}
	}
	return nil
}

type cycleFinder struct {
	index map[Key]Resource
	done  map[Key]bool
	path  []Key // from the resource the search began with to the one it is at
	on    map[Key]bool
}

func (c *cycleFinder) visit(r Resource) []Key {
	if c.on[r.Key] {
		return slices.Clone(c.path[slices.Index(c.path, r.Key):])
	}
	if c.done[r.Key] {
		return nil
	}
	c.path, c.on[r.Key] = append(c.path, r.Key), true
	for _, k := range r.Needs() {
		need, ok := c.index[k]
		if !ok {
			continue
		}
		if found := c.visit(need); found != nil {
			return found
		}
	}
	c.path, c.on[r.Key] = c.path[:len(c.path)-1], false
	c.done[r.Key] = true
	return nil
}

// arrows writes a cycle as a -> b -> a.
func arrows(cycle []Key) string {
	names := make([]string, 0, len(cycle)+1)
	for _, k := range append(slices.Clone(cycle), cycle[0]) {
		names = append(names, k.String())
	}
	return strings.Join(names, " -> ")
}
