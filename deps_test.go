package drover_test

import (
	"os/exec"
	"strings"
	"testing"
)

// The vocabulary rests on the standard library alone, and the product never
// pulls in Kubernetes itself: it would take minutes to build.
func TestDependencies(t *testing.T) {
	const own = "github.com/droverhq/drover/"
	for _, pkg := range []string{"./plan", "./event", "./problem", "./value"} {
		for _, dep := range deps(t, pkg) {
			if strings.Contains(dep, ".") && !strings.HasPrefix(dep, own) {
				t.Errorf("%s depends on %s", pkg, dep)
			}
		}
	}
	for _, dep := range deps(t, ".") { // a user's program compiles in seconds
		if strings.Contains(dep, ".") && dep != own[:len(own)-1] && dep != own+"internal/wire" {
			t.Errorf("the root depends on %s", dep)
		}
	}
	for _, dep := range deps(t, "./cmd/drover") {
		if strings.HasPrefix(dep, "k8s.io/kubernetes") || strings.HasPrefix(dep, own+"sandbox") {
			t.Errorf("drover depends on %s", dep)
		}
	}
}

func deps(t *testing.T, pkg string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", pkg).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}
