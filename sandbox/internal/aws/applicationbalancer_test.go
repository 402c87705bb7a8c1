package aws

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	elbv2 "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// alb is a stack with two addresses, one in each zone, behind an Application Load
// Balancer that was made with the calls of the AWS Load Balancer Controller.
type alb struct {
	*stack
	api      *elbv2.Client
	lb       types.LoadBalancer
	listener *string
}

// addresses of pods, one in each zone of a stack.
var addresses = []string{"172.16.1.10", "172.16.33.10"}

func newALB(t *testing.T) *alb {
	t.Helper()
	a := &alb{stack: newStack(t)}
	a.api = elbv2.NewFromConfig(a.cfg)
	made, err := a.api.CreateLoadBalancer(t.Context(), &elbv2.CreateLoadBalancerInput{Name: awssdk.String("k8s-apps-nginx"), Subnets: a.public})
	a.must(err)
	a.lb = made.LoadBalancers[0]
	listener, err := a.api.CreateListener(t.Context(), &elbv2.CreateListenerInput{LoadBalancerArn: a.lb.LoadBalancerArn, Port: awssdk.Int32(lbPort),
		Protocol: types.ProtocolEnumHttp, DefaultActions: []types.Action{{Type: types.ActionTypeEnumFixedResponse,
			FixedResponseConfig: &types.FixedResponseActionConfig{StatusCode: awssdk.String("404"), ContentType: awssdk.String("text/plain")}}}})
	a.must(err)
	a.listener = listener.Listeners[0].ListenerArn
	return a
}

func (a *alb) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// group makes a target group of addresses that answer with their own.
func (a *alb) group(name string, port int, ips ...string) *string {
	a.t.Helper()
	made, err := a.api.CreateTargetGroup(a.t.Context(), &elbv2.CreateTargetGroupInput{Name: &name, VpcId: &a.vpc, Port: awssdk.Int32(int32(port)),
		Protocol: types.ProtocolEnumHttp, TargetType: types.TargetTypeEnumIp, HealthCheckIntervalSeconds: awssdk.Int32(5),
		Matcher: &types.Matcher{HttpCode: awssdk.String("200-299")}})
	a.must(err)
	g := made.TargetGroups[0]
	if awssdk.ToString(g.Matcher.HttpCode) != "200-299" || g.ProtocolVersion == nil || *g.ProtocolVersion != "HTTP1" || awssdk.ToString(g.HealthCheckPath) != "/" {
		a.t.Errorf("%+v", g)
	}
	var targets []types.TargetDescription
	for _, ip := range ips {
		l, err := a.net.Listen(netip.MustParseAddr(ip), port)
		a.must(err)
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, ip) })}
		go func() { _ = server.Serve(l) }()
		a.t.Cleanup(func() { _ = server.Close() })
		targets = append(targets, types.TargetDescription{Id: &ip})
	}
	if len(targets) == 0 {
		return g.TargetGroupArn
	}
	_, err = a.api.RegisterTargets(a.t.Context(), &elbv2.RegisterTargetsInput{TargetGroupArn: g.TargetGroupArn, Targets: targets})
	a.must(err)
	return g.TargetGroupArn
}

func (a *alb) rule(priority int32, path string, actions ...types.Action) *string {
	a.t.Helper()
	made, err := a.api.CreateRule(a.t.Context(), &elbv2.CreateRuleInput{ListenerArn: a.listener, Priority: &priority, Actions: actions,
		Conditions: []types.RuleCondition{
			{Field: awssdk.String("path-pattern"), PathPatternConfig: &types.PathPatternConditionConfig{Values: []string{path}}},
			{Field: awssdk.String("host-header"), HostHeaderConfig: &types.HostHeaderConditionConfig{Values: []string{"*.example.com"}}},
		}})
	a.must(err)
	return made.Rules[0].RuleArn
}

func forward(arns ...*string) types.Action {
	config := &types.ForwardActionConfig{}
	for _, arn := range arns {
		config.TargetGroups = append(config.TargetGroups, types.TargetGroupTuple{TargetGroupArn: arn, Weight: awssdk.Int32(1)})
	}
	return types.Action{Type: types.ActionTypeEnumForward, ForwardConfig: config}
}

func (a *alb) states(group *string) map[string]string {
	a.t.Helper()
	out, err := a.api.DescribeTargetHealth(a.t.Context(), &elbv2.DescribeTargetHealthInput{TargetGroupArn: group})
	a.must(err)
	states := map[string]string{}
	for _, d := range out.TargetHealthDescriptions {
		states[*d.Target.Id] = string(d.TargetHealth.State)
	}
	return states
}

