package project

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// Object is one thing that the state of a stack tells of.
type Object struct {
	URN  plan.URN `json:"urn"`
	Gen  int      `json:"gen"`
	Type string   `json:"type"`
	Name string   `json:"name"`         // physical
	ID   string   `json:"id,omitempty"` // what AWS or Kubernetes calls it; empty: not known

	// Note is what is special about it; empty: it stands and is in use.
	Note string `json:"note,omitempty"`
}

// Objects is all that the state of the stack tells of: each after what it
// needs, and last what may have been made by a run that was cut off.
func (p *Project) Objects(ctx context.Context) ([]Object, error) {
	s, err := p.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return objects(s), nil
}

func (p *Project) snapshot(ctx context.Context) (*state.Snapshot, error) {
	stack, err := p.selected()
	if err != nil {
		return nil, err
	}
	return p.store.Read(ctx, stack)
}

func objects(s *state.Snapshot) []Object {
	all := make([]Object, 0, len(s.Resources))
	for _, r := range s.Resources {
		all = append(all, Object{URN: r.URN, Gen: r.Gen, Type: r.Type, Name: r.Name, ID: r.ID, Note: noteOn(s, r)})
	}
	for _, in := range s.Pending {
		if r := in.Resource; in.Op == plan.Create {
			all = append(all, Object{URN: r.URN, Gen: r.Gen, Type: r.Type, Name: r.Name, ID: r.ID, Note: "may have been made"})
		}
	}
	return all
}

func noteOn(s *state.Snapshot, r state.Resource) string {
	for _, op := range []plan.Op{plan.Delete, plan.HandOver, plan.Update} {
		if _, begun := s.Intent(op, r.URN, r.Gen); begun {
			return string(op) + " begun"
		}
	}
	switch {
	case r.Gone:
		return "deleted, still referred to"
	case r.Condemned:
		return "replaced"
	case r.Settling:
		return "not seen ready yet"
	}
	return ""
}

// Linked is an object with what it needs.
type Linked struct {
	Object
	Component string       `json:"component,omitempty"` // what it is a part of: nodegroup/web
	Needs     []state.Need `json:"needs,omitempty"`     // generation 0: whichever; it is only made later
}

// Graph is what the state tells of, with what each needs: each after that.
func (p *Project) Graph(ctx context.Context) ([]Linked, error) {
	s, err := p.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Linked, 0, len(s.Resources))
	for i, o := range objects(s)[:len(s.Resources)] {
		all = append(all, Linked{Object: o, Component: s.Resources[i].Component, Needs: s.Resources[i].Needs})
	}
	return all, nil
}

// Detail is all that the state tells of one object.
type Detail struct {
	Object
	Component string       `json:"component,omitempty"`
	Protected bool         `json:"protected,omitempty"`
	Created   time.Time    `json:"created,omitzero"`
	Updated   time.Time    `json:"updated,omitzero"`
	Needs     []state.Need `json:"needs,omitempty"`
	Inputs    plan.Props   `json:"inputs,omitempty"` // as last applied
	Outputs   plan.Props   `json:"outputs,omitempty"`
}

// Show is what the state tells of a resource, a generation each. Secrets do
// not show unless reveal is set.
func (p *Project) Show(ctx context.Context, urn plan.URN, reveal bool) ([]Detail, error) {
	s, err := p.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	var found []Detail
	for _, r := range s.Resources {
		if r.URN == urn {
			found = append(found, Detail{Object: Object{URN: r.URN, Gen: r.Gen, Type: r.Type, Name: r.Name, ID: r.ID, Note: noteOn(s, r)},
				Component: r.Component, Protected: r.Protected, Created: r.Created, Updated: r.Updated,
				Needs: r.Needs, Inputs: r.Inputs, Outputs: r.Outputs})
		}
	}
	if len(found) == 0 {
		return nil, unknown("show", urn, s)
	}
	if !reveal {
		return found, nil
	}
	if err := s.Unseal(ctx, p.store.Ring); err != nil {
		return nil, err
	}
	var errs []error
	for i := range found {
		d := &found[i]
		d.Inputs, err = value.RevealMap(d.Inputs)
		errs = append(errs, err)
		d.Outputs, err = value.RevealMap(d.Outputs)
		errs = append(errs, err)
	}
	return found, errors.Join(errs...)
}

