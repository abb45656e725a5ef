//! Output for people.

pub mod diagnostic;
