"""Checks of the sandbox by the official SDK (over HTTP) and the official CLI (over HTTPS). Started by run.sh."""

import argparse
import json
import os
import subprocess
import sys
import time
import traceback
from unittest import mock

from tencentcloud.common import credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.lighthouse.v20200324 import lighthouse_client, models

REGION = "ap-guangzhou"
BUNDLE = "bundle_rs_nmc_lin_med2_01"
BLUEPRINT = "lhbp-f1lkcd41"

passed = failed = 0


def check(name):
    """Runs a function as one check, at once."""

    def run(function):
        global passed, failed
        try:
            function()
        except Exception:  # a check may fail in any way, and the others are still of interest
            failed += 1
            print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
        else:
            passed += 1
            print(f"passed  {name}", flush=True)
        return function

    return run


def announced(path):
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    values = dict(line.split("=", 1) for line in lines[1:] if "=" in line)
    assert lines[0] == values["LHPROV_ENDPOINT"], lines
    return values


def equal(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


def code_of(function, *args):
    """The code of the error that a call is to end with."""
    try:
        answer = function(*args)
    except TencentCloudSDKException as error:
        return error.get_code()
    raise AssertionError(f"no error but {answer}")


class Sdk:
    def __init__(self, values, method="POST", **changes):
        secret_id = changes.get("secret_id", values["TENCENTCLOUD_SECRET_ID"])
        secret_key = changes.get("secret_key", values["TENCENTCLOUD_SECRET_KEY"])
        host = values["LHPROV_ENDPOINT"].removeprefix("http://")
        http = HttpProfile(protocol="http", endpoint=host, reqMethod=method, reqTimeout=20)
        profile = ClientProfile(signMethod="TC3-HMAC-SHA256", httpProfile=http, language="en-US")
        profile.unsignedPayload = changes.get("unsigned", False)
        self.client = lighthouse_client.LighthouseClient(
            credential.Credential(secret_id, secret_key), changes.get("region", REGION), profile
        )

    def __call__(self, action, **parameters):
        request = getattr(models, action + "Request")()
        request.from_json_string(json.dumps(parameters))
        return json.loads(getattr(self.client, action)(request).to_json_string())


def order(count, token=None, **more):
    body = {
        "BundleId": BUNDLE,
        "BlueprintId": BLUEPRINT,
        "InstanceChargePrepaid": {"Period": 1, "RenewFlag": "NOTIFY_AND_MANUAL_RENEW"},
        "InstanceCount": count,
        "InstanceName": "conformance",
        **more,
    }
    if token is not None:
        body["ClientToken"] = token
    return body


def describe(ask, ids):
    return ask("DescribeInstances", InstanceIds=ids, Limit=100)["InstanceSet"]


def wait_state(ask, ids, state, limit=30):
    end = time.monotonic() + limit
    while True:
        states = [instance["InstanceState"] for instance in describe(ask, ids)]
        if states == [state] * len(ids):
            return
        assert time.monotonic() < end, f"{ids} are {states}, not {state}"
        time.sleep(0.2)


def wait_gone(ask, ids, limit=30):
    end = time.monotonic() + limit
    while describe(ask, ids):
        assert time.monotonic() < end, f"{ids} are still there"
        time.sleep(0.2)


def pause():
    """Lets the windows of the rates pass, which are one second."""
    time.sleep(1.1)


def check_sdk(values):
    sdk = Sdk(values)
    ids = []

    @check("sdk: wrong key")
    def _():
        equal(code_of(Sdk(values, secret_key="wrong"), "DescribeZones"), "AuthFailure.SignatureFailure")

    @check("sdk: unknown secret id")
    def _():
        equal(code_of(Sdk(values, secret_id="AKIDother"), "DescribeZones"), "AuthFailure.SecretIdNotFound")

    @check("sdk: stale time, early time")
    def _():
        now = time.time()
        for shift in (-400, 400):
            with mock.patch("tencentcloud.common.abstract_client.time.time", return_value=now + shift):
                equal(code_of(sdk, "DescribeZones"), "AuthFailure.SignatureExpire")

    @check("sdk: unsigned payload")
    def _():
        assert Sdk(values, unsigned=True)("DescribeZones")["TotalCount"] > 0

    @check("sdk: unknown region")
    def _():
        code = code_of(Sdk(values, region="xx-nowhere"), "DescribeZones")
        assert code.split(".")[0] in ("UnsupportedRegion", "AuthFailure"), code

    @check("sdk: regions")
    def _():
        answer = sdk("DescribeRegions")
        equal(answer["TotalCount"], len(answer["RegionSet"]))
        assert REGION in [region["Region"] for region in answer["RegionSet"]], answer

    @check("sdk: zones")
    def _():
        answer = sdk("DescribeZones")
        equal(answer["TotalCount"], len(answer["ZoneInfoSet"]))
        assert all(zone["Zone"].startswith(REGION + "-") for zone in answer["ZoneInfoSet"]), answer

    @check("sdk: bundles")
    def _():
        answer = sdk("DescribeBundles")
        bundle = next(bundle for bundle in answer["BundleSet"] if bundle["BundleId"] == BUNDLE)
        assert bundle["CPU"] > 0 and bundle["Price"]["InstancePrice"]["DiscountPrice"] > 0, bundle
        only = sdk("DescribeBundles", BundleIds=[BUNDLE])
        equal([bundle["BundleId"] for bundle in only["BundleSet"]], [BUNDLE])

    @check("sdk: blueprints")
    def _():
        answer = sdk("DescribeBlueprints", BlueprintIds=[BLUEPRINT])
        equal([blueprint["BlueprintId"] for blueprint in answer["BlueprintSet"]], [BLUEPRINT])

    @check("sdk: quotas")
    def _():
        answer = sdk("DescribeGeneralResourceQuotas", ResourceNames=["GENERAL_BUNDLE_INSTANCE"])
        quota = answer["GeneralResourceQuotaSet"][0]
        equal(quota["ResourceName"], "GENERAL_BUNDLE_INSTANCE")
        assert quota["ResourceQuotaAvailable"] > 0, quota

    @check("sdk: price")
    def _():
        body = {"BundleId": BUNDLE, "InstanceChargePrepaid": {"Period": 1}}
        one = sdk("InquirePriceCreateInstances", InstanceCount=1, **body)["Price"]["InstancePrice"]
        three = sdk("InquirePriceCreateInstances", InstanceCount=3, **body)["Price"]["InstancePrice"]
        assert one["DiscountPrice"] > 0, one
        assert abs(three["DiscountPrice"] - 3 * one["DiscountPrice"]) < 0.01, (one, three)

    @check("sdk: dry run buys nothing")
    def _():
        before = sdk("DescribeInstances")["TotalCount"]
        try:
            sdk("CreateInstances", **order(1, DryRun=True))
        except TencentCloudSDKException as error:
            equal(error.get_code().split(".")[0], "DryRunOperation")
        equal(sdk("DescribeInstances")["TotalCount"], before)

    @check("sdk: create, twice with one token")
    def _():
        first = sdk("CreateInstances", **order(3, "token-1"))
        again = sdk("CreateInstances", **order(3, "token-1"))
        equal(len(set(first["InstanceIdSet"])), 3)
        equal(first["InstanceIdSet"], again["InstanceIdSet"])
        assert first["RequestId"] != again["RequestId"]
        ids.extend(first["InstanceIdSet"])

    @check("sdk: RUNNING")
    def _():
        wait_state(sdk, ids, "RUNNING")
        instance = describe(sdk, ids[:1])[0]
        equal((instance["BundleId"], instance["BlueprintId"]), (BUNDLE, BLUEPRINT))
        assert instance["PublicAddresses"] and instance["PrivateAddresses"], instance

    @check("sdk: bought is listed once")
    def _():
        equal(sdk("DescribeInstances")["TotalCount"], 3)

    pause()

    @check("sdk: token too long")
    def _():
        equal(code_of(lambda: sdk("CreateInstances", **order(1, "x" * 65))), "InvalidParameterValue.ClientTokenTooLong")

    @check("sdk: 31 instances")
    def _():
        code = code_of(lambda: sdk("CreateInstances", **order(31)))
        assert code.split(".")[0] in ("InvalidParameterValue", "FailedOperation"), code

    @check("sdk: unknown bundle")
    def _():
        body = {**order(1), "BundleId": "bundle_no_such"}
        code = code_of(lambda: sdk("CreateInstances", **body))
        assert code.split(".")[0] in ("InvalidParameter", "InvalidParameterValue", "ResourceNotFound"), code

    @check("sdk: an unknown id is an empty list")
    def _():
        equal(describe(sdk, ["lhins-00000000"]), [])

    @check("sdk: paging")
    def _():
        pages = [sdk("DescribeInstances", Offset=offset, Limit=2) for offset in (0, 2)]
        equal([page["TotalCount"] for page in pages], [3, 3])
        listed = [instance["InstanceId"] for page in pages for instance in page["InstanceSet"]]
        equal(sorted(listed), sorted(ids))
        equal(code_of(lambda: sdk("DescribeInstances", Limit=101)).split(".")[0], "InvalidParameterValue")

    @check("sdk: filters")
    def _():
        def count(name, *texts):
            return sdk("DescribeInstances", Filters=[{"Name": name, "Values": list(texts)}])["TotalCount"]

        equal(count("instance-state", "RUNNING"), 3)
        equal(count("instance-state", "SHUTDOWN"), 0)
        zone = describe(sdk, ids[:1])[0]["Zone"]
        assert count("zone", zone) >= 1
        equal(code_of(lambda: count("no-such-filter", "x")).split(".")[0], "InvalidParameter")

    @check("sdk: GET")
    def _():
        get = Sdk(values, method="GET")
        equal([instance["InstanceId"] for instance in describe(get, ids[:1])], ids[:1])
        answer = get("DescribeInstances", Filters=[{"Name": "instance-state", "Values": ["RUNNING"]}], Limit=1)
        equal((answer["TotalCount"], len(answer["InstanceSet"])), (3, 1))

    @check("sdk: rename")
    def _():
        sdk("ModifyInstancesAttribute", InstanceIds=ids[:1], InstanceName="renamed")
        equal(describe(sdk, ids[:1])[0]["InstanceName"], "renamed")

    @check("sdk: returnable")
    def _():
        answer = sdk("DescribeInstancesReturnable", InstanceIds=ids)
        equal(sorted(one["InstanceId"] for one in answer["InstanceReturnableSet"]), sorted(ids))

    @check("sdk: over the rate")
    def _():
        pause()
        codes = []
        for _ in range(12):
            try:
                sdk("DescribeBundles", Limit=1)
                codes.append("ok")
            except TencentCloudSDKException as error:
                codes.append(error.get_code())
        equal(codes.count("ok") >= 5, True)
        assert "RequestLimitExceeded" in codes, codes
        equal(set(codes), {"ok", "RequestLimitExceeded"})

    @check("sdk: isolate, terminate")
    def _():
        code = code_of(lambda: sdk("TerminateInstances", InstanceIds=ids[:1]))
        equal(code.split(".")[0], "UnsupportedOperation")
        sdk("IsolateInstances", InstanceIds=ids)
        wait_state(sdk, ids, "SHUTDOWN")
        sdk("TerminateInstances", InstanceIds=ids)
        wait_gone(sdk, ids)
        equal(sdk("DescribeInstances")["TotalCount"], 0)


class Cli:
    def __init__(self, tccli, values):
        self.tccli = tccli
        self.host = values["LHPROV_ENDPOINT"].removeprefix("https://")
        self.environment = {
            "HOME": os.environ["HOME"],
            "PATH": os.environ["PATH"],
            "TENCENTCLOUD_SECRET_ID": values["TENCENTCLOUD_SECRET_ID"],
            "TENCENTCLOUD_SECRET_KEY": values["TENCENTCLOUD_SECRET_KEY"],
            "TENCENTCLOUD_REGION": REGION,
        }

    def run(self, action, environment=None, **parameters):
        command = [self.tccli, "lighthouse", action, "--endpoint", self.host, "--region", REGION]
        for name, value in parameters.items():
            command += [f"--{name}", value if isinstance(value, str) else json.dumps(value)]
        environment = {**self.environment, **(environment or {})}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def __call__(self, action, **parameters):
        done = self.run(action, **parameters)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)


