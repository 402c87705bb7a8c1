"""Roles, policies, instance profiles and OIDC providers, made by IAM's own calls."""

import json

from judge import pages, wait

TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
RIGHTS = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get *", "Resource": "*"}]}
AWS_POLICY = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"
ROLES = ["clients-cluster", "clients-node"]


def judge(j):
    iam = j.client("iam")
    roles(j, iam)
    policies(j, iam)
    profiles(j, iam)
    providers(j, iam)
    sessions(j)
    j.ok("iam get-user", iam.get_user, lambda r: r["User"]["UserName"] == "drover")
    j.refused("iam get-user, unknown", "NoSuchEntity", lambda: iam.get_user(UserName="nobody"), 404)
    j.absent("iam create-user", lambda: iam.create_user(UserName="x"))
    j.absent("iam create-service-linked-role", lambda: iam.create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com"))


def roles(j, iam):
    j.ok("iam list-roles, empty", iam.list_roles, lambda r: r["Roles"] == [], lambda r: r["IsTruncated"] is False)
    for name in ROLES:
        j.made[name] = j.ok(f"iam create-role {name}", lambda: iam.create_role(
            RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST), Description="of the clients", Tags=[{"Key": "a", "Value": "b"}])["Role"],
            lambda r: r["AssumeRolePolicyDocument"] == TRUST, lambda r: r["MaxSessionDuration"] == 3600)["Arn"]
    name = ROLES[0]
    j.ok("iam wait role-exists", lambda: wait(iam, "role_exists", RoleName=name))
    j.refused("iam create-role again", "EntityAlreadyExists",
              lambda: iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST)), 409)
    j.refused("iam create-role, bad policy", "MalformedPolicyDocument", lambda: iam.create_role(RoleName="x", AssumeRolePolicyDocument="{"), 400)
    j.refused("iam get-role, unknown", "NoSuchEntity", lambda: iam.get_role(RoleName="nobody"), 404)
    j.ok("iam list-roles, pages", lambda: pages(iam, "list_roles", 1), lambda p: [len(page["Roles"]) for page in p] == [1, 1])
    j.refused("iam list-roles, bad marker", "ValidationError", lambda: iam.list_roles(Marker="page--1"))
    j.ok("iam update-role", lambda: iam.update_role(RoleName=name, Description="changed", MaxSessionDuration=7200))
    j.ok("iam get-role", lambda: iam.get_role(RoleName=name)["Role"], lambda r: (r["Description"], r["MaxSessionDuration"]) == ("changed", 7200))
    j.ok("iam update-assume-role-policy", lambda: iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(TRUST)))
    j.ok("iam tag-role", lambda: iam.tag_role(RoleName=name, Tags=[{"Key": "c", "Value": "d"}]))
    j.ok("iam untag-role", lambda: iam.untag_role(RoleName=name, TagKeys=["a"]))
    j.ok("iam list-role-tags", lambda: iam.list_role_tags(RoleName=name), lambda r: r["Tags"] == [{"Key": "c", "Value": "d"}])


