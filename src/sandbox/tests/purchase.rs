//! What can be bought, what it costs, and what a token stands for.

use super::{DAY, Lab, call_in, field, ids, order};
use crate::model::Site;
use crate::sandbox::account::CreateFault;
use crate::sandbox::settings::{BatchNames, CheckOrder, Mismatch, Settings, TokenMemory};
use serde_json::{Value, json};

#[test]
fn the_same_token_gives_the_same_ids_while_remembered() {
    let repeat = |change: fn(&mut Settings), more: Value, ms: i64| {
        let mut lab = Lab::new(change);
        let first = lab.buy(json!({"ClientToken": "t", "InstanceCount": 3}), 0);
        assert_eq!(first.len(), 3);
        let mut body = order(more);
        body["ClientToken"] = json!("t");
        let second = lab.ask("CreateInstances", body, ms);
        (second.map(|answer| ids(&answer) == first).map_err(|error| error.code), lab.0.records().count())
    };
    let same = || json!({"InstanceCount": 3});
    let other = || json!({"InstanceCount": 2});
    let mismatch = Err("UnsupportedOperation.IdempotentParameterMismatch".to_owned());
    assert_eq!(repeat(|_| {}, same(), 20 * DAY), (Ok(true), 3));
    assert_eq!(repeat(|_| {}, same(), 100 * DAY), (Ok(true), 0), "also ids that are gone by now");
    assert_eq!(repeat(|s| s.quota = 3, same(), 5), (Ok(true), 3));
    assert_eq!(repeat(|s| s.mismatch = Mismatch::Error, same(), 5), (Ok(true), 3));
    assert_eq!(repeat(|s| s.mismatch = Mismatch::Error, other(), 5), (mismatch, 3));
    assert_eq!(repeat(|_| {}, other(), 5), (Ok(true), 3));
    assert_eq!(repeat(|s| s.mismatch = Mismatch::Buy, other(), 5), (Ok(false), 5));
    assert_eq!(repeat(|s| s.token_memory = TokenMemory::None, same(), 5), (Ok(false), 6));
    assert_eq!(repeat(|s| s.token_memory = TokenMemory::For(1000), same(), 999), (Ok(true), 3));
    assert_eq!(repeat(|s| s.token_memory = TokenMemory::For(1000), same(), 1000), (Ok(false), 6));
    let strict = |s: &mut Settings| (s.quota, s.order) = (3, CheckOrder::QuotaFirst);
    assert_eq!(repeat(strict, same(), 5), (Err("LimitExceeded.InstanceQuotaLimitExceeded".into()), 3));
}

#[test]
fn a_refused_purchase_leaves_the_token_unused() {
    let mut lab = Lab::new(|_| {});
    let fault = CreateFault { sold_out: true, ..CreateFault::default() };
    let call = call_in("ap-guangzhou", "CreateInstances", order(json!({"ClientToken": "t"})), 0);
    assert_eq!(lab.0.call_with(&call, fault).unwrap_err().code, "ResourcesSoldOut.BundleSoldOut");
    assert_eq!(ids(&lab.0.call(&call).unwrap()).len(), 1);
}

#[test]
fn faults_of_one_purchase() {
    let mut lab = Lab::new(|_| {});
    let before = lab.0.balance();
    let call = call_in("ap-guangzhou", "CreateInstances", order(json!({"InstanceCount": 5, "ClientToken": "t"})), 0);
    let fault = CreateFault { partial: Some(2), launch_failed: true, ..CreateFault::default() };
    let bought = ids(&lab.0.call_with(&call, fault).unwrap());
    assert_eq!((bought.len(), before.0 - lab.0.balance().0), (2, 2 * 500_000));
    assert_eq!(ids(&lab.0.call(&call).unwrap()), bought, "the token stands for what was bought");
    let failed = lab.one(&bought[0], 2000);
    assert_eq!(
        (&failed["InstanceState"], &failed["LatestOperationState"]),
        (&json!("LAUNCH_FAILED"), &json!("FAILED"))
    );
    assert_eq!(lab.0.balance(), before, "what fails is paid back");
    let all = Lab::new(|s| s.launch_failed = 1.0).buy(json!({"InstanceCount": 30}), 0);
    assert_eq!(all.len(), 30);
}

