//! The manifest after expansion and checks: one entry for each instance, no variables left.

pub mod state;

pub use state::{DependencyRef, DesiredInstance, DesiredState, Timeouts};
