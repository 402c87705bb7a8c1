package expand_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/droverhq/drover/internal/expand"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/value"
)

// schemas are AWS's own, as the sandbox's endpoint has them.
const schemas = "../../sandbox/internal/aws/cloudcontrol/schemas"

// Every property of every AWS resource must be one that its type has, of the
// right type, and none that only AWS may write: Cloud Control would refuse it
// in the middle of an up.
func TestAWSTypes(t *testing.T) {
	everything := load(t, fstest.MapFS{"drover.yaml": {Data: []byte(`
name: all
cluster:
  version: "1.36"
  network: {cidr: 10.0.0.0/20, natGateways: perZone}
  logs: [api]
  addons: {vpc-cni: default, coredns: {configuration: {replicaCount: 2}}, eks-pod-identity-agent: default, aws-ebs-csi-driver: v1.56.0-eksbuild.1}
nodeGroups:
  gpu: {kind: self-managed, instanceType: p5.48xlarge, capacity: {desired: 0, min: 0, max: 1}, labels: {team: "x"}}
  arm:
    kind: self-managed
    instanceType: m7g.large
    ami: ami-0123456789abcdef0
    capacity: 2
    taints: ["a:NoExecute", "b=c:PreferNoSchedule"]
  managed:
    {kind: managed, instanceType: m7g.large, capacity: {desired: 0, max: 1}, release: 1.36.3-20261101, update: eks, capacityType: spot, labels: {team: x}, taints: ["a:NoExecute", "b=c:NoSchedule"]}
  templated: {kind: managed, instanceType: m7i.large, capacity: 2, ami: ami-0123456789abcdef0, labels: {team: x}}
`)}}, oregon)
	for _, r := range slices.Concat(example(t).Resources, everything.Resources, nodesGraph(t, "ami-1").Resources) {
		if strings.Contains(r.Type, "::") {
			t.Run(r.String(), func(t *testing.T) { checkType(t, r) })
		}
	}
}

// later stands for what only AWS will tell.
const later = "known-later"

func checkType(t *testing.T, r graph.Resource) {
	name := strings.ToLower(strings.ReplaceAll(r.Type, "::", "-")) + ".json"
	data, err := os.ReadFile(filepath.Join(schemas, name))
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := value.Resolve(r.Props, func(value.Ref) (any, error) { return later, nil })
	if err != nil {
		t.Fatal(err)
	}
	props := resolved.(map[string]any)
	if r.NameProperty != "" {
		props[r.NameProperty] = "name-0123456"
	}
	v := validator{definitions: s.Definitions}
	v.check(&s, props, "")
	for _, path := range s.ReadOnly {
		if _, set := value.Get(props, strings.ReplaceAll(strings.TrimPrefix(path, "/properties/"), "/", ".")); set {
			v.fail(path, "is read-only")
		}
	}
	for _, p := range v.problems {
		t.Error(p)
	}
}

// schema is what is used here of JSON schema.
type schema struct {
	Type        any                `json:"type"` // a string, or a list of them
	Ref         string             `json:"$ref"`
	Properties  map[string]*schema `json:"properties"`
	Required    []string           `json:"required"`
	Items       *schema            `json:"items"`
	Enum        []any              `json:"enum"`
	Pattern     string             `json:"pattern"`
	MaxLength   int                `json:"maxLength"`
	Definitions map[string]*schema `json:"definitions"`
	ReadOnly    []string           `json:"readOnlyProperties"`
}

type validator struct {
	definitions map[string]*schema
	problems    []string
}

func (v *validator) fail(path, format string, args ...any) {
	v.problems = append(v.problems, path+": "+fmt.Sprintf(format, args...))
}

func (v *validator) check(s *schema, value any, path string) {
	if s.Ref != "" {
		s = v.definitions[strings.TrimPrefix(s.Ref, "#/definitions/")]
	}
	types, ok := s.Type.([]any)
	if !ok && s.Type != nil {
		types = []any{s.Type}
	}
	if len(types) > 0 && !slices.Contains(types, jsonType(value)) {
		v.fail(path, "is a %v, want %v", jsonType(value), types)
		return
	}
	switch value := value.(type) {
	case map[string]any:
		v.object(s, value, path)
	case []any:
		for i, item := range value {
			if s.Items != nil {
				v.check(s.Items, item, fmt.Sprintf("%s[%d]", path, i))
			}
		}
	case string:
		if s.Pattern != "" && !strings.Contains(value, later) && !regexp.MustCompile(s.Pattern).MatchString(value) {
			v.fail(path, "%q does not match %s", value, s.Pattern)
		}
		if s.MaxLength > 0 && len(value) > s.MaxLength {
			v.fail(path, "%q is longer than %d", value, s.MaxLength)
		}
	}
	if s.Enum != nil && !slices.Contains(s.Enum, value) {
		v.fail(path, "%v is none of %v", value, s.Enum)
	}
}

func (v *validator) object(s *schema, value map[string]any, path string) {
	for _, name := range s.Required {
		if _, ok := value[name]; !ok {
			v.fail(path, "%s is missing", name)
		}
	}
	for name, e := range value {
		switch p, ok := s.Properties[name]; {
		case ok:
			v.check(p, e, path+"/"+name)
		case s.Properties != nil:
			v.fail(path, "%s is not a property", name)
		}
	}
}

// jsonType is whole numbers' "integer": no property here takes others.
func jsonType(v any) any {
	switch v.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "array"
	case bool:
		return "boolean"
	case float64:
		return "integer"
	case string:
		return "string"
	}
	return fmt.Sprintf("%T", v)
}

// A range that is too small for the region's zones is found before anything
// is created, and the subnets never overlap.
func TestZones(t *testing.T) {
	project := func(cidr string) fstest.MapFS {
		return fstest.MapFS{"drover.yaml": {Data: []byte("name: n\ncluster: {version: \"1.36\", network: {cidr: " + cidr + "}}\n")}}
	}
	for _, c := range []struct {
		cidr  string
		zones string
		want  string // "" if it fits
	}{
		{"10.0.0.0/26", "ab", ""},
		{"10.0.0.0/26", "abc", "drover.yaml:2: cluster.network.cidr: 10.0.0.0/26 is too small for a public and a private subnet in 3 zones: " +
			"each would be a /29, and AWS makes none below /28"},
		{"10.0.0.0/24", "abcdef", ""},
		{"10.0.0.0/16", "a", "drover.yaml:2: cluster.network.cidr: the region has 1 usable zones; EKS wants 2"},
	} {
		env := expand.Env{Region: "us-west-2"}
		for _, letter := range c.zones {
			env.Zones = append(env.Zones, "us-west-2"+string(letter))
		}
		problems := expandProblems(t, project(c.cidr), env)
		if got := problems.Error(); got != c.want {
			t.Errorf("%s, zones %s:\n have %s\n want %s", c.cidr, c.zones, got, c.want)
		}
		for _, p := range problems {
			if p.Fix == "" {
				t.Errorf("no remedy for: %s", p)
			}
		}
	}
}
