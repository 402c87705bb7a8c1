package aws

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/droverhq/drover/internal/aws/internal/schema"
)

func embeddedFacts(t testing.TB, typ string) schema.Facts {
	t.Helper()
	f, ok := newCatalog(nil).known[typ]
	if !ok {
		t.Fatalf("facts.json does not hold %s", typ)
	}
	return f
}

// The pitfalls of Cloud Control updates, one a row.
func TestPatch(t *testing.T) {
	tests := []struct{ name, typ, old, want, live, patch string }{
		{"a set is an add, a vanished property a remove", "AWS::IAM::Role",
			`{"Description":"a","MaxSessionDuration":3600}`, `{"Description":"b"}`,
			`{"Description":"a","MaxSessionDuration":3600,"Arn":"arn"}`,
			`[{"op":"add","path":"/Description","value":"b"},{"op":"remove","path":"/MaxSessionDuration"}]`},
		{"what is not there cannot be removed", "AWS::IAM::Role",
			`{"MaxSessionDuration":3600}`, `{}`, `{}`, `null`},
		{"fixed properties are not touched", "AWS::IAM::Role",
			`{"RoleName":"a","Description":"a"}`, `{"RoleName":"b","Description":"b"}`, `{"RoleName":"a"}`,
			`[{"op":"add","path":"/Description","value":"b"}]`},
		{"beside a fixed member, members are set one by one", "AWS::EKS::Cluster",
			`{"KubernetesNetworkConfig":{"IpFamily":"ipv4","ElasticLoadBalancing":{"Enabled":false}}}`,
			`{"KubernetesNetworkConfig":{"IpFamily":"ipv4","ElasticLoadBalancing":{"Enabled":true}}}`,
			`{"KubernetesNetworkConfig":{"IpFamily":"ipv4","ServiceIpv4Cidr":"10.100.0.0/16"}}`,
			`[{"op":"add","path":"/KubernetesNetworkConfig/ElasticLoadBalancing","value":{"Enabled":true}}]`},
		{"what is never read back is sent again", "AWS::EKS::Addon",
			`{"AddonVersion":"1","ResolveConflicts":"OVERWRITE"}`, `{"AddonVersion":"2","ResolveConflicts":"OVERWRITE"}`, `{"AddonVersion":"1"}`,
			`[{"op":"add","path":"/AddonVersion","value":"2"},{"op":"add","path":"/ResolveConflicts","value":"OVERWRITE"}]`},
		{"but not alone", "AWS::EKS::Addon",
			`{"ResolveConflicts":"OVERWRITE"}`, `{"ResolveConflicts":"OVERWRITE"}`, `{}`, `null`},
		{"a list with such a member is sent whole", "AWS::EC2::SecurityGroup",
			`{"SecurityGroupIngress":[{"SourceSecurityGroupName":"a"}]}`,
			`{"SecurityGroupIngress":[{"SourceSecurityGroupName":"a"}],"SecurityGroupEgress":[]}`, `{"SecurityGroupIngress":[{}]}`,
			`[{"op":"add","path":"/SecurityGroupEgress","value":[]},{"op":"add","path":"/SecurityGroupIngress","value":[{"SourceSecurityGroupName":"a"}]}]`},
		{"a group's launch template is read by ID and name, and refused so", "AWS::AutoScaling::AutoScalingGroup",
			`{"MaxSize":"3","LaunchTemplate":{"LaunchTemplateId":"lt-1","Version":"1"}}`,
			`{"MaxSize":"5","LaunchTemplate":{"LaunchTemplateId":"lt-1","Version":"1"}}`,
			`{"MaxSize":"3","LaunchTemplate":{"LaunchTemplateId":"lt-1","LaunchTemplateName":"web","Version":"1"}}`,
			`[{"op":"add","path":"/MaxSize","value":"5"},{"op":"add","path":"/LaunchTemplate","value":{"LaunchTemplateId":"lt-1","Version":"1"}}]`},
		{"tags of others stay, AWS's own are not sent back", "AWS::EC2::Subnet",
			`{"Tags":[{"Key":"a","Value":"1"},{"Key":"gone","Value":"1"}]}`, `{"Tags":[{"Key":"a","Value":"2"}]}`,
			`{"Tags":[{"Key":"a","Value":"1"},{"Key":"gone","Value":"1"},{"Key":"k8s","Value":"x"},{"Key":"aws:x","Value":"y"}]}`,
			`[{"op":"add","path":"/Tags","value":[{"Key":"a","Value":"2"},{"Key":"k8s","Value":"x"}]}]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := patch{facts: embeddedFacts(t, tt.typ), resend: resends[tt.typ],
				old: parse(t, tt.old), want: parse(t, tt.want)}
			got, err := json.Marshal(p.operations(parse(t, tt.live)))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.patch {
				t.Errorf("got  %s\nwant %s", got, tt.patch)
			}
		})
	}
}

// What updates with an unknown end may have set goes if it is not wanted, a tag,
// too; what a service or somebody else has set stays.
func TestPatchTakesBackWhatMayHaveBeenSet(t *testing.T) {
	p := patch{facts: embeddedFacts(t, "AWS::EC2::Subnet"), old: parse(t, `{"CidrBlock":"10.0.0.0/24"}`),
		want: parse(t, `{"CidrBlock":"10.0.0.0/24","Tags":[{"Key":"a","Value":"1"}]}`),
		maybe: []map[string]any{parse(t, `{"CidrBlock":"10.0.0.0/24","EnableDns64":true,"Tags":[{"Key":"a","Value":"1"},{"Key":"begun","Value":"1"}]}`),
			parse(t, `{"EnableDns64":false,"Tags":[{"Key":"before","Value":"1"}]}`)}}
	live := parse(t, `{"CidrBlock":"10.0.0.0/24","EnableDns64":true,"AssignIpv6AddressOnCreation":false,
		"Tags":[{"Key":"begun","Value":"1"},{"Key":"before","Value":"1"},{"Key":"k8s","Value":"x"}]}`)
	got, err := json.Marshal(p.operations(live))
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"op":"add","path":"/Tags","value":[{"Key":"a","Value":"1"},{"Key":"k8s","Value":"x"}]},{"op":"remove","path":"/EnableDns64"}]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Whatever changes, the patched object has every wanted property that can
// change, and its fixed ones as they were.
func TestPatchReachesWhatIsWanted(t *testing.T) {
	facts := schema.Facts{ID: []string{"Id"}, CreateOnly: []string{"Fixed", "Part/Fixed"}, ReadOnly: []string{"Id"}}
	props := rapid.Custom(func(t *rapid.T) map[string]any {
		flat := rapid.MapOf(rapid.SampledFrom([]string{"A", "B", "Fixed"}), rapid.SampledFrom([]any{"x", "y", 1.0, false}))
		out := flat.Draw(t, "props")
		if rapid.Bool().Draw(t, "nested") {
			out["Part"] = flat.Draw(t, "part")
		}
		return out
	})
	rapid.Check(t, func(t *rapid.T) {
		old, want := props.Draw(t, "old"), props.Draw(t, "want")
		live := clone(t, old)
		live["Id"], live["Default"] = "id-1", "set by the service"
		p := patch{facts: facts, old: old, want: want}
		for _, op := range p.operations(clone(t, live)) {
			if slices.Contains([]string{"/Fixed", "/Part/Fixed", "/Id"}, op.Path) {
				t.Fatalf("%s of %s, which cannot change", op.Op, op.Path)
			}
			patchLine(op).apply(live)
		}
		for _, key := range []string{"A", "B"} {
			if !equal(live[key], want[key]) {
				t.Errorf("%s is %v, want %v", key, live[key], want[key])
			}
		}
		if live["Default"] != "set by the service" {
			t.Error("a property that nobody wanted to change was lost")
		}
	})
}

// EKS refuses a version together with anything else.
func TestVersionGoesAlone(t *testing.T) {
	old := map[string]any{"Version": "1.35", "Logging": "some"}
	want := map[string]any{"Version": "1.36", "Logging": "all"}
	got := stages("AWS::EKS::Cluster", old, want)
	if len(got) != 2 || !equal(got[0], map[string]any{"Version": "1.35", "Logging": "all"}) || !equal(got[1], want) {
		t.Errorf("stages %v: the first must leave the version, the second reach what is wanted", got)
	}
}

func TestReplaces(t *testing.T) {
	tests := []struct{ typ, old, want, fields string }{
		{"AWS::EC2::VPC", `{"CidrBlock":"10.0.0.0/16"}`, `{"CidrBlock":"10.1.0.0/16"}`, "CidrBlock"},
		{"AWS::EC2::VPC", `{"CidrBlock":"10.0.0.0/16"}`, `{"CidrBlock":"10.0.0.0/16","EnableDnsSupport":true}`, ""},
		{"AWS::EKS::Cluster", `{"KubernetesNetworkConfig":{"IpFamily":"ipv4"}}`, `{"KubernetesNetworkConfig":{"IpFamily":"ipv6"}}`,
			"KubernetesNetworkConfig.IpFamily"},
		{"AWS::EKS::Cluster", `{"Version":"1.35"}`, `{"Version":"1.36"}`, ""},
		{"AWS::AutoScaling::AutoScalingGroup", `{"LaunchTemplate":{"Version":"1"}}`, `{"LaunchTemplate":{"Version":"2"}}`, ""},
		{"AWS::EC2::SubnetRouteTableAssociation", `{"SubnetId":"a","RouteTableId":"x"}`, `{"SubnetId":"a","RouteTableId":"y"}`, ""},
		{"AWS::EC2::SubnetRouteTableAssociation", `{"SubnetId":"a","RouteTableId":"x"}`, `{"SubnetId":"b","RouteTableId":"x"}`, "SubnetId"},
		{"AWS::EC2::VPCGatewayAttachment", `{"VpcId":"a"}`, `{"VpcId":"b"}`, "VpcId"},
	}
	_, cloud := newFake(t)
	for _, tt := range tests {
		got := strings.Join(cloud.Provider().Replaces(tt.typ, parse(t, tt.old), parse(t, tt.want)), " ")
		if got != tt.fields {
			t.Errorf("%s %s -> %s replaces %q, want %q", tt.typ, tt.old, tt.want, got, tt.fields)
		}
	}
}

// Each style of tags takes the owner's, and leaves the user's alone.
func TestTagged(t *testing.T) {
	tags := map[string]string{"drover:stack": "dev", "team": "drover"}
	tests := []struct{ typ, props, want string }{
		{"AWS::EC2::VPC", `{"Tags":[{"Key":"team","Value":"mine"}]}`,
			`{"Tags":[{"Key":"team","Value":"mine"},{"Key":"drover:stack","Value":"dev"}]}`},
		{"AWS::EKS::Nodegroup", `{"Tags":{"team":"mine"}}`, `{"Tags":{"drover:stack":"dev","team":"mine"}}`},
		{"AWS::AutoScaling::AutoScalingGroup", `{}`,
			`{"Tags":[{"Key":"drover:stack","PropagateAtLaunch":true,"Value":"dev"},{"Key":"team","PropagateAtLaunch":true,"Value":"drover"}]}`},
		{"AWS::EC2::LaunchTemplate", `{"TagSpecifications":[{"ResourceType":"launch-template","Tags":[{"Key":"team","Value":"mine"}]}]}`,
			`{"TagSpecifications":[{"ResourceType":"launch-template","Tags":[{"Key":"team","Value":"mine"},{"Key":"drover:stack","Value":"dev"}]}]}`},
		{"AWS::IAM::InstanceProfile", `{"Roles":["a"]}`, `{"Roles":["a"]}`},
	}
	for _, tt := range tests {
		props := parse(t, tt.props)
		got, err := json.Marshal(tagged(embeddedFacts(t, tt.typ), props, tags))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != tt.want {
			t.Errorf("%s\ngot  %s\nwant %s", tt.typ, got, tt.want)
		}
		if !equal(props, parse(t, tt.props)) {
			t.Errorf("%s: the caller's properties were changed", tt.typ)
		}
	}
}

func parse(t testing.TB, text string) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func clone(t *rapid.T, m map[string]any) map[string]any {
	out, err := normal(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
