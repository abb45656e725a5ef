//! `--only` and `--skip` against the sandbox: what is done, what is left alone, and what is said.

use crate::support::Place;
use serde_json::Value;

const STACK: &str = "version: 1
stack: small
region: ap-guangzhou
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  db: {}
  web: { count: 3, depends_on: [db] }
  cache: { instance_name: memory }
";

const FAST: [&str; 4] = ["--yes", "--sandbox", "--boot", "0s"];

fn addresses(place: &Place) -> String {
    place.run(&["state", "list", "--sandbox"]).expect(0).out.replace('\n', " ").trim_end().to_owned()
}

fn ids(place: &Place) -> Vec<String> {
    let said = place.run(&["show", "--json", "--sandbox"]).expect(0);
    let shown: Value = serde_json::from_str(&said.out).expect("JSON");
    let instances = shown["instances"].as_object().expect("a map");
    instances.values().map(|one| one["instance_id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn what_is_needed_comes_along_and_is_said() {
    let place = Place::with(STACK);
    let plan = place.run(&["plan", "--sandbox", "--only", "web[1]"]).expect(0);
    assert!(plan.out.contains("Plan: 2 to add, 0 to change, 0 to destroy."), "{plan:#?}");
    assert!(plan.err.contains("db is planned as well: web[1] needs it"), "{plan:#?}");
    assert!(plan.err.contains("left out by --only or --skip: cache web[0,2]"), "{plan:#?}");
    place.run(&[&["apply", "--only", "web[1]"], &FAST[..]].concat()).expect(0);
    assert_eq!(addresses(&place), "db web[1]");
    // The rest comes later, and what is there stays.
    let before = ids(&place);
    place.run(&[&["apply"], &FAST[..]].concat()).expect(0);
    assert_eq!(addresses(&place), "cache db web[0] web[1] web[2]");
    assert!(before.iter().all(|id| ids(&place).contains(id)));
    let said = place.run(&["plan", "--sandbox", "--detailed-exitcode"]).expect(0);
    assert!(said.out.starts_with("No changes."), "{said:#?}");
}

#[test]
fn a_skipped_dependency_that_is_not_there_is_refused_and_one_that_is_there_is_fine() {
    let place = Place::with(STACK);
    let said = place.run(&[&["apply", "--skip", "db"], &FAST[..]].concat()).expect(7);
    let expected = "web[0-2] would be bought and depends on db, which is left out and has no running instance";
    let err = said.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(err.contains(expected), "{said:#?}");
    assert_eq!(addresses(&place), "");
    place.run(&[&["apply", "--only", "db"], &FAST[..]].concat()).expect(0);
    place.run(&[&["apply", "--skip", "db", "--skip", "c*"], &FAST[..]].concat()).expect(0);
    assert_eq!(addresses(&place), "db web[0] web[1] web[2]");
}

#[test]
fn what_matches_nothing_is_a_mistake_with_the_nearest_address() {
    let place = Place::with(STACK);
    for (flag, pattern, near) in
        [("--only", "wbe[1]", "web[1]"), ("--skip", "cahce", "cache"), ("--only", "web[33]", "web[0]")]
    {
        for command in ["plan", "apply", "destroy", "drift"] {
            let said = place.run(&[command, "--sandbox", flag, pattern]).expect(64);
            assert!(said.err.contains(&format!("{flag} `{pattern}` matches nothing")), "{said:#?}");
            assert!(said.err.contains(&format!("did you mean `{near}`?")), "{said:#?}");
        }
    }
    let said = place.run(&["plan", "--sandbox", "--only", "zzz*"]).expect(64);
    assert!(said.err.contains("`lhprov render --sandbox` prints every address"), "{said:#?}");
    let said = place.run(&["plan", "--sandbox", "--only", "{web"]).expect(64);
    assert!(said.err.contains("is not a pattern of addresses"), "{said:#?}");
}

#[test]
fn what_is_left_out_is_neither_changed_nor_removed() {
    let place = Place::with(STACK);
    place.run(&[&["apply"], &FAST[..]].concat()).expect(0);
    let state = place.read("state/sandbox/small.json");
    // A change, a removal and a protection, none of them selected.
    let manifest = STACK
        .replace("cache: { instance_name: memory }", "mail: {}")
        .replace("db: {}", "db: { instance_name: main, protect: true }");
    place.write("lighthouse.yaml", &manifest);
    let said = place.run(&[&["apply", "--only", "web[*]", "--skip", "db"], &FAST[..]].concat()).expect(0);
    assert!(said.out.starts_with("No changes."), "{said:#?}");
    assert_eq!(place.read("state/sandbox/small.json"), state);
    // And one after the other.
    place.run(&[&["apply", "--only", "cache"], &FAST[..]].concat()).expect(0);
    assert_eq!(addresses(&place), "db web[0] web[1] web[2]");
    place.run(&[&["apply", "--only", "{mail,db}"], &FAST[..]].concat()).expect(0);
    assert_eq!(addresses(&place), "db mail web[0] web[1] web[2]");
    let said = place.run(&["plan", "--sandbox", "--detailed-exitcode"]).expect(0);
    assert!(said.out.starts_with("No changes."), "{said:#?}");
}

#[test]
fn what_another_instance_needs_is_not_destroyed_under_it() {
    let place = Place::with(STACK);
    place.run(&[&["apply"], &FAST[..]].concat()).expect(0);
    let said = place.run(&[&["destroy", "--only", "db"], &FAST[..]].concat()).expect(7);
    assert!(said.err.contains("`web[0]` stays and depends on db, which would go"), "{said:#?}");
    assert_eq!(addresses(&place), "cache db web[0] web[1] web[2]");
    place.run(&[&["destroy", "--only", "web[0]"], &FAST[..]].concat()).expect(0);
    assert_eq!(addresses(&place), "cache db web[1] web[2]");
    place.run(&[&["destroy", "--skip", "cache"], &FAST[..]].concat()).expect(0);
    assert_eq!(addresses(&place), "cache");
}

#[test]
fn drift_looks_at_what_is_selected() {
    let place = Place::with(STACK);
    place.run(&[&["apply"], &FAST[..]].concat()).expect(0);
    std::fs::copy(place.path().join("state/sandbox/small.json"), place.path().join("other.json")).expect("copied");
    place.write("other.yaml", &STACK.replace("memory", "other"));
    place.run(&[&["apply", "-f", "other.yaml", "--state", "other.json"], &FAST[..]].concat()).expect(0);
    place.run(&["drift", "--sandbox"]).expect(3);
    place.run(&["drift", "--sandbox", "--only", "cache"]).expect(3);
    place.run(&["drift", "--sandbox", "--skip", "cache"]).expect(0);
    let said = place.run(&["plan", "--sandbox", "--skip", "cache", "--detailed-exitcode"]).expect(0);
    assert!(!said.out.contains("memory"), "{said:#?}");
}

#[test]
fn without_a_state_the_whole_of_a_purchase_is_found_again() {
    let place = Place::with(STACK);
    place.run(&[&["apply"], &FAST[..]].concat()).expect(0);
    let all = ids(&place);
    std::fs::remove_file(place.path().join("state/sandbox/small.json")).expect("removed");
    place.run(&[&["apply", "--only", "web[1]", "--skip", "db"], &FAST[..]].concat()).expect(0);
    assert_eq!(addresses(&place), "web[0] web[1] web[2]");
    place.run(&[&["apply"], &FAST[..]].concat()).expect(0);
    assert_eq!(ids(&place), all);
}

#[test]
fn without_a_state_a_purchase_of_a_part_is_found_again_by_its_tags() {
    let place = Place::with(&STACK.replace(", depends_on: [db]", ""));
    place.run(&[&["apply", "--only", "web[1]"], &FAST[..]].concat()).expect(0);
    let part = ids(&place);
    let lose = || std::fs::remove_file(place.path().join("state/sandbox/small.json")).expect("removed");
    lose();
    place.run(&["state", "rebuild", "--sandbox"]).expect(0);
    assert_eq!((addresses(&place), ids(&place)), ("web[1]".to_owned(), part.clone()));
    lose();
    let said = place.run(&[&["apply"], &FAST[..]].concat()).expect(0);
    assert!(said.out.contains("<- web[1]  import"), "{said:#?}");
    let all = ids(&place);
    assert!(all.len() == 5 && part.iter().all(|id| all.contains(id)), "{part:?}, {all:?}");
}
