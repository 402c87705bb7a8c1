package region

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/machine"
)

// KubernetesVersion is the control plane's own, and the newest. Of the older ones it
// emulates the APIs and features.
const KubernetesVersion = "1.36"

// ControlPlanes are the versions that a cluster may have, oldest first.
func ControlPlanes() []string {
	var list []string
	for _, k := range kubelets {
		list = append(list, k.minor)
	}
	return list
}

// Patched is the version with the patch that EKS runs: 1.35.6 of 1.35.
func Patched(version string) string {
	for _, k := range kubelets {
		if k.minor == version {
			return k.minor + "." + k.patch
		}
	}
	return version
}

// ServiceCIDR is where Services of a cluster have their addresses, as EKS
// chooses it for VPCs outside of 10.0.0.0/8.
const ServiceCIDR = "10.100.0.0/16"

// Cluster is AWS::EKS::Cluster.
type Cluster struct {
	Name                     string
	ID                       string `json:"Id"`
	Arn                      string
	RoleArn                  string
	Version                  string
	Endpoint                 string         `json:",omitempty"`
	CertificateAuthorityData string         `json:",omitempty"` // base64 PEM
	ClusterSecurityGroupID   string         `json:"ClusterSecurityGroupId"`
	OpenIDConnectIssuerURL   string         `json:"OpenIdConnectIssuerUrl,omitempty"`
	Network                  ClusterNetwork `json:"ResourcesVpcConfig"`
	Kubernetes               struct {
		IPFamily        string `json:"IpFamily,omitempty"`
		ServiceIPv4Cidr string `json:"ServiceIpv4Cidr,omitempty"`
	} `json:"KubernetesNetworkConfig"`
	Access struct {
		AuthenticationMode string
		BootstrapAdmin     *bool `json:"BootstrapClusterCreatorAdminPermissions,omitempty"`
	} `json:"AccessConfig"`
	Logging            *ClusterLogging `json:",omitempty"`
	Encryption         []Encryption    `json:"EncryptionConfig,omitempty"`
	DeletionProtection bool
	Tags               Tags `json:",omitempty"`
	Rest               Rest `json:",omitempty"`

	VpcID   string
	Plane   int    `json:",omitempty"` // the control plane that the supervisor runs for it: 0 to machine.Planes-1
	Status  string // CREATING, ACTIVE, UPDATING, DELETING
	Next    string `json:",omitempty"` // the version that it is brought to while UPDATING
	Created time.Time
	Creator string          // ARN; an administrator if BootstrapAdmin is not false
	Updates []ClusterUpdate `json:",omitempty"` // oldest first; each but that of the version was successful at once
}

// Encryption says with which key a cluster encrypts what.
type Encryption struct {
	Resources []string
	Provider  struct{ KeyArn string }
}

// ClusterUpdate is a change of a cluster.
type ClusterUpdate struct {
	ID      string
	Type    string // LoggingUpdate, AccessConfigUpdate, EndpointAccessUpdate, VersionUpdate, …
	Created time.Time
	Version string `json:",omitempty"` // of a VersionUpdate: where it goes
}

// ClusterLogging says which control plane logs are kept.
type ClusterLogging struct {
	ClusterLogging struct {
		EnabledTypes []struct{ Type string } `json:",omitempty"`
	} `json:",omitzero"`
}

// ClusterNetwork is where a cluster's interfaces are.
type ClusterNetwork struct {
	SubnetIDs        []string `json:"SubnetIds"`
	SecurityGroupIDs []string `json:"SecurityGroupIds,omitempty"`
	PublicAccess     *bool    `json:"EndpointPublicAccess,omitempty"`
	PrivateAccess    *bool    `json:"EndpointPrivateAccess,omitempty"`
	PublicCIDRs      []string `json:"PublicAccessCidrs,omitempty"`
}

