package spec

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// Scope translates the references of the files into those of a graph.
type Scope struct {
	spec   *Spec
	region string
	zones  []string // nil: not known yet, any subnet is taken for granted
	there  *Network // that somebody else has made; nil: not known yet, or there is none
}

// Network is what a network has that somebody else has made.
type Network struct {
	VPC, CIDR       string
	Public, Private []string // subnets
}

// Within is the scope of a cluster in a network that is there already.
func (sc Scope) Within(n *Network) Scope {
	sc.there = n
	return sc
}

// Scope needs the region and the zones that the network spans.
func (s *Spec) Scope(region string, zones []string) Scope {
	return Scope{spec: s, region: region, zones: zones}
}

// roots are the words that references start with, before the first dot.
var roots = []string{"config", "cluster", "network", "nodeGroups", "workloads", "resources", stackRefRoot}

// isReference tells whether "${ref}" in a manifest is meant for Drover.
func isReference(ref string) bool {
	root, _, dotted := strings.Cut(ref, ".")
	return dotted && slices.Contains(roots, root) || strings.HasPrefix(ref, "ssm:/")
}

// Text translates a value that cannot be a list.
func (sc Scope) Text(v any) (any, error) {
	t, err := sc.Tree(v)
	if err != nil {
		return nil, err
	}
	if _, list := t.([]any); list {
		return nil, remedy("take one of them: add .0", "%s is a list and cannot stand for text", fmt.Sprint(v))
	}
	return t, nil
}

// Tree translates the references of a tree into a new one.
func (sc Scope) Tree(v any) (any, error) {
	switch v := v.(type) {
	case *value.Expr:
		return sc.expr(v)
	case value.Secret:
		return sc.secret(v)
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			t, err := sc.Tree(e)
			if err != nil {
				return nil, err
			}
			list[i] = t
		}
		return list, nil
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			t, err := sc.Tree(e)
			if err != nil {
				return nil, err
			}
			m[k] = t
		}
		return m, nil
	}
	return v, nil
}

// secret translates what is hidden. A value of the config is still sealed, and
// holds no reference.
func (sc Scope) secret(s value.Secret) (any, error) {
	plain, err := s.Reveal()
	if err != nil || len(value.Refs(plain)) == 0 {
		return s, nil
	}
	t, err := sc.Tree(plain)
	return value.Hide(t), err
}

// check reports the references of a value that lead nowhere.
func (sc Scope) check(t text) []*problem.Error {
	var problems []*problem.Error
	add := func(err error) {
		var p *problem.Error
		if errors.As(err, &p) {
			p.At, p.Op = t.at, t.path
			problems = append(problems, p)
		}
	}
	for _, ref := range value.Refs(t.value) {
		_, err := sc.resolve(ref)
		add(err)
	}
	if len(problems) > 0 {
		return problems
	}
	translate := sc.Tree
	if t.flat {
		translate = sc.Text
	}
	_, err := translate(t.value)
	add(err)
	return problems
}

// expr translates text with references: to such text, or to the list that it
// stands for.
func (sc Scope) expr(e *value.Expr) (any, error) {
	if ref, alone := e.Alone(); alone {
		return sc.resolve(ref)
	}
	var pieces []any
	for _, p := range e.Parts() {
		piece := p.Piece()
		if p.Ref != (value.Ref{}) {
			var err error
			if piece, err = sc.resolve(p.Ref); err != nil {
				return nil, err
			}
		}
		if _, list := piece.([]any); list {
			return nil, remedy("take one of them, as in ${"+p.Ref.Word+".0}",
				"%s is a list and cannot stand within text", p.Ref.String())
		}
		pieces = append(pieces, piece)
	}
	return value.Text(pieces...), nil
}

// remedy is a problem without a place: who calls knows it.
func remedy(fix, format string, args ...any) error {
	for i, a := range args {
		if text, ok := a.(string); ok {
			args[i] = short(text)
		}
	}
	return &problem.Error{Kind: problem.Usage, Err: fmt.Errorf(format, args...), Fix: short(fix)}
}

// unknown reports a name that is not among those that exist.
func unknown(ref, what, name string, have []string) error {
	return remedy(what+" that exist: "+choices(have), "${%s}: there is no %q%s", ref, name, didYouMean(name, have))
}

