//! Deterministic simulation of the whole engine: the real planner, machine, driver, journal and state over a simulated
//! account, network, clock and disk, all from one seed.

pub mod chance;
pub mod disk;
pub mod executor;
pub mod sabotage;
pub mod schedule;
pub mod world;

#[cfg(test)]
mod change_tests;
#[cfg(test)]
mod tests;
