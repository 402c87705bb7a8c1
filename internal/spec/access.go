package spec

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/problem"
)

// Endpoint is who reaches the API server.
type Endpoint struct {
	Public  bool     // from the internet
	Private bool     // from within the VPC
	CIDRs   []string // from which it is reached from the internet; nil: from anywhere
	At      problem.Place
}

// Access is one entry of cluster.access: who may do what in the cluster.
type Access struct {
	Name       string
	Principal  any // ARN of an IAM role or user, references allowed
	Policies   []string
	Namespaces []string // that the policies are about; nil: the whole cluster
	Groups     []string // of Kubernetes, for its own rules
	At         problem.Place
}

// Key names the access entry within a graph. A node group's has no slash in its name.
func (a Access) Key() graph.Key {
	return graph.Key{Type: "AWS::EKS::AccessEntry", Name: "access/" + a.Name}
}

// PodIdentity is one entry of cluster.podIdentities: a role for the pods of a service account.
type PodIdentity struct {
	Name               string
	Namespace, Account string
	Role               any // ARN, references allowed
	At                 problem.Place
}

// Key names the association within a graph.
func (p PodIdentity) Key() graph.Key {
	return graph.Key{Type: "AWS::EKS::PodIdentityAssociation", Name: p.Name}
}

// OIDCKey is the provider that lets the cluster's service accounts assume roles.
var OIDCKey = graph.Key{Type: "AWS::IAM::OIDCProvider", Name: "cluster"}

// maxCIDRs is how many ranges EKS takes for the public endpoint ("Amazon EKS service quotas").
const maxCIDRs = 40

func (f field) endpoint() Endpoint {
	const example = "endpoint: {public: true, private: true, cidrs: [203.0.113.0/24]}"
	e := Endpoint{Public: true, Private: true, At: f.at}
	o, ok := f.object(example, "public", "private", "cidrs")
	if !ok {
		return e
	}
	read(o.get("public"), &e.Public, field.truth)
	read(o.get("private"), &e.Private, field.truth)
	cidrs := o.get("cidrs")
	for _, item := range cidrs.items("cidrs: [203.0.113.0/24]") {
		e.CIDRs = append(e.CIDRs, item.publicRange())
	}
	switch {
	case !e.Public && !e.Private:
		f.fail("leave one of the two on", "nobody would reach the API server, neither from the internet nor from within the VPC")
	case !e.Public && cidrs.given():
		cidrs.fail("remove it, or write public: true", "nobody reaches the API server from the internet")
	case len(e.CIDRs) > maxCIDRs:
		cidrs.fail("write fewer, larger ranges", "EKS takes %d ranges, and here are %d", maxCIDRs, len(e.CIDRs))
	}
	return e
}

// privateRanges are those that EKS refuses for the public endpoint.
var privateRanges = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("100.64.0.0/10")}

func (f field) publicRange() string {
	text, ok := f.word("203.0.113.0/24")
	if !ok {
		return ""
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil || !p.Addr().Is4():
		f.fail("write it as in 203.0.113.0/24", "%q is not an IPv4 range", text)
	case p != p.Masked():
		f.fail("write "+p.Masked().String(), "%s does not start where a /%d starts", p, p.Bits())
	case slices.ContainsFunc(privateRanges, func(r netip.Prefix) bool { return r.Bits() <= p.Bits() && r.Contains(p.Addr()) }):
		f.fail("write the addresses that the internet sees; who is in the VPC comes in by private: true", "%s is a private range, which EKS refuses here", p)
	}
	return text
}

var (
	principalARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/.+$`)
	policyName   = regexp.MustCompile(`^AmazonEKS[A-Za-z]+Policy$`)
	keyARN       = regexp.MustCompile(`^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/.+$`)
)

const accessExample = `access: {devs: {principal: "arn:aws:iam::111122223333:role/dev", policies: [AmazonEKSViewPolicy]}}`

func (f field) access() []Access {
	var list []Access
	for _, e := range f.entries(accessExample) {
		list = append(list, e.access())
	}
	return list
}

func (e entry) access() Access {
	a := Access{Name: e.name, At: e.at}
	e.checkLabel(e.name, 63, "an access entry")
	o, ok := e.object(accessExample, "principal", "policies", "namespaces", "groups")
	if !ok {
		return a
	}
	a.Principal = o.need("principal", "add principal: arn:aws:iam::111122223333:role/dev").arn(principalARN, "an IAM role or user", "principal: arn:aws:iam::111122223333:role/dev")
	for _, item := range o.get("policies").items("policies: [AmazonEKSViewPolicy]") {
		name, ok := item.word("AmazonEKSViewPolicy")
		if ok && !policyName.MatchString(name) {
			item.fail("see aws eks list-access-policies", "%q is no name of an access policy of EKS", name)
		}
		a.Policies = append(a.Policies, name)
	}
	a.Namespaces = o.get("namespaces").words("namespaces: [shop]", "shop")
	a.Groups = o.get("groups").words("groups: [viewers]", "viewers")
	for _, g := range a.Groups {
		if strings.HasPrefix(g, "system:") {
			o.get("groups").fail("use a group of your own, or an access policy", "EKS gives nobody the group %s", g)
		}
	}
	switch {
	case len(a.Policies) == 0 && len(a.Groups) == 0:
		e.fail("add policies or groups", "it would let nobody do anything")
	case len(a.Policies) == 0 && len(a.Namespaces) > 0:
		o.get("namespaces").fail("add policies, or remove it", "namespaces are those that policies are about")
	}
	return a
}

// words is a list of plain text.
func (f field) words(what, one string) []string {
	var list []string
	for _, item := range f.items(what) {
		if text, ok := item.word(one); ok {
			list = append(list, text)
		}
	}
	return list
}

// arn is a name that AWS gave, as the example is, or a reference that will be one.
func (f field) arn(form *regexp.Regexp, of, example string) any {
	v, ok := f.open(example)
	if text, plain := v.(string); ok && plain && !form.MatchString(text) {
		f.fail("write its whole ARN, or a reference to it", "%q is not the ARN of %s", text, of)
	}
	return v
}

const identityExample = `podIdentities: {s3: {serviceAccount: shop/web, role: "${resources.role.Arn}"}}`

func (f field) podIdentities() []PodIdentity {
	var list []PodIdentity
	for _, e := range f.entries(identityExample) {
		p := PodIdentity{Name: e.name, At: e.at}
		e.checkLabel(e.name, 63, "a pod identity")
		o, ok := e.object(identityExample, "serviceAccount", "role")
		if !ok {
			continue
		}
		account := o.need("serviceAccount", "add serviceAccount: shop/web")
		text, _ := account.word("serviceAccount: shop/web")
		var both bool
		if p.Namespace, p.Account, both = strings.Cut(text, "/"); text != "" && (!both || !dnsLabel.MatchString(p.Namespace) || !dnsSubdomain.MatchString(p.Account)) {
			account.fail("write namespace and name, as in shop/web", "%q is not the name of a service account", text)
		}
		p.Role = o.need("role", "add role: ${resources.role.Arn}").arn(roleARN, "an IAM role", "role: ${resources.role.Arn}")
		list = append(list, p)
	}
	return list
}
