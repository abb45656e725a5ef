//! Changes in place.

use super::super::account::Forced;
use super::super::record::Record;
use super::super::settings::{Afterwards, BindKeys};
use super::*;

const BIGGER: &str = "bundle_rs_nmc_lin_med4_01";
const DOCKER: &str = "lhbp-dck0r26a";
const STATE: [&str; 3] = ["InstanceState", "LatestOperation", "LatestOperationState"];
const BUSY: &str = "UnsupportedOperation.LatestOperationUnfinished";
const WRONG_STATE: &str = "UnsupportedOperation.InvalidInstanceState";

fn record<'a>(lab: &'a Lab, id: &str) -> &'a Record {
    lab.0.record(id).unwrap()
}

/// All asynchronous actions on an instance, with bodies that a running Linux instance accepts.
pub fn operations(id: &str) -> Vec<(&'static str, Value)> {
    let ids = json!([id]);
    vec![
        ("StopInstances", json!({"InstanceIds": ids, "StopType": "SOFT"})),
        ("RebootInstances", json!({"InstanceIds": ids})),
        ("ModifyInstancesBundle", json!({"InstanceIds": ids, "BundleId": BIGGER})),
        ("ResetInstance", json!({"InstanceId": id})),
        ("ResetInstancesPassword", json!({"InstanceIds": ids, "Password": "Abcdef12"})),
        ("AssociateInstancesKeyPairs", json!({"InstanceIds": ids, "KeyIds": ["lhkp-abcd1234"]})),
        ("RenewInstances", json!({"InstanceIds": ids, "InstanceChargePrepaid": {"Period": 1}})),
        ("IsolateInstances", json!({"InstanceIds": ids})),
    ]
}

#[test]
fn every_operation_is_under_way_until_its_time_and_alone() {
    for (action, body) in operations("?") {
        let mut lab = Lab::new(|s| {
            s.operation_times = [("RebootInstances".to_owned(), 250)].into();
            s.isolate_ms = 1000;
        });
        let id = lab.buy(json!({}), 0)[0].clone();
        let body = serde_json::from_str::<Value>(&body.to_string().replace('?', &id)).unwrap();
        let creating = if action == "IsolateInstances" { WRONG_STATE } else { "OperationDenied.InstanceCreating" };
        assert_eq!(lab.code(action, body.clone(), 1999), creating, "{action}");
        let lasts = if action == "RebootInstances" { 250 } else { 1000 };
        lab.ask(action, body, 3000).unwrap();
        let during = lab.shown(&id, 2999 + lasts, &STATE);
        assert!(during.ends_with(&format!("{action} OPERATING")), "{during}");
        assert_eq!(lab.one(&id, 3001)["LatestOperationRequestId"], "request-3000");
        for (other, body) in operations(&id) {
            let want = match other {
                "ModifyInstancesBundle" => "OperationDenied.InstanceOperationInProgress",
                // The state is looked at before the operation there.
                "IsolateInstances" if !during.starts_with("RUNNING") => WRONG_STATE,
                _ => BUSY,
            };
            assert_eq!(lab.code(other, body, 3001), want, "{other} during {action}");
        }
        let after = lab.shown(&id, 3000 + lasts, &STATE);
        let state = match action {
            "StopInstances" => "STOPPED",
            "IsolateInstances" => "SHUTDOWN",
            _ => "RUNNING",
        };
        assert_eq!(after, format!("{state} {action} SUCCESS"));
    }
}

#[test]
fn an_operation_that_fails_leaves_everything_as_it_was() {
    for (action, body) in operations("?") {
        let mut lab = Lab::new(|_| {});
        let id = lab.running(json!({}));
        let (before, money) = (lab.one(&id, 2000), lab.0.balance());
        let body = serde_json::from_str(&body.to_string().replace('?', &id)).unwrap();
        let call = call_in("ap-guangzhou", action, body, 3000);
        lab.0.call_with(&call, Forced { operation_fails: true, ..Forced::default() }).unwrap();
        let mut after = lab.one(&id, 4000);
        assert_eq!(after["LatestOperationState"], "FAILED", "{action}");
        for field in
            ["LatestOperation", "LatestOperationState", "LatestOperationRequestId", "LatestOperationStartedTime"]
        {
            after[field] = before[field].clone();
        }
        assert_eq!((after, lab.0.balance()), (before, money), "{action}");
        lab.ask("RebootInstances", json!({"InstanceIds": [id]}), 4000).unwrap();
    }
}

