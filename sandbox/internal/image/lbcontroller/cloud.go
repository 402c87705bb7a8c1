package lbcontroller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elbv2 "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"
)

// cloud is AWS.
type cloud struct {
	cluster string
	elb     *elbv2.Client
	ec2     *ec2.Client
}

// newCloud knows AWS by the endpoint, region and key in the environment.
func newCloud(cluster string, getenv func(string) string) *cloud {
	config := aws.Config{Region: getenv("AWS_REGION"), RetryMaxAttempts: 5,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: getenv("AWS_SECRET_ACCESS_KEY")}, nil
		})}
	if endpoint := getenv("AWS_ENDPOINT_URL"); endpoint != "" {
		config.BaseEndpoint = &endpoint
	}
	return &cloud{cluster: cluster, elb: elbv2.NewFromConfig(config), ec2: ec2.NewFromConfig(config)}
}

func isCode(err error, code string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == code
}

// owned is what AWS has of a stack: found by tags, whatever it is called.
type owned struct {
	balancer *types.LoadBalancer
	groups   map[string]types.TargetGroup // by name
}

func (c *cloud) owned(ctx context.Context, s stack) (owned, error) {
	have := owned{groups: map[string]types.TargetGroup{}}
	lbs, err := c.elb.DescribeLoadBalancers(ctx, &elbv2.DescribeLoadBalancersInput{})
	if err != nil {
		return have, err
	}
	for _, lb := range lbs.LoadBalancers {
		mine, err := c.has(ctx, *lb.LoadBalancerArn, s)
		if err != nil {
			return have, err
		}
		if mine {
			have.balancer = &lb
		}
	}
	groups, err := c.elb.DescribeTargetGroups(ctx, &elbv2.DescribeTargetGroupsInput{})
	if err != nil {
		return have, err
	}
	for _, g := range groups.TargetGroups {
		mine, err := c.has(ctx, *g.TargetGroupArn, s)
		if err != nil {
			return have, err
		}
		if mine {
			have.groups[*g.TargetGroupName] = g
		}
	}
	return have, nil
}

// has: the resource's tags say that it is of the stack.
func (c *cloud) has(ctx context.Context, arn string, s stack) (bool, error) {
	out, err := c.elb.DescribeTags(ctx, &elbv2.DescribeTagsInput{ResourceArns: []string{arn}})
	if isCode(err, "LoadBalancerNotFound") || isCode(err, "TargetGroupNotFound") {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, want := range s.tags(c.cluster, "")[:2] {
		if !slices.ContainsFunc(out.TagDescriptions[0].Tags, func(t types.Tag) bool { return *t.Key == *want.Key && *t.Value == *want.Value }) {
			return false, nil
		}
	}
	return true, nil
}

// vpcOf is the VPC that an instance runs in.
func (c *cloud) vpcOf(ctx context.Context, instance string) (string, error) {
	out, err := c.ec2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{instance}})
	if err != nil {
		return "", err
	}
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			return aws.ToString(i.VpcId), nil
		}
	}
	return "", fmt.Errorf("instance %s is not there", instance)
}

// subnets discovers one subnet in each zone, by the tag for the scheme.
func (c *cloud) subnets(ctx context.Context, vpc string, scheme types.LoadBalancerSchemeEnum) ([]string, error) {
	tag := "kubernetes.io/role/elb"
	if scheme == types.LoadBalancerSchemeEnumInternal {
		tag = "kubernetes.io/role/internal-elb"
	}
	out, err := c.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{{Name: aws.String("vpc-id"), Values: []string{vpc}}}})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out.Subnets, func(a, b ec2types.Subnet) int { return strings.Compare(*a.SubnetId, *b.SubnetId) })
	byZone := map[string]string{}
	for _, s := range out.Subnets {
		tagged := slices.ContainsFunc(s.Tags, func(t ec2types.Tag) bool {
			return *t.Key == tag && (*t.Value == "1" || *t.Value == "")
		})
		if zone := *s.AvailabilityZone; tagged && byZone[zone] == "" {
			byZone[zone] = *s.SubnetId
		}
	}
	var ids []string
	for _, id := range byZone {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if len(ids) == 0 {
		return nil, fmt.Errorf("no subnet of %s has the tag %s=1", vpc, tag)
	}
	return ids, nil
}

// securityGroup finds the group of that name; empty: there is none.
func (c *cloud) securityGroup(ctx context.Context, vpc, name string) (string, error) {
	out, err := c.ec2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: []ec2types.Filter{
		{Name: aws.String("vpc-id"), Values: []string{vpc}}, {Name: aws.String("group-name"), Values: []string{name}}}})
	if err != nil || len(out.SecurityGroups) == 0 {
		return "", err
	}
	return *out.SecurityGroups[0].GroupId, nil
}

