package aws

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// deploy asks for a stack and waits for what becomes of it.
func (w *world) deploy(name string, template any, more ...func(*cloudformation.CreateStackInput)) cfntypes.Stack {
	w.t.Helper()
	in := &cloudformation.CreateStackInput{StackName: &name, Capabilities: []cfntypes.Capability{"CAPABILITY_NAMED_IAM"}}
	if in.TemplateBody = text(template); reflect.TypeOf(template).Kind() == reflect.String {
		in.TemplateBody = awssdk.String(template.(string))
	}
	for _, f := range more {
		f(in)
	}
	out, err := w.cfn.CreateStack(w.t.Context(), in)
	if err != nil {
		w.t.Fatalf("create stack %s: %v", name, err)
	}
	return w.settled(*out.StackId)
}

// settled is a stack once nothing is in progress there.
func (w *world) settled(nameOrID string) (stack cfntypes.Stack) {
	w.t.Helper()
	w.until("stack "+nameOrID+" is settled", func() bool {
		out, err := w.cfn.DescribeStacks(w.t.Context(), &cloudformation.DescribeStacksInput{StackName: &nameOrID})
		if err != nil {
			w.t.Fatal(err)
		}
		stack = out.Stacks[0]
		return !strings.HasSuffix(string(stack.StackStatus), "_IN_PROGRESS")
	})
	return stack
}

// deleteStack asks for the end of a stack and waits for what becomes of that.
func (w *world) deleteStack(id string, retain ...string) cfntypes.Stack {
	w.t.Helper()
	if _, err := w.cfn.DeleteStack(w.t.Context(), &cloudformation.DeleteStackInput{StackName: &id, RetainResources: retain}); err != nil {
		w.t.Fatal(err)
	}
	return w.settled(id)
}

// resources are the physical IDs of a stack's resources, each after its status.
func (w *world) resources(id string) map[string]string {
	w.t.Helper()
	out, err := w.cfn.DescribeStackResources(w.t.Context(), &cloudformation.DescribeStackResourcesInput{StackName: &id})
	if err != nil {
		w.t.Fatal(err)
	}
	found := map[string]string{}
	for _, r := range out.StackResources {
		found[*r.LogicalResourceId] = fmt.Sprintf("%s %s", r.ResourceStatus, awssdk.ToString(r.PhysicalResourceId))
	}
	return found
}

func wantStatus(t *testing.T, stack cfntypes.Stack, want cfntypes.StackStatus, reason string) {
	t.Helper()
	if stack.StackStatus != want || !strings.Contains(awssdk.ToString(stack.StackStatusReason), reason) {
		t.Fatalf("stack %s is %s: %s, want %s: %s", *stack.StackName, stack.StackStatus, awssdk.ToString(stack.StackStatusReason), want, reason)
	}
}

// nodeRoleEntry is the role of nodes in a template.
func nodeRoleEntry() props {
	return props{"Type": "AWS::IAM::Role", "Properties": props{"Path": "/",
		"AssumeRolePolicyDocument": props{"Version": "2012-10-17", "Statement": []props{{"Effect": "Allow", "Action": []string{"sts:AssumeRole"},
			"Principal": props{"Service": []props{{"Fn::FindInMap": []any{"Principals", props{"Ref": "AWS::Partition"}, "EC2"}}}}}}},
		"ManagedPolicyArns": []props{{"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AmazonEKSWorkerNodePolicy"}},
		"Tags":              []props{{"Key": "Name", "Value": props{"Fn::Sub": "${AWS::StackName}/NodeInstanceRole"}}}}}
}

var principals = props{"Principals": props{"aws": props{"EC2": "ec2.amazonaws.com"}}}

