"""The same objects through Cloud Control: what EC2's and EKS's own calls have made is there, and the other way round."""

import json

from judge import pages, wait


def judge(j):
    control, ec2 = j.client("cloudcontrol"), j.client("ec2")
    seen(j, control)
    changed(j, control, ec2)
    refused(j, control)


def properties(answer):
    return json.loads(answer["ResourceDescription"]["Properties"])


def seen(j, control):
    for kind, identifier in {"AWS::EC2::VPC": j.made["vpc"], "AWS::EC2::Subnet": j.made["subnets"][0], "AWS::EC2::InternetGateway": j.made["igw"],
                             "AWS::EC2::RouteTable": j.made["table"], "AWS::EC2::SecurityGroup": j.made["sg"],
                             "AWS::EC2::LaunchTemplate": j.made["template"], "AWS::IAM::Role": "clients-node",
                             "AWS::IAM::InstanceProfile": "clients-node", "AWS::EKS::Cluster": "clients",
                             "AWS::AutoScaling::AutoScalingGroup": "clients"}.items():
        j.ok(f"cloudcontrol get-resource {kind}", lambda: control.get_resource(TypeName=kind, Identifier=identifier),
             lambda r: len(properties(r)) > 1 or kind == "AWS::EC2::InternetGateway")
        j.ok(f"cloudcontrol list-resources {kind}", lambda: pages(control, "list_resources", 1, TypeName=kind),
             lambda p: identifier in [d["Identifier"] for page in p for d in page["ResourceDescriptions"]])


def changed(j, control, ec2):
    made = j.ok("cloudcontrol create-resource", lambda: control.create_resource(
        TypeName="AWS::EC2::VPC", DesiredState=json.dumps({"CidrBlock": "192.168.0.0/16"}), ClientToken="clients-vpc")["ProgressEvent"],
        lambda e: e["OperationStatus"] == "PENDING", lambda e: e["EventTime"].tzinfo is not None)
    j.ok("cloudcontrol wait resource-request-success", lambda: wait(control, "resource_request_success", RequestToken=made["RequestToken"]))
    vpc = control.get_resource_request_status(RequestToken=made["RequestToken"])["ProgressEvent"]["Identifier"]
    j.ok("ec2 describe-vpcs, what cloudcontrol made", lambda: ec2.describe_vpcs(VpcIds=[vpc]), lambda r: r["Vpcs"][0]["CidrBlock"] == "192.168.0.0/16")
    j.ok("ec2 create-tags on what cloudcontrol made", lambda: ec2.create_tags(Resources=[vpc], Tags=[{"Key": "a", "Value": "b"}]))
    j.ok("cloudcontrol get-resource, what ec2 changed", lambda: control.get_resource(TypeName="AWS::EC2::VPC", Identifier=vpc),
         lambda r: properties(r)["Tags"] == [{"Key": "a", "Value": "b"}])
    j.ok("ec2 delete-vpc, what cloudcontrol made", lambda: ec2.delete_vpc(VpcId=vpc))
    j.refused("cloudcontrol get-resource, gone", "ResourceNotFoundException", lambda: control.get_resource(TypeName="AWS::EC2::VPC", Identifier=vpc))
    gone = j.ok("cloudcontrol delete-resource, gone", lambda: control.delete_resource(TypeName="AWS::EC2::VPC", Identifier=vpc)["ProgressEvent"])
    failed = j.ok("cloudcontrol get-resource-request-status, failed", lambda: ended(control, gone["RequestToken"]),
                  lambda e: (e["OperationStatus"], e["ErrorCode"]) == ("FAILED", "NotFound"))
    assert failed


def ended(control, token):
    while True:
        event = control.get_resource_request_status(RequestToken=token)["ProgressEvent"]
        if event["OperationStatus"] not in ("PENDING", "IN_PROGRESS"):
            return event


def refused(j, control):
    j.refused("cloudcontrol list-resources, bad token", "InvalidRequestException",
              lambda: control.list_resources(TypeName="AWS::EC2::VPC", NextToken="page--1"))
    j.refused("cloudcontrol get-resource-request-status, unknown", "RequestTokenNotFoundException",
              lambda: control.get_resource_request_status(RequestToken="00000000-0000-4000-8000-000000000000"))
    j.refused("cloudcontrol create-resource, unknown type", "TypeNotFoundException",
              lambda: control.create_resource(TypeName="AWS::EC2::Volume", DesiredState="{}"))
