//go:build e2e && torture

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/droverhq/drover/problem"
)

// A group that others own, with a fence: what they do to it by AWS's own calls ends no
// instance on which pods serve, and no request fails. Drover passes the fence, killed
// and ended from elsewhere, to a copy of the group whose nodes are a minor newer.
func TestFence(t *testing.T) {
	p := newPlain(t)
	p.selfManaged("old", "1.35", "t3.large", 3)
	p.joined(3)
	p.open()
	before := p.settings("old")
	newStranger(t).run(0, "protect", "asg/old")
	instances := p.instances("old")
	p.lossless("asg/old is deleted by force and scaled in, by others", func() { p.attack("old") })
	if got := p.running(instances); got != len(instances) {
		t.Errorf("%d of %d instances run behind their fence", got, len(instances))
	}
	t.Log(newStranger(t).run(0, "unprotect", "asg/old"))
	if got := p.settings("old"); got != before {
		t.Errorf("unprotect leaves\n%s\nwant what was\n%s", got, before)
	}
	newStranger(t).run(0, "protect", "asg/old")
	p.lossless("asg/old to a copy at 1.36, killed and ended from elsewhere", func() {
		p.killedThen("evicted", "migrate", "--from", "asg/old", "--create-like", "--version", "1.36", "--instance-type", "m5.large", "--capacity", "3", "--name", "new",
			"--then", "delete", "--guard", p.url, "--yes")
	})
	if got := p.running(instances); p.stands("old") || got > 0 {
		t.Errorf("the old group stands, or %d of its instances run", got)
	}
	if got := kubelets(t); !slices.Equal(got, []string{"v1.36"}) {
		t.Errorf("nodes are of %v", got)
	}
	p.clean()
}

// attack does to a group with a fence what its owner's tools, or a mistake, would do,
// and waits until what the fence holds is retained.
func (p *plain) attack(group string) {
	p.t.Helper()
	ctx := p.t.Context()
	for _, force := range []bool{true, false} {
		if _, err := p.groups.DeleteAutoScalingGroup(ctx, &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: &group, ForceDelete: &force}); err == nil {
			p.t.Errorf("the delete (by force: %v) of a group with a fence is taken", force)
		} else {
			p.t.Log(err)
		}
	}
	if _, err := p.groups.UpdateAutoScalingGroup(ctx, &autoscaling.UpdateAutoScalingGroupInput{AutoScalingGroupName: &group, MinSize: aws.Int32(1), DesiredCapacity: aws.Int32(1)}); err != nil {
		p.t.Fatal(err)
	}
	p.inState(group, "Terminating:Wait", 2)
	newStranger(p.t).run(int(problem.Refused), "unprotect", "asg/"+group)
	p.inState(group, "Terminating:Retained", 2)
}

// inState waits until n instances of a group are in a state.
func (p *plain) inState(group, state string, n int) {
	p.t.Helper()
	var have []string
	for limit := time.Now().Add(3 * time.Minute); time.Now().Before(limit); time.Sleep(time.Second) {
		have = nil
		for _, i := range p.group(group).Instances {
			have = append(have, string(i.LifecycleState))
		}
		if len(slices.DeleteFunc(slices.Clone(have), func(s string) bool { return s != state })) == n {
			return
		}
	}
	p.t.Errorf("instances of %s are %v, want %d of them %s", group, have, n, state)
}

func (p *plain) group(name string) astypes.AutoScalingGroup {
	p.t.Helper()
	out, err := p.groups.DescribeAutoScalingGroups(p.t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{name}})
	if err != nil || len(out.AutoScalingGroups) != 1 {
		p.t.Fatalf("Auto Scaling group %s: %v", name, err)
	}
	return out.AutoScalingGroups[0]
}

func (p *plain) instances(group string) []string {
	p.t.Helper()
	var ids []string
	for _, i := range p.group(group).Instances {
		ids = append(ids, aws.ToString(i.InstanceId))
	}
	return ids
}

// running is how many of the instances run.
func (p *plain) running(ids []string) (n int) {
	p.t.Helper()
	out, err := p.ec2.DescribeInstances(p.t.Context(), &ec2.DescribeInstancesInput{InstanceIds: ids})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			if i.State.Name == "running" {
				n++
			}
		}
	}
	return n
}

// settings are what a fence changes of a group.
func (p *plain) settings(group string) string {
	p.t.Helper()
	g := p.group(group)
	hooks, err := p.groups.DescribeLifecycleHooks(p.t.Context(), &autoscaling.DescribeLifecycleHooksInput{AutoScalingGroupName: &group})
	if err != nil {
		p.t.Fatal(err)
	}
	abandon := astypes.RetentionActionTerminate
	if l := g.InstanceLifecyclePolicy; l != nil && l.RetentionTriggers != nil {
		abandon = l.RetentionTriggers.TerminateHookAbandon
	}
	text := fmt.Sprintf("%s %s %d hooks", g.DeletionProtection, abandon, len(hooks.LifecycleHooks))
	for _, t := range g.Tags {
		text += fmt.Sprintf(" %s=%s", aws.ToString(t.Key), aws.ToString(t.Value))
	}
	return text
}

// rolled is the managed group of TestStackOfFencesAndRolls. Its taint keeps others'
// pods away.
const rolled = `  rolled: {kind: managed, update: eks, release: 1.36.3-20261001, instanceType: t3.large, capacity: 2, labels: {tier: a}, taints: ["rolled=true:NoSchedule"]}
`

