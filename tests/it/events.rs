//! `--events`: into files and into descriptors that the shell opened, beside every form of the result.

use crate::support::{Place, SMALL, Said, said};
use serde_json::Value;
use std::process::{Command, Stdio};

/// What `lhprov` and its redirections say in a shell.
fn shell(place: &Place, line: &str) -> Said {
    let lhprov = place.command(&[]);
    let mut command = Command::new("sh");
    command.arg("-c").arg(line.replace("lhprov", env!("CARGO_BIN_EXE_lhprov"))).stdin(Stdio::null());
    command.env_clear().current_dir(place.path());
    command.envs(lhprov.get_envs().filter_map(|(name, value)| Some((name, value?))));
    said(&command.output().expect("a shell"))
}

fn kinds(text: &str) -> Vec<String> {
    let value = |line: &str| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(|line| value(line)["type"].as_str().unwrap_or_default().to_owned()).collect()
}

const PLAN: &str = "lhprov plan --sandbox=box";

#[test]
fn into_descriptors_of_the_shell() {
    let place = Place::with(SMALL);
    place.write("log.ndjson", "{\"type\":\"before\"}\n");
    for (line, file) in [
        (format!("{PLAN} --json --events fd:3 3>new.ndjson"), "new.ndjson"),
        (format!("{PLAN} --format markdown --events fd:7 7>>log.ndjson"), "log.ndjson"),
        (format!("{PLAN} --events fd:3 3>&1 >/dev/null | cat >piped.ndjson"), "piped.ndjson"),
        (format!("{PLAN} --events fd:2 2>err.ndjson"), "err.ndjson"),
    ] {
        let said = shell(&place, &line).expect(0);
        assert_eq!(said.err, "", "{line}");
        let kinds = kinds(&place.read(file));
        assert_eq!(kinds.last().map(String::as_str), Some("summary"), "{line}: {kinds:?}");
        assert_eq!(kinds[0] == "before", file == "log.ndjson", "{line}: {kinds:?}");
    }
    // Both on stdout, nothing of either lost, also where it is a file.
    shell(&place, &format!("{PLAN} --json --events fd:1 >both.ndjson")).expect(0);
    let both = place.read("both.ndjson");
    assert!(
        both.contains("\"type\":\"summary\"")
            && both.contains("\"format_version\":\"1.0\"")
            && both.contains("\"api_calls\""),
        "{both}"
    );
}

#[test]
fn a_bad_descriptor_is_an_error_before_anything_is_done() {
    let place = Place::with(SMALL);
    for (line, code, word) in [
        ("lhprov apply --yes --sandbox=box --events fd:9", 1, "fd:9: no such descriptor is open"),
        ("lhprov apply --yes --sandbox=box --events fd:4 4</dev/null", 1, "fd:4: it is open for reading only"),
        ("lhprov apply --yes --sandbox=box --events fd:x", 64, "`fd:x` is not a descriptor"),
        (
            "lhprov apply --yes --sandbox=box --events nowhere/e.ndjson",
            1,
            "failed to write the events to nowhere/e.ndjson",
        ),
    ] {
        let said = shell(&place, line).expect(code);
        assert!(said.err.contains(word), "{line}: {}", said.err);
        assert_eq!(said.out, "", "{line}");
        assert!(!place.path().join("box").exists(), "{line}: something was done");
    }
}
