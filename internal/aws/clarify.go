package aws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/droverhq/drover/problem"
)

// clarify gives what any call may end with its kind and remedy: who calls,
// whether they may, and whether there is somebody to call. Cloud Control's
// answers get theirs from failure.fix.
func clarify(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("clarify",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			out, meta, err := next.HandleInitialize(ctx, in)
			return out, meta, clarified(err)
		}), middleware.Before)
}

// told is an error in fewer words than its cause has.
type told struct {
	text  string
	cause error
}

func (t told) Error() string { return t.text }
func (t told) Unwrap() error { return t.cause }

func clarified(err error) error {
	var api smithy.APIError
	var name *net.DNSError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &api):
		return clarifiedRefusal(err, api)
	case errors.As(err, &name) && name.IsNotFound:
		return &problem.Error{Kind: problem.Usage, Err: told{fmt.Sprintf("%s: there is no host %s", called(err), name.Name), err},
			Fix: "look at the region (drover config get aws:region), at AWS_ENDPOINT_URL, and at the network"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &problem.Error{Kind: problem.Outside, Err: told{called(err) + ": nobody listens at the endpoint", err},
			Fix: "look at AWS_ENDPOINT_URL and the network; for the sandbox: drover sandbox start"}
	}
	return err
}

func clarifiedRefusal(err error, api smithy.APIError) error {
	short := told{fmt.Sprintf("%s: %s (%s)", called(err), api.ErrorMessage(), api.ErrorCode()), err}
	switch api.ErrorCode() {
	case "AuthFailure", "UnrecognizedClientException", "InvalidClientTokenId", "SignatureDoesNotMatch", "InvalidSignatureException",
		"IncompleteSignature", "MissingAuthenticationToken", "MissingAuthenticationTokenException", "InvalidAccessKeyId":
		return &problem.Error{Kind: problem.Usage, Err: short,
			Fix: `AWS does not know these credentials: set AWS_PROFILE, or for the sandbox: eval "$(drover sandbox env)"`}
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired":
		return &problem.Error{Kind: problem.Outside, Err: short,
			Fix: `the credentials have run out: take new ones ("aws sso login"), and run the same command again`}
	case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation":
		short.cause = barred(err)
		return &problem.Error{Kind: problem.Outside, Err: short,
			Fix: fmt.Sprintf("allow %s to the identity that calls (aws sts get-caller-identity), and run the same command again; the page permissions.md and drover rbac list all that is needed", action(err))}
	case "OptInRequired":
		return &problem.Error{Kind: problem.Usage, Err: short, Fix: "enable the region for this account, or choose another: drover config set aws:region NAME"}
	}
	return err
}

// Prefixes are those of actions in IAM policies, by the SDK that calls them. IAM knows
// Cloud Control as CloudFormation, and both kinds of load balancers by one name.
var Prefixes = map[string]string{
	"autoscaling": "autoscaling", "cloudcontrol": "cloudformation", "cloudformation": "cloudformation", "ec2": "ec2", "eks": "eks",
	"elasticloadbalancing": "elasticloadbalancing", "elasticloadbalancingv2": "elasticloadbalancing", "ssm": "ssm", "sts": "sts",
}

// action is what an IAM policy calls that which was asked: eks:DescribeNodegroup.
func action(err error) string {
	var op *smithy.OperationError
	if !errors.As(err, &op) {
		return "this"
	}
	sdk := strings.ToLower(strings.ReplaceAll(op.Service(), " ", "")) // AWS names its SDKs so
	return cmp.Or(Prefixes[sdk], sdk) + ":" + op.Operation()
}

// called is what was asked: "EC2 DescribeAvailabilityZones".
func called(err error) string {
	var op *smithy.OperationError
	if errors.As(err, &op) {
		return op.Service() + " " + op.Operation()
	}
	return "AWS"
}
