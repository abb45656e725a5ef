//! The command as a user runs it: the built binary, in a folder of its own, with an environment of its own.

mod apply;
mod bad_input;
mod credentials;
mod files;
mod output;
mod sandbox;
mod support;
mod usage;
