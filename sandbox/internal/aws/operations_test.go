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

// service is what an AWS service is called, and what it answers here.
type service struct {
	title      string // in docs/sandbox.md
	id         string // in the SDK
	command    string // of the aws command
	operations []string
}

// services are all, in the order of the page.
func (s *Sandbox) services() []service {
	e := s.newEndpoint()
	return []service{
		{"ACM", "ACM", "acm", keys(s.acm.Operations())},
		{"Auto Scaling", "Auto Scaling", "autoscaling", keys(e.query["autoscaling"].actions)},
		{"Cloud Control", "CloudControl", "cloudcontrol", keys(s.cloudControl.Operations())},
		{"CloudFormation", "CloudFormation", "cloudformation", keys(e.query["cloudformation"].actions)},
		{"EC2", "EC2", "ec2", keys(e.query["ec2"].actions)},
		{"EKS", "EKS", "eks", slices.Sorted(slices.Values(s.eks.Operations()))},
		{"ELB, Classic", "Elastic Load Balancing", "elb", keys(e.query["elasticloadbalancing"].actions)},
		{"ELB, version 2", "Elastic Load Balancing v2", "elbv2", keys(e.query["elasticloadbalancing 2015-12-01"].actions)},
		{"IAM", "IAM", "iam", keys(e.query["iam"].actions)},
		{"SSM", "SSM", "ssm", keys(s.ssm.Operations())},
		{"STS", "STS", "sts", keys(e.query["sts"].actions)},
	}
}

// operations is a table of what every service answers.
func (w *world) operations() string {
	var b strings.Builder
	b.WriteString("\n| service | operations |\n|---|---|\n")
	for _, s := range w.sandbox.services() {
		fmt.Fprintf(&b, "| %s | %s |\n", s.title, strings.Join(s.operations, ", "))
	}
	fmt.Fprintf(&b, "\nCloud Control's types: %s.\n\n", strings.Join(w.sandbox.cloudControl.Types(), ", "))
	return b.String()
}

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
