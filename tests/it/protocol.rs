//! The purchase protocol as a user meets it, against the simulated cloud.

use crate::support::{Place, SMALL};
use serde_json::{Value, json};

fn status(place: &Place) -> Value {
    serde_json::from_str(&place.run(&["sandbox", "status", "--json"]).expect(0).out).expect("JSON")
}

#[test]
fn a_token_that_is_refused_for_ever_is_replaced_once_a_dry_run_contradicts_it() {
    let place = Place::with(SMALL);
    let fault = "refuse-token:CreateInstances:at=1";
    let said = place.run(&["apply", "--sandbox", "--boot", "0s", "--yes", "--fault", fault]).expect(0);
    assert!(said.out.ends_with("Applied: 3 running. (sandbox)\n"), "{said:#?}");
    let after = status(&place);
    assert_eq!(after["instances"]["RUNNING"], 3, "{after:#}");
    // db: asked, dry run, asked, dry run, asked with another token; and the batch of web. The third dry run is preflight's.
    assert_eq!((&after["calls"]["CreateInstances"], &after["calls"]["DryRun"]), (&json!(4), &json!(3)), "{after:#}");
    let state: Value = serde_json::from_str(&place.read("state/sandbox/small.json")).expect("JSON");
    assert_eq!(state["instances"]["db"]["predecessor"]["purchase"].as_str().map(str::len), Some(64), "{state:#}");
    place.run(&["plan", "--sandbox", "--detailed-exitcode"]).expect(0);
}

#[test]
fn stock_that_comes_back_between_two_calls_is_bought_in_the_same_run() {
    let place = Place::with(SMALL);
    let fault = "sold-out:CreateInstances:at=1";
    let said = place.run(&["apply", "--sandbox", "--boot", "0s", "--yes", "--fault", fault]).expect(0);
    assert!(said.out.ends_with("Applied: 3 running. (sandbox)\n"), "{said:#?}");
    assert_eq!(status(&place)["calls"]["CreateInstances"], 3);
}

#[test]
fn without_tags_and_state_a_changed_manifest_stops_and_an_unchanged_one_finds_its_own() {
    let named = SMALL.replace("stack: small\n", "stack: small\nownership: name\n");
    let place = Place::with(&named);
    let apply = |more: &[&str], code| {
        place.run(&[&["apply", "--sandbox", "--boot", "0s", "--yes"], more].concat()).expect(code)
    };
    apply(&[], 0);
    let forget_state = || {
        for name in ["small.json", "small.json.backup", "small.json.journal"] {
            let _ = std::fs::remove_file(place.path().join("state/sandbox").join(name));
        }
    };
    forget_state();
    place.write("lighthouse.yaml", &named.replace("med2", "med4"));
    let said = apply(&[], 7);
    assert!(said.err.contains("`web-0`, RUNNING") && said.err.contains("--buy-anyway"), "{said:#?}");
    assert_eq!(status(&place)["instances"]["RUNNING"], 3);
    place.write("lighthouse.yaml", &named);
    apply(&["--adopt"], 0);
    assert_eq!(status(&place)["instances"]["RUNNING"], 3);
    place.run(&["plan", "--sandbox", "--detailed-exitcode"]).expect(0);
}
