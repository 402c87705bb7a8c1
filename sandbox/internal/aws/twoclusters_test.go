package aws

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/droverhq/drover/sandbox/internal/machine"
)

// another makes a further cluster in the network of the first one.
func (s *stack) another(name, version string) (*ekstypes.Cluster, error) {
	s.t.Helper()
	if _, err := s.eks.CreateCluster(s.t.Context(), &eks.CreateClusterInput{Name: &name, Version: &version,
		RoleArn:            awssdk.String(s.get("AWS::IAM::Role", "cluster")["Arn"].(string)),
		ResourcesVpcConfig: &ekstypes.VpcConfigRequest{SubnetIds: s.public},
		AccessConfig:       &ekstypes.CreateAccessConfigRequest{AuthenticationMode: ekstypes.AuthenticationModeApi}}); err != nil {
		return nil, err
	}
	var c *ekstypes.Cluster
	s.until(name+" is active", func() bool {
		out, err := s.eks.DescribeCluster(s.t.Context(), &eks.DescribeClusterInput{Name: &name})
		if err != nil {
			s.t.Fatal(err)
		}
		c = out.Cluster
		return c.Status == ekstypes.ClusterStatusActive
	})
	return c, nil
}

// Two clusters stand side by side, each with an endpoint and a version of its own. A node
// joins the one in its user data, where its role has to have an access entry.
func TestTwoClusters(t *testing.T) {
	s := newStack(t)
	green, err := s.another("green", "1.35")
	if err != nil {
		t.Fatal(err)
	}
	if *green.Endpoint == *s.clusterNow().Endpoint || *green.Version != "1.35" || *s.clusterNow().Version != "1.36" {
		t.Errorf("%s %s beside %s", *green.Endpoint, *green.Version, *s.clusterNow().Endpoint)
	}
	s.nodeGroup(1)
	s.until("the machine runs", func() bool { return len(s.fake.machines()) == 1 })
	first := s.cluster
	s.cluster = "green"
	role, subnets := s.nodeRole(), s.public
	if _, err := s.eks.CreateNodegroup(t.Context(), &eks.CreateNodegroupInput{ClusterName: &s.cluster, NodegroupName: awssdk.String("web"),
		NodeRole: &role, Subnets: subnets, ScalingConfig: &ekstypes.NodegroupScalingConfig{MinSize: awssdk.Int32(1), MaxSize: awssdk.Int32(1), DesiredSize: awssdk.Int32(1)}}); err != nil {
		t.Fatal(err)
	}
	s.until("a machine runs in each", func() bool { return len(s.fake.machines()) == 2 })
	planes := []int{}
	for _, m := range s.fake.machines() {
		planes = append(planes, m.Plane)
	}
	if slices.Sort(planes); !slices.Equal(planes, []int{0, 1}) {
		t.Errorf("the machines join %v", planes)
	}
	s.until("the group is active", func() bool {
		out, err := s.eks.DescribeNodegroup(t.Context(), &eks.DescribeNodegroupInput{ClusterName: &s.cluster, NodegroupName: awssdk.String("web")})
		return err == nil && out.Nodegroup.Status == ekstypes.NodegroupStatusActive
	})

	if _, err := s.upgradeTo("1.36"); err != nil {
		t.Fatal(err)
	}
	s.until("the second has the next version", func() bool { return *s.clusterNow().Version == "1.36" })
	s.restart(speed)
	if _, err := s.eks.DeleteNodegroup(t.Context(), &eks.DeleteNodegroupInput{ClusterName: &s.cluster, NodegroupName: awssdk.String("web")}); err != nil {
		t.Fatal(err)
	}
	s.until("its group is gone", func() bool {
		_, err := s.eks.DescribeNodegroup(t.Context(), &eks.DescribeNodegroupInput{ClusterName: &s.cluster, NodegroupName: awssdk.String("web")})
		return err != nil
	})
	if _, err := s.eks.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: &s.cluster}); err != nil {
		t.Fatal(err)
	}
	s.until("one cluster is left", func() bool {
		out, err := s.eks.ListClusters(t.Context(), &eks.ListClustersInput{})
		return err == nil && slices.Equal(out.Clusters, []string{first})
	})
	s.fake.mu.Lock()
	defer s.fake.mu.Unlock()
	if list := s.fake.ended; !slices.Equal(list, []int{1}) {
		t.Errorf("the control planes %v have ended", list)
	}
	for _, m := range s.fake.running {
		if m.Plane != 0 {
			t.Errorf("%+v runs yet", m)
		}
	}
}

// A role that one cluster lets in does not get into the other.
func TestAnAccessEntryIsForOneCluster(t *testing.T) {
	s := newStack(t)
	if _, err := s.another("green", "1.36"); err != nil {
		t.Fatal(err)
	}
	s.nodeGroup(1)
	s.until("the machine runs", func() bool { return len(s.fake.machines()) == 1 })
	s.make("AWS::EKS::AccessEntry", props{"ClusterName": "green", "PrincipalArn": s.get("AWS::IAM::Role", "web")["Arn"], "Type": "EC2_LINUX"})
	s.mustRemove("AWS::EKS::AccessEntry", s.get("AWS::IAM::Role", "web")["Arn"].(string)+"|"+s.cluster)
	if event, err := s.update("AWS::AutoScaling::AutoScalingGroup", "web", props{"op": "add", "path": "/DesiredCapacity", "value": "2"}); err != nil {
		t.Fatal(event, err)
	}
	s.until("two instances are there", func() bool { return len(s.group("web").Instances) == 2 })
	if n := len(s.fake.machines()); n != 1 {
		t.Errorf("%d machines run, want 1: the other cluster's entry lets nobody in", n)
	}
}

// A control plane takes tokens for its own cluster alone.
func TestTokensAreForOneCluster(t *testing.T) {
	s := newStack(t)
	if _, err := s.another("green", "1.36"); err != nil {
		t.Fatal(err)
	}
	for plane, name := range []string{s.cluster, "green"} {
		for at := range 2 {
			if in, _ := s.reviewAt(at, s.token(name, time.Now())); in != (at == plane) {
				t.Errorf("a token for %s at control plane %d: %v", name, at, in)
			}
		}
	}
}

// A sandbox holds a few clusters, and says so when they are too many. The next one gets what
// one that is gone has left.
func TestClustersAreCounted(t *testing.T) {
	s := newStack(t)
	for n := 1; n < machine.Planes; n++ {
		if _, err := s.another(fmt.Sprint("c", n), "1.36"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.another("more", "1.36"); err == nil || !strings.Contains(err.Error(), "ResourceLimitExceededException") {
		t.Errorf("one more: %v", err)
	}
	second := "c1"
	was, err := s.eks.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: &second})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.eks.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: &second}); err != nil {
		t.Fatal(err)
	}
	s.until("it is gone", func() bool {
		_, err := s.eks.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: &second})
		return err != nil
	})
	next, err := s.another("more", "1.36")
	if err != nil || *next.Endpoint != *was.Cluster.Endpoint {
		t.Errorf("%+v %v", next, err)
	}
}
