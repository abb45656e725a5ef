//! The dependency rule and the homes of effects, as tests of the source tree.
//!
//! An import that the table does not list fails with its file and line. What only tests use (`#[cfg(test)]`) is not counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which module may import which. A prefix covers everything below it.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("disk", &[]),
    ("clock", &["model"]),
    ("diag", &["model"]),
    ("event", &["model", "diag"]),
    ("manifest", &["model", "diag"]),
    ("desired", &["model", "diag", "manifest"]),
    ("state", &["model", "diag", "clock", "disk"]),
    ("cloud", &["model", "diag", "clock"]),
    (
        "observe",
        &[
            "model",
            "diag",
            "cloud::port",
            "cloud::types",
            "cloud::error",
            "cloud::limits",
            "cloud::reported",
            "cloud::CloudError",
            "cloud::ErrorClass",
        ],
    ),
    (
        "plan",
        &[
            "model",
            "diag",
            "desired",
            "state",
            "observe::state",
            "observe::ownership",
            "observe::catalogue",
            "cloud::limits",
            "cloud::types",
        ],
    ),
    (
        "apply",
        &[
            "model",
            "diag",
            "clock",
            "event",
            "plan",
            "state",
            "desired",
            "observe",
            "cloud::port",
            "cloud::types",
            "cloud::error",
            "cloud::limits",
            "cloud::reported",
            "cloud::CloudError",
            "cloud::ErrorClass",
        ],
    ),
    (
        "ops",
        &[
            "model", "diag", "clock", "event", "manifest", "desired", "disk", "state", "cloud", "observe", "plan",
            "apply",
        ],
    ),
    ("report", &["model", "diag", "event", "plan", "manifest", "cloud::explain", "cloud::error", "cloud::CloudError"]),
    ("sandbox", &["model", "clock", "cloud", "disk"]),
    ("sim", &["model", "diag", "clock", "event", "desired", "state", "cloud", "plan", "ops", "sandbox"]),
];

/// Where an effect may be used: text, and the files or folders that may contain it.
const HOMES: &[(&str, &[&str])] = &[
    ("reqwest", &["cloud/client.rs", "cloud/credential/machine.rs"]),
    ("tokio::", &["sandbox/server.rs", "sandbox/tls.rs", "sandbox/port.rs", "sandbox/wire.rs", "cli/"]),
    (
        "std::fs",
        &[
            "disk/",
            "state/lock.rs",
            "manifest/source.rs",
            "manifest/root.rs",
            "manifest/read.rs",
            "cloud/credential/profile.rs",
            "cloud/client.rs",
            "sandbox/",
            "cli/",
        ],
    ),
    // The sandbox plays the service, which draws ids of its own.
    ("SystemTime::now", &["cli/host.rs"]),
    ("Instant::now", &["cli/host.rs"]),
    ("getrandom", &["cli/host.rs", "disk/", "sandbox/service.rs", "sandbox/store.rs"]),
    ("std::env", &["cli/env.rs"]),
    ("println!", &["report/"]),
    ("petgraph", &["apply/graph.rs"]),
    ("serde_yaml", &["manifest/", "desired/render.rs", "sandbox/fault.rs"]),
    ("process::exit", &[]),
];

/// Longest file, in lines. Longer ones answer more than one question.
const LINES_MAX: usize = 900;

fn sources() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.insert(path.strip_prefix(&root).unwrap().to_owned(), text);
            }
        }
    }
    found
}

/// A file's lines that are compiled outside tests, with their numbers. Comments and doc texts are left out.
fn code_lines(path: &Path, text: &str) -> Vec<(usize, String)> {
    let name = path.file_name().unwrap().to_string_lossy();
    if name.ends_with("tests.rs") {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let mut skip_item = false;
    for (number, line) in text.lines().enumerate() {
        let code = line.trim_start();
        if code.starts_with("#[cfg(test)]") {
            if !line.starts_with(' ') {
                // Test modules stand at the end of a file; a test-only `mod name;` is one line.
                let rest: Vec<&str> = text.lines().skip(number + 1).collect();
                if rest.first().is_some_and(|next| next.starts_with("mod ") && next.ends_with('{')) {
                    break;
                }
            }
            skip_item = true;
            continue;
        }
        if skip_item {
            skip_item = !(code.ends_with(';') || code.ends_with('}') || code.is_empty());
            continue;
        }
        if !code.starts_with("//") {
            lines.push((number + 1, line.split(" //").next().unwrap_or(line).to_owned()));
        }
    }
    lines
}

/// `crate::a::b` prefixes of a piece of code, braces of a `use` opened.
fn imports(code: &[(usize, String)]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in code {
        for part in line.split("crate::").skip(1) {
            let head: String = part.chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
            let rest = &part[head.len()..];
            if let Some(list) = rest.strip_prefix('{') {
                let list = list.split('}').next().unwrap_or("");
                for item in list.split(',') {
                    let item: String =
                        item.trim().chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
                    found.push((*number, format!("{head}{item}")));
                }
            } else {
                found.push((*number, head));
            }
        }
    }
    found
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let table: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        let module = first.trim_end_matches(".rs");
        let Some(allowed) = table.get(module) else {
            assert!(matches!(module, "lib" | "main" | "cli"), "{module} is not in the table");
            continue;
        };
        for (number, import) in imports(&code_lines(&path, &text)) {
            let own = import == module || import.starts_with(&format!("{module}::"));
            let fits = allowed.iter().any(|a| import == *a || import.starts_with(&format!("{a}::")));
            if !own && !fits && !import.is_empty() {
                wrong.push(format!(
                    "src/{}:{number}: `{module}` may not import `{import}`; allowed: {allowed:?}",
                    path.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn effects_stay_in_their_homes() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let shown = path.to_string_lossy().into_owned();
        for (number, line) in code_lines(&path, &text) {
            for (effect, homes) in HOMES {
                if line.contains(effect) && !homes.iter().any(|home| shown.starts_with(home)) {
                    wrong.push(format!("src/{shown}:{number}: `{effect}` belongs into {homes:?}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_a_novel_and_none_is_called_utils() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "src/{} has {lines} lines", path.display());
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(!["utils", "util", "helpers", "misc", "common"].contains(&name.as_str()), "src/{}", path.display());
    }
}

/// Names in a section of Cargo.toml.
fn dependencies(section: &str) -> Vec<String> {
    let manifest = include_str!("../Cargo.toml");
    let lines = manifest.lines().skip_while(|line| *line != section).skip(1).take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split_once(" = ").map(|(name, _)| name.to_owned()));
    names.filter(|name| !name.starts_with('#')).collect()
}

#[test]
fn every_dependency_is_used() {
    let texts: Vec<String> = sources().into_values().collect();
    let declared = dependencies("[dependencies]");
    assert!(declared.len() > 20, "{declared:?}");
    let is_used = |name: &&String| {
        let path = format!("{}::", name.replace('-', "_"));
        texts
            .iter()
            .flat_map(|text| text.lines())
            .any(|line| !line.trim_start().starts_with("//") && line.contains(&path))
    };
    let unused: Vec<&String> = declared.iter().filter(|name| !is_used(name)).collect();
    assert!(unused.is_empty(), "declared in Cargo.toml and not used in src: {unused:?}");
}
