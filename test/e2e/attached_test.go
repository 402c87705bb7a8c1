//go:build e2e && torture

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/droverhq/drover/problem"
)

// A Network Load Balancer that no controller knows: its target group is the node port
// of a Service, and Auto Scaling groups register their instances there themselves. The
// move to a group that is not attached is refused with the call that attaches it; then
// the shop moves under load, and no request fails.
func TestGroupsThatRegisterTheirNodesThemselves(t *testing.T) {
	p := newPlain(t)
	arn := p.byNodePort()
	p.selfManaged("old", "1.36", "t3.large", 2)
	p.attach("old", arn)
	p.joined(2)
	p.kubectl(strings.Replace(shop, "{type: LoadBalancer, selector: {app: shop}, ports: [{port: 80, targetPort: 8080}]}",
		fmt.Sprintf("{type: NodePort, selector: {app: shop}, ports: [{port: 80, targetPort: 8080, nodePort: %d}]}", shopPort), 1), "apply", "-f", "-")
	p.kubectl("", "rollout", "status", "deployment/shop", "--timeout=3m")
	p.inService(arn, 2) // before that it sends to all of them: fail-open

	p.selfManaged("new", "1.36", "m5.large", 2)
	p.joined(4)
	move := []string{"migrate", "--from", "asg/old", "--to", "asg/new", "--then", "delete", "--guard", p.url, "--yes"}
	if out := newStranger(t).run(int(problem.Refused), move...); !strings.Contains(out, "attach-traffic-sources") || !strings.Contains(out, arn) {
		t.Errorf("it is refused without the call that attaches:\n%s", out)
	}
	p.attach("new", arn)
	p.lossless("asg/old to asg/new, both attached", func() { t.Log(newStranger(t).run(0, move...)) })
	if p.stands("old") {
		t.Error("the old group stands")
	}
	p.clean()
}

// shopPort is the shop's port on every node.
const shopPort = 30080

// byNodePort makes a Network Load Balancer that shares its targets between zones, and
// is the ARN of its target group.
func (p *plain) byNodePort() string {
	p.t.Helper()
	ctx := p.t.Context()
	api := p.balancers()
	must := func(err error) {
		p.t.Helper()
		if err != nil {
			p.t.Fatal(err)
		}
	}
	subnets, err := p.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: p.subnets})
	must(err)
	group, err := api.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{Name: aws.String("shop"), VpcId: subnets.Subnets[0].VpcId, Protocol: types.ProtocolEnumTcp,
		Port: aws.Int32(shopPort), HealthCheckIntervalSeconds: aws.Int32(5), HealthyThresholdCount: aws.Int32(2)})
	must(err)
	arn := group.TargetGroups[0].TargetGroupArn
	_, err = api.ModifyTargetGroupAttributes(ctx, &elb.ModifyTargetGroupAttributesInput{TargetGroupArn: arn, Attributes: []types.TargetGroupAttribute{
		{Key: aws.String("deregistration_delay.timeout_seconds"), Value: aws.String("60")}, {Key: aws.String("load_balancing.cross_zone.enabled"), Value: aws.String("true")},
		// Clients here keep connections without end, and the shop does not close them.
		{Key: aws.String("deregistration_delay.connection_termination.enabled"), Value: aws.String("true")}}})
	must(err)
	made, err := api.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{Name: aws.String("shop"), Type: types.LoadBalancerTypeEnumNetwork, Subnets: p.subnets})
	must(err)
	_, err = api.CreateListener(ctx, &elb.CreateListenerInput{LoadBalancerArn: made.LoadBalancers[0].LoadBalancerArn, Protocol: types.ProtocolEnumTcp, Port: aws.Int32(80),
		DefaultActions: []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: arn}}})
	must(err)
	p.url = "http://" + aws.ToString(made.LoadBalancers[0].DNSName) + "/"
	return aws.ToString(arn)
}

// attach has an Auto Scaling group register its instances with a target group.
func (p *plain) attach(asg, arn string) {
	p.t.Helper()
	_, err := p.groups.AttachLoadBalancerTargetGroups(p.t.Context(), &autoscaling.AttachLoadBalancerTargetGroupsInput{AutoScalingGroupName: &asg, TargetGroupARNs: []string{arn}})
	if err != nil {
		p.t.Fatal(err)
	}
}

// inService waits until so many targets of a group are healthy.
func (p *plain) inService(arn string, n int) {
	p.t.Helper()
	for limit := time.Now().Add(5 * time.Minute); ; time.Sleep(time.Second) {
		out, err := p.balancers().DescribeTargetHealth(p.t.Context(), &elb.DescribeTargetHealthInput{TargetGroupArn: &arn})
		if err != nil {
			p.t.Fatal(err)
		}
		healthy := 0
		for _, d := range out.TargetHealthDescriptions {
			if d.TargetHealth.State == types.TargetHealthStateEnumHealthy {
				healthy++
			}
		}
		if healthy >= n {
			return
		}
		if time.Now().After(limit) {
			p.t.Fatalf("%d of %d targets are healthy", healthy, n)
		}
	}
}

func (p *plain) balancers() *elb.Client {
	p.t.Helper()
	cfg, err := config.LoadDefaultConfig(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return elb.NewFromConfig(cfg)
}
