//! Many schedules, on several threads.

use super::sabotage::Sabotage;
use super::schedule::{Failure, Passed, run_schedule};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What many schedules went through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// How many there were.
    pub schedules: u64,
    /// Of them, with circumstances beyond the promise.
    pub beyond: u64,
    /// Of them, that ended by stopping and asking.
    pub asked: u64,
    /// Of them, in which something was bought twice, beyond the promise, and told.
    pub slipped: u64,
    /// Processes that died in the middle.
    pub crashes: u64,
    /// Calls to the accounts.
    pub calls: u64,
    /// Instances at the ends.
    pub instances: u64,
}

impl Totals {
    fn add(&mut self, passed: Passed) {
        self.schedules += 1;
        self.beyond += u64::from(passed.beyond);
        self.asked += u64::from(passed.asked);
        self.slipped += u64::from(passed.slipped);
        self.crashes += passed.crashes;
        self.calls += passed.calls;
        self.instances += passed.instances;
    }
}

/// Runs the schedules of `count` seeds from `first`, on so many threads. Which seed fails does not depend on them.
///
/// # Errors
/// The first seed in order that breaks a promise.
pub fn run_many(first: u64, count: u64, threads: usize) -> Result<Totals, Box<Failure>> {
    let next = AtomicU64::new(first);
    let end = first.saturating_add(count);
    let totals = Mutex::new(Totals::default());
    let failed: Mutex<Option<Box<Failure>>> = Mutex::new(None);
    let stop_at = AtomicU64::new(end);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                // Seeds are given out in order, so all below one that failed are run to their end.
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= stop_at.load(Ordering::Relaxed) {
                        return;
                    }
                    match run_schedule(seed, Sabotage::Sound) {
                        Ok(passed) => totals.lock().unwrap_or_else(PoisonError::into_inner).add(passed),
                        Err(failure) => {
                            stop_at.fetch_min(seed, Ordering::Relaxed);
                            let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                            if failed.as_ref().is_none_or(|other| seed < other.seed) {
                                *failed = Some(Box::new(failure));
                            }
                        }
                    }
                }
            });
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(failure) => Err(failure),
        None => Ok(totals.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}
