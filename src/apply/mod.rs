//! Carrying a plan out.
//!
//! [`machine::Machine`] decides and does nothing else: it takes inputs (a reply, a turn, a timer, a signal) and gives effects
//! (write down, sign, call, wait, tell). [`driver`] performs the effects, in order: what is to be written down is durable
//! before the next effect begins. Tests and the simulation run exactly these two.

pub mod driver;
pub mod effect;
pub mod failure_policy;
pub mod graph;
pub mod machine;
pub mod poll;

pub use driver::{Driver, Outcome, run};
pub use machine::{Job, Machine, Setup};
