//! Consent is visible on the command line: the environment gives none.

use crate::support::{Place, SMALL};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

const APPLY: [&str; 5] = ["apply", "--sandbox", "--boot", "0s", "--yes"];

#[test]
fn consent_in_the_environment_is_not_read_and_a_warning_names_the_flag() {
    let mut place = Place::with(SMALL);
    place.run(&APPLY).expect(0);
    for name in ["DESTROY", "YES", "PURGE", "ALLOW_DATA_LOSS", "BUY_ANYWAY", "ADOPT", "TAKE_OVER", "ACCEPT_NO_REFUND"] {
        place.set(&format!("LHPROV_{name}"), "1");
    }
    place.set("LHPROV_REPLACE", "db");
    place.set("LHPROV_TOKEN_TTL", "1s");
    place.set("LHPROV_FAULT", "lost-after:CreateInstances");
    place.set("LHPROV_FORMAT", "json");
    let said = place.run(&["apply", "--sandbox"]).expect(0);
    assert!(said.out.starts_with("No changes."), "{said:#?}");
    for flag in ["--destroy", "--yes", "--purge", "--take-over", "--replace", "--token-ttl", "--fault", "--format"] {
        let warnings = said.err.lines().filter(|line| line.ends_with(&format!("give {flag} on the command line")));
        assert_eq!(warnings.count(), 1, "{flag} {said:#?}");
    }
    // In every command, and never among results.
    for command in [&["validate"][..], &["version"], &["graph"], &["show", "--sandbox"]] {
        let said = place.run(command).expect(0);
        assert!(
            said.err.contains("LHPROV_DESTROY is set and is not read") && !said.out.contains("LHPROV_"),
            "{said:#?}"
        );
    }
    let said = place.run(&["__complete", "bash", "--", "lhprov pl", "pl"]).expect(0);
    assert!(said.err.is_empty(), "{said:#?}");
    // What the environment says of consent does not replace the flag either.
    place.write("lighthouse.yaml", &SMALL.replace("med2", "med4"));
    place.run(&["plan", "--sandbox", "--replace", "db", "--yes"]).expect(64);
    let said = place.run(&["apply", "--sandbox", "--replace", "db", "--yes"]).expect(7);
    assert!(said.err.contains("--allow-data-loss"), "{said:#?}");
}

#[test]
fn limits_in_the_environment_only_tighten() {
    let with = |variable: &str, value: &str, arguments: &[&str]| {
        let mut place = Place::with(SMALL);
        place.set(variable, value);
        place.run(&[&APPLY[..], arguments].concat())
    };
    with("LHPROV_MAX_SPEND", "1", &[]).expect(7);
    with("LHPROV_MAX_SPEND", "1", &["--max-spend", "100000"]).expect(7);
    with("LHPROV_MAX_SPEND", "100000", &["--max-spend", "1"]).expect(7);
    with("LHPROV_MAX_SPEND", "100000", &["--max-spend", "100000"]).expect(0);
    for (variable, value) in [
        ("LHPROV_MAX_SPEND", ""),
        ("LHPROV_MAX_SPEND", " "),
        ("LHPROV_MAX_SPEND", "much"),
        ("LHPROV_MAX_SPEND", "-1"),
        ("LHPROV_MAX_DESTROY", ""),
        ("LHPROV_MAX_DESTROY", "few"),
    ] {
        let said = with(variable, value, &[]).expect(64);
        assert!(said.err.contains(variable) && said.err.contains("unset "), "{said:#?}");
    }
    assert_eq!(with("OTHER", "", &["--max-spend", ""]).code, Some(64));
    // Renewals cost money as well.
    let mut place = Place::with(SMALL);
    place.run(&APPLY).expect(0);
    place.set("LHPROV_MAX_SPEND", "1");
    place.run(&["renew", "db", "--sandbox", "--yes"]).expect(7);
}

#[test]
fn the_variable_of_the_sandbox_takes_the_words_of_a_switch() {
    for (word, is_sandbox) in [
        ("no", false),
        ("OFF", false),
        ("False", false),
        ("n", false),
        ("0", false),
        ("", false),
        ("Yes", true),
        ("on", true),
        ("TRUE", true),
        ("1", true),
    ] {
        let mut place = Place::with(SMALL);
        place.set("LHPROV_SANDBOX", word);
        let said = place.run(&["plan"]);
        assert_eq!(said.code == Some(0), is_sandbox, "{word} {said:#?}");
        assert!(is_sandbox || said.err.contains("credentials"), "{word} {said:#?}");
        assert!(word.is_empty() || !place.path().join(word).exists(), "{word}");
    }
    let mut place = Place::with(SMALL);
    place.set("LHPROV_SANDBOX", "nein");
    let said = place.run(&APPLY[..1]).expect(64);
    assert!(said.err.contains("LHPROV_SANDBOX=./nein"), "{said:#?}");
    std::fs::create_dir(place.path().join("nein")).expect("a folder");
    place.run(&["plan"]).expect(0);
    place.set("LHPROV_SANDBOX", "./new");
    place.run(&["plan"]).expect(0);
}