// Check refuses an endpoint that nobody reaches, or that only private addresses would.
func (n ClusterNetwork) Check() error {
	on := func(b *bool, usual bool) bool { return b == nil && usual || b != nil && *b }
	public, private := on(n.PublicAccess, true), on(n.PrivateAccess, false)
	switch {
	case !public && !private:
		return Errorf(Invalid, "InvalidParameterException", "Private and public endpoint access cannot be false")
	case !public && len(n.PublicCIDRs) > 0 && !slices.Equal(n.PublicCIDRs, []string{"0.0.0.0/0"}):
		return Errorf(Invalid, "InvalidParameterException", "Public access CIDRs cannot be given if the public endpoint is off")
	}
	for _, text := range n.PublicCIDRs {
		p, err := netip.ParsePrefix(text)
		if err != nil || p.Addr().IsPrivate() {
			return Errorf(Invalid, "InvalidParameterException", "The following CIDRs are not allowed in publicAccessCidrs: [%s]", text)
		}
	}
	return nil
}

// CreateCluster makes a cluster and its security group. It is CREATING until
// package eks has brought it up.
func (s *State) CreateCluster(c *Cluster, now time.Time) (string, error) {
	if c.Name == "" {
		c.Name = "cluster-" + randomHex(12)
	}
	if _, ok := s.Clusters[c.Name]; ok {
		return "", Errorf(Exists, "ResourceInUseException", "Cluster already exists with name: %s", c.Name)
	}
	plane, ok := s.freePlane()
	if !ok {
		return "", Errorf(Limit, "ResourceLimitExceededException", "A sandbox holds %d clusters at most. "+
			"Delete one, or start a second sandbox with another --dir.", machine.Planes)
	}
	c.Plane = plane
	if s.RoleByARN(c.RoleArn) == nil {
		return "", Errorf(Invalid, "InvalidParameterException",
			"Role with arn: %s, could not be assumed because it does not exist", c.RoleArn)
	}
	if err := s.checkCluster(c); err != nil {
		return "", err
	}
	s.clusterDefaults(c, now)
	group := &SecurityGroup{VpcID: c.VpcID, GroupName: fmt.Sprintf("eks-cluster-sg-%s-%d", c.Name, hash(c.Name)%1e10),
		Description: "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as well as any managed workloads.",
		Tags: Tags{{Key: "Name", Value: "eks-cluster-sg-" + c.Name}, {Key: "aws:eks:cluster-name", Value: c.Name},
			{Key: "kubernetes.io/cluster/" + c.Name, Value: "owned"}}}
	if _, err := s.CreateSecurityGroup(group); err != nil {
		return "", err
	}
	s.addRule(&Rule{GroupID: group.ID, Protocol: "-1", PeerGroupID: group.ID})
	c.ClusterSecurityGroupID = group.ID
	s.Clusters[c.Name] = c
	return c.Name, s.admitCreator(c, now)
}

// freePlane is the first control plane without a cluster.
func (s *State) freePlane() (int, bool) {
	used := map[int]bool{}
	for _, c := range s.Clusters {
		used[c.Plane] = true
	}
	for n := range machine.Planes {
		if !used[n] {
			return n, true
		}
	}
	return 0, false
}

// admitCreator gives who made the cluster an access entry with every right.
// A cluster that knows no access entries lets its creator in without one.
func (s *State) admitCreator(c *Cluster, now time.Time) error {
	if !*c.Access.BootstrapAdmin || c.Access.AuthenticationMode == "CONFIG_MAP" {
		return nil
	}
	all := AccessPolicy{PolicyArn: "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"}
	all.AccessScope.Type = "cluster"
	_, err := s.CreateAccessEntry(&AccessEntry{PrincipalArn: c.Creator, ClusterName: c.Name, AccessPolicies: []AccessPolicy{all}}, now)
	return err
}

