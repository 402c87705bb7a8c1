package state

import (
	"time"

	"github.com/droverhq/drover/internal/seal"
	"github.com/droverhq/drover/plan"
)

// entry is one fact of the journal.
type entry struct {
	Seq      uint64        `json:"seq"`
	At       time.Time     `json:"at"`
	What     what          `json:"what"`
	Intent   *Intent       `json:"intent,omitempty"`   // begin; done and failed: which one
	Result   *Resource     `json:"resource,omitempty"` // done: as it is; note
	NotMade  bool          `json:"notMade,omitempty"`  // failed: for sure without an effect
	Outputs  stored        `json:"outputs,omitempty"`
	Identity *Identity     `json:"identity,omitempty"` // pin
	Way      *Way          `json:"way,omitempty"`      // way; nil: it is closed
	Renames  []plan.Rename `json:"renames,omitempty"`  // rename
	Wrapped  *seal.Wrapped `json:"wrapped,omitempty"`  // with the first secret of the stack
}

type what string

const (
	begin   what = "begin"   // a call is about to be sent
	done    what = "done"    // it succeeded
	failed  what = "failed"  // it came back with an error
	note    what = "note"    // something was learnt about a resource without a call
	memo    what = "memo"    // a hand-over stored what it cannot observe
	outputs what = "outputs" // the stack's outputs were resolved
	pin     what = "pin"     // where the stack lives was settled
	way     what = "way"     // a change began, turns back, or is through
	rename  what = "rename"  // resources are called otherwise
)
