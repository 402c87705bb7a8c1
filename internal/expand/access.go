package expand

import (
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/plan"
)

// access adds who may do what: people in the cluster, and its pods in AWS.
func (e *expander) access() {
	c := e.spec.Cluster
	for _, a := range c.Access {
		e.add(graph.Resource{Key: a.Key(), Component: "cluster", At: a.At, Props: e.accessEntry(a)})
	}
	for _, p := range c.PodIdentities {
		e.add(graph.Resource{Key: p.Key(), Component: "cluster", At: p.At, Props: plan.Props{
			"ClusterName": spec.ClusterKey.To(graph.NamePath), "Namespace": p.Namespace, "ServiceAccount": p.Account,
			"RoleArn": e.text(p.Role, p.At, "cluster.podIdentities."+p.Name+".role"),
		}})
	}
	if c.OIDC {
		e.add(graph.Resource{Key: spec.OIDCKey, Component: "cluster", At: c.At, Props: plan.Props{
			"Url": spec.ClusterKey.To("OpenIdConnectIssuerUrl"), "ClientIdList": []any{"sts.amazonaws.com"},
		}})
	}
}

func (e *expander) accessEntry(a spec.Access) plan.Props {
	props := plan.Props{
		"ClusterName": spec.ClusterKey.To(graph.NamePath), "Type": "STANDARD",
		"PrincipalArn": e.text(a.Principal, a.At, "cluster.access."+a.Name+".principal"),
	}
	scope := plan.Props{"Type": "cluster"}
	if len(a.Namespaces) > 0 {
		scope = plan.Props{"Type": "namespace", "Namespaces": listOf(a.Namespaces)}
	}
	var policies []any
	for _, name := range a.Policies {
		policies = append(policies, plan.Props{"PolicyArn": "arn:" + e.partition() + ":eks::aws:cluster-access-policy/" + name, "AccessScope": scope})
	}
	if policies != nil {
		props["AccessPolicies"] = policies
	}
	if len(a.Groups) > 0 {
		props["KubernetesGroups"] = listOf(a.Groups)
	}
	return props
}
