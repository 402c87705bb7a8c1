package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/smithy-go"

	"github.com/droverhq/drover/internal/handover"
)

// Balancers asks load balancers about instances. Each kind of balancer is one
// family; their words differ, handover's are the same for all.
type Balancers struct {
	families []family
	classic  classic
	targets  *grouped
}

// family is one kind of load balancers.
type family interface {
	Balancers(ctx context.Context, q handover.Inquiry) ([]handover.Balancer, error)
	// tagged are all of the region, by whose tags those are found that a cluster's
	// controller made and left: see strays.go.
	tagged(ctx context.Context) ([]found, error)
}

var _ handover.Balancers = Balancers{}

// Balancers is the hand-over's view of the region's load balancers. It remembers
// which target groups have nothing to do with what it is asked about.
func (c *Cloud) Balancers() Balancers {
	b := Balancers{classic: classic{c.balancing}, targets: newGrouped(c.targets)}
	b.families = []family{b.classic, b.targets}
	return b
}

// Balancers returns those of every family, in the families' order. Each family
// has names of its own: one that is taken, or was in an earlier answer, says which it
// is of, and the family is asked by the name that it gave.
func (b Balancers) Balancers(ctx context.Context, q handover.Inquiry) ([]handover.Balancer, error) {
	var all []handover.Balancer
	taken := map[string]bool{}
	for i, family := range b.families {
		mark := fmt.Sprintf(" (%d)", i+1)
		some, err := family.Balancers(ctx, named(q, mark))
		if err != nil {
			return nil, err
		}
		for _, lb := range some {
			if taken[lb.Name] || slices.Contains(q.Known, lb.Name+mark) {
				lb.Name += mark
			}
			taken[lb.Name] = true
			all = append(all, lb)
		}
	}
	return all, nil
}

// named asks by the names that a family gave, without the mark that it got here.
func named(q handover.Inquiry, mark string) handover.Inquiry {
	q.Known = slices.Clone(q.Known)
	for i, name := range q.Known {
		q.Known[i] = strings.TrimSuffix(name, mark)
	}
	return q
}

// Deregister and Register tell the kinds apart by their names: only target groups
// have ARNs here.
func (b Balancers) Deregister(ctx context.Context, from, instance string) error {
	if arn.IsARN(from) {
		return b.targets.deregister(ctx, from, instance)
	}
	return b.classic.deregister(ctx, from, instance)
}

func (b Balancers) Register(ctx context.Context, with, instance string) error {
	if arn.IsARN(with) {
		return b.targets.register(ctx, with, instance)
	}
	return b.classic.register(ctx, with, instance)
}

func isCode(err error, codes ...string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains(codes, api.ErrorCode())
}
