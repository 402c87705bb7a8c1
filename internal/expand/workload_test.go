package expand_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"github.com/droverhq/drover/internal/expand"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

func expandProblems(t *testing.T, project fs.FS, env expand.Env) problem.List {
	t.Helper()
	s, problems := spec.Load(project, "dev")
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	_, problems = expand.Graph(s, env)
	return problems
}

func find(t *testing.T, g *graph.Graph, key string) graph.Resource {
	t.Helper()
	for _, r := range g.Resources {
		if r.String() == key {
			return r
		}
	}
	t.Fatalf("the graph has no %s", key)
	return graph.Resource{}
}

// An object of a manifest is protected by its annotation, which must say clearly so.
func TestProtectedObject(t *testing.T) {
	project := func(protect string) fs.FS {
		return fstest.MapFS{
			"drover.yaml": {Data: []byte("name: n\ncluster: {version: \"1.36\"}\nworkloads: {w: {manifests: w.yaml}}\n")},
			"w.yaml":      {Data: []byte(`{apiVersion: v1, kind: ConfigMap, metadata: {name: kept, namespace: default, annotations: {drover.dev/protect: ` + protect + `}}}`)},
		}
	}
	for protect, want := range map[string]bool{`"true"`: true, `"false"`: false} {
		if got := find(t, load(t, project(protect), expand.Env{Region: "us-west-2", Zones: []string{"us-west-2a", "us-west-2b"}}), "v1/ConfigMap/default/kept").Protect; got != want {
			t.Errorf("%s: protected %v", protect, got)
		}
	}
	for _, protect := range []string{"yes", `"yes"`, "true"} {
		if _, problems := spec.Load(project(protect), "dev"); problems.Err() == nil || problems[0].At.File != "w.yaml" {
			t.Errorf("%s: %v", protect, problems)
		}
	}
}

// What a manifest says itself about placement stands; the rest is added to
// every kind that makes pods, and to no other.
func TestPlacement(t *testing.T) {
	const pod = `{containers: [{name: a, image: a}]}`
	g := load(t, fstest.MapFS{
		"drover.yaml": {Data: []byte(`
name: n
cluster: {version: "1.36"}
nodeGroups: {web: {kind: self-managed, instanceType: m7i.large, capacity: 1, taints: ["nginx=true:NoSchedule", "x:NoExecute"]}}
workloads: {w: {manifests: w.yaml, nodeGroup: web}}
`)},
		"w.yaml": {Data: []byte(strings.Join([]string{
			`{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: ` + pod + `}`,
			`{apiVersion: batch/v1, kind: CronJob, metadata: {name: c}, spec: {jobTemplate: {spec: {template: {spec: ` + pod + `}}}}}`,
			`{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: s}, spec: {template: {spec: {nodeSelector: {drover.dev/nodegroup: own}, ` +
				`tolerations: [{key: nginx, operator: Exists}], containers: []}}}}`,
			`{apiVersion: apps.kruise.io/v1alpha1, kind: CloneSet, metadata: {name: clones, namespace: default}, spec: {template: {spec: ` + pod + `}}}`,
			`{apiVersion: batch.volcano.sh/v1alpha1, kind: Job, metadata: {name: gang, namespace: default}, spec: {template: {spec: ` + pod + `}}}`,
			`{apiVersion: v1, kind: Service, metadata: {name: svc}, spec: {ports: []}}`,
		}, "\n---\n"))},
	}, oregon)

	placed := `{"drover.dev/nodegroup":"${AWS::AutoScaling::AutoScalingGroup/web:@name}"}`
	both := `[{"effect":"NoSchedule","key":"nginx","operator":"Equal","value":"true"},{"effect":"NoExecute","key":"x","operator":"Equal","value":""}]`
	for _, c := range []struct{ key, spec, selector, tolerations string }{
		{"v1/Pod/default/p", "spec", placed, both},
		{"batch/v1/CronJob/default/c", "spec.jobTemplate.spec.template.spec", placed, both},
		{"apps/v1/StatefulSet/default/s", "spec.template.spec", `{"drover.dev/nodegroup":"own"}`,
			`[{"key":"nginx","operator":"Exists"},{"effect":"NoExecute","key":"x","operator":"Equal","value":""}]`},
		{"apps.kruise.io/v1alpha1/CloneSet/default/clones", "spec.template.spec", placed, both},
		{"batch.volcano.sh/v1alpha1/Job/default/gang", "spec.template.spec", "null", "null"}, // not batch's
		{"v1/Service/default/svc", "spec", "null", "null"},
	} {
		for path, want := range map[string]string{"nodeSelector": c.selector, "tolerations": c.tolerations} {
			v, _ := value.Get(find(t, g, c.key).Props, c.spec+"."+path)
			if got, _ := json.Marshal(v); string(got) != want {
				t.Errorf("%s %s:\n have %s\n want %s", c.key, path, got, want)
			}
		}
	}
}

