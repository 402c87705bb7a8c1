package aws

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	ec2api "github.com/droverhq/drover/sandbox/internal/aws/ec2"
	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// A dry run says that it would have succeeded, or what is wrong, and leaves
// nothing behind. Every action of EC2 goes through the same two places, so a few of them stand for all.
func TestDryRun(t *testing.T) {
	w := newWorld(t)
	yes := awssdk.Bool(true)
	vpc, err := w.ec2.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: awssdk.String("10.0.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	id := vpc.Vpc.VpcId
	_, err = w.ec2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{DryRun: yes})
	wantCode(t, err, "DryRunOperation")
	_, err = w.ec2.CreateTags(t.Context(), &ec2.CreateTagsInput{DryRun: yes, Resources: []string{*id},
		Tags: []ec2types.Tag{{Key: awssdk.String("k"), Value: awssdk.String("v")}}})
	wantCode(t, err, "DryRunOperation")
	_, err = w.ec2.DeleteVpc(t.Context(), &ec2.DeleteVpcInput{DryRun: yes, VpcId: id})
	wantCode(t, err, "DryRunOperation")
	_, err = w.ec2.DeleteVpc(t.Context(), &ec2.DeleteVpcInput{DryRun: yes, VpcId: awssdk.String("vpc-0123456789abcdef0")})
	wantCode(t, err, "InvalidVpcID.NotFound")
	out, err := w.ec2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{VpcIds: []string{*id}})
	if err != nil || len(out.Vpcs[0].Tags) != 0 {
		t.Errorf("after dry runs: %+v %v", out, err)
	}
}

// A dry run of any action says that it would have succeeded, and changes nothing.
// wanted are what each takes; what is not there takes nothing.
func TestDryRunOfEveryAction(t *testing.T) {
	s := newStack(t)
	s.stop()
	store, err := region.Open(filepath.Join(s.dir, "aws", "state.json"), "us-west-2")
	if err != nil {
		t.Fatal(err)
	}
	first := func(typ string) (id string) {
		store.View(func(st *region.State) { id = slices.Sorted(slices.Values(st.Inventory()[typ]))[0] })
		return id
	}
	table, gateway := first("AWS::EC2::RouteTable"), first("AWS::EC2::InternetGateway")
	wanted := map[string]url.Values{
		"AssociateRouteTable":   {"RouteTableId": {table}, "SubnetId": {s.public[0]}},
		"CreateLaunchTemplate":  {"LaunchTemplateName": {"t"}, "LaunchTemplateData.InstanceType": {"m5.large"}},
		"CreateRoute":           {"RouteTableId": {table}, "DestinationCidrBlock": {"10.9.0.0/16"}, "GatewayId": {gateway}},
		"CreateRouteTable":      {"VpcId": {s.vpc}},
		"CreateSecurityGroup":   {"GroupName": {"g"}, "GroupDescription": {"d"}, "VpcId": {s.vpc}},
		"CreateSubnet":          {"VpcId": {s.vpc}, "CidrBlock": {"172.16.192.0/20"}},
		"CreateTags":            {"ResourceId.1": {s.vpc}, "Tag.1.Key": {"k"}},
		"CreateVolume":          {"AvailabilityZone": {"us-west-2a"}, "Size": {"1"}, "VolumeType": {"gp3"}},
		"CreateVpc":             {"CidrBlock": {"10.8.0.0/16"}},
		"DeleteRoute":           {"RouteTableId": {table}, "DestinationCidrBlock": {"0.0.0.0/0"}},
		"DeleteTags":            {"ResourceId.1": {s.vpc}, "Tag.1.Key": {"k"}},
		"DescribeVpcAttribute":  {"VpcId": {s.vpc}, "Attribute": {"enableDnsSupport"}},
		"DetachInternetGateway": {"InternetGatewayId": {gateway}, "VpcId": {s.vpc}},
		"ModifySubnetAttribute": {"SubnetId": {s.public[0]}, "MapPublicIpOnLaunch.Value": {"false"}},
		"ModifyVpcAttribute":    {"VpcId": {s.vpc}, "EnableDnsSupport.Value": {"false"}},
		"ReplaceRoute":          {"RouteTableId": {table}, "DestinationCidrBlock": {"0.0.0.0/0"}, "GatewayId": {gateway}},
		"AllocateAddress":       nil,
		"CreateInternetGateway": nil,
	}
	// elsewhere are refused before: this region has nothing that they could be about.
	elsewhere := []string{"AttachInternetGateway", "AttachVolume", "AuthorizeSecurityGroupEgress", "AuthorizeSecurityGroupIngress", "CreateLaunchTemplateVersion", "CreateNatGateway",
		"DeleteInternetGateway", "DeleteLaunchTemplate", "DeleteNatGateway", "DeleteRouteTable", "DeleteSecurityGroup", "DeleteSubnet", "DeleteVolume", "DeleteVpc",
		"DescribeLaunchTemplateVersions", "DetachVolume", "DisassociateRouteTable", "ModifyLaunchTemplate", "ReleaseAddress", "ReplaceRouteTableAssociation",
		"RebootInstances", "RevokeSecurityGroupEgress", "RevokeSecurityGroupIngress", "RunInstances", "StartInstances", "StopInstances", "TerminateInstances"}
	written := store.Watch()
	<-written
	for name, action := range ec2api.New(store, time.Now).Actions() {
		form := url.Values{"Action": {name}, "DryRun": {"true"}}
		maps.Copy(form, wanted[name])
		_, err := action(nil, wire.NewForm(form))
		if _, has := wanted[name]; !has && slices.Contains(elsewhere, name) {
			if err == nil {
				t.Errorf("%s: a dry run that ends without an error", name)
			}
			continue
		}
		var answer *region.Error
		if !errors.As(err, &answer) || answer.Code != "DryRunOperation" {
			t.Errorf("%s: %v", name, err)
		}
	}
	select {
	case <-written:
		t.Error("a dry run has changed the region")
	default:
	}
}

