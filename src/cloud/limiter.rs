//! When may the next call of an action start? Pure: the time is an argument.
//!
//! Calls are spaced evenly, with no burst. How the service counts a second is undocumented: a sliding window and a
//! bucket both admit even spacing, and only a generous bucket admits a burst.

use crate::model::Timestamp;
use std::time::Duration;

/// A second and two percent, in microseconds: the time in which `limit` calls are started. The two percent are for the
/// way, on which calls come closer to each other than they were sent.
const WINDOW_MICROS: i64 = 1_020_000;

/// How late a start may be and still be made up for by the next ones. Half of the two percent: whatever is made up for,
/// `limit + 1` starts always span at least 1.01 s. Without it the coarseness of timers (1 ms) would cost a tenth of the
/// rate at 100 calls a second.
const CATCH_UP_MICROS_MAX: i64 = 10_000;

/// Most by which the pace is slowed. The limit is shared with everybody who uses the account, so a pace far below it can
/// be right; at twice this value, CreateInstances at 5/s would start a call in 6.5 s, for 30 instances each.
const SLOWDOWN_MAX: i64 = 16;

/// After a slow-down, reports of throttling are ignored for this long: calls that were in flight before it tell nothing
/// new, and ten of them would stop the pacer nearly for good.
const DEAF_AFTER_SLOWDOWN: Duration = Duration::from_secs(1);

/// Paces one action: at most `limit` starts in any second, evenly spaced, slower while the service throttles.
#[derive(Clone, Debug)]
pub struct Pacer {
    interval_base: i64,
    interval: i64,
    /// Not before this, in microseconds since 1970. `Timestamp` is too coarse to space 100 calls a second.
    next: i64,
    /// Somebody was told to wait for `next`. Who comes late then was late; who comes late otherwise just came.
    awaited: bool,
    slowed_at: Option<Timestamp>,
}

impl Pacer {
    /// A pacer for `limit` calls a second. Zero is taken as one: a rate of nothing would wait for ever.
    pub fn new(limit: u32) -> Self {
        let limit = i64::from(limit.max(1));
        let interval = (WINDOW_MICROS + limit - 1) / limit;
        Self { interval_base: interval, interval, next: i64::MIN, awaited: false, slowed_at: None }
    }

    /// Starts a call now, or tells how long to wait before asking again. `None` means that the call has started.
    pub fn reserve(&mut self, now: Timestamp) -> Option<Duration> {
        let now = now.0.saturating_mul(1000);
        let wait = self.next.saturating_sub(now);
        if wait > self.interval {
            // Nothing is ever planned further ahead than one interval, so the clock was set back.
            self.next = now + self.interval;
            self.awaited = true;
            return Some(micros(self.interval));
        }
        if wait > 0 {
            self.awaited = true;
            return Some(micros(wait));
        }
        let catch_up = if self.awaited { CATCH_UP_MICROS_MAX.min(self.interval / 4) } else { 0 };
        self.awaited = false;
        self.next = self.next.saturating_add(self.interval).max(now + self.interval - catch_up);
        None
    }

    /// The service turned a call away for its rate: go at half the pace, and no call at once.
    pub fn throttled(&mut self, now: Timestamp) {
        if self.slowed_at.is_some_and(|at| now >= at && now.since(at) < DEAF_AFTER_SLOWDOWN) {
            return;
        }
        self.slowed_at = Some(now);
        self.interval = (self.interval * 2).min(self.interval_base * SLOWDOWN_MAX);
        self.next = self.next.max(now.0.saturating_mul(1000).saturating_add(self.interval));
    }

    /// The service admitted a call: an eighth faster, until the documented pace is reached. From the slowest pace that
    /// takes 21 calls.
    pub fn admitted(&mut self) {
        self.interval = (self.interval - (self.interval / 8).max(1)).max(self.interval_base);
    }

    /// The present distance between starts.
    pub fn interval(&self) -> Duration {
        micros(self.interval)
    }
}

