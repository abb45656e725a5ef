//! How a failed request is handled: retried, checked for its effect, rejected, given up, or a reason to end the run. Pure.
//!
//! Every request of a run that can change something asks here, and so does the lookup before a purchase. The caller knows
//! how to check for an effect, and what a rejection means for its items. When to retry is decided by this table alone.

use crate::cloud::{CloudError, ErrorClass};
use std::time::Duration;

/// What a request was meant to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Sign the request of a purchase.
    Sign,
    /// List the stack's instances before a purchase.
    Lookup,
    /// Create instances. Sent again only under the same token, after a lookup.
    Purchase,
    /// A change in place that may be sent twice.
    Change,
    /// A change that costs money or data and has no token: upgrade, reinstall, renewal.
    Order,
    /// Set an instance's name.
    Rename,
    /// Isolate instances.
    Destroy,
    /// Delete isolated instances.
    Purge,
    /// Set tags, by the Tag service, which has permissions of its own.
    Tag,
}

/// One failed attempt, with what went before it.
#[derive(Clone, Copy, Debug)]
pub struct FailedAttempt {
    /// What the error proves.
    pub class: ErrorClass,
    /// Whether the service refuses because of a state that ends by itself, such as another operation.
    pub is_temporary: bool,
    /// Whether a permission is missing, while the credentials are good.
    pub is_permission: bool,
    /// Failed attempts so far, this one counted.
    pub attempts: u32,
    /// Whether the attempt before this one failed with the same class.
    pub is_same_class: bool,
    /// Time since the operation began.
    pub elapsed: Duration,
    /// Time that the operation may take. No attempt starts later.
    pub deadline: Duration,
    /// Chance, 0 to 1: requests that failed together do not return together.
    pub jitter: f64,
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It had no effect. Send it again after this time.
    Retry(Duration),
    /// It may have had an effect. Check for that, not before this time; what was not carried out may be sent again.
    Ambiguous(Duration),
    /// The service refuses it. The same request would be refused again.
    Reject,
    /// Time or attempts are used up. A later run may succeed.
    GiveUp,
    /// No request of this run can succeed: nothing more begins.
    EndRun,
}

/// Attempts of a request that has no deadline of its own.
const ATTEMPTS_MAX: u32 = 8;

/// Refusals of a destroy or purge whose check shows no effect, after which it is rejected. The check may read a state that
/// is some seconds old.
const CHECKED_REFUSALS_MAX: u32 = 3;

/// Refusals of a purchase with an ambiguous earlier attempt, after which it is left to the next run.
const UNPROVED_REFUSALS_MAX: u32 = 3;

/// Refusals of a purchase, each contradicted by a dry run that passed, after which the service refuses the token and not the
/// request. Stock can come back between two calls, once.
const CONTRADICTED_REFUSALS_MAX: u32 = 2;

/// Longest first pause; it doubles with each attempt.
const BACKOFF_FIRST: Duration = Duration::from_millis(500);

/// Longest pause.
const BACKOFF_MAX: Duration = Duration::from_secs(20);

impl FailedAttempt {
    /// A failed attempt of an operation that began `elapsed` ago.
    pub fn of(error: &CloudError, history: &History, elapsed: Duration, deadline: Duration, jitter: f64) -> Self {
        Self {
            class: error.class,
            is_temporary: is_temporary(error),
            is_permission: is_permission(error),
            attempts: history.attempts,
            is_same_class: history.is_same_class,
            elapsed,
            deadline,
            jitter,
        }
    }
}

/// The failed attempts of one operation.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// How many there were.
    pub attempts: u32,
    is_same_class: bool,
    last_class: Option<ErrorClass>,
}

impl History {
    /// Counts a failed attempt.
    pub fn count(&mut self, class: ErrorClass) {
        self.attempts += 1;
        self.is_same_class = self.last_class == Some(class);
        self.last_class = Some(class);
    }
}

/// Decides after a failed attempt.
pub fn decide(operation: Operation, failed: &FailedAttempt) -> Decision {
    match failed.class {
        // The Tag service has permissions of its own; without them everything else goes on.
        ErrorClass::Auth if operation == Operation::Tag && failed.is_permission => Decision::Reject,
        ErrorClass::Auth => Decision::EndRun,
        // Signed a moment ago and out of date again: one of the clocks is wrong.
        ErrorClass::SignatureExpired if failed.is_same_class => Decision::EndRun,
        // Nothing can be sent without a signature, and the credentials' own retries are used up.
        _ if operation == Operation::Sign => Decision::EndRun,
        ErrorClass::Refused if !failed.is_temporary => Decision::Reject,
        ErrorClass::Ambiguous if operation == Operation::Purchase => {
            within_limits(operation, failed, Decision::Ambiguous)
        }
        // The check decides whether there is another attempt; see `decide_after_check`.
        ErrorClass::Ambiguous if is_checked(operation) => Decision::Ambiguous(Duration::ZERO),
        _ => within_limits(operation, failed, Decision::Retry),
    }
}

