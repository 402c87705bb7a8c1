"""Launch templates, self-managed groups and instances, by EC2's and Auto Scaling's own calls."""

import base64
import time

from judge import pages, wait

NAME = "clients"
ABSENT = "0123456789abcdef0"


def judge(j):
    ec2, scaling = j.client("ec2"), j.client("autoscaling")
    templates(j, ec2)
    instances(j, ec2)
    groups(j, scaling)
    members(j, ec2, scaling)
    processes(j, scaling)
    absent(j, ec2, scaling)


def templates(j, ec2):
    data = {"ImageId": j.made["image"], "InstanceType": "t3.large", "IamInstanceProfile": {"Name": "clients-node"},
            "UserData": base64.b64encode(b"#!/bin/sh\n").decode(), "SecurityGroupIds": [j.made["sg"]],
            "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 80, "VolumeType": "gp3"}}],
            "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
            "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "node"}]}]}

    def make():
        return ec2.create_launch_template(LaunchTemplateName=NAME, LaunchTemplateData=data, ClientToken="clients-template", TagSpecifications=[
            {"ResourceType": "launch-template", "Tags": [{"Key": "a", "Value": "b"}]}])["LaunchTemplate"]

    made = j.ok("ec2 create-launch-template", make, lambda t: t["LatestVersionNumber"] == 1, lambda t: t["Tags"] == [{"Key": "a", "Value": "b"}])
    j.made["template"] = template = made["LaunchTemplateId"]
    j.ok("ec2 create-launch-template, the same token", make, lambda t: t["LaunchTemplateId"] == template)
    j.refused("ec2 create-launch-template again", "InvalidLaunchTemplateName.AlreadyExistsException",
              lambda: ec2.create_launch_template(LaunchTemplateName=NAME, LaunchTemplateData=data))
    j.ok("ec2 describe-launch-template-versions", lambda: ec2.describe_launch_template_versions(LaunchTemplateName=NAME)["LaunchTemplateVersions"][0],
         lambda v: v["LaunchTemplateData"]["TagSpecifications"] == data["TagSpecifications"],
         lambda v: v["LaunchTemplateData"]["BlockDeviceMappings"] == data["BlockDeviceMappings"],
         lambda v: v["LaunchTemplateData"]["SecurityGroupIds"] == data["SecurityGroupIds"],
         lambda v: v["LaunchTemplateData"]["UserData"] == data["UserData"], lambda v: v["DefaultVersion"] is True)
    j.ok("ec2 create-launch-template-version", lambda: ec2.create_launch_template_version(
        LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData={"InstanceType": "m6i.large"})["LaunchTemplateVersion"],
        lambda v: v["VersionNumber"] == 2, lambda v: v["LaunchTemplateData"]["ImageId"] == j.made["image"])
    j.ok("ec2 describe-launch-template-versions, of all", lambda: ec2.describe_launch_template_versions(Versions=["$Latest"]),
         lambda r: [v["VersionNumber"] for v in r["LaunchTemplateVersions"]] == [2])
    j.refused("ec2 describe-launch-template-versions, unknown", "InvalidLaunchTemplateId.VersionNotFound",
              lambda: ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=["9"]))
    j.ok("ec2 modify-launch-template", lambda: ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion="2"),
         lambda r: r["LaunchTemplate"]["DefaultVersionNumber"] == 2)
    j.ok("ec2 describe-launch-templates", lambda: ec2.describe_launch_templates(LaunchTemplateNames=[NAME]), lambda r: len(r["LaunchTemplates"]) == 1)


