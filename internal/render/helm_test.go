package render_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
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
