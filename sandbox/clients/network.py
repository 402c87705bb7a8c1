"""A network, made by EC2's own calls."""

from judge import pages, wait

ABSENT_IDS = "0123456789abcdef0"


def tags(kind, **values):
    return [{"ResourceType": kind, "Tags": [{"Key": k, "Value": v} for k, v in values.items()]}]


def judge(j):
    ec2 = j.client("ec2")
    empty(j, ec2)
    vpcs(j, ec2)
    subnets(j, ec2)
    gateways(j, ec2)
    routes(j, ec2)
    security_groups(j, ec2)
    tagging(j, ec2)
    unknown(j, ec2)
    absent(j, ec2)


def empty(j, ec2):
    for operation, key in {"describe_vpcs": "Vpcs", "describe_subnets": "Subnets", "describe_internet_gateways": "InternetGateways",
                           "describe_nat_gateways": "NatGateways", "describe_addresses": "Addresses", "describe_route_tables": "RouteTables",
                           "describe_security_groups": "SecurityGroups", "describe_network_interfaces": "NetworkInterfaces",
                           "describe_instances": "Reservations", "describe_instance_status": "InstanceStatuses",
                           "describe_launch_templates": "LaunchTemplates", "describe_tags": "Tags",
                           "describe_security_group_rules": "SecurityGroupRules"}.items():
        j.ok(f"ec2 {operation}, empty", getattr(ec2, operation), lambda r: r[key] == [])
        j.refused(f"ec2 {operation}, unknown filter", "InvalidParameterValue",
                  lambda: getattr(ec2, operation)(Filters=[{"Name": "colour", "Values": ["red"]}]), 400)
        j.refused(f"ec2 {operation}, dry run", "DryRunOperation", lambda: getattr(ec2, operation)(DryRun=True), 412)
        if operation != "describe_addresses":
            j.refused(f"ec2 {operation}, bad token", "InvalidParameterValue", lambda: getattr(ec2, operation)(NextToken="page--1"))
    j.ok("ec2 describe-regions", ec2.describe_regions, lambda r: r["Regions"][0]["RegionName"] == "us-west-2")
    j.ok("ec2 describe-availability-zones", ec2.describe_availability_zones, lambda r: len(r["AvailabilityZones"]) == 4)
    j.refused("ec2 describe-availability-zones, unknown", "InvalidParameterValue",
              lambda: ec2.describe_availability_zones(ZoneNames=["us-west-2x"]))
    j.ok("ec2 describe-account-attributes", ec2.describe_account_attributes, lambda r: len(r["AccountAttributes"]) == 2)
    j.ok("ec2 describe-instance-types", lambda: ec2.describe_instance_types(InstanceTypes=["t2.micro", "m6i.large"]),
         lambda r: {t["InstanceType"]: (t["Hypervisor"], t["CurrentGeneration"]) for t in r["InstanceTypes"]}
         == {"t2.micro": ("xen", True), "m6i.large": ("nitro", True)})
    j.ok("ec2 describe-instance-types, pages", lambda: pages(ec2, "describe_instance_types", 20),
         lambda p: len(p) > 5, lambda p: len({t["InstanceType"] for page in p for t in page["InstanceTypes"]}) > 100)
    j.refused("ec2 describe-instance-types, unknown", "InvalidInstanceType", lambda: ec2.describe_instance_types(InstanceTypes=["m9.tiny"]))
    j.ok("ec2 describe-instance-type-offerings", lambda: ec2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["m6i.large"]}]),
        lambda r: len(r["InstanceTypeOfferings"]) == 4)
    j.ok("ec2 describe-images", lambda: ec2.describe_images(
        Owners=["amazon"], Filters=[{"Name": "name", "Values": ["amazon-eks-node-al2023-x86_64-standard-1.35-*"]}]),
        lambda r: len(r["Images"]) >= 1,
         lambda r: j.made.update(image=max(r["Images"], key=lambda i: i["Name"])["ImageId"]) is None)
    j.ok("ec2 describe-images of this account", lambda: ec2.describe_images(Owners=["self"]), lambda r: r["Images"] == [])


