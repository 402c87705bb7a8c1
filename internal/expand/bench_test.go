package expand_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/droverhq/drover/internal/expand"
	"github.com/droverhq/drover/internal/spec"
)

// What a preview costs before anything is asked: files to graph. Twice the
// objects take twice the time.
func BenchmarkLoadAndExpand(b *testing.B) {
	for _, n := range []int{500, 1000, 2000, 4000} {
		files := project(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				s, problems := spec.Load(files, "dev")
				if problems != nil {
					b.Fatal(problems)
				}
				if _, problems = expand.Graph(s, oregon); problems != nil {
					b.Fatal(problems)
				}
			}
		})
	}
}

// project has n objects: Deployments with an account, a binding and a ConfigMap each.
func project(n int) fstest.MapFS {
	var b strings.Builder
	for i := range n / 4 {
		fmt.Fprintf(&b, `apiVersion: v1
kind: ServiceAccount
metadata: {name: a%[1]d}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: b%[1]d}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: ServiceAccount, name: a%[1]d, namespace: default}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c%[1]d}
data: {endpoint: "${cluster.endpoint}"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: d%[1]d}
spec:
  selector: {matchLabels: {app: d%[1]d}}
  template:
    metadata: {labels: {app: d%[1]d}}
    spec:
      serviceAccountName: a%[1]d
      containers: [{name: c, image: x, envFrom: [{configMapRef: {name: c%[1]d}}]}]
---
`, i)
	}
	return fstest.MapFS{
		spec.File:         {Data: []byte("name: shop\ncluster: {version: \"1.36\"}\nworkloads: {w: {manifests: m.yaml}}\n")},
		"m.yaml":          {Data: []byte(b.String())},
		"drover.dev.yaml": {Data: []byte("config: {}\n")},
	}
}
