package expand

import (
	"strings"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/plan"
)

// cluster adds the EKS cluster and its role.
func (e *expander) cluster() {
	c := e.spec.Cluster
	e.add(graph.Resource{
		Key: spec.ClusterRoleKey, Component: "cluster", NameProperty: "RoleName", BaseName: e.spec.Name, At: c.At,
		Props: plan.Props{
			"AssumeRolePolicyDocument": trust("eks.amazonaws.com"),
			"ManagedPolicyArns":        []any{e.awsPolicy("AmazonEKSClusterPolicy")},
		},
	})
	props := plan.Props{
		"Version":            c.Version,
		"RoleArn":            spec.ClusterRoleKey.To("Arn"),
		"ResourcesVpcConfig": e.clusterNetwork(),
		// The API's default is CONFIG_MAP, which is deprecated. The creator keeps
		// a key to the cluster, so that nobody is locked out.
		"AccessConfig": plan.Props{
			"AuthenticationMode":                      "API",
			"BootstrapClusterCreatorAdminPermissions": true,
		},
	}
	if len(c.Logs) > 0 {
		props["Logging"] = plan.Props{"ClusterLogging": plan.Props{"EnabledTypes": logTypes(c.Logs)}}
	}
	cluster := graph.Resource{
		Key: spec.ClusterKey, Component: "cluster", NameProperty: "Name", BaseName: e.spec.Name, At: c.At, Props: props,
	}
	e.chosen(&cluster, c.Options)
	e.add(cluster)
}

// clusterNetwork names both kinds of subnets. Nodes reach the API server
// within the VPC, people from anywhere.
func (e *expander) clusterNetwork() plan.Props {
	var ids []any
	for _, tier := range []string{public, private} {
		for _, subnet := range e.subnets[tier] {
			ids = append(ids, subnet.To("SubnetId"))
		}
	}
	return plan.Props{"SubnetIds": ids, "EndpointPublicAccess": true, "EndpointPrivateAccess": true}
}

func logTypes(names []string) []any {
	types := make([]any, len(names))
	for i, n := range names {
		types[i] = plan.Props{"Type": n}
	}
	return types
}

// trust lets an AWS service assume a role.
func trust(service string) plan.Props {
	return plan.Props{
		"Version": "2012-10-17",
		"Statement": []any{plan.Props{
			"Effect":    "Allow",
			"Principal": plan.Props{"Service": service},
			"Action":    "sts:AssumeRole",
		}},
	}
}

// awsPolicy is the ARN of a policy that AWS keeps, in the region's partition.
func (e *expander) awsPolicy(name string) string {
	partition := "aws"
	switch {
	case strings.HasPrefix(e.env.Region, "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(e.env.Region, "us-gov-"):
		partition = "aws-us-gov"
	}
	return "arn:" + partition + ":iam::aws:policy/" + name
}