#[test]
fn wrong_orders_are_refused() {
    let cases = [
        (json!({"Colour": 1}), "UnknownParameter"),
        (json!({"InstanceCount": "2"}), "InvalidParameter"),
        (json!({"InstanceCount": 0}), "InvalidParameterValue.OutOfRange"),
        (json!({"InstanceCount": 31}), "InvalidParameterValue.OutOfRange"),
        (json!({"InstanceChargePrepaid": {}}), "MissingParameter"),
        (json!({"InstanceChargePrepaid": {"Period": 13}}), "InvalidParameterValue.OutOfRange"),
        (json!({"InstanceChargePrepaid": {"Period": 1, "RenewFlag": "NO"}}), "InvalidParameterValue"),
        (json!({"InstanceChargePrepaid": {"Period": 1, "Flag": "NO"}}), "UnknownParameter"),
        (json!({"InstanceName": "é".repeat(61)}), "InvalidParameterValue.InstanceNameTooLong"),
        (json!({"ClientToken": "t".repeat(65)}), "InvalidParameterValue.ClientTokenTooLong"),
        (json!({"Zones": ["ap-shanghai-2"]}), "InvalidParameterValue.ZoneInvalid"),
        (json!({"BundleId": "bundle_no"}), "InvalidParameter.BundleIdNotFound"),
        (json!({"BundleId": "bundle_rs_nmc_lin_soldout_01"}), "ResourcesSoldOut.BundleSoldOut"),
        (json!({"BlueprintId": "image"}), "InvalidParameterValue.BlueprintIdMalformed"),
        (json!({"BlueprintId": "lhbp-00000000"}), "ResourceNotFound.BlueprintIdNotFound"),
        (json!({"BlueprintId": "lhbp-w1nd0w22"}), "InvalidParameterValue.BundleNotSupportBlueprintPlatform"),
        (json!({"LoginConfiguration": {"KeyIds": ["k"]}}), "InvalidParameterValue.KeyPairIdMalformed"),
        (json!({"LoginConfiguration": {"KeyIds": ["lhkp-00000000"]}}), "ResourceNotFound.KeyPairNotFound"),
        (
            json!({"LoginConfiguration": {"KeyIds": ["lhkp-abcd1234"], "Password": "Abcdef12"}}),
            "InvalidParameterValue.InvalidParameterCombination",
        ),
        (json!({"LoginConfiguration": {"Password": "abcdefgh"}}), "InvalidParameterValue.InvalidPassword"),
        (json!({"Containers": [{"ContainerImage": "a"}]}), "InvalidParameterValue.InvalidParameterCombination"),
        (json!({"Tags": [{"Key": "a"}]}), "MissingParameter"),
        (
            json!({"Tags": (0..11).map(|i| json!({"Key": i.to_string(), "Value": ""})).collect::<Vec<_>>()}),
            "LimitExceeded",
        ),
        (json!({"DomainName": "a.example", "InstanceCount": 2}), "InvalidParameterValue.InvalidParameterCombination"),
        (json!({"InitCommand": {"Content": "!"}}), "InvalidParameterValue"),
        (json!({"InitCommand": {"Content": "A".repeat(65_540)}}), "FailedOperation.InitCommandContentTooLong"),
        (json!({"FirewallTemplateId": "f"}), "InvalidParameterValue.FirewallTemplateIdMalformed"),
    ];
    for (more, code) in cases {
        assert_eq!(Lab::new(|_| {}).refused(more.clone()), code, "{more}");
    }
    assert_eq!(
        Lab::new(|s| s.quota = 1).refused(json!({"InstanceCount": 2})),
        "LimitExceeded.InstanceQuotaLimitExceeded"
    );
    assert_eq!(Lab::new(|s| s.balance = "49.99".into()).refused(json!({})), "FailedOperation.InsufficientBalance");
}

#[test]
fn a_full_order_is_accepted_and_a_dry_run_buys_nothing() {
    let full = json!({
        "BlueprintId": "lhbp-dck0r26a",
        "LoginConfiguration": {"KeyIds": ["lhkp-abcd1234"]},
        "Containers": [{
            "ContainerImage": "nginx",
            "Envs": [{"Key": "a", "Value": "b"}],
            "PublishPorts": [{"HostPort": 80, "ContainerPort": 80, "Protocol": "tcp"}],
            "Volumes": [{"ContainerPath": "/a"}],
            "RestartPolicy": "always",
        }],
        "AutoVoucher": true,
        "Tags": [{"Key": "team", "Value": "x"}],
        "InitCommand": {"Content": "bHM=", "Timeout": 60},
        "FirewallTemplateId": "lhft-abcd1234",
        "DomainName": "a.example",
        "Subdomain": "www",
        "ClientToken": "t",
        "DryRun": true,
    });
    let mut lab = Lab::new(|_| {});
    assert_eq!(lab.ask("CreateInstances", order(full.clone()), 0), Ok(json!({})));
    assert_eq!(lab.0.records().count(), 0);
    let mut real = full;
    real["DryRun"] = json!(false);
    let id = &lab.buy(real, 0)[0].clone();
    let shown = lab.one(id, 2000);
    assert_eq!(shown["Tags"], json!([{"Key": "team", "Value": "x"}]));
    assert_eq!(shown["LoginSettings"], json!({"KeyIds": ["lhkp-abcd1234"]}));
    assert!(shown["InitInvocationId"].as_str().unwrap().starts_with("inv-"));
}