// Taken in the order that Sorted gives, destroy runs it backwards: pods before
// their nodes and their rights, a load balancer before the network it is in.
func TestOrder(t *testing.T) {
	g := example(t)
	sorted, err := g.Sorted()
	if err != nil {
		t.Fatal(err)
	}
	at := func(key string) int {
		return slices.IndexFunc(sorted, func(r graph.Resource) bool { return r.String() == key })
	}
	for _, c := range [][2]string{
		{"v1/Namespace/apps", "v1/ServiceAccount/apps/nginx"},
		{"v1/ServiceAccount/apps/nginx", "apps/v1/Deployment/apps/nginx"},
		{"rbac.authorization.k8s.io/v1/ClusterRoleBinding/nginx-ingress", "apps/v1/Deployment/apps/nginx"},
		{"AWS::AutoScaling::AutoScalingGroup/standard", "apps/v1/Deployment/apps/echoserver"},
		{"AWS::AutoScaling::AutoScalingGroup/web", "apps/v1/Deployment/apps/nginx"},
		{"AWS::EC2::SubnetRouteTableAssociation/public-a", "v1/Service/apps/nginx"},
		{"AWS::EC2::VPCGatewayAttachment/network", "AWS::EC2::NatGateway/private"},
		{"AWS::EC2::Route/private", "AWS::AutoScaling::AutoScalingGroup/web"},
		{"AWS::EKS::AccessEntry/web", "AWS::AutoScaling::AutoScalingGroup/web"},
	} {
		if at(c[0]) < 0 || at(c[0]) >= at(c[1]) {
			t.Errorf("%s must come before %s", c[0], c[1])
		}
	}
}

// The load balancer that the AWS Load Balancer Controller makes for an Ingress goes
// before the network that it is in; others make none.
func TestOrderOfIngresses(t *testing.T) {
	g := load(t, fstest.MapFS{
		"drover.yaml": {Data: []byte("name: n\ncluster: {version: \"1.36\"}\nnodeGroups: {web: {kind: self-managed, instanceType: m7i.large, capacity: 1}}\nworkloads: {w: {manifests: w.yaml}}\n")},
		"w.yaml": {Data: []byte(`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: a, namespace: default, annotations: {alb.ingress.kubernetes.io/scheme: internal}}, spec: {}}` +
			"\n---\n" + `{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: b, namespace: default}, spec: {}}`)},
	}, expand.Env{Region: "us-west-2", Zones: []string{"us-west-2a", "us-west-2b"}})
	for name, want := range map[string]bool{"a": true, "b": false} {
		after := find(t, g, "networking.k8s.io/v1/Ingress/default/"+name).After
		for _, key := range []string{"AWS::EC2::SubnetRouteTableAssociation/public-a", "AWS::AutoScaling::AutoScalingGroup/web"} {
			if got := slices.ContainsFunc(after, func(k graph.Key) bool { return k.String() == key }); got != want {
				t.Errorf("%s after %s: %t", name, key, got)
			}
		}
	}
}

