package state

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/droverhq/drover/internal/seal"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// What a person does to a state as a whole. Nothing outside is touched.

// Rewrite makes of a stack's state what edit makes of it, while nobody else
// can change it. What it was before is kept, and it is told where.
func (s *Store) Rewrite(ctx context.Context, stack, command string, edit func(*Snapshot) (*Snapshot, error)) (backup string, err error) {
	session, err := s.Lock(ctx, stack, command)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, session.Unlock(ctx)) }()
	before := session.Snapshot()
	after, err := edit(before)
	if err != nil {
		return "", err
	}
	key := backupKey(stack, before.Serial)
	if err := s.writeCheckpoint(ctx, key, before); err != nil {
		return "", err
	}
	return s.where(key), session.become(ctx, after)
}

func backupKey(stack string, serial uint64) string {
	return fmt.Sprintf("%sbackup/%012d.checkpoint", stackPrefix(stack), serial)
}

// become makes the state another one. Its serial only grows, so that no token
// is given out twice.
func (s *Session) become(ctx context.Context, after *Snapshot) error {
	if err := after.Verify(); err != nil {
		return fmt.Errorf("refuse to write a damaged state: %w", err)
	}
	if err := s.Start(ctx, nil); err != nil {
		return err
	}
	s.mu.Lock()
	next := *after
	next.Serial = max(after.Serial, s.ledger.head.Serial) + 1
	s.ledger, s.view = newLedger(&next), nil
	s.mu.Unlock()
	return s.Finish(ctx, nil)
}

// Under is the same state under another name of stack or project. Physical
// names stay: they come from the stack's ID. It is refused while a call is
// open, as that could be found by its old owner's tags alone.
func (s *Snapshot) Under(stack, project string) (*Snapshot, error) {
	if len(s.Pending) > 0 {
		return nil, &problem.Error{Kind: problem.Refused, Op: "rename stack " + s.Stack,
			Err: fmt.Errorf("the end of %d calls is not known, the first a %s of %s", len(s.Pending), s.Pending[0].Op, s.Pending[0].URN),
			Fix: fmt.Sprintf("drover up under the old name (project %s, stack %s) finds out, or drover state resolve; then rename", s.Project, s.Stack)}
	}
	out := *s
	out.Stack, out.Project, out.at = stack, project, nil
	out.Resources, out.Way = renamed(s.Resources, stack, project), s.Way.under(stack, project)
	return &out, nil
}

// Rename gives a stack another name. At no moment there are two that own the
// same objects: first the state says its new name where it is, and cannot be
// used there any more; then it is written where it belongs; then it is removed.
// Cut off, the same call goes on.
func (s *Store) Rename(ctx context.Context, stack, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if name == stack {
		return &problem.Error{Kind: problem.Usage, Op: "rename stack " + stack, Err: errors.New("that is its name"), Fix: "give another one"}
	}
	session, err := s.lockAs(ctx, stack, "stack rename", s.loadAny)
	if err != nil {
		return err
	}
	if err := s.rename(ctx, session, stack, name); err != nil {
		return errors.Join(err, session.Unlock(ctx))
	}
	return s.erase(ctx, stack)
}

func (s *Store) rename(ctx context.Context, session *Session, stack, name string) error {
	snap := session.Snapshot()
	if snap.Stack != stack && snap.Stack != name {
		return s.belongs(ctx, stack, snap)
	}
	switch there, err := s.exists(ctx, name); {
	case err != nil:
		return err
	case there:
		return s.arrived(ctx, snap, name)
	}
	if snap.Stack == stack {
		after, err := snap.Under(name, snap.Project)
		if err == nil {
			err = session.become(ctx, after)
		}
		if err != nil {
			return err
		}
	}
	if err := s.copyHistory(ctx, stack, name); err != nil {
		return err
	}
	return s.lay(ctx, session.Snapshot())
}

