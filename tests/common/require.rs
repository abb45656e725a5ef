//! Tests that need a tool or a kernel feature which a machine may lack.
//!
//! `LHPROV_TEST_REQUIRE=all` turns every skip into a failure, so that continuous integration cannot pass by skipping.

#![allow(dead_code, clippy::print_stderr)]

use std::process::{Command, Stdio};

/// Reports that the running test checks nothing on this machine, because `missing` is missing.
///
/// # Panics
/// Under `LHPROV_TEST_REQUIRE=all`.
#[track_caller]
pub fn skip(missing: &str) {
    let required = std::env::var("LHPROV_TEST_REQUIRE").unwrap_or_default();
    match required.as_str() {
        "" => eprintln!("skipped: {missing}"),
        "all" => panic!("LHPROV_TEST_REQUIRE=all, but {missing}"),
        other => panic!("LHPROV_TEST_REQUIRE is `{other}`; the only value is `all`"),
    }
}

/// Whether `program` can be started; a test without it is skipped.
#[track_caller]
pub fn has_program(program: &str) -> bool {
    let mut command = Command::new(program);
    let command = command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let found = command.status().is_ok();
    if !found {
        skip(&format!("this machine has no `{program}`"));
    }
    found
}