// frontend makes the security group that lets everybody in at the listeners' ports.
func (c *cloud) frontend(ctx context.Context, s stack, vpc string) (string, error) {
	id, err := c.securityGroup(ctx, vpc, s.balancer.name)
	if err != nil {
		return "", err
	}
	if id == "" {
		var tags []ec2types.Tag
		for _, t := range s.tags(c.cluster, "ManagedLBSecurityGroup") {
			tags = append(tags, ec2types.Tag{Key: t.Key, Value: t.Value})
		}
		made, err := c.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: &s.balancer.name, VpcId: &vpc,
			Description:       aws.String("[k8s] Managed SecurityGroup for LoadBalancer"),
			TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeSecurityGroup, Tags: tags}}})
		if err != nil {
			return "", err
		}
		id = *made.GroupId
	}
	for _, l := range s.balancer.listeners {
		_, err := c.ec2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: []ec2types.IpPermission{{
			IpProtocol: aws.String("tcp"), FromPort: &l.port, ToPort: &l.port, IpRanges: []ec2types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}}})
		if err != nil && !isCode(err, "InvalidPermission.Duplicate") {
			return "", err
		}
	}
	return id, nil
}

// makeBalancer makes the load balancer, or brings an existing one in step.
func (c *cloud) makeBalancer(ctx context.Context, s stack, have *types.LoadBalancer, subnets, security []string) (*types.LoadBalancer, error) {
	lb := s.balancer
	if have == nil {
		made, err := c.elb.CreateLoadBalancer(ctx, &elbv2.CreateLoadBalancerInput{Name: &lb.name, Type: lb.kind, Scheme: lb.scheme, Subnets: subnets,
			SecurityGroups: security, IpAddressType: types.IpAddressTypeIpv4, Tags: s.tags(c.cluster, "LoadBalancer")})
		if err != nil {
			return nil, err
		}
		have = &made.LoadBalancers[0]
	}
	var in []string
	for _, z := range have.AvailabilityZones {
		in = append(in, *z.SubnetId)
	}
	slices.Sort(in)
	if !slices.Equal(in, subnets) {
		if _, err := c.elb.SetSubnets(ctx, &elbv2.SetSubnetsInput{LoadBalancerArn: have.LoadBalancerArn, Subnets: subnets}); err != nil {
			return nil, err
		}
	}
	if !slices.Equal(have.SecurityGroups, security) {
		if _, err := c.elb.SetSecurityGroups(ctx, &elbv2.SetSecurityGroupsInput{LoadBalancerArn: have.LoadBalancerArn, SecurityGroups: security}); err != nil {
			return nil, err
		}
	}
	return have, c.setBalancerAttributes(ctx, have.LoadBalancerArn, lb.attributes)
}

func (c *cloud) setBalancerAttributes(ctx context.Context, arn *string, want map[string]string) error {
	if len(want) == 0 {
		return nil
	}
	in := &elbv2.ModifyLoadBalancerAttributesInput{LoadBalancerArn: arn}
	for key, value := range want {
		in.Attributes = append(in.Attributes, types.LoadBalancerAttribute{Key: &key, Value: &value})
	}
	_, err := c.elb.ModifyLoadBalancerAttributes(ctx, in)
	return err
}

// makeGroup makes a target group, or brings an existing one in step.
func (c *cloud) makeGroup(ctx context.Context, s stack, g *targetGroup, have owned, vpc string) error {
	k := g.check
	if old, ok := have.groups[g.name]; ok {
		g.arn = *old.TargetGroupArn
		in := &elbv2.ModifyTargetGroupInput{TargetGroupArn: &g.arn, HealthCheckProtocol: k.protocol, HealthCheckPort: &k.port,
			HealthCheckIntervalSeconds: &k.interval, HealthCheckTimeoutSeconds: &k.timeout, HealthyThresholdCount: &k.healthy, UnhealthyThresholdCount: &k.unhealthy}
		if k.protocol != types.ProtocolEnumTcp {
			in.HealthCheckPath, in.Matcher = &k.path, &types.Matcher{HttpCode: &k.codes}
		}
		if _, err := c.elb.ModifyTargetGroup(ctx, in); err != nil {
			return err
		}
		return c.setGroupAttributes(ctx, g)
	}
	in := &elbv2.CreateTargetGroupInput{Name: &g.name, VpcId: &vpc, Port: &g.port, Protocol: g.protocol, TargetType: g.kind, HealthCheckProtocol: k.protocol,
		HealthCheckPort: &k.port, HealthCheckIntervalSeconds: &k.interval, HealthCheckTimeoutSeconds: &k.timeout, HealthyThresholdCount: &k.healthy,
		UnhealthyThresholdCount: &k.unhealthy, Tags: s.tags(c.cluster, g.resource)}
	if k.protocol != types.ProtocolEnumTcp {
		in.HealthCheckPath, in.Matcher = &k.path, &types.Matcher{HttpCode: &k.codes}
	}
	made, err := c.elb.CreateTargetGroup(ctx, in)
	if err != nil {
		return err
	}
	g.arn = *made.TargetGroups[0].TargetGroupArn
	return c.setGroupAttributes(ctx, g)
}

