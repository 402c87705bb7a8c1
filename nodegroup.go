package drover

import "time"

// NodeGroupArgs say what a node group is.
type NodeGroupArgs struct {
	Kind          Kind     // empty: Managed
	InstanceType  string   // m7i.large
	InstanceTypes []string // in its place: any of these, of which the first is what Drover counts with
	Version       string   // of its nodes; empty: the cluster's
	OS            OS       // empty: AmazonLinux
	AMI           string   // an image's ID, latest, or the text of an Output; empty: looked up for the version
	Capacity      *Capacity
	CapacityType  string    // on-demand or spot; empty: on-demand
	OnDemand      *OnDemand // of a self-managed Spot group; nil: all of it is Spot
	Disk          *Disk     // nil: the image's own
	UserData      []string  // scripts and NodeConfigs, or settings of Bottlerocket, beside what Drover tells the nodes
	Taints        []Taint
	Labels        map[string]string // of its nodes
	Soak          time.Duration     // how long its emptied nodes are kept once it is replaced
	Settle        time.Duration     // how long those who sent to a pod are given at the least before it ends

	// Of a self-managed group alone.
	Fence *bool // nobody but Drover ends its instances; nil: if Min is Max

	// Of a managed group alone.
	Release string // of EKS's image: 1.36.3-20261101, or latest
	Update  string // drover or eks: who replaces its nodes for another release; empty: drover

	More    Properties // further keys, as docs/stack-file.md has them
	Options Options
}

// Kind says who manages a node group.
type Kind string

// The kinds of node groups.
const (
	SelfManaged Kind = "self-managed"
	Managed     Kind = "managed" // by EKS
)

// OS is what nodes run.
type OS string

// The systems that nodes can have.
const (
	AmazonLinux  OS = "al2023"
	Bottlerocket OS = "bottlerocket"
)

// OnDemand is how much of a Spot group is on-demand: so many nodes first, and so
// many in a hundred of the others.
type OnDemand struct {
	Base    int `json:"base"`
	Percent int `json:"percent"`
}

// Disk is that of a node; of Bottlerocket the one for images, containers and logs.
type Disk struct {
	Size       int    `json:"size"`                 // GiB
	Type       string `json:"type,omitempty"`       // empty: gp3
	IOPS       int    `json:"iops,omitempty"`       // 0: the type's own
	Throughput int    `json:"throughput,omitempty"` // MiB/s; 0: the type's own
	Encrypted  bool   `json:"encrypted,omitempty"`  // with the account's key, if Key names none
	Key        string `json:"key,omitempty"`        // ARN of a KMS key, or the text of an Output
}

// Capacity is a number of nodes: Min <= Desired <= Max, each as it is given.
type Capacity struct {
	Desired int `json:"desired"`
	Min     int `json:"min"`
	Max     int `json:"max"`
}

// Nodes is a capacity of n nodes, no less and no more.
func Nodes(n int) *Capacity { return &Capacity{Desired: n, Min: n, Max: n} }

// Taint keeps pods that do not tolerate it off a node.
type Taint struct {
	Key, Value string
	Effect     Effect
}

// Effect is what a taint does.
type Effect string

// The effects of taints.
const (
	NoSchedule       Effect = "NoSchedule"
	PreferNoSchedule Effect = "PreferNoSchedule"
	NoExecute        Effect = "NoExecute"
)

// MarshalText writes key=value:Effect.
func (t Taint) MarshalText() ([]byte, error) {
	return []byte(t.Key + "=" + t.Value + ":" + string(t.Effect)), nil
}

func (a NodeGroupArgs) keys() Properties {
	return given(Properties{
		"kind": a.Kind, "instanceType": a.InstanceType, "instanceTypes": a.InstanceTypes, "version": a.Version, "os": a.OS, "ami": a.AMI,
		"capacity": a.Capacity, "capacityType": a.CapacityType, "onDemand": a.OnDemand, "disk": a.Disk, "userData": a.UserData,
		"taints": a.Taints, "labels": a.Labels, "soak": a.Soak, "settle": a.Settle, "fence": a.Fence, "release": a.Release, "update": a.Update,
	}, a.Options.keys(), a.More)
}

// NodeGroup is a group of nodes of the cluster.
type NodeGroup struct{ name string }

// NodeGroup registers a node group.
func (s *Stack) NodeGroup(name string, args NodeGroupArgs) *NodeGroup {
	s.register("nodeGroups", s.prefix+name, args.keys())
	return &NodeGroup{s.prefix + name}
}

func (g *NodeGroup) word() string { return "nodeGroups." + g.name }

// MarshalText writes the group's name in the program.
func (g *NodeGroup) MarshalText() ([]byte, error) { return []byte(g.name), nil }

// Output is any output of the group, by its name in docs/stack-file.md.
func (g *NodeGroup) Output(name string) Output[string] { return Ref[string](g.word() + "." + name) }

// Name is the group's physical name, which its nodes carry as the label
// drover.dev/nodegroup.
func (g *NodeGroup) Name() Output[string] { return g.Output("name") }

// ARN is that of its Auto Scaling group; of a managed group, its own.
func (g *NodeGroup) ARN() Output[string] { return g.Output("arn") }

// Role is the physical name of its nodes' role.
func (g *NodeGroup) Role() Output[string] { return g.Output("role") }

// RoleARN is that of its nodes' role.
func (g *NodeGroup) RoleARN() Output[string] { return g.Output("roleArn") }

// LaunchTemplate is the ID of its launch template. A managed group without an
// AMI has none.
func (g *NodeGroup) LaunchTemplate() Output[string] { return g.Output("launchTemplate") }
