//! Words that the command does not understand, and those that it always does.

use crate::support::{Place, SMALL};

#[test]
fn a_slip_is_exit_64_with_the_nearest_word() {
    let place = Place::with(SMALL);
    for (arguments, near) in [
        (&["aply"][..], "apply"),
        (&["plan", "--detailed-exitcod"], "--detailed-exitcode"),
        (&["catalog", "bundels"], "bundles"),
        (&["complet"], "completions"),
        (&["graph", "--format", "mermiad"], "mermaid"),
        (&["plan", "--view", "ful"], "full"),
        (&["--colour", "never", "plan"], "--color"),
    ] {
        let said = place.run(arguments).expect(64);
        assert!(said.out.is_empty() && said.err.contains(near), "{said:#?}");
    }
}

#[test]
fn a_slip_in_an_address_is_told_with_the_nearest_one() {
    let mut place = Place::with(SMALL);
    place.set("LHPROV_SANDBOX", "1");
    place.run(&["apply", "--boot", "0s", "--yes"]).expect(0);
    for (arguments, code, near) in [
        (&["plan", "--only", "wbe"][..], 64, "`web`"),
        (&["plan", "--skip", "dbb"], 64, "`db`"),
        (&["plan", "--replace", "web[3]"], 64, "`web["),
        (&["drift", "--accept", "dbb"], 64, "`db`"),
        // Commands on what is recorded: that there is nothing is an answer as well as a slip.
        (&["show", "webb[1]"], 1, "`web[1]`"),
        (&["state", "show", "dbb"], 1, "`db`"),
        (&["renew", "dbb", "--yes"], 1, "`db`"),
    ] {
        let said = place.run(arguments).expect(code);
        assert!(said.err.contains(&format!("did you mean {near}")), "{arguments:?} {said:#?}");
    }
}

#[test]
fn mistakes_in_values_are_exit_64() {
    let place = Place::with(SMALL);
    for arguments in [
        &[][..],
        &["plan", "--lock-timeout", "10"],
        &["plan", "--region", "ap-shanghai"],
        &["plan", "--chdir", "nowhere"],
        &["state", "show", "web["],
        &["plan", "--endpoint", "http://example.com"],
    ] {
        let said = place.run(arguments).expect(64);
        assert!(said.out.is_empty() && !said.err.is_empty(), "{said:#?}");
    }
}

#[test]
fn help_and_version_are_results() {
    let place = Place::empty();
    for arguments in [&["--help"][..], &["-h"], &["--version"], &["version"], &["apply", "--help"], &["help", "plan"]] {
        let said = place.run(arguments).expect(0);
        assert!(said.err.is_empty() && said.out.contains("lhprov") && !said.has_escape(), "{said:#?}");
    }
    assert_eq!(place.run(&["version"]).out, place.run(&["--version"]).out);
}

#[test]
fn variables_stand_for_options_and_empty_ones_for_nothing() {
    let mut place = Place::with(SMALL);
    place.set("LHPROV_REGION", "");
    place.set("LHPROV_LOCK_TIMEOUT", "");
    place.run(&["validate"]).expect(0);
    place.set("LHPROV_FILE", "other.yaml");
    let said = place.run(&["validate"]).expect(1);
    assert!(said.err.contains("other.yaml"), "{said:#?}");
    place.run(&["validate", "-f", "lighthouse.yaml"]).expect(0);
    place.set("LHPROV_HTTP_TRACE", "maybe");
    place.run(&["validate", "-f", "lighthouse.yaml"]).expect(64);
}
