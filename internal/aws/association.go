package aws

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/plan"
)

// A subnet has one route table. Cloud Control can only take it away and give it
// another one later, and in between the subnet has no way out; EC2 switches the
// table in one call, which gives the association another identifier. So an
// association is known by its subnet here: where the stored identifier is not
// there any more, what the subnet has now is it.

const associationType = "AWS::EC2::SubnetRouteTableAssociation"

// associations are EC2's, natively.
type associations struct{ api *ec2.Client }

// of is the association of a subnet, and the table that it leads to; empty: it has none of its own.
func (a associations) of(ctx context.Context, subnet string) (id, table string, err error) {
	if subnet == "" {
		return "", "", nil
	}
	out, err := a.api.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{
		Filters: []ec2types.Filter{{Name: aws.String("association.subnet-id"), Values: []string{subnet}}}})
	if err != nil {
		return "", "", refusedBy(engine.Look, err)
	}
	for _, t := range out.RouteTables {
		for _, one := range t.Associations {
			if aws.ToString(one.SubnetId) == subnet {
				return aws.ToString(one.RouteTableAssociationId), aws.ToString(t.RouteTableId), nil
			}
		}
	}
	return "", "", nil
}

// lead gives a subnet another table than it has. It may be repeated: one that
// has the table is left alone.
func (a associations) lead(ctx context.Context, subnet, table string, wait func(string)) (id string, err error) {
	for t := newTries(wait); ; {
		id, now, err := a.of(ctx, subnet)
		switch {
		case err != nil:
			return "", err
		case id == "":
			return "", engine.ErrNotFound
		case now == table:
			return id, nil
		}
		out, err := a.api.ReplaceRouteTableAssociation(ctx, &ec2.ReplaceRouteTableAssociationInput{AssociationId: &id, RouteTableId: &table})
		if err == nil {
			return aws.ToString(out.NewAssociationId), nil
		}
		fail := failureOf(refused(err))
		if fail == nil {
			return "", err
		}
		patience := fail.patience()
		if fail.code == "InvalidAssociationID.NotFound" {
			patience = settlingFor // EC2 has told of one that is not there any more
		}
		if err := t.again(ctx, fail, patience); err != nil {
			return "", err
		}
	}
}

// Switches says of which types an update gives the object another identifier.
func (p *Provider) Switches(typ string) bool { return typ == associationType }

// switchTable is the update of an association.
func (p *Provider) switchTable(ctx context.Context, r engine.Request) (engine.Object, error) {
	table, _ := r.Want["RouteTableId"].(string)
	id, err := p.associations.lead(ctx, subnetOf(r.Want), table, r.Wait)
	if err != nil {
		return engine.Object{}, explain("update "+subject(r), err)
	}
	r.ID = id
	return p.readNew(ctx, r)
}

// standsAs is the identifier that an object has now, if it is not found under
// the one that the request has; empty: it is gone. What its subnet has may also
// be what replaced it.
func (p *Provider) standsAs(ctx context.Context, r engine.Request) (string, error) {
	if r.Type != associationType || !r.Alone() {
		return "", nil
	}
	id, _, err := p.associations.of(ctx, subnetOf(r.Old))
	if err != nil || id == r.ID {
		return "", err
	}
	return id, nil
}

func subnetOf(props plan.Props) string {
	subnet, _ := props["SubnetId"].(string)
	return subnet
}

// association is the one that an attempt whose end is open has made; it has no
// tags, but who else would have given the subnet this very table meanwhile.
func (c *creation) association(ctx context.Context) (string, error) {
	id, table, err := c.associations.of(ctx, subnetOf(c.Want))
	if err != nil || !c.open || table != c.Want["RouteTableId"] || c.Knows(id) {
		return "", err
	}
	return id, nil
}