func (s *State) checkCluster(c *Cluster) error {
	zones := map[string]bool{}
	for _, id := range c.Network.SubnetIDs {
		sub, ok := s.Subnets[id]
		if !ok {
			return Errorf(Invalid, "InvalidParameterException", "The subnet ID '%s' does not exist", id)
		}
		if c.VpcID != "" && c.VpcID != sub.VpcID {
			return Errorf(Invalid, "InvalidParameterException", "Subnets specified must be in the same VPC")
		}
		c.VpcID = sub.VpcID
		zones[sub.AvailabilityZone] = true
	}
	if len(zones) < 2 {
		return Errorf(Invalid, "InvalidParameterException", "Subnets specified must be in at least two different AZs")
	}
	for _, e := range c.Encryption {
		if !slices.Equal(e.Resources, []string{"secrets"}) {
			return Errorf(Invalid, "InvalidParameterException", "Unsupported resource in encryptionConfig: the only one is secrets")
		}
		if err := s.encrypts(e.Provider.KeyArn); err != nil {
			return err
		}
	}
	if err := c.Network.Check(); err != nil {
		return err
	}
	for _, id := range c.Network.SecurityGroupIDs {
		if _, err := s.SecurityGroup(id); err != nil {
			return err
		}
	}
	if v := s.VPCs[c.VpcID]; !v.EnableDNSHostnames || !v.EnableDNSSupport {
		return Errorf(Invalid, "InvalidParameterException", "The VPC %s must have DNS hostname and DNS resolution support", c.VpcID)
	}
	if c.Version != "" && !slices.Contains(ControlPlanes(), c.Version) {
		return Errorf(Invalid, "InvalidParameterException", "unsupported Kubernetes version %s: the sandbox has %s", c.Version,
			strings.Join(ControlPlanes(), ", "))
	}
	return nil
}

func (s *State) clusterDefaults(c *Cluster, now time.Time) {
	c.Status, c.Created, c.Creator = "CREATING", now, cmp.Or(c.Creator, UserARN)
	c.ID = c.Name
	c.Arn = s.ARN("eks", "cluster/"+c.Name)
	c.Version = cmp.Or(c.Version, KubernetesVersion)
	if c.Kubernetes.IPFamily == "" {
		c.Kubernetes.IPFamily = "ipv4"
	}
	c.Kubernetes.ServiceIPv4Cidr = ServiceCIDR
	if c.Access.AuthenticationMode == "" {
		c.Access.AuthenticationMode = "CONFIG_MAP"
	}
	yes, no := true, false
	if c.Access.BootstrapAdmin == nil {
		c.Access.BootstrapAdmin = &yes
	}
	if c.Network.PublicAccess == nil {
		c.Network.PublicAccess, c.Network.PublicCIDRs = &yes, []string{"0.0.0.0/0"}
	}
	if c.Network.PrivateAccess == nil {
		c.Network.PrivateAccess = &no
	}
	c.OpenIDConnectIssuerURL = fmt.Sprintf("https://oidc.eks.%s.amazonaws.com/id/%016X%016X", s.Region, hash(c.Name),
		hash(c.Arn))
}

// Upgrade begins to bring the control plane to the next minor version; package eks
// ends it. EKS leaves none out and never goes back.
func (c *Cluster) Upgrade(to string, now time.Time) (ClusterUpdate, error) {
	all := ControlPlanes()
	if k := slices.Index(all, to); k < 1 || all[k-1] != c.Version {
		return ClusterUpdate{}, Errorf(Invalid, "InvalidParameterException",
			"Unsupported Kubernetes minor version update from %s to %s", c.Version, to)
	}
	c.Status, c.Next = "UPDATING", to
	u := ClusterUpdate{ID: UUID(), Type: "VersionUpdate", Created: now, Version: to}
	c.Updates = append(c.Updates, u)
	return u, nil
}

// Upgraded is the end of an upgrade.
func (c *Cluster) Upgraded() {
	c.Status, c.Version, c.Next = "ACTIVE", c.Next, ""
}

// modes are the ways in which a cluster knows who may come in. It goes from one to a later one only.
var modes = []string{"CONFIG_MAP", "API_AND_CONFIG_MAP", "API"}

