//! Planning: read, ask, compare. Changes nothing, not even on disk.

use super::approved::bound_state;
use super::context::Context;
use super::error::OpsError;
use super::load::{Prior, account_of, ask_for_the_rest, compare_account, list_owned, load_beside, load_prior};
use super::preflight::{Preflight, check};
use super::repeated::without_finished_replacements;
use crate::desired::DesiredState;
use crate::observe::catalogue::{self, Questions};
use crate::observe::state::ObservedState;
use crate::plan::check;
use crate::plan::limits::{Before, Ceilings};
use crate::plan::questions::questions;
use crate::plan::seal::BoundState;
use crate::plan::{self, Inputs, Options, Planned, Selection, select};
use crate::state::PriorState;
use crate::state::lock::Mode;
use futures_util::future::try_join3;
use std::collections::BTreeMap;

/// How to plan.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanOptions {
    /// Whether to ask the cloud.
    pub refresh: bool,
    /// Buy although it is unclear what is already owned.
    pub buy_anyway: bool,
    /// Instances that are missing all at once are gone, and a machine that reads as failed to launch is lost.
    pub confirm_gone: bool,
    /// Plan the end of everything.
    pub destroy: bool,
    /// What leaves is destroyed for good.
    pub purge: bool,
    /// Recovered instances are confirmed to be this stack's.
    pub adopt: bool,
    /// Whether prices, quotas and stock are asked.
    pub preflight: bool,
    /// The limits of the command line.
    pub ceilings: Ceilings,
    /// Whether the plan is to be saved, and so bound to what is on disk.
    pub bind: bool,
}

/// What planning brought.
pub struct PlanReport {
    /// The plan and what is to be said about it.
    pub planned: Planned,
    /// What the cloud says.
    pub observed: ObservedState,
    /// What disk says.
    pub prior: PriorState,
    /// What disk says, as a saved plan is bound to it; where it is to be bound.
    pub bound: Option<BoundState>,
}

/// Plans under the shared lock.
///
/// # Errors
/// When state, lock or cloud refuse. What is wrong with the plan itself is in the report.
pub async fn plan(context: &Context, desired: &DesiredState, options: PlanOptions) -> Result<PlanReport, OpsError> {
    let _lock = context.lock(Mode::Shared).await?;
    let mut report = unchecked(context, desired, options).await?;
    let wish = match (options.refresh, options.preflight) {
        (false, _) => Preflight::Skipped("the cloud was not asked (--no-refresh)"),
        (true, false) => Preflight::Skipped("--no-preflight"),
        (true, true) => Preflight::Asked,
    };
    let what = (wish, options.ceilings, &Before::default());
    let emptied = options.destroy.then(|| emptied(desired));
    let desired = emptied.as_ref().unwrap_or(desired);
    check(context, desired, &report.observed, &mut report.planned, what).await;
    Ok(report)
}

/// Plans, under a lock that is held.
pub(super) async fn unchecked(
    context: &Context,
    desired: &DesiredState,
    options: PlanOptions,
) -> Result<PlanReport, OpsError> {
    let bound = options.bind.then(|| bound_state(&context.store)).transpose()?;
    // What was asked before the state is known to be another's is thrown away.
    let (mut prior, answers) = match options.refresh {
        true => {
            let account = async { Ok(account_of(context).await) };
            let listed = async { Ok(list_owned(context, desired).await) };
            let (prior, account, listed) = try_join3(load_beside(context, desired), account, listed).await?;
            (prior, Some((account, listed)))
        }
        false => (load_prior(context, desired)?, None),
    };
    let selection = selection(context, desired, &prior, options.destroy)?;
    let calmed = without_finished_replacements(context, desired, &prior.state)?;
    let desired = calmed.as_ref().unwrap_or(desired);
    let manifest = desired;
    let emptied = options.destroy.then(|| emptied(desired));
    let desired = emptied.as_ref().unwrap_or(desired);
    let mut account_unknown = None;
    let mut observed = match answers {
        Some((account, listed)) => {
            account_unknown = compare_account(context, desired, &mut prior.state, account)?;
            ask_for_the_rest(context, desired, listed?, &prior).await?
        }
        None => ObservedState { at: context.clock.now(), ..ObservedState::default() },
    };
    let PlanOptions { buy_anyway, confirm_gone, destroy, purge, adopt, .. } = options;
    let wanted = (Options { buy_anyway, confirm_gone, destroy, purge, adopt }, selection.as_ref());
    let mut planned = planned_with_catalogue(context, (desired, manifest), &prior, &mut observed, wanted).await?;
    // Apply refuses this, so the plan shows it as blocked.
    planned.blocked.extend(account_unknown);
    Ok(PlanReport { planned, observed, prior: prior.state, bound })
}

/// The manifest says which stack and how; what it wants is nothing.
pub(super) fn emptied(desired: &DesiredState) -> DesiredState {
    DesiredState { instances: BTreeMap::new(), ..desired.clone() }
}

/// Plans, asks what is sold and taken back where something changes or leaves, and plans with that again. What an answer
/// makes of a change may raise another question, once.
pub(super) async fn planned_with_catalogue(
    context: &Context,
    (desired, manifest): (&DesiredState, &DesiredState),
    prior: &Prior,
    observed: &mut ObservedState,
    (options, selection): (Options, Option<&Selection>),
) -> Result<Planned, OpsError> {
    let mut asked = Questions::default();
    loop {
        let inputs = Inputs { desired, manifest, prior: &prior.state, open: &prior.open, observed, selection };
        let planned = plan::plan(inputs, options);
        let mut questions = questions(&planned);
        questions.leave_out_answered(&observed.catalogue);
        if !observed.asked || questions.is_empty() || questions == asked {
            let wrong = check::check(inputs, &planned);
            // Of an engine that is broken on purpose the ledger is to find out, too.
            #[cfg(test)]
            let wrong = match crate::sim::sabotage::is(crate::sim::sabotage::Sabotage::Sound) {
                true => wrong,
                false => Vec::new(),
            };
            return if wrong.is_empty() { Ok(planned) } else { Err(OpsError::Unsound(wrong)) };
        }
        let answers = catalogue::ask(context.read.as_ref(), &questions).await?;
        observed.catalogue.extend(answers);
        asked = questions;
    }
}

/// What the run is limited to, if it is.
pub(super) fn selection(
    context: &Context,
    desired: &DesiredState,
    prior: &Prior,
    destroy: bool,
) -> Result<Option<Selection>, OpsError> {
    if context.select.is_everything() {
        return Ok(None);
    }
    Ok(Some(select::resolve(&context.select, desired, &prior.state, &prior.open, destroy)?))
}
