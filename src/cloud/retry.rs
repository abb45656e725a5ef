//! Shall a failed call be tried again, and when? A pure decision: time and chance are arguments.
//!
//! It is asked for reads only. Whether a write may be repeated is for the purchase protocol to say, not for a class of
//! errors.

use super::error::ErrorClass;
use std::time::Duration;

/// Bounds of the repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Most tries, the first one counted.
    pub attempts_max: u32,
    /// No try starts later than this after the first.
    pub elapsed_max: Duration,
    /// The longest wait after the first try; it doubles with each further one.
    pub backoff_first: Duration,
    /// The longest wait after any try.
    pub backoff_max: Duration,
}

impl RetryPolicy {
    /// For reads: 5 tries in at most 30 s. At twice the tries, a plan against a dead endpoint would keep its user
    /// waiting for a minute; at half of them, a fail-over of a few seconds would end it.
    pub const READ: RetryPolicy = RetryPolicy {
        attempts_max: 5,
        elapsed_max: Duration::from_secs(30),
        backoff_first: Duration::from_secs(1),
        backoff_max: Duration::from_secs(8),
    };
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Try again after this long.
    Wait(Duration),
    /// Hand the failure on.
    GiveUp,
}

/// Decides after try number `attempt` (the first is 1) failed with `class`, `elapsed` after the first one began.
/// `jitter` is a chance value in 0..1: "full jitter", since callers that failed together should not come back together.
pub fn decide(policy: RetryPolicy, class: ErrorClass, attempt: u32, elapsed: Duration, jitter: f64) -> Decision {
    let wait = match class {
        // The same request would get the same answer.
        ErrorClass::Auth | ErrorClass::Refused => return Decision::GiveUp,
        // A signature made anew cures a machine that slept, but not a clock that is wrong.
        ErrorClass::SignatureExpired if attempt > 1 => return Decision::GiveUp,
        ErrorClass::SignatureExpired => Duration::ZERO,
        ErrorClass::NotSent | ErrorClass::Throttled | ErrorClass::Ambiguous => backoff(policy, attempt, jitter),
    };
    if attempt >= policy.attempts_max || elapsed + wait > policy.elapsed_max {
        return Decision::GiveUp;
    }
    Decision::Wait(wait)
}

fn backoff(policy: RetryPolicy, attempt: u32, jitter: f64) -> Duration {
    // 2^20 s is above any cap; the shift stays in range.
    let doubled = policy.backoff_first.saturating_mul(1 << attempt.saturating_sub(1).min(20));
    let ceiling = doubled.min(policy.backoff_max);
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 1.0 };
    ceiling.mul_f64(jitter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(class: ErrorClass, attempt: u32, elapsed_secs: u64, jitter: f64) -> Decision {
        decide(RetryPolicy::READ, class, attempt, Duration::from_secs(elapsed_secs), jitter)
    }

    #[test]
    fn doubles_up_to_the_cap() {
        let waits: Vec<Decision> = (1..=5).map(|attempt| read(ErrorClass::NotSent, attempt, 0, 1.0)).collect();
        assert_eq!(
            waits,
            [
                Decision::Wait(Duration::from_secs(1)),
                Decision::Wait(Duration::from_secs(2)),
                Decision::Wait(Duration::from_secs(4)),
                Decision::Wait(Duration::from_secs(8)),
                Decision::GiveUp,
            ]
        );
    }

    #[test]
    fn gives_up_where_repetition_changes_nothing() {
        assert_eq!(read(ErrorClass::Refused, 1, 0, 0.0), Decision::GiveUp);
        assert_eq!(read(ErrorClass::Auth, 1, 0, 0.0), Decision::GiveUp);
        assert_eq!(read(ErrorClass::SignatureExpired, 1, 0, 1.0), Decision::Wait(Duration::ZERO));
        assert_eq!(read(ErrorClass::SignatureExpired, 2, 0, 1.0), Decision::GiveUp);
        assert_eq!(read(ErrorClass::Throttled, 1, 30, 0.5), Decision::GiveUp);
    }

    fn class() -> impl Strategy<Value = ErrorClass> {
        prop::sample::select(vec![
            ErrorClass::NotSent,
            ErrorClass::Throttled,
            ErrorClass::SignatureExpired,
            ErrorClass::Auth,
            ErrorClass::Refused,
            ErrorClass::Ambiguous,
        ])
    }

    proptest! {
        #[test]
        fn stays_within_its_bounds(class in class(), attempt in any::<u32>(), secs in 0u64..100, jitter in any::<f64>()) {
            if let Decision::Wait(wait) = read(class, attempt, secs, jitter) {
                prop_assert!(attempt < RetryPolicy::READ.attempts_max);
                prop_assert!(wait <= RetryPolicy::READ.backoff_max);
                prop_assert!(Duration::from_secs(secs) + wait <= RetryPolicy::READ.elapsed_max);
            }
        }

        #[test]
        fn always_ends(classes in proptest::collection::vec(class(), 5), jitter in 0.0f64..1.0) {
            let mut elapsed = Duration::ZERO;
            let gave_up = classes.into_iter().zip(1..).any(|(class, attempt)| {
                match decide(RetryPolicy::READ, class, attempt, elapsed, jitter) {
                    Decision::Wait(wait) => { elapsed += wait; false }
                    Decision::GiveUp => true,
                }
            });
            prop_assert!(gave_up);
        }
    }
}
