//! Commands that only read files.

use crate::support::{Place, SMALL, examples};

#[test]
fn every_example_validates_and_renders() {
    let place = Place::empty();
    for entry in std::fs::read_dir(examples()).expect("examples") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|end| end == "json") {
            continue;
        }
        let file = path.to_str().expect("UTF-8");
        let said = place.run(&["validate", "-f", file]).expect(0);
        assert!(said.out.starts_with("The manifest is valid: stack `") && said.err.is_empty(), "{said:#?}");
        let said = place.run(&["render", "-f", file]).expect(0);
        assert!(said.out.starts_with("version: 1\n") && said.err.is_empty(), "{said:#?}");
    }
}

#[test]
fn a_wrong_manifest_is_shown_with_its_place() {
    let place = Place::with(&SMALL.replace("bundle_id", "bundel_id"));
    let said = place.run(&["validate"]).expect(1);
    assert!(said.out.is_empty() && said.err.contains("--> lighthouse.yaml:4:13"), "{said:#?}");
    assert!(said.err.contains("bundle_id"), "{said:#?}");
    let said = place.run(&["validate", "--json"]).expect(1);
    let document: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(document["diagnostics"][0]["source"]["line"], 4, "{document:#}");
}

#[test]
fn a_missing_manifest_and_a_missing_state_are_errors() {
    let place = Place::empty();
    for arguments in [&["validate"][..], &["render"], &["plan"], &["apply", "-y"], &["show"], &["state", "list"]] {
        let said = place.run(arguments).expect(1);
        assert!(said.out.is_empty() && said.err.contains("there is no manifest `lighthouse.yaml`"), "{said:#?}");
    }
    place.run(&["show", "--state", "none.json"]).expect(1);
}

#[test]
fn a_stack_without_a_state_has_nothing_to_show() {
    let place = Place::with(SMALL);
    insta::assert_snapshot!(place.run(&["show"]).expect(0).out, @"state/small.json records no instance.");
    assert_eq!(place.run(&["state", "list"]).expect(0).out, "");
}

#[test]
fn a_folder_can_be_gone_to() {
    let place = Place::empty();
    std::fs::create_dir(place.path().join("inner")).expect("a folder");
    place.write("inner/lighthouse.yaml", SMALL);
    place.run(&["validate", "--chdir", "inner"]).expect(0);
    place.run(&["--chdir", "inner", "validate", "-f", "."]).expect(0);
}
