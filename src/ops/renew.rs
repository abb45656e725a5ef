//! Renewing: more time for instances, those that are isolated back into service. Under the exclusive lock, like every purchase.

use super::apply::{ApplyOptions, ApplyReport, Consent, Hindrance, Question, Run, apply_plan};
use super::context::Context;
use super::error::OpsError;
use super::load::{account_of, bind_account, load_prior};
use super::preflight::ask_and_judge;
use super::repeated::{end_renewals, finished_renewals, note_renewals};
use super::settled::Passes;
use crate::apply::Outcome;
use crate::apply::machine::Account;
use crate::desired::DesiredState;
use crate::model::{Address, InstanceId};
use crate::observe::state::ObservedState;
use crate::observe::{catalogue, refresh};
use crate::plan::limits::{Before, Ceilings, Measure, enforce_spend};
use crate::plan::questions::questions;
use crate::plan::renewal::renewals;
use crate::plan::{Inputs, note_attached};
use crate::state::lock::Mode;
use std::collections::{BTreeMap, BTreeSet};

/// What to renew.
#[derive(Clone, Debug)]
pub struct RenewOptions {
    /// Which addresses.
    pub addresses: BTreeSet<Address>,
    /// By how many months; as many as the manifest buys unless said.
    pub months: Option<u32>,
    /// Limits from outside of the manifest.
    pub ceilings: Ceilings,
    /// Whether nobody is asked.
    pub assume_yes: bool,
    /// Whether prices that are not known may be paid.
    pub accept_unknown_price: bool,
    /// Whether recovered instances are confirmed to be this stack's.
    pub adopt: bool,
}

/// Renews under the exclusive lock. What an earlier run left open is settled first.
///
/// # Errors
/// When state, lock, cloud or consent forbid to begin, or an address cannot be renewed. What fails later is in the report.
pub async fn renew(
    context: &Context,
    desired: &DesiredState,
    options: &RenewOptions,
    consent: &(dyn Fn(Question<'_>) -> Consent + Sync),
) -> Result<ApplyReport, OpsError> {
    let _lock = context.lock(Mode::Exclusive).await?;
    let mut run = Run {
        context,
        desired,
        manifest: desired,
        options: ApplyOptions {
            ceilings: options.ceilings,
            assume_yes: options.assume_yes,
            accept_unknown_price: options.accept_unknown_price,
            adopt: options.adopt,
            ..ApplyOptions::default()
        },
        consent,
        saved: None,
        selection: None,
        items: BTreeMap::new(),
        unsettled: Vec::new(),
        left: None,
        before: Before::default(),
        passes: Passes::default(),
        hindrance: Hindrance::default(),
    };
    if let Some(report) = run.settle().await? {
        return Ok(report);
    }
    let mut prior = load_prior(context, desired)?;
    let at = context.clock.now();
    let ids: Vec<InstanceId> = options
        .addresses
        .iter()
        .filter_map(|address| match prior.state.instances.get(address) {
            Some(recorded) => Some(recorded.instance_id.clone()),
            None => prior.state.predecessor(address).instance().cloned(),
        })
        .collect();
    let account = account_of(context).await;
    bind_account(context, desired, &mut prior.state, account)?;
    let instances = refresh::by_ids(context.read.as_ref(), &ids).await?;
    let mut observed = ObservedState { at, instances, asked: true, ..ObservedState::default() };
    let inputs = Inputs {
        desired,
        manifest: desired,
        prior: &prior.state,
        open: &prior.open,
        observed: &observed,
        selection: None,
    };
    let finished = finished_renewals(context, desired, &prior.state, &observed, (&options.addresses, options.months))?;
    let left: BTreeSet<Address> = options.addresses.difference(&finished).cloned().collect();
    if left.is_empty() && !finished.is_empty() {
        let outcome = Outcome { account: Account::of_nothing(prior.state, prior.open), signal: None };
        let mut report = run.report(outcome, None);
        report.is_repetition = true;
        end_renewals(context, &report, &options.addresses)?;
        return Ok(report);
    }
    let mut planned = renewals(inputs, &left, options.months);
    let answers = catalogue::ask(context.read.as_ref(), &questions(&planned)).await?;
    note_attached(&mut planned.plan.changes, &answers);
    observed.catalogue.extend(answers);
    if !planned.diagnostics.has_errors() {
        let answers = ask_and_judge(context, desired, &observed, &mut planned, false).await;
        let before = Before::default();
        let measure = Measure { ceilings: options.ceilings, before: &before, now: at, answers: &answers };
        enforce_spend(&mut planned, &measure);
    }
    if let Some(stop) = run.obstacle(&planned) {
        return Err(stop);
    }
    if consent(Question::Apply(&planned)) == Consent::Declined {
        return Err(OpsError::Declined);
    }
    note_renewals(context, desired, &prior.state, &observed, (&planned.plan, options.months))?;
    let mut report = apply_plan(&mut run, prior, &planned, &observed).await?;
    if let Err(error) = end_renewals(context, &report, &options.addresses) {
        report.save_error.get_or_insert(error);
    }
    Ok(report)
}