// A property that differs from itself once the state has been written and read
// back would make a change at every up.
func TestPropsCanBeStored(t *testing.T) {
	for _, r := range example(t).Resources {
		for _, props := range []map[string]any{r.Props, r.Conn, r.Generation} {
			stored, err := value.Encode(props)
			if err != nil {
				t.Fatal(err)
			}
			data, err := json.Marshal(stored)
			if err != nil {
				t.Fatal(err)
			}
			var back map[string]any
			if err := json.Unmarshal(data, &back); err != nil {
				t.Fatal(err)
			}
			if back, err = value.Decode(back); err != nil || !value.Equal(props, back) {
				t.Errorf("%s does not come back as it was: %v", r.Key, props)
			}
		}
	}
}

// Subnets lie within the VPC and apart from each other, and a further zone
// moves none of them as long as the blocks last.
func TestLayout(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.IntRange(16, 24).Draw(rt, "size")
		n := rapid.IntRange(2, 6).Draw(rt, "zones")
		vpc := netip.PrefixFrom(netip.MustParseAddr("10.7.0.0"), size)
		env := expand.Env{Region: "r-1"}
		for i := range n {
			env.Zones = append(env.Zones, "r-1"+string(rune('a'+i)))
		}
		g := load(t, fstest.MapFS{"drover.yaml": {Data: []byte(
			"name: n\ncluster: {version: \"1.36\", network: {cidr: " + vpc.String() + "}}")}}, env)
		var all []netip.Prefix
		for _, r := range g.Resources {
			if r.Type == "AWS::EC2::Subnet" {
				all = append(all, netip.MustParsePrefix(r.Props["CidrBlock"].(string)))
			}
		}
		if len(all) != 2*n {
			rt.Fatalf("%d subnets, want %d", len(all), 2*n)
		}
		for i, a := range all {
			if !vpc.Overlaps(a) || a.Bits() < vpc.Bits() || a != a.Masked() {
				rt.Errorf("%s is not a range within %s", a, vpc)
			}
			for _, b := range all[i+1:] {
				if a.Overlaps(b) {
					rt.Errorf("%s and %s overlap", a, b)
				}
			}
		}
	})
}

// References in outputs, raw resources and manifests lead to the right
// properties; other programs' "${" in a manifest stays as it is.
func TestReferences(t *testing.T) {
	g := load(t, fstest.MapFS{
		"drover.dev.yaml": {Data: []byte("config:\n  aws:region: us-west-2\n  replicas: 4\n  odd: 'a${b}'\n")},
		"drover.yaml": {Data: []byte(`
name: n
cluster: {version: "1.36"}
nodeGroups: {web: {kind: self-managed, instanceType: m7i.large, capacity: "${config.replicas}"}}
workloads: {w: {manifests: w.yaml}}
resources:
  queue: {type: AWS::SQS::Queue, name: orders, properties: {Tags: [{Key: vpc, Value: "in ${network.vpc}"}]}}
  db: {type: AWS::RDS::DBSubnetGroup, properties: {SubnetIds: "${network.privateSubnets}"}, dependsOn: [nodeGroups.web, resources.queue]}
  settings: {type: v1/ConfigMap, properties: {data: {queue: "${resources.queue.QueueUrl}"}}}
outputs:
  subnet: ${network.publicSubnets.1}
  role: ${nodeGroups.web.role}
  literal: $${HOME} ${config.odd}
  host: ${workloads.w.services.web.hostname}
  map: ${resources.settings.metadata.uid}
`)},
		"w.yaml": {Data: []byte(`
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, annotations: {replicas: "${config.replicas}"}}
spec:
  ports:
    - port: ${config.replicas}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: script}
data: {run: 'echo ${HOME:-/} ${endpoint} ${cluster.endpoint}'}
`)},
	}, oregon)
	for path, want := range map[string]any{
		"AWS::SQS::Queue/queue Tags.0.Value":                     "in ${AWS::EC2::VPC/network:VpcId}",
		"AWS::RDS::DBSubnetGroup/db SubnetIds.2":                 "${AWS::EC2::Subnet/private-c:SubnetId}",
		"v1/ConfigMap/default/settings data.queue":               "${AWS::SQS::Queue/queue:QueueUrl}",
		"v1/Service/shop/web metadata.annotations.replicas":      "4",
		"v1/Service/shop/web spec.ports.0.port":                  float64(4),
		"v1/ConfigMap/default/script data.run":                   "echo $${HOME:-/} $${endpoint} ${AWS::EKS::Cluster/cluster:Endpoint}",
		"AWS::AutoScaling::AutoScalingGroup/web DesiredCapacity": "4",
	} {
		key, property, _ := strings.Cut(path, " ")
		if got, _ := value.Get(find(t, g, key).Props, property); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: have %v, want %v", path, got, want)
		}
	}
	outputs := make(map[string]any)
	for _, o := range g.Outputs {
		outputs[o.Name] = o.Value
	}
	for name, want := range map[string]string{
		"subnet":  "${AWS::EC2::Subnet/public-b:SubnetId}",
		"role":    "${AWS::IAM::Role/web:@name}",
		"literal": "${HOME} a${b}",
		"host":    "${v1/Service/shop/web:status.loadBalancer.ingress.0.hostname}",
		"map":     "${v1/ConfigMap/default/settings:metadata.uid}",
	} {
		if got := fmt.Sprint(outputs[name]); got != want {
			t.Errorf("output %s: have %s, want %s", name, got, want)
		}
	}
	db := find(t, g, "AWS::RDS::DBSubnetGroup/db")
	if needs := db.Needs(); !slices.Contains(needs, spec.NodeGroup{Name: "web"}.Key()) || !slices.Contains(needs, graph.Key{Type: "AWS::SQS::Queue", Name: "queue"}) {
		t.Errorf("db needs %v, want its after too", needs)
	}
	if queue := find(t, g, "AWS::SQS::Queue/queue"); queue.NameProperty != "QueueName" || queue.BaseName != "orders" {
		t.Errorf("the queue is named by %q from %q", queue.NameProperty, queue.BaseName)
	}
}

