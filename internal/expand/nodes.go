package expand

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/value"
)

// What nodes start from, and what they are told.

// Newest names the parameters whose values the graph needs to know: of the newest
// images, for groups that ask for these at every run.
func Newest(s *spec.Spec) []string {
	var names []string
	for _, g := range s.NodeGroups {
		if g.Newest {
			names = append(names, newestParameter(g))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// newestParameter holds the image, or the release, that is the newest for a group.
func newestParameter(g spec.NodeGroup) string {
	switch {
	case !g.Managed:
		return imageParameter(g, "image_id")
	case g.OS == spec.Bottlerocket:
		return imageParameter(g, "image_version")
	}
	return imageParameter(g, "release_version")
}

// newest is what that parameter holds.
func (e *expander) newest(g spec.NodeGroup) string {
	name := newestParameter(g)
	found := e.env.Newest[name]
	if found == "" {
		e.fail(g.At, "nodeGroups."+g.Name, errors.New("the newest image is not known: "+name), "name an image, or a release")
	}
	return found
}

// release is that of a managed group's image: the user's, or the newest of today; empty: EKS's choice.
func (e *expander) release(g spec.NodeGroup) string {
	if g.Managed && g.Newest {
		return e.newest(g)
	}
	return g.Release
}

// image is what nodes start from: the user's, the newest of today, or the one that
// was the newest when the group was made.
func (e *expander) image(g spec.NodeGroup) any {
	switch {
	case g.AMI != nil:
		return e.text(g.AMI, g.At, "nodeGroups."+g.Name+".ami")
	case g.Newest:
		return e.newest(g)
	}
	return value.Ref{Lookup: imageParameter(g, "image_id")}.Expr()
}

// imageParameter is the Systems Manager parameter that holds something of the newest
// image for the group's version, architecture and devices.
func imageParameter(g spec.NodeGroup, what string) string {
	arch, variant := architecture(g.InstanceType)
	if g.OS != spec.Bottlerocket {
		return fmt.Sprintf("/aws/service/eks/optimized-ami/%s/amazon-linux-2023/%s/%s/recommended/%s", g.Version, arch, variant, what)
	}
	if variant == "standard" {
		return fmt.Sprintf("/aws/service/bottlerocket/aws-k8s-%s/%s/latest/%s", g.Version, arch, what)
	}
	return fmt.Sprintf("/aws/service/bottlerocket/aws-k8s-%s-%s/%s/latest/%s", g.Version, variant, arch, what)
}

// extras adds to a generation what not every group has.
func extras(p plan.Props, g spec.NodeGroup) {
	if g.OS != "" {
		p["os"] = g.OS
	}
	if len(g.OtherTypes) > 0 {
		p["instanceTypes"] = listOf(g.InstanceTypes())
	}
	if g.OnDemand != nil {
		p["onDemand"] = plan.Props{"base": float64(g.OnDemand.Base), "percent": float64(g.OnDemand.Percent)}
	}
	if d := g.Disk; d != nil {
		disk := plan.Props{"size": float64(d.Size), "type": d.Type, "iops": float64(d.IOPS), "throughput": float64(d.Throughput), "encrypted": d.Encrypted}
		if d.Key != nil {
			disk["key"] = fmt.Sprint(d.Key)
		}
		p["disk"] = disk
	}
	if len(g.UserData) > 0 { // it is long, and any change of it counts
		p["userData"] = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(strings.Join(g.UserData, "\x00"))))[:19]
	}
}

// blockDevice is the disk of a node. Bottlerocket's system is on a disk of its own,
// which stays as it is: what grows is on the second.
func (e *expander) blockDevice(g spec.NodeGroup) plan.Props {
	d := g.Disk
	device := "/dev/xvda"
	if g.OS == spec.Bottlerocket {
		device = "/dev/xvdb"
	}
	ebs := plan.Props{"VolumeSize": float64(d.Size), "VolumeType": d.Type, "DeleteOnTermination": true}
	if d.Encrypted {
		ebs["Encrypted"] = true
	}
	if d.Key != nil {
		ebs["KmsKeyId"] = e.text(d.Key, g.At, "nodeGroups."+g.Name+".disk.key")
	}
	if d.IOPS > 0 {
		ebs["Iops"] = float64(d.IOPS)
	}
	if d.Throughput > 0 {
		ebs["Throughput"] = float64(d.Throughput)
	}
	return plan.Props{"DeviceName": device, "Ebs": ebs}
}

// mixed is how an Auto Scaling group chooses what it launches. AWS's advice for Spot
// is price-capacity-optimized: what is cheap and least likely to be taken back.
func mixed(g spec.NodeGroup, launches plan.Props) plan.Props {
	var overrides []any
	for _, t := range g.InstanceTypes() {
		overrides = append(overrides, plan.Props{"InstanceType": t})
	}
	distribution := plan.Props{"OnDemandPercentageAboveBaseCapacity": 100.0}
	if g.Spot {
		distribution = plan.Props{"OnDemandPercentageAboveBaseCapacity": 0.0, "SpotAllocationStrategy": "price-capacity-optimized"}
	}
	if g.OnDemand != nil {
		distribution["OnDemandBaseCapacity"] = float64(g.OnDemand.Base)
		distribution["OnDemandPercentageAboveBaseCapacity"] = float64(g.OnDemand.Percent)
	}
	return plan.Props{
		"LaunchTemplate":        plan.Props{"LaunchTemplateSpecification": launches, "Overrides": overrides},
		"InstancesDistribution": distribution,
	}
}

// userData tells a node which cluster to join, as what, and what else the user
// wants. In a managed group without an image of the user's EKS tells the former.
func userData(g spec.NodeGroup, name *value.Expr) any {
	if g.OS == spec.Bottlerocket {
		return settings(g, name)
	}
	pieces := []any{
		"MIME-Version: 1.0\n",
		"Content-Type: multipart/mixed; boundary=\"BOUNDARY\"\n",
		"\n",
	}
	if g.Custom() {
		pieces = append(pieces, nodeConfig(g, name)...)
	}
	for _, part := range g.UserData {
		kind := "application/node.eks.aws"
		if strings.HasPrefix(part, "#!") {
			kind = "text/x-shellscript; charset=\"us-ascii\""
		}
		pieces = append(pieces, "--BOUNDARY\nContent-Type: "+kind+"\n\n", part, "\n")
	}
	return value.Text(append(pieces, "--BOUNDARY--\n")...)
}

// nodeConfig is the part that nodeadm reads.
func nodeConfig(g spec.NodeGroup, name *value.Expr) []any {
	taints := make([]string, len(g.Taints))
	for i, t := range g.Taints {
		taints[i] = t.String()
	}
	register := ""
	if len(taints) > 0 {
		register = `      - "--register-with-taints=` + strings.Join(taints, ",") + "\"\n"
	}
	return []any{
		"--BOUNDARY\n",
		"Content-Type: application/node.eks.aws\n",
		"\n",
		"---\n",
		"apiVersion: node.eks.aws/v1alpha1\n",
		"kind: NodeConfig\n",
		"spec:\n",
		"  cluster:\n",
		"    name: ", spec.ClusterKey.To(graph.NamePath), "\n",
		"    apiServerEndpoint: ", spec.ClusterKey.To("Endpoint"), "\n",
		"    certificateAuthority: ", spec.ClusterKey.To("CertificateAuthorityData"), "\n",
		"    cidr: ", spec.ClusterKey.To("KubernetesNetworkConfig.ServiceIpv4Cidr"), "\n",
		"  kubelet:\n",
		"    flags:\n",
		`      - "--node-labels=`, spec.NodeGroupLabel, "=", name, moreLabels(g), "\"\n",
		register,
		"\n",
	}
}

// settings are what Bottlerocket reads, in TOML. Tables that the user writes once
// more are added to; a setting that stands twice is refused by the node.
func settings(g spec.NodeGroup, name *value.Expr) any {
	var pieces []any
	if g.Custom() {
		pieces = []any{
			"[settings.kubernetes]\n",
			`cluster-name = "`, spec.ClusterKey.To(graph.NamePath), "\"\n",
			`api-server = "`, spec.ClusterKey.To("Endpoint"), "\"\n",
			`cluster-certificate = "`, spec.ClusterKey.To("CertificateAuthorityData"), "\"\n",
			"[settings.kubernetes.node-labels]\n",
			`"` + spec.NodeGroupLabel + `" = "`, name, "\"\n",
		}
		for _, key := range slices.Sorted(maps.Keys(g.Labels)) {
			pieces = append(pieces, fmt.Sprintf("%q = %q\n", key, g.Labels[key]))
		}
		pieces = append(pieces, nodeTaints(g.Taints))
	}
	for _, part := range g.UserData {
		pieces = append(pieces, part)
	}
	return value.Text(pieces...)
}

// nodeTaints are settings, by key: a key may have several effects.
func nodeTaints(taints []spec.Taint) string {
	byKey := map[string][]string{}
	for _, t := range taints {
		byKey[t.Key] = append(byKey[t.Key], fmt.Sprintf("%q", t.Value+":"+t.Effect))
	}
	if len(byKey) == 0 {
		return ""
	}
	text := "[settings.kubernetes.node-taints]\n"
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		text += fmt.Sprintf("%q = [%s]\n", key, strings.Join(byKey[key], ", "))
	}
	return text
}
