"""Checks of the sandbox by the official SDK (over HTTP) and the official CLI (over HTTPS). Started by run.sh."""

import argparse
import json
import os
import subprocess
import sys
import time
import traceback
import urllib.request
from unittest import mock

from tencentcloud.common import credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.lighthouse.v20200324 import lighthouse_client, models
from tencentcloud.sts.v20180813 import models as sts_models
from tencentcloud.sts.v20180813 import sts_client
from tencentcloud.tag.v20180813 import models as tag_models
from tencentcloud.tag.v20180813 import tag_client

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


SERVICES = {
    "lighthouse": (lighthouse_client.LighthouseClient, models),
    "sts": (sts_client.StsClient, sts_models),
    "tag": (tag_client.TagClient, tag_models),
}


class Sdk:
    def __init__(self, values, method="POST", **changes):
        secret_id = changes.get("secret_id", values["TENCENTCLOUD_SECRET_ID"])
        secret_key = changes.get("secret_key", values["TENCENTCLOUD_SECRET_KEY"])
        host = values["LHPROV_ENDPOINT"].removeprefix("http://")
        http = HttpProfile(protocol="http", endpoint=host, reqMethod=method, reqTimeout=20)
        profile = ClientProfile(signMethod="TC3-HMAC-SHA256", httpProfile=http, language="en-US")
        profile.unsignedPayload = changes.get("unsigned", False)
        client, self.models = SERVICES[changes.get("service", "lighthouse")]
        own = credential.Credential(secret_id, secret_key, changes.get("token"))
        self.client = client(own, changes.get("region", REGION), profile)

    def __call__(self, action, **parameters):
        request = getattr(self.models, action + "Request")()
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


def settle(ask, one, request_id, limit=30):
    """Waits for the operation that a request has begun; gives the instance."""
    end = time.monotonic() + limit
    while True:
        instance = describe(ask, [one])[0]
        if instance["LatestOperationRequestId"] == request_id and instance["LatestOperationState"] != "OPERATING":
            equal(instance["LatestOperationState"], "SUCCESS")
            return instance
        assert time.monotonic() < end, f"{one} is {instance}"
        time.sleep(0.2)


