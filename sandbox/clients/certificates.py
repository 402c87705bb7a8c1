"""Certificates of ACM: requested ones, and one that openssl has signed."""

import os
import shutil
import subprocess
import tempfile

from judge import pages, wait

NAME = "clients.example.com"


def judge(j):
    acm = j.client("acm")
    request(j, acm)
    tags(j, acm)
    imported(j, acm)


def request(j, acm):
    j.ok("acm list-certificates, empty", acm.list_certificates, lambda r: r["CertificateSummaryList"] == [])
    j.refused("acm describe-certificate, malformed", "InvalidArnException", lambda: acm.describe_certificate(CertificateArn="arn:aws:acm:us-west-2:nobody"), 400)
    unknown = "arn:aws:acm:us-west-2:111122223333:certificate/12345678-1234-1234-1234-123456789012"
    j.refused("acm describe-certificate, unknown", "ResourceNotFoundException", lambda: acm.describe_certificate(CertificateArn=unknown), 400)
    j.refused("acm request-certificate, no name", "ValidationException", lambda: acm.request_certificate(DomainName="-"), 400)
    j.refused("acm request-certificate, another domain validates", "InvalidDomainValidationOptionsException", lambda: acm.request_certificate(
        DomainName=NAME, ValidationMethod="EMAIL", DomainValidationOptions=[{"DomainName": NAME, "ValidationDomain": "example.org"}]), 400)
    j.refused("acm request-certificate, reserved tag", "InvalidTagException", lambda: acm.request_certificate(
        DomainName=NAME, Tags=[{"Key": "aws:x", "Value": "y"}]), 400)

    def make():
        return acm.request_certificate(DomainName=NAME, SubjectAlternativeNames=["*.clients.example.com"], ValidationMethod="DNS",
                                       IdempotencyToken="clients", Tags=[{"Key": "a", "Value": "b"}])["CertificateArn"]

    arn = j.made["certificate"] = j.ok("acm request-certificate", make, lambda a: a.startswith("arn:aws:acm:us-west-2:111122223333:certificate/"))
    j.ok("acm request-certificate, the same token", make, lambda a: a == arn)
    j.ok("acm wait certificate-validated", lambda: wait(acm, "certificate_validated", CertificateArn=arn))
    j.ok("acm describe-certificate", lambda: acm.describe_certificate(CertificateArn=arn)["Certificate"], lambda c: c["Status"] == "ISSUED",
         lambda c: c["Type"] == "AMAZON_ISSUED", lambda c: c["CreatedAt"].tzinfo is not None, lambda c: c["NotAfter"] > c["IssuedAt"],
         lambda c: c["SubjectAlternativeNames"] == [NAME, "*.clients.example.com"], lambda c: c["InUseBy"] == [],
         lambda c: c["DomainValidationOptions"][0]["ResourceRecord"]["Type"] == "CNAME",
         lambda c: c["ExtendedKeyUsages"][0] == {"Name": "TLS_WEB_SERVER_AUTHENTICATION", "OID": "1.3.6.1.5.5.7.3.1"})
    j.ok("acm get-certificate", lambda: acm.get_certificate(CertificateArn=arn), lambda r: r["Certificate"].startswith("-----BEGIN CERTIFICATE-----"),
         lambda r: r["CertificateChain"].startswith("-----BEGIN CERTIFICATE-----"))
    j.ok("acm list-certificates", lambda: pages(acm, "list_certificates", 1, CertificateStatuses=["ISSUED"]),
         lambda p: p[0]["CertificateSummaryList"][0]["CertificateArn"] == arn)
    j.ok("acm list-certificates, other keys", lambda: acm.list_certificates(Includes={"keyTypes": ["EC_prime256v1"]}),
         lambda r: r["CertificateSummaryList"] == [])
    j.absent("acm export-certificate", lambda: acm.export_certificate(CertificateArn=arn, Passphrase=b"pass"))


