package expand

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/plan"
)

// hopLimit lets pods reach the instance metadata through one more hop than
// the node itself, as EKS's own node groups do.
const hopLimit = 2

// nodeGroup adds the parts of a node group. They share one generation: when it
// changes, all of them are made anew beside the old ones.
func (e *expander) nodeGroup(g spec.NodeGroup) {
	part := func(r graph.Resource) {
		r.Component, r.Generation, r.At = "nodegroup/"+g.Name, e.generation(g), g.At
		if g.InPlace {
			r.Rolls = []string{"version", "release"}
		}
		e.chosen(&r, ofPart(g.Options, r))
		e.add(r)
	}
	if g.Managed {
		e.managed(g, part)
		return
	}
	part(graph.Resource{Key: spec.RoleKey(g.Name), NameProperty: "RoleName", Props: e.nodeRole()})
	part(graph.Resource{
		Key: spec.ProfileKey(g.Name), NameProperty: "InstanceProfileName",
		Props: plan.Props{"Roles": []any{spec.RoleKey(g.Name).To(graph.NamePath)}},
	})
	part(graph.Resource{Key: spec.AccessKey(g.Name), Props: plan.Props{
		"ClusterName":  spec.ClusterKey.To(graph.NamePath),
		"PrincipalArn": spec.RoleKey(g.Name).To("Arn"),
		"Type":         "EC2_LINUX",
	}})
	part(graph.Resource{
		Key: spec.TemplateKey(g.Name), NameProperty: "LaunchTemplateName",
		Props: plan.Props{"LaunchTemplateData": e.launchTemplate(g)},
	})
	part(graph.Resource{
		Key: g.Key(), NameProperty: "AutoScalingGroupName",
		Props: e.autoScalingGroup(g),
		// A node joins only if it reaches the cluster and is let in.
		After: slices.Concat([]graph.Key{spec.AccessKey(g.Name)}, e.routed, e.early),
		Hosts: hosts(g),
	})
}

// ofPart are the options of a group as one of its parts has them: all were
// called by the group's old name; the rest is about the nodes.
func ofPart(o spec.Options, part graph.Resource) spec.Options {
	if part.Hosts != nil {
		return o
	}
	return spec.Options{Aliases: o.Aliases}
}

func hosts(g spec.NodeGroup) *graph.Hosts {
	return &graph.Hosts{Nodes: g.Capacity.Desired, Type: g.InstanceType, Conn: Conn(), Soak: g.Soak, Settle: g.Settle}
}

// generation is what cannot change on nodes that run, in the user's words.
func (e *expander) generation(g spec.NodeGroup) plan.Props {
	p := plan.Props{"kind": "self-managed", "instanceType": g.InstanceType}
	if g.Managed {
		p["kind"] = "managed"
	}
	if g.Version != "" {
		p["version"] = g.Version
	}
	if release := e.release(g); release != "" {
		p["release"] = release
	}
	if g.Spot {
		p["capacityType"] = "spot"
	}
	if g.AMI != nil {
		p["ami"] = fmt.Sprint(g.AMI)
	}
	if g.Newest && !g.Managed {
		p["ami"] = e.newest(g)
	}
	extras(p, g)
	var taints []any
	for _, t := range g.Taints {
		if lasting(g, t) {
			taints = append(taints, t.String())
		}
	}
	if taints != nil {
		p["taints"] = taints
	}
	if len(g.Labels) > 0 && g.Custom() {
		labels := make(plan.Props, len(g.Labels))
		for k, v := range g.Labels {
			labels[k] = v
		}
		p["labels"] = labels
	}
	return p
}

// lasting tells that a taint cannot change on nodes that run. EKS changes those of
// its managed groups in place; one with the effect NoExecute would end pods then.
// Where user data gives nodes their taints and labels, they are as it says.
func lasting(g spec.NodeGroup, t spec.Taint) bool { return g.Custom() || t.Effect == "NoExecute" }

