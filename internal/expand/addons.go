package expand

import (
	"encoding/json"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/value"
)

// addons adds the add-ons of the cluster. They refer to it, and so follow its
// version. Those that nodes need come before the nodes; the others, whose pods need
// nodes, after all that are made: an add-on without a place for its pods never
// becomes whole, and nothing moves before it has.
func (e *expander) addons() {
	var groups []graph.Key
	for _, g := range e.spec.NodeGroups {
		groups = append(groups, g.Key())
	}
	for _, a := range e.spec.Cluster.Addons {
		r := graph.Resource{Key: a.Key(), Component: "cluster", At: a.At, Props: e.addon(a)}
		if a.Early() {
			e.early = append(e.early, a.Key())
		} else {
			r.After = groups
		}
		e.add(r)
	}
}

// addon is what EKS shall make. A version that nobody names is the default of the
// cluster's version: it is looked up once for each of them, and kept.
func (e *expander) addon(a spec.Addon) plan.Props {
	props := plan.Props{
		"ClusterName": spec.ClusterKey.To(graph.NamePath), "AddonName": a.Name, "ResolveConflicts": a.Conflicts,
		"AddonVersion": value.Ref{Lookup: value.AddonPrefix + a.Name + "/" + e.spec.Cluster.Version}.Expr(),
	}
	if a.Version != "" {
		props["AddonVersion"] = a.Version
	}
	if a.Configuration != nil {
		props["ConfigurationValues"] = e.configuration(a)
	}
	if role := e.addonRole(a); role != nil {
		props["PodIdentityAssociations"] = []any{plan.Props{"ServiceAccount": a.Account(), "RoleArn": role}}
	}
	return props
}

// configuration is the JSON text that EKS takes.
func (e *expander) configuration(a spec.Addon) any {
	text, err := json.Marshal(a.Configuration)
	if err != nil {
		e.fail(a.At, "cluster.addons."+a.Name+".configuration", err, "write it as the add-on's own values")
		return nil
	}
	return string(text)
}

// addonRole is the role of an add-on's pods: the user's, or one with the policy
// that AWS keeps for the add-on.
func (e *expander) addonRole(a spec.Addon) any {
	if a.Role != nil {
		return e.text(a.Role, a.At, "cluster.addons."+a.Name+".role")
	}
	if a.Policy() == "" {
		return nil
	}
	key := graph.Key{Type: "AWS::IAM::Role", Name: a.Name}
	e.add(graph.Resource{
		Key: key, Component: "cluster", NameProperty: "RoleName", BaseName: e.spec.Name + "-" + a.Name, At: a.At,
		Props: plan.Props{
			"AssumeRolePolicyDocument": podTrust(),
			"ManagedPolicyArns":        []any{e.awsPolicy(a.Policy())},
		},
	})
	return key.To("Arn")
}

// podTrust lets pods assume a role, by EKS's pod identities.
func podTrust() plan.Props {
	trusted := trust("pods.eks.amazonaws.com")
	trusted["Statement"].([]any)[0].(plan.Props)["Action"] = []any{"sts:AssumeRole", "sts:TagSession"}
	return trusted
}