func (c *cloud) setGroupAttributes(ctx context.Context, g *targetGroup) error {
	if len(g.attributes) == 0 {
		return nil
	}
	in := &elbv2.ModifyTargetGroupAttributesInput{TargetGroupArn: &g.arn}
	for key, value := range g.attributes {
		in.Attributes = append(in.Attributes, types.TargetGroupAttribute{Key: &key, Value: &value})
	}
	_, err := c.elb.ModifyTargetGroupAttributes(ctx, in)
	return err
}

// makeListeners makes the load balancer's listeners what the stack says.
func (c *cloud) makeListeners(ctx context.Context, s stack, lb *types.LoadBalancer) error {
	out, err := c.elb.DescribeListeners(ctx, &elbv2.DescribeListenersInput{LoadBalancerArn: lb.LoadBalancerArn})
	if err != nil {
		return err
	}
	have := map[int32]types.Listener{}
	for _, l := range out.Listeners {
		have[*l.Port] = l
	}
	for _, l := range s.balancer.listeners {
		arn, err := c.makeListener(ctx, s, lb, l, have)
		if err != nil {
			return err
		}
		delete(have, l.port)
		if s.balancer.kind == types.LoadBalancerTypeEnumApplication {
			if err := c.makeRules(ctx, s, arn, l.port, l.rules); err != nil {
				return err
			}
		}
	}
	for _, l := range have {
		if _, err := c.elb.DeleteListener(ctx, &elbv2.DeleteListenerInput{ListenerArn: l.ListenerArn}); err != nil {
			return err
		}
	}
	return nil
}

func (c *cloud) makeListener(ctx context.Context, s stack, lb *types.LoadBalancer, l listener, have map[int32]types.Listener) (arn *string, err error) {
	actions := []types.Action{l.otherwise.made()}
	var certificates []types.Certificate
	var policy *string
	var alpn []string
	if l.alpn != "" {
		alpn = []string{l.alpn}
	}
	if l.protocol == types.ProtocolEnumHttps || l.protocol == types.ProtocolEnumTls {
		policy = aws.String(cmp.Or(l.policy, "ELBSecurityPolicy-2016-08"))
		if len(l.certificates) > 0 {
			certificates = []types.Certificate{{CertificateArn: &l.certificates[0]}}
		}
	}
	if old, ok := have[l.port]; ok {
		_, err := c.elb.ModifyListener(ctx, &elbv2.ModifyListenerInput{ListenerArn: old.ListenerArn, Port: &l.port, Protocol: l.protocol,
			Certificates: certificates, SslPolicy: policy, AlpnPolicy: alpn, DefaultActions: actions})
		return old.ListenerArn, err
	}
	made, err := c.elb.CreateListener(ctx, &elbv2.CreateListenerInput{LoadBalancerArn: lb.LoadBalancerArn, Port: &l.port, Protocol: l.protocol,
		Certificates: certificates, SslPolicy: policy, AlpnPolicy: alpn, DefaultActions: actions, Tags: s.tags(c.cluster, fmt.Sprint(l.port))})
	if err != nil {
		return nil, err
	}
	return made.Listeners[0].ListenerArn, nil
}

// makeRules gives a listener its rules: the n-th has priority n.
func (c *cloud) makeRules(ctx context.Context, s stack, listener *string, port int32, rules []rule) error {
	out, err := c.elb.DescribeRules(ctx, &elbv2.DescribeRulesInput{ListenerArn: listener})
	if err != nil {
		return err
	}
	have := map[string]*string{}
	for _, r := range out.Rules {
		if !*r.IsDefault {
			have[*r.Priority] = r.RuleArn
		}
	}
	for k, r := range rules {
		priority := fmt.Sprint(k + 1)
		actions := []types.Action{r.action.made()}
		if arn := have[priority]; arn != nil {
			_, err = c.elb.ModifyRule(ctx, &elbv2.ModifyRuleInput{RuleArn: arn, Conditions: r.conditions, Actions: actions})
		} else {
			_, err = c.elb.CreateRule(ctx, &elbv2.CreateRuleInput{ListenerArn: listener, Priority: aws.Int32(int32(k + 1)), Conditions: r.conditions,
				Actions: actions, Tags: s.tags(c.cluster, fmt.Sprintf("%d:%d", port, k+1))})
		}
		if err != nil {
			return err
		}
		delete(have, priority)
	}
	for _, arn := range have {
		if _, err := c.elb.DeleteRule(ctx, &elbv2.DeleteRuleInput{RuleArn: arn}); err != nil {
			return err
		}
	}
	return nil
}

// targets is what a target group holds: of each its health.
func (c *cloud) targets(ctx context.Context, arn string) ([]types.TargetHealthDescription, error) {
	out, err := c.elb.DescribeTargetHealth(ctx, &elbv2.DescribeTargetHealthInput{TargetGroupArn: &arn})
	if err != nil {
		return nil, err
	}
	return out.TargetHealthDescriptions, nil
}
