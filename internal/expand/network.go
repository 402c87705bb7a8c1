package expand

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

const (
	public  = "public"
	private = "private"

	anywhere    = "0.0.0.0/0"
	smallestNet = 28 // the smallest subnet that AWS makes is a /28
	minZones    = 2  // EKS wants subnets in two zones
)

var (
	internetKey   = graph.Key{Type: "AWS::EC2::InternetGateway", Name: "network"}
	attachmentKey = graph.Key{Type: "AWS::EC2::VPCGatewayAttachment", Name: "network"}
)

// network adds the VPC with a public and a private subnet in every zone. Public
// ones reach the internet through a gateway, private ones through NAT. One that is
// there already stays as it is, and is no part of the stack.
func (e *expander) network() bool {
	c := e.spec.Cluster
	if c.Existing != nil {
		return true
	}
	ranges, err := layout(c.CIDR, e.env.Zones)
	if err != nil {
		e.fail(c.CIDRAt, "cluster.network.cidr", err, "take a larger range, as in 172.16.0.0/16")
		return false
	}
	e.part(spec.VPCKey, plan.Props{
		"CidrBlock":          c.CIDR.String(),
		"EnableDnsHostnames": true, // EKS needs both
		"EnableDnsSupport":   true,
		"Tags":               e.nameTag("network"),
	})
	e.part(internetKey, plan.Props{"Tags": e.nameTag("network")})
	e.part(attachmentKey, plan.Props{
		"VpcId":             spec.VPCKey.To("VpcId"),
		"InternetGatewayId": internetKey.To("InternetGatewayId"),
	})
	e.subnets = make(map[string][]graph.Key)
	for i, zone := range e.env.Zones {
		e.subnet(public, zone, ranges.public[i])
		e.subnet(private, zone, ranges.private[i])
	}
	e.publicRoutes()
	e.privateRoutes(c.NAT)
	return true
}

// part adds one resource of the network. It has no name of its own choosing.
func (e *expander) part(key graph.Key, props plan.Props, after ...graph.Key) {
	r := graph.Resource{Key: key, Component: "network", Props: props, After: after, At: e.spec.Cluster.At}
	e.chosen(&r, e.spec.Cluster.Network)
	e.add(r)
}

// nameTag is what AWS's console shows.
func (e *expander) nameTag(part string) []any {
	return tags("Name", fmt.Sprintf("%s-%s-%s", e.spec.Name, e.spec.Stack, part))
}

// subnet adds a subnet. The role tag lets load balancers find it.
func (e *expander) subnet(tier, zone string, cidr netip.Prefix) {
	key := spec.SubnetKey(tier, zone, e.env.Region)
	role := "kubernetes.io/role/elb"
	if tier == private {
		role = "kubernetes.io/role/internal-elb"
	}
	e.subnets[tier] = append(e.subnets[tier], key)
	e.part(key, plan.Props{
		"VpcId":               spec.VPCKey.To("VpcId"),
		"AvailabilityZone":    zone,
		"CidrBlock":           cidr.String(),
		"MapPublicIpOnLaunch": tier == public,
		"Tags":                append(e.nameTag(key.Name), tags(role, "1")...),
	})
}

func (e *expander) publicRoutes() {
	table := e.routeTable(public)
	e.route(public, table, "GatewayId", internetKey.To("InternetGatewayId"), attachmentKey)
	for _, subnet := range e.subnets[public] {
		e.associate(subnet, table, public)
	}
}

// privateRoutes adds one NAT gateway, or one in each zone, and leads the
// private subnets to it.
func (e *expander) privateRoutes(nat spec.NAT) {
	var table graph.Key
	name := private
	for i, subnet := range e.subnets[private] {
		if i == 0 || nat == spec.NATPerZone {
			if nat == spec.NATPerZone {
				name = subnet.Name
			}
			table = e.routeTable(name)
			e.route(name, table, "NatGatewayId", e.natGateway(name, e.subnets[public][i]).To("NatGatewayId"))
		}
		e.associate(subnet, table, name)
	}
}

func (e *expander) natGateway(name string, subnet graph.Key) graph.Key {
	address := graph.Key{Type: "AWS::EC2::EIP", Name: name}
	e.part(address, plan.Props{"Domain": "vpc", "Tags": e.nameTag(name)}, attachmentKey)
	gateway := graph.Key{Type: "AWS::EC2::NatGateway", Name: name}
	e.part(gateway, plan.Props{
		"SubnetId":     subnet.To("SubnetId"),
		"AllocationId": address.To("AllocationId"),
		"Tags":         e.nameTag(name),
	}, attachmentKey)
	return gateway
}

func (e *expander) routeTable(name string) graph.Key {
	key := graph.Key{Type: "AWS::EC2::RouteTable", Name: name}
	e.part(key, plan.Props{"VpcId": spec.VPCKey.To("VpcId"), "Tags": e.nameTag(name)})
	return key
}

func routeKey(table string) graph.Key { return graph.Key{Type: "AWS::EC2::Route", Name: table} }

func (e *expander) route(name string, table graph.Key, target string, id *value.Expr, after ...graph.Key) {
	key := routeKey(name)
	e.part(key, plan.Props{
		"RouteTableId":         table.To("RouteTableId"),
		"DestinationCidrBlock": anywhere,
		target:                 id,
	}, after...)
	e.routed = append(e.routed, key)
}

// associate gives a subnet its table once the table leads somewhere: a subnet
// that changes tables must not lose its way out in between.
func (e *expander) associate(subnet, table graph.Key, route string) {
	key := graph.Key{Type: "AWS::EC2::SubnetRouteTableAssociation", Name: subnet.Name}
	e.part(key, plan.Props{"SubnetId": subnet.To("SubnetId"), "RouteTableId": table.To("RouteTableId")}, routeKey(route))
	e.routed = append(e.routed, key)
}

// ranges are the subnets' address ranges, one for each zone.
type ranges struct{ public, private []netip.Prefix }

// layout cuts the VPC's range into equal blocks, the largest that suffice.
// Public subnets take the first half and private ones the second, so that
// a further zone moves none of the others as long as the blocks last.
func layout(vpc netip.Prefix, zones []string) (ranges, error) {
	n := len(zones)
	if n < minZones {
		return ranges{}, &problem.Error{
			Err: fmt.Errorf("the region has %d usable zones; EKS wants %d", n, minZones),
			Fix: "take another region: drover config set aws:region us-west-2",
		}
	}
	half := 1 << bits.Len(uint(n-1))
	size := vpc.Bits() + bits.Len(uint(half))
	if size > smallestNet {
		return ranges{}, fmt.Errorf("%s is too small for a public and a private subnet in %d zones: "+
			"each would be a /%d, and AWS makes none below /%d", vpc, n, size, smallestNet)
	}
	var r ranges
	for i := range zones {
		r.public = append(r.public, block(vpc, size, i))
		r.private = append(r.private, block(vpc, size, half+i))
	}
	return r, nil
}

// block is the i-th range of the given size within vpc.
func block(vpc netip.Prefix, size, i int) netip.Prefix {
	first := vpc.Addr().As4()
	var addr [4]byte
	binary.BigEndian.PutUint32(addr[:], binary.BigEndian.Uint32(first[:])+uint32(i)<<(32-size))
	return netip.PrefixFrom(netip.AddrFrom4(addr), size)
}
