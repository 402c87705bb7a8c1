package ec2

import (
	"net/http"
	"strconv"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

func (s *Service) describeVPCs(_ *http.Request, f wire.Form) (any, error) {
	type assoc struct {
		ID    string `xml:"associationId"`
		Block string `xml:"cidrBlock"`
		State string `xml:"cidrBlockState>state"`
	}
	type vpc struct {
		ID      string  `xml:"vpcId"`
		Owner   string  `xml:"ownerId"`
		State   string  `xml:"state"`
		Block   string  `xml:"cidrBlock"`
		Blocks  []assoc `xml:"cidrBlockAssociationSet>item"`
		Tenancy string  `xml:"instanceTenancy"`
		Default bool    `xml:"isDefault"`
		DHCP    string  `xml:"dhcpOptionsId"`
		Tags    []tag   `xml:"tagSet>item"`
	}
	var out struct {
		VPCs []vpc  `xml:"vpcSet>item"`
		Next string `xml:"nextToken,omitempty"`
	}
	err := s.each(f, func(st *region.State, match matcher) error {
		if err := known(f, "VpcId", st.VPCs, "InvalidVpcID.NotFound", "vpc"); err != nil {
			return err
		}
		for _, v := range region.Sorted(st.VPCs) {
			at := attributes{"vpc-id": {v.VpcID}, "cidr": {v.CidrBlock},
				"cidr-block-association.cidr-block": {v.CidrBlock},
				"state":                             {"available"}, "is-default": {"false"}, "owner-id": {region.Account}}
			if named(f, "VpcId", v.VpcID) && match(at, v.Tags) {
				out.VPCs = append(out.VPCs, vpc{v.VpcID, region.Account, "available", v.CidrBlock,
					[]assoc{{v.CidrBlockAssociations[0], v.CidrBlock, "associated"}}, v.InstanceTenancy, false,
					"default", tagSet(v.Tags)})
			}
		}
		return nil
	})
	if err == nil {
		out.VPCs, out.Next, err = page(f, out.VPCs)
	}
	return out, err
}

func (s *Service) describeSubnets(_ *http.Request, f wire.Form) (any, error) {
	type subnet struct {
		ID     string `xml:"subnetId"`
		ARN    string `xml:"subnetArn"`
		State  string `xml:"state"`
		VPC    string `xml:"vpcId"`
		Block  string `xml:"cidrBlock"`
		Free   int    `xml:"availableIpAddressCount"`
		Zone   string `xml:"availabilityZone"`
		ZoneID string `xml:"availabilityZoneId"`
		Public bool   `xml:"mapPublicIpOnLaunch"`
		Owner  string `xml:"ownerId"`
		Tags   []tag  `xml:"tagSet>item"`
	}
	var out struct {
		Subnets []subnet `xml:"subnetSet>item"`
		Next    string   `xml:"nextToken,omitempty"`
	}
	err := s.each(f, func(st *region.State, match matcher) error {
		if err := known(f, "SubnetId", st.Subnets, "InvalidSubnetID.NotFound", "subnet"); err != nil {
			return err
		}
		for _, v := range region.Sorted(st.Subnets) {
			at := attributes{"subnet-id": {v.SubnetID}, "vpc-id": {v.VpcID}, "cidr-block": {v.CidrBlock},
				"cidrBlock":         {v.CidrBlock},
				"availability-zone": {v.AvailabilityZone}, "availabilityZone": {v.AvailabilityZone},
				"availability-zone-id": {v.AvailabilityZoneID}, "state": {"available"},
				"map-public-ip-on-launch": {strconv.FormatBool(v.MapPublicIPOnLaunch)}, "owner-id": {region.Account}}
			if named(f, "SubnetId", v.SubnetID) && match(at, v.Tags) {
				out.Subnets = append(out.Subnets, subnet{v.SubnetID, st.ARN("ec2", "subnet/"+v.SubnetID), "available",
					v.VpcID, v.CidrBlock,
					st.FreeAddresses(v), v.AvailabilityZone, v.AvailabilityZoneID, v.MapPublicIPOnLaunch,
					region.Account, tagSet(v.Tags)})
			}
		}
		return nil
	})
	if err == nil {
		out.Subnets, out.Next, err = page(f, out.Subnets)
	}
	return out, err
}

func (s *Service) describeGateways(_ *http.Request, f wire.Form) (any, error) {
	type attachment struct {
		VPC   string `xml:"vpcId"`
		State string `xml:"state"`
	}
	type gateway struct {
		ID          string       `xml:"internetGatewayId"`
		Attachments []attachment `xml:"attachmentSet>item"`
		Owner       string       `xml:"ownerId"`
		Tags        []tag        `xml:"tagSet>item"`
	}
	var out struct {
		Gateways []gateway `xml:"internetGatewaySet>item"`
	}
	err := s.each(f, func(st *region.State, match matcher) error {
		if err := known(f, "InternetGatewayId", st.Gateways, "InvalidInternetGatewayID.NotFound",
			"internetGateway"); err != nil {
			return err
		}
		for _, v := range region.Sorted(st.Gateways) {
			g := gateway{ID: v.InternetGatewayID, Owner: region.Account, Tags: tagSet(v.Tags)}
			at := attributes{"internet-gateway-id": {v.InternetGatewayID}, "owner-id": {region.Account},
				"attachment.vpc-id": nil, "attachment.state": nil}
			if a := st.AttachmentOf(v.InternetGatewayID); a != nil {
				g.Attachments = []attachment{{a.VpcID, "available"}}
				at["attachment.vpc-id"], at["attachment.state"] = []string{a.VpcID}, []string{"available"}
			}
			if named(f, "InternetGatewayId", v.InternetGatewayID) && match(at, v.Tags) {
				out.Gateways = append(out.Gateways, g)
			}
		}
		return nil
	})
	return out, err
}

func (s *Service) describeNATs(_ *http.Request, f wire.Form) (any, error) {
	type address struct {
		Allocation string `xml:"allocationId,omitempty"`
		Interface  string `xml:"networkInterfaceId"`
		Private    string `xml:"privateIp"`
		Public     string `xml:"publicIp,omitempty"`
	}
	type nat struct {
		ID        string    `xml:"natGatewayId"`
		State     string    `xml:"state"`
		Subnet    string    `xml:"subnetId"`
		VPC       string    `xml:"vpcId"`
		Type      string    `xml:"connectivityType"`
		Addresses []address `xml:"natGatewayAddressSet>item"`
		Tags      []tag     `xml:"tagSet>item"`
	}
	var out struct {
		NATs []nat `xml:"natGatewaySet>item"`
	}
	err := s.each(f, func(st *region.State, match matcher) error {
		if err := known(f, "NatGatewayId", st.NATs, "NatGatewayNotFound", "natGateway"); err != nil {
			return err
		}
		for _, v := range region.Sorted(st.NATs) {
			a := address{Allocation: v.AllocationID, Interface: v.EniID, Private: v.PrivateIPAddress}
			if eip := st.AddressByAllocation(v.AllocationID); eip != nil {
				a.Public = eip.PublicIP
			}
			at := attributes{"nat-gateway-id": {v.NatGatewayID}, "vpc-id": {v.VpcID}, "subnet-id": {v.SubnetID},
				"state": {v.State}}
			if named(f, "NatGatewayId", v.NatGatewayID) && match(at, v.Tags) {
				out.NATs = append(out.NATs, nat{v.NatGatewayID, v.State, v.SubnetID, v.VpcID, v.ConnectivityType,
					[]address{a}, tagSet(v.Tags)})
			}
		}
		return nil
	})
	return out, err
}

func (s *Service) describeAddresses(_ *http.Request, f wire.Form) (any, error) {
	type address struct {
		PublicIP    string `xml:"publicIp"`
		Allocation  string `xml:"allocationId"`
		Association string `xml:"associationId,omitempty"`
		Interface   string `xml:"networkInterfaceId,omitempty"`
		Private     string `xml:"privateIpAddress,omitempty"`
		Domain      string `xml:"domain"`
		Tags        []tag  `xml:"tagSet>item"`
	}
	var out struct {
		Addresses []address `xml:"addressesSet>item"`
	}
	err := s.each(f, func(st *region.State, match matcher) error {
		for _, v := range region.Sorted(st.Addresses) {
			a := address{PublicIP: v.PublicIP, Allocation: v.AllocationID, Domain: v.Domain, Tags: tagSet(v.Tags)}
			for _, n := range st.NATs {
				if n.AllocationID == v.AllocationID {
					a.Association, a.Interface, a.Private = "eipassoc-"+n.EniID[4:], n.EniID, n.PrivateIPAddress
				}
			}
			at := attributes{"allocation-id": {v.AllocationID}, "public-ip": {v.PublicIP}, "domain": {v.Domain},
				"association-id": {a.Association}, "network-interface-id": {a.Interface},
				"private-ip-address": {a.Private}}
			if named(f, "AllocationId", v.AllocationID) && named(f, "PublicIp", v.PublicIP) && match(at, v.Tags) {
				out.Addresses = append(out.Addresses, a)
			}
		}
		return nil
	})
	return out, err
}

// routeTable is a route table in EC2's XML.
type routeTable struct {
	ID           string        `xml:"routeTableId"`
	VPC          string        `xml:"vpcId"`
	Owner        string        `xml:"ownerId"`
	Routes       []route       `xml:"routeSet>item"`
	Associations []association `xml:"associationSet>item"`
	Tags         []tag         `xml:"tagSet>item"`
}

type route struct {
	Destination string `xml:"destinationCidrBlock"`
	Gateway     string `xml:"gatewayId,omitempty"`
	NAT         string `xml:"natGatewayId,omitempty"`
	State       string `xml:"state"`
	Origin      string `xml:"origin"`
}

type association struct {
	ID     string `xml:"routeTableAssociationId"`
	Table  string `xml:"routeTableId"`
	Subnet string `xml:"subnetId,omitempty"`
	Main   bool   `xml:"main"`
	State  string `xml:"associationState>state"`
}

func (s *Service) describeRouteTables(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Tables []routeTable `xml:"routeTableSet>item"`
		Next   string       `xml:"nextToken,omitempty"`
	}
	err := s.each(f, func(st *region.State, match matcher) error {
		if err := known(f, "RouteTableId", st.RouteTables, "InvalidRouteTableID.NotFound", "routeTable"); err != nil {
			return err
		}
		for _, v := range region.Sorted(st.RouteTables) {
			t, at := showTable(st, v)
			if named(f, "RouteTableId", v.RouteTableID) && match(at, v.Tags) {
				out.Tables = append(out.Tables, t)
			}
		}
		return nil
	})
	if err == nil {
		out.Tables, out.Next, err = page(f, out.Tables)
	}
	return out, err
}