def vpcs(j, ec2):
    j.refused("ec2 create-vpc, dry run", "DryRunOperation", lambda: ec2.create_vpc(CidrBlock="172.16.0.0/16", DryRun=True), 412)
    j.ok("ec2 describe-vpcs after the dry run", ec2.describe_vpcs, lambda r: r["Vpcs"] == [])
    j.refused("ec2 create-vpc, bad block", "InvalidParameterValue", lambda: ec2.create_vpc(CidrBlock="a"))
    j.refused("ec2 create-vpc, block too large", "InvalidVpc.Range", lambda: ec2.create_vpc(CidrBlock="10.0.0.0/8"))
    made = j.ok("ec2 create-vpc", lambda: ec2.create_vpc(CidrBlock="172.16.0.0/16", TagSpecifications=tags("vpc", Name="clients"))["Vpc"],
                lambda v: v["State"] in ("pending", "available"), lambda v: v["Tags"] == [{"Key": "Name", "Value": "clients"}])
    j.made["vpc"] = vpc = made["VpcId"]
    j.refused("ec2 create-vpc, tags of something else", "InvalidParameterValue",
              lambda: ec2.create_vpc(CidrBlock="172.17.0.0/16", TagSpecifications=tags("subnet", Name="x")))
    j.ok("ec2 wait vpc-exists", lambda: wait(ec2, "vpc_exists", VpcIds=[vpc]))
    j.ok("ec2 wait vpc-available", lambda: wait(ec2, "vpc_available", VpcIds=[vpc]))
    j.ok("ec2 modify-vpc-attribute", lambda: ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True}))
    j.ok("ec2 describe-vpc-attribute", lambda: ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsHostnames"),
         lambda r: r["EnableDnsHostnames"]["Value"] is True)
    for name, values in {"vpc-id": [vpc], "cidr": ["172.16.*"], "state": ["available"], "is-default": ["false"],
                         "tag:Name": ["clients"], "tag-key": ["Name"]}.items():
        j.ok(f"ec2 describe-vpcs by {name}", lambda: ec2.describe_vpcs(Filters=[{"Name": name, "Values": values}]), lambda r: len(r["Vpcs"]) == 1)
        j.ok(f"ec2 describe-vpcs by another {name}", lambda: ec2.describe_vpcs(Filters=[{"Name": name, "Values": ["nothing"]}]),
             lambda r: r["Vpcs"] == [])
    others = [ec2.create_vpc(CidrBlock=f"192.168.{n}.0/24")["Vpc"]["VpcId"] for n in range(6)]
    j.ok("ec2 describe-vpcs, pages", lambda: pages(ec2, "describe_vpcs", 5), lambda p: [len(page["Vpcs"]) for page in p] == [5, 2])
    for other in others:
        ec2.delete_vpc(VpcId=other)


