"""Classic and Network Load Balancers, by the calls of both versions of ELB."""

import certificates
import groups
from judge import pages, wait


def judge(j):
    classic(j)
    network(j)


def classic(j):
    elb = j.client("elb")
    listener = {"Protocol": "TCP", "LoadBalancerPort": 80, "InstanceProtocol": "TCP", "InstancePort": 30080}
    make = dict(LoadBalancerName="clients", Listeners=[listener], Subnets=j.made["subnets"], SecurityGroups=[j.made["sg"]],
                Tags=[{"Key": "a", "Value": "b"}])
    j.ok("elb describe-load-balancers, empty", elb.describe_load_balancers, lambda r: r["LoadBalancerDescriptions"] == [])
    j.refused("elb describe-load-balancers, unknown", "LoadBalancerNotFound", lambda: elb.describe_load_balancers(LoadBalancerNames=["nobody"]), 400)
    made = j.ok("elb create-load-balancer", lambda: elb.create_load_balancer(**make), lambda r: r["DNSName"].startswith("clients-"))
    j.ok("elb create-load-balancer again", lambda: elb.create_load_balancer(**make), lambda r: r["DNSName"] == made["DNSName"])
    j.refused("elb create-load-balancer, another of the name", "DuplicateLoadBalancerName",
              lambda: elb.create_load_balancer(**{**make, "Listeners": [{**listener, "LoadBalancerPort": 81}]}), 400)
    for port in (0, 99999):
        j.refused(f"elb create-load-balancer, port {port}", "ValidationError", lambda: elb.create_load_balancer(
            **{**make, "LoadBalancerName": "other", "Listeners": [{**listener, "LoadBalancerPort": port}]}))
    j.ok("elb describe-load-balancers", lambda: elb.describe_load_balancers(LoadBalancerNames=["clients"])["LoadBalancerDescriptions"][0],
         lambda b: b["Instances"] == [], lambda b: b["CreatedTime"].tzinfo is not None, lambda b: b["BackendServerDescriptions"] == [],
         lambda b: sorted(b["AvailabilityZones"]) == ["us-west-2a", "us-west-2b"])
    j.ok("elb describe-load-balancers, pages", lambda: pages(elb, "describe_load_balancers", 1), lambda p: len(p) == 1)
    j.ok("elb configure-health-check", lambda: elb.configure_health_check(LoadBalancerName="clients", HealthCheck={
        "Target": "TCP:30080", "Interval": 10, "Timeout": 5, "UnhealthyThreshold": 2, "HealthyThreshold": 2}),
        lambda r: r["HealthCheck"]["Interval"] == 10)
    j.ok("elb modify-load-balancer-attributes", lambda: elb.modify_load_balancer_attributes(
        LoadBalancerName="clients", LoadBalancerAttributes={"ConnectionDraining": {"Enabled": True, "Timeout": 30}}),
        lambda r: r["LoadBalancerAttributes"]["ConnectionDraining"]["Timeout"] == 30)
    j.ok("elb create-load-balancer-listeners", lambda: elb.create_load_balancer_listeners(
        LoadBalancerName="clients", Listeners=[{**listener, "LoadBalancerPort": 443}]))
    j.ok("elb delete-load-balancer-listeners", lambda: elb.delete_load_balancer_listeners(LoadBalancerName="clients", LoadBalancerPorts=[443]))
    j.ok("elb describe-instance-health, empty", lambda: elb.describe_instance_health(LoadBalancerName="clients"), lambda r: r["InstanceStates"] == [])
    j.refused("elb register-instances-with-load-balancer, unknown", "InvalidInstance", lambda: elb.register_instances_with_load_balancer(
        LoadBalancerName="clients", Instances=[{"InstanceId": "i-0123456789abcdef0"}]))
    node = j.client("autoscaling").describe_auto_scaling_instances()["AutoScalingInstances"][0]["InstanceId"]
    j.ok("elb register-instances-with-load-balancer", lambda: elb.register_instances_with_load_balancer(
        LoadBalancerName="clients", Instances=[{"InstanceId": node}]), lambda r: r["Instances"] == [{"InstanceId": node}])
    j.ok("elb describe-instance-health", lambda: elb.describe_instance_health(LoadBalancerName="clients"),
         lambda r: r["InstanceStates"][0]["State"] == "OutOfService")
    j.ok("elb deregister-instances-from-load-balancer", lambda: elb.deregister_instances_from_load_balancer(
        LoadBalancerName="clients", Instances=[{"InstanceId": node}]), lambda r: r["Instances"] == [])
    j.ok("elb describe-tags", lambda: elb.describe_tags(LoadBalancerNames=["clients"]),
         lambda r: r["TagDescriptions"][0]["Tags"] == [{"Key": "a", "Value": "b"}])
    j.ok("elb delete-load-balancer", lambda: elb.delete_load_balancer(LoadBalancerName="clients"))
    j.ok("elb delete-load-balancer, gone", lambda: elb.delete_load_balancer(LoadBalancerName="clients"))
    secure = {**listener, "Protocol": "SSL", "LoadBalancerPort": 443}
    j.refused("elb create-load-balancer, TLS without a certificate", "InvalidConfigurationRequest", lambda: elb.create_load_balancer(
        **{**make, "Listeners": [secure]}), 400)
    j.refused("elb create-load-balancer, unknown certificate", "CertificateNotFound", lambda: elb.create_load_balancer(
        **{**make, "Listeners": [{**secure, "SSLCertificateId": j.made["certificate"] + "0"}]}), 400)
    j.ok("elb create-load-balancer, TLS", lambda: elb.create_load_balancer(**{**make, "Listeners": [{**secure, "SSLCertificateId": j.made["certificate"]}]}))
    j.ok("elb set-load-balancer-listener-ssl-certificate", lambda: elb.set_load_balancer_listener_ssl_certificate(
        LoadBalancerName="clients", LoadBalancerPort=443, SSLCertificateId=j.made["certificate"]))
    j.ok("elb describe-load-balancers, TLS", lambda: elb.describe_load_balancers()["LoadBalancerDescriptions"][0]["ListenerDescriptions"][0]["Listener"],
         lambda made: made["SSLCertificateId"] == j.made["certificate"], lambda made: made["InstanceProtocol"] == "TCP")
    j.ok("elb delete-load-balancer, TLS", lambda: elb.delete_load_balancer(LoadBalancerName="clients"))


