//! What streams get: no escape byte where no terminal reads, and no panic where nobody does.

use crate::support::{Cloud, Place, SMALL, said};
use std::process::Stdio;

#[test]
fn colour_can_be_forced_and_forbidden() {
    let mut place = Place::with(&SMALL.replace("version: 1", "version: 2"));
    assert!(place.run(&["validate", "--color", "always"]).has_escape());
    assert!(place.run(&["nonsense", "--color=always"]).has_escape());
    place.set("CLICOLOR_FORCE", "1");
    assert!(place.run(&["validate"]).has_escape());
    assert!(!place.run(&["validate", "--color", "never"]).has_escape());
    place.set("NO_COLOR", "1");
    assert!(!place.run(&["validate"]).has_escape());
    assert!(place.run(&["validate", "--color", "always"]).has_escape());
}

#[test]
fn a_reader_that_is_gone_is_no_failure_and_apply_goes_on() {
    let cloud = Cloud::start();
    let mut place = Place::with(SMALL);
    place.connect(&cloud);
    for arguments in [&["plan"][..], &["render"], &["apply", "--yes"], &["show"]] {
        let mut child =
            place.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
        // Closed before anything is written.
        drop(child.stdout.take());
        let said = said(&child.wait_with_output().expect("it ends")).expect(0);
        assert!(!said.err.contains("panicked"), "{said:#?}");
    }
    assert_eq!(place.run(&["state", "list"]).expect(0).out, "db\nweb[0]\nweb[1]\n");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_failure() {
    let place = Place::with(SMALL);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let output = place.command(&["render"]).stdout(full).stderr(Stdio::piped()).output().expect("the command starts");
    let said = said(&output).expect(1);
    assert!(said.err.contains("failed to write the result"), "{said:#?}");
}
