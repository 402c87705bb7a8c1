// This program is the node group of an EKS cluster. Change the instance type, and
// pulumi up replaces it: the new nodes come, what runs on the old ones moves
// while it serves, and the old group is deleted once it is empty.
package main

import (
	drover "github.com/droverhq/drover/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"github.com/droverhq/drover/move"
)

func main() { pulumi.Run(protected) }

// protected is the program with Drover in it: one line more.
func protected(ctx *pulumi.Context) error {
	if err := drover.Protect(ctx, drover.Options{Guards: guards(ctx)}); err != nil {
		return err
	}
	return nodes(ctx)
}

// guards watch the traffic while pods move, if the stack says where.
func guards(ctx *pulumi.Context) []move.Guard {
	url := config.Get(ctx, "url")
	if url == "" {
		return nil
	}
	none := 0
	return []move.Guard{{URL: url, Host: config.Get(ctx, "host"), MaxErrors: &none}}
}

// nodes are a launch template and the group that it is for.
func nodes(ctx *pulumi.Context, opts ...pulumi.ResourceOption) error {
	template, err := newLaunchTemplate(ctx, "shop")
	if err != nil {
		return err
	}
	var subnets []string
	config.RequireObject(ctx, "subnets", &subnets)
	sizes := pulumi.String(config.Require(ctx, "nodes"))
	return ctx.RegisterResource("aws-native:autoscaling:AutoScalingGroup", "shop", pulumi.Map{
		"minSize":           pulumi.String("1"),
		"maxSize":           pulumi.String("10"),
		"desiredCapacity":   sizes,
		"vpcZoneIdentifier": pulumi.ToStringArray(subnets),
		"launchTemplate": pulumi.Map{
			"launchTemplateId": template.ID(),
			"version":          template.LatestVersionNumber,
		},
		"tags": pulumi.Array{pulumi.Map{
			"key": pulumi.String("kubernetes.io/cluster/" + config.Require(ctx, "cluster")), "value": pulumi.String("owned"), "propagateAtLaunch": pulumi.Bool(true),
		}},
	}, &autoScalingGroup{}, append(opts, pulumi.ReplaceOnChanges([]string{"launchTemplate"}))...)
}

// managed are the nodes as a managed group of EKS's, which has no template.
func managed(ctx *pulumi.Context, opts ...pulumi.ResourceOption) error {
	var subnets []string
	config.RequireObject(ctx, "subnets", &subnets)
	sizes := config.RequireInt(ctx, "nodes")
	return ctx.RegisterResource("aws-native:eks:Nodegroup", "managed", pulumi.Map{
		"clusterName":   pulumi.String(config.Require(ctx, "cluster")),
		"nodeRole":      pulumi.String(config.Require(ctx, "nodeRole")),
		"subnets":       pulumi.ToStringArray(subnets),
		"instanceTypes": pulumi.StringArray{pulumi.String(config.Require(ctx, "instanceType"))},
		"scalingConfig": pulumi.Map{"minSize": pulumi.Int(1), "desiredSize": pulumi.Int(sizes), "maxSize": pulumi.Int(10)},
		"labels":        pulumi.StringMap{"role": pulumi.String("shop")},
	}, &nodegroup{}, append(opts, pulumi.ReplaceOnChanges([]string{"instanceTypes"}))...)
}
