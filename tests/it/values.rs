//! Fields that responses leave out: no difference, no drift, no purchase; what needs them stops with a reason.

use super::altered::Altered;
use serde_json::{Value, json};

const SHOP: &str = "version: 1
stack: shop
region: ap-guangzhou
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  web: { count: 2, zones: [ap-guangzhou-3], tags: { team: a }, login: { key_ids: [lhkp-abcd1234] } }
";

/// Every field of an instance that decides something.
const FIELDS: [&str; 16] = [
    "BundleId",
    "BlueprintId",
    "InstanceName",
    "Zone",
    "PrivateAddresses",
    "PublicAddresses",
    "RenewFlag",
    "InstanceState",
    "InstanceRestrictState",
    "LatestOperation",
    "LatestOperationState",
    "LatestOperationRequestId",
    "CreatedTime",
    "ExpiredTime",
    "Tags",
    "LoginSettings",
];

/// Sets a field of everything in a listing, or takes it out.
fn set_all(response: &mut Value, set: &str, field: &str, value: Option<&Value>) {
    for row in response[set].as_array_mut().into_iter().flatten() {
        let Some(row) = row.as_object_mut() else { continue };
        match value {
            Some(value) => drop(row.insert(field.to_owned(), value.clone())),
            None => drop(row.remove(field)),
        }
    }
}

#[test]
fn an_instance_without_one_of_its_fields_has_not_changed() {
    let cloud = Altered::start();
    let place = cloud.place(SHOP);
    place.run(&["apply", "--yes"]).expect(0);
    let state = place.read("state/shop.json");
    let writes = || {
        let actions = [
            "CreateInstances",
            "ResetInstance",
            "ModifyResourceTags",
            "ModifyInstancesAttribute",
            "ModifyInstancesRenewFlag",
        ];
        actions.map(|action| cloud.requests(action).len())
    };
    let before = writes();
    for field in FIELDS {
        for value in [None, Some(Value::Null), Some(json!("")), Some(json!({"a": 1})), Some(json!(7))] {
            let value_given = value.clone();
            cloud.alter(move |action, response| {
                if action == "DescribeInstances" {
                    set_all(response, "InstanceSet", field, value_given.as_ref());
                }
            });
            let said = place.run(&["plan"]).expect(0);
            assert!(said.out.contains("No changes"), "{field} {value:?}: {said:#?}");
            place.run(&["drift"]).expect(0);
            place.run(&["apply", "--yes"]).expect(0);
        }
    }
    let said = place.run(&["plan"]);
    assert!(said.code == Some(0), "{said:#?}");
    cloud.restore();
    place.run(&["drift"]).expect(0);
    assert_eq!(writes(), before);
    let attributes = |text: &str| serde_json::from_str::<Value>(text).expect("JSON")["instances"].clone();
    assert_eq!(attributes(&place.read("state/shop.json")), attributes(&state));
}

#[test]
fn the_note_names_fields_and_numbers() {
    let cloud = Altered::start();
    let place = cloud.place(SHOP);
    place.run(&["apply", "--yes"]).expect(0);
    cloud.alter(|action, response| {
        if action == "DescribeInstances" {
            set_all(response, "InstanceSet", "BundleId", None);
            set_all(response, "InstanceSet", "Tags", Some(&Value::Null));
        }
    });
    let note = "the cloud does not report BundleId of 2 instances, Tags of 2 instances";
    let said = place.run(&["plan"]).expect(0);
    assert!(said.err.contains(note) || said.out.contains(note), "{said:#?}");
    let said = place.run(&["drift"]).expect(0);
    assert!(said.out.contains(note), "{said:#?}");
    let said = place.run(&["drift", "--format", "json"]).expect(0);
    let document: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(document["not_reported"][0], json!({"field": "BundleId", "instances": 2}));
    place.write("lighthouse.yaml", &SHOP.replace("bundle_rs_nmc_lin_med2_01", "bundle_rs_nmc_lin_med4_01"));
    let said = place.run(&["plan"]);
    assert!(said.code != Some(0) && said.err.contains("error[not-reported]"), "{said:#?}");
}

#[test]
fn when_paid_time_ends_may_be_unknown() {
    let cloud = Altered::start();
    let place = cloud.place(SHOP);
    place.run(&["apply", "--yes"]).expect(0);
    for value in [Value::Null, json!(""), json!("soon"), json!(7)] {
        cloud.alter(move |action, response| {
            if action == "DescribeInstances" {
                set_all(response, "InstanceSet", "ExpiredTime", Some(&value));
            }
        });
        let said = place.run(&["drift", "--expires-within", "7d"]).expect(3);
        assert!(said.out.contains("not known") && !said.out.starts_with("No drift."), "{said:#?}");
        place.run(&["drift"]).expect(0);
    }
    cloud.restore();
    let said = place.run(&["drift", "--expires-within", "40d"]).expect(3);
    assert!(said.out.starts_with("Paid time ends soon for 2 instances; no drift"), "{said:#?}");
}

#[test]
fn a_listing_that_hides_instances_is_an_error_and_buys_nothing() {
    let cloud = Altered::start();
    let place = cloud.place(SHOP);
    place.run(&["apply", "--yes"]).expect(0);
    let bought = cloud.requests("CreateInstances").len();
    for (field, inside) in [("InstanceId", true), ("InstanceSet", false)] {
        for value in [None, Some(Value::Null), Some(json!("")), Some(json!(7))] {
            cloud.alter(move |action, response| match (action, inside, &value) {
                ("DescribeInstances", true, _) => set_all(response, "InstanceSet", field, value.as_ref()),
                ("DescribeInstances", false, Some(value)) => response[field] = value.clone(),
                ("DescribeInstances", false, None) => drop(response.as_object_mut().expect("an object").remove(field)),
                _ => {}
            });
            let said = place.run(&["apply", "--yes"]);
            assert!(said.code != Some(0) && said.err.contains(&format!("does not report `{field}`")), "{said:#?}");
        }
    }
    assert_eq!(cloud.requests("CreateInstances").len(), bought);
}

