package drover

import "time"

// NodeGroupArgs say what a node group is.
type NodeGroupArgs struct {
	Kind         Kind
	InstanceType string // m7i.large
	Version      string // of its nodes; empty: the cluster's
	AMI          string // an image's ID, or the text of an Output; empty: looked up for the version
	Capacity     *Capacity
	Taints       []Taint
	Labels       map[string]string // of its nodes
	Soak         time.Duration     // how long its emptied nodes are kept once it is replaced
	Settle       time.Duration     // how long those who sent to a pod are given at the least before it ends

	// Of a managed group alone.
	Release      string // of EKS's image: 1.36.3-20261101
	Update       string // drover or eks: who replaces its nodes for another release; empty: drover
	CapacityType string // on-demand or spot; empty: on-demand

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
		"kind": a.Kind, "instanceType": a.InstanceType, "version": a.Version, "ami": a.AMI, "capacity": a.Capacity,
		"taints": a.Taints, "labels": a.Labels, "soak": a.Soak, "settle": a.Settle,
		"release": a.Release, "update": a.Update, "capacityType": a.CapacityType,
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
