//! From a plan to running machines and back, over HTTP.

use crate::support::{Cloud, Place, SMALL, said};
use serde_json::Value;
use std::process::Stdio;
use std::time::{Duration, Instant};

fn place(cloud: &Cloud) -> Place {
    let mut place = Place::with(SMALL);
    place.connect(cloud);
    place
}

#[test]
fn plan_apply_again_and_destroy() {
    let cloud = Cloud::start();
    let place = place(&cloud);
    insta::assert_snapshot!(place.run(&["plan", "--detailed-exitcode"]).expect(2).out, @"
      +  db  create bundle_rs_nmc_lin_med2_01 in any zone, lhbp-f1lkcd41, 1 month
            costs 10.00 CNY now
      +  web[0-1]  create 2 × bundle_rs_nmc_lin_med2_01 in any zone, lhbp-f1lkcd41,
            1 month, 1 batch
            costs 10.00 CNY each now

    Plan: 3 to add, 0 to change, 0 to destroy.
          30.00 CNY now, 30.00 CNY a month, quota left: 97 GENERAL_BUNDLE.
    ");
    let said = place.run(&["apply", "--yes"]).expect(0);
    insta::assert_snapshot!(said.out, @"
      +  db  create bundle_rs_nmc_lin_med2_01 in any zone, lhbp-f1lkcd41, 1 month
            costs 10.00 CNY now
      +  web[0-1]  create 2 × bundle_rs_nmc_lin_med2_01 in any zone, lhbp-f1lkcd41,
            1 month, 1 batch
            costs 10.00 CNY each now

    Plan: 3 to add, 0 to change, 0 to destroy.
          30.00 CNY now, 30.00 CNY a month, quota left: 97 GENERAL_BUNDLE.

    Running:
      db      lhins-00000001  192.0.2.1
      web[0]  lhins-00000002  192.0.2.2
      web[1]  lhins-00000003  192.0.2.3

    Bought in this run:
      db web[0-1]  3 instances  request 00000000-0000-4000-8000-000000000000

    Applied: 3 running.
    ");
    insta::assert_snapshot!(said.err, @"
    db  lhins-00000001  running  192.0.2.1
    web[0]  lhins-00000002  running  192.0.2.2
    web[1]  lhins-00000003  running  192.0.2.3
    ");
    assert_eq!(cloud.calls("CreateInstances"), 2);
    let said = place.run(&["apply"]).expect(0);
    assert_eq!(said.out, "No changes. 3 instances are as the manifest wants them.\n");
    place.run(&["plan", "--detailed-exitcode"]).expect(0);
    let said = place.run(&["plan", "--no-refresh"]).expect(0);
    assert!(said.out.contains("the cloud was not asked"), "{said:#?}");
    insta::assert_snapshot!(place.run(&["show"]).expect(0).out, @"
    Stack small, ap-guangzhou: 3 instances.

      ADDRESS  ID              STATE    PUBLIC     PAID UNTIL  RENEWS
      db       lhins-00000001  RUNNING  192.0.2.1              not by itself
      web[0]   lhins-00000002  RUNNING  192.0.2.2              not by itself
      web[1]   lhins-00000003  RUNNING  192.0.2.3              not by itself
    ");
    insta::assert_snapshot!(place.run(&["state", "show", "web[3]"]).expect(1).err, @"
    error: state/small.json has no `web[3]`
      help: did you mean `web[0]`?
    ");
    insta::assert_snapshot!(place.run(&["destroy", "-y"]).expect(0).out, @"
      -  db  isolate lhins-00000001: destroy was requested
      -  web[0-1]  isolate 2 (lhins-00000002, lhins-00000003): destroy was requested

    Plan: 0 to add, 0 to change, 3 to destroy.

    Isolated, recoverable for seven days:
      db      lhins-00000001
      web[0]  lhins-00000002
      web[1]  lhins-00000003

    Destroyed: 3 isolated.
    ");
    assert_eq!(cloud.calls("CreateInstances"), 2);
}

#[test]
fn without_consent_nothing_is_bought() {
    let cloud = Cloud::start();
    let place = place(&cloud);
    let said = place.run(&["apply"]).expect(9);
    assert!(said.err.contains("--yes"), "{said:#?}");
    assert_eq!(cloud.calls("CreateInstances"), 0);
}

#[test]
fn a_refusal_is_told_with_its_code_and_a_way_out() {
    let cloud = Cloud::start();
    cloud.shared.lock().unwrap().refuse =
        Some(("LimitExceeded.InstanceQuotaLimitExceeded", "The quota is \u{1b}[31mused up."));
    let place = place(&cloud);
    let said = place.run(&["apply", "--yes", "--no-preflight", "--events", "events.ndjson"]).expect(1);
    assert!(said.out.contains("LimitExceeded.InstanceQuotaLimitExceeded"), "{said:#?}");
    assert!(said.out.contains("help: ") && said.out.ends_with("Applied: 1 failed, 2 not started.\n"), "{said:#?}");
    let events = place.read("events.ndjson");
    let last: Value = serde_json::from_str(events.lines().last().expect("a line")).expect("JSON");
    assert_eq!((&last["type"], &last["exit_code"]), (&"summary".into(), &1.into()));
}

#[test]
fn events_are_numbered_and_end_with_the_summary_on_every_path() {
    let cloud = Cloud::start();
    let place = place(&cloud);
    for (arguments, code) in [
        (&["plan"][..], 0),
        (&["apply"], 9),
        (&["apply", "--yes", "--json"], 0),
        (&["plan", "--region", "ap-shanghai"], 64),
        (&["destroy", "--yes"], 0),
    ] {
        let said = place.run(&[arguments, &["--events", "events.ndjson"]].concat()).expect(code);
        let events = place.read("events.ndjson");
        let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        for (number, event) in events.iter().enumerate() {
            assert_eq!((&event["seq"], &event["v"]), (&number.into(), &1.into()), "{event}");
        }
        let last = events.last().expect("an event");
        assert_eq!((&last["type"], &last["exit_code"]), (&"summary".into(), &code.into()), "{said:#?}");
    }
}

#[test]
fn the_plan_for_programs_has_its_promised_keys() {
    let cloud = Cloud::start();
    let said = place(&cloud).run(&["plan", "--json"]).expect(0);
    let plan: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(plan["format_version"], "1.0");
    assert_eq!(plan["summary"]["create"], 3);
    let change = &plan["resource_changes"][0];
    assert_eq!((&change["address"], &change["change"]["actions"][0]), (&"db".into(), &"create".into()));
    assert_eq!(change["source"], serde_json::json!({"file": "lighthouse.yaml", "line": 6, "column": 3}));
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_run_with_its_code_and_the_next_run_goes_on() {
    let cloud = Cloud::start();
    cloud.shared.lock().unwrap().born = Some("PENDING");
    let place = place(&cloud);
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let before = cloud.calls("DescribeInstances");
        let child = place
            .command(&["apply", "--yes"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        // It polls: the purchase is behind it.
        let until = Instant::now() + Duration::from_secs(30);
        while cloud.calls("DescribeInstances") < before + 4 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        let id = child.id().to_string();
        let killed = std::process::Command::new("kill").args([&format!("-{signal}"), &id]).status().expect("kill");
        assert!(killed.success());
        let said = said(&child.wait_with_output().expect("it ends")).expect(code);
        assert!(said.out.contains("Still pending") && said.out.contains("run `lhprov apply --yes` again"), "{said:#?}");
    }
    assert_eq!(cloud.calls("CreateInstances"), 1);
}
