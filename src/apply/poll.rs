//! How long to wait between two polls. Pure.

use crate::cloud::limits::DESCRIBE_BATCH_MAX;
use std::time::Duration;

/// Shortest interval: what a wait can be late by.
const INTERVAL_MIN: Duration = Duration::from_millis(250);

/// Longest interval. Twice as long would make a slow boot look slower than it is; half as long would double the calls of a
/// wait in which nothing happens.
const INTERVAL_MAX: Duration = Duration::from_secs(5);

/// Share of the waited time by which a poll may be late.
const LATENESS: u32 = 12;

/// Seconds of interval for each call of a tick, so that polling takes at most half of DescribeInstances' 100 a second.
const INTERVAL_FOR_EACH_CALL: Duration = Duration::from_millis(20);

/// The time until the next poll. `waited` is the age of the youngest wait, `pending` how many instances are polled.
pub fn interval(waited: Duration, pending: usize) -> Duration {
    let calls = u32::try_from(pending.div_ceil(DESCRIBE_BATCH_MAX)).unwrap_or(u32::MAX);
    (waited / LATENESS).clamp(INTERVAL_MIN, INTERVAL_MAX).max(INTERVAL_FOR_EACH_CALL.saturating_mul(calls))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_at_first_then_in_proportion() {
        assert_eq!(interval(Duration::from_secs(1), 30), Duration::from_millis(250));
        assert_eq!(interval(Duration::from_secs(12), 30), Duration::from_secs(1));
        assert_eq!(interval(Duration::from_secs(600), 30), Duration::from_secs(5));
        assert_eq!(interval(Duration::from_secs(1), 10_000), Duration::from_secs(2));
    }
}
