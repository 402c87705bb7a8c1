"""An EKS cluster and who may come in, by EKS's own calls."""

from judge import pages, wait

NAME = "clients"
ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
USER = "arn:aws:iam::111122223333:user/drover"


def judge(j):
    eks = j.client("eks")
    create(j, eks)
    second(j, eks)
    update(j, eks)
    entries(j, eks)
    tags(j, eks)
    addons(j, eks)
    others(j, eks)


def create(j, eks):
    network = {"subnetIds": j.made["subnets"], "securityGroupIds": [j.made["sg"]]}
    j.ok("eks list-clusters, empty", eks.list_clusters, lambda r: r["clusters"] == [])
    j.refused("eks describe-cluster, unknown", "ResourceNotFoundException", lambda: eks.describe_cluster(name="nobody"), 404)
    j.refused("eks create-cluster, unknown role", "InvalidParameterException", lambda: eks.create_cluster(
        name=NAME, roleArn="arn:aws:iam::111122223333:role/nobody", resourcesVpcConfig=network), 400)
    j.refused("eks create-cluster, one zone", "InvalidParameterException", lambda: eks.create_cluster(
        name=NAME, roleArn=j.made["clients-cluster"], resourcesVpcConfig={"subnetIds": j.made["subnets"][:1]}), 400)
    j.refused("eks create-cluster, bad name", "InvalidParameterException", lambda: eks.create_cluster(
        name="-", roleArn=j.made["clients-cluster"], resourcesVpcConfig=network), 400)
    j.ok("eks list-clusters after refusals", eks.list_clusters, lambda r: r["clusters"] == [])

    def make():
        return eks.create_cluster(name=NAME, roleArn=j.made["clients-cluster"], resourcesVpcConfig=network, clientRequestToken="clients-cluster",
                                  accessConfig={"authenticationMode": "API_AND_CONFIG_MAP"}, tags={"a": "b"})["cluster"]

    if not j.ok("eks create-cluster", make, lambda c: c["status"] == "CREATING", lambda c: c["tags"] == {"a": "b"},
                lambda c: c["accessConfig"]["authenticationMode"] == "API_AND_CONFIG_MAP"):
        make_old(j, eks, network)
    else:
        j.ok("eks create-cluster, the same token", make, lambda c: c["name"] == NAME)
    j.refused("eks create-cluster again", "ResourceInUseException", lambda: eks.create_cluster(
        name=NAME, roleArn=j.made["clients-cluster"], resourcesVpcConfig=network), 409)
    j.ok("eks wait cluster-active", lambda: wait(eks, "cluster_active", name=NAME))
    j.made["cluster"] = j.ok("eks describe-cluster", lambda: eks.describe_cluster(name=NAME)["cluster"],
                             lambda c: c["endpoint"].startswith("https://"), lambda c: c["resourcesVpcConfig"]["vpcId"] == j.made["vpc"],
                             lambda c: c["createdAt"].tzinfo is not None, lambda c: c["certificateAuthority"]["data"] != "")
    j.ok("eks list-clusters", lambda: pages(eks, "list_clusters", 1), lambda p: p[0]["clusters"] == [NAME])


def make_old(j, eks, network):
    """By clients that do not know access entries yet."""
    j.ok("eks create-cluster by an old client", lambda: eks.create_cluster(name=NAME, roleArn=j.made["clients-cluster"], resourcesVpcConfig=network),
         lambda r: r["cluster"]["status"] == "CREATING")


def second(j, eks):
    """Another cluster stands beside it, one minor version behind, and goes without it."""
    name, network = NAME + "-old", {"subnetIds": j.made["subnets"]}
    j.ok("eks create-cluster, a second one", lambda: eks.create_cluster(name=name, version="1.35", roleArn=j.made["clients-cluster"],
                                                                        resourcesVpcConfig=network), lambda r: r["cluster"]["version"] == "1.35")
    j.ok("eks wait cluster-active, the second one", lambda: wait(eks, "cluster_active", name=name))
    j.ok("eks describe-cluster, the second one", lambda: eks.describe_cluster(name=name)["cluster"],
         lambda c: c["endpoint"] != j.made["cluster"]["endpoint"], lambda c: c["version"] == "1.35")
    j.ok("eks list-clusters, both", eks.list_clusters, lambda r: r["clusters"] == [NAME, name])
    j.ok("eks delete-cluster, the second one", lambda: eks.delete_cluster(name=name))
    j.ok("eks wait cluster-deleted, the second one", lambda: wait(eks, "cluster_deleted", name=name))
    j.ok("eks list-clusters, the first one", eks.list_clusters, lambda r: r["clusters"] == [NAME])


