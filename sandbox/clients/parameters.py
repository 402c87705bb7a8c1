"""The parameters of SSM that name AMIs."""

from judge import pages

FOLDER = "/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/x86_64/standard/recommended"


def judge(j):
    ssm = j.client("ssm")
    j.ok("ssm get-parameter", lambda: ssm.get_parameter(Name=f"{FOLDER}/image_id"), lambda r: r["Parameter"]["Value"].startswith("ami-"),
         lambda r: r["Parameter"]["LastModifiedDate"].tzinfo is not None)
    j.ok("ssm get-parameters", lambda: ssm.get_parameters(Names=[f"{FOLDER}/image_id", "nobody"]),
         lambda r: len(r["Parameters"]) == 1, lambda r: r["InvalidParameters"] == ["nobody"])
    j.refused("ssm get-parameter, unknown", "ParameterNotFound", lambda: ssm.get_parameter(Name="nobody"), 400)
    j.ok("ssm get-parameters-by-path", lambda: ssm.get_parameters_by_path(Path=FOLDER), lambda r: len(r["Parameters"]) == 3)
    j.ok("ssm get-parameters-by-path, pages", lambda: pages(ssm, "get_parameters_by_path", 5, Path="/aws/service/eks", Recursive=True),
         lambda p: len(p) > 3)
    j.ok("ssm get-parameters-by-path, empty", lambda: ssm.get_parameters_by_path(Path="/nothing"), lambda r: r["Parameters"] == [])
    j.refused("ssm get-parameters-by-path, bad token", "InvalidNextToken",
              lambda: ssm.get_parameters_by_path(Path="/nothing", NextToken="page--1"))
    j.absent("ssm put-parameter", lambda: ssm.put_parameter(Name="x", Value="y", Type="String"))
