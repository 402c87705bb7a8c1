package engine

import (
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
)

// stage is where one generation of a resource is in its life:
//
//	           create begins          it stands, and is ready
//	(nothing) --------------> begun ----------------------------> live
//	    ^                       |  not ready: settling, which is      | ^
//	    |  certainly not made   |  live, and waited for again         | | the change is taken back:
//	    +-----------------------+                another generation   | | it is used again
//	                                             stands, or comes     v |
//	                                                             condemned
//	                                                                  |
//	 live or condemned: its delete begins, or somebody else           v
//	 deleted it -------------------------------------------------> leaving ---> (forgotten)
//
// What a hand-over has emptied, or was about to, can be used again: its nodes
// are opened first. What is leaving is never used again: it may be half deleted
// or gone. It is forgotten once it is deleted; what went before its replacement
// came stays in the state, marked gone, until nothing refers to it.
//
// The stage is not stored. It follows from what is: the flags of the resource,
// the intents that are open, and what a look has found.
type stage int

const (
	begun stage = iota
	live
	condemned
	leaving
)

// stageOf tells the stage of a generation that has an object.
func stageOf(r state.Resource, s *state.Snapshot, seen sightings) stage {
	_, deleting := s.Intent(plan.Delete, r.URN, r.Gen)
	switch {
	case deleting, r.Gone, seen.gone(r):
		return leaving
	case r.Condemned:
		return condemned
	}
	return live
}
