package aws

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	elbv2 "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// nlb is a stack with two instances, one in each zone, behind a Network Load
// Balancer that was made with the calls of the cloud-controller-manager.
type nlb struct {
	*stack
	api   *elbv2.Client
	lb    types.LoadBalancer
	group *string
	ids   []string
}

func newNLB(t *testing.T, delay string) *nlb {
	t.Helper()
	n := &nlb{stack: newStack(t)}
	n.api = elbv2.NewFromConfig(n.cfg)
	n.nodeGroup(2)
	n.until("2 machines run", func() bool { return len(n.fake.machines()) == 2 })
	var targets []types.TargetDescription
	for _, m := range n.fake.machines() {
		n.serveOn(m.PrivateIP, m.ID)
		n.ids = append(n.ids, m.ID)
		targets = append(targets, types.TargetDescription{Id: awssdk.String(m.ID), Port: awssdk.Int32(nodePort)})
	}
	ctx := t.Context()
	_, err := n.api.DescribeLoadBalancers(ctx, &elbv2.DescribeLoadBalancersInput{Names: []string{*lbName}})
	wantCode(t, err, "LoadBalancerNotFound")
	var mappings []types.SubnetMapping
	for _, id := range n.public {
		mappings = append(mappings, types.SubnetMapping{SubnetId: &id})
	}
	made, err := n.api.CreateLoadBalancer(ctx, &elbv2.CreateLoadBalancerInput{Name: lbName, Type: types.LoadBalancerTypeEnumNetwork, SubnetMappings: mappings,
		Tags: []types.Tag{{Key: awssdk.String("kubernetes.io/service-name"), Value: awssdk.String("apps/nginx")}}})
	n.must(err)
	n.lb = made.LoadBalancers[0]
	group, err := n.api.CreateTargetGroup(ctx, &elbv2.CreateTargetGroupInput{Name: awssdk.String("k8s-apps-nginx-0123456789"), VpcId: &n.vpc, Port: awssdk.Int32(nodePort),
		Protocol: types.ProtocolEnumTcp, TargetType: types.TargetTypeEnumInstance, HealthCheckProtocol: types.ProtocolEnumTcp, HealthCheckPort: awssdk.String("traffic-port"),
		HealthCheckIntervalSeconds: awssdk.Int32(5), HealthyThresholdCount: awssdk.Int32(2), UnhealthyThresholdCount: awssdk.Int32(2)})
	n.must(err)
	n.group = group.TargetGroups[0].TargetGroupArn
	_, err = n.api.RegisterTargets(ctx, &elbv2.RegisterTargetsInput{TargetGroupArn: n.group, Targets: targets})
	n.must(err)
	if states := n.states(); states[n.ids[0]] != "unused Target.NotInUse" {
		t.Errorf("without a listener: %v", states)
	}
	_, err = n.api.CreateListener(ctx, &elbv2.CreateListenerInput{LoadBalancerArn: n.lb.LoadBalancerArn, Port: awssdk.Int32(lbPort), Protocol: types.ProtocolEnumTcp,
		DefaultActions: []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: n.group}}})
	n.must(err)
	_, err = n.api.ModifyTargetGroupAttributes(ctx, &elbv2.ModifyTargetGroupAttributesInput{TargetGroupArn: n.group,
		Attributes: []types.TargetGroupAttribute{{Key: awssdk.String("deregistration_delay.timeout_seconds"), Value: &delay}}})
	n.must(err)
	return n
}

func (n *nlb) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// states tells of each target its state and the reason.
func (n *nlb) states() map[string]string {
	n.t.Helper()
	out, err := n.api.DescribeTargetHealth(n.t.Context(), &elbv2.DescribeTargetHealthInput{TargetGroupArn: n.group})
	n.must(err)
	states := map[string]string{}
	for _, d := range out.TargetHealthDescriptions {
		states[*d.Target.Id] = string(d.TargetHealth.State)
		if d.TargetHealth.Reason != "" {
			states[*d.Target.Id] += " " + string(d.TargetHealth.Reason)
		}
	}
	return states
}

func (n *nlb) healthy(ids ...string) {
	n.t.Helper()
	n.until("healthy", func() bool {
		states := n.states()
		return !slices.ContainsFunc(ids, func(id string) bool { return states[id] != "healthy" })
	})
}

