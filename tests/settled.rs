//! `--until-settled`, with the real command: it goes on while a repetition helps, with what was agreed to, and no longer.

#![cfg(unix)]

mod common;

use common::{Folder, Owned, Sandbox};
use serde_json::Value;
use std::time::{Duration, Instant};

/// No run of these tests takes longer.
const LIMIT: Duration = Duration::from_secs(90);

/// Whoever waits for `web` waits for seconds at most.
const HASTY: &str = "version: 1
stack: hasty
region: ap-guangzhou
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  db: { timeouts: { create: 1s } }
  web: { count: 2, depends_on: [db], timeouts: { create: 1s } }
";

/// A fleet and its cloud.
struct Scene {
    folder: Folder,
    sandbox: Sandbox,
}

impl Scene {
    fn new(manifest: &str, flags: &[&str]) -> Self {
        let folder = Folder::new();
        folder.write("lighthouse.yaml", manifest);
        let sandbox = Sandbox::serve(&folder, flags);
        Self { folder, sandbox }
    }

    fn start(&self, arguments: &[&str]) -> Owned {
        let arguments = [arguments, &["--events", "events.ndjson"]].concat();
        Owned::start(self.sandbox.tell(&mut self.folder.command(&arguments, "log")))
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], code: i32) -> String {
        let ended = self.start(arguments).code_within(LIMIT);
        let log = self.folder.read("log");
        assert_eq!(ended, Some(code), "{arguments:?}\n{log}");
        self.folder.write("log", "");
        log
    }

    fn events(&self) -> Vec<Value> {
        // The last line may be on its way.
        self.folder.read("events.ndjson").lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The one summary, which is the last event, and the numbers of the events are without gaps.
    #[track_caller]
    fn summary(&self) -> Value {
        let events = self.events();
        let summaries = events.iter().filter(|event| event["type"] == "summary").count();
        let last = events.last().expect("an event").clone();
        assert_eq!((summaries, &last["type"]), (1, &"summary".into()), "{events:#?}");
        let numbers: Vec<u64> = events.iter().filter_map(|event| event["seq"].as_u64()).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
        last
    }

    /// How often the run went on.
    fn went_on(&self) -> usize {
        let is_note = |event: &&Value| event["text"].as_str().is_some_and(|text| text.contains("; going on in "));
        self.events().iter().filter(is_note).count()
    }

    /// Waits until the run pauses for the first time.
    fn wait_for_pause(&self) {
        let until = Instant::now() + LIMIT;
        while self.went_on() == 0 {
            assert!(Instant::now() < until, "{}", self.folder.read("log"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn running(&self) -> usize {
        self.sandbox.instances("ap-guangzhou").values().filter(|(_, state)| state == "RUNNING").count()
    }
}

/// A short grace makes short pauses.
const GO_ON: [&str; 4] = ["apply", "--yes", "--until-settled", "--visibility-grace=1s"];

#[test]
fn waits_that_run_out_are_taken_up_again() {
    let scene = Scene::new(HASTY, &["--boot", "3s"]);
    let said = scene.run(&GO_ON, 0);
    assert!(said.ends_with("Applied: 3 running.\n"), "{said}");
    assert!(said.contains("1 still pending, 2 not started; going on in "), "{said}");
    // What an earlier pass bought is on the receipt.
    assert!(said.contains("db        1 instance") && said.contains("web[0-1]  2 instances"), "{said}");
    assert_eq!(said.matches("Plan: 3 to add").count(), 1, "{said}");
    assert!(scene.went_on() >= 2);
    let summary = scene.summary();
    assert_eq!((&summary["exit_code"], &summary["open_items"]), (&0.into(), &Value::Array(Vec::new())));
    assert_eq!((scene.sandbox.counts("CreateInstances").0, scene.running()), (2, 3));
    // The same without going on: in part, three times over.
    scene.run(&["plan", "--detailed-exitcode"], 0);
    scene.run(&["destroy", "--yes", "--until-settled=1m"], 0);
    scene.run(&["apply", "--yes"], 6);
}

#[test]
fn answers_that_are_lost_are_looked_for_until_they_show() {
    let flags = ["--boot", "0s", "--visibility-delay", "4s", "--fault", "lost-after:CreateInstances:n=2"];
    let scene = Scene::new(HASTY, &flags);
    let said = scene.run(&["apply", "--yes", "--until-settled", "--visibility-grace=6s"], 0);
    assert!(said.ends_with("Applied: 3 running.\n") && said.contains("1 unknown"), "{said}");
    assert!(said.contains("db        1 instance"), "{said}");
    assert_eq!(scene.running(), 3);
    assert_eq!(scene.summary()["exit_code"], 0);
    scene.run(&["plan", "--detailed-exitcode"], 0);
}

#[test]
fn a_launch_that_fails_is_made_up_for() {
    let scene = Scene::new(HASTY, &["--boot", "200ms", "--fault", "launch-failed:CreateInstances:at=1"]);
    let said = scene.run(&GO_ON, 0);
    assert!(said.contains("1 failed, 2 not started; going on in "), "{said}");
    assert!(said.ends_with("Applied: 3 running, 1 left over.\n"), "{said}");
    assert_eq!((scene.sandbox.counts("CreateInstances").0, scene.running()), (3, 3));
    scene.run(&["plan", "--detailed-exitcode"], 0);
}

#[test]
fn launches_that_go_on_failing_are_not_paid_for_for_ever() {
    let scene = Scene::new(HASTY, &["--boot", "100ms", "--launch-failed", "1"]);
    let said = scene.run(&GO_ON, 6);
    assert!(said.contains("LAUNCH_FAILED"), "{said}");
    assert_eq!(scene.sandbox.counts("CreateInstances").0, 3);
    let summary = scene.summary();
    assert_eq!((&summary["exit_code"], &summary["counts"]["failed"]), (&6.into(), &1.into()), "{summary}");
    assert!(summary["next"].as_str().is_some_and(|next| next.contains("--until-settled")), "{summary}");
}

#[test]
fn what_a_repetition_would_meet_again_ends_at_once() {
    let quota = ["--quota", "1"];
    let sold_out = ["--fault", "sold-out:CreateInstances"];
    let denied = ["--fault", "denied:CreateInstances"];
    let limited = &format!("{HASTY}limits: {{ max_instances: 2 }}\n");
    for (manifest, flags, arguments, code) in [
        (HASTY, &quota[..], &["--yes"][..], 8),
        (HASTY, &sold_out, &["--yes"], 8),
        (HASTY, &sold_out, &["--yes", "--no-preflight"], 1),
        (HASTY, &denied, &["--yes", "--no-preflight"], 1),
        (HASTY, &[], &[], 9),
        (limited, &[], &["--yes"], 7),
    ] {
        let scene = Scene::new(manifest, &[&["--boot", "0s"], flags].concat());
        let said = scene.run(&[&["apply", "--until-settled"], arguments].concat(), code);
        assert_eq!(scene.went_on(), 0, "{said}");
        assert_eq!(scene.summary()["exit_code"], code);
        assert_eq!(scene.running(), 0);
    }
    // Beside something that could be waited for, too: the failure is told now and not in half an hour.
    let web = "web: { bundle_id: bundle_starter_nmc_lin_med2_01, ";
    let manifest = HASTY.replace(", depends_on: [db]", "").replace("web: { ", web);
    let scene = Scene::new(&manifest, &["--boot", "1h", "--quota", "1"]);
    let said = scene.run(&["apply", "--yes", "--until-settled", "--no-preflight"], 6);
    assert!(said.ends_with("Applied: 1 still pending, 2 failed.\n"), "{said}");
    assert_eq!(scene.went_on(), 0);
}

#[test]
fn the_time_limit_holds() {
    let scene = Scene::new(HASTY, &["--boot", "1h"]);
    let said = scene.run(&["apply", "--yes", "--until-settled=4s", "--visibility-grace=1s"], 6);
    assert!(said.contains("not settled within 4.0s."), "{said}");
    assert!(said.ends_with("Applied: 1 still pending, 2 not started.\n"), "{said}");
    assert!(scene.went_on() >= 1);
    assert_eq!(scene.summary()["exit_code"], 6);
    assert_eq!(scene.sandbox.counts("CreateInstances").0, 1);
}

#[test]
fn a_signal_in_the_pause_ends_it_with_its_account() {
    let scene = Scene::new(HASTY, &["--boot", "1h"]);
    // A pause of more than two seconds: the grace is that of the manifest.
    let mut apply = scene.start(&["apply", "--yes", "--until-settled"]);
    scene.wait_for_pause();
    apply.signal("TERM");
    assert_eq!(apply.code_within(LIMIT), Some(143), "{}", scene.folder.read("log"));
    let summary = scene.summary();
    assert_eq!(summary["exit_code"], 143);
    assert_eq!(summary["open_items"][0]["status"], "pending", "{summary:#}");
    assert_eq!(summary["open_items"][0]["created"], true, "{summary:#}");
}

#[test]
fn what_was_not_agreed_to_is_not_done_later() {
    // `db` runs after three seconds; `web` is waited for for one.
    let manifest = HASTY.replace("db: { timeouts: { create: 1s } }", "db: {}").replace(", depends_on: [db]", "");
    let scene = Scene::new(&manifest, &["--boot", "3s"]);
    let mut apply = scene.start(&["apply", "--yes", "--until-settled"]);
    scene.wait_for_pause();
    let state = lhprov::state::codec::decode(scene.folder.read("state/hasty.json").as_bytes()).expect("a state");
    let db = state.instances.iter().find(|(address, _)| address.to_string() == "db").expect("db").1.instance_id.clone();
    scene.sandbox.outside("DELETE", &format!("/sandbox/instances/{db}"), "");
    assert_eq!(apply.code_within(LIMIT), Some(6), "{}", scene.folder.read("log"));
    let said = scene.folder.read("log");
    assert!(said.contains("goes beyond what was agreed to"), "{said}");
    assert!(said.contains(&format!("db: create ({db} is gone from the cloud")), "{said}");
    assert_eq!(scene.sandbox.counts("CreateInstances").0, 2, "{said}");
    assert_eq!(scene.summary()["exit_code"], 6);
}

#[test]
fn what_a_run_bought_and_lost_is_not_bought_again() {
    let manifest =
        HASTY.replace(", timeouts: { create: 1s }", "").replace("db: { timeouts: { create: 1s } }", "db: {}");
    for flags in [&[][..], &["--until-settled"]] {
        let scene = Scene::new(&manifest, &["--boot", "4s"]);
        scene.run(&["plan", "--out", "p.json"], 0);
        let mut applying = scene.start(&[&["apply", "p.json"], flags].concat());
        let until = Instant::now() + LIMIT;
        // Another user of the account deletes what runs there, once the apply has seen it.
        let code = loop {
            let state = scene.folder.path().join("state/hasty.json.journal");
            let is_assigned = std::fs::read_to_string(state).is_ok_and(|text| text.contains("\"assigned\""));
            if let Some(code) = applying.code_within(Duration::from_millis(1500)) {
                break code;
            }
            for id in scene.sandbox.instances("ap-guangzhou").into_keys().filter(|_| is_assigned) {
                scene.sandbox.outside("DELETE", &format!("/sandbox/instances/{id}"), "");
            }
            assert!(Instant::now() < until, "{}", scene.folder.read("log"));
        };
        let log = scene.folder.read("log");
        assert_eq!(code, 6, "{log}");
        assert_eq!(scene.sandbox.counts("CreateInstances").0, 1, "{log}");
        assert!(log.contains("db"), "{log}");
    }
}
