package ec2

import (
	"net/http"
	"strconv"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

func (s *Service) subnetActions() map[string]wire.Action {
	return map[string]wire.Action{
		"CreateSubnet":              s.createSubnet,
		"DescribeSubnets":           s.describeSubnets,
		"ModifySubnetAttribute":     s.modifySubnet,
		"DeleteSubnet":              s.deleteSubnet,
		"DescribeNetworkInterfaces": s.describeInterfaces,
	}
}

type subnetItem struct {
	ID      string `xml:"subnetId"`
	ARN     string `xml:"subnetArn"`
	State   string `xml:"state"`
	VPC     string `xml:"vpcId"`
	Block   string `xml:"cidrBlock"`
	Free    int    `xml:"availableIpAddressCount"`
	Zone    string `xml:"availabilityZone"`
	ZoneID  string `xml:"availabilityZoneId"`
	Default bool   `xml:"defaultForAz"`
	Public  bool   `xml:"mapPublicIpOnLaunch"`
	IPv6    bool   `xml:"assignIpv6AddressOnCreation"`
	Owner   string `xml:"ownerId"`
	Tags    []tag  `xml:"tagSet>item"`
}

func showSubnet(st *region.State, v *region.Subnet) subnetItem {
	return subnetItem{ID: v.SubnetID, ARN: st.ARN("ec2", "subnet/"+v.SubnetID), State: "available", VPC: v.VpcID, Block: v.CidrBlock,
		Free: st.FreeAddresses(v), Zone: v.AvailabilityZone, ZoneID: v.AvailabilityZoneID, Public: v.MapPublicIPOnLaunch,
		Owner: region.Account, Tags: tagSet(v.Tags)}
}

func (s *Service) createSubnet(_ *http.Request, f wire.Form) (any, error) {
	if err := need(f, "VpcId", "CidrBlock"); err != nil {
		return nil, err
	}
	v := &region.Subnet{VpcID: f.Get("VpcId"), CidrBlock: f.Get("CidrBlock"), AvailabilityZone: f.Get("AvailabilityZone"),
		AvailabilityZoneID: f.Get("AvailabilityZoneId")}
	var out struct {
		Subnet subnetItem `xml:"subnet"`
	}
	err := s.change(f, func(st *region.State) error {
		if _, err := found(st.VPCs, vpcIDs, v.VpcID); err != nil {
			return err
		}
		var err error
		if v.Tags, err = specifiedTags(f, "subnet"); err != nil {
			return err
		}
		if _, err = st.CreateSubnet(v); err == nil {
			out.Subnet = showSubnet(st, v)
		}
		return err
	})
	return out, err
}

func (s *Service) describeSubnets(_ *http.Request, f wire.Form) (any, error) {
	id := func(v *region.Subnet) string { return v.SubnetID }
	block := one(func(v *region.Subnet) string { return v.CidrBlock })
	zone := one(func(v *region.Subnet) string { return v.AvailabilityZone })
	zoneID := one(func(v *region.Subnet) string { return v.AvailabilityZoneID })
	no := always[*region.Subnet]("false")
	items, next, err := list(s, f, listing[*region.Subnet, subnetItem]{
		all:   func(st *region.State) []*region.Subnet { return region.Sorted(st.Subnets) },
		names: []name[*region.Subnet]{{"SubnetId", id, subnetIDs.unknown}},
		filters: filters[*region.Subnet]{"subnet-id": one(id), "vpc-id": one(func(v *region.Subnet) string { return v.VpcID }),
			"cidr-block": block, "cidrBlock": block, "cidr": block, "availability-zone": zone, "availabilityZone": zone,
			"availability-zone-id": zoneID, "availabilityZoneId": zoneID, "state": always[*region.Subnet]("available"),
			"default-for-az": no, "defaultForAz": no,
			"available-ip-address-count": func(st *region.State, v *region.Subnet) []string { return []string{strconv.Itoa(st.FreeAddresses(v))} },
			"map-public-ip-on-launch":    one(func(v *region.Subnet) string { return strconv.FormatBool(v.MapPublicIPOnLaunch) }),
			"owner-id":                   always[*region.Subnet](region.Account),
			"subnet-arn": func(st *region.State, v *region.Subnet) []string {
				return []string{st.ARN("ec2", "subnet/"+v.SubnetID)}
			}},
		tags: func(v *region.Subnet) region.Tags { return v.Tags },
		show: showSubnet,
	})
	return struct {
		Subnets []subnetItem `xml:"subnetSet>item"`
		Next    string       `xml:"nextToken,omitempty"`
	}{items, next}, err
}

func (s *Service) modifySubnet(_ *http.Request, f wire.Form) (any, error) {
	return done(s.change(f, func(st *region.State) error {
		v, err := found(st.Subnets, subnetIDs, f.Get("SubnetId"))
		if err != nil {
			return err
		}
		if err := need(f, "MapPublicIpOnLaunch.Value"); err != nil {
			return err
		}
		v.MapPublicIPOnLaunch = f.Bool("MapPublicIpOnLaunch.Value")
		return nil
	}))
}

func (s *Service) deleteSubnet(_ *http.Request, f wire.Form) (any, error) {
	return done(s.change(f, func(st *region.State) error {
		v, err := found(st.Subnets, subnetIDs, f.Get("SubnetId"))
		if err != nil {
			return err
		}
		return st.DeleteSubnet(v)
	}))
}

type nicAttachment struct {
	Instance string `xml:"instanceId"`
	Status   string `xml:"status"`
}

type interfaceItem struct {
	ID          string         `xml:"networkInterfaceId"`
	Type        string         `xml:"interfaceType"`
	Description string         `xml:"description"`
	Status      string         `xml:"status"`
	VPC         string         `xml:"vpcId"`
	Subnet      string         `xml:"subnetId"`
	Zone        string         `xml:"availabilityZone"`
	PrivateIP   string         `xml:"privateIpAddress,omitempty"`
	PublicIP    string         `xml:"association>publicIp,omitempty"`
	Owner       string         `xml:"ownerId"`
	Groups      []groupRef     `xml:"groupSet>item"`
	Attachment  *nicAttachment `xml:"attachment"`
	Tags        []tag          `xml:"tagSet>item"`
}

func showInterface(st *region.State, v region.Interface) interfaceItem {
	item := interfaceItem{ID: v.ID, Type: v.Type, Description: v.Description, Status: "in-use", VPC: v.VpcID, Subnet: v.SubnetID,
		PrivateIP: v.PrivateIP, PublicIP: v.PublicIP, Owner: region.Account, Groups: groupRefs(st, v.Groups)}
	if sub, ok := st.Subnets[v.SubnetID]; ok {
		item.Zone = sub.AvailabilityZone
	}
	if v.InstanceID != "" {
		item.Attachment = &nicAttachment{v.InstanceID, "attached"}
	}
	return item
}

func (s *Service) describeInterfaces(_ *http.Request, f wire.Form) (any, error) {
	id := func(v region.Interface) string { return v.ID }
	address := one(func(v region.Interface) string { return v.PrivateIP })
	items, next, err := list(s, f, listing[region.Interface, interfaceItem]{
		all: func(st *region.State) []region.Interface {
			return st.Interfaces(func(region.Interface) bool { return true })
		},
		names: []name[region.Interface]{{"NetworkInterfaceId", id, interfaceIDs.unknown}},
		filters: filters[region.Interface]{"network-interface-id": one(id), "vpc-id": one(func(v region.Interface) string { return v.VpcID }),
			"subnet-id":              one(func(v region.Interface) string { return v.SubnetID }),
			"group-id":               func(_ *region.State, v region.Interface) []string { return v.Groups },
			"description":            one(func(v region.Interface) string { return v.Description }),
			"status":                 always[region.Interface]("in-use"),
			"attachment.instance-id": one(func(v region.Interface) string { return v.InstanceID }),
			"attachment.status":      always[region.Interface]("attached"),
			"interface-type":         one(func(v region.Interface) string { return v.Type }),
			"owner-id":               always[region.Interface](region.Account),
			"availability-zone":      func(st *region.State, v region.Interface) []string { return []string{showInterface(st, v).Zone} },
			"private-ip-address":     address, "addresses.private-ip-address": address},
		tags: func(region.Interface) region.Tags { return nil },
		show: showInterface,
	})
	return struct {
		Interfaces []interfaceItem `xml:"networkInterfaceSet>item"`
		Next       string          `xml:"nextToken,omitempty"`
	}{items, next}, err
}
