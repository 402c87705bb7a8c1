package render_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/droverhq/drover/internal/render"
	"github.com/droverhq/drover/problem"
)

// Helm is called with all that the chart is rendered with; what it cannot do is told
// with a remedy, and so is a chart that comes out differently each time.
func TestHelm(t *testing.T) {
	var called []string
	helm := func(out func(n int) (string, string, error)) render.Helm {
		called = nil
		return render.Helm{Dir: "here", Run: func(_ context.Context, dir string, stdin []byte, args ...string) ([]byte, []byte, error) {
			called = append(called, dir+": "+strings.Join(args, " ")+" < "+string(stdin))
			o, e, err := out(len(called))
			return []byte(o), []byte(e), err
		}}
	}
	steady := func(int) (string, string, error) { return "# Source: web/a.yaml\nkind: A\n", "", nil }
	chart := render.Chart{Source: "charts/web", Release: "web", Namespace: "shop", Kubernetes: "1.36", ValueFiles: []string{"prod.yaml"}, Values: map[string]any{"a": 1}}
	if _, err := helm(steady).Render(t.Context(), chart); err != nil {
		t.Fatal(err)
	}
	want := "here: template web ./charts/web --namespace shop --kube-version 1.36 --include-crds --values ./prod.yaml --values - < a: 1\n"
	if called[0] != want || len(called) != 2 {
		t.Errorf("called %q", called)
	}
	if _, err := helm(steady).Render(t.Context(), render.Chart{Source: "oci://r/web", Version: "1.2.3", Release: "web", Kubernetes: "1.36"}); err != nil || !strings.Contains(called[0], "web oci://r/web ") {
		t.Errorf("called %q, %v", called, err)
	}
	for name, c := range map[string]struct {
		out  func(int) (string, string, error)
		want string
	}{
		"no program": {func(int) (string, string, error) { return "", "", exec.ErrNotFound }, "there is no program helm in the PATH"},
		"helm refuses": {func(int) (string, string, error) {
			return "", "Error: values don't meet the schema\n", errors.New("exit 1")
		}, "values don't meet the schema"},
		"made up": {func(n int) (string, string, error) {
			return fmt.Sprintf("kind: B\n\n---\n# Source: web/secret.yaml\npassword: %d\n", n), "", nil
		}, "first in web/secret.yaml"},
	} {
		_, err := helm(c.out).Render(t.Context(), chart)
		var p *problem.Error
		if !errors.As(err, &p) || p.Fix == "" || !strings.Contains(p.Err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The program itself, where there is one, takes what it is called with: a chart in a
// folder and one in a .tgz come to the same.
func TestRealHelm(t *testing.T) {
	program, err := exec.LookPath("helm")
	if err != nil {
		t.Skip("there is no program helm in the PATH")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"web/Chart.yaml":           "apiVersion: v2\nname: web\nversion: 0.1.0\n",
		"web/values.yaml":          "replicas: 1\ncolor: red\n",
		"web/templates/map.yaml":   "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}, namespace: {{ .Release.Namespace }}}\ndata: {replicas: {{ .Values.replicas | quote }}, color: {{ .Values.color }}, kube: {{ .Capabilities.KubeVersion.Minor | quote }}}\n",
		"web/templates/random.tpl": "{{ define \"unused\" }}{{ randAlpha 5 }}{{ end }}",
		"web/crds/thing.yaml":      "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.example.com}\n",
		"blue.yaml":                "color: blue\nreplicas: 2\n",
	} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pack := exec.Command(program, "package", "web")
	pack.Dir = dir
	if out, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, source := range []string{"web", "web-0.1.0.tgz"} {
		chart := render.Chart{Source: source, Release: "shop", Namespace: "apps", Kubernetes: "1.36", ValueFiles: []string{"blue.yaml"}, Values: map[string]any{"replicas": 3}}
		out, err := render.NewHelm(dir).Render(t.Context(), chart)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"name: things.example.com", `{name: shop, namespace: apps}`, `data: {replicas: "3", color: blue, kube: "36"}`} {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: lacks %s\n%s", source, want, out)
			}
		}
	}
}