def instances(j, ec2):
    subnet = j.made["subnets"][0]

    def run():
        return ec2.run_instances(ImageId=j.made["image"], InstanceType="t3.large", MinCount=2, MaxCount=2, SubnetId=subnet, ClientToken="clients-run",
                                 TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "alone"}]}])

    launched = j.ok("ec2 run-instances", run, lambda r: [i["State"]["Name"] for i in r["Instances"]] == ["pending"] * 2,
                    lambda r: r["Instances"][0]["Tags"] == [{"Key": "Name", "Value": "alone"}])
    ids = sorted(i["InstanceId"] for i in launched["Instances"])
    j.ok("ec2 run-instances, the same token", run, lambda r: sorted(i["InstanceId"] for i in r["Instances"]) == ids)
    j.ok("ec2 run-instances by a template", lambda: ec2.run_instances(
        LaunchTemplate={"LaunchTemplateName": NAME}, MinCount=1, MaxCount=1, SubnetId=subnet), lambda r: r["Instances"][0]["InstanceType"] == "m6i.large",
        lambda r: ids.append(r["Instances"][0]["InstanceId"]) is None)
    j.refused("ec2 run-instances, unknown image", "InvalidAMIID.NotFound", lambda: ec2.run_instances(
        ImageId=f"ami-{ABSENT}", InstanceType="t3.large", MinCount=1, MaxCount=1, SubnetId=subnet))
    j.refused("ec2 run-instances, dry run", "DryRunOperation", lambda: ec2.run_instances(
        ImageId=j.made["image"], InstanceType="t3.large", MinCount=1, MaxCount=1, SubnetId=subnet, DryRun=True), 412)
    j.refused("ec2 run-instances, no subnet", "VPCIdNotSpecified", lambda: ec2.run_instances(
        ImageId=j.made["image"], InstanceType="t3.large", MinCount=1, MaxCount=1))
    j.ok("ec2 wait instance-exists", lambda: wait(ec2, "instance_exists", InstanceIds=ids))
    j.ok("ec2 wait instance-running", lambda: wait(ec2, "instance_running", InstanceIds=ids))
    j.ok("ec2 wait instance-status-ok", lambda: wait(ec2, "instance_status_ok", InstanceIds=ids))
    j.ok("ec2 describe-instances by tag", lambda: ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": ["al*"]}]),
         lambda r: len(r["Reservations"]) == 2)
    j.refused("ec2 describe-instances, ids and a page size", "InvalidParameterCombination", lambda: ec2.describe_instances(InstanceIds=ids, MaxResults=5))
    j.refused("ec2 stop-instances, one unknown", "InvalidInstanceID.NotFound", lambda: ec2.stop_instances(InstanceIds=ids[:1] + [f"i-{ABSENT}"]))
    j.ok("ec2 reboot-instances", lambda: ec2.reboot_instances(InstanceIds=ids[:1]))
    j.ok("ec2 stop-instances", lambda: ec2.stop_instances(InstanceIds=ids[:1]), lambda r: r["StoppingInstances"][0]["CurrentState"] == {"Code": 64, "Name": "stopping"})
    j.ok("ec2 wait instance-stopped", lambda: wait(ec2, "instance_stopped", InstanceIds=ids[:1]))
    j.refused("ec2 reboot-instances, stopped", "IncorrectState", lambda: ec2.reboot_instances(InstanceIds=ids[:1]))
    j.ok("ec2 start-instances", lambda: ec2.start_instances(InstanceIds=ids[:1]), lambda r: r["StartingInstances"][0]["PreviousState"]["Name"] == "stopped")
    j.ok("ec2 wait instance-running, started", lambda: wait(ec2, "instance_running", InstanceIds=ids[:1]))
    j.refused("ec2 terminate-instances, dry run", "DryRunOperation", lambda: ec2.terminate_instances(InstanceIds=ids, DryRun=True), 412)
    j.ok("ec2 describe-instances after the dry run", lambda: ec2.describe_instances(InstanceIds=ids),
         lambda r: {i["State"]["Name"] for v in r["Reservations"] for i in v["Instances"]} == {"running"})
    j.refused("ec2 terminate-instances, one unknown", "InvalidInstanceID.NotFound", lambda: ec2.terminate_instances(InstanceIds=ids + [f"i-{ABSENT}"]))
    j.ok("ec2 terminate-instances", lambda: ec2.terminate_instances(InstanceIds=ids),
         lambda r: {i["PreviousState"]["Name"] for i in r["TerminatingInstances"]} == {"running"})
    j.ok("ec2 wait instance-terminated", lambda: wait(ec2, "instance_terminated", InstanceIds=ids))