def update(j, eks):
    logging = {"clusterLogging": [{"types": ["api", "audit"], "enabled": True}]}
    done = j.ok("eks update-cluster-config, logging", lambda: eks.update_cluster_config(name=NAME, logging=logging)["update"],
                lambda u: (u["status"], u["type"]) == ("InProgress", "LoggingUpdate"))
    j.ok("eks describe-update", lambda: eks.describe_update(name=NAME, updateId=done["id"]), lambda r: r["update"]["status"] == "Successful")
    j.ok("eks list-updates", lambda: pages(eks, "list_updates", 5, name=NAME), lambda p: p[0]["updateIds"] == [done["id"]])
    j.ok("eks describe-cluster, logging", lambda: eks.describe_cluster(name=NAME),
         lambda r: r["cluster"]["logging"]["clusterLogging"][0]["types"] == ["api", "audit"])
    j.ok("eks update-cluster-config, endpoint", lambda: eks.update_cluster_config(
        name=NAME, resourcesVpcConfig={"endpointPrivateAccess": True}), lambda r: r["update"]["type"] == "EndpointAccessUpdate")
    j.refused("eks update-cluster-version", "InvalidParameterException", lambda: eks.update_cluster_version(name=NAME, version="1.37"), 400)
    j.refused("eks describe-update, unknown", "ResourceNotFoundException",
              lambda: eks.describe_update(name=NAME, updateId="00000000-0000-4000-8000-000000000000"), 404)
    j.ok("eks describe-cluster-versions", lambda: eks.describe_cluster_versions(), lambda r: len(r["clusterVersions"]) == 5)


def entries(j, eks):
    node = j.made["clients-node"]
    if not hasattr(eks, "list_access_entries"):
        return
    j.ok("eks list-access-entries, the creator's", lambda: eks.list_access_entries(clusterName=NAME), lambda r: r["accessEntries"] == [USER])
    j.ok("eks list-associated-access-policies, the creator's", lambda: eks.list_associated_access_policies(clusterName=NAME, principalArn=USER),
         lambda r: r["associatedAccessPolicies"][0]["policyArn"] == ADMIN)
    j.ok("eks create-access-entry", lambda: eks.create_access_entry(clusterName=NAME, principalArn=node, type="EC2_LINUX"),
         lambda r: r["accessEntry"]["username"] == "system:node:{{EC2PrivateDNSName}}")
    j.refused("eks create-access-entry again", "ResourceInUseException",
              lambda: eks.create_access_entry(clusterName=NAME, principalArn=node, type="EC2_LINUX"), 409)
    viewer = j.made["clients-cluster"]
    j.ok("eks create-access-entry, standard", lambda: eks.create_access_entry(clusterName=NAME, principalArn=viewer, kubernetesGroups=["viewers"]),
         lambda r: r["accessEntry"]["type"] == "STANDARD")
    j.ok("eks update-access-entry", lambda: eks.update_access_entry(clusterName=NAME, principalArn=viewer, kubernetesGroups=["readers"]),
         lambda r: r["accessEntry"]["kubernetesGroups"] == ["readers"])
    j.refused("eks update-access-entry, system:", "InvalidParameterException",
              lambda: eks.update_access_entry(clusterName=NAME, principalArn=viewer, kubernetesGroups=["system:masters"]), 400)
    j.ok("eks associate-access-policy", lambda: eks.associate_access_policy(
        clusterName=NAME, principalArn=viewer, policyArn=VIEW, accessScope={"type": "namespace", "namespaces": ["default"]}),
        lambda r: r["associatedAccessPolicy"]["accessScope"]["namespaces"] == ["default"])
    j.refused("eks associate-access-policy, unknown", "InvalidParameterException", lambda: eks.associate_access_policy(
        clusterName=NAME, principalArn=viewer, policyArn=VIEW + "x", accessScope={"type": "cluster"}), 400)
    j.ok("eks list-access-entries by policy", lambda: eks.list_access_entries(clusterName=NAME, associatedPolicyArn=VIEW),
         lambda r: r["accessEntries"] == [viewer])
    j.ok("eks list-access-entries, pages", lambda: pages(eks, "list_access_entries", 1, clusterName=NAME), lambda p: len(p) == 3)
    j.ok("eks disassociate-access-policy", lambda: eks.disassociate_access_policy(clusterName=NAME, principalArn=viewer, policyArn=VIEW))
    j.ok("eks delete-access-entry", lambda: eks.delete_access_entry(clusterName=NAME, principalArn=viewer))
    j.refused("eks describe-access-entry, gone", "ResourceNotFoundException",
              lambda: eks.describe_access_entry(clusterName=NAME, principalArn=viewer), 404)
    j.ok("eks list-access-policies", eks.list_access_policies, lambda r: ADMIN in [p["arn"] for p in r["accessPolicies"]])


