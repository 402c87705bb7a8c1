package aws

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

func (s *stack) parameter(name string) string {
	s.t.Helper()
	out, err := ssm.NewFromConfig(s.cfg).GetParameter(s.t.Context(), &ssm.GetParameterInput{Name: &name})
	if err != nil {
		s.t.Fatal(err)
	}
	return *out.Parameter.Value
}

// A mixed group of Bottlerocket nodes joins by its settings, launches its types in
// turn, and has as much on-demand as it is told to.
func TestMixedGroupOfBottlerocket(t *testing.T) {
	s := newStack(t)
	role := s.nodeRole()
	profile := s.add("AWS::IAM::InstanceProfile", props{"InstanceProfileName": "nodes", "Roles": []string{"nodes"}})
	s.add("AWS::EKS::AccessEntry", props{"ClusterName": s.cluster, "PrincipalArn": role, "Type": "EC2_LINUX"})
	cluster := s.get("AWS::EKS::Cluster", s.cluster)
	settings := fmt.Sprintf("[settings.kubernetes]\ncluster-name = %q\napi-server = %q\ncluster-certificate = %q\n[settings.kubernetes.node-labels]\n\"team\" = \"web\"\n"+
		"[settings.kubernetes.node-taints]\n\"a\" = [\"b:NoSchedule\"]\n", s.cluster, cluster["Endpoint"], cluster["CertificateAuthorityData"])
	template := s.add("AWS::EC2::LaunchTemplate", props{"LaunchTemplateName": "web", "LaunchTemplateData": props{
		"ImageId": s.parameter("/aws/service/bottlerocket/aws-k8s-1.36/x86_64/latest/image_id"), "InstanceType": "m7i.large",
		"IamInstanceProfile": props{"Arn": profile["Arn"]}, "UserData": base64.StdEncoding.EncodeToString([]byte(settings))}})
	launches := props{"LaunchTemplateId": template["LaunchTemplateId"], "Version": "1"}
	want := props{"AutoScalingGroupName": "web", "MinSize": "0", "MaxSize": "4", "DesiredCapacity": "4", "VPCZoneIdentifier": s.public,
		"MixedInstancesPolicy": props{"LaunchTemplate": props{"LaunchTemplateSpecification": launches,
			"Overrides": []props{{"InstanceType": "m7i.large"}, {"InstanceType": "m6i.large"}}},
			"InstancesDistribution": props{"OnDemandBaseCapacity": 1, "OnDemandPercentageAboveBaseCapacity": 0, "SpotAllocationStrategy": "price-capacity-optimized"}}}
	want["LaunchTemplate"] = launches
	if event := s.failed("AWS::AutoScaling::AutoScalingGroup", want); !strings.Contains(*event.StatusMessage, "MixedInstancesPolicy") {
		t.Errorf("both: %s", *event.StatusMessage)
	}
	delete(want, "LaunchTemplate")
	s.add("AWS::AutoScaling::AutoScalingGroup", want)
	out, err := s.ec2.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, r := range out.Reservations {
		kinds = append(kinds, string(r.Instances[0].InstanceType)+" "+string(r.Instances[0].InstanceLifecycle))
	}
	slices.Sort(kinds)
	if got := strings.Join(kinds, ","); got != "m6i.large spot,m6i.large spot,m7i.large ,m7i.large spot" {
		t.Errorf("instances %s", got)
	}
	if g := s.group("web"); g.LaunchTemplate != nil || len(g.MixedInstancesPolicy.LaunchTemplate.Overrides) != 2 {
		t.Errorf("group %+v", g)
	}
	s.until("all join", func() bool { return len(s.nodes()) == 4 })
	for _, n := range s.nodes() {
		if n.Labels["team"] != "web" || n.Spec.Taints[0].Effect != "NoSchedule" {
			t.Errorf("node %v %v", n.Labels, n.Spec.Taints)
		}
	}
}

