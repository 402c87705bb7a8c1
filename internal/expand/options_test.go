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
		want := map[string]string{"v1/ConfigMap/default/settings": "[] true", "apps/v1/Deployment/default/web": "[spec.replicas] true"}[r.Key.String()]
		if got := fmt.Sprint(r.Options.IgnoreChanges, r.Options.Retain); want != "" && got != want {
			t.Errorf("%s: %s, want %s", r.Key, got, want)
		}
	}
}
