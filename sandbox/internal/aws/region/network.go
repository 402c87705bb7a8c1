package region

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// VPC is AWS::EC2::VPC.
type VPC struct {
	VpcID                 string `json:"VpcId"`
	CidrBlock             string
	CidrBlockAssociations []string
	InstanceTenancy       string
	EnableDNSSupport      bool `json:"EnableDnsSupport"`
	EnableDNSHostnames    bool `json:"EnableDnsHostnames"`
	DefaultSecurityGroup  string
	DefaultNetworkACL     string `json:"DefaultNetworkAcl"`
	Tags                  Tags   `json:",omitempty"`
	Rest                  Rest   `json:",omitempty"`
}

// CreateVPC makes a VPC with its default security group and main route table.
func (s *State) CreateVPC(v *VPC) (string, error) {
	block, err := parseBlock(v.CidrBlock, 16, 28)
	if err != nil {
		return "", err
	}
	v.VpcID = NewID("vpc")
	v.CidrBlock = block.String()
	v.CidrBlockAssociations = []string{NewID("vpc-cidr-assoc")}
	v.DefaultNetworkACL = NewID("acl")
	s.VPCs[v.VpcID] = v
	group := &SecurityGroup{VpcID: v.VpcID, GroupName: "default", Description: "default VPC security group"}
	if v.DefaultSecurityGroup, err = s.CreateSecurityGroup(group); err != nil {
		return "", err
	}
	s.addRule(&Rule{GroupID: group.ID, Protocol: "-1", PeerGroupID: group.ID})
	main := &RouteTable{VpcID: v.VpcID, Main: true}
	if _, err = s.CreateRouteTable(main); err != nil {
		return "", err
	}
	return v.VpcID, nil
}

// VPC finds a VPC.
func (s *State) VPC(id string) (*VPC, error) {
	if v, ok := s.VPCs[id]; ok {
		return v, nil
	}
	return nil, missing("VpcID", "vpc", id)
}

// DeleteVPC refuses while anything but the VPC's own defaults is left in it.
func (s *State) DeleteVPC(v *VPC) error {
	for _, sub := range s.Subnets {
		if sub.VpcID == v.VpcID {
			return inUse("vpc", v.VpcID)
		}
	}
	for _, a := range s.Attachments {
		if a.VpcID == v.VpcID {
			return inUse("vpc", v.VpcID)
		}
	}
	for _, g := range s.SecurityGroups {
		if g.VpcID == v.VpcID && g.ID != v.DefaultSecurityGroup {
			return inUse("vpc", v.VpcID)
		}
	}
	for _, t := range s.RouteTables {
		if t.VpcID == v.VpcID && !t.Main {
			return inUse("vpc", v.VpcID)
		}
	}
	if len(s.Interfaces(func(n Interface) bool { return n.VpcID == v.VpcID })) > 0 {
		return inUse("vpc", v.VpcID)
	}
	for id, t := range s.RouteTables {
		if t.VpcID == v.VpcID {
			s.dropRouteTable(id)
		}
	}
	s.dropSecurityGroup(v.DefaultSecurityGroup)
	delete(s.VPCs, v.VpcID)
	return nil
}

// Subnet is AWS::EC2::Subnet.
type Subnet struct {
	SubnetID            string `json:"SubnetId"`
	VpcID               string `json:"VpcId"`
	CidrBlock           string
	AvailabilityZone    string
	AvailabilityZoneID  string `json:"AvailabilityZoneId"`
	MapPublicIPOnLaunch bool   `json:"MapPublicIpOnLaunch"`
	NetworkACLAssocID   string `json:"NetworkAclAssociationId"`
	Tags                Tags   `json:",omitempty"`
	Rest                Rest   `json:",omitempty"`

	// Where the search for the next free address and pod block starts, so that
	// one that was given back is not handed out again at once.
	NextHost  string `json:",omitempty"`
	NextBlock string `json:",omitempty"`
}

