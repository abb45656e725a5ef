//! `import` against the sandbox: state and manifest together, an empty plan afterwards, and nothing half done.

use crate::support::Place;
use serde_json::Value;

/// Bought by somebody else, without tags of ours.
const OTHERS: &str = "version: 1
stack: others
region: ap-guangzhou
ownership: name
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  db:
    instance_name: My DB (old)
    tags: { tier: back }
    charge: { renew_flag: NOTIFY_AND_AUTO_RENEW }
    init_command: echo hello
  web: { count: 3, zones: [ap-guangzhou-3] }
  nodes: { count: 2, zones: [ap-guangzhou-6], instance_name: \"n${count.index}\" }
  off: { power: stopped, login: { key_ids: [lhkp-abc12345] } }
";

const OURS: &str = "# The shop.
version: 1
stack: shop
region: ap-guangzhou   # the near one
defaults: # for all
  blueprint_id: lhbp-f1lkcd41
  charge: { period: 3 }
instances: {} # none yet

# How fast.
rate_limits: { CreateInstances: 10 }
";

const FAST: [&str; 4] = ["--yes", "--sandbox", "--boot", "0s"];

fn bought(manifest: &str) -> Place {
    let place = Place::with(manifest);
    place.write("others.yaml", OTHERS);
    place.run(&[&["apply", "-f", "others.yaml"], &FAST[..]].concat()).expect(0);
    place
}

fn document(place: &Place, arguments: &[&str], code: i32) -> Value {
    let said = place.run(&[arguments, &["--sandbox", "--json"]].concat()).expect(code);
    serde_json::from_str(&said.out).expect("JSON")
}

fn id_of(place: &Place, state: &str, address: &str) -> String {
    let said = place.run(&["show", address, "--json", "--state", state, "--sandbox"]).expect(0);
    let shown: Value = serde_json::from_str(&said.out).expect("JSON");
    shown["instance_id"].as_str().expect("an id").to_owned()
}

fn is_settled(place: &Place) {
    let said = place.run(&["plan", "--sandbox", "--detailed-exitcode"]).expect(0);
    assert!(said.out.starts_with("No changes."), "{said:#?}");
    place.run(&["drift", "--sandbox"]).expect(0);
}

fn calls(place: &Place, action: &str) -> u64 {
    let said = place.run(&["sandbox", "status", "--json"]).expect(0);
    let status: Value = serde_json::from_str(&said.out).expect("JSON");
    status["calls"][action].as_u64().unwrap_or(0)
}

const OTHERS_STATE: &str = "state/sandbox/others.json";

#[test]
fn everything_at_once_and_the_plan_is_empty() {
    let place = bought(OURS);
    let said = place.run(&["import", "--all", "--sandbox"]).expect(0);
    assert!(
        said.out.contains("Imported 7 instances into state and lighthouse.yaml: My-DB-old n[0-1] off web[0-2]."),
        "{said:#?}"
    );
    // Zones are where the service put them.
    let text = place.read("lighthouse.yaml");
    let text = regex_free(&text);
    insta::assert_snapshot!("imported", text);
    is_settled(&place);
    assert_eq!(place.read("lighthouse.yaml.backup"), OURS);
    // Without the state the same manifest finds all of them again: the tags are those of a purchase of its own.
    std::fs::remove_file(place.path().join("state/sandbox/shop.json")).expect("removed");
    let plan = place.run(&["plan", "--sandbox"]).expect(0);
    assert!(plan.out.contains("7 found again"), "{plan:#?}");
    place.run(&["state", "rebuild", "--sandbox"]).expect(0);
    is_settled(&place);
    // Once more there is nothing.
    let again = document(&place, &["import", "--all"], 0);
    assert_eq!(again["imported"], Value::Array(Vec::new()), "{again:#}");
    assert_eq!(calls(&place, "CreateInstances"), 4);
}

/// Zones blotted out, since the service chooses them.
fn regex_free(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once("zones: [ap-guangzhou-") {
        Some((before, _)) => format!("{before}zones: […]\n"),
        None => format!("{line}\n"),
    });
    lines.collect()
}

