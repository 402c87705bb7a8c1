package spec_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// group reads a stack with one node group, given as the keys beside its instance type
// and capacity.
func group(kind, keys string) (spec.NodeGroup, error) {
	file := "name: shop\ncluster: {version: \"1.36\"}\nnodeGroups:\n  web:\n    kind: " + kind + "\n    instanceType: m7i.large\n"
	if !strings.Contains(keys, "capacity:") {
		file += "    capacity: 3\n"
	}
	for line := range strings.Lines(keys) {
		file += "    " + line
	}
	s, problems := spec.Load(fstest.MapFS{spec.File: {Data: []byte(file + "\n")}}, "dev")
	if err := problems.Err(); err != nil {
		return spec.NodeGroup{}, err
	}
	return s.NodeGroups[0], nil
}

// What a node group's keys say is what it is; what they may not say is refused. Pairs
// stand on both sides of a boundary.
func TestNodeGroupKeys(t *testing.T) {
	long := func(n int) string { return strings.Repeat("a", n) }
	domain := func(n int) string { return strings.Repeat(long(49)+".", n/50) + long(n%50) }
	for _, c := range []struct {
		kind, keys string
		field      string
		want       any
		refused    string // what is told instead
	}{
		{"self-managed", "", "Spot", false, ""},
		{"self-managed", "capacityType: on-demand", "Spot", false, ""},
		{"self-managed", "capacityType: spot", "Spot", true, ""},
		{"self-managed", "capacityType: often", "", nil, `"often" is neither`},
		{"self-managed", "release: 1.36.3-20261101", "", nil, "only managed groups have it"},
		{"self-managed", "update: eks", "", nil, "only managed groups have it"},
		{"managed", "", "InPlace", false, ""},
		{"managed", "update: drover", "InPlace", false, ""},
		{"managed", "update: eks", "InPlace", true, ""},
		{"managed", "update: me", "", nil, `"me" is neither`},
		{"managed", "release: 1.36.3-20261101", "Release", "1.36.3-20261101", ""},
		{"managed", "release: 1.36.3", "", nil, "is not the release of an image"},
		{"managed", "release: latest", "Newest", true, ""},
		{"managed", "release: latest", "Release", "", ""},
		{"managed", "os: bottlerocket\nrelease: 1.50.0-4f2a1b3c", "Release", "1.50.0-4f2a1b3c", ""},
		{"managed", "os: bottlerocket\nrelease: 1.36.3-20261101x", "", nil, "is not the release of an image"},
		{"managed", "ami: ami-0123456789abcdef0\nrelease: 1.36.3-20261101", "", nil, "a group with an ami has the release of that image"},
		{"managed", "ami: ami-0123456789abcdef0\nupdate: eks", "", nil, "a group with an ami is always replaced"},
		{"managed", "ami: ami-0123456789abcdef0\nversion: \"1.35\"", "Version", "1.35", ""},
		{"managed", "version: \"1.35\"", "", nil, "EKS makes managed groups of the cluster's version only, which is 1.36"},
		{"managed", "version: \"1.36\"", "Version", "1.36", ""},
		{"self-managed", "", "Fence", true, ""},
		{"self-managed", "capacity: {desired: 1, max: 2}", "Fence", false, ""},
		{"self-managed", "fence: false", "Fence", false, ""},
		{"managed", "", "Fence", false, ""},
		{"managed", "fence: true", "", nil, "a managed group has none"},
		{"managed", "onDemand: {base: 1}", "", nil, "a managed group is on-demand or Spot as a whole"},
		{"managed", "capacity: 0", "Capacity", spec.Capacity{Max: 1}, ""}, // EKS takes no less
		{"self-managed", "capacity: 0", "Capacity", spec.Capacity{}, ""},
		{"self-managed", "capacity: -1", "", nil, "-1 nodes are not possible"},
		{"self-managed", "capacity: {desired: 4}", "Capacity", spec.Capacity{Min: 4, Desired: 4, Max: 4}, ""},
		{"self-managed", "capacity: {desired: 4, min: 0}", "Capacity", spec.Capacity{Min: 0, Desired: 4, Max: 4}, ""},
		{"self-managed", "capacity: {desired: 4, max: 9}", "Capacity", spec.Capacity{Min: 4, Desired: 4, Max: 9}, ""},
		{"self-managed", "capacity: {desired: 4, min: 4, max: 4}", "Capacity", spec.Capacity{Min: 4, Desired: 4, Max: 4}, ""},
		{"self-managed", "capacity: {desired: 4, min: -1}", "", nil, "out of order"},
		{"self-managed", "capacity: {desired: 4, min: 5}", "", nil, "out of order"},
		{"self-managed", "capacity: {desired: 4, max: 3}", "", nil, "out of order"},
		{"self-managed", "capacity: {min: 1}", "", nil, "desired: is missing"},
		{"self-managed", "capacity: {desired: 4, min: x, max: 2}", "", nil, "min"},
		{"self-managed", "", "AMI", nil, ""},
		{"self-managed", "ami: ami-0123456789abcdef0", "AMI", "ami-0123456789abcdef0", ""},
		{"self-managed", "ami: ami-0123456789abcdef0", "Version", "", ""}, // of whatever version it is
		{"self-managed", "ami: latest", "Version", "1.36", ""},
		{"self-managed", "ami: latest", "Newest", true, ""},
		{"self-managed", "ami: latest", "AMI", nil, ""},
		{"self-managed", "ami: web", "", nil, `"web" is not an image ID`},
		{"self-managed", "", "Version", "1.36", ""},
		{"self-managed", "version: \"1.33\"", "Version", "1.33", ""},
		{"self-managed", "version: \"1.32\"", "", nil, "4 minors older than the control plane"},
		{"self-managed", "version: \"1.37\"", "", nil, "newer than the control plane"},
		{"self-managed", "soak: 4h", "Soak", 4 * time.Hour, ""},
		{"self-managed", "soak: 168h", "Soak", 168 * time.Hour, ""},
		{"self-managed", "soak: 168h1s", "", nil, "out of range"},
		{"self-managed", "soak: -1s", "", nil, "out of range"},
		{"self-managed", "soak: 0s", "Soak", time.Duration(0), ""},
		{"self-managed", "soak: long", "", nil, `"long" is not a duration`},
		{"self-managed", "settle: 30s", "Settle", 30 * time.Second, ""},
		{"self-managed", "settle: 1h", "Settle", time.Hour, ""},
		{"self-managed", "settle: 61m", "", nil, "out of range"},
		{"self-managed", `taints: ["a=b:NoSchedule", "a=c:NoExecute"]`, "Taints", []spec.Taint{{Key: "a", Value: "b", Effect: "NoSchedule"}, {Key: "a", Value: "c", Effect: "NoExecute"}}, ""},
		{"self-managed", `taints: ["a=b:NoSchedule", "a=c:NoSchedule"]`, "", nil, "listed twice"},
		{"self-managed", `taints: ["a:NoSchedule"]`, "Taints", []spec.Taint{{Key: "a", Effect: "NoSchedule"}}, ""},
		{"self-managed", `taints: ["a=b c:NoSchedule"]`, "", nil, `refuses the value "b c"`},
		{"self-managed", `taints: ["a=b:Never"]`, "", nil, `no effect "Never"`},
		{"self-managed", `taints: ["a=b"]`, "", nil, "it has no effect"},
		{"self-managed", "labels: {team: web, empty: \"\"}", "Labels", map[string]string{"team": "web", "empty": ""}, ""},
		{"self-managed", "labels: {team: }", "", nil, "has no value"},
		{"self-managed", "labels: {drover.dev/nodegroup: web}", "", nil, "Drover sets this label itself"},
		{"self-managed", "labels: {" + long(63) + ": " + long(63) + "}", "Labels", map[string]string{long(63): long(63)}, ""},
		{"self-managed", "labels: {" + long(64) + ": x}", "", nil, "is not a key that Kubernetes takes"},
		{"self-managed", "labels: {team: " + long(64) + "}", "", nil, "Kubernetes refuses the value"},
		{"self-managed", "labels: {" + domain(253) + "/x: y}", "Labels", map[string]string{domain(253) + "/x": "y"}, ""},
		{"self-managed", "labels: {" + domain(254) + "/x: y}", "", nil, "nodeGroups.web.labels"},
		{"self-managed", "labels: {\"Team!/x\": y}", "", nil, "before the / stands a domain name"},
	} {
		g, err := group(c.kind, c.keys)
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%s, %s: %v, want it refused: %s", c.kind, c.keys, err, c.refused)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s, %s: %v", c.kind, c.keys, err)
			continue
		}
		if got := reflect.ValueOf(g).FieldByName(c.field).Interface(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s, %s: %s is %#v, want %#v", c.kind, c.keys, c.field, got, c.want)
		}
	}
}