/// Decides after a check that shows no effect of the last attempt, which was refused or had no usable response.
pub fn decide_after_check(operation: Operation, failed: &FailedAttempt) -> Decision {
    match failed.class {
        ErrorClass::Refused if !failed.is_temporary => {
            let refusals_max = if is_removal(operation) { CHECKED_REFUSALS_MAX } else { 1 };
            match failed.attempts < refusals_max {
                true => within_limits(operation, failed, Decision::Retry),
                false => Decision::Reject,
            }
        }
        _ => within_limits(operation, failed, Decision::Retry),
    }
}

/// Decides after a refusal of a purchase with an ambiguous earlier attempt: it proves nothing about that one.
pub fn decide_unproved_refusal(refusals: u32, failed: &FailedAttempt) -> Decision {
    match refusals < UNPROVED_REFUSALS_MAX {
        true => within_limits(Operation::Purchase, failed, Decision::Ambiguous),
        false => Decision::GiveUp,
    }
}

/// Decides after a refusal of a purchase that a dry run contradicts.
pub fn decide_contradicted_refusal(refusals: u32, jitter: f64) -> Decision {
    match refusals < CONTRADICTED_REFUSALS_MAX {
        true => Decision::Retry(backoff(refusals, jitter)),
        false => Decision::Reject,
    }
}

/// Operations whose effect is read from the instance after an ambiguous attempt. The others are sent again at once: a name
/// or tag that is set twice is set, and a lookup has no effect.
fn is_checked(operation: Operation) -> bool {
    matches!(operation, Operation::Change | Operation::Order) || is_removal(operation)
}

fn is_removal(operation: Operation) -> bool {
    matches!(operation, Operation::Destroy | Operation::Purge)
}

fn within_limits(operation: Operation, failed: &FailedAttempt, again: fn(Duration) -> Decision) -> Decision {
    let attempts_max = match operation {
        // Only their deadline ends them.
        Operation::Lookup | Operation::Purchase | Operation::Change | Operation::Order => u32::MAX,
        Operation::Sign => 1,
        Operation::Rename | Operation::Destroy | Operation::Purge | Operation::Tag => ATTEMPTS_MAX,
    };
    let wait = backoff(failed.attempts, failed.jitter);
    // What the service refuses for a while has a deadline alone.
    let is_last = failed.attempts >= attempts_max && !failed.is_temporary;
    if is_last || failed.elapsed.saturating_add(wait) > failed.deadline { Decision::GiveUp } else { again(wait) }
}

/// The pause after `attempts` failed attempts: doubling, capped, at least half of that by chance.
pub fn backoff(attempts: u32, jitter: f64) -> Duration {
    let doubled = BACKOFF_FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(10));
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 1.0 };
    doubled.min(BACKOFF_MAX).mul_f64(0.5 + 0.5 * jitter)
}

/// Whether the service refuses because of a state that ends by itself.
pub fn is_temporary(error: &CloudError) -> bool {
    [
        "UnsupportedOperation.LatestOperationUnfinished",
        "OperationDenied.InstanceOperationInProgress",
        "OperationDenied.InstanceCreating",
    ]
    .iter()
    .any(|code| error.is(code))
}

/// Whether the service knows the caller and does not permit this action.
pub fn is_permission(error: &CloudError) -> bool {
    error.is("UnauthorizedOperation") || error.is("AuthFailure.UnauthorizedOperation")
}