def subnets(j, ec2):
    j.made["subnets"] = []
    vpc = j.made["vpc"]
    for number, zone in enumerate(["us-west-2a", "us-west-2b"]):
        made = j.ok(f"ec2 create-subnet {zone}", lambda: ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"172.16.{32 * number}.0/19", AvailabilityZone=zone,
            TagSpecifications=tags("subnet", **{"kubernetes.io/role/elb": "1"}))["Subnet"],
            lambda s: s["AvailabilityZone"] == zone, lambda s: s["DefaultForAz"] is False, lambda s: s["AvailableIpAddressCount"] == 8187)
        j.made["subnets"].append(made["SubnetId"])
    first = j.made["subnets"][0]
    j.ok("ec2 wait subnet-available", lambda: wait(ec2, "subnet_available", SubnetIds=j.made["subnets"]))
    j.ok("ec2 modify-subnet-attribute", lambda: ec2.modify_subnet_attribute(SubnetId=first, MapPublicIpOnLaunch={"Value": True}))
    j.ok("ec2 describe-subnets", lambda: ec2.describe_subnets(Filters=[{"Name": "map-public-ip-on-launch", "Values": ["true"]}]),
         lambda r: [s["SubnetId"] for s in r["Subnets"]] == [first])
    ec2.modify_subnet_attribute(SubnetId=j.made["subnets"][1], MapPublicIpOnLaunch={"Value": True})
    j.refused("ec2 create-subnet, taken block", "InvalidSubnet.Conflict", lambda: ec2.create_subnet(VpcId=vpc, CidrBlock="172.16.0.0/24"))
    j.refused("ec2 create-subnet, outside of the vpc", "InvalidSubnet.Range", lambda: ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24"))
    j.refused("ec2 create-subnet, unknown zone", "InvalidParameterValue",
              lambda: ec2.create_subnet(VpcId=vpc, CidrBlock="172.16.200.0/24", AvailabilityZone="us-west-2x"))
    j.refused("ec2 delete-vpc, in use", "DependencyViolation", lambda: ec2.delete_vpc(VpcId=vpc), 400)


def gateways(j, ec2):
    vpc, subnet = j.made["vpc"], j.made["subnets"][0]
    j.made["igw"] = igw = j.ok("ec2 create-internet-gateway", lambda: ec2.create_internet_gateway(
        TagSpecifications=tags("internet-gateway", Name="clients"))["InternetGateway"], lambda g: g["Attachments"] == [])["InternetGatewayId"]
    j.ok("ec2 wait internet-gateway-exists", lambda: wait(ec2, "internet_gateway_exists", InternetGatewayIds=[igw]))
    j.ok("ec2 attach-internet-gateway", lambda: ec2.attach_internet_gateway(InternetGatewayId=igw, VpcId=vpc))
    j.refused("ec2 attach-internet-gateway again", "Resource.AlreadyAssociated", lambda: ec2.attach_internet_gateway(InternetGatewayId=igw, VpcId=vpc))
    j.ok("ec2 describe-internet-gateways", lambda: ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}]),
         lambda r: r["InternetGateways"][0]["Attachments"] == [{"State": "available", "VpcId": vpc}])
    j.refused("ec2 delete-internet-gateway, attached", "DependencyViolation", lambda: ec2.delete_internet_gateway(InternetGatewayId=igw))
    address = j.ok("ec2 allocate-address", lambda: ec2.allocate_address(Domain="vpc", TagSpecifications=tags("elastic-ip", Name="nat")),
                   lambda a: a["Domain"] == "vpc")
    allocation = address["AllocationId"]
    j.ok("ec2 describe-addresses", lambda: ec2.describe_addresses(AllocationIds=[allocation]),
         lambda r: r["Addresses"][0]["PublicIp"] == address["PublicIp"], lambda r: r["Addresses"][0]["Tags"][0]["Value"] == "nat")
    nat = j.ok("ec2 create-nat-gateway", lambda: ec2.create_nat_gateway(SubnetId=subnet, AllocationId=allocation, ClientToken="clients-nat")["NatGateway"],
               lambda n: n["State"] == "pending", lambda n: n["CreateTime"] is not None)["NatGatewayId"]
    j.ok("ec2 create-nat-gateway, the same token", lambda: ec2.create_nat_gateway(
        SubnetId=subnet, AllocationId=allocation, ClientToken="clients-nat"), lambda r: r["NatGateway"]["NatGatewayId"] == nat)
    j.refused("ec2 create-nat-gateway, the token of another request", "IdempotentParameterMismatch", lambda: ec2.create_nat_gateway(
        SubnetId=j.made["subnets"][1], AllocationId=allocation, ClientToken="clients-nat"))
    j.ok("ec2 wait nat-gateway-available", lambda: wait(ec2, "nat_gateway_available", NatGatewayIds=[nat]))
    j.refused("ec2 release-address, in use", "InvalidIPAddress.InUse", lambda: ec2.release_address(AllocationId=allocation))
    j.ok("ec2 delete-nat-gateway", lambda: ec2.delete_nat_gateway(NatGatewayId=nat), lambda r: r["NatGatewayId"] == nat)
    j.ok("ec2 wait nat-gateway-deleted", lambda: wait(ec2, "nat_gateway_deleted", NatGatewayIds=[nat]))
    j.ok("ec2 release-address", lambda: ec2.release_address(AllocationId=allocation))


