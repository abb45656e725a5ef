//! Every kind of change against the sandbox: what the plan says, what apply does, and that nothing is left to do then.

use crate::support::Place;
use serde_json::Value;

const BASE: &str = "version: 1
stack: small
region: ap-guangzhou
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  db: { zones: [ap-guangzhou-3] }
  web: { count: 2 }
";

const FAST: [&str; 3] = ["--sandbox", "--boot", "0s"];

fn standing(manifest: &str) -> Place {
    let place = Place::with(manifest);
    place.run(&[&["apply", "--yes"], &FAST[..]].concat()).expect(0);
    place
}

/// Ids differ from run to run.
fn anonymous(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("lhins-") {
        let end = at + "lhins-".len();
        out.push_str(&rest[..end]);
        let id = rest[end..].chars().take_while(char::is_ascii_alphanumeric).count();
        out.push('…');
        rest = &rest[end + id..];
    }
    out.push_str(rest);
    out
}

/// What the plan for a changed manifest says; then applies it, and sees that nothing is left to do.
fn changed(place: &Place, manifest: &str, flags: &[&str]) -> String {
    place.write("lighthouse.yaml", manifest);
    let plan = place.run(&["plan", "--sandbox"]).expect(0).out;
    let said = place.run(&[&["apply", "--yes"], &FAST[..], flags].concat()).expect(0);
    assert!(said.out.contains("Applied: "), "{said:#?}");
    let after = place.run(&["plan", "--sandbox", "--detailed-exitcode"]).expect(0);
    assert!(after.out.starts_with("No changes."), "{after:#?}");
    anonymous(&plan)
}

fn id_of(place: &Place, address: &str) -> String {
    let said = place.run(&["show", address, "--json", "--sandbox"]).expect(0);
    let shown: Value = serde_json::from_str(&said.out).expect("JSON");
    shown["instance_id"].as_str().expect("an id").to_owned()
}

fn calls(place: &Place, action: &str) -> u64 {
    let said = place.run(&["sandbox", "status", "--json"]).expect(0);
    let status: Value = serde_json::from_str(&said.out).expect("JSON");
    status["calls"][action]["ok"].as_u64().or_else(|| status["calls"][action].as_u64()).unwrap_or(0)
}

