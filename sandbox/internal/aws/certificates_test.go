package aws

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	acmtypes "github.com/aws/aws-sdk-go-v2/service/acm/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing/types"
	elbv2 "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/droverhq/drover/sandbox/internal/pki"
)

// authority gives the world a real one.
func (w *world) authority() *pki.Authority {
	w.t.Helper()
	if err := os.Remove(filepath.Join(w.dir, "pki", "ca.crt")); err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	ca, err := pki.Open(filepath.Join(w.dir, "pki"))
	if err != nil {
		w.t.Fatal(err)
	}
	return ca
}

// certificate requests one and waits until it is there. The world has an authority.
func (w *world) certificate(names ...string) string {
	w.t.Helper()
	client := acm.NewFromConfig(w.cfg)
	made, err := client.RequestCertificate(w.t.Context(), &acm.RequestCertificateInput{DomainName: &names[0], SubjectAlternativeNames: names,
		ValidationMethod: acmtypes.ValidationMethodDns, KeyAlgorithm: acmtypes.KeyAlgorithmEcPrime256v1})
	if err != nil {
		w.t.Fatal(err)
	}
	w.until("it is issued", func() bool { return w.described(*made.CertificateArn).Status == acmtypes.CertificateStatusIssued })
	return *made.CertificateArn
}

// imported is one that is there at once.
func (w *world) imported(ca *pki.Authority, name string) *string {
	w.t.Helper()
	pair, err := ca.Server(name, name)
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := acm.NewFromConfig(w.cfg).ImportCertificate(w.t.Context(), &acm.ImportCertificateInput{Certificate: pair.Cert, PrivateKey: pair.Key})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.CertificateArn
}

func (w *world) described(arn string) *acmtypes.CertificateDetail {
	w.t.Helper()
	out, err := acm.NewFromConfig(w.cfg).DescribeCertificate(w.t.Context(), &acm.DescribeCertificateInput{CertificateArn: &arn})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.Certificate
}

// A certificate is requested, validated and signed by the sandbox's authority, for the names
// that were asked for.
func TestCertificateIsIssued(t *testing.T) {
	w := newWorld(t)
	ca := w.authority()
	client, ctx := acm.NewFromConfig(w.cfg), t.Context()
	input := &acm.RequestCertificateInput{DomainName: awssdk.String("Shop.example.com"), SubjectAlternativeNames: []string{"*.example.com"},
		ValidationMethod: acmtypes.ValidationMethodDns, IdempotencyToken: awssdk.String("once"), Tags: []acmtypes.Tag{{Key: awssdk.String("team"), Value: awssdk.String("shop")}}}
	made, err := client.RequestCertificate(ctx, input)
	if err != nil {
		t.Fatal(err)
	}
	arn := made.CertificateArn
	if again, err := client.RequestCertificate(ctx, input); err != nil || *again.CertificateArn != *arn {
		t.Errorf("the same request: %+v %v", again, err)
	}
	input.DomainName = awssdk.String("other.example.com")
	other, err := client.RequestCertificate(ctx, input)
	if err != nil || *other.CertificateArn == *arn {
		t.Errorf("another request with the token: %+v %v", other, err)
	}
	d := w.described(*arn)
	if record := d.DomainValidationOptions[0].ResourceRecord; *d.DomainName != "shop.example.com" || d.Type != acmtypes.CertificateTypeAmazonIssued ||
		len(d.SubjectAlternativeNames) != 2 || record.Type != acmtypes.RecordTypeCname || !strings.HasSuffix(*record.Name, ".shop.example.com.") {
		t.Errorf("%+v", d)
	}
	if d.Status == acmtypes.CertificateStatusPendingValidation {
		_, err = client.GetCertificate(ctx, &acm.GetCertificateInput{CertificateArn: arn})
		if err != nil {
			wantCode(t, err, "RequestInProgressException")
		}
	}
	w.until("it is issued", func() bool { return w.described(*arn).Status == acmtypes.CertificateStatusIssued })
	got, err := client.GetCertificate(ctx, &acm.GetCertificateInput{CertificateArn: arn})
	if err != nil || *got.CertificateChain != string(ca.PEM) {
		t.Fatal(got, err)
	}
	block, _ := pem.Decode([]byte(*got.Certificate))
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM)
	for _, name := range []string{"shop.example.com", "www.example.com"} {
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
			t.Error(err)
		}
	}
	d = w.described(*arn)
	if string(d.KeyAlgorithm) != "RSA-2048" || *d.SignatureAlgorithm != "SHA256WITHECDSA" || !d.NotAfter.Equal(leaf.NotAfter) || d.IssuedAt == nil {
		t.Errorf("%+v", d)
	}
	tags, err := client.ListTagsForCertificate(ctx, &acm.ListTagsForCertificateInput{CertificateArn: arn})
	if err != nil || len(tags.Tags) != 1 {
		t.Errorf("%+v %v", tags, err)
	}
	w.restart(speed)
	if w.described(*arn).Status != acmtypes.CertificateStatusIssued {
		t.Error("a restart has lost it")
	}
}

