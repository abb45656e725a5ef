//! Every kind of end, every fault, and the account of each: the real command against a served sandbox, until an apply comes to
//! its end by itself. Then what was bought is what the manifest wants, and the state has every id.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests tell what they did and what they skipped")]

#[path = "../common/mod.rs"]
mod common;

mod account;
#[cfg(unix)]
mod ends;
mod panics;
mod rehearsals;
mod stage;
