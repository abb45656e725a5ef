//! Recovered instances that the user has not confirmed: two repositories with one stack name, and lost states.

use crate::support::{Place, Said};
use serde_json::Value;

const STACK: &str = "version: 1
stack: shop
region: ap-guangzhou
defaults: { bundle_id: bundle_starter_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  web: { count: 2 }
";

const STATE: &str = "state/sandbox/shop.json";

/// Everything that a command said, on one line.
fn words(said: &Said) -> String {
    format!("{} {}", said.out, said.err).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A command against one sandbox, with a state file of its own for each repository.
fn run(place: &Place, state: &str, arguments: &[&str]) -> Said {
    place.run(&[arguments, &["--sandbox", "--boot", "0s", "--state", state]].concat())
}

fn recorded(place: &Place, state: &str) -> Value {
    serde_json::from_str(&place.read(state)).expect("JSON")
}

/// The addresses that a state marks.
fn marked(place: &Place, state: &str) -> Vec<String> {
    let recorded = recorded(place, state);
    let all = recorded["instances"].as_object().expect("a map");
    all.iter().filter(|(_, one)| one["unconfirmed"] == true).map(|(address, _)| address.clone()).collect()
}

fn calls(place: &Place, action: &str) -> u64 {
    let said = place.run(&["sandbox", "status", "--json"]).expect(0);
    let status: Value = serde_json::from_str(&said.out).expect("JSON");
    status["calls"][action].as_u64().unwrap_or(0)
}

/// Every action that changes or ends an instance.
fn touched(place: &Place) -> u64 {
    let actions = [
        "IsolateInstances",
        "TerminateInstances",
        "ModifyInstancesAttribute",
        "ModifyInstancesBundle",
        "ResetInstance",
        "RenewInstances",
        "StopInstances",
        "StartInstances",
        "ModifyInstancesRenewFlag",
        "ModifyResourceTags",
    ];
    actions.iter().map(|action| calls(place, action)).sum()
}

/// Repository a has a fleet; repository b, a copy of it, has recovered that.
fn two_repositories(manifest: &str) -> Place {
    let place = Place::with(manifest);
    run(&place, "a.json", &["apply", "--yes"]).expect(0);
    run(&place, "b.json", &["apply", "--yes"]).expect(0);
    place
}

#[test]
fn a_copied_manifest_never_harms_the_fleet_of_the_other_repository() {
    let place = two_repositories(STACK);
    assert_eq!(marked(&place, "a.json"), Vec::<String>::new());
    assert_eq!(marked(&place, "b.json"), ["web[0]", "web[1]"]);
    let before = touched(&place);
    run(&place, "b.json", &["plan", "--detailed-exitcode"]).expect(0);
    let said = run(&place, "b.json", &["destroy", "--yes"]).expect(7);
    assert!(words(&said).contains("only tag lhprov-stack=shop says that this stack owns them"), "{said:#?}");
    run(&place, "b.json", &["destroy", "--yes", "--purge", "--allow-data-loss"]).expect(7);
    run(&place, "b.json", &["renew", "web", "--yes"]).expect(7);
    let edits = [
        ("count: 2", "count: 1"),
        ("count: 2", "count: 2, instance_name: other"),
        ("count: 2", "count: 2, bundle_id: bundle_rs_nmc_lin_med2_01"),
        ("count: 2", "count: 2, blueprint_id: lhbp-5e8807lo"),
        ("count: 2", "count: 2, power: stopped"),
        ("count: 2", "count: 2, tags: { a: b }"),
        ("count: 2", "count: 2, replace: destroy_first, zones: [ap-guangzhou-6]"),
        ("period: 1", "period: 1, renew_flag: NOTIFY_AND_AUTO_RENEW"),
    ];
    for (from, to) in edits {
        place.write("lighthouse.yaml", &STACK.replace(from, to));
        let flags = ["apply", "--yes", "--allow-data-loss", "--no-preflight"];
        for more in [&[][..], &["--until-settled"]] {
            let said = run(&place, "b.json", &[&flags[..], more].concat());
            assert_eq!(said.code, Some(7), "{to}: {said:#?}");
        }
    }
    place.write("lighthouse.yaml", STACK);
    run(&place, "b.json", &["apply", "--yes", "--allow-data-loss", "--replace", "web[0]"]).expect(7);
    run(&place, "b.json", &["state", "mv", "web[1]", "front"]).expect(7);
    assert_eq!(touched(&place), before);
    assert_eq!(marked(&place, "b.json"), ["web[0]", "web[1]"]);
}

#[test]
fn a_saved_plan_needs_the_confirmation_as_well() {
    let place = two_repositories(STACK);
    let said = run(&place, "b.json", &["plan", "--destroy", "--out", "p.json"]).expect(0);
    assert!(said.err.contains("apply p.json --sandbox --adopt"), "{said:#?}");
    let saved: Value = serde_json::from_str(&place.read("p.json")).expect("JSON");
    assert_eq!(saved["resource_changes"][0]["unconfirmed"]["tag"], "lhprov-stack=shop");
    assert_eq!(saved["consents"][0]["flag"], "--adopt");
    let shown = place.run(&["show", "p.json"]).expect(0);
    assert!(words(&shown).contains("unconfirmed: recognised by tag lhprov-stack=shop"), "{shown:#?}");
    let before = touched(&place);
    run(&place, "b.json", &["apply", "p.json"]).expect(7);
    assert_eq!(touched(&place), before);
    run(&place, "b.json", &["apply", "p.json", "--adopt"]).expect(0);
    assert_eq!(calls(&place, "IsolateInstances"), 1);
}

#[test]
fn confirmation_clears_the_mark_and_is_recorded() {
    let place = Place::with(STACK);
    let run = |arguments: &[&str]| place.run(&[arguments, &["--sandbox", "--boot", "0s"]].concat());
    run(&["apply", "--yes"]).expect(0);
    std::fs::remove_file(place.path().join(STATE)).expect("removed");
    let said = run(&["apply", "--yes"]).expect(0);
    assert!(words(&said).contains("another repository"), "{said:#?}");
    // A lost state with an unchanged manifest stays without changes.
    let said = run(&["plan", "--detailed-exitcode"]).expect(0);
    assert!(said.out.starts_with("No changes."), "{said:#?}");
    let said = place.run(&["show", "--sandbox"]).expect(0);
    assert!(said.out.contains("RUNNING, unconfirmed") && said.out.contains("--adopt"), "{said:#?}");
    let said = place.run(&["show", "--json", "--sandbox"]).expect(0);
    let shown: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(shown["instances"]["web[0]"]["unconfirmed"], true);
    let said = place.run(&["state", "list", "--sandbox"]).expect(0);
    assert_eq!(said.out, "web[0]\nweb[1]\n");
    assert!(said.err.starts_with("note: unconfirmed: web[0-1]."), "{said:#?}");
    run(&["apply", "--adopt", "--yes", "--only", "web[0]"]).expect(0);
    assert_eq!(marked(&place, STATE), ["web[1]"]);
    run(&["apply", "--adopt", "--yes"]).expect(0);
    assert_eq!(marked(&place, STATE), Vec::<String>::new());
    run(&["destroy", "--yes"]).expect(0);
}

/// With `ownership: name` recovery itself needs the confirmation, as it always did, and says by what it recognises.
#[test]
fn by_name_alone_nothing_is_recovered_without_confirmation() {
    let place = Place::with(&STACK.replace("region:", "ownership: name\nregion:"));
    run(&place, "a.json", &["apply", "--yes"]).expect(0);
    let said = run(&place, "b.json", &["plan"]).expect(0);
    assert!(words(&said).contains("unconfirmed: recognised by their names alone"), "{said:#?}");
    run(&place, "b.json", &["apply", "--yes"]).expect(7);
    run(&place, "b.json", &["apply", "--yes", "--adopt"]).expect(0);
    assert_eq!(marked(&place, "b.json"), Vec::<String>::new());
}

/// Repository b finds a successor that repository a bought: that is no history of its own either.
#[test]
fn what_the_other_repository_replaces_stays_unconfirmed() {
    let place = two_repositories(STACK);
    run(&place, "a.json", &["apply", "--yes", "--allow-data-loss", "--replace", "web[0]"]).expect(0);
    let said = run(&place, "b.json", &["plan"]);
    assert!(!said.out.contains("create"), "{said:#?}");
    let before = touched(&place);
    let said = run(&place, "b.json", &["apply", "--yes"]);
    assert!(matches!(said.code, Some(0 | 1 | 7)), "{said:#?}");
    assert_eq!(touched(&place), before, "{said:#?}");
    assert_eq!(marked(&place, "b.json"), ["web[0]", "web[1]"]);
}

#[test]
fn destroy_finds_what_a_lost_state_does_not_record() {
    let place = Place::with(STACK);
    let run = |arguments: &[&str]| place.run(&[arguments, &["--sandbox", "--boot", "0s"]].concat());
    run(&["apply", "--yes"]).expect(0);
    let old = place.read(STATE);
    place.write("lighthouse.yaml", &STACK.replace("count: 2", "count: 3"));
    run(&["apply", "--yes"]).expect(0);
    // The state of before the last apply.
    place.write(STATE, &old);
    let said = run(&["plan", "--destroy"]).expect(0);
    insta::assert_snapshot!(said.out, @r"
      -  web[0-1]  isolate 2 (lhins-0lc535g2, lhins-5ni6znxj): destroy was requested
            the service takes it back
      -  web[2]  isolate lhins-ajsuf1ax: destroy was requested
            unconfirmed: recognised by tag lhprov-stack=shop; another repository
              with this stack name may own it
            the service takes it back

    needs --adopt: 1 unconfirmed instance (web[2]): only tag lhprov-stack=shop says
          that this stack owns it; another repository with this stack name may own
          it

    Plan: 0 to add, 0 to change, 3 to destroy. (sandbox)
    ");
    let said = run(&["destroy", "--yes"]).expect(7);
    assert!(words(&said).contains("1 unconfirmed instance (web[2])"), "{said:#?}");
    std::fs::remove_file(place.path().join(STATE)).expect("removed");
    let said = run(&["destroy", "--yes"]).expect(7);
    assert!(words(&said).contains("3 unconfirmed instances (web[0-2])"), "{said:#?}");
    assert!(!said.out.contains("has no instance"), "{said:#?}");
    assert_eq!(calls(&place, "IsolateInstances"), 0);
    run(&["destroy", "--yes", "--adopt", "--only", "web[1]"]).expect(0);
    let said = run(&["destroy", "--yes", "--adopt"]).expect(0);
    assert!(said.out.contains("Destroyed: 2 isolated"), "{said:#?}");
    let said = run(&["destroy", "--yes"]).expect(0);
    assert!(said.out.contains("No changes. The stack has no instance."), "{said:#?}");
}

#[test]
fn destroy_names_candidates_by_name_and_stops() {
    let place = Place::with(&STACK.replace("region:", "ownership: name\nregion:"));
    let run = |arguments: &[&str]| place.run(&[arguments, &["--sandbox", "--boot", "0s"]].concat());
    run(&["apply", "--yes"]).expect(0);
    std::fs::remove_file(place.path().join(STATE)).expect("removed");
    for arguments in [&["destroy", "--yes"][..], &["plan", "--destroy"]] {
        let said = run(arguments).expect(7);
        let all = words(&said);
        assert!(all.contains("the account has 2 instances that bear names of stack `shop`"), "{said:#?}");
        assert!(all.contains("(`web-1`, RUNNING)") && !all.contains("no instance"), "{said:#?}");
    }
    run(&["destroy", "--yes", "--adopt"]).expect(0);
    assert_eq!(calls(&place, "IsolateInstances"), 1);
}

/// What `destroy` says of itself is true.
#[test]
fn destroy_gives_its_reasons() {
    let place = Place::with(&STACK.replace("web: { count: 2 }", "db: { protect: true }\n  web: {}"));
    let run = |arguments: &[&str]| place.run(&[arguments, &["--sandbox", "--boot", "0s"]].concat());
    run(&["apply", "--yes"]).expect(0);
    let said = run(&["plan", "--destroy"]).expect(7);
    assert!(said.out.contains("destroy was requested") && !said.out.contains("not in the manifest"), "{said:#?}");
    assert!(
        words(&said).contains("set `protect: false` for `db` and apply, or leave it out with --skip 'db'"),
        "{said:#?}"
    );
    run(&["destroy", "--yes", "--skip", "db"]).expect(0);
    let said = run(&["destroy", "--yes", "--purge", "--allow-data-loss", "--skip", "db"]).expect(0);
    assert!(said.out.starts_with("No changes. 1 instance is left out by --only or --skip."), "{said:#?}");
    let said = run(&["plan", "--destroy", "--skip", "db"]).expect(0);
    assert!(said.out.contains("No changes. 1 instance is left out"), "{said:#?}");
    // A protected instance that the manifest protects is not destroyed either when the state is lost.
    std::fs::remove_file(place.path().join(STATE)).expect("removed");
    let said = run(&["destroy", "--yes", "--adopt"]).expect(7);
    assert!(words(&said).contains("protected by the manifest"), "{said:#?}");
}

const LOST: &str = "version: 1
stack: shop
region: ap-guangzhou
defaults: { bundle_id: bundle_starter_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  db: {}
  edge: { for_each: { a: {}, b: {} }, instance_name: \"node-${each.key}\" }
  web: { count: 3 }
";

const STUB: &str = "version: 1\nstack: shop\nregion: ap-guangzhou\n";

const ADDRESSES: &str = "db\nedge[\"a\"]\nedge[\"b\"]\nweb[0]\nweb[1]\nweb[2]\n";

/// A fleet whose state and manifest are lost; the manifest is this now.
fn without_state_and_manifest(manifest: Option<&str>) -> Place {
    let place = Place::with(LOST);
    place.run(&["apply", "--yes", "--sandbox", "--boot", "0s"]).expect(0);
    for file in [STATE, "lighthouse.yaml"] {
        std::fs::remove_file(place.path().join(file)).expect("removed");
    }
    if let Some(manifest) = manifest {
        place.write("lighthouse.yaml", manifest);
    }
    place
}

/// State and manifest have everything back at its address, a plan changes nothing, and the account was not touched.
#[track_caller]
fn is_restored(place: &Place) {
    let said = place.run(&["plan", "--sandbox", "--detailed-exitcode"]).expect(0);
    assert!(said.out.starts_with("No changes. 6 instances"), "{said:#?}");
    assert_eq!(place.run(&["state", "list", "--sandbox"]).expect(0).out, ADDRESSES);
    assert_eq!(calls(place, "IsolateInstances"), 0);
}

#[test]
fn import_restores_state_and_manifest_from_an_empty_folder() {
    let place = without_state_and_manifest(None);
    let said = place.run(&["import", "--all", "--sandbox"]).expect(1);
    assert!(words(&said).contains("lhprov import --all --stack NAME --region REGION"), "{said:#?}");
    place.run(&["import", "--all", "--stack", "shop", "--region", "ap-guangzhou", "--sandbox"]).expect(0);
    insta::assert_snapshot!(place.read("lighthouse.yaml"), @r#"
    version: 1
    stack: shop
    region: ap-guangzhou
    instances:
      # Imported. What the service does not tell is not here: password, containers, init command, months bought.
      db:
        bundle_id: bundle_starter_nmc_lin_med2_01
        blueprint_id: lhbp-f1lkcd41
        charge: { period: 1, renew_flag: NOTIFY_AND_MANUAL_RENEW }
        zones: [ap-guangzhou-3]
      edge:
        for_each: { a: {}, b: {} }
        bundle_id: bundle_starter_nmc_lin_med2_01
        blueprint_id: lhbp-f1lkcd41
        charge: { period: 1, renew_flag: NOTIFY_AND_MANUAL_RENEW }
        instance_name: "node-${each.key}"
        zones: [ap-guangzhou-3]
      web:
        count: 3
        bundle_id: bundle_starter_nmc_lin_med2_01
        blueprint_id: lhbp-f1lkcd41
        charge: { period: 1, renew_flag: NOTIFY_AND_MANUAL_RENEW }
        zones: [ap-guangzhou-3]
    "#);
    is_restored(&place);
    // Only the tags say whose they are.
    place.run(&["destroy", "--yes", "--sandbox"]).expect(7);
    place.run(&["apply", "--adopt", "--yes", "--sandbox"]).expect(0);
    assert_eq!(marked(&place, STATE), Vec::<String>::new());
}

#[test]
fn import_accepts_a_manifest_without_instances() {
    let place = without_state_and_manifest(Some(STUB));
    place.run(&["plan", "--sandbox"]).expect(1);
    place.run(&["import", "--all", "--sandbox"]).expect(0);
    assert!(place.read("lighthouse.yaml").starts_with(STUB));
    is_restored(&place);
    let said = place.run(&["import", "--all", "--stack", "other", "--sandbox"]).expect(64);
    assert!(words(&said).contains("is not the manifest's stack, shop"), "{said:#?}");
}

/// Every way out that is named works, and none of the steps leads to a mass return.
#[test]
fn a_lost_manifest_never_leads_to_a_mass_return() {
    let place = without_state_and_manifest(Some(&format!("{STUB}instances: {{}}\n")));
    let run = |arguments: &[&str]| place.run(&[arguments, &["--sandbox"]].concat());
    let said = run(&["plan"]).expect(0);
    for command in ["`lhprov import --all --sandbox`", "`lhprov state rebuild --sandbox`"] {
        assert!(words(&said).contains(command), "{said:#?}");
    }
    let said = run(&["state", "rebuild"]).expect(0);
    assert!(words(&said).contains("protected until it is: db edge"), "{said:#?}");
    assert!(words(&said).contains("`lhprov import --all --sandbox` writes the blocks"), "{said:#?}");
    let said = run(&["apply", "--yes"]).expect(7);
    assert!(words(&said).contains("have no block in the manifest"), "{said:#?}");
    // With one block written by hand the others are safe as well.
    let stub = place.read("lighthouse.yaml");
    let db = "instances:\n  db: { bundle_id: bundle_starter_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }\n";
    place.write("lighthouse.yaml", &stub.replace("instances: {}\n", db));
    run(&["apply", "--yes"]).expect(7);
    run(&["import", "--all"]).expect(0);
    is_restored(&place);
    assert_eq!(marked(&place, STATE).len(), 6);
}

/// The state is there and only the manifest is lost: nothing becomes unconfirmed.
#[test]
fn import_writes_the_blocks_that_the_state_has() {
    let place = Place::with(LOST);
    let run = |arguments: &[&str]| place.run(&[arguments, &["--sandbox"]].concat());
    run(&["apply", "--yes", "--boot", "0s"]).expect(0);
    place.write("lighthouse.yaml", STUB);
    run(&["import", "--all"]).expect(0);
    is_restored(&place);
    assert_eq!(marked(&place, STATE), Vec::<String>::new());
    run(&["destroy", "--yes"]).expect(0);
}

/// Members that differ, and a row with a gap.
#[test]
fn blocks_come_back_whatever_became_of_their_instances() {
    let place = Place::with(LOST);
    let run = |arguments: &[&str]| place.run(&[arguments, &["--sandbox"]].concat());
    run(&["apply", "--yes", "--boot", "0s"]).expect(0);
    run(&["destroy", "--yes", "--only", "web[1]"]).expect(0);
    for file in [STATE, "lighthouse.yaml"] {
        std::fs::remove_file(place.path().join(file)).expect("removed");
    }
    run(&["import", "--all", "--stack", "shop", "--region", "ap-guangzhou"]).expect(0);
    let said = run(&["plan", "--detailed-exitcode"]).expect(0);
    assert!(said.out.starts_with("No changes. 5 instances"), "{said:#?}");
    let said = place.run(&["state", "list", "--sandbox"]).expect(0);
    assert_eq!(said.out, "db\nnode-a\nnode-b\nweb-0\nweb-2\n");
}
