package aws

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"
)

// nodeRole makes the role of managed nodes.
func (s *stack) nodeRole() string {
	s.t.Helper()
	return s.add("AWS::IAM::Role", props{"RoleName": "nodes", "AssumeRolePolicyDocument": props{"Version": "2012-10-17"}})["Arn"].(string)
}

func (s *stack) managed(role string, more props) props {
	want := props{"ClusterName": s.cluster, "NodegroupName": "web", "NodeRole": role, "Subnets": s.public,
		"InstanceTypes": []string{"t3.large"}, "ScalingConfig": props{"MinSize": 1, "DesiredSize": 2, "MaxSize": 4},
		"Labels": props{"team": "web"}, "Taints": []props{{"Key": "nginx", "Value": "true", "Effect": "NO_SCHEDULE"}}}
	for key, value := range more {
		want[key] = value
		if value == nil {
			delete(want, key)
		}
	}
	return want
}

func (s *stack) describe() *ekstypes.Nodegroup {
	s.t.Helper()
	out, err := s.eks.DescribeNodegroup(s.t.Context(), &eks.DescribeNodegroupInput{ClusterName: &s.cluster, NodegroupName: awssdk.String("web")})
	if err != nil {
		s.t.Fatal(err)
	}
	return out.Nodegroup
}

func (s *stack) nodes() []corev1.Node {
	s.t.Helper()
	list, err := s.fake.cluster.CoreV1().Nodes().List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return list.Items
}