// resolve is what a reference of the file leads to: an expression, text, or a list.
func (sc Scope) resolve(r value.Ref) (any, error) {
	if r.Lookup != "" {
		return r.Expr(), nil
	}
	ref := r.Word
	if strings.HasPrefix(ref, "ssm:") {
		return nil, remedy("write it as in ${ssm:/my/parameter}", "${%s}: a parameter path starts with /", ref)
	}
	root, rest, _ := strings.Cut(ref, ".")
	switch root {
	case "config":
		return nil, remedy("write ${config.KEY}", "${%s} names no value", ref)
	case stackRefRoot:
		return nil, remedy("write ${stackRef.NAME.OUTPUT}", "${%s} names no output", ref)
	case "cluster":
		return sc.cluster(ref, rest)
	case "network":
		return sc.network(ref, rest)
	case "nodeGroups":
		return sc.nodeGroup(ref, rest)
	case "workloads":
		return sc.workload(ref, rest)
	case "resources":
		return sc.resource(ref, rest)
	}
	return nil, remedy(`references start with `+choices(roots)+` or ssm; write "$${" for a plain "${"`,
		"${%s} is not a reference%s", ref, didYouMean(root, roots))
}

func (sc Scope) cluster(ref, name string) (any, error) {
	if sc.spec.Cluster == nil {
		return nil, remedy(`add cluster: {version: "1.36"}`, "${%s}: the file declares no cluster", ref)
	}
	paths := map[string]string{
		"name":          graph.NamePath,
		"endpoint":      "Endpoint",
		"ca":            "CertificateAuthorityData",
		"version":       "Version",
		"arn":           "Arn",
		"securityGroup": "ClusterSecurityGroupId",
		"oidcIssuer":    "OpenIdConnectIssuerUrl",
		"serviceCidr":   "KubernetesNetworkConfig.ServiceIpv4Cidr",
	}
	if path, ok := paths[name]; ok {
		return ClusterKey.To(path), nil
	}
	switch name {
	case "kubeconfig":
		return sc.kubeconfig(), nil
	case "roleArn":
		return ClusterRoleKey.To("Arn"), nil
	case "oidcProvider":
		if !sc.spec.Cluster.OIDC {
			return nil, remedy("add oidcProvider: true to cluster", "${%s}: the cluster has no such provider", ref)
		}
		return OIDCKey.To("Arn"), nil
	}
	return nil, unknown(ref, "outputs of the cluster", name, append(keysOf(paths), "kubeconfig", "oidcProvider", "roleArn"))
}

// kubeconfig lets kubectl in through drover token, without any other program.
func (sc Scope) kubeconfig() any {
	region := ""
	if sc.region != "" {
		region = ", --region, " + sc.region
	}
	name := ClusterKey.To(graph.NamePath)
	return value.Text(
		"apiVersion: v1\n",
		"kind: Config\n",
		"current-context: ", name, "\n",
		"clusters:\n",
		"- name: ", name, "\n",
		"  cluster:\n",
		"    server: ", ClusterKey.To("Endpoint"), "\n",
		"    certificate-authority-data: ", ClusterKey.To("CertificateAuthorityData"), "\n",
		"contexts:\n",
		"- name: ", name, "\n",
		"  context: {cluster: ", name, ", user: ", name, "}\n",
		"users:\n",
		"- name: ", name, "\n",
		"  user:\n",
		"    exec:\n",
		"      apiVersion: client.authentication.k8s.io/v1beta1\n",
		"      command: drover\n",
		"      args: [token, --cluster, ", name, region, "]\n",
		"      interactiveMode: Never\n",
	)
}

func (sc Scope) network(ref, rest string) (any, error) {
	if sc.spec.Cluster == nil {
		return nil, remedy(`add cluster: {version: "1.36"}`, "${%s}: the file declares no cluster, so there is no network", ref)
	}
	name, index, indexed := strings.Cut(rest, ".")
	existing := sc.spec.Cluster.Existing != nil
	switch {
	case existing && (rest == "vpc" || rest == "cidr"):
		return sc.existing(rest), nil
	case rest == "vpc":
		return VPCKey.To("VpcId"), nil
	case rest == "cidr":
		return VPCKey.To("CidrBlock"), nil
	case name != "publicSubnets" && name != "privateSubnets":
		return nil, unknown(ref, "outputs of the network", rest, []string{"vpc", "cidr", "publicSubnets", "privateSubnets"})
	}
	subnets := sc.Subnets(strings.TrimSuffix(name, "Subnets"))
	if !indexed {
		return subnets, nil
	}
	i, err := strconv.Atoi(index)
	switch {
	case err != nil || i < 0:
		return nil, remedy("write ${network."+name+".0}", "${%s}: %q is not the number of a subnet", ref, index)
	case sc.zones == nil && sc.there == nil:
		return "", nil
	case len(subnets) == 0:
		return nil, remedy("name them under network.subnets", "${%s}: the network has none of them", ref)
	case i >= len(subnets):
		return nil, remedy(fmt.Sprintf("take a number from 0 to %d", len(subnets)-1),
			"${%s}: the network has %d of them", ref, len(subnets))
	}
	return subnets[i], nil
}