// section reads a stack that has a cluster and what is given, and a config with the key n.
func section(text string) (*spec.Spec, error) {
	s, problems := spec.Load(fstest.MapFS{
		spec.File:              {Data: []byte("name: shop\n" + text + "\n")},
		spec.ConfigFile("dev"): {Data: []byte("config: {n: 3, no: false, half: 0.5, none: \"\"}\n")},
	}, "dev")
	return s, problems.Err()
}

// part is what a path of names and numbers leads to, as in Guards.0.Rate.
func part(s *spec.Spec, path string) any {
	v := reflect.ValueOf(s)
	for name := range strings.SplitSeq(path, ".") {
		for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
			v = v.Elem()
		}
		switch i, err := strconv.Atoi(name); {
		case err == nil:
			v = v.Index(i)
		case v.Kind() == reflect.Map:
			v = v.MapIndex(reflect.ValueOf(name))
		default:
			v = v.FieldByName(name)
		}
	}
	return v.Interface()
}

// What the keys of the other sections say is what they mean, and what they may not say is
// refused. Pairs stand on both sides of a boundary.
func TestSectionKeys(t *testing.T) {
	cluster := func(keys string) string { return "cluster:\n  version: \"1.36\"\n  " + keys }
	network := func(keys string) string { return cluster("network: {" + keys + "}") }
	subnets := "subnets: {private: [subnet-0123456789abcdef0]}"
	access := func(keys string) string {
		return cluster(`access: {devs: {principal: "arn:aws:iam::111122223333:role/dev", ` + keys + `}}`)
	}
	identity := func(account string) string {
		return cluster("podIdentities: {s3: {serviceAccount: " + account + `, role: "arn:aws:iam::111122223333:role/s3"}}`)
	}
	proxy := func(version string) string { return cluster("addons: {kube-proxy: " + version + "}") }
	addon := func(keys string) string { return cluster("addons: {coredns: {" + keys + "}}") }
	group := func(keys string) string {
		return cluster("\nnodeGroups:\n  web: {kind: self-managed, instanceType: m7i.large, capacity: 1, " + keys + "}")
	}
	guard := func(keys string) string { return `guard: [{url: "http://a.example.com", ` + keys + `}]` }
	ask := func(keys string) string {
		return `guard: [{prometheus: {url: "http://p.example.com", query: up, ` + keys + `}}]`
	}
	workload := func(object string) string {
		return cluster("\nworkloads: {w: {objects: [{apiVersion: v1, " + object + "}]}}")
	}
	defined := func(scope string) string {
		return cluster("\nresources:\n  crd: {type: apiextensions.k8s.io/v1/CustomResourceDefinition, name: things.example.com, properties: {spec: {group: example.com, names: {kind: Thing}, scope: " + scope + "}}}\n")
	}
	both := func(scope string) string {
		return workload("kind: ConfigMap, metadata: {name: a}}, {apiVersion: example.com/v1, kind: Thing, metadata: {name: a}}, " +
			"{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: things.example.com}, spec: {group: example.com, names: {kind: Thing}, scope: " + scope + "}")
	}
	const thing = "  thing: {type: example.com/v1/Thing}\n"
	property := func(text string) string {
		return "resources:\n  q:\n    type: AWS::SQS::Queue\n    properties:\n      A: " + text
	}
	provider := func(keys string) string { return "providers: {dns: {" + keys + "}}" }
	list := func(n int, item string) string { return strings.TrimSuffix(strings.Repeat(item+", ", n), ", ") }
	tags := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "k%d: x, ", i)
		}
		return "tags: {" + strings.TrimSuffix(b.String(), ", ") + "}"
	}
	long := func(n int) string { return strings.Repeat("é", n) }
	for _, c := range []struct {
		text    string
		part    string
		want    any
		refused string // what is told instead
	}{
		{cluster("endpoint: {private: false}"), "Cluster.Endpoint.Private", false, ""},
		{cluster("endpoint: {cidrs: [203.0.113.0/24]}"), "Cluster.Endpoint.Private", true, ""},
		{cluster("endpoint: {cidrs: [203.0.113.0/24]}"), "Cluster.Endpoint.CIDRs", []string{"203.0.113.0/24"}, ""},
		{cluster("endpoint: {public: false}"), "Cluster.Endpoint.Public", false, ""},
		{cluster("endpoint: {public: false, private: false}"), "", nil, `nobody would reach the API server`},
		{cluster("endpoint: {cidrs: [" + list(40, "203.0.113.0/24") + "]}"), "Cluster.Endpoint.Public", true, ""},
		{cluster("endpoint: {cidrs: [" + list(41, "203.0.113.0/24") + "]}"), "", nil, `EKS takes 40 ranges, and here are 41`},
		{cluster("endpoint: {cidrs: [office]}"), "", nil, `"office" is not an IPv4 range`},
		{cluster("endpoint: {cidrs: [\"2001:db8::/32\"]}"), "", nil, `"2001:db8::/32" is not an IPv4 range`},
		{cluster("endpoint: {cidrs: [203.0.113.1/24]}"), "", nil, `does not start where a /24 starts`},
		{cluster("endpoint: {cidrs: [10.0.0.0/8]}"), "", nil, `is a private range`},
		{cluster("endpoint: {cidrs: [192.168.1.0/24]}"), "", nil, `is a private range`},
		{cluster("endpoint: {cidrs: [0.0.0.0/0]}"), "Cluster.Endpoint.CIDRs", []string{"0.0.0.0/0"}, ""}, // holds private ones, but is none
		{access("policies: [AmazonEKSViewPolicy], namespaces: [shop]"), "Cluster.Access.0.Namespaces", []string{"shop"}, ""},
		{access("groups: [viewers], namespaces: [shop]"), "", nil, `namespaces are those that policies are about`},
		{cluster("access: {Devs: {}}"), "", nil, `"Devs" is not a name for an access entry`},
		{cluster("access: {devs: {principal: \"\", groups: [viewers]}}"), "", nil, `"" is not the ARN of an IAM role or user`},
		{cluster("encryptionKey: \"${config.none}\""), "", nil, `"" is not the ARN of a KMS key`},
		{identity("shop/web"), "Cluster.PodIdentities.0.Account", "web", ""},
		{identity("shop/"), "", nil, `"shop/" is not the name of a service account`},
		{identity("Shop/web"), "", nil, `"Shop/web" is not the name of a service account`},
		{cluster("podIdentities: {S3: {}}"), "", nil, `"S3" is not a name for a pod identity`},
		{cluster("podIdentities: {s3: {serviceAccount: shop/web, role: \"arn:aws:iam::111122223333:user/s3\"}}"), "", nil, `is not the ARN of an IAM role`},
		{proxy("v1.36.1"), "Cluster.Addons.0.Version", "v1.36.1", ""},
		{proxy("v1.33.1"), "Cluster.Addons.0.Version", "v1.33.1", ""},
		{proxy("v1.32.1"), "", nil, `kube-proxy v1.32.1 is 4 minors older than the control plane`},
		{addon("version: newest"), "", nil, `"newest" is no version of an add-on`},
		{addon("onConflict: none"), "Cluster.Addons.0.Conflicts", "NONE", ""},
		{addon("configuration: {replicas: \"${config.n}\", shell: \"${HOME}\"}"), "Cluster.Addons.0.Configuration", map[string]any{"replicas": "3", "shell": "${HOME}"}, ""},
		{addon("configuration: {token: !secret x}"), "", nil, `a secret cannot stand here`},
		{cluster("addons: {eks-pod-identity-agent: default, vpc-cni: {role: cni}}"), "", nil, `"cni" is not the ARN of an IAM role`},
		{network("zones: [us-west-2b, us-west-2a]"), "Cluster.Zones", []string{"us-west-2a", "us-west-2b"}, ""},
		{network("zones: [us-west-2a]"), "", nil, `EKS wants subnets in two zones at least`},
		{network(""), "Cluster.NAT", spec.NATSingle, ""},
		{network("natGateways: perZone"), "Cluster.NAT", spec.NATPerZone, ""},
		{network(""), "Cluster.CIDRAt.Line", 2, ""},
		{network("cidr: 10.0.0.0/26"), "Cluster.CIDR", netip.MustParsePrefix("10.0.0.0/26"), ""},
		{network("cidr: 10.0.0.0/26"), "Cluster.CIDRAt.Line", 4, ""},
		{network("cidr: 10.0.0.0/15"), "", nil, `a VPC cannot be a /15`},
		{network("cidr: 10.0.0.0/28"), "", nil, `is too small for a public and a private subnet`},
		{network("cidr: 10.0.0.0/29"), "", nil, `a VPC cannot be a /29`},
		{network("cidr: \"fd00::/20\""), "", nil, `"fd00::/20" is not an IPv4 range`},
		{network("cidr: 10.100.0.0/20"), "", nil, `overlaps 10.100.0.0/16, from which EKS may number`},
		{network("vpc: vpc-0123456789abcdef0, " + subnets), "Cluster.Existing.VPC.IDs", []string{"vpc-0123456789abcdef0"}, ""},
		{network("vpc: {tags: {Name: shop}}, " + subnets), "Cluster.Existing.VPC.Tags", map[string]string{"Name": "shop"}, ""},
		{network("vpc: vpc-0123456789abcdef0, " + subnets), "Cluster.Existing.Private.IDs", []string{"subnet-0123456789abcdef0"}, ""},
		{network("vpc: vpc-0123456789abcdef0, subnets: {private: {tags: {a: b}}, public: subnet-0123456789abcdef0}"), "Cluster.Existing.Public.IDs", []string{"subnet-0123456789abcdef0"}, ""},
		{network("vpc: vpc-0123456789abcdef0, subnets: {private: {tags: {a: b}}}"), "Cluster.Existing.Private.Tags", map[string]string{"a": "b"}, ""},
		{network("vpc: {name: shop}, " + subnets), "", nil, `unknown key`},
		{network("vpc: vpc-0123456789abcdef0, subnets: {private: [subnet-0123456789abcdef0, subnet-0123456789abcdef0]}"), "", nil, `is listed twice`},
		{network(subnets), "", nil, `which VPC are the subnets in?`},
		{network("vpc: vpc-0123456789abcdef0"), "", nil, `subnets: is missing`},
		{network("vpc: [vpc-0123456789abcdef0, vpc-0fedcba9876543210], " + subnets), "", nil, `a cluster is in one VPC`},
		{group("disk: {size: 20}"), "NodeGroups.0.Disk.Type", "gp3", ""},
		{group("disk: {size: 16384, type: io2}"), "NodeGroups.0.Disk.Type", "io2", ""},
		{group("disk: {size: 19}"), "", nil, `19 GiB is no size of a node's disk`},
		{group("disk: {size: 16385}"), "", nil, `16385 GiB is no size of a node's disk`},
		{group("disk: {size: 20, key: \"arn:aws:kms:us-west-2:111122223333:key/1\"}"), "NodeGroups.0.Disk.Encrypted", true, ""},
		{group("capacityType: spot, onDemand: {base: 0, percent: 100}"), "NodeGroups.0.OnDemand.Percent", 100, ""},
		{group("capacityType: spot, onDemand: {percent: 101}"), "", nil, `percent is 0 to 100`},
		{group("capacityType: spot, onDemand: {base: -1, percent: 100}"), "", nil, `base is a number of nodes`},
		{group("capacityType: spot, onDemand: {percent: -1}"), "", nil, `percent is 0 to 100`},
		{group("userData: \"#!/bin/sh\\necho ${config.n} ${HOME}\""), "NodeGroups.0.UserData", []string{"#!/bin/sh\necho 3 ${HOME}\n"}, ""},
		{group("userData: !secret \"#!/bin/sh\""), "", nil, `a secret cannot stand here`},
		{group("userData: \"  \""), "", nil, `is no text`},
		{group("userData: {a: b}"), "", nil, `is no text`},
		{group("ami: \"\""), "", nil, `"" is not an image ID`},
		{guard("method: POST"), "Guards.0.Method", "POST", ""},
		{guard("headers: {A: b}"), "Guards.0.Target.Headers", map[string]any{"A": "b"}, ""},
		{guard("body: hello"), "Guards.0.Target.Body", "hello", ""},
		{guard("status: 204"), "Guards.0.Status", []int{204}, ""},
		{guard("status: [200, 599]"), "Guards.0.Status", []int{200, 599}, ""},
		{guard("status: 600"), "", nil, `600 is not a status to expect`},
		{guard("timeout: 1m"), "Guards.0.Timeout", time.Minute, ""},
		{guard("timeout: 0s"), "", nil, `"0s" is not a timeout`},
		{guard("timeout: 61s"), "", nil, `"61s" is not a timeout`},
		{guard("timeout: soon"), "", nil, `"soon" is not a timeout`},
		{guard("onBreach: stop"), "Guards.0.OnBreach", graph.Stop, ""},
		{guard("onBreach: return"), "Guards.0.OnBreach", graph.OnBreach("return"), ""},
		{guard("maxErrors: 3"), "Guards.0.MaxErrors", 3, ""},
		{guard("maxErrors: 3"), "Guards.0.MaxInWindow", 0, ""},
		{guard("maxErrors: {window: 3, total: 3}"), "Guards.0.MaxInWindow", 3, ""},
		{guard("rate: 600/m"), "Guards.0.Rate", 10.0, ""},
		{guard("rate: 10000/s"), "Guards.0.Rate", 10000.0, ""},
		{guard("rate: 10001/s"), "", nil, `is more than a guard sends`},
		{guard("rate: 0/s"), "", nil, `"0/s" is not a rate`},
		{guard("rate: x/s"), "", nil, `"x/s" is not a rate`},
		{guard("rate: 5/h"), "", nil, `"5/h" is not a rate`},
		{guard("rate: 100/m, p99: 3x"), "Guards.0.P99", "3x", ""},
		{guard("rate: 99/m, p99: 3x"), "", nil, `needs 100 probes within a minute`},
		{guard("p99: 1000x"), "Guards.0.P99", "1000x", ""},
		{guard("p99: 1001x"), "", nil, `"1001x" is not a multiple`},
		{guard("p99: 0s"), "", nil, `"0s" is not a duration`},
		{guard("host: !secret x"), "", nil, `a secret cannot stand here`},
		{guard("host: \"\""), "Guards.0.Target.Host", "", ""}, // the URL's
		{`guard: [{url: ""}]`, "", nil, `"" is not a URL to probe`},
		{guard("probes: [{rate: 5/s}, {url: \"http://b.example.com\"}]"), "Guards.0.Target.URL", "http://a.example.com", ""},
		{guard("probes: [{rate: 5/s}, {url: \"http://b.example.com\"}]"), "Guards.0.Rate", 5.0, ""},
		{guard("probes: [{rate: 5/s}, {url: \"http://b.example.com\"}]"), "Guards.1.Target.URL", "http://b.example.com", ""},
		{guard("probes: [{rate: 5/s}, {url: \"http://b.example.com\"}]"), "Guards.1.Rate", 50.0, ""},
		{"guard:\n- url: http://a.example.com\n  probes:\n  - {rate: 5/s}\n  - {rate: 6/s}", "Guards.1.At.Line", 6, ""},
		{ask("max: 0.5"), "Guards.0.Target.Query", "up", ""},
		{`guard: [{prometheus: {url: "http://p.example.com", query: "${config.none}", max: 1}}]`, "", nil, `query: is empty`},
		{ask("max: 0.5, headers: {A: b}"), "Guards.0.Target.Headers", map[string]any{"A": "b"}, ""},
		{provider("region: us-east-1"), "Providers.0.Region", "us-east-1", ""},
		{provider("profile: dns"), "Providers.0.Profile", "dns", ""},
		{provider("role: \"arn:aws:iam::111122223333:role/dns\", externalId: x"), "Providers.0.ExternalID", "x", ""},
		{provider(""), "", nil, `says neither region nor profile nor role`},
		{provider("externalId: x, region: us-east-1"), "", nil, `it is what a role asks for`},
		{provider("region: oregon"), "", nil, `"oregon" is no region of AWS`},
		{provider("role: dns"), "", nil, `"dns" is not the ARN of an IAM role`},
		{"providers: {1st: {region: us-east-1}}", "", nil, `"1st" is not a name for a provider`},
		{"providers: {dns: us-east-1}", "", nil, `want a mapping`},
		{"resources: {q: {type: AWS::SQS::Queue, provider: dns}}", "", nil, `there is no provider "dns"`},
		{"resources: {m: {type: v1/ConfigMap, provider: dns}}", "", nil, `a Kubernetes object is in the cluster`},
		{"tags: {" + long(128) + ": " + long(256) + "}", "Tags", map[string]string{long(128): long(256)}, ""},
		{"tags: {" + long(129) + ": x}", "", nil, `is not a key that AWS takes`},
		{"tags: {\"\": x}", "", nil, `"" is not a key that AWS takes`},
		{"tags: {a: " + long(257) + "}", "", nil, `a tag's value has 256 characters at most`},
		{"tags: {Drover:x: y}", "", nil, `are set by AWS and Drover`},
		{"tags: {aws:x: y}", "", nil, `are set by AWS and Drover`},
		{"tags: {a: }", "", nil, `has no value`},
		{tags(44), "", nil, `44 tags; an object of AWS has 50 at most`},
		{tags(43), "Name", "shop", ""},
		{"cluster: {version: \"1.36\", dependsOn: [vpn]}", "", nil, `there is no "vpn"`},
		{"state: s3://b", "State.URL", "s3://b", ""},
		{"---\nname: shop", "", nil, `a second YAML document starts here`},
		{"", "Config", spec.Config{"n": "3", "no": "false", "half": "0.5", "none": ""}, ""},
		{cluster("\nnodeGroups: {web: {instanceType: m7i.large, capacity: 1}}"), "NodeGroups.0.Managed", true, ""},
		{cluster("\nnodeGroups: {web: {instanceTypes: [], capacity: 1}}"), "", nil, `names none`},
		{workload("kind: ConfigMap, metadata: {name: a}"), "Workloads.0.Objects.0.Namespace", "default", ""},
		{workload("kind: ConfigMap, metadata: {name: a}"), "Workloads.0.Objects.0.Body.metadata.namespace", "default", ""},
		{workload("kind: ConfigMap, metadata: {labels: {}}"), "", nil, `the ConfigMap has no name`},
		{workload("kind: ConfigMap, metadata: {name: a, namespace: \"${cluster.name}\"}"), "", nil, `the namespace must be known before anything is created`},
		{workload("kind: Secret, metadata: {name: a}, stringData: {pin: 5}"), "Workloads.0.Objects.0.Body.stringData.pin", value.Hide(5.0), ""},
		{both("Namespaced"), "Workloads.0.Objects.1.Namespace", "default", ""},
		{both("Cluster"), "Workloads.0.Objects.1.Namespace", "", ""},
		{both("Namespaced") + "\nresources:\n" + thing, "Resources.0.Object.Namespace", "default", ""},
		{cluster("logs: [ap]"), "", nil, `did you mean "api"?`},
		{cluster("\nworkloads: {" + strings.Repeat("w", 63) + ": {objects: []}}"), "Workloads.0.Name", strings.Repeat("w", 63), ""},
		{cluster("\nworkloads: {" + strings.Repeat("w", 64) + ": {objects: []}}"), "", nil, `has 64 characters`},
		{cluster("\nworkloads: {Web: {objects: []}}"), "", nil, `"Web" is not a name for a workload`},
		{cluster("\nworkloads: {w: {dependsOn: [vpn], objects: []}}"), "", nil, `there is no "vpn"`},
		{cluster("\nworkloads: {w: {chart: .}}"), "", nil, `charts are rendered by commands only`},
		{defined("Namespaced") + thing, "Resources.1.Object.Namespace", "default", ""},
		{defined("Cluster") + thing, "Resources.1.Object.Namespace", "", ""},
		{"resources: {q: {type: AWS::SQS::Queue, properties: [1]}}", "", nil, `want a mapping, have a list`},
		{"resources: {m: {type: v1/ConfigMap}}", "Resources.0.Object.Body.metadata.name", "m", ""},
		{property("${config.n}"), "Resources.0.Properties.A", 3.0, ""}, // as if 3 stood there
		{property("${config.no}"), "Resources.0.Properties.A", false, ""},
		{property("${config.half}"), "Resources.0.Properties.A", 0.5, ""},
		{property("${config.none}"), "Resources.0.Properties.A", nil, ""},
		{property("\"${config.n}\""), "Resources.0.Properties.A", "3", ""},
		{property("${config.n}0"), "Resources.0.Properties.A", "30", ""},
		{property("9007199254740992"), "Resources.0.Properties.A", float64(1 << 53), ""},
		{property("-9007199254740992"), "Resources.0.Properties.A", float64(-1 << 53), ""},
		{property("9007199254740993"), "", nil, `not a number that JSON can hold exactly`},
		{property("-9007199254740993"), "", nil, `not a number that JSON can hold exactly`},
		{property("!!int x"), "", nil, `"x" is not a number`},
		{"resources: {q: {type: AWS::SQS::Queue, properties: {<<: [{A: 1}, {A: 2, B: 3}]}}}", "Resources.0.Properties", plan.Props{"A": 1.0, "B": 3.0}, ""},
		{cluster("\noutputs: {a: \"in ${network.privateSubnets}\"}"), "", nil, `is a list and cannot stand within text`},
		{"outputs: {a: !secret \"${planted\"}", "", nil, `outputs.a: "[secret]"`},
		{"outputs: {a: \"costs $${5}\"}", "Outputs.0.Value", "costs ${5}", ""},
		{group("settle: {a: b}"), "", nil, `want text, have a mapping`},
		{group("disk: {size: !secret 20}"), "", nil, `a secret cannot stand here`},
		{cluster("\nnodeGroups: {web: {instanceType: m7i.large, capacity: 0x10}}"), "", nil, `"0x10" is not a whole number`},
	} {
		s, err := section(c.text)
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%s: %v, want it refused: %s", c.text, err, c.refused)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := part(s, c.part); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %s is %#v, want %#v", c.text, c.part, got, c.want)
		}
	}
}

