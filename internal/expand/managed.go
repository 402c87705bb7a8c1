package expand

import (
	"slices"
	"strings"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/plan"
)

// managed adds the parts of a node group that EKS manages: its role, a launch
// template where the user asks for what EKS's own does not have, and the group. EKS makes the rest: the
// Auto Scaling group, the instance profile and the role's access entry.
func (e *expander) managed(g spec.NodeGroup, part func(graph.Resource)) {
	part(graph.Resource{Key: spec.RoleKey(g.Name), NameProperty: "RoleName", Props: e.nodeRole()})
	if g.Templated() {
		part(graph.Resource{
			Key: spec.TemplateKey(g.Name), NameProperty: "LaunchTemplateName",
			Props: plan.Props{"LaunchTemplateData": e.launchTemplate(g)},
		})
	}
	part(graph.Resource{
		Key: g.Key(), NameProperty: "NodegroupName", Props: e.managedGroup(g),
		After: slices.Concat(e.routed, e.early), Hosts: hosts(g),
	})
}

func (e *expander) managedGroup(g spec.NodeGroup) plan.Props {
	props := plan.Props{
		"ClusterName": spec.ClusterKey.To(graph.NamePath),
		"NodeRole":    spec.RoleKey(g.Name).To("Arn"),
		"Subnets":     e.scope.Subnets(private),
		"ScalingConfig": plan.Props{"MinSize": float64(g.Capacity.Min), "DesiredSize": float64(g.Capacity.Desired),
			"MaxSize": float64(g.Capacity.Max)},
		"Labels": e.managedLabels(g),
	}
	if g.Spot {
		props["CapacityType"] = "SPOT"
	}
	if len(g.Taints) > 0 {
		props["Taints"] = managedTaints(g.Taints)
	}
	if g.Templated() {
		template := spec.TemplateKey(g.Name)
		props["LaunchTemplate"] = plan.Props{"Id": template.To("LaunchTemplateId"), "Version": template.To("LatestVersionNumber")}
	}
	if g.Custom() {
		return props
	}
	props["InstanceTypes"], props["AmiType"] = listOf(g.InstanceTypes()), amiType(g)
	if g.Version != "" {
		props["Version"] = g.Version
	}
	if release := e.release(g); release != "" {
		props["ReleaseVersion"] = release
	}
	return props
}

// managedLabels are the user's, and the one by which Drover knows the group's
// nodes: its name, which its role has as well.
func (e *expander) managedLabels(g spec.NodeGroup) plan.Props {
	labels := plan.Props{spec.NodeGroupLabel: spec.RoleKey(g.Name).To(graph.NamePath)}
	for key, label := range g.Labels {
		labels[key] = label
	}
	return labels
}

// effects are those of taints in EKS's words.
var effects = map[string]string{"NoSchedule": "NO_SCHEDULE", "NoExecute": "NO_EXECUTE", "PreferNoSchedule": "PREFER_NO_SCHEDULE"}

func managedTaints(taints []spec.Taint) []any {
	list := make([]any, len(taints))
	for i, t := range taints {
		taint := plan.Props{"Key": t.Key, "Effect": effects[t.Effect]}
		if t.Value != "" {
			taint["Value"] = t.Value
		}
		list[i] = taint
	}
	return list
}

// amiType is the kind of image that nodes of the group start from, in EKS's words.
func amiType(g spec.NodeGroup) string {
	arch, variant := architecture(g.InstanceType)
	if arch == "arm64" {
		arch = "ARM_64"
	}
	if g.OS != spec.Bottlerocket {
		return "AL2023_" + arch + "_" + strings.ToUpper(variant)
	}
	if variant == "standard" {
		return "BOTTLEROCKET_" + arch
	}
	return "BOTTLEROCKET_" + arch + "_" + strings.ToUpper(variant)
}
