package region

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// SecurityGroup is AWS::EC2::SecurityGroup. Its rules are in State.Rules,
// because they are resources of their own as well. The sandbox keeps the rules
// and what depends on them; it filters no packets.
type SecurityGroup struct {
	ID          string `json:"Id"`
	GroupID     string `json:"GroupId"` // the same as ID
	GroupName   string
	Description string `json:"GroupDescription"`
	VpcID       string `json:"VpcId"`
	Tags        Tags   `json:",omitempty"`

	Ingress []InlineRule `json:"SecurityGroupIngress,omitempty"` // as asked for; Rules tell what is
	Egress  []InlineRule `json:"SecurityGroupEgress,omitempty"`
}

// InlineRule is a rule as AWS::EC2::SecurityGroup and its two rule types write it.
type InlineRule struct {
	IPProtocol   string `json:"IpProtocol"`
	FromPort     *int   `json:",omitempty"`
	ToPort       *int   `json:",omitempty"`
	CidrIP       string `json:"CidrIp,omitempty"`
	CidrIPv6     string `json:"CidrIpv6,omitempty"`
	Source       string `json:"SourceSecurityGroupId,omitempty"`
	Destination  string `json:"DestinationSecurityGroupId,omitempty"`
	Description  string `json:",omitempty"`
	SourceOwner  string `json:"SourceSecurityGroupOwnerId,omitempty"`
	SourceName   string `json:"SourceSecurityGroupName,omitempty"`
	SourcePrefix string `json:"SourcePrefixListId,omitempty"`
}

// Rule is one rule of a security group with one peer.
type Rule struct {
	ID          string // sgr-0123456789abcdef0
	GroupID     string
	Egress      bool
	Protocol    string // tcp, udp, icmp, -1 or a number
	FromPort    *int   `json:",omitempty"` // nil for protocols without ports
	ToPort      *int   `json:",omitempty"`
	Cidr        string `json:",omitempty"` // IPv4 or IPv6; or
	PeerGroupID string `json:",omitempty"`
	Description string `json:",omitempty"`
}

// same tells whether two rules allow the same thing in the same group.
func (r *Rule) same(o *Rule) bool {
	return r.GroupID == o.GroupID && r.Egress == o.Egress && r.Protocol == o.Protocol && r.Cidr == o.Cidr &&
		r.PeerGroupID == o.PeerGroupID && samePort(r.FromPort, o.FromPort) && samePort(r.ToPort, o.ToPort)
}

func samePort(a, b *int) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// CreateSecurityGroup makes a group that lets everything out.
func (s *State) CreateSecurityGroup(g *SecurityGroup) (string, error) {
	if _, err := s.VPC(g.VpcID); err != nil {
		return "", err
	}
	if g.GroupName == "" {
		g.GroupName = "security-group-" + randomHex(12)
	}
	for _, o := range s.SecurityGroups {
		if o.VpcID == g.VpcID && o.GroupName == g.GroupName {
			return "", Errorf(Exists, "InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'",
				g.GroupName, g.VpcID)
		}
	}
	g.ID = NewID("sg")
	g.GroupID = g.ID
	s.SecurityGroups[g.ID] = g
	if len(g.Egress) == 0 {
		s.addRule(&Rule{GroupID: g.ID, Egress: true, Protocol: "-1", Cidr: "0.0.0.0/0"})
	}
	return g.ID, s.SetInlineRules(g)
}

// SetInlineRules makes the group's rules those that its model lists.
func (s *State) SetInlineRules(g *SecurityGroup) error {
	in, out := g.Ingress, g.Egress
	g.Ingress, g.Egress = nil, nil
	var want []*Rule
	for _, r := range in {
		want = append(want, r.Rule(g.ID, false))
	}
	for _, r := range out {
		want = append(want, r.Rule(g.ID, true))
	}
	for id, old := range s.Rules {
		stays := slices.ContainsFunc(want, old.same)
		implied := old.Egress && len(out) == 0
		if old.GroupID == g.ID && !stays && !implied {
			delete(s.Rules, id)
		}
	}
	for _, r := range want {
		if _, err := s.Authorize(r); err != nil && !IsKind(err, Exists) {
			return err
		}
	}
	return nil
}

// Rule is the inline rule as a rule of that group.
func (r InlineRule) Rule(group string, egress bool) *Rule {
	return &Rule{GroupID: group, Egress: egress, Protocol: r.IPProtocol, FromPort: r.FromPort, ToPort: r.ToPort,
		Cidr: r.CidrIP + r.CidrIPv6, PeerGroupID: r.Source + r.Destination, Description: r.Description}
}

