//! No command writes an escape sequence, a bell or a lone carriage return into a pipe or a file, whether it goes well or not
//! and whatever the manifest, the command line and the cloud say. The commands are those that `--help` lists.

use crate::support::{Cloud, Place, SMALL, Said, said};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

/// What would do something to a terminal that shows it.
const EVIL: &str = "e\u{1b}[2J\u{1b}]0;title\u{7}\rvil";

/// Ways to call each command, in an order in which they have something to work on. Each is called in a sandbox, and against a
/// cloud whose every word is evil.
const CALLS: &[(&str, &[&[&str]])] = &[
    ("version", &[&[], &["--json"], &[EVIL]]),
    ("validate", &[&[], &["--json"], &["-f", "evil.yaml"], &["-f", "broken.yaml"], &["-f", EVIL]]),
    ("render", &[&[], &["-f", "evil.yaml"], &["-f", "broken.yaml"]]),
    ("fmt", &[&["--check"], &["--check", "evil.yaml"], &["--check", "broken.yaml"], &[EVIL]]),
    ("graph", &[&[], &["-f", "evil.yaml"], &["--format", "mermaid", "--view", "full"], &["-f", "broken.yaml"]]),
    ("completions", &[&["bash"], &["zsh"], &["fish"], &[EVIL]]),
    ("man", &[&[], &["--out", "pages"], &["--out", "evil.yaml"]]),
    ("plan", &[&[], &["--json"], &["-f", "evil.yaml"], &["--view", "full", "-f", "evil.yaml"], &["--only", EVIL]]),
    ("apply", &[&["--yes"], &["--yes", "-f", "evil.yaml"], &[], &["--yes", "--replace", EVIL], &["--yes", "--json"]]),
    ("drift", &[&[], &["--json"], &["--accept"], &["--accept", EVIL], &["--skip", EVIL]]),
    ("schema", &[&["manifest"], &["event"], &[EVIL]]),
    ("explain", &[&[], &["--json"], &["unknown-key"], &[EVIL]]),
    ("price", &[&[], &["--json"], &["-f", "evil.yaml"], &["-f", EVIL]]),
    ("renew", &[&["db", "--yes"], &["db"], &[EVIL]]),
    ("show", &[&[], &["db"], &["--json"], &[EVIL]]),
    ("import", &[&["--all"], &["other", "lhins-00000001"], &["other", EVIL], &["--tag", EVIL]]),
    (
        "output",
        &[
            &[],
            &["name"],
            &["--format", "env"],
            &["--format", "ansible-inventory"],
            &["--format", "ssh-config"],
            &[EVIL],
        ],
    ),
    ("state list", &[&[], &["--state", EVIL]]),
    ("state show", &[&["db"], &["web[0]", "--json"], &[EVIL]]),
    ("state mv", &[&["web[1]", "web[2]"], &["web[2]", "web[1]"], &["db", EVIL]]),
    ("state rebuild", &[&[], &["--json"], &["--lock-timeout", EVIL]]),
    ("state rm", &[&["web[1]"], &[EVIL]]),
    ("catalog", &[&["bundles"], &["zones", "--json"], &["regions"], &["blueprints"], &[EVIL]]),
    ("auth whoami", &[&[], &["--json"], &["--profile", EVIL]]),
    ("sandbox status", &[&[], &["--json"], &["--data", EVIL], &["--oops"]]),
    ("selftest", &[&["--seeds", "1"], &["--seeds", EVIL]]),
    ("destroy", &[&["--yes"], &[], &["--yes", "--only", EVIL]]),
    ("sandbox reset", &[&[], &["--data", EVIL], &[EVIL]]),
];

/// `sandbox serve` ends only by a signal.
const SERVERS: [&str; 1] = ["sandbox serve"];

/// The commands below `path` that have none below themselves.
fn commands(place: &Place, path: &[String], all: &mut BTreeSet<String>) {
    let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
    arguments.push("--help");
    let help = place.run(&arguments).expect(0).out;
    let listed = help.split_once("Commands:\n").map(|(_, rest)| rest.split("\n\n").next().unwrap_or_default());
    let Some(listed) = listed else {
        all.insert(path.join(" "));
        return;
    };
    for line in listed.lines() {
        let name = line.strip_prefix("  ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        if !name.is_empty() && name != "help" {
            commands(place, &[path, &[name.to_owned()]].concat(), all);
        }
    }
}