// A certificate whose time is over has expired, by AWS's clock.
func TestCertificateExpires(t *testing.T) {
	w := newWorld(t)
	w.authority()
	arn := w.certificate("shop.example.com")
	if err := w.sandbox.clock.Forward(200 * 24 * time.Hour); err != nil {
		t.Fatal(err)
	}
	w.until("it has expired", func() bool { return w.described(arn).Status == acmtypes.CertificateStatusExpired })
}

// What is no certificate, or not of that key or chain, is not imported. What is can be
// imported again, in its place.
func TestImportCertificate(t *testing.T) {
	w := newWorld(t)
	ca := w.authority()
	client, ctx := acm.NewFromConfig(w.cfg), t.Context()
	one, _ := ca.Server("shop.example.com", "shop.example.com", "www.example.com")
	two, _ := ca.Server("shop.example.com", "shop.example.com")
	for what, in := range map[string]*acm.ImportCertificateInput{
		"no certificate":     {Certificate: []byte("hello"), PrivateKey: one.Key},
		"another's key":      {Certificate: one.Cert, PrivateKey: two.Key},
		"no key":             {Certificate: one.Cert, PrivateKey: []byte("hello")},
		"two":                {Certificate: bytes.Join([][]byte{one.Cert, ca.PEM}, nil), PrivateKey: one.Key},
		"another's chain":    {Certificate: one.Cert, PrivateKey: one.Key, CertificateChain: two.Cert},
		"a chain of nothing": {Certificate: one.Cert, PrivateKey: one.Key, CertificateChain: []byte("hello")},
	} {
		_, err := client.ImportCertificate(ctx, in)
		if err == nil {
			t.Errorf("%s was taken", what)
			continue
		}
		wantCode(t, err, "ValidationException")
	}
	made, err := client.ImportCertificate(ctx, &acm.ImportCertificateInput{Certificate: one.Cert, PrivateKey: one.Key, CertificateChain: ca.PEM,
		Tags: []acmtypes.Tag{{Key: awssdk.String("a"), Value: awssdk.String("b")}}})
	if err != nil {
		t.Fatal(err)
	}
	d := w.described(*made.CertificateArn)
	if d.Type != acmtypes.CertificateTypeImported || d.Status != acmtypes.CertificateStatusIssued || *d.DomainName != "shop.example.com" ||
		!slices.Equal(d.SubjectAlternativeNames, []string{"shop.example.com", "www.example.com"}) || string(d.KeyAlgorithm) != "EC-prime256v1" || d.ImportedAt == nil {
		t.Errorf("%+v", d)
	}
	again := &acm.ImportCertificateInput{CertificateArn: made.CertificateArn, Certificate: two.Cert, PrivateKey: two.Key}
	if out, err := client.ImportCertificate(ctx, again); err != nil || *out.CertificateArn != *made.CertificateArn {
		t.Fatal(out, err)
	}
	if now := w.described(*made.CertificateArn); *now.Serial == *d.Serial || len(now.SubjectAlternativeNames) != 1 {
		t.Errorf("%+v", now)
	}
	again.Tags = []acmtypes.Tag{{Key: awssdk.String("a"), Value: awssdk.String("c")}}
	_, err = client.ImportCertificate(ctx, again)
	wantCode(t, err, "InvalidParameterException")
	list, err := client.ListCertificates(ctx, &acm.ListCertificatesInput{})
	if err != nil || len(list.CertificateSummaryList) != 0 {
		t.Errorf("keys other than RSA's are listed without being asked for: %+v %v", list, err)
	}
}

