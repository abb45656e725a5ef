//! Manifests as files: every rule has a fixture with its whole message beside it.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --test manifest` rewrites the messages; read the difference before committing it.

use lhprov::desired::{self, DesiredState};
use lhprov::diag::Diagnostics;
use lhprov::manifest::{Given, Sources};
use lhprov::report::human::diagnostic;
use std::path::{Path, PathBuf};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/manifests")
}

fn environment(name: &str) -> Option<String> {
    match name {
        "DB_PASSWORD" => Some("Long-enough-1".to_owned()),
        "WEAK_PASSWORD" => Some("weak".to_owned()),
        _ => None,
    }
}

/// What is given for a manifest stands in comments at its top: `# --var NAME=VALUE`, `# --var-file FILE`, and
/// `# LHPROV_VAR_NAME=VALUE`.
fn given(folder: &Path, path: &str) -> Given {
    let text = std::fs::read_to_string(folder.join(path)).unwrap_or_default();
    let mut given = Given::default();
    for line in text.lines().map_while(|line| line.strip_prefix("# ")) {
        let pair = |text: &str| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        if let Some(file) = line.strip_prefix("--var-file ") {
            given.files.push(PathBuf::from(file));
        } else if let Some(text) = line.strip_prefix("--var ") {
            given.assignments.extend(pair(text));
        } else if let Some(text) = line.strip_prefix("LHPROV_VAR_") {
            given.environment.extend(pair(text));
        }
    }
    given
}

/// Loads one path; the messages are as a user without colours sees them.
fn load(folder: &Path, path: &str) -> (Option<DesiredState>, String) {
    let given = given(folder, path);
    let (desired, sources, diagnostics) = desired::load(folder, &[PathBuf::from(path)], &[], &given, &environment);
    let messages = diagnostic::render(&diagnostics, &sources, false);
    assert_eq!(desired.is_none(), diagnostics.has_errors(), "{path}: {messages}");
    (desired, messages)
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

/// Compares with the file, or writes it; a difference is collected, so that one run shows all.
fn compare(file: &Path, text: &str, differences: &mut Vec<String>) {
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(file, text).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(file).unwrap_or_default();
    if expected != text {
        differences.push(format!("{}\n--- expected\n{expected}\n--- found\n{text}", file.display()));
    }
}

#[test]
fn every_rule_says_what_is_wrong_and_where() {
    let folder = fixtures().join("invalid");
    let mut differences = Vec::new();
    for name in names_in(&folder).into_iter().filter(|name| !name.ends_with(".stderr") && !name.ends_with(".vars.yaml"))
    {
        let (desired, messages) = load(&folder, &name);
        assert!(desired.is_none(), "{name} is accepted");
        assert!(!messages.contains('\u{1b}'), "{name}: escape sequences without colour");
        assert!(!messages.contains("unter2"), "{name}: a password is shown:\n{messages}");
        let stem = name.strip_suffix(".yaml").unwrap_or(&name);
        compare(&folder.join(format!("{stem}.stderr")), &messages, &mut differences);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

#[test]
fn valid_manifests_expand_to_what_stands_beside_them() {
    let folder = fixtures().join("valid");
    let mut differences = Vec::new();
    for name in names_in(&folder).into_iter().filter(|name| {
        name.ends_with(".yaml") && ![".expanded.yaml", ".vars.yaml"].iter().any(|end| name.ends_with(end))
    }) {
        let (desired, messages) = load(&folder, &name);
        let desired = desired.unwrap_or_else(|| panic!("{name}: {messages}"));
        let text = desired::render(&desired);
        let again: serde_yaml::Value = serde_yaml::from_str(&text).expect("valid YAML");
        assert_eq!(again["instances"].as_mapping().map(serde_yaml::Mapping::len), Some(desired.instances.len()));
        compare(&folder.join(name.replace(".yaml", ".expanded.yaml")), &text, &mut differences);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

#[test]
fn examples_are_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in names_in(&folder.join("examples")).into_iter().filter(|name| !name.ends_with(".json")) {
        let (desired, messages) = load(folder, &format!("examples/{name}"));
        assert!(desired.is_some_and(|desired| !desired.instances.is_empty()), "{name}: {messages}");
    }
}

/// 10,000 blocks, 4 MB: a bound on work, far above what it takes, so that only a change of order fails it. The time is
/// printed; in release it is to stay well under a quarter of a second.
#[test]
#[expect(clippy::print_stdout, reason = "a measurement, shown with --nocapture")]
fn ten_thousand_blocks_take_no_time() {
    let mut text = String::from("version: 1\nstack: big\nregion: ap-guangzhou\ninstances:\n");
    for block in 0..10_000 {
        text.push_str(&format!(
            "  server-{block:05}:\n    bundle_id: bundle_rs_nmc_lin_med2_01\n    blueprint_id: lhbp-f1lkcd41\n    charge:\n      \
             period: 12\n      renew_flag: NOTIFY_AND_MANUAL_RENEW\n    instance_name: server-{block:05}-of-the-fleet\n    zones:\n      \
             - ap-guangzhou-3\n      - ap-guangzhou-6\n    depends_on: [server-{:05}]\n    tags:\n      tier: front\n      \
             owner: platform\n    login:\n      key_ids: [lhkp-abc123]\n    protect: true\n",
            block + 1
        ));
    }
    text.push_str("  server-10000: { bundle_id: b, blueprint_id: c, charge: { period: 1 } }\n");
    let begun = std::time::Instant::now();
    let mut sources = Sources::from_texts([("big.yaml", text.clone())]);
    let mut diagnostics = Diagnostics::default();
    let manifest = lhprov::manifest::load(&mut sources, &Given::default(), true, &mut diagnostics).unwrap();
    let parsed = begun.elapsed();
    let (desired, _, diagnostics) =
        desired::load_sources(Sources::from_texts([("big.yaml", text.clone())]), &Given::default(), &environment);
    println!("{} bytes: parsed and decoded in {parsed:?}, all in {:?}", text.len(), begun.elapsed() - parsed);
    assert!(diagnostics.is_empty() && manifest.instances.len() == 10_001);
    assert_eq!(desired.unwrap().instances.len(), 10_001);
    assert!(begun.elapsed().as_secs() < 30);
}