def check_cli(tccli, values):
    cli = Cli(tccli, values)
    ids = []

    def error(action, environment=None, **parameters):
        done = cli.run(action, environment, **parameters)
        assert done.returncode != 0, done.stdout
        return done.stdout + done.stderr

    @check("cli: regions, zones, blueprints")
    def _():
        assert cli("DescribeRegions")["TotalCount"] > 0
        assert cli("DescribeZones")["TotalCount"] > 0
        assert cli("DescribeBlueprints")["TotalCount"] > 0

    @check("cli: wrong key")
    def _():
        assert "AuthFailure.SignatureFailure" in error("DescribeZones", {"TENCENTCLOUD_SECRET_KEY": "wrong"})

    @check("cli: create, twice with one token")
    def _():
        first = cli("CreateInstances", **order(2, "cli-1"))
        equal(cli("CreateInstances", **order(2, "cli-1"))["InstanceIdSet"], first["InstanceIdSet"])
        equal(len(first["InstanceIdSet"]), 2)
        ids.extend(first["InstanceIdSet"])

    @check("cli: token too long")
    def _():
        assert "InvalidParameterValue.ClientTokenTooLong" in error("CreateInstances", **order(1, "x" * 65))

    @check("cli: RUNNING")
    def _():
        wait_state(cli, ids, "RUNNING")

    @check("cli: price")
    def _():
        body = {"BundleId": BUNDLE, "InstanceChargePrepaid": {"Period": 1}, "InstanceCount": 2}
        assert cli("InquirePriceCreateInstances", **body)["Price"]["InstancePrice"]["DiscountPrice"] > 0

    @check("cli: rename")
    def _():
        cli("ModifyInstancesAttribute", InstanceIds=ids, InstanceName="renamed")
        equal({instance["InstanceName"] for instance in describe(cli, ids)}, {"renamed"})

    @check("cli: isolate, terminate")
    def _():
        cli("IsolateInstances", InstanceIds=ids)
        wait_state(cli, ids, "SHUTDOWN")
        cli("TerminateInstances", InstanceIds=ids)
        wait_gone(cli, ids)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plain", required=True, help="what the sandbox without TLS has announced")
    parser.add_argument("--tls", required=True, help="what the sandbox with TLS has announced")
    parser.add_argument("--tccli", required=True, help="the official CLI")
    arguments = parser.parse_args()
    check_sdk(announced(arguments.plain))
    check_cli(arguments.tccli, announced(arguments.tls))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
