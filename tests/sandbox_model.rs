//! The sandbox against the API's own model: every reply has every field of it, of its type, and every parameter of it is
//! known.
//!
//! `tests/fixtures/api` has the model's structure, with its source and date.

use lhprov::model::Timestamp;
use lhprov::sandbox::account::{ACCOUNT_ID, Account};
use lhprov::sandbox::actions::{self, ACTIONS};
use lhprov::sandbox::call::{Answer, Call};
use lhprov::sandbox::settings::Settings;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const REGION: &str = "ap-guangzhou";
const BUNDLE: &str = "bundle_rs_nmc_lin_med2_01";

fn model() -> Value {
    serde_json::from_str(include_str!("fixtures/api/lighthouse-2020-03-24.api.json")).unwrap()
}

fn members<'a>(model: &'a Value, object: &str) -> &'a Vec<Value> {
    model["objects"][object]["members"].as_array().unwrap_or_else(|| panic!("the model has no {object}"))
}

/// An ISO 8601 time in UTC and whole seconds.
fn is_time(text: &str) -> bool {
    text.len() == 20 && text.ends_with('Z') && Timestamp::parse(text).is_some()
}

/// A single value of the model's type `kind`, whose members are those of `class` if it is an object.
fn compare_one(model: &Value, (kind, class): (&str, &str), value: &Value, path: &str, wrong: &mut Vec<String>) {
    let fits = match (kind, class) {
        ("object", _) => return compare(model, class, value, path, wrong),
        ("string", "datetime_iso") => value.as_str().is_some_and(is_time),
        ("string", _) => value.is_string(),
        ("int", _) => value.is_i64() || value.is_u64(),
        ("float", _) => value.is_number(),
        ("bool", _) => value.is_boolean(),
        other => panic!("{path}: the model has a type {other:?} that this test does not know"),
    };
    if !fits {
        wrong.push(format!("{path} is {value}, not {kind}"));
    }
}

/// An object of the model's class `class`.
fn compare(model: &Value, class: &str, value: &Value, path: &str, wrong: &mut Vec<String>) {
    let Some(map) = value.as_object() else {
        wrong.push(format!("{path} is {value}, not an object"));
        return;
    };
    let mut known = BTreeSet::new();
    for member in members(model, class) {
        let text = |key: &str| member[key].as_str().unwrap_or_default();
        let (name, kind, inner) = (text("name"), text("type"), text("member"));
        known.insert(name.to_owned());
        let path = format!("{path}.{name}");
        let may_be_null = member["value_allowed_null"] == true || member["output_required"] == false;
        match map.get(name) {
            None => wrong.push(format!("{path} is missing")),
            Some(Value::Null) if may_be_null => {}
            Some(Value::Array(list)) if kind == "list" => {
                let scalar = ["string", "int64", "uint64", "float", "bool"].contains(&inner);
                let kind = match inner {
                    "int64" | "uint64" => "int",
                    other if scalar => other,
                    _ => "object",
                };
                for (index, element) in list.iter().enumerate() {
                    compare_one(model, (kind, inner), element, &format!("{path}[{index}]"), wrong);
                }
            }
            Some(other) if kind == "list" => wrong.push(format!("{path} is {other}, not a list")),
            Some(single) => compare_one(model, (kind, inner), single, &path, wrong),
        }
    }
    for name in map.keys().filter(|name| !known.contains(*name)) {
        wrong.push(format!("{path}.{name} is not in the model"));
    }
}

struct Lab {
    account: Account,
    ms: i64,
}

impl Lab {
    fn ask(&mut self, action: &str, body: Value) -> Answer {
        self.ms += 10_000;
        let service = actions::named(action).unwrap().service;
        self.account.call(&Call {
            service: service.into(),
            action: action.into(),
            version: actions::version(service).unwrap().into(),
            region: REGION.into(),
            body,
            now: Timestamp(1_700_000_000_000 + self.ms),
            request_id: "request".into(),
        })
    }