// arrived refuses a name that is taken, unless what stands there is the very
// same state, which a rename that was cut off has written.
func (s *Store) arrived(ctx context.Context, snap *Snapshot, name string) error {
	there, err := s.Read(ctx, name)
	if err != nil {
		return err
	}
	if snap.Stack == name && there.ID == snap.ID && there.Serial == snap.Serial {
		return nil
	}
	return &problem.Error{Kind: problem.Usage, Op: "rename stack to " + name, Err: errors.New("there is a stack of this name"),
		Fix: "choose another name; drover stack ls lists those that are taken"}
}

func (s *Store) copyHistory(ctx context.Context, stack, name string) error {
	runs, err := s.History(ctx, stack)
	if err != nil {
		return err
	}
	for _, run := range runs {
		if err := s.writeRun(ctx, name, &run); err != nil {
			return err
		}
	}
	return nil
}

// Moved is the state with a resource under another URN, which all that need it
// follow. What it is outside stays: its physical name and its tags, by which an
// open call could be found, so that is refused.
func (s *Snapshot) Moved(from, to plan.URN) (*Snapshot, error) {
	refuse := func(kind problem.Kind, fix, format string, args ...any) (*Snapshot, error) {
		return nil, &problem.Error{Kind: kind, Op: "mv " + string(from), Err: fmt.Errorf(format, args...), Fix: fix}
	}
	switch {
	case to != plan.NewURN(s.Stack, s.Project, from.Type(), to.Name()) || to.Name() == "":
		return refuse(problem.Usage, "give one like "+string(plan.NewURN(s.Stack, s.Project, from.Type(), "NAME")),
			"%s is no URN of the same type, stack and project", to)
	case s.Knows(to):
		return refuse(problem.Refused, "choose another name, or drover state rm that one first", "the state knows %s already", to)
	case s.unsettled(from):
		return refuse(problem.Refused, "drover up finds out, or drover state resolve; then mv", "the end of a call about it is not known")
	}
	return s.Renamed([]plan.Rename{{From: from, To: to}})
}

// Renamed is the state with resources under other URNs, perhaps of another
// version of their type; all that need them follow, also on the way back of a
// change. Nothing outside is touched.
func (s *Snapshot) Renamed(renames []plan.Rename) (*Snapshot, error) {
	out := *s
	for _, r := range renames {
		switch {
		case !out.Knows(r.From):
			return nil, fmt.Errorf("rename %s: the state has no such resource", r.From)
		case out.Knows(r.To):
			return nil, fmt.Errorf("rename %s: the state knows %s already", r.From, r.To)
		case out.unsettled(r.From):
			return nil, fmt.Errorf("rename %s: the end of a call about it is not known", r.From)
		}
		out.at, out.Resources, out.Pending = nil, slices.Clone(out.Resources), slices.Clone(out.Pending)
		renameAll(out.Resources, r)
		for i, in := range out.Pending {
			if in.Resource != nil {
				after := in.Resource.renamed(r)
				out.Pending[i].Resource = &after
			}
		}
		if out.Way != nil {
			way := *out.Way
			way.Former = slices.Clone(way.Former)
			renameAll(way.Former, r)
			out.Way = &way
		}
	}
	return &out, nil
}

func renameAll(resources []Resource, by plan.Rename) {
	for i := range resources {
		resources[i] = resources[i].renamed(by)
	}
}

// unsettled reports that the end of a call about a resource is not known.
func (s *Snapshot) unsettled(urn plan.URN) bool {
	return slices.ContainsFunc(s.Pending, func(in Intent) bool { return in.URN == urn })
}

// Knows reports that there is a generation of a resource, or may be one.
func (s *Snapshot) Knows(urn plan.URN) bool {
	return slices.ContainsFunc(s.Resources, func(r Resource) bool { return r.URN == urn }) || s.unsettled(urn)
}

// renamed is the resource once one is called otherwise.
func (r Resource) renamed(by plan.Rename) Resource {
	if r.URN == by.From {
		r.URN, r.Type = by.To, by.To.Type()
	}
	r.Needs = slices.Clone(r.Needs)
	for i := range r.Needs {
		if r.Needs[i].URN == by.From {
			r.Needs[i].URN = by.To
		}
	}
	return r
}

