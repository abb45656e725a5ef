//! What happens without the API, and what an older sandbox has kept.

use super::*;

#[test]
fn anything_may_happen_to_an_instance() {
    let mut lab = Lab::new(|_| {});
    let id = lab.running(json!({}));
    let mut change = |fields: Value, ms| {
        let answer = lab.0.intervene(&id, &fields, Timestamp(START + ms));
        answer.map_err(|error| error.code)
    };
    let shown =
        change(json!({"InstanceState": "RESCUE_MODE", "InstanceRestrictState": "NETWORK_RESTRICT"}), 3000).unwrap();
    assert_eq!(
        (&shown["InstanceState"], &shown["InstanceRestrictState"]),
        (&json!("RESCUE_MODE"), &json!("NETWORK_RESTRICT"))
    );
    for (fields, code) in [
        (json!({"InstanceState": "ASLEEP"}), "InvalidParameterValue"),
        (json!({"InstanceRestrictState": "X", "InstanceName": "y"}), "InvalidParameterValue"),
        (json!({"ExpiredTime": "soon"}), "InvalidParameterValue"),
        (json!({"BundleId": "x"}), "InvalidParameterValue"),
        (json!({"ReturnFailCode": 13}), "InvalidParameterValue.OutOfRange"),
        (json!({"Zone": "x"}), "UnknownParameter"),
    ] {
        assert_eq!(change(fields.clone(), 3000), Err(code.to_owned()), "{fields}");
    }
    let all = json!({
        "InstanceState": "RUNNING",
        "InstanceRestrictState": "NORMAL",
        "InstanceViolationDetail": {"Source": "RESTRICT", "State": "1", "Reason": "r", "Content": "c"},
        "ReturnFailCode": 9,
        "ExpiredTime": "2030-01-01T00:00:00Z",
        "InstanceName": "by hand",
        "RenewFlag": "NOTIFY_AND_AUTO_RENEW",
        "BundleId": "bundle_rs_nmc_lin_med4_01",
        "BlueprintId": "lhbp-5e8807lo",
        "KeyIds": ["lhkp-abcd1234"],
        "Tags": [{"Key": "a", "Value": "b"}],
    });
    let shown = change(all.clone(), 4000).unwrap();
    for field in
        ["InstanceState", "InstanceViolationDetail", "ExpiredTime", "InstanceName", "RenewFlag", "BundleId", "Tags"]
    {
        assert_eq!(shown[field], all[field], "{field}");
    }
    assert_eq!(shown["LoginSettings"]["KeyIds"], all["KeyIds"]);
    let code = lab.code("IsolateInstances", json!({"InstanceIds": [id]}), 4000);
    assert_eq!(code, "UnsupportedOperation.ResourceNotReturnable");
    assert_eq!(lab.0.inspect(&id, Timestamp(START + 4000)).unwrap()["return_fail"], 9);
    let lifted = lab.0.intervene(&id, &json!({"InstanceViolationDetail": null}), Timestamp(START + 4000)).unwrap();
    assert_eq!(lifted["InstanceViolationDetail"], Value::Null);
    lab.0.vanish(&id, Timestamp(START + 5000)).unwrap();
    assert_eq!(lab.one(&id, 5000), Value::Null);
    assert!(lab.0.vanish(&id, Timestamp(START + 5000)).is_err());
}

