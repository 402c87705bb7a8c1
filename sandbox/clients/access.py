"""Who may call: signatures, keys and sessions, in each service's words."""

READS = {
    "sts": lambda c: c.get_caller_identity(),
    "iam": lambda c: c.list_roles(),
    "ec2": lambda c: c.describe_vpcs(),
    "autoscaling": lambda c: c.describe_auto_scaling_groups(),
    "elb": lambda c: c.describe_load_balancers(),
    "elbv2": lambda c: c.describe_load_balancers(),
    "eks": lambda c: c.list_clusters(),
    "ssm": lambda c: c.get_parameters(Names=["x"]),
    "acm": lambda c: c.list_certificates(),
    "cloudcontrol": lambda c: c.list_resource_requests(),
}
EC2, JSON = ("ec2",), ("eks", "ssm", "acm", "cloudcontrol")


def code(service, query, ec2, json):
    return ec2 if service in EC2 else json if service in JSON else query


def judge(j):
    sts = j.client("sts")
    j.ok("sts get-caller-identity", sts.get_caller_identity, lambda r: r["Account"] == "111122223333", lambda r: ":user/" in r["Arn"])
    session = j.ok("sts get-session-token", lambda: sts.get_session_token(DurationSeconds=900)["Credentials"],
                   lambda c: c["AccessKeyId"].startswith("ASIA"), lambda c: c["Expiration"].tzinfo is not None)
    j.refused("sts get-session-token, too short", "ValidationError", lambda: sts.get_session_token(DurationSeconds=901 * 1000))
    j.refused("sts assume-role, unknown", "AccessDenied",
              lambda: sts.assume_role(RoleArn="arn:aws:iam::111122223333:role/nobody", RoleSessionName="me"), 403)
    j.absent("sts decode-authorization-message", lambda: sts.decode_authorization_message(EncodedMessage="AAAA"))
    for service, read in READS.items():
        unknown = code(service, "InvalidClientTokenId", "AuthFailure", "UnrecognizedClientException")
        bad = code(service, "SignatureDoesNotMatch", "AuthFailure", "InvalidSignatureException")
        if session:
            own = j.client(service, session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
            j.ok(f"{service}: a session", lambda: read(own))
            other = j.client(service, session["AccessKeyId"], session["SecretAccessKey"], "another")
            j.refused(f"{service}: another session's token", unknown, lambda: read(other))
        token = j.client(service, token="a token with a permanent key")
        j.refused(f"{service}: a token with a permanent key", unknown, lambda: read(token))
        key = j.client(service, key="AKIAUNKNOWN000000000")
        j.refused(f"{service}: an unknown key", unknown, lambda: read(key))
        secret = j.client(service, secret="wrong")
        j.refused(f"{service}: a wrong secret", bad, lambda: read(secret))