// get asks by the k-th address of the name.
func (a *alb) get(k int, scheme, path string) (int, string, http.Header) {
	a.t.Helper()
	ips, ok := a.resolve(*a.lb.DNSName)
	if !ok || len(ips) != 2 {
		a.t.Fatalf("%s resolves to %v", *a.lb.DNSName, ips)
	}
	port := lbPort
	if scheme == "https" {
		port++
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp4", netip.AddrPortFrom(a.net.local(ips[k]), uint16(port)).String())
	}
	pool := x509.NewCertPool()
	if pem, err := os.ReadFile(filepath.Join(a.dir, "pki", "ca.crt")); err == nil {
		pool.AppendCertsFromPEM(pem)
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: pool}}
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, scheme+"://shop.example.com"+path, nil)
	a.must(err)
	resp, err := transport.RoundTrip(req)
	a.must(err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	a.must(err)
	return resp.StatusCode, string(body), resp.Header
}

// Rules decide in the order of their priorities; both zones send to all targets.
func TestApplicationBalancer(t *testing.T) {
	a := newALB(t)
	if a.lb.Type != "application" || len(a.lb.SecurityGroups) != 1 || len(a.lb.AvailabilityZones) != 2 {
		t.Errorf("%+v", a.lb)
	}
	group := a.group("k8s-apps-nginx-1", 8080, addresses...)
	if got := a.states(group)[addresses[0]]; got != "unused" {
		t.Errorf("without a rule: %s", got)
	}
	all := a.rule(2, "/*", forward(group))
	old := a.rule(1, "/old", types.Action{Type: types.ActionTypeEnumRedirect, RedirectConfig: &types.RedirectActionConfig{StatusCode: types.RedirectActionStatusCodeEnumHttp301, Path: awssdk.String("/new")}})
	a.until("healthy", func() bool { s := a.states(group); return s[addresses[0]] == "healthy" && s[addresses[1]] == "healthy" })
	for zone := range 2 {
		seen := map[string]int{}
		for range 6 {
			_, body, _ := a.get(zone, "http", "/x")
			seen[body]++
		}
		if len(seen) != 2 {
			t.Errorf("zone %d sends to %v", zone, seen)
		}
	}
	if code, _, h := a.get(0, "http", "/old?a=1"); code != 301 || h.Get("Location") != fmt.Sprintf("http://shop.example.com:%d/new?a=1", lbPort) {
		t.Errorf("redirect: %d %s", code, h.Get("Location"))
	}
	rules, err := a.api.DescribeRules(t.Context(), &elbv2.DescribeRulesInput{ListenerArn: a.listener})
	a.must(err)
	if n := len(rules.Rules); n != 3 || *rules.Rules[0].Priority != "1" || *rules.Rules[2].Priority != "default" || !*rules.Rules[2].IsDefault {
		t.Errorf("%d rules: %+v", n, rules.Rules)
	}
	if c := rules.Rules[1].Conditions; len(c) != 2 || c[0].PathPatternConfig.Values[0] != "/*" || *rules.Rules[1].Actions[0].TargetGroupArn != *group {
		t.Errorf("%+v", rules.Rules[1])
	}
	order := func(pairs ...types.RulePriorityPair) error {
		_, err := a.api.SetRulePriorities(t.Context(), &elbv2.SetRulePrioritiesInput{RulePriorities: pairs})
		return err
	}
	at := func(rule *string, priority int32) types.RulePriorityPair {
		return types.RulePriorityPair{RuleArn: rule, Priority: &priority}
	}
	wantCode(t, order(at(all, 1)), "PriorityInUse")
	wantCode(t, order(at(all, 3), at(old, 3)), "PriorityInUse")
	a.must(order(at(all, 1), at(old, 2)))
	a.until("the first rule that fits decides", func() bool { code, _, _ := a.get(0, "http", "/old"); return code == 200 })
	_, err = a.api.DeleteRule(t.Context(), &elbv2.DeleteRuleInput{RuleArn: all})
	a.must(err)
	a.until("no rule fits", func() bool { code, _, _ := a.get(0, "http", "/x"); return code == 404 })
}

