package expand_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/droverhq/drover/internal/graph"
)

func groupOf(t *testing.T, keys string) graph.Resource {
	t.Helper()
	g := load(t, fstest.MapFS{"drover.yaml": {Data: []byte(fmt.Sprintf(`
name: all
cluster: {version: "1.36"}
nodeGroups:
  web: {kind: managed, instanceType: m7i.large, capacity: 2%s}
`, keys))}}, oregon)
	i := slices.IndexFunc(g.Resources, func(r graph.Resource) bool { return r.Hosts != nil })
	if i < 0 {
		t.Fatal("no node group")
	}
	return g.Resources[i]
}

// A managed group is replaced only for what EKS cannot change on nodes that run,
// or would change by draining them.
func TestWhatReplacesAManagedGroup(t *testing.T) {
	plain := groupOf(t, "")
	if plain.Type != "AWS::EKS::Nodegroup" || plain.Props["AmiType"] != "AL2023_x86_64_STANDARD" {
		t.Fatalf("%s %v", plain.Type, plain.Props)
	}
	for keys, replaced := range map[string]bool{
		`, labels: {team: web}`:                              false,
		`, taints: ["a=b:NoSchedule", "c:PreferNoSchedule"]`: false,
		`, taints: ["a=b:NoExecute"]`:                        true,
		`, release: 1.36.3-20261101`:                         true,
		`, release: 1.36.3-20261101, update: drover`:         true,
		`, capacityType: spot`:                               true,
		`, ami: ami-0123456789abcdef0`:                       true,
		`, soak: 1h, settle: 10s`:                            false,
	} {
		if got := groupOf(t, keys); reflect.DeepEqual(got.Generation, plain.Generation) == replaced {
			t.Errorf("%s: generation %v", keys, got.Generation)
		}
	}
	eks, usual := groupOf(t, ", release: 1.36.3-20261001, update: eks"), groupOf(t, ", release: 1.36.3-20261001")
	if !slices.Equal(eks.Rolls, []string{"version", "release"}) || usual.Rolls != nil || !reflect.DeepEqual(eks.Generation, usual.Generation) || eks.Props["ReleaseVersion"] != "1.36.3-20261001" {
		t.Errorf("update: eks: %v, else %v", eks, usual)
	}
	own, labelled := groupOf(t, ", ami: ami-0123456789abcdef0"), groupOf(t, ", ami: ami-0123456789abcdef0, labels: {team: web}")
	if reflect.DeepEqual(own.Generation, labelled.Generation) || own.Props["Version"] != nil || own.Props["InstanceTypes"] != nil {
		t.Errorf("a group of a custom image: %v", own.Props)
	}
}
