//! The files of a state: names, links, access, damage. Nothing here may panic, buy, or overwrite what it cannot read.

use crate::support::{Place, Said};
use serde_json::{Value, json};
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};

fn manifest(count: u32) -> String {
    format!(
        "version: 1\nstack: shop\nregion: ap-guangzhou\nownership: name\n\
         defaults: {{ bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: {{ period: 1 }} }}\n\
         instances:\n  web: {{ count: {count}, tags: {{ team: a }} }}\n"
    )
}

fn apply(place: &Place, more: &[&str]) -> Said {
    place.run(&[&["apply", "--sandbox=cloud", "--yes", "--boot", "0s"], more].concat())
}

fn standing(count: u32, state: &str) -> Place {
    let place = Place::with(&manifest(count));
    apply(&place, &["--state", state]).expect(0);
    place
}

fn purchases(place: &Place) -> u64 {
    let said = place.run(&["sandbox", "status", "--sandbox=cloud", "--json"]).expect(0);
    let status: Value = serde_json::from_str(&said.out).expect("JSON");
    status["calls"]["CreateInstances"].as_u64().unwrap_or(0)
}

/// Neither bought, nor panicked, nor wrote.
#[track_caller]
fn is_refused(place: &Place, state: &str, damaged: &str, about: &str) {
    place.write(state, damaged);
    let before = purchases(place);
    let said = apply(place, &["--state", state]);
    assert_eq!(said.code, Some(1), "{about}: {said:#?}");
    assert!(!said.err.contains("mistake") && !said.err.contains("panicked"), "{about}: {said:#?}");
    assert_eq!(place.read(state), damaged, "{about}");
    assert_eq!(purchases(place), before, "{about}");
}

#[test]
fn names_of_files_beside_a_state_are_refused() {
    let place = Place::with(&manifest(1));
    for name in ["s.journal", "s.lock", "s.begun", "s.backup", "s.tmp", "S.LOCK"] {
        place.write(name, "precious");
        let said = apply(&place, &["--state", name]).expect(1);
        assert!(said.err.contains("cannot be a state"), "{said:#?}");
        assert_eq!(place.read(name), "precious");
    }
}

#[test]
fn states_whose_names_differ_after_a_dot_share_nothing() {
    let place = standing(1, "prod.v1");
    apply(&place, &["--state", "prod.v2"]);
    for name in ["prod.v1.lock", "prod.v2.lock"] {
        assert!(place.path().join(name).exists(), "{name}");
    }
    assert!(!place.path().join("prod.lock").exists());
}

#[test]
fn a_link_to_a_state_is_that_state() {
    let place = standing(1, "shared.json");
    symlink("shared.json", place.path().join("link.json")).unwrap();
    place.write("lighthouse.yaml", &manifest(2));
    apply(&place, &["--state", "link.json"]).expect(0);
    assert!(place.path().join("link.json").symlink_metadata().unwrap().is_symlink());
    assert!(place.read("shared.json").contains("web[1]"));
    assert!(!place.path().join("link.json.lock").exists());
    symlink("nowhere.json", place.path().join("dangling.json")).unwrap();
    let said = apply(&place, &["--state", "dangling.json"]).expect(1);
    assert!(said.err.contains("a link to nowhere.json, which does not exist"), "{said:#?}");
}

#[test]
fn links_at_the_names_beside_a_state_are_never_followed() {
    for suffix in [".lock", ".journal", ".backup", ".begun", ".tmp"] {
        let place = standing(1, "shop.json");
        let planted = place.path().join(format!("shop.json{suffix}"));
        let _there_or_not = std::fs::remove_file(&planted);
        place.write("victim", "precious");
        std::fs::set_permissions(place.path().join("victim"), Permissions::from_mode(0o644)).unwrap();
        symlink("victim", &planted).unwrap();
        place.write("lighthouse.yaml", &manifest(2));
        let said = apply(&place, &["--state", "shop.json"]);
        assert!(matches!(said.code, Some(0 | 1)), "{said:#?}");
        assert_eq!(place.read("victim"), "precious", "{suffix}");
        let state = place.path().join("shop.json").symlink_metadata().unwrap();
        assert!(state.is_file() && state.permissions().mode() & 0o777 == 0o600, "{suffix}");
        if let Ok(found) = planted.symlink_metadata().map(|found| (found.is_symlink(), found.permissions().mode())) {
            assert!(found.0 || found.1 & 0o077 == 0, "{suffix}: {found:?}");
        }
    }
}

