package aws

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/problem"
)

// Chosen is which objects are meant: by identifiers, or by tags.
type Chosen struct {
	IDs  []string
	Tags map[string]string
}

// Network is a network that somebody else has made, as it is today.
type Network struct {
	VPC, CIDR       string
	Public, Private []string        // subnets, by zone
	Findings        []event.Finding // what a cluster in it would lack
}

// Network looks at a network for a cluster, and refuses one that EKS would refuse.
func (c *Cloud) Network(ctx context.Context, vpc, public, private Chosen) (Network, error) {
	found, err := c.vpc(ctx, vpc)
	if err != nil {
		return Network{}, err
	}
	n := network{cloud: c, vpc: aws.ToString(found.VpcId)}
	if err := n.look(ctx); err != nil {
		return Network{}, err
	}
	if n.private, err = n.choose("private", private); err != nil {
		return Network{}, err
	}
	if n.public, err = n.choose("public", public); err != nil {
		return Network{}, err
	}
	if err := n.check(ctx); err != nil {
		return Network{}, err
	}
	return Network{VPC: n.vpc, CIDR: aws.ToString(found.CidrBlock), Public: ids(n.public), Private: ids(n.private), Findings: n.findings()}, nil
}

// refusedNetwork is what is wrong with a network that the file names.
func refusedNetwork(part, fix, format string, args ...any) error {
	return &problem.Error{Kind: problem.Usage, Op: "cluster.network." + part, Err: fmt.Errorf(format, args...), Fix: fix}
}

func (c *Cloud) vpc(ctx context.Context, chosen Chosen) (ec2types.Vpc, error) {
	out, err := c.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: chosen.IDs, Filters: tagFilters(chosen.Tags)})
	if err != nil && !strings.Contains(err.Error(), "InvalidVpcID.NotFound") {
		return ec2types.Vpc{}, fmt.Errorf("look for the VPC: %w", err)
	}
	switch {
	case err != nil || len(out.Vpcs) == 0:
		return ec2types.Vpc{}, refusedNetwork("vpc", "look at aws ec2 describe-vpcs, and at the region", "region %s has no such VPC", c.cfg.Region)
	case len(out.Vpcs) > 1:
		var names []string
		for _, v := range out.Vpcs {
			names = append(names, aws.ToString(v.VpcId))
		}
		return ec2types.Vpc{}, refusedNetwork("vpc", "name one of them, or more tags", "%d VPCs have these tags: %s", len(names), strings.Join(names, ", "))
	}
	return out.Vpcs[0], nil
}

func tagFilters(tags map[string]string) []ec2types.Filter {
	var filters []ec2types.Filter
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		filters = append(filters, ec2types.Filter{Name: aws.String("tag:" + key), Values: []string{tags[key]}})
	}
	return filters
}

// network is a VPC as it is looked at.
type network struct {
	cloud           *Cloud
	vpc             string
	all             []ec2types.Subnet
	tables          []ec2types.RouteTable
	public, private []ec2types.Subnet
}

func (n *network) look(ctx context.Context) error {
	in := []ec2types.Filter{{Name: aws.String("vpc-id"), Values: []string{n.vpc}}}
	subnets := ec2.NewDescribeSubnetsPaginator(n.cloud.ec2, &ec2.DescribeSubnetsInput{Filters: in})
	for subnets.HasMorePages() {
		page, err := subnets.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list the subnets of %s: %w", n.vpc, err)
		}
		n.all = append(n.all, page.Subnets...)
	}
	slices.SortFunc(n.all, func(a, b ec2types.Subnet) int {
		return cmp.Or(cmp.Compare(aws.ToString(a.AvailabilityZone), aws.ToString(b.AvailabilityZone)), cmp.Compare(aws.ToString(a.SubnetId), aws.ToString(b.SubnetId)))
	})
	tables := ec2.NewDescribeRouteTablesPaginator(n.cloud.ec2, &ec2.DescribeRouteTablesInput{Filters: in})
	for tables.HasMorePages() {
		page, err := tables.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list the route tables of %s: %w", n.vpc, err)
		}
		n.tables = append(n.tables, page.RouteTables...)
	}
	return nil
}

// choose finds the subnets of a tier among those of the VPC.
func (n *network) choose(tier string, chosen Chosen) ([]ec2types.Subnet, error) {
	if len(chosen.IDs) == 0 && len(chosen.Tags) == 0 {
		return nil, nil
	}
	var found []ec2types.Subnet
	missing := slices.Clone(chosen.IDs)
	for _, s := range n.all {
		id := aws.ToString(s.SubnetId)
		if slices.Contains(chosen.IDs, id) || len(chosen.IDs) == 0 && carries(s.Tags, chosen.Tags) {
			found = append(found, s)
			missing = slices.DeleteFunc(missing, func(m string) bool { return m == id })
		}
	}
	switch {
	case len(missing) > 0:
		return nil, refusedNetwork("subnets."+tier, "choose from "+strings.Join(ids(n.all), ", "), "%s has no subnet %s", n.vpc, strings.Join(missing, ", "))
	case len(found) == 0:
		return nil, refusedNetwork("subnets."+tier, "look at aws ec2 describe-subnets", "no subnet of %s has these tags", n.vpc)
	}
	return found, nil
}

func carries(have []ec2types.Tag, want map[string]string) bool {
	left := maps.Clone(want)
	for _, t := range have {
		if value, ok := left[aws.ToString(t.Key)]; ok && value == aws.ToString(t.Value) {
			delete(left, aws.ToString(t.Key))
		}
	}
	return len(left) == 0
}

