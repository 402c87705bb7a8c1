"""AWS's own clients judge the sandbox's AWS endpoint.

    python3 run.py ENDPOINT

prints ok, wrong or not implemented for each check, and fails when one is wrong
or says unexpectedly that it is not implemented. "not asked" is a check of a call
that the installed botocore is too old for. The endpoint must be empty.
"""

import sys

import botocore

import access
import balancers
import certificates
import cloudcontrol
import cluster
import commandline
import groups
import identity
import network
import parameters
import stacks
from judge import Judge

# The story of a cluster, from the first call to the last. Chapters build on
# what those before them made, and take their own away in the end.
CHAPTERS = [access, identity, parameters, network, cluster, groups, certificates, balancers, cloudcontrol, stacks, commandline]


def main():
    judge = Judge(sys.argv[1], sys.stdout)
    print(f"botocore {botocore.__version__}, Python {sys.version.split()[0]}")
    for chapter in CHAPTERS:
        chapter.judge(judge)
    for chapter in reversed(CHAPTERS):
        end = getattr(chapter, "end", None)
        if end:
            end(judge)
    print(", ".join(f"{count} {verdict}" for verdict, count in judge.counts.items()))
    if judge.failed:
        print(f"FAILED: {', '.join(judge.failed)}")
    sys.exit(1 if judge.failed else 0)


if __name__ == "__main__":
    main()
