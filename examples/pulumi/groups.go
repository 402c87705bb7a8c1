package main

import (
	"encoding/base64"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

// maker makes a node group. Config has its instance type, image and size; its nodes have
// its name as their role.
type maker func(c *cluster, ctx *pulumi.Context, role, taint string, opts ...pulumi.ResourceOption) (pulumi.Resource, error)

// group is a launch template, and an Auto Scaling group that is made anew when the
// template changes.
func (c *cluster) group(ctx *pulumi.Context, role, taint string, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	template, err := native(ctx, "ec2:LaunchTemplate", role, pulumi.Map{"launchTemplateData": pulumi.Map{
		"imageId":            pulumi.String(config.Require(ctx, role+"Image")),
		"instanceType":       pulumi.String(config.Require(ctx, role+"Type")),
		"iamInstanceProfile": pulumi.Map{"arn": c.profile},
		"securityGroupIds":   pulumi.Array{c.ClusterSecurityGroupId},
		"metadataOptions":    pulumi.Map{"httpTokens": pulumi.String("required"), "httpPutResponseHopLimit": pulumi.Int(2)},
		"userData":           c.userData("--node-labels=role="+role, "--register-with-taints="+taint),
	}})
	if err != nil {
		return nil, err
	}
	return native(ctx, "autoscaling:AutoScalingGroup", role, pulumi.Map{
		"minSize":           pulumi.String("1"),
		"maxSize":           pulumi.String("10"),
		"desiredCapacity":   pulumi.String(config.Require(ctx, role+"Nodes")),
		"vpcZoneIdentifier": c.subnets,
		"launchTemplate":    pulumi.Map{"launchTemplateId": template.ID(), "version": template.LatestVersionNumber},
		"tags": pulumi.Array{pulumi.Map{
			"key": pulumi.String("kubernetes.io/cluster/" + name), "value": pulumi.String("owned"), "propagateAtLaunch": pulumi.Bool(true),
		}},
	}, append(opts, pulumi.ReplaceOnChanges([]string{"launchTemplate"}), pulumi.DependsOn([]pulumi.Resource{c.joins}))...)
}

// managed is a group that EKS manages. It has no template, and a role of its own, whose
// access entry EKS makes, and takes away with the group.
func (c *cluster) managed(ctx *pulumi.Context, name, _ string, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	role, err := role(ctx, name, "ec2.amazonaws.com", ofNodes...)
	if err != nil {
		return nil, err
	}
	return native(ctx, "eks:Nodegroup", name, pulumi.Map{
		"clusterName":   c.ID(),
		"nodeRole":      role.Arn,
		"subnets":       c.subnets,
		"instanceTypes": pulumi.StringArray{pulumi.String(config.Require(ctx, name+"Type"))},
		"scalingConfig": pulumi.Map{"minSize": pulumi.Int(1), "desiredSize": pulumi.Int(config.RequireInt(ctx, name+"Nodes")), "maxSize": pulumi.Int(10)},
		"labels":        pulumi.StringMap{"role": pulumi.String(name)},
	}, append(opts, pulumi.ReplaceOnChanges([]string{"instanceTypes"}))...)
}

// userData tells the nodeadm of Amazon Linux 2023 which cluster to join, and with
// what.
func (c *cluster) userData(flags ...string) pulumi.StringOutput {
	return pulumi.All(c.ID(), c.Endpoint, c.CertificateAuthorityData).ApplyT(func(of []any) string {
		text := "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"BOUNDARY\"\n\n--BOUNDARY\nContent-Type: application/node.eks.aws\n\n---\n" +
			"apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  cluster:\n    name: " + string(of[0].(pulumi.ID)) + "\n    apiServerEndpoint: " + of[1].(string) +
			"\n    certificateAuthority: " + of[2].(string) + "\n    cidr: " + services + "\n  kubelet:\n    flags: [\"" + strings.Join(flags, "\", \"") + "\"]\n\n--BOUNDARY--\n"
		return base64.StdEncoding.EncodeToString([]byte(text))
	}).(pulumi.StringOutput)
}
