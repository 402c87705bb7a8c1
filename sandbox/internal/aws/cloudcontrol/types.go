package cloudcontrol

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// handlers is every resource type the sandbox can make.
func handlers(now func() time.Time) map[string]handler {
	return map[string]handler{
		"AWS::EC2::VPC": kind[region.VPC]{
			all:    func(s *region.State) map[string]*region.VPC { return s.VPCs },
			fresh:  region.VPC{EnableDNSSupport: true, InstanceTenancy: "default"},
			create: (*region.State).CreateVPC,
			update: anyUpdate[region.VPC],
			remove: (*region.State).DeleteVPC,
		},
		"AWS::EC2::Subnet": kind[region.Subnet]{
			all:    func(s *region.State) map[string]*region.Subnet { return s.Subnets },
			create: (*region.State).CreateSubnet,
			update: anyUpdate[region.Subnet],
			remove: (*region.State).DeleteSubnet,
		},
		"AWS::EC2::InternetGateway": kind[region.InternetGateway]{
			all:    func(s *region.State) map[string]*region.InternetGateway { return s.Gateways },
			create: (*region.State).CreateInternetGateway,
			update: anyUpdate[region.InternetGateway],
			remove: (*region.State).DeleteInternetGateway,
		},
		"AWS::EC2::VPCGatewayAttachment": kind[region.GatewayAttachment]{
			all:    func(s *region.State) map[string]*region.GatewayAttachment { return s.Attachments },
			create: (*region.State).Attach,
			update: anyUpdate[region.GatewayAttachment],
			remove: (*region.State).Detach,
		},
		"AWS::EC2::EIP": kind[region.Address]{
			all:    func(s *region.State) map[string]*region.Address { return s.Addresses },
			create: (*region.State).AllocateAddress,
			update: anyUpdate[region.Address],
			remove: (*region.State).ReleaseAddress,
		},
		"AWS::EC2::NatGateway": kind[region.NATGateway]{
			all: func(s *region.State) map[string]*region.NATGateway { return s.NATs },
			create: func(s *region.State, n *region.NATGateway) (string, error) {
				return s.CreateNATGateway(n, region.Stamp(now()))
			},
			update: anyUpdate[region.NATGateway],
			remove: func(s *region.State, n *region.NATGateway) error { return s.DeleteNATGateway(n, region.Stamp(now())) },
			wait:   waitNAT,
		},
		"AWS::EC2::RouteTable": kind[region.RouteTable]{
			all:    func(s *region.State) map[string]*region.RouteTable { return s.RouteTables },
			create: (*region.State).CreateRouteTable,
			update: anyUpdate[region.RouteTable],
			remove: (*region.State).DeleteRouteTable,
		},
		"AWS::EC2::Route": kind[region.Route]{
			all:    func(s *region.State) map[string]*region.Route { return s.Routes },
			create: (*region.State).CreateRoute,
			update: func(s *region.State, _, r *region.Route) error { return s.CheckRoute(r) },
			remove: (*region.State).DeleteRoute,
		},
		"AWS::EC2::SubnetRouteTableAssociation": kind[region.Association]{
			all:    func(s *region.State) map[string]*region.Association { return s.Associations },
			create: (*region.State).Associate,
			remove: (*region.State).Disassociate,
		},
		"AWS::EC2::SecurityGroup": kind[region.SecurityGroup]{
			all:    func(s *region.State) map[string]*region.SecurityGroup { return s.SecurityGroups },
			create: (*region.State).CreateSecurityGroup,
			update: func(s *region.State, _, g *region.SecurityGroup) error { return s.SetInlineRules(g) },
			remove: (*region.State).DeleteSecurityGroup,
			show:   showSecurityGroup,
		},
		"AWS::EC2::SecurityGroupIngress": rules{egress: false},
		"AWS::EC2::SecurityGroupEgress":  rules{egress: true},
		"AWS::EC2::LaunchTemplate": kind[region.LaunchTemplate]{
			all: func(s *region.State) map[string]*region.LaunchTemplate { return s.LaunchTemplates },
			create: func(s *region.State, t *region.LaunchTemplate) (string, error) {
				return s.CreateLaunchTemplate(t, region.Stamp(now()))
			},
			update: func(s *region.State, _, t *region.LaunchTemplate) error {
				return s.AddVersion(t, region.Stamp(now()))
			},
			remove: (*region.State).DeleteLaunchTemplate,
		},
		"AWS::IAM::Role": kind[region.Role]{
			all:    func(s *region.State) map[string]*region.Role { return s.Roles },
			create: func(s *region.State, r *region.Role) (string, error) { return s.CreateRole(r, region.Stamp(now())) },
			update: anyUpdate[region.Role],
			remove: (*region.State).DeleteRole,
		},
		"AWS::IAM::InstanceProfile": kind[region.InstanceProfile]{
			all: func(s *region.State) map[string]*region.InstanceProfile { return s.Profiles },
			create: func(s *region.State, p *region.InstanceProfile) (string, error) {
				return s.CreateProfile(p, region.Stamp(now()))
			},
			update: func(s *region.State, _, p *region.InstanceProfile) error { return s.CheckProfile(p) },
			remove: (*region.State).DeleteProfile,
		},
		"AWS::EKS::Cluster": kind[region.Cluster]{
			all: func(s *region.State) map[string]*region.Cluster { return s.Clusters },
			create: func(s *region.State, c *region.Cluster) (string, error) {
				return s.CreateCluster(c, region.Stamp(now()))
			},
			update: func(_ *region.State, old, c *region.Cluster) error { return updateCluster(old, c, region.Stamp(now())) },
			remove: (*region.State).DeleteCluster,
			wait:   waitCluster,
		},
		"AWS::EKS::AccessEntry": kind[region.AccessEntry]{
			all: func(s *region.State) map[string]*region.AccessEntry { return s.AccessEntries },
			create: func(s *region.State, e *region.AccessEntry) (string, error) {
				return s.CreateAccessEntry(e, region.Stamp(now()))
			},
			update: anyUpdate[region.AccessEntry],
			remove: (*region.State).DeleteAccessEntry,
		},
		"AWS::KMS::Key": kind[region.Key]{
			all:    func(s *region.State) map[string]*region.Key { return s.Keys },
			create: (*region.State).CreateKey,
			update: anyUpdate[region.Key],
			remove: (*region.State).DeleteKey,
		},
		"AWS::IAM::OIDCProvider": kind[region.OIDCProvider]{
			all: func(s *region.State) map[string]*region.OIDCProvider { return s.OIDCProviders },
			create: func(s *region.State, p *region.OIDCProvider) (string, error) {
				return s.CreateOIDCProvider(p, region.Stamp(now()))
			},
			update: anyUpdate[region.OIDCProvider],
			remove: (*region.State).DeleteOIDCProvider,
		},
		"AWS::EKS::Addon": kind[region.Addon]{
			all: func(s *region.State) map[string]*region.Addon { return s.Addons },
			create: func(s *region.State, a *region.Addon) (string, error) {
				return s.CreateAddon(a, region.Stamp(now()))
			},
			update: func(s *region.State, old, a *region.Addon) error {
				return s.UpdateAddon(old, a, region.Stamp(now()))
			},
			remove: func(s *region.State, a *region.Addon) error { return s.DeleteAddon(a, region.Stamp(now())) },
			wait:   waitAddon,
		},
		"AWS::EKS::PodIdentityAssociation": kind[region.PodIdentity]{
			all: func(s *region.State) map[string]*region.PodIdentity { return s.PodIdentities },
			create: func(s *region.State, p *region.PodIdentity) (string, error) {
				return s.CreatePodIdentity(p, region.Stamp(now()))
			},
			update: func(s *region.State, old, p *region.PodIdentity) error {
				return s.UpdatePodIdentity(old, p, region.Stamp(now()))
			},
			remove: (*region.State).DeletePodIdentity,
		},
		"AWS::EKS::Nodegroup": kind[region.Nodegroup]{
			all: func(s *region.State) map[string]*region.Nodegroup { return s.Nodegroups },
			create: func(s *region.State, n *region.Nodegroup) (string, error) {
				return s.CreateNodegroup(n, region.Stamp(now()))
			},
			update: func(s *region.State, old, n *region.Nodegroup) error {
				return s.UpdateNodegroup(old, n, region.Stamp(now()))
			},
			remove: (*region.State).DeleteNodegroup,
			show:   (*region.State).Shown,
			wait:   waitNodegroup,
		},
		"AWS::AutoScaling::AutoScalingGroup": kind[region.Group]{
			all: func(s *region.State) map[string]*region.Group { return s.Groups },
			create: func(s *region.State, g *region.Group) (string, error) {
				return s.CreateGroup(g, region.Stamp(now()))
			},
			update: updateGroup,
			remove: (*region.State).Drain,
			wait:   waitGroup,
		},
	}
}