def check_life(values):
    """Everything that can be done to an instance that exists, by the official SDK."""
    sdk = Sdk(values)
    bought = []
    busy = "UnsupportedOperation.LatestOperationUnfinished"
    pause()

    @check("life: an instance with a key pair and a tag")
    def _():
        tags = [{"Key": "team", "Value": "a"}]
        body = order(2, "life-1", Tags=tags, LoginConfiguration={"KeyIds": ["lhkp-abcd1234"]})
        bought.extend(sdk("CreateInstances", **body)["InstanceIdSet"])
        equal(code_of(lambda: sdk("StopInstances", InstanceIds=bought)), "OperationDenied.InstanceCreating")
        wait_state(sdk, bought, "RUNNING")

    one = bought[0]

    def do(action, **parameters):
        return settle(sdk, one, sdk(action, **parameters)["RequestId"])

    @check("life: power")
    def _():
        request = sdk("StopInstances", InstanceIds=[one], StopType="SOFT_FIRST")["RequestId"]
        equal(code_of(lambda: sdk("StartInstances", InstanceIds=[one])), busy)
        equal(settle(sdk, one, request)["InstanceState"], "STOPPED")
        equal(code_of(lambda: sdk("StopInstances", InstanceIds=[one])), "UnsupportedOperation.InvalidInstanceState")
        equal(do("StartInstances", InstanceIds=[one])["InstanceState"], "RUNNING")
        equal(do("RebootInstances", InstanceIds=[one])["InstanceState"], "RUNNING")

    @check("life: renew flag")
    def _():
        sdk("ModifyInstancesRenewFlag", InstanceIds=bought, RenewFlag="DISABLE_NOTIFY_AND_MANUAL_RENEW")
        flags = {instance["RenewFlag"] for instance in describe(sdk, bought)}
        equal(flags, {"DISABLE_NOTIFY_AND_MANUAL_RENEW"})

    @check("life: upgrade to what is offered")
    def _():
        offers = sdk("DescribeModifyInstanceBundles", InstanceId=one, Limit=100)["ModifyBundleSet"]
        offer = next(offer for offer in offers if offer["ModifyBundleState"] == "AVAILABLE")
        assert offer["ModifyPrice"]["InstancePrice"]["DiscountPrice"] > 0, offer
        target = offer["Bundle"]["BundleId"]
        denied = next(offer for offer in offers if offer["ModifyBundleState"] == "UNAVAILABLE")["Bundle"]["BundleId"]
        code = code_of(lambda: sdk("ModifyInstancesBundle", InstanceIds=[one], BundleId=denied))
        equal(code, "InvalidParameterValue.NotSupportModifyInstanceBundleType")
        code = code_of(lambda: sdk("ModifyInstancesBundle", InstanceIds=[one], BundleId=BUNDLE))
        equal(code, "UnsupportedOperation.SameWithOldConfig")
        equal(do("ModifyInstancesBundle", InstanceIds=[one], BundleId=target)["BundleId"], target)

    @check("life: reinstall")
    def _():
        images = sdk("DescribeResetInstanceBlueprints", InstanceId=one)["ResetInstanceBlueprintSet"]
        image = next(
            image["BlueprintInfo"]["BlueprintId"]
            for image in images
            if image["IsResettable"] and image["BlueprintInfo"]["BlueprintId"] != BLUEPRINT
        )
        instance = do("ResetInstance", InstanceId=one, BlueprintId=image, LoginConfiguration={"Password": "Abcdef12"})
        equal((instance["BlueprintId"], instance["LoginSettings"]["KeyIds"]), (image, []))

    @check("life: key pairs")
    def _():
        keys = ["lhkp-efgh5678"]
        equal(do("AssociateInstancesKeyPairs", InstanceIds=[one], KeyIds=keys)["LoginSettings"]["KeyIds"], keys)
        told = sdk("DescribeKeyPairs", KeyIds=keys)["KeyPairSet"][0]
        equal(told["AssociatedInstanceIds"], [one])
        code = code_of(lambda: sdk("AssociateInstancesKeyPairs", InstanceIds=[one], KeyIds=keys))
        equal(code, "UnsupportedOperation.KeyPairBindDuplicate")
        equal(do("DisassociateInstancesKeyPairs", InstanceIds=[one], KeyIds=keys)["LoginSettings"]["KeyIds"], [])

    @check("life: password")
    def _():
        code = code_of(lambda: sdk("ResetInstancesPassword", InstanceIds=[one], Password="weak"))
        equal(code, "InvalidParameterValue.InvalidPassword")
        equal(do("ResetInstancesPassword", InstanceIds=[one], Password="Abcdef13")["InstanceState"], "RUNNING")

    @check("life: price of a renewal, renewal")
    def _():
        charge = {"Period": 2, "RenewFlag": "NOTIFY_AND_MANUAL_RENEW"}
        price = sdk("InquirePriceRenewInstances", InstanceIds=bought, InstanceChargePrepaid=charge)
        equal(len(price["InstancePriceDetailSet"]), 2)
        assert price["TotalPrice"]["DiscountPrice"] > price["Price"]["InstancePrice"]["DiscountPrice"] > 0, price
        before = describe(sdk, [one])[0]["ExpiredTime"]
        after = do("RenewInstances", InstanceIds=[one], InstanceChargePrepaid=charge)
        assert after["ExpiredTime"] > before and after["RenewFlag"] == "NOTIFY_AND_MANUAL_RENEW", after

    @check("life: discounts")
    def _():
        answer = sdk("DescribeBundleDiscount", BundleId=BUNDLE)
        assert answer["DiscountDetail"][0]["TimeSpan"] == 1, answer

    @check("life: tags")
    def _():
        tag, sts = Sdk(values, service="tag"), Sdk(values, service="sts")
        account = sts("GetCallerIdentity")["AccountId"]
        names = [f"qcs::lighthouse:{REGION}:uin/{account}:instance/{id}" for id in bought]
        new, gone = {"TagKey": "tier", "TagValue": "front"}, {"TagKey": "team"}
        tag("ModifyResourceTags", Resource=names[0], ReplaceTags=[new], DeleteTags=[gone])
        equal(describe(sdk, [one])[0]["Tags"], [{"Key": "tier", "Value": "front"}])
        where = {"ServiceType": "lighthouse", "ResourcePrefix": "instance", "ResourceRegion": REGION}
        told = tag("DescribeResourceTagsByResourceIds", ResourceIds=bought, **where)
        equal(sorted(row["TagKey"] for row in told["Tags"]), ["team", "tier"])
        equal(tag("DescribeResourceTags", ResourceId=one, **where)["TotalCount"], 1)
        equal(tag("TagResources", ResourceList=names, Tags=[new])["FailedResources"], [])
        found = tag("GetResources", TagFilters=[{"TagKey": "tier", "TagValue": ["front"]}])
        equal(sorted(one["Resource"] for one in found["ResourceTagMappingList"]), sorted(names))
        equal(tag("UnTagResources", ResourceList=names, TagKeys=["tier"])["FailedResources"], [])
        equal(describe(sdk, [one])[0]["Tags"], [])
        nobody = names[0].replace(one, "lhins-00000000")
        code = code_of(lambda: tag("ModifyResourceTags", Resource=nobody, ReplaceTags=[new]))
        equal(code, "InvalidParameterValue.ResourceDescriptionError")

    @check("life: a role")
    def _():
        sts = Sdk(values, service="sts")
        arn = f"qcs::cam::uin/{sts('GetCallerIdentity')['AccountId']}:roleName/deploy"
        given = sts("AssumeRole", RoleArn=arn, RoleSessionName="conformance")["Credentials"]
        own = {"secret_id": given["TmpSecretId"], "secret_key": given["TmpSecretKey"], "token": given["Token"]}
        equal(Sdk(values, service="sts", **own)("GetCallerIdentity")["Type"], "CAMRole")
        equal(len(describe(Sdk(values, **own), bought)), 2)
        own["token"] = own["token"].replace("deploy", "admin")
        equal(code_of(Sdk(values, **own), "DescribeZones"), "AuthFailure.TokenFailure")
        code = code_of(lambda: sts("AssumeRole", RoleArn=arn.replace("deploy", "none"), RoleSessionName="conformance"))
        equal(code, "ResourceNotFound.RoleNotFound")

    @check("life: credentials of a machine, as its metadata service gives them")
    def _():
        place = values["LHPROV_ENDPOINT"] + "/latest/meta-data/cam/security-credentials/"
        role = urllib.request.urlopen(place).read().decode()
        given = json.load(urllib.request.urlopen(place + role))
        own = {"secret_id": given["TmpSecretId"], "secret_key": given["TmpSecretKey"], "token": given["Token"]}
        assert Sdk(values, **own)("DescribeZones")["TotalCount"] > 0

    @check("life: rescue mode, which nobody can ask the API for")
    def _():
        def set_state(state):
            body = json.dumps({"InstanceState": state}).encode()
            urllib.request.urlopen(values["LHPROV_ENDPOINT"] + "/sandbox/instances/" + one, data=body).read()

        set_state("RESCUE_MODE")
        equal(describe(sdk, [one])[0]["InstanceState"], "RESCUE_MODE")
        equal(code_of(lambda: sdk("StopInstances", InstanceIds=[one])), "UnsupportedOperation.InvalidInstanceState")
        set_state("RUNNING")

    @check("life: isolated, brought back, ended")
    def _():
        sdk("IsolateInstances", InstanceIds=bought)
        wait_state(sdk, bought, "SHUTDOWN")
        do("RenewInstances", InstanceIds=[one], InstanceChargePrepaid={"Period": 1})
        states = {instance["InstanceId"]: instance["InstanceState"] for instance in describe(sdk, bought)}
        equal(states, {bought[0]: "RUNNING", bought[1]: "SHUTDOWN"})
        sdk("IsolateInstances", InstanceIds=[one])
        wait_state(sdk, [one], "SHUTDOWN")
        sdk("TerminateInstances", InstanceIds=bought)
        wait_gone(sdk, bought)


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

    @check("cli: stop, upgrade, renew")
    def _():
        cli("ModifyInstancesRenewFlag", InstanceIds=ids, RenewFlag="NOTIFY_AND_AUTO_RENEW")
        request = cli("StopInstances", InstanceIds=ids)["RequestId"]
        equal(settle(cli, ids[0], request)["InstanceState"], "STOPPED")
        offers = cli("DescribeModifyInstanceBundles", InstanceId=ids[0])["ModifyBundleSet"]
        target = next(offer["Bundle"]["BundleId"] for offer in offers if offer["ModifyBundleState"] == "AVAILABLE")
        request = cli("ModifyInstancesBundle", InstanceIds=ids, BundleId=target)["RequestId"]
        equal(settle(cli, ids[0], request)["BundleId"], target)
        request = cli("RenewInstances", InstanceIds=ids, InstanceChargePrepaid={"Period": 1})["RequestId"]
        equal(settle(cli, ids[0], request)["InstanceState"], "STOPPED")

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
    check_life(announced(arguments.plain))
    check_cli(arguments.tccli, announced(arguments.tls))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
