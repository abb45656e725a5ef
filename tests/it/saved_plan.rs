//! Saved plans: `plan --out`, `show FILE`, `apply FILE`, and everything that makes one stale.

use crate::support::{Place, SMALL, Said};
use serde_json::Value;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

const CANARY: &str = "Canary-Pass-Plan-07";

const STACK: &str = "version: 1
stack: saved
region: ap-guangzhou
variables:
  size: { type: number, default: 2 }
  tier: { default: front }
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  db: { login: { password: \"${env:DB_PASSWORD}\" } }
  web: { count: \"${var.size}\", tags: { tier: \"${var.tier}\" }, init_command: { file: init.sh } }
";

const FAST: [&str; 3] = ["--sandbox", "--boot", "0s"];

fn place() -> Place {
    let mut place = Place::with(STACK);
    place.write("init.sh", "echo hello\n");
    place.set("DB_PASSWORD", CANARY);
    place
}

/// One purchase comes, and of the other one the service is sold out; so the dry run says that looks into it, behind the two of
/// the preflight.
const SOLD_OUT: [&str; 4] = ["--fault", "sold-out:CreateInstances:at=2", "--fault", "sold-out:DryRun:at=3"];

fn run(place: &Place, arguments: &[&str]) -> Said {
    place.run(&[arguments, &FAST[..]].concat())
}

/// The words of stderr, wherever the lines were broken.
fn words(said: &Said) -> String {
    said.err.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn stale(said: Said, what: &[&str]) {
    let said = said.expect(5);
    for what in what {
        assert!(words(&said).contains(what), "{what}: {said:#?}");
    }
    assert!(said.err.contains("Nothing was changed."), "{said:#?}");
}

fn addresses(place: &Place) -> String {
    run_state_list(place).out.replace('\n', " ").trim_end().to_owned()
}

fn run_state_list(place: &Place) -> Said {
    place.run(&["state", "list", "--sandbox"]).expect(0)
}

#[test]
fn is_saved_shown_and_carried_out_without_a_question() {
    let place = place();
    let planned = run(&place, &["plan", "--out", "p.json"]).expect(0);
    assert!(planned.err.contains("To carry it out: lhprov apply p.json --sandbox"), "{planned:#?}");
    let shown = place.run(&["show", "p.json"]).expect(0);
    assert!(shown.out.starts_with(&planned.out), "{shown:#?}\n{planned:#?}");
    assert!(shown.out.contains("manifest   lighthouse.yaml"), "{shown:#?}");
    let json = place.run(&["show", "p.json", "--json"]).expect(0);
    assert_eq!(json.out, place.read("p.json"));
    // There is no terminal, and nobody says --yes.
    let said = run(&place, &["apply", "p.json"]).expect(0);
    assert!(said.out.contains("Applied: 3 running. (sandbox)"), "{said:#?}");
    assert_eq!(addresses(&place), "db web[0] web[1]");
    let after = place.run(&["plan", "--sandbox", "--detailed-exitcode"]).expect(0);
    assert!(after.out.starts_with("No changes."), "{after:#?}");
}

#[test]
fn the_file_is_private_has_no_secret_and_the_same_bytes_for_the_same_inputs() {
    let place = place();
    run(&place, &["plan", "--out", "one.plan", "--var", "size=3"]).expect(0);
    run(&place, &["plan", "--out", "other.plan", "--var", "size=3"]).expect(0);
    let text = place.read("one.plan");
    assert_eq!(text, place.read("other.plan"));
    assert!(!text.contains(CANARY) && !text.contains(&CANARY[..12]), "{text}");
    // A whole hash of a password would let guesses be tried; eight digits of a salted one do not.
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let print = document["seal"]["bound"]["secrets"]["db"].as_str().expect("a fingerprint");
    assert_eq!(print.split_once(':').map(|(_, digits)| digits.len()), Some(8), "{print}");
    assert_eq!(document["seal"]["bound"]["variables"]["size"], 3);
    assert_eq!(document["seal"]["asked"]["given"], serde_json::json!(["size"]));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(place.path().join("one.plan")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert!(!place.path().join("one.plan.tmp").exists());
}

#[test]
fn each_input_that_moved_is_named() {
    let place = place();
    run(&place, &["plan", "--out", "p.json"]).expect(0);
    let manifest = place.read("lighthouse.yaml");
    place.write("lighthouse.yaml", &format!("{manifest}# a word\n"));
    stale(run(&place, &["apply", "p.json"]), &["1 input moved", "manifest lighthouse.yaml changed", "--if-equivalent"]);
    place.write("lighthouse.yaml", &manifest);
    place.write("init.sh", "echo goodbye\n");
    stale(run(&place, &["apply", "p.json"]), &["file init.sh changed"]);
    stale(
        run(&place, &["apply", "p.json", "--var", "tier=back"]),
        &["2 inputs moved", "file init.sh changed", "variable `tier`: \"front\" → \"back\""],
    );
    place.write("init.sh", "echo hello\n");
    let mut other = place.command(&["apply", "p.json", "--sandbox"]);
    let said = crate::support::said(&other.env("DB_PASSWORD", "Another-Pass-08").output().expect("it starts"));
    stale(said, &["password of db changed"]);
    let said = place.run(&["apply", "p.json"]).expect(5);
    assert!(words(&said).contains("endpoint: sandbox → Tencent Cloud"), "{said:#?}");
    // All is as it was: it is carried out after all.
    run(&place, &["apply", "p.json"]).expect(0);
    place.run(&["apply", "--yes", "--sandbox", "--replace", "db", "--allow-data-loss"]).expect(0);
    stale(run(&place, &["apply", "p.json"]), &["state: there was none, and now it has serial"]);
}

#[test]
fn the_plan_remembers_what_it_was_made_of() {
    let place = Place::empty();
    place.write(
        "there.yaml",
        &SMALL
            .replace("web: { count: 2,", "web: { count: \"${var.n}\",")
            .replace("defaults:", "variables: { n: { type: number }, names: { type: list, default: [] } }\ndefaults:"),
    );
    place.write("more.vars", "names: [a, \"3\", {k: \"ä\"}]\n");
    let inputs = ["-f", "there.yaml", "--var", "n=2", "--var-file", "more.vars", "--only", "web", "--state", "s.json"];
    run(&place, &[&["plan", "--out", "p.json"], &inputs[..]].concat()).expect(0);
    run(&place, &["apply", "p.json"]).expect(0);
    let said = place.run(&["state", "list", "--sandbox", "--state", "s.json"]).expect(0);
    assert_eq!(said.out, "db\nweb[0]\nweb[1]\n");
    // What the plan was not made with is a mistake; what it was made with may be said again.
    run(&place, &[&["plan", "--out", "p.json"], &inputs[..]].concat()).expect(0);
    for other in [&["--only", "db"][..], &["--skip", "db"], &["--purge"], &["--replace", "db"], &["--destroy"]] {
        let said = run(&place, &[&["apply", "p.json"], other].concat()).expect(64);
        assert!(words(&said).contains(&format!("was not made with this: {}", other[0])), "{said:#?}");
    }
    run(&place, &[&["apply", "p.json"], &inputs[..]].concat()).expect(0);
}

#[test]
fn a_cloud_that_moved_is_told_by_address() {
    let place = place();
    run(&place, &["apply", "--yes"]).expect(0);
    place.write(
        "lighthouse.yaml",
        &place.read("lighthouse.yaml").replace("tags: { tier: \"${var.tier}\" }", "tags: { tier: b }"),
    );
    run(&place, &["plan", "--out", "p.json"]).expect(0);
    // Somebody returns an instance in the console.
    let shown: Value = serde_json::from_str(&place.run(&["show", "--json", "--sandbox"]).out).expect("JSON");
    let id = shown["instances"]["web[1]"]["instance_id"].as_str().expect("an id").to_owned();
    intervene(&place, &id);
    stale(
        run(&place, &["apply", "p.json"]),
        &["something else is to be done now, at 1 address", "web[1]: planned was"],
    );
    stale(run(&place, &["apply", "p.json", "--if-equivalent"]), &["web[1]: planned was"]);
}

/// Destroys an instance behind lhprov's back: with another stack's manifest that took it over.
fn intervene(place: &Place, id: &str) {
    place.write("other.yaml", "version: 1\nstack: other\nregion: ap-guangzhou\ninstances: {}\n");
    let other = ["-f", "other.yaml"];
    run(place, &[&["import", "mine", id, "--take-over"], &other[..]].concat()).expect(0);
    run(place, &[&["destroy", "--yes", "--purge", "--allow-data-loss"], &other[..]].concat()).expect(0);
}

#[test]
fn an_equivalent_plan_may_be_carried_out_and_another_may_not() {
    let place = place();
    run(&place, &["plan", "--out", "p.json"]).expect(0);
    let manifest = place.read("lighthouse.yaml");
    place.write("lighthouse.yaml", &manifest.replace("\"${var.size}\"", "3"));
    stale(run(&place, &["apply", "p.json", "--if-equivalent"]), &["web[2]: planned was nothing, now it is `create`"]);
    place.write("lighthouse.yaml", &format!("# only a word\n{manifest}"));
    stale(run(&place, &["apply", "p.json"]), &["manifest lighthouse.yaml changed"]);
    run(&place, &["apply", "p.json", "--if-equivalent"]).expect(0);
    assert_eq!(addresses(&place), "db web[0] web[1]");
}

#[test]
fn another_fleet_is_never_equivalent() {
    let place = place();
    run(&place, &["plan", "--out", "p.json"]).expect(0);
    place.write("lighthouse.yaml", &place.read("lighthouse.yaml").replace("stack: saved", "stack: other"));
    stale(
        run(&place, &["apply", "p.json", "--if-equivalent"]),
        &["for another fleet, account or cloud", "stack: saved → other"],
    );
}

#[test]
fn an_old_plan_is_refused() {
    let place = place();
    run(&place, &["plan", "--out", "p.json"]).expect(0);
    let file = std::fs::File::options().write(true).open(place.path().join("p.json")).expect("there");
    file.set_modified(SystemTime::now() - Duration::from_secs(7200)).expect("set");
    stale_age(run(&place, &["apply", "p.json", "--max-plan-age", "1h"]), "it is 2h00m old, and 1h00m is the limit");
    // A limit that is asked for when the plan is made is in the plan, whatever becomes of the file.
    run(&place, &["plan", "--out", "q.json", "--max-plan-age", "0s"]).expect(0);
    std::thread::sleep(Duration::from_millis(5));
    stale_age(run(&place, &["apply", "q.json"]), "is the limit");
    run(&place, &["apply", "p.json", "--max-plan-age", "1d"]).expect(0);
    for (command, flag) in [("plan", "--max-plan-age=1h"), ("apply", "--max-plan-age=1h"), ("apply", "--if-equivalent")]
    {
        let said = run(&place, &[command, flag]).expect(64);
        assert!(words(&said).contains("does nothing without a saved plan"), "{said:#?}");
    }
}

#[track_caller]
fn stale_age(said: Said, what: &str) {
    let said = said.expect(5);
    assert!(words(&said).contains(what), "{said:#?}");
}

#[test]
fn consent_is_given_when_the_plan_is_made_or_when_it_is_applied() {
    let place = place();
    run(&place, &["apply", "--yes"]).expect(0);
    let plan = ["plan", "--replace", "web[0]", "--out", "p.json"];
    let said = run(&place, &plan).expect(0);
    assert!(words(&said).contains("lhprov apply p.json --sandbox --allow-data-loss"), "{said:#?}");
    let refused = run(&place, &["apply", "p.json"]).expect(7);
    assert!(words(&refused).contains("the data is lost of 1 instance"), "{refused:#?}");
    let said = run(&place, &[&plan[..], &["--allow-data-loss"]].concat()).expect(0);
    assert!(!words(&said).contains("apply p.json --sandbox --allow-data-loss"), "{said:#?}");
    let shown = place.run(&["show", "p.json"]).expect(0);
    assert!(shown.out.contains("--replace web[0] --allow-data-loss"), "{shown:#?}");
    run(&place, &["apply", "p.json"]).expect(0);
    let said = run(&place, &["plan", "--allow-data-loss"]).expect(64);
    assert!(words(&said).contains("does nothing without a saved plan"), "{said:#?}");
}

#[test]
fn the_end_of_everything_can_be_planned_and_saved() {
    let place = place();
    run(&place, &["apply", "--yes"]).expect(0);
    let planned = run(&place, &["plan", "--destroy", "--out", "p.json"]).expect(0);
    assert!(planned.out.contains("Plan: 0 to add, 0 to change, 3 to destroy."), "{planned:#?}");
    assert_eq!(addresses(&place), "db web[0] web[1]");
    run(&place, &["apply", "p.json"]).expect(0);
    assert_eq!(addresses(&place), "");
    run(&place, &["apply", "--yes"]).expect(0);
    run(&place, &["apply", "--destroy", "--yes"]).expect(0);
    assert_eq!(addresses(&place), "");
}

#[test]
fn what_is_no_saved_plan_is_refused_with_its_place() {
    let place = place();
    run(&place, &["plan", "--out", "p.json"]).expect(0);
    let text = place.read("p.json");
    let printed = run(&place, &["plan", "--json"]).expect(0).out;
    for (name, text, what) in [
        ("half.json", &text[..text.len() / 2], "half.json cannot be used: it is damaged at line"),
        (
            "edited.json",
            &text.replace("\"period\":1", "\"period\":12"),
            "it was edited since it was made: `resource_changes` (line 3)",
        ),
        (
            "newer.json",
            &text.replace("\"format_version\":\"1.0\"", "\"format_version\":\"9.0\""),
            "it has plan format 9.0",
        ),
        ("foreign.json", "{\"format_version\":\"1.2\",\"planned_values\":{}}", "it is no plan of lhprov"),
        ("printed.json", &printed, "it is a plan that was printed, not saved"),
        ("empty.json", "", "it is damaged at line 1"),
    ] {
        place.write(name, text);
        for command in ["apply", "show"] {
            let said = place.run(&[command, name, "--sandbox"]).expect(1);
            assert!(words(&said).contains(what), "{said:#?}");
            assert!(said.err.contains("help: "), "{said:#?}");
        }
    }
    let said = place.run(&["apply", "none.json", "--sandbox"]).expect(1);
    assert!(words(&said).contains("cannot read the plan none.json"), "{said:#?}");
    std::fs::write(place.path().join("binary.plan"), [0xff, 0xfe, 0]).expect("written");
    let said = place.run(&["show", "binary.plan"]).expect(1);
    assert!(words(&said).contains("it is not UTF-8"), "{said:#?}");
}

#[test]
fn show_tells_a_file_from_an_address() {
    let place = place();
    run(&place, &["apply", "--yes"]).expect(0);
    run(&place, &["plan", "--out", "tfplan"]).expect(0);
    run(&place, &["plan", "--out", "db"]).expect(0);
    assert!(place.run(&["show", "tfplan", "--sandbox"]).expect(0).out.starts_with("No changes."));
    assert!(place.run(&["show", "web[0]", "--sandbox"]).expect(0).out.starts_with("web[0]\n"));
    let said = place.run(&["show", "db", "--sandbox"]).expect(64);
    assert!(words(&said).contains("`db` is a file here and an address of the state"), "{said:#?}");
    assert!(place.run(&["show", "./db", "--sandbox"]).expect(0).out.starts_with("No changes."));
    assert!(place.run(&["state", "show", "db", "--sandbox"]).expect(0).out.starts_with("db\n"));
}

#[test]
fn a_plan_that_may_not_be_applied_is_not_saved() {
    let place = place();
    let manifest = place.read("lighthouse.yaml");
    place.write("lighthouse.yaml", &manifest.replace("db: { ", "db: { protect: true, "));
    run(&place, &["apply", "--yes"]).expect(0);
    let said = run(&place, &["plan", "--destroy", "--out", "p.json"]).expect(7);
    assert!(words(&said).contains("p.json was not written"), "{said:#?}");
    assert!(!place.path().join("p.json").exists());
    let said = run(&place, &["plan", "--out", "."]).expect(64);
    assert!(words(&said).contains("is no file"), "{said:#?}");
    let said = run(&place, &["plan", "--out", "nowhere/p.json"]).expect(1);
    assert!(words(&said).contains("name another file with --out"), "{said:#?}");
}

#[test]
fn a_saved_plan_that_was_cut_short_goes_on() {
    let place = place();
    run(&place, &["plan", "--out", "p.json"]).expect(0);
    let first = run(&place, &[&["apply", "p.json"], &SOLD_OUT[..]].concat()).expect(6);
    assert!(first.out.contains("All of it is recorded.") && !first.out.contains("To go on, run"), "{first:#?}");
    // The state has moved, by this plan's own doing: what is left of it is done.
    run(&place, &["apply", "p.json"]).expect(0);
    assert_eq!(addresses(&place), "db web[0] web[1]");
    // A plan that is done is recognised.
    let again = run(&place, &["apply", "p.json"]).expect(0);
    assert!(again.out.starts_with("Already applied."), "{again:#?}");
}

#[test]
fn a_saved_plan_that_was_killed_goes_on_and_buys_nothing_twice() {
    let place = place();
    run(&place, &["apply", "--yes"]).expect(0);
    run(&place, &["plan", "--out", "p.json", "--replace", "web[0]", "--allow-data-loss"]).expect(0);
    let before = bought(&place);
    // Killed when the purchase is on its way, and its answer is not there yet.
    let slow = ["apply", "p.json", "--sandbox", "--fault", "delay=30s:CreateInstances"];
    let mut child = place.command(&slow).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let journal = place.path().join("state/sandbox/saved.json.journal");
    let attempted = || std::fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"attempt\""));
    let until = Instant::now() + Duration::from_secs(30);
    while !attempted() {
        assert!(Instant::now() < until, "no attempt");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("killed");
    child.wait().expect("its end");
    let said = run(&place, &["apply", "p.json"]).expect(0);
    assert!(said.out.contains("isolated. (sandbox)"), "{said:#?}");
    assert_eq!(bought(&place), before + 1);
    let after = run(&place, &["plan", "--detailed-exitcode"]).expect(0);
    assert!(after.out.starts_with("No changes."), "{after:#?}");
}

/// Instances that the account has ever had.
fn bought(place: &Place) -> u64 {
    let said = place.run(&["sandbox", "status", "--json"]).expect(0);
    let status: Value = serde_json::from_str(&said.out).expect("JSON");
    let states = status["instances"].as_object().expect("a map").values();
    states.map(|number| number.as_u64().expect("a number")).sum()
}

#[test]
fn what_somebody_else_did_in_between_ends_a_plan_that_was_begun() {
    let place = place();
    run(&place, &["plan", "--out", "p.json"]).expect(0);
    run(&place, &[&["apply", "p.json"], &SOLD_OUT[..]].concat()).expect(6);
    place.run(&["apply", "--yes", "--sandbox", "--only", "db"]).expect(0);
    stale(run(&place, &["apply", "p.json"]), &["state: there was none"]);
}
