package aws

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// nodeGroup makes the five resources of a self-managed node group named web.
func (s *stack) nodeGroup(size int) {
	s.t.Helper()
	const name = "web"
	cluster := s.get("AWS::EKS::Cluster", s.cluster)
	image, err := ssm.NewFromConfig(s.cfg).GetParameter(s.t.Context(), &ssm.GetParameterInput{
		Name: awssdk.String("/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/x86_64/standard/recommended/image_id")})
	if err != nil {
		s.t.Fatal(err)
	}
	role := s.add("AWS::IAM::Role", props{"RoleName": name, "AssumeRolePolicyDocument": props{"Version": "2012-10-17"},
		"ManagedPolicyArns": []string{"arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"}})
	s.add("AWS::IAM::InstanceProfile", props{"InstanceProfileName": name, "Roles": []string{name}})
	template := s.add("AWS::EC2::LaunchTemplate", props{"LaunchTemplateName": name, "LaunchTemplateData": props{
		"ImageId": *image.Parameter.Value, "InstanceType": "t3.2xlarge",
		"UserData":           s.userData(name),
		"IamInstanceProfile": props{"Name": name}, "SecurityGroupIds": []any{cluster["ClusterSecurityGroupId"]}}})
	s.add("AWS::AutoScaling::AutoScalingGroup", props{"AutoScalingGroupName": name, "MinSize": fmt.Sprint(min(size, 1)),
		"MaxSize":         "10",
		"DesiredCapacity": fmt.Sprint(size), "VPCZoneIdentifier": s.public,
		"LaunchTemplate": props{"LaunchTemplateId": template["ID"], "Version": template["LatestVersionNumber"]},
		"Tags": []props{{"Key": "kubernetes.io/cluster/" + s.cluster, "Value": "owned",
			"PropagateAtLaunch": true}}})
	s.add("AWS::EKS::AccessEntry", props{"ClusterName": s.cluster, "PrincipalArn": role["Arn"], "Type": "EC2_LINUX"})
}

// userData joins nodes of a group to the cluster.
func (s *stack) userData(name string) string {
	s.t.Helper()
	cluster := s.get("AWS::EKS::Cluster", s.cluster)
	config := fmt.Sprintf("apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  cluster:\n    name: %s\n    apiServerEndpoint: %s\n"+
		"    certificateAuthority: %s\n    cidr: 10.100.0.0/16\n  kubelet:\n    flags:\n    - --node-labels=drover.dev/nodegroup=%s,a=b\n"+
		"    - --register-with-taints=nginx=true:NoSchedule\n", s.cluster, cluster["Endpoint"],
		cluster["CertificateAuthorityData"], name)
	userData := "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"//\"\n\n--//\nContent-Type: application/node.eks.aws\n\n" + config + "\n--//--\n"
	return base64.StdEncoding.EncodeToString([]byte(userData))
}

func (s *stack) group(name string) astypes.AutoScalingGroup {
	s.t.Helper()
	out, err := s.asg.DescribeAutoScalingGroups(s.t.Context(),
		&autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{name}})
	if err != nil || len(out.AutoScalingGroups) != 1 {
		s.t.Fatalf("group %s: %v %v", name, out, err)
	}
	return out.AutoScalingGroups[0]
}

// A node group comes up as machines that know all a node must know, shrinks by
// named instances down to nothing, and everything can be deleted in order.
func TestNodeGroupFromFirstToLast(t *testing.T) {
	s := newStack(t)
	s.nodeGroup(3)
	s.until("3 machines run", func() bool { return len(s.fake.machines()) == 3 })
	machines := s.fake.machines()
	zones := map[string]int{}
	var used []netip.Prefix
	for _, m := range machines {
		zones[strings.Split(m.ProviderID, "/")[3]]++
		block := netip.MustParsePrefix(m.PodCIDR)
		for _, u := range used {
			if u.Overlaps(block) {
				t.Errorf("pod blocks %s and %s overlap", u, block)
			}
		}
		used = append(used, block, netip.PrefixFrom(netip.MustParseAddr(m.PrivateIP), 32))
		if m.KubeletVersion != "v1.35.6" || m.Labels["drover.dev/nodegroup"] != "web" ||
			m.Taints[0] != "nginx=true:NoSchedule" ||
			m.CPU != 8 || m.MemoryMiB != 32768 || m.MaxPods != 58 ||
			!strings.HasSuffix(m.NodeName, ".us-west-2.compute.internal") {
			t.Errorf("machine %+v", m)
		}
	}
	if len(zones) != 2 {
		t.Errorf("instances per zone %v, want both zones used", zones)
	}
	out, err := s.ec2.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{machines[0].ID}})
	if err != nil {
		t.Fatal(err)
	}
	i := out.Reservations[0].Instances[0]
	if *i.PrivateDnsName != machines[0].NodeName || *i.PrivateIpAddress != machines[0].PrivateIP ||
		string(i.State.Name) != "running" {
		t.Errorf("instance %+v", i)
	}
	status, err := s.ec2.DescribeInstanceStatus(t.Context(), &ec2.DescribeInstanceStatusInput{InstanceIds: []string{machines[0].ID}})
	if err != nil || len(status.InstanceStatuses) != 1 || status.InstanceStatuses[0].InstanceState.Name != "running" {
		t.Errorf("status %+v, %v", status, err)
	}
	interfaces, err := s.ec2.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{Filters: filter("attachment.instance-id", machines[0].ID)})
	if err != nil || len(interfaces.NetworkInterfaces) != 1 || *interfaces.NetworkInterfaces[0].PrivateIpAddress != machines[0].PrivateIP {
		t.Errorf("interfaces %+v, %v", interfaces, err)
	}
	if topology, err := s.ec2.DescribeInstanceTopology(t.Context(), &ec2.DescribeInstanceTopologyInput{InstanceIds: []string{machines[0].ID}}); err != nil || len(topology.Instances) > 0 {
		t.Errorf("topology of a type that has none: %+v, %v", topology, err)
	}
	s.shrink("web", 1)
	s.until("2 machines run", func() bool { return len(s.fake.machines()) == 2 })
	if g := s.group("web"); *g.DesiredCapacity != 2 {
		t.Errorf("desired capacity %d after a termination with decrement", *g.DesiredCapacity)
	}
	for k := len(s.made) - 1; k >= 0; k-- {
		s.mustRemove(s.made[k][0], s.made[k][1])
	}
	if n, found := s.inventory(); n != 0 {
		t.Errorf("left behind: %v", found)
	}
	if len(s.fake.ended) != 1 || len(s.fake.machines()) != 0 {
		t.Errorf("cluster deleted %d times, %d machines run", len(s.fake.ended), len(s.fake.machines()))
	}
}

