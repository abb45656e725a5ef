//! Drift: what the cloud has against what was last applied, and until when everything is paid. Changes nothing.

use super::context::Context;
use super::error::OpsError;
use super::load::{account_of, bind_account, load_prior, observe};
use crate::desired::DesiredState;
use crate::model::Address;
use crate::plan::drift::{Drift, PaidUntil, drift as compare};
use crate::plan::select;
use crate::state::lock::Mode;
use std::time::Duration;

/// The flag by which the service renews by itself.
const AUTOMATIC: &str = "NOTIFY_AND_AUTO_RENEW";

/// What was found.
pub struct DriftReport {
    /// Differences.
    pub drift: Vec<Drift>,
    /// The end of the paid time of everything that the service gives one for.
    pub paid: Vec<PaidUntil>,
    /// How many instances were looked at.
    pub instances: usize,
}

impl DriftReport {
    /// Whether the cloud is as it should be.
    pub fn is_clean(&self) -> bool {
        !self.drift.iter().any(Drift::counts) && !self.paid.iter().any(|paid| paid.is_due)
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
    bind_account(context, desired, &mut prior.state, account)?;
    let observed = observed?;
    let selected = select::chosen(&context.select, desired, &prior.state, &prior.open)?;
    let is_selected = |address: &Address| selected.contains(address);
    let mut found = compare(desired, &prior.state, &observed);
    found.retain(|drift| is_selected(&drift.address));
    let instances = || prior.state.instances.iter().filter(|(address, _)| is_selected(address));
    let paid = instances().filter_map(|(address, recorded)| {
        let live = &observed.instances.get(&recorded.instance_id)?.attributes;
        let until = live.expired_time?;
        let renews = live.renew_flag == AUTOMATIC;
        let soon = within.is_some_and(|within| until <= observed.at.plus(within));
        Some(PaidUntil {
            address: address.clone(),
            instance_id: recorded.instance_id.clone(),
            until,
            renews,
            is_due: soon && !renews,
        })
    });
    Ok(DriftReport { drift: found, paid: paid.collect(), instances: instances().count() })
}
