package aws

import (
	"slices"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
)

// olderStack has a cluster of an older version.
func olderStack(t *testing.T, version string) *stack {
	s := newStack(t)
	s.mustRemove("AWS::EKS::Cluster", s.cluster)
	role := s.make("AWS::IAM::Role", props{"RoleName": "older", "AssumeRolePolicyDocument": props{"Version": "2012-10-17"}})
	s.make("AWS::EKS::Cluster", props{"Name": s.cluster, "Version": version, "RoleArn": role["Arn"],
		"ResourcesVpcConfig": props{"SubnetIds": s.public}, "AccessConfig": props{"AuthenticationMode": "API"}})
	return s
}

// emulated are the versions that the supervisor was asked for, without those that repeat the one before.
func (s *stack) emulated() []string {
	s.fake.mu.Lock()
	defer s.fake.mu.Unlock()
	var list []string
	for _, c := range s.fake.clusters {
		list = append(list, c.Emulates)
	}
	return slices.Compact(list)
}

func (s *stack) clusterNow() *ekstypes.Cluster {
	s.t.Helper()
	out, err := s.eks.DescribeCluster(s.t.Context(), &eks.DescribeClusterInput{Name: &s.cluster})
	if err != nil {
		s.t.Fatal(err)
	}
	return out.Cluster
}

func (s *stack) upgradeTo(version string) (*eks.UpdateClusterVersionOutput, error) {
	return s.eks.UpdateClusterVersion(s.t.Context(), &eks.UpdateClusterVersionInput{Name: &s.cluster, Version: &version})
}

func TestControlPlaneGoesToTheNextMinorVersion(t *testing.T) {
	s := olderStack(t, "1.34")
	out, err := s.upgradeTo("1.35")
	if err != nil || out.Update.Type != ekstypes.UpdateTypeVersionUpdate || out.Update.Status != ekstypes.UpdateStatusInProgress {
		t.Fatalf("%+v %v", out, err)
	}
	s.until("the cluster has the next version", func() bool {
		c := s.clusterNow()
		return c.Status == ekstypes.ClusterStatusActive && *c.Version == "1.35"
	})
	told, err := s.eks.DescribeUpdate(t.Context(), &eks.DescribeUpdateInput{Name: &s.cluster, UpdateId: out.Update.Id})
	if err != nil || told.Update.Status != ekstypes.UpdateStatusSuccessful || awssdk.ToString(told.Update.Params[0].Value) != "1.35" {
		t.Errorf("the update ends as %+v, %v", told, err)
	}
	if got := s.emulated(); !slices.Equal(got[1:], []string{"1.34.9", "1.35.6"}) {
		t.Errorf("the control plane was %q", got)
	}
}

func TestControlPlaneIsUpgradedThroughCloudControl(t *testing.T) {
	s := olderStack(t, "1.35")
	event, err := s.update("AWS::EKS::Cluster", s.cluster, props{"op": "replace", "path": "/Version", "value": "1.36"})
	if err != nil || event.OperationStatus != types.OperationStatusSuccess {
		t.Fatalf("%+v %v", event, err)
	}
	if got := s.get("AWS::EKS::Cluster", s.cluster)["Version"]; got != "1.36" {
		t.Errorf("its version is %v", got)
	}
	if got := s.emulated(); got[len(got)-1] != "" {
		t.Errorf("the control plane was %q", got)
	}
}

func TestControlPlaneLeavesNoVersionOutAndNeverGoesBack(t *testing.T) {
	s := olderStack(t, "1.34")
	for _, to := range []string{"1.36", "1.34", "1.33", "1.37", "1"} {
		if _, err := s.upgradeTo(to); err == nil {
			t.Errorf("it went from 1.34 to %s", to)
		}
	}
	event, err := s.update("AWS::EKS::Cluster", s.cluster, props{"op": "replace", "path": "/Version", "value": "1.36"})
	if err == nil && event.OperationStatus == types.OperationStatusSuccess {
		t.Error("Cloud Control left a version out")
	}
	if c := s.clusterNow(); *c.Version != "1.34" || c.Status != ekstypes.ClusterStatusActive {
		t.Errorf("%s %s", *c.Version, c.Status)
	}
}

// once asks for an update twice by one token, which makes one; and for another by the
// same token, which is refused. It returns the one.
func (s *stack) once(update func(token, say string) (*ekstypes.Update, error)) *ekstypes.Update {
	s.t.Helper()
	first, err := update("a token", "x")
	if err != nil {
		s.t.Fatal(err)
	}
	if again, err := update("a token", "x"); err != nil || *again.Id != *first.Id {
		s.t.Errorf("the same request once more: %+v, %v; the first made %s", again, err, *first.Id)
	}
	_, err = update("a token", "y")
	wantCode(s.t, err, "InvalidRequestException")
	return first
}

// A request of an update that is repeated, as by a client that lost the answer, is
// answered about the update that it made.
func TestUpdatesOfOneTokenAreOne(t *testing.T) {
	s := newStack(t)
	s.once(func(token, say string) (*ekstypes.Update, error) {
		log := []ekstypes.LogSetup{{Enabled: awssdk.Bool(say == "x"), Types: []ekstypes.LogType{ekstypes.LogTypeApi}}}
		out, err := s.eks.UpdateClusterConfig(t.Context(), &eks.UpdateClusterConfigInput{Name: &s.cluster, ClientRequestToken: &token, Logging: &ekstypes.Logging{ClusterLogging: log}})
		if err != nil {
			return nil, err
		}
		return out.Update, nil
	})
	if list, err := s.eks.ListUpdates(t.Context(), &eks.ListUpdatesInput{Name: &s.cluster}); err != nil || len(list.UpdateIds) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := s.eks.CreateAddon(t.Context(), &eks.CreateAddonInput{ClusterName: &s.cluster, AddonName: awssdk.String("kube-proxy")}); err != nil {
		t.Fatal(err)
	}
	s.until("the add-on is active", func() bool { return s.addon("kube-proxy").Status == ekstypes.AddonStatusActive })
	s.once(func(token, say string) (*ekstypes.Update, error) {
		out, err := s.eks.UpdateAddon(t.Context(), &eks.UpdateAddonInput{ClusterName: &s.cluster, AddonName: awssdk.String("kube-proxy"), ClientRequestToken: &token,
			ResolveConflicts: map[string]ekstypes.ResolveConflicts{"x": ekstypes.ResolveConflictsOverwrite, "y": ekstypes.ResolveConflictsNone}[say]})
		if err != nil {
			return nil, err
		}
		return out.Update, nil
	})
}