def network(j):
    elb = j.client("elbv2")
    j.ok("elbv2 describe-load-balancers, empty", elb.describe_load_balancers, lambda r: r["LoadBalancers"] == [])
    j.ok("elbv2 describe-target-groups, empty", elb.describe_target_groups, lambda r: r["TargetGroups"] == [])
    made = j.ok("elbv2 create-load-balancer", lambda: elb.create_load_balancer(Name="clients", Type="network", Subnets=j.made["subnets"])["LoadBalancers"][0],
                lambda b: b["Type"] == "network", lambda b: b["CreatedTime"].tzinfo is not None)
    arn = made["LoadBalancerArn"]
    j.ok("elbv2 wait load-balancer-exists", lambda: wait(elb, "load_balancer_exists", LoadBalancerArns=[arn]))
    j.ok("elbv2 wait load-balancer-available", lambda: wait(elb, "load_balancer_available", LoadBalancerArns=[arn]))
    group = j.ok("elbv2 create-target-group", lambda: elb.create_target_group(
        Name="clients", Protocol="TCP", Port=30080, VpcId=j.made["vpc"], TargetType="instance")["TargetGroups"][0],
        lambda g: g["LoadBalancerArns"] == [], lambda g: g["HealthCheckProtocol"] == "TCP")["TargetGroupArn"]
    j.refused("elbv2 create-target-group again", "DuplicateTargetGroupName", lambda: elb.create_target_group(
        Name="clients", Protocol="TCP", Port=30081, VpcId=j.made["vpc"]), 400)
    listener = j.ok("elbv2 create-listener", lambda: elb.create_listener(
        LoadBalancerArn=arn, Protocol="TCP", Port=80, DefaultActions=[{"Type": "forward", "TargetGroupArn": group}])["Listeners"][0],
        lambda made: made["DefaultActions"][0]["TargetGroupArn"] == group)["ListenerArn"]
    j.refused("elbv2 create-listener again", "DuplicateListener", lambda: elb.create_listener(
        LoadBalancerArn=arn, Protocol="TCP", Port=80, DefaultActions=[{"Type": "forward", "TargetGroupArn": group}]))
    certificates.listener(j, elb, arn, group)
    j.ok("elbv2 describe-listeners", lambda: pages(elb, "describe_listeners", 1, LoadBalancerArn=arn), lambda p: p[0]["Listeners"][0]["Port"] == 80)
    j.ok("elbv2 describe-rules", lambda: elb.describe_rules(ListenerArn=listener), lambda r: r["Rules"][0]["IsDefault"] is True)
    j.ok("elbv2 modify-target-group-attributes", lambda: elb.modify_target_group_attributes(
        TargetGroupArn=group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "1"}]))
    node = j.client("autoscaling").describe_auto_scaling_instances()["AutoScalingInstances"][0]["InstanceId"]
    j.ok("elbv2 register-targets", lambda: elb.register_targets(TargetGroupArn=group, Targets=[{"Id": node}]))
    j.ok("elbv2 describe-target-health", lambda: elb.describe_target_health(TargetGroupArn=group),
         lambda r: r["TargetHealthDescriptions"][0]["Target"]["Id"] == node)
    j.refused("elbv2 register-targets, unknown", "InvalidTarget",
              lambda: elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "i-0123456789abcdef0"}]))
    j.ok("elbv2 deregister-targets", lambda: elb.deregister_targets(TargetGroupArn=group, Targets=[{"Id": node}]))
    j.ok("elbv2 wait target-deregistered", lambda: wait(elb, "target_deregistered", TargetGroupArn=group, Targets=[{"Id": node}]))
    attachments(j, elb, group)
    j.ok("elbv2 add-tags", lambda: elb.add_tags(ResourceArns=[arn], Tags=[{"Key": "a", "Value": "b"}]))
    j.ok("elbv2 describe-tags", lambda: elb.describe_tags(ResourceArns=[arn]), lambda r: r["TagDescriptions"][0]["Tags"] == [{"Key": "a", "Value": "b"}])
    j.refused("elbv2 describe-load-balancers, unknown", "LoadBalancerNotFound", lambda: elb.describe_load_balancers(Names=["nobody"]))
    j.refused("elbv2 describe-load-balancers, bad marker", "ValidationError", lambda: elb.describe_load_balancers(Marker="page--1"))
    j.refused("elbv2 delete-target-group, in use", "ResourceInUse", lambda: elb.delete_target_group(TargetGroupArn=group))
    j.ok("elbv2 delete-listener", lambda: elb.delete_listener(ListenerArn=listener))
    j.ok("elbv2 delete-load-balancer", lambda: elb.delete_load_balancer(LoadBalancerArn=arn))
    j.ok("elbv2 wait load-balancers-deleted", lambda: wait(elb, "load_balancers_deleted", LoadBalancerArns=[arn]))
    j.ok("elbv2 delete-target-group", lambda: elb.delete_target_group(TargetGroupArn=group))


