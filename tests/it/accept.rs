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
