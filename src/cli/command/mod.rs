//! One file for each command.

pub mod apply;
pub mod auth;
pub mod catalog;
pub mod completions;
pub mod drift;
pub mod explain;
pub mod fmt;
pub mod graph;
pub mod import;
pub mod man;
pub mod output;
pub mod plan;
pub mod price;
pub mod render;
pub mod renew;
pub mod sandbox;
pub mod saved;
pub mod schema;
pub mod selftest;
pub mod show;
pub mod state;
mod state_work;
pub mod validate;
pub mod version;