def attachments(j, elb, target_group):
    """The group that the chapter before has made registers its instances itself."""
    scaling, name = j.client("autoscaling"), "clients"
    source = {"Identifier": target_group, "Type": "elbv2"}

    def state():
        return [s["State"] for s in scaling.describe_traffic_sources(AutoScalingGroupName=name)["TrafficSources"]]

    def registered():
        return len(elb.describe_target_health(TargetGroupArn=target_group)["TargetHealthDescriptions"])

    size = len(groups.group(scaling)["Instances"])
    j.refused("autoscaling attach-traffic-sources, unknown", "ValidationError", lambda: scaling.attach_traffic_sources(
        AutoScalingGroupName=name, TrafficSources=[{**source, "Identifier": target_group + "0"}]))
    j.ok("autoscaling attach-traffic-sources", lambda: scaling.attach_traffic_sources(AutoScalingGroupName=name, TrafficSources=[source]),
         lambda _: groups.until(lambda: registered() == size and state() == ["Added"]))
    j.ok("autoscaling describe-auto-scaling-groups, attached", lambda: groups.group(scaling), lambda g: g["TargetGroupARNs"] == [target_group],
         lambda g: g["TrafficSources"] == [source])
    j.ok("autoscaling describe-load-balancer-target-groups", lambda: scaling.describe_load_balancer_target_groups(AutoScalingGroupName=name),
         lambda r: r["LoadBalancerTargetGroups"][0]["LoadBalancerTargetGroupARN"] == target_group)
    j.ok("autoscaling describe-load-balancers, none", lambda: scaling.describe_load_balancers(AutoScalingGroupName=name), lambda r: r["LoadBalancers"] == [])
    j.ok("autoscaling detach-load-balancer-target-groups", lambda: scaling.detach_load_balancer_target_groups(
        AutoScalingGroupName=name, TargetGroupARNs=[target_group]), lambda _: groups.until(lambda: registered() == 0 and state() == []))
    j.refused("autoscaling detach-load-balancer-target-groups again", "ValidationError", lambda: scaling.detach_load_balancer_target_groups(
        AutoScalingGroupName=name, TargetGroupARNs=[target_group]))
