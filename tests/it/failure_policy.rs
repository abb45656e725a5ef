//! How failures end: what is retried and for how long, what is said meanwhile, and what is advised in the end.

use crate::altered::Altered;
use crate::support::{Cloud, Place, SMALL};
use serde_json::{Value, json};

const HEAD: &str = "version: 1
stack: small
region: ap-guangzhou
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
";

fn events(place: &Place) -> Vec<Value> {
    place.read("events.ndjson").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn summary(place: &Place) -> Value {
    events(place).pop().expect("a last event")
}

/// A dry run buys nothing: whatever the service answers, the purchase would fail now.
#[test]
fn an_unlisted_failure_of_a_dry_run_fails_the_preflight() {
    for code in ["FailedOperation.RealNameAuthRequired", "Brandnew.Family", "UnsupportedOperation.SystemBusy"] {
        let cloud = Cloud::start();
        let mut place = Place::with(SMALL);
        place.connect(&cloud);
        cloud.shared.lock().unwrap().refuse = Some((code, "no real-name verification"));
        let said = place.run(&["plan"]).expect(8);
        assert!(said.err.contains(code) && said.err.contains("no real-name verification"), "{said:#?}");
        let said = place.run(&["apply", "--yes", "--events", "events.ndjson"]).expect(8);
        assert!(said.err.contains("Nothing was changed.") && !said.err.contains(" again."), "{said:#?}");
        assert_eq!(summary(&place).get("next"), None, "{said:#?}");
        assert_eq!(cloud.calls("CreateInstances"), 0);
    }
}

/// Throttling, internal errors and missing permission say nothing about the purchase.
#[test]
fn a_dry_run_that_says_nothing_is_not_checked() {
    for code in ["RequestLimitExceeded", "InternalError.Brandnew", "UnauthorizedOperation.NoPermission"] {
        let cloud = Cloud::start();
        let mut place = Place::with(&format!("{HEAD}  db: {{}}\n"));
        place.connect(&cloud);
        cloud.shared.lock().unwrap().refuse = Some((code, "not now"));
        let said = place.run(&["plan"]).expect(0);
        assert!((said.out + &said.err).contains("not checked"), "{code}");
    }
}

/// What was bought and is not listed is given up at the same time, alone and in a batch, and the next run takes it up.
#[test]
fn one_deadline_for_one_instance_and_for_a_batch() {
    for count in [1, 3] {
        let place = Place::with(&format!("{HEAD}  web: {{ count: {count}, timeouts: {{ create: 2s }} }}\n"));
        let common = ["apply", "--sandbox", "--yes", "--no-preflight", "--events", "events.ndjson"];
        let said = place.run(&[&common[..], &["--visibility-delay", "1h"]].concat()).expect(6);
        assert!(said.out.contains("bought, and not listed within the time-out"), "{said:#?}");
        let summary = summary(&place);
        let next = summary["next"].as_str().unwrap_or_default();
        assert!(next.starts_with("lhprov apply --sandbox") && said.out.replace('\n', " ").contains(next), "{summary}");
        assert_eq!(summary["counts"], json!({"pending": count}), "{summary}");
    }
}

#[test]
fn a_retried_purchase_says_why_and_when() {
    let place = Place::with(&format!("{HEAD}  web: {{ count: 2, timeouts: {{ create: 4s }} }}\n"));
    let fault = ["--fault", "internal-before:CreateInstances", "--events", "events.ndjson"];
    let said = place.run(&[&["apply", "--sandbox", "--yes", "--no-preflight"], &fault[..]].concat()).expect(6);
    assert!(said.err.contains("web[0-1]: 1 attempt, last: InternalError"), "{said:#?}");
    assert!(said.err.contains("next lookup at "), "{said:#?}");
    let retries: Vec<Value> = events(&place)
        .into_iter()
        .filter(|event| event["retry"].is_object())
        .map(|event| event["retry"].clone())
        .collect();
    assert!(retries.len() >= 2, "{retries:?}");
    for (number, retry) in retries.iter().enumerate() {
        assert_eq!(retry["attempts"], number + 1, "{retries:?}");
        assert!(retry["last_error"].as_str().unwrap_or_default().starts_with("InternalError"), "{retry}");
        assert!(retry["next"].as_str().unwrap_or_default().ends_with('Z'), "{retry}");
    }
}

/// Ids that are none are no response: the instances are found by their tags, and nothing is recorded under such an id.
#[test]
fn ids_of_another_shape_are_refused() {
    for wrong in ["", "ins-12345678", "lhins-", "lhins-a b"] {
        let cloud = Altered::start();
        let place = cloud.place(&format!("{HEAD}  web: {{ count: 2 }}\n"));
        cloud.alter(move |action, response| {
            if action == "CreateInstances" && response["InstanceIdSet"][0].is_string() {
                response["InstanceIdSet"][0] = json!(wrong);
            }
        });
        place.run(&["apply", "--yes"]).expect(0);
        assert_eq!(cloud.requests("CreateInstances").len(), 1, "{wrong}");
        place.run(&["plan", "--detailed-exitcode"]).expect(0);
    }
}

/// Running the same command again is advised only where it can succeed.
#[test]
fn no_advice_to_run_again_where_that_changes_nothing() {
    let place =
        Place::with(&format!("{HEAD}  web: {{ count: 2, protect: true }}\n  edge: {{ for_each: {{ a: {{}} }} }}\n"));
    place.run(&["apply", "--sandbox", "--yes", "--boot", "0s"]).expect(0);
    let check = |arguments: &[&str], code: i32, helps: &[&str]| {
        let said = place.run(&[arguments, &["--events", "events.ndjson"]].concat()).expect(code);
        let text = said.out + &said.err;
        assert!(!text.contains("To go on, run"), "{arguments:?}: {text}");
        for help in helps {
            assert!(text.contains(help), "{arguments:?}: no {help:?} in {text}");
        }
        assert_eq!(summary(&place).get("next"), None, "{arguments:?}");
    };
    check(&["renew", "wbe", "--yes", "--sandbox"], 1, &["help: "]);
    check(&["destroy", "--yes", "--sandbox"], 7, &["protect"]);
    place.write(
        "lighthouse.yaml",
        &format!("{HEAD}  web: {{ count: 2, blueprint_id: lhbp-00000000 }}\n  edge: {{ for_each: {{ a: {{}} }} }}\n"),
    );
    check(&["apply", "--yes", "--sandbox"], 1, &["lhbp-00000000"]);
    let wiped = HEAD.replace("lhbp-f1lkcd41", "lhbp-5e8807lo");
    place.write("lighthouse.yaml", &format!("{wiped}  web: {{ count: 2 }}\n  edge: {{ for_each: {{ a: {{}} }} }}\n"));
    check(&["apply", "--yes", "--sandbox"], 7, &["protected"]);
    // Protection ends by an apply of its own.
    place.write("lighthouse.yaml", &format!("{HEAD}  web: {{ count: 2 }}\n  edge: {{ for_each: {{ a: {{}} }} }}\n"));
    place.run(&["apply", "--sandbox", "--yes"]).expect(0);
    place.write("lighthouse.yaml", &format!("{wiped}  web: {{ count: 2 }}\n  edge: {{ for_each: {{ a: {{}} }} }}\n"));
    check(&["apply", "--yes", "--sandbox"], 7, &["--allow-data-loss"]);
}

/// A locked state and a lost network pass by themselves.
#[test]
fn advice_to_run_again_where_the_network_failed() {
    let mut place = Place::with(SMALL);
    place.set("LHPROV_ENDPOINT", "http://127.0.0.1:1");
    place.set("TENCENTCLOUD_SECRET_ID", "AKIDEXAMPLE");
    place.set("TENCENTCLOUD_SECRET_KEY", "not-a-real-key");
    let said = place.run(&["apply", "--yes", "--events", "events.ndjson"]).expect(1);
    let text = said.err.replace('\n', " ");
    assert!(text.contains("To go on, run `lhprov apply --yes --events events.ndjson` again."), "{text}");
    assert_eq!(summary(&place)["next"], "lhprov apply --yes --events events.ndjson");
}

/// Commands in hints name the same fleet and cloud, and can be pasted.
#[test]
fn hints_carry_flags_and_quotes() {
    let place = Place::empty();
    place.write("a b.yaml", &format!("{HEAD}  web: {{ count: 1 }}\n"));
    let flags = ["-f", "a b.yaml", "--sandbox=box", "--state", "s.json"];
    place.run(&[&["apply", "--yes", "--boot", "0s"], &flags[..]].concat()).expect(0);
    let listed = place.run(&[&["show", "--json"], &flags[..]].concat()).expect(0).out;
    assert!(listed.contains("lhins-"), "{listed}");
    let said = place.run(&[&["state", "rm", "nothing"], &flags[..]].concat()).expect(1);
    let text = said.err.replace("\n        ", " ");
    assert!(text.contains("`lhprov state list -f 'a b.yaml' --state s.json --sandbox=box`"), "{text}");
    let said = place.run(&[&["state", "rm", "web[0]"], &flags[..]].concat()).expect(0);
    assert!(
        said.out.contains("`lhprov import 'web[0]' lhins-") || said.err.contains("`lhprov import 'web[0]' lhins-"),
        "{said:#?}"
    );
    let said = place.run(&[&["plan", "--out", "my plan.json"], &flags[..]].concat());
    assert!(said.code != Some(0) || said.err.contains("lhprov apply 'my plan.json'"), "{said:#?}");
}

/// Cheaper is never stale; dearer is, beyond the tolerance of the plan or of the command line.
#[test]
fn a_saved_plan_and_prices_that_move() {
    let cloud = Altered::start();
    let place = cloud.place(&format!("{HEAD}  web: {{}}\n"));
    let price = |percent: f64| {
        cloud.alter(move |action, response| {
            if action == "InquirePriceCreateInstances" {
                let price = &mut response["Price"]["InstancePrice"];
                price["DiscountPrice"] = json!(price["DiscountPrice"].as_f64().expect("a price") * percent / 100.0);
            }
        });
    };
    place.run(&["plan", "--out", "exact.json"]).expect(0);
    place.run(&["plan", "--out", "tolerant.json", "--price-tolerance", "10"]).expect(0);
    assert!(place.read("tolerant.json").contains("\"price_tolerance\":1000"));
    price(120.0);
    let said = place.run(&["apply", "exact.json"]).expect(5);
    assert!(
        said.err.contains("costs 60.00 CNY now, and cost 50.00 CNY") && said.err.contains("--price-tolerance"),
        "{said:#?}"
    );
    let said = place.run(&["apply", "tolerant.json"]).expect(5);
    assert!(said.err.contains("a rise of 10 % is admitted"), "{said:#?}");
    place.run(&["apply", "exact.json", "--price-tolerance", "x"]).expect(64);
    assert_eq!(cloud.requests("CreateInstances").len(), 0);
    price(110.0);
    place.run(&["apply", "tolerant.json"]).expect(0);
    // The other way: cheaper, without any tolerance.
    let cheaper = Altered::start();
    let place = cheaper.place(&format!("{HEAD}  web: {{}}\n"));
    place.run(&["plan", "--out", "exact.json"]).expect(0);
    cheaper.alter(|action, response| {
        if action == "InquirePriceCreateInstances" {
            response["Price"]["InstancePrice"]["DiscountPrice"] = json!(1);
        }
    });
    place.run(&["apply", "exact.json"]).expect(0);
}

/// The service names two of three ids, and the third instance exists: the advice of the first run is true for the second.
#[test]
fn advice_is_true_where_the_service_names_fewer_ids_than_it_made() {
    let cloud = Altered::start();
    let place = cloud.place(&format!("{HEAD}  web: {{ count: 3 }}\n"));
    cloud.alter(|action, response| {
        if let ("CreateInstances", Some(ids)) = (action, response["InstanceIdSet"].as_array_mut()) {
            ids.pop();
        }
    });
    let first = place.run(&["apply", "--yes"]);
    assert!(matches!(first.code, Some(6 | 7)), "{first:#?}");
    let advises = (first.out.clone() + &first.err).contains("To go on, run");
    cloud.restore();
    let second = place.run(&["apply", "--yes"]);
    assert_eq!(advises, second.code == Some(0), "{first:#?} {second:#?}");
    assert_eq!(cloud.requests("CreateInstances").len(), 1, "{first:#?} {second:#?}");
}