// Parameters that an action does not know are refused, and nothing is made.
func TestUnknownParameter(t *testing.T) {
	w := newWorld(t)
	_, err := w.ec2.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: awssdk.String("10.0.0.0/16"), Ipv4IpamPoolId: awssdk.String("pool")})
	wantCode(t, err, "UnknownParameter")
	if n, found := w.inventory(); n != 0 {
		t.Errorf("left behind: %v", found)
	}
	_, err = w.ec2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{Filters: []ec2types.Filter{{Name: awssdk.String("colour"), Values: []string{"red"}}}})
	wantCode(t, err, "InvalidParameterValue")
}

// A value that is not what its parameter takes is refused, and nothing is made.
func TestWrongValue(t *testing.T) {
	w := newWorld(t)
	for _, options := range []*ec2types.LaunchTemplateInstanceMetadataOptionsRequest{
		{HttpTokens: "banana"}, {HttpEndpoint: "on"}, {InstanceMetadataTags: "on"}, {HttpPutResponseHopLimit: awssdk.Int32(65)},
	} {
		_, err := w.ec2.CreateLaunchTemplate(t.Context(), &ec2.CreateLaunchTemplateInput{LaunchTemplateName: awssdk.String("web"),
			LaunchTemplateData: &ec2types.RequestLaunchTemplateData{MetadataOptions: options}})
		wantCode(t, err, "InvalidParameterValue")
	}
	if n, found := w.inventory(); n != 0 {
		t.Errorf("left behind: %v", found)
	}
}