// CreateSubnet makes a subnet inside its VPC.
func (s *State) CreateSubnet(sub *Subnet) (string, error) {
	vpc, err := s.VPC(sub.VpcID)
	if err != nil {
		return "", err
	}
	block, err := parseBlock(sub.CidrBlock, 16, 28)
	if err != nil {
		return "", err
	}
	whole := netip.MustParsePrefix(vpc.CidrBlock)
	if !whole.Contains(block.Addr()) || block.Bits() < whole.Bits() {
		return "", Errorf(Invalid, "InvalidSubnet.Range", "The CIDR '%s' is invalid.", sub.CidrBlock)
	}
	for _, other := range s.Subnets {
		if other.VpcID == sub.VpcID && netip.MustParsePrefix(other.CidrBlock).Overlaps(block) {
			return "", Errorf(Exists, "InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet",
				sub.CidrBlock)
		}
	}
	if err := s.placeSubnet(sub); err != nil {
		return "", err
	}
	sub.SubnetID = NewID("subnet")
	sub.CidrBlock = block.String()
	sub.NetworkACLAssocID = NewID("aclassoc")
	s.Subnets[sub.SubnetID] = sub
	return sub.SubnetID, nil
}

func (s *State) placeSubnet(sub *Subnet) error {
	zones := s.Zones()
	if sub.AvailabilityZone == "" && sub.AvailabilityZoneID == "" {
		sub.AvailabilityZone = zones[0].Name
	}
	for _, z := range zones {
		if z.Name == sub.AvailabilityZone || z.ID == sub.AvailabilityZoneID {
			sub.AvailabilityZone, sub.AvailabilityZoneID = z.Name, z.ID
			return nil
		}
	}
	return Errorf(Invalid, "InvalidParameterValue", "Value (%s%s) for parameter availabilityZone is invalid. "+
		"Subnets can currently only be created in the following availability zones: %s.",
		sub.AvailabilityZone, sub.AvailabilityZoneID, strings.Join(zoneNames(zones), ", "))
}

func zoneNames(zones []Zone) []string {
	names := make([]string, len(zones))
	for i, z := range zones {
		names[i] = z.Name
	}
	return names
}

// Subnet finds a subnet.
func (s *State) Subnet(id string) (*Subnet, error) {
	if sub, ok := s.Subnets[id]; ok {
		return sub, nil
	}
	return nil, Errorf(NotFound, "InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", id)
}

// DeleteSubnet refuses while a network interface is in it.
func (s *State) DeleteSubnet(sub *Subnet) error {
	if len(s.Interfaces(func(n Interface) bool { return n.SubnetID == sub.SubnetID })) > 0 {
		return inUse("subnet", sub.SubnetID)
	}
	for id, a := range s.Associations {
		if a.SubnetID == sub.SubnetID {
			delete(s.Associations, id)
		}
	}
	delete(s.Subnets, sub.SubnetID)
	return nil
}

// InternetGateway is AWS::EC2::InternetGateway.
type InternetGateway struct {
	InternetGatewayID string `json:"InternetGatewayId"`
	Tags              Tags   `json:",omitempty"`
}

// CreateInternetGateway makes a gateway that is attached to nothing.
func (s *State) CreateInternetGateway(g *InternetGateway) (string, error) {
	g.InternetGatewayID = NewID("igw")
	s.Gateways[g.InternetGatewayID] = g
	return g.InternetGatewayID, nil
}

// DeleteInternetGateway refuses while it is attached.
func (s *State) DeleteInternetGateway(g *InternetGateway) error {
	if s.AttachmentOf(g.InternetGatewayID) != nil {
		return inUse("internetGateway", g.InternetGatewayID)
	}
	delete(s.Gateways, g.InternetGatewayID)
	return nil
}

// GatewayAttachment is AWS::EC2::VPCGatewayAttachment.
type GatewayAttachment struct {
	AttachmentType    string // IGW
	VpcID             string `json:"VpcId"`
	InternetGatewayID string `json:"InternetGatewayId"`
}

// AttachmentOf finds the attachment of an internet gateway, nil if it has none.
func (s *State) AttachmentOf(gateway string) *GatewayAttachment {
	for _, a := range s.Attachments {
		if a.InternetGatewayID == gateway {
			return a
		}
	}
	return nil
}

