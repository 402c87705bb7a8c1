package aws

import (
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// What a request says and nobody reads is refused and named, and nothing of the
// request is carried out: an answer would say that it had an effect.
func TestWhatNobodyReadsIsRefused(t *testing.T) {
	w := newStack(t)
	ctx, str := t.Context(), awssdk.String
	roles, groups := iam.NewFromConfig(w.cfg), elasticloadbalancingv2.NewFromConfig(w.cfg)
	for parameter, call := range map[string]func() error{
		"PermissionsBoundary": func() error {
			_, err := roles.CreateRole(ctx, &iam.CreateRoleInput{RoleName: str("bound"), AssumeRolePolicyDocument: str(`{"Version":"2012-10-17","Statement":[]}`), PermissionsBoundary: str("arn:aws:iam::aws:policy/AdministratorAccess")})
			return err
		},
		"PolicyUsageFilter": func() error {
			_, err := roles.ListPolicies(ctx, &iam.ListPoliciesInput{PolicyUsageFilter: "PermissionsBoundary"})
			return err
		},
		"SourceIdentity": func() error {
			if _, err := roles.CreateRole(ctx, &iam.CreateRoleInput{RoleName: str("me"), AssumeRolePolicyDocument: str(`{"Version":"2012-10-17","Statement":[]}`)}); err != nil {
				return err
			}
			role, err := roles.GetRole(ctx, &iam.GetRoleInput{RoleName: str("me")})
			if err != nil {
				return err
			}
			_, err = sts.NewFromConfig(w.cfg).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: role.Role.Arn, RoleSessionName: str("me"), SourceIdentity: str("alice")})
			return err
		},
		"IncludeInstances": func() error {
			_, err := w.asg.DescribeAutoScalingGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{IncludeInstances: awssdk.Bool(false)})
			return err
		},
		"AvailabilityZones.member.1": func() error {
			_, err := w.elb.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{LoadBalancerName: str("web"), AvailabilityZones: []string{"us-west-2a"}, Subnets: w.public,
				Listeners: []elbtypes.Listener{{Protocol: str("TCP"), LoadBalancerPort: 80, InstancePort: awssdk.Int32(30080)}}})
			return err
		},
		"CustomerOwnedIpv4Pool": func() error {
			_, err := groups.CreateLoadBalancer(ctx, &elasticloadbalancingv2.CreateLoadBalancerInput{Name: str("web"), Type: "network", Subnets: w.public, CustomerOwnedIpv4Pool: str("pool")})
			return err
		},
	} {
		err := call()
		wantCode(t, err, "ValidationError")
		if !strings.Contains(err.Error(), "the sandbox does not implement "+parameter) {
			t.Errorf("%s: %v", parameter, err)
		}
	}
	if _, err := roles.GetRole(ctx, &iam.GetRoleInput{RoleName: str("bound")}); err == nil {
		t.Error("the role was made all the same")
	}
	classic, err := w.elb.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{})
	if err != nil || len(classic.LoadBalancerDescriptions) > 0 {
		t.Errorf("%+v, %v", classic, err)
	}
	all, err := groups.DescribeLoadBalancers(ctx, &elasticloadbalancingv2.DescribeLoadBalancersInput{})
	if err != nil || len(all.LoadBalancers) > 0 {
		t.Errorf("%+v, %v", all, err)
	}
}