def routes(j, ec2):
    vpc, igw, subnets = j.made["vpc"], j.made["igw"], j.made["subnets"]
    j.made["table"] = table = j.ok("ec2 create-route-table", lambda: ec2.create_route_table(VpcId=vpc)["RouteTable"],
                                   lambda t: t["Routes"][0]["GatewayId"] == "local")["RouteTableId"]
    j.ok("ec2 create-route", lambda: ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=igw), lambda r: r["Return"] is True)
    j.refused("ec2 create-route again", "RouteAlreadyExists", lambda: ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=igw))
    j.refused("ec2 create-route, unknown gateway", "InvalidGatewayID.NotFound",
              lambda: ec2.create_route(RouteTableId=table, DestinationCidrBlock="1.0.0.0/8", GatewayId=f"igw-{ABSENT_IDS}"))
    j.ok("ec2 replace-route", lambda: ec2.replace_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=igw))
    j.refused("ec2 replace-route, unknown", "InvalidRoute.NotFound",
              lambda: ec2.replace_route(RouteTableId=table, DestinationCidrBlock="1.0.0.0/8", GatewayId=igw))
    j.made["associations"] = [j.ok("ec2 associate-route-table", lambda: ec2.associate_route_table(RouteTableId=table, SubnetId=s),
                                   lambda r: r["AssociationState"]["State"] == "associated")["AssociationId"] for s in subnets]
    second = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    moved = j.ok("ec2 replace-route-table-association", lambda: ec2.replace_route_table_association(
        AssociationId=j.made["associations"][0], RouteTableId=second))["NewAssociationId"]
    j.made["associations"][0] = ec2.replace_route_table_association(AssociationId=moved, RouteTableId=table)["NewAssociationId"]
    j.ok("ec2 delete-route-table", lambda: ec2.delete_route_table(RouteTableId=second))
    j.ok("ec2 describe-route-tables", lambda: ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [subnets[0]]}]),
         lambda r: r["RouteTables"][0]["RouteTableId"] == table, lambda r: len(r["RouteTables"][0]["Associations"]) == 2)
    j.ok("ec2 describe-route-tables, main", lambda: ec2.describe_route_tables(Filters=[{"Name": "association.main", "Values": ["true"]}]),
         lambda r: len(r["RouteTables"]) == 1)
    j.refused("ec2 delete-route-table, in use", "DependencyViolation", lambda: ec2.delete_route_table(RouteTableId=table))


def security_groups(j, ec2):
    vpc = j.made["vpc"]
    j.made["sg"] = group = j.ok("ec2 create-security-group", lambda: ec2.create_security_group(
        GroupName="clients", Description="of the clients", VpcId=vpc, TagSpecifications=tags("security-group", Name="clients")))["GroupId"]
    j.refused("ec2 create-security-group again", "InvalidGroup.Duplicate",
              lambda: ec2.create_security_group(GroupName="clients", Description="again", VpcId=vpc))
    j.refused("ec2 create-security-group, no vpc", "VPCIdNotSpecified", lambda: ec2.create_security_group(GroupName="x", Description="x"))
    j.ok("ec2 wait security-group-exists", lambda: wait(ec2, "security_group_exists", GroupIds=[group]))
    web = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "web"}]}]
    rule = j.ok("ec2 authorize-security-group-ingress", lambda: ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=web),
                lambda r: r["Return"] is True, lambda r: r["SecurityGroupRules"][0]["CidrIpv4"] == "0.0.0.0/0")
    j.refused("ec2 authorize-security-group-ingress again", "InvalidPermission.Duplicate",
              lambda: ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=web))
    j.refused("ec2 authorize-security-group-ingress, bad port", "InvalidParameterValue", lambda: ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 99999, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]))
    j.ok("ec2 authorize-security-group-ingress, the group itself", lambda: ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]))
    j.ok("ec2 describe-security-groups", lambda: ec2.describe_security_groups(GroupIds=[group]),
         lambda r: len(r["SecurityGroups"][0]["IpPermissions"]) == 2, lambda r: len(r["SecurityGroups"][0]["IpPermissionsEgress"]) == 1)
    j.ok("ec2 describe-security-group-rules", lambda: ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}]),
         lambda r: len(r["SecurityGroupRules"]) == 3)
    j.ok("ec2 revoke-security-group-ingress by rule", lambda: ec2.revoke_security_group_ingress(
        GroupId=group, SecurityGroupRuleIds=[rule["SecurityGroupRules"][0]["SecurityGroupRuleId"]]), lambda r: r["Return"] is True)
    j.refused("ec2 revoke-security-group-ingress, unknown", "InvalidPermission.NotFound",
              lambda: ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=web))
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    j.ok("ec2 revoke-security-group-egress", lambda: ec2.revoke_security_group_egress(GroupId=group, IpPermissions=everything))
    j.ok("ec2 authorize-security-group-egress", lambda: ec2.authorize_security_group_egress(GroupId=group, IpPermissions=everything),
         lambda r: r["SecurityGroupRules"][0]["IsEgress"] is True)