// A stack whose self-managed groups have their fence from birth shrinks and is
// destroyed through it, killed at random instants; and its managed group is updated in
// place, by EKS as long as the file says so.
func TestStackOfFencesAndRolls(t *testing.T) {
	p := newProject(t)
	p.edit("  # For NGINX alone", rolled+"  # For NGINX alone")
	p.edit("capacity: {desired: 3, min: 3, max: 10}", "capacity: {desired: 4, min: 3, max: 10}")
	p.run("up", "--yes")
	p.awaitAnswer()
	p.fenced()
	was := rolledGroup(p.t)
	p.counted(func() { p.updatedByEKS(was) }) // it asks no load balancer: that may cost requests
	p.underLoad(func() { p.updatedByDrover(was) })

	k := newKiller(p)
	p.edit("capacity: {desired: 4, min: 3, max: 10}", "capacity: {desired: 3, min: 3, max: 10}")
	p.underLoad(func() { k.killed(6, moves, "up", "--yes") })
	k.killed(6, makes, "destroy", "--yes") // the cleanup finds whether anything is left
}

// fenced finds a fence round each self-managed group of the stack.
func (p *folder) fenced() {
	p.t.Helper()
	n := 0
	for _, g := range groupsOf(p.t) {
		if !slices.ContainsFunc(g.Tags, func(t astypes.TagDescription) bool { return aws.ToString(t.Key) == "drover.dev/fence" }) {
			continue
		}
		n++
		_, err := scalingOf(p.t).DeleteAutoScalingGroup(p.t.Context(), &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: g.AutoScalingGroupName, ForceDelete: aws.Bool(true)})
		if err == nil {
			p.t.Errorf("the delete by force of %s is taken", aws.ToString(g.AutoScalingGroupName))
		}
	}
	if n != 2 {
		p.t.Errorf("%d groups have a fence, want the two that are self-managed", n)
	}
}

// updatedByEKS changes labels and the release of a managed group that EKS updates in
// place.
func (p *folder) updatedByEKS(was *ekstypes.Nodegroup) {
	p.t.Helper()
	p.edit("labels: {tier: a}", "labels: {tier: b}")
	p.edit("release: 1.36.3-20261001", "release: 1.36.3-20261101")
	inOrder(p.t, p.run("preview"), "update    nodegroup/rolled-")
	p.t.Log(p.run("up", "--yes"))
	is := rolledGroup(p.t)
	if aws.ToString(is.NodegroupName) != aws.ToString(was.NodegroupName) || aws.ToString(is.Resources.AutoScalingGroups[0].Name) != aws.ToString(was.Resources.AutoScalingGroups[0].Name) {
		p.t.Errorf("%s was replaced by %s", aws.ToString(was.NodegroupName), aws.ToString(is.NodegroupName))
	}
	if aws.ToString(is.ReleaseVersion) != "1.36.3-20261101" || is.Labels["tier"] != "b" {
		p.t.Errorf("release %s, labels %v", aws.ToString(is.ReleaseVersion), is.Labels)
	}
}

// updatedByDrover leaves updates to Drover, which replaces the group for another
// release.
func (p *folder) updatedByDrover(was *ekstypes.Nodegroup) {
	p.t.Helper()
	p.edit("update: eks, ", "")
	p.run("up", "--yes")
	if now := rolledGroup(p.t); aws.ToString(now.NodegroupName) != aws.ToString(was.NodegroupName) {
		p.t.Errorf("leaving update: eks replaces the group")
	}
	p.edit("release: 1.36.3-20261101", "release: 1.36.3-20261001")
	inOrder(p.t, p.run("preview"), "create    nodegroup/rolled-", "hand over nodegroup/rolled-", "delete    nodegroup/rolled-")
	p.run("up", "--yes")
	if now := rolledGroup(p.t); aws.ToString(now.NodegroupName) == aws.ToString(was.NodegroupName) {
		p.t.Errorf("%s was not replaced", aws.ToString(was.NodegroupName))
	}
}

func scalingOf(t *testing.T) *autoscaling.Client {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return autoscaling.NewFromConfig(cfg)
}

func groupsOf(t *testing.T) []astypes.AutoScalingGroup {
	t.Helper()
	out, err := scalingOf(t).DescribeAutoScalingGroups(t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{})
	if err != nil {
		t.Fatal(err)
	}
	return out.AutoScalingGroups
}

// rolledGroup is the one managed group that the stack calls so.
func rolledGroup(t *testing.T) *ekstypes.Nodegroup {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := eks.NewFromConfig(cfg)
	clusters, err := client.ListClusters(t.Context(), &eks.ListClustersInput{})
	if err != nil || len(clusters.Clusters) != 1 {
		t.Fatalf("clusters %v, %v", clusters, err)
	}
	groups, err := client.ListNodegroups(t.Context(), &eks.ListNodegroupsInput{ClusterName: &clusters.Clusters[0]})
	if err != nil {
		t.Fatal(err)
	}
	names := slices.DeleteFunc(groups.Nodegroups, func(n string) bool { return !strings.HasPrefix(n, "rolled-") })
	if len(names) != 1 {
		t.Fatalf("managed groups %v, want one rolled-…", names)
	}
	out, err := client.DescribeNodegroup(t.Context(), &eks.DescribeNodegroupInput{ClusterName: &clusters.Clusters[0], NodegroupName: &names[0]})
	if err != nil {
		t.Fatal(err)
	}
	return out.Nodegroup
}
