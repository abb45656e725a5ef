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

/// Shortest interval where something is expected sooner than the next poll would be.
const EXPECTED_MIN: Duration = Duration::from_millis(50);

/// The time until the next poll. `waited` is the age of the youngest wait, `pending` how many instances are polled, `expected`
/// in how long the next of them should be ready, by what others took.
pub fn interval(waited: Duration, pending: usize, expected: Option<Duration>) -> Duration {
    let calls = u32::try_from(pending.div_ceil(DESCRIBE_BATCH_MAX)).unwrap_or(u32::MAX);
    let regular = (waited / LATENESS).clamp(INTERVAL_MIN, INTERVAL_MAX);
    let next = expected.map_or(regular, |expected| expected.clamp(EXPECTED_MIN, regular));
    next.max(INTERVAL_FOR_EACH_CALL.saturating_mul(calls))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_at_first_then_in_proportion() {
        assert_eq!(interval(Duration::from_secs(1), 30, None), Duration::from_millis(250));
        assert_eq!(interval(Duration::from_secs(12), 30, None), Duration::from_secs(1));
        assert_eq!(interval(Duration::from_secs(600), 30, None), Duration::from_secs(5));
        assert_eq!(interval(Duration::from_secs(1), 10_000, None), Duration::from_secs(2));
    }

    #[test]
    fn sooner_where_something_is_expected() {
        let expected = |ms| interval(Duration::from_secs(12), 30, Some(Duration::from_millis(ms)));
        assert_eq!(expected(3), Duration::from_millis(50));
        assert_eq!(expected(700), Duration::from_millis(700));
        assert_eq!(expected(1_700), Duration::from_secs(1));
        assert_eq!(interval(Duration::from_secs(1), 10_000, Some(Duration::ZERO)), Duration::from_secs(2));
    }
}