fn micros(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Waits as told, plus `lateness`, until the pacer lets a call start. The time runs in microseconds, but the pacer is
    /// told milliseconds, as by a real clock.
    fn start(pacer: &mut Pacer, now: &mut i64, lateness: i64) -> i64 {
        while let Some(wait) = pacer.reserve(Timestamp(now.div_euclid(1000))) {
            *now += i64::try_from(wait.as_micros()).expect("short") + lateness;
        }
        *now
    }

    fn most_in_a_second(starts: &[i64]) -> usize {
        starts
            .iter()
            .enumerate()
            .map(|(i, from)| starts[i..].iter().take_while(|at| **at - from < 1_000_000).count())
            .max()
            .unwrap_or(0)
    }

    #[test]
    fn first_call_starts_at_once_and_the_next_is_spaced() {
        let mut pacer = Pacer::new(5);
        let now = Timestamp::from_secs(1_700_000_000);
        assert_eq!(pacer.reserve(now), None);
        assert_eq!(pacer.reserve(now), Some(Duration::from_millis(204)));
        assert_eq!(pacer.reserve(now.plus(Duration::from_millis(204))), None);
    }

    #[test]
    fn idle_time_saves_up_no_burst() {
        let mut pacer = Pacer::new(10);
        assert_eq!(pacer.reserve(Timestamp::from_secs(100)), None);
        assert_eq!(pacer.reserve(Timestamp::from_secs(1000)), None);
        assert!(pacer.reserve(Timestamp::from_secs(1000)).expect("waits") >= Duration::from_millis(102));
    }

    #[test]
    fn a_clock_set_back_costs_one_interval() {
        let mut pacer = Pacer::new(5);
        assert_eq!(pacer.reserve(Timestamp::from_secs(10_000)), None);
        assert_eq!(pacer.reserve(Timestamp::from_secs(5_000)), Some(Duration::from_millis(204)));
        assert_eq!(pacer.reserve(Timestamp(5_000_204)), None);
    }

    #[test]
    fn calls_in_flight_slow_down_once() {
        let mut pacer = Pacer::new(5);
        for _ in 0..10 {
            pacer.throttled(Timestamp::from_secs(100));
        }
        assert_eq!(pacer.interval(), Duration::from_millis(408));
        for second in 102..200 {
            pacer.throttled(Timestamp::from_secs(second));
        }
        assert_eq!(pacer.interval(), Duration::from_millis(204 * 16), "bounded");
    }

    proptest! {
        #[test]
        fn never_more_than_the_limit_in_any_second(
            limit in 1u32..120,
            steps in proptest::collection::vec((0i64..40_000, 0i64..300_000, 0u8..20), 1..300),
        ) {
            let mut pacer = Pacer::new(limit);
            let mut now = 1_700_000_000_000_000;
            let mut starts = Vec::new();
            for (lateness, pause, event) in steps {
                starts.push(start(&mut pacer, &mut now, lateness));
                match event {
                    0 => pacer.throttled(Timestamp(now / 1000)),
                    1..5 => now += pause,
                    _ => pacer.admitted(),
                }
            }
            prop_assert!(most_in_a_second(&starts) <= limit as usize);
        }

        #[test]
        fn is_no_slower_than_the_limit_asks(limit in 1u32..120) {
            let mut pacer = Pacer::new(limit);
            let mut now = 1_700_000_000_000_000;
            let first = start(&mut pacer, &mut now, 900);
            for _ in 0..5 * limit {
                start(&mut pacer, &mut now, 900);
            }
            // Five windows, each start less than a millisecond late.
            prop_assert!(now - first <= 5 * WINDOW_MICROS + i64::from(limit) * 5 + 3_000, "{}", now - first);
        }

        #[test]
        fn recovers_fully(limit in 1u32..120, throttles in 1i64..50) {
            let mut pacer = Pacer::new(limit);
            let base = pacer.interval();
            for second in 0..throttles {
                pacer.throttled(Timestamp::from_secs(1_700_000_000 + 2 * second));
                prop_assert!(pacer.interval() > base);
            }
            for _ in 0..21 {
                pacer.admitted();
            }
            prop_assert_eq!(pacer.interval(), base);
        }

        #[test]
        fn never_waits_longer_than_an_interval(limit in 1u32..120, jumps in proptest::collection::vec(-10_000_000i64..10_000_000, 1..50)) {
            let mut pacer = Pacer::new(limit);
            let mut now = 1_700_000_000_000i64;
            for jump in jumps {
                now += jump;
                if let Some(wait) = pacer.reserve(Timestamp(now)) {
                    prop_assert!(wait <= pacer.interval());
                }
            }
        }
    }
}
