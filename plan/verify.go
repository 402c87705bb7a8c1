package plan

import (
	"errors"
	"fmt"
	"slices"
)

// Verify refuses a plan that could lose something: one that deletes before all
// that is made stands, hands over before everything else stands, or deletes a
// resource that workloads run on without a hand-over; and one that could not
// be carried out at all. It names every step that is wrong.
//
// Two deletes may come early: one of what cannot stand twice, which says so
// (DeleteFirst); and one that a hand-over waits for, for what is made only
// after that hand-over.
func (p Plan) Verify() error {
	if err := p.verifyOrder(); err != nil {
		return err
	}
	v := verifier{steps: p.Steps, before: ancestors(p.Steps), destroy: p.Destroy}
	for _, s := range p.Steps {
		switch s.Op {
		case HandOver:
			v.handOver(s)
		case Update:
			v.update(s)
		case Delete:
			v.delete(s)
		case Create:
		}
	}
	return errors.Join(v.errs...)
}

// verifyOrder holds what the other rules rest on: steps are numbered in order,
// need only steps before them (so there is no cycle), and no two do the same.
func (p Plan) verifyOrder() error {
	type call struct {
		op  Op
		urn URN
		gen int
	}
	seen := make(map[call]bool, len(p.Steps))
	for i, s := range p.Steps {
		if s.ID != i+1 {
			return fmt.Errorf("step %d stands at place %d", s.ID, i+1)
		}
		switch s.Op {
		case Create, Update, HandOver, Delete:
		default:
			return fmt.Errorf("step %d: unknown operation %q", s.ID, s.Op)
		}
		for _, n := range s.Needs {
			if n < 1 || n >= s.ID {
				return fmt.Errorf("step %d (%s %s) needs step %d, which is not before it", s.ID, s.Op, s.URN, n)
			}
		}
		c := call{s.Op, s.URN, s.Gen}
		if seen[c] {
			return fmt.Errorf("step %d repeats %s of %s, generation %d", s.ID, s.Op, s.URN, s.Gen)
		}
		seen[c] = true
	}
	return nil
}

type verifier struct {
	steps   []Step
	before  []bits
	destroy bool
	errs    []error
}

func (v *verifier) refuse(s Step, format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf("step %d (%s %s): %s", s.ID, s.Op, s.Name, fmt.Sprintf(format, args...)))
}

// waits reports whether s starts only after the step with this ID has succeeded.
func (v *verifier) waits(s Step, id int) bool { return v.before[s.ID-1].has(id) }

func (v *verifier) handOver(h Step) {
	for _, s := range v.steps {
		makes := s.Op == Create || s.Op == Update
		replaces := s.URN == h.URN && s.Gen != h.Gen
		if makes && !v.waits(h, s.ID) && (replaces || !v.waitsForHandOver(s)) {
			v.refuse(h, "hands over before step %d (%s %s)", s.ID, s.Op, s.Name)
		}
	}
}

// waitsForHandOver is true of a shrinking update, and of what follows it.
func (v *verifier) waitsForHandOver(s Step) bool {
	for _, h := range v.steps {
		if h.Op == HandOver && v.waits(s, h.ID) {
			return true
		}
	}
	return false
}

func (v *verifier) update(s Step) {
	for _, h := range v.steps {
		if h.Op == HandOver && h.URN == s.URN && h.Gen == s.Gen && !v.waits(s, h.ID) {
			v.refuse(s, "shrinks before the hand-over in step %d", h.ID)
		}
	}
}

func (v *verifier) delete(s Step) {
	handedOver := false
	for _, o := range v.steps {
		switch {
		case o.Op == Create && o.URN == s.URN && s.DeleteFirst:
			if !v.waits(o, s.ID) {
				v.refuse(s, "its type cannot stand twice, and step %d does not wait for it", o.ID)
			}
		case o.Op == Create && o.URN == s.URN && o.Gen > s.Gen:
			if !v.waits(s, o.ID) {
				v.refuse(s, "deletes before its replacement in step %d stands", o.ID)
			}
		case (o.Op == Create || o.Op == Update) && !s.DeleteFirst:
			if !v.waits(s, o.ID) && !v.handOverBetween(s, o) {
				v.refuse(s, "deletes before step %d (%s %s) has succeeded", o.ID, o.Op, o.Name)
			}
		case o.Op == HandOver && o.URN == s.URN && o.Gen == s.Gen:
			handedOver = v.waits(s, o.ID)
		case o.Op == HandOver && o.Component != "" && o.Component == s.Component && o.Gen == s.Gen && !s.DeleteFirst:
			if !v.waits(s, o.ID) {
				v.refuse(s, "deletes a part of %s before the hand-over in step %d", s.Component, o.ID)
			}
		}
	}
	if s.DeleteFirst && !v.destroy && !v.makesRoom(s) {
		v.refuse(s, "goes first, and nothing comes in its place")
	}
	if s.Hosts && !v.destroy && (!handedOver || !s.WhenEmpty) {
		v.refuse(s, "workloads run there and nothing hands them over")
	}
}

// handOverBetween reports that o is made after a hand-over that waits for s.
func (v *verifier) handOverBetween(s, o Step) bool {
	return slices.ContainsFunc(v.steps, func(h Step) bool {
		return h.Op == HandOver && v.waits(h, s.ID) && v.waits(o, h.ID)
	})
}

// makesRoom reports that something is made only after s is gone.
func (v *verifier) makesRoom(s Step) bool {
	return slices.ContainsFunc(v.steps, func(o Step) bool { return o.Op == Create && v.waits(o, s.ID) })
}

// Reduce drops from deletes the needs that their other needs imply: which step
// runs when stays the same, and a reader sees what each really waits for.
func Reduce(steps []Step) {
	before := ancestors(steps)
	for i, s := range steps {
		if s.Op != Delete {
			continue
		}
		implied := make(bits, len(steps)/64+1)
		var direct []int
		slices.Sort(s.Needs)
		for _, n := range slices.Backward(s.Needs) { // what implies a need comes after it
			if !implied.has(n) {
				implied.join(before[n-1])
				direct = append(direct, n)
			}
		}
		slices.Sort(direct)
		steps[i].Needs = direct
	}
}

// bits is a set of step IDs.
type bits []uint64

func (b bits) add(id int)      { b[id/64] |= 1 << (id % 64) }
func (b bits) has(id int) bool { return b[id/64]&(1<<(id%64)) != 0 }
func (b bits) join(o bits) {
	for i := range b {
		b[i] |= o[i]
	}
}

// ancestors lists for every step all the steps that come before it for sure.
func ancestors(steps []Step) []bits {
	before := make([]bits, len(steps))
	for i, s := range steps {
		before[i] = make(bits, len(steps)/64+1)
		for _, n := range s.Needs {
			before[i].add(n)
			before[i].join(before[n-1])
		}
	}
	return before
}
