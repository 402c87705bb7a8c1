package engine_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/expand"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/plan"
)

var updateGolden = flag.Bool("update", false, "write the golden files anew")

// nodes is a node group of the tutorial.
type nodes struct {
	name, instanceType, version string
	capacity                    int
}

// tutorial is the graph of the example: network, cluster, node groups, and
// nginx placed on one of them.
func tutorial(nginxOn string, groups ...nodes) *graph.Graph {
	g := &graph.Graph{Stack: stackName, Project: projectName}
	add := func(component, typ, name string, props plan.Props) *graph.Resource {
		g.Resources = append(g.Resources, graph.Resource{Key: graph.Key{Type: typ, Name: name}, Component: component, Props: props})
		return &g.Resources[len(g.Resources)-1]
	}
	vpc := add("network", "AWS::EC2::VPC", "main", plan.Props{"fixedCidr": "172.16.0.0/16"}).Key
	var subnets []any
	for _, zone := range []string{"a", "b", "c"} {
		s := add("network", "AWS::EC2::Subnet", "private-"+zone, plan.Props{"fixedVpc": vpc.To("Id")}).Key
		subnets = append(subnets, s.To("Id"))
	}
	add("cluster", "AWS::IAM::Role", "cluster", plan.Props{}).NameProperty = "RoleName"
	cluster := add("cluster", "AWS::EKS::Cluster", "shop", plan.Props{"subnets": subnets})
	cluster.NameProperty = "Name"
	conn := plan.Props{"cluster": cluster.To(graph.NamePath)}
	placement := map[string]any{}
	for _, n := range groups {
		part := func(typ string, props plan.Props) *graph.Resource {
			r := add("nodegroup/"+n.name, typ, n.name, props)
			r.NameProperty = "name"
			r.Generation = plan.Props{"instanceType": n.instanceType, "version": n.version}
			return r
		}
		role := part("AWS::IAM::Role", plan.Props{}).Key
		profile := part("AWS::IAM::InstanceProfile", plan.Props{"role": role.To(graph.NamePath)}).Key
		lt := part("AWS::EC2::LaunchTemplate", plan.Props{"profile": profile.To("Id"), "type": n.instanceType, "version": n.version}).Key
		asg := part("AWS::AutoScaling::AutoScalingGroup", plan.Props{
			"template": lt.To("Id"), "templateVersion": lt.To("version"), "DesiredCapacity": fmt.Sprint(n.capacity)})
		asg.Hosts = &graph.Hosts{Nodes: n.capacity, Type: n.instanceType, Conn: conn}
		placement[n.name] = asg.To(graph.NamePath)
	}
	object := func(component, typ, name string, props plan.Props) *graph.Resource {
		r := add(component, typ, name, props)
		r.Conn = conn
		return r
	}
	ns := object("workload/nginx", "v1/Namespace", "apps", plan.Props{"kind": "Namespace"}).Key
	object("workload/nginx", "v1/Service", "apps/nginx", plan.Props{"kind": "Service"}).After = []graph.Key{ns}
	object("workload/nginx", "apps/v1/Deployment", "apps/nginx", plan.Props{"spec": map[string]any{"template": map[string]any{
		"nodeSelector": map[string]any{"drover.dev/nodegroup": placement[nginxOn]}}}}).After = []graph.Key{ns}
	return g
}

// Every plan that a user meets on the way through the tutorial, as it is
// printed, carried out one after the other.
func TestPlansReadWell(t *testing.T) {
	standard := nodes{"standard", "t2.medium", "1.36", 3}
	old := nodes{"web", "t3.2xlarge", "1.35", 3}
	now := nodes{"web", "c5.4xlarge", "1.36", 5}
	none := old
	none.capacity = 0
	next := nodes{"next", "c5.4xlarge", "1.36", 5}
	w := newWorld(t)
	w.cloud.inspect = func(h engine.Host, keep int) engine.Inspection {
		if strings.HasPrefix(h.Name, "standard") {
			return engine.Inspection{}
		}
		return engine.Inspection{Nodes: 3 - min(keep, 2), Pods: 4, Balancers: 1}
	}
	for _, step := range []struct {
		name string
		g    *graph.Graph
	}{
		{"initial", tutorial("web", standard, old)},
		{"change", tutorial("web", standard, now)},
		{"removal", tutorial("standard", standard)},
		{"again", tutorial("standard", standard, old)},
		{"manual-1-add", tutorial("standard", standard, old, next)},
		{"manual-2-point", tutorial("next", standard, old, next)},
		{"manual-3-shrink", tutorial("next", standard, none, next)},
		{"manual-4-remove", tutorial("next", standard, next)},
		{"shrink", tutorial("next", standard, nodes{"next", "c5.4xlarge", "1.36", 2})},
		{"grow", tutorial("next", standard, nodes{"next", "c5.4xlarge", "1.36", 4})},
		{"destroy", nil},
	} {
		p := w.mustRun(step.g)
		golden(t, step.name, p)
	}
}