// anyUpdate is the update of types whose changeable properties obey no rule.
func anyUpdate[T any](_ *region.State, _, _ *T) error { return nil }

func waitNAT(s *region.State, id, action string) (string, error) {
	n, ok := s.NATs[id]
	if ok && (action == remove || n.State == "pending") {
		return "NAT gateway is " + n.State, nil
	}
	return "", nil
}

func showSecurityGroup(s *region.State, g *region.SecurityGroup) *region.SecurityGroup {
	shown := *g
	for _, r := range s.RulesOf(g.ID, false) {
		shown.Ingress = append(shown.Ingress, r.Inline())
	}
	for _, r := range s.RulesOf(g.ID, true) {
		shown.Egress = append(shown.Egress, r.Inline())
	}
	return &shown
}

func updateCluster(old, c *region.Cluster, now time.Time) error {
	if wanted := c.Version; wanted != old.Version {
		c.Version = old.Version // until the upgrade is over
		if _, err := c.Upgrade(wanted, now); err != nil {
			return err
		}
	}
	if err := c.Network.Check(); err != nil {
		return err
	}
	mode := c.Access.AuthenticationMode
	c.Access.AuthenticationMode = old.Access.AuthenticationMode
	if err := c.SetAuthenticationMode(mode); err != nil {
		return err
	}
	c.Access.BootstrapAdmin = old.Access.BootstrapAdmin // write-only, so the model does not hold it
	return nil
}

