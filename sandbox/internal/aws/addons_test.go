package aws

import (
	"encoding/json"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (s *stack) dns() *appsv1.Deployment {
	s.t.Helper()
	d, err := s.fake.cluster.AppsV1().Deployments("kube-system").Get(s.t.Context(), "coredns", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *stack) addon(name string) *ekstypes.Addon {
	s.t.Helper()
	out, err := s.eks.DescribeAddon(s.t.Context(), &eks.DescribeAddonInput{ClusterName: &s.cluster, AddonName: &name})
	if err != nil {
		s.t.Fatal(err)
	}
	return out.Addon
}

// An add-on takes over what the cluster has by itself, if it may; its version is
// that of the pods; and with it goes what it made.
func TestAddonFromFirstToLast(t *testing.T) {
	s := newStack(t)
	if err := s.fake.Install(t.Context(), "coredns"); err != nil { // what EKS makes by itself
		t.Fatal(err)
	}
	want := props{"ClusterName": s.cluster, "AddonName": "coredns", "AddonVersion": "v1.13.2-eksbuild.1"}
	event := s.failed("AWS::EKS::Addon", want)
	if !strings.Contains(*event.StatusMessage, "ConfigurationConflict") {
		t.Errorf("a conflict: %s", *event.StatusMessage)
	}
	s.mustRemove("AWS::EKS::Addon", "demo|coredns")
	if err := s.fake.Install(t.Context(), "coredns"); err != nil {
		t.Fatal(err)
	}
	want["ResolveConflicts"], want["ConfigurationValues"] = "OVERWRITE", `{"replicaCount": 2}`
	model := s.add("AWS::EKS::Addon", want)
	if model["ResolveConflicts"] != nil || model["AddonVersion"] != "v1.13.2-eksbuild.1" {
		t.Errorf("model %v", model)
	}
	if image := s.dns().Spec.Template.Spec.Containers[0].Image; image != "eks/coredns:v1.13.2-eksbuild.1" {
		t.Errorf("it runs %s", image)
	}
	release := s.fake.hold()
	out, err := s.eks.UpdateAddon(t.Context(), &eks.UpdateAddonInput{ClusterName: &s.cluster, AddonName: awssdk.String("coredns"),
		AddonVersion: awssdk.String("v1.13.2-eksbuild.4")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.eks.UpdateAddon(t.Context(), &eks.UpdateAddonInput{ClusterName: &s.cluster, AddonName: awssdk.String("coredns")}); err == nil {
		t.Error("a second update at once was accepted")
	}
	release()
	s.until("the update ends", func() bool {
		u, err := s.eks.DescribeUpdate(t.Context(), &eks.DescribeUpdateInput{Name: &s.cluster, AddonName: awssdk.String("coredns"), UpdateId: out.Update.Id})
		return err == nil && u.Update.Status == ekstypes.UpdateStatusSuccessful
	})
	if a := s.addon("coredns"); a.Status != ekstypes.AddonStatusActive || *a.AddonVersion != "v1.13.2-eksbuild.4" {
		t.Errorf("%s %s", a.Status, *a.AddonVersion)
	}
	s.mustRemove("AWS::EKS::Addon", "demo|coredns")
	if list, _ := s.fake.cluster.AppsV1().Deployments("").List(t.Context(), metav1.ListOptions{}); len(list.Items) != 0 {
		t.Errorf("left %v", list.Items)
	}
}

// CoreDNS without nodes is DEGRADED, and becomes ACTIVE with them.
func TestAddonWithoutNodes(t *testing.T) {
	s := newStack(t)
	if err := s.fake.Install(t.Context(), "coredns"); err != nil {
		t.Fatal(err)
	}
	d := s.dns()
	d.Status = appsv1.DeploymentStatus{Replicas: 2, UpdatedReplicas: 2}
	if _, err := s.fake.cluster.AppsV1().Deployments("kube-system").Update(t.Context(), d, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.eks.CreateAddon(t.Context(), &eks.CreateAddonInput{ClusterName: &s.cluster, AddonName: awssdk.String("coredns"),
		ResolveConflicts: ekstypes.ResolveConflictsOverwrite}); err != nil {
		t.Fatal(err)
	}
	s.until("it is degraded", func() bool {
		a := s.addon("coredns")
		return a.Status == ekstypes.AddonStatusDegraded && a.Health.Issues[0].Code == ekstypes.AddonIssueCodeInsufficientNumberOfReplicas
	})
	d = s.dns()
	d.Status = appsv1.DeploymentStatus{Replicas: 2, UpdatedReplicas: 2, AvailableReplicas: 2}
	if _, err := s.fake.cluster.AppsV1().Deployments("kube-system").Update(t.Context(), d, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.until("it is active", func() bool { return s.addon("coredns").Status == ekstypes.AddonStatusActive })
}

// Versions are those that go with the cluster's, and a pod identity of an add-on
// takes a role that pods may assume.
func TestAddonVersionsAndIdentities(t *testing.T) {
	s := newStack(t)
	out, err := s.eks.DescribeAddonVersions(t.Context(), &eks.DescribeAddonVersionsInput{AddonName: awssdk.String("kube-proxy"),
		KubernetesVersion: awssdk.String("1.35")})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range out.Addons[0].AddonVersions {
		if strings.HasPrefix(*v.AddonVersion, "v1.36") {
			t.Errorf("%s is newer than a control plane of 1.35", *v.AddonVersion)
		}
	}
	can, err := s.eks.DescribeAddonConfiguration(t.Context(), &eks.DescribeAddonConfigurationInput{AddonName: awssdk.String("vpc-cni"), AddonVersion: awssdk.String("v1.21.1-eksbuild.1")})
	if err != nil || *can.PodIdentityConfiguration[0].ServiceAccount != "aws-node" || !json.Valid([]byte(*can.ConfigurationSchema)) {
		t.Errorf("%+v, %v", can, err)
	}
	_, err = s.eks.DescribeAddonConfiguration(t.Context(), &eks.DescribeAddonConfigurationInput{AddonName: awssdk.String("vpc-cni"), AddonVersion: awssdk.String("v0.1")})
	wantCode(t, err, "InvalidParameterException")
	_, err = s.eks.CreateAddon(t.Context(), &eks.CreateAddonInput{ClusterName: &s.cluster, AddonName: awssdk.String("coredns"), AddonVersion: awssdk.String("v0.1")})
	wantCode(t, err, "InvalidParameterException")
	role := s.nodeRole() // pods may not assume it
	driver := props{"ClusterName": s.cluster, "AddonName": "aws-ebs-csi-driver",
		"PodIdentityAssociations": []props{{"ServiceAccount": "ebs-csi-controller-sa", "RoleArn": role}}}
	if event := s.failed("AWS::EKS::Addon", driver); event.ErrorCode != types.HandlerErrorCodeInvalidRequest {
		t.Errorf("%s %s", event.ErrorCode, *event.StatusMessage)
	}
	trust := props{"Version": "2012-10-17", "Statement": []props{{"Effect": "Allow", "Principal": props{"Service": "pods.eks.amazonaws.com"},
		"Action": []string{"sts:AssumeRole", "sts:TagSession"}}}}
	driver["PodIdentityAssociations"].([]props)[0]["RoleArn"] = s.add("AWS::IAM::Role", props{"RoleName": "ebs", "AssumeRolePolicyDocument": trust})["Arn"]
	s.add("AWS::EKS::Addon", driver)
	if a := s.addon("aws-ebs-csi-driver"); len(a.PodIdentityAssociations) != 1 {
		t.Errorf("associations %v", a.PodIdentityAssociations)
	}
	for k := len(s.made) - 1; k >= 0; k-- {
		s.mustRemove(s.made[k][0], s.made[k][1])
	}
	if n, found := s.inventory(); n != 0 {
		t.Errorf("left behind: %v", found)
	}
}

// A pod identity association from first to last, by the SDK.
func TestPodIdentityAssociationFromFirstToLast(t *testing.T) {
	s := newStack(t)
	trusting := func(name string) string {
		return s.add("AWS::IAM::Role", props{"RoleName": name, "AssumeRolePolicyDocument": props{"Version": "2012-10-17", "Statement": []props{{
			"Effect": "Allow", "Principal": props{"Service": "pods.eks.amazonaws.com"}, "Action": []string{"sts:AssumeRole", "sts:TagSession"}}}}})["Arn"].(string)
	}
	role, other := trusting("web"), trusting("other")
	in := &eks.CreatePodIdentityAssociationInput{ClusterName: &s.cluster, Namespace: awssdk.String("apps"), ServiceAccount: awssdk.String("web"),
		RoleArn: &role, ClientRequestToken: awssdk.String("one"), Tags: map[string]string{"a": "b"}}
	made, err := s.eks.CreatePodIdentityAssociation(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	id := made.Association.AssociationId
	if again, err := s.eks.CreatePodIdentityAssociation(t.Context(), in); err != nil || *again.Association.AssociationId != *id {
		t.Errorf("one token made two: %v", err)
	}
	for account, want := range map[string]int{"web": 1, "other": 0} {
		list, err := s.eks.ListPodIdentityAssociations(t.Context(), &eks.ListPodIdentityAssociationsInput{ClusterName: &s.cluster, Namespace: awssdk.String("apps"), ServiceAccount: &account})
		if err != nil || len(list.Associations) != want {
			t.Errorf("of account %s: %+v, %v", account, list, err)
		}
	}
	if _, err := s.eks.UpdatePodIdentityAssociation(t.Context(), &eks.UpdatePodIdentityAssociationInput{ClusterName: &s.cluster, AssociationId: id, RoleArn: &other}); err != nil {
		t.Fatal(err)
	}
	about := &eks.DescribePodIdentityAssociationInput{ClusterName: &s.cluster, AssociationId: id}
	if is, err := s.eks.DescribePodIdentityAssociation(t.Context(), about); err != nil || *is.Association.RoleArn != other || is.Association.Tags["a"] != "b" {
		t.Errorf("%+v, %v", is, err)
	}
	if _, err := s.eks.DeletePodIdentityAssociation(t.Context(), &eks.DeletePodIdentityAssociationInput{ClusterName: &s.cluster, AssociationId: id}); err != nil {
		t.Fatal(err)
	}
	_, err = s.eks.DescribePodIdentityAssociation(t.Context(), about)
	wantCode(t, err, "ResourceNotFoundException")
}

// Lists of what cannot exist are as strict as if it did.
func TestEmptyListsAreStrict(t *testing.T) {
	s := newStack(t)
	if out, err := s.eks.ListFargateProfiles(t.Context(), &eks.ListFargateProfilesInput{ClusterName: &s.cluster, MaxResults: awssdk.Int32(1)}); err != nil || len(out.FargateProfileNames) > 0 {
		t.Errorf("%+v, %v", out, err)
	}
	_, err := s.eks.ListFargateProfiles(t.Context(), &eks.ListFargateProfilesInput{ClusterName: &s.cluster, MaxResults: awssdk.Int32(101)})
	wantCode(t, err, "InvalidParameterException")
	_, err = s.eks.ListIdentityProviderConfigs(t.Context(), &eks.ListIdentityProviderConfigsInput{ClusterName: &s.cluster, NextToken: awssdk.String("x")})
	wantCode(t, err, "InvalidParameterException")
	_, err = s.eks.ListIdentityProviderConfigs(t.Context(), &eks.ListIdentityProviderConfigsInput{ClusterName: awssdk.String("nobody")})
	wantCode(t, err, "ResourceNotFoundException")
}