// EKS's managed groups run Bottlerocket, too: their user data is TOML.
func TestManagedGroupOfBottlerocket(t *testing.T) {
	s := newStack(t)
	s.evictions()
	model := s.add("AWS::EKS::Nodegroup", s.managed(s.nodeRole(), props{"AmiType": "BOTTLEROCKET_x86_64", "CapacityType": "SPOT"}))
	if model["ReleaseVersion"] != s.parameter("/aws/service/bottlerocket/aws-k8s-1.36/x86_64/latest/image_version") {
		t.Errorf("release %v", model["ReleaseVersion"])
	}
	for _, n := range s.nodes() {
		if n.Labels["eks.amazonaws.com/capacityType"] != "SPOT" || n.Labels["team"] != "web" {
			t.Errorf("labels %v", n.Labels)
		}
	}
}

// A cluster's key must be there, its endpoint be reached by somebody, and IAM may know its issuer.
func TestClusterWithKeyAndEndpoint(t *testing.T) {
	s := newStack(t)
	cluster := s.get("AWS::EKS::Cluster", s.cluster)
	event, err := s.update("AWS::EKS::Cluster", s.cluster, props{"op": "add", "path": "/ResourcesVpcConfig",
		"value": props{"SubnetIds": s.public, "EndpointPublicAccess": false, "EndpointPrivateAccess": false}})
	if err != nil || !strings.Contains(awssdk.ToString(event.StatusMessage), "cannot be false") {
		t.Errorf("nobody reaches it: %v %v", event, err)
	}
	event, err = s.update("AWS::EKS::Cluster", s.cluster, props{"op": "add", "path": "/ResourcesVpcConfig",
		"value": props{"SubnetIds": s.public, "EndpointPublicAccess": true, "EndpointPrivateAccess": true, "PublicAccessCidrs": []string{"10.0.0.0/8"}}})
	if err != nil || !strings.Contains(awssdk.ToString(event.StatusMessage), "not allowed") {
		t.Errorf("private ranges: %v %v", event, err)
	}
	provider := s.add("AWS::IAM::OIDCProvider", props{"Url": cluster["OpenIdConnectIssuerUrl"], "ClientIdList": []string{"sts.amazonaws.com"}})
	if !strings.Contains(provider["Arn"].(string), ":oidc-provider/oidc.eks.us-west-2") {
		t.Errorf("provider %v", provider)
	}
	s.mustRemove("AWS::EKS::Cluster", s.cluster)
	again := props{"Name": "sealed", "Version": "1.36", "RoleArn": cluster["RoleArn"], "ResourcesVpcConfig": props{"SubnetIds": s.public},
		"EncryptionConfig": []props{{"Resources": []string{"secrets"}, "Provider": props{"KeyArn": "arn:aws:kms:us-west-2:111122223333:key/none"}}}}
	if event := s.failed("AWS::EKS::Cluster", again); !strings.Contains(*event.StatusMessage, "could not be found") {
		t.Errorf("no key: %s", *event.StatusMessage)
	}
	key := s.add("AWS::KMS::Key", props{"KeyPolicy": props{"Version": "2012-10-17", "Statement": []props{}}})
	again["EncryptionConfig"].([]props)[0]["Provider"] = props{"KeyArn": key["Arn"]}
	s.add("AWS::EKS::Cluster", again)
}

// An image has the disk that it names as its root: clients size a node's by it.
func TestImagesHaveTheirDisks(t *testing.T) {
	w := newWorld(t)
	out, err := w.ec2.DescribeImages(t.Context(), &ec2.DescribeImagesInput{Owners: []string{"amazon"}})
	if err != nil || len(out.Images) == 0 {
		t.Fatal(out, err)
	}
	for _, i := range out.Images {
		if root := i.BlockDeviceMappings[0]; *root.DeviceName != *i.RootDeviceName || *root.Ebs.VolumeSize == 0 || *root.Ebs.Encrypted {
			t.Errorf("%s: root %s is %+v", *i.Name, *i.RootDeviceName, root.Ebs)
		}
		if rocket := strings.HasPrefix(*i.Name, "bottlerocket"); rocket != strings.Contains(*i.Description, "Bottlerocket") || rocket != (len(i.BlockDeviceMappings) == 2) {
			t.Errorf("%s: %s, disks %+v", *i.Name, *i.Description, i.BlockDeviceMappings)
		}
	}
}
