//! What a plan costs: now, and in each month after.

use super::answers::{Answers, Price};
use super::questions::price_key;
use super::{Checks, Status};
use crate::model::Address;
use crate::model::address::compact;
use crate::model::money::Amount;
use crate::plan::attribute::Kind;
use crate::plan::change::{Action, Change, Plan, count};
use std::collections::BTreeMap;

/// What a plan costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quote {
    /// To pay now, as far as it is known.
    pub now: Amount,
    /// What is bought, for one month at its list price.
    pub month: Amount,
    /// CNY or USD; empty if nothing costs anything.
    pub currency: String,
    /// The purchases, by the index of their batch.
    pub batches: BTreeMap<usize, Price>,
    /// What each change costs, by its index.
    pub changes: BTreeMap<usize, Amount>,
    /// What is not in the sums, and why.
    pub unknown: Vec<String>,
    /// Addresses for which an unknown amount would be paid now.
    pub unpriced: Vec<Address>,
    /// Whether anything is bought at all.
    pub buys: bool,
}

impl Quote {
    fn take(&mut self, now: Amount, month: Amount, currency: &str) {
        self.now = self.now + now;
        self.month = self.month + month;
        if self.currency.is_empty() {
            currency.clone_into(&mut self.currency);
        } else if self.currency != currency {
            self.unknown.push(format!("a price in {currency} beside others in {}", self.currency));
        }
    }
}

/// Adds the prices up.
pub fn quote(plan: &Plan, answers: &Answers, checks: &mut Checks) -> Quote {
    let mut quote = Quote::default();
    for (index, batch) in plan.batches.iter().enumerate() {
        quote.buys = true;
        let members = compact(batch.members.iter().map(|member| &member.address));
        match answers.prices.get(&price_key(batch)) {
            Some(Ok(price)) => {
                quote.take(price.now, price.month.unwrap_or_default(), &price.currency);
                if price.month.is_none() {
                    quote.unknown.push(format!("the price of a month of {members}"));
                }
                checks.add("price", Status::Passed, in_words(&members, price));
                quote.batches.insert(index, price.clone());
            }
            Some(Err(why)) => {
                quote.unknown.push(format!("the price of {members}: {why}"));
                quote.unpriced.extend(batch.members.iter().map(|member| member.address.clone()));
                checks.add("price", Status::NotChecked, why);
            }
            None => {
                quote.unknown.push(format!("the price of {members}"));
                quote.unpriced.extend(batch.members.iter().map(|member| member.address.clone()));
                checks.add("price", Status::NotChecked, "it was not asked");
            }
        }
    }
    for (index, change) in plan.changes.iter().enumerate() {
        if let Some(price) = change.batch.and_then(|batch| quote.batches.get(&batch)) {
            let members = change.batch.and_then(|batch| plan.batches.get(batch)).map_or(1, |batch| batch.members.len());
            let share = price.now.divided(i64::try_from(members).unwrap_or(1));
            quote.changes.insert(index, share);
        }
        match change.action {
            Action::Renew => renewal(index, change, answers, &mut quote, checks),
            // An upgrade may come along with a reinstallation.
            action if action.is_alteration() && change.diffs.iter().any(|diff| diff.kind == Kind::BundleId) => {
                upgrade(index, change, &mut quote, checks);
            }
            _ => {}
        }
    }
    quote
}

fn upgrade(index: usize, change: &Change, quote: &mut Quote, checks: &mut Checks) {
    quote.buys = true;
    let known = change.price.as_ref().and_then(|(text, currency)| Some((Amount::parse(text)?, currency)));
    match known {
        Some((now, currency)) => {
            quote.take(now, Amount::default(), currency);
            quote.changes.insert(index, now);
            checks.add("price", Status::Passed, format!("upgrade of {}: {now} {currency}", change.address));
        }
        None => {
            quote.unknown.push(format!("the price of the upgrade of {}", change.address));
            quote.unpriced.push(change.address.clone());
            checks.add("price", Status::NotChecked, "what the service takes for an upgrade is not known");
        }
    }
}

fn renewal(index: usize, change: &Change, answers: &Answers, quote: &mut Quote, checks: &mut Checks) {
    quote.buys = true;
    match change.instance_id.as_ref().and_then(|id| answers.renewals.get(id)) {
        Some(Ok(price)) => {
            quote.take(price.now, Amount::default(), &price.currency);
            quote.changes.insert(index, price.now);
            let detail = format!("renewal of {}: {} {}", change.address, price.now, price.currency);
            checks.add("price", Status::Passed, detail);
        }
        other => {
            let why = other.and_then(|answer| answer.as_ref().err()).map_or("it was not asked", String::as_str);
            quote.unknown.push(format!("the price of the renewal of {}: {why}", change.address));
            quote.unpriced.push(change.address.clone());
            checks.add("price", Status::NotChecked, why);
        }
    }
}

fn in_words(members: &str, price: &Price) -> String {
    let Price { now, original, month, discount, currency, count: _ } = price;
    let mut text = format!("{members}: {now} {currency} now");
    if original != now {
        text = format!("{text} ({original} before a discount to {discount} %)");
    }
    match month {
        Some(month) => format!("{text}, {month} {currency} a month"),
        None => text,
    }
}

/// What is not in the sums, in a few words.
pub(in crate::plan) fn what_is_unknown(unknown: &[String]) -> String {
    match unknown {
        [] => String::new(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} (and {})", count(rest.len(), "other price")),
    }
}