// Attach connects an internet gateway to a VPC.
func (s *State) Attach(a *GatewayAttachment) (string, error) {
	if _, err := s.VPC(a.VpcID); err != nil {
		return "", err
	}
	if a.InternetGatewayID == "" {
		return "", Errorf(Invalid, "InvalidParameterCombination",
			"InternetGatewayId is required: the sandbox has no VPN gateways")
	}
	if _, ok := s.Gateways[a.InternetGatewayID]; !ok {
		return "", Errorf(NotFound, "InvalidInternetGatewayID.NotFound", "The internetGateway ID '%s' does not exist",
			a.InternetGatewayID)
	}
	a.AttachmentType = "IGW"
	if s.AttachmentOf(a.InternetGatewayID) != nil {
		return "", Errorf(Exists, "Resource.AlreadyAssociated", "resource %s is already attached", a.InternetGatewayID)
	}
	key := a.AttachmentType + "|" + a.VpcID
	if _, ok := s.Attachments[key]; ok {
		return "", Errorf(Exists, "InvalidParameterValue", "Network %s already has an internet gateway attached", a.VpcID)
	}
	s.Attachments[key] = a
	return key, nil
}

// Detach has to wait while the VPC has mapped public addresses: those of NAT
// gateways, instances and internet-facing load balancers.
func (s *State) Detach(a *GatewayAttachment) error {
	public := s.Interfaces(func(n Interface) bool { return n.VpcID == a.VpcID && n.PublicIP != "" })
	if len(public) > 0 {
		return Errorf(Busy, "DependencyViolation", "Network %s has some mapped public address(es). "+
			"Please unmap those public address(es) before detaching the gateway.", a.VpcID)
	}
	delete(s.Attachments, a.AttachmentType+"|"+a.VpcID)
	return nil
}

// Address is AWS::EC2::EIP.
type Address struct {
	PublicIP     string `json:"PublicIp"`
	AllocationID string `json:"AllocationId"`
	Domain       string
	Tags         Tags `json:",omitempty"`
	Rest         Rest `json:",omitempty"`
}

// AllocateAddress makes an Elastic IP.
func (s *State) AllocateAddress(a *Address) (string, error) {
	a.AllocationID = NewID("eipalloc")
	a.PublicIP = s.publicIP()
	if a.Domain == "" {
		a.Domain = "vpc"
	}
	key := a.PublicIP + "|" + a.AllocationID
	s.Addresses[key] = a
	return key, nil
}

// AddressByAllocation finds an Elastic IP, nil if there is none.
func (s *State) AddressByAllocation(id string) *Address {
	for _, a := range s.Addresses {
		if a.AllocationID == id {
			return a
		}
	}
	return nil
}

// ReleaseAddress refuses while a NAT gateway uses it.
func (s *State) ReleaseAddress(a *Address) error {
	if s.natOf(a.AllocationID) != nil {
		return Errorf(Dependency, "InvalidIPAddress.InUse", "The address '%s' is in use.", a.AllocationID)
	}
	delete(s.Addresses, a.PublicIP+"|"+a.AllocationID)
	return nil
}

func (s *State) natOf(allocation string) *NATGateway {
	for _, n := range s.NATs {
		if n.AllocationID == allocation {
			return n
		}
	}
	return nil
}

// NATGateway is AWS::EC2::NatGateway.
type NATGateway struct {
	NatGatewayID     string `json:"NatGatewayId"`
	SubnetID         string `json:"SubnetId"`
	VpcID            string `json:"VpcId"`
	AllocationID     string `json:"AllocationId,omitempty"`
	ConnectivityType string
	PrivateIPAddress string `json:"PrivateIpAddress"`
	EniID            string `json:"EniId"`
	Tags             Tags   `json:",omitempty"`
	Rest             Rest   `json:",omitempty"`

	State   string    // pending, available, deleting
	Created time.Time `json:",omitzero"`
	Changed time.Time `json:",omitzero"` // when it got its state
}

// CreateNATGateway makes a NAT gateway. A public one needs an address nobody
// uses and a way to the internet.
func (s *State) CreateNATGateway(n *NATGateway, now time.Time) (string, error) {
	sub, err := s.Subnet(n.SubnetID)
	if err != nil {
		return "", err
	}
	if n.ConnectivityType == "" {
		n.ConnectivityType = "public"
	}
	if n.ConnectivityType == "public" {
		if s.AddressByAllocation(n.AllocationID) == nil {
			return "", Errorf(NotFound, "InvalidAllocationID.NotFound", "The allocation ID '%s' does not exist",
				n.AllocationID)
		}
		if s.natOf(n.AllocationID) != nil {
			return "", Errorf(Dependency, "Resource.AlreadyAssociated", "Elastic IP address [%s] is already associated",
				n.AllocationID)
		}
		if _, ok := s.Attachments["IGW|"+sub.VpcID]; !ok {
			return "", Errorf(Invalid, "Gateway.NotAttached", "Network %s has no Internet gateway attached", sub.VpcID)
		}
	}
	ip, err := s.hostAddress(sub)
	if err != nil {
		return "", err
	}
	n.NatGatewayID, n.EniID = NewID("nat"), NewID("eni")
	n.VpcID, n.PrivateIPAddress, n.State = sub.VpcID, ip.String(), "pending"
	n.Created, n.Changed = now, now
	s.NATs[n.NatGatewayID] = n
	return n.NatGatewayID, nil
}

