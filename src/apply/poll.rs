//! How long to wait between two looks at an instance that is waited for. Pure.
//!
//! Each instance has a time of its own at which it is asked about again. By itself that is in proportion to how long it is
//! waited for; where many are waited for, the first of them show how long it takes, and the others are asked about when
//! that time is near.

use crate::cloud::limits::DESCRIBE_BATCH_MAX;
use std::time::Duration;

/// Shortest interval: what a wait can be late by.
pub const INTERVAL_MIN: Duration = Duration::from_millis(250);

/// Longest interval. Twice as long would make a slow boot look slower than it is; half as long would double the calls of a
/// wait in which nothing happens.
pub const INTERVAL_MAX: Duration = Duration::from_secs(5);

/// Share of the waited time by which a look may be late.
const LATENESS: u32 = 12;

/// Shortest interval where others of the run are asked about more often.
const INTERVAL_SAMPLED: Duration = Duration::from_secs(1);

/// Shortest interval where something is expected sooner than the next look would be. Also the shortest between two ticks.
pub const EXPECTED_MIN: Duration = Duration::from_millis(50);

/// Seconds of interval for each call of a tick, so that polling takes at most half of DescribeInstances' 100 a second.
const INTERVAL_FOR_EACH_CALL: Duration = Duration::from_millis(20);

/// Nothing is planned further ahead than this: what seems to be was planned before the clock was set back.
pub const AHEAD_MAX: Duration = Duration::from_secs(30);

/// What a run knows when it decides how soon to look again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outlook {
    /// How long the fastest of what this run bought took to run. None where nothing of it applies to the instance.
    pub fastest: Option<Duration>,
    /// More are waited for than one call asks about, and this is none of those by which the time is found out.
    pub crowded: bool,
    /// Nothing is left to be bought: what is still waited for decides when the run ends.
    pub last: bool,
}

/// The interval after `waited`, for what nothing else is known of.
pub fn interval(waited: Duration) -> Duration {
    (waited / LATENESS).clamp(INTERVAL_MIN, INTERVAL_MAX)
}

/// In how long an instance that is waited for since `waited` is asked about again.
pub fn next_look(waited: Duration, outlook: Outlook) -> Duration {
    let regular = interval(waited);
    let Some(fastest) = outlook.fastest.filter(|fastest| waited < *fastest) else {
        let sampled = outlook.crowded && outlook.fastest.is_none();
        return if sampled { regular.max(INTERVAL_SAMPLED) } else { regular };
    };
    let by_itself = if outlook.crowded { regular.max((fastest / 2).min(INTERVAL_MAX)) } else { regular };
    // The fastest was seen late, too: at the end it is found out by how much.
    let near = if outlook.last { fastest * 9 / 10 } else { fastest };
    let expected = if waited < near { near - waited } else { fastest / 40 };
    by_itself.min(expected).max(EXPECTED_MIN)
}

/// Shortest time from a tick that asked about `asked` instances to the next.
pub fn between_ticks(asked: usize) -> Duration {
    let calls = u32::try_from(asked.div_ceil(DESCRIBE_BATCH_MAX)).unwrap_or(u32::MAX);
    EXPECTED_MIN.max(INTERVAL_FOR_EACH_CALL.saturating_mul(calls)).min(AHEAD_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// When an instance is looked at, in milliseconds since it was bought, until `end`.
    fn looks(outlook: Outlook, end: u64) -> Vec<u128> {
        let mut at = Duration::ZERO;
        let mut all = Vec::new();
        while at < ms(end) {
            at += next_look(at, outlook);
            all.push(at.as_millis());
        }
        all
    }

    #[test]
    fn short_at_first_then_in_proportion() {
        let alone = Outlook::default();
        assert_eq!(next_look(ms(1_000), alone), ms(250));
        assert_eq!(next_look(ms(12_000), alone), ms(1_000));
        assert_eq!(next_look(ms(600_000), alone), ms(5_000));
    }

    #[test]
    fn a_crowd_leaves_it_to_the_first_to_find_out() {
        let crowd = Outlook { crowded: true, ..Outlook::default() };
        assert_eq!(next_look(ms(0), crowd), ms(1_000));
        assert_eq!(next_look(ms(24_000), crowd), ms(2_000));
    }

    #[test]
    fn what_is_known_of_others_decides_when_to_look() {
        let known = Outlook { fastest: Some(ms(2_000)), crowded: true, last: false };
        assert_eq!(looks(known, 2_500), [1_000, 2_000, 2_250, 2_500]);
        let slow = Outlook { fastest: Some(ms(60_000)), ..known };
        assert_eq!(looks(slow, 60_000)[..3], [5_000, 10_000, 15_000]);
        assert!(looks(slow, 60_000).contains(&60_000));
    }

    #[test]
    fn at_the_end_the_time_is_found_out_more_exactly() {
        let last = Outlook { fastest: Some(ms(2_000)), crowded: true, last: true };
        assert_eq!(looks(last, 2_000), [1_000, 1_800, 1_850, 1_900, 1_950, 2_000]);
        let few = Outlook { crowded: false, ..last };
        assert_eq!(looks(few, 1_000), [250, 500, 750, 1_000]);
        let slow = Outlook { fastest: Some(ms(60_000)), ..few };
        assert_eq!(next_look(ms(53_000), slow), ms(1_000));
        assert_eq!(next_look(ms(54_000), slow), ms(1_500));
    }

    #[test]
    fn polling_leaves_half_of_the_limit() {
        assert_eq!(between_ticks(1), ms(50));
        assert_eq!(between_ticks(10_000), ms(2_000));
    }
}