func (s *Service) reassociate(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		ID    string `xml:"newAssociationId"`
		State string `xml:"associationState>state"`
	}
	err := s.store.Update(func(st *region.State) (err error) {
		out.ID, err = st.Reassociate(f.Get("AssociationId"), f.Get("RouteTableId"))
		return err
	})
	out.State = "associated"
	return out, err
}

func showTable(st *region.State, v *region.RouteTable) (routeTable, attributes) {
	t := routeTable{ID: v.RouteTableID, VPC: v.VpcID, Owner: region.Account, Tags: tagSet(v.Tags)}
	at := attributes{"route-table-id": {v.RouteTableID}, "vpc-id": {v.VpcID},
		"association.main":      {strconv.FormatBool(v.Main)},
		"association.subnet-id": nil, "association.route-table-association-id": nil, "owner-id": {region.Account}}
	add := func(key, value string) { at[key] = append(at[key], value) }
	for _, r := range st.RoutesOf(v.RouteTableID) {
		one := route{Destination: r.CidrBlock, Gateway: r.GatewayID, NAT: r.NatGatewayID, State: "active",
			Origin: "CreateRoute"}
		switch {
		case r.GatewayID == "local":
			one.Origin = "CreateRouteTable"
		case r.NatGatewayID != "" && st.NATs[r.NatGatewayID] == nil, r.GatewayID != "" &&
			st.AttachmentOf(r.GatewayID) == nil:
			one.State = "blackhole"
		}
		t.Routes = append(t.Routes, one)
		add("route.destination-cidr-block", r.CidrBlock)
		add("route.gateway-id", r.GatewayID)
		add("route.nat-gateway-id", r.NatGatewayID)
	}
	if v.Main {
		t.Associations = append(t.Associations, association{v.MainAssoc, v.RouteTableID, "", true, "associated"})
	}
	for _, a := range region.Sorted(st.Associations) {
		if a.RouteTableID == v.RouteTableID {
			t.Associations = append(t.Associations, association{a.ID, a.RouteTableID, a.SubnetID, false, "associated"})
			add("association.subnet-id", a.SubnetID)
			add("association.route-table-association-id", a.ID)
		}
	}
	return t, at
}

