package drover

// ClusterArgs say what the cluster is.
type ClusterArgs struct {
	Version string // "1.36"
	Network NetworkArgs
	Logs    []string   // control plane logs: see AllLogs
	More    Properties // further keys, as docs/stack-file.md has them
	Options Options
}

// NetworkArgs say what the cluster's VPC is.
type NetworkArgs struct {
	CIDR        string     // 172.16.0.0/16; empty: 10.0.0.0/16
	Zones       []string   // two at least; empty: Drover chooses at the first up
	NATGateways string     // single or perZone; empty: single
	More        Properties // further keys
}

// AllLogs are the logs that a control plane can write.
var AllLogs = []string{"api", "audit", "authenticator", "controllerManager", "scheduler"}

func (a ClusterArgs) keys() Properties {
	return given(Properties{"version": a.Version, "logs": a.Logs, "network": a.Network.keys()}, a.Options.keys(), a.More)
}

func (a NetworkArgs) keys() Properties {
	return given(Properties{"cidr": a.CIDR, "zones": a.Zones, "natGateways": a.NATGateways}, a.More)
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
