//! Observed state: what the cloud says in this run, and whose it is.

mod attached;
pub mod catalogue;
pub mod ownership;
pub mod refresh;

pub mod state;

pub use ownership::{Finding, Sought};
pub use state::ObservedState;
