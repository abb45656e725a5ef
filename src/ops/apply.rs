//! Applying: settle what is open, plan, ask, carry out, save. All of it under the exclusive lock.

use super::context::Context;
use super::error::OpsError;
use super::load::{Prior, account_of, bind_account, load_prior, observe, rewrite_journal, salt};
use super::plan::{planned_with_catalogue, selection};
use crate::apply::machine::Account;
use crate::apply::{Driver, Job, Machine, Outcome, Setup, run};
use crate::desired::DesiredState;
use crate::event::{Event, Item, ItemStatus};
use crate::model::{Address, InstanceId};
use crate::observe::state::ObservedState;
use crate::plan::change::{ACCEPT_NO_REFUND, ALLOW_DATA_LOSS, Need, OpenPurchase};
use crate::plan::{Action, Blocked, Decision, Options, Plan, Planned, Selection};
use crate::state::lock::Mode;
use crate::state::{OpenIntents, PriorState, StateError};
use std::collections::{BTreeMap, BTreeSet};

/// Plans made and carried out in one apply. A second is needed where a token turns out to name what is gone, or a batch
/// brought fewer than asked; more would mean that the service answers the same way for ever.
const ROUNDS_MAX: usize = 4;

/// How to apply.
#[derive(Clone, Copy, Debug, Default)]
pub struct ApplyOptions {
    /// Buy although it is unclear what is already owned.
    pub buy_anyway: bool,
    /// Take over what carries no tags of ours without a question.
    pub adopt: bool,
    /// Nobody is asked.
    pub assume_yes: bool,
    /// Everything is to go.
    pub destroy: bool,
    /// What leaves is destroyed for good after its return.
    pub purge: bool,
    /// Disks may be wiped and instances with their data may go.
    pub allow_data_loss: bool,
    /// What the service does not take back is given up all the same.
    pub accept_no_refund: bool,
}

/// What consent is needed for.
pub enum Question<'a> {
    /// To settle purchases of an earlier run, which may complete them.
    Settle(&'a [OpenPurchase]),
    /// To carry a plan out.
    Apply(&'a Planned),
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Go on.
    Given,
    /// Change nothing.
    Declined,
}

/// How an apply ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplyExit {
    /// Everything is as the manifest wants it.
    Done,
    /// Something happened or may have happened, and not everything; all of it is recorded.
    Partial,
    /// Nothing happened.
    Failed,
    /// Unclear what is already owned; nothing was bought.
    Unclear,
    /// A signal ended it.
    Interrupted(String),
}

/// What applying brought.
pub struct ApplyReport {
    /// What became of everything.
    pub items: Vec<Item>,
    /// How it ended.
    pub exit: ApplyExit,
    /// The state as it is now.
    pub state: PriorState,
    /// Purchases that are still open.
    pub open: usize,
    /// Why the state could not be saved. The journal, as far as it reaches, still has everything.
    pub save_error: Option<StateError>,
}

/// Applies under the exclusive lock.
///
/// # Errors
/// When state, lock, cloud, manifest or consent forbid to begin. What fails later is in the report.
pub async fn apply(
    context: &Context,
    desired: &DesiredState,
    options: ApplyOptions,
    consent: &(dyn Fn(Question<'_>) -> Consent + Sync),
) -> Result<ApplyReport, OpsError> {
    let _lock = context.lock(Mode::Exclusive).await?;
    let selection = match context.select.is_everything() {
        true => None,
        false => selection(context, desired, &load_prior(context, desired)?, options.destroy)?,
    };
    // The manifest says which stack and how; what it wants is nothing.
    let emptied = options.destroy.then(|| DesiredState { instances: BTreeMap::new(), ..desired.clone() });
    let desired = emptied.as_ref().unwrap_or(desired);
    let mut run = Run { context, desired, options, consent, selection, items: BTreeMap::new() };
    match run.settle().await? {
        Some(report) => Ok(report),
        None => run.carry_out().await,
    }
}

pub(super) struct Run<'a> {
    pub(super) context: &'a Context,
    pub(super) desired: &'a DesiredState,
    pub(super) options: ApplyOptions,
    pub(super) consent: &'a (dyn Fn(Question<'_>) -> Consent + Sync),
    /// Worked out once: an address that has gone since is still meant.
    pub(super) selection: Option<Selection>,
    pub(super) items: BTreeMap<(Address, Option<InstanceId>), Item>,
}

