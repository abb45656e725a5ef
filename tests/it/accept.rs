//! `drift --accept` against the sandbox: the manifest follows what is live, comments and all else stay.

use crate::support::Place;
use serde_json::Value;

const STACK: &str = "version: 1
stack: small
region: ap-guangzhou
defaults: # for all
  bundle_id: bundle_rs_nmc_lin_med2_01
  blueprint_id: lhbp-f1lkcd41
  charge: { period: 1 }
instances:
  db: # the one
    instance_name: main   # as it is called
    tags:
      tier: back # of the back
      owner: ann
    login: { key_ids: [lhkp-abc12345] } # ann
    power: running
  web: { count: 2, instance_name: \"w-${count.index}\" } # in front
  cache: {}
";

const FAST: [&str; 4] = ["--yes", "--sandbox", "--boot", "0s"];

fn standing() -> Place {
    let place = Place::with(STACK);
    place.run(&[&["apply"], &FAST[..]].concat()).expect(0);
    place
}

/// Changes the cloud as somebody else would, with a state of their own.
fn meddle(place: &Place, manifest: &str) {
    std::fs::copy(place.path().join("state/sandbox/small.json"), place.path().join("other.json")).expect("copied");
    place.write("other.yaml", manifest);
    place.run(&[&["apply", "-f", "other.yaml", "--state", "other.json"], &FAST[..]].concat()).expect(0);
}

fn is_settled(place: &Place) {
    place.run(&["drift", "--sandbox"]).expect(0);
    let said = place.run(&["plan", "--sandbox", "--detailed-exitcode"]).expect(0);
    assert!(said.out.starts_with("No changes."), "{said:#?}");
}

#[test]
fn values_follow_at_their_places() {
    let place = standing();
    let live = STACK
        .replace("instance_name: main", "instance_name: \"primary: new\"")
        .replace("tier: back #", "tier: front #")
        .replace("      owner: ann\n", "")
        .replace("key_ids: [lhkp-abc12345]", "key_ids: [lhkp-def12345]")
        .replace("power: running", "power: stopped")
        .replace("cache: {}", "cache: { instance_name: memory, charge: { renew_flag: NOTIFY_AND_AUTO_RENEW } }");
    meddle(&place, &live);
    place.run(&["drift", "--sandbox"]).expect(3);
    let said = place.run(&["drift", "--accept", "--sandbox"]).expect(0);
    assert!(said.out.starts_with("Accepted into lighthouse.yaml: 6 differences."), "{said:#?}");
    insta::assert_snapshot!("accepted", place.read("lighthouse.yaml"));
    assert_eq!(place.read("lighthouse.yaml.backup"), STACK);
    is_settled(&place);
    let said = place.run(&["drift", "--accept", "--sandbox"]).expect(0);
    assert!(said.out.starts_with("No drift to accept."), "{said:#?}");
}

#[test]
fn only_what_is_named_follows() {
    let place = standing();
    let live = STACK
        .replace("instance_name: main", "instance_name: primary")
        .replace("cache: {}", "cache: { instance_name: memory }");
    meddle(&place, &live);
    place.run(&["drift", "--accept", "cache", "--sandbox"]).expect(0);
    assert_eq!(place.read("lighthouse.yaml"), STACK.replace("cache: {}", "cache: { instance_name: memory }"));
    let left = place.run(&["drift", "--json", "--sandbox"]).expect(3);
    let left: Value = serde_json::from_str(&left.out).expect("JSON");
    assert_eq!(left["drift"].as_array().map(Vec::len), Some(1), "{left:#}");
    let said = place.run(&["drift", "--accept", "cahce", "--sandbox"]).expect(64);
    assert!(said.err.contains("did you mean `cache`?"), "{said:#?}");
    place.run(&["drift", "--accept", "--skip", "cache", "--sandbox"]).expect(0);
    is_settled(&place);
}

#[test]
fn what_does_not_stand_there_as_it_is_is_refused_with_its_place() {
    let place = standing();
    let live = STACK
        .replace("instance_name: \"w-${count.index}\"", "instance_name: \"v-${count.index}\"")
        .replace("cache: {}", "cache: { bundle_id: bundle_rs_nmc_lin_med4_01 }");
    meddle(&place, &live);
    let said = place.run(&["drift", "--accept", "--sandbox"]).expect(1);
    insta::assert_snapshot!("refused", said.err);
    assert_eq!(place.read("lighthouse.yaml"), STACK);
    place.run(&["drift", "--sandbox"]).expect(3);
}

#[test]
fn what_is_gone_cannot_be_followed() {
    let place = standing();
    meddle(&place, &STACK.replace("  cache: {}\n", ""));
    let said = place.run(&["drift", "--sandbox"]).expect(3);
    assert!(said.out.contains("is isolated"), "{said:#?}");
    // An end of service is told, and is nothing that a manifest could follow.
    let said = place.run(&["drift", "--accept", "--sandbox"]).expect(0);
    assert!(said.out.starts_with("No drift to accept."), "{said:#?}");
    assert_eq!(place.read("lighthouse.yaml"), STACK);
}

#[test]
fn the_file_that_has_the_block_follows_and_variables_do_not() {
    let place = Place::with(
        "version: 1
stack: small
region: ap-guangzhou
variables: { bundle: { default: bundle_rs_nmc_lin_med2_01 } }
defaults: { blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
include: [parts/more.yaml]
",
    );
    std::fs::create_dir(place.path().join("parts")).expect("made");
    let part = "instances: # of the part
  db: { bundle_id: \"${var.bundle}\", instance_name: db } # one
  edge:
    for_each: { a: { name: first } }
    bundle_id: bundle_rs_nmc_lin_med2_01
    instance_name: \"${each.value.name}\"
";
    place.write("parts/more.yaml", part);
    place.run(&[&["apply"], &FAST[..]].concat()).expect(0);
    std::fs::copy(place.path().join("state/sandbox/small.json"), place.path().join("other.json")).expect("copied");
    let drift = |part: &str| {
        place.write("parts/more.yaml", part);
        place.run(&[&["apply", "--state", "other.json"], &FAST[..]].concat()).expect(0);
    };
    drift(&part.replace("instance_name: db", "instance_name: other"));
    place.write("parts/more.yaml", part);
    let said = place.run(&["drift", "--accept", "--sandbox"]).expect(0);
    assert!(said.out.starts_with("Accepted into parts/more.yaml: 1 difference."), "{said:#?}");
    let followed = part.replace("instance_name: db", "instance_name: other");
    assert_eq!(place.read("parts/more.yaml"), followed);
    is_settled(&place);
    drift(&followed.replace("name: first", "name: second").replace("\"${var.bundle}\"", "bundle_rs_nmc_lin_med4_01"));
    place.write("parts/more.yaml", &followed);
    let said = place.run(&["drift", "--accept", "--sandbox"]).expect(1);
    assert!(said.err.contains("`bundle_id` is worked out: `${var.bundle}`"), "{said:#?}");
    assert!(said.err.contains("`instance_name` is worked out: `${each.value.name}`"), "{said:#?}");
    assert!(said.err.contains("parts/more.yaml:2:"), "{said:#?}");
    assert_eq!(place.read("parts/more.yaml"), followed);
    // What is there and not in the manifest becomes a block of the file that has the blocks.
    let said = place.run(&["state", "rm", "db", "--sandbox"]).expect(0);
    let id = said.out.split_whitespace().nth(1).expect("an id").to_owned();
    let said = place.run(&["import", "spare", &id, "--sandbox"]).expect(0);
    assert!(said.out.contains("into state and parts/more.yaml: spare."), "{said:#?}");
    assert!(place.read("parts/more.yaml").starts_with(&followed));
}
