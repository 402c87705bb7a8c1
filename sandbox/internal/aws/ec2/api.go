// Package ec2 is the EC2 API, and what makes an instance of the model a
// running node.
//
// api.go, network.go, instances.go and tags.go answer requests; filter.go is
// what all Describe calls share; boot.go acts on the model: it starts the
// machine of a new instance and ends the machine of a terminated one.
package ec2

import (
	"net/http"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// Namespace is the XML namespace of answers.
const Namespace = "http://ec2.amazonaws.com/doc/2016-11-15/"

// Service answers EC2 requests.
type Service struct {
	store *region.Store
	now   func() time.Time
}

// New makes the service.
func New(store *region.Store, now func() time.Time) *Service {
	return &Service{store: store, now: now}
}

// Actions lists what is implemented.
func (s *Service) Actions() map[string]wire.Action {
	return map[string]wire.Action{
		"DescribeAvailabilityZones":      s.describeZones,
		"DescribeVpcs":                   s.describeVPCs,
		"DescribeSubnets":                s.describeSubnets,
		"DescribeInternetGateways":       s.describeGateways,
		"DescribeNatGateways":            s.describeNATs,
		"DescribeAddresses":              s.describeAddresses,
		"DescribeRouteTables":            s.describeRouteTables,
		"ReplaceRouteTableAssociation":   s.reassociate,
		"DescribeNetworkInterfaces":      s.describeInterfaces,
		"DescribeSecurityGroups":         s.describeSecurityGroups,
		"CreateSecurityGroup":            s.createSecurityGroup,
		"DeleteSecurityGroup":            s.deleteSecurityGroup,
		"AuthorizeSecurityGroupIngress":  s.authorize,
		"RevokeSecurityGroupIngress":     s.revoke,
		"CreateTags":                     s.createTags,
		"DeleteTags":                     s.deleteTags,
		"DescribeTags":                   s.describeTags,
		"DescribeInstances":              s.describeInstances,
		"DescribeInstanceStatus":         s.describeStatus,
		"DescribeInstanceTopology":       s.describeTopology,
		"DescribeInstanceTypes":          s.describeTypes,
		"DescribeImages":                 s.describeImages,
		"TerminateInstances":             s.terminate,
		"DescribeLaunchTemplates":        s.describeTemplates,
		"DescribeLaunchTemplateVersions": s.describeVersions,
	}
}

// update runs a change and answers with EC2's <return>true</return>.
func (s *Service) update(f func(*region.State) error) (any, error) {
	return nil, s.store.Update(f)
}

func (s *Service) describeZones(_ *http.Request, f wire.Form) (any, error) {
	type zone struct {
		Name   string `xml:"zoneName"`
		State  string `xml:"zoneState"`
		Region string `xml:"regionName"`
		ID     string `xml:"zoneId"`
		Group  string `xml:"groupName"`
		Border string `xml:"networkBorderGroup"`
		Type   string `xml:"zoneType"`
		OptIn  string `xml:"optInStatus"`
	}
	var out struct {
		Zones []zone `xml:"availabilityZoneInfo>item"`
	}
	err := s.each(f, func(st *region.State, match matcher) error {
		for _, z := range st.Zones() {
			at := attributes{"zone-name": {z.Name}, "zone-id": {z.ID}, "state": {"available"}, "region-name": {st.Region},
				"zone-type": {"availability-zone"}, "opt-in-status": {"opt-in-not-required"}, "group-name": {st.Region}}
			if named(f, "ZoneName", z.Name) && named(f, "ZoneId", z.ID) && match(at, nil) {
				out.Zones = append(out.Zones, zone{z.Name, "available", st.Region, z.ID, st.Region, st.Region,
					"availability-zone", "opt-in-not-required"})
			}
		}
		return nil
	})
	return out, err
}
