package main

import (
	"encoding/base64"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

// The types of pulumi-aws-native that the program has. With its SDK they are
// ec2.NewLaunchTemplate, autoscaling.NewAutoScalingGroup and eks.NewNodegroup; without
// it the program builds in a minute.

type autoScalingGroup struct{ pulumi.CustomResourceState }

type nodegroup struct{ pulumi.CustomResourceState }

type launchTemplate struct {
	pulumi.CustomResourceState
	LatestVersionNumber pulumi.StringOutput `pulumi:"latestVersionNumber"`
}

// newLaunchTemplate is what the nodes of a group are like. They join the cluster
// by the nodeadm of Amazon Linux 2023.
func newLaunchTemplate(ctx *pulumi.Context, name string) (*launchTemplate, error) {
	t := &launchTemplate{}
	return t, ctx.RegisterResource("aws-native:ec2:LaunchTemplate", name, pulumi.Map{
		"launchTemplateData": pulumi.Map{
			"imageId":            pulumi.String(config.Require(ctx, "image")),
			"instanceType":       pulumi.String(config.Require(ctx, "instanceType")),
			"iamInstanceProfile": pulumi.Map{"arn": pulumi.String(config.Require(ctx, "instanceProfile"))},
			"securityGroupIds":   pulumi.StringArray{pulumi.String(config.Require(ctx, "securityGroup"))},
			"metadataOptions":    pulumi.Map{"httpTokens": pulumi.String("required"), "httpPutResponseHopLimit": pulumi.Int(2)},
			"userData":           pulumi.String(base64.StdEncoding.EncodeToString([]byte(userData(ctx, name)))),
		},
	}, t)
}

// userData tells nodeadm which cluster to join, and with which label.
func userData(ctx *pulumi.Context, role string) string {
	return fmt.Sprintf(`MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="BOUNDARY"

--BOUNDARY
Content-Type: application/node.eks.aws

---
apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  cluster:
    name: %s
    apiServerEndpoint: %s
    certificateAuthority: %s
    cidr: %s
  kubelet:
    flags:
      - "--node-labels=role=%s"

--BOUNDARY--
`, config.Require(ctx, "cluster"), config.Require(ctx, "endpoint"), config.Require(ctx, "certificateAuthority"), config.Require(ctx, "serviceCidr"), role)
}
