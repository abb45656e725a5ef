//! What a manifest costs as a whole, and what of it is still to be bought.

use super::context::Context;
use super::error::OpsError;
use super::plan::{PlanOptions, unchecked};
use super::preflight::ask_and_judge;
use crate::desired::DesiredState;
use crate::model::Address;
use crate::model::money::Amount;
use crate::plan::preflight::{Shape, price_keys};
use crate::plan::{Planned, Summary};
use crate::state::lock::Mode;
use std::collections::BTreeMap;

/// The price of a manifest.
pub struct PriceReport {
    /// Instances of one shape together.
    pub shapes: Vec<PriceRow>,
    /// All of them.
    pub total: Sums,
    /// What the plan of now would buy; its prices are in its checks.
    pub pending: Planned,
    /// How many of what that is.
    pub summary: Summary,
}

/// Instances of one shape.
pub struct PriceRow {
    /// Bundle, image and months.
    pub shape: Shape,
    /// Which.
    pub addresses: Vec<Address>,
    /// What they cost.
    pub sums: Sums,
}

/// What something costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// If it were all bought now.
    pub now: Amount,
    /// For one month at the list price.
    pub month: Amount,
    /// CNY or USD; empty if nothing is known.
    pub currency: String,
    /// What is not in the sums, and why.
    pub unknown: Vec<String>,
}

impl Sums {
    fn add(&mut self, other: &Sums) {
        self.now = self.now + other.now;
        self.month = self.month + other.month;
        if self.currency.is_empty() {
            self.currency.clone_from(&other.currency);
        }
        for why in &other.unknown {
            if !self.unknown.contains(why) {
                self.unknown.push(why.clone());
            }
        }
    }
}

/// Asks for the prices, under the shared lock. One question for each distinct purchase.
///
/// # Errors
/// When state, lock or cloud refuse, or the plan has errors. A price that cannot be learnt is none: it is told as not known.
pub async fn price(context: &Context, desired: &DesiredState) -> Result<PriceReport, OpsError> {
    let _lock = context.lock(Mode::Shared).await?;
    let options = PlanOptions { refresh: true, ..PlanOptions::default() };
    let mut report = unchecked(context, desired, options).await?;
    if report.planned.diagnostics.has_errors() {
        return Err(OpsError::Diagnostics(report.planned.diagnostics));
    }
    let answers = ask_and_judge(context, desired, &report.observed, &mut report.planned, true).await;
    let mut shapes: BTreeMap<Shape, (Vec<Address>, Sums)> = BTreeMap::new();
    for ((shape, count), members) in price_keys(desired) {
        let key = (shape, count);
        let sums = match answers.prices.get(&key) {
            Some(Ok(price)) => Sums {
                now: price.now,
                month: price.month.unwrap_or_default(),
                currency: price.currency.clone(),
                unknown: if price.month.is_none() { vec!["the price of a month".to_owned()] } else { Vec::new() },
            },
            Some(Err(why)) => Sums { unknown: vec![why.clone()], ..Sums::default() },
            None => Sums { unknown: vec!["it was not asked".to_owned()], ..Sums::default() },
        };
        let (addresses, all) = shapes.entry(key.0).or_default();
        addresses.extend(members.into_iter().cloned());
        all.add(&sums);
    }
    let mut total = Sums::default();
    let shapes: Vec<PriceRow> = shapes
        .into_iter()
        .map(|(shape, (mut addresses, sums))| {
            addresses.sort();
            total.add(&sums);
            PriceRow { shape, addresses, sums }
        })
        .collect();
    let summary = report.planned.plan.summary();
    Ok(PriceReport { shapes, total, pending: report.planned, summary })
}
