//! A command that is interrupted at an order which has no client token, and given again: with the real binary, by SIGINT and by
//! SIGKILL, while the service has carried the order out and its response has not arrived.

use crate::support::{Place, Said, said};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const MANIFEST: &str = "version: 1
stack: shop
region: ap-guangzhou
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  web: { count: 2, zones: [ap-guangzhou-3], replace: destroy_first }
";

fn place() -> Place {
    let place = Place::with(MANIFEST);
    run(&place, &["apply", "--yes", "--boot", "0s"]).expect(0);
    place
}

fn run(place: &Place, arguments: &[&str]) -> Said {
    place.run(&[arguments, &["--sandbox"]].concat())
}

/// How often the service was asked for an action.
fn calls(place: &Place, action: &str) -> u64 {
    let said = place.run(&["sandbox", "status", "--json"]).expect(0);
    let status: Value = serde_json::from_str(&said.out).expect("JSON");
    status["calls"][action].as_u64().unwrap_or(0)
}

/// Runs a command whose next `action` has its response delayed, and ends it by `signal` once the service has that request.
fn interrupt(place: &Place, arguments: &[&str], action: &str, signal: &str) -> Said {
    let before = calls(place, action);
    let fault = format!("delay=20s:{action}");
    let mut command = place.command(&[arguments, &["--sandbox", "--fault", &fault]].concat());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let until = Instant::now() + Duration::from_secs(60);
    while calls(place, action) == before {
        assert!(Instant::now() < until, "no {action}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let killed = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    said(&child.wait_with_output().expect("its end"))
}

#[test]
fn a_replacement_that_destroys_first_goes_on() {
    for signal in ["INT", "KILL"] {
        let place = place();
        place.write("lighthouse.yaml", &MANIFEST.replace("guangzhou-3", "guangzhou-6"));
        let apply = ["apply", "--yes", "--allow-data-loss"];
        let ended = interrupt(&place, &apply, "IsolateInstances", signal);
        assert_ne!(ended.code, Some(0), "{ended:#?}");
        let said = run(&place, &[&apply[..], &["--boot", "0s"]].concat()).expect(0);
        assert!(said.out.contains("web[0-1]") && !said.err.contains("error["), "{said:#?}");
        assert_eq!(calls(&place, "CreateInstances"), 2, "{signal}: two batches, one before and one after");
        let after = run(&place, &["plan", "--detailed-exitcode"]).expect(0);
        assert!(after.out.starts_with("No changes."), "{after:#?}");
    }
}

#[test]
fn a_saved_replacement_that_destroys_first_goes_on() {
    let place = place();
    place.write("lighthouse.yaml", &MANIFEST.replace("guangzhou-3", "guangzhou-6"));
    run(&place, &["plan", "--out", "p.json", "--allow-data-loss"]).expect(0);
    interrupt(&place, &["apply", "p.json"], "IsolateInstances", "KILL");
    run(&place, &["apply", "p.json"]).expect(0);
    assert_eq!(calls(&place, "CreateInstances"), 2);
}

#[test]
fn a_renewal_is_not_repeated() {
    for signal in ["INT", "KILL"] {
        let place = place();
        let renew = ["renew", "web[0]", "--period", "1", "--yes"];
        interrupt(&place, &renew, "RenewInstances", signal);
        // Another command in between settles it, and changes nothing about whose order it was.
        if signal == "KILL" {
            run(&place, &["apply", "--yes"]).expect(0);
        }
        let said = run(&place, &renew).expect(0);
        assert!(said.err.contains("renewed lhins-") && said.err.contains("It is not repeated"), "{said:#?}");
        assert!(said.out.starts_with("Already renewed."), "{said:#?}");
        assert_eq!(calls(&place, "RenewInstances"), 1);
        // It came to its end: the same words order another month.
        run(&place, &renew).expect(0);
        assert_eq!(calls(&place, "RenewInstances"), 2);
    }
}

#[test]
fn a_replacement_that_was_asked_for_is_not_repeated() {
    for (signal, replace) in [("INT", "create_first"), ("KILL", "create_first"), ("INT", "destroy_first")] {
        let place = Place::with(&MANIFEST.replace("destroy_first", replace));
        run(&place, &["apply", "--yes", "--boot", "0s"]).expect(0);
        let apply = ["apply", "--yes", "--allow-data-loss", "--replace", "web[0]", "--boot", "0s"];
        interrupt(&place, &apply, "IsolateInstances", signal);
        // The plan shows what the same words do.
        let shown = run(&place, &["plan", "--replace", "web[0]"]).expect(0);
        assert!(!shown.out.contains("+/-") || replace == "destroy_first", "{shown:#?}");
        run(&place, &apply).expect(0);
        assert_eq!(calls(&place, "CreateInstances"), 2, "{signal} {replace}");
        run(&place, &apply).expect(0);
        assert_eq!(calls(&place, "CreateInstances"), 3, "{signal} {replace}: it came to its end, and is a new order");
    }
}

#[test]
fn a_saved_plan_that_is_done_is_recognised() {
    let place = Place::with(MANIFEST);
    run(&place, &["plan", "--out", "p.json"]).expect(0);
    run(&place, &["apply", "p.json"]).expect(0);
    let said = run(&place, &["apply", "p.json"]).expect(0);
    assert!(said.out.starts_with("Already applied."), "{said:#?}");
    // Looking changes nothing, and neither does an apply that finds nothing to do.
    run(&place, &["plan"]).expect(0);
    run(&place, &["apply", "--yes"]).expect(0);
    run(&place, &["apply", "p.json"]).expect(0);
    assert_eq!(calls(&place, "CreateInstances"), 1);
    // Another run that changes the state makes the plan stale.
    place.write("lighthouse.yaml", &MANIFEST.replace("count: 2", "count: 3"));
    run(&place, &["apply", "--yes"]).expect(0);
    place.write("lighthouse.yaml", MANIFEST);
    run(&place, &["apply", "p.json"]).expect(5);
}

#[test]
fn a_state_that_an_older_version_left_in_the_middle_finds_its_way_out() {
    let place = place();
    place.write("lighthouse.yaml", &MANIFEST.replace("guangzhou-3", "guangzhou-6"));
    interrupt(&place, &["apply", "--yes", "--allow-data-loss"], "IsolateInstances", "INT");
    let state = place.read("state/sandbox/shop.json");
    assert!(state.contains("\"replacing\": true"), "{state}");
    let without: String =
        state.lines().filter(|line| !line.contains("\"replacing\"")).map(|line| format!("{line}\n")).collect();
    place.write("state/sandbox/shop.json", &without);
    // Nothing proves what the destroy was for, so consent to the loss is asked for.
    let said = run(&place, &["apply", "--yes"]).expect(7);
    assert!(said.err.contains("--allow-data-loss"), "{said:#?}");
    run(&place, &["apply", "--yes", "--allow-data-loss", "--boot", "0s"]).expect(0);
    assert_eq!(calls(&place, "CreateInstances"), 2);
}