/// Whether a later run can succeed where this one gave up: nothing was refused.
pub fn may_pass(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::NotSent | ErrorClass::Throttled | ErrorClass::Ambiguous)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ErrorClass::{Ambiguous, Auth, NotSent, Refused, SignatureExpired, Throttled};
    use Operation::{Change, Destroy, Lookup, Order, Purchase, Purge, Rename, Sign, Tag};
    use std::fmt::Write as _;

    const OPERATIONS: [Operation; 9] = [Sign, Lookup, Purchase, Change, Order, Rename, Destroy, Purge, Tag];
    const CLASSES: [ErrorClass; 6] = [NotSent, Throttled, SignatureExpired, Auth, Refused, Ambiguous];

    fn failed(class: ErrorClass, attempts: u32) -> FailedAttempt {
        FailedAttempt {
            class,
            is_temporary: false,
            is_permission: false,
            attempts,
            is_same_class: attempts > 1,
            elapsed: Duration::ZERO,
            deadline: Duration::from_secs(900),
            jitter: 1.0,
        }
    }

    /// Decisions after attempts 1 to 9 in a row, equal ones in one range.
    fn row(decide: impl Fn(&FailedAttempt) -> Decision, class: ErrorClass, elapsed: Duration) -> String {
        let word = |decision: Decision| match decision {
            Decision::Retry(_) => "retry",
            Decision::Ambiguous(_) => "ambiguous",
            Decision::Reject => "reject",
            Decision::GiveUp => "give up",
            Decision::EndRun => "end run",
        };
        let words: Vec<&str> =
            (1..=9).map(|attempts| word(decide(&FailedAttempt { elapsed, ..failed(class, attempts) }))).collect();
        let mut parts: Vec<(&str, usize)> = Vec::new();
        for word in words {
            match parts.last_mut() {
                Some((last, count)) if *last == word => *count += 1,
                _ => parts.push((word, 1)),
            }
        }
        parts.iter().map(|(word, count)| format!("{word} {count}")).collect::<Vec<_>>().join(", ")
    }

    /// Every operation, every class, nine attempts, in time and at the deadline.
    #[test]
    fn the_table_of_decisions() {
        let mut table = String::new();
        for operation in OPERATIONS {
            for class in CLASSES {
                let in_time = row(|failed| decide(operation, failed), class, Duration::ZERO);
                let late = row(|failed| decide(operation, failed), class, Duration::from_secs(900));
                writeln!(table, "{:9} {:17} {in_time:22} | {late}", format!("{operation:?}"), format!("{class:?}"))
                    .unwrap();
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn the_table_of_decisions_after_a_check() {
        let mut table = String::new();
        for operation in [Change, Order, Destroy, Purge] {
            for class in [Refused, Ambiguous] {
                let in_time = row(|failed| decide_after_check(operation, failed), class, Duration::ZERO);
                let late = row(|failed| decide_after_check(operation, failed), class, Duration::from_secs(900));
                writeln!(table, "{:8} {:10} {in_time:20} | {late}", format!("{operation:?}"), format!("{class:?}"))
                    .unwrap();
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn failed_authentication_ends_every_operation() {
        for operation in OPERATIONS {
            for attempts in 1..=9 {
                assert_eq!(decide(operation, &failed(Auth, attempts)), Decision::EndRun, "{operation:?}");
                if attempts > 1 {
                    let expired = failed(SignatureExpired, attempts);
                    assert_eq!(decide(operation, &expired), Decision::EndRun, "{operation:?}");
                }
            }
        }
    }

    #[test]
    fn a_missing_permission_for_tags_rejects_the_tags_alone() {
        for operation in OPERATIONS {
            let missing = FailedAttempt { is_permission: true, ..failed(Auth, 1) };
            let expected = if operation == Tag { Decision::Reject } else { Decision::EndRun };
            assert_eq!(decide(operation, &missing), expected, "{operation:?}");
        }
    }

    #[test]
    fn a_temporary_refusal_is_retried_until_the_deadline() {
        for operation in [Change, Order, Rename, Destroy, Purge] {
            let busy = |elapsed| FailedAttempt {
                is_temporary: true,
                elapsed: Duration::from_secs(elapsed),
                ..failed(Refused, 30)
            };
            assert!(matches!(decide(operation, &busy(0)), Decision::Retry(_)), "{operation:?}");
            assert_eq!(decide(operation, &busy(890)), Decision::GiveUp, "{operation:?}");
        }
    }

    #[test]
    fn an_expired_signature_is_retried_once_between_other_failures() {
        let mut history = History::default();
        for class in [SignatureExpired, NotSent, SignatureExpired] {
            history.count(class);
            let error = CloudError::transport(class, "CreateInstances", "scripted");
            let failed = FailedAttempt::of(&error, &history, Duration::ZERO, Duration::from_secs(60), 0.0);
            assert!(matches!(decide(Purchase, &failed), Decision::Retry(_)), "{class:?}");
        }
    }

    #[test]
    fn refusals_that_prove_nothing_are_bounded() {
        let refused = failed(Refused, 1);
        assert!(matches!(decide_unproved_refusal(2, &refused), Decision::Ambiguous(_)));
        assert_eq!(decide_unproved_refusal(3, &refused), Decision::GiveUp);
        assert!(matches!(decide_contradicted_refusal(1, 0.0), Decision::Retry(_)));
        assert_eq!(decide_contradicted_refusal(2, 0.0), Decision::Reject);
    }

    #[test]
    fn pauses_double_up_to_the_cap() {
        let pauses: Vec<u128> = (1..=8).map(|attempts| backoff(attempts, 1.0).as_millis()).collect();
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000]);
        assert_eq!(backoff(1, 0.0).as_millis(), 250);
        assert!(backoff(u32::MAX, f64::NAN) <= BACKOFF_MAX);
    }
}