// Options reach what they are about: all parts of a group were called by its
// old name, and only the nodes wait; all objects of a workload take its options.
func TestOptions(t *testing.T) {
	g := load(t, fstest.MapFS{
		"drover.yaml": {Data: []byte(`
name: n
cluster: {version: "1.36", protect: true, timeouts: {create: 40m}, dependsOn: [resources.queue]}
nodeGroups: {web: {kind: self-managed, instanceType: m7i.large, capacity: 1, aliases: [old], dependsOn: [resources.queue], protect: true}}
workloads: {w: {manifests: w.yaml, protect: true, dependsOn: [resources.queue], timeouts: {update: 1h}}}
resources:
  queue: {type: AWS::SQS::Queue, ignoreChanges: [DelaySeconds], retainOnDelete: true, deleteBeforeReplace: true}
`)},
		"w.yaml": {Data: []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {}\n")},
	}, oregon)
	queue := graph.Key{Type: "AWS::SQS::Queue", Name: "queue"}
	for _, r := range g.Resources {
		if r.Component == "nodegroup/web" && (len(r.Options.Aliases) != 1 || r.Options.Aliases[0] != graph.Key{Type: r.Type, Name: "old"}) {
			t.Errorf("%s was called %v", r.Key, r.Options.Aliases)
		}
		if waits := slices.Contains(r.After, queue); r.Component == "nodegroup/web" && waits != (r.Hosts != nil) {
			t.Errorf("%s waits: %v", r.Key, waits)
		}
	}
	for _, key := range []string{"AWS::EKS::Cluster/cluster", "v1/ConfigMap/default/c", "AWS::AutoScaling::AutoScalingGroup/web"} {
		if r := find(t, g, key); !r.Protect || !slices.Contains(r.After, queue) {
			t.Errorf("%s: protected %v, after %v", key, r.Protect, r.After)
		}
	}
	if o := find(t, g, "AWS::SQS::Queue/queue").Options; !o.Retain || !o.DeleteFirst || len(o.IgnoreChanges) != 1 {
		t.Errorf("the queue has %+v", o)
	}
	if c, w := find(t, g, "AWS::EKS::Cluster/cluster"), find(t, g, "v1/ConfigMap/default/c"); c.Options.Create != 40*time.Minute || w.Options.Update != time.Hour {
		t.Errorf("timeouts: %+v, %+v", c.Options, w.Options)
	}
}
