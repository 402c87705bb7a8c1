package drover

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/droverhq/drover/move"
)

// seen is what a run has learned of the program's groups so far. Hooks run side
// by side.
type seen struct {
	mu     sync.Mutex
	groups map[key]*group
}

// group is one that the program has in this run.
type group struct {
	registered  bool        // by the program: it is not removed
	deleteFirst bool        // it is to be deleted before its replacement is made
	reached     bool        // its old state can be added to
	stood       string      // its ID in the old state
	old         move.Set    // what that is called
	fresh       *move.Fresh // it is being made, anew or for the first time
	made        move.Set    // it was made in this run
}

func (s *seen) with(k key, do func(*group)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups == nil {
		s.groups = map[key]*group{}
	}
	if s.groups[k] == nil {
		s.groups[k] = &group{}
	}
	do(s.groups[k])
}

func (s *seen) register(k key, deleteFirst bool) {
	s.with(k, func(g *group) { g.registered, g.deleteFirst = true, deleteFirst })
}

func (s *seen) of(k key) (known group) {
	s.with(k, func(g *group) { known = *g })
	return known
}

// fresh are the nodes of all groups that are being made.
func (s *seen) fresh() (all []move.Fresh) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.groups {
		if g.fresh != nil {
			all = append(all, *g.fresh)
		}
	}
	return all
}

// takers are the groups that are to have the pods of one: its replacement and
// whatever else was made in this run, or what an earlier run has made in its place.
func (s *seen) takers(k key, from move.Set) []move.Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[move.Set]bool{}
	for _, g := range s.groups {
		all[g.made] = true
	}
	if g := s.groups[k]; g != nil && g.made == (move.Set{}) {
		all[g.old] = true
	}
	delete(all, move.Set{})
	delete(all, from)
	return slices.SortedFunc(maps.Keys(all), func(a, b move.Set) int { return strings.Compare(a.String(), b.String()) })
}

// first: the group would be deleted before its replacement is made. What is
// deleted is what stands, the program still has it, and nothing was made for it.
func (g group) first(id string) bool {
	return g.deleteFirst || g.registered && g.stood != "" && g.stood == id && g.fresh == nil
}
