package ec2

import (
	"net/http"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

func (s *Service) gatewayActions() map[string]wire.Action {
	return map[string]wire.Action{
		"CreateInternetGateway":    s.createGateway,
		"DescribeInternetGateways": s.describeGateways,
		"AttachInternetGateway":    s.attachGateway,
		"DetachInternetGateway":    s.detachGateway,
		"DeleteInternetGateway":    s.deleteGateway,
		"CreateNatGateway":         s.createNAT,
		"DescribeNatGateways":      s.describeNATs,
		"DeleteNatGateway":         s.deleteNAT,
	}
}

type attachmentItem struct {
	VPC   string `xml:"vpcId"`
	State string `xml:"state"`
}

type gatewayItem struct {
	ID          string           `xml:"internetGatewayId"`
	Attachments []attachmentItem `xml:"attachmentSet>item"`
	Owner       string           `xml:"ownerId"`
	Tags        []tag            `xml:"tagSet>item"`
}

func showGateway(st *region.State, v *region.InternetGateway) gatewayItem {
	item := gatewayItem{ID: v.InternetGatewayID, Owner: region.Account, Tags: tagSet(v.Tags)}
	if a := st.AttachmentOf(v.InternetGatewayID); a != nil {
		item.Attachments = []attachmentItem{{a.VpcID, "available"}}
	}
	return item
}

func (s *Service) createGateway(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Gateway gatewayItem `xml:"internetGateway"`
	}
	err := s.change(f, func(st *region.State) (err error) {
		v := &region.InternetGateway{}
		if v.Tags, err = specifiedTags(f, "internet-gateway"); err != nil {
			return err
		}
		if _, err = st.CreateInternetGateway(v); err == nil {
			out.Gateway = showGateway(st, v)
		}
		return err
	})
	return out, err
}

func (s *Service) describeGateways(_ *http.Request, f wire.Form) (any, error) {
	id := func(v *region.InternetGateway) string { return v.InternetGatewayID }
	items, next, err := list(s, f, listing[*region.InternetGateway, gatewayItem]{
		all:   func(st *region.State) []*region.InternetGateway { return region.Sorted(st.Gateways) },
		names: []name[*region.InternetGateway]{{"InternetGatewayId", id, gatewayIDs.unknown}},
		filters: filters[*region.InternetGateway]{"internet-gateway-id": one(id), "owner-id": always[*region.InternetGateway](region.Account),
			"attachment.vpc-id": func(st *region.State, v *region.InternetGateway) []string {
				if a := st.AttachmentOf(v.InternetGatewayID); a != nil {
					return []string{a.VpcID}
				}
				return nil
			},
			"attachment.state": func(st *region.State, v *region.InternetGateway) []string {
				if st.AttachmentOf(v.InternetGatewayID) != nil {
					return []string{"available"}
				}
				return nil
			}},
		tags: func(v *region.InternetGateway) region.Tags { return v.Tags },
		show: showGateway,
	})
	return struct {
		Gateways []gatewayItem `xml:"internetGatewaySet>item"`
		Next     string        `xml:"nextToken,omitempty"`
	}{items, next}, err
}

func (s *Service) attachGateway(_ *http.Request, f wire.Form) (any, error) {
	return done(s.change(f, func(st *region.State) error {
		if _, err := found(st.Gateways, gatewayIDs, f.Get("InternetGatewayId")); err != nil {
			return err
		}
		if _, err := found(st.VPCs, vpcIDs, f.Get("VpcId")); err != nil {
			return err
		}
		_, err := st.Attach(&region.GatewayAttachment{InternetGatewayID: f.Get("InternetGatewayId"), VpcID: f.Get("VpcId")})
		return err
	}))
}

func (s *Service) detachGateway(_ *http.Request, f wire.Form) (any, error) {
	return done(s.change(f, func(st *region.State) error {
		if _, err := found(st.Gateways, gatewayIDs, f.Get("InternetGatewayId")); err != nil {
			return err
		}
		a := st.AttachmentOf(f.Get("InternetGatewayId"))
		if a == nil || a.VpcID != f.Get("VpcId") {
			return region.Errorf(region.Invalid, "Gateway.NotAttached", "resource %s is not attached to network %s",
				f.Get("InternetGatewayId"), f.Get("VpcId"))
		}
		return st.Detach(a)
	}))
}