// shakeHands connects to an address with TLS, for a name.
func (n *nlb) shakeHands(ip netip.Addr, port int, ca *pki.Authority, name string, protocols ...string) (said string, agreed string, err error) {
	n.t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM)
	ctx, cancel := context.WithTimeout(n.t.Context(), 10*time.Second)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: name, NextProtos: protocols}}
	c, err := dialer.DialContext(ctx, "tcp4", net.JoinHostPort(n.net.local(ip).String(), fmt.Sprint(port)))
	if err != nil {
		return "", "", err
	}
	defer func() { _ = c.Close() }()
	buffer := make([]byte, 100)
	k, err := c.Read(buffer)
	return strings.TrimSpace(string(buffer[:k])), c.(*tls.Conn).ConnectionState().NegotiatedProtocol, err
}

// TLS ends at a Network Load Balancer, with what ACM has, for the name that a client asks for.
func TestNetworkBalancerTLS(t *testing.T) {
	n := newNLB(t, "1")
	ca := n.authority()
	shop, wild := n.certificate("shop.example.com"), n.certificate("*.example.org")
	ctx, port := t.Context(), int32(lbPort+7)
	input := &elbv2.CreateListenerInput{LoadBalancerArn: n.lb.LoadBalancerArn, Port: &port, Protocol: types.ProtocolEnumTls,
		DefaultActions: []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: n.group}}}
	_, err := n.api.CreateListener(ctx, input)
	wantCode(t, err, "ValidationError")
	input.Certificates = []types.Certificate{{CertificateArn: &shop}}
	input.AlpnPolicy = []string{"HTTP3"}
	_, err = n.api.CreateListener(ctx, input)
	wantCode(t, err, "ALPNPolicyNotFound")
	input.AlpnPolicy = []string{"HTTP2Preferred"}
	made, err := n.api.CreateListener(ctx, input)
	n.must(err)
	l := made.Listeners[0]
	if *l.SslPolicy != "ELBSecurityPolicy-2016-08" || !slices.Equal(l.AlpnPolicy, []string{"HTTP2Preferred"}) || *l.Certificates[0].CertificateArn != shop {
		t.Errorf("%+v", l)
	}
	_, err = n.api.AddListenerCertificates(ctx, &elbv2.AddListenerCertificatesInput{ListenerArn: l.ListenerArn, Certificates: []types.Certificate{{CertificateArn: &wild}}})
	n.must(err)
	n.healthy(n.ids...)
	ips, _ := n.resolve(*n.lb.DNSName)
	for _, name := range []string{"shop.example.com", "a.example.org"} {
		n.until("TLS ends at the load balancer for "+name, func() bool {
			said, agreed, err := n.shakeHands(ips[0], int(port), ca, name, "http/1.1", "h2")
			return err == nil && slices.Contains(n.ids, said) && agreed == "h2"
		})
	}
	if _, _, err := n.shakeHands(ips[0], int(port), ca, "other.example.net"); err == nil {
		t.Error("another name is vouched for")
	}
	_, err = acm.NewFromConfig(n.cfg).DeleteCertificate(ctx, &acm.DeleteCertificateInput{CertificateArn: &wild})
	wantCode(t, err, "ResourceInUseException")
	if used := n.described(wild).InUseBy; !slices.Equal(used, []string{*n.lb.LoadBalancerArn}) {
		t.Errorf("in use by %v", used)
	}
	if _, err := n.api.ModifyListener(ctx, &elbv2.ModifyListenerInput{ListenerArn: l.ListenerArn, Protocol: types.ProtocolEnumTcp}); err != nil {
		t.Fatal(err)
	}
	_, err = acm.NewFromConfig(n.cfg).DeleteCertificate(ctx, &acm.DeleteCertificateInput{CertificateArn: &wild})
	n.must(err)
}

