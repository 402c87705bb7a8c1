package kube

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/droverhq/drover/problem"
)

const twoContexts = `apiVersion: v1
kind: Config
current-context: a
clusters:
- {name: a, cluster: {server: "https://a.example"}}
- {name: b, cluster: {server: "https://b.example"}}
users:
- {name: u, user: {token: t}}
contexts:
- {name: a, context: {cluster: a, user: u}}
- {name: b, context: {cluster: b, user: u}}
`

func TestKubeconfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(twoContexts), 0o600); err != nil {
		t.Fatal(err)
	}
	for context, host := range map[string]string{"": "https://a.example", "b": "https://b.example"} {
		config, err := Kubeconfig(file, context)
		if err != nil || config.Host != host || config.BearerToken != "t" {
			t.Errorf("%q: %+v %v", context, config, err)
		}
	}
	t.Setenv("KUBECONFIG", file)
	if config, err := Kubeconfig("", "b"); err != nil || config.Host != "https://b.example" {
		t.Errorf("by KUBECONFIG: %v %v", config, err)
	}
	var p *problem.Error
	if _, err := Kubeconfig(file, "c"); !errors.As(err, &p) || p.Kind != problem.Usage || !strings.Contains(err.Error(), `"c"`) {
		t.Error(err)
	}
	if _, err := Kubeconfig(file+"-not", ""); !errors.As(err, &p) || p.Kind != problem.Usage {
		t.Error(err)
	}
}