func ids(subnets []ec2types.Subnet) []string {
	list := make([]string, len(subnets))
	for i, s := range subnets {
		list[i] = aws.ToString(s.SubnetId)
	}
	return list
}

// EKS puts interfaces of the control plane into the subnets of a cluster ("Amazon EKS
// networking requirements"): it refuses those with fewer than 6 free addresses, and
// asks for 16, which an upgrade needs beside those in use.
const (
	leastFree  = 6
	wantedFree = 16
)

// check refuses what EKS would.
func (n *network) check(ctx context.Context) error {
	zones := map[string]bool{}
	for _, s := range slices.Concat(n.public, n.private) {
		zones[aws.ToString(s.AvailabilityZone)] = true
		if slices.Contains(closedZones, aws.ToString(s.AvailabilityZoneId)) {
			return refusedNetwork("subnets", "leave it out", "subnet %s is in zone %s, which takes no EKS control plane", aws.ToString(s.SubnetId), aws.ToString(s.AvailabilityZone))
		}
		if free := aws.ToInt32(s.AvailableIpAddressCount); free < leastFree {
			return refusedNetwork("subnets", "take another subnet, or free addresses in it", "subnet %s has %d free addresses; EKS wants %d", aws.ToString(s.SubnetId), free, leastFree)
		}
	}
	if len(zones) < 2 {
		return refusedNetwork("subnets", "name subnets in two zones or more", "all subnets are in one zone, and EKS wants two at least")
	}
	for _, name := range []ec2types.VpcAttributeName{ec2types.VpcAttributeNameEnableDnsHostnames, ec2types.VpcAttributeNameEnableDnsSupport} {
		out, err := n.cloud.ec2.DescribeVpcAttribute(ctx, &ec2.DescribeVpcAttributeInput{VpcId: &n.vpc, Attribute: name})
		if err != nil {
			return fmt.Errorf("look at %s: %w", n.vpc, err)
		}
		on := cmp.Or(out.EnableDnsHostnames, out.EnableDnsSupport)
		if on == nil || !aws.ToBool(on.Value) {
			return refusedNetwork("vpc", fmt.Sprintf(`aws ec2 modify-vpc-attribute --vpc-id %s --%s '{"Value":true}'`, n.vpc, dashed(name)),
				"%s has %s off, without which nodes find no API server", n.vpc, name)
		}
	}
	return nil
}

func dashed(name ec2types.VpcAttributeName) string {
	if name == ec2types.VpcAttributeNameEnableDnsSupport {
		return "enable-dns-support"
	}
	return "enable-dns-hostnames"
}

// findings are what a cluster in the network would lack.
func (n *network) findings() []event.Finding {
	var found []event.Finding
	add := func(severity event.Severity, s ec2types.Subnet, effect, fix string) {
		found = append(found, event.Finding{Severity: severity, Object: "subnet " + aws.ToString(s.SubnetId), Effect: effect, Fix: fix})
	}
	for _, s := range slices.Concat(n.private, n.public) {
		if free := aws.ToInt32(s.AvailableIpAddressCount); free < wantedFree {
			add(event.Warning, s, fmt.Sprintf("has %d free addresses; EKS wants %d for an upgrade, and each pod takes one", free, wantedFree), "free addresses in it, or take a larger subnet")
		}
	}
	for _, s := range n.private {
		if !n.leads(s, func(r ec2types.Route) bool { return true }) {
			add(event.Warning, s, "has no way out (0.0.0.0/0): nodes in it get images only by VPC endpoints (ecr.api, ecr.dkr, s3, ec2, sts, eks)", "lead it to a NAT gateway, or see that the endpoints are there")
		}
		n.role(s, "kubernetes.io/role/internal-elb", "internal load balancers", add)
	}
	for _, s := range n.public {
		if !n.leads(s, func(r ec2types.Route) bool { return strings.HasPrefix(aws.ToString(r.GatewayId), "igw-") }) {
			add(event.Warning, s, "is named as public and leads to no internet gateway: load balancers in it cannot be reached", "lead 0.0.0.0/0 to an internet gateway, or name it as private")
		}
		n.role(s, "kubernetes.io/role/elb", "load balancers that the internet reaches", add)
	}
	return found
}

// role tells that load balancer controllers do not find a subnet.
func (n *network) role(s ec2types.Subnet, tag, what string, add func(event.Severity, ec2types.Subnet, string, string)) {
	if !slices.ContainsFunc(s.Tags, func(t ec2types.Tag) bool { return aws.ToString(t.Key) == tag }) {
		add(event.Note, s, fmt.Sprintf("has no tag %s: the AWS Load Balancer Controller makes no %s in it", tag, what),
			fmt.Sprintf("aws ec2 create-tags --resources %s --tags Key=%s,Value=1", aws.ToString(s.SubnetId), tag))
	}
}

// leads reports that the subnet's table has a default route of that kind.
func (n *network) leads(s ec2types.Subnet, kind func(ec2types.Route) bool) bool {
	for _, r := range n.tableOf(s).Routes {
		if aws.ToString(r.DestinationCidrBlock) == "0.0.0.0/0" && kind(r) {
			return true
		}
	}
	return false
}

// tableOf is the subnet's own table, or the VPC's.
func (n *network) tableOf(s ec2types.Subnet) (main ec2types.RouteTable) {
	for _, t := range n.tables {
		for _, a := range t.Associations {
			if aws.ToString(a.SubnetId) == aws.ToString(s.SubnetId) {
				return t
			}
			if aws.ToBool(a.Main) {
				main = t
			}
		}
	}
	return main
}
