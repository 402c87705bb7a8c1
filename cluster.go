package drover

// ClusterArgs say what the cluster is.
type ClusterArgs struct {
	Version       string // "1.36"
	Network       NetworkArgs
	Endpoint      EndpointArgs
	EncryptionKey string                     // ARN of a KMS key for Secrets, or the text of an Output; empty: none
	Access        map[string]AccessArgs      // who may come in, beside who made the cluster
	PodIdentities map[string]PodIdentityArgs // whom the pods of a service account are in AWS
	OIDCProvider  bool                       // IAM knows the issuer of the cluster's tokens
	Addons        map[string]AddonArgs       // of EKS, by their names there: vpc-cni
	Logs          []string                   // control plane logs: see AllLogs
	More          Properties                 // further keys, as docs/stack-file.md has them
	Options       Options
}

// NetworkArgs say what the cluster's VPC is: one that Drover makes, or, with
// VPC and Private, one that is there.
type NetworkArgs struct {
	CIDR        string   // 172.16.0.0/16; empty: 10.0.0.0/16
	Zones       []string // two at least; empty: Drover chooses at the first up
	NATGateways string   // single or perZone; empty: single

	VPC             Chosen     // one that is there already
	Private, Public Chosen     // subnets of it that the cluster is in; nodes are in the private ones
	More            Properties // further keys
	Options         Options
}

// Chosen are objects of AWS that are there already: by their identifiers, or by
// tags that they have.
type Chosen struct {
	IDs  []string
	Tags map[string]string
}

// ByID chooses objects by their identifiers.
func ByID(ids ...string) Chosen { return Chosen{IDs: ids} }

// ByTag chooses the objects that have a tag.
func ByTag(key, value string) Chosen { return Chosen{Tags: map[string]string{key: value}} }

// EndpointArgs say who reaches the API server: without any, the internet and the VPC.
type EndpointArgs struct {
	PrivateOnly bool     // the VPC alone
	PublicOnly  bool     // the internet alone
	CIDRs       []string // from which the internet reaches it; empty: from anywhere
}

// AccessArgs say who may do what in the cluster.
type AccessArgs struct {
	Principal  string   // ARN of an IAM role or user, or the text of an Output
	Policies   []string // EKS's own: AmazonEKSViewPolicy
	Namespaces []string // that the policies are about; empty: the whole cluster
	Groups     []string // for Kubernetes' own rules
}

// PodIdentityArgs give the pods of a service account a role.
type PodIdentityArgs struct {
	ServiceAccount string // namespace/name
	Role           string // ARN, or the text of an Output
}

// AddonArgs say of an add-on of EKS what it shall be; the zero value is EKS's
// own choice for the cluster's version.
type AddonArgs struct {
	Version       string // v1.13.2-eksbuild.1; empty: EKS's default for the cluster's version
	OnConflict    string // overwrite, preserve or none; empty: overwrite
	Configuration any    // the add-on's own values; nil: none
	Role          string // ARN of whom its pods are in AWS, or the text of an Output
}

// AllLogs are the logs that a control plane can write.
var AllLogs = []string{"api", "audit", "authenticator", "controllerManager", "scheduler"}

func (a ClusterArgs) keys() Properties {
	return given(Properties{
		"version": a.Version, "logs": a.Logs, "network": a.Network.keys(), "endpoint": a.Endpoint.keys(),
		"encryptionKey": a.EncryptionKey, "oidcProvider": a.OIDCProvider,
		"access": each(a.Access, AccessArgs.keys), "podIdentities": each(a.PodIdentities, PodIdentityArgs.keys),
		"addons": each(a.Addons, AddonArgs.keys),
	}, a.Options.keys(), a.More)
}

func (a NetworkArgs) keys() Properties {
	return given(Properties{
		"cidr": a.CIDR, "zones": a.Zones, "natGateways": a.NATGateways, "vpc": a.VPC.value(),
		"subnets": given(Properties{"private": a.Private.value(), "public": a.Public.value()}),
	}, a.Options.keys(), a.More)
}

