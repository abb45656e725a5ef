//! `state mv`, `rm` and `rebuild` against the sandbox.

use crate::support::Place;
use serde_json::Value;

const STACK: &str = "version: 1
stack: small
region: ap-guangzhou
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  db: { protect: true, init_command: echo hello }
  web: { count: 3 }
";

const FAST: [&str; 4] = ["--yes", "--sandbox", "--boot", "0s"];
const PATH: &str = "state/sandbox/small.json";

fn standing(manifest: &str) -> Place {
    let place = Place::with(manifest);
    place.run(&[&["apply"], &FAST[..]].concat()).expect(0);
    place
}

fn recorded(place: &Place) -> Value {
    serde_json::from_str(&place.read(PATH)).expect("JSON")
}

/// Who stands where.
fn standing_at(place: &Place) -> Vec<(String, String)> {
    let state = recorded(place);
    let instances = state["instances"].as_object().expect("a map").clone();
    instances
        .into_iter()
        .map(|(address, one)| (address, one["instance_id"].as_str().expect("an id").to_owned()))
        .collect()
}

fn is_settled(place: &Place) {
    let said = place.run(&["plan", "--sandbox", "--detailed-exitcode"]).expect(0);
    assert!(said.out.starts_with("No changes."), "{said:#?}");
}

fn calls(place: &Place, action: &str) -> u64 {
    let said = place.run(&["sandbox", "status", "--json"]).expect(0);
    let status: Value = serde_json::from_str(&said.out).expect("JSON");
    status["calls"][action].as_u64().unwrap_or(0)
}

fn lose(place: &Place) {
    std::fs::remove_file(place.path().join(PATH)).expect("removed");
}

#[test]
fn an_instance_moves_with_its_tags_and_its_predecessor() {
    let place = standing(STACK);
    let before = standing_at(&place);
    let backup = place.read(PATH);
    let moved = STACK.replace("web: { count: 3 }", "web: { count: 2 }\n  front: { instance_name: web-2 }");
    place.write("lighthouse.yaml", &moved);
    let said = place.run(&["state", "mv", "web[2]", "front", "--sandbox"]).expect(0);
    assert!(said.out.starts_with(&format!("Moved {} from `web[2]` to `front`.", before[3].1)), "{said:#?}");
    assert_eq!(place.read(&format!("{PATH}.backup")), backup);
    is_settled(&place);
    // What is bought for the old address is another instance.
    place.write("lighthouse.yaml", &moved.replace("count: 2", "count: 3"));
    place.run(&[&["apply"], &FAST[..]].concat()).expect(0);
    let after = standing_at(&place);
    assert_eq!(after.len(), 5);
    assert_eq!(after.iter().find(|(address, _)| address == "front").map(|(_, id)| id), Some(&before[3].1));
    // And the tags know it: a state that is lost is made again as it was.
    lose(&place);
    place.run(&["state", "rebuild", "--sandbox"]).expect(0);
    assert_eq!(standing_at(&place), after);
    is_settled(&place);
    assert_eq!(calls(&place, "IsolateInstances"), 0);
}

#[test]
fn moves_that_cannot_be_are_refused_with_the_nearest_address() {
    let place = standing(STACK);
    let before = place.read(PATH);
    for (from, to, code, why) in [
        ("wbe[0]", "x", 1, "did you mean `web[0]`?"),
        ("web[0]", "web[1]", 1, "`web[1]` has lhins-"),
        ("db", "db", 1, "is both addresses"),
        ("db", "a[", 64, "is not an address"),
    ] {
        let said = place.run(&["state", "mv", from, to, "--sandbox"]).expect(code);
        assert!(said.err.contains(why), "{said:#?}");
    }
    let said = place.run(&["state", "rm", "bd", "--sandbox"]).expect(1);
    assert!(said.err.contains("did you mean `db`?"), "{said:#?}");
    assert_eq!(place.read(PATH), before);
}

#[test]
fn what_is_forgotten_runs_on_and_is_found_again() {
    let place = standing(STACK);
    let before = standing_at(&place);
    let said = place.run(&["state", "rm", "db", "--sandbox"]).expect(0);
    assert!(said.out.contains("only forgotten") && said.out.contains("the manifest still has `db`"), "{said:#?}");
    let listed = place.run(&["state", "list", "--sandbox"]).expect(0);
    assert_eq!(listed.out, "web[0]\nweb[1]\nweb[2]\n");
    place.run(&[&["apply"], &FAST[..]].concat()).expect(0);
    assert_eq!(standing_at(&place), before);
    // Out of the manifest as well, it is nobody's.
    place.write("lighthouse.yaml", &STACK.replace("  db: { protect: true, init_command: echo hello }\n", ""));
    place.run(&["state", "rm", "db", "--sandbox"]).expect(0);
    is_settled(&place);
    assert_eq!((calls(&place, "CreateInstances"), calls(&place, "IsolateInstances")), (2, 0));
}

