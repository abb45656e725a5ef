//! GitHub Actions: annotations on stderr, a summary of the step, and results that stay what they are.

use crate::support::{Place, SMALL};
use serde_json::Value;

fn step(manifest: &str) -> Place {
    let mut place = Place::empty();
    std::fs::create_dir_all(place.path().join("infra/live")).expect("a folder");
    place.write("infra/live/lighthouse.yaml", manifest);
    let root = place.path().to_str().expect("UTF-8").to_owned();
    place.set("GITHUB_ACTIONS", "true");
    place.set("GITHUB_WORKSPACE", &root);
    place.set("GITHUB_STEP_SUMMARY", &format!("{root}/summary.md"));
    place
}

fn annotations(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("::")).collect()
}

#[test]
fn mistakes_are_marked_at_their_lines() {
    let wrong = SMALL.replace("db: {}", "db: { zoens: [x], \"50%, really: so\": 1 }");
    let place = step(&wrong);
    let inside = ["--chdir", "infra/live"];
    for command in
        [&["validate"][..], &["plan", "--sandbox"], &["validate", "--json"], &["plan", "--sandbox", "--json"]]
    {
        let said = place.run(&[command, &inside].concat()).expect(1);
        let marked = annotations(&said.err);
        assert_eq!(
            marked[0],
            "::error file=infra/live/lighthouse.yaml,line=6,col=9,title=lhprov%3A unknown-key::there is no key `zoens` in an instance: did you mean `zones`?"
        );
        assert!(
            marked[1].contains("::there is no key `50%25, really: so` in an instance%0Ahelp: the keys"),
            "{marked:#?}"
        );
        assert_eq!(marked.len(), 2, "{marked:#?}");
        assert!(annotations(&said.out).is_empty(), "{}", said.out);
        if command == ["validate", "--json"] {
            let document: Value = serde_json::from_str(&said.out).expect("nothing but JSON");
            assert_eq!(document["valid"], false);
        }
    }
    // Named from elsewhere it is the same file.
    let said = place.run(&["validate", "-f", "infra/../infra/live/lighthouse.yaml"]).expect(1);
    assert!(annotations(&said.err)[0].starts_with("::error file=infra/live/lighthouse.yaml,line=6,"), "{}", said.err);
    let said = place.run(&[&["validate", "--no-annotations"][..], &inside].concat()).expect(1);
    assert!(annotations(&said.err).is_empty(), "{}", said.err);
}

#[test]
fn a_step_gets_its_summary_in_every_format() {
    let place = step(SMALL);
    let inside = ["--chdir", "infra/live", "--sandbox=../../box", "--boot", "0s"];
    let planned = place.run(&[&["plan", "--json"][..], &inside].concat()).expect(0);
    let _document: Value = serde_json::from_str(&planned.out).expect("nothing but JSON");
    assert!(place.read("summary.md").contains("### Plan for `small`: 3 to add, 0 to change, 0 to destroy (sandbox)"));
    let applied = place.run(&[&["apply", "--yes"][..], &inside].concat()).expect(0);
    assert!(applied.out.ends_with("Applied: 3 running. (sandbox)\n"), "{}", applied.out);
    place.run(&[&["drift"][..], &inside].concat()).expect(0);
    let summary = place.read("summary.md");
    let headlines: Vec<&str> = summary.lines().filter(|line| line.starts_with("### ")).collect();
    assert_eq!(
        headlines,
        [
            "### Plan for `small`: 3 to add, 0 to change, 0 to destroy (sandbox)",
            "### `lhprov apply` of `small`: 3 running (sandbox)",
            "### Drift of `small`: 3 instances are as they were left (sandbox)",
        ]
    );
    assert!(!summary.contains('\u{1b}'));
}

#[test]
fn a_summary_that_cannot_be_written_fails_nothing() {
    let mut place = step(SMALL);
    place.set("GITHUB_STEP_SUMMARY", "/nowhere/at/all.md");
    let said = place.run(&["plan", "--chdir", "infra/live", "--sandbox"]).expect(0);
    assert!(
        said.err.contains("warning: failed to write the summary of the step to /nowhere/at/all.md"),
        "{}",
        said.err
    );
    place.set("GITHUB_ACTIONS", "false");
    let said = place.run(&["plan", "--chdir", "infra/live", "--sandbox"]).expect(0);
    assert_eq!(said.err, "");
}