func (s *Service) describeInterfaces(_ *http.Request, f wire.Form) (any, error) {
	type attachment struct {
		Instance string `xml:"instanceId"`
		Status   string `xml:"status"`
	}
	type nic struct {
		ID          string      `xml:"networkInterfaceId"`
		Type        string      `xml:"interfaceType"`
		Description string      `xml:"description"`
		Status      string      `xml:"status"`
		VPC         string      `xml:"vpcId"`
		Subnet      string      `xml:"subnetId"`
		PrivateIP   string      `xml:"privateIpAddress,omitempty"`
		PublicIP    string      `xml:"association>publicIp,omitempty"`
		Owner       string      `xml:"ownerId"`
		Groups      []groupRef  `xml:"groupSet>item"`
		Attachment  *attachment `xml:"attachment"`
	}
	var out struct {
		Interfaces []nic  `xml:"networkInterfaceSet>item"`
		Next       string `xml:"nextToken,omitempty"`
	}
	err := s.each(f, func(st *region.State, match matcher) error {
		for _, v := range st.Interfaces(func(region.Interface) bool { return true }) {
			one := nic{v.ID, v.Type, v.Description, "in-use", v.VpcID, v.SubnetID, v.PrivateIP, v.PublicIP,
				region.Account, groupRefs(st, v.Groups), nil}
			if v.InstanceID != "" {
				one.Attachment = &attachment{v.InstanceID, "attached"}
			}
			at := attributes{"network-interface-id": {v.ID}, "vpc-id": {v.VpcID}, "subnet-id": {v.SubnetID},
				"group-id":    v.Groups,
				"description": {v.Description}, "status": {"in-use"}, "attachment.instance-id": {v.InstanceID},
				"attachment.status": {"attached"},
				"interface-type":    {v.Type}, "private-ip-address": {v.PrivateIP},
				"addresses.private-ip-address": {v.PrivateIP}}
			if named(f, "NetworkInterfaceId", v.ID) && match(at, nil) {
				out.Interfaces = append(out.Interfaces, one)
			}
		}
		return nil
	})
	if err == nil {
		out.Interfaces, out.Next, err = page(f, out.Interfaces)
	}
	return out, err
}

// groupRef names a security group.
type groupRef struct {
	ID   string `xml:"groupId"`
	Name string `xml:"groupName"`
}

func groupRefs(st *region.State, ids []string) []groupRef {
	var refs []groupRef
	for _, id := range ids {
		if g, ok := st.SecurityGroups[id]; ok {
			refs = append(refs, groupRef{id, g.GroupName})
		}
	}
	return refs
}