def tags(j, acm):
    arn = j.made["certificate"]
    j.ok("acm add-tags-to-certificate", lambda: acm.add_tags_to_certificate(CertificateArn=arn, Tags=[{"Key": "c"}]))
    j.ok("acm list-tags-for-certificate", lambda: acm.list_tags_for_certificate(CertificateArn=arn),
         lambda r: r["Tags"] == [{"Key": "a", "Value": "b"}, {"Key": "c"}])
    j.ok("acm remove-tags-from-certificate", lambda: acm.remove_tags_from_certificate(CertificateArn=arn, Tags=[{"Key": "c"}]),
         lambda _: len(acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]) == 1)


def imported(j, acm):
    if not shutil.which("openssl"):
        j.skip("acm import-certificate: no openssl")
        return
    with tempfile.TemporaryDirectory() as folder:
        key, cert = os.path.join(folder, "key"), os.path.join(folder, "cert")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "30",
                        "-subj", "/CN=imported.example.com", "-addext", "subjectAltName=DNS:imported.example.com"], check=True, capture_output=True)
        with open(key, "rb") as k, open(cert, "rb") as c:
            pair = dict(PrivateKey=k.read(), Certificate=c.read())
    j.refused("acm import-certificate, no key", "ValidationException", lambda: acm.import_certificate(**{**pair, "PrivateKey": b"hello"}), 400)
    arn = j.ok("acm import-certificate", lambda: acm.import_certificate(**pair)["CertificateArn"])
    j.ok("acm import-certificate again", lambda: acm.import_certificate(CertificateArn=arn, **pair), lambda r: r["CertificateArn"] == arn)
    j.ok("acm describe-certificate, imported", lambda: acm.describe_certificate(CertificateArn=arn)["Certificate"], lambda c: c["Type"] == "IMPORTED",
         lambda c: c["DomainName"] == "imported.example.com", lambda c: c["ImportedAt"].tzinfo is not None)
    j.ok("acm delete-certificate, imported", lambda: acm.delete_certificate(CertificateArn=arn))


def listener(j, elb, balancer, group):
    """A listener at which TLS ends, of the chapter about load balancers."""
    acm, arn = j.client("acm"), j.made["certificate"]
    make = dict(LoadBalancerArn=balancer, Protocol="TLS", Port=443, DefaultActions=[{"Type": "forward", "TargetGroupArn": group}])
    j.refused("elbv2 create-listener, TLS without a certificate", "ValidationError", lambda: elb.create_listener(**make), 400)
    j.refused("elbv2 create-listener, unknown certificate", "CertificateNotFound", lambda: elb.create_listener(
        **make, Certificates=[{"CertificateArn": arn + "0"}]), 400)
    j.refused("elbv2 create-listener, ALPN policy", "ALPNPolicyNotFound", lambda: elb.create_listener(
        **make, Certificates=[{"CertificateArn": arn}], AlpnPolicy=["HTTP3"]), 400)
    made = j.ok("elbv2 create-listener, TLS", lambda: elb.create_listener(**make, Certificates=[{"CertificateArn": arn}], AlpnPolicy=["HTTP2Optional"])["Listeners"][0],
                lambda r: r["AlpnPolicy"] == ["HTTP2Optional"], lambda r: r["Certificates"] == [{"CertificateArn": arn}])
    j.ok("acm describe-certificate, in use", lambda: acm.describe_certificate(CertificateArn=arn)["Certificate"], lambda c: c["InUseBy"] == [balancer])
    j.refused("acm delete-certificate, in use", "ResourceInUseException", lambda: acm.delete_certificate(CertificateArn=arn), 400)
    j.ok("elbv2 delete-listener, TLS", lambda: elb.delete_listener(ListenerArn=made["ListenerArn"]))


def end(j):
    acm, arn = j.client("acm"), j.made["certificate"]
    j.ok("acm delete-certificate", lambda: acm.delete_certificate(CertificateArn=arn))
    j.refused("acm get-certificate, gone", "ResourceNotFoundException", lambda: acm.get_certificate(CertificateArn=arn), 400)