// dial connects by each address of the name, and says which instances answer.
func (n *nlb) answers() map[netip.Addr]string {
	n.t.Helper()
	ips, ok := n.resolve(*n.lb.DNSName)
	if !ok {
		n.t.Fatal("the name does not resolve")
	}
	found := map[netip.Addr]string{}
	for _, ip := range ips {
		_, found[ip] = n.connect(ip)
	}
	return found
}

func (n *nlb) connect(ip netip.Addr) (net.Conn, string) {
	n.t.Helper()
	c, err := net.Dial("tcp4", netip.AddrPortFrom(n.net.local(ip), lbPort).String())
	n.must(err)
	n.t.Cleanup(func() { _ = c.Close() })
	name := make([]byte, len(n.ids[0]))
	if _, err := io.ReadFull(c, name); err != nil {
		return c, "nobody"
	}
	return c, string(name)
}

// Each zone has an address, which sends to the targets of that zone only, until
// zones share them.
func TestNetworkBalancerByZone(t *testing.T) {
	n := newNLB(t, "300")
	n.healthy(n.ids...)
	got := n.answers()
	if len(got) != 2 {
		t.Fatalf("addresses: %v", got)
	}
	seen := map[string]bool{}
	for ip, id := range got {
		seen[id] = true
		for range 5 {
			if _, other := n.connect(ip); other != id {
				t.Errorf("%s sends to %s and %s", ip, id, other)
			}
		}
	}
	if len(seen) != 2 {
		t.Errorf("both zones send to one target: %v", got)
	}
	_, err := n.api.ModifyLoadBalancerAttributes(t.Context(), &elbv2.ModifyLoadBalancerAttributesInput{LoadBalancerArn: n.lb.LoadBalancerArn,
		Attributes: []types.LoadBalancerAttribute{{Key: awssdk.String("load_balancing.cross_zone.enabled"), Value: awssdk.String("true")}}})
	n.must(err)
	n.healthy(n.ids...)
	for ip := range got {
		seen := map[string]bool{}
		n.until("it sends to both", func() bool {
			_, id := n.connect(ip)
			seen[id] = true
			return len(seen) == 2
		})
	}
}

// A target that was deregistered is draining for its whole delay, connections go
// on to come for a while, those that are open stay, and an empty zone leaves the
// name.
func TestNetworkBalancerLagsBehind(t *testing.T) {
	n := newNLB(t, "0")
	n.restart(5 * speed) // lags that a busy machine leaves the time to see
	n.api = elbv2.NewFromConfig(n.cfg)
	n.healthy(n.ids...)
	var ip netip.Addr
	for at, id := range n.answers() {
		if id == n.ids[0] {
			ip = at
		}
	}
	open, _ := n.connect(ip)
	_, err := n.api.DeregisterTargets(t.Context(), &elbv2.DeregisterTargetsInput{TargetGroupArn: n.group, Targets: []types.TargetDescription{{Id: &n.ids[0]}}})
	n.must(err)
	if states := n.states(); states[n.ids[0]] != "" {
		t.Errorf("with no delay it is gone at once: %v", states)
	}
	if _, id := n.connect(ip); id != n.ids[0] {
		t.Errorf("right after that %s answers", id)
	}
	n.until("the zone leaves the name", func() bool { return len(n.answers()) == 1 })
	n.until("no connection comes any more", func() bool { _, id := n.connect(ip); return id == "nobody" })
	if _, err := fmt.Fprint(open, "x"); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(open, make([]byte, 1)); err != nil {
		t.Errorf("the open connection was cut: %v", err)
	}
	_, err = n.api.ModifyTargetGroupAttributes(t.Context(), &elbv2.ModifyTargetGroupAttributesInput{TargetGroupArn: n.group,
		Attributes: []types.TargetGroupAttribute{{Key: awssdk.String("deregistration_delay.timeout_seconds"), Value: awssdk.String("300")}}})
	n.must(err)
	_, err = n.api.DeregisterTargets(t.Context(), &elbv2.DeregisterTargetsInput{TargetGroupArn: n.group, Targets: []types.TargetDescription{{Id: &n.ids[1]}}})
	n.must(err)
	if states := n.states(); states[n.ids[1]] != "draining Target.DeregistrationInProgress" {
		t.Errorf("it drains: %v", states)
	}
	_, err = n.api.RegisterTargets(t.Context(), &elbv2.RegisterTargetsInput{TargetGroupArn: n.group, Targets: []types.TargetDescription{{Id: &n.ids[1]}}})
	n.must(err)
	if states := n.states(); states[n.ids[1]] != "initial Elb.RegistrationInProgress" {
		t.Errorf("taken back: %v", states)
	}
	n.healthy(n.ids[1])
}

