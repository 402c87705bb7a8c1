package ec2

import (
	"net/http"
	"slices"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

func (s *Service) placeActions() map[string]wire.Action {
	return map[string]wire.Action{
		"DescribeRegions":           s.describeRegions,
		"DescribeAvailabilityZones": s.describeZones,
		"DescribeAccountAttributes": s.describeAccount,
	}
}

type regionItem struct {
	Name     string `xml:"regionName"`
	Endpoint string `xml:"regionEndpoint"`
	OptIn    string `xml:"optInStatus"`
}

// describeRegions knows one region: this one.
func (s *Service) describeRegions(_ *http.Request, f wire.Form) (any, error) {
	f.Ignore("AllRegions")
	items, _, err := list(s, f, listing[string, regionItem]{
		all: func(st *region.State) []string { return []string{st.Region} },
		names: []name[string]{{"RegionName", func(n string) string { return n }, func(n string) error {
			return region.Errorf(region.Invalid, "InvalidParameterValue", "Invalid region name: [%s]", n)
		}}},
		filters: filters[string]{"region-name": one(func(n string) string { return n }),
			"endpoint":      one(func(n string) string { return "ec2." + n + ".amazonaws.com" }),
			"opt-in-status": always[string]("opt-in-not-required")},
		show: func(_ *region.State, n string) regionItem {
			return regionItem{n, "ec2." + n + ".amazonaws.com", "opt-in-not-required"}
		},
	})
	return struct {
		Regions []regionItem `xml:"regionInfo>item"`
	}{items}, err
}

type zoneItem struct {
	Name   string `xml:"zoneName"`
	State  string `xml:"zoneState"`
	Region string `xml:"regionName"`
	ID     string `xml:"zoneId"`
	Group  string `xml:"groupName"`
	Border string `xml:"networkBorderGroup"`
	Type   string `xml:"zoneType"`
	OptIn  string `xml:"optInStatus"`
}

func (s *Service) describeZones(_ *http.Request, f wire.Form) (any, error) {
	f.Ignore("AllAvailabilityZones")
	unknown := func(n string) error {
		return region.Errorf(region.Invalid, "InvalidParameterValue", "Invalid availability zone: [%s]", n)
	}
	zoneName, zoneID := func(z region.Zone) string { return z.Name }, func(z region.Zone) string { return z.ID }
	home := func(st *region.State, _ region.Zone) []string { return []string{st.Region} }
	items, _, err := list(s, f, listing[region.Zone, zoneItem]{
		all:   (*region.State).Zones,
		names: []name[region.Zone]{{"ZoneName", zoneName, unknown}, {"ZoneId", zoneID, unknown}},
		filters: filters[region.Zone]{"zone-name": one(zoneName), "zone-id": one(zoneID), "state": always[region.Zone]("available"),
			"region-name": home, "group-name": home, "zone-type": always[region.Zone]("availability-zone"),
			"opt-in-status": always[region.Zone]("opt-in-not-required")},
		show: func(st *region.State, z region.Zone) zoneItem {
			return zoneItem{z.Name, "available", st.Region, z.ID, st.Region, st.Region, "availability-zone", "opt-in-not-required"}
		},
	})
	return struct {
		Zones []zoneItem `xml:"availabilityZoneInfo>item"`
	}{items}, err
}

// describeAccount tells that there is neither EC2-Classic nor a default VPC.
func (s *Service) describeAccount(_ *http.Request, f wire.Form) (any, error) {
	type value struct {
		Value string `xml:"attributeValue"`
	}
	type attribute struct {
		Name   string  `xml:"attributeName"`
		Values []value `xml:"attributeValueSet>item"`
	}
	var out struct {
		Attributes []attribute `xml:"accountAttributeSet>item"`
	}
	wanted := f.List("AttributeName")
	for _, a := range [][2]string{{"supported-platforms", "VPC"}, {"default-vpc", "none"}} {
		if len(wanted) == 0 || slices.Contains(wanted, a[0]) {
			out.Attributes = append(out.Attributes, attribute{a[0], []value{{a[1]}}})
		}
	}
	return out, nil
}