#[test]
fn what_is_shared_with_a_group_stays_shared() {
    let place = standing(1, "state/shop.json");
    let path = |name: &str| place.path().join("state").join(name);
    let mode = |name: &str| path(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("shop.json")), (0o700, 0o600));
    std::fs::set_permissions(path("shop.json"), Permissions::from_mode(0o664)).unwrap();
    place.write("lighthouse.yaml", &manifest(2));
    apply(&place, &["--state", "state/shop.json"]).expect(0);
    for name in ["shop.json", "shop.json.backup", "shop.json.lock"] {
        assert_eq!(mode(name), 0o664, "{name}");
    }
    let names: Vec<_> = std::fs::read_dir(path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn a_state_that_cannot_be_replaced_is_found_out_before_anything_is_bought() {
    let place = standing(1, "shop.json");
    std::fs::hard_link(place.path().join("shop.json"), place.path().join("other.json")).unwrap();
    place.write("lighthouse.yaml", &manifest(2));
    let before = (purchases(&place), place.read("shop.json"));
    let said = apply(&place, &["--state", "shop.json"]).expect(1);
    assert!(said.err.contains("has several names (hard links)"), "{said:#?}");
    assert_eq!((purchases(&place), place.read("shop.json")), before);
}

#[test]
fn an_empty_file_is_no_state_yet_unless_there_was_one() {
    let place = Place::with(&manifest(1));
    place.write("shop.json", "");
    apply(&place, &["--state", "shop.json"]).expect(0);
    place.write("lighthouse.yaml", &manifest(2));
    apply(&place, &["--state", "shop.json"]).expect(0);
    place.write("shop.json", "");
    let said = apply(&place, &["--state", "shop.json"]).expect(1);
    assert!(said.err.contains("cp shop.json.backup shop.json"), "{said:#?}");
}

#[test]
fn merged_states_are_refused_with_the_place() {
    let place = standing(2, "shop.json");
    let good = place.read("shop.json");
    let twice = good.replace("\"web[1]\"", "\"web[0]\"");
    is_refused(&place, "shop.json", &twice, "an address twice");
    let said = apply(&place, &["--state", "shop.json"]).expect(1);
    assert!(said.err.contains("\"web[0]\" is there twice"), "{said:#?}");
    let mut one_id: Value = serde_json::from_str(&good).unwrap();
    one_id["instances"]["web[1]"]["instance_id"] = one_id["instances"]["web[0]"]["instance_id"].clone();
    is_refused(&place, "shop.json", &one_id.to_string(), "an id at two addresses");
    let mut deposed: Value = serde_json::from_str(&good).unwrap();
    let id = deposed["instances"]["web[0]"]["instance_id"].clone();
    deposed["deposed"] = json!([{"address": "web[0]", "instance_id": id, "reason": "displaced"}]);
    is_refused(&place, "shop.json", &deposed.to_string(), "an id that is deposed, too");
    let conflict = format!("<<<<<<< HEAD\n{good}=======\n{good}>>>>>>> theirs\n");
    is_refused(&place, "shop.json", &conflict, "a conflict");
    let newer = good.replace("\"format\": 2", "\"format\": 3");
    is_refused(&place, "shop.json", &newer, "a newer format");
}

/// Every value of the state as every type of JSON: it is read as it is, or refused; it never panics.
#[test]
fn every_field_as_every_type_never_panics() {
    let place = standing(1, "shop.json");
    let good: Value = serde_json::from_str(&place.read("shop.json")).unwrap();
    let mut paths = Vec::new();
    collect(&good, String::new(), &mut paths);
    assert!(paths.len() > 25, "{paths:?}");
    for path in paths {
        for other in [json!(null), json!(true), json!(7), json!("x"), json!([]), json!({}), json!([[1]])] {
            let mut state = good.clone();
            *state.pointer_mut(&path).unwrap() = other.clone();
            place.write("shop.json", &serde_json::to_string_pretty(&state).unwrap());
            let said = place.run(&["plan", "--sandbox=cloud", "--state", "shop.json"]);
            assert!(
                matches!(said.code, Some(0 | 1 | 7)) && !said.err.contains("panicked") && !said.err.contains("mistake"),
                "{path} = {other}: {said:#?}"
            );
        }
    }
}

fn collect(value: &Value, path: String, paths: &mut Vec<String>) {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(map) => map.iter().for_each(|(key, one)| collect(one, format!("{path}/{}", escaped(key)), paths)),
        Value::Array(list) => list.iter().enumerate().for_each(|(n, one)| collect(one, format!("{path}/{n}"), paths)),
        _ => {}
    }
    if !path.is_empty() {
        paths.push(path);
    }
}

#[test]
fn files_of_an_older_version_are_found_under_their_old_names() {
    let place = Place::empty();
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format1");
    for name in ["shop.json", "shop.journal"] {
        std::fs::copy(fixtures.join(name), place.path().join(name)).unwrap();
    }
    let said = place.run(&["state", "list", "--state", "shop.json"]).expect(0);
    assert!(said.out.contains("web[0]"), "{said:#?}");
    std::fs::copy(fixtures.join("shop.journal"), place.path().join("shop.json.journal")).unwrap();
    place.write("lighthouse.yaml", &manifest(1));
    let said = apply(&place, &["--state", "shop.json"]).expect(1);
    assert!(said.err.contains("is there twice"), "{said:#?}");
}

#[test]
fn a_saved_plan_with_a_key_twice_is_refused() {
    let place = Place::with(&manifest(1));
    place.run(&["plan", "--sandbox=cloud", "--out", "p.json", "--max-plan-age", "1h"]).expect(0);
    let text = place.read("p.json");
    let twice = text.replacen("{\"format_version\"", "{\"format_version\":\"1.0\",\"format_version\"", 1);
    place.write("twice.json", &twice);
    let said = place.run(&["apply", "twice.json", "--sandbox=cloud"]).expect(1);
    assert!(said.err.contains("\"format_version\" is there twice"), "{said:#?}");
}
