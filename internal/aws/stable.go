package aws

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
)

// stable settles what Cloud Control left open with NotStabilized: whether the
// object that exists is good. A cluster reports it when EKS starts a follow-up
// update while the handler waits (awslabs/kubeflow-manifests #806), so the
// service itself is asked. Of other types, existence is all that is known.
func (c *Cloud) stable(ctx context.Context, typ, id string, wait func(string)) error {
	if typ != "AWS::EKS::Cluster" {
		if typ == "AWS::EKS::Nodegroup" {
			return errors.New("its nodes did not become ready") // NodeCreationFailure: not good
		}
		return nil
	}
	var b backoff
	for {
		out, err := c.eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &id})
		if err != nil {
			return fmt.Errorf("read cluster %s: %w", id, err)
		}
		switch out.Cluster.Status {
		case ekstypes.ClusterStatusActive:
			return nil
		case ekstypes.ClusterStatusCreating, ekstypes.ClusterStatusUpdating, ekstypes.ClusterStatusPending:
		default:
			return fmt.Errorf("cluster %s is %s", aws.ToString(out.Cluster.Name), out.Cluster.Status)
		}
		if wait != nil {
			wait("EKS: the cluster is " + string(out.Cluster.Status))
		}
		if err := pause(ctx, b.next()); err != nil {
			return err
		}
	}
}
