package spec

import (
	"regexp"
	"slices"
	"strings"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// Addon is one entry of cluster.addons.
type Addon struct {
	Name          string
	Version       string // v1.13.2-eksbuild.1; empty: EKS's default for the cluster's version
	Conflicts     string // OVERWRITE, PRESERVE, NONE
	Configuration any    // JSON data; nil: none
	Role          any    // ARN that its pods have, references allowed; nil: Drover makes one where the add-on needs it
	At            problem.Place
}

// Key names the add-on within a graph.
func (a Addon) Key() graph.Key { return graph.Key{Type: "AWS::EKS::Addon", Name: a.Name} }

// addonAccounts are the service accounts of add-ons whose pods call AWS.
var addonAccounts = map[string]string{
	"aws-ebs-csi-driver": "ebs-csi-controller-sa", "aws-efs-csi-driver": "efs-csi-controller-sa", "vpc-cni": "aws-node",
	"amazon-cloudwatch-observability": "cloudwatch-agent",
}

// Account is the service account of the add-on's pods; empty: it is not known.
func (a Addon) Account() string { return addonAccounts[a.Name] }

// IdentityAgent is the add-on without which pods get no role.
const IdentityAgent = "eks-pod-identity-agent"

// kubeProxy is the add-on whose version is one of Kubernetes.
const kubeProxy = "kube-proxy"

// earlyAddons are those that nodes need, and that need no nodes to be whole: each
// runs on every node there is.
var earlyAddons = []string{"vpc-cni", kubeProxy, IdentityAgent}

// Early tells that the add-on comes before the nodes.
func (a Addon) Early() bool { return slices.Contains(earlyAddons, a.Name) }

var (
	addonName    = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,99}$`)
	addonVersion = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$`)
)

const (
	addonsExample = "addons: {vpc-cni: default, coredns: v1.13.2-eksbuild.1}"
	addonExample  = "{version: default, onConflict: preserve}"
	addonDefault  = "default"
)

// addons reads which the cluster shall have. Each is a version, or a mapping.
func (f field) addons(c *Cluster) {
	for _, e := range f.entries(addonsExample) {
		if !addonName.MatchString(e.name) {
			e.fail("see aws eks describe-addon-versions for their names", "%q is no name of an add-on", e.name)
			continue
		}
		c.Addons = append(c.Addons, e.addon())
	}
	c.checkAddons(f)
}

func (e entry) addon() Addon {
	a := Addon{Name: e.name, At: e.at, Conflicts: "OVERWRITE"}
	if strings.HasPrefix(describe(e.node), "the text") {
		a.Version = e.addonVersion()
		return a
	}
	o, ok := e.object(addonExample, "version", "onConflict", "configuration", "role")
	if !ok {
		return a
	}
	if v := o.get("version"); v.given() {
		a.Version = v.addonVersion()
	}
	a.Conflicts = strings.ToUpper(o.get("onConflict").choice("onConflict", "overwrite", "preserve", "none"))
	if configuration := o.get("configuration"); configuration.given() {
		a.Configuration = configuration.tree(func(ref string) bool { return strings.HasPrefix(ref, "config.") })
		if value.HasSecret(a.Configuration) {
			configuration.refuseSecret("configuration: {replicaCount: 3}")
		}
	}
	if role := o.get("role"); role.given() {
		a.Role = role.arn(roleARN, "an IAM role", "role: ${resources.role.Arn}")
		if a.Account() == "" {
			role.fail("remove it, and write an entry of podIdentities for the service account of its pods",
				"which service account the pods of %s have is not known", a.Name)
		}
	}
	return a
}

func (f field) addonVersion() string {
	v, ok := f.word("version: v1.13.2-eksbuild.1")
	switch {
	case !ok || v == addonDefault:
		return ""
	case !addonVersion.MatchString(v):
		f.fail("write one of aws eks describe-addon-versions, or default", "%q is no version of an add-on", v)
	}
	return v
}

// choice is one of several words, the first if none is given.
func (f field) choice(key string, words ...string) string {
	if !f.given() {
		return words[0]
	}
	word, ok := f.word(key + ": " + words[0])
	if ok && !slices.Contains(words, word) {
		f.fail("choose from "+choices(words), "%q is not a choice%s", word, didYouMean(word, words))
	}
	return word
}

// checkAddons refuses what would not come up, or not serve.
func (c *Cluster) checkAddons(f field) {
	has := func(name string) bool {
		return slices.ContainsFunc(c.Addons, func(a Addon) bool { return a.Name == name })
	}
	for _, a := range c.Addons {
		at := f
		at.at, at.path = a.At, f.path+"."+a.Name
		if (a.Role != nil || a.Policy() != "") && !has(IdentityAgent) {
			at.fail("add "+IdentityAgent+": default", "its pods get their role by the add-on %s, which the cluster does not have", IdentityAgent)
		}
		if a.Name == kubeProxy && a.Version != "" && c.Version != "" {
			at.checkProxy(a.Version, c.Version)
		}
	}
}

// checkProxy holds kube-proxy to the skew that Kubernetes allows: no newer than the
// API server, three minors older at most.
func (f field) checkProxy(version, cluster string) {
	text, _, _ := strings.Cut(strings.TrimPrefix(version, "v1."), ".")
	switch behind := minor(cluster) - minor("1."+text); {
	case behind < 0:
		f.fail("take a version of "+cluster+", or raise cluster.version first", "kube-proxy %s is newer than the control plane, which is %s", version, cluster)
	case behind > maxSkew:
		f.fail("take a newer version", "kube-proxy %s is %d minors older than the control plane, which is %s; %d are allowed", version, behind, cluster, maxSkew)
	}
}

// Policy is that of AWS whose rights the add-on's pods need; empty: none, or the nodes have it.
func (a Addon) Policy() string {
	if a.Name == "aws-ebs-csi-driver" && a.Role == nil {
		return "service-role/AmazonEBSCSIDriverPolicy"
	}
	return ""
}
