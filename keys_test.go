package drover

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every key that a program can say is one of the stack file, told in its page.
func TestKeysAreThoseOfTheFile(t *testing.T) {
	page, err := os.ReadFile("docs/stack-file.md")
	if err != nil {
		t.Fatal(err)
	}
	one, yes := 1.0, []string{"x"}
	probe := Probe{URL: "x", Host: "x", Method: "x", Headers: map[string]string{"x": "x"}, Body: "x", Status: []int{1}, Expect: "x", Rate: 1, Timeout: 1, MaxErrors: Errors(1), P99: "x", OnBreach: Stop}
	options := Options{DependsOn: []Dependency{&Cluster{}}, Protect: true, Aliases: yes, IgnoreChanges: yes, ReplaceOnChanges: yes, DeleteBeforeReplace: true, RetainOnDelete: true, Timeouts: Timeouts{Create: 1, Update: 1, Delete: 1}}
	for section, keys := range map[string]Properties{
		"cluster":    ClusterArgs{Version: "x", Network: NetworkArgs{CIDR: "x", Zones: yes, NATGateways: "x"}, Logs: yes}.keys(),
		"network":    NetworkArgs{CIDR: "x", Zones: yes, NATGateways: "x"}.keys(),
		"nodeGroups": NodeGroupArgs{Kind: Managed, InstanceType: "x", Version: "x", AMI: "x", Capacity: Nodes(1), Taints: []Taint{{}}, Labels: probe.Headers, Soak: 1, Settle: 1, Release: "x", Update: "x", CapacityType: "x"}.keys(),
		"workloads":  WorkloadArgs{Manifests: yes, Objects: []any{1}, NodeGroup: &NodeGroup{}}.keys(),
		"guard":      GuardArgs{Probe: probe, Probes: []Probe{probe}, Prometheus: &Prometheus{URL: "x", Query: "x", Max: &one, Min: &one}}.keys(),
		"resources":  ResourceArgs{Type: "x", Name: "x", Properties: yes}.keys(),
		"options":    options.keys(),
	} {
		for key := range keys {
			row := regexp.MustCompile("(?m)^\\| `(network\\.)?" + key + "[`.]")
			if key != "network" && !row.MatchString(string(page)) {
				t.Errorf("%s: docs/stack-file.md has no row for %s", section, key)
			}
		}
	}
	if !strings.Contains(string(page), "### program") {
		t.Error("docs/stack-file.md does not tell of programs")
	}
}