// A target that was deregistered drains for its delay, and gets no new request soon.
func TestApplicationBalancerDrains(t *testing.T) {
	a := newALB(t)
	group := a.group("k8s-apps-nginx-1", 8080, addresses...)
	a.rule(1, "/*", forward(group))
	a.until("healthy", func() bool { s := a.states(group); return s[addresses[0]] == "healthy" && s[addresses[1]] == "healthy" })
	_, err := a.api.DeregisterTargets(t.Context(), &elbv2.DeregisterTargetsInput{TargetGroupArn: group, Targets: []types.TargetDescription{{Id: &addresses[0]}}})
	a.must(err)
	if got := a.states(group)[addresses[0]]; got != "draining" {
		t.Errorf("deregistered: %s", got)
	}
	a.until("only the other answers", func() bool {
		for range 4 {
			if _, body, _ := a.get(0, "http", "/"); body != addresses[1] {
				return false
			}
		}
		return true
	})
	_, err = a.api.DeregisterTargets(t.Context(), &elbv2.DeregisterTargetsInput{TargetGroupArn: group, Targets: []types.TargetDescription{{Id: &addresses[1]}}})
	a.must(err)
	a.until("503", func() bool { code, _, _ := a.get(0, "http", "/"); return code == 503 })
}

// HTTPS is served with a certificate of the sandbox's own authority.
func TestApplicationBalancerTLS(t *testing.T) {
	a := newALB(t)
	ca := a.authority()
	group := a.group("k8s-apps-nginx-1", 8080, addresses[0])
	input := &elbv2.CreateListenerInput{LoadBalancerArn: a.lb.LoadBalancerArn, Port: awssdk.Int32(lbPort + 1), Protocol: types.ProtocolEnumHttps,
		DefaultActions: []types.Action{forward(group)}}
	_, err := a.api.CreateListener(t.Context(), input)
	wantCode(t, err, "ValidationError")
	input.Certificates = []types.Certificate{{CertificateArn: a.imported(ca, "shop.example.com")}}
	_, err = a.api.CreateListener(t.Context(), input)
	a.must(err)
	a.until("healthy", func() bool { return a.states(group)[addresses[0]] == "healthy" })
	ips, _ := a.resolve(*a.lb.DNSName)
	if code, body, _ := a.get(len(ips)-1, "https", "/"); code != 200 || body != addresses[0] {
		t.Errorf("%d %q", code, body)
	}
}

func TestApplicationBalancerRefusals(t *testing.T) {
	a := newALB(t)
	ctx := t.Context()
	_, err := a.api.CreateLoadBalancer(ctx, &elbv2.CreateLoadBalancerInput{Name: awssdk.String("one-zone"), Subnets: a.public[:1]})
	wantCode(t, err, "ValidationError")
	_, err = a.api.CreateListener(ctx, &elbv2.CreateListenerInput{LoadBalancerArn: a.lb.LoadBalancerArn, Port: awssdk.Int32(81), Protocol: types.ProtocolEnumTcp,
		DefaultActions: []types.Action{{Type: types.ActionTypeEnumFixedResponse, FixedResponseConfig: &types.FixedResponseActionConfig{StatusCode: awssdk.String("404")}}}})
	wantCode(t, err, "UnsupportedProtocol")
	tcp, err := a.api.CreateTargetGroup(ctx, &elbv2.CreateTargetGroupInput{Name: awssdk.String("tcp"), VpcId: &a.vpc, Port: awssdk.Int32(80), Protocol: types.ProtocolEnumTcp})
	a.must(err)
	_, err = a.api.CreateRule(ctx, &elbv2.CreateRuleInput{ListenerArn: a.listener, Priority: awssdk.Int32(1), Actions: []types.Action{forward(tcp.TargetGroups[0].TargetGroupArn)},
		Conditions: []types.RuleCondition{{Field: awssdk.String("path-pattern"), Values: []string{"/"}}}})
	wantCode(t, err, "InvalidConfigurationRequest")
	group := a.group("used", 8080)
	a.rule(7, "/*", forward(group))
	_, err = a.api.DeleteTargetGroup(ctx, &elbv2.DeleteTargetGroupInput{TargetGroupArn: group})
	wantCode(t, err, "ResourceInUse")
	_, err = a.api.ModifyTargetGroupAttributes(ctx, &elbv2.ModifyTargetGroupAttributesInput{TargetGroupArn: group,
		Attributes: []types.TargetGroupAttribute{{Key: awssdk.String("slow_start.duration_seconds"), Value: awssdk.String("10")}}})
	wantCode(t, err, "ValidationError")
	_, err = a.api.DeleteLoadBalancer(ctx, &elbv2.DeleteLoadBalancerInput{LoadBalancerArn: a.lb.LoadBalancerArn})
	a.must(err)
	_, err = a.api.DescribeRules(ctx, &elbv2.DescribeRulesInput{ListenerArn: a.listener})
	wantCode(t, err, "ListenerNotFound")
	_, err = a.api.DeleteTargetGroup(ctx, &elbv2.DeleteTargetGroupInput{TargetGroupArn: group})
	a.must(err)
}