def tagging(j, ec2):
    vpc, subnet = j.made["vpc"], j.made["subnets"][0]
    j.ok("ec2 create-tags", lambda: ec2.create_tags(Resources=[vpc, subnet], Tags=[{"Key": "team", "Value": "a"}]))
    j.ok("ec2 describe-tags", lambda: ec2.describe_tags(Filters=[{"Name": "key", "Values": ["team"]}]),
         lambda r: {t["ResourceId"] for t in r["Tags"]} == {vpc, subnet})
    j.refused("ec2 create-tags, aws:", "InvalidParameterValue", lambda: ec2.create_tags(Resources=[vpc], Tags=[{"Key": "aws:x", "Value": "a"}]))
    j.refused("ec2 create-tags, unknown", "InvalidVpcID.NotFound",
              lambda: ec2.create_tags(Resources=[vpc, f"vpc-{ABSENT_IDS}"], Tags=[{"Key": "k", "Value": "v"}]))
    j.refused("ec2 create-tags, dry run", "DryRunOperation", lambda: ec2.create_tags(Resources=[vpc], Tags=[{"Key": "dry", "Value": "v"}], DryRun=True))
    j.ok("ec2 delete-tags", lambda: ec2.delete_tags(Resources=[vpc, subnet], Tags=[{"Key": "team"}]))
    j.ok("ec2 describe-tags, gone", lambda: ec2.describe_tags(Filters=[{"Name": "key", "Values": ["team", "dry"]}]), lambda r: r["Tags"] == [])


