//! `lhprov explain`: every code that lhprov says, and every one of the service that it knows.

use crate::support::Place;
use lhprov::diag::codes::CODES;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// The codes that the sources give to diagnostics: the first text after whatever makes one.
fn codes_in_the_sources() -> BTreeSet<String> {
    let makers = [
        "Diagnostic::error(",
        "Diagnostic::warning(",
        "problems.error(",
        " error(",
        "(error(",
        "let code = match code {",
    ];
    let mut found = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.to_string_lossy().ends_with("tests.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a source");
            let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            for maker in makers {
                for rest in text.split(maker).skip(1) {
                    let Some(code) = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next()) else {
                        continue;
                    };
                    if !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
                        found.insert(code.to_owned());
                    }
                }
            }
        }
    }
    // These are chosen by what is missing, and by what the service said.
    let chosen = ["missing-bundle-id", "missing-blueprint-id", "missing-period", "balance", "dry-run"];
    found.extend(chosen.map(str::to_owned));
    found
}

#[test]
fn every_code_that_is_said_is_explained_and_no_other() {
    let said = codes_in_the_sources();
    let explained: BTreeSet<String> = CODES.iter().map(|line| line.code.to_owned()).collect();
    let missing: Vec<_> = said.difference(&explained).collect();
    assert!(missing.is_empty(), "src/diag/codes.rs has no line for {missing:?}");
    let unused: Vec<_> = explained.difference(&said).collect();
    assert!(unused.is_empty(), "nothing says {unused:?}");
    assert!(said.len() > 80, "{}", said.len());
}

#[test]
fn one_code() {
    let place = Place::empty();
    insta::assert_snapshot!(place.run(&["explain", "unknown-key"]).expect(0).out, @r"
    unknown-key  (lhprov)

    There is no such key at this place. Passed over, it would not do what was meant.

    to do     Take the key that the message names; `lhprov schema manifest` lists
              all of them, also for editors.
    ");
    insta::assert_snapshot!(place.run(&["explain", "ResourcesSoldOut.BundleSoldOut"]).expect(0).out, @r#"
    ResourcesSoldOut.BundleSoldOut  (Tencent Cloud)

    The bundle is sold out.

    proves    The service said no: nothing was bought or changed by the call that it
              answers.
    because   the international SDK says: "Plan sold out." Stock is checked before
              the order: the DryRun checks it too (its page).
    to do     Choose another bundle, or another zone in `zones`; `lhprov catalog
              bundles` shows what is on sale where.
    "#);
    insta::assert_snapshot!(place.run(&["explain", "InternalError"]).expect(0).out, @r#"
    InternalError  (Tencent Cloud)

    A fault inside the service; it may have acted.

    proves    Nothing: the service may have acted. lhprov looks at what exists
              before it asks again, with the same token.
    because   the international SDK says: "Internal error." (common: a server's
              fault, at an unknown point)
    to do     Run again: lhprov looks at what exists before it repeats anything. If
              it stays, give the request id to the support.
    "#);
    insta::assert_snapshot!(place.run(&["explain", "LimitExceeded.Brandnew"]).expect(0).out, @r#"
    LimitExceeded.Brandnew  (Tencent Cloud)

    A quota of the account is used up. The code itself is not known to lhprov; this
    is said of its family, LimitExceeded.

    proves    The service said no: nothing was bought or changed by the call that it
              answers.
    because   the international SDK says: "Reached the quota limit." Quota is
              checked before the order: the DryRun of CreateInstances checks it too
              (its page).
    to do     Ask for a higher quota in the console, or spread over regions.
    "#);
    let json: Value = serde_json::from_str(&place.run(&["explain", "tab", "--json"]).expect(0).out).expect("JSON");
    assert_eq!((json["code"].as_str(), json["of"].as_str()), (Some("tab"), Some("lhprov")));
}

#[test]
fn a_typo_is_understood() {
    let said = Place::empty().run(&["explain", "unkown-key"]).expect(64);
    insta::assert_snapshot!(said.err, @r"
    error: no code `unkown-key` is known
      help: did you mean `unknown-key`?
      help: `lhprov explain` lists all codes
    ");
    let said = Place::empty().run(&["explain", "ResourcesSoldOut.BundelSoldOut"]).expect(0);
    assert!(said.out.contains("its family, ResourcesSoldOut"), "{}", said.out);
}

#[test]
fn all_codes() {
    let said = Place::empty().run(&["explain"]).expect(0);
    assert!(said.out.starts_with("lhprov\n  account "), "{}", said.out);
    assert!(said.out.contains("\nTencent Cloud\n  ActionOffline "), "{}", said.out);
    let codes: Vec<&str> = said.out.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    for line in CODES {
        assert!(codes.contains(&line.code), "{}", line.code);
    }
    let long = said.out.lines().filter(|line| line.chars().count() > 80).count();
    assert!(long < 15, "{}", said.out);
}

#[test]
fn an_error_of_the_service_names_the_way_here() {
    let place = Place::with(crate::support::SMALL);
    let said = place.run(&["plan", "--sandbox", "--fault", "denied:DescribeInstances"]);
    assert_ne!(said.code, Some(0), "{said:#?}");
    assert!(said.err.contains("request "), "{}", said.err);
    let hint = said.err.split("`lhprov explain ").nth(1).and_then(|rest| rest.split('`').next()).expect("a hint");
    place.run(&["explain", hint]).expect(0);
}