#[test]
fn some_by_tag_zone_or_name() {
    let place = bought(OURS);
    let one = document(&place, &["import", "--tag", "tier=back"], 0);
    assert_eq!(one["imported"][0]["address"], "My-DB-old", "{one:#}");
    let names = document(&place, &["import", "--name", "web-*", "--zone", "ap-guangzhou-3"], 0);
    assert_eq!(names["imported"].as_array().map(Vec::len), Some(3), "{names:#}");
    let none = document(&place, &["import", "--zone", "ap-guangzhou-99"], 0);
    assert_eq!(none["imported"].as_array().map(Vec::len), Some(0), "{none:#}");
    is_settled(&place);
    place.run(&["import", "--sandbox"]).expect(64);
    place.run(&["import", "db", "--sandbox"]).expect(64);
    place.run(&["import", "--all", "--name", "x", "--sandbox"]).expect(64);
    place.run(&["import", "--tag", "x", "--sandbox"]).expect(64);
}

#[test]
fn one_to_an_address_of_the_manifest_or_to_a_new_block() {
    let manifest = OURS.replace(
        "instances: {} # none yet",
        "instances:\n  main: { bundle_id: bundle_rs_nmc_lin_med4_01, protect: true } # the one\n  web: { count: 2, bundle_id: bundle_rs_nmc_lin_med2_01 }",
    );
    let place = bought(&manifest);
    let node = id_of(&place, OTHERS_STATE, "nodes[0]");
    let (db, web, off) =
        (id_of(&place, OTHERS_STATE, "db"), id_of(&place, OTHERS_STATE, "web[1]"), id_of(&place, OTHERS_STATE, "off"));
    let said = place.run(&["import", "main", &db, "--sandbox"]).expect(0);
    assert!(said.out.contains("`main` differs from the manifest in instance_name, renew_flag, bundle_id"), "{said:#?}");
    assert_eq!(place.read("lighthouse.yaml"), manifest, "the address was there already");
    place.run(&["import", "web[1]", &web, "--sandbox"]).expect(0);
    let said = place.run(&["import", "spare", &off, "--sandbox"]).expect(0);
    assert!(said.out.contains("into state and lighthouse.yaml: spare."), "{said:#?}");
    assert!(place.read("lighthouse.yaml").contains("  spare:\n"));
    // What is protected is so at once.
    let state: Value = serde_json::from_str(&place.read("state/sandbox/shop.json")).expect("JSON");
    assert_eq!(state["instances"]["main"]["protect"], true);
    assert_eq!(state["instances"]["spare"]["protect"], Value::Null);
    for (address, id, why) in [
        ("main", web.as_str(), "`main` has lhins-"),
        ("other", db.as_str(), "stands at `main` already"),
        ("other", "lhins-00000000", "there is no instance lhins-00000000 in ap-guangzhou"),
        ("web", node.as_str(), "`web` stands for several instances"),
        ("web[7]", node.as_str(), "the manifest has no `web[7]`"),
    ] {
        let said = place.run(&["import", address, id, "--sandbox"]).expect(1);
        assert!(said.err.contains(why) && said.err.contains("help: "), "{said:#?}");
    }
    place.run(&["import", "other", "nonsense", "--sandbox"]).expect(64);
}

#[test]
fn what_another_stack_has_needs_a_word() {
    let place = Place::with(OURS);
    place.write("others.yaml", &OTHERS.replace("ownership: name\n", ""));
    place.run(&[&["apply", "-f", "others.yaml"], &FAST[..]].concat()).expect(0);
    let db = id_of(&place, OTHERS_STATE, "db");
    let said = place.run(&["import", "db", &db, "--sandbox"]).expect(1);
    assert!(
        said.err.contains("belongs to stack `others` by its tags") && said.err.contains("--take-over"),
        "{said:#?}"
    );
    let all = document(&place, &["import", "--all"], 0);
    assert_eq!(all["left"].as_array().map(Vec::len), Some(7), "{all:#}");
    assert_eq!(place.read("lighthouse.yaml"), OURS);
    place.run(&["import", "db", &db, "--take-over", "--sandbox"]).expect(0);
    is_settled(&place);
    // It is ours by its tags now.
    let said = place.run(&["import", "db2", &db, "--sandbox", "-f", "others.yaml"]).expect(1);
    assert!(said.err.contains("stands at `db` already"), "{said:#?}");
}

#[test]
fn what_the_manifest_has_a_place_for_gets_no_second_block() {
    let manifest = OURS.replace(
        "instances: {} # none yet",
        "instances:\n  off: { bundle_id: bundle_rs_nmc_lin_med2_01 }\n  own: { bundle_id: bundle_rs_nmc_lin_med2_01 }",
    );
    let place = bought(&manifest);
    place.run(&[&["apply", "--only", "own"], &FAST[..]].concat()).expect(0);
    place.run(&["state", "rm", "own", "--sandbox"]).expect(0);
    let said = place.run(&["import", "--name", "o*", "--sandbox"]).expect(0);
    assert!(said.out.contains("(`own`) is this stack's own by its tags: `lhprov state rebuild`"), "{said:#?}");
    assert!(said.out.contains("(`off`) bears the name of `off`, which has no instance"), "{said:#?}");
    assert_eq!(place.read("lighthouse.yaml"), manifest);
}

