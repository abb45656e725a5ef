//! Everything under `examples/`, and every manifest in the README, does what it says with the real command.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The examples: what `-f` takes, and how many instances it wants.
const EXAMPLES: [(&str, usize); 7] = [
    ("quickstart.yaml", 4),
    ("containers.yaml", 1),
    ("international.yaml", 3),
    ("limits.yaml", 4),
    ("fleet", 11),
    ("environments", 4),
    ("gitops", 3),
];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn example(name: &str) -> PathBuf {
    repository().join("examples").join(name)
}

/// Runs the command in `folder` and expects `code`; what it printed as its result.
#[track_caller]
fn lhprov(folder: &Path, arguments: &[&str], code: i32) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lhprov"));
    command.args(arguments).current_dir(folder).env_clear().env("HOME", folder).stdin(Stdio::null());
    let output: Output = command.output().expect("the command starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}:\n{out}\n{err}");
    out.into_owned()
}

#[test]
fn every_example_is_in_the_list() {
    let there: BTreeSet<String> = std::fs::read_dir(repository().join("examples"))
        .expect("examples")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        // For editors, which the manifests name it to.
        .filter(|name| name != "lighthouse.schema.json")
        .collect();
    let listed: BTreeSet<String> = EXAMPLES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(there, listed, "an example that no test applies, or a test without its example");
}

#[test]
fn every_example_is_planned_applied_and_then_equal() {
    for (name, instances) in EXAMPLES {
        let folder = tempfile::tempdir().expect("a folder");
        let file = example(name);
        let options = ["--sandbox=box", "--boot", "0s", "-f", file.to_str().expect("UTF-8")];
        let run = |arguments: &[&str], code| lhprov(folder.path(), &[arguments, &options].concat(), code);
        let planned = run(&["plan", "--detailed-exitcode"], 2);
        assert!(
            planned.contains(&format!("Plan: {instances} to add, 0 to change, 0 to destroy. (sandbox)")),
            "{planned}"
        );
        let applied = run(&["apply", "--yes"], 0);
        let (account, outputs) = applied.split_once("\nOutputs:\n").unwrap_or((&applied, ""));
        assert!(account.ends_with(&format!("Applied: {instances} running. (sandbox)\n")), "{applied}");
        assert!(!outputs.contains("not known"), "{applied}");
        run(&["plan", "--detailed-exitcode"], 0);
        let again = run(&["apply", "--yes"], 0);
        assert!(again.starts_with("No changes. "), "{again}");
    }
}

#[test]
fn every_manifest_in_the_readme_is_valid() {
    let readme = std::fs::read_to_string(repository().join("README.md")).expect("README.md");
    let manifests: Vec<&str> = readme
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .filter(|text| text.contains("version: 1\n"))
        .collect();
    assert!(!manifests.is_empty(), "the README shows no manifest");
    let folder = tempfile::tempdir().expect("a folder");
    for text in manifests {
        std::fs::write(folder.path().join("lighthouse.yaml"), text).expect("written");
        lhprov(folder.path(), &["validate"], 0);
        lhprov(folder.path(), &["plan", "--sandbox"], 0);
    }
}

#[test]
fn every_file_that_the_readme_names_is_there() {
    let readme = std::fs::read_to_string(repository().join("README.md")).expect("README.md");
    let words = readme.split(|c: char| c.is_whitespace() || "`()[],;:#".contains(c));
    for word in words.filter(|word| ["examples/", "tests/", "src/", ".ci/"].iter().any(|at| word.starts_with(at))) {
        assert!(repository().join(word.trim_end_matches('.')).exists(), "{word}");
    }
}