#[test]
fn lost_ownership_tags_are_drift_and_come_back() {
    let cloud = Altered::start();
    let place = cloud.place(SHOP);
    place.run(&["apply", "--yes"]).expect(0);
    let ids: Value = cloud.call("DescribeInstances", json!({}))["InstanceSet"].clone();
    let id = ids[0]["InstanceId"].as_str().expect("an id");
    let before = ids[0]["Tags"].clone();
    let resource = format!("qcs::lighthouse:ap-guangzhou:uin/{}:instance/{id}", lhprov::sandbox::account::ACCOUNT_ID);
    let keys = json!([{"TagKey": "lhprov-stack"}, {"TagKey": "lhprov-batch"}]);
    let gone = cloud.call("ModifyResourceTags", json!({"Resource": resource, "DeleteTags": keys}));
    assert_eq!(gone["Error"], Value::Null, "{gone}");
    let said = place.run(&["drift"]).expect(3);
    assert!(said.out.contains("has lost the tags by which it is found without a state"), "{said:#?}");
    assert!(said.out.contains("the next apply sets them again"), "{said:#?}");
    place.run(&["apply", "--yes"]).expect(0);
    place.run(&["drift"]).expect(0);
    let after = cloud.call("DescribeInstances", json!({"InstanceIds": [id]}))["InstanceSet"][0]["Tags"].clone();
    assert_eq!(after, before);
}

#[test]
fn what_is_deleted_is_bought_again_for_a_price() {
    let cloud = Altered::start();
    let place = cloud.place(SHOP);
    place.run(&["apply", "--yes"]).expect(0);
    cloud.alter(|action, response| {
        if action == "DescribeInstances" {
            response["InstanceSet"].as_array_mut().expect("a list").pop();
            response["TotalCount"] = json!(response["InstanceSet"].as_array().expect("a list").len());
        }
    });
    let said = place.run(&["drift"]).expect(3);
    assert!(
        said.out.contains("deleted in the cloud (the next apply buys it again, ") && said.out.contains(" CNY)"),
        "{said:#?}"
    );
    let said = place.run(&["drift", "--accept", "web[0]", "web[1]"]);
    assert!(said.err.contains("is deleted in the cloud") && !said.err.contains("state is \"\""), "{said:#?}");
}

/// Sets a field wherever it is in a response, or takes it out.
fn set_everywhere(value: &mut Value, field: &str, to: Option<&Value>) {
    match value {
        Value::Object(map) => {
            if map.contains_key(field) {
                match to {
                    Some(to) => drop(map.insert(field.to_owned(), to.clone())),
                    None => drop(map.remove(field)),
                }
            }
            map.values_mut().for_each(|inner| set_everywhere(inner, field, to));
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| set_everywhere(inner, field, to)),
        _ => {}
    }
}

#[test]
fn what_the_catalogue_leaves_out_refuses_nothing_and_costs_nothing() {
    let cloud = Altered::start();
    let place = cloud.place(SHOP);
    place.run(&["apply", "--yes"]).expect(0);
    let larger = SHOP.replace("bundle_rs_nmc_lin_med2_01", "bundle_rs_nmc_lin_med4_01");
    place.write("lighthouse.yaml", &format!("{larger}  new: {{}}\n"));
    let usual = place.run(&["plan"]).expect(0);
    assert!(usual.out.contains("upgrade") && !usual.out.contains("replace"), "{usual:#?}");
    for (action, fields) in [
        (
            "DescribeBundles",
            &[
                "BundleType",
                "CPU",
                "Memory",
                "SystemDiskSize",
                "InternetMaxBandwidthOut",
                "MonthlyTraffic",
                "SupportLinuxUnixPlatform",
                "SupportWindowsPlatform",
                "BundleSalesState",
                "BundleSet",
                "TotalCount",
            ][..],
        ),
        ("DescribeBlueprints", &["PlatformType", "RequiredSystemDiskSize", "RequiredMemorySize", "BlueprintState"]),
        ("DescribeModifyInstanceBundles", &["DiscountPrice", "Currency"]),
        (
            "InquirePriceCreateInstances",
            &["Price", "InstancePrice", "DiscountPrice", "OriginalPrice", "Discount", "Currency"],
        ),
        ("DescribeGeneralResourceQuotas", &["ResourceQuotaAvailable", "ResourceQuotaTotal", "GeneralResourceQuotaSet"]),
        ("DescribeZones", &["Zone", "ZoneInfoSet"]),
    ] {
        for field in fields {
            for value in [None, Some(Value::Null), Some(json!("")), Some(json!({"a": 1}))] {
                cloud.alter(move |name, response| {
                    if name == action {
                        set_everywhere(response, field, value.as_ref());
                    }
                });
                let said = place.run(&["plan"]);
                let listing = *field == "BundleSet";
                assert!(said.code == Some(0) || listing && said.code == Some(1), "{action} {field}: {said:#?}");
                assert!(!said.out.contains("replace") && !said.out.contains(" 0.00"), "{action} {field}: {said:#?}");
            }
        }
    }
}
