//! The command as a user runs it: the built binary, in a folder of its own, with an environment of its own.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests tell what they did and what they skipped")]

mod accept;
mod apply;
mod bad_input;
mod change;
mod credentials;
mod events;
mod explain;
mod far;
mod files;
mod github;
mod import;
mod language;
mod leaks;
mod markdown;
mod output;
mod preflight;
mod protocol;
mod sandbox;
mod saved_plan;
mod schema;
mod select;
mod sockets;
mod state;
mod support;
mod usage;
