//! Variables, keys, outputs, moves, with the real command against the sandbox.

use crate::support::{Place, Said};
use serde_json::Value;

const HEAD: &str = "version: 1
stack: shop
region: ap-guangzhou
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
";

fn run(place: &Place, arguments: &[&str]) -> Said {
    place.run(&[arguments, &["--sandbox=box", "--boot", "0s"]].concat())
}

fn write(place: &Place, rest: &str) {
    place.write("lighthouse.yaml", &format!("{HEAD}{rest}"));
}

/// Address and id of everything that the state has.
fn recorded(place: &Place) -> Vec<(String, String)> {
    let shown: Value = serde_json::from_str(&place.run(&["show", "--json", "--sandbox=box"]).expect(0).out).unwrap();
    let instances = shown["instances"].as_object().unwrap();
    instances.iter().map(|(address, one)| (address.clone(), one["instance_id"].as_str().unwrap().to_owned())).collect()
}

fn purchases(place: &Place) -> u64 {
    let status: Value =
        serde_json::from_str(&place.run(&["sandbox", "status", "--json", "--data", "box"]).expect(0).out).unwrap();
    status["calls"]["CreateInstances"].as_u64().unwrap_or(0)
}

#[test]
fn variables_come_from_four_places_and_the_last_wins() {
    let mut place = Place::empty();
    write(
        &place,
        "variables: { a: { default: d }, b: { default: d }, c: { default: d }, d: { default: d } }\ninstances: {}\n",
    );
    place.write("one.yaml", "b: f\nc: f\n");
    place.write("two.yaml", "c: g\n");
    place.set("LHPROV_VAR_a", "e");
    place.set("LHPROV_VAR_b", "e");
    place.set("LHPROV_VAR_FILE", "one.yaml");
    let values = |arguments: &[&str]| {
        let said = place.run(&[&["validate", "--json"], arguments].concat()).expect(0);
        let document: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(document["diagnostics"], serde_json::json!([]), "{said:#?}");
        ["a", "b", "c", "d"].map(|name| document["variables"][name].as_str().unwrap_or("?").to_owned()).join("")
    };
    assert_eq!(values(&[]), "effd");
    assert_eq!(values(&["--var-file", "one.yaml", "--var-file", "two.yaml"]), "efgd");
    assert_eq!(values(&["--var-file", "two.yaml", "--var", "c=x", "--var", "d=y", "--var", "d=z=1"]), "eexz=1");
    let said = place.run(&["validate", "--var", "novalue"]).expect(64);
    assert!(said.err.contains("expected NAME=VALUE"), "{said:#?}");
}