// SetAuthenticationMode changes how the cluster knows who may come in.
func (c *Cluster) SetAuthenticationMode(mode string) error {
	if k := slices.Index(modes, mode); k < 0 || k < slices.Index(modes, c.Access.AuthenticationMode) {
		return Errorf(Invalid, "InvalidParameterException", "Unsupported authentication mode update from %s to %s",
			c.Access.AuthenticationMode, mode)
	}
	c.Access.AuthenticationMode = mode
	return nil
}

// Cluster finds a cluster.
func (s *State) Cluster(name string) (*Cluster, error) {
	if c, ok := s.Clusters[name]; ok {
		return c, nil
	}
	return nil, Errorf(NotFound, "ResourceNotFoundException", "No cluster found for name: %s.", name)
}

// DeleteCluster begins the end of a cluster. Self-managed nodes do not stop it,
// managed ones do.
func (s *State) DeleteCluster(c *Cluster) error {
	if c.DeletionProtection {
		return Errorf(Invalid, "InvalidRequestException", "Cluster %s has deletion protection enabled", c.Name)
	}
	for _, n := range s.Nodegroups {
		if n.ClusterName == c.Name {
			return Errorf(Dependency, "ResourceInUseException", "Cluster has nodegroups attached")
		}
	}
	c.Status = "DELETING"
	return nil
}

// RemoveCluster is the end of a cluster. Its security group stays behind if
// something else still uses it, as on EKS.
func (s *State) RemoveCluster(c *Cluster) {
	delete(s.Clusters, c.Name)
	for key, e := range s.AccessEntries {
		if e.ClusterName == c.Name {
			delete(s.AccessEntries, key)
		}
	}
	for _, a := range s.Addons {
		if a.ClusterName == c.Name {
			s.RemoveAddon(a)
		}
	}
	maps.DeleteFunc(s.PodIdentities, func(_ string, p *PodIdentity) bool { return p.ClusterName == c.Name })
	if !s.GroupUsed(c.ClusterSecurityGroupID) {
		s.dropSecurityGroup(c.ClusterSecurityGroupID)
	}
}

// AccessEntry is AWS::EKS::AccessEntry.
type AccessEntry struct {
	PrincipalArn     string
	ClusterName      string
	AccessEntryArn   string
	Type             string
	Username         string
	KubernetesGroups []string       `json:",omitempty"`
	AccessPolicies   []AccessPolicy `json:",omitempty"`
	Tags             Tags           `json:",omitempty"`

	Created    time.Time            `json:",omitzero"`
	Modified   time.Time            `json:",omitzero"`
	Associated map[string]time.Time `json:",omitempty"` // policies that came after the entry, by ARN
}

// AccessPolicy grants one of EKS's predefined sets of rights.
type AccessPolicy struct {
	PolicyArn   string
	AccessScope struct {
		Type       string
		Namespaces []string `json:",omitempty"`
	}
}

// CreateAccessEntry lets a principal into a cluster.
func (s *State) CreateAccessEntry(e *AccessEntry, now time.Time) (string, error) {
	c, err := s.Cluster(e.ClusterName)
	if err != nil {
		return "", err
	}
	if c.Access.AuthenticationMode == "CONFIG_MAP" {
		return "", Errorf(Invalid, "InvalidRequestException", "The cluster's authentication mode must be set to one of "+
			"[API, API_AND_CONFIG_MAP] to perform this operation.")
	}
	key := e.PrincipalArn + "|" + e.ClusterName
	if _, ok := s.AccessEntries[key]; ok {
		return "", Errorf(Exists, "ResourceInUseException", "The specified access entry resource is already in use on this cluster.")
	}
	if strings.Contains(e.PrincipalArn, ":role/") && s.RoleByARN(e.PrincipalArn) == nil {
		return "", Errorf(Invalid, "InvalidParameterException",
			"The specified principalArn is invalid: invalid principal.")
	}
	if err := e.defaults(); err != nil {
		return "", err
	}
	e.Created = now
	e.AccessEntryArn = s.ARN("eks", fmt.Sprintf("access-entry/%s/%s/%s/%s/%08x-0000-4000-8000-%012x", e.ClusterName,
		principalKind(e.PrincipalArn), Account, baseName(e.PrincipalArn), hash(key)>>32, hash(key)&0xffffffffffff))
	s.AccessEntries[key] = e
	return key, nil
}