def policies(j, iam):
    name = ROLES[1]
    j.ok("iam attach-role-policy", lambda: iam.attach_role_policy(RoleName=name, PolicyArn=AWS_POLICY))
    j.refused("iam attach-role-policy, unknown", "NoSuchEntity",
              lambda: iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::111122223333:policy/nobody"), 404)
    j.ok("iam list-attached-role-policies", lambda: iam.list_attached_role_policies(RoleName=name),
         lambda r: r["AttachedPolicies"] == [{"PolicyName": "AmazonEKSWorkerNodePolicy", "PolicyArn": AWS_POLICY}])
    j.refused("iam delete-role, with a policy", "DeleteConflict", lambda: iam.delete_role(RoleName=name), 409)
    j.ok("iam put-role-policy", lambda: iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(RIGHTS)))
    j.ok("iam get-role-policy", lambda: iam.get_role_policy(RoleName=name, PolicyName="own"), lambda r: r["PolicyDocument"] == RIGHTS)
    j.ok("iam list-role-policies", lambda: iam.list_role_policies(RoleName=name), lambda r: r["PolicyNames"] == ["own"])
    j.ok("iam delete-role-policy", lambda: iam.delete_role_policy(RoleName=name, PolicyName="own"))
    j.refused("iam get-role-policy, gone", "NoSuchEntity", lambda: iam.get_role_policy(RoleName=name, PolicyName="own"), 404)
    arn = j.ok("iam create-policy", lambda: iam.create_policy(PolicyName="clients", PolicyDocument=json.dumps(RIGHTS))["Policy"],
               lambda p: p["AttachmentCount"] == 0)["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    j.ok("iam get-policy", lambda: iam.get_policy(PolicyArn=arn), lambda r: r["Policy"]["AttachmentCount"] == 1)
    j.ok("iam get-policy-version", lambda: iam.get_policy_version(PolicyArn=arn, VersionId="v1"), lambda r: r["PolicyVersion"]["Document"] == RIGHTS)
    j.ok("iam list-policies", lambda: iam.list_policies(Scope="Local"), lambda r: [p["Arn"] for p in r["Policies"]] == [arn])
    j.refused("iam delete-policy, attached", "DeleteConflict", lambda: iam.delete_policy(PolicyArn=arn), 409)
    j.ok("iam detach-role-policy", lambda: iam.detach_role_policy(RoleName=name, PolicyArn=arn))
    j.ok("iam delete-policy", lambda: iam.delete_policy(PolicyArn=arn))
    j.absent("iam get-policy of AWS", lambda: iam.get_policy(PolicyArn=AWS_POLICY))


def profiles(j, iam):
    name, role = "clients-node", ROLES[1]
    j.made["profile"] = j.ok("iam create-instance-profile", lambda: iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"],
                             lambda p: p["Roles"] == [])["Arn"]
    j.ok("iam wait instance-profile-exists", lambda: wait(iam, "instance_profile_exists", InstanceProfileName=name))
    j.ok("iam add-role-to-instance-profile", lambda: iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=role))
    j.refused("iam add-role-to-instance-profile, another", "LimitExceeded",
              lambda: iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=ROLES[0]), 409)
    j.ok("iam get-instance-profile", lambda: iam.get_instance_profile(InstanceProfileName=name),
         lambda r: r["InstanceProfile"]["Roles"][0]["RoleName"] == role)
    j.ok("iam list-instance-profiles-for-role", lambda: iam.list_instance_profiles_for_role(RoleName=role), lambda r: len(r["InstanceProfiles"]) == 1)
    j.ok("iam list-instance-profiles", iam.list_instance_profiles, lambda r: len(r["InstanceProfiles"]) == 1)
    j.refused("iam delete-instance-profile, with a role", "DeleteConflict", lambda: iam.delete_instance_profile(InstanceProfileName=name), 409)
    j.refused("iam get-instance-profile, unknown", "NoSuchEntity", lambda: iam.get_instance_profile(InstanceProfileName="nobody"), 404)


def providers(j, iam):
    url = "https://oidc.eks.us-west-2.amazonaws.com/id/CLIENTS"
    arn = j.ok("iam create-open-id-connect-provider", lambda: iam.create_open_id_connect_provider(
        Url=url, ClientIDList=["sts.amazonaws.com"], ThumbprintList=["0" * 40]))["OpenIDConnectProviderArn"]
    j.refused("iam create-open-id-connect-provider again", "EntityAlreadyExists",
              lambda: iam.create_open_id_connect_provider(Url=url, ThumbprintList=["0" * 40]), 409)
    j.ok("iam get-open-id-connect-provider", lambda: iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn),
         lambda r: r["ClientIDList"] == ["sts.amazonaws.com"])
    j.ok("iam list-open-id-connect-providers", iam.list_open_id_connect_providers, lambda r: r["OpenIDConnectProviderList"] == [{"Arn": arn}])
    j.ok("iam delete-open-id-connect-provider", lambda: iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn))
    j.refused("iam get-open-id-connect-provider, gone", "NoSuchEntity", lambda: iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn), 404)


def sessions(j):
    """A role that is assumed is another caller."""
    sts = j.client("sts")
    role = j.made[ROLES[1]]
    given = j.ok("sts assume-role", lambda: sts.assume_role(RoleArn=role, RoleSessionName="me"),
                 lambda r: r["AssumedRoleUser"]["Arn"].endswith(f"assumed-role/{ROLES[1]}/me"))["Credentials"]
    own = j.client("sts", given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    j.ok("sts get-caller-identity of a role", own.get_caller_identity, lambda r: r["Arn"].endswith(f"assumed-role/{ROLES[1]}/me"))
    j.refused("sts assume-role, too long", "ValidationError", lambda: sts.assume_role(RoleArn=role, RoleSessionName="me", DurationSeconds=43200))
    j.refused("sts get-session-token of a role", "AccessDenied", own.get_session_token, 403)


def end(j):
    iam = j.client("iam")
    j.ok("iam remove-role-from-instance-profile", lambda: iam.remove_role_from_instance_profile(
        InstanceProfileName="clients-node", RoleName=ROLES[1]))
    j.ok("iam delete-instance-profile", lambda: iam.delete_instance_profile(InstanceProfileName="clients-node"))
    j.ok("iam detach-role-policy, at last", lambda: iam.detach_role_policy(RoleName=ROLES[1], PolicyArn=AWS_POLICY))
    for name in ROLES:
        j.ok(f"iam delete-role {name}", lambda: iam.delete_role(RoleName=name))
    j.ok("iam list-roles, gone", iam.list_roles, lambda r: r["Roles"] == [])