// What the AWS Load Balancer Controller changes about a load balancer that is there.
func TestApplicationBalancerIsChanged(t *testing.T) {
	a := newALB(t)
	ctx, group := t.Context(), a.group("web", nodePort)
	rule := a.rule(10, "/a", forward(group))
	changed, err := a.api.ModifyRule(ctx, &elbv2.ModifyRuleInput{RuleArn: rule, Conditions: []types.RuleCondition{
		{Field: awssdk.String("path-pattern"), PathPatternConfig: &types.PathPatternConditionConfig{Values: []string{"/b"}}}}})
	if err != nil || len(changed.Rules[0].Conditions) != 1 || len(changed.Rules[0].Actions) != 1 {
		t.Errorf("%+v, %v", changed, err)
	}
	listener, err := a.api.ModifyListener(ctx, &elbv2.ModifyListenerInput{ListenerArn: a.listener, DefaultActions: []types.Action{forward(group)}})
	if err != nil || listener.Listeners[0].DefaultActions[0].Type != types.ActionTypeEnumForward {
		t.Errorf("%+v, %v", listener, err)
	}
	_, err = a.api.ModifyListener(ctx, &elbv2.ModifyListenerInput{ListenerArn: awssdk.String(*a.listener + "x")})
	wantCode(t, err, "ListenerNotFound")
	arns := []string{*a.lb.LoadBalancerArn}
	_, err = a.api.AddTags(ctx, &elbv2.AddTagsInput{ResourceArns: arns, Tags: []types.Tag{{Key: awssdk.String("a"), Value: awssdk.String("b")}}})
	a.must(err)
	_, err = a.api.RemoveTags(ctx, &elbv2.RemoveTagsInput{ResourceArns: arns, TagKeys: []string{"a"}})
	a.must(err)
	if tags, err := a.api.DescribeTags(ctx, &elbv2.DescribeTagsInput{ResourceArns: arns}); err != nil || len(tags.TagDescriptions[0].Tags) > 0 {
		t.Errorf("%+v, %v", tags, err)
	}
	if is, err := a.api.DescribeLoadBalancerAttributes(ctx, &elbv2.DescribeLoadBalancerAttributesInput{LoadBalancerArn: a.lb.LoadBalancerArn}); err != nil || len(is.Attributes) == 0 {
		t.Errorf("%+v, %v", is, err)
	}
	if is, err := a.api.DescribeTargetGroupAttributes(ctx, &elbv2.DescribeTargetGroupAttributesInput{TargetGroupArn: group}); err != nil || len(is.Attributes) == 0 {
		t.Errorf("%+v, %v", is, err)
	}
	own := a.clusterGroup()
	groups, err := a.api.SetSecurityGroups(ctx, &elbv2.SetSecurityGroupsInput{LoadBalancerArn: a.lb.LoadBalancerArn, SecurityGroups: []string{own}})
	if err != nil || groups.SecurityGroupIds[0] != own {
		t.Errorf("%+v, %v", groups, err)
	}
	_, err = a.api.SetSecurityGroups(ctx, &elbv2.SetSecurityGroupsInput{LoadBalancerArn: a.lb.LoadBalancerArn, SecurityGroups: []string{"sg-0123456789abcdef0"}})
	wantCode(t, err, "InvalidSecurityGroup")
	if out, err := a.api.SetSubnets(ctx, &elbv2.SetSubnetsInput{LoadBalancerArn: a.lb.LoadBalancerArn, Subnets: a.public}); err != nil || len(out.AvailabilityZones) != len(a.public) {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err := a.api.SetIpAddressType(ctx, &elbv2.SetIpAddressTypeInput{LoadBalancerArn: a.lb.LoadBalancerArn, IpAddressType: types.IpAddressTypeIpv4}); err != nil || out.IpAddressType != types.IpAddressTypeIpv4 {
		t.Errorf("%+v, %v", out, err)
	}
	_, err = a.api.SetIpAddressType(ctx, &elbv2.SetIpAddressTypeInput{LoadBalancerArn: a.lb.LoadBalancerArn, IpAddressType: types.IpAddressTypeDualstack})
	wantCode(t, err, "InvalidConfigurationRequest")
}

// The first certificate of a listener is its default, and stays.
func TestCertificatesOfAListener(t *testing.T) {
	a := newALB(t)
	ctx := t.Context()
	ca, known := a.authority(), map[string]types.Certificate{}
	certificate := func(name string) types.Certificate {
		if _, there := known[name]; !there {
			known[name] = types.Certificate{CertificateArn: a.imported(ca, name+".example.com")}
		}
		return known[name]
	}
	made, err := a.api.CreateListener(ctx, &elbv2.CreateListenerInput{LoadBalancerArn: a.lb.LoadBalancerArn, Port: awssdk.Int32(lbPort + 1), Protocol: types.ProtocolEnumHttps,
		Certificates: []types.Certificate{certificate("first")}, DefaultActions: []types.Action{{Type: types.ActionTypeEnumFixedResponse,
			FixedResponseConfig: &types.FixedResponseActionConfig{StatusCode: awssdk.String("404")}}}})
	a.must(err)
	listener := made.Listeners[0].ListenerArn
	_, err = a.api.AddListenerCertificates(ctx, &elbv2.AddListenerCertificatesInput{ListenerArn: listener, Certificates: []types.Certificate{certificate("second"), certificate("third")}})
	a.must(err)
	_, err = a.api.RemoveListenerCertificates(ctx, &elbv2.RemoveListenerCertificatesInput{ListenerArn: listener, Certificates: []types.Certificate{certificate("second")}})
	a.must(err)
	var left []string
	for pages := elbv2.NewDescribeListenerCertificatesPaginator(a.api, &elbv2.DescribeListenerCertificatesInput{ListenerArn: listener, PageSize: awssdk.Int32(1)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		a.must(err)
		if len(page.Certificates) != 1 {
			t.Fatalf("a page of %d", len(page.Certificates))
		}
		left = append(left, *page.Certificates[0].CertificateArn)
	}
	if len(left) != 2 || left[0] != *certificate("first").CertificateArn || left[1] != *certificate("third").CertificateArn {
		t.Errorf("left are %v", left)
	}
	_, err = a.api.RemoveListenerCertificates(ctx, &elbv2.RemoveListenerCertificatesInput{ListenerArn: listener, Certificates: []types.Certificate{certificate("first")}})
	wantCode(t, err, "OperationNotPermitted")
	many := make([]types.Certificate, 25)
	for n := range many {
		many[n] = certificate(fmt.Sprint(n))
	}
	_, err = a.api.AddListenerCertificates(ctx, &elbv2.AddListenerCertificatesInput{ListenerArn: listener, Certificates: many})
	wantCode(t, err, "TooManyCertificates")
	for _, arn := range []string{"", "first", "arn:aws:acm:us-east-1:111122223333:certificate/first", "arn:aws:acm:us-west-2:444455556666:certificate/first", "arn:aws:acm:us-west-2:111122223333:certificate/", "arn:aws:acm:us-west-2:111122223333:certificate/none"} {
		unknown := []types.Certificate{{CertificateArn: &arn}}
		_, err = a.api.AddListenerCertificates(ctx, &elbv2.AddListenerCertificatesInput{ListenerArn: listener, Certificates: unknown})
		wantCode(t, err, "CertificateNotFound")
		_, err = a.api.ModifyListener(ctx, &elbv2.ModifyListenerInput{ListenerArn: listener, Certificates: unknown})
		wantCode(t, err, "CertificateNotFound")
	}
	_, err = a.api.ModifyListener(ctx, &elbv2.ModifyListenerInput{ListenerArn: listener, SslPolicy: awssdk.String("strict")})
	wantCode(t, err, "SSLPolicyNotFound")
}

// What an ARN names that there is not, is said in the words of its kind.
func TestUnknownARNs(t *testing.T) {
	a := newALB(t)
	for resource, code := range map[string]string{"loadbalancer/app/none/1": "LoadBalancerNotFound", "listener/app/none/1/2": "ListenerNotFound",
		"listener-rule/app/none/1/2/3": "RuleNotFound", "targetgroup/none/1": "TargetGroupNotFound", "truststore/none/1": "ValidationError"} {
		_, err := a.api.DescribeTags(t.Context(), &elbv2.DescribeTagsInput{ResourceArns: []string{"arn:aws:elasticloadbalancing:us-west-2:111122223333:" + resource}})
		wantCode(t, err, code)
	}
	_, err := a.api.DescribeRules(t.Context(), &elbv2.DescribeRulesInput{})
	wantCode(t, err, "ValidationError")
}