// value is a list of identifiers, or tags; nil: nothing is chosen.
func (c Chosen) value() any {
	switch {
	case len(c.Tags) > 0:
		return Properties{"tags": c.Tags}
	case len(c.IDs) > 0:
		return c.IDs
	}
	return nil
}

func (a EndpointArgs) keys() Properties {
	keys := given(Properties{"cidrs": a.CIDRs})
	if a.PrivateOnly {
		keys["public"] = false
	}
	if a.PublicOnly {
		keys["private"] = false
	}
	return keys
}

func (a AccessArgs) keys() Properties {
	return given(Properties{"principal": a.Principal, "policies": a.Policies, "namespaces": a.Namespaces, "groups": a.Groups})
}

func (a PodIdentityArgs) keys() Properties {
	return given(Properties{"serviceAccount": a.ServiceAccount, "role": a.Role})
}

func (a AddonArgs) keys() Properties {
	keys := given(Properties{"version": a.Version, "onConflict": a.OnConflict, "configuration": a.Configuration, "role": a.Role})
	if a.Version == "" {
		keys["version"] = "default"
	}
	return keys
}

// Cluster is the stack's EKS cluster.
type Cluster struct{}

// Cluster registers the stack's cluster with its network. There is one.
func (s *Stack) Cluster(args ClusterArgs) *Cluster {
	s.register("cluster", "", args.keys())
	return &Cluster{}
}

func (*Cluster) word() string { return "cluster" }

// Output is any output of the cluster, by its name in docs/stack-file.md.
func (*Cluster) Output(name string) Output[string] { return Ref[string]("cluster." + name) }

// Name is the cluster's physical name.
func (c *Cluster) Name() Output[string] { return c.Output("name") }

// Endpoint is the URL of its API server.
func (c *Cluster) Endpoint() Output[string] { return c.Output("endpoint") }

// CA is the certificate of its API server's authority, in base64.
func (c *Cluster) CA() Output[string] { return c.Output("ca") }

// ARN is the cluster's.
func (c *Cluster) ARN() Output[string] { return c.Output("arn") }

// RoleARN is that of the control plane's role.
func (c *Cluster) RoleARN() Output[string] { return c.Output("roleArn") }

// SecurityGroup is the ID of the one that EKS made for the cluster.
func (c *Cluster) SecurityGroup() Output[string] { return c.Output("securityGroup") }

// OIDCIssuer is the URL of whoever vouches for its service accounts.
func (c *Cluster) OIDCIssuer() Output[string] { return c.Output("oidcIssuer") }

// OIDCProvider is the ARN of IAM's provider for that, if ClusterArgs ask for one.
func (c *Cluster) OIDCProvider() Output[string] { return c.Output("oidcProvider") }

// ServiceCIDR is the range from which its Services are numbered.
func (c *Cluster) ServiceCIDR() Output[string] { return c.Output("serviceCidr") }

// Kubeconfig is a whole kubeconfig, which gets its tokens from drover token.
func (c *Cluster) Kubeconfig() Output[string] { return c.Output("kubeconfig") }

// Network is the cluster's.
func (*Cluster) Network() Network { return Network{} }

// Network is the VPC of the cluster with its subnets.
type Network struct{}

func (Network) word() string { return "network" }

// VPC is its ID.
func (Network) VPC() Output[string] { return Ref[string]("network.vpc") }

// CIDR is its range.
func (Network) CIDR() Output[string] { return Ref[string]("network.cidr") }

// PublicSubnets are their IDs, one for each zone; [At] takes one of them.
func (Network) PublicSubnets() Output[[]string] { return Ref[[]string]("network.publicSubnets") }

// PrivateSubnets are their IDs, one for each zone; [At] takes one of them.
func (Network) PrivateSubnets() Output[[]string] { return Ref[[]string]("network.privateSubnets") }