    fn buy(&mut self) -> String {
        let body = json!({
            "BundleId": BUNDLE,
            "BlueprintId": "lhbp-f1lkcd41",
            "InstanceChargePrepaid": {"Period": 1},
            "Tags": [{"Key": "team", "Value": "a"}],
            "LoginConfiguration": {"KeyIds": ["lhkp-abcd1234"]},
        });
        self.ask("CreateInstances", body).unwrap()["InstanceIdSet"][0].as_str().unwrap().to_owned()
    }
}

/// A body with which `action` succeeds on the running instance `id`.
fn good_body(action: &str, id: &str) -> Value {
    let ids = json!([id]);
    let charge = json!({"Period": 1});
    match action {
        "ApplyFirewallTemplate" => {
            json!({"TemplateId": "lhft-abcd1234", "ApplyInstances": [{"InstanceId": id, "Region": REGION}]})
        }
        "AssociateInstancesKeyPairs" => json!({"InstanceIds": ids, "KeyIds": ["lhkp-efgh5678"]}),
        "CreateInstances" | "InquirePriceCreateInstances" => {
            let mut body = json!({"BundleId": BUNDLE, "BlueprintId": "lhbp-f1lkcd41"});
            body["InstanceChargePrepaid"] = charge;
            body
        }
        "DescribeBundleDiscount" => json!({"BundleId": BUNDLE}),
        "DescribeGeneralResourceQuotas" => json!({"ResourceNames": ["GENERAL_BUNDLE_INSTANCE"]}),
        "DescribeInstances" | "DescribeInstancesReturnable" | "DescribeInstancesDeniedActions" => {
            json!({"InstanceIds": ids})
        }
        "DescribeModifyInstanceBundles" | "DescribeResetInstanceBlueprints" | "ResetInstance" => {
            json!({"InstanceId": id})
        }
        "DisassociateInstancesKeyPairs" => json!({"InstanceIds": ids, "KeyIds": ["lhkp-abcd1234"]}),
        "InquirePriceRenewInstances" | "RenewInstances" => json!({"InstanceIds": ids, "InstanceChargePrepaid": charge}),
        "ModifyInstancesAttribute" => json!({"InstanceIds": ids, "InstanceName": "n"}),
        "ModifyInstancesBundle" => json!({"InstanceIds": ids, "BundleId": "bundle_rs_nmc_lin_med4_01"}),
        "ModifyInstancesRenewFlag" => json!({"InstanceIds": ids, "RenewFlag": "NOTIFY_AND_AUTO_RENEW"}),
        "ResetInstancesPassword" => json!({"InstanceIds": ids, "Password": "Abcdef12"}),
        "IsolateInstances" | "RebootInstances" | "StartInstances" | "StopInstances" | "TerminateInstances" => {
            json!({"InstanceIds": ids})
        }
        _ => json!({}),
    }
}