// A page token that was not given out is refused by every service.
func TestPageTokens(t *testing.T) {
	s := newStack(t)
	for _, token := range []string{"page--1", "page-9999999", "page-1x", "page-99999999999999999999", "x"} {
		_, err := s.ec2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{NextToken: &token})
		wantCode(t, err, "InvalidParameterValue")
		_, err = s.asg.DescribeAutoScalingGroups(t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{NextToken: &token})
		wantCode(t, err, "InvalidNextToken")
		_, err = s.elb.DescribeLoadBalancers(t.Context(), &elb.DescribeLoadBalancersInput{Marker: &token})
		wantCode(t, err, "ValidationError")
		_, err = s.eks.ListClusters(t.Context(), &eks.ListClustersInput{NextToken: &token})
		wantCode(t, err, "InvalidParameterException")
		_, err = s.cc.ListResources(t.Context(), &cloudcontrol.ListResourcesInput{TypeName: awssdk.String(vpcType), NextToken: &token})
		wantCode(t, err, "InvalidRequestException")
	}
	for _, size := range []int32{-1, 0, 101} {
		_, err := s.asg.DescribeAutoScalingGroups(t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{MaxRecords: &size})
		wantCode(t, err, "ValidationError")
	}
}

// What is named and not there is told, in the code of its kind.
func TestUnknownNames(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ action, parameter, value, code string }{
		{"DescribeInstances", "InstanceId.1", "bogus", "InvalidInstanceID.Malformed"},
		{"DescribeInstances", "InstanceId.1", "i-0123456789abcdef0", "InvalidInstanceID.NotFound"},
		{"DescribeAvailabilityZones", "ZoneName.1", "us-west-2x", "InvalidParameterValue"},
		{"DescribeAddresses", "AllocationId.1", "eipalloc-0123456789abcdef0", "InvalidAllocationID.NotFound"},
		{"DescribeAddresses", "PublicIp.1", "203.0.113.9", "InvalidAddress.NotFound"},
		{"DescribeSecurityGroups", "GroupName.1", "nobody", "InvalidGroup.NotFound"},
		{"DescribeNetworkInterfaces", "NetworkInterfaceId.1", "eni-0123456789abcdef0", "InvalidNetworkInterfaceID.NotFound"},
		{"DescribeLaunchTemplateVersions", "LaunchTemplateName", "nobody", "InvalidLaunchTemplateName.NotFoundException"},
		{"DescribeNatGateways", "NatGatewayId.1", "nat-0123456789abcdef0", "NatGatewayNotFound"},
	} {
		body := url.Values{"Action": {c.action}, "Version": {"2016-11-15"}, c.parameter: {c.value}}.Encode()
		if got := w.post("ec2", body); !strings.Contains(got, "<Code>"+c.code+"</Code>") {
			t.Errorf("%s of %s: %s, want %s", c.action, c.value, got, c.code)
		}
	}
}

// post sends a signed query request and returns the body of the answer.
func (w *world) post(service, body string) string {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+"/", strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	creds := awssdk.Credentials{AccessKeyID: region.AccessKey, SecretAccessKey: region.SecretKey}
	if err := v4.NewSigner().SignHTTP(w.t.Context(), creds, req, hash(body), service, "us-west-2", time.Now()); err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var out bytes.Buffer
	_, _ = out.ReadFrom(resp.Body)
	return out.String()
}

