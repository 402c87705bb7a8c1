package ec2

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// permission is what rules with the same protocol and ports allow.
type permission struct {
	Protocol string     `xml:"ipProtocol"`
	From     *int       `xml:"fromPort,omitempty"`
	To       *int       `xml:"toPort,omitempty"`
	Groups   []peer     `xml:"groups>item"`
	Ranges   []ipRange  `xml:"ipRanges>item"`
	Ranges6  []ip6Range `xml:"ipv6Ranges>item"`
}

type peer struct {
	User        string `xml:"userId"`
	ID          string `xml:"groupId"`
	Description string `xml:"description,omitempty"`
}

type ipRange struct {
	Cidr        string `xml:"cidrIp"`
	Description string `xml:"description,omitempty"`
}

type ip6Range struct {
	Cidr        string `xml:"cidrIpv6"`
	Description string `xml:"description,omitempty"`
}

func (s *Service) describeSecurityGroups(_ *http.Request, f wire.Form) (any, error) {
	type group struct {
		Owner       string       `xml:"ownerId"`
		ID          string       `xml:"groupId"`
		Name        string       `xml:"groupName"`
		Description string       `xml:"groupDescription"`
		VPC         string       `xml:"vpcId"`
		In          []permission `xml:"ipPermissions>item"`
		Out         []permission `xml:"ipPermissionsEgress>item"`
		Tags        []tag        `xml:"tagSet>item"`
	}
	var out struct {
		Groups []group `xml:"securityGroupInfo>item"`
		Next   string  `xml:"nextToken,omitempty"`
	}
	err := s.each(f, func(st *region.State, match matcher) error {
		for _, id := range f.List("GroupId") {
			if _, err := st.SecurityGroup(id); err != nil {
				return err
			}
		}
		for _, g := range region.Sorted(st.SecurityGroups) {
			if named(f, "GroupId", g.ID) && named(f, "GroupName", g.GroupName) && match(groupAttributes(st, g), g.Tags) {
				out.Groups = append(out.Groups, group{region.Account, g.ID, g.GroupName, g.Description, g.VpcID,
					permissions(st.RulesOf(g.ID, false)), permissions(st.RulesOf(g.ID, true)), tagSet(g.Tags)})
			}
		}
		return nil
	})
	if err == nil {
		out.Groups, out.Next, err = page(f, out.Groups)
	}
	return out, err
}

func groupAttributes(st *region.State, g *region.SecurityGroup) attributes {
	at := attributes{"group-id": {g.ID}, "group-name": {g.GroupName}, "vpc-id": {g.VpcID}, "description": {g.Description},
		"owner-id": {region.Account}, "ip-permission.group-id": nil, "ip-permission.cidr": nil,
		"ip-permission.protocol": nil}
	for _, r := range st.RulesOf(g.ID, false) {
		at["ip-permission.group-id"] = append(at["ip-permission.group-id"], r.PeerGroupID)
		at["ip-permission.cidr"] = append(at["ip-permission.cidr"], r.Cidr)
		at["ip-permission.protocol"] = append(at["ip-permission.protocol"], r.Protocol)
	}
	return at
}

func permissions(rules []*region.Rule) []permission {
	var list []permission
	index := map[string]int{}
	for _, r := range rules {
		key := r.Protocol + portKey(r.FromPort) + portKey(r.ToPort)
		k, ok := index[key]
		if !ok {
			k = len(list)
			index[key] = k
			list = append(list, permission{Protocol: r.Protocol, From: r.FromPort, To: r.ToPort})
		}
		p := &list[k]
		switch {
		case r.PeerGroupID != "":
			p.Groups = append(p.Groups, peer{region.Account, r.PeerGroupID, r.Description})
		case strings.Contains(r.Cidr, ":"):
			p.Ranges6 = append(p.Ranges6, ip6Range{r.Cidr, r.Description})
		default:
			p.Ranges = append(p.Ranges, ipRange{r.Cidr, r.Description})
		}
	}
	return list
}

func portKey(p *int) string {
	if p == nil {
		return "/-"
	}
	return "/" + strconv.Itoa(*p)
}

func (s *Service) createSecurityGroup(_ *http.Request, f wire.Form) (any, error) {
	g := &region.SecurityGroup{GroupName: f.Get("GroupName"), Description: f.Get("GroupDescription"),
		VpcID: f.Get("VpcId"),
		Tags:  specifiedTags(f, "security-group")}
	if g.GroupName == "" || g.Description == "" {
		return nil, region.Errorf(region.Invalid, "MissingParameter",
			"The request must contain the parameters GroupName and GroupDescription")
	}
	err := s.store.Update(func(st *region.State) error {
		_, err := st.CreateSecurityGroup(g)
		return err
	})
	return struct {
		Return bool   `xml:"return"`
		ID     string `xml:"groupId"`
		Tags   []tag  `xml:"tagSet>item"`
	}{true, g.ID, tagSet(g.Tags)}, err
}

func (s *Service) deleteSecurityGroup(_ *http.Request, f wire.Form) (any, error) {
	return s.update(func(st *region.State) error {
		g, err := st.SecurityGroup(f.Get("GroupId"))
		if err != nil {
			return err
		}
		return st.DeleteSecurityGroup(g)
	})
}

func (s *Service) authorize(_ *http.Request, f wire.Form) (any, error) {
	return s.update(func(st *region.State) error {
		for _, r := range rulesIn(f) {
			if _, err := st.Authorize(r); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) revoke(_ *http.Request, f wire.Form) (any, error) {
	return s.update(func(st *region.State) error {
		if _, err := st.SecurityGroup(f.Get("GroupId")); err != nil {
			return err
		}
		for _, r := range rulesIn(f) {
			if err := st.Revoke(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// rulesIn reads the rules of a request, written as IpPermissions or, for a
// single one, as plain parameters.
func rulesIn(f wire.Form) []*region.Rule {
	group := f.Get("GroupId")
	var list []*region.Rule
	for _, p := range f.Each("IpPermissions") {
		base := region.Rule{GroupID: group, Protocol: p.Get("IpProtocol"), FromPort: p.Int("FromPort"),
			ToPort: p.Int("ToPort")}
		add := func(cidr, peer, description string) {
			r := base
			r.Cidr, r.PeerGroupID, r.Description = cidr, peer, description
			list = append(list, &r)
		}
		for _, e := range p.Each("IpRanges") {
			add(e.Get("CidrIp"), "", e.Get("Description"))
		}
		for _, e := range p.Each("Ipv6Ranges") {
			add(e.Get("CidrIpv6"), "", e.Get("Description"))
		}
		for _, e := range p.Each("Groups") {
			add("", e.Get("GroupId"), e.Get("Description"))
		}
	}
	if f.Has("IpProtocol") {
		list = append(list, &region.Rule{GroupID: group, Protocol: f.Get("IpProtocol"), FromPort: f.Int("FromPort"),
			ToPort: f.Int("ToPort"), Cidr: f.Get("CidrIp")})
	}
	return list
}