impl Run<'_> {
    fn plan_options(&self) -> Options {
        Options { buy_anyway: self.options.buy_anyway, destroy: self.options.destroy, purge: self.options.purge }
    }

    /// Settles what an earlier run left open. A report if that is where this run ends.
    pub(super) async fn settle(&mut self) -> Result<Option<ApplyReport>, OpsError> {
        let mut prior = load_prior(self.context, self.desired)?;
        if prior.open.is_empty() {
            return Ok(None);
        }
        bind_account(self.context, &mut prior.state, account_of(self.context).await)?;
        let open: Vec<OpenPurchase> = prior
            .open
            .values()
            .map(|entry| OpenPurchase {
                token: entry.intent.token.clone(),
                members: entry.intent.members.iter().map(|member| member.address.clone()).collect(),
                attempts: entry.attempts.len(),
                answered: entry.answer.is_some(),
            })
            .collect();
        // An order of an earlier run is only looked for: that needs no consent.
        if !open.is_empty() && (self.consent)(Question::Settle(&open)) == Consent::Declined {
            return Err(OpsError::Declined);
        }
        prior.renew_journal()?;
        let job = Job::Settle { desired: self.desired };
        let (outcome, save_error) = self.work(prior, job).await;
        // A settled purchase is planned on as any other; only what stays open, or an end of the run, is told here.
        let stuck = !outcome.account.open.is_empty() || outcome.account.stopped || save_error.is_some();
        if stuck {
            return Ok(Some(self.report(outcome, save_error)));
        }
        self.items.clear();
        Ok(None)
    }

    async fn carry_out(&mut self) -> Result<ApplyReport, OpsError> {
        let mut agreed: Option<BTreeSet<Address>> = None;
        for round in 1.. {
            let mut prior = load_prior(self.context, self.desired)?;
            let (account, observed) =
                futures_util::future::join(account_of(self.context), observe(self.context, self.desired, &prior)).await;
            bind_account(self.context, &mut prior.state, account)?;
            let mut observed = observed?;
            let options = self.plan_options();
            let limits = (options, self.selection.as_ref());
            let planned = planned_with_catalogue(self.context, self.desired, &prior, &mut observed, limits).await?;
            if let Some(stop) = self.obstacle(&planned) {
                return match agreed {
                    None => Err(stop),
                    // Something was done already, and the account of it must not be lost.
                    Some(_) => Ok(self.report_after(prior, stop)),
                };
            }
            let adopted = follow_what_is_adopted(&mut prior.state, &planned.plan);
            if planned.plan.is_empty() {
                // Protection is no call to the cloud, so no change of the plan; it is recorded all the same.
                let changed = follow_protection(&mut prior.state, self.desired, self.selection.as_ref()) || adopted;
                let mut account = Account::of_nothing(prior.state, prior.open);
                let mut journal = prior.journal;
                let save_error = match prior.journal_has_records || changed {
                    true => save(self.context, &mut account.state, &account.open, &mut journal).err(),
                    false => None,
                };
                return Ok(self.report(Outcome { account, signal: None }, save_error));
            }
            let creates = creates(&planned);
            let same = agreed.as_ref().is_some_and(|agreed| creates.is_subset(agreed));
            if !same {
                if (self.consent)(Question::Apply(&planned)) == Consent::Declined {
                    return match agreed {
                        None => Err(OpsError::Declined),
                        Some(_) => Ok(self.report_after(prior, OpsError::Declined)),
                    };
                }
                agreed.get_or_insert_default().extend(creates);
            }
            prior.renew_journal()?;
            let job = Job::Apply { plan: &planned.plan, desired: self.desired, observed: &observed };
            let (outcome, save_error) = self.work(prior, job).await;
            let again = outcome.account.replan && !outcome.account.stopped && save_error.is_none();
            if !again || round == ROUNDS_MAX {
                return Ok(self.report(outcome, save_error));
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// What forbids to carry a plan out.
    pub(super) fn obstacle(&self, planned: &Planned) -> Option<OpsError> {
        if planned.diagnostics.has_errors() {
            return Some(OpsError::Diagnostics(planned.diagnostics.clone()));
        }
        if !planned.blocked.is_empty() {
            return Some(OpsError::Blocked(planned.blocked.clone()));
        }
        let missing: Vec<Blocked> =
            planned.plan.needs.iter().filter(|need| !self.has_consented(need.flag)).map(refused_without).collect();
        if !missing.is_empty() {
            return Some(OpsError::Blocked(missing));
        }
        if !planned.adopted.is_empty() && self.options.assume_yes && !self.options.adopt {
            let what = format!(
                "{} found in the cloud would be taken over by name, for {}",
                crate::plan::change::count(planned.adopted.len(), "instance"),
                crate::model::address::compact(&planned.adopted)
            );
            let help = vec!["if they are this stack's own, say so with --adopt".to_owned()];
            return Some(OpsError::Blocked(vec![Blocked { what, help }]));
        }
        None
    }

    fn has_consented(&self, flag: &str) -> bool {
        match flag {
            ALLOW_DATA_LOSS => self.options.allow_data_loss,
            ACCEPT_NO_REFUND => self.options.accept_no_refund,
            _ => false,
        }
    }

    /// Runs a machine and saves what it leaves.
    pub(super) async fn work(&mut self, prior: Prior, job: Job<'_>) -> (Outcome, Option<StateError>) {
        let context = self.context;
        let salt = salt(&prior.state);
        let mut setup = Setup::new(self.desired, salt, context.seed);
        setup.buy_anyway = self.options.buy_anyway;
        setup.purge = self.options.purge;
        setup.accept_no_refund = self.options.accept_no_refund;
        setup.account = prior.state.binding.account.clone();
        let Prior { state, open, mut journal, .. } = prior;
        let machine = Machine::new(setup, state, open, job);
        let driver = Driver {
            read: context.read.as_ref(),
            write: context.write.as_ref(),
            clock: context.clock.as_ref(),
            events: context.events.as_ref(),
            journal: &mut journal,
            durable: BTreeSet::new(),
            stack: self.desired.stack.clone(),
            ownership: self.desired.ownership,
            signals: std::sync::Arc::clone(&context.signals),
        };
        let mut outcome = run(machine, driver).await;
        let account = &mut outcome.account;
        let save_error = save(context, &mut account.state, &account.open, &mut journal).err();
        for item in &account.items {
            // An earlier round's word on an address is overtaken by a later one's.
            if !item.status.is_departure() {
                self.items.remove(&(item.address.clone(), None));
            }
            self.items.insert((item.address.clone(), item.instance_id.clone()), item.clone());
        }
        (outcome, save_error)
    }

    pub(super) fn report(&mut self, outcome: Outcome, save_error: Option<StateError>) -> ApplyReport {
        let items: Vec<Item> = std::mem::take(&mut self.items).into_values().collect();
        let account = outcome.account;
        let exit = match &outcome.signal {
            Some(signal) => ApplyExit::Interrupted(signal.clone()),
            None => match exit_of(&items, !account.open.is_empty()) {
                ApplyExit::Done if save_error.is_some() || account.fatal.is_some() => ApplyExit::Partial,
                exit => exit,
            },
        };
        ApplyReport { items, exit, open: account.open.len(), state: account.state, save_error }
    }

    /// A later round may not go on: the account of the earlier ones, with the reason as a note.
    fn report_after(&mut self, prior: Prior, stop: OpsError) -> ApplyReport {
        self.context.events.emit(Event::Note { text: format!("not going on: {stop}") });
        let account = Account::of_nothing(prior.state, prior.open);
        let mut report = self.report(Outcome { account, signal: None }, None);
        if report.exit == ApplyExit::Done {
            report.exit = ApplyExit::Partial;
        }
        report
    }
}

/// Carries out a plan that was consented to, once.
pub(super) async fn apply_plan(
    run: &mut Run<'_>,
    mut prior: Prior,
    planned: &Planned,
    observed: &ObservedState,
) -> Result<ApplyReport, OpsError> {
    prior.renew_journal()?;
    let job = Job::Apply { plan: &planned.plan, desired: run.desired, observed };
    let (outcome, save_error) = run.work(prior, job).await;
    Ok(run.report(outcome, save_error))
}

/// What is refused without a flag.
fn refused_without(need: &Need) -> Blocked {
    let help = format!("look at the plan; if that is meant, say so with {}", need.flag);
    Blocked { what: need.what.clone(), help: vec![help] }
}

/// Where the manifest was written after what is live, that is what was applied from now on. Returns whether anything was.
fn follow_what_is_adopted(state: &mut PriorState, plan: &Plan) -> bool {
    let mut changed = false;
    for drift in plan.drift.iter().filter(|drift| drift.decision == Decision::Adopt) {
        let Some(recorded) = state.instances.get_mut(&drift.address) else { continue };
        let place = match drift.name {
            "renew_flag" => &mut recorded.spec["charge"]["renew_flag"],
            "login.key_ids" => &mut recorded.spec["login"]["key_ids"],
            name => &mut recorded.spec[name],
        };
        changed |= *place != drift.live;
        place.clone_from(&drift.live);
    }
    changed
}

/// What the manifest protects now is protected from now on. Returns whether that differs from before.
fn follow_protection(state: &mut PriorState, desired: &DesiredState, selection: Option<&Selection>) -> bool {
    let mut changed = false;
    let is_selected = |address: &&Address| selection.is_none_or(|selection| selection.addresses.contains(*address));
    for (address, wanted) in desired.instances.iter().filter(|(address, _)| is_selected(address)) {
        if let Some(recorded) = state.instances.get_mut(address) {
            changed |= recorded.protect != wanted.protect;
            recorded.protect = wanted.protect;
        }
    }
    changed
}

fn creates(planned: &Planned) -> BTreeSet<Address> {
    planned
        .plan
        .changes
        .iter()
        .filter(|change| change.action != Action::NoOp)
        .map(|change| change.address.clone())
        .collect()
}

/// Saves the state, then lets the journal hold only what is still open. In this order: a journal beside a newer state is
/// known to be folded already, a state beside a journal that is gone would have forgotten.
fn save(
    context: &Context,
    state: &mut PriorState,
    open: &OpenIntents,
    journal: &mut crate::state::Journal,
) -> Result<(), StateError> {
    context.store.save(state)?;
    rewrite_journal(state, open, journal)
}

fn exit_of(items: &[Item], open: bool) -> ApplyExit {
    let any = |wanted: fn(ItemStatus) -> bool| items.iter().any(|item| wanted(item.status));
    if items.iter().all(|item| item.status.is_done()) && !open {
        ApplyExit::Done
    } else if open || any(|status| status.is_done() || matches!(status, ItemStatus::Pending | ItemStatus::Unknown)) {
        ApplyExit::Partial
    } else if items.iter().any(|item| item.status == ItemStatus::Failed && item.instance_id.is_some()) {
        // A launch that failed is an effect too.
        ApplyExit::Partial
    } else if any(|status| status == ItemStatus::Unclear) {
        ApplyExit::Unclear
    } else {
        ApplyExit::Failed
    }
}