#[test]
fn power() {
    let mut lab = Lab::new(|_| {});
    let id = lab.running(json!({}));
    let some = json!({"InstanceIds": [id]});
    assert_eq!(lab.code("StartInstances", some.clone(), 2000), WRONG_STATE);
    lab.ask("StopInstances", some.clone(), 2000).unwrap();
    assert_eq!(lab.one(&id, 2999)["InstanceState"], "STOPPING");
    assert_eq!(lab.one(&id, 3000)["InstanceState"], "STOPPED");
    for action in ["StopInstances", "RebootInstances"] {
        assert_eq!(lab.code(action, some.clone(), 3000), WRONG_STATE);
    }
    lab.ask("StartInstances", some.clone(), 3000).unwrap();
    assert_eq!(lab.one(&id, 3999)["InstanceState"], "STARTING");
    lab.ask("RebootInstances", some.clone(), 4000).unwrap();
    assert_eq!(lab.one(&id, 4999)["InstanceState"], "REBOOTING");
    assert_eq!(lab.one(&id, 5000)["InstanceState"], "RUNNING");
    let hard = json!({"InstanceIds": [id], "StopType": "NOW"});
    assert_eq!(lab.code("StopInstances", hard, 5000), "InvalidParameterValue.OutOfRange");
    let start = json!({"InstanceIds": [id], "StopType": "SOFT"});
    assert_eq!(lab.code("StartInstances", start, 5000), "UnknownParameter");
    let many = json!({"InstanceIds": (0..101).map(|i| format!("lhins-{i:08}")).collect::<Vec<_>>()});
    assert_eq!(lab.code("StopInstances", many, 5000), "InvalidParameterValue.LimitExceeded");
}

#[test]
fn a_batch_changes_as_a_whole_or_not_at_all() {
    let mut lab = Lab::new(|_| {});
    let ids = lab.buy(json!({"InstanceCount": 2}), 0);
    lab.ask("StopInstances", json!({"InstanceIds": [ids[1]]}), 2000).unwrap();
    assert_eq!(lab.code("StopInstances", json!({"InstanceIds": ids}), 4000), WRONG_STATE);
    assert_eq!(lab.one(&ids[0], 9000)["InstanceState"], "RUNNING");
}

#[test]
fn renew_flags() {
    let mut lab = Lab::new(|_| {});
    let id = lab.running(json!({}));
    let flag = |text: &str| json!({"InstanceIds": [id], "RenewFlag": text});
    lab.ask("ModifyInstancesRenewFlag", flag("NOTIFY_AND_AUTO_RENEW"), 2000).unwrap();
    let names = ["RenewFlag", "LatestOperation", "LatestOperationState"];
    assert_eq!(lab.shown(&id, 2000, &names), "NOTIFY_AND_AUTO_RENEW ModifyInstancesRenewFlag SUCCESS");
    assert_eq!(lab.code("ModifyInstancesRenewFlag", flag("ALWAYS"), 2000), "InvalidParameterValue");
    assert_eq!(lab.code("ModifyInstancesRenewFlag", json!({"InstanceIds": [id]}), 2000), "MissingParameter");
    let mut quiet = Lab::new(|s| s.quick_operations = false);
    let id = quiet.running(json!({}));
    let body = json!({"InstanceIds": [id], "RenewFlag": "NOTIFY_AND_AUTO_RENEW"});
    quiet.ask("ModifyInstancesRenewFlag", body, 2000).unwrap();
    assert_eq!(quiet.shown(&id, 2000, &names[..2]), "NOTIFY_AND_AUTO_RENEW CreateInstances");
}

