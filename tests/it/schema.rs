//! `lhprov schema`: what is written and read is as the schemas say, and what is wrong is not.

use crate::support::{Place, SMALL, examples};
use jsonschema::Validator;
use serde_json::Value;
use std::path::{Path, PathBuf};

const SCHEMA_FILE: &str = "lighthouse.schema.json";

fn schema(of: &str) -> Value {
    let said = Place::empty().run(&["schema", of]).expect(0);
    serde_json::from_str(&said.out).expect("JSON")
}

fn validator(of: &str) -> Validator {
    jsonschema::validator_for(&schema(of)).expect("a schema")
}

/// Why `value` is not as the schema says; empty if it is.
fn problems(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[track_caller]
fn holds(validator: &Validator, text: &str, what: &str) -> Value {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{what}: {error}: {text}"));
    let found = problems(validator, &value);
    assert!(found.is_empty(), "{what}:\n{}\n{text}", found.join("\n"));
    value
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(yaml_files(&path));
        } else if path.extension().is_some_and(|end| end == "yaml" || end == "yml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Values of variables are no manifest, nor is what `render` prints, nor a workflow.
fn is_manifest(path: &Path) -> bool {
    let name = path.to_string_lossy();
    !name.contains("/vars/")
        && !name.contains("/.github/")
        && !name.ends_with(".vars.yaml")
        && !name.ends_with(".expanded.yaml")
}

fn manifests_in(folder: &Path) -> Vec<PathBuf> {
    yaml_files(folder).into_iter().filter(|path| is_manifest(path)).collect()
}

fn fixtures(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/manifests").join(kind)
}

#[test]
fn every_schema_is_one_and_says_what_it_is_for() {
    for of in ["manifest", "plan", "state", "event"] {
        let schema = schema(of);
        assert!(jsonschema::meta::is_valid(&schema), "{of}");
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{of}");
        assert!(schema["title"].is_string(), "{of}");
        // Nothing has to be fetched to use it.
        assert!(!schema.to_string().contains("\"$ref\":\"http"), "{of}");
    }
    assert!(Place::empty().run(&["schema", "manifst"]).expect(64).err.contains("manifest"));
}

#[test]
fn the_schema_beside_the_examples_is_that_of_the_command() {
    let committed = std::fs::read_to_string(examples().join(SCHEMA_FILE)).expect("the schema");
    let printed = Place::empty().run(&["schema", "manifest"]).expect(0).out;
    assert!(
        committed == printed,
        "examples/{SCHEMA_FILE} is old; `lhprov schema manifest >examples/{SCHEMA_FILE}` makes it anew"
    );
}

#[test]
fn every_example_names_the_schema_and_is_as_it_says() {
    let validator = validator("manifest");
    for path in manifests_in(&examples()) {
        let text = std::fs::read_to_string(&path).expect("an example");
        let first = text.lines().next().unwrap_or_default();
        let named =
            first.strip_prefix("# yaml-language-server: $schema=").unwrap_or_else(|| panic!("{path:?}: {first}"));
        let named = path.parent().expect("a folder").join(named).canonicalize().expect("a schema");
        assert_eq!(named, examples().join(SCHEMA_FILE).canonicalize().expect("the schema"), "{path:?}");
        let value: Value = serde_yaml::from_str(&text).expect("YAML");
        assert_eq!(problems(&validator, &value), Vec::<String>::new(), "{path:?}");
    }
}

#[test]
fn valid_manifests_are_as_it_says() {
    let validator = validator("manifest");
    let paths = manifests_in(&fixtures("valid"));
    assert!(paths.len() > 3);
    for path in paths {
        let value: Value = serde_yaml::from_str(&std::fs::read_to_string(&path).expect("a fixture")).expect("YAML");
        assert_eq!(problems(&validator, &value), Vec::<String>::new(), "{path:?}");
    }
}

/// What a schema cannot see is what only the whole manifest, its files or the environment tell; and what is no YAML that this
/// test could read. All else is refused.
#[test]
fn invalid_manifests_are_refused_where_one_file_tells() {
    let validator = validator("manifest");
    let mut accepted = Vec::new();
    for path in manifests_in(&fixtures("invalid")) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        // The reader of this test has no defence against bombs.
        if path.ends_with("too-deep.yaml") || path.ends_with("alias-bomb.yaml") {
            continue;
        }
        let Ok(value) = serde_yaml::from_str::<Value>(&text) else { continue };
        if validator.is_valid(&value) {
            accepted.push(path.strip_prefix(fixtures("invalid")).expect("below").display().to_string());
        }
    }
    insta::assert_snapshot!(accepted.join("\n"), @r"
    conflict/a.yaml
    conflict/b.yaml
    conflict/c.yml
    dependency-cycle-each.yaml
    dependency-cycle-keys.yaml
    dependency-cycle.yaml
    depends-on.yaml
    domain-count.yaml
    duplicate-key.yaml
    half-read/a.yaml
    id.yaml
    include/parts/b.yaml
    include-cycle/a.yaml
    include-cycle/more/b.yaml
    include-cycle/more/c.yaml
    include-secret/a.yaml
    international.yaml
    missing-instances.yaml
    missing-required.yaml
    moved-cycle.yaml
    outputs.yaml
    region.yaml
    tags-without-ownership.yaml
    twice.yaml
    variables-given.yaml
    variables-missing.yaml
    variables-used.yaml
    yaml-tag.yaml
    zone.yaml
    ");
}

/// Every line of a file of events.
fn check_events(place: &Place, name: &str, validator: &Validator) -> Vec<String> {
    let text = place.read(name);
    let kinds: Vec<String> =
        text.lines().map(|line| holds(validator, line, name)["type"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(kinds.last().map(String::as_str), Some("summary"), "{text}");
    kinds
}

#[test]
fn plans_states_and_events_of_every_example() {
    let (plans, states, events) = (validator("plan"), validator("state"), validator("event"));
    for name in ["quickstart.yaml", "containers.yaml", "international.yaml", "limits.yaml", "fleet", "environments"] {
        let place = Place::empty();
        let file = examples().join(name);
        let options = ["--sandbox=box", "--boot", "0s", "-f", file.to_str().expect("UTF-8")];
        let run = |arguments: &[&str]| place.run(&[arguments, &options].concat()).expect(0);
        let planned = holds(&plans, &run(&["plan", "--json"]).out, name);
        assert!(planned["summary"]["create"].as_u64() > Some(0), "{planned}");
        run(&["apply", "--yes", "--events", "events.ndjson"]);
        let kinds = check_events(&place, "events.ndjson", &events);
        for kind in ["started", "apply_started", "progress", "item", "call"] {
            assert!(kinds.iter().any(|known| known == kind), "{name} has no {kind}: {kinds:?}");
        }
        holds(&plans, &run(&["plan", "--json"]).out, name);
        let found: Vec<PathBuf> =
            std::fs::read_dir(place.path().join("box")).expect("a folder").flatten().map(|e| e.path()).collect();
        let stack = planned["stack"].as_str().expect("a stack");
        let state = found.iter().find(|path| path.ends_with(format!("{stack}.json"))).expect("a state");
        let state = holds(&states, &std::fs::read_to_string(state).expect("a state"), name);
        assert!(state["instances"].as_object().is_some_and(|all| !all.is_empty()), "{state}");
    }
}

#[test]
fn a_life_with_faults() {
    let (plans, states, events) = (validator("plan"), validator("state"), validator("event"));
    let place = Place::with(SMALL);
    let run = |arguments: &[&str]| place.run(&[arguments, &["--sandbox=box", "--boot", "0s"]].concat());
    run(&["apply", "--yes", "--events", "lost.ndjson", "--fault", "lost-after:CreateInstances:at=1"]);
    check_events(&place, "lost.ndjson", &events);
    place.write(
        "lighthouse.yaml",
        &SMALL
            .replace("db: {}", "db: { instance_name: data, zones: [ap-guangzhou-6], protect: true }")
            .replace("count: 2", "count: 5, tags: { tier: front }"),
    );
    let planned = holds(&plans, &run(&["plan", "--json"]).out, "a plan");
    assert!(
        planned["blocked"].as_array().is_some_and(|blocked| !blocked.is_empty()) || planned["summary"]["replace"] == 1,
        "{planned}"
    );
    let unprotected = place.read("lighthouse.yaml").replace(", protect: true", "");
    place.write("lighthouse.yaml", &unprotected);
    holds(&plans, &run(&["plan", "--json"]).out, "a plan");
    run(&["plan", "--out", "saved.json"]).expect(0);
    holds(&plans, &place.read("saved.json"), "a saved plan");
    run(&[
        "apply",
        "--yes",
        "--allow-data-loss",
        "--accept-no-refund",
        "--events",
        "sold.ndjson",
        "--fault",
        "sold-out:CreateInstances:n=9",
    ]);
    check_events(&place, "sold.ndjson", &events);
    holds(&plans, &run(&["plan", "--json"]).out, "a plan after a fault");
    holds(&states, &place.read("box/small.json"), "a state after a fault");
    place.write("lighthouse.yaml", &SMALL.replace("bundle_rs_nmc_lin_med2_01", "no_such_bundle"));
    let planned = holds(&plans, &run(&["plan", "--json"]).out, "a plan with errors");
    assert!(planned["diagnostics"].as_array().is_some_and(|found| !found.is_empty()), "{planned}");
    place.write("lighthouse.yaml", SMALL);
    run(&["destroy", "--yes", "--accept-no-refund", "--events", "destroy.ndjson"]);
    check_events(&place, "destroy.ndjson", &events);
    holds(&states, &place.read("box/small.json"), "a state after the end");
    run(&["drift", "--events", "drift.ndjson"]);
    check_events(&place, "drift.ndjson", &events);
}

#[test]
fn what_is_no_plan_and_no_state_is_refused() {
    let place = Place::with(SMALL);
    let planned = place.run(&["plan", "--json", "--sandbox=box"]).expect(0).out;
    let plan: Value = serde_json::from_str(&planned).expect("JSON");
    let validator = validator("plan");
    type Break = fn(&mut Value);
    let breaks: [Break; 6] = [
        |plan| plan["format_version"] = "2.0".into(),
        |plan| plan["resource_changes"][0]["change"]["actions"] = serde_json::json!(["buy"]),
        |plan| plan["resource_changes"][0]["data_loss"] = "no".into(),
        |plan| plan["resource_changes"][0]["more"] = 1.into(),
        |plan| plan["summary"]["create"] = (-1).into(),
        |plan| drop(plan.as_object_mut().map(|plan| plan.remove("summary"))),
    ];
    for (number, change) in breaks.into_iter().enumerate() {
        let mut broken = plan.clone();
        change(&mut broken);
        assert!(!validator.is_valid(&broken), "{number}");
    }
}
