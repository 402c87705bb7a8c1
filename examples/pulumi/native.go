package main

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// The program makes resources by their types' names. With the SDKs of pulumi-aws-native
// and pulumi-kubernetes they are eks.NewCluster, autoscaling.NewAutoScalingGroup,
// eks.NewNodegroup, appsv1.NewDeployment …; without them it builds in a minute.

// object is a resource of AWS: those of its outputs that the program reads, as far as
// its type has them.
type object struct {
	pulumi.CustomResourceState
	Arn                      pulumi.StringOutput `pulumi:"arn"`
	Endpoint                 pulumi.StringOutput `pulumi:"endpoint"`
	CertificateAuthorityData pulumi.StringOutput `pulumi:"certificateAuthorityData"`
	ClusterSecurityGroupId   pulumi.StringOutput `pulumi:"clusterSecurityGroupId"`
	LatestVersionNumber      pulumi.StringOutput `pulumi:"latestVersionNumber"`
}

// native registers a resource of pulumi-aws-native.
func native(ctx *pulumi.Context, typ, name string, props pulumi.Map, opts ...pulumi.ResourceOption) (*object, error) {
	o := &object{}
	return o, ctx.RegisterResource("aws-native:"+typ, name, props, o, opts...)
}

// served is an object of Kubernetes.
type served struct {
	pulumi.CustomResourceState
	Status pulumi.MapOutput `pulumi:"status"`
}