// Resealed is the state with its secrets sealed by another key; open opens the
// one that they have. A state without secrets needs none.
func (s *Snapshot) Resealed(open func(seal.Wrapped) (*seal.Key, error), wrapped seal.Wrapped, key *seal.Key) (*Snapshot, error) {
	if s.Wrapped == nil {
		return s, nil
	}
	text, err := encodeCheckpoint(s)
	if err != nil {
		return nil, err
	}
	out, err := decodeCheckpoint(text) // shares no secret with s, which stays as it is
	if err != nil {
		return nil, err
	}
	old, err := open(*s.Wrapped)
	if err != nil {
		return nil, err
	}
	trees := out.Values()
	if err := value.Open(trees, old); err != nil {
		return nil, err
	}
	value.Detach(trees)
	out.Wrapped = &wrapped
	return out, value.Seal(trees, key)
}

// Dependents are what refers to a resource, in any generation.
func (s *Snapshot) Dependents(urn plan.URN) []plan.URN {
	var found []plan.URN
	look := func(of plan.URN, needs []Need) {
		refers := slices.ContainsFunc(needs, func(n Need) bool { return n.URN == urn && n.Gen > 0 })
		if refers && of != urn && !slices.Contains(found, of) {
			found = append(found, of)
		}
	}
	for _, r := range s.Resources {
		look(r.URN, r.Needs)
	}
	for _, in := range s.Pending {
		if in.Resource != nil {
			look(in.URN, in.Resource.Needs)
		}
	}
	return found
}

// Without is the state that does not know a resource: none of its generations,
// no call about it, and no reference to it; and no way back to where it was.
func (s *Snapshot) Without(urn plan.URN) *Snapshot {
	out := *s
	out.at, out.Resources, out.Pending, out.Way = nil, nil, nil, nil
	for _, r := range s.Resources {
		if r.URN != urn {
			out.Resources = append(out.Resources, unbound(r, urn))
		}
	}
	for _, in := range s.Pending {
		if in.URN == urn {
			continue
		}
		if in.Resource != nil {
			r := unbound(*in.Resource, urn)
			in.Resource = &r
		}
		out.Pending = append(out.Pending, in)
	}
	return &out
}

func unbound(r Resource, urn plan.URN) Resource {
	r.Needs = slices.DeleteFunc(slices.Clone(r.Needs), func(n Need) bool { return n.URN == urn })
	return r
}

// Export is the state as a file that Import takes. Its secrets stay sealed.
func (s *Snapshot) Export() ([]byte, error) { return encodeCheckpoint(s) }

// Import reads an exported state that is to take the place of s. It must be
// the same stack's, or s be empty.
func (s *Snapshot) Import(file string, data []byte) (*Snapshot, error) {
	in, err := decodeCheckpoint(data)
	var known *problem.Error
	switch op := "import " + file; {
	case errors.As(err, &known):
		return nil, &problem.Error{Kind: known.Kind, Op: op, Err: known.Err, Fix: known.Fix}
	case err != nil:
		return nil, &problem.Error{Kind: problem.Usage, Op: op, Err: err, Fix: "give a file that drover state export wrote, unchanged"}
	case in.Stack != s.Stack || in.Project != s.Project:
		return nil, &problem.Error{Kind: problem.Refused, Op: op,
			Err: fmt.Errorf("it is of project %s, stack %s, and this is project %s, stack %s", in.Project, in.Stack, s.Project, s.Stack),
			Fix: "import it into a stack of that name, then drover stack rename"}
	case in.ID != s.ID && !s.Empty():
		return nil, &problem.Error{Kind: problem.Refused, Op: op, Err: errors.New("it is of another stack of the same name, and this one has resources"),
			Fix: "import it into an empty stack: what this one has would be forgotten"}
	}
	return in, nil
}