// pod runs on a node until it is evicted, or, with a budget that allows none,
// until it is deleted.
func (s *stack) pod(name, node string) {
	s.t.Helper()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name}, Spec: corev1.PodSpec{NodeName: node}}
	if _, err := s.fake.cluster.CoreV1().Pods("apps").Create(s.t.Context(), p, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// evictions answers evictions: a pod whose name begins with stuck has a budget
// that allows none.
func (s *stack) evictions() {
	tracker := s.fake.cluster.Tracker()
	s.fake.cluster.PrependReactor("create", "pods", func(action k8stesting.Action) (bool, runtime.Object, error) {
		if action.GetSubresource() != "eviction" {
			return false, nil, nil
		}
		name := action.(k8stesting.CreateAction).GetObject().(metav1.Object).GetName()
		if strings.HasPrefix(name, "stuck") {
			return true, nil, apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
		}
		return true, nil, tracker.Delete(corev1.SchemeGroupVersion.WithResource("pods"), "apps", name)
	})
}

func (s *stack) pods() (names []string) {
	list, _ := s.fake.cluster.CoreV1().Pods("").List(s.t.Context(), metav1.ListOptions{})
	for _, p := range list.Items {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}

// ended waits for the end of an update.
func (s *stack) ended(u *ekstypes.Update) *ekstypes.Update {
	s.t.Helper()
	s.until("the update ends", func() bool {
		out, err := s.eks.DescribeUpdate(s.t.Context(), &eks.DescribeUpdateInput{Name: &s.cluster, NodegroupName: awssdk.String("web"), UpdateId: u.Id})
		if err != nil {
			s.t.Fatal(err)
		}
		u = out.Update
		return u.Status != ekstypes.UpdateStatusInProgress
	})
	return u
}

// A managed group is born with all that EKS makes for it, and leaves nothing.
func TestManagedGroupFromFirstToLast(t *testing.T) {
	s := newStack(t)
	s.evictions()
	made := s.add("AWS::EKS::Nodegroup", s.managed(s.nodeRole(), nil))
	if made["ID"] != "demo/web" || made["ReleaseVersion"] != "1.36.3-20261101" || made["AmiType"] != "AL2023_x86_64_STANDARD" {
		t.Errorf("made %v", made)
	}
	g := s.describe()
	if g.Status != ekstypes.NodegroupStatusActive || len(g.Resources.AutoScalingGroups) != 1 {
		t.Fatalf("status %s, %v", g.Status, g.Resources)
	}
	asg := s.group(*g.Resources.AutoScalingGroups[0].Name)
	tags := map[string]string{}
	for _, tag := range asg.Tags {
		tags[*tag.Key] = *tag.Value
	}
	if tags["eks:nodegroup-name"] != "web" || tags["eks:cluster-name"] != "demo" || !strings.HasPrefix(*asg.AutoScalingGroupName, "eks-web-") {
		t.Errorf("group %s, tags %v", *asg.AutoScalingGroupName, tags)
	}
	hooks, err := s.asg.DescribeLifecycleHooks(t.Context(), &autoscaling.DescribeLifecycleHooksInput{AutoScalingGroupName: asg.AutoScalingGroupName})
	if err != nil || len(hooks.LifecycleHooks) != 2 || *hooks.LifecycleHooks[1].LifecycleHookName != "Terminate-LC-Hook" {
		t.Errorf("hooks %+v %v", hooks, err)
	}
	for _, n := range s.nodes() {
		if n.Labels["eks.amazonaws.com/nodegroup"] != "web" || n.Labels["eks.amazonaws.com/capacityType"] != "ON_DEMAND" ||
			!strings.HasPrefix(n.Labels["eks.amazonaws.com/nodegroup-image"], "ami-") || n.Labels["team"] != "web" || n.Spec.Taints[0].Key != "nginx" {
			t.Errorf("node %s: %v %v", n.Name, n.Labels, n.Spec.Taints)
		}
	}
	if event := s.remove("AWS::EKS::Cluster", s.cluster); event.OperationStatus != types.OperationStatusFailed {
		t.Errorf("a cluster with a managed group was deleted: %s", event.OperationStatus)
	}
	for k := len(s.made) - 1; k >= 0; k-- {
		s.mustRemove(s.made[k][0], s.made[k][1])
	}
	if n, found := s.inventory(); n != 0 {
		t.Errorf("left behind: %v", found)
	}
}

// Labels, taints and size change in place; two updates at once are refused.
func TestManagedGroupChangesInPlace(t *testing.T) {
	s := newStack(t)
	s.add("AWS::EKS::Nodegroup", s.managed(s.nodeRole(), nil))
	in := &eks.UpdateNodegroupConfigInput{ClusterName: &s.cluster, NodegroupName: awssdk.String("web"),
		Labels:        &ekstypes.UpdateLabelsPayload{AddOrUpdateLabels: map[string]string{"tier": "front"}, RemoveLabels: []string{"team"}},
		Taints:        &ekstypes.UpdateTaintsPayload{RemoveTaints: []ekstypes.Taint{{Key: awssdk.String("nginx"), Effect: ekstypes.TaintEffectNoSchedule}}},
		ScalingConfig: &ekstypes.NodegroupScalingConfig{DesiredSize: awssdk.Int32(3)}}
	release := s.fake.hold()
	out, err := s.eks.UpdateNodegroupConfig(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	in.ClientRequestToken = nil // which the SDK fills in: by the same one it is the same update
	if _, err = s.eks.UpdateNodegroupConfig(t.Context(), in); err == nil {
		t.Error("a second update at once was accepted")
	}
	release()
	if u := s.ended(out.Update); u.Status != ekstypes.UpdateStatusSuccessful {
		t.Fatalf("update %s %v", u.Status, u.Errors)
	}
	s.until("three nodes have it", func() bool {
		nodes := s.nodes()
		for _, n := range nodes {
			if _, old := n.Labels["team"]; old || n.Labels["tier"] != "front" || len(n.Spec.Taints) > 0 {
				return false
			}
		}
		return len(nodes) == 3
	})
	model := s.get("AWS::EKS::Nodegroup", "demo/web")
	if fmt.Sprint(model["Labels"]) != "map[tier:front]" || model["Taints"] != nil {
		t.Errorf("model %v", model)
	}
}

// What the handlers of Cloud Control cannot do is refused as they do.
func TestManagedGroupTrapsOfCloudControl(t *testing.T) {
	s := newStack(t)
	s.add("AWS::EKS::Nodegroup", s.managed(s.nodeRole(), props{"ReleaseVersion": "1.36.3-20261001"}))
	event, err := s.update("AWS::EKS::Nodegroup", "demo/web",
		props{"op": "add", "path": "/ReleaseVersion", "value": "1.36.3-20261101"},
		props{"op": "add", "path": "/Labels", "value": props{"a": "b"}})
	if err != nil || event.ErrorCode != types.HandlerErrorCodeInvalidRequest || !strings.Contains(*event.StatusMessage, "cannot be combined") {
		t.Errorf("a version and labels at once: %v %v", event, err)
	}
	_, err = s.update("AWS::EKS::Nodegroup", "demo/web", props{"op": "replace", "path": "/InstanceTypes", "value": []string{"t3.xlarge"}})
	wantCode(t, err, "NotUpdatableException")
	event = s.failed("AWS::EKS::Nodegroup", s.managed("arn:aws:iam::111122223333:role/nodes", props{"NodegroupName": "old", "Version": "1.35"}))
	if !strings.Contains(*event.StatusMessage, "not compatible") {
		t.Errorf("an older version: %s", *event.StatusMessage)
	}
	event = s.failed("AWS::EKS::Nodegroup", s.managed("arn:aws:iam::111122223333:role/nodes", props{"NodegroupName": "arm", "InstanceTypes": []string{"m7g.large"}}))
	if !strings.Contains(*event.StatusMessage, "not a valid instance type") {
		t.Errorf("arm on an x86 image: %s", *event.StatusMessage)
	}
}

// failed creates what cannot be, and returns the request's end.
func (s *stack) failed(typ string, want props) *types.ProgressEvent {
	s.t.Helper()
	out, err := s.cc.CreateResource(s.t.Context(), &cloudcontrol.CreateResourceInput{TypeName: &typ, DesiredState: text(want)})
	if err != nil {
		s.t.Fatal(err)
	}
	event := s.await(out.ProgressEvent)
	if event.OperationStatus != types.OperationStatusFailed {
		s.t.Fatalf("it was created: %v", event)
	}
	return event
}

// A release update replaces every node, new ones first; one whose pod may not be
// evicted stops it, and all is as before.
func TestManagedGroupVersionUpdate(t *testing.T) {
	s := newStack(t)
	s.evictions()
	s.add("AWS::EKS::Nodegroup", s.managed(s.nodeRole(), props{"ReleaseVersion": "1.36.3-20261001", "UpdateConfig": props{"MaxUnavailable": 2}}))
	old := s.nodes()
	s.pod("stuck", old[0].Name)
	s.pod("web", old[1].Name)
	update := func(force bool) *ekstypes.Update {
		out, err := s.eks.UpdateNodegroupVersion(t.Context(), &eks.UpdateNodegroupVersionInput{ClusterName: &s.cluster, NodegroupName: awssdk.String("web"), Force: force})
		if err != nil {
			t.Fatal(err)
		}
		return s.ended(out.Update)
	}
	u := update(false)
	if u.Status != ekstypes.UpdateStatusFailed || u.Errors[0].ErrorCode != ekstypes.ErrorCodePodEvictionFailure {
		t.Fatalf("update %s %v", u.Status, u.Errors)
	}
	if g := s.describe(); *g.ReleaseVersion != "1.36.3-20261001" || g.Status != ekstypes.NodegroupStatusActive {
		t.Errorf("group %s %s", *g.ReleaseVersion, g.Status)
	}
	s.until("the new nodes are gone, and the one that is left takes pods", func() bool {
		nodes := s.nodes()
		return slices.ContainsFunc(nodes, func(n corev1.Node) bool { return n.Name == old[0].Name && !n.Spec.Unschedulable }) && len(nodes) == 2
	})
	s.until("EKS may be asked again", func() bool { return s.describe().Status == ekstypes.NodegroupStatusActive })
	if u := update(true); u.Status != ekstypes.UpdateStatusSuccessful {
		t.Fatalf("forced update %s %v", u.Status, u.Errors)
	}
	if g := s.describe(); *g.ReleaseVersion != "1.36.3-20261101" || *g.ScalingConfig.DesiredSize != 2 {
		t.Errorf("group %s of %d", *g.ReleaseVersion, *g.ScalingConfig.DesiredSize)
	}
	for _, n := range s.nodes() {
		if n.Name == old[0].Name || n.Name == old[1].Name {
			t.Errorf("node %s is still there", n.Name)
		}
	}
	if left := s.pods(); len(left) > 0 {
		t.Errorf("pods %v are left", left)
	}
}

// A delete drains for a while, and then ends nodes with what runs there: no
// budget stops it.
func TestManagedGroupDeleteIsForced(t *testing.T) {
	s := newStack(t)
	s.evictions()
	s.add("AWS::EKS::Nodegroup", s.managed(s.nodeRole(), nil))
	nodes := s.nodes()
	s.pod("stuck", nodes[0].Name)
	s.pod("web", nodes[1].Name)
	began := time.Now()
	s.mustRemove("AWS::EKS::Nodegroup", "demo/web")
	if took := time.Since(began); took < time.Duration(speed*float64(30*time.Second)) {
		t.Errorf("it did not wait for the budget: %s", took)
	}
	if left := s.pods(); !slices.Equal(left, []string{"stuck"}) || len(s.nodes()) > 0 {
		t.Errorf("pods %v, %d nodes", left, len(s.nodes()))
	}
}

// A scale-in does not respect budgets at all.
func TestManagedGroupScaleIn(t *testing.T) {
	s := newStack(t)
	s.evictions()
	s.add("AWS::EKS::Nodegroup", s.managed(s.nodeRole(), nil))
	for k, n := range s.nodes() {
		s.pod(fmt.Sprintf("stuck-%d", k), n.Name)
	}
	out, err := s.eks.UpdateNodegroupConfig(t.Context(), &eks.UpdateNodegroupConfigInput{ClusterName: &s.cluster, NodegroupName: awssdk.String("web"),
		ScalingConfig: &ekstypes.NodegroupScalingConfig{DesiredSize: awssdk.Int32(1)}})
	if err != nil {
		t.Fatal(err)
	}
	s.ended(out.Update)
	s.until("one node is left, and one pod", func() bool { return len(s.nodes()) == 1 && len(s.pods()) == 1 })
}

// Who changes the Auto Scaling group past EKS degrades the node group; the desired
// size is everybody's.
func TestManagedGroupIsDegraded(t *testing.T) {
	s := newStack(t)
	s.add("AWS::EKS::Nodegroup", s.managed(s.nodeRole(), nil))
	name := s.describe().Resources.AutoScalingGroups[0].Name
	set := func(in autoscaling.UpdateAutoScalingGroupInput) {
		in.AutoScalingGroupName = name
		if _, err := s.asg.UpdateAutoScalingGroup(t.Context(), &in); err != nil {
			t.Fatal(err)
		}
	}
	set(autoscaling.UpdateAutoScalingGroupInput{DesiredCapacity: awssdk.Int32(3)})
	s.until("EKS tells of it", func() bool { return *s.describe().ScalingConfig.DesiredSize == 3 })
	if g := s.describe(); g.Status != ekstypes.NodegroupStatusActive {
		t.Errorf("status %s", g.Status)
	}
	set(autoscaling.UpdateAutoScalingGroupInput{MinSize: awssdk.Int32(0)})
	s.until("it is degraded", func() bool { return s.describe().Status == ekstypes.NodegroupStatusDegraded })
	if issue := s.describe().Health.Issues[0]; issue.Code != ekstypes.NodegroupIssueCodeAutoScalingGroupInvalidConfiguration {
		t.Errorf("issue %v", issue)
	}
	set(autoscaling.UpdateAutoScalingGroupInput{MinSize: awssdk.Int32(1)})
	s.until("it is healthy again", func() bool { return s.describe().Status == ekstypes.NodegroupStatusActive })
}

// A group is of its launch template; what that says twice, or may not say, is refused.
func TestManagedGroupWithLaunchTemplate(t *testing.T) {
	s := newStack(t)
	role := s.nodeRole()
	template := s.add("AWS::EC2::LaunchTemplate", props{"LaunchTemplateName": "own", "LaunchTemplateData": props{"InstanceType": "t3.large"}})
	spec := props{"Id": template["ID"], "Version": "1"}
	if event := s.failed("AWS::EKS::Nodegroup", s.managed(role, props{"LaunchTemplate": spec})); !strings.Contains(*event.StatusMessage, "Cannot specify instance types") {
		t.Errorf("instance types twice: %s", *event.StatusMessage)
	}
	both := props{"Id": template["ID"], "Name": "own", "Version": "1"}
	if event := s.failed("AWS::EKS::Nodegroup", s.managed(role, props{"LaunchTemplate": both, "InstanceTypes": nil})); !strings.Contains(*event.StatusMessage, "ID or name") {
		t.Errorf("ID and name: %s", *event.StatusMessage)
	}
	s.add("AWS::EKS::Nodegroup", s.managed(role, props{"LaunchTemplate": spec, "InstanceTypes": nil}))
	for _, n := range s.nodes() {
		if n.Labels["eks.amazonaws.com/sourceLaunchTemplateId"] != template["ID"] {
			t.Errorf("node %s: %v", n.Name, n.Labels)
		}
	}
	// The model is read with ID and name, and refused as it was read.
	event, err := s.update("AWS::EKS::Nodegroup", "demo/web", props{"op": "replace", "path": "/ReleaseVersion", "value": "1.36.3-20261001"})
	if err != nil || event.ErrorCode != types.HandlerErrorCodeInvalidRequest || !strings.Contains(*event.StatusMessage, "ID or name") {
		t.Errorf("a merged model: %v %v", event, err)
	}
}

// A managed node group by EKS's own calls, as eksctl makes them.
func TestManagedGroupByItsOwnCalls(t *testing.T) {
	s := newStack(t)
	role, name := s.nodeRole(), awssdk.String("web")
	in := &eks.CreateNodegroupInput{ClusterName: &s.cluster, NodegroupName: name, NodeRole: &role, Subnets: s.public, InstanceTypes: []string{"t3.large"},
		ScalingConfig: &ekstypes.NodegroupScalingConfig{MinSize: awssdk.Int32(1), DesiredSize: awssdk.Int32(1), MaxSize: awssdk.Int32(2)}, ClientRequestToken: awssdk.String("one")}
	for range 2 { // the same request once more
		if _, err := s.eks.CreateNodegroup(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	s.until("a machine runs", func() bool { return len(s.fake.machines()) == 1 })
	s.until("it is active", func() bool {
		out, err := s.eks.DescribeNodegroup(t.Context(), &eks.DescribeNodegroupInput{ClusterName: &s.cluster, NodegroupName: name})
		return err == nil && out.Nodegroup.Status == ekstypes.NodegroupStatusActive
	})
	update := s.once(func(token, label string) (*ekstypes.Update, error) {
		out, err := s.eks.UpdateNodegroupConfig(t.Context(), &eks.UpdateNodegroupConfigInput{ClusterName: &s.cluster, NodegroupName: name, ClientRequestToken: &token,
			Labels: &ekstypes.UpdateLabelsPayload{AddOrUpdateLabels: map[string]string{"a": label}}})
		if err != nil {
			return nil, err
		}
		return out.Update, nil
	})
	s.ended(update)
	list, err := s.eks.ListNodegroups(t.Context(), &eks.ListNodegroupsInput{ClusterName: &s.cluster})
	if err != nil || !slices.Equal(list.Nodegroups, []string{"web"}) {
		t.Errorf("%+v, %v", list, err)
	}
	s.until("a machine runs", func() bool { return len(s.fake.machines()) == 1 })
	if _, err := s.eks.DeleteNodegroup(t.Context(), &eks.DeleteNodegroupInput{ClusterName: &s.cluster, NodegroupName: name}); err != nil {
		t.Fatal(err)
	}
	s.until("it is gone", func() bool {
		list, err := s.eks.ListNodegroups(t.Context(), &eks.ListNodegroupsInput{ClusterName: &s.cluster})
		return err == nil && len(list.Nodegroups) == 0
	})
}
