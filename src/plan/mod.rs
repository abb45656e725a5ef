//! From desired, prior and observed to a plan. Pure: no clock, no network, no file, nothing async.

pub mod batch;
pub mod change;
pub mod diff;
pub mod planner;
mod relocate;
pub mod request;
pub mod token;

pub use batch::Batch;
pub use change::{Action, AttributeDiff, Blocked, Change, Plan, Reason, Summary};
pub use planner::{Inputs, Options, Planned, plan};
pub use relocate::relocations;
