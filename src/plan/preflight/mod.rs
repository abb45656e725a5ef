//! What would fail at apply, found at plan: prices, quota, stock, fit, and what a dry run says. Pure: `questions` says what is
//! to be asked, `ops` asks, `evaluate` judges the answers.

mod answers;
pub mod denied;
mod fit;
mod questions;
mod quota;
mod quote;
mod refusal;
#[cfg(test)]
mod tests;

pub use answers::{Answers, BlueprintFacts, BundleFacts, Known, Price, QuotaFacts, Refusal};
pub use questions::{Group, PriceKey, Questions, Shape, other_zones, price_keys, questions, shape, zones_in_doubt};
pub use quota::quota_name;
pub(super) use quote::what_is_unknown;
pub use quote::{Quote, quote};

use super::change::{ACCEPT_UNKNOWN_PRICE, Need};
use super::planner::Planned;
use crate::desired::{DesiredInstance, DesiredState};
use crate::diag::{Diagnostics, Span};
use crate::model::address::compact;

/// What a plan's checks brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checks {
    /// One by one.
    pub list: Vec<Check>,
    /// What would fail at apply, with its place (exit 8).
    pub failures: Diagnostics,
    /// Limits and policies that the plan breaks, each with its place (exit 7).
    pub violations: Diagnostics,
    /// What it costs; none if nothing was asked.
    pub quote: Option<Quote>,
    /// What is left of the quotas once it is carried out.
    pub quota_left: Vec<QuotaLeft>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at, in one word.
    pub name: &'static str,
    /// How it went.
    pub status: Status,
    /// What was found, or why nothing was.
    pub detail: String,
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}: {}", self.name, self.status.as_str(), self.detail)
    }
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing is in the way.
    Passed,
    /// Apply would fail.
    Failed,
    /// Nobody knows; never a success.
    NotChecked,
}

impl Status {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Passed => "passed",
            Status::Failed => "failed",
            Status::NotChecked => "not checked",
        }
    }
}

/// The quota of one type of bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaLeft {
    /// Such as `GENERAL_BUNDLE`.
    pub kind: String,
    /// What is left once the plan is carried out.
    pub left: u64,
    /// The whole.
    pub total: u64,
}

impl Checks {
    /// The checks of a plan for which nothing is asked, and why.
    pub fn skipped(why: &str) -> Self {
        let mut checks = Self::default();
        checks.add("preflight", Status::NotChecked, why);
        checks
    }

    /// Those that could not be made.
    pub fn not_made(&self) -> impl Iterator<Item = &Check> {
        self.list.iter().filter(|check| check.status == Status::NotChecked)
    }

    /// Adds a check.
    pub fn add(&mut self, name: &'static str, status: Status, detail: impl Into<String>) {
        let check = Check { name, status, detail: detail.into() };
        // What is not known for one reason is not known once.
        if !self.list.contains(&check) {
            self.list.push(check);
        }
    }
}

/// Judges the answers, and puts prices and checks into the plan.
pub fn evaluate(planned: &mut Planned, desired: &DesiredState, answers: &Answers) {
    let mut checks = Checks::default();
    let quote = quote(&planned.plan, answers, &mut checks);
    quota::judge(&planned.plan, desired, answers, &mut checks);
    fit::judge(&planned.plan, desired, answers, &mut checks);
    for (index, price) in &quote.changes {
        if let Some(change) = planned.plan.changes.get_mut(*index) {
            change.price = Some((price.to_string(), quote.currency.clone()));
        }
    }
    // An unknown price is no small one: paying it is a consent of its own.
    planned.plan.needs.retain(|need| need.flag != ACCEPT_UNKNOWN_PRICE);
    if !quote.unpriced.is_empty() {
        let what = format!("the price is not known for {}", compact(&quote.unpriced));
        planned.plan.needs.push(Need { flag: ACCEPT_UNKNOWN_PRICE, what });
    }
    checks.quote = Some(quote);
    planned.plan.checks = checks;
}

/// Where the manifest has an attribute of an instance.
pub(super) fn place(desired: &DesiredInstance, key: &str) -> Span {
    desired.attribute_spans.get(key).copied().unwrap_or(desired.span)
}