def groups(j, scaling):
    where = ",".join(j.made["subnets"])
    j.ok("autoscaling describe-auto-scaling-groups, empty", scaling.describe_auto_scaling_groups, lambda r: r["AutoScalingGroups"] == [])
    j.ok("autoscaling describe-auto-scaling-instances, empty", scaling.describe_auto_scaling_instances, lambda r: r["AutoScalingInstances"] == [])
    j.ok("autoscaling describe-tags, empty", scaling.describe_tags, lambda r: r["Tags"] == [])
    j.refused("autoscaling describe-auto-scaling-groups, bad size", "ValidationError", lambda: scaling.describe_auto_scaling_groups(MaxRecords=-1))
    j.refused("autoscaling describe-auto-scaling-groups, bad token", "InvalidNextToken", lambda: scaling.describe_auto_scaling_groups(NextToken="page--1"))
    j.refused("autoscaling describe-auto-scaling-groups, unknown filter", "ValidationError",
              lambda: scaling.describe_auto_scaling_groups(Filters=[{"Name": "colour", "Values": ["red"]}]))
    make = dict(AutoScalingGroupName=NAME, MinSize=1, MaxSize=5, DesiredCapacity=3, VPCZoneIdentifier=where,
                LaunchTemplate={"LaunchTemplateId": j.made["template"], "Version": "$Latest"},
                Tags=[{"Key": "kubernetes.io/cluster/clients", "Value": "owned", "PropagateAtLaunch": True}])
    j.refused("autoscaling create-auto-scaling-group, min over max", "ValidationError",
              lambda: scaling.create_auto_scaling_group(**{**make, "MinSize": 6}))
    j.refused("autoscaling create-auto-scaling-group, unknown template", "ValidationError",
              lambda: scaling.create_auto_scaling_group(**{**make, "LaunchTemplate": {"LaunchTemplateName": "nobody"}}))
    j.ok("autoscaling create-auto-scaling-group", lambda: scaling.create_auto_scaling_group(**make))
    j.refused("autoscaling create-auto-scaling-group again", "AlreadyExists", lambda: scaling.create_auto_scaling_group(**make))
    j.ok("autoscaling: all instances in service", lambda: settled(scaling, 3))
    j.ok("autoscaling describe-auto-scaling-groups", lambda: scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[NAME])["AutoScalingGroups"][0],
         lambda g: [i["LifecycleState"] for i in g["Instances"]] == ["InService"] * 3, lambda g: g["SuspendedProcesses"] == [],
         lambda g: g["AvailabilityZones"] == ["us-west-2a", "us-west-2b"], lambda g: g["Tags"][0]["PropagateAtLaunch"] is True)
    j.ok("autoscaling describe-auto-scaling-groups by tag", lambda: scaling.describe_auto_scaling_groups(
        Filters=[{"Name": "tag-key", "Values": ["kubernetes.io/cluster/clients"]}]), lambda r: len(r["AutoScalingGroups"]) == 1)
    j.ok("autoscaling describe-auto-scaling-instances, pages", lambda: pages(scaling, "describe_auto_scaling_instances", 1), lambda p: len(p) == 3)
    j.ok("autoscaling describe-scaling-activities", lambda: scaling.describe_scaling_activities(AutoScalingGroupName=NAME),
         lambda r: len(r["Activities"]) == 3)
    j.ok("autoscaling create-or-update-tags", lambda: scaling.create_or_update_tags(Tags=[
        {"ResourceId": NAME, "ResourceType": "auto-scaling-group", "Key": "a", "Value": "b", "PropagateAtLaunch": False}]))
    j.ok("autoscaling describe-tags", lambda: scaling.describe_tags(Filters=[{"Name": "key", "Values": ["a"]}]), lambda r: len(r["Tags"]) == 1)
    j.ok("autoscaling delete-tags", lambda: scaling.delete_tags(Tags=[{"ResourceId": NAME, "ResourceType": "auto-scaling-group", "Key": "a"}]))
    j.ok("autoscaling update-auto-scaling-group", lambda: scaling.update_auto_scaling_group(AutoScalingGroupName=NAME, MaxSize=6, DefaultCooldown=10))


def until(condition):
    """Auto Scaling has no waiters."""
    for _ in range(100):
        if condition():
            return True
        time.sleep(0.1)
    return False


def group(scaling):
    return scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[NAME])["AutoScalingGroups"][0]


def settled(scaling, size):
    return until(lambda: [i["LifecycleState"] for i in group(scaling)["Instances"]] == ["InService"] * size)


def gone(scaling):
    return until(lambda: scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[NAME])["AutoScalingGroups"] == [])


def members(j, ec2, scaling):
    j.ok("autoscaling set-desired-capacity", lambda: scaling.set_desired_capacity(AutoScalingGroupName=NAME, DesiredCapacity=4), lambda _: settled(scaling, 4))
    j.refused("autoscaling set-desired-capacity, over max", "ValidationError",
              lambda: scaling.set_desired_capacity(AutoScalingGroupName=NAME, DesiredCapacity=9))
    first = group(scaling)["Instances"][0]["InstanceId"]
    j.ok("autoscaling set-instance-protection", lambda: scaling.set_instance_protection(
        AutoScalingGroupName=NAME, InstanceIds=[first], ProtectedFromScaleIn=True), lambda _: group(scaling)["Instances"][0]["ProtectedFromScaleIn"])
    j.ok("ec2 describe-instances of the group", lambda: ec2.describe_instances(
        Filters=[{"Name": "tag:aws:autoscaling:groupName", "Values": [NAME]}, {"Name": "instance-state-name", "Values": ["running"]}]),
        lambda r: len(r["Reservations"]) == 4, lambda r: r["Reservations"][0]["Instances"][0]["IamInstanceProfile"]["Arn"] == j.made["profile"])
    j.ok("autoscaling terminate-instance-in-auto-scaling-group", lambda: scaling.terminate_instance_in_auto_scaling_group(
        InstanceId=first, ShouldDecrementDesiredCapacity=True), lambda r: r["Activity"]["StatusCode"] == "InProgress", lambda _: settled(scaling, 3))
    lost = group(scaling)["Instances"][0]["InstanceId"]
    j.ok("autoscaling set-instance-health", lambda: scaling.set_instance_health(InstanceId=lost, HealthStatus="Unhealthy"),
         lambda _: until(lambda: lost not in [i["InstanceId"] for i in group(scaling)["Instances"]]), lambda _: settled(scaling, 3))