// managedTemplate is a managed node group as eksctl writes one.
func (s *stack) managedTemplate(name string) props {
	return props{"AWSTemplateFormatVersion": "2010-09-09", "Description": "EKS Managed Nodes", "Mappings": principals,
		"Resources": props{
			"LaunchTemplate": props{"Type": "AWS::EC2::LaunchTemplate", "Properties": props{"LaunchTemplateName": props{"Fn::Sub": "${AWS::StackName}"},
				"LaunchTemplateData": props{"MetadataOptions": props{"HttpTokens": "required", "HttpPutResponseHopLimit": 2}}}},
			"ManagedNodeGroup": props{"Type": "AWS::EKS::Nodegroup", "Properties": props{"ClusterName": s.cluster, "NodegroupName": name,
				"NodeRole": props{"Fn::GetAtt": []string{"NodeInstanceRole", "Arn"}}, "Subnets": s.public, "InstanceTypes": []string{"t3.large"},
				"AmiType": "AL2023_x86_64_STANDARD", "LaunchTemplate": props{"Id": props{"Ref": "LaunchTemplate"}},
				"ScalingConfig": props{"MinSize": 2, "DesiredSize": 2, "MaxSize": 2}, "Labels": props{"alpha.eksctl.io/nodegroup-name": name}}},
			"NodeInstanceRole": nodeRoleEntry(),
		},
		"Outputs": props{"Role": props{"Value": props{"Fn::GetAtt": "NodeInstanceRole.Arn"}, "Export": props{"Name": props{"Fn::Sub": "${AWS::StackName}::Role"}}}}}
}

// A stack of a managed group is made in the order of its references, with the names
// and tags that CloudFormation gives, and takes all of it away again.
func TestStackOfAManagedGroup(t *testing.T) {
	s := newStack(t)
	before, _ := s.inventory()
	made := s.deploy("eksctl-demo-nodegroup-web", s.managedTemplate("web"), func(in *cloudformation.CreateStackInput) {
		in.Tags = []cfntypes.Tag{{Key: awssdk.String("alpha.eksctl.io/cluster-name"), Value: awssdk.String("demo")}}
	})
	wantStatus(t, made, "CREATE_COMPLETE", "")
	found := s.resources(*made.StackId)
	role, ok := strings.CutPrefix(found["NodeInstanceRole"], "CREATE_COMPLETE ")
	if !ok || !regexp.MustCompile(`^eksctl-demo-nodegroup-web-NodeInstanceRole-[A-Za-z0-9]{12}$`).MatchString(role) {
		t.Errorf("the role is %q", found["NodeInstanceRole"])
	}
	if found["ManagedNodeGroup"] != "CREATE_COMPLETE demo/web" || !strings.HasPrefix(found["LaunchTemplate"], "CREATE_COMPLETE lt-") {
		t.Errorf("resources %v", found)
	}
	tags := s.describe().Tags
	if tags["alpha.eksctl.io/cluster-name"] != "demo" || tags["aws:cloudformation:stack-name"] != "eksctl-demo-nodegroup-web" ||
		tags["aws:cloudformation:logical-id"] != "ManagedNodeGroup" || tags["aws:cloudformation:stack-id"] != *made.StackId {
		t.Errorf("tags of the group: %v", tags)
	}
	if n := len(s.nodes()); n != 2 {
		t.Errorf("%d nodes, want 2", n)
	}
	if o := made.Outputs[0]; *o.OutputValue != "arn:aws:iam::111122223333:role/"+role || *o.ExportName != "eksctl-demo-nodegroup-web::Role" {
		t.Errorf("output %+v", o)
	}
	wantOrder(t, s.events(*made.StackId), "NodeInstanceRole CREATE_COMPLETE", "ManagedNodeGroup CREATE_IN_PROGRESS", "ManagedNodeGroup CREATE_COMPLETE",
		"eksctl-demo-nodegroup-web CREATE_COMPLETE")
	wantStatus(t, s.deleteStack(*made.StackId), "DELETE_COMPLETE", "")
	wantOrder(t, s.events(*made.StackId), "ManagedNodeGroup DELETE_COMPLETE", "NodeInstanceRole DELETE_IN_PROGRESS", "eksctl-demo-nodegroup-web DELETE_COMPLETE")
	if after, left := s.inventory(); after != before || len(s.nodes()) != 0 {
		t.Errorf("%d things are left, %d were there before: %v", after, before, left)
	}
}

// events are what has happened to a stack, oldest first.
func (w *world) events(id string) (list []string) {
	w.t.Helper()
	out, err := w.cfn.DescribeStackEvents(w.t.Context(), &cloudformation.DescribeStackEventsInput{StackName: &id})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range slices.Backward(out.StackEvents) {
		list = append(list, fmt.Sprintf("%s %s", *e.LogicalResourceId, e.ResourceStatus))
	}
	return list
}

