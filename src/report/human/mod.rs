//! Output for people: calm, at 80 columns, its meaning never in the colour alone.

pub mod account;
mod bar;
pub mod cost;
pub mod diagnostic;
pub mod drift;
pub mod explain;
pub mod failure;
pub mod lines;
pub mod plan;
pub mod progress;
pub mod screen;
pub mod table;
pub mod tally;
pub mod unified;