// DeleteNATGateway begins the end of a NAT gateway. It holds its address until
// it is gone.
func (s *State) DeleteNATGateway(n *NATGateway, now time.Time) error {
	if n.State != "deleting" {
		n.State, n.Changed = "deleting", now
	}
	return nil
}

// SettleNATGateway ends what a gateway was about to do.
func (s *State) SettleNATGateway(n *NATGateway, now time.Time) {
	switch n.State {
	case "pending":
		n.State, n.Changed = "available", now
	case "deleting":
		delete(s.NATs, n.NatGatewayID)
	}
}

// RouteTable is AWS::EC2::RouteTable.
type RouteTable struct {
	RouteTableID string `json:"RouteTableId"`
	VpcID        string `json:"VpcId"`
	Tags         Tags   `json:",omitempty"`

	Main      bool
	MainAssoc string // association of a main table with its VPC
}

// CreateRouteTable makes a route table with the VPC's local route.
func (s *State) CreateRouteTable(t *RouteTable) (string, error) {
	vpc, err := s.VPC(t.VpcID)
	if err != nil {
		return "", err
	}
	t.RouteTableID = NewID("rtb")
	if t.Main {
		t.MainAssoc = NewID("rtbassoc")
	}
	s.RouteTables[t.RouteTableID] = t
	s.putRoute(&Route{RouteTableID: t.RouteTableID, DestinationCidrBlock: vpc.CidrBlock, GatewayID: "local"})
	return t.RouteTableID, nil
}

// DeleteRouteTable refuses while a subnet is associated with it.
func (s *State) DeleteRouteTable(t *RouteTable) error {
	for _, a := range s.Associations {
		if a.RouteTableID == t.RouteTableID {
			return inUse("routeTable", t.RouteTableID)
		}
	}
	if t.Main {
		return inUse("routeTable", t.RouteTableID)
	}
	s.dropRouteTable(t.RouteTableID)
	return nil
}

func (s *State) dropRouteTable(id string) {
	for key, r := range s.Routes {
		if r.RouteTableID == id {
			delete(s.Routes, key)
		}
	}
	delete(s.RouteTables, id)
}

// Route is AWS::EC2::Route.
type Route struct {
	RouteTableID         string `json:"RouteTableId"`
	DestinationCidrBlock string `json:",omitempty"`
	CidrBlock            string // the destination again: part of the identifier
	GatewayID            string `json:"GatewayId,omitempty"`
	NatGatewayID         string `json:"NatGatewayId,omitempty"`
	Rest                 Rest   `json:",omitempty"`
}

// CreateRoute adds a route whose target exists.
func (s *State) CreateRoute(r *Route) (string, error) {
	if _, ok := s.RouteTables[r.RouteTableID]; !ok {
		return "", missing("RouteTableID", "routeTable", r.RouteTableID)
	}
	if _, ok := s.Routes[r.RouteTableID+"|"+r.DestinationCidrBlock]; ok {
		return "", Errorf(Exists, "RouteAlreadyExists", "The route identified by %s already exists.",
			r.DestinationCidrBlock)
	}
	if _, err := parseBlock(r.DestinationCidrBlock, 0, 32); err != nil {
		return "", err
	}
	if err := s.CheckRoute(r); err != nil {
		return "", err
	}
	return s.putRoute(r), nil
}

func (s *State) putRoute(r *Route) string {
	r.CidrBlock = r.DestinationCidrBlock
	key := r.RouteTableID + "|" + r.CidrBlock
	s.Routes[key] = r
	return key
}

