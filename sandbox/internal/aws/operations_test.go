package aws

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of operations in docs/sandbox.md anew")

// docs/sandbox.md tells which operations there are, as the code does.
func TestOperationsInTheDocs(t *testing.T) {
	w := newWorld(t)
	const path, head, tail = "../../../docs/sandbox.md", "<!-- operations: written by the tests of sandbox/internal/aws -->\n", "<!-- end of operations -->\n"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(data), head)
	was, after, ends := strings.Cut(rest, tail)
	if !found || !ends {
		t.Fatalf("%s has no place for the table of operations", path)
	}
	want := w.operations()
	if *update {
		if err := os.WriteFile(path, []byte(before+head+want+tail+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if was != want {
		t.Errorf("the table of operations in %s is not that of the code: go test ./sandbox/internal/aws -run TestOperationsInTheDocs -update", path)
	}
}

// operations is a table of what every service answers.
func (w *world) operations() string {
	w.t.Helper()
	e := w.sandbox.newEndpoint()
	var b strings.Builder
	b.WriteString("\n| service | operations |\n|---|---|\n")
	row := func(name string, operations []string) {
		slices.Sort(operations)
		fmt.Fprintf(&b, "| %s | %s |\n", name, strings.Join(operations, ", "))
	}
	row("Auto Scaling", keys(e.query["autoscaling"].actions))
	row("Cloud Control", keys(w.sandbox.cloudControl.Operations()))
	row("EC2", keys(e.query["ec2"].actions))
	row("EKS", w.sandbox.eks.Operations())
	row("ELB, Classic", keys(e.query["elasticloadbalancing"].actions))
	row("ELB, version 2", keys(e.query["elasticloadbalancing 2015-12-01"].actions))
	row("IAM", keys(e.query["iam"].actions))
	row("SSM", keys(w.sandbox.ssm.Operations()))
	row("STS", keys(e.query["sts"].actions))
	b.WriteString("\n")
	return b.String()
}

func keys[V any](m map[string]V) []string { return slices.Collect(maps.Keys(m)) }