func wantOrder(t *testing.T, list []string, order ...string) {
	t.Helper()
	at := -1
	for _, e := range order {
		k := slices.Index(list, e)
		if k <= at {
			t.Fatalf("%q is at %d, want it after %d, in %q", e, k, at, list)
		}
		at = k
	}
}

// selfManagedTemplate is a self-managed group as eksctl writes one: numbers and truths
// are text.
func (s *stack) selfManagedTemplate() props {
	return props{"Mappings": principals, "Resources": props{
		"NodeInstanceRole":    nodeRoleEntry(),
		"NodeInstanceProfile": props{"Type": "AWS::IAM::InstanceProfile", "Properties": props{"Path": "/", "Roles": []props{{"Ref": "NodeInstanceRole"}}}},
		"AccessEntry": props{"Type": "AWS::EKS::AccessEntry", "Properties": props{"ClusterName": s.cluster, "Type": "EC2_LINUX",
			"PrincipalArn": props{"Fn::GetAtt": []string{"NodeInstanceRole", "Arn"}}}},
		"SG": props{"Type": "AWS::EC2::SecurityGroup", "Properties": props{"VpcId": s.vpc, "GroupDescription": "nodes",
			"SecurityGroupIngress": []props{{"SourceSecurityGroupId": s.clusterGroup(), "IpProtocol": "tcp", "FromPort": "443", "ToPort": 443}}}},
		"Ingress": props{"Type": "AWS::EC2::SecurityGroupIngress", "Properties": props{"GroupId": s.clusterGroup(), "SourceSecurityGroupId": props{"Ref": "SG"},
			"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}},
		"Template": props{"Type": "AWS::EC2::LaunchTemplate", "Properties": props{"LaunchTemplateName": props{"Fn::Sub": "${AWS::StackName}"},
			"LaunchTemplateData": props{"ImageId": s.parameter("/aws/service/eks/optimized-ami/1.36/amazon-linux-2023/x86_64/standard/recommended/image_id"), "InstanceType": "t3.large", "UserData": s.userData("own"),
				"IamInstanceProfile": props{"Arn": props{"Fn::GetAtt": []string{"NodeInstanceProfile", "Arn"}}},
				"NetworkInterfaces":  []props{{"DeviceIndex": "0", "AssociatePublicIpAddress": "true", "Groups": []props{{"Ref": "SG"}}}}}}},
		"NodeGroup": props{"Type": "AWS::AutoScaling::AutoScalingGroup", "UpdatePolicy": props{"AutoScalingRollingUpdate": props{}},
			"Properties": props{"MinSize": 1, "MaxSize": "3", "DesiredCapacity": "2", "VPCZoneIdentifier": s.public,
				"LaunchTemplate": props{"LaunchTemplateName": props{"Fn::Sub": "${AWS::StackName}"}, "Version": props{"Fn::GetAtt": []string{"Template", "LatestVersionNumber"}}},
				"Tags":           []props{{"Key": "kubernetes.io/cluster/" + s.cluster, "Value": "owned", "PropagateAtLaunch": "true"}}}},
	}}
}

// A stack of a self-managed group: its tags go on to the instances, and it goes although
// its parts need each other.
func TestStackOfASelfManagedGroup(t *testing.T) {
	s := newStack(t)
	before, _ := s.inventory()
	made := s.deploy("own", s.selfManagedTemplate())
	wantStatus(t, made, "CREATE_COMPLETE", "")
	name, _ := strings.CutPrefix(s.resources(*made.StackId)["NodeGroup"], "CREATE_COMPLETE ")
	tags := map[string]bool{}
	for _, tag := range s.group(name).Tags {
		tags[*tag.Key] = *tag.PropagateAtLaunch
	}
	if !strings.HasPrefix(name, "own-NodeGroup-") || !tags["kubernetes.io/cluster/demo"] || !tags["aws:cloudformation:stack-name"] {
		t.Errorf("group %s with tags %v", name, tags)
	}
	one, err := s.cfn.DescribeStackResource(t.Context(), &cloudformation.DescribeStackResourceInput{StackName: awssdk.String("own"), LogicalResourceId: awssdk.String("NodeGroup")})
	if err != nil || *one.StackResourceDetail.PhysicalResourceId != name {
		t.Errorf("%+v, %v", one, err)
	}
	by, err := s.cfn.DescribeStackResources(t.Context(), &cloudformation.DescribeStackResourcesInput{PhysicalResourceId: &name})
	if err != nil || len(by.StackResources) != 7 {
		t.Errorf("%+v, %v", by, err)
	}
	wantStatus(t, s.deleteStack(*made.StackId), "DELETE_COMPLETE", "")
	if after, left := s.inventory(); after != before {
		t.Errorf("%d things are left, %d were there before: %v", after, before, left)
	}
}

// What fails takes back what was made before it, and says why.
func TestStackThatFailsIsRolledBack(t *testing.T) {
	s := newStack(t)
	before, _ := s.inventory()
	template := s.managedTemplate("web")
	template["Resources"].(props)["ManagedNodeGroup"].(props)["Properties"].(props)["Subnets"] = []string{"subnet-0123456789abcdef0"}
	failed := s.deploy("broken", template)
	wantStatus(t, failed, "ROLLBACK_COMPLETE", "")
	wantOrder(t, s.events(*failed.StackId), "ManagedNodeGroup CREATE_FAILED", "broken ROLLBACK_IN_PROGRESS", "NodeInstanceRole DELETE_COMPLETE", "broken ROLLBACK_COMPLETE")
	if after, left := s.inventory(); after != before+1 {
		t.Errorf("%d things, want the stack beside %d: %v", after, before, left)
	}
	wantStatus(t, s.deploy("kept", template, func(in *cloudformation.CreateStackInput) { in.DisableRollback = awssdk.Bool(true) }), "CREATE_FAILED", "failed to create: [ManagedNodeGroup]")
	wantStatus(t, s.deploy("gone", template, func(in *cloudformation.CreateStackInput) { in.OnFailure = "DELETE" }), "DELETE_COMPLETE", "")
	for _, name := range []string{"broken", "kept"} {
		s.deleteStack(*s.settled(name).StackId)
	}
	if after, left := s.inventory(); after != before {
		t.Errorf("%d things are left, %d were there before: %v", after, before, left)
	}
}

// What cannot be removed fails with its reason, and goes when asked again: without it
// if it is retained.
func TestStackThatCannotBeDeleted(t *testing.T) {
	w := newWorld(t)
	vpc := props{"Type": vpcType, "Properties": props{"CidrBlock": "10.0.0.0/16"}}
	stays := props{"Type": vpcType, "DeletionPolicy": "Retain", "Properties": props{"CidrBlock": "10.1.0.0/16"}}
	made := w.deploy("net", props{"Resources": props{"Net": vpc, "Stays": stays}})
	id, _ := strings.CutPrefix(w.resources(*made.StackId)["Net"], "CREATE_COMPLETE ")
	subnet := w.make("AWS::EC2::Subnet", props{"VpcId": id, "CidrBlock": "10.0.0.0/24"})["ID"].(string)
	stuck := w.deleteStack(*made.StackId)
	wantStatus(t, stuck, "DELETE_FAILED", "failed to delete: [Net]")
	if found := w.resources(*made.StackId); !strings.HasPrefix(found["Net"], "DELETE_FAILED") || !strings.HasPrefix(found["Stays"], "DELETE_SKIPPED") {
		t.Errorf("resources %v", found)
	}
	wantStatus(t, w.deleteStack(*made.StackId, "Net"), "DELETE_COMPLETE", "")
	_, found := w.inventory()
	if len(found[vpcType]) != 2 || len(found["AWS::CloudFormation::Stack"]) != 0 {
		t.Errorf("left: %v", found)
	}
	again := w.deploy("net", props{"Resources": props{"Net": vpc}})
	w.mustRemove("AWS::EC2::Subnet", subnet)
	wantStatus(t, w.deleteStack(*again.StackId), "DELETE_COMPLETE", "")
}

// One stack's export is another's value, and stays as long as it is used.
func TestExportsAndImports(t *testing.T) {
	w := newWorld(t)
	cfn := w.cfn
	net := w.deploy("net", `
Resources:
  Net: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
Outputs:
  Net: {Value: !Ref Net, Export: {Name: !Sub "${AWS::StackName}::Net"}}
`)
	wantStatus(t, net, "CREATE_COMPLETE", "")
	const user = `
Parameters:
  Zone: {Type: String, Default: us-west-2a, AllowedValues: [us-west-2a, us-west-2b]}
Conditions:
  Other: !Not [!Equals [!Ref Zone, us-west-2a]]
Resources:
  Subnet:
    Type: AWS::EC2::Subnet
    Properties:
      VpcId: !ImportValue net::Net
      CidrBlock: !Select [1, !Split [",", "10.0.0.0/24,10.0.1.0/24"]]
      AvailabilityZone: !Ref Zone
      MapPublicIpOnLaunch: !If [Other, true, !Ref AWS::NoValue]
      Tags: [{Key: zone, Value: !Join ["/", [!Ref AWS::Region, !Ref Zone]]}]
  Second: {Type: AWS::EC2::InternetGateway, Condition: Other}
`
	made := w.deploy("user", user, func(in *cloudformation.CreateStackInput) {
		in.Parameters = []cfntypes.Parameter{{ParameterKey: awssdk.String("Zone"), ParameterValue: awssdk.String("us-west-2b")}}
	})
	wantStatus(t, made, "CREATE_COMPLETE", "")
	subnet, err := w.ec2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{SubnetIds: []string{strings.TrimPrefix(w.resources(*made.StackId)["Subnet"], "CREATE_COMPLETE ")}})
	if err != nil || *subnet.Subnets[0].AvailabilityZone != "us-west-2b" || *subnet.Subnets[0].CidrBlock != "10.0.1.0/24" || !*subnet.Subnets[0].MapPublicIpOnLaunch {
		t.Errorf("%+v, %v", subnet, err)
	}
	if list, err := cfn.ListExports(t.Context(), &cloudformation.ListExportsInput{}); err != nil || len(list.Exports) != 1 || *list.Exports[0].Name != "net::Net" {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := cfn.ListImports(t.Context(), &cloudformation.ListImportsInput{ExportName: awssdk.String("net::Net")}); err != nil || !slices.Equal(list.Imports, []string{"user"}) {
		t.Errorf("%+v, %v", list, err)
	}
	wantStatus(t, w.deleteStack(*net.StackId), "DELETE_FAILED", "Cannot delete export net::Net as it is in use by user")
	wantStatus(t, w.deploy("absent", strings.ReplaceAll(user, "net::Net", "nobody")), "ROLLBACK_COMPLETE", "")
	wantStatus(t, w.deleteStack(*made.StackId), "DELETE_COMPLETE", "")
	wantStatus(t, w.deleteStack(*net.StackId), "DELETE_COMPLETE", "")
}

// A stack that is under way when the process ends goes on afterwards.
func TestStackOutlivesTheProcess(t *testing.T) {
	s := newStack(t)
	release := s.fake.hold() // the nodes cannot be Ready
	in := &cloudformation.CreateStackInput{StackName: awssdk.String("web"), TemplateBody: text(s.managedTemplate("web")), Capabilities: []cfntypes.Capability{"CAPABILITY_IAM"},
		ClientRequestToken: awssdk.String("once")}
	first, err := s.cfn.CreateStack(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	s.until("the group is begun", func() bool { return s.resources("web")["ManagedNodeGroup"] != "" })
	s.restart(1)
	again, err := s.cfn.CreateStack(t.Context(), in)
	if err != nil || *again.StackId != *first.StackId {
		t.Errorf("the same request again: %+v, %v", again, err)
	}
	release()
	wantStatus(t, s.settled("web"), "CREATE_COMPLETE", "")
}

// What makes no sense is refused in CloudFormation's words, and nothing comes of it.
func TestStacksThatAreRefused(t *testing.T) {
	w := newWorld(t)
	cfn, str := w.cfn, awssdk.String
	vpc := func(more props) props {
		entry := props{"Type": vpcType, "Properties": props{"CidrBlock": "10.0.0.0/16"}}
		maps.Copy(entry, more)
		return props{"Resources": props{"Net": entry}}
	}
	role := props{"Resources": props{"Role": props{"Type": roleType, "Properties": props{"RoleName": "r", "AssumeRolePolicyDocument": props{}}}}}
	for want, body := range map[string]*string{
		"ValidationError: Template format error":                                               str("{"),
		"At least one Resources member must be defined":                                        text(props{}),
		"Unrecognized resource types: [AWS::S3::Bucket]":                                       text(vpc(props{"Type": "AWS::S3::Bucket"})),
		"Unresolved resource dependencies [Nobody]":                                            text(vpc(props{"DependsOn": "Nobody"})),
		"Invalid template property or properties [CreationPolicy]":                             text(vpc(props{"CreationPolicy": props{}})),
		"does not implement Fn::Cidr":                                                          text(vpc(props{"Properties": props{"CidrBlock": props{"Fn::Cidr": []string{"a"}}}})),
		"Circular dependency between resources: [Net]":                                         text(vpc(props{"DependsOn": "Net"})),
		"resource Net does not support attribute type Colour in Fn::GetAtt":                    text(props{"Resources": vpc(nil)["Resources"], "Outputs": props{"O": props{"Value": props{"Fn::GetAtt": "Net.Colour"}}}}),
		"instance of Fn::GetAtt references undefined resource Nobody":                          text(props{"Resources": vpc(nil)["Resources"], "Outputs": props{"O": props{"Value": props{"Fn::Sub": "${Nobody.Arn}"}}}}),
		"every Fn::GetAtt object requires two non-empty parameters":                            text(props{"Resources": vpc(nil)["Resources"], "Outputs": props{"O": props{"Value": props{"Fn::GetAtt": []any{"Net", props{"Ref": "Net"}}}}}}),
		"Parameters: [P] must have values":                                                     text(props{"Resources": vpc(nil)["Resources"], "Parameters": props{"P": props{"Type": "String"}}}),
		"InsufficientCapabilitiesException: Requires capabilities : [CAPABILITY_NAMED_IAM]":    text(role),
		"the sandbox does not implement dynamic references: {{resolve:ssm:/a}}":                text(vpc(props{"Properties": props{"CidrBlock": "{{resolve:ssm:/a}}"}})),
		"YAML aliases are not allowed":                                                         str("Resources: {A: &a {Type: AWS::EC2::VPC}, B: *a}"),
		"DeletionPolicy Snapshot of resource Net is not valid, or the sandbox does not implem": text(vpc(props{"DeletionPolicy": "Snapshot"})),
	} {
		_, err := cfn.CreateStack(t.Context(), &cloudformation.CreateStackInput{StackName: str("s"), TemplateBody: body, Capabilities: []cfntypes.Capability{"CAPABILITY_IAM"}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	made := w.deploy("s", vpc(nil))
	_, err := cfn.CreateStack(t.Context(), &cloudformation.CreateStackInput{StackName: str("s"), TemplateBody: text(vpc(nil))})
	wantCode(t, err, "AlreadyExistsException")
	_, err = cfn.CreateStack(t.Context(), &cloudformation.CreateStackInput{StackName: str("1"), TemplateBody: text(vpc(nil))})
	wantCode(t, err, "ValidationError")
	_, err = cfn.CreateStack(t.Context(), &cloudformation.CreateStackInput{StackName: str("t"), TemplateURL: str("https://example.com")})
	wantCode(t, err, "ValidationError")
	_, err = cfn.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: str("nobody")})
	if wantCode(t, err, "ValidationError"); !strings.Contains(err.Error(), "Stack with id nobody does not exist") {
		t.Error(err)
	}
	_, err = cfn.UpdateStack(t.Context(), &cloudformation.UpdateStackInput{StackName: str("s"), TemplateBody: text(vpc(nil))})
	wantCode(t, err, "InvalidAction")
	if _, err := cfn.DeleteStack(t.Context(), &cloudformation.DeleteStackInput{StackName: str("nobody")}); err != nil {
		t.Errorf("the end of a stack that is not there: %v", err)
	}
	w.deleteStack(*made.StackId)
	if n, found := w.inventory(); n != 0 {
		t.Errorf("left: %v", found)
	}
}
