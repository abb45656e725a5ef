//! What would fail at apply is refused at plan, what is bought is priced, and limits hold: against the simulated cloud.

use crate::support::{Place, SMALL, Said};
use serde_json::{Value, json};

const ONE: &str = "version: 1
stack: one
region: ap-guangzhou
defaults: { blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
";

fn status(place: &Place) -> Value {
    serde_json::from_str(&place.run(&["sandbox", "status", "--json"]).expect(0).out).expect("JSON")
}

fn plan(place: &Place, more: &[&str]) -> Said {
    place.run(&[&["plan", "--sandbox", "--boot", "0s"], more].concat())
}

/// The plan fails, an apply fails alike and buys nothing.
#[track_caller]
fn refused(manifest: &str, more: &[&str], code: i32) -> String {
    let place = Place::with(manifest);
    let said = plan(&place, more).expect(code);
    let applied = place.run(&[&["apply", "--sandbox", "--boot", "0s", "--yes"], more].concat()).expect(code);
    assert!(applied.err.starts_with(&said.err), "{said:#?} {applied:#?}");
    assert!(applied.err.contains("Nothing was changed"), "{applied:#?}");
    let after = status(&place);
    assert_eq!((&after["instances"], &after["calls"]["CreateInstances"]), (&json!({}), &Value::Null), "{after:#}");
    said.err
}

#[test]
fn sold_out() {
    let text = format!("{ONE}  web: {{ count: 2, bundle_id: bundle_rs_nmc_lin_soldout_01 }}\n");
    insta::assert_snapshot!(refused(&text, &[], 8));
}

#[test]
fn sold_out_though_the_lists_do_not_say_so() {
    let text = format!("{ONE}  web: {{ count: 2, bundle_id: bundle_rs_nmc_lin_med2_01 }}\n");
    insta::assert_snapshot!(refused(&text, &["--fault", "sold-out:CreateInstances"], 8));
}

#[test]
fn over_quota() {
    // Each purchase would do; together they do not.
    let text = format!(
        "{ONE}  web: {{ count: 2, bundle_id: bundle_rs_nmc_lin_med2_01 }}\n  \
         api: {{ count: 2, bundle_id: bundle_rs_nmc_lin_med4_01 }}\n  \
         x: {{ bundle_id: bundle_starter_nmc_lin_med2_01 }}\n"
    );
    insta::assert_snapshot!(refused(&text, &["--quota", "3"], 8));
}

#[test]
fn low_balance() {
    let text = format!("{ONE}  web: {{ count: 2, bundle_id: bundle_rs_nmc_lin_med2_01 }}\n");
    insta::assert_snapshot!(refused(&text, &["--balance", "99.99"], 8));
}

#[test]
fn misfits_and_zones() {
    let text = format!(
        "{ONE}  a: {{ bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-w1nd0w22 }}
  b: {{ bundle_id: bundle_rs_nmc_win_med4_01 }}
  c: {{ bundle_id: bundle_rs_nmc_lin_med2_01, zones: [ap-guangzhou-9] }}
  d: {{ bundle_id: bundle_rs_nmc_lin_med3_01 }}
  e: {{ bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-00000000 }}
"
    );
    insta::assert_snapshot!(refused(&text, &[], 8));
}

#[test]
fn without_permission_nothing_is_known_and_nothing_stops() {
    let place = Place::with(SMALL);
    let mut faults = Vec::new();
    let actions = [
        "denied:InquirePriceCreateInstances",
        "denied:DescribeGeneralResourceQuotas",
        "denied:DescribeBlueprints",
        "denied:DryRun",
    ];
    for fault in &actions {
        faults.extend(["--fault", fault]);
    }
    let said = plan(&place, &faults).expect(0);
    insta::assert_snapshot!(said.out);
    let document: Value =
        serde_json::from_str(&plan(&place, &[&faults[..], &["--json"]].concat()).expect(0).out).expect("JSON");
    for check in document["preflight"].as_array().expect("a list") {
        assert_eq!(check["status"], "not checked", "{check}");
        assert!(check["detail"].as_str().expect("a text").starts_with("no permission for "), "{check}");
    }
    assert_eq!((&document["price"]["complete"], &document["price"]["now"]), (&json!(false), &json!("0.00")));
    // A limit that needs the price is broken then, and nothing is bought.
    let apply = [&["apply", "--sandbox", "--boot", "0s", "--yes", "--max-spend", "100000"], &faults[..]].concat();
    let said = place.run(&apply).expect(7);
    assert!(said.err.contains("whether this plan stays within --max-spend is not known"), "{said:#?}");
    // Nor without a limit: an unknown price is a consent of its own.
    let apply = [&["apply", "--sandbox", "--boot", "0s", "--yes"], &faults[..]].concat();
    assert!(place.run(&apply).expect(7).err.contains("--accept-unknown-price"));
    place.run(&[&apply[..], &["--accept-unknown-price"]].concat()).expect(0);
    assert_eq!(status(&place)["instances"]["RUNNING"], 3);
}

#[test]
fn prices_and_quota_stand_in_the_plan() {
    let text = SMALL.replace("web: { count: 2,", "web: { count: 2, charge: { period: 12 },");
    let place = Place::with(&text);
    insta::assert_snapshot!(plan(&place, &["--quota", "10"]).expect(0).out);
    let said = plan(&place, &["--json"]).expect(0);
    let document: Value = serde_json::from_str(&said.out).expect("JSON");
    let changes = document["resource_changes"].as_array().expect("a list");
    let prices: Vec<&Value> = changes.iter().map(|change| &change["price"]).collect();
    let web = json!({"now": "498.00", "currency": "CNY", "per_month": "50.00", "discount": "83"});
    let db = json!({"now": "50.00", "currency": "CNY", "per_month": "50.00", "discount": "100"});
    assert_eq!(prices, [&db, &web, &web]);
    assert_eq!((&document["price"]["now"], &document["price"]["per_month"]), (&json!("1046.00"), &json!("150.00")));
    assert_eq!(document["price"]["quota_left"], json!([{"type": "GENERAL_BUNDLE", "left": 7, "total": 10}]));
    assert!(document["preflight"].as_array().is_some_and(|checks| checks.iter().all(|one| one["status"] == "passed")));

    let unasked = plan(&place, &["--no-preflight"]).expect(0);
    assert!(unasked.out.contains("preflight: not checked: --no-preflight"), "{unasked:#?}");
    let unasked = plan(&place, &["--no-refresh"]).expect(0);
    assert!(unasked.out.contains("preflight: not checked: the cloud was not asked"), "{unasked:#?}");
}

#[test]
fn a_plan_without_changes_asks_for_nothing_more() {
    let place = Place::with(SMALL);
    place.run(&["apply", "--sandbox", "--boot", "0s", "--yes"]).expect(0);
    let before = status(&place)["calls"].clone();
    plan(&place, &["--detailed-exitcode"]).expect(0);
    let after = status(&place)["calls"].clone();
    for action in ["InquirePriceCreateInstances", "DescribeBundles", "DryRun", "DescribeGeneralResourceQuotas"] {
        assert_eq!(before[action], after[action], "{action}");
    }
}

#[test]
fn a_call_for_each_shape_and_not_for_each_instance() {
    let text = format!(
        "{ONE}  web: {{ count: 300, bundle_id: bundle_rs_nmc_lin_med2_01 }}
  api: {{ count: 2, bundle_id: bundle_rs_nmc_lin_med4_01, zones: [ap-guangzhou-3] }}
  db: {{ bundle_id: bundle_rs_nmc_lin_med4_01, zones: [ap-guangzhou-3] }}
  x: {{ bundle_id: bundle_starter_nmc_lin_med2_01, charge: {{ period: 6 }} }}
"
    );
    let place = Place::with(&text);
    plan(&place, &[]).expect(0);
    let calls = status(&place)["calls"].clone();
    // 300 are ten purchases that are alike; `api` and `db` are one purchase of three. The dry runs pass, so no zone is asked.
    let expected = json!({
        "InquirePriceCreateInstances": 3, "DryRun": 3, "DescribeBundles": 1, "DescribeBlueprints": 1, "DescribeZones": 1,
        "DescribeGeneralResourceQuotas": 1, "DescribeInstances": 1, "GetCallerIdentity": 1,
    });
    assert_eq!(calls, expected);
}

const BOUNDED: &str = "version: 1
stack: bounded
region: ap-guangzhou
limits: { max_instances: 2, max_per_month: 149.99, max_destroy: 0 }
policy:
  allowed_bundles: [\"bundle_starter_*\"]
  required_tags: [tier]
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  web: { count: 3 }
";

#[test]
fn every_violation_at_once() {
    insta::assert_snapshot!(refused(BOUNDED, &["--max-spend", "149.99"], 7));
    let place = Place::with(BOUNDED);
    let document: Value = serde_json::from_str(&plan(&place, &["--json"]).expect(7).out).expect("JSON");
    let blocked = document["blocked"].as_array().expect("a list");
    assert_eq!(blocked.len(), 4, "{blocked:#?}");
    assert_eq!(blocked[0]["source"], json!({"file": "lighthouse.yaml", "line": 8, "column": 24}), "{blocked:#?}");
}

#[test]
fn what_stays_within_its_limits_is_bought() {
    let text = BOUNDED
        .replace("max_instances: 2, max_per_month: 149.99", "max_instances: 3, max_per_month: 150")
        .replace("bundle_starter_*", "bundle_rs_*")
        .replace("count: 3", "count: 3, tags: { tier: front }");
    let place = Place::with(&text);
    let apply = ["apply", "--sandbox", "--boot", "0s", "--yes"];
    place.run(&[&apply[..], &["--max-spend", "150.00"]].concat()).expect(0);
    assert_eq!(status(&place)["instances"]["RUNNING"], 3);
    // One less, and one destroyed, which the manifest limits to none.
    place.write("lighthouse.yaml", &text.replace("count: 3", "count: 2"));
    let said = place.run(&apply).expect(7);
    assert!(said.err.contains("`max_destroy` allows 0"), "{said:#?}");
    place.write("lighthouse.yaml", &text.replace("count: 3", "count: 2").replace("max_destroy: 0", "max_destroy: 1"));
    let said = place.run(&[&apply[..], &["--max-destroy", "0"]].concat()).expect(7);
    assert!(said.err.contains("--max-destroy allows 0"), "{said:#?}");
    assert_eq!(status(&place)["instances"]["RUNNING"], 3);
    place.run(&[&apply[..], &["--max-destroy", "1"]].concat()).expect(0);
    let said = place.run(&["destroy", "--sandbox", "--boot", "0s", "--yes"]).expect(7);
    assert!(said.err.contains("destroys or replaces 2 instances"), "{said:#?}");
}

#[test]
fn a_frozen_stack_changes_nothing() {
    let frozen = format!("{SMALL}policy: {{ freeze: {{ reason: moving house, until: 2999-01-01 }} }}\n");
    let told = refused(&frozen, &[], 7);
    assert!(told.contains("the stack is frozen until 2999-01-01T00:00:00Z: moving house"), "{told}");
    let place = Place::with(SMALL);
    place.run(&["apply", "--sandbox", "--boot", "0s", "--yes"]).expect(0);
    place.write("lighthouse.yaml", &frozen);
    place.run(&["apply", "--sandbox", "--yes"]).expect(0);
    let over = frozen.replace("2999", "1999").replace("count: 2", "count: 3");
    place.write("lighthouse.yaml", &over);
    place.run(&["apply", "--sandbox", "--boot", "0s", "--yes"]).expect(0);
}

#[test]
fn purchases_that_were_left_open_are_settled_neither_in_a_freeze_nor_beyond_a_limit() {
    let place = Place::with(SMALL);
    let fault = "lost-before:CreateInstances";
    let lost = ["apply", "--sandbox", "--yes", "--token-ttl", "1s", "--visibility-grace", "1s", "--fault", fault];
    let mut command = place.command(&lost);
    let mut child =
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().expect("it starts");
    // Until an attempt is on disk.
    let journal = place.path().join("state/sandbox/small.json.journal");
    while !std::fs::read_to_string(&journal).is_ok_and(|text| text.contains("attempt")) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().expect("killed");
    child.wait().expect("over");
    place.write("lighthouse.yaml", &format!("{SMALL}policy: {{ freeze: not now }}\n"));
    let before = status(&place)["calls"]["CreateInstances"].clone();
    // Nor does it cost more than is allowed, whoever consented to it before.
    let manifest = place.read("lighthouse.yaml");
    place.write("lighthouse.yaml", SMALL);
    let said = place.run(&["apply", "--sandbox", "--boot", "0s", "--yes", "--max-spend", "49.99"]).expect(7);
    assert!(said.err.contains("may cost "), "{said:#?}");
    place.write("lighthouse.yaml", &manifest);
    let said = place.run(&["apply", "--sandbox", "--boot", "0s", "--yes"]).expect(7);
    assert!(said.err.contains("the stack is frozen: not now"), "{said:#?}");
    assert_eq!(status(&place)["calls"]["CreateInstances"], before);
}

#[test]
fn the_price_of_a_manifest_and_of_what_is_pending() {
    let place = Place::with(SMALL);
    place.run(&["apply", "--sandbox", "--boot", "0s", "--yes"]).expect(0);
    let more = SMALL.replace("count: 2", "count: 3").replace("  db: {}", "  db: { charge: { period: 12 } }");
    place.write("lighthouse.yaml", &more);
    insta::assert_snapshot!(place.run(&["price", "--sandbox"]).expect(0).out);
    let said = place.run(&["price", "--sandbox", "--json"]).expect(0);
    let document: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!((&document["total"]["now"], &document["total"]["per_month"]), (&json!("648.00"), &json!("200.00")));
    assert_eq!((&document["pending"]["now"], &document["pending"]["per_month"]), (&json!("50.00"), &json!("50.00")));
    let denied = ["--fault", "denied:InquirePriceCreateInstances"];
    let said = place.run(&[&["price", "--sandbox"], &denied[..]].concat()).expect(0);
    assert!(said.out.contains("not checked: no permission for InquirePriceCreateInstances"), "{said:#?}");
}

#[test]
fn more_time_is_priced_before_it_is_bought() {
    let place = Place::with(SMALL);
    place.run(&["apply", "--sandbox", "--boot", "0s", "--yes"]).expect(0);
    let said = place.run(&["renew", "web", "--period", "12", "--sandbox", "--yes"]).expect(0);
    assert!(said.out.contains("996.00 CNY now"), "{said:#?}");
}