// An Auto Scaling group of several types, or of Spot, needs more than a launch template; EKS
// sees to that in a managed group.
func TestMixed(t *testing.T) {
	several := []string{"m6i.large"}
	for _, c := range []struct {
		group spec.NodeGroup
		want  bool
	}{
		{spec.NodeGroup{}, false},
		{spec.NodeGroup{Spot: true}, true},
		{spec.NodeGroup{OtherTypes: several}, true},
		{spec.NodeGroup{Managed: true, Spot: true, OtherTypes: several}, false},
	} {
		if got := c.group.Mixed(); got != c.want {
			t.Errorf("%+v: mixed %v", c.group, got)
		}
	}
}

// references is a stack that has what they can lead to.
const references = `oidcProvider: true
  network: {NETWORK}
nodeGroups:
  own: {kind: self-managed, instanceType: m7i.large, capacity: 1}
  eks: {kind: managed, instanceType: m7i.large, capacity: 1}
  disk: {kind: managed, instanceType: m7i.large, capacity: 1, disk: {size: 20}}
workloads:
  web:
    objects:
      - {apiVersion: v1, kind: Service, metadata: {name: web}}
      - {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web}}
      - {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web}}
      - {apiVersion: v1, kind: Service, metadata: {name: dns, namespace: default}}
      - {apiVersion: v1, kind: Service, metadata: {name: dns, namespace: kube-system}}
resources:
  queue: {type: AWS::SQS::Queue}
  view: {type: rbac.authorization.k8s.io/v1/ClusterRole, name: "shop:view"}`

