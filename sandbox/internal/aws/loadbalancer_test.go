package aws

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing/types"
)

// ports of the load balancer and of the instances; tests bind them on
// addresses of their own in 127.0.0.0/8.
const lbPort, nodePort = 18080, 31080

var lbName = awssdk.String("a0123456789abcdef0123456789abcde")

// serveOn answers on the machine's address with its name.
func (s *stack) serveOn(privateIP, name string) {
	s.t.Helper()
	l, err := s.net.Listen(netip.MustParseAddr(privateIP), nodePort)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.WriteString(c, name)
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
}

// balanced makes a load balancer with the calls, in the order, of the AWS
// cloud-controller-manager, with two instances behind it.
func balanced(t *testing.T) (s *stack, instances []elbtypes.Instance, lbGroup string) {
	t.Helper()
	s = newStack(t)
	s.nodeGroup(2)
	s.until("2 machines run", func() bool { return len(s.fake.machines()) == 2 })
	for _, m := range s.fake.machines() {
		s.serveOn(m.PrivateIP, m.ID)
		instances = append(instances, elbtypes.Instance{InstanceId: awssdk.String(m.ID)})
	}
	ctx := t.Context()
	_, err := s.elb.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{LoadBalancerNames: []string{*lbName}})
	wantCode(t, err, "LoadBalancerNotFound")
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.ec2.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{}))
	must(s.ec2.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: filter("vpc-id", s.vpc)}))
	group, err := s.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: awssdk.String("k8s-elb-a0123"), Description: awssdk.String("for elb"),
		VpcId: &s.vpc, TagSpecifications: []ec2types.TagSpecification{{ResourceType: "security-group",
			Tags: []ec2types.Tag{
				{Key: awssdk.String("kubernetes.io/cluster/demo"), Value: awssdk.String("owned")}}}}})
	must(group, err)
	lbGroup = *group.GroupId
	must(s.ec2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &lbGroup,
		IpPermissions: []ec2types.IpPermission{
			{IpProtocol: awssdk.String("tcp"), FromPort: awssdk.Int32(lbPort), ToPort: awssdk.Int32(lbPort),
				IpRanges: []ec2types.IpRange{{CidrIp: awssdk.String("0.0.0.0/0")}}}}}))
	must(s.elb.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{LoadBalancerName: lbName, Subnets: s.public,
		SecurityGroups: []string{lbGroup},
		Listeners: []elbtypes.Listener{{Protocol: awssdk.String("TCP"), LoadBalancerPort: lbPort,
			InstanceProtocol: awssdk.String("TCP"), InstancePort: awssdk.Int32(nodePort)}},
		Tags: []elbtypes.Tag{{Key: awssdk.String("kubernetes.io/service-name"),
			Value: awssdk.String("apps/nginx")}}}))
	must(s.elb.DescribeLoadBalancerAttributes(ctx, &elb.DescribeLoadBalancerAttributesInput{LoadBalancerName: lbName}))
	must(s.elb.ModifyLoadBalancerAttributes(ctx, &elb.ModifyLoadBalancerAttributesInput{LoadBalancerName: lbName,
		LoadBalancerAttributes: &elbtypes.LoadBalancerAttributes{ConnectionDraining: &elbtypes.ConnectionDraining{Enabled: true, Timeout: awssdk.Int32(2)},
			ConnectionSettings:     &elbtypes.ConnectionSettings{IdleTimeout: awssdk.Int32(60)},
			CrossZoneLoadBalancing: &elbtypes.CrossZoneLoadBalancing{}}}))
	must(s.elb.ConfigureHealthCheck(ctx, &elb.ConfigureHealthCheckInput{LoadBalancerName: lbName,
		HealthCheck: &elbtypes.HealthCheck{
			Target: awssdk.String(fmt.Sprintf("TCP:%d", nodePort)), Interval: awssdk.Int32(5), Timeout: awssdk.Int32(2),
			HealthyThreshold: awssdk.Int32(2), UnhealthyThreshold: awssdk.Int32(2)}}))
	must(s.elb.RegisterInstancesWithLoadBalancer(ctx, &elb.RegisterInstancesWithLoadBalancerInput{LoadBalancerName: lbName, Instances: instances}))
	nodes := s.clusterGroup()
	must(s.ec2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &nodes,
		IpPermissions: allFrom(lbGroup)}))
	return s, instances, lbGroup
}

func filter(name, value string) []ec2types.Filter {
	return []ec2types.Filter{{Name: &name, Values: []string{value}}}
}

func allFrom(group string) []ec2types.IpPermission {
	return []ec2types.IpPermission{{IpProtocol: awssdk.String("-1"),
		UserIdGroupPairs: []ec2types.UserIdGroupPair{{GroupId: &group}}}}
}

