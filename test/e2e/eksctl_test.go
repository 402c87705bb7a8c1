//go:build e2e && torture

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
)

// eksctl, as its users run it, on a cluster that it has not made: a managed group and a
// self-managed one come, are shown, drained and go again, stacks and nodes with them.
func TestEksctl(t *testing.T) {
	p := newPlain(t)
	config := filepath.Join(t.TempDir(), "cluster.yaml")
	if err := os.WriteFile(config, []byte(p.eksctlConfig()), 0o600); err != nil {
		t.Fatal(err)
	}
	p.eksctl("create", "nodegroup", "-f", config)
	p.joined(4)
	if got := p.eksctlGroups(); !slices.Equal(got, []string{"blue managed 2", "red unmanaged 2"}) {
		t.Errorf("eksctl get nodegroup: %q", got)
	}
	if out := p.eksctl("get", "cluster"); !strings.Contains(out, p.cluster) {
		t.Errorf("eksctl get cluster:\n%s", out)
	}
	p.open()
	t.Log(p.nodesOf("red"))
	p.eksctl("drain", "nodegroup", "--cluster", p.cluster, "--name", "blue")
	if nodes := p.nodesOf("blue"); strings.Count(nodes, "SchedulingDisabled") != 2 {
		t.Errorf("nodes after eksctl drain:\n%s", nodes)
	}
	p.kubectl("", "rollout", "status", "deployment/shop", "--timeout=3m")
	p.eksctl("delete", "nodegroup", "--cluster", p.cluster, "--name", "blue", "--wait")
	if got := p.eksctlGroups(); !slices.Equal(got, []string{"red unmanaged 2"}) {
		t.Errorf("eksctl get nodegroup, without blue: %q", got)
	}
	p.eksctl("delete", "nodegroup", "--cluster", p.cluster, "--name", "red", "--wait", "--drain=false") // CoreDNS has no other place
	p.kubectl("", "wait", "--for=delete", "nodes", "--all", "--timeout=3m")
	if left := p.managedGroups(); left != "" {
		t.Errorf("groups that are left: %s", left)
	}
}

// eksctlConfig tells eksctl about a network that it does not know, as its manual says.
// A group of its own for the nodes' security would be a second one with the cluster's
// tag, which the controller of load balancers does not take.
func (p *plain) eksctlConfig() string {
	p.t.Helper()
	out, err := p.eks.DescribeCluster(p.t.Context(), &eks.DescribeClusterInput{Name: &p.cluster})
	if err != nil {
		p.t.Fatal(err)
	}
	vpc := out.Cluster.ResourcesVpcConfig
	subnets, err := p.ec2.DescribeSubnets(p.t.Context(), &ec2.DescribeSubnetsInput{SubnetIds: p.subnets})
	if err != nil {
		p.t.Fatal(err)
	}
	var public strings.Builder
	for _, s := range subnets.Subnets {
		fmt.Fprintf(&public, "      %s: {id: %s}\n", aws.ToString(s.AvailabilityZone), aws.ToString(s.SubnetId))
	}
	return fmt.Sprintf(`apiVersion: eksctl.io/v1alpha5
kind: ClusterConfig
metadata: {name: %s, region: us-west-2}
vpc:
  id: %s
  securityGroup: %s
  subnets:
    public:
%smanagedNodeGroups:
  - {name: blue, instanceType: t3.large, minSize: 2, maxSize: 3, desiredCapacity: 2, labels: {pool: shop}}
nodeGroups:
  - {name: red, instanceType: t3.large, minSize: 2, maxSize: 3, desiredCapacity: 2, amiFamily: AmazonLinux2023, labels: {pool: shop}, securityGroups: {withLocal: false}}
`, p.cluster, aws.ToString(vpc.VpcId), aws.ToString(vpc.ClusterSecurityGroupId), public.String())
}

// eksctl runs eksctl; it must succeed.
func (p *plain) eksctl(args ...string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), filepath.Join(bin(), "eksctl"), args...)
	cmd.Stderr = p.t.Output()
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("eksctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// eksctlGroups are the cluster's groups as eksctl shows them: name, type and size.
func (p *plain) eksctlGroups() (groups []string) {
	p.t.Helper()
	var list []struct {
		Name            string
		Type            string
		DesiredCapacity int
	}
	out := p.eksctl("get", "nodegroup", "--cluster", p.cluster, "-o", "json")
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		p.t.Fatalf("%v\n%s", err, out)
	}
	for _, g := range list {
		groups = append(groups, fmt.Sprintf("%s %s %d", g.Name, g.Type, g.DesiredCapacity))
	}
	slices.Sort(groups)
	return groups
}

// nodesOf shows the nodes of a group that eksctl has made.
func (p *plain) nodesOf(name string) string {
	return p.kubectl("", "get", "nodes", "-l", "alpha.eksctl.io/nodegroup-name="+name)
}
