package spec_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/droverhq/drover/internal/render"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/problem"
)

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}}
`

func project(t *testing.T, workload string, files map[string]string) fs.FS {
	t.Helper()
	all := fstest.MapFS{"drover.yaml": {Data: []byte("name: shop\ncluster: {version: \"1.35\"}\nworkloads:\n  web: " + workload + "\n")}}
	for name, text := range files {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return all
}

// An overlay gives what it builds on its namespace and its prefix; what lies
// elsewhere is refused.
func TestKustomize(t *testing.T) {
	files := map[string]string{
		"base/kustomization.yaml":          "resources: [web.yaml]\n",
		"base/web.yaml":                    deployment,
		"overlays/prod/kustomization.yaml": "resources: [../../base, space.yaml]\nnamespace: prod\nnamePrefix: my-\nreplicas: [{name: web, count: 3}]\n",
		"overlays/prod/space.yaml":         "apiVersion: v1\nkind: Namespace\nmetadata: {name: prod}\n",
		"far/kustomization.yaml":           "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [\"https://example.com/base\"]\n",
		"none/x.yaml":                      deployment,
	}
	s, problems := spec.Load(project(t, "{kustomize: ./overlays/prod}", files), "dev")
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, o := range s.Workloads[0].Objects {
		found = append(found, fmt.Sprintf("%s/%s/%s", o.Kind(), o.Namespace, o.Name))
	}
	if got := strings.Join(found, " "); !strings.Contains(got, "Deployment/prod/my-web") || len(found) != 2 {
		t.Errorf("objects %s", got)
	}
	for workload, want := range map[string]string{
		"{kustomize: [./far]}":    "is not in the project folder",
		"{kustomize: ./none}":     "has no kustomization.yaml",
		"{kustomize: ./nowhere}":  "does not exist",
		"{kustomize: ../outside}": "leads out of the project folder",
		"{manifests: ./far}":      "a kustomization is not sent",
		"{}":                      "manifests: is missing",
	} {
		if _, problems := spec.Load(project(t, workload, files), "dev"); !strings.Contains(problems.Error(), want) {
			t.Errorf("%s: have %s, want %s", workload, problems.Error(), want)
		}
	}
}

const hook = `---
apiVersion: v1
kind: ConfigMap
metadata: {name: seed, annotations: {"helm.sh/hook": "pre-install,pre-upgrade"}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: probe, annotations: {"helm.sh/hook": test}}
`

// A chart is rendered with what the file says, its objects are in its namespace, and
// somebody says what becomes of its hooks.
func TestChart(t *testing.T) {
	files := map[string]string{"charts/web/Chart.yaml": "name: web\n", "prod.yaml": "a: 1\n"}
	var asked render.Chart
	load := func(workload, output string) (*spec.Spec, error) {
		s, problems := spec.LoadWith(project(t, workload, files), "dev", spec.Outside{Charts: func(c render.Chart) ([]byte, error) {
			asked = c
			switch output {
			case "":
				return nil, errors.New("it breaks")
			case "no helm":
				return nil, &problem.Error{Err: errors.New("there is no helm"), Fix: "install it"}
			}
			return []byte(output), nil
		}})
		return s, problems.Err()
	}
	s, err := load("{chart: {source: ./charts/web, namespace: kube-system, valueFiles: [prod.yaml], values: {replicas: 3}}}", deployment)
	if err != nil {
		t.Fatal(err)
	}
	if o := s.Workloads[0].Objects[0]; o.Namespace != "kube-system" {
		t.Errorf("namespace %s", o.Namespace)
	}
	if asked.Release != "web" || asked.Kubernetes != "1.35" || asked.ValueFiles[0] != "prod.yaml" || asked.Values["replicas"] != 3.0 {
		t.Errorf("rendered with %+v", asked)
	}
	for _, c := range []struct{ workload, output, want string }{
		{"{chart: ./charts/web}", deployment, ""},
		{"{chart: ./charts/web}", deployment + hook, "the chart has hooks, which Drover does not run as Helm does: ConfigMap seed (pre-install,pre-upgrade)"},
		{"{chart: {source: ./charts/web, hooks: leave}}", deployment + hook, ""},
		{"{chart: ./charts/web}", "", "chart charts/web: it breaks"},
		{"{chart: ./charts/web}", "no helm", "chart charts/web: there is no helm"},
		{"{chart: \"oci://registry.example.com/web\"}", deployment, "would change by itself"},
		{"{chart: {source: ./charts/web, values: {password: !secret x}}}", deployment, "a secret cannot stand here"},
		{"{chart: {source: ./charts/web, values: [1]}}", deployment, "want a mapping, have a list"},
	} {
		_, err := load(c.workload, c.output)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: have %v, want %s", c.workload, err, c.want)
		}
	}
	s, err = load("{chart: {source: ./charts/web, hooks: make}}", deployment+hook)
	if err != nil || len(s.Workloads[0].Objects) != 2 {
		t.Errorf("hooks that are made: %v %v", s.Workloads[0].Objects, err)
	}
}
