//go:build torture

package torture

import (
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// disturbance is what goes wrong meanwhile, and when. Do may interrupt the way
// (Ctrl-C) or kill it.
type disturbance struct {
	When moment
	Do   func(k *stack, interrupt, kill func())
}

// moment tells whether something has come about, by what the cluster shows, so
// that it means the same for both ways.
type moment func(*stack) bool

// begun: nothing is closed yet, the way has just been started.
func begun(*stack) bool { time.Sleep(2 * time.Second); return true }

// closed: an old node takes no pods any more.
func closed(k *stack) bool {
	return slices.ContainsFunc(k.listed("nodes"), func(o object) bool {
		return slices.Contains(k.nodes, o.Metadata.Name) && o.shut()
	})
}

// moving: a pod of the workload stands that was not there at the start.
func moving(k *stack) bool {
	return slices.ContainsFunc(strings.Fields(k.ask("-n", "apps", "get", "pods", "-l", "app=app", "-o", "name")), func(p string) bool { return !k.pods[p] })
}

// leaving: a pod that was there at the start is ended.
func leaving(k *stack) bool {
	now := map[string]bool{}
	for _, o := range k.listed("pods") {
		now["pod/"+o.Metadata.Name] = o.Metadata.Deleted == ""
	}
	for p := range k.pods {
		if !now[p] {
			return true
		}
	}
	return false
}

// letGo: an old node left its load balancers a minute ago, and they drain it.
func letGo(k *stack) bool {
	out := slices.ContainsFunc(k.listed("nodes"), func(o object) bool {
		_, excluded := o.Metadata.Labels["node.kubernetes.io/exclude-from-external-load-balancers"]
		return excluded
	})
	if out {
		time.Sleep(time.Minute)
	}
	return out
}

// retiring: the group that moves has fewer instances than at the start.
func retiring(k *stack) bool {
	g := k.asGroup()
	return g == nil || len(g.Instances) < len(k.nodes) || int(aws.ToInt32(g.DesiredCapacity)) < len(k.nodes)
}

// The deeds.

func ctrlC(_ *stack, interrupt, _ func()) { interrupt() }
func kill9(_ *stack, _, kill func())      { kill() }

// does makes a deed of what needs neither.
func does(f func(*stack)) func(*stack, func(), func()) {
	return func(k *stack, _, _ func()) { f(k) }
}

func restartRollout(k *stack) { k.tell("-n", "apps", "rollout", "restart", "deployment/app") }
func scaleUp(k *stack)        { k.tell("-n", "apps", "scale", "deployment/app", "--replicas=5") }

// loseOldNode ends an instance of the group that moves as a broken machine would:
// no lifecycle hook holds it.
func loseOldNode(k *stack) {
	g := k.asGroup()
	if g == nil || len(g.Instances) == 0 {
		return
	}
	if _, err := k.ec2.TerminateInstances(background(k.t), &ec2.TerminateInstancesInput{InstanceIds: []string{aws.ToString(g.Instances[0].InstanceId)}}); err != nil {
		k.t.Errorf("end an instance: %v", err)
	}
}

// deleteNewGroup takes away what was made to replace the old group: by somebody who
// means it, and takes its protection off first.
func deleteNewGroup(k *stack) {
	out, err := k.asg.DescribeAutoScalingGroups(background(k.t), &autoscaling.DescribeAutoScalingGroupsInput{})
	if err != nil {
		k.t.Errorf("find the new group: %v", err)
		return
	}
	for _, g := range out.AutoScalingGroups {
		name := aws.ToString(g.AutoScalingGroupName)
		if name == k.group || !strings.HasPrefix(name, "work-") && !strings.HasPrefix(name, "next-") {
			continue
		}
		if _, err := k.asg.UpdateAutoScalingGroup(background(k.t), &autoscaling.UpdateAutoScalingGroupInput{
			AutoScalingGroupName: g.AutoScalingGroupName, DeletionProtection: astypes.DeletionProtectionNone,
			InstanceLifecyclePolicy: &astypes.InstanceLifecyclePolicy{RetentionTriggers: &astypes.RetentionTriggers{TerminateHookAbandon: astypes.RetentionActionTerminate}},
		}); err != nil {
			k.t.Errorf("take the new group's protection off: %v", err)
		}
		if _, err := k.asg.DeleteAutoScalingGroup(background(k.t), &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: g.AutoScalingGroupName, ForceDelete: aws.Bool(true)}); err != nil {
			k.t.Errorf("delete the new group: %v", err)
		}
	}
}

// fault makes a deed that orders a fault of the sandbox's; it lasts as long as
// its arguments say.
func fault(args ...string) func(*stack) {
	return func(k *stack) {
		if _, err := k.try(background(k.t), "drover", append([]string{"sandbox", "fault"}, args...)...); err != nil {
			k.t.Error(err)
		}
	}
}

// away makes a deed that lets one of the sandbox's parts stand still for a minute.
func away(part string) func(*stack) { return fault("part", part, "hang", "--for", "1m") }

// faultOfOldNode makes a deed that lets an old node go wrong for a while.
func faultOfOldNode(kind, lasts string) func(*stack) {
	return func(k *stack) { fault("node", k.nodes[0], kind, "--for", lasts)(k) }
}

// addFinalizer lets the first pod of the workload stay Terminating until the
// finalizer is taken away a minute later.
func addFinalizer(k *stack) {
	pod := k.ask("-n", "apps", "get", "pods", "-l", "app=app", "-o", "jsonpath={.items[0].metadata.name}")
	k.tell("-n", "apps", "patch", "pod", pod, "--type=merge", "-p", `{"metadata":{"finalizers":["example.com/deregister"]}}`)
	time.Sleep(time.Minute)
	_, _ = k.try(background(k.t), kubectl(), "-n", "apps", "patch", "pod", pod, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
}

// breakGuard lets requests of the guard's client fail, and nobody else's.
func breakGuard(k *stack) {
	k.tell("-n", "apps", "patch", "service", "guarded", "--type=merge", "-p", `{"spec":{"selector":{"app":"nobody"}}}`)
}
