//! Deterministic simulation of the whole engine: the real planner, machine, driver, journal and state over a simulated
//! account, network, clock and disk, all from one seed.

pub mod chance;
mod circumstances;
pub mod disk;
pub mod executor;
pub(crate) mod fleet;
mod ledger;
mod life;
mod neighbours;
mod network;
pub mod runner;
pub mod sabotage;
pub mod schedule;
mod settle;
mod verdict;
mod world;
mod writer;

#[cfg(test)]
mod change_tests;
#[cfg(test)]
mod defect_tests;
#[cfg(test)]
mod hand_tests;
#[cfg(test)]
mod identity_tests;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod tests;
