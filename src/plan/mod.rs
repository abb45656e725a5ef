//! From desired, prior and observed to a plan. Pure: no clock, no network, no file, nothing async.

mod alongside;
pub mod attribute;
pub mod batch;
pub mod change;
pub mod check;
pub mod diff;
pub mod drift;
pub mod limits;
mod ownership_tags;
pub mod placement;
pub mod planner;
pub mod preflight;
pub mod questions;
mod relocate;
pub mod remainder;
pub mod renewal;
pub mod request;
mod same;
pub mod seal;
pub mod select;
#[cfg(test)]
mod tests;
pub mod token;
pub mod unreported;
mod verdict;

pub use batch::Batch;
pub use change::{Action, AttributeDiff, Blocked, BlockedKind, Change, Plan, Reason, Summary};
pub use drift::{Decision, Drift};
pub use planner::attached::note_attached;
pub use planner::{Inputs, Options, Planned, plan};
pub use relocate::relocations;
pub use select::{Select, Selection};