func (s *Service) deleteGateway(_ *http.Request, f wire.Form) (any, error) {
	return done(s.change(f, func(st *region.State) error {
		v, err := found(st.Gateways, gatewayIDs, f.Get("InternetGatewayId"))
		if err != nil {
			return err
		}
		return st.DeleteInternetGateway(v)
	}))
}

type natAddress struct {
	Allocation string `xml:"allocationId,omitempty"`
	Interface  string `xml:"networkInterfaceId"`
	Private    string `xml:"privateIp"`
	Public     string `xml:"publicIp,omitempty"`
	Primary    bool   `xml:"isPrimary"`
	Status     string `xml:"status"`
}

type natItem struct {
	ID        string       `xml:"natGatewayId"`
	State     string       `xml:"state"`
	Subnet    string       `xml:"subnetId"`
	VPC       string       `xml:"vpcId"`
	Type      string       `xml:"connectivityType"`
	Created   string       `xml:"createTime"`
	Addresses []natAddress `xml:"natGatewayAddressSet>item"`
	Tags      []tag        `xml:"tagSet>item"`
}

func showNAT(st *region.State, v *region.NATGateway) natItem {
	a := natAddress{Allocation: v.AllocationID, Interface: v.EniID, Private: v.PrivateIPAddress, Primary: true, Status: "succeeded"}
	if eip := st.AddressByAllocation(v.AllocationID); eip != nil {
		a.Public = eip.PublicIP
	}
	return natItem{ID: v.NatGatewayID, State: v.State, Subnet: v.SubnetID, VPC: v.VpcID, Type: v.ConnectivityType,
		Created: wire.Stamp(v.Created), Addresses: []natAddress{a}, Tags: tagSet(v.Tags)}
}

func (s *Service) createNAT(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Token string  `xml:"clientToken,omitempty"`
		NAT   natItem `xml:"natGateway"`
	}
	out.Token = f.Get("ClientToken")
	err := s.once(f, func(st *region.State) (string, error) {
		v := &region.NATGateway{SubnetID: f.Get("SubnetId"), AllocationID: f.Get("AllocationId"), ConnectivityType: f.Get("ConnectivityType")}
		if _, err := found(st.Subnets, subnetIDs, v.SubnetID); err != nil {
			return "", err
		}
		var err error
		if v.Tags, err = specifiedTags(f, "natgateway"); err != nil {
			return "", err
		}
		return st.CreateNATGateway(v, region.Stamp(s.now()))
	}, func(st *region.State, id string) {
		if v, ok := st.NATs[id]; ok {
			out.NAT = showNAT(st, v)
		}
	})
	return out, err
}

func (s *Service) describeNATs(_ *http.Request, f wire.Form) (any, error) {
	id := func(v *region.NATGateway) string { return v.NatGatewayID }
	items, next, err := list(s, f, listing[*region.NATGateway, natItem]{
		all:   func(st *region.State) []*region.NATGateway { return region.Sorted(st.NATs) },
		names: []name[*region.NATGateway]{{"NatGatewayId", id, natIDs.unknown}},
		filters: filters[*region.NATGateway]{"nat-gateway-id": one(id), "vpc-id": one(func(v *region.NATGateway) string { return v.VpcID }),
			"subnet-id": one(func(v *region.NATGateway) string { return v.SubnetID }),
			"state":     one(func(v *region.NATGateway) string { return v.State })},
		tags: func(v *region.NATGateway) region.Tags { return v.Tags },
		show: showNAT,
	})
	return struct {
		NATs []natItem `xml:"natGatewaySet>item"`
		Next string    `xml:"nextToken,omitempty"`
	}{items, next}, err
}

func (s *Service) deleteNAT(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		ID string `xml:"natGatewayId"`
	}
	err := s.change(f, func(st *region.State) error {
		v, err := found(st.NATs, natIDs, f.Get("NatGatewayId"))
		if err != nil {
			return err
		}
		out.ID = v.NatGatewayID
		return st.DeleteNATGateway(v, region.Stamp(s.now()))
	})
	return out, err
}