// shrink terminates n instances by name, decrementing.
func (s *stack) shrink(name string, n int) {
	s.t.Helper()
	yes := true
	for _, i := range s.group(name).Instances[:n] {
		if _, err := s.asg.TerminateInstanceInAutoScalingGroup(s.t.Context(),
			&autoscaling.TerminateInstanceInAutoScalingGroupInput{
				InstanceId: i.InstanceId, ShouldDecrementDesiredCapacity: &yes}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// Termination with decrement stops at the minimum size; lower that first.
func TestDecrementBelowMinimumIsRefused(t *testing.T) {
	s := newStack(t)
	s.nodeGroup(1)
	yes, zero := true, int32(0)
	id := s.group("web").Instances[0].InstanceId
	in := &autoscaling.TerminateInstanceInAutoScalingGroupInput{InstanceId: id, ShouldDecrementDesiredCapacity: &yes}
	_, err := s.asg.TerminateInstanceInAutoScalingGroup(t.Context(), in)
	wantCode(t, err, "ValidationError")
	if _, err := s.asg.UpdateAutoScalingGroup(t.Context(), &autoscaling.UpdateAutoScalingGroupInput{
		AutoScalingGroupName: awssdk.String("web"), MinSize: &zero}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.asg.TerminateInstanceInAutoScalingGroup(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	s.until("the group is empty", func() bool { return len(s.group("web").Instances) == 0 })
}

// A terminated instance is replaced, unless launching is suspended; then it is
// once that is resumed.
func TestReplacement(t *testing.T) {
	s := newStack(t)
	s.nodeGroup(2)
	name := awssdk.String("web")
	if _, err := s.asg.SuspendProcesses(t.Context(), &autoscaling.SuspendProcessesInput{AutoScalingGroupName: name,
		ScalingProcesses: []string{"Launch"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ec2.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{*s.group("web").Instances[0].InstanceId}}); err != nil {
		t.Fatal(err)
	}
	s.until("one machine is left", func() bool {
		return len(s.fake.machines()) == 1 &&
			len(s.group("web").Instances) == 1
	})
	if _, err := s.asg.ResumeProcesses(t.Context(), &autoscaling.ResumeProcessesInput{AutoScalingGroupName: name}); err != nil {
		t.Fatal(err)
	}
	s.until("two machines run", func() bool { return len(s.fake.machines()) == 2 })
}

// A node whose role has no access entry is not let in until it has one.
func TestAccessEntryLetsNodesIn(t *testing.T) {
	s := newStack(t)
	s.nodeGroup(1)
	s.until("the machine runs", func() bool { return len(s.fake.machines()) == 1 })
	role := s.get("AWS::IAM::Role", "web")
	s.mustRemove("AWS::EKS::AccessEntry", role["Arn"].(string)+"|"+s.cluster)
	if event, err := s.update("AWS::AutoScaling::AutoScalingGroup", "web",
		props{"op": "add", "path": "/DesiredCapacity", "value": "2"}); err != nil ||
		event.OperationStatus != types.OperationStatusSuccess {
		t.Fatal(event, err)
	}
	s.until("two instances are in service", func() bool {
		g := s.group("web")
		return len(g.Instances) == 2 && g.Instances[1].LifecycleState == astypes.LifecycleStateInService
	})
	if n := len(s.fake.machines()); n != 1 {
		t.Fatalf("%d machines run, want 1: the second may not join", n)
	}
	s.make("AWS::EKS::AccessEntry", props{"ClusterName": s.cluster, "PrincipalArn": role["Arn"], "Type": "EC2_LINUX"})
	s.until("two machines run", func() bool { return len(s.fake.machines()) == 2 })
}

// The cluster that EKS describes is the one that Cloud Control made.
func TestClusterOutputs(t *testing.T) {
	s := newStack(t)
	out, err := s.eks.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: &s.cluster})
	if err != nil {
		t.Fatal(err)
	}
	c := out.Cluster
	if string(c.Status) != "ACTIVE" || *c.Endpoint != "https://127.0.0.1:6443" ||
		*c.CertificateAuthority.Data != "UEVN" ||
		*c.KubernetesNetworkConfig.ServiceIpv4Cidr != "10.100.0.0/16" || *c.ResourcesVpcConfig.VpcId != s.vpc {
		t.Errorf("cluster %+v", c)
	}
	groups, err := s.ec2.DescribeSecurityGroups(t.Context(),
		&ec2.DescribeSecurityGroupsInput{GroupIds: []string{*c.ResourcesVpcConfig.ClusterSecurityGroupId}})
	if err != nil {
		t.Fatal(err)
	}
	owned := false
	for _, tag := range groups.SecurityGroups[0].Tags {
		owned = owned || *tag.Key == "kubernetes.io/cluster/demo" && *tag.Value == "owned"
	}
	if !owned {
		t.Error("the cluster security group is not tagged as owned by the cluster")
	}
	if len(s.fake.clusters) != 1 || s.fake.clusters[0].VPCID != s.vpc {
		t.Errorf("supervisor was told %v", s.fake.clusters)
	}
	_, err = s.eks.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: awssdk.String("other")})
	wantCode(t, err, "ResourceNotFoundException")
}

// A group that cannot launch says why, and its creation fails in the end with
// the group left behind.
func TestGroupThatCannotLaunch(t *testing.T) {
	s := newStack(t)
	template := s.make("AWS::EC2::LaunchTemplate", props{"LaunchTemplateData": props{"ImageId": "ami-1",
		"InstanceType": "t3.medium"}})
	out, err := s.cc.CreateResource(t.Context(), &cloudcontrol.CreateResourceInput{TypeName: awssdk.String("AWS::AutoScaling::AutoScalingGroup"),
		DesiredState: text(props{"AutoScalingGroupName": "web", "MinSize": "1", "MaxSize": "1",
			"VPCZoneIdentifier": s.public,
			"LaunchTemplate":    props{"LaunchTemplateId": template["ID"], "Version": "1"}})})
	if err != nil {
		t.Fatal(err)
	}
	event := s.await(out.ProgressEvent)
	if event.ErrorCode != types.HandlerErrorCodeNotStabilized || awssdk.ToString(event.Identifier) != "web" ||
		!strings.Contains(awssdk.ToString(event.StatusMessage), "InvalidAMIID.NotFound") {
		t.Errorf("%s %s %s", event.ErrorCode, awssdk.ToString(event.Identifier), awssdk.ToString(event.StatusMessage))
	}
	activities, err := s.asg.DescribeScalingActivities(t.Context(),
		&autoscaling.DescribeScalingActivitiesInput{AutoScalingGroupName: awssdk.String("web")})
	if err != nil || activities.Activities[0].StatusCode != astypes.ScalingActivityStatusCodeFailed {
		t.Errorf("%+v %v", activities, err)
	}
	s.mustRemove("AWS::AutoScaling::AutoScalingGroup", "web")
}

// While replacement is suspended, an instance that ends by itself is missed
// and not replaced; named termination without decrement still is.
func TestReplaceUnhealthySuspended(t *testing.T) {
	s := newStack(t)
	s.nodeGroup(2)
	name, no := awssdk.String("web"), false
	if _, err := s.asg.SuspendProcesses(t.Context(), &autoscaling.SuspendProcessesInput{AutoScalingGroupName: name,
		ScalingProcesses: []string{"ReplaceUnhealthy"}}); err != nil {
		t.Fatal(err)
	}
	before := s.group("web").Instances
	if _, err := s.asg.TerminateInstanceInAutoScalingGroup(t.Context(),
		&autoscaling.TerminateInstanceInAutoScalingGroupInput{
			InstanceId: before[0].InstanceId, ShouldDecrementDesiredCapacity: &no}); err != nil {
		t.Fatal(err)
	}
	s.until("it is replaced", func() bool {
		g := s.group("web").Instances
		return len(g) == 2 && *g[0].InstanceId == *before[1].InstanceId
	})
	if _, err := s.ec2.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{*before[1].InstanceId}}); err != nil {
		t.Fatal(err)
	}
	s.until("it is gone", func() bool { return len(s.group("web").Instances) == 1 })
	if desired := *s.group("web").DesiredCapacity; desired != 2 {
		t.Errorf("desired capacity %d", desired)
	}
}
