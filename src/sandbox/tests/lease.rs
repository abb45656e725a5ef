//! Paid time: how it is prolonged and how it ends.

use super::super::settings::Afterwards;
use super::*;

/// When the month ends that is bought at the start: 2023-12-14T22:13:20Z.
const MONTH: i64 = 30 * DAY;

fn renewal(id: &str, period: u32) -> Value {
    json!({"InstanceIds": [id], "InstanceChargePrepaid": {"Period": period, "RenewFlag": "NOTIFY_AND_MANUAL_RENEW"}})
}

#[test]
fn a_renewal_adds_months_and_is_paid_once() {
    let mut lab = Lab::new(|s| s.balance = "250".into());
    let id = lab.running(json!({}));
    let ask = json!({"InstanceIds": [id], "InstanceChargePrepaid": {"Period": 3}, "RenewDataDisk": true});
    let price = lab.ask("InquirePriceRenewInstances", ask, 2000).unwrap();
    assert_eq!(price["TotalPrice"], json!({"OriginalPrice": 150.0, "DiscountPrice": 150.0}));
    assert_eq!(price["InstancePriceDetailSet"][0]["InstanceId"], json!(id));
    assert_eq!(price["Price"]["InstancePrice"]["DiscountPrice"], 150.0);
    lab.ask("RenewInstances", renewal(&id, 3), 2000).unwrap();
    assert_eq!(lab.0.balance().to_string(), "50.00");
    assert_eq!(lab.one(&id, 2999)["ExpiredTime"], "2023-12-14T22:13:20Z", "not before it has succeeded");
    let names = ["ExpiredTime", "InstanceState", "LatestOperation", "LatestOperationState"];
    assert_eq!(lab.shown(&id, 3000, &names), "2024-03-14T22:13:20Z RUNNING RenewInstances SUCCESS");
    assert_eq!(lab.code("RenewInstances", renewal(&id, 2), 3000), "FailedOperation.InsufficientBalance");
    for period in [0, 13, 48, 60] {
        assert_eq!(lab.code("RenewInstances", renewal(&id, period), 3000), "InvalidParameterValue.OutOfRange");
    }
    let many: Vec<String> = (0..51).map(|i| format!("lhins-{i:08}")).collect();
    let ask = json!({"InstanceIds": many, "InstanceChargePrepaid": {"Period": 1}});
    assert_eq!(lab.code("InquirePriceRenewInstances", ask, 3000), "InvalidParameterValue.LimitExceeded");
}

#[test]
fn a_renewal_brings_a_returned_instance_back() {
    for (after, state) in [(Afterwards::Running, "RUNNING"), (Afterwards::Stopped, "STOPPED")] {
        let mut lab = Lab::new(|s| s.after_recovery = after);
        let id = lab.running(json!({}));
        lab.ask("IsolateInstances", json!({"InstanceIds": [id]}), 2000).unwrap();
        let back = 6 * DAY;
        assert_eq!(lab.one(&id, back)["InstanceState"], "SHUTDOWN");
        lab.ask("RenewInstances", renewal(&id, 1), back).unwrap();
        assert_eq!(lab.one(&id, back)["InstanceState"], "SHUTDOWN");
        let names = ["InstanceState", "IsolatedTime", "ExpiredTime"];
        assert_eq!(lab.shown(&id, back + 1000, &names), format!("{state} null 2023-12-20T22:13:20Z"));
        assert_eq!(lab.one(&id, 20 * DAY)["InstanceState"], state, "it is kept");
    }
}

#[test]
fn a_failed_recovery_does_not_prolong_the_seven_days() {
    let mut lab = Lab::new(|_| {});
    let id = lab.running(json!({}));
    lab.ask("IsolateInstances", json!({"InstanceIds": [id]}), 3000).unwrap();
    let call = call_in("ap-guangzhou", "RenewInstances", renewal(&id, 1), 6 * DAY);
    let forced = super::super::account::Forced { operation_fails: true, ..Default::default() };
    lab.0.call_with(&call, forced).unwrap();
    assert_eq!(lab.one(&id, 3499 + 7 * DAY)["InstanceState"], "SHUTDOWN");
    assert_eq!(lab.one(&id, 3500 + 7 * DAY), Value::Null);
}

