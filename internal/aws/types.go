package aws

// What single types take that their schemas do not say. provider.go asks these tables.

// resends are properties that the read handler returns in a form that the
// update handler refuses (a launch template by ID and by name), so that each
// patch must set them as wanted: terraform-provider-awscc #2980,
// pulumi-aws-native #2260.
var resends = map[string][]string{
	"AWS::AutoScaling::AutoScalingGroup": {"LaunchTemplate", "MixedInstancesPolicy"},
	"AWS::EKS::Nodegroup":                {"LaunchTemplate"},
}

// scopes are properties within whose value a name is unique; other names are in account and region.
var scopes = map[string]string{"AWS::EC2::SecurityGroup": "VpcId"}

// open are properties that are never read back and yet hold no secret, of types
// in which they are common. A password never stands there, or is marked by who
// writes it (in user data).
var open = map[string][]string{
	"AWS::EC2::VPC":                      {"Ipv4IpamPoolId", "VpcEncryptionControl"},
	"AWS::EC2::LaunchTemplate":           {"LaunchTemplateData", "TagSpecifications", "VersionDescription"},
	"AWS::AutoScaling::AutoScalingGroup": {"InstanceId"},
	"AWS::EC2::EIP":                      {"Address", "IpamPoolId", "TransferAddress"},
	"AWS::EC2::SecurityGroup":            {"SecurityGroupIngress/*/SourceSecurityGroupName"},
	"AWS::EC2::Subnet":                   {"Ipv4IpamPoolId", "Ipv6IpamPoolId"},
	"AWS::EC2::SubnetCidrBlock":          {"Ipv6IpamPoolId"},
	"AWS::EC2::VPCCidrBlock":             {"Ipv4IpamPoolId", "Ipv6IpamPoolId"},
	"AWS::EKS::Addon":                    {"PodIdentityAssociations", "ResolveConflicts"},
	"AWS::EKS::Cluster":                  {"RollbackConfig"},
	"AWS::IAM::ServiceLinkedRole":        {"AWSServiceName", "CustomSuffix"},
	"AWS::Lambda::Function":              {"Code", "SnapStart"},
	"AWS::RDS::DBInstance":               {"DBSnapshotIdentifier", "RestoreTime", "SourceDBInstanceIdentifier", "SourceRegion"},
	"AWS::S3::Bucket":                    {"AccessControl", "LifecycleConfiguration", "ReplicationConfiguration"},
}

// invented are outputs in which AWS tells a secret once it made one up.
var invented = map[string][]string{
	"AWS::Cognito::UserPoolClient": {"ClientSecret"},
	"AWS::IAM::AccessKey":          {"SecretAccessKey"},
}

// steady are outputs that the service sets once and for all; the schemas do
// not tell them from those that move with each update (LatestVersionNumber).
var steady = map[string][]string{
	"AWS::EC2::NatGateway":                     {"EniId"},
	"AWS::EC2::SecurityGroup":                  {"GroupId"},
	"AWS::EC2::VPC":                            {"DefaultSecurityGroup", "DefaultNetworkAcl"},
	"AWS::ElasticLoadBalancingV2::TargetGroup": {"TargetGroupFullName", "TargetGroupName"},
	"AWS::EKS::Cluster": {"Arn", "CertificateAuthorityData", "ClusterSecurityGroupId", "Endpoint", "Id",
		"OpenIdConnectIssuerUrl"},
	"AWS::ElasticLoadBalancing::LoadBalancer":   {"CanonicalHostedZoneName", "CanonicalHostedZoneNameID", "DNSName"},
	"AWS::ElasticLoadBalancingV2::LoadBalancer": {"CanonicalHostedZoneID", "DNSName", "LoadBalancerFullName", "LoadBalancerName"},
}
