package aws

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/aws/smithy-go"

	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/problem"
)

// What any call may end with has a kind, a remedy, and no more words than needed.
func TestClarified(t *testing.T) {
	in := func(cause error) error {
		return &smithy.OperationError{ServiceID: "EC2", OperationName: "DescribeAvailabilityZones", Err: fmt.Errorf("https response error: %w", cause)}
	}
	api := func(code string) error { return in(&smithy.GenericAPIError{Code: code, Message: "not so"}) }
	for _, c := range []struct {
		err  error
		kind problem.Kind
		text string
	}{
		{api("AuthFailure"), problem.Usage, "EC2 DescribeAvailabilityZones: not so (AuthFailure)"},
		{api("ExpiredToken"), problem.Outside, "EC2 DescribeAvailabilityZones: not so (ExpiredToken)"},
		{api("AccessDenied"), problem.Outside, "EC2 DescribeAvailabilityZones: not so (AccessDenied)"},
		{in(&net.DNSError{Name: "ec2.us-moon-1.amazonaws.com", IsNotFound: true}), problem.Usage, "EC2 DescribeAvailabilityZones: there is no host ec2.us-moon-1.amazonaws.com"},
		{in(syscall.ECONNREFUSED), problem.Outside, "EC2 DescribeAvailabilityZones: nobody listens at the endpoint"},
	} {
		got := clarified(c.err)
		var p *problem.Error
		barred := strings.Contains(c.text, "AccessDenied")
		if !errors.As(got, &p) || p.Kind != c.kind || p.Fix == "" || got.Error() != c.text || !errors.Is(got, c.err) || errors.Is(got, handover.ErrBarred) != barred {
			t.Errorf("%v\n became %v", c.err, got)
		}
	}
	if plain := api("InvalidVpcID.NotFound"); !errors.Is(clarified(plain), plain) || clarified(plain).Error() != plain.Error() || clarified(nil) != nil {
		t.Error("an error of this call alone was changed")
	}
}

// What is to be allowed is told as an IAM policy has it.
func TestActions(t *testing.T) {
	for service, want := range map[string]string{
		"EC2": "ec2:Do", "Auto Scaling": "autoscaling:Do", "Elastic Load Balancing": "elasticloadbalancing:Do", "Elastic Load Balancing v2": "elasticloadbalancing:Do",
		"CloudControl": "cloudformation:Do", "VPC Lattice": "vpclattice:Do",
	} {
		if got := action(&smithy.OperationError{ServiceID: service, OperationName: "Do"}); got != want {
			t.Errorf("%s: %s, want %s", service, got, want)
		}
	}
}

// nobody refuses every connection.
type nobody struct{ calls int }

func (n *nobody) RoundTrip(*http.Request) (*http.Response, error) {
	n.calls++
	return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
}

// An endpoint at which nobody listens is told after a few tries, by the calls
// that every command begins with.
func TestRefusedEndpointIsToldSoon(t *testing.T) {
	for name, call := range map[string]func(context.Context, *Cloud) error{
		"whose account": func(ctx context.Context, c *Cloud) error { _, err := c.Account(ctx); return err },
		"which zones":   func(ctx context.Context, c *Cloud) error { _, err := c.Zones(ctx); return err },
	} {
		synctest.Test(t, func(t *testing.T) {
			_, cloud := newFake(t)
			cfg, endpoint := cloud.cfg, new(nobody)
			cfg.HTTPClient = &http.Client{Transport: endpoint}
			err := call(t.Context(), New(cfg))
			var p *problem.Error
			if !errors.As(err, &p) || p.Kind != problem.Outside || !strings.Contains(p.Fix, "AWS_ENDPOINT_URL") || endpoint.calls != refusals {
				t.Errorf("%s: after %d calls: %v", name, endpoint.calls, err)
			}
		})
	}
}

// A file over which the SDK panics is the user's to mend.
func TestLoneQuoteInTheConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte("[default]\nregion = us-west-2\nx = \"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONFIG_FILE", file)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	_, err := Load(t.Context(), "us-west-2")
	var p *problem.Error
	if !errors.As(err, &p) || p.Kind != problem.Usage || !strings.Contains(p.Fix, "~/.aws/config") {
		t.Errorf("%v", err)
	}
}