#[test]
fn upgrades_are_offered_paid_and_done() {
    let mut lab = Lab::new(|s| s.balance = "100".into());
    let id = lab.running(json!({}));
    let offer = lab.ask("DescribeModifyInstanceBundles", json!({"InstanceId": id}), 2000).unwrap();
    let states: Vec<String> = offer["ModifyBundleSet"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            format!("{} {}", one["Bundle"]["BundleId"].as_str().unwrap(), one["ModifyBundleState"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        states,
        [
            "bundle_rs_nmc_lin_med4_01 AVAILABLE",
            "bundle_rs_nmc_lin_large8_01 AVAILABLE",
            "bundle_starter_nmc_lin_med2_01 UNAVAILABLE",
            "bundle_rs_nmc_win_med4_01 UNAVAILABLE",
            "bundle_rs_nmc_lin_soldout_01 SOLD_OUT",
        ]
    );
    let price = &offer["ModifyBundleSet"][0]["ModifyPrice"]["InstancePrice"];
    // 25 a month, of which all but two seconds are left.
    assert_eq!(price["DiscountPrice"], 24.9999);
    let filtered = json!({"InstanceId": id, "Filters": [{"Name": "bundle-id", "Values": [BIGGER]}], "Limit": 1});
    assert_eq!(lab.ask("DescribeModifyInstanceBundles", filtered, 2000).unwrap()["TotalCount"], 1);

    let to = |bundle: &str| json!({"InstanceIds": [id], "BundleId": bundle});
    for (bundle, code) in [
        ("bundle_rs_nmc_lin_med2_01", "UnsupportedOperation.SameWithOldConfig"),
        ("bundle_starter_nmc_lin_med2_01", "InvalidParameterValue.NotSupportModifyInstanceBundleType"),
        ("bundle_rs_nmc_win_med4_01", "InvalidParameterValue.NotSupportModifyInstanceBundleType"),
        ("bundle_rs_nmc_lin_soldout_01", "FailedOperation.ModifyInstancesBundleFailed"),
        ("bundle_rs_nmc_lin_large8_01", "FailedOperation.InsufficientBalance"),
        ("bundle_of_nobody", "InvalidParameter.BundleIdNotFound"),
    ] {
        assert_eq!(lab.code("ModifyInstancesBundle", to(bundle), 2000), code, "{bundle}");
    }
    lab.ask("ModifyInstancesBundle", to(BIGGER), 2000).unwrap();
    assert_eq!(lab.0.balance().to_string(), "25.0001");
    assert_eq!(lab.shown(&id, 2999, &["BundleId", "InstanceState"]), "bundle_rs_nmc_lin_med2_01 STOPPING");
    assert_eq!(lab.shown(&id, 3000, &["BundleId", "InstanceState", "Memory"]), format!("{BIGGER} RUNNING 4"));
    let back = json!({"InstanceIds": [id]});
    lab.ask("IsolateInstances", back, 4000).unwrap();
    assert_eq!(lab.0.balance().to_string(), "100.00", "the difference comes back too");
    assert_eq!(lab.code("DescribeModifyInstanceBundles", json!({"InstanceId": id}), 9000), WRONG_STATE);
}

#[test]
fn an_upgrade_to_another_type_takes_of_its_quota() {
    let mut lab = Lab::new(|s| s.quota = 1);
    let starter = json!({"BundleId": "bundle_starter_nmc_lin_med2_01"});
    let id = lab.running(starter.clone());
    let general = lab.running(json!({}));
    let up = json!({"InstanceIds": [id], "BundleId": BIGGER});
    assert_eq!(lab.code("ModifyInstancesBundle", up.clone(), 2000), "FailedOperation.ModifyInstancesBundleFailed");
    lab.ask("ModifyInstancesBundle", json!({"InstanceIds": [general], "BundleId": BIGGER}), 2000).unwrap();
    lab.ask("IsolateInstances", json!({"InstanceIds": [general]}), 4000).unwrap();
    lab.ask("TerminateInstances", json!({"InstanceIds": [general]}), 5000).unwrap();
    lab.ask("ModifyInstancesBundle", up, 6000).unwrap();
    lab.one(&id, 7000);
    lab.buy(starter, 7000);
    assert_eq!(lab.code("CreateInstances", order(json!({})), 7000), "LimitExceeded.InstanceQuotaLimitExceeded");
}

#[test]
fn a_machine_that_was_shut_down_runs_again_or_not() {
    let mut lab = Lab::new(|s| s.after_shutdown = Afterwards::Stopped);
    let id = lab.running(json!({}));
    lab.ask("ResetInstance", json!({"InstanceId": id}), 2000).unwrap();
    assert_eq!(lab.one(&id, 2500)["InstanceState"], "STOPPING");
    assert_eq!(lab.one(&id, 3000)["InstanceState"], "STOPPED");
    lab.ask("ModifyInstancesBundle", json!({"InstanceIds": [id], "BundleId": BIGGER}), 3000).unwrap();
    assert_eq!(lab.one(&id, 3500)["InstanceState"], "STOPPED");
    assert_eq!(lab.one(&id, 4000)["InstanceState"], "STOPPED");
}

#[test]
fn a_reinstallation_wipes_image_and_login() {
    let mut lab = Lab::new(|_| {});
    let id = lab.running(json!({"LoginConfiguration": {"KeyIds": ["lhkp-abcd1234"]}}));
    let body = json!({"InstanceId": id, "BlueprintId": DOCKER, "Containers": [{"ContainerImage": "nginx"}]});
    lab.ask("ResetInstance", body, 2000).unwrap();
    assert_eq!(
        lab.shown(&id, 2999, &["BlueprintId", "LoginSettings"]),
        "lhbp-f1lkcd41 {\"KeyIds\":[\"lhkp-abcd1234\"]}"
    );
    assert_eq!(lab.shown(&id, 3000, &["BlueprintId", "LoginSettings"]), format!("{DOCKER} {{\"KeyIds\":[]}}"));
    assert_eq!(record(&lab, &id).resets, 1);
    let login = json!({"InstanceId": id, "LoginConfiguration": {"Password": "Abcdef12"}});
    lab.ask("ResetInstance", login, 3000).unwrap();
    lab.one(&id, 4000);
    let kept = record(&lab, &id).clone();
    assert_eq!((kept.blueprint.as_str(), kept.resets, kept.password.is_some()), (DOCKER, 2, true));
    assert!(!serde_json::to_string(&kept).unwrap().contains("Abcdef12"), "the password itself is not kept");

    for (more, code) in [
        (json!({"BlueprintId": "image"}), "InvalidParameterValue.BlueprintIdMalformed"),
        (json!({"BlueprintId": "lhbp-00000000"}), "ResourceNotFound.BlueprintIdNotFound"),
        (json!({"BlueprintId": "lhbp-w1nd0w22"}), "InvalidParameterValue.BlueprintConfigNotMatch"),
        (json!({"LoginConfiguration": {"Password": "short"}}), "InvalidParameterValue.InvalidPassword"),
        (json!({"LoginConfiguration": {"KeyIds": ["lhkp-00000000"]}}), "ResourceNotFound.KeyPairNotFound"),
        (
            json!({"BlueprintId": "lhbp-f1lkcd41", "Containers": [{"ContainerImage": "a"}]}),
            "InvalidParameterValue.InvalidParameterCombination",
        ),
        (json!({"InstanceId": "lhins-00000000"}), "ResourceNotFound.InstanceIdNotFound"),
        (json!({"InstanceId": "x"}), "InvalidParameterValue.InstanceIdMalformed"),
    ] {
        let mut body = json!({"InstanceId": id});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(lab.code("ResetInstance", body, 5000), code, "{more}");
    }
    let images = lab.ask("DescribeResetInstanceBlueprints", json!({"InstanceId": id}), 5000).unwrap();
    let resettable = |index: usize| images["ResetInstanceBlueprintSet"][index]["IsResettable"].clone();
    assert_eq!((&images["TotalCount"], resettable(0), resettable(3)), (&json!(4), json!(true), json!(false)));
}

#[test]
fn systems_are_not_exchanged_outside_the_mainland() {
    let mut lab = Lab::new(|s| s.site = Site::International);
    let body = json!({
        "BundleId": "bundle_linux_int_gen_02",
        "BlueprintId": "lhbp-f1lkcd41",
        "InstanceChargePrepaid": {"Period": 1},
    });
    let id = ids(&lab.ask("CreateInstances", body, 0).unwrap())[0].clone();
    let windows = json!({"InstanceId": id, "BlueprintId": "lhbp-w1nd0w22"});
    assert_eq!(lab.code("ResetInstance", windows, 2000), "InvalidParameterValue.NotAllowToChangePlatformType");
    let login = json!({"InstanceId": id, "LoginConfiguration": {}});
    assert_eq!(lab.code("ResetInstance", login, 2000), "UnknownParameter");
    for (action, field) in [("StopInstances", "StopType"), ("AssociateInstancesKeyPairs", "AssociateType")] {
        let mut body = json!({"InstanceIds": [id]});
        body[field] = json!("SOFT");
        assert_eq!(lab.code(action, body, 2000), "UnknownParameter", "{action}");
    }
    lab.ask("ResetInstance", json!({"InstanceId": id, "BlueprintId": DOCKER}), 2000).unwrap();
    assert_eq!(lab.one(&id, 3000)["BlueprintId"], DOCKER);
}

#[test]
fn passwords() {
    let mut lab = Lab::new(|_| {});
    let windows = json!({"BundleId": "bundle_rs_nmc_win_med4_01", "BlueprintId": "lhbp-w1nd0w22"});
    let (linux, windows) = (lab.running(json!({})), lab.running(windows));
    let set = |ids: &[&String], password: &str| json!({"InstanceIds": ids, "Password": password});
    for bad in ["Abc12", "abcdefgh", "/Abcdef12", "Abc def12"] {
        let code = lab.code("ResetInstancesPassword", set(&[&linux], bad), 2000);
        assert_eq!(code, "InvalidParameterValue.InvalidPassword", "{bad}");
    }
    for bad in ["Abcdef12", "Administrator12"] {
        let code = lab.code("ResetInstancesPassword", set(&[&linux, &windows], bad), 2000);
        assert_eq!(code, "InvalidParameterValue.InvalidPassword", "the rule of Windows holds for a mixed call");
    }
    lab.ask("ResetInstancesPassword", set(&[&linux, &windows], "Abcdefgh1234"), 2000).unwrap();
    assert_eq!(lab.shown(&linux, 2000, &["InstanceState"]), "STOPPING");
    lab.one(&linux, 3000);
    assert!(record(&lab, &linux).password.is_some());
    assert_eq!(record(&lab, &linux).password, record(&lab, &windows).password);
    lab.ask("ResetInstancesPassword", set(&[&linux], "Abcdefgh1235"), 3000).unwrap();
    lab.one(&linux, 4000);
    assert_ne!(record(&lab, &linux).password, record(&lab, &windows).password);
    let long = json!({"InstanceIds": [linux], "Password": "Abcdefgh1234", "UserName": "u".repeat(65)});
    assert_eq!(lab.code("ResetInstancesPassword", long, 5000), "InvalidParameterValue.OutOfRange");
}

#[test]
fn key_pairs() {
    let mut lab = Lab::new(|_| {});
    let id = lab.running(json!({"LoginConfiguration": {"KeyIds": ["lhkp-aaaaaaaa"]}}));
    let with = |keys: &[&str], more: Value| {
        let mut body = json!({"InstanceIds": [id], "KeyIds": keys});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let keys = |lab: &mut Lab, ms| lab.one(&id, ms)["LoginSettings"]["KeyIds"].clone();
    for (action, body, code) in [
        (
            "AssociateInstancesKeyPairs",
            with(&["lhkp-aaaaaaaa"], json!({})),
            "UnsupportedOperation.KeyPairBindDuplicate",
        ),
        ("AssociateInstancesKeyPairs", with(&["lhkp-00000000"], json!({})), "ResourceNotFound.KeyIdNotFound"),
        ("AssociateInstancesKeyPairs", with(&["k"], json!({})), "InvalidParameterValue.KeyPairIdMalformed"),
        ("AssociateInstancesKeyPairs", with(&[], json!({})), "MissingParameter"),
        (
            "AssociateInstancesKeyPairs",
            with(&["lhkp-bbbbbbbb"], json!({"AssociateType": "OFFLINE", "Username": "root"})),
            "InvalidParameterValue",
        ),
        (
            "DisassociateInstancesKeyPairs",
            with(&["lhkp-bbbbbbbb"], json!({})),
            "UnsupportedOperation.KeyPairNotBoundToInstance",
        ),
        (
            "DisassociateInstancesKeyPairs",
            with(&["lhkp-aaaaaaaa"], json!({"Username": "root"})),
            "UnsupportedOperation.KeyPairUnbindUsernameMismatch",
        ),
    ] {
        assert_eq!(lab.code(action, body, 2000), code);
    }
    let online = json!({"AssociateType": "ONLINE", "Username": "deploy"});
    lab.ask("AssociateInstancesKeyPairs", with(&["lhkp-bbbbbbbb", "lhkp-cccccccc"], online), 2000).unwrap();
    assert_eq!(lab.one(&id, 2999)["InstanceState"], "RUNNING");
    assert_eq!(
        (keys(&mut lab, 2999), keys(&mut lab, 3000)),
        (json!(["lhkp-aaaaaaaa"]), json!(["lhkp-bbbbbbbb", "lhkp-cccccccc"]))
    );
    let told =
        lab.ask("DescribeKeyPairs", json!({"Filters": [{"Name": "key-name", "Values": ["bbb"]}]}), 3000).unwrap();
    assert_eq!((&told["TotalCount"], &told["KeyPairSet"][0]["KeyId"]), (&json!(1), &json!("lhkp-bbbbbbbb")));
    assert_eq!(told["KeyPairSet"][0]["AssociatedInstanceSet"], json!([{"InstanceId": id, "Username": "deploy"}]));
    let told = lab.ask("DescribeKeyPairs", json!({"KeyIds": ["lhkp-dddddddd", "lhkp-00000000"]}), 3000).unwrap();
    assert_eq!((&told["TotalCount"], &told["KeyPairSet"][0]["AssociatedInstanceIds"]), (&json!(1), &json!([])));
    lab.ask("DisassociateInstancesKeyPairs", with(&["lhkp-bbbbbbbb"], json!({})), 3000).unwrap();
    assert_eq!(lab.one(&id, 3999)["InstanceState"], "STOPPING");
    assert_eq!(keys(&mut lab, 4000), json!(["lhkp-cccccccc"]));

    let mut adding = Lab::new(|s| s.bind_keys = BindKeys::Add);
    let id = adding.running(json!({"LoginConfiguration": {"KeyIds": ["lhkp-aaaaaaaa"]}}));
    let bind = json!({"InstanceIds": [id], "KeyIds": ["lhkp-bbbbbbbb"]});
    adding.ask("AssociateInstancesKeyPairs", bind.clone(), 2000).unwrap();
    assert_eq!(adding.one(&id, 3000)["LoginSettings"]["KeyIds"], json!(["lhkp-aaaaaaaa", "lhkp-bbbbbbbb"]));
    let windows = adding.running(json!({"BundleId": "bundle_rs_nmc_win_med4_01", "BlueprintId": "lhbp-w1nd0w22"}));
    let both = json!({"InstanceIds": [id, windows], "KeyIds": ["lhkp-cccccccc"]});
    assert_eq!(adding.code("AssociateInstancesKeyPairs", both, 4000), "UnsupportedOperation.WindowsNotSupportKeyPair");
}
