package state

import "github.com/droverhq/drover/plan"

// Stage is where one generation of a resource is in its life. It is not stored:
// it follows from the flags of the Resource and from the calls that are open.
//
//	        a create begins          it was made, and is ready
//	None --------------------> Begun --------------------------> Live
//	 ^  ^                      | | |                             ^ | ^
//	 |  +----------------------+ | |  made, not seen ready       | | |
//	 |    certainly not made     | +--------> Settling ----------+ | | it is used again:
//	 |                           |               |   it is ready   | | the change was taken back
//	 |    made, and nobody wants |               |                 v |
//	 |    it any more            +---------------+-----------> Condemned
//	 |                                another generation         |
//	 |                                stands in its place        |
//	 |    deleted                                                v
//	 +------------------- Leaving <------------------------------+
//	 |                     |    a hand-over of all of it begins, or its delete;
//	 |                     |    from Live and Settling, too
//	 | nothing refers      v    deleted before its replacement came, and
//	 +------------------- Gone  still referred to
//
// What is Leaving is never used again: it may be half emptied, half deleted, or
// not there any more.
type Stage string

// The stages.
const (
	None      Stage = ""          // the state knows nothing of it
	Begun     Stage = "begun"     // a create is open: it may exist or not
	Settling  Stage = "settling"  // it exists and was not seen ready yet
	Live      Stage = "live"      // it is in use
	Condemned Stage = "condemned" // it stands, and waits to be deleted
	Leaving   Stage = "leaving"   // it is being emptied or deleted
	Gone      Stage = "gone"      // it is deleted, and something that stands names it still
)

// Next are the stages that each can turn to.
var Next = map[Stage][]Stage{
	None:      {Begun},
	Begun:     {None, Settling, Live, Condemned},
	Settling:  {Live, Condemned, Leaving},
	Live:      {Condemned, Leaving},
	Condemned: {Live, Leaving},
	Leaving:   {None, Gone},
	Gone:      {None},
}

// Usable reports that an object stands and may be what the stack uses.
func (s Stage) Usable() bool { return s == Settling || s == Live || s == Condemned }

// Stage tells where a generation is.
func (s *Snapshot) Stage(n Need) Stage {
	if _, open := s.Intent(plan.Create, n.URN, n.Gen); open {
		return Begun
	}
	r, exists := s.Find(n.URN, n.Gen)
	_, deleting := s.Intent(plan.Delete, n.URN, n.Gen)
	switch {
	case !exists:
		return None
	case r.Gone:
		return Gone
	case deleting, r.Leaving:
		return Leaving
	case r.Condemned:
		return Condemned
	case r.Settling:
		return Settling
	}
	return Live
}
