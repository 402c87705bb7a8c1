//go:build e2e

// Package demo runs `drover demo` as a user does, and holds it to its word.
package demo

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/droverhq/drover/internal/verdict"
)

// The whole story in one change: no request fails, and the demo itself checks
// that nothing is left.
func TestDemo(t *testing.T) {
	v, narration := demo(t)
	for _, want := range []string{
		"update    deployment/nginx        now placed on web-",
		"Request Information:",
		"No AWS object is left.",
		"No process, mount, network namespace or file outside its folder is left.",
	} {
		if !strings.Contains(narration, want) {
			t.Errorf("the narration does not hold %q:\n%s", want, narration)
		}
	}
	if !hasPhase(v, "soak") {
		t.Errorf("no request was sent while the load balancer let go: %v", v.Phases)
	}
}

// demo runs it and returns its verdict and its narration.
func demo(t *testing.T, args ...string) (verdict.Verdict, string) {
	t.Helper()
	args = append([]string{"demo", "--json", "--requests", "50000", "--folder", t.TempDir()}, args...)
	cmd := exec.Command(filepath.Join(os.Getenv("DROVER_BIN"), "drover"), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("drover %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	var v verdict.Verdict
	if err := json.Unmarshal(stdout.Bytes(), &v); err != nil {
		t.Fatalf("the verdict is no JSON: %v\n%s", err, stdout.String())
	}
	if !v.OK || v.Total.Failed != 0 || v.Total.Requests < 50000 {
		t.Errorf("verdict %+v", v.Total)
	}
	return v, stderr.String()
}

func hasPhase(v verdict.Verdict, name string) bool {
	for _, p := range v.Phases {
		if strings.HasSuffix(p.Name, name) && p.Total.Requests > 0 {
			return true
		}
	}
	return false
}
