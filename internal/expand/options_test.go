package expand_test

import (
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/droverhq/drover/internal/spec"
)

// What a workload ignores, those of its objects ignore that have it.
func TestWorkloadOptions(t *testing.T) {
	g := load(t, fstest.MapFS{spec.File: {Data: []byte(`name: shop
cluster: {version: "1.36"}
workloads:
  web:
    ignoreChanges: [spec.replicas]
    retainOnDelete: true
    objects:
      - {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {a: b}}
      - apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web}
        spec: {replicas: 2, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}}
`)}}, oregon)
	for _, r := range g.Resources {
		want := map[string]string{"v1/ConfigMap/default/settings": "[] true", "apps/v1/Deployment/default/web": "[spec.replicas] true"}[r.String()]
		if got := fmt.Sprint(r.Options.IgnoreChanges, r.Options.Retain); want != "" && got != want {
			t.Errorf("%s: %s, want %s", r.Key, got, want)
		}
	}
}

// Options of the cluster are the cluster's, those of the network each of its parts
// has, and those of a group its nodes have; by an old name all of its parts went.
func TestSectionOptions(t *testing.T) {
	g := load(t, fstest.MapFS{spec.File: {Data: []byte(`name: shop
cluster:
  version: "1.36"
  ignoreChanges: [Logging]
  timeouts: {create: 30m}
  network: {protect: true, timeouts: {delete: 20m}}
nodeGroups:
  web: {kind: self-managed, instanceType: t3.large, capacity: 1, timeouts: {create: 15m}, aliases: [old]}
`)}}, oregon)
	for _, r := range g.Resources {
		o := r.Options
		got := fmt.Sprint(r.Protect, o.IgnoreChanges, o.Create, o.Delete, len(o.Aliases))
		want := map[string]string{
			"AWS::EKS::Cluster/cluster":              "false [Logging] 30m0s 0s 0",
			"AWS::IAM::Role/cluster":                 "false [] 0s 0s 0",
			"AWS::IAM::Role/web":                     "false [] 0s 0s 1",
			"AWS::AutoScaling::AutoScalingGroup/web": "false [] 15m0s 0s 1",
		}[r.String()]
		if r.Component == "network" {
			want = "true [] 0s 20m0s 0"
		}
		if want != "" && got != want {
			t.Errorf("%s: %s, want %s", r.Key, got, want)
		}
	}
}
