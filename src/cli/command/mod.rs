//! One file for each command.

pub mod apply;
pub mod auth;
pub mod catalog;
pub mod plan;
pub mod render;
pub mod sandbox;
pub mod selftest;
pub mod state;
pub mod validate;
pub mod version;