#[test]
fn outputs_are_told_kept_and_printed_in_every_form() {
    let place = Place::empty();
    write(
        &place,
        "instances:\n  web: { count: 2 }\n  edge: { for_each: { \"a b\": {} } }\noutputs:\n  ips: \"${instances.web[*].public_addresses[0]}\"\n  \
         edge: 'ssh ${instances.edge[\"a b\"].public_addresses[0]} # ${stack}'\n",
    );
    assert_eq!(place.run(&["output", "--json", "--sandbox=box"]).expect(0).out, "{}\n");
    let said = run(&place, &["apply", "--yes"]).expect(0);
    let told: Value = serde_json::from_str(&place.run(&["output", "--json", "--sandbox=box"]).expect(0).out).unwrap();
    let ips: Vec<&str> = told["ips"].as_array().unwrap().iter().map(|ip| ip.as_str().unwrap()).collect();
    assert_eq!(ips.len(), 2);
    let edge = told["edge"].as_str().unwrap();
    assert!(edge.starts_with("ssh ") && edge.ends_with(" # shop"), "{edge}");
    let text = format!("edge = \"{edge}\"\nips  = [\"{}\",\"{}\"]\n", ips[0], ips[1]);
    assert!(said.out.ends_with(&format!("\nOutputs:\n{text}")), "{said:#?}");
    assert_eq!(place.run(&["output", "--sandbox=box"]).expect(0).out, text);
    assert_eq!(place.run(&["output", "edge", "--sandbox=box"]).expect(0).out, format!("{edge}\n"));
    let env = place.run(&["output", "--format", "env", "--sandbox=box"]).expect(0).out;
    assert_eq!(env, format!("edge='{edge}'\nips='[\"{}\",\"{}\"]'\n", ips[0], ips[1]));
    let inventory = place.run(&["output", "--format", "ansible-inventory", "--sandbox=box"]).expect(0).out;
    let inventory: serde_yaml::Value = serde_yaml::from_str(&inventory).unwrap();
    let hosts = &inventory["all"]["children"]["web"]["hosts"];
    assert_eq!(hosts["web-1"]["ansible_host"].as_str(), Some(ips[1]));
    assert_eq!(
        inventory["all"]["children"]["edge"]["hosts"]["edge-a_b"]["lhprov_address"].as_str(),
        Some("edge[\"a b\"]")
    );
    let config = place.run(&["output", "--format", "ssh-config", "--sandbox=box"]).expect(0).out;
    assert!(config.contains(&format!("Host web-0\n  HostName {}\n", ips[0])), "{config}");
    let said = place.run(&["output", "ipz", "--sandbox=box"]).expect(1);
    assert!(said.err.contains("did you mean `ips`?"), "{said:#?}");
    place.run(&["output", "ips", "--format", "ssh-config", "--sandbox=box"]).expect(64);
    // What an output says may change with nothing else to do.
    write(&place, "instances:\n  web: { count: 2 }\n  edge: { for_each: { \"a b\": {} } }\noutputs: { n: 3 }\n");
    assert!(run(&place, &["apply", "--yes"]).expect(0).out.ends_with("\nOutputs:\nn = 3\n"));
    run(&place, &["destroy", "--yes"]).expect(0);
    assert_eq!(place.run(&["output", "--json", "--sandbox=box"]).expect(0).out, "{}\n");
}

#[test]
fn a_block_that_is_renamed_moves_and_is_never_bought_again() {
    let place = Place::empty();
    write(&place, "instances:\n  web: { count: 2 }\n  db: {}\n");
    run(&place, &["apply", "--yes"]).expect(0);
    let before = recorded(&place);
    let bought = purchases(&place);
    write(&place, "instances:\n  app: { count: 2 }\n  base: {}\n");
    for command in [&["plan"][..], &["apply", "--yes"]] {
        let said = run(&place, command).expect(1);
        assert!(said.err.contains("`web` would be returned and an equal `app` bought"), "{said:#?}");
        assert!(said.err.contains("moved: [{ from: web, to: app }]"), "{said:#?}");
        assert!(said.err.contains("moved: [{ from: db, to: base }]"), "{said:#?}");
    }
    let moved = "instances:\n  app: { count: 2 }\n  base: { instance_name: db }\nmoved: [{ from: web, to: app }, { from: db, to: base }]\n";
    write(&place, moved);
    let said = run(&place, &["plan", "--detailed-exitcode"]).expect(2);
    assert!(said.out.contains("->  base  move") || said.out.contains("-> base  move"), "{said:#?}");
    assert!(said.out.contains("app[1] moves here from web[1]"), "{said:#?}");
    assert!(said.out.contains("Plan: 0 to add, 2 to change, 0 to destroy."), "{said:#?}");
    let plan: Value = serde_json::from_str(&run(&place, &["plan", "--json"]).expect(0).out).unwrap();
    assert_eq!(plan["resource_changes"][0]["change"]["actions"], serde_json::json!(["move", "update"]));
    assert_eq!(plan["resource_changes"][2]["previous_address"], "db");
    assert_eq!(plan["summary"]["move"], 3);
    run(&place, &["apply", "--yes"]).expect(0);
    let ids =
        |pairs: &[(String, String)]| pairs.iter().map(|(_, id)| id.clone()).collect::<std::collections::BTreeSet<_>>();
    let after = recorded(&place);
    assert_eq!(ids(&before), ids(&after));
    assert_eq!(after.iter().map(|(address, _)| address.as_str()).collect::<Vec<_>>(), ["app[0]", "app[1]", "base"]);
    // The entries may stay, and may go.
    run(&place, &["plan", "--detailed-exitcode"]).expect(0);
    // Without the state nobody knows who is who; with or without the entries, that is no reason to buy.
    std::fs::remove_file(place.path().join("box/shop.json")).unwrap();
    let _ = std::fs::remove_file(place.path().join("box/shop.json.journal"));
    run(&place, &["apply", "--yes"]).expect(7);
    write(&place, "instances:\n  app: { count: 2 }\n  base: { instance_name: db }\n");
    let said = run(&place, &["apply", "--yes"]).expect(7);
    assert!(said.err.contains("the state does not know") || said.out.contains("the state does not know"), "{said:#?}");
    assert_eq!(purchases(&place), bought);
}