// Each reference of a file leads to one of the graph; one that leads nowhere says what there is.
func TestReferencesLeadTo(t *testing.T) {
	own, there := "", "vpc: vpc-0123456789abcdef0, subnets: {private: [subnet-0123456789abcdef0]}"
	for _, c := range []struct{ network, ref, want string }{
		{own, "cluster.roleArn", "${AWS::IAM::Role/cluster:Arn}"},
		{own, "cluster.oidcProvider", "${AWS::IAM::OIDCProvider/cluster:Arn}"},
		{own, "network.vpc", "${AWS::EC2::VPC/network:VpcId}"},
		{own, "network.cidr", "${AWS::EC2::VPC/network:CidrBlock}"},
		{own, "network.publicSubnets.1", "${AWS::EC2::Subnet/public-b:SubnetId}"},
		{own, "network.publicSubnets.2", "${network.publicSubnets.2}: the network has 2 of them; take a number from 0 to 1"},
		{own, "network.gateway", "there is no \"gateway\"; outputs of the network that exist: cidr, privateSubnets, publicSubnets, vpc"},
		{there, "network.vpc", "vpc-1"},
		{there, "network.cidr", "10.0.0.0/16"},
		{there, "network.privateSubnets", "[subnet-1]"},
		{there, "network.publicSubnets.0", "${network.publicSubnets.0}: the network has none of them; name them under network.subnets"},
		{own, "nodeGroups.own.arn", "${AWS::AutoScaling::AutoScalingGroup/own:AutoScalingGroupARN}"},
		{own, "nodeGroups.eks.arn", "${AWS::EKS::Nodegroup/eks:Arn}"},
		{own, "nodeGroups.disk.launchTemplate", "${AWS::EC2::LaunchTemplate/disk:LaunchTemplateId}"},
		{own, "nodeGroups.eks.launchTemplate", "outputs of a node group that exist: arn, name, role, roleArn"},
		{own, "workloads.web.services.web.hostname", "${v1/Service/default/web:status.loadBalancer.ingress.0.hostname}"},
		{own, "workloads.web.services.web.name", "${v1/Service/default/web:metadata.name}"},
		{own, "workloads.web.ingresses.web.spec.ingressClassName", "${networking.k8s.io/v1/Ingress/default/web:spec.ingressClassName}"},
		{own, "workloads.web.networkpolicies.web.name", "${networking.k8s.io/v1/NetworkPolicy/default/web:metadata.name}"},
		{own, "workloads.web.services.dns.ip", "${workloads.web.services.dns.ip} means several objects; write default/dns for the name"},
		{own, "workloads.web.services.kube-system/dns.ip", "${v1/Service/kube-system/dns:status.loadBalancer.ingress.0.ip}"},
		{own, "workloads.wed.services.web.ip", "there is no \"wed\"; did you mean \"web\"?; workloads that exist: web"},
		{own, "resources.queue.Arn", "${AWS::SQS::Queue/queue:Arn}"},
		{own, "resources.queue", "says no output; add an output, as in ${resources.queue.Arn}, or .@name"},
		{own, "resources.queu.Arn", "resources that exist: queue, view"},
		{own, "resources.view.name", "${rbac.authorization.k8s.io/v1/ClusterRole/shop%3Aview:metadata.name}"},
		{own, "ssm:/a", "${ssm:/a}"},
		{own, "stackRef", "${stackRef} names no output; write ${stackRef.NAME.OUTPUT}"},
		{own, "config", "${config} names no value; write ${config.KEY}"},
	} {
		s, err := section("cluster:\n  version: \"1.36\"\n  " + strings.Replace(references, "NETWORK", c.network, 1))
		if err != nil {
			t.Fatal(err)
		}
		scope := s.Scope("us-west-2", []string{"us-west-2a", "us-west-2b"})
		if c.network == there {
			scope = scope.Within(&spec.Network{VPC: "vpc-1", CIDR: "10.0.0.0/16", Private: []string{"subnet-1"}})
		}
		hidden, err := scope.Tree(value.Hide(reference(t, c.ref)))
		var p *problem.Error
		if errors.As(err, &p) {
			hidden = value.Hide(fmt.Sprintf("%v; %s", err, p.Fix))
		}
		have, err := value.Reveal(hidden) // a secret stays one, and its references lead there, too
		if _, secret := hidden.(value.Secret); !secret || err != nil || !strings.HasSuffix(fmt.Sprint(have), c.want) {
			t.Errorf("%s: have %v, %v, want %s", c.ref, have, err, c.want)
		}
	}
}