#[test]
fn names_flags_and_tags_in_place() {
    let place = standing(BASE);
    let id = id_of(&place, "db");
    let manifest = BASE.replace(
        "db: { zones: [ap-guangzhou-3] }",
        "db: { zones: [ap-guangzhou-3], instance_name: main, tags: { tier: back }, charge: { renew_flag: NOTIFY_AND_AUTO_RENEW } }",
    );
    insta::assert_snapshot!(changed(&place, &manifest, &[]), @r#"
      ~  db  update lhins-…
            instance_name: "db" → "main"
            renew_flag: "NOTIFY_AND_MANUAL_RENEW" → "NOTIFY_AND_AUTO_RENEW"
            tags: {} → {"tier":"back"}

    Plan: 0 to add, 1 to change, 0 to destroy. (sandbox)
          2 unchanged. (sandbox)
    "#);
    assert_eq!(id_of(&place, "db"), id);
    let without = manifest.replace("tier: back", "team: a");
    insta::assert_snapshot!(changed(&place, &without, &[]), @r#"
      ~  db  update lhins-…
            tags: {"tier":"back"} → {"team":"a"}

    Plan: 0 to add, 1 to change, 0 to destroy. (sandbox)
          2 unchanged. (sandbox)
    "#);
}

#[test]
fn equal_values_share_a_call() {
    let place = standing(&BASE.replace("count: 2", "count: 12"));
    let manifest =
        BASE.replace("count: 2", "count: 12").replace("period: 1", "period: 1, renew_flag: NOTIFY_AND_AUTO_RENEW");
    changed(&place, &manifest, &[]);
    assert_eq!(calls(&place, "ModifyInstancesRenewFlag"), 1);
}

#[test]
fn a_larger_bundle_is_an_upgrade_and_says_what_it_costs() {
    let place = standing(BASE);
    let id = id_of(&place, "db");
    let manifest = BASE.replace("db: { ", "db: { bundle_id: bundle_rs_nmc_lin_med4_01, ");
    let plan = changed(&place, &manifest, &[]);
    assert!(plan.contains("^  db  upgrade lhins-…") && plan.contains("CNY now"), "{plan}");
    assert!(plan.contains("Plan: 0 to add, 1 to change, 0 to destroy."), "{plan}");
    assert_eq!(id_of(&place, "db"), id);
}

#[test]
fn a_smaller_bundle_is_a_replacement_that_names_the_attribute_and_its_place() {
    let place = standing(&BASE.replace("db: { ", "db: { bundle_id: bundle_rs_nmc_lin_med4_01, "));
    let id = id_of(&place, "db");
    place.write("lighthouse.yaml", BASE);
    let refused = place.run(&[&["apply", "--yes"], &FAST[..]].concat()).expect(7);
    assert!(refused.err.contains("--allow-data-loss"), "{refused:#?}");
    insta::assert_snapshot!(changed(&place, BASE, &["--allow-data-loss"]), @r#"
      +/- db  replace lhins-…: cannot be changed in place
            bundle_id: "bundle_rs_nmc_lin_med4_01" → "bundle_rs_nmc_lin_med2_01"
            `bundle_id` forces another instance (lighthouse.yaml:4:24)
            `bundle_rs_nmc_lin_med2_01` has less memory, disk, traffic than
              `bundle_rs_nmc_lin_med4_01`, and a bundle can only grow
            costs 50.00 CNY now
            the service takes it back

    needs --allow-data-loss: the data is lost of 1 instance

    Plan: 1 to add, 0 to change, 1 to destroy. (sandbox)
          50.00 CNY now, 50.00 CNY a month, quota left: 19996 GENERAL_BUNDLE, 1 with
          loss of data. (sandbox)
          2 unchanged. (sandbox)
    "#);
    assert_ne!(id_of(&place, "db"), id);
    let status = place.run(&["sandbox", "status", "--json"]).expect(0);
    let status: Value = serde_json::from_str(&status.out).expect("JSON");
    assert_eq!((&status["instances"]["RUNNING"], &status["instances"]["SHUTDOWN"]), (&3.into(), &1.into()));
}

#[test]
fn destroy_first_returns_before_it_buys() {
    let place = standing(BASE);
    let manifest =
        BASE.replace("db: { zones: [ap-guangzhou-3] }", "db: { zones: [ap-guangzhou-6], replace: destroy_first }");
    let plan = changed(&place, &manifest, &["--allow-data-loss"]);
    assert!(plan.contains("-/+ db  replace"), "{plan}");
    let status = place.run(&["sandbox", "status", "--json"]).expect(0);
    let status: Value = serde_json::from_str(&status.out).expect("JSON");
    assert_eq!((&status["instances"]["RUNNING"], &status["instances"]["SHUTDOWN"]), (&3.into(), &1.into()));
}

#[test]
fn another_image_wipes_the_disk_and_needs_consent() {
    let place = standing(BASE);
    let id = id_of(&place, "web[0]");
    let manifest = BASE.replace("web: { ", "web: { blueprint_id: lhbp-5e8807lo, ");
    place.write("lighthouse.yaml", &manifest);
    place.run(&[&["apply", "--yes"], &FAST[..]].concat()).expect(7);
    insta::assert_snapshot!(changed(&place, &manifest, &["--allow-data-loss"]), @r#"
      !  web[0-1]  reinstall 2 (lhins-…, lhins-…)
            web[0]  blueprint_id: "lhbp-f1lkcd41" → "lhbp-5e8807lo"
            web[1]  blueprint_id: "lhbp-f1lkcd41" → "lhbp-5e8807lo"
            wipes the system disk

    needs --allow-data-loss: the data is lost of 2 instances

    Plan: 0 to add, 2 to change, 0 to destroy. (sandbox)
          2 with loss of data. (sandbox)
          1 unchanged. (sandbox)
    "#);
    assert_eq!(id_of(&place, "web[0]"), id);
    let protected = BASE.replace("web: { ", "web: { protect: true, ");
    place.write("lighthouse.yaml", &protected);
    let said = place.run(&["plan", "--sandbox"]).expect(7);
    assert!(said.out.contains("is protected and its disk would be wiped"), "{said:#?}");
}

#[test]
fn power_goes_off_and_on() {
    let place = standing(BASE);
    let off = BASE.replace("web: { ", "web: { power: stopped, ");
    let plan = changed(&place, &off, &[]);
    assert!(plan.contains("web[0-1]  stop 2"), "{plan}");
    assert_eq!(calls(&place, "StopInstances"), 1);
    let plan = changed(&place, &off.replace("stopped", "running"), &[]);
    assert!(plan.contains("web[0-1]  start 2"), "{plan}");
}

#[test]
fn a_new_machine_that_is_to_be_off_is_turned_off() {
    let place = standing(&BASE.replace("db: { ", "db: { power: stopped, "));
    let said = place.run(&["plan", "--sandbox", "--detailed-exitcode"]).expect(0);
    assert!(said.out.starts_with("No changes."), "{said:#?}");
}

#[test]
fn keys_are_bound_and_unbound_and_a_password_is_set() {
    let mut place = standing(BASE);
    let keys = |ids: &str| BASE.replace("db: { ", &format!("db: {{ login: {{ key_ids: [{ids}] }}, "));
    changed(&place, &keys("lhkp-abc12345, lhkp-def12345"), &[]);
    changed(&place, &keys("lhkp-def12345, lhkp-0ther123"), &[]);
    changed(&place, &keys("lhkp-def12345"), &[]);
    place.set("DB_PASSWORD", "Correct-Horse-1");
    let password = BASE.replace("db: { ", "db: { login: { password: \"${env:DB_PASSWORD}\" }, ");
    let plan = changed(&place, &password, &[]);
    assert!(plan.contains("login.password: \"(earlier)\" → \"(sensitive)\""), "{plan}");
    place.set("DB_PASSWORD", "Another-Horse-2");
    changed(&place, &password, &[]);
    assert_eq!(calls(&place, "ResetInstancesPassword"), 2);
    let written = place.read("state/sandbox/small.json");
    assert!(!written.contains("Horse"), "{written}");
}

#[test]
fn what_is_ignored_is_left_alone_and_a_replacement_can_be_asked_for() {
    let place = standing(BASE);
    let id = id_of(&place, "db");
    let ignoring =
        BASE.replace("db: { zones: [ap-guangzhou-3]", "db: { zones: [ap-guangzhou-6], ignore_changes: [zones]");
    place.write("lighthouse.yaml", &ignoring);
    place.run(&["plan", "--sandbox", "--detailed-exitcode"]).expect(0);
    let said = place.run(&["plan", "--sandbox", "--replace", "db"]).expect(0);
    assert!(anonymous(&said.out).contains("+/- db  replace lhins-…: its replacement was asked for"), "{said:#?}");
    place.run(&["plan", "--sandbox", "--replace", "dd"]).expect(64);
    let flags = ["--replace", "db", "--allow-data-loss"];
    place.run(&[&["apply", "--yes"], &FAST[..], &flags].concat()).expect(0);
    assert_ne!(id_of(&place, "db"), id);
}

#[test]
fn a_replacement_that_is_asked_for_is_bought_once() {
    for order in ["create_first", "destroy_first"] {
        let place = standing(&BASE.replace("db: { ", &format!("db: {{ replace: {order}, ")));
        let (bought, before) = (calls(&place, "CreateInstances"), id_of(&place, "db"));
        let arguments = ["apply", "--yes", "--replace", "db", "--allow-data-loss"];
        place.run(&[&arguments[..], &FAST[..]].concat()).expect(0);
        assert_ne!(id_of(&place, "db"), before);
        assert_eq!(calls(&place, "CreateInstances"), bought + 1, "{order}");
    }
}

#[test]
fn what_the_api_would_refuse_is_refused_in_the_plan() {
    let place = standing(BASE);
    for (bundle, code) in [("bundle_rs_nmc_lin_soldout_01", "no-upgrade"), ("bundle_never", "no-such-bundle")] {
        place.write("lighthouse.yaml", &BASE.replace("db: { ", &format!("db: {{ bundle_id: {bundle}, ")));
        let said = place.run(&["plan", "--sandbox"]).expect(1);
        assert!(said.err.contains(code) && said.err.contains("lighthouse.yaml:6"), "{said:#?}");
    }
    place.write("lighthouse.yaml", &BASE.replace("db: { ", "db: { bundle_id: bundle_rs_nmc_lin_med4_01, "));
    let said = place.run(&["plan", "--sandbox", "--no-refresh"]).expect(0);
    assert!(said.out.contains("not checked"), "{said:#?}");
}

#[test]
fn purging_destroys_for_good_and_needs_consent() {
    let place = standing(BASE);
    place.run(&["destroy", "--sandbox", "-y", "--purge"]).expect(7);
    let said = place.run(&["destroy", "--sandbox", "-y", "--purge", "--allow-data-loss"]).expect(0);
    assert!(said.out.ends_with("Destroyed: 3 destroyed. (sandbox)\n"), "{said:#?}");
    let status = place.run(&["sandbox", "status", "--json"]).expect(0);
    let status: Value = serde_json::from_str(&status.out).expect("JSON");
    assert_eq!(status["instances"].as_object().map(serde_json::Map::len), Some(0), "{status:#}");
}

#[test]
fn more_than_twenty_leave_in_several_calls() {
    let place = standing(&BASE.replace("count: 2", "count: 44"));
    let said = place.run(&["destroy", "--sandbox", "-y"]).expect(0);
    assert!(said.out.ends_with("Destroyed: 45 isolated. (sandbox)\n"), "{said:#?}");
    assert_eq!(calls(&place, "IsolateInstances"), 3);
}

#[test]
fn renewing_buys_time_and_brings_back_what_was_returned() {
    let place = standing(BASE);
    let until = |place: &Place| {
        let said = place.run(&["show", "db", "--json", "--sandbox"]).expect(0);
        let shown: Value = serde_json::from_str(&said.out).expect("JSON");
        shown["attributes"]["expired_time"].as_str().expect("a time").to_owned()
    };
    let before = until(&place);
    place.run(&["renew", "db", "--sandbox"]).expect(9);
    let said = place.run(&["renew", "db", "--period", "2", "--sandbox", "-y"]).expect(0);
    assert!(said.out.contains(">  db  renew") && said.out.ends_with("Renewed: 1 renewed. (sandbox)\n"), "{said:#?}");
    assert!(until(&place) > before);
    place.run(&["plan", "--sandbox", "--detailed-exitcode"]).expect(0);
    let id = id_of(&place, "db");
    // Returned, and regretted.
    place.write("lighthouse.yaml", &BASE.replace("  db: { zones: [ap-guangzhou-3] }\n", ""));
    place.run(&[&["apply", "--yes"], &FAST[..]].concat()).expect(0);
    place.write("lighthouse.yaml", BASE);
    let plan = place.run(&["plan", "--sandbox"]).expect(0);
    assert!(plan.err.contains("lhprov renew db"), "{plan:#?}");
    let said = place.run(&["renew", "db", "--sandbox", "-y"]).expect(0);
    assert!(said.out.contains("comes back into service"), "{said:#?}");
    assert_eq!(id_of(&place, "db"), id);
    place.run(&["plan", "--sandbox", "--detailed-exitcode"]).expect(0);
    place.run(&["renew", "nothing", "--sandbox", "-y"]).expect(1);
    place.run(&["renew", "db", "--period", "13", "--sandbox", "-y"]).expect(1);
}

#[test]
fn drift_tells_what_changed_and_what_becomes_of_it() {
    let place = standing(BASE);
    let clean = place.run(&["drift", "--sandbox"]).expect(0);
    assert!(clean.out.starts_with("No drift. 3 instances are as they were left."), "{clean:#?}");
    // Somebody else, with a state of their own.
    std::fs::copy(place.path().join("state/sandbox/small.json"), place.path().join("other.json")).expect("copied");
    let other = BASE.replace("db: { ", "db: { instance_name: renamed, power: stopped, ");
    place.write("other.yaml", &other);
    place.run(&["apply", "--yes", "--sandbox", "-f", "other.yaml", "--state", "other.json"]).expect(0);
    let said = place.run(&["drift", "--sandbox"]).expect(3);
    let shown = anonymous(said.out.split("\nPaid until:").next().unwrap_or_default());
    insta::assert_snapshot!(shown, @r#"
    Drift: 2 differences in 3 instances. (sandbox)

      db  lhins-…
          is stopped
          instance_name: "db" → "renamed" (the next apply reverts it)
    "#);
    let plan = place.run(&["plan", "--sandbox", "--json"]).expect(0);
    let plan: Value = serde_json::from_str(&plan.out).expect("JSON");
    assert_eq!(plan["drift"].as_array().map(Vec::len), Some(2), "{plan:#}");
    // Adopted by writing the manifest after it; left alone by ignoring it.
    place.write("lighthouse.yaml", &other);
    place.run(&["drift", "--sandbox"]).expect(3);
    place.run(&[&["apply", "--yes"], &FAST[..]].concat()).expect(0);
    place.run(&["drift", "--sandbox"]).expect(0);
    place.write("lighthouse.yaml", &BASE.replace("db: { ", "db: { ignore_changes: [instance_name, power], "));
    place.run(&["drift", "--sandbox"]).expect(0);
    place.run(&["plan", "--sandbox", "--detailed-exitcode"]).expect(0);
    let due = place.run(&["drift", "--sandbox", "--expires-within", "40d"]).expect(3);
    assert!(due.out.contains("does not renew automatically"), "{due:#?}");
    place.run(&["drift", "--sandbox", "--expires-within", "1d"]).expect(0);
}

#[test]
fn an_answer_that_is_lost_is_looked_for() {
    let place = standing(BASE);
    let manifest = BASE.replace("db: { ", "db: { bundle_id: bundle_rs_nmc_lin_med4_01, ");
    place.write("lighthouse.yaml", &manifest);
    let fault = ["--fault", "lost-after:ModifyInstancesBundle:at=1"];
    place.run(&[&["apply", "--yes"], &FAST[..], &fault].concat()).expect(0);
    place.run(&["plan", "--sandbox", "--detailed-exitcode"]).expect(0);
    assert_eq!(calls(&place, "ModifyInstancesBundle"), 1);
}

#[test]
fn without_permission_for_tags_the_rest_goes_on() {
    let place = standing(BASE);
    let manifest = BASE.replace("db: { ", "db: { tags: { tier: back }, ").replace("web: { ", "web: { power: stopped, ");
    place.write("lighthouse.yaml", &manifest);
    let fault = ["--fault", "denied:ModifyResourceTags"];
    let said = place.run(&[&["apply", "--yes"], &FAST[..], &fault].concat()).expect(6);
    assert!(said.out.contains("ModifyResourceTags: ") && said.out.contains("2 updated, 1 failed"), "{said:#?}");
    // Never a replacement because of it.
    let plan = place.run(&["plan", "--sandbox"]).expect(0);
    assert!(plan.out.contains("Plan: 0 to add, 1 to change, 0 to destroy."), "{plan:#?}");
}

#[test]
fn what_is_not_taken_back_needs_consent_and_stays_on_record() {
    let place = standing(BASE);
    place.write("lighthouse.yaml", &BASE.replace("  db: { zones: [ap-guangzhou-3] }\n", ""));
    let plan = place.run(&["plan", "--sandbox", "--returns", "0"]).expect(0);
    assert!(plan.out.contains("needs --accept-no-refund") && plan.out.contains("(code 8)"), "{plan:#?}");
    let refused = place.run(&["apply", "--sandbox", "--yes", "--returns", "0"]).expect(7);
    assert!(refused.err.contains("--accept-no-refund"), "{refused:#?}");
    let said = place.run(&["apply", "--sandbox", "--yes", "--accept-no-refund", "--returns", "0"]).expect(0);
    assert!(said.out.contains("Left over, not taken back by the service:"), "{said:#?}");
    let plan = place.run(&["plan", "--sandbox", "--detailed-exitcode", "--returns", "0"]).expect(0);
    assert!(plan.err.contains("is left over from `db`"), "{plan:#?}");
}

#[test]
fn a_machine_that_stays_down_after_its_upgrade_is_started() {
    let place = standing(BASE);
    place.write("lighthouse.yaml", &BASE.replace("db: { ", "db: { bundle_id: bundle_rs_nmc_lin_med4_01, "));
    let slow = ["--operation-time", "ModifyInstancesBundle=1500ms", "--after-shutdown", "stopped"];
    let said = place.run(&[&["apply", "--yes"], &FAST[..], &slow].concat()).expect(0);
    assert!(said.out.contains("1 updated"), "{said:#?}");
    assert_eq!(calls(&place, "StartInstances"), 1);
    place.run(&["plan", "--sandbox", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_killed_upgrade_is_found_out_by_the_next_run() {
    let place = standing(BASE);
    place.write("lighthouse.yaml", &BASE.replace("db: { ", "db: { bundle_id: bundle_rs_nmc_lin_med4_01, "));
    // The answer never comes, and the process is killed while it waits for it.
    let fault = ["--fault", "delay=30s:ModifyInstancesBundle"];
    let mut child = place
        .command(&[&["apply", "--yes"], &FAST[..], &fault].concat())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the command starts");
    let journal = place.path().join("state/sandbox/small.json.journal");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let ordered = || std::fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"type\":\"order\""));
    while !ordered() && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    child.kill().expect("SIGKILL");
    child.wait().expect("it is over");
    let plan = place.run(&["plan", "--sandbox"]).expect(0);
    assert!(plan.out.contains("find out about the upgrade"), "{plan:#?}");
    let said = place.run(&[&["apply", "--yes"], &FAST[..]].concat()).expect(0);
    assert!(said.err.contains("the upgrade that an earlier run ordered has happened"), "{said:#?}");
    place.run(&["plan", "--sandbox", "--detailed-exitcode"]).expect(0);
    assert_eq!(calls(&place, "ModifyInstancesBundle"), 1);
}
