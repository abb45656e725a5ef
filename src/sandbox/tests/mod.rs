//! The account as its callers see it.

mod changes;
mod lease;
mod neighbours;
mod outside;
mod purchase;

use super::account::{Account, Change};
use super::actions;
use super::call::{Answer, Call};
use super::settings::Settings;
use crate::model::{Site, Timestamp};
use serde_json::{Value, json};

const START: i64 = 1_700_000_000_000;
const DAY: i64 = 86_400_000;

fn call_in(region: &str, action: &str, body: Value, ms: i64) -> Call {
    let service = actions::named(action).map_or("lighthouse", |known| known.service);
    Call {
        service: service.into(),
        action: action.into(),
        version: actions::version(service).unwrap().into(),
        region: region.into(),
        body,
        now: Timestamp(START + ms),
        request_id: format!("request-{ms}"),
    }
}

/// An account and a way to ask it.
struct Lab(Account);

impl Lab {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        Lab(Account::new(settings))
    }

    fn region(&self) -> &'static str {
        if self.0.settings().site == Site::China { "ap-guangzhou" } else { "ap-singapore" }
    }

    fn ask(&mut self, action: &str, body: Value, ms: i64) -> Answer {
        let call = call_in(self.region(), action, body, ms);
        self.0.call(&call)
    }

    fn code(&mut self, action: &str, body: Value, ms: i64) -> String {
        self.ask(action, body, ms).err().map(|error| error.code).unwrap_or_default()
    }

    fn buy(&mut self, more: Value, ms: i64) -> Vec<String> {
        ids(&self.ask("CreateInstances", order(more), ms).unwrap())
    }

    fn refused(&mut self, more: Value) -> String {
        let call = call_in(self.region(), "CreateInstances", order(more), 0);
        let code = self.0.call(&call).err().map(|error| error.code).unwrap_or_default();
        assert_eq!(self.0.records().count(), 0, "nothing is bought");
        code
    }

    /// A bought instance that runs.
    fn running(&mut self, more: Value) -> String {
        let id = self.buy(more, 0)[0].clone();
        assert_eq!(self.one(&id, 2000)["InstanceState"], "RUNNING");
        id
    }

    /// Some fields of an instance, as one text.
    fn shown(&mut self, id: &str, ms: i64, names: &[&str]) -> String {
        let instance = self.one(id, ms);
        let text = |name: &&str| match &instance[*name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        names.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    fn list(&mut self, body: Value, ms: i64) -> Vec<Value> {
        self.ask("DescribeInstances", body, ms).unwrap()["InstanceSet"].as_array().unwrap().clone()
    }

    fn one(&mut self, id: &str, ms: i64) -> Value {
        self.list(json!({"InstanceIds": [id]}), ms).pop().unwrap_or_default()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "always a literal")]
fn order(more: Value) -> Value {
    let mut body = json!({
        "BundleId": "bundle_rs_nmc_lin_med2_01",
        "BlueprintId": "lhbp-f1lkcd41",
        "InstanceChargePrepaid": {"Period": 1},
        "InstanceName": "web",
    });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

fn ids(answer: &Value) -> Vec<String> {
    serde_json::from_value(answer["InstanceIdSet"].clone()).unwrap()
}

fn field(instances: &[Value], name: &str) -> Vec<String> {
    instances.iter().map(|instance| instance[name].as_str().unwrap_or("null").to_owned()).collect()
}

#[test]
fn an_instance_lives_and_dies() {
    let mut lab = Lab::new(|_| {});
    let id = &lab.buy(json!({}), 0)[0].clone();
    let some = json!({"InstanceIds": [id]});
    let new = lab.one(id, 1999);
    assert_eq!((&new["InstanceState"], &new["LatestOperation"]), (&json!("PENDING"), &json!("CreateInstances")));
    assert_eq!((&new["LatestOperationState"], &new["PublicAddresses"]), (&json!("OPERATING"), &json!([])));
    assert_eq!(lab.code("IsolateInstances", some.clone(), 1), "UnsupportedOperation.InvalidInstanceState");
    let rename = json!({"InstanceIds": [id], "InstanceName": "db"});
    assert_eq!(lab.code("ModifyInstancesAttribute", rename.clone(), 1), "OperationDenied.InstanceCreating");

    let running = lab.one(id, 2000);
    assert_eq!((&running["InstanceState"], &running["LatestOperationState"]), (&json!("RUNNING"), &json!("SUCCESS")));
    assert_eq!(running["ExpiredTime"], "2023-12-14T22:13:20Z");
    assert_eq!(running["PublicAddresses"].as_array().unwrap().len(), 1);
    lab.ask("ModifyInstancesAttribute", rename, 2001).unwrap();
    let renamed = lab.one(id, 2001);
    assert_eq!(
        (&renamed["InstanceName"], &renamed["LatestOperation"]),
        (&json!("db"), &json!("ModifyInstancesAttribute"))
    );
    assert_eq!(lab.code("TerminateInstances", some.clone(), 2002), "UnsupportedOperation.InvalidInstanceState");

    assert_eq!(lab.ask("IsolateInstances", some.clone(), 3000), Ok(json!({})));
    let leaving = lab.one(id, 3499);
    assert_eq!((&leaving["InstanceState"], &leaving["LatestOperationState"]), (&json!("RUNNING"), &json!("OPERATING")));
    assert_eq!(leaving["LatestOperationRequestId"], "request-3000");
    assert_eq!(lab.code("IsolateInstances", some.clone(), 3499), "UnsupportedOperation.LatestOperationUnfinished");
    let isolated = lab.one(id, 3500);
    assert_eq!(
        (&isolated["InstanceState"], &isolated["IsolatedTime"]),
        (&json!("SHUTDOWN"), &json!("2023-11-14T22:13:23Z"))
    );
    assert_eq!(lab.code("IsolateInstances", some.clone(), 3500), "UnsupportedOperation.InvalidInstanceState");

    assert_eq!(lab.ask("TerminateInstances", some.clone(), 4000), Ok(json!({})));
    assert_eq!(lab.one(id, 4499)["InstanceState"], "TERMINATING");
    assert_eq!(lab.one(id, 4500), Value::Null);
    assert_eq!(lab.code("TerminateInstances", some, 4500), "ResourceNotFound.InstanceIdNotFound");
}

#[test]
fn isolated_instances_are_kept_for_seven_days() {
    let mut lab = Lab::new(|_| {});
    let id = &lab.buy(json!({}), 0)[0].clone();
    lab.ask("IsolateInstances", json!({"InstanceIds": [id]}), 3000).unwrap();
    assert_eq!(lab.one(id, 3499 + 7 * DAY)["InstanceState"], "SHUTDOWN");
    assert_eq!(lab.one(id, 3500 + 7 * DAY), Value::Null);
}

#[test]
fn lists_in_order_by_page_by_id_and_by_filter() {
    let mut lab = Lab::new(|_| {});
    let old = lab.buy(json!({"InstanceName": "old", "Tags": [{"Key": "team", "Value": "x"}]}), 0)[0].clone();
    let mid = lab.buy(json!({"InstanceName": "mid", "InstanceChargePrepaid": {"Period": 2}}), 10)[0].clone();
    let new = lab.buy(json!({"InstanceName": "new"}), 20)[0].clone();
    let names = |list: Vec<Value>| field(&list, "InstanceName").join(" ");
    assert_eq!(names(lab.list(json!({}), 20)), "new mid old");
    assert_eq!(names(lab.list(json!({"Offset": 1, "Limit": 1}), 20)), "mid");
    assert_eq!(lab.ask("DescribeInstances", json!({"Limit": 1}), 20).unwrap()["TotalCount"], 3);
    lab.ask("IsolateInstances", json!({"InstanceIds": [old]}), 3000).unwrap();
    assert_eq!(names(lab.list(json!({}), 4000)), "old new mid");
    assert_eq!(names(lab.list(json!({"InstanceIds": [mid, old, "lhins-00000000"]}), 4000)), "old mid");
    assert_eq!(names(lab.list(json!({"OrderField": "EXPIRED_TIME", "Order": "DESC"}), 4000)), "mid new old");
    assert_eq!(lab.code("DescribeInstances", json!({"Order": "ASC"}), 0), "MissingParameter.OrderFieldRequired");
    let ip = lab.one(&new, 4000)["PublicAddresses"][0].as_str().unwrap().to_owned();
    for (name, values, want) in [
        ("instance-name", json!(["new", "mid"]), "new mid"),
        ("instance-name", json!(["ne"]), ""),
        ("tag:team", json!(["x"]), "old"),
        ("tag:team", json!(["y"]), ""),
        ("tag-key", json!(["team"]), "old"),
        ("tag-value", json!(["x"]), "old"),
        ("instance-state", json!(["RUNNING"]), "new mid"),
        ("zone", json!(["ap-guangzhou-3"]), "old"),
        ("bundle-id", json!(["bundle_rs_nmc_lin_med2_01"]), "old new mid"),
        ("public-ip-address", json!([ip]), "new"),
    ] {
        let found = lab.list(json!({"Filters": [{"Name": name, "Values": values}]}), 4000);
        assert_eq!(names(found), want, "{name} {values}");
    }
    let filter = json!([{"Name": "zone", "Values": []}]);
    let both = json!({"InstanceIds": [new], "Filters": filter});
    assert_eq!(lab.code("DescribeInstances", both, 0), "InvalidParameter.ParameterConflict");
    let bad = json!({"Filters": [{"Name": "private-ip-address", "Values": ["x"]}]});
    assert_eq!(lab.code("DescribeInstances", bad, 0), "InvalidParameterValue.InvalidIpFormat");
    let elsewhere = call_in("ap-shanghai", "DescribeInstances", json!({"InstanceIds": [new]}), 0);
    assert_eq!(lab.0.call(&elsewhere).unwrap()["TotalCount"], 0);
}

#[test]
fn twenty_are_listed_unless_more_are_asked_for() {
    let mut lab = Lab::new(|_| {});
    let bought = lab.buy(json!({"InstanceCount": 30}), 0);
    assert_eq!(lab.list(json!({"InstanceIds": bought}), 0).len(), 20);
    assert_eq!(lab.list(json!({"InstanceIds": bought, "Limit": 100}), 0).len(), 30);
}

#[test]
fn ids_are_checked_and_batches_are_all_or_nothing() {
    let mut lab = Lab::new(|_| {});
    let bought = lab.buy(json!({"InstanceCount": 21}), 0);
    for action in ["DescribeInstances", "IsolateInstances", "TerminateInstances", "DescribeInstancesReturnable"] {
        let twice = json!({"InstanceIds": [bought[0], bought[0]]});
        assert_eq!(lab.code(action, twice, 2000), "InvalidParameterValue.Duplicated", "{action}");
        for bad in ["", "lhins-", "lhins-ABCDEFGH", "ins-12345678", "lhins-123456789"] {
            let body = json!({"InstanceIds": [bad]});
            assert_eq!(lab.code(action, body, 2000), "InvalidParameterValue.InstanceIdMalformed", "{action} {bad}");
        }
    }
    let many = json!({"InstanceIds": bought});
    assert_eq!(lab.code("IsolateInstances", many, 2000), "LimitExceeded.IsolateResourcesLimitExceeded");
    assert_eq!(lab.code("IsolateInstances", json!({}), 2000), "MissingParameter");
    let ghost = json!({"InstanceIds": [bought[0], "lhins-00000000"]});
    assert_eq!(lab.code("IsolateInstances", ghost, 2000), "ResourceNotFound.InstanceIdNotFound");
    assert_eq!(lab.one(&bought[0], 9000)["InstanceState"], "RUNNING");
    let long = json!({"InstanceIds": [bought[0]], "InstanceName": "n".repeat(61)});
    assert_eq!(lab.code("ModifyInstancesAttribute", long, 9000), "InvalidParameterValue.InstanceNameTooLong");
    let nothing = json!({"InstanceIds": [bought[0]]});
    let code = "InvalidParameter.MustSpecifyOneAttributeToModify";
    assert_eq!(lab.code("ModifyInstancesAttribute", nothing, 9000), code);
}

#[test]
fn new_ids_may_be_hidden_and_renamed_early() {
    let mut lab = Lab::new(|s| (s.visibility_delay_ms, s.rename_while_pending) = (500, true));
    let id = &lab.buy(json!({}), 0)[0].clone();
    assert_eq!(lab.ask("DescribeInstances", json!({}), 499).unwrap()["TotalCount"], 0);
    assert_eq!(lab.one(id, 499), Value::Null);
    lab.ask("ModifyInstancesAttribute", json!({"InstanceIds": [id], "InstanceName": "db"}), 499).unwrap();
    let shown = lab.one(id, 500);
    assert_eq!((&shown["InstanceName"], &shown["LatestOperation"]), (&json!("db"), &json!("CreateInstances")));
    assert_eq!(lab.list(json!({}), 500).len(), 1);
}

#[test]
fn what_may_be_returned() {
    let mut lab = Lab::new(|_| {});
    let id = &lab.buy(json!({}), 0)[0].clone();
    let mut ask = |ms| {
        let answer = lab.ask("DescribeInstancesReturnable", json!({"InstanceIds": [id]}), ms).unwrap();
        answer["InstanceReturnableSet"][0]["ReturnFailCode"].as_i64().unwrap()
    };
    assert_eq!((ask(0), ask(2000)), (12, 0));
    lab.ask("IsolateInstances", json!({"InstanceIds": [id]}), 2000).unwrap();
    let answer = lab.ask("DescribeInstancesReturnable", json!({}), 2500).unwrap();
    assert_eq!(answer["InstanceReturnableSet"][0]["ReturnFailCode"], 1);
}

#[test]
fn the_catalogue_is_told() {
    let mut lab = Lab::new(|_| {});
    assert_eq!(lab.ask("DescribeRegions", json!({}), 0).unwrap()["TotalCount"], 4);
    let zones = lab.ask("DescribeZones", json!({"Order": "DESC"}), 0).unwrap();
    assert_eq!(zones["ZoneInfoSet"][0]["Zone"], "ap-guangzhou-7");
    let total = |lab: &mut Lab, action: &str, body: Value| lab.ask(action, body, 0).unwrap()["TotalCount"].clone();
    assert_eq!(total(&mut lab, "DescribeBundles", json!({})), 6);
    let windows = json!({"Filters": [{"Name": "support-platform-type", "Values": ["WINDOWS"]}]});
    assert_eq!(total(&mut lab, "DescribeBundles", windows), 1);
    assert_eq!(total(&mut lab, "DescribeBundles", json!({"BlueprintId": "lhbp-w1nd0w22"})), 1);
    assert_eq!(lab.code("DescribeBundles", json!({"BundleIds": ["x"]}), 0), "InvalidParameter.BundleIdNotFound");
    let docker = json!({"Filters": [{"Name": "blueprint-type", "Values": ["DOCKER"]}]});
    assert_eq!(total(&mut lab, "DescribeBlueprints", docker), 1);
    let body = json!({
        "BundleId": "bundle_starter_nmc_lin_med2_01",
        "InstanceChargePrepaid": {"Period": 12},
        "InstanceCount": 2,
    });
    let price = lab.ask("InquirePriceCreateInstances", body, 0).unwrap()["Price"]["InstancePrice"].clone();
    assert_eq!((&price["OriginalBundlePrice"], &price["OriginalPrice"]), (&json!(40.5), &json!(972.0)));
    assert_eq!(
        (&price["Discount"], &price["DiscountPrice"], &price["Currency"]),
        (&json!(83), &json!(806.76), &json!("CNY"))
    );
}

#[test]
fn calls_go_to_the_right_door() {
    let mut lab = Lab::new(|_| {});
    let mut code = |change: fn(&mut Call)| {
        let mut call = call_in("ap-guangzhou", "DescribeInstances", json!({}), 0);
        change(&mut call);
        lab.0.call(&call).err().map(|error| error.code).unwrap_or_default()
    };
    assert_eq!(code(|_| {}), "");
    assert_eq!(code(|call| call.version = "2017-03-12".into()), "NoSuchVersion");
    assert_eq!(code(|call| call.action = "CreateDisks".into()), "InvalidAction");
    assert_eq!(code(|call| call.action = "Nonsense".into()), "InvalidAction");
    assert_eq!(code(|call| call.service = "cvm".into()), "InvalidAction");
    assert_eq!(code(|call| call.region = "ap-singapore".into()), "UnsupportedRegion");
    assert_eq!(code(|call| call.region = String::new()), "MissingParameter");
    let calls = lab.0.calls();
    assert_eq!((calls["DescribeInstances"].ok, calls["DescribeInstances"].errors), (1, 3));
    assert_eq!((calls["(unknown)"].errors, calls.len()), (3, 2));
    let call = call_in("", "GetCallerIdentity", json!({}), 0);
    assert_eq!(lab.0.call(&call).unwrap()["AccountId"], "100000000001");
}

/// The account as a store sees it, without the order in which calls were counted.
fn replay(settings: &Settings, log: &[Change]) -> Account {
    let mut account = Account::new(settings.clone());
    for change in log {
        let text = serde_json::to_string(change).unwrap();
        account.apply_change(serde_json::from_str(&text).unwrap());
    }
    assert!(account.take_changes().is_empty(), "what is repeated is not told again");
    account
}

#[test]
fn changes_rebuild_the_account_at_any_point() {
    let mut lab = Lab::new(|s| (s.launch_failed, s.seed) = (0.3, 7));
    let settings = lab.0.settings().clone();
    let mut log = Vec::new();
    let mut live: Vec<String> = Vec::new();
    for step in 0..60_i64 {
        let ms = step * 700;
        match step % 4 {
            0 => live.extend(lab.buy(json!({"InstanceCount": 3, "ClientToken": format!("t{step}")}), ms)),
            1 => drop(lab.ask("IsolateInstances", json!({"InstanceIds": [live[step as usize / 3]]}), ms)),
            2 => drop(lab.ask("TerminateInstances", json!({"InstanceIds": [live[step as usize / 3]]}), ms)),
            _ => drop(lab.list(json!({}), ms)),
        }
        let last = live.last().unwrap().clone();
        for (action, body) in changes::operations(&last).into_iter().skip(step as usize % 8).step_by(3) {
            drop(lab.ask(action, body, ms));
        }
        log.extend(lab.0.take_changes());
        let copy = replay(&settings, &log);
        assert_eq!(copy.snapshot(), lab.0.snapshot(), "step {step}");
        assert_eq!(copy.snapshot(), replay(&settings, &lab.0.snapshot()).snapshot());
    }
    let mut copy = Lab(replay(&settings, &log));
    let body = json!({"Limit": 100});
    assert_eq!(copy.list(body.clone(), 99_999), lab.list(body, 99_999));
    let again = json!({"InstanceCount": 3, "ClientToken": "t0"});
    assert_eq!(copy.buy(again.clone(), 99_999), live[..3]);
    assert_eq!(copy.buy(json!({}), 99_999), lab.buy(json!({}), 99_999), "chance goes on where it was");
}

#[test]
fn thousands_are_paged_quickly() {
    let mut lab = Lab::new(|_| {});
    for i in 0..334 {
        lab.buy(json!({"InstanceCount": 30}), i);
    }
    let mut seen = std::collections::HashSet::new();
    for page in 0..101 {
        seen.extend(field(&lab.list(json!({"Offset": page * 100, "Limit": 100}), 5000), "InstanceId"));
    }
    assert_eq!(seen.len(), 334 * 30);
}