func unknown(op string, urn plan.URN, s *state.Snapshot) error {
	fix := "drover state ls lists them"
	for _, r := range s.Resources {
		if r.URN.Name() == urn.Name() || r.Type+"/"+r.URN.Name() == string(urn) {
			fix = "did you mean " + string(r.URN) + "?"
		}
	}
	return &problem.Error{Kind: problem.Usage, Op: op + " " + string(urn), Err: errors.New("the state has no such resource"), Fix: fix}
}

// Forget takes a resource out of the state and leaves it where it is. If others
// refer to it, that must be forced. It tells where the state before is kept.
func (p *Project) Forget(ctx context.Context, urn plan.URN, force bool, agree func([]Object) error) (backup string, err error) {
	stack, err := p.selected()
	if err != nil {
		return "", err
	}
	return p.store.Rewrite(ctx, stack, "state rm", func(s *state.Snapshot) (*state.Snapshot, error) {
		var left []Object
		for _, o := range objects(s) {
			if o.URN == urn {
				left = append(left, o)
			}
		}
		if len(left) == 0 {
			return nil, unknown("rm", urn, s)
		}
		if refer := s.Dependents(urn); len(refer) > 0 && !force {
			return nil, referred(urn, refer)
		}
		if err := agree(left); err != nil {
			return nil, err
		}
		return s.Without(urn), nil
	})
}

func referred(urn plan.URN, by []plan.URN) error {
	names := make([]string, len(by))
	for i, u := range by {
		names[i] = string(u)
	}
	return &problem.Error{Kind: problem.Refused, Op: "rm " + string(urn), Err: fmt.Errorf("these refer to it: %s", strings.Join(names, ", ")),
		Fix: "rm them first; or --force, after which they do not refer to it any more"}
}

// Move gives a resource another URN in the state; what refers to it follows, and
// nothing outside is touched. A name alone is one of the same type. It tells the
// URN that the resource has then, and where the state before is kept.
func (p *Project) Move(ctx context.Context, from plan.URN, to string) (urn plan.URN, backup string, err error) {
	stack, err := p.selected()
	if err != nil {
		return "", "", err
	}
	backup, err = p.store.Rewrite(ctx, stack, "state mv", func(s *state.Snapshot) (*state.Snapshot, error) {
		if !slices.ContainsFunc(objects(s), func(o Object) bool { return o.URN == from }) {
			return nil, unknown("mv", from, s)
		}
		urn = plan.URN(to)
		if !strings.HasPrefix(to, "urn:") {
			urn = plan.NewURN(s.Stack, s.Project, from.Type(), to)
		}
		return s.Moved(from, urn)
	})
	return urn, backup, err
}

// Export is the state of the stack as a file that Import takes. Its secrets
// stay sealed.
func (p *Project) Export(ctx context.Context) ([]byte, error) {
	s, err := p.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return s.Export()
}

// Import makes an exported state the stack's, if agree has nothing against it,
// which is told what is known now and what will be. It tells where the state
// before is kept.
func (p *Project) Import(ctx context.Context, file string, data []byte, agree func(before, after []Object) error) (backup string, err error) {
	stack, err := p.selected()
	if err != nil {
		return "", err
	}
	return p.store.Rewrite(ctx, stack, "state import", func(s *state.Snapshot) (*state.Snapshot, error) {
		after, err := s.Import(file, data)
		if err != nil {
			return nil, err
		}
		return after, agree(objects(s), objects(after))
	})
}