#[track_caller]
fn is_clean(arguments: &[&str], said: &Said) {
    for text in [&said.out, &said.err] {
        let without_breaks = text.replace("\r\n", "\n");
        let found = without_breaks.find(['\u{1b}', '\u{7}', '\r']);
        assert_eq!(found.map(|at| &without_breaks[at..]), None, "{arguments:?} {:?}", said.code);
    }
}

fn with_manifests() -> Place {
    let place = Place::with(&format!("{SMALL}outputs: {{ name: \"${{instances.db.instance_name}}\" }}\n"));
    let evil = SMALL.replace("db: {}", r#"db: { instance_name: "e\e[2J\e]0;title\a\rvil", zones: ["z\e[2J"] }"#);
    place.write("evil.yaml", &evil);
    place.write("broken.yaml", &SMALL.replace("db: {}", "db: { k\u{1b}[2Jey: 1, \"\\e[2J\": 2, zones: \"\\e[2J\" }"));
    place
}

#[test]
fn every_command_has_its_calls() {
    let place = Place::empty();
    let mut all = BTreeSet::new();
    commands(&place, &[], &mut all);
    assert!(all.len() > 20, "{all:?}");
    let called: BTreeSet<String> = CALLS.iter().map(|(name, _)| *name).chain(SERVERS).map(str::to_owned).collect();
    assert_eq!(all, called);
    for name in &all {
        let path: Vec<&str> = name.split(' ').collect();
        for more in [&["--help"][..], &["-h"], &["--bogus"], &[EVIL, EVIL, EVIL, EVIL], &["--color", EVIL]] {
            let arguments = [&path[..], more].concat();
            let said = place.run(&arguments);
            assert!(matches!(said.code, Some(0 | 1 | 64)), "{arguments:?} {said:?}");
            is_clean(&arguments, &said);
        }
    }
}

#[test]
fn nothing_but_text_goes_into_a_pipe() {
    let mut calm = with_manifests();
    calm.set("LHPROV_SANDBOX", "1");
    let mut wild = with_manifests();
    let cloud = Cloud::start();
    wild.connect(&cloud);
    let mut codes: BTreeMap<&str, BTreeSet<Option<i32>>> = BTreeMap::new();
    for (place, is_wild) in [(&calm, false), (&wild, true)] {
        for (name, calls) in CALLS {
            if is_wild {
                cloud.shared.lock().unwrap().rename_all(EVIL);
            }
            for call in *calls {
                let path: Vec<&str> = name.split(' ').collect();
                let arguments = [&path[..], call].concat();
                // With a log, too, which has a printer of its own.
                let said = place.run(&arguments);
                is_clean(&arguments, &said);
                codes.entry(name).or_default().insert(said.code);
                if is_wild && matches!(*name, "plan" | "drift" | "catalog") {
                    let arguments = [&arguments[..], &["--log-level", "trace", "--http-trace"]].concat();
                    is_clean(&arguments, &place.run(&arguments));
                }
            }
        }
    }
    for (name, codes) in codes {
        assert!(codes.contains(&Some(0)), "{name} never went well: {codes:?}");
        assert!(codes.len() > 1, "{name} never went wrong: {codes:?}");
        assert!(!codes.contains(&None) && !codes.contains(&Some(101)), "{name}: {codes:?}");
    }
}

#[test]
fn a_server_says_nothing_but_text() {
    let place = Place::empty();
    let refused = ["sandbox", "serve", "--listen", "192.0.2.1:1"];
    is_clean(&refused, &place.run(&refused).expect(1));
    let mut command = place.command(&["sandbox", "serve"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    let mut out = BufReader::new(child.stdout.take().expect("its output"));
    let mut first = String::new();
    out.read_line(&mut first).expect("its address");
    assert!(first.starts_with("http://127.0.0.1:"), "{first}");
    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
    assert!(told.success());
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("the rest");
    let ended = child.wait_with_output().expect("its end");
    let mut said = said(&ended);
    said.out = first + &rest;
    is_clean(&["sandbox", "serve"], &said);
}
