package aws

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

const vpcType, roleType = "AWS::EC2::VPC", "AWS::IAM::Role"

func vpcRequest(token, cidr string) *cloudcontrol.CreateResourceInput {
	return &cloudcontrol.CreateResourceInput{TypeName: awssdk.String(vpcType), ClientToken: &token,
		DesiredState: text(props{"CidrBlock": cidr})}
}

// One client token makes one object, however often it is sent, and never two
// different ones.
func TestClientToken(t *testing.T) {
	w := newWorld(t)
	first, err := w.cc.CreateResource(t.Context(), vpcRequest("one", "10.0.0.0/16"))
	if err != nil {
		t.Fatal(err)
	}
	done := w.await(first.ProgressEvent)
	w.restart(speed)
	again, err := w.cc.CreateResource(t.Context(), vpcRequest("one", "10.0.0.0/16"))
	if err != nil {
		t.Fatal(err)
	}
	if *again.ProgressEvent.RequestToken != *first.ProgressEvent.RequestToken ||
		*again.ProgressEvent.Identifier != *done.Identifier {
		t.Errorf("repeated request: %+v, want the first one's event", again.ProgressEvent)
	}
	_, err = w.cc.CreateResource(t.Context(), vpcRequest("one", "10.1.0.0/16"))
	wantCode(t, err, "ClientTokenConflictException")
	if n, found := w.inventory(); n != 1 {
		t.Errorf("%v, want one VPC", found)
	}
}

// An update reads the live model, patches it and writes it back; createOnly
// paths are refused even if the value stays the same.
func TestUpdate(t *testing.T) {
	w := newWorld(t)
	vpc := w.make(vpcType, props{"CidrBlock": "10.0.0.0/16"})["ID"].(string)
	event, err := w.update(vpcType, vpc, props{"op": "add", "path": "/EnableDnsHostnames", "value": true},
		props{"op": "add", "path": "Tags", "value": []props{{"Key": "a", "Value": "b"}}})
	if err != nil || event.OperationStatus != types.OperationStatusSuccess {
		t.Fatal(event, err)
	}
	out, err := w.ec2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{Filters: []ec2types.Filter{{Name: awssdk.String("tag:a"), Values: []string{"b"}}}})
	if err != nil || len(out.Vpcs) != 1 || *out.Vpcs[0].VpcId != vpc {
		t.Errorf("EC2 shows %+v, %v", out, err)
	}
	if m := w.get(vpcType, vpc); m["EnableDnsHostnames"] != true || m["EnableDnsSupport"] != true {
		t.Errorf("model after the update: %v", m)
	}
	_, err = w.update(vpcType, vpc, props{"op": "replace", "path": "/CidrBlock", "value": "10.0.0.0/16"})
	wantCode(t, err, "NotUpdatableException")
	_, err = w.update(vpcType, vpc, props{"op": "replace", "path": "/Ipv4IpamPoolId", "value": "x"})
	wantCode(t, err, "NotUpdatableException")
	_, err = w.update(vpcType, vpc, props{"op": "test", "path": "/EnableDnsHostnames", "value": false},
		props{"op": "remove", "path": "/Tags"})
	wantCode(t, err, "InvalidRequestException")
	_, err = w.update("AWS::EC2::SubnetRouteTableAssociation", "rtbassoc-1",
		props{"op": "add", "path": "/SubnetId", "value": "x"})
	wantCode(t, err, "UnsupportedActionException")
}

// What is write-only is never shown, and has to be sent again with an update.
func TestWriteOnly(t *testing.T) {
	w := newWorld(t)
	typ := "AWS::EC2::LaunchTemplate"
	data := props{"InstanceType": "t3.medium"}
	made := w.make(typ, props{"LaunchTemplateName": "lt", "LaunchTemplateData": data})
	if _, ok := made["LaunchTemplateData"]; ok || made["LatestVersionNumber"] != "1" {
		t.Errorf("model %v", made)
	}
	id := made["ID"].(string)
	_, err := w.update(typ, id, props{"op": "add", "path": "/VersionDescription", "value": "x"})
	wantCode(t, err, "ValidationException")
	if _, err := w.update(typ, id, props{"op": "add", "path": "/LaunchTemplateData", "value": data}); err != nil {
		t.Fatal(err)
	}
	if m := w.get(typ, id); m["LatestVersionNumber"] != "2" || m["DefaultVersionNumber"] != "1" {
		t.Errorf("model after the update %v", m)
	}
}

