//! The simulated cloud from the command line: in process and served.

use crate::support::{Place, SMALL};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

#[test]
fn a_lost_answer_is_settled_by_the_next_run() {
    let place = Place::with(SMALL);
    let fault = "lost-after:CreateInstances:at=1";
    place.run(&["apply", "--sandbox", "--boot", "100ms", "--yes", "--fault", fault]).expect(0);
    let said = place.run(&["sandbox", "status", "--json"]).expect(0);
    let status: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(status["instances"]["RUNNING"], 3, "{status:#}");
    let said = place.run(&["destroy", "--sandbox", "-y"]).expect(0);
    assert!(said.out.ends_with("Destroyed: 3 isolated. (sandbox)\n"), "{said:#?}");
}

#[test]
fn protection_follows_the_manifest_and_outlives_its_block() {
    let protected = |yes: bool| SMALL.replace("db: {}", &format!("db: {{ protect: {yes} }}"));
    let without = SMALL.replace("  db: {}\n", "").replace(", depends_on: [db]", "");
    let place = Place::with(SMALL);
    let apply = |code| place.run(&["apply", "--sandbox", "--boot", "0s", "--yes"]).expect(code);
    apply(0);
    // With nothing else to do.
    place.write("lighthouse.yaml", &protected(true));
    assert!(apply(0).out.contains("protect: false → true"));
    place.write("lighthouse.yaml", &without);
    assert!(apply(7).err.contains("`db`"));
    // The way out that the refusal names.
    place.write("lighthouse.yaml", &protected(false));
    assert!(apply(0).out.contains("protect: true → false"));
    place.write("lighthouse.yaml", &without);
    assert!(apply(0).out.ends_with("Applied: 1 isolated. (sandbox)\n"));
}

#[test]
fn two_clouds_at_once_and_flags_without_effect_are_mistakes() {
    let mut place = Place::with(SMALL);
    place.run(&["plan", "--sandbox", "--endpoint", "http://127.0.0.1:1"]).expect(64);
    place.run(&["plan", "--boot", "1s"]).expect(64);
    place.run(&["plan", "--sandbox", "--fault", "sometimes:CreateInstances"]).expect(64);
    place.run(&["plan", "--sandbox", "--launch-failed", "2"]).expect(64);
    // A variable is no contradiction: the flag beats it.
    place.set("LHPROV_ENDPOINT", "http://127.0.0.1:1");
    place.run(&["plan", "--sandbox"]).expect(0);
}

#[test]
fn reset_forgets_account_and_states_and_nothing_else() {
    let place = Place::with(SMALL);
    place.run(&["apply", "--sandbox=box", "--boot", "100ms", "-y"]).expect(0);
    place.write("box/notes.json", "{}");
    assert!(place.path().join("box/small.json").exists());
    place.run(&["sandbox", "reset", "--data", "box"]).expect(0);
    assert!(!place.path().join("box/small.json").exists());
    assert!(place.path().join("box/notes.json").exists());
    let said = place.run(&["plan", "--sandbox=box"]).expect(0);
    assert!(said.out.contains("Plan: 3 to add"), "{said:#?}");
    place.run(&["sandbox", "reset", "--data", "nowhere"]).expect(0);
}

#[cfg(unix)]
#[test]
fn a_served_sandbox_prints_what_to_export_and_ends_with_a_signal() {
    let mut place = Place::with(SMALL);
    let mut server = place
        .command(&["sandbox", "serve", "--data", "box", "--boot", "100ms"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the server starts");
    let mut lines = BufReader::new(server.stdout.take().expect("stdout")).lines();
    let url = lines.next().expect("a line").expect("UTF-8");
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    for line in lines.by_ref().take(3) {
        let line = line.expect("UTF-8");
        let (name, value) = line.split_once('=').expect("NAME=VALUE");
        place.set(name, value);
    }
    let applied = place.run(&["apply", "--yes"]);
    let killed = std::process::Command::new("kill").args(["-TERM", &server.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    assert_eq!(server.wait().expect("it ends").code(), Some(0));
    let said = applied.expect(0);
    assert!(said.out.ends_with("Applied: 3 running.\n"), "{said:#?}");
}