#[test]
fn the_international_site_lacks_fields() {
    let mut lab = Lab::new(|s| s.site = Site::International);
    let body = json!({
        "BundleId": "bundle_linux_int_gen_01",
        "BlueprintId": "lhbp-f1lkcd41",
        "InstanceChargePrepaid": {"Period": 1},
    });
    for field in ["Tags", "InitCommand", "FirewallTemplateId", "DomainName", "Subdomain"] {
        let mut more = body.clone();
        more[field] = json!([]);
        assert_eq!(lab.code("CreateInstances", more, 0), "UnknownParameter", "{field}");
    }
    assert_eq!(lab.code("DescribeInstances", json!({"OrderField": "EXPIRED_TIME"}), 0), "UnknownParameter");
    let id = &ids(&lab.ask("CreateInstances", body, 0).unwrap())[0].clone();
    let shown = lab.one(id, 0);
    for field in ["LatestOperationStartedTime", "PublicIpv6Addresses", "InitInvocationId"] {
        assert!(shown.get(field).is_none(), "{field}");
    }
    assert!(shown["InstanceName"].as_str().unwrap().starts_with("Ubuntu-"));
}

#[test]
fn names_and_zones_of_a_batch() {
    for (names, want) in [
        (BatchNames::Same, ["web", "web"]),
        (BatchNames::Suffix, ["web1", "web2"]),
        (BatchNames::Dash, ["web-1", "web-2"]),
    ] {
        let mut lab = Lab::new(|s| s.batch_names = names);
        let bought = lab.buy(json!({"InstanceCount": 2}), 0);
        let shown: Vec<_> = bought.iter().map(|id| lab.one(id, 0)).collect();
        assert_eq!(field(&shown, "InstanceName"), want);
        assert_eq!(shown[0]["Zone"], shown[1]["Zone"]);
    }
    let mut lab = Lab::new(|_| {});
    for zone in ["ap-guangzhou-3", "ap-guangzhou-4", "ap-guangzhou-6", "ap-guangzhou-7", "ap-guangzhou-3"] {
        let id = lab.buy(json!({}), 0)[0].clone();
        assert_eq!(lab.one(&id, 0)["Zone"], zone);
    }
    let id = lab.buy(json!({"Zones": ["ap-guangzhou-6", "ap-guangzhou-3"]}), 0)[0].clone();
    let shown = lab.one(&id, 0);
    assert_eq!((&shown["Zone"], &shown["InstanceName"]), (&json!("ap-guangzhou-6"), &json!("web")));
}

#[test]
fn quota_and_money_come_back() {
    let mut lab = Lab::new(|s| (s.quota, s.balance) = (2, "120".into()));
    let left = |lab: &mut Lab, ms| {
        let body = json!({"ResourceNames": ["GENERAL_BUNDLE_INSTANCE", "STARTER_BUNDLE_INSTANCE"]});
        let answer = lab.ask("DescribeGeneralResourceQuotas", body, ms).unwrap();
        let of = |i: usize| answer["GeneralResourceQuotaSet"][i]["ResourceQuotaAvailable"].as_i64().unwrap();
        (of(0), of(1))
    };
    let bought = lab.buy(json!({"InstanceCount": 2}), 0);
    assert_eq!((left(&mut lab, 0), lab.0.balance().to_string()), ((0, 2), "20.00".into()));
    assert_eq!(lab.code("CreateInstances", order(json!({})), 0), "LimitExceeded.InstanceQuotaLimitExceeded");
    lab.ask("IsolateInstances", json!({"InstanceIds": [bought[0]]}), 2000).unwrap();
    assert_eq!(lab.0.balance().to_string(), "70.00", "all of it within five days");
    lab.ask("IsolateInstances", json!({"InstanceIds": [bought[1]]}), 15 * DAY).unwrap();
    assert_eq!(lab.0.balance().to_string(), "95.00", "half of it after half of the month");
    assert_eq!(left(&mut lab, 30 * DAY), (2, 2));
    let body = json!({"ResourceNames": ["X"]});
    let code = "InvalidParameterValue.InvalidResourceQuotaResourceName";
    assert_eq!(lab.code("DescribeGeneralResourceQuotas", body, 0), code);
}

#[test]
fn the_seed_decides() {
    let bought = |seed| Lab::new(|s| s.seed = seed).buy(json!({"InstanceCount": 2}), 0);
    assert_eq!(bought(1), bought(1));
    assert_ne!(bought(1), bought(2));
}