// No healthy target at all: connections come to all of them.
func TestNetworkBalancerFailsOpen(t *testing.T) {
	n := newNLB(t, "300")
	n.healthy(n.ids...)
	_, err := n.api.ModifyTargetGroup(t.Context(), &elbv2.ModifyTargetGroupInput{TargetGroupArn: n.group, HealthCheckPort: awssdk.String("31999")})
	n.must(err)
	n.until("unhealthy", func() bool {
		return n.states()[n.ids[0]] == "unhealthy Target.FailedHealthChecks" && n.states()[n.ids[1]] == "unhealthy Target.FailedHealthChecks"
	})
	if got := n.answers(); len(got) != 2 {
		t.Errorf("addresses: %v", got)
	} else {
		for ip, id := range got {
			if id == "nobody" {
				t.Errorf("nobody answers behind %s", ip)
			}
		}
	}
}

func TestNetworkBalancerRefusals(t *testing.T) {
	n := newNLB(t, "300")
	ctx := t.Context()
	_, err := n.api.DeleteTargetGroup(ctx, &elbv2.DeleteTargetGroupInput{TargetGroupArn: n.group})
	wantCode(t, err, "ResourceInUse")
	_, err = n.api.CreateLoadBalancer(ctx, &elbv2.CreateLoadBalancerInput{Name: lbName, Type: types.LoadBalancerTypeEnumNetwork, Subnets: n.public})
	wantCode(t, err, "DuplicateLoadBalancerName")
	_, err = n.api.CreateLoadBalancer(ctx, &elbv2.CreateLoadBalancerInput{Name: awssdk.String("gate"), Type: types.LoadBalancerTypeEnumGateway, Subnets: n.public})
	wantCode(t, err, "InvalidConfigurationRequest")
	_, err = n.api.CreateListener(ctx, &elbv2.CreateListenerInput{LoadBalancerArn: n.lb.LoadBalancerArn, Port: awssdk.Int32(lbPort), Protocol: types.ProtocolEnumTcp,
		DefaultActions: []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: n.group}}})
	wantCode(t, err, "DuplicateListener")
	_, err = n.api.DescribeTargetGroups(ctx, &elbv2.DescribeTargetGroupsInput{Names: []string{"none"}})
	wantCode(t, err, "TargetGroupNotFound")
	_, err = n.api.RegisterTargets(ctx, &elbv2.RegisterTargetsInput{TargetGroupArn: n.group, Targets: []types.TargetDescription{{Id: awssdk.String("i-none")}}})
	wantCode(t, err, "InvalidTarget")
	_, err = n.api.ModifyTargetGroupAttributes(ctx, &elbv2.ModifyTargetGroupAttributesInput{TargetGroupArn: n.group,
		Attributes: []types.TargetGroupAttribute{{Key: awssdk.String("deregistration_delay.timeout_seconds"), Value: awssdk.String("4000")}}})
	wantCode(t, err, "ValidationError")
	out, err := n.api.DescribeTargetHealth(ctx, &elbv2.DescribeTargetHealthInput{TargetGroupArn: n.group, Targets: []types.TargetDescription{{Id: awssdk.String("i-none")}}})
	n.must(err)
	if h := out.TargetHealthDescriptions[0].TargetHealth; h.State != "unused" || h.Reason != "Target.NotRegistered" {
		t.Errorf("%+v", h)
	}
	// As the cloud-controller-manager takes it down.
	groups, err := n.api.DescribeTargetGroups(ctx, &elbv2.DescribeTargetGroupsInput{LoadBalancerArn: n.lb.LoadBalancerArn})
	n.must(err)
	_, err = n.api.DeleteLoadBalancer(ctx, &elbv2.DeleteLoadBalancerInput{LoadBalancerArn: n.lb.LoadBalancerArn})
	n.must(err)
	for _, g := range groups.TargetGroups {
		_, err = n.api.DeleteTargetGroup(ctx, &elbv2.DeleteTargetGroupInput{TargetGroupArn: g.TargetGroupArn})
		n.must(err)
	}
	time.Sleep(time.Millisecond)
	if _, ok := n.resolve(*n.lb.DNSName); ok {
		t.Error("its name still resolves")
	}
}
