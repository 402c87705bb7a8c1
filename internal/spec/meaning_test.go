package spec_test

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/droverhq/drover/internal/spec"
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
