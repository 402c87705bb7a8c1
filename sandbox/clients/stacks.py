"""Stacks of CloudFormation: a group that is made, told of and taken away by its stack."""

import json

from judge import CommandLine, pages, wait

TEMPLATE = """
Description: two parts of a network
Parameters:
  Cidr: {Type: String, Default: 192.168.0.0/16, Description: of the VPC}
Resources:
  Net: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Ref Cidr}}
  Subnet:
    Type: AWS::EC2::Subnet
    Properties: {VpcId: !Ref Net, CidrBlock: !Sub "192.168.0.0/24", MapPublicIpOnLaunch: "true"}
Outputs:
  Net: {Value: !Ref Net, Description: the VPC, Export: {Name: !Sub "${AWS::StackName}-net"}}
"""
USER = {"Resources": {"Subnet": {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": {"Fn::ImportValue": "clients-net"}, "CidrBlock": "192.168.1.0/24"}}}}
ROLE = {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17"}}}}}


def judge(j):
    stacks, ec2 = j.client("cloudformation"), j.client("ec2")
    made(j, stacks, ec2)
    told(j, stacks)
    refused(j, stacks)
    commandline(j)


def made(j, stacks, ec2):
    j.ok("cloudformation validate-template", lambda: stacks.validate_template(TemplateBody=json.dumps(ROLE)), lambda r: r["Capabilities"] == ["CAPABILITY_IAM"])
    made = j.ok("cloudformation create-stack", lambda: stacks.create_stack(
        StackName="clients", TemplateBody=TEMPLATE, Tags=[{"Key": "team", "Value": "shop"}]), lambda r: ":stack/clients/" in r["StackId"])
    j.made["stack"] = made["StackId"]
    j.ok("cloudformation wait stack-create-complete", lambda: wait(stacks, "stack_create_complete", StackName="clients"))
    j.ok("ec2 describe-vpcs of the stack", lambda: ec2.describe_vpcs(Filters=[{"Name": "tag:aws:cloudformation:stack-name", "Values": ["clients"]}]),
         lambda r: {"Key": "team", "Value": "shop"} in r["Vpcs"][0]["Tags"])
    j.ok("cloudformation create-stack, of another's export", lambda: stacks.create_stack(StackName="clients-user", TemplateBody=json.dumps(USER)),
         lambda _: wait(stacks, "stack_create_complete", StackName="clients-user"))


def told(j, stacks):
    j.ok("cloudformation describe-stacks", lambda: stacks.describe_stacks(StackName="clients")["Stacks"][0], lambda s: s["StackStatus"] == "CREATE_COMPLETE",
         lambda s: s["Parameters"] == [{"ParameterKey": "Cidr", "ParameterValue": "192.168.0.0/16"}], lambda s: s["Outputs"][0]["ExportName"] == "clients-net",
         lambda s: s["Tags"] == [{"Key": "team", "Value": "shop"}], lambda s: s["CreationTime"].tzinfo is not None)
    j.ok("cloudformation describe-stacks, all", lambda: pages(stacks, "describe_stacks", None), lambda p: len(p[0]["Stacks"]) == 2)
    j.ok("cloudformation list-stacks", lambda: stacks.list_stacks(StackStatusFilter=["CREATE_COMPLETE"])["StackSummaries"],
         lambda l: sorted(s["StackName"] for s in l) == ["clients", "clients-user"])
    j.ok("cloudformation describe-stack-resources", lambda: stacks.describe_stack_resources(StackName="clients")["StackResources"],
         lambda l: [r["ResourceType"] for r in l] == ["AWS::EC2::VPC", "AWS::EC2::Subnet"])
    j.ok("cloudformation list-stack-resources", lambda: pages(stacks, "list_stack_resources", None, StackName="clients"),
         lambda p: [r["ResourceStatus"] for r in p[0]["StackResourceSummaries"]] == ["CREATE_COMPLETE"] * 2)
    j.ok("cloudformation describe-stack-resource", lambda: stacks.describe_stack_resource(StackName="clients", LogicalResourceId="Net")["StackResourceDetail"],
         lambda r: r["PhysicalResourceId"].startswith("vpc-"))
    j.ok("cloudformation describe-stack-events", lambda: pages(stacks, "describe_stack_events", None, StackName="clients")[0]["StackEvents"],
         lambda l: l[0]["LogicalResourceId"] == "clients", lambda l: l[-1]["ResourceStatusReason"] == "User Initiated")
    j.ok("cloudformation get-template", lambda: stacks.get_template(StackName="clients"), lambda r: r["TemplateBody"].strip() == TEMPLATE.strip())
    j.ok("cloudformation list-exports", lambda: pages(stacks, "list_exports", None)[0]["Exports"], lambda l: [e["Name"] for e in l] == ["clients-net"])
    j.ok("cloudformation list-imports", lambda: stacks.list_imports(ExportName="clients-net")["Imports"], lambda l: l == ["clients-user"])


def refused(j, stacks):
    j.refused("cloudformation create-stack again", "AlreadyExistsException", lambda: stacks.create_stack(StackName="clients", TemplateBody=TEMPLATE), 400)
    j.refused("cloudformation create-stack, not acknowledged", "InsufficientCapabilitiesException",
              lambda: stacks.create_stack(StackName="clients-role", TemplateBody=json.dumps(ROLE)), 400)
    j.refused("cloudformation create-stack, no template", "ValidationError", lambda: stacks.create_stack(StackName="clients-none"))
    j.refused("cloudformation create-stack, parameter unknown", "ValidationError", lambda: stacks.create_stack(
        StackName="clients-more", TemplateBody=TEMPLATE, Parameters=[{"ParameterKey": "Colour", "ParameterValue": "red"}]))
    j.refused("cloudformation describe-stacks, unknown", "ValidationError", lambda: stacks.describe_stacks(StackName="nobody"))
    j.refused("cloudformation describe-stack-events, bad token", "ValidationError", lambda: stacks.describe_stack_events(StackName="clients", NextToken="page--1"))
    j.absent("cloudformation update-stack", lambda: stacks.update_stack(StackName="clients", TemplateBody=TEMPLATE))
    j.absent("cloudformation create-change-set", lambda: stacks.create_change_set(StackName="clients", ChangeSetName="c", TemplateBody=TEMPLATE))


def commandline(j):
    aws = CommandLine(j)
    if not aws.path:
        j.skip("the aws command's cloudformation: there is none")
        return
    j.ok("cloudformation describe-stacks, by the aws command", lambda: aws("cloudformation", "describe-stacks", "--stack-name", "clients"),
         lambda r: r["Stacks"][0]["StackId"] == j.made["stack"])


def end(j):
    stacks = j.client("cloudformation")
    j.ok("cloudformation delete-stack, its export in use", lambda: stacks.delete_stack(StackName="clients"),
         lambda _: stacks.describe_stacks(StackName="clients")["Stacks"][0]["StackStatus"] == "DELETE_FAILED")
    for name in ("clients-user", "clients"):
        j.ok(f"cloudformation delete-stack {name}", lambda: stacks.delete_stack(StackName=name), lambda _: wait(stacks, "stack_delete_complete", StackName=name))
    j.refused("cloudformation describe-stacks, deleted", "ValidationError", lambda: stacks.describe_stacks(StackName="clients"))
    j.ok("cloudformation describe-stacks, deleted, by its ID", lambda: stacks.describe_stacks(StackName=j.made["stack"]),
         lambda r: r["Stacks"][0]["StackStatus"] == "DELETE_COMPLETE", lambda r: "DeletionTime" in r["Stacks"][0])
    j.ok("cloudformation delete-stack, gone", lambda: stacks.delete_stack(StackName="clients"))