// Subnets are those of a tier, public or private, as references or identifiers.
func (sc Scope) Subnets(tier string) []any {
	if sc.spec.Cluster.Existing == nil {
		list := make([]any, len(sc.zones))
		for i, zone := range sc.zones {
			list[i] = SubnetKey(tier, zone, sc.region).To("SubnetId")
		}
		return list
	}
	if sc.there == nil {
		return []any{}
	}
	ids := sc.there.Private
	if tier == "public" {
		ids = sc.there.Public
	}
	list := make([]any, len(ids))
	for i, id := range ids {
		list[i] = id
	}
	return list
}

// existing is what a network that is there already has.
func (sc Scope) existing(name string) string {
	switch {
	case sc.there == nil:
		return ""
	case name == "cidr":
		return sc.there.CIDR
	}
	return sc.there.VPC
}

func (sc Scope) nodeGroup(ref, rest string) (any, error) {
	group, name, _ := strings.Cut(rest, ".")
	if !sc.spec.hasGroup(group) {
		return nil, unknown(ref, "node groups", group, sc.spec.groupNames())
	}
	g := sc.spec.group(group)
	outputs := map[string]*value.Expr{
		"name":    g.Key().To(graph.NamePath),
		"arn":     g.Key().To("AutoScalingGroupARN"),
		"role":    RoleKey(group).To(graph.NamePath),
		"roleArn": RoleKey(group).To("Arn"),
	}
	if g.Managed {
		outputs["arn"] = g.Key().To("Arn")
	}
	if g.Templated() {
		outputs["launchTemplate"] = TemplateKey(group).To("LaunchTemplateId")
	}
	if text, ok := outputs[name]; ok {
		return text, nil
	}
	return nil, unknown(ref, "outputs of a node group", name, keysOf(outputs))
}

// workload finds ${workloads.W.services.S.hostname}.
func (sc Scope) workload(ref, rest string) (any, error) {
	name, rest, _ := strings.Cut(rest, ".")
	i := slices.IndexFunc(sc.spec.Workloads, func(w Workload) bool { return w.Name == name })
	if i < 0 {
		names := make([]string, len(sc.spec.Workloads))
		for i, w := range sc.spec.Workloads {
			names[i] = w.Name
		}
		return nil, unknown(ref, "workloads", name, names)
	}
	plural, rest, _ := strings.Cut(rest, ".")
	var kinds, names []string
	var found []Object
	path := ""
	for _, o := range sc.spec.Workloads[i].Objects {
		kinds = append(kinds, pluralOf(o.Type))
		if pluralOf(o.Type) != strings.ToLower(plural) {
			continue
		}
		names = append(names, o.Name)
		for _, called := range []string{o.Name, o.Namespace + "/" + o.Name} {
			if after, ok := strings.CutPrefix(rest, called+"."); ok && after != "" {
				found, path = append(found, o), after
			}
		}
	}
	switch {
	case len(found) == 0 && sc.spec.Workloads[i].incomplete:
		return "", nil // the manifest's own mistake is reported
	case len(names) == 0:
		return nil, unknown(ref, "kinds in the workload", plural, slices.Compact(slices.Sorted(slices.Values(kinds))))
	case slices.Contains(names, rest):
		return nil, remedy("add an output, as in ${"+ref+".name}", "${%s} says no output", ref)
	case len(found) == 0:
		called, _, _ := strings.Cut(rest, ".")
		return nil, unknown(ref, plural+" in the workload", called, names)
	case len(found) > 1:
		return nil, remedy("write "+found[0].Namespace+"/"+found[0].Name+" for the name", "${%s} means several objects", ref)
	}
	return found[0].Key().To(objectPath(path)), nil
}

// objectPath is where an object holds what users call hostname and ip.
func objectPath(path string) string {
	switch path {
	case "hostname", "ip":
		return "status.loadBalancer.ingress.0." + path
	case "name", "namespace":
		return "metadata." + path
	}
	return path
}

// pluralOf is what a kind is called in a reference: Ingress -> ingresses.
func pluralOf(typ string) string {
	kind := strings.ToLower(kindOf(typ))
	switch {
	case strings.HasSuffix(kind, "s"):
		return kind + "es"
	case strings.HasSuffix(kind, "cy"):
		return strings.TrimSuffix(kind, "y") + "ies"
	}
	return kind + "s"
}

func (sc Scope) resource(ref, rest string) (any, error) {
	name, path, _ := strings.Cut(rest, ".")
	for i := range sc.spec.Resources {
		r := &sc.spec.Resources[i]
		if r.Name != name {
			continue
		}
		if path == "" {
			return nil, remedy("add an output, as in ${resources."+name+".Arn}, or .@name", "${%s} says no output", ref)
		}
		if r.Object != nil {
			return r.Object.Key().To(objectPath(path)), nil
		}
		return graph.Key{Type: r.Type, Name: r.Name}.To(path), nil
	}
	names := make([]string, len(sc.spec.Resources))
	for i, r := range sc.spec.Resources {
		names[i] = r.Name
	}
	return nil, unknown(ref, "resources", name, names)
}