// An upgrade by one minor: the control plane first, then the add-ons that follow
// it and the node groups, each beside its old one.
func TestUpgradeReadsWell(t *testing.T) {
	w := newWorld(t)
	w.cloud.attributes = []string{"Arn", "Endpoint", "CertificateAuthorityData", "ClusterSecurityGroupId", "KubernetesNetworkConfig.ServiceIpv4Cidr",
		"LaunchTemplateId", "LatestVersionNumber"}
	if _, err := w.run(upgraded(t, "1.35"), new(faults)); err != nil {
		t.Fatal(err)
	}
	p, err := w.run(upgraded(t, "1.36"), new(faults))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "upgrade", p)
}

// upgraded is the graph of a cluster as people have them, at a version.
func upgraded(t *testing.T, version string) *graph.Graph {
	t.Helper()
	file := fmt.Sprintf(`
name: shop
cluster:
  version: %q
  network: {vpc: vpc-0123456789abcdef0, subnets: {private: [subnet-0000000000000001a, subnet-0000000000000001b], public: [subnet-0000000000000000a, subnet-0000000000000000b]}}
  addons: {vpc-cni: {version: v1.20.4-eksbuild.1}, kube-proxy: {version: v%s.0-eksbuild.2}, coredns: {version: v%s.1-eksbuild.1}}
nodeGroups:
  standard: {kind: self-managed, instanceType: m7i.large, capacity: 3}
  web: {kind: self-managed, instanceType: c7i.xlarge, capacity: {desired: 3, min: 3, max: 6}}
workloads:
  nginx: {manifests: ./nginx, nodeGroup: web}
`, version, version, version)
	s, problems := spec.Load(fstest.MapFS{spec.File: {Data: []byte(file)}, "nginx/deployment.yaml": {Data: []byte(deployment)}}, "dev")
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	g, problems := expand.Graph(s, expand.Env{Region: "us-west-2", Zones: []string{"us-west-2a", "us-west-2b"},
		Network: &spec.Network{VPC: "vpc-0123456789abcdef0", CIDR: "10.42.0.0/16", Public: []string{"subnet-0000000000000000a", "subnet-0000000000000000b"}, Private: []string{"subnet-0000000000000001a", "subnet-0000000000000001b"}}})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return g
}

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: nginx, namespace: default}
spec:
  replicas: 3
  selector: {matchLabels: {app: nginx}}
  template:
    metadata: {labels: {app: nginx}}
    spec: {containers: [{name: nginx, image: nginx}]}
`

func golden(t *testing.T, name string, p plan.Plan) {
	t.Helper()
	var b strings.Builder
	if err := plan.Text(&b, p); err != nil {
		t.Fatal(err)
	}
	got := masked(b.String())
	file := filepath.Join("testdata", name+".txt")
	if *updateGolden {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%swant\n%s(go test ./internal/engine -update, if the new one is better)", name, got, want)
	}
}

var suffixes = regexp.MustCompile(`-[0-9a-f]{7}\b`)

// masked gives the random suffixes numbers, in the order in which they appear.
func masked(text string) string {
	seen := map[string]string{}
	return suffixes.ReplaceAllStringFunc(text, func(s string) string {
		if seen[s] == "" {
			seen[s] = "-" + strings.Repeat(fmt.Sprint(len(seen)+1), 7)
		}
		return seen[s]
	})
}
