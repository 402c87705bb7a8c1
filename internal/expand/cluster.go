package expand

import (
	"slices"
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
	if c.Key != nil {
		props["EncryptionConfig"] = []any{plan.Props{"Resources": []any{"secrets"},
			"Provider": plan.Props{"KeyArn": e.text(c.Key, c.At, "cluster.encryptionKey")}}}
	}
	cluster := graph.Resource{
		Key: spec.ClusterKey, Component: "cluster", NameProperty: "Name", BaseName: e.spec.Name, At: c.At, Props: props,
	}
	e.chosen(&cluster, c.Options)
	e.add(cluster)
}

// clusterNetwork names both kinds of subnets, and who reaches the API server.
func (e *expander) clusterNetwork() plan.Props {
	at := e.spec.Cluster.Endpoint
	props := plan.Props{
		"SubnetIds":            slices.Concat(e.scope.Subnets(public), e.scope.Subnets(private)),
		"EndpointPublicAccess": at.Public, "EndpointPrivateAccess": at.Private,
	}
	if at.CIDRs != nil {
		props["PublicAccessCidrs"] = listOf(at.CIDRs)
	}
	return props
}

// listOf is a list of text as JSON data has it.
func listOf(words []string) []any {
	list := make([]any, len(words))
	for i, w := range words {
		list[i] = w
	}
	return list
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

// awsPolicy is the ARN of a policy that AWS keeps.
func (e *expander) awsPolicy(name string) string {
	return "arn:" + e.partition() + ":iam::aws:policy/" + name
}

// partition is the part of AWS that the region belongs to.
func (e *expander) partition() string {
	switch {
	case strings.HasPrefix(e.env.Region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(e.env.Region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}