// TLS ends at a Classic load balancer, with what ACM has.
func TestClassicBalancerTLS(t *testing.T) {
	n := newNLB(t, "1")
	ca, ctx, str := n.authority(), t.Context(), awssdk.String
	shop, next := n.certificate("shop.example.com"), n.certificate("next.example.com")
	listener := elbtypes.Listener{Protocol: str("SSL"), InstanceProtocol: str("TCP"), LoadBalancerPort: lbPort + 9, InstancePort: awssdk.Int32(nodePort)}
	input := &elb.CreateLoadBalancerInput{LoadBalancerName: str("classic"), Subnets: n.public, Listeners: []elbtypes.Listener{listener}}
	_, err := n.elb.CreateLoadBalancer(ctx, input)
	wantCode(t, err, "InvalidConfigurationRequest")
	input.Listeners[0].SSLCertificateId = str(shop + "0")
	_, err = n.elb.CreateLoadBalancer(ctx, input)
	wantCode(t, err, "CertificateNotFound")
	input.Listeners[0].SSLCertificateId = &shop
	made, err := n.elb.CreateLoadBalancer(ctx, input)
	n.must(err)
	_, err = n.elb.ConfigureHealthCheck(ctx, &elb.ConfigureHealthCheckInput{LoadBalancerName: str("classic"), HealthCheck: &elbtypes.HealthCheck{
		Target: str(fmt.Sprintf("TCP:%d", nodePort)), Interval: awssdk.Int32(5), Timeout: awssdk.Int32(2), HealthyThreshold: awssdk.Int32(2), UnhealthyThreshold: awssdk.Int32(2)}})
	n.must(err)
	_, err = n.elb.RegisterInstancesWithLoadBalancer(ctx, &elb.RegisterInstancesWithLoadBalancerInput{LoadBalancerName: str("classic"), Instances: []elbtypes.Instance{{InstanceId: &n.ids[0]}}})
	n.must(err)
	ips, _ := n.resolve(*made.DNSName)
	serves := func(name string) func() bool {
		return func() bool {
			said, _, err := n.shakeHands(ips[0], lbPort+9, ca, name)
			return err == nil && said == n.ids[0]
		}
	}
	n.until("TLS ends there", serves("shop.example.com"))
	if used := n.described(shop).InUseBy; len(used) != 1 || !strings.HasSuffix(used[0], ":loadbalancer/classic") {
		t.Errorf("in use by %v", used)
	}
	_, err = n.elb.SetLoadBalancerListenerSSLCertificate(ctx, &elb.SetLoadBalancerListenerSSLCertificateInput{LoadBalancerName: str("classic"), LoadBalancerPort: lbPort + 9, SSLCertificateId: &next})
	n.must(err)
	n.until("with the next certificate", serves("next.example.com"))
}

// Which listener forwards to which group.
func TestTLSTargetGroups(t *testing.T) {
	n := newNLB(t, "1")
	ctx := t.Context()
	made, err := n.api.CreateTargetGroup(ctx, &elbv2.CreateTargetGroupInput{Name: awssdk.String("tls"), VpcId: &n.vpc, Port: awssdk.Int32(443), Protocol: types.ProtocolEnumTls})
	n.must(err)
	g := made.TargetGroups[0]
	if g.HealthCheckProtocol != types.ProtocolEnumTcp || g.ProtocolVersion != nil {
		t.Errorf("%+v", g)
	}
	_, err = n.api.CreateListener(ctx, &elbv2.CreateListenerInput{LoadBalancerArn: n.lb.LoadBalancerArn, Port: awssdk.Int32(443), Protocol: types.ProtocolEnumTcp,
		DefaultActions: []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: g.TargetGroupArn}}})
	wantCode(t, err, "InvalidConfigurationRequest")
	_, err = n.api.CreateListener(ctx, &elbv2.CreateListenerInput{LoadBalancerArn: n.lb.LoadBalancerArn, Port: awssdk.Int32(443), Protocol: types.ProtocolEnumTcp,
		AlpnPolicy: []string{"None"}, DefaultActions: []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: n.group}}})
	wantCode(t, err, "ValidationError")
}