func waitCluster(s *region.State, id, action string) (string, error) {
	c, ok := s.Clusters[id]
	switch {
	case action == remove && ok:
		return "cluster is " + c.Status, nil
	case action != remove && !ok:
		return "", region.Errorf(region.NotFound, "ResourceNotFoundException", "No cluster found for name: %s.", id)
	case action != remove && c.Status != "ACTIVE":
		return "cluster is " + c.Status, nil
	}
	return "", nil
}

func updateGroup(s *region.State, old, g *region.Group) error {
	if g.DesiredCapacity == nil {
		g.DesiredCapacity = old.DesiredCapacity
	}
	g.Clamp()
	if err := s.CheckGroup(g); err != nil {
		return err
	}
	return s.CheckSources(g, old.Sources())
}

func waitGroup(s *region.State, id, action string) (string, error) {
	g, ok := s.Groups[id]
	switch {
	case action == remove && ok && slices.ContainsFunc(s.Members(id), func(i *region.Instance) bool { return i.Lifecycle == region.Retained }):
		return "", region.Errorf(region.Busy, "NotStabilized", "Group did not stabilize: instances of it are Terminating:Retained")
	case action == remove && ok:
		return fmt.Sprintf("%d instances are left", len(s.Members(id))), nil
	case action != create:
		return "", nil
	case !ok:
		return "", region.Errorf(region.NotFound, "ValidationError", "AutoScalingGroup: %s not found", id)
	}
	serving := 0
	for _, i := range s.Members(id) {
		if i.Lifecycle == "InService" {
			serving++
		}
	}
	if serving >= int(*g.DesiredCapacity) {
		return "", nil
	}
	text := fmt.Sprintf("%d of %d instances are in service", serving, int(*g.DesiredCapacity))
	if len(g.Activities) > 0 && g.Activities[0].Status == "Failed" {
		text += ": " + g.Activities[0].Message
	}
	return text, nil
}

