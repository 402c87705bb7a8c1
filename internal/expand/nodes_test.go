package expand_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/droverhq/drover/internal/expand"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/value"
)

const newestAL = "/aws/service/eks/optimized-ami/1.36/amazon-linux-2023/x86_64/standard/recommended/image_id"

// nodesProject has a group of each kind that is not the plain one.
const nodesProject = `
name: all
cluster:
  version: "1.36"
  network: {vpc: vpc-0123456789abcdef0, subnets: {private: {tags: {tier: nodes}}}}
  endpoint: {public: false}
  encryptionKey: arn:aws:kms:us-west-2:111122223333:key/1
  access: {devs: {principal: "arn:aws:iam::111122223333:role/dev", policies: [AmazonEKSViewPolicy], namespaces: [shop]}}
  podIdentities: {s3: {serviceAccount: shop/web, role: "arn:aws:iam::111122223333:role/s3"}}
  oidcProvider: true
nodeGroups:
  spot:
    kind: self-managed
    instanceTypes: [m7i.large, m6i.large]
    capacity: 3
    capacityType: spot
    onDemand: {base: 1}
    ami: latest
    userData: ["#!/bin/sh\necho ${HOME}", "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\n"]
  rocket:
    kind: self-managed
    instanceType: m7g.large
    capacity: 1
    os: bottlerocket
    disk: {size: 100, encrypted: true}
    labels: {team: web}
    taints: ["a=b:NoSchedule", "a=b:NoExecute"]
    userData: "[settings.motd]\n"
  eks: {kind: managed, instanceTypes: [m7i.large, m6i.large], capacity: 1, os: bottlerocket, disk: {size: 50}}
outputs: {vpc: "${network.vpc}", first: "${network.privateSubnets.0}"}
`

func nodesGraph(t *testing.T, image string) *graph.Graph {
	t.Helper()
	env := oregon
	env.Zones, env.Newest = nil, map[string]string{newestAL: image}
	env.Network = &spec.Network{VPC: "vpc-1", CIDR: "10.0.0.0/16", Private: []string{"subnet-1", "subnet-2"}}
	return load(t, fstest.MapFS{"drover.yaml": {Data: []byte(nodesProject)}}, env)
}

// A network that is there already is no part of the stack; what refers to it gets what it is.
func TestExistingNetwork(t *testing.T) {
	g := nodesGraph(t, "ami-1")
	for _, r := range g.Resources {
		if r.Component == "network" {
			t.Errorf("the stack makes %s", r.Key)
		}
		if r.Type == "AWS::EKS::Cluster" {
			if got := fmt.Sprint(r.Props["ResourcesVpcConfig"]); got != "map[EndpointPrivateAccess:true EndpointPublicAccess:false SubnetIds:[subnet-1 subnet-2]]" {
				t.Error(got)
			}
		}
	}
	if got := fmt.Sprint(g.Outputs[0].Value, g.Outputs[1].Value); got != "vpc-1subnet-1" && got != "vpc-1 subnet-1" {
		t.Error(got)
	}
}

// The newest image is part of what the group is: a newer one makes it anew, and says why.
func TestNewestImageReplaces(t *testing.T) {
	of := func(g *graph.Graph) graph.Resource {
		return g.Resources[slices.IndexFunc(g.Resources, func(r graph.Resource) bool { return r.Key == spec.TemplateKey("spot") })]
	}
	old, next := of(nodesGraph(t, "ami-1")), of(nodesGraph(t, "ami-2"))
	if old.Generation["ami"] != "ami-1" || next.Generation["ami"] != "ami-2" {
		t.Errorf("%v %v", old.Generation["ami"], next.Generation["ami"])
	}
	if got, _ := value.Get(next.Props, "LaunchTemplateData.ImageId"); got != "ami-2" {
		t.Error(got)
	}
	files, problems := spec.Load(fstest.MapFS{"drover.yaml": {Data: []byte(nodesProject)}}, "dev")
	if len(problems) > 0 || !slices.Equal(expand.Newest(files), []string{newestAL}) {
		t.Error(problems, expand.Newest(files))
	}
}

// What nodes are told, and what they are made of.
func TestNodesOfEveryKind(t *testing.T) {
	g := nodesGraph(t, "ami-1")
	text := func(typ, name, path string) string {
		i := slices.IndexFunc(g.Resources, func(r graph.Resource) bool { return r.Key == graph.Key{Type: typ, Name: name} })
		if i < 0 {
			t.Fatalf("no %s %s", typ, name)
		}
		v, _ := value.Get(g.Resources[i].Props, path)
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if s, plain := v.(string); plain {
			return s
		}
		if e, is := v.(*value.Expr); is {
			return e.String()
		}
		return string(data)
	}
	const template, asg, eks = "AWS::EC2::LaunchTemplate", "AWS::AutoScaling::AutoScalingGroup", "AWS::EKS::Nodegroup"
	for _, c := range []struct{ typ, name, path, want string }{
		{asg, "spot", "MixedInstancesPolicy.InstancesDistribution", `{"OnDemandBaseCapacity":1,"OnDemandPercentageAboveBaseCapacity":0,"SpotAllocationStrategy":"price-capacity-optimized"}`},
		{asg, "spot", "MixedInstancesPolicy.LaunchTemplate.Overrides", `[{"InstanceType":"m7i.large"},{"InstanceType":"m6i.large"}]`},
		{asg, "spot", "LaunchTemplate", "null"},
		{template, "rocket", "LaunchTemplateData.ImageId", "${ssm:/aws/service/bottlerocket/aws-k8s-1.36/arm64/latest/image_id}"},
		{template, "rocket", "LaunchTemplateData.BlockDeviceMappings", `[{"DeviceName":"/dev/xvdb","Ebs":{"DeleteOnTermination":true,"Encrypted":true,"VolumeSize":100,"VolumeType":"gp3"}}]`},
		{eks, "eks", "AmiType", "BOTTLEROCKET_x86_64"},
		{eks, "eks", "InstanceTypes", `["m7i.large","m6i.large"]`},
		{template, "eks", "LaunchTemplateData.ImageId", "null"},
		{"AWS::EKS::AccessEntry", "access/devs", "AccessPolicies", `[{"AccessScope":{"Namespaces":["shop"],"Type":"namespace"},"PolicyArn":"arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"}]`},
	} {
		if got := text(c.typ, c.name, c.path); got != c.want {
			t.Errorf("%s %s %s:\n have %s\n want %s", c.typ, c.name, c.path, got, c.want)
		}
	}
	script := text(template, "spot", "LaunchTemplateData.UserData.Fn::Base64")
	for _, want := range []string{"--BOUNDARY\nContent-Type: text/x-shellscript; charset=\"us-ascii\"\n\n#!/bin/sh\necho $${HOME}\n", "kind: NodeConfig\nspec:", "--BOUNDARY--\n"} {
		if !strings.Contains(script, want) {
			t.Errorf("user data lacks %q:\n%s", want, script)
		}
	}
	toml := text(template, "rocket", "LaunchTemplateData.UserData.Fn::Base64")
	for _, want := range []string{"[settings.kubernetes]\ncluster-name = ", `"team" = "web"`, `"a" = ["b:NoSchedule", "b:NoExecute"]`, "[settings.motd]\n"} {
		if !strings.Contains(toml, want) {
			t.Errorf("settings lack %q:\n%s", want, toml)
		}
	}
}
