//! Output for programs: versioned, one form for one thing, money as decimal strings.

pub mod account;
pub mod checks;
pub mod events;
pub mod plan;
pub mod schema;