#[test]
fn what_is_under_way_ends_badly() {
    let mut lab = Lab::new(|_| {});
    let id = lab.running(json!({}));
    let money = lab.0.balance();
    lab.ask("ModifyInstancesBundle", json!({"InstanceIds": [id], "BundleId": "bundle_rs_nmc_lin_med4_01"}), 2000)
        .unwrap();
    lab.0.intervene(&id, &json!({"InstanceState": "FREEZING"}), Timestamp(START + 2500)).unwrap();
    let names = ["InstanceState", "LatestOperationState", "BundleId"];
    assert_eq!(lab.shown(&id, 9000, &names), "FREEZING FAILED bundle_rs_nmc_lin_med2_01");
    assert_eq!(lab.0.balance(), money);
    for state in ["FREEZING", "RESCUE_MODE", "ENTER_RESCUE_MODE", "DELETING"] {
        lab.0.intervene(&id, &json!({"InstanceState": state}), Timestamp(START + 9000)).unwrap();
        let code = lab.code("StopInstances", json!({"InstanceIds": [id]}), 9000);
        assert_eq!(code, "UnsupportedOperation.InvalidInstanceState", "{state}");
    }
    assert_eq!(lab.one(&id, 9500), Value::Null, "deleted");
}

#[test]
fn an_older_sandbox_is_read() {
    let kept = r#"{"instance":{"id":"lhins-abcd1234","serial":0,"region":"ap-guangzhou","zone":"ap-guangzhou-3",
        "bundle":"bundle_rs_nmc_lin_med2_01","blueprint":"lhbp-f1lkcd41","name":"web",
        "renew_flag":"NOTIFY_AND_MANUAL_RENEW","tags":{},"keys":[],"uuid":"u","disk":"lhdisk-abcd1234",
        "invocation":null,"paid":500000,"created":"2023-11-14T22:13:20Z","expires":"2023-12-14T22:13:20Z","isolated":null,
        "visible":"2023-11-14T22:13:20Z","state":"PENDING","due":["2023-11-14T22:13:22Z","Boot"],
        "operation":{"action":"CreateInstances","state":"OPERATING","request_id":"r","started":"2023-11-14T22:13:20Z"}}}"#;
    let ledger = r#"{"ledger":{"balance":1000000,"random":RANDOM,"serial":1,"zone_turn":{"ap-guangzhou":1}}}"#;
    let mut account = Account::new(Settings::default());
    let random = account.snapshot().iter().find_map(|change| match change {
        Change::Ledger(ledger) => Some(serde_json::to_string(&ledger.random).unwrap()),
        _ => None,
    });
    for text in [kept.to_owned(), ledger.replace("RANDOM", &random.unwrap())] {
        account.apply_change(serde_json::from_str(&text).unwrap());
    }
    let mut lab = Lab(account);
    assert_eq!(lab.one("lhins-abcd1234", 2000)["InstanceState"], "RUNNING");
    lab.ask("StopInstances", json!({"InstanceIds": ["lhins-abcd1234"]}), 2000).unwrap();
    assert_eq!(lab.one("lhins-abcd1234", 3000)["InstanceState"], "STOPPED");
}

#[test]
fn an_account_that_is_read_again_counts_what_it_lists() {
    let mut lab = Lab::new(|_| {});
    let tags = json!([{"Key": "team", "Value": "a"}]);
    let bought = lab.buy(json!({"InstanceCount": 4, "Tags": tags}), 0);
    let mut again = Account::new(lab.0.settings().clone());
    let follow = |lab: &mut Lab, again: &mut Account| {
        for change in lab.0.take_changes() {
            again.apply_change(change);
        }
    };
    follow(&mut lab, &mut again);
    lab.0.vanish(&bought[0], Timestamp(START + 3000)).unwrap();
    let other = json!({"Tags": [{"Key": "team", "Value": "b"}]});
    lab.0.intervene(&bought[1], &other, Timestamp(START + 3000)).unwrap();
    follow(&mut lab, &mut again);
    let mut again = Lab(again);
    for (value, number) in [("a", 2), ("b", 1)] {
        let filter = json!({"Filters": [{"Name": "tag:team", "Values": [value]}]});
        for account in [&mut lab, &mut again] {
            let listed = account.ask("DescribeInstances", filter.clone(), 4000).unwrap();
            assert_eq!(listed["TotalCount"], number, "{value}");
            assert_eq!(listed["InstanceSet"].as_array().map(Vec::len), Some(number), "{value}");
        }
    }
}