#[test]
fn separators_of_variables_cut_no_flag() {
    let mut place = Place::empty();
    place.write("a:b.yaml", SMALL);
    place.write("v:1.yaml", "{}\n");
    place.run(&["validate", "-f", "a:b.yaml", "--var-file", "v:1.yaml"]).expect(0);
    place.set("LHPROV_FILE", "'a:b.yaml'");
    place.set("LHPROV_VAR_FILE", "\"v:1.yaml\":'v:1.yaml'");
    place.run(&["validate"]).expect(0);
    place.set("LHPROV_FILE", "a:b.yaml");
    assert!(place.run(&["validate"]).expect(1).err.contains("`a`"));
    place.set("LHPROV_FILE", "'a:b.yaml");
    assert!(place.run(&["validate"]).expect(64).err.contains("a quote is not closed"));
}

#[test]
fn an_empty_value_of_a_manifest_variable_is_an_empty_text() {
    let manifest =
        format!("{SMALL}variables: {{ note: {{ default: unset }} }}\noutputs: {{ note: \"<${{var.note}}>\" }}\n");
    let mut place = Place::with(&manifest);
    assert!(place.run(&["render"]).expect(0).out.contains("<unset>"));
    place.set("LHPROV_VAR_note", "");
    let rendered = place.run(&["render"]).expect(0).out;
    assert_eq!(rendered, place.run(&["render", "--var", "note="]).expect(0).out);
    assert!(rendered.contains("<>"), "{rendered}");
}

#[test]
fn a_variable_that_is_not_text_is_an_error_and_not_absent() {
    let place = Place::with(SMALL);
    for name in ["LHPROV_MAX_SPEND", "LHPROV_VAR_env", "LHPROV_REGION", "TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_TOKEN"]
    {
        let output =
            place.command(&["plan", "--sandbox"]).env(name, OsStr::from_bytes(b"\xff")).output().expect("runs");
        let said = crate::support::said(&output).expect(64);
        assert!(said.err.contains(&format!("the value of {name} is not UTF-8")), "{said:#?}");
    }
    // Paths need not be text.
    let name = OsStr::from_bytes(b"\xff.yaml");
    std::fs::write(place.path().join(name), SMALL).expect("written");
    let output = place.command(&["validate"]).env("LHPROV_FILE", name).output().expect("runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_switch_is_no_reason_for_a_freeze() {
    for word in ["false", "no", "off", "yes", "on", "true", "\"false\"", "No", "{ reason: off }"] {
        let place = Place::with(&format!("{SMALL}policy: {{ freeze: {word} }}\n"));
        let said = place.run(&["validate"]).expect(1);
        assert!(said.err.contains("is no reason for a freeze") && said.err.contains("take `freeze` out"), "{said:#?}");
        assert!(!said.err.contains("in quotes"), "{said:#?}");
    }
    Place::with(&format!("{SMALL}policy: {{ freeze: no changes in December }}\n")).run(&["validate"]).expect(0);
}

#[test]
fn an_unknown_price_needs_a_consent_of_its_own() {
    const FLAG: &str = "--accept-unknown-price";
    let place = Place::with(SMALL);
    let refused = |arguments: &[&str]| {
        let said = place.run(arguments).expect(7);
        assert!(said.err.contains(FLAG) && said.err.contains("the price is not known for"), "{said:#?}");
    };
    // Purchases.
    let denied = ["--fault", "denied:InquirePriceCreateInstances"];
    refused(&[&APPLY[..], &denied].concat());
    let planned = place.run(&[&["plan", "--sandbox", "--json"][..], &denied].concat()).expect(0);
    assert!(planned.out.contains("\"flag\":\"--accept-unknown-price\""), "{planned:#?}");
    let planned = place.run(&[&["plan", "--sandbox", "--format", "markdown"][..], &denied].concat()).expect(0);
    assert!(planned.out.contains(FLAG), "{planned:#?}");
    // A saved plan records the consent, and a flag that was given is not asked for.
    let save = ["plan", "--sandbox", "--out", "plan.json"];
    let said = place.run(&[&save[..], &denied].concat()).expect(0);
    assert!(said.out.contains("needs --accept-unknown-price") && said.err.contains(FLAG), "{said:#?}");
    refused(&[&["apply", "plan.json", "--sandbox"][..], &denied].concat());
    let said = place.run(&[&save[..], &denied, &[FLAG]].concat()).expect(0);
    assert!(!said.out.contains("needs --accept-unknown-price") && !said.err.contains(FLAG), "{said:#?}");
    assert!(place.run(&["show", "plan.json"]).expect(0).out.contains(FLAG));
    place.run(&[&["apply", "plan.json", "--sandbox", "--boot", "0s"][..], &denied].concat()).expect(0);
    // Renewals.
    let renew = ["renew", "db", "--sandbox", "--yes", "--fault", "denied:InquirePriceRenewInstances"];
    refused(&renew);
    place.run(&[&renew[..], &[FLAG]].concat()).expect(0);
    // Upgrades.
    place.write("lighthouse.yaml", &SMALL.replace("db: {}", "db: { bundle_id: bundle_rs_nmc_lin_med4_01 }"));
    let upgrade = [&APPLY[..], &["--fault", "denied:DescribeModifyInstanceBundles"]].concat();
    refused(&upgrade);
    place.run(&[&upgrade[..], &[FLAG]].concat()).expect(0);
    // Without preflight nothing is asked, and that flag is the consent.
    let more = SMALL.replace("db: {}", "db: { bundle_id: bundle_rs_nmc_lin_med4_01 }").replace("count: 2", "count: 3");
    place.write("lighthouse.yaml", &more);
    refused(&[&APPLY[..], &denied].concat());
    place.run(&[&APPLY[..], &denied, &["--no-preflight"]].concat()).expect(0);
}