#[test]
fn refused_tags_are_said_and_what_defaults_would_change_is_ignored() {
    let manifest = OURS.replace("charge: { period: 3 }", "charge: { period: 3 }\n  tags: { team: a }");
    let place = bought(&manifest);
    let fault = ["--fault", "denied:ModifyResourceTags"];
    let said = place.run(&[&["import", "--name", "web-*", "--sandbox"], &fault[..]].concat()).expect(0);
    assert!(said.out.contains("warning: the ownership tags of `web[0]`"), "{said:#?}");
    assert!(said.out.contains("`defaults` would change tags of `web`"), "{said:#?}");
    assert!(place.read("lighthouse.yaml").contains("    ignore_changes: [tags]\n"));
    // What the tags are for is not there yet: the next apply sets them.
    let said = place.run(&["plan", "--sandbox", "--detailed-exitcode"]).expect(2);
    assert!(said.out.contains("ownership_tags"), "{said:#?}");
    place.run(&["apply", "--sandbox", "--yes"]).expect(0);
    is_settled(&place);
}

#[test]
fn nothing_is_half_done() {
    let place = bought(OURS);
    let state = || std::fs::read_to_string(place.path().join("state/sandbox/shop.json")).ok();
    // The manifest cannot be written: the name of its backup is a folder.
    std::fs::create_dir(place.path().join("lighthouse.yaml.backup")).expect("made");
    place.run(&["import", "--all", "--sandbox"]).expect(1);
    assert_eq!(place.read("lighthouse.yaml"), OURS);
    let recorded: Value = serde_json::from_str(&state().expect("written")).expect("JSON");
    assert_eq!(recorded["instances"], serde_json::json!({}));
    std::fs::remove_dir(place.path().join("lighthouse.yaml.backup")).expect("removed");
    // The state cannot be written.
    let before = state();
    std::fs::create_dir(place.path().join("state/sandbox/shop.json.backup")).expect("made");
    place.run(&["import", "--all", "--sandbox"]).expect(1);
    assert_eq!(place.read("lighthouse.yaml"), OURS);
    assert_eq!(state(), before);
    std::fs::remove_dir(place.path().join("state/sandbox/shop.json.backup")).expect("removed");
    assert_eq!(calls(&place, "ModifyResourceTags"), 0);
    place.run(&["import", "--all", "--sandbox"]).expect(0);
    is_settled(&place);
}

#[test]
fn a_death_between_state_and_manifest_returns_nothing() {
    let place = bought(OURS);
    place.run(&["import", "--all", "--sandbox"]).expect(0);
    let imported = place.read("lighthouse.yaml");
    // As it would be found: the state with everything protected, the manifest as it was.
    let path = "state/sandbox/shop.json";
    let mut state: Value = serde_json::from_str(&place.read(path)).expect("JSON");
    for recorded in state["instances"].as_object_mut().expect("a map").values_mut() {
        recorded["protect"] = true.into();
    }
    place.write(path, &format!("{state:#}\n"));
    place.write("lighthouse.yaml", OURS);
    let said = place.run(&[&["apply"], &FAST[..]].concat()).expect(7);
    assert!(said.err.contains("is protected and would be isolated"), "{said:#?}");
    assert_eq!(calls(&place, "IsolateInstances"), 0);
    place.write("lighthouse.yaml", &imported);
    place.run(&[&["apply"], &FAST[..]].concat()).expect(0);
    is_settled(&place);
}

#[test]
fn what_cannot_be_written_is_refused_with_its_place() {
    let place = bought(
        &OURS.replace("instances: {} # none yet", "instances: { main: { bundle_id: bundle_rs_nmc_lin_med2_01 } }"),
    );
    let said = place.run(&["import", "--all", "--sandbox"]).expect(1);
    assert!(
        said.err.contains("`instances` is written in braces") && said.err.contains("lighthouse.yaml:8:12"),
        "{said:#?}"
    );
    let place = bought(&OURS.replace("charge: { period: 3 }", "charge: { period: 3 }\n  count: 2"));
    let said = place.run(&["import", "--all", "--sandbox"]).expect(1);
    assert!(said.err.contains("would not stand for the instances that were found"), "{said:#?}");
}
