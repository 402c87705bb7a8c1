package project

import (
	"context"
	"errors"
	"strings"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/expand"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// Adopted is what came of an Adopt.
type Adopted struct {
	URN  plan.URN `json:"urn"`
	ID   string   `json:"id"`
	Spec string   `json:"spec"` // YAML to paste into the stack file
}

// Adopt takes an object that stands into the state, protected, and tells what the
// stack file must say so that nothing changes. Of an AWS object id is what Cloud
// Control calls it, of a Kubernetes object namespace/name or name; without a name
// it is called by that. Nothing is changed outside.
func (p *Project) Adopt(ctx context.Context, events event.Sink, typ, id, name string) (Adopted, error) {
	raw, err := spec.Imported{Name: name, Type: typ, ID: id}.Raw()
	var known *problem.Error
	if errors.As(err, &known) {
		known.Op = "import"
		return Adopted{}, known
	}
	if err != nil {
		return Adopted{}, err
	}
	r := graph.Resource{Key: raw.Key()}
	if raw.Object != nil {
		r.Conn = expand.Conn()
		id = strings.TrimPrefix(raw.Object.Namespace+"/"+raw.Object.Name, "/")
	}
	var adopted Adopted
	err = p.repair(ctx, "import", events, func(e *engine.Engine, s *state.Session) error {
		found, resource, err := e.Find(ctx, r, id, s.Snapshot())
		if err != nil {
			return err
		}
		adopted = Adopted{URN: resource.URN, ID: resource.ID}
		if adopted.Spec, err = spec.Paste(raw, found.Props); err != nil {
			return err
		}
		return e.Import(ctx, resource, s)
	})
	return adopted, err
}