func (s *stack) clusterGroup() string {
	s.t.Helper()
	return s.get("AWS::EKS::Cluster", s.cluster)["ClusterSecurityGroupId"].(string)
}

// health tells the state and the description of each registered instance.
func (s *stack) health() map[string]string {
	s.t.Helper()
	out, err := s.elb.DescribeInstanceHealth(s.t.Context(), &elb.DescribeInstanceHealthInput{LoadBalancerName: lbName})
	if err != nil {
		s.t.Fatal(err)
	}
	states := map[string]string{}
	for _, i := range out.InstanceStates {
		states[*i.InstanceId] = *i.State + ": " + *i.Description
	}
	return states
}

// dial connects through the load balancer and says which instance answers.
func (s *stack) dial(instances []elbtypes.Instance) (net.Conn, string) {
	s.t.Helper()
	out, err := s.elb.DescribeLoadBalancers(s.t.Context(), &elb.DescribeLoadBalancersInput{LoadBalancerNames: []string{*lbName}})
	if err != nil {
		s.t.Fatal(err)
	}
	ip, _ := s.resolve(*out.LoadBalancerDescriptions[0].DNSName)
	c, err := net.Dial("tcp4", netip.AddrPortFrom(s.net.local(ip[0]), lbPort).String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	name := make([]byte, len(*instances[0].InstanceId))
	if _, err := io.ReadFull(c, name); err != nil {
		s.t.Fatal(err)
	}
	return c, string(name)
}

// What the cloud-controller-manager makes carries traffic, lets an instance go
// when it is asked to, and can be taken apart in its order.
func TestLoadBalancer(t *testing.T) {
	s, instances, lbGroup := balanced(t)
	healthy := func() bool {
		h := s.health()
		return h[*instances[0].InstanceId] == "InService: N/A" && h[*instances[1].InstanceId] == "InService: N/A"
	}
	s.until("both are in service", healthy)
	var held net.Conn
	leaving := *instances[0].InstanceId
	for name := ""; name != leaving; {
		held, name = s.dial(instances)
	}
	if _, err := s.elb.DeregisterInstancesFromLoadBalancer(t.Context(),
		&elb.DeregisterInstancesFromLoadBalancerInput{LoadBalancerName: lbName, Instances: instances[:1]}); err != nil {
		t.Fatal(err)
	}
	if h := s.health()[leaving]; h != "InService: Instance deregistration currently in progress." {
		t.Errorf("health while draining %q", h)
	}
	time.Sleep(300 * time.Millisecond) // more than the data plane's lag
	for range 5 {
		if _, name := s.dial(instances); name == leaving {
			t.Fatal("a new connection went to the deregistered instance")
		}
	}
	if _, err := held.Read(make([]byte, 1)); err == nil {
		t.Error("the open connection outlived the draining timeout")
	}
	s.until("it has left", func() bool { _, there := s.health()[leaving]; return !there })
	s.takeApart(lbGroup)
}

// takeApart deletes as the cloud-controller-manager does: rule, balancer, group.
func (s *stack) takeApart(lbGroup string) {
	s.t.Helper()
	ctx, nodes := s.t.Context(), s.clusterGroup()
	_, err := s.ec2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &lbGroup})
	wantCode(s.t, err, "DependencyViolation")
	found, err := s.ec2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: filter("ip-permission.group-id", lbGroup)})
	if err != nil || len(found.SecurityGroups) != 1 || *found.SecurityGroups[0].GroupId != nodes {
		s.t.Fatalf("groups that allow the balancer: %+v %v", found, err)
	}
	if _, err := s.ec2.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &nodes,
		IpPermissions: allFrom(lbGroup)}); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.elb.DeleteLoadBalancer(ctx, &elb.DeleteLoadBalancerInput{LoadBalancerName: lbName}); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.ec2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &lbGroup}); err != nil {
		s.t.Fatal(err)
	}
}

// Load balancers come back with a new process, and so do machines.
func TestRestart(t *testing.T) {
	s, instances, _ := balanced(t)
	s.until("one is in service", func() bool { return s.health()[*instances[1].InstanceId] == "InService: N/A" })
	machines := s.fake.machines()
	s.stop()
	s.fake.mu.Lock()
	clear(s.fake.running)
	s.fake.mu.Unlock()
	s.start(speed)
	s.until("machines run again", func() bool { return len(s.fake.machines()) == 2 })
	if again := s.fake.machines(); again[0].ID != machines[0].ID || again[0].PodCIDR != machines[0].PodCIDR {
		t.Errorf("machines %v, before %v", again, machines)
	}
	s.until("one is in service again", func() bool { return s.health()[*instances[1].InstanceId] == "InService: N/A" })
	if _, name := s.dial(instances); name == "" {
		t.Error("nobody answers")
	}
}

