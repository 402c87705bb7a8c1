package ec2

import (
	"net/http"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

func (s *Service) vpcActions() map[string]wire.Action {
	return map[string]wire.Action{
		"CreateVpc":            s.createVPC,
		"DescribeVpcs":         s.describeVPCs,
		"DescribeVpcAttribute": s.describeVPCAttribute,
		"ModifyVpcAttribute":   s.modifyVPC,
		"DeleteVpc":            s.deleteVPC,
	}
}

type blockItem struct {
	ID    string `xml:"associationId"`
	Block string `xml:"cidrBlock"`
	State string `xml:"cidrBlockState>state"`
}

type vpcItem struct {
	ID      string      `xml:"vpcId"`
	Owner   string      `xml:"ownerId"`
	State   string      `xml:"state"`
	Block   string      `xml:"cidrBlock"`
	Blocks  []blockItem `xml:"cidrBlockAssociationSet>item"`
	Tenancy string      `xml:"instanceTenancy"`
	Default bool        `xml:"isDefault"`
	DHCP    string      `xml:"dhcpOptionsId"`
	Tags    []tag       `xml:"tagSet>item"`
}

func showVPC(_ *region.State, v *region.VPC) vpcItem {
	return vpcItem{ID: v.VpcID, Owner: region.Account, State: "available", Block: v.CidrBlock,
		Blocks:  []blockItem{{v.CidrBlockAssociations[0], v.CidrBlock, "associated"}},
		Tenancy: v.InstanceTenancy, DHCP: "default", Tags: tagSet(v.Tags)}
}

func (s *Service) createVPC(_ *http.Request, f wire.Form) (any, error) {
	f.Ignore("AmazonProvidedIpv6CidrBlock") // false is what clients send along; true is told by the VPC without one
	v := &region.VPC{CidrBlock: f.Get("CidrBlock"), InstanceTenancy: f.Get("InstanceTenancy"), EnableDNSSupport: true}
	if v.InstanceTenancy == "" {
		v.InstanceTenancy = "default"
	}
	var out struct {
		VPC vpcItem `xml:"vpc"`
	}
	if err := need(f, "CidrBlock"); err != nil {
		return nil, err
	}
	err := s.change(f, func(st *region.State) error {
		var err error
		if v.Tags, err = specifiedTags(f, "vpc"); err != nil {
			return err
		}
		if _, err = st.CreateVPC(v); err == nil {
			out.VPC = showVPC(st, v)
		}
		return err
	})
	return out, err
}

func (s *Service) describeVPCs(_ *http.Request, f wire.Form) (any, error) {
	id, block := func(v *region.VPC) string { return v.VpcID }, func(v *region.VPC) string { return v.CidrBlock }
	items, next, err := list(s, f, listing[*region.VPC, vpcItem]{
		all:   func(st *region.State) []*region.VPC { return region.Sorted(st.VPCs) },
		names: []name[*region.VPC]{{"VpcId", id, vpcIDs.unknown}},
		filters: filters[*region.VPC]{"vpc-id": one(id), "cidr": one(block), "cidr-block-association.cidr-block": one(block),
			"cidr-block-association.state": always[*region.VPC]("associated"), "state": always[*region.VPC]("available"),
			"is-default": always[*region.VPC]("false"), "isDefault": always[*region.VPC]("false"),
			"dhcp-options-id": always[*region.VPC]("default"), "owner-id": always[*region.VPC](region.Account)},
		tags: func(v *region.VPC) region.Tags { return v.Tags },
		show: showVPC,
	})
	return struct {
		VPCs []vpcItem `xml:"vpcSet>item"`
		Next string    `xml:"nextToken,omitempty"`
	}{items, next}, err
}

type truth struct {
	Value bool `xml:"value"`
}

func (s *Service) describeVPCAttribute(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		ID        string `xml:"vpcId"`
		Support   *truth `xml:"enableDnsSupport"`
		Hostnames *truth `xml:"enableDnsHostnames"`
	}
	err := s.store.Read(func(st *region.State) error {
		v, err := found(st.VPCs, vpcIDs, f.Get("VpcId"))
		if err != nil {
			return err
		}
		out.ID = v.VpcID
		switch attribute := f.Get("Attribute"); attribute {
		case "enableDnsSupport":
			out.Support = &truth{v.EnableDNSSupport}
		case "enableDnsHostnames":
			out.Hostnames = &truth{v.EnableDNSHostnames}
		default:
			return region.Errorf(region.Invalid, "InvalidParameterValue",
				"Value (%s) for parameter attribute is invalid, or the sandbox does not implement it", attribute)
		}
		return nil
	})
	return out, err
}

func (s *Service) modifyVPC(_ *http.Request, f wire.Form) (any, error) {
	return done(s.change(f, func(st *region.State) error {
		v, err := found(st.VPCs, vpcIDs, f.Get("VpcId"))
		if err != nil {
			return err
		}
		switch {
		case f.Has("EnableDnsSupport.Value"):
			v.EnableDNSSupport = f.Bool("EnableDnsSupport.Value")
		case f.Has("EnableDnsHostnames.Value"):
			v.EnableDNSHostnames = f.Bool("EnableDnsHostnames.Value")
		default:
			return need(f, "EnableDnsSupport")
		}
		return nil
	}))
}

func (s *Service) deleteVPC(_ *http.Request, f wire.Form) (any, error) {
	return done(s.change(f, func(st *region.State) error {
		v, err := found(st.VPCs, vpcIDs, f.Get("VpcId"))
		if err != nil {
			return err
		}
		return st.DeleteVPC(v)
	}))
}
