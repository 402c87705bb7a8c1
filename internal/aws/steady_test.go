package aws

import (
	"slices"
	"strings"
	"testing"

	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/value"
)

// What no update changes follows from the facts of a type, not from how an
// output's name ends.
func TestSteady(t *testing.T) {
	p := &Provider{catalog: newCatalog(nil)}
	for output, want := range map[string]bool{
		"AWS::IAM::Role Arn": true, "AWS::IAM::Role RoleId": true, "AWS::IAM::Role RoleName": true,
		"AWS::AutoScaling::AutoScalingGroup AutoScalingGroupARN": true,
		"AWS::EC2::LaunchTemplate LaunchTemplateId":              true,
		"AWS::EC2::LaunchTemplate LatestVersionNumber":           false,
		"AWS::EC2::Subnet NetworkAclAssociationId":               false,
		"AWS::EC2::SecurityGroup GroupId":                        true,
		"AWS::EKS::Cluster Endpoint":                             true,
		"AWS::EKS::Cluster EncryptionConfigKeyArn":               false,
		"AWS::EKS::Cluster Version":                              false,
		"AWS::EKS::PodIdentityAssociation AssociationId":         false,
		"AWS::IAM::ManagedPolicy DefaultVersionId":               false,
		"AWS::Logs::LogGroup Arn":                                true,
		"AWS::EC2::VPC CidrBlock":                                true,
	} {
		typ, name, _ := strings.Cut(output, " ")
		if got := p.Steady(typ, name); got != want {
			t.Errorf("%s: steady is %t, want %t", output, got, want)
		}
	}
}

// The properties that are secret by type, and those that are common and not.
func TestSecretsByType(t *testing.T) {
	p := &Provider{catalog: newCatalog(nil)}
	if got := p.Secrets("AWS::ElasticLoadBalancingV2::Listener"); !slices.Equal(got, []string{"DefaultActions/*/AuthenticateOidcConfig/ClientSecret"}) {
		t.Errorf("listener: %v", got)
	}
	for typ, props := range map[string]plan.Props{
		"AWS::EC2::LaunchTemplate": {"LaunchTemplateData": plan.Props{"UserData": "x"}, "TagSpecifications": []any{plan.Props{"ResourceType": "x"}}},
		"AWS::EC2::VPC":            {"Ipv4IpamPoolId": "x", "Ipv4NetmaskLength": 16.0},
		"AWS::EKS::Cluster":        {"AccessConfig": plan.Props{"BootstrapClusterCreatorAdminPermissions": true}},
		"AWS::IAM::Role":           {"AssumeRolePolicyDocument": plan.Props{"a": "b"}},
	} {
		if hidden := value.HideAt(props, p.Secrets(typ)); value.HasSecret(hidden) {
			t.Errorf("a stack with an %s would want a passphrase: %v", typ, hidden)
		}
	}
}

// Every type that is built in tells what may be referred to.
func TestOutputsAreKnown(t *testing.T) {
	p := &Provider{catalog: newCatalog(nil)}
	for typ := range p.catalog.known {
		if len(p.Outputs(typ)) == 0 {
			t.Errorf("%s has no properties", typ)
		}
	}
	if !slices.Contains(p.Outputs("AWS::EKS::Cluster"), "CertificateAuthorityData") {
		t.Error("the cluster has no CA")
	}
}