#[test]
fn what_is_forgotten_stays_in_the_cloud_and_in_nobodys_way() {
    let place = Place::empty();
    write(&place, "instances:\n  web: { count: 2 }\n  db: {}\n");
    run(&place, &["apply", "--yes"]).expect(0);
    write(&place, "instances:\n  db: {}\n  cache: { zones: [ap-guangzhou-3] }\nforget: [web]\n");
    let said = run(&place, &["plan"]).expect(0);
    assert!(said.out.contains("Plan: 1 to add, 0 to change, 0 to destroy."), "{said:#?}");
    assert!(said.out.contains("web[0-1]  forget 2 (lhins-"), "{said:#?}");
    run(&place, &["apply", "--yes"]).expect(0);
    let addresses: Vec<String> = recorded(&place).into_iter().map(|(address, _)| address).collect();
    assert_eq!(addresses, ["cache", "db"]);
    // The entry has done its work; what it let go does not stop a purchase.
    write(&place, "instances:\n  db: {}\n  cache: { zones: [ap-guangzhou-3] }\n  queue: { zones: [ap-guangzhou-6] }\n");
    run(&place, &["apply", "--yes"]).expect(0);
    let instances: Value =
        serde_json::from_str(&place.run(&["sandbox", "status", "--json", "--data", "box"]).expect(0).out).unwrap();
    assert!(instances.to_string().contains("RUNNING"), "{instances}");
}

#[test]
fn two_instances_cannot_move_to_one_address() {
    let place = Place::empty();
    write(&place, "instances:\n  web: {}\n  app: { zones: [ap-guangzhou-3] }\n");
    run(&place, &["apply", "--yes"]).expect(0);
    write(&place, "instances:\n  app: { zones: [ap-guangzhou-3] }\nmoved: [{ from: web, to: app }]\n");
    let said = run(&place, &["plan"]).expect(1);
    assert!(said.err.contains("the state has an instance there already"), "{said:#?}");
}

#[test]
fn a_key_that_is_renamed_is_a_rename_and_another_size_is_none() {
    let place = Place::empty();
    write(
        &place,
        "instances:\n  edge: { for_each: { a: {}, b: {} } }\n  db: {}\n  web: { count: 2 }\n  app: { count: 2 }\n",
    );
    run(&place, &["apply", "--yes"]).expect(0);
    write(
        &place,
        "instances:\n  edge: { for_each: { b: {}, c: {} } }\n  db: { count: 1 }\n  web: { count: 1 }\n  app: { count: 3 }\n",
    );
    let said = run(&place, &["plan"]).expect(1);
    assert!(said.err.contains(r#"moved: [{ from: 'edge["a"]', to: 'edge["c"]' }]"#), "{said:#?}");
    assert!(said.err.contains(r#"moved: [{ from: db, to: "db[0]" }]"#), "{said:#?}");
    assert!(!said.err.contains("web"), "{said:#?}");
}