func (e *expander) nodeRole() plan.Props {
	return plan.Props{
		"AssumeRolePolicyDocument": trust("ec2.amazonaws.com"),
		"ManagedPolicyArns": []any{
			e.awsPolicy("AmazonEKSWorkerNodePolicy"),
			e.awsPolicy("AmazonEC2ContainerRegistryPullOnly"),
			e.awsPolicy("AmazonEKS_CNI_Policy"),
		},
	}
}

func (e *expander) launchTemplate(g spec.NodeGroup) plan.Props {
	name := spec.ProfileKey(g.Name).To(graph.NamePath) // the parts of a group share one name
	if g.Managed {
		name = spec.RoleKey(g.Name).To(graph.NamePath)
	}
	marks := tags("Name", name, clusterTag(), "owned")
	if !g.Managed { // another version of its template would make EKS replace the nodes of its group
		marks = e.defaults(marks)
	}
	data := plan.Props{
		// The cluster's own group, and no other: a load balancer controller
		// refuses nodes that have two groups with the cluster's tag.
		"SecurityGroupIds": []any{spec.ClusterKey.To("ClusterSecurityGroupId")},
		"MetadataOptions":  plan.Props{"HttpTokens": "required", "HttpPutResponseHopLimit": float64(hopLimit)},
		"TagSpecifications": []any{
			plan.Props{"ResourceType": "instance", "Tags": marks},
			plan.Props{"ResourceType": "volume", "Tags": marks},
		},
	}
	if data["UserData"] = (plan.Props{"Fn::Base64": userData(g, name)}); !g.Custom() && len(g.UserData) == 0 {
		delete(data, "UserData")
	}
	if g.Custom() { // else EKS knows both from the group
		data["ImageId"], data["InstanceType"] = e.image(g), g.InstanceType
	}
	if g.Disk != nil {
		data["BlockDeviceMappings"] = []any{e.blockDevice(g)}
	}
	if !g.Managed { // EKS makes the profile of its groups
		data["IamInstanceProfile"] = plan.Props{"Arn": spec.ProfileKey(g.Name).To("Arn")}
	}
	return data
}

// autoScalingGroup has sizes as text: CloudFormation's schema wants them so.
// The template's version is named, because its default never moves.
func (e *expander) autoScalingGroup(g spec.NodeGroup) plan.Props {
	template := spec.TemplateKey(g.Name)
	marks := tags("Name", template.To(graph.NamePath), clusterTag(), "owned")
	for _, tag := range marks {
		tag.(plan.Props)["PropagateAtLaunch"] = true
	}
	props := plan.Props{
		"MinSize":           strconv.Itoa(g.Capacity.Min),
		"MaxSize":           strconv.Itoa(g.Capacity.Max),
		"DesiredCapacity":   strconv.Itoa(g.Capacity.Desired),
		"VPCZoneIdentifier": e.scope.Subnets(private),
		"Tags":              marks,
	}
	launches := plan.Props{"LaunchTemplateId": template.To("LaunchTemplateId"), "Version": template.To("LatestVersionNumber")}
	if g.Mixed() {
		props["MixedInstancesPolicy"] = mixed(g, launches)
	} else {
		props["LaunchTemplate"] = launches
	}
	if g.Fence {
		fence(props)
	}
	return props
}

// family splits an instance type: letters, generation, what it adds, size.
var family = regexp.MustCompile(`^([a-z]+)([0-9]*)([a-z0-9-]*)\.`)

// architecture reads an instance type's name. A "g" after the generation
// stands for Graviton (m7g, c6gn, im4gn), as does the family a1; the families
// g and p have NVIDIA devices, inf and trn Amazon's.
func architecture(instanceType string) (arch, variant string) {
	arch, variant = "x86_64", "standard"
	m := family.FindStringSubmatch(instanceType)
	if m == nil {
		return arch, variant
	}
	if strings.Contains(m[3], "g") || m[1] == "a" {
		arch = "arm64"
	}
	switch m[1] {
	case "g", "gr", "p":
		variant = "nvidia"
	case "inf", "trn":
		variant = "neuron"
	}
	return arch, variant
}

func moreLabels(g spec.NodeGroup) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(g.Labels)) {
		b.WriteString("," + key + "=" + g.Labels[key])
	}
	return b.String()
}
