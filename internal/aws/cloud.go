// Package aws drives an AWS account: any resource type through the Cloud
// Control API (Provider), and native calls where Cloud Control is unfit: the
// reads that decisions rest on, Auto Scaling actions, load-balancer health,
// AMI lookup, and tokens for EKS clusters.
//
// The engine calls Provider for every resource whose type holds "::"; the
// hand-over calls Scaling and Balancers. The same code serves AWS and the
// sandbox: only the endpoint (AWS_ENDPOINT_URL) differs.
package aws

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// Cloud is one AWS account in one region.
type Cloud struct {
	base      aws.Config // before anything of Drover was added
	cfg       aws.Config
	control   *cloudcontrol.Client
	registry  *cloudformation.Client
	ec2       *ec2.Client
	scaling   *autoscaling.Client
	balancing *elasticloadbalancing.Client
	targets   *elasticloadbalancingv2.Client
	eks       *eks.Client
	ssm       *ssm.Client
	sts       *sts.Client
	presign   *sts.PresignClient
}

// Load reads the standard AWS chain (environment, profiles, SSO, instance
// role). A region given here wins over the chain's.
func Load(ctx context.Context, region string) (*Cloud, error) {
	// What matters comes back as an error; the SDK's own log lines would only disturb the screen.
	options := []func(*config.LoadOptions) error{config.WithRetryer(retryer), config.WithLogger(logging.Nop{})}
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	cfg, err := load(ctx, options)
	if err != nil {
		return nil, &problem.Error{Kind: problem.Usage, Op: "read the AWS configuration", Err: err,
			Fix: "correct AWS_PROFILE, ~/.aws/config or ~/.aws/credentials (a quote without its partner?)"}
	}
	if cfg.Region == "" {
		return nil, &problem.Error{Kind: problem.Usage, Op: "read the AWS configuration", Err: errors.New("no region"),
			Fix: "drover config set aws:region us-west-2   (or set AWS_REGION)"}
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return nil, &problem.Error{Kind: problem.Usage, Op: "read AWS credentials", Err: err,
			Fix: `set AWS_PROFILE, run "aws sso login", or for the sandbox: eval "$(drover sandbox env)"`}
	}
	return New(cfg), nil
}

// load reads the chain. The SDK panics over files that it cannot read, such as
// one with a lone quote.
func load(ctx context.Context, options []func(*config.LoadOptions) error) (cfg aws.Config, err error) {
	defer func() {
		if broken := recover(); broken != nil {
			err = fmt.Errorf("the AWS SDK broke over it: %v", broken)
		}
	}()
	return config.LoadDefaultConfig(ctx, options...)
}

// New makes a Cloud from a configuration that is complete.
func New(cfg aws.Config) *Cloud {
	base := cfg
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), clarify)
	tokens := sts.NewFromConfig(cfg)
	return &Cloud{
		base:      base,
		cfg:       cfg,
		control:   cloudcontrol.NewFromConfig(cfg),
		registry:  cloudformation.NewFromConfig(cfg),
		ec2:       ec2.NewFromConfig(cfg),
		scaling:   autoscaling.NewFromConfig(cfg),
		balancing: elasticloadbalancing.NewFromConfig(cfg),
		targets:   elasticloadbalancingv2.NewFromConfig(cfg),
		eks:       eks.NewFromConfig(cfg),
		ssm:       ssm.NewFromConfig(cfg),
		sts:       tokens,
		presign:   sts.NewPresignClient(tokens),
	}
}

// retryer repeats throttled, broken and 5xx calls. Ten attempts with pauses up
// to 20 s outlast the throttling that ten resources in parallel provoke: the
// SDK's three do not (pulumi-aws-native #690). The SDK's own quota of retries
// is off, since throttled calls would use it up for all others.
func retryer() aws.Retryer { return patient() }

func patient() *retry.Standard {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = 10
		o.MaxBackoff = 20 * time.Second
		o.RateLimiter = ratelimit.None
	})
}

// first is the retryer of the calls that a command begins with. An endpoint at
// which nobody listens is told within seconds then; later, when much is at stake,
// it may be one that is being started again, and is waited for.
type first struct{ *retry.Standard }

// refusals is how often an endpoint may refuse to be talked to.
const refusals = 4

