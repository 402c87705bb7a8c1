package main

import (
	"encoding/json"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

// What groups and workloads are in: a network with a public subnet in each zone, and a
// cluster that nodes may join.

// name is that of the cluster, and begins those of its roles.
const name = "eks-migrate-nodegroups"

const (
	network  = "172.16.0.0/16"
	services = "10.100.0.0/16"
)

// cluster is what the rest of the program needs to know of it.
type cluster struct {
	*object
	subnets pulumi.StringArray
	profile pulumi.StringOutput // of nodes
	joins   pulumi.Resource     // lets nodes in
}

func newCluster(ctx *pulumi.Context) (*cluster, error) {
	c := &cluster{}
	if err := c.network(ctx); err != nil {
		return nil, err
	}
	role, err := role(ctx, "cluster", "eks.amazonaws.com", "AmazonEKSClusterPolicy")
	if err != nil {
		return nil, err
	}
	c.object, err = native(ctx, "eks:Cluster", name, pulumi.Map{
		"name":    pulumi.String(name),
		"version": pulumi.String("1.36"),
		"roleArn": role.Arn,
		"resourcesVpcConfig": pulumi.Map{
			"subnetIds": c.subnets, "endpointPublicAccess": pulumi.Bool(true), "endpointPrivateAccess": pulumi.Bool(true),
		},
		"kubernetesNetworkConfig": pulumi.Map{"serviceIpv4Cidr": pulumi.String(services)},
		"accessConfig":            pulumi.Map{"authenticationMode": pulumi.String("API"), "bootstrapClusterCreatorAdminPermissions": pulumi.Bool(true)},
	})
	if err != nil {
		return nil, err
	}
	return c, c.nodeRole(ctx)
}

// ofNodes are the policies of what nodes are allowed.
var ofNodes = []string{"AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly"}

// nodeRole is what nodes are allowed, and lets them join.
func (c *cluster) nodeRole(ctx *pulumi.Context) error {
	role, err := role(ctx, "nodes", "ec2.amazonaws.com", ofNodes...)
	if err != nil {
		return err
	}
	profile, err := native(ctx, "iam:InstanceProfile", "nodes", pulumi.Map{"instanceProfileName": pulumi.String(name + "-nodes"), "roles": pulumi.Array{role.ID()}})
	if err != nil {
		return err
	}
	c.profile = profile.Arn
	c.joins, err = native(ctx, "eks:AccessEntry", "nodes", pulumi.Map{"clusterName": c.ID(), "principalArn": role.Arn, "type": pulumi.String("EC2_LINUX")})
	return err
}

// role is an IAM role of a service, with policies of AWS's.
func role(ctx *pulumi.Context, purpose, service string, policies ...string) (*object, error) {
	trust := pulumi.Map{"Version": pulumi.String("2012-10-17"), "Statement": pulumi.Array{pulumi.Map{
		"Effect": pulumi.String("Allow"), "Action": pulumi.String("sts:AssumeRole"), "Principal": pulumi.Map{"Service": pulumi.String(service)},
	}}}
	var arns pulumi.StringArray
	for _, p := range policies {
		arns = append(arns, pulumi.String("arn:aws:iam::aws:policy/"+p))
	}
	return native(ctx, "iam:Role", purpose, pulumi.Map{"roleName": pulumi.String(name + "-" + purpose), "assumeRolePolicyDocument": trust, "managedPolicyArns": arns})
}

// network has a public subnet in each zone: nodes reach registries by the internet
// gateway.
func (c *cluster) network(ctx *pulumi.Context) error {
	vpc, err := native(ctx, "ec2:Vpc", name, pulumi.Map{"cidrBlock": pulumi.String(network), "enableDnsHostnames": pulumi.Bool(true), "enableDnsSupport": pulumi.Bool(true)})
	if err != nil {
		return err
	}
	gateway, err := native(ctx, "ec2:InternetGateway", name, pulumi.Map{})
	if err != nil {
		return err
	}
	attached, err := native(ctx, "ec2:VpcGatewayAttachment", name, pulumi.Map{"vpcId": vpc.ID(), "internetGatewayId": gateway.ID()})
	if err != nil {
		return err
	}
	table, err := native(ctx, "ec2:RouteTable", name, pulumi.Map{"vpcId": vpc.ID()})
	if err != nil {
		return err
	}
	out := pulumi.Map{"routeTableId": table.ID(), "destinationCidrBlock": pulumi.String("0.0.0.0/0"), "gatewayId": gateway.ID()}
	if _, err := native(ctx, "ec2:Route", name, out, pulumi.DependsOn([]pulumi.Resource{attached})); err != nil {
		return err
	}
	return c.spread(ctx, vpc, table)
}

// spread makes a subnet in each of the zones.
func (c *cluster) spread(ctx *pulumi.Context, vpc, table *object) error {
	blocks := []string{"172.16.0.0/19", "172.16.32.0/19", "172.16.64.0/19"}
	for k, letter := range []string{"a", "b", "c"} {
		zone := config.Require(ctx, "region") + letter
		subnet, err := native(ctx, "ec2:Subnet", zone, pulumi.Map{
			"vpcId": vpc.ID(), "availabilityZone": pulumi.String(zone), "cidrBlock": pulumi.String(blocks[k]), "mapPublicIpOnLaunch": pulumi.Bool(true),
			"tags": pulumi.Array{pulumi.Map{"key": pulumi.String("kubernetes.io/role/elb"), "value": pulumi.String("1")}},
		})
		if err != nil {
			return err
		}
		if _, err := native(ctx, "ec2:SubnetRouteTableAssociation", zone, pulumi.Map{"subnetId": subnet.ID(), "routeTableId": table.ID()}); err != nil {
			return err
		}
		c.subnets = append(c.subnets, subnet.ID().ToStringOutput())
	}
	return nil
}

// kubeconfig lets in who runs the program, by tokens of `drover token`. It rests on the
// cluster alone: hand-overs need it before groups are done.
func (c *cluster) kubeconfig() pulumi.StringOutput {
	return pulumi.All(c.ID(), c.Endpoint, c.CertificateAuthorityData).ApplyT(func(of []any) (string, error) {
		text, err := json.Marshal(map[string]any{
			"apiVersion": "v1", "kind": "Config", "current-context": name,
			"clusters": []any{map[string]any{"name": name, "cluster": map[string]any{"server": of[1], "certificate-authority-data": of[2]}}},
			"contexts": []any{map[string]any{"name": name, "context": map[string]any{"cluster": name, "user": name}}},
			"users": []any{map[string]any{"name": name, "user": map[string]any{"exec": map[string]any{
				"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "drover", "args": []any{"token", "--cluster", of[0]}, "interactiveMode": "Never",
			}}}},
		})
		return string(text), err
	}).(pulumi.StringOutput)
}
