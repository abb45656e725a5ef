//! How many requests a second each action admits.

use super::actions;
use super::call::ApiError;
use super::settings::Settings;
use crate::model::Timestamp;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// A second, the window of the limits.
const WINDOW_MS: i64 = 1000;

/// So many actions may have a window before old windows are dropped.
const ACTIONS_MAX: usize = 64;

/// A sliding window of one second for each action.
#[derive(Debug, Default)]
pub struct RateLimiter {
    overrides: BTreeMap<String, u32>,
    admitted: HashMap<String, VecDeque<i64>>,
}

impl RateLimiter {
    /// A limiter with the documented rates, but for those that the settings name.
    pub fn new(settings: &Settings) -> Self {
        Self { overrides: settings.rate_limits.clone(), admitted: HashMap::new() }
    }

    /// Counts a request at `now`. A request that is refused does not count.
    ///
    /// # Errors
    /// `RequestLimitExceeded` if the last second has admitted as many as the action may have.
    pub fn admit(&mut self, action: &str, now: Timestamp) -> Result<(), ApiError> {
        let documented = || actions::named(action).map_or(0, |known| known.rate);
        let limit = self.overrides.get(action).copied().unwrap_or_else(documented);
        if limit == 0 {
            return Ok(());
        }
        // Names come from outside: windows that have passed make room.
        if self.admitted.len() >= ACTIONS_MAX && !self.admitted.contains_key(action) {
            self.admitted.retain(|_, times| times.back().is_some_and(|time| now.0.saturating_sub(*time) < WINDOW_MS));
        }
        let times = self.admitted.entry(action.to_owned()).or_default();
        while times.front().is_some_and(|time| now.0.saturating_sub(*time) >= WINDOW_MS) {
            times.pop_front();
        }
        let count = u32::try_from(times.len()).unwrap_or(u32::MAX);
        if count >= limit {
            return Err(ApiError::new(
                "RequestLimitExceeded",
                format!(
                    "Your current request times equals to `{}` in a second, which exceeds the frequency limit \
                     `{limit}` for a second. Please reduce the frequency of calls.",
                    count + 1
                ),
            ));
        }
        times.push_back(now.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_the_documented_rate_in_any_second() {
        let mut limiter = RateLimiter::new(&Settings::default());
        for ms in [0, 100, 200, 300, 900] {
            assert_eq!(limiter.admit("CreateInstances", Timestamp(ms)), Ok(()));
        }
        let error = limiter.admit("CreateInstances", Timestamp(999)).unwrap_err();
        assert_eq!(error.code, "RequestLimitExceeded");
        assert!(error.message.contains("equals to `6`") && error.message.contains("limit `5`"), "{}", error.message);
        assert_eq!(limiter.admit("DescribeInstances", Timestamp(999)), Ok(()), "each action has its own");
        assert_eq!(limiter.admit("CreateInstances", Timestamp(1000)), Ok(()), "the first has left the window");
        assert!(limiter.admit("CreateInstances", Timestamp(1050)).is_err());
    }

    #[test]
    fn settings_override() {
        let rate_limits = [("CreateInstances".to_owned(), 1), ("DescribeZones".to_owned(), 0)].into();
        let mut limiter = RateLimiter::new(&Settings { rate_limits, ..Settings::default() });
        assert!(limiter.admit("CreateInstances", Timestamp(0)).is_ok());
        assert!(limiter.admit("CreateInstances", Timestamp(0)).is_err());
        for _ in 0..50 {
            assert!(limiter.admit("DescribeZones", Timestamp(0)).is_ok());
        }
    }
}
