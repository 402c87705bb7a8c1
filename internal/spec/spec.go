// Package spec reads a project folder: drover.yaml, the stack's config in
// drover.<stack>.yaml, and the manifests they name. It stands at the start of
// the flow: Load turns the files into a Spec, which package expand turns into
// a graph of resources.
//
// Load reports every mistake it can find at once, each with file, line and
// remedy, and asks neither AWS nor Kubernetes.
//
// # References
//
// Strings may hold references, which are parsed while the file is read, and
// which Scope translates into those of package graph:
//
//	${config.KEY}                                      a value of drover.<stack>.yaml
//	${stackRef.network.vpc}                            an output of another stack
//	${cluster.endpoint}                                name, endpoint, ca, version, kubeconfig, ...
//	${network.vpc} ${network.privateSubnets}           the subnets: a list, or one by number (.0)
//	${nodeGroups.web.name}                             name, role, roleArn, launchTemplate
//	${workloads.nginx.services.nginx.hostname}         an output of an object in a workload's manifests
//	${resources.queue.Arn}                             an output of a raw resource; @name is its physical name
//	${ssm:/aws/service/...}                            a Systems Manager parameter
//	${eks-addon:coredns/1.36}                          the default version of an add-on
//
// "$${" stands for a plain "${". Manifests often hold shell scripts and
// templates of other programs: there, "${...}" is a reference only if it
// starts with one of the words above, and otherwise left as it is.
//
// # Secrets
//
// What is tagged "!secret" becomes a value.Secret, and so does what a v1/Secret
// holds, and every text into which a secret is written.
package spec

import (
	"net/netip"
	"time"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// File is the name of the stack file within a project folder.
const File = "drover.yaml"

// SuffixLength is what a physical name adds to its base: "-" and 7 digits.
const SuffixLength = 8

// NodeGroupLabel is the label that holds a node's group, by physical name.
const NodeGroupLabel = graph.GroupLabel

// Spec is what the files of a project ask for. References in it (*value.Expr)
// are parsed, and are words as the user wrote them; see Scope.
type Spec struct {
	Name       string // the project
	State      State  // where it is kept
	Stack      string
	Config     Config
	Tags       map[string]string // of every AWS object that can have some
	Providers  []Provider
	Cluster    *Cluster // nil: the stack is made of raw resources alone
	NodeGroups []NodeGroup
	Workloads  []Workload
	Guards     []graph.Guard
	Outputs    []Output
	Resources  []Raw
}

// Cluster is the section cluster.
type Cluster struct {
	Version string       // "1.36"
	CIDR    netip.Prefix // of the VPC
	Zones   []string     // of the network, sorted: us-west-2a, ...; nil: Drover chooses
	NAT     NAT
	Logs    []string // control plane logs: api, audit, ...
	Addons  []Addon

	Existing      *Existing // the network, if it is there already; then CIDR, Zones and NAT say nothing
	Endpoint      Endpoint
	Key           any // KMS key that encrypts Secrets, references allowed; nil: none
	Access        []Access
	PodIdentities []PodIdentity
	OIDC          bool // IAM knows the issuer of the cluster's tokens

	At      problem.Place
	CIDRAt  problem.Place
	ZonesAt problem.Place
	Options Options
	Network Options // of each part of the network
}

// NAT says how many NAT gateways carry the traffic of the private subnets.
type NAT string

// One gateway is cheap; one in each zone survives the loss of a zone.
const (
	NATSingle  NAT = "single"
	NATPerZone NAT = "perZone"
)

// NodeGroup is one entry of nodeGroups.
type NodeGroup struct {
	Name         string
	Managed      bool // by EKS
	InstanceType string
	Version      string // of its nodes; the cluster's unless given
	AMI          any    // nil: looked up for Version; references allowed
	Capacity     Capacity
	Taints       []Taint
	Labels       map[string]string
	OtherTypes   []string // of instances, that it may have beside InstanceType
	OS           string   // Bottlerocket; empty: Amazon Linux 2023
	Newest       bool     // the newest image for its version, looked up at every run
	Spot         bool     // capacity that AWS may take back
	OnDemand     *OnDemand
	Disk         *Disk         // nil: the image's own
	UserData     []string      // beside what Drover tells the nodes
	Soak         time.Duration // how long its emptied nodes stay before they go
	Settle       time.Duration // how long those who sent to a pod are given at the least
	At           problem.Place
	Options      Options

	// Of a self-managed group.
	Fence bool // nobody but Drover ends an instance of it

	// Of a managed group.
	Release string // of EKS's image: 1.36.3-20261101; empty: the newest when the group is made
	InPlace bool   // EKS replaces the nodes itself for another version or release
}

// Capacity is a number of nodes: Min <= Desired <= Max.
type Capacity struct{ Min, Desired, Max int }

// Taint keeps pods that do not tolerate it off a node.
type Taint struct{ Key, Value, Effect string }

// String is the form that kubelet's --register-with-taints takes.
func (t Taint) String() string { return t.Key + "=" + t.Value + ":" + t.Effect }

// Workload is one entry of workloads: the objects of its manifests.
type Workload struct {
	Name      string
	NodeGroup string // empty: its pods go where the scheduler puts them
	Objects   []Object
	At        problem.Place
	Options   Options

	incomplete bool // some of its manifests could not be read
}

// Object is one Kubernetes object.
type Object struct {
	Type      string     // apps/v1/Deployment
	Namespace string     // empty: the object belongs to no namespace
	Name      string     // metadata.name
	Body      plan.Props // the whole object
	At        problem.Place

	home string // the namespace that it has if it names none; empty: default
}

// Key names the object within a graph.
func (o Object) Key() graph.Key { return objectKey(o.Type, o.Namespace, o.Name) }

// Kind is Deployment for apps/v1/Deployment.
func (o Object) Kind() string { return kindOf(o.Type) }

// Group is apps for apps/v1/Deployment, and empty for v1/Service.
func (o Object) Group() string { return groupOf(o.Type) }

// Custom tells a kind that a definition adds from Kubernetes' own.
func (o Object) Custom() bool { return !builtIn(o.Type) }

// Raw is one entry of resources: an object of any type.
type Raw struct {
	Name         string     // what references call it
	Type         string     // AWS::SQS::Queue, v1/ConfigMap
	NameProperty string     // that holds an AWS object's physical name; empty: the user or AWS names it
	BaseName     string     // of the physical name; empty: Name
	Properties   plan.Props // of an AWS object
	Object       *Object    // a Kubernetes object; nil for an AWS type
	At           problem.Place
	Options      Options
}

// Key names the resource within a graph.
func (r Raw) Key() graph.Key {
	if r.Object != nil {
		return r.Object.Key()
	}
	return graph.Key{Type: r.Type, Name: r.Name}
}

// Output is one entry of outputs.
type Output struct {
	Name  string
	Value any // references allowed
	At    problem.Place
}
