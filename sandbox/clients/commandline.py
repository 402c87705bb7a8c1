"""What people type: the aws command, of whichever version is installed."""

from judge import CommandLine


def judge(j):
    aws = CommandLine(j)
    if aws.path is None:
        j.skip("aws: the command is not installed")
        return
    print(aws.version(), file=j.out)
    vpc, cluster = j.made["vpc"], "clients"
    for words, *proofs in [
        ("sts get-caller-identity", lambda r: r["Account"] == "111122223333"),
        (f"ec2 describe-vpcs --vpc-ids {vpc}", lambda r: r["Vpcs"][0]["VpcId"] == vpc),
        (f"ec2 describe-subnets --filters Name=vpc-id,Values={vpc} --query Subnets[].SubnetId", lambda r: sorted(r) == sorted(j.made["subnets"])),
        ("ec2 describe-instances --filters Name=tag:aws:autoscaling:groupName,Values=clients Name=instance-state-name,Values=running",
         lambda r: len(r["Reservations"]) == 3),
        ("ec2 describe-launch-template-versions --launch-template-name clients --versions $Latest",
         lambda r: r["LaunchTemplateVersions"][0]["VersionNumber"] == 2),
        ("ec2 create-key-pair --key-name x",),
        (f"ec2 create-security-group --group-name typed --description typed --vpc-id {vpc}", lambda r: j.made.update(typed=r["GroupId"]) is None),
        ("iam list-roles --max-items 1", lambda r: len(r["Roles"]) == 1),
        ("iam get-instance-profile --instance-profile-name clients-node", lambda r: r["InstanceProfile"]["Roles"] != []),
        (f"eks describe-cluster --name {cluster}", lambda r: r["cluster"]["status"] == "ACTIVE"),
        (f"eks wait cluster-active --name {cluster}", lambda r: r == {}),
        (f"eks get-token --cluster-name {cluster}", lambda r: r["status"]["token"].startswith("k8s-aws-v1.")),
        ("autoscaling describe-auto-scaling-groups --auto-scaling-group-names clients", lambda r: len(r["AutoScalingGroups"]) == 1),
        ("autoscaling update-auto-scaling-group --auto-scaling-group-name clients --max-size 7", lambda r: r == {}),
        ("elb describe-load-balancers", lambda r: r == {"LoadBalancerDescriptions": []}),
        ("elbv2 describe-load-balancers", lambda r: r == {"LoadBalancers": []}),
        (f"cloudcontrol get-resource --type-name AWS::EC2::VPC --identifier {vpc}", lambda r: r["ResourceDescription"]["Identifier"] == vpc),
        ("ssm get-parameters --names nobody", lambda r: r["InvalidParameters"] == ["nobody"]),
    ]:
        if words.startswith("ec2 create-key-pair"):
            j.absent(f"aws {words}", lambda: aws(*words.split()))
            continue
        j.ok(f"aws {words.replace(vpc, 'VPC')}", lambda: aws(*words.split()), *proofs)
    j.ok("aws ec2 delete-security-group", lambda: aws("ec2", "delete-security-group", "--group-id", j.made["typed"]))