def processes(j, scaling):
    j.ok("autoscaling suspend-processes", lambda: scaling.suspend_processes(AutoScalingGroupName=NAME, ScalingProcesses=["Launch"]))
    j.refused("autoscaling suspend-processes, unknown", "ValidationError",
              lambda: scaling.suspend_processes(AutoScalingGroupName=NAME, ScalingProcesses=["Sleep"]))
    j.ok("autoscaling describe-auto-scaling-groups, suspended", lambda: scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[NAME]),
         lambda r: r["AutoScalingGroups"][0]["SuspendedProcesses"][0]["ProcessName"] == "Launch")
    j.ok("autoscaling resume-processes", lambda: scaling.resume_processes(AutoScalingGroupName=NAME))
    j.ok("autoscaling describe-policies", lambda: scaling.describe_policies(AutoScalingGroupName=NAME, PolicyNames=["p"]),
         lambda r: r.get("ScalingPolicies", []) == [])
    j.ok("autoscaling describe-scheduled-actions", lambda: scaling.describe_scheduled_actions(AutoScalingGroupName=NAME, ScheduledActionNames=["a"]),
         lambda r: r.get("ScheduledUpdateGroupActions", []) == [])
    j.ok("autoscaling describe-warm-pool", lambda: scaling.describe_warm_pool(AutoScalingGroupName=NAME, MaxRecords=10), lambda r: r.get("Instances", []) == [])
    j.ok("autoscaling describe-instance-refreshes", lambda: scaling.describe_instance_refreshes(AutoScalingGroupName=NAME),
         lambda r: r.get("InstanceRefreshes", []) == [])
    for call in (scaling.describe_policies, scaling.describe_scheduled_actions, scaling.describe_warm_pool, scaling.describe_instance_refreshes):
        j.refused(f"autoscaling {call.__name__}, bad token", "InvalidNextToken", lambda: call(AutoScalingGroupName=NAME, NextToken="page--1"))
        j.refused(f"autoscaling {call.__name__} of no group", "ValidationError", lambda: call(AutoScalingGroupName="nobody"))
    j.ok("autoscaling describe-lifecycle-hooks", lambda: scaling.describe_lifecycle_hooks(AutoScalingGroupName=NAME), lambda r: r["LifecycleHooks"] == [])
    j.refused("autoscaling delete-auto-scaling-group, in use", "ResourceInUse", lambda: scaling.delete_auto_scaling_group(AutoScalingGroupName=NAME))


def absent(j, ec2, scaling):
    j.absent("autoscaling create-auto-scaling-group of mixed instances", lambda: scaling.create_auto_scaling_group(
        AutoScalingGroupName="mixed", MinSize=0, MaxSize=0, VPCZoneIdentifier=j.made["subnets"][0],
        LaunchTemplate={"LaunchTemplateName": NAME}, MixedInstancesPolicy={"InstancesDistribution": {"OnDemandBaseCapacity": 1}}))
    j.absent("autoscaling put-scaling-policy", lambda: scaling.put_scaling_policy(AutoScalingGroupName=NAME, PolicyName="x"))
    j.absent("autoscaling start-instance-refresh", lambda: scaling.start_instance_refresh(AutoScalingGroupName=NAME))
    j.absent("autoscaling attach-instances", lambda: scaling.attach_instances(AutoScalingGroupName=NAME, InstanceIds=[f"i-{ABSENT}"]))
    j.absent("autoscaling enter-standby", lambda: scaling.enter_standby(AutoScalingGroupName=NAME, ShouldDecrementDesiredCapacity=True))
    j.absent("autoscaling create-launch-configuration", lambda: scaling.create_launch_configuration(LaunchConfigurationName="x"))
    j.absent("ec2 delete-launch-template-versions", lambda: ec2.delete_launch_template_versions(LaunchTemplateName=NAME, Versions=["1"]))


def end(j):
    ec2, scaling = j.client("ec2"), j.client("autoscaling")
    j.ok("autoscaling delete-auto-scaling-group", lambda: scaling.delete_auto_scaling_group(AutoScalingGroupName=NAME, ForceDelete=True))
    j.ok("autoscaling: the group goes", lambda: gone(scaling))
    j.refused("autoscaling delete-auto-scaling-group, gone", "ValidationError", lambda: scaling.delete_auto_scaling_group(AutoScalingGroupName=NAME))
    j.ok("ec2 delete-launch-template", lambda: ec2.delete_launch_template(LaunchTemplateName=NAME), lambda r: r["LaunchTemplate"]["LaunchTemplateName"] == NAME)