func hash(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// Temporary credentials work with their own token, end with their time, and
// say so in each service's words.
func TestSessions(t *testing.T) {
	w := newWorld(t)
	w.make("AWS::IAM::Role", props{"RoleName": "operator", "AssumeRolePolicyDocument": props{"Version": "2012-10-17"}})
	out, err := sts.NewFromConfig(w.cfg).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleSessionName: awssdk.String("me"),
		RoleArn: awssdk.String("arn:aws:iam::" + region.Account + ":role/operator"), DurationSeconds: awssdk.Int32(900)})
	if err != nil {
		t.Fatal(err)
	}
	as := func(token string) awssdk.Config {
		cfg := w.cfg.Copy()
		cfg.Credentials = credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, token)
		return cfg
	}
	session := as(*out.Credentials.SessionToken)
	who, err := sts.NewFromConfig(session).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || *who.Arn != "arn:aws:sts::"+region.Account+":assumed-role/operator/me" {
		t.Fatalf("%+v %v", who, err)
	}
	for key, account := range map[string]string{*out.Credentials.AccessKeyId: region.Account, region.AccessKey: region.Account} {
		if whose, err := sts.NewFromConfig(w.cfg).GetAccessKeyInfo(t.Context(), &sts.GetAccessKeyInfoInput{AccessKeyId: &key}); err != nil || *whose.Account != account {
			t.Errorf("key %s: %+v, %v", key, whose, err)
		}
	}
	_, err = ec2.NewFromConfig(as("another")).DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	wantCode(t, err, "AuthFailure")
	owner := w.cfg.Copy()
	owner.Credentials = credentials.NewStaticCredentialsProvider(region.AccessKey, region.SecretKey, "token")
	_, err = eks.NewFromConfig(owner).ListClusters(t.Context(), &eks.ListClustersInput{})
	wantCode(t, err, "UnrecognizedClientException")

	if _, err = eks.NewFromConfig(session).ListClusters(t.Context(), &eks.ListClustersInput{}); err != nil {
		t.Fatal(err)
	}
	w.expire(*out.Credentials.AccessKeyId)
	session.BaseEndpoint = &w.url
	_, err = ec2.NewFromConfig(session).DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	wantCode(t, err, "RequestExpired")
	_, err = iam.NewFromConfig(session).ListRoles(t.Context(), &iam.ListRolesInput{})
	wantCode(t, err, "ExpiredToken")
	_, err = eks.NewFromConfig(session).ListClusters(t.Context(), &eks.ListClustersInput{})
	wantCode(t, err, "ExpiredTokenException")
}

// expire ends temporary credentials before their time.
func (w *world) expire(accessKey string) {
	w.t.Helper()
	w.stop()
	store, err := region.Open(filepath.Join(w.dir, "aws", "state.json"), "us-west-2")
	if err != nil {
		w.t.Fatal(err)
	}
	err = store.Update(func(st *region.State) error {
		st.Sessions[accessKey].Expires = time.Now().Add(-time.Second)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.start(speed)
}

// A group whose instance was terminated by hand while it replaces nothing goes away when it is deleted.
func TestDeleteGroupWithLostInstance(t *testing.T) {
	s := newStack(t)
	s.nodeGroup(2)
	_, err := s.asg.SuspendProcesses(t.Context(), &autoscaling.SuspendProcessesInput{AutoScalingGroupName: awssdk.String("web"),
		ScalingProcesses: []string{"ReplaceUnhealthy"}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.asg.DescribeAutoScalingGroups(t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{"web"}})
	if err != nil {
		t.Fatal(err)
	}
	victim := *out.AutoScalingGroups[0].Instances[0].InstanceId
	if _, err := s.ec2.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{victim}}); err != nil {
		t.Fatal(err)
	}
	s.mustRemove("AWS::AutoScaling::AutoScalingGroup", "web")
}

// A Classic load balancer may be asked for again in the same words, and in no others.
func TestClassicLoadBalancerTwice(t *testing.T) {
	s := newStack(t)
	want := func(port int32, instancePort int32) *elb.CreateLoadBalancerInput {
		return &elb.CreateLoadBalancerInput{LoadBalancerName: awssdk.String("web"), Subnets: s.public,
			Listeners: []elbtypes.Listener{{Protocol: awssdk.String("TCP"), LoadBalancerPort: port, InstancePort: &instancePort}}}
	}
	first, err := s.elb.CreateLoadBalancer(t.Context(), want(80, 30080))
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.elb.CreateLoadBalancer(t.Context(), want(80, 30080))
	if err != nil || *again.DNSName != *first.DNSName {
		t.Errorf("asked again: %v %v", again, err)
	}
	_, err = s.elb.CreateLoadBalancer(t.Context(), want(81, 30080))
	wantCode(t, err, "DuplicateLoadBalancerName")
	for _, port := range []int32{0, 99999} {
		_, err = s.elb.CreateLoadBalancer(t.Context(), want(port, 80))
		wantCode(t, err, "ValidationError")
		_, err = s.elb.CreateLoadBalancer(t.Context(), want(80, port))
		wantCode(t, err, "ValidationError")
	}
}