#[test]
fn paid_time_ends() {
    let mut lab = Lab::new(|_| {});
    let id = lab.running(json!({}));
    assert_eq!(lab.one(&id, MONTH)["InstanceState"], "RUNNING");
    let returnable = lab.ask("DescribeInstancesReturnable", json!({"InstanceIds": [id]}), MONTH).unwrap();
    assert_eq!(returnable["InstanceReturnableSet"][0]["ReturnFailCode"], 2);
    let code = lab.code("DescribeModifyInstanceBundles", json!({"InstanceId": id}), MONTH);
    assert_eq!(code, "UnsupportedOperation.InstanceExpired");
    assert_eq!(lab.one(&id, MONTH + 2 * DAY - 1)["InstanceState"], "RUNNING");
    let lapsed = lab.shown(&id, MONTH + 2 * DAY, &["InstanceState", "IsolatedTime"]);
    assert_eq!(lapsed, "SHUTDOWN 2023-12-16T22:13:20Z");
    lab.ask("RenewInstances", renewal(&id, 1), MONTH + 3 * DAY).unwrap();
    let back = lab.shown(&id, MONTH + 3 * DAY + 1000, &["InstanceState", "ExpiredTime"]);
    assert_eq!(back, "RUNNING 2024-01-14T22:13:20Z", "from the old end, for nothing was returned");
    let end = 61 * DAY + 9 * DAY;
    assert_eq!(lab.one(&id, end - 1)["InstanceState"], "SHUTDOWN");
    assert_eq!(lab.one(&id, end), Value::Null);
}

#[test]
fn automatic_renewal_goes_month_by_month_while_the_money_lasts() {
    let mut lab = Lab::new(|s| s.balance = "150".into());
    let auto = json!({"InstanceChargePrepaid": {"Period": 1, "RenewFlag": "NOTIFY_AND_AUTO_RENEW"}});
    let id = lab.running(auto);
    assert_eq!(lab.one(&id, MONTH - 1)["ExpiredTime"], "2023-12-14T22:13:20Z");
    assert_eq!(lab.one(&id, MONTH)["ExpiredTime"], "2024-01-14T22:13:20Z");
    let names = ["InstanceState", "ExpiredTime"];
    assert_eq!(lab.shown(&id, 92 * DAY, &names), "RUNNING 2024-02-14T22:13:20Z");
    assert_eq!(lab.0.balance().to_string(), "0.00");
    assert_eq!(lab.shown(&id, 94 * DAY, &names), "SHUTDOWN 2024-02-14T22:13:20Z");
    // A flag that is set after the end, within the two days, still helps.
    let mut late = Lab::new(|_| {});
    let id = late.running(json!({}));
    let flag = json!({"InstanceIds": [id], "RenewFlag": "NOTIFY_AND_AUTO_RENEW"});
    late.ask("ModifyInstancesRenewFlag", flag, MONTH + DAY).unwrap();
    assert_eq!(late.one(&id, MONTH + DAY)["ExpiredTime"], "2024-01-14T22:13:20Z");
}

#[test]
fn an_operation_that_outlives_the_paid_time_fails() {
    let mut lab = Lab::new(|s| s.operation_ms = 3 * 86_400_000);
    let id = lab.running(json!({}));
    let money = lab.0.balance();
    let up = json!({"InstanceIds": [id], "BundleId": "bundle_rs_nmc_lin_med4_01"});
    lab.ask("ModifyInstancesBundle", up, MONTH - 1).unwrap();
    let names = ["InstanceState", "LatestOperationState", "BundleId"];
    assert_eq!(lab.shown(&id, MONTH + 2 * DAY, &names), "SHUTDOWN FAILED bundle_rs_nmc_lin_med2_01");
    assert_eq!(lab.0.balance(), money);
}

#[test]
fn returns_run_out() {
    let mut lab = Lab::new(|s| s.returns = Some(1));
    let ids = lab.buy(json!({"InstanceCount": 2}), 0);
    let code = "UnsupportedOperation.ResourceNotReturnable";
    assert_eq!(lab.code("IsolateInstances", json!({"InstanceIds": ids}), 2000), code);
    lab.ask("IsolateInstances", json!({"InstanceIds": [ids[0]]}), 2000).unwrap();
    assert_eq!(lab.code("IsolateInstances", json!({"InstanceIds": [ids[1]]}), 2000), code);
    let returnable = lab.ask("DescribeInstancesReturnable", json!({"InstanceIds": [ids[1]]}), 2000).unwrap();
    assert_eq!(returnable["InstanceReturnableSet"][0]["ReturnFailCode"], 8);
}

#[test]
fn discounts_are_told() {
    let mut lab = Lab::new(|_| {});
    let body = json!({"BundleId": "bundle_rs_nmc_lin_med2_01"});
    let answer = lab.ask("DescribeBundleDiscount", body, 0).unwrap();
    let year = &answer["DiscountDetail"][11];
    assert_eq!(
        (&year["TimeSpan"], &year["TotalCost"], &year["RealTotalCost"]),
        (&json!(12), &json!(600.0), &json!(498.0))
    );
    assert_eq!(lab.code("DescribeBundleDiscount", json!({"BundleId": "x"}), 0), "InvalidParameter.BundleIdNotFound");
}