func reference(t *testing.T, word string) any {
	t.Helper()
	e, err := value.Parse("${" + word + "}")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// manifest reads a stack with one manifest.
func manifest(text string) error {
	_, problems := spec.Load(fstest.MapFS{
		spec.File:  {Data: []byte("name: shop\ncluster: {version: \"1.36\"}\nworkloads:\n  w: {manifests: [w.yaml]}\n")},
		"w.yaml":   {Data: []byte(text)},
		"other.md": {Data: []byte("no manifest")},
	}, "dev")
	return problems.Err()
}

// Kubernetes' limits are told before anything is made: a name of one letter too many,
// and an object of one byte too many; what just fits passes.
func TestLimitsOfObjects(t *testing.T) {
	named := func(api, kind, name string) string {
		return fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: %q}\n", api, kind, name)
	}
	long := func(n int) string { return strings.Repeat("a", n) }
	domain := strings.Repeat(long(49)+".", 5)
	content := func(kind, field string, n int) string {
		return named("v1", kind, "x") + field + ": {k: \"" + long(n) + "\"}\n"
	}
	secret := func(n int) string {
		return named("v1", "Secret", "x") + "data: {k: " + base64.StdEncoding.EncodeToString([]byte(long(n))) + "}\n"
	}
	const most = 1 << 20
	for name, c := range map[string]struct {
		text    string
		refused bool
	}{
		"a role's name with a %":            {named("rbac.authorization.k8s.io/v1", "ClusterRole", "a%b"), true},
		"a role's name with a /":            {named("rbac.authorization.k8s.io/v1", "ClusterRole", "a/b"), true},
		"a role called .":                   {named("rbac.authorization.k8s.io/v1", "ClusterRole", "."), true},
		"a role called ..":                  {named("rbac.authorization.k8s.io/v1", "ClusterRole", ".."), true},
		"a role's name with a colon":        {named("rbac.authorization.k8s.io/v1", "ClusterRole", "system:Web"), false},
		"a namespace's longest name":        {named("v1", "Namespace", long(63)), false},
		"a namespace's name is too long":    {named("v1", "Namespace", long(64)), true},
		"a namespace's name with a dot":     {named("v1", "Namespace", "a.b"), true},
		"a Service's longest name":          {named("v1", "Service", long(63)), false},
		"a Service's name is too long":      {named("v1", "Service", long(64)), true},
		"a ConfigMap's longest name":        {named("v1", "ConfigMap", domain+"abc"), false},
		"a ConfigMap's name is too long":    {named("v1", "ConfigMap", domain+"abcd"), true},
		"a ConfigMap's name with a _":       {named("v1", "ConfigMap", "a_b"), true},
		"a ConfigMap that is full":          {content("ConfigMap", "data", most-1), false}, // its key counts, too
		"a ConfigMap that is too full":      {content("ConfigMap", "data", most), true},
		"a ConfigMap of bytes, in base64":   {content("ConfigMap", "binaryData", most), false},
		"a Secret that is full":             {secret(most - 300), false},
		"a Secret that is too full":         {secret(most + 300), true},
		"a Secret's text that is too full":  {content("Secret", "stringData", most), true},
		"another object that is full":       {named("example.com/v1", "Thing", "x") + "spec: [\"" + long(3<<19-100) + "\"]\n", false},
		"another object that is too large":  {named("example.com/v1", "Thing", "x") + "spec: [\"" + long(3<<19) + "\"]\n", true},
		"several texts are large together":  {named("example.com/v1", "Thing", "x") + "spec: [\"" + long(1<<20) + "\", {k: \"" + long(1<<20) + "\"}]\n", true},
		"keys count as text":                {named("example.com/v1", "Thing", "x") + "spec: {? \"" + long(3<<19) + "\" : 1}\n", true},
		"numbers count as nothing that big": {named("example.com/v1", "Thing", "x") + "spec: {a: 1, b: true, c: null}\n", false},
	} {
		if err := manifest(c.text); (err != nil) != c.refused {
			text := fmt.Sprint(err)
			t.Errorf("%s: %.300s", name, text)
		}
	}
}
