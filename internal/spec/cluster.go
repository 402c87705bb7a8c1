package spec

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// logTypes are the control plane logs that EKS can send to CloudWatch.
var logTypes = []string{"api", "audit", "authenticator", "controllerManager", "scheduler"}

// AWS takes a VPC between a /16 and a /28. A public and a private subnet in
// two zones, each a /28 at least, take a /26.
const (
	largestVPC  = 16
	smallestVPC = 28
	smallestFit = 26
)

// minZones is how many zones EKS wants subnets in.
const minZones = 2

// defaultCIDR is the VPC's range if none is given.
const defaultCIDR = "10.0.0.0/16"

func (l *loader) cluster(f field) {
	if !f.given() {
		return
	}
	o, ok := f.object(`cluster: {version: "1.36", network: {cidr: 172.16.0.0/16}}`, slices.Concat([]string{"version", "network", "endpoint", "encryptionKey", "access", "podIdentities", "oidcProvider", "addons", "logs"}, allOptions)...)
	if !ok {
		return
	}
	o.refuse(refusedOfCluster)
	c := &Cluster{At: f.at, CIDRAt: f.at}
	l.spec.Cluster = c
	c.Version, _ = o.need("version", `add version: "1.36"`).version()
	c.Logs = o.get("logs").logs()
	o.get("addons").addons(c)
	c.Options = o.options()
	c.Endpoint = o.get("endpoint").endpoint()
	if key := o.get("encryptionKey"); key.given() {
		c.Key = key.arn(keyARN, "a KMS key", "encryptionKey: ${resources.key.Arn}")
	}
	c.Access, c.PodIdentities = o.get("access").access(), o.get("podIdentities").podIdentities()
	c.OIDC = o.get("oidcProvider").truth()
	network, ok := o.get("network").object("network: {cidr: 172.16.0.0/16}", slices.Concat([]string{"vpc", "subnets", "cidr", "zones", "natGateways"}, allOptions)...)
	if !ok {
		return
	}
	network.refuse(refusedOfNetwork)
	c.Existing, c.Network = network.existing(), network.options()
	c.NAT = network.get("natGateways").nat()
	c.Zones, c.ZonesAt = network.get("zones").zones(), network.get("zones").at
	c.CIDR = netip.MustParsePrefix(defaultCIDR)
	if cidr := network.get("cidr"); cidr.given() {
		c.CIDRAt = cidr.at
		c.CIDR = cidr.cidr()
	}
}

// version reads a Kubernetes version. It must be quoted, because YAML reads
// 1.30 as the number 1.3.
func (f field) version() (string, bool) {
	if f.given() && strings.HasPrefix(describe(f.node), "the number") {
		f.fail(`write version: "`+f.node.Value+`"`,
			"want text, have the number %s: without quotes, YAML reads 1.30 as 1.3", f.node.Value)
		return "", false
	}
	v, ok := f.word(`version: "1.36"`)
	if !ok {
		return "", false
	}
	if !kubeVersion.MatchString(v) {
		f.fail(`write major and minor, as in "1.36"`, "%q is not a Kubernetes version that EKS knows", v)
		return "", false
	}
	return v, true
}

func (f field) logs() []string {
	var logs []string
	for _, item := range f.items("logs: [api, audit]") {
		name, ok := item.word("api")
		switch {
		case !ok:
		case !slices.Contains(logTypes, name):
			item.fail("choose from "+choices(logTypes), "EKS has no log %q%s", name, didYouMean(name, logTypes))
		case slices.Contains(logs, name):
			item.fail("remove one of the two", "%q is listed twice", name)
		default:
			logs = append(logs, name)
		}
	}
	return logs
}

// zoneName is that of an availability zone: us-west-2a. EKS takes no cluster's
// subnets in a local zone (us-west-2-lax-1a).
var zoneName = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-[0-9]+[a-z]$`)

// zones reads those that the network shall span. Their order means nothing.
func (f field) zones() []string {
	const example = "zones: [us-west-2a, us-west-2b]"
	var zones []string
	for _, item := range f.items(example) {
		name, ok := item.word("us-west-2a")
		switch {
		case !ok:
		case !zoneName.MatchString(name):
			item.fail("write zones as in "+example, "%q is not the name of an availability zone", name)
		case slices.Contains(zones, name):
			item.fail("remove one of the two", "%q is listed twice", name)
		default:
			zones = append(zones, name)
		}
	}
	if f.given() && f.node.Kind == yaml.SequenceNode && len(f.node.Content) < minZones {
		f.fail("name two or more, as in "+example, "EKS wants subnets in two zones at least")
	}
	slices.Sort(zones)
	return zones
}

func (f field) nat() NAT {
	if !f.given() {
		return NATSingle
	}
	kinds := []string{string(NATSingle), string(NATPerZone)}
	v, ok := f.word("natGateways: single")
	if ok && !slices.Contains(kinds, v) {
		f.fail("choose single (one for all zones) or perZone", "%q is not a choice%s", v, didYouMean(v, kinds))
	}
	return NAT(v)
}

func (f field) cidr() netip.Prefix {
	text, ok := f.word("cidr: 172.16.0.0/16")
	if !ok {
		return netip.Prefix{}
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil || !p.Addr().Is4():
		f.fail("write it as in 172.16.0.0/16", "%q is not an IPv4 range", text)
	case p != p.Masked():
		f.fail("write "+p.Masked().String(), "%s does not start where a /%d starts", p, p.Bits())
	case p.Bits() < largestVPC || p.Bits() > smallestVPC:
		f.fail(rangeRemedy, "a VPC cannot be a /%d", p.Bits())
	case p.Bits() > smallestFit:
		f.fail(rangeRemedy, "%s is too small for a public and a private subnet in two zones, each a /28 at least", p)
	}
	for _, services := range serviceRanges {
		if err == nil && p.Overlaps(services) {
			f.fail("take another one, as 172.16.0.0/16 or 10.0.0.0/16",
				"%s overlaps %s, from which EKS may number the cluster's Services: addresses would lead to one or the other",
				p, services)
		}
	}
	return p
}

// serviceRanges are those from which EKS takes the addresses of Services if
// none is named (CreateCluster, KubernetesNetworkConfig.serviceIpv4Cidr).
var serviceRanges = []netip.Prefix{netip.MustParsePrefix("10.100.0.0/16"), netip.MustParsePrefix("172.20.0.0/16")}

const rangeRemedy = "take a range from /16 to /26; /16 leaves room to grow"

// minor is the minor of a version like 1.36 that was checked before.
func minor(version string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(version, "1."))
	return n
}

// versionBehind is the version n minors before the given one.
func versionBehind(version string, n int) string {
	return "1." + strconv.Itoa(minor(version)-n)
}
