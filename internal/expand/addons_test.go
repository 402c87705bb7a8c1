package expand_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/droverhq/drover/internal/graph"
)

// What nodes need comes before them, and what needs nodes after them: CoreDNS
// without nodes never becomes whole. All follow the control plane.
func TestOrderOfAddons(t *testing.T) {
	g := load(t, fstest.MapFS{"drover.yaml": {Data: []byte(`
name: all
cluster:
  version: "1.36"
  addons:
    coredns: {version: default, configuration: {replicaCount: 3}}
    kube-proxy: default
    vpc-cni: {version: v1.21.1-eksbuild.1, onConflict: preserve}
    eks-pod-identity-agent: default
    aws-ebs-csi-driver: default
nodeGroups:
  web: {kind: self-managed, instanceType: m7i.large, capacity: 2}
  eks: {kind: managed, instanceType: m7i.large, capacity: 2}
`)}}, oregon)
	of := func(typ, name string) graph.Resource {
		i := slices.IndexFunc(g.Resources, func(r graph.Resource) bool { return r.Key == graph.Key{Type: typ, Name: name} })
		if i < 0 {
			t.Fatalf("no %s %s", typ, name)
		}
		return g.Resources[i]
	}
	const addon, cluster, asg, managed = "AWS::EKS::Addon", "AWS::EKS::Cluster", "AWS::AutoScaling::AutoScalingGroup", "AWS::EKS::Nodegroup"
	for _, needs := range [][2]graph.Key{
		{{Type: addon, Name: "kube-proxy"}, {Type: cluster, Name: "cluster"}},
		{{Type: addon, Name: "coredns"}, {Type: cluster, Name: "cluster"}},
		{{Type: asg, Name: "web"}, {Type: addon, Name: "kube-proxy"}},
		{{Type: managed, Name: "eks"}, {Type: addon, Name: "vpc-cni"}},
		{{Type: managed, Name: "eks"}, {Type: addon, Name: "eks-pod-identity-agent"}},
		{{Type: addon, Name: "coredns"}, {Type: asg, Name: "web"}},
		{{Type: addon, Name: "aws-ebs-csi-driver"}, {Type: managed, Name: "eks"}},
	} {
		r := of(needs[0].Type, needs[0].Name)
		if !slices.Contains(r.Needs(), needs[1]) {
			t.Errorf("%s does not come after %s", needs[0], needs[1])
		}
	}
	dns, cni := of(addon, "coredns").Props, of(addon, "vpc-cni").Props
	if got := fmt.Sprint(dns["AddonVersion"]); got != "${eks-addon:coredns/1.36}" {
		t.Errorf("the version follows the cluster's: %s", got)
	}
	if dns["ConfigurationValues"] != `{"replicaCount":3}` || dns["ResolveConflicts"] != "OVERWRITE" {
		t.Errorf("coredns %v", dns)
	}
	if cni["AddonVersion"] != "v1.21.1-eksbuild.1" || cni["ResolveConflicts"] != "PRESERVE" {
		t.Errorf("vpc-cni %v", cni)
	}
	for _, p := range graph.Validate(g) {
		t.Error(p)
	}
}