func (e *AccessEntry) defaults() error {
	switch e.Type {
	case "", "STANDARD":
		e.Type = "STANDARD"
		if e.Username == "" {
			e.Username = e.PrincipalArn
		}
		for _, g := range e.KubernetesGroups {
			if strings.HasPrefix(g, "system:") || strings.HasPrefix(g, "eks:") {
				return Errorf(Invalid, "InvalidParameterException",
					"The kubernetes group name %s is invalid, it cannot start with system:", g)
			}
		}
		return nil
	case "EC2_LINUX":
		if e.Username != "" || len(e.KubernetesGroups) > 0 || len(e.AccessPolicies) > 0 {
			return Errorf(Invalid, "InvalidParameterException",
				"The type EC2_LINUX allows no username, groups or policies")
		}
		e.Username, e.KubernetesGroups = "system:node:{{EC2PrivateDNSName}}", []string{"system:nodes"}
		return nil
	}
	return Errorf(Invalid, "InvalidParameterException", "The sandbox knows the access entry types STANDARD and EC2_LINUX, not %s", e.Type)
}

// Change gives an entry another name or other groups; what is nil stays.
func (e *AccessEntry) Change(username *string, groups []string, now time.Time) error {
	if e.Type != "STANDARD" {
		return Errorf(Invalid, "InvalidParameterException", "The access entry of type %s cannot be changed", e.Type)
	}
	next := *e
	if username != nil {
		next.Username = *username
	}
	if groups != nil {
		next.KubernetesGroups = groups
	}
	if err := next.defaults(); err != nil {
		return err
	}
	next.Modified = now
	*e = next
	return nil
}

// Find is the place of a policy among those of the entry, -1 if it has it not.
func (e *AccessEntry) Find(policy string) int {
	return slices.IndexFunc(e.AccessPolicies, func(p AccessPolicy) bool { return p.PolicyArn == policy })
}

// Associate gives the entry a set of rights, or the one it has another scope.
func (e *AccessEntry) Associate(p AccessPolicy, now time.Time) error {
	switch {
	case e.Type != "STANDARD":
		return Errorf(Invalid, "InvalidRequestException", "The access entry of type %s takes no access policies", e.Type)
	case p.AccessScope.Type != "cluster" && p.AccessScope.Type != "namespace",
		p.AccessScope.Type == "namespace" && len(p.AccessScope.Namespaces) == 0:
		return Errorf(Invalid, "InvalidParameterException", "The access scope must be cluster, or namespace with namespaces")
	}
	if k := e.Find(p.PolicyArn); k >= 0 {
		e.AccessPolicies[k] = p
	} else {
		e.AccessPolicies = append(e.AccessPolicies, p)
	}
	if e.Associated == nil {
		e.Associated = map[string]time.Time{}
	}
	e.Associated[p.PolicyArn] = now
	return nil
}

func principalKind(arn string) string {
	if strings.Contains(arn, ":role/") {
		return "role"
	}
	return "user"
}

func baseName(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// DeleteAccessEntry shuts a principal out.
func (s *State) DeleteAccessEntry(e *AccessEntry) error {
	delete(s.AccessEntries, e.PrincipalArn+"|"+e.ClusterName)
	return nil
}

// Admin tells whether an entry gives every right in the whole cluster.
func (e *AccessEntry) Admin() bool {
	return slices.ContainsFunc(e.AccessPolicies, func(p AccessPolicy) bool {
		return p.AccessScope.Type == "cluster" && strings.HasSuffix(p.PolicyArn, "/AmazonEKSClusterAdminPolicy")
	})
}