// What the cloud-controller-manager changes about a load balancer that is there:
// policies, subnets, security groups and tags are kept and shown.
func TestLoadBalancerIsChanged(t *testing.T) {
	s, _, lbGroup := balanced(t)
	ctx, port := t.Context(), int32(nodePort)
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	policy := &elb.CreateLoadBalancerPolicyInput{LoadBalancerName: lbName, PolicyName: awssdk.String("sticky"), PolicyTypeName: awssdk.String("LBCookieStickinessPolicyType"),
		PolicyAttributes: []elbtypes.PolicyAttribute{{AttributeName: awssdk.String("CookieExpirationPeriod"), AttributeValue: awssdk.String("60")}}}
	must(s.elb.CreateLoadBalancerPolicy(ctx, policy))
	_, err := s.elb.CreateLoadBalancerPolicy(ctx, policy)
	wantCode(t, err, "DuplicatePolicyName")
	policies, err := s.elb.DescribeLoadBalancerPolicies(ctx, &elb.DescribeLoadBalancerPoliciesInput{LoadBalancerName: lbName, PolicyNames: []string{"sticky"}})
	if err != nil || len(policies.PolicyDescriptions) != 1 || *policies.PolicyDescriptions[0].PolicyAttributeDescriptions[0].AttributeValue != "60" {
		t.Errorf("%+v, %v", policies, err)
	}
	must(s.elb.SetLoadBalancerPoliciesOfListener(ctx, &elb.SetLoadBalancerPoliciesOfListenerInput{LoadBalancerName: lbName, LoadBalancerPort: lbPort, PolicyNames: []string{"sticky"}}))
	_, err = s.elb.SetLoadBalancerPoliciesOfListener(ctx, &elb.SetLoadBalancerPoliciesOfListenerInput{LoadBalancerName: lbName, LoadBalancerPort: 1, PolicyNames: []string{"sticky"}})
	wantCode(t, err, "ListenerNotFound")
	_, err = s.elb.SetLoadBalancerPoliciesForBackendServer(ctx, &elb.SetLoadBalancerPoliciesForBackendServerInput{LoadBalancerName: lbName, InstancePort: &port, PolicyNames: []string{"nobody"}})
	wantCode(t, err, "PolicyNotFound")
	must(s.elb.SetLoadBalancerPoliciesForBackendServer(ctx, &elb.SetLoadBalancerPoliciesForBackendServerInput{LoadBalancerName: lbName, InstancePort: &port, PolicyNames: []string{"sticky"}}))
	must(s.elb.AddTags(ctx, &elb.AddTagsInput{LoadBalancerNames: []string{*lbName}, Tags: []elbtypes.Tag{{Key: awssdk.String("a"), Value: awssdk.String("b")}, {Key: awssdk.String("c")}}}))
	must(s.elb.RemoveTags(ctx, &elb.RemoveTagsInput{LoadBalancerNames: []string{*lbName}, Tags: []elbtypes.TagKeyOnly{{Key: awssdk.String("c")}}}))
	tags, err := s.elb.DescribeTags(ctx, &elb.DescribeTagsInput{LoadBalancerNames: []string{*lbName}})
	if err != nil || len(tags.TagDescriptions[0].Tags) != 2 {
		t.Errorf("%+v, %v", tags, err)
	}
	must(s.elb.ApplySecurityGroupsToLoadBalancer(ctx, &elb.ApplySecurityGroupsToLoadBalancerInput{LoadBalancerName: lbName, SecurityGroups: []string{lbGroup}}))
	gone := s.public[1:]
	must(s.elb.DetachLoadBalancerFromSubnets(ctx, &elb.DetachLoadBalancerFromSubnetsInput{LoadBalancerName: lbName, Subnets: gone}))
	is := func() elbtypes.LoadBalancerDescription {
		t.Helper()
		out, err := s.elb.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{LoadBalancerNames: []string{*lbName}})
		if err != nil {
			t.Fatal(err)
		}
		return out.LoadBalancerDescriptions[0]
	}
	if lb := is(); len(lb.Subnets) != 1 || len(lb.BackendServerDescriptions) != 1 || len(lb.ListenerDescriptions[0].PolicyNames) != 1 {
		t.Errorf("%+v", lb)
	}
	must(s.elb.AttachLoadBalancerToSubnets(ctx, &elb.AttachLoadBalancerToSubnetsInput{LoadBalancerName: lbName, Subnets: gone}))
	if lb := is(); len(lb.Subnets) != len(s.public) || len(lb.SecurityGroups) != 1 {
		t.Errorf("%+v", lb)
	}
}
