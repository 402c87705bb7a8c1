package ec2

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

func (s *Service) groupActions() map[string]wire.Action {
	return map[string]wire.Action{
		"CreateSecurityGroup":           s.createSecurityGroup,
		"DescribeSecurityGroups":        s.describeSecurityGroups,
		"DescribeSecurityGroupRules":    s.describeRules,
		"DeleteSecurityGroup":           s.deleteSecurityGroup,
		"AuthorizeSecurityGroupIngress": s.authorize(false),
		"AuthorizeSecurityGroupEgress":  s.authorize(true),
		"RevokeSecurityGroupIngress":    s.revoke(false),
		"RevokeSecurityGroupEgress":     s.revoke(true),
	}
}

// permission is what rules with the same protocol and ports allow.
type permission struct {
	Protocol string      `xml:"ipProtocol"`
	From     *int        `xml:"fromPort,omitempty"`
	To       *int        `xml:"toPort,omitempty"`
	Groups   []peer      `xml:"groups>item"`
	Ranges   []ipRange   `xml:"ipRanges>item"`
	Ranges6  []ip6Range  `xml:"ipv6Ranges>item"`
	Prefixes []emptyItem `xml:"prefixListIds>item"`
}

// emptyItem is an element of lists that are always empty here.
type emptyItem struct{}

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

type groupItem struct {
	Owner       string       `xml:"ownerId"`
	ID          string       `xml:"groupId"`
	ARN         string       `xml:"securityGroupArn"`
	Name        string       `xml:"groupName"`
	Description string       `xml:"groupDescription"`
	VPC         string       `xml:"vpcId"`
	In          []permission `xml:"ipPermissions>item"`
	Out         []permission `xml:"ipPermissionsEgress>item"`
	Tags        []tag        `xml:"tagSet>item"`
}

func showSecurityGroup(st *region.State, g *region.SecurityGroup) groupItem {
	return groupItem{region.Account, g.ID, groupARN(st, g.ID), g.GroupName, g.Description, g.VpcID,
		permissions(st.RulesOf(g.ID, false)), permissions(st.RulesOf(g.ID, true)), tagSet(g.Tags)}
}

func groupARN(st *region.State, id string) string { return st.ARN("ec2", "security-group/"+id) }

func (s *Service) describeSecurityGroups(_ *http.Request, f wire.Form) (any, error) {
	type group = *region.SecurityGroup
	id, groupName := func(g group) string { return g.ID }, func(g group) string { return g.GroupName }
	rules := func(egress bool, of func(*region.Rule) string) func(*region.State, group) []string {
		return func(st *region.State, g group) (values []string) {
			for _, r := range st.RulesOf(g.ID, egress) {
				values = append(values, of(r))
			}
			return values
		}
	}
	by := filters[group]{"group-id": one(id), "group-name": one(groupName), "vpc-id": one(func(g group) string { return g.VpcID }),
		"description": one(func(g group) string { return g.Description }), "owner-id": always[group](region.Account)}
	for prefix, egress := range map[string]bool{"ip-permission.": false, "egress.ip-permission.": true} {
		by[prefix+"group-id"] = rules(egress, func(r *region.Rule) string { return r.PeerGroupID })
		by[prefix+"cidr"] = rules(egress, func(r *region.Rule) string { return r.Cidr })
		by[prefix+"protocol"] = rules(egress, func(r *region.Rule) string { return r.Protocol })
		by[prefix+"from-port"] = rules(egress, func(r *region.Rule) string { return portText(r.FromPort) })
		by[prefix+"to-port"] = rules(egress, func(r *region.Rule) string { return portText(r.ToPort) })
	}
	items, next, err := list(s, f, listing[group, groupItem]{
		all: func(st *region.State) []group { return region.Sorted(st.SecurityGroups) },
		names: []name[group]{{"GroupId", id, groupIDs.unknown}, {"GroupName", groupName, func(n string) error {
			return region.Errorf(region.NotFound, groupIDs.missing, "The security group '%s' does not exist", n)
		}}},
		filters: by,
		tags:    func(g group) region.Tags { return g.Tags },
		show:    showSecurityGroup,
	})
	return struct {
		Groups []groupItem `xml:"securityGroupInfo>item"`
		Next   string      `xml:"nextToken,omitempty"`
	}{items, next}, err
}