// Inline writes a rule back in the form of its CloudFormation type.
func (r *Rule) Inline() InlineRule {
	out := InlineRule{IPProtocol: r.Protocol, FromPort: r.FromPort, ToPort: r.ToPort, Description: r.Description}
	switch {
	case r.PeerGroupID != "" && r.Egress:
		out.Destination = r.PeerGroupID
	case r.PeerGroupID != "":
		out.Source, out.SourceOwner = r.PeerGroupID, Account
	case strings.Contains(r.Cidr, ":"):
		out.CidrIPv6 = r.Cidr
	default:
		out.CidrIP = r.Cidr
	}
	return out
}

// RulesOf are the rules of a group in a stable order.
func (s *State) RulesOf(group string, egress bool) []*Rule {
	var list []*Rule
	for _, r := range Sorted(s.Rules) {
		if r.GroupID == group && r.Egress == egress {
			list = append(list, r)
		}
	}
	return list
}

// Authorize adds a rule.
func (s *State) Authorize(r *Rule) (string, error) {
	if _, err := s.SecurityGroup(r.GroupID); err != nil {
		return "", err
	}
	r.normalise()
	switch {
	case r.PeerGroupID != "":
		if _, err := s.SecurityGroup(r.PeerGroupID); err != nil {
			return "", err
		}
	default:
		p, err := netip.ParsePrefix(r.Cidr)
		if err != nil {
			return "", Errorf(Invalid, "InvalidParameterValue", "CIDR block %s is malformed", r.Cidr)
		}
		r.Cidr = p.Masked().String()
	}
	for _, o := range s.Rules {
		if o.same(r) {
			return "", Errorf(Exists, "InvalidPermission.Duplicate",
				"the specified rule \"peer: %s%s, %s, from port: %s, to port: %s, ALLOW\" already exists",
				r.Cidr, r.PeerGroupID, strings.ToUpper(r.Protocol), portText(r.FromPort), portText(r.ToPort))
		}
	}
	return s.addRule(r), nil
}

// Revoke takes a rule away that allows exactly this.
func (s *State) Revoke(r *Rule) error {
	r.normalise()
	for id, o := range s.Rules {
		if o.same(r) {
			delete(s.Rules, id)
			return nil
		}
	}
	return Errorf(NotFound, "InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
}

func (s *State) addRule(r *Rule) string {
	r.ID = NewID("sgr")
	s.Rules[r.ID] = r
	return r.ID
}

// normalise writes protocol numbers as names, and ports only where there are any.
func (r *Rule) normalise() {
	r.Protocol = strings.ToLower(r.Protocol)
	switch r.Protocol {
	case "6":
		r.Protocol = "tcp"
	case "17":
		r.Protocol = "udp"
	case "1":
		r.Protocol = "icmp"
	case "all":
		r.Protocol = "-1"
	}
	if r.Protocol == "-1" {
		r.FromPort, r.ToPort = nil, nil
	}
}

func portText(p *int) string {
	if p == nil {
		return "-1"
	}
	return strconv.Itoa(*p)
}

// SecurityGroup finds a group.
func (s *State) SecurityGroup(id string) (*SecurityGroup, error) {
	if g, ok := s.SecurityGroups[id]; ok {
		return g, nil
	}
	return nil, Errorf(NotFound, "InvalidGroup.NotFound", "The security group '%s' does not exist", id)
}

// GroupUsed tells whether an interface or another group's rule needs the group.
func (s *State) GroupUsed(id string) bool {
	for _, r := range s.Rules {
		if r.PeerGroupID == id && r.GroupID != id {
			return true
		}
	}
	return len(s.Interfaces(func(n Interface) bool { return slices.Contains(n.Groups, id) })) > 0
}

// DeleteSecurityGroup refuses while the group is used.
func (s *State) DeleteSecurityGroup(g *SecurityGroup) error {
	if g.GroupName == "default" {
		return Errorf(Invalid, "CannotDelete", "the specified group: \"%s\" name: \"default\" cannot be deleted by a user", g.ID)
	}
	if s.GroupUsed(g.ID) {
		return Errorf(Dependency, "DependencyViolation", "resource %s has a dependent object", g.ID)
	}
	s.dropSecurityGroup(g.ID)
	return nil
}

func (s *State) dropSecurityGroup(id string) {
	for key, r := range s.Rules {
		if r.GroupID == id {
			delete(s.Rules, key)
		}
	}
	delete(s.SecurityGroups, id)
}
