package aws

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/droverhq/drover/internal/sleep"
)

// stable settles what Cloud Control left open with NotStabilized: whether the
// object that exists is good. A cluster reports it when EKS starts a follow-up
// update while the handler waits (awslabs/kubeflow-manifests #806), so the
// service itself is asked. Of other types, existence is all that is known.
func (c *Cloud) stable(ctx context.Context, typ, id string, wait func(string)) error {
	ask := map[string]func(context.Context, string) (string, error){
		"AWS::EKS::Cluster":    c.clusterStatus,
		"AWS::EKS::Nodegroup":  c.nodegroupStatus,
		"AWS::EC2::NatGateway": c.natStatus,
	}[typ]
	if ask == nil {
		return nil
	}
	var b backoff
	for {
		status, err := ask(ctx, id)
		if err != nil {
			return fmt.Errorf("read the status of %s %s: %w", typ, id, err)
		}
		switch strings.ToUpper(status) {
		case "ACTIVE", "AVAILABLE":
			return nil
		case "CREATING", "UPDATING", "PENDING":
		default: // NodeCreationFailure ends as CREATE_FAILED: not good
			return fmt.Errorf("%s %s is %s", typ, id, status)
		}
		if wait != nil {
			wait("AWS: it is " + status)
		}
		if err := sleep.For(ctx, b.next()); err != nil {
			return err
		}
	}
}

func (c *Cloud) clusterStatus(ctx context.Context, id string) (string, error) {
	out, err := c.eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &id})
	if err != nil {
		return "", err
	}
	return string(out.Cluster.Status), nil
}

func (c *Cloud) nodegroupStatus(ctx context.Context, id string) (string, error) {
	cluster, name, _ := strings.Cut(id, "|")
	out, err := c.eks.DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: &cluster, NodegroupName: &name})
	if err != nil {
		return "", err
	}
	return string(out.Nodegroup.Status), nil
}

func (c *Cloud) natStatus(ctx context.Context, id string) (string, error) {
	out, err := c.ec2.DescribeNatGateways(ctx, &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{id}})
	if err != nil {
		return "", err
	}
	if len(out.NatGateways) == 0 {
		return "gone", nil
	}
	return string(out.NatGateways[0].State), nil
}