def tags(j, eks):
    arn = j.made["cluster"]["arn"]
    j.ok("eks tag-resource", lambda: eks.tag_resource(resourceArn=arn, tags={"team": "a"}))
    j.ok("eks list-tags-for-resource", lambda: eks.list_tags_for_resource(resourceArn=arn), lambda r: r["tags"]["team"] == "a")
    j.ok("eks untag-resource", lambda: eks.untag_resource(resourceArn=arn, tagKeys=["team"]))
    j.refused("eks tag-resource, unknown", "NotFoundException", lambda: eks.tag_resource(resourceArn=arn + "x", tags={"a": "b"}), 404)


def addons(j, eks):
    j.ok("eks describe-addon-versions", lambda: eks.describe_addon_versions(addonName="vpc-cni", kubernetesVersion="1.36"),
         lambda r: r["addons"][0]["addonVersions"][0]["compatibilities"][0]["clusterVersion"] == "1.36")
    j.refused("eks create-addon, unknown", "InvalidParameterException", lambda: eks.create_addon(clusterName=NAME, addonName="nothing"), 400)
    j.ok("eks create-addon", lambda: eks.create_addon(clusterName=NAME, addonName="vpc-cni"), lambda r: r["addon"]["status"] == "CREATING")
    j.ok("eks wait addon-active", lambda: wait(eks, "addon_active", clusterName=NAME, addonName="vpc-cni"))
    j.ok("eks list-addons", lambda: eks.list_addons(clusterName=NAME), lambda r: r["addons"] == ["vpc-cni"])
    j.ok("eks delete-addon", lambda: eks.delete_addon(clusterName=NAME, addonName="vpc-cni"), lambda r: r["addon"]["status"] == "DELETING")
    j.ok("eks wait addon-deleted", lambda: wait(eks, "addon_deleted", clusterName=NAME, addonName="vpc-cni"))


def others(j, eks):
    """What a cluster here never has is an empty list; what would make it is not implemented."""
    j.ok("eks list-addons", lambda: eks.list_addons(clusterName=NAME), lambda r: r["addons"] == [])
    j.ok("eks list-fargate-profiles", lambda: eks.list_fargate_profiles(clusterName=NAME), lambda r: r["fargateProfileNames"] == [])
    j.ok("eks list-identity-provider-configs", lambda: eks.list_identity_provider_configs(clusterName=NAME),
         lambda r: r["identityProviderConfigs"] == [])
    j.absent("eks create-fargate-profile", lambda: eks.create_fargate_profile(
        fargateProfileName="x", clusterName=NAME, podExecutionRoleArn=j.made["clients-node"]))


def end(j):
    eks = j.client("eks")
    j.ok("eks delete-cluster", lambda: eks.delete_cluster(name=NAME), lambda r: r["cluster"]["status"] == "DELETING")
    j.ok("eks wait cluster-deleted", lambda: wait(eks, "cluster_deleted", name=NAME))
    j.refused("eks describe-cluster, gone", "ResourceNotFoundException", lambda: eks.describe_cluster(name=NAME), 404)
