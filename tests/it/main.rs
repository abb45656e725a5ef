//! The command as a user runs it: the built binary, in a folder of its own, with an environment of its own.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests tell what they did and what they skipped")]

mod accept;
mod altered;
mod apply;
mod bad_input;
mod change;
#[cfg(unix)]
mod colour;
#[cfg(unix)]
mod completions;
mod consent;
mod credentials;
mod events;
mod explain;
mod failure_policy;
mod far;
mod files;
mod fmt;
mod github;
mod graph;
mod huge_numbers;
mod identity;
mod import;
#[cfg(unix)]
mod interrupted;
mod language;
mod large_input;
mod leaks;
#[cfg(unix)]
mod live;
mod markdown;
mod named_files;
mod no_escape;
mod output;
mod preflight;
mod protocol;
#[path = "../common/require.rs"]
mod require;
mod sandbox;
mod saved_plan;
mod schema;
mod select;
mod sockets;
mod state;
mod state_files;
mod support;
mod tags;
#[cfg(unix)]
mod terminal;
mod unconfirmed;
mod usage;
mod values;