def unknown(j, ec2):
    for name, code, call in [
        ("describe-vpcs", "InvalidVpcID.NotFound", lambda: ec2.describe_vpcs(VpcIds=[f"vpc-{ABSENT_IDS}"])),
        ("describe-subnets", "InvalidSubnetID.NotFound", lambda: ec2.describe_subnets(SubnetIds=[f"subnet-{ABSENT_IDS}"])),
        ("describe-internet-gateways", "InvalidInternetGatewayID.NotFound",
         lambda: ec2.describe_internet_gateways(InternetGatewayIds=[f"igw-{ABSENT_IDS}"])),
        ("describe-nat-gateways", "NatGatewayNotFound", lambda: ec2.describe_nat_gateways(NatGatewayIds=[f"nat-{ABSENT_IDS}"])),
        ("describe-route-tables", "InvalidRouteTableID.NotFound", lambda: ec2.describe_route_tables(RouteTableIds=[f"rtb-{ABSENT_IDS}"])),
        ("describe-security-groups", "InvalidGroup.NotFound", lambda: ec2.describe_security_groups(GroupIds=[f"sg-{ABSENT_IDS}"])),
        ("describe-security-groups by name", "InvalidGroup.NotFound", lambda: ec2.describe_security_groups(GroupNames=["nobody"])),
        ("describe-network-interfaces", "InvalidNetworkInterfaceID.NotFound",
         lambda: ec2.describe_network_interfaces(NetworkInterfaceIds=[f"eni-{ABSENT_IDS}"])),
        ("describe-addresses", "InvalidAllocationID.NotFound", lambda: ec2.describe_addresses(AllocationIds=[f"eipalloc-{ABSENT_IDS}"])),
        ("describe-addresses by address", "InvalidAddress.NotFound", lambda: ec2.describe_addresses(PublicIps=["203.0.113.200"])),
        ("describe-instances", "InvalidInstanceID.NotFound", lambda: ec2.describe_instances(InstanceIds=[f"i-{ABSENT_IDS}"])),
        ("describe-instances, malformed", "InvalidInstanceID.Malformed", lambda: ec2.describe_instances(InstanceIds=["bogus"])),
        ("describe-launch-templates", "InvalidLaunchTemplateId.NotFound",
         lambda: ec2.describe_launch_templates(LaunchTemplateIds=[f"lt-{ABSENT_IDS}"])),
        ("describe-launch-templates by name", "InvalidLaunchTemplateName.NotFoundException",
         lambda: ec2.describe_launch_templates(LaunchTemplateNames=["nobody"])),
        ("describe-launch-template-versions by name", "InvalidLaunchTemplateName.NotFoundException",
         lambda: ec2.describe_launch_template_versions(LaunchTemplateName="nobody")),
        ("describe-images", "InvalidAMIID.NotFound", lambda: ec2.describe_images(ImageIds=[f"ami-{ABSENT_IDS}"])),
        ("delete-subnet", "InvalidSubnetID.NotFound", lambda: ec2.delete_subnet(SubnetId=f"subnet-{ABSENT_IDS}")),
        ("delete-security-group", "InvalidGroup.NotFound", lambda: ec2.delete_security_group(GroupId=f"sg-{ABSENT_IDS}")),
    ]:
        j.refused(f"ec2 {name}, unknown", code, call, 400)


def absent(j, ec2):
    j.absent("ec2 describe-snapshots", ec2.describe_snapshots)
    j.absent("ec2 create-network-interface", lambda: ec2.create_network_interface(SubnetId=j.made["subnets"][0]))
    j.absent("ec2 create-vpc-peering-connection", lambda: ec2.create_vpc_peering_connection(VpcId=j.made["vpc"], PeerVpcId=j.made["vpc"]))
    j.absent("ec2 create-vpc with a pool", lambda: ec2.create_vpc(CidrBlock="10.9.0.0/16", Ipv4IpamPoolId="pool"))


def end(j):
    """Everything is taken away, in the order that AWS wants."""
    ec2 = j.client("ec2")
    made = j.made
    j.ok("ec2 delete-security-group", lambda: ec2.delete_security_group(GroupId=made["sg"]))
    for association in made["associations"]:
        j.ok("ec2 disassociate-route-table", lambda: ec2.disassociate_route_table(AssociationId=association))
    j.ok("ec2 delete-route", lambda: ec2.delete_route(RouteTableId=made["table"], DestinationCidrBlock="0.0.0.0/0"))
    j.ok("ec2 delete-route-table, at last", lambda: ec2.delete_route_table(RouteTableId=made["table"]))
    j.ok("ec2 detach-internet-gateway", lambda: ec2.detach_internet_gateway(InternetGatewayId=made["igw"], VpcId=made["vpc"]))
    j.ok("ec2 delete-internet-gateway", lambda: ec2.delete_internet_gateway(InternetGatewayId=made["igw"]))
    for subnet in made["subnets"]:
        j.ok("ec2 delete-subnet", lambda: ec2.delete_subnet(SubnetId=subnet))
    j.ok("ec2 delete-vpc", lambda: ec2.delete_vpc(VpcId=made["vpc"]))
    j.ok("ec2 describe-vpcs, gone", ec2.describe_vpcs, lambda r: r["Vpcs"] == [])
