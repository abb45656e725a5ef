//! Planning: read, ask, compare. Changes nothing, not even on disk.

use super::context::Context;
use super::error::OpsError;
use super::load::{Prior, account_of, bind_account, load_prior, observe};
use crate::desired::DesiredState;
use crate::observe::state::ObservedState;
use crate::plan::{self, Inputs, Options, Planned};
use crate::state::PriorState;
use crate::state::lock::Mode;

/// How to plan.
#[derive(Clone, Copy, Debug)]
pub struct PlanOptions {
    /// Whether to ask the cloud.
    pub refresh: bool,
    /// Buy although it is unclear what is already owned.
    pub buy_anyway: bool,
    /// Plan the end of everything.
    pub destroy: bool,
}

/// What planning brought.
pub struct PlanReport {
    /// The plan and what is to be said about it.
    pub planned: Planned,
    /// What the cloud says.
    pub observed: ObservedState,
    /// What disk says.
    pub prior: PriorState,
}

/// Plans under the shared lock.
///
/// # Errors
/// When state, lock or cloud refuse. What is wrong with the plan itself is in the report.
pub async fn plan(context: &Context, desired: &DesiredState, options: PlanOptions) -> Result<PlanReport, OpsError> {
    let _lock = context.lock(Mode::Shared).await?;
    let mut prior = load_prior(context, desired)?;
    let observed = if options.refresh {
        let (account, observed) =
            futures_util::future::join(account_of(context), observe(context, desired, &prior)).await;
        bind_account(context, desired, &mut prior.state, account)?;
        observed?
    } else {
        ObservedState { at: context.clock.now(), ..ObservedState::default() }
    };
    let planned =
        planned(desired, &prior, &observed, Options { buy_anyway: options.buy_anyway, destroy: options.destroy });
    Ok(PlanReport { planned, observed, prior: prior.state })
}

pub(super) fn planned(desired: &DesiredState, prior: &Prior, observed: &ObservedState, options: Options) -> Planned {
    plan::plan(Inputs { desired, prior: &prior.state, open: &prior.open, observed }, options)
}