// The schema of a type holds: nothing unknown, missing, read-only or of another type.
func TestSchema(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		typ, code, message string
		want               props
	}{
		{"AWS::EC2::Subnet", "ValidationException", "required key [VpcId]", props{"CidrBlock": "10.0.0.0/24"}},
		{"AWS::EC2::Subnet", "ValidationException", "extraneous key [Name]", props{"VpcId": "v", "Name": "x"}},
		{"AWS::EC2::Subnet", "ValidationException", "expected type: Boolean, found: String",
			props{"VpcId": "v", "MapPublicIpOnLaunch": "true"}},
		{"AWS::EC2::Subnet", "ValidationException", "read-only", props{"VpcId": "v", "SubnetId": "s"}},
		{"AWS::EKS::Cluster", "ValidationException", "not a valid enum value",
			props{"RoleArn": "r", "ResourcesVpcConfig": props{"SubnetIds": []string{"s"}},
				"AccessConfig": props{"AuthenticationMode": "NONE"}}},
		{"AWS::S3::Bucket", "TypeNotFoundException", "AWS::S3::Bucket", props{}},
	} {
		_, err := w.cc.CreateResource(t.Context(), &cloudcontrol.CreateResourceInput{TypeName: &c.typ,
			DesiredState: text(c.want)})
		wantCode(t, err, c.code)
		if !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s %v: %v, want %q", c.typ, c.want, err, c.message)
		}
	}
}

// Names are unique; what is gone is not found, as a failed request.
func TestExistsAndNotFound(t *testing.T) {
	w := newWorld(t)
	role := props{"RoleName": "r", "AssumeRolePolicyDocument": props{}}
	w.make(roleType, role)
	out, err := w.cc.CreateResource(t.Context(), &cloudcontrol.CreateResourceInput{TypeName: awssdk.String(roleType),
		DesiredState: text(role)})
	if err != nil {
		t.Fatal(err)
	}
	if e := w.await(out.ProgressEvent); e.ErrorCode != types.HandlerErrorCodeAlreadyExists {
		t.Errorf("second create: %+v", e)
	}
	w.mustRemove(roleType, "r")
	if e := w.remove(roleType, "r"); e.ErrorCode != types.HandlerErrorCodeNotFound {
		t.Errorf("second delete: %+v", e)
	}
	_, err = w.cc.GetResource(t.Context(), &cloudcontrol.GetResourceInput{TypeName: awssdk.String(roleType),
		Identifier: awssdk.String("r")})
	wantCode(t, err, "ResourceNotFoundException")
	_, err = w.cc.GetResourceRequestStatus(t.Context(), &cloudcontrol.GetResourceRequestStatusInput{RequestToken: awssdk.String("11111111-2222-3333")})
	wantCode(t, err, "RequestTokenNotFoundException")
}

