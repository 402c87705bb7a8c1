package aws

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// Every service refuses an unknown key and a wrong secret in its own words.
func TestSignatures(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ key, secret, query, ec2, json string }{
		{"AKIAUNKNOWN000000000", region.SecretKey, "InvalidClientTokenId", "AuthFailure", "UnrecognizedClientException"},
		{region.AccessKey, "wrong", "SignatureDoesNotMatch", "AuthFailure", "InvalidSignatureException"},
	} {
		cfg := w.cfg.Copy()
		cfg.Credentials = credentials.NewStaticCredentialsProvider(c.key, c.secret, "")
		_, err := elb.NewFromConfig(cfg).DescribeLoadBalancers(t.Context(), &elb.DescribeLoadBalancersInput{})
		wantCode(t, err, c.query)
		_, err = ec2.NewFromConfig(cfg).DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
		wantCode(t, err, c.ec2)
		_, err = cloudcontrol.NewFromConfig(cfg).ListResourceRequests(t.Context(),
			&cloudcontrol.ListResourceRequestsInput{})
		wantCode(t, err, c.json)
		_, err = eks.NewFromConfig(cfg).ListClusters(t.Context(), &eks.ListClustersInput{})
		wantCode(t, err, c.json)
	}
}

// What is not implemented says so in the service's own form. These are operations that
// have no place here: nothing is sold, and nobody logs in over SSH.
func TestNotImplemented(t *testing.T) {
	w := newWorld(t)
	_, err := w.ec2.DescribeReservedInstances(t.Context(), &ec2.DescribeReservedInstancesInput{})
	wantCode(t, err, "InvalidAction")
	_, err = iam.NewFromConfig(w.cfg).ListSSHPublicKeys(t.Context(), &iam.ListSSHPublicKeysInput{})
	wantCode(t, err, "InvalidAction")
	_, err = w.eks.ListEksAnywhereSubscriptions(t.Context(), &eks.ListEksAnywhereSubscriptionsInput{})
	wantCode(t, err, "UnknownOperationException")
}

// An ARN in a REST path survives escaping, signing and routing.
func TestEscapedPath(t *testing.T) {
	s := newStack(t)
	arn := "arn:aws:iam::" + region.Account + ":user/other"
	s.make("AWS::EKS::AccessEntry", props{"ClusterName": s.cluster, "PrincipalArn": arn})
	out, err := s.eks.DescribeAccessEntry(t.Context(), &eks.DescribeAccessEntryInput{ClusterName: &s.cluster,
		PrincipalArn: &arn})
	if err != nil || *out.AccessEntry.Username != arn {
		t.Errorf("%+v %v", out, err)
	}
}

// token makes an EKS token as every client does: a presigned GetCallerIdentity.
func (w *world) token(cluster string, at time.Time) string {
	w.t.Helper()
	cfg := w.cfg.Copy()
	cfg.BaseEndpoint = awssdk.String("https://sts.us-west-2.amazonaws.com")
	client := sts.NewPresignClient(sts.NewFromConfig(cfg))
	out, err := client.PresignGetCallerIdentity(w.t.Context(), &sts.GetCallerIdentityInput{},
		func(o *sts.PresignOptions) {
			o.ClientOptions = append(o.ClientOptions, sts.WithAPIOptions(smithyhttp.AddHeaderValue("x-k8s-aws-id", cluster),
				smithyhttp.AddHeaderValue("X-Amz-Expires", "60")))
			o.Presigner = presignAt{v4.NewSigner(), at}
		})
	if err != nil {
		w.t.Fatal(err)
	}
	return "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(out.URL))
}

// presignAt signs for another time than now.
type presignAt struct {
	signer *v4.Signer
	at     time.Time
}

func (p presignAt) PresignHTTP(ctx context.Context, creds awssdk.Credentials, r *http.Request, hash, service,
	region string, _ time.Time,
	opts ...func(*v4.SignerOptions)) (string, http.Header, error) {
	return p.signer.PresignHTTP(ctx, creds, r, hash, service, region, p.at, opts...)
}

func (w *world) review(token string) (authenticated bool, groups []string) {
	w.t.Helper()
	return w.reviewAt(0, token)
}

// reviewAt asks as the API server of a control plane.
func (w *world) reviewAt(plane int, token string) (authenticated bool, groups []string) {
	w.t.Helper()
	body, _ := json.Marshal(props{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
		"spec": props{"token": token}})
	resp, err := http.Post(fmt.Sprint(w.url, "/_sandbox/tokenreview/", plane), "application/json", bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var out struct {
		Kind   string
		Status struct {
			Authenticated bool
			User          struct{ Groups []string }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || out.Kind != "TokenReview" {
		w.t.Fatal(out, err)
	}
	return out.Status.Authenticated, out.Status.User.Groups
}

// A token lets its signer in for 15 minutes, into its cluster alone.
func TestTokenReview(t *testing.T) {
	s := newStack(t)
	now := time.Now()
	good := s.token(s.cluster, now)
	for _, c := range []struct {
		what, token string
		want        bool
	}{
		{"fresh", good, true},
		{"14 minutes old, though it expires after one", s.token(s.cluster, now.Add(-14*time.Minute)), true},
		{"16 minutes old", s.token(s.cluster, now.Add(-16*time.Minute)), false},
		{"of another cluster", s.token("other", now), false},
		{"changed", good[:len(good)-8] + "AAAAAAAA", false},
		{"no token", "hello", false},
	} {
		ok, groups := s.review(c.token)
		if ok != c.want {
			t.Errorf("%s: authenticated %v, want %v", c.what, ok, c.want)
		}
		if ok && (len(groups) != 1 || groups[0] != "system:masters") {
			t.Errorf("%s: groups %v, want those of the cluster's creator", c.what, groups)
		}
	}
}

// A presigned GetCallerIdentity can be fetched, as JSON too.
func TestPresignedIdentity(t *testing.T) {
	w := newWorld(t)
	out, err := sts.NewPresignClient(sts.NewFromConfig(w.cfg)).PresignGetCallerIdentity(t.Context(),
		&sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	for accept, want := range map[string]string{"": "<Arn>" + region.UserARN + "</Arn>",
		"application/json": `"Arn":"` + region.UserARN + `"`} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, out.URL, nil)
		req.Header.Set("Accept", accept)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if !strings.Contains(string(body), want) {
			t.Errorf("Accept %q: %s", accept, body)
		}
	}
}

// The aws command line tool works, where it is installed.
func TestCommandLine(t *testing.T) {
	tool, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("no aws command")
	}
	s := newStack(t)
	run := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), tool, append(args, "--output", "json", "--endpoint-url", s.url,
			"--region", "us-west-2")...)
		cmd.Env = []string{"PATH=/usr/bin:/bin:/usr/local/bin", "HOME=" + t.TempDir(),
			"AWS_ACCESS_KEY_ID=" + region.AccessKey, "AWS_SECRET_ACCESS_KEY=" + region.SecretKey}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("aws %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	for want, args := range map[string][]string{
		region.UserARN: {"sts", "get-caller-identity"},
		s.vpc:          {"ec2", "describe-subnets"},
		`"ACTIVE"`:     {"eks", "describe-cluster", "--name", s.cluster},
		"EnableDns":    {"cloudcontrol", "get-resource", "--type-name", vpcType, "--identifier", s.vpc},
	} {
		if out := run(args...); !strings.Contains(out, want) {
			t.Errorf("aws %v: no %s in\n%s", args, want, out)
		}
	}
}