// waitNodegroup waits for what EKS does, and fails as it does.
func waitNodegroup(s *region.State, id, action string) (string, error) {
	n, ok := s.Nodegroups[id]
	switch {
	case action == remove && ok:
		return "node group is " + n.Status, nil
	case action == remove:
		return "", nil
	case !ok:
		return "", region.Errorf(region.NotFound, "ResourceNotFoundException", "No node group found for name: %s.", id)
	case n.Status == region.NodegroupCreateFailed:
		return "", region.Errorf(region.Busy, "NotStabilized", "Resource is not in the expected state due to waiter matched "+
			"state: CREATE_FAILED: %s", issues(n.Issues))
	case n.Status == region.NodegroupCreating || n.Status == region.NodegroupUpdating:
		return "node group is " + n.Status, nil
	}
	if k := len(n.Updates) - 1; action == update && k >= 0 && n.Updates[k].Status == "Failed" {
		return "", region.Errorf(region.Busy, "NotStabilized", "Update of the node group has failed: %s", issues(n.Updates[k].Errors))
	}
	return "", nil
}

// waitAddon waits for an add-on to be ACTIVE. One whose pods find no node is
// DEGRADED, and is waited for until the handler gives up.
func waitAddon(s *region.State, id, action string) (string, error) {
	a, ok := s.Addons[id]
	switch {
	case action == remove && ok:
		return "add-on is " + a.Status, nil
	case action == remove:
		return "", nil
	case !ok:
		return "", region.Errorf(region.NotFound, "ResourceNotFoundException", "No addon: %s found", id)
	case a.Status == region.AddonCreateFailed || a.Status == region.AddonUpdateFailed:
		return "", region.Errorf(region.Busy, "NotStabilized", "Addon %s is in status %s: %s", a.AddonName, a.Status, addonIssues(a.Issues))
	case a.Status != region.AddonActive:
		return strings.TrimSuffix("add-on is "+a.Status+": "+addonIssues(a.Issues), ": "), nil
	}
	return "", nil
}

func addonIssues(list []region.AddonIssue) string {
	var texts []string
	for _, i := range list {
		texts = append(texts, fmt.Sprintf("[AddonIssue(Code=%s, Message=%s, ResourceIds=%v)]", i.Code, i.Message, i.Resources))
	}
	return strings.Join(texts, ", ")
}

func issues(list []region.NodegroupIssue) string {
	var texts []string
	for _, i := range list {
		texts = append(texts, fmt.Sprintf("[Issue(Code=%s, Message=%s, ResourceIds=%v)]", i.Code, i.Message, i.Resources))
	}
	return strings.Join(texts, ", ")
}

// rules is the handler of the two types that are one rule of a security group.
type rules struct{ egress bool }

// ruleModel is a rule as these types write it.
type ruleModel struct {
	ID      string `json:"Id,omitempty"`
	GroupID string `json:"GroupId"`
	region.InlineRule
}

func (k rules) Create(s *region.State, want props) (string, error) {
	var m ruleModel
	if err := remarshal(want, &m); err != nil {
		return "", err
	}
	return s.Authorize(m.Rule(m.GroupID, k.egress))
}

func (k rules) Read(s *region.State, id string) (props, bool) {
	r, ok := s.Rules[id]
	if !ok || r.Egress != k.egress {
		return nil, false
	}
	return encode(ruleModel{ID: r.ID, GroupID: r.GroupID, InlineRule: r.Inline()}), true
}

// Update can change the description alone.
func (k rules) Update(s *region.State, id string, want props, _ func(string) bool) error {
	r, ok := s.Rules[id]
	if !ok {
		return notFound(id)
	}
	r.Description, _ = want["Description"].(string)
	return nil
}

func (k rules) Delete(s *region.State, id string) error {
	if _, ok := s.Rules[id]; !ok {
		return notFound(id)
	}
	delete(s.Rules, id)
	return nil
}

func (k rules) List(s *region.State) []string {
	var ids []string
	for id, r := range s.Rules {
		if r.Egress == k.egress {
			ids = append(ids, id)
		}
	}
	return ids
}

func (k rules) Wait(*region.State, string, string) (string, error) { return "", nil }
func (k rules) Updatable() bool                                    { return true }