// CheckRoute refuses a route to something that is not there.
func (s *State) CheckRoute(r *Route) error {
	table := s.RouteTables[r.RouteTableID]
	switch {
	case strings.HasPrefix(r.GatewayID, "igw-"):
		a := s.AttachmentOf(r.GatewayID)
		if _, ok := s.Gateways[r.GatewayID]; !ok {
			return Errorf(NotFound, "InvalidGatewayID.NotFound", "The gateway ID '%s' does not exist", r.GatewayID)
		}
		if a == nil || a.VpcID != table.VpcID {
			return Errorf(Invalid, "InvalidParameterValue", "route table %s and network gateway %s belong to different networks",
				r.RouteTableID, r.GatewayID)
		}
	case r.NatGatewayID != "":
		if n, ok := s.NATs[r.NatGatewayID]; !ok || n.State == "deleting" {
			return Errorf(NotFound, "InvalidNatGatewayID.NotFound", "The natGateway ID '%s' does not exist",
				r.NatGatewayID)
		}
	default:
		return Errorf(Invalid, "InvalidParameterCombination",
			"a route needs an internet gateway or a NAT gateway: the sandbox knows no other target")
	}
	return nil
}

// DeleteRoute takes a route away.
func (s *State) DeleteRoute(r *Route) error {
	delete(s.Routes, r.RouteTableID+"|"+r.CidrBlock)
	return nil
}

// RoutesOf are the routes of one table in a stable order, the local one first.
func (s *State) RoutesOf(table string) []*Route {
	var list []*Route
	for _, r := range Sorted(s.Routes) {
		if r.RouteTableID != table {
			continue
		}
		if r.GatewayID == "local" {
			list = slices.Insert(list, 0, r)
			continue
		}
		list = append(list, r)
	}
	return list
}

// Association is AWS::EC2::SubnetRouteTableAssociation.
type Association struct {
	ID           string `json:"Id"`
	SubnetID     string `json:"SubnetId"`
	RouteTableID string `json:"RouteTableId"`
}

// Associate connects a subnet with a route table; it can have only one.
func (s *State) Associate(a *Association) (string, error) {
	if err := s.mayAssociate(a); err != nil {
		return "", err
	}
	for _, other := range s.Associations {
		if other.SubnetID == a.SubnetID {
			return "", Errorf(Exists, "Resource.AlreadyAssociated",
				"the specified association for route table %s conflicts with an existing association", a.RouteTableID)
		}
	}
	a.ID = NewID("rtbassoc")
	s.Associations[a.ID] = a
	return a.ID, nil
}

func (s *State) mayAssociate(a *Association) error {
	sub, err := s.Subnet(a.SubnetID)
	if err != nil {
		return err
	}
	table, ok := s.RouteTables[a.RouteTableID]
	if !ok {
		return missing("RouteTableID", "routeTable", a.RouteTableID)
	}
	if sub.VpcID != table.VpcID {
		return Errorf(Invalid, "InvalidParameterValue", "Route table %s and subnet %s belong to different networks",
			a.RouteTableID, a.SubnetID)
	}
	return nil
}

// Reassociate gives the subnet of an association another route table, in one
// go. The association gets another ID, as in EC2.
func (s *State) Reassociate(id, table string) (string, error) {
	old, ok := s.Associations[id]
	if !ok {
		return "", missing("AssociationID", "association", id)
	}
	a := &Association{SubnetID: old.SubnetID, RouteTableID: table}
	if err := s.mayAssociate(a); err != nil {
		return "", err
	}
	delete(s.Associations, id)
	a.ID = NewID("rtbassoc")
	s.Associations[a.ID] = a
	return a.ID, nil
}

// Disassociate undoes Associate.
func (s *State) Disassociate(a *Association) error {
	delete(s.Associations, a.ID)
	return nil
}

func parseBlock(cidr string, shortest, longest int) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(cidr)
	if err != nil || !p.Addr().Is4() {
		return netip.Prefix{}, Errorf(Invalid, "InvalidParameterValue",
			"Value (%s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", cidr)
	}
	if p.Bits() < shortest || p.Bits() > longest {
		return netip.Prefix{}, Errorf(Invalid, "InvalidVpc.Range", "The CIDR '%s' is invalid.", cidr)
	}
	return p.Masked(), nil
}

// NodeName is the private DNS name of an address, which EKS makes the name of
// the node: ip-172-16-96-10.us-west-2.compute.internal.
func (s *State) NodeName(ip string) string {
	return fmt.Sprintf("ip-%s.%s", strings.ReplaceAll(ip, ".", "-"), s.privateZone())
}

func (s *State) privateZone() string {
	if s.Region == "us-east-1" {
		return "ec2.internal"
	}
	return s.Region + ".compute.internal"
}
