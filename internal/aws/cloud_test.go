package aws

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing/types"

	"github.com/droverhq/drover/internal/handover"
)

// The EKS authenticator takes a token only if the cluster's name is signed
// and the query holds SigV4's own keys and no others.
func TestTokenIsWhatEKSAccepts(t *testing.T) {
	_, cloud := newFake(t)
	token, expires, err := cloud.Token(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, "k8s-aws-v1."))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := url.Parse(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	q := signed.Query()
	if q.Get("Action") != "GetCallerIdentity" || q.Get("X-Amz-Expires") != "60" || !strings.Contains(q.Get("X-Amz-SignedHeaders"), "x-k8s-aws-id") {
		t.Errorf("signed %s", signed)
	}
	allowed := "Action Version X-Amz-Algorithm X-Amz-Credential X-Amz-Date X-Amz-Expires X-Amz-SignedHeaders X-Amz-Signature X-Amz-Security-Token"
	for key := range q {
		if !strings.Contains(allowed, key) {
			t.Errorf("query key %s, which the verifier refuses", key)
		}
	}
	if life := time.Until(expires); life > 15*time.Minute || life < 10*time.Minute {
		t.Errorf("it says to live %s; EKS takes it for 15 minutes", life)
	}
}

// A Classic load balancer calls a draining instance InService.
func TestClassicWords(t *testing.T) {
	tests := []struct {
		state, words string
		want         handover.TargetState
		in           bool
	}{
		{"InService", "N/A", handover.InService, true},
		{"InService", "Instance deregistration currently in progress.", handover.Draining, true},
		{"OutOfService", "Instance registration is still in progress.", handover.OutOfService, true},
		{"OutOfService", "Instance has failed at least the UnhealthyThreshold number of health checks consecutively.", handover.OutOfService, true},
		{"OutOfService", "Instance is not currently registered with the LoadBalancer.", "", false},
		{"OutOfService", "Instance is in terminated state.", "", false},
	}
	for _, tt := range tests {
		got, in := target(elbtypes.InstanceState{InstanceId: aws.String("i-1"), State: aws.String(tt.state), Description: aws.String(tt.words)})
		if in != tt.in || in && got.State != tt.want {
			t.Errorf("%s %q: %v %v, want %v %v", tt.state, tt.words, got.State, in, tt.want, tt.in)
		}
	}
}

// Tokens must pass Cloud Control's pattern, and differ from try to try.
func TestClientToken(t *testing.T) {
	for _, token := range []string{"7f0a", "urn:drover:dev:shop", strings.Repeat("x", 300)} {
		first, second := clientToken(token, 0), clientToken(token, 1)
		if first == second || len(second) > 128 || !clientTokens.MatchString(first) {
			t.Errorf("%.20s: tokens %s and %s", token, first, second)
		}
	}
	if clientToken("", 3) != "" {
		t.Error("without a token, AWS makes its own")
	}
}

func TestEmbeddedFacts(t *testing.T) {
	for _, typ := range []string{"AWS::EC2::VPC", "AWS::EC2::LaunchTemplate", "AWS::AutoScaling::AutoScalingGroup",
		"AWS::EKS::Cluster", "AWS::IAM::Role", "AWS::IAM::InstanceProfile", "AWS::EKS::AccessEntry"} {
		if len(embeddedFacts(t, typ).ID) == 0 {
			t.Errorf("%s has no identifier", typ)
		}
	}
}
