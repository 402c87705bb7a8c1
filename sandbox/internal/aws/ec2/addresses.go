package ec2

import (
	"net/http"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

func (s *Service) addressActions() map[string]wire.Action {
	return map[string]wire.Action{
		"AllocateAddress":   s.allocate,
		"DescribeAddresses": s.describeAddresses,
		"ReleaseAddress":    s.release,
	}
}

type addressItem struct {
	PublicIP    string `xml:"publicIp"`
	Allocation  string `xml:"allocationId"`
	Association string `xml:"associationId,omitempty"`
	Interface   string `xml:"networkInterfaceId,omitempty"`
	Private     string `xml:"privateIpAddress,omitempty"`
	Domain      string `xml:"domain"`
	Pool        string `xml:"publicIpv4Pool"`
	Border      string `xml:"networkBorderGroup"`
	Tags        []tag  `xml:"tagSet>item"`
}

func showAddress(st *region.State, v *region.Address) addressItem {
	a := addressItem{PublicIP: v.PublicIP, Allocation: v.AllocationID, Domain: v.Domain, Pool: "amazon", Border: st.Region, Tags: tagSet(v.Tags)}
	for _, n := range st.NATs {
		if n.AllocationID == v.AllocationID {
			a.Association, a.Interface, a.Private = "eipassoc-"+n.EniID[4:], n.EniID, n.PrivateIPAddress
		}
	}
	return a
}

func (s *Service) allocate(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		PublicIP   string `xml:"publicIp"`
		Allocation string `xml:"allocationId"`
		Domain     string `xml:"domain"`
		Pool       string `xml:"publicIpv4Pool"`
		Border     string `xml:"networkBorderGroup"`
	}
	if domain := f.Get("Domain"); domain != "" && domain != "vpc" {
		return nil, region.Errorf(region.Invalid, "InvalidParameterValue", "Value (%s) for parameter domain is invalid.", domain)
	}
	err := s.change(f, func(st *region.State) (err error) {
		v := &region.Address{}
		if v.Tags, err = specifiedTags(f, "elastic-ip"); err != nil {
			return err
		}
		if _, err = st.AllocateAddress(v); err == nil {
			out.PublicIP, out.Allocation, out.Domain, out.Pool, out.Border = v.PublicIP, v.AllocationID, v.Domain, "amazon", st.Region
		}
		return err
	})
	return out, err
}

func (s *Service) describeAddresses(_ *http.Request, f wire.Form) (any, error) {
	id, ip := func(v *region.Address) string { return v.AllocationID }, func(v *region.Address) string { return v.PublicIP }
	shown := func(of func(addressItem) string) func(*region.State, *region.Address) []string {
		return func(st *region.State, v *region.Address) []string { return []string{of(showAddress(st, v))} }
	}
	items, _, err := list(s, f, listing[*region.Address, addressItem]{
		all: func(st *region.State) []*region.Address { return region.Sorted(st.Addresses) },
		names: []name[*region.Address]{{"AllocationId", id, allocIDs.unknown}, {"PublicIp", ip, func(ip string) error {
			return region.Errorf(region.NotFound, "InvalidAddress.NotFound", "Address '%s' not found.", ip)
		}}},
		filters: filters[*region.Address]{"allocation-id": one(id), "public-ip": one(ip),
			"domain":               one(func(v *region.Address) string { return v.Domain }),
			"association-id":       shown(func(a addressItem) string { return a.Association }),
			"network-interface-id": shown(func(a addressItem) string { return a.Interface }),
			"private-ip-address":   shown(func(a addressItem) string { return a.Private }),
			"network-border-group": shown(func(a addressItem) string { return a.Border }),
			"instance-id":          shown(func(addressItem) string { return "" })},
		tags: func(v *region.Address) region.Tags { return v.Tags },
		show: showAddress,
	})
	return struct {
		Addresses []addressItem `xml:"addressesSet>item"`
	}{items}, err
}

func (s *Service) release(_ *http.Request, f wire.Form) (any, error) {
	if err := need(f, "AllocationId"); err != nil {
		return nil, err
	}
	return done(s.change(f, func(st *region.State) error {
		a := st.AddressByAllocation(f.Get("AllocationId"))
		if a == nil {
			return allocIDs.unknown(f.Get("AllocationId"))
		}
		return st.ReleaseAddress(a)
	}))
}