// More requests at once than AWS takes are throttled, and one resource has one
// operation at a time.
func TestThrottlingAndConcurrency(t *testing.T) {
	w := newWorld(t)
	vpc := w.make(vpcType, props{"CidrBlock": "10.0.0.0/16"})["ID"].(string)
	w.restart(20)
	codes := make([]error, 20)
	var wg sync.WaitGroup
	for k := range codes {
		wg.Go(func() {
			_, codes[k] = w.cc.CreateResource(t.Context(), vpcRequest(fmt.Sprint(k), "10.0.0.0/16"))
		})
	}
	wg.Wait()
	refused := 0
	for _, err := range codes {
		if err != nil {
			wantCode(t, err, "ThrottlingException")
			refused++
		}
	}
	if refused != 5 {
		t.Errorf("%d of 20 requests refused, want 5", refused)
	}
	w.restart(speed)
	w.until("all have ended", func() bool { return len(w.open()) == 0 })
	w.restart(20)
	tag := text([]props{{"op": "add", "path": "/Tags", "value": []props{}}})
	in := &cloudcontrol.UpdateResourceInput{TypeName: awssdk.String(vpcType), Identifier: &vpc, PatchDocument: tag}
	if _, err := w.cc.UpdateResource(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	_, err := w.cc.DeleteResource(t.Context(), &cloudcontrol.DeleteResourceInput{TypeName: awssdk.String(vpcType),
		Identifier: &vpc})
	wantCode(t, err, "ConcurrentOperationException")
}

// open lists the requests that have not ended.
func (w *world) open() []types.ProgressEvent {
	w.t.Helper()
	out, err := w.cc.ListResourceRequests(w.t.Context(), &cloudcontrol.ListResourceRequestsInput{ResourceRequestStatusFilter: &types.ResourceRequestStatusFilter{
		OperationStatuses: []types.OperationStatus{types.OperationStatusPending, types.OperationStatusInProgress}}})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.ResourceRequestStatusSummaries
}

// A request that was accepted goes on after the process was killed.
func TestRequestOutlivesProcess(t *testing.T) {
	w := newWorld(t)
	w.restart(50)
	out, err := w.cc.CreateResource(t.Context(), vpcRequest("one", "10.0.0.0/16"))
	if err != nil {
		t.Fatal(err)
	}
	w.restart(speed)
	if e := w.await(out.ProgressEvent); e.OperationStatus != types.OperationStatusSuccess {
		t.Errorf("after the restart: %+v", e)
	}
	if n, found := w.inventory(); n != 1 {
		t.Errorf("%v, want one VPC", found)
	}
}

// A request that is cancelled before it began changes nothing.
func TestCancel(t *testing.T) {
	w := newWorld(t)
	w.restart(50)
	out, err := w.cc.CreateResource(t.Context(), vpcRequest("one", "10.0.0.0/16"))
	if err != nil {
		t.Fatal(err)
	}
	in := &cloudcontrol.CancelResourceRequestInput{RequestToken: out.ProgressEvent.RequestToken}
	if _, err := w.cc.CancelResourceRequest(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	w.restart(speed)
	if e := w.await(out.ProgressEvent); e.OperationStatus != types.OperationStatusCancelComplete {
		t.Errorf("cancelled: %+v", e)
	}
	_, err = w.cc.CancelResourceRequest(t.Context(), in)
	wantCode(t, err, "ConcurrentModificationException")
	if n, found := w.inventory(); n != 0 {
		t.Errorf("%v, want nothing", found)
	}
}

// What is used cannot be deleted. An attachment waits until nothing public is
// left in its VPC.
func TestDependencies(t *testing.T) {
	s := newStack(t)
	refused := func(typ, id string) {
		t.Helper()
		if e := s.remove(typ, id); e.OperationStatus != types.OperationStatusFailed ||
			e.ErrorCode != types.HandlerErrorCodeGeneralServiceException {
			t.Errorf("delete of used %s: %+v", typ, e)
		}
	}
	refused(vpcType, s.vpc)
	refused("AWS::EC2::Subnet", s.public[0])
	eip := s.make("AWS::EC2::EIP", props{"Domain": "vpc"})
	nat := s.make("AWS::EC2::NatGateway", props{"SubnetId": s.public[0], "AllocationId": eip["AllocationId"]})
	refused("AWS::EC2::EIP", eip["ID"].(string))
	if gateways, err := s.ec2.DescribeNatGateways(t.Context(), &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{nat["ID"].(string)}}); err != nil || len(gateways.NatGateways) != 1 {
		t.Errorf("%+v, %v", gateways, err)
	}
	out, err := s.cc.DeleteResource(t.Context(), &cloudcontrol.DeleteResourceInput{TypeName: awssdk.String("AWS::EC2::VPCGatewayAttachment"),
		Identifier: text(props{"AttachmentType": "IGW", "VpcId": s.vpc})})
	if err != nil {
		t.Fatal(err)
	}
	s.until("the attachment waits", func() bool {
		open := s.open()
		return len(open) == 1 && strings.Contains(awssdk.ToString(open[0].StatusMessage), "mapped public address")
	})
	s.mustRemove("AWS::EC2::NatGateway", nat["ID"].(string))
	if e := s.await(out.ProgressEvent); e.OperationStatus != types.OperationStatusSuccess {
		t.Errorf("attachment: %+v", e)
	}
}

// Types whose handler wants to know where to look say so.
func TestList(t *testing.T) {
	s := newStack(t)
	typ := "AWS::EC2::Route"
	_, err := s.cc.ListResources(t.Context(), &cloudcontrol.ListResourcesInput{TypeName: &typ})
	wantCode(t, err, "InvalidRequestException")
	table := ""
	for _, made := range s.made {
		if made[0] == "AWS::EC2::RouteTable" {
			table = made[1]
		}
	}
	out, err := s.cc.ListResources(t.Context(), &cloudcontrol.ListResourcesInput{TypeName: &typ,
		ResourceModel: text(props{"RouteTableId": table})})
	if err != nil || len(out.ResourceDescriptions) != 2 {
		t.Fatalf("%+v %v, want the local route and one more", out, err)
	}
	var model props
	if err := json.Unmarshal([]byte(*out.ResourceDescriptions[0].Properties), &model); err != nil ||
		model["RouteTableId"] != table {
		t.Errorf("%v %v", model, err)
	}
}

// EC2 switches the route table of a subnet in one call, under another
// identifier, which Cloud Control cannot.
func TestRouteTableIsSwitched(t *testing.T) {
	s := newStack(t)
	typ := "AWS::EC2::SubnetRouteTableAssociation"
	old := ""
	for _, made := range s.made {
		if made[0] == typ {
			old = made[1]
		}
	}
	was := s.get(typ, old)
	table := s.add("AWS::EC2::RouteTable", props{"VpcId": s.vpc})["RouteTableId"].(string)
	out, err := s.ec2.ReplaceRouteTableAssociation(t.Context(), &ec2.ReplaceRouteTableAssociationInput{AssociationId: &old, RouteTableId: &table})
	if err != nil {
		t.Fatal(err)
	}
	now := s.get(typ, *out.NewAssociationId)
	if *out.NewAssociationId == old || now["SubnetId"] != was["SubnetId"] || now["RouteTableId"] != table {
		t.Errorf("%v became %v", was, now)
	}
	_, err = s.ec2.ReplaceRouteTableAssociation(t.Context(), &ec2.ReplaceRouteTableAssociationInput{AssociationId: &old, RouteTableId: &table})
	wantCode(t, err, "InvalidAssociationID.NotFound")
	shown, err := s.ec2.DescribeRouteTables(t.Context(), &ec2.DescribeRouteTablesInput{Filters: filter("association.subnet-id", was["SubnetId"].(string))})
	if err != nil || len(shown.RouteTables) != 1 || *shown.RouteTables[0].RouteTableId != table {
		t.Errorf("%+v, %v", shown, err)
	}
}