#[test]
fn a_state_is_made_again_whether_lost_or_damaged() {
    let place = standing(STACK);
    let before = standing_at(&place);
    lose(&place);
    let said = place.run(&["state", "rebuild", "--sandbox"]).expect(0);
    assert!(said.out.contains("Found 4 instances for state/sandbox/small.json: db web[0-2]."), "{said:#?}");
    assert_eq!(standing_at(&place), before);
    assert_eq!(recorded(&place)["instances"]["db"]["protect"], true);
    is_settled(&place);
    place.write(PATH, "{ half");
    place.run(&["plan", "--sandbox"]).expect(1);
    place.run(&["state", "rebuild", "--sandbox"]).expect(0);
    assert_eq!(standing_at(&place), before);
    assert_eq!(place.read(&format!("{PATH}.backup")), "{ half");
    is_settled(&place);
    let said = place.run(&["state", "rebuild", "--sandbox"]).expect(0);
    assert!(said.out.contains("Found nothing that"), "{said:#?}");
    assert_eq!(calls(&place, "CreateInstances"), 2);
}

#[test]
fn a_changed_manifest_is_made_again_too_and_the_plan_says_to_do_so() {
    let place = standing(STACK);
    let before = standing_at(&place);
    lose(&place);
    // The purchase of this manifest would be another one, and one block is gone.
    let changed = STACK
        .replace("bundle_rs_nmc_lin_med2_01", "bundle_rs_nmc_lin_med4_01")
        .replace("  db: { protect: true, init_command: echo hello }\n", "");
    place.write("lighthouse.yaml", &changed);
    let plan = place.run(&["plan", "--sandbox"]).expect(7);
    assert!(plan.out.contains("lhprov state rebuild") && plan.out.contains("lhprov import ADDRESS ID"), "{plan:#?}");
    let said = place.run(&["state", "rebuild", "--sandbox"]).expect(0);
    assert!(said.out.contains("Not in the manifest, and protected until it is: db."), "{said:#?}");
    assert_eq!(standing_at(&place), before);
    // What the manifest lacks is not destroyed because of that.
    place.run(&["plan", "--sandbox"]).expect(7);
    let plan = place.run(&["plan", "--sandbox", "--adopt"]).expect(0);
    assert!(
        plan.out.contains("upgrade") && plan.out.contains("Plan: 0 to add, 3 to change, 1 to destroy."),
        "{plan:#?}"
    );
}

#[test]
fn names_serve_where_there_are_no_tags_and_a_choice_is_left_to_people() {
    let named = STACK.replace("region:", "ownership: name\nregion:");
    let place = standing(&named);
    let before = standing_at(&place);
    lose(&place);
    place.run(&["state", "rebuild", "--sandbox"]).expect(0);
    assert_eq!(standing_at(&place), before);
    is_settled(&place);
    // Two of the same name, and one address.
    let other = named.replace("stack: small", "stack: other").replace("count: 3", "count: 1");
    let strange = other.replace("db: { ", "db: { instance_name: x, ").replace("count: 1", "count: 1, instance_name: y");
    for manifest in [strange, other] {
        place.write("other.yaml", &manifest);
        place.run(&[&["apply", "-f", "other.yaml"], &FAST[..]].concat()).expect(0);
    }
    lose(&place);
    let said = place.run(&["state", "rebuild", "--sandbox"]).expect(7);
    assert!(said.out.contains("it may be `db`") && said.out.contains("lhprov import ADDRESS lhins-"), "{said:#?}");
    let listed = place.run(&["state", "list", "--sandbox"]).expect(0);
    assert_eq!(listed.out, "web[1]\nweb[2]\n");
    place.run(&["import", "db", &before[0].1, "--sandbox"]).expect(0);
    place.run(&["import", "web[0]", &before[1].1, "--sandbox"]).expect(0);
    assert_eq!(standing_at(&place), before);
    is_settled(&place);
}

#[test]
fn what_is_under_way_is_settled_first() {
    let place = Place::with(STACK);
    let fault = ["--fault", "lost-before:CreateInstances"];
    let arguments = [&["apply", "--token-ttl", "1s"], &FAST[..], &fault].concat();
    let mut apply = place
        .command(&arguments)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("started");
    std::thread::sleep(std::time::Duration::from_secs(2));
    apply.kill().expect("killed");
    apply.wait().expect("gone");
    let said = place.run(&["import", "--all", "--sandbox"]).expect(1);
    assert!(said.err.contains("left something open") && said.err.contains("lhprov apply"), "{said:#?}");
    place.run(&["state", "rm", "db", "--sandbox"]).expect(1);
    place.run(&["drift", "--accept", "--sandbox"]).expect(1);
}