#[test]
fn every_reply_has_every_field_of_the_model() {
    let model = model();
    let mut wrong = Vec::new();
    for action in ACTIONS.iter().filter(|action| action.service == "lighthouse") {
        let mut lab = Lab { account: Account::new(Settings::default()), ms: 0 };
        let id = lab.buy();
        match action.name {
            "DescribeDisks" | "DescribeSnapshots" => {
                let attached = json!({"DataDisks": [{"DiskSize": 20}], "Snapshots": 1});
                let now = Timestamp(1_700_000_000_000 + lab.ms);
                drop(lab.account.intervene(&id, &attached, now).unwrap());
            }
            "StartInstances" => drop(lab.ask("StopInstances", good_body("StopInstances", &id)).unwrap()),
            "TerminateInstances" => drop(lab.ask("IsolateInstances", good_body("IsolateInstances", &id)).unwrap()),
            _ => {}
        }
        let mut reply = lab.ask(action.name, good_body(action.name, &id)).unwrap();
        // The fronts add it to every answer.
        reply["RequestId"] = json!("request");
        let class = model["actions"][action.name]["output"].as_str().unwrap();
        compare(&model, class, &reply, action.name, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_comparison_sees_what_is_wrong() {
    let model = model();
    let one = json!({
        "ResourceName": "GENERAL_BUNDLE_INSTANCE", "ResourceQuotaAvailable": "1", "ResourceQuotaTotal": null, "More": 1
    });
    let mut wrong = Vec::new();
    let reply = json!({"GeneralResourceQuotaSet": [one]});
    compare(&model, "DescribeGeneralResourceQuotasResponse", &reply, "reply", &mut wrong);
    let place = "reply.GeneralResourceQuotaSet[0]";
    let want = [
        format!("{place}.ResourceQuotaAvailable is \"1\", not int"),
        format!("{place}.ResourceQuotaTotal is null, not int"),
        format!("{place}.More is not in the model"),
        "reply.RequestId is missing".to_owned(),
    ];
    assert_eq!(wrong, want);
}

#[test]
fn instances_have_every_field_in_every_state() {
    let model = model();
    let mut wrong = Vec::new();
    let mut lab = Lab { account: Account::new(Settings::default()), ms: 0 };
    for number in 0..7 {
        let id = lab.buy();
        let now = Timestamp(1_700_000_000_000 + lab.ms + 5000);
        let change = match number {
            0 => json!({}),
            1 => json!({"InstanceState": "LAUNCH_FAILED"}),
            2 => json!({"InstanceState": "SHUTDOWN"}),
            3 => json!({"InstanceState": "RESCUE_MODE"}),
            4 => json!({"InstanceState": "PENDING"}),
            5 => json!({"InstanceState": "STOPPED", "KeyIds": [], "Tags": []}),
            _ => json!({
                "InstanceState": "FREEZING",
                "InstanceRestrictState": "NETWORK_RESTRICT",
                "InstanceViolationDetail": {"Source": "FREEZING", "State": "2", "Reason": "r", "Content": "c"},
            }),
        };
        lab.account.intervene(&id, &change, now).unwrap();
        let reply = lab.ask("DescribeInstances", json!({"InstanceIds": [id]})).unwrap();
        compare(&model, "Instance", &reply["InstanceSet"][0], &change.to_string(), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_parameter_of_the_model_is_known() {
    let model = model();
    let mut wrong = Vec::new();
    for action in ACTIONS.iter().filter(|action| action.service == "lighthouse") {
        let class = model["actions"][action.name]["input"].as_str().unwrap();
        for member in members(&model, class) {
            let name = member["name"].as_str().unwrap();
            let mut lab = Lab { account: Account::new(Settings::default()), ms: 0 };
            let id = lab.buy();
            lab.ms += 10_000;
            let mut body = good_body(action.name, &id);
            body[name] = Value::Null;
            // No parameter may be null: whoever knows it says so.
            match lab.ask(action.name, body) {
                Err(error) if error.code == "UnknownParameter" => wrong.push(format!("{}.{name}", action.name)),
                Err(_) => {}
                Ok(_) => wrong.push(format!("{}.{name} is not looked at", action.name)),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_neighbouring_services_answer_what_their_sdk_reads() {
    let mut lab = Lab { account: Account::new(Settings::default()), ms: 0 };
    let id = lab.buy();
    let resource = format!("qcs::lighthouse:{REGION}:uin/{ACCOUNT_ID}:instance/{id}");
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    let rows = lab.ask("DescribeResourceTags", json!({"ResourceId": id})).unwrap();
    assert_eq!(keys(&rows), "Limit Offset Rows TotalCount");
    assert_eq!(keys(&rows["Rows"][0]), "Category ResourceId ServiceType TagKey TagKeyMd5 TagValue TagValueMd5");
    let found = lab.ask("GetResources", json!({"ResourceList": [resource]})).unwrap();
    assert_eq!(keys(&found), "PaginationToken ResourceTagMappingList");
    assert_eq!(keys(&found["ResourceTagMappingList"][0]), "Resource Tags");
    let who = lab.ask("GetCallerIdentity", json!({})).unwrap();
    assert_eq!(keys(&who), "AccountId Arn PrincipalId Type UserId");
    let arn = format!("qcs::cam::uin/{ACCOUNT_ID}:roleName/deploy");
    let given = lab.ask("AssumeRole", json!({"RoleArn": arn, "RoleSessionName": "ci"})).unwrap();
    assert_eq!(keys(&given), "Credentials Expiration ExpiredTime");
    assert_eq!(keys(&given["Credentials"]), "TmpSecretId TmpSecretKey Token");
}
