//go:build e2e && torture

package e2e

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/droverhq/drover/problem"
)

// A cluster whose groups others made, and no drover.yaml anywhere. Its shop is moved
// under load: between Auto Scaling groups and managed groups, by a command that is
// killed while it evicts and ended by the same command from another folder, with
// nothing but the kubeconfig; then by drains, beside kubectl's own; then without AWS.
// By Drover no request fails, and nothing is left over.
func TestGroupsOfOthers(t *testing.T) {
	p := newPlain(t)
	p.selfManaged("old", "1.36", "t3.large", 2)
	p.joined(2)
	p.open()

	p.selfManaged("new", "1.36", "m5.large", 3)
	p.joined(5)
	p.lossless("steered from another terminal, and aborted", func() { p.steered("asg/old", "asg/new") })
	p.clean()
	p.lossless("asg/old to asg/new, killed and ended from elsewhere", func() {
		p.killedThen("evicted", "migrate", "--from", "asg/old", "--to", "asg/new", "--then", "delete", "--guard", p.url, "--yes")
	})
	if p.stands("old") {
		t.Error("the old group stands")
	}
	p.clean()

	p.managed("blue", 3)
	p.joined(6)
	p.lossless("asg/new to nodegroup/blue", func() {
		t.Log(newStranger(t).run(0, "migrate", "--from", "asg/new", "--to", "nodegroup/blue", "--then", "delete", "--guard", p.url, "--yes"))
	})
	p.clean()

	p.lossless("nodegroup/blue to a copy, nodegroup/green, killed and ended from elsewhere", func() {
		p.killedThen("evicted", "migrate", "--from", "nodegroup/blue", "--create-like", "--instance-type", "m5.large", "--name", "green", "--then", "delete", "--guard", p.url, "--yes")
	})
	if left := p.managedGroups(); left != "green" {
		t.Errorf("managed groups %s, want green alone", left)
	}
	p.clean()

	p.drains()
	p.withoutAWS()
	p.clean()
}

// steered begins a move, and has it paused, resumed and aborted from elsewhere: it opens
// again what it had closed.
func (p *plain) steered(from, to string) {
	p.t.Helper()
	begun := newStranger(p.t).start("migrate", "--from", from, "--to", to, "--guard", p.url, "--yes")
	begun.says("out of its Services")
	other := newStranger(p.t)
	other.run(0, "moves", "pause", from)
	if out := other.run(0, "moves", "ls"); !strings.Contains(out, "paused") {
		p.t.Errorf("it is not paused:\n%s", out)
	}
	p.t.Log(other.run(0, "moves", "status", from))
	other.run(0, "moves", "resume", from)
	p.t.Log(other.run(0, "moves", "log", from))
	other.run(0, "moves", "abort", from)
	if code := begun.wait(); code != int(problem.Interrupted) {
		p.t.Errorf("an aborted move ends with %d\n%s", code, begun.text())
	}
}

// drains compares the two ways to drain a node on which the shop runs.
func (p *plain) drains() {
	p.t.Helper()
	flags := []string{"--ignore-daemonsets", "--delete-emptydir-data"}
	node := p.shopNodes()[0]
	p.lossless("drover drain", func() { newStranger(p.t).run(0, append([]string{"drain", node}, flags...)...) })
	newStranger(p.t).run(0, "moves", "return", "--yes", "--nodes-only")
	node = p.shopNodes()[0]
	p.underLoad("kubectl drain", func() { p.kubectl("", append([]string{"drain", node}, flags...)...) })
	p.kubectl("", "uncordon", node)
}

// withoutAWS checks, moves and drains with a kubeconfig alone; each says what it
// cannot know.
func (p *plain) withoutAWS() {
	p.t.Helper()
	nodes := p.shopNodes()
	for _, c := range []struct {
		code int
		args []string
	}{
		{0, []string{"check", "--from", "node/" + nodes[0]}},
		{0, []string{"migrate", "--from", "node/" + nodes[0], "--yes", "--balancer-settle", "20s"}},
		{0, []string{"moves", "return", "--yes", "--nodes-only"}},
		{0, []string{"drain", p.shopNodes()[0], "--ignore-daemonsets", "--delete-emptydir-data", "--balancer-settle", "20s"}},
		{0, []string{"moves", "return", "--yes", "--nodes-only"}},
		{int(problem.Refused), []string{"migrate", "--from", "nodegroup/green", "--then", "empty", "--yes"}},
	} {
		p.lossless("without AWS: drover "+strings.Join(c.args, " "), func() {
			out := newStranger(p.t).withoutAWS().run(c.code, c.args...)
			if c.args[0] != "moves" && !strings.Contains(out, "AWS") {
				p.t.Errorf("drover %s does not say what it cannot know:\n%s", c.args[0], out)
			}
		})
	}
}

// clean tells what a move has left behind anywhere.
func (p *plain) clean() {
	p.t.Helper()
	if left := nodeMarks(p.t) + p.marks(); left != "" {
		p.t.Errorf("left over:\n%s", left)
	}
	if out := newStranger(p.t).run(0, "moves", "ls"); !strings.Contains(out, "has no moves") {
		p.t.Errorf("left in the cluster:\n%s", out)
	}
}

// managedGroups are the names of the cluster's managed groups.
func (p *plain) managedGroups() string {
	p.t.Helper()
	out, err := p.eks.ListNodegroups(p.t.Context(), &eks.ListNodegroupsInput{ClusterName: &p.cluster})
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.Join(out.Nodegroups, " ")
}
