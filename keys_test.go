package drover

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A program can say every key of the stack file by a field of its own, and no
// other: each section's table in the file's page has a row for it.
func TestKeysAreThoseOfTheFile(t *testing.T) {
	page, err := os.ReadFile("docs/stack-file.md")
	if err != nil {
		t.Fatal(err)
	}
	one, yes := 1.0, []string{"x"}
	probe := Probe{URL: "x", Host: "x", Method: "x", Headers: map[string]string{"x": "x"}, Body: "x", Status: []int{1}, Expect: "x", Rate: 1, Timeout: 1, MaxErrors: Errors(1), P99: "x", OnBreach: Stop}
	options := Options{DependsOn: []Dependency{&Cluster{}}, Protect: true, Aliases: yes, IgnoreChanges: yes, ReplaceOnChanges: yes, DeleteBeforeReplace: true, RetainOnDelete: true, Timeouts: Timeouts{Create: 1, Update: 1, Delete: 1}, Provider: &Provider{}}
	network := NetworkArgs{CIDR: "x", Zones: yes, NATGateways: "x", VPC: ByID("x"), Private: ByTag("x", "x")}
	for section, keys := range map[string]Properties{
		"cluster": ClusterArgs{Version: "x", Network: network, Endpoint: EndpointArgs{CIDRs: yes}, EncryptionKey: "x", Access: map[string]AccessArgs{"x": {}},
			PodIdentities: map[string]PodIdentityArgs{"x": {}}, OIDCProvider: true, Addons: map[string]AddonArgs{"x": {}}, Logs: yes}.keys(),
		"Add-ons": AddonArgs{Version: "x", OnConflict: "x", Configuration: "x", Role: "x"}.keys(),
		"nodeGroups": NodeGroupArgs{Kind: Managed, InstanceType: "x", InstanceTypes: yes, Version: "x", OS: Bottlerocket, AMI: "x", Capacity: Nodes(1), CapacityType: "x",
			OnDemand: &OnDemand{}, Disk: &Disk{}, UserData: yes, Taints: []Taint{{}}, Labels: probe.Headers, Soak: 1, Settle: 1, Fence: new(true), Release: "x", Update: "x"}.keys(),
		"workloads": WorkloadArgs{Manifests: yes, Kustomize: yes, Chart: &ChartArgs{Source: "x"}, Objects: []any{1}, NodeGroup: &NodeGroup{}}.keys(),
		"guard":     GuardArgs{Probe: probe, Probes: []Probe{probe}, Prometheus: &Prometheus{URL: "x", Query: "x", Max: &one, Min: &one}}.keys(),
		"resources": ResourceArgs{Type: "x", Name: "x", Properties: yes}.keys(),
		"options":   options.keys(),
		"providers": ProviderArgs{Region: "x", Profile: "x", Role: "x", ExternalID: "x"}.keys(),
	} {
		if section == "cluster" {
			delete(keys, "network")
			for key := range network.keys() {
				keys["network."+key] = nil
			}
		}
		if have, want := slices.Sorted(maps.Keys(keys)), rows(string(page), section); !slices.Equal(have, want) {
			t.Errorf("%s: a program says\n%v\nand docs/stack-file.md has rows for\n%v", section, have, want)
		}
	}
	if !strings.Contains(string(page), "### program") {
		t.Error("docs/stack-file.md does not tell of programs")
	}
}

// What is short in the file is short here, and what is not said is not written.
func TestClusterKeys(t *testing.T) {
	text, err := Describe(Given{}, func(s *Stack) error {
		s.Cluster(ClusterArgs{Version: "1.36", Network: NetworkArgs{VPC: ByID("vpc-1"), Private: ByTag("tier", "private")},
			Endpoint: EndpointArgs{PrivateOnly: true}, Addons: map[string]AddonArgs{"vpc-cni": {}, "coredns": {OnConflict: "preserve"}}})
		return nil
	})
	flat := strings.Join(strings.Fields(text), "")
	want := `{"cluster":{"addons":{"coredns":{"onConflict":"preserve","version":"default"},"vpc-cni":{"version":"default"}},"endpoint":{"public":false},` +
		`"network":{"subnets":{"private":{"tags":{"tier":"private"}}},"vpc":["vpc-1"]},"version":"1.36"}}`
	if err != nil || flat != want {
		t.Errorf("%v\n%s\nwant\n%s", err, flat, want)
	}
}

var keyRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")

// rows are the keys in the table of a section.
func rows(page, section string) []string {
	text := regexp.MustCompile(fmt.Sprintf(`(?sm)^#+ %s$(.*?)\n#{2,4} `, section)).FindString(page)
	var keys []string
	for _, m := range keyRow.FindAllStringSubmatch(text, -1) {
		keys = append(keys, m[1])
	}
	return slices.Sorted(slices.Values(keys))
}