func permissions(rules []*region.Rule) []permission {
	var list []permission
	index := map[string]int{}
	for _, r := range rules {
		key := r.Protocol + "/" + portText(r.FromPort) + "/" + portText(r.ToPort)
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

func portText(p *int) string {
	if p == nil {
		return "-1"
	}
	return strconv.Itoa(*p)
}

// ruleItem is one rule with one peer.
type ruleItem struct {
	ID          string `xml:"securityGroupRuleId"`
	ARN         string `xml:"securityGroupRuleArn"`
	Group       string `xml:"groupId"`
	Owner       string `xml:"groupOwnerId"`
	Egress      bool   `xml:"isEgress"`
	Protocol    string `xml:"ipProtocol"`
	From        string `xml:"fromPort"`
	To          string `xml:"toPort"`
	Cidr4       string `xml:"cidrIpv4,omitempty"`
	Cidr6       string `xml:"cidrIpv6,omitempty"`
	Peer        *peer  `xml:"referencedGroupInfo"`
	Description string `xml:"description,omitempty"`
	Tags        []tag  `xml:"tagSet>item"`
}

func showRule(st *region.State, r *region.Rule) ruleItem {
	item := ruleItem{ID: r.ID, ARN: st.ARN("ec2", "security-group-rule/"+r.ID), Group: r.GroupID, Owner: region.Account, Egress: r.Egress,
		Protocol: r.Protocol, From: portText(r.FromPort), To: portText(r.ToPort), Description: r.Description}
	switch {
	case r.PeerGroupID != "":
		item.Peer = &peer{User: region.Account, ID: r.PeerGroupID}
	case strings.Contains(r.Cidr, ":"):
		item.Cidr6 = r.Cidr
	default:
		item.Cidr4 = r.Cidr
	}
	return item
}

func (s *Service) describeRules(_ *http.Request, f wire.Form) (any, error) {
	type rule = *region.Rule
	id := func(r rule) string { return r.ID }
	items, next, err := list(s, f, listing[rule, ruleItem]{
		all:     func(st *region.State) []rule { return region.Sorted(st.Rules) },
		names:   []name[rule]{{"SecurityGroupRuleId", id, ruleIDs.unknown}},
		filters: filters[rule]{"security-group-rule-id": one(id), "group-id": one(func(r rule) string { return r.GroupID })},
		tags:    func(rule) region.Tags { return nil },
		show:    showRule,
	})
	return struct {
		Rules []ruleItem `xml:"securityGroupRuleSet>item"`
		Next  string     `xml:"nextToken,omitempty"`
	}{items, next}, err
}

func (s *Service) createSecurityGroup(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Return bool   `xml:"return"`
		ID     string `xml:"groupId"`
		ARN    string `xml:"securityGroupArn"`
		Tags   []tag  `xml:"tagSet>item"`
	}
	if err := need(f, "GroupName", "GroupDescription"); err != nil {
		return nil, err
	}
	g := &region.SecurityGroup{GroupName: f.Get("GroupName"), Description: f.Get("GroupDescription"), VpcID: f.Get("VpcId")}
	if strings.HasPrefix(g.GroupName, "sg-") {
		return nil, region.Errorf(region.Invalid, "InvalidParameterValue", "Value (%s) for parameter GroupName is invalid. "+
			"Group names may not be in the format sg-*.", g.GroupName)
	}
	err := s.change(f, func(st *region.State) (err error) {
		if g.VpcID == "" {
			return region.Errorf(region.Invalid, "VPCIdNotSpecified", "No default VPC for this user")
		}
		if _, err = found(st.VPCs, vpcIDs, g.VpcID); err != nil {
			return err
		}
		if g.Tags, err = specifiedTags(f, "security-group"); err != nil {
			return err
		}
		_, err = st.CreateSecurityGroup(g)
		out.Return, out.ID, out.ARN, out.Tags = true, g.ID, groupARN(st, g.ID), tagSet(g.Tags)
		return err
	})
	return out, err
}

func (s *Service) deleteSecurityGroup(_ *http.Request, f wire.Form) (any, error) {
	return done(s.change(f, func(st *region.State) error {
		g, err := found(st.SecurityGroups, groupIDs, f.Get("GroupId"))
		if err != nil {
			return err
		}
		return st.DeleteSecurityGroup(g)
	}))
}

func (s *Service) authorize(egress bool) wire.Action {
	return func(_ *http.Request, f wire.Form) (any, error) {
		var out struct {
			Return bool       `xml:"return"`
			Rules  []ruleItem `xml:"securityGroupRuleSet>item"`
		}
		err := s.change(f, func(st *region.State) error {
			if _, err := found(st.SecurityGroups, groupIDs, f.Get("GroupId")); err != nil {
				return err
			}
			f.Ignore("TagSpecification") // rules carry no tags here
			rules, err := rulesIn(f, egress)
			if err != nil {
				return err
			}
			for _, r := range rules {
				if _, err := st.Authorize(r); err != nil {
					return err
				}
				out.Rules = append(out.Rules, showRule(st, r))
			}
			out.Return = true
			return nil
		})
		return out, err
	}
}

func (s *Service) revoke(egress bool) wire.Action {
	return func(_ *http.Request, f wire.Form) (any, error) {
		return done(s.change(f, func(st *region.State) error {
			g, err := found(st.SecurityGroups, groupIDs, f.Get("GroupId"))
			if err != nil {
				return err
			}
			if ids := f.List("SecurityGroupRuleId"); len(ids) > 0 {
				return revokeByID(st, g.ID, ids, egress)
			}
			rules, err := rulesIn(f, egress)
			if err != nil {
				return err
			}
			for _, r := range rules {
				if err := st.Revoke(r); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

func revokeByID(st *region.State, group string, ids []string, egress bool) error {
	for _, id := range ids {
		r, err := found(st.Rules, ruleIDs, id)
		if err != nil {
			return err
		}
		if r.GroupID != group || r.Egress != egress {
			return ruleIDs.unknown(id)
		}
		delete(st.Rules, id)
	}
	return nil
}

// protocols are those that a rule may name.
var protocols = []string{"tcp", "udp", "icmp", "icmpv6", "-1", "all"}

// rulesIn reads the rules of a request, written as IpPermissions or, for a
// single one, as plain parameters.
func rulesIn(f wire.Form, egress bool) ([]*region.Rule, error) {
	group := f.Get("GroupId")
	var list []*region.Rule
	for _, p := range append(f.Each("IpPermissions"), plain(f)...) {
		base := region.Rule{GroupID: group, Egress: egress, Protocol: p.Get("IpProtocol"), FromPort: p.Int("FromPort"), ToPort: p.Int("ToPort")}
		if err := checkPorts(base); err != nil {
			return nil, err
		}
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
			e.Ignore("UserId")
			add("", e.Get("GroupId"), e.Get("Description"))
		}
		if p.Has("CidrIp") {
			add(p.Get("CidrIp"), "", "")
		}
	}
	if len(list) == 0 {
		return nil, region.Errorf(region.Invalid, "MissingParameter", "Either 'ipPermissions' or 'securityGroupRuleIds' should be provided.")
	}
	return list, nil
}

// plain is the request itself, when it holds the one rule.
func plain(f wire.Form) []wire.Form {
	if f.Has("IpProtocol") {
		return []wire.Form{f}
	}
	return nil
}

func checkPorts(r region.Rule) error {
	_, err := strconv.ParseUint(r.Protocol, 10, 8)
	if err != nil && !slices.Contains(protocols, strings.ToLower(r.Protocol)) {
		return region.Errorf(region.Invalid, "InvalidParameterValue", "Invalid value '%s' for IP protocol. Unknown protocol.", r.Protocol)
	}
	switch r.Protocol {
	case "tcp", "udp", "6", "17":
	default:
		return nil // ports mean something else, or nothing
	}
	switch {
	case r.FromPort == nil || r.ToPort == nil:
		return region.Errorf(region.Invalid, "InvalidParameterValue", "Must specify both from and to ports with %s.", strings.ToUpper(r.Protocol))
	case *r.FromPort < 0 || *r.FromPort > 65535 || *r.ToPort < 0 || *r.ToPort > 65535:
		return region.Errorf(region.Invalid, "InvalidParameterValue", "Invalid value for port range: %d-%d", *r.FromPort, *r.ToPort)
	case *r.FromPort > *r.ToPort:
		return region.Errorf(region.Invalid, "InvalidParameterValue", "Invalid %s port range (%d-%d)", strings.ToUpper(r.Protocol), *r.FromPort, *r.ToPort)
	}
	return nil
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