// RetryDelay ends the attempts with their own error.
func (r first) RetryDelay(attempt int, err error) (time.Duration, error) {
	if errors.Is(err, syscall.ECONNREFUSED) {
		if attempt >= refusals {
			return 0, err
		}
		return time.Duration(attempt) * time.Second / 2, nil
	}
	return r.Standard.RetryDelay(attempt, err)
}

// Region is the region that calls go to.
func (c *Cloud) Region() string { return c.cfg.Region }

// Account is the number of the account that calls go to.
func (c *Cloud) Account(ctx context.Context) (string, error) {
	who, err := c.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}, func(o *sts.Options) { o.Retryer = first{patient()} })
	if err != nil {
		return "", fmt.Errorf("ask whose account it is: %w", err)
	}
	return aws.ToString(who.Account), nil
}

// Lookup reads a public or private SSM parameter: the AMI of a Kubernetes version.
// What is encrypted there (a SecureString) is a secret here. It also knows the
// default versions of add-ons.
func (c *Cloud) Lookup(ctx context.Context, name string) (any, error) {
	if addon, ok := strings.CutPrefix(name, value.AddonPrefix); ok {
		return c.defaultAddon(ctx, addon)
	}
	out, err := c.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
	var missing *ssmtypes.ParameterNotFound
	switch {
	case errors.As(err, &missing):
		return nil, &problem.Error{Kind: problem.Usage, Op: "look up ssm:" + name,
			Err: fmt.Errorf("region %s has no such parameter", c.cfg.Region),
			Fix: "check the version and architecture in the name; EKS publishes AMIs only for versions it supports"}
	case err != nil:
		return nil, fmt.Errorf("look up ssm:%s: %w", name, err)
	case out.Parameter.Type == ssmtypes.ParameterTypeSecureString:
		return value.Hide(aws.ToString(out.Parameter.Value)), nil
	}
	return aws.ToString(out.Parameter.Value), nil
}

// closedZones do not take an EKS control plane (EKS User Guide, network requirements).
var closedZones = []string{"use1-az3", "usw1-az2", "cac1-az3"}

// Zones lists the availability zones in which a cluster can have subnets, sorted.
func (c *Cloud) Zones(ctx context.Context) ([]string, error) {
	out, err := c.ec2.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{}, func(o *ec2.Options) { o.Retryer = first{patient()} })
	if err != nil {
		return nil, fmt.Errorf("list the availability zones of %s: %w", c.cfg.Region, err)
	}
	var zones []string
	for _, z := range out.AvailabilityZones {
		local := z.ZoneType != nil && *z.ZoneType != "availability-zone"
		open := z.State == ec2types.AvailabilityZoneStateAvailable || z.State == ""
		if open && !local && !slices.Contains(closedZones, aws.ToString(z.ZoneId)) {
			zones = append(zones, aws.ToString(z.ZoneName))
		}
	}
	slices.Sort(zones)
	return zones, nil
}

// tokenLife is how long a token is used. EKS takes it for 15 minutes after it
// was signed; aws-iam-authenticator, too, says 14.
const tokenLife = 14 * time.Minute

// Token makes a bearer token for an EKS cluster: a presigned request to STS
// that tells who the caller is, bound to the cluster by a signed header. It
// calls nothing, so it need not be kept.
func (c *Cloud) Token(ctx context.Context, cluster string) (token string, expires time.Time, err error) {
	who, err := c.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("make a token for cluster %s: %w", cluster, err)
	}
	expires = time.Now().Add(tokenLife)
	if who.CanExpire && who.Expires.Before(expires) {
		expires = who.Expires // the signature dies with the session that made it
	}
	bind := func(o *sts.PresignOptions) {
		o.ClientOptions = append(o.ClientOptions, func(o *sts.Options) {
			o.APIOptions = append(o.APIOptions,
				smithyhttp.SetHeaderValue("x-k8s-aws-id", cluster),
				smithyhttp.SetHeaderValue("X-Amz-Expires", "60")) // EKS asks for it and does not look at it
		})
	}
	signed, err := c.presign.PresignGetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}, bind)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("make a token for cluster %s: %w", cluster, err)
	}
	return "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(signed.URL)), expires, nil
}
