//! Drift: what the cloud has against what was last applied, and until when everything is paid. Changes nothing.

use super::context::Context;
use super::error::OpsError;
use super::load::{account_of, bind_account_to_read, load_prior, observe};
use super::preflight::price;
use crate::desired::DesiredState;
use crate::model::Address;
use crate::plan::drift::{Drift, Due, PaidUntil, drift as compare};
use crate::plan::preflight::{Shape, shape};
use crate::plan::select;
use crate::plan::unreported::NotReported;
use crate::state::lock::Mode;
use std::collections::BTreeMap;
use std::time::Duration;

/// What was found.
pub struct DriftReport {
    /// Differences.
    pub drift: Vec<Drift>,
    /// The end of the paid time of everything that the service gives one for.
    pub paid: Vec<PaidUntil>,
    /// How many instances were looked at.
    pub instances: usize,
    /// What of them the cloud does not report.
    pub unreported: NotReported,
}

impl DriftReport {
    /// Whether the cloud is as it should be.
    pub fn is_clean(&self) -> bool {
        !self.drift.iter().any(Drift::counts) && self.paid.iter().all(|paid| paid.due == Due::No)
    }
}

/// Asks what it costs to buy again what is gone, one question for each shape.
async fn price_gone(context: &Context, desired: &DesiredState, found: &mut [Drift]) {
    let mut prices: BTreeMap<Shape, Option<String>> = BTreeMap::new();
    for drift in found.iter_mut().filter(|drift| drift.is_gone()) {
        let Some(wanted) = desired.instances.get(&drift.address) else { continue };
        let shape = shape(&wanted.spec);
        if !prices.contains_key(&shape) {
            let (_, price) = price(context.read.as_ref(), &(shape.clone(), 1)).await;
            let text = price.ok().map(|price| format!("{} {}", price.now, price.currency));
            prices.insert(shape.clone(), text);
        }
        drift.price = prices.get(&shape).cloned().flatten();
    }
}

/// Compares under the shared lock. `within` asks what ends so soon.
///
/// # Errors
/// When state, lock or cloud refuse.
pub async fn drift(
    context: &Context,
    desired: &DesiredState,
    within: Option<Duration>,
) -> Result<DriftReport, OpsError> {
    let _lock = context.lock(Mode::Shared).await?;
    let mut prior = load_prior(context, desired)?;
    let (account, observed) = futures_util::future::join(account_of(context), observe(context, desired, &prior)).await;
    bind_account_to_read(context, desired, &mut prior.state, account)?;
    let observed = observed?;
    let selected = select::chosen(&context.select, desired, &prior.state, &prior.open)?;
    let is_selected = |address: &Address| selected.contains(address);
    let mut found = compare(desired, &prior.state, &observed);
    found.retain(|drift| is_selected(&drift.address));
    price_gone(context, desired, &mut found).await;
    let instances = || prior.state.instances.iter().filter(|(address, _)| is_selected(address));
    let paid = instances().filter_map(|(address, recorded)| {
        let live = &observed.instances.get(&recorded.instance_id)?.attributes;
        let paid = PaidUntil::of((address, &recorded.instance_id), live, observed.at, within);
        // Where nobody asked, a time that is not known is nothing to list.
        (paid.until.is_some() || within.is_some()).then_some(paid)
    });
    let mut unreported = NotReported::default();
    for (address, recorded) in instances() {
        if let (Some(wanted), Some(live)) =
            (desired.instances.get(address), observed.instances.get(&recorded.instance_id))
        {
            unreported.add(wanted, desired.ownership, &live.attributes);
        }
    }
    Ok(DriftReport { drift: found, paid: paid.collect(), instances: instances().count(), unreported })
}
