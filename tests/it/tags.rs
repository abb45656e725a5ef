//! Tags: what lhprov writes keeps the rules of the Tag service, and is read back.

use super::altered::Altered;
use lhprov::model::{Address, batch_tag, tag};
use serde_json::Value;

const EDGE: &str = "version: 1
stack: shop
region: ap-guangzhou
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  edge:
    instance_name: edge-${each.key}
    for_each: { a: {}, 'say \"hi\"': {}, '东京 & co': {}, 'x],@(y)': {} }
";

/// All values that requests gave to a tag key.
fn values(requests: &[Value], tags: &str, (key, value): (&str, &str), wanted: &str) -> Vec<String> {
    let all = requests.iter().flat_map(|body| body[tags].as_array().into_iter().flatten());
    all.filter(|tag| tag[key] == wanted).map(|tag| tag[value].as_str().expect("text").to_owned()).collect()
}

#[test]
fn own_tags_keep_the_rules_and_a_lost_state_is_found_again() {
    let cloud = Altered::start();
    let place = cloud.place(EDGE);
    place.run(&["apply", "--yes"]).expect(0);
    let written = values(&cloud.requests("CreateInstances"), "Tags", ("Key", "Value"), "lhprov-batch");
    assert!(!written.is_empty());
    let mut members: Vec<Address> = Vec::new();
    for value in &written {
        assert_eq!(tag::check_value(value), Ok(()), "{value}");
        members.extend(batch_tag::members(value).expect("members"));
    }
    members.sort();
    let shown: Vec<String> = members.iter().map(ToString::to_string).collect();
    assert_eq!(shown, [r#"edge["a"]"#, r#"edge["say \"hi\""]"#, r#"edge["x],@(y)"]"#, r#"edge["东京 & co"]"#]);
    std::fs::remove_dir_all(place.path().join("state")).expect("removed");
    let said = place.run(&["plan"]);
    assert!(said.code == Some(0) || said.code == Some(2), "{said:#?}");
    assert!(!said.out.contains("to add, ") || said.out.contains("0 to add"), "{said:#?}");
    place.run(&["apply", "--yes"]).expect(0);
    assert_eq!(cloud.requests("CreateInstances").len(), written.len(), "bought again");
}

#[test]
fn the_service_and_validate_refuse_the_same_tags() {
    for tags in ["{ project: shop }", "{ a: \"b&c\" }", "{ \" k \": v }", "{ a: \"\" }"] {
        let cloud = Altered::start();
        let place = cloud.place(&format!("{EDGE}    tags: {tags}\n"));
        let said = place.run(&["validate"]).expect(1);
        assert!(said.err.contains("error[tag]: ") && said.err.contains("lighthouse.yaml:9:"), "{said:#?}");
        let pair: std::collections::BTreeMap<String, String> = serde_yaml::from_str(tags).expect("a map");
        let tags: Vec<Value> =
            pair.iter().map(|(key, value)| serde_json::json!({"Key": key, "Value": value})).collect();
        let refused = cloud.call(
            "CreateInstances",
            serde_json::json!({
                "BundleId": "bundle_rs_nmc_lin_med2_01", "BlueprintId": "lhbp-f1lkcd41",
                "InstanceChargePrepaid": {"Period": 1}, "Tags": tags,
            }),
        );
        let code = refused["Error"]["Code"].as_str().unwrap_or_default().to_owned();
        let short = code.rsplit('.').next().unwrap_or_default();
        assert!(code.contains("Tag") && said.err.contains(short), "{refused} {said:#?}");
    }
}
