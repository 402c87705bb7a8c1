"""How a check is judged, and the clients that the checks speak through."""

import json
import os
import shutil
import subprocess

import botocore
import botocore.config
import botocore.exceptions
import botocore.session

REGION = "us-west-2"


def not_implemented(error):
    """The sandbox's honest word, which no check may get that is not declared absent."""
    return isinstance(error, (botocore.exceptions.ClientError, CommandFailed)) and "the sandbox does not implement" in str(error).lower()


class CommandFailed(Exception):
    """The aws command ended with an error."""


class Judge:
    """Runs checks, prints a line for each and counts.

    Every check says what AWS does. `ok` wants an answer, `refused` an error of
    that code, `absent` the honest word that the sandbox does not implement it.
    """

    def __init__(self, endpoint, out):
        self.endpoint = endpoint
        self.out = out
        self.counts = {"ok": 0, "wrong": 0, "not implemented": 0, "not asked": 0}
        self.failed = []
        self.session = botocore.session.Session()
        self.made = {}  # what earlier checks have made, for later ones

    def client(self, service, key=None, secret=None, token=None, region=REGION):
        """A botocore client that asks once and never retries."""
        config = botocore.config.Config(retries={"max_attempts": 0}, read_timeout=30, connect_timeout=5)
        return self.session.create_client(
            service,
            region_name=region,
            endpoint_url=self.endpoint,
            aws_access_key_id=key or os.environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=secret or os.environ["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=token,
            config=config,
        )

    def ok(self, name, call, *proofs):
        """The call must answer, and each proof must hold for the answer, which is returned."""
        try:
            answer = call()
        except Exception as error:  # whatever a client makes of an answer is the verdict
            self._judge_error(name, error)
            return None
        for number, proof in enumerate(proofs, 1):
            try:
                held = proof(answer)
            except Exception as error:
                held, answer = False, f"{type(error).__name__}: {error}; {answer}"
            if not held:
                self._say("wrong", name, f"proof {number} does not hold: {_short(answer)}")
                return None
        self._say("ok", name)
        return answer

    def refused(self, name, code, call, status=None):
        """The call must be refused with that code, and HTTP status if one is given."""
        try:
            answer = call()
        except botocore.exceptions.ClientError as error:
            got, http = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            if got == code and status in (None, http):
                self._say("ok", name)
            elif not_implemented(error):
                self._say("not implemented", name, unexpected=True)
            else:
                self._say("wrong", name, f"{got}/{http}, not {code}/{status or 'any'}")
            return
        except Exception as error:
            self._judge_error(name, error)
            return
        self._say("wrong", name, f"it answered, though {code} was due: {_short(answer)}")

    def absent(self, name, call):
        """The sandbox does not implement it, and must say so."""
        try:
            call()
        except (botocore.exceptions.ClientError, CommandFailed) as error:
            if not_implemented(error):
                self._say("not implemented", name)
            else:
                self._say("wrong", name, f"{error}: it should say that it is not implemented")
            return
        except Exception as error:
            self._judge_error(name, error)
            return
        self._say("wrong", name, "it answered: declare the check as one that must be ok")

    def skip(self, why):
        """Checks that this machine has no client for."""
        self._say("not asked", why)

    def _judge_error(self, name, error):
        if isinstance(error, (botocore.exceptions.ParamValidationError, AttributeError, botocore.exceptions.UnknownServiceError)):
            # This client is older than the call.
            self._say("not asked", name, f"botocore {botocore.__version__}: {_short(error)}")
        elif not_implemented(error):
            self._say("not implemented", name, str(error), unexpected=True)
        else:
            self._say("wrong", name, f"{type(error).__name__}: {error}")

    def _say(self, verdict, name, why="", unexpected=False):
        self.counts[verdict] += 1
        if verdict == "wrong" or unexpected:
            self.failed.append(name)
        print(f"{verdict:<16}{name}{': ' + why if why else ''}", file=self.out, flush=True)


class CommandLine:
    """The aws command, run as its users run it."""

    def __init__(self, judge):
        self.judge = judge
        self.path = shutil.which("aws")

    def version(self):
        return subprocess.run([self.path, "--version"], capture_output=True, text=True, check=True).stdout.split()[0]

    def __call__(self, *args):
        command = [self.path, *args, "--endpoint-url", self.judge.endpoint, "--region", REGION, "--output", "json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise CommandFailed(f"exit {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout) if done.stdout.strip() else {}


def pages(client, operation, size, **params):
    """All pages of a list, as botocore's paginator gets them."""
    return list(client.get_paginator(operation).paginate(PaginationConfig={"PageSize": size}, **params))


def wait(client, waiter, attempts=100, **params):
    """Runs botocore's waiter at the sandbox's pace. Which states end it is botocore's word."""
    client.get_waiter(waiter).wait(WaiterConfig={"Delay": 0.1, "MaxAttempts": attempts}, **params)
    return True


def _short(value):
    text = str(value)
    return text if len(text) < 300 else text[:300] + "…"
