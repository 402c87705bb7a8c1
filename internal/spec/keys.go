package spec

import (
	"strings"

	"github.com/droverhq/drover/internal/graph"
)

// The keys under which package expand puts what the sections stand for, and
// which references lead to.
var (
	VPCKey         = graph.Key{Type: "AWS::EC2::VPC", Name: "network"}
	ClusterKey     = graph.Key{Type: "AWS::EKS::Cluster", Name: "cluster"}
	ClusterRoleKey = graph.Key{Type: "AWS::IAM::Role", Name: "cluster"}
)

// reservedGroup is the one name that a node group cannot have: the cluster's
// own role has it.
const reservedGroup = "cluster"

// RoleKey, ProfileKey, ... name the parts of a node group.
func RoleKey(group string) graph.Key { return graph.Key{Type: "AWS::IAM::Role", Name: group} }

// ProfileKey is the instance profile of a node group.
func ProfileKey(group string) graph.Key {
	return graph.Key{Type: "AWS::IAM::InstanceProfile", Name: group}
}

// AccessKey is the access entry that lets a group's nodes join.
func AccessKey(group string) graph.Key { return graph.Key{Type: "AWS::EKS::AccessEntry", Name: group} }

// TemplateKey is the launch template of a node group.
func TemplateKey(group string) graph.Key {
	return graph.Key{Type: "AWS::EC2::LaunchTemplate", Name: group}
}

// Key is what the nodes of a group are of, and called by: EKS's managed node
// group, or the Auto Scaling group.
func (g NodeGroup) Key() graph.Key {
	if g.Managed {
		return graph.Key{Type: "AWS::EKS::Nodegroup", Name: g.Name}
	}
	return graph.Key{Type: "AWS::AutoScaling::AutoScalingGroup", Name: g.Name}
}

// GroupKey is the key of the node group of that name, which the file has.
func (s *Spec) GroupKey(group string) graph.Key { return s.group(group).Key() }

func (s *Spec) group(name string) NodeGroup {
	for _, g := range s.NodeGroups {
		if g.Name == name {
			return g
		}
	}
	return NodeGroup{Name: name}
}

// Templated tells that a group has a launch template of Drover's: a managed one
// needs it for what EKS's own does not have.
func (g NodeGroup) Templated() bool { return g.Custom() || g.Disk != nil || len(g.UserData) > 0 }

// Custom tells that the user data of the nodes says all about them: EKS adds nothing.
func (g NodeGroup) Custom() bool { return !g.Managed || g.AMI != nil }

// SubnetKey is the subnet of a zone; tier is "public" or "private".
func SubnetKey(tier, zone, region string) graph.Key {
	return graph.Key{Type: "AWS::EC2::Subnet", Name: tier + "-" + ZoneLetter(zone, region)}
}

// ZoneLetter is the short name of a zone: us-west-2a -> a.
func ZoneLetter(zone, region string) string {
	if letter := strings.TrimPrefix(zone, region); letter != "" {
		return strings.TrimPrefix(letter, "-")
	}
	return zone
}

// objectKey names a Kubernetes object. Names may hold colons (system:x), keys
// may not: no name holds a "%", so "%3A" cannot be mistaken.
func objectKey(typ, namespace, name string) graph.Key {
	name = strings.ReplaceAll(name, ":", "%3A")
	if namespace != "" {
		name = namespace + "/" + name
	}
	return graph.Key{Type: typ, Name: name}
}

// InstanceTypes are all that the group may have.
func (g NodeGroup) InstanceTypes() []string { return append([]string{g.InstanceType}, g.OtherTypes...) }

// Mixed tells that an Auto Scaling group chooses among types, or between on-demand and Spot.
func (g NodeGroup) Mixed() bool { return !g.Managed && (g.Spot || len(g.OtherTypes) > 0) }
